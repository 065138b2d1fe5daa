# SPDX-License-Identifier: MIT

"""
The app around a kit: processes that are spawned or forked ahead, and event
loops. How an app ends is in ``long/test_runs.py``.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import threading

from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.transports.https import HTTPSTransport
from tests.faults.proxy import FAULTS, FaultProxy
from tests.faults.support import Backend, Ticked, number, open_kit, run, tick
from tests.needs import need_extra


def capture_in_a_child(data_dir: Path, first: int) -> None:
    """
    Open a kit on the same folder in a process that was spawned.
    """
    with open_kit(data_dir) as kit:
        assert len(tick(kit, first, first + 1)) == 2


class TestSpawn:
    """
    Tests for processes that start anew.
    """

    @pytest.mark.parametrize("how", ["spawn", "forkserver"])
    def test_children_open_their_own(self, tmp_path: Path, how: str) -> None:
        """
        Children that open the same folder capture beside the parent, and
        one flush delivers all.
        """
        backend = Backend(tmp_path / "backend")
        kit = open_kit(tmp_path / "data", "stats", transport=backend)
        tick(kit, 0)
        context: Any = multiprocessing.get_context(how)
        children = [
            context.Process(
                target=capture_in_a_child, args=(tmp_path / "data", n)
            )
            for n in (10, 20)
        ]
        for child in children:
            child.start()
        tick(kit, 1)
        for child in children:
            child.join(60)

        report = kit.flush()

        assert [child.exitcode for child in children] == [0, 0]
        assert (report.waiting, report.problems) == (0, ())
        assert sorted(map(number, backend.records())) == [
            0, 1, 10, 11, 20, 21,
        ]  # fmt: skip

    def test_a_kit_is_not_handed_over(self, tmp_path: Path) -> None:
        """
        A kit cannot be pickled: a child that is spawned opens its own.
        """
        kit = open_kit(tmp_path, "stats")
        tick(kit, 1)

        with pytest.raises(TypeError):
            pickle.dumps(kit)


# A server that loads the app and forks its workers then.
PRE_FORK = r"""
import json, os, signal, sys, threading, time
from pathlib import Path
from tests.faults.support import *

folder, has_used_it = Path(sys.argv[1]), sys.argv[2] == "used"
backend = Backend(folder / "backend")
kit = open_kit(
    folder / "data", "stats", transport=backend, deliver_every=0.02
)
ids = tick(kit, 0) if has_used_it else []

def work(worker):
    kept, lock = [], threading.Lock()

    def serve(thread):
        for turn in range(10):
            mine = tick(kit, worker * 1000 + thread * 100 + turn)
            with lock:
                kept.extend(mine)

    threads = [threading.Thread(target=serve, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (folder / f"ids{worker}.part").write_text(json.dumps(kept))
    (folder / f"ids{worker}.part").rename(folder / f"ids{worker}")
    while True:
        time.sleep(1)  # until it is told to end, as a server's worker is

pids = [start_child(lambda n=n: work(n)) for n in range(1, 5)]
end = time.monotonic() + 60
while len(list(folder.glob("ids?"))) < 4:
    assert time.monotonic() < end
    time.sleep(0.01)
for pid in pids:
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
for path in folder.glob("ids?"):
    ids += json.loads(path.read_text())
assert len(ids) == 120 + has_used_it
report = kit.flush()
assert (report.waiting, report.problems) == (0, ()), report
assert sorted(backend.ids()) == sorted(ids)
kit.close()
"""


class TestPreFork:
    """
    Tests for servers that fork their workers ahead.
    """

    @pytest.mark.skipif(
        not hasattr(os, "fork"), reason="this platform does not fork"
    )
    @pytest.mark.parametrize("when", ["used", "unused"])
    def test_a_kit_that_was_opened_before(
        self, tmp_path: Path, when: str
    ) -> None:
        """
        Workers with threads capture and deliver by themselves, over a kit
        that the server opened before, whether or not its own thread ran
        already; told to end, they lose nothing.
        """
        run(PRE_FORK, tmp_path, when)


class TestLoop:
    """
    Tests for an app with an event loop.
    """

    def test_a_flush_that_is_given_up(self, tmp_path: Path) -> None:
        """
        A task that stops waiting for a backend that hangs goes on at once,
        and what waited goes out later.
        """
        need_extra("receiver")
        backend = Backend(tmp_path / "backend")
        with FaultProxy(9, FAULTS["hang"]) as proxy:
            transport = HTTPSTransport(proxy.url, timeout_seconds=1.0)
            kit = open_kit(tmp_path / "data", "stats", transport=transport)
            ids = tick(kit, 1, 2)

            async def work() -> consentkit.FlushReport:
                flushed = asyncio.create_task(kit.flush_async())
                await asyncio.to_thread(proxy.there.wait, 30)
                flushed.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await flushed
                # The transfer itself ends by its own time.
                return await kit.flush_async(timeout_seconds=30)

            report = asyncio.run(work())
            kit.close()

        assert (report.delivered, report.waiting) == (0, 2)
        kit = open_kit(tmp_path / "data", transport=backend)
        assert kit.flush().delivered == 2
        assert backend.ids() == ids

    def test_a_use_belongs_to_its_task(self, tmp_path: Path) -> None:
        """
        Another task may not capture in a use that it did not enter.
        """
        kit = open_kit(tmp_path, "stats")

        async def work() -> tuple[object, object]:
            ready, over = asyncio.Event(), asyncio.Event()
            uses = []

            async def hold() -> object:
                with kit.use("stats") as use:
                    uses.append(use)
                    ready.set()
                    await over.wait()
                    return use.capture(Ticked(1))

            holding = asyncio.create_task(hold())
            await ready.wait()
            answer = uses[0].capture(Ticked(2))
            over.set()
            return answer, await holding

        other, own = asyncio.run(work())

        assert not other
        assert own


def test_every_call_comes_back(tmp_path: Path) -> None:
    """
    With a backend that hangs and a flush of another thread under way, every
    call of a kit comes back with a value.
    """
    with FaultProxy(9, FAULTS["hang"]) as proxy:
        transport = HTTPSTransport(proxy.url, timeout_seconds=2.0)
        kit = open_kit(
            tmp_path, "stats", "health", transport=transport, deliver_every=1.0
        )
        tick(kit, 1)
        thread = threading.Thread(target=kit.flush)
        thread.start()
        assert proxy.there.wait(30)

        assert len(tick(kit, 2)) == 1
        assert kit.status().waiting == 2
        assert kit.flush(timeout_seconds=0.01).problems
        assert kit.consent.withdraw("health").destroyed.records == 0
        # This one is under way: it is cut short.
        assert kit.consent.withdraw("stats").destroyed.records == 2
        assert tick(kit, 3) == []
        kit.close()
        thread.join(60)

        assert not thread.is_alive()
