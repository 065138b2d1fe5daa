# SPDX-License-Identifier: MIT
"""
A kit that is carried over a fork.

Each program runs in a process of its own, as forking pytest itself would
drag its threads along.
"""

from __future__ import annotations

import os

import pytest

from tests.faults.support import run


pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this platform does not fork"
)

# In 3.12 and later, forking a process with threads warns; that is the
# situation that is to be shown.
START = r"""
import json, os, signal, sqlite3, sys, threading, time, warnings
from pathlib import Path
from tests.faults.support import *
warnings.simplefilter("ignore", DeprecationWarning)

folder = Path(sys.argv[1])
data_dir = folder / "data"

def integrity():
    for name in ("ledger", "outbox"):
        db = sqlite3.connect(data_dir / f"{name}.sqlite3")
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        db.close()

def wait_for(pid, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hangs"
"""


def test_both_go_on(tmp_path):
    """
    Parent and child capture and flush after a fork: nothing is lost, none
    is doubled and no file is damaged.
    """
    program = (
        START
        + r"""
backend = Backend(folder / "backend")
kit = open_kit(data_dir, "stats", transport=backend)
ids = tick(kit, 0)
children = []
for turn in range(1, 6):
    def child():
        mine = tick(kit, *range(turn * 100, turn * 100 + 20))
        assert not kit.flush().problems
        mine += tick(kit, turn * 100 + 20)
        (folder / f"ids{turn}").write_text(json.dumps(mine))
    children.append(start_child(child))
    ids += tick(kit, turn)
    assert not kit.flush().problems
    ids += tick(kit, turn + 50)
assert [wait_for(pid) for pid in children] == [0] * 5
for path in folder.glob("ids*"):
    ids += json.loads(path.read_text())
report = kit.flush()
assert (report.waiting, report.problems) == (0, ()), report
assert len(ids) == 1 + 5 * 2 + 5 * 21
assert sorted(backend.ids()) == sorted(ids)
kit.close()
integrity()
"""
    )
    run(program, tmp_path)


def test_the_child_outlives_the_parent(tmp_path):
    """
    A child that goes on after its parent has gone shares the files with
    processes that start afterwards.
    """
    program = (
        START
        + r"""
def parent():
    kit = open_kit(data_dir, "stats")
    tick(kit, 1)
    def child():
        os.setsid()
        (folder / "child").write_text(str(os.getpid()))
        while not (folder / "go").exists():
            tick(kit, 2)
        kit.close()
        (folder / "over").touch()
    start_child(child)
    while not (folder / "child").exists():
        time.sleep(0.005)
    tick(kit, 3)

assert in_child(parent) == 0
for _ in range(5):
    def another():
        kit = open_kit(data_dir)
        assert len(tick(kit, 4, 5)) == 2
        kit.close()
    assert in_child(another) == 0
(folder / "go").touch()
while not (folder / "over").exists():
    time.sleep(0.005)
backend = Backend(folder / "backend")
kit = open_kit(data_dir, transport=backend)
report = kit.flush()
numbers = [r.value["n"] for r in backend.records()]
assert sorted(n for n in numbers if n != 2) == [1, 3] + (
    [4] * 5 + [5] * 5
)
assert report.waiting == 0
kit.close()
integrity()
"""
    )
    run(program, tmp_path)


def test_while_other_threads_hold_locks(tmp_path):
    """
    Children that are forked while other threads capture, decide and flush
    neither hang nor fail.
    """
    program = (
        START
        + r"""
backend = Backend(folder / "backend")
kit = open_kit(data_dir, "stats", "health", transport=backend)
ids, over = [], threading.Event()

def capture():
    while not over.is_set():
        ids.extend(tick(kit, 1))

def toggle():
    # A consent is granted no more than 1,000 times an hour.
    for _ in range(900):
        if over.is_set():
            return
        kit.consent.withdraw("health")
        kit.consent.grant("health")
        time.sleep(0.005)  # each waits for the disk, and others wait for it

def deliver():
    while not over.is_set():
        kit.flush()
        time.sleep(0.005)

threads = [
    threading.Thread(target=work)
    for work in (capture, capture, toggle, deliver)
]
for thread in threads:
    thread.start()
results = []
for turn in range(25):
    time.sleep(0.003 + turn % 5 * 0.001)
    def child():
        with kit.use("stats") as use:
            kept = use.capture(Ticked(2))
        assert kept and kept.is_durable, kept
        assert kit.consent.state().choices["stats"].epoch
        kit.close()
    results.append(wait_for(start_child(child), 60))
    if results[-1] != 0:
        break
over.set()
for thread in threads:
    thread.join(30)
assert set(results) == {0}, results
assert not kit.flush().waiting
numbers = [r.value["n"] for r in backend.records("stats")]
assert numbers.count(2) == 25
assert numbers.count(1) == len(ids)
kit.close()
integrity()
"""
    )
    run(program, tmp_path, timeout_seconds=180)


