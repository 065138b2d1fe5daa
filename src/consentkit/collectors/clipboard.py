# SPDX-License-Identifier: MIT
"""
The clipboard: only what the policy lets be taken, and nothing else of it.

A helper process reads the clipboard, matches the intents that the clause
declares, prints the match and ends. The rest of the text is never in the
app's own memory, from which Python could not erase it (WP-CLIP-2). A read
starts that process and the window system's tool, so it belongs to an act of
the person, not into a loop.

The kinds of content are asked for before the content, and what a password
manager marked as a secret is not read. Where it can be told when something
was copied, it is read once in a scene (WP-CLIP-5); Wayland does not tell.

Where Python cannot start itself again (a frozen app, an embedded
interpreter), the same functions run inside the app: a lesser mode, in which
the text may stay in memory until the app ends. `is_isolated` tells.

Times are seconds.
"""

from __future__ import annotations

import json
import math
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from attrs import frozen

from consentkit.anonymise import intents
from consentkit.anonymise.intents import Take
from consentkit.collectors import _clipboard_helper as helper
from consentkit.collectors.source import Source, Unavailable
from consentkit.gate import Permit


__all__ = [
    "ClipboardSource",
    "FileClipboard",
    "Take",
    "TakingSource",
    "best_clipboard_source",
    "is_isolated",
]

#: All that the tools and the helper get of the app's environment.
_VARIABLES = (
    "DISPLAY",
    "HOME",
    "PATH",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
)

#: Longer answers are not the helper's.
_LONGEST_ANSWER_BYTES = 65_536

#: Scenes are few; each new consent brings them anew.
_MOST_MARKS = 64

#: Nanoseconds since 1970, with room for some centuries.
_LONGEST_MARK = 20

#: Share of the deadline that the helper has; in the rest it is ended.
_HELPER_SHARE = 0.9


@frozen(kw_only=True)
class _Tool:
    """
    A program that reads the clipboard of one window system.

    Attributes:
        variable: Set where that window system is.

        listing, reading: Arguments that list the kinds of content, and
            that read the kind which comes after them.
    """

    package: str
    variable: str
    listing: tuple[str, ...]
    reading: tuple[str, ...]


# Not xsel: it cannot list kinds, so it would read what is marked as secret.
_TOOLS: Mapping[str, _Tool] = MappingProxyType(
    {
        "wl-paste": _Tool(
            package="wl-clipboard",
            variable="WAYLAND_DISPLAY",
            listing=("--list-types",),
            reading=("--no-newline", "--type"),
        ),
        "xclip": _Tool(
            package="xclip",
            variable="DISPLAY",
            listing=("-selection", "clipboard", "-o", "-target", "TARGETS"),
            reading=("-selection", "clipboard", "-o", "-target"),
        ),
    }
)


def is_isolated() -> bool:
    """
    Tell whether reads happen in a process of their own.
    """
    # An embedding program may put its own name there.
    program = Path(sys.executable or "").name.lower()
    return (
        os.name == "posix"
        and not getattr(sys, "frozen", False)
        and program.startswith(("python", "pypy"))
        and Path(helper.__file__).is_file()
    )


class TakingSource(Source[Take]):
    """
    Base of clipboards: the declared part is taken, under a deadline.

    Members say where it is read (`_job`), or how (`_take`).

    Args:
        name: What is read, for people.

        deadline_seconds: How long one read may take, all in all.

        reads_once: Whether content that was read in a scene is not read
            again in it while it is known to be the same.

    Raises:
        ValueError: If *deadline_seconds* is out of its range.
    """

    data_types: frozenset[str] = frozenset({"clipboard_share_code"})
    timeout_seconds: float | None = None  # it keeps its own

    def __init__(
        self, name: str, deadline_seconds: float, *, reads_once: bool = True
    ) -> None:
        if not 0 < deadline_seconds < math.inf:
            msg = "deadline_seconds must be a positive number of seconds"
            raise ValueError(msg)
        self.name = name
        self._seconds = deadline_seconds
        self._reads_once = reads_once
        #: What was read last, by function, consent and scene. One assignment
        #: is whole in every thread.
        self._marks: dict[tuple[str, str, str], str] = {}

    def _job(self) -> Mapping[str, object] | str:
        """
        Give what the helper is to read, or why it cannot.
        """
        raise NotImplementedError

    def _read(
        self, permit: Permit, *, scene: str = "", **_options: Any
    ) -> Take | Unavailable:
        clause = permit.clause
        wanted = clause.protection.intents
        if not wanted:
            return Unavailable(clause.type, "the policy lets nothing be taken")
        key = (permit.function.id, permit.grant, scene)
        seen = self._marks.get(key, "")
        result, mark = self._take(
            wanted, seen if scene and self._reads_once else None
        )
        if mark:
            if len(self._marks) >= _MOST_MARKS:
                self._marks.clear()
            self._marks[key] = mark
        if isinstance(result, str):
            return Unavailable(clause.type, result)
        return result

    def _take(
        self, wanted: Sequence[str], seen: str | None
    ) -> tuple[Take | str, str]:
        """
        Take one of the *wanted* intents, or say why there is none.

        Args:
            wanted: Names of intents, best first.

            seen: Mark of what is not to be read again, or ``""``; ``None``
                if nobody wants to know.

        Returns:
            What was taken or the reason, and the content's mark or ``""``.
        """
        job = self._job()
        if isinstance(job, str):
            return job, ""
        asked = {**job, "intents": wanted}
        if seen is not None:
            asked["seen"] = seen
        return _result(_do(asked, self._seconds))


