# SPDX-License-Identifier: MIT
"""
What the entries of one person said so far, one by one.

What it means now, under a policy, at a time and with signals, is computed by
`consentkit.consent.state`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Self

from attrs import define, evolve, field, frozen

from consentkit.consent.age import Age, age_of_facts
from consentkit.ledger.entries import Act, Actor, Entry


__all__ = ["Facts", "Said", "used_for"]

_REFUSALS: Final = frozenset({Act.REFUSED, Act.WITHDRAWN, Act.IMPORTED})


@frozen(kw_only=True)
class Said:
    """
    What was said of one element.

    Attributes:
        answer: The answer that stands.

        open: The notice that was shown, or closed, since.

        grants: Hashes of the yeses since the last no.

        declined: A no to what a new version adds.

        inherited, forbidden: What an account or an organisation said.

        paused, objected: A pause, an objection.
    """

    answer: Entry | None = None
    open: Entry | None = None
    grants: tuple[str, ...] = ()
    declined: Entry | None = None
    inherited: Entry | None = None
    forbidden: Entry | None = None
    paused: Entry | None = None
    objected: Entry | None = None


@define(kw_only=True)
class Facts:
    """
    What was said under one document, and became known.

    Attributes:
        policy: Id of the document.

        said: By element.

        ages: What was declared, with the entry that says so.

        guardian: The entry since which a guardian is verified.

        shown, acknowledged: By element, the newest notice or text.

        bases: Uses of other lawful bases that nobody said no to.

        over: Hashes of what was seen to have ended by time.

        adopted: Digests of the versions that the person was told of.

        latest: The latest time of an entry.
    """

    policy: str
    said: dict[str, Said] = field(factory=dict)
    ages: list[tuple[Entry, Age]] = field(factory=list)
    guardian: Entry | None = None
    shown: dict[str, Entry] = field(factory=dict)
    acknowledged: dict[str, Entry] = field(factory=dict)
    bases: list[Entry] = field(factory=list)
    over: set[str] = field(factory=set)
    adopted: set[str] = field(factory=set)
    latest: datetime | None = None

    @property
    def age(self) -> Age:
        """
        What was declared last.
        """
        return self.ages[-1][1] if self.ages else Age()

    def of(self, element: str) -> Said:
        """
        Give what was said of *element*.
        """
        return self.said.get(element, _NOTHING)

    def and_then(self, entries: Iterable[Entry]) -> Self:
        """
        Give the facts after *entries* too, oldest first; these stay as they
        are.
        """
        made = evolve(
            self,
            said=dict(self.said),
            ages=list(self.ages),
            shown=dict(self.shown),
            acknowledged=dict(self.acknowledged),
            bases=list(self.bases),
            over=set(self.over),
            adopted=set(self.adopted),
        )
        for entry in entries:
            made.add(entry)
        return made

    def add(self, entry: Entry) -> None:
        """
        Take one more entry in.
        """
        if self.latest is None or entry.at > self.latest:
            self.latest = entry.at
        if entry.act is Act.ERASED:
            # Whoever comes next is somebody else.
            self._forget()
        elif entry.policy == self.policy:
            self._note(entry)

    def _forget(self) -> None:
        self.guardian = None
        for part in (self.said, self.shown, self.acknowledged):
            part.clear()
        for known in (self.over, self.adopted):
            known.clear()
        self.ages.clear()
        self.bases.clear()

    def _note(self, entry: Entry) -> None:
        match entry.act:
            case Act.AGE_DECLARED:
                self.ages.append((entry, age_of_facts(entry.facts)))
            case Act.GUARDIAN_VERIFIED:
                self.guardian = self.guardian or entry
            case Act.ACKNOWLEDGED:
                self.acknowledged[entry.element] = entry
            case Act.BASIS_USED:
                self.bases.append(entry)
            case Act.POLICY_ADOPTED:
                self.adopted.add(entry.text)
            case Act.EXPIRED:
                self.over.add(entry.facts.get("of", ""))
            case (
                Act.ATTESTED
                | Act.READ
                | Act.READ_ENDED
                | Act.LINKED
                | Act.UNLINKED
                | Act.SIGNAL_CONFLICT
            ):
                pass
            case _:
                self._note_choice(entry)

    def _note_choice(self, entry: Entry) -> None:
        self.said[entry.element] = _after(self.of(entry.element), entry)
        if entry.act is Act.NOTICE_SHOWN:
            self.shown[entry.element] = entry
        if self.bases and _ends_bases(entry):
            self.bases[:] = (
                b for b in self.bases if entry.element not in used_for(b)
            )


_NOTHING: Final = Said()


def used_for(basis: Entry) -> tuple[str, ...]:
    """
    Name what another basis was used for: a function, and what of it would
    need a decision of its own.
    """
    return (basis.element, *basis.facts.get("parts", "").split())


def _ends_bases(entry: Entry) -> bool:
    """
    Tell whether an entry is a no, which a later yes does not undo for what
    was begun before it.
    """
    if entry.act in (Act.OBJECTED, Act.INVALIDATED):
        return True
    if entry.by in (Actor.ACCOUNT, Actor.ORGANISATION):
        return False
    widening = entry.facts.get("of") == "widening"
    return entry.act is Act.WITHDRAWN or (
        entry.act is Act.REFUSED and not widening
    )


def _after(before: Said, entry: Entry) -> Said:
    """
    Add one entry to what was said of its element.
    """
    match entry.act:
        case Act.NOTICE_SHOWN | Act.DEFERRED:
            return evolve(before, open=entry)
        case Act.PAUSED:
            return evolve(before, paused=entry)
        case Act.RESUMED:
            return evolve(before, paused=None)
        case Act.OBJECTED:
            return evolve(before, objected=entry, grants=(), answer=None)
        case Act.INVALIDATED:
            # It voids a yes; a no of the person's stays one.
            if _is_no(before):
                return before
            return evolve(before, answer=entry, grants=())
        case Act.IMPORTED:
            return _imported(before, entry)
    if entry.by in (Actor.ACCOUNT, Actor.ORGANISATION):
        return _by_others(before, entry)
    return _answered(before, entry)


def _imported(before: Said, entry: Entry) -> Said:
    # An old no is a no; an old yes was given to another question.
    if entry.facts.get("value") != "no" or _is_no(before):
        return before
    return evolve(before, answer=before.answer or entry)


def _is_no(said: Said) -> bool:
    if said.objected is not None:
        return True
    return said.answer is not None and said.answer.act in _REFUSALS


def _by_others(before: Said, entry: Entry) -> Said:
    organisation = entry.by is Actor.ORGANISATION
    if entry.act is Act.GRANTED:
        forbidden = None if organisation else before.forbidden
        return evolve(before, inherited=entry, forbidden=forbidden)
    forbidden = entry if organisation else before.forbidden
    return evolve(before, inherited=None, forbidden=forbidden)


def _answered(before: Said, entry: Entry) -> Said:
    match entry.act:
        case Act.GRANTED if entry.by not in (Actor.PERSON, Actor.GUARDIAN):
            # What runs the app says yes for nobody.
            return before
        case Act.GRANTED:
            return evolve(
                before,
                answer=entry,
                grants=(*before.grants, entry.hash),
                declined=None,
                objected=None,
                open=None,
                paused=None,
            )
        case Act.REFUSED if entry.facts.get("of") == "widening":
            return evolve(before, declined=entry)
        case Act.REFUSED | Act.WITHDRAWN:
            return Said(
                answer=entry,
                inherited=before.inherited,
                forbidden=before.forbidden,
                objected=before.objected,
            )
    return before
