# SPDX-License-Identifier: MIT
"""
The structured fields of a log record: flat, within bounds, and scrubbed.

A name may be what makes a value a secret, so each is looked at beside its
names; and a number in groups may be told as a list, so short lists are looked
at as a whole, too.

An object of the app's own is kept as the name of its class, and never asked
for its text.
"""

from __future__ import annotations

import math
import re

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from itertools import accumulate, islice
from types import MappingProxyType
from typing import Any, Final

from consentkit.anonymise.nested import DENIED_KEYS
from consentkit.anonymise.scrub import LIMIT_CHARACTERS, Scrubbed, scrub
from consentkit.collectors._log_text import clear_text, cut_text


__all__ = ["MOST_LOOKED_AT", "add_fields", "plain_value"]

#: Of the fields of one record, and of each structure in them.
MOST_LOOKED_AT: Final = 512

_MOST_FIELDS: Final = 64
_MOST_DEPTH: Final = 5
_LONGEST_NAME: Final = 64
_LONGEST_FIELD: Final = 1024
_LONGEST_INT_BITS: Final = 63

_SECRET: Final = "<SECRET_VALUE>"  # noqa: S105 - it stands for one

# Names that hold one of these, without what is between words, are secrets';
# and names of which one of these is a word, as ``auth`` is no ``author``.
_PARTS: Final = (
    *DENIED_KEYS,
    *("passcode", "passport", "signature", "密钥", "验证码", "校验码"),
)
_WORDS: Final = frozenset(
    {
        *("auth", "cvc", "cvv", "jwt", "key", "mfa", "oauth", "otp", "pass"),
        *("pin", "pw", "session", "sid", "sig", "ssn", "totp"),
    }
)
_STRIPPED: Final = str.maketrans("", "", "-_ .")
# At what is no letter, and before the capitals of ``userPIN``, ``PINCode``.
_BETWEEN_WORDS: Final = re.compile(
    r"[\W\d_]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
)
_LONGEST_LOOKED_AT: Final = 256

# As in ``{"name": "password", "value": ...}``.
_NAMING: Final = frozenset(
    {"field", "header", "key", "label", "name", "option", "param"}
)
_NAMED: Final = frozenset({"content", "data", "text", "val", "value"})

# A number in groups, a card's or a phone's, as a list of them; and what else
# may be told as a list of just so many.
_MOST_PARTS: Final = 16
_LONGEST_PART: Final = 24
_GLUES: Final = ("", " ")
_MORE_GLUES: Final = MappingProxyType({2: (", ",), 4: (".",)})


def add_fields(
    known: dict[str, Any], chosen: Mapping[Any, Any]
) -> dict[str, Any]:
    """
    Add structured fields to a record, flat and scrubbed.

    Args:
        known: The record. It is changed, and given back.

        chosen: The fields, of any shape.
    """
    leaves, is_cut = _flat(chosen)
    left = LIMIT_CHARACTERS
    for path, value in leaves:
        name, told = _free(".".join(path), known), _scrubbed(path, value)
        left -= len(name) + len(str(told))
        if left < 0:
            is_cut = True
            break
        known[name] = told
    if is_cut:
        known[_free("fields_cut", known)] = True
    return known


