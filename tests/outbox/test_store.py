# SPDX-License-Identifier: MIT
"""
The outbox on disk: limits, expiry, counts and what is seen from outside.
"""

from __future__ import annotations

import json
import sqlite3

from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from consentkit import Kept, Reason
from consentkit.limits import Limits
from consentkit.outbox.draft import Draft
from consentkit.outbox.records import Record, new_id
from consentkit.outbox.room import Full
from consentkit.outbox.rows import encode, kind_of
from consentkit.transports.base import Outcome
from tests.faults.support import (
    START,
    Clock,
    Scripted,
    Ticked,
    Tocked,
    files,
    open_kit,
    tick,
    tock,
)
from tests.support import entries_in_file


class TestNothing:
    """
    An outbox that holds nothing.
    """

    def test_it_makes_no_file(self, tmp_path):
        """
        Asking for its status, flushing and looking into it make no file.
        """
        kit = open_kit(tmp_path / "data", transport=Scripted())

        assert kit.status().waiting == 0
        assert kit.flush().waiting == 0
        assert list(kit.store.inspect()) == []
        assert kit.store.lanes() == ()
        assert kit.store.erasures() == ()
        assert kit.store.expire(START) == 0
        assert not (tmp_path / "data").exists()

    def test_a_grant_makes_only_the_ledger(self, tmp_path):
        """
        A grant without a capture makes no outbox and no key of one.
        """
        kit = open_kit(tmp_path, "stats", transport=Scripted())
        kit.flush()
        kit.close()

        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "keys",
            "ledger.pulse",
            "ledger.sqlite3",
        ]
        assert sorted(p.name for p in (tmp_path / "keys").iterdir()) == [
            "ledger.anchor",
            "ledger.signing",
        ]


class TestRecord:
    """
    What a record says of itself.
    """

    def test_it_explains_itself(self, tmp_path):
        """
        A record carries its clause, its consent, its protection and its
        expiry.
        """
        clock = Clock()
        kit = open_kit(tmp_path, "stats", clock=clock)
        (kept,) = tick(kit, 7, note="hello")

        (record,) = kit.store.inspect()

        entry = kit.consent.state().choices["stats"].entry
        assert record == Record(
            id=kept,
            function="stats",
            data_type="network_status",
            purpose="usage_statistics",
            recipient="maker",
            protection="none",
            privacy_class=record.privacy_class,
            value={"event": "ticked", "n": 7, "note": "hello"},
            captured_at=START,
            expires_at=START + timedelta(days=30),
            consent=entry.hash,
            policy_version="1",
        )

    def test_its_form_on_the_wire_is_json(self, tmp_path):
        """
        The form that goes out is plain JSON, with all fields.
        """
        kit = open_kit(tmp_path, "stats", clock=Clock())
        tick(kit, 7)
        (record,) = kit.store.inspect()

        form = json.loads(json.dumps(record.as_json()))

        assert form["class"] == record.privacy_class
        assert form["captured_at"] == "2026-11-20T12:00:00.000+00:00"
        assert len(form) == 12

    def test_ids_sort_by_time(self):
        """
        Ids are UUIDs of version 7, never the same twice.
        """
        ids = [new_id() for _ in range(500)]

        assert len(set(ids)) == 500
        assert {UUID(i).version for i in ids} == {7}
        assert all(a[:13] <= b[:13] for a, b in pairwise(ids))

    def test_times_need_no_whole_milliseconds(self, tmp_path):
        """
        A clock with microseconds makes records that come back the same
        after a restart.
        """
        clock = Clock(START.replace(microsecond=123_456))
        kit = open_kit(tmp_path, "stats", clock=clock)
        ids = tick(kit, 1)
        kit.close()
        transport = Scripted()
        kit = open_kit(tmp_path, clock=clock, transport=transport)

        assert kit.flush().delivered == 1
        assert [r.id for b in transport.batches for r in b.records] == ids


