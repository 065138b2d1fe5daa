# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.https`: broken backends, TLS and proxies.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time

from datetime import timedelta
from pathlib import Path

import pytest

from consentkit.transports import Outcome
from consentkit.transports.https import HTTPSTransport
from tests.transports.conformance import (
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)
from tests.transports.servers import (
    answer,
    linger,
    make_certificates,
    say,
    take_all,
)


DELIVERED, RETRY = Outcome.DELIVERED, Outcome.RETRY

JSON_HEADER = "Content-Type: application/json\r\n"

pytestmark = pytest.mark.usefixtures("library")


class TestTrouble:
    """
    Tests for backends that do not answer as HTTP has it.
    """

    def test_refused(self, connect):
        """
        A port where nobody listens means try again, with the cure.
        """
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]

        transport = connect(f"http://127.0.0.1:{port}")
        answers = [
            transport.send(make_batch()),
            transport.erase(make_erasure()),
        ]

        for reply in answers:
            assert set(outcomes(reply)) == {RETRY}
            assert reply.problem == (
                f"http://127.0.0.1:{port}: it refuses the connection; "
                "check that the backend runs and that the port is right"
            )

    def test_a_name_that_is_not_known(self, connect):
        """
        A host that does not exist means try again, with the cure.
        """
        reply = connect("https://collect.invalid/v1").send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "check the URL" in reply.problem

    def test_hangs(self, serve_raw, connect):
        """
        A backend that never answers costs the timeout and no more.
        """
        server = serve_raw(linger)

        start = time.monotonic()
        reply = connect(server.url, timeout_seconds=0.3).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "within 0.3 seconds" in reply.problem
        assert time.monotonic() - start < 6

    @pytest.mark.parametrize(
        "start",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nX-Drip: ",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nX: y\r\n\r\n",
        ],
    )
    def test_drips(self, serve_raw, connect, start):
        """
        An answer that comes byte by byte costs the timeout and no more.
        """

        def script(conn, request):
            conn.sendall(start)
            while not server.go.wait(0.02):
                conn.sendall(b"H")

        server = serve_raw(script)
        begun = time.monotonic()
        reply = connect(server.url, timeout_seconds=0.4).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        if start:
            assert "within 0.4 seconds" in reply.problem
        assert time.monotonic() - begun < 6

    def test_never_reads(self, serve_raw, connect):
        """
        A backend that takes no bytes costs the timeout and no more.
        """
        server = serve_raw(on_connect=linger)
        batch = make_batch(make_record(value="x" * 20_000_000))

        begun = time.monotonic()
        reply = connect(server.url, timeout_seconds=0.5).send(batch)

        assert outcomes(reply) == [RETRY]
        assert time.monotonic() - begun < 6

    @pytest.mark.parametrize(
        "text",
        [
            b"\x00\x01\x02 garbage \r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 300_000,
            b"",
        ],
    )
    def test_garbage(self, serve_raw, connect, text):
        """
        What is no HTTP, or too long a header, delivers nothing.
        """

        def script(conn, request):
            conn.sendall(text)
            conn.shutdown(socket.SHUT_WR)

        reply = connect(serve_raw(script).url).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "does not speak HTTP" in reply.problem

    @pytest.mark.parametrize(
        "head",
        [
            b"Content-Length: 5000\r\n\r\n{",
            b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        ],
    )
    def test_closes_within_the_body(self, serve_raw, connect, head):
        """
        An answer that breaks off delivers nothing.
        """

        def script(conn, request):
            line = b"HTTP/1.1 200 OK\r\n" + JSON_HEADER.encode()
            conn.sendall(line + head)
            conn.shutdown(socket.SHUT_RDWR)

        reply = connect(serve_raw(script).url).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "the connection broke" in reply.problem

    def test_is_well_again(self, serve_raw, connect):
        """
        After any trouble the same transport delivers the same batch.
        """
        troubles = iter([b"garbage\r\n\r\n", answer(b"x"), b""])

        def script(conn, request):
            trouble = next(troubles, None)
            if trouble is None:
                take_all(conn, request)
            else:
                conn.sendall(trouble)
                conn.shutdown(socket.SHUT_RDWR)

        server = serve_raw(script)
        transport, batch = connect(server.url), make_batch()

        said = [outcomes(transport.send(batch))[0] for _ in range(4)]

        assert said == [RETRY, RETRY, RETRY, DELIVERED]
        keys = {one.headers["Idempotency-Key"] for one in server.requests}
        assert keys == {batch.id}

    def test_an_early_refusal_of_a_big_body(self, serve_raw, connect):
        """
        A backend that says 413 before it has read all is understood.
        """

        def early(conn):
            conn.recv(1000)
            conn.sendall(answer(status="413 Large"))
            while conn.recv(65536):
                pass

        server = serve_raw(on_connect=early)
        batch = make_batch(make_record(value="x" * 20_000_000))

        reply = connect(server.url).send(batch)

        assert outcomes(reply) == [RETRY]
        assert reply.too_large


