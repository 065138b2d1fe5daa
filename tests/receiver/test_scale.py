# SPDX-License-Identifier: MIT
"""
Tests for several receivers before one PostgreSQL: each may be killed.
"""

from __future__ import annotations

import time

from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import pytest

from consentkit.receiver import PostgreSQLStore, make_app, serve
from consentkit.transports.https import HTTPSTransport
from tests.cli.shell import run as run_cli
from tests.needs import POSTGRESQL
from tests.receiver.conformance import make_report
from tests.receiver.fleet import Receiver, Sender
from tests.transports.conformance import (
    ErasingConformance,
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)


pytestmark = [
    pytest.mark.need_extra("receiver"),
    pytest.mark.need_postgresql,
]

BATCHES, RECORDS, SENDERS = 30, 40, 4


@pytest.fixture
def place(schema):
    """
    Give the URL of a schema of its own.
    """
    return f"{POSTGRESQL}?schema={schema}"


@pytest.fixture
def store(schema):
    """
    Give the store that the receivers fill.
    """
    with closing(PostgreSQLStore(POSTGRESQL, schema=schema)) as made:
        yield made


class TestFleet:
    """
    Tests for three processes.
    """

    @pytest.mark.parametrize("which", range(3))
    @pytest.mark.usefixtures("unmeasured")
    def test_any_of_three_is_killed_under_load(self, place, store, which):
        """
        Each id that a sender has is stored, once, though a process is killed
        in the middle; what was answered for is there.
        """
        batches = [
            [
                make_batch(*(make_record() for _ in range(RECORDS)))
                for _ in range(BATCHES)
            ]
            for _ in range(SENDERS)
        ]
        with ExitStack() as stack:
            fleet = [Receiver("--store", place) for _ in range(3)]
            for one in fleet:
                stack.callback(one.close)
                one.wait()
            senders = [
                Sender(fleet, mine, seed) for seed, mine in enumerate(batches)
            ]
            for sender in senders:
                sender.start()
            for sender in senders:
                assert sender.progress.wait(120)
            fleet[which].kill()
            for sender in senders:
                sender.join(120)
                assert not sender.is_alive()
            said = [one.end() for n, one in enumerate(fleet) if n != which]

        sent = {r.id for mine in batches for b in mine for r in b.records}
        held = [one.record.id for one in store.records()]
        assert len(held) == len(sent) == SENDERS * BATCHES * RECORDS
        assert set(held) == sent
        told = sorted(i for one in senders for i in one.acknowledged)
        assert told == sorted(sent)
        # Nobody lost a connection: then the kill was not in the middle.
        assert sum(one.broken for one in senders) > 0
        assert all("new records in postgresql://" in one for one in said)

    @pytest.mark.usefixtures("unmeasured")
    def test_an_erasure_at_one_bars_at_all(self, place, store):
        """
        What one process erased no other one takes.
        """
        batch, late = (make_batch(token="22" * 32) for _ in range(2))
        with ExitStack() as stack:
            fleet = [Receiver("--store", place) for _ in range(2)]
            for one in fleet:
                stack.callback(one.close)
                one.wait()
            here, there = (
                stack.enter_context(HTTPSTransport(f"{one.url}/v1"))
                for one in fleet
            )
            assert not here.send(batch).problem
            assert not there.erase(make_erasure("22" * 32)).problem
            answer = here.send(late)

        assert {one.name for one in outcomes(answer)} == {"REJECTED"}
        assert store.records() == []

    @pytest.mark.usefixtures("unmeasured")
    def test_what_expires_goes(self, place, store):
        """
        A process that begins deletes what has expired.
        """
        past = datetime.now(UTC) - timedelta(days=2)
        soon = past + timedelta(days=1)
        store.put(make_batch(make_record(expires_at=soon)), now=past)
        assert store.counts().records == 1

        with closing(Receiver("--store", place)) as receiver:
            receiver.wait()
            deadline = time.monotonic() + 60
            while store.counts().records:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            name = "consentkit_receiver_expired_records_total"
            while not receiver.numbers()[name]:
                assert time.monotonic() < deadline

        assert store.counts().expired == 1

    @pytest.mark.usefixtures("unmeasured")
    def test_several_share_a_port(self, place, store):
        """
        Processes that say so listen at one port, and each takes a part.
        """
        with ExitStack() as stack:
            first = Receiver("--store", place, "--share-port")
            stack.callback(first.close)
            first.wait()
            port = first.url.rpartition(":")[2]
            second = Receiver("--store", place, "--share-port", "--port", port)
            stack.callback(second.close)
            second.wait()
            assert second.url == first.url
            senders = [
                Sender([first], [make_batch() for _ in range(20)], seed)
                for seed in range(2)
            ]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join(120)
            said = [one.end() for one in (first, second)]

        assert store.counts().records == 80
        assert all("stopped; 0 new" not in one for one in said)


class TestTransport(ErasingConformance):
    """
    A transport with a receiver behind it that keeps in PostgreSQL.
    """

    @pytest.fixture(autouse=True)
    def _serve(self, store):
        self.store = store
        with serve(make_app(store, token="s3cret")) as self.server:
            yield

    def make_transport(self):
        """
        Make a transport with the token that the receiver asks for.
        """
        return HTTPSTransport(self.server.url, token="s3cret")

    def held(self):
        """
        Look into the store.
        """
        return {one.record.id for one in self.store.records()}


class TestReceived:
    """
    Tests for ``consentkit received`` on a database.
    """

    def test_tells_of_records_and_drops(self, place, store):
        """
        It tells how many records there are, and what senders dropped.
        """
        store.put(make_batch())
        store.note_drops(make_report())

        ran = run_cli("received", "--store", place)

        assert (ran.returncode, ran.stderr) == (0, "")
        assert "2 records in 1 batch, kept in postgresql://" in ran.stdout
        assert "1 drop report of the last 90 days:" in ran.stdout
        assert "40       camera_maker  improve" in ran.stdout

    def test_a_database_that_is_not_there(self):
        """
        A server that nobody reaches is one line, and shows no password.
        """
        url = "postgresql://u:s3cret@127.0.0.1:9/d"

        for command in ("received", "receive"):
            ran = run_cli(command, "--store", url)
            assert ran.returncode == 2
            assert "127.0.0.1:9/d" in ran.stderr
            assert "s3cret" not in ran.stderr + ran.stdout
            assert "Traceback" not in ran.stderr
