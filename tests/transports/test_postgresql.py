# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.postgresql`.

A server of their own answers them, over TLS and without.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading

from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest

from consentkit.testing import Arrived, TransportConformance
from consentkit.testing.sentinels import logged
from consentkit.transports import pack
from consentkit.transports.postgresql import PostgreSQLTransport
from tests.needs import need_extra, need_tool
from tests.transports.brokers import Proxy, free_port
from tests.transports.conformance import (
    PLANTED,
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)
from tests.transports.contract import (
    DELIVERED,
    DUPLICATE,
    RETRY,
    SECRET,
    About,
    Making,
    Nobody,
    Nonsense,
    Raw,
    fork_and_send,
    refused,
    sending,
)
from tests.transports.servers import make_certificates


#: Who may come in: the owner, and the app over TLS with its password.
HBA = """\
local all all trust
host all postgres 127.0.0.1/32 trust
hostssl all app 127.0.0.1/32 scram-sha-256
"""

SETTINGS = """\
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.pem'
fsync = off
max_connections = 20
shared_buffers = 4MB
"""


class Cluster:
    """
    A PostgreSQL server of the tests' own, with TLS.
    """

    def __init__(self, folder: Path, bin: Path) -> None:  # noqa: A002
        self.folder = folder
        self._bin = bin
        self.port = free_port()
        if os.getuid() == 0:  # the server does not run as root
            shutil.chown(folder, "postgres", "postgres")
        data = folder / "data"
        self._run(
            "initdb",
            *("-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8"),
            *("--no-sync", "--no-locale"),
        )
        make_certificates(data)
        shutil.copy(data / "ca.pem", folder / "ca.pem")
        (data / "server.pem").chmod(0o600)
        if os.getuid() == 0:
            shutil.chown(data / "server.pem", "postgres", "postgres")
        (data / "pg_hba.conf").write_text(HBA)
        with (data / "postgresql.conf").open("a") as file:
            file.write(SETTINGS)
        self.start()
        self.ask(f"CREATE ROLE app LOGIN PASSWORD '{SECRET}'")

    def _run(self, name, *arguments) -> None:
        first = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        subprocess.run(
            [*first, self._bin / name, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
            cwd="/",
        )

    def start(self) -> None:
        """
        Start it, and wait until it answers.
        """
        self._run(
            "pg_ctl",
            *("-D", self.folder / "data", "-w", "-s"),
            *("-l", self.folder / "log", "-o"),
            f"-p {self.port} -k {self.folder} -h 127.0.0.1",
            "start",
        )

    def kill(self) -> None:
        """
        End it as a crash would.
        """
        data = self.folder / "data"
        self._run("pg_ctl", "-D", data, "-s", "-m", "immediate", "stop")

    def connect(self):
        """
        Connect as the owner.
        """
        import psycopg

        return psycopg.connect(
            host=str(self.folder),
            port=self.port,
            user="postgres",
            dbname="postgres",
            autocommit=True,
        )

    def ask(self, statement):
        """
        Run a statement, and give its rows if it has some.
        """
        with self.connect() as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def url(self, table="parcels", host="127.0.0.1"):
        """
        Give the URL of a table.
        """
        return f"postgresql://{host}:{self.port}/postgres/{table}"

    def rows(self, table="parcels"):
        """
        Give what stands in a table, in the order in which it came.
        """
        found = self.ask(
            f"SELECT id, body FROM {table} ORDER BY received_at, id"
        )
        return [Arrived(id=name, body=bytes(body)) for name, body in found]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """
    Give a server that runs.
    """
    need_extra("postgresql")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        need_tool("initdb")
        found = [Path(shutil.which("initdb") or "initdb")]
    # Not in pytest's own folders, which nobody else may enter.
    with tempfile.TemporaryDirectory(prefix="ck-pg-") as folder:
        cluster = Cluster(Path(folder), found[-1].parent)
        yield cluster
        cluster.kill()


@pytest.fixture
def cluster(server):
    """
    Give the server with an empty table, into which the app may insert.
    """
    server.ask("DROP TABLE IF EXISTS parcels")
    statement = make(server, create=True)
    with statement:
        statement.send(make_batch())
    server.ask("TRUNCATE parcels")
    server.ask("GRANT INSERT ON parcels TO app")
    return server


def make(server, table="parcels", **options):
    """
    Make a transport of the owner's, without TLS.
    """
    given = {"user": "postgres", "timeout_seconds": 10.0, **options}
    return PostgreSQLTransport(server.url(table), **given)


def make_tls(server, host="127.0.0.1", **options):
    """
    Make a transport of the app's, over TLS.
    """
    given = {
        "user": "app",
        "password": SECRET,
        "timeout_seconds": 10.0,
        "verify": server.folder / "ca.pem",
        **options,
    }
    return PostgreSQLTransport(server.url(host=host), **given)


class _PostgreSQL(About):
    transport = PostgreSQLTransport
    extra, library = "postgresql", "psycopg"
    near = tls = "postgresql://127.0.0.1:{port}/base/parcels"


class TestPostgreSQL(TransportConformance):
    """
    Tests for `PostgreSQLTransport` as a transport.
    """

    @pytest.fixture(autouse=True)
    def _backend(self, cluster):
        self.cluster = cluster

    def make_transport(self):
        """
        Connect as the owner.
        """
        return make(self.cluster)

    def received(self):
        """
        Read the table.
        """
        return self.cluster.rows()


class TestPostgreSQLWithTLS(TestPostgreSQL):
    """
    Tests for the same over TLS, with a password, and the right to insert.

    The server takes nothing in the clear from this user.
    """

    def make_transport(self):
        """
        Connect as the app.
        """
        return make_tls(self.cluster)


class TestNothingListens(_PostgreSQL, Nobody):
    """
    Tests for a server that is not there.
    """

    within_seconds = 5.0


class TestNoAnswer(_PostgreSQL, Raw):
    """
    Tests for a server that takes connections and says nothing.
    """

    within_seconds = 10.0


class TestNonsense(_PostgreSQL, Nonsense):
    """
    Tests for a server that speaks something else.
    """

    within_seconds = 10.0


class TestSetUp(_PostgreSQL, Making):
    """
    Tests for what a `PostgreSQLTransport` is made with.
    """

    named = (
        "postgresql://db.example/base/app.parcels",
        "postgresql://db.example:5432/base/app.parcels",
    )
    urls: ClassVar = [
        *(
            (url, "/DATABASE/TABLE")
            for url in (
                "postgresql://db.example/base",
                "postgresql://db.example/base/a/b",
                "postgresql://db.example/base/",
                "postgresql://db.example/base/a.b.c",
                "postgresql://db.example/base/.a",
                "postgresql:///base/table",
                "postgresql://db.example:0/base/table",
                "postgresql://db.example:x/base/table",
                "postgresql://a,b/base/table",
                "postgresql://[::1/base/table",
                "postgresql://db.example/ba se/table",
                "postgresql://db.example/base/" + "x" * 64,
                "postgresql://%2Frun%2Ca/base/table",
                "postgres://db.example/base/table",
            )
        ),
        (f"postgresql://me:{SECRET}@db.example/base/table", "user="),
        (f"postgresql://db.example/b/t?password={SECRET}", "query"),
        (f"postgresql://db.example/b/t#{SECRET}", "fragment"),
    ]
    choices: ClassVar = [
        ({"timeout_seconds": 0}, "timeout_seconds must be"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds must be"),
        ({"verify": False}, "verify takes"),
        ({"certificate": "a.pem"}, "together"),
        ({"password": SECRET}, "user with"),
        ({"user": "", "password": SECRET}, "user must be"),
        ({"user": "a", "password": f"\0{SECRET}"}, "password must be"),
    ]


class TestTable:
    """
    Tests for the table that takes the rows.
    """

    def test_columns(self, cluster):
        """
        A row says for whom it is and what, beside the body.
        """
        batch, erasure = make_batch(), make_erasure()
        with make(cluster) as transport:
            transport.send(batch)
            transport.erase(erasure)

        rows = cluster.ask(
            "SELECT id, kind, recipient, media_type, body, "
            "received_at <= now() FROM parcels ORDER BY received_at"
        )
        assert rows == [
            (one.id, one.kind, one.recipient, one.media_type, one.body, True)
            for one in (pack(batch), pack(erasure))
        ]

    def test_second_time_is_a_duplicate(self, cluster):
        """
        A batch that is there is called so, also by another transport.
        """
        batch = make_batch()
        with make(cluster) as one, make_tls(cluster) as other:
            assert outcomes(one.send(batch)) == [DELIVERED] * 2
            assert outcomes(other.send(batch)) == [DUPLICATE] * 2

        assert len(cluster.rows()) == 1

    def test_a_missing_table_is_a_problem(self, cluster):
        """
        The statement that makes the table is in the problem; it works, and
        nothing is lost meanwhile.
        """
        cluster.ask("DROP SCHEMA IF EXISTS other CASCADE")
        batch = make_batch()
        with make(cluster, 'other.my"table') as transport:
            answer = transport.send(batch)
            assert outcomes(answer) == [RETRY] * 2
            statement = answer.problem.partition("make it once with: ")[2]
            cluster.ask(statement)
            assert outcomes(transport.send(batch)) == [DELIVERED] * 2

        assert len(cluster.rows('other."my""table"')) == 1

    def test_it_is_made_on_request(self, cluster):
        """
        With *create* the table is made, by several at once too; its schema
        is not.
        """
        cluster.ask("DROP TABLE parcels")
        made = [make(cluster, create=True) for _ in range(4)]
        answers = []
        threads = [
            threading.Thread(
                target=lambda one=one: answers.append(one.send(make_batch()))
            )
            for one in made
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        for one in made:
            one.close()
        with make(cluster, "nowhere.parcels", create=True) as transport:
            problem = transport.send(make_batch()).problem

        assert [outcomes(one) for one in answers] == [[DELIVERED] * 2] * 4
        assert len(cluster.rows()) == 4
        assert "no schema" in problem

    def test_another_table_is_a_problem(self, cluster):
        """
        A table with other columns is left alone, and nothing is lost.
        """
        cluster.ask("DROP TABLE parcels; CREATE TABLE parcels (id text)")
        with make(cluster) as transport:
            answer = transport.send(make_batch())

        cluster.ask("DROP TABLE parcels")
        with make(cluster, create=True) as transport:
            transport.send(make_batch())
            cluster.ask("TRUNCATE parcels")
            cluster.ask("ALTER TABLE parcels ADD more text NOT NULL")
            more = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "not as expected (42703)" in answer.problem
        assert outcomes(more) == [RETRY] * 2
        assert "not as expected (23502)" in more.problem
        assert not more.refused

    def test_a_right_that_is_missing(self, cluster):
        """
        A user that may not insert is told what to grant.
        """
        cluster.ask("REVOKE INSERT ON parcels FROM app")

        assert 'GRANT INSERT ON "parcels"' in refused(make_tls(cluster))

    def test_a_constraint_of_the_owner(self, cluster):
        """
        A row that the table refuses is told from a server that is down, and
        nothing of the row is shown.
        """
        cluster.ask("ALTER TABLE parcels ADD CHECK (kind <> 'batch')")
        with logged() as log, make(cluster) as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert answer.refused
        assert "does not take this row (23514)" in answer.problem
        assert PLANTED not in f"{answer} {log}"

    def test_too_large(self, cluster):
        """
        What is beyond a limit of the server asks for smaller batches.
        """
        cluster.ask(
            "CREATE OR REPLACE FUNCTION bounded() RETURNS trigger AS $$ BEGIN "
            "IF octet_length(NEW.body) > 9000 THEN RAISE EXCEPTION 'no' USING "
            "ERRCODE = 'program_limit_exceeded'; END IF; RETURN NEW; END $$ "
            "LANGUAGE plpgsql"
        )
        cluster.ask(
            "CREATE TRIGGER bounded BEFORE INSERT ON parcels FOR EACH ROW "
            "EXECUTE FUNCTION bounded()"
        )
        with make(cluster) as transport:
            large = transport.send(make_batch(make_record(value="x" * 9000)))
            small = transport.send(make_batch())

        assert outcomes(large) == [RETRY]
        assert large.too_large
        assert outcomes(small) == [DELIVERED] * 2

    def test_a_server_that_only_takes_reads(self, cluster):
        """
        On a standby it says that the primary is to be named.
        """
        cluster.ask("ALTER ROLE app SET default_transaction_read_only = on")
        try:
            problem = refused(make_tls(cluster))
        finally:
            cluster.ask("ALTER ROLE app RESET default_transaction_read_only")

        assert "name the primary" in problem

    def test_delivered_is_on_the_disk(self, cluster):
        """
        A user whose commits would not wait for the disk waits all the same.
        """
        cluster.ask("ALTER ROLE app SET synchronous_commit = off")
        cluster.ask(
            "ALTER TABLE parcels ADD how text "
            "DEFAULT current_setting('synchronous_commit')"
        )
        try:
            with make_tls(cluster) as transport:
                transport.send(make_batch())
        finally:
            cluster.ask("ALTER ROLE app RESET synchronous_commit")

        assert cluster.ask("SELECT how FROM parcels") == [("on",)]

    def test_a_unix_socket(self, cluster):
        """
        A folder in place of the host is that of a socket.
        """
        folder = str(cluster.folder).replace("/", "%2F")
        url = cluster.url(host=folder)
        with PostgreSQLTransport(url, user="postgres") as transport:
            answer = transport.send(make_batch())

        assert outcomes(answer) == [DELIVERED] * 2
        assert transport.name == url


class TestTrust:
    """
    Tests for encryption and credentials.
    """

    @pytest.mark.obligation("WP-DENC-1")
    @pytest.mark.obligation("GP-PROT-1")
    def test_a_certificate_of_nobody_known(self, cluster, other_certificates):
        """
        A server whose certificate is of another authority gets nothing.
        """
        verify = other_certificates / "ca.pem"

        assert "not trusted" in refused(make_tls(cluster, verify=verify))
        assert cluster.rows() == []

    @pytest.mark.obligation("WP-DENC-1")
    def test_a_certificate_for_another_name(self, cluster):
        """
        A server whose certificate is for another name gets nothing.
        """
        made = make_tls(cluster, host="localhost")

        assert "for another name" in refused(made)
        assert cluster.rows() == []

    @pytest.mark.obligation("WP-ENC-1")
    @pytest.mark.obligation("GP-PROT-1")
    def test_a_server_without_tls(self, serve_raw, other_certificates):
        """
        A server that offers no TLS gets nothing, not even a password.
        """
        need_extra("postgresql")
        got = bytearray()
        ended = threading.Event()

        def plain(conn):
            with suppress(OSError):
                got.extend(conn.recv(1024))
                conn.sendall(b"N")  # it knows no TLS
                got.extend(conn.recv(1024))
            ended.set()

        transport = PostgreSQLTransport(
            f"postgresql://127.0.0.1:{serve_raw(on_connect=plain).port}/b/t",
            user="app",
            password=SECRET,
            verify=other_certificates / "ca.pem",
        )

        assert "does not speak TLS" in refused(transport)
        # Eight bytes ask for TLS; nothing came after the answer.
        assert ended.wait(10)
        assert len(got) == 8

    def test_the_environment_does_not_weaken_it(self, cluster, monkeypatch):
        """
        Neither trust nor place are taken from the environment.
        """
        with make_tls(cluster) as transport:
            with monkeypatch.context() as patch:
                patch.setenv("PGSSLMODE", "disable")
                patch.setenv("PGHOSTADDR", "127.0.0.2")
                transport.send(make_batch())
            ((is_tls,),) = cluster.ask(
                "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity "
                "USING (pid) WHERE usename = 'app'"
            )

        assert is_tls
        assert len(cluster.rows()) == 1

    @pytest.mark.obligation("GP-PROT-1")
    def test_far_servers_are_verified(self, cluster, monkeypatch):
        """
        Without a CA of one's own, the usual authorities have to know a
        server that is not this machine.
        """
        monkeypatch.setattr(
            "consentkit.transports.postgresql.is_loopback", lambda _: False
        )
        with make_tls(cluster, verify=None) as transport:
            unknown = transport.send(make_batch())
            monkeypatch.setenv("SSL_CERT_FILE", f"{cluster.folder}/ca.pem")
            known = transport.send(make_batch())

        assert outcomes(unknown) == [RETRY] * 2
        assert "not trusted" in unknown.problem
        assert outcomes(known) == [DELIVERED] * 2

    def test_wrong_credentials(self, cluster):
        """
        A wrong password is told as such, and shown nowhere.
        """
        wrong = f"{SECRET}-wrong"
        problem = refused(make_tls(cluster, password=wrong))

        assert "does not accept the user or password" in problem

    def test_an_unknown_user(self, cluster):
        """
        A user or database that is not there is named as the fault.
        """
        assert "pg_hba.conf" in refused(make(cluster, user="nobody-knows"))
        url = cluster.url().replace("/postgres/", "/nowhere/")
        made = PostgreSQLTransport(url, user="postgres")
        assert "no such database" in refused(made)


class Held:
    """
    The table, held by another session, so that inserts wait.
    """

    def __init__(self, cluster) -> None:
        self._cluster = cluster
        self._session = cluster.connect()

    def take(self) -> None:
        """
        Lock it.
        """
        self._session.execute("BEGIN; LOCK TABLE parcels")

    def wait_for_insert(self) -> None:
        """
        Wait until an insert waits for the table.
        """
        for _ in range(10_000):
            if self._cluster.ask(
                "SELECT 1 FROM pg_locks "
                "WHERE NOT granted AND locktype = 'relation'"
            ):
                return
        pytest.fail("no insert came")

    def free(self) -> None:
        """
        Let the others go on.
        """
        self._session.close()


class Pipe(Proxy):
    """
    Passes one client's bytes on to the server, and stops half-way.

    Args:
        port: The server's.

        most: So many bytes are passed on until `wait` is called.
    """

    def __init__(self, port: int, most: int) -> None:
        self._most = most
        self.stopped, self._go = threading.Event(), threading.Event()
        super().__init__(port, lambda _: False)

    def wait(self) -> None:
        """
        Wait until both ends have gone.
        """
        self._go.set()
        self.close()

    def pass_on(self, server, data):
        """
        Pass them on, and wait after the most.
        """
        super().pass_on(server, data)
        self._most -= len(data)
        if self._most < 0 < self._most + len(data):
            self.stopped.set()
            self._go.wait(20)


@pytest.fixture
def held(cluster):
    """
    Give the table, held until the test frees it or ends.
    """
    made = Held(cluster)
    yield made
    made.free()


class TestTrouble:
    """
    Tests for servers that go, and transfers that are cut.
    """

    def test_a_server_that_was_killed(self, cluster, held):
        """
        What is under way when the server dies comes again, and is there
        once.
        """
        batches = [make_batch() for _ in range(3)]
        with make(cluster) as transport:
            assert outcomes(transport.send(batches[0])) == [DELIVERED] * 2
            held.take()
            thread, answers = sending(transport, batches[1])
            held.wait_for_insert()
            cluster.kill()
            thread.join(20)
            during = transport.send(batches[2])
            held.free()
            cluster.start()
            again = [transport.send(batch) for batch in batches]

        assert outcomes(answers[0]) == [RETRY] * 2
        assert "the connection broke" in answers[0].problem
        assert outcomes(during) == [RETRY] * 2
        assert outcomes(again[0]) == [DUPLICATE] * 2
        for one in again[1:]:
            assert outcomes(one) == [DELIVERED] * 2
        assert {one.id for one in cluster.rows()} == {b.id for b in batches}

    def test_cancel_breaks_it_off(self, cluster, held):
        """
        A transfer that waits for the server ends when it is cancelled, and
        the next one works.
        """
        batch = make_batch()
        with make(cluster) as transport:
            held.take()
            thread, answers = sending(transport, batch)
            held.wait_for_insert()
            transport.cancel()
            thread.join(20)
            held.free()
            again = transport.send(batch)

        assert outcomes(answers[0]) == [RETRY] * 2
        assert answers[0].problem.endswith("the transfer was cancelled")
        assert set(outcomes(again)) <= {DELIVERED, DUPLICATE}
        assert len(cluster.rows()) == 1

    def test_cancel_while_the_row_leaves(self, cluster):
        """
        A large row that was cut while it left is never there.
        """
        pipe = Pipe(cluster.port, 500_000)
        url = f"postgresql://127.0.0.1:{pipe.port}/postgres/parcels"
        batch = make_batch(make_record(value="x" * 30_000_000))
        with PostgreSQLTransport(url, user="postgres") as transport:
            thread, answers = sending(transport, batch)
            assert pipe.stopped.wait(10)
            transport.cancel()
            thread.join(10)
            # Nothing goes on by itself.
            pipe.wait()

        assert outcomes(answers[0]) == [RETRY]
        assert cluster.rows() == []

    def test_no_answer_in_time(self, cluster, held):
        """
        A server that does not answer is left at the deadline.
        """
        with make(cluster, timeout_seconds=0.5) as transport:
            held.take()
            answer = transport.send(make_batch())
            held.free()

        assert outcomes(answer) == [RETRY] * 2
        assert (
            "within 0.5 seconds" in answer.problem
            or "too busy" in answer.problem
        )

    def test_a_name_service_that_hangs(self, monkeypatch):
        """
        It holds nobody up: transfers end in time, are refused while too many
        hang, and work again afterwards.
        """
        need_extra("postgresql")
        go = threading.Event()

        def hang(*args, **options):
            go.wait(20)
            raise socket.gaierror

        monkeypatch.setattr(socket, "getaddrinfo", hang)
        url = "postgresql://db.example/base/parcels"
        with PostgreSQLTransport(url, timeout_seconds=0.1) as transport:
            late = [transport.send(make_batch()) for _ in range(5)]
            go.set()
            for thread in threading.enumerate():
                if thread.name == "consentkit-transfer":
                    thread.join(10)
            after = transport.send(make_batch())

        for answer in (*late, after):
            assert outcomes(answer) == [RETRY] * 2
        assert "within 0.1 seconds" in late[3].problem
        assert "check the name service" in late[4].problem
        assert "its name is not known" in after.problem

    def test_no_thread_can_be_started(self, cluster, monkeypatch):
        """
        Where the system gives no thread, the records wait, and go later.
        """

        def refuse(thread):
            raise RuntimeError

        with make(cluster) as transport:
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", refuse)
                answer = transport.send(make_batch())
            again = transport.send(make_batch())

        assert outcomes(answer) == [RETRY] * 2
        assert "no thread can be started" in answer.problem
        assert outcomes(again) == [DELIVERED] * 2

    def test_closing_ends_what_is_under_way(self, cluster, held):
        """
        `close()` cuts a transfer, and leaves no session behind.
        """
        transport = make(cluster)
        held.take()
        thread, answers = sending(transport, make_batch())
        held.wait_for_insert()
        transport.close()
        thread.join(20)
        held.free()

        assert outcomes(answers[0]) == [RETRY] * 2
        assert "closed" in transport.send(make_batch()).problem

    def test_a_child_has_its_own_connection(self, cluster):
        """
        After a fork both go on, and the child's end is not the parent's.
        """
        with make(cluster) as transport:
            transport.send(make_batch())
            sessions = cluster.ask(SESSIONS)
            sent = fork_and_send(transport)
            after = cluster.ask(SESSIONS)

        assert after == sessions
        assert len(cluster.rows()) == 1 + len(sent)


SESSIONS = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'consentkit'"
)
