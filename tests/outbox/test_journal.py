# SPDX-License-Identifier: MIT
"""
The journal: what a process has captured is in a file of its own until the
outbox takes it in, once.
"""

from __future__ import annotations

import errno
import fcntl
import os

from pathlib import Path

import pytest

from consentkit.exceptions import UnwritableError
from consentkit.outbox.journal import Journal, entries_in
from consentkit.outbox.rows import HEADER


_HIGH = 1_700_000_000_000 << 16 | 0x7ABC
_LOW = 0b10 << 62 | 5


def entry(lane: int = 1, sealed: bytes = b"sealed") -> bytes:
    """
    Make an entry.
    """
    return HEADER.pack(len(sealed), lane, _HIGH, _LOW, 9) + sealed


def spans(body: bytes, *, last_lane: int = 3) -> list[tuple[int, int]]:
    """
    Give where entries are found in *body*.
    """
    found = entries_in(body, last_lane=last_lane, most_bytes=1000)
    return [(start, end) for start, end, _ in found]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """
    Give a journal of an outbox.
    """
    made = Journal(tmp_path / "captured")
    made.belong("0" * 16)
    return made


class TestEntries:
    """
    `entries_in`: entries of a file that may be damaged, or cut off.
    """

    def test_one_after_the_other(self) -> None:
        """
        Whole entries are found in order, up to the end.
        """
        body = entry() + entry(2, b"x" * 100) + entry(3)
        ends = [38, 38 + 132, 38 + 132 + 38]
        assert [end for _, end in spans(body)] == ends

    @pytest.mark.parametrize("left", range(1, 38))
    def test_one_that_was_cut_off(self, left: int) -> None:
        """
        What a crash cut off at any byte is not an entry, and the ones before
        it are.
        """
        assert spans(entry() + entry()[:left]) == [(0, 38)]

    @pytest.mark.parametrize("at", range(6))
    def test_damage_is_passed_over(self, at: int) -> None:
        """
        Behind an entry of which no byte of the length can be true, the next
        one is found.
        """
        spoilt = bytearray(entry())
        spoilt[:4] = b"\xff\xff\xff" + bytes([at])
        assert spans(bytes(spoilt) + entry()) == [(38, 76)]

    def test_no_such_lane(self) -> None:
        """
        An entry of a lane that never was is none.
        """
        assert spans(entry(4)) == []


