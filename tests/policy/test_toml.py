# SPDX-License-Identifier: MIT

"""
Tests for how the text of a document is read: as TOML has it, however it is
spelt.
"""

from __future__ import annotations

import tomllib

from typing import Any

import pytest

from hypothesis import example, given, settings
from hypothesis import strategies as st

from consentkit.exceptions import PolicyError
from consentkit.policy import parse_policy
from consentkit.policy._toml import parse_toml
from tests.support import tables, to_toml


def lists_of(text: str) -> tuple[str, ...]:
    """
    Give what the document's list of exclusions is read as.
    """
    scope = parse_policy(_with_scope(text)).document.scope
    assert scope is not None
    return scope.excludes


def _with_scope(text: str) -> str:
    return f'{to_toml(tables())}\n[scope]\ncovers = "all"\n{text}\n'


def _spelt(words: list[str], gap: str, end: str) -> str:
    listed = f",{gap}".join(to_toml({"": w})[5:-1] for w in words)
    return f"excludes = [{gap}{listed}{end}]"


class TestLists:
    """
    Tests for lists of strings.
    """

    @given(
        words=st.lists(
            st.text(
                st.characters(exclude_categories=["Cs"], max_codepoint=0x2FF)
            ),
            max_size=5,
        ),
        gap=st.sampled_from(["", " ", "\n", "\n  ", "\t", " # so\n"]),
        end=st.sampled_from(["", " ", "\n"]),
        comma=st.booleans(),
        rest=st.sampled_from(["", "  ", " # a word"]),
    )
    @example(
        words=['"', "\\", "]", "# no", ", "],
        gap=" ",
        end="",
        comma=False,
        rest="",
    )
    def test_any(
        self, words: list[str], gap: str, end: str, *, comma: bool, rest: str
    ) -> None:
        """
        Every spelling of a list gives its strings.
        """
        last = "," * bool(comma and words) + end
        text = _spelt(words, gap, last) + rest

        assert lists_of(text) == tuple(words)

    @pytest.mark.parametrize(
        "text",
        [
            "excludes = ['a', 'b']",
            "excludes = [\"a\", 'b']",
            'excludes = ["a",\r\n"b"]\r',
            '"excludes" = ["a", "b"]',
            'excludes = ["a", """b"""]',
            'excludes\t=\t["a",\t"b"]',
            'excludes = ["\\u0061", "b"]',
        ],
    )
    def test_other_spellings(self, text: str) -> None:
        """
        So do the spellings that are rare.
        """
        assert lists_of(text) == ("a", "b")

    def test_many_that_are_equal(self) -> None:
        """
        Lists with the same words are not confused with others.
        """
        tree = tables()
        policy = parse_policy(to_toml(tree))
        text = "".join(
            f'[[sharing]]\nmode = "shared"\nrecipients = ["{i % 3}"]\n'
            f'conditions = ["{i % 2}"]\n'
            for i in range(20)
        )

        rows = parse_policy(to_toml(tree) + text).document.sharing

        assert policy.document.sharing == ()
        assert [row.recipients for row in rows] == [
            (str(i % 3),) for i in range(20)
        ]
        assert [row.conditions for row in rows] == [
            (str(i % 2),) for i in range(20)
        ]

    def test_within_a_text(self) -> None:
        """
        What looks like a list in a text of several lines is text.
        """
        inside = 'We collect:\nexcludes = ["a", "b"]\n'
        text = f'excludes = ["c"]\nsource = """{inside}"""'

        scope = parse_policy(_with_scope(text)).document.scope

        assert scope is not None
        assert scope.source == inside
        assert scope.excludes == ("c",)

    def test_numbers(self) -> None:
        """
        Numbers beside lists are numbers, in whatever form.
        """
        for form in ("10.0", "1.0e1", "0.01e3", "1e1", "10"):
            text = to_toml(tables()).replace(
                '"cell_km" = 2.0', f'"cell_km" = {form}'
            )
            assert form in text
            policy = parse_policy(f'{text}unspecified = ["a"]\n')
            clause = policy.functions["connect"].clauses["location_precise"]
            assert clause.protection.cell_km == 10

    @pytest.mark.parametrize("number", ["0.0e0", "0.0e1", "-0.0e0", "1e400"])
    def test_number_for_a_list(self, number: str) -> None:
        """
        A number where a list is due is a fault, whatever number it is.
        """
        with pytest.raises(PolicyError) as caught:
            lists_of(f'excludes = {number}\n[security]\nmeasures = ["a"]')

        (fault,) = caught.value.faults
        assert fault.path == "$.scope.excludes"
        assert fault.problem.startswith("expected an array")


