# SPDX-License-Identifier: MIT
"""
Points of a GPX track, read piece by piece.

A document type declaration is refused before anything in it is looked at, so
that there are no entities to expand. Neither does Expat get to keep what it
would keep to the end: a tag without its end, tags in tags, names. Points of
tracks and routes are fixes; waypoints are places that somebody marked, and
are passed over.

Source: GPX 1.1 Schema Documentation, ``wptType``.
"""

from __future__ import annotations

import re

from datetime import UTC, datetime
from xml.parsers import expat

from consentkit.collectors.location import Fix, TrackError


__all__ = ["GPXParser"]

_POINTS = frozenset({"trkpt", "rtept"})

_DEGREES = re.compile(r"[+-]?\d{1,3}(?:\.\d{0,20})?")

#: Longer than any time; the rest of a longer text is not kept.
_LONGEST_TIME = 40

#: Expat keeps a tag or comment whole until its end has come, every name that
#: it meets, and the tags that are open. None of GPX is near these.
_LONGEST_MARKUP_BYTES = 1_048_576
_DEEPEST = 64
_MOST_NAMES = 1_000
_LONGEST_NAME = 256


class GPXParser:
    """
    Give the fixes of a GPX document.

    What stands before a fault is given first.

    Attributes:
        passed_over: Nothing ever is: a document has a fault, or has none.

        dropped: Zero, for the same reason.
    """

    def __init__(self) -> None:
        self.passed_over: TrackError | None = None
        self.dropped: int = 0
        self._fed = 0
        self._fixes: list[Fix] = []
        self._found_fault: TrackError | None = None
        self._names: set[str] = set()
        self._depth = 0
        self._place: tuple[float, float] | None = None
        self._text: str | None = None
        self._time: datetime | None = None
        self._first = True
        self._expat = expat.ParserCreate()
        self._expat.StartDoctypeDeclHandler = self._doctype
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._stop
        self._expat.CharacterDataHandler = self._characters

    def feed(self, data: bytes) -> list[Fix]:
        """
        Take the next piece; give the fixes that it completes.

        Raises:
            TrackError: If the text is not GPX.
        """
        return self._parse(data, end=False)

    def finish(self) -> list[Fix]:
        """
        Take the end of the file; give what was left.

        Raises:
            TrackError: If the document is not complete.
        """
        return self._parse(b"", end=True)

    def _parse(self, data: bytes, *, end: bool) -> list[Fix]:
        if self._found_fault is None:
            self._found_fault = self._feed(data, end=end)
        fixes, self._fixes = self._fixes, []
        if self._found_fault is not None and not fixes:
            raise self._found_fault
        return fixes

    def _feed(self, data: bytes, *, end: bool) -> TrackError | None:
        """
        Let Expat have the next piece; give what is wrong with it.
        """
        self._fed += len(data)
        try:
            self._expat.Parse(data, end)
        except TrackError as fault:
            # Made anew below: that one hangs on frames with the text.
            line, problem = fault.line, fault.problem
        except expat.ExpatError as error:
            # Expat's own words for its code; its texts quote nothing.
            words = expat.ErrorString(error.code) or "not XML"
            line, problem = error.lineno, f"broken XML, {words}"
        except (LookupError, ValueError):
            line, problem = 1, "an encoding that is not read"
        else:
            waiting = self._fed - self._expat.CurrentByteIndex
            if waiting <= _LONGEST_MARKUP_BYTES:
                return None
            line = self._expat.CurrentLineNumber
            problem = "a tag or comment without an end"
        return TrackError(line, problem)

    def _fault(self, problem: str) -> TrackError:
        return TrackError(self._expat.CurrentLineNumber, problem)

    def _doctype(self, *_declaration: object) -> None:
        raise self._fault(
            problem="a document type declaration, which GPX has not"
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._check_kept(name, attributes)
        name = name.rpartition(":")[2]
        if self._first and name != "gpx":
            raise self._fault(problem="XML, but not GPX")
        self._first = False
        if name in _POINTS:
            self._place = self._degrees(attributes)
            self._time = None
        elif name == "time" and self._place is not None:
            self._text = ""

    def _check_kept(self, name: str, attributes: dict[str, str]) -> None:
        """
        Stop before Expat keeps too much.
        """
        for one in (name, *attributes):
            if one not in self._names:
                self._names.add(one)
                if len(one) > _LONGEST_NAME or len(self._names) > _MOST_NAMES:
                    raise self._fault(problem="names that no GPX has")
        if self._depth > _DEEPEST:
            raise self._fault(problem="tags in tags, deeper than GPX goes")

    def _degrees(self, attributes: dict[str, str]) -> tuple[float, float]:
        pair = [attributes.get(key, "").strip() for key in ("lat", "lon")]
        if not all(_DEGREES.fullmatch(text) for text in pair):
            raise self._fault(
                problem="a point without a lat and lon in degrees"
            )
        latitude, longitude = map(float, pair)
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            raise self._fault(problem="a point that is not on the earth")
        return latitude, longitude

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text = (self._text + text)[:_LONGEST_TIME]

    def _stop(self, name: str) -> None:
        self._depth -= 1
        name = name.rpartition(":")[2]
        if name == "time" and self._text is not None:
            self._time = _time(self._text.strip())
            self._text = None
        elif name in _POINTS and self._place is not None:
            latitude, longitude = self._place
            self._place = None
            self._fixes.append(
                Fix(latitude=latitude, longitude=longitude, time=self._time)
            )


def _time(text: str) -> datetime | None:
    """
    Read an ISO 8601 time; GPX means UTC where no offset stands.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
