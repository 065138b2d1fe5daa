# SPDX-License-Identifier: MIT
"""
The end of grants: keys are destroyed, and with them whatever they opened.

What is ended is ended in one transaction. What follows it, the death of the
old key that wrapped the lanes and of the rows that nothing opens any more, is
done again after a crash, until it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Final

from consentkit._sqlite import Database
from consentkit.consent.results import Destroyed
from consentkit.exceptions import DamagedError, StoreError
from consentkit.outbox import chunks, drops
from consentkit.outbox.chunks import Fresh
from consentkit.outbox.counts import count
from consentkit.outbox.kekplaces import KEKPlaces
from consentkit.outbox.keys import KEK
from consentkit.outbox.lanes import (
    ALL_LANES,
    NOT_OURS,
    Lanes,
    damaged,
    rests_on,
)
from consentkit.outbox.places import Places
from consentkit.outbox.purposes import Purposes
from consentkit.outbox.records import Erasure, new_id


__all__ = ["Endings", "erasures"]

#: How many chunks of ended lanes one transaction deletes. Their keys are gone
#: before.
_SWEPT_AT_ONCE: Final = 2

#: A withdrawal that somebody waits for deletes no more than this; what is
#: left goes at the next delivery or start.
_SWEPT_BYTES: Final = 16 * 1024


class Endings:
    """
    How grants of one outbox end.

    Args:
        db: Its file.

        lanes: Its lanes.

        keys: Where the keys are that wrap them.

        places: What else is sealed under that key.

        purposes: And this too.

        fold: Empties the log.
    """

    def __init__(
        self,
        db: Database,
        *,
        lanes: Lanes,
        keys: KEKPlaces,
        places: Places,
        purposes: Purposes,
        fold: Callable[[], object],
    ) -> None:
        self._db = db
        self._lanes = lanes
        self._keys = keys
        self._places = places
        self._purposes = purposes
        self._fold = fold

    def end(
        self,
        db: Connection,
        grants: Collection[str],
        fresh: Fresh,
        *,
        now: datetime,
    ) -> tuple[Destroyed, bool]:
        """
        End grants, and bar them.

        Args:
            db: The file, in a transaction.

            grants: Their hashes.

            fresh: What was in the journals and is not in the table yet; what
                of it ends never comes there.

            now: When.

        Returns:
            What was destroyed, and whether `sweep` has something to do.
        """
        named = frozenset(grants)
        kek = self._lanes.kek_to_go(db)
        rows = db.execute(ALL_LANES).fetchall()
        doomed = [row for row in rows if rests_on(row[2], named)]
        destroyed = self._end(db, kek, doomed, fresh, now)
        self._places.forget(db)
        db.executemany(
            "INSERT OR IGNORE INTO ended VALUES (?)",
            [(grant,) for grant in named],
        )
        if doomed:
            self._rotate(db, kek, [r for r in rows if r not in doomed])
            chunks.delete_orphans(
                db, most=_SWEPT_AT_ONCE, most_bytes=_SWEPT_BYTES
            )
        return destroyed, bool(doomed)

    def _end(
        self,
        db: Connection,
        kek: KEK | None,
        doomed: list[Any],
        fresh: Fresh,
        now: datetime,
    ) -> Destroyed:
        records = in_flight = erased = 0
        for row in doomed:
            lane, element = row[:2]
            (waiting,) = db.execute(
                "SELECT COALESCE(SUM(records), 0) FROM chunks WHERE lane = ?",
                (lane,),
            ).fetchone()
            waiting += fresh.drop(lane)
            (moving,) = db.execute(
                "SELECT COALESCE(SUM(records), 0) FROM under_way "
                "WHERE lane = ?",
                (lane,),
            ).fetchone()
            count(db, "withdrawn", element, waiting)
            count(db, "perhaps_delivered", element, moving)
            (was_attempted,) = db.execute(
                "SELECT attempted FROM lanes WHERE id = ?", (lane,)
            ).fetchone()
            if was_attempted:
                erased += self._queue_erasure(db, kek, row, now)
            db.execute("DELETE FROM lanes WHERE id = ?", (lane,))
            drops.forget(db, lane)
            self._lanes.forget(row[4])
            records += waiting
            in_flight += moving
        return Destroyed(records=records, in_flight=in_flight, erasures=erased)

    def _queue_erasure(
        self, db: Connection, kek: KEK | None, row: Any, now: datetime
    ) -> int:
        lane = None
        if kek is not None:
            with suppress(DamagedError):
                lane = self._lanes.unwrap(kek, row)
        if lane is None:
            count(db, "erasure_impossible", row[1], 1)
            return 0
        token = lane.erasure_token.hex()
        db.execute(
            "INSERT INTO erasures VALUES (?, ?, ?, ?)",
            (new_id(), row[3], token, now.astimezone(UTC).isoformat()),
        )
        return 1

    def _rotate(
        self, db: Connection, old: KEK | None, rest: list[Any]
    ) -> None:
        if old is None and rest:
            # It may come back, as out of a locked key store; then it goes.
            db.execute("INSERT OR REPLACE INTO meta VALUES ('rotate', 'due')")
            return
        if old is None:
            # Nothing is wrapped any more; the next lane gets a new one.
            db.execute("DELETE FROM meta WHERE name IN ('kek', 'rotate')")
            return
        # Inside the transaction: no other process can take the new key for
        # one that a crash left behind.
        new = self._keys.make()
        for row in rest:
            # A lane that is damaged stays so; it is no other's concern.
            with suppress(DamagedError):
                lane = self._lanes.unwrap(old, row)
                db.execute(
                    "UPDATE lanes SET wrapped = ? WHERE id = ?",
                    (new.wrap(lane), lane.id),
                )
        self._places.rewrap(db, old, new)
        self._purposes.rewrap(db, old, new)
        db.execute("UPDATE meta SET value = ? WHERE name = 'kek'", (new.id,))
        db.execute("DELETE FROM meta WHERE name = 'rotate'")

    def shred(self, grants: Collection[str]) -> bool:
        """
        Destroy the KEK where the disk takes nothing else, if only what is to
        end was opened with it; tell whether that was done.

        What may have been delivered keeps its token: its recipients are
        still to be asked to erase it.

        Args:
            grants: Hashes of those that end.
        """
        named = frozenset(grants)
        with suppress(StoreError), self._db.reading() as db:
            rows = db.execute(
                "SELECT grant_hash, attempted FROM lanes"
            ).fetchall()
            is_all = all(
                rests_on(held, named) and not sent for held, sent in rows
            )
            # Without a lane nothing ends, and the next one needs the KEK.
            if rows and is_all:
                self._keys.keep_only("")
                return True
        return False

    # What follows

    def sweep(self) -> None:
        """
        Destroy old KEKs.
        """
        try:
            # Old pages, with the wrapped keys in them, are in the log until
            # then; and as long as an old KEK is there, this is done again.
            self._fold()
        finally:
            self._destroy_keys()

    def _destroy_keys(self) -> None:
        with self._db.writing() as db:
            row = db.execute(
                "SELECT value FROM meta WHERE name = 'kek'"
            ).fetchone()
            if row is not None:
                self._keys.keep_only(row[0])
            elif db.execute("SELECT 1 FROM lanes LIMIT 1").fetchone() is None:
                self._keys.keep_only("")

    def delete_orphans(self) -> bool:
        """
        Delete some of what no key opens any more; tell whether more is left.
        """
        with self._db.reading() as db:
            if not chunks.has_orphans(db):
                return False
        with self._db.writing() as db:
            number = chunks.delete_orphans(db, most=_SWEPT_AT_ONCE)
        return number == _SWEPT_AT_ONCE

    # After a crash

    def stale(
        self, standing: Callable[[str], frozenset[str] | None]
    ) -> set[str]:
        """
        Name the grants that have lanes, and stand no more.

        Args:
            standing: Gives the grants of a subject that stand, or ``None``
                if nobody can tell; then all of theirs stay. It is asked after
                the lanes were read.
        """
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT subject, grant_hash FROM lanes"
            ).fetchall()
        if not all(isinstance(text, str) for row in rows for text in row):
            raise damaged(self._db.path, "whose lanes there are is unreadable")
        stale: set[str] = set()
        for subject in {subject for subject, _ in rows}:
            valid = standing(subject)
            if valid is None:
                continue
            held = (g for s, g in rows if s == subject)
            stale.update({h for g in held for h in g.split()} - valid)
        return stale

    def complete(self) -> None:
        """
        Do what an end that a crash cut short left to be done.
        """
        with self._db.reading() as db:
            has_orphans = chunks.has_orphans(db)
            meta = dict(db.execute("SELECT name, value FROM meta"))
        if "rotate" in meta:
            self._rotate_late()
        elif self._keys.has_others(meta.get("kek", "")):
            self.sweep()
        if has_orphans:
            self.delete_orphans()
            self._fold()

    def _rotate_late(self) -> None:
        """
        Replace a KEK that could not be read when it had to go.
        """
        with self._db.writing() as db:
            rows = db.execute(ALL_LANES).fetchall()
            self._rotate(db, self._lanes.kek_to_go(db), rows)
        self.sweep()


def erasures(db: Connection, path: Path) -> tuple[Erasure, ...]:
    """
    List the erasure requests that wait, oldest first.

    Args:
        db: The file.

        path: Of the file.

    Raises:
        DamagedError: If one cannot be read.
    """
    rows = db.execute(
        "SELECT id, recipient, token, requested FROM erasures ORDER BY id"
    ).fetchall()
    try:
        return tuple(
            Erasure(
                id=id_,
                recipient=recipient,
                token=bytes.fromhex(token).hex(),
                requested_at=datetime.fromisoformat(requested),
            )
            for id_, recipient, token, requested in rows
        )
    except NOT_OURS:
        pass
    raise damaged(path, "an erasure request cannot be read")
