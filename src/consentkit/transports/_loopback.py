# SPDX-License-Identifier: MIT
"""
Which addresses are this machine's own, so that nothing passes a network.
"""

from __future__ import annotations


__all__ = ["encrypted", "is_loopback"]


def encrypted(*, is_tls: bool, is_near: bool) -> frozenset[str]:
    """
    Give what a way to a server is capable of: to keep others from reading.

    Args:
        is_tls: Whether it speaks TLS, and nothing else.

        is_near: Whether it ends on this machine, and passes no network.
    """
    return frozenset({"encrypted"} if is_tls or is_near else ())


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
