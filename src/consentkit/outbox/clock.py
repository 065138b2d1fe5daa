# SPDX-License-Identifier: MIT
"""
Whether the device's clock may be believed, where something would be lost.

A clock that is years ahead for one start must not destroy what waits. So the
outbox remembers the time that it saw last, and a leap of more than a year is
believed only when it is seen a second time: on the disk and in memory alike.
"""

from __future__ import annotations

import os

from sqlite3 import Connection
from time import monotonic
from typing import Final, Protocol


__all__ = ["Meta", "SeenClock"]

_DAY: Final = 86_400
_LEAP: Final = 366 * _DAY
#: How long after the first look the second one may come, at the earliest.
_GRACE_SECONDS: Final = 600.0


class _Notes(Protocol):
    """
    Where the clock notes what it saw: `Meta`, or a dictionary.
    """

    def get(self, name: str, default: str, /) -> str: ...
    def __setitem__(self, name: str, value: str, /) -> None: ...


class Meta:
    """
    The table ``meta`` of an outbox.

    Args:
        db: The file.
    """

    def __init__(self, db: Connection) -> None:
        self._db = db

    def get(self, name: str, default: str, /) -> str:
        """
        Give what is noted under *name*.
        """
        row = self._db.execute(
            "SELECT value FROM meta WHERE name = ?", (name,)
        ).fetchone()
        return default if row is None else str(row[0])

    def __setitem__(self, name: str, value: str, /) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value)
        )


class SeenClock:
    """
    The last time that was seen, kept where the one who asks keeps it.

    Times are whole seconds since 1970.
    """

    def __init__(self) -> None:
        self._run = os.urandom(8).hex()
        self._since = 0.0

    def begin(self, notes: _Notes, moment: int) -> None:
        """
        Note the first time of all.
        """
        if _number(notes, "clock") is None:
            notes["clock"] = str(moment)

    def is_settled(self, notes: _Notes, moment: int) -> bool:
        """
        Tell whether there is nothing to note about *moment*.
        """
        seen, leap = _number(notes, "clock"), notes.get("leap", "")
        return seen is not None and not leap and abs(moment - seen) <= _DAY

    def trusts(self, notes: _Notes, moment: int) -> bool:
        """
        Note that it is *moment*, and tell whether to believe it.
        """
        seen = _number(notes, "clock")
        if seen is None or moment - seen <= _LEAP or self._is_second(notes):
            notes["clock"] = str(moment)
            notes["leap"] = ""
            return True
        if not notes.get("leap", ""):
            notes["leap"] = self._run
            self._since = monotonic()
        return False

    def _is_second(self, notes: _Notes) -> bool:
        first = notes.get("leap", "")
        if first == self._run:
            return monotonic() - self._since >= _GRACE_SECONDS
        return bool(first)


def _number(notes: _Notes, name: str) -> int | None:
    text = notes.get(name, "")
    return int(text) if text.lstrip("-").isdecimal() else None
