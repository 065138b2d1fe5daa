# SPDX-License-Identifier: MIT
"""
Forks while another thread is at something: the child does not wait for a
thread that it does not have.
"""

from __future__ import annotations

import os

from pathlib import Path

import pytest

from tests.faults.support import run


pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this system has no fork"
)

#: What each program begins with; a child that hangs is ended by its alarm.
BEGIN = """
import os, signal, sys, threading
from pathlib import Path

def in_a_child(act):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

folder = Path(sys.argv[1])
"""


def test_while_an_answer_is_counted(tmp_path: Path) -> None:
    """
    A disk that keeps the count of answers at random waiting keeps no child
    waiting.
    """
    run(
        BEGIN
        + """
from consentkit.anonymise.budget import Budget

budget = Budget(folder / "spent")
terms = dict(
    key=b"k" * 32,
    epsilon=1.0,
    function="stats",
    data_type="network_type",
    recipient="maker",
)
budget.spend("wifi", **terms)
(file,) = (folder / "spent").iterdir()
# To open it is to wait for a reader.
file.unlink()
os.mkfifo(file)
again = Budget(folder / "spent")
opening, forking = threading.Event(), threading.Event()

def watch(event, arguments):
    if event == "open" and arguments[0] == str(file):
        opening.set()

sys.addaudithook(watch)
os.register_at_fork(before=forking.set)

def read():
    forking.wait()
    os.open(file, os.O_RDONLY)

threading.Thread(target=read, daemon=True).start()
threading.Thread(
    target=again.spend, args=("wifi",), kwargs=terms, daemon=True
).start()
opening.wait()
status = in_a_child(lambda: again.spend("mobile", **terms))
assert status == 0, status
""",
        tmp_path,
    )


def test_while_a_choice_is_taken_back(tmp_path: Path) -> None:
    """
    A withdrawal that waits for its ledger keeps no child from withdrawing.
    """
    run(
        BEGIN
        + """
from consentkit.ledger.sqlite import SQLiteLedger
from tests.support import make_kit

waiting, go_on = threading.Event(), threading.Event()
others = set()

class Slow(SQLiteLedger):
    def subject(self, id, *, make=False):
        if threading.get_ident() in others:
            waiting.set()
            go_on.wait()
        return super().subject(id, make=make)

kit = make_kit(folder, ledger=Slow(folder / "ledger.sqlite3"))
ann = kit.subject("ann")
ann.consent.grant("improve")

def withdraw():
    others.add(threading.get_ident())
    ann.consent.withdraw("improve")

threading.Thread(target=withdraw, daemon=True).start()
waiting.wait()

def withdraw_too():
    others.clear()
    ann.consent.withdraw("improve")
    assert not ann.consent.state().permits("improve")

status = in_a_child(withdraw_too)
go_on.set()
assert status == 0, status
""",
        tmp_path,
    )


def test_while_an_sdk_starts(tmp_path: Path) -> None:
    """
    A start that another thread is at keeps no child waiting.
    """
    run(
        BEGIN
        + """
from tests.support import make_kit, say_yes

kit = make_kit(folder)
(function,) = [f.id for f in kit.policy.functions.values() if f.sdk]
say_yes(kit.consent, function)
begun, go_on = threading.Event(), threading.Event()

def wait():
    begun.set()
    go_on.wait()

def start():
    kit.registry.start("umeng", wait)

thread = threading.Thread(target=start)
thread.start()
begun.wait()
status = in_a_child(lambda: kit.registry.start("umeng", lambda: None))
go_on.set()
thread.join()
assert status == 0, status
""",
        tmp_path,
    )


def test_while_a_digest_is_made(tmp_path: Path) -> None:
    """
    A fork while other threads make their first digests leaves the child able
    to make one: OpenSSL's own lock is held by none of them.

    With `hmac.digest`, one child in twenty hung.
    """
    run(
        BEGIN
        + """
import random, time
from consentkit._mac import hmac_sha256

sys.setswitchinterval(1e-5)

def one():
    hmac_sha256(b"k" * 32, b"m" * 50)

def fork_among(wait):
    go = threading.Event()

    def loop():
        go.wait()
        for _ in range(400):
            one()

    for _ in range(4):
        threading.Thread(target=loop, daemon=True).start()
    go.set()
    time.sleep(wait)
    assert in_a_child(one) == 0

pick = random.Random(7)
# Each in a process that has made none before.
end = time.monotonic() + 4
while time.monotonic() < end:
    wait = pick.choice((0, 0.0001, 0.0002, 0.0005, 0.001, 0.002))
    assert in_a_child(lambda: fork_among(wait)) == 0
""",
        tmp_path,
    )
