# SPDX-License-Identifier: MIT
"""
What a piece of code has touched, in the words of Python's own audit events.

Python cannot take an audit hook away again. The one here is put in at the
first use, for the life of the process, and looks away except in a thread that
is inside of `touched`.

What it does not see: what native code does without Python, what another
thread does, and before Python 3.12 that a thread is started.

Source: PEP 578; the table of audit events in Python's documentation.
"""

from __future__ import annotations

import sys
import threading

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final


__all__ = ["touched"]

#: Beginnings of the events of what reads, writes, starts or talks.
_LOUD: Final = (
    "_thread.",
    "ctypes.",
    "ftplib.",
    "glob.",
    "http.client.",
    "mmap.",
    "os.",
    "pathlib.",
    "pty.",
    "shutil.",
    "smtplib.",
    "socket.",
    "sqlite3.",
    "subprocess.",
    "syslog.",
    "tempfile.",
    "urllib.",
    "webbrowser.",
    "winreg.",
)

#: Python's own import of a module opens files, and is not what is meant.
_IMPORTERS: Final = frozenset(
    {"importlib._bootstrap", "importlib._bootstrap_external", "zipimport"}
)

_local = threading.local()
_guard = threading.Lock()
_is_installed = False


@contextmanager
def touched() -> Iterator[list[str]]:
    """
    Note what this thread opens, starts or connects to within the block.

    The import of a Python module is left out.

    Returns:
        A list that grows: an audit event and its first argument in each
        text, such as ``open /etc/hosts``.

    .. versionadded:: 26.1.0
    """
    _install()
    before: list[str] | None = getattr(_local, "seen", None)
    seen: list[str] = []
    _local.seen = seen
    try:
        yield seen
    finally:
        _local.seen = before
        if before is not None:
            before += seen


def _install() -> None:
    global _is_installed  # noqa: PLW0603 - a hook is for the whole process
    with _guard:
        if not _is_installed:
            sys.addaudithook(_watch)
            _is_installed = True


def _watch(event: str, args: tuple[Any, ...]) -> None:
    seen: list[str] | None = getattr(_local, "seen", None)
    if seen is None or not (event == "open" or event.startswith(_LOUD)):
        return
    first = args[0] if args else ""
    # By its number: it was seen when the file itself was opened.
    if event == "open" and isinstance(first, int):
        return
    caller = sys._getframe(1).f_globals.get("__name__")  # noqa: SLF001
    if caller not in _IMPORTERS:
        seen.append(f"{event} {first}")
