# SPDX-License-Identifier: MIT
"""
Small private files, written so that a power cut leaves the old or the new.
"""

from __future__ import annotations

import os

from contextlib import suppress
from pathlib import Path
from typing import Final

from consentkit._sqlite import make_private_folder
from consentkit.exceptions import DamagedError, UnwritableError


__all__ = ["make_file", "read_file", "replace_file", "sync_folder"]

_FLAGS: Final = os.O_CREAT | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
_BYTES: Final = 1_000_000


def read_file(path: Path, *, secret: bool) -> str | None:
    """
    Read a file of ours, or give ``None`` where there is none.

    Args:
        path: The file.

        secret: Whether no other user may be able to read it.

    Raises:
        DamagedError: If it cannot be read, or others can.
    """
    try:
        with path.open("rb") as file:
            # Windows keeps other users out by the folder's own rules.
            is_posix = os.name == "posix"
            mode = os.fstat(file.fileno()).st_mode if is_posix else 0
            text = file.read(_BYTES).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        problem = f"the file cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        problem = "the file is no text"
    else:
        if not secret or not mode & 0o077:
            return text
        raise DamagedError(
            path,
            problem="the key can be read by other users",
            cure=f"run: chmod 600 {path}",
        )
    raise DamagedError(path, problem=problem, cure="restore it from a backup")


def make_file(path: Path, text: str) -> None:
    """
    Write a new file, for this user only, durably.

    Raises:
        UnwritableError: If it cannot be stored; then there is none.
    """
    make_private_folder(path.parent)
    try:
        _write(path, text, os.O_EXCL)
        sync_folder(path.parent)
    except OSError as error:
        problem = error
    else:
        return
    if not isinstance(problem, FileExistsError):
        with suppress(OSError):
            path.unlink()
    raise _unwritable(path, problem)


def replace_file(path: Path, text: str) -> None:
    """
    Put *text* in place of what the file held, durably and at once.

    Raises:
        UnwritableError: If it cannot be stored; then the old one stays.
    """
    make_private_folder(path.parent)
    new = path.with_name(f"{path.name}.new")
    try:
        _write(new, text, os.O_TRUNC)
        new.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        problem = error
    else:
        return
    raise _unwritable(path, problem)


def sync_folder(path: Path) -> None:
    """
    Make the names in a folder durable, where that is a thing.
    """
    if os.name != "posix":
        return
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _write(path: Path, text: str, flags: int) -> None:
    handle = os.open(path, _FLAGS | flags, 0o600)
    with open(handle, "wb") as file:  # noqa: PTH123 - a handle, not a path
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _unwritable(path: Path, error: OSError) -> UnwritableError:
    return UnwritableError(
        path,
        problem=f"the file cannot be stored ({error.strerror})",
        cure="choose a data folder that this user may write to",
    )
