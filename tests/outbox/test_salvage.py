# SPDX-License-Identifier: MIT
"""
An outbox whose file was damaged: what is intact is saved, the rest is set
aside, and it is said.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import stat
import subprocess
import sys

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.transports.memory import MemoryTransport
from tests.faults.support import ROOT
from tests.support import START, Clock, Spies, make_kit


RECORDS = 600
BATCH = 50
PAGE = 4096
LIMITS = consentkit.Limits(batch_records=BATCH)


def open_kit(folder: Path, **options: Any) -> consentkit.Kit:
    """
    Open a kit on *folder*, with nothing granted anew.
    """
    options.setdefault("limits", LIMITS)
    return make_kit(folder, **options)


def fill(folder: Path, *, first: int = 0, records: int = RECORDS) -> set[str]:
    """
    Keep records, of two functions by turns, and give their ids.
    """
    ids: set[str] = set()
    with open_kit(folder) as kit:
        for function in ("connect", "improve"):
            if not kit.decide_function(function):
                kit.consent.show(function)
                kit.consent.grant(function)
        with kit.use("connect") as connect, kit.use("improve") as improve:
            for n in range(first, first + records):
                kept = (
                    improve.capture_event("session_ended", {"seconds": n})
                    if n % 2
                    else connect.capture_event(
                        "binding_finished",
                        {
                            "seconds": n,
                            "outcome": "ok",
                            "note": "fine",
                            "again": False,
                            "tries": n,
                        },
                    )
                )
                assert isinstance(kept, consentkit.Kept)
                ids.update(kept.ids)
        assert len(list(kit.store.inspect())) == records
    return ids


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """
    Give a folder with a backlog, and the ids in it.
    """
    folder = tmp_path_factory.mktemp("filled") / "data"
    return folder, fill(folder)


@pytest.fixture
def left(filled: tuple[Path, set[str]], tmp_path: Path) -> Path:
    """
    Give a copy of it.
    """
    return Path(shutil.copytree(filled[0], tmp_path / "data"))


def roots(folder: Path) -> dict[str, int]:
    """
    Tell where each table begins.
    """
    db = sqlite3.connect(folder / "outbox.sqlite3")
    try:
        rows = db.execute("SELECT name, rootpage FROM sqlite_master")
        return {name: (page - 1) * PAGE for name, page in rows if page}
    finally:
        db.close()


def turn(folder: Path, at: int, bits: int = 0x10) -> None:
    """
    Turn bits of one byte of the outbox.
    """
    path = folder / "outbox.sqlite3"
    raw = bytearray(path.read_bytes())
    raw[at] ^= bits
    path.write_bytes(raw)


def delivered(folder: Path, **options: Any) -> tuple[set[str], dict[str, int]]:
    """
    Open a kit, flush it, and give what arrived, and the counts.
    """
    backend = MemoryTransport("memory://backend")
    with open_kit(folder, transport=backend, **options) as kit:
        report = kit.flush()
        assert report.waiting == 0
        counts = dict(kit.status().counts)
    ids = [record.id for record in backend.records]
    assert len(ids) == len(set(ids))
    return set(ids), counts


#: What is damaged, by where that is.
PLACES: dict[str, Callable[[dict[str, int]], int]] = {
    "the header of the file": lambda _: 3,
    "the size of a page": lambda _: 16,
    "the first page, where the tables are listed": lambda _: 1500,
    "the first page's own list": lambda _: 104,
    "the kind of the page of the lanes": lambda at: at["lanes"],
    "how many lanes there are": lambda at: at["lanes"] + 4,
    "where a lane begins": lambda at: at["lanes"] + 9,
    "the kind of the page of the kinds": lambda at: at["kinds"],
    "the names of what stands beside": lambda at: at["meta"] + 1,
    "the first page of the chunks": lambda at: at["chunks"] + 1,
    "its kind": lambda at: at["chunks"],
    "the first page of the bodies": lambda at: at["bodies"] + 5,
    "its kind too": lambda at: at["bodies"],
    "the portions": lambda at: at["portions"],
    "the journals": lambda at: at["journals"],
    "the totals": lambda at: at["totals"],
}


class TestOneByte:
    """
    Tests for damage of one byte.
    """

    @pytest.mark.obligation("PR-SEC-1")
    @pytest.mark.parametrize("place", PLACES)
    def test_of_what_the_rest_is_found_by(
        self,
        left: Path,
        filled: tuple[Path, set[str]],
        place: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """
        Damage to what only says where the records are takes none of them.
        """
        turn(left, PLACES[place](roots(left)))
        arrived, _ = delivered(left)

        assert arrived == filled[1]
        for said in caplog.messages:
            assert "set aside" in said

    @pytest.mark.parametrize("seed", range(24))
    def test_anywhere(
        self, left: Path, filled: tuple[Path, set[str]], seed: int
    ) -> None:
        """
        Wherever it is, what arrives is what was kept, and no more is lost
        than one chunk; or one lane, where its keys are hit or what its
        records share.
        """
        pick = random.Random(seed)
        size = (left / "outbox.sqlite3").stat().st_size
        turn(left, pick.randrange(size), 1 << pick.randrange(8))
        arrived, counts = delivered(left)

        assert arrived <= filled[1]
        assert len(arrived) >= RECORDS - BATCH or len(arrived) == RECORDS / 2
        if arrived != filled[1]:
            assert counts["unreadable"] >= 1

    def test_of_the_keys_of_a_lane(
        self, left: Path, filled: tuple[Path, set[str]]
    ) -> None:
        """
        Where the keys of a lane are hit, the other lanes are whole, and the
        function goes on in a lane of its own.
        """
        db = sqlite3.connect(left / "outbox.sqlite3")
        ((wrapped,),) = db.execute(
            "SELECT wrapped FROM lanes WHERE element = 'connect'"
        ).fetchall()
        db.close()
        raw = (left / "outbox.sqlite3").read_bytes()
        turn(left, raw.index(wrapped) + 30)

        fresh = fill_some(left)
        arrived, counts = delivered(left)

        assert len(arrived & filled[1]) == RECORDS / 2
        assert fresh < arrived
        assert counts["unreadable"] == RECORDS / 2


def fill_some(folder: Path) -> set[str]:
    """
    Keep some more, without a look at what is there.
    """
    with open_kit(folder) as kit, kit.use("connect") as use:
        kept = use.capture_event(
            "binding_finished",
            {
                "seconds": 1,
                "outcome": "ok",
                "note": "more",
                "again": False,
                "tries": 1,
            },
        )
        assert isinstance(kept, consentkit.Kept), kept
        return set(kept.ids)


class TestMore:
    """
    Tests for damage of more than one byte.
    """

    def test_a_file_without_its_end(
        self, left: Path, filled: tuple[Path, set[str]]
    ) -> None:
        """
        Of a file that was cut short, the records that are there are saved.
        """
        path = left / "outbox.sqlite3"
        raw = path.read_bytes()
        path.write_bytes(raw[: -3 * PAGE])
        arrived, counts = delivered(left)

        assert arrived < filled[1]
        assert len(arrived) > RECORDS / 4
        assert counts["unreadable"] > 0

    def test_no_database_at_all(self, left: Path) -> None:
        """
        A file of which nothing is left is set aside, and the app goes on.
        """
        (left / "outbox.sqlite3").write_bytes(b"no database " * 4096)
        fresh = fill_some(left)
        arrived, counts = delivered(left)

        assert arrived == fresh
        assert counts["unreadable"] >= 1

    def test_another_programs_file(self, tmp_path: Path) -> None:
        """
        A whole file of another program is left alone.
        """
        folder = tmp_path / "data"
        with make_kit(folder, "improve"):
            pass
        db = sqlite3.connect(folder / "outbox.sqlite3")
        db.execute("CREATE TABLE theirs (a)")
        db.commit()
        db.close()
        (folder / "outbox.sqlite3").chmod(0o600)
        raw = (folder / "outbox.sqlite3").read_bytes()
        with open_kit(folder) as kit, kit.use("improve") as use:
            refused = use.capture_event("session_ended", {"seconds": 1})

        assert isinstance(refused, consentkit.Refusal)
        assert refused.reason is consentkit.Reason.OUTBOX_UNUSABLE
        assert "another program's" in refused.detail
        assert (folder / "outbox.sqlite3").read_bytes() == raw

    def test_damage_to_the_log_of_what_is_moved(
        self, tmp_path: Path, filled: tuple[Path, set[str]]
    ) -> None:
        """
        What was moved into the table is in its journal until the log is
        folded, so that damage to the log takes nothing.
        """
        folder = tmp_path / "data"
        ids = fill(folder, records=20)
        kit = open_kit(folder)
        try:
            with kit.use("improve") as use:
                for seconds in range(30):
                    kept = use.capture_event(
                        "session_ended", {"seconds": seconds}
                    )
                    assert isinstance(kept, consentkit.Kept)
                    ids |= set(kept.ids)
            assert len(list(kit.store.inspect())) == len(ids)
            # As a crash would leave it.
            crashed = Path(shutil.copytree(folder, tmp_path / "crashed"))
        finally:
            kit.close()
        log = crashed / "outbox.sqlite3-wal"
        raw = bytearray(log.read_bytes())
        assert len(raw) > PAGE
        raw[len(raw) // 2] ^= 1
        log.write_bytes(raw)
        arrived, _ = delivered(crashed)

        assert arrived == ids


class TestWhileItRuns:
    """
    Tests for damage that comes while the app runs.
    """

    def test_capture_and_flush_go_on(
        self, left: Path, filled: tuple[Path, set[str]]
    ) -> None:
        """
        The process that has the file open goes on with what was saved.
        """
        backend = MemoryTransport("memory://backend")
        with open_kit(left, transport=backend) as kit:
            assert kit.status().waiting == RECORDS
            at = roots(left)
            for table in ("chunks", "bodies", "lanes"):
                turn(left, at[table])
            kit.store._db.close()
            with kit.use("improve") as use:
                kept = use.capture_event("session_ended", {"seconds": 1})
            assert isinstance(kept, consentkit.Kept)
            report = kit.flush()

        assert report.waiting == 0
        arrived = {record.id for record in backend.records}
        assert arrived == filled[1] | set(kept.ids)

    def test_another_process_mended_it(
        self, left: Path, filled: tuple[Path, set[str]]
    ) -> None:
        """
        A process that has the damaged file open goes on with the one that
        another process put in its place, and takes nothing of that away.
        """
        backend = MemoryTransport("memory://backend")
        with open_kit(left, transport=backend) as kit:
            assert kit.status().waiting == RECORDS
            turn(left, roots(left)["chunks"])
            mend = (
                "import sys; from pathlib import Path\n"
                "from tests.outbox.test_salvage import fill_some\n"
                "print(*fill_some(Path(sys.argv[1])))"
            )
            done = subprocess.run(
                [sys.executable, "-c", mend, left],
                cwd=ROOT,
                check=True,
                capture_output=True,
                text=True,
            )
            with kit.use("improve") as use:
                kept = use.capture_event("session_ended", {"seconds": 1})
            assert isinstance(kept, consentkit.Kept)
            report = kit.flush()

        assert "set aside" in done.stderr
        assert report.waiting == 0
        arrived = {record.id for record in backend.records}
        assert arrived == filled[1] | set(kept.ids) | {done.stdout.strip()}

    def test_withdrawal_holds(self, left: Path) -> None:
        """
        A withdrawal that meets a damaged file destroys what is its own.
        """
        turn(left, roots(left)["chunks"])
        with open_kit(left) as kit:
            kit.store._db.close()
            kit.consent.withdraw("improve")
            assert kit.status().waiting == RECORDS / 2
            assert not kit.decide_function("improve")
        arrived, _ = delivered(left)

        assert len(arrived) == RECORDS / 2


class TestSetAside:
    """
    Tests for what is kept of a damaged file.
    """

    def test_is_private_and_told(
        self, left: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        The file is set aside as it was, for this user only; the log and the
        status say so.
        """
        turn(left, roots(left)["chunks"])
        raw = (left / "outbox.sqlite3").read_bytes()
        backend = MemoryTransport("memory://backend")
        with open_kit(left, transport=backend) as kit:
            kit.flush()
            (aside,) = kit.status().set_aside

        assert stat.S_IMODE(aside.stat().st_mode) == 0o700
        (kept,) = aside.iterdir()
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert kept.read_bytes() == raw
        (said,) = [m for m in caplog.messages if "set aside" in m]
        assert str(aside) in said
        assert f"{RECORDS} records were saved" in said

    def test_goes_with_a_withdrawal(self, left: Path) -> None:
        """
        Once a grant has ended, nothing on the disk opens what was set aside.
        """
        turn(left, roots(left)["chunks"])
        with open_kit(left) as kit:
            kit.flush()
            (before,) = (left / "keys").glob("*.key")
            kit.consent.withdraw("improve")
            (after,) = (left / "keys").glob("*.key")

        assert before != after

    def test_goes_by_itself(self, left: Path) -> None:
        """
        It is deleted after a week, whatever else happens.
        """
        clock = Clock(START)
        turn(left, roots(left)["chunks"])
        with open_kit(left, clock=clock, spies=Spies()) as kit:
            kit.flush()
            assert len(kit.status().set_aside) == 1
            clock.now += timedelta(days=7, seconds=1)
            kit.flush()
            assert kit.status().set_aside == ()
