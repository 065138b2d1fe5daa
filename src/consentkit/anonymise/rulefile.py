# SPDX-License-Identifier: MIT
"""
Rules of your own for the scrubber, out of a TOML document.

::

    [[rules]]
    name = "badge of our people"
    type = "BADGE"
    pattern = 'badge ([A-Z]{2}[0-9]{6})'
    group = 1
    words = ["badge"]
"""

from __future__ import annotations

import tomllib

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from . import _national, _validators
from ._rule import Rule, check_rule


__all__ = ["VALIDATORS", "read_rules"]


def _luhn_length(text: str) -> int:
    digits = _validators.digits_of(text)
    right = len(digits) > 1 and _validators.is_luhn(digits)
    return len(text) if right else 0


#: Second looks that a document can ask for by name.
VALIDATORS: Final[Mapping[str, Callable[[str], int]]] = MappingProxyType(
    {
        "iban": _national.iban_length,
        "ipv4": _validators.ipv4_length,
        "ipv6": _validators.ipv6_length,
        "luhn": _luhn_length,
        "mac": _validators.mac_length,
        "phone": _validators.local_phone_length,
        "secret": _validators.secret_length,
    }
)

_KINDS: Final[Mapping[str, tuple[type, str]]] = {
    "name": (str, "a text"),
    "type": (str, "a text"),
    "pattern": (str, "a text"),
    "group": (int, "a whole number"),
    "words": (list, "a list of texts"),
    "validator": (str, "a text"),
    "replacement": (str, "a text"),
    "folded": (bool, "true or false"),
    "late": (bool, "true or false"),
}


def read_rules(text: str) -> tuple[Rule, ...]:
    """
    Read rules out of a TOML document.

    Args:
        text: With tables ``[[rules]]``, whose keys are the attributes of
            `Rule`; *validator* is a name out of :data:`VALIDATORS`.

    Returns:
        The rules in the order of the document, each checked.

    Raises:
        MissingExtraError: If RE2 is not installed: rules of your own run on
            nothing else.

        ValueError: If the document or one of its rules is wrong; the message
            tells all faults, each with its place.

    .. versionadded:: 26.1.0
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"no TOML: {error}"
        raise ValueError(msg) from None
    faults = [f"$.{key}: unknown key" for key in document if key != "rules"]
    tables = document.get("rules", [])
    if not isinstance(tables, list) or not tables:
        faults.append("$.rules: there are no tables [[rules]]")
        tables = []
    made: list[Rule] = []
    for at, table in enumerate(tables):
        try:
            made.append(_rule(table))
        except ValueError as error:
            faults.append(f"$.rules[{at}]{error}")
    names = [rule.name for rule in made]
    faults += [
        f"$.rules: two rules have the name {name!r}"
        for name in sorted({it for it in names if names.count(it) > 1})
    ]
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(made)


def _rule(table: Any) -> Rule:
    if not isinstance(table, dict):
        msg = ": not a table"
        raise ValueError(msg)  # noqa: TRY004 - a fault of the document
    for key, value in table.items():
        if key not in _KINDS:
            msg = f".{key}: unknown key; there are {', '.join(_KINDS)}"
            raise ValueError(msg)
        kind, said = _KINDS[key]
        if type(value) is not kind:
            msg = f".{key}: must be {said}"
            raise ValueError(msg)
    missing = [key for key in ("name", "type", "pattern") if key not in table]
    if missing:
        msg = f".{missing[0]}: missing"
        raise ValueError(msg)
    words = table.get("words", [])
    if not all(isinstance(word, str) for word in words):
        msg = ".words: must be a list of texts"
        raise ValueError(msg)
    options = {**table, "words": tuple(words)}
    if "validator" in table:
        validator = VALIDATORS.get(table["validator"])
        if validator is None:
            msg = (
                f".validator: there is no {table['validator']!r}; there are "
                f"{', '.join(VALIDATORS)}"
            )
            raise ValueError(msg)
        options["validator"] = validator
    rule = Rule(**options)
    try:
        check_rule(rule)
    except ValueError as error:
        msg = f": {error}"
    else:
        return rule
    raise ValueError(msg)
