# SPDX-License-Identifier: MIT
"""
Which of a machine's network interfaces stands for it.

The choice rests on properties that stay: an address must not change because
a cable was pulled, a container started, or the interfaces were listed in
another order.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


__all__ = ["primary_mac"]

_MAC = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}")

#: What systems give apps instead of an address.
_CONSTANTS = frozenset({"000000000000", "020000000000", "ffffffffffff"})

#: Made by software: containers, bridges, tunnels, machines in machines.
_VIRTUAL = re.compile(
    r"lo\d*$|anpi|ap\d|awdl|bluetooth|bond|br\d|br-|bridge|cali|cni|docker"
    r"|dummy|flannel|gif|gre|ifb|ip6|isatap|kube|llw|local area connection\*"
    r"|loopback|lxc|lxd|macv|nlmon|npcap|ovs|p2p|podman|ppp|sit|stf|tailscale"
    r"|tap|team|teredo|tun|utun|vboxnet|veth|vethernet|virbr|vmnet|vnet|wg"
    r"|xfrm|zt",
    re.IGNORECASE,
)


def _has_hardware(name: str) -> bool:
    """
    Tell whether Linux knows a device behind an interface.
    """
    return Path("/sys/class/net", name, "device").exists()


def primary_mac(
    addresses: Mapping[str, Sequence[str]],
    *,
    has_hardware: Callable[[str], bool] = _has_hardware,
) -> str | None:
    """
    Choose the address of the first real interface.

    Real hardware comes first, then addresses that a maker gave, then the
    order of names. Interfaces that software made are passed over by their
    names.

    Args:
        addresses: Link-layer addresses as the system spells them, by name
            of the interface.

        has_hardware: Tells whether a device is behind an interface.

    Returns:
        The address as it was spelled, or ``None`` where there is none.
    """
    found = [
        (not has_hardware(name), _is_local(address), name, address)
        for name, listed in addresses.items()
        if not _VIRTUAL.match(name)
        for address in listed
        if _is_of_device(address)
    ]
    return min(found)[-1] if found else None


def _is_of_device(address: str) -> bool:
    digits = address.replace(":", "").replace("-", "").lower()
    return (
        _MAC.fullmatch(address) is not None
        and digits not in _CONSTANTS
        and not _first_octet(address) & 0b01  # an address of a group
    )


def _is_local(address: str) -> bool:
    """
    Tell whether software may have chosen it (Source: IEEE 802-2014, 8.2).
    """
    return bool(_first_octet(address) & 0b10)


def _first_octet(address: str) -> int:
    return int(address[:2], 16)
