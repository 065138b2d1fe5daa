# SPDX-License-Identifier: MIT
"""
Delivery by HTTP: a batch as JSON, an outcome for each record.

The formats are in ``docs/wire-format.md``. Only an answer that says so makes
a record delivered: everything else, a redirect or a refusal of the whole
batch included, means *try again*.

Durations are float seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from consentkit.transports._answers import (
    again,
    read_erased,
    read_outcomes,
    read_reported,
)
from consentkit.transports._http import HTTPClient, Reply
from consentkit.transports._posting import PostingTransport
from consentkit.transports.base import Answer, Outcome
from consentkit.transports.parcel import Parcel, pack


if TYPE_CHECKING:
    import ssl

    from consentkit.outbox.drops import DropReport
    from consentkit.outbox.records import Batch, Erasure


__all__ = ["HTTPSTransport"]


class HTTPSTransport(PostingTransport):
    """
    Post batches to ``URL/batches``, erasures to ``URL/erasures`` and drop
    reports to ``URL/drops``.

    Args:
        url: Where to; ``https://``, or ``http://`` to this machine alone. No
            credentials, query or fragment.

        client: The app's own ``httpx.Client``, which stays its to close. It
            should serve this transport alone. Its trust and its proxies are
            the app's affair.

        token: Sent as a bearer token.

        timeout_seconds: The most that one delivery may take, all in all.

        verify: Whom to trust in place of the usual authorities: a file or
            folder of CA certificates, or an ``ssl.SSLContext``. Trust cannot
            be switched off.

        plain_answers: Whether any success (2xx) means that all of a batch is
            stored, or an erasure carried out, whatever the answer says: for a
            backend that knows nothing of `docs/wire-format.md`. A proxy that
            answers in its place, such as that of a hotel, takes the records
            then; without this nothing is lost to it.

    Raises:
        TransportError: If one of them cannot be used.

    What leaks:
        The backend and whoever carries the bytes see the sender's address,
        the time and the size. The header carries the version of consentkit,
        the batch's id and the token, and nothing else of this installation.
    """

    seals = True

    def __init__(
        self,
        url: str,
        *,
        client: HTTPClient | None = None,
        token: str | None = None,
        timeout_seconds: float = 10.0,
        verify: ssl.SSLContext | str | Path | None = None,
        plain_answers: bool = False,
    ) -> None:
        self._plain_answers = plain_answers
        super().__init__(
            url,
            client=client,
            token=token,
            timeout_seconds=timeout_seconds,
            verify=verify,
        )

    def _send(self, batch: Batch) -> Answer:
        self._tell_unsealed(batch)
        got = self._put("batches", pack(batch))
        if isinstance(got, str):
            return self._named(again(batch.ids, got))
        if self._plain_answers and 200 <= got.status < 300:
            return Answer(every=Outcome.DELIVERED)
        return self._named(read_outcomes(got, batch, self.name))

    def _erase(self, erasure: Erasure) -> Answer:
        got = self._put("erasures", pack(erasure))
        if isinstance(got, str):
            return self._named(again([erasure.id], got))
        if self._plain_answers and 200 <= got.status < 300:
            return Answer(outcomes={erasure.id: Outcome.DELIVERED})
        return self._named(read_erased(got, erasure.id, self.name))

    def _report(self, report: DropReport) -> Answer:
        got = self._put("drops", pack(report))
        if isinstance(got, str):
            return self._named(again([report.id], got))
        if self._plain_answers and 200 <= got.status < 300:
            return Answer(outcomes={report.id: Outcome.DELIVERED})
        return self._named(read_reported(got, report.id, self.name))

    def _put(self, path: str, parcel: Parcel) -> Reply | str:
        headers = {
            "Content-Type": parcel.media_type,
            "Idempotency-Key": parcel.id,
        }
        return self._post(path, parcel.body, headers)
