# SPDX-License-Identifier: MIT
"""
``kill -9`` at any moment: nothing is lost, nothing is doubled, and what was
withdrawn stays so.

Each program forks children and kills them; what they did is judged by the
files that they left and by the receiver's own store.
"""

from __future__ import annotations

import json

import pytest

from tests.faults.support import run


# Children capture and flush as fast as they can, and note each id only when
# `capture` has returned it.
RANDOM_MOMENTS = r"""
import json, os, random, signal, sys, time
from pathlib import Path
from tests.faults.support import *

folder, seconds, seed = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
noted, data_dir = folder / "noted", folder / "data"
pick = random.Random(seed)

class Slow(Backend):
    # Long enough to be killed in, on both sides of the moment that counts.
    def before(self, batch):
        time.sleep(0.002)
    def after(self, batch):
        time.sleep(0.002)

def capture_for_ever(number):
    kit = open_kit(data_dir, transport=Slow(folder / "backend.sqlite3"))
    # On a slow machine the first capture takes longer than the rest of a
    # life, so every other one is counted from behind it.
    if number % 2:
        os.write(begun, b"1")
    log = os.open(noted, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    n = first = number * 100_000
    while True:
        with kit.use("stats") as use:
            kept = use.capture(Ticked(n))
        os.write(log, f"{kept.ids[0]} {n}\n".encode())
        if n == first and not number % 2:
            os.write(begun, b"1")
        n += 1
        if n % 3 == 0:
            kit.flush()

def start():
    open_kit(data_dir, "stats").close()

assert in_child(start) == 0
rounds, end = 0, time.monotonic() + seconds
ready, begun = os.pipe()

def is_enough():
    # A busy machine may take longer to have something to lose.
    late = time.monotonic() > end + 40
    lines = noted.read_text().count("\n") if noted.exists() else 0
    return late or (rounds >= 10 and lines >= 10)

while time.monotonic() < end or not is_enough():
    pid = start_child(lambda: capture_for_ever(rounds))
    os.read(ready, 1)
    time.sleep(pick.uniform(0, 0.08))
    os.kill(pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
    rounds += 1

backend = Backend(folder / "backend.sqlite3")
kit = open_kit(data_dir, transport=backend)
reports = []
for _ in range(50):
    reports.append(kit.flush())
    if not reports[-1].waiting:
        break
lines = [line.split() for line in noted.read_text().splitlines()]
print(json.dumps({
    "rounds": rounds,
    "noted": {i: int(n) for i, n in lines},
    "there": [(r.id, r.value["n"]) for r in backend.records()],
    "waiting": reports[-1].waiting,
    "problems": reports[-1].problems,
    "keys": len(list((data_dir / "keys").glob("*.key"))),
}))
"""


def _kill_at_random(tmp_path, seconds: float, seed: int) -> dict:
    done = run(
        RANDOM_MOMENTS, tmp_path, seconds, seed, timeout_seconds=seconds + 60
    )
    found = json.loads(done.stdout)
    there = dict(found["there"])

    assert found["waiting"] == 0, seed
    assert found["problems"] == [], seed
    # Every id that was returned is there, under its own number.
    lost = found["noted"].items() - there.items()
    assert lost == set(), seed
    # Nothing is there twice: neither an id nor what was captured.
    numbers = [n for _, n in found["there"]]
    assert len(there) == len(numbers) == len(set(numbers)), seed
    # What was killed between its commit and its note may be there too.
    assert len(numbers) - len(found["noted"]) <= found["rounds"], seed
    assert found["keys"] == 1, seed
    return found


