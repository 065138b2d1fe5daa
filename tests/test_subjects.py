# SPDX-License-Identifier: MIT
"""
Tests for an app that serves many people with one kit.
"""

from __future__ import annotations

import sqlite3

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit import Permit, Reason, Refusal
from consentkit.consent.signals import Signals
from consentkit.consent.state import Status
from consentkit.exceptions import PolicyError, StoreError
from consentkit.ledger.entries import Act
from consentkit.ledger.sqlite import SQLiteLedger
from consentkit.ledger.verify import VerdictKind
from tests.faults.support import (
    Clock,
    Scripted,
    files,
    number,
    run,
    the_policy,
    tick,
)
from tests.policy.lint_support import CLEAN
from tests.support import Spies, Spy, make_kit, small


NAME = "ann.lovelace@example.org"


def open_kit(folder: Path, **options: Any) -> consentkit.Kit:
    """
    Open the kit of a server, on which no signal is set.
    """
    options.setdefault("clock", Clock())
    options.setdefault("signals", Signals)
    return consentkit.open(the_policy(), data_dir=folder, **options)


def book(kit: consentkit.Kit) -> SQLiteLedger:
    """
    Give the ledger of a kit, with its proofs.
    """
    assert isinstance(kit.ledger, SQLiteLedger)
    return kit.ledger


def status(kit: consentkit.Kit, element: str = "stats") -> Status:
    """
    Give the status of one element.
    """
    return kit.consent.state().choices[element].status


def sent(transport: Scripted) -> list[int]:
    """
    Give what the events counted that went out.
    """
    return [number(r) for b in transport.batches for r in b.records]


class TestApart:
    """
    Tests for choices that are each person's own.
    """

    def test_choices(self, tmp_path):
        """
        What one person chooses is chosen for nobody else, and not for the
        kit that all were made from.
        """
        kit = open_kit(tmp_path)
        ann, bob = kit.subject("ann"), kit.subject("bob")

        ann.consent.grant("stats")
        bob.consent.deny("stats")

        assert status(ann) is Status.GRANTED
        assert status(bob) is Status.REFUSED
        assert status(kit) is Status.UNKNOWN
        assert status(kit.subject("cy")) is Status.UNKNOWN

    def test_the_same_person_again(self, tmp_path):
        """
        Each kit of one id sees the same choices, at once and after a start.
        """
        kit = open_kit(tmp_path)
        first, second = kit.subject("ann"), kit.subject("ann")
        first.consent.grant("stats")

        assert status(second) is Status.GRANTED
        kit.close()
        assert status(open_kit(tmp_path).subject("ann")) is Status.GRANTED

    def test_asking_writes_nothing(self, tmp_path):
        """
        Who has chosen nothing leaves no trace, however often they come.
        """
        kit = open_kit(tmp_path)
        for n in range(50):
            one = kit.subject(f"visitor {n}")
            assert not tick(one, n)
            assert one.consent.may_ask()
            assert one.consent.history() == ()

        assert list(tmp_path.iterdir()) == []

    def test_sources_are_the_apps(self, tmp_path):
        """
        All people are read for by the same sources: how often a device
        bears to be asked does not grow with them.
        """
        kit = open_kit(tmp_path)
        ann, bob = kit.subject("ann"), kit.subject("bob")

        assert ann.source("mac_address") is not None
        assert ann.source("mac_address") is bob.source("mac_address")

    def test_history(self, tmp_path):
        """
        A person's history is theirs alone, chained by itself and within
        the one ledger.
        """
        kit = open_kit(tmp_path)
        ann, bob = kit.subject("ann"), kit.subject("bob")
        ann.consent.grant("stats")
        bob.consent.grant("stats")
        ann.consent.withdraw("stats")

        mine, theirs = ann.consent.history(), bob.consent.history()
        assert [e.act for e in mine] == [Act.GRANTED, Act.WITHDRAWN]
        assert [e.act for e in theirs] == [Act.GRANTED]
        assert mine[1].prior == mine[0].hash
        assert mine[1].prev == theirs[0].hash
        assert {e.subject for e in mine}.isdisjoint(e.subject for e in theirs)

    def test_names_are_in_one_place(self, tmp_path):
        """
        What the app calls a person is in the table of subjects, and in no
        entry, receipt or other file.
        """
        kit = open_kit(tmp_path)
        one = kit.subject(NAME)
        one.consent.grant("stats")
        tick(one, 1)
        (entry,) = one.consent.history()

        assert NAME not in entry.body
        assert NAME not in book(kit).receipt(entry.seq).text
        kit.close()
        found = [
            path.name
            for path, content in files(tmp_path)
            if NAME.encode() in content
        ]
        assert found == ["ledger.sqlite3"]

    def test_a_kit_of_a_kit(self, tmp_path):
        """
        A kit made from a person's kit is another person's, and shares the
        same files.
        """
        kit = open_kit(tmp_path)
        ann = kit.subject("ann")
        ann.consent.grant("stats")

        bob = ann.subject("bob")

        assert status(bob) is Status.UNKNOWN
        assert status(bob.subject("ann")) is Status.GRANTED
        assert bob.store is kit.store

    @pytest.mark.parametrize("id_", ["", "x" * 1001])
    def test_no_name(self, tmp_path, id_):
        """
        An empty or endless id is refused.
        """
        with pytest.raises(ValueError, match="1 to 1000 characters"):
            open_kit(tmp_path).subject(id_)

    @pytest.mark.parametrize("id_", ["local", "0" * 64, "'; --", "é\u202e"])
    def test_odd_names(self, tmp_path, id_):
        """
        An id is only a name: none reaches the choices of somebody else.
        """
        kit = open_kit(tmp_path)
        kit.consent.grant("stats")
        one = kit.subject(id_)
        assert status(one) is Status.UNKNOWN

        one.consent.grant("health")

        assert status(one, "health") is Status.GRANTED
        assert status(kit, "health") is Status.UNKNOWN

    def test_gpc(self, tmp_path):
        """
        Global Privacy Control of one browser concerns nobody else.
        """
        policy = small(
            signals=lambda tree: tree.update(signals={"gpc": ["improve"]})
        )
        kit = consentkit.open(policy, data_dir=tmp_path, signals=Signals)
        ann = kit.subject("ann")
        ann.consent.grant("improve")

        masked = kit.subject("ann", gpc=True)
        bob = kit.subject("bob", gpc=False)
        bob.consent.grant("improve")

        assert status(ann, "improve") is Status.GRANTED
        assert status(bob, "improve") is Status.GRANTED
        assert status(masked, "improve") is Status.MASKED

    def test_closing_one(self, tmp_path):
        """
        The end of one person's kit ends nobody else's.
        """
        kit = open_kit(tmp_path)
        ann, bob = kit.subject("ann"), kit.subject("bob")
        bob.consent.grant("stats")
        ann.consent.grant("stats")

        ann.close()

        assert tick(bob, 1)
        assert not tick(ann, 2)
        assert tick(kit.subject("ann"), 3)


