# SPDX-License-Identifier: MIT

"""
Tests for finding the line of a place in a TOML document.
"""

from __future__ import annotations

import tomllib

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.policy.lint import line_of, locate
from tests.support import to_toml


ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("examples/*/policy.toml"),
        *ROOT.glob("tests/vectors/policies/*.toml"),
    ]
)

TEXT = '''\
# A comment with [brackets] and a = sign.
schema = 1 # another
title = "a # that is none, and \\"quotes\\""

[policy]
id = "p"
text = """
[not.a.table]
key = "value"
"""
'quoted key' = 1
a.b.c = true

[[functions]]
id = "one"
basis = [
  "consent", # with a comment, and a comma
  # a line of it
  "contract",
]
protect = { name = "grid", cell_km = 2.0 }

[[functions.collects]]
type = "imei"

[[functions.collects]]
type = "oaid"

[functions.self_start]
per_day = 1

[[functions]]
id = "two"

[[functions.collects]]
type = "\'\'\'"
literal = \'\'\'
[[no]]\'\'\'
dates = [2026-01-01, 2026-01-02]
nested = [[1, 2], [3, { a = 4 }]]
'''


class TestLocate:
    """
    Tests for `locate`.
    """

    @pytest.mark.parametrize(
        ("place", "line"),
        [
            ("$", 1),
            ("$.schema", 2),
            ("$.title", 3),
            ("$.policy", 5),
            ("$.policy.id", 6),
            ("$.policy.text", 7),
            ("$.policy.quoted key", 11),
            ("$.policy.a.b.c", 12),
            ("$.functions", 14),
            ("$.functions[0]", 14),
            ("$.functions[0].id", 15),
            ("$.functions[0].basis", 16),
            ("$.functions[0].basis[0]", 17),
            ("$.functions[0].basis[1]", 19),
            ("$.functions[0].protect.cell_km", 21),
            ("$.functions[0].collects[0].type", 24),
            ("$.functions[0].collects[1]", 26),
            ("$.functions[0].collects[1].type", 27),
            ("$.functions[0].self_start.per_day", 30),
            ("$.functions[1].id", 33),
            ("$.functions[1].collects[0].type", 36),
            ("$.functions[1].collects[0].literal", 37),
            ("$.functions[1].collects[0].dates[1]", 39),
            ("$.functions[1].collects[0].nested[1][1].a", 40),
        ],
    )
    def test_line(self, place: str, line: int) -> None:
        """
        Each table, key and item has the line on which it begins.
        """
        assert locate(TEXT)[place] == line

    def test_no_other_places(self) -> None:
        """
        What only looks like a table, in a text or a comment, is none.
        """
        assert set(locate(TEXT)) == set(_places(tomllib.loads(TEXT)))

    def test_windows_line_ends(self) -> None:
        """
        Line ends of Windows count once.
        """
        assert locate(TEXT.replace("\n", "\r\n")) == locate(TEXT)

    @pytest.mark.parametrize(
        "path", DOCUMENTS, ids=lambda p: f"{p.parent.name}/{p.name}"
    )
    def test_documents(self, path: Path) -> None:
        """
        Of a real document every place is found, where its words stand.
        """
        text = path.read_text("utf-8")
        found = locate(text)
        lines = text.splitlines()

        places = dict(_leaves(tomllib.loads(text)))
        assert set(_places(tomllib.loads(text))) == set(found)
        for place, value in places.items():
            if isinstance(value, str) and value.isalnum():
                assert value in lines[found[place] - 1], place

    @given(
        st.recursive(
            st.booleans() | st.integers(0, 9) | st.text(max_size=6),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.text("ab c.", max_size=3), inner, max_size=3
                )
            ),
            max_leaves=12,
        )
    )
    def test_any(self, value: Any) -> None:
        """
        Whatever is nested in whatever, each place is found once.
        """
        text = to_toml({"x": value, "y": [value]})

        assert set(locate(text)) == set(_places(tomllib.loads(text)))

    @given(st.text())
    def test_no_toml(self, text: str) -> None:
        """
        A text that is no TOML is walked to its end, without an error.
        """
        assert locate(text)["$"] == 1


class TestTooDeep:
    """
    Tests for a text that is nested too deeply to be walked through.
    """

    def test_keeps_what_comes_before(self) -> None:
        """
        What stands before it has its line.
        """
        deep = "[" * 5000 + "]" * 5000

        lines = locate(f"\nschema = 1\na = {deep}\n")

        assert lines["$.schema"] == 2


class TestLineOf:
    """
    Tests for `line_of`.
    """

    def test_nearest_table(self) -> None:
        """
        A key that is missing is at the table that it is missing from.
        """
        lines = locate(TEXT)

        assert line_of("$.functions[1].text", lines) == 32
        assert line_of("$.functions[0].basis[7]", lines) == 16

    def test_nothing_around(self) -> None:
        """
        A table that is missing as a whole has no line.
        """
        assert line_of("$.minors.rule", locate(TEXT)) is None


def _places(value: Any, place: str = "$") -> Iterator[str]:
    yield place
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _places(inner, f"{place}[{i}]")


def _leaves(value: Any, place: str = "$") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _leaves(inner, f"{place}[{i}]")
    else:
        yield place, value
