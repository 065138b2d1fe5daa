# SPDX-License-Identifier: MIT
"""
Reading TOML, most of it line by line.

Python's parser goes through a text letter by letter, which takes seconds for
a large document. Nearly all of its lines are a header, a key with a string,
or a key with a list of strings, and each is understood by itself here. What
is not, is left to `tomllib`: one line, where the line is a whole statement,
or else the whole text. So the same is said of every text as `tomllib` says;
only a list of strings may be a tuple.
"""

from __future__ import annotations

import re
import sys
import tomllib

from io import StringIO
from typing import Any, Final

from consentkit.policy._depth import check_depth


__all__ = ["parse_toml"]

# A string without escapes. Quantifiers over one sign never go back in these
# patterns, and what may follow those over groups begins with another sign than
# the group, so that no text takes long.
_PLAIN: Final = r'"[^"\\\x00-\x1f\x7f]*+"'
_ITEMS: Final = rf"{_PLAIN}[ \n]*+(?:,[ \n]*+{_PLAIN}[ \n]*+)*"
_LIST: Final = re.compile(
    rf"""
    ^([ ]*+[A-Za-z0-9_-]++[ ]*+=[ ]*+)
    (\[[ \n]*+(?:{_ITEMS}(?:,[ \n]*+)?)?\])
    (?=[ ]*+$)
    """,
    re.MULTILINE | re.VERBOSE,
)
_ITEM: Final = re.compile(r'"([^"]*)"')
_NAMES: Final = r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)*"
_LINE: Final = re.compile(
    rf"""
    [ ]*+
    (?:
        (?P<key>[A-Za-z0-9_-]++)[ ]*+=[ ]*+
        (?: "(?P<text>[^"\\\x00-\x1f\x7f]*+)"[ ]*+ | (?P<other>[^\n]++) )
        | \[\[(?P<array>{_NAMES})\]\][ ]*+
        | \[(?P<table>{_NAMES})\][ ]*+
        | (?:\#[^\x00-\x08\x0a-\x1f\x7f]*+)?
    )
    \n?+
    """,
    re.VERBOSE,
)
# A number that nobody writes stands for a list.
_MARK: Final = "0.0e"


def parse_toml(text: str) -> dict[str, Any]:
    """
    Read *text*.

    Raises:
        ValueError: As `tomllib.loads`.

        RecursionError: If it is nested too deeply.
    """
    found = _by_lines(text.replace("\r\n", "\n"))
    if found is not None:
        return found
    # So that a fault is told in the parser's own words, with its place.
    check_depth(text)
    return tomllib.loads(text)


def _by_lines(text: str) -> dict[str, Any] | None:
    """
    Read *text*, in which each line is a statement; otherwise give nothing.
    """
    shorter, values = _without_lists(text)
    tree = _Tree()
    for line in StringIO(shorter):
        found = _LINE.fullmatch(line)
        if found is None:
            return None
        match found.lastgroup:
            case None:
                continue
            case "array" | "table" as kind:
                if not tree.open(found[kind].split("."), kind):
                    return None
                continue
            case "text":
                # A large document has few words, and each of them often.
                value: object = sys.intern(found["text"])
            case _:
                written = found["other"]
                if written not in values:
                    try:
                        values |= tomllib.loads(f'"{_MARK}" = {written}')
                    except ValueError:
                        return None
                    values[written] = values.pop(_MARK)
                value = values[written]
        key = sys.intern(found["key"])
        if key in tree.table:
            return None
        tree.table[key] = value
    return tree.document


def _without_lists(text: str) -> tuple[str, dict[str, Any]]:
    """
    Put a mark in place of each list of plain strings.

    Returns:
        The text, and the lists by their marks.
    """
    lists: dict[str, Any] = {}
    # Only within a string of several lines may a line begin that is no
    # statement and looks like one.
    if '"""' in text or "'''" in text or _MARK in text:
        return text, lists
    marks: dict[str, str] = {}

    def put_away(match: re.Match[str]) -> str:
        key, listed = match.groups()
        mark = marks.get(listed)
        if mark is None:
            mark = marks[listed] = f"{_MARK}{len(marks)}"
            lists[mark] = tuple(_ITEM.findall(listed))
        return key + mark

    return _LIST.sub(put_away, text), lists


class _Tree:
    """
    The tables of a document, and the one that is being filled.
    """

    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self.table = self.document
        # What headers have opened; values of keys are closed to them.
        self._opened = {id(self.document)}

    def open(self, names: list[str], kind: str) -> bool:
        """
        Open the table, or the next one of an array, that a header names.

        Returns:
            Whether that is as simple as it mostly is.
        """
        *way, last = names
        at: Any = self.document
        for name in way:
            if name not in at:
                at[name] = self._new({})
            at = at[name]
            if id(at) not in self._opened:
                return False
            if isinstance(at, list):
                at = at[-1]
        table: dict[str, Any] = self._new({})
        if kind == "table":
            if last in at:
                return False
            at[last] = table
        else:
            if last not in at:
                at[last] = self._new([])
            rows = at[last]
            if not isinstance(rows, list) or id(rows) not in self._opened:
                return False
            rows.append(table)
        self.table = table
        return True

    def _new(self, value: Any) -> Any:
        self._opened.add(id(value))
        return value
