# SPDX-License-Identifier: MIT
"""
A lock between processes that the operating system gives up for the dead.
"""

from __future__ import annotations

import os
import sys
import time

from contextlib import suppress
from pathlib import Path
from typing import Final

from consentkit._fork import watch_forks
from consentkit.exceptions import UnwritableError


__all__ = ["FileLock"]

_POLL_SECONDS: Final = 0.01


class FileLock:
    """
    An exclusive lock on a file, held by at most one thread of one process.

    Args:
        path: The file, made if need be; its content has no meaning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(self, *, timeout_seconds: float) -> bool:
        """
        Take the lock; tell whether that worked in time.

        Raises:
            UnwritableError: If the file cannot be made or locked.
        """
        deadline = time.monotonic() + timeout_seconds
        try:
            while not self._try():
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_POLL_SECONDS)
        except OSError as error:
            problem = f"the file cannot be locked ({error.strerror})"
        else:
            watch_forks(self)
            return True
        raise UnwritableError(
            self._path,
            problem=problem,
            cure="choose a data folder on a local disk that this user may "
            "write to",
        )

    def _try(self) -> bool:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Whoever removes the file makes a second lock of it: only the
            # one that the name leads to now counts.
            is_held = _try_lock(handle) and _is_same(handle, self._path)
        except BaseException:
            os.close(handle)
            raise
        if is_held:
            self._handle = handle
        else:
            os.close(handle)
        return is_held

    def release(self) -> None:
        """
        Give the lock up.
        """
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(OSError):
                _unlock(handle)
            os.close(handle)

    def before_fork(self) -> None:
        """
        Nothing: the lock stays with this process.
        """

    def after_fork(self, *, in_child: bool) -> None:
        """
        Let go of it in the child, which else would hold it on.
        """
        if in_child and self._handle is not None:
            # Without unlocking: that would unlock the parent's, too.
            os.close(self._handle)
            self._handle = None


def _is_same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":  # pragma: no cover - no Windows in the test matrix
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
