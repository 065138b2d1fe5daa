# SPDX-License-Identifier: MIT
"""
A log of SQLite whose end was damaged, which SQLite passes over in silence.
"""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from consentkit._wal import is_cut_short


ROWS = 20

#: Commits rows one by one, and is killed.
WRITE = f"""
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("CREATE TABLE t (x)")
for n in range({ROWS}):
    db.execute("INSERT INTO t VALUES (randomblob(3000))")
os.kill(os.getpid(), 9)
"""


def log_of(path: Path) -> Path:
    """
    Give the log beside a file.
    """
    return path.with_name(f"{path.name}-wal")


def look(
    folder: Path, change: Callable[[bytearray], None]
) -> tuple[int | None, bool]:
    """
    Give how many rows are left after *change* to the log, or ``None`` if
    SQLite finds a fault itself, and what is said of the log.
    """
    path, log = folder / "a.db", folder / "a.db-wal"
    content = bytearray(log.read_bytes())
    change(content)
    log.write_bytes(content)
    db = sqlite3.connect(path, isolation_level=None)
    rows = None
    with suppress(sqlite3.DatabaseError):
        (rows,) = db.execute("SELECT COUNT(*) FROM t").fetchone()
    told = is_cut_short(db, path)
    db.close()
    return rows, told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """
    Give a folder as a kill leaves it: all that was written is in the log.
    """
    path = tmp_path / "a.db"
    subprocess.run([sys.executable, "-c", WRITE, path], check=False)
    assert log_of(path).stat().st_size > ROWS * 3000
    return tmp_path


def test_one_that_is_whole(folder: Path) -> None:
    """
    Nothing is said of a log as a kill leaves it.
    """
    assert look(folder, lambda content: None) == (ROWS, False)


@pytest.mark.parametrize("seed", range(40))
def test_a_turned_bit(folder: Path, seed: int) -> None:
    """
    Wherever a bit turns: it is told of if, and only if, rows are missing.
    """
    pick = random.Random(seed)

    def turn(content: bytearray) -> None:
        content[pick.randrange(len(content))] ^= 1 << pick.randrange(8)

    rows, told = look(folder, turn)
    assert told is (rows != ROWS)


@pytest.mark.parametrize("at", range(0, 32, 3))
def test_the_header(folder: Path, at: int) -> None:
    """
    A header with another byte makes SQLite drop the whole log, and that is
    told of.
    """

    def turn(content: bytearray) -> None:
        content[at] ^= 1

    rows, told = look(folder, turn)
    assert (rows, told) == (None, True)


@pytest.mark.parametrize("left", [10, 500, 4000, 4110])
def test_one_that_was_cut_off(folder: Path, left: int) -> None:
    """
    What a kill in the middle of a write cut off was promised to nobody.
    """

    def cut(content: bytearray) -> None:
        del content[len(content) - left :]

    rows, told = look(folder, cut)
    assert rows is not None
    assert (rows < ROWS, told) == (True, False)


def test_an_older_one_behind_it(tmp_path: Path) -> None:
    """
    What is left of a longer log that was folded into the file is not taken
    for a part of this one.
    """
    path = tmp_path / "a.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE t (x)")
    for _ in range(ROWS):
        db.execute("INSERT INTO t VALUES (randomblob(3000))")
    db.execute("PRAGMA wal_checkpoint(RESTART)")
    db.execute("INSERT INTO t VALUES (1)")
    assert log_of(path).stat().st_size > ROWS * 3000
    assert not is_cut_short(db, path)
    db.close()


def test_while_others_write(tmp_path: Path) -> None:
    """
    Beside a process that commits all the time nothing is said.
    """
    path = tmp_path / "a.db"
    program = WRITE.replace("for n in range(20)", "for n in range(10**9)")
    with subprocess.Popen([sys.executable, "-c", program, path]) as writer:
        try:
            while not path.exists() or not log_of(path).exists():
                assert writer.poll() is None
            db = sqlite3.connect(path, isolation_level=None, timeout=30)
            for _ in range(5):
                db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
                assert not is_cut_short(db, path)
            db.close()
        finally:
            writer.kill()
