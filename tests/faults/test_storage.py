# SPDX-License-Identifier: MIT
"""
Folders, disks and files that fail: each call answers, with one clear message
that names the file and the cure, and nothing is made up.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from consentkit import Kept, Reason, Refusal
from consentkit.collectors.source import Source
from consentkit.consent.state import Status
from consentkit.exceptions import (
    DamagedError,
    NewerFormatError,
    StoreError,
    UnwritableError,
)
from tests.faults.support import (
    Scripted,
    Ticked,
    Tocked,
    let_others_in,
    number,
    open_kit,
    run,
    tick,
    tock,
)
from tests.support import LOOK_SECONDS, entries_in_file, put_entries


IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0

# Programs that give up being root; what they need is imported before.
AS_NOBODY = r"""
import os, sys
from pathlib import Path
from tests.faults.support import *
from tests.faults import support
support._warm_up()
import encodings.ascii, encodings.idna, logging, traceback
from consentkit.exceptions import *
from consentkit import *
from consentkit.collectors.source import Source
from consentkit.consent.state import Status

folder = Path(sys.argv[1])
data_dir = folder / "data"

def drop():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

def says(work, *words):
    try:
        work()
    except StoreError as error:
        text = str(error)
        assert "\n" not in text, text
        assert all(word in text for word in words), text
        assert error.cure in text
    else:
        raise AssertionError("no error")
"""


def one_message(error: StoreError | str, *words: str) -> None:
    """
    See that *error* is one line that names its place and its cure.
    """
    text = str(error)
    assert "\n" not in text
    assert all(word in text for word in words), text
    if isinstance(error, StoreError):
        assert text == f"{error.path}: {error.problem}; {error.cure}"


@contextmanager
def tmpfs(path: Path, options: str):
    """
    Mount a small file system of its own; skip where that is not possible.
    """
    mount = shutil.which("mount")
    if not (IS_ROOT and mount and sys.platform == "linux"):
        pytest.skip("mounting a file system takes root on Linux")
    path.mkdir()
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", options, "tmpfs", str(path)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("this machine does not let us mount a tmpfs")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


class TestFolder:
    """
    The folder for our files.
    """

    def test_one_that_cannot_be_written(self, tmp_path):
        """
        An unprivileged user with a read-only folder: the grant says where
        and what to do, everything is refused, nothing is raised elsewhere.
        """
        tmp_path.chmod(0o755)
        let_others_in(tmp_path)
        run(
            AS_NOBODY
            + r"""
data_dir.mkdir()
data_dir.chmod(0o555)
drop()
if os.access(data_dir, os.W_OK):
    sys.exit()  # nothing stops this user
kit = open_kit(data_dir)
says(lambda: kit.consent.grant("stats"), str(data_dir), "may write")
with kit.use("stats") as use:
    assert use.capture(Ticked(1)).reason is Reason.NOT_ASKED
says(lambda: kit.consent.withdraw("stats"), str(data_dir))
assert kit.flush().problems == ()
kit.close()
""",
            tmp_path,
        )

    def test_one_that_cannot_be_read(self, tmp_path):
        """
        A folder that may not even be looked into is no missing choice: the
        ledger counts as unreadable, and nobody is asked again.
        """
        tmp_path.chmod(0o755)
        let_others_in(tmp_path)
        run(
            AS_NOBODY
            + r"""
def fill():
    kit = open_kit(data_dir, "stats")
    tick(kit, 1)
    kit.close()

assert in_child(fill) == 0
data_dir.chmod(0o000)
drop()
if os.access(data_dir, os.X_OK):
    sys.exit()  # nothing stops this user
kit = open_kit(data_dir)
with kit.use("stats") as use:
    refused = use.capture(Ticked(1))
