# SPDX-License-Identifier: MIT
"""
The outbox on disk: sealed records that wait, in one SQLite file, and in the
journals in front of it.

Records are kept and taken out lane by lane, oldest first. Everything that
must be true together is one transaction: what is in a journal comes into the
table only while its lane exists, and a withdrawal ends the lane and bars its
grant for ever, so that nothing that a process kept after it ever goes out.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import os
import sqlite3

from collections import Counter
from collections.abc import (
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

from attrs import define, field, frozen
from cryptography.exceptions import InvalidTag

from consentkit._fork import watch_forks
from consentkit._sqlite import Database, waiting_at_most
from consentkit.consent.results import Destroyed
from consentkit.exceptions import (
    DamagedError,
    StoreError,
    UnwritableError,
)
from consentkit.gate import Permit, Reason
from consentkit.ledger.entries import LOCAL
from consentkit.limits import Limits
from consentkit.outbox import chunks, drops
from consentkit.outbox.chunks import Chunk, Entry
from consentkit.outbox.clock import SeenClock
from consentkit.outbox.drops import Drops
from consentkit.outbox.journal import Journal, Part, entries_in
from consentkit.outbox.kekplaces import KEKPlaces
from consentkit.outbox.keys import (
    KEK,
    SEAL_BYTES,
    Lane,
    Protection,
    make_lane,
)
from consentkit.outbox.places import Places
from consentkit.outbox.reads import Reads
from consentkit.outbox.records import Batch, Erasure, Record, new_id
from consentkit.outbox.reserve import Lost, Reserve
from consentkit.outbox.rows import (
    HEADER,
    Row,
    Rows,
    encode,
    id_text,
    milliseconds,
)
from consentkit.outbox.tally import Tally
from consentkit.typing import JSON


__all__ = ["Draft", "LaneStatus", "OpenLane", "OutboxStatus", "OutboxStore"]

logger: logging.Logger = logging.getLogger("consentkit")

_VERSION = 1

# How many lanes are kept open; an app that serves many has one a person.
_MOST_LANES: Final = 4096

#: And how many kinds of records of each.
_MOST_KINDS: Final = 1024

#: By how much an entry is longer than its row.
_OVERHEAD: Final = HEADER.size + SEAL_BYTES

# The journal takes so much before the outbox is measured anew, and of what
# there is room for a share, as other processes fill it too.
_MOST_AT_ONCE: Final = 2_000
_MOST_BYTES_AT_ONCE: Final = 1024 * 1024
_SHARES: Final = 16

# How often a capture waits for the disk at most.
_RARELY_SECONDS: Final = 1.0

# How long an end waits for another process, to save what is in memory.
_CLOSE_SECONDS: Final = 0.1

# How often captures look for what has expired; a delivery always does.
_TIDY_SECONDS: Final = 10.0

# How long a file is believed to be the one that it was.
_LOOK_SECONDS: Final = 0.05

# How many chunks of ended lanes a withdrawal deletes while somebody waits.
# Their keys are gone; what is left goes at the next delivery or start.
_SWEPT_AT_ONCE: Final = 2

#: What a sealed value that was damaged on disk raises, whatever SQLite made
#: of its type.
_NOT_OURS: Final = (InvalidTag, TypeError, ValueError)

_SCHEMA = f"""\
{chunks.SCHEMA};

{drops.SCHEMA};

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

