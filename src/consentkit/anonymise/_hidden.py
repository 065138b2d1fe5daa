# SPDX-License-Identifier: MIT
"""
Signs that nobody sees, and what they hide from the rules.

A number with a zero-width space inside has no form that a rule could know.
"""

from __future__ import annotations

import re

from collections.abc import Callable
from typing import ClassVar, Final

from attrs import frozen

from ._looks import Look
from ._rule import Found


__all__ = ["HIDDEN", "HiddenPass"]

#: Control characters but for those that lay out, and what has no width.
_SIGNS = (
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
    "\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff"
)

#: Some of them as Python and JSON write them, as in the text of bytes.
_WRITTEN = r"\\(?:x00|u(?:0000|00ad|200[b-fB-F]|2060|feff|FEFF|00AD))"

#: One such sign, or a sequence that sets the colours of a terminal.
HIDDEN: Final = re.compile(
    rf"(?:\x1b\[|\x9b)[0-?]{{0,32}}[ -/]{{0,8}}[@-~]|[{_SIGNS}]|\r(?!\n)"
    f"|{_WRITTEN}"
)


@frozen(kw_only=True)
class HiddenPass:
    """
    Finds what is there where such signs are passed over, and where they stand
    for blanks, as a NUL between two fields does; to be tried like a rule.

    Attributes:
        find: Finds what is in a line without such signs.
    """

    find: Callable[[str], list[Found]]

    words: ClassVar[tuple[str, ...]] = ()
    forms: ClassVar[tuple[str, ...]] = ()
    looks: ClassVar[tuple[Look, ...]] = (
        Look(("H", "W"), HIDDEN.pattern),
        Look(("\\",), _WRITTEN),
    )
    quick: ClassVar[str] = rf"[\r{_SIGNS}]|{_WRITTEN}"

    def apply(self, line: str, _: str, __: int, found: list[Found]) -> None:
        """
        Add what is in *line* to *found*.
        """
        places: list[int] = []
        at = 0
        for match in HIDDEN.finditer(line):
            places += range(at, match.start())
            at = match.end()
        if not at:
            return
        places += range(at, len(line))
        found += self.find(HIDDEN.sub(lambda it: " " * len(it[0]), line))
        for start, end, its, kind, mark in self.find(HIDDEN.sub("", line)):
            found.append((places[start], places[end - 1] + 1, its, kind, mark))
