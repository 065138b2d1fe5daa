# SPDX-License-Identifier: MIT
"""
Whether the device's clock may be believed, where something would be lost.

A clock that is years ahead for one start must not destroy what waits. So the
outbox remembers the time that it saw last, and a leap of more than a year is
believed only when it is seen a second time.
"""

from __future__ import annotations

import os

from sqlite3 import Connection
from time import monotonic
from typing import Final


__all__ = ["SeenClock"]

_DAY: Final = 86_400
_LEAP: Final = 366 * _DAY
#: How long after the first look the second one may come, at the earliest.
_GRACE_SECONDS: Final = 600.0


class SeenClock:
    """
    The last time that an outbox saw, kept in its table ``meta``.

    Times are whole seconds since 1970.
    """

    def __init__(self) -> None:
        self._run = os.urandom(8).hex()
        self._since = 0.0

    def begin(self, db: Connection, moment: int) -> None:
        """
        Note the first time of all.
        """
        if _number(db, "clock") is None:
            _put(db, "clock", str(moment))

    def is_settled(self, db: Connection, moment: int) -> bool:
        """
        Tell whether there is nothing to note about *moment*.
        """
        seen, leap = _number(db, "clock"), _text(db, "leap")
        return seen is not None and not leap and abs(moment - seen) <= _DAY

    def trusts(self, db: Connection, moment: int) -> bool:
        """
        Note that it is *moment*, and tell whether to believe it.
        """
        seen = _number(db, "clock")
        if seen is None or moment - seen <= _LEAP or self._is_second(db):
            _put(db, "clock", str(moment))
            _put(db, "leap", "")
            return True
        if not _text(db, "leap"):
            _put(db, "leap", self._run)
            self._since = monotonic()
        return False

    def _is_second(self, db: Connection) -> bool:
        first = _text(db, "leap")
        if first == self._run:
            return monotonic() - self._since >= _GRACE_SECONDS
        return bool(first)


def _text(db: Connection, name: str) -> str:
    row = db.execute(
        "SELECT value FROM meta WHERE name = ?", (name,)
    ).fetchone()
    return "" if row is None else str(row[0])


def _number(db: Connection, name: str) -> int | None:
    text = _text(db, name)
    return int(text) if text.lstrip("-").isdecimal() else None


def _put(db: Connection, name: str, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