CREATE TABLE promoted (
    id TEXT PRIMARY KEY,
    expires INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE counts (
    reason TEXT NOT NULL,
    element TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (reason, element)
) WITHOUT ROWID"""


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

        in_memory: How many of them this process has in memory, since the
            disk takes nothing now.

        sealed_bytes: Their size on disk.

        erasures: Erasure requests that wait.

        counts: By reason (``delivered``, ``duplicate``, ``rejected``,
            ``expired``, ``withdrawn``, ...), how many records so far.

        kek: Where the key is that wraps all others, and what that protects
            against; ``None`` before there is one.
    """

    waiting: int = 0
    in_memory: int = 0
    sealed_bytes: int = 0
    erasures: int = 0
    lanes: tuple[LaneStatus, ...] = ()
    counts: Mapping[str, int] = {}
    kek: Protection | None = None


@define
class _Fresh:
    """
    Entries that go into the table at the end of a transaction.
    """

    by_lane: dict[int, list[bytes]] = field(factory=dict)
    count: int = 0
    size: int = 0

    def add(self, lane: int, raw: Sequence[bytes]) -> None:
        """
        Add entries of a lane behind the others.
        """
        self.by_lane.setdefault(lane, []).extend(raw)
        self.count += len(raw)
        self.size += sum(map(len, raw))


@frozen
class _Known:
    lane: Lane
    kinds: Mapping[int, Mapping[str, JSON]]


def rests_on(held: str, grants: frozenset[str]) -> bool:
    """
    Tell whether what is held under some grants rests on one of *grants*.

    Args:
        held: The grants of a lane, as a permit names them.

        grants: Hashes of grants.
    """
    return not grants.isdisjoint(held.split())


@frozen(kw_only=True)
class Draft:
    """
    A protected observation that is to be kept.

    Attributes:
        permit: What it was read under.

        kind: What `consentkit.outbox.rows.kind_of` gives.

        text: The value as JSON; of an event a list of its fields' values.

        time: When it was captured, in milliseconds since 1970.

        expires: The same of its end.

        id: Its id, where it has one already; that tells the same time.

        news: What stands for a place that is kept only if it is another one
            than the last.
    """

    permit: Permit
    kind: Mapping[str, JSON]
    text: str = field(repr=False)
    time: int
    expires: int
    id: str = ""
    news: str = ""


@define(eq=False)
class OpenLane:
    """
    A lane that this process keeps records in.

    Its ids follow one another, which makes them short on the wire; where they
    begin is random, and another one in each lane, so that nobody can join
    what went to two recipients.

    Attributes:
        lane: Its keys.

        numbers: What stands in front of a value, by its kind as JSON.
    """

    lane: Lane
    numbers: dict[str, bytes] = field(factory=dict)
    _era: object = None
    _mark: int = field(init=False)
    _lows: Iterator[int] = field(init=False)

    @_mark.default
    def _version_and_random(self) -> int:
        return 0x7000 | int.from_bytes(os.urandom(2), "big") & 0xFFF

    @_lows.default
    def _from_a_random_start(self) -> Iterator[int]:
        start = int.from_bytes(os.urandom(8), "big") & ((1 << 61) - 1)
        return itertools.count(0b10 << 62 | start)

    def entry(
        self, plain: bytes, time: int, expires: int, given: str = ""
    ) -> tuple[str, bytes]:
        """
        Seal a row; give its id and the entry, or nothing if that cannot be
        done.

        Args:
            plain: The row.

            time: When it was captured, in milliseconds since 1970.

            expires: The same of its end.

            given: An id that it has already.
        """
        if given:
            number = int(given.replace("-", ""), 16)
            high, low = number >> 64, number & ((1 << 64) - 1)
        else:
            high, low = time << 16 | self._mark, next(self._lows)
        lane = self.lane
        size = len(plain) + SEAL_BYTES
        header = HEADER.pack(size, lane.id, high, low, expires)
        try:
            entry = header + lane.seal(plain, header)
        except Exception:  # noqa: BLE001 - its frames hold the value
            return "", b""
        return id_text(high, low), entry


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
            is_private=True,
        )
        self._journal = Journal(path.with_name("captured"))
        self._keys = KEKPlaces(keys)
        self._limits = limits
        self._kek: KEK | None = None
        #: Lanes that were opened, by what they were opened from: another
        #: file may have another lane under the same id.
        self._lanes: dict[bytes, Lane] = {}
        #: Those that this process keeps records in, by grant and recipient.
        #: An era ends when any of them may have ended.
        self._open: dict[tuple[str, str], OpenLane] = {}
        self._era = object()
        #: How much may go into the journal before the outbox is measured.
        self._room = self._room_bytes = 0
        #: How many records this process was given to keep so far.
        self.captured: int = 0
        self._looked = 0.0
        self._waited = -_RARELY_SECONDS
        self._tidied = -_TIDY_SECONDS
        self._clock = SeenClock()
        self._reserve = Reserve(most_bytes=limits.memory_bytes)
        #: When what has a frequency was read last.
        self.reads: Reads = Reads(self._db)
        #: What was dropped and is still to be told.
        self.drops: Drops = Drops(self._db)
        #: In which cell everybody was last.
        self.places: Places = Places(
            self._db, lane=self._lane, kek=self._load_kek
        )
        #: How often everything was obtained, in a file of its own.
        self.tally: Tally = Tally(path.with_name("tally.sqlite3"))
        watch_forks(self)

    def before_fork(self) -> None:
        """
        Do nothing: what is shared looks after itself.
        """

    def after_fork(self, *, in_child: bool) -> None:
        """
        Let a child have ids and a journal of its own.
        """
        if in_child:
            self._end_era()

    def _end_era(self) -> None:
        self._era = object()
        self._open = {}
        self._room = 0

    def exists(self) -> bool:
        """
        Tell whether anything was ever kept, without opening the file.
        """
        return self._db.exists()

    def close(self) -> None:
        """
        Close the file and forget the keys.
        """
        with suppress(StoreError), waiting_at_most(_CLOSE_SECONDS):
            self.recover()
        if self._reserve:
            logger.warning(
                "%s: %d records that the disk did not take are lost",
                self.path,
                len(self._reserve),
            )
        self._end_era()
        self._journal.close()
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

    def append(
        self, lane: OpenLane, plain: bytes, *, time: int, expires: int
    ) -> str | None:
        """
        Keep one row at the least cost: one system call.

        Args:
            lane: What `opened` gave.

            plain: Number of its kind, a comma, and the value as JSON.

            time: When it was captured, in milliseconds since 1970.

            expires: The same of its end.

        Returns:
            The record's id; or ``None`` where only `keep` can tell.
        """
        room = self._room_bytes - len(plain) - _OVERHEAD
        if (
            self._room < 1
            or room < 0
            or len(plain) > self._limits.record_bytes
            or not self._is_of_now(lane)
        ):
            return None
        made, entry = lane.entry(plain, time, expires)
        if not entry:
            return None
        try:
            self._journal.append(entry)
        except UnwritableError:
            self._room = 0
            return None
        self._room -= 1
        self._room_bytes = room
        self.captured += 1
        return made

    def opened(self, permit: Permit) -> OpenLane | None:
        """
        Give the lane of *permit*, if this process keeps records in it now.
        """
        return self._open.get((permit.grant, permit.recipient))

    def _is_of_now(self, lane: OpenLane) -> bool:
        """
        Tell whether *lane* was opened in this file, by this process.
        """
        if lane._era is not self._era:  # noqa: SLF001 - of this module
            return False
        now = monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return True
        self._looked = now
        # Somebody may have put another file in its place.
        if self._db.is_same() and not self._journal.is_lost():
            return True
        self._journal.begin_anew()
        self._end_era()
        return False

    def keep(
        self, drafts: Sequence[Draft], *, now: datetime
    ) -> tuple[str | Reason, ...]:
        """
        Keep records, all or none.

        They outlive a crash of this process, and a power cut once the disk
        has them. Records whose retention is over go at the same occasion.

        Args:
            drafts: What is to be kept.

            now: When.

        Returns:
            For each, in order, the id that it has now, or why it was not
            kept.

        Raises:
            StoreError: If the outbox cannot be used; then none is kept.
        """
        if not drafts:
            return ()
        self.captured += len(drafts)
        can_wait = not any(draft.news for draft in drafts)
        if can_wait and self._reserve.is_waiting:
            return self._reserve.keep(drafts)
        problem = None
        try:
            return self._kept(drafts, now)
        except UnwritableError as error:
            problem = error
        if not can_wait:
            # Whether it is a new place only the disk knows.
            raise problem
        self._room = 0
        return self._reserve.keep(drafts, problem)

    def _kept(
        self, drafts: Sequence[Draft], now: datetime
    ) -> tuple[str | Reason, ...]:
        quick = self._appended(drafts)
        if quick is not None:
            return quick
        if monotonic() - self._tidied >= _TIDY_SECONDS:
            self._tidied = monotonic()
            self.expire(now)
        # What was appended since has not waited for the disk, either.
        begun = monotonic()
        is_hurried = begun - self._waited < _RARELY_SECONDS
        with self._db.writing(is_hurried=is_hurried) as db:
            moved, waiting = self._gather(db)
            self._clock.begin(db, int(now.timestamp()))
            back = self._take_back(db, waiting)
            told = tuple(self._keep(db, draft, waiting) for draft in drafts)
            self._insert(db, waiting)
            self._measure(db)
        self._retire(moved)
        self._reserve.let_go(*back)
        if not is_hurried:
            self._waited = begun
        return told

    def _appended(self, drafts: Sequence[Draft]) -> tuple[str, ...] | None:
        """
        Keep *drafts* in the journal, if nothing about them is open.
        """
        limits = self._limits
        rows = []
        for draft in drafts:
            lane = self.opened(draft.permit)
            number = lane and lane.numbers.get(encode(draft.kind))
            if lane is None or not number or draft.news or draft.id:
                return None
            plain = _plain(number, draft.text)
            if not draft.text or len(plain) > limits.record_bytes:
                return None
            rows.append((lane, plain, draft))
        size = sum(len(plain) + _OVERHEAD for _, plain, _ in rows)
        if (
            self._room < len(rows)
            or self._room_bytes < size
            or not all(self._is_of_now(lane) for lane, _, _ in rows)
        ):
            return None
        made = [
            lane.entry(plain, draft.time, draft.expires)
            for lane, plain, draft in rows
        ]
        if not all(entry for _, entry in made):
            return None
        self._journal.append(b"".join(entry for _, entry in made))
        self._room -= len(rows)
        self._room_bytes -= size
        return tuple(name for name, _ in made)

    def _keep(
        self,
        db: sqlite3.Connection,
        draft: Draft,
        fresh: _Fresh,
    ) -> str | Reason:
        permit = draft.permit
        lane = self._lane(db, permit)
        if lane is None:
            return Reason.CONSENT_CHANGED
        opened = self._opened_lane(permit, lane)
        number = self._number(db, opened, draft.kind)
        plain = _plain(number, draft.text)
        if (
            not draft.text
            or not number
            or len(plain) > self._limits.record_bytes
            or not self._has_room(db, len(plain), fresh, draft.time)
        ):
            _lose(db, "outbox_full", lane, 1, at=draft.time // 1000)
            return Reason.OUTBOX_FULL
        if draft.news and not self.places.is_news(
            db, permit, lane, draft.news
        ):
            return Reason.NO_VALUE
        made, entry = opened.entry(plain, draft.time, draft.expires, draft.id)
        if not entry:
            _lose(db, "outbox_full", lane, 1, at=draft.time // 1000)
            return Reason.OUTBOX_FULL
        if (
            draft.id
            and not db.execute(
                "INSERT OR IGNORE INTO promoted VALUES (?, ?)",
                (draft.id, draft.expires),
            ).rowcount
        ):
            return made  # it was kept before a crash
        fresh.add(lane.id, [entry])
        return made

    def _has_room(
        self, db: sqlite3.Connection, length: int, fresh: _Fresh, time: int
    ) -> bool:
        """
        Tell whether a row of so many bytes has room, made if the limits say
        that the oldest go for it.
        """
        limits = self._limits
        while True:
            count, size = self._totals(db)
            size += fresh.size + length + _OVERHEAD
            is_full = (
                count + fresh.count >= limits.records
                or size > limits.outbox_bytes
            )
            if not is_full or limits.when_full == "refuse":
                return not is_full
            evicted = chunks.evict(db)
            if evicted is None:
                return False
            lane, records = evicted
            row = db.execute(
                "SELECT element FROM lanes WHERE id = ?", (lane,)
            ).fetchone()
            if row is not None:
                _count(db, "evicted", row[0], records)
                drops.note(db, lane, "evicted", records, at=time // 1000)

    def _opened_lane(self, permit: Permit, lane: Lane) -> OpenLane:
        key = permit.grant, permit.recipient
        known = self._open.get(key)
        if known is None or known.lane is not lane:
            if len(self._open) >= _MOST_LANES:
                self._open = {}
            known = OpenLane(lane, era=self._era)
            self._open[key] = known
        return known

    def _number(
        self,
        db: sqlite3.Connection,
        opened: OpenLane,
        kind: Mapping[str, JSON],
    ) -> bytes:
        """
        Give what stands in front of values of *kind*.
        """
        text = encode(kind)
        known = opened.numbers.get(text)
        if known is not None:
            return known
        lane = opened.lane
        there = self._kinds(db, lane, consent="")
        number = next(
            (n for n, it in there.items() if it == {**kind, "consent": ""}), 0
        )
        if not number:
            (last,) = db.execute(
                "SELECT COALESCE(MAX(number), 0) FROM kinds WHERE lane = ?",
                (lane.id,),
            ).fetchone()
            number = last + 1
            try:
                sealed = lane.seal(text.encode(), _beside(number))
            except Exception:  # noqa: BLE001 - of a value that is on its way
                return b""
            db.execute(
                "INSERT INTO kinds VALUES (?, ?, ?)",
                (lane.id, number, sealed),
            )
        made = b"%d," % number
        if len(opened.numbers) < _MOST_KINDS:
            opened.numbers[text] = made
        return made

    def _kinds(
        self, db: sqlite3.Connection, lane: Lane, *, consent: str
    ) -> dict[int, dict[str, JSON]]:
        """
        Open the kinds of a lane.

        Args:
            db: The file.

            lane: Whose.

            consent: What stands for the ledger's entry in its records.
        """
        found = {}
        for number, sealed in db.execute(
            "SELECT number, sealed FROM kinds WHERE lane = ?", (lane.id,)
        ).fetchall():
            try:
                text = lane.open(sealed, _beside(number))
                found[number] = {**json.loads(text), "consent": consent}
            except _NOT_OURS:
                continue  # it is damaged, and what is of it too
            except Exception:  # noqa: BLE001 - nobody can tell now
                break
        else:
            return found
        raise self._not_now()

    @contextmanager
    def _changing(
        self, *, is_hurried: bool = False
    ) -> Generator[sqlite3.Connection]:
        """
        Begin a transaction for which nothing is in a journal any more.

        Args:
            is_hurried: As of `consentkit._sqlite.Database.writing`.
        """
        with self._db.writing(is_hurried=is_hurried) as db:
            moved, waiting = self._gather(db)
            back = self._take_back(db, waiting)
            self._insert(db, waiting)
            yield db
        self._retire(moved)
        self._reserve.let_go(*back)

    def _take_back(
        self, db: sqlite3.Connection, waiting: _Fresh
    ) -> tuple[tuple[Draft, ...], Counter[Lost]]:
        """
        Take what waits in memory to the rest, since the disk takes it now.

        Returns:
            What `Reserve.let_go` is told after the commit.
        """
        drafts, counted = self._reserve.drafts(), self._reserve.counted()
        for draft in drafts:
            if self._keep(db, draft, waiting) is Reason.CONSENT_CHANGED:
                _count(db, "withdrawn", draft.permit.element, 1)
        for lost, count in counted.items():
            _count(db, lost.reason, lost.element, count)
            row = db.execute(
                "SELECT id FROM lanes WHERE grant_hash = ? AND recipient = ?",
                (lost.grant, lost.recipient),
            ).fetchone()
            if row is not None:
                drops.note(db, row[0], lost.reason, count, at=lost.hour)
        return drafts, counted

    @property
    def trouble(self) -> str:
        """
        Why the disk took nothing when it was tried last.
        """
        return self._reserve.problem

    def is_in_memory(self, ids: Iterable[str]) -> bool:
        """
        Tell whether any of *ids* is only there, since the disk takes nothing.
        """
        return bool(self._reserve) and any(i in self._reserve for i in ids)

    def recover(self) -> None:
        """
        Put what waits in memory on the disk, if it takes it again.

        Raises:
            StoreError: If it does not.
        """
        if self._reserve:
            with self._changing():
                pass

    def _insert(self, db: sqlite3.Connection, waiting: _Fresh) -> None:
        for lane, raw in waiting.by_lane.items():
            chunks.insert(db, lane, raw, self._limits.batch_records)

    def _retire(self, moved: Iterable[tuple[Part, int]]) -> None:
        for part, end in moved:
            self._journal.retire(part, end)

    def _gather(
        self, db: sqlite3.Connection
    ) -> tuple[list[tuple[Part, int]], _Fresh]:
        """
        Take what is in the journals, for it to be put into the table in the
        same transaction.

        What comes from a process that had not seen yet that its lane ended
        goes nowhere.
        """
        if self._db.is_cut_short:
            self._db.is_cut_short = False
            _count(db, "unreadable", "", 1)
            logger.warning(
                "%s: the end of its log was damaged; records may be missing",
                self.path,
            )
        self._journal.belong(self._origin(db))
        done = dict(db.execute("SELECT name, done FROM journals").fetchall())
        names = self._journal.names()
        for name in done.keys() - set(names):
            db.execute("DELETE FROM journals WHERE name = ?", (name,))
        if not names:
            return [], _Fresh()
        lanes = {lane for (lane,) in db.execute("SELECT id FROM lanes")}
        moved = []
        waiting = _Fresh()
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
                    _count(db, "withdrawn", "", len(raws))
            _count(db, "unreadable", "", int(passed_over > 0))
            db.execute(
                "INSERT OR REPLACE INTO journals VALUES (?, ?)",
                (part.name, part.done + end),
            )
            moved.append((part, part.done + end))
        return moved, waiting

    def _done(self, db: sqlite3.Connection) -> dict[str, int]:
        """
        Tell up to where each journal was moved.
        """
        row = db.execute(
            "SELECT value FROM meta WHERE name = 'origin'"
        ).fetchone()
        if row is not None:
            self._journal.belong(str(row[0]))
        return dict(db.execute("SELECT name, done FROM journals").fetchall())

    def _origin(self, db: sqlite3.Connection) -> str:
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
        self, db: sqlite3.Connection, part: Part
    ) -> Iterator[tuple[int, int, int]]:
        row = db.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'lanes'"
        ).fetchone()
        return entries_in(
            part.body,
            last_lane=0 if row is None else int(row[0]),
            most_bytes=self._limits.record_bytes + SEAL_BYTES,
        )

    def _pending(self, db: sqlite3.Connection) -> dict[int, list[Entry]]:
        """
        Read what is in the journals, by lane, and leave it there.
        """
        found: dict[int, list[Entry]] = {}
        for part in self._journal.parts(self._done(db)):
            for start, stop, lane in self._entries_in(db, part):
                entries = chunks.entries_of(part.body[start:stop])
                found.setdefault(lane, []).extend(entries)
        return found

    def _measure(self, db: sqlite3.Connection) -> None:
        """
        See how much may go into the journal before this is done again.

        It is a part of what is left, since other processes take theirs.
        """
        count, size = self._totals(db)
        limits = self._limits
        self._room = min((limits.records - count) // _SHARES, _MOST_AT_ONCE)
        self._room_bytes = min(
            (limits.outbox_bytes - size) // _SHARES, _MOST_BYTES_AT_ONCE
        )

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
        if self._reserve:
            return True
        if not self.exists():
            return False
        with self._db.reading() as db:
            row = db.execute(
                "SELECT 1 FROM chunks UNION ALL SELECT 1 FROM erasures LIMIT 1"
            ).fetchone()
            if row is not None:
                return True
            return self._journal.waiting_bytes(self._done(db)) > 0

    def lanes(self) -> tuple[LaneStatus, ...]:
        """
        List the lanes that have records waiting, oldest record first.
        """
        if not self.exists():
            return ()
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT lanes.id, element, grant_hash, recipient, "
                "SUM(records), attempted, subject "
                "FROM chunks JOIN lanes ON lanes.id = chunks.lane "
                "GROUP BY lanes.id ORDER BY MIN(place)"
            ).fetchall()
            pending = self._pending(db)
            seen = {row[0] for row in rows}
            for lane in pending.keys() - seen:
                rows += db.execute(
                    "SELECT id, element, grant_hash, recipient, 0, "
                    "attempted, subject FROM lanes WHERE id = ?",
                    (lane,),
                ).fetchall()
        if not all(
            isinstance(text, str)
            for row in rows
            for text in (*row[1:4], row[6])
        ):
            problem = "whose records wait cannot be read"
            raise self._damaged(problem)
        return tuple(
            LaneStatus(
                element=element,
                grant=grant,
                recipient=recipient,
                waiting=waiting + len(pending.get(lane, ())),
                attempted=bool(attempted),
                subject=subject,
            )
            for lane, element, grant, recipient, waiting, attempted, subject in rows
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
        with self._changing() as db:
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
    ) -> tuple[str, Sequence[Record]]:
        """
        Open the oldest batch that can be read; without records at the end.
        """
        tried: set[int] = set()
        moment = milliseconds(now)
        kinds = self._kinds(db, lane, consent=lane.reference)
        while True:
            chunk = chunks.oldest(db, lane.id, most=most, now=moment)
            if chunk is None:
                return "", ()
            if chunk.place in tried:
                # In a damaged file, what was deleted may still be there.
                problem = "damaged records cannot be taken out"
                raise self._damaged(problem)
            tried.add(chunk.place)
            rows = self._rows(db, lane, chunk, kinds, moment)
            if rows:
                batch = chunk.batch or new_id()
                if batch != chunk.batch:
                    chunks.name(db, chunk, batch)
                return batch, Rows(rows, kinds, lane.recipient)

    def _rows(
        self,
        db: sqlite3.Connection,
        lane: Lane,
        chunk: Chunk,
        kinds: Mapping[int, object],
        moment: int,
    ) -> list[Row]:
        """
        Open what is in *chunk* and has not expired.
        """
        rows: list[Row] = []
        lost: set[Entry] = set()
        fronts = {b"%d" % number for number in kinds}
        live = [one for one in chunk.entries if one.expires > moment]
        for entry, plain in zip(live, self._opened(lane, live), strict=True):
            if plain is None or plain[: plain.find(b",")] not in fronts:
                lost.add(entry)
            else:
                rows.append(Row(entry.high, entry.low, entry.expires, plain))
        if lost or not chunk.entries:
            # They can never be read again; they must not hold up the rest.
            chunks.rewrite(db, chunk, lambda entry: entry not in lost)
            lost_now = len(lost) or 1
            _lose(db, "unreadable", lane, lost_now, at=moment // 1000)
        return rows

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
        self,
        batch: Batch,
        *,
        element: str,
        done: Mapping[str, str] | str,
        now: datetime,
    ) -> None:
        """
        Note what became of *batch*.

        Args:
            batch: What `claim` gave.

            element: What it belongs to, for the counts.

            done: The reason under which all of it is counted and taken out;
                or that by record id, and a record that is not named waits
                on.

            now: When.
        """
        at = int(now.timestamp())
        with self._db.writing() as db:
            db.execute("DELETE FROM under_way WHERE batch = ?", (batch.id,))
            db.execute("DELETE FROM parked WHERE batch = ?", (batch.id,))
            if isinstance(done, str):
                lanes = db.execute(
                    "SELECT lane FROM chunks WHERE batch = ?", (batch.id,)
                ).fetchall()
                gone = db.execute(
                    "DELETE FROM chunks WHERE batch = ?", (batch.id,)
                ).rowcount
                # What a withdrawal took first is counted there.
                number = gone * len(batch.records)
                _count(db, done, element, number)
                for (lane,) in lanes:
                    drops.note(db, lane, done, number, at=at)
                return
            chunk = chunks.of_batch(db, batch.id) if done else None
            if chunk is None:
                return
            ids = [id_text(one.high, one.low) for one in chunk.entries]
            for reason, n in Counter(
                done[one] for one in ids if one in done
            ).items():
                _count(db, reason, element, n)
                drops.note(db, chunk.lane, reason, n, at=at)
            gone_ids = {
                entry
                for entry, one in zip(chunk.entries, ids, strict=True)
                if one in done
            }
            chunks.rewrite(db, chunk, lambda entry: entry not in gone_ids)

    def split(self, batch: Batch) -> None:
        """
        Dissolve *batch*, so that its records go out in smaller ones.
        """
        with self._db.writing() as db:
            db.execute("DELETE FROM under_way WHERE batch = ?", (batch.id,))
            chunk = chunks.of_batch(db, batch.id)
            if chunk is not None:
                chunks.name(db, chunk, None)

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
                "(SELECT batch FROM chunks WHERE batch IS NOT NULL)"
            )
        while self._delete_orphans():
            pass

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
        self._end_era()
        # Whatever the disk says to the rest.
        self._reserve.end(named)
        with self._changing() as db:
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
        # Another thread may have opened a lane again before it was ended.
        self._end_era()
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
                "SELECT COALESCE(SUM(records), 0) FROM chunks WHERE lane = ?",
                (lane,),
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
            drops.forget(db, lane)
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
        self._delete_orphans()

    def _delete_orphans(self) -> bool:
        """
        Delete some of what no key opens any more; tell whether more is left.
        """
        with self._db.reading() as db:
            places = db.execute(
                "SELECT place FROM chunks WHERE lane NOT IN "
                "(SELECT id FROM lanes) LIMIT ?",
                (_SWEPT_AT_ONCE,),
            ).fetchall()
        if places:
            with self._db.writing() as db:
                db.executemany("DELETE FROM chunks WHERE place = ?", places)
                db.execute(
                    "DELETE FROM kinds WHERE lane NOT IN "
                    "(SELECT id FROM lanes)"
                )
        return len(places) == _SWEPT_AT_ONCE

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
                "SELECT 1 FROM chunks WHERE lane NOT IN "
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
        if self._reserve:
            self._reserve.expire(milliseconds(now))
        if not self.exists():
            return 0
        moment, over = int(now.timestamp()), milliseconds(now)
        with self._db.reading() as db:
            due = db.execute(
                "SELECT 1 FROM chunks WHERE first_end <= ? LIMIT 1",
                (over,),
            ).fetchone() or any(
                entry.expires <= over
                for entries in self._pending(db).values()
                for entry in entries
            )
            settled = self._clock.is_settled(db, moment)
        if not due and settled:
            return 0
        counted: Counter[int] = Counter()
        with self._changing() as db:
            if not self._clock.trusts(db, moment):
                return 0
            elements = dict(
                db.execute("SELECT id, element FROM lanes").fetchall()
            )
            db.execute("DELETE FROM promoted WHERE expires <= ?", (over,))
            for chunk in chunks.each(db, expired_at=over):
                gone = chunks.rewrite(
                    db, chunk, lambda entry: entry.expires > over
                )
                if chunk.lane in elements:
                    counted[chunk.lane] += gone
            for lane, count in counted.items():
                _count(db, "expired", elements[lane], count)
                drops.note(db, lane, "expired", count, at=moment)
        self._db.checkpoint()
        return counted.total()

    def discard(self, doomed: Callable[[Record], bool], *, reason: str) -> int:
        """
        Destroy waiting records one by one; give how many.

        Args:
            doomed: Tells which.

            reason: Under what they are counted.
        """
        if not self.exists():
            return 0
        counted: Counter[str] = Counter()
        with self._changing() as db:
            for lane, chunk, rows in self._all(db):
                found = {
                    row.id: one
                    for row, one in zip(
                        rows,
                        self._records(lane, rows),
                        strict=True,
                    )
                    if doomed(one)
                }
                for one in found.values():
                    counted[one.function] += 1
                if found:
                    chunks.rewrite(
                        db,
                        chunk,
                        lambda entry, gone=found: (
                            id_text(  # type: ignore[misc]
                                entry.high, entry.low
                            )
                            not in gone
                        ),
                    )
            for function, count in counted.items():
                _count(db, reason, function, count)
        if counted:
            self._db.checkpoint()
        return counted.total()

    # Looking

    def status(self) -> OutboxStatus:
        """
        Tell what waits, without opening a single record.
        """
        if not self.exists():
            in_memory = len(self._reserve)
            return OutboxStatus(waiting=in_memory, in_memory=in_memory)
        lanes = self.lanes()
        with self._db.reading() as db:
            _, size = self._totals(db)
            (erasures,) = db.execute(
                "SELECT COUNT(*) FROM erasures"
            ).fetchone()
            counts = db.execute(
                "SELECT reason, SUM(n) FROM counts GROUP BY reason"
            ).fetchall()
            kek = db.execute(
                "SELECT value FROM meta WHERE name = 'kek'"
            ).fetchone()
            in_journals = self._journal.waiting_bytes(self._done(db))
        return OutboxStatus(
            waiting=sum(lane.waiting for lane in lanes) + len(self._reserve),
            in_memory=len(self._reserve),
            sealed_bytes=size + in_journals,
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
        with self._changing() as db:
            found = list(self._all(db))
        for lane, _, rows in found:
            yield from self._records(lane, rows)

    def _records(self, lane: _Known, rows: list[Row]) -> tuple[Record, ...]:
        """
        Read records.

        Raises:
            StoreError: If they cannot be read now.
        """
        with suppress(ValueError):
            return tuple(Rows(rows, lane.kinds, lane.lane.recipient))
        raise self._not_now()

    def _not_now(self) -> StoreError:
        return StoreError(
            self.path,
            problem="a record cannot be opened now",
            cure="try again, with more memory",
        )

    def _all(
        self, db: sqlite3.Connection
    ) -> Iterator[tuple[_Known, Chunk, list[Row]]]:
        """
        Open all chunks, oldest first.
        """
        kek = self._load_kek(db)
        known = {}
        for row in db.execute(
            "SELECT id, element, grant_hash, recipient, wrapped FROM lanes"
        ).fetchall():
            lane = self._unwrap(kek, row)
            known[row[0]] = _Known(
                lane, self._kinds(db, lane, consent=lane.grant)
            )
        for chunk in chunks.each(db):
            held = known.get(chunk.lane)
            if held is None:
                continue
            plains = self._opened(held.lane, chunk.entries)
            yield (
                held,
                chunk,
                [
                    Row(one.high, one.low, one.expires, plain)
                    for one, plain in zip(chunk.entries, plains, strict=True)
                    if plain and int(plain.partition(b",")[0]) in held.kinds
                ],
            )

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
        self, lane: Lane, entries: Sequence[Entry]
    ) -> list[bytes | None]:
        """
        Open entries, with ``None`` for one that is not what was sealed.

        Raises:
            StoreError: If nobody can tell now; then they wait on.
        """
        with suppress(Exception):  # its frames hold values
            return list(
                lane.open_all((one.header, one.sealed) for one in entries)
            )
        raise self._not_now()

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


def _plain(number: bytes, text: str) -> bytes:
    # Half of a surrogate pair, as file names may hold, is written as JSON
    # escapes it.
    return number + text.encode(errors="backslashreplace")


def _beside(number: int) -> bytes:
    return b"kind %d" % number


def _lose(
    db: sqlite3.Connection, reason: str, lane: Lane, number: int, *, at: int
) -> None:
    """
    Count what is lost, here and for who would have got it.
    """
    _count(db, reason, lane.element, number)
    drops.note(db, lane.id, reason, number, at=at)


def _count(
    db: sqlite3.Connection, reason: str, element: str, number: int
) -> None:
    if number:
        db.execute(
            "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT "
            "DO UPDATE SET n = n + excluded.n",
            (reason, element, number),
        )
