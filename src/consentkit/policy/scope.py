# SPDX-License-Identifier: MIT
"""
What a consent covers: the difference between what was agreed to and what a
policy asks now.

A consent is given to what stood in the policy at that time. Of a later
policy it covers what does not go beyond that, in purpose, data type,
treatment, recipient, region, retention, frequency and lawful basis; all else
has to be asked for.

Source: PIPL Articles 14 and 23; ISO/IEC 29184:2020, 5.5.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from enum import Enum
from itertools import product, starmap
from typing import Final, TypeAlias

from attrs import evolve, frozen

from consentkit.policy.model import (
    ABROAD,
    Clause,
    Function,
    Policy,
    Protection,
    ProtectionName,
    Recipient,
)
from consentkit.policy.period import Period


__all__ = [
    "MENDABLE",
    "Atom",
    "Beyond",
    "Compared",
    "Use",
    "atoms_of",
    "beyond",
    "covers_longer",
    "stricter",
]


class Beyond(Enum):
    """
    In what something goes beyond a consent.
    """

    FUNCTION = "function"
    BASIS = "basis"
    DATA_TYPE = "data_type"
    PURPOSE = "purpose"
    TREATMENT = "treatment"
    RECIPIENT = "recipient"
    REGION = "region"
    ROUTE = "route"
    RETENTION = "retention"
    FREQUENCY = "frequency"
    EVENT = "event"
    SDK = "sdk"
    CONTROLLER = "controller"
    DECISION = "decision"


@frozen
class Atom:
    """
    The least thing that is permitted: one type, purpose and recipient.

    Attributes:
        data_type: Empty for a function that collects nothing by itself.
    """

    data_type: str
    purpose: str
    recipient: str


# What a value may be turned into without telling more than before.
_LESS: Final = frozenset({ProtectionName.DROP, ProtectionName.LOCAL_ONLY})
_MD5_KEYED: Final = (ProtectionName.MD5, ProtectionName.KEYED)
_NEVER: Final = Protection(name=ProtectionName.DROP)

_DAY_SECONDS: Final = 86_400


#: A purpose, a recipient, and in what that goes beyond a consent.
Use: TypeAlias = tuple[str, str, tuple["Beyond", ...]]


def atoms_of(function: Function, element: str) -> Iterator[Atom]:
    """
    List what *element* of *function* has a say in.
    """
    for data_type, purposes, recipients in _shares(function, element):
        for purpose in purposes:
            for recipient in recipients:
                yield Atom(data_type, purpose, recipient)


def _shares(
    function: Function, element: str
) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """
    List the same by data type, with purposes and recipients.
    """
    _, at, party = element.partition("@")
    _, slash, separate = element.partition("/")
    whole = party.removesuffix(ABROAD)
    for data_type, purposes, recipients in _all_shares(function):
        clause = function.clauses.get(data_type)
        if slash and data_type != separate:
            continue
        if not at and not slash and clause is not None and clause.separate:
            continue
        parties = tuple(r for r in recipients if r == whole)
        if not at or parties:
            yield data_type, purposes, parties if at else recipients


def _all_shares(
    function: Function,
) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    for clause in function.clauses.values():
        yield clause.type, clause.purposes, clause.recipients
    # What an SDK does passes by no clause; the person decides on it all the
    # same, and so on whom it is for and why.
    if not function.clauses:
        yield "", function.purposes or ("",), tuple(function.recipients)


def beyond(
    old: Policy, new: Policy, function: str, atom: Atom
) -> tuple[Beyond, ...]:
    """
    Say in what *atom* under *new* goes beyond a consent under *old*.

    Args:
        old: The policy that was agreed to.

        new: The policy that asks.

        function: Id of the function.

        atom: One of those that `atoms_of` lists for *new*.

    Returns:
        Nothing, if the consent covers it.
    """
    before, after = old.functions.get(function), new.functions[function]
    if before is None:
        return (Beyond.FUNCTION,)
    found = list(_whole(old, new, before, after))
    found += _parts(old, new, before, after, atom)
    return tuple(found)


class Compared:
    """
    What a consent under an old policy covers of one function of a new one.

    A large document has few terms and many data types with them; data types
    with the same terms, then and now, are compared once.

    Args:
        old: The policy that was agreed to.

        new: The policy that asks.

        function: Id of a function of *new*.
    """

    def __init__(self, old: Policy, new: Policy, function: str) -> None:
        self._old = old
        self._new = new
        self._before = old.functions.get(function)
        self._after = new.functions[function]
        self._numbers: dict[Hashable, int] = {}
        self._alike: dict[str, int] = {}
        self._found: dict[tuple[int, str, str], tuple[Beyond, ...]] = {}

    def uses(self, element: str) -> Iterator[tuple[str, tuple[Use, ...]]]:
        """
        Say of each atom of *element* in what it goes beyond the consent.

        Returns:
            For each data type its uses, in the order of `atoms_of`, with
            what `beyond` says, each reason once; data types with the same
            answer have the same tuple.
        """
        made: dict[Hashable, tuple[Use, ...]] = {}
        for data_type, *share in _shares(self._after, element):
            number = self._number(data_type)
            key = (number, *share)
            if key not in made:
                atoms = starmap(Atom, product((data_type,), *share))
                made[key] = tuple(self._use(number, atom) for atom in atoms)
            yield data_type, made[key]

    def _use(self, number: int, atom: Atom) -> Use:
        key = (number, atom.purpose, atom.recipient)
        found = self._found.get(key)
        if found is None:
            told = beyond(self._old, self._new, self._after.id, atom)
            found = self._found[key] = tuple(dict.fromkeys(told))
        return atom.purpose, atom.recipient, found

    def _number(self, data_type: str) -> int:
        """
        Number the data types by all that `beyond` looks at in one.
        """
        number = self._alike.get(data_type)
        if number is None:
            then = None
            within = True
            if self._before is not None:
                then = _terms(self._before, data_type)
                within = _events_within(self._before, self._after, data_type)
            terms = (then, _terms(self._after, data_type), within)
            number = self._numbers.setdefault(terms, len(self._numbers))
            self._alike[data_type] = number
        return number


def _terms(function: Function, data_type: str) -> Hashable:
    clause = function.clauses.get(data_type)
    if clause is None:
        return None
    return (
        clause.purposes,
        clause.recipients,
        clause.protection,
        clause.retention,
        clause.separate,
        clause.scenes,
        clause.frequency,
    )


def _whole(
    old: Policy, new: Policy, before: Function, after: Function
) -> Iterator[Beyond]:
    """
    Compare what belongs to a function as a whole.
    """
    owner = new.controller
    if old.controller.id not in (owner.id, *owner.continues):
        yield Beyond.CONTROLLER
    if not set(after.basis) <= set(before.basis):
        yield Beyond.BASIS
    if after.sdk and after.sdk != before.sdk:
        yield Beyond.SDK


def _parts(
    old: Policy, new: Policy, before: Function, after: Function, atom: Atom
) -> Iterator[Beyond]:
    """
    Compare one atom with what there was.
    """
    here, there = _decisions(before, after, atom)
    if not there <= here:
        # What needed a decision of its own then was not part of this one.
        yield Beyond.DECISION
    party = after.recipients[atom.recipient]
    was = _same_party(old, new, before, party)
    if was is None:
        yield Beyond.RECIPIENT
    elif party.abroad and was.country != party.country:
        yield Beyond.REGION
    yield from _ways(before, after, atom.purpose)
    if not atom.data_type:
        if atom.purpose and atom.purpose not in before.purposes:
            yield Beyond.PURPOSE
        return
    clause = after.clauses[atom.data_type]
    promised = before.clauses.get(atom.data_type)
    if promised is None:
        yield Beyond.DATA_TYPE
        return
    if atom.purpose not in promised.purposes:
        yield Beyond.PURPOSE
    if was is not None and was.id not in promised.recipients:
        yield Beyond.RECIPIENT
    yield from _clauses(promised, clause)
    if not _events_within(before, after, atom.data_type):
        yield Beyond.EVENT


def _decisions(
    before: Function, after: Function, atom: Atom
) -> tuple[set[str], set[str]]:
    now = set(after.needs(atom.data_type, atom.recipient))
    then = set(before.needs(atom.data_type, atom.recipient))
    return now, then


def _same_party(
    old: Policy, new: Policy, before: Function, party: Recipient
) -> Recipient | None:
    """
    Find the recipient of *before* that *party* is, or was called.
    """
    if party.id == new.controller.id:
        return before.recipients.get(old.controller.id)
    was = before.recipients.get(party.id)
    if was is None or was.mode != party.mode:
        return None
    return was if was.name in (party.name, *party.formerly) else None


def _ways(before: Function, after: Function, purpose: str) -> Iterator[Beyond]:
    """
    Compare what the purpose demands of the way that its records take.
    """
    then = before.demands.get(purpose, ())
    now = after.demands.get(purpose, ())
    if not set(then) <= set(now):
        yield Beyond.ROUTE
    elif "region" in then and not set(after.regions) <= set(before.regions):
        yield Beyond.REGION


def _clauses(promised: Clause, clause: Clause) -> Iterator[Beyond]:
    if not _tells_no_more(promised.protection, clause.protection):
        yield Beyond.TREATMENT
    if not covers_longer(promised.retention, clause.retention):
        yield Beyond.RETENTION
    often = promised.frequency
    rarely = clause.frequency
    if often is not None and (
        rarely is None or not covers_longer(rarely, often)
    ):
        yield Beyond.FREQUENCY
    if clause.scenes and not set(clause.scenes) <= set(promised.scenes):
        yield Beyond.FREQUENCY


def _tells_no_more(old: Protection, new: Protection) -> bool:
    if new.name in _LESS:
        return True
    if old.name in _LESS:
        return False
    if new.name is not old.name:
        return new.name is ProtectionName.PRESENT or (
            _no_finer(old.time_step, new.time_step)
            and (
                old.name is ProtectionName.NONE
                # Whoever has the keyed one cannot guess what it was made of.
                or (old.name, new.name) == _MD5_KEYED
            )
        )
    return (
        new.cell_km >= old.cell_km
        and set(new.intents) <= set(old.intents)
        and new.noise_km >= old.noise_km
        and new.on_change >= old.on_change
        and _no_finer(old.time_step, new.time_step)
        and new.epsilon <= old.epsilon
        and set(new.values) <= set(old.values)
        and _no_longer(old, new)
    )


def _no_finer(old: Period | None, new: Period | None) -> bool:
    return old is None or (new is not None and covers_longer(new, old))


def _no_longer(old: Protection, new: Protection) -> bool:
    """
    Tell whether the epochs of *new* tell no more than those of *old*.

    Short ones part pseudonyms; but each one draws noise and answers anew,
    and the more draws there are, the more they tell together.
    """
    if new.name is ProtectionName.GRID and not old.noise_km:
        return True
    longer, shorter = old.epoch, new.epoch
    if new.name is not ProtectionName.KEYED:
        longer, shorter = new.epoch, old.epoch
    return longer is None or (
        shorter is not None and covers_longer(longer, shorter)
    )


def covers_longer(longer: Period, shorter: Period) -> bool:
    """
    Tell whether *longer* is never over before *shorter* is.

    A month has from 28 to 31 days.
    """
    if longer.months == shorter.months:
        return longer.seconds >= shorter.seconds
    years, months = divmod(shorter.months, 12)
    most = (years * 366 + months * 31) * _DAY_SECONDS + shorter.seconds
    return _least(longer) >= most or (
        longer.months > shorter.months and longer.seconds >= shorter.seconds
    )


def _events_within(before: Function, after: Function, data_type: str) -> bool:
    for event in after.events.values():
        if event.type != data_type:
            continue
        was = before.events.get(event.name)
        if was is None or was.type != data_type:
            return False
        for name, spec in event.fields.items():
            known = was.fields.get(name)
            if known is None or known.kind != spec.kind:
                return False
            if not set(spec.values) <= set(known.values):
                return False
    return True


#: Ways of going beyond that end where the older promise is kept instead.
MENDABLE: Final = frozenset(
    {Beyond.TREATMENT, Beyond.RETENTION, Beyond.FREQUENCY}
)


def stricter(agreed: Clause, now: Clause) -> Clause:
    """
    Give the clause that keeps both promises, of then and of now.
    """
    scenes = tuple(s for s in now.scenes if s in agreed.scenes)
    protection = _narrower(agreed.protection, now.protection)
    if now.scenes and not scenes:
        # No scenes would be all; what is promised for none is not read.
        protection = _NEVER
    return evolve(
        now,
        protection=protection,
        retention=_shorter(agreed.retention, now.retention),
        frequency=_rarer(agreed.frequency, now.frequency),
        scenes=scenes,
    )


def _narrower(agreed: Protection, now: Protection) -> Protection:
    if _tells_no_more(agreed, now):
        return now
    if agreed.name is now.name is ProtectionName.TAKE:
        shared = tuple(i for i in now.intents if i in agreed.intents)
        return evolve(now, intents=shared) if shared else _NEVER
    return agreed


def _shorter(agreed: Period, now: Period) -> Period:
    if covers_longer(agreed, now):
        return now
    if covers_longer(now, agreed):
        return agreed
    # Which one ends first depends on the month; this ends before both.
    return Period(seconds=min(_least(agreed), _least(now)))


def _least(period: Period) -> int:
    years, months = divmod(period.months, 12)
    return (years * 365 + months * 28) * _DAY_SECONDS + period.seconds


def _rarer(one: Period | None, other: Period | None) -> Period | None:
    if one is None or other is None:
        return one or other
    return one if covers_longer(one, other) else other
