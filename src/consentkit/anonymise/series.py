# SPDX-License-Identifier: MIT
"""
Fewer places in a series: one for each change of cell, by the hour.

One coarse place tells little. Many of them with their times are a track, and
a track identifies: four places with the hour single out most people. What
helps is to tell less often: at most one fix a quarter of an hour, and only on
a change of the cell.

Who lives at the border of two cells is in both of them, as the receiver
wavers. How often in which one tells the distance to the border, to a few
metres. So the cell that was found first holds until the device is clearly
out of it, whoever asks, and over starts of the app: `Places` remembers it.

Source:
    de Montjoye et al., "Unique in the Crowd" (2013).

Units: degrees (WGS-84), kilometres, metres where a name says so, aware UTC
instants.
"""

from __future__ import annotations

import math

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeAlias

from attrs import field, frozen

from consentkit.anonymise.grid import Cell, bounds_of, cell_of
from consentkit.gate import Permit
from consentkit.policy.model import Protection
from consentkit.policy.period import Period
from consentkit.typing import JSON


__all__ = [
    "HeldPlace",
    "News",
    "Places",
    "epoch_in_words",
    "epoch_name",
    "held_cell",
    "time_of",
]

_KM_PER_DEGREE = math.pi * 6371.0088 / 180

#: Out of a cell is who is this part of its side beyond the edge ...
_SHARE: Final = 0.1

#: ... and so many times the radius that the source believes in, within which
#: it promises two fixes of three, or fewer.
_RADII: Final = 3


@frozen
class HeldPlace:
    """
    The cell that a person is held to be in.

    Attributes:
        cell: The cell.

        secret: 32 random bytes of this person's places, the same for every
            function and recipient, until nothing permits a place any more.
    """

    cell: Cell = field(repr=False)
    secret: bytes = field(repr=False)


@frozen
class News:
    """
    A place that is kept only if it is another one than the last.

    Attributes:
        value: What is told of it.

        mark: Stands for the place, and tells nothing of it.
    """

    value: JSON = field(repr=False)
    mark: str


#: Holds the person of a permit in a cell of a side in kilometres: gives the
#: last one to a chooser, remembers what it chooses. ``None`` if the grant has
#: ended. `consentkit.outbox.places.Places.hold` is one.
Places: TypeAlias = Callable[
    [Permit, float, Callable[[Cell | None], Cell]], HeldPlace | None
]


def held_cell(
    latitude: float,
    longitude: float,
    *,
    side_km: float,
    last: Cell | None = None,
    accuracy_m: float | None = None,
) -> Cell:
    """
    Find the cell of a place, which is the last one until it is clearly left.

    Left it is who is a tenth of its side beyond the edge, and three times
    the radius that the source believes in.

    Args:
        latitude: Degrees north.

        longitude: Degrees east.

        side_km: Side of the grid's cells.

        last: The cell that was found before, if any.

        accuracy_m: Radius in metres that the source believes in, if it says
            so.

    Raises:
        ValueError: If an argument is out of range.
    """
    found = cell_of(latitude, longitude, side_km=side_km)
    if last is None or last.side_km != side_km:
        return found
    margin_km = max(_SHARE * side_km, _RADII * (accuracy_m or 0.0) / 1000)
    return last if _is_near(last, latitude, longitude, margin_km) else found


def _is_near(
    cell: Cell, latitude: float, longitude: float, margin_km: float
) -> bool:
    """
    Tell whether a place is in *cell* or within a margin of its edge.
    """
    edges = bounds_of(cell)
    margin_north = margin_km / _KM_PER_DEGREE
    shrunk = max(math.cos(math.radians(latitude)), 1e-6)
    margin_east = margin_north / shrunk
    # Across the date line the difference is taken the short way.
    middle = (edges.west + edges.east) / 2
    off = abs((longitude - middle + 180) % 360 - 180)
    return (
        edges.south - margin_north <= latitude <= edges.north + margin_north
        and off <= (edges.east - edges.west) / 2 + margin_east
    )


def time_of(at: datetime, protection: Protection) -> datetime:
    """
    Cut a time to what *protection* lets be known of it.

    Args:
        at: When it was, an aware instant.

        protection: Whose `time_step` says how finely.

    Returns:
        The beginning of the step in UTC, or *at* itself where there is no
        step.
    """
    step = protection.time_step
    if step is None or not step.seconds:
        return at
    seconds = int(at.timestamp()) // step.seconds * step.seconds
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)


def epoch_name(epoch: Period | None, at: datetime) -> str:
    """
    Name the epoch that *at* lies in.

    Epochs begin at the same instant for everybody, counted from the start of
    1970 in UTC: if they began at different times, who changes its name when
    another one appears would be the same person.

    Args:
        epoch: Whole months, or seconds; ``None`` for one that never ends.

        at: An aware instant.

    Returns:
        Such as ``"P30D:683"``; empty for an epoch that never ends.
    """
    if epoch is None:
        return ""
    if epoch.months:
        now = at.astimezone(UTC)
        number = (now.year * 12 + now.month - 1) // epoch.months
    else:
        number = int(at.timestamp() // epoch.seconds)
    return f"{epoch}:{number}"


def epoch_in_words(name: str) -> str:
    """
    Say which epoch *name* is, as `epoch_name` gave it.

    Returns:
        Such as ``"the 30 days from 2026-11-05"``; *name* itself, if it is no
        such name.
    """
    length, _, number = name.partition(":")
    try:
        epoch, many = Period.parse(length), int(number)
        if epoch.months:
            year, month = divmod(many * epoch.months, 12)
            start = date(year, month + 1, 1)
        else:
            start = date(1970, 1, 1) + timedelta(seconds=many * epoch.seconds)
    except (ValueError, OverflowError):
        return name
    return f"the {epoch.words.removeprefix('1 ')} from {start}"
