# SPDX-License-Identifier: MIT
"""
A batch as a Parquet file, and whose batch such a file holds.

The columns are in ``docs/wire-format.md``. The library is imported at the
first file and not before.
"""

from __future__ import annotations

import json

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentkit._fork import load
from consentkit.exceptions import MissingExtraError


if TYPE_CHECKING:
    from consentkit.outbox.records import Batch


__all__ = ["check_library", "erase_of", "write_batch"]

_PREFIX: Final = b"consentkit."
_INSTANTS: Final = ("captured_at", "expires_at")
_COLUMNS: Final = (
    "id",
    "function",
    "data_type",
    "purpose",
    "recipient",
    "protection",
    "class",
    "value",
    *_INSTANTS,
    "consent",
    "policy_version",
)


def check_library() -> None:
    """
    Look for the library, without importing it.

    Raises:
        MissingExtraError: If it is not installed.
    """
    if find_spec("pyarrow") is None:
        raise MissingExtraError(extra="parquet", package="pyarrow")


def write_batch(batch: Batch) -> bytes:
    """
    Give the content of a file: a row for each record, and the batch itself
    in the metadata.
    """
    pa, pq = _library()
    text, instant = pa.string(), pa.timestamp("ms", tz="UTC")
    rows = []
    for record in batch.records:
        row: dict[str, Any] = dict(record.as_json())
        value = json.dumps(row["value"], ensure_ascii=False)
        # Half a surrogate pair is written as JSON's own escape.
        row["value"] = value.encode(errors="backslashreplace").decode()
        row["captured_at"] = record.captured_at
        row["expires_at"] = record.expires_at
        rows.append(row)
    fields = [
        pa.field(name, instant if name in _INSTANTS else text, nullable=False)
        for name in _COLUMNS
    ]
    about = {"format": "1", "batch": batch.id, "recipient": batch.recipient}
    schema = pa.schema(
        fields,
        metadata={
            _PREFIX + key.encode(): value.encode()
            for key, value in {**about, "erase": batch.erase}.items()
        },
    )
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def erase_of(path: Path) -> str:
    """
    Read whose batch a file holds, or nothing if it is none of ours.
    """
    pa, pq = _library()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ""
    # What is damaged, or another program's, is an OSError to the library.
    with suppress(ValueError, OSError):
        about = pq.read_metadata(pa.BufferReader(content)).metadata or {}
        return str(about.get(_PREFIX + b"erase", b""), "ascii", "replace")
    return ""


def _library() -> tuple[Any, Any]:
    check_library()
    return load("pyarrow"), load("pyarrow.parquet")
