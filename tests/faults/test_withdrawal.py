# SPDX-License-Identifier: MIT
"""
Withdrawal: nothing of the function arrives any more, wherever it was.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time

from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import consentkit

from consentkit import Kept, Kit, Reason, Refusal
from consentkit.exceptions import StoreError
from consentkit.ledger.entries import Act
from consentkit.limits import Limits
from consentkit.policy import parse_policy
from consentkit.transports.base import Outcome
from consentkit.transports.https import HTTPSTransport
from tests.faults.support import (
    POLICY,
    Backend,
    Scripted,
    Stalling,
    Ticked,
    Tocked,
    hits,
    open_kit,
    run,
    tick,
    tock,
)
from tests.support import entries_in_file


@contextmanager
def flushing(kit):
    """
    Flush in another thread, and wait for its end.
    """
    reports = []
    thread = threading.Thread(target=lambda: reports.append(kit.flush()))
    thread.start()
    try:
        yield reports
    finally:
        thread.join(30)
        assert not thread.is_alive()


def wrapped_keys(data_dir: Path, element: str) -> list[bytes]:
    """
    Give the wrapped keys of *element*, as they lie in the outbox.
    """
    path = data_dir / "outbox.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT wrapped FROM lanes WHERE element = ?", (element,)
        )
        return [wrapped for (wrapped,) in rows]


class TestWaiting:
    """
    Records that wait in the outbox.
    """

    @pytest.mark.obligation("WP-ADD-3", "WP-WDR-2", "WP-WDR-3")
    def test_they_never_arrive(self, tmp_path):
        """
        Of three records that wait, none arrives after a withdrawal, and the
        ledger shows it.
        """
        backend = Backend(tmp_path / "backend")
        kit = open_kit(tmp_path / "data", "stats", transport=backend)
        assert len(tick(kit, 1, 2, 3)) == 3

        destroyed = kit.consent.withdraw("stats").destroyed
        report = kit.flush()

        assert destroyed.records == 3
        assert (report.delivered, report.waiting) == (0, 0)
        assert backend.sent == []
        assert kit.status().counts == {"withdrawn": 3}
        assert kit.consent.history("stats")[-1].act is Act.WITHDRAWN
        assert tick(kit, 4) == []

    @pytest.mark.obligation("WP-ADD-4")
    def test_other_functions_are_untouched(self, tmp_path):
        """
        What other functions have waiting arrives all the same.
        """
        backend = Backend(tmp_path / "backend")
        kit = open_kit(tmp_path / "data", "stats", "health", transport=backend)
        tick(kit, 1)
        kept = tock(kit, 2)
        tick(kit, 3)

        kit.consent.withdraw("stats")
        kept += tock(kit, 4)

        assert kit.flush().delivered == 2
        assert backend.ids() == kept

    def test_every_recipient_is_meant(self, tmp_path):
        """
        A withdrawal ends what waits for each recipient of the function.
        """
        maker, partner = Scripted(), Scripted()
        kit = open_kit(
            tmp_path / "data",
            "shared",
            transport={"maker": maker, "partner": partner},
        )
        with kit.use("shared") as use:
            assert use.capture(Tocked(1), recipient="maker")
            assert use.capture(Tocked(2), recipient="partner")

        assert kit.consent.withdraw("shared").destroyed.records == 2
        kit.flush()

        assert maker.batches == partner.batches == []

    def test_its_keys_and_its_text_are_gone(self, tmp_path):
        """
        No file of the data folder holds the old wrapped keys, the old KEK
        or a byte of the sealed records.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, "stats", "health")
        tick(kit, *range(50), note="marker of what was captured")
        tock(kit, 1)
        kit.close()
        old = wrapped_keys(data_dir, "stats")
        kek = [p.read_bytes() for p in (data_dir / "keys").glob("*.key")]
        sealed = [sealed for *_, sealed in entries_in_file(data_dir)]
        assert hits(old, data_dir)
        assert len(sealed) == 51

        kit = open_kit(data_dir)
        kit.consent.withdraw("stats")

        # While open, the write-ahead log included; and closed.
        for _ in range(2):
            assert hits([*old, *kek, b"marker"], data_dir) == []
            left = hits([s[:40] for s in sealed], data_dir)
            assert len(left) <= 1, "only the record of the other function"
            assert len(list((data_dir / "keys").glob("*.key"))) == 1
            kit.close()

    def test_a_new_grant_brings_nothing_back(self, tmp_path):
        """
        A second grant is a new one: what waited stays gone, keys and
        pseudonyms are new, and captures work.
        """
        backend = Backend(tmp_path / "backend")
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, "stats", transport=backend)
        tick(kit, 1)
        old = wrapped_keys(data_dir, "stats")

        kit.consent.withdraw("stats")
        kit.consent.grant("stats")
        kept = tick(kit, 2)
        kit.flush()

        assert backend.ids() == kept
        assert wrapped_keys(data_dir, "stats") != old

    def test_without_an_outbox(self, tmp_path):
        """
        A withdrawal before the first capture works and bars the grant.
        """
        kit = open_kit(tmp_path / "data", "stats")

        assert kit.consent.withdraw("stats").destroyed.records == 0
        assert tick(kit, 1) == []

    def test_a_no_is_one_too(self, tmp_path):
        """
        Denying what was granted destroys what waits.
        """
        kit = open_kit(tmp_path / "data", "stats")
        tick(kit, 1)

        assert kit.consent.deny("stats").destroyed.records == 1
        assert kit.status().waiting == 0

    @pytest.mark.obligation("WP-PERM-9")
    def test_what_was_done_before_stays(self, tmp_path):
        """
        The ledger keeps the earlier grant, and a record that is read again
        under it is not kept: earlier acts stay on record.
        """
        kit = open_kit(tmp_path / "data", "stats", "health")
        before = kit.consent.history()
        tock(kit, 1)

        kit.consent.withdraw("stats")

        assert kit.consent.history()[: len(before)] == before
        assert kit.status().waiting == 1

    def test_another_policy_takes_nothing_back(self, tmp_path):
        """
        A kit that is opened on the folder with another app's policy neither
        sends nor destroys what waits there; its own kit sends it later.
        """
        backend = Backend(tmp_path / "backend")
        kit = open_kit(tmp_path / "data", "stats", transport=backend)
        ids = tick(kit, 1, 2)
        kit.close()
        text = POLICY.read_text().replace('id = "faults"', 'id = "another"')
        other = consentkit.open(
            parse_policy(text), data_dir=tmp_path / "data", transport=backend
        )
        assert other.flush().delivered == 0
        assert other.status().waiting == 2
        other.close()

        kit = open_kit(tmp_path / "data", transport=backend)
        assert kit.flush().delivered == 2
        assert backend.ids() == ids

    def test_an_observation_dies_with_its_consent(self, tmp_path):
        """
        What was read before a withdrawal is not kept after it, not even
        under a new grant.
        """
        from consentkit.collectors.source import Source

        class Machine(Source):
            name, data_types = "fake", frozenset({"system_id"})

            def _read(self, permit, **_):
                return "6f1d3c58b0a94e7786d2f0a1c3e5b7d9"

        kit = open_kit(tmp_path / "data", "stats", sources=[Machine()])
        with kit.use("stats") as use:
            device = use.device("system_id")
            pseudonym = device["system_id"]
            kit.consent.withdraw("stats")
            assert use.capture(device).reason is Reason.WITHDRAWN
            kit.consent.grant("stats")
            assert use.capture(device).reason is Reason.CONSENT_CHANGED
            assert use.device("system_id")["system_id"] != pseudonym