class TestLimits:
    """
    `Limits`: what waits is bounded, and what is refused is counted.
    """

    def test_records(self, tmp_path):
        """
        A capture beyond the number is refused, counted, and loses nothing
        that waits.
        """
        kit = open_kit(tmp_path, "stats", limits=Limits(records=3))
        assert len(tick(kit, 1, 2, 3)) == 3

        with kit.use("stats") as use:
            answer = use.capture(Ticked(4))

        assert answer.reason is Reason.OUTBOX_FULL
        status = kit.status()
        assert (status.waiting, status.counts) == (3, {"outbox_full": 1})

    def test_there_is_room_again_after_delivery(self, tmp_path):
        """
        What was delivered, expired or withdrawn makes room.
        """
        clock = Clock()
        kit = open_kit(
            tmp_path,
            "stats",
            "health",
            clock=clock,
            limits=Limits(records=2),
            transport=Scripted(),
        )
        assert len(tick(kit, 1, 2, 3)) == 2
        kit.flush()
        assert len(tock(kit, 1, 2, 3)) == 2
        clock.tick(days=2)
        kit.flush()
        assert len(tick(kit, 1, 2, 3)) == 2
        kit.consent.withdraw("stats")
        assert len(tock(kit, 1, 2, 3)) == 2

    def test_bytes(self, tmp_path):
        """
        The sealed records together never take more than the bound.
        """
        limits = Limits(outbox_bytes=1_000)
        kit = open_kit(tmp_path, "stats", limits=limits)
        kept = tick(kit, *range(50))

        status = kit.status()

        assert 5 < len(kept) < 20
        assert status.waiting == len(kept)
        assert 800 < status.sealed_bytes <= 1_000
        assert status.counts == {"outbox_full": 50 - len(kept)}

    def test_one_record(self, tmp_path):
        """
        A record that is too large by itself is refused; smaller ones are
        kept after it.
        """
        kit = open_kit(tmp_path, "stats", limits=Limits(record_bytes=1_000))
        with kit.use("stats") as use:
            large = use.capture(Ticked(1, "x" * 1_000))
            small = use.capture(Ticked(2, "x"))

        assert large.reason is Reason.OUTBOX_FULL
        assert isinstance(small, Kept)
        assert kit.status().counts == {"outbox_full": 1}

    def test_refusing_costs_no_disk(self, tmp_path):
        """
        A full outbox does not grow by what it refuses.
        """
        kit = open_kit(tmp_path, "stats", limits=Limits(records=5))
        tick(kit, *range(10))
        kit.close()
        before = (tmp_path / "outbox.sqlite3").stat().st_size

        kit = open_kit(tmp_path, limits=Limits(records=5))
        tick(kit, *range(200))
        kit.close()

        assert (tmp_path / "outbox.sqlite3").stat().st_size == before
        assert open_kit(tmp_path).status().counts["outbox_full"] == 205


class TestExpiry:
    """
    Retention: a record lives as long as its clause says.
    """

    @pytest.mark.obligation("WP-RET-1")
    def test_it_is_purged_unsent(self, tmp_path):
        """
        A queue that is older than its period is purged and counted, and not
        sent.
        """
        clock, transport = Clock(), Scripted()
        kit = open_kit(
            tmp_path, "stats", "health", clock=clock, transport=transport
        )
        tick(kit, 1)
        tock(kit, 2)
        clock.tick(days=1)

        report = kit.flush()

        assert (report.expired, report.delivered) == (1, 1)
        sent = [r.function for b in transport.batches for r in b.records]
        assert sent == ["stats"]
        assert kit.status().counts == {"expired": 1, "delivered": 1}

    @pytest.mark.obligation("WP-RET-1")
    def test_it_lives_to_the_last_second(self, tmp_path):
        """
        A second before its end a record is still sent.
        """
        clock, transport = Clock(), Scripted()
        kit = open_kit(tmp_path, "health", clock=clock, transport=transport)
        tock(kit, 1)
        clock.tick(days=1, seconds=-1)

        assert kit.flush().delivered == 1

    @pytest.mark.obligation("WP-RET-1")
    def test_it_is_purged_at_the_start_too(self, tmp_path):
        """
        Opening purges what expired meanwhile, without a flush.
        """
        clock = Clock()
        kit = open_kit(tmp_path, "health", clock=clock)
        tock(kit, 1)
        kit.close()
        clock.tick(days=2)

        kit = open_kit(tmp_path, clock=clock)

        assert kit.status().waiting == 0
        assert kit.status().counts == {"expired": 1}

    def test_it_leaves_no_bytes(self, tmp_path):
        """
        What expired is overwritten in the file and in its log.
        """
        clock = Clock()
        kit = open_kit(tmp_path, "health", clock=clock)
        tock(kit, *range(20))
        sealed = [sealed for *_, sealed in entries_in_file(tmp_path)]
        clock.tick(days=2)

        assert kit.store.expire(clock()) == 20

        content = b"".join(content for _, content in files(tmp_path))
        assert [s for s in sealed if s[:30] in content] == []

    def test_a_withdrawn_record_is_counted_once(self, tmp_path):
        """
        Counts by reason add up to what was kept.
        """
        clock = Clock()
        transport = Scripted()
        kit = open_kit(
            tmp_path, "stats", "health", clock=clock, transport=transport
        )
        kept = len(tick(kit, 1, 2)) + len(tock(kit, 3, 4))
        transport.answer = lambda batch: (
            Outcome.REJECTED
            if batch.records[0].function == "stats"
            else Outcome.RETRY
        )
        kit.flush()
        kept += len(tick(kit, 5))
        kit.consent.withdraw("stats")
        clock.tick(days=1)
        kit.flush()

        counts = dict(kit.status().counts)
        assert counts.pop("erasure_confirmed", 0) == 0
        assert counts == {"rejected": 2, "withdrawn": 1, "expired": 2}
        assert sum(counts.values()) == kept


