# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.receiver.postgresql`, with a server that runs.
"""

from __future__ import annotations

import threading

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from consentkit.exceptions import (
    MissingExtraError,
    NewerFormatError,
    StoreError,
    UnwritableError,
)
from consentkit.receiver.base import store_from_url
from consentkit.receiver.postgresql import PostgreSQLStore
from tests.needs import POSTGRESQL, has_extra
from tests.receiver.conformance import (
    DUPLICATE,
    STORED,
    RecordStoreConformance,
)
from tests.transports.conformance import PLANTED, make_batch, make_record


if TYPE_CHECKING or has_extra("postgresql"):
    import psycopg

pytestmark = pytest.mark.need_postgresql

ROOT = Path(__file__).parents[2]


def run(schema, statement):
    """
    Do what the owner of the database can do, and give the rows.
    """
    with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
        connection.execute(f"SET search_path = {schema}")
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def plan_of(schema, statement):
    """
    Give the server's plan for a statement where nothing is too small for an
    index.
    """
    with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
        connection.execute(f"SET search_path = {schema}")
        connection.execute("SET enable_seqscan = off")
        rows = connection.execute(f"EXPLAIN {statement}").fetchall()
    return "\n".join(row[0] for row in rows)


@pytest.fixture
def store(schema):
    """
    Give a store that has no tables yet.
    """
    with closing(PostgreSQLStore(POSTGRESQL, schema=schema)) as made:
        yield made


@pytest.fixture
def another(schema):
    """
    Give one more store on the same schema.
    """
    with closing(PostgreSQLStore(POSTGRESQL, schema=schema)) as made:
        yield made


class TestPostgreSQLStore(RecordStoreConformance):
    """
    A schema passes the suite.
    """

    def test_two_begin_at_once(self, schema):
        """
        Processes that begin at the same moment make the tables once.
        """
        stores = [PostgreSQLStore(POSTGRESQL, schema=schema) for _ in range(6)]
        batch = make_batch()
        verdicts = []
        threads = [
            threading.Thread(
                target=lambda one=one: verdicts.extend(one.put(batch).values())
            )
            for one in stores
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for one in stores:
            one.close()

        assert verdicts.count(STORED) == 2
        assert verdicts.count(DUPLICATE) == 10

    def test_named_by_a_url(self, store, schema):
        """
        A URL names the database and the schema, and shows no password.
        """
        url = POSTGRESQL.replace("postgres@", "postgres:s3cret@")
        with closing(store_from_url(f"{url}?schema={schema}")) as found:
            assert found.name == store.name
            assert "s3cret" not in repr(found) + found.name

    @pytest.mark.parametrize(
        "url", ["postgresql://a:b/c@h/d", "mysql://root:s3cret@h/d"]
    )
    def test_another_url(self, url):
        """
        A URL that no store has is refused, and not repeated.
        """
        with pytest.raises(ValueError, match="postgresql://USER@HOST") as told:
            store_from_url(url)
        assert "s3cret" not in str(told.value)

    def test_a_program_may_name_it_so_too(self, store, schema):
        """
        What the command takes as a URL, a program may pass; what else stands
        in its query stays there.
        """
        mark = "&" if "?" in POSTGRESQL else "?"
        url = f"{POSTGRESQL}{mark}schema={schema}&connect_timeout=7"
        store.put(make_batch())
        with (
            closing(PostgreSQLStore(url)) as found,
            closing(PostgreSQLStore(url, schema=schema)) as same,
        ):
            assert found.name == same.name == store.name
            assert found.counts().records == 2
        with pytest.raises(ValueError, match="two schemas"):
            PostgreSQLStore(url, schema="another")
        with pytest.raises(ValueError, match="schema"):
            PostgreSQLStore(f"{POSTGRESQL}{mark}schema=a%22b")

    def test_another_schema(self):
        """
        A schema's name is small letters, digits and underscores.
        """
        with pytest.raises(ValueError, match="small letters"):
            PostgreSQLStore(POSTGRESQL, schema='x"; DROP')

    def test_only_one_purges(self, store, another, schema):
        """
        While one process purges, another one's purge does nothing.
        """
        now = datetime.now(UTC)
        soon = now + timedelta(hours=1)
        store.put(make_batch(make_record(expires_at=soon)), now=now)
        with psycopg.connect(POSTGRESQL) as other:
            # What another receiver holds while it purges.
            from consentkit.receiver.postgresql import _lock_of

            number = _lock_of(f"purge {store.name}".encode())
            other.execute("SELECT pg_advisory_xact_lock(%s)", (number,))
            assert another.purge(soon) == 0
            assert store.counts().records == 1

        assert another.purge(soon) == 1

    def test_a_purge_waits_for_nobody(self, store, schema):
        """
        What another transaction holds just now, as an erasure does, is left
        to it.
        """
        now = datetime.now(UTC)
        soon = now + timedelta(hours=1)
        held, free = (make_record(expires_at=soon) for _ in range(2))
        store.put(make_batch(held, free), now=now)
        with psycopg.connect(POSTGRESQL) as other:
            other.execute(
                f"SELECT id FROM {schema}.records WHERE id = %s FOR UPDATE",
                (held.id,),
            )
            assert store.purge(soon) == 1
            assert [one.record.id for one in store.records()] == [held.id]

        assert store.purge(soon) == 1

    def test_an_erasure_waits_for_a_batch(self, store, another, schema):
        """
        An erasure that comes while a batch of the grant is being stored
        waits for it, and then takes it away.
        """
        batch = make_batch(token="22" * 32)
        store.check()
        with store._holding(batch.erase, "_shared") as (connection, erased):
            assert erased is None
            done = []
            thread = threading.Thread(
                target=lambda: done.append(another.erase("22" * 32))
            )
            thread.start()
            while not run(
                schema,
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' "
                "AND NOT granted",
            ):
                assert thread.is_alive()
            store._add(connection, batch, batch.records, datetime.now(UTC))
        thread.join(60)

        assert done[0].records == 2
        assert store.records() == []

    def test_is_durable_whatever_the_default(self, store, schema, monkeypatch):
        """
        A commit waits for the disk though this user's default does not.
        """
        monkeypatch.setenv("PGOPTIONS", "-c synchronous_commit=off")
        with (
            closing(PostgreSQLStore(POSTGRESQL, schema=schema)) as careless,
            careless._holding("ab" * 32, "") as (connection, _),
        ):
            found = connection.execute("SHOW synchronous_commit").fetchall()

        assert found == [("on",)]

    @pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
    def test_whatever_zone_the_server_is_in(self, schema, monkeypatch, zone):
        """
        The first and the last instant of the calendar come out as they went
        in, wherever the server thinks that it is.
        """
        monkeypatch.setenv("PGTZ", zone)
        record = make_record(
            captured_at=datetime.min.replace(tzinfo=UTC),
            expires_at=datetime.max.replace(microsecond=0, tzinfo=UTC),
        )
        with closing(PostgreSQLStore(POSTGRESQL, schema=schema)) as store:
            store.put(make_batch(record))

            assert [one.record for one in store.records()] == [record]

    def test_what_is_asked_often_has_an_index(self, store, schema):
        """
        Erasing, purging and looking up go over no whole table.
        """
        store.put(make_batch())

        for column in (
            "erase = '\\x00'",
            "expires_at <= now()",
            "function = 'x'",
        ):
            plan = plan_of(schema, f"SELECT id FROM records WHERE {column}")
            assert "records_by_" in plan
            assert "Seq Scan" not in plan

    def test_a_newer_format(self, store, schema):
        """
        Tables of a newer version are left alone, and the cure named.
        """
        store.check()
        run(schema, "UPDATE head SET format = 99")

        with (
            closing(PostgreSQLStore(POSTGRESQL, schema=schema)) as later,
            pytest.raises(NewerFormatError, match="upgrade consentkit"),
        ):
            later.put(make_batch())

    def test_tables_that_have_gone(self, store, schema):
        """
        Where somebody dropped the schema, it fails once, and begins anew.
        """
        store.put(make_batch())
        run(schema, f"DROP SCHEMA {schema} CASCADE")

        with pytest.raises(StoreError):
            store.put(make_batch())
        store.put(make_batch())

        assert store.counts().records == 2

    def test_a_user_who_may_only_read(self, store, schema):
        """
        A user who may not write is told so, and no value is shown.
        """
        store.check()
        role = f"reader_{schema}"
        run(schema, f"CREATE ROLE {role} LOGIN")
        run(schema, f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        run(schema, f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
        url = POSTGRESQL.replace("postgres@", f"{role}@")
        try:
            with (
                closing(PostgreSQLStore(url, schema=schema)) as reader,
                pytest.raises(UnwritableError) as told,
            ):
                reader.put(make_batch())
        finally:
            run(schema, f"DROP OWNED BY {role}")
            run(schema, f"DROP ROLE {role}")

        assert PLANTED not in str(told.value)
        assert told.value.__context__ is None

    def test_a_user_who_may_make_nothing(self, store, schema):
        """
        With the rights that the page names, a user who may make no table
        does all that there is to do.
        """
        from tests.receiver.conformance import make_report

        store.migrate()
        role = f"worker_{schema}"
        rights = "SELECT, INSERT, UPDATE, DELETE"
        for statement in (
            f"CREATE ROLE {role} LOGIN",
            f"GRANT USAGE ON SCHEMA {schema} TO {role}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
            f"GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO {role}",
        ):
            run(schema, statement)
        url = POSTGRESQL.replace("postgres@", f"{role}@")
        now = datetime.now(UTC)
        soon = now + timedelta(hours=1)
        try:
            with closing(PostgreSQLStore(url, schema=schema)) as worker:
                worker.check()
                worker.put(make_batch(token="22" * 32))
                worker.put(make_batch(make_record(expires_at=soon)), now=now)
                assert worker.note_drops(make_report())
                assert worker.erase("22" * 32).records == 2
                assert worker.purge(soon) == 1
                assert worker.records() == []
                assert worker.counts().erased == 2
                assert len(worker.drops()) == 1
        finally:
            run(schema, f"DROP OWNED BY {role}")
            run(schema, f"DROP ROLE {role}")

    def test_the_page_shows_the_table(self, store, schema):
        """
        The table of records is as the documentation has it.
        """
        store.migrate()
        page = ROOT / "docs" / "receiver-scale.md"
        text = page.read_text(encoding="utf-8")
        shown = text.partition("CREATE TABLE records (")[2].partition(");")[0]
        columns = [
            tuple(line.split()[:2])
            for line in shown.strip().splitlines()
            if line
        ]

        found = run(
            schema,
            "SELECT column_name, replace(data_type, "
            "'timestamp with time zone', 'timestamptz') "
            "FROM information_schema.columns WHERE table_name = 'records' "
            f"AND table_schema = '{schema}' ORDER BY ordinal_position",
        )

        assert columns == found

    def test_a_server_that_is_not_there(self):
        """
        A server that nobody reaches is an error that names it.
        """
        url = "postgresql://postgres:s3cret@127.0.0.1:9/test"
        with (
            closing(PostgreSQLStore(url)) as store,
            pytest.raises(StoreError, match=r"127\.0\.0\.1:9") as told,
        ):
            store.check()
        assert "s3cret" not in str(told.value)


class TestExtra:
    """
    Tests for what is not installed.
    """

    def test_is_named(self, monkeypatch):
        """
        Without psycopg the extra is named.
        """
        import sys

        monkeypatch.setitem(sys.modules, "psycopg", None)
        monkeypatch.delitem(sys.modules, "consentkit.ledger._server", False)

        with pytest.raises(MissingExtraError, match="postgresql"):
            PostgreSQLStore("postgresql://127.0.0.1/test")
