# SPDX-License-Identifier: MIT

"""
Tests for the memory of places, as an app uses it: through a kit.
"""

from __future__ import annotations

import sqlite3

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

import consentkit

from consentkit import Kit, Location, Reason, Refusal
from consentkit.anonymise.grid import bounds_of, cell_of
from consentkit.limits import Limits
from consentkit.policy import Policy, parse_policy
from tests.anonymise.places import fixes
from tests.faults.support import files
from tests.support import (
    PLACE,
    Clock,
    Spies,
    make_kit,
    say_yes,
    tables,
    to_toml,
)


HERE = cell_of(PLACE.latitude, PLACE.longitude)
BOTH = ("location_precise", "location_coarse")

#: A home 15 m north of the southern edge of its cell.
HOME = attrs.evolve(
    PLACE, latitude=bounds_of(HERE).south + 15 / 111_195, longitude=2.29
)
BEYOND = attrs.evolve(HOME, latitude=HOME.latitude - 30 / 111_195)
FAR = attrs.evolve(HOME, latitude=HOME.latitude + 1)

NOISE = {"name": "grid", "noise_km": 100.0, "epoch": "P30D"}
PLAIN = {"name": "grid", "cell_km": 2.0}


def policy(improve: object = "grid", logs: object = "grid") -> Policy:
    """
    Make a policy of two functions that read places, protected so.

    Args:
        improve: How the one protects them.

        logs: How the other does; it reads logs only, if ``None``.
    """
    tree = tables()
    for function in tree["functions"]:
        protect = {"improve": improve, "logs": logs}.get(function["id"])
        if protect is not None:
            function["collects"] = [
                {"type": data_type, "protect": protect} for data_type in BOTH
            ]
            function["events"] = []
            function["recipients"] = ["maker", "helper"]
    return parse_policy(to_toml(tree))


class Person:
    """
    Somebody who carries a device with two functions that read places.
    """

    def __init__(self, folder: Path, promised: Policy, **options: Any) -> None:
        self.spies = Spies(location_coarse=HOME, location_precise=HOME)
        self.folder = folder
        self.policy = promised
        self.options = options

    def open(self, **options: Any) -> Kit:
        """
        Start the app.
        """
        return make_kit(
            self.folder,
            policy=self.policy,
            spies=self.spies,
            **{**self.options, **options},
        )

    def agree(self, kit: Kit, *functions: str) -> None:
        """
        Say yes to places, in some of the functions.
        """
        for function in functions or ("improve", "logs"):
            say_yes(kit.consent, function)
            for data_type in BOTH:
                say_yes(kit.consent, f"{function}/{data_type}")

    def be(self, place: object) -> None:
        """
        Be somewhere.
        """
        for data_type in BOTH:
            self.spies[data_type].value = place

    def read(
        self, kit: Kit, function: str = "improve", *asked: str, **who: str
    ) -> tuple[float, float]:
        """
        Read the place; give the cell's centre.
        """
        with kit.use(function) as use:
            place = use.location(*asked, **who)
        assert isinstance(place, Location), place
        return place.latitude, place.longitude

    def capture(self, kit: Kit, **who: str) -> object:
        """
        Read the place and keep it.
        """
        with kit.use("improve") as use:
            place = use.location(**who)
            assert isinstance(place, Location), place
            return use.capture(place)


def rounded(place: Any) -> tuple[float, float]:
    """
    Give the centre of the cell that a place lies in, as records have it.
    """
    cell = cell_of(place.latitude, place.longitude)
    return round(cell.latitude, 5), round(cell.longitude, 5)


def rows(folder: Path) -> int:
    """
    Count the persons whose places are remembered.
    """
    with closing(sqlite3.connect(folder / "outbox.sqlite3")) as db:
        (count,) = db.execute("SELECT COUNT(*) FROM places").fetchone()
    return int(count)


