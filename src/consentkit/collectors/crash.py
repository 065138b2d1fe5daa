# SPDX-License-Identifier: MIT
"""
Crashes: what ends the app, a thread or a task without anybody catching it.

Of an exception its class, and the file names, lines and functions of its
frames are kept, while the function is permitted: never a local, an argument,
a source line or a folder. Its text is left out, unless the app asks for it.

What kills the interpreter itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT)
leaves no time to ask anybody. For that, `faulthandler` writes into a file
which exists only while the function is permitted; the next start reads it,
or deletes it unread if that consent has ended.

Hooks of a process belong to its app: those that were there are called
afterwards, and come back at the end.

Obligation: WP-LOG-2 (messages, paths and arguments of crashes are redacted).
"""

from __future__ import annotations

import faulthandler
import hashlib
import os
import re
import secrets
import stat
import sys
import threading

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakKeyDictionary

from attrs import frozen

from consentkit._fork import watch_forks
from consentkit._sqlite import make_private_folder
from consentkit.collectors._log_errors import (
    code_name,
    exception_fields,
    members_of,
)
from consentkit.collectors.logs import LogKeeper
from consentkit.consent._stops import lost_permissions, stops
from consentkit.exceptions import ConsentKitError
from consentkit.gate import MOMENTARY, Permit, Reason, Refusal


if TYPE_CHECKING:
    import asyncio

    from consentkit.kit import Kit


__all__ = ["CrashCapture", "CrashCounts", "read_fault"]

# They end something on purpose.
_ENDINGS: Final = (GeneratorExit, KeyboardInterrupt, SystemExit)

# Of a file of faulthandler only so much is read.
_MOST_BYTES: Final = 65_536
# Of more crashes than these between two starts, the newest are taken.
_MOST_FILES: Final = 64
_MOST_ROUNDS: Final = 8

_FAULT: Final = re.compile(r"Fatal Python error: ([A-Za-z_ ]{1,80})")
_FRAME: Final = re.compile(r'  File "(.*)", line (\d{1,9}) in (.{1,600})')

# These say that it is not the time, or that nobody can tell; what waits from
# before then stays.
_NOT_NOW: Final = MOMENTARY | {Reason.CLOSED, Reason.LEDGER_UNREADABLE}


@frozen(kw_only=True)
class CrashCounts:
    """
    What became of the crashes.

    Attributes:
        captured: Kept, scrubbed.

        refused: Dropped unread, because the gate said no.

        failed: Dropped, because they could not be read or kept.

        discarded: Files of faults that were deleted unread: the consent
            that they were written under had ended, or was stopped just
            then, or they were older than the policy keeps them.
    """

    captured: int = 0
    refused: int = 0
    failed: int = 0
    discarded: int = 0


