# SPDX-License-Identifier: MIT

"""
Tests for what `consentkit.consent.notice` says of a document's keys.
"""

from __future__ import annotations

from typing import Any

import pytest

from consentkit.consent.notice import notice
from consentkit.policy import load_vocabulary
from tests.support import small


def flat(text: str) -> str:
    """
    Put the lines of a notice together.
    """
    return " ".join(text.split())


class TestWhatStays:
    """
    Tests for data that does not leave the device.
    """

    def test_has_its_purposes(self) -> None:
        """
        What stays here is told with what it is for.
        """
        policy = small()
        (clause,) = (
            c
            for c in policy.functions["connect"].clauses.values()
            if c.protection.name.value == "local_only"
        )
        words = load_vocabulary().purposes
        purposes = "; ".join(words[p].name for p in clause.purposes)

        shown = flat(notice(policy, "connect"))

        assert f"stays here Wi-Fi password for {purposes}" in shown

    def test_what_is_never_read_has_none(self) -> None:
        """
        What is never read is for nothing.
        """
        shown = flat(notice(small(), "connect"))

        told = shown.partition("never read")[2]
        assert "Device name" in told
        assert " for " not in told

    @pytest.mark.parametrize("protect", ["drop", "local_only"])
    def test_goes_to_nobody(self, protect: str) -> None:
        """
        What stays here is not told as given to a recipient that is named
        for it.
        """

        def give(tree: dict[str, Any]) -> None:
            tree["recipients"][1]["separate"] = True
            tree["functions"][-1]["collects"] = [
                {"type": "imei", "protect": "md5"},
                {"type": "device_name", "protect": protect},
            ]

        shown = flat(notice(small(give=give), "umeng@umeng"))

        assert "uses as its MD5" in shown
        assert "IMEI" in shown
        assert "Device name" not in shown


class TestSwitch:
    """
    Tests for a default, and for where something is turned off.
    """

    def test_is_told(self) -> None:
        """
        A default that is on elsewhere, and the way to turn it off, are told;
        of a decision within the function they are not.
        """
        policy = small(
            switch=lambda tree: tree["functions"][0].update(
                default_on=True, turn_off="the camera's own menu"
            )
        )
        first = next(iter(policy.functions.values()))

        shown = flat(notice(policy, first.id))

        said = "default on from the start; here it is off until you choose"
        assert said in shown
        assert "turned off the camera's own menu" in shown
        for type_, clause in first.clauses.items():
            if clause.separate:
                own = flat(notice(policy, f"{first.id}/{type_}"))
                assert "own menu" not in own

    def test_is_not_made_up(self) -> None:
        """
        A document that says neither has no such line.
        """
        for function in small().functions:
            lines = notice(small(), function).splitlines()
            labels = {line[2:].partition("  ")[0] for line in lines}
            assert not labels & {"default", "turned off"}
