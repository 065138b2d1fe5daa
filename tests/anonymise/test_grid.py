# SPDX-License-Identifier: MIT
"""
Cells of equal area, all over the earth.
"""

from __future__ import annotations

import math
import random

import pytest

from hypothesis import example, given
from hypothesis import strategies as st

from consentkit.anonymise.grid import bounds_of, cell_of


latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
sides = st.sampled_from([0.5, 1.0, 2.0, 10.0, 100.0])


def _area_km2(south: float, west: float, north: float, east: float) -> float:
    """
    The area by summing thin strips, not by the formula of the module.
    """
    strips = 200
    height = (north - south) / strips
    width = math.radians(east - west) * 6371.0088
    return sum(
        width
        * math.cos(math.radians(south + (number + 0.5) * height))
        * math.radians(height)
        * 6371.0088
        for number in range(strips)
    )


def _edges(latitude, longitude, side_km=2.0):
    bounds = bounds_of(cell_of(latitude, longitude, side_km=side_km))
    return bounds.south, bounds.west, bounds.north, bounds.east


class TestArea:
    """
    How large cells are.
    """

    @given(latitudes, longitudes)
    @example(90, 0)
    @example(-90, 0)
    @example(89.99, 179.9)
    def test_a_coarse_cell_is_never_a_precise_place(self, latitude, longitude):
        """
        Every cell of the default grid has more than 3 km2; between 3.99 and
        5.4, the larger ones at the poles.
        """
        area = _area_km2(*_edges(latitude, longitude))

        assert 3.99 < area < 5.4

    @given(st.floats(-89, 89), longitudes)
    def test_away_from_the_poles_cells_are_equal(self, latitude, longitude):
        """
        A degree from a pole and farther, areas differ by under two percent.
        """
        bounds = bounds_of(cell_of(latitude, longitude))

        assert 4.0 <= bounds.area_km2 < 4.08

    @given(latitudes, longitudes, sides)
    def test_the_formula_agrees_with_a_sum(self, latitude, longitude, side):
        """
        `Bounds.area_km2` is the area that strips add up to.
        """
        bounds = bounds_of(cell_of(latitude, longitude, side_km=side))
        edges = (bounds.south, bounds.west, bounds.north, bounds.east)

        assert bounds.area_km2 == pytest.approx(_area_km2(*edges), rel=1e-3)


class TestPlace:
    """
    Where cells are.
    """

    @given(latitudes, longitudes, sides)
    def test_a_place_lies_in_its_cell(self, latitude, longitude, side):
        """
        Nothing is moved into a neighbouring cell.
        """
        south, west, north, east = _edges(latitude, longitude, side)

        assert south - 1e-9 <= latitude <= north + 1e-9
        if abs(latitude) < 90:
            assert any(
                west - 1e-9 <= longitude + turn <= east + 1e-9
                for turn in (-360, 0, 360)
            )

    @given(latitudes, longitudes, sides)
    def test_the_centre_is_in_the_same_cell(self, latitude, longitude, side):
        """
        Coarsening twice is coarsening once.
        """
        cell = cell_of(latitude, longitude, side_km=side)

        assert cell_of(cell.latitude, cell.longitude, side_km=side) == cell

    @given(latitudes)
    def test_the_antimeridian_is_one_line(self, latitude):
        """
        180 degrees east and west are the same place.
        """
        assert cell_of(latitude, 180) == cell_of(latitude, -180)

    @pytest.mark.parametrize("pole", [90, -90])
    @given(longitude=longitudes)
    def test_a_pole_is_one_place(self, pole, longitude):
        """
        Whatever the longitude, a pole has one cell.
        """
        assert cell_of(pole, longitude) == cell_of(pole, 0)

    def test_places_are_not_moved_one_way(self):
        """
        Over many places the shift is under 20 m on average, north and east:
        nothing is truncated.
        """
        source = random.Random(7)
        north, east = [], []
        for _ in range(20_000):
            latitude = source.uniform(-60, 60)
            longitude = source.uniform(-179, 179)
            cell = cell_of(latitude, longitude)
            north.append((cell.latitude - latitude) * 111_195)
            east.append(
                (cell.longitude - longitude)
                * 111_195
                * math.cos(math.radians(latitude))
            )

        assert abs(sum(north) / len(north)) < 20
        assert abs(sum(east) / len(east)) < 20


class TestValues:
    """
    What is refused, and what is shown.
    """

    @pytest.mark.parametrize(
        ("latitude", "longitude", "name"),
        [
            (math.nan, 0, "latitude"),
            (0, math.nan, "longitude"),
            (math.inf, 0, "latitude"),
            (91.2345, 0, "latitude"),
            (0, -180.2345, "longitude"),
        ],
    )
    def test_no_place_is_refused(self, latitude, longitude, name):
        """
        The message names the argument and the rule, never the value.
        """
        with pytest.raises(ValueError, match=name) as caught:
            cell_of(latitude, longitude)

        assert "2345" not in str(caught.value)

    @pytest.mark.parametrize("side", [0, -2, 0.05, 3000, math.nan])
    def test_a_senseless_side_is_refused(self, side):
        """
        Cells are neither points nor continents.
        """
        with pytest.raises(ValueError, match="side_km"):
            cell_of(0, 0, side_km=side)

    def test_the_repr_has_no_place(self):
        """
        A cell can be logged by mistake without telling where it is.
        """
        cell = cell_of(31.2304, 121.4737)

        assert repr(cell) == "Cell(side_km=2.0)"
        assert repr(bounds_of(cell)) == "Bounds()"

    def test_the_index_names_the_cell(self):
        """
        Neighbouring cells have different names, and the side is in them.
        """
        here, there = cell_of(31.2304, 121.4737), cell_of(31.2304, 121.5737)

        assert here.index != there.index
        assert here.index.startswith("2km:")
        assert cell_of(31.2304, 121.4737, side_km=10).index.startswith("10km:")
