# SPDX-License-Identifier: MIT
"""
A lock between processes.
"""

from __future__ import annotations

import os
import threading
import time

from pathlib import Path

import pytest

from consentkit._filelock import FileLock
from consentkit.exceptions import UnwritableError
from tests.faults.support import run


class TestFileLock:
    """
    `FileLock`: held by one at a time, and by none that is dead.
    """

    def test_one_at_a_time(self, tmp_path):
        """
        A second one does not get it before the first gives it up.
        """
        one, two = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")

        assert one.acquire(timeout_seconds=0)
        assert not two.acquire(timeout_seconds=0)
        one.release()
        assert two.acquire(timeout_seconds=0)
        two.release()

    def test_it_waits(self, tmp_path):
        """
        It is waited for as long as is said, and got as soon as it is free.
        """
        one, two = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
        one.acquire(timeout_seconds=0)
        begun = time.monotonic()
        assert not two.acquire(timeout_seconds=0.1)
        assert 0.1 <= time.monotonic() - begun < 6

        timer = threading.Timer(0.1, one.release)
        timer.start()
        assert two.acquire(timeout_seconds=10)
        timer.join()
        two.release()

    def test_threads(self, tmp_path):
        """
        Threads of one process exclude each other, too.
        """
        inside, most, turns = [], [], []

        def work() -> None:
            for _ in range(10):
                lock = FileLock(tmp_path / "lock")
                assert lock.acquire(timeout_seconds=30)
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()
                turns.append(1)
                lock.release()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert (max(most), len(turns)) == (1, 40)

    def test_releasing_twice(self, tmp_path):
        """
        Giving up what one does not hold does nothing.
        """
        lock = FileLock(tmp_path / "lock")
        lock.release()
        lock.acquire(timeout_seconds=0)
        lock.release()
        lock.release()

    def test_the_dead_hold_nothing(self, tmp_path):
        """
        A killed process leaves the lock free.
        """
        program = r"""
            import os, sys
            from pathlib import Path
            from consentkit._filelock import FileLock
            from tests.faults.support import in_child

            def die():
                FileLock(Path(sys.argv[1])).acquire(timeout_seconds=0)
                os.kill(os.getpid(), 9)

            def hold():
                lock = FileLock(Path(sys.argv[1]))
                assert lock.acquire(timeout_seconds=0)

            assert in_child(die) == -9
            assert in_child(hold) == 0
        """
        run(program, tmp_path / "lock")

    def test_a_fork_does_not_share_it(self, tmp_path):
        """
        A child does not hold its parent's lock, cannot give it up, and
        leaves it to the parent.
        """
        program = r"""
            import sys
            from pathlib import Path
            from consentkit._filelock import FileLock
            from tests.faults.support import in_child

            path = Path(sys.argv[1])
            lock = FileLock(path)
            assert lock.acquire(timeout_seconds=0)

            def child():
                lock.release()
                assert not FileLock(path).acquire(timeout_seconds=0)

            assert in_child(child) == 0
            assert not FileLock(path).acquire(timeout_seconds=0)
            lock.release()

            def free():
                assert FileLock(path).acquire(timeout_seconds=0)

            assert in_child(free) == 0
        """
        run(program, tmp_path / "lock")

    def test_a_file_that_was_removed(self, tmp_path, monkeypatch):
        """
        Who removes the file cannot let two in at once for long: a lock on
        a file that has gone does not count as taken.
        """
        path = tmp_path / "lock"
        one, two = FileLock(path), FileLock(path)
        assert one.acquire(timeout_seconds=0)
        real = os.open

        def slow(*args):
            handle = real(*args)
            path.unlink()
            return handle

        one.release()
        monkeypatch.setattr(os, "open", slow)
        assert not two.acquire(timeout_seconds=0)
        monkeypatch.undo()
        assert two.acquire(timeout_seconds=0)
        assert path.exists()
        two.release()

    def test_a_folder_in_the_way(self, tmp_path):
        """
        What cannot be a lock is told of, with its name and a cure.
        """
        (tmp_path / "lock").mkdir()

        with pytest.raises(UnwritableError, match=r"lock.*local disk"):
            FileLock(tmp_path / "lock").acquire(timeout_seconds=0)

    def test_a_missing_folder(self, tmp_path):
        """
        Without its folder there is no lock, and none is made.
        """
        with pytest.raises(UnwritableError):
            FileLock(tmp_path / "no" / "lock").acquire(timeout_seconds=0)
        assert not (tmp_path / "no").exists()

    def test_no_handle_is_left(self, tmp_path):
        """
        Neither success nor failure leaks a file handle.
        """
        handles = Path("/proc/self/fd")
        if not handles.is_dir():
            pytest.skip("this platform does not list handles")
        one, two = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
        # What other tests let go of meanwhile is no concern of this one.
        name = str(tmp_path / "lock")
        for _ in range(20):
            one.acquire(timeout_seconds=0)
            two.acquire(timeout_seconds=0)
            one.release()

        left = [h for h in handles.iterdir() if os.path.realpath(h) == name]
        assert left == []
