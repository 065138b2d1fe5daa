# SPDX-License-Identifier: MIT

"""
Write ``docs/obligations.md``: each obligation, its tests, what they said.

Run it with the JUnit files of a run, of all tests or of some::

    python -m pytest -m obligation --junit-xml=report.xml
    python -m tests.obligations.page report.xml

What the reports do not have keeps the outcome that the page gives it.
"""

from __future__ import annotations

import re
import sys

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.obligations.marks import ROOT, marks
from tests.obligations.promises import (
    SHOWABLE,
    Promise,
    not_yet,
    partly,
    policies,
    promises,
)


__all__ = ["PAGE", "main", "outcomes_in", "outcomes_of", "render"]

PAGE = ROOT / "docs" / "obligations.md"

#: By id and place of the test.
Outcomes = Mapping[tuple[str, str], str]

# The first that fits any run of a test is what all its runs came to.
_OUTCOMES = ("failed", "passed", "skipped")
_ROW = re.compile(r"\| `(?P<id>[A-Z0-9-]+)`")
_TEST = re.compile(
    r"\[`(?P<name>\S+)`\]\(\.\./(?P<file>\S+)\): (?P<outcome>\w+)"
)

_HEAD = """\
---
hide-toc: true
---

<!-- Written by `python -m tests.obligations.page`; do not edit. -->

# Obligations

Five published privacy policies, and every promise in them that a library can keep or print, restated.
Each is shown by the tests that stand beside it, or the reason says why not yet.

- **shown**: its tests name it, and all of them passed.
- **in part**: they pass, and show less than the promise; the reason says what is missing.
- **not yet**: no test shows it.
- **open**: a test that shows it failed, was skipped, or has not run since it was written.

The side is C for the library on the client, B for the reference backend, C+B for both, and P for what nothing in software keeps, so that it is declared and printed.
A row that refers to another is a promise of its own: another policy's numbers and lists.

What each test has to see stands in `tests/obligations/obligations.toml`; one that sees nothing happen needs a twin that sees something.
The outcomes are of the last run that was written here; CI runs the same tests each time.
"""

# Names of tests are long, and have no place to break at.
_STYLE = """\
<style>
  .content { width: 70em; }
  #obligations td { overflow-wrap: anywhere; vertical-align: top; }
  #obligations td:nth-child(-n+2) { overflow-wrap: normal; }
  #obligations td:nth-child(4):last-child { min-width: 26em; }
</style>
"""


def main(reports: list[str]) -> None:
    """
    Write the page again, with the outcomes that *reports* tell.
    """
    known = PAGE.read_text("utf-8") if PAGE.exists() else ""
    outcomes = {**outcomes_in(known), **outcomes_of(map(Path, reports))}
    PAGE.write_text(render(outcomes), "utf-8")


def outcomes_of(reports: Iterable[Path]) -> Outcomes:
    """
    Read the outcomes out of JUnit files.
    """
    seen: dict[tuple[str, str], set[str]] = {}
    for report in reports:
        for case in ET.parse(report).getroot().iter("testcase"):
            for mark in case.iterfind("properties/property"):
                if mark.get("name") == "obligation":
                    promise, _, place = mark.get("value", "").partition(" ")
                    seen.setdefault((promise, place), set()).add(
                        _came_to(case)
                    )
    return {
        key: next(o for o in _OUTCOMES if o in all_of)
        for key, all_of in seen.items()
    }


def _came_to(case: ET.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "passed" if case.find("skipped") is None else "skipped"


def outcomes_in(page: str) -> Outcomes:
    """
    Read the outcomes out of the text of a page.
    """
    return {
        (row["id"], f"{test['file']}::{test['name']}"): test["outcome"]
        for line in page.splitlines()
        if (row := _ROW.match(line))
        for test in _TEST.finditer(line)
        if test["outcome"] in _OUTCOMES
    }


def render(outcomes: Outcomes) -> str:
    """
    Give the text of the page.
    """
    found = marks()
    rows = [
        _Row(p, found.get(p.id, []), outcomes) for p in promises().values()
    ]
    parts = [_HEAD, *_summary(rows)]
    for code, name in policies().items():
        parts += [
            f"\n\n({_target(code)})=\n## {code}: {name}\n",
            "| id | kind, side | promise | shown by |",
            "| --- | --- | --- | --- |",
            *(row.line() for row in rows if row.promise.policy == code),
        ]
    return "\n".join([*parts, "", _STYLE])


class _Row:
    """
    One obligation, with what its tests came to.
    """

    def __init__(
        self, promise: Promise, places: list[str], outcomes: Outcomes
    ) -> None:
        self.promise = promise
        self.tests = {
            place: outcomes.get((promise.id, place), "not run")
            for place in places
        }

    @property
    def state(self) -> str:
        if not self.tests:
            return "not yet"
        if set(self.tests.values()) != {"passed"}:
            return "open"
        return "in part" if self.promise.id in partly() else "shown"

    def line(self) -> str:
        row = self.promise
        cells = (
            f"`{row.id}`",
            f"{row.kind}, {row.side}",
            row.promise,
            "<br>".join([f"**{self.state}**", *self._why()]),
        )
        return f"| {' | '.join(cells)} |"

    def _why(self) -> Iterator[str]:
        for reasons in (not_yet(), partly()):
            if self.promise.id in reasons:
                yield reasons[self.promise.id]
        for place, outcome in self.tests.items():
            file, _, name = place.partition("::")
            yield f"[`{name}`](../{file}): {outcome}"


def _summary(rows: list[_Row]) -> Iterator[str]:
    states = ("shown", "in part", "open", "not yet")
    yield "| policy | all | " + " | ".join(states) + " |"
    yield "| --- |" + " ---: |" * (len(states) + 1)
    groups = {
        f"[{code}](#{_target(code)})": [
            r for r in rows if r.promise.policy == code
        ]
        for code in policies()
    }
    groups["all"] = rows
    groups["the client's own"] = [r for r in rows if r.promise.showable]
    for name, group in groups.items():
        counts = Counter(row.state for row in group)
        cells = [name, len(group), *(counts[state] for state in states)]
        yield f"| {' | '.join(map(str, cells))} |"
    kinds = ", ".join(sorted(SHOWABLE))
    yield f"\nThe client's own are those of the kinds {kinds}, but for side B."


def _target(code: str) -> str:
    return f"obligations-{code.lower()}"


if __name__ == "__main__":
    main(sys.argv[1:])
