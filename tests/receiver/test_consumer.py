# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.receiver.consumer`, with a NATS server and PostgreSQL.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time

from contextlib import ExitStack, closing, contextmanager, suppress

import pytest

from consentkit.exceptions import MissingExtraError, TransportError
from consentkit.outbox.records import new_id
from consentkit.receiver import PostgreSQLStore, Store
from consentkit.receiver.consumer import Consumer
from consentkit.seal import KeyRing
from consentkit.transports import Outcome, pack
from consentkit.transports.nats import NATSTransport
from tests.needs import POSTGRESQL, need_extra, need_tool
from tests.receiver.fleet import Receiver
from tests.transports.brokers import nats_server
from tests.transports.conformance import (
    PLANTED,
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)
from tests.transports.servers import make_certificates


need_extra("nats")
need_tool("nats-server")

#: How long something may take that happens by itself.
SOON = 60.0


class Stream:
    """
    A NATS server with one stream.
    """

    def __init__(self, folder, more="", tls=None, login=None) -> None:
        self.server = nats_server(folder, more, tls)
        self.login = login or {}

    @property
    def url(self):
        """
        Where a transport sends to, and a consumer takes from.
        """
        return f"nats://127.0.0.1:{self.server.port}/kept.app"

    def ask(self, question):
        """
        Run a coroutine function with JetStream, and give its answer.
        """
        import nats

        async def work():
            url = f"nats://127.0.0.1:{self.server.port}"
            client = await nats.connect(url, **self.login)
            try:
                return await question(client.jetstream())
            finally:
                await client.close()

        return asyncio.run(work())

    def make(self):
        """
        Make the stream, in place of the one before.
        """

        async def question(js):
            from nats.js.errors import NotFoundError

            with suppress(NotFoundError):
                await js.delete_stream("kept")
            await js.add_stream(name="kept", subjects=["kept.>"])

        self.ask(question)

    def publish(self, *messages):
        """
        Publish bodies with their headers.
        """

        async def question(js):
            for body, headers in messages:
                await js.publish("kept.app", body, headers=headers)

        self.ask(question)

    def left(self):
        """
        Give how many messages are not acknowledged.
        """

        async def question(js):
            found = await js.consumer_info("kept", "consentkit")
            return found.num_pending + found.num_ack_pending

        return self.ask(question)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """
    Give a running server with JetStream, for several tests.
    """
    stream = Stream(tmp_path_factory.mktemp("nats"))
    stream.server.start()
    yield stream
    stream.server.end()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """
    Give a folder with a CA and a certificate for 127.0.0.1.
    """
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture
def stream(running):
    """
    Give an empty stream.
    """
    running.make()
    return running


def until(question):
    """
    Wait until *question* is answered with yes.
    """
    deadline = time.monotonic() + SOON
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def consuming(stream, store, **options):
    """
    Run a consumer for as long as a block.
    """
    consumer = Consumer(stream.url, store, **options)
    consumer.start()
    try:
        until(lambda: consumer.is_connected)
        yield consumer
    finally:
        consumer.close()


def messages(consumer, **labels):
    """
    Give how many messages it has taken.
    """
    return consumer.metrics.total("messages_total", **labels)


def headers_of(parcel, **changes):
    """
    Give the headers of a message.
    """
    return {
        "Nats-Msg-Id": parcel.id,
        "kind": parcel.kind,
        "recipient": parcel.recipient,
        "media_type": parcel.media_type,
        **changes,
    }


