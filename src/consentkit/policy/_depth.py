# SPDX-License-Identifier: MIT
"""
How deep the names of a TOML document may go.

Python's parser takes a time that grows with the square of the parts of a
dotted name, such as ``a.b.c``: a file of 40 KB can keep it busy for half a
minute. Nobody writes such names.
"""

from __future__ import annotations

import re

from typing import Final


__all__ = ["check_depth"]

_MOST_PARTS: Final = 32
# At the start of a line, where keys and headers stand; those within braces
# cost no more than their length. No part can end in two places, so it takes
# a time that grows with the line.
_NAME: Final = re.compile(
    r"""
    [ \t]* \[{0,2} [ \t]*
    (?:
        (?: [A-Za-z0-9_-]+ | "(?:[^"\\]|\\.)*" | '[^']*' )
        [ \t]* \. [ \t]*
    ){MOST}
    """.replace("MOST", str(_MOST_PARTS)),
    re.VERBOSE,
)


def check_depth(text: str) -> None:
    """
    See to it that no name in *text* has more parts than anybody writes.

    Raises:
        RecursionError: If one has, as for what is nested too deeply in other
            ways.
    """
    for line in text.split("\n"):
        if line.count(".") >= _MOST_PARTS and _NAME.match(line):
            msg = f"a name has more than {_MOST_PARTS} parts"
            raise RecursionError(msg)
