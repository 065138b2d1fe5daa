# SPDX-License-Identifier: MIT
"""
One SQLite file of ours.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consentkit._sqlite import (
    Database,
    make_private_folder,
    waiting_at_most,
)
from consentkit.exceptions import (
    DamagedError,
    NewerFormatError,
    StoreError,
    UnwritableError,
)
from tests.faults.support import run


SCHEMA = """\
CREATE TABLE things (name TEXT NOT NULL UNIQUE);

CREATE TABLE others (n INTEGER)"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """
    Give a database that has no file yet.
    """
    made = Database(tmp_path / "data" / "file", schema=SCHEMA, version=3)
    yield made
    made.close()


def put(database: Database, *names: str) -> None:
    """
    Add things in one transaction.
    """
    with database.writing() as db:
        for name in names:
            db.execute("INSERT INTO things VALUES (?)", (name,))


def things(database: Database) -> list[str]:
    """
    Read all things.
    """
    with database.reading() as db:
        return [n for (n,) in db.execute("SELECT name FROM things")]


class TestFile:
    """
    When a file is made, and what it is like.
    """

    def test_it_is_made_late(self, database):
        """
        No file and no folder is made before the first write.
        """
        assert not database.exists()
        with pytest.raises(DamagedError, match="has gone"):
            things(database)
        database.close()
        assert not database.path.parent.exists()

        put(database, "one")
        assert database.exists()
        assert things(database) == ["one"]

    def test_it_is_for_its_owner_alone(self, database):
        """
        File, log and folder are closed to others, whatever the umask.
        """
        if os.name != "posix":
            pytest.skip("modes are of POSIX")
        old = os.umask(0)
        try:
            put(database, "one")
        finally:
            os.umask(old)

        folder = database.path.parent
        assert folder.stat().st_mode & 0o777 == 0o700
        modes = {p.name: p.stat().st_mode & 0o777 for p in folder.iterdir()}
        assert modes == {"file": 0o600, "file-wal": 0o600, "file-shm": 0o600}

    def test_no_link_is_followed_to_make_it(self, database, tmp_path):
        """
        A dangling link in its place makes no file elsewhere.
        """
        database.path.parent.mkdir()
        database.path.symlink_to(tmp_path / "elsewhere")

        with pytest.raises(UnwritableError):
            put(database, "one")
        assert not (tmp_path / "elsewhere").exists()

    def test_it_is_durable_and_forgetful(self, database):
        """
        A commit waits for the disk, and deleted rows are overwritten.
        """
        put(database, "one")
        with database.reading() as db:
            pragmas = [
                db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "secure_delete")
            ]
            version = db.execute("PRAGMA user_version").fetchone()[0]

        assert pragmas == ["wal", 2, 1]
        assert version == 3

    def test_an_empty_file_is_a_new_one(self, database):
        """
        What a crash left empty is filled.
        """
        database.path.parent.mkdir()
        database.path.touch()

        assert things(database) == []

    def test_a_file_in_the_folders_place(self, tmp_path):
        """
        A folder that cannot be made is told of.
        """
        (tmp_path / "data").write_text("in the way")

        with pytest.raises(UnwritableError, match="data"):
            make_private_folder(tmp_path / "data")


class TestTransaction:
    """
    Writes are whole or not at all.
    """

    def test_an_exception_rolls_back(self, database):
        """
        What raises leaves nothing behind, and goes through as it is.
        """
        put(database, "one")

        class OurError(Exception):
            pass

        with pytest.raises(OurError), database.writing() as db:
            db.execute("INSERT INTO things VALUES ('two')")
            raise OurError
        assert things(database) == ["one"]
        put(database, "three")

    def test_threads(self, database):
        """
        Threads take turns; each of their writes is there.
        """
        problems = []

        def work(number: int) -> None:
            try:
                for turn in range(10):
                    put(database, f"{number}-{turn}")
                    things(database)
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert problems == []
        assert len(things(database)) == 80

    def test_several_open_it_first(self, tmp_path):
        """
        Processes that all make the file at the same moment make one.
        """
        program = r"""
            import os, sys, time
            from pathlib import Path
            from consentkit._sqlite import Database
            from tests.faults.support import in_child, start_child

            schema = "CREATE TABLE things (name TEXT)"
            for turn in range(15):
                path = Path(sys.argv[1]) / str(turn)

                def work(number):
                    time.sleep(max(0, start - time.monotonic()))
                    one = Database(path, schema=schema, version=1)
                    with one.writing() as db:
                        db.execute("INSERT INTO things VALUES (1)")
                    one.close()

                start = time.monotonic() + 0.02
                pids = [start_child(lambda n=n: work(n)) for n in range(6)]
                for pid in pids:
                    assert os.waitpid(pid, 0)[1] == 0, turn

                def judge():
                    one = Database(path, schema=schema, version=1)
                    with one.reading() as db:
                        count = db.execute("SELECT count(*) FROM things")
                        assert count.fetchone() == (6,)

                assert in_child(judge) == 0
        """
        run(program, tmp_path)

    def test_a_checkpoint_empties_the_log(self, database):
        """
        After it nothing that was deleted is in any file.
        """
        put(database, *(f"marker-{n}" for n in range(50)))
        with database.writing() as db:
            db.execute("DELETE FROM things")
        assert database.checkpoint()

        for path in database.path.parent.iterdir():
            if not path.name.endswith("-shm"):
                assert b"marker-" not in path.read_bytes(), path
        assert Path(f"{database.path}-wal").stat().st_size == 0

    def test_a_checkpoint_that_a_reader_holds_up(self, database, monkeypatch):
        """
        It says so where another process still reads what is in the log.
        """
        monkeypatch.setattr("consentkit._sqlite._BUSY_SECONDS", 0.1)
        put(database, "one")
        with closing(
            sqlite3.connect(database.path, isolation_level=None)
        ) as db:
            db.execute("BEGIN")
            db.execute("SELECT * FROM things").fetchall()
            put(database, "two")
            database.close()
            assert not database.checkpoint()
        assert database.checkpoint()


class TestErrors:
    """
    Every failure is one `StoreError` with the file and the cure.
    """

    def test_not_a_database(self, database):
        """
        Any other file is told of as damaged.
        """
        database.path.parent.mkdir()
        database.path.write_bytes(b"nonsense" * 999)

        with pytest.raises(DamagedError, match="move it away") as caught:
            things(database)
        assert caught.value.path == database.path

    def test_a_newer_format(self, database):
        """
        A newer number is refused and the file is left alone.
        """
        put(database, "one")
        database.close()
        with closing(sqlite3.connect(database.path)) as db:
            db.execute("PRAGMA user_version = 4")
        before = database.path.read_bytes()

        for act in (things, put):
            with pytest.raises(NewerFormatError, match="format 4"):
                act(database)
        assert database.path.read_bytes() == before

    def test_another_schema(self, database):
        """
        A database without our tables is told of.
        """
        database.path.parent.mkdir()
        with closing(sqlite3.connect(database.path)) as db:
            db.execute("CREATE TABLE things (other)")
            db.execute("PRAGMA user_version = 3")
            db.commit()

        with pytest.raises(DamagedError, match="not as expected"):
            things(database)

    def test_a_foreign_database(self, database):
        """
        Somebody else's database in our place is left as it is.
        """
        database.path.parent.mkdir()
        with closing(sqlite3.connect(database.path)) as db:
            db.execute("CREATE TABLE theirs (n)")
            db.commit()
        before = database.path.read_bytes()

        for act in (things, put):
            with pytest.raises(DamagedError, match="another program's"):
                act(database)
        assert database.path.read_bytes() == before

    def test_a_busy_file(self, database, monkeypatch):
        """
        A file that another process holds is waited for, for a bounded
        time.
        """
        monkeypatch.setattr("consentkit._sqlite._BUSY_SECONDS", 0.1)
        put(database, "one")
        database.close()
        with closing(
            sqlite3.connect(database.path, isolation_level=None)
        ) as db:
            db.execute("BEGIN IMMEDIATE")
            begun = time.monotonic()
            with pytest.raises(StoreError, match="another process"):
                put(database, "two")
            assert time.monotonic() - begun < 6
            db.execute("ROLLBACK")
        put(database, "two")

    def test_a_busy_file_and_little_patience(self, database, monkeypatch):
        """
        What is done in a block of its own patience waits no longer than
        that; what comes after it waits as ever.
        """
        monkeypatch.setattr("consentkit._sqlite._BUSY_SECONDS", 3600.0)
        put(database, "one")
        with closing(
            sqlite3.connect(database.path, isolation_level=None)
        ) as db:
            db.execute("BEGIN IMMEDIATE")
            with (
                waiting_at_most(0.1),
                pytest.raises(StoreError, match="another process"),
            ):
                put(database, "two")
            usual = "PRAGMA busy_timeout"
            with database.reading() as own:
                assert own.execute(usual).fetchone() == (3_600_000,)
            db.execute("ROLLBACK")
        with waiting_at_most(0.1):
            put(database, "two")

    def test_it_carries_no_row(self, database):
        """
        Neither message nor context nor frames of the error hold a value.
        """
        put(database, "a secret")

        with pytest.raises(StoreError) as caught:
            put(database, "a secret")

        error = caught.value
        assert error.__context__ is None
        assert error.__cause__ is None
        assert "secret" not in str(error)

    def test_it_can_be_used_after_an_error(self, database):
        """
        An error leaves no transaction open.
        """
        put(database, "one")
        with pytest.raises(StoreError):
            put(database, "two", "one")
        put(database, "three")

        assert things(database) == ["one", "three"]


class TestUnderUs:
    """
    A file that goes away or is replaced while it is open.
    """

    def test_removed(self, database):
        """
        A write makes a new file; a read says that it has gone.
        """
        put(database, "one")
        for path in database.path.parent.iterdir():
            path.unlink()
        with pytest.raises(DamagedError, match="has gone"):
            things(database)

        put(database, "two")
        assert things(database) == ["two"]

    def test_replaced(self, database, tmp_path):
        """
        Another file in its place is opened, and told apart by its
        generation.
        """
        other = Database(tmp_path / "other", schema=SCHEMA, version=3)
        put(other, "other")
        other.close()
        put(database, "one")
        before = database.generation
        for path in list(database.path.parent.iterdir()):
            path.unlink()
        (tmp_path / "other").replace(database.path)

        assert things(database) == ["other"]
        assert database.generation > before

    def test_closed(self, database):
        """
        A closed file opens again at the next use.
        """
        put(database, "one")
        database.close()
        database.close()

        assert things(database) == ["one"]


class TestFork:
    """
    A database over a fork.
    """

    def test_both_open_it_anew(self, tmp_path):
        """
        Neither process goes on with the other's connection.
        """
        program = r"""
            import os, sys
            from pathlib import Path
            from consentkit._sqlite import Database
            from tests.faults.support import in_child

            path = Path(sys.argv[1]) / "file"
            one = Database(
                path, schema="CREATE TABLE things (n)", version=1
            )

            def add(n):
                with one.writing() as db:
                    db.execute("INSERT INTO things VALUES (?)", (n,))
                return db

            before = add(1)

            def child():
                assert add(2) is not before
                one.close()

            assert in_child(child) == 0
            add(3)
            with one.reading() as db:
                rows = db.execute("SELECT n FROM things ORDER BY n")
                assert rows.fetchall() == [(1,), (2,), (3,)]
        """
        run(program, tmp_path)

    def test_out_of_a_transaction(self, tmp_path):
        """
        A fork inside a transaction leaves it to the parent alone.
        """
        program = r"""
            import os, sys
            from pathlib import Path
            from consentkit._sqlite import Database
            from tests.faults.support import in_child

            path = Path(sys.argv[1]) / "file"
            one = Database(
                path, schema="CREATE TABLE things (n)", version=1
            )
            with one.writing() as db:
                db.execute("INSERT INTO things VALUES (1)")
                assert in_child(lambda: None) == 0
                db.execute("INSERT INTO things VALUES (2)")
            with one.reading() as db:
                count = db.execute("SELECT count(*) FROM things").fetchone()
            assert count == (2,)
        """
        run(program, tmp_path)

    def test_past_the_hooks(self, tmp_path):
        """
        A fork of which Python knows nothing before it happens leaves the
        inherited connection alone.
        """
        program = r"""
            import os, sys
            from pathlib import Path
            from consentkit import _fork
            from consentkit._sqlite import Database
            from tests.faults.support import in_child

            path = Path(sys.argv[1]) / "file"
            one = Database(
                path, schema="CREATE TABLE things (n)", version=1
            )
            _fork._members.clear()  # as if the hooks had not run

            def add():
                with one.writing() as db:
                    db.execute("INSERT INTO things VALUES (1)")
                return db

            before = add()

            def child():
                assert add() is not before
                one.close()

            assert in_child(child) == 0
            assert add() is before
        """
        run(program, tmp_path)
