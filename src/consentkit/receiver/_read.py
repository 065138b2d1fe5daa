# SPDX-License-Identifier: MIT
"""
Reading formats 1 and 2, strictly: every field, and nothing beside them.

A fault names the place and the rule, never the value.
"""

from __future__ import annotations

import json
import math
import re

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn

from attrs import frozen

from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.together import check_class
from consentkit.exceptions import UnprotectedError
from consentkit.outbox.records import Batch, Erasure, Record


__all__ = [
    "FormatError",
    "Refused",
    "parse",
    "read_batch",
    "read_body",
    "read_erasure",
    "read_record",
]

_MOST_RECORDS: Final = 10_000
_MOST_DEPTH: Final = 32

_UUID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,256}")
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)", re.ASCII
)
_COUNT: Final = re.compile(r"[1-9][0-9]{0,8}")
_LOW_BITS: Final = (1 << 62) - 1
#: Version, 12 random bits and variant of a UUID.
_MARK_BITS: Final = ((1 << 80) - 1) ^ _LOW_BITS
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_CLASSES: Final = tuple(one.value for one in PrivacyClass)

_BATCH_KEYS: Final = frozenset(
    {"format", "batch", "recipient", "erase", "records"}
)
_ROWS_KEYS: Final = frozenset(
    {"format", "batch", "recipient", "erase", "kinds", "rows"}
)
_KIND_KEYS: Final = frozenset(
    {
        "function",
        "data_type",
        "purpose",
        "protection",
        "class",
        "policy_version",
        "consent",
    }
)
_EVENT_KEYS: Final = _KIND_KEYS | {"event", "fields"}
_ERASURE_KEYS: Final = frozenset(
    {"format", "erasure", "recipient", "token", "requested_at"}
)
_NAME_KEYS: Final = (
    "function",
    "data_type",
    "purpose",
    "recipient",
    "protection",
    "policy_version",
)
_RECORD_KEYS: Final = frozenset(
    {
        *_NAME_KEYS,
        "id",
        "class",
        "value",
        "captured_at",
        "expires_at",
        "consent",
    }
)


