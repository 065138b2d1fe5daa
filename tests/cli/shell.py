# SPDX-License-Identifier: MIT

"""
The command line as a shell and a person at a terminal have it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self


__all__ = ["COMMAND", "Terminal", "environment", "run"]

COMMAND = (sys.executable, "-m", "consentkit")

_SECONDS = 30.0


def environment(**changes: str | None) -> dict[str, str]:
    """
    Give this process's environment, changed; ``None`` takes a name out.
    """
    # These would change how help is laid out, and when output is written.
    hidden = {"COLUMNS", "NO_COLOR", "PYTHONUNBUFFERED"}
    made = {k: v for k, v in os.environ.items() if k not in hidden}
    for name, value in changes.items():
        made.pop(name, None)
        if value is not None:
            made[name] = value
    return made


def run(
    *arguments: str | Path,
    env: Mapping[str, str | None] | None = None,
    command: tuple[str, ...] = COMMAND,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """
    Run ``consentkit`` with nobody at the keyboard, and catch what it says.
    """
    return subprocess.run(  # noqa: PLW1510 - it is among the options
        [*command, *map(str, arguments)],
        **{
            "stdin": subprocess.DEVNULL,
            "capture_output": True,
            "encoding": "utf-8",
            "timeout": _SECONDS,
            "check": False,
            "env": environment(**(env or {})),
            **options,
        },
    )


class Terminal:
    """
    A terminal of 80 columns in which ``consentkit`` runs.

    Attributes:
        screen: Everything that was shown so far.
    """

    def __init__(
        self,
        *arguments: str | Path,
        env: Mapping[str, str | None] | None = None,
        stdout: int | None = None,
    ) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self.screen = ""
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            env=environment(**{"TERM": "xterm", **(env or {})}),
            start_new_session=True,
            # Its terminal, so that ^C reaches it as it does in a shell.
            preexec_fn=_take_terminal,  # noqa: PLW1509 - no thread is about
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        os.close(self._master)

    def expect(self, text: str, *, times: int = 1) -> None:
        """
        Wait until *text* was shown so many times.
        """
        deadline = time.monotonic() + _SECONDS
        while self.screen.count(text) < times:
            if not self._look(deadline):
                msg = f"{text!r} is not in:\n{self.screen}"
                raise AssertionError(msg)

    def type(self, line: str | bytes) -> None:
        """
        Type *line* and press Enter.
        """
        raw = line.encode() if isinstance(line, str) else line
        os.write(self._master, raw + b"\n")

    def press(self, key: str) -> None:
        """
        Press Control and *key*, a moment after what was shown last.
        """
        # A signal between showing a prompt and waiting for the answer would
        # be heeded only after it.
        time.sleep(0.1)
        os.write(self._master, bytes([ord(key.upper()) - 64]))

    def end(self) -> int:
        """
        Wait for its end, and give the exit code.
        """
        deadline = time.monotonic() + _SECONDS
        while self._look(deadline):
            pass
        return self.process.wait(_SECONDS)

    def _look(self, deadline: float) -> bool:
        """
        Take in what is shown; tell whether more may come.
        """
        left = max(0.0, deadline - time.monotonic())
        if not select.select([self._master], [], [], left)[0]:
            return False
        try:
            raw = os.read(self._master, 65_536)
        except OSError:  # nobody has the other side open
            return False
        self.screen += raw.decode(errors="replace").replace("\r\n", "\n")
        return bool(raw)

    @property
    def plain(self) -> str:
        """
        The screen without colours.
        """
        return re.sub(r"\x1b\[\d+m", "", self.screen)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
