# SPDX-License-Identifier: MIT

"""
Tests for the parameters of protections: what they may be, what they become,
and which change of them tells more than was agreed to.
"""

from __future__ import annotations

from typing import Any

import pytest

from consentkit.exceptions import PolicyError
from consentkit.policy import (
    Period,
    Policy,
    Protection,
    ProtectionName,
    parse_policy,
)
from consentkit.policy.scope import Beyond, atoms_of, beyond
from tests.support import small, tables, to_toml


def policy(data_type: str, protect: object, **event: Any) -> Policy:
    """
    Make a policy that protects *data_type* so.
    """
    tree = tables()
    (improve,) = (f for f in tree["functions"] if f["id"] == "improve")
    improve["collects"] = [{"type": data_type, "protect": protect}]
    improve["events"] = [event] if event else []
    return parse_policy(to_toml(tree))


def protection(data_type: str, protect: object) -> Protection:
    """
    Give the protection of such a policy.
    """
    made = policy(data_type, protect).functions["improve"]
    return made.clauses[data_type].protection


#: Data type, table, key with the fault, and a part of the problem.
FAULTS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "noise below half a cell": (
        "location_coarse",
        {"name": "grid", "cell_km": 10.0, "noise_km": 4.9},
        "noise_km",
        "out of range",
    ),
    "noise beyond a country": (
        "location_coarse",
        {"name": "grid", "noise_km": 501.0},
        "noise_km",
        "out of range",
    ),
    "noise that is no number": (
        "location_coarse",
        {"name": "grid", "noise_km": float("nan")},
        "noise_km",
        "out of range",
    ),
    "noise of a digest": (
        "mac_address",
        {"name": "keyed", "noise_km": 2.0},
        "noise_km",
        "only 'grid'",
    ),
    "change of a digest": (
        "mac_address",
        {"name": "keyed", "on_change": True},
        "on_change",
        "only 'grid'",
    ),
    "time of what stays": (
        "mac_address",
        {"name": "drop", "time_step": "PT1H"},
        "time_step",
        "nothing leaves",
    ),
    "time of a digest in days": (
        "mac_address",
        {"name": "keyed", "time_step": "P2D"},
        "time_step",
        "out of range",
    ),
    "time in months": (
        "location_coarse",
        {"name": "grid", "time_step": "P1M"},
        "time_step",
        "out of range",
    ),
    "time of two days": (
        "location_coarse",
        {"name": "grid", "time_step": "P2D"},
        "time_step",
        "out of range",
    ),
    "time left open": (
        "location_coarse",
        {"name": "grid", "time_step": "unspecified"},
        "time_step",
        "out of range",
    ),
    "time that is none": (
        "location_coarse",
        {"name": "grid", "time_step": "an hour"},
        "time_step",
        "duration",
    ),
    "epoch without noise": (
        "location_coarse",
        {"name": "grid", "epoch": "P30D"},
        "epoch",
        "nothing here changes",
    ),
    "epoch of md5": (
        "mac_address",
        {"name": "md5", "epoch": "P30D"},
        "epoch",
        "nothing here changes",
    ),
    "epoch of hours": (
        "mac_address",
        {"name": "keyed", "epoch": "PT36H"},
        "epoch",
        "no epoch",
    ),
    "epoch of months and days": (
        "mac_address",
        {"name": "keyed", "epoch": "P1M1D"},
        "epoch",
        "no epoch",
    ),
    "epoch left open": (
        "mac_address",
        {"name": "keyed", "epoch": "unspecified"},
        "epoch",
        "no epoch",
    ),
    "epsilon of nothing": (
        "network_type",
        {"name": "krr", "values": ["a", "b"], "epsilon": 0.0},
        "epsilon",
        "out of range",
    ),
    "epsilon of too much": (
        "network_type",
        {"name": "krr", "values": ["a", "b"], "epsilon": 4.1},
        "epsilon",
        "out of range",
    ),
    "epsilon of a digest": (
        "mac_address",
        {"name": "keyed", "epsilon": 1.0},
        "epsilon",
        "only 'krr'",
    ),
    "values of a digest": (
        "mac_address",
        {"name": "keyed", "values": ["a", "b"]},
        "values",
        "only 'krr'",
    ),
    "one value": (
        "network_type",
        {"name": "krr", "values": ["a"]},
        "values",
        "not a choice",
    ),
    "a value twice": (
        "network_type",
        {"name": "krr", "values": ["a", "b", "a"]},
        "values",
        "not a choice",
    ),
    "too many values": (
        "network_type",
        {"name": "krr", "values": [str(i) for i in range(65)]},
        "values",
        "not a choice",
    ),
    "no values and no event": (
        "network_type",
        {"name": "krr"},
        "values",
        "missing",
    ),
}


