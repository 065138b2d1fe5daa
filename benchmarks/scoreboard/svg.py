# SPDX-License-Identifier: MIT
"""
Just enough SVG for rows of bars: shapes, text, and an axis.
"""

from __future__ import annotations

import math

from collections.abc import Iterator
from html import escape
from typing import Final

from attrs import frozen


__all__ = ["Axis", "bar", "dot", "line", "page", "text"]

INK: Final = "#1f2328"
FAINT: Final = "#59636e"
GRID: Final = "#d8dee4"

#: Room that an axis leaves at its right end, for the last number.
_END: Final = 0.84


@frozen(kw_only=True)
class Axis:
    """
    A scale from left to right.

    Attributes:
        low, high: What it goes from and to; *low* counts on a logarithmic
            one alone.

        left, width: Where it lies.
    """

    low: float
    high: float
    left: float
    width: float
    is_log: bool

    def at(self, value: float) -> float:
        """
        Tell where a value lies.
        """
        if self.is_log:
            whole = math.log10(self.high / self.low)
            share = math.log10(max(value, self.low) / self.low) / whole
        else:
            share = value / self.high
        return self.left + share * self.width * _END

    def ticks(self) -> Iterator[float]:
        """
        Give round values along it.
        """
        if self.is_log:
            power = math.ceil(math.log10(self.low) - 1e-9)
            while 10.0**power <= self.high:
                yield 10.0**power
                power += 1
            return
        step = 10.0 ** math.floor(math.log10(self.high))
        sizes = (0.25, 0.5, 1, 2.5)
        step *= next(s for s in sizes if self.high / (step * s) <= 4)
        for number in range(int(self.high / step + 1e-9) + 1):
            yield number * step


def page(width: float, height: float, title: str, parts: list[str]) -> str:
    """
    Put parts on a white page.
    """
    return "\n".join(
        [
            (
                '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
                f'width="{width:.0f}" height="{height:.0f}" '
                f'viewBox="0 0 {width:.0f} {height:.0f}">'
            ),
            f"<title>{escape(title)}</title>",
            (
                f'<rect width="{width:.0f}" height="{height:.0f}" rx="6" '
                'fill="#ffffff"/>'
            ),
            '<g font-family="system-ui, Helvetica, Arial, sans-serif">',
            *parts,
            "</g>",
            "</svg>",
            "",
        ]
    )


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 12,
    fill: str = INK,
    anchor: str = "start",
    is_bold: bool = False,
) -> str:
    """
    Write words on a base line, and nothing shines through between them.
    """
    weight = ' font-weight="600"' if is_bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" '
        f'text-anchor="{anchor}"{weight} paint-order="stroke" '
        f'stroke="#ffffff" stroke-width="3">{escape(words)}</text>'
    )


def line(
    x: float,
    y: float,
    to_x: float,
    to_y: float,
    *,
    stroke: str = GRID,
    width: float = 1,
) -> str:
    """
    Draw a line.
    """
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" '
        f'stroke="{stroke}" stroke-width="{width:g}"/>'
    )


def bar(x: float, y: float, width: float, height: float, fill: str) -> str:
    """
    Draw a bar, which is seen even where it is next to nothing.
    """
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1.5):.1f}" '
        f'height="{height:.1f}" fill="{fill}"/>'
    )


def dot(x: float, y: float, fill: str, radius: float = 4.5) -> str:
    """
    Draw a dot.
    """
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{fill}" '
        'stroke="#ffffff"/>'
    )
