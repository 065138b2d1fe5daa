# SPDX-License-Identifier: MIT

"""
Every obligation is shown by a test, or the reason is written down.
"""

from __future__ import annotations

import re
import subprocess
import sys

from pathlib import Path
from textwrap import dedent

import pytest

from tests.obligations.marks import ROOT, marks, marks_in
from tests.obligations.page import PAGE, outcomes_in, outcomes_of, render
from tests.obligations.promises import (
    not_yet,
    partly,
    policies,
    promises,
)


AGAIN = (
    "run: pytest -m obligation --junit-xml=report.xml && "
    "python -m tests.obligations.page report.xml"
)
SHOWN = marks()

_REFERENCE = re.compile(r"\b(?:WP|KS|XM|PR|GP)-[A-Z0-9]+-[A-Z0-9]+")


class TestRows:
    """
    Tests for ``obligations.toml``.
    """

    def test_all_are_there(self) -> None:
        """
        Each policy has as many as were found in its text.
        """
        counts = {
            code: sum(p.policy == code for p in promises().values())
            for code in policies()
        }

        assert counts == {"WP": 216, "KS": 90, "XM": 37, "PR": 22, "GP": 89}
        assert sum(counts.values()) == len(promises()) == 454

    def test_are_whole(self) -> None:
        """
        Each says what is promised, what is done for it and what shows it.
        """
        for row in promises().values():
            assert row.promise, row.id
            assert row.must, row.id
            assert row.check, row.id
            assert row.side in {"C", "B", "C+B", "P"}, row.id
            assert (row.side == "P") is (row.kind == "document"), row.id

    def test_refer_to_each_other(self) -> None:
        """
        What one says of another can be looked up.
        """
        for row in promises().values():
            text = f"{row.promise} {row.must} {row.check}"
            for other in _REFERENCE.findall(text):
                assert other in promises(), row.id


class TestCoverage:
    """
    Tests for the markers, and for ``not_yet.toml``.
    """

    def test_markers_name_what_there_is(self) -> None:
        """
        No marker names an obligation that does not exist.
        """
        assert set(SHOWN) <= set(promises())

    def test_each_is_shown_or_explained(self) -> None:
        """
        Each is named by a test or has its reason why not yet, never both.
        """
        open_ones = set(promises()) - set(SHOWN) - set(not_yet())
        both = set(SHOWN) & set(not_yet())

        assert not open_ones, "no test names them, and no reason is given"
        assert not both, "take them out of [[not_yet]]"

    def test_reasons_are_of_obligations(self) -> None:
        """
        What is not shown exists, and has a reason in words.
        """
        assert set(not_yet()) <= set(promises())
        for reason in {*not_yet().values(), *partly().values()}:
            assert len(reason.split()) > 2, reason
            assert "|" not in reason, reason

    def test_what_is_shown_in_part_is_named(self) -> None:
        """
        What is missing is said only of what a test names.
        """
        assert set(partly()) <= set(SHOWN)


class TestPage:
    """
    Tests for ``docs/obligations.md``.
    """

    def test_is_as_the_tests_are(self) -> None:
        """
        It has these obligations, tests and reasons, and no others.
        """
        page = PAGE.read_text("utf-8")

        assert page == render(outcomes_in(page)), AGAIN

    def test_all_have_run(self) -> None:
        """
        Each test on it ran, and none failed.
        """
        outcomes = outcomes_in(PAGE.read_text("utf-8"))
        named = {(i, place) for i, places in SHOWN.items() for place in places}

        assert named <= set(outcomes), AGAIN
        assert set(outcomes.values()) == {"passed"}, AGAIN

    def test_outcome_is_read_back(self) -> None:
        """
        Where a test failed, its row is open and the page says which.
        """
        (place, *_) = SHOWN["WP-ADD-3"]

        page = render({("WP-ADD-3", place): "failed"})
        (row,) = (r for r in page.splitlines() if r.startswith("| `WP-ADD-3`"))

        assert "**open**" in row
        assert outcomes_in(page) == {("WP-ADD-3", place): "failed"}