class TestParameters:
    """
    Tests for parameters of protections in a document.
    """

    @pytest.mark.parametrize("name", FAULTS)
    def test_fault_is_named_once(self, name: str) -> None:
        """
        What a parameter cannot be is named with its place, once.
        """
        data_type, table, key, problem = FAULTS[name]

        with pytest.raises(PolicyError) as caught:
            policy(data_type, table)

        at = f".collects[0].protect.{key}"
        (fault,) = caught.value.faults
        assert fault.path.endswith(at)
        assert problem in f"{fault.problem} {fault.cure}"

    @pytest.mark.parametrize(
        "data_type", ["wifi_list", "base_station", "bluetooth_signals"]
    )
    def test_no_grid_of_what_is_no_place(self, data_type: str) -> None:
        """
        A list of what is near has no coordinates to coarsen: the document
        that promises a grid is refused, and told what can be promised.
        """
        with pytest.raises(PolicyError) as caught:
            policy(data_type, {"name": "grid", "cell_km": 10.0})

        (fault,) = caught.value.faults
        assert fault.path.endswith(".collects[0].protect")
        assert fault.problem == f"'grid' does not protect '{data_type}'"
        for name in fault.cure.removeprefix("one of ").split(", "):
            assert protection(data_type, name).name.value == name

    def test_of_a_place(self) -> None:
        """
        All that a place can be promised.
        """
        made = protection(
            "location_coarse",
            {
                "name": "grid",
                "cell_km": 4.0,
                "noise_km": 2.0,
                "on_change": True,
                "time_step": "PT1H",
                "epoch": "P1M",
            },
        )

        assert made == Protection(
            name=ProtectionName.GRID,
            cell_km=4.0,
            noise_km=2.0,
            on_change=True,
            time_step=Period(seconds=3600),
            epoch=Period(months=1),
        )

    def test_of_a_place_if_nothing_is_said(self) -> None:
        """
        A place is kept on a change of cell, by the hour, unless the policy
        says otherwise; nothing else is.
        """
        usual = protection("location_coarse", "grid")
        often = protection(
            "location_coarse",
            {"name": "grid", "on_change": False, "time_step": "PT1S"},
        )
        name = protection("mac_address", "md5")

        assert usual.on_change
        assert usual.time_step == Period(seconds=3600)
        assert not usual.noise_km
        assert not often.on_change
        assert often.time_step == Period(seconds=1)
        assert not name.on_change
        assert name.time_step is None

    def test_of_a_pseudonym_and_an_answer(self) -> None:
        """
        A pseudonym has an epoch; an answer has values and epsilon too.
        """
        keyed = protection("mac_address", {"name": "keyed", "epoch": "P30D"})
        answer = protection(
            "network_type",
            {"name": "krr", "values": ["wifi", "mobile"], "epsilon": 2.0},
        )

        assert keyed.epoch == Period(seconds=30 * 86_400)
        assert answer.values == ("wifi", "mobile")
        assert answer.epsilon == 2.0
        assert answer.epoch is None


class TestEvents:
    """
    Tests for events that are answered at random.
    """

    def test_closed_lists(self) -> None:
        """
        An event of closed lists says the values itself.
        """
        made = policy(
            "click_record",
            "krr",
            name="theme_chosen",
            type="click_record",
            fields={"dark": "bool", "colour": ["red", "blue"]},
        )

        improve = made.functions["improve"]
        assert improve.clauses["click_record"].protection.epsilon == 1.0
        assert list(improve.events) == ["theme_chosen"]

    @pytest.mark.parametrize("kind", ["int", "float", "text"])
    def test_open_fields(self, kind: str) -> None:
        """
        What has no list of values cannot be answered at random.
        """
        with pytest.raises(PolicyError) as caught:
            policy(
                "click_record",
                "krr",
                name="clicked",
                type="click_record",
                fields={"what": kind},
            )

        (fault,) = caught.value.faults
        assert fault.path.endswith(".events[0].fields.what")
        assert "closed list" in fault.problem


GRID = {"name": "grid", "noise_km": 4.0, "epoch": "P30D"}
KEYED = {"name": "keyed", "epoch": "P30D"}
KRR = {"name": "krr", "values": ["a", "b"], "epsilon": 1.0, "epoch": "P30D"}

