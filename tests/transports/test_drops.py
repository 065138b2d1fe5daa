# SPDX-License-Identifier: MIT
"""
Drop reports on their way: from a kit to a real receiver, and by each
transport.
"""

from __future__ import annotations

import io
import json

from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit import Limits, OSPermission
from consentkit.cli import main
from consentkit.receiver import Server, Store, make_app, serve
from consentkit.receiver.consumer import Consumer
from consentkit.receiver.drops import DropReport
from consentkit.seal import KeyRing, make_open_key
from consentkit.testing.transport import make_drop_report
from consentkit.transports import Answer, Outcome
from consentkit.transports.guarded import GuardedTransport
from consentkit.transports.https import HTTPSTransport
from consentkit.transports.memory import MemoryTransport
from tests.faults.proxy import (
    FAULTS,
    Exchange,
    FaultProxy,
    answered,
    asking,
    no_fault,
)
from tests.faults.support import Clock, close_all, open_kit, tick, tock
from tests.needs import need_extra, need_tool
from tests.transports.servers import answer, good_document


pytestmark = pytest.mark.need_extra("receiver")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """
    Give the receiver's store.
    """
    with closing(Store(tmp_path / "received.sqlite3")) as made:
        yield made


@pytest.fixture
def receiver(store: Store) -> Iterator[Server]:
    """
    Give a running receiver.
    """
    with serve(make_app(store)) as server:
        yield server


@pytest.fixture(autouse=True)
def _close_all() -> Iterator[None]:
    yield
    close_all()


def _clock() -> Clock:
    # Within an hour, whenever the test runs.
    now = datetime.now(UTC).replace(minute=7, second=0, microsecond=0)
    return Clock(now)


def _losing(
    folder: Path, clock: Clock, transport: Any, **options: Any
) -> consentkit.Kit:
    """
    Open a kit that has lost five records of ``health``: for three there was
    no room, and two have expired.
    """
    kit = open_kit(
        folder,
        "health",
        clock=clock,
        transport=transport,
        limits=Limits(records=2),
        **options,
    )
    assert len(tock(kit, 1, 2, 3, 4, 5)) == 2
    clock.tick(days=2)
    return kit


LOST = [("health", "expired", 2), ("health", "outbox_full", 3)]


def _told(store: Store) -> list[list[tuple[str, str, int]]]:
    return [
        [(one.function, one.reason, one.count) for one in report.drops]
        for report in store.drops()
    ]


