# SPDX-License-Identifier: MIT

"""
Kills an app again and again, at moments taken from a seed, and says what
became of what it was promised.

    python -m tests.faults.long.kills --kills 1000 --seed 1

Each life of the app captures, flushes, withdraws, grants and rotates keys
over a bad network, until it is killed within an act that was chosen before:
how far into it, the seed says. The seed fixes what is done and aimed at; what
the processes have got to by then, no seed can fix. At the end the network is
healed, everything is delivered, and the judge compares.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import sys
import time

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.faults.long.command import broken, carry_out
from tests.faults.long.promises import Act, Notes, Verdict, acts_of, read
from tests.faults.long.world import App, World, refusals, versions
from tests.faults.support import start_child


#: The acts that a kill is aimed at, each with its share and with about how
#: long it takes, in seconds; the latter is learned.
_AIMS: Final = {
    "open": (1, 0.02),
    "capture": (3, 0.01),
    "burst": (2, 0.1),
    "flush": (7, 0.2),
    "withdraw": (6, 0.05),
    "grant": (1, 0.02),
    "rotate": (3, 0.02),
}
#: What a life does beside.
_SHARES: Final = {
    "capture": 50,
    "burst": 8,
    "flush": 14,
    "withdraw": 1,
    "grant": 8,
    "rotate": 1,
}
#: How often a second process of the app captures and flushes beside.
_COMPANY: Final = 0.25
#: After how many lives the receiver is killed too, and everything audited.
_RECEIVER_EVERY: Final = 20
_AUDIT_EVERY: Final = 25
#: A life that does not come to its aim in that time hangs.
_PATIENCE_SECONDS: Final = 60.0


class Hunter:
    """
    Starts lives of the app and kills them.
    """

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        self._chance = random.Random(seed)
        self._takes = {aim: seconds for aim, (_, seconds) in _AIMS.items()}
        #: When, and in which life, each process was killed.
        self.moments: list[tuple[int, str, float]] = []
        self.receivers_killed = 0
        self.hung: list[int] = []

    def kill_one(self, life: int) -> None:
        """
        Start a life, aim, and kill all its processes.
        """
        (aim,) = self._chance.choices(
            list(_AIMS), [share for share, _ in _AIMS.values()]
        )
        far = self._chance.random()
        has_company = self._chance.random() < _COMPANY
        notes = Notes(self._world.notes, life=life, actor="parent")
        notes.write(step="born", aim=aim)
        ready, tell = os.pipe()
        actors = {"0": start_child(lambda: self._live(life, aim, tell))}
        if has_company:
            actors["1"] = start_child(lambda: self._keep_company(life))
        os.close(tell)
        try:
            self._wait(ready, life)
            time.sleep(far * self._takes[aim])
            if (life + 1) % _RECEIVER_EVERY == 0:
                # Before the app, so that the app sees it happen.
                self._world.kill_receiver()
                self.receivers_killed += 1
        finally:
            for actor, pid in actors.items():
                os.kill(pid, signal.SIGKILL)
                self.moments.append((life, actor, time.monotonic()))
            for pid in actors.values():
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                if status != -signal.SIGKILL:
                    notes.write(error=f"a process ended by itself: {status}")
        notes.write(step="dead")
        self._learn(aim, ready)

    def _wait(self, ready: int, life: int) -> None:
        if not select.select([ready], [], [], _PATIENCE_SECONDS)[0]:
            self.hung.append(life)
            return
        os.read(ready, 1)

    def _learn(self, aim: str, ready: int) -> None:
        """
        Aim better next time: most kills are to fall into the act.
        """
        said = b""
        while more := os.read(ready, 4096):
            said += more
        os.close(ready)
        if said:
            took = 1.1 * float(said.decode().split()[0])
            self._takes[aim] += 0.3 * (took - self._takes[aim])
        else:
            self._takes[aim] *= 1.05
        self._takes[aim] = min(self._takes[aim], 2.0)

    def _live(self, life: int, aim: str, tell: int) -> None:
        app = App(
            self._world,
            life=life,
            actor="0",
            seed=(self._seed, life),
            is_alone=True,
        )
        if aim == "open":
            self._aim(app, aim, tell)
        else:
            app.do("open")
            app.do("grant_some")
            for _ in range(app.chance.randint(0, 4)):
                app.do(_some(app, _SHARES))
            self._aim(app, aim, tell)
        while True:
            app.do(_some(app, _SHARES))

    def _aim(self, app: App, aim: str, tell: int) -> None:
        os.write(tell, b"x")
        begun = time.monotonic()
        app.do(aim)
        os.write(tell, f"{time.monotonic() - begun} ".encode())

    def _keep_company(self, life: int) -> None:
        app = App(
            self._world,
            life=life,
            actor="1",
            seed=(self._seed, life, "company"),
            is_alone=False,
        )
        app.do("open")
        while True:
            app.do(_some(app, {"capture": 8, "burst": 1, "flush": 2}))


def _some(app: App, shares: Mapping[str, int]) -> str:
    (name,) = app.chance.choices(list(shares), list(shares.values()))
    return name


def points(
    acts: list[Act],
    moments: list[tuple[int, str, float]],
    exchanges: list[dict[str, Any]],
) -> Counter[str]:
    """
    Tell in which acts the kills fell.

    Within a transfer, ``seal`` is before its first byte is at the other end,
    ``send`` before its last one is, and ``answer`` is after that.
    """
    cut: dict[tuple[int, str], list[Act]] = {}
    for act in acts:
        if act.is_cut:
            cut.setdefault((act.life, act.actor), []).append(act)
    found: Counter[str] = Counter()
    for life, actor, moment in moments:
        names = [act.name for act in cut.get((life, actor), ())]
        if "transfer" not in names:
            found[names[-1] if names else "between"] += 1
            continue
        (transfer,) = (
            act for act in cut[life, actor] if act.name == "transfer"
        )
        there = [
            one
            for one in exchanges
            if transfer.begun <= one["begun"] <= moment <= one["passed"] + 0.05
        ]
        if not there:
            found["seal"] += 1
        elif moment < there[-1].get("read", float("inf")):
            found["send"] += 1
        else:
            found["answer"] += 1
    return found


def run(folder: Path, *, kills: int, seed: int) -> dict[str, Any]:
    """
    Kill so often, and give the figures.
    """
    begun = time.monotonic()
    world = World(folder, seed=seed)
    hunter = Hunter(world, seed)
    verdicts: list[Verdict] = []
    doubts: list[str] = []
    lives = 0
    try:
        while len(hunter.moments) < kills:
            hunter.kill_one(lives)
            lives += 1
            if lives % _AUDIT_EVERY and len(hunter.moments) < kills:
                continue
            verdict, doubted = world.audit(lives)
            verdicts.append(verdict)
            doubts += doubted
            _tell(len(hunter.moments), kills, begun)
            if doubted or not verdict.is_kept:
                break  # what comes after would only hide it
        faults = world.heal()
    finally:
        world.end()
    lines = read(world.notes)
    acts = acts_of(lines)
    exchanges = [json.loads(one) for one in world.log.read_text().splitlines()]
    last = verdicts[-1]
    return {
        **versions(),
        "seed": seed,
        "kills": len(hunter.moments),
        "lives": lives,
        "seconds": round(time.monotonic() - begun, 1),
        "killed_in": dict(
            points(acts, hunter.moments, exchanges).most_common()
        ),
        "receivers_killed": hunter.receivers_killed,
        "exchanges": len(exchanges),
        "faults": faults,
        "captured": last.captured,
        "withdrawals": sum(one.name == "withdraw" for one in acts),
        "grants": sum(one.name == "grant" for one in acts),
        "rotations": sum(one.name == "rotate" for one in acts),
        "flushes": sum(one.name == "flush" for one in acts),
        "refused": dict(refusals(lines)),
        "counts": json.loads(world.counts.read_text()),
        "audits": len(verdicts),
        "due": len(frozenset().union(*(one.due for one in verdicts))),
        **broken(last),
        "hung": hunter.hung,
        "doubts": doubts,
        "all_kept": last.is_kept and not (hunter.hung or doubts),
    }


def _tell(done: int, kills: int, begun: float) -> None:
    seconds = time.monotonic() - begun
    print(
        f"{done} of {kills} kills, {seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )


def main(arguments: list[str]) -> int:
    """
    Run, print the figures, and tell whether all was kept.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.long.kills",
        description="Kill an app again and again, and say what became of "
        "what it was promised.",
    )
    parser.add_argument(
        "--kills", type=int, default=1000, help="(default: %(default)s)"
    )
    return carry_out(run, parser, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
