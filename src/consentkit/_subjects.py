# SPDX-License-Identifier: MIT
"""
The people of an app that serves many: their kits, and their browsers' word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from attrs import evolve

from consentkit.consent.signals import Signals


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["Subjects", "with_gpc"]

# How many kits of single subjects are kept at hand for delivery.
_MOST: Final = 4096


class Subjects:
    """
    The kits of subjects by their tags, as lanes name them.

    Args:
        make: Makes the kit of a tag.
    """

    def __init__(self, make: Callable[[str], Kit]) -> None:
        self._make = make
        self._known: dict[str, Kit] = {}

    def of(self, tag: str) -> Kit:
        """
        Give the kit of *tag*.
        """
        if tag not in self._known and len(self._known) >= _MOST:
            self._known.clear()
        found = self._known.get(tag)
        return found or self._known.setdefault(tag, self._make(tag))


def with_gpc(
    around: Callable[[], Signals], *, gpc: bool
) -> Callable[[], Signals]:
    """
    Add what a browser says to the signals of the process.

    It gives the very same while nothing changed, as *around* does.
    """
    seen: dict[int, tuple[Signals, Signals]] = {}

    def read() -> Signals:
        now = around()
        found = seen.get(id(now))
        if found is None:
            seen.clear()
            found = seen[id(now)] = (now, evolve(now, gpc=gpc))
        return found[1]

    return read
