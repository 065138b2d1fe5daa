# SPDX-License-Identifier: MIT
"""
What has room in the outbox, and what goes where nothing has.

A purpose that has a bound of its own is counted by itself: what waits for it
takes nobody else's place, and nobody takes one of its own. What may go into
the journal between two looks at the table is said beforehand: of such a
purpose it is reserved there, so that the bound holds over all processes.
"""

from __future__ import annotations

import os

from collections.abc import Collection, Mapping
from sqlite3 import Connection
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from consentkit.outbox import chunks
from consentkit.outbox.allowance import Allowance
from consentkit.outbox.keys import SEAL_BYTES
from consentkit.outbox.lanes import damaged
from consentkit.outbox.rows import HEADER


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from consentkit.limits import Limits
    from consentkit.outbox.purposes import Purposes


__all__ = [
    "OVERHEAD",
    "SCHEMA",
    "Full",
    "Room",
    "full_of",
]

SCHEMA: Final = """\
CREATE TABLE reserved (
    owner TEXT NOT NULL,
    purpose INTEGER NOT NULL,
    records INTEGER NOT NULL,
    until REAL NOT NULL,
    PRIMARY KEY (owner, purpose)
) WITHOUT ROWID"""

#: By how much an entry is longer than its row.
OVERHEAD: Final = HEADER.size + SEAL_BYTES

# The journal takes so much before the outbox is measured anew, and of what
# there is room for a share, as other processes fill it too. With the record
# that comes then, it makes whole batches.
_MOST_AT_ONCE: Final = 1_999
_MOST_BYTES_AT_ONCE: Final = 1024 * 1024
_SHARES: Final = 16

# How long what is reserved may be used; the others leave it a while longer,
# as whoever looked at the clock is still to write.
_USED_SECONDS: Final = 10.0
_LEFT_SECONDS: Final = 12.0

#: How many chunks of ended lanes one capture deletes at most.
_SWEPT_AT_ONCE: Final = 32


class Full(NamedTuple):
    """
    Why there is no room.

    Attributes:
        bound: The bound that was met, for people.
    """

    bound: str


def full_of(purpose: str, most: int) -> Full:
    """
    Say that nothing more of a purpose has room.

    Args:
        purpose: Its id.

        most: How many records may wait for it.
    """
    return Full(f"Limits.purposes[{purpose!r}] is {most}")


class _Met(NamedTuple):
    """
    A bound that was met, and by whose records.
    """

    full: Full
    most: int
    of: int = 0
    but_not_of: Collection[int] = ()


