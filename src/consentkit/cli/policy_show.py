# SPDX-License-Identifier: MIT
"""
``consentkit policy show`` and ``schema``: a policy for people, its shape for
editors.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import textwrap

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from consentkit.cli._common import (
    Style,
    add_json,
    print_json,
    terminal_width,
    titled,
    version_of,
)
from consentkit.cli._policy_functions import function_lines, period_said
from consentkit.cli._policy_rest import sdk_rows, sections
from consentkit.cli._policy_words import OPEN, deadline
from consentkit.policy.load import load_policy, parse_canonical
from consentkit.policy.model import (
    Clause,
    Function,
    Policy,
    Protection,
    ProtectionName,
    Recipient,
)
from consentkit.policy.tables import UNSPECIFIED, FunctionTable


__all__ = ["add_actions"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_WIDTH = 80


def add_actions(actions: Any) -> None:
    """
    Add the actions to those of ``consentkit policy``.
    """
    show = actions.add_parser(
        "show",
        help="print a policy for people",
        description="Print what a policy promises: each function, what it "
        "collects, why, for whom and how long it is kept; then whom to turn "
        "to, what people can ask for, and every sentence that it has. With "
        "--digest, an old version out of the ledger's archive.",
    )
    which = show.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="policy document, in TOML",
    )
    which.add_argument(
        "--digest",
        metavar="SHA256",
        help="a version that somebody agreed to, by its SHA-256 in hex",
    )
    show.add_argument(
        "--data-dir",
        type=Path,
        default=os.environ.get("CONSENTKIT_DATA_DIR") or None,
        metavar="DIR",
        help="data folder with the archive, for --digest",
    )
    add_json(show)
    show.set_defaults(run=_show)
    schema = actions.add_parser(
        "schema",
        help="print the JSON Schema of policy documents",
        description="Print the JSON Schema of policy documents, with which "
        "an editor completes and checks them.",
    )
    schema.set_defaults(run=_schema)


def _schema(_: argparse.Namespace) -> int:
    from consentkit.policy.schema import json_schema

    print_json(json_schema())
    return 0


def _show(arguments: argparse.Namespace) -> int:
    if arguments.digest is None:
        policy = load_policy(arguments.file)
    else:
        policy = _archived(arguments.digest, arguments.data_dir)
    if arguments.json:
        print_json(_as_json(policy))
    else:
        width = min(terminal_width() or _WIDTH, 100)
        for line in _lines(policy, Style()):
            print(_wrapped(line, width))
    return 0


def _archived(digest: str, folder: Path | None) -> Policy:
    """
    Read the version with *digest* out of the archive in *folder*.

    Raises:
        ValueError: If there is none.

        ConsentKitError: If the archive cannot be read.
    """
    from consentkit.ledger.sqlite import SQLiteLedger

    if not _DIGEST.fullmatch(digest):
        msg = f"{digest!r} is no SHA-256; give its 64 hexadecimal digits"
        raise ValueError(msg)
    if folder is None:
        msg = (
            "no data folder to look into; name it with --data-dir or in "
            "CONSENTKIT_DATA_DIR"
        )
        raise ValueError(msg)
    path = folder / "ledger.sqlite3"
    if not path.is_file():
        msg = f"{path}: there is no ledger; name its folder with --data-dir"
        raise ValueError(msg)
    with closing(SQLiteLedger(path)) as ledger:
        text = ledger.policy(digest)
    if text is None:
        msg = (
            f"{path}: no version {digest} is archived; 'consentkit ledger "
            "show' lists those that somebody answered to"
        )
        raise ValueError(msg)
    return parse_canonical(text)


# What is told


def _as_json(policy: Policy) -> dict[str, Any]:
    """
    Tell all that *policy* says: each table as it is written, with what
    follows from it.

    A key that stands at its default may be left out, and so is a table that
    the document does not have.
    """
    document = policy.document
    written = json.loads(policy.canonical)
    about = {k: v for k, v in written["policy"].items() if k != "effective"}
    owner = policy.controller
    return {
        **{k: v for k, v in written.items() if k != "policy"},
        **about,
        "version": policy.version,
        "digest": policy.digest,
        "effective": None
        if document.policy.effective is None
        else policy.effective.isoformat(),
        "template": policy.template,
        "url": policy.url,
        "controller": {
            "postal_code": "",
            "officer": "",
            **written.get("controller", {}),
            "id": owner.id,
            "name": owner.name,
            "contact": owner.contact,
            "address": owner.address,
        },
        "functions": [
            _function(policy.functions[table.id], table, row)
            for table, row in zip(
                document.functions, written["functions"], strict=True
            )
        ],
        "recipients": written.get("recipients", []),
        "exceptions": [
            {
                "basis": e.basis,
                "acts": list(e.acts),
                "functions": list(e.functions),
                "types": list(e.types),
                "purposes": list(e.purposes),
                "text": e.text,
            }
            for e in document.exceptions
        ],
        "rights": [
            {
                "id": r.id,
                "channel": r.channel,
                "deadline": deadline(r.deadline),
                "grounds": list(r.grounds),
                "effect": r.effect,
                "section": r.section,
            }
            for r in document.rights
        ],
        "regions": list(document.storage.regions),
        "unspecified": list(document.unspecified),
        "sdks": sdk_rows(policy),
        "sdk_list": written.get("sdks"),
    }


def _function(
    function: Function, table: FunctionTable, written: dict[str, Any]
) -> dict[str, Any]:
    """
    Tell a function as it is understood, with what else is written of it.
    """
    rows = {row.pop("type"): row for row in written.get("collects", ())}
    for row in rows.values():
        row.pop("protect", None)  # told as it is understood
    return {
        **written,
        "id": function.id,
        "name": function.name,
        "category": function.category.value,
        "text": function.text,
        "basis": list(function.basis),
        "on_refusal": function.on_refusal,
        "purposes": list(function.purposes),
        "recipients": [_recipient(r) for r in function.recipients.values()],
        "sdk": function.sdk,
        "elements": list(function.elements),
        "collects": [
            {**rows[clause.type], **_clause(clause, table)}
            for clause in function.clauses.values()
        ],
        "events": written.get("events", []),
    }


def _recipient(recipient: Recipient) -> dict[str, Any]:
    return {
        "id": recipient.id,
        "name": recipient.name,
        "mode": recipient.mode,
        "country": recipient.country,
        "separate": recipient.separate,
        "abroad": recipient.abroad,
        "barred": recipient.barred,
    }


def _clause(clause: Clause, table: FunctionTable) -> dict[str, Any]:
    frequency = clause.frequency
    return {
        "type": clause.type,
        "purposes": list(clause.purposes),
        "recipients": list(clause.recipients),
        "retention": str(clause.retention),
        "retention_stated": period_said(clause.type, table) != UNSPECIFIED,
        "protection": _protection(clause.protection),
        "separate": clause.separate,
        "permission": clause.permission,
        "scenes": list(clause.scenes),
        "platforms": list(clause.platforms),
        "required": clause.required,
        "frequency": "" if frequency is None else str(frequency),
        "read_from": clause.read_from,
    }


def _protection(protection: Protection) -> dict[str, Any]:
    made: dict[str, Any] = {"name": protection.name.value}
    if protection.name is ProtectionName.GRID:
        made["cell_km"] = protection.cell_km
        made["on_change"] = protection.on_change
    if protection.intents:
        made["intents"] = list(protection.intents)
    if protection.noise_km:
        made["noise_km"] = protection.noise_km
    for key in ("time_step", "epoch"):
        period = getattr(protection, key)
        if period is not None:
            made[key] = str(period)
    if protection.name is ProtectionName.KRR:
        made["epsilon"] = protection.epsilon
        made["values"] = list(protection.values)
    return made


# For people


def _lines(policy: Policy, style: Style) -> Iterator[str]:
    document = policy.document
    owner = policy.controller
    yield style.bold(titled(policy))
    if not version_of(policy):
        yield f"Version: {OPEN}."
    if policy.template:
        yield "A template: no app can open it."
    if document.policy.effective is not None:
        yield f"In force from {policy.effective}."
    yield f"{owner.name}, {owner.contact}"
    if policy.url:
        yield policy.url
    yield style.dim(f"SHA-256 {policy.digest}")
    for table in document.functions:
        yield ""
        function = policy.functions[table.id]
        yield from function_lines(function, table, policy.language, style)
    for title, lines in sections(policy):
        yield ""
        yield style.bold(title)
        yield from (f"  - {line}" for line in lines)


def _wrapped(line: str, width: int) -> str:
    """
    Break a line so that what goes on stands under what it belongs to.
    """
    indent = " " * (len(line) - len(line.lstrip()))
    deeper = indent + "  " * line.lstrip().startswith("- ")
    return textwrap.fill(
        line,
        width,
        subsequent_indent=deeper,
        break_long_words=False,
        break_on_hyphens=False,
    )
