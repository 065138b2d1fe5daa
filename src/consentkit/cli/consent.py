# SPDX-License-Identifier: MIT
"""
``consentkit consent``: see and make a person's choices.
"""

from __future__ import annotations

import argparse
import sys

from typing import Any

from consentkit.cli._common import (
    add_json,
    add_place,
    kit_of,
    print_json,
    print_table,
)
from consentkit.consent.choices import Withdrawal
from consentkit.consent.entries import Entry
from consentkit.consent.prompt import ask
from consentkit.consent.state import Status


__all__ = ["add_parser"]

_ELEMENT = "a function, or FUNCTION/DATA_TYPE for a separate decision"


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    parser = commands.add_parser(
        "consent", help="see and make a person's choices"
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listed = _action(actions, "list", "show where the person stands", _list)
    listed.add_argument(
        "--granted", action="store_true", help="only what is granted"
    )
    asking = _action(actions, "ask", "ask in this terminal", _ask)
    asking.add_argument(
        "elements",
        nargs="*",
        metavar="ELEMENT",
        help=f"{_ELEMENT}; all that are undecided by default",
    )
    for name, help_, run in (
        ("grant", "record a yes", _grant),
        ("deny", "record a no", _deny),
        ("withdraw", "take a consent back, at once", _withdraw),
    ):
        action = _action(actions, name, help_, run)
        action.add_argument("element", metavar="ELEMENT", help=_ELEMENT)
    history = _action(actions, "history", "show the ledger", _history)
    history.add_argument(
        "element", nargs="?", metavar="ELEMENT", help=_ELEMENT
    )


def _action(
    actions: Any, name: str, help_: str, run: Any
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=help_, description=f"{help_.capitalize()}."
    )
    add_place(parser)
    add_json(parser)
    parser.set_defaults(run=run)
    return parser


def _list(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        state = kit.consent.state()
        rows = [
            {
                "element": choice.element,
                "category": kit.policy.functions[
                    choice.element.partition("/")[0]
                ].category.value,
                "status": choice.status.value,
                "since": _when(choice.entry),
                "method": choice.entry.method if choice.entry else "",
            }
            for choice in state.choices.values()
            if choice.status is Status.GRANTED or not arguments.granted
        ]
    if arguments.json:
        print_json({"choices": rows, "problem": state.problem})
    else:
        head = ("ELEMENT", "CATEGORY", "STATUS", "SINCE (UTC)", "METHOD")
        print_table(head, [tuple(row.values()) for row in rows])
        if state.problem:
            print(f"consentkit: {state.problem}", file=sys.stderr)
    return 2 if state.problem else 0


def _when(entry: Entry | None) -> str:
    return f"{entry.at:%Y-%m-%d %H:%M:%S}" if entry else ""


def _ask(arguments: argparse.Namespace) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        msg = (
            "there is nobody to ask: this is no terminal; "
            "use 'consentkit consent grant' or 'deny'"
        )
        raise ValueError(msg)
    open_ = (Status.UNKNOWN, Status.ASKED, Status.DEFERRED, Status.WIDENED)
    with kit_of(arguments) as kit:
        state = kit.consent.state()
        if state.problem:
            raise ValueError(state.problem)
        chosen = arguments.elements or [
            e for e, c in state.choices.items() if c.status in open_
        ]
        for element in chosen:
            if element not in state.choices:
                kit.consent.grant(element)  # raises, naming the near ones
        answers = ask(kit.consent, kit.policy, chosen, read=input, write=print)
    if arguments.json:
        print_json({e: answer.value for e, answer in answers.items()})
    elif not chosen:
        print("Everything is decided; see 'consentkit consent list'.")
    return 0


def _grant(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        entry = kit.consent.grant(arguments.element, method="command_line")
    if arguments.json:
        print_json(_plain(entry))
    else:
        print(f"{entry.element}: granted, entry {entry.seq}")
    return 0


def _deny(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        done = kit.consent.deny(arguments.element, method="command_line")
    return _ended(arguments, done, "denied")


def _withdraw(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        done = kit.consent.withdraw(arguments.element, method="command_line")
    return _ended(arguments, done, "withdrawn")


def _ended(arguments: argparse.Namespace, done: Withdrawal, word: str) -> int:
    destroyed = done.destroyed
    if arguments.json:
        print_json(
            {
                "entries": [_plain(entry) for entry in done.entries],
                "destroyed": destroyed.records,
                "in_flight": destroyed.in_flight,
                "erasures": destroyed.erasures,
            }
        )
        return 0
    print(
        f"{arguments.element}: {word}; {destroyed.records} waiting records "
        f"destroyed, {destroyed.erasures} erasure requests queued"
    )
    return 0


def _history(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        entries = kit.consent.history(arguments.element)
    if arguments.json:
        print_json({"entries": [_plain(entry) for entry in entries]})
        return 0
    head = ("SEQ", "AT (UTC)", "ACT", "ELEMENT", "METHOD", "VERSION", "HASH")
    print_table(
        head,
        [
            (
                str(e.seq),
                f"{e.at:%Y-%m-%d %H:%M:%S}",
                e.act.value,
                e.element,
                e.method,
                e.version,
                e.hash[:12],
            )
            for e in entries
        ],
    )
    return 0


def _plain(entry: Entry) -> dict[str, object]:
    return {
        "seq": entry.seq,
        "at": entry.at.isoformat(timespec="milliseconds"),
        "act": entry.act.value,
        "element": entry.element,
        "method": entry.method,
        "policy": entry.policy,
        "version": entry.version,
        "text": entry.text,
        "terms": entry.terms,
        "language": entry.language,
        "prev": entry.prev,
        "hash": entry.hash,
    }
