# SPDX-License-Identifier: MIT

"""
The app on principles, run as a user runs it.
"""

from __future__ import annotations

import os
import subprocess
import sys

from pathlib import Path

import pytest


APP = Path(__file__).parents[2] / "examples" / "principles_app" / "app.py"


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

    def test_template_is_refused(self, told: str) -> None:
        """
        The template opens nothing, and the reason is given in a line.
        """
        (fault,) = after(told, told.splitlines()[0])

        assert fault.startswith("$.policy.template: a template is nobody's")

    def test_nothing_before_a_choice(self, told: str) -> None:
        """
        Before anything is allowed, reading a book counts nothing.
        """
        answers = after(told, "Before anything is allowed:")

        refused = [a for a in answers if not a.startswith("?")]
        assert len(refused) == 2
        assert all("has not been asked yet" in a for a in refused)

    def test_other_uses(self, told: str) -> None:
        """
        The same count serves neither another service nor another purpose
        nor a partner that has not signed.
        """
        (no, purpose, partner) = after(
            told,
            "The same count for our audiobooks, for publishers, by any name:",
        )

        assert "the person said no" in no
        assert "does not list this purpose" in purpose
        assert "has not accepted letter of commitment" in partner

    def test_what_arrives(self, told: str) -> None:
        """
        What arrives is in the form of its clause, and no address, number or
        place is among it.
        """
        arrived = [a for a in told.splitlines() if a.startswith("  > ")]

        kinds = [line.split(":")[0].removeprefix("  > ") for line in arrived]
        assert kinds == [
            "failure_info, scrub",
            "app_usage_frequency, bucket",
            "performance_data, bucket",
            "phone_number, keyed",
            "location_coarse, grid",
        ]
        for raw in ("ann@", "13905550123", "30.247", "120.15"):
            assert raw not in told

    def test_letters(self, told: str) -> None:
        """
        What is in letters is no data type of any function.
        """
        (answer,) = after(told, "What is in letters belongs to no function:")

        assert "does not list this data type" in answer

    def test_withdrawn(self, told: str) -> None:
        """
        Once switched off, analytics counts nothing, and what it had is gone
        from the backend.
        """
        answers = after(told, "Analytics is switched off in the list:")

        assert len(answers) == 2
        assert all("has withdrawn the consent" in a for a in answers)
        assert "left there: phone_number, location_coarse." in told
