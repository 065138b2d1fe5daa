# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.redis`, against a real Redis.
"""

from __future__ import annotations

import signal
import threading

from contextlib import suppress
from importlib import import_module
from typing import Any, ClassVar

import pytest

from attrs import evolve

from consentkit.exceptions import TransportError
from consentkit.seal import MEDIA_TYPE, make_open_key
from consentkit.testing import Arrived, TransportConformance
from consentkit.testing.sentinels import logged
from consentkit.transports import transport_from_url
from consentkit.transports.redis import RedisTransport
from tests.needs import need_extra, need_tool
from tests.transports.brokers import Proxy, Server, free_port
from tests.transports.conformance import (
    PLANTED,
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
    Babble,
    Files,
    Making,
    Nobody,
    Processes,
    Raw,
    refused,
    sending,
)


need_extra("redis")
need_tool("redis-server")

STREAM = "batches"


def redis_server(folder, *options, tls=None):
    """
    Make a Redis that brings each entry to its disk.

    Args:
        folder: For its files.

        options: Of its command line.

        tls: Folder with ``server.pem`` and ``ca.pem``, to speak TLS alone.
    """
    port = free_port()
    command = [
        "redis-server",
        *("--bind", "127.0.0.1", "--dir", str(folder), "--save", ""),
        *("--appendonly", "yes", "--appendfsync", "always"),
    ]
    if tls:
        pem, ca = str(tls / "server.pem"), str(tls / "ca.pem")
        command += ["--tls-port", str(port), "--port", "0"]
        command += ["--tls-cert-file", pem, "--tls-key-file", pem]
        command += ["--tls-ca-cert-file", ca]
        if "--tls-auth-clients" not in options:
            command += ["--tls-auth-clients", "no"]
    else:
        command += ["--port", str(port)]
    return Server([*command, *options], b"Ready to accept", port)


class Look:
    """
    Another client of the same server.
    """

    def __init__(self, port, **options):
        redis: Any = import_module("redis")
        self.client = redis.Redis(port=port, host="127.0.0.1", **options)

    def begin(self):
        """
        Empty the server, and make the stream.
        """
        self.client.flushall()
        self.client.xgroup_create(STREAM, "readers", mkstream=True)

    def entries(self):
        """
        Give the fields of each entry, in order.
        """
        return [fields for _, fields in self.client.xrange(STREAM)]

    def received(self):
        """
        Give what arrived.
        """
        return [
            Arrived(id=fields[b"id"].decode(), body=fields[b"body"])
            for fields in self.entries()
        ]

    def close(self):
        """
        Close its connection.
        """
        self.client.close()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """
    Give a server without TLS.
    """
    server = redis_server(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.end()


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory, certificates):
    """
    Give a server with TLS.
    """
    server = redis_server(tmp_path_factory.mktemp("redis"), tls=certificates)
    server.start()
    yield server
    server.end()


@pytest.fixture
def look(plain):
    """
    Give another client of the server without TLS, which is emptied.
    """
    look = Look(plain.port)
    look.begin()
    yield look
    look.close()


@pytest.fixture
def url(plain, look):
    """
    Give the URL of an empty stream.
    """
    return f"redis://127.0.0.1:{plain.port}/0/{STREAM}"


class _Redis(About):
    transport = RedisTransport
    extra = library = "redis"
    near = f"redis://127.0.0.1:{{port}}/0/{STREAM}"
    tls = f"rediss://127.0.0.1:{{port}}/0/{STREAM}"


class TestPlain(TransportConformance):
    """
    Tests for a transport to this machine.
    """

    @pytest.fixture(autouse=True)
    def _server(self, url, look):
        self.url = url
        self.received = look.received

    def make_transport(self):
        """
        Make it by its URL.
        """
        return transport_from_url(self.url)


class TestTLS(TransportConformance):
    """
    Tests for a transport over TLS.
    """

    @pytest.fixture(autouse=True)
    def _server(self, over_tls, certificates):
        self.ca = certificates / "ca.pem"
        self.url = f"rediss://127.0.0.1:{over_tls.port}/0/{STREAM}"
        look = Look(over_tls.port, ssl=True, ssl_ca_certs=str(self.ca))
        look.begin()
        self.received = look.received
        yield
        look.close()

    def make_transport(self):
        """
        Make it with the CA of its server.
        """
        return RedisTransport(self.url, verify=self.ca)

    @pytest.mark.obligation("WP-DENC-1")
    def test_sealed_within_tls(self):
        """
        Where TLS ends there is ciphertext.
        """
        super().test_delivers_envelopes()

    @pytest.mark.obligation("WP-DENC-1")
    def test_an_unknown_authority_is_not_trusted(self):
        """
        A server whose CA nobody knows gets nothing.
        """
        assert "pass that as verify" in refused(RedisTransport(self.url))
        assert self.received() == []


class TestGone(_Redis, Nobody):
    """
    Tests for a transport to where nobody listens.
    """


class TestMute(_Redis, Raw):
    """
    Tests for a transport to a server that takes connections and is silent.
    """

    options: ClassVar = {**Raw.options, "password": SECRET}


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"+PONG\r\n+PONG\r\n",
        b"+PONG\r\n:77\r\n",
        b"+PONG\r\n$-77\r\n",
        b"+PONG\r\n*2\r\n:1\r\n",
        b"+PONG\r\n*1\r\n:1\r\n",
        b"-\r\n",
        b"\x00\xff\r\n",
        b"",
    ],
)
class TestNonsense(_Redis, Babble):
    """
    Tests for a transport to a server that answers nonsense, and hangs up.
    """


class TestMaking(_Redis, Making):
    """
    Tests for what a transport is made of.
    """

    named = (
        "rediss://Redis.example/3/a:b%20c",
        "rediss://redis.example:6379/3/a:b c",
    )
    urls: ClassVar = [
        *(
            (url, "DATABASE/STREAM")
            for url in (
                "rediss://a.example",
                "rediss://a.example/0",
                "rediss://a.example/0/",
                "rediss://a.example/stream",
                "rediss://a.example/x/stream",
                "rediss://a.example/-1/stream",
                "rediss://a.example/0/a%00b",
                "rediss://a.example:0/0/stream",
                "rediss://a.example:99999/0/stream",
                "rediss:///0/stream",
                "https://a.example/0/stream",
            )
        ),
        (f"rediss://user:{SECRET}@a.example/0/stream", "credentials"),
        (f"rediss://:{SECRET}@a.example/0/stream", "credentials"),
        (f"rediss://a.example/0/stream?password={SECRET}", "query"),
        (f"rediss://a.example/0/stream#{SECRET}", "fragment"),
    ]
    choices: ClassVar = [
        ({"verify": False}, "verify takes a file"),
        ({"key": "key.pem"}, "certificate"),
        ({"password": ""}, "password must be"),
        ({"user": "a"}, "user goes with a password"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"remember_seconds": 0}, "remember_seconds"),
        ({"remember_seconds": float("nan")}, "remember_seconds"),
        ({"url": "redis://127.0.0.1/0/s", "verify": "ca.pem"}, "use rediss:"),
    ]

    @pytest.mark.obligation("GP-PROT-1", "WP-ENC-1")
    def test_nothing_in_the_clear(self):
        """
        Without TLS it leads to this machine alone.
        """
        for host in ("localhost", "127.0.0.1", "[::1]"):
            RedisTransport(f"redis://{host}/0/stream")
        with pytest.raises(TransportError, match="use rediss://"):
            RedisTransport("redis://redis.example/0/stream")


class TestEntries:
    """
    Tests for what stands in the stream.
    """

    def test_fields(self, url, look):
        """
        An entry tells what a carrier may know, and has the bytes.
        """
        batch, erasure = make_batch(), make_erasure()
        sealed = evolve(batch, seal_for=make_open_key(1).seal_key)
        sealed = evolve(sealed, id="01936b2e-6a10-7b11-8e00-a1b2c3d4e5f6")
        with RedisTransport(url) as transport:
            transport.send(batch)
            transport.erase(erasure)
            transport.send(sealed)

        first, second, third = look.entries()
        body = first.pop(b"body")
        assert body.startswith(b'{"format":1')
        assert first == {
            b"id": batch.id.encode(),
            b"kind": b"batch",
            b"recipient": b"controller",
            b"media_type": b"application/json",
        }
        assert second[b"kind"] == b"erasure"
        assert third[b"media_type"] == MEDIA_TYPE.encode()

    def test_a_batch_that_comes_again(self, url, look):
        """
        It is called a duplicate, by whichever transport it comes; so is an
        erasure request.
        """
        batch, erasure = make_batch(), make_erasure()
        for wanted in (DELIVERED, DUPLICATE):
            with RedisTransport(url) as transport:
                assert outcomes(transport.send(batch)) == [wanted] * 2
                assert outcomes(transport.erase(erasure)) == [wanted]

        assert len(look.entries()) == 2

    def test_it_is_known_for_a_time(self, url, look):
        """
        The mark by which a batch is known goes away by itself.
        """
        batch = make_batch()
        with RedisTransport(url, remember_seconds=3600) as transport:
            transport.send(batch)

        left = look.client.pttl(f"{STREAM}:{batch.id}")
        assert 0 < left <= 3_600_000

    def test_another_database(self, plain, url, look):
        """
        The database of the URL is the one that is written to.
        """
        other = Look(plain.port, db=3)
        other.client.xgroup_create(STREAM, "readers", mkstream=True)
        with RedisTransport(url.replace("/0/", "/3/")) as transport:
            transport.send(make_batch())

        assert len(other.entries()) == 1
        assert look.entries() == []
        other.close()


class TestTrouble(_Redis, Files):
    """
    Tests for servers that do not take it.
    """

    def test_no_such_stream(self, url, look):
        """
        A stream that nobody made is not made by us: nobody might read it.
        """
        look.client.delete(STREAM)

        assert "XGROUP CREATE" in refused(RedisTransport(url))
        assert not look.client.keys("*")

    def test_nothing_is_lost_once_it_is_there(self, url, look):
        """
        The same batch is delivered when the stream is there.
        """
        look.client.delete(STREAM)
        batch = make_batch()
        with RedisTransport(url) as transport:
            assert outcomes(transport.send(batch)) == [RETRY] * 2
            look.begin()
            assert outcomes(transport.send(batch)) == [DELIVERED] * 2

    def test_another_thing_by_that_name(self, url, look):
        """
        What is no stream is left alone.
        """
        look.client.delete(STREAM)
        look.client.set(STREAM, "x")

        assert "something else" in refused(RedisTransport(url))
        assert look.client.get(STREAM) == b"x"

    def test_no_such_database(self, url):
        """
        A database that is not there is told.
        """
        made = RedisTransport(url.replace("/0/", "/9999/"))

        assert "no such database" in refused(made)

    def test_credentials(self, url, look):
        """
        Those that are wrong are told, and shown nowhere; right ones work.
        """
        look.client.acl_setuser(
            "app",
            enabled=True,
            passwords=[f"+{SECRET}"],
            keys=[STREAM, f"{STREAM}:*"],
            commands=["+ping", "+eval", "+exists", "+xadd", "+set"],
        )
        wrong = RedisTransport(url, user="app", password=f"{SECRET}-not")
        right = RedisTransport(url, user="app", password=SECRET)
        assert "check user and password" in refused(wrong)
        with logged() as log, right:
            assert outcomes(right.send(make_batch())) == [DELIVERED] * 2
        assert SECRET not in f"{right!r}{log}"
        look.client.acl_deluser("app")

    def test_rights(self, url, look):
        """
        A user that may not write there is told which rights it takes.
        """
        look.client.acl_setuser(
            "app",
            enabled=True,
            passwords=[f"+{SECRET}"],
            keys=["other"],
            commands=["+@all"],
        )
        made = RedisTransport(url, user="app", password=SECRET)

        assert "allow PING" in refused(made)
        look.client.acl_deluser("app")

    def test_no_password(self, url, look, tmp_path):
        """
        A server that wants a password gets nothing without one.
        """
        look.client.config_set("requirepass", SECRET)
        try:
            problem = refused(RedisTransport(url))
            with RedisTransport(url, password=SECRET) as transport:
                answer = transport.send(make_batch())
        finally:
            look.client.config_set("requirepass", "")

        assert "check user and password" in problem
        assert outcomes(answer) == [DELIVERED] * 2

    def test_full(self, url, look):
        """
        A server without memory left keeps what it has, and takes nothing.
        """
        look.client.config_set("maxmemory", 1)
        try:
            problem = refused(RedisTransport(url))
        finally:
            look.client.config_set("maxmemory", 0)

        assert "memory is full" in problem
        assert look.entries() == []

    def test_a_replica(self, url, look):
        """
        A replica takes nothing.
        """
        look.client.replicaof("127.0.0.1", free_port())
        try:
            problem = refused(RedisTransport(url))
        finally:
            look.client.replicaof("NO", "ONE")

        assert "replica" in problem

    def test_too_large(self, url, look):
        """
        A batch that is too large for it is to be made smaller.
        """
        look.client.config_set("proto-max-bulk-len", 1024 * 1024)
        try:
            with RedisTransport(url) as transport:
                answer = transport.send(
                    make_batch(make_record(value="x" * 1_100_000))
                )
        finally:
            look.client.config_set("proto-max-bulk-len", 512 * 1024 * 1024)

        assert outcomes(answer) == [RETRY]
        assert answer.too_large
        assert "too large" in answer.problem
        assert look.entries() == []

    def test_a_certificate_of_another_name(self, tmp_path, other_certificates):
        """
        A server that shows another's certificate gets nothing.
        """
        server = redis_server(tmp_path, tls=other_certificates)
        server.start()
        made = RedisTransport(
            f"rediss://127.0.0.1:{server.port}/0/{STREAM}",
            verify=other_certificates / "ca.pem",
        )
        try:
            problem = refused(made)
        finally:
            server.end()

        assert "not trusted" in problem

    def test_a_certificate_of_ours(self, tmp_path, certificates):
        """
        A server that asks for a certificate lets us in with it alone.
        """
        server = redis_server(
            tmp_path, "--tls-auth-clients", "yes", tls=certificates
        )
        server.start()
        ca, pem = certificates / "ca.pem", certificates / "server.pem"
        url = f"rediss://127.0.0.1:{server.port}/0/{STREAM}"
        try:
            problem = refused(RedisTransport(url, verify=ca))
            made = RedisTransport(url, verify=ca, certificate=pem)
            reached = refused(made)
        finally:
            server.end()

        assert "no such stream" not in problem
        assert "no such stream" in reached

    def test_killed_before_it_could_say_so(self, tmp_path):
        """
        What Redis took, and nobody heard, is there after a kill, and known
        when it comes again.
        """
        server = redis_server(tmp_path)
        server.start()
        look = Look(server.port)
        look.begin()
        proxy = Proxy(server.port, lambda said: PLANTED.encode() in said)
        batch = make_batch()
        url = "redis://127.0.0.1:{}/0/" + STREAM
        try:
            with RedisTransport(url.format(proxy.port)) as transport:
                answer = transport.send(batch)
            assert outcomes(answer) == [RETRY] * 2
            with RedisTransport(url.format(server.port)) as transport:
                server.end(signal.SIGKILL)
                assert outcomes(transport.send(make_batch())) == [RETRY] * 2
                server.start()
                again = transport.send(batch)
            assert outcomes(again) == [DUPLICATE] * 2
            assert [one.id for one in look.received()] == [batch.id]
        finally:
            look.close()
            proxy.close()
            server.end()


class TestCancel:
    """
    Tests for cutting a transfer short.
    """

    def test_while_the_body_leaves(self, serve_raw):
        """
        When `cancel()` has returned, nothing more leaves.
        """
        got = []
        ended = threading.Event()

        def slow(conn):
            conn.recv(65536)
            conn.sendall(b"+PONG\r\n")
            conn.recv(1)
            server.there.set()
            server.go.wait(20)
            with suppress(OSError):
                while data := conn.recv(65536):
                    got.append(len(data))
            ended.set()

        server = serve_raw(on_connect=slow)
        batch = make_batch(make_record(value="x" * 30_000_000))
        url = _Redis.near.format(port=server.port)
        with RedisTransport(url) as transport:
            thread, answers = sending(transport, batch)
            assert server.there.wait(10)
            transport.cancel()
            thread.join(10)
            assert not thread.is_alive()
        server.go.set()

        assert ended.wait(5)
        assert outcomes(answers[0]) == [RETRY]
        assert "cancelled" in answers[0].problem
        assert sum(got) < 30_000_000

    def test_nothing_leaves_before_it_is_let_in(self, serve_raw):
        """
        A server that never says that it is Redis sees no record.
        """
        got = []

        def listen(conn):
            server.there.set()
            with suppress(OSError):
                while data := conn.recv(65536):
                    got.append(data)

        server = serve_raw(on_connect=listen)
        url = _Redis.near.format(port=server.port)
        problem = refused(RedisTransport(url, timeout_seconds=0.5))

        assert "no answer within 0.5 seconds" in problem
        assert PLANTED.encode() not in b"".join(got)


class TestProcess(_Redis, Processes):
    """
    Tests that need a process of their own.
    """

    @pytest.fixture(autouse=True)
    def _server(self, url, look):
        self.sends = (url,)
        self.received = look.received
