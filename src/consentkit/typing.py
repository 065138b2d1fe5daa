# SPDX-License-Identifier: MIT
"""
Types that several rooms, and who extends them, share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


__all__ = ["JSON"]

#: A JSON value, as Python has it.
JSON = (
    None | bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"]
)
