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

from consentkit.anonymise.grid import Cell, bounds_of, cell_of
from consentkit.anonymise.protect import Protected, protect
from consentkit.anonymise.series import (
    HeldPlace,
    News,
    Places,
    epoch_name,
    held_cell,
    time_of,
)
from consentkit.collectors.source import Unavailable
from consentkit.policy import Period, Protection, ProtectionName
from tests.anonymise.places import memory
from tests.anonymise.test_protect import permit, secret
from tests.support import PLACE


AT = datetime(2026, 11, 20, 12, 34, 56, 789, tzinfo=UTC)
HERE = cell_of(48.8584, 2.2945)
DAY = Period(seconds=86_400)


class TestHeldCell:
    """
    Tests for `held_cell()`.
    """

    def walk(
        self, *norths: float, east: float, accuracy_m: float | None = None
    ) -> list[Cell]:
        """
        Give the cells in which somebody is held who goes through places.
        """
        cells: list[Cell] = []
        for north in norths:
            cell = held_cell(
                north,
                east,
                side_km=2.0,
                last=cells[-1] if cells else None,
                accuracy_m=accuracy_m,
            )
            cells.append(cell)
        return cells

    def test_holds_until_left(self) -> None:
        """
        Just beyond the edge the last cell holds; clearly beyond, the new one
        does, and on the way back that one.
        """
        edges, east = bounds_of(HERE), HERE.longitude
        inside, beyond, far = (
            edges.north - 0.001,
            edges.north + 0.001,
            edges.north + 0.004,
        )
        there = cell_of(far, east)

        got = self.walk(inside, beyond, far, beyond, inside, east=east)

        assert got == [HERE, HERE, there, there, there]

    def test_what_the_source_is_not_sure_of_holds(self) -> None:
        """
        A fix that may be a kilometre off is no proof that a cell was left;
        three of them are.
        """
        edges, east = bounds_of(HERE), HERE.longitude
        way = edges.north - 0.001, edges.north + 0.004, edges.north + 0.028

        *held, left = self.walk(*way, east=east, accuracy_m=1000)

        assert held == [HERE, HERE]
        assert left == cell_of(way[-1], east)
        assert self.walk(*way, east=east, accuracy_m=10)[1] != HERE

    def test_another_side_is_another_grid(self) -> None:
        """
        A cell of another size is not held.
        """
        got = held_cell(48.8584, 2.2945, side_km=10.0, last=HERE)

        assert got == cell_of(48.8584, 2.2945, side_km=10.0)

    @given(st.floats(-90, 90), st.floats(-180, 180))
    def test_first_is_the_grids(self, north: float, east: float) -> None:
        """
        Without a last cell it is the grid's, and asking again gives it
        again.
        """
        first = held_cell(north, east, side_km=2.0)

        assert first == cell_of(north, east)
        assert first == held_cell(north, east, side_km=2.0, last=first)

    def test_date_line(self) -> None:
        """
        The first and the last degree are side by side.
        """
        first = held_cell(0.005, 179.9999, side_km=2.0)
        again = held_cell(0.005, -179.9999, side_km=2.0, last=first)

        assert cell_of(0.005, -179.9999) != first
        assert again == first

    def test_shows_no_place(self) -> None:
        """
        Neither the cell nor what is told of it is in a text.
        """
        held = HeldPlace(HERE, b"secret of places")

        assert repr(held) == "HeldPlace()"
        assert "48" not in repr(News({"latitude": 48.8}, "ab"))


class TestOnChange:
    """
    Tests for a clause that promises a place on a change only.
    """

    def news(self, places: Places | None, place: Any, **more: Any) -> str:
        """
        Give what stands for the place that is read under such a clause.
        """
        asked = permit("location_coarse", ProtectionName.GRID, **more)
        got = protect(asked, place, secret=secret, places=places, at=AT)
        assert isinstance(got, Protected)
        return got.news

    def test_same_cell_is_no_news(self) -> None:
        """
        A second place in the same cell stands for the same, one in another
        cell for another, and none of them tells the cell.
        """
        places = memory()
        near = attrs.evolve(PLACE, latitude=PLACE.latitude + 0.0001)
        far = attrs.evolve(PLACE, latitude=PLACE.latitude + 1)

        one, same, other, back = (
            self.news(places, place) for place in (PLACE, near, far, PLACE)
        )

        assert one == same == back != other
        assert one != self.news(memory(bytes(32)), PLACE)

    def test_noise_does_not_hide_a_repetition(self) -> None:
        """
        With noise, and in another epoch, it is the true cell that has to
        change.
        """
        noise = {"noise_km": 20.0, "epoch": DAY}

        assert self.news(memory(), PLACE) == self.news(
            memory(), PLACE, **noise
        )

    def test_each_time(self) -> None:
        """
        Where the policy says so, each place is news.
        """
        assert self.news(memory(), PLACE, on_change=False) == ""

    def test_without_a_memory(self) -> None:
        """
        Where nothing remembers the last place, there is none.
        """
        asked = permit("location_coarse", ProtectionName.GRID)

        assert protect(asked, PLACE, secret=secret) == Unavailable(
            "location_coarse", "nothing here remembers the last place"
        )


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
        Without a step the time stays; a place has one if nothing is said.
        """
        place = Protection(name=ProtectionName.GRID)
        exact = attrs.evolve(place, time_step=None)

        assert time_of(AT, exact) == AT
        assert time_of(AT, place) == AT.replace(
            minute=0, second=0, microsecond=0
        )

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
