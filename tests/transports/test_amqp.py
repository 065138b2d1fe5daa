# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.amqp`, against a real RabbitMQ.

The one that answers on this machine is used, or that which
``CONSENTKIT_TESTS_RABBITMQ`` names, with queues of the tests' own; where none
answers, one is started. TLS is spoken by a small front before it: a node of
RabbitMQ takes seconds to start, so that the tests have but one of their own,
which they kill.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading

from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

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
from consentkit.transports.amqp import AMQPTransport
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


need_extra("amqp")

DELIVERED, RETRY = Outcome.DELIVERED, Outcome.RETRY
SECRET = "planted-password-7C2E"

#: The server of these tests, with its credentials.
RABBITMQ = os.environ.get(
    "CONSENTKIT_TESTS_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672/%2F"
)


class RabbitMQ(Server):
    """
    A node of the tests' own, which is no part of any other's cluster.

    Args:
        folder: For its files.

        tls: Folder with ``server.pem`` and ``ca.pem``. Who has a certificate
            by that CA is let in as the user of its common name.
    """

    def __init__(self, folder: Path, tls: Path) -> None:
        port, self._names = free_port(), free_port()
        self.tls_port = free_port()
        self._pid = folder / "pid"
        (folder / "plugins").write_text("[rabbitmq_auth_mechanism_ssl].")
        pem = tls / "server.pem"
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{port}\n"
            f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}\n"
            f"ssl_options.cacertfile = {tls / 'ca.pem'}\n"
            f"ssl_options.certfile = {pem}\n"
            f"ssl_options.keyfile = {pem}\n"
            "ssl_options.verify = verify_peer\n"
            "ssl_options.fail_if_no_peer_cert = false\n"
            "auth_mechanisms.1 = PLAIN\n"
            "auth_mechanisms.2 = EXTERNAL\n"
            "ssl_cert_login_from = common_name\n"
            "default_user = 127.0.0.1\n"
            "default_pass = guest\n"
            "log.console = false\n"
            "max_message_size = 1000000\n"
        )
        settings = {
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": self._names,
            "HOME": folder,
            "RABBITMQ_CONFIG_FILE": folder / "rabbitmq",
            "RABBITMQ_DIST_PORT": free_port(),
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins",
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_MNESIA_BASE": folder,
            "RABBITMQ_NODENAME": f"test{port}@localhost",
            "RABBITMQ_PID_FILE": self._pid,
        }
        # The program on the path is one that becomes another user.
        program = "/usr/lib/rabbitmq/bin/rabbitmq-server"
        if not Path(program).exists():
            program = "rabbitmq-server"
        command = [
            "env",
            *(f"{name}={value}" for name, value in settings.items()),
            program,
        ]
        super().__init__(command, b"completed with", port)
        self.url = f"amqp://127.0.0.1:guest@127.0.0.1:{port}/%2F"
        self._epmd: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """
        Run it, and the small server by which nodes find each other.
        """
        if self._epmd is None:
            self._epmd = subprocess.Popen(
                [
                    *("epmd", "-address", "127.0.0.1"),
                    *("-port", str(self._names)),
                ]
            )
        super().start()

    def kill(self) -> None:
        """
        Kill it, so that it has no time to put anything in order.
        """
        os.kill(int(self._pid.read_text()), signal.SIGKILL)
        self.end(0)

    def close(self) -> None:
        """
        End it for good.
        """
        self.end()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()


class Front:
    """
    What speaks TLS before a server that does not.

    Args:
        host: The server's.

        port: The server's.

        tls: Folder with ``server.pem``.
    """

    def __init__(self, host: str, port: int, tls: Path) -> None:
        self._server = (host, port)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(tls / "server.pem")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """
        Stop, and wait for all connections to end.
        """
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                found, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(found,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, found: socket.socket) -> None:
        with found, suppress(OSError):
            client = self._context.wrap_socket(found, server_side=True)
            server = socket.create_connection(self._server)
            with client, server:
                back = threading.Thread(
                    target=self._pass_on, args=(server, client)
                )
                back.start()
                self._pass_on(client, server)
                back.join(20)

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with suppress(OSError):
            socket.socket.shutdown(other, socket.SHUT_RDWR)


