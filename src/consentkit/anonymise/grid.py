# SPDX-License-Identifier: MIT
"""
Cells of equal area, for saying roughly where something is.

A place is replaced by the centre of its cell. Cutting decimals off instead
gives cells that shrink towards the poles, and moves every place towards the
equator and Greenwich; here each cell has at least *side* x *side* wherever
it lies, and the answer is the same for every place in it.

Latitude is cut into bands of equal height, each band into as many equal
cells as it has room for. The earth is taken as a sphere, so an area is right
to within one percent: on the ellipsoid (WGS 84) the smallest cell of 2 km,
at the equator, has 3.98 km2.

What remains visible: the cell. One cell alone singles nobody out where many
people live; a series of cells with their times is a track, and identifies.

Source:
    Google Play, User Data policy: approximate location is an area of at
    least 3 km2.

Units: degrees (WGS-84), kilometres, square kilometres.
"""

from __future__ import annotations

import math

from functools import lru_cache

from attrs import field, frozen


__all__ = ["Bounds", "Cell", "bounds_of", "cell_named", "cell_of"]

#: Mean radius of the earth (IUGG 1980), in kilometres.
_RADIUS_KM = 6371.0088

_KM_PER_DEGREE = math.pi * _RADIUS_KM / 180

#: Below this a cell is a precise place; above, there is no use in a grid.
_SMALLEST_SIDE_KM, _LARGEST_SIDE_KM = 0.1, 2000.0


@frozen
class Cell:
    """
    One cell of the grid: a generalised place.

    Attributes:
        latitude, longitude: The centre, in degrees.

        side_km: The side of the square that has at most the cell's area.

        index: Names the cell: side, band from the south, place from the
            west. See `cell_named`.
    """

    latitude: float = field(repr=False)
    longitude: float = field(repr=False)
    side_km: float
    index: str = field(repr=False)


@frozen
class Bounds:
    """
    The edges of a cell, in degrees; south and west belong to it.
    """

    south: float = field(repr=False)
    west: float = field(repr=False)
    north: float = field(repr=False)
    east: float = field(repr=False)

    @property
    def area_km2(self) -> float:
        """
        The area on the sphere.
        """
        return (
            _band_area_km2(self.south, self.north)
            * (self.east - self.west)
            / 360
        )


def cell_of(
    latitude: float, longitude: float, *, side_km: float = 2.0
) -> Cell:
    """
    Find the cell that a place lies in.

    Args:
        latitude: Degrees north, -90 to 90.

        longitude: Degrees east, -180 to 180; both ends are one meridian,
            and at a pole all are one place.

        side_km: Cells have at least the area of a square of this side.

    Raises:
        ValueError: If an argument is out of range or not a number. The
            message does not tell the value.
    """
    # Comparisons with NaN are false, so "not in range" catches it too.
    if not -90 <= latitude <= 90:
        msg = "`latitude` must be a number of degrees from -90 to 90"
        raise ValueError(msg)
    if not -180 <= longitude <= 180:
        msg = "`longitude` must be a number of degrees from -180 to 180"
        raise ValueError(msg)
    bands, equator, label = _bands(side_km)
    height = 180 / bands
    band = int((latitude + 90) / height)
    if band >= bands:
        band = bands - 1
    count = _cells_in_band(band, height, equator)
    if latitude in (90, -90):
        longitude = 0.0
    # The last meridian is the first one, and a cell ends before its end.
    place = int((longitude + 180) % 360 / 360 * count)
    if place >= count:
        place = count - 1
    return Cell(
        (band + 0.5) * height - 90,
        (place + 0.5) * 360 / count - 180,
        side_km,
        f"{label}:{band}:{place}",
    )


def cell_named(index: str, *, side_km: float) -> Cell:
    """
    Give the cell of a name.

    Args:
        index: As a cell of this grid has it.

        side_km: The side of the grid's cells.

    Raises:
        ValueError: If the grid has no cell of that name.
    """
    bands, equator, label = _bands(side_km)
    height = 180 / bands
    side, *rest = index.split(":")
    band, place = (int(part) for part in rest)
    count = _cells_in_band(band, height, equator)
    if side != label or not (0 <= band < bands and 0 <= place < count):
        msg = "the grid has no such cell"
        raise ValueError(msg)
    return Cell(
        (band + 0.5) * height - 90,
        (place + 0.5) * 360 / count - 180,
        side_km,
        index,
    )


def bounds_of(cell: Cell) -> Bounds:
    """
    Find the edges of a cell.
    """
    bands, equator, _ = _bands(cell.side_km)
    _, band_text, place_text = cell.index.split(":")
    band, place = int(band_text), int(place_text)
    count = _cells_in_band(band, 180 / bands, equator)
    return Bounds(
        south=band * 180 / bands - 90,
        west=place * 360 / count - 180,
        north=(band + 1) * 180 / bands - 90,
        east=(place + 1) * 360 / count - 180,
    )


@lru_cache
def _bands(side_km: float) -> tuple[int, float, str]:
    """
    Give the number of bands, how many cells one at the equator has, and how
    names of cells begin.

    Remembered by the side, which the policy names; by no place.
    """
    if not _SMALLEST_SIDE_KM <= side_km <= _LARGEST_SIDE_KM:
        msg = (
            f"`side_km` must be from {_SMALLEST_SIDE_KM:g} "
            f"to {_LARGEST_SIDE_KM:g} kilometres"
        )
        raise ValueError(msg)
    bands = max(1, math.floor(180 * _KM_PER_DEGREE / side_km))
    rise = 2 * math.sin(math.pi / bands / 2)
    cells = 2 * math.pi * _RADIUS_KM**2 * rise / side_km**2
    return bands, cells, f"{side_km:g}km"


def _cells_in_band(band: int, height: float, equator: float) -> int:
    # sin(b) - sin(a), written so that thin bands near a pole keep their
    # digits.
    middle = math.radians((band + 0.5) * height - 90)
    return int(equator * math.cos(middle)) or 1


def _band_area_km2(south: float, north: float) -> float:
    half_sum = math.radians((north + south) / 2)
    half_difference = math.radians((north - south) / 2)
    rise = 2 * math.cos(half_sum) * math.sin(half_difference)
    return 2 * math.pi * _RADIUS_KM**2 * rise
