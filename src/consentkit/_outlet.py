# SPDX-License-Identifier: MIT
"""
The outbox of an app and the way out of it, each opened at its first use.
"""

from __future__ import annotations

import os

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from consentkit._fork import Mutex
from consentkit.limits import Limits


if TYPE_CHECKING:
    from consentkit.outbox import LaneStatus
    from consentkit.outbox.held import Quarantine
    from consentkit.outbox.store import OutboxStore
    from consentkit.seal import SealKey
    from consentkit.transports import Transport
    from consentkit.transports.delivery import Delivery


__all__ = ["Outlet"]


class Outlet:
    """
    What all kits of an app share: one of each, whoever asks first.

    Args:
        folder: Where their files lie.

        transports: By recipient.

        seal_for: By recipient, its keys.

        limits: Bounds of the outbox and of delivery.

        clock: Gives the time.

        may_send: Tells whether what waits in a lane may go out, now.

        problem: Says why nothing may go out, or is empty.
    """

    def __init__(
        self,
        folder: Path,
        *,
        transports: Mapping[str, Transport],
        seal_for: Mapping[str, Sequence[SealKey]],
        limits: Limits,
        clock: Callable[[], datetime],
        may_send: Callable[[LaneStatus], bool],
        problem: Callable[[], str],
    ) -> None:
        self._folder = folder
        self._transports = transports
        self._seal_for = seal_for
        self._limits = limits
        self._clock = clock
        self._may_send = may_send
        self._problem = problem
        self._lock = Mutex()
        self._store: OutboxStore | None = None
        self._quarantine: Quarantine | None = None
        self._delivery: Delivery | None = None

    def exists(self) -> bool:
        """
        Tell whether a record was ever kept.
        """
        # Unlike `Path.exists`, it also says no where it may not look.
        return os.path.exists(self._folder / "outbox.sqlite3")  # noqa: PTH110

    @property
    def captured(self) -> int:
        """
        How many records this process was given to keep so far.
        """
        return 0 if self._store is None else self._store.captured

    @property
    def store(self) -> OutboxStore:
        """
        The outbox; its file is made when the first record is kept.
        """
        with self._lock:
            if self._store is None:
                from consentkit.outbox.store import OutboxStore

                self._store = OutboxStore(
                    self._folder / "outbox.sqlite3",
                    keys=self._folder / "keys",
                    limits=self._limits,
                )
            return self._store

    @property
    def quarantine(self) -> Quarantine:
        """
        Events that wait for an answer on disk, sealed.
        """
        with self._lock:
            if self._quarantine is None:
                from consentkit.outbox.held import Quarantine

                self._quarantine = Quarantine(
                    self._folder / "held.sqlite3",
                    keys=self._folder / "keys",
                )
            return self._quarantine

    @property
    def delivery(self) -> Delivery:
        """
        What brings the records of the outbox to their recipients.
        """
        store = self.store
        with self._lock:
            if self._delivery is None:
                from consentkit.transports.delivery import Delivery

                self._delivery = Delivery(
                    store=store,
                    transports=self._transports,
                    seal_for=self._seal_for,
                    may_send=self._may_send,
                    problem=self._problem,
                    clock=self._clock,
                    limits=self._limits,
                    lock=self._folder / "delivery.lock",
                )
            return self._delivery

    def cut_short(self, grants: frozenset[str]) -> None:
        """
        End the transfer of ended *grants*, of whichever process.
        """
        # Without one of its own, it only has to wait for others'.
        if self._delivery is not None or self.store.is_under_way(grants):
            self.delivery.cut_short(grants)

    def close(self) -> None:
        """
        Close what was opened; nothing is sent, and nothing is lost.
        """
        for room in (self._delivery, self._store, self._quarantine):
            if room is not None:
                room.close()
