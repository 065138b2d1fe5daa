# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit policy check``.
"""

from __future__ import annotations

import json
import os
import subprocess

from pathlib import Path

import pytest

from consentkit.cli import main
from consentkit.cli.demo import example_folder
from tests.cli.shell import COMMAND, environment
from tests.support import SMALL


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """
    Give a policy with three faults in three places.
    """
    text = SMALL.read_text("utf-8")
    for right, wrong in (
        ('category = "core"', 'category = "cor"'),
        ('type = "mac_address"', 'type = "mac_adress"'),
        ('retention = "P1M"', 'retention = "a month"'),
    ):
        assert right in text
        text = text.replace(right, wrong, 1)
    file = tmp_path / "broken.toml"
    file.write_text(text, "utf-8")
    return file


class TestCheck:
    """
    Tests for ``policy check``.
    """

    def test_fine(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        A policy without faults is summed up in one line, with code 0.
        """
        assert main(["policy", "check", str(SMALL)]) == 0
        out, err = capsys.readouterr()
        assert out.startswith(f"{SMALL}: fine; ")
        assert "1 separate decision," in out
        assert (out.count("\n"), err) == (1, "")

    def test_policy_of_the_demo(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The camera app's policy has no fault.
        """
        file = example_folder() / "policy.toml"

        assert main(["policy", "check", str(file)]) == 0
        assert "5 third-party SDKs" in capsys.readouterr().out

    def test_all_faults_at_once(
        self, broken: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Every fault is told in one run: its path, what is wrong and what
        would be right.
        """
        assert main(["policy", "check", str(broken)]) == 1
        out = capsys.readouterr().out
        assert out.startswith(f"{broken}: ")
        for path, wrong, right in (
            ("$.functions[0].category", "'cor'", "'core'"),
            ("$.functions[1].collects[0].type", "'mac_adress'", "mac_address"),
            ("$.functions[1].retention", "'a month'", "P1M"),
        ):
            (line,) = [x for x in out.splitlines() if f"  {path}: " in x]
            assert wrong in line
            assert right in line

    def test_json(
        self, broken: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json each fault is an object with file, path, message, cure.
        """
        code = main(["policy", "check", "--json", str(broken), str(SMALL)])
        findings = json.loads(capsys.readouterr().out)["findings"]

        assert code == 1
        assert {f["file"] for f in findings} == {str(broken)}
        assert set(findings[0]) == {
            "rule",
            "severity",
            "file",
            "path",
            "message",
            "cure",
        }
        first = findings[0]
        assert first["path"] == "$.functions[0].category"
        assert first["cure"] == "did you mean 'core'?"

    def test_json_of_a_fine_policy(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Without a fault, the list of findings is there and empty.
        """
        assert main(["policy", "check", "--json", str(SMALL)]) == 0
        assert json.loads(capsys.readouterr().out) == {"findings": []}

    def test_no_toml(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What is no TOML is a finding with its line and column.
        """
        file = tmp_path / "p.toml"
        file.write_text("schema = 1\n[policy\n")

        assert main(["policy", "check", str(file)]) == 1
        assert "(at line 2, column 8)" in capsys.readouterr().out

    def test_other_schema(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A document of a newer format says to upgrade, and nothing else.
        """
        file = tmp_path / "p.toml"
        file.write_text("schema = 2\nnew = true\n")

        assert main(["policy", "check", str(file)]) == 1
        out = capsys.readouterr().out
        assert "$.schema: format 2 is newer" in out
        assert "upgrade consentkit" in out

    def test_unreadable_files(
        self,
        broken: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Files that cannot be read are named on standard error; the others
        are checked all the same.
        """
        gone = tmp_path / "gone.toml"
        code = main(["policy", "check", *map(str, (gone, broken, tmp_path))])
        out, err = capsys.readouterr()

        assert code == 2
        assert out.startswith(f"{broken}: ")
        first, second = err.splitlines()
        assert first.startswith(f"consentkit: {gone}: it cannot be read")
        assert second.startswith(f"consentkit: {tmp_path}: it is a folder")

    @pytest.mark.skipif(os.name != "posix", reason="named pipes are POSIX")
    def test_pipe(self, tmp_path: Path) -> None:
        """
        A policy may come out of a pipe.
        """
        ran = subprocess.run(
            [*COMMAND, "policy", "check", "/dev/stdin"],
            input=SMALL.read_bytes(),
            capture_output=True,
            env=environment(),
            timeout=30,
            check=False,
        )

        assert ran.returncode == 0
        assert ran.stdout.startswith(b"/dev/stdin: fine; ")
