# SPDX-License-Identifier: MIT
"""
Tests for what a person vouches for when a function is used, and for how
long a refusal is remembered.
"""

from __future__ import annotations

import sqlite3

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import consentkit
import consentkit.use

from consentkit import OSPermission, Reason, Refusal
from consentkit.consent.signals import Signals
from consentkit.ledger.entries import Act, Actor, Entry
from consentkit.ledger.sqlite import SQLiteLedger
from tests.faults.support import run
from tests.support import Spies, make_kit, small


SAID = "she said yes on the phone"


@pytest.fixture
def spies() -> Spies:
    """
    Give sources that count.
    """
    return Spies()


@pytest.fixture
def kit(tmp_path: Path, spies: Spies) -> consentkit.Kit:
    """
    Give a kit whose function ``improve`` needs the person's word.
    """
    policy = small(
        attest=lambda tree: tree["functions"][1].update(
            attest="The other person agreed."
        )
    )
    return make_kit(
        tmp_path, "improve", policy=policy, spies=spies, signals=Signals
    )


def attested(kit: consentkit.Kit) -> list[Entry]:
    """
    Give the entries on what was vouched for.
    """
    return [e for e in kit.consent.history() if e.act is Act.ATTESTED]


class TestAttestation:
    """
    Tests for `Kit.use` with *attested*.
    """

    def test_of_somebody_who_is_forgotten(self, tmp_path):
        """
        Whoever is forgotten right after the decision is not put on record
        again, and nothing is read.
        """

        def forget(_: str) -> OSPermission:
            opened.forget("ann")
            return OSPermission.GRANTED

        policy = small(
            attest=lambda tree: tree["functions"][1].update(
                attest="The other person agreed."
            )
        )
        spies = Spies()
        opened = make_kit(
            tmp_path, policy=policy, spies=spies, os_permission=forget
        )
        ann = opened.subject("ann")
        ann.consent.grant("improve")
        with ann.use("improve", attested=SAID) as use:
            refused = use.device("imei")

        assert refused.reason is Reason.CONSENT_CHANGED
        assert spies.reads == 0
        assert opened.ledger.subject("ann") is None

    def test_without(self, kit, spies):
        """
        Without the person's word nothing is read, and nothing is recorded.
        """
        with kit.use("improve") as use:
            refused = use.device("system_id")

        assert refused.reason is Reason.NOT_ATTESTED
        assert spies.reads == 0
        assert attested(kit) == []

    def test_with(self, kit, spies):
        """
        With it a value is read, and the ledger has who said what, to which
        function, before the read.
        """
        with kit.use("improve", attested=SAID) as use:
            assert use.device("system_id")

        (entry,) = attested(kit)
        assert entry.facts["said"] == SAID
        assert (entry.element, entry.by) == ("improve", Actor.PERSON)
        assert spies.reads == 1

    def test_once_for_a_use(self, kit):
        """
        It is recorded once for a use, however much is read, and anew for
        the next.
        """
        with kit.use("improve", attested=SAID) as use:
            use.device("system_id")
            use.capture(use.device("system_id"))
        assert len(attested(kit)) == 1

        with kit.use("improve", attested=SAID) as use:
            use.device("system_id")
        assert len(attested(kit)) == 2

    def test_not_where_it_is_refused(self, kit, spies):
        """
        What is refused for another reason records nothing.
        """
        kit.consent.withdraw("improve")

        with kit.use("improve", attested=SAID) as use:
            assert not use.device("system_id")

        assert attested(kit) == []
        assert spies.reads == 0

    def test_changes_no_consent(self, kit):
        """
        A word is no yes: the choices are what they were.
        """
        before = kit.consent.state().choices["improve"]
        with kit.use("improve", attested=SAID) as use:
            use.device("system_id")

        assert kit.consent.state().choices["improve"] == before

    def test_long(self, kit):
        """
        A very long word is cut to what an entry holds.
        """
        with kit.use("improve", attested="x" * 5_000) as use:
            assert use.device("system_id")

        assert attested(kit)[0].facts["said"] == "x" * 1_000

    def test_not_recorded(self, kit, spies, tmp_path):
        """
        Where it cannot be recorded, nothing is read.
        """
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as db, db:
            db.execute(
                "CREATE TRIGGER full BEFORE INSERT ON entries "
                "BEGIN SELECT RAISE(ABORT, 'full'); END"
            )

        with kit.use("improve", attested=SAID) as use:
            refused = use.device("system_id")

        assert isinstance(refused, Refusal)
        assert spies.reads == 0

    def test_elsewhere(self, kit):
        """
        A function that asks for no word records none.
        """
        kit.consent.grant("logs")
        with kit.use("logs", attested=SAID) as use:
            assert use.permit("service_log")

        assert attested(kit) == []

    def test_receipt(self, kit):
        """
        It has a receipt, as every entry.
        """
        with kit.use("improve", attested=SAID) as use:
            use.device("system_id")
        (entry,) = attested(kit)
        assert isinstance(kit.ledger, SQLiteLedger)

        assert kit.ledger.receipt(entry.seq).entry == entry