def plain_value(value: object) -> Any:
    """
    Give *value* if it is a text or a number, and else only its class.

    Nothing of the app's own is called for it.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__index__(value)
    if isinstance(value, float):
        plain = float.__float__(value)
        # JSON has no such numbers.
        return plain if math.isfinite(plain) else str(plain)
    if type(value) in {date, datetime}:
        return str(value)
    return f"({type(value).__name__})"


def _flat(
    given: Mapping[Any, Any],
) -> tuple[list[tuple[tuple[str, ...], object]], bool]:
    """
    Give the values of a structure with the names on the way to each.

    It takes a bounded number of steps, also where the structure holds
    itself, and tells whether that left something out.
    """
    found: list[tuple[tuple[str, ...], object]] = []
    level: list[tuple[tuple[str, ...], object]] = [((), given)]
    looked_at = 0
    for _ in range(_MOST_DEPTH):
        deeper: list[tuple[tuple[str, ...], object]] = []
        for path, value in level:
            for key, inner in _items(value):
                looked_at += 1
                if looked_at > MOST_LOOKED_AT or len(found) >= _MOST_FIELDS:
                    return found, True
                here = (*path, key)
                item = _as_one(here, inner)
                inside = isinstance(
                    item, dict | list | tuple | set | frozenset
                )
                (deeper if inside else found).append((here, item))
        level = deeper
    return found, bool(level)


def _items(value: object) -> Iterator[tuple[str, object]]:
    """
    Give the items of a container, secrets left out by their names; those of
    a list are numbered.
    """
    if isinstance(value, dict):
        pairs = list(islice(dict.items(value), MOST_LOOKED_AT + 1))
        is_told = any(
            _text(key).lower() in _NAMING and _is_secret(_text(item))
            for key, item in pairs
        )
        for key, item in pairs:
            name = _text(key)
            is_secret = _is_secret(name) or (
                is_told and name.lower() in _NAMED
            )
            yield _name(key), _hidden(item) if is_secret else item
        return
    assert isinstance(value, list | tuple | set | frozenset)  # noqa: S101
    items = list(islice(iter(value), MOST_LOOKED_AT + 1))
    is_pair = isinstance(value, list | tuple) and len(items) == 2
    # As headers are.
    if is_pair and _is_secret(_text(items[0])):
        items[1] = _hidden(items[1])
    for number, item in enumerate(items):
        yield str(number), item


def _text(value: object) -> str:
    """
    Give a name as a text; an empty one if it is none.
    """
    if isinstance(value, bytes):
        return value[:_LONGEST_LOOKED_AT].decode("latin-1")
    if isinstance(value, str):
        return str.__str__(value)[:_LONGEST_LOOKED_AT]
    return ""


def _is_secret(name: str) -> bool:
    """
    Tell whether *name* is one that makes its value a secret.
    """
    plain = name.lower().translate(_STRIPPED)
    return any(part in plain for part in _PARTS) or any(
        word.lower() in _WORDS for word in _BETWEEN_WORDS.split(name)
    )


def _hidden(value: object) -> object:
    # That there is one, or none, is no secret.
    return value if value is None or isinstance(value, bool) else _SECRET


def _as_one(path: tuple[str, ...], value: object) -> object:
    """
    Give *value*; or what its parts are together, if that is personal.
    """
    if not isinstance(value, list | tuple):
        return value
    if not 2 <= len(value) <= _MOST_PARTS:
        return value
    parts = [_part(one) for one in value]
    if not all(parts) or not any(map(str.isdigit, "".join(parts))):
        return value
    head = f"{_last_name(path)}="
    for glue in (*_GLUES, *_MORE_GLUES.get(len(parts), ())):
        ends = accumulate(len(part) + len(glue) for part in parts[:-1])
        borders = [len(head) + end for end in ends]
        for span in scrub(head + glue.join(parts)).spans:
            if any(span.start < border < span.end for border in borders):
                return f"<{span.type}>"
    return value


def _part(value: object) -> str:
    """
    Give a text or number that may be part of a longer one, or nothing.
    """
    plain = plain_value(value)
    is_number = isinstance(plain, int | float) and not isinstance(plain, bool)
    if not isinstance(plain, str) and not is_number:
        return ""
    if isinstance(plain, int) and plain.bit_length() > _LONGEST_INT_BITS:
        return ""
    text = str(plain)
    return text if len(text) <= _LONGEST_PART else ""


def _last_name(path: tuple[str, ...]) -> str:
    """
    Give the last name; in a list, that is the list's.
    """
    names = (name for name in reversed(path) if not name.isdigit())
    return next(names, "")


def _name(key: object) -> str:
    """
    Give a key as a name, unless it holds something personal itself.
    """
    if isinstance(key, str) and 0 < len(key) <= _LONGEST_NAME:
        name = str.__str__(key)
        if name.isprintable() and not scrub(name).spans:
            return name
    return "field"


def _free(name: str, known: Mapping[str, object]) -> str:
    """
    Give *name* in a form that is not taken.
    """
    name = name[-_LONGEST_NAME:]
    told, number = name, 1
    while told in known:
        number += 1
        told = f"{name}_{number}"
    return told


def _scrubbed(path: tuple[str, ...], value: object) -> Any:
    """
    Scrub *value* beside each of its names, as these tell what it is.
    """
    plain = plain_value(value)
    if plain is None or isinstance(plain, bool):
        return plain
    if isinstance(plain, int) and plain.bit_length() > _LONGEST_INT_BITS:
        return "(int)"
    text = cut_text(clear_text(str(plain)), _LONGEST_FIELD)
    alone = scrub(text)
    # In a list, the name is that of the list.
    names = [name for name in reversed(path) if not name.isdigit()]
    for name in names:
        found = scrub(f"{name}={text}")
        if found.dropped:
            return found.text
        for span in found.spans:
            start = len(name) + 1
            if span.start <= start < span.end and not _begins(alone):
                # Only by its name: then all of it is what the name says.
                return f"<{span.type}>"
        if len(found.spans) > len(alone.spans):
            return found.text.removeprefix(f"{name}=")
    if alone.spans or alone.dropped:
        return alone.text
    return plain if text == str(plain) else text


def _begins(found: Scrubbed) -> bool:
    return any(span.start == 0 for span in found.spans)
