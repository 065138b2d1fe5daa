# SPDX-License-Identifier: MIT
"""
Chunks: entries of one lane that lie in one row of the outbox's table.

Whatever is done to a batch is done to one row, however many records are in
it. Each function works inside a transaction that its caller began.
"""

from __future__ import annotations

import sqlite3

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from typing import Final, NamedTuple

from attrs import define, field, frozen

from consentkit.outbox.rows import HEADER, end_and_purpose


__all__ = [
    "LATER",
    "SCHEMA",
    "Chunk",
    "Entry",
    "Fresh",
    "delete_orphans",
    "each",
    "entries_of",
    "evict",
    "has_orphans",
    "insert",
    "name",
    "of_batch",
    "oldest",
    "read",
    "rewrite",
]

# A batch of no more than this is always filled: little is put together anew.
_SMALL: Final = 64

# Between two chunks there is room for what one of them is split into.
_GAP: Final = 1 << 20

SCHEMA: Final = """\
CREATE TABLE chunks (
    place INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL,
    batch TEXT UNIQUE,
    records INTEGER NOT NULL,
    first_end INTEGER NOT NULL,
    last_end INTEGER NOT NULL,
    bytes INTEGER NOT NULL
);

CREATE TABLE bodies (place INTEGER PRIMARY KEY, body BLOB NOT NULL);

CREATE INDEX chunks_by_lane ON chunks
    (lane, place, batch, records, last_end);

CREATE INDEX chunks_by_end ON chunks (first_end);

CREATE TABLE totals (records INTEGER NOT NULL, bytes INTEGER NOT NULL);

INSERT INTO totals VALUES (0, 0);

CREATE TRIGGER chunks_in AFTER INSERT ON chunks BEGIN
    UPDATE totals SET records = records + NEW.records,
        bytes = bytes + NEW.bytes; END;

CREATE TRIGGER chunks_out AFTER DELETE ON chunks BEGIN
    UPDATE totals SET records = records - OLD.records,
        bytes = bytes - OLD.bytes;
    DELETE FROM bodies WHERE place = OLD.place; END;

CREATE TABLE journals (
    name TEXT PRIMARY KEY,
    done INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE kinds (
    lane INTEGER NOT NULL,
    number INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (lane, number)
) WITHOUT ROWID;

CREATE TABLE portions (
    place INTEGER NOT NULL,
    purpose INTEGER NOT NULL,
    records INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (place, purpose)
) WITHOUT ROWID;

INSERT INTO portions SELECT place, 0, records, bytes FROM chunks;

CREATE INDEX portions_by_purpose ON portions (purpose, place);

CREATE TABLE purposes (
    number INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL,
    records INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
);

CREATE TRIGGER portions_in AFTER INSERT ON portions BEGIN
    UPDATE purposes SET records = records + NEW.records,
        bytes = bytes + NEW.bytes WHERE number = NEW.purpose; END;

CREATE TRIGGER portions_out AFTER DELETE ON portions BEGIN
    UPDATE purposes SET records = records - OLD.records,
        bytes = bytes - OLD.bytes WHERE number = OLD.purpose; END;

CREATE TRIGGER portions_of_chunks AFTER DELETE ON chunks BEGIN
    DELETE FROM portions WHERE place = OLD.place; END"""

#: Of these, what the first outboxes lack.
LATER: Final = (
    "portions",
    "portions_by_purpose",
    "portions_in",
    "portions_of_chunks",
    "portions_out",
    "purposes",
)


# What is not on its way, by place and purpose.
_OLDEST: Final = (
    "SELECT portions.place, lane, purpose FROM portions "
    "JOIN chunks ON chunks.place = portions.place "
    "WHERE COALESCE(batch, '') NOT IN (SELECT batch FROM under_way)"
)
_IN_ORDER: Final = "ORDER BY portions.place"


