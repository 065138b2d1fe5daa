# SPDX-License-Identifier: MIT
"""
Chunks: entries of one lane that lie in one row of the outbox's table.

Whatever is done to a batch is done to one row, however many records are in
it. Each function works inside a transaction that its caller began.
"""

from __future__ import annotations

import sqlite3

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from attrs import frozen

from consentkit.outbox.rows import HEADER


__all__ = [
    "SCHEMA",
    "Chunk",
    "Entry",
    "each",
    "entries_of",
    "evict",
    "insert",
    "name",
    "of_batch",
    "oldest",
    "read",
    "rewrite",
]

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
) WITHOUT ROWID"""


class Entry(NamedTuple):
    """
    One entry as it lies on disk: sealed, and what stands beside it.

    Attributes:
        raw: All of it.

        header: Its first part, which is bound to what is sealed.

        high, low: The halves of its id.

        expires: In milliseconds since 1970.
    """

    raw: bytes
    header: bytes
    high: int
    low: int
    expires: int

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

        entries: What is in it, in order.
    """

    place: int
    lane: int
    batch: str | None
    entries: tuple[Entry, ...]


def entries_of(body: bytes) -> tuple[Entry, ...]:
    """
    Take the body of a chunk apart, as far as it goes.
    """
    found = []
    at, end_of_all, size = 0, len(body), HEADER.size
    while end_of_all - at > size:
        length, _, high, low, expires = HEADER.unpack_from(body, at)
        end = at + size + length
        if end > end_of_all:
            break
        found.append(
            Entry(body[at:end], body[at : at + size], high, low, expires)
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


def _put(
    db: sqlite3.Connection,
    place: int,
    lane: int,
    batch: str | None,
    raw: Sequence[bytes],
) -> None:
    ends = [HEADER.unpack_from(one)[4] for one in raw]
    body = b"".join(raw)
    # Apart, since SQLite writes a row anew of which anything changes.
    db.execute("INSERT INTO bodies VALUES (?, ?)", (place, body))
    db.execute(
        "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?)",
        (place, lane, batch, len(raw), min(ends), max(ends), len(body)),
    )


def oldest(
    db: sqlite3.Connection, lane: int, *, most: int, now: int
) -> Chunk | None:
    """
    Give what of *lane* goes out next: a batch that was tried before, or up
    to *most* records that were not.

    What is in a chunk beyond *most* becomes one of its own; chunks that are
    smaller become one.

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
    _put(db, first, lane, None, raw[:most])
    if raw[most:]:
        # A chunk takes as many places as it has records, so that this one is
        # free.
        _put(db, first + most, lane, None, raw[most:])
    return Chunk(first, lane, None, tuple(entries[:most]))


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
    return Chunk(place, lane, batch, entries_of(body))


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


def evict(db: sqlite3.Connection) -> tuple[int, int] | None:
    """
    Take out the oldest chunk that is not on its way; give its lane and how
    many records were in it, or ``None`` if there is none.
    """
    row = db.execute(
        "SELECT place, lane, records FROM chunks WHERE "
        "COALESCE(batch, '') NOT IN (SELECT batch FROM under_way) "
        "ORDER BY place LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    place, lane, records = row
    _take_out(db, place)
    return lane, records


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