assert refused.reason is Reason.LEDGER_UNREADABLE
assert "ledger.sqlite3" in str(refused), refused
status = kit.consent.state().choices["stats"].status
assert status is Status.UNREADABLE
says(kit.status, "outbox.sqlite3")
assert "outbox.sqlite3" in kit.flush().problems[0]
says(lambda: kit.consent.grant("stats"), "ledger.sqlite3")
kit.close()
""",
            tmp_path,
        )

    def test_files_of_another_user(self, tmp_path):
        """
        Files that this user may not read are told of, and refused.
        """
        if not IS_ROOT:
            pytest.skip("making files of another user takes root")
        tmp_path.chmod(0o755)
        let_others_in(tmp_path)
        run(
            AS_NOBODY
            + r"""
def fill():
    kit = open_kit(data_dir, "stats")
    tick(kit, 1)
    kit.close()

assert in_child(fill) == 0
data_dir.chmod(0o755)
drop()
kit = open_kit(data_dir)
with kit.use("stats") as use:
    refused = use.capture(Ticked(1))
assert refused.reason is Reason.LEDGER_UNREADABLE, refused
says(lambda: kit.consent.withdraw("stats"), "ledger.sqlite3")
says(kit.status, "outbox.sqlite3")
""",
            tmp_path,
        )

    def test_an_unprivileged_user(self, tmp_path):
        """
        All works without root, and only that user can read the files.
        """
        tmp_path.chmod(0o777)
        let_others_in(tmp_path)
        run(
            AS_NOBODY
            + r"""
drop()
os.umask(0)
transport = Scripted()
kit = open_kit(data_dir, "stats", "health", transport=transport)
assert len(tick(kit, 1, 2)) == 2
assert kit.flush().delivered == 2
tock(kit, 3)
kit.consent.withdraw("stats")
for path in data_dir.rglob("*"):
    mode = path.stat().st_mode & 0o777
    wanted = 0o700 if path.is_dir() else 0o600
    assert mode == wanted, (path, oct(mode))
