# SPDX-License-Identifier: MIT
"""
Who is a child or a minor: by the document's bounds and the calendar.

The ledger never holds a birthday: only the day on which somebody is no child
any more, and the day on which somebody comes of age.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from enum import Enum
from typing import Final

from attrs import frozen

from consentkit.policy.model import Minors


__all__ = ["Age", "AgeBand", "age_facts", "age_of_facts"]

_CHILD: Final = "child_until"
_MINOR: Final = "minor_until"


class AgeBand(Enum):
    """
    What is known of somebody's age; not knowing is a state of its own.
    """

    UNKNOWN = "unknown"
    CHILD = "child"
    MINOR = "minor"
    ADULT = "adult"


@frozen(kw_only=True)
class Age:
    """
    When somebody grows out of what a document says of the young.

    Attributes:
        known: Whether anything was declared.

        child_until: First day on which somebody is no child any more, if
            that is to come.

        minor_until: First day on which somebody is of age, if that is to
            come.
    """

    known: bool = False
    child_until: date | None = None
    minor_until: date | None = None

    def band(self, at: datetime) -> AgeBand:
        """
        Give the band at an instant; a day begins at midnight UTC.
        """
        if not self.known:
            return AgeBand.UNKNOWN
        day = at.astimezone(UTC).date()
        if self.child_until is not None and day < self.child_until:
            return AgeBand.CHILD
        if self.minor_until is not None and day < self.minor_until:
            return AgeBand.MINOR
        return AgeBand.ADULT

    def changes(self) -> tuple[datetime, ...]:
        """
        Give the instants at which the band becomes another.
        """
        days = (self.child_until, self.minor_until)
        return tuple(datetime.combine(d, time(), UTC) for d in days if d)


def age_facts(
    minors: Minors | None, *, born: date | None, today: date
) -> dict[str, str]:
    """
    Give what the ledger keeps of a declared age: days, and no birthday that
    is past mattering.

    Args:
        minors: The document's bounds.

        born: The birthday, or ``None`` for somebody who is of age.

        today: The day on which it is declared.

    Raises:
        ValueError: If *born* is in the future.
    """
    if born is not None and born > today:
        msg = f"born on {born}, which is in the future"
        raise ValueError(msg)
    facts: dict[str, str] = {"age": "declared"}
    if born is None or minors is None:
        return facts
    for name, years in (
        (_CHILD, minors.child_until),
        (_MINOR, minors.minor_until),
    ):
        if years and (day := _birthday(born, years)) > today:
            facts[name] = day.isoformat()
    return facts


def age_of_facts(facts: Mapping[str, str]) -> Age:
    """
    Read an age back from the facts of an entry.

    Raises:
        ValueError: If they are no such facts.
    """
    days = {
        name: date.fromisoformat(facts[name]) if name in facts else None
        for name in (_CHILD, _MINOR)
    }
    return Age(
        # What was said of a child that is turned away is taken back.
        known=facts.get("age") != "unknown",
        child_until=days[_CHILD],
        minor_until=days[_MINOR],
    )


def _birthday(born: date, years: int) -> date:
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        # Born on 29 February: the later day, as the rules protect the young.
        return date(born.year + years, 3, 1)
