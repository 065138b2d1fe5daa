# SPDX-License-Identifier: MIT

"""
The long runs, in short: ``tox -e faults`` runs them in full.
"""

from __future__ import annotations

import json
import subprocess
import sys

from pathlib import Path
from typing import Any

import pytest

from tests.faults.long import exits
from tests.faults.support import ROOT
from tests.needs import need_extra


def _run(module: str, folder: Path, *arguments: object) -> dict[str, Any]:
    """
    Run a module of this folder, and give its figures.
    """
    need_extra("receiver")
    figures = folder / "figures.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", f"tests.faults.long.{module}"),
            *map(str, arguments),
            *("--figures", str(figures)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(figures.read_text())
    return found


@pytest.mark.usefixtures("unmeasured")
def test_kills(tmp_path: Path) -> None:
    """
    Killed in all that it does, over a bad network, an app loses nothing,
    doubles nothing, lets nothing of a withdrawn function arrive, and its
    ledger is intact.
    """
    found = _run("kills", tmp_path, "--kills", 20, "--seed", 2)

    assert found["all_kept"]
    assert found["kills"] >= 20
    # It had something to lose, and lost its way.
    assert found["due"] > 0
    assert len(found["killed_in"]) > 3
    assert len(found["faults"]) > 3
    assert found["withdrawals"] > 0
    assert found["rotations"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_many_kills(tmp_path: Path, seed: int) -> None:
    """
    So it is over hundreds.
    """
    assert _run("kills", tmp_path, "--kills", 300, "--seed", seed)["all_kept"]


@pytest.mark.usefixtures("unmeasured")
def test_a_crowd(tmp_path: Path) -> None:
    """
    Eight processes of four threads on one folder, two of them delivering and
    one withdrawing, lose and double nothing either.
    """
    found = _run("crowd", tmp_path, "--captures", 12, "--seed", 20261122)

    assert found["all_kept"]
    assert found["due"] > 50
    assert found["withdrawals"] > 1
    assert found["refused"]["withdrawn"] > 0


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("way", exits.WAYS)
@pytest.mark.parametrize("state", exits.STATES)
def test_an_app_ends(tmp_path: Path, state: str, way: str) -> None:
    """
    Whatever its backend does, an app ends by itself, says nothing on its
    standard error, and what it had captured arrives once after the next
    start.
    """
    need_extra("receiver")

    ended = exits.end_one(tmp_path, state, way)

    assert ended.seconds is not None, "it had to be killed"
    assert ended.said == ""
    assert len(ended.captured) == exits.EVENTS
    assert sorted(ended.arrived) == sorted(ended.captured)
