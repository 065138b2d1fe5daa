# SPDX-License-Identifier: MIT
"""
``consentkit policy diff``: what a new version changes, and what it asks for.
"""

from __future__ import annotations

import argparse

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import attrs

from consentkit.cli._common import Style, add_json, count, print_json
from consentkit.policy.diff import (
    Change,
    ChangeKind,
    Difference,
    Fall,
    FallKind,
    Loss,
    compare,
)
from consentkit.policy.load import load_policy
from consentkit.policy.model import Policy
from consentkit.policy.tables import DeadlineTable, FieldSpec


__all__ = ["add_action"]

_TEXT_CHARACTERS = 60
_FALLS = {
    FallKind.NEW: "a new decision",
    FallKind.PARTLY: "partly covered",
    FallKind.WHOLLY: "not covered",
    FallKind.GONE: "no decision any more",
}


def add_action(actions: Any) -> None:
    """
    Add the action to those of ``consentkit policy``.
    """
    diff = actions.add_parser(
        "diff",
        help="what a new version changes and asks for",
        description="Compare two versions of a policy document: every change, "
        "whether it is major or reduces rights, and which consents fall. "
        "Exits with 0 if people need not be told or asked anything, with 1 "
        "if they need, with 2 if a file is no policy document.",
    )
    for name in ("old", "new"):
        diff.add_argument(
            name,
            type=Path,
            metavar=name.upper(),
            help=f"the {name} version, in TOML",
        )
    add_json(diff)
    diff.set_defaults(run=_diff)


def _diff(arguments: argparse.Namespace) -> int:
    old, new = load_policy(arguments.old), load_policy(arguments.new)
    found = compare(old, new)
    if arguments.json:
        print_json(_as_json(old, new, found))
    else:
        for line in _lines(old, new, found, Style()):
            print(line)
    return int(found.needs_something)


# As JSON


def _as_json(old: Policy, new: Policy, found: Difference) -> dict[str, Any]:
    return {
        "old": _version(old),
        "new": _version(new),
        "notice_due": found.notice_due,
        "major_kinds": list(found.major_kinds),
        "accept_due": found.accept_due,
        "asks": list(found.asks),
        "falls": [
            {
                "element": fall.element,
                "kind": fall.kind.value,
                "losses": [_loss(loss) for loss in fall.losses],
            }
            for fall in found.falls
        ],
        "changes": [_change(change) for change in found.changes],
    }


def _version(policy: Policy) -> dict[str, str]:
    return {
        "id": policy.id,
        "version": policy.version,
        "digest": policy.digest,
    }


def _loss(loss: Loss) -> dict[str, Any]:
    return {
        "data_type": loss.data_type,
        "purpose": loss.purpose,
        "recipient": loss.recipient,
        "reasons": [reason.value for reason in loss.reasons],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "path": change.path,
        "kind": change.kind.value,
        "what": change.what,
        "before": _plain(change.before),
        "after": _plain(change.after),
        "major": change.major,
        "major_kind": change.major_kind,
        "reduces_rights": change.reduces_rights,
        "asks": list(change.asks),
    }


def _plain(value: object) -> object:
    """
    Reduce what a table holds to what JSON knows, without its defaults.
    """
    match value:
        case date():
            return value.isoformat()
        case tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(name): _plain(item) for name, item in value.items()}
        case FieldSpec():
            return list(value.values) or value.kind
        case None | str() | bool() | int() | float():
            return value
    kind: Any = type(value)
    held = {a.name: getattr(value, a.name) for a in attrs.fields(kind)}
    return {k: _plain(v) for k, v in held.items() if v not in ("", (), None)}


# For people


def _lines(
    old: Policy, new: Policy, found: Difference, style: Style
) -> Iterator[str]:
    yield style.bold(f"{new.title}: {old.version} to {new.version}")
    yield style.dim(f"SHA-256 {old.digest}")
    yield style.dim(f"     to {new.digest}")
    if not found.changes:
        yield "Nothing has changed."
        return
    if old.id != new.id:
        yield style.bad(f"They are two documents: {old.id} and {new.id}.")
    elif old.version == new.version:
        yield style.bad(
            f"They differ, and both are called version {new.version}: give "
            "the new one a version of its own."
        )
    yield ""
    yield from _what_is_due(found, style)
    if found.falls:
        yield ""
        yield style.bold("Consents")
        yield from _fall_lines(found.falls)
    yield ""
    yield style.bold("Changes")
    for change in found.changes:
        yield from _change_lines(change, style)


def _what_is_due(found: Difference, style: Style) -> Iterator[str]:
    major = sum(change.major for change in found.changes)
    less = sum(change.reduces_rights for change in found.changes)
    yield (
        f"{count(len(found.changes), 'change')}, {major} major, "
        f"{less} that {'reduces' if less == 1 else 'reduce'} rights"
    )
    if found.notice_due:
        kinds = ", ".join(map(_in_words, found.major_kinds))
        yield style.bad(f"People have to be told: {kinds}.")
    if found.accept_due:
        yield style.bad(
            "People stay under the old version until they accept the new one."
        )
    if found.asks:
        number = count(len(found.asks), "decision")
        yield style.bad(f"{number} to be asked for.")
    if not found.needs_something:
        yield style.good("People need not be told or asked anything.")


def _fall_lines(falls: Iterable[Fall]) -> Iterator[str]:
    for fall in falls:
        yield f"  {fall.element}: {_FALLS[fall.kind]}"
        by_type: dict[tuple[str, str], dict[str, None]] = {}
        for loss in fall.losses:
            why = ", ".join(_in_words(r.value) for r in loss.reasons)
            about = (loss.data_type or "all that it does", why)
            by_type.setdefault(about, {})[
                f"for {loss.purpose} to {loss.recipient}"
            ] = None
        for (data_type, why), uses in by_type.items():
            yield f"    {data_type}: {why} ({'; '.join(uses)})"


def _change_lines(change: Change, style: Style) -> Iterator[str]:
    match change.kind:
        case ChangeKind.ADDED | ChangeKind.REMOVED:
            yield f"  {change.what}: {change.kind.value}"
        case _:
            yield (
                f"  {change.what}: {_shown(change.before)} -> "
                f"{_shown(change.after)}"
            )
    notes = [f"major ({_in_words(change.major_kind)})" if change.major else ""]
    notes.append("reduces rights" * change.reduces_rights)
    notes.append(f"asks for {', '.join(change.asks)}" * bool(change.asks))
    notes.append("the same party" * (change.kind is ChangeKind.RENAMED))
    if any(notes):
        yield style.bad(f"    {'; '.join(filter(None, notes))}")
    yield style.dim(f"    {change.path}")


def _shown(value: object) -> str:
    """
    Write a value so that one line holds it.
    """
    if isinstance(value, DeadlineTable):
        unit = _in_words(value.unit)
        return f"{count(value.value, unit)} from {value.starts_at}"
    match _plain(value):
        case None | "" | []:
            return "nothing"
        case bool(yes):
            return "yes" if yes else "no"
        case list(items):
            text = ", ".join(map(str, items))
        case dict(table):
            text = ", ".join(f"{k} {v}" for k, v in table.items())
        case other:
            text = str(other)
    text = " ".join(text.split())
    too_long = len(text) > _TEXT_CHARACTERS
    return f"{text[: _TEXT_CHARACTERS - 3]}..." if too_long else text


def _in_words(key: str) -> str:
    return key.replace("_", " ")
