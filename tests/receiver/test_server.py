# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.receiver.server`.
"""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from consentkit.exceptions import MissingExtraError
from consentkit.receiver import make_app, run, serve
from consentkit.transports.https import HTTPSTransport
from tests.transports.conformance import make_batch
from tests.transports.servers import make_certificates


class TestServe:
    """
    Tests for serving from a thread.
    """

    pytestmark = pytest.mark.need_extra("receiver")

    def test_serves_until_closed(self, store):
        """
        A transport is given its URL; after the end nobody listens.
        """
        with (
            serve(make_app(store)) as server,
            HTTPSTransport(server.url) as transport,
        ):
            answer = transport.send(make_batch())
            assert repr(server) == f"<Server {server.url}, running>"

        assert not answer.problem
        assert store.counts().records == 2
        assert repr(server) == f"<Server {server.url}, stopped>"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=5)

    def test_answers_without_a_pause(self, store):
        """
        An answer on a kept connection does not wait for the other side's
        acknowledgement, which takes 40 ms.
        """
        taken = []
        with (
            serve(make_app(store)) as server,
            HTTPSTransport(server.url) as transport,
        ):
            for _ in range(12):
                begun = time.perf_counter()
                transport.send(make_batch())
                taken.append(time.perf_counter() - begun)

        assert min(taken[2:]) < 0.035

    def test_may_be_closed_twice(self, store):
        """
        Closing again does nothing.
        """
        server = serve(make_app(store))

        server.close()
        server.close()

    def test_ends_at_once_though_a_sender_stays(self, store):
        """
        A connection that is kept open does not hold up the end.
        """
        with (
            HTTPSTransport("http://127.0.0.1:9"),
            serve(make_app(store)) as server,
        ):
            transport = HTTPSTransport(server.url)
            transport.send(make_batch())
            begun = time.monotonic()
        transport.close()

        assert time.monotonic() - begun < 8

    def test_several_at_once(self, store):
        """
        Each has a port of its own.
        """
        app = make_app(store)
        with serve(app) as one, serve(make_app(store)) as two:
            assert one.port != two.port

    def test_leaves_signals_threads_and_loggers_alone(self, store):
        """
        The host's signal handlers and loggers are as before, and so are the
        threads afterwards.
        """
        before = [signal.getsignal(one) for one in (2, 15)]
        access = logging.getLogger("uvicorn.access")
        handler = logging.NullHandler()
        access.addHandler(handler)
        try:
            with serve(make_app(store)):
                assert [signal.getsignal(one) for one in (2, 15)] == before
            assert access.handlers == [handler]
            assert access.propagate
        finally:
            access.removeHandler(handler)
        names = [one.name for one in threading.enumerate()]
        assert "consentkit-receiver" not in names

    def test_logs_no_access(self, store, caplog):
        """
        Who sent what when is not logged.
        """
        caplog.set_level(logging.DEBUG)
        with (
            serve(make_app(store)) as server,
            HTTPSTransport(server.url) as transport,
        ):
            transport.send(make_batch())

        loggers = {record.name for record in caplog.records}
        assert "uvicorn.access" not in loggers

    @pytest.mark.obligation("WP-ENC-1")
    def test_speaks_tls(self, store, tmp_path):
        """
        With a certificate it speaks HTTPS alone.
        """
        make_certificates(tmp_path)
        app = make_app(store)
        with serve(app, certificate=tmp_path / "server.pem") as server:
            assert server.url == f"https://127.0.0.1:{server.port}/v1"
            with HTTPSTransport(
                server.url, verify=tmp_path / "ca.pem"
            ) as transport:
                answer = transport.send(make_batch())
            plain = HTTPSTransport(server.url.replace("https:", "http:"))
            with plain:
                refused = plain.send(make_batch())

        assert not answer.problem
        assert "does not speak HTTP" in refused.problem
        assert store.counts().records == 2

    @pytest.mark.obligation("WP-ENC-1", "GP-PROT-1")
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
    @pytest.mark.parametrize("start", [serve, run])
    def test_other_machines_need_tls(self, store, host, start):
        """
        It does not listen to other machines without encryption, unless it
        is told that something in front of it does.
        """
        with pytest.raises(ValueError, match="behind_proxy=True"):
            start(make_app(store), host, 0)

    def test_behind_a_proxy(self, store):
        """
        Told that a proxy is in front, it listens to all.
        """
        with serve(make_app(store), "0.0.0.0", behind_proxy=True) as server:
            address = ("127.0.0.1", server.port)
            socket.create_connection(address, timeout=5).close()

    def test_a_port_in_use(self, store):
        """
        A port that is taken is an `OSError` at once.
        """
        with serve(make_app(store)) as server, pytest.raises(OSError):
            serve(make_app(store), port=server.port)

    def test_a_certificate_that_is_missing(self, store, tmp_path):
        """
        It does not start, and the cause tells why.
        """
        with pytest.raises(RuntimeError, match="did not start") as caught:
            serve(make_app(store), certificate=tmp_path / "no.pem")

        assert isinstance(caught.value.__cause__, FileNotFoundError)


class TestRun:
    """
    Tests for serving as a program.
    """

    @pytest.mark.need_extra("receiver")
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_runs_until_told_to_stop(self, tmp_path, number):
        """
        It tells its URL as soon as senders may connect, and ends on a
        signal.
        """
        code = (
            "import sys\n"
            "from consentkit.receiver import Store, make_app, run\n"
            "store = Store(sys.argv[1])\n"
            "run(make_app(store), port=0,"
            " on_listening=lambda url: print(url, flush=True))\n"
            "print(store.counts().records, flush=True)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "store.db")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as ran:
            assert ran.stdout is not None
            url = ran.stdout.readline().strip()
            with HTTPSTransport(url, timeout_seconds=20) as transport:
                answer = transport.send(make_batch())
            ran.send_signal(number)
            out, err = ran.communicate(timeout=20)

        assert not answer.problem
        assert err == ""
        if number == signal.SIGINT:
            assert (ran.returncode, out) == (0, "2\n")
        else:
            assert ran.returncode == -signal.SIGTERM


class TestExtra:
    """
    Tests for a machine without the libraries.
    """

    def test_import_needs_none(self):
        """
        The package can be imported without them, and imports none of them.
        """
        code = (
            "import sys\n"
            "import consentkit.receiver\n"
            "print({'starlette', 'uvicorn', 'h11'} & set(sys.modules))\n"
        )

        ran = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

        assert ran.stdout.strip() == "set()"

    def test_the_app_says_what_to_install(self, store, monkeypatch):
        """
        Without Starlette, the extra is named.
        """
        for name in ("applications", "routing"):
            monkeypatch.setitem(sys.modules, f"starlette.{name}", None)

        with pytest.raises(MissingExtraError, match=r"consentkit\[receiver\]"):
            make_app(store)

    def test_the_server_says_what_to_install(self, monkeypatch):
        """
        Without uvicorn, the extra is named.
        """
        monkeypatch.setitem(sys.modules, "uvicorn", None)

        with pytest.raises(MissingExtraError, match=r"consentkit\[receiver\]"):
            serve(make_app)  # type: ignore[arg-type]
