# SPDX-License-Identifier: MIT
"""
From the journals, of all processes, into the table.
"""

from __future__ import annotations

import os

from collections.abc import Iterable, Iterator, Mapping
from sqlite3 import Connection

from consentkit.outbox import chunks
from consentkit.outbox.chunks import Entry, Fresh
from consentkit.outbox.counts import count
from consentkit.outbox.journal import Journal, Part, entries_in
from consentkit.outbox.keys import SEAL_BYTES
from consentkit.outbox.rows import HEADER, end_and_purpose


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
        #: Whether there may be files of which all is in the table.
        self.is_spent: bool = True

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
            # What is forgotten of a file that is there comes once more.
            if not self._journal.has(name):
                db.execute("DELETE FROM journals WHERE name = ?", (name,))
        if not names:
            return [], Fresh()
        lanes = {lane for (lane,) in db.execute("SELECT id FROM lanes")}
        moved = []
        waiting = Fresh()
        for part in self._journal.parts(done):
            by_lane: dict[int, list[bytes]] = {}
            body, end, passed_over, last = part.body, 0, 0, 0
            for start, stop, lane in self._entries_in(db, part):
                if lane != last:
                    raws, last = by_lane.setdefault(lane, []), lane
                raws.append(body[start:stop])
                passed_over += start - end
                end = stop
            for lane, raws in by_lane.items():
                if lane in lanes:
                    waiting.add(lane, raws)
                else:
                    count(db, "withdrawn", "", len(raws))
            if not part.is_live:
                # Nobody will complete what a crash cut off, or damage did.
                passed_over += len(body) - end
                end = len(body)
            count(db, "unreadable", "", int(passed_over > 0))
            end += part.done
            db.execute(
                "INSERT OR REPLACE INTO journals VALUES (?, ?)",
                (part.name, end),
            )
            moved.append((part, end))
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

    def first_end(self, db: Connection) -> int | None:
        """
        Tell when the first of what is in the journals expires, in
        milliseconds since 1970; ``None`` if nothing is there.
        """
        return min(
            (
                end_and_purpose(HEADER.unpack_from(part.body, start)[4])[0]
                for part in self._journal.parts(self.done(db))
                for start, _, _ in self._entries_in(db, part)
            ),
            default=None,
        )

    def waiting_bytes(self, db: Connection) -> int:
        """
        Tell how many bytes wait in the journals.
        """
        return self._journal.waiting_bytes(self.done(db))

    def leave(self, moved: Iterable[tuple[Part, int]]) -> None:
        """
        Let go of the files of which all is in the table.

        Args:
            moved: What `gather` gave.
        """
        for part, end in moved:
            self._journal.leave(part.name, end)
            self.is_spent = True

    def delete(self, done: Mapping[str, int]) -> None:
        """
        Delete the files of which all is in the table, and folded.

        Args:
            done: What `done` gave before it was folded.
        """
        self._journal.delete(done)
        self.is_spent = False
