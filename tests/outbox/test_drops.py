# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.outbox.drops`: what is told of what was dropped, when,
and what never is.
"""

from __future__ import annotations

import sqlite3
import threading

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit import Limits
from consentkit.consent.signals import Signals
from consentkit.outbox.drops import DropReport
from consentkit.outbox.records import Batch
from consentkit.policy import parse_policy
from consentkit.receiver.drops import read_drops
from consentkit.transports import Answer, Outcome
from consentkit.transports.memory import MemoryTransport
from tests.faults.support import (
    POLICY,
    START,
    Clock,
    open_kit,
    tick,
    tock,
)


#: There is room for nothing: each capture is lost.
FULL = Limits(records=0)


class Telling(MemoryTransport):
    """
    A backend of which a test says what becomes of reports.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[DropReport] = []
        self.answers: list[Outcome] = []
        #: Whether an answer that is *try again* comes from one that has it.
        self.is_deaf = False
        self.answer = Answer()

    def _send(self, batch: Batch) -> Answer:
        if self.answer.outcomes or not self.answer.every:
            return super()._send(batch)
        return self.answer

    def _report(self, report: DropReport) -> Answer:
        read_drops(report.as_json())
        self.reports.append(report)
        outcome = self.answers.pop(0) if self.answers else None
        if outcome is None:
            return super()._report(report)
        return Answer(outcomes={report.id: outcome}, problem="no")


def told(report: DropReport) -> list[tuple[str, str, int]]:
    """
    Give what a report says.
    """
    return [(one.function, one.reason, one.count) for one in report.drops]


def rows(folder: Path, table: str = "dropped") -> int:
    """
    Count rows of the outbox, past the library.
    """
    with closing(sqlite3.connect(folder / "outbox.sqlite3")) as db:
        (found,) = db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    return int(found)


class TestReport:
    """
    What a report says.
    """

    def test_its_form_on_the_wire(self, tmp_path: Path) -> None:
        """
        The receiver reads it; it tells the hours, and its id no more.
        """
        clock = Clock(START + timedelta(minutes=59))
        transport = MemoryTransport()
        kit = open_kit(
            tmp_path, "stats", clock=clock, transport=transport, limits=FULL
        )
        tick(kit, 1)
        clock.tick(minutes=2)
        tick(kit, 2)
        kit.flush()

        (report,) = transport.drops
        form = report.as_json()
        assert form == {
            "format": 1,
            "report": report.id,
            "recipient": "maker",
            "from": "2026-11-20T12:00:00.000+00:00",
            "to": "2026-11-20T14:00:00.000+00:00",
            "drops": [
                {"function": "stats", "reason": "outbox_full", "count": 2}
            ],
        }
        assert read_drops(form).drops[0].count == 2
        made = int(report.id.replace("-", "")[:12], 16) / 1000
        assert made == (START + timedelta(hours=1)).timestamp()

    def test_each_recipient_hears_of_its_own(self, tmp_path: Path) -> None:
        """
        A recipient is told of what would have gone to it, and nothing of
        what would have gone to others.
        """
        maker, partner = MemoryTransport(), MemoryTransport()
        kit = open_kit(
            tmp_path,
            "stats",
            "shared",
            clock=Clock(),
            transport={"maker": maker, "partner": partner},
            limits=FULL,
        )
        tick(kit, 1)
        tock(kit, 1, 2, function="shared")
        kit.flush()

        assert [told(one) for one in partner.drops] == [
            [("shared", "outbox_full", 2)]
        ]
        assert [told(one) for one in maker.drops] == [
            [("stats", "outbox_full", 1)]
        ]

    def test_people_are_summed_up(self, tmp_path: Path) -> None:
        """
        Of an app that serves many it tells sums, whoever they are.
        """
        transport = MemoryTransport()
        kit = open_kit(
            tmp_path,
            clock=Clock(),
            transport=transport,
            limits=FULL,
            signals=Signals,
        )
        people = [kit.subject(name) for name in ("ann", "bob", "cy")]
        for person in people:
            person.consent.show("stats")
            person.consent.grant("stats")
            tick(person, 1)
        people[1].consent.withdraw("stats")
        kit.flush()

        assert [told(one) for one in transport.drops] == [
            [("stats", "outbox_full", 2)]
        ]

    def test_what_a_backend_did_not_take(self, tmp_path: Path) -> None:
        """
        What it rejected is told, one by one and as a whole; what it got is
        not.
        """
        transport = Telling()
        clock = Clock()
        kit = open_kit(tmp_path, "stats", clock=clock, transport=transport)
        tick(kit, 1, 2)
        transport.answer = Answer(every=Outcome.REJECTED)
        assert kit.flush().rejected == 2
        transport.answer = Answer()
        tick(kit, 3)
        clock.tick(hours=1)
        assert kit.flush().delivered == 1

        assert [told(one) for one in transport.drops] == [
            [("stats", "rejected", 2)]
        ]
        assert rows(tmp_path) == 0

    def test_what_is_given_up(self, tmp_path: Path) -> None:
        """
        A record that is refused again and again is told as undeliverable
        when it is given up.
        """
        transport = Telling()
        transport.answer = Answer(every=Outcome.RETRY, refused=True)
        clock = Clock()
        kit = open_kit(tmp_path, "stats", clock=clock, transport=transport)
        tick(kit, 1)
        for _ in range(24):
            assert transport.drops == []
            kit.flush()
            clock.tick(seconds=901)

        assert [told(one) for one in transport.drops] == [
            [("stats", "undeliverable", 1)]
        ]

    def test_what_cannot_be_read(self, tmp_path: Path) -> None:
        """
        A record that was damaged on disk is told of in the flush that finds
        it.
        """
        kit = open_kit(tmp_path, "stats", clock=Clock())
        tick(kit, 1)
        kit.store.claim(kit.store.lanes()[0], most=1, now=START)
        kit.close()
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as db, db:
            ((body,),) = db.execute("SELECT body FROM bodies").fetchall()
            spoilt = body[:-1] + bytes([body[-1] ^ 1])
            db.execute("UPDATE bodies SET body = ?", (spoilt,))
        transport = MemoryTransport()
        open_kit(tmp_path, clock=Clock(), transport=transport).flush()

        assert [told(one) for one in transport.drops] == [
            [("stats", "unreadable", 1)]
        ]


