# SPDX-License-Identifier: MIT
"""
Delivery into a stream of Redis: one entry for each batch.

The body is as in ``docs/wire-format.md``, the fields as in
``docs/transports/redis.md``. Only Redis's word that the entry is in the
stream makes a record delivered.

Durations are float seconds.
"""

from __future__ import annotations

import math
import re

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import datetime
from functools import cache
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
from consentkit.transports._dial import check_way, dial
from consentkit.transports._exchange import Exchange, Verdict
from consentkit.transports._loopback import encrypted
from consentkit.transports.base import Outcome
from consentkit.transports.parcel import Parcel


if TYPE_CHECKING:
    import socket
    import ssl


__all__ = ["RedisTransport"]

_FORM: Final = "rediss://host[:port]/DATABASE/STREAM"
_PATH: Final = re.compile(r"([0-9]{1,5})/(.{1,512})")
#: What many of its errors begin with.
_CODE: Final = re.compile(r"[A-Z]{2,20}(?= )")
_WEEK_SECONDS: Final = 7 * 24 * 60 * 60.0
_MOST_REMEMBER_SECONDS: Final = 10 * 365 * 24 * 60 * 60.0

# Redis runs a script as one step: the entry and its mark are there both, or
# none of them. A stream that is not there is not made: the URL may be wrong.
_SCRIPT: Final = """\
if redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
if not redis.call('XADD', KEYS[1], 'NOMKSTREAM', '*', unpack(ARGV, 2)) then
  return 0
end
redis.call('SET', KEYS[2], '', 'PX', ARGV[1])
return 1
"""
_ANSWERS: Final[Mapping[int | None, Verdict]] = {
    0: Verdict(
        problem="there is no such stream; make it with XGROUP CREATE STREAM "
        "GROUP $ MKSTREAM, or check the URL"
    ),
    1: Verdict(outcome=Outcome.DELIVERED),
    2: Verdict(outcome=Outcome.DUPLICATE),
}

_SPEAKS_NOT: Final = (
    "the connection broke, or it does not speak as Redis does; check that the "
    "URL is the server's"
)
_CLUSTER: Final = (
    "it is part of a cluster, which is not supported; name a server of its own"
)
_SIZE: Final = "Protocol error: invalid bulk length"
# By the name of an exception's class, or what its text begins with.
_PHRASES: Final[Mapping[str, str]] = {
    "AuthenticationError": "it refuses the credentials; check user and "
    "password",
    "NoPermissionError": "it does not let this user do it; allow PING, "
    "SELECT, EVAL, EXISTS, XADD and SET on STREAM and STREAM:*",
    "ReadOnlyError": "it is a replica, which takes nothing; name the primary "
    "in the URL",
    "OutOfMemoryError": "its memory is full; read from the stream and trim "
    "it, or raise maxmemory",
    "BusyLoadingError": "it is still loading its data; try later",
    "MasterDownError": "it is a replica that has lost its primary; name the "
    "primary in the URL",
    "AskError": _CLUSTER,
    "ClusterDownError": _CLUSTER,
    "ClusterCrossSlotError": _CLUSTER,
    "WRONGTYPE": "there is something else than a stream by that name; check "
    "the URL",
    "DB index": "there is no such database; check the URL",
    "MISCONF": "it cannot write to its disk; look into its log",
    "NOREPLICAS": "it has too few replicas to take anything; look after them",
    "InvalidResponse": _SPEAKS_NOT,
    "ConnectionError": _SPEAKS_NOT,
}


