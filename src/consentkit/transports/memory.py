# SPDX-License-Identifier: MIT
"""
Delivery into this process's own memory, for tests and examples.
"""

from __future__ import annotations

import threading

from collections.abc import Set as AbstractSet
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consentkit.exceptions import TransportError
from consentkit.transports.base import Answer, Outcome, Transport


if TYPE_CHECKING:
    from consentkit.outbox.drops import DropReport
    from consentkit.outbox.records import Batch, Erasure, Record


__all__ = ["MemoryTransport"]


class MemoryTransport(Transport):
    """
    Keep what is sent, as a backend would: once, and until it is erased.

    Each transport has a memory of its own, whatever its name.

    Args:
        url: ``memory://NAME``; the name is for people.

    Attributes:
        batches: Batches that came with at least one new record, in order;
            an erasure takes out those of its grant.

        records: New records, in order of arrival; likewise.

        erasures: Erasure requests, each once, in order.

        drops: Drop reports, each once, in order.

    Raises:
        TransportError: If *url* is of another scheme.

    What leaks:
        Nothing leaves the process. The memory is not encrypted and is kept
        until the transport is gone.
    """

    seals = True
    capabilities: AbstractSet[str] = frozenset(
        {"encrypted", "no-address", "region"}
    )

    def __init__(self, url: str = "memory://") -> None:
        if urlsplit(url).scheme != "memory":
            msg = "the URL of a MemoryTransport is memory://NAME"
            raise TransportError(msg)
        self.name = url
        self.batches: list[Batch] = []
        self.records: list[Record] = []
        self.erasures: list[Erasure] = []
        self.drops: list[DropReport] = []
        self._erased: set[str] = set()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<MemoryTransport {self.name}: {len(self.records)} records>"

    def _send(self, batch: Batch) -> Answer:
        with self._lock:
            if batch.erase in self._erased:
                ids = batch.ids
                return Answer(
                    outcomes=dict.fromkeys(ids, Outcome.REJECTED),
                    problem=f"{self.name}: these records were erased",
                )
            known = {record.id for record in self.records}
            outcomes = {}
            for record in batch.records:
                if record.id in known:
                    outcomes[record.id] = Outcome.DUPLICATE
                    continue
                known.add(record.id)
                self.records.append(record)
                outcomes[record.id] = Outcome.DELIVERED
            if Outcome.DELIVERED in outcomes.values():
                self.batches.append(batch)
            return Answer(outcomes=outcomes)

    def _erase(self, erasure: Erasure) -> Answer:
        digest = sha256(bytes.fromhex(erasure.token)).hexdigest()
        with self._lock:
            gone = {
                record.id
                for batch in self.batches
                if batch.erase == digest
                for record in batch.records
            }
            self.batches = [b for b in self.batches if b.erase != digest]
            self.records = [r for r in self.records if r.id not in gone]
            outcome = Outcome.DELIVERED
            if digest in self._erased:
                outcome = Outcome.DUPLICATE
            self._erased.add(digest)
            if erasure.id not in {one.id for one in self.erasures}:
                self.erasures.append(erasure)
            return Answer(outcomes={erasure.id: outcome})

    def _report(self, report: DropReport) -> Answer:
        with self._lock:
            outcome = Outcome.DUPLICATE
            if report.id not in {one.id for one in self.drops}:
                self.drops.append(report)
                outcome = Outcome.DELIVERED
            return Answer(outcomes={report.id: outcome})
