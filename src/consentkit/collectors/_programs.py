# SPDX-License-Identifier: MIT
"""
Running a program of the system, within bounds of time and memory.

The program has a session of its own, so that what it has started can be ended
with it.

Times are seconds.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time

from collections.abc import Sequence
from contextlib import suppress


__all__ = ["output_of"]


def output_of(
    command: Sequence[str], *, timeout_seconds: float, most_bytes: int
) -> bytes | None:
    """
    Give what *command* prints.

    Returns:
        Its output; ``None`` if it cannot be started, fails, prints more than
        *most_bytes*, or is late. Then it is ended, with all that it started.
    """
    deadline = time.monotonic() + timeout_seconds
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None
    with process:
        assert process.stdout is not None  # noqa: S101 - for mypy
        try:
            said = _all(process.stdout.fileno(), deadline, most_bytes)
            if said is not None:
                process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            said = None
        finally:
            # Its group is its own, until it is waited for.
            if process.returncode is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
    return said if process.returncode == 0 else None


def _all(pipe: int, deadline: float, left_bytes: int) -> bytes | None:
    """
    Read to the end; ``None`` where that is too far or too late.
    """
    parts: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while left_bytes >= 0:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                return None
            part = os.read(pipe, 65_536)
            if not part:
                return b"".join(parts)
            parts.append(part)
            left_bytes -= len(part)
    return None