class TestWhen:
    """
    When it is told.
    """

    def test_at_most_once_an_hour(self, tmp_path: Path) -> None:
        """
        What is lost within an hour of a report waits for the next one.
        """
        transport = MemoryTransport()
        clock = Clock()
        kit = open_kit(
            tmp_path, "stats", clock=clock, transport=transport, limits=FULL
        )
        for _ in range(6):
            tick(kit, 1)
            kit.flush()
            clock.tick(minutes=20)

        counts = [one.drops[0].count for one in transport.drops]
        assert counts == [1, 3]

    def test_a_clock_that_was_ahead(self, tmp_path: Path) -> None:
        """
        A clock that is set back holds up nothing, and no report ends before
        it begins.
        """
        transport = MemoryTransport()
        clock = Clock()
        kit = open_kit(
            tmp_path, "stats", clock=clock, transport=transport, limits=FULL
        )
        tick(kit, 1)
        kit.flush()
        tick(kit, 1)
        clock.tick(days=-2)
        kit.flush()

        _, second = transport.drops
        assert second.until - second.since == timedelta(hours=1)

    def test_nothing_is_sent_for_it_alone(self, tmp_path: Path) -> None:
        """
        It gives the background thread nothing to do, and goes with the next
        records.
        """
        transport = MemoryTransport()
        clock = Clock()
        kit = open_kit(
            tmp_path,
            "stats",
            clock=clock,
            transport=transport,
            limits=Limits(record_bytes=40),
        )
        tick(kit, 1, note="x" * 99)
        deliver = kit._outlet.delivery.flush
        deliver(is_patient=True)
        assert not kit.store.has_work()
        assert transport.drops == []
        tick(kit, 2)
        deliver(is_patient=True)

        assert [told(one) for one in transport.drops] == [
            [("stats", "outbox_full", 1)]
        ]

    def test_trouble_holds_up_no_record(self, tmp_path: Path) -> None:
        """
        A report that does not get through is left alone for a while by the
        background thread, and records go on.
        """
        transport = Telling()
        transport.answers = [Outcome.RETRY]
        kit = open_kit(
            tmp_path,
            "stats",
            clock=Clock(),
            transport=transport,
            limits=Limits(record_bytes=40),
        )
        tick(kit, 1, note="x" * 99)
        deliver = kit._outlet.delivery.flush
        for n in range(3):
            tick(kit, n)
            assert deliver(is_patient=True).delivered == 1

        assert len(transport.reports) == 1
        assert kit.flush().problems == ()
        assert len(transport.drops) == 1


