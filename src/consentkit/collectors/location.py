# SPDX-License-Identifier: MIT
"""
Where the device is: a fix, and sources of it.

A fix is raw. What leaves the collector is what the policy's protection, such
as a grid, makes of it. No text of this room (reasons, errors, ``repr``) holds
a coordinate.

A fix that its source believes in less exactly than the policy's cell is large
is none: the cell would be made up. Neither is one of another time than now.

Angles are degrees, lengths metres, instants aware ``datetime``, durations
seconds.
"""

from __future__ import annotations

import os
import stat
import time

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final, Protocol

from attrs import field, frozen

from consentkit._fork import Mutex, load
from consentkit.collectors._deadline import check_age, check_seconds
from consentkit.collectors.source import Source, Unavailable
from consentkit.gate import Permit
from consentkit.policy.model import ProtectionName


__all__ = [
    "CRS",
    "CallableLocation",
    "Fix",
    "LocationSource",
    "TrackError",
    "TrackParser",
    "TrackSource",
]

#: Coordinate systems that a source may declare.
CRS = ("wgs84", "gcj02", "bd09")

#: By how much a source's clock may be ahead of this machine's.
_AHEAD_SECONDS: Final = 300.0


@frozen(kw_only=True)
class Fix:
    """
    A place at a time, as a source gave it.

    Attributes:
        latitude, longitude: Degrees north and east, in *crs*.

        accuracy_m: Radius in metres that the source believes in, or
            ``None`` where it says nothing.

        time: When the device was there, if the source tells.

        crs: One of `CRS`: what the source declares, never guessed.

    Raises:
        ValueError: If a value is out of its range; it is not shown.
    """

    latitude: float = field(repr=False)
    longitude: float = field(repr=False)
    accuracy_m: float | None = None
    time: datetime | None = field(default=None, repr=False)
    crs: str = "wgs84"

    def __attrs_post_init__(self) -> None:
        # Written so that NaN, which compares as false, fails as well.
        accuracy = 0.0 if self.accuracy_m is None else self.accuracy_m
        rules = {
            "latitude must be a number from -90 to 90": (
                -90 <= self.latitude <= 90
            ),
            "longitude must be a number from -180 to 180": (
                -180 <= self.longitude <= 180
            ),
            "accuracy_m must be a finite number, zero or more": (
                0 <= accuracy < float("inf")
            ),
            "time must have an offset": (
                self.time is None or self.time.utcoffset() is not None
            ),
            f"crs must be one of {', '.join(CRS)}": self.crs in CRS,
        }
        for rule, holds in rules.items():
            if not holds:
                raise ValueError(rule)


class LocationSource(Source[Fix]):
    """
    Base of everything that gives a `Fix`.

    Attributes:
        max_age_seconds: How old a fix may be by its own time. An older one
            gives `Unavailable`, and so does one of more than 5 minutes in
            the future; endless for a recording, which is of another time.
    """

    data_types: frozenset[str] = frozenset(
        {"location_precise", "location_coarse"}
    )
    max_age_seconds: float = 300.0

    def _fit(self, permit: Permit, found: Any) -> Fix | Unavailable:
        if isinstance(found, Fix):
            protection = permit.clause.protection
            is_grid = protection.name is ProtectionName.GRID
            cell_km = protection.cell_km if is_grid else float("inf")
            if reason := self._against(found, cell_km):
                return Unavailable(permit.clause.type, reason)
        return super()._fit(permit, found)

    def _against(self, fix: Fix, cell_km: float) -> str:
        """
        Say what is wrong with a fix for a promise of such cells.
        """
        if (fix.accuracy_m or 0) > 1000 * cell_km:
            return (
                f"{self.name} knows the place less exactly than the cell "
                "that the policy promises"
            )
        if fix.time is None or self.max_age_seconds == float("inf"):
            return ""
        age = (datetime.now(UTC) - fix.time).total_seconds()
        if age > self.max_age_seconds:
            return f"{self.name} gave a place of the past"
        if age < -_AHEAD_SECONDS:
            return f"{self.name} gave a place of the future"
        return ""


