# SPDX-License-Identifier: MIT

"""
``consentkit keys``: making, rotating and showing a receiver's keys.
"""

from __future__ import annotations

import json

from pathlib import Path

import pytest

from consentkit.cli import main
from consentkit.seal import KEM, KeyRing, SealKey


Out = pytest.CaptureFixture[str]


class TestKeys:
    """
    The three actions.
    """

    def test_new(self, tmp_path: Path, capsys: Out) -> None:
        """
        It prints one line, which is the public key, and nothing secret.
        """
        file = tmp_path / "keys.json"
        assert main(["keys", "new", str(file)]) == 0
        (line,) = capsys.readouterr().out.splitlines()
        current = KeyRing.load(file).current
        assert SealKey.parse(line) == current.seal_key
        assert current.private.hex() not in line

    def test_rotate(self, tmp_path: Path, capsys: Out) -> None:
        """
        It prints the line of the new key; the old one stays, until it is
        forgotten.
        """
        file = str(tmp_path / "keys.json")
        main(["keys", "new", file])
        assert main(["keys", "rotate", file, "--json"]) == 0
        told = capsys.readouterr().out.partition("\n")[2]
        assert json.loads(told)["id"] == 2
        assert len(KeyRing.load(Path(file)).kept) == 2
        kem = ("--kem", "p256")
        old = ("--forget-older-than", "0")
        assert main(["keys", "rotate", file, *kem, *old]) == 0
        ring = KeyRing.load(Path(file))
        assert ring.current.seal_key.kem is KEM.P256

    def test_show(self, tmp_path: Path, capsys: Out) -> None:
        """
        It lists them, the current one last, and no private half.
        """
        file = str(tmp_path / "keys.json")
        main(["keys", "new", file])
        main(["keys", "rotate", file])
        capsys.readouterr()
        assert main(["keys", "show", file]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == [
            *("key", "fingerprint", "kind", "made", "retired"),
        ]
        assert lines[2].endswith("current")
        ring = KeyRing.load(Path(file))
        assert lines[3] == f"current: {ring.current.seal_key.text}"
        assert main(["keys", "show", file, "--json"]) == 0
        text = capsys.readouterr().out
        assert [row["id"] for row in json.loads(text)] == [1, 2]
        for one in ring.kept:
            assert one.key.private.hex() not in text + "".join(lines)


class TestBadInput:
    """
    One line that names the file and the cure.
    """

    def test_there_already(self, tmp_path: Path, capsys: Out) -> None:
        """
        A file that is there is not written over.
        """
        file = tmp_path / "keys.json"
        file.write_text("mine")
        assert main(["keys", "new", str(file)]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"consentkit: {file}: there is a file already")
        assert file.read_text() == "mine"

    @pytest.mark.parametrize("action", ["rotate", "show"])
    def test_none(self, tmp_path: Path, capsys: Out, action: str) -> None:
        """
        Where there is none, how to make one is told.
        """
        file = tmp_path / "keys.json"
        assert main(["keys", action, str(file)]) == 2
        assert "consentkit keys new" in capsys.readouterr().err
        assert not file.exists()

    @pytest.mark.parametrize("days", ["x", "-1", "1.5", "100001"])
    def test_no_days(self, tmp_path: Path, capsys: Out, days: str) -> None:
        """
        Days are a whole number.
        """
        file = str(tmp_path / "keys.json")
        main(["keys", "new", file])
        with pytest.raises(SystemExit) as caught:
            main(["keys", "rotate", file, f"--forget-older-than={days}"])
        assert caught.value.code == 2
        assert "no number of days" in capsys.readouterr().err

    def test_in_no_folder(self, tmp_path: Path, capsys: Out) -> None:
        """
        Where a file is in the way of the folder, that is told.
        """
        (tmp_path / "f").write_text("")
        file = tmp_path / "f" / "keys.json"
        assert main(["keys", "new", str(file)]) == 2
        assert str(tmp_path / "f") in capsys.readouterr().err