class TestOnce:
    """
    It is told once.
    """

    def _lost(
        self, folder: Path, transport: Telling, clock: Clock, *, wifi: set[str]
    ) -> consentkit.Kit:
        """
        Open a kit with one record of two functions lost, of which one needs
        a condition.
        """
        text = POLICY.read_text().replace(
            'id = "health"', 'id = "health"\nrequires = ["wifi"]'
        )
        kit = consentkit.open(
            parse_policy(text),
            data_dir=folder,
            clock=clock,
            transport=transport,
            limits=FULL,
            conditions=lambda name: name in wifi,
        )
        for function in ("health", "stats"):
            kit.consent.show(function)
            kit.consent.grant(function)
        tick(kit, 1)
        tock(kit, 1)
        return kit

    def test_it_is_kept_back_with_its_records(self, tmp_path: Path) -> None:
        """
        While a function's records may not go out nothing is told of it; then
        it is.
        """
        wifi = {"wifi"}
        transport, clock = Telling(), Clock()
        with self._lost(tmp_path, transport, clock, wifi=wifi) as kit:
            wifi.clear()
            kit.flush()
            clock.tick(hours=1)
            wifi.add("wifi")
            kit.flush()

        assert [told(one) for one in transport.reports] == [
            [("stats", "outbox_full", 1)],
            [("health", "outbox_full", 1)],
        ]
        assert rows(tmp_path) == rows(tmp_path, "reports") == 0

    @pytest.mark.parametrize(
        ("second", "expected"),
        [
            # It had not arrived: what was kept back is still to be told.
            (Outcome.DELIVERED, [[("health", "outbox_full", 1)]]),
            # It had: with what is kept back now.
            (Outcome.DUPLICATE, []),
            (Outcome.REJECTED, []),
        ],
    )
    def test_kept_back_between_two_tries(
        self,
        tmp_path: Path,
        second: Outcome,
        expected: list[list[tuple[str, str, int]]],
    ) -> None:
        """
        What may not go out any more when a report is tried again is left
        out, and told later if the first try had not arrived.
        """
        wifi = {"wifi"}
        transport, clock = Telling(), Clock()
        transport.answers = [Outcome.RETRY, second]
        with self._lost(tmp_path, transport, clock, wifi=wifi) as kit:
            assert kit.flush().problems == ("no",)
            wifi.clear()
            kit.flush()
            wifi.add("wifi")
            kit.flush()
            clock.tick(hours=1)
            kit.flush()

        first, again, *later = transport.reports
        assert first.id == again.id
        assert told(first) == [
            ("health", "outbox_full", 1),
            ("stats", "outbox_full", 1),
        ]
        assert told(again) == [("stats", "outbox_full", 1)]
        assert [told(one) for one in later] == expected
        assert rows(tmp_path) == rows(tmp_path, "reports") == 0

    def test_what_is_kept_back_holds_up_nothing(self, tmp_path: Path) -> None:
        """
        A report of which nothing may go out now lets others by, and comes
        with its own id when it may.
        """
        wifi = {"wifi"}
        transport, clock = Telling(), Clock()
        transport.answers = [Outcome.RETRY]
        with self._lost(tmp_path, transport, clock, wifi=wifi) as kit:
            kit.consent.withdraw("stats")
            kit.flush()
            wifi.clear()
            kit.consent.show("stats")
            kit.consent.grant("stats")
            tick(kit, 1)
            clock.tick(hours=1)
            kit.flush()
            wifi.add("wifi")
            kit.flush()

        first, second, third = transport.reports
        assert told(first) == told(third) == [("health", "outbox_full", 1)]
        assert first.id == third.id != second.id
        assert told(second) == [("stats", "outbox_full", 1)]

    def test_a_withdrawal_between_two_tries(self, tmp_path: Path) -> None:
        """
        What is withdrawn after a first try goes out in no other, and nothing
        of it stays.
        """
        transport, clock = Telling(), Clock()
        transport.answers = [Outcome.RETRY] * 2
        with self._lost(tmp_path, transport, clock, wifi={"wifi"}) as kit:
            kit.flush()
            kit.consent.withdraw("health")
            kit.flush()
            kit.consent.withdraw("stats")
            kit.flush()
            clock.tick(hours=1)
            kit.flush()

        first, second = transport.reports
        assert first.id == second.id
        assert told(second) == [("stats", "outbox_full", 1)]
        assert rows(tmp_path) == 0

    def test_a_report_that_is_refused_is_given_up(
        self, tmp_path: Path
    ) -> None:
        """
        One that a backend refuses each time is let go after 24 tries.
        """

        class Refusing(Telling):
            def _report(self, report: DropReport) -> Answer:
                self.reports.append(report)
                return Answer(
                    outcomes={report.id: Outcome.RETRY}, refused=True
                )

        transport, clock = Refusing(), Clock()
        with self._lost(tmp_path, transport, clock, wifi={"wifi"}) as kit:
            for _ in range(30):
                kit.flush()

        assert len(transport.reports) == 24
        assert len({one.id for one in transport.reports}) == 1
        assert rows(tmp_path) == rows(tmp_path, "reports") == 0

    def test_damage_holds_up_nothing(self, tmp_path: Path) -> None:
        """
        A report whose hours are nonsense is let go, and the flush goes on.
        """
        transport, clock = Telling(), Clock()
        transport.answers = [Outcome.RETRY]
        with self._lost(tmp_path, transport, clock, wifi={"wifi"}) as kit:
            kit.flush()
            with (
                closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as db,
                db,
            ):
                db.execute("UPDATE reports SET since = 'soon'")
            assert kit.flush().problems == ()
        assert len(transport.reports) == 1
        assert rows(tmp_path) == rows(tmp_path, "reports") == 0