class TestSeen:
    """
    What a person sees, and what lies beside the sealed records.
    """

    def test_plain_columns_are_dull(self, tmp_path):
        """
        Beside the sealed record there are a lane, an id and its expiry.
        """
        kit = open_kit(tmp_path, "stats")
        ids = tick(kit, 1, note="a marker of mine")

        # The ledger holds the policy, which names what is collected, and the
        # tally tells what was.
        for path, content in files(tmp_path):
            assert b"marker" not in content
            telling = path.name.startswith(("ledger", "tally"))
            assert telling or b"network_status" not in content
        ((lane, record, expires, _),) = entries_in_file(tmp_path)
        assert [lane, record] == [1, *ids]
        assert expires > START.timestamp() * 1000

    def test_inspect_is_oldest_first(self, tmp_path):
        """
        Waiting records are shown in the order of their capture.
        """
        kit = open_kit(tmp_path, "stats", "health")
        ids = tick(kit, 1) + tock(kit, 2) + tick(kit, 3)

        assert [r.id for r in kit.store.inspect()] == ids

    def test_status_by_lane(self, tmp_path):
        """
        The status tells what waits for whom, and whether it was tried.
        """
        transport = Scripted(Outcome.RETRY)
        kit = open_kit(
            tmp_path, "stats", "shared", transport={"maker": transport}
        )
        tick(kit, 1, 2)
        tock(kit, 3, function="shared")
        with kit.use("shared") as use:
            assert use.capture(Tocked(4), recipient="maker")
        kit.flush()

        lanes = {
            (one.element, one.recipient): (one.waiting, one.attempted)
            for one in kit.status().lanes
        }
        assert lanes == {
            ("stats", "maker"): (2, True),
            ("shared", "partner"): (1, False),
            ("shared", "maker"): (1, False),
        }

    def test_a_closed_kit_opens_its_status(self, tmp_path):
        """
        What waits survives closing, and closing twice is fine.
        """
        kit = open_kit(tmp_path, "stats")
        tick(kit, 1)
        kit.close()
        kit.close()

        assert open_kit(tmp_path).status().waiting == 1

    @pytest.mark.parametrize("text", ["caf\udce9", "\ud83d", "\0", "\u2028"])
    def test_odd_texts(self, tmp_path, text):
        """
        Texts that UTF-8 cannot hold, such as parts of file names, are kept
        and come back as they were.
        """
        kit = open_kit(tmp_path, "stats")
        assert isinstance(_keep(kit, text)[0], str)
        kit.close()

        (record,) = open_kit(tmp_path).store.inspect()

        assert record.value == text

    def test_what_is_too_long(self, tmp_path):
        """
        What is longer than one record may be is refused and counted.
        """
        kit = open_kit(tmp_path, "stats")

        assert _keep(kit, "x" * 70_000) == (
            Full("Limits.record_bytes is 65536"),
        )
        assert kit.status().counts == {"outbox_full": 1}


def _keep(kit, value):
    """
    Keep a record with any value, past what events may hold.
    """
    with kit.use("stats") as use:
        permit = use.permit("network_status")
        draft = Draft(
            permit=permit,
            kind=kind_of(
                function="stats",
                data_type="network_status",
                purpose="usage_statistics",
                protection="none",
                privacy_class="linkable",
                policy_version="1",
            ),
            text=encode(value),
            time=int(START.timestamp() * 1000),
            expires=int(START.timestamp() * 1000) + 30_000 * 86_400_000,
        )
        return kit.store.keep([draft], now=START)


class TestDamage:
    """
    A file that is not as it was made.
    """

    def test_a_table_is_missing(self, tmp_path):
        """
        A table that has gone is not made anew: it is damage.
        """
        path = tmp_path / "outbox.sqlite3"
        kit = open_kit(tmp_path, "stats")
        tick(kit, 1)
        kit.close()
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("DROP TABLE chunks")

        kit = open_kit(tmp_path, transport=Scripted())

        assert tick(kit, 2) == []
        assert "not as expected" in kit.flush().problems[0]
        with closing(sqlite3.connect(path)) as db:
            found = db.execute("SELECT name FROM sqlite_master").fetchall()
        assert ("chunks",) not in found
