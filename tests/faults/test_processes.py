# SPDX-License-Identifier: MIT
"""
One data folder, several processes and threads.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading

from pathlib import Path

import pytest

from consentkit import Kept, Reason
from consentkit.consent.state import Status
from consentkit.transports.base import Outcome
from tests.faults.support import (
    ROOT,
    Backend,
    Scripted,
    Ticked,
    number,
    open_kit,
    run,
    tick,
)


def lines(folder: Path) -> list[str]:
    """
    Give the id in each line of a record that a file transport wrote.
    """
    return [
        json.loads(line)["id"]
        for path in folder.glob("*.jsonl")
        for line in path.read_text().splitlines()[1:]
    ]


class TestProcesses:
    """
    Processes of one app.
    """

    @pytest.mark.obligation("WP-WDR-2")
    def test_they_share_one_withdrawal(self, tmp_path):
        """
        A withdrawal in one open kit holds in the other at its next call, and
        so does a grant.
        """
        program = r"""
            import sys
            from tests.faults.support import *

            data_dir = sys.argv[1]
            kit = open_kit(data_dir)
            assert tick(kit, 1) == []
            for line in sys.stdin:
                if line.strip() == "capture":
                    print(len(tick(kit, 1)), flush=True)
                elif line.strip() == "withdraw":
                    kit.consent.withdraw("stats")
                    print("withdrawn", flush=True)
                else:
                    break
        """
        kit = open_kit(tmp_path)
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other:

            def say(word: str) -> str:
                other.stdin.write(f"{word}\n")
                other.stdin.flush()
                return other.stdout.readline().strip()

            assert say("capture") == "0"
            kit.consent.grant("stats")
            assert say("capture") == "1"
            kit.consent.withdraw("stats")
            assert say("capture") == "0"
            kit.consent.grant("stats")
            assert say("capture") == "1"
            assert len(tick(kit, 2)) == 1
            assert kit.status().waiting == 2
            assert say("withdraw") == "withdrawn"
            assert tick(kit, 3) == []
            assert kit.status().waiting == 0
            assert kit.consent.state().choices["stats"].status is (
                Status.WITHDRAWN
            )
            say("end")

    def test_they_may_all_be_the_first(self, tmp_path):
        """
        Four processes that open, grant, capture and flush at the same time
        make one ledger, one outbox and one key, and each record arrives
        once.
        """
        program = r"""
            import json, os, sys, time
            from pathlib import Path
            from tests.faults.support import *
            from consentkit.ledger import SQLiteLedger

            folder = Path(sys.argv[1])
            for turn in range(4):
                data_dir = folder / f"data{turn}"
                backend_file = folder / f"backend{turn}"
                in_child(lambda: Backend(backend_file).store.close())
                start = time.monotonic() + 0.05

                def work(number):
                    backend = Backend(backend_file)
                    time.sleep(max(0, start - time.monotonic()))
                    kit = open_kit(
                        data_dir,
                        transport={"maker": backend, "partner": backend},
                    )
                    ids = []
                    if number == 0:
                        kit.consent.grant("stats")
                        ids = tick(kit, *range(20))
                    else:
                        name = ("", "health", "shared", "paste")[number]
                        kit.consent.grant(name)
                        if name != "paste":
                            ids = tock(kit, *range(20), function=name)
                    report = kit.flush()
                    assert not report.problems, report.problems
                    (folder / f"ids{turn}-{number}").write_text(
                        json.dumps(ids)
                    )

                pids = [start_child(lambda n=n: work(n)) for n in range(4)]
                for pid in pids:
                    assert os.waitpid(pid, 0)[1] == 0, turn

                def judge():
                    backend = Backend(backend_file)
                    kit = open_kit(
                        data_dir,
                        transport={"maker": backend, "partner": backend},
                    )
                    report = kit.flush()
                    assert report.waiting == 0
                    wanted = {
                        i for path in folder.glob(f"ids{turn}-*")
                        for i in json.loads(path.read_text())
                    }
                    assert len(wanted) == 60
                    assert sorted(backend.ids()) == sorted(wanted)
                    counts = kit.status().counts
                    assert counts == {"delivered": 60}, counts
                    entries = SQLiteLedger(data_dir / "ledger.sqlite3").entries()
                    assert len(entries) == 4, entries
                    assert len(list((data_dir / "keys").glob("*.key"))) == 1

                assert in_child(judge) == 0, turn
        """
        run(program, tmp_path)

    def test_each_goes_out_once(self, tmp_path):
        """
        Of five processes one captures; the others deliver, and have children
        that capture and end. Each record is handed over once: a backend that
        knows no record by its id has it in one line.
        """
        program = r"""
            import os, sys, time
            from pathlib import Path
            from tests.faults.support import *

            folder = Path(sys.argv[1])

            def open_here(*grants):
                url = f"file://{folder}/backend"
                return open_kit(folder / "data", *grants, transport=url)

            assert in_child(lambda: open_here("stats").close()) == 0
            end = time.monotonic() + 6

            def note(number, ids):
                with (folder / f"ids{number}").open("a") as file:
                    file.write("".join(f"{one}\n" for one in ids))

            def work(number):
                kit = open_here()
                while time.monotonic() < end:
                    if number == 0:
                        note(number, tick(kit, *range(40)))
                        time.sleep(0.01)
                        continue
                    # A journal of its own, which somebody will delete.
                    events = range(number)
                    child = lambda: note(number, tick(kit, *events))
                    assert in_child(child) == 0
                    kit.flush(timeout_seconds=2)

            pids = [start_child(lambda n=n: work(n)) for n in range(5)]
            for pid in pids:
                assert os.waitpid(pid, 0)[1] == 0

            def finish():
                report = open_here().flush(timeout_seconds=30)
                assert (report.waiting, report.problems) == (0, ())

            assert in_child(finish) == 0
        """
        run(program, tmp_path)
        captured = [
            one
            for path in tmp_path.glob("ids*")
            for one in path.read_text().split()
        ]

        assert len(captured) > 500
        assert sorted(lines(tmp_path / "backend")) == sorted(captured)

    def test_a_journal_vanishes_while_others_are_listed(self, tmp_path):
        """
        A journal that another process deletes between the listing of all and
        the look at it hides no other one, of which no record goes out again.
        """
        url = f"file://{tmp_path}/backend"
        kit = open_kit(tmp_path / "data", "stats", transport=url)
        down = Scripted(Outcome.RETRY)
        other = open_kit(tmp_path / "data", transport=down)
        ids = tick(kit, *range(50))
        other.flush()  # moves them into the table; the journal is in use yet
        (journal,) = (tmp_path / "data" / "captured").iterdir()
        # It is listed, and is not there when it is looked at.
        name = f"{journal.name.partition('-')[0]}-{'f' * 16}{journal.suffix}"
        gone = journal.with_name(name)
        gone.symlink_to("nowhere")

        ids += tick(kit, 50)
        other.flush()
        gone.unlink()
        ids += tick(kit, 51)
        other.flush()
        waiting = kit.status().waiting
        kit.flush()

        assert waiting == len(ids) == 52
        assert sorted(lines(tmp_path / "backend")) == sorted(ids)

    def test_one_delivers_at_a_time(self, tmp_path):
        """
        While one flush is under way, another one waits and then says so.
        """
        inside, go = threading.Event(), threading.Event()

        class Slow(Backend):
            def before(self, batch):
                inside.set()
                go.wait(30)

        kit = open_kit(
            tmp_path / "data", "stats", transport=Slow(tmp_path / "backend")
        )
        tick(kit, 1)
        thread = threading.Thread(target=kit.flush)
        thread.start()
        assert inside.wait(10)
        other = Scripted()
        second = open_kit(tmp_path / "data", transport=other)

        report = second.flush(timeout_seconds=0.05)
        go.set()
        thread.join(30)

        assert report.problems == ("another process is delivering",)
        assert other.batches == []
        assert second.flush().problems == ()

    def test_a_killed_deliverer_is_no_obstacle(self, tmp_path):
        """
        A process that is killed in a transfer leaves no lock behind.
        """
        program = r"""
            import os, sys
            from tests.faults.support import *

            class Deadly(Backend):
                def after(self, batch):
                    os.kill(os.getpid(), 9)

            def flush():
                kit = open_kit(
                    sys.argv[1], "stats", transport=Deadly(sys.argv[2])
                )
                tick(kit, 1)
                kit.flush()

            assert in_child(flush) == -9
        """
        run(program, tmp_path / "data", tmp_path / "backend")

        backend = Backend(tmp_path / "backend")
        kit = open_kit(tmp_path / "data", transport=backend)
        destroyed = kit.consent.withdraw("stats").destroyed

        assert (destroyed.in_flight, destroyed.erasures) == (1, 1)
        assert kit.flush(timeout_seconds=1).erased == 1
        assert backend.ids() == []


class TestThreads:
    """
    Threads of one process.
    """

    def test_eight_capture_while_one_delivers(self, tmp_path):
        """
        Eight threads capture, one flushes all the while: each record
        arrives once.
        """
        backend = Backend(tmp_path / "backend")
        kit = open_kit(tmp_path / "data", "stats", transport=backend)
        ids: list[str] = []
        over = threading.Event()
        problems: list[BaseException | str] = []

        def capture(number: int) -> None:
            try:
                ids.extend(tick(kit, *range(number * 25, number * 25 + 25)))
            except BaseException as error:
                problems.append(error)

        def deliver() -> None:
            while not over.is_set():
                problems.extend(kit.flush().problems)

        threads = [
            threading.Thread(target=capture, args=(n,)) for n in range(8)
        ]
        courier = threading.Thread(target=deliver)
        for thread in (courier, *threads):
            thread.start()
        for thread in threads:
            thread.join(60)
        over.set()
        courier.join(60)
        kit.flush()

        assert problems == []
        assert len(ids) == 200
        assert sorted(backend.ids()) == sorted(ids)
        numbers = sorted(map(number, backend.records()))
        assert numbers == list(range(200))

    def test_a_use_is_for_its_own_thread(self, tmp_path):
        """
        Another thread may not capture in a use that it did not enter.
        """
        kit = open_kit(tmp_path, "stats")
        answers = []
        with kit.use("stats") as use:
            thread = threading.Thread(
                target=lambda: answers.append(use.capture(Ticked(1)))
            )
            thread.start()
            thread.join(10)
            answers.append(use.capture(Ticked(2)))

        assert answers[0].reason is Reason.NOT_IN_USE
        assert isinstance(answers[1], Kept)

    def test_a_withdrawal_among_captures(self, tmp_path):
        """
        Threads that capture on are refused once `withdraw` has returned,
        and nothing waits.
        """
        kit = open_kit(tmp_path, "stats")
        over = threading.Event()
        withdrawn = threading.Event()
        late: list[str] = []
        kept: list[str] = []

        def capture() -> None:
            while not over.is_set():
                was = withdrawn.is_set()
                (late if was else kept).extend(tick(kit, 1))

        threads = [threading.Thread(target=capture) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(kept) < 20:
            over.wait(0.002)
        kit.consent.withdraw("stats")
        withdrawn.set()
        over.wait(0.05)
        over.set()
        for thread in threads:
            thread.join(30)

        assert late == []
        assert kit.status().waiting == 0


def test_the_ledger_agrees_over_processes(tmp_path):
    """
    Choices made at the same time in several processes form one chain.
    """
    program = r"""
        import json, os, sys, time
        from pathlib import Path
        from tests.faults.support import *
        from consentkit.ledger import SQLiteLedger

        data_dir = Path(sys.argv[1])
        start = time.monotonic() + 0.2

        def toggle():
            kit = open_kit(data_dir)
            time.sleep(max(0, start - time.monotonic()))
            for _ in range(6):
                kit.consent.grant("stats")
                tick(kit, 1)
                kit.consent.withdraw("stats")

        pids = [start_child(toggle) for _ in range(3)]
        for pid in pids:
            assert os.waitpid(pid, 0)[1] == 0

        entries = SQLiteLedger(data_dir / "ledger.sqlite3").entries()
        kit = open_kit(data_dir, transport=Scripted())
        print(json.dumps([len(entries), kit.status().waiting]))
    """
    entries, waiting = json.loads(run(program, tmp_path).stdout)

    assert entries >= 2
    assert waiting == 0
