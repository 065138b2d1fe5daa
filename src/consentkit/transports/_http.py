# SPDX-License-Identifier: MIT
"""
The one module that knows the HTTP library.

It takes httpx2 where it is installed and httpx otherwise, when the first
client is made and not before.

Durations are float seconds, sizes are bytes.
"""

from __future__ import annotations

import os
import threading

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import field, frozen

from consentkit._fork import load
from consentkit.exceptions import MissingExtraError
from consentkit.transports._certificate import explain_certificate


if TYPE_CHECKING:
    import ssl


__all__ = [
    "LATE",
    "HTTPClient",
    "Link",
    "Reply",
    "Watch",
    "explain",
    "make_client",
    "post",
]

#: An answer beyond this is not read on.
_MOST_REPLY_BYTES: Final = 1024 * 1024
#: What of an answer's header is looked at.
_HEADERS: Final = (
    "content-encoding",
    "content-type",
    "date",
    "location",
    "retry-after",
)

#: Told of each step of a connection, with what came of it. It must not
#: raise: the library would leave its socket open.
Watch = Callable[[str, Mapping[str, Any]], None]


class HTTPClient(Protocol):
    """
    What is asked of a client: that of ``httpx.Client``.
    """

    def build_request(self, method: str, url: str, **options: Any) -> Any:
        """
        Make a request.
        """

    def send(self, request: Any, **options: Any) -> Any:
        """
        Send a request and give the response.
        """


