# SPDX-License-Identifier: MIT

"""
What is captured while the disk takes nothing: it waits in memory, with one
warning and a bound, and goes to the disk when that takes it again.

The disk takes nothing since no file of the process may grow, which is set and
lifted in the process itself.
"""

from __future__ import annotations

from pathlib import Path

from tests.faults.support import run


COMMON = r"""
import logging, os, resource, sys
from pathlib import Path
from consentkit import Limits
from consentkit.exceptions import StoreError
from tests.faults.support import *

folder = Path(sys.argv[1])
said = []

class Said(logging.Handler):
    def emit(self, record):
        said.append((record.levelname, record.getMessage()))

logging.getLogger("consentkit").addHandler(Said())
logging.getLogger("consentkit").setLevel("INFO")

def let(most):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))

def full():
    let(1)

def free():
    let(resource.RLIM_INFINITY)

def warnings():
    return [text for level, text in said if level == "WARNING"]

backend = Backend(folder / "backend")
"""


def live(program: str, tmp_path: Path) -> None:
    """
    Run *program* in a fresh Python.
    """
    run(COMMON + program, tmp_path)


class TestMemory:
    """
    Tests for captures that the disk does not take.
    """

    def test_they_wait_and_go_to_the_disk(self, tmp_path: Path) -> None:
        """
        They say that they are not durable, are counted as waiting, keep their
        ids and their order, and arrive once.
        """
        live(
            r"""
kit = open_kit(folder / "data", "stats", transport=backend)
before = tick(kit, 0, 1)
full()
with kit.use("stats") as use:
    made = [use.capture(Ticked(n)) for n in range(2, 30)]
status = kit.status()
free()
assert all(made), made
assert {one.is_durable for one in made} == {False}, made
assert (status.waiting, status.in_memory) == (30, 28), status
assert len(warnings()) == 1, said
assert "free some space" in warnings()[0] or "write" in warnings()[0], said
after = tick(kit, 30)
report = kit.flush()
assert (report.delivered, report.waiting) == (31, 0), report
assert kit.status().in_memory == 0
expected = [*before, *(i for one in made for i in one.ids), *after]
assert backend.ids() == expected
assert [number(r) for r in backend.records()] == list(range(31))
kit.close()
assert len(warnings()) == 1, said
""",
            tmp_path,
        )

    def test_a_flush_alone_takes_them(self, tmp_path: Path) -> None:
        """
        Nothing has to be captured after the disk takes something again, and
        the next time it takes nothing is warned of anew.
        """
        live(
            r"""
kit = open_kit(folder / "data", "stats", transport=backend)
full()
first = tick(kit, 0, 1, 2)
problems = kit.flush().problems
free()
assert problems and "data" in problems[0], problems
assert kit.flush().delivered == 3
full()
second = tick(kit, 3)
free()
kit.close()
assert len(warnings()) == 2, said
kit = open_kit(folder / "data", transport=backend)
assert kit.flush().delivered == 1
assert backend.ids() == [*first, *second]
""",
            tmp_path,
        )

    def test_a_withdrawal_destroys_them(self, tmp_path: Path) -> None:
        """
        What a person takes back is gone from memory, even while nothing of it
        can be written down; what other functions captured is not.
        """
        live(
            r"""
kit = open_kit(folder / "data", "stats", "health", transport=backend)
full()
kept = tick(kit, 1)
gone = tock(kit, 2)
assert kept and gone
try:
    kit.consent.withdraw("health")
except StoreError:
    pass
free()
kit.flush()
assert backend.ids() == kept
kit.consent.withdraw("health")
kit.flush()
assert backend.ids() == kept
""",
            tmp_path,
        )

    def test_they_are_bounded(self, tmp_path: Path) -> None:
        """
        Beyond the bound nothing more is kept, and that is counted.
        """
        live(
            r"""
limits = Limits(memory_bytes=20_000)
kit = open_kit(
    folder / "data", "stats", transport=backend, limits=limits
)
full()
ids = tick(kit, *range(100), note="x" * 1000)
with kit.use("stats") as use:
    refused = use.capture(Ticked(0, "x" * 1000))
free()
assert 5 < len(ids) < 20, ids
assert refused.reason.value == "outbox_unusable", refused
assert "data" in refused.detail and "memory" in refused.detail, refused
kit.flush()
assert backend.ids() == ids
assert kit.status().counts["outbox_full"] == 101 - len(ids)
""",
            tmp_path,
        )

    def test_there_may_be_none(self, tmp_path: Path) -> None:
        """
        An app that wants nothing in memory says so; then each is refused with
        what the disk says, and nothing is warned of.
        """
        live(
            r"""
kit = open_kit(
    folder / "data", "stats", transport=backend,
    limits=Limits(memory_bytes=0),
)
tick(kit, 0)
full()
with kit.use("stats") as use:
    answers = [use.capture(Ticked(n)) for n in range(2000)]
free()
refused = [one for one in answers if not one]
assert {one.reason.value for one in refused} == {"outbox_unusable"}, refused
assert refused and "data" in refused[0].detail, refused[:1]
assert warnings() == [], said
""",
            tmp_path,
        )

    def test_they_expire(self, tmp_path: Path) -> None:
        """
        What its retention ends for in memory is not kept beyond it, and is
        counted.
        """
        live(
            r"""
clock = Clock()
kit = open_kit(folder / "data", "stats", transport=backend, clock=clock)
tick(kit, 0)
assert kit.flush().delivered == 1
full()
assert tick(kit, 1)
clock.tick(days=200)
kit.flush()
in_memory = kit.status().in_memory
free()
assert in_memory == 0
kit.flush()
assert len(backend.ids()) == 1
assert kit.status().counts["expired"] == 1, kit.status()
""",
            tmp_path,
        )

    def test_a_clock_that_leaps(self, tmp_path: Path) -> None:
        """
        A clock that is years ahead for a moment destroys nothing in memory;
        one that stays there does, at a second look.
        """
        live(
            r"""
from consentkit.outbox import clock as module

clock = Clock()
kit = open_kit(folder / "data", "stats", transport=backend, clock=clock)
tick(kit, 0)
assert kit.flush().delivered == 1
full()
assert tick(kit, 1)
clock.tick(days=1200)
kit.flush()
assert kit.status().in_memory == 1
clock.tick(days=-1200)
kit.flush()
assert tick(kit, 2)
assert kit.status().in_memory == 2
clock.tick(days=1200)
kit.flush()
assert kit.status().in_memory == 2
# Ten minutes later.
seconds = module.monotonic
module.monotonic = lambda: seconds() + 601
kit.flush()
assert kit.status().in_memory == 0
free()
assert kit.flush().waiting == 0
assert kit.status().counts == {"delivered": 1, "expired": 2}, kit.status()
""",
            tmp_path,
        )

    def test_a_child_leaves_them_to_its_parent(self, tmp_path: Path) -> None:
        """
        After a fork they are the parent's alone, and arrive once.
        """
        live(
            r"""
kit = open_kit(folder / "data", "stats", transport=backend)
first = tick(kit, 0)
full()
kept = tick(kit, 1, 2)

def work():
    free()
    assert kit.status().in_memory == 0
    assert tick(kit, 3)

assert in_child(work) == 0
free()
kit.flush()
ids = backend.ids()
assert len(ids) == 4 and set(first + kept) < set(ids), ids
""",
            tmp_path,
        )

    def test_the_end_tells_what_goes_with_it(self, tmp_path: Path) -> None:
        """
        An app that closes while the disk still takes nothing is told how many
        records go with it, and what was on the disk before arrives.
        """
        live(
            r"""
kit = open_kit(folder / "data", "stats", transport=backend)
before = tick(kit, 0)
full()
assert len(tick(kit, 1, 2)) == 2
kit.close()
free()
assert len(warnings()) == 2, said
assert "2 records" in warnings()[1], said
kit = open_kit(folder / "data", transport=backend)
kit.flush()
assert backend.ids() == before
""",
            tmp_path,
        )
