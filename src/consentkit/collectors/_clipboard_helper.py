# SPDX-License-Identifier: MIT
"""
Read a clipboard, print what may be taken of it, exit.

This is the helper process of the clipboard collector:
``python -I -S _clipboard_helper.py`` takes one job as JSON on standard input
and prints one answer as JSON. What was on the clipboard ends with the
process; a Python string cannot be erased, a process can.

A job has ``file``, or ``list`` and ``read`` (commands) with ``deadline`` (of
the monotonic clock, which all processes share); and ``intents``, and
``rules``, the path of the module that matches. An answer has ``intent`` and
``value``, or ``reason``, a key of `REASONS`. No other text gets out.

Only the standard library is imported: the helper starts for each read.

Obligation: WP-CLIP-2.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any


__all__ = ["REASONS", "answer"]

#: Why there is no value, in words for people.
REASONS = {
    "nothing": "nothing on the clipboard matches what may be taken",
    "secret": "what is on the clipboard is marked as a secret",
    "late": "the clipboard did not answer within the deadline",
    "no_display": "the display of the clipboard cannot be opened",
    "no_file": "the file cannot be read",
    "failed": "the clipboard cannot be read",
}

#: Twice what the rules look at, in the longest encoding.
_LONGEST_BYTES = 65_536

#: How password managers mark what they copy (a convention of KDE's).
_HINT = "x-kde-passwordManagerHint"

#: Kinds of text, best first.
_TEXTS = (
    "UTF8_STRING",
    "text/plain;charset=utf-8",
    "text/plain",
    "STRING",
    "TEXT",
)

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


def answer(
    job: Mapping[str, Any], take: Callable[[str, Sequence[str]], Any]
) -> dict[str, str]:
    """
    Do one job.

    Args:
        job: As in the module's docstring.

        take: What matches: `consentkit.anonymise.intents.take`.
    """
    try:
        taken = take(_text(job), job["intents"])
    except _Stop as stop:
        return {"reason": stop.reason}
    except Exception:  # noqa: BLE001 - its text could hold the clipboard's
        return {"reason": "failed"}
    if taken is None:
        return {"reason": "nothing"}
    return {"intent": taken.intent, "value": taken.value}


def _text(job: Mapping[str, Any]) -> str:
    if "file" in job:
        data = _of_file(job["file"])
    else:
        data = _of_tool(job["list"], job["read"], job["deadline"])
    return data.decode("utf-8", errors="replace")


def _of_file(path: str) -> bytes:
    with suppress(OSError), open(path, "rb") as file:  # noqa: PTH123
        return file.read(_LONGEST_BYTES)
    raise _Stop(reason="no_file")


def _of_tool(
    listing: Sequence[str], reading: Sequence[str], deadline: float
) -> bytes:
    """
    Ask a tool what kinds there are, then for the text if there is one.
    """
    listed = _run(listing, deadline).decode("ascii", errors="replace")
    kinds = {line.strip() for line in listed.splitlines()}
    if _HINT in kinds:
        raise _Stop(reason="secret")
    kind = next((kind for kind in _TEXTS if kind in kinds), None)
    if kind is None:
        raise _Stop(reason="nothing")
    return _run([*reading, kind], deadline)


def _run(command: Sequence[str], deadline: float) -> bytes:
    """
    Give the beginning of what a command prints, and end it.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    ) as process:
        try:
            out, err = _collect(process, deadline)
        finally:
            # Before it is waited for: its group is surely still its own.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    if out or not err:
        return out
    raise _Stop(_reason(err.lower()))


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
        while not ended and len(out) < _LONGEST_BYTES:
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


def _load_take(path: str) -> Callable[[str, Sequence[str]], Any]:
    """
    Load the module that matches from its file alone.
    """
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("_clipboard_rules", path)
    assert spec is not None  # noqa: S101
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    take: Callable[[str, Sequence[str]], Any] = module.take
    return take


def _main() -> None:
    job = json.load(sys.stdin.buffer)
    json.dump(answer(job, _load_take(job["rules"])), sys.stdout)


if __name__ == "__main__":
    _main()
