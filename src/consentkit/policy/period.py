# SPDX-License-Identifier: MIT
"""
Retention periods: ISO 8601 durations with calendar months and years.
"""

from __future__ import annotations

import calendar
import re

from datetime import datetime, timedelta

from attrs import frozen


__all__ = ["Period"]

_FORM = re.compile(
    r"P(?:(?P<years>[0-9]{1,4})Y)?(?:(?P<months>[0-9]{1,4})M)?"
    r"(?:(?P<weeks>[0-9]{1,4})W)?(?:(?P<days>[0-9]{1,5})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,5})H)?"
    r"(?:(?P<minutes>[0-9]{1,6})M)?(?:(?P<seconds>[0-9]{1,8})S)?)?"
)


@frozen
class Period:
    """
    A positive length of time, such as ``P30D`` or ``P1M``.

    A month is a calendar month: one month after 31 January is the last day
    of February.

    Source: ISO 8601-1:2019, 5.5.2.

    Attributes:
        months: Calendar months, years included.

        seconds: Everything below a month.
    """

    months: int = 0
    seconds: int = 0

    @classmethod
    def parse(cls, text: str) -> Period:
        """
        Read an ISO 8601 duration.

        Raises:
            ValueError: If *text* is not one, or is zero.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            msg = "expected an ISO 8601 duration such as P30D, P1M or PT12H"
            raise ValueError(msg)
        part = {k: int(v or 0) for k, v in match.groupdict().items()}
        period = cls(
            months=part["years"] * 12 + part["months"],
            seconds=(part["weeks"] * 7 + part["days"]) * 86_400
            + part["hours"] * 3_600
            + part["minutes"] * 60
            + part["seconds"],
        )
        if not (period.months or period.seconds):
            msg = "a period must be longer than zero"
            raise ValueError(msg)
        return period

    def after(self, start: datetime) -> datetime:
        """
        Give the instant that is this period after *start*, or the last
        one that there is.
        """
        months = start.year * 12 + start.month - 1 + self.months
        year, month = min(months // 12, 9998), months % 12 + 1
        day = min(start.day, calendar.monthrange(year, month)[1])
        moved = start.replace(year=year, month=month, day=day)
        try:
            return moved + timedelta(seconds=self.seconds)
        except OverflowError:
            return datetime.max.replace(tzinfo=start.tzinfo)

    @property
    def words(self) -> str:
        """
        The period as people say it: ``30 days``.
        """
        years, months = divmod(self.months, 12)
        days, rest = divmod(self.seconds, 86_400)
        hours, rest = divmod(rest, 3600)
        minutes, seconds = divmod(rest, 60)
        parts = {
            "year": years,
            "month": months,
            "day": days,
            "hour": hours,
            "minute": minutes,
            "second": seconds,
        }
        return " ".join(
            f"{number} {unit}{'s' * (number != 1)}"
            for unit, number in parts.items()
            if number
        )

    def __str__(self) -> str:
        days, rest = divmod(self.seconds, 86_400)
        date = f"{self.months}M" * bool(self.months) + f"{days}D" * bool(days)
        return f"P{date}" + (f"T{rest}S" if rest else "")
