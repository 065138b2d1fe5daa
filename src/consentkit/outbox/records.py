# SPDX-License-Identifier: MIT
"""
Records and batches: what waits in the outbox and what goes to a transport.
"""

from __future__ import annotations

import os
import time

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import field, frozen

from consentkit.typing import JSON


if TYPE_CHECKING:
    from consentkit.seal import SealKey


__all__ = ["Batch", "Erasure", "Record", "new_id"]


@frozen(kw_only=True)
class Record:
    """
    One protected observation on its way, with all that explains it.

    Attributes:
        id: Made at capture and stable for ever; a receiver de-duplicates
            by it.

        function, data_type, purpose, recipient: The clause that it rests
            on.

        protection, privacy_class: What was done to the value, and what the
            result may be called.

        value: The protected value; absent from the ``repr``.

        captured_at, expires_at: Instants in UTC.

        consent: Hash of the ledger entry; on its way to a recipient,
            what stands for it there and nowhere else.

        policy_version: Version of the policy's text.
    """

    id: str
    function: str
    data_type: str
    purpose: str
    recipient: str
    protection: str
    privacy_class: str
    value: JSON = field(repr=False)
    captured_at: datetime
    expires_at: datetime
    consent: str
    policy_version: str

    def as_json(self) -> dict[str, JSON]:
        """
        Give the form that goes over the wire and into the outbox.
        """
        return {
            "id": self.id,
            "function": self.function,
            "data_type": self.data_type,
            "purpose": self.purpose,
            "recipient": self.recipient,
            "protection": self.protection,
            "class": self.privacy_class,
            "value": self.value,
            "captured_at": self.captured_at.isoformat(timespec="milliseconds"),
            "expires_at": self.expires_at.isoformat(timespec="milliseconds"),
            "consent": self.consent,
            "policy_version": self.policy_version,
        }


@frozen(kw_only=True)
class Batch:
    """
    Records of one grant on their way to one recipient.

    Attributes:
        id: Idempotency key; the same records keep it over all tries.

        erase: SHA-256, in hex, of the token that later entitles to erase
            these records.

        records: Read when somebody looks at them.

        seal_for: The recipient's key, if it is sealed on its way.
    """

    id: str
    recipient: str
    erase: str
    records: Sequence[Record]
    seal_for: SealKey | None = None

    @property
    def ids(self) -> list[str]:
        """
        Ids of its records; a value need not be read for that.
        """
        known: list[str] | None = getattr(self.records, "ids", None)
        return [one.id for one in self.records] if known is None else known

    @property
    def first_end(self) -> datetime | None:
        """
        When the first of its records expires; ``None`` if it has none.
        """
        known: datetime | None = getattr(self.records, "first_end", None)
        if known is not None:
            return known
        return min((one.expires_at for one in self.records), default=None)

    def as_json(self) -> dict[str, JSON]:
        """
        Give the body of a delivery, format 1.
        """
        return {
            "format": 1,
            "batch": self.id,
            "recipient": self.recipient,
            "erase": self.erase,
            "records": [record.as_json() for record in self.records],
        }


@frozen(kw_only=True)
class Erasure:
    """
    A request to erase all that was delivered under one grant.

    Attributes:
        id: Idempotency key of the request.

        token: 32 random bytes, in hex; whoever shows the token whose digest
            the batches carried is entitled to the erasure.

        seal_for: The recipient's key, if it is sealed on its way.
    """

    id: str
    recipient: str
    token: str = field(repr=False)
    requested_at: datetime
    seal_for: SealKey | None = None

    def as_json(self) -> dict[str, JSON]:
        """
        Give the body of an erasure request, format 1.
        """
        return {
            "format": 1,
            "erasure": self.id,
            "recipient": self.recipient,
            "token": self.token,
            "requested_at": self.requested_at.isoformat(
                timespec="milliseconds"
            ),
        }


def new_id(at: datetime | None = None) -> str:
    """
    Make a UUID of version 7: sortable by time, 74 random bits.

    Args:
        at: The time that it tells; by default now, to the millisecond.

    Source: RFC 9562, 5.7.
    """
    stamp = time.time_ns() // 1_000_000
    if at is not None:
        stamp = int(at.timestamp() * 1000)
    random = int.from_bytes(os.urandom(10), "big")
    value = (stamp & (2**48 - 1)) << 80 | 0x7 << 76
    value |= (random >> 68 & 0xFFF) << 64 | 0b10 << 62 | random & (2**62 - 1)
    return str(UUID(int=value))