class TestCapture:
    """
    Between capture and delivery.
    """

    def test_killed_at_random(self, tmp_path):
        """
        Over many kills, each id that `capture` returned arrives exactly
        once, and nothing arrives twice.
        """
        found = _kill_at_random(tmp_path, seconds=3, seed=20261121)

        assert found["rounds"] >= 10
        assert len(found["noted"]) >= 10

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(4))
    def test_killed_at_random_for_long(self, tmp_path, seed):
        """
        So it does over thousands.
        """
        _kill_at_random(tmp_path, seconds=60, seed=seed)

    def test_killed_at_every_step(self, tmp_path):
        """
        Wherever a first capture is cut, the record is wholly there or not
        at all, and the next start goes on.
        """
        program = r"""
            import shutil, sys
            from pathlib import Path
            from tests.faults.support import *

            folder = Path(sys.argv[1])
            start = folder / "start"
            assert in_child(lambda: open_kit(start, "stats").close()) == 0

            def capture(data_dir, step):
                kit = open_kit(data_dir)
                DieAt(step)
                assert len(tick(kit, 1)) == 1

            def judge(data_dir):
                backend = Backend(data_dir.with_suffix(".backend"))
                kit = open_kit(data_dir, transport=backend)
                assert len(tick(kit, 2)) == 1
                report = kit.flush()
                numbers = [r.value["n"] for r in backend.records()]
                assert numbers in ([2], [1, 2]), numbers
                assert (report.problems, report.waiting) == ((), 0), report

            step, status = 0, -9
            while status == -9:
                step += 1
                data_dir = folder / f"step{step}"
                shutil.copytree(start, data_dir)
                status = in_child(lambda: capture(data_dir, step))
                assert in_child(lambda: judge(data_dir)) == 0, step
            assert status == 0
            print(step)
        """
        assert int(run(program, tmp_path, timeout_seconds=240).stdout) > 20

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_killed_in_a_transfer(self, tmp_path, moment):
        """
        A batch that was cut is sent again under the same id, whether the
        backend had it or not, and its records are stored once.
        """
        program = r"""
            import os, sys
            from pathlib import Path
            from tests.faults.support import *

            folder, moment = Path(sys.argv[1]), sys.argv[2]
            data_dir = folder / "data"

            class Deadly(Backend):
                def before(self, batch):
                    self.die("before", batch)
                def after(self, batch):
                    self.die("after", batch)
                def die(self, now, batch):
                    if now == moment:
                        (folder / "batch").write_text(batch.id)
                        os.kill(os.getpid(), 9)

            def flush():
                transport = Deadly(folder / "backend.sqlite3")
                kit = open_kit(data_dir, "stats", transport=transport)
                tick(kit, *range(5))
                kit.flush()

            assert in_child(flush) == -9
            backend = Backend(folder / "backend.sqlite3")
            had = len(backend.ids())
            kit = open_kit(data_dir, transport=backend)
            tick(kit, 5)
            report = kit.flush()
            assert [b.id for b in backend.sent][0] == (
                folder / "batch"
            ).read_text()
            assert len(backend.sent[0].records) == 5
            numbers = [r.value["n"] for r in backend.records()]
            assert numbers == list(range(6)), numbers
            print(had, report.delivered, report.duplicates)
        """
        done = run(program, tmp_path, moment)

        expected = {"before": "0 6 0", "after": "5 1 5"}
        assert done.stdout.strip() == expected[moment]

    def test_killed_at_every_step_of_a_flush(self, tmp_path):
        """
        Wherever a flush is cut, all records arrive once in the end.
        """
        program = r"""
            import shutil, sys
            from pathlib import Path
            from tests.faults.support import *

            folder = Path(sys.argv[1])
            start = folder / "start"

            def fill():
                kit = open_kit(start, "stats", "health")
                tick(kit, 1, 2)
                tock(kit, 3)
                kit.close()

            assert in_child(fill) == 0

            def flush(data_dir, step):
                backend = Backend(data_dir.with_suffix(".backend"))
                kit = open_kit(data_dir, transport=backend)
                DieAt(step)
                assert kit.flush().delivered == 3

            def judge(data_dir):
                backend = Backend(data_dir.with_suffix(".backend"))
                kit = open_kit(data_dir, transport=backend)
                report = kit.flush()
                assert (report.problems, report.waiting) == ((), 0), report
                numbers = sorted(r.value["n"] for r in backend.records())
                assert numbers == [1, 2, 3], numbers

            step, status = 0, -9
            while status == -9:
                step += 1
                data_dir = folder / f"step{step}"
                shutil.copytree(start, data_dir)
                status = in_child(lambda: flush(data_dir, step))
                assert in_child(lambda: judge(data_dir)) == 0, step
            assert status == 0
            print(step)
        """
        assert int(run(program, tmp_path, timeout_seconds=240).stdout) > 20


