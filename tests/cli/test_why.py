# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit why``.
"""

from __future__ import annotations

import json

from pathlib import Path

import pytest

from consentkit.cli import main
from tests.cli.shell import Terminal
from tests.support import SMALL, make_kit


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """
    Give the arguments of a person who granted connect, and not its place.
    """
    with make_kit(tmp_path / "data", "connect"):
        pass
    return ["--policy", str(SMALL), "--data-dir", str(tmp_path / "data")]


class TestWhy:
    """
    Tests for ``why``.
    """

    def test_permitted(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What is permitted names purpose, recipient, entry and version, with
        code 0.
        """
        assert main(["why", "connect", "network_status", *place]) == 0
        told = capsys.readouterr().out.partition("\n\nSignals")[0]
        head, *conditions = told.splitlines()
        assert "permitted for wifi_connection, to maker, by entry 2" in head
        assert all(line.startswith(" yes  ") for line in conditions)

    def test_refused(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What is refused marks the condition that fails, with code 1.
        """
        assert main(["why", "connect", "location_precise", *place]) == 1
        out = capsys.readouterr().out
        assert "needs a decision of its own" in out
        assert "  NO  the person granted connect/location_precise" in out
        assert " yes  the person granted connect: " in out

    def test_element(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        FUNCTION/DATA_TYPE, as the other commands write it, is taken too.
        """
        main(["why", "connect", "location_precise", *place])
        apart = capsys.readouterr().out
        main(["why", "connect/location_precise", *place])

        assert capsys.readouterr().out == apart

    def test_json(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json the decision and its conditions are one object.
        """
        main(["why", "connect", "location_precise", *place, "--json"])
        said = json.loads(capsys.readouterr().out)

        assert said["permitted"] is False
        holds = {c["name"]: c["holds"] for c in said["conditions"]}
        assert holds["the person granted connect"] is True
        assert holds["the person granted connect/location_precise"] is False

    @pytest.mark.parametrize(
        ("arguments", "hint"),
        [
            (["conect"], "no function 'conect'; did you mean 'connect'?"),
            (
                ["connect", "locatio_precise"],
                (
                    "collects no 'locatio_precise'; did you mean "
                    "'location_precise'?"
                ),
            ),
            (
                ["improve", "mac_address", "helpr"],
                "no recipient 'helpr'; did you mean 'helper'?",
            ),
            (["zzz"], "'consentkit consent list' shows what there is"),
            (
                ["improve@helper"],
                "apart: 'consentkit why improve DATA_TYPE helper'",
            ),
        ],
    )
    def test_unknown_names(
        self,
        arguments: list[str],
        hint: str,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A name that the policy does not have is refused, and near ones are
        named in one line on standard error.
        """
        assert main(["why", *arguments, *place]) == 1
        out, err = capsys.readouterr()
        assert "refused" in out
        assert hint in err
        assert err.count("\n") == 1

    def test_unreadable_ledger(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With a damaged ledger everything is refused, and the file is named.
        """
        ledger = Path(place[-1], "ledger.sqlite3")
        ledger.write_bytes(b"damaged" * 99)

        assert main(["why", "connect", *place]) == 1
        out = capsys.readouterr().out
        assert f"  NO  the ledger can be read: {ledger}: the file" in out

    def test_fits_the_terminal(self, place: list[str]) -> None:
        """
        On a terminal long conditions go on below their first word.
        """
        with Terminal("why", "connect", "network_status", *place) as terminal:
            assert terminal.end() == 0

        lines = terminal.screen.splitlines()
        assert max(map(len, lines)) <= 80
        assert any(line.startswith("      ") for line in lines)


_ROWS = (
    "device_policy",
    "consentkit_consent",
    "do_not_track",
    "gpc",
    "os_permission",
    "ci",
    "terminals",
)


class TestSignals:
    """
    Tests for the table of signals in ``why``.
    """

    @pytest.mark.parametrize(
        ("variable", "value", "row"),
        [
            ("", "", ""),
            (
                "DO_NOT_TRACK",
                "1",
                "do_not_track, '1': asks for no tracking, so it is off",
            ),
            (
                "CONSENTKIT_CONSENT",
                "0",
                (
                    "consentkit_consent, '0': asks for no collection, so it "
                    "is off"
                ),
            ),
            (
                "CONSENTKIT_DEVICE_POLICY",
                "device.toml",
                (
                    "device_policy, device.toml: the administrator of this "
                    "device forbids it"
                ),
            ),
        ],
        ids=["silent", "do_not_track", "own", "device_policy"],
    )
    def test_each_row(
        self,
        variable: str,
        value: str,
        row: str,
        place: list[str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Each signal has a row, in the order of their strength; what stops
        the function stands out and is named in the decision.
        """
        with make_kit(Path(place[-1]), "improve"):
            pass
        folder = Path(place[-1]).parent
        monkeypatch.chdir(folder)
        Path("device.toml").write_text('schema = 1\nforbid = ["improve"]\n')
        if variable:
            monkeypatch.setenv(variable, value)

        assert main(["why", "improve", *place]) == int(bool(variable))
        out = capsys.readouterr().out
        _, title, table = out.partition("\nSignals from outside, ")
        rows = table.splitlines()[1:]
        assert title
        assert [r.split()[1].rstrip(",") for r in rows] == list(_ROWS)
        stopping = [r.removeprefix("  NO  ") for r in rows if "  NO  " in r]
        assert stopping == [row] * bool(variable)
        named = row.partition(",")[0]
        assert f"stops it ({named})" in out or not variable

    def test_gpc(self, tmp_path: Path) -> None:
        """
        A browser's signal stops third parties, and shows in its row.
        """
        with make_kit(tmp_path) as kit:
            person = kit.subject("a", gpc=True)
            explained = person.why("umeng")

        (row,) = [r for r in explained.signals if r.name == "gpc"]
        assert str(row) == (
            "  NO  gpc, on: objects to sale and sharing, so it is off"
        )
        assert str(row) in str(explained).splitlines()

    def test_json(
        self,
        place: list[str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        With --json the rows are a list beside the conditions.
        """
        monkeypatch.setenv("DO_NOT_TRACK", "1")
        main(["why", "improve", *place, "--json"])
        rows = json.loads(capsys.readouterr().out)["signals"]

        assert [row["name"] for row in rows] == list(_ROWS)
        assert [row["name"] for row in rows if row["stops"]] == [
            "do_not_track"
        ]