class TestRecords:
    """
    Tests for records of many people in one outbox.
    """

    def test_a_withdrawal_leaves_the_others(self, tmp_path):
        """
        A withdrawal destroys the person's own records and nobody else's.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, transport=transport)
        ann, bob = kit.subject("ann"), kit.subject("bob")
        for one, first in ((ann, 10), (bob, 20)):
            one.consent.grant("stats")
            tick(one, first, first + 1)

        done = ann.consent.withdraw("stats")

        assert done.destroyed.records == 2
        kit.flush()
        assert sent(transport) == [20, 21]

    def test_an_erasure_is_their_own(self, tmp_path):
        """
        After a delivery, one person's withdrawal asks the recipient to
        erase what is theirs: another token than anybody else's.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, transport=transport)
        ann, bob = kit.subject("ann"), kit.subject("bob")
        for one in (ann, bob):
            one.consent.grant("stats")
            tick(one, 1)
        kit.flush()
        assert len({batch.erase for batch in transport.batches}) == 2

        ann.consent.withdraw("stats")
        kit.flush()

        assert len(transport.asked) == 1
        tick(bob, 2)
        kit.flush()
        assert sent(transport) == [1, 1, 2]

    def test_delivery_asks_for_each(self, tmp_path):
        """
        A flush lets out what the state of each person lets out now: what
        somebody has paused waits, and goes out later.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, transport=transport)
        ann, bob = kit.subject("ann"), kit.subject("bob")
        for n, one in enumerate((ann, bob)):
            one.consent.grant("stats")
            tick(one, n)
        ann.consent.pause("stats")

        report = kit.flush()
        assert (sent(transport), report.waiting) == ([1], 1)

        ann.consent.resume("stats")
        kit.flush()
        assert sent(transport) == [1, 0]

    def test_after_a_start(self, tmp_path):
        """
        A fresh process delivers for people of whom it has no kit.
        """
        kit = open_kit(tmp_path)
        for n, name in enumerate(("ann", "bob", "cy")):
            one = kit.subject(name)
            one.consent.grant("stats")
            tick(one, n)
        kit.subject("bob").consent.pause("stats")
        kit.close()

        transport = Scripted()
        open_kit(tmp_path, transport=transport).flush()

        assert sorted(sent(transport)) == [0, 2]

    def test_any_kit_flushes(self, tmp_path):
        """
        There is one outbox: flushing with one person's kit sends for all.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, transport=transport)
        ann, bob = kit.subject("ann"), kit.subject("bob")
        for n, one in enumerate((ann, bob)):
            one.consent.grant("stats")
            tick(one, n)

        ann.flush()

        assert sorted(sent(transport)) == [0, 1]

    def test_more_people_than_are_remembered(self, tmp_path, monkeypatch):
        """
        However many wait in the outbox, each is asked.
        """
        monkeypatch.setattr("consentkit._subjects._MOST", 2)
        transport = Scripted()
        kit = open_kit(tmp_path, transport=transport)
        for n in range(6):
            one = kit.subject(f"person {n}")
            one.consent.grant("stats")
            tick(one, n)
            if n % 2:
                one.consent.pause("stats")

        kit.flush()

        assert sorted(sent(transport)) == [0, 2, 4]

    def test_a_value_of_another(self, tmp_path):
        """
        What was read for one person cannot be kept under the consent of
        another.
        """
        from tests.support import Spies

        kit = open_kit(tmp_path, sources=Spies())
        ann, bob = kit.subject("ann"), kit.subject("bob")
        for one in (ann, bob):
            one.consent.grant("stats")
        with ann.use("stats") as use:
            device = use.device("system_id")

        with bob.use("stats") as use:
            refused = use.capture(device)

        assert isinstance(refused, Refusal)
        assert kit.status().waiting == 0

    def test_a_crash_in_a_withdrawal(self, tmp_path):
        """
        A withdrawal that was cut after the ledger had it is completed at
        the next start, for that person only.
        """
        program = """
            import os, sys
            from tests.test_subjects import *
            from consentkit.outbox.store import OutboxStore
            kit = open_kit(Path(sys.argv[1]))
            ann, bob = kit.subject("ann"), kit.subject("bob")
            for n, one in enumerate((ann, bob)):
                one.consent.grant("stats")
                assert tick(one, n)
            def die(*args, **options):
                os._exit(0)
            OutboxStore.destroy = die
            ann.consent.withdraw("stats")
            sys.exit("it lives on")
        """
        run(program, tmp_path)

        transport = Scripted()
        kit = open_kit(tmp_path, transport=transport)

        assert kit.status().waiting == 1
        assert kit.status().counts["withdrawn"] == 1
        kit.flush()
        assert sent(transport) == [1]


