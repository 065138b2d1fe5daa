# SPDX-License-Identifier: MIT
"""
``consentkit why``: the decision and each condition behind it.
"""

from __future__ import annotations

import argparse

from typing import Any

from consentkit.cli._common import add_json, add_place, kit_of, print_json


__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    parser = commands.add_parser(
        "why",
        help="explain a decision",
        description="Explain the decision on a function, or on one of its "
        "data types: each condition, and whether it holds. Exits with 0 if "
        "it is permitted, with 1 if it is refused.",
    )
    parser.add_argument("function", metavar="FUNCTION")
    parser.add_argument("data_type", nargs="?", metavar="DATA_TYPE")
    parser.add_argument("recipient", nargs="?", metavar="RECIPIENT")
    add_place(parser)
    add_json(parser)
    parser.set_defaults(run=_why)


def _why(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        explained = kit.why(
            arguments.function, arguments.data_type, arguments.recipient
        )
    if arguments.json:
        print_json(
            {
                "permitted": explained.permitted,
                "headline": explained.headline,
                "conditions": [
                    {"name": c.name, "holds": c.holds, "detail": c.detail}
                    for c in explained.conditions
                ],
            }
        )
    else:
        print(explained)
    return 0 if explained.permitted else 1
