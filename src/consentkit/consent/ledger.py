# SPDX-License-Identifier: MIT
"""
The ledger: entries in one SQLite file, append-only and hash-chained.

Each entry holds the hash of the one before. Reading verifies the chain, so
that a changed, removed or reordered entry is found and named. A cut tail or
a restored backup is not found by the chain alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from consentkit._sqlite import Database
from consentkit.consent.entries import GENESIS, Entry, entry_from_body
from consentkit.exceptions import DamagedError


__all__ = ["Appended", "Ledger"]

_VERSION = 1

_SCHEMA = """\
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY CHECK (seq > 0),
    body TEXT NOT NULL,
    hash TEXT NOT NULL
);

CREATE TRIGGER entries_stay BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TRIGGER entries_keep BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"""

#: Makes an entry out of its place in the ledger and the hash before it.
Draft = Callable[[int, str], Entry]

#: Decides, from the entries so far, what is appended to them.
Plan = Callable[[tuple[Entry, ...]], Sequence[Draft]]


@frozen(kw_only=True)
class Appended:
    """
    What one commit appended.

    Attributes:
        before: The entries that were there, oldest first.

        made: The new ones.
    """

    before: tuple[Entry, ...]
    made: tuple[Entry, ...]


class Ledger:
    """
    The entries of one data folder.

    No file is made before the first entry.

    Args:
        path: The ledger's file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = Database(path, schema=_SCHEMA, version=_VERSION)
        self._entries: tuple[Entry, ...] = ()
        self._seen: object = None

    def entries(self) -> tuple[Entry, ...]:
        """
        Read all entries, oldest first, verifying the chain.

        Entries that were read before are not read again unless the file
        has changed.

        Raises:
            StoreError: If the file cannot be read, is damaged, or is of a
                newer format.
        """
        if not self._db.exists():
            self._entries, self._seen = (), None
            return ()
        with self._db.reading() as connection:
            version = connection.execute("PRAGMA data_version").fetchone()
            # data_version tells of commits by others, the generation of a
            # file that was replaced; an own append forgets what was seen.
            seen = (self._db.generation, version)
            if seen != self._seen:
                rows = connection.execute(
                    "SELECT seq, body, hash FROM entries ORDER BY seq"
                ).fetchall()
                self._entries = self._verified(rows)
                self._seen = seen
            return self._entries

    def append(self, *drafts: Draft) -> tuple[Entry, ...]:
        """
        Append an entry for each of *drafts*, in one durable commit.

        Raises:
            StoreError: If it cannot be recorded; then nothing is.
        """
        return self.append_after(lambda _: drafts).made

    def append_after(self, plan: Plan) -> Appended:
        """
        Append what *plan* decides on, in one durable commit.

        No process can append between what the plan sees and what it does.

        Args:
            plan: Takes the entries so far, oldest first, and gives a draft
                for each new one; maybe none.

        Raises:
            StoreError: If it cannot be recorded; then nothing is.
        """
        made: list[Entry] = []
        with self._db.writing() as connection:
            rows = connection.execute(
                "SELECT seq, body, hash FROM entries ORDER BY seq"
            ).fetchall()
            before = self._verified(rows)
            last = before[-1].hash if before else GENESIS
            drafts = plan(before)
            for seq, draft in enumerate(drafts, start=len(before) + 1):
                entry = draft(seq, last)
                connection.execute(
                    "INSERT INTO entries (seq, body, hash) VALUES (?, ?, ?)",
                    (entry.seq, entry.body, entry.hash),
                )
                last = entry.hash
                made.append(entry)
        # Read anew rather than trusting what was just written.
        self._seen = None
        return Appended(before=before, made=tuple(made))

    def close(self) -> None:
        """
        Close the file.
        """
        self._db.close()
        self._seen = None

    def _verified(self, rows: list[tuple[int, str, str]]) -> tuple[Entry, ...]:
        entries: list[Entry] = []
        last = GENESIS
        for number, (seq, body, digest) in enumerate(rows, start=1):
            try:
                entry = entry_from_body(body)
            except (ValueError, TypeError):
                raise self._broken(number) from None
            sound = (
                seq == entry.seq == number
                and entry.prev == last
                and entry.hash == digest
            )
            if not sound:
                raise self._broken(number)
            entries.append(entry)
            last = digest
        return tuple(entries)

    def _broken(self, number: int) -> DamagedError:
        return DamagedError(
            self.path,
            problem=f"the chain breaks at entry {number}",
            cure="restore the file from a backup; until then everything "
            "is refused",
        )
