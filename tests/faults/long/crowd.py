# SPDX-License-Identifier: MIT

"""
Eight processes of four threads on one data folder, and what became of what
they were promised.

    python -m tests.faults.long.crowd --captures 40

All threads capture. A thread of each of the first two processes delivers all
the while, over a bad network; one of the third withdraws two functions and
grants them again. Nobody is killed, so that nothing excuses a loss.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.faults.long.command import broken, carry_out
from tests.faults.long.promises import Notes, acts_of, read
from tests.faults.long.world import App, World, refusals, versions
from tests.faults.support import start_child


PROCESSES: Final = 8
THREADS: Final = 4


class Process:
    """
    One process of the crowd.

    Args:
        world: Where it lives.

        number: Which it is.

        captures: How many events each thread captures.

        seed: Of all chances.
    """

    def __init__(
        self, world: World, number: int, *, captures: int, seed: int
    ) -> None:
        self._captures = captures
        self._over = world.folder / "over"
        self._number = number
        opener = self._app(world, 9, seed)
        opener.open()
        self._apps = [
            self._app(world, thread, seed, kit=opener.kit)
            for thread in range(THREADS)
        ]

    def _app(
        self, world: World, thread: int, seed: int, **options: Any
    ) -> App:
        return App(
            world,
            life=0,
            actor=f"{self._number}.{thread}",
            seed=(seed, self._number, thread),
            is_alone=False,
            # So that something is due in the end, whoever ends last.
            never=["stats"],
            **options,
        )

    def run(self) -> None:
        """
        Let the threads work, and wait for them.
        """
        work: list[Callable[[App], None]] = [self._capture] * THREADS
        if self._number < 2:
            work[0] = self._deliver
        elif self._number == 2:
            work[0] = self._choose
        threads = [
            threading.Thread(target=one, args=(app,))
            for one, app in zip(work, self._apps, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._apps[0].kit.close()

    def _capture(self, app: App) -> None:
        for _ in range(self._captures):
            app.do("capture")

    def _deliver(self, app: App) -> None:
        while not self._over.exists():
            app.do("flush")

    def _choose(self, app: App) -> None:
        for _ in range(max(2, self._captures // 4)):
            app.do("capture")
            app.do("withdraw")
            app.do("capture")
            app.do("grant")


def run(folder: Path, *, captures: int, seed: int) -> dict[str, Any]:
    """
    Let the crowd work, and give the figures.
    """
    begun = time.monotonic()
    # One pause of a day would end all delivery of a kit.
    world = World(folder, seed=seed, without=["pause_for_years"])
    notes = Notes(world.notes, life=0, actor="parent")
    notes.write(step="born")

    def first() -> None:
        app = App(world, life=0, actor="8", seed=seed, is_alone=True)
        app.open()
        for _ in range(3):
            app.grant()
        app.kit.close()

    def one(number: int) -> None:
        Process(world, number, captures=captures, seed=seed).run()

    try:
        pids = [start_child(first)]
        statuses = [os.waitpid(pids[0], 0)[1]]
        pids = [start_child(lambda n=n: one(n)) for n in range(PROCESSES)]  # type: ignore[misc]
        statuses += [os.waitpid(pid, 0)[1] for pid in pids[2:]]
        (folder / "over").touch()
        statuses += [os.waitpid(pid, 0)[1] for pid in pids[:2]]
        notes.write(step="dead")
        working = time.monotonic() - begun
        verdict, doubts = world.audit(1)
        faults = world.heal()
    finally:
        world.end()
    lines = read(world.notes)
    acts = acts_of(lines)
    return {
        **versions(),
        "seed": seed,
        "processes": PROCESSES,
        "threads": THREADS,
        "seconds": round(working, 1),
        "ended_badly": [status for status in statuses if status],
        "captured": verdict.captured,
        "refused": dict(refusals(lines)),
        "withdrawals": sum(act.name == "withdraw" for act in acts),
        "flushes": sum(act.name == "flush" for act in acts),
        "exchanges": sum(faults.values()),
        "due": len(verdict.due),
        "arrived": verdict.arrived,
        **broken(verdict),
        "doubts": doubts,
        "all_kept": verdict.is_kept and not doubts and not any(statuses),
    }


def main(arguments: list[str]) -> int:
    """
    Run, print the figures, and tell whether all was kept.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.long.crowd",
        description="Let eight processes of four threads work on one data "
        "folder, and say what became of what they were promised.",
    )
    parser.add_argument(
        "--captures",
        type=int,
        default=250,
        help="how many events each thread captures (default: %(default)s)",
    )
    return carry_out(run, parser, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
