# SPDX-License-Identifier: MIT
"""
The state of a person's choices, folded from the entries of the ledger.

Facts are stored, statuses are computed: the fold is pure, and the same
entries, policy, time and signals always give the same state.

Where several things speak of one element, the strongest no wins, in this
order: an unreadable ledger; a withdrawal, a refusal or an annulment; a
guardian that is needed; a signal or the organisation; expiry; a pause. Only
then does a yes count, and only for what it was given to.

Time only closes. What it has ended is on record as soon as it was seen, so
that a clock which is set back brings nothing back; and nothing is taken back
by time alone, so that a clock which was wrong destroys nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Final

from attrs import evolve, field, frozen

from consentkit.consent._said import Facts, Said, used_for
from consentkit.consent.age import Age, AgeBand
from consentkit.ledger.entries import Act, Actor, Entry
from consentkit.policy.model import (
    ABROAD,
    Category,
    Function,
    Minors,
    Policy,
)
from consentkit.policy.period import Period
from consentkit.policy.scope import MENDABLE, Atom, Compared


__all__ = [
    "CLOSED_TO_BASES",
    "OPEN",
    "Choice",
    "State",
    "Status",
    "fold",
    "fold_facts",
    "unreadable",
]


class Status(Enum):
    """
    What the entries say of one element, now.
    """

    UNKNOWN = "unknown"
    ASKED = "asked"
    DEFERRED = "deferred"
    GRANTED = "granted"
    RENEWED = "renewed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    WIDENED = "widened"
    NARROWED = "narrowed"
    PAUSED = "paused"
    GUARDIAN_NEEDED = "guardian_needed"
    AGE_UNKNOWN = "age_unknown"
    MASKED = "masked"
    INHERITED = "inherited"
    OTHER_BASIS = "other_basis"
    OBJECTED = "objected"
    INVALIDATED = "invalidated"
    UNREADABLE = "unreadable"


#: The statuses under which something is permitted.
OPEN: Final = frozenset(
    {
        Status.GRANTED,
        Status.RENEWED,
        Status.WIDENED,
        Status.NARROWED,
        Status.INHERITED,
    }
)

_CONSENTS: Final = frozenset(
    {"consent", "separate_consent", "guardian_consent"}
)

# How long a prompt that was closed without an answer rests, where the
# document does not say: the library's own choice.
# Source: app stores in China count asking again in the same scene within 48
# hours as harassment.
_REST: Final = Period(seconds=48 * 3600)


@frozen(kw_only=True)
class Choice:
    """
    Where a person stands on one element.

    Attributes:
        element: What is decided on: see `Function.elements`.

        entry: The entry that decided, or ``None`` when there is none.

        grants: Hashes of the grants since the last no, the newest last: what
            was kept under one of them, on its terms, was never taken back.

        agreed: The function as it was agreed to, if that is not what the
            policy says now.

        covered: What of the present terms the yes covers; all if ``None``.

        cause: What stops a yes, or would: the signals that mask it, the
            organisation.

        ask_from: From when the app may ask; ``None`` if only the person can
            come back to it.

        epoch: Number of the grant that holds; 0 when none does. A new grant
            is a new epoch, with new keys and new pseudonyms.
    """

    element: str
    status: Status
    entry: Entry | None = None
    grants: tuple[str, ...] = ()
    agreed: Function | None = None
    covered: frozenset[Atom] | None = None
    cause: tuple[str, ...] = ()
    ask_from: datetime | None = None

    @property
    def epoch(self) -> int:
        """
        Number of the grant that holds, or 0.
        """
        if self.status in OPEN and self.entry is not None:
            return self.entry.seq
        return 0

    def may_ask(self, at: datetime) -> bool:
        """
        Tell whether the app may ask at an instant.
        """
        return self.ask_from is not None and at >= self.ask_from


@frozen(kw_only=True, repr=False)
class State:
    """
    All choices of one person under one policy.

    Attributes:
        choices: By element, one for each of the policy.

        at: The time that it holds for.

        since, until: From when to when it is the same, as long as there is
            no new entry; then a consent runs out or somebody comes of age.

        age: What is known of the person's age.

        shown: By element, the notice that was shown last.

        acknowledged: By function, the text that was acknowledged last.

        paused: By element, the pause that holds.

        adopted: Digests of the versions that the person was told of.

        bases: Uses of other lawful bases that hold now.

        stopped_bases: Those that nobody said no to, and that are stopped
            all the same: by a pause, a signal or time.

        over: Yeses and uses of other bases that time has ended, of which no
            entry says so yet.

        problem: Why the ledger cannot be read, or empty. A state with a
            problem permits nothing.
    """

    choices: Mapping[str, Choice]
    at: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None
    age: AgeBand = AgeBand.UNKNOWN
    shown: Mapping[str, Entry] = field(factory=dict)
    acknowledged: Mapping[str, Entry] = field(factory=dict)
    paused: Mapping[str, Entry] = field(factory=dict)
    adopted: frozenset[str] = frozenset()
    bases: tuple[Entry, ...] = ()
    stopped_bases: tuple[Entry, ...] = ()
    over: tuple[Entry, ...] = ()
    problem: str = ""

    def __repr__(self) -> str:
        granted = sum(c.status in OPEN for c in self.choices.values())
        return f"<State: {granted} of {len(self.choices)} granted>"

    @cached_property
    def sendable(self) -> frozenset[str]:
        """
        Hashes of what records may be sent under, now.
        """
        granted = (
            grant
            for choice in self.choices.values()
            if choice.status in OPEN
            for grant in choice.grants
        )
        return frozenset(granted).union(e.hash for e in self.bases)

    @cached_property
    def standing(self) -> frozenset[str]:
        """
        Hashes of what was never taken back, even if it is stopped for now.

        Neither time nor a signal changes it.
        """
        granted = (g for c in self.choices.values() for g in c.grants)
        bases = (*self.bases, *self.stopped_bases)
        return frozenset(granted).union(e.hash for e in bases)

    def permits(self, element: str) -> bool:
        """
        Tell whether *element* is granted, if only in part.
        """
        choice = self.choices.get(element)
        return choice is not None and choice.status in OPEN


def unreadable(policy: Policy, problem: str) -> State:
    """
    Make the state of a ledger that cannot be read.
    """
    choices = {
        e: Choice(element=e, status=Status.UNREADABLE) for e in policy.elements
    }
    return State(choices=MappingProxyType(choices), problem=problem)


def fold(
    entries: Iterable[Entry],
    policy: Policy,
    *,
    at: datetime | None = None,
    archive: Mapping[str, Policy] = MappingProxyType({}),
    masks: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> State:
    """
    Fold *entries*, oldest first, to the state under *policy*.

    An element that the policy does not have is passed over, and so is what
    was said under another document: nothing carries over.

    Args:
        entries: Of one subject.

        policy: The policy in force.

        at: The time; the latest entry's by default.

        archive: Earlier policies by their digests. A yes under one that is
            not there covers nothing but the very same terms.

        masks: By element, the signals from outside that stop it.
    """
    facts = Facts(policy=policy.id).and_then(entries)
    return fold_facts(facts, policy, at=at, archive=archive, masks=masks)


def fold_facts(
    facts: Facts,
    policy: Policy,
    *,
    at: datetime | None = None,
    archive: Mapping[str, Policy] = MappingProxyType({}),
    masks: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> State:
    """
    Fold what was gathered from the entries already; otherwise as `fold`.
    """
    now = at or facts.latest or datetime.min.replace(tzinfo=UTC)
    fold_ = _Fold(
        facts=facts, policy=policy, at=now, archive=archive, masks=masks
    )
    choices = {
        element: fold_.choice(function, element)
        for function in policy.functions.values()
        for element in function.elements
    }
    bases, stopped = fold_.bases(choices)
    since, until = fold_.span()
    return State(
        choices=MappingProxyType(choices),
        at=now,
        since=since,
        until=until,
        age=facts.age.band(now),
        shown=facts.shown,
        acknowledged=facts.acknowledged,
        paused={e: s.paused for e, s in facts.said.items() if s.paused},
        adopted=frozenset(facts.adopted),
        bases=bases,
        stopped_bases=stopped,
        over=fold_.over(choices),
    )


# What that means now


@frozen(kw_only=True)
class _Fold:
    """
    What was said, and all that its meaning depends on.
    """

    facts: Facts
    policy: Policy
    at: datetime
    archive: Mapping[str, Policy]
    masks: Mapping[str, tuple[str, ...]]

    def choice(self, function: Function, element: str) -> Choice:
        """
        Compute where the person stands on one element.
        """
        said = self.facts.of(element)
        made = self._standing(function, element, said)
        made = self._stopped(function, element, said, made)
        ask_from = self._ask_from(function, said, made)
        return made if ask_from is None else evolve(made, ask_from=ask_from)

    def _standing(
        self, function: Function, element: str, said: Said
    ) -> Choice:
        """
        Say what the answers alone add up to.
        """
        answer = said.answer
        if answer is None:
            return self._unanswered(function, element, said)
        match answer.act:
            case Act.REFUSED | Act.IMPORTED:
                status = Status.REFUSED
            case Act.WITHDRAWN:
                status = Status.WITHDRAWN
            case Act.INVALIDATED:
                status = Status.INVALIDATED
            case _:
                return self._granted(function, element, said, answer)
        return Choice(element=element, status=status, entry=answer)

    def _unanswered(
        self, function: Function, element: str, said: Said
    ) -> Choice:
        if said.objected is not None:
            return Choice(
                element=element, status=Status.OBJECTED, entry=said.objected
            )
        inherited = said.inherited
        third = function.category is Category.THIRD_PARTY
        if (
            inherited is not None
            and function.inherits
            and element == function.id
            and not third
        ):
            covering = self._covering(function, element, inherited)
            return evolve(
                covering,
                status=Status.INHERITED,
                grants=(inherited.hash,),
            )
        if said.open is not None:
            status = Status.ASKED
            if said.open.act is Act.DEFERRED:
                status = Status.DEFERRED
            return Choice(element=element, status=status, entry=said.open)
        status = Status.UNKNOWN
        if not _CONSENTS.intersection(function.basis):
            status = Status.OTHER_BASIS
        return Choice(element=element, status=status)

    def _granted(
        self, function: Function, element: str, said: Said, answer: Entry
    ) -> Choice:
        made = self._covering(function, element, answer)
        status = made.status
        if status is Status.GRANTED and len(said.grants) > 1:
            status = Status.RENEWED
        return evolve(made, status=status, grants=said.grants)

    def _covering(
        self, function: Function, element: str, grant: Entry
    ) -> Choice:
        """
        Hold a yes against the present terms.
        """
        made = Choice(element=element, status=Status.GRANTED, entry=grant)
        old = self.archive.get(grant.text)
        same = old is None or (old.controller.id == self.policy.controller.id)
        if grant.terms == function.terms and same:
            return made
        told = same or self.policy.digest in self.facts.adopted
        if old is None or function.id not in old.functions or not told:
            return evolve(made, status=Status.WIDENED, covered=frozenset())
        covered, lost = set(), False
        compared = Compared(old, self.policy, function.id)
        for data_type, uses in compared.uses(element):
            for purpose, recipient, more in uses:
                lost = lost or bool(more)
                if MENDABLE.issuperset(more):
                    covered.add(Atom(data_type, purpose, recipient))
        agreed = old.functions[function.id]
        if lost:
            return evolve(
                made,
                status=Status.WIDENED,
                agreed=agreed,
                covered=frozenset(covered),
            )
        return evolve(made, status=self._or_narrowed(old, function, element))

    def _or_narrowed(
        self, old: Policy, function: Function, element: str
    ) -> Status:
        """
        Tell whether less is asked now than was agreed to.
        """
        compared = Compared(self.policy, old, function.id)
        less = any(
            more for _, uses in compared.uses(element) for _, _, more in uses
        )
        return Status.NARROWED if less else Status.GRANTED

    # What stops a yes

    def _stopped(
        self, function: Function, element: str, said: Said, made: Choice
    ) -> Choice:
        """
        Apply the strongest thing that stops what was said, if any.
        """
        if made.status in _NOES:
            return made
        young = self._too_young(function, element, made)
        if young is not made:
            return young
        causes = self.masks.get(element, ())
        if said.forbidden is not None:
            causes = ("organisation", *causes)
        pause = ("pause",) * self._is_paused(function, said)
        usable = made.status in OPEN or made.status is Status.OTHER_BASIS
        if causes and usable:
            return evolve(made, status=Status.MASKED, cause=causes)
        if not usable:
            # Nothing to stop but a use of another basis; see `bases`.
            cause = (*causes, *pause)
            return evolve(made, cause=cause) if cause else made
        if made.status in OPEN and self._is_over(function, made.entry):
            return evolve(made, status=Status.EXPIRED, cause=pause)
        return evolve(made, status=Status.PAUSED) if pause else made

    def _is_paused(self, function: Function, said: Said) -> bool:
        everything = self.facts.of("").paused
        whole = self.facts.of(function.id).paused
        return bool(said.paused or everything or whole)

    def _is_over(self, function: Function, yes: Entry | None) -> bool:
        return yes is not None and (
            yes.hash in self.facts.over
            or _is_past(_expiry(function, yes), self.at)
        )

    def _too_young(
        self, function: Function, element: str, made: Choice
    ) -> Choice:
        minors = self.policy.minors
        if minors is None or not (minors.minor_until or minors.child_until):
            return made
        by_guardian = (
            made.entry is not None and made.entry.by is Actor.GUARDIAN
        )
        void = (
            made.entry is not None
            and made.status in OPEN
            and self._was_too_young(minors, function, element, made.entry)
        )
        band = self.facts.age.band(self.at)
        if band is AgeBand.ADULT:
            if void:
                return Choice(element=element, status=Status.UNKNOWN)
            if by_guardian and made.status in OPEN:
                # Of age now: what the guardian chose was chosen for
                # somebody who could not.
                return Choice(
                    element=element,
                    status=Status.UNKNOWN,
                    grants=made.grants,
                )
            return made
        if band is AgeBand.UNKNOWN:
            weighty = function.is_separate(element) or function.profiling
            if weighty and not self._is_of_guardian(made.entry):
                return evolve(made, status=Status.AGE_UNKNOWN)
            return made
        if not void and self._may_decide(
            minors, function, element, band, made.entry
        ):
            return made
        needed = evolve(
            made,
            status=Status.GUARDIAN_NEEDED,
            # What the clock alone makes one of the young waits.
            grants=() if void else made.grants,
        )
        barred = minors.child_barred and band is AgeBand.CHILD
        if barred or function.minors == "barred":
            return evolve(needed, cause=("barred",))
        return needed

    def _was_too_young(
        self, minors: Minors, function: Function, element: str, yes: Entry
    ) -> bool:
        """
        Tell whether a yes did not count at any time since it was said.

        It does not begin to count on a birthday, as nobody says it then.
        """
        known, bands = Age(), []
        for entry, age in self.facts.ages:
            if entry.seq < yes.seq:
                known = age
            else:
                bands.append(age.band(entry.at))
        return any(
            band in _YOUNG
            and not self._may_decide(minors, function, element, band, yes)
            for band in (known.band(yes.at), *bands)
        )

    def _may_decide(
        self,
        minors: Minors,
        function: Function,
        element: str,
        band: AgeBand,
        yes: Entry | None,
    ) -> bool:
        """
        Tell whether a yes counts for somebody of a band that is young.
        """
        if minors.child_barred and band is AgeBand.CHILD:
            return False
        if function.minors == "barred":
            return False
        if function.minors == "alone" or not _asks_guardian(
            minors.guardian_for, element, function
        ):
            return True
        return self._is_of_guardian(yes)

    def _is_of_guardian(self, yes: Entry | None) -> bool:
        """
        Tell whether a guardian who was verified by then said yes.
        """
        verified = self.facts.guardian
        return (
            yes is not None
            and yes.by is Actor.GUARDIAN
            and verified is not None
            and verified.seq < yes.seq
        )

    # When to ask, and when to look again

    def _ask_from(
        self, function: Function, said: Said, made: Choice
    ) -> datetime | None:
        """
        Say when the app may ask; a prompt that was closed rests in any case.
        """
        begins = self._askable(function, said, made)
        if said.objected is not None:
            return None
        if begins is None or said.open is None:
            return begins
        if said.open.act is not Act.DEFERRED:
            return begins
        rested = _rested(said.open, function.ask_again or _REST)
        return max(t for t in (begins, rested) if t is not None)

    def _askable(
        self, function: Function, said: Said, made: Choice
    ) -> datetime | None:
        match made.status:
            case (
                Status.UNKNOWN
                | Status.OTHER_BASIS
                | Status.ASKED
                | Status.DEFERRED
                | Status.EXPIRED
                | Status.INHERITED
                | Status.INVALIDATED
                | Status.AGE_UNKNOWN
            ):
                return self.at
            case Status.GUARDIAN_NEEDED if not made.cause:
                return self.at
            case Status.WIDENED if said.declined is None:
                return self.at
            case Status.REFUSED:
                return _rested(said.answer, function.ask_again)
            case Status.WIDENED:
                return _rested(said.declined, function.ask_again)
        return None

    def span(self) -> tuple[datetime | None, datetime | None]:
        """
        Find the instants before and after now at which time alone changes
        something.
        """
        instants = [*self.facts.age.changes(), self.policy.in_force_from]
        for element, said in self.facts.said.items():
            yes = said.answer or said.inherited
            if element not in self.policy.elements or yes is None:
                continue
            expiry = _expiry(self.policy.function_of(element), yes)
            if expiry is not None and yes.hash not in self.facts.over:
                instants.append(expiry)
        ends = [_ends(basis) for basis in self.facts.bases]
        instants += [end for end in ends if end is not None]
        return (
            max((i for i in instants if i <= self.at), default=None),
            min((i for i in instants if i > self.at), default=None),
        )

    def over(self, choices: Mapping[str, Choice]) -> tuple[Entry, ...]:
        """
        List what time has ended and no entry says so yet.
        """
        found = [
            yes
            for element, said in self.facts.said.items()
            for yes in (said.answer, said.inherited)
            if yes is not None
            and yes.act is Act.GRANTED
            and element in choices
            and self._is_over(self.policy.function_of(element), yes)
        ]
        found += [basis for basis in self.facts.bases if self._ended(basis)]
        return tuple(e for e in found if e.hash not in self.facts.over)

    def _ended(self, basis: Entry) -> bool:
        return basis.hash in self.facts.over or _is_past(_ends(basis), self.at)

    def bases(
        self, choices: Mapping[str, Choice]
    ) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
        """
        List the uses of other bases that hold, and those that are stopped
        for now.
        """
        held, stopped = [], []
        for basis in self.facts.bases:
            on = [choices.get(e) for e in used_for(basis)]
            if any(c is None or self._has_ended(basis, c) for c in on):
                continue
            if self._ended(basis) or any(
                c.cause or c.status in CLOSED_TO_BASES for c in on if c
            ):
                stopped.append(basis)
            else:
                held.append(basis)
        return tuple(held), tuple(stopped)

    def _has_ended(self, basis: Entry, choice: Choice) -> bool:
        """
        Tell whether what was said of one element took *basis* back.
        """
        if choice.status is not Status.GUARDIAN_NEEDED:
            return choice.status in _NOES
        minors = self.policy.minors
        function = self.policy.function_of(choice.element)
        return minors is not None and self._was_too_young(
            minors, function, choice.element, basis
        )


_YOUNG: Final = frozenset({AgeBand.CHILD, AgeBand.MINOR})

_NOES: Final = frozenset(
    {
        Status.WITHDRAWN,
        Status.REFUSED,
        Status.INVALIDATED,
        Status.OBJECTED,
    }
)

#: A no is a no to every basis.
CLOSED_TO_BASES: Final = _NOES | {
    Status.GUARDIAN_NEEDED,
    Status.MASKED,
    Status.PAUSED,
    Status.UNREADABLE,
}


def _asks_guardian(
    acts: tuple[str, ...], element: str, function: Function
) -> bool:
    """
    Tell whether a decision is one of those that need the guardian.
    """
    act = "use"
    if element.endswith(ABROAD):
        act = "transfer"
    elif "@" in element:
        recipient = element.partition("@")[2]
        public = function.recipients[recipient].mode == "public"
        act = "disclosure" if public else "sharing"
    return not acts or act in acts or (act == "use" and "account" in acts)


def _expiry(function: Function, yes: Entry) -> datetime | None:
    if function.valid_for is None:
        return None
    return function.valid_for.after(_given(yes))


def _is_past(end: datetime | None, at: datetime) -> bool:
    return end is not None and end <= at


def _rested(entry: Entry | None, rest: Period | None) -> datetime | None:
    if entry is None or rest is None:
        return None
    return rest.after(_given(entry))


def _given(entry: Entry) -> datetime:
    """
    Say when it was said; a copy from another device is younger than that.
    """
    given = entry.facts.get("given")
    if given is None:
        return entry.at
    return min(entry.at, datetime.fromisoformat(given))


def _ends(entry: Entry) -> datetime | None:
    until = entry.facts.get("until")
    return datetime.fromisoformat(until) if until else None
