# SPDX-License-Identifier: MIT
"""
Whether the end of a SQLite log was damaged, which SQLite itself never says.

After a crash SQLite goes by the log up to the first frame whose checksum is
wrong, and drops the rest in silence: to it that is what the crash cut off.
But a commit that stands whole behind such a frame was one that somebody
relied upon.

Source: the WAL-mode file format, https://www.sqlite.org/walformat.html
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import struct
import time

from contextlib import suppress
from pathlib import Path
from typing import Final


__all__ = ["is_cut_short"]

# Of the log: magic, format, page size, checkpoints, two salts, two checksums.
_HEADER: Final = struct.Struct(">8I")
_MAGIC: Final = 0x377F0682
_SALTS: Final = slice(16, 24)

# Of a frame: page, size of the database if it is a commit, two salts, two
# checksums.
_FRAME: Final = struct.Struct(">6I")


# Between the last frame of a commit and its being counted there is a moment.
_LOOKS: Final = 3
_BETWEEN_SECONDS: Final = 0.01


def is_cut_short(connection: sqlite3.Connection, database: Path) -> bool:
    """
    Tell whether the log of *database* has a commit that SQLite passed over.

    Args:
        connection: An open one, which no transaction is under way in.

        database: Its file. The file beside it that counts the frames must
            not be looked at: closing it would drop SQLite's locks on it.
    """
    log, before = Path(f"{database}-wal"), None
    for look in range(_LOOKS):
        if look:
            time.sleep(_BETWEEN_SECONDS)
        salts, there = _committed(log)
        # Where somebody writes, it is another log a moment later.
        if not there or before not in (None, (salts, there)):
            return False
        before = salts, there
        try:
            (is_busy, counted, _) = connection.execute(
                "PRAGMA wal_checkpoint(PASSIVE)"
            ).fetchone()
        except sqlite3.Error:
            # On a full disk SQLite does not say; it is a while longer so.
            is_busy, counted = 0, _intact(log)
        if is_busy or counted >= there:
            return False
    return True


def _committed(log: Path) -> tuple[bytes, int]:
    """
    Tell how many frames the log has up to the end of its last commit, and by
    which salts it goes.
    """
    try:
        with log.open("rb") as file:
            head = file.read(_HEADER.size)
            end = os.fstat(file.fileno()).st_size
            if len(head) < _HEADER.size or end == _HEADER.size:
                return b"", 0
            salts = head[_SALTS]
            if not _is_whole(head):
                return salts, 1  # whatever it was, SQLite goes by none of it
            size = _HEADER.unpack(head)[2] + _FRAME.size
            last = 0
            # A kill leaves half of a frame.
            for count in range(1, (end - _HEADER.size) // size + 1):
                file.seek(_HEADER.size + (count - 1) * size)
                frame = file.read(_FRAME.size)
                # What stands there of an older log has other salts.
                if frame[8:16] == salts and _FRAME.unpack(frame)[1]:
                    last = count
            return salts, last
    except (OSError, struct.error):
        return b"", 0


def _is_whole(head: bytes) -> bool:
    """
    Tell whether the header of a log is as SQLite wrote it.
    """
    return bool(_order(head)) and _HEADER.unpack(head)[6:] == _sums(
        head[:24], _order(head), (0, 0)
    )


def _order(head: bytes) -> str:
    """
    Tell in which order of bytes a log has its checksums, if it is one.
    """
    magic = _HEADER.unpack(head)[0]
    if magic & ~1 != _MAGIC:
        return ""
    return ">" if magic & 1 else "<"


def _sums(body: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    """
    Go on with two checksums.
    """
    first, second = sums
    words = struct.unpack(f"{order}{len(body) // 4}I", body)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def _intact(log: Path) -> int:
    """
    Tell how many frames the log has up to the end of the last commit before
    the first frame that is not as SQLite wrote it.
    """
    counted = 0
    with suppress(OSError, struct.error), log.open("rb") as file:
        head = file.read(_HEADER.size)
        if not _is_whole(head):
            return 0
        sums = _sums(head[:24], _order(head), (0, 0))
        size = _HEADER.unpack(head)[2]
        for count in itertools.count(1):
            frame, page = file.read(_FRAME.size), file.read(size)
            _, is_commit, *_, first, second = _FRAME.unpack(frame)
            sums = _sums(frame[:8] + page, _order(head), sums)
            if frame[8:16] != head[_SALTS] or sums != (first, second):
                break
            counted = count if is_commit else counted
    return counted
