# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.nats`, against a NATS server.
"""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import threading

from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import ClassVar

import pytest

from consentkit.exceptions import TransportError
from consentkit.testing import Arrived
from consentkit.transports import pack
from consentkit.transports.nats import NATSTransport
from tests.needs import need_extra, need_tool
from tests.transports.brokers import nats_server, starting
from tests.transports.conformance import (
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)
from tests.transports.contract import (
    DELIVERED,
    DUPLICATE,
    RETRY,
    SECRET,
    About,
    Files,
    Making,
    Nobody,
    OwnPlace,
    OwnPlaceByTLS,
    Processes,
    Raw,
    Trouble,
    refused,
    sending,
)
from tests.transports.servers import linger, make_certificates


need_extra("nats")
need_tool("nats-server")


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

    def begin(self, **config):
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
    running.begin()
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
    with starting(partial(Stream, tmp_path)) as begin:
        yield begin


class _NATS(About):
    transport = NATSTransport
    extra = library = "nats"
    near = tls = "nats://127.0.0.1:{port}/kept.app"
    again = DUPLICATE


class TestStream(_NATS, OwnPlace):
    """
    The suite, within this machine.
    """

    @pytest.fixture(autouse=True)
    def _backend(self, stream):
        self.place = stream


class TestStreamByTLS(_NATS, OwnPlaceByTLS):
    """
    The suite, encrypted and with a password.
    """

    @pytest.mark.obligation("WP-DENC-1", "GP-PROT-1")
    def test_delivers_envelopes(self):
        """
        Within TLS what arrives is sealed still.
        """
        super().test_delivers_envelopes()


class TestNobody(_NATS, Nobody):
    """
    The suite for an address at which nothing listens.
    """


class TestSilent(_NATS, Raw):
    """
    The suite for a server that accepts, and says nothing.
    """


class TestNonsense(_NATS, Raw):
    """
    The suite for a server that speaks something else.
    """

    def on_connect(self, conn):
        """
        Speak HTTP.
        """
        conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        linger(conn)


INFO = b'INFO {"max_payload":1048576,"headers":true}\r\n'


def _log_in(conn):
    conn.sendall(INFO)
    conn.recv(65536)
    conn.sendall(b"PONG\r\n")


def _hang_after_login(conn):
    _log_in(conn)
    linger(conn)


class TestNoAcknowledgement(_NATS, Raw):
    """
    The suite for a server that takes messages, and says nothing of them.
    """

    on_connect = staticmethod(_hang_after_login)


class TestGarbled(_NATS, Raw):
    """
    The suite for a server that answers a message with nonsense.
    """

    def on_connect(self, conn):
        """
        Let it in, and garble.
        """
        _log_in(conn)
        conn.recv(65536)
        conn.sendall(b"\xff\x00 4F1E\r\n" * 9)
        linger(conn)


class TestHangsInTLS(_NATS, Raw):
    """
    The suite for a server that asks for TLS, and does not speak it.
    """

    options: ClassVar = {**Raw.options, "tls": True}

    def on_connect(self, conn):
        """
        Ask for TLS.
        """
        conn.sendall(b'INFO {"tls_required":true}\r\n')
        linger(conn)


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

        assert {one for a in again for one in outcomes(a)} == {DUPLICATE}


class TestTrouble(_NATS, Trouble):
    """
    Tests for servers that do not take it.
    """

    def test_no_stream(self, stream):
        """
        A subject that nothing keeps is told, and nothing is lost.
        """
        url = stream.url.replace("kept", "unkept")

        assert refused(NATSTransport(url)) == (
            f"{url}: no stream keeps the subject unkept.app; make one (nats "
            "stream add --subjects unkept.app) on a server with JetStream"
        )

    def test_too_large_for_the_stream(self, stream):
        """
        A stream that wants smaller messages gets smaller batches.
        """
        stream.begin(max_msg_size=500)
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
        stream.begin()
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
        stream.begin(max_msgs=1, discard="new")
        with NATSTransport(stream.url) as transport:
            first, second = (transport.send(make_batch()) for _ in range(2))

        assert outcomes(first) == [DELIVERED] * 2
        assert outcomes(second) == [RETRY] * 2
        assert not second.too_large
        assert second.problem.endswith("the stream is full; raise its limits")

    @pytest.mark.parametrize(
        "login",
        [
            {"user": "app", "password": f"{SECRET}-not"},
            {"token": f"{SECRET}-not"},
            {},
        ],
    )
    def test_wrong_credentials(self, running_tls, certificates, login):
        """
        Who is not let in is told so, and no credential is shown.
        """
        ca = certificates / "ca.pem"
        made = NATSTransport(running_tls.url, verify=ca, **login)

        assert "refuses the credentials" in refused(made)

    def test_a_token(self, start):
        """
        A token is as good as a user and a password.
        """
        stream = start(f'authorization {{ token: "{SECRET}" }}', token=SECRET)
        stream.begin()
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
        made = NATSTransport(stream.url, user="app", password="p")

        assert "check the user's permissions" in refused(made)

    def test_killed_and_started_again(self, start):
        """
        A server that is killed in the middle costs nothing: what it had is
        there, what it had not comes again, and each batch is there once.
        """
        stream = start()
        stream.begin()
        batches = [make_batch() for _ in range(3)]
        first, second, third = batches
        with NATSTransport(stream.url) as transport:
            before = transport.send(first)
            stream.server.pause()
            thread, answers = sending(transport, second)
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


class TestTLS(_NATS, Files):
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
        made = NATSTransport(stream.url, verify=ca / "ca.pem")

        assert "its certificate is not trusted" in refused(made)

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
        problem = refused(NATSTransport(stream.url, verify=ca))

        assert said in problem
        assert "this machine's clock" in problem

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
        problem = refused(NATSTransport(url, tls=True, **login))
        server.close()

        assert "does not ask for TLS" in problem
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
        ca = certificates / "ca.pem"
        without = refused(NATSTransport(stream.url, verify=ca))
        made = NATSTransport(stream.url, verify=ca, certificate=pem, key=pem)

        assert "no stream keeps" not in without
        assert "no stream keeps" in refused(made)


class TestProcesses(_NATS, Processes):
    """
    Tests for threads, loops and forks.
    """

    @pytest.fixture(autouse=True)
    def _backend(self, stream):
        self.sends = (stream.url,)
        self.received = stream.received

    def test_no_thread_stays_of_what_hangs(self, serve_raw):
        """
        No thread is left when the server hung.
        """
        before = {
            one for one in threading.enumerate() if "transfer" in one.name
        }
        port = serve_raw(on_connect=_hang_after_login).port
        problem = refused(self.lead_to(port, timeout_seconds=0.3))

        assert "no answer within 0.3 seconds" in problem
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


class TestOptions(_NATS, Making):
    """
    Tests for what it takes, and what it says of the rest.
    """

    heavy = frozenset()  # its loop's own module brings TLS
    named = "nats://[::1]/a.b", "nats://[::1]:4222/a.b"
    urls: ClassVar = [
        (f"nats://user:{SECRET}@127.0.0.1/a", "credentials"),
        (f"nats://127.0.0.1/a?b={SECRET}", "query"),
        (f"nats://127.0.0.1/a#{SECRET}", "fragment"),
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
    ]
    choices: ClassVar = [
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
    ]

    @pytest.mark.obligation("GP-PROT-1")
    def test_in_the_clear(self):
        """
        Without encryption it goes to this machine alone.
        """
        NATSTransport("nats://broker.example/a")
        with pytest.raises(TransportError, match="not encrypted"):
            NATSTransport("nats://broker.example/a", tls=False)
