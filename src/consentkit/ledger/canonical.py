# SPDX-License-Identifier: MIT
"""
One spelling for each JSON value, so that its hash means something.

The values are a restricted profile: keys in ASCII, no floats, integers below
2^53, no lone surrogates. Within it Python's own sorted, compact output is
the canonical form, byte for byte.

Source: RFC 8785 (JSON Canonicalization Scheme), RFC 7493 (I-JSON).
"""

from __future__ import annotations

import json

from collections.abc import Iterator
from typing import Final


__all__ = ["canonical_json", "parse_canonical"]

_LIMIT: Final = 2**53
_DEPTH: Final = 32


def canonical_json(value: object) -> str:
    """
    Write *value* in the one form that it has.

    Args:
        value: ``None``, booleans, integers, texts, and lists, tuples and
            dicts of these.

    Raises:
        ValueError: If it is outside the profile; the place is named, the
            value is not.
    """
    for problem in _problems(value, "$", _DEPTH):
        raise ValueError(problem)
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def parse_canonical(text: str) -> object:
    """
    Read a value back from its canonical form.

    Raises:
        ValueError: If *text* is anything but the canonical form of a value
            in the profile.
    """
    try:
        value: object = json.loads(text)
    except RecursionError:
        value = None
    except ValueError:
        # Not as the cause: its text and fields hold the whole document.
        msg = "not JSON"
        raise ValueError(msg) from None
    # Also finds keys that stand there twice, of which one was lost.
    if canonical_json(value) != text:
        msg = "not in the canonical form of RFC 8785"
        raise ValueError(msg)
    return value


def _problems(value: object, place: str, depth: int) -> Iterator[str]:
    # By exact type: a subclass may write itself in its own way.
    kind = type(value)
    if kind is str:
        if not _is_text(value):
            yield f"{place}: a lone surrogate is no text"
    elif kind is int:
        assert isinstance(value, int)  # noqa: S101 - for type checkers
        if not -_LIMIT < value < _LIMIT:
            yield f"{place}: integers end below 2^53"
    elif not depth:
        yield f"{place}: nested too deeply"
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _problems(item, f"{place}[{number}]", depth - 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                yield f"{place}: keys are texts in ASCII"
            else:
                yield from _problems(item, f"{place}.{key}", depth - 1)
    elif value is not None and kind is not bool:
        yield f"{place}: {kind.__name__} is outside the profile"


def _is_text(value: object) -> bool:
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True
