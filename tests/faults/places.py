# SPDX-License-Identifier: MIT
"""
Where a value of an app could come out: all places that the sentinel scan
looks at.

What it does not see: a file that a child process or native code writes
outside of the app's home, what is sent to an address that the app does send
to but not by the wire, and memory.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import warnings

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from consentkit.testing import Sentinels, anatomy, logged
from consentkit.transports.base import Transport
from tests.faults.planted import RAW, RAW_OR_TOLD, Run


#: Beginnings of the audit events of what names, writes, starts or talks.
_LOUD = (
    *("open", "os.", "shutil.", "tempfile.", "sqlite3.", "mmap."),
    *("subprocess.", "pty.", "socket.", "http.", "urllib.", "syslog."),
)
_SENDING = ("socket.connect", "socket.sendto", "socket.sendmsg")
_WRITING = (
    os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
)  # fmt: skip


class Wire:
    """
    A way out, and what has gone it.

    Args:
        transport: The way.

        content: Gives what is at its other end now.

        folder: Where that lies on this machine, if it does.

        address: Where it leads to over the network, if it does.
    """

    def __init__(
        self,
        transport: Transport,
        content: Callable[[], list[bytes]],
        *,
        folder: Path | None = None,
        address: object = None,
    ) -> None:
        self.transport = transport
        self.folder = folder
        self.address = address
        self._content = content

    def found(self, planted: Sentinels) -> list[str]:
        """
        Say what of *planted* has left.
        """
        return [
            hit for one in self._content() for hit in planted.found_in(one)
        ]


class Places:
    """
    What is found, by place.

    Args:
        home: The app's folder for everything.

        wire: Its way out.
    """

    def __init__(self, home: Path, wire: Wire) -> None:
        self.found: dict[str, list[str]] = {}
        self._home = home
        self._wire = wire
        self._events: list[str] = []
        self._written: dict[Path, None] = {}
        self._gone: list[bytes] = []
        self._strangers: list[str] = []
        #: What was looked through before.
        self._clean: set[str | bytes] = set()
        self.log: list[str] = []
        self.hidden: list[str] = []
        self.warned: list[warnings.WarningMessage] = []

    # Watching

    def take(self, event: str, args: tuple[Any, ...]) -> None:
        """
        Take down an audit event.
        """
        self._events.append(f"{event} {args!r}")
        match event, args:
            case "open", (str() | bytes() | os.PathLike() as path, _, flags):
                if flags & os.O_TRUNC:
                    self._keep(path)
                if flags & _WRITING:
                    self._note(path)
            case "sqlite3.connect", (
                str() | bytes() | os.PathLike() as name,
                *_,
            ):
                path = os.fsdecode(name).removeprefix("file:").split("?")[0]
                for suffix in ("", "-journal", "-wal"):
                    self._note(path + suffix)
            case "os.remove", (path, folder):
                self._keep(path, folder)
            case "os.rename", (_, path, _, folder):
                self._keep(path, folder)
            case _, (_, address, *_) if event in _SENDING:
                if address != self._wire.address:
                    self._strangers.append(f"{event} to a stranger")

    def _path(self, path: str | bytes | os.PathLike[Any]) -> Path | None:
        """
        Give where *path* leads to, unless that is the wire.
        """
        found = Path(os.fsdecode(path)).absolute()
        far = self._wire.folder
        return None if far and found.is_relative_to(far) else found

    def _note(self, path: str | bytes | os.PathLike[Any]) -> None:
        found = self._path(path)
        if found is not None:
            self._written[found] = None

    def _keep(self, path: Any, folder: int = -1) -> None:
        """
        Read a file that is about to go, which may be named from a folder.
        """
        with suppress(OSError):
            if folder >= 0:
                path = Path(f"/proc/self/fd/{folder}").readlink() / path
            found = self._path(path)
            if found is not None and found.is_file():
                self._gone.append(found.read_bytes())

    # Looking

    def look(self) -> None:
        """
        Look through files, the environment and the wire as they are now.
        """
        with _looking_away():
            for path in self._home.rglob("*"):
                self._search("files", _file(path))
            for path in self._written:
                if not path.is_relative_to(self._home):
                    self._search("files elsewhere", _file(path))
            self._search("environment", _environment())
            self._add("wire", self._wire.found(RAW))

    def look_back(self, run: Run, terminal: Iterable[str]) -> None:
        """
        Look through what has been said and done.
        """
        self._search("files that are gone", self._gone)
        self._search("events", self._events)
        self._search("log", self.log)
        self._search("hidden errors", self.hidden)
        self._search("warnings", [str(one.message) for one in self.warned])
        self._search("terminal", terminal)
        self._search("errors", run.errors)
        self._search("reports", run.reports)
        self._add("answers", RAW.found_in("\n".join(run.answers)))
        self._add("strangers", self._strangers)

    def _search(self, place: str, said: Iterable[str | bytes]) -> None:
        for one in _joined(said):
            if one not in self._clean:
                found = RAW_OR_TOLD.found_in(one)
                self._add(place, found)
                if not found:
                    self._clean.add(one)

    def _add(self, place: str, hits: list[str]) -> None:
        if hits:
            self.found.setdefault(place, []).extend(hits)


def _joined(said: Iterable[str | bytes]) -> Iterator[str | bytes]:
    """
    Give texts as one, which is quicker to search, and bytes as they are.
    """
    texts = []
    for one in said:
        if isinstance(one, bytes):
            yield one
        else:
            texts.append(one)
    yield "\n".join(texts)


def _file(path: Path) -> Iterator[str | bytes]:
    """
    Give the name of a file, and what is in it.
    """
    yield path.name
    if path.is_file():
        yield path.read_bytes()


def _environment() -> Iterator[str]:
    return (f"{name}={value}" for name, value in os.environ.items())


@contextmanager
def watched(home: Path, wire: Wire) -> Iterator[Places]:
    """
    Watch all places while the app runs.
    """
    places = Places(home, wire)
    with (
        logged() as places.log,
        _uncaught(places.hidden),
        warnings.catch_warnings(record=True) as places.warned,
        _audited(places),
    ):
        warnings.simplefilter("always")
        yield places


@contextmanager
def at_home(home: Path) -> Iterator[None]:
    """
    Give the app a home, a folder for temporary files and a folder to be in,
    all of its own.
    """
    inside = {
        "HOME": home,
        "TMPDIR": home / "tmp",
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_DATA_HOME": home / ".local" / "share",
        "XDG_STATE_HOME": home / ".local" / "state",
    }
    (home / "tmp").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patched:
        for name, folder in inside.items():
            patched.setenv(name, str(folder))
        patched.setattr(tempfile, "tempdir", str(home / "tmp"))
        patched.chdir(home)
        yield


@contextmanager
def _uncaught(said: list[str]) -> Iterator[None]:
    """
    Note what would go to the hooks of threads and of finalisers.
    """
    hooks = threading.excepthook, sys.unraisablehook

    def note(args: Any) -> None:
        if args.exc_value is not None:
            said.append(anatomy(args.exc_value))

    threading.excepthook = sys.unraisablehook = note
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = hooks


# Python cannot take an audit hook away again: this one is put in once, and
# looks away unless something is watched.

_watching: list[Places] = []
_away = threading.local()


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _watching or not event.startswith(_LOUD):
        return
    if not getattr(_away, "now", False):
        with _looking_away():
            _watching[-1].take(event, args)


@contextmanager
def _looking_away() -> Iterator[None]:
    """
    Do not watch what this thread does.
    """
    _away.now = True
    try:
        yield
    finally:
        _away.now = False


@contextmanager
def _audited(places: Places) -> Iterator[None]:
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    _watching.append(places)
    try:
        yield
    finally:
        _watching.remove(places)


_installed: list[bool] = []
