# SPDX-License-Identifier: MIT
"""
The reserve: what was captured while the disk takes nothing.

It is memory, and goes with the process. So it is bounded, and is emptied as
soon as the disk takes something again; its records have their ids already,
which they keep.
"""

from __future__ import annotations

import logging
import threading

from collections import Counter
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from attrs import evolve

from consentkit._fork import watch_forks
from consentkit.gate import Reason
from consentkit.outbox.clock import SeenClock
from consentkit.outbox.records import new_id
from consentkit.outbox.room import Full, full_of
from consentkit.outbox.rows import instant


if TYPE_CHECKING:
    from consentkit.exceptions import StoreError
    from consentkit.limits import Limits
    from consentkit.outbox.draft import Draft


__all__ = ["Lost", "Reserve"]

logger: logging.Logger = logging.getLogger("consentkit")

#: What a record takes beside its value.
_OVERHEAD: Final = 1024

#: How long a disk that took nothing is left alone by captures.
_PAUSE_SECONDS: Final = 1.0


class Lost(NamedTuple):
    """
    Why and when records were lost, and what they were kept under.

    Attributes:
        hour: In seconds since 1970.
    """

    reason: str
    element: str
    grant: str
    recipient: str
    hour: int


class Reserve:
    """
    Records in memory, in the order in which they were captured.

    Args:
        limits: How much they may take.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._drafts: dict[str, Draft] = {}
        self._bytes = 0
        #: How many are in it by purpose, and on the disk beside it.
        self._purposes: Counter[str] = Counter()
        self._on_disk: Mapping[str, int] = {}
        self._counted: Counter[Lost] = Counter()
        self._clock = SeenClock()
        #: What the clock has seen, as a table of the outbox has it.
        self._seen: dict[str, str] = {}
        self._until = 0.0
        #: What the disk said last.
        self.problem: str = ""
        watch_forks(self)

    def __len__(self) -> int:
        return len(self._drafts)

    def __contains__(self, record: str) -> bool:
        return record in self._drafts

    @property
    def is_waiting(self) -> bool:
        """
        Whether the disk took nothing a moment ago, so that it is not tried.
        """
        return bool(self._drafts) and monotonic() < self._until

    def keep(
        self,
        drafts: Sequence[Draft],
        problem: StoreError | None = None,
        *,
        on_disk: Mapping[str, int] | None = None,
    ) -> tuple[str | Reason | Full, ...]:
        """
        Keep records; beyond the bound none is.

        Args:
            drafts: What is to be kept.

            problem: What the disk said just now, if it was tried.

            on_disk: How many records wait there, by purpose, where they
                have a bound; as before if ``None``.

        Returns:
            For each, its id, or why it was not kept.
        """
        with self._lock:
            was_empty = not self._drafts
            if was_empty:
                self._seen = {}
                last = max(draft.time for draft in drafts)
                self._clock.begin(self._seen, last // 1000)
            if on_disk is not None:
                self._on_disk = on_disk
            told = tuple(self._keep(draft) for draft in drafts)
            if problem is not None:
                self.problem = f"{problem}; the memory for that is full"
                self._until = monotonic() + _PAUSE_SECONDS
            is_first = was_empty and bool(self._drafts)
        if is_first and problem is not None:
            logger.warning(
                "%s; what is captured meanwhile waits in memory", problem
            )
        return told

    def _keep(self, draft: Draft) -> str | Reason | Full:
        made = draft.id or new_id(instant(draft.time))
        if made in self._drafts:
            return made
        size = len(draft.text) + _OVERHEAD
        if not draft.text or self._bytes + size > self._limits.memory_bytes:
            self._lose("outbox_full", draft, draft.time)
            return Reason.OUTBOX_UNUSABLE
        purpose = draft.permit.purpose
        most = self._limits.purposes.get(purpose)
        if most is not None and not self._has_place(draft, most):
            self._lose("outbox_full", draft, draft.time)
            return full_of(purpose, most)
        self._drafts[made] = evolve(draft, id=made)
        self._bytes += size
        self._purposes[purpose] += 1
        return made

    def _has_place(self, draft: Draft, most: int) -> bool:
        """
        Tell whether a record has a place among those of its purpose, made if
        the limits say that the oldest go for it.

        Those on the disk can go for it no sooner than the disk takes
        something again.
        """
        purpose = draft.permit.purpose
        if self._limits.when_full == "refuse":
            most -= self._on_disk.get(purpose, 0)
        if self._purposes[purpose] < most:
            return True
        if self._limits.when_full == "refuse":
            return False
        oldest, it = next(
            (record, one)
            for record, one in self._drafts.items()
            if one.permit.purpose == purpose
        )
        self._remove(oldest)
        self._lose("evicted", it, draft.time)
        return True

    def _lose(self, reason: str, draft: Draft, at: int) -> None:
        self._counted[_lost(reason, draft, at)] += 1

    def drafts(self) -> tuple[Draft, ...]:
        """
        Give what is in it, oldest first; it stays there.
        """
        with self._lock:
            return tuple(self._drafts.values())

    def counted(self) -> Counter[Lost]:
        """
        Tell what it lost: what it had no room for, and what expired in it.
        """
        with self._lock:
            return Counter(self._counted)

    def let_go(self, drafts: Sequence[Draft], counted: Counter[Lost]) -> None:
        """
        Let go of what is on the disk now.

        Args:
            drafts: As `drafts` gave them.

            counted: As `counted` gave it.
        """
        with self._lock:
            for draft in drafts:
                self._remove(draft.id)
            self._counted -= counted
        if drafts:
            logger.info("the disk takes what is captured again")

    def _remove(self, record: str) -> None:
        draft = self._drafts.pop(record, None)
        if draft is not None:
            self._bytes -= len(draft.text) + _OVERHEAD
            self._purposes[draft.permit.purpose] -= 1

    def end(self, grants: frozenset[str]) -> None:
        """
        Destroy what rests on one of *grants*.
        """
        with self._lock:
            for record, draft in list(self._drafts.items()):
                if not grants.isdisjoint(draft.permit.grant.split()):
                    self._remove(record)
                    self._lose("withdrawn", draft, draft.time)

    def expire(self, now: int) -> None:
        """
        Destroy what has expired; where the clock has leapt ahead, once a
        second look agrees, as on the disk.

        Args:
            now: In milliseconds since 1970.
        """
        with self._lock:
            if not self._clock.trusts(self._seen, now // 1000):
                return
            for record, draft in list(self._drafts.items()):
                if draft.expires <= now:
                    self._remove(record)
                    self._lose("expired", draft, now)

    # Forks

    def before_fork(self) -> None:
        """
        Do nothing: whoever holds the database may want the lock.
        """

    def after_fork(self, *, in_child: bool) -> None:
        """
        Leave what is in it to the parent.
        """
        if in_child:
            # Another thread of the parent may have held it.
            self._lock = threading.Lock()
            self._drafts, self._bytes = {}, 0
            self._purposes.clear()
            self._counted.clear()


def _lost(reason: str, draft: Draft, at: int) -> Lost:
    permit = draft.permit
    return Lost(
        reason=reason,
        element=permit.element,
        grant=permit.grant,
        recipient=permit.recipient,
        hour=at // 3_600_000 * 3600,
    )