class TestReceiver:
    """
    A receiver is told what was lost.
    """

    def test_it_is_told_once(
        self, tmp_path: Path, store: Store, receiver: Server
    ) -> None:
        """
        What there was no room for and what expired arrives as such, with
        full hours around it, and not again.
        """
        clock = _clock()
        kit = _losing(tmp_path / "data", clock, receiver.url)
        since = clock.now.replace(minute=0)

        first = kit.flush()
        clock.tick(days=1)
        second = kit.flush()

        assert first == consentkit.FlushReport(expired=2)
        assert second == consentkit.FlushReport()
        assert _told(store) == [LOST]
        (report,) = store.drops()
        assert isinstance(report, DropReport)
        assert report.recipient == "maker"
        assert (since - report.since).days == 2
        assert report.since.minute == 0
        assert (report.until - since).total_seconds() == 3600

    def test_people_can_see_it(
        self, tmp_path: Path, store: Store, receiver: Server
    ) -> None:
        """
        The receiver's command and its metrics show it.
        """
        import httpx

        _losing(tmp_path / "data", _clock(), receiver.url).flush()

        page = receiver.url.removesuffix("/v1") + "/metrics"
        shown = httpx.get(page).text
        name = "consentkit_receiver_dropped_records_total"
        assert f'{name}{{reason="outbox_full"}} 3' in shown
        assert f'{name}{{reason="expired"}} 2' in shown
        text = io.StringIO()
        with redirect_stdout(text):
            main(
                [
                    "received",
                    "--store",
                    str(tmp_path / "received.sqlite3"),
                    "--json",
                ]
            )
        assert json.loads(text.getvalue())["dropped"] == [
            {
                "recipient": "maker",
                "function": function,
                "reason": reason,
                "count": count,
            }
            for function, reason, count in LOST
        ]

    @pytest.mark.parametrize(
        ("fault", "is_there"),
        [
            ("reset_before_answer", True),
            ("reset_in_answer", True),
            ("reset_in_body", False),
            ("failing", False),
        ],
    )
    def test_a_lost_answer_tells_nothing_twice(
        self,
        tmp_path: Path,
        store: Store,
        receiver: Server,
        fault: str,
        is_there: bool,  # noqa: FBT001
    ) -> None:
        """
        Where the first try fails, the next one has the same id and the same
        numbers, after a new start too; what was lost meanwhile comes later.
        """
        clock = _clock()
        proxy = FaultProxy(receiver.port, FAULTS[fault])
        try:
            kit = _losing(tmp_path / "data", clock, HTTPSTransport(proxy.url))
            (problem,) = kit.flush().problems
            assert problem.startswith(f"http://127.0.0.1:{proxy.port}: ")
            assert _told(store) == ([LOST] if is_there else [])
            kit.close()
            proxy.heal()
            kit = open_kit(
                tmp_path / "data",
                "stats",
                clock=clock,
                transport=HTTPSTransport(proxy.url),
                limits=Limits(records=0),
            )
            assert tick(kit, 7) == []
            assert kit.flush().problems == ()
            assert _told(store) == [LOST]
            clock.tick(hours=1)
            assert kit.flush().problems == ()
        finally:
            proxy.close()
        assert _told(store) == [LOST, [("stats", "outbox_full", 1)]]

    def test_sealed(self, tmp_path: Path, store: Store) -> None:
        """
        With a key of the receiver's nobody on the way reads it, and one that
        is gone is followed by the next.
        """
        ring = KeyRing.new(tmp_path / "keys.json")
        seen: list[bytes] = []

        def looking(exchange: Exchange) -> bool:
            seen.append(exchange.body())
            return no_fault(exchange)

        gone = make_open_key(9).seal_key.text
        with serve(make_app(store, keys=ring)) as server:
            proxy = FaultProxy(server.port, looking)
            try:
                kit = _losing(
                    tmp_path / "data",
                    _clock(),
                    HTTPSTransport(proxy.url),
                    seal_for=[gone, ring.current.seal_key.text],
                )
                assert kit.flush().problems == ()
            finally:
                proxy.close()

        assert _told(store) == [LOST]
        assert len(seen) == 2
        for body in seen:
            assert b"outbox_full" not in body
            assert b"health" not in body

    def test_a_withdrawn_function_is_in_none(
        self, tmp_path: Path, store: Store, receiver: Server
    ) -> None:
        """
        What a person took back is told of nowhere, and never again; the rest
        is told.
        """
        clock = _clock()
        kit = _losing(tmp_path / "data", clock, receiver.url)
        kit.store.expire(clock.now)
        kit.consent.show("stats")
        kit.consent.grant("stats")
        assert len(tick(kit, 1, 2, 3)) == 2
        kit.consent.withdraw("health")

        assert kit.flush().problems == ()
        kit.consent.show("health")
        kit.consent.grant("health")
        clock.tick(hours=2)
        assert kit.flush().problems == ()

        (told,) = _told(store)
        assert told == [("stats", "outbox_full", 1)]


