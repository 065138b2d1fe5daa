# SPDX-License-Identifier: MIT
"""
Between TOML and the tables of a policy document, by cattrs.

Only the shape is checked here (keys and kinds of values); whether the words
mean something together is checked by `consentkit.policy.load`.
"""

from __future__ import annotations

import json

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import cache
from typing import Any

import attrs

from cattrs import AttributeValidationNote, Converter, IterableValidationNote
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn

from consentkit.policy.fault import Fault, suggest
from consentkit.policy.tables import (
    CollectsTable,
    Document,
    FieldSpec,
    FunctionTable,
    ProtectSpec,
)


__all__ = ["canonical", "structure"]


class _WrongKindError(ValueError):
    """
    A value of another kind than the key takes.
    """


class _TypeOrTypesError(ValueError):
    """
    A row of what is collected with neither of two keys, or with both.
    """


def structure(raw: Mapping[str, Any]) -> Document | tuple[Fault, ...]:
    """
    Structure *raw*, as a TOML parser gives it; or list all that is wrong.
    """
    faults: tuple[Fault, ...]
    try:
        return _converter().structure(raw, Document)
    except Exception as error:  # noqa: BLE001 - a group, or a lone error
        faults = tuple(_faults(error, "$"))
    return faults


def canonical(document: Document) -> str:
    """
    Write *document* as JSON of one form, which `structure` reads back.

    What stands at its default is left out, so that a key that a later
    version of the library adds changes nothing; a row for several data types
    is written as one row for each. The form is that of RFC 8785 for what a
    document can hold.
    """
    return json.dumps(
        _plain(document),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )


def _plain(value: Any) -> object:
    match value:
        case str() | bool() | int() | None:
            return value
        case float():
            return int(value) if value.is_integer() else value
        case tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return {str(k): _plain(v) for k, v in value.items()}
        case date():
            return value.isoformat()
        case FieldSpec():
            return list(value.values) or value.kind
    kind: Any = type(value)
    table = {}
    for a in attrs.fields(kind):
        held = getattr(value, a.name)
        default = a.default
        if default is not attrs.NOTHING and hasattr(default, "factory"):
            default = default.factory()
        if default is attrs.NOTHING or held != default:
            table[a.name] = _plain(held)
    if kind is FunctionTable and value.collects:
        table["collects"] = [row for r in value.collects for row in _rows(r)]
    return table


def _rows(row: CollectsTable) -> list[object]:
    """
    Give each data type of *row* a row of its own.
    """
    table: Any = _plain(row)
    table.pop("types", None)
    return [{**table, "type": type_} for type_ in row.each]


def _faults(error: BaseException, path: str) -> Iterator[Fault]:
    match error:
        case BaseExceptionGroup():
            for inner in error.exceptions:
                yield from _faults(inner, path + _step(inner))
        case ForbiddenExtraKeysError():
            known = {a.name for a in attrs.fields(error.cl)}
            for extra in sorted(error.extra_fields):
                yield Fault(
                    path=f"{path}.{extra}",
                    problem="no such key",
                    cure=suggest(extra, known),
                )
        case KeyError():
            yield Fault(path=path, problem="missing", cure="add this key")
        case _TypeOrTypesError():
            yield Fault(
                path=f"{path}.type",
                problem=str(error),
                cure="a data type; or 'types', where several have the same "
                "terms",
            )
        case _WrongKindError():
            yield Fault(path=path, problem=str(error))
        case _:
            yield Fault(path=path, problem="not what this key takes")


def _step(error: BaseException) -> str:
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f".{note.name}"
        if isinstance(note, IterableValidationNote):
            index = note.index
            return f"[{index}]" if isinstance(index, int) else f".{index}"
    return ""


def _kind(value: object) -> str:
    names = {
        bool: "a boolean",
        str: "a string",
        int: "an integer",
        float: "a number",
        list: "an array",
        tuple: "an array",
        dict: "a table",
        date: "a date",
        datetime: "a date with time",
    }
    return names.get(type(value), "a value of another kind")


