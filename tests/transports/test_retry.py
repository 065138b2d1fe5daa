# SPDX-License-Identifier: MIT

"""
When a backend is tried again.
"""

from __future__ import annotations

import random

from math import inf, nan

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.transports.retry import RetryRules, Standing, Tried


RULES = RetryRules()
FAILED, TAKEN = Tried.FAILED, Tried.TAKEN


def _after(tried: list[Tried], chance: float = 0.0) -> Standing:
    standing = Standing()
    for one in tried:
        standing = standing.after(
            one, now=0.0, rules=RULES, random=lambda: chance
        )
    return standing


class TestWait:
    """
    The wait after failures.
    """

    def test_grows(self) -> None:
        """
        It doubles with each failure in a row, up to a quarter of an hour.
        """
        waits = [_after([FAILED] * n).until for n in range(1, 13)]
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]

    def test_is_spread(self) -> None:
        """
        Half of it is left to chance.
        """
        assert _after([FAILED] * 4, chance=1.0).until == 4
        assert _after([FAILED] * 4, chance=0.5).until == 6

    def test_ends_with_success(self) -> None:
        """
        What was taken clears it, and it begins anew.
        """
        works = _after([FAILED, FAILED, TAKEN])
        assert works == Standing()
        assert works.is_due(0.0)
        assert _after([FAILED, FAILED, TAKEN, FAILED]).until == 1

    def test_not_before_it_is_over(self) -> None:
        """
        It is due at the moment that was reckoned, and not before.
        """
        waits = _after([FAILED] * 3)
        assert not waits.is_due(3.999)
        assert waits.is_due(4.0)

    def test_many_failures(self) -> None:
        """
        A backend that is down for years breaks no sum.
        """
        standing = Standing(failures=10**9)
        later = standing.after(
            FAILED, now=0.0, rules=RULES, random=lambda: 0.0
        )
        assert later.until == 900


class TestAsked:
    """
    What the backend asks for.
    """

    def test_counts_first(self) -> None:
        """
        A pause that it asks for is kept, also a longer or a shorter one than
        would be reckoned, and also where it took something.
        """
        for tried in (FAILED, TAKEN):
            for asked in (0.5, 7_200.0):
                standing = Standing(failures=8).after(
                    tried,
                    now=10.0,
                    rules=RULES,
                    random=lambda: 0.0,
                    asked_seconds=asked,
                )
                assert standing.until == 10 + asked

    def test_has_bounds(self) -> None:
        """
        It is a day at most, and never less than nothing.
        """
        for asked, least in ((1e12, 86_400.0), (-5.0, 0.0)):
            standing = Standing().after(
                FAILED,
                now=0.0,
                rules=RULES,
                random=lambda: 0.0,
                asked_seconds=asked,
            )
            assert max(standing.until, 0.0) == least

    @pytest.mark.parametrize(
        ("asked", "left"),
        [(None, 0), (0.0, 0), (-5.0, 0), (nan, 0), (7.0, 7), (inf, 86_400)],
    )
    def test_is_told_from_our_own(
        self, asked: float | None, left: float
    ) -> None:
        """
        How long it still asks to wait is known apart from how long it would
        be left alone by itself; no time, and what is no number, asks nothing.
        """
        standing = Standing(failures=3).after(
            FAILED,
            now=10.0,
            rules=RULES,
            random=lambda: 0.0,
            asked_seconds=asked,
        )

        assert standing.pause(10.0) == left
        assert standing.pause(10.0 + 86_400) == 0.0

    def test_they_do_not_all_come_back_at_once(self) -> None:
        """
        After the pause, installs come back within a second.
        """
        dice = random.Random(1)
        ends = {
            Standing()
            .after(
                FAILED,
                now=0.0,
                rules=RULES,
                random=dice.random,
                asked_seconds=60.0,
            )
            .until
            for _ in range(100)
        }
        assert len(ends) == 100
        assert min(ends) >= 60
        assert max(ends) <= 61


class TestDown:
    """
    A backend that counts as down.
    """

    def test_after_five(self) -> None:
        """
        It is down after five failures in a row, until something is taken.
        """
        assert not _after([FAILED] * 4).is_down(RULES)
        assert _after([FAILED] * 5).is_down(RULES)
        assert not _after([FAILED] * 5 + [TAKEN]).is_down(RULES)


@given(
    st.lists(st.sampled_from(Tried), max_size=60),
    st.floats(0, 1),
    st.floats(0, 1e9),
)
def test_always(tried: list[Tried], chance: float, now: float) -> None:
    """
    Whatever happens: no wait is longer than the longest, there is none where
    something was taken last, and there is one after a failure.
    """
    standing = Standing()
    for one in tried:
        standing = standing.after(
            one, now=now, rules=RULES, random=lambda: chance
        )
    assert standing.until <= now + RULES.most_seconds
    if tried and tried[-1] is FAILED:
        assert standing.until >= now
        assert standing.failures >= 1
    else:
        assert standing == Standing()
