# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.kafka`.

The brokers are those that come with librdkafka for tests: they speak the
real protocol, without TLS and accounts. A relay before them adds TLS, and
cuts connections.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest

from consentkit.testing import Arrived, TransportConformance
from consentkit.transports import pack
from consentkit.transports.kafka import KafkaTransport
from tests.needs import need_extra
from tests.transports.conformance import (
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
    Making,
    Nobody,
    Nonsense,
    Raw,
    fork_and_send,
    refused,
    run,
    sending,
)


#: Of the protocol: requests to produce.
PRODUCE = 0


class Cluster:
    """
    Brokers with one topic, empty at the start.
    """

    def __init__(self) -> None:
        from confluent_kafka import Producer

        self._mock = Producer(
            {
                "bootstrap.servers": "127.0.0.1:1",  # it is not used
                "test.mock.num.brokers": 1,
                "log_level": 0,
            }
        )
        found = self._mock.list_topics(timeout=10)
        (broker,) = found.brokers.values()
        self.port = broker.port
        self._mock.list_topics("parcels", timeout=10)  # which makes it

    def close(self) -> None:
        """
        End them.
        """
        self._mock.close()

    def messages(self):
        """
        Read all messages, partition by partition, as they came.
        """
        from confluent_kafka import Consumer, TopicPartition

        place = f"127.0.0.1:{self.port}"
        consumer = Consumer(
            {
                "bootstrap.servers": place,
                "group.id": "tests",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,
                "log_level": 0,
            }
        )
        found = []
        try:
            topic = consumer.list_topics("parcels", timeout=10)
            for number in topic.topics["parcels"].partitions:
                part = TopicPartition("parcels", number, 0)
                _, end = consumer.get_watermark_offsets(part, timeout=10)
                consumer.assign([part])
                for _ in range(end):
                    message = consumer.poll(10)
                    assert message is not None
                    assert message.error() is None
                    found.append(message)
        finally:
            consumer.close()
        return found


