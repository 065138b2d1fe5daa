# SPDX-License-Identifier: MIT
"""
What one person's entries add up to, computed anew only when it must be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from attrs import evolve, frozen

from consentkit._fork import Mutex
from consentkit.consent._archive import Archive
from consentkit.consent._said import Facts, used_for
from consentkit.consent._unrecorded import Unrecorded
from consentkit.consent.signals import Signals
from consentkit.consent.state import (
    Choice,
    State,
    Status,
    fold_facts,
    unreadable,
)
from consentkit.exceptions import StoreError
from consentkit.ledger.base import Ledger
from consentkit.ledger.entries import Entry
from consentkit.policy.model import Policy


__all__ = ["View"]


class View:
    """
    The state of one person's choices under one policy.

    Args:
        policy: The policy in force.

        ledger: Where the entries are.

        clock: Gives the time.

        signals: Gives the signals from outside, as they are now.

        subject: Gives the person's tag in the ledger, if there is one.

        person: How the app names the person, where no tag can be had.

        unrecorded: Noes that the ledger did not take.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        ledger: Ledger,
        clock: Callable[[], datetime],
        signals: Callable[[], Signals],
        subject: Callable[[bool], str | None],
        person: str,
        unrecorded: Unrecorded,
    ) -> None:
        self._policy = policy
        self._ledger = ledger
        self._clock = clock
        self._signals = signals
        self._subject = subject
        self._person = person
        self._unrecorded = unrecorded
        self._archive = Archive(policy, ledger)
        #: The entries, and the ledger's mark under which they were read.
        self._read: tuple[object, tuple[Entry, ...]] = (None, ())
        self._gathered: tuple[tuple[Entry, ...], Facts] | None = None
        self._folded: _Folded | None = None
        self._quick: _Quick | None = None
        self._broken: State | None = None
        self._narrowed: tuple[State, frozenset[str] | None, State] | None
        self._narrowed = None
        self._mine: tuple[tuple[str, ...], dict[str, str]] | None = None
        #: Hashes of what this process saw ending by time.
        self._over: frozenset[str] = frozenset()
        self._lock = Mutex()
        #: Somebody said to be too young, which is not written down.
        self.barred = False

    def state(self) -> State:
        """
        Give the choices as they are now, over all processes of the app.
        """
        quick = self._quick
        if quick is not None and self._is_as_before(quick):
            return quick.folded.state
        self._quick = None
        state = self._without_stopped(self.recorded())
        folded = self._folded
        mark, entries = self._read
        signals = self._signals()
        if (
            folded is not None
            and folded.state is state
            and folded.entries is entries
            and folded.masks == signals.masks(self._policy, entries)
            and not state.over
        ):
            self._quick = _Quick(mark, signals, folded)
        return state

    def _is_as_before(self, quick: _Quick) -> bool:
        try:
            is_same = (
                quick.mark is not None and self._ledger.mark() is quick.mark
            )
        except StoreError:
            return False
        return (
            is_same
            and self._signals() is quick.signals
            and not self.barred
            and not self._unrecorded.names()
            and quick.folded.is_in_time(self._clock)
        )

    def recorded(self) -> State:
        """
        Give what the entries say, without the noes that are not among them.
        """
        try:
            entries = self.entries()
            masks = self._signals().masks(self._policy, entries)
            folded = self._folded
            if folded is None or not folded.holds(entries, masks, self._clock):
                now = self._clock().astimezone(UTC)
                state = self.fold(entries, now, masks)
                folded = _Folded(entries=entries, masks=masks, state=state)
                self._folded = folded
        except StoreError as error:
            return self._unreadable(str(error))
        return folded.state

    def entries(self) -> tuple[Entry, ...]:
        """
        Give the person's entries, oldest first.

        Raises:
            StoreError: If the ledger cannot be read.
        """
        # Before they are read: what is written meanwhile is seen next time.
        mark = self._ledger.mark()
        known, entries = self._read
        if mark is None or mark is not known:
            tag = self._subject(False)
            entries = () if tag is None else self._ledger.entries(tag)
            self._read = mark, entries
        return entries

    def fold(
        self,
        entries: tuple[Entry, ...],
        now: datetime,
        masks: Mapping[str, tuple[str, ...]],
    ) -> State:
        """
        Fold *entries*, of which most are known, as of *now*.
        """
        facts = self._facts(entries)
        if not self._over <= facts.over:
            facts = facts.and_then(())
            facts.over |= self._over
        return fold_facts(
            facts, self._policy, at=now, archive=self._archive, masks=masks
        )

    def fresh_over(self, state: State) -> tuple[Entry, ...]:
        """
        Give what time has ended, each once, and hold on to it.
        """
        with self._lock:
            fresh = [e for e in state.over if e.hash not in self._over]
            self._over |= {e.hash for e in fresh}
        return tuple(fresh)

    def stopped(self) -> frozenset[str]:
        """
        Name the elements with a no that the ledger did not take.
        """
        return frozenset(self.unrecorded())

    def unrecorded(self) -> dict[str, str]:
        """
        Give the noes that the ledger did not take: by element, which act.
        """
        names = self._unrecorded.names()
        if not names:
            return {}
        mine = self._by_name()
        return {mine[name]: act for name, act in names.items() if name in mine}

    def _by_name(self) -> dict[str, str]:
        """
        Give the elements by the names that a no to them is noted under.
        """
        people = self._names()
        if self._mine is None or self._mine[0] != people:
            found = {
                self._unrecorded.name(person, element): element
                for person in people
                for element in self._policy.elements
            }
            self._mine = people, found
        return self._mine[1]

    def hold(self, elements: Iterable[str], act: str) -> None:
        """
        Let a no hold from now on, whether or not the ledger takes it.
        """
        self._unrecorded.hold(self._marks(elements), act)

    def keep(self, elements: Iterable[str], act: str) -> None:
        """
        Let it hold over the end of this process.
        """
        self._unrecorded.keep(self._marks(elements), act)

    def drop(self, elements: Iterable[str]) -> None:
        """
        Let the ledger alone say of *elements* what holds.
        """
        if self._unrecorded.names():
            self._unrecorded.drop(
                self._unrecorded.name(person, element)
                for person in self._names()
                for element in elements
            )

    def _marks(self, elements: Iterable[str]) -> list[str]:
        person = self._names()[0]
        return [self._unrecorded.name(person, e) for e in elements]

    def _names(self) -> tuple[str, ...]:
        try:
            tag = self._subject(False)
        except StoreError:
            tag = None
        return (self._person,) if tag is None else (tag, self._person)

    def _facts(self, entries: tuple[Entry, ...]) -> Facts:
        known = self._gathered
        if known is not None and known[0] is entries:
            return known[1]
        seen, facts = known or ((), Facts(policy=self._policy.id))
        if entries[: len(seen)] != seen:
            seen, facts = (), Facts(policy=self._policy.id)
        facts = facts.and_then(entries[len(seen) :])
        self._gathered = entries, facts
        return facts

    def _unreadable(self, problem: str) -> State:
        # The same again while nothing changes: a refusal is to be cheap.
        known = self._broken
        if known is None or known.problem != problem:
            self._broken = known = unreadable(self._policy, problem)
        return known

    def _without_stopped(self, state: State) -> State:
        if not self.barred and not self._unrecorded.names():
            return state
        stopped = None if self.barred else self.stopped()
        if stopped is not None and not stopped:
            return state  # they are of other people
        known = self._narrowed
        if known is None or known[0] is not state or known[1] != stopped:
            known = (state, stopped, _narrow(state, stopped))
            self._narrowed = known
        return known[2]


