# SPDX-License-Identifier: MIT
"""
In which place the KEK of one outbox is, and where the next one goes.

A KEK stays where it was made. A new one goes into the key store of the
system, where there is one that protects; else into a file. As each withdrawal
makes a new one, it moves to the better place by itself.
"""

from __future__ import annotations

import logging
import os

from pathlib import Path

from consentkit.exceptions import StoreError
from consentkit.outbox.keys import KEK, KEKPlace, KeyFolder, Protection
from consentkit.outbox.keystore import KeyStore


__all__ = ["KEKPlaces"]


class KEKPlaces:
    """
    The places in which the KEK of one outbox may be.

    Args:
        folder: For the file, and for notes of what is in the key store.
    """

    def __init__(self, folder: Path) -> None:
        self._file = KeyFolder(folder)
        self._store = KeyStore(folder)

    def make(self) -> KEK:
        """
        Make a new KEK in the best place that takes it.

        Raises:
            UnwritableError: If not even a file can be made.
        """
        forced = os.environ.get("CONSENTKIT_KEYSTORE") == "file"
        if not forced and self._store.is_there():
            try:
                return self._store.make()
            except StoreError as error:
                # No record and no withdrawal is lost for it.
                logging.getLogger("consentkit").warning(
                    "the key of the outbox goes into a file: %s", error
                )
        return self._file.make()

    def load(self, kek_id: str, *, is_to_go: bool = False) -> KEK:
        """
        Read the KEK that the outbox names, from where it is.

        Args:
            kek_id: Its id, in the outbox.

        Args:
            is_to_go: Whether it is only read to be replaced.

        Raises:
            StoreError: If it cannot be read now.

            DamagedError: If it is not there, or not a key.
        """
        return self._place(kek_id).load(kek_id, is_to_go=is_to_go)

    def ids(self) -> frozenset[str]:
        """
        Name all KEKs that are there, what a crash left behind included.
        """
        return self._file.ids() | self._store.ids()

    def has_others(self, kek_id: str) -> bool:
        """
        Tell whether there is another KEK, which a crash left behind.
        """
        return bool(self.ids() - {kek_id})

    def keep_only(self, kek_id: str) -> None:
        """
        Destroy every other KEK, what a crash left behind included.

        Raises:
            UnwritableError: If one cannot be destroyed.
        """
        try:
            self._store.keep_only(kek_id)
        finally:
            self._file.keep_only(kek_id)

    def protection(self, kek_id: str) -> Protection:
        """
        Tell where a KEK is, and what that protects against.
        """
        return self._place(kek_id).protection

    def _place(self, kek_id: str) -> KEKPlace:
        # One that is in neither is missed as a file.
        return self._store if self._store.holds(kek_id) else self._file
