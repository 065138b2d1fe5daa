# SPDX-License-Identifier: MIT
"""
What a sender could not keep: how many records it dropped, and why.

A receiver that knows of it can tell a quiet day from a full disk. A report
holds numbers by function and reason, and nothing of a person or a device.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from attrs import frozen

from consentkit.receiver._read import (
    _NAME,
    _UUID,
    _check_format,
    _fault,
    _fields,
    _instant,
    _match,
)


__all__ = ["DropReport", "Dropped", "read_drops"]

_MOST_DROPS: Final = 1_000
_MOST_COUNT: Final = 2**53
_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")

_REPORT_KEYS: Final = frozenset(
    {"format", "report", "recipient", "from", "to", "drops"}
)
_DROP_KEYS: Final = frozenset({"function", "reason", "count"})


@frozen(kw_only=True)
class Dropped:
    """
    How many records of one function were dropped for one reason.

    Attributes:
        reason: A short code, such as ``expired``.

    .. versionadded:: 26.1.0
    """

    function: str
    reason: str
    count: int


@frozen(kw_only=True)
class DropReport:
    """
    What one sender dropped of the records for one recipient.

    Attributes:
        id: Idempotency key of the report.

        since, until: When it was; instants in UTC.

        drops: Each function and reason once, in the sender's order.

    .. versionadded:: 26.1.0
    """

    id: str
    recipient: str
    since: datetime
    until: datetime
    drops: tuple[Dropped, ...]


def read_drops(document: object) -> DropReport:
    """
    Read a drop report.

    Raises:
        FormatError: If it is faulty.
    """
    found = _fields(document, "$", _REPORT_KEYS)
    _check_format(found)
    rows = found["drops"]
    if not isinstance(rows, list) or not 0 < len(rows) <= _MOST_DROPS:
        _fault("$.drops", f"must be a list of 1 to {_MOST_DROPS} drops")
    drops = tuple(
        _read_drop(row, f"$.drops[{index}]") for index, row in enumerate(rows)
    )
    seen: set[tuple[str, str]] = set()
    for index, drop in enumerate(drops):
        if (drop.function, drop.reason) in seen:
            _fault(f"$.drops[{index}]", "comes twice in the report")
        seen.add((drop.function, drop.reason))
    report = DropReport(
        id=_match(found, "$", "report", _UUID),
        recipient=_match(found, "$", "recipient", _NAME),
        since=_instant(found, "$", "from"),
        until=_instant(found, "$", "to"),
        drops=drops,
    )
    if report.until < report.since:
        _fault("$.to", "must not be before from")
    return report


def _read_drop(row: object, path: str) -> Dropped:
    found: Mapping[str, Any] = _fields(row, path, _DROP_KEYS)
    reason, count = found["reason"], found["count"]
    if not isinstance(reason, str) or not _REASON.fullmatch(reason):
        _fault(
            f"{path}.reason",
            "must be a code of at most 64 small letters, digits and _",
        )
    if type(count) is not int or not 0 < count < _MOST_COUNT:
        _fault(f"{path}.count", "must be a whole number from 1 to 2**53 - 1")
    return Dropped(
        function=_match(found, path, "function", _NAME),
        reason=reason,
        count=count,
    )
