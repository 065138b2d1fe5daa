# SPDX-License-Identifier: MIT

"""
The business mail, run as a user runs it.
"""

from __future__ import annotations

import subprocess
import sys

from pathlib import Path

import pytest


APP = Path(__file__).parents[2] / "examples" / "business_mail" / "app.py"


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

    def test_what_is_open_is_said(self, told: list[str]) -> None:
        """
        It begins with what the policy leaves open.
        """
        assert "full name of the controller, version, dates" in told[0]

    def test_nothing_before_a_choice(self, told: list[str]) -> None:
        """
        Before any yes, all is refused, what is automatic included.
        """
        assert set(_answers(told[1])) == {"no"}
        assert "automatic_access_data: refused" in told[1]

    def test_each_yes_opens_its_own(self, told: list[str]) -> None:
        """
        What got a yes works; partners, discretion, another purpose and a
        transaction without its notice do not.
        """
        day = told[2]

        assert _answers(day).count("yes") >= 8
        assert "account_password, local_only: used here" in day
        assert "marketing/corporate_email: refused, giving to this" in day
        assert "transactions/contact_details: refused, the person" in day
        assert "lawful basis for it (controller_discretion)" in day
        assert "the data type (usage_statistics)" in day

    def test_notice_comes_first(self, told: list[str]) -> None:
        """
        Once the notice is acknowledged, the transaction works.
        """
        assert "reach the other side" in told[3]
        assert _answers(told[3])[-1] == "yes"

    def test_authorisation_is_taken_back(self, told: list[str]) -> None:
        """
        With the authorisation goes what waited under it.
        """
        assert "1 record destroyed" in told[4]
        assert "google_ads_data" not in told[5]

    def test_operator_gets_what_was_promised(self, told: list[str]) -> None:
        """
        What arrives holds no number, address or mail, and waits for a day
        at most.
        """
        for personal in ("13905550148", "linmei", "203.0.113.77", "battery"):
            assert personal not in told[5]
        records = told[5].splitlines()[1:]
        assert len(records) >= 7
        assert all(", 1 day, 0:00:00: " in line for line in records)


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