class TestHold:
    """
    Tests for holding somebody in a cell.
    """

    @pytest.mark.parametrize("protect", ["grid", PLAIN, NOISE])
    def test_500_reports_are_one(
        self, tmp_path: Path, protect: object
    ) -> None:
        """
        Who lives 15 m from a border is in both cells, as the receiver
        wavers; but is told to be in the first one, whatever the policy
        says of places.
        """
        person = Person(tmp_path, policy(protect))
        seen = fixes(HOME, 500, metres=10)
        assert len({rounded(fix) for fix in seen}) == 2

        with person.open() as kit:
            person.agree(kit)
            told = set()
            for fix in seen:
                person.be(fix)
                told.add(person.read(kit))

        assert len(told) == 1

    @pytest.mark.parametrize("protect", ["grid", NOISE])
    def test_over_starts(self, tmp_path: Path, protect: object) -> None:
        """
        A start of the app asks nothing anew.
        """
        person = Person(tmp_path, policy(protect))
        told = set()
        for number, fix in enumerate(fixes(HOME, 40, metres=30)):
            person.be(fix)
            with person.open() as kit:
                if not number:
                    person.agree(kit)
                told.add(person.read(kit))

        assert len(told) == 1

    def test_is_left_when_it_is_left(self, tmp_path: Path) -> None:
        """
        Who goes far is told to be there, and at home again when back.
        """
        person = Person(tmp_path, policy())
        with person.open() as kit:
            person.agree(kit)
            told = []
            for place in (HOME, FAR, HOME):
                person.be(place)
                told.append(person.read(kit))

        assert told == [rounded(HOME), rounded(FAR), rounded(HOME)]

    def test_all_that_ask_are_told_the_same(self, tmp_path: Path) -> None:
        """
        Another function, recipient or data type is no second answer about
        one place; nor is another process.
        """
        person = Person(tmp_path, policy())
        with person.open() as kit, person.open() as other:
            person.agree(kit)
            first = person.read(kit)
            person.be(BEYOND)
            told = {
                person.read(asked, function, data_type, recipient=who)
                for asked in (kit, other)
                for function in ("improve", "logs")
                for data_type in BOTH
                for who in ("maker", "helper")
            }

        assert rounded(BEYOND) != first
        assert told == {first}

    def test_all_are_told_the_same_noise(self, tmp_path: Path) -> None:
        """
        One place and epoch has one draw, whoever asks.
        """
        person = Person(tmp_path, policy(NOISE, NOISE))
        with person.open() as kit:
            person.agree(kit)
            told = {
                person.read(kit, function, data_type, recipient=who)
                for function in ("improve", "logs")
                for data_type in BOTH
                for who in ("maker", "helper")
            }

        assert len(told) == 1

    def test_sizes_are_apart(self, tmp_path: Path) -> None:
        """
        Two sizes of cells are two grids, each with a last cell.
        """
        wide = {"name": "grid", "cell_km": 50.0}
        person = Person(tmp_path, policy(PLAIN, wide))
        with person.open() as kit:
            person.agree(kit)
            fine, coarse = person.read(kit), person.read(kit, "logs")
            person.be(BEYOND)

            assert fine != coarse
            assert person.read(kit) == fine
            assert person.read(kit, "logs") == coarse

    def test_persons_are_apart(self, tmp_path: Path) -> None:
        """
        Of the people that a server serves each has a memory and a draw of
        their own, and who is forgotten takes theirs along.
        """
        person = Person(tmp_path, policy(NOISE))
        with person.open() as root:
            ann, bob = root.subject("ann"), root.subject("bob")
            for kit in (ann, bob):
                person.agree(kit, "improve")
            hers, his = person.read(ann), person.read(bob)
            assert hers != his

            root.forget("ann")
            assert rows(tmp_path) == 1
            assert person.read(bob) == his
            person.agree(root.subject("ann"), "improve")
            assert person.read(root.subject("ann")) != hers

    def test_shows_nothing_on_disk(self, tmp_path: Path) -> None:
        """
        The true cell, which noise hides, is in no file, nor is its name.
        """
        person = Person(tmp_path, policy(NOISE))
        with person.open() as kit:
            person.agree(kit)
            person.capture(kit)
            found = b"".join(content for _, content in files(tmp_path))

        assert HERE.index.encode() not in found
        assert b"2km:" not in found
        assert str(round(HERE.latitude, 3)).encode() not in found

    def test_damaged(self, tmp_path: Path) -> None:
        """
        Where it cannot be remembered there is no place, with the cure; a
        withdrawal works all the same, and a new yes begins anew.
        """
        person = Person(tmp_path, policy())
        with person.open() as kit:
            person.agree(kit)
            person.read(kit)
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as db:
            db.execute("UPDATE places SET sealed = zeroblob(99)")
            db.commit()

        with person.open() as kit:
            with kit.use("improve") as use:
                refused = use.location()
            assert isinstance(refused, Refusal)
            assert refused.reason is Reason.OUTBOX_UNUSABLE
            assert "last places" in refused.detail
            for function in ("improve", "logs"):
                kit.consent.withdraw(function)
            assert rows(tmp_path) == 0
            person.agree(kit)
            assert person.read(kit) == rounded(HOME)


