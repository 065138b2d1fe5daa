# SPDX-License-Identifier: MIT
"""
The decision explained: every condition, and whether it holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from consentkit.consent.state import Choice, Status
from consentkit.gate import Gate, OSPermission, Permit, Refusal
from consentkit.policy.model import Clause, Function


__all__ = ["Condition", "Explanation", "explain"]


@frozen(kw_only=True)
class Condition:
    """
    One condition of a decision.

    Attributes:
        holds: Whether it does; ``None`` if it could not be asked, because
            one before it fails.
    """

    name: str
    holds: bool | None
    detail: str = ""

    def __str__(self) -> str:
        mark = {True: "yes", False: "NO", None: "-"}[self.holds]
        more = f": {self.detail}" if self.detail else ""
        return f"{mark:>4}  {self.name}{more}"


@frozen(kw_only=True)
class Explanation:
    """
    A decision with all its conditions, in the order they are asked.

    Attributes:
        permitted: The decision.

        headline: The decision in one line.
    """

    permitted: bool
    headline: str
    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        return "\n".join([self.headline, *map(str, self.conditions)])


def explain(
    gate: Gate,
    function: str,
    data_type: str | None,
    *,
    recipient: str | None,
    os_permission: OSPermission,
) -> Explanation:
    """
    Explain what *gate* decides on *function*, or on one of its types.
    """
    decision: Function | Permit | Refusal
    if data_type is None:
        decision = gate.function(function)
    else:
        decision = gate.decide(
            function,
            data_type,
            recipient=recipient,
            os_permission=os_permission,
        )
    conditions = tuple(
        _conditions(gate, function, data_type, recipient, os_permission)
    )
    permitted = not isinstance(decision, Refusal)
    headline = str(decision)
    if isinstance(decision, Function):
        headline = f"{function}: permitted"
    return Explanation(
        permitted=permitted, headline=headline, conditions=conditions
    )


def _conditions(
    gate: Gate,
    function: str,
    data_type: str | None,
    recipient: str | None,
    os_permission: OSPermission,
) -> Iterator[Condition]:
    readable = not gate.state.problem
    yield Condition(
        name="the ledger can be read",
        holds=readable,
        detail=gate.state.problem,
    )
    found = gate.policy.functions.get(function)
    yield Condition(
        name="the policy declares the function",
        holds=found is not None,
        detail=f"{gate.policy.id} {gate.policy.version}",
    )
    clause = found.clauses.get(data_type) if found and data_type else None
    if data_type is not None:
        yield from _of_clause(clause, data_type, recipient)
    if found is None:
        yield Condition(name="the person granted the function", holds=None)
        return
    yield _granted(gate.state.choices[function], "the function")
    if clause is None:
        return
    if clause.separate:
        element = found.element_of(clause.type)
        yield _granted(gate.state.choices[element], clause.type)
    yield Condition(
        name="the operating system allows it",
        holds=os_permission
        in (OSPermission.GRANTED, OSPermission.NOT_APPLICABLE),
        detail=f"{clause.permission or 'no permission needed'}, "
        f"{os_permission.value}",
    )


def _of_clause(
    clause: Clause | None, data_type: str, recipient: str | None
) -> Iterator[Condition]:
    detail = ""
    if clause is not None:
        detail = (
            f"for {', '.join(clause.purposes)}; protected by "
            f"{clause.protection.name.value}; kept {clause.retention}"
        )
    yield Condition(
        name=f"the policy lists {data_type}",
        holds=clause is not None,
        detail=detail,
    )
    if recipient is not None:
        yield Condition(
            name=f"the policy lists {recipient} as its recipient",
            holds=None if clause is None else recipient in clause.recipients,
        )


def _granted(choice: Choice, what: str) -> Condition:
    detail = choice.status.value
    if choice.entry is not None:
        entry = choice.entry
        detail += (
            f" by {entry.method} at {entry.at:%Y-%m-%d %H:%M:%S} UTC, entry "
            f"{entry.seq}, on version {entry.version}"
        )
    return Condition(
        name=f"the person granted {what}",
        holds=choice.status is Status.GRANTED,
        detail=detail,
    )
