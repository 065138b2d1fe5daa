# SPDX-License-Identifier: MIT

"""
Tests for series of places, their times and epochs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.anonymise.grid import bounds_of, cell_of
from consentkit.anonymise.protect import Protected, protect
from consentkit.anonymise.series import Series, epoch_name, time_of
from consentkit.collectors.source import Unavailable
from consentkit.policy import Period, Protection, ProtectionName
from tests.anonymise.test_protect import permit, secret
from tests.support import PLACE


AT = datetime(2026, 11, 20, 12, 34, 56, 789, tzinfo=UTC)
NAME = ("grant", "location_coarse", "maker")
HERE = cell_of(48.8584, 2.2945)
DAY = Period(seconds=86_400)


class TestCell:
    """
    Tests for `Series.cell()`.
    """

    def test_holds_until_left(self) -> None:
        """
        Just beyond the edge the last cell holds; clearly beyond, the new one
        does, and on the way back that one.
        """
        series, edges = Series(), bounds_of(HERE)
        inside, beyond, far = (
            edges.north - 0.001,
            edges.north + 0.001,
            edges.north + 0.004,
        )
        east = HERE.longitude

        got = [
            series.cell(NAME, north, east, side_km=2.0)
            for north in (inside, beyond, far, beyond, inside)
        ]

        there = cell_of(far, east)
        assert got == [HERE, HERE, there, there, there]

    def test_series_are_apart(self) -> None:
        """
        Another grant, type or recipient knows nothing of the last cell.
        """
        series, edges = Series(), bounds_of(HERE)
        series.cell(NAME, HERE.latitude, HERE.longitude, side_km=2.0)
        north = edges.north + 0.001

        other = series.cell(
            ("other", *NAME[1:]), north, HERE.longitude, side_km=2.0
        )

        assert other == cell_of(north, HERE.longitude)

    def test_another_side_is_another_grid(self) -> None:
        """
        A change of the cells' size forgets the last one.
        """
        series = Series()
        series.cell(NAME, 48.8584, 2.2945, side_km=2.0)

        got = series.cell(NAME, 48.8584, 2.2945, side_km=10.0)

        assert got == cell_of(48.8584, 2.2945, side_km=10.0)

    @given(st.floats(-90, 90), st.floats(-180, 180))
    def test_first_is_the_grids(self, north: float, east: float) -> None:
        """
        Without a last cell it is the grid's, and asking again gives it
        again.
        """
        series = Series()
        first = series.cell(NAME, north, east, side_km=2.0)

        assert first == cell_of(north, east)
        assert first == series.cell(NAME, north, east, side_km=2.0)

    def test_date_line(self) -> None:
        """
        The first and the last degree are side by side.
        """
        series = Series()
        first = series.cell(NAME, 0.005, 179.9999, side_km=2.0)

        assert series.cell(NAME, 0.005, -179.9999, side_km=2.0) == first

    def test_is_bounded(self) -> None:
        """
        It forgets the oldest of very many.
        """
        series = Series()
        for i in range(3000):
            series.cell((str(i),), 1.0, 1.0, side_km=2.0)
            series.is_news((str(i),), "x")

        assert repr(series) == "<Series: 1024 last cells>"
        assert series.is_news(("0",), "x")
        assert not series.is_news(("2999",), "x")

    def test_repr_and_forget(self) -> None:
        """
        It shows no place, and forgets them when told to.
        """
        series = Series()
        series.cell(NAME, 48.8584, 2.2945, side_km=2.0)
        assert series.is_news(NAME, HERE.index)
        series.forget()

        assert repr(series) == "<Series: 0 last cells>"
        assert series.is_news(NAME, HERE.index)


class TestOnChange:
    """
    Tests for a clause that promises a place on a change only.
    """

    def read(self, series: Series | None, place: Any, **more: Any) -> object:
        """
        Read a place under such a clause.
        """
        asked = permit(
            "location_coarse", ProtectionName.GRID, on_change=True, **more
        )
        return protect(asked, place, secret=secret, series=series, at=AT)

    def test_same_cell_is_no_news(self) -> None:
        """
        The first place has a value, the second in the same cell none, and
        the next cell again.
        """
        series = Series()
        near = attrs.evolve(PLACE, latitude=PLACE.latitude + 0.0001)
        far = attrs.evolve(PLACE, latitude=PLACE.latitude + 1)

        got = [self.read(series, p) for p in (PLACE, near, far, far, PLACE)]

        assert [isinstance(one, Protected) for one in got] == [
            True,
            False,
            True,
            False,
            True,
        ]
        assert got[1] == Unavailable(
            "location_coarse", "the place is in the cell that was told"
        )

    def test_without_a_memory(self) -> None:
        """
        Where nothing remembers the last place, the promise gives no value.
        """
        got = self.read(None, PLACE)

        assert got == Unavailable(
            "location_coarse", "nothing here remembers the last place"
        )

    def test_noise_does_not_hide_a_repetition(self) -> None:
        """
        With noise too it is the true cell that has to change.
        """
        series = Series()
        noise = {"noise_km": 20.0, "epoch": DAY}

        assert isinstance(self.read(series, PLACE, **noise), Protected)
        assert isinstance(self.read(series, PLACE, **noise), Unavailable)


class TestTimeOf:
    """
    Tests for `time_of()`.
    """

    def test_hour(self) -> None:
        """
        A step of an hour leaves the hour.
        """
        hourly = Protection(
            name=ProtectionName.GRID, time_step=Period(seconds=3600)
        )

        assert time_of(AT, hourly) == datetime(2026, 11, 20, 12, tzinfo=UTC)

    def test_no_step(self) -> None:
        """
        Without a step the time stays.
        """
        assert time_of(AT, Protection(name=ProtectionName.GRID)) == AT

    @given(
        st.datetimes(
            datetime(1970, 1, 2),
            datetime(2200, 1, 1),
            timezones=st.just(timezone(timedelta(hours=8))),
        ),
        st.sampled_from([60, 900, 3600, 86_400]),
    )
    def test_is_within_the_step(self, at: datetime, seconds: int) -> None:
        """
        The step's begin is at most a step before, and cutting it once more
        changes nothing.
        """
        step = Protection(
            name=ProtectionName.GRID, time_step=Period(seconds=seconds)
        )
        cut = time_of(at, step)

        assert timedelta() <= at - cut < timedelta(seconds=seconds)
        assert time_of(cut, step) == cut


class TestEpochName:
    """
    Tests for `epoch_name()`.
    """

    def test_none_never_ends(self) -> None:
        """
        Without an epoch there is no name.
        """
        assert epoch_name(None, AT) == ""

    @pytest.mark.parametrize(
        ("epoch", "last", "first"),
        [
            (Period(months=1), datetime(2026, 11, 30), datetime(2026, 12, 1)),
            (Period(months=3), datetime(2026, 12, 31), datetime(2027, 1, 1)),
            (DAY, datetime(2026, 11, 20), datetime(2026, 11, 21)),
        ],
    )
    def test_ends_for_all_at_once(
        self, epoch: Period, last: datetime, first: datetime
    ) -> None:
        """
        It ends at midnight UTC, wherever somebody is.
        """
        before = last.replace(hour=23, minute=59, tzinfo=UTC)
        after = first.replace(tzinfo=UTC)
        east = timezone(timedelta(hours=14))

        assert epoch_name(epoch, before) != epoch_name(epoch, after)
        assert epoch_name(epoch, before) == epoch_name(
            epoch, before.astimezone(east)
        )
        assert epoch_name(epoch, before).startswith(f"{epoch}:")
