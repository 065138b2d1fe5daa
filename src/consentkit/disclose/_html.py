# SPDX-License-Identifier: MIT
"""
A published list as one HTML page that needs nothing else.

It loads nothing, from nowhere, and runs nothing; it can be read on a phone,
by a screen reader and on paper.

Source: HTML Living Standard; WCAG 2.2, 1.3.1, 1.4.10, 2.4.1 and 3.1.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from consentkit.disclose._page import Cell, Fact, Page, Section, Table, Text


__all__ = ["html"]

_STYLE: Final = """\
:root { color-scheme: light dark; --line: #c9ced6; --soft: #f3f5f8;
  --quiet: #5a6472; --link: #0b57d0; }
@media (prefers-color-scheme: dark) {
  :root { --line: #434b57; --soft: #1f242c; --quiet: #a3adba;
    --link: #9ac1ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 70rem; line-height: 1.55;
  font-family: system-ui, "PingFang SC", "Microsoft YaHei",
    "Noto Sans CJK SC", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.3; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
a { color: var(--link); }
table { width: 100%; border-collapse: collapse; margin: .75rem 0 1.25rem; }
caption { text-align: start; font-weight: 600; padding: .35rem 0; }
th, td { border: 1px solid var(--line); padding: .4rem .55rem;
  text-align: start; vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; }
thead th, .facts th { background: var(--soft); }
.facts th { width: 13rem; }
.rows tbody th { font-weight: 500; }
td p, th p { margin: 0; }
.c2 tbody th { width: 13rem; }
.c4 tbody th { width: 32%; }
.wide tbody th { width: 20%; }
.wide td, .wide th { overflow-wrap: break-word; }
.note, .facts caption, caption.quiet { color: var(--quiet); }
.note { margin: .25rem 0; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 46rem) {
  .facts th { width: 8rem; }
  .rows, .rows caption, .rows tbody, .rows tr, .rows tbody th {
    display: block; width: auto; }
  .rows thead { position: absolute; width: 1px; height: 1px;
    overflow: hidden; clip-path: inset(50%); }
  .rows tr { border: 1px solid var(--line); margin-bottom: .6rem; }
  .rows tbody th, .rows td { border: 0; }
  .rows tbody th { background: var(--soft); font-weight: 600; }
  .rows td { display: grid; grid-template-columns: 7.4rem 1fr;
    column-gap: .6rem; padding: .2rem .55rem; min-width: 0; }
  .wide td, .wide th { overflow-wrap: anywhere; }
  .rows td::before { content: attr(data-label); color: var(--quiet);
    grid-row: 1 / span 9; }
  .rows td > p { grid-column: 2; }
}
@media print {
  :root { color-scheme: light; --line: #999; --soft: #eee; --quiet: #333;
    --link: #000; }
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  h2 { break-after: avoid; } tr { break-inside: avoid; }
  thead { display: table-header-group; }
}
"""

# Nothing is fetched and nothing runs, even if something got past the
# escaping.
_NOTHING_ELSE: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)


# Columns that stand beside each other on any screen but a phone's.
_FEW: Final = 4


def html(page: Page) -> str:
    """
    Write *page* in HTML.
    """
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    title = escape(page.title)
    yield "<!DOCTYPE html>"
    yield f'<html lang="{escape(page.language)}">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield (
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
    )
    yield (
        '<meta http-equiv="Content-Security-Policy" '
        f'content="{escape(_NOTHING_ELSE)}">'
    )
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{title}</title>"
    yield f"<style>\n{_STYLE}</style>"
    yield "</head>"
    yield "<body>"
    yield "<header>"
    yield f"<h1>{title}</h1>"
    yield from _facts(page.facts, page.caption)
    for paragraph in page.intro:
        yield f"<p>{escape(paragraph)}</p>"
    yield "</header>"
    yield "<main>"
    for section in page.sections:
        yield from _section(section)
    yield "</main>"
    yield "</body>"
    yield "</html>"


def _section(section: Section) -> Iterator[str]:
    anchor = escape(section.anchor)
    heading = _inline(section.heading)
    yield f'<section id="{anchor}" aria-labelledby="{anchor}-h">'
    yield f'<h2 id="{anchor}-h">{heading}</h2>'
    yield from _facts(section.facts, section.caption)
    for table in section.tables:
        yield from _table(
            table, is_hidden=table.caption == section.heading.words
        )
    for note in section.notes:
        yield f'<p class="note">{_inline(note)}</p>'
    yield "</section>"


def _facts(facts: Iterable[Fact], caption: str) -> Iterator[str]:
    rows = [
        f'<tr role="row"><th scope="row" role="rowheader">'
        f'{escape(f.label)}</th><td role="cell">{_cell(f.value)}</td></tr>'
        for f in facts
    ]
    if rows:
        # A style that turns a table into blocks takes its meaning away in
        # some browsers; the roles keep it.
        yield '<table class="facts" role="table">'
        yield f'<caption class="hidden">{escape(caption)}</caption>'
        yield '<tbody role="rowgroup">'
        yield from rows
        yield "</tbody>"
        yield "</table>"


def _table(table: Table, *, is_hidden: bool) -> Iterator[str]:
    hidden = ' class="hidden"' if is_hidden else ""
    columns = len(table.head)
    kind = f"c{columns}" if columns <= _FEW else "wide"
    yield f'<table class="rows {kind}" role="table">'
    yield f"<caption{hidden}>{escape(table.caption)}</caption>"
    head = "".join(
        f'<th scope="col" role="columnheader">{escape(h)}</th>'
        for h in table.head
    )
    yield (f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>')
    yield '<tbody role="rowgroup">'
    for row in table.rows:
        first, *others = row
        cells = "".join(
            f'<td role="cell" data-label="{escape(label)}">{_cell(c)}</td>'
            for label, c in zip(table.head[1:], others, strict=True)
        )
        yield (
            f'<tr role="row"><th scope="row" role="rowheader">'
            f"{_cell(first)}</th>{cells}</tr>"
        )
    yield "</tbody>"
    yield "</table>"


def _cell(cell: Cell) -> str:
    if len(cell) == 1:
        return _inline(cell[0])
    return "".join(f"<p>{_inline(line)}</p>" for line in cell)


def _inline(text: Text) -> str:
    words = escape(text.words)
    lang = f' lang="{escape(text.lang)}"' if text.lang else ""
    if text.href.startswith("#"):
        return f'<a href="{escape(text.href)}"{lang}>{words}</a>'
    if text.href.lower().startswith(("http://", "https://")):
        href = escape(text.href)
        return f'<a href="{href}" rel="noopener noreferrer"{lang}>{words}</a>'
    return f"<span{lang}>{words}</span>" if lang else words
