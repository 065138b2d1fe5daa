# SPDX-License-Identifier: MIT
"""
Delivery into a stream of NATS JetStream: one message for each batch.

The body is as in ``docs/wire-format.md``, the headers as in
``docs/transports/nats.md``. Only the stream's own acknowledgement makes a
record delivered.

Durations are float seconds.
"""

from __future__ import annotations

import asyncio
import re
import socket

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentkit._fork import load
from consentkit.transports._broker import BrokerTransport, Trust, explain
from consentkit.transports._exchange import Exchange, Verdict
from consentkit.transports._loopback import encrypted
from consentkit.transports._nats import Login, Loop
from consentkit.transports.base import Outcome
from consentkit.transports.parcel import Parcel


if TYPE_CHECKING:
    import ssl


__all__ = ["NATSTransport"]
#: Without wildcards and what servers use themselves.
_SUBJECT: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
#: How long a connection may take to close that has served, and one that is
#: broken off.
_CLOSE_SECONDS: Final = 1.0
_LEAVE_SECONDS: Final = 0.1
#: The server's numbers for a message that a stream finds too large, and for
#: a stream that is full.
_TOO_LARGE: Final = 10054
_FULL: Final = 10077

_UNCLEAR: Final = "answers as no NATS server does; check the URL's port"

# By what the server says, in small letters; the first that is in it.
_SAID: Final[Mapping[str, str]] = {
    "authorization": "refuses the credentials; check user and password, "
    "token or certificate",
    "permissions violation": "does not let this user publish to the subject "
    "and subscribe to _INBOX.>; check the user's permissions",
    "maximum connections": "has no connection left; try later",
}


