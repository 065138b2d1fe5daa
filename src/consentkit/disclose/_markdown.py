# SPDX-License-Identifier: MIT
"""
A published list in Markdown, with tables as GitHub has them.

Source: CommonMark 0.31, 2.4 and 6.11; GitHub Flavored Markdown, 4.10.
"""

from __future__ import annotations

import re

from collections.abc import Iterable, Iterator
from typing import Final

from consentkit.disclose._page import Cell, Fact, Page, Section, Table, Text


__all__ = ["markdown"]

# A backslash takes the meaning from any of these.
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|~#!&$])")
# What would begin a list or a rule, where a paragraph begins.
_AT_START: Final = re.compile(r"^(\d*)([.)+=-])")
# In the place of a link these would end it.
_OF_LINK: Final = str.maketrans(
    {"(": "%28", ")": "%29", "<": "%3C", ">": "%3E", "|": "%7C", "\\": "%5C"}
)


def markdown(page: Page) -> str:
    """
    Write *page* in Markdown.
    """
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield f"# {_escaped(page.title)}"
    yield ""
    yield from _facts(page.facts)
    for paragraph in page.intro:
        yield _paragraph(_escaped(paragraph))
        yield ""
    for section in page.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield f"## {_escaped(section.heading.words)}"
    yield ""
    yield from _facts(section.facts)
    for table in section.tables:
        # The overview's only caption is its heading.
        if table.caption != section.heading.words:
            yield f"**{_escaped(table.caption)}**"
            yield ""
        yield from _table(table)
    for note in section.notes:
        yield _paragraph(_inline(note))
        yield ""


def _facts(facts: Iterable[Fact]) -> Iterator[str]:
    rows = [f"| {_escaped(f.label)} | {_cell(f.value)} |" for f in facts]
    if rows:
        yield "| | |"
        yield "| --- | --- |"
        yield from rows
        yield ""


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(_escaped, table.head))} |"
    yield f"|{' --- |' * len(table.head)}"
    for row in table.rows:
        yield f"| {' | '.join(map(_cell, row))} |"
    yield ""


def _cell(cell: Cell) -> str:
    return "<br>".join(map(_inline, cell))


def _inline(text: Text) -> str:
    words = _escaped(text.words)
    # A place on the page has no name in Markdown.
    if not text.href or text.href.startswith("#"):
        return words
    return f"[{words}](<{text.href.translate(_OF_LINK)}>)"


def _escaped(words: str) -> str:
    return _SPECIAL.sub(r"\\\1", words)


def _paragraph(line: str) -> str:
    return _AT_START.sub(r"\1\\\2", line)
