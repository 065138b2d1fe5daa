# SPDX-License-Identifier: MIT
"""
``consentkit received``: what a receiver keeps, in numbers.
"""

from __future__ import annotations

import argparse

from typing import Any

from attrs import asdict

from consentkit.cli._common import add_json, count, print_json, print_table
from consentkit.cli.receive import add_place_of_records, store_of


__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    parser = commands.add_parser(
        "received",
        help="tell what a receiver keeps",
        description="Tell how many records a receiver keeps, what became of "
        "the others, and what senders say they dropped. No record is shown.",
    )
    add_place_of_records(parser)
    add_json(parser)
    parser.set_defaults(run=_received)


def _received(arguments: argparse.Namespace) -> int:
    _check_file(arguments.store)
    store = store_of(arguments)
    try:
        counts, reports = store.counts(), store.drops()
    finally:
        store.close()
    dropped: dict[tuple[str, str, str], int] = {}
    for report in reports:
        for one in report.drops:
            key = report.recipient, one.function, one.reason
            dropped[key] = dropped.get(key, 0) + one.count
    rows = sorted(dropped.items())
    if arguments.json:
        print_json(
            asdict(counts)
            | {
                "reports": len(reports),
                "dropped": [
                    {
                        "recipient": recipient,
                        "function": function,
                        "reason": reason,
                        "count": number,
                    }
                    for (recipient, function, reason), number in rows
                ],
            }
        )
        return 0
    print(
        f"{count(counts.records, 'record')} in "
        f"{count(counts.batches, 'batch', 'batches')}, kept in {store.name}"
    )
    if counts.functions:
        print_table(
            ("RECORDS", "FUNCTION"),
            [(str(n), name) for name, n in counts.functions.items()],
        )
    for what in ("duplicates", "rejected", "erased", "expired"):
        print(f"so far {what}: {getattr(counts, what)}")
    print(f"grants erased: {counts.erasures}")
    print(
        f"{count(len(reports), 'drop report')} of the last 90 days"
        + (":" * bool(rows))
    )
    if rows:
        print_table(
            ("DROPPED", "RECIPIENT", "FUNCTION", "REASON"),
            [(str(number), *key) for key, number in rows],
        )
    return 0


def _check_file(place: str) -> None:
    """
    Refuse a file that is not there: looking must not make one.

    Raises:
        ValueError: If so.
    """
    from pathlib import Path

    if "://" not in place and not Path(place).exists():
        msg = f"{place}: no such file; name a receiver's store with --store"
        raise ValueError(msg)
