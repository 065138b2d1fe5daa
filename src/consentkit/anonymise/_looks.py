# SPDX-License-Identifier: MIT
"""
Quick looks at a line: what the gate on `re` asks before a rule is tried.
"""

from __future__ import annotations

import functools
import re

from collections.abc import Callable

from attrs import frozen


__all__ = ["AFTER_DIGIT", "BLANKS", "BRACKET", "HYPHENS", "START", "Look"]

#: What may stand before a word in the `quick` of a rule: RE2 cannot look
#: behind.
START = "(?:^|[^0-9a-z])"
AFTER_DIGIT = "[0-9][ -]{1,2}"


@frozen
class Look:
    """
    One look, first at the shape of a line: each letter is an ``a`` there,
    each digit a 0, each control character an ``H``, and what is not in ASCII
    a ``W``.

    Attributes:
        heads: The shape holds one of these wherever *pattern* is in a line.

        pattern: Looked for in the lower-case line then. `re` is fast where
            it begins with one fixed character.
    """

    heads: tuple[str, ...]
    pattern: str

    @functools.cached_property
    def _search(self) -> Callable[[str], object]:
        return re.compile(self.pattern).search

    def __call__(self, lower: str) -> object:
        """
        Look at a line, whatever its shape is.
        """
        return self._search(lower)


#: Long numbers in groups with blanks between.
BLANKS = Look(
    ("000 000", "00 000000"),
    r" (?<=[0-9]{2} )(?:[0-9]{6} [0-9]"
    r"|(?<=[0-9]{3} )(?:[0-9]{4} [0-9]{4}|[0-9]{6} [0-9]{5})"
    r"|(?<=[0-9]{6} )(?:[0-9]{2} [0-9]{6}|[0-9]{8} [0-9]{3}))",
)

#: The same with hyphens.
HYPHENS = Look(("00-000",), BLANKS.pattern.replace(" ", "-"))

#: A bracket after an area code.
BRACKET = Look((")",), r"\)(?<=[0-9]{3}\)) ?[0-9]{3}")
