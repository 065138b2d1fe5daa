# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.mqtt`, against a Mosquitto broker.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from consentkit.exceptions import MissingExtraError, TransportError
from consentkit.testing import (
    Arrived,
    BadTransportConformance,
    TransportConformance,
)
from consentkit.transports import Outcome, pack, transport_from_url
from consentkit.transports.mqtt import MQTTTransport
from tests.needs import need_extra, need_tool
from tests.transports.brokers import Proxy, free_port, mosquitto
from tests.transports.conformance import (
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)
from tests.transports.servers import linger


need_extra("mqtt")
need_tool("mosquitto")

DELIVERED, RETRY = Outcome.DELIVERED, Outcome.RETRY
SECRET = "s3cret-4F1E"
TOPIC = "kept/app"


class Topic:
    """
    A broker, and a subscriber whose session outlives its connections.
    """

    def __init__(self, folder, more="", tls=None, user=None, password=None):
        self.server = mosquitto(folder, more, tls)
        self._tls = tls
        self._login = user, password

    @property
    def url(self):
        """
        Where a transport sends to.
        """
        scheme = "mqtts" if self._tls else "mqtt"
        return f"{scheme}://127.0.0.1:{self.server.port}/{TOPIC}"

    def _connect(self, *, is_new, on_message=None):
        from paho.mqtt import client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, "reader", protocol=mqtt.MQTTv5
        )
        if self._tls:
            client.tls_set_context(
                ssl.create_default_context(cafile=self._tls / "ca.pem")
            )
        client.username_pw_set(*self._login)
        there = threading.Event()
        client.on_connect = lambda *_: there.set()
        client.on_message = on_message
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        client.connect(
            "127.0.0.1",
            self.server.port,
            clean_start=is_new,
            properties=properties,
        )
        client.loop_start()
        assert there.wait(20)
        return client

    def subscribe(self):
        """
        Begin a new session: what comes from now on is kept for it.
        """
        client = self._connect(is_new=True)
        there = threading.Event()
        client.on_subscribe = lambda *_: there.set()
        client.subscribe(TOPIC, qos=1)
        assert there.wait(20)
        self._leave(client)

    def messages(self):
        """
        Give what has been kept, in order.
        """
        found = []
        is_all = threading.Event()

        def take(_client, _data, message):
            if message.payload == b"all":
                is_all.set()
            else:
                found.append(message)

        client = self._connect(is_new=False, on_message=take)
        client.publish(TOPIC, b"all", qos=1)
        assert is_all.wait(20)
        self._leave(client)
        return found

    def received(self):
        """
        Give what has been kept, each id once.
        """
        found = {}
        for one in self.messages():
            number = dict(one.properties.UserProperty)["id"]
            found.setdefault(number, Arrived(id=number, body=one.payload))
        return list(found.values())

    def _leave(self, client):
        client.disconnect()
        client.loop_stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """
    Give a running broker, for several tests.
    """
    topic = Topic(tmp_path_factory.mktemp("mqtt"))
    topic.server.start()
    yield topic
    topic.server.end()


@pytest.fixture
def topic(running):
    """
    Give a topic with a subscriber that has got nothing yet.
    """
    running.subscribe()
    return running


@pytest.fixture(scope="module")
def running_tls(tmp_path_factory, certificates):
    """
    Give a running broker with TLS, that asks for a user and a password.
    """
    folder = tmp_path_factory.mktemp("mqtt-tls")
    topic = Topic(
        folder, with_users(folder), certificates, user="app", password=SECRET
    )
    topic.server.start()
    yield topic
    topic.server.end()


def with_users(folder):
    """
    Make a file of users, and give what names it in a configuration.
    """
    need_tool("mosquitto_passwd")
    users = folder / "users"
    program = shutil.which("mosquitto_passwd") or "mosquitto_passwd"
    subprocess.run(
        [program, "-b", "-c", str(users), "app", SECRET], check=True
    )
    return f"allow_anonymous false\npassword_file {users}"


@pytest.fixture
def start(tmp_path):
    """
    Give what starts a broker of a test's own; it is ended afterwards.
    """
    made = []

    def begin(*args, **options):
        made.append(Topic(tmp_path, *args, **options))
        made[-1].server.start()
        return made[-1]

    yield begin
    for one in made:
        one.server.end()


