# SPDX-License-Identifier: MIT

"""
Tests that no pattern says what old Pythons get wrong.
"""

from __future__ import annotations

import ast
import re

from collections.abc import Iterator
from pathlib import Path

import pytest

import consentkit

from consentkit.anonymise._hidden import HIDDEN
from consentkit.anonymise.intents import INTENTS
from consentkit.anonymise.scrub import RULES


SOURCE = Path(consentkit.__file__).parent

#: After escapes and sets are gone: a group that is repeated possessively, or
#: an atomic one.
_GOES_WRONG = re.compile(r"\)(?:[*?+]|\{[0-9]*,?[0-9]*\})\+|\(\?>")
_NO_GROUP = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)


def strings_of(file: Path) -> Iterator[str]:
    """
    Give each string of a module that is no docstring; f-strings as one, with
    a group for each thing that they put in.
    """
    tree = ast.parse(file.read_text("utf-8"))
    parts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(it) for it in ast.walk(node)} - {id(node)}
            yield "".join(
                str(it.value) if isinstance(it, ast.Constant) else "(X)"
                for it in node.values
            )
        if isinstance(node, ast.Expr):
            parts.add(id(node.value))
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in parts
        ):
            yield node.value


def goes_wrong(pattern: str) -> bool:
    """
    Tell whether *pattern* repeats a group possessively, or has an atomic one.
    """
    return _GOES_WRONG.search(_NO_GROUP.sub("x", pattern)) is not None


FILES = sorted(
    it.relative_to(SOURCE).as_posix() for it in SOURCE.rglob("*.py")
)


class TestPossessiveGroups:
    """
    CPython 3.11.0 to 3.11.4 match these wrongly.

    Source:
        https://github.com/python/cpython/issues/106052
    """

    @pytest.mark.parametrize("file", FILES)
    def test_no_module_has_one(self, file: str) -> None:
        """
        No string of the library is a pattern with such a group.
        """
        found = [it for it in strings_of(SOURCE / file) if goes_wrong(it)]

        assert not found

    @pytest.mark.parametrize(
        "pattern",
        [
            *(rule.pattern for rule in RULES),
            *(rule.quick for rule in RULES),
            *(intent.pattern for intent in INTENTS.values()),
            *(intent.form for intent in INTENTS.values()),
            HIDDEN.pattern,
        ],
    )
    def test_no_whole_pattern_has_one(self, pattern: str) -> None:
        """
        Nor does one appear where patterns are put together.
        """
        assert not goes_wrong(pattern)

    @pytest.mark.parametrize(
        ("pattern", "is_wrong"),
        [
            ("(?:ab?c)*+", True),
            ("(a){0,3}+b", True),
            ("(a)++", True),
            ("(a)?+", True),
            ("a(?>bc|b)c", True),
            (r"[()]*+\)*+x{2,3}+a++", False),
            (r"(?:a{2}+)*[]a)]++(b)+", False),
        ],
    )
    def test_scan_tells_groups_from_sets(
        self, pattern: str, *, is_wrong: bool
    ) -> None:
        """
        The scan sees what it is there for.
        """
        assert goes_wrong(pattern) == is_wrong
