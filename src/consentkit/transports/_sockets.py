# SPDX-License-Identifier: MIT
"""
Connections that are broken off, so that nothing more of them leaves.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    import socket


__all__ = ["break_off"]


def break_off(sock: socket.socket) -> None:
    """
    Stop all traffic on *sock* and wake whoever is blocked in it.
    """
    import struct

    from socket import SHUT_RDWR, SO_LINGER, SOL_SOCKET, socket

    # Without a lingering time, closing throws away what still waits in the
    # system's buffer to be sent.
    with suppress(OSError):
        sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    with suppress(OSError):
        socket.shutdown(sock, SHUT_RDWR)
