# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit outbox``.
"""

from __future__ import annotations

import json

from pathlib import Path

import pytest

from attrs import frozen

import consentkit

from consentkit.cli import main
from tests.support import MAC, MAC_MD5, SMALL, make_kit, tables, to_toml


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """
    Give the arguments of an outbox in which a MAC address waits, as MD5.
    """
    with (
        make_kit(tmp_path / "data", "improve") as kit,
        kit.use("improve") as use,
    ):
        use.capture(use.device("mac_address"))
    return ["--policy", str(SMALL), "--data-dir", str(tmp_path / "data")]


@pytest.fixture
def empty(tmp_path: Path) -> list[str]:
    """
    Give the arguments of a data folder that is not there yet.
    """
    return ["--policy", str(SMALL), "--data-dir", str(tmp_path / "none")]


class TestStatus:
    """
    Tests for ``outbox status``.
    """

    def test_tells_for_whom(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        It tells how much waits, of which function and for whom, and where
        the key is, what that is good for and what not.
        """
        assert main(["outbox", "status", *place]) == 0
        first, head, row, *key = capsys.readouterr().out.splitlines()
        assert first.startswith("1 record waits (")
        assert head.split()[:3] == ["WAITING", "ELEMENT", "RECIPIENT"]
        assert row.split()[:3] == ["1", "improve", "maker"]
        assert key[0] == "The key of what waits is in a file."
        assert key[1].endswith("copies of the database alone; other users.")
        assert key[2].startswith("  Not against: whoever can read the files")

    def test_json(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json each lane names the whole hash of its consent.
        """
        main(["outbox", "status", *place, "--json"])
        said = json.loads(capsys.readouterr().out)
        main(["consent", "history", *place, "--json"])
        *_, entry = json.loads(capsys.readouterr().out)["entries"]

        assert said["waiting"] == 1
        assert said["lanes"] == [
            {
                "element": "improve",
                "recipient": "maker",
                "consent": entry["hash"],
                "waiting": 1,
            }
        ]
        assert said["kek"]["place"] == "file"
        assert "other users" in said["kek"]["protects"]
        assert len(said["kek"]["leaves_open"]) == 3

    def test_counts_what_was_withdrawn(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        After a withdrawal nothing waits, and the reason is counted.
        """
        main(["consent", "withdraw", "improve", *place])
        assert "1 waiting record destroyed" in capsys.readouterr().out

        main(["outbox", "status", *place])
        out = capsys.readouterr().out
        assert out.startswith("0 records wait ")
        assert "so far withdrawn: 1" in out

    def test_opens_no_record(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        It shows no value.
        """
        main(["outbox", "status", *place, "--json"])

        assert MAC_MD5 not in capsys.readouterr().out

    def test_of_nothing(
        self, empty: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Of a data folder that is not there it tells zeros, and makes none.
        """
        assert main(["outbox", "status", *empty]) == 0
        assert capsys.readouterr().out.startswith("0 records wait ")
        assert not Path(empty[-1]).exists()


class TestInspect:
    """
    Tests for ``outbox inspect``.
    """

    @pytest.mark.obligation("WP-HASH-1")
    def test_shows_what_would_leave(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A record is shown in the form that leaves, never as it was read.
        """
        assert main(["outbox", "inspect", *place]) == 0
        out = capsys.readouterr().out
        row = out.splitlines()[1].split()
        assert row[1:] == [
            "improve",
            "mac_address",
            "md5",
            "pseudonymised",
            f'"{MAC_MD5}"',
        ]
        assert MAC.lower() not in out.lower()

    def test_json(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json each record is as on the wire.
        """
        main(["outbox", "inspect", *place, "--json"])
        (record,) = json.loads(capsys.readouterr().out)["records"]

        assert record["value"] == MAC_MD5
        assert record["purpose"] == "usage_statistics"
        assert record["class"] == "pseudonymised"

    def test_of_nothing(
        self, empty: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Where nothing waits it says so.
        """
        assert main(["outbox", "inspect", *empty]) == 0
        assert capsys.readouterr().out == "Nothing waits to be sent.\n"


@frozen
class SessionEnded:
    """
    An event that the small policy declares.
    """

    seconds: float


class TestHeld:
    """
    Tests for what waits for the person's answer.
    """

    @pytest.fixture
    def held(self, tmp_path: Path) -> list[str]:
        """
        Give the arguments of a data folder with an event in quarantine.
        """
        tree = tables()
        tree["consent"] = {"pending": "quarantine"}
        file = tmp_path / "policy.toml"
        file.write_text(to_toml(tree), encoding="utf-8")
        data = tmp_path / "data"
        with (
            consentkit.open(file, data_dir=data) as kit,
            kit.use("improve") as use,
        ):
            use.capture(SessionEnded(seconds=3.0))
        return ["--policy", str(file), "--data-dir", str(data)]

    @pytest.mark.parametrize("action", ["status", "inspect"])
    def test_is_told(
        self,
        action: str,
        held: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Both tell of which functions something waits for an answer; a yes
        ends that.
        """
        told = "Until the person answers, more waits of: improve\n"

        assert main(["outbox", action, *held]) == 0
        assert capsys.readouterr().out.endswith(told)
        main(["consent", "grant", "improve", *held])
        capsys.readouterr()
        assert main(["outbox", action, *held]) == 0
        assert told not in capsys.readouterr().out

    def test_json(
        self, held: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json the functions are a list.
        """
        main(["outbox", "status", *held, "--json"])

        assert json.loads(capsys.readouterr().out)["held"] == ["improve"]
