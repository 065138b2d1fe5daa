# SPDX-License-Identifier: MIT
"""
Delivery by MQTT 5: one message of quality of service 1 for each batch.

The body is as in ``docs/wire-format.md``, the properties as in
``docs/transports/mqtt.md``. Only the broker's acknowledgement of a message
for which it has a taker makes a record delivered.

Durations are float seconds.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

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
from consentkit.transports._dial import check_way
from consentkit.transports._exchange import Exchange, Verdict
from consentkit.transports._loopback import encrypted
from consentkit.transports.base import Outcome
from consentkit.transports.parcel import Parcel


if TYPE_CHECKING:
    import socket
    import ssl


__all__ = ["MQTTTransport"]

_FORM: Final = "mqtts://host[:port]/TOPIC"
#: No wildcards; what begins with a dollar sign is the broker's own.
_TOPIC: Final = re.compile(r"[^$+#\x00-\x1f\x7f-\x9f][^+#\x00-\x1f\x7f-\x9f]*")
_MOST_TOPIC_BYTES: Final = 65_535
_MOST_EXPIRY_SECONDS: Final = 2**32 - 1

#: paho-mqtt's own number for an answer that it cannot read.
_PROTOCOL_ERROR: Final = 2
_NO_TAKER: Final = 0x10
_TOO_LARGE: Final = 0x95
_CREDENTIALS: Final = (
    "refuses the credentials; check user and password, or the certificate"
)

# Reason codes of MQTT 5, 2.4.
_REASONS: Final[Mapping[int, str]] = {
    _NO_TAKER: "nobody takes the topic; subscribe to it first, with a "
    "session that outlives its connection",
    0x84: "does not speak MQTT 5",
    0x86: _CREDENTIALS,
    0x87: "does not let this user in, or not publish to the topic; check "
    "user, password and rights",
    0x88: "takes no connections now; try later",
    0x89: "is busy; try later",
    0x8A: "has banned this client; ask who runs it",
    0x8B: "is shutting down; try later",
    0x8C: _CREDENTIALS,
    0x90: "does not take this topic; check the URL",
    _TOO_LARGE: "the batch is too large for it; raise the size of packets "
    "that it takes",
    0x97: "has no room for it; raise its quotas",
    0x9B: "does not take messages of quality of service 1",
    0x9C: "names another broker, which is not followed; check the URL",
    0x9D: "names another broker, which is not followed; check the URL",
    0x9F: "asks for a pause; try later",
}


class MQTTTransport(BrokerTransport):
    """
    Publish batches and erasures to a topic, and wait for the broker.

    Args:
        url: ``mqtts://host[:port]/TOPIC``, or ``mqtt://`` to this machine
            alone. No credentials, query or fragment.

        user: Name of the user, if the broker asks for one.

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

        MissingExtraError: If paho-mqtt is not installed.

    What leaks:
        Whoever carries the bytes sees the sender's address, the time and the
        size. The broker sees topic, user, the properties (the batch's id,
        whether it is a batch or what else, the recipient, the media type,
        when it expires), and the body but where it is sealed; so does each
        subscriber of the topic. Nothing tells one installation from another
        but the credentials: the broker makes up the client's id.

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
        place = read_url(url, _FORM, {"mqtts": 8883, "mqtt": 1883})
        trust = Trust(verify=verify, certificate=certificate, key=key)
        check_way(place, trust, plain="mqtt", secure="mqtts")
        check_text("user", user)
        check_text("password", password)
        msg = ""
        if (
            not _TOPIC.fullmatch(place.what)
            or len(place.what.encode()) > _MOST_TOPIC_BYTES
        ):
            msg = (
                f"the URL is not of the form {_FORM}: a topic holds no +, # "
                "or control characters, and begins with no $"
            )
        elif user is None and password is not None:
            msg = "password goes with a user; pass that, too"
        if msg:
            raise TransportError(msg)
        need_library("paho", extra="mqtt", package="paho-mqtt")
        super().__init__(f"{place.origin}/{place.what}", timeout_seconds)
        self._place = place
        self.capabilities: AbstractSet[str] = encrypted(
            is_tls=place.scheme == "mqtts", is_near=place.is_loopback
        )
        self._user = user
        self._password = password
        self._trust = trust if place.scheme == "mqtts" else None
        self._context: ssl.SSLContext | None = None

    def _publish(
        self, parcel: Parcel, expires_at: datetime | None, exchange: Exchange
    ) -> Verdict:
        talk = _Talk(exchange)
        try:
            if self._trust is not None and self._context is None:
                self._context = self._trust.context()
            client = self._client(talk)
            try:
                self._converse(client, talk, parcel, expires_at)
            finally:
                talk.end(client)
        except Exception as error:  # noqa: BLE001 - its text may hold anything
            exchange.check()
            if talk.reason is None:
                return Verdict(problem=self._explain(error))
        if talk.reason == 0:
            return Verdict(outcome=Outcome.DELIVERED)
        exchange.check()
        if talk.reason is None:
            is_late = not exchange.left()
            lost = TimeoutError() if is_late else ConnectionError()
            return Verdict(problem=self._explain(lost))
        problem = _REASONS.get(talk.reason, "does not take it")
        return Verdict(
            problem=f"{problem} (reason 0x{talk.reason:02x})",
            too_large=talk.is_connected and talk.reason == _TOO_LARGE,
        )

    def _client(self, talk: _Talk) -> Any:
        mqtt = load("paho.mqtt.client")
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        if self._context is not None:
            client.tls_set_context(_HeldContext(self._context, talk))
        if self._user is not None:
            client.username_pw_set(self._user, self._password)
        client.connect_timeout = max(talk.exchange.left(), 0.001)
        client.on_socket_open = talk.on_socket_open
        client.on_connect = talk.on_connect
        client.on_publish = talk.on_publish
        client.on_disconnect = talk.on_disconnect
        return client

    def _converse(
        self,
        client: Any,
        talk: _Talk,
        parcel: Parcel,
        expires_at: datetime | None,
    ) -> None:
        client.connect(self._place.host, self._place.port, clean_start=True)
        talk.wait(client, lambda: talk.is_connected)
        if not talk.is_connected or talk.reason is not None:
            return
        properties = _properties(parcel, expires_at)
        # The packet's head, the two lengths and the number of the message.
        size = 9 + len(self._place.what.encode()) + len(properties.pack())
        if size + len(parcel.body) > talk.most_bytes:
            talk.reason = _TOO_LARGE
            return
        talk.exchange.check()
        client.publish(
            self._place.what, parcel.body, qos=1, properties=properties
        )
        talk.wait(client, lambda: talk.reason is not None)

    def _explain(self, error: Exception) -> str:
        if isinstance(error, OSError):
            return explain(error, timeout_seconds=self._timeout_seconds)
        return "answers as no MQTT 5 broker does; check the URL's port"


