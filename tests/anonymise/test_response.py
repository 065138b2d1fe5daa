# SPDX-License-Identifier: MIT

"""
Tests for answers at random, and for what they spend.
"""

from __future__ import annotations

import math
import stat
import threading

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.anonymise.budget import Budget
from consentkit.anonymise.protect import (
    Protected,
    protect,
    protect_event,
    seal_event,
)
from consentkit.anonymise.response import answer, estimate, truth
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import StoreError
from consentkit.gate import Permit
from consentkit.policy import EventField, EventSpec, ProtectionName
from tests.anonymise.test_protect import permit, secret


COLOURS = ("red", "green", "blue", "grey")
KEY = bytes(range(32))


def keys(count: int) -> list[bytes]:
    """
    Make keys of as many people.
    """
    return [i.to_bytes(32, "big") for i in range(count)]


class TestAnswer:
    """
    Tests for `answer()`.
    """

    @given(
        st.binary(min_size=16, max_size=40),
        st.lists(st.text("abcdef", min_size=1), min_size=2, unique=True),
        st.floats(0.01, 4),
        st.randoms(use_true_random=False),
    )
    def test_is_one_of_them_and_stays(
        self, key: bytes, values: list[str], epsilon: float, draw: Any
    ) -> None:
        """
        It is one of the values, the same each time, in whatever order they
        are named.
        """
        value = values[0]
        got = answer(value, values, key=key, epsilon=epsilon)
        draw.shuffle(values)

        assert got in values
        assert got == answer(value, values, key=key, epsilon=epsilon)

    @pytest.mark.parametrize("epsilon", [0.5, 1.0, 3.0])
    def test_is_true_as_often_as_said(self, epsilon: float) -> None:
        """
        Over many people it is true with the probability that was said, and
        the untrue ones are even.
        """
        told = Counter(
            answer("red", COLOURS, key=key, epsilon=epsilon)
            for key in keys(4000)
        )
        likely = truth(epsilon, 4)

        # Of fixed keys; six standard deviations are below 0.05.
        assert told["red"] / 4000 == pytest.approx(likely, abs=0.05)
        for other in COLOURS[1:]:
            assert told[other] / 4000 == pytest.approx(
                (1 - likely) / 3, abs=0.05
            )

    def test_no_value_is_much_likelier_than_another(self) -> None:
        """
        An answer is at most e to the epsilon times as likely for one true
        value as for another: that is what epsilon says.
        """
        for count in (2, 5, 64):
            likely = truth(1.5, count)
            untrue = (1 - likely) / (count - 1)

            assert likely / untrue == pytest.approx(math.exp(1.5))

    def test_what_is_not_listed(self) -> None:
        """
        A value that is not one of them has no answer.
        """
        assert answer("pink", COLOURS, key=KEY, epsilon=1) is None

    @pytest.mark.parametrize(
        ("values", "epsilon"),
        [
            (COLOURS, 0),
            (COLOURS, -1),
            (COLOURS, 4.1),
            (COLOURS, math.nan),
            (("red",), 1),
            (("red", "red"), 1),
        ],
    )
    def test_out_of_range(
        self, values: tuple[str, ...], epsilon: float
    ) -> None:
        """
        Epsilon of nothing or too much, and lists without a choice, are
        refused, without a value.
        """
        with pytest.raises(ValueError, match=r"epsilon|values") as caught:
            answer("red", values, key=KEY, epsilon=epsilon)

        assert "red" not in str(caught.value)


class TestEstimate:
    """
    Tests for `estimate()`.
    """

    def test_finds_the_shares(self) -> None:
        """
        From the answers of many people come the shares among them.
        """
        truths = ["red"] * 6000 + ["green"] * 3000 + ["blue"] * 1000
        told = Counter(
            answer(true, COLOURS, key=key, epsilon=2.0)
            for true, key in zip(truths, keys(10_000), strict=True)
        )
        counts = {str(k): n for k, n in told.items()}

        shares = estimate(counts, COLOURS, epsilon=2.0)

        assert list(shares) == list(COLOURS)
        assert math.fsum(shares.values()) == pytest.approx(1)
        for value, share in zip(COLOURS, (0.6, 0.3, 0.1, 0), strict=True):
            assert shares[value] == pytest.approx(share, abs=0.04)

    def test_of_nobody(self) -> None:
        """
        Without answers there are no shares.
        """
        with pytest.raises(ValueError, match="no answers"):
            estimate({}, COLOURS, epsilon=1)