class RedisTransport(BrokerTransport):
    """
    Add batches and erasures to a stream, each once.

    Args:
        url: ``rediss://host[:port]/DATABASE/STREAM``, or ``redis://`` to
            this machine alone; the database is a number. No credentials,
            query or fragment. The stream has to be there.

        user: Name of the user, if it is another than Redis's ``default``.

        password: The user's, if there is one.

        verify: Whom to trust in place of the usual authorities: a file or
            folder of CA certificates, or an ``ssl.SSLContext``. Trust cannot
            be switched off.

        certificate: File with a certificate of ours, if the server asks for
            one.

        key: File with its key, if that is another one.

        remember_seconds: How long Redis knows a batch that comes again.

        timeout_seconds: The most that one delivery may take, all in all.

    Raises:
        TransportError: If one of them cannot be used.

        MissingExtraError: If redis is not installed.

    What leaks:
        Whoever carries the bytes sees the sender's address, the time and the
        size. The server sees database, stream, user, the fields (the batch's
        id, whether it is a batch or what else, the recipient, the media
        type), and the body but where it is sealed; so does whoever reads the
        stream. Nothing tells one installation from another but the
        credentials.

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
        remember_seconds: float = _WEEK_SECONDS,
        timeout_seconds: float = 30.0,
    ) -> None:
        place = read_url(url, _FORM, {"rediss": 6379, "redis": 6379})
        trust = Trust(verify=verify, certificate=certificate, key=key)
        check_way(place, trust, plain="redis", secure="rediss")
        check_text("user", user)
        check_text("password", password)
        path = _PATH.fullmatch(place.what)
        if path is None or not place.what.isprintable():
            msg = f"the URL is not of the form {_FORM}"
            raise TransportError(msg)
        if user is not None and password is None:
            msg = "user goes with a password; pass that, too"
            raise TransportError(msg)
        is_time = math.isfinite(remember_seconds)
        if not is_time or not 1 <= remember_seconds <= _MOST_REMEMBER_SECONDS:
            msg = "remember_seconds must be a number from 1 to ten years"
            raise TransportError(msg)
        need_library("redis", extra="redis", package="redis")
        super().__init__(f"{place.origin}/{place.what}", timeout_seconds)
        self._place = place
        self.capabilities: AbstractSet[str] = encrypted(
            is_tls=place.scheme == "rediss", is_near=place.is_loopback
        )
        self._trust = trust if place.scheme == "rediss" else None
        self._user = user
        self._password = password
        self._database = int(path[1])
        self._stream = path[2]
        self._remember_ms = int(remember_seconds * 1000)

    def _publish(
        self,
        parcel: Parcel,
        expires_at: datetime | None,  # noqa: ARG002 - entries know no end
        exchange: Exchange,
    ) -> Verdict:
        try:
            sock = dial(self._place, self._trust, exchange)
            try:
                said = self._said_of(parcel, sock, exchange)
            finally:
                sock.close()
        except OSError as error:
            exchange.check()
            problem = explain(error, timeout_seconds=self._timeout_seconds)
            return Verdict(problem=problem)
        except Exception as error:  # noqa: BLE001 - its text may hold anything
            exchange.check()
            return self._explained(error, exchange)
        known = said if isinstance(said, int) else None
        return _ANSWERS.get(known, Verdict(problem=_SPEAKS_NOT))

    def _said_of(
        self, parcel: Parcel, sock: socket.socket, exchange: Exchange
    ) -> object:
        """
        Log in, add the entry, and give what the script returned.
        """
        link = _connection()(
            sock,
            db=self._database,
            username=self._user,
            password=self._password,
            protocol=2,
            driver_info=None,  # it is not Redis's affair which library it is
            socket_timeout=None,  # the socket has its own
        )
        link.connect()
        # Before anything else leaves: is it Redis, and does it let us in?
        link.send_command("PING")
        link.read_response()
        exchange.check()
        sock.settimeout(max(exchange.left(), 0.001))
        parts = link.pack_command(
            *("EVAL", _SCRIPT, 2),
            *(self._stream, f"{self._stream}:{parcel.id}"),
            self._remember_ms,
            *("id", parcel.id),
            *("kind", parcel.kind),
            *("recipient", parcel.recipient),
            *("media_type", parcel.media_type),
            *("body", parcel.body),
        )
        # It hangs up in the middle of what is too large, and has said so.
        with suppress(ConnectionError):
            for part in parts:
                sock.sendall(part)
        return link.read_response()

    def _explained(self, error: Exception, exchange: Exchange) -> Verdict:
        text = str(error)
        if text.startswith(_SIZE):
            return Verdict(
                problem="the batch is too large for it; raise "
                "proto-max-bulk-len",
                too_large=True,
            )
        names = {kind.__name__ for kind in type(error).__mro__}
        if "TimeoutError" in names or not exchange.left():
            late = explain(
                TimeoutError(), timeout_seconds=self._timeout_seconds
            )
            return Verdict(problem=late)
        for name, phrase in _PHRASES.items():
            if name in names or name in text:
                return Verdict(problem=phrase)
        code = _CODE.match(text)
        shown = code[0] if code else type(error).__name__
        return Verdict(problem=f"it refuses ({shown}); look into its log")


@cache
def _connection() -> Any:
    """
    Give the library's connection, over a socket of ours.

    The library's own cannot be cut while it connects.
    """
    base: Any = load("redis.connection").Connection

    class Connection(base):  # type: ignore[misc]
        """
        The protocol, with a socket that is there already.
        """

        def __init__(self, sock: socket.socket, **options: Any) -> None:
            self._ready = sock
            super().__init__(**options)

        def _connect(self) -> socket.socket:
            return self._ready

    return Connection
