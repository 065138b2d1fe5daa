# SPDX-License-Identifier: MIT
"""
Delivery: at least once, in order, and never in the way of the app.
"""

from __future__ import annotations

import threading
import time

import pytest

import consentkit

from consentkit.limits import Limits
from consentkit.transports.base import Answer, Outcome
from consentkit.transports.delivery import FlushProgress, FlushReport
from tests.faults.support import (
    POLICY,
    Backend,
    Clock,
    Scripted,
    Stalling,
    Tocked,
    number,
    open_kit,
    run,
    tick,
    tock,
)


MAC = "3C:5A:B4:01:23:45"


def _numbers(transport: Scripted) -> list[int]:
    return [number(r) for b in transport.batches for r in b.records]


class TestOutcomes:
    """
    What a backend says of each record.
    """

    def test_delivered(self, tmp_path):
        """
        Delivered records are taken out and counted.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1, 2, 3)

        assert kit.flush() == FlushReport(delivered=3)
        assert kit.flush() == FlushReport()
        assert kit.status().counts == {"delivered": 3}
        assert len(transport.batches) == 1

    def test_a_retry_keeps_batch_and_records(self, tmp_path):
        """
        A batch that is tried again has the same id and the same records,
        over a restart too; later records do not join it.
        """
        transport = Scripted(Outcome.RETRY)
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1, 2)
        assert kit.flush().waiting == 2
        tick(kit, 3)
        kit.flush()
        kit.close()
        transport.answer = Outcome.DELIVERED
        kit = open_kit(tmp_path, transport=transport)
        report = kit.flush()

        first, second, third, fourth = transport.batches
        assert first == second == third
        assert fourth.id != first.id
        assert _numbers(transport) == [1, 2, 1, 2, 1, 2, 3]
        assert report.delivered == 3

    def test_rejected(self, tmp_path):
        """
        A rejected record is dropped and counted; its neighbours are not.
        """
        transport = Scripted()

        def answer(batch):
            said = [Outcome.DELIVERED, Outcome.REJECTED, Outcome.DUPLICATE]
            ids = [record.id for record in batch.records]
            return Answer(
                outcomes=dict(zip(ids, said, strict=True)), problem="no"
            )

        transport.answer = answer
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1, 2, 3)

        assert kit.flush() == FlushReport(
            delivered=1, rejected=1, duplicates=1, problems=("no",)
        )
        counts = {"delivered": 1, "rejected": 1, "duplicate": 1}
        assert kit.status().counts == counts

    def test_some_are_to_be_tried_again(self, tmp_path):
        """
        Of a batch that was taken in part, only the rest is tried again,
        under the same id.
        """
        transport = Scripted(
            lambda batch: Answer(
                outcomes={batch.records[0].id: Outcome.DELIVERED}
            )
        )
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1, 2, 3)

        assert kit.flush().waiting == 2
        assert kit.flush().waiting == 1
        assert kit.flush().waiting == 0
        assert len({batch.id for batch in transport.batches}) == 1
        assert _numbers(transport) == [1, 2, 3, 2, 3, 3]

    def test_unknown_ids(self, tmp_path):
        """
        An answer for records that were not sent changes nothing.
        """
        transport = Scripted(Answer(outcomes={"unknown": Outcome.DELIVERED}))
        kit = open_kit(tmp_path, "stats", "health", transport=transport)
        ids = tick(kit, 1)
        other = tock(kit, 2)
        transport.answer = lambda batch: Answer(
            outcomes=dict.fromkeys([*ids, *other], Outcome.REJECTED)
            if batch.records[0].function == "health"
            else {"unknown": Outcome.DELIVERED}
        )

        assert kit.flush().waiting == 2
        assert kit.status().counts == {}

    def test_an_answer_for_others_records(self, tmp_path):
        """
        A backend cannot have records of another batch dropped.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "stats", "health", transport=transport)
        ids = tick(kit, 1)
        tock(kit, 2)
        waiting = list(ids)

        def answer(batch):
            own = [record.id for record in batch.records]
            if waiting[0] in own:
                return Outcome.RETRY
            return Answer(
                outcomes=dict.fromkeys([*own, *ids], Outcome.DELIVERED)
            )

        transport.answer = answer
        kit.flush()
        assert kit.status().waiting == 2, "its backend is down"

    def test_too_large(self, tmp_path):
        """
        A batch that is too large is halved until it fits; one record that
        is too large by itself is dropped and counted.
        """
        transport = Scripted()

        def answer(batch):
            large = any(number(r) == 3 for r in batch.records)
            if large or len(batch.records) > 2:
                return Answer(outcomes={}, too_large=True)
            return Outcome.DELIVERED

        transport.answer = answer
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, *range(8))

        report = kit.flush()

        assert (report.delivered, report.rejected) == (7, 1)
        assert report.waiting == 0
        sizes = [len(batch.records) for batch in transport.batches]
        assert sizes[:2] == [8, 4]
        ids = [batch.id for batch in transport.batches]
        assert len(set(ids)) == len(ids), "a smaller batch is another one"


