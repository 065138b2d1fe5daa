# SPDX-License-Identifier: MIT
"""
What every store of the receiver is held against.

A member gives, as fixtures of its class, ``store``, an empty store, and
``another``, one more on the same place.
"""

from __future__ import annotations

import threading

from datetime import UTC, datetime, timedelta

import pytest

from attrs import evolve

from consentkit.outbox.records import new_id
from consentkit.receiver.drops import Dropped, DropReport
from consentkit.receiver.store import Counts, Erased, Verdict
from tests.transports.conformance import PLANTED, make_batch, make_record


__all__ = ["DUPLICATE", "STORED", "RecordStoreConformance", "make_report"]

STORED = Verdict(outcome="stored")
DUPLICATE = Verdict(outcome="duplicate")


def said(verdicts):
    """
    Give outcomes and reasons in order.
    """
    return [(one.outcome, one.reason) for one in verdicts.values()]


def make_report(**changes):
    """
    Make a drop report of an hour.
    """
    at = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    report = DropReport(
        id=new_id(),
        recipient="camera_maker",
        since=at,
        until=at + timedelta(hours=1),
        drops=(
            Dropped(function="wifi_binding", reason="expired", count=3),
            Dropped(function="improve", reason="full", count=40),
        ),
    )
    return evolve(report, **changes)


