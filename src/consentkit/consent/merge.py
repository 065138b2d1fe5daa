# SPDX-License-Identifier: MIT
"""
One person, several devices: which of their choices holds.

Of each element the later choice in causal order holds, whatever the clocks
said; of choices that knew nothing of each other the no holds. Two accounts
that turn out to be one keep only what both agreed to.

Everything here is pure: it says what is to be appended to the ledger of this
device. A choice that is carried over stays the choice that it was: its copy
names it, so that the same choices merge to the same, in whatever order
devices meet. A copy says less than the ledger that it comes from: who merges
without that one may get a no where all ledgers together give a yes, and never
the other way round.

Not carried over, as it is not the person's own choice or has to be shown
again: what an account or an organisation said, an age, a guardian, notices,
acknowledgements, and uses of other lawful bases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from attrs import evolve, field, frozen

from consentkit.ledger.entries import GENESIS, Act, Actor, Entry


__all__ = ["Outcome", "Step", "head_of", "intersect", "merge", "outcomes"]

#: What is decided on: the id of a policy, and an element.
Key = tuple[str, str]

_WHOLE: Final[Key] = "", ""

# Noes, the strongest first: who may come back to it, and when.
_NOES: Final = {
    Act.ERASED: 0,
    Act.WITHDRAWN: 0,
    Act.OBJECTED: 1,
    Act.REFUSED: 2,
    Act.IMPORTED: 2,
    Act.INVALIDATED: 3,
}
_ANSWERS: Final = frozenset({Act.GRANTED, *_NOES})
_PAUSES: Final = frozenset({Act.PAUSED, Act.RESUMED})
_OTHERS: Final = frozenset({Actor.ACCOUNT, Actor.ORGANISATION})
# What a no is recorded as where it is carried over.
_AS: Final = {Act.ERASED: Act.WITHDRAWN, Act.IMPORTED: Act.REFUSED}


@frozen(kw_only=True)
class Outcome:
    """
    What all devices together say of one element.

    Attributes:
        open: Whether it is a yes.

        entry: The entry that decides, of the device where it was made, or a
            copy of it where that one is not at hand.
    """

    open: bool
    entry: Entry


@frozen(kw_only=True)
class Step:
    """
    What is to be appended here.

    Attributes:
        act: What it says.

        element: What it is about.

        by: Who said so.

        like: The entry that it rests on: policy, version, text, terms,
            language and notice are those of this one.

        facts: Where it comes from: ``from``, the hash of the first of all
            copies, and ``given``, when that was recorded.
    """

    act: Act
    element: str
    by: Actor
    like: Entry
    facts: Mapping[str, str] = field(factory=dict)


def head_of(history: Sequence[Entry]) -> str:
    """
    Give what an entry ``linked`` says as its fact ``head``.

    It is recorded here together with the steps, before them: all that comes
    after it knows all that the other device had recorded until then.
    """
    return history[-1].hash if history else GENESIS


def outcomes(*histories: Sequence[Entry]) -> Mapping[Key, Outcome]:
    """
    Say what the choices on several devices add up to.

    Args:
        histories: Of one person, one of each device, oldest entry first;
            verified. Their order does not matter.

    Returns:
        By id of the policy and element; nothing for what nobody decided on.
    """
    all_ = _All(histories)
    found = {key: all_.outcome(key) for key in all_.keys}
    return MappingProxyType({k: o for k, o in found.items() if o is not None})


def merge(here: Sequence[Entry], *others: Sequence[Entry]) -> tuple[Step, ...]:
    """
    Say what is to be appended here to agree with the other devices.

    Args:
        here: The entries of this device, oldest first.

        others: Those of the others.

    Returns:
        Nothing if it agrees already; to be appended in this order, after an
        entry ``linked`` for each of *others*.
    """
    all_ = _All((here, *others))
    return tuple(step for key in all_.keys for step in all_.due(key, here))


def intersect(
    here: Sequence[Entry], *others: Sequence[Entry]
) -> tuple[Step, ...]:
    """
    Say what is to be appended here as several accounts become one.

    A yes stands if every account says yes to the same terms. A no of any of
    them is a no. What only this one agreed to is void, and may be asked anew;
    nothing is opened.

    Args:
        here: The entries of the account that goes on, oldest first.

        others: Those of the accounts that end in it.
    """
    mine = outcomes(here)
    theirs = [outcomes(other) for other in others]
    keys = dict.fromkeys(k for found in (mine, *theirs) for k in found)
    return tuple(
        step
        for key in keys
        for step in _meet(key, mine.get(key), [t.get(key) for t in theirs])
    )


def _meet(
    key: Key, mine: Outcome | None, theirs: Sequence[Outcome | None]
) -> Iterator[Step]:
    noes = [o.entry for o in (mine, *theirs) if o is not None and not o.open]
    if noes:
        chosen = min(noes, key=_strength)
        rank = _NOES[chosen.act]
        if mine is None or mine.open or _NOES[mine.entry.act] != rank:
            yield _copy(key, chosen)
    elif mine is not None and any(
        o is None or o.entry.terms != mine.entry.terms for o in theirs
    ):
        yield Step(
            act=Act.INVALIDATED,
            element=key[1],
            by=Actor.SYSTEM,
            like=mine.entry,
            facts={"cause": "account_merge"},
        )


# Everything that is known, as a graph of what knew of what


class _All:
    """
    The entries of all devices.
    """

    def __init__(self, histories: Iterable[Sequence[Entry]]) -> None:
        self._knew: dict[str, set[str]] = {}
        self._entries: dict[str, Entry] = {}
        decided: dict[Key, dict[str, Entry]] = {}
        for history in histories:
            before = GENESIS
            for entry in history:
                self._add(entry, before)
                before = entry.hash
            for entry in _decisions(history):
                whole = entry.act is Act.ERASED
                key = _WHOLE if whole else (entry.policy, entry.element)
                decided.setdefault(key, {})[entry.hash] = entry
        # An erasure speaks of every element.
        erased = decided.pop(_WHOLE, {})
        # The same order, in whatever order the histories came.
        self._decided = {
            key: [*(decided[key] | erased).values()] for key in sorted(decided)
        }

    def _add(self, entry: Entry, before: str) -> None:
        self._entries[entry.hash] = entry
        knew = self._knew.setdefault(entry.hash, set())
        knew |= {before, entry.prior}
        if entry.act is Act.LINKED:
            knew.add(entry.facts.get("head", GENESIS))

    @property
    def keys(self) -> tuple[Key, ...]:
        """
        Everything that was decided on, in one order.
        """
        return tuple(self._decided)

    def _past(self, entries: Iterable[Entry]) -> set[str]:
        """
        Gather all that was known to any of *entries* when it was made, and
        of each copy what it is a copy of.
        """
        found: set[str] = set()
        todo = [h for e in entries for h in self._knew[e.hash]]
        while todo:
            known = todo.pop()
            if known not in found:
                found.add(known)
                todo += self._knew.get(known, ())
        return found | {
            _origin(self._entries[h]) for h in found if h in self._entries
        }

    def _originals(self, key: Key, acts: Collection[Act]) -> list[Entry]:
        """
        Give the choices of *acts*: a copy only where there is nothing else.
        """
        return [
            entry
            for entry in self._decided[key]
            if entry.act in acts
            and (_origin(entry) == entry.hash or not self._at_hand(entry))
        ]

    def _at_hand(self, entry: Entry) -> bool:
        return _origin(entry) in self._entries

    def _open(self, key: Key) -> list[Entry]:
        """
        Give every yes, but for those that a declined widening bars.
        """
        yeses = self._originals(key, {Act.GRANTED})
        declined = [e for e in self._decided[key] if _is_partial(e)]
        return [
            yes
            for yes in yeses
            if not any(
                no.text == yes.text and _origin(no) not in self._past([yes])
                for no in declined
            )
        ]

    def _standing(
        self, key: Key, acts: Collection[Act], past: set[str]
    ) -> list[Entry]:
        """
        Give the choices of *acts* of which *past* does not know.
        """
        return [
            entry
            for entry in self._originals(key, acts)
            if not _is_partial(entry) and _origin(entry) not in past
        ]

    def _latest(self, yeses: Iterable[Entry], past: set[str]) -> list[Entry]:
        """
        Give each yes after which there is no other; *past* is that of all.
        """
        last = [yes for yes in yeses if yes.hash not in past]
        return [
            yes
            for yes in last
            if not any(
                _origin(other) != _origin(yes)
                and _origin(yes) in self._past([other])
                for other in last
            )
        ]

    def outcome(self, key: Key) -> Outcome | None:
        """
        Say what holds for one element, if anything was decided.
        """
        yeses = self._open(key)
        past = self._past(yeses)
        noes = self._standing(key, _NOES, past)
        if noes:
            return Outcome(open=False, entry=min(noes, key=_strength))
        latest = self._latest(yeses, past)
        if not latest:
            return None
        # Of several that know nothing of each other, the one that runs out
        # first.
        return Outcome(open=True, entry=min(latest, key=_age))

    def due(self, key: Key, here: Sequence[Entry]) -> Iterator[Step]:
        """
        Say what this device lacks.

        Every no that holds is copied, even where there is one already: a yes
        that is given here knows of those that stand here, and of no others.
        """
        answers = tuple(self._answers_due(key, here))
        yield from answers
        granted = any(step.act is Act.GRANTED for step in answers)
        yield from self._declined_due(key, here, granted=granted)
        paused = _is_paused(key, here) and not granted
        yield from self._pauses_due(key, here, paused=paused)

    def _answers_due(self, key: Key, here: Sequence[Entry]) -> Iterator[Step]:
        yeses = self._open(key)
        past = self._past(yeses)
        noes = self._standing(key, _NOES, past)
        last = _last(key, here)
        if noes:
            strongest = min(noes, key=_strength)
            missing = sorted(_missing(noes, here), key=_strength, reverse=True)
            for no in missing:
                last = no
                yield _copy(key, no)
            if (
                last is None
                or last.act is Act.GRANTED
                or _weaker(last, strongest)
            ):
                yield _copy(key, strongest)
            return
        latest = self._latest(yeses, past)
        origins = {_origin(yes) for yes in latest}
        if latest and (last is None or _origin(last) not in origins):
            yield _copy(key, min(latest, key=_age))

    def _declined_due(
        self, key: Key, here: Sequence[Entry], *, granted: bool
    ) -> Iterator[Step]:
        # The copy of a yes stands after noes that the yes knew nothing of.
        yeses = self._originals(key, {Act.GRANTED})
        known = self._past(y for y in yeses if _origin(y) == y.hash)
        declined = [
            no
            for no in self._originals(key, {Act.REFUSED})
            if _is_partial(no) and _origin(no) not in known
        ]
        # A yes that is copied puts an end to it, as any yes does.
        missing = declined if granted else _missing(declined, here)
        for no in sorted(missing, key=_age):
            yield _copy(key, no)

    def _pauses_due(
        self, key: Key, here: Sequence[Entry], *, paused: bool
    ) -> Iterator[Step]:
        # As above.
        ends = [
            end
            for end in self._originals(key, {Act.RESUMED, Act.GRANTED})
            if end.act is Act.RESUMED or _origin(end) == end.hash
        ]
        stops = self._standing(key, {Act.PAUSED}, self._past(ends))
        missing = sorted(_missing(stops, here), key=_age)
        for stop in missing:
            yield _copy(key, stop)
        if stops and not missing and not paused:
            yield _copy(key, min(stops, key=_age))
        if not stops and paused and ends:
            yield evolve(_copy(key, max(ends, key=_age)), act=Act.RESUMED)


def _missing(entries: Iterable[Entry], here: Iterable[Entry]) -> list[Entry]:
    """
    Give those that stand here neither themselves nor as a copy, each once.
    """
    there = {_origin(entry) for entry in here}
    return [
        *{_origin(e): e for e in entries if _origin(e) not in there}.values()
    ]


def _weaker(one: Entry, other: Entry) -> bool:
    return _NOES[one.act] > _NOES[other.act]


def _decisions(history: Iterable[Entry]) -> Iterator[Entry]:
    """
    Pick what a person decided, and what ended it.
    """
    answered: set[Key] = set()
    for entry in history:
        key = entry.policy, entry.element
        if entry.act is Act.ERASED:
            answered.clear()
            yield entry
        elif entry.by in _OTHERS:
            continue
        elif entry.act in _PAUSES:
            yield entry
        elif entry.act is Act.IMPORTED:
            # An old flag says nothing once there is an answer.
            if entry.facts.get("value") == "no" and key not in answered:
                answered.add(key)
                yield entry
        elif entry.act in _ANSWERS:
            answered.add(key)
            yield entry


def _last(key: Key, here: Iterable[Entry]) -> Entry | None:
    """
    Give the answer that this device goes by.
    """
    last = None
    for entry in _decisions(here):
        if entry.act is Act.ERASED or (
            (entry.policy, entry.element) == key
            and entry.act in _ANSWERS
            and not _is_partial(entry)
        ):
            last = entry
    return last


def _is_paused(key: Key, here: Iterable[Entry]) -> bool:
    """
    Tell whether a pause stands here, if only behind a no.
    """
    paused = False
    for entry in _decisions(here):
        if entry.act is Act.ERASED:
            paused = False
        elif (entry.policy, entry.element) != key:
            continue
        elif entry.act is Act.PAUSED:
            paused = True
        elif entry.act in (Act.RESUMED, Act.GRANTED):
            paused = False
    return paused


def _origin(entry: Entry) -> str:
    return entry.facts.get("from", entry.hash)


def _is_partial(entry: Entry) -> bool:
    return entry.act is Act.REFUSED and entry.facts.get("of") == "widening"


def _age(entry: Entry) -> tuple[str, str]:
    given = entry.at.isoformat(timespec="milliseconds")
    return entry.facts.get("given", given), _origin(entry)


def _strength(entry: Entry) -> tuple[int, str, str]:
    return (_NOES[entry.act], *_age(entry))


def _copy(key: Key, entry: Entry) -> Step:
    facts = {"from": _origin(entry), "given": _age(entry)[0]}
    if _is_partial(entry):
        facts["of"] = "widening"
    return Step(
        act=_AS.get(entry.act, entry.act),
        element=key[1],
        by=entry.by,
        like=entry,
        facts=facts,
    )