class TestForget:
    """
    Tests for what a withdrawal takes along.
    """

    def test_60_grants_are_one_draw(self, tmp_path: Path) -> None:
        """
        Who withdraws one function again and again, while another one still
        reads places, is told to be in one cell.
        """
        person = Person(tmp_path, policy(NOISE, PLAIN))
        told = set()
        with person.open() as kit:
            person.agree(kit)
            person.read(kit, "logs")
            for fix in fixes(HOME, 60, metres=10):
                person.be(fix)
                told.add(person.read(kit))
                kit.consent.withdraw("improve")
                person.agree(kit, "improve")

        assert len(told) == 1

    def test_dies_with_the_last_consent(self, tmp_path: Path) -> None:
        """
        When nothing permits a place any more nothing of it is left, and
        what was sealed cannot be opened.
        """
        person = Person(tmp_path, policy(NOISE, PLAIN))
        with person.open() as kit:
            person.agree(kit)
            first, _ = person.read(kit), person.read(kit, "logs")
            kit.consent.withdraw("logs")
            assert rows(tmp_path) == 1
            assert person.read(kit) == first
            keys = {path.name for path in (tmp_path / "keys").glob("*.key")}

            kit.consent.withdraw("improve")
            assert rows(tmp_path) == 0
            left = {path.name for path in (tmp_path / "keys").glob("*.key")}
            assert not keys & left

            # Another secret, and so another draw and no last cell.
            person.be(BEYOND)
            person.agree(kit)
            assert person.read(kit) != first
            assert person.read(kit, "logs") == rounded(BEYOND)

    def test_only_who_read_a_place_needs_it(self, tmp_path: Path) -> None:
        """
        A grant under which no place was read does not keep the memory.
        """
        person = Person(tmp_path, policy())
        with person.open() as kit:
            person.agree(kit)
            say_yes(kit.consent, "paste")
            person.read(kit)
            kit.consent.withdraw("improve")

        assert rows(tmp_path) == 0

    def test_outlives_what_is_not_its_own(self, tmp_path: Path) -> None:
        """
        A withdrawal of something else replaces the key that seals it, and
        it is still there.
        """
        person = Person(tmp_path, policy(logs=None))
        with person.open() as kit:
            person.agree(kit, "improve")
            say_yes(kit.consent, "logs")
            person.read(kit)
            with kit.use("logs") as use:
                line = use.log_line_if_permitted("service_log", lambda: "x")
                assert use.capture(line)
            kit.consent.withdraw("logs")
            person.be(BEYOND)

            assert person.read(kit) == rounded(HOME)


class TestTell:
    """
    Tests for keeping a place on a change only.
    """

    def told(self, kit: Kit) -> Iterator[tuple[str, str]]:
        """
        List what waits: for whom, and when.
        """
        for record in kit.store.inspect():
            yield record.recipient, record.captured_at.isoformat()

    @pytest.mark.parametrize("protect", ["grid", PLAIN, NOISE])
    def test_once_for_each_cell(self, tmp_path: Path, protect: object) -> None:
        """
        Of all reads in one cell one is kept, by the hour, over starts too;
        what is read is the same each time.
        """
        person = Person(tmp_path, policy(protect), clock=Clock())
        for number in range(3):
            with person.open() as kit:
                if not number:
                    person.agree(kit)
                answers = [person.capture(kit) for _ in range(2)]
        with person.open() as kit:
            (told,) = self.told(kit)

        assert told[1].endswith(":00:00+00:00")
        for refused in answers:
            assert isinstance(refused, Refusal)
            assert refused.reason is Reason.NO_VALUE
            assert "the cell that was told" in refused.detail

    def test_each_change(self, tmp_path: Path) -> None:
        """
        A cell that was left and entered again is told again.
        """
        person = Person(tmp_path, policy())
        with person.open() as kit:
            person.agree(kit)
            for place in (HOME, FAR, FAR, HOME):
                person.be(place)
                person.capture(kit)

            assert len([*self.told(kit)]) == 3

    def test_each_recipient_and_grant(self, tmp_path: Path) -> None:
        """
        What one recipient was told is news to another, and after a
        withdrawal, which has it erased, to the same one.
        """
        person = Person(tmp_path, policy())
        with person.open() as kit:
            person.agree(kit)
            for _ in range(2):
                person.capture(kit, recipient="maker")
                person.capture(kit, recipient="helper")
            assert [who for who, _ in self.told(kit)] == ["maker", "helper"]

            kit.consent.withdraw("improve")
            person.agree(kit, "improve")
            assert person.capture(kit)
            assert not person.capture(kit)

    def test_a_full_outbox_tells_nothing(self, tmp_path: Path) -> None:
        """
        What was not kept was not told, and is told when there is room.
        """
        person = Person(tmp_path, policy())
        with person.open(limits=Limits(records=0)) as kit:
            person.agree(kit)
            refused = person.capture(kit)
        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.OUTBOX_FULL

        with person.open() as kit:
            assert isinstance(person.capture(kit), consentkit.Kept)

    def test_where_the_policy_says_each_time(self, tmp_path: Path) -> None:
        """
        A policy can promise each place and the minute instead.
        """
        each = {"name": "grid", "on_change": False, "time_step": "PT1M"}
        clock = Clock()
        person = Person(tmp_path, policy(each), clock=clock)
        with person.open() as kit:
            person.agree(kit)
            for _ in range(3):
                clock.tick(seconds=90)
                assert person.capture(kit)
            times = [at[14:19] for _, at in self.told(kit)]

        assert len(set(times)) == 3
        assert all(at.endswith(":00") for at in times)
