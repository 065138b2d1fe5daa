# SPDX-License-Identifier: MIT
"""
Noise for places that repetition does not average away.

Noise that is drawn anew for each report is worth nothing to somebody who
reports often: the mean of five hundred is the place. So it is drawn once for
each cell and epoch, from a keyed function of the cell's name: the same cell
gives the same answer however often it is asked, and another installation
another one.

The noise is planar Laplace: its direction is uniform, and its distance has
the density ``eps**2 * r * exp(-eps * r)`` with a mean of ``2 / eps``. What
comes out is named by the cell of the grid that it falls into, which tells no
more and is no finer than a place without noise.

What remains visible: one draw for each cell that a person was in, and for
each key. Whoever draws for one place with many keys, by function, recipient
or consent, tells it by the mean of these. Cells that lie side by side have draws of their own, and the mean of many is near the
middle of them: a person who moves about a small town shows the town.

Source:
    Andres, Bordenabe, Chatzikokolakis and Palamidessi,
    "Geo-Indistinguishability" (CCS 2013), section 4.

Units: degrees (WGS-84), kilometres.
"""

from __future__ import annotations

import math

from consentkit._mac import hmac_sha256
from consentkit.anonymise.grid import Cell, cell_of


__all__ = ["moved", "noisy_cell", "uniform"]

_RADIUS_KM = 6371.0088

_SHORTEST_KEY_BYTES = 16


def noisy_cell(cell: Cell, key: bytes, *, mean_km: float) -> Cell:
    """
    Move *cell* by a distance and direction that the key decides.

    The same cell and key give the same answer, for ever. Take one key for
    each person and epoch, whoever gets the answer.

    Args:
        cell: Where the device is.

        key: At least 16 bytes; who has it can undo the noise.

        mean_km: The mean distance, above 0, in kilometres.

    Returns:
        A cell of the same grid, which may be *cell* itself.

    Raises:
        ValueError: If *key* is too short, or *mean_km* is not above 0.
    """
    if not 0 < mean_km < math.inf:
        msg = "`mean_km` must be a finite number above 0"
        raise ValueError(msg)
    draws = [uniform(key, f"noise {i} {cell.index}") for i in range(3)]
    # The sum of two exponential draws has the density of the distance.
    distance_km = -mean_km / 2 * (math.log(draws[0]) + math.log(draws[1]))
    latitude, longitude = moved(
        cell.latitude, cell.longitude, distance_km, draws[2] * math.tau
    )
    return cell_of(latitude, longitude, side_km=cell.side_km)


def uniform(key: bytes, name: str) -> float:
    """
    Draw a number that *key* and *name* decide.

    Returns:
        Above 0 and below 1; to who has no key, as good as drawn at random.

    Raises:
        ValueError: If *key* has fewer than 16 bytes.

    Source:
        HMAC-SHA-256 as a pseudo-random function (RFC 2104).
    """
    if len(key) < _SHORTEST_KEY_BYTES:
        msg = f"`key` must have at least {_SHORTEST_KEY_BYTES} bytes"
        raise ValueError(msg)
    digest = hmac_sha256(key, name.encode())
    # 52 bits and a half: neither end can come out, whatever the rounding.
    return (int.from_bytes(digest[:8], "big") >> 12) / 2**52 + 2**-53


def moved(
    latitude: float, longitude: float, distance_km: float, radians: float
) -> tuple[float, float]:
    """
    Go a distance along a great circle.

    Args:
        latitude: Where from, in degrees north.

        longitude: Where from, in degrees east.

        distance_km: How far, in kilometres.

        radians: In which direction, clockwise from the north.

    Returns:
        Latitude from -90 to 90 and longitude from -180 to 180.
    """
    arc = distance_km / _RADIUS_KM
    north = math.radians(latitude)
    height = math.sin(north) * math.cos(arc) + math.cos(north) * math.sin(
        arc
    ) * math.cos(radians)
    height = max(-1.0, min(1.0, height))
    turn = math.atan2(
        math.sin(radians) * math.sin(arc) * math.cos(north),
        math.cos(arc) - math.sin(north) * height,
    )
    east = (longitude + math.degrees(turn) + 180) % 360 - 180
    return math.degrees(math.asin(height)), east