class TrackError(ValueError):
    """
    A recorded track cannot be read on.

    Attributes:
        line: Where, counted from 1.

        problem: What is wrong there; no part of the text.
    """

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(line, problem)
        self.line = line
        self.problem = problem

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}"


class TrackParser(Protocol):
    """
    What reads one format of recorded tracks, piece by piece.
    """

    #: The first thing that was passed over, or ``None``.
    passed_over: TrackError | None

    #: How many things were.
    dropped: int

    def feed(self, data: bytes) -> list[Fix]:
        """
        Take the next piece; give the fixes that it completes.
        """

    def finish(self) -> list[Fix]:
        """
        Take the end of the file; give what was left.
        """


class TrackSource(LocationSource):
    """
    A recorded track, replayed: each read gives the next fix.

    The file is opened by a read, never before, and closed again; it is read
    in pieces of 16 KiB. Its content tells the format: GPX, or NMEA 0183.
    Several threads may read one track, each fix goes to one of them.

    Args:
        path: The recorded file; a regular one, as the other kinds may never
            have an end.

        timeout_seconds: How long one read looks for the next fix. The read
            after it goes on from there.

    Raises:
        ValueError: If *timeout_seconds* is not a positive, finite number.
    """

    id: str = "track"
    timeout_seconds: float | None = None  # it keeps its own
    max_age_seconds: float = float("inf")
    touches: str = "one file, opened for reading and closed again"
    platforms: frozenset[str] = frozenset({"desktop", "iot"})

    _PIECE_BYTES: ClassVar[int] = 16_384

    def __init__(
        self, path: Path | str, *, timeout_seconds: float = 5.0
    ) -> None:
        self._path = Path(path)
        self._timeout = check_seconds("timeout_seconds", timeout_seconds)
        # The folders before it often name the user.
        self.name: str = f"the recorded track {self._path.name}"
        self._mutex = Mutex()
        self._offset = 0
        self._given = 0
        self._waiting: deque[Fix] = deque()
        self._parser: TrackParser | None = None
        self._end = ""

    @property
    def dropped(self) -> int:
        """
        How many sentences were passed over: damaged, or without a position.

        .. versionadded:: 26.1.0
        """
        return 0 if self._parser is None else self._parser.dropped

    def _read(self, permit: Permit, **_options: Any) -> Fix | Unavailable:
        for parser in _PARSERS:
            load(parser)  # not below: no other lock may be taken there
        with self._mutex:
            found = self._next()
        if isinstance(found, Fix):
            return found
        return Unavailable(permit.clause.type, found)

    def _next(self) -> Fix | str:
        """
        Give the next fix, or why there is none.
        """
        if not self._waiting and not self._end:
            try:
                self._fill(time.monotonic() + self._timeout)
            except TrackError as fault:
                self._end = f"{self.name}, {fault}"
            except OSError as error:
                # Not remembered: the file may be there at the next read.
                return f"{self.name}: {error.strerror or 'cannot be read'}"
        if self._waiting:
            self._given += 1
            return self._waiting.popleft()
        return self._end or f"{self.name}: no position was found in time"

    def _fill(self, deadline: float) -> None:
        """
        Read on until there is a fix, the file ends, or it is too late.
        """
        with _open_regular(self._path) as file:
            file.seek(self._offset)
            while not self._waiting and time.monotonic() < deadline:
                piece = file.read(self._PIECE_BYTES)
                if self._parser is None:
                    self._parser = _parser_of(piece)
                if not piece:
                    self._waiting.extend(self._parser.finish())
                    self._end = self._last_words(self._parser)
                    return
                self._offset += len(piece)
                self._waiting.extend(self._parser.feed(piece))

    def _last_words(self, parser: TrackParser) -> str:
        if self._given or self._waiting:
            return "the track is at its end"
        fault = parser.passed_over
        more = f", {fault}" if fault else ""
        return f"{self.name}: holds no position{more}"