class TestRemembered:
    """
    Tests for a refusal that is asked for again in the same moment.
    """

    @pytest.fixture
    def stopped(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """
        Give the time that passes for refusals, to be set by the test.
        """
        now = [100.0]
        monkeypatch.setattr(consentkit.use, "monotonic", lambda: now[0])
        return now

    def open(self, folder: Path, spies: Spies) -> Any:
        """
        Open a kit on which nothing was answered.
        """
        return make_kit(folder, spies=spies, signals=Signals)

    def test_a_yes_here(self, tmp_path, spies, stopped):
        """
        A yes of this process is seen at once, although no time passes.
        """
        kit = self.open(tmp_path, spies)
        with kit.use("connect") as use:
            assert not use.location()
            kit.consent.grant("connect")
            kit.consent.show("connect/location_precise")
            kit.consent.grant("connect/location_precise")

            assert use.location()

    def test_a_yes_elsewhere(self, tmp_path, spies, stopped):
        """
        A yes of another process is seen when the moment is over, which is
        less than 50 ms.
        """
        kit = self.open(tmp_path, spies)
        with kit.use("connect") as use:
            assert not use.location()
            program = """
                import sys
                from pathlib import Path
                from tests.support import *
                names = "connect", "connect/location_precise"
                make_kit(Path(sys.argv[1]), *names).close()
            """
            run(program, tmp_path)

            stopped[0] += 0.001
            assert not use.location()
            stopped[0] += 0.049
            assert use.location()

    def test_a_no_is_never_late(self, tmp_path, spies, stopped):
        """
        A permit is never remembered: a no is seen at once, here and from
        another process.
        """
        names = "connect", "connect/location_precise"
        kit = make_kit(tmp_path, *names, spies=spies, signals=Signals)
        with kit.use("connect") as use:
            assert use.location()
            program = """
                import sys
                from pathlib import Path
                from tests.support import *
                kit = make_kit(Path(sys.argv[1]))
                kit.consent.withdraw("connect")
            """
            run(program, tmp_path)

            assert not use.location()

    def test_another_question(self, tmp_path, spies, stopped):
        """
        What is remembered answers the same question only, of the same use.
        """
        kit = make_kit(tmp_path, "connect", spies=spies, signals=Signals)
        with kit.use("connect") as use:
            assert not use.location()
            assert use.device("network_status")
        with kit.use("connect", purpose="device_binding") as other:
            refused = other.location()

        assert Reason.UNDECLARED_PURPOSE in (refused.reason, *refused.also)

    def test_out_of_use(self, tmp_path, spies, stopped):
        """
        After its use has ended, a remembered refusal is still a refusal.
        """
        kit = self.open(tmp_path, spies)
        with kit.use("connect") as use:
            assert not use.location()

        assert not use.location()
        assert spies.reads == 0
