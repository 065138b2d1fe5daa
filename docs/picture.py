# SPDX-License-Identifier: MIT
"""
Draw the terminal's screen of ``consentkit demo`` as ``_static/demo.svg``.

Pseudonyms are blotted out but for their beginning: the MD5 of a MAC address
would name the machine that drew the picture, to whoever cares to guess.

Run it with the Python of an environment that has ``consentkit[demo]``::

    python docs/picture.py
"""

from __future__ import annotations

import os
import pty
import re
import sys

from html import escape
from pathlib import Path


HERE = Path(__file__).parent
CHARACTER, LINE, MARGIN = 8.43, 19, 18
COLOURS = {
    "1": 'font-weight="bold" fill="#ffffff"',
    "2": 'fill="#8b949e"',
    "31": 'fill="#ff8f85"',
    "32": 'fill="#7ee787"',
}
_PSEUDONYM = re.compile(r"\b[0-9a-f]{32}\b")
_PART = re.compile(r"\x1b\[(\d+)m(.*?)\x1b\[0m|([^\x1b]+)")


def screen() -> list[str]:
    """
    Run the demo in a terminal of its own, and give its lines.
    """
    parts: list[bytes] = []

    def read(handle: int) -> bytes:
        parts.append(os.read(handle, 65_536))
        return parts[-1]

    os.environ.update(TERM="xterm", COLUMNS="100")
    os.environ.pop("NO_COLOR", None)
    pty.spawn([sys.executable, "-m", "consentkit", "demo"], read)
    text = b"".join(parts).decode().replace("\r", "")
    story, _, _ = text.partition("Where to look next")
    story = _PSEUDONYM.sub(lambda found: found[0][:6] + "·" * 26, story)
    return ["$ consentkit demo", *story.rstrip().split("\n")]


def draw(lines: list[str]) -> str:
    """
    Give the lines as a picture.
    """
    widest = max(len(re.sub(r"\x1b\[\d+m", "", line)) for line in lines)
    width = round(widest * CHARACTER + 2 * MARGIN)
    height = len(lines) * LINE + 2 * MARGIN
    rows = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{height}" viewBox="0 0 {width} {height}">'
        ),
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
        (
            '<g font-family="ui-monospace, Menlo, Consolas, monospace" '
            'font-size="14" fill="#d1d7e0" xml:space="preserve">'
        ),
    ]
    for number, line in enumerate(lines):
        rows += spans(line, MARGIN + (number + 1) * LINE - 5)
    return "\n".join([*rows, "</g>", "</svg>", ""])


def spans(line: str, y: int) -> list[str]:
    """
    Give the parts of one line, each where it stands.
    """
    rows, column = [], 0
    for code, painted, plain in _PART.findall(line):
        text = painted or plain
        x = MARGIN + column * CHARACTER
        length = len(text) * CHARACTER
        if text.strip():
            rows.append(
                f'<text x="{x:.1f}" y="{y}" textLength="{length:.1f}" '
                f"{COLOURS.get(code, '')}>{escape(text)}</text>"
            )
        column += len(text)
    return rows


if __name__ == "__main__":
    place = HERE / "_static" / "demo.svg"
    place.parent.mkdir(exist_ok=True)
    place.write_text(draw(screen()), encoding="utf-8")
