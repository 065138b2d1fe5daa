# SPDX-License-Identifier: MIT
"""
Opening what was sealed for the receiver.
"""

from __future__ import annotations

import threading

from contextlib import suppress
from typing import TYPE_CHECKING

from consentkit.exceptions import StoreError, UnknownKeyError
from consentkit.receiver._read import FormatError
from consentkit.seal import Head, KeyRing, open_envelope


if TYPE_CHECKING:
    from consentkit.outbox.records import Batch, Erasure
    from consentkit.receiver.drops import DropReport


__all__ = ["Opener", "check_head"]


class Opener:
    """
    Opens envelopes with the keys of one file.

    A key that is not known yet may have come to the file meanwhile, so it is
    read again then. One that was taken out is held until that, or the end of
    the process.

    Args:
        ring: The keys.

        most_bytes: The most that an envelope may open to.
    """

    def __init__(self, ring: KeyRing, most_bytes: int) -> None:
        self._ring = ring
        self._most_bytes = most_bytes
        self._lock = threading.Lock()

    def open(self, envelope: bytes) -> tuple[Head, bytes]:
        """
        Open an envelope.

        Raises:
            EnvelopeError: If that cannot be done.
        """
        ring = self._ring
        try:
            return self._open(ring, envelope)
        except UnknownKeyError:
            if self._read_again() is ring:
                raise
        return self._open(self._ring, envelope)

    def _open(self, ring: KeyRing, envelope: bytes) -> tuple[Head, bytes]:
        return open_envelope(envelope, ring.keys, most_bytes=self._most_bytes)

    def _read_again(self) -> KeyRing:
        # Where it cannot be read, what was read before goes on.
        with self._lock, suppress(StoreError):
            found = KeyRing.load(self._ring.path)
            if found != self._ring:
                self._ring = found
        return self._ring


def check_head(
    head: Head, kind: str, what: Batch | Erasure | DropReport, records: int
) -> None:
    """
    Hold what stood outside against what was inside.

    Args:
        head: Of the envelope.

        kind: What it was taken for.

        what: What was in it.

        records: How many records, those included that are refused.

    Raises:
        FormatError: If they do not say the same.
    """
    if (head.kind, head.id, head.recipient, head.count, head.erase) != (
        kind,
        what.id,
        what.recipient,
        records,
        getattr(what, "erase", ""),
    ):
        root, problem = "$", "does not say what the head of the envelope says"
        raise FormatError(root, problem)
