# SPDX-License-Identifier: MIT
"""
What is measured: each figure makes numbers of one run of one peer.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from benchmarks.scoreboard.peers import APART, FLOOR, OURS, Peer
from benchmarks.scoreboard.processes import (
    Board,
    Client,
    ClientError,
    environment,
)


__all__ = ["BATCH", "FIGURES", "Figure", "Values"]

#: By name, what one run gave.
Values = Mapping[str, float]

#: Events of one batch, where the size of batches matters.
BATCH: Final = 500

_SLOW_SECONDS: Final = 0.2

#: What an import should not bring: HTTP, SQL, cryptography.
_HEAVY: Final = (
    "_sqlite3",
    "aiohttp",
    "cryptography",
    "http.client",
    "httpx",
    "httpx2",
    "requests",
    "ssl",
    "urllib3",
)


@frozen(kw_only=True)
class Figure:
    """
    One figure of the board.

    Attributes:
        title: For its table.

        columns: By the name of a value: heading, and digits after the point.

        measure: Makes the values of one run, out of the board, the peer's
            name and class, and a number of events.

        events: How many; multiplied by ``--scale``.

        runs: How often, if the command line does not say.

        takes: Which peers have it.

        by_default: Whether it is measured unless it is asked for.
    """

    title: str
    columns: Mapping[str, tuple[str, int]]
    measure: Callable[[Board, str, type[Peer], int], Values]
    events: int = 0
    runs: int = 3
    takes: Callable[[str, type[Peer]], bool] = lambda name, _: name != APART
    by_default: bool = True


# The caller's thread


def _capture(
    board: Board,
    name: str,
    events: int,
    *,
    per_second: int | None = None,
    delay_seconds: float = 0.0,
) -> Values:
    board.sink.begin(delay_seconds=delay_seconds)
    client = board.client(
        "capture",
        name,
        events=events,
        per_second=per_second,
        # Paced, the queue that it has must do.
        queue_size=None if per_second else events + 1_000,
    )
    found = client.facts(within_seconds=120)
    client.end(within_seconds=10)
    return found


def _burst(board: Board, name: str, _: type[Peer], events: int) -> Values:
    return _capture(board, name, events)


def _paced(board: Board, name: str, _: type[Peer], events: int) -> Values:
    return _capture(board, name, events, per_second=1_000)


def _slow(board: Board, name: str, _: type[Peer], events: int) -> Values:
    return _capture(
        board, name, events, per_second=1_000, delay_seconds=_SLOW_SECONDS
    )


_CALL: Final = {
    "mean_us": ("mean µs", 1),
    "p50_us": ("p50 µs", 1),
    "p99_us": ("p99 µs", 1),
    "slowest_ms": ("slowest ms", 1),
}


# Delivery


def _delivery(board: Board, name: str, _: type[Peer], events: int) -> Values:
    board.sink.begin()
    client = board.client(
        "deliver",
        name,
        events=events,
        queue_size=events + 1_000,
        batch_size=BATCH,
    )
    flushed = client.facts(within_seconds=180)
    found = board.sink.wait(events, settle_seconds=3, most_seconds=60)
    client.go_on()
    processor = client.facts(within_seconds=20)["processor"]
    client.end(within_seconds=10)
    came = found["events"]
    if not came:
        return {"lost": events}
    return {
        "per_second": came / (found["last_new_at"] - flushed["begun"]) * 1e9,
        "processor_us": processor / came * 1e6,
        "wire_bytes": found["wire_bytes"] / found["sightings"],
        "per_request": came / found["requests"],
        "lost": events - came,
        "doubled": found["sightings"] - came,
    }


# Losing


def _after_restart(
    board: Board, name: str, peer: type[Peer], home: Path, events: int
) -> dict[str, int]:
    """
    Start the app again on the same data, for as long as that brings more.
    """
    before, found = -1, board.sink.count()
    while before < found["events"] < events:
        before = found["events"]
        client = board.client("again", name, home=home)
        client.facts(within_seconds=60)
        found = board.sink.wait(
            events, settle_seconds=peer.settle_seconds, most_seconds=120
        )
        client.go_on()
        client.end(within_seconds=10)
    return found


def _lost(captured: int, found: Mapping[str, int]) -> dict[str, float]:
    return {
        "captured": captured,
        "lost": captured - found["events"],
        "doubled": found["sightings"] - found["events"],
    }


def _kill(board: Board, name: str, peer: type[Peer], events: int) -> Values:
    board.sink.begin(is_down=True)
    home = board.new_home()
    client = board.client("kill", name, home=home, events=events)
    patience = board.capture_seconds + 60
    captured = client.facts(within_seconds=patience)["captured"]
    client.end(within_seconds=10)
    board.sink.turn()
    return _lost(captured, _after_restart(board, name, peer, home, captured))


def _outage(board: Board, name: str, peer: type[Peer], events: int) -> Values:
    board.sink.begin(is_down=True)
    home = board.new_home()
    client = board.client("outage", name, home=home, events=events)
    said = client.facts(within_seconds=board.capture_seconds + 120)
    client.go_on()
    ends_at = client.facts(within_seconds=20)["ends_at"]
    is_ended = client.end(within_seconds=board.exit_seconds)
    exit_seconds = (time.monotonic_ns() - ends_at) / 1e9
    board.sink.turn()
    found = _after_restart(board, name, peer, home, said["captured"])
    return {
        **_lost(said["captured"], found),
        "growth_mib": said["growth_mib"],
        "slowest_ms": said["slowest_ms"],
        "exit_s": exit_seconds,
        "killed": float(not is_ended),
    }


# A long backlog


def _million(board: Board, name: str, _: type[Peer], events: int) -> Values:
    board.sink.begin(is_down=True)
    home = board.new_home()
    room = {"queue_size": events + 1_000, "batch_size": BATCH}
    filling = board.client(
        "outage",
        name,
        home=home,
        events=events,
        capture_seconds=3_600,
        **room,
    )
    said = filling.facts(within_seconds=3_700)
    filling.go_on()
    filling.facts(within_seconds=60)
    filling.end(within_seconds=60)
    board.sink.turn()
    waking = board.client("wake", name, home=home, send_seconds=1.5, **room)
    woke = waking.facts(within_seconds=120)
    came = board.sink.count()
    # Whatever was under way has had its time.
    time.sleep(1)
    late = board.sink.count()["events"] - came["events"]
    waking.go_on()
    waking.end(within_seconds=10)
    found = {
        "captured": said["captured"],
        "fill_s": said["seconds"],
        "growth_mib": said["growth_mib"],
        "wake_mib": woke["growth_mib"],
        "open_s": (woke["opened"] - woke["begun"]) / 1e9,
    }
    if came["first_at"]:
        found["first_s"] = (came["first_at"] - woke["begun"]) / 1e9
    if "withdrawn" in woke:
        found["withdraw_ms"] = woke["withdrawn"] / 1e6
        found["left"] = woke["left"]
        found["late"] = late
    return found


# What it costs to have it


def _python(board: Board, code: str) -> tuple[float, str]:
    home = board.new_home()
    begun = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - code of ours
        [sys.executable, "-c", code],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    took = time.perf_counter() - begun
    if done.returncode:
        raise ClientError(done.stderr.strip().rpartition("\n")[2])
    return took, done.stdout


def _import(board: Board, name: str, peer: type[Peer], _: int) -> Values:
    heavy = json.dumps(_HEAVY)
    tell = f"; import sys; print(sum(m in sys.modules for m in {heavy}))"
    printed = _python(board, peer.statement + tell)[1]
    turns = [
        (_python(board, "pass")[0], _python(board, peer.statement)[0])
        for _ in range(5)
    ]
    board.sink.begin()
    client = board.client("ready", name)
    found = client.facts(within_seconds=60)
    client.end(within_seconds=10)
    return {
        "import_ms": statistics.median(b - a for a, b in turns) * 1e3,
        "heavy": int(printed),
        "ready_ms": found["ready_ms"],
    }


def _refused(board: Board, name: str, _: type[Peer], __: int) -> Values:
    board.sink.begin()
    client: Client = board.client("refuse", name, enabled=False)
    found = client.facts(within_seconds=60)
    client.end(within_seconds=10)
    return found


FIGURES: Final[Mapping[str, Figure]] = {
    "burst": Figure(
        title="One capture, in a burst",
        columns=_CALL,
        measure=_burst,
        events=10_000,
        runs=5,
        takes=lambda *_: True,
    ),
    "paced": Figure(
        title="One capture, at 1,000 a second",
        columns=_CALL,
        measure=_paced,
        events=2_000,
        takes=lambda *_: True,
    ),
    "slow": Figure(
        title="One capture, at 1,000 a second, where the backend takes 0.2 s",
        columns=_CALL,
        measure=_slow,
        events=2_000,
        takes=lambda *_: True,
    ),
    "delivery": Figure(
        title="Delivery, in batches of 500",
        columns={
            "per_second": ("events/s", 0),
            "processor_us": ("client CPU µs/event", 1),
            "wire_bytes": ("bytes/event", 0),
            "per_request": ("events/request", 0),
            "lost": ("lost", 0),
            "doubled": ("doubled", 0),
        },
        measure=_delivery,
        events=10_000,
        runs=5,
        takes=lambda *_: True,
    ),
    "kill": Figure(
        title="kill -9 right after the last capture",
        columns={
            "captured": ("captured", 0),
            "lost": ("lost", 0),
            "doubled": ("doubled", 0),
        },
        measure=_kill,
        events=1_000,
        runs=1,
    ),
    "outage": Figure(
        title="The backend is down, then the process ends",
        columns={
            "captured": ("captured", 0),
            "lost": ("lost", 0),
            "doubled": ("doubled", 0),
            "growth_mib": ("more memory MiB", 1),
            "slowest_ms": ("slowest ms", 1),
            "exit_s": ("exit s", 2),
            "killed": ("had to be killed", 0),
        },
        measure=_outage,
        events=50_000,
        runs=1,
    ),
    "import": Figure(
        title="Import, and the way to the first event",
        columns={
            "import_ms": ("import ms", 1),
            "heavy": ("of HTTP, SQL, cryptography", 0),
            "ready_ms": ("first event ms", 0),
        },
        measure=_import,
    ),
    "refused": Figure(
        title="One capture that is refused, or switched off",
        columns={"ns": ("ns", 0)},
        measure=_refused,
        runs=5,
        takes=lambda name, peer: peer.can_be_off and name != APART,
    ),
    "million": Figure(
        title="A million waiting events",
        columns={
            "captured": ("captured", 0),
            "fill_s": ("capturing s", 1),
            "growth_mib": ("more memory MiB", 1),
            "wake_mib": ("memory after restart MiB", 1),
            "open_s": ("open s", 3),
            "first_s": ("first delivery s", 3),
            "withdraw_ms": ("withdrawal ms", 1),
            "left": ("left after it", 0),
            "late": ("came after it", 0),
        },
        measure=_million,
        events=1_000_000,
        runs=1,
        takes=lambda name, _peer: name in {OURS, FLOOR},
        by_default=False,
    ),
}
