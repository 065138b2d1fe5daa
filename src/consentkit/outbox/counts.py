# SPDX-License-Identifier: MIT
"""
Counting what became of records.
"""

from __future__ import annotations

from sqlite3 import Connection

from consentkit.outbox import drops
from consentkit.outbox.keys import Lane


__all__ = ["count", "lose"]


def count(db: Connection, reason: str, element: str, number: int) -> None:
    """
    Count records by reason and by what was granted.

    Args:
        db: The file, in a transaction.

        reason: What became of them.

        element: What was granted; may be empty.

        number: How many.
    """
    if number:
        db.execute(
            "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT "
            "DO UPDATE SET n = n + excluded.n",
            (reason, element, number),
        )


def lose(
    db: Connection, reason: str, lane: Lane, number: int, *, at: int
) -> None:
    """
    Count what is lost, here and for who would have got it.

    Args:
        db: The file, in a transaction.

        reason: Why.

        lane: Its lane.

        number: How many.

        at: When, in seconds since 1970.
    """
    count(db, reason, lane.element, number)
    drops.note(db, lane.id, reason, number, at=at)