def _wrong(value: object, expected: str) -> _WrongKindError:
    return _WrongKindError(f"expected {expected}, found {_kind(value)}")


def _string(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise _wrong(value, "a string")
    return value


def _boolean(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(value, "a boolean")
    return value


def _integer(value: object, _: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(value, "an integer")
    return value


def _number(value: object, _: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong(value, "a number")
    return float(value)


def _date(value: object, _: object) -> date:
    if isinstance(value, str):
        # As JSON has it, in the canonical form.
        with suppress(ValueError):
            return date.fromisoformat(value)
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _wrong(value, "a date, such as 2026-04-10")
    return value


def _array(value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise _wrong(value, "an array")
    return value


@cache
def _converter() -> Converter:
    made = Converter(forbid_extra_keys=True, detailed_validation=True)
    made.register_structure_hook(str, _string)
    made.register_structure_hook(bool, _boolean)
    made.register_structure_hook(int, _integer)
    made.register_structure_hook(float, _number)
    made.register_structure_hook(date, _date)
    # A string or a table where an array is due would be iterated over.
    made.register_structure_hook_factory(
        lambda kind: getattr(kind, "__origin__", None) is tuple,
        lambda kind: _tuple_hook(made, kind),
    )
    made.register_structure_hook_factory(
        attrs.has, lambda kind: _table_hook(made, kind)
    )
    # Last, as these are made from the hooks above and go before them.
    _register_spelt_shortly(made)
    return made


def _tuple_hook(made: Converter, kind: Any) -> Any:
    (item, _) = kind.__args__

    def hook(value: object, _: object) -> tuple[object, ...]:
        listed = _array(value)
        if item is str and set(map(type, listed)) <= {str}:
            return tuple(listed)
        kind_of_list: Any = list.__class_getitem__(item)
        return tuple(made.structure(listed, kind_of_list))

    return hook


def _table_hook(made: Converter, kind: Any) -> Any:
    inner = make_dict_structure_fn(kind, made, _cattrs_forbid_extra_keys=True)

    def hook(value: object, as_kind: object) -> object:
        if not isinstance(value, Mapping):
            raise _wrong(value, "a table")
        return inner(value, as_kind)

    if kind is CollectsTable:
        return _one_of_two_keys(hook)
    return hook


def _one_of_two_keys(hook: Any) -> Any:
    def checked(value: object, as_kind: object) -> object:
        keys = value if isinstance(value, Mapping) else ()
        named = [key for key in ("type", "types") if key in keys]
        if len(named) == 1:
            return hook(value, as_kind)
        errors: list[Exception] = []
        try:
            hook(value, as_kind)
        except Exception as error:  # noqa: BLE001 - told beside the other
            errors.append(error)
        if isinstance(value, Mapping):
            problem = "beside 'types'" if named else "missing"
            errors.append(_TypeOrTypesError(problem))
        msg = "a row of what is collected"
        raise ExceptionGroup(msg, errors)

    return checked


def _register_spelt_shortly(made: Converter) -> None:
    """
    Let a string stand for a table, and a list for an enumeration.
    """
    protect = make_dict_structure_fn(
        ProtectSpec, made, _cattrs_forbid_extra_keys=True
    )

    def to_protect(value: object, kind: Any) -> ProtectSpec:
        if isinstance(value, str):
            return ProtectSpec(name=value)
        if isinstance(value, Mapping):
            return protect(value, kind)
        raise _wrong(value, "a string or a table")

    def to_field(value: object, _: object) -> FieldSpec:
        if isinstance(value, str):
            return FieldSpec(kind=value)
        if isinstance(value, list | tuple) and all(
            isinstance(v, str) for v in value
        ):
            return FieldSpec(kind="enum", values=tuple(value))
        raise _wrong(value, "a kind, or an array of the values")

    made.register_structure_hook(ProtectSpec, to_protect)
    made.register_structure_hook(FieldSpec, to_field)
