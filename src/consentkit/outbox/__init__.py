# SPDX-License-Identifier: MIT
"""
Is it safe until delivered, and gone when withdrawn?
"""

from __future__ import annotations

from consentkit.outbox.drops import Dropped, DropReport
from consentkit.outbox.keys import Protection
from consentkit.outbox.records import Batch, Erasure, Record
from consentkit.outbox.status import LaneStatus, OutboxStatus
from consentkit.outbox.store import OutboxStore


__all__ = [
    "Batch",
    "DropReport",
    "Dropped",
    "Erasure",
    "LaneStatus",
    "OutboxStatus",
    "OutboxStore",
    "Protection",
    "Record",
]