class TestFaults:
    """
    Tests for texts that are no TOML.
    """

    @pytest.mark.parametrize(
        "text",
        [
            'excludes = ["a", "b"] "c"',
            'excludes = ["a" "b"]',
            'excludes = ["a",, "b"]',
            'excludes = [, "b"]',
            'excludes = ["a\tb", "c\x01"]',
            'excludes = ["a", "b"]\nexcludes = ["c"]',
            'excludes = ["a", "b"]\n[scope.excludes]\na = 1',
            'excludes = ["a", "b"]\n[[scope.excludes]]\na = 1',
            'excludes = ["a", "b"]\nexcludes.a = 1',
            'excludes = [\nexcludes = ["a"]\n]',
            'excludes = ["a", "b"]\nsource = "x',
            'excludes = ["a", "b"',
        ],
    )
    def test_same_as_the_parser(self, text: str) -> None:
        """
        The fault is told in the parser's words, with its line and column.
        """
        whole = _with_scope(text)
        with pytest.raises(tomllib.TOMLDecodeError) as expected:
            tomllib.loads(whole)
        with pytest.raises(PolicyError) as caught:
            parse_policy(whole)

        (fault,) = caught.value.faults
        assert fault.problem == f"not TOML: {expected.value}"


def test_long_lists_in_vain() -> None:
    """
    A list that never ends is found out in a time that grows with it alone.
    """
    items = '"a", ' * 200_000
    text: Any = f"excludes = [{items}"

    with pytest.raises(PolicyError):
        lists_of(text)


_PIECES = st.sampled_from(
    [
        'a = "x"',
        'b = "x"  ',
        '  a="#"',
        'a = ["x", "y"]',
        'b = [\n  "x",\n  "y",\n]',
        "c = []",
        "c = [1, 2]",
        "c = [ # so\n1]",
        "a = 3",
        "b = 2026-01-01",
        "c = 0.0e0",
        'a = { b = "x", c = ["y"] }',
        "a = [{ b = 1 }]",
        'a.b = "x"',
        '"a" = "x"',
        "a = 'x'",
        'a = "\\n"',
        'a = """\n[b]\nc = ["x"]\n"""',
        "a = '''x''' # so",
        'a = ""',
        'a = "x',
        'a = "x" "y"',
        "a = yes",
        "a =",
        "a",
        "= 1",
        "a = 9999999999999999999999",
        "[a]",
        "[b]",
        "[a.b]",
        "[a.b.c]",
        "[[a]]",
        "[[b]]",
        "[[a.b]]",
        "[[a.b.c]]",
        "[ a ]",
        '["a"]',
        "[a] # so",
        "[[a]",
        "[a]]",
        "[]",
        "# so",
        "#\x01",
        "  ",
        "\t",
        "]",
        "\ufeff",
    ]
)


@given(
    pieces=st.lists(_PIECES, max_size=9), end=st.sampled_from(["\n", "\r\n"])
)
@example(pieces=["a = { b = 1 }", "[a.c]"], end="\n")
@example(pieces=["a = [{ b = 1 }]", "[[a]]"], end="\n")
@example(pieces=["[[a]]", "[a.b]", "[[a]]", "[a.b]", "a = 1"], end="\n")
@example(pieces=["[a.b]", "[a]", "c = []"], end="\n")
@example(pieces=["[a]", "[a]"], end="\n")
@example(pieces=["a = []", "[[a]]"], end="\n")
@settings(max_examples=500)
def test_same_as_the_parser(pieces: list[str], end: str) -> None:
    """
    Of any text the same is said as by Python's own parser.
    """
    text = end.join(pieces)
    try:
        expected: object = tomllib.loads(text)
    except ValueError as error:
        expected = str(error)
    try:
        found: object = parse_toml(text)
    except ValueError as error:
        found = str(error)

    assert _listed(found) == _listed(expected)


def _listed(value: object) -> object:
    match value:
        case dict():
            return {key: _listed(item) for key, item in value.items()}
        case list() | tuple():
            return [_listed(item) for item in value]
    return value
