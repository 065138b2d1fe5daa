# SPDX-License-Identifier: MIT
"""
All bounds of the library in one record.
"""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen
from attrs.validators import in_


__all__ = ["Limits"]


@frozen(kw_only=True)
class Limits:
    """
    Bounds of the outbox and of delivery.

    Attributes:
        records: Most records that wait.

        outbox_bytes: Most bytes of sealed records that wait.

        when_full: What happens to a capture beyond either: it is refused
            (``refuse``), or the oldest records that are not on their way go
            for it, up to a batch at a time, whosesoever they are
            (``oldest``). Both are counted, and told to the recipients.

        record_bytes: Most bytes of one record in the clear.

        batch_records: Most records of one batch.

        memory_bytes: Most bytes of what is captured while the disk takes
            nothing; a capture beyond is refused.

        held_records: Most events that wait for an answer, in memory or in
            quarantine; beyond, the oldest in memory goes, and quarantine
            takes no more.

        held_seconds: How long they wait at most.

        flush_seconds: How long a flush goes on before it stops between two
            batches.

        withdraw_wait_seconds: How long a withdrawal waits for a batch that
            another process has under way.
    """

    records: int = 100_000
    outbox_bytes: int = 64 * 1024 * 1024
    when_full: Literal["refuse", "oldest"] = field(
        default="refuse", validator=in_(("refuse", "oldest"))
    )
    record_bytes: int = 64 * 1024
    batch_records: int = 200
    memory_bytes: int = 4 * 1024 * 1024
    held_records: int = 1_000
    held_seconds: int = 7 * 86_400
    flush_seconds: float = 30.0
    withdraw_wait_seconds: float = 2.0
