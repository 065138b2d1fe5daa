# SPDX-License-Identifier: MIT
"""
Expiry: what is destroyed when its time is over, and what one by one.

Each function works inside a transaction that its caller began.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from sqlite3 import Connection

from consentkit.outbox import chunks, drops
from consentkit.outbox.counts import count
from consentkit.outbox.intake import Intake
from consentkit.outbox.lanes import Lanes
from consentkit.outbox.records import Record
from consentkit.outbox.rows import id_text


__all__ = ["discard", "expire", "is_due"]


def is_due(db: Connection, intake: Intake, over: int) -> bool:
    """
    Tell whether anything has expired, in the table or in a journal.

    Args:
        db: The file.

        intake: What is in the journals.

        over: When it is, in milliseconds since 1970.
    """
    row = db.execute(
        "SELECT 1 FROM chunks WHERE first_end <= ? LIMIT 1", (over,)
    ).fetchone()
    if row is not None:
        return True
    first = intake.first_end(db)
    return first is not None and first <= over


def expire(db: Connection, over: int) -> int:
    """
    Destroy records whose retention is over; give how many.

    Args:
        db: The file; nothing is in a journal any more.

        over: When it is, in milliseconds since 1970.
    """
    counted: Counter[int] = Counter()
    elements = dict(db.execute("SELECT id, element FROM lanes").fetchall())
    db.execute("DELETE FROM promoted WHERE expires <= ?", (over,))
    for chunk in chunks.each(db, expired_at=over):
        gone = chunks.rewrite(db, chunk, lambda entry: entry.expires > over)
        if chunk.lane in elements:
            counted[chunk.lane] += gone
    for lane, number in counted.items():
        count(db, "expired", elements[lane], number)
        drops.note(db, lane, "expired", number, at=over // 1000)
    return counted.total()


def discard(
    db: Connection,
    lanes: Lanes,
    doomed: Callable[[Record], bool],
    *,
    reason: str,
) -> int:
    """
    Destroy waiting records one by one; give how many.

    Args:
        db: The file; nothing is in a journal any more.

        lanes: What opens them.

        doomed: Tells which.

        reason: Under what they are counted.
    """
    counted: Counter[str] = Counter()
    for lane, chunk, rows in lanes.each(db):
        found = {
            row.id: one
            for row, one in zip(rows, lanes.records(lane, rows), strict=True)
            if doomed(one)
        }
        for one in found.values():
            counted[one.function] += 1
        if found:
            chunks.rewrite(
                db,
                chunk,
                lambda entry, gone=found: (  # type: ignore[misc]
                    id_text(entry.high, entry.low) not in gone
                ),
            )
    for function, number in counted.items():
        count(db, reason, function, number)
    return counted.total()
