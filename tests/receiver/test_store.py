# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.receiver.store`.
"""

from __future__ import annotations

import sqlite3
import stat

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from consentkit.exceptions import (
    DamagedError,
    NewerFormatError,
    UnwritableError,
)
from consentkit.receiver.base import store_from_url
from consentkit.receiver.store import Store
from tests.receiver.conformance import (
    DUPLICATE,
    RecordStoreConformance,
    make_report,
)
from tests.transports.conformance import PLANTED, make_batch, make_record


PLANTED_BYTES = PLANTED.encode("ascii", "backslashreplace")[:12]


def bytes_of(store):
    """
    Give all that is on disk, the log included.
    """
    return b"".join(
        one.read_bytes()
        for one in store.path.parent.iterdir()
        if not one.name.endswith("-shm")
    )


class TestStore(RecordStoreConformance):
    """
    A file passes the suite.
    """

    @pytest.fixture
    def another(self, store):
        """
        Give one more store on the same file.
        """
        with closing(Store(store.path)) as other:
            yield other


class TestDisk:
    """
    Tests for what stays on the disk.
    """

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

    def test_nothing_stays_of_what_expired(self, store):
        """
        A value that was purged is neither in the file nor in its log.
        """
        now = datetime.now(UTC)
        record = make_record(expires_at=now + timedelta(days=1))
        store.put(make_batch(record), now=now)
        assert PLANTED_BYTES in bytes_of(store)

        store.purge(now + timedelta(days=1))

        assert PLANTED_BYTES not in bytes_of(store)


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

    def test_a_file_without_drop_reports(self, store):
        """
        A file of before there were drop reports takes them.
        """
        batch = make_batch()
        store.put(batch)
        store.close()
        with closing(sqlite3.connect(store.path)) as raw:
            raw.execute("DROP TABLE reports")
            raw.execute("DROP TABLE drops")

        with closing(Store(store.path)) as again:
            assert again.note_drops(make_report())
            assert len(again.drops()) == 1
            assert again.counts().records == 2

    def test_named_by_a_path(self, store):
        """
        A path names a file, whatever its form.
        """
        with closing(store_from_url(str(store.path))) as found:
            assert found.name == store.name
