# SPDX-License-Identifier: MIT
"""
Exchanges with a broker that end: at the deadline, or when somebody cuts them.

Each has a short-lived thread and a connection of its own, so that whoever
waits for it can stop waiting whatever it is blocked in: name service,
connection, TLS or acknowledgement. Between two of them there is no thread and
no connection.

Durations are float seconds.
"""

from __future__ import annotations

import os
import threading
import time

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from attrs import frozen

from consentkit.transports._http import LATE
from consentkit.transports._sockets import break_off
from consentkit.transports.base import Outcome


if TYPE_CHECKING:
    import socket


__all__ = [
    "GRACE_SECONDS",
    "HANGING",
    "MOST_STUCK",
    "CutError",
    "Exchange",
    "Exchanges",
    "Verdict",
]

#: How long a transfer that was broken off may take to end.
GRACE_SECONDS: Final = 1.0
#: Transfers that may hang, given up, before new ones are refused.
MOST_STUCK: Final = 4
HANGING: Final = "earlier transfers still hang; check the name service"


@frozen(kw_only=True)
class Verdict:
    """
    What became of a parcel.

    Attributes:
        problem: Why it is to be tried again, without the place.

        too_large: Whether a smaller one may fare better.

        refused: Whether the backend does not take just this one.
    """

    outcome: Outcome = Outcome.RETRY
    problem: str = ""
    too_large: bool = False
    refused: bool = False


class CutError(Exception):
    """
    The transfer was cut, and nothing of it may leave any more.
    """


class Exchange:
    """
    One exchange under way, which any thread may cut.

    Attributes:
        is_cut: Whether nothing more of it may leave.

        verdict: What became of it; ``None`` until that is known.

        settled: Set when it ended or was cut.

        ended: Set when it ended and holds no socket any more.
    """

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self.is_cut = False
        self.verdict: Verdict | None = None
        self.settled = threading.Event()
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def left(self) -> float:
        """
        Give how long it may still take.
        """
        return max(self._deadline - time.monotonic(), 0.0)

    def check(self) -> None:
        """
        Raise `CutError` if it was cut.
        """
        if self.is_cut:
            raise CutError

    def hold(self, sock: socket.socket) -> None:
        """
        Hold a second handle on *sock*, to break it off when it is cut.

        It stays valid when the library wraps or closes its own, and another
        descriptor can never take its number meanwhile.
        """
        from socket import fromfd

        with self._lock:
            self.check()
            self._sockets.append(fromfd(sock.fileno(), sock.family, sock.type))

    def break_off(self) -> bool:
        """
        Break its connection off, and tell whether it had one.
        """
        with self._lock:
            for one in self._sockets:
                break_off(one)
            return bool(self._sockets)

    def cut(self) -> bool:
        """
        Stop it, and tell whether it had a connection.
        """
        with self._lock:
            self.is_cut = True
        is_connected = self.break_off()
        self.settled.set()
        return is_connected

    def carry_out(self, work: Callable[[Exchange], Verdict]) -> None:
        """
        Do *work*, in a thread of its own, and note what came of it.
        """
        try:
            self.verdict = work(self)
        except CutError:
            pass
        except BaseException as error:  # noqa: BLE001 - the thread ends here
            kind = type(error).__name__
            self.verdict = Verdict(problem=f"the transfer failed ({kind})")
        finally:
            with self._lock:
                while self._sockets:
                    self._sockets.pop().close()
            self.ended.set()
            self.settled.set()


class Exchanges:
    """
    The way to one broker, in one process: one exchange at a time.

    Args:
        timeout_seconds: The most that a whole exchange may take.

        is_closed: Whether none may begin.
    """

    def __init__(
        self, timeout_seconds: float, *, is_closed: bool = False
    ) -> None:
        self.pid = os.getpid()
        self.is_closed = is_closed
        self._timeout = timeout_seconds
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._under_way: list[Exchange] = []
        self._stuck: list[Exchange] = []

    def run(self, work: Callable[[Exchange], Verdict]) -> Verdict:
        """
        Do *work* when its turn has come, and say what came of it.
        """
        exchange = Exchange(self._timeout)
        with self._lock:
            if self.is_closed:
                return Verdict(problem="the transport is closed")
            self._under_way.append(exchange)
        try:
            if not self._turn.acquire(timeout=self._timeout):
                return Verdict(problem="an earlier transfer is still going on")
            try:
                return self._run(exchange, work)
            finally:
                self._turn.release()
        finally:
            with self._lock:
                self._under_way.remove(exchange)

    def cut(self) -> None:
        """
        Cut all exchanges under way; nothing of them leaves afterwards.
        """
        with self._lock:
            exchanges = list(self._under_way)
        connected = [one for one in exchanges if one.cut()]
        for one in connected:
            one.ended.wait(GRACE_SECONDS)

    def close(self) -> None:
        """
        Cut what is under way, and let nothing begin any more.
        """
        with self._lock:
            self.is_closed = True
        self.cut()

    def _run(
        self, exchange: Exchange, work: Callable[[Exchange], Verdict]
    ) -> Verdict:
        self._stuck = [one for one in self._stuck if not one.ended.is_set()]
        if len(self._stuck) >= MOST_STUCK:
            return Verdict(problem=HANGING)
        if not exchange.is_cut:
            threading.Thread(
                target=exchange.carry_out,
                args=(work,),
                name="consentkit-transfer",
                daemon=True,
            ).start()
            exchange.settled.wait(exchange.left())
            is_late = not exchange.settled.is_set()
            if not exchange.ended.is_set():
                if exchange.cut():
                    exchange.ended.wait(GRACE_SECONDS)
                if not exchange.ended.is_set():
                    # In the name service, or in a connection that nobody can
                    # interrupt; nothing of it has left, and nothing will.
                    self._stuck.append(exchange)
            if exchange.verdict is not None:
                return exchange.verdict
            if is_late:
                return Verdict(problem=LATE.format(self._timeout))
        return Verdict(problem="the transfer was cancelled")
