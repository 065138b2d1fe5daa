# SPDX-License-Identifier: MIT
"""
The journal: entries of this process, appended to a file before a capture
returns.

One system call puts an entry where it outlives this process. Whoever next
opens a transaction in the outbox moves what is in the journals, of all
processes, into its table, and notes there how far. So an entry counts in a
journal or in the table, and nothing counts in both. A file is deleted once
the log of the table is folded: until then it makes up for damage there.

A file is appended to by one process alone, which holds a lock on it while it
lives. What a crash cut off at the end was never promised to anyone.
"""

from __future__ import annotations

import errno
import os
import threading

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from consentkit._files import sync_folder
from consentkit._fork import watch_forks
from consentkit._sqlite import make_private_folder
from consentkit.exceptions import StoreError, UnwritableError
from consentkit.outbox.allowance import Allowance, take
from consentkit.outbox.rows import HEADER


fcntl: Any = None
with suppress(ImportError):  # Windows, where an open file cannot be deleted
    import fcntl


__all__ = ["Journal", "Part", "entries_in"]

_SUFFIX: Final = ".rows"
_NEW: Final = ".new"

_FULL: Final = "the disk is full"

#: A file is ended at this size, and another one begun.
_MOST_BYTES: Final = 1024 * 1024

# How often a new file may be taken for an old one.
_MOST_TRIES: Final = 5

#: Of an id: version 7 of a UUID, and its variant.
_VERSION: Final = 0x7
_VARIANT: Final = 0b10


@frozen
class Part:
    """
    What a file holds beyond what was moved out of it.

    Attributes:
        name: Of the file.

        done: Up to where it was moved before.

        body: What follows.

        is_live: Whether a process still appends to it.
    """

    name: str
    done: int
    body: bytes
    is_live: bool


