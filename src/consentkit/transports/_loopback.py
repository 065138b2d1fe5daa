# SPDX-License-Identifier: MIT
"""
Which addresses are this machine's own, so that nothing passes a network.
"""

from __future__ import annotations


__all__ = ["is_loopback"]


def is_loopback(host: str) -> bool:
    """
    Tell whether *host*, a name or an address, is this machine itself.
    """
    from ipaddress import IPv4Address, ip_address

    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return address.is_loopback
    return int(address) == 1
