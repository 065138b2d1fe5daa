# SPDX-License-Identifier: MIT

"""
Tests for retention periods.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.policy import Period


def _at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 12, 30, tzinfo=UTC)


class TestParse:
    """
    Tests for `Period.parse`.
    """

    @pytest.mark.parametrize(
        ("text", "months", "seconds"),
        [
            ("P30D", 0, 30 * 86_400),
            ("P1M", 1, 0),
            ("P3Y", 36, 0),
            ("P1Y6M", 18, 0),
            ("P2W", 0, 14 * 86_400),
            ("PT12H", 0, 43_200),
            ("PT1M", 0, 60),
            ("PT10S", 0, 10),
            ("P1Y2M3DT4H5M6S", 14, 3 * 86_400 + 4 * 3_600 + 5 * 60 + 6),
        ],
    )
    def test_reads_calendar_months_apart_from_seconds(
        self, text: str, months: int, seconds: int
    ) -> None:
        """
        Years and months are counted by the calendar, the rest in seconds.
        """
        assert Period.parse(text) == Period(months=months, seconds=seconds)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "PT",
            "P1",
            "1M",
            "P1MT",
            "P-1D",
            "P1.5D",
            "p1d",
            " P1D",
            "P1D\n",
            "P1D2M",
            "30 days",
            "P٣D",
            "P100000D",
        ],
    )
    def test_refuses_what_is_no_duration(self, text: str) -> None:
        """
        Anything but an ISO 8601 duration is refused, with an example.
        """
        with pytest.raises(ValueError, match="P30D"):
            Period.parse(text)

    @pytest.mark.parametrize("text", ["P", "P0D", "PT0S", "P0Y0M0W"])
    def test_refuses_zero(self, text: str) -> None:
        """
        A period of nothing is no retention.
        """
        with pytest.raises(ValueError, match="longer than zero"):
            Period.parse(text)

    @given(st.text(alphabet="PTYMWDHS0123456789٣.-+ ", max_size=12))
    def test_either_reads_or_raises_value_error(self, text: str) -> None:
        """
        No text makes anything but a positive period or a ValueError.
        """
        try:
            period = Period.parse(text)
        except ValueError:
            return
        assert period.months + period.seconds > 0
        assert text.isascii()

    @given(
        st.integers(0, 9_999), st.integers(0, 99_999), st.integers(0, 86_399)
    )
    def test_text_of_a_period_reads_back(
        self, months: int, days: int, rest: int
    ) -> None:
        """
        What a period prints is the same period.
        """
        period = Period(months=months, seconds=days * 86_400 + rest)
        if period != Period():
            assert Period.parse(str(period)) == period


class TestAfter:
    """
    Tests for `Period.after`.
    """

    @pytest.mark.parametrize(
        ("start", "text", "end"),
        [
            (_at(2026, 1, 31), "P1M", _at(2026, 2, 28)),
            (_at(2028, 1, 31), "P1M", _at(2028, 2, 29)),
            (_at(2026, 3, 31), "P1M", _at(2026, 4, 30)),
            (_at(2026, 12, 15), "P1M", _at(2027, 1, 15)),
            (_at(2026, 11, 30), "P3M", _at(2027, 2, 28)),
            (_at(2028, 2, 29), "P1Y", _at(2029, 2, 28)),
            (_at(2028, 2, 29), "P4Y", _at(2032, 2, 29)),
            (_at(2026, 1, 31), "P1M1D", _at(2026, 3, 1)),
            (_at(2026, 1, 31), "P30D", _at(2026, 3, 2)),
            (_at(2026, 1, 1), "P3Y", _at(2029, 1, 1)),
        ],
    )
    def test_months_follow_the_calendar(
        self, start: datetime, text: str, end: datetime
    ) -> None:
        """
        A month ends on the same day, or on the last that the month has.
        """
        assert Period.parse(text).after(start) == end

    def test_ends_with_the_calendar(self) -> None:
        """
        A period beyond the last year there is ends on its last day.
        """
        end = Period.parse("P9000Y99999D").after(_at(2026, 1, 1))

        assert end == datetime.max.replace(tzinfo=UTC)

    @given(
        st.datetimes(timezones=st.just(UTC)),
        st.integers(0, 120_000),
        st.integers(0, 10**10),
    )
    def test_ends_after_the_start_and_never_raises(
        self, start: datetime, months: int, seconds: int
    ) -> None:
        """
        The end is no earlier than the start, even past the calendar's end.
        """
        end = Period(months=months, seconds=seconds).after(start)

        assert end.tzinfo is UTC
        assert end >= min(start, datetime(9998, 1, 1, tzinfo=UTC))

    @given(
        st.datetimes(max_value=datetime(2500, 1, 1), timezones=st.just(UTC)),
        st.integers(1, 1_000),
    )
    def test_seconds_are_exact(self, start: datetime, days: int) -> None:
        """
        Days are of 86 400 seconds each, whatever the month.
        """
        end = Period(seconds=days * 86_400).after(start)

        assert end - start == timedelta(days=days)
