# SPDX-License-Identifier: MIT
"""
Where a place of a document stands in its file.

A parser of TOML forgets the lines. This one remembers nothing else: it walks
over a text that is known to be TOML and notes where each key and each item
begins. A place is named as findings name it: ``$.functions[2].basis[0]``.
"""

from __future__ import annotations

import bisect
import re

from collections.abc import Mapping
from contextlib import suppress
from typing import Final


__all__ = ["line_of", "locate"]

_BLANK: Final = re.compile(r"[ \t\r\n]*(?:#[^\n]*\n?[ \t\r\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_REST: Final = re.compile(r"[^\n]*\n?")
_KEY: Final = re.compile(
    r"[ \t]*(?:\"(?P<basic>(?:[^\"\\\n]|\\.)*)\"|'(?P<literal>[^'\n]*)'"
    r"|(?P<bare>[A-Za-z0-9_-]+))[ \t]*(?P<dot>\.?)"
)
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}'
    r'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"[^,\]}#\n]*")
_STEP: Final = re.compile(r"(?:\[[0-9]+\]|\.[^.\[]*)\Z")


def locate(text: str) -> Mapping[str, int]:
    """
    Give the line of every place of a TOML document.

    Args:
        text: Of a file that a TOML parser takes.

    Returns:
        Lines, counted from 1, by place; ``$`` is line 1. What is nested too
        deeply, and comes after that, has none.
    """
    walker = _Walker(text)
    with suppress(RecursionError):
        walker.walk()
    return walker.lines


def line_of(path: str, lines: Mapping[str, int]) -> int | None:
    """
    Give the line of *path*, or of the nearest table around it.

    Returns:
        The line; ``None`` where nothing but the whole document is around.
    """
    while path not in lines:
        shorter = _STEP.sub("", path)
        if shorter == path:
            return None
        path = shorter
    return None if path == "$" else lines[path]


class _Walker:
    """
    Goes through the text once.
    """

    def __init__(self, text: str) -> None:
        self.lines: dict[str, int] = {"$": 1}
        self._text = text
        self._at = 0
        self._ends = [m.start() for m in re.finditer("\n", text)]
        # How many tables each array of tables has so far.
        self._counts: dict[str, int] = {}

    def walk(self) -> None:
        table = "$"
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_SPACE)
            self._skip(_REST)
            self._skip(_BLANK)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            # The text is no TOML after all: what was found stays true.
            self._at = len(self._text)
            return ""
        self._at = match.end()
        return match[0]

    def _note(self, path: str, at: int) -> None:
        line = bisect.bisect_left(self._ends, at) + 1
        self.lines.setdefault(path, line)

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while match := _KEY.match(self._text, self._at):
            self._at = match.end()
            keys.append(
                match["bare"] or match["basic"] or match["literal"] or ""
            )
            if not match["dot"]:
                return keys
        self._at = len(self._text)
        return keys

    def _header(self) -> str:
        start = self._at
        of_array = self._text.startswith("[[", start)
        self._at += 2 if of_array else 1
        path = "$"
        keys = self._keys()
        for i, key in enumerate(keys):
            path = f"{path}.{key}"
            self._note(path, start)
            if of_array and i == len(keys) - 1:
                number = self._counts.get(path, 0)
                self._counts[path] = number + 1
                path = f"{path}[{number}]"
            elif path in self._counts:
                path = f"{path}[{self._counts[path] - 1}]"
            self._note(path, start)
        return path

    def _pair(self, table: str) -> None:
        start = self._at
        path = table
        for key in self._keys():
            path = f"{path}.{key}"
            self._note(path, start)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: str) -> None:
        match self._text[self._at : self._at + 1]:
            case "[":
                self._array(path)
            case "{":
                self._inline(path)
            case '"' | "'":
                self._skip(_STRING)
            case _:
                self._skip(_SCALAR)

    def _array(self, path: str) -> None:
        self._at += 1
        number = 0
        self._skip(_BLANK)
        while self._text[self._at : self._at + 1] not in {"]", ""}:
            place = f"{path}[{number}]"
            self._note(place, self._at)
            self._value(place)
            self._comma()
            number += 1
        self._at += 1

    def _inline(self, path: str) -> None:
        self._at += 1
        self._skip(_BLANK)
        while self._text[self._at : self._at + 1] not in {"}", ""}:
            self._pair(path)
            self._comma()
        self._at += 1

    def _comma(self) -> None:
        self._skip(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1
        self._skip(_BLANK)
