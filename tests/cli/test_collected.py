# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit collected``.
"""

from __future__ import annotations

import json

from pathlib import Path

import pytest

from consentkit.cli import main
from tests.support import SMALL, Clock, Spies, make_kit, say_yes


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """
    Give the arguments of a data folder in which something was read.
    """
    data = tmp_path / "data"
    with make_kit(data, "connect", clock=Clock()) as kit:
        with kit.use("connect") as use:
            use.device("network_status")
            use.device("network_status", "wifi_password")
        ann = kit.subject("ann")
        say_yes(ann.consent, "improve")
        with ann.use("improve") as use:
            use.device("app_usage_time")
    return ["--policy", str(SMALL), "--data-dir", str(data)]


class TestCollected:
    """
    Tests for ``collected``.
    """

    def test_tells_what_was_read(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        It tells by function what was read, how often and when, and how much
        of the policy's list was not.
        """
        assert main(["collected", *place]) == 0
        out = capsys.readouterr().out

        assert out.startswith("What was collected: A small policy\n---")
        assert "\n  2 times      " in out
        assert "(network_status), 2026-11-20\n" in out
        assert "\n  1 time       " in out
        assert "(wifi_password), 2026-11-20\n" in out
        assert "\n  never here   9 that the policy lists\n" in out
        assert str(Spies()["wifi_password"].value) not in out

    def test_json(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json it is all there, by id.
        """
        assert main(["collected", *place, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)

        assert said["collected"] == [
            {
                "function": "connect",
                "data_type": data_type,
                "times": times,
                "first": "2026-11-20",
                "last": "2026-11-20",
            }
            for data_type, times in (
                ("network_status", 2),
                ("wifi_password", 1),
            )
        ]
        assert len(said["never"]) == 9
        assert "improve/mac_address" in said["never"]
        assert said["unlisted"] == said["elsewhere"] == []
        assert (said["together"], said["because"]) == (None, [])

    def test_what_it_is_together(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Where something that was collected singles out a device, all of it is
        called personal, and by what.
        """
        data = Path(place[-1])
        with (
            make_kit(data, "improve", clock=Clock()) as kit,
            kit.use("improve") as use,
        ):
            use.device("mac_address")

        assert main(["collected", *place]) == 0
        assert (
            "\nWhat leaves of it is personal, all of it, for who can link it: "
            "by mac_address.\n" in capsys.readouterr().out
        )
        assert main(["collected", *place, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["together"] == "personal"
        assert said["because"] == ["mac_address"]

    def test_one_of_many_people(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A person among many is named as the app names them; whom the ledger
        does not know is told.
        """
        assert main(["collected", *place, "--subject", "ann", "--json"]) == 0
        (one,) = json.loads(capsys.readouterr().out)["collected"]
        assert (one["data_type"], one["times"]) == ("app_usage_time", 1)

        assert main(["collected", *place, "--subject", "bob"]) == 2
        assert "nobody named 'bob'" in capsys.readouterr().err

    def test_nothing_yet(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Where nothing was ever read it says so, and makes no file.
        """
        place = ["--policy", str(SMALL), "--data-dir", str(tmp_path / "no")]

        assert main(["collected", *place]) == 0
        assert "\nNothing so far.\n" in capsys.readouterr().out
        assert list(tmp_path.iterdir()) == []
