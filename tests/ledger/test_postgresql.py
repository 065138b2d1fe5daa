# SPDX-License-Identifier: MIT

"""
Tests for the ledger in PostgreSQL, with a server that runs.

``CONSENTKIT_TESTS_POSTGRESQL`` names another one than that on this machine.
Each test has a schema of its own.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

import consentkit

from consentkit._filelock import FileLock
from consentkit.exceptions import (
    DamagedError,
    NewerFormatError,
    StoreError,
    UnwritableError,
)
from consentkit.ledger import (
    Act,
    PostgreSQLLedger,
    SigningKey,
    make_signing_key,
)
from consentkit.ledger._view import Seen
from consentkit.ledger.base import ledger_from_url
from consentkit.ledger.entries import Entry
from tests.ledger.conformance import LedgerConformance, verdict
from tests.ledger.support import draft, fresh_schema, run
from tests.needs import POSTGRESQL, has_extra
from tests.support import SMALL


if TYPE_CHECKING or has_extra("postgresql"):
    import psycopg

pytestmark = pytest.mark.need_postgresql

ROOT = Path(__file__).parents[2]
WINDOW = 0.02


@pytest.fixture
def schema() -> Iterator[str]:
    """
    Give the name of a schema that is dropped after the test.
    """
    with fresh_schema() as name:
        yield name


@pytest.fixture
def ledger(schema: str, tmp_path: Path) -> Iterator[PostgreSQLLedger]:
    """
    Give a ledger that has no tables yet.
    """
    with opened(schema, tmp_path / "keys") as made:
        yield made


@contextmanager
def opened(
    schema: str, keys: Path | SigningKey, **options: Any
) -> Iterator[PostgreSQLLedger]:
    """
    Open a ledger for as long as a block.
    """
    # A busy machine is no fault.
    given = {"timeout_seconds": 60.0, **options}
    made = PostgreSQLLedger(POSTGRESQL, keys=keys, schema=schema, **given)
    yield made
    made.close()


def tamper(ledger: PostgreSQLLedger, *statements: str) -> None:
    """
    Do what only the owner of the database can do.
    """
    schema = ledger.name.rpartition(" ")[2]
    run(
        f"SET search_path = {schema}",
        "DROP TRIGGER IF EXISTS entries_stay ON entries",
        *statements,
    )
    ledger.close()


def dump_of(schema: str, copy: str) -> None:
    """
    Copy all tables, as a dump does.
    """
    tables = ("entries", "tails", "head", "policies", "subjects")
    run(
        f"CREATE SCHEMA {copy}",
        *(f"CREATE TABLE {copy}.{t} AS TABLE {schema}.{t}" for t in tables),
    )


def restore(copy: str, schema: str) -> None:
    """
    Put a copy back in place of what is there.
    """
    tables = ("entries", "tails", "head", "policies", "subjects")
    run(
        f"ALTER TABLE {schema}.entries DISABLE TRIGGER ALL",
        *(f"DELETE FROM {schema}.{t}" for t in tables),
        *(
            f"INSERT INTO {schema}.{t} SELECT * FROM {copy}.{t}"
            for t in tables
        ),
        f"ALTER TABLE {schema}.entries ENABLE TRIGGER ALL",
        f"DROP SCHEMA {copy} CASCADE",
    )


def backends(schema: str) -> list[int]:
    """
    Give the processes of the server that hold the head of *schema*.
    """
    found = run(
        "SELECT pid FROM pg_locks WHERE relation = "
        f"'{schema}.head'::regclass AND mode = 'RowShareLock'"
    )
    return [pid for (pid,) in found]


class TestConformance(LedgerConformance):
    """
    What every ledger does.
    """

    @pytest.fixture(autouse=True)
    def _place(self, schema: str, tmp_path: Path) -> None:
        self.schema, self.keys = schema, tmp_path / "keys"

    def another(self, ledger: PostgreSQLLedger) -> PostgreSQLLedger:
        """
        Open the same schema once more.
        """
        return PostgreSQLLedger(POSTGRESQL, keys=self.keys, schema=self.schema)

    def tamper(self, ledger: PostgreSQLLedger, *statements: str) -> None:
        """
        Change the tables.
        """
        tamper(ledger, *statements)

    def settle(self) -> None:
        """
        Wait for one window.
        """
        time.sleep(WINDOW)


class TestSetUp:
    """
    Tests for what is made, and when.
    """

    def test_opening_connects_nowhere(self, tmp_path: Path) -> None:
        """
        A ledger whose server is not there can be opened.
        """
        made = PostgreSQLLedger("postgresql://127.0.0.1:9/x", keys=tmp_path)

        assert repr(made) == (
            "<PostgreSQLLedger postgresql://127.0.0.1:9/x consentkit>"
        )
        assert list(tmp_path.iterdir()) == []

    def test_reading_makes_no_tables(
        self, ledger: PostgreSQLLedger, schema: str
    ) -> None:
        """
        Tables are made with the first entry.
        """
        exists = f"SELECT to_regclass('{schema}.head') IS NOT NULL"
        assert ledger.entries() == ()
        assert run(exists) == [(False,)]

        ledger.append(draft())
        assert run(exists) == [(True,)]

    def test_migrate(self, ledger: PostgreSQLLedger) -> None:
        """
        Tables can be made before, and twice.
        """
        ledger.migrate()
        ledger.migrate()

        assert ledger.entries() == ()
        assert verdict(ledger) == ("unanchored", 0, 0, 0)
        ledger.append(draft())
        assert len(ledger.entries()) == 1

    def test_newer_format(self, ledger: PostgreSQLLedger, schema: str) -> None:
        """
        Tables of a newer version are left alone, and the cure named.
        """
        ledger.append(draft())
        run(f"UPDATE {schema}.head SET format = 2")
        ledger.close()

        for attempt in (ledger.entries, lambda: ledger.append(draft())):
            with pytest.raises(NewerFormatError, match="upgrade consentkit"):
                attempt()

    def test_tables_of_somebody_else(
        self, ledger: PostgreSQLLedger, schema: str
    ) -> None:
        """
        Tables of another program are not touched.
        """
        run(f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.head (x int)")

        for attempt in (ledger.entries, lambda: ledger.append(draft())):
            with pytest.raises(DamagedError, match="name another schema"):
                attempt()

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://ann:s3cret@word@127.0.0.1/test",
            "postgresql://ann:s3cret@[::1/test",
            "postgresql://ann:s3cret/word@127.0.0.1/test",
            "postgresql://ann:42/s3cret@127.0.0.1/test",
            "postgresql://ann:s3cret@127.0.0.1/test?none=1",
        ],
    )
    def test_bad_url(self, url: str, tmp_path: Path) -> None:
        """
        A URL that is none is refused, without showing the password.
        """
        with pytest.raises(ValueError, match="percent-encoded") as caught:
            ledger_from_url(url, keys=tmp_path)
        assert caught.value.__context__ is None
        assert "s3cret" not in str(caught.value)

    def test_password_is_nowhere(self, tmp_path: Path) -> None:
        """
        Neither name nor errors hold it.
        """
        made = PostgreSQLLedger(
            "postgresql://ann:s3cret@127.0.0.1:9/test", keys=tmp_path
        )
        with pytest.raises(StoreError) as caught:
            made.entries()

        assert "s3cret" not in f"{caught.value}{made!r}"
        assert "nothing answers" in caught.value.problem

    def test_place_from_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A URL may leave all to the environment, as with other clients.
        """
        monkeypatch.setenv("PGHOST", "127.0.0.1")
        monkeypatch.setenv("PGPORT", "9")
        made = ledger_from_url("postgresql://", keys=tmp_path)
        with pytest.raises(StoreError, match="nothing answers"):
            made.entries()

    def test_schema_in_the_url(self, schema: str, tmp_path: Path) -> None:
        """
        A URL may name the schema, beside what else it says.
        """
        mark = "&" if "?" in POSTGRESQL else "?"
        made = ledger_from_url(
            f"{POSTGRESQL}{mark}schema={schema}&connect_timeout=9",
            keys=tmp_path,
        )
        assert not made.exists()
        made.append(draft())

        assert made.exists()
        assert made.name.endswith(f" {schema}")
        assert run(f"SELECT seq FROM {schema}.entries") == [(1,)]
        made.close()

    @pytest.mark.parametrize("name", ["", "A", "x y", 'x"', "x" * 64])
    def test_bad_schema(self, name: str, tmp_path: Path) -> None:
        """
        A schema needs a plain name.
        """
        with pytest.raises(ValueError, match="a schema is named"):
            PostgreSQLLedger(POSTGRESQL, keys=tmp_path, schema=name)

    @pytest.mark.parametrize("name", ["a\0b", "\ud800"])
    def test_id_that_cannot_be_stored(
        self, ledger: PostgreSQLLedger, name: str
    ) -> None:
        """
        A person's name must be text.
        """
        with pytest.raises(ValueError, match="without NUL"):
            ledger.subject(name, make=True)

    def test_user_with_few_rights(
        self, ledger: PostgreSQLLedger, schema: str, tmp_path: Path
    ) -> None:
        """
        The rights of the documentation are enough, and no more is allowed.
        """
        ledger.migrate()
        role = schema.replace("test", "role")
        run(
            f"CREATE ROLE {role} LOGIN",
            f"GRANT USAGE ON SCHEMA {schema} TO {role}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
            f"GRANT INSERT ON {schema}.entries, {schema}.tails, "
            f"{schema}.policies, {schema}.subjects TO {role}",
            f"GRANT UPDATE ON {schema}.head, {schema}.tails TO {role}",
            f"GRANT DELETE ON {schema}.subjects TO {role}",
        )
        url = psycopg.conninfo.make_conninfo(POSTGRESQL, user=role)
        own = PostgreSQLLedger(url, keys=tmp_path / "keys", schema=schema)
        try:
            tag = own.subject("ann", make=True)
            own.append_after(lambda _: [draft()], subject=tag)
            assert own.erase_subject("ann")
            assert verdict(own) == ("intact", 0, 0, 1)
            run(f"REVOKE INSERT ON {schema}.entries FROM {role}")
            with pytest.raises(UnwritableError, match="may not do that"):
                own.append(draft())
        finally:
            own.close()
            run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