class TestOrder:
    """
    What goes when.
    """

    def test_first_in_first_out(self, tmp_path):
        """
        Records of a function go out in the order of their capture, in
        batches of the size that is set.
        """
        transport = Scripted()
        kit = open_kit(
            tmp_path,
            "stats",
            transport=transport,
            limits=Limits(batch_records=3),
        )
        tick(kit, *range(8))
        kit.flush()

        assert _numbers(transport) == list(range(8))
        assert [len(b.records) for b in transport.batches] == [3, 3, 2]

    def test_a_batch_holds_one_grant(self, tmp_path):
        """
        Records of two functions or two grants never share a batch, nor the
        token by which they can be erased.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "stats", "health", transport=transport)
        tick(kit, 1)
        tock(kit, 2)
        tick(kit, 3)
        kit.flush()
        kit.consent.withdraw("stats")
        kit.consent.grant("stats")
        tick(kit, 4)
        kit.flush()

        assert _numbers(transport) == [1, 3, 2, 4]
        assert len({batch.erase for batch in transport.batches}) == 3
        for batch in transport.batches:
            assert len({record.consent for record in batch.records}) == 1

    def test_a_backend_that_is_down_is_tried_once(self, tmp_path):
        """
        One try for each flush; other backends are served all the same.
        """
        down, up = Scripted(Outcome.RETRY), Scripted()
        kit = open_kit(
            tmp_path,
            "stats",
            "health",
            "shared",
            transport={"maker": down, "partner": up},
        )
        tick(kit, 1)
        tock(kit, 2)
        tock(kit, 3, function="shared")

        report = kit.flush()

        assert len(down.batches) == 1
        assert _numbers(up) == [3]
        assert (report.delivered, report.waiting) == (1, 2)

    def test_each_gets_its_own(self, tmp_path):
        """
        A record goes to its recipient and to nobody else.
        """
        maker, partner = Scripted(), Scripted()
        kit = open_kit(
            tmp_path,
            "shared",
            transport={"maker": maker, "partner": partner},
        )
        with kit.use("shared") as use:
            use.capture(Tocked(1), recipient="maker")
            use.capture(Tocked(2), recipient="partner")
        kit.flush()

        assert (_numbers(maker), _numbers(partner)) == ([1], [2])
        assert {b.recipient for b in partner.batches} == {"partner"}

    def test_a_recipient_without_transport(self, tmp_path):
        """
        What nobody carries waits on and is reported by its recipient.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "stats", "shared", transport=transport)
        tock(kit, 1, function="shared")
        tick(kit, 2)

        report = kit.flush()

        (problem,) = report.problems
        assert problem.startswith("no transport leads to 'partner'; name one")
        assert (report.delivered, report.waiting) == (1, 1)


