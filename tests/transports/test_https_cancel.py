# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.https`: cancellation, clients, processes.
"""

from __future__ import annotations

import fcntl
import json
import socket
import subprocess
import sys
import termios
import threading
import time

from array import array
from contextlib import suppress

import pytest

from consentkit.transports import Outcome
from tests.transports.conformance import (
    PLANTED,
    make_batch,
    make_record,
    outcomes,
)
from tests.transports.servers import (
    BrokenClient,
    answer,
    say,
    take_all,
)


DELIVERED, RETRY = Outcome.DELIVERED, Outcome.RETRY

JSON_HEADER = "Content-Type: application/json\r\n"

pytestmark = pytest.mark.usefixtures("library")


class TestCancel:
    """
    Tests for cutting a transfer short from another thread.
    """

    def start(self, transport, batch=None):
        """
        Send in a thread; give it and where its answer will be.
        """
        answers = []

        def work():
            answers.append(transport.send(batch or make_batch()))

        thread = threading.Thread(target=work)
        thread.start()
        return thread, answers

    def cancel(self, transport, thread):
        """
        Cancel, and give how many seconds it took until both returned.
        """
        begun = time.monotonic()
        transport.cancel()
        thread.join(10)
        assert not thread.is_alive()
        return time.monotonic() - begun

    @pytest.mark.parametrize("is_tls", [False, True])
    @pytest.mark.parametrize("is_reused", [False, True])
    def test_while_waiting_for_the_answer(
        self, serve_raw, connect, certificates, is_tls, is_reused
    ):
        """
        A send that waits for the backend returns at once, its connection is
        broken off, and the next one works.
        """
        ended = threading.Event()

        def script(conn, request):
            if len(server.requests) == (2 if is_reused else 1):
                server.there.set()
                with suppress(ConnectionError):
                    conn.recv(1)
                ended.set()
            else:
                take_all(conn, request)

        server = serve_raw(script, tls=certificates if is_tls else None)
        verify = certificates / "ca.pem" if is_tls else None
        transport = connect(server.url, timeout_seconds=20, verify=verify)
        if is_reused:
            assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2
        thread, answers = self.start(transport)
        assert server.there.wait(10)

        seconds = self.cancel(transport, thread)

        assert seconds < 0.5
        assert ended.wait(1)
        assert outcomes(answers[0]) == [RETRY] * 2
        assert "cancelled" in answers[0].problem
        assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2
        assert server.connections == 2

    def test_while_the_body_leaves(self, serve_raw, connect):
        """
        When `cancel()` has returned, not even what the system had buffered
        leaves any more.
        """
        got: list[int] = []
        ended = threading.Event()

        def slow(conn):
            server.there.set()
            server.go.wait(20)
            with suppress(OSError):
                while data := conn.recv(65536):
                    got.append(len(data))
            ended.set()

        server = serve_raw(on_connect=slow)
        batch = make_batch(make_record(value="x" * 30_000_000))
        transport = connect(server.url, timeout_seconds=20)
        thread, answers = self.start(transport, batch)
        assert server.there.wait(10)
        time.sleep(0.3)  # let the buffers fill

        seconds = self.cancel(transport, thread)
        arrived = array("i", [0])
        fcntl.ioctl(server.accepted[0], termios.FIONREAD, arrived)
        server.go.set()

        assert seconds < 1
        assert ended.wait(5)
        assert outcomes(answers[0]) == [RETRY]
        assert 0 < arrived[0] < 30_000_000
        assert sum(got) == arrived[0]

    def test_during_the_handshake(self, serve_raw, connect):
        """
        A send that waits for TLS returns at once.
        """

        def mute(conn):
            server.there.set()
            server.go.wait(20)

        server = serve_raw(on_connect=mute)
        transport = connect(
            server.url.replace("http:", "https:"), timeout_seconds=20
        )
        thread, answers = self.start(transport)
        assert server.there.wait(10)
        time.sleep(0.05)

        assert self.cancel(transport, thread) < 0.5
        assert outcomes(answers[0]) == [RETRY] * 2

    def test_during_the_connection(self, connect):
        """
        A send that waits for a connection returns at once, and nothing
        leaves when the connection comes about after all.
        """
        with socket.socket() as listener, socket.socket() as filler:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            # With its queue full, the system lets nobody else in.
            filler.connect(listener.getsockname())
            port = listener.getsockname()[1]
            transport = connect(f"http://127.0.0.1:{port}", timeout_seconds=9)
            thread, answers = self.start(transport)
            time.sleep(0.3)

            seconds = self.cancel(transport, thread)

            assert seconds < 0.5
            assert outcomes(answers[0]) == [RETRY] * 2
            listener.settimeout(9)
            listener.accept()[0].close()
            came, _ = listener.accept()
            with came:
                came.settimeout(9)
                with suppress(ConnectionError):
                    assert came.recv(100) == b""

    def test_waiting_in_line(self, serve_raw, connect):
        """
        Whoever waits for another transfer to end is cut too.
        """

        def script(conn, request):
            server.there.set()
            conn.recv(1)

        server = serve_raw(script)
        transport = connect(server.url, timeout_seconds=20)
        first, one = self.start(transport)
        assert server.there.wait(10)
        second, two = self.start(transport)
        time.sleep(0.1)

        assert self.cancel(transport, first) < 0.5
        second.join(1)

        assert outcomes(one[0]) == outcomes(two[0]) == [RETRY] * 2
        assert len(server.requests) == 1

    def test_closing_cuts_too(self, serve_raw, connect):
        """
        `close()` ends a transfer under way, and what comes after is not
        sent.
        """

        def script(conn, request):
            server.there.set()
            conn.recv(1)

        server = serve_raw(script)
        transport = connect(server.url, timeout_seconds=20)
        thread, answers = self.start(transport)
        assert server.there.wait(10)

        transport.close()
        thread.join(1)
        late = transport.send(make_batch())

        assert outcomes(answers[0]) == [RETRY] * 2
        assert outcomes(late) == [RETRY] * 2
        assert "the transport is closed" in late.problem
        assert len(server.requests) == 1

    def test_leaves_no_thread_behind(self, serve_raw, connect):
        """
        After transfers, cut or not, their threads are gone.
        """

        def script(conn, request):
            server.there.set()
            conn.recv(1)

        server = serve_raw(script)
        transport = connect(server.url, timeout_seconds=20)
        thread, _ = self.start(transport)
        assert server.there.wait(10)
        self.cancel(transport, thread)

        names = [one.name for one in threading.enumerate()]
        assert "consentkit-transfer" not in names


class TestClient:
    """
    Tests for a client of the app's own.
    """

    def test_is_used_and_left_open(self, library, serve_raw, connect):
        """
        The app's client sends, without its cookies, and stays open.
        """
        httpx = __import__(library)
        server = serve_raw()
        with httpx.Client(
            headers={"X-App": "1"}, cookies={"id": "7"}, follow_redirects=True
        ) as client:
            transport = connect(server.url, client=client)
            reply = transport.send(make_batch())
            transport.close()
            assert not client.is_closed

        [request] = server.requests
        assert outcomes(reply) == [DELIVERED] * 2
        assert request.headers["X-App"] == "1"
        assert request.headers["User-Agent"].startswith("consentkit/")
        assert "Cookie" not in request.headers

    def test_may_be_a_mock(self, library, connect):
        """
        A client with a transport of the library's own for tests works.
        """
        httpx = __import__(library)

        def handle(request):
            rows = [
                {"id": one["id"], "outcome": "stored"}
                for one in json.loads(request.content)["records"]
            ]
            batch = request.headers["Idempotency-Key"]
            return httpx.Response(200, json={"batch": batch, "outcomes": rows})

        with httpx.Client(transport=httpx.MockTransport(handle)) as client:
            transport = connect("https://a.example/v1", client=client)
            reply = transport.send(make_batch())

        assert outcomes(reply) == [DELIVERED] * 2

    @pytest.mark.obligation("GP-PROT-1")
    def test_never_follows(self, library, serve_raw, connect):
        """
        A client that follows redirects does not do so for us.
        """
        httpx = __import__(library)
        target = serve_raw()
        headers = f"Location: {target.url}/batches\r\n"
        server = serve_raw(say(status="307 Moved", headers=headers))

        with httpx.Client(follow_redirects=True) as client:
            reply = connect(server.url, client=client).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert target.connections == 0

    def test_stops_sending_when_cancelled(self, library, serve_raw, connect):
        """
        On a connection that the app's client had open before, a cancelled
        body stops between two of its parts.
        """
        got: list[int] = []
        ended = threading.Event()

        def script(conn, request):
            conn.sendall(answer({}))
            server.there.set()
            server.go.wait(20)
            with suppress(OSError):
                while data := conn.recv(65536):
                    got.append(len(data))
            ended.set()

        server = serve_raw(script)
        batch = make_batch(make_record(value="x" * 30_000_000))
        with __import__(library).Client() as client:
            client.get(server.url)
            transport = connect(server.url, client=client)
            thread = threading.Thread(target=transport.send, args=(batch,))
            thread.start()
            time.sleep(0.3)  # let the buffers fill
            begun = time.monotonic()
            transport.cancel()
            thread.join(5)
            assert time.monotonic() - begun < 3
            server.go.set()
            assert ended.wait(5)

        assert server.connections == 1
        assert 0 < sum(got) < 30_000_000

    def test_that_raises_anything(self, connect):
        """
        Whatever a client raises means try again, without its text.
        """
        reply = connect("https://a.example", client=BrokenClient()).send(
            make_batch()
        )

        assert outcomes(reply) == [RETRY] * 2
        assert "SystemExit" in reply.problem
        assert PLANTED not in reply.problem

    def test_without_any_library(self, connect, monkeypatch):
        """
        With no HTTP library installed, the problem says what to install.
        """
        monkeypatch.setitem(sys.modules, "httpx2", None)
        monkeypatch.setitem(sys.modules, "httpx", None)

        reply = connect("http://127.0.0.1:9").send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "pip install 'consentkit[httpx2]'" in reply.problem


class TestProcess:
    """
    Tests that need a process of their own.
    """

    def run(self, code: str, library: str, *args: str) -> str:
        """
        Run *code* in a fresh interpreter and give what it prints.
        """
        if library == "httpx":
            code = "import sys\nsys.modules['httpx2'] = None\n" + code
        ran = subprocess.run(
            [sys.executable, "-c", code, *args],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def test_nothing_heavy_is_imported_before_the_first_send(self, library):
        """
        Neither the module nor a new transport imports an HTTP library or
        TLS, or starts a thread.
        """
        code = (
            "import sys, threading\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "made = HTTPSTransport('https://a.example', token='x')\n"
            "made.cancel()\n"
            "made.close()\n"
            "heavy = {'httpx', 'httpcore', 'httpcore2', 'ssl', 'h11'}\n"
            "print(heavy & set(sys.modules), threading.active_count())\n"
        )

        assert self.run(code, library) == "set() 1"

    def test_the_maintained_library_is_preferred(self, library, serve_raw):
        """
        httpx2 is taken where it is installed, httpx otherwise; never both.
        """
        code = (
            "import sys\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "from consentkit.outbox.records import Batch\n"
            "batch = Batch(id='b', recipient='r', erase='', records=())\n"
            "with HTTPSTransport(sys.argv[1]) as transport:\n"
            "    assert not transport.send(batch).problem\n"
            "names = [n for n in ('httpx', 'httpx2') if sys.modules.get(n)]\n"
            "print(*names)\n"
        )

        assert self.run(code, library, serve_raw().url) == library

    def test_a_forked_child_has_a_connection_of_its_own(
        self, library, serve_raw
    ):
        """
        Parent and child go on sending, each on its own connection.
        """
        code = (
            "import os, sys\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "from consentkit.outbox.records import Batch\n"
            "def send():\n"
            "    batch = Batch(id='b', recipient='r', erase='', records=())\n"
            "    problem = transport.send(batch).problem\n"
            "    assert not problem, problem\n"
            "transport = HTTPSTransport(sys.argv[1])\n"
            "send()\n"
            "child = os.fork()\n"
            "send()\n"
            "if child == 0:\n"
            "    transport.close()\n"
            "    os._exit(0)\n"
            "assert os.waitpid(child, 0)[1] == 0\n"
            "send()\n"
            "transport.close()\n"
            "print('fine')\n"
        )
        server = serve_raw()

        assert self.run(code, library, server.url) == "fine"
        assert len(server.requests) == 4
        assert server.connections == 2

    def test_a_forked_child_lets_go_of_the_connection(
        self, library, serve_raw
    ):
        """
        A child that sends does not hold its parent's connection open.
        """
        code = (
            "import os, sys\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "from consentkit.outbox.records import Batch\n"
            "def send(transport):\n"
            "    batch = Batch(id='b', recipient='r', erase='', records=())\n"
            "    assert not transport.send(batch).problem\n"
            "transport = HTTPSTransport(sys.argv[1])\n"
            "send(transport)\n"
            "sent, wait = os.pipe(), os.pipe()\n"
            "if os.fork() == 0:\n"
            "    send(transport)\n"
            "    os.write(sent[1], b'x')\n"
            "    os.close(wait[1])\n"
            "    os.read(wait[0], 1)\n"
            "    os._exit(0)\n"
            "os.read(sent[0], 1)\n"
            "transport.close()\n"
            "with HTTPSTransport(sys.argv[1]) as other:\n"
            "    send(other)\n"
        )
        closed: list[bool] = []

        def script(conn, request):
            if len(server.requests) == 3:
                deadline = time.monotonic() + 2
                while server.accepted[0].fileno() != -1:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.01)
                closed.append(server.accepted[0].fileno() == -1)
            take_all(conn, request)

        server = serve_raw(script)
        self.run(code, library, server.url)

        assert closed == [True]

    def test_a_fork_during_a_transfer(self, library, serve_raw, tmp_path):
        """
        A child that is forked while a transfer holds the locks can send.
        """
        code = (
            "import os, sys, threading, time\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "from consentkit.outbox.records import Batch\n"
            "def send():\n"
            "    batch = Batch(id='b', recipient='r', erase='', records=())\n"
            "    return transport.send(batch).problem\n"
            "transport = HTTPSTransport(sys.argv[1])\n"
            "thread = threading.Thread(target=send)\n"
            "thread.start()\n"
            "while not os.path.exists(sys.argv[2]):\n"
            "    time.sleep(0.01)\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    transport.cancel()\n"
            "    os._exit(1 if send() else 0)\n"
            "assert os.waitpid(child, 0)[1] == 0\n"
            "assert thread.is_alive()\n"
            "transport.cancel()\n"
            "thread.join(5)\n"
            "print('fine')\n"
        )

        begun = tmp_path / "begun"

        def script(conn, request):
            if len(server.requests) == 1:
                begun.touch()
                conn.recv(1)
            else:
                take_all(conn, request)

        server = serve_raw(script)

        run = self.run(code, library, server.url, str(begun))
        assert run == "fine"

    def test_a_client_is_not_taken_over_a_fork(self, library, serve_raw):
        """
        In a child the app's own client is left alone, and the cure is named.
        """
        code = (
            "import os, sys\n"
            "from consentkit.transports._http import _library\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "from consentkit.outbox.records import Batch\n"
            "def send():\n"
            "    batch = Batch(id='b', recipient='r', erase='', records=())\n"
            "    return transport.send(batch).problem\n"
            "client = _library().Client()\n"
            "transport = HTTPSTransport(sys.argv[1], client=client)\n"
            "assert not send()\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    os._exit(7 if 'in the child process' in send() else 1)\n"
            "assert os.waitpid(child, 0)[1] == 7 << 8\n"
            "assert not send()\n"
            "client.close()\n"
            "print('fine')\n"
        )
        server = serve_raw()

        assert self.run(code, library, server.url) == "fine"
        assert len(server.requests) == 2

    def test_a_program_ends_while_the_backend_hangs(self, library, serve_raw):
        """
        A transfer under way does not keep the interpreter from ending.
        """
        code = (
            "import sys, threading, time\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "from consentkit.outbox.records import Batch\n"
            "batch = Batch(id='b', recipient='r', erase='', records=())\n"
            "transport = HTTPSTransport(sys.argv[1], timeout_seconds=50)\n"
            "threading.Thread(target=transport.send, args=(batch,), "
            "daemon=True).start()\n"
            "time.sleep(0.5)\n"
            "print('fine')\n"
        )
        server = serve_raw(lambda conn, _: conn.recv(1))

        begun = time.monotonic()
        assert self.run(code, library, server.url) == "fine"
        assert time.monotonic() - begun < 10