class TestAppendOnly:
    """
    Tests that the database itself refuses changes.
    """

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE {}.entries SET body = 'x'",
            "DELETE FROM {}.entries WHERE seq = 2",
            "TRUNCATE {}.entries",
        ],
    )
    def test_sql_cannot_change_entries(
        self, ledger: PostgreSQLLedger, schema: str, statement: str
    ) -> None:
        """
        Whatever would change or remove an entry is refused.
        """
        made = ledger.append(draft(), draft("logs"))
        with pytest.raises(psycopg.Error, match=r"append-only|denied"):
            run(statement.format(schema))
        ledger.close()

        assert ledger.entries() == made


class TestTampering:
    """
    Tests that changes are found when they are read, and by whom.
    """

    def test_changed_entry(self, ledger: PostgreSQLLedger) -> None:
        """
        An entry that was changed with its hash, and with all that stands
        beside it, is not in the tree that was signed.
        """
        (entry,) = ledger.append(draft(act=Act.REFUSED))
        ledger.append(draft("logs"))
        body = entry.body.replace("refused", "granted")
        digest = f"encode(sha256(convert_to('{body}', 'UTF8')), 'hex')"
        tag = ledger.subject("ann", make=True)
        tamper(
            ledger,
            f"UPDATE entries SET body = '{body}', hash = {digest} "
            "WHERE seq = 1",
            "DELETE FROM entries WHERE seq = 2",
            f"UPDATE tails SET seq = 1, hash = {digest}",
        )

        assert ledger.entries(tag) == ()
        with pytest.raises(DamagedError, match="breaks at entry 1"):
            ledger.entries()

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM entries WHERE seq = 3",
            "DELETE FROM entries",
            "UPDATE entries SET subject = repeat('a', 64) WHERE seq = 3",
            "DELETE FROM tails",
            "UPDATE tails SET hash = repeat('0', 64)",
            "UPDATE entries SET body = '{}' WHERE seq = 1",
            "UPDATE entries SET nodes = '' WHERE seq = 2",
            "UPDATE head SET checkpoint = 'x'",
            "UPDATE head SET size = 2",
            "UPDATE head SET frontier = ''",
            "UPDATE head SET last = repeat('0', 64), frontier = '\\x00'",
            "DELETE FROM head",
            "UPDATE head SET checkpoint = '', size = 0",
        ],
    )
    def test_is_refused(
        self, ledger: PostgreSQLLedger, statement: str
    ) -> None:
        """
        Nothing is read from, nor added to, what was changed like this.
        """
        ledger.append(draft(), draft("logs"), draft("paste"))
        tamper(ledger, statement)

        for attempt in (ledger.entries, lambda: ledger.append(draft())):
            with pytest.raises(DamagedError, match="backup"):
                attempt()

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE tails SET hash = repeat('0', 64)",
            "INSERT INTO tails VALUES ('x', 1, '')",
            "UPDATE entries SET nodes = '' WHERE seq = 2",
            "UPDATE head SET frontier = frontier || frontier",
        ],
    )
    def test_verify_looks_beside(
        self, ledger: PostgreSQLLedger, statement: str
    ) -> None:
        """
        What stands beside the entries is verified, too.
        """
        ledger.append(draft(), draft("logs"), draft("paste"))
        tamper(ledger, statement)

        assert ledger.verify().kind.value == "changed"

    def test_nothing_is_chained_to_another_end(
        self, ledger: PostgreSQLLedger
    ) -> None:
        """
        Whoever changes what the next entry is chained to does not get it
        signed.
        """
        ledger.append(draft(), draft("logs"))
        tamper(ledger, "UPDATE head SET last = repeat('0', 64)")

        with pytest.raises(DamagedError, match="breaks at entry 2"):
            ledger.append(draft("paste"))
        assert verdict(ledger) == ("changed", 2, 0, 2)

    def test_restored_dump(
        self, ledger: PostgreSQLLedger, schema: str
    ) -> None:
        """
        An older dump is found by the anchor: what was withdrawn since would
        be granted again. Who has it open finds it as well.
        """
        ledger.append(draft(), draft("logs"), draft("paste"))
        dump_of(schema, f"{schema}_copy")
        ledger.append(draft(act=Act.WITHDRAWN))
        restore(f"{schema}_copy", schema)

        time.sleep(WINDOW)
        with pytest.raises(DamagedError, match="truncated"):
            ledger.entries()
        ledger.close()
        assert verdict(ledger) == ("truncated", 0, 4, 3)
        for attempt in (ledger.entries, lambda: ledger.append(draft())):
            with pytest.raises(DamagedError) as caught:
                attempt()
            assert caught.value.problem == (
                "the ledger is truncated, had 4 entries and has 3 entries"
            )

    def test_forked(self, schema: str) -> None:
        """
        A dump that went its own way is no substitute.
        """
        key = make_signing_key()
        with opened(schema, key) as ledger, opened(schema, key) as other:
            ledger.append(draft(), draft("logs"), draft("paste"))
            dump_of(schema, f"{schema}_copy")
            ledger.append(draft("umeng"))
            kept = ledger.checkpoint()
            restore(f"{schema}_copy", schema)
            other.append(draft("connect"), draft("improve"))

            time.sleep(WINDOW)
            with pytest.raises(DamagedError, match="forked"):
                ledger.entries()
            assert verdict(other, kept) == ("forked", 0, 4, 5)

    def test_schema_that_went(
        self, ledger: PostgreSQLLedger, schema: str, tmp_path: Path
    ) -> None:
        """
        Where the tables are dropped nothing is granted, and what comes is a
        new ledger; the old anchor is kept as evidence.
        """
        ledger.append(draft())
        run(f"DROP SCHEMA {schema} CASCADE")
        ledger.close()

        assert ledger.entries() == ()
        assert verdict(ledger) == ("truncated", 0, 1, 0)
        ledger.append(draft("logs"))
        assert [e.element for e in ledger.entries()] == ["logs"]
        assert verdict(ledger) == ("intact", 0, 0, 1)
        aside = tmp_path / "keys" / "ledger.anchor.1"
        assert aside.exists()
        assert [*ledger.earlier()] == [aside]

    def test_went_while_open(
        self, ledger: PostgreSQLLedger, schema: str
    ) -> None:
        """
        Tables that go while they are in use are an error, once.
        """
        ledger.append(draft())
        run(f"DROP SCHEMA {schema} CASCADE")
        time.sleep(WINDOW)

        with pytest.raises(StoreError, match="have gone"):
            ledger.entries()
        assert ledger.entries() == ()

    def test_other_key(
        self, ledger: PostgreSQLLedger, schema: str, tmp_path: Path
    ) -> None:
        """
        Whoever has another key, or none, neither reads nor writes.
        """
        ledger.append(draft())

        with opened(schema, make_signing_key()) as other:
            for attempt in (other.entries, lambda: other.append(draft())):
                with pytest.raises(DamagedError, match="no signature"):
                    attempt()
        with opened(schema, tmp_path / "none") as other:
            for attempt in (other.entries, lambda: other.append(draft())):
                with pytest.raises(DamagedError, match="key of the ledger"):
                    attempt()

    def test_key_without_a_folder(self, schema: str) -> None:
        """
        Several machines share a key by its text.
        """
        key = make_signing_key()
        with opened(schema, key) as ledger:
            ledger.append(draft())
            with opened(schema, SigningKey.parse(key.secret)) as other:
                other.append(draft("logs"))
                time.sleep(WINDOW)
                assert ledger.entries() == other.entries()
                assert verdict(other) == ("intact", 0, 0, 2)


