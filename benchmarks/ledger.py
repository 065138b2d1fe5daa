# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, T201 - a script that prints
"""
How fast are ledgers, with many people in them?

A throw-away app with N people, each with one choice, once in SQLite and once
in PostgreSQL. It measures a decision with the person's kit at hand
(*cached*), one for a person of whom nothing is at hand (*uncached*: the
link, the entries and their proof are read, and the state is computed),
appends, verifying all of it, and how soon another process sees a choice.

    python benchmarks/ledger.py --subjects 1000000 \
        --url postgresql://postgres@127.0.0.1/test

The schema ``consentkit_benchmark`` of that database is made and dropped.
SQLite goes over its whole file when a process opens it, and is given fewer
people: ``--sqlite-subjects``.

With ``--lengths`` it only measures how soon another process sees a choice in
SQLite, in ledgers of so many entries: each of another person, of a hundred
people, and all of one person, whose state is computed from all of them:

    python benchmarks/ledger.py --lengths 1000 10000 100000
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import consentkit

from consentkit.ledger import Act, Entry, PostgreSQLLedger, SQLiteLedger
from consentkit.ledger._keeper import new_key, tag_of
from consentkit.ledger.drafts import row_of
from consentkit.ledger.entries import GENESIS
from consentkit.ledger.tree import leaf_hash
from consentkit.ledger.verify import Trail
from consentkit.policy import Policy, load_policy


SCHEMA = "consentkit_benchmark"
ROOT = Path(__file__).parents[1]
POLICY = ROOT / "tests" / "vectors" / "policies" / "small.toml"
FUNCTION, DATA_TYPE = "improve", "system_id"
AT = datetime(2026, 1, 1, tzinfo=UTC)

# Another process: it says the time at which it saw what it waits for.
_WATCHER = """\
import sys, time
from pathlib import Path
import consentkit
from consentkit.ledger import PostgreSQLLedger, SQLiteLedger

kind, place, keys, policy, data, function = sys.argv[1:]
ledger = (
    PostgreSQLLedger(place, keys=Path(keys), schema="consentkit_benchmark")
    if kind == "postgresql" else SQLiteLedger(Path(place), keys=Path(keys))
)
kit = consentkit.open(policy, data_dir=data, ledger=ledger)
for line in sys.stdin:
    person = kit.subject(line.strip())
    before = person.consent.state().permits(function)
    print("ready", flush=True)
    while person.consent.state().permits(function) == before:
        time.sleep(0.0002)
    print(time.monotonic(), flush=True)
"""


def main() -> int:
    """
    Measure, and print one line for each figure.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--subjects", type=int, default=1_000_000)
    parser.add_argument("--sqlite-subjects", type=int, default=1_000)
    parser.add_argument("--decisions", type=int, default=200_000)
    parser.add_argument("--uncached", type=int, default=10_000)
    parser.add_argument("--appends", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--lengths", type=int, nargs="+", metavar="ENTRIES")
    parser.add_argument(
        "--url", default="postgresql://postgres@127.0.0.1/test"
    )
    arguments = parser.parse_args()
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} processors, "
        f"load {load}"
    )
    policy = load_policy(POLICY)
    if arguments.lengths:
        for length in arguments.lengths:
            for people in (length, 100, 1):
                with tempfile.TemporaryDirectory() as folder:
                    _see(length, people, Path(folder), policy, arguments)
        return 0
    for kind, count in (
        ("sqlite", arguments.sqlite_subjects),
        ("postgresql", arguments.subjects),
    ):
        with tempfile.TemporaryDirectory() as folder:
            _measure(kind, count, Path(folder), policy, arguments)
    return 0


def _measure(
    kind: str,
    count: int,
    folder: Path,
    policy: Policy,
    arguments: argparse.Namespace,
) -> None:
    print(f"\n{kind}, {count:,} people")
    keys = folder / "keys"
    ledger: SQLiteLedger | PostgreSQLLedger
    if kind == "sqlite":
        place = str(folder / "ledger.sqlite3")
        ledger = SQLiteLedger(Path(place), keys=keys)
    else:
        place = arguments.url
        _drop(place)
        ledger = PostgreSQLLedger(place, keys=keys, schema=SCHEMA)
    began = time.perf_counter()
    _fill(ledger, place, policy, count, count)
    _say("filled in bulk, not through the API", time.perf_counter() - began)
    ledger.close()

    with consentkit.open(policy, data_dir=folder, ledger=ledger) as kit:
        _decide(kit, count, arguments)
        _append(kit, arguments.appends)
        names = [f"watched-{number}" for number in range(arguments.rounds)]
        _watch(kit, [kind, place, str(keys), str(folder)], names)
        began = time.perf_counter()
        verdict = ledger.verify()
        spent = time.perf_counter() - began
        print(f"  {'verdict':44} {verdict}")
        print(f"  {'verified':44} {verdict.has / spent:>10,.0f} entries/s")
    if kind == "postgresql":
        _drop(arguments.url)


