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
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from attrs import evolve

from consentkit._fork import watch_forks
from consentkit.gate import Reason
from consentkit.outbox.records import new_id
from consentkit.outbox.rows import instant


if TYPE_CHECKING:
    from consentkit.exceptions import StoreError
    from consentkit.outbox.store import Draft


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
        most_bytes: How much they may take.
    """

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._drafts: dict[str, Draft] = {}
        self._bytes = 0
        self._counted: Counter[Lost] = Counter()
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
        self, drafts: Sequence[Draft], problem: StoreError | None = None
    ) -> tuple[str | Reason, ...]:
        """
        Keep records; beyond the bound none is.

        Args:
            drafts: What is to be kept.

            problem: What the disk said just now, if it was tried.

        Returns:
            For each, its id, or why it was not kept.
        """
        with self._lock:
            was_empty = not self._drafts
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

    def _keep(self, draft: Draft) -> str | Reason:
        size = len(draft.text) + _OVERHEAD
        if not draft.text or self._bytes + size > self._most_bytes:
            self._counted[_lost("outbox_full", draft, draft.time)] += 1
            return Reason.OUTBOX_UNUSABLE
        made = draft.id or new_id(instant(draft.time))
        if made not in self._drafts:
            self._drafts[made] = evolve(draft, id=made)
            self._bytes += size
        return made

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

    def end(self, grants: frozenset[str]) -> None:
        """
        Destroy what rests on one of *grants*.
        """
        with self._lock:
            for record, draft in list(self._drafts.items()):
                if not grants.isdisjoint(draft.permit.grant.split()):
                    self._remove(record)

    def expire(self, now: int) -> None:
        """
        Destroy what has expired.

        Args:
            now: In milliseconds since 1970.
        """
        with self._lock:
            for record, draft in list(self._drafts.items()):
                if draft.expires <= now:
                    self._remove(record)
                    self._counted[_lost("expired", draft, now)] += 1

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