class TestFresh:
    """
    Tests for what a process keeps at hand.
    """

    def test_others_do_not_disturb(
        self, ledger: PostgreSQLLedger, schema: str, tmp_path: Path
    ) -> None:
        """
        What another process appends for somebody else leaves what was read
        as it is, and what it appends for this person is seen.
        """
        ann = ledger.subject("ann", make=True)
        bob = ledger.subject("bob", make=True)
        for tag in (ann, bob):
            ledger.append_after(lambda _: [draft()], subject=tag)
        before = ledger.entries(ann), ledger.entries(bob)
        with opened(schema, tmp_path / "keys") as other:
            other.append_after(lambda _: [draft("logs")], subject=bob)
        time.sleep(WINDOW)

        assert ledger.entries(ann) is before[0]
        assert len(ledger.entries(bob)) == 2

    def test_withdrawal_is_seen_when_it_returns(
        self, ledger: PostgreSQLLedger, schema: str, tmp_path: Path
    ) -> None:
        """
        When a withdrawal returns, no other process reads what was before
        it; nor a link that was erased.
        """
        with opened(schema, tmp_path / "keys") as other:
            for count in range(10):
                tag = ledger.subject(f"p{count}", make=True)
                ledger.append_after(lambda _: [draft()], subject=tag)
                while len(other.entries(tag)) < 1:
                    pass
                assert other.subject(f"p{count}") == tag
                ledger.append_after(
                    lambda _: [draft(act=Act.WITHDRAWN)], subject=tag
                )
                assert len(other.entries(tag)) == 2
                ledger.erase_subject(f"p{count}")
                assert other.subject(f"p{count}") is None

    def test_many_people(
        self, ledger: PostgreSQLLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        What is kept at hand is bounded, and what was let go is read anew.
        """
        monkeypatch.setattr("consentkit.ledger._view._MOST_KNOWN", 3)
        tags = [ledger.subject(f"p{n}", make=True) for n in range(5)]
        for tag in tags:
            ledger.append_after(lambda _: [draft()], subject=tag)

        assert [len(ledger.entries(tag)) for tag in tags] == [1] * 5
        assert len(ledger._view.known) == 3

    def test_threads(self, ledger: PostgreSQLLedger) -> None:
        """
        Threads append and read at once, and lose nothing.
        """
        failed: list[Exception] = []

        def work(name: str) -> None:
            try:
                tag = ledger.subject(name, make=True)
                for count in range(10):
                    ledger.append_after(lambda _: [draft()], subject=tag)
                    assert len(ledger.entries(tag)) == count + 1
            except Exception as error:
                failed.append(error)

        threads = [
            threading.Thread(target=work, args=(f"p{n % 6}{n}",))
            for n in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failed == []
        assert verdict(ledger) == ("intact", 0, 0, 120)

    def test_fork(self, ledger: PostgreSQLLedger) -> None:
        """
        Parent and child go on, each with connections of its own.
        """
        ledger.append(draft())
        child = os.fork()
        if child == 0:
            code = 1
            try:
                ledger.append(draft("child"))
                code = 0 if len(ledger.entries()) >= 2 else 2
            finally:
                os._exit(code)
        ledger.append(draft("parent"))
        assert os.waitpid(child, 0)[1] == 0

        time.sleep(WINDOW)
        assert {e.element for e in ledger.entries()} == {
            "improve",
            "child",
            "parent",
        }
        assert verdict(ledger) == ("intact", 0, 0, 3)


# Appends as fast as it can, together with others.
_APPENDS = """\
import sys
from pathlib import Path
from consentkit.ledger import PostgreSQLLedger
from tests.ledger.support import draft

url, keys, schema, count = sys.argv[1:]
ledger = PostgreSQLLedger(
    url, keys=Path(keys), schema=schema, timeout_seconds=60.0
)
for _ in range(int(count)):
    ledger.append(draft())
ledger.close()
"""

# Dies in the middle of an append.
_DIES = """\
import os, signal, sys
from pathlib import Path
from consentkit.ledger import PostgreSQLLedger
from tests.ledger.support import draft

url, keys, schema = sys.argv[1:]
ledger = PostgreSQLLedger(
    url, keys=Path(keys), schema=schema, timeout_seconds=60.0
)
ledger.append_after(lambda before: os.kill(os.getpid(), signal.SIGKILL))
"""


class TestFaults:
    """
    Tests with servers that fail, and processes that die.
    """

    def _start(self, code: str, *arguments: object) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", code, POSTGRESQL, *map(str, arguments)],
            cwd=ROOT,
        )

    def test_processes_at_once(
        self, ledger: PostgreSQLLedger, schema: str, tmp_path: Path
    ) -> None:
        """
        Several processes that begin and go on at once make one ledger, with
        no place lost or given twice.
        """
        running = [
            self._start(_APPENDS, tmp_path / "keys", schema, 15)
            for _ in range(3)
        ]
        while any(process.poll() is None for process in running):
            assert len(ledger.entries()) <= 45
            time.sleep(0.01)

        assert [process.returncode for process in running] == [0, 0, 0]
        assert [e.seq for e in ledger.entries()] == [*range(1, 46)]
        assert verdict(ledger) == ("intact", 0, 0, 45)

    def test_killed_process(
        self, ledger: PostgreSQLLedger, schema: str, tmp_path: Path
    ) -> None:
        """
        A process that dies in the middle of an append leaves nothing, and
        nobody waits for it.
        """
        ledger.append(draft())
        killed = self._start(_DIES, tmp_path / "keys", schema).wait()
        assert killed == -signal.SIGKILL
        ledger.append(draft("logs"))

        assert verdict(ledger) == ("intact", 0, 0, 2)

    def test_killed_connection(
        self, ledger: PostgreSQLLedger, schema: str
    ) -> None:
        """
        A connection that the server ends in the middle of an append is an
        error, nothing is recorded, and the next append is well.
        """
        ledger.append(draft())

        def plan(_: tuple[Entry, ...]) -> list:
            for pid in backends(schema):
                run(f"SELECT pg_terminate_backend({pid}, 1000)")
            return [draft("lost")]

        with pytest.raises(StoreError, match="connection to the server"):
            ledger.append_after(plan)
        ledger.append(draft("logs"))

        assert [e.element for e in ledger.entries()] == ["improve", "logs"]
        assert verdict(ledger) == ("intact", 0, 0, 2)

    def test_cut_off_after_the_commit(
        self, ledger: PostgreSQLLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A connection that breaks when the commit has come through is no
        error: what is recorded is found.
        """
        ledger.append(draft())
        write = ledger._write

        def cut_off(connection, *arguments) -> None:
            write(connection, *arguments)
            run(
                "SELECT pg_terminate_backend("
                f"{connection.info.backend_pid}, 1000)"
            )
            connection.execute("SELECT 1")

        monkeypatch.setattr(ledger, "_write", cut_off)
        (made,) = ledger.append(draft("logs"))

        assert ledger.entries()[-1] == made
        assert verdict(ledger) == ("intact", 0, 0, 2)

    def test_idle_connection(
        self, ledger: PostgreSQLLedger, schema: str
    ) -> None:
        """
        A server that was started anew in between is not noticed.
        """
        ledger.append(draft())
        (idle,) = ledger._server._idle
        run(f"SELECT pg_terminate_backend({idle.info.backend_pid}, 1000)")
        time.sleep(WINDOW)

        assert len(ledger.entries()) == 1
        assert ledger.append(draft("logs"))

    def test_held_by_another(self, schema: str, tmp_path: Path) -> None:
        """
        Who holds the ledger for long makes others give up, not hang.
        """
        with opened(schema, tmp_path, timeout_seconds=0.2) as ledger:
            ledger.append(draft())
            with psycopg.connect(POSTGRESQL) as other:
                other.execute(
                    f"SELECT * FROM {schema}.head FOR UPDATE"  # type: ignore[arg-type]
                )
                # The server gives up, or we: who is first is chance.
                with pytest.raises(StoreError, match=r"too busy|in time"):
                    ledger.append(draft())
            ledger.append(draft("logs"))
            assert len(ledger.entries()) == 2

    def test_anchor_held_by_another(
        self,
        schema: str,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """
        Who holds the anchor for long is not waited for for ever, and none is
        put over another's; the entry stands, and the next one stores it.
        """
        with opened(schema, tmp_path, timeout_seconds=0.5) as ledger:
            ledger.append(draft())
            older = (tmp_path / "ledger.anchor").read_text("utf-8")
            lock = FileLock(tmp_path / "ledger.lock")
            assert lock.acquire(timeout_seconds=0.0)
            ledger.append(draft("logs"))
            lock.release()
            assert "another process holds the anchor" in caplog.text
            assert (tmp_path / "ledger.anchor").read_text("utf-8") == older

            ledger.append(draft("paste"))
            newer = (tmp_path / "ledger.anchor").read_text("utf-8")
            assert newer == ledger.checkpoint().note
            assert len(ledger.entries()) == 3

    def test_no_server(self, tmp_path: Path) -> None:
        """
        Without its server everything is refused, with the cure.
        """
        made = PostgreSQLLedger("postgresql://127.0.0.1:9/x", keys=tmp_path)

        for attempt in (
            made.entries,
            made.verify,
            made.migrate,
            lambda: made.append(draft()),
            lambda: made.subject("ann", make=True),
            lambda: made.erase_subject("ann"),
        ):
            with pytest.raises(StoreError) as caught:
                attempt()
            assert "mend the server or the URL" in caught.value.cure

    def test_silent_server(self, schema: str, tmp_path: Path) -> None:
        """
        A server that takes what it is sent and answers no more makes nobody
        wait for ever.
        """
        with _Proxy() as proxy:
            ledger = PostgreSQLLedger(
                proxy.url, keys=tmp_path, schema=schema, timeout_seconds=0.3
            )
            ledger.append(draft())
            proxy.is_silent = True
            time.sleep(WINDOW)
            with pytest.raises(StoreError, match="does not answer in time"):
                ledger.entries()
            proxy.is_silent = False
            assert len(ledger.entries()) == 1
            ledger.close()

    def test_cut_off_while_reading(self, schema: str, tmp_path: Path) -> None:
        """
        A connection that is cut in the middle of an answer is an error, and
        the next call has a new one.
        """
        with _Proxy() as proxy:
            ledger = PostgreSQLLedger(
                proxy.url, keys=tmp_path, schema=schema, timeout_seconds=60.0
            )
            ledger.append(*[draft()] * 100)
            for attempt, found in (
                (ledger.entries, 100),
                (ledger.all_entries, 100),
                (ledger.receipts, 100),
            ):
                ledger._view.settle(Seen())
                proxy.left = 20_000
                with pytest.raises(
                    StoreError, match="connection to the server"
                ):
                    attempt()
                assert len(attempt()) == found
            proxy.left = 20_000
            with pytest.raises(StoreError, match="connection to the server"):
                ledger.verify()
            assert verdict(ledger) == ("intact", 0, 0, 100)
            ledger.close()

    def test_cut_off_while_appending(
        self, schema: str, tmp_path: Path
    ) -> None:
        """
        Wherever a connection is cut in the middle of an append, either it
        fails and nothing is recorded, or it returns and all of it is.
        """
        with _Proxy() as proxy:
            ledger = PostgreSQLLedger(
                proxy.url, keys=tmp_path, schema=schema, timeout_seconds=60.0
            )
            made = [*ledger.append(draft())]
            left, failed, is_whole = 0, 0, False
            while not is_whole:
                ledger.checkpoint()  # on a connection that is not cut
                proxy.left = left = left + 60
                try:
                    made += ledger.append_after(
                        lambda _: [draft("a"), draft("b")],
                        subject=f"{left:064x}",
                    ).made
                except StoreError:
                    failed += 1
                is_whole, proxy.left = proxy.left is not None, None
                ledger.close()
            assert failed > 5
            assert [*ledger.all_entries()] == made
            assert verdict(ledger) == ("intact", 0, 0, len(made))
            ledger.close()

    def test_error_holds_no_value(
        self, ledger: PostgreSQLLedger, schema: str
    ) -> None:
        """
        What the server says of a row is in no error, nor behind it.
        """
        ledger.migrate()
        run(f"ALTER TABLE {schema}.subjects ADD CHECK (id <> 'ann@example')")
        with pytest.raises(StoreError) as caught:
            ledger.subject("ann@example", make=True)

        assert caught.value.__context__ is caught.value.__cause__ is None
        assert "ann" not in str(caught.value)


class _Proxy:
    """
    Stands between a client and the server, and may fall silent, or cut
    the connection when *left* bytes more were answered.
    """

    def __init__(self) -> None:
        found = psycopg.conninfo.conninfo_to_dict(POSTGRESQL)
        self._to = (
            str(found.get("host", "127.0.0.1")),
            int(found.get("port") or 5432),
        )
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = psycopg.conninfo.make_conninfo(
            POSTGRESQL,
            host="127.0.0.1",
            port=self._listening.getsockname()[1],
        )
        self.is_silent = False
        self.left: int | None = None
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(self._to)
            self._open += [client, server]
            for ends in ((client, server), (server, client)):
                threading.Thread(
                    target=self._pass_on,
                    args=ends,
                    kwargs={"is_answer": ends[0] is server},
                    daemon=True,
                ).start()

    def _pass_on(
        self, one: socket.socket, other: socket.socket, *, is_answer: bool
    ) -> None:
        try:
            while data := one.recv(65536):
                if is_answer and self.left is not None:
                    if self.left < len(data):
                        other.sendall(data[: self.left])
                        self.left = None
                        break
                    self.left -= len(data)
                if not self.is_silent:
                    other.sendall(data)
            for end in (one, other):
                end.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


class TestKit:
    """
    Tests for a kit that serves many people.
    """

    def test_many_people(self, schema: str, tmp_path: Path) -> None:
        """
        Each person has their own choices; forgetting one leaves the other.
        """
        with (
            opened(schema, tmp_path / "keys") as ledger,
            consentkit.open(SMALL, data_dir=tmp_path, ledger=ledger) as kit,
        ):
            ann, bob = kit.subject("ann"), kit.subject("bob")
            ann.consent.grant("improve")
            assert ann.consent.state().permits("improve")
            assert not bob.consent.state().permits("improve")
            bob.consent.grant("improve")
            kit.forget("ann")
            assert not kit.subject("ann").consent.state().permits("improve")
            assert kit.subject("bob").consent.state().permits("improve")
            assert verdict(ledger)[0] == "intact"

    def test_by_url(self, tmp_path: Path) -> None:
        """
        A kit takes a URL, and keeps the key in its own folder; without its
        server it refuses everything and raises nothing.
        """
        with consentkit.open(
            SMALL, data_dir=tmp_path, ledger="postgresql://127.0.0.1:9/x"
        ) as kit:
            assert isinstance(kit.ledger, PostgreSQLLedger)
            state = kit.consent.state()
            assert not state.permits("improve")
            assert "nothing answers" in state.problem
