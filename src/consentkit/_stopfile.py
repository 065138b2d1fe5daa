# SPDX-License-Identifier: MIT
"""
A file whose being there stops everything, as one more signal from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attrs import evolve

from consentkit.consent.environment import SignalReader
from consentkit.consent.signals import DevicePolicy, Signals


__all__ = ["StopFile"]

_ALL = "*"


class StopFile:
    """
    Signals that forbid everything while a file is there.

    Where nobody can tell whether it is there, it counts.

    Args:
        policy: Id of the app's policy.

        path: The file; what it says is its owner's.

        around: Gives all other signals; those of the process and its device
            by default.
    """

    def __init__(
        self,
        policy: str,
        path: Path,
        around: Callable[[], Signals] | None = None,
    ) -> None:
        self.path = path
        self._policy = policy
        self._around = around or SignalReader().read
        self._last: tuple[object, Signals, Signals] | None = None

    def read(self) -> Signals:
        """
        Give the signals of now; the very same while nothing changed.
        """
        now, stamp = self._around(), self._stamp()
        last = self._last
        if last is not None and last[0] == stamp and last[1] is now:
            return last[2]
        made = now
        if stamp is not None:
            stop = DevicePolicy(
                place=str(self.path),
                forbidden={self._policy: frozenset({_ALL})},
            )
            made = evolve(now, device=(*now.device, stop))
        self._last = (stamp, now, made)
        return made

    def is_there(self) -> bool:
        """
        Tell whether it stops everything now.
        """
        return self._stamp() is not None

    def _stamp(self) -> object:
        """
        Give something that changes with the file; ``None`` without one.
        """
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            return str(error)
        return found.st_ino, found.st_size, found.st_mtime_ns
