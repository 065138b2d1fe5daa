# SPDX-License-Identifier: MIT
"""
What was found, as tables in Markdown.
"""

from __future__ import annotations

import statistics

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.scoreboard.figures import FIGURES
from benchmarks.scoreboard.targets import Found, Line, judge


__all__ = ["board_table", "conditions", "figure_table"]

_NONE = "-"


def board_table(found: Found) -> str:
    """
    Write the board: each target, and whether it is met.
    """
    rows = [_row(line) for line in judge(found)]
    heads = (
        "what",
        "consentkit",
        "best peer",
        "floor",
        "times best peer",
        "times floor",
        "target",
        "met",
    )
    return _table(heads, rows)


def _row(line: Line) -> list[str]:
    target = line.target
    best = _NONE
    if line.best is not None:
        best = f"{_number(line.best, target.digits)} ({line.best_name})"
    met = {True: "yes", False: "**no**", None: _NONE}[line.is_met]
    if not line.is_whole:
        met = "**no**, too few captured"
    return [
        target.label,
        f"{_number(line.ours, target.digits)} {target.unit}",
        best,
        _NONE if line.floor is None else _number(line.floor, target.digits),
        _ratio(line.ours, line.best),
        _ratio(line.ours, line.floor),
        target.text,
        met,
    ]


def figure_table(name: str, found: Found) -> str:
    """
    Write one figure: the median of each peer, and the span of its runs.
    """
    columns = FIGURES[name].columns
    rows = [
        [
            peer,
            *(
                _span(values.get(value, ()), digits)
                for value, (_, digits) in columns.items()
            ),
        ]
        for peer, values in found[name].items()
    ]
    heads = ["peer", *(head for head, _ in columns.values())]
    return _table(heads, rows)


def conditions(results: Mapping[str, Any]) -> str:
    """
    Say on what, and of whom, the figures are.
    """
    machine = ", ".join(
        text if name in {"day", "processor", "system"} else f"{name} {text}"
        for name, text in results["machine"].items()
    )
    named = dict.fromkeys(", ".join(results["versions"].values()).split(", "))
    versions = ", ".join(name for name in named if name)
    lines = [f"{machine}.", f"Measured were {versions}."]
    work = [w for figure in results["other_work"].values() for w in figure]
    if work:
        lines.append(
            f"Other work on the machine took {statistics.median(work):.2f} "
            f"processors in the median, {max(work):.2f} at most."
        )
    if results["scale"] != 1.0:
        lines.append(f"Of the events, {results['scale']:g} of the usual.")
    return "\n".join(lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---"] + ["--:"] * (len(heads) - 1)
    lines = [heads, rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def _span(runs: Sequence[float], digits: int) -> str:
    if not runs:
        return _NONE
    middle = _number(statistics.median(runs), digits)
    low, high = (_number(end, digits) for end in (min(runs), max(runs)))
    return middle if low == high else f"{middle} ({low} to {high})"


def _ratio(ours: float, other: float | None) -> str:
    return f"{ours / other:.2f}" if other else _NONE
