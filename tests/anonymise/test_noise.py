# SPDX-License-Identifier: MIT

"""
Tests for noise that repetition does not average away.
"""

from __future__ import annotations

import math
import statistics

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.anonymise.grid import Cell, bounds_of, cell_of
from consentkit.anonymise.noise import moved, noisy_cell, uniform
from consentkit.anonymise.protect import Protected, protect
from consentkit.collectors.source import Unavailable
from consentkit.gate import Permit
from consentkit.policy import Period, ProtectionName
from tests.anonymise.places import fixes, memory
from tests.anonymise.test_protect import permit, policy_with, secret
from tests.support import PLACE, permit_for


KEY = bytes(range(32))
HERE = cell_of(48.8584, 2.2945)
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
KM_PER_DEGREE = 111.195


def km(one: Any, other: Any) -> float:
    """
    Give the distance of two places that are near each other.
    """
    shrink = math.cos(math.radians(one.latitude))
    return KM_PER_DEGREE * math.hypot(
        one.latitude - other.latitude,
        (one.longitude - other.longitude) * shrink,
    )


class TestUniform:
    """
    Tests for `uniform()`.
    """

    @given(st.binary(min_size=16, max_size=64), st.text())
    def test_is_between_and_the_same_again(
        self, key: bytes, name: str
    ) -> None:
        """
        A draw is above 0 and below 1, and the same each time.
        """
        try:
            draw = uniform(key, name)
        except UnicodeEncodeError:
            return
        assert 0 < draw < 1
        assert draw == uniform(key, name)

    def test_is_uniform(self) -> None:
        """
        Ten thousand draws fill ten drawers evenly.
        """
        drawers = [0] * 10
        for i in range(10_000):
            drawers[int(uniform(KEY, str(i)) * 10)] += 1

        # Of a fixed key: 1,000 each, by six times the standard deviation.
        assert all(820 < n < 1180 for n in drawers)

    def test_short_key(self) -> None:
        """
        A key that can be tried is refused.
        """
        with pytest.raises(ValueError, match="16 bytes"):
            uniform(b"short", "name")


class TestNoisyCell:
    """
    Tests for `noisy_cell()`.
    """

    def test_gives_a_cell_of_the_grid(self) -> None:
        """
        What comes out is the centre of a cell, and no finer place.
        """
        got = noisy_cell(HERE, KEY, mean_km=5)

        assert got == cell_of(got.latitude, got.longitude)
        assert bounds_of(got).area_km2 >= 4

    def test_mean_distance(self) -> None:
        """
        Over many keys the place moves by the mean that was asked for, in
        every direction.
        """
        cells = [
            noisy_cell(HERE, i.to_bytes(32, "big"), mean_km=20)
            for i in range(1500)
        ]
        distances = [km(HERE, cell) for cell in cells]
        north = statistics.fmean(c.latitude for c in cells) - HERE.latitude

        # The sum of two draws: a deviation of 14 km, 0.37 of the mean.
        assert statistics.fmean(distances) == pytest.approx(20, abs=2)
        assert abs(north * KM_PER_DEGREE) < 2

    def test_keys_and_cells_draw_for_themselves(self) -> None:
        """
        Another key, and a cell beside, have noise of their own.
        """
        beside = cell_of(HERE.latitude, HERE.longitude + 0.03)
        far = {"mean_km": 100.0}
        one = noisy_cell(HERE, KEY, **far)

        assert one != noisy_cell(HERE, bytes(32), **far)
        assert abs(km(one, noisy_cell(beside, KEY, **far))) > 5

    @given(st.floats(-90, 90), st.floats(-180, 180), st.floats(0.1, 500))
    def test_anywhere(self, north: float, east: float, mean_km: float) -> None:
        """
        At the poles and the date line too it gives a cell of the earth.
        """
        got = noisy_cell(cell_of(north, east), KEY, mean_km=mean_km)

        assert -90 <= got.latitude <= 90
        assert -180 <= got.longitude <= 180

    @pytest.mark.parametrize("mean_km", [0, -1, math.nan, math.inf])
    def test_no_noise_is_refused(self, mean_km: float) -> None:
        """
        Noise of no size is no noise.
        """
        with pytest.raises(ValueError, match="above 0"):
            noisy_cell(HERE, KEY, mean_km=mean_km)


class TestMoved:
    """
    Tests for `moved()`.
    """

    def test_north_and_east(self) -> None:
        """
        A degree north is 111 km of the way, and so is one along the equator.
        """
        assert moved(0, 0, KM_PER_DEGREE, 0) == pytest.approx((1, 0), abs=1e-4)
        assert moved(0, 0, KM_PER_DEGREE, math.pi / 2) == pytest.approx(
            (0, 1), abs=1e-4
        )

    def test_over_the_date_line(self) -> None:
        """
        East of the last degree comes the first one.
        """
        north, east = moved(0, 179.9, 2 * KM_PER_DEGREE, math.pi / 2)

        assert north == pytest.approx(0, abs=1e-6)
        assert east == pytest.approx(-178.1, abs=1e-3)


