# SPDX-License-Identifier: MIT

"""
What the long runs look at, on disks that are full, in folders that cannot be
written, in files with turned bits and under clocks that leap: nothing that
was captured is lost without a word, nothing is there twice, nothing of a
withdrawn function arrives, and the ledger is intact or says that it is not.
"""

from __future__ import annotations

import json
import logging
import random
import shutil
import subprocess

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from consentkit.consent.state import Status
from consentkit.exceptions import StoreError
from tests.faults.support import (
    START,
    Backend,
    Clock,
    Ticked,
    let_others_in,
    number,
    open_kit,
    run,
    tick,
    tock,
)
from tests.faults.test_storage import AS_NOBODY, IS_ROOT, one_message, tmpfs


# Lives on a small disk that is full now and then; each is killed.
ON_A_SMALL_DISK = r"""
import json, os, random, signal, sys, time
from pathlib import Path
from consentkit.exceptions import StoreError
from consentkit.ledger import SQLiteLedger
from tests.faults.long.promises import Arrived, Notes, judge, read
from tests.faults.support import *

place, folder, seed = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
data_dir, filler = place / "data", place / "filler"
pick = random.Random(seed)
MAKE = {"stats": Ticked, "health": Tocked}

def fill():
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(pick.choice((512, 4096, 65536))))
        except OSError:
            pass

def live(life, tell):
    chance = random.Random(f"{seed} {life}")
    notes = Notes(folder / "notes", life=life, actor="0")
    kit = open_kit(data_dir, transport=Backend(folder / "backend"))
    n = life * 100_000
    os.write(tell, b"x")
    while True:
        n += 1
        name = chance.choice(("stats", "health"))
        try:
            act = chance.choices(
                ("capture", "flush", "withdraw", "grant"), (40, 4, 1, 3)
            )[0]
            if act == "capture":
                event = MAKE[name](n)
                if name == "stats":
                    event = Ticked(n, "x" * chance.choice((0, 500, 9000)))
                with notes.act("capture", function=name, n=n) as found:
                    with kit.use(name) as use:
                        kept = use.capture(event)
                    if kept:
                        found["id"] = kept.ids[0]
                        found["memory"] = not kept.is_durable
                    else:
                        found["refused"] = kept.reason.value
            elif act == "flush":
                kit.flush(timeout_seconds=1)
            elif act == "withdraw" and kit.consent.state().permits("health"):
                # A try that the disk did not take excuses all before it.
                with notes.act("withdraw", function="health"):
                    kit.consent.withdraw("health")
            elif act == "grant" and not kit.consent.state().permits(name):
                with notes.act("grant", function=name):
                    kit.consent.grant(name)
        except StoreError as error:
            if error.path.is_relative_to(place) and error.cure:
                continue
            notes.write(error=repr(error))
        except Exception as error:
            notes.write(error=repr(error))

for life in range(14):
    notes = Notes(folder / "notes", life=life, actor="parent")
    is_full = life % 3 == 1
    if is_full:
        fill()
    notes.write(step="born")
    ready, tell = os.pipe()
    pid = start_child(lambda: live(life, tell))
    os.close(tell)
    os.read(ready, 1)
    os.close(ready)
    time.sleep(pick.uniform(0.05, 0.2))
    if life % 3 == 2:
        fill()  # it becomes so under an open kit
        time.sleep(pick.uniform(0.02, 0.1))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    notes.write(step="dead")
    filler.unlink(missing_ok=True)

backend = Backend(folder / "backend")
kit = open_kit(data_dir, transport=backend)
report = kit.flush()
assert (report.waiting, report.problems) == (0, ()), report
assert kit.status().erasures == 0
lines = read(folder / "notes")
born = [one["at"] for one in lines if one.get("step") == "born"]
recorded = [
    (
        sum(at <= one.at.timestamp() + 0.001 for at in born) - 1,
        one.act.value, one.element,
    )
    for one in kit.ledger.entries("local")
    if one.act.value in ("granted", "withdrawn")
]
arrived = [
    Arrived(id=r.id, function=r.function, number=r.value["n"])
    for r in backend.records()
]
verdict = judge(lines, arrived, recorded)
assert verdict.is_kept, verdict
assert kit.ledger.verify().kind.value == "intact"
print(json.dumps({
    "due": len(verdict.due), "captured": verdict.captured,
    "memory": sum(bool(one.get("memory")) for one in lines),
}))
"""