class RecordStoreConformance:
    """
    Tests for any store.
    """

    def test_stores_each_record_once(self, store):
        """
        A record is known by its id, in whatever batch it comes.
        """
        old, new = make_record(), make_record()

        first = store.put(make_batch(old))
        second = store.put(make_batch(old, new))

        assert first == {old.id: STORED}
        assert second == {old.id: DUPLICATE, new.id: STORED}
        assert [one.record.id for one in store.records()] == [old.id, new.id]

    def test_gives_back_what_came(self, store):
        """
        A record comes out as it went in, with its batch and its time.
        """
        now = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
        record = make_record(
            captured_at=now,
            expires_at=now + timedelta(days=1),
            value={"a": [1, 2.5, "\ud83d\0", None, True]},
        )
        batch = make_batch(record)

        store.put(batch, now=now)

        [stored] = store.records()
        assert stored.record == record
        assert stored.batch == batch.id
        assert stored.erase == batch.erase
        assert stored.received_at == now

    def test_records_of_one_function(self, store):
        """
        Records can be asked for by function.
        """
        one = make_record(function="one")
        two = make_record(function="two")
        store.put(make_batch(one, two))

        assert [r.record.id for r in store.records("two")] == [two.id]
        assert store.records("three") == []

    def test_expired_records_are_rejected(self, store):
        """
        What has expired on its way is not stored.
        """
        now = datetime.now(UTC)
        late = make_record(expires_at=now)
        good = make_record(expires_at=now + timedelta(milliseconds=1))

        verdicts = store.put(make_batch(late, good), now=now)

        assert said(verdicts) == [("rejected", "expired"), ("stored", "")]
        assert len(store.records()) == 1

    def test_many_threads(self, store):
        """
        The same batches from many threads are stored once.
        """
        batches = [make_batch() for _ in range(5)] * 4
        verdicts = []

        def work(batch):
            verdicts.extend(store.put(batch).values())

        threads = [threading.Thread(target=work, args=(b,)) for b in batches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert verdicts.count(STORED) == 10
        assert verdicts.count(DUPLICATE) == 30
        assert store.counts().records == 10

    def test_two_stores_share_a_place(self, store, another):
        """
        Another store on the same place sees the same.
        """
        batch = make_batch()
        store.put(batch)

        assert set(another.put(batch).values()) == {DUPLICATE}
        another.erase("11" * 32)

        assert store.records() == []
        assert said(store.put(batch)) == [("rejected", "erased")] * 2

    @pytest.mark.obligation("WP-BIND-4")
    def test_erases_one_grant_for_good(self, store):
        """
        Its records go, later ones are rejected, those of others stay.
        """
        ours, other = make_batch(token="22" * 32), make_batch()
        store.put(ours)
        store.put(other)

        done = store.erase("22" * 32)

        assert done == Erased(outcome="erased", records=2)
        left = {one.record.id for one in store.records()}
        assert left == {one.id for one in other.records}
        late = make_batch(token="22" * 32)
        assert said(store.put(ours)) == [("rejected", "erased")] * 2
        assert said(store.put(late)) == [("rejected", "erased")] * 2

    def test_erasing_again_tells_the_same_number(self, store):
        """
        Whoever lost the first answer learns how many records it was.
        """
        store.put(make_batch())
        store.erase("11" * 32)

        assert store.erase("11" * 32) == Erased(outcome="already", records=2)

    def test_erases_ahead_of_any_record(self, store):
        """
        A grant that sent nothing yet can be erased too.
        """
        assert store.erase("11" * 32) == Erased(outcome="erased", records=0)
        assert said(store.put(make_batch())) == [("rejected", "erased")] * 2

    def test_purge_deletes_what_has_expired(self, store):
        """
        Records go at the instant of their expiry.
        """
        now = datetime.now(UTC)
        short = make_record(expires_at=now + timedelta(days=1))
        long = make_record(expires_at=now + timedelta(days=2), value=PLANTED)
        store.put(make_batch(short, long))

        assert store.purge(now) == 0
        assert store.purge(now + timedelta(days=1)) == 1

        assert [one.record.id for one in store.records()] == [long.id]

    def test_purge_goes_by_the_clock(self, store):
        """
        Without an instant, the clock's is taken.
        """
        past = datetime.now(UTC) - timedelta(days=9)
        record = make_record(expires_at=past + timedelta(days=1))
        store.put(make_batch(record), now=past)

        assert store.purge() == 1

    def test_counts_what_became_of_all(self, store):
        """
        What is there and what is not is counted by its fate.
        """
        now = datetime.now(UTC)
        batch = make_batch(make_record(function="b"), make_record())
        store.put(batch)
        store.put(batch)
        store.put(make_batch(make_record(), token="22" * 32), refused=3)
        store.put(make_batch(make_record(expires_at=now), token="33" * 32))
        store.erase("22" * 32)
        soon = make_record(expires_at=now + timedelta(hours=1))
        store.put(make_batch(soon))
        store.note_drops(make_report())
        store.note_drops(make_report())
        store.purge(now + timedelta(hours=2))

        assert store.counts() == Counts(
            records=2,
            batches=1,
            functions={"b": 1, "wifi_binding": 1},
            duplicates=2,
            rejected=4,
            erased=1,
            expired=1,
            erasures=1,
            dropped={"expired": 6, "full": 80},
        )

    def test_counts_nothing_of_an_empty_store(self, store):
        """
        Where nothing came, there is nothing to count.
        """
        assert store.counts() == Counts(
            records=0,
            batches=0,
            functions={},
            duplicates=0,
            rejected=0,
            erased=0,
            expired=0,
            erasures=0,
        )

    def test_what_was_there_is_a_duplicate_though_it_has_expired(self, store):
        """
        A record that was stored in time is not called rejected later.
        """
        now = datetime.now(UTC)
        record = make_record(expires_at=now + timedelta(hours=1))
        store.put(make_batch(record), now=now)

        later = store.put(make_batch(record), now=now + timedelta(hours=2))

        assert later == {record.id: DUPLICATE}

    @pytest.mark.obligation("WP-BIND-4")
    def test_an_erasure_beside_batches_leaves_nothing(self, store, another):
        """
        Of batches that come while their grant is erased, nothing stays,
        whoever was first.
        """
        batches = [make_batch(token="22" * 32) for _ in range(24)]
        verdicts = []

        def work(mine):
            for batch in mine:
                verdicts.extend(said(another.put(batch)))

        threads = [
            threading.Thread(target=work, args=(batches[n::4],))
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        done = store.erase("22" * 32)
        for thread in threads:
            thread.join(60)

        assert store.records() == []
        assert len(verdicts) == 48
        assert verdicts.count(("stored", "")) == done.records

    def test_the_same_records_in_another_order_at_once(self, store, another):
        """
        Two processes with the same records in opposite orders both end.
        """
        records = [make_record() for _ in range(3_000)]
        verdicts = []

        def work(where, mine):
            verdicts.extend(where.put(make_batch(*mine)).values())

        threads = [
            threading.Thread(target=work, args=args)
            for args in [
                (store, records),
                (another, records[::-1]),
                (store, records[::-1]),
                (another, records),
            ]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert verdicts.count(STORED) == 3_000
        assert verdicts.count(DUPLICATE) == 9_000

    def test_keeps_a_drop_report_once(self, store, another):
        """
        A report comes out as it went in, however often it came.
        """
        first, second = make_report(), make_report(drops=())
        second = evolve(
            second,
            drops=(Dropped(function="x", reason="full", count=2**53 - 1),),
        )

        assert store.note_drops(first)
        assert another.note_drops(second)
        assert not another.note_drops(first)

        assert list(store.drops()) == [first, second]

    def test_drop_reports_go_after_90_days(self, store):
        """
        A report is purged 90 days after it came, and no sooner.
        """
        now = datetime.now(UTC)
        store.note_drops(make_report(), now=now)

        store.purge(now + timedelta(days=89))
        assert len(store.drops()) == 1
        store.purge(now + timedelta(days=90))

        assert list(store.drops()) == []
        assert store.counts().dropped == {}

    def test_purges_much(self, store):
        """
        More than goes in one transaction goes all the same.
        """
        now = datetime.now(UTC)
        soon = now + timedelta(hours=1)
        records = [make_record(expires_at=soon) for _ in range(25_000)]
        store.put(make_batch(*records), now=now)
        kept = make_record()
        store.put(make_batch(kept))

        assert store.purge(soon) == 25_000

        assert [one.record.id for one in store.records()] == [kept.id]
        assert store.counts().expired == 25_000

    def test_check_is_quiet(self, store):
        """
        A store that can be used says nothing.
        """
        store.check()

    def test_can_be_closed_and_used_again(self, store):
        """
        What was stored is there after it was closed.
        """
        batch = make_batch()
        store.put(batch)

        store.close()

        assert set(store.put(batch).values()) == {DUPLICATE}

    def test_shows_no_value(self, store):
        """
        Its repr names the place alone.
        """
        store.put(make_batch())

        assert store.name in repr(store)
        assert PLANTED not in repr(store) + repr(store.records())
