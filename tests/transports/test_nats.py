# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.nats`, against a NATS server.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import threading

from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from consentkit.exceptions import MissingExtraError, TransportError
from consentkit.testing import (
    Arrived,
    BadTransportConformance,
    TransportConformance,
)
from consentkit.transports import Outcome, pack, transport_from_url
from consentkit.transports.nats import NATSTransport
from tests.needs import need_extra, need_tool
from tests.transports.brokers import Proxy, free_port, nats_server
from tests.transports.conformance import (
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)
from tests.transports.servers import linger, make_certificates


need_extra("nats")
need_tool("nats-server")

DELIVERED, RETRY = Outcome.DELIVERED, Outcome.RETRY
SECRET = "s3cret-4F1E"


class Stream:
    """
    A NATS server with one stream, and what is in it.
    """

    def __init__(self, folder, more="", tls=None, **login):
        self.server = nats_server(folder, more, tls)
        self._login = login
        if tls:
            context = ssl.create_default_context(cafile=tls / "ca.pem")
            context.load_cert_chain(tls / "server.pem")
            self._login["tls"] = context

    @property
    def url(self):
        """
        Where a transport sends to.
        """
        return f"nats://127.0.0.1:{self.server.port}/kept.app"

    def ask(self, question):
        """
        Run a coroutine function with JetStream, and give its answer.
        """
        import nats

        async def work():
            url = f"nats://127.0.0.1:{self.server.port}"
            client = await nats.connect(url, **self._login)
            try:
                return await question(client.jetstream())
            finally:
                await client.close()

        return asyncio.run(work())

    def make(self, **config):
        """
        Make the stream, in place of the one before.
        """

        async def question(js):
            from nats.js.errors import NotFoundError

            with suppress(NotFoundError):
                await js.delete_stream("kept")
            await js.add_stream(name="kept", subjects=["kept.>"], **config)

        self.ask(question)

    def messages(self):
        """
        Give all that is in it, in order.
        """

        async def question(js):
            last = (await js.stream_info("kept")).state.last_seq
            return [await js.get_msg("kept", n + 1) for n in range(last)]

        return self.ask(question)

    def received(self):
        """
        Give what is in it, as the suites ask for it.
        """
        return [
            Arrived(id=one.headers["Nats-Msg-Id"], body=one.data)
            for one in self.messages()
        ]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """
    Give a running server with JetStream, for several tests.
    """
    stream = Stream(tmp_path_factory.mktemp("nats"))
    stream.server.start()
    yield stream
    stream.server.end()


@pytest.fixture
def stream(running):
    """
    Give an empty stream.
    """
    running.make()
    return running


@pytest.fixture(scope="module")
def running_tls(tmp_path_factory, certificates):
    """
    Give a running server that asks for TLS, a user and a password.
    """
    stream = Stream(
        tmp_path_factory.mktemp("nats-tls"),
        f'authorization {{ user: "app", password: "{SECRET}" }}',
        certificates,
        user="app",
        password=SECRET,
    )
    stream.server.start()
    yield stream
    stream.server.end()


@pytest.fixture
def start(tmp_path):
    """
    Give what starts a server of a test's own; it is ended afterwards.
    """
    made = []

    def begin(*args, **options):
        made.append(Stream(tmp_path, *args, **options))
        made[-1].server.start()
        return made[-1]

    yield begin
    for one in made:
        one.server.end()


class TestStream(TransportConformance):
    """
    The suite, within this machine.
    """

    @pytest.fixture(autouse=True)
    def _backend(self, stream):
        self.stream = stream

    def make_transport(self):
        """
        Make it by its URL.
        """
        return transport_from_url(self.stream.url)

    def received(self):
        """
        Look into the stream.
        """
        return self.stream.received()


