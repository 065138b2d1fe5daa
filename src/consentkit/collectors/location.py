# SPDX-License-Identifier: MIT
"""
Where the device is: a fix, and sources of it.

A fix is raw. What leaves the collector is what the policy's protection, such
as a grid, makes of it. No text of this room (reasons, errors, ``repr``) holds
a coordinate.

Angles are degrees, lengths metres, instants aware ``datetime``.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol

from attrs import field, frozen

from consentkit.collectors.source import Source, Unavailable
from consentkit.gate import Permit


__all__ = ["CRS", "Fix", "LocationSource", "TrackSource"]

#: Coordinate systems that a source may declare.
CRS = ("wgs84", "gcj02", "bd09")


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
    """

    data_types: frozenset[str] = frozenset(
        {"location_precise", "location_coarse"}
    )


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

    The file is opened by a read, never before, and closed again; at most one
    piece of it (16 KiB) is in memory. Its content tells the format: GPX, or
    NMEA 0183.

    Args:
        path: The recorded file.
    """

    _PIECE_BYTES: ClassVar[int] = 16_384

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self.name: str = f"the recorded track {self._path}"
        self._offset = 0
        self._given = 0
        self._waiting: deque[Fix] = deque()
        self._parser: TrackParser | None = None
        self._end = ""

    def _read(self, permit: Permit, **_options: Any) -> Fix | Unavailable:
        if not self._waiting and not self._end:
            try:
                self._fill()
            except TrackError as fault:
                self._end = f"{self._path}, {fault}"
            except OSError as error:
                # Not remembered: the file may be there at the next read.
                reason = f"{self._path}: {error.strerror or 'cannot be read'}"
                return Unavailable(permit.clause.type, reason)
        if not self._waiting:
            return Unavailable(permit.clause.type, self._end)
        self._given += 1
        return self._waiting.popleft()

    def _fill(self) -> None:
        """
        Read on until there is a fix or the file ends.
        """
        with self._path.open("rb") as file:
            file.seek(self._offset)
            while not self._waiting:
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
        return f"{self._path}: holds no position{more}"


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