class TestInFlight:
    """
    A batch that is on its way when the person withdraws.
    """

    def test_before_it_left(self, tmp_path):
        """
        A batch that has not left is cut, named in the erasure request, and
        never tried again.
        """
        backend = Stalling(tmp_path / "backend", stall="before")
        kit = open_kit(tmp_path / "data", "stats", "health", transport=backend)
        tick(kit, 1, 2)
        kept = tock(kit, 3)
        with flushing(kit):
            assert backend.there.wait(10)
            begun = time.monotonic()
            destroyed = kit.consent.withdraw("stats").destroyed
            took = time.monotonic() - begun

        assert took < 5
        assert backend.cancelled >= 1
        assert (destroyed.records, destroyed.in_flight) == (2, 2)
        assert destroyed.erasures == 1
        backend.is_cut = False
        kit.flush()
        assert backend.ids() == kept
        assert [len(batch.records) for batch in backend.sent] == [1]

    def test_after_the_backend_had_it(self, tmp_path):
        """
        A batch that the backend has, but has not answered for, is erased
        there by the next flush, before all else.
        """
        backend = Stalling(tmp_path / "backend", stall="after")
        kit = open_kit(tmp_path / "data", "stats", transport=backend)
        tick(kit, 1, 2)
        with flushing(kit):
            assert backend.there.wait(10)
            destroyed = kit.consent.withdraw("stats").destroyed
            assert len(backend.ids()) == 2

        assert (destroyed.in_flight, destroyed.erasures) == (2, 1)
        assert kit.flush().erased == 1
        assert backend.ids() == []
        assert backend.store.counts().erased == 2
        assert len(backend.sent) == 1

    def test_a_backend_that_cannot_be_cut(self, tmp_path):
        """
        A transfer that cannot be cut is waited for, up to the limit; it
        ends with a batch that is never tried again.
        """
        backend = Stalling(
            tmp_path / "backend", stall="before", is_cuttable=False
        )
        kit = open_kit(
            tmp_path / "data",
            "stats",
            transport=backend,
            limits=Limits(withdraw_wait_seconds=0.3),
        )
        tick(kit, 1)
        with flushing(kit):
            assert backend.there.wait(10)
            begun = time.monotonic()
            kit.consent.withdraw("stats")
            took = time.monotonic() - begun
            backend.go.set()

        assert 0.25 < took < 8
        kit.flush()
        assert backend.ids() == [], "erased, as it landed too late"
        assert len(backend.sent) == 1

    def test_one_that_ends_in_time_is_awaited(self, tmp_path):
        """
        When `withdraw` returns, a transfer that takes a moment is over.
        """
        backend = Stalling(
            tmp_path / "backend", stall="before", is_cuttable=False
        )
        kit = open_kit(tmp_path / "data", "stats", transport=backend)
        tick(kit, 1)
        with flushing(kit) as reports:
            assert backend.there.wait(10)
            threading.Timer(0.1, backend.go.set).start()
            kit.consent.withdraw("stats")
            assert len(backend.sent) == 1, "it is over"

        assert reports[0].problems == ()

    def test_one_that_begins_too_late(self, tmp_path):
        """
        A batch that was claimed but not let out when the withdrawal came
        does not leave at all, and does not hold the withdrawal up while
        the same flush goes on with others.
        """
        backend = Stalling(tmp_path / "backend", stall="before")
        kit = open_kit(
            tmp_path / "data",
            "stats",
            "health",
            transport=backend,
            limits=Limits(withdraw_wait_seconds=20),
        )
        tick(kit, 1)
        kept = tock(kit, 2)
        claim = kit.store.claim
        withdrawal = threading.Thread(
            target=kit.consent.withdraw, args=("stats",)
        )

        def claim_and_withdraw(lane, **options):
            batch = claim(lane, **options)
            if lane.element == "stats":
                withdrawal.start()
                while kit.status().waiting == 2:
                    time.sleep(0.001)
            return batch

        kit.store.claim = claim_and_withdraw
        with flushing(kit) as reports:
            assert backend.there.wait(10)
            withdrawal.join(10)
            assert not withdrawal.is_alive(), "while another batch is held"
            backend.go.set()

        assert backend.ids() == kept
        assert len(backend.sent) == 1
        assert reports[0].problems == ()

    def test_a_failing_cancel(self, tmp_path):
        """
        A transport that fails to be cut does not break the withdrawal.
        """

        class Rough(Stalling):
            def cancel(self):
                self.go.set()
                raise RuntimeError(self.name)

        backend = Rough(tmp_path / "backend", stall="before")
        kit = open_kit(tmp_path / "data", "stats", transport=backend)
        tick(kit, 1)
        with flushing(kit):
            assert backend.there.wait(10)
            withdrawal = kit.consent.withdraw("stats")

        assert withdrawal.destroyed.in_flight == 1

    def test_a_stalled_server(self, tmp_path):
        """
        Over HTTP, `withdraw` cuts a transfer to a server that takes the
        body and never answers, returns at once, and the batch is never
        posted again.
        """
        got: list[bytes] = []
        has_body = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

            def serve() -> None:
                while True:
                    try:
                        connection, _ = server.accept()
                    except OSError:
                        return
                    with closing(connection):
                        try:
                            while part := connection.recv(65536):
                                got.append(part)
                                if b'"rows"' in part:
                                    has_body.set()
                        except OSError:
                            got.append(b"<reset>")

            thread = threading.Thread(target=serve)
            thread.start()
            url = f"http://127.0.0.1:{port}/v1"
            kit = open_kit(
                tmp_path / "data",
                "stats",
                transport=HTTPSTransport(url, timeout_seconds=30),
            )
            tick(kit, 1)
            with flushing(kit) as reports:
                assert has_body.wait(10)
                begun = time.monotonic()
                destroyed = kit.consent.withdraw("stats").destroyed
                took = time.monotonic() - begun
            kit.flush(timeout_seconds=0)
            kit.close()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)

        assert took < 8
        assert (destroyed.in_flight, destroyed.erasures) == (1, 1)
        assert reports[0].delivered == 0
        whole = b"".join(got)
        assert whole.count(b"POST ") == 1, "cut, and not tried again"

    def test_another_process_has_it(self, tmp_path):
        """
        A withdrawal in one process waits for the batch that another one
        has under way, and what landed is erased.
        """
        program = r"""
            import sys, threading, time
            from pathlib import Path
            from tests.faults.support import *

            folder = Path(sys.argv[1])
            backend = Stalling(
                folder / "backend", stall="before", is_cuttable=False
            )
            kit = open_kit(folder / "data", "stats", transport=backend)
            tick(kit, 1)
            thread = threading.Thread(target=kit.flush)
            thread.start()
            backend.there.wait(10)
            (folder / "there").touch()
            while not (folder / "go").exists():
                time.sleep(0.01)
            backend.go.set()
            thread.join()
            (folder / "over").write_text(str(time.monotonic()))
        """
        worker = threading.Thread(target=run, args=(program, tmp_path))
        worker.start()
        while not (tmp_path / "there").exists():
            time.sleep(0.01)
        backend = Backend(tmp_path / "backend")
        kit = open_kit(tmp_path / "data", transport=backend)
        threading.Timer(0.2, (tmp_path / "go").touch).start()

        destroyed = kit.consent.withdraw("stats").destroyed

        assert destroyed.in_flight == 1
        assert len(backend.ids()) == 1, "withdraw() came after it"
        worker.join(30)
        assert kit.flush().erased == 1
        assert backend.ids() == []