class TestGate:
    """
    The gate is asked once more for each batch.
    """

    @staticmethod
    def _after(tmp_path, old, new):
        """
        Keep under one version of the policy, deliver under the next.

        Returns:
            What arrived, and how many records wait.
        """
        text = POLICY.read_text(encoding="utf-8")
        assert old in text
        later = tmp_path / "policy.toml"
        later.write_text(text.replace(old, new), encoding="utf-8")
        kit = open_kit(tmp_path / "data", "stats", "shared")
        tick(kit, 1)
        tock(kit, 2, function="shared")
        kit.close()
        transport = Scripted()
        with consentkit.open(
            later,
            data_dir=tmp_path / "data",
            transport={"maker": transport, "partner": transport},
        ) as kit:
            report = kit.flush()
        return sorted(_numbers(transport)), report.waiting

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("We count what is used", "We count all that is used"),
            ('retention = "P30D"', 'retention = "P90D"'),
            (
                'name = "Partner GmbH"',
                'name = "New GmbH"\nformerly = ["Partner GmbH"]',
            ),
        ],
        ids=["other words", "longer", "other name"],
    )
    def test_a_policy_that_changed(self, tmp_path, old, new):
        """
        What was kept under terms that were agreed to goes out under them,
        whatever a newer version says and asks.
        """
        assert self._after(tmp_path, old, new) == ([1, 2], 0)

    @pytest.mark.obligation("WP-ADD-2")
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('name = "Partner GmbH"', 'name = "Stranger GmbH"'),
            ('recipients = ["partner", "maker"]', 'recipients = ["maker"]'),
        ],
        ids=["another one", "no one"],
    )
    def test_a_recipient_that_was_not_agreed_to(self, tmp_path, old, new):
        """
        What was kept for somebody in whose place another one stands now, or
        nobody, waits and does not go out.
        """
        assert self._after(tmp_path, old, new) == ([1], 1)

    def test_it_is_asked_between_batches(self, tmp_path):
        """
        A withdrawal by another process between two batches ends it.
        """
        transport = Scripted()
        kit = open_kit(
            tmp_path,
            "stats",
            transport=transport,
            limits=Limits(batch_records=1),
        )
        other = open_kit(tmp_path)
        tick(kit, 1, 2, 3)

        def answer(batch):
            # In a thread: it waits for this very batch.
            thread.start()
            while kit.consent.state().choices["stats"].epoch:
                time.sleep(0.001)
            return Outcome.DELIVERED

        thread = threading.Thread(
            target=other.consent.withdraw, args=("stats",)
        )
        transport.answer = answer
        kit.flush()
        thread.join(30)

        assert _numbers(transport) == [1]

    def test_an_unreadable_ledger_is_reported(self, tmp_path):
        """
        Without a ledger nothing is sent, nothing is lost, and the report
        says why.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1)
        kit.close()
        saved = (tmp_path / "ledger.sqlite3").read_bytes()
        (tmp_path / "ledger.sqlite3").write_bytes(b"nonsense" * 999)
        kit = open_kit(tmp_path, transport=transport)

        report = kit.flush()

        assert (report.delivered, report.waiting) == (0, 1)
        assert "ledger.sqlite3" in report.problems[0]
        kit.close()
        (tmp_path / "ledger.sqlite3").write_bytes(saved)
        assert open_kit(tmp_path, transport=transport).flush().delivered == 1


class TestTime:
    """
    Delivery takes no more time than it is given.
    """

    def test_it_stops_between_batches(self, tmp_path):
        """
        Past its time a flush starts no further batch.
        """

        def slow(batch):
            time.sleep(0.05)
            return Outcome.DELIVERED

        transport = Scripted(slow)
        kit = open_kit(
            tmp_path,
            "stats",
            transport=transport,
            limits=Limits(batch_records=1),
        )
        tick(kit, *range(50))

        report = kit.flush(timeout_seconds=0.2)

        assert 1 <= report.delivered < 25
        assert report.waiting == 50 - report.delivered

    def test_no_time_at_all(self, tmp_path):
        """
        With no time a flush sends nothing.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1)

        assert kit.flush(timeout_seconds=0).waiting == 1
        assert transport.batches == []

    def test_the_default_is_a_limit(self, tmp_path):
        """
        Without an argument the limit counts.
        """
        transport = Scripted()
        limits = Limits(flush_seconds=0)
        kit = open_kit(tmp_path, "stats", transport=transport, limits=limits)
        tick(kit, 1)

        assert kit.flush().waiting == 1

    def test_exit_with_a_hanging_backend(self, tmp_path):
        """
        A process with waiting records and a backend that never answers
        ends without a network wait, closed or not.
        """
        program = r"""
            import os, socket, sys, threading, time
            from tests.faults.support import *

            server = socket.create_server(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
            kit = open_kit(sys.argv[1], "stats", transport=url)
            tick(kit, *range(50))
            thread = threading.Thread(target=kit.flush, daemon=True)
            thread.start()
            connection, _ = server.accept()
            assert connection.recv(10)
            if sys.argv[2] == "close":
                begun = time.monotonic()
                kit.close()
                took = time.monotonic() - begun
                assert took < 6, took
            begun = time.monotonic()
            import atexit
            def say():
                print(time.monotonic() - begun)
            atexit.register(say)
        """
        for how in ("close", "leave"):
            begun = time.monotonic()
            run(program, tmp_path / how, how, timeout_seconds=20)
            assert time.monotonic() - begun < 10
            assert open_kit(tmp_path / how).status().waiting == 50


