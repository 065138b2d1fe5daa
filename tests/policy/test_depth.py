# SPDX-License-Identifier: MIT

"""
Tests for how deep the names of a TOML document may go.
"""

from __future__ import annotations

import tomllib

import pytest

from consentkit.exceptions import PolicyError
from consentkit.policy import parse_policy
from consentkit.policy._depth import check_depth


PARTS = ["a", "b-1", '"c"', '"d\\".e"', "'f'", '""']


def _name(parts: int, between: str = ".") -> str:
    return between.join(PARTS[i % len(PARTS)] for i in range(parts))


class TestCheckDepth:
    """
    Tests for `check_depth()`.
    """

    @pytest.mark.parametrize("form", ["{} = 1", "[{}]", " [[ {} ]]", "\t{}=1"])
    @pytest.mark.parametrize("between", [".", " . ", "\t."])
    def test_too_deep(self, form: str, between: str) -> None:
        """
        A key or a header with too many parts, however they are written.
        """
        text = "[x]\n" + form.format(_name(33, between)) + "\ny = 1\n"
        tomllib.loads(text)  # nothing else is wrong with it

        with pytest.raises(RecursionError, match="more than 32 parts"):
            check_depth(text)

    @pytest.mark.parametrize(
        "text",
        [
            f"{_name(32)} = 1",
            "x = '" + "a." * 99 + "'",
            "x = '''\n" + "a lot. of dots. " * 99 + "'''",
            "# " + "." * 99,
            "x = [\n" + '  "a.b",\n' * 99 + "]",
            '"' + "\\" * 3_999 + ". " * 40,
        ],
    )
    def test_deep_enough(self, text: str) -> None:
        """
        What is no such name passes.
        """
        check_depth(text)

    def test_policy(self) -> None:
        """
        A policy document with such a name has one clear fault.
        """
        with pytest.raises(PolicyError, match="nested"):
            parse_policy(f"{_name(20_000)} = 1")
