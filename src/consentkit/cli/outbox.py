# SPDX-License-Identifier: MIT
"""
``consentkit outbox``: what waits, what became of the rest, and sending it.
"""

from __future__ import annotations

import argparse

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import asdict

from consentkit.cli._common import (
    add_group,
    add_json,
    add_place,
    count,
    print_json,
    print_table,
)
from consentkit.cli._outboxes import kit_of, value_text
from consentkit.cli.outbox_flush import add as add_flush
from consentkit.cli.outbox_tail import add as add_tail


if TYPE_CHECKING:
    from consentkit.outbox import Protection


__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    actions = add_group(commands, "outbox", "look into the outbox, empty it")
    status = actions.add_parser(
        "status",
        help="how much waits, for whom",
        description="Tell how much waits, for whom and under which consent, "
        "what became of the rest, and where the key is that seals it. No "
        "record is opened.",
    )
    inspect = actions.add_parser(
        "inspect",
        help="open every waiting record",
        description="Open every waiting record, oldest first, and show it as "
        "it would leave: opened here, on this screen only.",
    )
    for action, run in ((status, _status), (inspect, _inspect)):
        add_place(action)
        add_json(action)
        action.set_defaults(run=run)
    add_tail(actions)
    add_flush(actions)


def _status(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        status, held = kit.status(), kit.quarantine.functions()
    if arguments.json:
        print_json(
            {
                "waiting": status.waiting,
                "sealed_bytes": status.sealed_bytes,
                "erasures": status.erasures,
                "lanes": [
                    {
                        "element": lane.element,
                        "recipient": lane.recipient,
                        "consent": lane.grant,
                        "waiting": lane.waiting,
                    }
                    for lane in status.lanes
                ],
                "held": list(held),
                "counts": dict(status.counts),
                "kek": status.kek and asdict(status.kek),
                "set_aside": [str(path) for path in status.set_aside],
            }
        )
        return 0
    print(
        f"{count(status.waiting, 'record waits', 'records wait')} "
        f"({count(status.sealed_bytes, 'byte')}, sealed), and "
        f"{count(status.erasures, 'erasure request')}"
    )
    if status.lanes:
        print_table(
            ("WAITING", "ELEMENT", "RECIPIENT", "CONSENT"),
            [
                (str(x.waiting), x.element, x.recipient, x.grant[:12])
                for x in status.lanes
            ],
        )
    _tell_held(held)
    for reason, number in sorted(status.counts.items()):
        print(f"so far {reason.replace('_', ' ')}: {number}")
    if status.kek is not None:
        _tell_key(status.kek)
    for path in status.set_aside:
        print(
            f"A damaged file was set aside in {path}; what was intact of it "
            "is in the outbox."
        )
    return 0


def _tell_key(key: Protection) -> None:
    print(f"The key of what waits is in a {key.place}.")
    print(f"  It protects against: {'; '.join(key.protects)}.")
    print(f"  Not against: {'; '.join(key.leaves_open)}.")


def _tell_held(functions: Sequence[str]) -> None:
    if functions:
        print(
            f"Until the person answers, more waits of: {', '.join(functions)}"
        )


def _inspect(arguments: argparse.Namespace) -> int:
    from consentkit.anonymise.together import together

    with kit_of(arguments) as kit:
        waiting = tuple(kit.store.inspect())
        held = kit.quarantine.functions()
    classes: dict[str, str] = {}
    for group in together(waiting):
        classes |= {id_: one.value for id_, one in group.classes.items()}
    records = [
        record.as_json() | {"together": classes[record.id]}
        for record in waiting
    ]
    if arguments.json:
        print_json({"records": records})
        return 0
    if not records:
        print("Nothing waits to be sent.")
        _tell_held(held)
        return 0
    print_table(
        (
            "CAPTURED (UTC)",
            "FUNCTION",
            "DATA TYPE",
            "PROTECTION",
            "TOGETHER",
            "VALUE",
        ),
        [
            (
                str(record["captured_at"])[:19],
                str(record["function"]),
                str(record["data_type"]),
                str(record["protection"]),
                str(record["together"]),
                value_text(record["value"]),
            )
            for record in records
        ],
    )
    _tell_held(held)
    return 0
