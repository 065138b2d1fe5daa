# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.receiver.store`.
"""

from __future__ import annotations

import sqlite3
import stat
import threading

from datetime import UTC, datetime, timedelta

import pytest

from consentkit.exceptions import (
    DamagedError,
    NewerFormatError,
    UnwritableError,
)
from consentkit.receiver.store import Counts, Erased, Store, Verdict
from tests.transports.conformance import PLANTED, make_batch, make_record


STORED = Verdict(outcome="stored")
DUPLICATE = Verdict(outcome="duplicate")

PLANTED_BYTES = PLANTED.encode("ascii", "backslashreplace")[:12]


def said(verdicts):
    """
    Give outcomes and reasons in order.
    """
    return [(one.outcome, one.reason) for one in verdicts.values()]


def bytes_of(store):
    """
    Give all that is on disk, the log included.
    """
    return b"".join(
        one.read_bytes()
        for one in store.path.parent.iterdir()
        if not one.name.endswith("-shm")
    )


class TestPut:
    """
    Tests for storing.
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

    def test_two_stores_share_a_file(self, store):
        """
        Another store on the same file sees the same.
        """
        other = Store(store.path)
        batch = make_batch()
        store.put(batch)

        assert set(other.put(batch).values()) == {DUPLICATE}
        other.erase("11" * 32)
        other.close()

        assert store.records() == []
        assert said(store.put(batch)) == [("rejected", "erased")] * 2


class TestErase:
    """
    Tests for erasing.
    """

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

    def test_again_tells_the_same_number(self, store):
        """
        Whoever lost the first answer learns how many records it was.
        """
        store.put(make_batch())
        store.erase("11" * 32)

        assert store.erase("11" * 32) == Erased(outcome="already", records=2)

    def test_ahead_of_any_record(self, store):
        """
        A grant that sent nothing yet can be erased too.
        """
        assert store.erase("11" * 32) == Erased(outcome="erased", records=0)
        assert said(store.put(make_batch())) == [("rejected", "erased")] * 2

    @pytest.mark.obligation("WP-BIND-4")
    def test_nothing_stays_on_disk(self, store):
        """
        Neither the file nor its log holds the values afterwards.
        """
        store.put(make_batch(*(make_record() for _ in range(50))))
        assert PLANTED_BYTES in bytes_of(store)

        store.erase("11" * 32)

        assert PLANTED_BYTES not in bytes_of(store)

    def test_the_token_is_not_kept(self, store):
        """
        Only its digest stays.
        """
        store.erase("5e" * 32)

        found = bytes_of(store)
        assert b"5e" * 32 not in found
        assert bytes.fromhex("5e" * 32) not in found


class TestPurge:
    """
    Tests for what has expired.
    """

    def test_deletes_what_has_expired(self, store):
        """
        Records go at the instant of their expiry, from the disk too.
        """
        now = datetime.now(UTC)
        short = make_record(expires_at=now + timedelta(days=1))
        long = make_record(expires_at=now + timedelta(days=2), value="x")
        store.put(make_batch(short, long))

        assert store.purge(now) == 0
        assert store.purge(now + timedelta(days=1)) == 1

        assert [one.record.id for one in store.records()] == [long.id]
        assert PLANTED_BYTES not in bytes_of(store)

    def test_goes_by_the_clock(self, store):
        """
        Without an instant, the clock's is taken.
        """
        past = datetime.now(UTC) - timedelta(days=9)
        record = make_record(expires_at=past + timedelta(days=1))
        store.put(make_batch(record), now=past)

        assert store.purge() == 1


class TestCounts:
    """
    Tests for counting.
    """

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
        )


class TestFile:
    """
    Tests for the file.
    """

    @pytest.mark.obligation("WP-ENC-1")
    def test_only_this_user_may_look(self, store):
        """
        Folder and files are for their owner alone.
        """
        store.put(make_batch())

        folder = store.path.parent
        modes = {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert modes == {0o600}

    def test_outlives_the_process(self, store):
        """
        What was stored, erased and counted is there when opened again.
        """
        batch = make_batch()
        store.put(batch)
        store.erase("22" * 32)
        before = store.counts()
        store.close()

        again = Store(str(store.path))

        assert again.counts() == before
        assert set(again.put(batch).values()) == {DUPLICATE}
        again.close()

    def test_a_newer_format(self, store):
        """
        A file of a newer version is left alone, and the cure named.
        """
        store.close()
        with sqlite3.connect(store.path) as raw:
            raw.execute("PRAGMA user_version = 99")
        raw.close()

        with pytest.raises(NewerFormatError, match="upgrade consentkit"):
            Store(store.path)

    def test_a_file_that_is_no_database(self, tmp_path):
        """
        Something else in its place is left alone, and named.
        """
        path = tmp_path / "store.db"
        path.write_bytes(b"no database " * 500)

        with pytest.raises(DamagedError, match=r"store\.db"):
            Store(path)
        assert path.read_bytes().startswith(b"no database")

    def test_a_place_that_cannot_be_written(self):
        """
        A folder that nobody may write to is named.
        """
        with pytest.raises(UnwritableError, match="/proc/consentkit"):
            Store("/proc/consentkit/store.db")

    def test_a_damaged_record_is_named_without_its_value(self, store):
        """
        A row that is not what was stored is an error that shows no value.
        """
        store.put(make_batch())
        store.close()
        with sqlite3.connect(store.path) as raw:
            raw.execute("UPDATE records SET body = ?", (f'"{PLANTED}"',))
        raw.close()

        with pytest.raises(DamagedError) as caught:
            store.records()

        assert PLANTED not in str(caught.value)
        assert caught.value.__context__ is None

    def test_repr_shows_the_place_alone(self, store):
        """
        Its repr names the file.
        """
        store.put(make_batch())

        assert repr(store) == f"<Store {store.path}>"
        assert PLANTED not in repr(store.records())
