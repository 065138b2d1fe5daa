# SPDX-License-Identifier: MIT
"""
A lock between processes that the operating system gives up for the dead.
"""

from __future__ import annotations

import os
import time

from contextlib import suppress
from pathlib import Path
from typing import Final


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
        self._pid = 0

    def acquire(self, *, timeout_seconds: float) -> bool:
        """
        Take the lock; tell whether that worked in time.
        """
        deadline = time.monotonic() + timeout_seconds
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        while not _try_lock(handle):
            if time.monotonic() >= deadline:
                os.close(handle)
                return False
            time.sleep(_POLL_SECONDS)
        self._handle, self._pid = handle, os.getpid()
        return True

    def release(self) -> None:
        """
        Give the lock up.
        """
        handle, self._handle = self._handle, None
        if handle is not None:
            # A forked child shares the lock with its parent: it may close
            # its handle, but must not unlock.
            with suppress(OSError):
                if self._pid == os.getpid():
                    _unlock(handle)
                os.close(handle)


if os.name == "nt":  # pragma: no cover - no Windows in the test matrix
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
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