class NATSTransport(BrokerTransport):
    """
    Publish batches and erasures to a subject that a stream keeps.

    Args:
        url: ``nats://host[:port]/SUBJECT``. No credentials, query or
            fragment.

        user: Name of the user, with *password*.

        password: The user's.

        token: In place of both.

        tls: Whether to speak TLS. By default it is spoken, but for this
            machine alone, where *verify* and *certificate* ask for it.

        verify: Whom to trust in place of the usual authorities: a file or
            folder of CA certificates, or an ``ssl.SSLContext``. Trust cannot
            be switched off.

        certificate: File with a certificate of ours, if the server asks for
            one.

        key: File with its key, if that is another one.

        timeout_seconds: The most that one delivery may take, all in all.

    Raises:
        TransportError: If one of them cannot be used.

        MissingExtraError: If nats-py is not installed.

    What leaks:
        Whoever carries the bytes sees the sender's address, the time and the
        size. The server sees subject, user, the headers (the batch's id,
        whether it is a batch or what else, the recipient, the media type),
        and the body but where it is sealed; so does each subscriber of the
        subject. Nothing tells one installation from another but the
        credentials.

    .. versionadded:: 26.1.0
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        tls: bool | None = None,
        verify: ssl.SSLContext | str | Path | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        login = Login.of(
            url,
            _SUBJECT,
            Trust(verify=verify, certificate=certificate, key=key),
            tls=tls,
            rule=": a subject is of letters, digits, - and _, with dots "
            "between its parts",
            user=user,
            password=password,
            token=token,
        )
        place = login.place
        super().__init__(f"{place.origin}/{place.what}", timeout_seconds)
        self.capabilities: AbstractSet[str] = encrypted(
            is_tls=login.trust is not None, is_near=place.is_loopback
        )
        self._login = login
        self._context: ssl.SSLContext | None = None

    def _publish(
        self,
        parcel: Parcel,
        expires_at: datetime | None,  # noqa: ARG002 - a stream has an age
        exchange: Exchange,
    ) -> Verdict:
        try:
            # Before the loop runs, as a fork has to wait for both.
            load("nats.aio.client")
            load("nats.js.errors")
            trust = self._login.trust
            if trust is not None and self._context is None:
                self._context = trust.context()
            with asyncio.Runner(loop_factory=lambda: _Loop(exchange)) as run:
                return run.run(self._converse(parcel, exchange))
        except Exception as error:  # noqa: BLE001 - its text may hold anything
            exchange.check()
            return self._explain(error)

    async def _converse(self, parcel: Parcel, exchange: Exchange) -> Verdict:
        """
        Connect, publish and close; the first trouble ends it.
        """
        loop = asyncio.get_running_loop()
        # The library would tell it with a traceback, which may hold anything.
        loop.set_exception_handler(lambda *_: None)
        trouble: asyncio.Future[Exception] = loop.create_future()

        async def note(error: Exception) -> None:
            if not trouble.done():
                trouble.set_result(error)

        async def note_end() -> None:
            await note(ConnectionResetError())

        client = load("nats.aio.client").Client()
        talk = loop.create_task(self._talk(client, parcel, note, note_end))
        ends: set[asyncio.Future[Any]] = {talk, trouble}
        try:
            await asyncio.wait(
                ends,
                timeout=exchange.left(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if talk.done():
                return talk.result()
            exchange.check()
            raise trouble.result() if trouble.done() else TimeoutError
        finally:
            most = _CLOSE_SECONDS
            if not talk.done() or talk.exception() is not None:
                # Whatever the library still has is not to leave any more.
                exchange.break_off()
                talk.cancel()
                most = _LEAVE_SECONDS
            with suppress(Exception):
                await asyncio.wait_for(client.close(), most)

    async def _talk(
        self,
        client: Any,
        parcel: Parcel,
        note: Callable[..., Any],
        note_end: Callable[..., Any],
    ) -> Verdict:
        await client.connect(
            self._login.url,
            error_cb=note,
            disconnected_cb=note_end,
            allow_reconnect=False,
            connect_timeout=self._timeout_seconds,
            flush_timeout=self._timeout_seconds,
            tls=self._context,
            **self._login.credentials(),
        )
        self._login.check_encrypted()
        headers = {
            "Nats-Msg-Id": parcel.id,
            "kind": parcel.kind,
            "recipient": parcel.recipient,
            "media_type": parcel.media_type,
        }
        # The library counts the body alone, and the server hangs up then.
        if _head_bytes(headers) + len(parcel.body) > client.max_payload:
            raise load("nats.errors").MaxPayloadError
        acknowledged = await client.jetstream().publish(
            self._login.place.what,
            parcel.body,
            timeout=self._timeout_seconds,
            headers=headers,
        )
        if not isinstance(acknowledged.seq, int) or not acknowledged.stream:
            return Verdict(problem=_UNCLEAR)
        if acknowledged.duplicate is True:
            return Verdict(outcome=Outcome.DUPLICATE)
        return Verdict(outcome=Outcome.DELIVERED)

    def _explain(self, error: Exception) -> Verdict:
        names = {kind.__name__ for kind in type(error).__mro__}
        said = str(error).lower()
        number = getattr(error, "err_code", None)
        for words, problem in _SAID.items():
            if words in said:
                return Verdict(problem=problem)
        if "InTheClearError" in names:
            problem = (
                "does not ask for TLS; switch TLS on there, without "
                "allow_non_tls"
            )
        elif (
            "MaxPayloadError" in names
            or "maximum payload" in said
            or number == _TOO_LARGE
        ):
            return Verdict(
                problem="the batch is too large for it; raise max_payload of "
                "the server and the stream's message size",
                too_large=True,
            )
        elif "NoStreamResponseError" in names:
            subject = self._login.place.what
            problem = (
                f"no stream keeps the subject {subject}; make one (nats "
                f"stream add --subjects {subject}) on a server with JetStream"
            )
        elif number == _FULL:
            problem = "the stream is full; raise its limits"
        elif isinstance(number, int):
            problem = f"the stream does not take it (error {number})"
        elif names & {"UnexpectedEOF", "ConnectionClosedError"}:
            problem = "the connection broke; check the server and the network"
        elif isinstance(error, OSError | TimeoutError):
            problem = explain(error, timeout_seconds=self._timeout_seconds)
        else:
            problem = _UNCLEAR
        return Verdict(problem=problem)


def _head_bytes(headers: Mapping[str, str]) -> int:
    """
    Tell how long the headers of a message are.
    """
    lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    return len(f"NATS/1.0\r\n{lines}\r\n".encode())


class _Loop(Loop):
    """
    An event loop whose connections an exchange holds.
    """

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    async def getaddrinfo(
        self, host: Any, port: Any, **options: Any
    ) -> list[Any]:
        """
        Ask the name service in this thread, which may be given up.
        """
        return socket.getaddrinfo(host, port, **options)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """
        Connect, and let the exchange hold the socket before.
        """
        self._exchange.hold(sock)
        await super().sock_connect(sock, address)
        self._exchange.check()  # nobody could break it off before

    async def start_tls(
        self, transport: Any, protocol: Any, *args: Any, **options: Any
    ) -> Any:
        """
        Begin TLS, whose end is no surprise.
        """
        end = protocol.eof_received

        def eof_received() -> None:
            end()  # asyncio would warn of its answer, for which TLS has no use

        protocol.eof_received = eof_received
        return await super().start_tls(transport, protocol, *args, **options)