class TestTLS:
    """
    Tests for whom an `HTTPSTransport` trusts.
    """

    @pytest.mark.obligation("WP-ENC-1")
    def test_an_unknown_authority_is_refused(
        self, serve_raw, connect, certificates
    ):
        """
        A certificate of nobody we know gets no byte of the batch.
        """
        server = serve_raw(tls=certificates)

        reply = connect(server.url).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "its certificate is not trusted" in reply.problem
        assert "pass that as verify" in reply.problem
        assert server.requests == []

    @pytest.mark.obligation("WP-ENC-1")
    @pytest.mark.parametrize("form", [str, None, "context"])
    def test_an_authority_of_our_own_is_trusted(
        self, serve_raw, connect, certificates, form
    ):
        """
        With the CA's certificate, as a file or a context, it delivers.
        """
        server = serve_raw(tls=certificates)
        verify = certificates / "ca.pem"
        if form is str:
            verify = str(verify)
        elif form == "context":
            verify = ssl.create_default_context(cafile=verify)

        transport = connect(server.url, verify=verify)

        assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2
        assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2
        assert server.connections == 1

    @pytest.mark.obligation("WP-ENC-1")
    def test_the_certificate_of_another_host_is_refused(
        self, serve_raw, connect, other_certificates
    ):
        """
        A certificate that a trusted CA gave to another host is refused.
        """
        server = serve_raw(tls=other_certificates)

        transport = connect(server.url, verify=other_certificates / "ca.pem")

        reply = transport.send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "it is for another address; check the host" in reply.problem
        assert server.requests == []

    @pytest.mark.parametrize(
        ("days", "said"),
        [
            ((-9, -1), ("has expired", "set that if it is fast", "renewed")),
            ((1, 9), ("is not valid yet", "set that if it is slow")),
        ],
        ids=["expired", "not yet"],
    )
    def test_a_certificate_of_another_time(
        self, serve_raw, connect, tmp_path, days, said
    ):
        """
        Of a certificate that holds no more, or not yet, the problem says
        so, and whose clock to look at; it says nothing of its CA.
        """
        begins, ends = (timedelta(days=n) for n in days)
        make_certificates(tmp_path, begins=begins, ends=ends)
        server = serve_raw(tls=tmp_path)

        transport = connect(server.url, verify=tmp_path / "ca.pem")
        reply = transport.send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        for words in ("this machine's clock", *said):
            assert words in reply.problem
        assert "verify" not in reply.problem
        assert server.requests == []

    def test_a_port_without_tls(self, serve_raw, connect):
        """
        A backend that speaks no TLS gets no byte of the batch.
        """
        server = serve_raw()

        url = server.url.replace("http:", "https:")
        reply = connect(url, timeout_seconds=0.5).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert server.requests == []

    def test_a_ca_file_that_is_missing(self, connect, tmp_path):
        """
        A file that is not there is named as what is missing.
        """
        transport = connect("https://127.0.0.1:9", verify=tmp_path / "no.pem")

        reply = transport.send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "a file that verify names is missing" in reply.problem


class TestProxies:
    """
    Tests for proxies from the environment.
    """

    def test_this_machine_is_reached_directly(
        self, serve_raw, connect, monkeypatch
    ):
        """
        What goes to this machine never goes through a proxy.
        """
        server, proxy = serve_raw(), serve_raw()
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")

        reply = connect(server.url).send(make_batch())

        assert outcomes(reply) == [DELIVERED] * 2
        assert proxy.connections == 0

    def test_others_are_reached_through_it(
        self, serve_raw, connect, monkeypatch, other_certificates
    ):
        """
        The proxy makes a tunnel, and sees nothing of what goes through.
        """
        backend = serve_raw(tls=other_certificates)
        seen = []

        def tunnel(conn, request):
            seen.append(request)
            conn.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            with socket.create_connection(("127.0.0.1", backend.port)) as far:
                there = threading.Thread(target=_pump, args=(conn, far))
                there.start()
                seen.append(_pump(far, conn))
                there.join()

        proxy = serve_raw(tunnel)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        transport = connect(
            "https://backend.example/v1",
            verify=other_certificates / "ca.pem",
            token="t0ken",
        )

        reply = transport.send(make_batch())

        assert outcomes(reply) == [DELIVERED] * 2
        assert seen[0].line == "CONNECT backend.example:443 HTTP/1.1"
        assert "t0ken" not in str(seen[0].headers)

    def test_a_proxy_that_refuses(self, serve_raw, connect, monkeypatch):
        """
        The problem names the proxy's settings, without its credentials.
        """
        proxy = serve_raw(say(status="403 No"))
        monkeypatch.setenv(
            "HTTPS_PROXY", f"http://me:hunter2@127.0.0.1:{proxy.port}"
        )

        reply = connect("https://backend.example/v1").send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "check HTTPS_PROXY" in reply.problem
        assert "hunter2" not in reply.problem


def _pump(source: socket.socket, target: socket.socket) -> bytes:
    seen = b""
    try:
        while data := source.recv(65536):
            seen += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    return seen


def test_descriptors_are_not_leaked(serve_raw, connect):
    """
    Transfers that are delivered, refused, broken or cut leave no open file.
    """
    troubles = iter([answer(b"x"), b"", b"garbage\r\n\r\n", None] * 5)

    def script(conn, request):
        trouble = next(troubles)
        if trouble is None:
            take_all(conn, request)
        else:
            conn.sendall(trouble)
            conn.shutdown(socket.SHUT_RDWR)

    server = serve_raw(script)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with HTTPSTransport(server.url) as transport:
        for _ in range(20):
            transport.send(make_batch())
    deadline = time.monotonic() + 5
    while len(list(Path("/proc/self/fd").iterdir())) > before:
        assert time.monotonic() < deadline
        time.sleep(0.02)