def _see(
    length: int,
    people: int,
    folder: Path,
    policy: Policy,
    arguments: argparse.Namespace,
) -> None:
    """
    Measure how soon a choice is seen in a file of *length* entries.
    """
    print(f"\nsqlite, {length:,} entries of {people:,}")
    place, keys = folder / "ledger.sqlite3", folder / "keys"
    ledger, beside = SQLiteLedger(place), SQLiteLedger(place)
    _fill(ledger, str(place), policy, length, people)
    for one in (ledger, beside):
        began = time.perf_counter()
        one.entries()
        spent = time.perf_counter() - began
    print(f"  {'read for the first time':44} {spent * 1000:>10,.0f} ms")
    # A choice waits for its own state, too: fewer of them will do.
    rounds = min(arguments.rounds, 2_000_000 * people // length)
    names = [_name(number % people) for number in range(max(5, rounds))]
    with (
        consentkit.open(policy, data_dir=folder, ledger=ledger) as kit,
        consentkit.open(
            policy, data_dir=folder / "beside", ledger=beside
        ) as other,
    ):
        person = kit.subject(names[0])
        somebody = other.subject("somebody else")
        times = []
        for _ in names:
            for act, same in (
                (person.consent.withdraw, somebody.consent.grant),
                (person.consent.grant, somebody.consent.withdraw),
            ):
                same(FUNCTION)
                began = time.perf_counter_ns()
                act(FUNCTION)
                times.append(time.perf_counter_ns() - began)
        _quantiles("a choice, when another has written", times)
        parts = ["sqlite", str(place), str(keys), str(folder)]
        _watch(kit, parts, names, is_new=False)


def _drop(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def _name(number: int) -> str:
    return f"user-{number}"


def _people(
    policy: Policy, count: int, people: int, trail: Trail
) -> Iterator[tuple[str, bytes, Entry]]:
    """
    Give a name, a key and a choice, of so many people in turn.

    Each says yes and no in turn; the last that they said is yes.
    """
    terms = policy.functions[FUNCTION].terms
    known = [
        (_name(n), key, tag_of(_name(n), key))
        for n, key in enumerate(new_key() for _ in range(people))
    ]
    last = (count - 1) // people
    for number in range(count):
        name, key, tag = known[number % people]
        entry = Entry(
            seq=trail.size + 1,
            at=AT,
            act=Act.WITHDRAWN
            if (last - number // people) % 2
            else Act.GRANTED,
            method="app",
            element=FUNCTION,
            terms=terms,
            policy=policy.id,
            version=policy.version,
            text=policy.digest,
            language=policy.language,
            subject=tag,
            prev=trail.last,
            prior=trail.priors.get(tag, GENESIS),
        )
        trail.follow([row_of(entry)])
        yield name, key, entry


def _fill(
    ledger: SQLiteLedger | PostgreSQLLedger,
    place: str,
    policy: Policy,
    count: int,
    people: int,
) -> None:
    """
    Write what so many appends would have written, in one commit.
    """
    if isinstance(ledger, PostgreSQLLedger):
        ledger.migrate()
    key_file = ledger._keeper.key_file  # noqa: SLF001 - past the API
    assert key_file is not None  # noqa: S101 - it was given a folder
    key = key_file.make()
    trail = Trail()
    origin = f"{key.verify_key.name}/benchmark"
    rows = _people(policy, count, people, trail)

    def ending() -> tuple[str, str, Trail]:
        return origin, key.sign(trail.checkpoint(origin)).note, trail

    if isinstance(ledger, PostgreSQLLedger):
        _fill_postgresql(place, rows, ending)
    else:
        _fill_sqlite(ledger, rows, ending)


Ending = Callable[[], tuple[str, str, Trail]]


def _fill_sqlite(
    ledger: SQLiteLedger,
    rows: Iterable[tuple[str, bytes, Entry]],
    ending: Ending,
) -> None:
    with ledger._db.writing() as connection:  # noqa: SLF001 - as above
        for name, key, entry in rows:
            connection.execute(
                "INSERT OR IGNORE INTO subjects VALUES (?, ?, ?)",
                (entry.subject, name, key),
            )
            connection.execute(
                "INSERT INTO entries VALUES (?, ?, ?, ?)",
                (entry.seq, entry.body, entry.hash, entry.subject),
            )
        origin, note, _trail = ending()
        connection.execute("INSERT INTO head VALUES (1, ?, ?)", (origin, note))


def _fill_postgresql(
    url: str,
    rows: Iterable[tuple[str, bytes, Entry]],
    ending: Ending,
) -> None:
    import psycopg

    from consentkit.ledger.tree import Frontier

    frontier = Frontier()
    subjects, tails = [], []
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET search_path = {SCHEMA}")
        with cursor.copy("COPY entries FROM STDIN") as copy:
            for name, key, entry in rows:
                body = entry.body
                nodes = frontier.add(leaf_hash(body.encode()))
                copy.write_row(
                    (entry.seq, body, entry.hash, entry.subject, nodes)
                )
                subjects.append((entry.subject, name, key))
                tails.append((entry.subject, entry.seq, entry.hash))
        for table, made in (("subjects", subjects), ("tails", tails)):
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in made:
                    copy.write_row(row)
        origin, note, trail = ending()
        cursor.execute(
            "UPDATE head SET origin = %s, size = %s, last = %s, "
            "frontier = %s, checkpoint = %s",
            (
                origin,
                trail.size,
                trail.last,
                b"".join(trail.frontier.hashes),
                note,
            ),
        )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {SCHEMA}")
        # As the server does by itself some time after so many rows.
        connection.execute("VACUUM (ANALYZE)")


def _decide(
    kit: consentkit.Kit,
    count: int,
    arguments: argparse.Namespace,
) -> None:
    """
    Measure decisions: of people at hand, then of people picked at random.
    """
    picked = random.Random(7)  # noqa: S311 - the same people each time
    warm = [kit.subject(_name(n)) for n in range(min(1_000, count))]
    for person in warm:
        found = person.decide(FUNCTION, DATA_TYPE, in_use=True)
        if not isinstance(found, consentkit.Permit):
            msg = f"the benchmark's own people are refused: {found}"
            raise TypeError(msg)
    times, worked = [], []
    for _ in range(arguments.decisions):
        person = picked.choice(warm)
        own = time.thread_time_ns()
        began = time.perf_counter_ns()
        person.decide(FUNCTION, DATA_TYPE, in_use=True)
        times.append(time.perf_counter_ns() - began)
        worked.append(time.thread_time_ns() - own)
    _quantiles("cached decision, kit kept", times)
    # On a busy machine the hundredth one waits for a processor.
    _quantiles("  of it at work, not waiting", worked)

    times = []
    for _ in range(arguments.uncached):
        name = _name(picked.randrange(min(1_000, count)))
        began = time.perf_counter_ns()
        kit.subject(name).decide(FUNCTION, DATA_TYPE, in_use=True)
        times.append(time.perf_counter_ns() - began)
    _quantiles("entries at hand, kit made anew", times)

    cold = picked.sample(
        range(len(warm), count), min(arguments.uncached, count - len(warm))
    )
    times = []
    for number in cold:
        began = time.perf_counter_ns()
        kit.subject(_name(number)).decide(FUNCTION, DATA_TYPE, in_use=True)
        times.append(time.perf_counter_ns() - began)
    _quantiles("uncached decision", times)


def _append(kit: consentkit.Kit, count: int) -> None:
    """
    Measure choices of people who are new.
    """
    times = []
    for number in range(count):
        person = kit.subject(f"new-{number}")
        began = time.perf_counter_ns()
        person.consent.grant(FUNCTION)
        times.append(time.perf_counter_ns() - began)
    _quantiles("first choice of a new person", times)
    rate = count / (sum(times) / 1e9)
    print(f"  {'appended, one at a time':44} {rate:>10,.0f} choices/s")


def _watch(
    kit: consentkit.Kit,
    place: Sequence[str],
    names: Iterable[str],
    *,
    is_new: bool = True,
) -> None:
    """
    Measure from the return of a choice until another process has it.

    Args:
        kit: Makes the choices.

        place: What the other process is told of the ledger.

        names: Who chooses, one after the other.

        is_new: Whether nothing was chosen by them yet; else they said yes.
    """
    *before, folder = place
    data = str(Path(folder) / "other")
    watcher = subprocess.Popen(  # noqa: S603 - this same Python
        [
            sys.executable,
            "-c",
            _WATCHER,
            *before,
            str(POLICY),
            data,
            FUNCTION,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stdin, stdout = watcher.stdin, watcher.stdout
    if stdin is None or stdout is None:
        msg = "the other process has no pipes"
        raise RuntimeError(msg)
    grants: list[int] = []
    withdrawals: list[int] = []
    own: list[bool] = []
    for name in names:
        person = kit.subject(name)
        acts = (
            (person.consent.grant, grants),
            (person.consent.withdraw, withdrawals),
        )
        for act, seen in acts if is_new else acts[::-1]:
            print(name, file=stdin, flush=True)
            stdout.readline()
            time.sleep(random.random() / 20)  # noqa: S311 - any moment
            act(FUNCTION)
            done = time.monotonic()
            permits = person.consent.state().permits(FUNCTION)
            own.append(permits is (seen is grants))
            found = float(stdout.readline())
            seen.append(int((found - done) * 1e9))
    stdin.close()
    watcher.wait()
    _quantiles("grant returned -> other process sees it", grants)
    _quantiles("withdraw returned -> other process sees it", withdrawals)
    print(f"  {'own process sees it at once':44} {json.dumps(all(own)):>10}")


def _quantiles(what: str, times: Sequence[int]) -> None:
    if not times:
        return
    ordered = sorted(times)
    half = ordered[len(ordered) // 2] / 1000
    most = ordered[int(len(ordered) * 0.99)] / 1000
    print(
        f"  {what:44} {half:>10,.1f} us p50 {most:>10,.1f} us p99  "
        f"n = {len(ordered):,}"
    )


def _say(what: str, seconds: float) -> None:
    print(f"  {what:44} {seconds:>10,.1f} s")


if __name__ == "__main__":
    sys.exit(main())
