# SPDX-License-Identifier: MIT

"""
Tests for rows that speak of several data types with the same terms.
"""

from __future__ import annotations

import json
import tracemalloc

from typing import Any

import pytest

from consentkit.exceptions import PolicyError
from consentkit.policy import Policy, parse_canonical, parse_policy
from consentkit.policy.diff import compare
from consentkit.policy.lint import check_text, lint
from tests.policy.lint_support import TODAY, text_of
from tests.support import tables, to_toml


TYPES = ["imei", "mac_address", "oaid"]
ROW = {"protect": "keyed", "retention": "P7D", "source": "L7"}


def policy_of(*rows: dict[str, Any]) -> Policy:
    """
    Give the small policy, whose second function collects *rows*.
    """
    tree = tables()
    tree["functions"][1]["collects"] = list(rows)
    tree["functions"][1].pop("events", None)
    return parse_policy(to_toml(tree))


def faults_of(*rows: dict[str, Any]) -> list[str]:
    """
    Give the faults of the small policy with *rows*, as text.
    """
    with pytest.raises(PolicyError) as caught:
        policy_of(*rows)
    return [str(fault) for fault in caught.value.faults]


_FUNCTION = """
[[functions]]
id = "f{number}"
name = "Function {number}"
category = "additional"
text = "We count."
basis = ["consent"]
on_refusal = "degraded"
purposes = ["usage_statistics"]
retention = "P1D"

[[functions.collects]]
types = {types}
protect = "present"
"""


class TestSameAsOneByOne:
    """
    A row for several types says what a row for each would say.
    """

    TOGETHER = policy_of({"types": TYPES, **ROW})
    APART = policy_of(*({"type": type_, **ROW} for type_ in TYPES))

    def test_policy(self) -> None:
        """
        The two policies are equal, and so are their terms and digests.
        """
        assert self.TOGETHER == self.APART
        assert self.TOGETHER.digest == self.APART.digest
        assert self.TOGETHER.elements == self.APART.elements
        for name, function in self.TOGETHER.functions.items():
            assert function.terms == self.APART.functions[name].terms

    def test_canonical(self) -> None:
        """
        The canonical form has a row for each, and is read back.
        """
        tables_ = json.loads(self.TOGETHER.canonical)
        rows = tables_["functions"][1]["collects"]

        assert [row["type"] for row in rows] == TYPES
        assert not any("types" in row for row in rows)
        assert parse_canonical(self.TOGETHER.canonical) == self.APART

    def test_no_difference(self) -> None:
        """
        Whoever puts rows together changes nothing, and asks nobody.
        """
        assert compare(self.APART, self.TOGETHER).changes == ()
        assert compare(self.TOGETHER, self.APART).changes == ()

    def test_one_less(self) -> None:
        """
        A type that is taken out of a row is named by itself.
        """
        fewer = policy_of({"types": TYPES[1:], **ROW})

        (change,) = compare(self.TOGETHER, fewer).changes

        assert change.path == "$.functions[improve].collects[imei]"

    def test_findings(self) -> None:
        """
        The same is found in both, and said of the same types.
        """

        def found(policy: Policy) -> set[tuple[str, str]]:
            return {(f.rule, f.message) for f in lint(policy, today=TODAY)}

        assert found(self.TOGETHER) == found(self.APART)


class TestClauses:
    """
    Tests for the clauses of a function.
    """

    def test_mapping(self) -> None:
        """
        They are a mapping by data type, in the order of the document.
        """
        policy = policy_of({"types": TYPES, **ROW})
        clauses = policy.functions["improve"].clauses

        assert list(clauses) == TYPES
        assert len(clauses) == 3
        assert "imei" in clauses
        assert "imsi" not in clauses
        assert clauses["oaid"].type == "oaid"
        assert clauses["oaid"] is clauses["oaid"]
        assert clauses.get("imsi") is None
        assert repr(clauses) == "<Clauses of 3 data types>"

    def test_separate(self) -> None:
        """
        Of a row, those types are decided on by themselves that are
        sensitive, or all where it says so.
        """
        types = ["device_model", "location_precise"]
        row = {"types": types, "protect": "present", "retention": "P1D"}

        (_, *some) = policy_of(row).functions["improve"].elements
        (_, *all_) = (
            policy_of(row | {"separate": True}).functions["improve"].elements
        )

        assert "improve/location_precise" in some
        assert "improve/device_model" not in some
        assert {f"improve/{type_}" for type_ in types} <= set(all_)

    def test_large(self) -> None:
        """
        A thousand functions with a hundred types take little memory.
        """
        words = _many_types()
        text = "".join(
            _FUNCTION.format(number=i, types=words[i % 7 :] + words[: i % 7])
            for i in range(1000)
        )
        head = {k: v for k, v in tables().items() if k != "functions"}
        text = to_toml(head) + text.replace("'", '"')

        tracemalloc.start()
        try:
            policy = parse_policy(text)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert sum(len(f.clauses) for f in policy.functions.values()) == 10**5
        assert policy.functions["f999"].clauses[words[0]].type == words[0]
        assert most < 60e6


