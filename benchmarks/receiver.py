# SPDX-License-Identifier: MIT
# ruff: noqa: EM101, EM102, INP001, T201 - a script that prints
"""
What a million records cost at the receiver: time, processor and disk.

Real processes of ``consentkit receive`` before a real PostgreSQL (and, with
``--stream``, behind a real NATS JetStream), filled by senders that do nothing
but send. Each is counted by itself::

    python benchmarks/receiver.py
    python benchmarks/receiver.py --batch 20 --records 200000
    python benchmarks/receiver.py --stream nats://127.0.0.1:4222

The database is that of ``CONSENTKIT_TESTS_POSTGRESQL``, or the one of this
machine; a schema of its own is made in it and dropped. It needs Linux, and
the extras ``receiver``, ``postgresql`` and ``nats``.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from consentkit.outbox.records import new_id
from consentkit.receiver import PostgreSQLStore


POSTGRESQL = os.environ.get(
    "CONSENTKIT_TESTS_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/test"
)
SCHEMA = "consentkit_bench"
TICKS = os.sysconf("SC_CLK_TCK")
MILLION = 1_000_000

# As the README's policy has them: a property of a device, by itself.
RECORD = (
    '{{"id":"{id}","function":"usage_statistics","data_type":"app_usage_time",'
    '"purpose":"product_improvement","recipient":"controller",'
    '"protection":"none","class":"personal","value":{value},'
    '"captured_at":"{captured}","expires_at":"{expires}",'
    '"consent":"{consent}","policy_version":"2026-01-01"}}'
)
BATCH = (
    '{{"format":1,"batch":"{id}","recipient":"controller",'
    '"erase":"{erase}","records":[{records}]}}'
)


def body_of(number: int, size: int, expires: str) -> bytes:
    """
    Write a batch of one grant.
    """
    grant = sha256(f"{number}".encode()).hexdigest()
    captured = datetime.now(UTC).isoformat(timespec="milliseconds")
    records = ",".join(
        RECORD.format(
            id=new_id(),
            value=number + place,
            captured=captured,
            expires=expires,
            consent=grant,
        )
        for place in range(size)
    )
    return BATCH.format(
        id=new_id(), erase=token_of(number)[1], records=records
    ).encode()


def token_of(number: int) -> tuple[str, str]:
    """
    Give the token of a grant, and its digest.
    """
    token = sha256(f"token {number}".encode())
    return token.hexdigest(), sha256(token.digest()).hexdigest()


def send(urls: list[str], numbers: range, size: int, expires: str) -> None:
    """
    Post batches, over one open connection for each receiver.
    """
    conns = []
    for url in urls:
        parts = urlsplit(url)
        conns.append(http.client.HTTPConnection(parts.hostname, parts.port))
    kind = {"Content-Type": "application/json"}
    for number in numbers:
        body = body_of(number, size, expires)
        conn = conns[number % len(conns)]
        conn.request("POST", "/v1/batches", body, kind)
        answer = conn.getresponse()
        said = answer.read()
        if answer.status != 200 or said.count(b'"stored"') != size:
            raise SystemExit(f"not stored: {answer.status} {said[:200]!r}")


def cpu_of(*pids: int) -> float:
    """
    Give the processor seconds of processes.
    """
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


class Server:
    """
    The processor seconds of PostgreSQL from some moment on.
    """

    def __init__(self) -> None:
        self._before = self._seconds()

    def seconds(self) -> float:
        """
        Give what its processes took that run now, others' work included.
        """
        now = self._seconds()
        return sum(now[pid] - self._before.get(pid, 0.0) for pid in now)

    def _seconds(self) -> dict[int, float]:
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                with suppress(OSError):
                    if (folder / "comm").read_text().strip() == "postgres":
                        pid = int(folder.name)
                        found[pid] = cpu_of(pid)
        return found


def ask(statement: str) -> int:
    """
    Ask the database for one number.
    """
    with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0


def drop() -> None:
    """
    Drop the schema, and let the server write down what it still has.
    """
    with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        connection.execute("CHECKPOINT")


@contextmanager
def receivers(
    count: int, *arguments: str
) -> Iterator[tuple[list[str], list[int]]]:
    """
    Run receivers, and give their URLs and process ids.
    """
    command = [sys.executable, "-m", "consentkit", "receive", "--port", "0"]
    running = [
        subprocess.Popen(  # noqa: S603 - ourselves
            [*command, *arguments], stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    try:
        urls = []
        for one in running:
            assert one.stdout is not None  # noqa: S101 - as asked for
            line = one.stdout.readline()
            found = re.search(r" at (http://\S+)/v1, ", line)
            if not found:
                raise SystemExit(f"a receiver did not start: {line}")
            urls.append(found[1])
        yield urls, [one.pid for one in running]
    finally:
        for one in running:
            one.send_signal(signal.SIGTERM)
            one.wait(60)


def measure(
    name: str, count: int, options: argparse.Namespace, *arguments: str
) -> None:
    """
    Fill a store by requests, and print what it cost.
    """
    batches = options.records // options.batch
    expires = (datetime.now(UTC) + timedelta(days=30)).isoformat(
        timespec="milliseconds"
    )
    is_file = "--store" in arguments
    place = () if is_file else ("--store", f"{POSTGRESQL}?schema={SCHEMA}")
    with receivers(count, *place, *arguments) as (urls, pids):
        wal = 0 if is_file else ask(WAL)
        begun, ours = time.perf_counter(), cpu_of(*pids)
        database = Server()
        senders = [
            multiprocessing.Process(
                target=send,
                args=(
                    urls,
                    range(first, batches, options.senders),
                    options.batch,
                    expires,
                ),
            )
            for first in range(options.senders)
        ]
        for one in senders:
            one.start()
        for one in senders:
            one.join()
        if any(one.exitcode for one in senders):
            raise SystemExit("a sender failed")
        taken = time.perf_counter() - begun
        ours = cpu_of(*pids) - ours
        server = database.seconds()
        memory = max(map(peak_of, pids))
        wal = 0 if is_file else ask(WAL) - wal
    told(name, batches * options.batch, taken, ours, server, wal, memory)


def peak_of(pid: int) -> int:
    """
    Give the most memory that a process had, in bytes.
    """
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"


def told(
    name: str,
    records: int,
    taken: float,
    ours: float,
    server: float,
    wal: int,
    memory: int,
) -> None:
    """
    Print a row.
    """
    by_million = MILLION / records
    print(
        f"| {name} | {records / taken:,.0f} | {ours * by_million:.1f} | "
        f"{server * by_million:.1f} | {wal * by_million / 1e6:,.0f} | "
        f"{memory / 1e6:.0f} |",
        flush=True,
    )


def fill_stream(url: str, options: argparse.Namespace) -> None:
    """
    Make a stream, and publish batches to it.
    """
    import nats

    async def work() -> None:
        client = await nats.connect(url)
        js = client.jetstream()
        with suppress(nats.js.errors.NotFoundError):
            await js.delete_stream("bench")
        await js.add_stream(name="bench", subjects=["bench.batches"])
        expires = (datetime.now(UTC) + timedelta(days=30)).isoformat(
            timespec="milliseconds"
        )
        for number in range(options.records // options.batch):
            body = body_of(number, options.batch, expires)
            headers = {
                "kind": "batch",
                "recipient": "controller",
                "media_type": "application/json",
            }
            await js.publish("bench.batches", body, headers=headers)
        await client.close()

    asyncio.run(work())


def left_in(url: str, group: str) -> int:
    """
    Give how many messages a group has not finished.
    """
    import nats

    async def work() -> int:
        client = await nats.connect(url)
        try:
            found = await client.jetstream().consumer_info("bench", group)
        except nats.js.errors.NotFoundError:
            return 1
        finally:
            await client.close()
        return int(found.num_pending) + int(found.num_ack_pending)

    return asyncio.run(work())


def measure_stream(count: int, options: argparse.Namespace) -> None:
    """
    Drain a stream into a store, and print what it cost.
    """
    url, group = options.stream, f"bench{count}"
    wal, database = ask(WAL), Server()
    begun = time.perf_counter()
    with receivers(
        count,
        *("--store", f"{POSTGRESQL}?schema={SCHEMA}"),
        *("--from", f"{url}/bench.batches", "--group", group),
    ) as (_, pids):
        while left_in(url, group):
            time.sleep(0.05)
        taken = time.perf_counter() - begun
        ours, memory = cpu_of(*pids), max(map(peak_of, pids))
        server = database.seconds()
    told(
        f"{count} from a stream, their start included",
        options.records,
        taken,
        ours,
        server,
        ask(WAL) - wal,
        memory,
    )


def measure_end(options: argparse.Namespace) -> None:
    """
    Print how large the tables are, and what erasing and expiring cost.
    """
    records = ask(f"SELECT count(*) FROM {SCHEMA}.records")  # noqa: S608
    by_million = MILLION / max(records, 1)
    print(f"\nWith {records:,} records; each per million:\n")
    for what, statement in (
        ("rows", f"pg_relation_size('{SCHEMA}.records')"),
        ("indexes", f"pg_indexes_size('{SCHEMA}.records')"),
        ("all", f"pg_total_relation_size('{SCHEMA}.records')"),
    ):
        size = ask(f"SELECT {statement}") * by_million
        print(f"- on disk, {what}: {size / 1e6:,.0f} MB")
    with closing(PostgreSQLStore(POSTGRESQL, schema=SCHEMA)) as store:
        taken = []
        some = min(50, options.records // options.batch // 2)
        for number in range(some):
            begun = time.perf_counter()
            store.erase(token_of(number)[0])
            taken.append(time.perf_counter() - begun)
        taken.sort()
        print(
            f"- erasing one grant of {options.batch} records: median "
            f"{taken[some // 2] * 1000:.1f} ms, slowest {taken[-1] * 1000:.1f} ms"
        )
        measure_partition(records)
        wal, database = ask(WAL), Server()
        begun = time.perf_counter()
        gone = store.purge(datetime.now(UTC) + timedelta(days=31))
        seconds = time.perf_counter() - begun
        by_million = MILLION / gone
        print(
            f"- expiring row by row: {seconds * by_million:.1f} s, "
            f"{database.seconds() * by_million:.1f} s of "
            f"processor, {(ask(WAL) - wal) * by_million / 1e6:,.0f} MB of log"
        )


LIKE = "LIKE records INCLUDING ALL"


def measure_partition(records: int) -> None:
    """
    Print what it costs to drop a partition that has expired as a whole.
    """
    with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
        for statement in (
            f"SET search_path = {SCHEMA}",
            f"CREATE TABLE parts ({LIKE}) PARTITION BY RANGE (id)",
            "CREATE TABLE part PARTITION OF parts DEFAULT",
            "INSERT INTO parts SELECT * FROM records",
            "CHECKPOINT",
        ):
            connection.execute(statement)
        wal, begun = ask(WAL), time.perf_counter()
        connection.execute("DROP TABLE part")
        taken = time.perf_counter() - begun
        print(
            f"- dropping a partition of {records:,}: {taken * 1000:.0f} ms, "
            f"{(ask(WAL) - wal) / 1e6:.2f} MB of log"
        )
        connection.execute("DROP TABLE parts")


def main() -> None:
    """
    Measure, and print tables as the documentation has them.
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--records", type=int, default=MILLION)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--senders", type=int, default=3)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--stream", metavar="nats://HOST:PORT")
    parser.add_argument("--file", action="store_true", help="SQLite as well")
    options = parser.parse_args()
    print(
        f"{options.records:,} records in batches of {options.batch}, "
        f"{options.senders} senders, {os.cpu_count()} processors; "
        f"PostgreSQL {ask('SHOW server_version_num') // 10_000}, "
        f"fsync {said('fsync')}, synchronous_commit "
        f"{said('synchronous_commit')}\n"
    )
    print(
        "| receivers | records/s | their processor s per million | "
        "PostgreSQL's | log, MB per million | memory of one, MB |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for count in options.processes:
        drop()
        measure(f"{count} by requests", count, options)
    if options.file:
        with tempfile.TemporaryDirectory() as folder:
            place = f"{folder}/received.sqlite3"
            measure("1, a SQLite file", 1, options, "--store", place)
            size = Path(place).stat().st_size * MILLION / options.records
            print(f"\nThe file: {size / 1e6:,.0f} MB per million.")
    if options.stream:
        fill_stream(options.stream, options)
        for count in options.processes:
            drop()
            measure_stream(count, options)
    measure_end(options)
    drop()


def said(name: str) -> str:
    """
    Give a setting of the server.
    """
    with psycopg.connect(POSTGRESQL) as connection:
        row = connection.execute(f"SHOW {name}").fetchone()
    return str(row[0]) if row else ""


if __name__ == "__main__":
    main()