class Entry(NamedTuple):
    """
    One entry as it lies on disk: sealed, and what stands beside it.

    Attributes:
        raw: All of it.

        header: Its first part, which is bound to what is sealed.

        high, low: The halves of its id.

        expires: In milliseconds since 1970.

        purpose: Number of its purpose.
    """

    raw: bytes
    header: bytes
    high: int
    low: int
    expires: int
    purpose: int

    @property
    def sealed(self) -> bytes:
        """
        What is sealed in it.
        """
        return self.raw[HEADER.size :]


@frozen
class Chunk:
    """
    One row of the table.

    Attributes:
        place: Its place in the order of all.

        batch: Id of the batch that it goes out as, or ``None`` before that.

        body: What is in it.
    """

    place: int
    lane: int
    batch: str | None
    body: bytes

    @property
    def entries(self) -> tuple[Entry, ...]:
        """
        What is in it, in order.
        """
        return entries_of(self.body)


def entries_of(body: bytes) -> tuple[Entry, ...]:
    """
    Take the body of a chunk apart, as far as it goes.
    """
    found = []
    at, end_of_all, size = 0, len(body), HEADER.size
    while end_of_all - at > size:
        length, _, high, low, joined = HEADER.unpack_from(body, at)
        end = at + size + length
        if end > end_of_all:
            break
        header = body[at : at + size]
        found.append(
            Entry(body[at:end], header, high, low, *end_and_purpose(joined))
        )
        at = end
    return tuple(found)


