# SPDX-License-Identifier: MIT
"""
Serial numbers, where this user may read them.

Linux shows those of the firmware to root alone. Then there is no value, and
no other number is taken in its place: the same device would have two, by
who asks.

Source: Linux, ``Documentation/ABI/testing/sysfs-firmware-dmi-entries`` and
``drivers/firmware/dmi-id.c`` (serial numbers have mode 0400); SPC-4, section
7.8.15 (the vital product data page 80h of disks).
"""

from __future__ import annotations

import re

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from consentkit.anonymise._shared import is_shared_serial
from consentkit.collectors._files import is_locked, read_bytes, read_line
from consentkit.collectors.device import DeviceSource
from consentkit.collectors.source import Unavailable


__all__ = ["make_disk_serial_source", "make_serial_source"]

_PLATFORMS: Final = frozenset({"desktop", "iot"})

#: In the order in which they stand for the device as a whole.
_DMI: Final = ("product_serial", "board_serial", "chassis_serial")

#: Not disks of the device: in memory, of software, or to be taken out.
_NO_DISK: Final = re.compile(r"loop|ram|zram|dm-|md|sr|fd|nbd|rbd|drbd")


def make_serial_source(
    *,
    dmi: Path = Path("/sys/class/dmi/id"),
    tree: Path = Path("/proc/device-tree"),
) -> DeviceSource:
    """
    Make the source of ``serial_number``: that of the device.

    The first that is filled in counts: of the product, the board, the
    chassis; of a small board, that of its tree. A virtual machine has the
    one that its host gave it.

    Args:
        dmi: Folder in which Linux shows the DMI table of a PC.

        tree: Folder of the device tree, which small boards have instead.

    .. versionadded:: 26.1.0
    """
    files = (*(dmi / name for name in _DMI), tree / "serial-number")
    return DeviceSource(
        "the table of serial numbers",
        {"serial_number": partial(_serial, files)},
        id="serial",
        touches=f"files below {dmi} and {tree}, which root alone may read",
        platforms=_PLATFORMS,
    )


def make_disk_serial_source(
    *, block: Path = Path("/sys/block")
) -> DeviceSource:
    """
    Make the source of ``serial_number``: that of the first built-in disk.

    It is never taken unasked: name it in code or policy. It stands for the
    disk, which may move to another device.

    Args:
        block: Folder in which Linux shows its disks.

    .. versionadded:: 26.1.0
    """
    return DeviceSource(
        "the first built-in disk",
        {"serial_number": partial(_disk_serial, block)},
        id="disk_serial",
        touches=f"files below {block}",
        platforms=_PLATFORMS,
    )


def _serial(files: Iterable[Path]) -> str | Unavailable | None:
    for file in files:
        if is_locked(file):
            return Unavailable("serial_number", "root alone may read it")
        if _is_serial(text := read_line(file)):
            return text
    return None


def _is_serial(text: str) -> bool:
    """
    Tell whether *text* can be a serial number, and not what stands for none.

    A text without a digit counts as blank.
    """
    low = re.sub(r"[^0-9a-z]", "", text.lower())
    return (
        3 < len(low) <= 128
        and any(c.isdigit() for c in low)
        and not is_shared_serial(text)
        and text.isprintable()
    )


def _disk_serial(block: Path) -> str | None:
    for disk in _disks(block):
        for text in _serials_of(disk):
            if _is_serial(text):
                return text
    return None


def _disks(block: Path) -> Iterator[Path]:
    names: list[str] = []
    with suppress(OSError):
        names = sorted(one.name for one in block.iterdir())
    for name in names:
        disk = block / name
        if _NO_DISK.match(name) or read_line(disk / "removable") == "1":
            continue
        if "/usb" not in str(disk.resolve()):
            yield disk


def _serials_of(disk: Path) -> Iterator[str]:
    yield read_line(disk / "device/serial")  # NVMe, MMC
    # Four bytes of a head, the last two of them the length of the rest.
    page = read_bytes(disk / "device/vpd_pg80", count_bytes=260)
    if page[1:2] == b"\x80":
        length = int.from_bytes(page[2:4], "big")
        yield page[4 : 4 + length].decode("ascii", "replace").strip(" \0")
    yield read_line(disk / "serial")  # virtio
