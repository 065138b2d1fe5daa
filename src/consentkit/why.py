# SPDX-License-Identifier: MIT
"""
The decision explained: every condition, and whether it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from attrs import frozen

from consentkit.consent.state import OPEN, Choice, Status
from consentkit.gate import Gate, Moment, OSPermission, Permit, Refusal
from consentkit.ledger.entries import Act, text_digest
from consentkit.policy.model import Clause, Function, ProtectionName
from consentkit.policy.scope import Atom
from consentkit.policy.tables import NEEDS


if TYPE_CHECKING:
    from consentkit.anonymise.classes import PrivacyClass
    from consentkit.anonymise.response import Spent
    from consentkit.anonymise.strength import Strength
    from consentkit.consent.signals import SignalRow


__all__ = ["Condition", "Explanation", "Together", "explain"]


@frozen(kw_only=True)
class Condition:
    """
    One condition of a decision.

    Attributes:
        holds: Whether it does; ``None`` if it cannot be told: one before it
            fails, or it is about the moment of a use.
    """

    name: str
    holds: bool | None
    detail: str = ""

    def __str__(self) -> str:
        mark = {True: "yes", False: "NO", None: "-"}[self.holds]
        more = f": {self.detail}" if self.detail else ""
        return f"{mark:>4}  {self.name}{more}"


@frozen(kw_only=True)
class Together:
    """
    What values are beside each other, whatever each is by itself.

    Attributes:
        privacy_class: What all of them are.

        because: The data types that make them so, sorted.
    """

    privacy_class: PrivacyClass
    because: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.privacy_class.value}, with all else that the function "
            f"gives this recipient, by {', '.join(self.because)}"
        )


@frozen(kw_only=True)
class Explanation:
    """
    A decision with all its conditions, in the order they are asked.

    Attributes:
        permitted: The decision.

        headline: The decision in one line.

        signals: What signals from outside say of the function.

        strength: What undoing the protection of the data type takes, where
            the policy lists one.

        spent: What answers at random have told so far.

        together: What all that the function gives the recipient may become
            together; ``None`` where each is what it is by itself.

        demands: What the way has to be that it takes, in words of
            ``purposes.X.needs``. A kit is not opened with another one.
    """

    permitted: bool
    headline: str
    conditions: tuple[Condition, ...]
    signals: tuple[SignalRow, ...] = ()
    strength: Strength | None = None
    spent: tuple[Spent, ...] = ()
    together: Together | None = None
    demands: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self.headline, *map(str, self.conditions)]
        if self.signals:
            lines += ["", "Signals from outside, the strongest first:"]
        lines += map(str, self.signals)
        if self.strength is not None:
            lines += ["", f"What comes out: {self.strength}"]
        if self.together is not None:
            lines += ["", f"Together: {self.together}"]
        if self.demands:
            lines += ["", f"Its way has to be: {', '.join(self.demands)}"]
        if self.spent:
            lines += ["", "Spent so far, and not to be had back:"]
        lines += map(str, self.spent)
        return "\n".join(lines)


def explain(
    gate: Gate,
    function: str,
    data_type: str | None,
    *,
    recipient: str | None,
    moment: Moment,
    signals: tuple[SignalRow, ...] = (),
    spent: tuple[Spent, ...] = (),
) -> Explanation:
    """
    Explain what *gate* decides on *function*, or on one of its types.

    Args:
        gate: That decides.

        function: Id of the function.

        data_type: Id of the data type; the function as a whole, if ``None``.

        recipient: For whom; by default the clause's first recipient.

        moment: What is known of the use.

        signals: What signals from outside say of the function.

        spent: What answers at random have told, of any function; those of
            this one are kept.
    """
    decision: Function | Permit | Refusal
    if data_type is None:
        decision = gate.function(function, moment=moment)
    else:
        decision = gate.decide(
            function, data_type, recipient=recipient, moment=moment
        )
    headline = str(decision)
    if isinstance(decision, Function):
        headline = f"{function}: permitted"
    return Explanation(
        permitted=not isinstance(decision, Refusal),
        headline=headline,
        conditions=tuple(
            _conditions(gate, function, data_type, recipient, moment)
        ),
        signals=signals,
        strength=_strength(gate, function, data_type),
        spent=tuple(
            one
            for one in spent
            if one.function == function
            and data_type in (None, one.data_type)
            and recipient in (None, one.recipient)
        ),
        together=_together(gate, function, data_type, recipient),
        demands=_demands(gate, function, data_type),
    )


def _demands(
    gate: Gate, function: str, data_type: str | None
) -> tuple[str, ...]:
    """
    List what is demanded of the way, in the order of the words.
    """
    found = gate.policy.functions.get(function)
    if found is None or not found.demands:
        return ()
    purposes: Iterable[str] = found.demands
    if data_type is not None:
        clause = found.clauses.get(data_type)
        if clause is None or clause.protection.name in _STAYS:
            return ()
        purposes = clause.purposes
    named = {n for p in purposes for n in found.demands.get(p, ())}
    return tuple(need for need in NEEDS if need in named)


def _together(
    gate: Gate, function: str, data_type: str | None, recipient: str | None
) -> Together | None:
    found = gate.policy.functions.get(function)
    clause = found.clauses.get(data_type) if found and data_type else None
    if found is None or clause is None or clause.protection.name in _STAYS:
        return None
    from consentkit.anonymise.together import expected

    party = recipient or clause.recipients[0]
    group = expected(
        (one.type, one.protection.name)
        for one in found.clauses.values()
        if party in one.recipients
    )
    if group is None or group.privacy_class is None:
        return None
    return Together(privacy_class=group.privacy_class, because=group.because)


def _strength(
    gate: Gate, function: str, data_type: str | None
) -> Strength | None:
    found = gate.policy.functions.get(function)
    clause = found.clauses.get(data_type) if found and data_type else None
    if found is None or clause is None:
        return None
    from consentkit.anonymise.strength import strength_of

    events = [e for e in found.events.values() if e.type == clause.type]
    return strength_of(clause.type, clause.protection, events=events)


def _conditions(
    gate: Gate,
    function: str,
    data_type: str | None,
    recipient: str | None,
    moment: Moment,
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
    yield _in_force(gate)
    clause = found.clauses.get(data_type) if found and data_type else None
    if data_type is not None:
        yield from _of_clause(clause, data_type, recipient, moment)
    if found is None:
        yield Condition(name="the person granted the function", holds=None)
        return
    parties = _parties(gate, found, clause, data_type, recipient)
    for party in parties:
        yield from _of_party(gate, party)
    atoms = _atoms(found, clause, data_type, parties)
    needed = dict.fromkeys([found.id])
    for party in parties:
        needed.update(dict.fromkeys(found.needs(data_type or "", party)))
    for element in needed:
        yield _granted(gate.state.choices[element], element, atoms)
    permission = found.permission if clause is None else clause.permission
    if data_type is not None and (permission or clause is not None):
        yield Condition(
            name="the operating system allows it",
            holds=not permission
            or moment.os_permission
            in (OSPermission.GRANTED, OSPermission.NOT_APPLICABLE),
            detail=_guarded(permission, moment),
        )
    yield from _of_use(gate, found, moment)
    if data_type is not None and moment.too_soon:
        yield Condition(name="the last read was long enough ago", holds=False)


def _in_force(gate: Gate) -> Condition:
    at = gate.state.at
    return Condition(
        name="the policy is in force",
        holds=at is None or at >= gate.policy.in_force_from,
        detail=f"from {gate.policy.effective}",
    )


def _of_clause(
    clause: Clause | None,
    data_type: str,
    recipient: str | None,
    moment: Moment,
) -> Iterator[Condition]:
    detail = ""
    if clause is not None:
        to = f"to {', '.join(clause.recipients)}"
        detail = (
            f"for {', '.join(clause.purposes)}; protected by "
            f"{clause.protection.name.value}; kept {clause.retention}; "
            f"{_STAYS.get(clause.protection.name, to)}"
        )
    yield Condition(
        name=f"the policy lists {data_type}",
        holds=clause is not None,
        detail=detail,
    )
    if clause is not None and clause.platforms:
        yield Condition(
            name="the policy lists it for this platform",
            holds=moment.platform in clause.platforms,
            detail=f"{moment.platform}; listed for "
            f"{', '.join(clause.platforms)}",
        )
    if recipient is not None:
        yield Condition(
            name=f"the policy lists {recipient} as its recipient",
            holds=None if clause is None else recipient in clause.recipients,
        )


# What leaves the device in no form, whoever the recipients are.
_STAYS: Final = {
    ProtectionName.DROP: "not read",
    ProtectionName.LOCAL_ONLY: "stays on the device",
}


def _of_party(gate: Gate, party: str) -> Iterator[Condition]:
    found = gate.policy.recipients.get(party)
    if found is not None and found.barred:
        yield Condition(
            name=f"{party} may be given something",
            holds=False,
            detail=found.barred,
        )


def _parties(
    gate: Gate,
    function: Function,
    clause: Clause | None,
    data_type: str | None,
    recipient: str | None,
) -> tuple[str, ...]:
    """
    Name who gets it: of an SDK that starts, all others at once.
    """
    if data_type is None:
        others = (
            r for r in function.recipients if r != gate.policy.controller.id
        )
        return tuple(others) if function.sdk else ()
    if recipient is None and clause is not None:
        recipient = clause.recipients[0]
    return (recipient or "",)


def _atoms(
    function: Function,
    clause: Clause | None,
    data_type: str | None,
    parties: tuple[str, ...],
) -> frozenset[Atom]:
    """
    List what has to be covered; nothing in particular, if empty.
    """
    if data_type is None:
        return frozenset(
            Atom("", purpose, party)
            for purpose in function.purposes
            for party in parties
        )
    if clause is None:
        return frozenset()
    return frozenset(
        Atom(clause.type, clause.purposes[0], party) for party in parties
    )


def _granted(
    choice: Choice, element: str, atoms: frozenset[Atom]
) -> Condition:
    covered = choice.covered
    within = covered is None or (bool(covered) and atoms <= covered)
    if "@" in element and not any(atom.data_type for atom in atoms):
        # Starting an SDK asks each recipient's decision as a whole.
        within = covered is None or bool(covered)
    return Condition(
        name=f"the person granted {element}",
        holds=choice.status in OPEN and within,
        detail=_said(choice),
    )


def _said(choice: Choice) -> str:
    """
    Say what was chosen, by which entry, and what stands in its way now.
    """
    status, entry = choice.status, choice.entry
    word, now = _SAID.get(status, (status.value, ""))
    if entry is not None:
        word = _OPEN_QUESTIONS.get(entry.act, word)
        word += (
            f" by {entry.method} at {entry.at:%Y-%m-%d %H:%M:%S} UTC, entry "
            f"{entry.seq}, on version {entry.version}"
        )
    elif status in (Status.MASKED, Status.PAUSED):
        word = "not asked yet"
    elif status in (Status.GUARDIAN_NEEDED, Status.AGE_UNKNOWN):
        word = ""
    causes = [cause for cause in choice.cause if cause not in _CAUSES]
    stopped = f"stopped by {', '.join(causes)}" if causes else ""
    known = (_CAUSES[cause] for cause in choice.cause if cause in _CAUSES)
    return "; ".join(filter(None, (word, now, *known, stopped)))


def _guarded(permission: str, moment: Moment) -> str:
    if not permission:
        return "no permission is needed"
    if moment.os_permission is OSPermission.NOT_APPLICABLE:
        return f"{permission}, which nothing guards here"
    said = (permission, moment.os_permission.value, moment.os_detail)
    return ", ".join(filter(None, said))


# What was done, and how that stands now, where a status alone would not tell.
_SAID: Final = {
    Status.UNKNOWN: ("not asked yet", ""),
    Status.ASKED: ("asked", "not answered"),
    Status.DEFERRED: ("put off", ""),
    Status.OTHER_BASIS: (
        "not asked yet",
        "the policy names another lawful basis, which the app has to invoke",
    ),
    Status.WIDENED: (
        "granted",
        "on older terms, and the policy asks for more now",
    ),
    Status.NARROWED: ("granted", "for more than the policy asks now"),
    Status.EXPIRED: ("granted", "run out"),
    Status.MASKED: ("granted", ""),
    Status.PAUSED: ("granted", "paused"),
    Status.GUARDIAN_NEEDED: ("granted", "a guardian has to decide"),
    Status.AGE_UNKNOWN: ("granted", "the person's age was not declared"),
    Status.INHERITED: (
        "granted",
        "the account's or the organisation's choice",
    ),
}

# Entries that only asked, whatever the status is.
_OPEN_QUESTIONS: Final = {
    Act.NOTICE_SHOWN: "asked",
    Act.DEFERRED: "put off",
}

# Causes that are no signals.
_CAUSES: Final = {
    "barred": "the policy bars the young from it",
    "pause": "paused",
}


def _of_use(
    gate: Gate, function: Function, moment: Moment
) -> Iterator[Condition]:
    """
    Give what the function promises of its use.
    """
    for condition in function.requires:
        met = condition not in moment.unmet
        yield Condition(
            name=f"the condition {condition} is met",
            holds=met,
            detail="" if met else "the app does not say that it is",
        )
    if function.acknowledge:
        read = gate.state.acknowledged.get(function.id)
        wanted = text_digest(function.acknowledge)
        yield Condition(
            name="the person acknowledged what it says first",
            holds=read is not None and read.notice == wanted,
            detail=repr(function.acknowledge),
        )
    if function.user_act:
        yield Condition(
            name="an act of the person", holds=None, detail=_EACH_TIME
        )
    if function.attest:
        yield Condition(
            name="the person vouches for something",
            holds=None,
            detail=f"{function.attest!r}; {_EACH_TIME}",
        )


_EACH_TIME: Final = "asked for at each use"
