# SPDX-License-Identifier: MIT
"""
What transports by HTTP share: the address, the options and the line.

Durations are float seconds.
"""

from __future__ import annotations

import logging
import math
import os
import re

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import urlsplit

from attrs import evolve, frozen

from consentkit.exceptions import TransportError
from consentkit.transports._http import HTTPClient, Reply, make_client
from consentkit.transports._line import Line
from consentkit.transports._loopback import encrypted, is_loopback
from consentkit.transports._token import SHOWABLE, is_token
from consentkit.transports.base import Answer, Transport


if TYPE_CHECKING:
    import ssl

    from consentkit.outbox.records import Batch


__all__ = ["PostingTransport", "version"]

logger: logging.Logger = logging.getLogger("consentkit")

_HOST: Final = re.compile(r"[\w.-]{1,253}|[0-9a-fA-F:.]{2,45}")


class PostingTransport(Transport):
    """
    A transport of which each transfer is one POST.

    Args:
        url: Where to, over TLS, or in the clear to this machine alone. No
            credentials, query or fragment.

        client: The app's own client, or ``None`` for one of ours.

        token: Sent as a bearer token.

        timeout_seconds: The most that one transfer may take, all in all.

        verify: Whom to trust in place of the usual authorities.

    Raises:
        TransportError: If one of them cannot be used.
    """

    #: What stands before ``https:`` in its URLs.
    _prefix: ClassVar[str] = ""

    def __init__(
        self,
        url: str,
        *,
        client: HTTPClient | None,
        token: str | None,
        timeout_seconds: float,
        verify: ssl.SSLContext | str | Path | None,
    ) -> None:
        place = _read_url(url, self._prefix)
        _check_options(client, token, timeout_seconds, verify)
        self.name: str = place.origin
        self._url = place.base
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._client = client
        self._is_near = place.is_loopback
        self._told_of: set[str] = set()
        direct = place.host if place.is_loopback else None
        is_plain = place.base.startswith("http:")
        self.capabilities: AbstractSet[str] = encrypted(
            is_tls=not is_plain, is_near=place.is_loopback
        )
        self._make = partial(make_client, verify, direct, is_plain=is_plain)
        self._line: Line | None = None
        self._pid = os.getpid()
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def cancel(self) -> None:
        """
        Cut the transfer under way short, from any thread.

        The connection is broken off, what still waits in the system's buffer
        is thrown away, and the records count as *try again*: the backend may
        have them, or not.
        """
        if self._line is not None and self._line.pid == os.getpid():
            self._line.cut()

    def close(self) -> None:
        """
        Cut what is under way and close the connection; the transport sends
        nothing afterwards.
        """
        self._is_closed = True
        if self._line is not None and self._line.pid == os.getpid():
            self._line.close()

    def _tell_unsealed(self, batch: Batch) -> None:
        """
        Say once of each recipient that TLS alone protects what it is sent.
        """
        who = batch.recipient
        if self._is_near or batch.seal_for is not None or who in self._told_of:
            return
        self._told_of.add(who)
        cure = "pass seal_for to seal it for the recipient alone"
        if not self.seals:
            cure = "OTLP has no envelopes, https: with seal_for has"
        logger.warning(
            "%s: what goes to %s is not sealed, and TLS ends at the first "
            "proxy there, where it can be read; %s",
            self.name,
            who,
            cure,
        )

    def _post(
        self, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Reply | str:
        """
        Post *body* and give the answer, or say what went wrong.

        Args:
            path: Below the URL.

            body: All of it.

            headers: Beside those that every request has.
        """
        if self._is_closed:
            return "the transport is closed"
        line = self._this_line()
        if line is None:
            return (
                "its client was made before the fork; "
                "make the transport in the child process"
            )
        shared = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"consentkit/{version()}",
        }
        if self._token is not None:
            shared["Authorization"] = f"Bearer {self._token}"
        return line.post(f"{self._url}/{path}", body, {**headers, **shared})

    def _this_line(self) -> Line | None:
        line, pid = self._line, os.getpid()
        if line is not None and line.pid == pid:
            return line
        if self._client is not None and pid != self._pid:
            return None  # two processes must not share one connection
        if line is not None:
            line.forget()
        client = self._client
        self._line = Line(
            self._make if client is None else lambda: client,
            is_owned=client is None,
            timeout_seconds=self._timeout_seconds,
        )
        return self._line

    def _named(self, answer: Answer) -> Answer:
        if not answer.problem:
            return answer
        return evolve(answer, problem=f"{self.name}: {answer.problem}")


@frozen(kw_only=True)
class _Place:
    base: str
    origin: str
    host: str
    is_loopback: bool


def _read_url(url: str, prefix: str) -> _Place:
    """
    Check *url* and take it apart; no message repeats what may be secret.
    """
    https, http = f"{prefix}https", f"{prefix}http"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if "@" in parts.netloc:
        msg = "the URL holds credentials; pass a token as token=... instead"
    elif "?" in url or "#" in url:
        msg = "the URL has a query or a fragment; leave it out"
    elif (
        parts.scheme not in (https, http)
        or port == 0
        or re.search(r"[\x00-\x20\x7f\\]", url)
        or not _HOST.fullmatch(host)
    ):
        msg = f"the URL is not of the form {https}://host[:port]/path"
    elif parts.scheme == http and not is_loopback(host):
        msg = (
            f"{http}://{host} is not encrypted; use {https}:// "
            f"({http}:// is for 127.0.0.1, ::1 and localhost alone)"
        )
    else:
        origin = f"{parts.scheme}://{parts.netloc.lower()}"
        base = origin.removeprefix(prefix) + parts.path.rstrip("/")
        return _Place(
            base=base,
            origin=origin,
            host=f"[{host}]" if ":" in host else host,
            is_loopback=is_loopback(host),
        )
    raise TransportError(msg)


def _check_options(
    client: object, token: str | None, timeout_seconds: float, verify: object
) -> None:
    msg = ""
    if token is not None and not is_token(token):
        msg = f"the token must be {SHOWABLE}"
    elif not (math.isfinite(timeout_seconds) and timeout_seconds > 0):
        msg = "timeout_seconds must be a positive number"
    elif client is not None and verify is not None:
        msg = "give verify to the client, not to the transport"
    elif isinstance(verify, bool):
        msg = "verify takes a file of CA certificates or an SSLContext"
    elif not (
        getattr(verify, "verify_mode", 2) == 2
        and getattr(verify, "check_hostname", True)
    ):
        msg = "the SSLContext must check certificates and host names"
    if msg:
        raise TransportError(msg)


@cache
def version() -> str:
    """
    Give the version of consentkit.
    """
    from importlib import metadata

    try:
        return metadata.version("consentkit")
    except metadata.PackageNotFoundError:
        return "0"