class TestTransports:
    """
    What transports make of it.
    """

    def test_one_that_cannot_is_asked_once(
        self, tmp_path: Path, serve_raw: Callable[..., Any]
    ) -> None:
        """
        A backend that knows nothing of drop reports is asked once in a
        process; nobody is bothered, and nothing is lost by it.
        """

        def script(conn: Any, request: Any) -> None:
            if "/drops " in request.line:
                conn.sendall(answer(status="404 Not Found"))
            else:
                conn.sendall(answer(good_document(request.json())))

        clock = _clock()
        server = serve_raw(script)
        kit = _losing(tmp_path, clock, HTTPSTransport(server.url))
        for _ in range(3):
            assert kit.flush().problems == ()
            tock(kit, 6)
            clock.tick(hours=2)
        lines = [one.line for one in server.requests]
        assert sum("/drops " in line for line in lines) == 1
        assert sum("/batches " in line for line in lines) == 2
        kit.close()

        memory = MemoryTransport()
        open_kit(tmp_path, "health", clock=clock, transport=memory).flush()
        (report,) = memory.drops
        assert [
            (one.function, one.reason, one.count) for one in report.drops
        ] == LOST

    def test_a_pause_holds_for_all(
        self, tmp_path: Path, store: Store, receiver: Server
    ) -> None:
        """
        Where a backend asks for a pause in answer to a report, nothing goes
        to it until that is over.
        """
        proxy = FaultProxy(receiver.port, asking("60", "429 Slow Down"))
        try:
            kit = _losing(tmp_path, _clock(), HTTPSTransport(proxy.url))
            (problem,) = kit.flush().problems
            assert "asks for a pause" in problem
            proxy.heal()
            assert kit.flush().problems == ()
            tock(kit, 6)
            (problem,) = kit.flush().problems
            assert "asked for a pause" in problem
        finally:
            proxy.close()
        assert _told(store) == []

    def test_nonsense_is_no_answer(
        self, tmp_path: Path, store: Store, receiver: Server
    ) -> None:
        """
        An answer that is not about the report settles nothing.
        """

        def odd(exchange: Exchange) -> bool:
            exchange.body()
            body = b'{"report": "another one", "outcome": "stored"}'
            exchange.answer(answered("200 OK", body=body))
            return True

        proxy = FaultProxy(receiver.port, odd)
        try:
            kit = _losing(tmp_path, _clock(), HTTPSTransport(proxy.url))
            (problem,) = kit.flush().problems
            assert "no clear word on the drop report" in problem
            proxy.heal()
            assert kit.flush().problems == ()
        finally:
            proxy.close()
        assert _told(store) == [LOST]

    def test_a_guarded_one_waits_for_the_permission(self) -> None:
        """
        Behind a permission of the system it waits, and goes the inner one's
        way once that is granted.
        """
        inner = MemoryTransport()
        report = make_drop_report()
        said = OSPermission.DENIED
        guarded = GuardedTransport(inner, ("wlan",), lambda _: said)

        waits = guarded.report(report)
        said = OSPermission.GRANTED
        told = guarded.report(report)

        assert waits.outcomes == {report.id: Outcome.RETRY}
        assert "wlan is denied" in waits.problem
        assert not waits.unable
        assert told == Answer(outcomes={report.id: Outcome.DELIVERED})
        assert inner.drops == [report]


class TestBroker:
    """
    By a broker, to a receiver that reads from it.
    """

    def test_it_is_told_once(self, tmp_path: Path, store: Store) -> None:
        """
        Sealed, through a stream of NATS, what was lost comes to the store.
        """
        need_extra("nats", "postgresql")
        need_tool("nats-server")
        from tests.receiver.test_consumer import Stream, until

        (tmp_path / "nats").mkdir()
        stream = Stream(tmp_path / "nats")
        ring = KeyRing.new(tmp_path / "keys.json")
        stream.server.start()
        try:
            stream.make()
            kit = _losing(
                tmp_path / "data",
                _clock(),
                stream.url,
                seal_for=ring.current.seal_key.text,
            )
            assert kit.flush().problems == ()
            assert kit.flush().problems == ()
            consumer = Consumer(stream.url, store, keys=ring, sealed_only=True)
            consumer.start()
            try:
                until(lambda: consumer.is_connected and stream.left() == 0)
            finally:
                consumer.close()
        finally:
            stream.server.end()
        assert _told(store) == [LOST]
