# SPDX-License-Identifier: MIT
"""
The seam for stores: what the receiver asks of one, and how a URL names it.

Members: `consentkit.receiver.store` (a SQLite file) and
`consentkit.receiver.postgresql`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from consentkit.outbox.records import Batch
from consentkit.receiver.drops import DropReport
from consentkit.receiver.store import (
    Counts,
    Erased,
    Store,
    StoredRecord,
    Verdict,
)


__all__ = ["RecordStore", "store_from_url"]

_SCHEMES = ("postgresql://", "postgres://")


class RecordStore(Protocol):
    """
    Records, each once by its id, until they expire or are erased.

    Several threads use one, and several processes may stand before the same
    place. What it says is done is durable. Each method raises
    `consentkit.exceptions.StoreError` while the place cannot be used.

    .. versionadded:: 26.1.0
    """

    @property
    def name(self) -> str:
        """
        Where it is, for people: without user and password.
        """
        ...

    def put(
        self, batch: Batch, *, refused: int = 0, now: datetime | None = None
    ) -> Mapping[str, Verdict]:
        """
        Store the records of *batch*, all in one transaction.

        Returns:
            A verdict for each record, by id, in order.
        """
        ...

    def erase(self, token: str, *, now: datetime | None = None) -> Erased:
        """
        Delete all records of the grant that *token* stands for, and bar it.
        """
        ...

    def note_drops(
        self, report: DropReport, *, now: datetime | None = None
    ) -> bool:
        """
        Keep a report, once by its id, and tell whether it is new.
        """
        ...

    def purge(self, now: datetime | None = None) -> int:
        """
        Delete the records that have expired, and tell how many.
        """
        ...

    def records(self, function: str | None = None) -> list[StoredRecord]:
        """
        Give the stored records in order of arrival, of one function or all.
        """
        ...

    def drops(self) -> Sequence[DropReport]:
        """
        Give the reports of the last days, in order of arrival.
        """
        ...

    def counts(self) -> Counts:
        """
        Count.
        """
        ...

    def check(self) -> None:
        """
        Raise if it cannot be used now.
        """
        ...

    def close(self) -> None:
        """
        Close it; it opens again at the next use.
        """
        ...


def store_from_url(place: str | Path) -> RecordStore:
    """
    Give the store that a URL or a path names.

    Args:
        place: ``postgresql://user@host/database``, with ``?schema=NAME``
            for another schema than ``consentkit_receiver``; else the path
            of a SQLite file, which is made at once.

    Raises:
        ValueError: If it is a URL that no store has, or cannot be read.

        MissingExtraError: If the extra ``postgresql`` is not installed.

        StoreError: If a file cannot be used.

    .. versionadded:: 26.1.0
    """
    text = str(place)
    if isinstance(place, str) and text.startswith(_SCHEMES):
        from consentkit.receiver.postgresql import PostgreSQLStore

        return PostgreSQLStore(text)
    if isinstance(place, str) and "://" in text:
        # Not shown: a password may be in it, wherever its parts end.
        msg = (
            "a store is postgresql://USER@HOST/DATABASE, or the path of a "
            "SQLite file"
        )
        raise ValueError(msg)
    return Store(place)
