# SPDX-License-Identifier: MIT
"""
``consentkit policy show`` and ``schema``: a policy for people, its shape for
editors.
"""

from __future__ import annotations

import argparse
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
)
from consentkit.cli._policy_rest import (
    deadline,
    function_remarks,
    in_words,
    plainly,
    sections,
    tables,
    type_name,
)
from consentkit.policy.load import load_policy, parse_canonical
from consentkit.policy.model import (
    Clause,
    Function,
    Policy,
    Protection,
    ProtectionName,
    Recipient,
)
from consentkit.policy.period import Period
from consentkit.policy.tables import UNSPECIFIED
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["add_actions"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_WIDTH = 80
_STAYS = {"drop": "is not even read", "local_only": "stays on the device"}


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
    told = _as_json(policy)
    if arguments.json:
        print_json(told)
    else:
        width = min(terminal_width() or _WIDTH, 100)
        for line in _lines(told, policy, Style()):
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
    document = policy.document
    owner = document.controller
    return {
        "id": policy.id,
        "title": policy.title,
        "version": policy.version,
        "digest": policy.digest,
        "effective": None
        if document.policy.effective is None
        else policy.effective.isoformat(),
        "template": policy.template,
        "language": policy.language,
        "url": policy.url,
        "controller": {
            "id": policy.controller.id,
            "name": policy.controller.name,
            "contact": policy.controller.contact,
            "address": policy.controller.address,
            "postal_code": owner.postal_code if owner else "",
            "officer": owner.officer if owner else "",
        },
        "functions": [_function(f, policy) for f in policy.functions.values()],
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
            }
            for r in document.rights
        ],
        "regions": list(document.storage.regions),
        "unspecified": list(document.unspecified),
        **tables(policy),
    }


def _function(function: Function, policy: Policy) -> dict[str, Any]:
    return {
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
            _clause(clause, function, policy)
            for clause in function.clauses.values()
        ],
        "events": list(function.events),
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


def _clause(
    clause: Clause, function: Function, policy: Policy
) -> dict[str, Any]:
    stated = _stated_period(clause.type, function.id, policy)
    return {
        "type": clause.type,
        "purposes": list(clause.purposes),
        "recipients": list(clause.recipients),
        "retention": str(clause.retention),
        "retention_stated": stated != UNSPECIFIED,
        "protection": _protection(clause.protection),
        "separate": clause.separate,
        "permission": clause.permission,
        "required": clause.required,
    }


def _stated_period(data_type: str, function: str, policy: Policy) -> str:
    for table in policy.document.functions:
        for row in table.collects:
            if (table.id, row.type) == (function, data_type):
                return row.retention or table.retention
    return ""


def _protection(protection: Protection) -> dict[str, Any]:
    made: dict[str, Any] = {"name": protection.name.value}
    if protection.name is ProtectionName.GRID:
        made["cell_km"] = protection.cell_km
    if protection.intents:
        made["intents"] = list(protection.intents)
    return made


# For people


def _lines(
    told: dict[str, Any], policy: Policy, style: Style
) -> Iterator[str]:
    owner = told["controller"]
    yield style.bold(f"{told['title']} {told['version']}".rstrip())
    if told["template"]:
        yield "A template: no app can open it."
    if told["effective"]:
        yield f"In force from {told['effective']}."
    yield f"{owner['name']}, {owner['contact']}"
    if told["url"]:
        yield told["url"]
    yield style.dim(f"SHA-256 {told['digest']}")
    stated = {table.id: table for table in policy.document.functions}
    for function in told["functions"]:
        yield ""
        yield from _function_lines(function, policy.language, style)
        for remark in function_remarks(
            stated[function["id"]], policy.language
        ):
            yield f"  {remark}"
    for title, lines in sections(policy):
        yield ""
        yield style.bold(title)
        yield from (f"  - {line}" for line in lines)


def _function_lines(
    function: dict[str, Any], language: str, style: Style
) -> Iterator[str]:
    category = plainly(function["category"])
    title = style.bold(function["name"])
    yield f"{title} ({function['id']}, {category})"
    yield f"  {function['text']}"
    bases = load_vocabulary().bases
    basis = "; ".join(bases[b].name for b in function["basis"])
    yield f"  Lawful by: {basis}."
    yield f"  If refused: {plainly(function['on_refusal'])}."
    parties = {r["id"]: r for r in function["recipients"]}
    for clause in function["collects"]:
        yield _clause_line(clause, parties, language)
    if function["sdk"]:
        why = _purposes(function["purposes"])
        yield f"  - Starts the SDK {function['sdk']}{why and f': {why}'}"
    if not (function["collects"] or function["sdk"]):
        yield "  - Collects nothing."
    separate = function["elements"][1:]
    if separate:
        yield f"  Decided on by themselves: {', '.join(separate)}"


def _clause_line(
    clause: dict[str, Any], parties: dict[str, Any], language: str
) -> str:
    name = type_name(clause["type"], language)
    about = f"  - {name} ({clause['type']})"
    purposes = f"for: {_purposes(clause['purposes'])}"
    stays = _STAYS.get(clause["protection"]["name"])
    if stays is not None:
        return f"{about}; {stays}; {purposes}"
    kept = in_words(Period.parse(clause["retention"]))
    if not clause["retention_stated"]:
        kept += " at most, since the text says no period"
    whom = ", ".join(_party(parties[r]) for r in clause["recipients"])
    said = [
        purposes,
        f"to: {whom}",
        f"kept: {kept}",
        f"protected by: {_protected(clause['protection'])}",
    ]
    if clause["permission"]:
        said.append(f"permission: {plainly(clause['permission'])}")
    return f"{about}; {'; '.join(said)}"


def _purposes(ids: list[str]) -> str:
    names = load_vocabulary().purposes
    return ", ".join(names[p].name for p in ids)


def _party(recipient: dict[str, Any]) -> str:
    country = recipient["country"]
    text = f"{recipient['name']}{country and f' ({country})'}"
    if recipient["barred"]:
        text += f", which gets nothing: {recipient['barred']}"
    return text


def _protected(protection: dict[str, Any]) -> str:
    match protection:
        case {"name": "none"}:
            return "nothing, as it is"
        case {"name": name, "cell_km": side}:
            return f"{name} of {side:g} km"
        case {"name": name, "intents": intents}:
            return f"{name} of {', '.join(intents)}"
    return str(protection["name"])


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
