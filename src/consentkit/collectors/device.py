# SPDX-License-Identifier: MIT
"""
The device: identifiers of it, and what it is.

A `DeviceSource` is a name and a function for each data type; an app with a
fact of its own makes one more. The sources made here and beside it
read the operating system, and two libraries of the extra ``device``:
``psutil``, and ``py-machineid`` where Linux is not. Nothing is read, and
neither library is imported, before a permit is there.

Values are raw; the policy's protection comes after. Sizes are bytes, times
are whole seconds since 1970 (UTC).

Identifiers of phones (IMEI, OAID, ...) have no source on a computer, and so
are unavailable rather than replaced by something else.
"""

from __future__ import annotations

import locale
import os
import platform
import re
import shutil
import sys
import zoneinfo

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, Final, TypeAlias

from consentkit._fork import load
from consentkit.anonymise._shared import PLACEHOLDERS
from consentkit.collectors._deadline import check_seconds
from consentkit.collectors._files import read_line
from consentkit.collectors.containers import find_container
from consentkit.collectors.machine_id import read_machine_id
from consentkit.collectors.source import Source, Unavailable
from consentkit.exceptions import MissingExtraError
from consentkit.gate import Permit


__all__ = [
    "DeviceSource",
    "Fact",
    "load_device_library",
    "make_firmware_source",
    "make_locale_source",
    "make_machine_id_source",
    "make_psutil_source",
    "make_system_source",
]

#: What is known of a device: a text, a whole number, or names in order.
Fact: TypeAlias = str | int | tuple[str, ...]

#: Sources of a computer.
_COMPUTER: Final = frozenset({"desktop", "iot"})

_IS_LINUX: Final[bool] = sys.platform.startswith("linux")


class DeviceSource(Source[Fact]):
    """
    One library or place that knows facts of the device.

    Args:
        name: What it is, for people.

        facts: For each data type a function that reads it, and gives
            ``None`` or an empty text where there is none, or `Unavailable`
            with the reason.

        id: Short name, by which an app or a policy chooses it.

        touches: What a read touches, for people.

        visible: What remains visible of a read outside of the app.

        platforms: Where it works; everywhere if empty.

        timeout_seconds: How long one function may take. It is called in a
            thread of its own; ``None`` calls it in the thread of whoever
            reads, and waits for as long as it takes.

    Raises:
        TypeError: If one of *facts* is a coroutine function, which a thread
            without an event loop cannot call.

        ValueError: If *timeout_seconds* is not a positive, finite number.

    .. versionchanged:: 26.1.0 *id*, *touches*, *visible*, *platforms*,
        *timeout_seconds*
    """

    def __init__(
        self,
        name: str,
        facts: Mapping[str, Callable[[], Fact | Unavailable | None]],
        *,
        id: str = "",  # noqa: A002 - the attribute's name
        touches: str = "",
        visible: str = "",
        platforms: frozenset[str] = frozenset(),
        timeout_seconds: float | None = 5.0,
    ) -> None:
        if timeout_seconds is not None:
            check_seconds("timeout_seconds", timeout_seconds)
        for data_type, fact in facts.items():
            if iscoroutinefunction(fact):
                msg = (
                    f"facts[{data_type!r}] must be a plain function, not a "
                    "coroutine function"
                )
                raise TypeError(msg)
        self.timeout_seconds: float | None = timeout_seconds
        self.id: str = id
        self.name: str = name
        self.data_types: frozenset[str] = frozenset(facts)
        self.touches: str = touches
        self.visible: str = visible
        self.platforms: frozenset[str] = platforms
        self._facts = dict(facts)

    def _read(self, permit: Permit, **_options: Any) -> Fact | Unavailable:
        data_type = permit.clause.type
        value = self._facts[data_type]()
        if value is None or value == "":
            return Unavailable(data_type, f"{self.name} does not tell it")
        return value


def load_device_library(module: str) -> Any:
    """
    Import a library of the extra ``device``, for a source that reads.

    Raises:
        MissingExtraError: If it is not installed.

    .. versionadded:: 26.1.0
    """
    with suppress(ImportError):
        return load(module)
    package = {"machineid": "py-machineid"}.get(module, module)
    raise MissingExtraError(extra="device", package=package)


def make_machine_id_source(
    *, root: Path = Path("/"), in_container: bool = False
) -> DeviceSource:
    """
    Make the source of the machine's id: ``system_id``.

    An id that stands for no machine is none: see
    `consentkit.collectors.machine_id`.

    Args:
        root: Folder of the system's files, on Linux.

        in_container: Give the id in a container, too, where it stands for
            the container or its image.

    .. versionchanged:: 26.1.0
       *root* and *in_container*; nothing is given in a container by default.
    """
    return DeviceSource(
        "the machine's id",
        {"system_id": partial(_machine_id, root, in_container)},
        id="machine_id",
        touches="/etc/machine-id, and files by which a container is known, "
        "/proc/1/environ among them; where Linux is not, a program of the "
        "system",
        platforms=_COMPUTER,
    )


def _machine_id(root: Path, in_container: bool) -> str | Unavailable | None:  # noqa: FBT001 - one of its own
    if _IS_LINUX:
        return read_machine_id(root, in_container=in_container)
    machineid = load_device_library("machineid")
    with suppress(machineid.MachineIdNotFound):
        return str(machineid.id())
    return None