class TestErasure:
    """
    The request to erase what was delivered.
    """

    def test_none_where_nothing_was_tried(self, tmp_path):
        """
        Nothing was sent, so nobody is asked to erase anything.
        """
        backend = Backend(tmp_path / "backend")
        kit = open_kit(tmp_path / "data", "stats", transport=backend)
        tick(kit, 1)

        assert kit.consent.withdraw("stats").destroyed.erasures == 0
        assert kit.status().erasures == 0
        kit.flush()
        assert backend.asked == []

    def test_it_outlives_a_restart_and_goes_first(self, tmp_path):
        """
        The request is carried out by the next process, before any record.
        """
        data_dir = tmp_path / "data"
        first = Scripted()
        kit = open_kit(data_dir, "stats", "health", transport=first)
        tick(kit, 1)
        assert kit.flush().delivered == 1
        kit.consent.withdraw("stats")
        tock(kit, 2)
        kit.close()

        second = Scripted()
        kit = open_kit(data_dir, transport=second)
        assert kit.status().erasures == 1
        report = kit.flush()

        assert second.order == ["erase", "send"]
        assert (report.erased, report.delivered) == (1, 1)
        assert kit.status().erasures == 0

    def test_it_takes_effect_once(self, tmp_path):
        """
        A request whose answer was lost is sent again under the same id and
        erases nothing twice; other functions' records stay.
        """
        data_dir = tmp_path / "data"

        class Forgetful(Backend):
            def _erase(self, erasure):
                super()._erase(erasure)
                raise TimeoutError

        backend = Forgetful(tmp_path / "backend")
        kit = open_kit(data_dir, "stats", "health", transport=backend)
        tick(kit, 1, 2)
        kept = tock(kit, 3)
        kit.flush()
        kit.consent.withdraw("stats")
        report = kit.flush()
        assert (report.erased, kit.status().erasures) == (0, 1)
        kit.close()

        again = Backend(tmp_path / "backend")
        kit = open_kit(data_dir, transport=again)
        assert kit.flush().erased == 1

        assert again.asked[0].id == backend.asked[0].id
        assert again.ids() == kept
        assert again.store.counts().erased == 2
        assert kit.flush().erased == 0

    def test_it_is_kept_while_refused(self, tmp_path):
        """
        A backend that rejects the request or has no transport leaves it
        waiting, and it is reported.
        """
        backend = Scripted()
        kit = open_kit(tmp_path / "data", "stats", transport=backend)
        tick(kit, 1)
        kit.flush()
        kit.consent.withdraw("stats")
        backend.answer = Outcome.REJECTED
        kit.flush()
        assert kit.status().erasures == 1
        kit.close()

        kit = open_kit(tmp_path / "data")
        assert "'maker'" in kit.flush().problems[0]
        assert kit.status().erasures == 1

    def test_the_request_says_only_what_is_needed(self, tmp_path):
        """
        It carries a random token and no function, person or device (R9).
        """
        backend = Scripted()
        kit = open_kit(tmp_path / "data", "stats", transport=backend)
        tick(kit, 1)
        kit.flush()
        kit.consent.withdraw("stats")
        kit.flush()

        (erasure,) = backend.asked
        assert erasure.as_json().keys() == {
            "format",
            "erasure",
            "recipient",
            "token",
            "requested_at",
        }
        assert erasure.token not in repr(erasure)