# A withdrawal with everything at stake: records waiting, some attempted, of
# three functions, in two lanes of one.
WITHDRAW = r"""
import os, shutil, sqlite3, sys
from pathlib import Path
from tests.faults.support import *
from consentkit.consent.state import Status

folder = Path(sys.argv[1])
start = folder / "start"
backend_file = folder / "backend.sqlite3"

def fill():
    backend = Backend(backend_file)
    kit = open_kit(start, "stats", "health", "shared", transport=backend)
    tick(kit, 1)
    assert kit.flush().delivered == 1
    tick(kit, 2, 3)
    tock(kit, 4, 5)
    tock(kit, 6, function="shared")
    kit.close()

assert in_child(fill) == 0
with sqlite3.connect(start / "outbox.sqlite3") as db:
    old = [w for (w,) in db.execute(
        "SELECT wrapped FROM lanes WHERE element = 'stats'"
    )]
db.close()
keys_before = [p.read_bytes() for p in (start / "keys").glob("*.key")]
assert len(old) == len(keys_before) == 1

def withdraw(data_dir, step):
    DieAt(step)
    kit = open_kit(data_dir)
    kit.consent.withdraw("stats")

def look(data_dir):
    # Only opened: that alone must complete it.
    kit = open_kit(data_dir)
    status = kit.consent.state().choices["stats"].status
    assert status in (Status.GRANTED, Status.WITHDRAWN), status
    waiting = {lane.element: lane.waiting for lane in kit.status().lanes}
    if status is Status.WITHDRAWN:
        assert waiting == {"health": 2, "shared": 1}, waiting
        assert kit.status().waiting == 3
        assert kit.status().erasures == 1
        assert len(list((data_dir / "keys").glob("*.key"))) == 1
        assert hits([*old, *keys_before], data_dir) == []
        assert tick(kit, 7) == []
    else:
        assert waiting == {"stats": 2, "health": 2, "shared": 1}, waiting
        assert kit.status().erasures == 0
    kit.close()

def deliver(data_dir):
    backend = Backend(data_dir.with_suffix(".backend"))
    partner = Scripted()
    kit = open_kit(
        data_dir, transport={"maker": backend, "partner": partner}
    )
    status = kit.consent.state().choices["stats"].status
    report = kit.flush()
    numbers = sorted(r.value["n"] for r in backend.records())
    if status is Status.WITHDRAWN:
        assert numbers == [4, 5], numbers
        assert report.erased == 1
    else:
        assert numbers == [1, 2, 3, 4, 5], numbers
    assert [r.value["n"] for b in partner.batches for r in b.records] == [6]
    assert (report.problems, report.waiting) == ((), 0), report
    os.write(1, f"{status.value} ".encode())

step, died = 0, -9
while died == -9:
    step += 1
    data_dir = folder / f"step{step}"
    shutil.copytree(start, data_dir)
    shutil.copy(backend_file, data_dir.with_suffix(".backend"))
    died = in_child(lambda: withdraw(data_dir, step))
    assert in_child(lambda: look(data_dir)) == 0, step
    assert in_child(lambda: deliver(data_dir)) == 0, step
assert died == 0
"""


@pytest.mark.obligation("WP-ADD-3", "WP-WDR-3")
def test_killed_at_every_step_of_a_withdrawal(tmp_path):
    """
    Wherever a withdrawal is cut, once it is in the ledger the next start
    completes it before all else: keys, records and old wrapped keys are gone,
    the erasure request waits, the other functions are untouched, and nothing
    of it ever arrives.
    """
    said = run(WITHDRAW, tmp_path, timeout_seconds=240).stdout.split()

    # First cut before the entry was durable, and from then on after it.
    assert said == sorted(said)
    assert said.count("granted") > 3
    assert said.count("withdrawn") > 20
