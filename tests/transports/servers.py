# SPDX-License-Identifier: MIT
"""
Backends on this machine that misbehave, byte by byte.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from consentkit.receiver import read_body


class Request:
    """
    One request as it came.
    """

    def __init__(self, head: bytes, body: bytes) -> None:
        line, *rest = head.decode("latin-1").split("\r\n")
        self.line = line
        self.headers = dict(one.split(": ", 1) for one in rest)
        self.body = body

    def json(self):
        """
        Read the body.
        """
        return json.loads(self.body)


Script = Callable[[socket.socket, Request], None]


class RawServer:
    """
    Accept connections and let a script answer each request.

    Args:
        script: Is called with the connection and the request.

        on_connect: Is called with the connection in place of reading a
            request, if it is given.

        tls: Folder with ``server.pem``, to speak TLS.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        on_connect: Callable[[socket.socket], None] | None = None,
        tls: Path | None = None,
    ) -> None:
        self.script = script or take_all
        self._on_connect = on_connect
        self._context = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls / "server.pem")
        self.requests: list[Request] = []
        self.connections = 0
        #: Set to let scripts that wait for it go on.
        self.go = threading.Event()
        #: Set by scripts when they have come to their point.
        self.there = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}/v1"
        self._threads = [threading.Thread(target=self._accept)]
        #: Sockets of connections, in order; with TLS, each twice.
        self.accepted: list[socket.socket] = []
        self._threads[0].start()

    def close(self) -> None:
        """
        Stop, and wait for all scripts to end.
        """
        self.go.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for one in self.accepted:
            with suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RD)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self.accepted.append(conn)
            thread = threading.Thread(target=self._serve, args=(conn,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, conn: socket.socket) -> None:
        with conn, suppress(OSError):
            if self._on_connect:
                self._on_connect(conn)
                return
            if self._context:
                conn = self._context.wrap_socket(conn, server_side=True)
                self.accepted.append(conn)
            with conn:
                while request := read_request(conn):
                    self.requests.append(request)
                    self.script(conn, request)


def read_request(conn: socket.socket) -> Request | None:
    """
    Read one request, or nothing at the end of the connection.
    """
    got = b""
    while b"\r\n\r\n" not in got:
        more = conn.recv(65536)
        if not more:
            return None
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    request = Request(head, b"")
    missing = int(request.headers.get("Content-Length", "0")) - len(body)
    while missing > 0:
        more = conn.recv(65536)
        if not more:
            return None
        body += more
        missing -= len(more)
    request.body = body
    return request


def answer(
    body: object = b"",
    *,
    status: str = "200 OK",
    headers: str = "Content-Type: application/json\r\n",
) -> bytes:
    """
    Make the bytes of an answer.
    """
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


def good_document(sent: Any) -> dict[str, object]:
    """
    Make the answer of a backend that takes everything.

    Args:
        sent: What came, read.
    """
    if "erasure" in sent:
        return {
            "erasure": sent["erasure"],
            "outcome": "erased",
            "records": 0,
        }
    if "report" in sent:
        return {"report": sent["report"], "outcome": "stored"}
    if "records" in sent:
        ids = [record["id"] for record in sent["records"]]
    else:
        ids = read_body(json.dumps(sent).encode()).ids
    rows = [{"id": one, "outcome": "stored"} for one in ids]
    return {"batch": sent["batch"], "outcomes": rows}


def take_all(conn: socket.socket, request: Request) -> None:
    """
    Be a backend that takes everything.
    """
    conn.sendall(answer(good_document(request.json())))


def linger(conn: socket.socket, request: Request | None = None) -> None:
    """
    Do nothing until the far side or the test's end cuts the connection.
    """
    waiting = select.poll()
    waiting.register(conn, select.POLLRDHUP)
    waiting.poll(20_000)


def say(*args, **options) -> Script:
    """
    Make a script that gives one fixed answer.
    """

    def script(conn: socket.socket, request: Request) -> None:
        conn.sendall(answer(*args, **options))

    return script


def make_certificates(
    folder: Path,
    name: str = "127.0.0.1",
    *,
    begins: timedelta = timedelta(hours=-1),
    ends: timedelta = timedelta(days=2),
) -> None:
    """
    Make a CA (``ca.pem``) and a server certificate by it (``server.pem``).

    Args:
        folder: Where to.

        name: Of the server.

        begins: From when on the server's certificate holds, from now.

        ends: Until when it does, from now.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def subject(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    usage = {
        "digital_signature": True,
        "content_commitment": False,
        "key_encipherment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "key_cert_sign": False,
        "crl_sign": False,
        "encipher_only": False,
        "decipher_only": False,
    }

    def build(
        who: str,
        public: ec.EllipticCurvePublicKey,
        more: list[tuple[x509.ExtensionType, bool]],
        begins: timedelta,
        ends: timedelta,
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject(who))
            .issuer_name(subject("test CA"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )
        ids = [
            (x509.SubjectKeyIdentifier.from_public_key(public), False),
            (
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    ca_key.public_key()
                ),
                False,
            ),
        ]
        for extension, critical in [*ids, *more]:
            builder = builder.add_extension(extension, critical=critical)
        made = builder.sign(ca_key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)

    signing = {**usage, "key_cert_sign": True, "crl_sign": True}
    ca = build(
        "test CA",
        ca_key.public_key(),
        [
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (x509.KeyUsage(**signing), True),
        ],
        timedelta(hours=-1),
        timedelta(days=2),
    )
    alternative: x509.GeneralName
    try:
        alternative = x509.IPAddress(ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    server = build(
        name,
        key.public_key(),
        [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.KeyUsage(**usage), True),
            (x509.SubjectAlternativeName([alternative]), False),
        ],
        begins,
        ends,
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "ca.pem").write_bytes(ca)
    (folder / "server.pem").write_bytes(server + private)


class BrokenClient:
    """
    A client that raises what no client should.
    """

    def build_request(self, *args, **options):
        """
        Raise.
        """
        msg = "planted-4F1E-不可见"
        raise SystemExit(msg)

    def send(self, request, **options):
        """
        Never get here.
        """