class ClipboardSource(TakingSource):
    """
    The clipboard of the window system, through its own tool.

    Args:
        tool: ``wl-paste`` (Wayland) or ``xclip`` (X11); chosen at each read
            by the environment when not given.

        deadline_seconds: How long one read may take, all in all.

        reads_once: Whether what was read in a scene is left alone until
            something else is copied, where X11 tells when that was.

    Raises:
        ValueError: If an argument is out of its range.
    """

    id: str = "clipboard"
    touches: str = (
        "wl-paste or xclip, started by a helper process: the kinds of what "
        "is copied, then its text if none of them marks a secret"
    )
    visible: str = (
        "under X11 the app that owns the clipboard is asked; under Wayland "
        "GNOME takes the keyboard focus for a moment"
    )
    platforms: frozenset[str] = frozenset({"desktop", "iot"})

    def __init__(
        self,
        *,
        tool: str | None = None,
        deadline_seconds: float = 2.0,
        reads_once: bool = True,
    ) -> None:
        if tool is not None and tool not in _TOOLS:
            msg = f"tool must be one of {', '.join(_TOOLS)}"
            raise ValueError(msg)
        name = f"the clipboard, by {tool}" if tool else "the clipboard"
        super().__init__(name, deadline_seconds, reads_once=reads_once)
        self._tool = tool

    def _job(self) -> Mapping[str, object] | str:
        tool = self._tool or _usable_tool() or _likely_tool()
        if tool is None:
            return "no clipboard: WAYLAND_DISPLAY and DISPLAY are not set"
        program = shutil.which(tool)
        if program is None:
            return f"{tool} is not installed; install {_TOOLS[tool].package}"
        return {
            "list": [program, *_TOOLS[tool].listing],
            "read": [program, *_TOOLS[tool].reading],
        }


class FileClipboard(TakingSource):
    """
    A file in the place of a clipboard, for machines that have none.

    Args:
        path: A text file: UTF-8, or UTF-16 with its byte order mark.

        deadline_seconds: How long one read may take, all in all.

        reads_once: Whether what was read in a scene is left alone until the
            file is written again.

    Raises:
        ValueError: If *deadline_seconds* is out of its range.
    """

    id: str = "clipboard_file"
    touches: str = "the beginning of the file, read by a helper process"

    def __init__(
        self,
        path: Path | str,
        *,
        deadline_seconds: float = 2.0,
        reads_once: bool = True,
    ) -> None:
        self._path = Path(path)
        # Folders name people.
        name = f"the file {self._path.name}"
        super().__init__(name, deadline_seconds, reads_once=reads_once)

    def _job(self) -> Mapping[str, object]:
        return {"file": str(self._path.absolute())}


def best_clipboard_source() -> ClipboardSource | None:
    """
    Give the clipboard if there is one here; nothing of it is read.
    """
    tool = _usable_tool()
    return None if tool is None else ClipboardSource(tool=tool)


def _usable_tool() -> str | None:
    """
    Name the first tool that is installed and has its window system.
    """
    return next((tool for tool in _displays() if shutil.which(tool)), None)


def _likely_tool() -> str | None:
    return next(iter(_displays()), None)


def _displays() -> Sequence[str]:
    return [t for t in _TOOLS if os.environ.get(_TOOLS[t].variable)]


def _do(job: dict[str, object], seconds: float) -> object:
    """
    Have a job done, in a process of its own where that is possible.
    """
    start = time.monotonic()
    job["deadline"] = start + seconds * _HELPER_SHARE
    if not is_isolated():
        return helper.answer(job, intents.take)
    job["rules"] = intents.__file__
    # Those of this package, and of what the scrubber is made with.
    job["folders"] = [
        str(Path(intents.__file__).parents[2]),
        str(Path(attrs.__file__).parents[1]),
    ]
    data = _exchange(json.dumps(job).encode(), start + seconds)
    if data is None:
        return {"reason": "late"}
    with suppress(ValueError):
        return json.loads(data)
    return None


def _exchange(job: bytes, deadline: float) -> bytes | None:
    """
    Give the helper its job and take its answer, or ``None`` when late.
    """
    environ = {k: os.environ[k] for k in _VARIABLES if k in os.environ}
    with subprocess.Popen(
        [sys.executable, "-I", "-S", helper.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None  # noqa: S101 - for the type checker
        assert process.stdout is not None  # noqa: S101
        try:
            # A job fits into a pipe, so this does not wait.
            with suppress(BrokenPipeError), process.stdin as stdin:
                stdin.write(job)
            return _collect(process.stdout.fileno(), deadline)
        finally:
            # Before it is waited for: its group is surely still its own.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def _collect(pipe: int, deadline: float) -> bytes | None:
    data = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(data) < _LONGEST_ANSWER_BYTES:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                return None
            piece = os.read(pipe, 16_384)
            if not piece:
                break
            data += piece
    return bytes(data)


def _result(answer: object) -> tuple[Take | str, str]:
    """
    Read the helper's answer: what was taken, or why nothing was; a mark.
    """
    mark = ""
    match answer:
        case {"mark": str(told)} if told.isdecimal():
            mark = told[:_LONGEST_MARK]
    match answer:
        case {"intent": str(intent), "value": str(value)}:
            return Take(intent, value), mark
        case {"reason": str(reason)} if reason in helper.REASONS:
            return helper.REASONS[reason], mark
        case _:
            return helper.REASONS["failed"], ""
