# SPDX-License-Identifier: MIT
"""
The texts of a document that are written for people.
"""

from __future__ import annotations

import re

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from attrs import frozen

from consentkit.policy.tables import (
    COUNTRY_KEYS,
    PERIOD_KEYS,
    UNSPECIFIED,
    SharingTable,
)


__all__ = ["Prose", "is_blank", "is_nobody", "prose_of", "sentences"]

# Keys whose strings are ids, labels and the like, in whatever table.
_NO_PROSE: Final = frozenset(
    {
        "accepted",
        "act",
        "continues",
        "digest",
        "functions",
        "id",
        "label",
        "language",
        "means",
        "never_with",
        "official_site",
        "postal_code",
        "reference",
        "says",
        "scenes",
        "schema",
        "sdk",
        "source",
        "third_parties",
        "unspecified",
        "url",
        "version",
    }
)
# Ids everywhere but where a way of sharing is told in the text's words.
_SOMETIMES: Final = frozenset({"recipients", "requires"})
# Patterns take the square of a text's length at worst; no honest text of one
# key is longer than this.
_MOST: Final = 10_000
_SENTENCE: Final = re.compile(r"(?<=[.!?;。！？；])\s*")
_BLANK: Final = re.compile(
    r"(?:unspecified|unstated|not (?:stated|specified)|unnamed|unknown|none"
    r"|n/?a|-+|\?+|未说明|未注明|不详|无)?\.?",
    re.IGNORECASE,
)


_NOBODY: Final = re.compile(
    r"(?:this|the|our) (?:platform|company|operator|app|product|website"
    r"|controller|organi[sz]ation)|we|us|本(?:平台|公司|产品|应用|网站)|我们",
    re.IGNORECASE,
)


@frozen(kw_only=True)
class Prose:
    """
    A text for people.

    Attributes:
        path: Its place.

        text: Its words, the first 10,000 characters.

        key: The key that it stands at.

        owner: The table that it stands in.
    """

    path: str
    text: str
    key: str
    owner: Any


def prose_of(table: Any, path: str = "$") -> Iterator[Prose]:
    """
    Find the texts in *table* and below it, in order.
    """
    for a in attrs.fields(type(table)):
        value = getattr(table, a.name)
        at = f"{path}.{a.name}"
        if attrs.has(type(value)):
            yield from prose_of(value, at)
        elif isinstance(value, tuple):
            for i, item in enumerate(value):
                if attrs.has(type(item)):
                    yield from prose_of(item, f"{at}[{i}]")
                elif isinstance(item, str) and _is_prose(table, a):
                    yield Prose(
                        path=f"{at}[{i}]",
                        text=item[:_MOST],
                        key=a.name,
                        owner=table,
                    )
        elif isinstance(value, str) and value and _is_prose(table, a):
            yield Prose(path=at, text=value[:_MOST], key=a.name, owner=table)


def _is_prose(table: Any, attribute: Any) -> bool:
    name: str = attribute.name
    metadata: Mapping[str, Any] = attribute.metadata
    if name in _SOMETIMES:
        return isinstance(table, SharingTable)
    return not (
        name in _NO_PROSE
        or name in PERIOD_KEYS
        or name in COUNTRY_KEYS
        or "words" in metadata
        or "values" in metadata
    )


def sentences(text: str) -> list[str]:
    """
    Split *text* where a sentence or a part of one ends.
    """
    return [part for part in _SENTENCE.split(text) if part.strip()]


def is_blank(text: str) -> bool:
    """
    Tell whether *text* says nothing, or that it says nothing.
    """
    return text.strip() == UNSPECIFIED or bool(_BLANK.fullmatch(text.strip()))


def is_nobody(name: str) -> bool:
    """
    Tell whether *name* says who somebody is without naming anybody.
    """
    return is_blank(name) or bool(_NOBODY.fullmatch(name.strip()))
