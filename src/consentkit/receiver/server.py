# SPDX-License-Identifier: MIT
"""
Serving the reference backend: inside a program, or as one.

Durations are float seconds.
"""

from __future__ import annotations

import logging
import threading
import time

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, final

from consentkit.exceptions import MissingExtraError
from consentkit.receiver.limits import RequestLimits


if TYPE_CHECKING:
    import asyncio
    import socket

    import uvicorn

    from starlette.types import ASGIApp


__all__ = ["Server", "run", "serve"]

_START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 5.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class _Silence(logging.Logger):
    """
    A logger that nobody hears.
    """

    def isEnabledFor(self, level: int) -> bool:  # noqa: ARG002, N802
        """
        Tell that nothing is logged.
        """
        return False


@final
class Server:
    """
    A receiver that runs in a thread of this process; `serve` makes one.

    Attributes:
        url: What a transport is given: ``http://HOST:PORT/v1``.

        port: Where it listens.
    """

    def __init__(
        self, server: uvicorn.Server, sock: socket.socket, url: str
    ) -> None:
        self.url = url
        self.port: int = sock.getsockname()[1]
        self._server = server
        self._socket = sock
        self._failure: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, name="consentkit-receiver", daemon=True
        )

    def __repr__(self) -> str:
        state = "running" if self._thread.is_alive() else "stopped"
        return f"<Server {self.url}, {state}>"

    def close(self) -> None:
        """
        Stop it: answer what is under way, then close; may be called twice.
        """
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)
            self._server.force_exit = True
            self._thread.join(_STOP_SECONDS)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.close()
                msg = f"the receiver did not start at {self.url}"
                raise RuntimeError(msg) from self._failure
            time.sleep(0.002)

    def _run(self) -> None:
        # Signals stay with the host: only the main thread may take them.
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # noqa: BLE001 - told by _start
            self._failure = error


def serve(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    certificate: Path | str | None = None,
    key: Path | str | None = None,
    behind_proxy: bool = False,
    share_port: bool = False,
    limits: RequestLimits | None = None,
) -> Server:
    """
    Serve *app* from a thread, until the server is closed.

    Args:
        app: As `consentkit.receiver.app.make_app` makes it.

        host: Address to listen at; this machine alone if not given.

        port: Port to listen at; 0 finds a free one.

        certificate: File of the TLS certificate; with it, it speaks HTTPS.

        key: File of its private key, if that is not in the same file.

        behind_proxy: Whether something in front of it speaks TLS, so that it
            may listen to other machines without.

        share_port: Whether other processes that say so, too, may listen at
            the same port; the system gives each a part of the connections.

        limits: Bounds of a connection.

    Raises:
        MissingExtraError: If uvicorn is not installed.

        ValueError: If it would listen to other machines without TLS.

        OSError: If it cannot listen there.

        RuntimeError: If it does not start; the cause tells why.
    """
    server, sock, url = _prepare(
        app,
        (host, port),
        (certificate, key),
        behind_proxy=behind_proxy,
        share_port=share_port,
        limits=limits,
    )
    made = Server(server, sock, url)
    made._start()  # noqa: SLF001 - nobody else shall start it
    return made


