# SPDX-License-Identifier: MIT
"""
The door to RE2: patterns whose time is linear in the text.

Source:
    R. Cox, "Regular Expression Matching Can Be Simple And Fast" (2007);
    https://github.com/google/re2/wiki/Syntax for what it takes.
"""

from __future__ import annotations

import functools

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from consentkit._fork import load
from consentkit.exceptions import MissingExtraError


__all__ = [
    "compile_pattern",
    "escape",
    "is_there",
    "make_set",
    "need",
    "problem_of",
]

#: Bytes that one pattern, or a set, may take for its automata.
_PATTERN_BYTES = 8 << 20
_SET_BYTES = 64 << 20


def is_there() -> bool:
    """
    Tell whether RE2 is installed, without importing it.
    """
    return find_spec("re2") is not None


def need() -> None:
    """
    See to it that RE2 is installed.

    Raises:
        MissingExtraError: If it is not.
    """
    if not is_there():
        raise MissingExtraError(extra="re2", package="google-re2")


def _re2() -> Any:
    try:
        return load("re2")
    except ImportError:
        missing = MissingExtraError(extra="re2", package="google-re2")
    raise missing


def _options(memory: int) -> Any:
    options = _re2().Options()
    options.log_errors = False
    options.max_mem = memory
    return options


@functools.lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Any:
    """
    Compile *pattern*.

    Raises:
        MissingExtraError: If RE2 is not installed.

        re2.error: If RE2 does not take it.
    """
    return _re2().compile(pattern, _options(_PATTERN_BYTES))


def problem_of(pattern: str) -> str:
    """
    Say why RE2 does not take *pattern*, or nothing.
    """
    library = _re2()
    try:
        compile_pattern(pattern)
    except library.error as error:
        reason = error.args[0] if error.args else ""
        if isinstance(reason, bytes):
            reason = reason.decode("utf-8", "replace")
        return str(reason) or "it is no regular expression"
    except UnicodeEncodeError:
        return "it holds half a character"
    return ""


def escape(word: str) -> str:
    """
    Make a pattern that is *word* and nothing else.
    """
    special = r"\.+*?()|[]{}^$/-"
    return "".join(f"\\{it}" if it in special else it for it in word)


def make_set(
    patterns: Sequence[str],
) -> Callable[[bytes], list[int] | None]:
    """
    Make one search for many patterns.

    Returns:
        Given a text in UTF-8, it answers with the positions in *patterns* of
        those that are in it, in any order; None or empty if none is.

    Raises:
        MissingExtraError: If RE2 is not installed.
    """
    made = _re2().Set.SearchSet(_options(_SET_BYTES))
    for pattern in patterns:
        made.Add(pattern)
    made.Compile()
    match: Callable[[bytes], list[int] | None] = made.Match
    return match
