# SPDX-License-Identifier: MIT
"""
The screen: how many dots it has, and how large it is.

Under X11 the display server tells it in the first answer to a connection,
before anything is asked; without one the kernel does, for the first screen
that is plugged in. Under Wayland the kernel is asked, too: what is told
there does not depend on how the person has scaled the desktop.

A screen's own data (EDID) hold its serial number. Two bytes of them are
read, its width and height, and no others.

Lengths are millimetres, times seconds.

Source: X Window System Protocol, X11R7.7, section 8 (connection setup);
Xsecurity(7) and ``XauGetBestAuthByAddr(3)`` for the key; Linux,
``Documentation/gpu/drm-uapi.rst``; VESA E-EDID 1.4, section 3.6 (bytes 21
and 22).
"""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
import time

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from consentkit.collectors._files import read_bytes, read_line
from consentkit.collectors.device import Fact
from consentkit.collectors.source import Source, Unavailable
from consentkit.gate import Permit


__all__ = ["ScreenSource"]

_LOCAL: Final = re.compile(r"(?:unix)?:(?P<number>\d{1,5})(?:\.(?P<n>\d+))?")

#: Kinds of addresses in a file of keys, each for any host or for this one.
_WILD, _THIS_HOST = 65_535, 256

_KEY_NAME: Final = b"MIT-MAGIC-COOKIE-1"

#: A setup with hundreds of visuals; what is longer is not one.
_LONGEST_BYTES: Final = 4 * 65_535

_MM_PER_INCH: Final = 25.4


@frozen(kw_only=True)
class _Screen:
    """
    Width and height, in dots and in millimetres (0: not told).
    """

    dots: tuple[int, int]
    size_mm: tuple[int, int]


class ScreenSource(Source[Fact]):
    """
    The screen, or under X11 all of its screens as one area.

    ``screen_resolution`` is ``1920x1080`` in dots, ``screen_size`` is
    ``598x336`` in millimetres, ``screen_density`` a whole number of dots an
    inch, ``screen_orientation`` is ``landscape`` or ``portrait``. An X
    server that does not know the size makes one up, for 96 dots an inch.

    Args:
        environ: Where the display is named; `os.environ` when not given.

        drm: Folder in which Linux shows its screens.

        sockets: Folder in which X servers listen.

        timeout_seconds: How long the X server may take, all in all.

    Raises:
        ValueError: If *timeout_seconds* is not positive.

    .. versionadded:: 26.1.0
    """

    id: str = "screen"
    timeout_seconds: float | None = None  # it keeps its own
    name = "the screen"
    data_types: frozenset[str] = frozenset(
        {
            "screen_density",
            "screen_orientation",
            "screen_resolution",
            "screen_size",
        }
    )
    platforms: frozenset[str] = frozenset({"desktop", "iot"})
    visible: str = "under X11, a client that comes and goes at the server"

    def __init__(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        drm: Path = Path("/sys/class/drm"),
        sockets: Path = Path("/tmp/.X11-unix"),  # noqa: S108 - X's own
        timeout_seconds: float = 2.0,
    ) -> None:
        if not timeout_seconds > 0:
            msg = "timeout_seconds must be a positive number of seconds"
            raise ValueError(msg)
        self._environ = environ
        self._drm = drm
        self._sockets = sockets
        self._timeout = timeout_seconds
        self.touches: str = f"the X server, with its key; else files in {drm}"

    def _read(self, permit: Permit, **_options: Any) -> Fact | Unavailable:
        data_type = permit.clause.type
        environ = os.environ if self._environ is None else self._environ
        display = environ.get("DISPLAY", "")
        found: _Screen | str | None
        if display and not environ.get("WAYLAND_DISPLAY"):
            found = self._ask_server(display, environ)
        else:
            found = _plugged_in(self._drm)
        if isinstance(found, str):
            return Unavailable(data_type, found)
        value = None if found is None else _fact(found, data_type)
        if value is None:
            return Unavailable(data_type, f"{self.name} does not tell it")
        return value

    def _ask_server(
        self, display: str, environ: Mapping[str, str]
    ) -> _Screen | str:
        """
        Ask the X server, or say why that cannot be done.
        """
        match = _LOCAL.fullmatch(display)
        if match is None:
            return "the display is another machine's"
        number = int(match["number"])
        path = self._sockets / f"X{number}"
        deadline = time.monotonic() + self._timeout
        try:
            setup = _setup(path, _key(number, environ), deadline)
        except TimeoutError:
            return "the X server did not answer in time"
        except OSError:
            return "the X server cannot be reached"
        if setup is None:
            return "the X server turned us away"
        found = _parse(setup, int(match["n"] or 0))
        return found or "the X server sent nothing that one would send"


