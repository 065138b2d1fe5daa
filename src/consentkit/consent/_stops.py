# SPDX-License-Identifier: MIT
"""
When something was stopped for a time, though its consent stood all along.

What a system wrote down meanwhile may not be collected afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from attrs import frozen

from consentkit.consent._said import Facts
from consentkit.ledger.entries import Act, Entry


__all__ = ["OS_PERMISSION", "Stop", "lost_permissions", "stops"]

#: What a cause begins with where the system took a permission away.
OS_PERMISSION: Final = "os_permission "

# The ledger's times are cut to milliseconds; the clock that a file system
# stamps its files with may be a tick of the system late.
_TICK_SECONDS: Final = 0.02


@frozen
class Stop:
    """
    A time in which something was stopped.

    Attributes:
        begin: The entry that stopped it.

        end: The first one after which it was not; ``None`` if there is none
            yet.
    """

    begin: Entry
    end: Entry | None

    def holds_at(self, at_seconds: float) -> bool:
        """
        Tell whether a time, in seconds since 1970, is in it, or may be.
        """
        if at_seconds < self.begin.at.timestamp() - _TICK_SECONDS:
            return False
        if self.end is None:
            return True
        return at_seconds <= self.end.at.timestamp() + _TICK_SECONDS

    @property
    def is_backwards(self) -> bool:
        """
        Whether the clock was set back meanwhile, so that no time is in it.
        """
        return self.end is not None and self.end.at < self.begin.at


def stops(
    entries: Iterable[Entry], policy: str, elements: Collection[str]
) -> tuple[Stop, ...]:
    """
    List when one of *elements* was paused or forbidden, the oldest first.

    Args:
        entries: Of one person, oldest first.

        policy: Id of the document.

        elements: What is needed, all of it.
    """
    facts, found = Facts(policy=policy), list[Stop]()
    begin: Entry | None = None
    for entry in entries:
        facts.add(entry)
        is_stopped = _is_stopped(facts, elements)
        if is_stopped and begin is None:
            begin = entry
        elif begin is not None and not is_stopped:
            found.append(Stop(begin, entry))
            begin = None
    if begin is not None:
        found.append(Stop(begin, None))
    return tuple(found)


def lost_permissions(
    entries: Iterable[Entry], function: str
) -> tuple[Entry, ...]:
    """
    List where the system was seen to take a permission of *function* away.

    When it came back is not on record.
    """
    return tuple(
        entry
        for entry in entries
        if entry.act is Act.SIGNAL_CONFLICT
        and entry.element == function
        and entry.facts.get("cause", "").startswith(OS_PERMISSION)
    )


def _is_stopped(facts: Facts, elements: Collection[str]) -> bool:
    if facts.of("").paused is not None:
        return True
    said = [facts.of(element) for element in elements]
    return any(s.paused or s.forbidden for s in said)
