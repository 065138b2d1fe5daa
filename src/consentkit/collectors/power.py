# SPDX-License-Identifier: MIT
"""
The battery.

Source: Linux, ``Documentation/ABI/testing/sysfs-class-power``.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from consentkit.collectors._files import read_line
from consentkit.collectors.device import DeviceSource, load_device_library


__all__ = ["make_battery_source"]


def make_battery_source(
    *, supplies: Path = Path("/sys/class/power_supply")
) -> DeviceSource:
    """
    Make the source of ``battery_state``: its charge in percent, 0 to 100.

    With several batteries it is their mean. Batteries of mice, keyboards
    and phones at the machine do not count. Serial numbers of batteries are
    not looked at.

    Args:
        supplies: Folder in which Linux shows its power supplies.

    .. versionadded:: 26.1.0
    """
    return DeviceSource(
        "the battery",
        {"battery_state": partial(_charge, supplies)},
        id="battery",
        touches=f"files below {supplies}; psutil where Linux is not",
        platforms=frozenset({"desktop", "iot"}),
    )


def _charge(supplies: Path) -> int | None:
    if not supplies.is_dir():
        psutil: Any = load_device_library("psutil")
        found = psutil.sensors_battery()
        return None if found is None else round(found.percent)
    charges = []
    for supply in sorted(supplies.iterdir()):
        is_ours = read_line(supply / "scope") != "Device"
        if is_ours and read_line(supply / "type") == "Battery":
            with suppress(ValueError):
                charges.append(int(read_line(supply / "capacity")))
    charges = [charge for charge in charges if 0 <= charge <= 100]
    return round(sum(charges) / len(charges)) if charges else None