def _many_types() -> list[str]:
    from consentkit.policy import load_vocabulary

    return [
        t.id
        for t in load_vocabulary().data_types.values()
        if not t.sensitive and t.category != "clipboard"
    ][:100]


class TestFaults:
    """
    Tests for rows that are wrong: each fault has its place.
    """

    @pytest.mark.parametrize(
        ("rows", "told"),
        [
            (
                [{"types": ["imei", "imie"], **ROW}],
                "$.functions[1].collects[0].types[1]: 'imie' is no data type",
            ),
            (
                [{"type": "oaid", **ROW}, {"types": ["imei", "oaid"], **ROW}],
                "$.functions[1].collects[1].types[1]: 'oaid' stands twice",
            ),
            (
                [{"types": ["imei", "imei"], **ROW}],
                "$.functions[1].collects[0].types[1]: 'imei' stands twice",
            ),
            (
                [{"types": [], **ROW}],
                "$.functions[1].collects[0]: names no data type",
            ),
            (
                [{"type": "", **ROW}],
                "$.functions[1].collects[0]: names no data type",
            ),
            (
                [{"type": "oaid", "types": ["imei"], **ROW}],
                "$.functions[1].collects[0].type: beside 'types'",
            ),
            (
                [ROW],
                "$.functions[1].collects[0].type: missing",
            ),
            (
                [{"types": "imei", **ROW}],
                "$.functions[1].collects[0].types: expected an array",
            ),
            (
                [{"types": ["imei", 3], **ROW}],
                "$.functions[1].collects[0].types[1]: expected a string",
            ),
            (
                [{"types": ["imei", "device_model"], **ROW}],
                "$.functions[1].collects[0].protect: 'keyed' does not",
            ),
            (
                [{"types": ["oaid", "imei"], "retention": "P1D"}],
                "$.functions[1].collects[0].protect: missing",
            ),
            (
                [
                    {
                        "types": ["device_model", "location_precise"],
                        "protect": "present",
                        "separate": False,
                    }
                ],
                "$.functions[1].collects[0].separate: 'location_precise'",
            ),
            (
                [{"types": ["imei", "*"], **ROW}],
                "$.functions[1].collects[0].types[1]: '*' is no data type",
            ),
        ],
    )
    def test_place(self, rows: list[dict[str, Any]], told: str) -> None:
        """
        The place is that of the word, or of the key that all share.
        """
        assert any(fault.startswith(told) for fault in faults_of(*rows))

    def test_all_at_once(self) -> None:
        """
        A row that names no type is told with all else that is wrong in it.
        """
        faults = faults_of({**ROW, "protcet": "md5", "source": 3})

        assert [fault.split(": ")[0] for fault in faults] == [
            "$.functions[1].collects[0].source",
            "$.functions[1].collects[0].protcet",
            "$.functions[1].collects[0].type",
        ]

    def test_line_of_a_type(self) -> None:
        """
        What is found of one type of a row has the line of that type.
        """
        row = {
            "types": ["device_model", "hardware_info"],
            "protect": "present",
            "recipients": [parse_policy(text_of({})).controller.id],
        }
        text = text_of({"functions[0].collects[+]": row}).replace(
            ', "hardware_info"', ',\n"hardware_info"'
        )
        place = text[: text.index('"hardware_info"')].count("\n") + 1

        found = check_text(text, only=["type-loose"], today=TODAY).findings

        assert [(f.rule, f.line) for f in found] == [("type-loose", place)]