class Relay:
    """
    Carries requests and answers between clients and the one broker.

    Args:
        cluster: Whose broker.

        tls: Folder with ``server.pem``, to speak TLS with clients.

        host: How the broker is called in answers; as long as its own name.

        port: Where it listens; any that is free if 0.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        tls: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._broker = ("127.0.0.1", cluster.port)
        self._context = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls / "server.pem")
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        # As brokers are named in the protocol: text, then the port.
        self._own = b"127.0.0.1" + struct.pack(">i", cluster.port)
        self._other = host.encode() + struct.pack(">i", self.port)
        #: Is told the size of each request, before it is read on.
        self.begun: Callable[[int], object] = lambda size: None
        #: Is asked of each answer whether it goes on, with the kind of its
        #: request.
        self.answers: Callable[[int], bool] = lambda kind: True
        #: Kinds of the requests that came.
        self.seen: list[int] = []
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def _run(self, work, *arguments) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """
        End it and all connections.
        """
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(10)
        for one in self._open:
            with suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        self._socket.close()

    def wait_until_left(self) -> None:
        """
        Wait until all clients have ended their connections.
        """
        for thread in self._threads[1:]:
            thread.join(10)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(client)
            self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self._context:
                client = self._context.wrap_socket(client, server_side=True)
                self._open.append(client)
            broker = socket.create_connection(self._broker)
            self._open.append(broker)
            with client, broker:
                kinds: dict[bytes, int] = {}
                self._run(self._bring_back, broker, client, kinds)
                self._bring(client, broker, kinds)

    def _bring(self, client, broker, kinds) -> None:
        with suppress(OSError):
            while frame := read_frame(client, self.begun):
                kind = int.from_bytes(frame[4:6])
                kinds[frame[8:12]] = kind
                self.seen.append(kind)
                broker.sendall(frame)
        cut(client, broker)

    def _bring_back(self, broker, client, kinds) -> None:
        with suppress(OSError):
            while frame := read_frame(broker):
                if not self.answers(kinds[frame[4:8]]):
                    break
                client.sendall(frame.replace(self._own, self._other))
        cut(client, broker)


def read_frame(
    conn: socket.socket, begun: Callable[[int], object] = lambda size: None
) -> bytes:
    """
    Read one request or answer with its length, or nothing at the end.
    """
    got = bytearray()
    missing = 4
    while missing > 0:
        more = conn.recv(min(missing, 65536))
        if not more:
            return b""
        got += more
        missing -= len(more)
        if len(got) == 4:
            missing = int.from_bytes(got)
            begun(missing)
    return bytes(got)


def cut(*sockets: socket.socket) -> None:
    """
    End connections, and wake whoever reads from them.
    """
    for one in sockets:
        with suppress(OSError):
            socket.socket.shutdown(one, socket.SHUT_RDWR)


@pytest.fixture
def cluster():
    """
    Give brokers that run.
    """
    need_extra("kafka")
    made = Cluster()
    yield made
    made.close()


@pytest.fixture
def relay(cluster):
    """
    Give what starts a relay; all are closed in the end.
    """
    made = []

    def begin(**options) -> Relay:
        made.append(Relay(cluster, **options))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def make(port, **options):
    """
    Make a transport to a broker on this machine.
    """
    given = {"timeout_seconds": 10.0, **options}
    return KafkaTransport(f"kafka://127.0.0.1:{port}/parcels", **given)


class _Kafka(About):
    transport = KafkaTransport
    extra, library = "kafka", "confluent_kafka"
    near = tls = "kafka://127.0.0.1:{port}/parcels"


class TestKafka(TransportConformance):
    """
    Tests for `KafkaTransport` as a transport.
    """

    @pytest.fixture(autouse=True)
    def _backend(self, cluster):
        self.cluster = cluster

    def make_transport(self):
        """
        Connect to the broker itself.
        """
        return make(self.cluster.port)

    def received(self):
        """
        Read the topic; what has one key counts once.
        """
        found = {}
        for message in self.cluster.messages():
            id_ = message.key().decode()
            found.setdefault(id_, Arrived(id=id_, body=message.value()))
        return list(found.values())


class TestKafkaWithTLS(TestKafka):
    """
    Tests for the same over TLS.
    """

    @pytest.fixture(autouse=True)
    def _backend(self, cluster, relay, certificates):
        self.cluster = cluster
        self.relay = relay(tls=certificates)
        self.ca = certificates / "ca.pem"

    def make_transport(self):
        """
        Connect to the relay.
        """
        return make(self.relay.port, verify=self.ca)


class TestNothingListens(_Kafka, Nobody):
    """
    Tests for a broker that is not there.
    """

    within_seconds = 5.0


class TestNoAnswer(_Kafka, Raw):
    """
    Tests for a broker that takes connections and says nothing.
    """

    within_seconds = 10.0


class TestNonsense(_Kafka, Nonsense):
    """
    Tests for a broker that speaks something else.
    """

    within_seconds = 10.0


class TestSetUp(_Kafka, Making):
    """
    Tests for what a `KafkaTransport` is made with.
    """

    named = (
        "kafka://a.example,b.example:9094/par.cels",
        "kafka://a.example:9092,b.example:9094/par.cels",
    )
    urls: ClassVar = [
        *(
            (url, "/TOPIC")
            for url in (
                "kafka://a.example",
                "kafka://a.example/",
                "kafka://a.example/a/b",
                "kafka://a.example/..",
                "kafka://a.example/a b",
                "kafka://a.example/" + "x" * 250,
                "kafka:///topic",
                "kafka://a.example,/topic",
                "kafka://a.example:0/topic",
                "kafka://a.example:x/topic",
                "kafka://[::1/topic",
                "kafkas://a.example/topic",
            )
        ),
        (f"kafka://me:{SECRET}@a.example/topic", "user="),
        (f"kafka://a.example,me:{SECRET}@b.example/topic", "user="),
        (f"kafka://a.example/topic?password={SECRET}", "query"),
        (f"kafka://a.example/topic#{SECRET}", "fragment"),
    ]
    choices: ClassVar = [
        ({"timeout_seconds": 0}, "timeout_seconds must be"),
        ({"verify": True}, "verify takes"),
        ({"key": "a.pem"}, "together"),
        ({"user": "me"}, "together"),
        ({"password": SECRET}, "user with"),
        (
            {"user": "me", "password": SECRET, "mechanism": "GSSAPI"},
            "mechanism must be",
        ),
        ({"most_bytes": 10}, "most_bytes must be"),
    ]


class TestMessages:
    """
    Tests for the messages in the topic.
    """

    def test_what_a_message_carries(self, cluster):
        """
        The key is the id; headers say for whom it is and what.
        """
        batch = make_batch()
        with make(cluster.port) as transport:
            transport.send(batch)

        (message,) = cluster.messages()
        parcel = pack(batch)
        assert message.key() == parcel.id.encode()
        assert message.value() == parcel.body
        assert dict(message.headers()) == {
            "id": parcel.id.encode(),
            "kind": b"batch",
            "recipient": parcel.recipient.encode(),
            "media_type": b"application/json",
        }

    def test_one_grant_keeps_its_order(self, cluster):
        """
        All of one grant, its erasure too, is in one partition; several
        grants are in several.
        """
        tokens = [f"{n:02x}" * 32 for n in range(8)]
        with make(cluster.port) as transport:
            for token in tokens:
                transport.send(make_batch(token=token))
                transport.send(make_batch(token=token))
                transport.erase(make_erasure(token))

        places: dict[str, list[tuple[int, bytes]]] = {}
        for message in cluster.messages():
            arrived = Arrived.of(message.value()).document
            grant = arrived.get("erase") or pack_grant(arrived["token"])
            kind = dict(message.headers())["kind"]
            places.setdefault(grant, []).append((message.partition(), kind))
        assert len(places) == 8
        for found in places.values():
            assert len({number for number, _ in found}) == 1
            kinds = [kind for _, kind in found]
            assert kinds == [b"batch", b"batch", b"erasure"]
        assert len({found[0][0] for found in places.values()}) > 1

    def test_too_large(self, cluster):
        """
        What is larger than the brokers take asks for smaller batches.
        """
        with make(cluster.port, most_bytes=5_000) as transport:
            large = transport.send(make_batch(make_record(value="x" * 5_000)))
            small = transport.send(make_batch())

        assert outcomes(large) == [RETRY]
        assert large.too_large
        assert outcomes(small) == [DELIVERED] * 2

    def test_a_missing_topic_is_a_problem(self, cluster):
        """
        A topic that is not there is told, and not made; nothing is lost.
        """
        url = f"kafka://127.0.0.1:{cluster.port}/misspelt"
        with KafkaTransport(url, timeout_seconds=10) as transport:
            answers = [transport.send(make_batch()) for _ in range(2)]

        for answer in answers:
            assert outcomes(answer) == [RETRY] * 2
            assert "there is no such topic" in answer.problem


def pack_grant(token: str) -> str:
    """
    Give what batches of a token have as *erase*.
    """
    return make_batch(token=token).erase


class TestTrust:
    """
    Tests for encryption and credentials.
    """

    @pytest.mark.obligation("WP-DENC-1")
    @pytest.mark.obligation("GP-PROT-1")
    def test_a_certificate_of_nobody_known(
        self, cluster, relay, certificates, other_certificates
    ):
        """
        A broker whose certificate is of another authority gets nothing.
        """
        there = relay(tls=certificates)
        verify = other_certificates / "ca.pem"

        assert "verify names its CA" in refused(
            make(there.port, verify=verify)
        )
        assert there.seen == []

    @pytest.mark.obligation("WP-DENC-1")
    def test_a_certificate_for_another_name(
        self, cluster, relay, other_certificates
    ):
        """
        A broker whose certificate is for another name gets nothing.
        """
        there = relay(tls=other_certificates)
        verify = other_certificates / "ca.pem"

        assert "certificate is for this host" in refused(
            make(there.port, verify=verify)
        )
        assert there.seen == []

    @pytest.mark.obligation("WP-ENC-1")
    @pytest.mark.obligation("GP-PROT-1")
    def test_far_brokers_are_never_spoken_to_in_the_clear(self, relay):
        """
        A broker on this machine that leads on to another one gets nothing.
        """
        # Another way to write this machine, which is not looked through.
        there = relay(host="127.00.01")
        problem = refused(make(there.port))

        assert "not on this machine, without encryption" in problem
        assert PRODUCE not in there.seen

    @pytest.mark.obligation("GP-PROT-1")
    def test_far_brokers_have_to_be_trusted(
        self, relay, certificates, monkeypatch
    ):
        """
        Without a CA of one's own, the usual authorities have to know brokers
        that are not this machine.
        """
        monkeypatch.setattr(
            "consentkit.transports.kafka.is_loopback", lambda _: False
        )
        there = relay(tls=certificates)
        with make(there.port) as transport:
            unknown = transport.send(make_batch())
            monkeypatch.setenv("SSL_CERT_FILE", f"{certificates}/ca.pem")
            known = transport.send(make_batch())

        assert outcomes(unknown) == [RETRY] * 2
        assert "verify names its CA" in unknown.problem
        assert outcomes(known) == [DELIVERED] * 2

    def test_one_far_broker_is_enough(self, cluster, relay):
        """
        Where one of the brokers is not this machine, all are spoken to over
        TLS.
        """
        there = relay()
        url = f"kafka://127.0.0.1:{there.port},192.0.2.1/parcels"

        refused(KafkaTransport(url, timeout_seconds=1))
        assert cluster.messages() == []

    def test_credentials_that_are_refused(self, relay, certificates):
        """
        A broker that takes no such sign-in is told as such, and the password
        is shown nowhere.
        """
        there = relay(tls=certificates)
        options = {
            "user": "app",
            "password": SECRET,
            "verify": certificates / "ca.pem",
        }
        problem = refused(make(there.port, **options))

        assert "does not accept the user or password" in problem

    def test_a_password_needs_tls(self, relay):
        """
        A password is not sent in the clear, not even on this machine.
        """
        there = relay()
        options = {"user": "app", "password": SECRET, "timeout_seconds": 0.5}

        refused(make(there.port, **options))
        assert there.seen == []

    def test_a_file_that_is_missing(self, cluster):
        """
        A file of certificates that is not there is a problem, not an error.
        """
        made = make(cluster.port, verify="/nowhere/ca.pem")

        assert "check the files" in refused(made)


class TestTrouble:
    """
    Tests for brokers that go, and transfers that are cut.
    """

    def test_an_acknowledgement_that_is_lost(self, cluster, relay):
        """
        When the connection breaks before the answer, the message comes
        again under its id, and none is missing.
        """
        there = relay()
        lost = iter([False])
        there.answers = lambda kind: kind != PRODUCE or next(lost, True)
        batches = [make_batch() for _ in range(3)]
        with make(there.port) as transport:
            answers = [transport.send(batch) for batch in batches]

        for answer in answers:
            assert outcomes(answer) == [DELIVERED] * 2
        assert there.seen.count(PRODUCE) == 4
        keys = {message.key().decode() for message in cluster.messages()}
        assert keys == {batch.id for batch in batches}

    def test_a_broker_that_was_down(self, cluster, relay):
        """
        What could not leave is delivered when the broker is back, once.
        """
        batches = [make_batch() for _ in range(3)]
        there = relay()
        with make(there.port, timeout_seconds=5) as transport:
            assert outcomes(transport.send(batches[0])) == [DELIVERED] * 2
            there.close()
            during = transport.send(batches[1])
            relay(port=there.port)
            again = [transport.send(batch) for batch in batches[1:]]

        assert outcomes(during) == [RETRY] * 2
        assert "no broker can be reached" in during.problem
        for answer in again:
            assert outcomes(answer) == [DELIVERED] * 2
        keys = [message.key().decode() for message in cluster.messages()]
        assert sorted(keys) == sorted(batch.id for batch in batches)

    def test_idle_connections_that_were_closed(self, cluster, relay):
        """
        Connections that a broker closed meanwhile are opened anew, and the
        transfer does not fail for it.
        """
        there = relay()
        with make(there.port) as transport:
            assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2
            there.close()
            relay(port=there.port)
            answer = transport.send(make_batch())

        assert outcomes(answer) == [DELIVERED] * 2

    def test_cancel_ends_it(self, cluster, relay):
        """
        A message that waits for its acknowledgement is given up when it is
        cancelled, nothing of it leaves later, and the next one works.
        """
        there = relay()
        asked, go = threading.Event(), threading.Event()

        def hold(kind):
            if kind == PRODUCE:
                asked.set()
                go.wait(10)
            return True

        there.answers = hold
        with make(there.port) as transport:
            thread, answers = sending(transport, make_batch())
            assert asked.wait(10)
            transport.cancel()
            thread.join(10)
            seen = there.seen.count(PRODUCE)
            go.set()
            again = transport.send(make_batch())

        assert outcomes(answers[0]) == [RETRY] * 2
        assert answers[0].problem.endswith("the transfer was cancelled")
        assert outcomes(again) == [DELIVERED] * 2
        assert there.seen.count(PRODUCE) == seen + 1

    def test_cancel_while_the_body_leaves(self, cluster, relay):
        """
        A large message that was cut while it left does not arrive.
        """
        there = relay()
        stuck, go = threading.Event(), threading.Event()

        def hold(size):
            if size > 1_000_000:
                stuck.set()
                go.wait(10)

        batch = make_batch(make_record(value="x" * 20_000_000))
        with make(there.port, most_bytes=30_000_000) as transport:
            assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2
            there.begun = hold
            thread, answers = sending(transport, batch)
            assert stuck.wait(10)
            transport.cancel()
            thread.join(10)
            go.set()
            there.wait_until_left()

        assert outcomes(answers[0]) == [RETRY]
        assert len(cluster.messages()) == 1

    def test_no_thread_outlives_closing(self, cluster):
        """
        The library's threads run from the first transfer until `close()`.
        """
        code = (
            "import os\n"
            "from consentkit.testing.transport import make_batch\n"
            "from consentkit.transports.kafka import KafkaTransport\n"
            "count = lambda: len(os.listdir('/proc/self/task'))\n"
            f"t = KafkaTransport('kafka://127.0.0.1:{cluster.port}/parcels')\n"
            "print(count())\n"
            "assert not t.send(make_batch()).problem\n"
            "print(count() > 1)\n"
            "t.close()\n"
            # The system takes a moment to take them down.
            "while count() > 1: pass\n"
        )

        assert run(code) == ["1", "True"]

    def test_a_child_has_its_own_connection(self, cluster):
        """
        After a fork both go on, and the child ends as any process does.
        """
        with make(cluster.port) as transport:
            sent = fork_and_send(transport)

        keys = {message.key().decode() for message in cluster.messages()}
        assert keys == sent

    def test_a_child_has_nothing_of_the_parent(self, cluster):
        """
        What is forked holds none of the parent's connections, and the parent
        goes on.
        """
        code = (
            "import os, sys, warnings\n"
            "from pathlib import Path\n"
            # The library's threads, which a fork leaves behind.
            "warnings.simplefilter('ignore', DeprecationWarning)\n"
            "from consentkit.testing.transport import make_batch\n"
            "from consentkit.transports.kafka import KafkaTransport\n"
            f"t = KafkaTransport('kafka://127.0.0.1:{cluster.port}/parcels')\n"
            "assert not t.send(make_batch()).problem\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    held = Path('/proc/self/fd').iterdir()\n"
            "    print(any(one.is_socket() for one in held))\n"
            "    sys.exit(7)\n"
            "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
            "assert not t.send(make_batch()).problem\n"
            "t.close()\n"
        )

        assert run(code) == ["False", "7"]
        assert len(cluster.messages()) == 2
