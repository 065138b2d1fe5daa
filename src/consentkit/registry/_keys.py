# SPDX-License-Identifier: MIT
"""
Naming the keys of a file that are not known.
"""

from __future__ import annotations

import re

from collections.abc import Iterable
from typing import Final


__all__ = ["unknown_keys"]

_PLAIN: Final = re.compile(r"[\w.-]{1,64}")
_MOST_KEYS: Final = 10
_MOST_LETTERS: Final = 40


def unknown_keys(keys: Iterable[str]) -> str:
    """
    Say which keys are not known, so that any terminal can show it.
    """
    names = sorted(keys)
    told = [_shown(name) for name in names[:_MOST_KEYS]]
    more = len(names) - len(told)
    return f"unknown key: {', '.join(told)}" + f" and {more} more" * bool(more)


def _shown(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    return ascii(name[:_MOST_LETTERS]) + "..." * (len(name) > _MOST_LETTERS)
