# SPDX-License-Identifier: MIT
"""
Reading the small files in which an operating system tells facts.
"""

from __future__ import annotations

import os
import stat

from pathlib import Path
from typing import Final


__all__ = [
    "is_locked",
    "read_bytes",
    "read_line",
    "read_mounts",
    "read_text",
]

#: More than any fact has; what is longer is cut.
_BYTES: Final = 65_536

_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    # A pipe in the place of a file does not keep us waiting.
    | getattr(os, "O_NONBLOCK", 0)
)


def read_bytes(
    path: Path, *, count_bytes: int = _BYTES, offset_bytes: int = 0
) -> bytes:
    """
    Read a part of a regular file; nothing where there is none.

    Args:
        path: The file.

        count_bytes: How much is read, at most.

        offset_bytes: Where reading starts; what is before is not read.
    """
    try:
        handle = os.open(path, _FLAGS)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return b""
        if offset_bytes:
            os.lseek(handle, offset_bytes, os.SEEK_SET)
        return _all(handle, count_bytes)
    except OSError:
        return b""
    finally:
        os.close(handle)


def _all(handle: int, left_bytes: int) -> bytes:
    parts = []
    # Files of /proc and /sys may come in several parts.
    while left_bytes > 0 and (part := os.read(handle, left_bytes)):
        parts.append(part)
        left_bytes -= len(part)
    return b"".join(parts)


def read_text(path: Path, *, count_bytes: int = _BYTES) -> str:
    """
    Read the text of a regular file; nothing where there is none.
    """
    return read_bytes(path, count_bytes=count_bytes).decode(errors="replace")


def read_line(path: Path) -> str:
    """
    Read the first line of a file, without blanks and NULs around it.
    """
    # Texts of a device tree end with a NUL.
    return read_text(path).partition("\n")[0].strip(" \t\r\n\0")


def read_mounts(root: Path) -> list[str]:
    """
    List what is mounted where, a line each, as Linux tells this process.

    Source: ``proc_pid_mountinfo(5)``.
    """
    # A host of many containers has thousands of lines.
    text = read_text(root / "proc/self/mountinfo", count_bytes=4_000_000)
    return text.splitlines()


def is_locked(path: Path) -> bool:
    """
    Tell whether a file is there that this user may not read.
    """
    try:
        os.close(os.open(path, _FLAGS))
    except PermissionError:
        return True
    except OSError:
        pass
    return False