@frozen(kw_only=True)
class Reply:
    """
    What the backend answered.

    Attributes:
        headers: Those of `_HEADERS` that were there, in lower case.

        body: All of it, or nothing if it was too long.

        is_too_long: Whether there was more than 1 MiB of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    is_too_long: bool


def make_client(
    verify: ssl.SSLContext | str | Path | None,
    direct_host: str | None,
    *,
    is_plain: bool,
) -> Any:
    """
    Make a client that keeps nothing but one open connection.

    Args:
        verify: Trust: a context, a file or folder of CA certificates, or
            ``None`` for the library's own.

        direct_host: A host that is never reached through a proxy.

        is_plain: Whether it never speaks TLS; it then trusts nobody, which
            is quicker to set up.

    Raises:
        MissingExtraError: If no library is installed.

        OSError: If *verify* names a file that cannot be used.
    """
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    httpx = _library()
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    return httpx.Client(
        verify=_nobody() if is_plain else _trust(verify),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        # One connection, so that a transfer knows which it has.
        limits=limits,
        # Settings of the environment (proxies, for one) are for other hosts.
        trust_env=direct_host is None,
    )


def _library() -> Any:
    for name in ("httpx2", "httpx"):
        with suppress(ImportError):
            return load(name)
    raise MissingExtraError(extra="httpx2", package="httpx2")


def _nobody() -> Any:
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _trust(verify: ssl.SSLContext | str | Path | None) -> Any:
    if not isinstance(verify, str | Path):
        return True if verify is None else verify
    import ssl

    if os.path.isdir(verify):  # noqa: PTH112 - a str is as good
        return ssl.create_default_context(capath=verify)
    return ssl.create_default_context(cafile=verify)


class Link:
    """
    One client, and the stream of the connection that it opened last.
    """

    def __init__(
        self, make: Callable[[], HTTPClient], *, is_owned: bool
    ) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._client: HTTPClient | None = None
        self._is_dropped = False
        self.is_owned = is_owned
        self.is_busy = False
        self.stream: Any = None

    def client(self) -> HTTPClient:
        """
        Give the client, made at the first call.
        """
        if self._client is None:
            self._client = self._make()
        return self._client

    def rest(self) -> None:
        """
        Note that no transfer uses it now.
        """
        with self._lock:
            self.is_busy = False
            if self._is_dropped:
                self._close()

    def drop(self) -> None:
        """
        Close it now, or as soon as no transfer uses it.
        """
        with self._lock:
            self._is_dropped = True
            if not self.is_busy:
                self._close()

    def forget(self) -> None:
        """
        Let go of what came over a fork, without a lock or a byte sent.
        """
        if self.is_owned and self.stream is not None:
            with suppress(OSError, AttributeError):
                self.stream.get_extra_info("socket").close()

    def _close(self) -> None:
        if self.is_owned and self._client is not None:
            with suppress(Exception):
                self._client.close()  # type: ignore[attr-defined]
        self._client = self.stream = None


def post(
    client: HTTPClient,
    url: str,
    *,
    parts: Iterable[bytes],
    headers: Mapping[str, str],
    timeout_seconds: float,
    watch: Watch,
) -> Reply:
    """
    Post a body and read the answer, following no redirect.

    Args:
        client: The client; it is left as it was.

        url: Where to.

        parts: The body; asked for one by one, as they leave.

        headers: They hold the length of the body.

        timeout_seconds: The most that one step may take.

        watch: Told of each step.
    """
    request = client.build_request(
        "POST",
        url,
        content=parts,
        headers=headers,
        timeout=timeout_seconds,
        extensions={"trace": watch},
    )
    for name in ("Cookie", "Referer"):  # of a client that is not ours
        request.headers.pop(name, None)
    response = client.send(request, stream=True, follow_redirects=False)
    try:
        return _read(response)
    finally:
        response.close()


def _read(response: Any) -> Reply:
    headers = {
        name: response.headers[name]
        for name in _HEADERS
        if name in response.headers
    }
    body = bytearray()
    is_too_long = False
    # An encoded body was not asked for, and could swell beyond bounds.
    is_plain = headers.get("content-encoding", "identity") == "identity"
    for chunk in response.iter_bytes() if is_plain else ():
        body += chunk
        if len(body) > _MOST_REPLY_BYTES:
            body.clear()
            is_too_long = True
            break
    return Reply(
        status=response.status_code,
        headers=headers,
        body=bytes(body),
        is_too_long=is_too_long,
    )


#: For both who may notice it first: the library, or whoever waits for it.
LATE: Final = (
    "no answer within {:g} seconds; check that the backend is well, or allow "
    "more timeout_seconds"
)

# By the name of an exception's class: both libraries use the same names.
_PHRASES: Final[Mapping[str, str]] = {
    "SSLError": "TLS failed; check that the URL's port speaks TLS, and the "
    "certificates that verify names",
    "gaierror": "its name is not known; check the URL and the network",
    "ConnectionRefusedError": "it refuses the connection; check that the "
    "backend runs and that the port is right",
    "ProxyError": "the proxy refuses; check HTTPS_PROXY and NO_PROXY",
    "ConnectTimeout": "it cannot be reached in time; check the network",
    "TimeoutException": LATE,
    "ConnectError": "it cannot be reached; check the URL and the network",
    "NetworkError": "the connection broke; check the network",
    "ProtocolError": "the connection broke or does not speak HTTP; check "
    "that the URL is the backend's",
    "FileNotFoundError": "a file that verify names is missing; check its path",
}


def explain(error: BaseException, *, timeout_seconds: float) -> str:
    """
    Say what went wrong, by the kind of *error* and never by its text.

    Args:
        error: What the library raised.

        timeout_seconds: What the whole transfer was allowed to take.
    """
    if isinstance(error, MissingExtraError):
        return str(error)
    names: set[str] = set()
    seen: BaseException | None = error
    while seen is not None:
        if type(seen).__name__ == "SSLCertVerificationError":
            return explain_certificate(seen)
        names.update(kind.__name__ for kind in type(seen).__mro__)
        seen = seen.__cause__ or seen.__context__
    for name, phrase in _PHRASES.items():
        if name in names:
            return phrase.format(timeout_seconds)
    return f"the transfer failed ({type(error).__name__})"
