# SPDX-License-Identifier: MIT
"""
An outbox whose log was damaged before a crash was recovered from.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from pathlib import Path

import pytest

from tests.faults.support import ROOT, run


#: Commits one record after the other, and is killed.
KILLED = r"""
import os, sys
from pathlib import Path
from tests.faults.support import *
kit = open_kit(Path(sys.argv[1]) / "data", "stats")
for n in range(10):
    tick(kit, n)
    list(kit.store.inspect())
os.kill(os.getpid(), 9)
"""

COMMON = r"""
import logging, resource, sys
from pathlib import Path
from tests.faults.support import *

folder = Path(sys.argv[1])
said = []

class Said(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

logging.getLogger("consentkit").addHandler(Said())

def let(most):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))

def damaged():
    return [one for one in said if "end of its log" in one]

def start():
    return open_kit(folder / "data", transport=Scripted())
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Give a folder as a kill leaves it: the outbox is in its log.
    """
    folder = tmp_path_factory.mktemp("killed")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, folder], cwd=ROOT, check=False
    )
    assert done.returncode == -9
    return folder


@pytest.fixture
def left(killed: Path, tmp_path: Path) -> Path:
    """
    Give a copy of it.
    """
    return Path(shutil.copytree(killed, tmp_path / "left"))


def spoil(folder: Path) -> None:
    """
    Turn a bit in the middle of the log.
    """
    path = folder / "data" / "outbox.sqlite3-wal"
    content = bytearray(path.read_bytes())
    assert len(content) > 10 * 4096
    # Of a page's content: the frames are a page and 24 bytes each.
    content[32 + 4120 * (len(content) // 4120 * 3 // 4) + 100] ^= 1
    path.write_bytes(content)


def test_it_is_counted_once(left: Path) -> None:
    """
    That records may be missing is warned of, and counted, once.
    """
    spoil(left)
    run(
        COMMON
        + r"""
kit = start()
tick(kit, 100)
kit.flush()
tick(kit, 101)
assert kit.flush().waiting == 0
assert kit.status().counts["unreadable"] == 1, kit.status()
assert len(damaged()) == 1, said
kit.close()
kit = start()
tick(kit, 102)
kit.flush()
assert kit.status().counts["unreadable"] == 1, kit.status()
assert len(damaged()) == 1, said
""",
        left,
    )


def test_what_counted_it_was_taken_back(left: Path) -> None:
    """
    Where the transaction that counts it cannot be committed, the next one
    counts it; and the warning comes once, with that.
    """
    spoil(left)
    run(
        COMMON
        + r"""
kit = start()
assert kit.status().waiting > 0
let(1)
assert tick(kit, 100)
assert kit.status().in_memory == 1
assert not damaged(), said
let(resource.RLIM_INFINITY)
assert kit.flush().waiting == 0
assert kit.status().counts["unreadable"] == 1, kit.status()
assert len(damaged()) == 1, said
""",
        left,
    )


def test_a_full_disk_is_no_damage(left: Path) -> None:
    """
    A log that is whole is not called damaged where nothing can be written
    when it is opened; and one that is damaged is, then too.
    """
    again = Path(shutil.copytree(left, left.with_name("again")))
    spoil(again)
    program = r"""
let(40_000)  # enough for what SQLite keeps of a log beside it, and no more
kit = start()
assert kit.status().waiting > 0
let(resource.RLIM_INFINITY)
tick(kit, 100)
assert kit.flush().waiting == 0
counts = kit.status().counts
assert counts.get("unreadable", 0) == len(damaged()) == int(sys.argv[2]), said
"""
    run(COMMON + program, left, 0)
    run(COMMON + program, again, 1)
