# SPDX-License-Identifier: MIT

"""
Tests for explanations of decisions.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from consentkit.consent.entries import Act
from consentkit.consent.state import State, fold
from consentkit.gate import Gate, OSPermission, Permit
from consentkit.why import Condition, Explanation, explain
from tests.support import acts, make_kit, small


POLICY = small()
PLACE = "connect/location_precise"

HEADLINE = (
    "connect/location_precise: permitted for wifi_connection, to maker, "
    "by entry 2 of 2026-11-20 12:02 on policy version 1"
)
CLAUSE = "for wifi_connection; protected by grid; kept P1D"
BY = "granted by app at 2026-11-20 12:0{0}:00 UTC, entry {0}, on version 1"


def why(
    gate: Gate,
    function: str,
    data_type: str | None = None,
    recipient: str | None = None,
    os_permission: OSPermission = OSPermission.GRANTED,
) -> Explanation:
    """
    Explain what *gate* decides.
    """
    return explain(
        gate,
        function,
        data_type,
        recipient=recipient,
        os_permission=os_permission,
    )


def granted(*elements: str) -> Gate:
    """
    Compile the gate for a person who granted *elements*.
    """
    entries = acts(POLICY, *((e, Act.GRANTED) for e in elements))
    return Gate(policy=POLICY, state=fold(entries, POLICY))


class TestExplain:
    """
    Tests for `explain`.
    """

    def test_of_a_permit_names_clause_and_entry(self) -> None:
        """
        The text of a yes has every condition, the clause and the entry.
        """
        text = str(
            why(granted("connect", PLACE), "connect", "location_precise")
        )

        assert text.splitlines() == [
            HEADLINE,
            " yes  the ledger can be read",
            " yes  the policy declares the function: small 1",
            f" yes  the policy lists location_precise: {CLAUSE}",
            f" yes  the person granted the function: {BY.format(1)}",
            f" yes  the person granted location_precise: {BY.format(2)}",
            " yes  the operating system allows it: location, granted",
        ]

    @pytest.mark.parametrize(
        ("gate", "asked", "name"),
        [
            (
                granted(),
                {"function": "nothing", "data_type": "imei"},
                "the policy declares the function",
            ),
            (
                granted("improve"),
                {"function": "improve", "data_type": "bssid"},
                "the policy lists bssid",
            ),
            (
                granted("improve"),
                {
                    "function": "improve",
                    "data_type": "imei",
                    "recipient": "umeng",
                },
                "the policy lists umeng as its recipient",
            ),
            (
                granted(),
                {"function": "improve", "data_type": "imei"},
                "the person granted the function",
            ),
            (
                granted("connect"),
                {"function": "connect", "data_type": "location_precise"},
                "the person granted location_precise",
            ),
            (
                granted("improve"),
                {
                    "function": "improve",
                    "data_type": "imei",
                    "os_permission": OSPermission.DENIED,
                },
                "the operating system allows it",
            ),
            (
                Gate(policy=POLICY, state=State.unreadable(POLICY, "torn")),
                {"function": "improve", "data_type": "imei"},
                "the ledger can be read",
            ),
        ],
        ids=[
            "function",
            "type",
            "recipient",
            "grant",
            "separate",
            "permission",
            "ledger",
        ],
    )
    def test_of_a_refusal_names_what_failed(
        self, gate: Gate, asked: dict, name: str
    ) -> None:
        """
        The first condition that fails is the one that the gate named.
        """
        explained = why(gate, **asked)

        assert not explained.permitted
        failed = [c.name for c in explained.conditions if c.holds is False]
        assert failed[0] == name
        assert ": refused, " in explained.headline

    def test_of_a_function_as_a_whole(self) -> None:
        """
        Without a data type the function's own decision is explained.
        """
        yes, no = (why(g, "umeng") for g in (granted("umeng"), granted()))

        assert yes.permitted
        assert yes.headline == "umeng: permitted"
        assert not no.permitted
        assert "has not been asked" in no.headline

    def test_shows_what_could_not_be_asked(self) -> None:
        """
        A condition behind a failed one is neither yes nor no.
        """
        explained = why(granted(), "nothing", "imei", "maker")

        assert [c.holds for c in explained.conditions] == [
            True,
            False,
            False,
            None,
            None,
        ]
        assert str(explained.conditions[-1]) == (
            "   -  the person granted the function"
        )

    def test_condition_reads_as_a_line(self) -> None:
        """
        A condition that fails stands out.
        """
        assert str(Condition(name="it is so", holds=False, detail="no")) == (
            "  NO  it is so: no"
        )

    @settings(deadline=None)
    @given(
        st.lists(
            st.tuples(st.sampled_from(POLICY.elements), st.sampled_from(Act)),
            max_size=8,
        ),
        st.sampled_from([*POLICY.functions, "nothing"]),
        st.sampled_from(
            [None, "imei", "location_precise", "service_log", "nothing"]
        ),
        st.sampled_from([None, "maker", "helper", "nobody"]),
        st.sampled_from(OSPermission),
    )
    def test_agrees_with_the_gate(
        self,
        life: list[tuple[str, Act]],
        function: str,
        data_type: str | None,
        recipient: str | None,
        os_permission: OSPermission,
    ) -> None:
        """
        Permitted is what the gate permits, and then every condition holds;
        refused is what has a condition that does not.
        """
        entries = acts(POLICY, *life)
        gate = Gate(policy=POLICY, state=fold(entries, POLICY))

        explained = why(gate, function, data_type, recipient, os_permission)

        holds = all(c.holds is True for c in explained.conditions)
        assert explained.permitted is holds
        if data_type is not None:
            decision = gate.decide(
                function,
                data_type,
                recipient=recipient,
                os_permission=os_permission,
            )
            assert explained.permitted is isinstance(decision, Permit)
            assert explained.headline == str(decision)


class TestKitWhy:
    """
    Tests for `Kit.why`.
    """

    def test_asks_the_operating_system(self, tmp_path: Path) -> None:
        """
        The explanation shows what the system says now.
        """
        answers = {"phone": OSPermission.DENIED}
        kit = make_kit(tmp_path, "improve", os_permission=answers.get)

        assert "NO  the operating system" in str(kit.why("improve", "imei"))
        answers["phone"] = OSPermission.GRANTED
        assert kit.why("improve", "imei").permitted
        kit.close()

    def test_does_not_depend_on_use(self, tmp_path: Path) -> None:
        """
        The question can be asked at any time.
        """
        kit = make_kit(tmp_path, "improve")

        assert kit.why("improve", "mac_address").permitted
        kit.close()
