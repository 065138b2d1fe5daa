# SPDX-License-Identifier: MIT
"""
The network as the kernel tells it: an address of the device, and how it is
connected.

On Linux everything comes out of ``/sys/class/net`` and ``/proc/net``, without
a program, a daemon or a socket; elsewhere the address comes from ``psutil``,
and the rest is not told.

An address stands for the device only if its maker gave it. One that software
chose (a container, a virtual machine, a system that changes it for privacy)
is given to nobody: the source says that it was chosen.

Source: Linux, ``Documentation/ABI/testing/sysfs-class-net``; IEEE 802-2014,
section 8.2 (the bit of local administration).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from consentkit.collectors._files import read_line, read_text
from consentkit.collectors._interfaces import primary_mac
from consentkit.collectors.device import DeviceSource, load_device_library
from consentkit.collectors.source import Unavailable


__all__ = ["make_interfaces_source"]

#: ``addr_assign_type``: given by the hardware, and not by software.
_PERMANENT: Final = frozenset({"", "0"})

#: ``type``, an ARPHRD number: Ethernet, which Wi-Fi is here, too.
_ETHERNET: Final = "1"

#: ``type``: PPP, tunnels, and what has no link layer (WireGuard, tun).
_TUNNELS: Final = frozenset({"512", "768", "769", "776", "778", "65534"})

_BY_DEVTYPE: Final = {
    "bluetooth": "bluetooth",
    "bridge": "",
    "wlan": "wifi",
    "wireguard": "vpn",
    "wwan": "cellular",
}


def make_interfaces_source(
    *,
    net: Path = Path("/sys/class/net"),
    routes: Path = Path("/proc/net"),
) -> DeviceSource:
    """
    Make the source of ``mac_address``, ``network_type``, ``network_status``.

    ``network_type`` is that of the interface that leads outside:
    ``ethernet``, ``wifi``, ``cellular``, ``bluetooth``, ``vpn`` or
    ``other``; ``none`` without one. ``network_status`` is ``connected`` or
    ``disconnected``: whether there is a way outside, not whether somebody
    answers there. Neither is told where the system hides its routes.

    Args:
        net: Folder in which Linux shows its interfaces.

        routes: Folder of the routing tables.

    .. versionadded:: 26.1.0
    """
    return DeviceSource(
        "the kernel's list of interfaces",
        {
            "mac_address": lambda: _mac(net),
            "network_status": lambda: _status(net, routes),
            "network_type": lambda: _type(net, routes),
        },
        id="interfaces",
        touches=f"files below {net} and {routes}; psutil where Linux is not",
        platforms=frozenset({"desktop", "iot"}),
    )


def _mac(net: Path) -> str | Unavailable | None:
    listed = _addresses(net)
    made = {
        name: [a for a in found if not _is_chosen(net, name, a)]
        for name, found in listed.items()
    }
    chosen = primary_mac(made, has_hardware=lambda n: _has_device(net, n))
    if chosen is not None:
        return chosen
    any_ = primary_mac(listed, has_hardware=lambda n: _has_device(net, n))
    if any_ is None:
        return None
    return Unavailable(
        "mac_address",
        "software chose the address, so that it stands for no device",
    )


def _addresses(net: Path) -> Mapping[str, Sequence[str]]:
    if net.is_dir():
        return {
            name: [read_line(net / name / "address")] for name in _names(net)
        }
    psutil: Any = load_device_library("psutil")
    return {
        name: [a.address for a in found if a.family == psutil.AF_LINK]
        for name, found in psutil.net_if_addrs().items()
    }


def _names(net: Path) -> list[str]:
    with suppress(OSError):
        return sorted(one.name for one in net.iterdir())
    return []


def _is_chosen(net: Path, name: str, address: str) -> bool:
    """
    Tell whether software gave an interface its address, or may have.
    """
    with suppress(ValueError):
        if int(address[:2], 16) & 0b10:
            return True
    return read_line(net / name / "addr_assign_type") not in _PERMANENT


def _has_device(net: Path, name: str) -> bool:
    return (net / name / "device").exists()


def _status(net: Path, routes: Path) -> str | None:
    if not net.is_dir():
        return None
    name = _outside(net, routes)
    if name is None:
        return None
    return "connected" if name else "disconnected"


def _type(net: Path, routes: Path) -> str | None:
    if not net.is_dir():
        return None
    name = _outside(net, routes)
    if name is None:
        return None
    return _type_of(net / name) if name else "none"


def _outside(net: Path, routes: Path) -> str | None:
    """
    Name the interface of the best default route that is up.

    Returns:
        Nothing where there is none, and ``None`` where that cannot be told:
        the tables, or the state of an interface, are not shown to the app.
    """
    table = read_text(routes / "route", count_bytes=1_000_000)
    table6 = read_text(routes / "ipv6_route", count_bytes=1_000_000)
    # That of IPv4 has a line of titles, also where it has no route.
    is_told = bool(table or table6)
    for _, name in sorted([*_routes(table), *_routes6(table6)]):
        state = read_line(net / name / "operstate")
        # Tunnels and some drivers do not know whether they are up.
        if state in {"up", "unknown"}:
            return name
        is_told = is_told and bool(state)
    return "" if is_told else None


def _routes(table: str) -> Iterator[tuple[int, str]]:
    """
    List metric and interface of each default route of IPv4.
    """
    for line in table.splitlines()[1:]:
        with suppress(ValueError, IndexError):
            parts = line.split()
            flags, metric = int(parts[3], 16), int(parts[6])
            # RTF_UP, not RTF_REJECT
            is_up = flags & 0x1 and not flags & 0x200
            if int(parts[1], 16) == int(parts[7], 16) == 0 and is_up:
                yield metric, parts[0]


def _routes6(table: str) -> Iterator[tuple[int, str]]:
    for line in table.splitlines():
        with suppress(ValueError, IndexError):
            parts = line.split()
            flags, metric = int(parts[8], 16), int(parts[5], 16)
            is_up = flags & 0x1 and not flags & 0x200
            is_default = int(parts[0], 16) == int(parts[1], 16) == 0
            if is_default and is_up and parts[9] != "lo":
                yield metric, parts[9]


def _type_of(interface: Path) -> str:
    uevent = read_text(interface / "uevent").splitlines()
    for line in uevent:
        key, _, value = line.partition("=")
        if key == "DEVTYPE" and _BY_DEVTYPE.get(value):
            return _BY_DEVTYPE[value]
    if (interface / "wireless").exists():
        return "wifi"
    if (interface / "phy80211").exists():
        return "wifi"
    if interface.name.startswith(("wwan", "rmnet")):
        return "cellular"
    kind = read_line(interface / "type")
    if kind in _TUNNELS:
        return "vpn"
    return "ethernet" if kind == _ETHERNET else "other"
