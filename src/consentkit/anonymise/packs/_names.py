# SPDX-License-Identifier: MIT
"""
What stands between a name and its value.
"""

from __future__ import annotations


__all__ = ["EXTENSION", "IS", "NUMBER", "QUICK_IS"]

#: Between a key and its value: `key=`, `"key": "`, `\"key\":\"`, `key => `.
IS = r"\\?[\"']?\s{0,3}(?::=?|=[=>]?)\s{0,3}\\?[\"']?"

#: The same or more, for RE2, whose blanks are those of ASCII.
QUICK_IS = "[^0-9a-z]{0,5}[:=][^0-9a-z]{0,7}"

#: What stands after a number inside a company.
EXTENSION = r"(?: ?(?:x|ext\.?) ?[0-9]{1,6})?"

#: A phone number in up to seven groups.
NUMBER = (
    r"(?:\+|\(\+?)?[0-9]{1,14}+(?:(?:\) ?|[ ./-]|[ -]\()[0-9]{1,8}+){0,6}"
    + EXTENSION
)
