# SPDX-License-Identifier: MIT

"""
What the commands of the long runs share: options, a folder, and the figures.
"""

from __future__ import annotations

import argparse
import tempfile

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.long.promises import Verdict
from tests.faults.long.world import warm_up, write_figures


__all__ = ["broken", "carry_out"]


def carry_out(
    run: Callable[..., dict[str, Any]],
    parser: argparse.ArgumentParser,
    arguments: list[str],
) -> int:
    """
    Run, print the figures, and give 0 if all was kept, else 1.

    Args:
        run: Takes a folder, and the options by their names.

        parser: With the options that the run has beside its seed.

        arguments: Of the command line.
    """
    parser.add_argument(
        "--seed", type=int, default=1, help="(default: %(default)s)"
    )
    parser.add_argument(
        "--figures", type=Path, metavar="FILE", help="keep the figures here"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="work in this folder, which must be empty, and leave it",
    )
    options = vars(parser.parse_args(arguments))
    file, folder = options.pop("figures"), options.pop("folder")
    warm_up()
    with tempfile.TemporaryDirectory(prefix="consentkit-long-") as made:
        figures = run(folder or Path(made), **options)
    write_figures(file, figures)
    return 0 if figures["all_kept"] else 1


def broken(verdict: Verdict) -> dict[str, list[Any]]:
    """
    Give what a verdict has against the app, for the figures.
    """
    return {
        "lost": list(verdict.lost),
        "doubled": list(verdict.doubled),
        "rebatched": list(verdict.rebatched),
        "withdrawn_arrived": list(verdict.withdrawn),
        "wrong": list(verdict.wrong),
        "unrecorded": list(verdict.unrecorded),
        "errors": list(verdict.errors)[:20],
    }
