# SPDX-License-Identifier: MIT

"""
What holds in an app that runs on gevent.

    python -m pip install gevent
    python -m tests.faults.long.greenlets
    python -m tests.faults.long.greenlets --unpatched

gevent is no part of the tests' own environment, so this is a program and not
a test: each line that it prints is a statement that was seen to hold.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import time

from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> None:
    """
    Show each statement, or fail at the first that does not hold.
    """
    is_patched = "--unpatched" not in arguments
    gevent: Any = importlib.import_module("gevent")
    if is_patched:
        # Before all else, as gevent asks for it.
        importlib.import_module("gevent.monkey").patch_all()
    print(f"gevent {gevent.__version__}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        _show(gevent, Path(folder), is_patched=is_patched)


def _show(gevent: Any, folder: Path, *, is_patched: bool) -> None:
    from consentkit import Reason
    from consentkit.transports.https import HTTPSTransport
    from tests.faults.long.world import World, warm_up
    from tests.faults.proxy import FAULTS, FaultProxy
    from tests.faults.support import Ticked, open_kit, tick

    warm_up()
    world = World(folder, seed=1)
    world.heal()

    def open_one(**options: Any) -> Any:
        kit = world.open(**options)
        kit.consent.grant("stats")
        return kit

    kit = open_one()
    captures = [
        gevent.spawn(tick, kit, *range(n * 100, n * 100 + 20))
        for n in range(10)
    ]
    flushes = [gevent.spawn(kit.flush) for _ in range(3)]
    gevent.joinall(captures + flushes, timeout=60, raise_error=True)
    report = kit.flush()
    captured = {i for one in captures for i in one.value}
    assert (report.waiting, report.problems) == (0, ()), report
    assert len(captured) == 200
    assert {one.id for one in world._arrived()} == captured
    print("10 greenlets capture and 3 flush: 200 captured, 200 arrived once")

    with kit.use("stats") as use:
        other = gevent.spawn(use.capture, Ticked(1))
        answer = other.get(timeout=10)
        assert answer.reason is Reason.NOT_IN_USE, answer
        assert use.capture(Ticked(2))
    print("a use belongs to the greenlet that entered it")

    kit.consent.withdraw("stats")
    assert gevent.spawn(tick, kit, 3).get(timeout=10) == []
    print("a withdrawal in one greenlet holds in the others")

    moments: list[float] = []

    def count() -> None:
        while True:
            moments.append(time.monotonic())
            gevent.sleep(0.005)

    with FaultProxy(world.port, FAULTS["hang"]) as proxy:
        transport = HTTPSTransport(proxy.url, timeout_seconds=0.5)
        second = open_kit(folder / "second", "stats", transport=transport)
        tick(second, 1)
        counter = gevent.spawn(count)
        gevent.sleep(0)
        before = len(moments)
        report = second.flush()
        turns = len(moments) - before
        counter.kill()
        assert report.waiting == 1, report
    assert (turns > 20) is is_patched, turns
    others = "go on" if is_patched else "stand still"
    print(f"while a flush waits for a backend, other greenlets {others}")

    third = open_one(deliver_every=0.05)
    tick(third, 4)
    end = time.monotonic() + 30
    while third.status().waiting:
        assert time.monotonic() < end, "nothing is delivered"
        gevent.sleep(0.02)
    print("deliver_every delivers by itself")

    for one in (kit, second, third):
        one.close()
    world.end()
    print("the program ends")


if __name__ == "__main__":
    main(sys.argv[1:])
