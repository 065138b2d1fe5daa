# SPDX-License-Identifier: MIT
"""
What was found, as pictures: who pays what for a capture, what arrives and at
what cost, what is lost, and how far from its targets consentkit is.
"""

from __future__ import annotations

import math

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import frozen

from benchmarks.scoreboard import svg
from benchmarks.scoreboard.peers import APART, FLOOR, NAMES, OURS
from benchmarks.scoreboard.targets import Found, Line, judge, median_of


__all__ = ["pictures"]

_WIDTH: Final = 900
_LABELS: Final = 116
_ROW: Final = 24
_HEAD: Final = 62
_FOOT: Final = 30
_GAP: Final = 22

_OURS: Final = "#0a66c2"
_APART: Final = "#6ca6dd"
_FLOOR: Final = "#c9a227"
_PEER: Final = "#9aa5b1"
_MET: Final = "#1a7f37"
_NOT_MET: Final = "#cf222e"


@frozen(kw_only=True)
class _Panel:
    """
    One column of a picture.

    Attributes:
        marks: By peer: where a bar ends; or, of a span, its median, mean
            and 99th of a hundred.
    """

    title: str
    marks: Mapping[str, tuple[float, ...]]
    digits: int = 0
    is_log: bool = False


def pictures(found: Found) -> dict[str, str]:
    """
    Draw what there is, by the name of its file.
    """
    made = {
        "scoreboard-targets.svg": _targets(judge(found)),
        "scoreboard-capture.svg": _rows(
            "One capture, in µs: from p50 (the number) over the mean (dot) to "
            "p99",
            [
                _call(found, "burst", "in a burst"),
                _call(found, "paced", "at 1,000 a second"),
                _call(found, "slow", "the same, backend takes 0.2 s"),
            ],
        ),
        "scoreboard-delivery.svg": _rows(
            "Delivery in batches of 500",
            [
                _bars(found, "delivery", "per_second", "events a second"),
                _bars(
                    found,
                    "delivery",
                    "processor_us",
                    "client CPU, µs an event",
                    digits=1,
                ),
                _bars(found, "delivery", "wire_bytes", "bytes an event, wire"),
            ],
        ),
        "scoreboard-losses.svg": _rows(
            "What is lost, in percent of what was captured, and the exit, which "
            "is cut short after 15 seconds",
            [
                _lost(found, "kill", "killed after the last capture"),
                _lost(found, "outage", "backend down, then exit"),
                _bars(found, "outage", "exit_s", "exit, seconds", digits=2),
            ],
        ),
    }
    return {name: picture for name, picture in made.items() if picture}


def _call(found: Found, figure: str, title: str) -> _Panel:
    marks = {}
    for name in NAMES:
        values = [
            median_of(found, figure, name, f"{value}_us")
            for value in ("p50", "mean", "p99")
        ]
        there = tuple(value for value in values if value is not None)
        if len(there) == len(values):
            marks[name] = there
    return _Panel(title=title, marks=marks, is_log=True)


def _bars(
    found: Found, figure: str, value: str, title: str, digits: int = 0
) -> _Panel:
    all_of = {n: median_of(found, figure, n, value) for n in NAMES}
    marks = {n: (v,) for n, v in all_of.items() if v is not None}
    return _Panel(title=title, marks=marks, digits=digits)


def _lost(found: Found, figure: str, title: str) -> _Panel:
    marks = {}
    for name in NAMES:
        lost = median_of(found, figure, name, "lost")
        captured = median_of(found, figure, name, "captured")
        if lost is not None and captured:
            marks[name] = (100 * lost / captured,)
    return _Panel(title=title, marks=marks, digits=1)


def _colour(name: str) -> str:
    ours = {OURS: _OURS, APART: _APART, FLOOR: _FLOOR}
    return ours.get(name, _PEER)


def _rows(title: str, panels: Sequence[_Panel]) -> str:
    """
    Draw a row for each peer, and a column for each panel with anything in it.
    """
    panels = [panel for panel in panels if panel.marks]
    if not panels:
        return ""
    names = [n for n in NAMES if any(n in p.marks for p in panels)]
    foot = _HEAD + len(names) * _ROW
    parts = [svg.text(16, 24, title, size=15, is_bold=True)]
    for number, name in enumerate(names):
        middle = _HEAD + (number + 0.5) * _ROW
        parts.append(
            svg.text(
                _LABELS - 8,
                middle + 4,
                name,
                anchor="end",
                is_bold=name == OURS,
            )
        )
    width = (_WIDTH - _LABELS - _GAP) / len(panels)
    for number, panel in enumerate(panels):
        left = _LABELS + number * width
        parts += _panel(panel, names, left, width - _GAP, foot)
    return svg.page(_WIDTH, foot + _FOOT, title, parts)


