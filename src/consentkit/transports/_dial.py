# SPDX-License-Identifier: MIT
"""
A connection to a broker: TCP, within TLS unless it stays on this machine.

It is ours and not the library's, so that it can be cut at each step of its
making.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consentkit.exceptions import TransportError
from consentkit.transports._broker import Place, Trust
from consentkit.transports._exchange import Exchange


if TYPE_CHECKING:
    import socket


__all__ = ["check_way", "dial"]


def check_way(place: Place, trust: Trust, *, plain: str, secure: str) -> None:
    """
    Check that *place* may be dialled, and is trusted as the app wants.

    Args:
        place: Where to.

        trust: As the app gave it.

        plain: The scheme without TLS.

        secure: The scheme with TLS.

    Raises:
        TransportError: If something would pass a network in the clear, or
            trust is given that nothing would ask for.
    """
    trust.check()
    if place.scheme != plain:
        return
    if not place.is_loopback:
        msg = (
            f"{plain}://{place.host} is not encrypted; use {secure}:// "
            f"({plain}:// is for 127.0.0.1, ::1 and localhost alone)"
        )
        raise TransportError(msg)
    if trust.is_given:
        msg = f"verify and certificate are for TLS; use {secure}:// with them"
        raise TransportError(msg)


def dial(
    place: Place, trust: Trust | None, exchange: Exchange
) -> socket.socket:
    """
    Connect to *place*.

    Args:
        place: Where to.

        trust: For TLS, or ``None`` for none.

        exchange: Holds the socket, and says how long it may take.

    Raises:
        OSError: If it cannot be reached, or is not trusted.

        CutError: If the exchange was cut.
    """
    context = None if trust is None else trust.context()
    sock = _connected(place, exchange)
    try:
        sock.settimeout(max(exchange.left(), 0.001))
        if context is not None:
            sock = context.wrap_socket(sock, server_hostname=place.host)
        exchange.check()
    except BaseException:
        sock.close()
        raise
    return sock


def _connected(place: Place, exchange: Exchange) -> socket.socket:
    """
    Try the addresses of *place* until one answers.
    """
    import socket

    problem = OSError()
    for family, kind, number, _, address in socket.getaddrinfo(
        place.host, place.port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, number)
        try:
            exchange.hold(sock)
            sock.settimeout(max(exchange.left(), 0.001))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
        except OSError as error:
            sock.close()
            exchange.check()
            problem = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise problem
