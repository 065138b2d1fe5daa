# SPDX-License-Identifier: MIT
"""
When a backend is tried again: one table for all transports.

It is pure: what happened and the time go in, and how the backend stands comes
out. What a backend asks for (``Retry-After``) counts before what is reckoned
here; without it the wait grows with each failure in a row, and is spread, so
that many installs do not come back at the same moment. After some failures
the backend counts as down: from then on one small batch is tried at a time,
and the rest waits until that has come through.

Source: RFC 9110, 10.2.3 (Retry-After); M. Nygard, Release It!, 2nd ed., 5.2
(circuit breaker); M. Brooker, Exponential Backoff And Jitter, 2015.
"""

from __future__ import annotations

import math

from collections.abc import Callable
from enum import Enum

from attrs import evolve, frozen


__all__ = ["RetryRules", "Standing", "Tried"]


class Tried(Enum):
    """
    How a try went.
    """

    #: Something of it was taken, or would never be: the backend works.
    TAKEN = "taken"
    #: Nothing was taken, or nobody knows.
    FAILED = "failed"


@frozen(kw_only=True)
class RetryRules:
    """
    The figures of the table.

    Attributes:
        first_seconds: The wait after the first failure.

        factor: By how much it grows with each one more.

        most_seconds: It grows no longer than that.

        spread: Which part of it is left to chance, 0 to 1.

        down_after: After how many failures in a row it counts as down.

        pause_seconds: The most that a backend may ask for.
    """

    first_seconds: float = 1.0
    factor: float = 2.0
    most_seconds: float = 900.0
    spread: float = 0.5
    down_after: int = 5
    pause_seconds: float = 86_400.0

    def wait(self, failures: int, random: Callable[[], float]) -> float:
        """
        Give how long to wait after so many failures in a row.

        Args:
            failures: One or more.

            random: Gives a number from 0 to 1.
        """
        steps = math.log(
            max(self.most_seconds / self.first_seconds, 1.0), self.factor
        )
        grown: float = self.first_seconds * self.factor ** min(
            failures - 1, steps
        )
        return min(grown, self.most_seconds) * (1 - self.spread * random())


@frozen(kw_only=True)
class Standing:
    """
    How one backend stands.

    Attributes:
        failures: How many tries in a row have failed.

        until: When it may be tried again, on the clock of whoever asks.

        asked_until: Until when the backend itself asked to wait; it is left
            alone a moment longer, of chance.
    """

    failures: int = 0
    until: float = -math.inf
    asked_until: float = -math.inf

    def is_due(self, now: float) -> bool:
        """
        Tell whether it may be tried now.
        """
        return now >= self.until

    def pause(self, now: float) -> float:
        """
        Give how long the backend still asks to wait, or 0.
        """
        return max(self.asked_until - now, 0.0)

    def is_down(self, rules: RetryRules) -> bool:
        """
        Tell whether it counts as down: then one small batch goes first.
        """
        return self.failures >= rules.down_after

    def after(
        self,
        tried: Tried,
        *,
        now: float,
        rules: RetryRules,
        random: Callable[[], float],
        asked_seconds: float | None = None,
    ) -> Standing:
        """
        Give how it stands after a try.

        Args:
            tried: How that went.

            now: When it ended.

            rules: The figures.

            random: Gives a number from 0 to 1.

            asked_seconds: How long the backend asked to wait, if it did;
                also where it has taken something. Beyond *rules* it is as
                long as they let it be, and what is no number asks nothing.
        """
        failures = self.failures + 1 if tried is Tried.FAILED else 0
        wait = rules.wait(failures, random) if failures else 0.0
        asked_until = -math.inf
        if asked_seconds is not None and not math.isnan(asked_seconds):
            # Not before, and not all at once when it is over.
            asked = min(max(asked_seconds, 0.0), rules.pause_seconds)
            asked_until = now + asked
            wait = asked + rules.first_seconds * random()
        return evolve(
            self,
            failures=failures,
            until=now + wait if wait else -math.inf,
            asked_until=asked_until,
        )
