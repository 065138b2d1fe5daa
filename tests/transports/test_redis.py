# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.redis`, against a real Redis.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest

from attrs import evolve

from consentkit.exceptions import MissingExtraError, TransportError
from consentkit.seal import MEDIA_TYPE, make_open_key
from consentkit.testing import (
    Arrived,
    BadTransportConformance,
    TransportConformance,
)
from consentkit.testing.sentinels import logged
from consentkit.transports import Outcome, transport_from_url
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
from tests.transports.servers import linger


need_extra("redis")
need_tool("redis-server")

DELIVERED, RETRY = Outcome.DELIVERED, Outcome.RETRY
SECRET = "planted-password-7C2E"

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
        sealed = evolve(make_batch(), seal_for=make_open_key(1).seal_key)
        with self.make_transport() as transport:
            assert outcomes(transport.send(sealed)) == [DELIVERED] * 2

        [arrived] = self.received()
        assert PLANTED.encode() not in arrived.body

    @pytest.mark.obligation("WP-DENC-1")
    def test_an_unknown_authority_is_not_trusted(self):
        """
        A server whose CA nobody knows gets nothing.
        """
        with RedisTransport(self.url) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "pass that as verify" in answer.problem
        assert self.received() == []


class TestGone(BadTransportConformance):
    """
    Tests for a transport to where nobody listens.
    """

    def make_transport(self):
        """
        Make it.
        """
        return RedisTransport(f"redis://127.0.0.1:{free_port()}/0/{STREAM}")


class TestMute(BadTransportConformance):
    """
    Tests for a transport to a server that takes connections and is silent.
    """

    @pytest.fixture(autouse=True)
    def _server(self, serve_raw):
        self.port = serve_raw(on_connect=linger).port

    def make_transport(self):
        """
        Make it, with little patience.
        """
        return RedisTransport(
            f"redis://127.0.0.1:{self.port}/0/{STREAM}",
            password=SECRET,
            timeout_seconds=0.5,
        )


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
class TestNonsense(BadTransportConformance):
    """
    Tests for a transport to a server that answers nonsense, and hangs up.
    """

    @pytest.fixture(autouse=True)
    def _server(self, serve_raw, said):
        def babble(conn):
            conn.recv(1)
            conn.sendall(said)

        self.port = serve_raw(on_connect=babble).port

    def make_transport(self):
        """
        Make it.
        """
        return RedisTransport(
            f"redis://127.0.0.1:{self.port}/0/{STREAM}", timeout_seconds=5.0
        )


class TestMaking:
    """
    Tests for what a transport is made of.
    """

    def test_its_name(self):
        """
        It is known by its URL, with the usual port.
        """
        made = transport_from_url("rediss://Redis.example/3/a:b%20c")

        assert isinstance(made, RedisTransport)
        assert made.name == "rediss://redis.example:6379/3/a:b c"
        assert (
            repr(made)
            == "<RedisTransport rediss://redis.example:6379/3/a:b c>"
        )

    @pytest.mark.parametrize(
        "url",
        [
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
        ],
    )
    def test_other_forms_are_refused(self, url):
        """
        A URL of another form is refused, with the one that would be right.
        """
        with pytest.raises(TransportError, match="DATABASE/STREAM"):
            RedisTransport(url)

    @pytest.mark.parametrize(
        "url",
        [
            f"rediss://user:{SECRET}@a.example/0/stream",
            f"rediss://:{SECRET}@a.example/0/stream",
            f"rediss://a.example/0/stream?password={SECRET}",
            f"rediss://a.example/0/stream#{SECRET}",
        ],
    )
    def test_no_credentials_in_the_url(self, url):
        """
        A URL that may hold a secret is refused, and not repeated.
        """
        with pytest.raises(TransportError) as caught:
            RedisTransport(url)

        assert SECRET not in str(caught.value)

    @pytest.mark.obligation("GP-PROT-1", "WP-ENC-1")
    def test_nothing_in_the_clear(self):
        """
        Without TLS it leads to this machine alone.
        """
        for host in ("localhost", "127.0.0.1", "[::1]"):
            RedisTransport(f"redis://{host}/0/stream")
        with pytest.raises(TransportError, match="use rediss://"):
            RedisTransport("redis://redis.example/0/stream")

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"verify": False}, "verify takes a file"),
            ({"key": "key.pem"}, "certificate"),
            ({"password": ""}, "password must be"),
            ({"user": "a"}, "user goes with a password"),
            ({"timeout_seconds": 0}, "timeout_seconds"),
            ({"remember_seconds": 0}, "remember_seconds"),
            ({"remember_seconds": float("nan")}, "remember_seconds"),
        ],
    )
    def test_other_options_are_refused(self, options, told):
        """
        An option that cannot be used is refused by its name.
        """
        with pytest.raises(TransportError, match=told):
            RedisTransport("rediss://a.example/0/stream", **options)

    def test_trust_needs_tls(self):
        """
        Whoever names a CA is not left in the belief that there is TLS.
        """
        with pytest.raises(TransportError, match="use rediss://"):
            RedisTransport("redis://127.0.0.1/0/stream", verify="ca.pem")

    def test_without_the_library(self, monkeypatch):
        """
        Without redis, making it says what to install.
        """
        monkeypatch.setitem(sys.modules, "redis", None)

        with pytest.raises(MissingExtraError, match=r"consentkit\[redis\]"):
            RedisTransport("rediss://a.example/0/stream")


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
        for wanted in (Outcome.DELIVERED, Outcome.DUPLICATE):
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


