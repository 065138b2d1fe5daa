# SPDX-License-Identifier: MIT
"""
Which words and names the keys of an SDK entry take.

The loader reports all that is none of them, and the JSON Schema says the same
to editors.
"""

from __future__ import annotations

import re
import typing

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final

import attrs

from attrs import frozen

from consentkit.policy.fault import suggest
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.registry.model import (
    SDKEntry,
    SDKField,
    SDKHost,
    SDKMobile,
    SDKPackage,
    SDKPermission,
    SDKSwitch,
)


__all__ = ["FORMS", "SCHEMA", "WORDS", "Form", "parts_of", "wrong_words"]

#: The schema of entries that is known.
SCHEMA: Final = 1


@frozen
class Form:
    """
    How a name is spelt.

    Attributes:
        pattern: What all of it has to match; a regular expression that
            JavaScript reads alike.

        expected: What it should be, with an example.
    """

    pattern: str
    expected: str


_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"
_MODULE: Final = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
_PART: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"

#: How the names of a key are spelt, by class and key.
FORMS: Final[Mapping[tuple[type, str], Form]] = MappingProxyType(
    {
        (SDKEntry, "id"): Form(
            "[a-z][a-z0-9_]{0,63}", "a name in snake_case, such as 'acme_ads'"
        ),
        (SDKHost, "name"): Form(
            rf"(\*\.)?({_LABEL}\.)+{_LABEL}",
            "a host, such as 'acme.example' or '*.acme.example'",
        ),
        (SDKHost, "region"): Form(
            "([A-Z]{2})?", "a country, such as 'DE', or 'EU'"
        ),
        (SDKSwitch, "name"): Form(r"[\s\S]+", "a name"),
        (SDKPackage, "distributions"): Form(
            "[a-z0-9]+(-[a-z0-9]+)*",
            "a name to install by in its normal form, such as 'acme-sdk'",
        ),
        (SDKPackage, "imports"): Form(_MODULE, "a module, such as 'acme.sdk'"),
        (SDKPackage, "neutral"): Form(
            _MODULE, "a module, such as 'acme.integrations'"
        ),
        (SDKPackage, "setup"): Form(
            _MODULE, "a call with its module, such as 'acme.init'"
        ),
        (SDKPackage, "handles"): Form(
            _MODULE, "a call, such as 'get_tracer' or 'acme.get'"
        ),
        (SDKPackage, "defaults"): Form(
            rf"(async )?{_MODULE}\(([a-z_]\w*, )*[a-z_]\w*\)",
            "a call with its arguments up to the default, such as "
            "'get_flag(key, default)'",
        ),
        (SDKPackage, "ends"): Form(_MODULE, "a method, such as 'shutdown'"),
        (SDKPackage, "queues"): Form(
            _MODULE,
            "an attribute with its class, such as 'acme.client.Client.queue'",
        ),
        (SDKPackage, "also_read"): Form(
            r"[a-z0-9]+(-[a-z0-9]+)*==\S+",
            "a distribution with its version, such as 'acme-core==1.2'",
        ),
        (SDKMobile, "gradle"): Form(
            f"{_PART}(:{_PART})?", "'com.acme' or 'com.acme:ads'"
        ),
        (SDKMobile, "pods"): Form(
            "[A-Za-z0-9_][A-Za-z0-9_+.-]*", "a pod without subspecs"
        ),
        (SDKMobile, "swift"): Form(f"{_PART}/{_PART}", "'owner/repository'"),
        (SDKMobile, "classes"): Form(
            r"([A-Za-z_$][\w$]*\.){2,}", "names such as 'com.acme.'"
        ),
        (SDKMobile, "sources"): Form(
            r"https://\S+", "a link, such as 'https://...'"
        ),
    }
)

#: The list of the vocabulary that the words of a key are from, and what such
#: a word is called.
WORDS: Final[Mapping[tuple[type, str], tuple[str, str]]] = MappingProxyType(
    {
        (SDKEntry, "category"): ("partner_categories", "category"),
        (SDKEntry, "purposes"): ("purposes", "purpose"),
        (SDKField, "types"): ("data_types", "data type"),
        (SDKPermission, "permission"): ("permissions", "permission"),
    }
)


@cache
def parts_of(kind: type) -> Mapping[str, tuple[Any, bool]]:
    """
    Give what each key of *kind* holds, and whether it holds a list of it.
    """
    return MappingProxyType(
        {
            name: _inner(hint)
            for name, hint in typing.get_type_hints(kind).items()
        }
    )


def _inner(hint: Any) -> tuple[Any, bool]:
    if isinstance(hint, UnionType):
        (hint,) = (h for h in hint.__args__ if h is not NoneType)
    if typing.get_origin(hint) is tuple:
        return hint.__args__[0], True
    return hint, False


def wrong_words(kind: type, table: object, path: str = "$") -> Iterator[str]:
    """
    Find the words and names that no key of *kind* takes.

    What is of another type than it should be is passed over: the converter
    reports that.

    Args:
        kind: A class of an entry's tables.

        table: As it was parsed.

        path: Where it stands.

    Returns:
        What is wrong, ``@`` and its place, in the order of the class.
    """
    if not isinstance(table, dict):
        return
    for key, below, is_list in _looked_at(kind):
        if key not in table:
            continue
        place = f"{path}.{key}"
        value = table[key]
        items = [(place, value)]
        if is_list:
            listed = value if isinstance(value, list) else []
            items = [(f"{place}[{i}]", one) for i, one in enumerate(listed)]
        for at, one in items:
            if below is not None:
                yield from wrong_words(below, one, at)
            elif isinstance(one, str) and (problem := _wrong(kind, key, one)):
                yield f"{problem} @ {at}"


@cache
def _looked_at(kind: type) -> tuple[tuple[str, type | None, bool], ...]:
    """
    Give the keys of *kind* that take some words only, or hold tables.

    Returns:
        Key, class of its tables or ``None``, and whether it holds a list.
    """
    return tuple(
        (key, inner if attrs.has(inner) else None, is_list)
        for key, (inner, is_list) in parts_of(kind).items()
        if attrs.has(inner) or (kind, key) in {*FORMS, *WORDS}
    )


def _wrong(kind: type, key: str, word: str) -> str:
    """
    Say what is wrong with *word*, or nothing.
    """
    form = FORMS.get((kind, key))
    if form is not None:
        is_right = _compiled(form.pattern).fullmatch(word)
        return "" if is_right else f"expected {form.expected}"
    if (kind, key) not in WORDS:
        return ""
    name, what = WORDS[kind, key]
    words = getattr(load_vocabulary(), name)
    if word in words:
        return ""
    cure = suggest(word, words)
    return f"no {what} {word!r}" + (f"; {cure}" if cure else "")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