def _panel(
    panel: _Panel,
    names: Sequence[str],
    left: float,
    width: float,
    foot: float,
) -> Iterator[str]:
    values = [value for marks in panel.marks.values() for value in marks]
    low = 10.0 ** math.floor(math.log10(max(min(values), 0.1)))
    axis = svg.Axis(
        low=low,
        high=max(*values, low * 10 if panel.is_log else 1e-9),
        left=left,
        width=width,
        is_log=panel.is_log,
    )
    yield svg.text(left, _HEAD - 12, panel.title, fill=svg.FAINT)
    for tick in axis.ticks():
        x = axis.at(tick)
        yield svg.line(x, _HEAD - 4, x, foot + 4)
        yield svg.text(
            x,
            foot + 18,
            _short(tick),
            size=11,
            fill=svg.FAINT,
            anchor="middle",
        )
    for number, name in enumerate(names):
        marks = panel.marks.get(name)
        y = _HEAD + number * _ROW
        if marks is None:
            yield svg.text(left, y + 16, "–", fill=svg.FAINT)
        elif panel.is_log:
            yield from _mark(axis, marks, y, _colour(name))
        else:
            end = axis.at(marks[0])
            yield svg.bar(left, y + 4, end - left, _ROW - 8, _colour(name))
            said = f"{marks[0]:,.{panel.digits}f}"
            yield svg.text(end + 5, y + 16, said, size=11)


def _mark(
    axis: svg.Axis, marks: tuple[float, ...], y: float, colour: str
) -> Iterator[str]:
    median, mean, slow = (axis.at(mark) for mark in marks)
    middle = y + _ROW / 2
    yield svg.bar(median, middle - 3, slow - median, 6, colour)
    yield svg.line(
        median, middle - 7, median, middle + 7, stroke=colour, width=2.5
    )
    yield svg.dot(mean, middle, colour)
    said = f"{marks[0]:,.1f}" if marks[0] < 100 else f"{marks[0]:,.0f}"
    yield svg.text(
        max(median, mean, slow) + 7, y + 16, said, size=11, fill=svg.FAINT
    )


def _targets(lines: Sequence[Line]) -> str:
    """
    Draw how far each figure is from its target, which is one line for all.
    """
    if not lines:
        return ""
    title = "How far from the target: left of the line is better"
    shares = [s for s in (row.share for row in lines) if s]
    if not shares:
        return ""
    labels = 290
    axis = svg.Axis(
        low=10.0 ** math.floor(math.log10(min(*shares, 0.5))),
        high=max(*shares, 2.0),
        left=labels,
        width=_WIDTH - labels - 20,
        is_log=True,
    )
    foot = _HEAD + len(lines) * _ROW
    parts = [svg.text(16, 24, title, size=15, is_bold=True)]
    goal = axis.at(1)
    for tick in axis.ticks():
        x = axis.at(tick)
        parts += [
            svg.line(x, _HEAD - 4, x, foot + 4),
            svg.text(
                x,
                foot + 18,
                f"{tick:g} ×",
                size=11,
                fill=svg.FAINT,
                anchor="middle",
            ),
        ]
    parts += [
        svg.line(goal, _HEAD - 8, goal, foot + 4, stroke=svg.INK, width=2),
        svg.text(goal, _HEAD - 14, "target", anchor="middle", is_bold=True),
    ]
    for number, row in enumerate(lines):
        parts += _goal(row, axis, _HEAD + number * _ROW, labels)
    return svg.page(_WIDTH, foot + _FOOT, title, parts)


def _goal(row: Line, axis: svg.Axis, y: float, labels: float) -> Iterator[str]:
    target = row.target
    yield svg.text(labels - 10, y + 16, target.label, anchor="end")
    middle = y + _ROW / 2
    said = f"{row.ours:,.{target.digits}f} {target.unit}"
    said += "" if row.is_whole else ", of too few captured"
    if row.is_met is None:
        yield svg.text(labels, y + 16, f"{said}: no peer", fill=svg.FAINT)
        return
    colour = _MET if row.is_met else _NOT_MET
    x = axis.left if not row.share else axis.at(row.share)
    if not row.share and not row.is_met:
        x = axis.at(1)
    yield svg.line(x, middle, axis.at(1), middle, stroke=colour, width=2.5)
    yield svg.dot(x, middle, colour)
    # Beyond the target's line, where no other line runs.
    beside = max(x, axis.at(1)) + 9
    yield svg.text(beside, y + 16, said, size=11, fill=colour)


def _short(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    if value >= 1e3:
        return f"{value / 1e3:g} k"
    return f"{value:g}"
