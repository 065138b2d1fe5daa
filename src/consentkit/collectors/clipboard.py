# SPDX-License-Identifier: MIT
"""
The clipboard: only what the policy lets be taken, and nothing else of it.

A helper process reads the clipboard, matches the intents that the clause
declares, prints the match and ends. The rest of the text is never in the
app's own memory, from which Python could not erase it (WP-CLIP-2). A read
starts that process and the window system's tool, so it belongs to an act of
the person, not into a loop.

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

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

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


class _TakingSource(Source[Take]):
    """
    What the two clipboards share: the read under a deadline.
    """

    data_types: frozenset[str] = frozenset({"clipboard_share_code"})

    def __init__(self, name: str, deadline_seconds: float) -> None:
        if not 0 < deadline_seconds < math.inf:
            msg = "deadline_seconds must be a positive number of seconds"
            raise ValueError(msg)
        self.name = name
        self._seconds = deadline_seconds

    @abstractmethod
    def _job(self) -> Mapping[str, object] | str:
        """
        Give what the helper is to read, or why it cannot.
        """

    def _read(self, permit: Permit, **_options: Any) -> Take | Unavailable:
        clause = permit.clause
        wanted = clause.protection.intents
        if not wanted:
            return Unavailable(clause.type, "the policy lets nothing be taken")
        job = self._job()
        if isinstance(job, str):
            return Unavailable(clause.type, job)
        result = _result(_do({**job, "intents": wanted}, self._seconds))
        if isinstance(result, str):
            return Unavailable(clause.type, result)
        return result


class ClipboardSource(_TakingSource):
    """
    The clipboard of the window system, through its own tool.

    Args:
        tool: ``wl-paste`` (Wayland) or ``xclip`` (X11); chosen at each read
            by the environment when not given.

        deadline_seconds: How long one read may take, all in all.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self, *, tool: str | None = None, deadline_seconds: float = 2.0
    ) -> None:
        if tool is not None and tool not in _TOOLS:
            msg = f"tool must be one of {', '.join(_TOOLS)}"
            raise ValueError(msg)
        name = f"the clipboard, by {tool}" if tool else "the clipboard"
        super().__init__(name, deadline_seconds)
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


class FileClipboard(_TakingSource):
    """
    A file in the place of a clipboard, for machines that have none.

    Args:
        path: A text file (UTF-8).

        deadline_seconds: How long one read may take, all in all.

    Raises:
        ValueError: If *deadline_seconds* is out of its range.
    """

    def __init__(
        self, path: Path | str, *, deadline_seconds: float = 2.0
    ) -> None:
        super().__init__(f"the file {path}", deadline_seconds)
        self._path = Path(path)

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


def _result(answer: object) -> Take | str:
    """
    Read the helper's answer: what was taken, or why nothing was.
    """
    match answer:
        case {"intent": str(intent), "value": str(value)}:
            return Take(intent, value)
        case {"reason": str(reason)} if reason in helper.REASONS:
            return helper.REASONS[reason]
        case _:
            return helper.REASONS["failed"]
