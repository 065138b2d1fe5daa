# SPDX-License-Identifier: MIT
"""
Text of logs, made ready to be kept: without signs that nobody sees and lines
of private keys, and of bounded length.
"""

from __future__ import annotations

import re

from typing import Final

from consentkit.anonymise._hidden import SIGNS
from consentkit.anonymise.scrub import LIMIT_CHARACTERS, scrub


__all__ = ["clear_text", "cut_text"]

_PART_OF_NUMBER: Final = "0123456789 +-().,;:"

# A line at whose end letters of base64 stand: RFC 7468 has 64 in a line,
# OpenSSH 70, others 76. The last line of a key is shorter; that is known
# where nothing stands before it. In texts without so many there is none.
_LONG_WORD: Final = re.compile("[A-Za-z0-9+/]{40}")
_KEY_LINE: Final = re.compile(
    r"(?:^[\s\"'|>]{0,16}+(?=[A-Za-z0-9+/]{40})"
    r"|(?<=[\s\"'])(?=[A-Za-z0-9+/]{60}))"
    r"([A-Za-z0-9+/]{40,76}+={0,2})"
    r"(?=(?:\\[nr]|[\"',;+)\]}\s]){0,8}$)",
    re.MULTILINE,
)
_RUN: Final = re.compile("[a-z]+|[A-Z]+|[0-9]+|[+/]+")


def clear_text(text: str) -> str:
    """
    Take out of *text* what nobody sees, what the scrubber finds there, and
    lines of private keys.

    The first is zero-width signs, control characters and the colours of a
    terminal: text in UTF-16 that was read as another encoding has a NUL
    beside each letter. The scrubber looks through them, and at what they keep
    apart; only then they go, as without them two numbers might become one.

    A key that is logged line by line comes in records of which none but the
    first and the last says what it is.

    Args:
        text: As the app gave it. What the scrubber would cut off is not
            looked at.

    Returns:
        The same text, if nothing of that kind is in it; it is still to be
        scrubbed.
    """
    if SIGNS.search(text, 0, LIMIT_CHARACTERS):
        text = SIGNS.sub("", scrub(text).text)
    if _LONG_WORD.search(text, 0, LIMIT_CHARACTERS):
        text = _KEY_LINE.sub(_masked, cut_text(text, LIMIT_CHARACTERS))
    return text


def _masked(match: re.Match[str]) -> str:
    """
    Give a mark for letters that look like drawn at random: in words and
    paths, small letters, capitals, digits and signs change less often, and
    digits of base 16 are of one case.
    """
    word = match[1].rstrip("=")
    is_drawn = len(_RUN.findall(word)) >= 0.45 * len(word)
    if not is_drawn or word in {word.lower(), word.upper()}:
        return match[0]
    return match[0].replace(match[1], "<SECRET_VALUE>")


def cut_text(text: str, most: int) -> str:
    """
    Cut a long *text* at a blank, with the figures before it, so that no half
    of a value is left.

    Args:
        text: Of any length.

        most: How many characters are kept.
    """
    if len(text) <= most:
        return text
    words = text[:most].rsplit(None, 1)
    head = words[0].rstrip(_PART_OF_NUMBER) if len(words) > 1 else ""
    return f"{head} <CUT>"
