# SPDX-License-Identifier: MIT
"""
The gate: may this be read, kept or sent, now?

A gate is compiled from one policy and one state, and answers with a value:
a `Permit`, which names the clause and the entry that it rests on, or a
`Refusal`, which names the condition that failed. It does no I/O; time and
the operating system's answer come in from outside.

Conditions, in the order in which they are named; the first that fails is the
reason, and a refusal names the others too, as far as the moment tells: a kit
asks the operating system only where all else holds:

1.  the ledger can be read;
2.  the function is declared in the policy, and the policy is in force;
3.  the data type is declared for the function, on this platform;
4.  the purpose is declared for that data type;
5.  the recipient is declared for that data type, and nothing bars it;
6.  the person has granted every element that this needs: the function, the
    separate type, the recipient, the way abroad; each on terms that cover
    it. Or else another lawful basis is listed for it, was attested where it
    needs judgement, and the person has not said no;
7.  the operating system does not forbid it;
8.  what the function promises of its use is met: a person's act, the app's
    conditions, an acknowledgement, an attestation;
9.  the function is in use;
10. the last read was long enough ago.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NoReturn, final

from attrs import field, frozen

from consentkit.consent._said import used_for
from consentkit.consent.state import CLOSED_TO_BASES, OPEN, State, Status
from consentkit.exceptions import DeadPermitError, ForgedPermitError
from consentkit.ledger.entries import Entry, text_digest
from consentkit.policy.model import (
    ABROAD,
    Clause,
    Function,
    Policy,
    ProtectionName,
    split_element,
)
from consentkit.policy.scope import Atom, stricter


__all__ = [
    "ATTESTATION",
    "FAVOURABLE",
    "MOMENTARY",
    "Gate",
    "Moment",
    "OSPermission",
    "Permit",
    "Reason",
    "Refusal",
    "check_permit",
]


class OSPermission(Enum):
    """
    What the operating system lets the app do; never a boolean.
    """

    GRANTED = "granted"
    DENIED = "denied"
    RESTRICTED = "restricted"
    PROMPT_NEEDED = "prompt_needed"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"


class Reason(Enum):
    """
    Why not: a closed list.
    """

    LEDGER_UNREADABLE = "ledger_unreadable"
    UNDECLARED_FUNCTION = "undeclared_function"
    UNDECLARED_DATA_TYPE = "undeclared_data_type"
    UNDECLARED_PURPOSE = "undeclared_purpose"
    UNDECLARED_RECIPIENT = "undeclared_recipient"
    UNDECLARED_SCENE = "undeclared_scene"
    UNDECLARED_SDK = "undeclared_sdk"
    UNDECLARED_EVENT = "undeclared_event"
    NOT_IN_FORCE = "not_in_force"
    PLATFORM = "platform"
    RECIPIENT_BARRED = "recipient_barred"
    NOT_ASKED = "not_asked"
    NOT_ANSWERED = "not_answered"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    INVALIDATED = "invalidated"
    GUARDIAN_NEEDED = "guardian_needed"
    AGE_UNKNOWN = "age_unknown"
    MASKED = "masked"
    EXPIRED = "expired"
    PAUSED = "paused"
    TERMS_CHANGED = "terms_changed"
    SEPARATE_CONSENT_NEEDED = "separate_consent_needed"
    RECIPIENT_CONSENT_NEEDED = "recipient_consent_needed"
    ABROAD_CONSENT_NEEDED = "abroad_consent_needed"
    BASIS_NOT_LISTED = "basis_not_listed"
    BASIS_NOT_ATTESTED = "basis_not_attested"
    OS_PERMISSION = "os_permission"
    NO_ACT = "no_act"
    CONDITION = "condition"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    NOT_ATTESTED = "not_attested"
    NOT_IN_USE = "not_in_use"
    TOO_OFTEN = "too_often"
    CONSENT_CHANGED = "consent_changed"
    STAYS_ON_DEVICE = "stays_on_device"
    NO_VALUE = "no_value"
    OUTBOX_FULL = "outbox_full"
    OUTBOX_UNUSABLE = "outbox_unusable"
    CLOSED = "closed"


_MEANING: Final[Mapping[Reason, str]] = {
    Reason.LEDGER_UNREADABLE: "the ledger of choices cannot be read",
    Reason.UNDECLARED_FUNCTION: "the policy has no such function",
    Reason.UNDECLARED_DATA_TYPE: "the policy does not list this data type "
    "for the function",
    Reason.UNDECLARED_PURPOSE: "the policy does not list this purpose for "
    "the data type",
    Reason.UNDECLARED_RECIPIENT: "the policy does not list this recipient "
    "for the data type",
    Reason.UNDECLARED_SCENE: "the policy does not list this scene",
    Reason.UNDECLARED_SDK: "the policy does not list this SDK for any "
    "function, or the registry has no entry for it",
    Reason.UNDECLARED_EVENT: "the policy does not declare this event, or "
    "not with these fields",
    Reason.NOT_IN_FORCE: "the policy does not hold yet",
    Reason.PLATFORM: "the policy does not list this data type for this "
    "platform",
    Reason.RECIPIENT_BARRED: "nothing may be given to this recipient",
    Reason.NOT_ASKED: "the person has not been asked yet",
    Reason.NOT_ANSWERED: "the person was asked and has not answered",
    Reason.REFUSED: "the person said no",
    Reason.WITHDRAWN: "the person has withdrawn the consent",
    Reason.OBJECTED: "the person has objected",
    Reason.INVALIDATED: "the consent was annulled",
    Reason.GUARDIAN_NEEDED: "a guardian has to decide",
    Reason.AGE_UNKNOWN: "the person's age is not known, and this is not for "
    "the young to decide alone",
    Reason.MASKED: "a signal from outside stops it",
    Reason.EXPIRED: "the consent has run out",
    Reason.PAUSED: "the person has paused it",
    Reason.TERMS_CHANGED: "the policy's terms are not those that the person "
    "agreed to",
    Reason.SEPARATE_CONSENT_NEEDED: "this data type needs a decision of its "
    "own",
    Reason.RECIPIENT_CONSENT_NEEDED: "giving to this recipient needs a "
    "decision of its own",
    Reason.ABROAD_CONSENT_NEEDED: "giving to a recipient abroad needs a "
    "decision of its own",
    Reason.BASIS_NOT_LISTED: "the policy does not list this lawful basis "
    "for it",
    Reason.BASIS_NOT_ATTESTED: "this lawful basis needs a named person's "
    "word each time",
    Reason.OS_PERMISSION: "the operating system does not allow it",
    Reason.NO_ACT: "it needs an act of the person",
    Reason.CONDITION: "a condition of the function is not met",
    Reason.NOT_ACKNOWLEDGED: "the person has not acknowledged what the "
    "policy says first",
    Reason.NOT_ATTESTED: "the person has to vouch for something first",
    Reason.TOO_OFTEN: "the policy promises to read it less often",
    Reason.NOT_IN_USE: "the function is not in use here",
    Reason.CONSENT_CHANGED: "the consent that the value was read under no "
    "longer holds",
    Reason.STAYS_ON_DEVICE: "the policy lets this value leave the device in "
    "no form",
    Reason.NO_VALUE: "there is no value to keep",
    Reason.OUTBOX_FULL: "the outbox is full",
    Reason.OUTBOX_UNUSABLE: "the outbox cannot be used",
    Reason.CLOSED: "the kit is closed",
}


#: Reasons that a moment gives and takes; all others take a new choice, a new
#: policy or a new question.
MOMENTARY: Final = frozenset(
    {
        Reason.NOT_IN_FORCE,
        Reason.OS_PERMISSION,
        Reason.NO_ACT,
        Reason.CONDITION,
        Reason.NOT_ATTESTED,
        Reason.NOT_IN_USE,
        Reason.TOO_OFTEN,
    }
)


#: What a named person has to say of a lawful basis that needs judgement.
ATTESTATION: Final = ("person", "reason", "reference", "until")


@frozen(kw_only=True)
class Refusal:
    """
    The gate's *no*. It is false in a condition.

    Attributes:
        reason: The first condition that failed.

        function: The function that was asked for.

        data_type, purpose, recipient: What was asked for, or empty.

        detail: More on the reason, for people; never a collected value.

        also: The other conditions that failed, in their order.

        held: Whether what was to be captured waits for the person's answer:
            see `consentkit.policy.Pending`.
    """

    reason: Reason
    function: str
    data_type: str = ""
    purpose: str = ""
    recipient: str = ""
    detail: str = ""
    also: tuple[Reason, ...] = ()
    held: bool = False

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        what = self.function + (f"/{self.data_type}" * bool(self.data_type))
        more = f" ({self.detail})" if self.detail else ""
        text = f"{what}: refused, {_MEANING[self.reason]}{more}"
        if self.also:
            text += "; also, " + "; ".join(_MEANING[r] for r in self.also)
        return text + "; it waits for the answer" * self.held


@frozen(kw_only=True, cache_hash=True)
class Moment:
    """
    What holds at the moment of a call, beside policy and choices.

    Attributes:
        os_permission: The operating system's answer for the permission that
            the clause names.

        os_detail: Why that is unknown, where somebody says so.

        platform: Where the app runs: ``android``, ``ios``, ``web``,
            ``iot``, ``desktop``.

        in_use: Whether the function is in use by the caller.

        act: Whether the person just acted.

        attested: Whether the person vouched for what the function asks.

        unmet: The app's conditions that do not hold.

        too_soon: Whether the last read was too short a time ago.
    """

    os_permission: OSPermission = OSPermission.NOT_APPLICABLE
    os_detail: str = ""
    platform: str = "desktop"
    in_use: bool = True
    act: bool = True
    attested: bool = True
    unmet: tuple[str, ...] = ()
    too_soon: bool = False


#: A moment at which nothing is in the way.
FAVOURABLE: Final = Moment()


_SEAL: Final = object()


@frozen(kw_only=True)
class _Grounds:
    """
    What all permits of one answer share.
    """

    clause: Clause
    controller: str
    element: str
    entries: Mapping[str, Entry]
    entry: Entry
    epoch: int
    function: Function
    grant: str
    policy_version: str
    purpose: str
    recipient: str


def _of_grounds(name: str) -> Any:
    return property(attrgetter(f"_grounds.{name}"))


@final
class Permit:
    """
    The gate's *yes*, for one data type, purpose and recipient.

    Only the gate makes one. It cannot be built, copied, pickled or
    subclassed elsewhere, and every other room checks it.

    Attributes:
        function: The function that is permitted, with its clauses.

        clause: The clause of the policy that it rests on.

        entry: The entry of the ledger that it rests on; the narrowest
            decision, where it rests on several.

        entries: All entries that it rests on, by element.

        grant: Their hashes, in one text: what records are kept under.

        epoch: Number of the grant: a new one makes older permits void.
    """

    __slots__ = ("_grounds", "_holds", "_seal")

    _grounds: _Grounds
    _holds: Callable[[Permit], bool]

    clause: Clause = _of_grounds("clause")
    controller: str = _of_grounds("controller")
    element: str = _of_grounds("element")
    entries: Mapping[str, Entry] = _of_grounds("entries")
    entry: Entry = _of_grounds("entry")
    epoch: int = _of_grounds("epoch")
    function: Function = _of_grounds("function")
    grant: str = _of_grounds("grant")
    policy_version: str = _of_grounds("policy_version")
    purpose: str = _of_grounds("purpose")
    recipient: str = _of_grounds("recipient")

    def __init__(
        self,
        grounds: object = None,
        holds: Callable[[Permit], bool] | None = None,
        *,
        seal: object = None,
        **_: object,
    ) -> None:
        if seal is not _SEAL:
            msg = "only the gate makes permits; ask Kit.use() for one"
            raise ForgedPermitError(msg)
        object.__setattr__(self, "_grounds", grounds)
        object.__setattr__(self, "_holds", holds)
        object.__setattr__(self, "_seal", seal)

    def __init_subclass__(cls) -> NoReturn:
        msg = "a permit cannot be subclassed"
        raise ForgedPermitError(msg)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        msg = "a permit cannot be changed"
        raise ForgedPermitError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        msg = "a permit cannot be changed"
        raise ForgedPermitError(msg)

    def __reduce__(self) -> NoReturn:
        msg = "a permit cannot be copied or stored"
        raise ForgedPermitError(msg)

    def __repr__(self) -> str:
        return (
            f"<Permit {self.function.id}/{self.clause.type} "
            f"for {self.purpose}, entry {self.entry.seq}>"
        )

    def __str__(self) -> str:
        goes = f"to {self.recipient}"
        if self.clause.protection.name is ProtectionName.LOCAL_ONLY:
            goes = "to stay on the device"
        return (
            f"{self.function.id}/{self.clause.type}: permitted for "
            f"{self.purpose}, {goes}, by entry "
            f"{self.entry.seq} of {self.entry.at:%Y-%m-%d %H:%M} "
            f"on policy version {self.entry.version}"
        )


def check_permit(permit: object, *, data_type: str | None = None) -> Permit:
    """
    Return *permit* if the gate made it, for *data_type* if that is given.

    Raises:
        ForgedPermitError: If it is anything else.

        DeadPermitError: If it was one: its function is no longer in use
            here, or its consent has ended.
    """
    genuine = type(permit) is Permit and (
        getattr(permit, "_seal", None) is _SEAL
    )
    if not genuine:
        msg = "not a permit of the gate"
        raise ForgedPermitError(msg)
    assert isinstance(permit, Permit)  # noqa: S101 - for the type checker
    if data_type is not None and permit.clause.type != data_type:
        msg = f"a permit for {permit.clause.type}, not for {data_type}"
        raise ForgedPermitError(msg)
    if not permit._holds(permit):  # noqa: SLF001 - the permit's own gate
        msg = f"the permit for {permit.clause.type} holds no more"
        raise DeadPermitError(msg)
    return permit


def _always(_: Permit) -> bool:
    return True


_REASON_OF: Final[Mapping[Status, Reason]] = {
    Status.UNKNOWN: Reason.NOT_ASKED,
    Status.OTHER_BASIS: Reason.NOT_ASKED,
    Status.ASKED: Reason.NOT_ANSWERED,
    Status.DEFERRED: Reason.NOT_ANSWERED,
    Status.REFUSED: Reason.REFUSED,
    Status.WITHDRAWN: Reason.WITHDRAWN,
    Status.OBJECTED: Reason.OBJECTED,
    Status.INVALIDATED: Reason.INVALIDATED,
    Status.GUARDIAN_NEEDED: Reason.GUARDIAN_NEEDED,
    Status.AGE_UNKNOWN: Reason.AGE_UNKNOWN,
    Status.MASKED: Reason.MASKED,
    Status.EXPIRED: Reason.EXPIRED,
    Status.PAUSED: Reason.PAUSED,
    Status.UNREADABLE: Reason.LEDGER_UNREADABLE,
}

# The person has not decided on this by itself.
_UNDECIDED: Final = frozenset({Reason.NOT_ASKED, Reason.NOT_ANSWERED})

#: What of the system's answers opens a read.
OS_LETS: Final = frozenset({OSPermission.GRANTED, OSPermission.NOT_APPLICABLE})

# How many answers are remembered; what is asked for is as many as the policy
# has clauses, but whoever asks for nonsense must not fill the memory.
_MOST_ANSWERS: Final = 65_536

_Failure = tuple[Reason, str]


@frozen(kw_only=True, eq=False)
class Gate:
    """
    The decision, compiled for one policy and one state.

    Each question is answered once and then remembered: a gate never changes,
    and a new choice makes a new one.
    """

    policy: Policy
    state: State
    _favourable: dict[object, Permit | Refusal] = field(
        factory=dict, init=False, repr=False
    )
    _answers: dict[object, Permit | Refusal] = field(
        factory=dict, init=False, repr=False
    )
    _wholes: dict[object, Function | Refusal] = field(
        factory=dict, init=False, repr=False
    )

    def function(
        self, function: str, *, moment: Moment = FAVOURABLE
    ) -> Function | Refusal:
        """
        Decide whether *function* as a whole is declared and granted.

        A function that starts an SDK gives to all its recipients at once,
        so it needs the decisions on each of them.
        """
        key = (function, moment)
        answer = self._wholes.get(key)
        if answer is None:
            failures = list(self._whole(function, moment))
            answer = (
                _refusal(failures, function)
                if failures
                else self.policy.functions[function]
            )
            if len(self._wholes) < _MOST_ANSWERS:
                self._wholes[key] = answer
        return answer

    def decide(
        self,
        function: str,
        data_type: str,
        purpose: str | None = None,
        recipient: str | None = None,
        moment: Moment = FAVOURABLE,
        basis: str = "",
        holds: Callable[[Permit], bool] | None = None,
    ) -> Permit | Refusal:
        """
        Decide on one data type of one function.

        Args:
            function: Id of the function.

            data_type: Id of the data type.

            purpose: Why; the clause's first purpose when not given.

            recipient: For whom; the clause's first recipient when not
                given.

            moment: What holds at the moment of the call.

            basis: Hash of the entry that records the use of another lawful
                basis, instead of consent.

            holds: Tells, whenever the permit is used, whether it still
                holds.
        """
        # The usual moment has a table of its own: a short key is a quick one.
        key: object = (function, data_type, purpose, recipient)
        if moment is FAVOURABLE and not basis:
            answer = self._favourable.get(key)
        else:
            key = (key, moment, basis)
            answer = self._answers.get(key)
        if answer is None:
            answer = self._compile(
                function, data_type, purpose, recipient, moment, basis
            )
            self._remember(key, answer, moment, basis)
        if holds is None or isinstance(answer, Refusal):
            return answer
        # The same permit anew, for one caller.
        return Permit(answer._grounds, holds, seal=_SEAL)  # noqa: SLF001

    def lets_out(self, element: str, recipient: str, grant: str) -> bool:
        """
        Decide whether what waits may go to *recipient*, now.

        An older grant that was given anew, on other terms, was never taken
        back; what was kept under it goes out on the terms of then. But it
        goes to nobody to whom the policy gives nothing any more, and to
        nobody whom those terms do not know.

        Args:
            element: What was granted.

            recipient: Whom it waits for.

            grant: What it was kept under, as a permit names it.
        """
        found = self.policy.functions.get(split_element(element)[0])
        return (
            found is not None
            and recipient in found.recipients
            and not any(self._recipient(recipient))
            and not any(self._in_force())
            and self.state.sendable.issuperset(grant.split())
            and all(
                any(atom.recipient == recipient for atom in choice.covered)
                for choice in self.state.choices.values()
                if choice.covered is not None
                and not set(grant.split()).isdisjoint(choice.grants)
            )
        )

    def _remember(
        self,
        key: object,
        answer: Permit | Refusal,
        moment: Moment,
        basis: str,
    ) -> None:
        usual = moment is FAVOURABLE and not basis
        table = self._favourable if usual else self._answers
        if len(table) < _MOST_ANSWERS:
            table[key] = answer

    def _compile(
        self,
        function: str,
        data_type: str,
        purpose: str | None,
        recipient: str | None,
        moment: Moment,
        basis: str,
    ) -> Permit | Refusal:
        found = self.policy.functions.get(function)
        clause = found.clauses.get(data_type) if found else None
        if clause is not None:
            purpose = clause.purposes[0] if purpose is None else purpose
            recipient = (
                clause.recipients[0] if recipient is None else recipient
            )
        atom = Atom(data_type, purpose or "", recipient or "")
        failures = list(self._failures(function, atom, moment, basis))
        if failures:
            return _refusal(
                failures, function, data_type, atom.purpose, atom.recipient
            )
        assert found is not None  # noqa: S101 - no failure says so
        assert clause is not None  # noqa: S101 - as above
        entries = self._entries(found, atom, basis)
        element, entry = list(entries.items())[-1]
        grounds = _Grounds(
            function=found,
            clause=self._clause(clause, entries),
            element=element,
            entries=entries,
            entry=entry,
            epoch=entry.seq,
            grant=" ".join(e.hash for e in entries.values()),
            controller=self.policy.controller.id,
            policy_version=self.policy.version,
            purpose=atom.purpose,
            recipient=atom.recipient,
        )
        return Permit(grounds, _always, seal=_SEAL)

    def _entries(
        self, function: Function, atom: Atom, basis: str
    ) -> Mapping[str, Entry]:
        """
        Gather what a permit rests on, the narrowest decision last.
        """
        if basis:
            used = next(e for e in self.state.bases if e.hash == basis)
            return MappingProxyType({function.id: used})
        needed = function.needs(atom.data_type, atom.recipient)
        entries = {
            e: entry
            for e in needed
            if (entry := self.state.choices[e].entry) is not None
        }
        return MappingProxyType(entries)

    def _clause(self, clause: Clause, entries: Mapping[str, Entry]) -> Clause:
        """
        Keep the older promise beside the newer one, where both hold.
        """
        for element in entries:
            agreed = self.state.choices[element].agreed
            older = agreed.clauses.get(clause.type) if agreed else None
            if older is not None:
                clause = stricter(older, clause)
        return clause

    # The conditions, in their order

    def _failures(
        self, function: str, atom: Atom, moment: Moment, basis: str
    ) -> Iterator[_Failure]:
        yield from self._ledger()
        found = self.policy.functions.get(function)
        if found is None:
            yield Reason.UNDECLARED_FUNCTION, ""
            return
        yield from self._in_force()
        clause = found.clauses.get(atom.data_type)
        if clause is None:
            yield Reason.UNDECLARED_DATA_TYPE, ""
        else:
            yield from _declared(clause, atom, moment)
        yield from self._recipient(atom.recipient)
        if not self.state.problem:
            if basis:
                yield from self._basis(found, atom, basis)
            else:
                yield from self._granted(found, atom, clause)
        permission = found.permission if clause is None else clause.permission
        yield from _at_the_moment(permission, moment)
        yield from self._promised_use(found, moment)
        if not moment.in_use:
            yield Reason.NOT_IN_USE, ""
        if moment.too_soon:
            yield Reason.TOO_OFTEN, ""

    def _whole(self, function: str, moment: Moment) -> Iterator[_Failure]:
        yield from self._ledger()
        found = self.policy.functions.get(function)
        if found is None:
            yield Reason.UNDECLARED_FUNCTION, ""
            return
        yield from self._in_force()
        others = [
            r for r in found.recipients if r != self.policy.controller.id
        ]
        starts = others if found.sdk else []
        for recipient in starts:
            yield from self._recipient(recipient)
        yield from self._open(found, found.id, None)
        for recipient in starts:
            needed = found.needs("", recipient)
            for element in needed[1:]:
                yield from self._open(found, element, None)
        if found.sdk and self.state.choices[found.id].covered is not None:
            # What it does passes by no clause, so it is all or nothing.
            yield Reason.TERMS_CHANGED, found.id
        if found.sdk:
            yield from _at_the_moment(found.permission, moment)
        yield from self._promised_use(found, moment)

    def _ledger(self) -> Iterator[_Failure]:
        if self.state.problem:
            yield Reason.LEDGER_UNREADABLE, self.state.problem

    def _in_force(self) -> Iterator[_Failure]:
        at = self.state.at
        if at is not None and at < self.policy.in_force_from:
            yield Reason.NOT_IN_FORCE, f"from {self.policy.effective}"

    def _recipient(self, recipient: str) -> Iterator[_Failure]:
        found = self.policy.recipients.get(recipient)
        if found is not None and found.barred:
            yield Reason.RECIPIENT_BARRED, f"{recipient}: {found.barred}"

    def _granted(
        self, function: Function, atom: Atom, clause: Clause | None
    ) -> Iterator[_Failure]:
        asked = None if clause is None else atom
        for element in function.needs(atom.data_type, atom.recipient):
            yield from self._open(function, element, asked)

    def _open(
        self, function: Function, element: str, atom: Atom | None
    ) -> Iterator[_Failure]:
        """
        Ask of one element whether it is granted, for *atom* if given.
        """
        choice = self.state.choices[element]
        if choice.status in OPEN:
            beyond = choice.covered is not None and (
                atom not in choice.covered if atom else not choice.covered
            )
            if beyond:
                yield Reason.TERMS_CHANGED, element
            return
        reason = _REASON_OF[choice.status]
        detail = ", ".join(choice.cause)
        if function.is_separate(element):
            detail = detail or element
            if reason in _UNDECIDED:
                reason = _needed(element)
        yield reason, detail

    def _basis(
        self, function: Function, atom: Atom, basis: str
    ) -> Iterator[_Failure]:
        for element in function.needs(atom.data_type, atom.recipient):
            choice = self.state.choices[element]
            if choice.status in CLOSED_TO_BASES:
                yield _REASON_OF[choice.status], ", ".join(choice.cause)
        used = next((e for e in self.state.bases if e.hash == basis), None)
        needed = function.needs(atom.data_type, atom.recipient)
        if used is None or not set(used_for(used)).issuperset(needed):
            yield Reason.BASIS_NOT_LISTED, "no use of it is on record"
            return
        named = used.facts.get("basis", "")
        if not self.lists(named, function, atom):
            yield Reason.BASIS_NOT_LISTED, named
        elif self._is_attested(named) and not all(
            used.facts.get(name) for name in ATTESTATION
        ):
            yield Reason.BASIS_NOT_ATTESTED, named

    def _is_attested(self, basis: str) -> bool:
        """
        Tell whether *basis* needs the word of a named person.
        """
        return any(
            case.attested
            for case in self.policy.exemptions
            if case.basis == basis
        )

    def lists(self, basis: str, function: Function, atom: Atom) -> bool:
        """
        Tell whether the policy lists *basis* for this.

        What needs a decision of its own is excused only by a case that
        names its type. Making something public is an act of its own: a case
        for sharing does not excuse it, nor one for disclosure the sharing
        (PIPL Articles 23, 25).
        """
        clause = function.clauses.get(atom.data_type)
        separate = clause is not None and clause.separate
        party = self.policy.recipients.get(atom.recipient)
        outside = party is not None and (party.separate or party.abroad)
        act = "sharing" if outside else "collection"
        if party is not None and party.mode == "public":
            act = "disclosure"
        return any(
            case.basis == basis
            and act in case.acts
            and case.covers(function.id, atom.data_type, atom.purpose)
            and (not separate or atom.data_type in case.types)
            for case in self.policy.exemptions
        )

    def _promised_use(
        self, function: Function, moment: Moment
    ) -> Iterator[_Failure]:
        if function.user_act and not moment.act:
            yield Reason.NO_ACT, ""
        unmet = [c for c in function.requires if c in moment.unmet]
        if unmet:
            yield Reason.CONDITION, ", ".join(unmet)
        if function.acknowledge:
            read = self.state.acknowledged.get(function.id)
            wanted = text_digest(function.acknowledge)
            if read is None or read.notice != wanted:
                yield Reason.NOT_ACKNOWLEDGED, ""
        if function.attest and not moment.attested:
            yield Reason.NOT_ATTESTED, function.attest


def _declared(
    clause: Clause, atom: Atom, moment: Moment
) -> Iterator[_Failure]:
    if clause.platforms and moment.platform not in clause.platforms:
        yield Reason.PLATFORM, moment.platform
    if atom.purpose not in clause.purposes:
        yield Reason.UNDECLARED_PURPOSE, atom.purpose
    if atom.recipient not in clause.recipients:
        yield Reason.UNDECLARED_RECIPIENT, atom.recipient


def _at_the_moment(permission: str, moment: Moment) -> Iterator[_Failure]:
    if permission and moment.os_permission not in OS_LETS:
        detail = f"{permission}: {moment.os_permission.value}"
        if moment.os_detail:
            detail += f", {moment.os_detail}"
        yield Reason.OS_PERMISSION, detail


def _needed(element: str) -> Reason:
    """
    Name the decision that is missing.
    """
    if element.endswith(ABROAD):
        return Reason.ABROAD_CONSENT_NEEDED
    if "@" in element:
        return Reason.RECIPIENT_CONSENT_NEEDED
    return Reason.SEPARATE_CONSENT_NEEDED


def _refusal(
    failures: Sequence[_Failure],
    function: str,
    data_type: str = "",
    purpose: str = "",
    recipient: str = "",
) -> Refusal:
    (reason, detail), *rest = failures
    also = dict.fromkeys(other for other, _ in rest if other is not reason)
    return Refusal(
        reason=reason,
        function=function,
        data_type=data_type,
        purpose=purpose,
        recipient=recipient,
        detail=detail,
        also=tuple(also),
    )
