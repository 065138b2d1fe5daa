# SPDX-License-Identifier: MIT
"""
The short way of events: it gives what the long way gives, or leaves it to
that.
"""

from __future__ import annotations

from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.anonymise.protect import Cleaner, clean_event
from consentkit.anonymise.scrub import Scrubber, default_scrubber, scrub
from consentkit.policy.model import (
    Clause,
    EventField,
    EventSpec,
    Protection,
    ProtectionName,
)
from tests.support import small


FIELDS = {
    "note": EventField(kind="text"),
    "other": EventField(kind="text"),
    "plan": EventField(kind="enum", values=("free", "team")),
    "count": EventField(kind="int"),
    "share": EventField(kind="float"),
    "is_on": EventField(kind="bool"),
}
SPEC = EventSpec(name="used", type="usage_record", fields=FIELDS)


def clause(name: ProtectionName) -> Clause:
    """
    Give a clause of the small policy, with another protection.
    """
    from attrs import evolve

    found = next(
        one
        for function in small().functions.values()
        for one in function.clauses.values()
    )
    return evolve(found, protection=Protection(name=name))


#: What is personal, what looks like it, and what is neither.
PIECES = st.sampled_from(
    [
        "a",
        " ",
        "4.18.2",
        "ann@privat.example",
        "13905550148",
        "3C:5A:B4:01:23:45",
        "password=",
        "hunter2",
        "192.168.1.7",
        "/cart?step=3",
        "bid0010000001",
        "\u7535\u8bdd",
        "\ud83d",
        "\n",
    ]
)
TEXTS = st.lists(PIECES, max_size=5).map("".join)
ODD = st.sampled_from([None, float("nan"), 2**31, -(2**31), True, "x", b"x"])
VALUES = st.fixed_dictionaries(
    {
        "note": TEXTS | ODD,
        "other": TEXTS,
        "plan": st.sampled_from(["free", "team", "none"]) | ODD,
        "count": st.integers(-9, 2**31) | ODD,
        "share": st.floats() | st.integers(-9, 9) | ODD,
        "is_on": st.booleans() | ODD,
    }
)


class TestCleaner:
    """
    `Cleaner`: many events of one class.
    """

    @pytest.mark.parametrize(
        "name", [ProtectionName.SCRUB, ProtectionName.BUCKET]
    )
    @given(events=st.lists(VALUES, min_size=1, max_size=4))
    def test_as_the_long_way(
        self, name: ProtectionName, events: list[dict[str, Any]]
    ) -> None:
        """
        What it gives is what `clean_event` gives, also of texts that came
        before; and what that refuses it never takes.
        """
        promised = clause(name)
        cleaner = Cleaner(promised, SPEC)
        for event in [*events, *events]:
            expected = clean_event(promised, SPEC, event)
            made = cleaner.clean(event.values())
            if made is not None:
                assert isinstance(expected, dict)
                assert made == list(expected.values())[1:]
                types = [type(value) for value in expected.values()][1:]
                assert [type(value) for value in made] == types

    def test_a_plain_event_goes_the_short_way(self) -> None:
        """
        An event of what is declared is not left to the long way, neither is
        one with something to scrub.
        """
        cleaner = Cleaner(clause(ProtectionName.SCRUB), SPEC)
        told = ["bid0010000001", "ann@privat.example", "team", 7, 0.5, True]
        made = cleaner.clean(told)
        assert made is not None
        assert made[0] == told[0]
        assert made[1] == scrub("ann@privat.example").text != told[1]
        assert made[2:] == told[2:]

    def test_it_holds_nothing_personal(self) -> None:
        """
        A text in which something was found is not remembered.
        """
        cleaner = Cleaner(clause(ProtectionName.SCRUB), SPEC)
        cleaner.clean(["ann@privat.example", "plain", "team", 7, 0.5, True])
        assert cleaner._known == {"plain"}


class TestPlain:
    """
    `Scrubber.is_plain`: one look at several texts.
    """

    @given(st.lists(TEXTS, min_size=1, max_size=4))
    def test_nothing_is_passed_over(self, texts: list[str]) -> None:
        """
        If it says so of texts in lines, nothing is found in any of them.
        """
        for scrubber in (default_scrubber(), Scrubber(engine="auto")):
            if scrubber.is_plain("\n".join(texts)):
                for text in texts:
                    assert scrubber.scrub(text).spans == ()
