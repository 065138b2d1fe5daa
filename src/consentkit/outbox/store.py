# SPDX-License-Identifier: MIT
"""
The outbox on disk: sealed records that wait, in one SQLite file.

Records are kept and taken out lane by lane, oldest first. Everything that
must be true together is one transaction: a record is kept only while its
lane exists, and a withdrawal ends the lane and bars its grant for ever, so
that no process can keep a record after it.
"""

from __future__ import annotations

import json
import math
import sqlite3

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen
from cryptography.exceptions import InvalidTag

from consentkit._sqlite import Database
from consentkit.consent.results import Destroyed
from consentkit.exceptions import DamagedError, StoreError
from consentkit.gate import Permit, Reason
from consentkit.ledger.entries import LOCAL
from consentkit.limits import Limits
from consentkit.outbox.clock import SeenClock
from consentkit.outbox.kekplaces import KEKPlaces
from consentkit.outbox.keys import KEK, Lane, Protection, make_lane
from consentkit.outbox.places import Places
from consentkit.outbox.reads import Reads
from consentkit.outbox.records import Batch, Erasure, Record, new_id
from consentkit.outbox.tally import Tally


__all__ = ["LaneStatus", "OutboxStatus", "OutboxStore"]

_VERSION = 1

# How many lanes are kept open; an app that serves many has one a person.
_MOST_LANES: Final = 4096

#: What a sealed value that was damaged on disk raises, whatever SQLite made
#: of its type.
_NOT_OURS: Final = (InvalidTag, TypeError, ValueError)

_SCHEMA = """\
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE lanes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    element TEXT NOT NULL,
    grant_hash TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    attempted INTEGER NOT NULL DEFAULT 0,
    UNIQUE (grant_hash, recipient)
);

CREATE TABLE ended (grant_hash TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE records (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    lane INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    expires INTEGER NOT NULL,
    batch TEXT
);

CREATE INDEX records_by_lane ON records (lane, n);

CREATE INDEX records_by_expiry ON records (expires);

CREATE TABLE totals (records INTEGER NOT NULL, bytes INTEGER NOT NULL);

INSERT INTO totals VALUES (0, 0);

CREATE TRIGGER records_in AFTER INSERT ON records BEGIN
    UPDATE totals SET records = records + 1,
        bytes = bytes + length(NEW.sealed); END;

CREATE TRIGGER records_out AFTER DELETE ON records BEGIN
    UPDATE totals SET records = records - 1,
        bytes = bytes - length(OLD.sealed); END;

CREATE TABLE under_way (
    batch TEXT PRIMARY KEY,
    lane INTEGER NOT NULL,
    grant_hash TEXT NOT NULL,
    records INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE parked (
    batch TEXT PRIMARY KEY,
    tries INTEGER NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE erasures (
    id TEXT PRIMARY KEY,
    recipient TEXT NOT NULL,
    token TEXT NOT NULL,
    requested TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE reads (
    subject TEXT NOT NULL,
    function TEXT NOT NULL,
    data_type TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (subject, function, data_type)
) WITHOUT ROWID;

CREATE TABLE places (
    subject TEXT PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE counts (
    reason TEXT NOT NULL,
    element TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (reason, element)
) WITHOUT ROWID"""

_NO_NEWS: Final[Mapping[str, str]] = {}


@frozen(kw_only=True)
class LaneStatus:
    """
    What waits under one grant for one recipient.

    Attributes:
        subject: Whose grant, as the ledger's entries name the person.
    """

    element: str
    grant: str
    recipient: str
    waiting: int
    attempted: bool
    subject: str = LOCAL


@frozen(kw_only=True)
class OutboxStatus:
    """
    What is in the outbox.

    Attributes:
        waiting: Records that wait.

        sealed_bytes: Their size on disk.

        erasures: Erasure requests that wait.

        counts: By reason (``delivered``, ``duplicate``, ``rejected``,
            ``expired``, ``withdrawn``, ...), how many records so far.

        kek: Where the key is that wraps all others, and what that protects
            against; ``None`` before there is one.
    """

    waiting: int = 0
    sealed_bytes: int = 0
    erasures: int = 0
    lanes: tuple[LaneStatus, ...] = ()
    counts: Mapping[str, int] = {}
    kek: Protection | None = None


