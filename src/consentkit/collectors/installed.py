# SPDX-License-Identifier: MIT
"""
What is installed, and what runs: names, and nothing but names.

Both lists say much of a person: health, faith, work. A policy has to name
the type, and should promise as little of it as the purpose needs.

Packages come out of the package manager's own data base; where that is no
text (RPM), its program is asked, with one fixed query, a deadline and a bound.
Processes are those that this user may see, without the kernel's; arguments
and variables of a process are never read, since they hold secrets.

Source: ``dpkg(1)`` (``/var/lib/dpkg/status``), apk (``/lib/apk/db``),
pacman (``/var/lib/pacman/local``), ``rpm(8)``; ``proc_pid_stat(5)``.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from consentkit.collectors._deadline import check_seconds
from consentkit.collectors._files import read_bytes, read_text
from consentkit.collectors._programs import output_of
from consentkit.collectors.device import Fact, load_device_library
from consentkit.collectors.source import Source, Unavailable
from consentkit.gate import Permit


__all__ = ["PackagesSource", "ProcessesSource"]

#: A data base of 100,000 packages; what is longer is not read.
_LONGEST_BYTES: Final = 256_000_000

#: A list of their names.
_LONGEST_LIST_BYTES: Final = 16_000_000

#: Names of packages in any of the systems; what is not one is left out.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._@-]{0,127}")

#: Of a process in /proc/PID/stat: it belongs to the kernel.
_PF_KTHREAD: Final = 0x0020_0000

_RPM: Final = ("rpm", "-qa", "--qf", "%{NAME}\\n")

_RPM_FOLDERS: Final = ("var/lib/rpm", "usr/lib/sysimage/rpm")


class PackagesSource(Source[Fact]):
    """
    Names of the packages that the system's package manager installed.

    ``installed_apps`` is a tuple of names, each once, in order. In a
    container they are the image's.

    Args:
        root: Folder of the system's files.

        timeout_seconds: How long a package manager may take to answer.

        rpm: The command that lists the packages of an RPM system.

    Raises:
        ValueError: If *timeout_seconds* is not a positive, finite number.

    .. versionadded:: 26.1.0
    """

    id: str = "packages"
    timeout_seconds: float | None = None  # it keeps its own
    name = "the package manager"
    data_types: frozenset[str] = frozenset({"installed_apps"})
    platforms: frozenset[str] = frozenset({"desktop", "iot"})
    min_interval_seconds: float = 60.0
    touches: str = (
        "the data base of dpkg, apk or pacman; else the program rpm, which "
        "reads its own"
    )

    def __init__(
        self,
        *,
        root: Path = Path("/"),
        timeout_seconds: float = 10.0,
        rpm: tuple[str, ...] = _RPM,
    ) -> None:
        self._root = root
        self._timeout = check_seconds("timeout_seconds", timeout_seconds)
        self._rpm = rpm

    def _read(self, permit: Permit, **_options: Any) -> Fact | Unavailable:
        data_type = permit.clause.type
        for read in (_dpkg, _apk, _pacman):
            if names := _clean(read(self._root)):
                return names
        if not any((self._root / one).is_dir() for one in _RPM_FOLDERS):
            return Unavailable(data_type, "no package manager is known here")
        return self._ask_rpm() or Unavailable(
            data_type, "rpm gave no list in time"
        )

    def _ask_rpm(self) -> tuple[str, ...]:
        said = output_of(
            self._rpm,
            timeout_seconds=self._timeout,
            most_bytes=_LONGEST_LIST_BYTES,
        )
        return _clean((said or b"").decode(errors="replace").split("\n"))


def _clean(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({n for n in names if _NAME.fullmatch(n)}))


def _dpkg(root: Path) -> Iterator[str]:
    data = read_bytes(root / "var/lib/dpkg/status", count_bytes=_LONGEST_BYTES)
    for entry in data.split(b"\n\n"):
        name, is_there = b"", False
        for line in entry.splitlines():
            if line.startswith(b"Package: "):
                name = line[9:].strip()
            elif line.startswith(b"Status: "):
                is_there = line.endswith(b" installed")
        if name and is_there:
            yield name.decode(errors="replace")


def _apk(root: Path) -> Iterator[str]:
    for folder in ("lib", "usr/lib"):
        data = read_bytes(
            root / folder / "apk/db/installed", count_bytes=_LONGEST_BYTES
        )
        for line in data.splitlines():
            if line.startswith(b"P:"):
                yield line[2:].strip().decode(errors="replace")


def _pacman(root: Path) -> Iterator[str]:
    folder = root / "var/lib/pacman/local"
    found: list[Path] = []
    with suppress(OSError):
        found = [one for one in folder.iterdir() if (one / "desc").is_file()]
    for one in found:
        # NAME-VERSION-RELEASE, and no hyphen in the last two.
        yield one.name.rsplit("-", 2)[0]


class ProcessesSource(Source[Fact]):
    """
    Names of the processes that run, as the kernel knows them.

    ``running_processes`` is a tuple of names, each once, in order; Linux
    cuts them after 15 characters. In a container they are the container's
    own; a system may hide those of other users.

    Args:
        proc: Folder in which Linux shows its processes.

    .. versionadded:: 26.1.0
    """

    id: str = "processes"
    name = "the list of processes"
    data_types: frozenset[str] = frozenset({"running_processes"})
    platforms: frozenset[str] = frozenset({"desktop", "iot"})
    min_interval_seconds: float = 10.0

    def __init__(self, *, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self.touches: str = f"{proc}/PID/stat; psutil where Linux is not"

    def _read(self, permit: Permit, **_options: Any) -> Fact | Unavailable:
        read: Callable[[], Iterable[str]] = (
            self._listed if self._proc.is_dir() else _from_psutil
        )
        names = tuple(sorted({name for name in read() if name}))
        return names or Unavailable(
            permit.clause.type, "no process can be seen"
        )

    def _listed(self) -> Iterator[str]:
        for one in self._proc.iterdir():
            if one.name.isdecimal():
                yield _process_name(read_text(one / "stat"))


def _process_name(stat: str) -> str:
    """
    Give the name in a ``stat``; nothing for the kernel's own processes.
    """
    before, bracket, after = stat.rpartition(")")
    fields = after.split()
    with suppress(IndexError, ValueError):
        if bracket and not int(fields[6]) & _PF_KTHREAD:
            return before.partition("(")[2]
    return ""


def _from_psutil() -> Iterator[str]:
    psutil: Any = load_device_library("psutil")
    for process in psutil.process_iter(["name"]):
        yield str(process.info["name"] or "")