class CrashCapture:
    """
    Captures crashes of this process, while the function is permitted.

    Made by ``kit.crash_capture()``; it does nothing until `start`. It may be
    started before anybody was asked: it keeps nothing, and makes no file,
    until the function is granted.

    In a ``with`` block, of the capture or of its kit, an exception that
    leaves the block is captured on its way.

    Args:
        kit: The app's kit.

        function: The function of the policy that it collects for.

        purpose: Why; by default the first purpose of the data type.

        data_type: What the policy calls it.

        reasons: Whether the texts of exceptions are kept, scrubbed. They
            may hold all that the app worked on.

        faults: Whether to capture what kills the interpreter, too. That
            takes over `faulthandler`, unless the app uses it already.

    Raises:
        ValueError: If the policy has no such function, or it does not
            collect *data_type*.
    """

    def __init__(
        self,
        kit: Kit,
        function: str,
        *,
        purpose: str | None = None,
        data_type: str = "crash_log",
        reasons: bool = False,
        faults: bool = True,
    ) -> None:
        self._kit = kit
        self._purpose = purpose
        self._data_type = data_type
        self._reasons = reasons
        self._is_open = False
        self._keeper = LogKeeper(
            kit, function, purpose=purpose, data_type=data_type
        )
        self._hooks: dict[tuple[Any, str], tuple[Any, Any]] = {}
        self._loops: WeakKeyDictionary[Any, tuple[Any, Any]] = (
            WeakKeyDictionary()
        )
        self._faults: _Faults | None = None
        if faults and _flock is not None:
            self._faults = _Faults(kit.data_dir / "crashes" / function)
        self._turn = threading.Lock()
        self._is_stale = False

    def __repr__(self) -> str:
        return f"<CrashCapture for {self._keeper.function}: {self.counts}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The hooks would see it later, when they are gone.
        self._take("exception that left its block", exc_type, exc, traceback)
        self.close()

    @property
    def counts(self) -> CrashCounts:
        """
        What became of the crashes so far, those of earlier runs included.
        """
        found = self._keeper.counts
        return CrashCounts(
            captured=found.captured,
            refused=found.refused,
            failed=found.failed,
            discarded=self._faults.discarded if self._faults else 0,
        )

    @property
    def is_armed(self) -> bool:
        """
        Whether what kills the interpreter would be written down now.
        """
        return self._faults is not None and self._faults.is_armed

    # Life

    def start(self) -> Self:
        """
        Set the hooks, take up what an earlier run left, and arm.

        It never raises for what the disk does. Starting twice is fine.
        """
        if self._is_open:
            return self
        self._is_open = True
        self._hook(sys, "excepthook", self._in_main)
        self._hook(threading, "excepthook", self._in_thread)
        self._hook(sys, "unraisablehook", self._unraisable)
        watch_forks(self)
        self.settle()
        return self

    def close(self) -> None:
        """
        Give the hooks back, and disarm.

        A hook that was set after ours stays; ours then only calls on.
        """
        if not self._is_open:
            return
        self._is_open = False
        for (module, name), (ours, before) in self._hooks.items():
            if getattr(module, name) is ours:
                setattr(module, name, before)
        self._hooks.clear()
        for loop, (ours, before) in list(self._loops.items()):
            if loop.get_exception_handler() is ours:
                loop.set_exception_handler(before)
        self._loops.clear()
        self.settle()

    def settle(self) -> None:
        """
        Arm or disarm by what is permitted now.

        Files of an ended consent are deleted unread.
        """
        # Whoever comes while another is at it only says so.
        self._is_stale = True
        for _ in range(_MOST_ROUNDS):
            if not self._is_stale or not self._turn.acquire(blocking=False):
                return
            try:
                self._is_stale = False
                self._settle()
            except (OSError, ConsentKitError):
                pass  # nothing is armed then, and the app goes on
            finally:
                self._turn.release()

    def _settle(self) -> None:
        faults = self._faults
        if faults is None:
            return
        answer = self._permit() if self._is_open else None
        if isinstance(answer, Permit):
            self._take_up(faults, answer)
            faults.arm(answer.grant, self._kit.now())
        else:
            faults.disarm()
            if answer is not None and answer.reason not in _NOT_NOW:
                faults.discard()

    def _permit(self) -> Permit | Refusal:
        function = self._keeper.function
        with self._kit.use(function, purpose=self._purpose) as use:
            return use.permit(self._data_type)

    def _take_up(self, faults: _Faults, permit: Permit) -> None:
        kit, function = self._kit, permit.function
        now, retention = kit.now(), permit.clause.retention
        entries = kit.consent.history()
        needed = function.needs(permit.clause.type, permit.recipient)
        times = stops(entries, kit.policy.id, needed)
        lost = [e.at for e in lost_permissions(entries, function.id)]

        def is_over(armed: datetime, at: datetime) -> bool:
            return (
                retention.after(at) <= now
                or any(stop.holds_at(at.timestamp()) for stop in times)
                # Taken away since it was armed, nobody knows how long.
                or any(armed <= taken <= at for taken in lost)
            )

        def keep(text: str) -> bool:
            fields = read_fault(text)
            if fields is None:
                self._keeper.count("failed")
                return True
            return self._keeper.keep(lambda: fields) == "captured"

        faults.take_up(permit.grant, is_over=is_over, keep=keep)

    # Over forks

    def before_fork(self) -> None:
        """
        Nothing: both processes go on.
        """

    def after_fork(self, *, in_child: bool) -> None:
        """
        Go on in the child with its own lock.
        """
        if in_child:
            self._turn = threading.Lock()

    # Hooks

    def _hook(
        self, module: Any, name: str, make: Callable[[Any], Any]
    ) -> None:
        before = getattr(module, name)
        ours = make(before)
        self._hooks[module, name] = ours, before
        setattr(module, name, ours)

    def _in_main(self, before: Callable[..., object]) -> Any:
        def excepthook(
            kind: type[BaseException],
            error: BaseException,
            trace: TracebackType | None,
        ) -> None:
            self._take("uncaught exception", kind, error, trace)
            before(kind, error, trace)

        return excepthook

    def _in_thread(self, before: Callable[..., object]) -> Any:
        def excepthook(args: threading.ExceptHookArgs) -> None:
            self._take(
                "uncaught exception in a thread",
                args.exc_type,
                args.exc_value,
                args.exc_traceback,
            )
            before(args)

        return excepthook

    def _unraisable(self, before: Callable[..., object]) -> Any:
        def unraisablehook(args: sys.UnraisableHookArgs) -> None:
            # Its object is not touched: that could bring it to life again.
            self._take(
                "exception that nobody could catch",
                args.exc_type,
                args.exc_value,
                args.exc_traceback,
            )
            before(args)

        return unraisablehook

    def watch_loop(
        self, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """
        Capture what tasks and callbacks of an event loop leave uncaught.

        The loop's exception handler, or its default one, is called after.

        Args:
            loop: By default the running one.

        Raises:
            RuntimeError: If none is given and none runs, or nothing is
                captured now: call `start` before.
        """
        if not self._is_open:
            msg = "nothing is captured now: start() it before watch_loop()"
            raise RuntimeError(msg)
        if loop is None:
            import asyncio

            loop = asyncio.get_running_loop()
        if loop in self._loops:
            return
        before = loop.get_exception_handler()

        def handler(
            loop: asyncio.AbstractEventLoop, context: dict[str, Any]
        ) -> None:
            error = context.get("exception")
            if isinstance(error, BaseException):
                self._take(
                    "uncaught exception in a task",
                    type(error),
                    error,
                    error.__traceback__,
                )
            if before is None:
                loop.default_exception_handler(context)
            else:
                before(loop, context)

        self._loops[loop] = handler, before
        loop.set_exception_handler(handler)

    def _take(
        self,
        message: str,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_open or kind is None:
            return

        def fields() -> dict[str, Any]:
            found = exception_fields(kind, error, trace, reasons=self._reasons)
            return {"message": message, "level": "CRITICAL", **found}

        with suppress(Exception):  # at the very end modules are gone
            # In the middle of another capture of this thread it is lost.
            if _is_crash(kind, error) and not self._keeper.keep(fields):
                self._keeper.count("failed")


def _is_crash(kind: type[BaseException], error: BaseException | None) -> bool:
    """
    Tell a crash from what ends something on purpose.
    """
    kinds = [kind] if error is None else map(type, members_of(error))
    return any(
        # By name: asyncio need not be there.
        not issubclass(one, _ENDINGS)
        and (issubclass(one, Exception) or one.__name__ != "CancelledError")
        for one in kinds
    )


def read_fault(text: str) -> dict[str, Any] | None:
    """
    Read what `faulthandler` wrote.

    Args:
        text: All of it.

    Returns:
        The fields of the record: the kind of the fault, and for each frame
        of the thread, innermost first, the file's name, line and function.
        Addresses, ids and names of threads, folders and names of extension
        modules are left out. ``None`` if it is not that.
    """
    fault, frames = None, []
    for line in text.splitlines():
        if fault is None:
            found = _FAULT.match(line)
            fault = found[1].strip() if found else None
        elif (frame := _FRAME.fullmatch(line)) is not None:
            file, function = code_name(frame[1]), code_name(frame[3])
            frames.append(f"{file}:{frame[2]} {function}")
        elif frames and not line.strip():
            break  # other threads, and what else there is, come after
    if fault is None:
        return None
    return {
        "message": "the process died",
        "level": "CRITICAL",
        "exception": fault,
        "trace": " < ".join(frames),
    }


def _find_flock() -> Any:
    """
    Find the lock by which a living owner of a file is known.

    Windows has none that goes with the deletion of open files.
    """
    try:
        import fcntl
    except ImportError:  # pragma: no cover - not on this platform
        return None
    return fcntl


_flock = _find_flock()


class _Faults:
    """
    The files that `faulthandler` writes into, one for each process.

    A file's name says under which grant it was made. Its owner holds a lock
    on it, which goes with the process, however that ends.

    Attributes:
        discarded: How many were deleted unread, that had something in them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._handle = -1
        self._file = (0, 0)
        self._pid = 0
        self.discarded: int = 0

    @property
    def is_armed(self) -> bool:
        found = self._found()
        return (
            found is not None
            and found.st_nlink > 0
            and self._pid == os.getpid()
            and faulthandler.is_enabled()
        )

    def _found(self) -> os.stat_result | None:
        """
        Look at the open file, if the handle still leads there: an app that
        becomes a daemon closes all handles, and uses their numbers anew.
        """
        if self._path is None:
            return None
        with suppress(OSError):
            found = os.fstat(self._handle)
            if (found.st_dev, found.st_ino) == self._file:
                return found
        return None

    def arm(self, grant: str, now: datetime) -> None:
        """
        Make a file and have faults written into it.

        It does nothing where faults go somewhere already: that is the app's.

        Args:
            grant: The one that stands.

            now: When it is; the file's name tells it.

        Raises:
            OSError: If that does not work.

            UnwritableError: If there can be no folder.
        """
        tag = _tag(grant)
        if self.is_armed and self._path and self._path.name.startswith(tag):
            return
        self.disarm()
        if faulthandler.is_enabled():
            return
        make_private_folder(self._folder)
        since = int(now.timestamp() * 1000)
        name = f"{tag}.{since}.{secrets.token_hex(8)}.txt"
        path = self._folder / name
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        found = os.fstat(handle)
        self._file = found.st_dev, found.st_ino
        self._path, self._handle, self._pid = path, handle, os.getpid()
        try:
            _flock.flock(handle, _flock.LOCK_EX | _flock.LOCK_NB)
            # Of the other threads nothing is needed.
            faulthandler.enable(file=handle, all_threads=False)
        except (OSError, RuntimeError):
            self.disarm()
            raise

    def disarm(self) -> None:
        """
        Have no fault written any more, and delete the file if it is empty.

        A forked child leaves it to its parent. What a child wrote stays for
        the next start.
        """
        found, path = self._found(), self._path
        self._path = None
        if path is None or found is None:
            return
        faulthandler.disable()
        os.close(self._handle)
        if self._pid == os.getpid() and not found.st_size:
            self._delete(path)

    def discard(self) -> None:
        """
        Delete all files unread, those of other processes too.
        """
        for path in self._files():
            self._delete(path)

    def take_up(
        self,
        grant: str,
        *,
        is_over: Callable[[datetime, datetime], bool],
        keep: Callable[[str], bool],
    ) -> None:
        """
        Read what dead processes left under *grant*; delete the rest unread.

        Args:
            grant: The one that stands.

            is_over: Tells, from when it was armed and when it happened,
                whether it may not be kept.

            keep: Takes a file's text, and tells whether the file may go.
        """
        tag = _tag(grant)
        for number, path in enumerate(self._files()):
            if path == self._path:
                continue
            if not path.name.startswith(tag):
                self._delete(path)
                continue
            with suppress(OSError):
                self._take_up_one(
                    path, is_over, keep, too_many=number >= _MOST_FILES
                )

    def _take_up_one(
        self,
        path: Path,
        is_over: Callable[[datetime, datetime], bool],
        keep: Callable[[str], bool],
        *,
        too_many: bool,
    ) -> None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        handle = os.open(path, flags)
        try:
            try:
                _flock.flock(handle, _flock.LOCK_EX | _flock.LOCK_NB)
            except BlockingIOError:
                return  # its process lives
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or not found.st_nlink:
                return  # another process has just taken it
            at = datetime.fromtimestamp(found.st_mtime, UTC)
            is_old = is_over(_armed(path), at)
            if not found.st_size or too_many or is_old:
                self._delete(path)
                return
            data = os.read(handle, _MOST_BYTES)
            if keep(data.decode("utf-8", "replace")):
                path.unlink(missing_ok=True)
        finally:
            os.close(handle)

    def _files(self) -> list[Path]:
        """
        Name the files, the newest first.
        """
        found = []
        with suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    at = entry.stat(follow_symlinks=False).st_mtime_ns
                    found.append((at, Path(entry.path)))
        return [path for _, path in sorted(found, reverse=True)]

    def _delete(self, path: Path) -> None:
        with suppress(OSError):
            has_content = path.lstat().st_size > 0
            path.unlink()
            self.discarded += has_content


def _armed(path: Path) -> datetime:
    """
    Read when a file was made, from its name.
    """
    with suppress(IndexError, ValueError, OverflowError, OSError):
        since = int(path.name.split(".")[1])
        return datetime.fromtimestamp(since / 1000, UTC)
    return datetime.min.replace(tzinfo=UTC)


def _tag(grant: str) -> str:
    return hashlib.sha256(grant.encode()).hexdigest()[:32]