class TestStreamByTLS(TransportConformance):
    """
    The suite, encrypted and with a password.
    """

    @pytest.fixture(autouse=True)
    def _backend(self, running_tls, certificates):
        running_tls.make()
        self.stream = running_tls
        self.ca = certificates / "ca.pem"

    def make_transport(self):
        """
        Make it with a CA of its own.
        """
        return NATSTransport(
            self.stream.url, user="app", password=SECRET, verify=self.ca
        )

    def received(self):
        """
        Look into the stream.
        """
        return self.stream.received()

    def test_all_is_quiet(self, caplog):
        """
        Nobody warns of a transfer that went well.
        """
        with self.make_transport() as transport:
            transport.send(make_batch())
        assert [
            one for one in caplog.records if one.levelname != "DEBUG"
        ] == []

    @pytest.mark.obligation("WP-DENC-1", "GP-PROT-1")
    def test_delivers_envelopes(self):
        """
        Within TLS what arrives is sealed still.
        """
        super().test_delivers_envelopes()


class TestNobody(BadTransportConformance):
    """
    The suite for an address at which nothing listens.
    """

    def make_transport(self):
        """
        Make one that leads nowhere.
        """
        return NATSTransport(f"nats://127.0.0.1:{free_port()}/kept.app")


class _Raw(BadTransportConformance):
    on_connect: Any = staticmethod(linger)
    options: ClassVar = {}

    @pytest.fixture(autouse=True)
    def _backend(self, serve_raw):
        self.port = serve_raw(on_connect=type(self).on_connect).port

    def make_transport(self):
        """
        Make one with little patience.
        """
        return NATSTransport(
            f"nats://127.0.0.1:{self.port}/kept.app",
            timeout_seconds=0.5,
            **self.options,
        )


class TestSilent(_Raw):
    """
    The suite for a server that accepts, and says nothing.
    """


def _say_http(conn):
    conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    linger(conn)


class TestNonsense(_Raw):
    """
    The suite for a server that speaks something else.
    """

    on_connect = staticmethod(_say_http)


INFO = b'INFO {"max_payload":1048576,"headers":true}\r\n'


def _hang_after_login(conn):
    conn.sendall(INFO)
    conn.recv(65536)
    conn.sendall(b"PONG\r\n")
    linger(conn)


class TestNoAcknowledgement(_Raw):
    """
    The suite for a server that takes messages, and says nothing of them.
    """

    on_connect = staticmethod(_hang_after_login)


def _garble_after_login(conn):
    conn.sendall(INFO)
    conn.recv(65536)
    conn.sendall(b"PONG\r\n")
    conn.recv(65536)
    conn.sendall(b"\xff\x00 4F1E\r\n" * 9)
    linger(conn)


class TestGarbled(_Raw):
    """
    The suite for a server that answers a message with nonsense.
    """

    on_connect = staticmethod(_garble_after_login)


def _stop_in_handshake(conn):
    conn.sendall(b'INFO {"tls_required":true}\r\n')
    linger(conn)


class TestHangsInTLS(_Raw):
    """
    The suite for a server that asks for TLS, and does not speak it.
    """

    on_connect = staticmethod(_stop_in_handshake)
    options: ClassVar = {"tls": True}