class Broker:
    """
    Another client of a broker.

    Args:
        url: The broker's, with credentials, up to the virtual host.
    """

    def __init__(self, url: str) -> None:
        pika: Any = import_module("pika")
        parts = urlsplit(url)
        self.host, self.port = parts.hostname, parts.port
        self.user, self.password = parts.username, parts.password
        self.vhost = parts.path[1:]
        self._parameters = pika.ConnectionParameters(
            host=self.host,
            port=self.port,
            virtual_host=unquote(self.vhost),
            credentials=pika.PlainCredentials(self.user, self.password),
        )
        self.connection = pika.BlockingConnection(self._parameters)
        self.channel = self.connection.channel()
        self._arrived: dict[str, Arrived] = {}
        self.properties: list[Any] = []
        self.queue = f"consentkit-{uuid4()}"

    def declare(self, **arguments: object) -> None:
        """
        Make the queue, which is gone when nobody has looked for an hour.
        """
        self.channel.queue_declare(
            self.queue,
            durable=True,
            arguments={"x-expires": 3_600_000, **arguments},
        )

    def make(self, what: str | None = None, **options: Any):
        """
        Make a transport to the queue, or to *what*.
        """
        port = options.pop("port", self.port)
        scheme = options.pop("scheme", "amqp")
        host = "127.0.0.1" if "verify" in options else self.host
        known: dict[str, Any] = {"user": self.user, "password": self.password}
        return AMQPTransport(
            f"{scheme}://{host}:{port}/{self.vhost}/{what or self.queue}",
            **{**known, "timeout_seconds": 20.0, **options},
        )

    def received(self) -> list[Arrived]:
        """
        Give what arrived, what came twice once.
        """
        while True:
            method, properties, body = self.channel.basic_get(
                self.queue, auto_ack=True
            )
            if method is None:
                return list(self._arrived.values())
            self.properties.append(properties)
            found = Arrived(id=properties.message_id, body=body)
            self._arrived.setdefault(found.id, found)

    def close(self) -> None:
        """
        Delete the queue and close the connection.
        """
        if self.channel.is_open:
            self.channel.queue_delete(self.queue)
        if self.connection.is_open:
            self.connection.close()


def answers(url: str) -> bool:
    """
    Tell whether something listens there.
    """
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname, parts.port), 5):
            return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory, certificates):
    """
    Give the URL of a broker.
    """
    if answers(RABBITMQ):
        yield RABBITMQ
        return
    need_tool("rabbitmq-server", "epmd")
    node = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"), certificates)
    try:
        node.start()
        yield node.url
    finally:
        node.close()


@pytest.fixture
def broker(rabbitmq):
    """
    Give a broker with an empty queue.
    """
    broker = Broker(rabbitmq)
    broker.declare()
    yield broker
    broker.close()


@pytest.fixture
def front(broker, certificates):
    """
    Give what speaks TLS before the broker.
    """
    front = Front(broker.host, broker.port, certificates)
    yield front
    front.close()


class TestPlain(TransportConformance):
    """
    Tests for a transport to this machine.
    """

    @pytest.fixture(autouse=True)
    def _server(self, broker):
        self.make_transport = broker.make
        self.received = broker.received


