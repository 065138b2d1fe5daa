# SPDX-License-Identifier: MIT
"""
Where two versions of a document differ; what that means is judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from attrs import frozen

from consentkit.policy.tables import (
    DeadlineTable,
    FieldSpec,
    FunctionTable,
    ProtectSpec,
    RecipientTable,
)


__all__ = ["Found", "Place", "differences", "in_words"]


@frozen(kw_only=True)
class Place:
    """
    A place of the document.

    Attributes:
        nouns: What it is in, in words, the outermost first.

        function, data_type, recipient, purpose: What it belongs to, if to
            one.
    """

    path: str = "$"
    nouns: tuple[str, ...] = ()
    function: str | None = None
    data_type: str | None = None
    recipient: str | None = None
    purpose: str | None = None


@frozen(kw_only=True)
class Found:
    """
    A difference that nobody has judged yet.

    Attributes:
        table: Class of the table that the key is in, or of the whole row.

        key: The key, or empty where a whole row came or went.
    """

    place: Place
    table: type
    key: str
    before: Any
    after: Any
    name: str = ""


# Tables that are one value to who reads them.
_WHOLE: Final = (DeadlineTable, FieldSpec, ProtectSpec)


def differences(old: Any, new: Any, place: Place) -> Iterator[Found]:
    """
    Walk through two tables of one class.
    """
    for a in attrs.fields(type(old)):
        before, after = getattr(old, a.name), getattr(new, a.name)
        if before == after:
            continue
        rows = (
            *(before if isinstance(before, tuple) else (before,)),
            *(after if isinstance(after, tuple) else (after,)),
        )
        tables = [r for r in rows if attrs.has(type(r))]
        if isinstance(before, Mapping) and _is_of_tables(before, after):
            yield from _by_name(a.name, before, after, place)
        elif not tables or isinstance(tables[0], _WHOLE):
            yield from _values(old, a.name, before, after, place)
        elif isinstance(before, tuple):
            yield from _rows(a.name, before, after, place)
        else:
            yield from _one(a.name, before, after, place)


def _values(
    table: object, key: str, before: Any, after: Any, place: Place
) -> Iterator[Found]:
    if not isinstance(before, Mapping):
        yield Found(
            place=place,
            table=type(table),
            key=key,
            before=before,
            after=after,
        )
        return
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            yield Found(
                place=place,
                table=type(table),
                key=key,
                before=before.get(name),
                after=after.get(name),
                name=name,
            )


def _is_of_tables(*held: Mapping[str, Any]) -> bool:
    """
    Tell whether mappings hold tables, and not single values.
    """
    values = [value for one in held for value in one.values()]
    return any(
        attrs.has(type(v)) and not isinstance(v, _WHOLE) for v in values
    )


def _by_name(
    key: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    place: Place,
) -> Iterator[Found]:
    """
    Compare the tables of purposes, each with the one of its name.
    """
    for name in {**new, **old}:
        before, after = old.get(name), new.get(name)
        inner = attrs.evolve(
            place,
            path=f"{place.path}.{key}.{name}",
            nouns=(*place.nouns, f"{in_words(key).removesuffix('s')} {name}"),
            purpose=name,
        )
        if before is None or after is None:
            yield Found(
                place=inner,
                table=type(before or after),
                key="",
                before=before,
                after=after,
            )
        else:
            yield from differences(before, after, inner)


def _one(key: str, old: Any, new: Any, place: Place) -> Iterator[Found]:
    """
    Compare tables of which there is one at most.
    """
    inner = attrs.evolve(
        place,
        path=f"{place.path}.{key}",
        nouns=(*place.nouns, in_words(key)),
    )
    if old is not None and new is not None:
        yield from differences(old, new, inner)
        return
    yield Found(
        place=inner,
        table=type(new if old is None else old),
        key="",
        before=old,
        after=new,
    )


def _rows(
    key: str, old: tuple[Any, ...], new: tuple[Any, ...], place: Place
) -> Iterator[Found]:
    """
    Compare rows, each with the one of its name.
    """
    was, now = _named(old, new), _named(new, old)
    for name in [*now, *(n for n in was if n not in now)]:
        before, after = was.get(name), now.get(name)
        row = before if after is None else after
        inner = _row_place(place, key, name, row)
        if before is None or after is None:
            yield Found(
                place=inner,
                table=type(row),
                key="",
                before=before,
                after=after,
            )
        else:
            yield from differences(before, after, inner)


def _named(rows: tuple[Any, ...], others: tuple[Any, ...]) -> dict[str, Any]:
    """
    Give each row a name that is its own.

    Rows without one that stand in both versions are left out, so that one
    that goes does not make the next look changed.
    """
    made: dict[str, Any] = {}
    for row in rows:
        name = _name_of(row)
        if not _has_id(row) and row in others:
            continue
        number = 1
        while (key := f"{name}#{number}" if number > 1 else name) in made:
            number += 1
        made[key] = row
    return made


_ID_KEYS: Final = (
    "id",
    "name",
    "type",
    "label",
    "version",
    "basis",
    "mode",
    "kind",
    "says",
    "source",
)
_SURE_KEYS: Final = frozenset({"id", "type", "name"})


def _id_key(row: object) -> str:
    kind: Any = type(row)
    known = [a.name for a in attrs.fields(kind)]
    return next((key for key in _ID_KEYS if key in known), known[0])


def _name_of(row: object) -> str:
    name = getattr(row, _id_key(row))
    return ", ".join(name) if isinstance(name, tuple) else str(name)


def _has_id(row: object) -> bool:
    return _id_key(row) in _SURE_KEYS


_NOUNS: Final = {"collects": "data type", "texts": "text", "rights": "right"}


def _row_place(place: Place, key: str, name: str, row: object) -> Place:
    noun = _NOUNS.get(key, in_words(key).removesuffix("s"))
    made = attrs.evolve(
        place,
        path=f"{place.path}.{key}[{name}]",
        nouns=(*place.nouns, f"{noun} {name}"),
    )
    if isinstance(row, FunctionTable):
        return attrs.evolve(made, function=row.id)
    if isinstance(row, RecipientTable):
        return attrs.evolve(made, recipient=row.id)
    if place.function is not None and key in {"collects", "events"}:
        return attrs.evolve(made, data_type=getattr(row, "type", None))
    return made


def in_words(key: str) -> str:
    """
    Write *key* as people read it.
    """
    return key.replace("_", " ")
