# SPDX-License-Identifier: MIT

"""
Places for the tests of this folder: a memory, and a receiver that wavers.
"""

from __future__ import annotations

import random

from collections.abc import Callable

import attrs

from consentkit.anonymise.grid import Cell
from consentkit.anonymise.series import HeldPlace, Places
from consentkit.collectors.location import Fix
from consentkit.gate import Permit


def memory(secret: bytes = bytes(range(32))) -> Places:
    """
    Make what remembers the cells of one person, in this process only.
    """
    cells: dict[float, Cell] = {}

    def hold(
        _: Permit, side_km: float, choose: Callable[[Cell | None], Cell]
    ) -> HeldPlace:
        cells[side_km] = choose(cells.get(side_km))
        return HeldPlace(cells[side_km], secret)

    return hold


def fixes(place: Fix, count: int, *, metres: float) -> list[Fix]:
    """
    Make fixes of one place, as a receiver with that error gives them.
    """
    draw = random.Random(5)
    wide = metres / 111_195
    return [
        attrs.evolve(
            place,
            latitude=place.latitude + draw.gauss(0, wide),
            longitude=place.longitude + draw.gauss(0, wide),
        )
        for _ in range(count)
    ]
