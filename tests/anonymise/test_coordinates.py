# SPDX-License-Identifier: MIT

"""
Tests for the conversion of Chinese coordinates.
"""

from __future__ import annotations

import json
import math

from pathlib import Path

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.anonymise.coordinates import (
    SYSTEMS,
    bd09_of,
    gcj02_of,
    to_wgs84,
)


VECTORS = json.loads(
    (
        Path(__file__).parent.parent / "vectors/geo/gcj02_vectors.json"
    ).read_bytes()
)["vectors"]

in_china = st.tuples(st.floats(18.2, 53.5), st.floats(73.6, 135.0))


def apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    """
    Give the larger difference of two places, in degrees.
    """
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


class TestGCJ02:
    """
    Tests for GCJ-02.
    """

    @pytest.mark.parametrize("row", VECTORS, ids=lambda row: row["place"])
    def test_published_places(self, row: dict) -> None:
        """
        Places in and out of China convert as others convert them, both ways.
        """
        wgs84, gcj02 = tuple(row["wgs84"]), tuple(row["gcj02"])
        back = to_wgs84(gcj02[0], gcj02[1], "gcj02")

        assert back is not None
        assert apart(gcj02_of(*wgs84), gcj02) < 1e-6
        assert apart(back, wgs84) < 1e-6

    @given(in_china)
    def test_there_and_back(self, place: tuple[float, float]) -> None:
        """
        The way back finds the place again, to a millimetre.
        """
        back = to_wgs84(*gcj02_of(*place), "gcj02")

        assert back is not None
        assert apart(back, place) < 1e-8

    @given(in_china)
    def test_is_some_hundred_metres_off(
        self, place: tuple[float, float]
    ) -> None:
        """
        What is not converted is wrong by up to some hundred metres.
        """
        north, east = gcj02_of(*place)
        metres = 111_195 * math.hypot(
            north - place[0],
            (east - place[1]) * math.cos(math.radians(place[0])),
        )

        assert 10 < metres < 1200


class TestBD09:
    """
    Tests for BD-09.
    """

    @given(in_china)
    def test_there_and_back(self, place: tuple[float, float]) -> None:
        """
        The way back finds the place again, to a millimetre.
        """
        back = to_wgs84(*bd09_of(*place), "bd09")

        assert back is not None
        assert apart(back, place) < 1e-8

    def test_moves_gcj02_once_more(self) -> None:
        """
        It is GCJ-02, moved by about 0.006 degrees north and 0.0065 east.
        """
        gcj02, bd09 = gcj02_of(39.9, 116.4), bd09_of(39.9, 116.4)

        assert 0.005 < bd09[0] - gcj02[0] < 0.007
        assert 0.005 < bd09[1] - gcj02[1] < 0.008


class TestToWGS84:
    """
    Tests for `to_wgs84()`.
    """

    @given(st.floats(-90, 90), st.floats(-180, 180))
    def test_leaves_wgs84_alone(self, north: float, east: float) -> None:
        """
        A place that is declared as WGS-84 is not touched, in China neither.
        """
        assert to_wgs84(north, east, "wgs84") == (north, east)

    @given(
        st.floats(-90, 90),
        st.floats(-180, 180),
        st.sampled_from(sorted(SYSTEMS)),
    )
    def test_gives_a_place(self, north: float, east: float, crs: str) -> None:
        """
        Whatever is declared, the answer is a place on the earth.
        """
        made = to_wgs84(north, east, crs)

        assert made is not None
        assert -90 <= made[0] <= 90
        assert -180 <= made[1] <= 180

    def test_unknown_system(self) -> None:
        """
        A system that nobody knows has no place.
        """
        assert to_wgs84(39.9, 116.4, "beijing54") is None

    @pytest.mark.parametrize(
        "place",
        [(91, 0), (-91, 0), (0, 181), (0, -181), (math.nan, 0), (0, math.inf)],
    )
    @pytest.mark.parametrize("crs", sorted(SYSTEMS))
    def test_out_of_range(self, place: tuple[float, float], crs: str) -> None:
        """
        What is no place is refused, without its value.
        """
        with pytest.raises(ValueError, match="a place has") as caught:
            to_wgs84(*place, crs)

        assert "91" not in str(caught.value)