class TestMessage:
    """
    Tests for what is in the stream.
    """

    def test_headers(self, stream):
        """
        The headers say what it is, and the id is the stream's own.
        """
        batch, erasure = make_batch(), make_erasure()
        with NATSTransport(stream.url) as transport:
            transport.send(batch)
            transport.erase(erasure)

        first, second = stream.messages()
        assert first.headers == {
            "Nats-Msg-Id": batch.id,
            "kind": "batch",
            "recipient": "controller",
            "media_type": "application/json",
        }
        assert second.headers["Nats-Msg-Id"] == erasure.id
        assert second.headers["kind"] == "erasure"
        assert first.data == pack(batch).body
        assert json.loads(second.data) == erasure.as_json()

    def test_again_is_a_duplicate(self, stream):
        """
        What the stream has already is called so.
        """
        batch, erasure = make_batch(), make_erasure()
        with NATSTransport(stream.url) as transport:
            transport.send(batch)
            transport.erase(erasure)
            again = transport.send(batch), transport.erase(erasure)

        assert {one for a in again for one in outcomes(a)} == {
            Outcome.DUPLICATE
        }

    def test_a_lost_acknowledgement(self, stream):
        """
        When the connection breaks before the answer, it is sent again, and
        is there once.
        """
        batch = make_batch()
        proxy = Proxy(stream.server.port, lambda said: b"HPUB" in said)
        url = f"nats://127.0.0.1:{proxy.port}/kept.app"
        try:
            with NATSTransport(url) as transport:
                lost = transport.send(batch)
        finally:
            proxy.close()
        with NATSTransport(stream.url) as transport:
            again = transport.send(batch)

        assert outcomes(lost) == [RETRY] * 2
        assert "the connection broke" in lost.problem
        assert outcomes(again) == [Outcome.DUPLICATE] * 2
        assert [one.id for one in stream.received()] == [batch.id]


class TestTrouble:
    """
    Tests for servers that do not take it.
    """

    def test_no_stream(self, stream):
        """
        A subject that nothing keeps is told, and nothing is lost.
        """
        url = stream.url.replace("kept", "unkept")
        batch = make_batch()
        with NATSTransport(url) as transport:
            answer = transport.send(batch)

        assert outcomes(answer) == [RETRY] * 2
        assert answer.problem == (
            f"{url}: no stream keeps the subject unkept.app; make one (nats "
            "stream add --subjects unkept.app) on a server with JetStream"
        )

    def test_too_large_for_the_stream(self, stream):
        """
        A stream that wants smaller messages gets smaller batches.
        """
        stream.make(max_msg_size=500)
        with NATSTransport(stream.url) as transport:
            answer = transport.send(make_batch())
            small = transport.erase(make_erasure())

        assert answer.too_large
        assert outcomes(answer) == [RETRY] * 2
        assert "too large" in answer.problem
        assert outcomes(small) == [DELIVERED]

    def test_too_large_for_the_server(self, start):
        """
        So does a server.
        """
        batch = make_batch()
        big = make_batch(make_record(value="x" * 4000), *batch.records)
        # Without the headers it would fit.
        most = len(pack(batch).body) + 50
        stream = start(f"max_payload: {most}")
        stream.make()
        with NATSTransport(stream.url) as transport:
            answers = [transport.send(big), transport.send(batch)]
            small = transport.erase(make_erasure())

        for answer in answers:
            assert answer.too_large
            assert set(outcomes(answer)) == {RETRY}
        assert outcomes(small) == [DELIVERED]
        assert len(stream.received()) == 1

    def test_a_full_stream(self, stream):
        """
        A stream without room is told, and its records wait.
        """
        stream.make(max_msgs=1, discard="new")
        with NATSTransport(stream.url) as transport:
            first, second = (transport.send(make_batch()) for _ in range(2))

        assert outcomes(first) == [DELIVERED] * 2
        assert outcomes(second) == [RETRY] * 2
        assert not second.too_large
        assert second.problem.endswith("the stream is full; raise its limits")

    @pytest.mark.parametrize(
        "login",
        [
            {"user": "app", "password": "wrong-4F1E"},
            {"token": "wrong-4F1E"},
            {},
        ],
    )
    def test_wrong_credentials(self, running_tls, certificates, caplog, login):
        """
        Who is not let in is told so, and no credential is shown.
        """
        caplog.set_level(0)
        with NATSTransport(
            running_tls.url, verify=certificates / "ca.pem", **login
        ) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "refuses the credentials" in answer.problem
        shown = f"{transport!r} {transport.name} {answer} {caplog.text}"
        assert "wrong-4F1E" not in shown

    def test_a_token(self, start):
        """
        A token is as good as a user and a password.
        """
        stream = start(f'authorization {{ token: "{SECRET}" }}', token=SECRET)
        stream.make()
        with NATSTransport(stream.url, token=SECRET) as transport:
            assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2

    def test_no_right_to_publish(self, start):
        """
        A user who may not publish is told what to change.
        """
        stream = start(
            'authorization { users: [{ user: "app", password: "p", '
            'permissions: { publish: ["other"] } }] }'
        )
        with NATSTransport(stream.url, user="app", password="p") as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "check the user's permissions" in answer.problem

    def test_killed_and_started_again(self, start):
        """
        A server that is killed in the middle costs nothing: what it had is
        there, what it had not comes again, and each batch is there once.
        """
        stream = start()
        stream.make()
        batches = [make_batch() for _ in range(3)]
        first, second, third = batches
        answers = []
        with NATSTransport(stream.url) as transport:
            before = transport.send(first)
            stream.server.pause()
            thread = threading.Thread(
                target=lambda: answers.append(transport.send(second))
            )
            thread.start()
            stream.server.end(signal.SIGKILL)
            thread.join(60)
            down = transport.send(third)
            stream.server.start()
            after = [transport.send(one) for one in batches]

        assert outcomes(before) == [DELIVERED] * 2
        assert outcomes(answers[0]) == [RETRY] * 2
        assert outcomes(down) == [RETRY] * 2
        for answer in after:
            assert RETRY not in outcomes(answer)
        assert sorted(one.id for one in stream.received()) == sorted(
            batch.id for batch in batches
        )

    def test_cancelled_in_the_middle(self, start):
        """
        What was cancelled does not come in afterwards.
        """
        stream = start()
        stream.make()
        stream.server.pause()
        answers = []
        with NATSTransport(stream.url) as transport:
            thread = threading.Thread(
                target=lambda: answers.append(transport.send(make_batch()))
            )
            thread.start()
            while thread.is_alive():
                transport.cancel()
                thread.join(0.05)
            stream.server.go_on()
            after = transport.send(make_batch())

        assert outcomes(answers[0]) == [RETRY] * 2
        assert answers[0].problem.endswith("the transfer was cancelled")
        assert outcomes(after) == [DELIVERED] * 2
        assert len(stream.received()) == 1


