# SPDX-License-Identifier: MIT
"""
The state of a person's choices, folded from the entries of the ledger.

Facts are stored, statuses are computed: the fold is pure, and the same
entries, policy and time always give the same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from types import MappingProxyType

from attrs import frozen

from consentkit.consent.entries import Act, Entry
from consentkit.policy.model import Policy, split_element


__all__ = ["Choice", "State", "Status", "fold"]


class Status(Enum):
    """
    What the entries say of one element, now.
    """

    UNKNOWN = "unknown"
    ASKED = "asked"
    DEFERRED = "deferred"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    WIDENED = "widened"
    UNREADABLE = "unreadable"


@frozen(kw_only=True)
class Choice:
    """
    Where a person stands on one element.

    Attributes:
        element: Function, or function/data type for a separate decision.

        entry: The entry that decided, or ``None`` when there is none.

        grants: Hashes of the grants since the last no, the newest last: what
            was kept under one of them, on its terms, was never taken back.

        epoch: Number of the grant that holds; 0 when none does. A new grant
            is a new epoch, with new keys and new pseudonyms.
    """

    element: str
    status: Status
    entry: Entry | None = None
    grants: tuple[str, ...] = ()

    @property
    def epoch(self) -> int:
        """
        Number of the grant that holds, or 0.
        """
        if self.status is Status.GRANTED and self.entry is not None:
            return self.entry.seq
        return 0


@frozen(kw_only=True, repr=False)
class State:
    """
    All choices of one person under one policy.

    Attributes:
        choices: By element, one for each of the policy.

        at: The latest time that the fold knows of.

        problem: Why the ledger cannot be read, or empty. A state with a
            problem permits nothing.
    """

    choices: Mapping[str, Choice]
    at: datetime | None = None
    problem: str = ""

    def __repr__(self) -> str:
        granted = sum(
            c.status is Status.GRANTED for c in self.choices.values()
        )
        return f"<State: {granted} of {len(self.choices)} granted>"

    @classmethod
    def unreadable(cls, policy: Policy, problem: str) -> State:
        """
        Make the state of a ledger that cannot be read.
        """
        return cls(choices=_every(policy, Status.UNREADABLE), problem=problem)


def _every(policy: Policy, status: Status) -> Mapping[str, Choice]:
    return MappingProxyType(
        {e: Choice(element=e, status=status) for e in policy.elements}
    )


_STATUS = {
    Act.NOTICE_SHOWN: Status.ASKED,
    Act.DEFERRED: Status.DEFERRED,
    Act.GRANTED: Status.GRANTED,
    Act.REFUSED: Status.REFUSED,
    Act.WITHDRAWN: Status.WITHDRAWN,
}

# A notice or a closed prompt is no answer; it replaces only the lack of one.
_NO_ANSWER = frozenset({Act.NOTICE_SHOWN, Act.DEFERRED})


def fold(entries: Iterable[Entry], policy: Policy) -> State:
    """
    Fold *entries*, oldest first, to the state under *policy*.

    An element that the policy does not have is passed over. A grant of
    other terms than the policy's present ones is ``widened``, and permits
    nothing until it is given again.
    """
    deciding: dict[str, Entry] = {}
    grants: dict[str, tuple[str, ...]] = {}
    latest: datetime | None = None
    for entry in entries:
        latest = entry.at if latest is None else max(latest, entry.at)
        before = deciding.get(entry.element)
        answered = before is not None and before.act not in _NO_ANSWER
        if not (answered and entry.act in _NO_ANSWER):
            deciding[entry.element] = entry
        if entry.act is Act.GRANTED:
            grants[entry.element] = (
                *grants.get(entry.element, ()),
                entry.hash,
            )
        elif entry.act not in _NO_ANSWER:
            grants.pop(entry.element, None)
    choices = {
        element: _choice(
            element,
            deciding.get(element),
            policy,
            grants.get(element, ()),
        )
        for element in policy.elements
    }
    return State(choices=MappingProxyType(choices), at=latest)


def _choice(
    element: str,
    entry: Entry | None,
    policy: Policy,
    grants: tuple[str, ...],
) -> Choice:
    if entry is None:
        return Choice(element=element, status=Status.UNKNOWN)
    status = _STATUS[entry.act]
    function = policy.functions[split_element(element)[0]]
    if status is Status.GRANTED and entry.terms != function.terms:
        status = Status.WIDENED
    return Choice(element=element, status=status, entry=entry, grants=grants)