class TestTopic(TransportConformance):
    """
    The suite, within this machine.
    """

    @pytest.fixture(autouse=True)
    def _backend(self, topic):
        self.topic = topic

    def make_transport(self):
        """
        Make it by its URL.
        """
        return transport_from_url(self.topic.url)

    def received(self):
        """
        Take what the subscriber got.
        """
        return self.topic.received()


class TestTopicByTLS(TransportConformance):
    """
    The suite, encrypted and with a password.
    """

    @pytest.fixture(autouse=True)
    def _backend(self, running_tls, certificates):
        running_tls.subscribe()
        self.topic = running_tls
        self.ca = certificates / "ca.pem"

    def make_transport(self):
        """
        Make it with a CA of its own.
        """
        return MQTTTransport(
            self.topic.url, user="app", password=SECRET, verify=self.ca
        )

    def received(self):
        """
        Take what the subscriber got.
        """
        return self.topic.received()

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
        return MQTTTransport(f"mqtt://127.0.0.1:{free_port()}/{TOPIC}")


class _Raw(BadTransportConformance):
    on_connect: Any = staticmethod(linger)
    scheme = "mqtt"
    options: ClassVar = {}

    @pytest.fixture(autouse=True)
    def _backend(self, serve_raw):
        self.port = serve_raw(on_connect=type(self).on_connect).port

    def make_transport(self):
        """
        Make one with little patience.
        """
        return MQTTTransport(
            f"{self.scheme}://127.0.0.1:{self.port}/{TOPIC}",
            timeout_seconds=0.5,
            **self.options,
        )


class TestSilent(_Raw):
    """
    The suite for a broker that accepts, and says nothing.
    """


class TestHangsInTLS(_Raw):
    """
    The suite for a broker that does not speak TLS, and says nothing.
    """

    scheme = "mqtts"


def _say_http(conn):
    conn.recv(65536)
    conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    linger(conn)


class TestNonsense(_Raw):
    """
    The suite for a server that speaks something else.
    """

    on_connect = staticmethod(_say_http)


#: Let in, with no properties.
CONNACK = b"\x20\x03\x00\x00\x00"


def _hang_after_login(conn):
    conn.recv(65536)
    conn.sendall(CONNACK)
    linger(conn)


class TestNoAcknowledgement(_Raw):
    """
    The suite for a broker that takes messages, and says nothing of them.
    """

    on_connect = staticmethod(_hang_after_login)


def _leave_after_login(conn):
    conn.recv(65536)
    conn.sendall(CONNACK)
    conn.recv(65536)
    conn.sendall(b"\xe0\x00")  # a normal end, and not of the message


class TestLeaves(_Raw):
    """
    The suite for a broker that takes its leave in place of an answer.
    """

    on_connect = staticmethod(_leave_after_login)


def _acknowledge_another(conn):
    conn.recv(65536)
    conn.sendall(CONNACK)
    conn.recv(65536)
    conn.sendall(b"\x40\x02\x12\x34")
    linger(conn)


class TestOtherAcknowledgement(_Raw):
    """
    The suite for a broker that acknowledges what was not sent.
    """

    on_connect = staticmethod(_acknowledge_another)


class TestMessage:
    """
    Tests for what a subscriber gets.
    """

    def test_properties(self, topic):
        """
        The properties say what it is.
        """
        batch, erasure = make_batch(), make_erasure()
        with MQTTTransport(topic.url) as transport:
            transport.send(batch)
            transport.erase(erasure)

        first, second = topic.messages()
        assert first.properties.UserProperty == [
            ("id", batch.id),
            ("kind", "batch"),
            ("recipient", "controller"),
        ]
        assert first.properties.ContentType == "application/json"
        assert dict(second.properties.UserProperty)["id"] == erasure.id
        assert dict(second.properties.UserProperty)["kind"] == "erasure"
        assert first.payload == pack(batch).body
        assert json.loads(second.payload) == erasure.as_json()
        assert (first.qos, first.retain) == (1, False)

    def test_it_expires(self, topic):
        """
        The broker drops a batch when its first record expires; an erasure
        stays for ever.
        """
        now = datetime.now(UTC)
        batch = make_batch(
            *(
                make_record(expires_at=now + timedelta(days=days))
                for days in (30, 2, 90)
            )
        )
        old = make_batch(make_record(expires_at=now - timedelta(days=1)))
        far = make_batch(make_record(expires_at=now + timedelta(days=99_999)))
        with MQTTTransport(topic.url) as transport:
            answers = [transport.send(one) for one in (batch, far, old)]
            transport.erase(make_erasure())

        assert {one for a in answers for one in outcomes(a)} == {DELIVERED}
        first, *_, last = topic.messages()
        day = 24 * 60 * 60
        assert day < first.properties.MessageExpiryInterval <= 2 * day
        assert not hasattr(last.properties, "MessageExpiryInterval")

    def test_a_lost_acknowledgement(self, topic):
        """
        When the connection breaks before the answer, it is sent again with
        the same id.
        """
        batch = make_batch()
        proxy = Proxy(
            topic.server.port, lambda said: batch.id.encode() in said
        )
        url = f"mqtt://127.0.0.1:{proxy.port}/{TOPIC}"
        try:
            with MQTTTransport(url) as transport:
                lost = transport.send(batch)
        finally:
            proxy.close()
        with MQTTTransport(topic.url) as transport:
            again = transport.send(batch)

        assert outcomes(lost) == [RETRY] * 2
        assert "the connection broke" in lost.problem
        assert outcomes(again) == [DELIVERED] * 2
        assert [one.id for one in topic.received()] == [batch.id]