class _Talk:
    """
    What the broker says on one connection.

    Attributes:
        reason: What became of the message, or why it cannot be sent; 0 if
            the broker has it, ``None`` until that is known.

        most_bytes: How large a packet it takes.

        encrypted: The connection, where it speaks TLS.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.is_connected = False
        self.reason: int | None = None
        self.most_bytes = 2**28
        self.encrypted: ssl.SSLSocket | None = None

    def on_socket_open(self, _client: Any, _data: Any, sock: Any) -> None:
        """
        Hold the connection, before anything leaves by it.
        """
        self.exchange.hold(sock)

    def on_connect(
        self, _client: Any, _data: Any, _flags: Any, code: Any, properties: Any
    ) -> None:
        """
        Note whether the broker lets us in, and what it can do.
        """
        if code.value != 0:
            self.reason = code.value
        elif getattr(properties, "MaximumQoS", 1) == 0:
            self.reason = 0x9B
        else:
            most = getattr(properties, "MaximumPacketSize", self.most_bytes)
            self.most_bytes = min(self.most_bytes, most)
            self.is_connected = True

    def on_publish(
        self,
        _client: Any,
        _data: Any,
        _number: int,
        code: Any,
        _properties: Any,
    ) -> None:
        """
        Note what became of the message, which is the only one.
        """
        self.reason = code.value

    def on_disconnect(
        self, _client: Any, _data: Any, flags: Any, code: Any, _properties: Any
    ) -> None:
        """
        Note why the broker ends the connection, if it tells.
        """
        if (
            self.reason is None
            and flags.is_disconnect_packet_from_server
            and code.value != 0
        ):
            self.reason = code.value

    def wait(self, client: Any, is_done: Callable[[], bool]) -> None:
        """
        Read and write until *is_done*, or the connection or the time is over.
        """
        from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

        with DefaultSelector() as selector:
            sock = client.socket()
            if sock is not None:
                selector.register(sock, EVENT_READ)
            while sock is not None and self.reason is None and not is_done():
                self.exchange.check()
                wanted = EVENT_READ
                if client.want_write():
                    wanted |= EVENT_WRITE
                selector.modify(sock, wanted)
                # TLS may have read more than was asked for.
                is_there = getattr(sock, "pending", int)() > 0
                left = self.exchange.left()
                if not is_there and not selector.select(left):
                    return
                if client.loop_read() == _PROTOCOL_ERROR:
                    raise ValueError
                if client.want_write():
                    client.loop_write()
                client.loop_misc()
                sock = client.socket()

    def end(self, client: Any) -> None:
        """
        Take leave where all is well, and else break the connection off.
        """
        if self.reason == 0:
            client.disconnect()
        else:
            self.exchange.break_off()
        # The library leaves one open whose handshake failed.
        for sock in (client.socket(), self.encrypted):
            if sock is not None:
                sock.close()


class _HeldContext:
    """
    A context of TLS whose connections an exchange holds from the start on.
    """

    check_hostname = True

    def __init__(self, context: ssl.SSLContext, talk: _Talk) -> None:
        self._context = context
        self._talk = talk

    def wrap_socket(self, sock: socket.socket, **options: Any) -> Any:
        """
        Begin TLS on *sock*.
        """
        self._talk.exchange.hold(sock)
        made = self._context.wrap_socket(sock, **options)
        self._talk.encrypted = made
        return made


def _properties(parcel: Parcel, expires_at: datetime | None) -> Any:
    """
    Make what stands beside the body.
    """
    kind = load("paho.mqtt.packettypes").PacketTypes.PUBLISH
    made = load("paho.mqtt.properties").Properties(kind)
    made.ContentType = parcel.media_type
    made.UserProperty = [
        ("id", parcel.id),
        ("kind", parcel.kind),
        ("recipient", parcel.recipient),
    ]
    if expires_at is not None:
        left = int((expires_at - datetime.now(UTC)).total_seconds())
        made.MessageExpiryInterval = min(max(left, 1), _MOST_EXPIRY_SECONDS)
    return made