assert data_dir.stat().st_mode & 0o777 == 0o700
kit.close()
""",
            tmp_path,
        )

    def test_a_read_only_file_system(self, tmp_path):
        """
        On a file system that became read-only, everything is refused and
        nothing is raised but by an act of the person.
        """
        place = tmp_path / "mounted"
        with tmpfs(place, "size=4m"):
            kit = open_kit(place / "data", "stats")
            tick(kit, 1)
            kit.close()
            remount = ["mount", "-o", "remount,ro", str(place)]
            subprocess.run(remount, check=True)

            kit = open_kit(place / "data", transport=Scripted())
            with kit.use("stats") as use:
                answer = use.capture(Ticked(2))
            assert isinstance(answer, Refusal)
            one_message(answer.detail, str(place))
            one_message(kit.flush().problems[0], str(place))
            with pytest.raises(StoreError) as caught:
                kit.consent.grant("health")
            one_message(caught.value, str(place), "may write")
            with pytest.raises(StoreError) as caught:
                kit.consent.withdraw("stats")
            one_message(caught.value, str(place))
            with kit.use("stats") as use:
                assert isinstance(use.capture(Ticked(3)), Refusal)
            kit.close()

    def test_a_full_disk(self, tmp_path):
        """
        On a full disk captures are refused with the cure, what was kept
        stays, and all goes on when there is space again.
        """
        place = tmp_path / "mounted"
        with tmpfs(place, "size=1m"):
            transport = Scripted()
            kit = open_kit(place / "data", "stats", transport=transport)
            ids = []
            with kit.use("stats") as use:
                answer = use.capture(Ticked(0))
                while isinstance(answer, Kept):
                    ids += answer.ids
                    answer = use.capture(Ticked(0, "x" * 20_000))
                assert answer.reason is Reason.OUTBOX_UNUSABLE
                one_message(answer.detail, "outbox", "the disk is full")
                for _ in range(3):
                    answer = use.capture(Ticked(1, "y" * 20_000))
                    ids += answer.ids if answer else ()
            kit.flush()
            for path in (place / "filler1", place / "filler2"):
                path.unlink(missing_ok=True)
            subprocess.run(
                ["mount", "-o", "remount,size=8m", str(place)], check=True
            )
            ids += tick(kit, 2)
            assert kit.flush().waiting == 0
            sent = [r.id for b in transport.batches for r in b.records]
            assert sorted(set(sent)) == sorted(ids)
            kit.close()

    @pytest.mark.parametrize("was_sent", [False, True])
    def test_a_withdrawal_on_a_full_disk(self, tmp_path, was_sent):
        """
        What is withdrawn while the disk is full is destroyed with its key,
        or by the flush that finds room; nothing of it goes out, and what was
        in memory is counted too.
        """
        place = tmp_path / "mounted"
        with tmpfs(place, "size=1m"):
            transport = Scripted()
            kit = open_kit(place / "data", "stats", transport=transport)
            tick(kit, 0)
            if was_sent:
                assert kit.flush().delivered == 1
            sent = len(transport.batches)
            kept = 0
            with kit.use("stats") as use:
                answer = use.capture(Ticked(0))
                while isinstance(answer, Kept):
                    kept += 1
                    answer = use.capture(Ticked(0, "x" * 2_000))
            assert kit.status().in_memory > 0
            with contextlib.suppress(StoreError):
                kit.consent.withdraw("stats")
                assert was_sent or not list(place.glob("data/keys/*.key"))
            assert not kit.decide_function("stats")
            assert kit.flush().delivered == 0
            subprocess.run(
                ["mount", "-o", "remount,size=8m", str(place)], check=True
            )
            report = kit.flush()
            assert (report.waiting, report.problems) == (0, ())
            assert len(transport.batches) == sent
            assert kit.status().counts["withdrawn"] >= kept
            kit.consent.show("stats")
            kit.consent.grant("stats")
            assert tick(kit, 1)
            assert kit.flush().delivered == 1
            kit.close()

    def test_a_withdrawal_of_what_has_no_record(self, tmp_path):
        """
        A withdrawal on a full disk of what nothing waits under takes the key
        from nobody: the others go on.
        """
        place = tmp_path / "mounted"
        with tmpfs(place, "size=1m"):
            kit = open_kit(
                place / "data", "stats", "health", transport=Scripted()
            )
            tock(kit, 1)
            kit.consent.withdraw("health")
            (key,) = place.glob("data/keys/*.key")
            with (
                contextlib.suppress(OSError),
                (place / "filler").open("wb", buffering=0) as filler,
            ):
                while True:
                    filler.write(bytes(4096))
            with contextlib.suppress(StoreError):
                kit.consent.withdraw("stats")
            assert key.exists()
            (place / "filler").unlink()
            kit.flush()
            kit.consent.show("stats")
            kit.consent.grant("stats")
            assert tick(kit, 1)
            assert kit.flush().delivered == 1
            kit.close()

    def test_a_limit_on_file_sizes(self, tmp_path):
        """
        A process that may write no larger files is refused likewise.
        """
        program = r"""
            import resource, signal, sys
            from tests.faults.support import *
            from consentkit import Kept, Reason

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            kit = open_kit(sys.argv[1], "stats", transport=Scripted())
            ids = tick(kit, 1)
            limit = 200_000
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            with kit.use("stats") as use:
                answer = use.capture(Ticked(1))
                while answer:
                    ids += answer.ids
                    answer = use.capture(Ticked(1, "x" * 20_000))
            assert answer.reason is Reason.OUTBOX_UNUSABLE, answer
            assert "outbox" in answer.detail, answer
        """
        run(program, tmp_path / "data")

        transport = Scripted()
        kit = open_kit(tmp_path / "data", transport=transport)
        assert kit.flush().waiting == 0
        assert transport.batches

    @pytest.mark.parametrize(
        "name", ["ledger.sqlite3", "outbox.sqlite3", "keys", "delivery.lock"]
    )
    def test_something_else_is_in_the_way(self, tmp_path, name):
        """
        A folder or a file where ours should be is told of by its name.
        """
        data_dir = tmp_path / "data"
        data_dir.mkdir()
        if name == "keys":
            (data_dir / name).write_text("in the way")
        else:
            (data_dir / name).mkdir()
        kit = open_kit(data_dir, transport=Scripted())
        if name in ("ledger.sqlite3", "keys"):
            # The ledger signs with a key of that folder.
            with pytest.raises(StoreError) as caught:
                kit.consent.grant("stats")
            one_message(caught.value, name)
            return
        kit.consent.grant("stats")
        with kit.use("stats") as use:
            answer = use.capture(Ticked(1))
        report = kit.flush()
        if name == "delivery.lock":
            assert isinstance(answer, Kept)
            one_message(report.problems[0], name)
            assert kit.consent.withdraw("stats").destroyed.records == 1
        else:
            assert answer.reason is Reason.OUTBOX_UNUSABLE
            one_message(answer.detail, name)


def _filled(folder: Path) -> Path:
    """
    Make a data folder with choices, waiting records and an erasure.
    """
    data_dir = folder / "filled"
    transport = Scripted()
    kit = open_kit(data_dir, "stats", "health", "logs", transport=transport)
    tick(kit, 100)
    kit.flush()
    kit.consent.withdraw("stats")
    kit.consent.grant("stats")
    tick(kit, *range(10), note="a note that is long enough to fill pages")
    tock(kit, *range(10))
    kit.consent.deny("logs")
    kit.close()
    return data_dir


class Machine(Source):
    """
    A machine with an id.
    """

    name = "machine"
    data_types = frozenset({"system_id"})

    def _read(self, permit, **_):
        return "6f1d3c58b0a94e7786d2f0a1c3e5b7d9"


def _live_with(data_dir: Path) -> None:
    """
    Do all that an app does, and see that every answer is a sane one.
    """
    sent = Scripted()
    kit = open_kit(data_dir, transport=sent, sources=[Machine()])
    state = kit.consent.state()
    # No damage turns a no into a yes.
    assert (
        state.choices["logs"].status
        in (
            Status.REFUSED,
            Status.UNREADABLE,
        )
        or not state.choices["logs"].epoch
    )
    with kit.use("stats") as use:
        for answer in (use.capture(Ticked(1)), use.device("system_id")):
            if isinstance(answer, Refusal) and answer.detail:
                one_message(answer.detail)
    with kit.use("health") as use:
        use.capture(Tocked(2))
    report = kit.flush()
    for problem in report.problems:
        one_message(problem)
        assert "delivery failed" not in problem, problem
    for batch in sent.batches:
        for record in batch.records:
            assert record.function in ("stats", "health")
            assert number(record) in range(10)
    for act in (kit.status, lambda: list(kit.store.inspect())):
        try:
            act()
        except StoreError as error:
            one_message(error)
    for element in ("health", "stats"):
        try:
            kit.consent.withdraw(element)
        except StoreError as error:
            one_message(error)
        with kit.use(element) as use:
            event = Ticked(3) if element == "stats" else Tocked(3)
            assert isinstance(use.capture(event), Refusal)
    kit.close()


class TestDamage:
    """
    Files that are not what was written.
    """

    @pytest.mark.parametrize("name", ["ledger", "outbox", "key"])
    def test_bytes_flipped_at_random(self, tmp_path, caplog, name):
        """
        Wherever bytes of a file are flipped, no call of an app ends in a
        traceback: each answers with what is right or with a refusal that
        names the file.
        """
        self._flip(tmp_path, name, turns=40, seed=20261121)

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("name", ["ledger", "outbox", "key"])
    def test_bytes_flipped_for_long(self, tmp_path, caplog, name, seed):
        """
        So it is at hundreds of places.
        """
        self._flip(tmp_path, name, turns=500, seed=seed)

    def _flip(self, tmp_path, name, *, turns, seed):
        start = _filled(tmp_path)
        pick = random.Random(f"{name}{seed}")
        for turn in range(turns):
            data_dir = tmp_path / "data"
            shutil.rmtree(data_dir, ignore_errors=True)
            shutil.copytree(start, data_dir)
            path = data_dir / f"{name}.sqlite3"
            if name == "key":
                (path,) = (data_dir / "keys").glob("*.key")
            content = bytearray(path.read_bytes())
            # Much of a file is empty pages: aim at what is in use.
            used = [i for i, byte in enumerate(content) if byte]
            for _ in range(pick.choice((1, 1, 4, 64))):
                content[pick.choice(used)] ^= 1 << pick.randrange(8)
            path.write_bytes(content)
            try:
                _live_with(data_dir)
            except BaseException as error:
                error.add_note(f"turn {turn}, seed {seed}")
                raise

    @pytest.mark.parametrize(
        "name",
        ["ledger", "outbox"],
    )
    def test_files_cut_off(self, tmp_path, name):
        """
        A file that ends too early, wherever, is handled likewise.
        """
        start = _filled(tmp_path)
        size = (start / f"{name}.sqlite3").stat().st_size
        for length in (0, 1, 99, 100, 1024, 4096, 5000, size - 4096, size - 1):
            data_dir = tmp_path / "data"
            shutil.rmtree(data_dir, ignore_errors=True)
            shutil.copytree(start, data_dir)
            os.truncate(data_dir / f"{name}.sqlite3", length)
            _live_with(data_dir)

    @pytest.mark.parametrize("name", ["ledger", "outbox"])
    def test_a_newer_format(self, tmp_path, name):
        """
        A file of a newer consentkit is refused by name, and left as it is.
        """
        data_dir = _filled(tmp_path)
        path = data_dir / f"{name}.sqlite3"
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA user_version = 999")
            db.execute("CREATE TABLE from_the_future (x)")
            db.commit()
        before = path.read_bytes()

        kit = open_kit(data_dir, transport=Scripted())
        with kit.use("stats") as use:
            answer = use.capture(Ticked(1))
        assert isinstance(answer, Refusal)
        one_message(answer.detail, path.name, "999", "upgrade consentkit")
        act = kit.status if name == "outbox" else kit.consent.history
        with pytest.raises(NewerFormatError) as caught:
            act()
        one_message(caught.value, str(path))
        assert "upgrade" in kit.flush().problems[0]
        kit.close()
        assert path.read_bytes() == before

    def test_rows_that_were_swapped(self, tmp_path):
        """
        A sealed record that was put in another's place, given a longer life
        or moved to another lane is not sent.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, "stats", "health")
        tick(kit, 1, 2, 3)
        tock(kit, 4)
        kit.close()
        one, two, three, four = entries_in_file(data_dir)
        put_entries(
            data_dir,
            [
                (*one[:3], two[3]),
                (*two[:2], two[2] + 9, two[3]),
                (four[0], *three[1:]),
                four,
            ],
        )
        transport = Scripted()
        kit = open_kit(data_dir, transport=transport)

        report = kit.flush()

        assert [number(r) for b in transport.batches for r in b.records] == [4]
        assert report.waiting == 0
        assert kit.status().counts["unreadable"] == 3

    def test_what_is_damaged_does_not_hold_up_the_rest(self, tmp_path):
        """
        A whole batch that cannot be read is dropped and counted, and the
        next one goes out in the same flush.
        """
        from consentkit.limits import Limits

        data_dir = tmp_path / "data"
        limits = Limits(batch_records=3)
        kit = open_kit(data_dir, "stats", limits=limits)
        ids = tick(kit, *range(7))
        kit.close()
        entries = entries_in_file(data_dir)
        spoilt = [(*one[:3], b"x" * 40) for one in entries[:3]]
        put_entries(data_dir, [*spoilt, *entries[3:]])
        transport = Scripted()
        kit = open_kit(data_dir, transport=transport, limits=limits)

        report = kit.flush()

        sent = [r.id for b in transport.batches for r in b.records]
        assert sent == ids[3:]
        assert (report.delivered, report.waiting) == (4, 0)
        assert kit.status().counts["unreadable"] == 3

    @pytest.mark.parametrize("is_readable", [True, False])
    def test_an_outbox_that_lets_go_of_nothing(self, tmp_path, is_readable):
        """
        Where damage keeps deleted records in the file, a flush ends, and
        sends nothing over and over: what can be read goes into another file,
        and out of that once.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, "stats")
        tick(kit, 1)
        kit.close()
        with closing(sqlite3.connect(data_dir / "outbox.sqlite3")) as db, db:
            db.execute(
                "CREATE TRIGGER stay BEFORE DELETE ON chunks "
                "BEGIN SELECT RAISE(IGNORE); END"
            )
            if not is_readable:
                db.execute("UPDATE bodies SET body = 'nonsense'")
        transport = Scripted()
        kit = open_kit(data_dir, transport=transport)

        report = kit.flush(timeout_seconds=20)

        sent = {r.id for b in transport.batches for r in b.records}
        assert len(sent) == int(is_readable)
        assert len(transport.batches) <= 2 * len(sent)
        assert report.waiting == 0
        assert is_readable or kit.status().counts["unreadable"] >= 1

    @pytest.mark.parametrize("damage", ["missing", "open", "short", "link"])
    def test_the_key(self, tmp_path, damage):
        """
        Without its key, or with one that others can read, the outbox keeps
        and sends nothing and says what to do; mended, all is there.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, "stats")
        ids = tick(kit, 1)
        kit.close()
        (key,) = (data_dir / "keys").glob("*.key")
        saved = key.read_bytes()
        if damage == "missing":
            key.unlink()
        elif damage == "open":
            key.chmod(0o640)
        elif damage == "short":
            key.write_bytes(saved[:20])
        else:
            key.unlink()
            key.symlink_to(tmp_path / "nowhere")
        transport = Scripted()
        kit = open_kit(data_dir, transport=transport)
        with kit.use("stats") as use:
            answer = use.capture(Ticked(2))
        report = kit.flush()
        kit.close()

        assert answer.reason is Reason.OUTBOX_UNUSABLE
        cure = "chmod 600" if damage == "open" else "restore it"
        one_message(answer.detail, key.name, cure)
        one_message(report.problems[0], key.name, cure)
        assert transport.batches == []

        key.unlink(missing_ok=True)
        key.write_bytes(saved)
        key.chmod(0o600)
        kit = open_kit(data_dir, transport=transport)
        assert kit.flush().delivered == 1
        assert [r.id for b in transport.batches for r in b.records] == ids