class FormatError(ValueError):
    """
    A document is of no format that is known here.

    Attributes:
        path: Where, as in ``$.records[2].expires_at``.

        problem: What is wrong there.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


@frozen(kw_only=True)
class Refused:
    """
    One record of a batch that is not of format 1, and why.
    """

    id: str
    path: str
    problem: str


def parse(body: bytes) -> object:
    """
    Read JSON as RFC 8259 has it: no ``NaN``, UTF-8 only.

    Raises:
        FormatError: If it is none.
    """
    problem = "is not JSON in UTF-8"
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except FormatError as error:
        problem = error.problem
    except RecursionError:
        problem = "is nested too deeply"
    except ValueError:
        pass
    root = "$"
    raise FormatError(root, problem)


def read_body(body: bytes) -> Batch:
    """
    Read the body of a delivery, as `consentkit.transports.pack` writes it.

    For a backend of your own; of an envelope it is what
    `consentkit.seal.open_envelope` gives.

    Args:
        body: Of format 1 or 2.

    Returns:
        The batch, without records that are faulty.

    Raises:
        ValueError: If it is of neither format; the message names the place
            and the rule, and no value.

    .. versionadded:: 26.1.0
    """
    return read_batch(parse(body))[0]


def read_batch(document: object) -> tuple[Batch, list[Refused]]:
    """
    Read a batch: its good records, and those that are refused.

    Raises:
        FormatError: If the batch itself, or the id of a record, is faulty.
    """
    if (
        isinstance(document, dict)
        and _is_two(document.get("format"))
        and "records" not in document
    ):
        return _read_rows(_fields(document, "$", _ROWS_KEYS))
    found = _fields(document, "$", _BATCH_KEYS)
    _check_format(found, also="2")
    rows = found["records"]
    if not isinstance(rows, list) or not 0 < len(rows) <= _MOST_RECORDS:
        _fault("$.records", f"must be a list of 1 to {_MOST_RECORDS} records")
    recipient = _match(found, "$", "recipient", _NAME)
    seen: set[str] = set()
    good: list[Record] = []
    refused: list[Refused] = []
    for index, row in enumerate(rows):
        path = f"$.records[{index}]"
        # Without an id of its own a record could not be answered for.
        row_id = row.get("id") if isinstance(row, dict) else None
        if not isinstance(row_id, str) or not _UUID.fullmatch(row_id):
            _fault(f"{path}.id", "must be a UUID in lower case")
        if row_id in seen:
            _fault(f"{path}.id", "comes twice in the batch")
        seen.add(row_id)
        try:
            record = read_record(row, path)
            if record.recipient != recipient:
                _fault(f"{path}.recipient", "must be that of the batch")
            # Asked of what comes in alone: what may be called what can
            # change with a version, and what is stored stays readable.
            if _is_overstated(record):
                _fault(
                    f"{path}.class", "claims more than the protection gives"
                )
            good.append(record)
        except FormatError as error:
            refused.append(
                Refused(id=row_id, path=error.path, problem=error.problem)
            )
    batch = Batch(
        id=_match(found, "$", "batch", _UUID),
        recipient=recipient,
        erase=_match(found, "$", "erase", _DIGEST),
        records=tuple(good),
    )
    return batch, refused


def read_record(document: object, path: str = "$") -> Record:
    """
    Read one record.

    Raises:
        FormatError: If it is faulty.
    """
    found = _fields(document, path, _RECORD_KEYS)
    names = {key: _match(found, path, key, _NAME) for key in _NAME_KEYS}
    if found["class"] not in _CLASSES:
        _fault(f"{path}.class", f"must be one of {', '.join(_CLASSES)}")
    _check_value(found["value"], f"{path}.value")
    return Record(
        id=_match(found, path, "id", _UUID),
        privacy_class=found["class"],
        value=found["value"],
        captured_at=_instant(found, path, "captured_at"),
        expires_at=_instant(found, path, "expires_at"),
        consent=_match(found, path, "consent", _DIGEST),
        **names,
    )


def _is_overstated(record: Record) -> bool:
    try:
        check_class(record)
    except UnprotectedError:
        return True
    return False


def read_erasure(document: object) -> Erasure:
    """
    Read an erasure request.

    Raises:
        FormatError: If it is faulty.
    """
    found = _fields(document, "$", _ERASURE_KEYS)
    _check_format(found)
    return Erasure(
        id=_match(found, "$", "erasure", _UUID),
        recipient=_match(found, "$", "recipient", _NAME),
        token=_match(found, "$", "token", _DIGEST),
        requested_at=_instant(found, "$", "requested_at"),
    )


def _fault(path: str, problem: str) -> NoReturn:
    raise FormatError(path, problem)


def _refuse_constant(_: str) -> NoReturn:
    _fault("$", "holds a number that JSON does not have")


def _fields(
    document: object, path: str, keys: frozenset[str]
) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        _fault(path, "must be an object")
    for key in sorted(keys):
        if key not in document:
            _fault(f"{path}.{key}", "is missing")
    if len(document) > len(keys):
        # Their names come from outside, so they are not repeated.
        _fault(path, "has a field that format 1 does not know")
    return document


def _check_format(found: Mapping[str, Any], *, also: str = "") -> None:
    if type(found["format"]) is not int or found["format"] != 1:
        known = f"1 or {also}, the formats that are" if also else ""
        _fault(
            "$.format",
            f"must be {known or '1, the only format that is'} known here",
        )


def _is_two(found: object) -> bool:
    return type(found) is int and found == 2


def _read_rows(found: Mapping[str, Any]) -> tuple[Batch, list[Refused]]:
    """
    Read a batch of format 2: what records share stands there once.
    """
    rows = found["rows"]
    if not isinstance(rows, list) or not 0 < len(rows) <= _MOST_RECORDS:
        _fault("$.rows", f"must be a list of 1 to {_MOST_RECORDS} rows")
    recipient = _match(found, "$", "recipient", _NAME)
    kinds = _read_kinds(found["kinds"])
    good: list[Record] = []
    refused: list[Refused] = []
    seen: set[int] = set()
    number = -1
    for index, row in enumerate(rows):
        path = f"$.rows[{index}]"
        if not isinstance(row, list) or len(row) != 4:
            _fault(path, "must be a list of id, milliseconds, kind and value")
        number = _row_id(row[0], number, f"{path}[0]")
        if number in seen:
            _fault(f"{path}[0]", "comes twice in the batch")
        seen.add(number)
        text = f"{number:032x}"
        row_id = "-".join(
            (text[:8], text[8:12], text[12:16], text[16:20], text[20:])
        )
        try:
            good.append(_read_row(row, number, row_id, kinds, recipient, path))
        except FormatError as error:
            refused.append(
                Refused(id=row_id, path=error.path, problem=error.problem)
            )
    batch = Batch(
        id=_match(found, "$", "batch", _UUID),
        recipient=recipient,
        erase=_match(found, "$", "erase", _DIGEST),
        records=tuple(good),
    )
    return batch, refused


def _read_kinds(found: object) -> dict[int, Mapping[str, Any]]:
    if not isinstance(found, dict):
        _fault("$.kinds", "must be an object")
    kinds: dict[int, Mapping[str, Any]] = {}
    for index, (key, kind) in enumerate(found.items()):
        # Their names come from outside, so they are not repeated.
        path = f"$.kinds[{index}]"
        if not _COUNT.fullmatch(key):
            _fault(path, "must be named by a number")
        is_event = isinstance(kind, dict) and "event" in kind
        read = _fields(kind, path, _EVENT_KEYS if is_event else _KIND_KEYS)
        for name in _NAME_KEYS:
            if name != "recipient":
                _match(read, path, name, _NAME)
        _match(read, path, "consent", _DIGEST)
        if read["class"] not in _CLASSES:
            _fault(f"{path}.class", f"must be one of {', '.join(_CLASSES)}")
        if is_event:
            _match(read, path, "event", _NAME)
            fields = read["fields"]
            if (
                not isinstance(fields, list)
                or not all(isinstance(one, str) for one in fields)
                or len({*fields, "event"}) != len(fields) + 1
            ):
                _fault(f"{path}.fields", "must be a list of different names")
        kinds[int(key)] = read
    return kinds


def _row_id(found: object, before: int, path: str) -> int:
    """
    Read an id, or how many milliseconds after the one before it was made.
    """
    if isinstance(found, str) and _UUID.fullmatch(found):
        return int(found.replace("-", ""), 16)
    if type(found) is int and before >= 0:
        time = (before >> 80) + found
        low = (before + 1) & _LOW_BITS
        if 0 <= time < 1 << 48:
            kept = before & _MARK_BITS
            return time << 80 | kept | low
    _fault(path, "must be a UUID, or milliseconds since the row before")


def _read_row(
    row: list[Any],
    number: int,
    row_id: str,
    kinds: Mapping[int, Mapping[str, Any]],
    recipient: str,
    path: str,
) -> Record:
    _, keep, which, value = row
    if type(which) is not int or which not in kinds:
        _fault(f"{path}[2]", "must be the number of a kind")
    kind = kinds[which]
    _check_value(value, f"{path}[3]")
    if "event" in kind:
        fields = kind["fields"]
        if not isinstance(value, list) or len(value) != len(fields):
            _fault(f"{path}[3]", "must have a value for each field")
        value = {
            "event": kind["event"],
            **dict(zip(fields, value, strict=True)),
        }
    if type(keep) is not int:
        _fault(f"{path}[1]", "must be whole milliseconds")
    captured = number >> 80
    try:
        captured_at = _START + captured * _MILLISECOND
        expires_at = _START + (captured + keep) * _MILLISECOND
    except OverflowError:
        _fault(f"{path}[1]", "is no time of the calendar")
    record = Record(
        id=row_id,
        function=kind["function"],
        data_type=kind["data_type"],
        purpose=kind["purpose"],
        recipient=recipient,
        protection=kind["protection"],
        privacy_class=kind["class"],
        value=value,
        captured_at=captured_at,
        expires_at=expires_at,
        consent=kind["consent"],
        policy_version=kind["policy_version"],
    )
    if _is_overstated(record):
        _fault("$.kinds", "claims more than the protection gives")
    return record


_RULES: Final[Mapping[re.Pattern[str], str]] = {
    _UUID: "must be a UUID in lower case",
    _DIGEST: "must be 64 hexadecimal digits in lower case",
    _NAME: "must be a text of 1 to 256 printable characters",
    _INSTANT: "must be an instant in UTC, as 2026-01-31T12:00:00.000Z",
}


def _match(
    found: Mapping[str, Any], path: str, key: str, rule: re.Pattern[str]
) -> str:
    value = found[key]
    if not isinstance(value, str) or not rule.fullmatch(value):
        _fault(f"{path}.{key}", _RULES[rule])
    return value


def _instant(found: Mapping[str, Any], path: str, key: str) -> datetime:
    text = _match(found, path, key, _INSTANT)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        problem = "is no date or time of the calendar"
    _fault(f"{path}.{key}", problem)


def _check_value(value: object, path: str) -> None:
    waiting = [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        if depth > _MOST_DEPTH:
            _fault(path, f"is nested deeper than {_MOST_DEPTH} levels")
        if isinstance(one, float) and not math.isfinite(one):
            _fault(path, "holds a number that is too large")
        if isinstance(one, dict):
            waiting.extend((item, depth + 1) for item in one.values())
        elif isinstance(one, list):
            waiting.extend((item, depth + 1) for item in one)
