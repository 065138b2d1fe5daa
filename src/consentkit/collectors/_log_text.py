# SPDX-License-Identifier: MIT
"""
Text of logs, made ready for the scrubber: a number with something in between
that nobody sees, or beside an escape, has no form that a rule could know.
"""

from __future__ import annotations

import re

from typing import Final

from consentkit.anonymise.scrub import DROPPED, LIMIT_CHARACTERS, scrub


__all__ = ["clear_text", "cut_text"]

# Colours of a terminal, control characters, and signs that nobody sees: a
# number with these inside has no form that a rule could know.
_HIDDEN: Final = re.compile(
    r"\x1b\[[0-?]{0,32}[ -/]{0,8}[@-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)

# Escapes, by which `repr` and JSON write what is not ASCII, and bytes of any
# encoding. The last ones stand for what is seen, such as a line's end.
_ESCAPE: Final = re.compile(
    r"\\(?:x1[bB]|u001[bB])\[[0-?]{0,32}[ -/]{0,8}[@-~]"
    r"|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}"
    r"|(\\[abfnrtv0])"
)
_PART_OF_NUMBER: Final = "0123456789 +-().,;:"


def clear_text(text: str) -> str:
    """
    Take out of *text* what keeps the rules from knowing what is in it.

    That is what nobody sees: text in UTF-16 that was read as another
    encoding has a NUL beside each digit; a number with an invisible sign
    inside passes every rule. But two numbers that only such a sign keeps
    apart would become one. So both ways are tried, and where they find
    different things the text is dropped.

    And it is what stands beside escapes, as in the text of bytes. There
    both ways are tried, and what either finds is taken out.

    Args:
        text: As the app gave it. What the scrubber would cut off is not
            looked at.
    """
    if _HIDDEN.search(text, 0, LIMIT_CHARACTERS):
        text = _without_hidden(text)
    if "\\" not in text:
        return text
    text = cut_text(text, LIMIT_CHARACTERS)
    return _without_escaped(text) if _ESCAPE.search(text) else text


def _without_hidden(text: str) -> str:
    joined, apart = _HIDDEN.sub("", text), _HIDDEN.sub(" ", text)
    one, two = scrub(joined), scrub(apart)
    if not two.spans:
        return joined
    if not one.spans:
        return apart
    same = "".join(one.text.split()) == "".join(two.text.split())
    return joined if same else DROPPED


def _without_escaped(text: str) -> str:
    """
    Take out what the rules find with the escapes and without them.
    """
    kept = _places(text)
    ways = (
        scrub(text),
        # With blanks in their place, all stays where it is.
        scrub(_ESCAPE.sub(lambda it: " " * len(it[0]), text)),
        joined := scrub("".join(" " if at < 0 else text[at] for at in kept)),
    )
    if any(way.dropped for way in ways):
        return DROPPED
    spans = [(s.start, s.end, s.type) for way in ways[:2] for s in way.spans]
    for span in joined.spans:
        inside = [at for at in kept[span.start : span.end] if at >= 0]
        spans.append((inside[0], inside[-1] + 1, span.type))
    parts: list[str] = []
    done = 0
    for start, end, kind in sorted(spans):
        if start >= done:
            parts += (text[done:start], f"<{kind}>")
        done = max(done, end)
    return "".join((*parts, text[done:]))


def _places(text: str) -> list[int]:
    """
    Tell where each character stood that is left without the escapes; a
    negative place stands for a blank.
    """
    kept: list[int] = []
    at = 0
    for escape in _ESCAPE.finditer(text):
        kept.extend(range(at, escape.start()))
        if escape[1]:
            kept.append(-1)
        at = escape.end()
    kept.extend(range(at, len(text)))
    return kept


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
