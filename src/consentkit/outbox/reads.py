# SPDX-License-Identifier: MIT
"""
When data types were read last, for those that a policy reads now and then.

It lies in the outbox's file, so that a promise of frequency holds over
starts and processes.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from consentkit.policy.period import Period


if TYPE_CHECKING:
    from sqlite3 import Connection

    from consentkit._sqlite import Database


__all__ = ["Reads"]


class Reads:
    """
    The last reads of one outbox.

    Args:
        db: Its file.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def is_too_soon(
        self,
        subject: str,
        function: str,
        data_type: str,
        *,
        now: datetime,
        period: Period,
    ) -> bool:
        """
        Tell whether a read of *data_type* now comes within *period* of the
        last one for *function*.

        A last read that lies further ahead than that was noted by a clock
        that was wrong, and counts for nothing.

        Raises:
            StoreError: If the outbox cannot be read.
        """
        with self._db.reading() as db:
            last = _last(db, (subject, function, data_type))
        return _is_within(last, now, period)

    def claim(
        self,
        subject: str,
        function: str,
        data_type: str,
        *,
        now: datetime,
        period: Period,
    ) -> bool:
        """
        Note that it is read now, unless that is too soon.

        Of several processes that try at once, one succeeds.

        Raises:
            StoreError: If it cannot be noted.
        """
        key = (subject, function, data_type)
        with self._db.writing() as db:
            if _is_within(_last(db, key), now, period):
                return False
            db.execute(
                "INSERT OR REPLACE INTO reads VALUES (?, ?, ?, ?)",
                (*key, now.isoformat()),
            )
        return True

    def forget(self, subject: str) -> None:
        """
        Forget all reads of a person.

        Raises:
            StoreError: If it cannot be done.
        """
        if not self._db.exists():
            return
        with self._db.writing() as db:
            db.execute("DELETE FROM reads WHERE subject = ?", (subject,))
        self._db.checkpoint()


def _last(db: Connection, key: tuple[str, str, str]) -> datetime | None:
    row = db.execute(
        "SELECT at FROM reads "
        "WHERE subject = ? AND function = ? AND data_type = ?",
        key,
    ).fetchone()
    if row is None:
        return None
    try:
        return datetime.fromisoformat(row[0])
    except (TypeError, ValueError):
        # Damaged: it is read once more, and noted anew.
        return None


def _is_within(last: datetime | None, now: datetime, period: Period) -> bool:
    if last is None:
        return False
    earlier, later = sorted((last, now))
    return later < period.after(earlier)
