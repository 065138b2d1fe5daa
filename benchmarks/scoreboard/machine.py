# SPDX-License-Identifier: MIT
"""
What machine this is, and how busy it is with other things.
"""

from __future__ import annotations

import os
import platform
import resource
import time

from datetime import UTC, datetime
from pathlib import Path
from typing import Final


__all__ = ["OtherWork", "busy_seconds", "describe", "seconds_of", "wait_quiet"]

_TICKS: Final = os.sysconf("SC_CLK_TCK")

#: Below this share of one processor, a machine counts as quiet.
_QUIET: Final = 0.15


def describe() -> dict[str, str]:
    """
    Name what the figures hang on.
    """
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "processor": next(iter(names), platform.machine()),
        "processors": str(os.cpu_count()),
        "system": f"Linux {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
    }


def busy_seconds() -> float:
    """
    Give the processor time since the start that was not idle, of all.
    """
    first = Path("/proc/stat").read_text("ascii").splitlines()[0]
    user, nice, system, _, _, *interrupts = map(int, first.split()[1:9])
    return (user + nice + system + sum(interrupts)) / _TICKS


def seconds_of(process: int) -> float:
    """
    Give the processor time of one process, by its id.
    """
    stat = Path(f"/proc/{process}/stat").read_text("utf-8")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def wait_quiet(most_seconds: float) -> None:
    """
    Give other work on this machine some time to end.
    """
    end = time.monotonic() + most_seconds
    while time.monotonic() < end:
        busy, begun = busy_seconds(), time.monotonic()
        time.sleep(0.25)
        if busy_seconds() - busy < _QUIET * (time.monotonic() - begun):
            return


class OtherWork:
    """
    Meters what the machine does beside the board, from now on.

    Args:
        sink: Id of the sink's process, which is the board's too.
    """

    def __init__(self, sink: int) -> None:
        self._sink = sink
        self._begun = time.monotonic()
        self._other = self._now()

    def _now(self) -> float:
        own = resource.getrusage(resource.RUSAGE_SELF)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = sum(u.ru_utime + u.ru_stime for u in (own, ended))
        return busy_seconds() - ours - seconds_of(self._sink)

    def processors(self) -> float:
        """
        Give how many processors it took, on average.
        """
        took = max(1e-3, time.monotonic() - self._begun)
        return max(0.0, (self._now() - self._other) / took)
