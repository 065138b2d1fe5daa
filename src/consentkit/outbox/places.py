# SPDX-License-Identifier: MIT
"""
In which cell a person was last, so that a cell holds until it is left.

There is one memory for each person, whatever function, recipient and data
type asks: each further answer about one place would tell more of it. It is
sealed with the key that wraps the lanes, and dies with the last consent under
which a place was read. It lies in the outbox's file, so that it holds over
starts and processes.

What is remembered: for each size of cells the last one; 32 random bytes that
noise is drawn with; and what each lane was told last, as a digest.

Source:
    AES-256-GCM (NIST SP 800-38D).
"""

from __future__ import annotations

import json
import os

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consentkit.anonymise.grid import Cell, cell_named
from consentkit.anonymise.series import HeldPlace
from consentkit.exceptions import DamagedError
from consentkit.gate import Permit


if TYPE_CHECKING:
    from sqlite3 import Connection

    from consentkit._sqlite import Database
    from consentkit.outbox.keys import KEK, Lane


__all__ = ["Places"]

_SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12


@frozen
class _Memory:
    """
    What is remembered of one person's places.

    Attributes:
        secret: For noise, and for the digests of what was told.

        cells: Names of cells, by their side in kilometres.

        told: By lane that read a place, by data type: what was told last.
    """

    secret: bytes = field(repr=False)
    cells: Mapping[str, str] = field(factory=dict, repr=False)
    told: Mapping[str, Mapping[str, str]] = field(factory=dict, repr=False)

    def last(self, side_km: float) -> Cell | None:
        """
        Give the last cell of a side; ``None`` if there is none.
        """
        index = self.cells.get(repr(float(side_km)))
        return None if index is None else cell_named(index, side_km=side_km)

    def with_last(self, cell: Cell, lane: int) -> _Memory:
        """
        Remember a cell, and that *lane* needs it.
        """
        cells = {**self.cells, repr(float(cell.side_km)): cell.index}
        told = {**self.told, str(lane): self.told.get(str(lane), {})}
        return evolve(self, cells=cells, told=told)

    def with_told(self, lane: int, data_type: str, news: str) -> _Memory:
        """
        Remember what *lane* is told.
        """
        last = {**self.told.get(str(lane), {}), data_type: news}
        return evolve(self, told={**self.told, str(lane): last})


class Places:
    """
    The last cells of the persons of one outbox.

    Args:
        db: Its file.

        lane: Gives the lane of a permit, or ``None`` if its grant has ended.

        kek: Gives the key that wraps lanes.
    """

    def __init__(
        self,
        db: Database,
        *,
        lane: Callable[[Connection, Permit], Lane | None],
        kek: Callable[[Connection], KEK],
    ) -> None:
        self._db = db
        self._lane = lane
        self._kek = kek

    def hold(
        self,
        permit: Permit,
        side_km: float,
        choose: Callable[[Cell | None], Cell],
    ) -> HeldPlace | None:
        """
        Hold the person of *permit* in a cell.

        Args:
            permit: What the place was read under.

            side_km: Side of the grid's cells.

            choose: Chooses the cell, from the last one of that side.

        Returns:
            The cell; or ``None`` if the grant has ended.

        Raises:
            StoreError: If it cannot be remembered; then there is no place.
        """
        with self._db.writing() as db:
            lane = self._lane(db, permit)
            if lane is None:
                return None
            known = self._memory(db, permit)
            chosen = choose(known.last(side_km))
            memory = known.with_last(chosen, lane.id)
            if memory != known:
                _write(db, self._kek(db), permit.entry.subject, memory)
        return HeldPlace(chosen, memory.secret)

    def is_news(
        self, db: Connection, permit: Permit, lane: Lane, news: str
    ) -> bool:
        """
        Tell whether *news* is another than the last, and note it.

        Args:
            db: The file, in a transaction for writing.

            permit: What the place was read under.

            lane: The lane of *permit*.

            news: Stands for the place.

        Raises:
            DamagedError: If what was told last cannot be opened.
        """
        known = self._memory(db, permit)
        memory = known.with_told(lane.id, permit.clause.type, news)
        if memory == known:
            return False
        _write(db, self._kek(db), permit.entry.subject, memory)
        return True

    def _memory(self, db: Connection, permit: Permit) -> _Memory:
        """
        Open the memory of a permit's person, or make a new one.
        """
        subject = permit.entry.subject
        row = db.execute(
            "SELECT sealed FROM places WHERE subject = ?", (subject,)
        ).fetchone()
        if row is None:
            return _Memory(os.urandom(_SECRET_BYTES))
        kek = self._kek(db)
        with suppress(Exception):  # its frames hold where somebody was
            return _opened(kek, subject, row[0])
        raise DamagedError(
            self._db.path,
            problem="the last places cannot be opened",
            cure="restore the file and its key folder together, or move "
            "both away to start anew",
        )

    def forget(self, db: Connection) -> None:
        """
        Forget the persons who have no lane any more.

        Args:
            db: The file, in the transaction in which lanes have ended.
        """
        db.execute(
            "DELETE FROM places WHERE subject NOT IN "
            "(SELECT subject FROM lanes)"
        )

    def rewrap(self, db: Connection, old: KEK, new: KEK) -> None:
        """
        Seal anew what a lane still needs, and forget the rest.

        Args:
            db: The file, in the transaction in which lanes have ended.

            old: What lanes were wrapped with until now.

            new: What they are wrapped with from now on.
        """
        live = {str(lane) for (lane,) in db.execute("SELECT id FROM lanes")}
        for subject, sealed in db.execute("SELECT * FROM places").fetchall():
            memory = None
            with suppress(Exception):  # its frames hold where somebody was
                memory = _opened(old, subject, sealed)
            if memory is None:
                # What is damaged stays so; it is no other's concern.
                continue
            told = {k: v for k, v in memory.told.items() if k in live}
            if told:
                _write(db, new, subject, evolve(memory, told=told))
            else:
                db.execute("DELETE FROM places WHERE subject = ?", (subject,))


def _write(db: Connection, kek: KEK, subject: str, memory: _Memory) -> None:
    plain = json.dumps(
        {
            "secret": memory.secret.hex(),
            "cells": memory.cells,
            "told": memory.told,
        }
    )
    nonce = os.urandom(_NONCE_BYTES)
    bound = _bound(kek, subject)
    sealed = AESGCM(kek.key).encrypt(nonce, plain.encode(), bound)
    db.execute(
        "INSERT OR REPLACE INTO places VALUES (?, ?)",
        (subject, nonce + sealed),
    )


def _opened(kek: KEK, subject: str, sealed: Any) -> _Memory:
    """
    Open one memory.

    Raises:
        InvalidTag: If it was sealed with another key, or changed.
    """
    nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    plain = AESGCM(kek.key).decrypt(nonce, body, _bound(kek, subject))
    raw = json.loads(plain)
    return _Memory(bytes.fromhex(raw["secret"]), raw["cells"], raw["told"])


def _bound(kek: KEK, subject: str) -> bytes:
    return f"consentkit places 1\0{kek.id}\0{subject}".encode()
