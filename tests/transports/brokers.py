# SPDX-License-Identifier: MIT
"""
Brokers of a test's own: real servers on free ports, with their own folders.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class Server:
    """
    A server that is run, stopped, killed and run again on one port.

    Args:
        command: The program and its arguments.

        ready: What it says when it takes connections.

        port: Where it listens.
    """

    def __init__(self, command: list[str], ready: bytes, port: int) -> None:
        self._command = command
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port

    def start(self) -> None:
        """
        Run it, and wait until it takes connections.
        """
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said = b""
        while self._ready not in said:
            line = self._process.stdout.readline()
            assert line, f"{self._command[0]} ended: {said.decode()}"
            said += line

    def end(self, number: int = signal.SIGTERM) -> None:
        """
        End it with a signal, if it runs.
        """
        if self._process is None:
            return
        with self._process as process:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            process.stdout.read()
        self._process = None

    def pause(self) -> None:
        """
        Let it stand still: the system takes connections, and nobody reads.
        """
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self) -> None:
        """
        Let it go on.
        """
        self._process.send_signal(signal.SIGCONT)


class Proxy:
    """
    A way to a server that loses what the server says from some time on.

    Args:
        port: The server's.

        is_last: Told what a client has said; from when it says yes on,
            the first answer of the server ends both connections.
    """

    def __init__(self, port: int, is_last: Callable[[bytes], bool]) -> None:
        self._server = port
        self._is_last = is_last
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """
        Stop listening, and wait for the end of the connection.
        """
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._listener.close()

    def pass_on(self, server: socket.socket, data: bytes) -> None:
        """
        Pass what the client has said on to the server.
        """
        server.sendall(data)

    def _serve(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        server = socket.create_connection(("127.0.0.1", self._server))
        with client, server:
            back = threading.Thread(
                target=self._answer, args=(server, client, said := bytearray())
            )
            back.start()
            with suppress(OSError):
                while data := client.recv(65536):
                    said += data
                    self.pass_on(server, data)
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            back.join(20)

    def _answer(
        self, server: socket.socket, client: socket.socket, said: bytearray
    ) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if self._is_last(bytes(said)):
                    break
                client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def starting(make: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """
    Give what makes a thing and starts its server; all are ended afterwards.

    Args:
        make: Makes something that has a *server*.
    """
    made: list[Any] = []

    def start(*args: Any, **options: Any) -> Any:
        made.append(make(*args, **options))
        made[-1].server.start()
        return made[-1]

    yield start
    for one in made:
        one.server.end()


def free_port() -> int:
    """
    Give a port that nobody listens on.
    """
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def nats_server(folder: Path, more: str = "", tls: Path | None = None):
    """
    Make a NATS server with JetStream.

    Args:
        folder: For its configuration and its streams.

        more: Lines of its configuration.

        tls: Folder with ``server.pem`` and ``ca.pem``, to ask for TLS.
    """
    port = free_port()
    if tls:
        pem = tls / "server.pem"
        more += (
            f'\ntls {{ cert_file: "{pem}", key_file: "{pem}", '
            f'ca_file: "{tls / "ca.pem"}", timeout: 10 }}\n'
        )
    config = folder / "nats.conf"
    config.write_text(
        f"listen: 127.0.0.1:{port}\n"
        f'jetstream {{ store_dir: "{folder}" }}\n{more}'
    )
    program = shutil.which("nats-server") or "nats-server"
    return Server([program, "-c", str(config)], b"Server is ready", port)


def mosquitto(folder: Path, more: str = "", tls: Path | None = None):
    """
    Make a Mosquitto broker, which forgets all when it is ended.

    Args:
        folder: For its configuration.

        more: Lines of its configuration.

        tls: Folder with ``server.pem`` and ``ca.pem``, to speak TLS.
    """
    port = free_port()
    if tls:
        pem = tls / "server.pem"
        more += f"\ncertfile {pem}\nkeyfile {pem}\ncafile {tls / 'ca.pem'}\n"
    config = folder / "mosquitto.conf"
    config.write_text(
        # As root it would become a user that may not read here.
        "user root\n"
        "set_tcp_nodelay true\n"
        "log_dest stderr\nlog_type information\nlog_type error\n"
        f"listener {port} 127.0.0.1\nallow_anonymous true\n{more}\n"
    )
    program = shutil.which("mosquitto") or "mosquitto"
    return Server([program, "-c", str(config)], b" running", port)
