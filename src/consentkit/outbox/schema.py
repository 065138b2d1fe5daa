# SPDX-License-Identifier: MIT
"""
The file of the outbox, and what is in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from consentkit._sqlite import Database
from consentkit.outbox import chunks, drops, room


__all__ = ["file_of"]

_VERSION: Final = 1

_SCHEMA = f"""\
{chunks.SCHEMA};

{drops.SCHEMA};

{room.SCHEMA};

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE lanes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    element TEXT NOT NULL,
    grant_hash TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    attempted INTEGER NOT NULL DEFAULT 0,
    UNIQUE (grant_hash, recipient)
);

CREATE TABLE ended (grant_hash TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE under_way (
    batch TEXT PRIMARY KEY,
    lane INTEGER NOT NULL,
    grant_hash TEXT NOT NULL,
    records INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE parked (
    batch TEXT PRIMARY KEY,
    tries INTEGER NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE erasures (
    id TEXT PRIMARY KEY,
    recipient TEXT NOT NULL,
    token TEXT NOT NULL,
    requested TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE reads (
    subject TEXT NOT NULL,
    function TEXT NOT NULL,
    data_type TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (subject, function, data_type)
) WITHOUT ROWID;

CREATE TABLE places (
    subject TEXT PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE promoted (
    id TEXT PRIMARY KEY,
    expires INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE counts (
    reason TEXT NOT NULL,
    element TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (reason, element)
) WITHOUT ROWID"""


def file_of(path: Path) -> Database:
    """
    Give the file of an outbox; it is made at the first write.
    """
    return Database(
        path,
        schema=_SCHEMA,
        version=_VERSION,
        is_private=True,
        later=(*chunks.LATER, "reserved"),
    )