class TestTLS(TransportConformance):
    """
    Tests for a transport over TLS.
    """

    @pytest.fixture(autouse=True)
    def _server(self, broker, front, certificates):
        self.broker = broker
        self.received = broker.received
        self.options = {"scheme": "amqps", "port": front.port}
        self.ca = certificates / "ca.pem"

    def make_transport(self):
        """
        Make it with the CA of its server.
        """
        return self.broker.make(verify=self.ca, **self.options)

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
        A broker whose CA nobody knows gets nothing.
        """
        with self.broker.make(verify=None, **self.options) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "pass that as verify" in answer.problem
        assert self.received() == []


class TestExchange(TransportConformance):
    """
    Tests for a transport to an exchange, from where a queue gets it.
    """

    @pytest.fixture(autouse=True)
    def _server(self, broker):
        self.received = broker.received
        broker.channel.queue_bind(broker.queue, "amq.topic", broker.queue)
        self.make_transport = lambda: broker.make(
            f"amq.topic/{broker.queue}", verify=None
        )


class TestGone(BadTransportConformance):
    """
    Tests for a transport to where nobody listens.
    """

    def make_transport(self):
        """
        Make it.
        """
        return AMQPTransport(f"amqp://127.0.0.1:{free_port()}/%2F/queue")


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
        return AMQPTransport(
            f"amqp://127.0.0.1:{self.port}/%2F/queue",
            user="app",
            password=SECRET,
            timeout_seconds=0.5,
        )


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"AMQP\x00\x00\x09\x01",
        b"AMQP\x00",
        # Frames: of an unknown method, of a method cut short, of a message
        # that nobody asked for, with a wrong end, and of another channel.
        b"\x01\x00\x00\x00\x00\x00\x04\xff\xff\xff\xff\xce",
        b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a\xce",
        b"\x01\x00\x00\x00\x00\x00\x05\x00\x0a\x00\x32\x00\xce",
        b"\x01\x00\x00\x00\x00\x00\x01\x00\x00",
        b"\x01\x00\x07\x00\x00\x00\x04\x00\x14\x00\x28\xce",
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
        return AMQPTransport(
            f"amqp://127.0.0.1:{self.port}/%2F/queue", timeout_seconds=5.0
        )


class TestMaking:
    """
    Tests for what a transport is made of.
    """

    def test_its_name(self):
        """
        It is known by its URL, with the usual port.
        """
        made = transport_from_url("amqps://Rabbit.example/%2F/a%20queue")

        assert isinstance(made, AMQPTransport)
        assert made.name == "amqps://rabbit.example:5671/%2F/a%20queue"
        assert repr(made) == f"<AMQPTransport {made.name}>"

    @pytest.mark.parametrize(
        "url",
        [
            "amqps://a.example",
            "amqps://a.example/queue",
            "amqps://a.example//queue",
            "amqps://a.example/%2F/",
            "amqps://a.example/%2F/exchange/",
            "amqps://a.example/%2F/a/b/c",
            "amqps://a.example/%2F/a%00b",
            f"amqps://a.example/%2F/{'x' * 256}",
            "amqps://a.example:0/%2F/queue",
            "amqps:///%2F/queue",
            "https://a.example/%2F/queue",
        ],
    )
    def test_other_forms_are_refused(self, url):
        """
        A URL of another form is refused, with those that would be right.
        """
        with pytest.raises(TransportError, match="VHOST/QUEUE or"):
            AMQPTransport(url)

    @pytest.mark.parametrize(
        "url",
        [
            f"amqps://user:{SECRET}@a.example/%2F/queue",
            f"amqps://a.example/%2F/queue?password={SECRET}",
            f"amqps://a.example/%2F/queue#{SECRET}",
        ],
    )
    def test_no_credentials_in_the_url(self, url):
        """
        A URL that may hold a secret is refused, and not repeated.
        """
        with pytest.raises(TransportError) as caught:
            AMQPTransport(url)

        assert SECRET not in str(caught.value)

    @pytest.mark.obligation("GP-PROT-1", "WP-ENC-1")
    def test_nothing_in_the_clear(self):
        """
        Without TLS it leads to this machine alone.
        """
        for host in ("localhost", "127.0.0.1", "[::1]"):
            AMQPTransport(f"amqp://{host}/%2F/queue")
        with pytest.raises(TransportError, match="use amqps://"):
            AMQPTransport("amqp://rabbit.example/%2F/queue")

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"verify": True}, "verify takes a file"),
            ({"key": "key.pem"}, "certificate"),
            ({"user": "a"}, "user and password go together"),
            ({"password": "a"}, "user and password go together"),
            ({"user": "a\nb", "password": "a"}, "user must be"),
            ({"timeout_seconds": float("inf")}, "timeout_seconds"),
        ],
    )
    def test_other_options_are_refused(self, options, told):
        """
        An option that cannot be used is refused by its name.
        """
        with pytest.raises(TransportError, match=told):
            AMQPTransport("amqps://a.example/%2F/queue", **options)

    def test_without_the_library(self, monkeypatch):
        """
        Without pika, making it says what to install.
        """
        monkeypatch.setitem(sys.modules, "pika", None)

        with pytest.raises(MissingExtraError, match=r"consentkit\[amqp\]"):
            AMQPTransport("amqps://a.example/%2F/queue")


class TestMessages:
    """
    Tests for what a message is like.
    """

    def test_properties(self, broker):
        """
        A message tells what a carrier may know, and outlives a restart.
        """
        batch, erasure = make_batch(), make_erasure()
        sealed = evolve(make_batch(), seal_for=make_open_key(1).seal_key)
        with broker.make() as transport:
            transport.send(batch)
            transport.erase(erasure)
            transport.send(sealed)
        broker.received()

        first, second, third = broker.properties
        assert first.message_id == batch.id
        assert first.content_type == "application/json"
        assert first.delivery_mode == 2
        assert first.headers == {"kind": "batch", "recipient": "controller"}
        assert second.headers["kind"] == "erasure"
        assert third.content_type == MEDIA_TYPE


class TestTrouble:
    """
    Tests for brokers that do not take it.
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

    def test_no_such_queue(self, broker):
        """
        A message that no queue would get is not lost, and not shown when it
        is returned.
        """
        with logged() as log:
            problem = self.refused(broker.make("no-such-queue"))

        assert "declare the queue" in problem
        assert PLANTED not in "\n".join(log)

    def test_nothing_is_bound(self, broker):
        """
        Nor is one to an exchange that would throw it away.
        """
        made = broker.make(f"amq.direct/{uuid4()}")

        assert "bind one to the exchange" in self.refused(made)

    def test_no_such_exchange(self, broker):
        """
        An exchange that is not there is told.
        """
        made = broker.make("no-such-exchange/key")

        assert "no such exchange" in self.refused(made)

    def test_nothing_is_lost_once_it_is_there(self, broker):
        """
        The same batch is delivered when the queue is there.
        """
        broker.channel.queue_delete(broker.queue)
        batch = make_batch()
        with broker.make() as transport:
            assert outcomes(transport.send(batch)) == [RETRY] * 2
            broker.declare()
            assert outcomes(transport.send(batch)) == [DELIVERED] * 2

    def test_a_full_queue(self, broker):
        """
        A queue that refuses what it has no room for keeps what it has.
        """
        broker.channel.queue_delete(broker.queue)
        broker.declare(**{"x-max-length": 1, "x-overflow": "reject-publish"})
        with broker.make() as transport:
            # The first is taken, and how many more is the queue's affair.
            for _ in range(5):
                transport.send(make_batch())

        assert "whether a queue is full" in self.refused(broker.make())

    def test_no_such_vhost(self, broker):
        """
        A virtual host that is not there is told.
        """
        broker.vhost = "no-such-vhost"

        assert "VHOST" in self.refused(broker.make())

    def test_credentials(self, broker):
        """
        Those that are wrong are told, and shown nowhere.
        """
        wrong = broker.make(user="app", password=SECRET)
        with logged() as log:
            problem = self.refused(wrong)

        assert "check user and password" in problem
        assert SECRET not in f"{wrong!r}{wrong.name}{problem}{log}"

    def test_another_server(self, serve_raw):
        """
        One that speaks otherwise, and waits, is told from a slow one.
        """

        def babble(conn):
            conn.sendall(b"220 mail.example ESMTP\r\n")
            linger(conn)

        port = serve_raw(on_connect=babble).port
        made = AMQPTransport(f"amqp://127.0.0.1:{port}/%2F/queue")

        assert "AMQP 0-9-1" in self.refused(made)

    def test_a_certificate_of_another_name(self, broker, other_certificates):
        """
        A broker that shows another's certificate gets nothing.
        """
        front = Front(broker.host, broker.port, other_certificates)
        made = broker.make(
            scheme="amqps",
            port=front.port,
            verify=other_certificates / "ca.pem",
        )
        try:
            problem = self.refused(made)
        finally:
            front.close()

        assert "not trusted" in problem
        assert broker.received() == []

    def test_no_way_in_without_a_password(self, broker, front, certificates):
        """
        A broker that asks for a password is not shown a certificate alone.
        """
        ca, pem = certificates / "ca.pem", certificates / "server.pem"
        made = AMQPTransport(
            f"amqps://127.0.0.1:{front.port}/%2F/{broker.queue}",
            verify=ca,
            certificate=pem,
        )

        assert "EXTERNAL" in self.refused(made)


