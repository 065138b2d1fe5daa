# SPDX-License-Identifier: MIT
"""
Fewer places in a series: one for each change of cell, by the hour.

One coarse place tells little. Many of them with their times are a track, and
a track identifies: in 163 recorded trips four points of a 2 km grid with the
hour singled out 63 of 100 trips. What helps is to tell less often: at most
one fix a quarter of an hour, and only on a change of a 2 km cell, left 1.4 %
of the fixes of the same trips.

Who lives at the border of two cells is in both of them, as the receiver
wavers; a series of such changes would draw the border through the house. So
the last cell holds until the device is clearly out of it.

What is remembered is the last cell, in memory, for each grant, data type and
recipient. A start of the app forgets it, and tells the cell once more.

Source:
    de Montjoye et al., "Unique in the Crowd" (2013). The figures are of *GPS
    Trajectories* (UCI Machine Learning Repository).

Units: degrees (WGS-84), kilometres, aware UTC instants.
"""

from __future__ import annotations

import math
import threading

from datetime import UTC, datetime, timedelta
from typing import Any

from consentkit.anonymise.grid import Cell, bounds_of, cell_of
from consentkit.policy.model import Protection
from consentkit.policy.period import Period


__all__ = ["Series", "epoch_name", "time_of"]

_KM_PER_DEGREE = math.pi * 6371.0088 / 180

#: Out of a cell is who is this part of its side beyond the edge.
_MARGIN = 0.1

#: More grants and types than a device has; the oldest are forgotten.
_MOST = 1024


class Series:
    """
    The last cells of one app, so that a cell that was told stands.

    Safe with threads. It lies in memory and holds nothing that a withdrawal
    has to look for: its cells are those of grants, and a new grant does not
    know them. `forget` drops them at once.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], Cell] = {}
        self._told: dict[tuple[str, ...], object] = {}
        self._lock = threading.Lock()

    def cell(
        self,
        name: tuple[str, ...],
        latitude: float,
        longitude: float,
        *,
        side_km: float,
    ) -> Cell:
        """
        Find the cell of a place, which is the last one until it is left.

        Args:
            name: Which series: the grant, the data type, the recipient.

            latitude: Degrees north.

            longitude: Degrees east.

            side_km: Side of the grid's cells.

        Raises:
            ValueError: If an argument is out of range.
        """
        found = cell_of(latitude, longitude, side_km=side_km)
        with self._lock:
            last = self._last.pop(name, None)
            if (
                last is not None
                and last.side_km == side_km
                and _is_near(last, latitude, longitude)
            ):
                found = last
            self._last[name] = found
            _forget_oldest(self._last)
        return found

    def is_news(self, name: tuple[str, ...], value: object) -> bool:
        """
        Tell whether *value* is another one than the last, and remember it.
        """
        with self._lock:
            news = self._told.pop(name, None) != value
            self._told[name] = value
            _forget_oldest(self._told)
        return news

    def forget(self) -> None:
        """
        Forget all cells.
        """
        with self._lock:
            self._last.clear()
            self._told.clear()

    def __repr__(self) -> str:
        return f"<Series: {len(self._last)} last cells>"


def _forget_oldest(known: dict[tuple[str, ...], Any]) -> None:
    if len(known) > _MOST:
        del known[next(iter(known))]


def _is_near(cell: Cell, latitude: float, longitude: float) -> bool:
    """
    Tell whether a place is in *cell* or just beyond its edge.
    """
    edges = bounds_of(cell)
    margin_north = _MARGIN * cell.side_km / _KM_PER_DEGREE
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