class TestMarks:
    """
    Tests for `marks_in()`.
    """

    def _found(self, text: str) -> list[tuple[str, str]]:
        return sorted(marks_in(dedent(text), "tests/test_a.py"))

    def test_places(self) -> None:
        """
        A marker holds for its test, and that of a class for each in it.
        """
        found = self._found(
            """
            @pytest.mark.obligation("WP-ADD-1", "WP-ADD-2")
            def test_a(): ...

            @pytest.mark.obligation("WP-ADD-3")
            class TestB:
                def helper(self): ...

                def test_c(self): ...

                @pytest.mark.obligation("WP-ADD-4")
                def test_d(self): ...
            """
        )

        assert found == [
            ("WP-ADD-1", "tests/test_a.py::test_a"),
            ("WP-ADD-2", "tests/test_a.py::test_a"),
            ("WP-ADD-3", "tests/test_a.py::TestB::test_c"),
            ("WP-ADD-3", "tests/test_a.py::TestB::test_d"),
            ("WP-ADD-4", "tests/test_a.py::TestB::test_d"),
        ]

    def test_parameters(self) -> None:
        """
        The marker of a parameter is its test's.
        """
        found = self._found(
            """
            @pytest.mark.parametrize(
                "a", [pytest.param(1, marks=pytest.mark.obligation("WP-A-1"))]
            )
            def test_a(a): ...
            """
        )

        assert found == [("WP-A-1", "tests/test_a.py::test_a")]

    @pytest.mark.parametrize(
        "text",
        [
            "pytestmark = pytest.mark.obligation('WP-ADD-1')",
            "@pytest.mark.obligation('WP-ADD-1')\ndef helper(): ...",
            "@pytest.mark.obligation('WP-ADD-1')\nclass TestA(Suite): ...",
        ],
    )
    def test_on_no_test(self, text: str) -> None:
        """
        A marker that stands on no test is refused, with its line.
        """
        with pytest.raises(ValueError, match=r"tests/test_a\.py:1: marks no"):
            self._found(text)

    def test_not_written_out(self) -> None:
        """
        A marker whose ids are in a variable is refused, with its line.
        """
        with pytest.raises(ValueError, match="must be written out"):
            self._found("@pytest.mark.obligation(*IDS)\ndef test_a(): ...")


class TestRun:
    """
    Tests for what pytest does with the marker.
    """

    def _run(self, folder: Path, text: str) -> subprocess.CompletedProcess:
        path = folder / "test_it.py"
        path.write_text(f"import pytest\n{dedent(text)}", "utf-8")
        command = [
            "-m",
            "pytest",
            "-p",
            "tests.conftest",
            "-p",
            "no:cacheprovider",
            "-q",
        ]
        options = [
            f"--config-file={ROOT / 'pyproject.toml'}",
            f"--junit-xml={folder / 'report.xml'}",
        ]
        return subprocess.run(
            [sys.executable, *command, *options, str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    @pytest.mark.parametrize(
        ("ids", "fault"),
        [
            ("'WP-NO-1'", "there is no obligation 'WP-NO-1'"),
            ("", "the marker obligation names none"),
        ],
    )
    def test_fault(self, tmp_path: Path, ids: str, fault: str) -> None:
        """
        A marker that names no obligation fails its test, in one line.
        """
        done = self._run(
            tmp_path, f"@pytest.mark.obligation({ids})\ndef test_a(): ..."
        )

        assert done.returncode == pytest.ExitCode.TESTS_FAILED
        assert "ERROR at setup of test_a" in done.stdout
        assert f"\n{fault}\n" in done.stdout
        assert "Traceback" not in done.stdout

    def test_outcomes(self, tmp_path: Path) -> None:
        """
        One failure of a test's runs is what it came to; a parameter's marker
        is about its own runs; a test that is inherited keeps its place.
        """
        done = self._run(
            tmp_path,
            """
            class Suite:
                @pytest.mark.obligation("WP-ADD-1")
                def test_a(self):
                    assert self.right

            class TestA(Suite):
                right = True

            class TestB(Suite):
                right = False

            @pytest.mark.obligation("WP-ADD-2")
            @pytest.mark.parametrize("right", [
                pytest.param(1, marks=pytest.mark.obligation("WP-ADD-3")), 0
            ])
            def test_b(right):
                assert right

            @pytest.mark.obligation("WP-ADD-4")
            def test_c():
                pytest.skip("has no need to")
            """,
        )

        assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
        found = outcomes_of([tmp_path / "report.xml"])
        assert {
            (promise, place.partition("test_it.py::")[2]): outcome
            for (promise, place), outcome in found.items()
        } == {
            ("WP-ADD-1", "Suite::test_a"): "failed",
            ("WP-ADD-2", "test_b"): "failed",
            ("WP-ADD-3", "test_b"): "passed",
            ("WP-ADD-4", "test_c"): "skipped",
        }
