# SPDX-License-Identifier: MIT
r"""
Signs that nobody sees, and what they hide from the rules.

A number with a zero-width space inside has no form that a rule could know.
Nor has one right behind ``\n``, as JSON and Python write the end of a line,
or between the escapes by which they write bytes and what is not in ASCII.
"""

from __future__ import annotations

import re

from collections.abc import Callable
from typing import ClassVar, Final

from attrs import frozen

from ._looks import Look
from ._rule import Found


__all__ = ["HIDDEN", "SIGNS", "HiddenPass"]

#: Control characters but for those that lay out, and what has no width.
_SET = (
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
    "\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff"
)

#: What sets the colours of a terminal, after the sign that begins it.
_COLOUR = r"\[[0-?]{0,32}[ -/]{0,8}[@-~]"

#: One sign that nobody sees, or a sequence that sets colours.
SIGNS: Final = re.compile(
    rf"\x1b{_COLOUR}|\x9b{_COLOUR[2:]}|[{_SET}]|\r(?!\n)"
)

#: The same and all else that is not in ASCII, as Python and JSON write it;
#: the group is what stands for something that is seen.
_WRITTEN = (
    rf"\\(?:x1[bB]|u001[bB]){_COLOUR}"
    r"|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}"
    r"|(\\[abfnrtv0])"
)

#: Any of these.
HIDDEN: Final = re.compile(f"{SIGNS.pattern}|{_WRITTEN}")

#: In each lower-case line with something written in that way.
_ESCAPED = r"\\[0abfnrtuvx]"


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
        Look(("H", "W"), SIGNS.pattern),
        Look(("\\",), _ESCAPED),
    )
    quick: ClassVar[str] = rf"[\r{_SET}]|{_ESCAPED}"

    def apply(self, line: str, _: str, __: int, found: list[Found]) -> None:
        """
        Add what is in *line* to *found*.
        """
        parts: list[str] = []
        starts: list[int] = []
        is_joined = False
        at = 0
        for match in HIDDEN.finditer(line):
            start = match.start()
            parts.append(line[at:start])
            starts += range(at, start)
            at = match.end()
            if match[1]:
                # Two words on two lines are not one.
                parts.append(" ")
                starts.append(start)
            else:
                is_joined = True
        if not at:
            return
        found += self.find(HIDDEN.sub(lambda it: " " * len(it[0]), line))
        if not is_joined:
            return
        parts.append(line[at:])
        starts += range(at, len(line))
        for start, end, *rest in self.find("".join(parts)):
            last = starts[end - 1]
            # An escape is taken out whole.
            past = HIDDEN.match(line, last)
            stop = past.end() if past else last + 1
            found.append((starts[start], stop, *rest))  # type: ignore[arg-type]
