# SPDX-License-Identifier: MIT

"""
Tests for the age: what is kept of a birthday, and on which day it matters.

What an age does to choices is in ``test_choices.py``.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from attrs import evolve

from consentkit.consent.age import Age, AgeBand, age_facts, age_of_facts
from consentkit.consent.state import fold
from consentkit.ledger.entries import Act
from consentkit.policy.model import Minors
from tests.support import START, acts, small


TODAY = date(2026, 11, 20)
MINORS = Minors(child_until=14, minor_until=18)


def midnight(day: date) -> datetime:
    """
    Give the instant at which a day begins.
    """
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


class TestFacts:
    """
    Tests for what the ledger keeps of a declared age.
    """

    def test_days_to_come(self) -> None:
        """
        Of a child both days are kept, of a minor the one to come.
        """
        ten = age_facts(MINORS, born=date(2016, 5, 17), today=TODAY)
        assert ten == {
            "age": "declared",
            "child_until": "2030-05-17",
            "minor_until": "2034-05-17",
        }
        fifteen = age_facts(MINORS, born=date(2011, 5, 17), today=TODAY)
        assert fifteen == {"age": "declared", "minor_until": "2029-05-17"}

    @pytest.mark.parametrize("years", [14, 18])
    def test_day_that_has_come_is_not_kept(self, years: int) -> None:
        """
        On the birthday itself its day does not matter any more, and would
        tell the birthday.
        """
        born = TODAY.replace(year=TODAY.year - years)

        facts = age_facts(MINORS, born=born, today=TODAY)
        assert TODAY.isoformat() not in facts.values()
        before = age_facts(MINORS, born=born, today=TODAY - timedelta(days=1))
        assert TODAY.isoformat() in before.values()

    def test_born_today(self) -> None:
        """
        Somebody may be born today, and not tomorrow.
        """
        facts = age_facts(MINORS, born=TODAY, today=TODAY)
        assert facts["child_until"] == "2040-11-20"
        with pytest.raises(ValueError, match="in the future"):
            age_facts(MINORS, born=TODAY + timedelta(days=1), today=TODAY)

    @pytest.mark.parametrize(
        ("minors", "kept"),
        [
            (None, set()),
            (Minors(), set()),
            (Minors(child_until=14), {"child_until"}),
            (Minors(minor_until=18), {"minor_until"}),
        ],
    )
    def test_bounds_of_the_document_alone(
        self, minors: Minors | None, kept: set[str]
    ) -> None:
        """
        Only days that the document gives a meaning to are kept.
        """
        facts = age_facts(minors, born=date(2016, 5, 17), today=TODAY)

        assert set(facts) == {"age", *kept}

    def test_come_back(self) -> None:
        """
        What was kept reads back as the same age; what was taken back is no
        age, and neither is a text that is no day.
        """
        facts = age_facts(MINORS, born=date(2016, 5, 17), today=TODAY)

        assert age_of_facts(facts) == Age(
            known=True,
            child_until=date(2030, 5, 17),
            minor_until=date(2034, 5, 17),
        )
        assert age_of_facts({"age": "unknown"}) == Age()
        with pytest.raises(ValueError, match="isoformat"):
            age_of_facts({"age": "declared", "child_until": "soon"})


class TestBand:
    """
    Tests for what an age is at an instant.
    """

    @pytest.mark.parametrize(
        ("before", "day", "after"),
        [
            (AgeBand.CHILD, date(2030, 5, 17), AgeBand.MINOR),
            (AgeBand.MINOR, date(2034, 5, 17), AgeBand.ADULT),
        ],
    )
    def test_begins_at_midnight(
        self, before: AgeBand, day: date, after: AgeBand
    ) -> None:
        """
        A band begins with its day, in UTC, and not an instant before.
        """
        facts = age_facts(MINORS, born=date(2016, 5, 17), today=TODAY)
        age = age_of_facts(facts)

        begins = midnight(day)
        assert age.band(begins - timedelta(microseconds=1)) is before
        assert age.band(begins) is after

    def test_nothing_declared_is_unknown(self) -> None:
        """
        Not knowing is no age, whatever the day.
        """
        assert Age().band(START) is AgeBand.UNKNOWN
        assert Age(known=True).band(START) is AgeBand.ADULT

    def test_is_looked_at_again_on_the_next_birthday(self) -> None:
        """
        A state holds from the last day on which the band changed until the
        next one, at last without an end.
        """
        policy = small()
        (entry,) = acts(policy, ("improve", Act.AGE_DECLARED))
        facts = age_facts(MINORS, born=date(2016, 5, 17), today=TODAY)
        entry = evolve(entry, element="", facts=facts)
        first, second = (midnight(date(y, 5, 17)) for y in (2030, 2034))

        for at, since, until in [
            (START, policy.in_force_from, first),
            (first, first, second),
            (second, second, None),
        ]:
            state = fold([entry], policy, at=at)
            assert (state.since, state.until) == (since, until)
