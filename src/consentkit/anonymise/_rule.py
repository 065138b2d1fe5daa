# SPDX-License-Identifier: MIT
"""
What a rule of the scrubber is, and the gates that keep it fast.
"""

from __future__ import annotations

import functools
import re

from collections.abc import Callable, Iterator

from attrs import frozen


__all__ = ["TYPES", "Rule", "any_of", "matches"]

#: What spans can be.
TYPES = frozenset(
    {
        "API_KEY",
        "BANK_CARD",
        "DEVICE_ID",
        "EMAIL",
        "GEO_POINT",
        "HOST_IP",
        "IMEI",
        "IPV4",
        "IPV6",
        "JWT",
        "MAC",
        "MOBILE_CN",
        "PHONE",
        "PHONE_INTL",
        "PLATE_CN",
        "RESIDENT_ID_CN",
        "SECRET_VALUE",
        "URL_CREDENTIALS",
        "USERNAME_PATH",
    }
)


@frozen(kw_only=True)
class Rule:
    """
    How one kind of personal data is found in a line.

    Attributes:
        name: Names the rule in tests and reports.

        type: What the span is, out of :data:`TYPES`.

        gate: A cheap look at the lower-case line; without its yes, the
            pattern is not tried.

        pattern: A regular expression.

        group: The group of *pattern* that is personal; a match without it
            is passed over.

        validator: Given the group's text, answers how many characters from
            its start are personal; None accepts all.

        folded: Whether *pattern* is tried on the lower-case line.

        late: Whether a number known by its digits alone names the span
            where the two overlap.
    """

    name: str
    type: str
    gate: Callable[[str], object]
    pattern: str
    group: int = 0
    validator: Callable[[str], int] | None = None
    folded: bool = False
    late: bool = False

    @functools.cached_property
    def find(self) -> Callable[[str], Iterator[re.Match[str]]]:
        """
        Find the matches of *pattern* in a line, the lower-case one for
        folded rules.
        """
        # At first use: compiling takes longer than scrubbing 500 lines.
        return re.compile(self.pattern).finditer


def any_of(*words: str) -> Callable[[str], bool]:
    """
    Make a gate that opens where one of *words* (lower case) is.
    """

    def gate(line: str) -> bool:
        # A loop: twice as fast as any() over a generator.
        for word in words:  # noqa: SIM110
            if word in line:
                return True
        return False

    return gate


def matches(pattern: str) -> Callable[[str], object]:
    """
    Make a gate of a *pattern* that begins with one fixed character.
    """
    # `re` looks for one character much faster than for a set of them.
    return re.compile(pattern).search
