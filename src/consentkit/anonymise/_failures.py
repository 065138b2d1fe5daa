# SPDX-License-Identifier: MIT
"""
What is told of rules that raise: their names and how often, never a text.
"""

from __future__ import annotations

import logging

from collections import Counter

from consentkit._fork import Mutex


__all__ = ["Failures"]

logger: logging.Logger = logging.getLogger("consentkit")


class Failures:
    """
    Counts the texts that were dropped, by reason.

    The log is told at a reason's first text, its tenth, its hundredth and so
    on: a rule that is wrong is wrong for each line.
    """

    def __init__(self) -> None:
        self._lock = Mutex()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """
        How many texts were dropped for each reason.
        """
        with self._lock:
            return dict(self._counts)

    def add(self, reason: str) -> None:
        """
        Count one text, and tell the log if it is time to.
        """
        with self._lock:
            self._counts[reason] += 1
            number = self._counts[reason]
        if set(str(number)[1:]) <= {"0"} and str(number)[0] == "1":
            many = "a text was" if number == 1 else f"{number} texts were"
            logger.warning(
                "%s dropped by the scrubber: %s",
                many,
                reason,
                extra={"consentkit_dropped": number},
            )
