# SPDX-License-Identifier: MIT
"""
Read a clipboard, print what may be taken of it, exit.

This is the helper process of the clipboard collector:
``python -I -S _clipboard_helper.py`` takes one job as JSON on standard input
and prints one answer as JSON. What was on the clipboard ends with the
process; a Python string cannot be erased, a process can.

A job has ``file``, or ``list`` and ``read`` (commands) with ``deadline`` (of
the monotonic clock, which all processes share); and ``intents``, and
``rules``, the path of the module that matches, with ``folders``, where it
finds the rules of the scrubber. With ``seen``, content that
still has that mark is not read again. An answer has ``intent`` and
``value``, or ``reason``, a key of `REASONS`; and ``mark`` where there is one:
when it was copied (X11) or written (a file), a number that says nothing of
the content. No other text gets out.

The tool is asked first which kinds of content there are, and for the content
only if none of them marks a secret; after a match it is asked once more, so
that a secret copied meanwhile is not given out.

Only the standard library is imported, as the helper starts for each read;
where something matched, the scrubber too, which says whether it may be given.

The helper leads a process group, in which the tools are too. The app ends
that group, and the helper itself does where the app could not.

Obligation: WP-CLIP-2, WP-CLIP-5.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import stat
import subprocess
import sys
import time

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any


__all__ = [
    "LONGEST_BYTES",
    "REASONS",
    "answer",
    "decoded",
    "is_secret",
    "text_kind",
]

#: Why there is no value, in words for people.
REASONS = {
    "nothing": "nothing on the clipboard matches what may be taken",
    "secret": "what is on the clipboard is marked as a secret",
    "unchanged": "what is on the clipboard was already read in this scene",
    "late": "the clipboard did not answer within the deadline",
    "no_display": "the display of the clipboard cannot be opened",
    "no_file": "the file cannot be read",
    "failed": "the clipboard cannot be read",
}

#: Twice what the rules look at, in the longest encoding.
LONGEST_BYTES = 65_536

#: What the helper and the tools may have of the address space: a tool that
#: gathers an endless content ends before the machine does.
_LONGEST_MEMORY_BYTES = 256 * 1024 * 1024

#: How password managers mark what they copy, in lower case: a convention of
#: KDE's, Windows' "Cloud Clipboard and Clipboard History Formats", and
#: nspasteboard.org.
_HINTS = (
    "x-kde-passwordmanagerhint",
    "excludeclipboardcontentfrommonitorprocessing",
    "clipboard viewer ignore",
    "org.nspasteboard.concealedtype",
    "nspasteboard-concealed-type",
)

#: Kinds of text in lower case, best first.
_TEXTS = (
    "utf8_string",
    "text/plain;charset=utf-8",
    "text/plain",
    "string",
    "text",
)

#: The kind that tells when it was copied (ICCCM 2.6.2), of X11 only.
_STAMP = "TIMESTAMP"

#: X11 counts milliseconds in 32 bits; 0 means that nobody knows.
_STAMPS = range(1, 2**32)

#: What the tools say, in the C locale, where there is no display ...
_NO_DISPLAY = (b"open display", b"connect to a wayland")
#: ... and where nothing is copied.
_EMPTY = (b"not available", b"nothing is copied", b"no selection")


class _Stop(Exception):  # noqa: N818 - an outcome, not an error
    """
    There is no value, for one of `REASONS`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_secret(kinds: Iterable[str]) -> bool:
    """
    Tell whether one of the *kinds* of a content marks it as a secret.
    """
    return any(hint in kind.lower() for kind in kinds for hint in _HINTS)


def text_kind(kinds: Iterable[str]) -> str | None:
    """
    Choose the best text among *kinds*, as it is spelled there.
    """
    spelled = {kind.lower().replace(" ", ""): kind for kind in kinds}
    return next((spelled[text] for text in _TEXTS if text in spelled), None)


def answer(
    job: Mapping[str, Any], take: Callable[[str, Sequence[str]], Any]
) -> dict[str, str]:
    """
    Do one job.

    Args:
        job: As in the module's docstring.

        take: What matches: `consentkit.anonymise.intents.take`.
    """
    marks: list[str] = []
    try:
        place = _File(job) if "file" in job else _Tool(job)
        found = _take(place, job, take, marks)
    except _Stop as stop:
        found = {"reason": stop.reason}
    except Exception:  # noqa: BLE001 - its text could hold the clipboard's
        return {"reason": "failed"}
    if marks:
        found["mark"] = marks[0]
    return found


def _take(
    place: _File | _Tool,
    job: Mapping[str, Any],
    take: Callable[[str, Sequence[str]], Any],
    marks: list[str],
) -> dict[str, str]:
    """
    Read one place and match; its mark is put into *marks* when it was read.
    """
    with closing(place):
        mark = place.mark() if "seen" in job else ""
        if mark and mark == job["seen"]:
            raise _Stop(reason="unchanged")
        text = place.text()
        if mark:
            marks.append(mark)
        taken = take(text, job["intents"])
        if taken is None:
            raise _Stop(reason="nothing")
        place.check()
    return {"intent": taken.intent, "value": taken.value}


