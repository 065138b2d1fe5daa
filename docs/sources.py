# SPDX-License-Identifier: MIT
"""
Write the tables of sources into ``collectors/sources.md``, between its marks.

A test says so when the page is not current. Run it with the Python of an
environment that has consentkit::

    python docs/sources.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from consentkit.collectors import BUILT_IN, USUAL, Sources


PAGE = Path(__file__).parent / "collectors" / "sources.md"
BEGIN = "<!-- sources: written by docs/sources.py -->\n"
END = "<!-- end of sources -->\n"


def current(text: str) -> str:
    """
    Give the page's *text* with the present tables in it.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        msg = f"{PAGE.name}: the marks around the tables are missing"
        raise ValueError(msg)
    tables = "\n".join([*_sources(), "", *_usual()])
    return f"{before}{begin}\n{tables}\n\n{end}{after}"


def _sources() -> Iterator[str]:
    yield "| id | reads | on | asked at most | visible outside of the app |"
    yield "| --- | --- | --- | --- | --- |"
    made = Sources(platform="")
    for id_ in sorted(BUILT_IN):
        source = made.of_id(id_)
        often = source.min_interval_seconds
        yield _row(
            f"`{id_}`",
            source.touches,
            ", ".join(sorted(source.platforms)) or "everywhere",
            f"every {often:g} s" if often else "at will",
            source.visible or "nothing",
        )


def _usual() -> Iterator[str]:
    yield "| platform | data type | source |"
    yield "| --- | --- | --- |"
    for platform in sorted(USUAL):
        sources = Sources(platform=platform)
        types = {
            data_type
            for id_ in USUAL[platform]
            for data_type in sources.of_id(id_).data_types
        }
        for data_type in sorted(types):
            source = sources.of(data_type)
            assert source is not None  # noqa: S101 - it was just found
            yield _row(platform, f"`{data_type}`", f"`{source.id}`")


def _row(*cells: str) -> str:
    inside = " | ".join(cell.replace("|", "\\|") for cell in cells)
    return f"| {inside} |"


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text("utf-8")), "utf-8")
