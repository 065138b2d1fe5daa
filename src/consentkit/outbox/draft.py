# SPDX-License-Identifier: MIT
"""
What comes into the outbox: a protected observation, on its way to a row.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from consentkit.gate import Permit
from consentkit.typing import JSON


__all__ = ["Draft"]


@frozen(kw_only=True)
class Draft:
    """
    A protected observation that is to be kept.

    Attributes:
        permit: What it was read under.

        kind: What `consentkit.outbox.rows.kind_of` gives.

        text: The value as JSON; of an event a list of its fields' values.

        time: When it was captured, in milliseconds since 1970.

        expires: The same of its end.

        id: Its id, where it has one already; that tells the same time.

        news: What stands for a place that is kept only if it is another one
            than the last.
    """

    permit: Permit
    kind: Mapping[str, JSON]
    text: str = field(repr=False)
    time: int
    expires: int
    id: str = ""
    news: str = ""

    def plain(self, number: bytes) -> bytes:
        """
        Give its row.

        Args:
            number: What stands in front of values of its kind.
        """
        # Half of a surrogate pair, as file names may hold, is written as
        # JSON escapes it.
        return number + self.text.encode(errors="backslashreplace")
