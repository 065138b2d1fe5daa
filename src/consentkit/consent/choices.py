# SPDX-License-Identifier: MIT
"""
A person's choices: the acts that write the ledger, and what they add up to.
"""

from __future__ import annotations

import re
import threading

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final

from attrs import evolve, field, frozen

from consentkit.consent.entries import Act, Entry
from consentkit.consent.ledger import Draft, Ledger
from consentkit.consent.state import Choice, State, Status, fold
from consentkit.exceptions import StoreError
from consentkit.policy.model import Policy, split_element


__all__ = ["Consent", "Destroyed", "Withdrawal"]

_METHOD = re.compile(r"[a-z][a-z0-9_]{0,63}")

# Ways of not saying anything; none of them is a choice.
# Source: GDPR Recital 32 (silence, pre-ticked boxes, inactivity).
_NO_ACT: Final = frozenset(
    {"default", "implied", "install", "launch", "scroll", "silence", "use"}
)


@frozen(kw_only=True)
class Destroyed:
    """
    What a withdrawal took out of the outbox.

    Attributes:
        records: How many waiting records were destroyed.

        in_flight: How many of these were on their way; they were perhaps
            delivered, are never tried again, and an erasure request
            follows them.

        erasures: How many erasure requests were queued, one for each
            recipient that may have got something.
    """

    records: int = 0
    in_flight: int = 0
    erasures: int = 0


@frozen(kw_only=True)
class Withdrawal:
    """
    What a withdrawal did.

    Attributes:
        entries: What was recorded; empty if it was withdrawn before.

        destroyed: What it took out of the outbox.

        still_running: Third-party SDKs that run and have no way to be
            stopped; they end with the process.
    """

    entries: tuple[Entry, ...]
    destroyed: Destroyed = field(factory=Destroyed)
    still_running: tuple[str, ...] = ()


#: Takes the elements that ended and the hashes of their grants; gives what
#: was destroyed and which SDKs still run.
CarryOut = Callable[
    [frozenset[str], frozenset[str]], tuple[Destroyed, tuple[str, ...]]
]


def _nothing(
    _elements: frozenset[str], _grants: frozenset[str]
) -> tuple[Destroyed, tuple[str, ...]]:
    return Destroyed(), ()


