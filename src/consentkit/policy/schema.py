# SPDX-License-Identifier: MIT
"""
The shape of a policy document as a JSON Schema, for editors.

It is made from the classes of `consentkit.policy.tables`, so it cannot fall
behind them. It says which keys there are, what kind of value each takes and
which words it knows; whether the words mean something together is for
``consentkit policy check`` to say.

Source: JSON Schema, draft 2020-12.
"""

from __future__ import annotations

import inspect
import re
import types
import typing

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any, Final

import attrs

from attrs import frozen

from consentkit.policy.load import SCHEMA
from consentkit.policy.model import ProtectionName
from consentkit.policy.tables import (
    COUNTRY_KEYS,
    PERIOD_KEYS,
    UNSPECIFIED,
    CollectsTable,
    Document,
    FieldSpec,
    ProtectSpec,
)
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["Key", "Table", "json_schema", "table_of", "words_of"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

# What `Period.parse` takes, in words that every dialect of regular
# expressions knows.
_PERIOD: Final = (
    "^(?=.*[1-9])P([0-9]{1,4}Y)?([0-9]{1,4}M)?([0-9]{1,4}W)?([0-9]{1,5}D)?"
    "(T(?=[0-9])([0-9]{1,5}H)?([0-9]{1,6}M)?([0-9]{1,8}S)?)?$"
)
_COUNTRY: Final = "^[A-Z]{2}$"
_DATE: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_KINDS: Final = ("bool", "int", "float", "text")

_SECTION = re.compile(r"\nAttributes:\n(?P<body>.*)", re.DOTALL)
_ENTRY = re.compile(r"^ {4}(?P<name>[a-z_]+): (?P<text>.*)$")


@frozen(kw_only=True)
class Key:
    """
    One key of a table.

    Attributes:
        name: As it is written.

        text: What it is for, with code in single backticks.

        kind: Class of its value; of each item, where it is a list.

        is_list: Whether it holds a list.

        required: Whether a table without it is refused.

        default: What holds without it, or ``None``.

        words: The list of the vocabulary that its words are from, or empty.

        also: Words that it may hold beside those of the list.

        values: The only words that it may hold, or none.

        names: The list of the vocabulary whose ids name its tables, where
            it holds several by name; or empty.
    """

    name: str
    text: str
    kind: type
    is_list: bool
    required: bool
    default: str | bool | int | None
    words: str = ""
    also: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    names: str = ""

    @property
    def is_period(self) -> bool:
        """
        Tell whether it holds an ISO 8601 duration.
        """
        return self.kind is str and self.name in PERIOD_KEYS

    @property
    def is_country(self) -> bool:
        """
        Tell whether it holds a country.
        """
        return self.kind is str and self.name in COUNTRY_KEYS


@frozen(kw_only=True)
class Table:
    """
    A table of a policy document.

    Attributes:
        name: Its name in the schema, such as ``Function``.

        text: What it is.

        keys: In the order of the class.
    """

    name: str
    text: str
    keys: tuple[Key, ...]


@cache
def table_of(kind: type) -> Table:
    """
    Describe one of the classes of `consentkit.policy.tables`.
    """
    summary, texts = _said(kind)
    hints = typing.get_type_hints(kind)
    return Table(
        name=kind.__name__.removesuffix("Table").removesuffix("Spec"),
        text=summary,
        keys=tuple(
            _key(a, hints[a.name], texts[a.name]) for a in attrs.fields(kind)
        ),
    )


def words_of(name: str) -> tuple[str, ...]:
    """
    List the words of a list that a key names.
    """
    match name:
        case "protections":
            return tuple(p.value for p in ProtectionName)
        case "intents":
            from consentkit.anonymise.intents import INTENTS

            return tuple(INTENTS)
    return tuple(getattr(load_vocabulary(), name))


def json_schema() -> dict[str, Any]:
    """
    Make the JSON Schema of a policy document.

    A date is a string in it, as in JSON: that is how validators of TOML
    hand it on.

    Returns:
        A value that `json` writes, the caller's own.
    """
    definitions: dict[str, Any] = {}
    for kind in _kinds_below(Document):
        definitions[table_of(kind).name] = _table_schema(kind)
    for name in sorted(_lists_in(_kinds_below(Document))):
        definitions[name] = {"enum": list(words_of(name))}
    document = _table_schema(Document)
    document["properties"]["schema"]["const"] = SCHEMA
    return {
        "$schema": _DIALECT,
        "title": "Policy document of consentkit",
        **document,
        "$defs": definitions,
    }


# The classes


def _said(kind: type) -> tuple[str, Mapping[str, str]]:
    """
    Split a class's docstring into its summary and its attributes' texts.
    """
    # Python 3.13 takes the indentation out by itself; older ones do not.
    text = inspect.cleandoc(kind.__doc__ or "")
    summary, _, _ = text.strip().partition("\n\n")
    found = _SECTION.search(text)
    texts: dict[str, str] = {}
    name = ""
    for line in found["body"].splitlines() if found else ():
        entry = _ENTRY.match(line)
        if entry is not None:
            name = entry["name"]
            texts[name] = entry["text"]
        elif line.strip() and name:
            texts[name] += f" {line.strip()}"
    return _as_markdown(summary), {
        k: _as_markdown(v) for k, v in texts.items()
    }


def _as_markdown(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def _key(attribute: Any, hint: Any, text: str) -> Key:
    kind, is_list = _kind_of(hint)
    default = attribute.default
    required = default is attrs.NOTHING
    shown = isinstance(default, str | bool | int) and default != ""
    return Key(
        name=attribute.name,
        text=text,
        kind=kind,
        is_list=is_list,
        required=required,
        default=default if shown else None,
        words=attribute.metadata.get("words", ""),
        also=attribute.metadata.get("also", ()),
        values=attribute.metadata.get("values", ()),
        names=attribute.metadata.get("names", ""),
    )


def _kind_of(hint: Any) -> tuple[type, bool]:
    """
    Give the class in *hint*, and whether there is a list of it.
    """
    if isinstance(hint, types.UnionType):
        (hint,) = (h for h in hint.__args__ if h is not types.NoneType)
    origin = typing.get_origin(hint)
    if origin is tuple:
        return hint.__args__[0], True
    if origin is not None:
        of = hint.__args__[1]
        # The fields of an event are no tables to who writes them.
        return (dict if of is FieldSpec else of), False
    return hint, False


def _kinds_below(kind: type) -> dict[type, None]:
    """
    Gather the classes of the tables inside *kind*, in order.
    """
    found: dict[type, None] = {}
    for key in table_of(kind).keys:
        if key.kind is dict:
            found[FieldSpec] = None
        elif attrs.has(key.kind):
            found |= {key.kind: None, **_kinds_below(key.kind)}
    return found


def _lists_in(kinds: Iterable[type]) -> Iterator[str]:
    keys = [key for kind in kinds for key in table_of(kind).keys]
    return iter({word for k in keys for word in (k.words, k.names) if word})


# The schema


def _table_schema(kind: type) -> dict[str, Any]:
    table = table_of(kind)
    if kind is FieldSpec:
        return {"description": table.text, "anyOf": _field_spellings()}
    made: dict[str, Any] = {
        "type": "object",
        "properties": {key.name: _key_schema(key) for key in table.keys},
        "required": [key.name for key in table.keys if key.required],
        "additionalProperties": False,
    }
    if kind is CollectsTable:
        made["oneOf"] = [{"required": ["type"]}, {"required": ["types"]}]
    if kind is ProtectSpec:
        # A name may stand for a table that has nothing else.
        made = {"anyOf": [{"$ref": "#/$defs/protections"}, made]}
    return {"description": table.text, **made}


def _field_spellings() -> list[dict[str, Any]]:
    return [
        {"enum": list(_KINDS)},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ]


def _key_schema(key: Key) -> dict[str, Any]:
    value = _value_schema(key)
    if key.is_list:
        value = {"type": "array", "items": value}
    if key.names:
        value = {
            "type": "object",
            "propertyNames": {"$ref": f"#/$defs/{key.names}"},
            "additionalProperties": value,
        }
    made = {"description": key.text, **value}
    if key.default is not None:
        made["default"] = key.default
    return made


def _value_schema(key: Key) -> dict[str, Any]:
    if attrs.has(key.kind):
        return {"$ref": f"#/$defs/{table_of(key.kind).name}"}
    if key.kind is str:
        return _string_schema(key)
    if key.kind is dict:
        field = {"$ref": f"#/$defs/{table_of(FieldSpec).name}"}
        return {"type": "object", "additionalProperties": field}
    if key.kind is date:
        return {"type": "string", "format": "date", "pattern": _DATE}
    names = {bool: "boolean", int: "integer", float: "number"}
    return {"type": names[key.kind]}


def _string_schema(key: Key) -> dict[str, Any]:
    """
    Say what a string may be; an empty one says as much as none.
    """
    options: list[dict[str, Any]] = []
    if key.is_period:
        options = [{"pattern": _PERIOD}, {"const": UNSPECIFIED}]
    elif key.is_country:
        options = [{"pattern": _COUNTRY}]
    elif key.values:
        options = [{"enum": list(key.values)}]
    elif key.words:
        options = [{"$ref": f"#/$defs/{key.words}"}]
        options += [{"const": word} for word in key.also]
    if options and not (key.required or key.is_list):
        options.append({"const": ""})
    match options:
        case []:
            return {"type": "string"}
        case [one]:
            return {"type": "string", **one}
    return {"type": "string", "anyOf": options}