@frozen
class _Quick:
    """
    A state that holds while its grounds are the very same ones.
    """

    mark: object
    signals: Signals
    folded: _Folded


@frozen(kw_only=True)
class _Folded:
    """
    A state, and what it was folded from.
    """

    entries: tuple[Entry, ...]
    masks: Mapping[str, tuple[str, ...]]
    state: State

    def holds(
        self,
        entries: tuple[Entry, ...],
        masks: Mapping[str, tuple[str, ...]],
        clock: Callable[[], datetime],
    ) -> bool:
        """
        Tell whether it is still the state; most need no look at the clock.
        """
        return (
            self.entries is entries
            and self.masks == masks
            and self.is_in_time(clock)
        )

    def is_in_time(self, clock: Callable[[], datetime]) -> bool:
        """
        Tell whether nothing in it has ended or begun since.
        """
        since, until = self.state.since, self.state.until
        if since is None and until is None:
            return True
        now = clock()
        return (since is None or since <= now) and (
            until is None or now < until
        )


def _narrow(state: State, stopped: frozenset[str] | None) -> State:
    """
    Take *stopped* out of *state*; all of it, if ``None``.
    """
    if stopped is None:
        choices = {
            e: Choice(
                element=e, status=Status.GUARDIAN_NEEDED, cause=("barred",)
            )
            for e in state.choices
        }
        return evolve(state, choices=choices, bases=(), stopped_bases=())
    choices = {
        e: Choice(element=e, status=Status.WITHDRAWN, entry=c.entry)
        if e in stopped
        else c
        for e, c in state.choices.items()
    }
    return evolve(
        state,
        choices=choices,
        bases=tuple(b for b in state.bases if stopped.isdisjoint(used_for(b))),
    )