class TestHost:
    """
    The app comes first.
    """

    @pytest.mark.parametrize("error", [RuntimeError, OSError, KeyError])
    def test_it_never_raises(self, tmp_path, error):
        """
        Whatever a transport raises, the flush reports its kind, and the
        records wait.
        """

        def fail(batch):
            raise error(MAC)

        kit = open_kit(tmp_path, "stats", transport=Scripted(fail))
        tick(kit, 1)

        report = kit.flush()

        assert report.waiting == 1
        (problem,) = report.problems
        assert error.__name__ in problem
        assert "3C" not in problem

    def test_nonsense_instead_of_an_answer(self, tmp_path):
        """
        A transport that answers with no answer counts as failed.
        """

        class Broken(Scripted):
            def _send(self, batch):
                return None

        kit = open_kit(tmp_path, "stats", transport=Broken())
        tick(kit, 1)

        assert kit.flush().waiting == 1

    def test_a_clock_that_fails(self, tmp_path):
        """
        An app's clock that fails during a flush is reported by its kind.
        """
        clock = Clock()
        kit = open_kit(tmp_path, "stats", clock=clock, transport=Scripted())
        tick(kit, 1)
        del clock.now

        report = kit.flush()

        assert report.problems == ("delivery failed (AttributeError)",)
        assert report.waiting == 1

    def test_an_interrupt_is_the_hosts(self, tmp_path):
        """
        ``^C`` in a transfer goes through; the next flush goes on.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1)

        def interrupt(batch):
            raise KeyboardInterrupt

        transport.answer = interrupt
        with pytest.raises(KeyboardInterrupt):
            kit.flush()
        transport.answer = Outcome.DELIVERED

        assert kit.flush(timeout_seconds=2).delivered == 1
        assert transport.batches[0] == transport.batches[1]

    def test_after_closing(self, tmp_path):
        """
        A closed kit sends nothing, opens no transport again, and closes
        the rest even if one fails to close.
        """

        class Rough(Scripted):
            def close(self):
                super().close()
                raise RuntimeError

        maker, partner = Rough(), Scripted()
        kit = open_kit(
            tmp_path,
            "stats",
            transport={"maker": maker, "partner": partner},
        )
        tick(kit, 1)
        kit.flush()
        tick(kit, 2)
        kit.close()

        assert (maker.closed, partner.closed) == (1, 1)
        assert kit.flush().delivered == 0
        assert len(maker.batches) == 1

    def test_closing_during_a_flush(self, tmp_path):
        """
        A flush that is under way when the kit closes starts no further
        batch.
        """
        backend = Stalling(tmp_path / "backend", stall="before")
        kit = open_kit(
            tmp_path / "data",
            "stats",
            transport=backend,
            limits=Limits(batch_records=1),
        )
        tick(kit, 1, 2, 3)
        thread = threading.Thread(target=kit.flush)
        thread.start()
        assert backend.there.wait(10)
        kit.close()
        backend.go.set()
        thread.join(30)

        assert len(backend.sent) == 1

    def test_a_backend_twice(self, tmp_path):
        """
        A batch whose answer was lost is stored once.
        """

        class Forgetful(Backend):
            def after(self, batch):
                raise TimeoutError

        kit = open_kit(
            tmp_path / "data",
            "stats",
            transport=Forgetful(tmp_path / "backend"),
        )
        ids = tick(kit, 1, 2)
        assert kit.flush().waiting == 2
        kit.close()
        backend = Backend(tmp_path / "backend")
        kit = open_kit(tmp_path / "data", transport=backend)

        assert kit.flush().duplicates == 2
        assert backend.ids() == ids


class _Picky(Scripted):
    """
    A backend that refuses a whole batch for one record in it.
    """

    def __init__(self, *bad: int, refuses_all: bool = False) -> None:
        super().__init__()
        self.bad = set(bad)
        self.refuses_all = refuses_all
        self.answer = self._judge

    def _judge(self, batch):
        ids = [record.id for record in batch.records]
        refused = self.refuses_all or any(
            number(record) in self.bad for record in batch.records
        )
        outcome = Outcome.RETRY if refused else Outcome.DELIVERED
        return Answer(
            outcomes=dict.fromkeys(ids, outcome),
            refused=refused,
            problem="it does not take this" * refused,
        )


class TestPoison:
    """
    A record for which a backend refuses all that comes with it.
    """

    def test_the_rest_goes_on(self, tmp_path):
        """
        It is found by halving, and all others are delivered; it waits by
        itself, and the backend is not asked for it again at once.
        """
        transport = _Picky(7)
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, *range(20))

        report = kit.flush()
        assert (report.delivered, report.waiting) == (19, 1)
        n = len(transport.batches)
        assert n < 20
        assert kit.flush().waiting == 1
        assert len(transport.batches) == n

        tick(kit, 20)
        assert kit.flush().delivered == 1

    def test_it_is_tried_again(self, tmp_path):
        """
        It is tried after a while, longer each time, over a restart too; when
        the backend takes it, it is there once.
        """
        transport = _Picky(1)
        clock = Clock()
        kit = open_kit(tmp_path, "stats", transport=transport, clock=clock)
        tick(kit, 1, 2)
        assert kit.flush().waiting == 1
        kit.close()
        transport.bad.clear()
        kit = open_kit(tmp_path, transport=transport, clock=clock)
        assert kit.flush().delivered == 0
        clock.tick(seconds=3)
        assert kit.flush() == FlushReport(delivered=1)

    def test_it_is_given_up(self, tmp_path):
        """
        After four hours of tries it is dropped, counted, and told.
        """
        transport = _Picky(1)
        clock = Clock()
        kit = open_kit(tmp_path, "stats", transport=transport, clock=clock)
        tick(kit, 1, 2)
        reports = []
        for _ in range(24):
            reports.append(kit.flush())
            clock.tick(seconds=901)
        assert [r.rejected for r in reports] == [0] * 23 + [1]
        assert kit.status().counts == {"delivered": 1, "undeliverable": 1}
        assert kit.status().waiting == 0

    def test_a_backend_that_refuses_everything(self, tmp_path):
        """
        Where it is of no record, few tries show it, and nothing is lost.
        """
        transport = _Picky(refuses_all=True)
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, *range(64))
        assert kit.flush().waiting == 64
        assert len(transport.batches) <= 9

    def test_a_withdrawal_takes_it_along(self, tmp_path):
        """
        A record that waits by itself is gone with the rest.
        """
        transport = _Picky(1)
        clock = Clock()
        kit = open_kit(tmp_path, "stats", transport=transport, clock=clock)
        tick(kit, 1)
        kit.flush()
        kit.consent.withdraw("stats")
        transport.bad.clear()
        clock.tick(seconds=10)
        report = kit.flush()
        assert (report.delivered, report.waiting) == (0, 0)


class TestProgress:
    """
    Whoever wants to know how far a long flush is.
    """

    def test_after_each_batch(self, tmp_path):
        """
        It is told after each batch, in the calling thread, once the outbox
        has let go of that; also of records that were captured meanwhile.
        """
        told = []
        kit = open_kit(
            tmp_path,
            "stats",
            transport=Scripted(),
            limits=Limits(batch_records=2),
        )
        tick(kit, 1, 2, 3, 4, 5)

        def listen(progress):
            told.append((progress, threading.get_ident(), kit.status()))
            if len(told) == 1:
                tick(kit, 6)

        assert kit.flush(progress=listen).delivered == 6
        assert [one for one, _, _ in told] == [
            FlushProgress(delivered=2, waiting_at_start=5, waiting=3),
            FlushProgress(delivered=4, waiting_at_start=5, waiting=2),
            FlushProgress(delivered=6, waiting_at_start=5, waiting=0),
        ]
        assert {thread for _, thread, _ in told} == {threading.get_ident()}
        assert [one.waiting for _, _, one in told] == [3, 2, 0]

    def test_of_what_is_not_taken(self, tmp_path):
        """
        It is told of a batch that has to be tried again, too.
        """
        told = []
        kit = open_kit(tmp_path, "stats", transport=Scripted(Outcome.RETRY))
        tick(kit, 1, 2)

        kit.flush(progress=told.append)

        assert told == [
            FlushProgress(delivered=0, waiting_at_start=2, waiting=2)
        ]

    def test_of_nothing(self, tmp_path):
        """
        Where nothing waits, it is not told of anything.
        """
        told = []
        kit = open_kit(tmp_path, "stats", transport=Scripted())
        assert kit.flush(progress=told.append) == FlushReport()
        tick(kit, 1)
        kit.flush()
        assert kit.flush(progress=told.append) == FlushReport()
        assert told == []

    def test_that_raises(self, tmp_path):
        """
        One that raises holds up nothing and is left alone; the report names
        what it raised, and not with which text. The next flush tries anew.
        """
        told = []
        kit = open_kit(
            tmp_path,
            "stats",
            transport=Scripted(),
            limits=Limits(batch_records=1),
        )
        tick(kit, 1, 2, 3)

        def listen(progress):
            told.append(progress)
            raise ValueError(MAC)

        report = kit.flush(progress=listen)

        assert (report.delivered, report.waiting, len(told)) == (3, 0, 1)
        (problem,) = report.problems
        assert "progress raised ValueError" in problem
        assert MAC not in problem
        tick(kit, 4)
        kit.flush(progress=listen)
        assert len(told) == 2

    def test_an_interrupt_gets_out(self, tmp_path):
        """
        An interrupt is the host's; what was sent until then is settled.
        """
        transport = Scripted()
        kit = open_kit(
            tmp_path,
            "stats",
            transport=transport,
            limits=Limits(batch_records=1),
        )
        tick(kit, 1, 2)

        def listen(progress):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            kit.flush(progress=listen)
        assert kit.flush().delivered == 1
        assert _numbers(transport) == [1, 2]

    @pytest.mark.parametrize("act", ["withdraw", "close"])
    def test_that_acts(self, tmp_path, act):
        """
        It may withdraw, and close the kit: the rest does not leave, and
        nobody waits for anybody.
        """
        transport = Scripted()
        kit = open_kit(
            tmp_path,
            "stats",
            transport=transport,
            limits=Limits(batch_records=1, withdraw_wait_seconds=60),
        )
        tick(kit, 1, 2, 3)
        acts = {
            "withdraw": lambda _: kit.consent.withdraw("stats"),
            "close": lambda _: kit.close(),
        }

        assert kit.flush(progress=acts[act]).delivered == 1
        assert _numbers(transport) == [1]


class TestPause:
    """
    A backend that asks to wait.
    """

    def test_after_it_took_something(self, tmp_path):
        """
        One that takes a batch and asks for a pause gets no other before it
        is over, whichever grant that is of, and the report says so.
        """
        transport = Scripted(
            lambda batch: Answer(
                every=Outcome.DELIVERED, retry_after_seconds=60.0
            )
        )
        kit = open_kit(
            tmp_path,
            *("stats", "health"),
            transport=transport,
            limits=Limits(batch_records=2),
        )
        tick(kit, 1, 2, 3)
        tock(kit, 4)

        report = kit.flush()

        assert (report.delivered, report.waiting) == (2, 2)
        assert len(transport.batches) == 1
        (problem,) = kit.flush().problems
        assert "asked for a pause" in problem
        assert len(transport.batches) == 1

    @pytest.mark.parametrize("asked", [1e12, float("inf")])
    def test_is_bounded(self, tmp_path, asked):
        """
        However long a transport says, it is a day.
        """
        transport = Scripted(
            lambda batch: Answer(
                every=Outcome.RETRY, retry_after_seconds=asked
            )
        )
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1)
        kit.flush()

        (problem,) = kit.flush().problems
        left = int(problem.partition("pause, ")[2].partition(" s")[0])
        assert 86_000 < left <= 86_400

    def test_that_is_no_number(self, tmp_path):
        """
        A transport that makes nonsense of it holds up nothing.
        """
        transport = Scripted(
            lambda batch: Answer(
                every=Outcome.RETRY, retry_after_seconds=float("nan")
            )
        )
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1)
        kit.flush()
        transport.answer = Outcome.DELIVERED

        assert kit.flush().delivered == 1


class TestPatience:
    """
    A backend that is down, for who asks often.
    """

    def test_is_left_alone(self, tmp_path):
        """
        A patient flush does not try again at once; one that somebody asks
        for does.
        """
        transport = Scripted(Outcome.RETRY)
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1)
        kit.flush(patient=True)
        kit.flush(patient=True)
        assert len(transport.batches) == 1
        kit.flush()
        assert len(transport.batches) == 2

    def test_one_goes_first(self, tmp_path):
        """
        After five failures one record goes first; once it is through, all
        others follow.
        """
        transport = Scripted(Outcome.RETRY)
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 0)
        for _ in range(5):
            kit.flush()
        tick(kit, *range(1, 50))
        transport.batches.clear()
        transport.answer = Outcome.DELIVERED
        assert kit.flush().delivered == 50
        sizes = [len(batch.records) for batch in transport.batches]
        assert sizes == [1, 49]
