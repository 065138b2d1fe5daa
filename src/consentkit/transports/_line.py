# SPDX-License-Identifier: MIT
"""
Transfers that end: at the deadline, or when somebody cancels them.

Each transfer runs in a short-lived thread of its own, so that whoever waits
for it can stop waiting whatever it is blocked in: name service, connection,
TLS, body or answer.

Durations are float seconds.
"""

from __future__ import annotations

import os
import threading
import time

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from consentkit.transports._http import (
    LATE,
    HTTPClient,
    Link,
    Reply,
    explain,
    post,
)
from consentkit.transports._sockets import break_off


if TYPE_CHECKING:
    import socket


__all__ = ["Line"]

_CHUNK_BYTES: Final = 64 * 1024
#: How long a transfer whose socket was shut down may take to end.
_GRACE_SECONDS: Final = 1.0
#: Transfers that may hang, given up, before new ones are refused.
_MOST_STUCK: Final = 4


class Line:
    """
    The way to one backend, in one process: one transfer at a time.

    Args:
        make: Makes the client, at the first transfer.

        is_owned: Whether clients are ours to close.

        timeout_seconds: The most that a whole transfer may take.
    """

    def __init__(
        self,
        make: Callable[[], HTTPClient],
        *,
        is_owned: bool,
        timeout_seconds: float,
    ) -> None:
        self.pid = os.getpid()
        self._make = make
        self._is_owned = is_owned
        self._timeout = timeout_seconds
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._under_way: list[_Transfer] = []
        self._stuck: list[Link] = []
        self._link = Link(make, is_owned=is_owned)

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> Reply | str:
        """
        Post *body* and give the answer, or say what went wrong.
        """
        deadline = time.monotonic() + self._timeout
        transfer = _Transfer(url, body, headers)
        with self._lock:
            self._under_way.append(transfer)
        try:
            if not self._turn.acquire(timeout=self._timeout):
                return "an earlier transfer is still under way"
            try:
                return self._run(transfer, deadline)
            finally:
                self._turn.release()
        finally:
            with self._lock:
                self._under_way.remove(transfer)

    def cut(self) -> None:
        """
        Cut all transfers under way; nothing of them leaves afterwards.
        """
        with self._lock:
            transfers = list(self._under_way)
        connected = [one for one in transfers if one.cut()]
        for one in connected:
            one.ended.wait(_GRACE_SECONDS)

    def close(self) -> None:
        """
        Cut what is under way and close the connection.
        """
        self.cut()
        self._link.drop()

    def forget(self) -> None:
        """
        Let go of what came over a fork, without a lock or a byte sent.
        """
        self._link.forget()

    def _run(self, transfer: _Transfer, deadline: float) -> Reply | str:
        self._stuck = [link for link in self._stuck if link.is_busy]
        if len(self._stuck) >= _MOST_STUCK:
            return "earlier transfers still hang; check the name service"
        link = self._link
        left = max(deadline - time.monotonic(), 0.001)
        if not transfer.is_cut:
            link.is_busy = True
            threading.Thread(
                target=_exchange,
                args=(link, transfer, left, self._timeout),
                name="consentkit-transfer",
                daemon=True,
            ).start()
            transfer.settled.wait(left)
        is_late = not transfer.settled.is_set()
        if (is_late or transfer.is_cut) and link.is_busy:
            if transfer.cut():
                transfer.ended.wait(_GRACE_SECONDS)
            if not transfer.ended.is_set():
                self._give_up(link)
        if transfer.outcome:
            return transfer.outcome
        if is_late:
            return LATE.format(self._timeout)
        return "the transfer was cancelled"

    def _give_up(self, link: Link) -> None:
        # It may hang in the name service or in a connection that nobody can
        # interrupt; nothing of the body has left, and nothing will.
        self._stuck.append(link)
        self._link = Link(self._make, is_owned=self._is_owned)
        link.drop()


class _Transfer:
    """
    One POST under way, which any thread may cut.

    Attributes:
        outcome: The answer, or what went wrong; ``None`` until it is known.

        settled: Set when it ended or was cut.

        ended: Set when it ended and holds no socket any more.
    """

    def __init__(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> None:
        self.url = url
        self.body = body
        self.headers = {**headers, "Content-Length": str(len(body))}
        self.is_cut = False
        self.outcome: Reply | str | None = None
        self.settled = threading.Event()
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def __iter__(self) -> Iterator[bytes]:
        """
        Give the body in parts, as long as the transfer is not cut.
        """
        for start in range(0, len(self.body), _CHUNK_BYTES):
            if self.is_cut:
                raise _CutError
            yield self.body[start : start + _CHUNK_BYTES]

    def attach(self, stream: Any) -> None:
        """
        Hold a second handle on the socket of *stream*.

        It stays valid when the library wraps or closes its own, and another
        descriptor can never take its number meanwhile.
        """
        from socket import fromfd

        with self._lock, suppress(OSError, AttributeError):
            found = stream.get_extra_info("socket")
            twin = fromfd(found.fileno(), found.family, found.type)
            self._sockets.append(twin)
            if self.is_cut:
                break_off(twin)

    def detach(self) -> None:
        """
        Let go of the handles.
        """
        with self._lock:
            while self._sockets:
                self._sockets.pop().close()

    def cut(self) -> bool:
        """
        Stop it, and tell whether it had a connection.
        """
        with self._lock:
            self.is_cut = True
            for one in self._sockets:
                break_off(one)
            is_connected = bool(self._sockets)
        self.settled.set()
        return is_connected

    def end(self) -> None:
        """
        Note that it is over.
        """
        self.detach()
        self.ended.set()
        self.settled.set()


class _CutError(Exception):
    """
    The transfer was cut before its body had left.
    """


def _exchange(
    link: Link, transfer: _Transfer, left: float, allowed: float
) -> None:
    """
    Send the request and read the answer, in a thread of its own.
    """
    try:
        transfer.outcome = _converse(link, transfer, left)
    except BaseException as error:  # noqa: BLE001 - the thread ends here
        if not transfer.is_cut:
            transfer.outcome = explain(error, timeout_seconds=allowed)
    finally:
        link.rest()
        transfer.end()


def _converse(link: Link, transfer: _Transfer, left: float) -> Reply:
    def watch(step: str, info: Mapping[str, Any]) -> None:
        if step.endswith("connect_tcp.started"):
            transfer.detach()
        elif step.endswith("connect_tcp.complete"):
            link.stream = info["return_value"]
            transfer.attach(link.stream)
        elif step.endswith("start_tls.complete"):
            link.stream = info["return_value"]

    client = link.client()
    if link.is_owned and link.stream is not None:
        transfer.attach(link.stream)  # in case the connection is reused
    return post(
        client,
        transfer.url,
        parts=transfer,
        headers=transfer.headers,
        timeout_seconds=left,
        watch=watch,
    )
