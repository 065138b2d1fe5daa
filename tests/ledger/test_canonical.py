# SPDX-License-Identifier: MIT

"""
Tests for canonical JSON, against the vectors of RFC 8785.
"""

from __future__ import annotations

import json

from pathlib import Path

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.ledger.canonical import canonical_json, parse_canonical


VECTORS = Path(__file__).parents[1] / "vectors" / "crypto" / "jcs"
NAMES = sorted(path.name for path in (VECTORS / "input").iterdir())

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
KEYS = st.text(st.characters(max_codepoint=127), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=20,
)


def is_in_profile(value: object) -> bool:
    """
    Tell whether the ledger's own rule takes *value*.
    """
    match value:
        case float():
            return False
        case dict():
            return all(
                key.isascii() and is_in_profile(item)
                for key, item in value.items()
            )
        case list():
            return all(map(is_in_profile, value))
        case _:
            return True


class TestVectors:
    """
    Tests with the published vectors.
    """

    @pytest.mark.parametrize("name", NAMES)
    def test_vector(self, name: str) -> None:
        """
        Each vector in the profile gives exactly the published bytes, and
        each other one is refused.
        """
        value = json.loads((VECTORS / "input" / name).read_bytes())
        expected = (VECTORS / "output" / name).read_bytes()

        if is_in_profile(value):
            assert canonical_json(value).encode() == expected
            assert parse_canonical(expected.decode()) == value
        else:
            with pytest.raises(ValueError):
                canonical_json(value)

    def test_both_kinds_are_among_them(self) -> None:
        """
        Some vectors are in the profile and some are not.
        """
        found = [
            is_in_profile(json.loads((VECTORS / "input" / name).read_bytes()))
            for name in NAMES
        ]

        assert (found.count(True), found.count(False)) == (2, 4)


class TestWrite:
    """
    Tests for `canonical_json`.
    """

    @given(VALUES)
    def test_round_trip(self, value: object) -> None:
        """
        What is written is read back as it was, in one spelling.
        """
        text = canonical_json(value)

        assert parse_canonical(text) == value
        assert canonical_json(json.loads(text)) == text

    @pytest.mark.parametrize(
        ("value", "place"),
        [
            (1.0, "$"),
            ({"a": [1, 2.5]}, "$.a[1]"),
            (float("nan"), "$"),
            (2**53, "$"),
            ({"n": -(2**53)}, "$.n"),
            ("\ud800", "$"),
            ({"é": 1}, "$"),
            ({1: 1}, "$"),
            ([object()], "$[0]"),
            (b"x", "$"),
        ],
    )
    def test_outside_the_profile(self, value: object, place: str) -> None:
        """
        What the profile does not have is refused, with its place.
        """
        with pytest.raises(ValueError) as caught:
            canonical_json(value)
        assert str(caught.value).startswith(f"{place}: ")

    def test_names_no_value(self) -> None:
        """
        The error does not hold the value that was refused.
        """
        with pytest.raises(ValueError) as caught:
            canonical_json({"secret": {"4111111111111111": 2**60}})
        assert str(2**60) not in str(caught.value)

    def test_bottomless(self) -> None:
        """
        A value that holds itself is refused, not followed for ever.
        """
        value: list[object] = []
        value.append(value)

        with pytest.raises(ValueError, match="nested too deeply"):
            canonical_json(value)


class TestRead:
    """
    Tests for `parse_canonical`.
    """

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            '{"b":1,"a":2}',
            '{"a":1,"a":1}',
            '{"a": 1}',
            "1.0",
            "1e3",
            "-0",
            "NaN",
            '"\\u0041"',
            '"\\/"',
            '"\\ud800"',
            "[" * 100_000,
            "[" * 40 + "]" * 40,
            "9" * 5_000,
            " 1",
            "1\n",
        ],
        ids=range(17),
    )
    def test_other_spelling(self, text: str) -> None:
        """
        Any other spelling is a ValueError and nothing else.
        """
        with pytest.raises(ValueError) as caught:
            parse_canonical(text)
        assert type(caught.value) is ValueError
