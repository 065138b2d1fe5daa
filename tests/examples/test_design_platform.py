# SPDX-License-Identifier: MIT

"""
The design platform, run as a user runs it.
"""

from __future__ import annotations

import subprocess
import sys

from pathlib import Path

import pytest


APP = Path(__file__).parents[2] / "examples" / "design_platform" / "app.py"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """
    Run the app from an empty folder, with no terminal, and give its story
    by chapter.
    """
    here, kept = (tmp_path_factory.mktemp(n) for n in ("here", "kept"))
    done = subprocess.run(
        [sys.executable, str(APP), "--keep", str(kept)],
        cwd=here,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert not list(here.iterdir())
    assert (kept / "ledger.sqlite3").exists()
    return done.stdout.split("\n\n")


def _answers(chapter: str) -> list[str]:
    return [line.split(maxsplit=1)[0] for line in chapter.splitlines()[1:]]


class TestStory:
    """
    Tests for what the run shows.
    """

    def test_nothing_before_a_choice(self, told: list[str]) -> None:
        """
        Before any tick, all that the visitor does is refused.
        """
        assert set(_answers(told[0])) == {"no"}
        assert len(_answers(told[0])) == 12

    def test_ticks(self, told: list[str]) -> None:
        """
        Seven boxes are ticked, one by one; one ticked before counts not.
        """
        assert told[1].count("[x]") == 7
        assert "[ ] a control that was on before the person came" in told[1]

    def test_each_tick_opens_its_own(self, told: list[str]) -> None:
        """
        What was ticked works; the identity card, QQ, cookies, another
        purpose, a missing assurance and any SDK do not.
        """
        visit = told[2]

        assert _answers(visit).count("yes") == 7
        assert "no   real_name/id_card_number: refused, this data" in visit
        assert "vouch for something first" in visit
        assert "giving to this recipient needs a decision of its" in visit
        assert "targeted_push/cookie_id: refused" in visit
        assert "no   umeng: refused" in visit

    def test_taken_back(self, told: list[str]) -> None:
        """
        What waited under the box that is taken back is destroyed.
        """
        assert "1 record destroyed" in told[3]
        assert _answers(told[3]) == ["1", "no"]

    def test_operator_gets_what_was_promised(self, told: list[str]) -> None:
        """
        What arrives holds no number, name or address of anybody.
        """
        assert "search_history for search: sofa for Mr. Wang" in told[4]
        for personal in ("13905550148", "wang@example", "Lin Mei", "203.0"):
            assert personal not in told[4]
        assert "project_info" not in told[4]

    def test_children_are_turned_away(self, told: list[str]) -> None:
        """
        The same visit by a child comes to nothing.
        """
        assert "a guardian has to decide (barred)" in told[5]


@pytest.mark.usefixtures("told")
def test_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Without --keep its files are gone afterwards.
    """
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(tmp_path))
    subprocess.run(
        [sys.executable, str(APP)],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )

    assert not list(tmp_path.iterdir())