class TestUnderUs:
    """
    Files that change while a kit has them open.
    """

    def test_the_ledger_is_removed(self, tmp_path):
        """
        Without the ledger nothing is granted any more, in the open kit too;
        a new grant starts a new one.
        """
        kit = open_kit(tmp_path, "stats", transport=Scripted())
        tick(kit, 1)
        for path in tmp_path.glob("ledger*"):
            path.unlink()
        time.sleep(LOOK_SECONDS)

        with kit.use("stats") as use:
            assert use.capture(Ticked(2)).reason is Reason.NOT_ASKED
        assert kit.flush().delivered == 0
        kit.consent.grant("stats")
        assert kit.consent.history()[0].seq == 1
        assert len(tick(kit, 3)) == 1

    def test_the_ledger_is_replaced(self, tmp_path):
        """
        A ledger that was put in the place of the open one is refused, as
        its anchor is not this one's; with what lies beside it, it is read
        at the next call.
        """
        one, two = tmp_path / "one", tmp_path / "two"
        kit = open_kit(one, "stats")
        tick(kit, 1)
        other = open_kit(two, "health")
        other.close()
        for path in one.glob("ledger.sqlite3-*"):
            path.unlink()
        (two / "ledger.sqlite3").replace(one / "ledger.sqlite3")
        time.sleep(LOOK_SECONDS)

        assert tick(kit, 2) == tock(kit, 2) == []
        assert kit.consent.state().problem

        for name in ("ledger.anchor", "ledger.signing"):
            (two / "keys" / name).replace(one / "keys" / name)
        assert tick(kit, 3) == []
        assert len(tock(kit, 3)) == 1

    def test_the_outbox_is_removed(self, tmp_path):
        """
        A capture after the outbox was removed makes a new one, with keys
        that fit.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "stats", transport=transport)
        tick(kit, 1, 2)
        for path in tmp_path.glob("outbox*"):
            path.unlink()
        time.sleep(LOOK_SECONDS)

        ids = tick(kit, 3, 4)

        assert kit.flush().delivered == 2
        assert [r.id for b in transport.batches for r in b.records] == ids

    def test_another_process_makes_a_new_outbox(self, tmp_path):
        """
        Records are sealed with the keys of the file that is there now, not
        with those that were remembered.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "stats", transport=transport)
        other = open_kit(tmp_path)
        tick(kit, 1, 2)
        for path in tmp_path.glob("outbox*"):
            path.unlink()
        time.sleep(LOOK_SECONDS)
        ids = tick(other, 3)
        ids += tick(kit, 4)

        assert kit.flush().delivered == 2
        assert [r.id for b in transport.batches for r in b.records] == ids
        assert "unreadable" not in kit.status().counts

    def test_everything_is_removed(self, tmp_path):
        """
        A person who deletes the folder is unknown from then on.
        """
        kit = open_kit(tmp_path / "data", "stats", transport=Scripted())
        tick(kit, 1)
        shutil.rmtree(tmp_path / "data")
        time.sleep(LOOK_SECONDS)

        with kit.use("stats") as use:
            assert use.capture(Ticked(2)).reason is Reason.NOT_ASKED
        assert kit.flush().problems == ()
        assert kit.status().waiting == 0
        kit.close()
        assert not (tmp_path / "data").exists()


