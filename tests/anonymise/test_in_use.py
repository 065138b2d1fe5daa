# SPDX-License-Identifier: MIT

"""
Tests for places, pseudonyms and answers as an app uses them: through a kit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import attrs

import consentkit

from consentkit.policy import Policy, parse_policy
from tests.support import (
    MAC,
    PLACE,
    Clock,
    Spies,
    make_kit,
    say_yes,
    tables,
    to_toml,
)


@attrs.frozen
class ThemeChosen:
    """
    An event of closed lists.
    """

    dark: bool


def policy(*collects: dict[str, Any], **event: Any) -> Policy:
    """
    Make a policy whose function ``improve`` collects so.
    """
    tree = tables()
    (improve,) = (f for f in tree["functions"] if f["id"] == "improve")
    improve["collects"] = list(collects)
    improve["events"] = [event] if event else []
    return parse_policy(to_toml(tree))


def place_policy() -> Policy:
    """
    Make a policy of coarse places, with all that can be promised of them.
    """
    return policy(
        {
            "type": "location_precise",
            "protect": {
                "name": "grid",
                "noise_km": 3.0,
                "epoch": "P30D",
                "on_change": True,
                "time_step": "PT1H",
            },
        }
    )


class TestPlace:
    """
    Tests for a place on change, with noise, by the hour.
    """

    def test_one_record_a_cell(self, tmp_path: Path) -> None:
        """
        Of many reads in one cell, which give the same, one is kept, by the
        hour, and its id tells no more than the hour either.
        """
        promised = place_policy()
        spies = Spies()
        with make_kit(
            tmp_path,
            "improve",
            "improve/location_precise",
            policy=promised,
            spies=spies,
        ) as kit:
            with kit.use("improve") as use:
                first = use.location()
                assert isinstance(first, consentkit.Location)
                assert first.noise_km == 3.0
                kept = use.capture(first)
                again = use.location()
                assert isinstance(again, consentkit.Location)
                assert again.latitude == first.latitude
                assert not use.capture(again)
                spies["location_precise"].value = attrs.evolve(
                    PLACE, latitude=PLACE.latitude + 1
                )
                assert isinstance(use.location(), consentkit.Location)
            assert isinstance(kept, consentkit.Kept)
            (record,) = kit.store.inspect()
            at = record.captured_at
            assert (at.minute, at.second, at.microsecond) == (0, 0, 0)
            assert UUID(record.id).int >> 80 == at.timestamp() * 1000


class TestAnswer:
    """
    Tests for answers at random.
    """

    def test_is_counted_for_the_person(self, tmp_path: Path) -> None:
        """
        An event is kept with answers, which are permanent, and `why` shows
        what they have spent, after a new start too.
        """
        promised = policy(
            {"type": "click_record", "protect": "krr"},
            name="theme_chosen",
            type="click_record",
            fields={"dark": "bool"},
        )
        with make_kit(tmp_path, "improve", policy=promised) as kit:
            assert not kit.budget.spent()
            with kit.use("improve") as use:
                for _ in range(3):
                    kept = use.capture(ThemeChosen(dark=True))
                    assert isinstance(kept, consentkit.Kept)
            values = [record.value for record in kit.store.inspect()]
            assert len({str(value) for value in values}) == 1
        with consentkit.open(promised, data_dir=tmp_path) as kit:
            text = str(kit.why("improve", "click_record"))
        assert "1 answer at random, epsilon 1 spent" in text

    def test_is_forgotten_with_the_person(self, tmp_path: Path) -> None:
        """
        Each person of a server has a count of their own, under no name of
        theirs, and it goes with them.
        """
        promised = policy(
            {"type": "click_record", "protect": "krr"},
            name="theme_chosen",
            type="click_record",
            fields={"dark": "bool"},
        )
        with make_kit(tmp_path, policy=promised) as kit:
            for name in ("ann", "bob"):
                person = kit.subject(name)
                person.consent.grant("improve")
                with person.use("improve") as use:
                    assert use.capture(ThemeChosen(dark=True))
            told = kit.subject("ann").budget.spent()
            assert [one.answers for one in told] == [1]
            assert kit.budget.spent() == ()
            assert len([*(tmp_path / "spent").iterdir()]) == 2

            kit.forget("ann")

            assert kit.subject("ann").budget.spent() == ()
            assert len([*(tmp_path / "spent").iterdir()]) == 1
            assert kit.subject("bob").budget.spent() == told


class TestPseudonym:
    """
    Tests for pseudonyms whose key has an epoch.
    """

    def test_keys_rotate_and_die(self, tmp_path: Path) -> None:
        """
        A device has one name within an epoch, another in the next, and yet
        another under a new grant of the same epoch: the key of a grant that
        was withdrawn is gone, and so is the way back to its names.
        """
        promised = policy(
            {
                "type": "mac_address",
                "protect": {"name": "keyed", "epoch": "P30D"},
            }
        )
        clock = Clock()
        with make_kit(
            tmp_path, "improve", policy=promised, clock=clock
        ) as kit:

            def name() -> object:
                with kit.use("improve") as use:
                    return use.device("mac_address")["mac_address"]

            first = name()
            assert name() == first
            clock.tick(days=30)
            second = name()
            assert name() == second

            kit.consent.withdraw("improve")
            say_yes(kit.consent, "improve")
            assert len({MAC, first, second, name()}) == 4
            # Back in the first epoch its key is another one, too.
            clock.tick(days=-30)
            assert name() != first

    def test_a_kit_of_somebody_who_was_forgotten(self, tmp_path: Path) -> None:
        """
        A kit from before counts for whom its id stands for now, and brings
        nothing of the forgotten person back.
        """
        promised = policy(
            {"type": "click_record", "protect": "krr"},
            name="theme_chosen",
            type="click_record",
            fields={"dark": "bool"},
        )
        with make_kit(tmp_path, policy=promised) as kit:
            ann = kit.subject("ann")
            folders = []
            for _ in range(2):
                ann.consent.grant("improve")
                with ann.use("improve") as use:
                    assert use.capture(ThemeChosen(dark=True))
                told = kit.subject("ann").budget.spent()
                assert told == ann.budget.spent()
                assert [one.answers for one in told] == [1]
                (folder,) = (tmp_path / "spent").iterdir()
                folders.append(folder)
                kit.forget("ann")
            assert folders[0] != folders[1]
            assert [*(tmp_path / "spent").iterdir()] == []
