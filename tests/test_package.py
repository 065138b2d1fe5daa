# SPDX-License-Identifier: MIT

"""
Tests for the package as a whole: what its metadata and files promise.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

from importlib import metadata
from pathlib import Path

import consentkit


ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads(
    (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
)["project"]


class TestMetadata:
    """
    Tests for what installers read.
    """

    def test_version_is_that_of_the_metadata(self) -> None:
        """
        `__version__` is the version that was installed and declared.
        """
        assert consentkit.__version__ == metadata.version("consentkit")
        assert consentkit.__version__ == PROJECT["version"]

    def test_module_runs_as_a_program(self) -> None:
        """
        `python -m consentkit --version` prints name and version.
        """
        ran = subprocess.run(
            [sys.executable, "-m", "consentkit", "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

        assert ran.stdout.split() == ["consentkit", PROJECT["version"]]

    def test_entry_points_load(self) -> None:
        """
        Each transport that the metadata names can be loaded.
        """
        found = metadata.entry_points(group="consentkit.transports")
        ours = [one for one in found if one.value.startswith("consentkit.")]

        assert {one.name for one in ours} >= {"file", "https", "memory"}
        assert all(isinstance(one.load(), type) for one in ours)

    def test_core_requirements_are_few(self) -> None:
        """
        A host that installs the core gets five packages, never a cap.
        """
        names = {_name(one) for one in PROJECT["dependencies"]}

        assert names == {
            "attrs",
            "cattrs",
            "cryptography",
            "httpx",
            "platformdirs",
        }
        assert not [one for one in _requirements() if "<" in one]

    def test_lowest_versions_are_the_declared_bounds(self) -> None:
        """
        The env of lowest versions installs exactly the declared bounds.
        """
        pins = {
            line.replace("==", ">=")
            for line in (ROOT / "tests" / "lowest.txt")
            .read_text(encoding="utf-8")
            .splitlines()
            if "==" in line
        }

        # A bound may be of one platform alone.
        bounds = {one.partition(";")[0].strip() for one in _requirements()}
        assert pins == bounds


class TestFiles:
    """
    Tests for the files that are installed.
    """

    def test_is_marked_as_typed(self) -> None:
        """
        Type checkers find the marker in the installed package.
        """
        assert consentkit.__file__ is not None
        assert (Path(consentkit.__file__).parent / "py.typed").is_file()


def _requirements() -> list[str]:
    """
    Return each requirement that names a version, of the core and extras.
    """
    extras = PROJECT["optional-dependencies"].values()
    every = [*PROJECT["dependencies"], *(one for e in extras for one in e)]
    # An extra of an extra has no place in a pin.
    named = [one for one in every if not one.startswith("consentkit[")]
    return [re.sub(r"\[.*\]", "", one) for one in named]


def _name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    assert match is not None
    return match[0]
