# SPDX-License-Identifier: MIT
"""
``consentkit sdk clauses``: an SDK's fields as rows of a policy.
"""

from __future__ import annotations

import argparse

from typing import Any

from consentkit.cli._common import add_json, near, print_json
from consentkit.cli._sdks import add_entries, entries_of


__all__ = ["add"]


def add(actions: Any) -> None:
    """
    Add the action to those of ``consentkit sdk``.
    """
    clauses = actions.add_parser(
        "clauses",
        help="print an SDK's fields as rows for a policy document",
        description="Print what an SDK is said to collect as "
        "[[functions.collects]] rows, to paste below its function and to "
        "prune: what is not in the policy, the SDK is never given. What is "
        "optional or sensitive becomes a decision of its own. The mildest "
        "protection that each type may have is written; choose a stronger "
        "one where that is enough.",
    )
    clauses.add_argument("sdk", metavar="ID", help="id of the SDK")
    add_entries(clauses)
    add_json(clauses)
    clauses.set_defaults(run=_clauses)


def _clauses(arguments: argparse.Namespace) -> int:
    import tomllib

    from consentkit.policy.vocabulary import load_vocabulary
    from consentkit.registry.clauses import clauses_of

    _, entries = entries_of(arguments.sdks)
    entry = entries.get(arguments.sdk)
    if entry is None:
        cure = near(arguments.sdk, entries, where="'consentkit sdk list'")
        msg = f"there is no SDK {arguments.sdk!r}; {cure}"
        raise ValueError(msg)
    text = clauses_of(entry, load_vocabulary())
    if arguments.json:
        rows = tomllib.loads(text).get("functions", {}) if text else {}
        print_json(rows.get("collects", []) if rows else [])
    elif text:
        print(text.rstrip())
    else:
        print(f"# {entry.name} is not said to collect anything.")
    return 0