def test_while_another_thread_imports(tmp_path):
    """
    A fork waits for an import of ours that another thread has begun: the
    child would wait for its end for ever.
    """
    (tmp_path / "slow.py").write_text(
        "import pathlib, time\n"
        "pathlib.Path(__file__).with_suffix('.begun').touch()\n"
        "time.sleep(0.5)\n"
    )
    program = (
        START
        + r"""
from consentkit._fork import load

sys.path.insert(0, str(folder))
thread = threading.Thread(target=load, args=["slow"])
thread.start()
while not (folder / "slow.begun").exists():
    time.sleep(0.001)
assert wait_for(start_child(lambda: load("slow")), 10) == 0
thread.join()
"""
    )
    run(program, tmp_path)


def test_while_another_thread_opens_a_file(tmp_path):
    """
    A file that another thread opens for the first time, while a fork waits
    for something else, does not come over it: SQLite would count its locks
    as the child's own, and the child would never get at it.
    """
    program = (
        START
        + r"""
from consentkit._fork import Mutex
from consentkit._sqlite import Database

slow, is_inside = Mutex(), threading.Event()
made = []

def open_one():
    with slow:
        is_inside.set()
        time.sleep(0.3)  # the fork has asked the others, and waits for this
        made.append(Database(
            folder / "one.sqlite3", schema="CREATE TABLE t (x)", version=1
        ))
        with made[0].writing() as db:
            db.execute("INSERT INTO t VALUES (1)")

def child():
    here = [os.readlink(one) for one in Path("/proc/self/fd").iterdir()
            if one.exists()]
    assert not [one for one in here if "one.sqlite3" in one], here
    with made[0].writing() as db:
        db.execute("INSERT INTO t VALUES (2)")

thread = threading.Thread(target=open_one)
thread.start()
is_inside.wait()
assert wait_for(start_child(child), 20) == 0
thread.join()
with made[0].reading() as db:
    assert db.execute("SELECT COUNT(*) FROM t").fetchone() == (2,)
"""
    )
    run(program, tmp_path)


def test_the_child_does_not_hold_the_delivery(tmp_path):
    """
    A child that was forked during a flush does not keep others from
    delivering once its parent is gone.
    """
    program = (
        START
        + r"""
def parent():
    backend = Stalling(folder / "unused", stall="before")
    kit = open_kit(data_dir, "stats", transport=backend)
    tick(kit, 1)
    threading.Thread(target=kit.flush, daemon=True).start()
    assert backend.there.wait(10)
    def child():
        os.setsid()
        (folder / "child").touch()
        time.sleep(8)
    (folder / "pid").write_text(str(start_child(child)))
    while not (folder / "child").exists():
        time.sleep(0.005)
    os.kill(os.getpid(), signal.SIGKILL)

assert in_child(parent) == -9
child = int((folder / "pid").read_text())
os.kill(child, 0)
backend = Backend(folder / "backend")
kit = open_kit(data_dir, transport=backend)
report = kit.flush(timeout_seconds=2)
os.kill(child, signal.SIGKILL)
assert (report.delivered, report.problems) == (1, ()), report
"""
    )
    run(program, tmp_path)


def test_a_withdrawal_in_the_child(tmp_path):
    """
    A child's withdrawal holds in the parent, and the other way about.
    """
    program = (
        START
        + r"""
kit = open_kit(data_dir, "stats", "health")
tick(kit, 1)
tock(kit, 1)
assert in_child(lambda: kit.consent.withdraw("stats")) == 0
assert tick(kit, 2) == []
assert kit.status().waiting == 1

def look():
    assert tock(kit, 2) == []
    assert kit.status().waiting == 0

kit.consent.withdraw("health")
assert in_child(look) == 0
"""
    )
    run(program, tmp_path)


def test_the_same_use_in_both(tmp_path):
    """
    A use that was entered before the fork goes on in the child, with ids of
    its own.
    """
    program = (
        START
        + r"""
kit = open_kit(data_dir, "stats")
with kit.use("stats") as use:
    def child():
        kept = [use.capture(Ticked(n)).ids[0] for n in range(50)]
        (folder / "ids").write_text(json.dumps(kept))
    pid = start_child(child)
    mine = [use.capture(Ticked(n)).ids[0] for n in range(50)]
    assert wait_for(pid) == 0
theirs = json.loads((folder / "ids").read_text())
assert len({*mine, *theirs}) == 100
assert kit.status().waiting == 100
from tests.support import entries_in_file
nonces = [sealed[:12] for *_, sealed in entries_in_file(data_dir)]
assert len(set(nonces)) == 100, "a nonce is never used twice"
"""
    )
    run(program, tmp_path)
