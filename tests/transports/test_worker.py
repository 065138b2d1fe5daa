# SPDX-License-Identifier: MIT

"""
Delivery in the background, and beside an event loop.
"""

from __future__ import annotations

import asyncio
import threading
import time

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.testing import touched
from consentkit.transports import Outcome
from tests.faults.support import (
    POLICY,
    Scripted,
    open_kit,
    run,
    tick,
)


def _wait_for(what: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


def _workers() -> list[threading.Thread]:
    return [
        thread
        for thread in threading.enumerate()
        if thread.name == "consentkit-delivery"
    ]


class TestBackground:
    """
    With ``deliver_every``.
    """

    def test_delivers_by_itself(self, tmp_path: Path) -> None:
        """
        What is captured goes out without a call, and later records too.
        """
        transport = Scripted()
        kit = open_kit(
            tmp_path, "stats", transport=transport, deliver_every=0.05
        )
        tick(kit, 1)
        _wait_for(lambda: kit.status().counts.get("delivered") == 1)
        tick(kit, 2, 3)
        _wait_for(lambda: kit.status().counts.get("delivered") == 3)
        kit.close()
        _wait_for(lambda: not _workers())

    def test_no_thread_before_use(self, tmp_path: Path) -> None:
        """
        Opening the kit starts nothing; nor does anything without it.
        """
        with touched() as seen:
            kit = consentkit.open(
                POLICY,
                data_dir=tmp_path,
                transport=Scripted(),
                deliver_every=1.0,
            )
        assert not [one for one in seen if one.startswith("_thread")]
        assert _workers() == []
        kit.close()
        plain = open_kit(tmp_path, "stats", transport=Scripted())
        tick(plain, 1)
        assert _workers() == []

    def test_a_backend_that_is_down_is_left_alone(
        self, tmp_path: Path
    ) -> None:
        """
        It is tried again later and later, however often the thread looks.
        """
        transport = Scripted(Outcome.RETRY)
        kit = open_kit(
            tmp_path, "stats", transport=transport, deliver_every=0.01
        )
        tick(kit, 1)
        _wait_for(lambda: transport.batches)
        time.sleep(0.4)
        assert len(transport.batches) == 1
        kit.close()

    def test_nothing_is_written_while_nothing_waits(
        self, tmp_path: Path
    ) -> None:
        """
        An idle app's disk is left in peace.
        """
        kit = open_kit(
            tmp_path, "stats", transport=Scripted(), deliver_every=0.02
        )
        tick(kit, 1)
        _wait_for(lambda: kit.status().counts.get("delivered") == 1)
        kit.flush()

        def state() -> dict[str, Any]:
            return {
                path.name: (path.stat().st_size, path.stat().st_mtime_ns)
                for path in tmp_path.iterdir()
                if not path.name.endswith("-shm")
            }

        before = state()
        time.sleep(0.3)
        assert state() == before
        kit.close()

    def test_a_transport_that_raises_all_it_can(self, tmp_path: Path) -> None:
        """
        Nothing gets out of the thread, and it goes on.
        """

        def fail(_: object) -> Any:
            raise RuntimeError

        transport = Scripted(fail)
        kit = open_kit(
            tmp_path, "stats", transport=transport, deliver_every=0.02
        )
        tick(kit, 1)
        _wait_for(lambda: transport.batches)
        transport.answer = Outcome.DELIVERED
        _wait_for(lambda: kit.status().counts.get("delivered") == 1)
        kit.close()

    @pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
    def test_no_time(self, tmp_path: Path, wrong: float) -> None:
        """
        What is no time is an error at once.
        """
        with pytest.raises(ValueError, match="deliver_every"):
            consentkit.open(POLICY, data_dir=tmp_path, deliver_every=wrong)


class TestExit:
    """
    The end of the app.
    """

    @pytest.mark.parametrize("how", ["close", "just end"])
    def test_a_backend_that_hangs(self, tmp_path: Path, how: str) -> None:
        """
        An app whose backend never answers ends all the same, with nothing on
        its standard error, and its records wait for the next start.
        """
        program = f"""
            import sys, threading
            from tests.faults.support import *
            from pathlib import Path

            class Hanging(Scripted):
                def _send(self, batch):
                    started.set()
                    threading.Event().wait()

            started = threading.Event()
            kit = open_kit(
                Path(sys.argv[1]), "stats", transport=Hanging(),
                deliver_every=0.01,
            )
            tick(kit, 1, 2)
            assert started.wait(30)
            if {how!r} == "close":
                kit.close()
        """
        done = run(program, tmp_path)
        assert done.stderr == ""
        kit = open_kit(tmp_path, transport=Scripted())
        assert kit.flush().delivered == 2


class TestFork:
    """
    Children of a fork.
    """

    def test_each_delivers(self, tmp_path: Path) -> None:
        """
        In a child the thread starts with the first use there; parent and
        child deliver what they capture, each record once.
        """
        program = """
            import os, sys, threading, time
            from pathlib import Path
            from tests.faults.support import (
                Backend, open_kit, start_child, tick,
            )

            folder = Path(sys.argv[1])
            backend = Backend(folder / "backend")
            kit = open_kit(
                folder / "data", "stats", transport=backend,
                deliver_every=0.02,
            )
            tick(kit, 1)

            def until(n):
                end = time.monotonic() + 30
                while len(backend.records("stats")) < n:
                    assert time.monotonic() < end
                    time.sleep(0.01)

            until(1)

            def child():
                assert not [
                    t for t in threading.enumerate()
                    if t.name == "consentkit-delivery"
                ]
                tick(kit, 2)
                until(2)
                kit.close()

            assert os.waitpid(start_child(child), 0)[1] == 0
            tick(kit, 3)
            until(3)
            numbers = [r.value["n"] for r in backend.records("stats")]
            assert sorted(numbers) == [1, 2, 3], numbers
            kit.close()
        """
        run(program, tmp_path)


class TestAsync:
    """
    Beside an event loop.
    """

    def test_the_loop_goes_on(self, tmp_path: Path) -> None:
        """
        While a backend takes its time, the loop does other things.
        """
        go = threading.Event()

        def slowly(batch: Any) -> Any:
            go.wait(30)
            return Scripted._send(taking, batch)

        taking = Scripted()
        transport = Scripted(slowly)
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1)

        async def work() -> Any:
            flushed = asyncio.create_task(kit.flush_async())
            for _ in range(10):
                await asyncio.sleep(0)
            assert not flushed.done()
            go.set()
            return await flushed

        assert asyncio.run(work()).delivered == 1
