# SPDX-License-Identifier: MIT
"""
How often a place is asked.

Times are seconds.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

from consentkit._fork import Mutex


__all__ = ["LastReads", "share_interval"]


class LastReads:
    """
    When each data type was last read, from one place.
    """

    def __init__(self) -> None:
        self._mutex = Mutex()
        self._at: dict[str, float] = {}

    def claim(self, data_type: str, interval_seconds: float) -> bool:
        """
        Take the one read that the interval allows for now.
        """
        with self._mutex:
            now, last = monotonic(), self._at.get(data_type)
            if last is not None and now - last < interval_seconds:
                return False
            self._at[data_type] = now
            return True


#: Of built-in sources by id. Every kit of the process reads the same place,
#: which is asked no more often by all of them together than by one.
_OF_PLACES: Final[dict[str, LastReads]] = {}


def share_interval(source: Any, last_reads: LastReads | None = None) -> None:
    """
    Let *source* keep its interval together with others.

    Args:
        source: One that no other thread knows yet.

        last_reads: Those of the others; by default of all in this process
            that were made by its id.
    """
    if last_reads is None:
        # Of two threads that come first, both get the same.
        last_reads = _OF_PLACES.setdefault(source.id, LastReads())
    vars(source)["_last_reads"] = last_reads
