# SPDX-License-Identifier: MIT
"""
What is done with a document, by whatever way it came: read it, hold it
against what is said of it, ask the store, say what became of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from consentkit.receiver._open import check_head
from consentkit.receiver._read import (
    FormatError,
    parse,
    read_batch,
    read_erasure,
)
from consentkit.receiver.drops import read_drops


if TYPE_CHECKING:
    from consentkit.receiver.base import RecordStore
    from consentkit.receiver.metrics import Metrics
    from consentkit.receiver.tenants import Tenant
    from consentkit.seal import Head


__all__ = ["Desk", "ForeignError", "TooManyError"]

_Document = Mapping[str, Any]


class ForeignError(Exception):
    """
    The document is for a recipient whose records this sender may not bring.
    """


class TooManyError(Exception):
    """
    The batch has more records than are taken at a time.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


class Desk:
    """
    Takes documents; for several threads.

    Args:
        store: Where records go.

        most_records: Most records of one batch.

        metrics: What counts.
    """

    def __init__(
        self, store: RecordStore, most_records: int, metrics: Metrics
    ) -> None:
        self._store = store
        self._most = most_records
        self._metrics = metrics

    def take(
        self,
        route: str,
        head: Head | None,
        body: bytes,
        *,
        tenant: Tenant,
        key: str = "",
    ) -> _Document:
        """
        Take a document, and give the answer.

        Args:
            route: ``batches``, ``erasures`` or ``drops``.

            head: Of the envelope that it came in, if it came in one.

            body: The document.

            tenant: Who brings it.

            key: The id that the carrier says it has; empty if none says.

        Raises:
            FormatError: If it is faulty.

            ForeignError: If it is not for one of the tenant's recipients.

            TooManyError: If a batch is too large.

            StoreError: If the store cannot be used.
        """
        take = _TAKERS[route]
        return take(self, head, parse(body), tenant, key)

    def _take_batch(
        self, head: Head | None, document: object, tenant: Tenant, key: str
    ) -> _Document:
        batch, refused = read_batch(document)
        _check_key(key, batch.id)
        total = len(batch.records) + len(refused)
        if head is not None:
            check_head(head, "batch", batch, total)
        _check_tenant(tenant, batch.recipient)
        if total > self._most:
            raise TooManyError(self._most)
        verdicts = self._store.put(batch, refused=len(refused))
        said = Counter((v.outcome, v.reason) for v in verdicts.values())
        if refused:
            said["rejected", "invalid"] += len(refused)
        for (outcome, reason), count in said.items():
            self._metrics.add(
                "records_total", count, outcome=outcome, reason=reason
            )
        outcomes: list[_Document] = [
            {"id": i, "outcome": one.outcome}
            | ({"reason": one.reason} if one.reason else {})
            for i, one in verdicts.items()
        ]
        outcomes += [
            {
                "id": one.id,
                "outcome": "rejected",
                "reason": "invalid",
                "path": one.path,
                "problem": one.problem,
            }
            for one in refused
        ]
        return {"batch": batch.id, "outcomes": outcomes}

    def _take_erasure(
        self, head: Head | None, document: object, tenant: Tenant, key: str
    ) -> _Document:
        erasure = read_erasure(document)
        _check_key(key, erasure.id)
        if head is not None:
            check_head(head, "erasure", erasure, 0)
        _check_tenant(tenant, erasure.recipient)
        done = self._store.erase(erasure.token)
        self._metrics.add("erasures_total", outcome=done.outcome)
        if done.outcome == "erased":
            self._metrics.add("erased_records_total", done.records)
        return {
            "erasure": erasure.id,
            "outcome": done.outcome,
            "records": done.records,
        }

    def _take_drops(
        self, head: Head | None, document: object, tenant: Tenant, key: str
    ) -> _Document:
        report = read_drops(document)
        _check_key(key, report.id)
        if head is not None:
            check_head(head, "drops", report, 0)
        _check_tenant(tenant, report.recipient)
        outcome = "duplicate"
        if self._store.note_drops(report):
            outcome = "stored"
            dropped: Counter[str] = Counter()
            for one in report.drops:
                dropped[one.reason] += one.count
            self._metrics.add_dropped(dropped)
        self._metrics.add("drop_reports_total", outcome=outcome)
        return {"report": report.id, "outcome": outcome}


_TAKERS: Final = {
    "batches": Desk._take_batch,  # noqa: SLF001 - its own
    "erasures": Desk._take_erasure,  # noqa: SLF001
    "drops": Desk._take_drops,  # noqa: SLF001
}


def _check_tenant(tenant: Tenant, recipient: str) -> None:
    if not tenant.may_bring(recipient):
        raise ForeignError


def _check_key(key: str, expected: str) -> None:
    if key not in ("", expected):
        path, problem = (
            "",
            "the header Idempotency-Key is not the id in the body",
        )
        raise FormatError(path, problem)
