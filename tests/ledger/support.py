# SPDX-License-Identifier: MIT

"""
What the tests of the ledger build on: drafts, ledgers that were tampered
with, a signed tree in memory, and schemas of their own on a server.
"""

from __future__ import annotations

import os
import sqlite3

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consentkit.ledger.checkpoint import SignedCheckpoint
from consentkit.ledger.drafts import Draft, Place, put_in_place, row_of
from consentkit.ledger.entries import Act, Entry
from consentkit.ledger.receipt import Receipt, make_receipts, proofs_of
from consentkit.ledger.signing import SigningKey, make_signing_key
from consentkit.ledger.sqlite import SQLiteLedger
from consentkit.ledger.verify import Row, Trail
from tests.faults.support import let_others_in
from tests.needs import POSTGRESQL


__all__ = [
    "START",
    "Book",
    "an_entry",
    "draft",
    "fresh_schema",
    "run",
    "tamper",
    "unwritable",
]

_NOBODY = 65534

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def draft(
    element: str = "improve", act: Act = Act.GRANTED, **fields: Any
) -> Draft:
    """
    Draft an entry, to be put in its place by the ledger.
    """

    def make(place: Place) -> Entry:
        given = {
            "at": START + timedelta(minutes=place.seq),
            "method": "app",
            "terms": "7e" * 32,
            "policy": "small",
            "version": "1",
            "text": "0d" * 32,
            "language": "en",
            **fields,
        }
        return Entry(
            seq=place.seq,
            prev=place.prev,
            prior=place.prior,
            subject=place.subject,
            element=element,
            act=act,
            **given,
        )

    return make


def an_entry(**fields: Any) -> Entry:
    """
    Give a plain entry, the first of its ledger.
    """
    return draft(**fields)(Place(seq=1))


class Book:
    """
    A ledger in memory, with the checkpoint of each size that it had.
    """

    def __init__(self, size: int, *, key: SigningKey | None = None) -> None:
        self.key = key or make_signing_key()
        self.origin = f"{self.key.verify_key.name}/test"
        self.rows: list[Row] = []
        self.heads: list[SignedCheckpoint] = []
        self.trail = Trail()
        self.add(*(draft(f"f{n}") for n in range(size)))

    def add(self, *drafts: Draft, subject: str = "local") -> None:
        """
        Append, and sign after each entry.
        """
        for one in drafts:
            (entry,) = put_in_place([one], self.trail, subject=subject)
            self.rows.append(row_of(entry))
            checkpoint = self.trail.checkpoint(self.origin)
            self.heads.append(self.key.sign(checkpoint))

    def receipt(
        self, seq: int, policies: Mapping[str, str] | None = None
    ) -> Receipt:
        """
        Make the receipt of one entry.
        """
        (made,) = make_receipts(
            [seq],
            {seq: self.bodies[seq - 1].decode()},
            proofs_of(self.bodies, [seq]),
            signed=self.heads[-1],
            key=self.key.verify_key,
            policy_of=(policies or {}).get,
        )
        return made

    @property
    def bodies(self) -> list[bytes]:
        """
        The texts of all entries.
        """
        return [body for _, body, _, _ in self.rows]


def tamper(ledger: SQLiteLedger, *statements: str) -> None:
    """
    Do to the file what only somebody with the file can do.
    """
    ledger.close()
    with closing(sqlite3.connect(ledger.path)) as raw, raw:
        raw.execute("DROP TRIGGER IF EXISTS entries_stay")
        raw.execute("DROP TRIGGER IF EXISTS entries_keep")
        for statement in statements:
            raw.execute(statement)


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """
    Let this process write nothing below *folder*, nor make files there.
    """
    if os.name != "posix":
        pytest.skip("modes are of POSIX")
    places = [folder, *folder.rglob("*")]
    is_root = os.geteuid() == 0
    if is_root:
        # For root no mode counts.
        let_others_in(folder)
    for path in places:
        if is_root:
            os.chown(path, _NOBODY, _NOBODY)
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        if is_root:
            os.seteuid(_NOBODY)
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path in places:
            path.chmod(0o700 if path.is_dir() else 0o600)


def run(*statements: str) -> list[tuple]:
    """
    Run SQL on the server, and give what the last statement gives.
    """
    import psycopg

    with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


@contextmanager
def fresh_schema() -> Iterator[str]:
    """
    Give the name of a schema that is not there, and drop it at the end.
    """
    name = f"consentkit_test_{os.urandom(6).hex()}"
    yield name
    run(f"DROP SCHEMA IF EXISTS {name} CASCADE")