class TestRace:
    """
    Captures in one process against the withdrawal in another.
    """

    @pytest.mark.obligation("WP-ADD-3")
    def test_no_capture_succeeds_after_it(self, tmp_path):
        """
        Once `withdraw` has returned in one process, no capture in another is
        kept, and nothing of the function ever arrives.
        """
        program = r"""
            import json, os, sys, time
            from pathlib import Path
            from tests.faults.support import *

            folder = Path(sys.argv[1])
            late, kept_in_all = [], 0
            for turn in range(8):
                data_dir = folder / f"data{turn}"
                log = folder / f"log{turn}"
                assert in_child(
                    lambda: open_kit(data_dir, "stats").close()
                ) == 0

                def capture():
                    kit = open_kit(data_dir)
                    lines, over = [], log.with_suffix(".end")
                    end = time.monotonic() + 30
                    with kit.use("stats") as use:
                        while time.monotonic() < end:
                            begun = time.monotonic()
                            kept = use.capture(Ticked(1))
                            lines.append((begun, bool(kept)))
                            log.with_suffix(".begun").touch()
                            if over.exists():
                                end = min(end, time.monotonic() + 0.05)
                    log.write_text(json.dumps(lines))

                def withdraw():
                    kit = open_kit(data_dir)
                    while not log.with_suffix(".begun").exists():
                        time.sleep(0.001)
                    time.sleep(0.02 + turn * 0.01)
                    kit.consent.withdraw("stats")
                    log.with_suffix(".end").write_text(
                        str(time.monotonic())
                    )

                a, b = start_child(capture), start_child(withdraw)
                for pid in (a, b):
                    assert os.waitpid(pid, 0)[1] == 0
                end = float(log.with_suffix(".end").read_text())
                lines = json.loads(log.read_text())
                kept_in_all += sum(kept for _, kept in lines)
                late += [t for t, kept in lines if kept and t >= end]

                def deliver():
                    transport = Scripted()
                    kit = open_kit(data_dir, transport=transport)
                    report = kit.flush()
                    assert kit.status().waiting == 0
                    assert transport.batches == []

                assert in_child(deliver) == 0
            print(json.dumps([len(late), kept_in_all]))
        """
        late, kept = json.loads(run(program, tmp_path).stdout)

        assert kept > 20, "it was a race"
        assert late == 0

    def test_the_bar_holds_without_the_ledger(self, tmp_path):
        """
        A process that had asked the gate before the withdrawal cannot keep
        its record after it.
        """
        data_dir = tmp_path / "data"
        kit, other = open_kit(data_dir, "stats"), open_kit(data_dir)
        keep = kit.store.keep

        def withdraw_and_keep(drafts, *, now):
            other.consent.withdraw("stats")
            return keep(drafts, now=now)

        kit.store.keep = withdraw_and_keep
        with kit.use("stats") as use:
            refused = use.capture(Ticked(1))

        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.CONSENT_CHANGED
        assert kit.status().waiting == 0

    def test_a_restart_beside_a_new_grant(self, tmp_path, monkeypatch):
        """
        A process that starts while another one grants and captures destroys
        nothing of it.
        """
        data_dir = tmp_path / "data"
        other = open_kit(data_dir, "health")
        tock(other, 1)
        standing = Kit._standing

        def stand_and_grant(kit):
            # The worst moment: the ledger was just read.
            found = standing(kit)
            other.consent.grant("stats")
            assert len(tick(other, 1)) == 1
            return found

        monkeypatch.setattr(Kit, "_standing", stand_and_grant)
        kit = open_kit(data_dir)

        assert kit.status().waiting == 2
        with kit.use("stats") as use:
            assert isinstance(use.capture(Ticked(2)), Kept)

    def test_two_grants_at_once(self, tmp_path):
        """
        Where two processes record the same yes at the same time, what was
        kept under the first one arrives.
        """
        data_dir = tmp_path / "data"
        backend = Backend(tmp_path / "backend")
        kit = open_kit(data_dir, transport=backend)
        other = open_kit(data_dir)
        ledger, kept = other.ledger, []
        append = ledger.append_after

        def append_late(plan, **options):
            kit.consent.grant("stats")
            kept.extend(tick(kit, 1))
            return append(plan, **options)

        ledger.append_after = append_late
        other.consent.grant("stats")
        kept += tick(kit, 2)
        kit.close()
        kit = open_kit(data_dir, transport=backend)
        kit.flush()

        assert len(kept) == 2
        assert sorted(backend.ids()) == sorted(kept)

    def test_a_new_grant_right_after(self, tmp_path):
        """
        A grant that another process records right after the withdrawal is
        not ended by it.
        """
        data_dir = tmp_path / "data"
        kit, other = open_kit(data_dir, "stats"), open_kit(data_dir)
        ledger = other.ledger
        append = ledger.append_after

        def append_and_grant(plan, **options):
            done = append(plan, **options)
            kit.consent.grant("stats")
            return done

        ledger.append_after = append_and_grant
        other.consent.withdraw("stats")

        assert kit.consent.state().choices["stats"].epoch
        assert len(tick(kit, 1)) == 1

    def test_a_grant_right_before(self, tmp_path):
        """
        A withdrawal also ends a grant that another process records while
        it begins.
        """
        data_dir = tmp_path / "data"
        kit, other = open_kit(data_dir, "stats"), open_kit(data_dir)
        kit.consent.withdraw("stats")
        ledger = other.ledger
        append = ledger.append_after

        def grant_and_append(plan, **options):
            kit.consent.grant("stats")
            return append(plan, **options)

        ledger.append_after = grant_and_append
        other.consent.withdraw("stats")

        assert not kit.consent.state().choices["stats"].epoch
        assert not tick(kit, 1)