class TestTLS:
    """
    Tests for whom it trusts.
    """

    @pytest.mark.obligation("WP-DENC-1", "GP-PROT-1")
    @pytest.mark.parametrize("is_trusted", [False, True])
    def test_another_name(
        self, start, other_certificates, certificates, is_trusted
    ):
        """
        A certificate of another name, or of a CA that is not trusted, is
        refused, and nothing is sent.
        """
        stream = start(tls=other_certificates)
        ca = other_certificates if is_trusted else certificates
        with NATSTransport(stream.url, verify=ca / "ca.pem") as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "its certificate is not trusted" in answer.problem

    @pytest.mark.parametrize(
        ("days", "said"),
        [((-9, -1), "has expired"), ((1, 9), "is not valid yet")],
        ids=["expired", "not yet"],
    )
    def test_another_time(self, start, tmp_path, days, said):
        """
        Of a certificate that holds no more, or not yet, it says so, and
        whose clock to look at.
        """
        begins, ends = (timedelta(days=n) for n in days)
        make_certificates(tmp_path, begins=begins, ends=ends)
        stream = start(tls=tmp_path)
        ca = tmp_path / "ca.pem"
        with NATSTransport(stream.url, verify=ca) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert said in answer.problem
        assert "this machine's clock" in answer.problem

    @pytest.mark.obligation("GP-PROT-1")
    @pytest.mark.parametrize("login", [{}, {"user": "a", "password": SECRET}])
    def test_a_server_that_leaves_tls_out(self, serve_raw, login):
        """
        One that does not ask for TLS gets neither credentials nor records.
        """
        heard = []

        def serve(conn):
            conn.sendall(b'INFO {"auth_required":true,"headers":true}\r\n')
            while data := conn.recv(65536):
                heard.append(data)
                if b"PING" in data:
                    conn.sendall(b"PONG\r\n")

        server = serve_raw(on_connect=serve)
        url = f"nats://127.0.0.1:{server.port}/kept.app"
        with NATSTransport(url, tls=True, **login) as transport:
            answer = transport.send(make_batch())
        server.close()

        assert outcomes(answer) == [RETRY] * 2
        assert "does not ask for TLS" in answer.problem
        said = b"".join(heard)
        assert SECRET.encode() not in said
        assert b"PUB" not in said

    def test_a_certificate_of_ours(self, start, certificates):
        """
        A server that asks for a certificate gets one.
        """
        pem = certificates / "server.pem"
        stream = start(
            f'tls {{ cert_file: "{pem}", key_file: "{pem}", verify: true, '
            f'ca_file: "{certificates / "ca.pem"}" }}'
        )
        trust = {"verify": certificates / "ca.pem"}
        with NATSTransport(stream.url, **trust) as transport:
            without = transport.send(make_batch())
        with NATSTransport(
            stream.url, **trust, certificate=pem, key=pem
        ) as transport:
            answer = transport.send(make_batch())

        assert outcomes(without) == [RETRY] * 2
        assert "no stream keeps" not in without.problem
        assert "no stream keeps" in answer.problem

    def test_a_missing_file(self, running_tls, tmp_path):
        """
        A CA file that is not there is named by its argument.
        """
        with NATSTransport(
            running_tls.url, verify=tmp_path / "no.pem"
        ) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "verify, certificate or key" in answer.problem