class TestJournal:
    """
    `Journal`: the file of this process, and those of others.
    """

    def test_it_is_private_and_late(self, journal: Journal) -> None:
        """
        Nothing is there before the first entry; then a folder and a file for
        this user alone.
        """
        assert not journal.folder.exists()
        journal.append(entry())
        (path,) = journal.folder.iterdir()
        assert journal.folder.stat().st_mode & 0o777 == 0o700
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes() == entry()

    def test_nobody_sees_one_that_is_not_in_use_yet(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Up to the moment at which the file is locked, another process lists
        none.
        """
        other = Journal(journal.folder)
        other.belong("0" * 16)
        seen = []
        real = fcntl.flock

        def flock(handle: int, operation: int) -> None:
            seen.append(other.names())
            real(handle, operation)

        monkeypatch.setattr("consentkit.outbox.journal.fcntl.flock", flock)
        journal.append(entry())
        assert seen == [[]]
        assert len(other.names()) == 1

    @pytest.mark.parametrize("times", [1, 4])
    def test_one_that_is_swept_before_it_is_in_use(
        self,
        journal: Journal,
        monkeypatch: pytest.MonkeyPatch,
        times: int,
    ) -> None:
        """
        Where another process, which begins just then, deletes the file that
        is not locked yet, the entry goes into another one.
        """
        swept = []
        real = fcntl.flock

        def flock(handle: int, operation: int) -> None:
            # To delete one, the other process locks it as well.
            if operation & fcntl.LOCK_EX and len(swept) < times:
                swept.append(handle)
                Journal(journal.folder).belong("0" * 16)
            real(handle, operation)

        monkeypatch.setattr("consentkit.outbox.journal.fcntl.flock", flock)
        journal.append(entry())
        (part,) = journal.parts({})
        assert (part.body, len(swept)) == (entry(), times)
        assert [one.name for one in journal.folder.iterdir()] == [part.name]

    def test_a_failure_leaves_no_file(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Where files cannot be locked, nothing is kept, the cure is named, and
        no file is left.
        """

        def flock(handle: int, operation: int) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr("consentkit.outbox.journal.fcntl.flock", flock)
        with pytest.raises(UnwritableError, match="No locks available"):
            journal.append(entry())
        assert list(journal.folder.iterdir()) == []

    def test_one_that_is_in_use_is_not_deleted(self, journal: Journal) -> None:
        """
        Another process takes what is in the file of a living one, and leaves
        the file; what comes later is not lost.
        """
        journal.append(entry())
        other = Journal(journal.folder)
        other.belong("0" * 16)
        (part,) = other.parts({})
        assert (part.body, part.is_live) == (entry(), True)
        other.leave(part.name, len(part.body))
        other.delete({part.name: len(part.body)})
        journal.append(entry(2))
        (later,) = other.parts({part.name: len(part.body)})
        assert later.body == entry(2)

    def test_that_of_a_dead_process_goes(self, journal: Journal) -> None:
        """
        What nobody appends to is deleted once all of it was moved.
        """
        journal.append(entry())
        journal.close()
        other = Journal(journal.folder)
        other.belong("0" * 16)
        (part,) = other.parts({})
        assert not part.is_live
        other.leave(part.name, len(part.body))
        other.delete({part.name: len(part.body) - 1})
        assert len(list(journal.folder.iterdir())) == 1
        other.delete({part.name: len(part.body)})
        assert list(journal.folder.iterdir()) == []

    def test_its_own_goes_when_nothing_came(self, journal: Journal) -> None:
        """
        The own file is deleted if all of it was moved, and stays if more
        came meanwhile.
        """
        journal.append(entry())
        (part,) = journal.parts({})
        journal.append(entry(2))
        journal.leave(part.name, 38)
        journal.delete({part.name: 38})
        (more,) = journal.parts({part.name: 38})
        assert more.body == entry(2)
        journal.leave(more.name, 76)
        journal.delete({more.name: 76})
        assert list(journal.folder.iterdir()) == []
        journal.append(entry(3))
        assert len(list(journal.folder.iterdir())) == 1

    def test_what_belonged_to_another_outbox(self, journal: Journal) -> None:
        """
        Of an outbox that was removed nothing is taken in; its files go, and
        those that are half made, but not while somebody appends to them.
        """
        journal.append(entry())
        half = journal.folder / ("0" * 16 + "-1.new")
        half.touch()
        other = Journal(journal.folder)
        other.belong("1" * 16)
        assert list(other.parts({})) == []
        assert not half.exists()
        assert len(list(journal.folder.iterdir())) == 1
        journal.close()
        third = Journal(journal.folder)
        third.belong("2" * 16)
        assert list(journal.folder.iterdir()) == []

    def test_a_forked_child_has_its_own(self, journal: Journal) -> None:
        """
        A child never appends to the file of its parent.
        """
        journal.append(entry())
        pid = os.fork()
        if pid == 0:
            journal.append(entry(2))
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        journal.append(entry(3))
        bodies = {path.read_bytes() for path in journal.folder.iterdir()}
        assert bodies == {entry() + entry(3), entry(2)}

    def test_a_folder_that_cannot_be_made(self, journal: Journal) -> None:
        """
        It is an error that names the folder.
        """
        journal.folder.write_text("in the way")
        with pytest.raises(UnwritableError, match="captured"):
            journal.append(entry())


class TestPowerCut:
    """
    Tests for captures that wait for the disk.
    """

    def test_each_entry_is_on_the_disk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        What is appended is handed to the disk before it counts, and the name
        of a new file too; without being asked, neither is.
        """
        synced: list[int] = []
        real = os.fsync

        def fsync(handle: int) -> None:
            real(handle)
            synced.append(os.fstat(handle).st_size)

        monkeypatch.setattr("os.fsync", fsync)
        quick = Journal(tmp_path / "quick")
        quick.belong("0" * 16)
        quick.append(entry())
        assert synced == []
        waits = Journal(tmp_path / "waits", waits=True)
        waits.belong("0" * 16)
        waits.append(entry())
        folder, first = synced
        assert (first, folder) == (
            len(entry()),
            (tmp_path / "waits").stat().st_size,
        )
        waits.append(entry(2))
        assert synced[2:] == [2 * len(entry())]

    def test_what_the_disk_does_not_take_is_not_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Where the disk fails, the entry is taken back, and it is said.
        """
        waits = Journal(tmp_path, waits=True)
        waits.belong("0" * 16)
        waits.append(entry())

        def fsync(handle: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr("os.fsync", fsync)
        with pytest.raises(UnwritableError, match="Input/output error"):
            waits.append(entry(2))
        (part,) = waits.parts({})
        assert part.body == entry()
