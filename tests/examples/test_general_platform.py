# SPDX-License-Identifier: MIT

"""
The general platform, run as a user runs it.
"""

from __future__ import annotations

import os
import subprocess
import sys

from pathlib import Path

import pytest


APP = Path(__file__).parents[2] / "examples" / "general_platform" / "app.py"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """
    Run the app from an empty folder, with no terminal and no home, and give
    its story.
    """
    here, kept = (tmp_path_factory.mktemp(n) for n in ("here", "kept"))
    done = subprocess.run(
        [sys.executable, str(APP), "--keep", str(kept)],
        cwd=here,
        env={**os.environ, "HOME": str(here / "nobody")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert not list(here.iterdir())
    assert (kept / "data" / "ledger.sqlite3").exists()
    return done.stdout


def after(told: str, line: str) -> list[str]:
    """
    Give what the story says right after *line*.
    """
    _, found, rest = told.partition(f"{line}\n")
    assert found, line
    lines = rest.splitlines()
    last = next(
        (i for i, text in enumerate(lines) if not text.startswith("  ")),
        len(lines),
    )
    return [text.strip() for text in lines[:last]]


class TestStory:
    """
    Tests for what the run shows.
    """

    def test_nothing_before_agreement(self, told: str) -> None:
        """
        Before anything is agreed to, browsing is refused.
        """
        answers = after(told, "Before anything is agreed to:")

        assert len(answers) == 3
        assert all("has not been asked yet" in a for a in answers)

    def test_browsing_without_an_account(self, told: str) -> None:
        """
        Without an account two things of a page are kept; the browsing
        history is a decision of its own.
        """
        answers = after(told, "so a page is shown:")

        assert [a == "+ kept" for a in answers] == [True, False, True]
        assert answers[1].startswith("- browse_search/browsing_history")

    def test_place(self, told: str) -> None:
        """
        An unknown age and the system's no each stop it, and then it is a
        square.
        """
        (age,) = after(told, "before the visitor has said so:")
        (system,) = after(told, "before the system allows it:")

        assert "age is not known" in age
        assert "operating system does not allow it" in system
        assert after(told, "and then, as a square:") == ["+ kept"]

    def test_others(self, told: str) -> None:
        """
        Affiliates are a decision of their own, and advertising gets no
        account at all; another account needs its notice first.
        """
        (affiliate,) = after(told, "The account, to gp_affiliates:")
        (adverts,) = after(told, "The account, to gp_ads_analytics:")
        (first, *_) = after(
            told, "Another account is granted after its notice only:"
        )

        assert "needs a decision of its own" in affiliate
        assert "nothing may be given to this recipient" in adverts
        assert "its notice of this version was not shown" in first

    def test_exception(self, told: str) -> None:
        """
        Without consent: not by itself, once by a named person, not again.
        """
        answers = after(
            told,
            "Without consent: by nobody's word, by somebody's, by none again:",
        )

        assert [a == "+ kept" for a in answers] == [False, True, False]

    def test_minor(self, told: str) -> None:
        """
        A minor's data is asked back, and nothing more of it is read.
        """
        answers = after(told, "The visitor turns out to be 13:")

        assert all("a guardian has to decide" in a for a in answers)
        assert "0 records are left there." in told
        assert "leaves 11 things open" in told