class Consent:
    """
    The choices of one person under one policy.

    Args:
        carry_out: Called with what a withdrawal ended, after the ledger has
            it; destroys what rested on it.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        ledger: Ledger,
        clock: Callable[[], datetime],
        carry_out: CarryOut = _nothing,
    ) -> None:
        self._policy = policy
        self._ledger = ledger
        self._clock = clock
        self._carry_out = carry_out
        self._folded: tuple[object, State] | None = None
        #: Withdrawals that could not be recorded; they hold all the same
        #: for as long as this process lives.
        self._stopped: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Consent under {self._policy.id} {self._policy.version}>"

    def state(self) -> State:
        """
        Give the choices as they are now, over all processes of the app.

        A ledger that cannot be read gives a state that permits nothing and
        says why; nothing is raised.
        """
        return self._without_stopped(self._recorded())

    def _recorded(self) -> State:
        try:
            entries = self._ledger.entries()
        except StoreError as error:
            return State.unreadable(self._policy, str(error))
        folded = self._folded
        if folded is None or folded[0] is not entries:
            folded = (entries, fold(entries, self._policy))
            self._folded = folded
        return folded[1]

    def _without_stopped(self, state: State) -> State:
        if not self._stopped:
            return state
        choices = {
            e: Choice(element=e, status=Status.WITHDRAWN, entry=c.entry)
            if e in self._stopped
            else c
            for e, c in state.choices.items()
        }
        return evolve(state, choices=choices)

    def history(self, element: str | None = None) -> tuple[Entry, ...]:
        """
        Give the entries of the ledger, oldest first.

        Args:
            element: Only those of this function or separate type.

        Raises:
            StoreError: If the ledger cannot be read.
        """
        entries = self._ledger.entries()
        if element is None:
            return entries
        return tuple(e for e in entries if e.element == element)

    def grant(
        self, element: str, *, method: str = "app", language: str = ""
    ) -> Entry:
        """
        Record that the person said yes to *element*.

        Call it from the person's own act and nowhere else. A yes to a
        function is none to its separate data types.

        Args:
            element: A function's id, or ``function/data_type`` for a
                separate type.

            method: How the person acted: a word of the app's own, such as
                ``app``, ``settings``, ``terminal``.

            language: Language of the text that was shown; the policy's
                own if empty.

        Returns:
            The new entry, or the one that already says so.

        Raises:
            ValueError: If the policy has no such element, or *method* is
                no act of a person.

            StoreError: If it cannot be recorded; then nothing is granted.
        """
        self._check(element, method)
        standing = self._standing(self.state(), element)
        if standing is not None:
            return standing
        stopped = element in self._stopped

        def plan(before: tuple[Entry, ...]) -> list[Draft]:
            state = fold(before, self._policy)
            if self._standing(state, element) is not None and not stopped:
                return []
            now = self._now(state)
            return [self._draft(Act.GRANTED, element, now, method, language)]

        done = self._ledger.append_after(plan)
        with self._lock:
            self._stopped -= {element}
        if done.made:
            return done.made[0]
        # Another process was quicker, with the same.
        return next(
            e
            for e in reversed(done.before)
            if e.element == element and e.act is Act.GRANTED
        )

    @staticmethod
    def _standing(state: State, element: str) -> Entry | None:
        choice = state.choices[element]
        return choice.entry if choice.status is Status.GRANTED else None

    def deny(
        self, element: str, *, method: str = "app", language: str = ""
    ) -> Withdrawal:
        """
        Record that the person said no to *element*.

        A no to what was granted is a withdrawal.

        Raises:
            ValueError: As `grant`.

            StoreError: As `withdraw`.
        """
        return self._end(element, Act.REFUSED, method, language)

    def withdraw(
        self, element: str, *, method: str = "app", language: str = ""
    ) -> Withdrawal:
        """
        Take a consent back, at once and in every process of the app.

        When it returns, nothing more is read for *element*, its waiting
        records are destroyed, a batch of it under way is cut short, and an
        erasure request is queued for whoever got something. Withdrawing a
        function withdraws its separate types too.

        Raises:
            ValueError: As `grant`.

            StoreError: If it cannot be recorded. Nothing more is read in
                this process all the same; call it again once the cure that
                the error names is done.
        """
        return self._end(element, Act.WITHDRAWN, method, language)

    def note(self, element: str, act: Act, *, method: str) -> None:
        """
        Record that a notice was shown or a prompt was closed unanswered.

        Raises:
            ValueError: If *act* is a choice, or as `grant`.

            StoreError: If it cannot be recorded.
        """
        if act not in (Act.NOTICE_SHOWN, Act.DEFERRED):
            msg = f"{act.value} is a choice; use grant, deny or withdraw"
            raise ValueError(msg)
        self._check(element, method)
        self._ledger.append_after(
            lambda before: [
                self._draft(
                    act,
                    element,
                    self._now(fold(before, self._policy)),
                    method,
                    "",
                )
            ]
        )

    def _end(
        self, element: str, act: Act, method: str, language: str
    ) -> Withdrawal:
        self._check(element, method)
        ended = frozenset(
            e
            for e in self._policy.elements
            if e == element or e.startswith(f"{element}/")
        )
        with self._lock:
            self._stopped |= ended

        def plan(before: tuple[Entry, ...]) -> list[Draft]:
            # As recorded: a withdrawal that could not be is recorded now.
            state = fold(before, self._policy)
            changed = _to_record(element, act, ended, state.choices)
            now = self._now(state)
            return [
                self._draft(act, e, now, method, language) for e in changed
            ]

        grants = self._grants_known(ended)
        entries: tuple[Entry, ...] = ()
        try:
            done = self._ledger.append_after(plan)
            entries = done.made
            # Only those before it: a later yes is none of its concern.
            grants = _grants_of(ended, done.before)
        finally:
            # Even where the ledger takes no entry, what waits is destroyed.
            destroyed, running = self._carry_out(ended, grants)
        with self._lock:
            self._stopped -= ended
        return Withdrawal(
            entries=entries, destroyed=destroyed, still_running=running
        )

    def _grants_known(self, elements: frozenset[str]) -> frozenset[str]:
        with suppress(StoreError):
            return _grants_of(elements, self._ledger.entries())
        return frozenset()

    def _draft(
        self,
        act: Act,
        element: str,
        now: datetime,
        method: str,
        language: str,
    ) -> Draft:
        function = self._policy.functions[split_element(element)[0]]

        def draft(seq: int, prev: str) -> Entry:
            return Entry(
                seq=seq,
                at=now,
                act=act,
                method=method,
                element=element,
                terms=function.terms,
                policy=self._policy.id,
                version=self._policy.version,
                text=self._policy.digest,
                language=language or self._policy.language,
                prev=prev,
            )

        return draft

    def _now(self, state: State) -> datetime:
        """
        Give the time, never before an entry that is already there.
        """
        now = self._clock().astimezone(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        return now if state.at is None else max(now, state.at)

    def _check(self, element: str, method: str) -> None:
        if element not in self._policy.elements:
            near = get_close_matches(element, self._policy.elements, n=3)
            hint = "try " + " or ".join(near)
            if not near:
                hint = "'consentkit consent list' shows what there is"
            msg = f"the policy has nothing named {element!r}; {hint}"
            raise ValueError(msg)
        if not _METHOD.fullmatch(method) or method in _NO_ACT:
            msg = (
                "method must name the person's act, such as 'app', "
                f"'settings' or 'terminal'; {method!r} is none"
            )
            raise ValueError(msg)


def _grants_of(
    elements: frozenset[str], entries: Iterable[Entry]
) -> frozenset[str]:
    """
    Name every grant of *elements* so far; none of them holds any more.
    """
    return frozenset(
        entry.hash
        for entry in entries
        if entry.element in elements and entry.act is Act.GRANTED
    )


def _to_record(
    element: str,
    act: Act,
    ended: frozenset[str],
    before: Mapping[str, Choice],
) -> tuple[str, ...]:
    """
    Choose what a no is recorded for: the element, and what it had open.
    """
    there = Status.REFUSED if act is Act.REFUSED else Status.WITHDRAWN
    return tuple(
        e
        for e, choice in before.items()
        if e in ended
        and (
            (e == element and choice.status is not there)
            or choice.status in (Status.GRANTED, Status.WIDENED)
        )
    )
