# SPDX-License-Identifier: MIT

"""
How long an app takes to end, in every state of its backend.

    python -m tests.faults.long.exits

Each program captures some events and comes to the end of its code, without a
last call, while nothing or a thread in the background delivers. What it had
captured goes out at the next start, each record once.
"""

from __future__ import annotations

import argparse
import math
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import frozen

import consentkit

from consentkit.receiver import Store, make_app, serve
from tests.faults.long.world import versions, warm_up, write_figures
from tests.faults.proxy import FAULTS, FaultProxy
from tests.faults.support import POLICY, ROOT


STATES: Final = (
    "up",
    "refusing",
    "resetting",
    "hanging",
    "dripping",
    "TLS broken",
)
WAYS: Final = ("no worker", "worker")
#: Beyond that, an app hangs.
HANG_SECONDS: Final = 10.0
EVENTS: Final = 20

_PROGRAM: Final = """
import sys, time
from tests.faults.support import open_kit, tick
data_dir, url, every = sys.argv[1:]
kit = open_kit(
    data_dir, "stats", transport=url,
    deliver_every=float(every) if every else None,
)
ids = tick(kit, *range(int(sys.stdin.readline())))
print(*ids, flush=True)
sys.stdin.readline()
print(time.monotonic(), flush=True)
"""
_FAULTS: Final = {
    "up": "no_fault",
    "refusing": "no_fault",
    "resetting": "cut",
    "hanging": "hang",
    "dripping": "drip",
    "TLS broken": "no_fault",
}


@frozen(kw_only=True)
class Ended:
    """
    How one program ended.

    Attributes:
        seconds: From the end of its code to the end of its process, or
            ``None`` if it had to be killed.

        said: What it wrote to its standard error.

        captured: Ids of what it captured.

        arrived: Ids of what the receiver had after the next start.
    """

    seconds: float | None
    said: str
    captured: list[str]
    arrived: list[str]


def end_one(folder: Path, state: str, way: str) -> Ended:
    """
    Let one program end, and then deliver what it left.
    """
    store = Store(folder / "received.sqlite3")
    try:
        with serve(make_app(store)) as server:
            with _backend(server.port, state) as (proxy, url):
                seconds, said, captured = _end(folder, proxy, url, state, way)
            with consentkit.open(
                POLICY, data_dir=folder / "data", transport=server.url
            ) as kit:
                kit.flush()
        arrived = [one.record.id for one in store.records()]
    finally:
        store.close()
    return Ended(
        seconds=seconds, said=said, captured=captured, arrived=arrived
    )


@contextmanager
def _backend(port: int, state: str) -> Iterator[tuple[FaultProxy, str]]:
    with FaultProxy(port, FAULTS[_FAULTS[state]]) as proxy:
        url = proxy.url
        if state == "TLS broken":
            # What answers there is no TLS at all.
            url = url.replace("http:", "https:")
        if state == "refusing":
            with proxy.refusing():
                yield proxy, url
        else:
            yield proxy, url


def _end(
    folder: Path, proxy: FaultProxy, url: str, state: str, way: str
) -> tuple[float | None, str, list[str]]:
    every = "0.01" if way == "worker" else ""
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(folder / "data"), url, every],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin
        assert program.stdout
        assert program.stderr
        program.stdin.write(f"{EVENTS}\n")
        program.stdin.flush()
        captured = program.stdout.readline().split()
        if way == "worker" and state != "refusing":
            # It is to end while the thread is at it.
            seen = proxy.met if state == "TLS broken" else proxy.there
            if not seen.wait(HANG_SECONDS):
                program.kill()
                msg = "nothing was sent in the background"
                raise RuntimeError(msg)
        program.stdin.write("\n")
        program.stdin.flush()
        over = float(program.stdout.readline())
        # Told by the kernel; `Popen.wait` looks every 50 ms.
        ended = os.pidfd_open(program.pid)
        there, _, _ = select.select([ended], [], [], HANG_SECONDS)
        seconds = time.monotonic() - over if there else None
        os.close(ended)
        program.kill()
        return seconds, program.stderr.read(), captured


def _without() -> float:
    """
    Measure the end of a program that has only imported the same.
    """
    program = (
        "import time, httpx, tests.faults.support; print(time.monotonic())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        ended = os.pidfd_open(process.pid)
        select.select([ended], [], [])
        took = time.monotonic()
        os.close(ended)
        assert process.stdout
        return took - float(process.stdout.read())


def run(folder: Path, *, repeats: int) -> dict[str, Any]:
    """
    Let programs end in every state, and give the figures.
    """
    table: dict[str, dict[str, list[float]]] = {}
    faults = []
    for state in STATES:
        for way in WAYS:
            took: list[float] = []
            for turn in range(repeats):
                place = folder / f"{state}-{way}-{turn}"
                place.mkdir()
                ended = end_one(place, state, way)
                if ended.seconds is None or ended.said:
                    faults.append(f"{state}, {way}: {ended.said or 'hangs'}")
                    continue
                took.append(ended.seconds)
                if sorted(ended.arrived) != sorted(ended.captured):
                    faults.append(f"{state}, {way}: not the same arrived")
            middle = statistics.median(took) if took else math.nan
            table.setdefault(state, {})[way] = [
                round(middle, 3),
                round(max(took, default=math.nan), 3),
            ]
    return {
        **versions(),
        "repeats": repeats,
        "without_a_kit_seconds": round(
            max(_without() for _ in range(repeats)), 3
        ),
        "exit_seconds_median_and_worst": table,
        "faults": faults,
        "all_kept": not faults,
    }


def main(arguments: list[str]) -> int:
    """
    Run, print the figures, and tell whether every program ended well.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.long.exits",
        description="Measure how long an app takes to end, in every state "
        "of its backend.",
    )
    parser.add_argument(
        "--repeats", type=int, default=5, help="(default: %(default)s)"
    )
    parser.add_argument(
        "--figures", type=Path, metavar="FILE", help="keep the figures here"
    )
    options = parser.parse_args(arguments)
    warm_up()
    with tempfile.TemporaryDirectory(prefix="consentkit-exits-") as made:
        figures = run(Path(made), repeats=options.repeats)
    write_figures(options.figures, figures)
    return 0 if figures["all_kept"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
