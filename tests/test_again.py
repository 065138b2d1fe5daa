# SPDX-License-Identifier: MIT
"""
What the matrix runs once more: few, alone, and what fails twice fails.
"""

from __future__ import annotations

import subprocess
import sys

from pathlib import Path
from textwrap import dedent

import pytest


ROOT = Path(__file__).parents[1]


def again(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    """
    Run the tests in *text* as the matrix does.
    """
    (tmp_path / "test_it.py").write_text(dedent(text))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.again",
            tmp_path / "cache",
            "-p",
            "no:randomly",
            f"--rootdir={tmp_path}",
            f"--config-file={tmp_path / 'pytest.ini'}",
            tmp_path,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


class TestMain:
    """
    `main`: the exit code, and what is said.
    """

    def test_unsteady(self, tmp_path):
        """
        What fails once and passes by itself is named, and the run passes.
        """
        done = again(
            tmp_path,
            """
            import pathlib
            def test_first_time():
                seen = pathlib.Path(__file__).with_name("seen")
                if not seen.exists():
                    seen.touch()
                    raise AssertionError
            def test_steady():
                pass
            """,
        )

        assert done.returncode == 0, done.stdout
        assert "UNSTEADY" in done.stdout
        assert "test_it.py::test_first_time: failed among" in done.stdout

    @pytest.mark.parametrize("count", [1, 4])
    def test_fails(self, count, tmp_path):
        """
        What fails by itself fails the run; many are not run again at all.
        """
        done = again(
            tmp_path,
            f"""
            import pytest
            @pytest.mark.parametrize("n", range({count}))
            def test_never(n):
                assert False
            """,
        )

        assert done.returncode == 1
        assert "UNSTEADY" not in done.stdout
        assert ("once more" in done.stdout) is (count == 1)

    def test_passes(self, tmp_path):
        """
        Where nothing fails there is one run.
        """
        done = again(tmp_path, "def test_it(): pass")

        assert done.returncode == 0
        assert "once more" not in done.stdout