class TestLocked:
    """
    A file that another process holds.
    """

    @pytest.fixture(autouse=True)
    def _patience(self, monkeypatch):
        monkeypatch.setattr("consentkit._sqlite._BUSY_SECONDS", 0.2)

    @pytest.mark.parametrize("name", ["ledger", "outbox"])
    def test_it_answers_in_time(self, tmp_path, name):
        """
        Calls wait for a bounded time, and then say who is in the way.
        """
        setup = open_kit(tmp_path, "stats")
        tick(setup, 1)
        setup.close()
        kit = open_kit(tmp_path, transport=Scripted())
        path = tmp_path / f"{name}.sqlite3"
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            begun = time.monotonic()
            if name == "ledger":
                for act in (kit.consent.grant, kit.consent.withdraw):
                    with pytest.raises(StoreError) as caught:
                        act("health")
                    one_message(caught.value, name, "another process")
            else:
                with kit.use("stats") as use:
                    answer = use.capture(Ticked(2))
                assert answer.reason is Reason.OUTBOX_UNUSABLE
                one_message(answer.detail, name, "another process")
                one_message(kit.flush().problems[0], "another process")
            assert time.monotonic() - begun < 10
            db.execute("ROLLBACK")
        assert len(tick(kit, 3)) == 1
        assert kit.flush().waiting == 0

    def test_it_waits_for_a_short_one(self, tmp_path):
        """
        A lock that is given up soon is waited for.
        """
        kit = open_kit(tmp_path, "stats")
        tick(kit, 1)
        path = tmp_path / "outbox.sqlite3"
        with closing(
            sqlite3.connect(
                path, isolation_level=None, check_same_thread=False
            )
        ) as db:
            db.execute("BEGIN IMMEDIATE")
            timer = threading.Timer(0.05, db.execute, args=("ROLLBACK",))
            timer.start()
            assert len(tick(kit, 2)) == 1
            timer.join()


def test_the_errors_are_of_three_kinds(tmp_path):
    """
    What the person can do about it is in the type: free space or choose a
    folder, restore the file, upgrade.
    """
    kinds = (UnwritableError, DamagedError, NewerFormatError)
    assert all(issubclass(kind, StoreError) for kind in kinds)
    kit = open_kit(tmp_path, "stats")
    tick(kit, 1)
    kit.close()
    (tmp_path / "ledger.sqlite3").write_bytes(b"nonsense" * 999)
    with pytest.raises(DamagedError) as caught:
        open_kit(tmp_path).consent.history()
    one_message(caught.value, "ledger.sqlite3", "move it away")