class TestConsumer:
    """
    Tests for one consumer.
    """

    def test_takes_what_the_transport_publishes(self, stream, store):
        """
        Batches and erasures go where requests would have brought them, and
        the stream has nothing left to give.
        """
        ours, other = make_batch(token="22" * 32), make_batch()
        with NATSTransport(stream.url) as transport:
            answers = [
                transport.send(ours),
                transport.send(other),
                transport.erase(make_erasure("22" * 32)),
                transport.send(make_batch(token="22" * 32)),
            ]
        assert all(
            one is Outcome.DELIVERED for a in answers for one in outcomes(a)
        )

        with consuming(stream, store) as consumer:
            until(lambda: messages(consumer, outcome="done") == 4)
            until(lambda: not stream.left())
            total = consumer.metrics.total
            # Both may be stored first, or be barred: they come side by side.
            stored = total("records_total", outcome="stored")
            barred = total("records_total", outcome="rejected")

        held = {one.record.id for one in store.records()}
        assert held == {one.id for one in other.records}
        assert stored + barred == 6
        assert repr(consumer).endswith("waiting>")

    def test_a_batch_that_comes_twice(self, stream, store):
        """
        What a stream kept twice is stored once.
        """
        batch = make_batch()
        parcel = pack(batch)
        headers = headers_of(parcel)
        del headers["Nats-Msg-Id"]  # the stream knows it by that
        stream.publish((parcel.body, headers), (parcel.body, headers))

        with consuming(stream, store) as consumer:
            until(lambda: messages(consumer, outcome="done") == 2)

        assert store.counts().records == 2
        assert store.counts().duplicates == 2

    def test_what_nobody_can_read_is_ended(self, stream, store, caplog):
        """
        A message of another form is counted and does not come again; what
        comes after it is stored, and no value gets into a log.
        """
        caplog.set_level(logging.DEBUG)
        parcel = pack(make_batch())
        good = headers_of(parcel)
        stream.publish(
            (PLANTED.encode(), headers_of(parcel, **{"Nats-Msg-Id": "1"})),
            (parcel.body, headers_of(parcel, **{"Nats-Msg-Id": "2"})),
            (parcel.body, good | {"Nats-Msg-Id": "3", "kind": "parcel"}),
            (parcel.body, good | {"Nats-Msg-Id": "4", "media_type": "text/x"}),
            (b"", {}),
            (b"x" * 900_000, good | {"Nats-Msg-Id": "5"}),
            (parcel.body, good),
        )

        with consuming(stream, store) as consumer:
            until(lambda: messages(consumer) == 7)
            until(lambda: not stream.left())
            assert messages(consumer, outcome="done") == 1
            assert messages(consumer, outcome="refused") == 1
            assert messages(consumer, outcome="invalid") == 5

        assert store.counts().records == 2
        assert PLANTED not in caplog.text

    def test_opens_envelopes(self, stream, store, tmp_path):
        """
        With its keys it opens what was sealed; one for another key stays in
        the stream, as the key may still come.
        """
        from attrs import evolve

        ring = KeyRing.new(tmp_path / "keys.json")
        stranger = KeyRing.new(tmp_path / "other.json")
        mine = evolve(make_batch(), seal_for=ring.current.seal_key)
        other = evolve(make_batch(), seal_for=stranger.current.seal_key)
        with NATSTransport(stream.url) as transport:
            transport.send(mine)
            transport.send(other)

        with consuming(stream, store, keys=ring, sealed_only=True) as one:
            until(lambda: messages(one, outcome="done") == 1)
            until(lambda: messages(one, outcome="unknown_key") == 1)
            assert stream.left() == 1

        assert {r.record.id for r in store.records()} == {
            r.id for r in mine.records
        }

    def test_takes_drop_reports(self, stream, store):
        """
        What senders dropped comes by the stream as well.
        """
        document = {
            "format": 1,
            "report": new_id(),
            "recipient": "controller",
            "from": "2026-11-20T12:00:00Z",
            "to": "2026-11-20T13:00:00Z",
            "drops": [{"function": "f", "reason": "expired", "count": 3}],
        }
        headers = {
            "Nats-Msg-Id": document["report"],
            "kind": "drops",
            "media_type": "application/json",
        }
        stream.publish((json.dumps(document).encode(), headers))

        with consuming(stream, store) as consumer:
            until(lambda: messages(consumer, kind="drops") == 1)

        assert [one.id for one in store.drops()] == [document["report"]]

    def test_sealed_only(self, stream, store):
        """
        Where it is told so, what is not sealed is not taken.
        """
        parcel = pack(make_batch())
        stream.publish((parcel.body, headers_of(parcel)))

        with consuming(stream, store, sealed_only=True) as consumer:
            until(lambda: messages(consumer, outcome="refused") == 1)

        assert store.counts().records == 0

    def test_a_store_that_cannot_be_used(self, stream, tmp_path, monkeypatch):
        """
        A message whose store fails comes again, and is stored then.
        """
        from consentkit.exceptions import StoreError
        from consentkit.receiver import consumer as module

        monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.05)

        class Moody(Store):
            failures = 3

            def put(self, batch, **options):
                if self.failures:
                    self.failures -= 1
                    raise StoreError(self.path, problem="x", cure="y")
                return super().put(batch, **options)

        parcel = pack(make_batch())
        stream.publish((parcel.body, headers_of(parcel)))
        with (
            closing(Moody(tmp_path / "moody")) as store,
            consuming(stream, store) as consumer,
        ):
            until(lambda: messages(consumer, outcome="done") == 1)
            assert messages(consumer, outcome="store_failed") == 3
            assert store.counts().records == 2
            until(lambda: not stream.left())

    def test_connects_again(self, tmp_path, store):
        """
        When the server comes back it goes on.
        """
        stream = Stream(tmp_path)
        stream.server.start()
        stream.make()
        try:
            with consuming(stream, store) as consumer:
                stream.server.end()
                until(lambda: not consumer.is_connected)
                stream.server.start()
                until(lambda: consumer.is_connected)
                parcel = pack(make_batch())
                stream.publish((parcel.body, headers_of(parcel)))
                until(lambda: messages(consumer, outcome="done") == 1)
        finally:
            stream.server.end()

        assert store.counts().records == 2

    def test_waits_for_a_server(self, tmp_path, store):
        """
        It may begin before its server, and ends at once without one.
        """
        stream = Stream(tmp_path)
        consumer = Consumer(stream.url, store)
        consumer.start()
        assert not consumer.is_connected
        consumer.close()
        consumer.close()

        assert not consumer._thread.is_alive()

    @pytest.mark.parametrize(
        ("url", "options", "match"),
        [
            ("nats://127.0.0.1", {}, "not of the form"),
            ("nats://127.0.0.1/a b", {}, "not of the form"),
            ("http://127.0.0.1/a", {}, "not of the form"),
            ("nats://u:s3cret@127.0.0.1/a", {}, "credentials"),
            ("nats://127.0.0.1/a", {"group": "a b"}, "group"),
            ("nats://127.0.0.1/a", {"user": "u"}, "go together"),
            ("nats://host.example/a", {"tls": False}, "not encrypted"),
            ("nats://127.0.0.1/a", {"verify": "x", "tls": False}, "TLS"),
            (
                "nats://127.0.0.1/a",
                {"user": "u", "password": "s3cret", "token": "t"},
                "not both",
            ),
        ],
        ids=range(9),
    )
    def test_what_cannot_be_used(self, store, url, options, match):
        """
        A URL or an option that it cannot use is refused, and not repeated.
        """
        with pytest.raises(TransportError, match=match) as told:
            Consumer(url, store, **options)
        assert "s3cret" not in str(told.value)

    def test_without_the_library(self, store, monkeypatch):
        """
        Without nats-py the extra is named.
        """
        import importlib.util

        find = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, *rest: None if name == "nats" else find(name, *rest),
        )

        with pytest.raises(MissingExtraError, match="nats"):
            Consumer("nats://127.0.0.1/a", store)