_PARSERS: Final = ("consentkit.collectors.gpx", "consentkit.collectors.nmea")


def _open_regular(path: Path) -> BinaryIO:
    """
    Open a file without waiting for whoever may be at its other end.

    Raises:
        OSError: If it is not there, or is no regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(path, flags)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise OSError(0, "it is no regular file")


def _parser_of(head: bytes) -> TrackParser:
    """
    Choose the parser by the beginning of a file.
    """
    from consentkit.collectors.gpx import GPXParser
    from consentkit.collectors.nmea import NMEAParser

    if head.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")[:1] == b"<":
        return GPXParser()
    # A recording may begin in the middle of a sentence.
    if head[:1] in {b"$", b"\\", b"!"} or b"\n$" in head:
        return NMEAParser()
    raise TrackError(1, "neither GPX nor NMEA 0183")


class CallableLocation(LocationSource):
    """
    A place that the app gets in its own way: from a map, a vehicle, a person.

    The callable is called by a read, never before, in a thread of its own,
    and what it raises stays there. When it is late it is left to itself; its
    result is dropped, and it is not called again before it has ended.

    Args:
        call: Gives a `Fix`, a pair of latitude and longitude, or ``None``
            where there is no place.

        crs: One of `CRS`: the coordinate system of its pairs. A `Fix` says
            its own.

        name: What it is, for people.

        touches: What a call touches, for people.

        visible: What remains visible of a call, for people.

        timeout_seconds: How long one read may take, all in all.

        max_age_seconds: How old a `Fix` may be by its own time.

    Raises:
        TypeError: If *call* is a coroutine function, which a thread without
            an event loop cannot call.

        ValueError: If *crs* is another one, *timeout_seconds* is not a
            positive, finite number, or *max_age_seconds* not a positive one.

    .. versionadded:: 26.1.0
    """

    id: str = "callable"

    def __init__(
        self,
        call: Callable[[], Fix | tuple[float, float] | None],
        *,
        crs: str,
        name: str = "the app's own place",
        touches: str = "what the app's own function touches",
        visible: str = "",
        timeout_seconds: float = 5.0,
        max_age_seconds: float = 300.0,
    ) -> None:
        if iscoroutinefunction(call):
            msg = "call must be a plain function, not a coroutine function"
            raise TypeError(msg)
        if crs not in CRS:
            msg = f"crs must be one of {', '.join(CRS)}"
            raise ValueError(msg)
        seconds = check_seconds("timeout_seconds", timeout_seconds)
        self.timeout_seconds: float | None = seconds
        self.max_age_seconds: float = check_age(max_age_seconds)
        self._crs = crs
        self._call: Callable[[], object] = call
        self.name: str = name
        self.touches: str = touches
        self.visible: str = visible

    def _read(self, permit: Permit, **_options: Any) -> Fix | Unavailable:
        answer = self._ask()
        if isinstance(answer, Fix):
            return answer
        return Unavailable(permit.clause.type, answer)

    def _ask(self) -> Fix | str:
        """
        Give a fix, or why there is none.
        """
        match self._call():
            case None:
                return f"{self.name} has no place now"
            case Fix() as given:
                return given
            case (int() | float() as latitude, int() | float() as longitude):
                place = _made(latitude, longitude, self._crs)
                return place or f"{self.name} gave no place on the earth"
            case _:
                return f"{self.name} gave no place"


def _made(latitude: float, longitude: float, crs: str) -> Fix | None:
    if isinstance(latitude, bool) or isinstance(longitude, bool):
        return None
    try:
        return Fix(latitude=latitude, longitude=longitude, crs=crs)
    except (ValueError, OverflowError):
        return None
