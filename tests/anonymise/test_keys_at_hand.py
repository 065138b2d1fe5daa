# SPDX-License-Identifier: MIT

"""
Tests for the keys of pseudonyms, which are derived once and go with the
grant, through a kit.
"""

from __future__ import annotations

import os

from pathlib import Path

import pytest

from hypothesis import given
from hypothesis import strategies as st

import consentkit

from consentkit.anonymise.digests import PseudonymKeys, derive_pseudonym_key
from consentkit.exceptions import DeadPermitError
from consentkit.gate import Permit, check_permit
from tests.anonymise.test_in_use import policy
from tests.support import make_kit


KEYED = policy(
    {
        "type": "mac_address",
        "protect": {"name": "keyed", "epoch": "P30D"},
        "recipients": ["maker", "helper"],
    }
)

words = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=9
)


def pseudonym(kit: consentkit.Kit, recipient: str = "maker") -> object:
    """
    Read the address; give the pseudonym, or `None` where it may not be read.
    """
    with kit.use("improve") as use:
        got = use.device("mac_address", recipient=recipient)
        return got["mac_address"] if got else None


class TestPseudonymKeys:
    """
    Tests for `PseudonymKeys`.
    """

    @given(st.lists(st.tuples(words, words, words, words), max_size=200))
    def test_are_those_that_are_derived(
        self, asked: list[tuple[str, str, str, str]]
    ) -> None:
        """
        Each key is the one that the secret gives, however often it is asked
        for and whatever was asked for before; few are at hand.
        """
        secret = os.urandom(32)
        keys = PseudonymKeys(secret)

        for controller, recipient, data_type, epoch in (*asked, *asked):
            fields = {
                "controller": controller,
                "recipient": recipient,
                "data_type": data_type,
                "epoch": epoch,
            }
            assert keys.key(**fields) == derive_pseudonym_key(secret, **fields)
        (count,) = (int(n) for n in repr(keys).split() if n.isdecimal())
        assert count <= 64

    def test_tell_nothing(self) -> None:
        """
        A secret that is too short is none; neither it nor a key is shown.
        """
        fields = dict.fromkeys(
            ("controller", "recipient", "data_type", "epoch"), "x"
        )
        keys = PseudonymKeys(b"s" * 32)
        key = keys.key(**fields)

        assert repr(keys) == "<PseudonymKeys: 1 at hand>"
        assert str(key) not in repr(keys)
        with pytest.raises(ValueError, match="32 random bytes"):
            PseudonymKeys(b"s").key(**fields)


class TestInUse:
    """
    Tests for keys at hand as an app uses them.
    """

    def test_go_with_the_grant(self, tmp_path: Path) -> None:
        """
        A pseudonym stays the same while the grant lasts, for each recipient
        another; after a withdrawal nothing makes it again.
        """
        with make_kit(tmp_path, "improve", policy=KEYED) as kit:
            before = [pseudonym(kit) for _ in range(3)]
            other = pseudonym(kit, "helper")
            with kit.use("improve") as use:
                permit = use.permit("mac_address")
            assert isinstance(permit, Permit)
            lane = kit.store.lane(permit)
            assert lane is not None
            kit.consent.withdraw("improve")

            assert kit.store.lane(permit) is None
            assert pseudonym(kit) is None
            kit.consent.grant("improve", method="settings")
            after = pseudonym(kit)

        assert len({*before}) == 1
        assert len({before[0], other, after}) == 3

    def test_of_another_process(self, tmp_path: Path) -> None:
        """
        A withdrawal in another process ends keys that are at hand in this
        one: no further pseudonym is made with them, in the same use either.
        """
        with (
            make_kit(tmp_path, "improve", policy=KEYED) as kit,
            make_kit(tmp_path, policy=KEYED) as other,
        ):
            same = {pseudonym(kit), pseudonym(other)}
            with kit.use("improve") as use:
                held = use.device("mac_address")
                permit = use.permit("mac_address")
                assert isinstance(permit, Permit)
                other.consent.withdraw("improve")
                assert not use.device("mac_address")
                with pytest.raises(DeadPermitError):
                    check_permit(permit)
                assert isinstance(use.capture(held), consentkit.Refusal)
            other.consent.grant("improve", method="settings")
            again = {pseudonym(kit), pseudonym(other)}

        assert len(same) == len(again) == 1
        assert same.isdisjoint({*again, None})

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
    def test_over_a_fork(self, tmp_path: Path) -> None:
        """
        A forked child has the same pseudonyms, and none from when its parent
        withdraws.
        """
        with make_kit(tmp_path, "improve", policy=KEYED) as kit:
            first = pseudonym(kit)
            told, asks = os.pipe(), os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.write(told[1], f"{pseudonym(kit)}".encode())
                    os.read(asks[0], 1)
                    os.write(told[1], f"{pseudonym(kit)}".encode())
                finally:
                    os._exit(0)
            before = os.read(told[0], 99).decode()
            kit.consent.withdraw("improve")
            os.write(asks[1], b"x")
            after = os.read(told[0], 99).decode()
            os.waitpid(child, 0)
            for handle in (*told, *asks):
                os.close(handle)

        assert before == first
        assert after == "None"