class TestTLS:
    """
    Tests for encrypted connections.
    """

    def test_speaks_tls(self, tmp_path, store, certificates):
        """
        With a CA it logs in over TLS.
        """
        import ssl

        ca = certificates / "ca.pem"
        more = "authorization { user: u, password: s3cret }"
        stream = Stream(
            tmp_path,
            more,
            certificates,
            {
                "tls": ssl.create_default_context(cafile=ca),
                "user": "u",
                "password": "s3cret",
            },
        )
        stream.server.start()
        try:
            stream.make()
            parcel = pack(make_batch())
            stream.publish((parcel.body, headers_of(parcel)))
            with consuming(
                stream, store, verify=ca, user="u", password="s3cret"
            ) as consumer:
                until(lambda: messages(consumer, outcome="done") == 1)
        finally:
            stream.server.end()

        assert store.counts().records == 2

    def test_no_password_in_the_clear(self, store, certificates):
        """
        A server that does not ask for TLS gets no password, and nothing is
        read from it.
        """
        import socket
        import threading

        heard = bytearray()
        heard_out = threading.Event()

        def serve(listener):
            client, _ = listener.accept()
            with client:
                client.sendall(
                    b'INFO {"server_id":"x","version":"2.9.0",'
                    b'"headers":true,"max_payload":1048576}\r\n'
                )
                with suppress(OSError):
                    while data := client.recv(4096):
                        heard.extend(data)
            heard_out.set()

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve, args=(listener,))
            thread.start()
            port = listener.getsockname()[1]
            consumer = Consumer(
                f"nats://127.0.0.1:{port}/a",
                store,
                verify=certificates / "ca.pem",
                user="u",
                password="s3cret",
            )
            consumer.start()
            assert heard_out.wait(SOON)
            consumer.close()
            thread.join(SOON)

        assert b"s3cret" not in heard
        assert not consumer.is_connected


@pytest.mark.need_postgresql
@pytest.mark.need_extra("receiver")
class TestFleet:
    """
    Tests for three processes that share one stream.
    """

    @pytest.mark.parametrize("which", range(3))
    @pytest.mark.usefixtures("unmeasured")
    def test_any_of_three_is_killed_under_load(self, stream, schema, which):
        """
        Each id of the stream is stored, once, though a process is killed in
        the middle; in the end the stream has nothing left to give.
        """
        place = f"{POSTGRESQL}?schema={schema}"
        batches = [
            make_batch(*(make_record() for _ in range(100)))
            for _ in range(240)
        ]
        parcels = [pack(one) for one in batches]
        with closing(PostgreSQLStore(POSTGRESQL, schema=schema)) as store:
            with ExitStack() as stack:
                fleet = [
                    Receiver(
                        *("--from", stream.url, "--store", place),
                        *("--again", "3"),
                    )
                    for _ in range(3)
                ]
                for one in fleet:
                    stack.callback(one.close)
                    one.wait()
                stream.publish(*((p.body, headers_of(p)) for p in parcels))
                fleet[which].kill()
                before = store.counts().records
                living = [x for n, x in enumerate(fleet) if n != which]
                total = len(batches) * 100
                deadline = time.monotonic() + 150
                while store.counts().records < total or stream.left():
                    assert time.monotonic() < deadline, stream.left()
                    time.sleep(0.2)
                taken = [one.numbers() for one in living]
                for one in living:
                    one.end()
            held = [one.record.id for one in store.records()]

        sent = {r.id for b in batches for r in b.records}
        assert set(held) == sent
        assert len(held) == len(sent)
        # It was killed in the middle, and both others had a part.
        assert before < total
        name = (
            'consentkit_receiver_messages_total{kind="batch",outcome="done"}'
        )
        assert all(one[name] > 0 for one in taken)