@pytest.fixture(scope="module")
def node(tmp_path_factory, certificates):
    """
    Give a node that takes messages of up to a megabyte.
    """
    need_tool("rabbitmq-server", "epmd")
    node = RabbitMQ(tmp_path_factory.mktemp("node"), certificates)
    try:
        node.start()
        yield node
    finally:
        node.close()


class TestOwnNode:
    """
    Tests with a node of our own.
    """

    def test_a_certificate_is_enough(self, node, certificates):
        """
        A broker that takes certificates lets us in with one, over its own
        TLS, and without it only with a password.
        """
        broker = Broker(node.url)
        broker.declare()
        ca, pem = certificates / "ca.pem", certificates / "server.pem"
        url = f"amqps://127.0.0.1:{node.tls_port}/%2F/{broker.queue}"
        with AMQPTransport(url, verify=ca) as transport:
            nobody = transport.send(make_batch())
        with AMQPTransport(url, verify=ca, certificate=pem) as transport:
            known = transport.send(make_batch())
        received = broker.received()
        broker.close()

        assert "check user and password" in nobody.problem
        assert outcomes(known) == [DELIVERED] * 2
        assert len(received) == 1

    def test_too_large(self, node):
        """
        A batch that is too large for it is to be made smaller.
        """
        broker = Broker(node.url)
        broker.declare()
        large = make_batch(make_record(value="x" * 1_100_000))
        with broker.make() as transport:
            answer = transport.send(large)
        broker.close()

        assert outcomes(answer) == [RETRY]
        assert answer.too_large
        assert "too large" in answer.problem

    def test_killed_before_it_could_say_so(self, node):
        """
        What the broker took, and nobody heard, is there after a kill, and
        known by its id when it comes again.
        """
        broker = Broker(node.url)
        broker.declare()
        batch = make_batch()
        proxy = Proxy(node.port, lambda said: PLANTED.encode() in said)
        try:
            with broker.make(port=proxy.port) as transport:
                answer = transport.send(batch)
        finally:
            proxy.close()
        assert outcomes(answer) == [RETRY] * 2

        with broker.make() as transport:
            assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2
            node.kill()
            with suppress(Exception):
                broker.close()
            assert outcomes(transport.send(batch)) == [RETRY] * 2
            node.start()
            assert outcomes(transport.send(batch)) == [DELIVERED] * 2
        after = Broker(node.url)
        after.queue = broker.queue
        arrived = [one.id for one in after.received()]
        after.close()
        assert len(arrived) == 2
        assert batch.id in arrived


