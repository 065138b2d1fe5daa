# SPDX-License-Identifier: MIT
"""
Laying out text for a terminal: columns, not characters, and nothing hidden.

A character of Chinese, Japanese or Korean takes two columns and may be
broken after; what could move the cursor, hide text or turn it around is
shown as U+FFFD.
"""

from __future__ import annotations

import re
import unicodedata

from collections.abc import Iterator


__all__ = ["columns", "entry", "plain", "wrap"]

_WIDE = (
    "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f"
    "\uff00-\uff60\uffe0-\uffe6\U0001f300-\U0001faff\U00020000-\U0003fffd"
)
# A line must not begin with these: they stay with the character before.
_CLOSING = "、。，．：；！？）］｝〉》」』】〕…"
_PIECE = re.compile(rf"\s+|[{_WIDE}][{_CLOSING}]*|[^\s{_WIDE}]+[{_CLOSING}]*")


def plain(text: str) -> str:
    """
    Give *text* on one line, without anything that a terminal would obey.
    """
    return "".join(
        c if c.isprintable() else "\ufffd" for c in " ".join(text.split())
    )


def columns(text: str) -> int:
    """
    Count the columns that *text* takes.
    """
    return sum(0 if unicodedata.combining(c) else _columns_of(c) for c in text)


def _columns_of(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str, width: int) -> list[str]:
    """
    Break *text* into lines of at most *width* columns.
    """
    lines = [""]
    for piece in _pieces(plain(text), width):
        if piece.isspace():
            lines[-1] += " " * bool(lines[-1])
        elif columns(lines[-1] + piece) <= width:
            lines[-1] += piece
        else:
            lines.append(piece)
    return [line.rstrip() for line in lines if line.strip()]


def _pieces(text: str, width: int) -> Iterator[str]:
    """
    Give what may not be broken, or must because it is wider than a line.
    """
    for piece in _PIECE.findall(text):
        if columns(piece) <= width:
            yield piece
            continue
        part = ""
        for character in piece:
            if columns(part + character) > width:
                yield part
                part = ""
            part += character
        yield part


def entry(label: str, text: str, *, indent: int, width: int) -> list[str]:
    """
    Lay out *text* beside its *label*, *indent* columns from the left.
    """
    lines = wrap(text, width - indent)
    first = f"  {label}".ljust(indent)
    return [
        (first if number == 0 else " " * indent) + line
        for number, line in enumerate(lines)
    ]