def make_psutil_source() -> DeviceSource:
    """
    Make the source of what ``psutil`` knows of the hardware.
    """
    return DeviceSource(
        "psutil",
        {
            "boot_time": lambda: int(_psutil().boot_time()),
            "cpu_usage": lambda: round(_psutil().cpu_percent(interval=0.1)),
            "memory_total": lambda: int(_psutil().virtual_memory().total),
        },
        id="psutil",
        touches="the kernel's counters: on Linux /proc/stat, /proc/meminfo",
        platforms=_COMPUTER,
    )


def _psutil() -> Any:
    return load_device_library("psutil")


def make_system_source(
    *, cpuinfo: Path = Path("/proc/cpuinfo"), root: Path = Path("/")
) -> DeviceSource:
    """
    Make the source of what the operating system says of itself.

    Args:
        cpuinfo: Where Linux names its processor.

        root: Folder of the system's files, by which a container is known.
    """
    disk = Path(os.sep).absolute()
    return DeviceSource(
        "the operating system",
        {
            "cpu_count": os.cpu_count,
            "cpu_info": partial(_cpu_info, cpuinfo),
            "device_name": partial(_device_name, root),
            "device_platform": lambda: sys.platform,
            "disk_total": lambda: shutil.disk_usage(disk).total,
            "disk_usage": lambda: shutil.disk_usage(disk).used,
            "os_build_number": platform.release,
            "os_name": lambda: _os_release("NAME") or platform.system(),
            "os_version": _os_version,
            "storage_available": lambda: shutil.disk_usage(disk).free,
        },
        id="system",
        touches=f"calls of the system, {cpuinfo}, /etc/os-release, the files "
        "by which a container is known, /proc/1/environ among them",
        platforms=_COMPUTER,
    )


def _device_name(root: Path) -> str | Unavailable | None:
    container = find_container(root)
    # A guest of Windows has the name of its host.
    if container is not None and container.kind != "wsl":
        return Unavailable(
            "device_name",
            f"this is a container ({container.kind}): the name is its own",
        )
    name = platform.node()
    return None if name.partition(".")[0] == "localhost" else name


def _os_release(key: str) -> str:
    try:
        return platform.freedesktop_os_release().get(key, "")
    except OSError:
        return ""


def _os_version() -> str:
    return (
        _os_release("VERSION_ID")
        or platform.mac_ver()[0]
        or platform.version()
    )


def _cpu_info(cpuinfo: Path) -> str:
    # Not `platform.processor()`: that starts a program.
    with suppress(OSError), cpuinfo.open(errors="replace") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key.strip() in {"model name", "Model", "Hardware"}:
                return value.strip()
    return platform.machine()


def make_firmware_source(
    *,
    dmi: Path = Path("/sys/class/dmi/id"),
    tree: Path = Path("/proc/device-tree"),
) -> DeviceSource:
    """
    Make the source of the model and its maker, on Linux.

    Args:
        dmi: Folder in which Linux shows the DMI table of a PC.

        tree: Folder of the device tree, which small boards have instead.
    """
    return DeviceSource(
        "the firmware",
        {
            "device_manufacturer": partial(_firmware, dmi / "sys_vendor"),
            "device_model": partial(
                _firmware, dmi / "product_name", tree / "model"
            ),
        },
        id="firmware",
        touches=f"files below {dmi} and {tree}",
        platforms=_COMPUTER,
    )


def _firmware(*files: Path) -> str | None:
    for file in files:
        text = read_line(file)
        if text and text.lower() not in PLACEHOLDERS:
            return text
    return None


_LOCALE = re.compile(
    r"(?P<language>[a-z]{2,3})(?:[_-](?P<country>[A-Z]{2}))?(?:[.@].*)?"
)


def make_locale_source(
    *, environ: Mapping[str, str] | None = None, etc: Path = Path("/etc")
) -> DeviceSource:
    """
    Make the source of language, country and time zone.

    Args:
        environ: Where the settings stand; `os.environ` when not given.

        etc: Folder of ``localtime`` and ``timezone``.
    """
    variables = os.environ if environ is None else environ
    return DeviceSource(
        "the locale",
        {
            "device_country": partial(_locale_part, variables, "country"),
            "device_language": partial(_locale_part, variables, "language"),
            "locale": partial(_locale, variables),
            "timezone": partial(_timezone, variables, etc),
        },
        id="locale",
        touches=f"variables of the environment, {etc / 'localtime'}, "
        f"{etc / 'timezone'}, the data base of time zones",
        platforms=_COMPUTER,
    )


def _locale(variables: Mapping[str, str]) -> str:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if text := variables.get(name, ""):
            return text
    return locale.getlocale()[0] or ""


def _locale_part(variables: Mapping[str, str], part: str) -> str | None:
    match = _LOCALE.fullmatch(_locale(variables))
    return match[part] if match else None


def _timezone(variables: Mapping[str, str], etc: Path) -> str:
    """
    Name the zone as IANA does, or give the offset from UTC.
    """
    setting = variables.get("TZ")
    if setting == "":
        return "UTC"  # POSIX: set, but empty
    if setting is not None:
        named = _zone(setting.removeprefix(":"))
    else:
        named = _zone(_linked(etc / "localtime"))
        # A file that is easily stale, so only after the real thing.
        named = named or _zone(read_line(etc / "timezone"))
    offset = datetime.now(UTC).astimezone().isoformat()[-6:]
    return named or f"UTC{offset}"


def _zone(text: str) -> str:
    name = text.rpartition("zoneinfo/")[2]
    name = name.removeprefix("posix/").removeprefix("right/")
    with suppress(ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return zoneinfo.ZoneInfo(name).key if name else ""
    return ""


def _linked(file: Path) -> str:
    with suppress(OSError):
        return str(file.readlink())
    return ""
