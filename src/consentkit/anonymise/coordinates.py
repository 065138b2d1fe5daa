# SPDX-License-Identifier: MIT
"""
Coordinates of Chinese maps, brought back to WGS-84.

Maps of mainland China are drawn in GCJ-02, which moves each place by 26 to
675 metres, and Baidu's in BD-09, which moves GCJ-02 once more. A place in
one of them that is taken for WGS-84 is wrong by that much, and falls into
another cell of a grid.

What is converted is what its source *declares*. Nothing is guessed from
where a place lies: the usual test is a rectangle around China, which holds
Hong Kong, Taipei and Seoul too, where no map is moved.

The way to GCJ-02 and BD-09 is a formula; the way back is found by
repetition, to below 1e-9 degree (0.1 mm) of the formula.

Units: degrees.

Source:
    No official text is public. The formula is the one that
    googollee/eviltransform and all converters known to us use; it gives
    their vectors (``tests/vectors/geo``) to 1e-6 degree.
"""

from __future__ import annotations

import math

from collections.abc import Callable
from typing import Final


__all__ = ["SYSTEMS", "bd09_of", "gcj02_of", "to_wgs84"]

#: The systems that a source may declare.
SYSTEMS: Final = frozenset({"wgs84", "gcj02", "bd09"})

# The ellipsoid of Krassowsky, as the formula has it.
_AXIS_METRES = 6_378_245.0
_ECCENTRICITY_2 = 0.00669342162296594323

# Where the formula moves places: south, north, west, east.
_SOUTH, _NORTH, _WEST, _EAST = 0.8293, 55.8271, 72.004, 137.8347

_BAIDU = math.pi * 3000 / 180
_BAIDU_NORTH, _BAIDU_EAST = 0.006, 0.0065

_CLOSE_DEGREES = 1e-9
_MOST_STEPS = 50

_Convert = Callable[[float, float], tuple[float, float]]


def to_wgs84(
    latitude: float, longitude: float, crs: str
) -> tuple[float, float] | None:
    """
    Bring a place to WGS-84.

    Args:
        latitude: Degrees north, -90 to 90.

        longitude: Degrees east, -180 to 180.

        crs: The system that the source declares: one of `SYSTEMS`.

    Returns:
        Latitude and longitude in WGS-84, or None where *crs* is not known:
        no place is better than a wrong one.

    Raises:
        ValueError: If a coordinate is out of range or not a number. The
            message does not tell the value.
    """
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        msg = "a place has -90 to 90 degrees north and -180 to 180 east"
        raise ValueError(msg)
    match crs:
        case "wgs84":
            return latitude, longitude
        case "gcj02":
            return _back(gcj02_of, latitude, longitude)
        case "bd09":
            between = _back(_bd09_of_gcj02, latitude, longitude)
            return _back(gcj02_of, *between)
    return None


def gcj02_of(latitude: float, longitude: float) -> tuple[float, float]:
    """
    Give the place in GCJ-02 of a place in WGS-84.

    Outside of the rectangle from 0.8293 to 55.8271 degrees north and 72.004
    to 137.8347 degrees east nothing is moved.
    """
    if not (_SOUTH <= latitude <= _NORTH and _WEST <= longitude <= _EAST):
        return latitude, longitude
    north_metres, east_metres = _shift(longitude - 105, latitude - 35)
    radians = math.radians(latitude)
    bulge = 1 - _ECCENTRICITY_2 * math.sin(radians) ** 2
    meridian = _AXIS_METRES * (1 - _ECCENTRICITY_2) / bulge**1.5
    parallel = _AXIS_METRES / math.sqrt(bulge) * math.cos(radians)
    return (
        latitude + math.degrees(north_metres / meridian),
        longitude + math.degrees(east_metres / parallel),
    )


def bd09_of(latitude: float, longitude: float) -> tuple[float, float]:
    """
    Give the place in BD-09 of a place in WGS-84.

    BD-09 moves all of the earth, by about 0.0088 degrees.
    """
    return _bd09_of_gcj02(*gcj02_of(latitude, longitude))


def _shift(x: float, y: float) -> tuple[float, float]:
    """
    Give the metres that GCJ-02 moves a place, north and east.

    Args:
        x: Degrees east of 105 degrees east.

        y: Degrees north of 35 degrees north.
    """
    root, xy = math.sqrt(abs(x)), x * y
    both = 20 * math.sin(6 * math.pi * x) + 20 * math.sin(2 * math.pi * x)
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * xy + 0.2 * root
    north += (both + _waves(y, (20, 1), (40, 3), (160, 12), (320, 30))) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * xy + 0.1 * root
    east += (both + _waves(x, (20, 1), (40, 3), (150, 12), (300, 30))) * 2 / 3
    return north, east


def _waves(degrees: float, *waves: tuple[float, float]) -> float:
    return sum(
        height * math.sin(degrees * math.pi / length)
        for height, length in waves
    )


def _bd09_of_gcj02(latitude: float, longitude: float) -> tuple[float, float]:
    far = math.hypot(longitude, latitude) + 2e-5 * math.sin(latitude * _BAIDU)
    turn = math.atan2(latitude, longitude)
    turn += 3e-6 * math.cos(longitude * _BAIDU)
    return (
        far * math.sin(turn) + _BAIDU_NORTH,
        far * math.cos(turn) + _BAIDU_EAST,
    )


def _back(
    convert: _Convert, latitude: float, longitude: float
) -> tuple[float, float]:
    """
    Find the place that *convert* moves to this one.

    What is moved changes slowly from place to place, so each step divides
    the error by a hundred or more. At the edge of the rectangle, where
    nothing may fit, the last step stands.
    """
    north, east = latitude, longitude
    for _ in range(_MOST_STEPS):
        there = convert(north, east)
        off_north, off_east = there[0] - latitude, there[1] - longitude
        north, east = north - off_north, east - off_east
        if max(abs(off_north), abs(off_east)) < _CLOSE_DEGREES:
            break
    return _in_range(north, east)


def _in_range(latitude: float, longitude: float) -> tuple[float, float]:
    # BD-09 moves places across the edges of the map.
    return max(-90.0, min(90.0, latitude)), (longitude + 180) % 360 - 180
