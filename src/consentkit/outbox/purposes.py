# SPDX-License-Identifier: MIT
"""
The purposes of what waits: a number for each, and what it is sealed.

An entry says by number what it is kept for, so that what waits can be counted
by purpose without opening it. Which purpose a number stands for is sealed
under the key that wraps the lanes, since nothing else beside a record tells
it. A number is never given twice.
"""

from __future__ import annotations

import os

from collections.abc import Callable
from contextlib import suppress
from sqlite3 import Connection
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consentkit.outbox.keys import KEK


__all__ = ["Purposes", "is_of"]

_NONCE_BYTES: Final = 12

#: What a header has room for; more would not be counted by themselves.
_MOST: Final = (1 << 16) - 1

_NOT_OURS: Final = (InvalidTag, TypeError, ValueError)


class Purposes:
    """
    The purposes of one outbox.

    Args:
        kek: Gives the key that wraps lanes.
    """

    def __init__(self, *, kek: Callable[[Connection], KEK]) -> None:
        self._kek = kek
        #: Those that were opened, by what they were opened from: another
        #: file may have another one under the same number.
        self._opened: dict[object, str] = {}

    def numbers(self, db: Connection) -> dict[str, int]:
        """
        Give the number of each purpose that has one.

        One that is damaged is passed over; it gets another.
        """
        found: dict[str, int] = {}
        for number, sealed in db.execute(
            "SELECT number, sealed FROM purposes ORDER BY number"
        ).fetchall():
            name = self._opened.get(sealed)
            if name is None:
                with suppress(*_NOT_OURS):
                    name = _open(self._kek(db), number, sealed)
                    self._opened[sealed] = name
            if name is not None:
                found[name] = number
        return found

    def number(self, db: Connection, purpose: str) -> int:
        """
        Give the number of *purpose*, a new one if need be; 0 where there are
        no more.

        Args:
            db: The file, in a transaction for writing.

            purpose: Its id.
        """
        known = self.numbers(db).get(purpose)
        if known is not None:
            return known
        (last,) = db.execute(
            "SELECT COALESCE(MAX(number), 0) FROM purposes"
        ).fetchone()
        if last >= _MOST:
            return 0
        sealed = _seal(self._kek(db), last + 1, purpose)
        db.execute(
            "INSERT INTO purposes (number, sealed) VALUES (?, ?)",
            (last + 1, sealed),
        )
        return int(last) + 1

    def rewrap(self, db: Connection, old: KEK, new: KEK) -> None:
        """
        Seal all of them under another key.

        Args:
            db: The file, in the transaction in which lanes have ended.

            old: What lanes were wrapped with until now.

            new: What they are wrapped with from now on.
        """
        for number, sealed in db.execute(
            "SELECT number, sealed FROM purposes"
        ).fetchall():
            # One that is damaged stays so.
            with suppress(*_NOT_OURS):
                name = _open(old, number, sealed)
                db.execute(
                    "UPDATE purposes SET sealed = ? WHERE number = ?",
                    (_seal(new, number, name), number),
                )
        self._opened.clear()


def is_of(kek: KEK, number: int, sealed: bytes) -> bool:
    """
    Tell whether what stands for a number was sealed with a KEK.
    """
    with suppress(*_NOT_OURS):
        _open(kek, number, sealed)
        return True
    return False


def _seal(kek: KEK, number: int, purpose: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(kek.key).encrypt(
        nonce, purpose.encode(), _bound(kek, number)
    )
    return nonce + sealed


def _open(kek: KEK, number: int, sealed: Any) -> str:
    nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    plain = AESGCM(kek.key).decrypt(nonce, body, _bound(kek, number))
    return plain.decode()


def _bound(kek: KEK, number: int) -> bytes:
    return f"consentkit purpose 1\0{kek.id}\0{number}".encode()