class TestForgetting:
    """
    Tests for a person who is to be forgotten.
    """

    def test_all_goes(self, tmp_path):
        """
        What waits is destroyed, recipients are asked to erase, and nothing
        is permitted any more.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, transport=transport)
        one = kit.subject(NAME)
        one.consent.grant("stats")
        one.consent.grant("health")
        tick(one, 1)
        kit.flush()
        tick(one, 2)

        done = kit.forget(NAME)

        assert done.destroyed.records == 1
        assert not tick(one, 3)
        kit.flush()
        assert sent(transport) == [1]
        assert len(transport.asked) == 1

    def test_entries_stay(self, tmp_path):
        """
        The entries stay, in a chain that verifies, and so do receipts; and
        nothing links them to anybody.
        """
        kit = open_kit(tmp_path)
        one, other = kit.subject(NAME), kit.subject("bob")
        one.consent.grant("stats")
        other.consent.grant("stats")
        entries = one.consent.history()
        receipt = book(kit).receipt(entries[0].seq)
        tag = entries[0].subject

        kit.forget(NAME)

        assert book(kit).verify().kind is VerdictKind.INTACT
        stay = book(kit).entries(tag)
        assert stay[: len(entries)] == entries
        assert stay[-1].act is Act.ERASED
        assert book(kit).receipt(entries[0].seq).entry == receipt.entry
        assert kit.ledger.subject(NAME) is None
        assert status(other) is Status.GRANTED
        kit.close()
        assert [
            path.name
            for path, content in files(tmp_path)
            if NAME.encode() in content
        ] == []

    def test_nobody_comes_back(self, tmp_path):
        """
        The same id is a new person: nothing is known of them, and they get
        another tag.
        """
        kit = open_kit(tmp_path)
        one = kit.subject(NAME)
        one.consent.grant("stats")
        tag = kit.ledger.subject(NAME)
        kit.forget(NAME)

        again = kit.subject(NAME)

        assert again.consent.history() == ()
        assert {c.status for c in again.consent.state().choices.values()} == {
            Status.UNKNOWN
        }
        again.consent.grant("health")
        assert kit.ledger.subject(NAME) not in (None, tag)
        assert status(again, "stats") is Status.UNKNOWN

    def test_a_kit_from_before(self, tmp_path):
        """
        A kit of the person that was made before does not bring them back.
        """
        kit = open_kit(tmp_path)
        one = kit.subject(NAME)
        one.consent.grant("stats")

        kit.forget(NAME)

        assert status(one) is Status.UNKNOWN
        assert not tick(one, 1)

    def test_in_a_read_of_the_clipboard(self, tmp_path):
        """
        Who is forgotten while their clipboard is read is not put on record
        again by the end of the read.
        """

        class Forgetting(Spy):
            def _read(self, permit: Permit, **_: Any) -> Any:
                kit.forget(NAME)
                return self.value

        spies = Spies()
        type_ = "clipboard_share_code"
        spies.by_type[type_] = Forgetting(type_, spies[type_].value)
        kit = make_kit(tmp_path, spies=spies)
        person = kit.subject(NAME)
        person.consent.grant("paste")
        with person.use("paste") as use:
            answer = use.clipboard("receive_share")

        assert isinstance(answer, Refusal)
        assert answer.reason is Reason.CONSENT_CHANGED
        assert spies.reads == 1
        assert kit.ledger.subject(NAME) is None
        assert person.consent.history() == ()

    def test_twice(self, tmp_path):
        """
        Forgetting somebody again changes nothing for them.
        """
        kit = open_kit(tmp_path)
        kit.subject(NAME).consent.grant("stats")
        kit.forget(NAME)

        kit.forget(NAME)

        assert kit.ledger.subject(NAME) is None
        assert book(kit).verify().kind is VerdictKind.INTACT

    def test_a_stranger(self, tmp_path):
        """
        Forgetting somebody who never chose anything records nothing.
        """
        kit = open_kit(tmp_path)
        kit.subject("ann").consent.grant("stats")

        kit.forget("nobody")

        with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as db:
            (count,) = db.execute("SELECT COUNT(*) FROM entries").fetchone()
        assert count == 1
        assert kit.ledger.subject("nobody") is None

    def test_the_ledger_of_the_kit_itself(self, tmp_path):
        """
        Forgetting a person leaves the choices of the kit's own user.
        """
        kit = open_kit(tmp_path)
        kit.consent.grant("stats")
        kit.subject(NAME).consent.grant("stats")

        kit.forget(NAME)

        assert status(kit) is Status.GRANTED


class TestStrict:
    """
    Tests for `open` with *strict*.
    """

    def test_findings(self, tmp_path):
        """
        What the linter finds is refused, each with its rule, place and
        cure; without *strict* it is not.
        """
        path = Path(__file__).parents[1] / "examples/camera_app/policy.toml"
        consentkit.open(path, data_dir=tmp_path).close()

        with pytest.raises(PolicyError) as caught:
            consentkit.open(path, data_dir=tmp_path, strict=True)

        faults = caught.value.faults
        assert len(faults) > 1
        assert all(f.path.startswith("$") and f.cure for f in faults)
        assert str(path) in str(caught.value)
        assert list(tmp_path.iterdir()) == []

    def test_without_findings(self, tmp_path):
        """
        A policy in which nothing is found opens.
        """
        with consentkit.open(CLEAN, data_dir=tmp_path, strict=True) as kit:
            assert kit.policy.functions


class TestUnrecorded:
    """
    A no that the ledger did not take, where many people are served.
    """

    def test_stops_one_person(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        It stops the person who said it, in every kit of theirs, and nobody
        else; the states of all others stay the very same.
        """
        kit = open_kit(tmp_path)
        ann, bob = kit.subject("ann"), kit.subject("bob")
        for one in (ann, bob):
            one.consent.grant("stats")
        before = bob.consent.state()

        def full(*_: Any, **__: Any) -> Any:
            raise StoreError(tmp_path, problem="full", cure="make room")

        with monkeypatch.context() as patch:
            patch.setattr(kit.ledger, "append_after", full)
            with pytest.raises(StoreError):
                ann.consent.withdraw("stats")

        assert status(kit.subject("ann"), "stats") is Status.WITHDRAWN
        assert bob.consent.state() is before
        ann.consent.settle()
        assert status(kit.subject("ann"), "stats") is Status.WITHDRAWN
        acts = [e.act for e in kit.subject("ann").consent.history("stats")]
        assert acts == [Act.GRANTED, Act.WITHDRAWN]
