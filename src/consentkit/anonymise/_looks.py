# SPDX-License-Identifier: MIT
"""
Quick looks for figures in groups, which several rules share.

`re` looks for one fixed character much faster than for a set of them: so each
begins with what stands between two groups.
"""

from __future__ import annotations

import re


__all__ = ["BLANKS", "BRACKET", "DOTS", "HYPHENS"]

#: Groups with blanks between, as in numbers of phones, cards and persons.
BLANKS = re.compile(
    r" (?:(?<=[0-9a-z] )(?:[0-9]{2} (?:[0-9]{2} |[0-9]{6})"
    r"|[0-9]{3} [0-9]{3,4}(?![0-9])|[0-9]{4} [0-9]{4}(?![0-9])"
    r"|[0-9]{6} [0-9]{5}|[0-9]{8} [0-9]{3})"
    r"|(?<=[0-9]{5} )[0-9]{6}(?![0-9]))"
).search

#: A bracket after an area code.
BRACKET = re.compile(r"\)(?<=[0-9]{3}\)) ?[0-9]").search

#: A group of three digits, a full stop and four.
DOTS = re.compile(r"\.(?<=[0-9]{3}\.)[0-9]{4}").search

#: Two digits, a hyphen and a group of three or more, or a letter.
HYPHENS = re.compile(
    r"-(?:(?<=[0-9]{2}-)(?<![a-z][0-9]{2}-)(?<![a-z][0-9]{3}-)"
    r"[0-9]{3,8}(?![0-9a-wyz])|(?<=[0-9]{6}-)[0-9]{3}|(?<=[0-9]{7}-)[a-z](?![0-9a-z])"
    r"|(?<=[0-9]-)[0-9]{6}-|(?<=[a-z]-)[0-9]{2}-[0-9]{2}-[0-9]{2}-)"
).search
