# SPDX-License-Identifier: MIT
"""
The device: identifiers of it, and what it is.

A `DeviceSource` is a name and a function for each data type; an app with a
fact of its own makes one more. The sources made here read the operating
system, and two libraries of the extra ``device``: ``psutil`` and
``py-machineid``. Nothing is read, and neither library is imported, before a
permit is there.

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
from pathlib import Path
from typing import Any, TypeAlias

from consentkit._fork import load
from consentkit.collectors._interfaces import primary_mac
from consentkit.collectors.source import Source, Unavailable
from consentkit.exceptions import MissingExtraError
from consentkit.gate import Permit


__all__ = [
    "DeviceSource",
    "Fact",
    "default_device_sources",
    "make_firmware_source",
    "make_locale_source",
    "make_machine_id_source",
    "make_psutil_source",
    "make_system_source",
]

#: What is known of a device: a text, or a whole number.
Fact: TypeAlias = str | int


class DeviceSource(Source[Fact]):
    """
    One library or place that knows facts of the device.

    Args:
        name: What it is, for people.

        facts: For each data type a function that reads it, and gives
            ``None`` or an empty text where there is none.
    """

    def __init__(
        self, name: str, facts: Mapping[str, Callable[[], Fact | None]]
    ) -> None:
        self.name: str = name
        self.data_types: frozenset[str] = frozenset(facts)
        self._facts = dict(facts)

    def _read(self, permit: Permit, **_options: Any) -> Fact | Unavailable:
        data_type = permit.clause.type
        value = self._facts[data_type]()
        if value is None or value == "":
            return Unavailable(data_type, f"{self.name} does not tell it")
        return value


def default_device_sources() -> tuple[Source[Any], ...]:
    """
    Make the sources of this machine; nothing is read yet.
    """
    return (
        make_machine_id_source(),
        make_psutil_source(),
        make_system_source(),
        make_firmware_source(),
        make_locale_source(),
    )


def _load(module: str, package: str) -> Any:
    """
    Import a library of the extra ``device``.
    """
    with suppress(ImportError):
        return load(module)
    raise MissingExtraError(extra="device", package=package)


def make_machine_id_source() -> DeviceSource:
    """
    Make the source of the machine's id: ``system_id``.
    """
    return DeviceSource("py-machineid", {"system_id": _machine_id})


def _machine_id() -> str | None:
    machineid = _load("machineid", "py-machineid")
    with suppress(machineid.MachineIdNotFound):
        text = str(machineid.id())
        # systemd writes this word before the first boot.
        return None if text == "uninitialized" else text
    return None


def make_psutil_source() -> DeviceSource:
    """
    Make the source of what ``psutil`` knows of the hardware.
    """
    return DeviceSource(
        "psutil",
        {
            "boot_time": lambda: int(_psutil().boot_time()),
            "mac_address": _mac_address,
            "memory_total": lambda: int(_psutil().virtual_memory().total),
        },
    )


def _psutil() -> Any:
    return _load("psutil", "psutil")


def _mac_address() -> str | None:
    psutil = _psutil()
    return primary_mac(
        {
            name: [a.address for a in found if a.family == psutil.AF_LINK]
            for name, found in psutil.net_if_addrs().items()
        }
    )


def make_system_source(
    *, cpuinfo: Path = Path("/proc/cpuinfo")
) -> DeviceSource:
    """
    Make the source of what the operating system says of itself.

    Args:
        cpuinfo: Where Linux names its processor.
    """
    disk = Path(os.sep).absolute()
    return DeviceSource(
        "the operating system",
        {
            "cpu_count": os.cpu_count,
            "cpu_info": partial(_cpu_info, cpuinfo),
            "device_name": _device_name,
            "device_platform": lambda: sys.platform,
            "disk_total": lambda: shutil.disk_usage(disk).total,
            "os_build_number": platform.release,
            "os_name": lambda: _os_release("NAME") or platform.system(),
            "os_version": _os_version,
            "storage_available": lambda: shutil.disk_usage(disk).free,
        },
    )


def _device_name() -> str | None:
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


#: What firmware says where its maker has filled in nothing.
_BLANKS = frozenset(
    {
        "default string",
        "none",
        "not applicable",
        "not specified",
        "o.e.m.",
        "product name",
        "system manufacturer",
        "system product name",
        "to be filled by o.e.m.",
        "unknown",
    }
)


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
    )


def _firmware(*files: Path) -> str | None:
    for file in files:
        with suppress(OSError):
            # Texts of a device tree end with a NUL.
            text = file.read_text(errors="replace").strip(" \t\r\n\0")
            if text and text.lower() not in _BLANKS:
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
        named = named or _zone(_first_line(etc / "timezone"))
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


def _first_line(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(errors="replace").partition("\n")[0].strip()
    return ""
