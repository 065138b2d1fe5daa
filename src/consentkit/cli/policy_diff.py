# SPDX-License-Identifier: MIT
"""
``consentkit policy diff``: what a new version changes, and what it asks for.
"""

from __future__ import annotations

import argparse

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import attrs

from attrs import frozen

from consentkit.cli._common import (
    Style,
    add_json,
    count,
    print_json,
    version_of,
    wrapped,
)
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
# Of a text that is cut, how much is shown before what differs.
_BEFORE = 20
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
        for told in _paragraphs(old, new, found, Style()):
            for line in wrapped(told.text, told.indent, told.hanging) or [""]:
                print(told.paint(line))
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


@frozen
class _Text:
    """
    A paragraph, with the blanks before it and before its other lines.
    """

    text: str
    indent: int = 0
    hanging: int = 0
    paint: Callable[[str], str] = str


def _paragraphs(
    old: Policy, new: Policy, found: Difference, style: Style
) -> Iterator[_Text]:
    was, now = (version_of(p) or "no version" for p in (old, new))
    yield _Text(f"{new.title}: {was} to {now}", paint=style.bold)
    yield _Text(f"SHA-256 {old.digest}", paint=style.dim)
    yield _Text(f"to {new.digest}", indent=5, paint=style.dim)
    if not found.changes:
        yield _Text("Nothing has changed.")
        return
    if old.id != new.id:
        yield _Text(
            f"They are two documents: {old.id} and {new.id}.", paint=style.bad
        )
    elif was == now:
        called = f"both are called version {now}"
        if not version_of(new):
            called = "neither says its version"
        yield _Text(
            f"They differ, and {called}: give the new one a version of its "
            "own.",
            paint=style.bad,
        )
    yield _Text("")
    yield from _what_is_due(found, style)
    if found.falls:
        yield _Text("")
        yield _Text("Consents", paint=style.bold)
        yield from _of_falls(found.falls)
    yield _Text("")
    yield _Text("Changes", paint=style.bold)
    for change in found.changes:
        yield from _of_change(change, style)


def _what_is_due(found: Difference, style: Style) -> Iterator[_Text]:
    major = sum(change.major for change in found.changes)
    less = sum(change.reduces_rights for change in found.changes)
    yield _Text(
        f"{count(len(found.changes), 'change')}, {major} major, "
        f"{less} that {'reduces' if less == 1 else 'reduce'} rights"
    )
    if found.notice_due:
        kinds = ", ".join(map(_in_words, found.major_kinds))
        yield _Text(f"People have to be told: {kinds}.", paint=style.bad)
    if found.accept_due:
        yield _Text(
            "People stay under the old version until they accept the new one.",
            paint=style.bad,
        )
    if found.asks:
        number = count(len(found.asks), "decision")
        yield _Text(f"{number} to be asked for.", paint=style.bad)
    if not found.needs_something:
        yield _Text(
            "People need not be told or asked anything.", paint=style.good
        )


def _of_falls(falls: Iterable[Fall]) -> Iterator[_Text]:
    for fall in falls:
        yield _Text(f"{fall.element}: {_FALLS[fall.kind]}", 2, 4)
        by_type: dict[tuple[str, str], dict[str, None]] = {}
        for loss in fall.losses:
            why = ", ".join(_in_words(r.value) for r in loss.reasons)
            about = (loss.data_type or "all that it does", why)
            by_type.setdefault(about, {})[
                f"for {loss.purpose} to {loss.recipient}"
            ] = None
        # As in 'policy show', what holds for several types is one line.
        alike: dict[tuple[str, str], list[str]] = {}
        for (data_type, why), uses in by_type.items():
            alike.setdefault((why, "; ".join(uses)), []).append(data_type)
        for (why, said), types in alike.items():
            yield _Text(f"{', '.join(types)}: {why} ({said})", 4, 6)


def _of_change(change: Change, style: Style) -> Iterator[_Text]:
    match change.kind:
        case ChangeKind.ADDED | ChangeKind.REMOVED:
            text = f"{change.what}: {change.kind.value}"
        case _:
            before, after = _shown(change.before), _shown(change.after)
            skip = _first_difference(before, after)
            text = f"{change.what}: {_cut(before, skip)} -> "
            text += _cut(after, skip)
    yield _Text(text, 2, 4)
    notes = [f"major ({_in_words(change.major_kind)})" if change.major else ""]
    notes.append("reduces rights" * change.reduces_rights)
    notes.append(f"asks for {', '.join(change.asks)}" * bool(change.asks))
    notes.append("the same party" * (change.kind is ChangeKind.RENAMED))
    if any(notes):
        yield _Text("; ".join(filter(None, notes)), 4, 6, style.bad)
    yield _Text(change.path, 4, 6, style.dim)


def _shown(value: object) -> str:
    """
    Write a value as one line.
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
    return " ".join(text.split())


def _first_difference(before: str, after: str) -> int:
    """
    Give where the word begins in which two texts begin to differ.
    """
    pairs = enumerate(zip(before, after, strict=False))
    shorter = min(len(before), len(after))
    same = next((i for i, (b, a) in pairs if b != a), shorter)
    return before.rfind(" ", 0, same) + 1


def _cut(text: str, skip: int) -> str:
    """
    Leave out of a long text what is far from its character *skip*.
    """
    if len(text) <= _TEXT_CHARACTERS:
        return text
    # A few words before it tell where one is.
    start = text.find(" ", skip - _BEFORE) + 1 if skip > _BEFORE else 0
    start = min(start, skip)
    end = start + _TEXT_CHARACTERS
    return "..." * (start > 0) + text[start:end] + "..." * (end < len(text))


def _in_words(key: str) -> str:
    return key.replace("_", " ")