def rests_on(held: str, grants: frozenset[str]) -> bool:
    """
    Tell whether what is held under some grants rests on one of *grants*.

    Args:
        held: The grants of a lane, as a permit names them.

        grants: Hashes of grants.
    """
    return not grants.isdisjoint(held.split())


class OutboxStore:
    """
    The records, lanes and erasure requests of one data folder.

    No file is made before the first record is kept, or something is read
    that needs a key or a memory.
    """

    def __init__(self, path: Path, *, keys: Path, limits: Limits) -> None:
        self.path = path
        self._db = Database(
            path,
            schema=_SCHEMA,
            version=_VERSION,
            later=("reads", "places", "parked"),
        )
        self._keys = KEKPlaces(keys)
        self._limits = limits
        self._kek: KEK | None = None
        #: Lanes that were opened, by what they were opened from: another
        #: file may have another lane under the same id.
        self._lanes: dict[bytes, Lane] = {}
        self._clock = SeenClock()
        #: When what has a frequency was read last.
        self.reads: Reads = Reads(self._db)
        #: In which cell everybody was last.
        self.places: Places = Places(
            self._db, lane=self._lane, kek=self._load_kek
        )
        #: How often everything was obtained, in a file of its own.
        self.tally: Tally = Tally(path.with_name("tally.sqlite3"))

    def exists(self) -> bool:
        """
        Tell whether anything was ever kept, without opening the file.
        """
        return self._db.exists()

    def close(self) -> None:
        """
        Close the file and forget the keys.
        """
        self._db.close()
        self.tally.close()
        self._kek = None
        self._lanes.clear()

    # Keeping

    def lane(self, permit: Permit) -> Lane | None:
        """
        Give the lane of *permit*, made if need be.

        Returns:
            ``None`` if its grant has ended.
        """
        # A look is enough for one that is open and has not ended.
        if self._lanes and self.exists():
            with self._db.reading() as db:
                row = _lane_row(db, permit)
            known = None if row is None else self._lanes.get(row[4])
            if known is not None:
                return known
        with self._db.writing() as db:
            return self._lane(db, permit)

    def keep(
        self,
        kept: Sequence[tuple[Permit, Record]],
        *,
        news: Mapping[str, str] = _NO_NEWS,
    ) -> tuple[Reason | None, ...]:
        """
        Keep records in one durable commit.

        Records whose retention is over go at the same occasion.

        Args:
            kept: The records, with what they were read under.

            news: By record id, what stands for a place that is kept only if
                it is another one than the last.

        Returns:
            For each record, in order, why it was not kept, or ``None``.

        Raises:
            StoreError: If the outbox cannot be used; then none is kept.
        """
        if kept:
            self.expire(kept[0][1].captured_at)
        with self._db.writing() as db:
            if kept:
                self._clock.begin(db, int(kept[0][1].captured_at.timestamp()))
            return tuple(
                self._keep(db, p, r, news.get(r.id, "")) for p, r in kept
            )

    def _keep(
        self,
        db: sqlite3.Connection,
        permit: Permit,
        record: Record,
        news: str,
    ) -> Reason | None:
        lane = self._lane(db, permit)
        if lane is None:
            return Reason.CONSENT_CHANGED
        plain = _plain(record)
        expires = int(record.expires_at.timestamp())
        sealed = _sealed(lane, plain, record=record.id, expires=expires)
        count, size = self._totals(db)
        limits = self._limits
        if (
            not sealed
            or not 0 < len(plain) <= limits.record_bytes
            or count >= limits.records
            or size + len(sealed) > limits.outbox_bytes
        ):
            _count(db, "outbox_full", lane.element, 1)
            return Reason.OUTBOX_FULL
        if news and not self.places.is_news(db, permit, lane, news):
            return Reason.NO_VALUE
        db.execute(
            "INSERT OR IGNORE INTO records (id, lane, sealed, expires) "
            "VALUES (?, ?, ?, ?)",
            (record.id, lane.id, sealed, expires),
        )
        return None

    def _lane(self, db: sqlite3.Connection, permit: Permit) -> Lane | None:
        row = _lane_row(db, permit)
        if row is not None:
            known = self._lanes.get(row[4])
            if known is None:
                known = self._unwrap(self._load_kek(db), row)
                if len(self._lanes) >= _MOST_LANES:
                    self._lanes.clear()
                self._lanes[row[4]] = known
            return known
        barred = any(
            db.execute(
                "SELECT 1 FROM ended WHERE grant_hash = ?", (grant,)
            ).fetchone()
            for grant in permit.grant.split()
        )
        return None if barred else self._make_lane(db, permit)

    def _make_lane(self, db: sqlite3.Connection, permit: Permit) -> Lane:
        fresh = make_lane(
            element=permit.element,
            grant=permit.grant,
            recipient=permit.recipient,
        )
        kek = self._load_kek(db)
        db.execute(
            "INSERT INTO lanes "
            "(element, grant_hash, recipient, subject, wrapped) "
            "VALUES (?, ?, ?, ?, ?)",
            (
                fresh.element,
                fresh.grant,
                fresh.recipient,
                permit.entry.subject,
                kek.wrap(fresh),
            ),
        )
        row = db.execute(
            "SELECT id, element, grant_hash, recipient, wrapped FROM lanes "
            "WHERE id = last_insert_rowid()"
        ).fetchone()
        return self._unwrap(kek, row)

    def _load_kek(self, db: sqlite3.Connection) -> KEK:
        row = db.execute(
            "SELECT value FROM meta WHERE name = 'kek'"
        ).fetchone()
        if row is None:
            self._kek = self._keys.make()
            db.execute("INSERT INTO meta VALUES ('kek', ?)", (self._kek.id,))
        elif self._kek is None or self._kek.id != row[0]:
            self._lanes.clear()
            self._kek = self._keys.load(row[0])
        return self._kek

    # Delivering

    def has_work(self) -> bool:
        """
        Tell whether anything waits, at little cost.
        """
        if not self.exists():
            return False
        with self._db.reading() as db:
            row = db.execute(
                "SELECT 1 FROM records UNION ALL SELECT 1 FROM erasures "
                "LIMIT 1"
            ).fetchone()
        return row is not None

    def lanes(self) -> tuple[LaneStatus, ...]:
        """
        List the lanes that have records waiting, oldest record first.
        """
        if not self.exists():
            return ()
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT element, grant_hash, recipient, COUNT(*), attempted, "
                "subject "
                "FROM records JOIN lanes ON lanes.id = records.lane "
                "GROUP BY lanes.id ORDER BY MIN(n)"
            ).fetchall()
        if not all(
            isinstance(text, str)
            for row in rows
            for text in (*row[:3], row[5])
        ):
            problem = "whose records wait cannot be read"
            raise self._damaged(problem)
        return tuple(
            LaneStatus(
                element=element,
                grant=grant,
                recipient=recipient,
                waiting=waiting,
                attempted=bool(attempted),
                subject=subject,
            )
            for element, grant, recipient, waiting, attempted, subject in rows
        )

    def claim(
        self, lane: LaneStatus, *, most: int, now: datetime
    ) -> Batch | None:
        """
        Take the oldest batch of *lane* for sending.

        A batch that was sent before and not settled comes again with the
        same id and the same records, but for those whose retention is over.

        Returns:
            ``None`` if the lane has ended or is empty.
        """
        with self._db.writing() as db:
            row = db.execute(
                "SELECT id, element, grant_hash, recipient, wrapped "
                "FROM lanes WHERE grant_hash = ? AND recipient = ?",
                (lane.grant, lane.recipient),
            ).fetchone()
            if row is None:
                return None
            held = self._unwrap(self._load_kek(db), row)
            batch, records = self._next_batch(db, held, most, now)
            if not records:
                return None
            db.execute(
                "UPDATE lanes SET attempted = 1 WHERE id = ?", (held.id,)
            )
            db.execute(
                "INSERT OR REPLACE INTO under_way VALUES (?, ?, ?, ?)",
                (batch, held.id, held.grant, len(records)),
            )
            return Batch(
                id=batch,
                recipient=held.recipient,
                erase=held.erase,
                records=records,
            )

    def _next_batch(
        self, db: sqlite3.Connection, lane: Lane, most: int, now: datetime
    ) -> tuple[str, tuple[Record, ...]]:
        """
        Open the oldest batch that can be read; without records at the end.
        """
        tried: set[str] = set()
        after = int(now.timestamp())
        while (batch := self._batch_id(db, lane.id, most, after)) is not None:
            if batch in tried:
                # In a damaged file, what was deleted may still be there.
                problem = "damaged records cannot be taken out"
                raise self._damaged(problem)
            tried.add(batch)
            records = self._open_all(db, lane, batch, after)
            if records:
                return batch, records
        return "", ()

    def _batch_id(
        self, db: sqlite3.Connection, lane: int, most: int, after: int
    ) -> str | None:
        row = db.execute(
            "SELECT batch FROM records WHERE lane = ? AND expires > ? "
            "AND COALESCE(batch, '') NOT IN "
            "(SELECT batch FROM parked WHERE until > ?) "
            "ORDER BY n LIMIT 1",
            (lane, after, after),
        ).fetchone()
        if row is None:
            return None
        if isinstance(row[0], str):
            return row[0]
        batch = new_id()
        db.execute(
            "UPDATE records SET batch = ? WHERE n IN (SELECT n FROM records "
            "WHERE lane = ? AND typeof(batch) <> 'text' AND expires > ? "
            "ORDER BY n LIMIT ?)",
            (batch, lane, after, most),
        )
        return batch

    def _open_all(
        self, db: sqlite3.Connection, lane: Lane, batch: str, after: int
    ) -> tuple[Record, ...]:
        rows = db.execute(
            "SELECT n, id, sealed, expires FROM records "
            "WHERE lane = ? AND batch = ? AND expires > ? ORDER BY n",
            (lane.id, batch, after),
        ).fetchall()
        if not rows:
            problem = "a batch has lost its records"
            raise self._damaged(problem)
        records: list[Record] = []
        for n, *row in rows:
            record = self._opened(lane, *row)
            if record is not None:
                records.append(evolve(record, consent=lane.reference))
                continue
            # It can never be read again; it must not hold up the rest.
            db.execute("DELETE FROM records WHERE n = ?", (n,))
            _count(db, "unreadable", lane.element, 1)
        return tuple(records)

    def is_live(self, batch: Batch) -> bool:
        """
        Tell whether *batch* may still go out: its lane has not ended.
        """
        with self._db.reading() as db:
            row = db.execute(
                "SELECT 1 FROM under_way JOIN lanes "
                "ON lanes.id = under_way.lane WHERE batch = ?",
                (batch.id,),
            ).fetchone()
        return row is not None

    def settle(
        self, batch: Batch, *, element: str, done: Mapping[str, str]
    ) -> None:
        """
        Note what became of *batch*.

        Args:
            batch: What `claim` gave.

            element: What it belongs to, for the counts.

            done: By record id, the reason under which it is counted and
                taken out; a record that is not named waits on.
        """
        with self._db.writing() as db:
            db.execute("DELETE FROM under_way WHERE batch = ?", (batch.id,))
            db.execute("DELETE FROM parked WHERE batch = ?", (batch.id,))
            for record, reason in done.items():
                gone = db.execute(
                    "DELETE FROM records WHERE id = ?", (record,)
                ).rowcount
                # A record that a withdrawal took first is counted there.
                _count(db, reason, element, gone)

    def split(self, batch: Batch) -> None:
        """
        Dissolve *batch*, so that its records go out in smaller ones.
        """
        with self._db.writing() as db:
            db.execute("DELETE FROM under_way WHERE batch = ?", (batch.id,))
            db.execute(
                "UPDATE records SET batch = NULL WHERE batch = ?", (batch.id,)
            )

    def park(
        self, batch: Batch, *, now: datetime, wait: Callable[[int], float]
    ) -> int:
        """
        Let *batch* wait by itself, so that it holds up nothing behind it.

        Args:
            batch: What `claim` gave.

            now: When.

            wait: Gives how many seconds to wait after so many tries.

        Returns:
            How often it was tried so far.
        """
        with self._db.writing() as db:
            db.execute("DELETE FROM under_way WHERE batch = ?", (batch.id,))
            row = db.execute(
                "SELECT tries FROM parked WHERE batch = ?", (batch.id,)
            ).fetchone()
            tries = 1 if row is None else int(row[0]) + 1
            until = math.ceil(now.timestamp() + wait(tries))
            db.execute(
                "INSERT OR REPLACE INTO parked VALUES (?, ?, ?)",
                (batch.id, tries, until),
            )
        return tries

    def forget_under_way(self) -> None:
        """
        Clear what a killed process left; only for who delivers alone.
        """
        with self._db.writing() as db:
            db.execute("DELETE FROM under_way")
            db.execute(
                "DELETE FROM parked WHERE batch NOT IN "
                "(SELECT batch FROM records WHERE batch IS NOT NULL)"
            )

    def is_under_way(self, grants: frozenset[str]) -> bool:
        """
        Tell whether a batch of an ended grant is still on its way.
        """
        with self._db.reading() as db:
            rows = db.execute("SELECT grant_hash FROM under_way").fetchall()
        return any(rests_on(held, grants) for (held,) in rows)

    def erasures(self) -> tuple[Erasure, ...]:
        """
        List the erasure requests that wait, oldest first.
        """
        if not self.exists():
            return ()
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT id, recipient, token, requested FROM erasures "
                "ORDER BY id"
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
        except _NOT_OURS:
            pass
        problem = "an erasure request cannot be read"
        raise self._damaged(problem)

    def settle_erasure(self, erasure: Erasure) -> None:
        """
        Note that the recipient has carried out *erasure*.
        """
        with self._db.writing() as db:
            db.execute("DELETE FROM erasures WHERE id = ?", (erasure.id,))
            _count(db, "erasure_confirmed", "", 1)

    # Ending

    def destroy(self, grants: Iterable[str], *, now: datetime) -> Destroyed:
        """
        End grants: destroy their keys and records, queue erasures.

        Grants that hold no lane are barred all the same.
        """
        named = frozenset(grants)
        if not named:
            return Destroyed()
        with self._db.writing() as db:
            kek = self._old_kek(db)
            rows = db.execute(
                "SELECT id, element, grant_hash, recipient, wrapped, "
                "attempted FROM lanes"
            ).fetchall()
            doomed = [row for row in rows if rests_on(row[2], named)]
            destroyed = self._end(db, kek, doomed, now)
            self.places.forget(db)
            db.executemany(
                "INSERT OR IGNORE INTO ended VALUES (?)",
                [(grant,) for grant in named],
            )
            if doomed:
                self._rotate(db, kek, [r for r in rows if r not in doomed])
        if doomed:
            self._sweep()
        return destroyed

    def _rotate_late(self) -> None:
        """
        Replace a KEK that could not be read when it had to go.
        """
        with self._db.writing() as db:
            rows = db.execute(
                "SELECT id, element, grant_hash, recipient, wrapped FROM lanes"
            ).fetchall()
            self._rotate(db, self._old_kek(db), rows)
        self._sweep()

    def _old_kek(self, db: sqlite3.Connection) -> KEK | None:
        """
        Give the KEK that is to go, or ``None`` if there is none to be had.

        Without it the lanes are unreadable already; ending them must not
        fail for that.
        """
        row = db.execute(
            "SELECT value FROM meta WHERE name = 'kek'"
        ).fetchone()
        if row is None:
            return None
        if self._kek is not None and self._kek.id == row[0]:
            return self._kek
        with suppress(StoreError):
            return self._keys.load(row[0], is_to_go=True)
        return None

    def _end(
        self,
        db: sqlite3.Connection,
        kek: KEK | None,
        doomed: list[Any],
        now: datetime,
    ) -> Destroyed:
        records = in_flight = erasures = 0
        for row in doomed:
            lane, element = row[:2]
            (waiting,) = db.execute(
                "SELECT COUNT(*) FROM records WHERE lane = ?", (lane,)
            ).fetchone()
            (moving,) = db.execute(
                "SELECT COALESCE(SUM(records), 0) FROM under_way "
                "WHERE lane = ?",
                (lane,),
            ).fetchone()
            _count(db, "withdrawn", element, waiting)
            _count(db, "perhaps_delivered", element, moving)
            if row[5]:
                erasures += self._queue_erasure(db, kek, row, now)
            db.execute("DELETE FROM lanes WHERE id = ?", (lane,))
            self._lanes.pop(row[4], None)
            records += waiting
            in_flight += moving
        return Destroyed(
            records=records, in_flight=in_flight, erasures=erasures
        )

    def _queue_erasure(
        self,
        db: sqlite3.Connection,
        kek: KEK | None,
        row: Any,
        now: datetime,
    ) -> int:
        lane = None
        if kek is not None:
            with suppress(DamagedError):
                lane = self._unwrap(kek, row[:5])
        if lane is None:
            _count(db, "erasure_impossible", row[1], 1)
            return 0
        token = lane.erasure_token.hex()
        db.execute(
            "INSERT INTO erasures VALUES (?, ?, ?, ?)",
            (new_id(), row[3], token, now.astimezone(UTC).isoformat()),
        )
        return 1

    def _rotate(
        self, db: sqlite3.Connection, old: KEK | None, rest: list[Any]
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
                lane = self._unwrap(old, row[:5])
                db.execute(
                    "UPDATE lanes SET wrapped = ? WHERE id = ?",
                    (new.wrap(lane), lane.id),
                )
        self.places.rewrap(db, old, new)
        db.execute("UPDATE meta SET value = ? WHERE name = 'kek'", (new.id,))
        db.execute("DELETE FROM meta WHERE name = 'rotate'")

    def _sweep(self) -> None:
        """
        Destroy old KEKs and the rows that no key opens any more.
        """
        try:
            # Old pages, with the wrapped keys in them, are in the log until
            # then; and as long as an old KEK is there, this is done again.
            self._db.checkpoint()
        finally:
            self._destroy_keys()
        self._db.checkpoint()

    def _destroy_keys(self) -> None:
        with self._db.writing() as db:
            row = db.execute(
                "SELECT value FROM meta WHERE name = 'kek'"
            ).fetchone()
            if row is not None:
                self._keys.keep_only(row[0])
            elif db.execute("SELECT 1 FROM lanes LIMIT 1").fetchone() is None:
                self._keys.keep_only("")
            db.execute(
                "DELETE FROM records WHERE lane NOT IN (SELECT id FROM lanes)"
            )

    def forget(self, subject: str) -> None:
        """
        Forget how often and when data of a person was read.

        Args:
            subject: As the ledger's entries name the person, whose grants
                have ended.

        Raises:
            StoreError: If it cannot be done.
        """
        self.tally.forget(subject)
        self.reads.forget(subject)

    def reconcile(
        self,
        standing: Callable[[str], frozenset[str] | None],
        *,
        now: datetime,
    ) -> None:
        """
        Complete what a crash cut short: end every grant that stands no more.

        Args:
            standing: Gives the grants of a subject that stand, or ``None``
                if nobody can tell; then all of theirs stay. It is asked after
                the lanes were read: a grant is older than its lane, so that
                one which another process makes meanwhile is not missed.

            now: When.
        """
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT subject, grant_hash FROM lanes"
            ).fetchall()
            orphans = db.execute(
                "SELECT 1 FROM records WHERE lane NOT IN "
                "(SELECT id FROM lanes) LIMIT 1"
            ).fetchone()
            meta = dict(db.execute("SELECT name, value FROM meta"))
        stale: set[str] = set()
        for subject in {subject for subject, _ in rows}:
            valid = standing(subject)
            if valid is None:
                continue
            held = (g for s, g in rows if s == subject)
            stale.update({h for g in held for h in g.split()} - valid)
        if stale:
            self.destroy(stale, now=now)
        elif "rotate" in meta:
            self._rotate_late()
        elif orphans is not None or self._keys.has_others(meta.get("kek", "")):
            self._sweep()

    def expire(self, now: datetime) -> int:
        """
        Destroy records whose retention is over; give how many.

        They are not sent any more in any case. Where the clock has leapt
        ahead by more than a year, they are destroyed once a second look
        agrees: at another start, or ten minutes later.
        """
        if not self.exists():
            return 0
        moment = int(now.timestamp())
        with self._db.reading() as db:
            due = db.execute(
                "SELECT 1 FROM records WHERE expires <= ? LIMIT 1", (moment,)
            ).fetchone()
            settled = self._clock.is_settled(db, moment)
        if due is None and settled:
            return 0
        with self._db.writing() as db:
            if not self._clock.trusts(db, moment):
                return 0
            rows = db.execute(
                "SELECT element, COUNT(*) FROM records JOIN lanes "
                "ON lanes.id = records.lane WHERE expires <= ? "
                "GROUP BY element",
                (moment,),
            ).fetchall()
            db.execute("DELETE FROM records WHERE expires <= ?", (moment,))
            for element, count in rows:
                _count(db, "expired", element, count)
        self._db.checkpoint()
        return sum(count for _, count in rows)

    def discard(self, doomed: Callable[[Record], bool], *, reason: str) -> int:
        """
        Destroy waiting records one by one; give how many.

        Args:
            doomed: Tells which.

            reason: Under what they are counted.
        """
        gone = [record for record in self.inspect() if doomed(record)]
        if not gone:
            return 0
        with self._db.writing() as db:
            for record in gone:
                done = db.execute(
                    "DELETE FROM records WHERE id = ?", (record.id,)
                ).rowcount
                _count(db, reason, record.function, done)
        self._db.checkpoint()
        return len(gone)

    # Looking

    def status(self) -> OutboxStatus:
        """
        Tell what waits, without opening a single record.
        """
        if not self.exists():
            return OutboxStatus()
        lanes = self.lanes()
        with self._db.reading() as db:
            count, size = self._totals(db)
            (erasures,) = db.execute(
                "SELECT COUNT(*) FROM erasures"
            ).fetchone()
            counts = db.execute(
                "SELECT reason, SUM(n) FROM counts GROUP BY reason"
            ).fetchall()
            kek = db.execute(
                "SELECT value FROM meta WHERE name = 'kek'"
            ).fetchone()
        return OutboxStatus(
            waiting=count,
            sealed_bytes=size,
            erasures=erasures,
            lanes=lanes,
            counts=dict(counts),
            kek=None if kek is None else self._keys.protection(kek[0]),
        )

    def inspect(self) -> Iterator[Record]:
        """
        Open every waiting record, oldest first.
        """
        if not self.exists():
            return
        with self._db.writing() as db:
            kek = self._load_kek(db)
            rows = db.execute(
                "SELECT lanes.id, element, grant_hash, recipient, wrapped, "
                "records.id, sealed, expires FROM records "
                "JOIN lanes ON lanes.id = records.lane ORDER BY n"
            ).fetchall()
        for row in rows:
            record = self._opened(self._unwrap(kek, row[:5]), *row[5:])
            if record is not None:
                yield record

    def _totals(self, db: sqlite3.Connection) -> tuple[int, int]:
        row = db.execute("SELECT records, bytes FROM totals").fetchone()
        if row is None or not all(isinstance(n, int) for n in row):
            problem = "its totals are gone"
            raise self._damaged(problem)
        return row[0], row[1]

    def _unwrap(self, kek: KEK, row: Any) -> Lane:
        lane, element, grant, recipient, wrapped = row
        try:
            return kek.unwrap(
                wrapped,
                id=lane,
                element=element,
                grant=grant,
                recipient=recipient,
            )
        except _NOT_OURS:
            pass
        problem = "the keys of a grant cannot be opened"
        raise self._damaged(problem)

    def _opened(
        self, lane: Lane, record: Any, sealed: Any, expires: Any
    ) -> Record | None:
        """
        Open one record, or give ``None`` if it is not what was sealed.

        Raises:
            StoreError: If nobody can tell now; then it waits on.
        """
        try:
            return _record(lane.open(sealed, record=record, expires=expires))
        except (*_NOT_OURS, LookupError):
            return None
        except Exception:  # noqa: BLE001, S110 - its frames hold the value
            pass
        raise StoreError(
            self.path,
            problem="a record cannot be opened now",
            cure="try again, with more memory",
        )

    def _damaged(self, problem: str) -> DamagedError:
        return DamagedError(
            self.path,
            problem=problem,
            cure="restore the file and its key folder together, or move "
            "both away to start anew",
        )