class TestCancel:
    """
    Tests for cutting a transfer short.
    """

    def test_while_it_waits(self, serve_raw):
        """
        A send that waits for the broker returns, and nothing more leaves.
        """
        got = []
        ended = threading.Event()

        def listen(conn):
            server.there.set()
            with suppress(OSError):
                while data := conn.recv(65536):
                    got.append(data)
            ended.set()

        server = serve_raw(on_connect=listen)
        answers = []
        with AMQPTransport(
            f"amqp://127.0.0.1:{server.port}/%2F/queue"
        ) as transport:
            thread = threading.Thread(
                target=lambda: answers.append(transport.send(make_batch()))
            )
            thread.start()
            assert server.there.wait(10)
            transport.cancel()
            assert ended.wait(10)
            thread.join(10)
            assert not thread.is_alive()

        assert outcomes(answers[0]) == [RETRY] * 2
        assert "cancelled" in answers[0].problem
        assert b"".join(got) in (b"", b"AMQP\x00\x00\x09\x01")


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
            "from consentkit.transports.amqp import AMQPTransport\n"
            "made = AMQPTransport('amqps://a.example/%2F/q')\n"
            "made.cancel()\n"
            "made.close()\n"
            "print({'pika', 'ssl'} & set(sys.modules))\n"
            "print(threading.active_count())\n"
        )

        assert self.run(code) == ["set()", "1"]

    def test_no_thread_stays(self, broker):
        """
        After a transfer there is no thread and no connection left.
        """
        code = (
            "import os, sys, threading\n"
            "from consentkit.testing.transport import make_batch\n"
            "from consentkit.transports.amqp import AMQPTransport\n"
            "files = len(os.listdir('/proc/self/fd'))\n"
            "url, user, password = sys.argv[1:]\n"
            "made = AMQPTransport(url, user=user, password=password)\n"
            "print(made.send(make_batch()).problem or 'ok')\n"
            "print(threading.active_count())\n"
            "print(len(os.listdir('/proc/self/fd')) - files)\n"
        )
        url = broker.make().name

        ran = self.run(code, url, broker.user, broker.password)

        assert ran == ["ok", "1", "0"]

    def test_a_forked_child_sends_by_itself(self, broker):
        """
        Parent and child send by the same transport, each for itself.
        """
        code = (
            "import os, sys\n"
            "from consentkit.testing.transport import make_batch\n"
            "from consentkit.transports.amqp import AMQPTransport\n"
            "url, user, password = sys.argv[1:]\n"
            "made = AMQPTransport(url, user=user, password=password)\n"
            "made.send(make_batch())\n"
            "child = os.fork()\n"
            "problem = made.send(make_batch()).problem\n"
            "made.close()\n"
            "if child == 0:\n"
            "    os._exit(1 if problem else 0)\n"
            "print(problem or 'ok', os.waitpid(child, 0)[1])\n"
        )
        url = broker.make().name

        ran = self.run(code, url, broker.user, broker.password)

        assert ran == ["ok", "0"]
        assert len(broker.received()) == 3