class TestTrouble:
    """
    Tests for brokers that do not take it.
    """

    def test_nobody_takes_it(self, running):
        """
        A topic without subscriber, of which the broker keeps nothing, is
        told, and nothing is lost.
        """
        url = running.url.replace("kept", "unkept")
        with MQTTTransport(url) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert answer.problem == (
            f"{url}: nobody takes the topic; subscribe to it first, with a "
            "session that outlives its connection (reason 0x10)"
        )

    def test_too_large(self, start):
        """
        A broker that wants smaller packets gets smaller batches, down to the
        last byte.
        """
        topic = start("max_packet_size 3000")
        topic.subscribe()

        def of(length):
            return make_batch(make_record(value="x" * length))

        empty = len(pack(of(0)).body)
        with MQTTTransport(topic.url) as transport:
            answers = [
                transport.send(of(length))
                for length in range(3000 - empty - 200, 3000 - empty, 4)
            ]
            small = transport.erase(make_erasure())

        is_large = [answer.too_large for answer in answers]
        assert is_large == sorted(is_large)
        assert set(is_large) == {True, False}
        for answer in answers:
            assert outcomes(answer) == [
                RETRY if answer.too_large else DELIVERED
            ]
        assert "too large" in answers[-1].problem
        assert outcomes(small) == [DELIVERED]

    def test_too_large_is_not_sent(self, serve_raw):
        """
        What a broker says to be too large for it is not sent at all.
        """
        heard = []

        def serve(conn):
            conn.recv(65536)
            conn.sendall(b"\x20\x08\x00\x00\x05\x27\x00\x00\x01\x00")
            while data := conn.recv(65536):
                heard.append(data)

        server = serve_raw(on_connect=serve)
        url = f"mqtt://127.0.0.1:{server.port}/{TOPIC}"
        with MQTTTransport(url) as transport:
            answer = transport.send(make_batch())
        server.close()

        assert answer.too_large
        assert outcomes(answer) == [RETRY] * 2
        assert heard == []

    def test_no_quality_of_service(self, serve_raw):
        """
        A broker that acknowledges no messages is told, and gets none.
        """

        def serve(conn):
            conn.recv(65536)
            conn.sendall(b"\x20\x05\x00\x00\x02\x24\x00")
            linger(conn)

        server = serve_raw(on_connect=serve)
        url = f"mqtt://127.0.0.1:{server.port}/{TOPIC}"
        with MQTTTransport(url) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "quality of service 1" in answer.problem

    def test_too_large_without_a_word(self, start):
        """
        Where the broker says it in a way that MQTT does not know, nothing is
        lost.
        """
        topic = start("message_size_limit 500")
        topic.subscribe()
        with MQTTTransport(topic.url) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert answer.problem.startswith(transport.name)
        assert topic.received() == []

    @pytest.mark.parametrize(
        "login", [{"user": "app", "password": "wrong-4F1E"}, {}]
    )
    def test_wrong_credentials(self, running_tls, certificates, caplog, login):
        """
        Who is not let in is told so, and no credential is shown.
        """
        caplog.set_level(0)
        with MQTTTransport(
            running_tls.url, verify=certificates / "ca.pem", **login
        ) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "check user, password and rights" in answer.problem
        shown = f"{transport!r} {transport.name} {answer} {caplog.text}"
        assert "wrong-4F1E" not in shown

    def test_no_right_to_publish(self, start, tmp_path):
        """
        A user who may not publish is told what to change.
        """
        rights = tmp_path / "rights"
        rights.write_text("topic write other\n")
        topic = start(f"acl_file {rights}")
        with MQTTTransport(topic.url) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "check user, password and rights" in answer.problem

    def test_killed_and_started_again(self, start):
        """
        A broker that is killed in the middle costs nothing: what was not
        acknowledged comes again, and is there once.
        """
        topic = start()
        topic.subscribe()
        topic.server.pause()
        batches = [make_batch() for _ in range(2)]
        answers = []
        with MQTTTransport(topic.url) as transport:
            thread = threading.Thread(
                target=lambda: answers.append(transport.send(batches[0]))
            )
            thread.start()
            topic.server.end(signal.SIGKILL)
            thread.join(60)
            answers.append(transport.send(batches[1]))
            topic.server.start()
            topic.subscribe()
            after = [transport.send(one) for one in batches]

        for answer in answers:
            assert outcomes(answer) == [RETRY] * 2
        for answer in after:
            assert outcomes(answer) == [DELIVERED] * 2
        assert [one.id for one in topic.received()] == [
            batch.id for batch in batches
        ]

    def test_cancelled_in_the_middle(self, start):
        """
        What was cancelled does not come in afterwards.
        """
        topic = start()
        topic.subscribe()
        topic.server.pause()
        answers = []
        with MQTTTransport(topic.url) as transport:
            thread = threading.Thread(
                target=lambda: answers.append(transport.send(make_batch()))
            )
            thread.start()
            while thread.is_alive():
                transport.cancel()
                thread.join(0.05)
            topic.server.go_on()
            after = transport.send(make_batch())

        assert outcomes(answers[0]) == [RETRY] * 2
        assert answers[0].problem.endswith("the transfer was cancelled")
        assert outcomes(after) == [DELIVERED] * 2
        assert len(topic.received()) == 1


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
        topic = start(tls=other_certificates)
        ca = other_certificates if is_trusted else certificates
        with MQTTTransport(topic.url, verify=ca / "ca.pem") as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "its certificate is not trusted" in answer.problem

    @pytest.mark.obligation("GP-PROT-1")
    def test_a_broker_without_tls(self, running):
        """
        One that speaks no TLS gets nothing.
        """
        url = running.url.replace("mqtt:", "mqtts:")
        with MQTTTransport(url, user="app", password=SECRET) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2

    def test_a_certificate_of_ours(self, start, certificates):
        """
        A broker that asks for a certificate gets one.
        """
        topic = start("require_certificate true", tls=certificates)
        trust = {"verify": certificates / "ca.pem"}
        with MQTTTransport(topic.url, **trust) as transport:
            without = transport.send(make_batch())
        with MQTTTransport(
            topic.url, **trust, certificate=certificates / "server.pem"
        ) as transport:
            answer = transport.send(make_batch())

        assert outcomes(without) == [RETRY] * 2
        assert "nobody takes" not in without.problem
        assert "nobody takes" in answer.problem

    def test_a_missing_file(self, running_tls, tmp_path):
        """
        A CA file that is not there is named by its argument.
        """
        with MQTTTransport(
            running_tls.url, verify=tmp_path / "no.pem"
        ) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "verify, certificate or key" in answer.problem


