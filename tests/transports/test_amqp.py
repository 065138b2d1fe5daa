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
import threading

from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest

from attrs import evolve

from consentkit.exceptions import TransportError
from consentkit.seal import MEDIA_TYPE, make_open_key
from consentkit.testing import Arrived, TransportConformance
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
from tests.transports.contract import (
    DELIVERED,
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
from tests.transports.servers import linger


need_extra("amqp")

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


class _AMQP(About):
    transport = AMQPTransport
    extra, library = "amqp", "pika"
    near = "amqp://127.0.0.1:{port}/%2F/queue"
    tls = "amqps://127.0.0.1:{port}/%2F/queue"


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
        super().test_delivers_envelopes()

    @pytest.mark.obligation("WP-DENC-1")
    def test_an_unknown_authority_is_not_trusted(self):
        """
        A broker whose CA nobody knows gets nothing.
        """
        made = self.broker.make(verify=None, **self.options)

        assert "pass that as verify" in refused(made)
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


class TestGone(_AMQP, Nobody):
    """
    Tests for a transport to where nobody listens.
    """


class TestMute(_AMQP, Raw):
    """
    Tests for a transport to a server that takes connections and is silent.
    """

    options: ClassVar = {**Raw.options, "user": "app", "password": SECRET}


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
class TestNonsense(_AMQP, Babble):
    """
    Tests for a transport to a server that answers nonsense, and hangs up.
    """


class TestMaking(_AMQP, Making):
    """
    Tests for what a transport is made of.
    """

    named = (
        "amqps://Rabbit.example/%2F/a%20queue",
        "amqps://rabbit.example:5671/%2F/a%20queue",
    )
    urls: ClassVar = [
        *(
            (url, "VHOST/QUEUE or")
            for url in (
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
            )
        ),
        (f"amqps://user:{SECRET}@a.example/%2F/queue", "credentials"),
        (f"amqps://a.example/%2F/queue?password={SECRET}", "query"),
        (f"amqps://a.example/%2F/queue#{SECRET}", "fragment"),
    ]
    choices: ClassVar = [
        ({"verify": True}, "verify takes a file"),
        ({"key": "key.pem"}, "certificate"),
        ({"user": "a"}, "user and password go together"),
        ({"password": "a"}, "user and password go together"),
        ({"user": "a\nb", "password": "a"}, "user must be"),
        ({"timeout_seconds": float("inf")}, "timeout_seconds"),
    ]

    @pytest.mark.obligation("GP-PROT-1", "WP-ENC-1")
    def test_nothing_in_the_clear(self):
        """
        Without TLS it leads to this machine alone.
        """
        for host in ("localhost", "127.0.0.1", "[::1]"):
            AMQPTransport(f"amqp://{host}/%2F/queue")
        with pytest.raises(TransportError, match="use amqps://"):
            AMQPTransport("amqp://rabbit.example/%2F/queue")


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


class TestTrouble(_AMQP, Files):
    """
    Tests for brokers that do not take it.
    """

    def test_no_such_queue(self, broker):
        """
        A message that no queue would get is not lost, and not shown when it
        is returned.
        """
        problem = refused(broker.make("no-such-queue"))

        assert "declare the queue" in problem

    def test_nothing_is_bound(self, broker):
        """
        Nor is one to an exchange that would throw it away.
        """
        made = broker.make(f"amq.direct/{uuid4()}")

        assert "bind one to the exchange" in refused(made)

    def test_no_such_exchange(self, broker):
        """
        An exchange that is not there is told.
        """
        made = broker.make("no-such-exchange/key")

        assert "no such exchange" in refused(made)

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

        assert "whether a queue is full" in refused(broker.make())

    def test_no_such_vhost(self, broker):
        """
        A virtual host that is not there is told.
        """
        broker.vhost = "no-such-vhost"

        assert "VHOST" in refused(broker.make())

    def test_credentials(self, broker):
        """
        Those that are wrong are told, and shown nowhere.
        """
        wrong = broker.make(user="app", password=SECRET)

        assert "check user and password" in refused(wrong)

    def test_another_server(self, serve_raw):
        """
        One that speaks otherwise, and waits, is told from a slow one.
        """

        def babble(conn):
            conn.sendall(b"220 mail.example ESMTP\r\n")
            linger(conn)

        made = self.lead_to(serve_raw(on_connect=babble).port)

        assert "AMQP 0-9-1" in refused(made)

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
            problem = refused(made)
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

        assert "EXTERNAL" in refused(made)


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
        nobody = refused(AMQPTransport(url, verify=ca))
        with AMQPTransport(url, verify=ca, certificate=pem) as transport:
            known = transport.send(make_batch())
        received = broker.received()
        broker.close()

        assert "check user and password" in nobody
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
        url = _AMQP.near.format(port=server.port)
        with AMQPTransport(url) as transport:
            thread, answers = sending(transport)
            assert server.there.wait(10)
            transport.cancel()
            assert ended.wait(10)
            thread.join(10)
            assert not thread.is_alive()

        assert outcomes(answers[0]) == [RETRY] * 2
        assert "cancelled" in answers[0].problem
        assert b"".join(got) in (b"", b"AMQP\x00\x00\x09\x01")


class TestProcess(_AMQP, Processes):
    """
    Tests that need a process of their own.
    """

    @pytest.fixture(autouse=True)
    def _server(self, broker):
        login = f"user={broker.user}", f"password={broker.password}"
        self.sends = broker.make().name, *login
        self.received = broker.received
