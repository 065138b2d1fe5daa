# SPDX-License-Identifier: MIT
"""
What is known by its digits alone, found in one pass over a line.

One pattern finds every figure of a fitting length or grouping; prefix, date
and check digit then tell which it is. That is faster than a pattern for each
kind, and no figure is counted twice.
"""

from __future__ import annotations

import re

from collections.abc import Iterator

from . import _validators as v


__all__ = ["find_numbers"]


_NUMBER = re.compile(
    # The first digit is tried before the look behind it: faster.
    r"[0-9](?<![0-9A-Za-z][0-9])(?<![0-9]\.[0-9])(?:"
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


def find_numbers(line: str) -> Iterator[tuple[int, int, str]]:
    """
    Find what is known by its digits alone, in one pass.

    Yields:
        Start, end and type of each.
    """
    for match in _NUMBER.finditer(line):
        start, end = match.span()
        text = match[0]
        kind = match.lastgroup
        if kind == "run" and text[-1] not in "Xx":
            found = _run_type(text)
        elif kind == "card" and len(text) > 19:
            # The last group may be a figure that follows a card.
            digits = v.digits_of(text)
            found = "BANK_CARD" if v.is_card(digits) else None
            if found is None and v.is_card(digits[:16]):
                found, end = "BANK_CARD", start + 19
        else:
            found = _shape_type(re.sub(r"[ -]", "", text))
        if found == "MOBILE_CN" and (
            prefix := _CHINA.search(line, max(0, start - 7), start)
        ):
            if prefix[0] == "+" and len(v.digits_of(text)) == 11:
                found = "PHONE_INTL"  # of country 1
            start = prefix.start()
        if found:
            yield start, end, found


def _run_type(digits: str) -> str | None:
    if digits[:-11] in {"86", "0086"} and v.is_mobile(digits[-11:]):
        return "MOBILE_CN"
    return _shape_type(digits)


def _shape_type(text: str) -> str | None:
    size = len(text)
    if size == 11 and v.is_mobile(text):
        return "MOBILE_CN"
    if size == 18 and v.is_resident_id(text):
        return "RESIDENT_ID_CN"
    if not text.isdecimal():
        return None
    if size == 15 and v.is_imei(text):
        return "IMEI"
    if 14 <= size <= 19 and v.is_card(text):
        return "BANK_CARD"
    if 19 <= size <= 20 and v.is_iccid(text):
        return "DEVICE_ID"
    return None