class Journal:
    """
    The journals of one outbox, of which one may be this process's own.

    Args:
        folder: Where they lie; it is made with the first one.

        waits: Whether what is appended waits until the disk has it.
    """

    def __init__(self, folder: Path, *, waits: bool = False) -> None:
        self.folder = folder
        self._waits = waits
        self._origin = ""
        self._lock = threading.Lock()
        self._handle = -1
        self._path = folder
        self._size = 0
        self._pid = os.getpid()
        watch_forks(self)

    def belong(self, origin: str) -> None:
        """
        Belong to the outbox that *origin* tells from others.

        What is left of another one that was in its place is deleted: its keys
        have gone with it.
        """
        if origin == self._origin:
            return
        self.begin_anew()
        self._origin = origin
        for name in self._files(_NEW):
            path = self.folder / name
            if name.startswith(f"{origin}-") and name.endswith(_SUFFIX):
                continue
            with suppress(OSError), path.open("rb") as file:
                if not self._is_live(name, file.fileno()):
                    path.unlink()

    # Appending

    def append(self, entries: bytes, *allowed: Allowance) -> bool:
        """
        Append to the file of this process.

        Args:
            entries: What is appended.

            allowed: What has to allow it, one for each entry of a purpose
                that has a bound.

        Returns:
            Whether it was appended: not where one of *allowed* is used up.

        Raises:
            UnwritableError: If it cannot be written; then nothing of it is
                there.
        """
        with self._lock:
            is_child = self._pid != os.getpid()
            if allowed and (is_child or not take(allowed)):
                return False
            if is_child:
                self._let_go()
            if self._handle < 0 or self._size >= _MOST_BYTES:
                self._begin()
            try:
                written = os.write(self._handle, entries)
                if self._waits and written == len(entries):
                    os.fsync(self._handle)
            except OSError as error:
                problem = _problem(error)
            else:
                if written == len(entries):
                    self._size += written
                    return True
                problem = _FULL
            with suppress(OSError):
                os.ftruncate(self._handle, self._size)
        raise UnwritableError(
            self.folder,
            problem=f"the outbox cannot be written: {problem}",
            cure="free some space, or let this user write there",
        )

    def call_in(self, allowed: Iterable[Allowance]) -> None:
        """
        Take back what was allowed; what it was used for is in the file.
        """
        with self._lock:
            if self._pid != os.getpid():
                self._let_go()
                self._pid = os.getpid()
            for one in allowed:
                one.left = 0

    def _begin(self) -> None:
        self._let_go()
        make_private_folder(self.folder)
        problem = ""
        for _ in range(_MOST_TRIES):
            try:
                self._handle, self._path = self._made()
            except (FileNotFoundError, BlockingIOError) as error:
                # Another process took it for one that was left behind.
                problem = _problem(error)
            except OSError as error:
                problem = _problem(error)
                break
            else:
                self._size, self._pid = 0, os.getpid()
                return
        raise UnwritableError(
            self.folder,
            problem=f"the outbox cannot be written: {problem}",
            cure="free some space, or let this user write there",
        )

    def _made(self) -> tuple[int, Path]:
        """
        Make a file that nobody sees before it is seen to be in use.
        """
        name = f"{self._origin}-{os.urandom(8).hex()}"
        path = self.folder / f"{name}{_SUFFIX}"
        hidden = self.folder / f"{name}{_NEW if fcntl else _SUFFIX}"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(hidden, flags, 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                hidden.rename(path)
            if self._waits:
                sync_folder(self.folder)
        except BaseException:
            with suppress(OSError):
                hidden.unlink()
            os.close(handle)
            raise
        return handle, path

    def _let_go(self) -> None:
        """
        End the file of this process; over a fork it stays its parent's.
        """
        if self._handle >= 0:
            with suppress(OSError):
                os.close(self._handle)
        self._handle = -1

    def is_lost(self) -> bool:
        """
        Tell whether somebody deleted the file that is appended to.
        """
        with self._lock:
            if self._handle < 0 or self._pid != os.getpid():
                return False
            with suppress(OSError):
                return os.fstat(self._handle).st_nlink == 0
        return False

    def begin_anew(self) -> None:
        """
        Append to another file from now on.
        """
        with self._lock:
            if self._pid == os.getpid():
                self._let_go()

    def close(self) -> None:
        """
        End the file of this process; what is in it stays.
        """
        self.begin_anew()

    # Moving out

    def names(self) -> list[str]:
        """
        Name all files of this outbox, the oldest first.

        Raises:
            StoreError: If nobody can tell.
        """
        front = f"{self._origin}-"
        return [name for name in self._files() if name.startswith(front)]

    def _files(self, *others: str) -> list[str]:
        files: list[tuple[int, str]] = []
        problem = ""
        try:
            with os.scandir(self.folder) as found:
                for one in found:
                    if one.name.endswith((_SUFFIX, *others)):
                        # Another process may just have deleted this one.
                        with suppress(FileNotFoundError):
                            files.append((one.stat().st_mtime_ns, one.name))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            problem = f"the journals cannot be listed ({error.strerror})"
        if not problem:
            return [name for _, name in sorted(files)]
        raise StoreError(
            self.folder,
            problem=problem,
            cure="let this user read the folder",
        )

    def newest_origin(self) -> str:
        """
        Tell to which outbox the newest file belongs; empty if there is none.
        """
        files = self._files()
        return files[-1].partition("-")[0] if files else ""

    def has(self, name: str) -> bool:
        """
        Tell whether a file is there.
        """
        return (self.folder / name).exists()

    def waiting_bytes(self, done: Mapping[str, int]) -> int:
        """
        Tell how many bytes wait in all files.

        Args:
            done: By name, up to where a file was moved.
        """
        size = 0
        for name in self.names():
            with suppress(OSError):
                at = (self.folder / name).stat().st_size
                size += max(0, at - done.get(name, 0))
        return size

    def parts(self, done: Mapping[str, int]) -> Iterator[Part]:
        """
        Read what waits in all files.

        Args:
            done: By name, up to where a file was moved.
        """
        for name in self.names():
            at = done.get(name, 0)
            with suppress(OSError), (self.folder / name).open("rb") as file:
                # Asked before it is read: who ends now has written before.
                is_live = self._is_live(name, file.fileno())
                file.seek(at)
                body = file.read()
                if body:
                    yield Part(name, at, body, is_live)

    def _is_live(self, name: str, handle: int) -> bool:
        if self._handle >= 0 and name == self._path.name:
            return True
        if fcntl is None:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False

    def leave(self, name: str, end: int) -> None:
        """
        Append to another file from now on, if all of this one was moved.

        Args:
            name: Of the file.

            end: Up to where it was moved.
        """
        with self._lock:
            is_own = self._handle >= 0 and name == self._path.name
            if is_own and self._pid == os.getpid() and self._size == end:
                self._let_go()

    def delete(self, done: Mapping[str, int]) -> None:
        """
        Delete the files of which all was moved, unless more comes.

        Args:
            done: By name, up to where a file was moved, durably and not
                only as far as the log of the table goes: if that is
                damaged, the file is still there.
        """
        for name, end in done.items():
            path = self.folder / name
            with suppress(OSError), path.open("rb") as file:
                if self._is_live(name, file.fileno()):
                    continue
                # Asked behind that: who ended meanwhile has written before.
                if os.fstat(file.fileno()).st_size <= end:
                    path.unlink()

    # Forks

    def before_fork(self) -> None:
        """
        Do nothing: whoever holds the database may want the lock.
        """

    def after_fork(self, *, in_child: bool) -> None:
        """
        Let the child begin a file of its own.
        """
        if in_child:
            # Another thread of the parent may have held it.
            self._lock = threading.Lock()
            self._let_go()


def _problem(error: OSError) -> str:
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return _FULL if is_full else f"{error.strerror}"


def entries_in(
    body: bytes, *, last_lane: int, most_bytes: int
) -> Iterator[tuple[int, int, int]]:
    """
    Find the entries of a part: from where to where each of them goes, and
    its lane.

    What was damaged is passed over, up to the next entry.

    Args:
        body: The part.

        last_lane: The highest number that a lane ever had.

        most_bytes: The most that one entry may have.
    """
    found = _intact_in(body, last_lane, most_bytes)
    yield from found
    at = found[-1][1] if found else 0
    if at < len(body):
        yield from _found_after(body, at, last_lane, most_bytes)


def _intact_in(
    body: bytes, last_lane: int, most_bytes: int
) -> list[tuple[int, int, int]]:
    """
    Find the entries up to the first that is damaged, or may be: of an entry
    whose follower is none, the length may be wrong.
    """
    found: list[tuple[int, int, int]] = []
    unpack, front = HEADER.unpack_from, HEADER.size
    at, size = 0, len(body)
    while size - at > front:
        length, lane, high, low, _ = unpack(body, at)
        end = at + front + length
        # As in `_length_at`, and in a loop that each entry goes through.
        if not (
            0 < length <= most_bytes
            and end <= size
            and high >> 12 & 0xF == _VERSION
            and low >> 62 == _VARIANT
            and 0 < lane <= last_lane
        ):
            break
        found.append((at, end, lane))
        at = end
    if at != size and found:
        found.pop()
    return found


def _found_after(
    body: bytes, at: int, last_lane: int, most_bytes: int
) -> Iterator[tuple[int, int, int]]:
    size = len(body)

    def length_at(at: int) -> tuple[int, int]:
        return _length_at(body, at, last_lane, most_bytes)

    while size - at > HEADER.size:
        length, lane = length_at(at)
        end = at + length
        if length and end < size and not length_at(end)[0]:
            # Either the next one is damaged, or the length of this one: then
            # there is another inside of what it seems to be.
            inside = range(at + 1, end)
            at, length = next(
                ((one, 0) for one in inside if length_at(one)[0]), (at, length)
            )
            if not length:
                continue
        if length:
            yield at, end, lane
            at = end
        else:
            at += 1


def _length_at(
    body: bytes, at: int, last_lane: int, most_bytes: int
) -> tuple[int, int]:
    """
    Give length and lane of the entry at a place; 0 where there is none.
    """
    size = len(body)
    if size - at <= HEADER.size:
        return 0, 0
    length, lane, high, low, _ = HEADER.unpack_from(body, at)
    if (
        0 < length <= most_bytes
        and at + HEADER.size + length <= size
        and (high >> 12) & 0xF == _VERSION
        and low >> 62 == _VARIANT
        and 0 < lane <= last_lane
    ):
        return HEADER.size + length, lane
    return 0, 0
