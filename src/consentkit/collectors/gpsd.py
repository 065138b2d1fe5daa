# SPDX-License-Identifier: MIT
"""
A fix from gpsd, the daemon that speaks with GNSS receivers.

Each read is one short connection: nothing listens between reads, and gpsd,
which switches receivers off when nobody watches, may do so.

Source: gpsd_json(5), protocol version 3: ``?WATCH``, ``TPV``.

Times are seconds.
"""

from __future__ import annotations

import json
import math
import socket
import time

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

from consentkit.collectors._deadline import (
    Deadline,
    FailedCallError,
    check_age,
    check_seconds,
)
from consentkit.collectors.location import Fix, LocationSource
from consentkit.collectors.source import Unavailable
from consentkit.gate import Permit


__all__ = ["GpsdSource"]

#: As `socket.getaddrinfo` gives it.
_Address: TypeAlias = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, Any
]

_WATCH = b'?WATCH={"enable":true,"json":true};\n'

#: A report of gpsd is below 11 kB; what is longer is not one.
_LONGEST_LINE = 65_536

#: TPV modes: 2 has a place, 3 has an altitude too.
_MODES = (2, 3)

#: TPV modes: 0 is not known yet, 1 has no fix.
_MODES_WITHOUT = (0, 1)

#: A TPV status: nobody was there.
_SIMULATED = 8


class GpsdSource(LocationSource):
    """
    The fix that gpsd has, or gets within a deadline.

    Args:
        host: Name or address. An address is better: to look a name up takes
            a thread, as it has no deadline of its own.

        port: gpsd's port; 2947 unless it was told otherwise.

        timeout_seconds: How long one read may take, all in all.

        max_age_seconds: How old a fix may be by its own time; endless
            (`math.inf`) for a recording that is played to gpsd, and for a
            receiver whose clock is known to be wrong.

    Raises:
        ValueError: If *timeout_seconds* is not a positive, finite number, or
            *max_age_seconds* not a positive one.
    """

    id: str = "gpsd"
    timeout_seconds: float | None = None  # it keeps its own
    touches: str = "a connection to gpsd, for the time of the read"
    visible: str = (
        "gpsd switches the receiver on while it is asked, and may log that "
        "somebody watched"
    )
    platforms: frozenset[str] = frozenset({"desktop", "iot"})

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 2947,
        *,
        timeout_seconds: float = 5.0,
        max_age_seconds: float = 300.0,
    ) -> None:
        self._timeout = check_seconds("timeout_seconds", timeout_seconds)
        self.max_age_seconds: float = check_age(max_age_seconds)
        self._where = f"{host}:{port}"
        self.name: str = f"gpsd on {self._where}"
        self._dropped = 0
        self._address = (host, port)
        self._look_up = Deadline(partial(_looked_up, host, port))

    @property
    def dropped(self) -> int:
        """
        How many lines were passed over: no report of gpsd, or one of a fix
        without a place, a time or a status that can be.

        .. versionadded:: 26.1.0
        """
        return self._dropped

    def _read(self, permit: Permit, **_options: Any) -> Fix | Unavailable:
        answer = self._ask(time.monotonic() + self._timeout)
        if isinstance(answer, Fix):
            return answer
        return Unavailable(permit.clause.type, answer)

    def _ask(self, deadline: float) -> Fix | str:
        """
        Give a fix, or why there is none.
        """
        connection = self._connect(deadline)
        if connection is None:
            return (
                f"gpsd does not answer on {self._where}; start it, or give "
                "the source the host and port that it listens on"
            )
        missing = f"gpsd on {self._where} sent nothing that gpsd would send"
        with connection:
            try:
                connection.sendall(_WATCH)
                for report in _reports(connection, deadline):
                    if report is None:
                        self._dropped += 1
                        continue
                    fix = _fix(report)
                    if fix is not None:
                        return fix
                    if _is_false(report):
                        self._dropped += 1
                    missing = _missing(report) or missing
            except TimeoutError:
                return missing
            except OSError:
                pass
        return f"gpsd on {self._where} closed the connection"

    def _connect(self, deadline: float) -> socket.socket | None:
        """
        Connect to the first address that answers, within one deadline.
        """
        for family, kind, protocol, _, address in self._addresses(deadline):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(_left(deadline))
                connection.connect(address)
            except OSError:
                connection.close()
                continue
            return connection
        return None

    def _addresses(self, deadline: float) -> Sequence[_Address]:
        """
        Give the addresses of the host; a name is looked up in a thread.
        """
        with suppress(OSError):  # it is an address
            return _looked_up(*self._address, flags=socket.AI_NUMERICHOST)
        with suppress(TimeoutError, FailedCallError):
            return self._look_up.call(_left(deadline))
        return ()


