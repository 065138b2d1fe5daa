# SPDX-License-Identifier: MIT
"""
A fault of a policy document: where, what, and what would be right.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from attrs import frozen


__all__ = ["BYTE_ORDER_MARK", "Fault", "suggest"]

#: What is said of a file that TOML forbids to begin so.
BYTE_ORDER_MARK: Final = (
    "begins with a byte order mark; save it as UTF-8 without one"
)


@frozen(kw_only=True)
class Fault:
    """
    One thing that is wrong with a document.

    Attributes:
        path: Place in the document, such as ``$.functions[2].basis[0]``.

        problem: What is wrong there.

        cure: What would be right; may be empty.
    """

    path: str
    problem: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" + f"; {self.cure}" * bool(
            self.cure
        )


def suggest(word: str, known: Iterable[str], *, where: str = "") -> str:
    """
    Say which of *known* was probably meant, or what there is.
    """
    options = sorted(known)
    # The beginning of a word is closer than a word that looks like it.
    longer = [option for option in options if _begins(option, word)]
    alike = get_close_matches(word, options, n=3)
    near = list(dict.fromkeys((*longer, *alike)))[:3]
    if near:
        return "did you mean " + " or ".join(repr(n) for n in near) + "?"
    if options and len(options) <= 12:
        return "one of " + ", ".join(options)
    return f"see {where}" if where else ""


def _begins(option: str, word: str) -> bool:
    return len(word) >= 3 and option.startswith(word)
