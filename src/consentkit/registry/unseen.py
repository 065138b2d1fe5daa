# SPDX-License-Identifier: MIT
"""
What SDKs ran that nobody sees into: programs, and libraries that are not
Python's.

They are stopped without a permit. With one they do what they like, and go on
when it is gone; so at least it is known which they were.
"""

from __future__ import annotations

import logging
import os
import subprocess

from contextlib import suppress
from types import FrameType
from typing import Any, Final, final
from weakref import ReferenceType, ref

from consentkit._fork import Mutex
from consentkit.registry.observed import Kind, program_of


__all__ = ["Unseen"]

logger: logging.Logger = logging.getLogger("consentkit")

_MOST_NAMES: Final = 5
_MOST_PROGRAMS: Final = 64
_DID: Final = {
    "native": "loaded the library",
    "process": "started the program",
}

_Started = ReferenceType[Any]


@final
class Unseen:
    """
    Remembers them, by SDK.
    """

    def __init__(self) -> None:
        self._guard = Mutex()
        self._names: dict[str, dict[Kind, list[str]]] = {}
        self._programs: dict[str, list[_Started]] = {}
        self._untold: list[tuple[str, Kind, str]] = []

    def __repr__(self) -> str:
        return f"<Unseen: {len(self._names)} SDKs>"

    def note(self, sdk: str, kind: Kind, what: str, frame: FrameType) -> None:
        """
        Remember that *sdk* ran *what*.

        Args:
            sdk: Id of the SDK.

            kind: A ``process`` or a ``native`` library.

            what: The program with its arguments, which are not held, or the
                library.

            frame: Where it does so.
        """
        name = program_of(what) or "unknown"
        started = _program(frame) if kind == "process" else None
        with self._guard:
            names = self._names.setdefault(sdk, {}).setdefault(kind, [])
            if not names:
                self._untold.append((sdk, kind, name))
            if name not in names and len(names) <= _MOST_NAMES:
                names.append(name)
            if started is not None:
                mine = self._programs.setdefault(sdk, [])
                if len(mine) >= _MOST_PROGRAMS:
                    mine[:] = [one for one in mine if _runs(one())]
                if len(mine) < _MOST_PROGRAMS:
                    mine.append(ref(started))

    def adopt(self, other: Unseen) -> None:
        """
        Remember what *other* does, which has told of it.
        """
        with other._guard:
            names = {
                sdk: {kind: [*some] for kind, some in kinds.items()}
                for sdk, kinds in other._names.items()
            }
            programs = {sdk: [*mine] for sdk, mine in other._programs.items()}
        with self._guard:
            self._names |= names
            self._programs |= programs

    def tell(self) -> None:
        """
        Say in the log what is new: of each SDK the first program, and the
        first library.
        """
        if not self._untold:
            return
        with self._guard:
            untold, self._untold = self._untold, []
        for sdk, kind, name in untold:
            logger.info(
                "%s %s %s: what that sends is neither seen nor stopped",
                *(sdk, _DID[kind], name),
            )

    def told(self, sdk: str) -> str:
        """
        Say what *sdk* ran, or nothing.
        """
        with self._guard:
            kinds = {k: [*n] for k, n in self._names.get(sdk, {}).items()}
        return "; ".join(
            f"it {_DID[kind]} {_listed(names)}, which is not seen into"
            for kind, names in sorted(kinds.items())
        )

    def running(self, sdk: str) -> tuple[int, ...]:
        """
        Give the ids of the processes that *sdk* started and that still run,
        as far as they are known.
        """
        with self._guard:
            programs = [*self._programs.get(sdk, ())]
        found = [program for one in programs if (program := one())]
        return tuple(program.pid for program in found if _runs(program))


def _listed(names: list[str]) -> str:
    more = " and others" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _program(frame: FrameType) -> Any:
    """
    Find the `subprocess.Popen` that is starting it, which has no id yet.
    """
    if frame.f_code.co_name != "_execute_child":
        return None
    found = frame.f_locals.get("self")
    return found if isinstance(found, subprocess.Popen) else None


def _runs(program: Any) -> bool:
    """
    Tell whether a program runs, and leave its end to who waits for it.
    """
    pid = getattr(program, "pid", None)
    if pid is None or program.returncode is not None:
        return False
    if os.name != "posix":
        return bool(program.poll() is None)
    with suppress(OSError):
        if not hasattr(os, "waitid"):
            os.kill(pid, 0)
            return True
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, pid, how) is None
    return False
