# SPDX-License-Identifier: MIT
"""
A published list as a page: headings, facts and tables, in no format yet.

`consentkit.disclose._html` and `consentkit.disclose._markdown` write it out.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from consentkit.consent._layout import plain


__all__ = ["Cell", "Fact", "Page", "Section", "Table", "Text", "cell", "text"]


@frozen
class Text:
    """
    Words on one line, with nothing in them that moves or hides others.

    Attributes:
        words: Never to be trusted: they may come from anybody.

        lang: Their language, a tag of BCP 47, or empty for the page's own.

        href: Where they lead, or empty. Only `https`, `http` and places on
            the page itself are ever links.
    """

    words: str
    lang: str = ""
    href: str = ""


#: What stands in one place: lines one below the other, maybe none.
Cell = tuple[Text, ...]


@frozen(kw_only=True)
class Fact:
    """
    Something that is said, under what it is called.
    """

    label: str
    value: Cell


@frozen(kw_only=True)
class Table:
    """
    Rows under headings; the first cell of a row names it.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@frozen(kw_only=True)
class Section:
    """
    A part of a page under a heading.

    Attributes:
        anchor: Name of the place, ASCII, for links on the page.

        caption: What the facts are about.
    """

    heading: Text
    anchor: str
    caption: str = ""
    facts: tuple[Fact, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[Text, ...] = ()


@frozen(kw_only=True)
class Page:
    """
    A page.

    Attributes:
        language: Its language, a tag of BCP 47.

        intro: Paragraphs below the title.
    """

    title: str
    language: str
    caption: str
    facts: tuple[Fact, ...]
    intro: tuple[str, ...]
    sections: tuple[Section, ...]


def text(words: str, *, lang: str = "", href: str = "") -> Text:
    """
    Make a text of *words* as they were written by anybody.
    """
    return Text(plain(words), lang, plain(href))


def cell(*words: str | Text, lang: str = "") -> Cell:
    """
    Make a cell of lines; what is empty is left out.
    """
    lines: Iterable[Text] = (
        w if isinstance(w, Text) else text(w, lang=lang) for w in words
    )
    return tuple(line for line in lines if line.words)
