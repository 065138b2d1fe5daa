# SPDX-License-Identifier: MIT
"""
``consentkit collected``: what was really collected here.
"""

from __future__ import annotations

import argparse

from typing import Any

from consentkit._opening import this_platform
from consentkit.cli._common import add_json, add_place, kit_of, print_json
from consentkit.disclose import collected
from consentkit.ledger.entries import LOCAL


__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    parser = commands.add_parser(
        "collected",
        help="show what was really collected",
        description="Show what was really collected of the person on this "
        "device: each data type by function, how often it was obtained, and "
        "from which day to which; and how much of the policy's list never "
        "was. No value is shown: none is kept of what was read.",
    )
    parser.add_argument(
        "--subject",
        metavar="ID",
        help="the person, where an app serves many: the app's own name of "
        "them",
    )
    add_place(parser)
    add_json(parser)
    parser.set_defaults(run=_collected)


def _collected(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        tag = LOCAL
        if arguments.subject is not None:
            tag = kit.ledger.subject(arguments.subject) or ""
        if not tag:
            msg = f"the ledger knows nobody named {arguments.subject!r}"
            raise ValueError(msg)
        platform = this_platform()
        made = collected(
            kit.policy, kit.store.tally.of(tag), platform=platform
        )
    if not arguments.json:
        print(made.text)
        return 0
    print_json(
        {
            "platform": platform,
            "collected": [
                {
                    "function": one.function,
                    "data_type": one.data_type,
                    "times": one.times,
                    "first": one.first.isoformat(),
                    "last": one.last.isoformat(),
                }
                for one in made.obtained
            ],
            "unlisted": made.unlisted,
            "never": made.never,
            "elsewhere": made.elsewhere,
            "together": made.together and made.together.value,
            "because": made.because,
        }
    )
    return 0
