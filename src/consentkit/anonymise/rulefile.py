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
from ._rule import Rule, faults_of


__all__ = ["VALIDATORS", "read_rules"]


def _luhn_length(text: str) -> int:
    digits = _validators.digits_of(text)
    right = len(digits) > 1 and _validators.is_luhn(digits)
    return len(text) if right else 0


def _of_any_text(length: Callable[[str], int]) -> Callable[[str], int]:
    """
    Make a second look that expects a form take any text: without that form
    it is no value.
    """

    def look(text: str) -> int:
        try:
            return length(text)
        except (ValueError, IndexError):
            return 0

    return look


#: Second looks that a document can ask for by name.
VALIDATORS: Final[Mapping[str, Callable[[str], int]]] = MappingProxyType(
    {
        name: _of_any_text(length)
        for name, length in {
            "iban": _national.iban_length,
            "ipv4": _validators.ipv4_length,
            "ipv6": _validators.ipv6_length,
            "luhn": _luhn_length,
            "mac": _validators.mac_length,
            "phone": _validators.local_phone_length,
            "secret": _validators.secret_length,
        }.items()
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

_NEEDED: Final = ("name", "type", "pattern")

#: For what is missing or wrong, so that the rest can be looked at.
_STAND_INS: Final = MappingProxyType(
    {"name": "it", "type": "T", "pattern": "x"}
)

#: Characters of a rule's name that a fault shows.
_SHOWN: Final = 60


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
            tells all faults at once, each with the number and name of its
            table and the key.

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
    places: dict[str, int] = {}
    for at, table in enumerate(tables):
        here = f"$.rules[{at}]"
        if not isinstance(table, dict):
            faults.append(f"{here}: not a table")
            continue
        name = table.get("name")
        its = f" (rule {name[:_SHOWN]!r})" if isinstance(name, str) else ""
        rule, found = _read(table)
        if isinstance(name, str) and places.setdefault(name, at) != at:
            found.append(
                ("name", f"two rules have it; see $.rules[{places[name]}]")
            )
        faults += [f"{here}.{key}{its}: {fault}" for key, fault in found]
        made.append(rule)
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(made)


def _read(table: Mapping[str, Any]) -> tuple[Rule, list[tuple[str, str]]]:
    """
    Read one table.

    Returns:
        A rule, and for each fault of the table the key and what is wrong.
        The rule is to be used only if there is none.
    """
    faults = [
        (key, _fault_of_kind(key, value)) for key, value in table.items()
    ]
    faults += [(key, "missing") for key in _NEEDED if key not in table]
    faults = [(key, fault) for key, fault in faults if fault]
    wrong = {key for key, _ in faults}
    right = {key: it for key, it in table.items() if key not in wrong}
    options = {**_STAND_INS, **right, "words": tuple(right.get("words", ()))}
    if "validator" in options:
        options["validator"] = VALIDATORS[options["validator"]]
    rule = Rule(**options)
    # A group is counted in the pattern.
    needs = {"group": "pattern"}
    faults += [
        (key, fault)
        for key, fault in faults_of(rule)
        if wrong.isdisjoint({key, needs.get(key, key)})
    ]
    return rule, faults


def _fault_of_kind(key: str, value: object) -> str:
    if key not in _KINDS:
        return f"unknown key; there are {', '.join(_KINDS)}"
    kind, said = _KINDS[key]
    if type(value) is not kind or (
        isinstance(value, list)
        and not all(isinstance(item, str) for item in value)
    ):
        return f"must be {said}"
    if key == "validator" and value not in VALIDATORS:
        known = ", ".join(VALIDATORS)
        return f"there is no {value!r}; there are {known}"
    return ""
