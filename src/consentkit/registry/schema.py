# SPDX-License-Identifier: MIT
"""
The shape of an SDK entry as a JSON Schema, for editors.

It is made from the classes of `consentkit.registry.model`, so it cannot fall
behind them. What names other entries, and whether two of them go together,
is for ``consentkit sdk check`` to say.

Source: JSON Schema, draft 2020-12.
"""

from __future__ import annotations

import inspect
import re
import typing

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import attrs

from consentkit.policy.vocabulary import load_vocabulary
from consentkit.registry._forms import FORMS, SCHEMA, WORDS, parts_of
from consentkit.registry.model import SDKEntry, SDKPackage


__all__ = ["json_schema"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

#: Lists that have to name something.
_NOT_EMPTY: Final = frozenset(
    {
        (SDKEntry, "platforms"),
        (SDKPackage, "distributions"),
        (SDKPackage, "imports"),
    }
)

_SECTION = re.compile(r"\nAttributes:\n(?P<body>.*)", re.DOTALL)
_ENTRY = re.compile(r"^ {4}(?P<names>[a-z_, ]+): (?P<text>.*)$")


def json_schema() -> dict[str, Any]:
    """
    Make the JSON Schema of an SDK entry.

    Returns:
        A value that `json` writes, the caller's own.
    """
    definitions = {
        kind.__name__: _table(kind)
        for kind in _kinds_below(SDKEntry)
        if kind is not SDKEntry
    }
    for name in sorted({name for name, _ in WORDS.values()}):
        definitions[name] = {"enum": list(getattr(load_vocabulary(), name))}
    entry = _table(SDKEntry)
    schema = {"description": "Of this format.", "const": SCHEMA}
    entry["properties"] = {"schema": schema, **entry["properties"]}
    entry["required"] = ["schema", *entry["required"]]
    return {
        "$schema": _DIALECT,
        "title": "SDK entry of consentkit",
        **entry,
        "$defs": definitions,
    }


def _kinds_below(kind: type) -> dict[type, None]:
    """
    Gather *kind* and the classes of the tables inside it, in order.
    """
    found: dict[type, None] = {kind: None}
    for inner, _ in parts_of(kind).values():
        if attrs.has(inner):
            found |= _kinds_below(inner)
    return found


def _table(kind: type) -> dict[str, Any]:
    summary, texts = _said(kind)
    parts = parts_of(kind)
    fields = attrs.fields(kind)
    return {
        "description": summary,
        "type": "object",
        "properties": {
            a.name: {
                **_described(texts.get(a.name, "")),
                **_key(kind, a.name, *parts[a.name]),
                **_defaulted(a.default),
            }
            for a in fields
        },
        "required": [a.name for a in fields if a.default is attrs.NOTHING],
        "additionalProperties": False,
    }


def _defaulted(value: object) -> dict[str, bool]:
    return {"default": value} if isinstance(value, bool) else {}


def _described(text: str) -> dict[str, str]:
    return {"description": text} if text else {}


def _key(
    table: type,
    name: str,
    inner: Any,
    is_list: bool,  # noqa: FBT001 - as `parts_of` gives it
) -> dict[str, Any]:
    value = _value(table, name, inner)
    if not is_list:
        return value
    more = {"minItems": 1} if (table, name) in _NOT_EMPTY else {}
    return {"type": "array", "items": value, **more}


def _value(table: type, name: str, inner: Any) -> dict[str, Any]:
    if attrs.has(inner):
        return {"$ref": f"#/$defs/{inner.__name__}"}
    if typing.get_origin(inner) is Literal:
        return {"enum": list(typing.get_args(inner))}
    if inner is bool:
        return {"type": "boolean"}
    if (table, name) in WORDS:
        return {"$ref": f"#/$defs/{WORDS[table, name][0]}"}
    if form := FORMS.get((table, name)):
        return {"type": "string", "pattern": f"^(?:{form.pattern})$"}
    return {"type": "string"}


def _said(kind: type) -> tuple[str, Mapping[str, str]]:
    """
    Split a class's docstring into its summary and its attributes' texts.
    """
    # Python 3.13 takes the indentation out by itself; older ones do not.
    text = inspect.cleandoc(kind.__doc__ or "")
    summary, _, _ = text.strip().partition("\n\n")
    found = _SECTION.search(text)
    texts = dict(_texts(found["body"])) if found else {}
    return _plain(summary), {k: _plain(v) for k, v in texts.items()}


def _texts(body: str) -> Iterator[tuple[str, str]]:
    """
    Give the text of each attribute; some have one in common.
    """
    names: list[str] = []
    lines: list[str] = []
    for line in [*body.splitlines(), "    end: "]:
        entry = _ENTRY.match(line)
        if entry is None:
            lines.append(line)
            continue
        yield from ((name, " ".join(lines)) for name in names)
        names = entry["names"].split(", ")
        lines = [entry["text"]]


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")
