# SPDX-License-Identifier: MIT
"""
What several commands share: their arguments, and how results are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from consentkit.kit import Kit
from consentkit.kit import open as open_kit


__all__ = [
    "Style",
    "add_json",
    "add_place",
    "kit_of",
    "print_json",
    "print_table",
]


def add_json(parser: argparse.ArgumentParser) -> None:
    """
    Add ``--json``.
    """
    parser.add_argument(
        "--json", action="store_true", help="print one JSON value"
    )


def add_place(parser: argparse.ArgumentParser) -> None:
    """
    Add ``--policy`` and ``--data-dir``.
    """
    parser.add_argument(
        "--policy",
        type=Path,
        default=os.environ.get("CONSENTKIT_POLICY", "policy.toml"),
        metavar="FILE",
        help="policy document (default: policy.toml here)",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=os.environ.get("CONSENTKIT_DATA_DIR"),
        metavar="DIR",
        help="data folder (default: the app's, by the policy's id)",
    )


def kit_of(arguments: argparse.Namespace, **options: Any) -> Kit:
    """
    Open the kit that the arguments name.
    """
    return open_kit(
        Path(arguments.policy), data_dir=arguments.data_dir, **options
    )


def print_json(value: object) -> None:
    """
    Print *value* as JSON.
    """
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """
    Print columns as wide as they need to be.
    """
    table = [tuple(head), *(tuple(map(str, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (c.ljust(w) for c, w in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


class Style:
    """
    Colours, where the output is a terminal that wants them.
    """

    def __init__(self, *, on: bool | None = None) -> None:
        wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        dumb = os.environ.get("TERM") == "dumb"
        self.on = (wanted and not dumb) if on is None else on

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on else text

    def bold(self, text: str) -> str:
        """
        Make *text* stand out.
        """
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        """
        Make *text* step back.
        """
        return self._paint("2", text)

    def good(self, text: str) -> str:
        """
        Mark *text* as fine.
        """
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        """
        Mark *text* as refused or wrong.
        """
        return self._paint("31", text)
