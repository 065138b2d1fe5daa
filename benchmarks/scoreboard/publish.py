# SPDX-License-Identifier: MIT
"""
Put what the board found on its page of the docs: the tables between two
marks, the pictures and the value of each run beside them.

Usage: ``python -m benchmarks.scoreboard.publish RESULTS.json``
"""

from __future__ import annotations

import argparse
import json

from pathlib import Path
from typing import Any, Final

from benchmarks.scoreboard.figures import FIGURES
from benchmarks.scoreboard.plot import pictures
from benchmarks.scoreboard.processes import ROOT
from benchmarks.scoreboard.table import (
    board_table,
    conditions,
    figure_table,
)


__all__ = ["publish"]

_BEGIN: Final = (
    "% what was found begins: python -m benchmarks.scoreboard.publish"
)
_END: Final = "% what was found ends"

#: What a picture shows, for whoever does not see it.
_SHOWN: Final = {
    "scoreboard-targets.svg": "How far each figure is from its target",
    "scoreboard-capture.svg": "What a capture costs its caller, by peer",
    "scoreboard-delivery.svg": "Throughput, processor and bytes, by peer",
    "scoreboard-losses.svg": "What is lost, and how long an exit takes",
}


def publish(results: dict[str, Any], docs: Path) -> None:
    """
    Write the page's tables, and its pictures.

    Args:
        results: What ``--json`` wrote.

        docs: Folder of the docs.
    """
    found = results["found"]
    drawn = pictures(found)
    for name, picture in drawn.items():
        (docs / "_static" / name).write_text(picture, "utf-8")
    text = json.dumps(results, ensure_ascii=False)
    (docs / "_static" / "scoreboard.json").write_text(text + "\n", "utf-8")
    shown = [
        f"![{words}](_static/{name})"
        for name, words in _SHOWN.items()
        if name in drawn
    ]
    parts = [
        _BEGIN,
        conditions(results),
        board_table(found),
        *shown,
        *(
            f"### {FIGURES[name].title}\n\n{figure_table(name, found)}"
            for name in found
        ),
        _END,
    ]
    page = docs / "scoreboard.md"
    before, _, rest = page.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(before + "\n\n".join(parts) + after, "utf-8")


def main() -> None:
    """
    Publish what a file holds.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scoreboard.publish",
        description="Put what the board found on its page of the docs.",
    )
    parser.add_argument("results", type=Path, help="what --json wrote")
    chosen = parser.parse_args()
    results = json.loads(chosen.results.read_text("utf-8"))
    publish(results, ROOT / "docs")


if __name__ == "__main__":
    main()
