# SPDX-License-Identifier: MIT
"""
Personal data taken out of log lines and messages.

Rules with validators and cheap gates, on the standard library's regular
expressions; no language model. What a rule finds is replaced by its type:
``mobile=13800138000`` becomes ``mobile=<MOBILE_CN>``.

In honest words: this finds what has a form. Names of people, addresses in
words, and secrets without a name beside them stay. A scrubbed line is
therefore never anonymous, and declared fields are better than free text.

Obligations: WP-LOG-1 (free text is redacted before it is stored), WP-LOG-2
(messages, paths and arguments of crashes are, too).
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import field, frozen

from ._numbers import find_numbers
from ._rule import TYPES, Rule
from ._rules import RULES


__all__ = [
    "DROPPED",
    "LIMIT_CHARACTERS",
    "RULES",
    "TYPES",
    "Rule",
    "Scrubbed",
    "Span",
    "scrub",
]

#: Only so much of a text is kept; the rest is dropped, unread.
LIMIT_CHARACTERS = 8192

#: Stands for a line that could not be scrubbed.
DROPPED = "<UNSCRUBBED LINE DROPPED>"

_CUT = " <CUT>"

#: Full-width ASCII, as typed in Chinese and Japanese, to plain ASCII.
_NARROW = {0xFF01 + n: 0x21 + n for n in range(94)} | {0x3000: 0x20}

_ASCII_LOWER = {n: n + 32 for n in range(ord("A"), ord("Z") + 1)}

#: Between the rules and those that are late.
_NUMBER_RANK = 10_000

_PART_OF_NUMBER = "0123456789 +-().,;:"


@frozen
class Span:
    """
    Where something was found; never what.

    Attributes:
        start, end: Characters of the text given to :func:`scrub`, *end*
            exclusive.

        type: Out of :data:`TYPES`.
    """

    start: int
    end: int
    type: str


@frozen
class Scrubbed:
    """
    A text without what was found in it.

    Attributes:
        text: What may be kept.

        spans: What was replaced, in order, without overlaps.

        dropped: Whether a rule failed, so that nothing could be kept.

        cut: Whether the text was longer than :data:`LIMIT_CHARACTERS`.
    """

    text: str = field(repr=False)
    spans: tuple[Span, ...]
    dropped: bool = False
    cut: bool = False


def scrub(text: str, *, rules: Sequence[Rule] = RULES) -> Scrubbed:
    """
    Replace the personal data in *text* by its types.

    Fails closed: if a rule raises, whatever it is, the whole text is
    replaced by :data:`DROPPED`. A text over the limit is cut at a blank, so
    that no half of a value is left.

    Args:
        text: One line, or a short message of several.

        rules: The rules to use, beside the pass over numbers; where spans
            overlap, the merged span has the type of the first.

    Raises:
        TypeError: If *text* is not a string.
    """
    if not isinstance(text, str):
        msg = (  # type: ignore[unreachable]
            "`text` must be a string; decode bytes first"
        )
        raise TypeError(msg)
    try:
        return _scrub(text, rules)
    except Exception:  # noqa: BLE001 - whatever it is, nothing may pass
        return Scrubbed(DROPPED, (), dropped=True)


def _scrub(text: str, rules: Sequence[Rule]) -> Scrubbed:
    head = text
    if len(text) > LIMIT_CHARACTERS:
        head = _cut(text[:LIMIT_CHARACTERS])
    spans = _merge(_find(head, rules))
    parts: list[str] = []
    end = 0
    for span in spans:
        parts += (head[end : span.start], "<", span.type, ">")
        end = span.end
    parts.append(head[end:])
    is_cut = len(head) < len(text)
    if is_cut:
        parts.append(_CUT)
    return Scrubbed("".join(parts), spans, cut=is_cut)


def _cut(head: str) -> str:
    """
    Cut off the last word, and the figures before it.
    """
    words = head.rsplit(None, 1)
    return words[0].rstrip(_PART_OF_NUMBER) if len(words) == 2 else ""


#: Start, end, rank of the rule, type.
_Found = tuple[int, int, int, str]


def _find(text: str, rules: Sequence[Rule]) -> list[_Found]:
    line = text if text.isascii() else text.translate(_NARROW)
    lower = line.lower()
    if len(lower) != len(line):  # one letter of Turkish becomes two
        lower = line.translate(_ASCII_LOWER)
    found: list[_Found] = [
        (start, end, _NUMBER_RANK, kind)
        for start, end, kind in find_numbers(line)
    ]
    for rank, rule in enumerate(rules):
        if rule.gate(lower):
            view = lower if rule.folded else line
            _apply(rule, rank + _NUMBER_RANK * rule.late, view, found)
    return found


def _apply(rule: Rule, rank: int, view: str, found: list[_Found]) -> None:
    for match in rule.find(view):
        start, end = match.span(rule.group)
        if start < 0:
            continue
        if rule.validator:
            end = start + rule.validator(view[start:end])
        if end > start:
            found.append((start, end, rank, rule.type))


def _merge(found: list[_Found]) -> tuple[Span, ...]:
    """
    Join what overlaps; the joined span has the type of the first rule.
    """
    if not found:
        return ()
    found.sort()
    merged = [found[0]]
    for item in found[1:]:
        start, end, rank, kind = merged[-1]
        if item[0] < end:
            rank, kind = min((rank, kind), item[2:])
            merged[-1] = (start, max(end, item[1]), rank, kind)
        else:
            merged.append(item)
    return tuple(Span(start, end, kind) for start, end, _, kind in merged)