class TestProcesses:
    """
    Tests for threads, forks and imports.
    """

    def test_no_thread_stays(self, topic):
        """
        No thread is left between transfers.
        """
        before = set(threading.enumerate())
        with MQTTTransport(topic.url) as transport:
            transport.send(make_batch())
            assert set(threading.enumerate()) == before

    @pytest.mark.parametrize("scheme", ["mqtt", "mqtts"])
    def test_no_thread_stays_of_what_hangs(self, serve_raw, scheme):
        """
        Nor when the broker hung.
        """
        server = serve_raw(on_connect=linger)
        url = f"{scheme}://127.0.0.1:{server.port}/{TOPIC}"
        with MQTTTransport(url, timeout_seconds=0.3) as transport:
            answer = transport.send(make_batch())

        assert "no answer within 0.3 seconds" in answer.problem
        assert not [
            one for one in threading.enumerate() if "transfer" in one.name
        ]

    def test_a_fork(self, start):
        """
        A child that is forked during a transfer sends by itself, and neither
        its cancelling nor its closing is the parent's.
        """
        topic = start()
        topic.subscribe()
        topic.server.pause()
        code = (
            "import os, sys, threading, warnings\n"
            "from consentkit.testing.transport import make_batch\n"
            "from consentkit.transports.mqtt import MQTTTransport\n"
            "warnings.simplefilter('ignore', DeprecationWarning)\n"
            "transport = MQTTTransport(sys.argv[1])\n"
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
            [sys.executable, "-c", code, topic.url],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout.readline() == "forked\n"
            topic.server.go_on()
            rest = process.stdout.read()

        assert rest == "child \nparent \n"
        assert len(topic.received()) == 2

    def test_nothing_is_imported_before_the_first_transfer(self):
        """
        Making it does not import the library.
        """
        code = (
            "import sys\n"
            "from consentkit.transports import transport_from_url\n"
            "transport_from_url('mqtts://127.0.0.1/a').close()\n"
            "print('paho.mqtt' in sys.modules)\n"
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
        monkeypatch.setitem(sys.modules, "paho", None)
        with pytest.raises(MissingExtraError, match=r"consentkit\[mqtt\]"):
            MQTTTransport("mqtts://127.0.0.1/a")


class TestOptions:
    """
    Tests for what it takes, and what it says of the rest.
    """

    def test_name(self):
        """
        The name says where, with the port.
        """
        one = MQTTTransport("mqtts://[::1]/a/b%20c", user="u", password=SECRET)
        assert one.name == "mqtts://[::1]:8883/a/b c"
        assert repr(one) == "<MQTTTransport mqtts://[::1]:8883/a/b c>"

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("mqtts://user:pw@127.0.0.1/a", "credentials"),
            ("mqtts://127.0.0.1/a?b=pw", "query"),
            ("mqtts://127.0.0.1/a#pw", "fragment"),
            ("mqtts://127.0.0.1", "a topic holds"),
            ("mqtts://127.0.0.1/", "a topic holds"),
            ("mqtts://127.0.0.1/a/+", "a topic holds"),
            ("mqtts://127.0.0.1/a/%23", "a topic holds"),
            ("mqtts://127.0.0.1/$SYS/a", "a topic holds"),
            ("mqtts://127.0.0.1/a%00b", "a topic holds"),
            ("mqtts://127.0.0.1/" + "a" * 65_536, "a topic holds"),
            ("mqtts://127.0.0.1:0/a", "of the form"),
            ("mqtts://127.0.0.1:99999/a", "of the form"),
            ("mqtts:///a", "of the form"),
            ("tls://127.0.0.1/a", "of the form"),
            ("mqtts://127.0.0.1/a b", "of the form"),
        ],
    )
    def test_other_urls(self, url, words):
        """
        A URL of another form is refused, and no secret repeated.
        """
        with pytest.raises(TransportError, match=words) as caught:
            MQTTTransport(url)
        assert "pw" not in str(caught.value)

    @pytest.mark.obligation("GP-PROT-1")
    def test_in_the_clear(self):
        """
        Without encryption it goes to this machine alone.
        """
        MQTTTransport("mqtts://broker.example/a")
        with pytest.raises(TransportError, match="not encrypted"):
            MQTTTransport("mqtt://broker.example/a")

    @pytest.mark.parametrize(
        ("url", "options", "words"),
        [
            ("mqtts://127.0.0.1/a", {"password": SECRET}, "with a user"),
            ("mqtts://127.0.0.1/a", {"user": SECRET + "\n"}, "user must be"),
            ("mqtts://127.0.0.1/a", {"user": ""}, "user must be"),
            ("mqtts://127.0.0.1/a", {"timeout_seconds": 0}, "positive"),
            ("mqtts://127.0.0.1/a", {"verify": False}, "verify takes"),
            ("mqtts://127.0.0.1/a", {"key": "k.pem"}, "with a certificate"),
            ("mqtt://127.0.0.1/a", {"verify": "ca.pem"}, "use mqtts://"),
        ],
    )
    def test_other_options(self, url, options, words):
        """
        An option that cannot be used is named, and no secret repeated.
        """
        with pytest.raises(TransportError, match=words) as caught:
            MQTTTransport(url, **options)
        assert SECRET not in str(caught.value)
