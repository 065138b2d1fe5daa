# SPDX-License-Identifier: MIT
"""
Positions out of NMEA 0183, as GNSS receivers speak it.

The sentences RMC, GGA and GLL of any talker give positions. A sentence
without a right checksum, or that the receiver itself calls invalid, put in by
hand or simulated, is passed over.

A receiver tells one instant by sentences of several kinds; the first of them
counts. When a kind comes again it is the next instant, whatever the clock
says: that of a receiver may stand still.

The two digits of a year mean 1980 to 2079. An old receiver whose week counter
has rolled over tells dates that are 1,024 weeks off; that cannot be seen here.

Source: NMEA 0183, in the description of gpsd ("NMEA Revealed", E. Raymond).
"""

from __future__ import annotations

import re

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import xor

from consentkit.collectors.location import Fix, TrackError


__all__ = ["NMEAParser", "checksum"]

#: A sentence has at most 82 characters; tag blocks make lines longer.
_LONGEST_LINE = 512

_SENTENCE = re.compile(rb"\$([!-)+-~]{5,100})\*([0-9A-Fa-f]{2})")
_ANGLE = re.compile(r"(\d{2,3})(\d{2}(?:\.\d{1,12})?)")
_TIME = re.compile(r"(\d{2})(\d{2})(\d{2})(?:\.(\d{1,6})\d{0,6})?")
_DATE = re.compile(r"(\d{2})(\d{2})(\d{2})")

#: For each kind of sentence: where time and latitude stand, and where the
#: status stands.
_LAYOUT = {"RMC": (1, 3, 2), "GGA": (1, 2, 6), "GLL": (5, 1, 6)}

#: Where RMC and GLL tell the mode, since version 2.3.
_MODE = {"RMC": 12, "GLL": 7}

_NO_FIX = "the receiver had no fix"
_BY_HAND = "a position that was put in by hand"
_SIMULATED = "a position that is simulated"

#: What is wrong with a position, by the status of its sentence or by its
#: mode. RMC and GLL say "A" or "V", GGA the quality: 7 is by hand, 8 simulated.
_STATUSES = {
    "": _NO_FIX,
    "0": _NO_FIX,
    "7": _BY_HAND,
    "8": _SIMULATED,
    "V": _NO_FIX,
}
_MODES = {"M": _BY_HAND, "N": _NO_FIX, "S": _SIMULATED}


def checksum(body: bytes) -> int:
    """
    Give the checksum of what stands between ``$`` and ``*``.
    """
    return reduce(xor, body, 0)


class NMEAParser:
    """
    Give the fixes of a stream of sentences.

    Attributes:
        passed_over: The first sentence that gave no position though its kind
            does, or that is damaged; without any part of it.

        dropped: How many such sentences there were.
    """

    def __init__(self) -> None:
        self.passed_over: TrackError | None = None
        self.dropped: int = 0
        self._line = 0
        self._rest = b""
        self._date: date | None = None
        self._since = time.min
        self._last = ""
        self._told: set[str] = set()

    def feed(self, data: bytes) -> list[Fix]:
        """
        Take the next piece; give the fixes that it completes.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        # One longer line is noise: enough is kept to see that.
        self._rest = self._rest[: _LONGEST_LINE + 1]
        return [fix for line in lines if (fix := self._take(line))]

    def finish(self) -> list[Fix]:
        """
        Take the end of the file; give what was left.
        """
        return self.feed(b"\n") if self._rest else []

    def _take(self, line: bytes) -> Fix | None:
        self._line += 1
        try:
            return self._fix(line)
        except ValueError as error:
            fault = TrackError(self._line, str(error))
            self.passed_over = self.passed_over or fault
            self.dropped += 1
            return None

    def _fix(self, line: bytes) -> Fix | None:
        fields = _fields(line)
        kind = fields[0][2:] if len(fields[0]) == 5 else ""
        if kind not in _LAYOUT:
            return None
        at, place, status = _LAYOUT[kind]
        # Fields at the end may be missing in old versions.
        fields = [*fields, *[""] * 13]
        mode = fields[_MODE[kind]] if kind in _MODE else ""
        if msg := _STATUSES.get(fields[status]) or _MODES.get(mode):
            raise ValueError(msg)
        clock = _clock(fields[at])
        if kind == "RMC":
            self._remember(fields[9], clock)
        if self._is_told(fields[0], fields[at]):
            return None
        latitude, longitude = _place(fields[place : place + 4])
        self._last, self._told = fields[at], {fields[0]}
        return Fix(
            latitude=latitude, longitude=longitude, time=self._when(clock)
        )

    def _is_told(self, sentence: str, at: str) -> bool:
        """
        Tell whether another kind of *sentence* has told this instant.
        """
        if not at or at != self._last or sentence in self._told:
            return False
        self._told.add(sentence)
        return True

    def _remember(self, text: str, clock: time | None) -> None:
        """
        Keep the date, which only RMC tells.
        """
        match = _DATE.fullmatch(text)
        if match is None:
            return
        day, month, year = map(int, match.groups())
        century = 1900 if year >= 80 else 2000
        try:
            self._date = date(century + year, month, day)
        except ValueError:
            self._date = None
        self._since = clock or time.min

    def _when(self, clock: time | None) -> datetime | None:
        if clock is None or self._date is None:
            return None
        when = datetime.combine(self._date, clock, UTC)
        since = datetime.combine(self._date, self._since, UTC)
        # Half a day back is the next day, of which RMC tells only later.
        if since - when > timedelta(hours=12):
            when += timedelta(days=1)
        return when


def _fields(line: bytes) -> list[str]:
    """
    Take a sentence apart, checksum checked.
    """
    text = line.strip()
    if text.startswith(b"\\"):
        text = text[1:].partition(b"\\")[2]  # a tag block
    if not text or text.startswith(b"!"):
        return [""]  # a blank line, or a sentence of AIS
    if len(line) > _LONGEST_LINE:
        msg = "longer than a sentence can be"
        raise ValueError(msg)
    match = _SENTENCE.fullmatch(text)
    if match is None:
        msg = "not a sentence with a checksum"
        raise ValueError(msg)
    if checksum(match[1]) != int(match[2], 16):
        msg = "the checksum is wrong"
        raise ValueError(msg)
    return match[1].decode("ascii").split(",")


def _place(fields: Sequence[str]) -> tuple[float, float]:
    latitude, north, longitude, east = fields
    if north not in {"N", "S"} or east not in {"E", "W"}:
        msg = "a position without its hemispheres"
        raise ValueError(msg)
    return (
        _degrees(latitude, 2, 90) * (1 if north == "N" else -1),
        _degrees(longitude, 3, 180) * (1 if east == "E" else -1),
    )


def _degrees(text: str, digits: int, most: int) -> float:
    """
    Read degrees and minutes that are written without anything between.
    """
    match = _ANGLE.fullmatch(text)
    if match is not None and len(match[1]) == digits:
        minutes = float(match[2])
        degrees = int(match[1]) + minutes / 60
        if minutes < 60 and degrees <= most:
            return degrees
    msg = "a position that is not in degrees and minutes"
    raise ValueError(msg)


def _clock(text: str) -> time | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = (int(part) for part in match.groups()[:3])
    microsecond = int((match[4] or "0").ljust(6, "0"))
    try:
        return time(hour, minute, second, microsecond)
    except ValueError:
        return None  # a leap second, which Python has not