class TestTrouble:
    """
    Tests for servers that do not take it.
    """

    def refused(self, transport):
        """
        Send a batch that is not taken, and give the problem.
        """
        with transport:
            answer = transport.send(make_batch())
        assert outcomes(answer) == [RETRY] * 2
        assert not answer.too_large
        assert answer.problem.startswith(f"{transport.name}: ")
        return answer.problem

    def test_no_such_stream(self, url, look):
        """
        A stream that nobody made is not made by us: nobody might read it.
        """
        look.client.delete(STREAM)

        assert "XGROUP CREATE" in self.refused(RedisTransport(url))
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

        assert "something else" in self.refused(RedisTransport(url))
        assert look.client.get(STREAM) == b"x"

    def test_no_such_database(self, url):
        """
        A database that is not there is told.
        """
        made = RedisTransport(url.replace("/0/", "/9999/"))

        assert "no such database" in self.refused(made)

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
        with logged() as log:
            problem = self.refused(wrong)
            with right:
                assert outcomes(right.send(make_batch())) == [DELIVERED] * 2

        assert "check user and password" in problem
        shown = f"{wrong!r}{right!r}{wrong.name}{problem}{log}"
        assert SECRET not in shown
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

        assert "allow PING" in self.refused(made)
        look.client.acl_deluser("app")

    def test_no_password(self, url, look, tmp_path):
        """
        A server that wants a password gets nothing without one.
        """
        look.client.config_set("requirepass", SECRET)
        try:
            problem = self.refused(RedisTransport(url))
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
            problem = self.refused(RedisTransport(url))
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
            problem = self.refused(RedisTransport(url))
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
            problem = self.refused(made)
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
            problem = self.refused(RedisTransport(url, verify=ca))
            made = RedisTransport(url, verify=ca, certificate=pem)
            reached = self.refused(made)
        finally:
            server.end()

        assert "no such stream" not in problem
        assert "no such stream" in reached

    def test_a_file_that_is_not_there(self, tmp_path):
        """
        A CA file that is missing is a problem, and no exception.
        """
        made = RedisTransport(
            f"rediss://127.0.0.1:{free_port()}/0/{STREAM}",
            verify=tmp_path / "none.pem",
        )

        assert "check its path" in self.refused(made)

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
            assert outcomes(again) == [Outcome.DUPLICATE] * 2
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
        answers = []
        with RedisTransport(
            f"redis://127.0.0.1:{server.port}/0/{STREAM}"
        ) as transport:
            thread = threading.Thread(
                target=lambda: answers.append(transport.send(batch))
            )
            thread.start()
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
        with RedisTransport(
            f"redis://127.0.0.1:{server.port}/0/{STREAM}", timeout_seconds=0.5
        ) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "no answer within 0.5 seconds" in answer.problem
        assert PLANTED.encode() not in b"".join(got)


class TestProcess:
    """
    Tests that need a process of their own.
    """

    def run(self, code, *args):
        """
        Run *code* in a fresh interpreter and give what it prints.
        """
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, *args],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr == ""
        return ran.stdout.split()

    def test_nothing_heavy_before_the_first_transfer(self):
        """
        Neither the module nor a new transport imports the library or TLS, or
        starts a thread.
        """
        code = (
            "import sys, threading\n"
            "from consentkit.transports.redis import RedisTransport\n"
            "made = RedisTransport('rediss://a.example/0/s', password='x')\n"
            "made.cancel()\n"
            "made.close()\n"
            "print({'redis', 'ssl'} & set(sys.modules))\n"
            "print(threading.active_count())\n"
        )

        assert self.run(code) == ["set()", "1"]

    def test_no_thread_stays(self, url):
        """
        After a transfer there is no thread and no connection left.
        """
        code = (
            "import os, sys, threading\n"
            "from consentkit.testing.transport import make_batch\n"
            "from consentkit.transports import transport_from_url\n"
            "files = len(os.listdir('/proc/self/fd'))\n"
            "made = transport_from_url(sys.argv[1])\n"
            "print(made.send(make_batch()).problem or 'ok')\n"
            "print(threading.active_count())\n"
            "print(len(os.listdir('/proc/self/fd')) - files)\n"
        )

        assert self.run(code, url) == ["ok", "1", "0"]

    def test_a_forked_child_sends_by_itself(self, url, look):
        """
        Parent and child send by the same transport, each for itself.
        """
        code = (
            "import os, sys\n"
            "from consentkit.testing.transport import make_batch\n"
            "from consentkit.transports import transport_from_url\n"
            "made = transport_from_url(sys.argv[1])\n"
            "made.send(make_batch())\n"
            "child = os.fork()\n"
            "problem = made.send(make_batch()).problem\n"
            "made.close()\n"
            "if child == 0:\n"
            "    os._exit(1 if problem else 0)\n"
            "print(problem or 'ok', os.waitpid(child, 0)[1])\n"
        )

        assert self.run(code, url) == ["ok", "0"]
        assert len(look.entries()) == 3