def insert(
    db: sqlite3.Connection, lane: int, raw: Sequence[bytes], most: int
) -> None:
    """
    Put entries of *lane* behind all others.

    Args:
        db: The file.

        lane: Its number.

        raw: The entries, in order.

        most: How many one chunk holds at most.
    """
    (last,) = db.execute("SELECT MAX(place) FROM chunks").fetchone()
    place = (0 if last is None else last // _GAP) * _GAP
    for start in range(0, len(raw), most):
        place += _GAP
        _put(db, place, lane, None, raw[start : start + most])


@define
class Fresh:
    """
    Entries that go into the table at the end of a transaction.

    Attributes:
        count, size: How many, and their bytes.
    """

    by_lane: dict[int, list[bytes]] = field(factory=dict)
    count: int = 0
    size: int = 0
    _counts: Counter[int] = field(factory=Counter)
    _sizes: Counter[int] = field(factory=Counter)
    _uncounted: list[bytes] = field(factory=list)

    def add(self, lane: int, raw: Sequence[bytes]) -> None:
        """
        Add entries of a lane behind the others.
        """
        self.by_lane.setdefault(lane, []).extend(raw)
        self._uncounted.extend(raw)
        self.count += len(raw)
        self.size += sum(map(len, raw))

    def of(self, purpose: int) -> tuple[int, int]:
        """
        Tell how many are of a purpose, and their bytes.

        Args:
            purpose: Its number.
        """
        counts, sizes = _by_purpose(self._uncounted)
        self._counts.update(counts)
        self._sizes.update(sizes)
        self._uncounted.clear()
        return self._counts[purpose], self._sizes[purpose]

    def drop(self, lane: int) -> int:
        """
        Let go of the entries of a lane; give how many those were.
        """
        raw = self.by_lane.pop(lane, [])
        if raw:
            self.count -= len(raw)
            self.size -= sum(map(len, raw))
            self._counts.clear()
            self._sizes.clear()
            self._uncounted = [
                one for kept in self.by_lane.values() for one in kept
            ]
        return len(raw)

    def insert(self, db: sqlite3.Connection, most: int) -> None:
        """
        Put all of them into the table.

        Args:
            db: The file.

            most: How many one chunk holds at most.
        """
        for lane, raw in self.by_lane.items():
            insert(db, lane, raw, most)
        for counted in (self.by_lane, self._counts, self._sizes):
            counted.clear()
        self._uncounted.clear()
        self.count = self.size = 0


def _put(
    db: sqlite3.Connection,
    place: int,
    lane: int,
    batch: str | None,
    raw: Sequence[bytes],
) -> None:
    joined = [HEADER.unpack_from(one)[4] for one in raw]
    first, purpose = end_and_purpose(min(joined))
    last, other = end_and_purpose(max(joined))
    body = b"".join(raw)
    counts, sizes = {purpose: len(raw)}, {purpose: len(body)}
    if purpose != other:
        counts, sizes = _by_purpose(raw)
        ends = [end_and_purpose(one)[0] for one in joined]
        first, last = min(ends), max(ends)
    # Apart, since SQLite writes a row anew of which anything changes.
    db.execute("INSERT INTO bodies VALUES (?, ?)", (place, body))
    db.execute(
        "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?)",
        (place, lane, batch, len(raw), first, last, len(body)),
    )
    db.executemany(
        "INSERT INTO portions VALUES (?, ?, ?, ?)",
        [
            (place, number, count, sizes[number])
            for number, count in counts.items()
        ],
    )


def _by_purpose(
    raw: Sequence[bytes],
) -> tuple[Counter[int], Counter[int]]:
    """
    Count entries, and their bytes, by the number of their purpose.
    """
    counts: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    for one in raw:
        _, purpose = end_and_purpose(HEADER.unpack_from(one)[4])
        counts[purpose] += 1
        sizes[purpose] += len(one)
    return counts, sizes


def oldest(
    db: sqlite3.Connection, lane: int, *, most: int, now: int
) -> Chunk | None:
    """
    Give what of *lane* goes out next: a batch that was tried before, or up
    to *most* records that were not.

    What is in a chunk beyond *most* becomes one of its own; chunks that are
    smaller than half of it become one with the next.

    Args:
        db: The file.

        lane: Its number.

        most: How many records a new batch has at most.

        now: In milliseconds since 1970; what expired is left out.
    """
    rows = db.execute(
        "SELECT place, batch, records FROM chunks "
        "WHERE lane = ? AND last_end > ? AND COALESCE(batch, '') NOT IN "
        "(SELECT batch FROM parked WHERE until > ?) ORDER BY place LIMIT ?",
        (lane, now, now // 1000, most),
    ).fetchall()
    if not rows:
        return None
    if rows[0][1] is not None:
        return read(db, rows[0][0])
    places, count = [], 0
    for place, batch, records in rows:
        if batch is not None or count >= most:
            break
        if 2 * count >= most > _SMALL and count + records > most:
            break  # enough for a batch, which need not be put together
        places.append(place)
        count += records
    if len(places) == 1 and count <= most:
        return read(db, places[0])
    return _regrouped(db, lane, places, most)


def _regrouped(
    db: sqlite3.Connection, lane: int, places: Sequence[int], most: int
) -> Chunk | None:
    entries: list[Entry] = []
    for place in places:
        chunk = read(db, place)
        entries += chunk.entries if chunk else ()
        _take_out(db, place)
    if not entries:
        return None
    first, raw = places[0], [one.raw for one in entries]
    if _SMALL < most < len(raw) <= most + most // 2:
        # By halves: else a small rest would be left, and so on to the end.
        most = (len(raw) + 1) // 2
    _put(db, first, lane, None, raw[:most])
    if raw[most:]:
        # A chunk takes as many places as it has records, so that this one is
        # free.
        _put(db, first + most, lane, None, raw[most:])
    return Chunk(first, lane, None, b"".join(raw[:most]))


def _take_out(db: sqlite3.Connection, place: int) -> None:
    if not db.execute("DELETE FROM chunks WHERE place = ?", (place,)).rowcount:
        # A damaged file can do that.
        error = sqlite3.DatabaseError("a chunk cannot be taken out")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        error.sqlite_errorname = "SQLITE_CORRUPT"
        raise error


def read(db: sqlite3.Connection, place: int) -> Chunk | None:
    """
    Read the chunk at *place*.
    """
    row = db.execute(
        "SELECT lane, batch, body FROM chunks "
        "JOIN bodies ON bodies.place = chunks.place WHERE chunks.place = ?",
        (place,),
    ).fetchone()
    if row is None:
        return None
    lane, batch, body = row
    # Whatever damage made of its type.
    body = body if isinstance(body, bytes) else str(body).encode()
    return Chunk(place, lane, batch, body)


def of_batch(db: sqlite3.Connection, batch: str) -> Chunk | None:
    """
    Read the chunk that goes out as *batch*.
    """
    row = db.execute(
        "SELECT place FROM chunks WHERE batch = ?", (batch,)
    ).fetchone()
    return None if row is None else read(db, row[0])


def each(
    db: sqlite3.Connection, *, expired_at: int | None = None
) -> Iterator[Chunk]:
    """
    Read all chunks in their order, or those with something that expired.
    """
    query = "SELECT place FROM chunks WHERE first_end <= ? ORDER BY place"
    most = (1 << 62) if expired_at is None else expired_at
    for (place,) in db.execute(query, (most,)).fetchall():
        chunk = read(db, place)
        if chunk is not None:
            yield chunk


def evict(
    db: sqlite3.Connection,
    *,
    of: int = 0,
    but_not_of: Collection[int] = (),
    most: int,
) -> tuple[int, int] | None:
    """
    Take out the oldest records that are not on their way; give their lane
    and how many those were, or ``None`` if there are none.

    Args:
        db: The file.

        of: Number of their purpose; 0 for any.

        but_not_of: Those of the purposes whose records stay.

        most: How many go at most; they are of one chunk.
    """
    rows = (
        db.execute(f"{_OLDEST} AND purpose = ? {_IN_ORDER}", (of,))
        if of
        else db.execute(f"{_OLDEST} {_IN_ORDER}")
    )
    with closing(rows):
        found = next((row for row in rows if row[2] not in but_not_of), None)
    if found is None:
        return None
    place, lane, _ = found
    chunk = read(db, place)
    entries = chunk.entries if chunk else ()
    doomed = [
        one
        for one in entries
        if of in (0, one.purpose) and one.purpose not in but_not_of
    ][:most]
    gone = frozenset(one.raw for one in doomed)
    left = [one.raw for one in entries if one.raw not in gone]
    # Also where it is damaged, and nothing is what it was counted as.
    _take_out(db, place)
    if chunk and left:
        _put(db, place, lane, chunk.batch, left)
    return lane, len(doomed)


def rewrite(
    db: sqlite3.Connection, chunk: Chunk, keep: Callable[[Entry], bool]
) -> int:
    """
    Take out of *chunk* what is not to be kept; give how many those were.
    """
    left = [entry.raw for entry in chunk.entries if keep(entry)]
    gone = len(chunk.entries) - len(left)
    if gone or not left:
        _take_out(db, chunk.place)
        if left:
            _put(db, chunk.place, chunk.lane, chunk.batch, left)
    return gone


def name(db: sqlite3.Connection, chunk: Chunk, batch: str | None) -> None:
    """
    Let *chunk* go out as *batch*, or as none yet.
    """
    db.execute(
        "UPDATE chunks SET batch = ? WHERE place = ?", (batch, chunk.place)
    )


def has_orphans(db: sqlite3.Connection) -> bool:
    """
    Tell whether there is a chunk whose lane has ended.
    """
    row = db.execute(
        "SELECT 1 FROM chunks WHERE lane NOT IN (SELECT id FROM lanes) LIMIT 1"
    ).fetchone()
    return row is not None


def delete_orphans(
    db: sqlite3.Connection, *, most: int, most_bytes: int | None = None
) -> int:
    """
    Delete chunks whose lane has ended, up to *most* of them; give how many.

    Args:
        db: The file.

        most: How many.

        most_bytes: And how many bytes of them, if that matters.
    """
    found = db.execute(
        "SELECT place, bytes FROM chunks WHERE lane NOT IN "
        "(SELECT id FROM lanes) LIMIT ?",
        (most,),
    ).fetchall()
    if most_bytes is not None and sum(size for _, size in found) > most_bytes:
        return 0
    if found:
        db.executemany(
            "DELETE FROM chunks WHERE place = ?",
            [(place,) for place, _ in found],
        )
        db.execute(
            "DELETE FROM kinds WHERE lane NOT IN (SELECT id FROM lanes)"
        )
    return len(found)