class TestDamage:
    """
    A withdrawal among things that are broken.
    """

    def test_keys_of_another_function(self, tmp_path):
        """
        Damaged keys of one function do not stop the withdrawal of another.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, "stats", "health")
        tick(kit, 1)
        tock(kit, 1)
        kit.close()
        with closing(sqlite3.connect(data_dir / "outbox.sqlite3")) as db, db:
            db.execute(
                "UPDATE lanes SET wrapped = zeroblob(100) "
                "WHERE element = 'health'"
            )

        kit = open_kit(data_dir)
        assert kit.consent.withdraw("stats").destroyed.records == 1
        assert kit.consent.withdraw("health").destroyed.records == 1

    @pytest.mark.parametrize("damage", ["missing", "open", "nonsense"])
    def test_the_key_file(self, tmp_path, damage):
        """
        A withdrawal works without the KEK; where it is only readable by
        others, it is replaced and the erasure is queued.
        """
        data_dir = tmp_path / "data"
        backend = Scripted()
        kit = open_kit(data_dir, "stats", "health", transport=backend)
        tick(kit, 1)
        kit.flush()
        tick(kit, 2)
        tock(kit, 3)
        kit.close()
        (key,) = (data_dir / "keys").glob("*.key")
        old = key.read_bytes()
        if damage == "missing":
            key.unlink()
        elif damage == "open":
            key.chmod(0o644)
        else:
            key.write_text("nonsense")

        kit = open_kit(data_dir, transport=backend)
        destroyed = kit.consent.withdraw("stats").destroyed

        assert destroyed.records == 1
        assert destroyed.erasures == (1 if damage == "open" else 0)
        counts = kit.status().counts
        assert counts.get("erasure_impossible", 0) == 1 - destroyed.erasures
        if damage == "open":
            assert hits([old], data_dir) == []
            assert kit.flush().delivered == 1

    def test_an_outbox_that_cannot_be_written(self, tmp_path):
        """
        Where the outbox cannot be written, the withdrawal says so; it holds
        all the same, in this process and the next.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, "stats")
        tick(kit, 1)
        kit.close()
        (data_dir / "outbox.sqlite3").unlink()
        (data_dir / "outbox.sqlite3").mkdir()

        kit = open_kit(data_dir)
        with pytest.raises(StoreError, match="outbox"):
            kit.consent.withdraw("stats")

        for one in (kit, open_kit(data_dir)):
            with one.use("stats") as use:
                answer = use.capture(Ticked(1))
            assert answer.reason is Reason.WITHDRAWN

    def test_a_damaged_outbox(self, tmp_path):
        """
        Where the outbox is damaged, the withdrawal puts another in its
        place, and nothing opens what is left of the damaged one.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, "stats")
        tick(kit, 1)
        kit.close()
        (key,) = (data_dir / "keys").glob("*.key")
        old = key.read_bytes()
        kit = open_kit(data_dir)
        kit.store.close()
        raw = bytearray((data_dir / "outbox.sqlite3").read_bytes())
        raw[1000] ^= 0x55
        (data_dir / "outbox.sqlite3").write_bytes(raw)

        kit.consent.withdraw("stats")

        assert kit.status().waiting == 0
        assert hits([old], data_dir) == []
        for one in (kit, open_kit(data_dir)):
            with one.use("stats") as use:
                answer = use.capture(Ticked(1))
            assert answer.reason is Reason.WITHDRAWN

    def test_sdks_are_stopped_whatever_happens(self, tmp_path):
        """
        A third-party SDK is stopped even where the outbox cannot be used.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, "umeng", "stats")
        tick(kit, 1)
        stopped = []
        kit.registry.start(
            "umeng", lambda: None, stop=lambda: stopped.append(1)
        )
        kit.store.close()
        (data_dir / "outbox.sqlite3").unlink()
        (data_dir / "outbox.sqlite3").mkdir()

        with pytest.raises(StoreError):
            kit.consent.withdraw("umeng")
        assert stopped == [1]