def _lane_row(db: sqlite3.Connection, permit: Permit) -> Any:
    return db.execute(
        "SELECT id, element, grant_hash, recipient, wrapped FROM lanes "
        "WHERE grant_hash = ? AND recipient = ?",
        (permit.grant, permit.recipient),
    ).fetchone()


def _plain(record: Record) -> bytes:
    """
    Write *record* down; empty if that cannot be done.
    """
    try:
        text = json.dumps(
            record.as_json(), separators=(",", ":"), ensure_ascii=False
        )
    except Exception:  # noqa: BLE001 - the frames of it hold the value
        return b""
    # Half of a surrogate pair, as file names may hold, is written as JSON
    # escapes it.
    return text.encode(errors="backslashreplace")


def _sealed(lane: Lane, plain: bytes, *, record: str, expires: int) -> bytes:
    """
    Seal one record; empty if that cannot be done.
    """
    try:
        return lane.seal(plain, record=record, expires=expires)
    except Exception:  # noqa: BLE001 - the frames of it hold the value
        return b""


def _count(
    db: sqlite3.Connection, reason: str, element: str, number: int
) -> None:
    if number:
        db.execute(
            "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT "
            "DO UPDATE SET n = n + excluded.n",
            (reason, element, number),
        )


def _record(plain: bytes) -> Record:
    raw = json.loads(plain)
    raw["privacy_class"] = raw.pop("class")
    for name in ("captured_at", "expires_at"):
        raw[name] = datetime.fromisoformat(raw[name])
    return Record(**raw)
