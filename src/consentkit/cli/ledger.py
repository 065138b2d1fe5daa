# SPDX-License-Identifier: MIT
"""
``consentkit ledger``: what happened, and whether that is still all.
"""

from __future__ import annotations

import argparse
import json
import re
import sys

from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from consentkit.cli._common import (
    add_group,
    add_json,
    add_place,
    count,
    print_json,
    print_table,
    unreadable,
)
from consentkit.exceptions import ProofError
from consentkit.kit import default_data_dir
from consentkit.ledger.base import ledger_from_url
from consentkit.ledger.checkpoint import SignedCheckpoint, parse_checkpoint
from consentkit.ledger.entries import Entry
from consentkit.ledger.postgresql import PostgreSQLLedger
from consentkit.ledger.receipt import verify_receipt
from consentkit.ledger.sqlite import SQLiteLedger
from consentkit.ledger.verify import Verdict, VerdictKind
from consentkit.policy import Policy, load_policy


__all__ = ["add_parser", "ledger_of", "lines_of", "read_text", "write_text"]

_LIMITS = """\
What this cannot show: that somebody who has the ledger's key wrote it anew,
or put back an older copy of it together with its keys. Only a checkpoint or
a receipt that was kept elsewhere shows that: --anchor FILE. Nor does it show
that what was written was true, or that the clock was right."""


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    actions = add_group(commands, "ledger", "look into the ledger, verify it")
    show = actions.add_parser(
        "show",
        help="show every entry",
        description="Show every entry, oldest first. A person is shown by "
        "the tag that stands for them.",
    )
    verify = actions.add_parser(
        "verify",
        help="tell whether the ledger is what was written",
        description="Tell whether the ledger is what was written: intact, "
        "changed (at which entry), truncated, forked, or unanchored where "
        "there is nothing to hold it against; and whether an earlier ledger "
        "of the folder is lost. Exit code 0 means intact, and none is lost.",
        epilog=_LIMITS,
    )
    verify.add_argument(
        "--anchor",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a checkpoint or a receipt that was kept elsewhere; may be "
        "given more than once",
    )
    export = actions.add_parser(
        "export",
        help="write receipts, here or for other systems",
        description="Write a receipt of each entry, one a line, for "
        "'consentkit receipt verify'; or consent receipts after ISO/IEC TS "
        "27560, one for each person and element, as JSON-LD.",
    )
    export.add_argument(
        "--format",
        choices=("receipts", "27560"),
        default="receipts",
        help="what to write (default: receipts)",
    )
    export.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="a new file to write to (default: standard output)",
    )
    for action in (show, export):
        action.add_argument(
            "--subject",
            metavar="ID",
            help="only the entries of this person, by the app's own name",
        )
    for action, run in ((show, _show), (verify, _verify), (export, _export)):
        add_place(action)
        add_json(action)
        action.set_defaults(run=run)


@contextmanager
def ledger_of(
    arguments: argparse.Namespace, *, may_be_gone: bool = False
) -> Generator[SQLiteLedger | PostgreSQLLedger]:
    """
    Give the ledger that the arguments name, or that of their data folder.

    A policy document is only needed to find that folder, in which the key
    and the anchor are in any case.

    Args:
        arguments: Of the command.

        may_be_gone: Whether the tables that a URL names need not be there.

    Raises:
        ConsentKitError: If the policy document cannot be used, or the
            server.

        ValueError: If there is no data folder to be used, or no ledger at
            the URL.
    """
    folder = arguments.data_dir or default_data_dir(_policy_of(arguments))
    if folder.exists() and not folder.is_dir():
        msg = f"{folder}: not a folder; name one with --data-dir"
        raise ValueError(msg)
    if arguments.ledger is None:
        if not folder.exists():
            msg = (
                f"{folder}: there is no ledger here; it is made with the "
                "first choice; --data-dir names another folder"
            )
            raise ValueError(msg)
        file = SQLiteLedger(folder / "ledger.sqlite3", for_reading=True)
        with closing(file) as ledger:
            yield ledger
        return
    with closing(
        ledger_from_url(arguments.ledger, keys=folder / "keys")
    ) as server:
        if not may_be_gone:
            _check_there(server)
        yield server


def _check_there(ledger: PostgreSQLLedger) -> None:
    if not ledger.exists():
        msg = (
            f"{ledger.name}: there is no ledger; another schema is named by "
            "?schema=NAME at the end of the URL"
        )
        raise ValueError(msg)


def _policy_of(arguments: argparse.Namespace) -> Policy:
    problem = unreadable(arguments.policy)
    if problem:
        msg = (
            f"{arguments.policy}: {problem}; name a policy document with "
            "--policy or in CONSENTKIT_POLICY, or the folder with --data-dir"
        )
        raise ValueError(msg)
    return load_policy(arguments.policy)


def read_text(path: Path) -> str:
    """
    Read a file that was named on the command line.

    Raises:
        ValueError: If it cannot be read, or is no text.
    """
    problem = unreadable(path)
    if not problem:
        try:
            return path.read_bytes().decode()
        except UnicodeDecodeError:
            problem = "it is no text"
    msg = f"{path}: {problem}"
    raise ValueError(msg)


def lines_of(text: str) -> list[str]:
    """
    Split a file of receipts; only a line feed ends a line.
    """
    return re.findall(r"[^\n]*\n|[^\n]+\Z", text)


def write_text(path: Path | None, text: str) -> None:
    """
    Write results to a new file, or to standard output.

    Raises:
        ValueError: If the file is there already.
    """
    if path is None:
        sys.stdout.write(text)
        return
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        pass
    else:
        return
    msg = f"{path}: it is there already; name another file"
    raise ValueError(msg)


