# SPDX-License-Identifier: MIT
"""
Delivery by AMQP 0-9-1, as RabbitMQ speaks it: one message for each batch.

The body is as in ``docs/wire-format.md``, the properties as in
``docs/transports/amqp.md``. Only the broker's confirm of a message that a
queue has taken makes a record delivered.

Durations are float seconds.
"""

from __future__ import annotations

import time

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from attrs import frozen

from consentkit._fork import load
from consentkit.exceptions import TransportError
from consentkit.transports._broker import (
    BrokerTransport,
    Trust,
    check_text,
    explain,
    need_library,
    read_url,
)
from consentkit.transports._dial import check_way, dial
from consentkit.transports._exchange import Exchange, Verdict
from consentkit.transports._loopback import encrypted
from consentkit.transports._posting import version
from consentkit.transports.base import Outcome
from consentkit.transports.parcel import Parcel


if TYPE_CHECKING:
    import socket
    import ssl


__all__ = ["AMQPTransport"]

_FORM: Final = (
    "amqps://host[:port]/VHOST/QUEUE or amqps://host[:port]/VHOST/EXCHANGE/KEY"
    ", where a slash within a name is %2F"
)
#: The most that the protocol takes of a name.
_MOST_NAME_BYTES: Final = 255
#: How long to wait for the broker's goodbye, which changes nothing.
_GOODBYE_SECONDS: Final = 1.0
_CHUNK_BYTES: Final = 64 * 1024

# Reply codes of AMQP 0-9-1 and RabbitMQ.
_TOO_LARGE: Final = 311
_NO_ACCESS: Final = 403
_PRECONDITION: Final = 406

_SPEAKS_NOT: Final = (
    "the connection broke, or it does not speak AMQP 0-9-1; check that the "
    "URL is the broker's"
)
_NO_WAY_IN: Final = (
    "it does not let anybody in this way; give user and password, or have it "
    "take certificates (EXTERNAL) where that is all that is given"
)
#: Why a broker closed the connection.
_CLOSED: Final[Mapping[int, str]] = {
    320: "it is shutting down; try later",
    _NO_ACCESS: "it refuses the credentials; check user and password, or the "
    "certificate",
    530: "it does not let this user into the VHOST; check that the URL's is "
    "there, and the user's rights",
}
#: Why it closed the channel: what it says of the message.
_NOT_TAKEN: Final[Mapping[int, str]] = {
    _NO_ACCESS: "it does not let this user publish there; check the user's "
    "rights",
    404: "there is no such exchange; declare it, or check the URL",
}
_SIZE: Final = (
    "the batch is too large for it; raise the size of messages that it takes"
)
_NO_QUEUE: Final = (
    "no queue takes the message; declare the queue, or bind one to the "
    "exchange by this key"
)
_NACK: Final = "it does not take the message now; look whether a queue is full"


