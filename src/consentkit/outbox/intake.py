# SPDX-License-Identifier: MIT
"""
From the journals, of all processes, into the table.
"""

from __future__ import annotations

import os

from collections.abc import Iterable, Iterator
from sqlite3 import Connection

from consentkit.outbox import chunks
from consentkit.outbox.chunks import Entry, Fresh
from consentkit.outbox.counts import count
from consentkit.outbox.journal import Journal, Part, entries_in
from consentkit.outbox.keys import SEAL_BYTES


__all__ = ["Intake"]


class Intake:
    """
    What is in the journals of one outbox.

    Args:
        journal: The journals.

        record_bytes: Most bytes of one record in the clear.
    """

    def __init__(self, journal: Journal, *, record_bytes: int) -> None:
        self._journal = journal
        self._record_bytes = record_bytes

    def gather(self, db: Connection) -> tuple[list[tuple[Part, int]], Fresh]:
        """
        Take what is in the journals, for it to be put into the table in the
        same transaction.

        What comes from a process that had not seen yet that its lane ended
        goes nowhere.
        """
        self._journal.belong(self._origin(db))
        done = dict(db.execute("SELECT name, done FROM journals").fetchall())
        names = self._journal.names()
        for name in done.keys() - set(names):
            db.execute("DELETE FROM journals WHERE name = ?", (name,))
        if not names:
            return [], Fresh()
        lanes = {lane for (lane,) in db.execute("SELECT id FROM lanes")}
        moved = []
        waiting = Fresh()
        for part in self._journal.parts(done):
            by_lane: dict[int, list[bytes]] = {}
            end = passed_over = 0
            for start, stop, lane in self._entries_in(db, part):
                by_lane.setdefault(lane, []).append(part.body[start:stop])
                passed_over += start - end
                end = stop
            for lane, raws in by_lane.items():
                if lane in lanes:
                    waiting.add(lane, raws)
                else:
                    count(db, "withdrawn", "", len(raws))
            count(db, "unreadable", "", int(passed_over > 0))
            db.execute(
                "INSERT OR REPLACE INTO journals VALUES (?, ?)",
                (part.name, part.done + end),
            )
            moved.append((part, part.done + end))
        return moved, waiting

    def done(self, db: Connection) -> dict[str, int]:
        """
        Tell up to where each journal was moved.
        """
        row = db.execute(
            "SELECT value FROM meta WHERE name = 'origin'"
        ).fetchone()
        if row is not None:
            self._journal.belong(str(row[0]))
        return dict(db.execute("SELECT name, done FROM journals").fetchall())

    def _origin(self, db: Connection) -> str:
        """
        Give what tells this outbox from others that were in its place.
        """
        row = db.execute(
            "SELECT value FROM meta WHERE name = 'origin'"
        ).fetchone()
        if row is not None:
            return str(row[0])
        made = os.urandom(8).hex()
        db.execute("INSERT INTO meta VALUES ('origin', ?)", (made,))
        return made

    def _entries_in(
        self, db: Connection, part: Part
    ) -> Iterator[tuple[int, int, int]]:
        row = db.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'lanes'"
        ).fetchone()
        return entries_in(
            part.body,
            last_lane=0 if row is None else int(row[0]),
            most_bytes=self._record_bytes + SEAL_BYTES,
        )

    def pending(self, db: Connection) -> dict[int, list[Entry]]:
        """
        Read what is in the journals, by lane, and leave it there.
        """
        found: dict[int, list[Entry]] = {}
        for part in self._journal.parts(self.done(db)):
            for start, stop, lane in self._entries_in(db, part):
                entries = chunks.entries_of(part.body[start:stop])
                found.setdefault(lane, []).extend(entries)
        return found

    def waiting_bytes(self, db: Connection) -> int:
        """
        Tell how many bytes wait in the journals.
        """
        return self._journal.waiting_bytes(self.done(db))

    def retire(self, moved: Iterable[tuple[Part, int]]) -> None:
        """
        Delete the files of which all is in the table, durably.

        Args:
            moved: What `gather` gave.
        """
        for part, end in moved:
            self._journal.retire(part, end)