#: Data type; what was agreed to, what is asked now, and whether it tells
#: more.
CHANGES: dict[str, tuple[str, Any, Any, bool]] = {
    "less noise": ("location_coarse", GRID, {**GRID, "noise_km": 3.0}, True),
    "more noise": ("location_coarse", GRID, {**GRID, "noise_km": 5.0}, False),
    "no noise": ("location_coarse", GRID, "grid", True),
    "noise now": ("location_coarse", "grid", GRID, False),
    "noise drawn oftener": (
        "location_coarse",
        GRID,
        {**GRID, "epoch": "P7D"},
        True,
    ),
    "noise drawn once": (
        "location_coarse",
        GRID,
        {"name": "grid", "noise_km": 4.0},
        False,
    ),
    "on each read": (
        "location_coarse",
        "grid",
        {"name": "grid", "on_change": False},
        True,
    ),
    "on change now": (
        "location_coarse",
        {"name": "grid", "on_change": False, "time_step": "PT1M"},
        "grid",
        False,
    ),
    "finer time": (
        "location_coarse",
        {"name": "grid", "time_step": "PT1H"},
        {"name": "grid", "time_step": "PT15M"},
        True,
    ),
    "coarser time": (
        "location_coarse",
        {"name": "grid", "time_step": "PT1H"},
        {"name": "grid", "time_step": "P1D"},
        False,
    ),
    "a time": ("location_coarse", GRID, {**GRID, "time_step": "PT1S"}, True),
    "no time of a digest": (
        "mac_address",
        {**KEYED, "time_step": "PT1H"},
        KEYED,
        True,
    ),
    "a time of a digest": (
        "mac_address",
        KEYED,
        {**KEYED, "time_step": "PT1H"},
        False,
    ),
    "a digest to the millisecond": (
        "mac_address",
        {"name": "md5", "time_step": "PT1H"},
        KEYED,
        True,
    ),
    "a longer epoch": ("mac_address", KEYED, {**KEYED, "epoch": "P1Y"}, True),
    "no epoch": ("mac_address", KEYED, "keyed", True),
    "an epoch now": ("mac_address", "keyed", KEYED, False),
    "a shorter epoch": (
        "mac_address",
        KEYED,
        {**KEYED, "epoch": "P7D"},
        False,
    ),
    "keyed after md5": ("mac_address", "md5", KEYED, False),
    "more epsilon": ("network_type", KRR, {**KRR, "epsilon": 2.0}, True),
    "less epsilon": ("network_type", KRR, {**KRR, "epsilon": 0.5}, False),
    "another value": (
        "network_type",
        KRR,
        {**KRR, "values": ["a", "b", "c"]},
        True,
    ),
    "answers anew oftener": (
        "network_type",
        KRR,
        {**KRR, "epoch": "P7D"},
        True,
    ),
    "answers anew seldomer": (
        "network_type",
        KRR,
        {**KRR, "epoch": "P1Y"},
        False,
    ),
    "random instead of true": ("network_type", "none", KRR, False),
    "true instead of random": ("network_type", KRR, "none", True),
}


class TestScope:
    """
    Tests for changes of a protection.
    """

    @pytest.mark.parametrize("name", CHANGES)
    def test_a_weaker_one_goes_beyond(self, name: str) -> None:
        """
        What tells more than was agreed to goes beyond it, what tells as
        much or less does not.
        """
        data_type, before, after, more = CHANGES[name]
        old, new = policy(data_type, before), policy(data_type, after)
        atom = next(iter(_atoms(new, data_type)))

        found = set(beyond(old, new, "improve", atom))

        assert (Beyond.TREATMENT in found) is more

    @pytest.mark.parametrize("name", CHANGES)
    def test_the_same_does_not(self, name: str) -> None:
        """
        No change goes beyond nothing.
        """
        data_type, before, _, _ = CHANGES[name]
        old = policy(data_type, before)
        atom = next(iter(_atoms(old, data_type)))

        assert not set(beyond(old, old, "improve", atom))


def _atoms(made: Policy, data_type: str) -> Any:
    function = made.functions["improve"]
    element = "improve"
    if function.clauses[data_type].separate:
        element = f"improve/{data_type}"
    return (a for a in atoms_of(function, element) if a.data_type == data_type)


def test_the_small_policy_is_unchanged() -> None:
    """
    A protection without the new parameters has none of them.
    """
    for function in small().functions.values():
        for clause in function.clauses.values():
            made = clause.protection
            assert made == Protection(
                name=made.name, cell_km=made.cell_km, intents=made.intents
            )
