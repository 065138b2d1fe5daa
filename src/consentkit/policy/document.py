# SPDX-License-Identifier: MIT
"""
The shape of a policy document: tables of TOML, structured by cattrs.

Only the shape is checked here (keys and kinds of values); whether the words
mean something together is checked by `consentkit.policy.load`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import attrs

from attrs import field, frozen
from cattrs import AttributeValidationNote, Converter, IterableValidationNote
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn

from consentkit.policy.fault import Fault, suggest


__all__ = [
    "CollectsTable",
    "Document",
    "EventTable",
    "FieldSpec",
    "FunctionTable",
    "ProtectSpec",
    "structure",
]


@frozen(kw_only=True)
class ProtectSpec:
    """
    ``protect``: a name, or a table with parameters.
    """

    name: str
    cell_km: float | None = None
    intents: tuple[str, ...] = ()


@frozen(kw_only=True)
class FieldSpec:
    """
    A field of an event: a kind, or the closed list of its values.
    """

    kind: str
    values: tuple[str, ...] = ()


@frozen(kw_only=True)
class PolicyTable:
    """
    ``[policy]``.
    """

    id: str
    title: str
    version: str
    effective: date
    language: str
    url: str = ""


@frozen(kw_only=True)
class ControllerTable:
    """
    ``[controller]``.
    """

    id: str
    name: str
    contact: str
    address: str = ""


@frozen(kw_only=True)
class RecipientTable:
    """
    ``[[recipients]]``.
    """

    id: str
    name: str
    mode: str
    country: str = ""


@frozen(kw_only=True)
class CollectsTable:
    """
    ``[[functions.collects]]``.
    """

    type: str
    protect: ProtectSpec | None = None
    purposes: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    retention: str = ""
    permission: str | None = None
    separate: bool | None = None
    scenes: tuple[str, ...] = ()


@frozen(kw_only=True)
class EventTable:
    """
    ``[[functions.events]]``.
    """

    name: str
    type: str
    fields: dict[str, FieldSpec] = field(factory=dict)


@frozen(kw_only=True)
class FunctionTable:
    """
    ``[[functions]]``.
    """

    id: str
    name: str
    category: str
    text: str
    basis: tuple[str, ...]
    on_refusal: str
    purposes: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    retention: str = ""
    permission: str = ""
    sdk: str = ""
    collects: tuple[CollectsTable, ...] = ()
    events: tuple[EventTable, ...] = ()


@frozen(kw_only=True)
class Document:
    """
    A whole document, format 1.
    """

    schema: int
    policy: PolicyTable
    controller: ControllerTable
    functions: tuple[FunctionTable, ...]
    recipients: tuple[RecipientTable, ...] = ()


class _WrongKindError(ValueError):
    """
    A value of another kind than the key takes.
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
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _wrong(value, "a date, such as 2026-04-10")
    return value


def _array_of_tables(value: object) -> list[object]:
    if not isinstance(value, list):
        raise _wrong(value, "an array")
    return value


def _converter() -> Converter:
    made = Converter(forbid_extra_keys=True, detailed_validation=True)
    made.register_structure_hook(str, _string)
    made.register_structure_hook(bool, _boolean)
    made.register_structure_hook(int, _integer)
    made.register_structure_hook(float, _number)
    made.register_structure_hook(date, _date)
    _register_spelt_shortly(made)
    # A string or a table where an array is due would be iterated over.
    made.register_structure_hook_factory(
        lambda kind: getattr(kind, "__origin__", None) is tuple,
        lambda kind: _tuple_hook(made, kind),
    )
    made.register_structure_hook_factory(
        attrs.has, lambda kind: _table_hook(made, kind)
    )
    return made


def _tuple_hook(made: Converter, kind: Any) -> Any:
    (item, _) = kind.__args__

    def hook(value: object, _: object) -> tuple[object, ...]:
        listed = _array_of_tables(value)
        kind_of_list: Any = list.__class_getitem__(item)
        return tuple(made.structure(listed, kind_of_list))

    return hook


def _table_hook(made: Converter, kind: Any) -> Any:
    inner = make_dict_structure_fn(kind, made, _cattrs_forbid_extra_keys=True)

    def hook(value: object, as_kind: object) -> object:
        if not isinstance(value, Mapping):
            raise _wrong(value, "a table")
        return inner(value, as_kind)

    return hook


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
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return FieldSpec(kind="enum", values=tuple(value))
        raise _wrong(value, "a kind, or an array of the values")

    made.register_structure_hook(ProtectSpec, to_protect)
    made.register_structure_hook(FieldSpec, to_field)