def _fact(screen: _Screen, data_type: str) -> Fact | None:
    width, height = screen.dots
    width_mm, height_mm = screen.size_mm
    match data_type:
        case "screen_resolution":
            return f"{width}x{height}"
        case "screen_orientation":
            return "portrait" if height > width else "landscape"
        case "screen_size" if width_mm and height_mm:
            return f"{width_mm}x{height_mm}"
        case "screen_density" if width_mm:
            return round(width * _MM_PER_INCH / width_mm)
    return None


# The kernel


def _plugged_in(drm: Path) -> _Screen | None:
    """
    Find the first screen that is plugged in, those that are on before.
    """
    names: list[tuple[bool, str]] = []
    with suppress(OSError):
        for one in drm.iterdir():
            if read_line(one / "status") == "connected":
                is_off = read_line(one / "enabled") != "enabled"
                names.append((is_off, one.name))
    for _, name in sorted(names):
        # The first is the one that the screen itself prefers.
        mode = re.match(
            r"(\d{1,5})x(\d{1,5})", read_line(drm / name / "modes")
        )
        if mode:
            size = read_bytes(
                drm / name / "edid", offset_bytes=21, count_bytes=2
            )
            return _Screen(
                dots=(int(mode[1]), int(mode[2])),
                # Centimetres; with one of them 0 they are an aspect ratio.
                size_mm=(size[0] * 10, size[1] * 10)
                if len(size) == 2 and all(size)
                else (0, 0),
            )
    return None


# The X server


def _setup(path: Path, key: bytes, deadline: float) -> bytes | None:
    """
    Connect, and give what the server tells of itself; ``None`` is a no.

    Raises:
        OSError: If there is no server, it hangs up, or it is too slow.
    """
    name = _KEY_NAME if key else b""
    order = b"l" if sys.byteorder == "little" else b"B"
    hello = struct.pack(
        "=cxHHHHxx", order, 11, 0, len(name), len(key)
    ) + b"".join(one + bytes(-len(one) % 4) for one in (name, key))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.settimeout(_left(deadline))
        server.connect(str(path))
        server.sendall(hello)
        head = _exactly(server, 8, deadline)
        is_yes, length = head[0] == 1, struct.unpack("=H", head[6:])[0]
        if not is_yes:
            return None
        return _exactly(server, min(4 * length, _LONGEST_BYTES), deadline)


def _exactly(
    server: socket.socket, count_bytes: int, deadline: float
) -> bytes:
    parts = b""
    while len(parts) < count_bytes:
        server.settimeout(_left(deadline))
        part = server.recv(count_bytes - len(parts))
        if not part:
            raise ConnectionResetError
        parts += part
    return parts


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _parse(setup: bytes, wanted: int) -> _Screen | None:
    """
    Find the *wanted* screen in a setup, if it is one.
    """
    with suppress(struct.error, IndexError):
        vendor_bytes, _, screens, formats = struct.unpack_from(
            "=HHBB", setup, 16
        )
        at = 32 + vendor_bytes + -vendor_bytes % 4 + 8 * formats
        for number in range(screens):
            sizes = struct.unpack_from("=HHHH", setup, at + 20)
            if number == wanted and all(sizes[:2]):
                return _Screen(dots=sizes[:2], size_mm=sizes[2:])
            at = _after_screen(setup, at)
    return None


def _after_screen(setup: bytes, at: int) -> int:
    """
    Step over a screen with its depths and their visuals.
    """
    depths = setup[at + 39]
    at += 40
    for _ in range(depths):
        (visuals,) = struct.unpack_from("=H", setup, at + 2)
        at += 8 + 24 * visuals
    return at


def _key(number: int, environ: Mapping[str, str]) -> bytes:
    """
    Give this user's key for display *number*, or nothing.
    """
    named = environ.get("XAUTHORITY", "")
    home = environ.get("HOME", "")
    if not named and not home:
        return b""
    file = Path(named) if named else Path(home, ".Xauthority")
    rest = read_bytes(file)
    with suppress(struct.error):
        while rest:
            (family,) = struct.unpack_from(">H", rest)
            rest = rest[2:]
            fields = []
            for _ in range(4):
                (length,) = struct.unpack_from(">H", rest)
                fields.append(rest[2 : 2 + length])
                rest = rest[2 + length :]
            _, shown, name, key = fields
            is_ours = family in {_WILD, _THIS_HOST} and name == _KEY_NAME
            if is_ours and shown in {b"", str(number).encode()}:
                return key
    return b""
