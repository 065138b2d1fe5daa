# SPDX-License-Identifier: MIT
"""
``consentkit receipt``: the proof of one choice, for the person to keep.
"""

from __future__ import annotations

import argparse
import json

from pathlib import Path
from typing import Any

from consentkit.cli._common import (
    add_group,
    add_json,
    add_place,
    near,
    print_json,
)
from consentkit.cli.ledger import ledger_of, lines_of, read_text, write_text
from consentkit.exceptions import ProofError
from consentkit.ledger.checkpoint import VerifyKey
from consentkit.ledger.receipt import Receipt, verify_receipt


__all__ = ["add_parser"]

_LIMITS = """\
A receipt shows that the entry stood in a ledger of this key, and on which
text. It does not show whose key that is (compare it with one from elsewhere:
--key), that the clock was right, or that nothing was recorded after it."""


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    actions = add_group(
        commands, "receipt", "make the proof of a choice, verify one"
    )
    make = actions.add_parser(
        "make",
        help="make the receipt of the newest choice on something",
        description="Make the receipt of the newest entry about ELEMENT, for "
        "the person to keep.",
    )
    make.add_argument(
        "element",
        metavar="ELEMENT",
        help="a function, or FUNCTION/DATA_TYPE",
    )
    make.add_argument(
        "--subject",
        metavar="ID",
        help="whose, by the app's own name (default: of the one person)",
    )
    make.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="a new file to write to (default: standard output)",
    )
    add_place(make)
    add_json(make)
    make.set_defaults(run=_make)
    verify = actions.add_parser(
        "verify",
        help="check receipts, with nothing but their file",
        description="Check receipts, one a line, with nothing but their file: "
        "no ledger, no network. Exit code 0 means that all of them hold.",
        epilog=_LIMITS,
    )
    verify.add_argument(
        "file", type=Path, metavar="FILE", help="the receipts, one a line"
    )
    verify.add_argument(
        "--key",
        metavar="KEY",
        help="the key that must have signed, as 'ledger verify' shows it",
    )
    add_json(verify)
    verify.set_defaults(run=_verify)


def _make(arguments: argparse.Namespace) -> int:
    with ledger_of(arguments) as ledger:
        if arguments.subject is None:
            entries = ledger.entries()
        else:
            tag = ledger.subject(arguments.subject)
            entries = () if tag is None else ledger.entries(tag)
        about = [e for e in entries if e.element == arguments.element]
        if not about:
            hint = near(
                arguments.element,
                {e.element for e in entries if e.element},
                where="'consentkit ledger show'",
            )
            msg = f"the ledger has no entry on {arguments.element!r}; {hint}"
            raise ValueError(msg)
        write_text(arguments.output, ledger.receipt(about[-1].seq).text)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    key = VerifyKey.parse(arguments.key) if arguments.key else None
    lines = lines_of(read_text(arguments.file))
    # So each begins, also one that was changed: it is canonical JSON.
    if not any(line.startswith('{"checkpoint":') for line in lines):
        msg = (
            f"{arguments.file}: no receipts; each is one line of JSON, as "
            "'consentkit receipt make' and 'ledger export' write it"
        )
        raise ValueError(msg)
    results: list[Receipt | str] = []
    for line in lines:
        try:
            results.append(verify_receipt(line, key=key))
        except ProofError as error:
            results.append(str(error))
    is_fine = not any(isinstance(result, str) for result in results)
    if arguments.json:
        print_json({"holds": is_fine, "receipts": [*map(_as_json, results)]})
        return 0 if is_fine else 1
    for number, result in enumerate(results, start=1):
        if isinstance(result, str):
            print(f"{arguments.file}:{number}: does not hold: {result}")
        else:
            _print(result)
    print(f"\n{_LIMITS}")
    return 0 if is_fine else 1


def _as_json(result: Receipt | str) -> dict[str, Any]:
    if isinstance(result, str):
        return {"holds": False, "problem": result}
    return {
        "holds": True,
        "entry": json.loads(result.entry.body),
        "entries": result.signed.checkpoint.size,
        "origin": result.signed.checkpoint.origin,
        "key": str(result.key),
        "has_policy": bool(result.policy),
    }


def _print(receipt: Receipt) -> None:
    entry, checkpoint = receipt.entry, receipt.signed.checkpoint
    rows = {
        "act": f"{entry.act.value} {entry.element}".rstrip(),
        "by": f"{entry.by.value}, method {entry.method}",
        "when": f"{entry.at:%Y-%m-%d %H:%M:%S} UTC, by that device's clock",
        "policy": f"{entry.policy} {entry.version}, in {entry.language}",
        "text": f"{entry.text} ({'' if receipt.policy else 'not '}in here)",
        "person": entry.subject,
        "place": f"entry {entry.seq} of {checkpoint.size}",
        "ledger": checkpoint.origin,
        "key": str(receipt.key),
    }
    print("The receipt holds.")
    for name, value in rows.items():
        # A stranger's receipt must not steer this terminal.
        plain = "".join(c if c.isprintable() else "?" for c in value)
        print(f"  {name:7} {plain}")