def spend(budget: Budget, value: str, **more: Any) -> None:
    """
    Count an answer.
    """
    fields = {
        "key": KEY,
        "epsilon": 1.5,
        "function": "improve",
        "data_type": "network_type",
        "recipient": "maker",
        "epoch": "P30D:683",
    }
    budget.spend(value, **{**fields, **more})


@pytest.fixture(params=["memory", "folder"])
def budget(request: pytest.FixtureRequest, tmp_path: Path) -> Budget:
    """
    Make a budget, in memory and in a folder.
    """
    return Budget(tmp_path / "a" / "b" if request.param == "folder" else None)


class TestBudget:
    """
    Tests for `Budget`.
    """

    def test_counts_different_answers(self, budget: Budget) -> None:
        """
        The same answer spends once, another one again.
        """
        assert budget.spent() == ()
        for value in ("wifi", "wifi", "wired"):
            spend(budget, value)

        (spent,) = budget.spent()
        assert (spent.answers, spent.epsilon) == (2, 3.0)
        assert str(spent) == (
            "improve/network_type to maker in the 30 days from 2026-02-06: "
            "2 different answers at random, epsilon 3 spent"
        )

    @pytest.mark.parametrize(
        "other",
        [
            {"epoch": ""},
            {"recipient": "求助 ~/x"},
            {"function": "logs"},
            {"data_type": "locale"},
        ],
    )
    def test_counts_each_by_itself(
        self, budget: Budget, other: dict[str, str]
    ) -> None:
        """
        Epochs, recipients, functions and types have counts of their own,
        whatever they are called.
        """
        spend(budget, "wifi")
        spend(budget, "wifi", **other)

        assert len(budget.spent()) == 2
        ((name, value),) = other.items()
        assert value in {getattr(spent, name) for spent in budget.spent()}

    def test_of_one_function(self, budget: Budget) -> None:
        """
        The count of one function is had alone.
        """
        spend(budget, "wifi")
        spend(budget, "wifi", function="logs")

        assert [s.function for s in budget.spent("logs")] == ["logs"]

    def test_lasts(self, tmp_path: Path) -> None:
        """
        Another process and a later start count on, and the folder is for
        its owner alone and holds no value.
        """
        folder = tmp_path / "spent"
        spend(Budget(folder), "wifi")
        spend(Budget(folder), "wifi")
        spend(Budget(folder), "wired")

        (spent,) = Budget(folder).spent()
        assert spent.answers == 2
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for path in folder.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert path.read_bytes() == b""
            assert "wi" not in path.name

    def test_what_others_put_there(self, tmp_path: Path) -> None:
        """
        Files that are not its own are passed over.
        """
        for name in (".DS_Store", "a~b", "a~b~c~d~x~0123456789abcdef"):
            (tmp_path / name).touch()

        assert Budget(tmp_path).spent() == ()

    def test_threads(self, tmp_path: Path) -> None:
        """
        Threads that answer at once count each answer once.
        """
        budget = Budget(tmp_path)
        threads = [
            threading.Thread(target=spend, args=(budget, str(i % 5)))
            for i in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        (spent,) = budget.spent()
        assert spent.answers == 5


class TestProtect:
    """
    Tests for `protect()` with ``krr``.
    """

    def test_a_value(self) -> None:
        """
        A value of the list is answered with one of the list, the same each
        time, and counted once.
        """
        asked = permit(
            "network_type", ProtectionName.KRR, values=COLOURS, epsilon=2.0
        )
        budget = Budget()

        one, two = (
            protect(asked, "red", secret=secret, budget=budget)
            for _ in range(2)
        )

        assert isinstance(one, Protected)
        assert isinstance(two, Protected)
        assert one.value in COLOURS
        assert one.value == two.value
        assert one.privacy_class.value == "de_identified"
        (spent,) = budget.spent("improve")
        assert (spent.answers, spent.epsilon) == (1, 2.0)

    @pytest.mark.parametrize(
        ("raw", "more"),
        [
            ("pink", {"budget": Budget()}),
            ("red", {}),
            ("red", {"budget": Budget(), "secret": lambda _: None}),
        ],
        ids=["not listed", "no budget", "grant ended"],
    )
    def test_no_answer(self, raw: str, more: dict[str, Any]) -> None:
        """
        What cannot be answered, or not be counted, has no value.
        """
        asked = permit("network_type", ProtectionName.KRR, values=COLOURS)

        got = protect(asked, raw, **{"secret": secret, **more})

        assert isinstance(got, Unavailable)
        assert raw not in got.reason

    def test_a_full_disk(self, tmp_path: Path) -> None:
        """
        Where an answer cannot be counted, it is not given.
        """
        (tmp_path / "file").touch()
        budget = Budget(tmp_path / "file" / "below")
        asked = permit("network_type", ProtectionName.KRR, values=COLOURS)

        got = protect(asked, "red", secret=secret, budget=budget)

        assert isinstance(got, Unavailable)

    def test_bool(self) -> None:
        """
        A yes or no is answered where the list has both.
        """
        asked = permit(
            "usb_debugging", ProtectionName.KRR, values=("true", "false")
        )

        got = protect(asked, True, secret=secret, budget=Budget())

        assert isinstance(got, Protected)
        assert got.value in ("true", "false")


def giving(key: bytes) -> Callable[[Permit], bytes]:
    """
    Give the secret of one person's grant.
    """
    return lambda _: key


SPEC = EventSpec(
    name="theme_chosen",
    type="click_record",
    fields={
        "colour": EventField(kind="enum", values=COLOURS),
        "dark": EventField(kind="bool"),
    },
)


class TestEvent:
    """
    Tests for events with ``krr``.
    """

    def test_fields_share_epsilon(self) -> None:
        """
        Each field is answered within its own list, and all of them together
        spend what the policy names.
        """
        asked = permit("click_record", ProtectionName.KRR, epsilon=1.0)
        budget = Budget()
        fields = {"colour": "red", "dark": True}

        got = protect_event(asked, SPEC, fields, secret=secret, budget=budget)

        assert isinstance(got, Protected)
        assert isinstance(got.value, dict)
        assert got.value["colour"] in COLOURS
        assert isinstance(got.value["dark"], bool)
        assert got.privacy_class.value == "de_identified"
        (spent,) = budget.spent()
        assert spent.epsilon == pytest.approx(1.0)

    def test_some_are_untrue(self) -> None:
        """
        Over many installations some answers are not what was said.
        """
        asked = permit("click_record", ProtectionName.KRR, epsilon=1.0)
        told: Counter[Any] = Counter()
        for key in keys(200):
            got = protect_event(
                asked,
                SPEC,
                {"colour": "red", "dark": True},
                secret=giving(key),
                budget=Budget(),
            )
            assert isinstance(got, Protected)
            assert isinstance(got.value, dict)
            told[got.value["colour"]] += 1
            told[got.value["dark"]] += 1

        assert set(told) == {*COLOURS, True, False}

    @pytest.mark.parametrize("missing", ["secret", "budget"])
    def test_without_what_it_needs(self, missing: str) -> None:
        """
        Without a secret or a budget nothing is given, and the error tells
        no value.
        """
        asked = permit("click_record", ProtectionName.KRR)
        given_: dict[str, Any] = {"secret": secret, "budget": Budget()}
        del given_[missing]

        for make in (protect_event, seal_event):
            with pytest.raises(StoreError) as caught:
                make(asked, SPEC, {"colour": "red", "dark": True}, **given_)
            assert "red" not in str(caught.value)
            assert caught.value.__context__ is None

    def test_permit_has_the_parameters(self) -> None:
        """
        The clause that a permit rests on says what was promised.
        """
        asked = permit("click_record", ProtectionName.KRR, epsilon=0.5)

        assert attrs.asdict(asked.clause.protection)["epsilon"] == 0.5
