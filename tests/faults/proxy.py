# SPDX-License-Identifier: MIT

"""
A proxy between a sender and its backend that does to each request what a bad
network or a bad backend would do.

It speaks TCP, reads HTTP/1.1 only as far as it must to know where a request
ends, and takes its chances from a seed. As a program of its own
(``python -m tests.faults.proxy``) it is healed by the line ``heal`` on its
standard input, and made ill again by the line ``hurt``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self


__all__ = [
    "FAULTS",
    "MIX",
    "Exchange",
    "Fault",
    "FaultProxy",
    "answered",
    "asking",
    "redirecting",
    "refusing_more_than",
]

_LOCAL: Final = "127.0.0.1"
#: How long one side may take before the proxy gives it up.
_PATIENCE_SECONDS: Final = 30.0
#: Between two bytes of an answer that drips.
_DRIP_SECONDS: Final = 0.02


class Exchange:
    """
    One request of a sender, and what can be done to it.

    Attributes:
        client: The sender.

        head: The request's head, with the empty line.

        chance: Where faults take their chances from.

        marks: Seconds of the monotonic clock: ``begun``, ``read`` when the
            whole request was there, ``answered`` when the backend had
            answered, ``passed`` when the sender had that.
    """

    def __init__(
        self,
        proxy: FaultProxy,
        client: socket.socket,
        head: bytes,
        begun: bytes,
    ) -> None:
        self.client = client
        self.head = head
        self.chance = proxy.chance
        self.marks = {"begun": time.monotonic()}
        self._proxy = proxy
        self._body = begun
        self._length = _length(head)

    def body(self, part: float = 1.0) -> bytes:
        """
        Read the request's body, or the first *part* of it.
        """
        wanted = int(self._length * part)
        while len(self._body) < wanted:
            more = self.client.recv(wanted - len(self._body))
            if not more:
                raise ConnectionError
            self._body += more
        if part >= 1:
            self.marks["read"] = time.monotonic()
        return self._body[:wanted]

    def far(self, part: float = 1.0) -> bytes:
        """
        Hand the request to the backend, and give its whole answer.

        Of less than a whole request, nothing is waited for.
        """
        body = self.body(part)
        with socket.create_connection(
            (_LOCAL, self._proxy.target), timeout=_PATIENCE_SECONDS
        ) as far:
            far.sendall(self.head + body)
            if part < 1:
                return b""
            head, begun = _read_head(far)
            answer = begun
            while len(answer) < _length(head):
                more = far.recv(65536)
                if not more:
                    raise ConnectionError
                answer += more
        self.marks["answered"] = time.monotonic()
        return head + answer

    def answer(self, data: bytes) -> None:
        """
        Let the sender have *data*.
        """
        self.client.sendall(data)

    def reset(self) -> None:
        """
        Break the connection off, as a router that lost it does.
        """
        _reset(self.client)

    def linger(self, beat: Callable[[], object] | None = None) -> None:
        """
        Hold the connection until the sender leaves or the proxy is healed.

        Args:
            beat: Is called now and then meanwhile.
        """
        self.client.settimeout(_DRIP_SECONDS)
        while not self._proxy.is_healed:
            if beat:
                beat()
            with suppress(TimeoutError):
                if not self.client.recv(65536):
                    return


#: Tells whether the connection may go on to another request.
Fault = Callable[[Exchange], bool]


def no_fault(exchange: Exchange) -> bool:
    """
    Pass the request and the answer.
    """
    exchange.answer(exchange.far())
    return True


def cut(exchange: Exchange) -> bool:
    """
    Reset the connection before the body.
    """
    exchange.reset()
    return False


def reset_in_body(exchange: Exchange) -> bool:
    """
    Reset both connections somewhere within the body.
    """
    exchange.far(exchange.chance.uniform(0.1, 0.9))
    exchange.reset()
    return False


def reset_before_answer(exchange: Exchange) -> bool:
    """
    Reset when the backend has stored all and the sender does not know yet.
    """
    exchange.far()
    exchange.reset()
    return False


def reset_in_answer(exchange: Exchange) -> bool:
    """
    Reset within the answer.
    """
    answer = exchange.far()
    exchange.answer(answer[: len(answer) * 2 // 3])
    exchange.reset()
    return False


def hang(exchange: Exchange) -> bool:
    """
    Take the request and never answer.
    """
    exchange.body()
    exchange.linger()
    return False


def drip(exchange: Exchange) -> bool:
    """
    Let the answer through a byte at a time, too slowly for anybody.
    """
    rest = iter(exchange.far())

    def one_more() -> None:
        byte = next(rest, None)
        if byte is not None:
            exchange.answer(bytes([byte]))

    exchange.linger(one_more)
    return False


def slow(exchange: Exchange) -> bool:
    """
    Pass all, late, and the answer in two parts.
    """
    time.sleep(exchange.chance.uniform(0.005, 0.03))
    answer = exchange.far()
    for part in (answer[:20], answer[20:]):
        time.sleep(exchange.chance.uniform(0.005, 0.03))
        exchange.answer(part)
    return True


def garbage(exchange: Exchange) -> bool:
    """
    Answer with bytes that are nothing.
    """
    exchange.body()
    exchange.answer(exchange.chance.randbytes(400))
    return False


def half_close(exchange: Exchange) -> bool:
    """
    End our direction within the answer and go on reading.
    """
    answer = exchange.far()
    exchange.answer(answer[: answer.index(b"\r\n\r\n") + 5])
    exchange.client.shutdown(socket.SHUT_WR)
    exchange.linger()
    return False


def half_close_at_once(exchange: Exchange) -> bool:
    """
    End our direction before any answer, and go on reading.
    """
    exchange.client.shutdown(socket.SHUT_WR)
    exchange.far()
    exchange.linger()
    return False


def empty(exchange: Exchange) -> bool:
    """
    Say that all is well, and nothing about any record.
    """
    exchange.body()
    exchange.answer(answered("200 OK", body=b"{}"))
    return True


def failing(exchange: Exchange) -> bool:
    """
    Say that the backend failed.
    """
    exchange.body()
    exchange.answer(answered("500 Internal Server Error"))
    return True


def bad_gateway(exchange: Exchange) -> bool:
    """
    Say that there is no backend behind this gateway.
    """
    exchange.body()
    exchange.answer(answered("502 Bad Gateway"))
    return True


def asking(retry_after: str, status: str = "503 Busy") -> Fault:
    """
    Make a fault that asks for a pause.
    """

    def ask(exchange: Exchange) -> bool:
        exchange.body()
        exchange.answer(answered(status, f"Retry-After: {retry_after}"))
        return True

    return ask


def redirecting(location: str, status: str = "302 Found") -> Fault:
    """
    Make a fault that points elsewhere.
    """

    def redirect(exchange: Exchange) -> bool:
        exchange.body()
        exchange.answer(answered(status, f"Location: {location}"))
        return True

    return redirect


def refusing_more_than(most_bytes: int) -> Fault:
    """
    Make a fault that finds larger bodies too large, and passes the others.
    """

    def refuse(exchange: Exchange) -> bool:
        if len(exchange.body()) <= most_bytes:
            return no_fault(exchange)
        exchange.answer(answered("413 Content Too Large"))
        return True

    return refuse


def answered(status: str, *headers: str, body: bytes = b"") -> bytes:
    """
    Make an answer.
    """
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


#: The faults that need nothing to be said.
FAULTS: Final[Mapping[str, Fault]] = {
    fault.__name__: fault
    for fault in (
        no_fault,
        cut,
        reset_in_body,
        reset_before_answer,
        reset_in_answer,
        hang,
        drip,
        slow,
        garbage,
        half_close,
        half_close_at_once,
        empty,
        failing,
        bad_gateway,
    )
}

#: Faults by name, each with its share, for runs that take their chances.
MIX: Final[Mapping[str, tuple[Fault, int]]] = {
    **{
        name: (fault, {"no_fault": 20, "slow": 12}.get(name, 2))
        for name, fault in FAULTS.items()
    },
    "redirect": (redirecting("http://127.0.0.1:9/v1"), 2),
    "pause": (asking("1"), 1),
    "pause_negative": (asking("-3"), 1),
    "pause_nonsense": (asking("soon"), 1),
    "pause_for_years": (asking("99999999999"), 1),
    # No record of these tests is as large by itself.
    "too_large": (refusing_more_than(4096), 2),
}


class FaultProxy:
    """
    Passes requests to a port of this machine, each with the next fault.

    Args:
        target: The backend's port.

        fault: What to do to each request; by default one of *mix*.

        mix: Faults by name, each with its share.

        seed: Of all chances.

        tls: What to speak TLS with, if it does.

        log: File for one line about each exchange.

    Attributes:
        target: The backend's port; it may change.

        counts: How often each fault was done.

        is_healed: Whether every request is passed from now on.
    """

    def __init__(
        self,
        target: int,
        fault: Fault | None = None,
        *,
        mix: Mapping[str, tuple[Fault, int]] = MIX,
        seed: int = 0,
        tls: ssl.SSLContext | None = None,
        log: Path | None = None,
    ) -> None:
        self.target = target
        self.fault = fault
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self._mix = mix
        self.is_healed = False
        self._tls = tls
        self._log = log
        self._lock = threading.Lock()
        #: Exchanges under way.
        self._busy = 0
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        #: Set at the first connection.
        self.met = threading.Event()
        #: Set at the first request.
        self.there = threading.Event()
        self._listener = socket.create_server((_LOCAL, 0))
        self.port: int = self._listener.getsockname()[1]
        self._listen()

    @property
    def url(self) -> str:
        """
        What a transport is given.
        """
        return f"http{'s' if self._tls else ''}://{_LOCAL}:{self.port}/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _listen(self) -> None:
        thread = threading.Thread(
            target=self._accept, args=(self._listener,), daemon=True
        )
        thread.start()
        self._threads.append(thread)

    def _stop_listening(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """
        Let nobody listen at the port meanwhile.
        """
        self._stop_listening()
        self._cut_all()
        try:
            yield
        finally:
            self._listener = socket.create_server((_LOCAL, self.port))
            self._listen()

    def heal(self) -> None:
        """
        Pass everything from now on, and wait for what is under way.
        """
        self.is_healed = True
        end = time.monotonic() + _PATIENCE_SECONDS
        while self._busy and time.monotonic() < end:
            time.sleep(0.01)

    def close(self) -> None:
        """
        End every connection, and wait for the threads.
        """
        self.is_healed = True
        self._stop_listening()
        self._cut_all()
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS)

    def _cut_all(self) -> None:
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(one, socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.met.set()
            thread = threading.Thread(
                target=self._serve, args=(client,), daemon=True
            )
            with self._lock:
                self._open.add(client)
                self._threads = [
                    *(one for one in self._threads if one.is_alive()),
                    thread,
                ]
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        raw = client
        # Closed by hand: closing a descriptor twice would hit another's.
        try:
            client.settimeout(_PATIENCE_SECONDS)
            if self._tls:
                client = self._tls.wrap_socket(client, server_side=True)
                with self._lock:
                    self._open.add(client)
            while self._exchange(client):
                client.settimeout(_PATIENCE_SECONDS)
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open -= {raw, client}
            client.close()
            raw.close()

    def _exchange(self, client: socket.socket) -> bool:
        """
        Do one exchange; tell whether the connection may go on.
        """
        try:
            head, begun = _read_head(client)
        except ConnectionError:
            return False
        with self._lock:
            self._busy += 1
            name, fault = self._next()
            self.counts[name] += 1
        self.there.set()
        exchange = Exchange(self, client, head, begun)
        try:
            return fault(exchange)
        except (OSError, ValueError):
            # The backend, or the sender, is gone.
            exchange.reset()
            return False
        finally:
            exchange.marks["passed"] = time.monotonic()
            self._note(name, exchange)
            with self._lock:
                self._busy -= 1

    def _next(self) -> tuple[str, Fault]:
        if self.is_healed:
            return "no_fault", no_fault
        if self.fault:
            return self.fault.__name__, self.fault
        (name,) = self.chance.choices(
            list(self._mix), [share for _, share in self._mix.values()]
        )
        return name, self._mix[name][0]

    def _note(self, name: str, exchange: Exchange) -> None:
        if self._log is None:
            return
        line = json.dumps({"fault": name, **exchange.marks}) + "\n"
        with self._lock, self._log.open("a") as log:
            log.write(line)


def _read_head(source: socket.socket) -> tuple[bytes, bytes]:
    got = b""
    while b"\r\n\r\n" not in got:
        more = source.recv(65536)
        if not more:
            raise ConnectionError
        got += more
    head, _, rest = got.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _reset(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        sock.close()


def main(arguments: list[str]) -> None:
    """
    Pass requests until the standard input ends.

    Its first line of output is the port.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.faults.proxy")
    parser.add_argument("--to", type=int, required=True, metavar="PORT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without", choices=MIX, action="append", default=[])
    parser.add_argument("--log", type=Path)
    options = parser.parse_args(arguments)
    proxy = FaultProxy(
        options.to,
        mix={n: one for n, one in MIX.items() if n not in options.without},
        seed=options.seed,
        log=options.log,
    )
    print(proxy.port, flush=True)
    for line in sys.stdin:
        if line.strip() == "heal":
            proxy.heal()
        else:
            proxy.is_healed = False
        print(json.dumps(proxy.counts), flush=True)
    # Threads of senders that hang are of no interest any more.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
