# SPDX-License-Identifier: MIT
"""
Records and erasure requests as log records of OpenTelemetry, in OTLP's JSON.

Source: opentelemetry-proto 03dcdb9, opentelemetry/proto/logs/v1/logs.proto and
docs/specification.md, "JSON Protobuf Encoding".
"""

from __future__ import annotations

import json

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from consentkit.outbox.records import Batch, Erasure
    from consentkit.typing import JSON


__all__ = ["write_batch", "write_erasure"]

#: Below this, a value goes as a text of JSON: parsers of Protobuf take no
#: more than 100 messages in one another, and each level costs up to three.
_MOST_DEPTH: Final = 24

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS: Final = 1_000_000
_INT64: Final = range(-(2**63), 2**63)

#: What stands at another place than the attributes.
_ELSEWHERE: Final = frozenset({"id", "value", "captured_at"})


def write_batch(batch: Batch, *, service: str, version: str) -> bytes:
    """
    Write *batch* as the body of a request: a log record for each record.

    Args:
        batch: What is sent.

        service: The resource's ``service.name``.

        version: That of consentkit.
    """
    rows: list[JSON] = []
    for record in batch.records:
        fields = {
            name: text
            for name, text in record.as_json().items()
            if name not in _ELSEWHERE
        }
        rows.append(
            _log_record(
                "consentkit.record",
                id_=record.id,
                at=record.captured_at,
                body=_value(record.value),
                fields={**fields, "erase": batch.erase},
            )
        )
    return _request(rows, service, version)


def write_erasure(erasure: Erasure, *, service: str, version: str) -> bytes:
    """
    Write a request to erase as an event of its own.

    Args:
        erasure: What is sent.

        service: The resource's ``service.name``.

        version: That of consentkit.
    """
    row = _log_record(
        "consentkit.erasure",
        id_=erasure.id,
        at=erasure.requested_at,
        body=_value("Erase all records that have this consentkit.erase."),
        fields={
            "recipient": erasure.recipient,
            "erase": sha256(bytes.fromhex(erasure.token)).hexdigest(),
            "token": erasure.token,
        },
    )
    return _request([row], service, version)


def _log_record(
    event: str,
    *,
    id_: str,
    at: datetime,
    body: JSON,
    fields: Mapping[str, JSON],
) -> JSON:
    # To the millisecond, as on every other way out.
    nanos = str(max((at - _EPOCH) // timedelta(milliseconds=1), 0) * _NANOS)
    named = {f"consentkit.{name}": text for name, text in fields.items()}
    return {
        "timeUnixNano": nanos,
        "observedTimeUnixNano": nanos,
        "eventName": event,
        "body": body,
        "attributes": _pairs({"log.record.uid": id_, **named}),
    }


def _request(rows: list[JSON], service: str, version: str) -> bytes:
    document: JSON = {
        "resourceLogs": [
            {
                "resource": {"attributes": _pairs({"service.name": service})},
                "scopeLogs": [
                    {
                        "scope": {"name": "consentkit", "version": version},
                        "logRecords": rows,
                    }
                ],
            }
        ]
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    # Half a surrogate pair is no text to Protobuf: it becomes "?".
    return text.encode(errors="replace")


def _pairs(found: Mapping[str, JSON], depth: int = 0) -> JSON:
    return [
        {"key": key, "value": _value(value, depth)}
        for key, value in found.items()
    ]


def _value(value: JSON, depth: int = 0) -> JSON:
    """
    Give the ``AnyValue`` of *value*; that of ``None`` is empty.
    """
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and value in _INT64:
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int) or depth >= _MOST_DEPTH:
        return {"stringValue": json.dumps(value, ensure_ascii=False)}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _pairs(value, depth + 1)}}
    return {
        "arrayValue": {"values": [_value(one, depth + 1) for one in value]}
    }