class TestNever:
    """
    What is never told.
    """

    def test_what_a_person_took_back(self, tmp_path: Path) -> None:
        """
        Of what was waiting at a withdrawal nothing is told, nor of what was
        lost before it.
        """
        transport = MemoryTransport()
        kit = open_kit(
            tmp_path,
            "stats",
            clock=Clock(),
            transport=transport,
            limits=Limits(records=2),
        )
        tick(kit, 1, 2, 3)
        assert rows(tmp_path) == 1
        kit.consent.withdraw("stats")
        assert kit.flush() == consentkit.FlushReport()

        assert kit.status().counts == {"withdrawn": 2, "outbox_full": 1}
        assert transport.drops == []
        assert rows(tmp_path) == 0

    def test_what_the_app_destroyed(self, tmp_path: Path) -> None:
        """
        What somebody ended on purpose is no loss.
        """
        transport = MemoryTransport()
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1)
        assert kit.store.discard(lambda _: True, reason="operation_ended") == 1
        kit.flush()

        assert transport.drops == []

    @pytest.mark.parametrize("stage", ["due", "is_live", "sent"])
    def test_a_withdrawal_while_it_is_under_way(
        self, tmp_path: Path, stage: str
    ) -> None:
        """
        A withdrawal cuts a report short that is going out, and stops one
        that is about to; one in another process sees that it is under way.
        """
        begun = threading.Event()
        cut = threading.Event()

        class Stalling(Telling):
            def _report(self, report: DropReport) -> Answer:
                begun.set()
                assert cut.wait(30)
                raise ConnectionError

            def cancel(self) -> None:
                cut.set()

        transport = Stalling()
        kit = open_kit(
            tmp_path,
            "stats",
            clock=Clock(),
            transport=transport,
            limits=FULL,
        )
        tick(kit, 1)
        if stage == "sent":
            thread = threading.Thread(target=kit.flush)
            thread.start()
            assert begun.wait(30)
            assert rows(tmp_path, "under_way") == 1
            kit.consent.withdraw("stats")
            thread.join(30)
            assert cut.is_set()
            assert not thread.is_alive()
        else:
            _after(kit, stage, lambda: kit.consent.withdraw("stats"))
            kit.flush()
            assert not begun.is_set()
        assert rows(tmp_path) == rows(tmp_path, "under_way") == 0


def _after(kit: consentkit.Kit, stage: str, act: Callable[[], object]) -> None:
    """
    Do *act* when a report was fixed, or found to be live.
    """
    drops: Any = kit.store.drops
    before = getattr(drops, stage)

    def acting(*args: Any, **options: Any) -> Any:
        found = before(*args, **options)
        act()
        return found

    setattr(drops, stage, acting)
