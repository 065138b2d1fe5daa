# SPDX-License-Identifier: MIT
"""
Leases: which records are on their way as which batch, and what became of
them.

Each function works inside a transaction that its caller began.
"""

from __future__ import annotations

import math

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection

from consentkit.outbox import chunks, drops
from consentkit.outbox.chunks import Chunk
from consentkit.outbox.counts import count, lose
from consentkit.outbox.keys import Lane
from consentkit.outbox.lanes import Lanes, damaged, readable, rests_on
from consentkit.outbox.records import Batch, Record, new_id
from consentkit.outbox.rows import Row, Rows, id_text, milliseconds


__all__ = [
    "claim",
    "forget",
    "is_live",
    "is_under_way",
    "park",
    "settle",
    "split",
]


def claim(
    db: Connection,
    path: Path,
    lanes: Lanes,
    held: Lane,
    *,
    most: int,
    now: datetime,
) -> Batch | None:
    """
    Take the oldest batch of a lane for sending.

    Args:
        db: The file; nothing is in a journal any more.

        path: Of the file.

        lanes: What opens records.

        held: The lane.

        most: How many records a new batch has at most.

        now: When.

    Returns:
        ``None`` if the lane is empty.
    """
    batch, records = _next_batch(db, path, lanes, held, most, now)
    if not records:
        return None
    db.execute("UPDATE lanes SET attempted = 1 WHERE id = ?", (held.id,))
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
    db: Connection,
    path: Path,
    lanes: Lanes,
    lane: Lane,
    most: int,
    now: datetime,
) -> tuple[str, Sequence[Record]]:
    """
    Open the oldest batch that can be read; without records at the end.
    """
    tried: set[int] = set()
    moment = milliseconds(now)
    kinds = lanes.kinds(db, lane, consent=lane.reference)
    while True:
        chunk = chunks.oldest(db, lane.id, most=most, now=moment)
        if chunk is None:
            return "", ()
        if chunk.place in tried:
            # In a damaged file, what was deleted may still be there.
            raise damaged(path, "damaged records cannot be taken out")
        tried.add(chunk.place)
        rows = _rows(db, lanes, lane, chunk, kinds, moment)
        if rows:
            batch = chunk.batch or new_id()
            if batch != chunk.batch:
                chunks.name(db, chunk, batch)
            return batch, Rows(rows, kinds, lane.recipient)


def _rows(
    db: Connection,
    lanes: Lanes,
    lane: Lane,
    chunk: Chunk,
    kinds: Mapping[int, object],
    moment: int,
) -> list[Row]:
    """
    Open what is in *chunk* and has not expired.
    """
    opened = lanes.opened(lane, chunk.body, moment)
    rows = readable(opened, kinds)
    if len(rows) < len(opened) or not (opened or chunk.entries):
        # They can never be read again; they must not hold up the rest.
        live = [one for one in chunk.entries if one.expires > moment]
        good = {id(row) for row in rows}
        lost = {
            entry
            for entry, row in zip(live, opened, strict=True)
            if id(row) not in good
        }
        chunks.rewrite(db, chunk, lambda entry: entry not in lost)
        lose(db, "unreadable", lane, len(lost) or 1, at=moment // 1000)
    return rows


def is_live(db: Connection, batch: Batch) -> bool:
    """
    Tell whether *batch* may still go out: its lane has not ended.
    """
    row = db.execute(
        "SELECT 1 FROM under_way JOIN lanes "
        "ON lanes.id = under_way.lane WHERE batch = ?",
        (batch.id,),
    ).fetchone()
    return row is not None


def is_under_way(db: Connection, grants: frozenset[str]) -> bool:
    """
    Tell whether a batch of an ended grant is still on its way.
    """
    rows = db.execute("SELECT grant_hash FROM under_way").fetchall()
    return any(rests_on(held, grants) for (held,) in rows)


def settle(
    db: Connection,
    batch: Batch,
    *,
    element: str,
    done: Mapping[str, str] | str,
    at: int,
) -> None:
    """
    Note what became of *batch*.

    Args:
        db: The file.

        batch: What `claim` gave.

        element: What it belongs to, for the counts.

        done: The reason under which all of it is counted and taken out; or
            that by record id, and a record that is not named waits on.

        at: When, in seconds since 1970.
    """
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
        count(db, done, element, number)
        for (lane,) in lanes:
            drops.note(db, lane, done, number, at=at)
        return
    chunk = chunks.of_batch(db, batch.id) if done else None
    if chunk is None:
        return
    ids = [id_text(one.high, one.low) for one in chunk.entries]
    for reason, n in Counter(done[one] for one in ids if one in done).items():
        count(db, reason, element, n)
        drops.note(db, chunk.lane, reason, n, at=at)
    gone_ids = {
        entry
        for entry, one in zip(chunk.entries, ids, strict=True)
        if one in done
    }
    chunks.rewrite(db, chunk, lambda entry: entry not in gone_ids)


def split(db: Connection, batch: Batch) -> None:
    """
    Dissolve *batch*, so that its records go out in smaller ones.
    """
    db.execute("DELETE FROM under_way WHERE batch = ?", (batch.id,))
    chunk = chunks.of_batch(db, batch.id)
    if chunk is not None:
        chunks.name(db, chunk, None)


def park(
    db: Connection,
    batch: Batch,
    *,
    now: datetime,
    wait: Callable[[int], float],
) -> int:
    """
    Let *batch* wait by itself; give how often it was tried so far.

    Args:
        db: The file.

        batch: What `claim` gave.

        now: When.

        wait: Gives how many seconds to wait after so many tries.
    """
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


def forget(db: Connection) -> None:
    """
    Clear what a killed process left.
    """
    db.execute("DELETE FROM under_way")
    db.execute(
        "DELETE FROM parked WHERE batch NOT IN "
        "(SELECT batch FROM chunks WHERE batch IS NOT NULL)"
    )