class AMQPTransport(BrokerTransport):
    """
    Publish batches and erasures to a queue or an exchange, and wait for the
    broker's confirm.

    Args:
        url: ``amqps://host[:port]/VHOST/QUEUE``, or
            ``amqps://host[:port]/VHOST/EXCHANGE/KEY``; ``amqp://`` to this
            machine alone. A slash within a name is ``%2F``, as is the usual
            VHOST. No credentials, query or fragment. The queue, or the
            exchange with a queue bound to it, has to be there.

        user: Name of the user. Without it the certificate says who we are,
            and without that it is ``guest``, as RabbitMQ sets it up for its
            own machine.

        password: The user's.

        verify: Whom to trust in place of the usual authorities: a file or
            folder of CA certificates, or an ``ssl.SSLContext``. Trust cannot
            be switched off.

        certificate: File with a certificate of ours, if the broker asks for
            one.

        key: File with its key, if that is another one.

        timeout_seconds: The most that one delivery may take, all in all.

    Raises:
        TransportError: If one of them cannot be used.

        MissingExtraError: If pika is not installed.

    What leaks:
        Whoever carries the bytes sees the sender's address, the time and the
        size. The broker sees VHOST, exchange, key, user, consentkit's
        version, the properties (the batch's id, whether it is a batch or
        what else, the recipient, the media type), and the body but where it is
        sealed; so does whoever reads the queue. Nothing tells one
        installation from another but the credentials.

    .. versionadded:: 26.1.0
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        verify: ssl.SSLContext | str | Path | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        place = read_url(url, _FORM, {"amqps": 5671, "amqp": 5672})
        trust = Trust(verify=verify, certificate=certificate, key=key)
        check_way(place, trust, plain="amqp", secure="amqps")
        target = _read_target(url)
        check_text("user", user)
        check_text("password", password)
        if (user is None) != (password is None):
            msg = "user and password go together; pass both"
            raise TransportError(msg)
        need_library("pika", extra="amqp", package="pika")
        path = urlsplit(url).path
        super().__init__(f"{place.origin}{path}", timeout_seconds)
        self._place = place
        self.capabilities: AbstractSet[str] = encrypted(
            is_tls=place.scheme == "amqps", is_near=place.is_loopback
        )
        self._target = target
        self._trust = trust if place.scheme == "amqps" else None
        self._is_known = user is None and certificate is not None
        self._user = user or "guest"
        self._password = password or "guest"

    def _publish(
        self,
        parcel: Parcel,
        expires_at: datetime | None,  # noqa: ARG002 - the queue's own affair
        exchange: Exchange,
    ) -> Verdict:
        try:
            parameters = self._parameters()
            sock = dial(self._place, self._trust, exchange)
            try:
                talk = _Talk(sock, exchange)
                talk.begin(parameters)
                verdict = talk.publish(self._target, parcel)
                talk.end()
            finally:
                sock.close()
        except _ClosedError as error:
            exchange.check()
            return error.verdict
        except OSError as error:
            exchange.check()
            problem = explain(error, timeout_seconds=self._timeout_seconds)
            return Verdict(problem=problem)
        return verdict

    def _parameters(self) -> Any:
        pika = load("pika")
        credentials = pika.credentials.ExternalCredentials()
        if not self._is_known:
            credentials = pika.PlainCredentials(self._user, self._password)
        return pika.ConnectionParameters(
            virtual_host=self._target.vhost,
            credentials=credentials,
            heartbeat=0,  # a connection lives no longer than one message
            client_properties={
                "product": "consentkit",
                "version": version(),
                "platform": "Python",
                "information": "",
            },
        )


@frozen(kw_only=True)
class _Target:
    """
    Where in the broker a message goes.

    Attributes:
        exchange: Its name; empty for the one that knows all queues.
    """

    vhost: str
    exchange: str
    key: str


def _read_target(url: str) -> _Target:
    names = [unquote(part) for part in urlsplit(url).path[1:].split("/")]
    if len(names) not in (2, 3) or not all(map(_is_name, names)):
        msg = f"the URL is not of the form {_FORM}"
        raise TransportError(msg)
    vhost, *exchange, key = names
    return _Target(vhost=vhost, exchange="".join(exchange), key=key)


def _is_name(text: str) -> bool:
    is_short = len(text.encode(errors="replace")) <= _MOST_NAME_BYTES
    return text.isprintable() and text != "" and is_short


class _ClosedError(Exception):
    """
    The broker ended the conversation.
    """

    def __init__(self, problem: str, *, too_large: bool = False) -> None:
        super().__init__(problem)
        self.verdict = Verdict(problem=problem, too_large=too_large)


@cache
def _protocol() -> Any:
    """
    Give what the library knows of the protocol, over a socket of ours.

    The library's own connections run in loops and threads of theirs, and
    cannot be cut while they connect; so this is an adapter in their place.
    """
    base: Any = load("pika.connection").Connection

    class Protocol(base):  # type: ignore[misc]
        """
        The protocol, with a socket that blocks.
        """

        def __init__(self, parameters: Any, sock: socket.socket) -> None:
            self.sock = sock
            self.is_over = False
            super().__init__(parameters)

        @property
        def reason(self) -> object:
            """
            Why it is over.
            """
            return self._error

        def feed(self, data: bytes) -> None:
            """
            Take what the broker sent, and answer it.
            """
            self._on_data_available(data)

        def _adapter_connect_stream(self) -> None:
            self._on_stream_connected()

        def _adapter_disconnect_stream(self) -> None:
            self.is_over = True

        def _adapter_emit_data(self, data: bytes) -> None:
            self.sock.sendall(data)

        def _adapter_call_later(self, delay: float, callback: object) -> None:
            """
            Do nothing: without heartbeats there is nothing to do later.
            """

        def _adapter_remove_timeout(self, timeout_id: object) -> None:
            """
            Do nothing, as above.
            """

        def _adapter_add_callback_threadsafe(self, callback: object) -> None:
            """
            Do nothing: no other thread asks for it.
            """

    return Protocol


class _Talk:
    """
    One conversation with a broker.

    Args:
        sock: Connected, and closed by whoever made it.

        exchange: Says how long it may take.
    """

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange
        self._link: Any = None
        self._channel: Any = None
        self._is_greeted = False
        #: What the broker said of the message.
        self._said: str | None = None
        self._is_returned = False
        self._closed: Any = None

    def begin(self, parameters: Any) -> None:
        """
        Log in, and open a channel that confirms.
        """
        self._link = self._guarded(_protocol(), parameters, self._sock)
        self._until(lambda: self._link.is_open)
        ready: list[object] = []
        self._channel = self._guarded(
            self._link.channel, on_open_callback=ready.append
        )
        self._channel.add_on_close_callback(self._on_closed)
        self._channel.add_on_return_callback(self._on_returned)
        self._until(lambda: len(ready) == 1)
        self._guarded(
            self._channel.confirm_delivery, self._on_said, ready.append
        )
        self._until(lambda: len(ready) == 2)

    def publish(self, target: _Target, parcel: Parcel) -> Verdict:
        """
        Send the message, and wait until the broker has said what of it.
        """
        properties = load("pika").BasicProperties(
            content_type=parcel.media_type,
            delivery_mode=2,  # to disk, where the queue is durable
            headers={"kind": parcel.kind, "recipient": parcel.recipient},
            message_id=parcel.id,
        )
        self._guarded(
            self._channel.basic_publish,
            target.exchange,
            target.key,
            parcel.body,
            properties,
            mandatory=True,
        )
        self._until(lambda: self._said is not None)
        if self._is_returned:
            return Verdict(problem=_NO_QUEUE)
        if self._said != "Basic.Ack":
            return Verdict(problem=_NACK)
        return Verdict(outcome=Outcome.DELIVERED)

    def end(self) -> None:
        """
        Take leave, as the broker's log would have it.
        """
        ends = time.monotonic() + _GOODBYE_SECONDS
        # What it says now changes nothing any more.
        with suppress(Exception):
            self._link.close()
            self._until(lambda: self._link.is_over or time.monotonic() > ends)

    def _on_said(self, frame: Any) -> None:
        if frame.method.delivery_tag == 1:
            self._said = frame.method.NAME

    def _on_returned(self, *_args: object) -> None:
        self._is_returned = True

    def _on_closed(self, _channel: object, reason: object) -> None:
        self._closed = reason

    def _until(self, is_done: Callable[[], bool]) -> None:
        """
        Read until *is_done*, or until the broker ends it.
        """
        while not is_done():
            self._exchange.check()
            self._check_open()
            self._sock.settimeout(max(self._exchange.left(), 0.001))
            data = self._sock.recv(_CHUNK_BYTES)
            # It begins with a method, or with the protocol that it would like
            # better; of anything else the rest would be waited for in vain.
            is_ours = self._is_greeted or data[:1] in (b"\x01", b"A")
            if not data or not is_ours:
                raise _ClosedError(_SPEAKS_NOT)
            self._is_greeted = True
            self._guarded(self._link.feed, data)

    def _guarded(self, call: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        """
        Call the library; whatever it raises means nonsense of the broker's.
        """
        try:
            return call(*args, **kw)
        except OSError:
            raise
        except Exception:  # noqa: BLE001 - its text may hold anything
            problem = _SPEAKS_NOT
        raise _ClosedError(problem)

    def _check_open(self) -> None:
        if self._link.is_over:
            if type(self._link.reason).__name__ == "AuthenticationError":
                raise _ClosedError(_NO_WAY_IN)
            code = getattr(self._link.reason, "reply_code", 0)
            raise _ClosedError(_CLOSED.get(code, _SPEAKS_NOT))
        if self._closed is None:
            return
        code = getattr(self._closed, "reply_code", 0)
        text = str(getattr(self._closed, "reply_text", ""))
        if code == _TOO_LARGE or (code == _PRECONDITION and "size" in text):
            raise _ClosedError(_SIZE, too_large=True)
        problem = f"it does not take the message (reply {code})"
        raise _ClosedError(_NOT_TAKEN.get(code, problem))
