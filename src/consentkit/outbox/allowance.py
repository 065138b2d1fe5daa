# SPDX-License-Identifier: MIT
"""
What a process may append to its journal, of a purpose that has a bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic


__all__ = ["Allowance", "take"]


class Allowance:
    """
    How many records of a purpose this process may append to its journal.

    Attributes:
        left: How many more.

        until: Until when, by `time.monotonic`.
    """

    __slots__ = ("left", "until")

    def __init__(self) -> None:
        self.left: int = 0
        self.until: float = 0.0


def take(allowances: Iterable[Allowance]) -> bool:
    """
    Take one of each of *allowances*, or none of any.

    It is for who holds the lock of the journal that the records go into.
    """
    now = monotonic()
    taken: list[Allowance] = []
    for one in allowances:
        if one.left < 1 or one.until < now:
            for other in taken:
                other.left += 1
            return False
        one.left -= 1
        taken.append(one)
    return True
