# SPDX-License-Identifier: MIT
"""
What is known by its digits alone, found in one pass over a line.

One pattern finds every figure of a fitting length or grouping; prefix, date
and check digit then tell which it is. That is faster than a pattern for each
kind, and no figure is counted twice.
"""

from __future__ import annotations

import re

from collections.abc import Callable
from typing import ClassVar

from attrs import frozen

from . import _validators as v
from ._looks import BLANKS, HYPHENS, Look
from ._national import nir_length
from ._rule import Found


__all__ = ["NUMBER_TYPES", "NumberPass"]

#: What the pass can find.
NUMBER_TYPES = frozenset(
    {
        "BANK_CARD",
        "DEVICE_ID",
        "IMEI",
        "MOBILE_CN",
        "NATIONAL_ID",
        "PHONE",
        "RESIDENT_ID_CN",
    }
)

_NUMBER = re.compile(
    # The first digit is tried before the look behind it: faster.
    r"[0-9](?=[0-9 -]{10})(?<![0-9A-Za-z][0-9])(?<![0-9]\.[0-9])(?:"
    r"(?P<run>[0-9]{10,19}+[Xx]?)"
    r"|(?P<phone>[0-9]{2}([ -])[0-9]{4}\3[0-9]{4})"
    r"|(?P<imei>[0-9]([ -])[0-9]{6}\5[0-9]{6}\5[0-9]"
    r"|[0-9]{5}([ -])[0-9]{2}\6[0-9]{6}\6[0-9])"
    r"|(?P<card>[0-9]{3}([ -])[0-9]{4}\8[0-9]{4}\8[0-9]{4}"
    r"(?:\8[0-9]{3})?)"
    r"|(?P<amex>[0-9]{3}([ -])[0-9]{6}\10[0-9]{5})"
    r"|(?P<resident>[0-9]{5}([ -])[0-9]{8}\12[0-9]{3}[0-9Xx])"
    r")(?![0-9A-Za-z])"
)

#: What may stand before a mobile number and belongs to it.
_CHINA = re.compile(r"(?:\+|00|\(\+?)?86\)?[ -]?\Z|\+\Z")


# `re` looks for fixed characters at the beginning much faster than for sets.
_MOBILES = tuple(
    Look(("0" * 11,), pattern + r"[0-9]{8}(?![0-9a-z])")
    for pattern in (
        r"1(?<![0-9a-z]1)[3-9][0-9]",
        r"861(?<![0-9a-z]861)[3-9][0-9]",
        r"07(?<![0-9a-z]07)[1-9]",
    )
)


@frozen(kw_only=True)
class NumberPass:
    """
    The pass over numbers, to be tried like a rule.

    Attributes:
        types: What to look for, out of `NUMBER_TYPES`.
    """

    types: frozenset[str] = NUMBER_TYPES

    words: ClassVar[tuple[str, ...]] = ()
    forms: ClassVar[tuple[str, ...]] = ("0" * 14,)
    looks: ClassVar[tuple[Callable[[str], object], ...]] = (
        *_MOBILES,
        BLANKS,
        HYPHENS,
    )
    quick: ClassVar[str] = (
        r"(?:^|[^0-9a-z])(?:(?:00)?(?:86)?1[3-9][0-9]{9}|07[1-9][0-9]{8}"
        r"|3[0689][0-9]{12}"
        r"|(?:0[01]|[12789][0-9]|3[0-9]|4[459]|5[0-4])[0-9]{13}"
        r"|[1-8][0-9]{15,19}x?)(?:[^0-9a-z]|\z)"
        r"|[0-9]{3}(?: [0-9]{4} |-[0-9]{4}-)[0-9]{4}"
        r"|[0-9]{2}(?: [0-9]{6} |-[0-9]{6}-)[0-9]"
        r"|[0-9]{6}(?: [0-9]{2} |-[0-9]{2}-)[0-9]{6}"
        r"|[0-9]{6}(?: [0-9]{8} |-[0-9]{8}-)[0-9]{3}"
    )

    def apply(self, line: str, _: str, rank: int, found: list[Found]) -> None:
        """
        Add what is in *line* to *found*.
        """
        for match in _NUMBER.finditer(line):
            start, end = match.span()
            text = match[0]
            if match.lastgroup == "run":
                has_code = text[:-11] in _CODES and text.isdecimal()
                is_mobile = has_code and v.is_mobile(text[-11:])
                kind = "MOBILE_CN" if is_mobile else _kind(text)
            else:
                text = re.sub("[ -]", "", text)
                if len(text) == 19 and not v.is_card(text):
                    # The last group may be a figure that follows a card.
                    text, end = text[:16], start + 19
                kind = _kind(text)
            # Most numbers have no such sign before them: asked first.
            if kind == "MOBILE_CN" and line[start - 1 : start] in _BEFORE:
                prefix = _CHINA.search(line, max(0, start - 7), start)
                if prefix:
                    if prefix[0] == "+" and len(text) == 11:
                        kind = "PHONE_INTL"  # of country 1
                    start = prefix.start()
            # A number of country 1 looks like a mobile one of China.
            if kind in self.types or kind == "PHONE_INTL":
                found.append((start, end, rank, kind, f"<{kind}>"))


#: The last signs of what may stand before a mobile number.
_BEFORE = frozenset("6+) -")

_CODES = frozenset({"86", "0086"})


def _kind(text: str) -> str:
    """
    Tell the type of a number, without what is between its groups.
    """
    size = len(text)
    if size == 11:
        if v.is_mobile(text):
            return "MOBILE_CN"
        return "PHONE" if text[:2] == "07" and text[2] != "0" else ""
    if size == 18 and v.is_resident_id(text):
        return "RESIDENT_ID_CN"
    if not text.isdecimal():
        return ""
    if size == 15 and v.is_imei(text):
        return "IMEI"
    if size == 15 and nir_length(text):
        return "NATIONAL_ID"
    if 14 <= size <= 19 and v.is_card(text):
        return "BANK_CARD"
    if 19 <= size <= 20 and v.is_iccid(text):
        return "DEVICE_ID"
    return ""
