# SPDX-License-Identifier: MIT
"""
Ranges in place of figures: sizes, addresses and versions made coarse.

Each result is **de-identified** at best: what else is known beside it
decides whether it singles someone out.
"""

from __future__ import annotations

import ipaddress
import math
import re


__all__ = ["bucket", "bucket_range", "generalise_version", "truncate_ip"]

#: Bits kept of an address: a provider's customers, not one line. One customer
#: gets a /48 or a /56 (RFC 6177), a provider a /32 or more (RIPE-738, 5.1).
_KEPT_BITS = {4: 24, 6: 32}

#: Of these the last 32 bits are an IPv4 address: IPv4-compatible (RFC 4291),
#: mapped, translated (RFC 2765) and NAT64 (RFC 6052).
_HOLD_IPV4 = frozenset(
    int(ipaddress.IPv6Address(start)) >> 32
    for start in ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::")
)

#: Longer first numbers are dates or build numbers, which are rarer.
_MAJOR = re.compile(r"[0-9]{1,4}")


def bucket_range(value: float | int, *, base: int = 2) -> tuple[int, int]:
    """
    Find the powers of *base* that *value* lies between.

    Args:
        value: Zero or more, in any unit.

        base: 2 or more; the larger, the coarser.

    Returns:
        *low* and *high*, with ``low <= value < high``. Everything below one
        is in ``(0, 1)``.

    Raises:
        TypeError: If *value* is a yes or no, which Python counts as 1 or 0.

        ValueError: If *value* is negative, infinite or not a number, or
            *base* is below 2. The message does not tell the value.
    """
    if isinstance(value, bool):
        msg = "`value` must be a number, not True or False"
        raise TypeError(msg)
    if base < 2:
        msg = "`base` must be 2 or more"
        raise ValueError(msg)
    if not 0 <= value < math.inf:
        msg = "`value` must be a finite number, zero or more"
        raise ValueError(msg)
    # Integers compare exactly with floats, so borders are sharp.
    low, high = 0, 1
    while value >= high:
        low, high = high, high * base
    return low, high


def bucket(value: float | int) -> str:
    """
    Say which range between powers of two *value* lies in.

    Returns:
        ``"8-16"`` for 8 and more, below 16; ``"0-1"`` below 1.

    Raises:
        TypeError: If *value* is a yes or no, which Python counts as 1 or 0.

        ValueError: If *value* is negative, infinite or not a number.
    """
    low, high = bucket_range(value)
    return f"{low}-{high}"


def truncate_ip(text: str) -> str | None:
    """
    Keep the network of an address: /24 of IPv4, /32 of IPv6.

    An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4, Teredo) counts as
    IPv4; a zone (``%eth0``) goes.

    Returns:
        The network with its length, such as ``"203.0.113.0/24"``, or None
        if *text* is no address.
    """
    address = _address(text.strip())
    if address is None:
        return None
    bits = _KEPT_BITS[address.version]
    # Of the integer: a zone would stay in the network's text.
    shift = address.max_prefixlen - bits
    base = type(address)(int(address) >> shift << shift)
    return f"{base}/{bits}"


def _address(
    text: str,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return _inner(address) or address
    return address


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """
    Find the IPv4 address that an IPv6 address is made of.
    """
    number = int(address)
    # `::` and `::1` are no addresses of anybody.
    if number >> 32 in _HOLD_IPV4 and number > 1:
        return ipaddress.IPv4Address(number & 0xFFFF_FFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.sixtofour


def generalise_version(text: str) -> str:
    """
    Keep the major number of a version.

    Returns:
        ``"14"`` for ``"14.2.1"``, ``"v14"`` or ``"Android 14"``; at most
        four digits; empty if there is no number.
    """
    match = _MAJOR.search(text[:256])
    return match[0] if match else ""
