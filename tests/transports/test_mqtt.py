# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.mqtt`, against a Mosquitto broker.
"""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import subprocess
import threading

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar

import pytest

from consentkit.exceptions import TransportError
from consentkit.testing import Arrived
from consentkit.transports import pack
from consentkit.transports.mqtt import MQTTTransport
from tests.needs import need_extra, need_tool
from tests.transports.brokers import mosquitto, starting
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
from tests.transports.servers import linger


need_extra("mqtt")
need_tool("mosquitto")

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

    def begin(self):
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
    running.begin()
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
    with starting(partial(Topic, tmp_path)) as begin:
        yield begin


class _MQTT(About):
    transport = MQTTTransport
    extra, library = "mqtt", "paho.mqtt"
    near = f"mqtt://127.0.0.1:{{port}}/{TOPIC}"
    tls = f"mqtts://127.0.0.1:{{port}}/{TOPIC}"
    again = DELIVERED


class TestTopic(_MQTT, OwnPlace):
    """
    The suite, within this machine.
    """

    @pytest.fixture(autouse=True)
    def _backend(self, topic):
        self.place = topic


class TestTopicByTLS(_MQTT, OwnPlaceByTLS):
    """
    The suite, encrypted and with a password.
    """

    @pytest.mark.obligation("WP-DENC-1", "GP-PROT-1")
    def test_delivers_envelopes(self):
        """
        Within TLS what arrives is sealed still.
        """
        super().test_delivers_envelopes()


class TestNobody(_MQTT, Nobody):
    """
    The suite for an address at which nothing listens.
    """


class TestSilent(_MQTT, Raw):
    """
    The suite for a broker that accepts, and says nothing.
    """


class TestHangsInTLS(_MQTT, Raw):
    """
    The suite for a broker that does not speak TLS, and says nothing.
    """

    near = _MQTT.tls


class TestNonsense(_MQTT, Raw):
    """
    The suite for a server that speaks something else.
    """

    def on_connect(self, conn):
        """
        Speak HTTP.
        """
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        linger(conn)


#: Let in, with no properties.
CONNACK = b"\x20\x03\x00\x00\x00"


class TestNoAcknowledgement(_MQTT, Raw):
    """
    The suite for a broker that takes messages, and says nothing of them.
    """

    def on_connect(self, conn):
        """
        Let it in.
        """
        conn.recv(65536)
        conn.sendall(CONNACK)
        linger(conn)


class TestLeaves(_MQTT, Raw):
    """
    The suite for a broker that takes its leave in place of an answer.
    """

    def on_connect(self, conn):
        """
        Let it in, and say a normal end, which is not of the message.
        """
        conn.recv(65536)
        conn.sendall(CONNACK)
        conn.recv(65536)
        conn.sendall(b"\xe0\x00")


class TestOtherAcknowledgement(_MQTT, Raw):
    """
    The suite for a broker that acknowledges what was not sent.
    """

    def on_connect(self, conn):
        """
        Let it in, and name another message.
        """
        conn.recv(65536)
        conn.sendall(CONNACK)
        conn.recv(65536)
        conn.sendall(b"\x40\x02\x12\x34")
        linger(conn)


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


class TestTrouble(_MQTT, Trouble):
    """
    Tests for brokers that do not take it.
    """

    def test_nobody_takes_it(self, running):
        """
        A topic without subscriber, of which the broker keeps nothing, is
        told, and nothing is lost.
        """
        url = running.url.replace("kept", "unkept")

        assert refused(MQTTTransport(url)) == (
            f"{url}: nobody takes the topic; subscribe to it first, with a "
            "session that outlives its connection (reason 0x10)"
        )

    def test_too_large(self, start):
        """
        A broker that wants smaller packets gets smaller batches, down to the
        last byte.
        """
        topic = start("max_packet_size 3000")
        topic.begin()

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

        assert "quality of service 1" in refused(MQTTTransport(url))

    def test_too_large_without_a_word(self, start):
        """
        Where the broker says it in a way that MQTT does not know, nothing is
        lost.
        """
        topic = start("message_size_limit 500")
        topic.begin()

        refused(MQTTTransport(topic.url))
        assert topic.received() == []

    @pytest.mark.parametrize(
        "login", [{"user": "app", "password": f"{SECRET}-not"}, {}]
    )
    def test_wrong_credentials(self, running_tls, certificates, login):
        """
        Who is not let in is told so, and no credential is shown.
        """
        ca = certificates / "ca.pem"
        made = MQTTTransport(running_tls.url, verify=ca, **login)

        assert "check user, password and rights" in refused(made)

    def test_no_right_to_publish(self, start, tmp_path):
        """
        A user who may not publish is told what to change.
        """
        rights = tmp_path / "rights"
        rights.write_text("topic write other\n")
        topic = start(f"acl_file {rights}")

        problem = refused(MQTTTransport(topic.url))
        assert "check user, password and rights" in problem

    def test_killed_and_started_again(self, start):
        """
        A broker that is killed in the middle costs nothing: what was not
        acknowledged comes again, and is there once.
        """
        topic = start()
        topic.begin()
        topic.server.pause()
        batches = [make_batch() for _ in range(2)]
        with MQTTTransport(topic.url) as transport:
            thread, answers = sending(transport, batches[0])
            topic.server.end(signal.SIGKILL)
            thread.join(60)
            answers.append(transport.send(batches[1]))
            topic.server.start()
            topic.begin()
            after = [transport.send(one) for one in batches]

        for answer in answers:
            assert outcomes(answer) == [RETRY] * 2
        for answer in after:
            assert outcomes(answer) == [DELIVERED] * 2
        assert [one.id for one in topic.received()] == [
            batch.id for batch in batches
        ]


class TestTLS(_MQTT, Files):
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
        made = MQTTTransport(topic.url, verify=ca / "ca.pem")

        assert "its certificate is not trusted" in refused(made)

    @pytest.mark.obligation("GP-PROT-1")
    def test_a_broker_without_tls(self, running):
        """
        One that speaks no TLS gets nothing.
        """
        url = running.url.replace("mqtt:", "mqtts:")
        refused(MQTTTransport(url, user="app", password=SECRET))

    def test_a_certificate_of_ours(self, start, certificates):
        """
        A broker that asks for a certificate gets one.
        """
        topic = start("require_certificate true", tls=certificates)
        ca, pem = certificates / "ca.pem", certificates / "server.pem"
        without = refused(MQTTTransport(topic.url, verify=ca))
        made = MQTTTransport(topic.url, verify=ca, certificate=pem)

        assert "nobody takes" not in without
        assert "nobody takes" in refused(made)


class TestProcesses(_MQTT, Processes):
    """
    Tests for threads and forks.
    """

    @pytest.fixture(autouse=True)
    def _backend(self, topic):
        self.sends = (topic.url,)
        self.received = topic.received

    @pytest.mark.parametrize("url", [_MQTT.near, _MQTT.tls])
    def test_no_thread_stays_of_what_hangs(self, serve_raw, url):
        """
        No thread is left when the broker hung.
        """
        port = serve_raw(on_connect=linger).port
        made = MQTTTransport(url.format(port=port), timeout_seconds=0.3)

        assert "no answer within 0.3 seconds" in refused(made)
        assert not [
            one for one in threading.enumerate() if "transfer" in one.name
        ]


class TestOptions(_MQTT, Making):
    """
    Tests for what it takes, and what it says of the rest.
    """

    named = "mqtts://[::1]/a/b%20c", "mqtts://[::1]:8883/a/b c"
    urls: ClassVar = [
        (f"mqtts://user:{SECRET}@127.0.0.1/a", "credentials"),
        (f"mqtts://127.0.0.1/a?b={SECRET}", "query"),
        (f"mqtts://127.0.0.1/a#{SECRET}", "fragment"),
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
    ]
    choices: ClassVar = [
        ({"password": SECRET}, "with a user"),
        ({"user": SECRET + "\n"}, "user must be"),
        ({"user": ""}, "user must be"),
        ({"timeout_seconds": 0}, "positive"),
        ({"verify": False}, "verify takes"),
        ({"key": "k.pem"}, "with a certificate"),
        ({"url": "mqtt://127.0.0.1/a", "verify": "ca.pem"}, "use mqtts://"),
    ]

    @pytest.mark.obligation("GP-PROT-1")
    def test_in_the_clear(self):
        """
        Without encryption it goes to this machine alone.
        """
        MQTTTransport("mqtts://broker.example/a")
        with pytest.raises(TransportError, match="not encrypted"):
            MQTTTransport("mqtt://broker.example/a")
