# SPDX-License-Identifier: MIT
"""
Delivery to a collector of OpenTelemetry: logs by OTLP/HTTP, as JSON.

What goes over the wire is in ``docs/transports/otlp.md``. OTLP knows no batch
that comes again, no outcome for a single record, no envelope and no erasure;
what follows from each is there too.

Durations are float seconds.

Source: opentelemetry-proto 03dcdb9, docs/specification.md, "OTLP/HTTP".
"""

from __future__ import annotations

import re

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentkit.exceptions import TransportError
from consentkit.transports._answers import again, not_taken, read_document
from consentkit.transports._http import HTTPClient, Reply
from consentkit.transports._otlp import write_batch, write_erasure
from consentkit.transports._posting import PostingTransport, version
from consentkit.transports.base import Answer, Outcome


if TYPE_CHECKING:
    import ssl

    from consentkit.outbox.records import Batch, Erasure


__all__ = ["OTLPTransport"]

_HEADER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER_VALUE: Final = re.compile(r"[!-~]([ -~]{0,4094}[!-~])?")
#: Headers that are ours, or the library's.
_TAKEN: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "idempotency-key",
        "referer",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
_CURES: Final[Mapping[int, str]] = {
    200: "OTLP has it that success is status 200; check the URL",
    400: "it does not take this request; check that it is a collector that "
    "takes OTLP/HTTP in JSON",
    401: "check the token and the headers",
    403: "check the token and the headers",
    404: "check the URL; /v1/logs is added to it, and the collector needs a "
    "pipeline for logs",
    405: "check the URL",
    407: "the proxy wants credentials; check HTTPS_PROXY",
    410: "check the URL",
    413: "the batch is too large for it",
    415: "check that the collector takes OTLP/HTTP in JSON",
    429: "it asks for a pause",
    503: "it asks for a pause",
}


class OTLPTransport(PostingTransport):
    """
    Post records as logs to ``URL/v1/logs``.

    Args:
        url: Where to; ``otlp+https://``, or ``otlp+http://`` to this machine
            alone. No credentials, query or fragment.

        client: The app's own ``httpx.Client``, which stays its to close. It
            should serve this transport alone. Its trust and its proxies are
            the app's affair.

        headers: Headers to send beside ours, such as the key that a hosted
            collector wants.

        service_name: The resource's ``service.name``.

        timeout_seconds: The most that one delivery may take, all in all.

        token: Sent as a bearer token.

        verify: Whom to trust in place of the usual authorities: a file or
            folder of CA certificates, or an ``ssl.SSLContext``. Trust cannot
            be switched off.

    Raises:
        TransportError: If one of them cannot be used.

    What leaks:
        The collector, and each system that it passes logs on to, reads the
        records: they are not sealed. Whoever carries the bytes sees the
        sender's address, the time and the size. The header carries the
        version of consentkit, the batch's id, the token and *headers*.

    .. versionadded:: 26.1.0
    """

    _prefix = "otlp+"

    def __init__(
        self,
        url: str,
        *,
        client: HTTPClient | None = None,
        headers: Mapping[str, str] | None = None,
        service_name: str = "unknown_service",
        timeout_seconds: float = 10.0,
        token: str | None = None,
        verify: ssl.SSLContext | str | Path | None = None,
    ) -> None:
        super().__init__(
            url,
            client=client,
            token=token,
            timeout_seconds=timeout_seconds,
            verify=verify,
        )
        self._headers = _read_headers(headers or {}, has_token=bool(token))
        if not (service_name and service_name.isprintable()):
            msg = "service_name must be a printable text, and not empty"
            raise TransportError(msg)
        self._service_name = service_name

    def _send(self, batch: Batch) -> Answer:
        self._tell_unsealed(batch)
        ids = batch.ids
        body = write_batch(
            batch, service=self._service_name, version=version()
        )
        got = self._put(batch.id, body)
        if isinstance(got, str):
            return self._named(again(ids, got))
        return self._named(_read_taken(got, ids, self.name))

    def _erase(self, erasure: Erasure) -> Answer:
        body = write_erasure(
            erasure, service=self._service_name, version=version()
        )
        got = self._put(erasure.id, body)
        if isinstance(got, str):
            return self._named(again([erasure.id], got))
        answer = _read_taken(got, [erasure.id], self.name)
        if answer.outcomes[erasure.id] is Outcome.REJECTED:
            # Final for OTLP; but a request to erase may not be lost.
            answer = again(
                [erasure.id],
                "it rejected the request to erase; let it take log records "
                "with the event name consentkit.erasure",
            )
        return self._named(answer)

    def _put(self, id_: str, body: bytes) -> Reply | str:
        ours = {"Content-Type": "application/json", "Idempotency-Key": id_}
        return self._post("v1/logs", body, {**self._headers, **ours})


def _read_headers(
    headers: Mapping[str, str], *, has_token: bool
) -> dict[str, str]:
    """
    Check *headers*; no message repeats one's value.
    """
    names: set[str] = set()
    for name, value in headers.items():
        lower = name.lower()
        if not _HEADER.fullmatch(name):
            msg = (
                "the name of a header in headers must be letters, digits, "
                "hyphens and underscores"
            )
        elif not _HEADER_VALUE.fullmatch(value):
            msg = (
                f"headers: the value of {name} must be visible ASCII "
                "characters, with blanks only between them"
            )
        elif lower in _TAKEN:
            msg = f"headers: {name} is not yours to set; leave it out"
        elif lower in names or (has_token and lower == "authorization"):
            msg = f"headers: {name} is given twice; give it once"
        else:
            names.add(lower)
            continue
        raise TransportError(msg)
    return dict(headers)


def _read_taken(reply: Reply, ids: Sequence[str], origin: str) -> Answer:
    """
    Read what became of log records.
    """
    if reply.status != 200:
        return not_taken(reply, ids, origin, cures=_CURES)
    found = read_document(reply)
    if isinstance(found, str):
        return again(ids, found)
    part: Any = {}
    if found:  # an empty answer is the full success
        part = found.get("partialSuccess", "")
        part = {} if part is None else part  # as JSON of Protobuf has it
    rejected = _rejected(part)
    if rejected is None or rejected > len(ids):
        return again(ids, "answered with no word of OTLP; check the URL")
    outcome = Outcome.DELIVERED
    problem = ""
    if rejected:
        problem = f"rejected {rejected} of {len(ids)} records"
    elif part.get("errorMessage"):
        problem = "took all, with a warning; look into the collector's log"
    if rejected == len(ids):
        outcome = Outcome.REJECTED
    elif rejected:
        # Some are there, so all must count as there: else nobody would ask
        # to erase them.
        problem += " and did not say which; all count as delivered"
    return Answer(outcomes=dict.fromkeys(ids, outcome), problem=problem)


def _rejected(part: object) -> int | None:
    """
    Read how many records were rejected, from ``partialSuccess``.
    """
    if not isinstance(part, dict):
        return None
    # 64-bit numbers are texts in the JSON of Protobuf; both are allowed.
    count = part.get("rejectedLogRecords", 0)
    if isinstance(count, str) and re.fullmatch(r"[0-9]{1,19}", count):
        return int(count)
    if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
        return count
    return None
