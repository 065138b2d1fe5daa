# SPDX-License-Identifier: MIT
"""
Looking at what waits while the app goes on: nothing is changed by it.

It reads beside the app's processes, takes no lock that they wait for, and
leaves what they appended to their journals where it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from consentkit.exceptions import DamagedError
from consentkit.limits import Limits
from consentkit.outbox import chunks
from consentkit.outbox.intake import Intake
from consentkit.outbox.journal import Journal
from consentkit.outbox.kekplaces import KEKPlaces
from consentkit.outbox.lanes import Lanes, ReadLane
from consentkit.outbox.rows import HEADER
from consentkit.outbox.schema import file_of


if TYPE_CHECKING:
    import sqlite3

    from consentkit.outbox.chunks import Entry
    from consentkit.outbox.records import Record


__all__ = ["Watch"]

#: A withdrawal changes all keys; who looks at that moment looks again.
_TRIES = 3

#: Of a chunk, what tells it from another that comes into its place: its
#: place, lane and sizes, and how it begins, which is with an id.
_Mark = tuple[int, int, int, int, bytes]
_Id = tuple[int, int]


class _StillJournal(Journal):
    """
    A journal that leaves all files where they are.
    """

    def belong(self, origin: str) -> None:
        """
        Note which files are of the outbox, and touch no others.
        """
        self._origin = origin


class Watch:
    """
    The waiting records of a data folder, each given once.

    Args:
        folder: The data folder; it need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "outbox.sqlite3"
        self._db = file_of(path)
        self._lanes = Lanes(path, KEKPlaces(folder / "keys"))
        self._intake = Intake(
            _StillJournal(path.with_name("captured")),
            record_bytes=Limits().record_bytes,
        )
        self._chunks: dict[_Mark, frozenset[_Id]] = {}
        self._given: frozenset[_Id] = frozenset()

    def close(self) -> None:
        """
        Close the file and forget the keys.
        """
        self._db.close()
        self._lanes.close()

    def fresh(self, *, most: int | None = None) -> tuple[Record, ...]:
        """
        Give what waits now and was not there at the last call, oldest first.

        Args:
            most: Give no more than so many of the youngest, and pass over
                the others, unopened.

        Raises:
            StoreError: If it cannot be read.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                return self._fresh(most)
            except DamagedError:
                if not tries_left:
                    raise
        return ()

    def _fresh(self, most: int | None) -> tuple[Record, ...]:
        if not self._db.exists():
            self._chunks, self._given = {}, frozenset()
            return ()
        with self._db.reading() as db:
            # The journals first: what is moved meanwhile is seen twice, and
            # not missed.
            found = {
                (entry.high, entry.low): (lane, entry)
                for lane, entries in self._intake.pending(db).items()
                for entry in entries
            }
            db.execute("BEGIN")
            try:
                known, more = self._in_table(db)
                found |= more
                waiting = frozenset(found).union(*known.values())
                fresh = sorted(
                    (found[i] for i in found.keys() - self._given),
                    # The time of its capture is in the id.
                    key=lambda one: (one[1].high >> 16, one[1].low),
                )
                if most is not None:
                    fresh = fresh[max(0, len(fresh) - most) :]
                records = self._open_all(db, fresh)
            finally:
                db.execute("ROLLBACK")
        self._chunks, self._given = known, waiting
        return records

    def _in_table(
        self, db: sqlite3.Connection
    ) -> tuple[dict[_Mark, frozenset[_Id]], dict[_Id, tuple[int, Entry]]]:
        """
        Give the ids in all chunks, and the entries of those that are new.
        """
        known: dict[_Mark, frozenset[_Id]] = {}
        found: dict[_Id, tuple[int, Entry]] = {}
        for mark in db.execute(
            "SELECT place, lane, records, bytes, substr(body, 1, ?) "
            "FROM chunks JOIN bodies USING (place)",
            (HEADER.size,),
        ).fetchall():
            ids = self._chunks.get(mark)
            chunk = None if ids else chunks.read(db, mark[0])
            if chunk is not None:
                entries = {(one.high, one.low): one for one in chunk.entries}
                found |= {i: (mark[1], one) for i, one in entries.items()}
                ids = frozenset(entries)
            known[mark] = ids or frozenset()
        return known, found

    def _open_all(
        self, db: sqlite3.Connection, entries: Iterable[tuple[int, Entry]]
    ) -> tuple[Record, ...]:
        """
        Open entries in their order; one that cannot be read is left out.
        """
        held: dict[int, ReadLane | None] = {}
        records: list[Record] = []
        for number, entry in entries:
            if number not in held:
                held[number] = self._lanes.readable(db, number)
            lane = held[number]
            if lane is not None:  # else it ended meanwhile
                rows = self._lanes.rows(lane, entry.raw)
                records += self._lanes.records(lane, rows)
        return tuple(records)