def _chosen(
    ledger: SQLiteLedger | PostgreSQLLedger, arguments: argparse.Namespace
) -> tuple[Entry, ...]:
    if arguments.subject is None:
        return ledger.all_entries()
    tag = ledger.subject(arguments.subject)
    if tag is None:
        msg = f"the ledger knows nobody named {arguments.subject!r}"
        raise ValueError(msg)
    return ledger.entries(tag)


def _show(arguments: argparse.Namespace) -> int:
    with ledger_of(arguments) as ledger:
        entries = _chosen(ledger, arguments)
    if arguments.json:
        print_json(
            {
                "entries": [
                    {**json.loads(e.body), "hash": e.hash} for e in entries
                ]
            }
        )
        return 0
    if not entries:
        print("The ledger is empty.")
        return 0
    print_table(
        ("SEQ", "WHEN (UTC)", "ACT", "ELEMENT", "BY", "METHOD", "SUBJECT"),
        [
            (
                str(e.seq),
                f"{e.at:%Y-%m-%d %H:%M:%S}",
                e.act.value,
                e.element or "-",
                e.by.value,
                e.method,
                e.subject[:12],
            )
            for e in entries
        ],
    )
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    given = [one for path in arguments.anchor for one in _anchors(path)]
    with ledger_of(arguments, may_be_gone=True) as ledger:
        verdict = ledger.verify(given)
        # Gone is a finding, and only where it is known to have been there.
        if isinstance(ledger, PostgreSQLLedger) and not verdict.anchors:
            _check_there(ledger)
        earlier = ledger.earlier()
        key = ledger.verify_key()
    is_whole = verdict.kind is VerdictKind.INTACT or (
        verdict.is_sound and not verdict.has
    )
    is_fine = is_whole and not earlier
    if arguments.json:
        print_json(
            {
                "verdict": verdict.kind.value,
                "entries": verdict.has,
                "index": verdict.index or None,
                "had": verdict.had or None,
                "anchors": verdict.anchors,
                "earlier": [
                    {
                        "file": str(path),
                        "entries": signed and signed.checkpoint.size,
                        "written": _written(path).isoformat(),
                    }
                    for path, signed in earlier.items()
                ],
                "detail": str(verdict),
                "key": None if key is None else str(key),
            }
        )
        return 0 if is_fine else 1
    print(f"{verdict}.".capitalize())
    _print_held(verdict, given)
    for path, signed in earlier.items():
        had = "what was kept of it is no checkpoint of this key"
        if signed is not None:
            size = count(signed.checkpoint.size, "entry", "entries")
            had = f"it had {size} on {_written(path):%Y-%m-%d}"
        print(
            f"An earlier ledger of this folder is lost; {had}.\n"
            f"  Evidence: {path}\n"
            "  Move that elsewhere once it is clear what became of it."
        )
    if key is not None:
        print(f"Key: {key}")
    print(f"\n{_LIMITS}")
    return 0 if is_fine else 1


def _written(path: Path) -> datetime:
    """
    Tell when a file was written, as its disk remembers it.
    """
    moment = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return moment.replace(microsecond=0)


def _print_held(verdict: Verdict, given: list[SignedCheckpoint]) -> None:
    kept = verdict.anchors - len(given)
    print(
        f"Held against {count(len(given), 'anchor')} from elsewhere and "
        f"{'the one' if kept else 'none'} beside the keys."
    )


def _anchors(path: Path) -> list[SignedCheckpoint]:
    """
    Read the checkpoints out of a file: one note, or receipts.
    """
    text = read_text(path)
    try:
        if text.startswith("{"):
            return [verify_receipt(line).signed for line in lines_of(text)]
        return [parse_checkpoint(text)]
    except ProofError as error:
        problem = str(error)
    msg = f"{path}: neither a checkpoint nor receipts: {problem}"
    raise ValueError(msg)


def _export(arguments: argparse.Namespace) -> int:
    with ledger_of(arguments) as ledger:
        entries = _chosen(ledger, arguments)
        if arguments.format == "27560":
            made = list(_for_others(ledger, entries, arguments))
            text = f"{json.dumps(made, indent=2, ensure_ascii=False)}\n"
        else:
            receipts = ledger.receipts([entry.seq for entry in entries])
            lines = [receipt.text for receipt in receipts]
            text = "".join(lines)
            if arguments.json:
                listed = ",\n".join(line.rstrip("\n") for line in lines)
                text = f"[\n{listed}\n]\n"
    write_text(arguments.output, text)
    return 0


def _for_others(
    ledger: SQLiteLedger | PostgreSQLLedger,
    entries: Iterable[Entry],
    arguments: argparse.Namespace,
) -> Generator[dict[str, Any]]:
    from consentkit.consent.state import fold
    from consentkit.ledger.dpv import consent_receipt, consent_record

    policy, now = _policy_of(arguments), datetime.now(UTC)
    people: dict[str, list[Entry]] = {}
    newest: dict[tuple[str, str], int] = {}
    for entry in entries:
        people.setdefault(entry.subject, []).append(entry)
        if entry.element:
            newest[entry.subject, entry.element] = entry.seq
    # All at once, as each time the whole ledger is read.
    receipts = ledger.receipts(newest.values())
    proofs = dict(zip(newest, receipts, strict=True))
    for subject, own in people.items():
        choices = fold(own, policy, at=now).choices
        for element in dict.fromkeys(e.element for e in own if e.element):
            about = [e for e in own if e.element == element]
            choice = choices.get(element)
            proof = proofs[subject, element]
            record = consent_record(
                about,
                # The policy has it no more: nothing is known of today.
                status=choice.status.value if choice else "unknown",
                policy=json.loads(proof.policy) if proof.policy else None,
            )
            yield consent_receipt(record, proof=proof, created=now)