class _File:
    """
    A file in the place of a clipboard.
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        # Opening a pipe would wait for its writer.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
        try:
            self._file = os.open(job["file"], flags)
        except OSError:
            raise _Stop(reason="no_file") from None

    def close(self) -> None:
        """
        Let go of the file.
        """
        os.close(self._file)

    def mark(self) -> str:
        """
        Tell when it was written, in nanoseconds.
        """
        return str(os.fstat(self._file).st_mtime_ns)

    def text(self) -> str:
        """
        Read its beginning.
        """
        data = bytearray()
        with suppress(OSError):
            if stat.S_ISREG(os.fstat(self._file).st_mode):
                while piece := os.read(self._file, LONGEST_BYTES - len(data)):
                    data += piece
                return decoded(bytes(data))
        raise _Stop(reason="no_file")

    def check(self) -> None:
        """
        Do nothing: nobody marks a file.
        """


class _Tool:
    """
    A tool that asks the window system.
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._job = job
        self._kinds = self._list()

    def close(self) -> None:
        """
        Do nothing: each run of the tool ends by itself.
        """

    def _list(self) -> list[str]:
        """
        Ask for the kinds of content; stop at the mark of a secret.
        """
        listed = self._run(self._job["list"])
        lines = listed.decode("ascii", errors="replace").splitlines()
        kinds = [line.strip() for line in lines]
        if is_secret(kinds):
            raise _Stop(reason="secret")
        return kinds

    def _get(self, kind: str) -> bytes:
        return self._run([*self._job["read"], kind])

    def _run(self, command: Sequence[str]) -> bytes:
        # Inside the app there is no group that somebody else ends.
        is_apart = "rules" not in self._job
        return _run(command, self._job["deadline"], is_apart=is_apart)

    def mark(self) -> str:
        """
        Ask when it was copied, where its owner says that it knows.
        """
        # Unasked, some owners answer with the content.
        if _STAMP not in self._kinds:
            return ""
        stamp = self._get(_STAMP).strip()
        known = stamp.isdigit() and len(stamp) < 11 and int(stamp) in _STAMPS
        return stamp.decode("ascii") if known else ""

    def text(self) -> str:
        """
        Ask for the text, if there is one.
        """
        kind = text_kind(self._kinds)
        if kind is None:
            raise _Stop(reason="nothing")
        return decoded(self._get(kind), kind)

    def check(self) -> None:
        """
        Look for the mark of a secret once more.
        """
        self._list()


def decoded(data: bytes, kind: str = "") -> str:
    """
    Make text of bytes: UTF-8, UTF-16 with its mark, or Latin-1 where X11
    calls it a STRING (ICCCM 2.6.2, though many put UTF-8 there).
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    text = data.decode("utf-8", errors="replace")
    if kind.upper() == "STRING" and "\ufffd" in text:
        return data.decode("latin-1")
    return text


def _run(command: Sequence[str], deadline: float, *, is_apart: bool) -> bytes:
    """
    Give the beginning of what a command prints, and end it.

    Args:
        command: The program and its arguments.

        deadline: When to give up.

        is_apart: Whether it has a group of its own, which is ended. If not,
            whoever ends ours ends it at any moment, the first included.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0 if is_apart else None,
    ) as process:
        try:
            out, err = _collect(process, deadline)
        finally:
            if is_apart:
                # Before it is waited for: its group is surely still its own.
                _end_group(process.pid)
            else:
                process.kill()
    if out or not err:
        return out
    raise _Stop(_reason(err.lower()))


def _end_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _collect(
    process: subprocess.Popen[bytes], deadline: float
) -> tuple[bytes, bytes]:
    """
    Read a process's output to its end or our limit, and its complaints.
    """
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for pipe, data in ((process.stdout, out), (process.stderr, err)):
            assert pipe is not None  # noqa: S101 - for the type checker
            selector.register(pipe, selectors.EVENT_READ, data)
        ended = False
        while not ended and len(out) < LONGEST_BYTES:
            left = deadline - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                raise _Stop(reason="late")
            for key, _ in ready:
                piece = os.read(key.fd, 16_384)
                key.data.extend(piece)
                del err[4_096:]
                if not piece:
                    selector.unregister(key.fileobj)
                    ended = ended or key.data is out
    return bytes(out), bytes(err)


def _reason(complaint: bytes) -> str:
    if any(words in complaint for words in _NO_DISPLAY):
        return "no_display"
    if any(words in complaint for words in _EMPTY):
        return "nothing"
    return "failed"


def _load_take(
    path: str, folders: Sequence[str]
) -> Callable[[str, Sequence[str]], Any]:
    """
    Load the module that matches from its file alone; what it may need of
    *folders* it loads itself.
    """
    from importlib.util import module_from_spec, spec_from_file_location

    sys.path.extend(folders)
    spec = spec_from_file_location("_clipboard_rules", path)
    assert spec is not None  # noqa: S101
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    take: Callable[[str, Sequence[str]], Any] = module.take
    return take


def _limit() -> None:
    """
    Bound this process and the tools, and leave no core file of a text.
    """
    import resource

    # A core of 1 byte also keeps away what the kernel would pipe it to.
    for limit, most in (
        (resource.RLIMIT_AS, _LONGEST_MEMORY_BYTES),
        (resource.RLIMIT_CORE, 1),
    ):
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, (most, most))


def _main() -> None:
    _limit()
    try:
        job = json.load(sys.stdin.buffer)
        take = _load_take(job["rules"], job["folders"])
        print(json.dumps(answer(job, take)), flush=True)  # noqa: T201
    finally:
        # What a tool left, if the app is not there to end it.
        if os.getpgrp() == os.getpid():
            _end_group(os.getpid())


if __name__ == "__main__":
    _main()
