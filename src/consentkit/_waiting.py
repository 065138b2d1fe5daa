# SPDX-License-Identifier: MIT
"""
What the app told before the person answered: kept by a yes, destroyed by a
no, and held for no longer than that.
"""

from __future__ import annotations

import os

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from consentkit.consent.state import OPEN, Status
from consentkit.gate import Refusal
from consentkit.ledger.entries import Act
from consentkit.policy.model import Pending, split_element
from consentkit.use import needs_answer


if TYPE_CHECKING:
    from consentkit.kit import Kit
    from consentkit.outbox.held import Held


__all__ = ["Waiting"]

# As long as it stands so, what is held waits on.
_UNANSWERED: Final = frozenset(
    {Status.UNKNOWN, Status.ASKED, Status.DEFERRED, Status.OTHER_BASIS}
)

# A no, after which nothing from before it comes back.
_NOES: Final = frozenset(
    {Act.REFUSED, Act.WITHDRAWN, Act.OBJECTED, Act.INVALIDATED, Act.ERASED}
)


class Waiting:
    """
    The events of one person that wait.

    Args:
        kit: The person's kit.

        on_disk: Whether what is to be quarantined goes to disk. An app that
            serves many keeps nothing of the unanswered there.
    """

    def __init__(self, kit: Kit, *, on_disk: bool) -> None:
        self._kit = kit
        self._on_disk = on_disk
        self._held: dict[str, deque[Held]] = {}

    def hold(self, held: Held, pending: Pending) -> bool:
        """
        Hold an event until the person answers; tell whether it is held.

        Raises:
            StoreError: If it cannot be stored.
        """
        most = self._kit.limits.held_records
        if pending is Pending.QUARANTINE and self._on_disk:
            return self._kit.quarantine.put(held, most=most)
        self._held.setdefault(held.function, deque(maxlen=most)).append(held)
        return True

    def promote(self, function: str) -> None:
        """
        Keep what waits for *function*; what needs another answer waits on,
        and what was told before a no is gone.

        Raises:
            StoreError: If it cannot be kept.
        """
        waiting = tuple(self._held.pop(function, ()))
        stored = self._stored(function)
        last_no = self._last_no(function)
        left: set[str] = set()
        for held in (*waiting, *stored):
            if self._is_late(held, last_no):
                continue
            with self._kit.use(
                function,
                purpose=held.purpose or None,
                act=held.act,
                attested=held.attested,
            ) as use:
                answer = use.promote(held)
            if isinstance(answer, Refusal) and needs_answer(answer):
                left.add(held.id)
        self._leave(function, waiting, left)

    def drop(self, elements: frozenset[str]) -> None:
        """
        Destroy what waits for an answer that is a no.

        Raises:
            StoreError: If it cannot be destroyed.
        """
        for name in self._functions():
            waiting = tuple(self._held.get(name, ()))
            left: set[str] = set()
            if name not in elements:
                left = {
                    held.id
                    for held in (*waiting, *self._stored(name))
                    if elements.isdisjoint(self._needed(held))
                }
            self._leave(name, waiting, left)

    def settle(self) -> None:
        """
        Complete what an answer began, in this process or another.

        Raises:
            StoreError: If it cannot be done.
        """
        if self._has_quarantine():
            self._kit.quarantine.expire(self._kit.now())
        names = self._functions()
        if not names:
            return
        state = self._kit.consent.state()
        if state.problem:
            # It is no answer; everything waits for the repair.
            return
        for function in names:
            choice = state.choices.get(function)
            if choice is not None and choice.status in OPEN:
                self.promote(function)
                continue
            waiting = tuple(self._held.get(function, ()))
            left: set[str] = set()
            if choice is not None and choice.status in _UNANSWERED:
                last_no = self._last_no(function)
                left = {
                    held.id
                    for held in (*waiting, *self._stored(function))
                    if not self._is_late(held, last_no)
                }
            self._leave(function, waiting, left)

    def _functions(self) -> set[str]:
        names = set(self._held)
        if self._has_quarantine():
            names.update(self._kit.quarantine.functions())
        return names

    def _stored(self, function: str) -> tuple[Held, ...]:
        if self._has_quarantine():
            return self._kit.quarantine.of(function)
        return ()

    def _has_quarantine(self) -> bool:
        return self._on_disk and os.path.exists(  # noqa: PTH110 - never raises
            self._kit.data_dir / "held.sqlite3"
        )

    def _leave(
        self, function: str, waiting: Iterable[Held], left: set[str]
    ) -> None:
        """
        Let only what is named wait on.
        """
        rest = [held for held in waiting if held.id in left]
        if rest:
            most = self._kit.limits.held_records
            self._held[function] = deque(rest, maxlen=most)
        else:
            self._held.pop(function, None)
        if not self._has_quarantine():
            return
        if function in self._kit.quarantine.functions():
            self._kit.quarantine.leave(function, left)

    def _is_late(self, held: Held, last_no: int) -> bool:
        return held.expires <= self._kit.now() or held.seen < last_no

    def _last_no(self, function: str) -> int:
        """
        Give the place of the last no to *function* or a part of it, or 0.
        """
        return max(
            (
                entry.seq
                for entry in self._kit.consent.history()
                if entry.act in _NOES
                and split_element(entry.element)[0] in (function, "")
            ),
            default=0,
        )

    def _needed(self, held: Held) -> tuple[str, ...]:
        """
        Name what a yes to an event takes.
        """
        function = self._kit.policy.functions[held.function]
        spec = function.events.get(held.event)
        if spec is None:
            return (function.id,)
        clause = function.clauses[spec.type]
        return function.needs(
            spec.type, held.recipient or clause.recipients[0]
        )
