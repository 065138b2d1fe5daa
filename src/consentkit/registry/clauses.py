# SPDX-License-Identifier: MIT
"""
An SDK's fields as clauses of a policy, for its author to paste and to prune.

The policy is the promise: what an SDK may be given stands in it, and no
later version of an entry widens that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from attrs import frozen

from consentkit.policy.model import ProtectionName
from consentkit.policy.vocabulary import Vocabulary
from consentkit.registry.model import SDKEntry


__all__ = ["clauses_of"]

#: The first that a type may have is written; all are for a person to judge.
_PREFERRED: Final = (
    ProtectionName.NONE,
    ProtectionName.SCRUB,
    ProtectionName.BUCKET,
    ProtectionName.GENERALISE,
    ProtectionName.TRUNCATE,
    ProtectionName.GRID,
    ProtectionName.KEYED,
    ProtectionName.PRESENT,
)
_WIDTH: Final = 79


@frozen
class _Terms:
    """
    What types that share a row have in common.
    """

    platforms: tuple[str, ...]
    is_required: bool
    is_separate: bool
    protect: str


def clauses_of(
    entry: SDKEntry,
    words: Vocabulary,
    *,
    types: Collection[str] | None = None,
    source: str = "",
) -> str:
    """
    Write the fields of *entry* as ``[[functions.collects]]`` rows.

    What the SDK's description calls optional, or leaves to the person, and
    what is sensitive, becomes a decision of its own. Fields that are to stay
    on the device do so.

    Args:
        entry: What is known of the SDK.

        words: The vocabulary.

        types: The data types to write; all by default.

        source: Line of the published text, for every row.
    """
    rows: dict[_Terms, list[str]] = {}
    for data_type in entry.types:
        if types is None or data_type in types:
            terms = _terms(entry, data_type, words)
            rows.setdefault(terms, []).append(data_type)
    return "\n".join(
        "\n".join(_row(terms, found, source)) for terms, found in rows.items()
    )


def _terms(entry: SDKEntry, data_type: str, words: Vocabulary) -> _Terms:
    fields = [f for f in entry.fields if data_type in f.types]
    platforms = tuple(dict.fromkeys(p for f in fields for p in f.platforms))
    known = words.data_types[data_type]
    is_required = any(f.requirement == "listed" for f in fields)
    if all(f.local_only for f in fields):
        protect = ProtectionName.LOCAL_ONLY
    else:
        allowed = known.protections
        protect = next(p for p in _PREFERRED if p in allowed)
    return _Terms(
        platforms=() if "any" in platforms else platforms,
        is_required=is_required,
        is_separate=known.sensitive or not is_required,
        protect=protect.value,
    )


def _row(terms: _Terms, types: list[str], source: str) -> Iterator[str]:
    yield "[[functions.collects]]"
    yield _array("types", types)
    yield f'protect = "{terms.protect}"'
    if terms.platforms:
        yield _array("platforms", terms.platforms)
    if not terms.is_required:
        yield "required = false"
    if terms.is_separate:
        yield "separate = true"
    if source:
        yield f'source = "{source}"'
    yield ""


def _array(key: str, words: Collection[str]) -> str:
    """
    Write an array, in lines that are not too long.
    """
    quoted = [f'"{word}"' for word in words]
    line = f"{key} = [{', '.join(quoted)}]"
    if len(line) <= _WIDTH:
        return line
    lines, line = [f"{key} = ["], " "
    for word in quoted:
        if len(line) + len(word) + 2 > _WIDTH:
            lines.append(line)
            line = " "
        line += f" {word},"
    return "\n".join([*lines, line, "]"])