def run(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 8443,
    *,
    certificate: Path | str | None = None,
    key: Path | str | None = None,
    behind_proxy: bool = False,
    share_port: bool = False,
    limits: RequestLimits | None = None,
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """
    Serve *app* until the process is told to stop (SIGINT or SIGTERM).

    Args:
        app: As for `serve`.

        host: As for `serve`.

        port: As for `serve`.

        certificate: As for `serve`.

        key: As for `serve`.

        behind_proxy: As for `serve`.

        share_port: As for `serve`.

        limits: As for `serve`.

        on_listening: Called with the URL as soon as senders may connect.

    Raises:
        MissingExtraError: As for `serve`.

        ValueError: As for `serve`.

        OSError: As for `serve`.
    """
    server, sock, url = _prepare(
        app,
        (host, port),
        (certificate, key),
        behind_proxy=behind_proxy,
        share_port=share_port,
        limits=limits,
    )
    with sock, suppress(KeyboardInterrupt):
        if on_listening is not None:
            on_listening(url)
        server.run(sockets=[sock])


_Pair = tuple[Path | str | None, Path | str | None]


def _prepare(
    app: ASGIApp,
    address: tuple[str, int],
    pair: _Pair,
    *,
    behind_proxy: bool,
    share_port: bool,
    limits: RequestLimits | None,
) -> tuple[uvicorn.Server, socket.socket, str]:
    host, port = address
    certificate, _ = pair
    if host not in _LOOPBACK and certificate is None and not behind_proxy:
        msg = (
            f"{host} can be reached from other machines; pass certificate "
            "and key, or behind_proxy=True if a proxy in front speaks TLS"
        )
        raise ValueError(msg)
    config = _make_config(app, pair, limits or RequestLimits())
    # Listening here makes the port known, and a failure an OSError.
    sock = _listen(host, port, share_port=share_port)
    import uvicorn

    scheme = "http" if certificate is None else "https"
    shown = f"[{host}]" if ":" in host else host
    url = f"{scheme}://{shown}:{sock.getsockname()[1]}/v1"
    return uvicorn.Server(config), sock, url


def _listen(host: str, port: int, *, share_port: bool) -> socket.socket:
    from socket import (
        AF_INET,
        AF_INET6,
        IPPROTO_TCP,
        TCP_NODELAY,
        create_server,
    )

    family = AF_INET6 if ":" in host else AF_INET
    sock = create_server(
        (host, port), family=family, backlog=128, reuse_port=share_port
    )
    # Connections inherit it; without, each answer waits 40 ms for the other
    # side's acknowledgement.
    sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return sock


def _make_config(
    app: ASGIApp, pair: _Pair, limits: RequestLimits
) -> uvicorn.Config:
    try:
        import h11
        import uvicorn

        from uvicorn.protocols.http.h11_impl import H11Protocol
    except ImportError:
        uvicorn = None  # type: ignore[assignment]
    if uvicorn is None:
        raise MissingExtraError(extra="receiver", package="uvicorn")

    class PatientProtocol(H11Protocol):
        # Until the head of a request is there nothing of ours runs, and the
        # server itself would wait for it for ever.
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            # The options of uvicorn would change loggers of the host as
            # well, and what strangers send is no matter for its log.
            self.access_log = False
            self.logger = _Silence("consentkit")
            self._patience: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait_for_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._wait_for_head()

        def eof_received(self) -> bool:  # type: ignore[override]
            """
            Answer a sender that has said all and still listens.
            """
            if self.scheme == "https":
                return False  # TLS ends both directions at once
            cycle: Any = self.cycle  # None before the first request
            is_under_way = cycle is not None and not cycle.response_complete
            if is_under_way and not cycle.more_body:
                cycle.keep_alive = False
                return True
            if is_under_way or self.conn.trailing_data[0]:
                self._stop_waiting()
                self.send_400_response("The request ended early.")
            return False

        def send_400_response(self, msg: str) -> None:
            """
            Answer what is no request, and let nothing come behind it.
            """
            cycle: Any = self.cycle
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
            if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                super().send_400_response(msg)
            else:
                self.transport.close()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _wait_for_head(self) -> None:
            if self.conn.their_state is not h11.IDLE:
                self._stop_waiting()
            elif self._patience is None:
                self._patience = self.loop.call_later(
                    limits.head_seconds, self._lose_patience
                )

        def _stop_waiting(self) -> None:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None

        def _lose_patience(self) -> None:
            self._patience = None
            if not self.transport.is_closing():
                self.transport.close()

    certificate, key = pair
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=None if certificate is None else str(certificate),
        ssl_keyfile=None if key is None else str(key),
        timeout_graceful_shutdown=2,
        limit_concurrency=limits.connections,
    )