def _looked_up(host: str, port: int, *, flags: int = 0) -> Sequence[_Address]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)


def _left(deadline: float) -> float:
    """
    Give the seconds until *deadline*.

    Raises:
        TimeoutError: If there are none.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _reports(
    connection: socket.socket, deadline: float
) -> Iterator[Mapping[str, object] | None]:
    """
    Give gpsd's reports, and ``None`` for a line that is none.

    Raises:
        TimeoutError: At the deadline.
    """
    rest = b""
    skipping = False
    while True:
        connection.settimeout(_left(deadline))
        data = connection.recv(16_384)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield None if skipping else _report(line)
            skipping = False
        if len(rest) > _LONGEST_LINE:
            rest, skipping = b"", True


def _report(line: bytes) -> Mapping[str, object] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and "class" in value else None


def _missing(report: Mapping[str, object]) -> str:
    """
    Say what a report without a fix tells of the reason.
    """
    match report:
        case {"class": "TPV", "status": int(status)} if status == _SIMULATED:
            return "the receiver of gpsd simulates a place"
        case {"class": "TPV"} if _is_false(report):
            return "gpsd tells of a fix, but of none that can be"
        case {"class": "DEVICES", "devices": []}:
            return "gpsd has no receiver; add one with gpsdctl"
        case {"class": "VERSION" | "DEVICE" | "DEVICES" | "TPV"}:
            return "gpsd has no fix yet"
        case _:
            return ""


def _is_false(report: Mapping[str, object]) -> bool:
    """
    Tell whether a report in which no fix was found should hold one.

    A true TPV has a mode, and below 2 no place.
    """
    if report["class"] != "TPV" or report.get("status") == _SIMULATED:
        return False
    return report.get("mode") not in _MODES_WITHOUT


def _fix(report: Mapping[str, object]) -> Fix | None:
    """
    Read a TPV report that has a place.
    """
    if report["class"] != "TPV" or report.get("mode") not in _MODES:
        return None
    status, at = report.get("status"), report.get("time")
    if status == _SIMULATED or not isinstance(status, int | None):
        return None
    # gpsd leaves the time out where it knows none.
    instant = _instant(at)
    if at is not None and instant is None:
        return None
    latitude = _number(report.get("lat"), 90)
    longitude = _number(report.get("lon"), 180)
    if latitude is None or longitude is None:
        return None
    return Fix(
        latitude=latitude,
        longitude=longitude,
        accuracy_m=_accuracy(report),
        time=instant,
    )


def _number(value: object, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -most <= value <= most else None


def _accuracy(report: Mapping[str, object]) -> float | None:
    """
    Give the estimated horizontal error, which older gpsd tells by axis.
    """
    if (whole := _number(report.get("eph"), 1e8)) is not None:
        return abs(whole)
    x = _number(report.get("epx"), 1e8)
    y = _number(report.get("epy"), 1e8)
    return None if x is None or y is None else math.hypot(x, y)


def _instant(value: object) -> datetime | None:
    try:
        time_ = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return time_ if time_.tzinfo else None