class TestProcesses:
    """
    Tests for threads, loops, forks and imports.
    """

    def test_no_thread_stays(self, stream):
        """
        No thread is left between transfers.
        """
        before = set(threading.enumerate())
        with NATSTransport(stream.url) as transport:
            transport.send(make_batch())
            assert set(threading.enumerate()) == before

    def test_no_thread_stays_of_what_hangs(self, serve_raw):
        """
        Nor when the server hung.
        """
        server = serve_raw(on_connect=_hang_after_login)
        before = {
            one for one in threading.enumerate() if "transfer" in one.name
        }
        url = f"nats://127.0.0.1:{server.port}/kept.app"
        with NATSTransport(url, timeout_seconds=0.3) as transport:
            answer = transport.send(make_batch())

        assert "no answer within 0.3 seconds" in answer.problem
        assert {
            one for one in threading.enumerate() if "transfer" in one.name
        } == before

    def test_within_an_event_loop(self, stream):
        """
        It may be called where an event loop runs.
        """

        async def work(transport):
            return transport.send(make_batch())

        with NATSTransport(stream.url) as transport:
            answer = asyncio.run(work(transport))

        assert outcomes(answer) == [DELIVERED] * 2

    def test_a_fork(self, start):
        """
        A child that is forked during a transfer sends by itself, and neither
        its cancelling nor its closing is the parent's.
        """
        stream = start()
        stream.make()
        stream.server.pause()
        code = (
            "import os, sys, threading, warnings\n"
            "from consentkit.testing.transport import make_batch\n"
            "from consentkit.transports.nats import NATSTransport\n"
            "warnings.simplefilter('ignore', DeprecationWarning)\n"
            "transport = NATSTransport(sys.argv[1])\n"
            "answers = []\n"
            "def work():\n"
            "    answers.append(transport.send(make_batch()))\n"
            "thread = threading.Thread(target=work)\n"
            "thread.start()\n"
            "while threading.active_count() < 3:\n"
            "    pass\n"
            "child = os.fork()\n"
            "if not child:\n"
            "    transport.cancel()\n"
            "    print('forked', flush=True)\n"
            "    answer = transport.send(make_batch())\n"
            "    transport.close()\n"
            "    print('child', answer.problem, flush=True)\n"
            "    os._exit(0)\n"
            "os.waitpid(child, 0)\n"
            "thread.join()\n"
            "print('parent', answers[0].problem, flush=True)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, stream.url],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout.readline() == "forked\n"
            stream.server.go_on()
            rest = process.stdout.read()

        assert rest == "child \nparent \n"
        assert len(stream.received()) == 2

    def test_nothing_is_imported_before_the_first_transfer(self):
        """
        Making it does not import the library.
        """
        code = (
            "import sys\n"
            "from consentkit.transports import transport_from_url\n"
            "transport_from_url('nats://127.0.0.1/a').close()\n"
            "print('nats' in sys.modules)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )
        assert ran.stdout == "False\n"

    def test_without_the_library(self, monkeypatch):
        """
        What is missing is named, with what installs it.
        """
        monkeypatch.setitem(sys.modules, "nats", None)
        with pytest.raises(MissingExtraError, match=r"consentkit\[nats\]"):
            NATSTransport("nats://127.0.0.1/a")


class TestOptions:
    """
    Tests for what it takes, and what it says of the rest.
    """

    def test_name(self):
        """
        The name says where, with the port.
        """
        one = NATSTransport("nats://[::1]/a.b", user="u", password=SECRET)
        assert one.name == "nats://[::1]:4222/a.b"
        assert repr(one) == "<NATSTransport nats://[::1]:4222/a.b>"

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("nats://user:pw@127.0.0.1/a", "credentials"),
            ("nats://127.0.0.1/a?b=pw", "query"),
            ("nats://127.0.0.1/a#pw", "fragment"),
            ("nats://127.0.0.1", "a subject is of"),
            ("nats://127.0.0.1/", "a subject is of"),
            ("nats://127.0.0.1/a.>", "a subject is of"),
            ("nats://127.0.0.1/a.*", "a subject is of"),
            ("nats://127.0.0.1/a..b", "a subject is of"),
            ("nats://127.0.0.1/$JS.API", "a subject is of"),
            ("nats://127.0.0.1/a%0Db", "a subject is of"),
            ("nats://127.0.0.1:0/a", "of the form"),
            ("nats://127.0.0.1:99999/a", "of the form"),
            ("nats:///a", "of the form"),
            ("tls://127.0.0.1/a", "of the form"),
            ("nats://127.0.0.1/a b", "of the form"),
        ],
    )
    def test_other_urls(self, url, words):
        """
        A URL of another form is refused, and no secret repeated.
        """
        with pytest.raises(TransportError, match=words) as caught:
            NATSTransport(url)
        assert "pw" not in str(caught.value)

    @pytest.mark.obligation("GP-PROT-1")
    def test_in_the_clear(self):
        """
        Without encryption it goes to this machine alone.
        """
        NATSTransport("nats://broker.example/a")
        with pytest.raises(TransportError, match="not encrypted"):
            NATSTransport("nats://broker.example/a", tls=False)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"user": "u"}, "go together"),
            ({"password": SECRET}, "go together"),
            ({"user": "u", "password": SECRET, "token": "t"}, "not both"),
            ({"token": SECRET + "\n"}, "token must be"),
            ({"token": ""}, "token must be"),
            ({"timeout_seconds": 0}, "positive"),
            ({"timeout_seconds": float("nan")}, "positive"),
            ({"verify": False}, "verify takes"),
            ({"verify": "ca.pem", "tls": False}, "need TLS"),
            ({"key": "key.pem"}, "goes with a certificate"),
            (
                {"verify": ssl.create_default_context(), "certificate": "c"},
                "into the SSLContext",
            ),
            (
                {"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)},
                "must check",
            ),
        ],
    )
    def test_other_options(self, options, words):
        """
        An option that cannot be used is named, and no secret repeated.
        """
        with pytest.raises(TransportError, match=words) as caught:
            NATSTransport("nats://127.0.0.1/a", **options)
        assert SECRET not in str(caught.value)