def reported(asked: Permit, place: object, **more: Any) -> Cell:
    """
    Give what the recipient sees of a place.
    """
    means: dict[str, Any] = {"at": AT, "places": memory(), **more}
    got = protect(asked, place, secret=secret, **means)
    assert isinstance(got, Protected), got
    assert isinstance(got.value, dict)
    value: Any = got.value
    return Cell(value["latitude"], value["longitude"], value["cell_km"], "")


class TestAttack:
    """
    Attacks on a place that is reported again and again.
    """

    @pytest.mark.parametrize("noise_km", [0.0, 2.0])
    @pytest.mark.parametrize("accuracy_m", [None, 300.0])
    def test_500_reports_from_a_corner(
        self, noise_km: float, accuracy_m: float | None
    ) -> None:
        """
        Where three cells meet the first one holds, so that the corner does
        not show, however far off the fixes are.
        """
        asked = permit(
            "location_coarse", ProtectionName.GRID, noise_km=noise_km
        )
        edges, places = bounds_of(HERE), memory()
        corner = attrs.evolve(
            PLACE,
            latitude=edges.south,
            longitude=edges.west,
            accuracy_m=accuracy_m,
        )
        # The radius holds two fixes of three.
        seen = fixes(corner, 500, metres=(accuracy_m or 30) / 1.5)

        assert len({cell_of(f.latitude, f.longitude) for f in seen}) == 3
        assert len({reported(asked, f, places=places) for f in seen}) == 1

    def test_noise_drawn_anew_is_averaged_away(self) -> None:
        """
        The same attack finds the place where each report has noise of its
        own.
        """
        seen = [
            noisy_cell(HERE, i.to_bytes(32, "big"), mean_km=2)
            for i in range(500)
        ]
        mean = Cell(
            statistics.fmean(c.latitude for c in seen),
            statistics.fmean(c.longitude for c in seen),
            2.0,
            "",
        )
        first = statistics.median(km(HERE, cell) for cell in seen)

        assert km(HERE, mean) < first / 5

    def test_epochs_draw_anew(self) -> None:
        """
        An epoch has its noise, and the next one another.
        """
        asked = permit(
            "location_coarse",
            ProtectionName.GRID,
            noise_km=100.0,
            epoch=Period(seconds=86_400),
        )
        one = reported(asked, PLACE)

        assert one == reported(asked, PLACE, at=AT + timedelta(hours=11))
        assert one != reported(asked, PLACE, at=AT + timedelta(hours=12))

    def test_persons_draw_for_themselves(self) -> None:
        """
        Two people in one cell are moved to different ones.
        """
        asked = permit("location_coarse", ProtectionName.GRID, noise_km=100.0)

        assert reported(asked, PLACE) != reported(
            asked, PLACE, places=memory(bytes(32))
        )

    def test_all_get_the_same_draw(self) -> None:
        """
        One place has one draw, for whichever recipient and data type: each
        draw more would tell more of it.
        """
        seen = set()
        for data_type in ("location_coarse", "location_precise"):
            clause = permit(
                data_type, ProtectionName.GRID, noise_km=100.0
            ).clause
            policy = policy_with(data_type, clause.protection)
            for who in ("maker", "helper"):
                asked = permit_for(
                    "improve", data_type, policy=policy, recipient=who
                )
                seen.add(reported(asked, PLACE))

        assert len(seen) == 1

    def test_two_sizes_have_two_draws(self) -> None:
        """
        What two clauses with different noise tell does not lie on one line
        from the true cell: their lengths are known, and would undo it.
        """
        true = cell_of(PLACE.latitude, PLACE.longitude)
        short, long = (
            reported(
                permit("location_coarse", ProtectionName.GRID, noise_km=far),
                PLACE,
            )
            for far in (100.0, 200.0)
        )
        stretched = [
            2 * (one - where)
            for one, where in (
                (short.latitude, true.latitude),
                (short.longitude, true.longitude),
            )
        ]
        guessed = Cell(
            true.latitude + stretched[0],
            true.longitude + stretched[1],
            2.0,
            "",
        )

        assert km(long, guessed) > 20

    def test_needs_the_persons_secret(self) -> None:
        """
        Once the grant has ended there is no noise, and so no place.
        """
        asked = permit("location_coarse", ProtectionName.GRID, noise_km=2.0)
        got = protect(
            asked, PLACE, secret=secret, places=lambda *_: None, at=AT
        )

        assert isinstance(got, Unavailable)

    def test_says_its_noise(self) -> None:
        """
        Who gets a place is told by how much it was moved.
        """
        asked = permit("location_coarse", ProtectionName.GRID, noise_km=2.0)
        got = protect(asked, PLACE, secret=secret, places=memory(), at=AT)

        assert isinstance(got, Protected)
        assert isinstance(got.value, dict)
        assert got.value["noise_km"] == 2.0
        assert got.privacy_class.value == "de_identified"