class Room:
    """
    The room of one outbox.

    Args:
        path: Its file.

        limits: Its bounds.

        purposes: Its purposes.

        lost: Counts what is evicted: it is told the lane, how many, and
            when.
    """

    def __init__(
        self,
        path: Path,
        *,
        limits: Limits,
        purposes: Purposes,
        lost: Callable[[Connection, int, int, int], object],
    ) -> None:
        self._path = path
        self._limits = limits
        self._purposes = purposes
        self._lost = lost
        self._token = os.urandom(8).hex()
        #: How much may go into the journal before the outbox is measured:
        #: records of purposes without a bound, and bytes of all.
        self.records: int = 0
        self.bytes: int = 0
        #: The same of each purpose that has one.
        self.allowances: Mapping[str, Allowance] = {
            purpose: Allowance() for purpose in limits.purposes
        }
        #: Whether records of ended lanes may still be counted.
        self.may_be_swept: bool = True

    @property
    def _owner(self) -> str:
        # Some servers fork without telling.
        return f"{self._token}-{os.getpid()}"

    def leave(self) -> None:
        """
        Let nothing go into the journal of a fork's child before the outbox
        is measured there.
        """
        self.records = self.bytes = 0
        for one in self.allowances.values():
            one.left, one.until = 0, 0.0

    @property
    def has_reserved(self) -> bool:
        """
        Whether others leave anything to this process.
        """
        now = monotonic()
        return any(one.until > now for one in self.allowances.values())

    def release(self, db: Connection) -> None:
        """
        Leave to others what is reserved for this process.
        """
        db.execute("DELETE FROM reserved WHERE owner = ?", (self._owner,))
        for one in self.allowances.values():
            one.until = 0.0

    def make(
        self,
        db: Connection,
        purpose: str,
        length: int,
        fresh: chunks.Fresh,
        *,
        at: int,
    ) -> Full | None:
        """
        See that a row has room, made if the limits say that the oldest go
        for it.

        Args:
            db: The file, in a transaction.

            purpose: What the row is kept for.

            length: Its bytes, in the clear.

            fresh: What goes into the table in this transaction.

            at: When it was captured, in seconds since 1970.

        Returns:
            The bound that it meets, where it has none.
        """
        is_swept = False
        while True:
            met = self._met(db, purpose, length + OVERHEAD, fresh)
            if met is None:
                return None
            if not is_swept and self._sweep(db):
                is_swept = True
                continue
            if self._limits.when_full == "refuse":
                return met.full
            if self._evict(db, met, at):
                continue
            if not fresh.count:
                return met.full
            # They may be the oldest that there are.
            fresh.insert(db, self._limits.batch_records)

    def _met(
        self, db: Connection, purpose: str, size: int, fresh: chunks.Fresh
    ) -> _Met | None:
        limits = self._limits
        records, taken = self.totals(db)
        bounded = self._bounded(db)
        numbers = frozenset(number for number, _, _ in bounded.values())
        if purpose in limits.purposes:
            most = limits.purposes[purpose]
            number, waiting, _ = bounded.get(purpose, (0, 0, 0))
            if number:
                waiting += fresh.of(number)[0]
                waiting += self._reserved_by_others(db, number)
            if waiting >= most:
                step = max(1, min(limits.batch_records, most // _SHARES))
                return _Met(full_of(purpose, most), step, of=number)
        else:
            waiting = records + fresh.count
            for number, count, _ in bounded.values():
                waiting -= count + fresh.of(number)[0]
            if waiting >= limits.records:
                return _Met(
                    Full(f"Limits.records is {limits.records}"),
                    limits.batch_records,
                    but_not_of=numbers,
                )
        taken += fresh.size
        if taken + size <= limits.outbox_bytes:
            return None
        # The oldest of whoever takes the most.
        sizes = {
            number: its + fresh.of(number)[1]
            for number, _, its in bounded.values()
        }
        largest = max(sizes, key=lambda one: sizes[one], default=0)
        if largest and sizes[largest] <= taken - sum(sizes.values()):
            largest = 0
        return _Met(
            Full(f"Limits.outbox_bytes is {limits.outbox_bytes}"),
            limits.batch_records,
            of=largest,
            but_not_of=() if largest else numbers,
        )

    def _evict(self, db: Connection, met: _Met, at: int) -> bool:
        evicted = chunks.evict(
            db, of=met.of, but_not_of=met.but_not_of, most=met.most
        )
        if evicted is None:
            return False
        lane, count = evicted
        self._lost(db, lane, count, at)
        return True

    def _sweep(self, db: Connection) -> bool:
        """
        Delete records of lanes that have ended, which count until then.
        """
        if not self.may_be_swept:
            return False
        count = chunks.delete_orphans(db, most=_SWEPT_AT_ONCE)
        self.may_be_swept = count == _SWEPT_AT_ONCE
        return count > 0

    def totals(self, db: Connection) -> tuple[int, int]:
        """
        Tell how many records are in the table, and how many bytes.
        """
        row = db.execute("SELECT records, bytes FROM totals").fetchone()
        if row is None or not all(isinstance(n, int) for n in row):
            raise damaged(self._path, "its totals are gone")
        return row[0], row[1]

    def _bounded(self, db: Connection) -> dict[str, tuple[int, int, int]]:
        """
        Give number, records and bytes of each purpose that has a bound and
        that anything was kept for.
        """
        if not self._limits.purposes:
            return {}
        known = self._purposes.numbers(db)
        found: dict[str, tuple[int, int, int]] = {}
        for purpose in self._limits.purposes:
            number = known.get(purpose)
            if number is not None:
                found[purpose] = (number, *self._of(db, number))
        return found

    def _of(self, db: Connection, number: int) -> tuple[int, int]:
        row = db.execute(
            "SELECT records, bytes FROM purposes WHERE number = ?", (number,)
        ).fetchone()
        if row is None or not all(isinstance(n, int) for n in row):
            raise damaged(self._path, "its totals are gone")
        return row[0], row[1]

    def _reserved_by_others(self, db: Connection, number: int) -> int:
        now = monotonic()
        # What lies further ahead is of another run of the machine.
        (records,) = db.execute(
            "SELECT COALESCE(SUM(records), 0) FROM reserved WHERE purpose = ? "
            "AND owner != ? AND until BETWEEN ? AND ?",
            (number, self._owner, now, now + _LEFT_SECONDS),
        ).fetchone()
        return int(records)

    def measure(self, db: Connection, purposes: Collection[str]) -> None:
        """
        See how much may go into the journal before this is done again, and
        reserve what is of a purpose with a bound.

        It is a part of what is left, since other processes take theirs.

        Args:
            db: The file, in a transaction in which all that is in a journal
                went into the table.

            purposes: What has just been kept for.
        """
        limits = self._limits
        bounded = self._bounded(db)
        self._refill(db, bounded)
        now = monotonic()
        for purpose in bounded.keys() & set(purposes):
            number, count, _ = bounded[purpose]
            left = limits.purposes[purpose] - count
            left -= self._reserved_by_others(db, number)
            share = _share(left, _MOST_AT_ONCE)
            row = (self._owner, number, share, now + _LEFT_SECONDS)
            db.execute(
                "INSERT OR REPLACE INTO reserved VALUES (?, ?, ?, ?)", row
            )
            own = self.allowances[purpose]
            own.until, own.left = now + _USED_SECONDS, share
        if bounded:
            db.execute(
                "DELETE FROM reserved WHERE until NOT BETWEEN ? AND ?",
                (now, now + _LEFT_SECONDS),
            )

    def refill(self, db: Connection) -> None:
        """
        See how much may go into the journal of what has no bound of its own.

        Meanwhile another thread may append, of which nothing is counted
        here: that is a part of a share that was allowed before.

        Args:
            db: The file, in a transaction in which all that was in a journal
                went into the table.
        """
        self._refill(db, self._bounded(db))

    def _refill(
        self, db: Connection, bounded: Mapping[str, tuple[int, int, int]]
    ) -> None:
        limits = self._limits
        records, size = self.totals(db)
        records -= sum(count for _, count, _ in bounded.values())
        self.records = _share(limits.records - records, _MOST_AT_ONCE)
        self.bytes = _share(limits.outbox_bytes - size, _MOST_BYTES_AT_ONCE)

    def waiting(
        self, db: Connection, pending: Mapping[int, int]
    ) -> dict[str, int]:
        """
        Tell how many records wait for each purpose that has a bound.

        Args:
            db: The file.

            pending: How many are in journals, by the number of the purpose.
        """
        return {
            purpose: count + pending.get(number, 0)
            for purpose, (number, count, _) in self._bounded(db).items()
        }


def _share(left: int, most: int) -> int:
    return max(0, min(left // _SHARES, most))