class TestSmallDisk:
    """
    Tests for a disk with little space.
    """

    @pytest.mark.parametrize("seed", [1, 2])
    def test_lives_on_one_that_is_full_now_and_then(
        self, tmp_path: Path, seed: int
    ) -> None:
        """
        Over lives that meet a full disk and are killed, what `capture` said
        was on the disk arrives once, what was in memory alone at most once,
        nothing that was withdrawn does, and every error is one that names the
        file and the cure.
        """
        place = tmp_path / "mounted"
        with tmpfs(place, "size=24m"):
            done = run(ON_A_SMALL_DISK, place, tmp_path, seed)

        found = json.loads(done.stdout)
        assert found["due"] > 0
        assert found["captured"] > 20
        assert found["memory"] > 0

    def test_captures_go_on_while_it_is_full(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        While the disk is full, captures are kept in memory with one warning
        and a bound, and go to the disk when it has space again.
        """
        place = tmp_path / "mounted"
        backend = Backend(tmp_path / "backend")
        with tmpfs(place, "size=2m"):
            kit = open_kit(place / "data", "stats", transport=backend)
            ids = tick(kit, 0)
            _fill_up(place / "filler")
            with caplog.at_level(logging.WARNING, logger="consentkit"):
                # More than what may be free in pages that are there.
                large = [tick(kit, n, note="x" * 9_000) for n in range(1, 300)]
            kept = [i for one in large for i in one]
            warnings = [
                one for one in caplog.records if one.name == "consentkit"
            ]
            (place / "filler").unlink()
            ids += tick(kit, 1000)
            report = kit.flush()
            kit.close()

            assert len(kept) > 100
            assert len(warnings) == 1
            assert (report.waiting, report.problems) == (0, ())
            assert sorted(backend.ids()) == sorted([*ids, *kept])

    def test_captures_go_on_while_it_is_read_only(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        So it is while the disk takes no writes at all, which it took when
        the kit was opened.
        """
        data_dir = tmp_path / "data"
        backend = Backend(tmp_path / "backend")
        kit = open_kit(data_dir, "stats", transport=backend)
        ids = tick(kit, 0)
        assert kit.flush().delivered == 1
        # As after an hour without an event: no file of the outbox is open.
        kit.store.close()
        with read_only(data_dir):
            with caplog.at_level(logging.WARNING, logger="consentkit"):
                ids += tick(kit, *range(1, 50))
            assert kit.flush().problems
        warnings = [one for one in caplog.records if one.name == "consentkit"]
        ids += tick(kit, 50)
        report = kit.flush()
        kit.close()

        assert len(ids) == 51
        assert len(warnings) == 1
        assert (report.waiting, report.problems) == (0, ())
        assert sorted(backend.ids()) == sorted(ids)


class TestFolder:
    """
    Tests for a folder that is taken away and given back.
    """

    def test_read_only_for_a_while(self, tmp_path: Path) -> None:
        """
        What was captured before arrives when the disk can be written again,
        in the kit that was open and in a new one, and what was refused
        meanwhile does not.
        """
        place = tmp_path / "mounted"
        backend = Backend(tmp_path / "backend")
        with tmpfs(place, "size=4m"):
            kit = open_kit(place / "data", "stats", transport=backend)
            ids = tick(kit, 1, 2, 3)
            kit.close()
            _remount(place, "ro")
            kit = open_kit(place / "data", transport=backend)
            meanwhile = tick(kit, 4)
            problems = kit.flush().problems
            with pytest.raises(StoreError) as caught:
                kit.consent.withdraw("stats")
            one_message(caught.value, str(place))
            kit.close()
            _remount(place, "rw")

            kit = open_kit(place / "data", transport=backend)
            ids += tick(kit, 5)
            report = kit.flush()
            verdict = kit.ledger.verify().kind.value
            kit.close()

        assert problems
        assert (report.waiting, report.problems) == (0, ())
        assert sorted(backend.ids()) == sorted([*ids, *meanwhile])
        assert verdict == "intact"

    def test_owned_by_another(self, tmp_path: Path) -> None:
        """
        Whom the files do not belong to captures and sends nothing; when they
        are their owner's again, all of it arrives once.
        """
        if not IS_ROOT:
            pytest.skip("giving files away takes root")
        tmp_path.chmod(0o777)
        let_others_in(tmp_path)
        data_dir = tmp_path / "data"
        backend = Backend(tmp_path / "backend")
        kit = open_kit(data_dir, "stats", transport=backend)
        ids = tick(kit, 1, 2, 3)
        kit.close()

        run(
            AS_NOBODY
            + r"""
drop()
sent = Scripted()
kit = open_kit(data_dir, transport=sent)
assert tick(kit, 4) == []
report = kit.flush()
assert report.problems, report
assert str(data_dir) in report.problems[0], report
assert sent.batches == []
""",
            tmp_path,
        )

        kit = open_kit(data_dir, transport=backend)
        report = kit.flush()
        assert (report.waiting, report.problems) == (0, ())
        assert sorted(backend.ids()) == sorted(ids)
        assert kit.ledger.verify().kind.value == "intact"

    def test_others_may_write_there(self, tmp_path: Path) -> None:
        """
        A folder that other users may write to is refused, and said why.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, "stats")
        tick(kit, 1)
        kit.close()
        data_dir.chmod(0o777)
        kit = open_kit(data_dir)

        with kit.use("stats") as use:
            answer = use.capture(Ticked(2))

        assert not answer
        one_message(answer.detail, str(data_dir))


# A folder as a kill leaves it: with what waits, what was delivered, what was
# withdrawn, and an erasure that nobody has asked for yet.
LEFT_BY_A_KILL = r"""
import json, os, sys
from pathlib import Path
from tests.faults.support import *

folder = Path(sys.argv[1])

def live():
    backend = Backend(folder / "backend")
    kit = open_kit(
        folder / "data", "stats", "health", "shared",
        transport={"maker": backend, "partner": backend},
    )
    gone = tock(kit, *range(100, 105))
    tick(kit, *range(3))
    assert kit.flush().delivered == 8
    gone += tock(kit, *range(105, 110))
    kit.consent.withdraw("health")
    kit.consent.deny("logs")
    due = tick(kit, *range(3, 20), note="a note that is long enough")
    due += tock(kit, *range(200, 210), function="shared")
    (folder / "ids").write_text(json.dumps([gone, due]))
    os.kill(os.getpid(), 9)

assert in_child(live) == -9
"""


class TestBits:
    """
    Tests for bits that have turned, in any file of the folder.
    """

    def test_in_any_file(self, tmp_path: Path) -> None:
        """
        Wherever it is, what arrives is what was captured, once; nothing that
        was withdrawn comes back; and a ledger that is not as it was written
        is not called intact.
        """
        self._turn(tmp_path, turns=60, seed=20261122)

    def test_what_is_missing_is_told_of(self, tmp_path: Path) -> None:
        """
        Where a turned bit costs records, something says so: a flush, the
        counts, the status or the ledger's verdict.
        """
        silent = self._turn(tmp_path, turns=30, seed=20261122)

        assert silent == []

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(4))
    def test_for_long(self, tmp_path: Path, seed: int) -> None:
        """
        So it is at a thousand places.
        """
        self._turn(tmp_path, turns=1000, seed=seed)

    def _turn(self, tmp_path: Path, *, turns: int, seed: int) -> list[str]:
        """
        Turn bits, look, and name the turns that lost something in silence.
        """
        left = tmp_path / "left"
        left.mkdir()
        run(LEFT_BY_A_KILL, left)
        gone, due = json.loads((left / "ids").read_text())
        names = sorted(
            path.relative_to(left / "data")
            for path in (left / "data").rglob("*")
            if path.is_file() and path.stat().st_size
        )
        assert len(names) > 4
        true = self._entries(left / "data", tmp_path / "true")
        pick, silent = random.Random(seed), []
        for turn in range(turns):
            here = tmp_path / "here"
            shutil.rmtree(here, ignore_errors=True)
            shutil.copytree(left, here)
            name = names[turn % len(names)]
            self._flip(here / "data" / name, pick)
            try:
                is_told = self._look(here, set(gone), set(due), true)
            except BaseException as error:
                error.add_note(f"turn {turn} of seed {seed}, in {name}")
                raise
            silent += [] if is_told else [f"turn {turn}, in {name}"]
        return silent

    def _entries(self, data_dir: Path, copy: Path) -> list[str]:
        shutil.copytree(data_dir, copy)
        kit = open_kit(copy)
        entries = [entry.body for entry in kit.consent.history()]
        kit.close()
        return entries

    def _flip(self, path: Path, pick: random.Random) -> None:
        content = bytearray(path.read_bytes())
        # Much of a file is empty pages: aim at what is in use.
        used = [i for i, byte in enumerate(content) if byte]
        for _ in range(pick.choice((1, 1, 1, 8, 64))):
            content[pick.choice(used)] ^= 1 << pick.randrange(8)
        path.write_bytes(content)

    def _look(
        self, here: Path, gone: set[str], due: set[str], true: list[str]
    ) -> bool:
        """
        Live with the folder; tell whether what is missing is told of.
        """
        backend = Backend(here / "backend")
        before = set(backend.ids())
        kit = open_kit(
            here / "data", transport={"maker": backend, "partner": backend}
        )
        said: list[object] = list(kit.flush().problems)
        late = tick(kit, 50) + tock(kit, 51)
        said += kit.flush().problems
        counts: dict[str, int] = {}
        try:
            counts = dict(kit.status().counts)
        except StoreError as error:
            said.append(str(error))
        for one in said:
            one_message(str(one))
        records = {one.id: one for one in backend.records()}
        came = set(records) - before
        assert came <= due | set(late)
        known = {
            "stats": {*range(20), 50},
            "health": {*range(100, 105)},
            "shared": {*range(200, 210)},
        }
        for record in records.values():
            assert number(record) in known[record.function]
        numbers = [number(record) for record in records.values()]
        assert len(numbers) == len(set(numbers))
        assert not came & gone
        # What never was a yes is none now.
        assert 51 not in numbers
        problem = kit.consent.state().problem
        kit.close()
        verdict = self._verdict(here / "data", true)
        said += [one for one in (problem, counts.get("unreadable")) if one]
        return due <= came or bool(said) or verdict != "intact"

    def _verdict(self, data_dir: Path, true: list[str]) -> str:
        kit = open_kit(data_dir)
        try:
            entries = [entry.body for entry in kit.consent.history()]
            verdict = kit.ledger.verify().kind.value
        except StoreError as error:
            one_message(error)
            return "unreadable"
        finally:
            kit.close()
        if verdict == "intact":
            assert entries[: len(true)] == true
        return verdict


class TestClock:
    """
    Tests for a clock that leaps.
    """

    @pytest.mark.parametrize(
        "leap",
        [
            timedelta(hours=1),
            timedelta(hours=-1),
            timedelta(days=2),
            timedelta(days=-2),
            timedelta(days=40),
            timedelta(days=-40),
            timedelta(days=400),
            timedelta(days=-400),
            timedelta(days=365 * 70),
            datetime(1970, 1, 1, tzinfo=UTC) - START,
            datetime(9000, 1, 1, tzinfo=UTC) - START,
        ],
        ids=str,
    )
    def test_it_leaps_and_comes_back(
        self, tmp_path: Path, leap: timedelta
    ) -> None:
        """
        Whatever the clock says, each record that was kept arrives once or is
        counted by the reason for which it does not, and a withdrawal stays
        one.
        """
        clock = Clock()
        backend = Backend(tmp_path / "backend")
        kit = open_kit(
            tmp_path / "data",
            *("stats", "health", "shared"),
            transport={"maker": backend, "partner": backend},
            clock=clock,
        )
        ids = tick(kit, 1, 2) + tock(kit, 3)
        gone = tock(kit, 4, function="shared")
        kit.consent.withdraw("shared")
        for moment in (START + leap, START + timedelta(minutes=1)):
            clock.now = moment
            ids += tick(kit, 5) + tock(kit, 6)
            assert tock(kit, 7, function="shared") == []
            kit.flush()
            # Another process sees it for the first time.
            kit.close()
            kit = open_kit(
                tmp_path / "data",
                transport={"maker": backend, "partner": backend},
                clock=clock,
            )
            ids += tick(kit, 8)
            report = kit.flush()
            assert not report.problems
            status = kit.consent.state().choices["shared"].status
            assert status is Status.WITHDRAWN

        counts = dict(kit.status().counts)
        assert counts.pop("withdrawn") == len(gone)
        counts.pop("erasure_confirmed", None)
        assert sum(counts.values()) + kit.status().waiting == len(ids)
        assert set(counts) <= {"delivered", "expired", "rejected"}
        assert counts.get("delivered", 0) == len(backend.ids())
        assert set(backend.ids()) <= set(ids)
        assert kit.ledger.verify().kind.value == "intact"

    @pytest.mark.parametrize(
        "leap", [timedelta(hours=-5), timedelta(days=-9), timedelta(hours=5)]
    )
    def test_a_small_leap_costs_nothing(
        self, tmp_path: Path, leap: timedelta
    ) -> None:
        """
        A clock that is set right, by hours forward or days back, loses
        nothing of what waits.
        """
        clock = Clock()
        backend = Backend(tmp_path / "backend")
        kit = open_kit(
            tmp_path / "data",
            "stats",
            "health",
            transport=backend,
            clock=clock,
        )
        ids = tick(kit, 1, 2, 3) + tock(kit, 4)
        clock.now += leap

        report = kit.flush()

        assert (report.waiting, report.problems) == (0, ())
        assert sorted(backend.ids()) == sorted(ids)


def _fill_up(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """
    Let *folder* take no writes, for whoever opens a file in it meanwhile.
    """
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        _remount(folder, "bind,ro")
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _remount(place: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)
