# SPDX-License-Identifier: MIT
"""
Edges of consent, gate and delivery: what must not be read, kept or sent by
any way round.
"""

from __future__ import annotations

import sqlite3
import time

from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

import consentkit

from consentkit import Basis, OSPermission, Permit, Reason, Refusal
from consentkit.consent.signals import Signals
from consentkit.consent.state import Status, fold
from consentkit.exceptions import StoreError
from consentkit.ledger.entries import Act, Actor
from consentkit.policy import Policy
from tests.faults.support import Scripted
from tests.support import START, Clock, Spies, acts, make_kit, say_yes, small


CASE = "contract"


@frozen
class SessionEnded:
    """
    An event of ``improve``.
    """

    seconds: float


def edges(**tables: Any) -> Policy:
    """
    Give the small policy in which ``improve`` asks apart for ``mac_address``
    and has another basis too.

    Args:
        tables: Merged into tables of the same name.
    """

    def change(tree: dict[str, Any]) -> None:
        improve = tree["functions"][1]
        improve["collects"][0]["separate"] = True
        tree["exceptions"] = [
            {
                "basis": CASE,
                "acts": ["collection", "sharing"],
                "functions": ["improve"],
                "types": ["mac_address", "system_id"],
            }
        ]
        for name, more in tables.items():
            tree[name] = {**tree.get(name, {}), **more}

    return small(change=change)


def open_kit(folder: Path, *grants: str, **options: Any) -> consentkit.Kit:
    """
    Open a kit that no signal of this machine disturbs.
    """
    options.setdefault("policy", edges())
    options.setdefault("signals", Signals)
    options.setdefault("clock", Clock())
    return make_kit(folder, *grants, **options)


def keep_mac(kit: consentkit.Kit, **options: Any) -> Any:
    """
    Read the address of the device and keep it.
    """
    with kit.use("improve", **options) as use:
        return use.capture(use.device("mac_address"))


def sent(kit: consentkit.Kit, *transports: Scripted) -> list[str]:
    """
    Flush, and name the types that went out.
    """
    kit.flush()
    return [
        record.data_type
        for transport in transports
        for batch in transport.batches
        for record in batch.records
    ]


class TestOtherBases:
    """
    A no closes what was opened without a yes.
    """

    def test_it_opens(self, tmp_path: Path) -> None:
        """
        Without any answer the listed basis opens, and what it kept goes
        out: the positive twin.
        """
        there = Scripted()
        kit = open_kit(tmp_path, transport=there)

        assert keep_mac(kit, basis=Basis(id=CASE))

        assert sent(kit, there) == ["mac_address"]

    def test_no_to_a_part_ends_what_waits(self, tmp_path: Path) -> None:
        """
        A no to the separate type destroys what another basis kept of it.
        """
        there = Scripted()
        kit = open_kit(tmp_path, transport=there)
        assert keep_mac(kit, basis=Basis(id=CASE))

        done = kit.consent.deny("improve/mac_address")

        assert done.destroyed.records == 1
        assert sent(kit, there) == []

    def test_no_to_a_part_ends_the_permit(self, tmp_path: Path) -> None:
        """
        A permit on another basis reads nothing after a no to its type.
        """
        spies = Spies()
        kit = open_kit(tmp_path, spies=spies)
        with kit.use("improve", basis=Basis(id=CASE)) as use:
            permit = use.permit("mac_address")
            assert isinstance(permit, Permit)
            kit.consent.deny("improve/mac_address")

            with pytest.raises(consentkit.exceptions.DeadPermitError):
                spies["mac_address"].read(permit)

        assert spies.reads == 0

    def test_yes_after_a_no_revives_nothing(self, tmp_path: Path) -> None:
        """
        What was opened before a no stays closed after a later yes.
        """
        spies = Spies()
        kit = open_kit(tmp_path, spies=spies)
        with kit.use("improve", basis=Basis(id=CASE)) as use:
            permit = use.permit("system_id")
            assert isinstance(permit, Permit)
            kit.consent.deny("improve")
            kit.consent.grant("improve")

            with pytest.raises(consentkit.exceptions.DeadPermitError):
                spies["system_id"].read(permit)

        assert spies.reads == 0

    def test_no_to_a_part_leaves_the_rest(self, tmp_path: Path) -> None:
        """
        A use that begins after a no to a part opens the other types.
        """
        there = Scripted()
        kit = open_kit(tmp_path, transport=there)
        kit.consent.deny("improve/mac_address")

        with kit.use("improve", basis=Basis(id=CASE)) as use:
            assert use.capture(use.device("system_id"))

        assert sent(kit, there) == ["system_id"]

    def test_no_that_cannot_be_recorded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A no that the ledger does not take ends permits on other bases in
        this process all the same.
        """
        spies = Spies()
        kit = open_kit(tmp_path, spies=spies)
        with kit.use("improve", basis=Basis(id=CASE)) as use:
            permit = use.permit("system_id")
            assert isinstance(permit, Permit)
            full = StoreError(tmp_path, problem="full", cure="make room")
            monkeypatch.setattr(kit.ledger, "append_after", _raising(full))
            with pytest.raises(StoreError):
                kit.consent.withdraw("improve")

            with pytest.raises(consentkit.exceptions.DeadPermitError):
                spies["system_id"].read(permit)

    @pytest.mark.parametrize("whole", ["", "improve"])
    def test_pause_stops_it(self, tmp_path: Path, whole: str) -> None:
        """
        Who pauses what was never asked for stops its other bases too.
        """
        there, spies = Scripted(), Spies()
        kit = open_kit(tmp_path, transport=there, spies=spies)
        assert keep_mac(kit, basis=Basis(id=CASE))
        kit.consent.pause(whole)

        known = kit.consent.history()
        assert not keep_mac(kit, basis=Basis(id=CASE))
        assert kit.consent.history() == known
        assert sent(kit, there) == []
        kit.consent.resume(whole)
        assert sent(kit, there) == ["mac_address"]

    def test_pause_of_a_part_stops_what_waits(self, tmp_path: Path) -> None:
        """
        A pause of the separate type holds back what another basis kept.
        """
        there = Scripted()
        kit = open_kit(tmp_path, transport=there)
        assert keep_mac(kit, basis=Basis(id=CASE))
        kit.consent.pause("improve/mac_address")

        assert not keep_mac(kit, basis=Basis(id=CASE))
        assert sent(kit, there) == []

    def test_pause_outlives_a_restart(self, tmp_path: Path) -> None:
        """
        What only waits for the end of a pause is not destroyed meanwhile.
        """
        there = Scripted()
        kit = open_kit(tmp_path)
        assert keep_mac(kit, basis=Basis(id=CASE))
        kit.consent.pause()
        kit.close()

        kit = open_kit(tmp_path, transport=there)
        kit.consent.resume()

        assert sent(kit, there) == ["mac_address"]

    @pytest.mark.parametrize(
        "basis",
        [
            Basis(id=CASE, until=datetime(2027, 1, 1)),
            Basis(id=CASE, reason="x" * 5_000),
            Basis(id=CASE, reason="\ud800"),
        ],
    )
    def test_odd_words(self, tmp_path: Path, basis: Basis) -> None:
        """
        A basis in words that the ledger does not take breaks no host.
        """
        kit = open_kit(tmp_path)

        keep_mac(kit, basis=basis)

        assert not kit.consent.state().problem
        assert kit.why("improve", "mac_address").headline

    def test_the_ledger_keeps_no_nonsense(self, tmp_path: Path) -> None:
        """
        An end that is no time is not recorded: it would stop everything.
        """
        kit = open_kit(tmp_path)

        with pytest.raises(ValueError, match="until"):
            kit.consent.record_basis("improve", {"until": "some day"})

        assert not kit.consent.state().problem


class TestWhoSaysYes:
    """
    Only people, and those whose choice they inherit, say yes.
    """

    @pytest.mark.parametrize("by", [Actor.SYSTEM, Actor.CONTROLLER])
    def test_no_other(self, tmp_path: Path, by: Actor) -> None:
        """
        What runs the app cannot say yes in a person's place.
        """
        kit = open_kit(tmp_path)

        with pytest.raises(ValueError, match="by"):
            kit.consent.grant("improve", by=by)

        assert kit.consent.history() == ()

    @pytest.mark.parametrize("by", [Actor.ACCOUNT, Actor.ORGANISATION])
    def test_no_of_others_keeps_the_persons_yes(
        self, tmp_path: Path, by: Actor
    ) -> None:
        """
        What an account or an organisation takes back is its own yes; the
        person's goes on with it, or after it.
        """
        kit = open_kit(tmp_path, "improve", "improve/mac_address")
        kit.consent.grant("improve", by=by)
        kit.consent.withdraw("improve", by=by)
        for element in ("improve", "improve/mac_address"):
            kit.consent.grant(element, by=by)

        assert kit.consent.state().permits("improve")
        assert keep_mac(kit)

    def test_attested_in_odd_words(self, tmp_path: Path) -> None:
        """
        What a person vouches for may hold half a character.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["attest"] = "I may do this."

        kit = open_kit(tmp_path, "improve", policy=small(change=change))

        with kit.use("improve", attested="\ud800") as use:
            use.device("mac_address")


class TestSignalsThatFail:
    """
    Signals that cannot be read stop everything, and break nothing.
    """

    def test_nothing_is_read(self, tmp_path: Path) -> None:
        """
        A reader of signals that raises masks all; nothing gets out of it.
        """
        spies = Spies()
        kit = open_kit(tmp_path, "improve", spies=spies)
        kit.close()

        def broken() -> Signals:
            msg = "no such service"
            raise RuntimeError(msg)

        kit = open_kit(tmp_path, spies=spies, signals=broken)
        with kit.use("improve") as use:
            refused = use.device("system_id")

        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.MASKED
        assert spies.reads == 0
        assert not kit.why("improve").permitted
        assert kit.flush()


class TestTheWayOut:
    """
    What waits is held against the present policy before it goes.
    """

    def test_it_goes(self, tmp_path: Path) -> None:
        """
        Under the same policy it goes out after a restart: the twin.
        """
        assert self._sent_under(tmp_path) == ["app_usage_time"]

    def test_barred_recipient(self, tmp_path: Path) -> None:
        """
        Nothing goes to a recipient that the new version bars.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["recipients"][0]["assessment"] = {
                "reference": "File 7",
                "risk": "high",
            }

        assert self._sent_under(tmp_path, change) == []

    def test_recipient_of_others(self, tmp_path: Path) -> None:
        """
        Nothing goes to a recipient that the function has no more.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["recipients"] = ["maker"]
            tree["functions"][3]["recipients"] = ["maker", "helper"]

        assert self._sent_under(tmp_path, change) == []

    @pytest.mark.parametrize("formerly", [[], ["Helper GmbH"]])
    def test_another_recipient_of_its_name(
        self, tmp_path: Path, formerly: list[str]
    ) -> None:
        """
        Nothing goes to somebody else under the id of who was agreed to; to
        the same under a new name it does.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["recipients"][0]["name"] = "Other Inc."
            tree["recipients"][0]["formerly"] = formerly

        sent = ["app_usage_time"] * bool(formerly)
        assert self._sent_under(tmp_path, change) == sent

    def test_policy_to_come(self, tmp_path: Path) -> None:
        """
        Nothing goes under a policy that is not in force yet.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["policy"]["effective"] = (START + timedelta(days=9)).date()

        assert self._sent_under(tmp_path, change) == []

    @staticmethod
    def _sent_under(folder: Path, *changes: Any) -> list[str]:
        kit = open_kit(folder, "improve", policy=small())
        with kit.use("improve") as use:
            usage = use.device("app_usage_time", recipient="helper")
            assert use.capture(usage)
        kit.close()
        there = Scripted()
        kit = open_kit(
            folder,
            policy=small(**{f"c{i}": c for i, c in enumerate(changes)}),
            transport={"helper": there, "maker": Scripted()},
        )
        return sent(kit, there)


class TestClosed:
    """
    A closed kit does nothing more, in none of its parts.
    """

    def test_sends_nothing(self, tmp_path: Path) -> None:
        """
        A flush after the end sends nothing, even if it is the first.
        """
        there = Scripted()
        kit = open_kit(tmp_path, "improve", policy=small(), transport=there)
        assert keep_mac(kit)
        kit.close()

        assert sent(kit, there) == []
        assert kit.flush().problems

    def test_ends_the_kits_of_subjects(self, tmp_path: Path) -> None:
        """
        The kit of one person ends with the kit that it came from.
        """
        spies = Spies()
        kit = open_kit(tmp_path, policy=small(), spies=spies)
        ann = kit.subject("ann")
        say_yes(ann.consent, "improve")
        assert keep_mac(ann)
        kit.close()

        with ann.use("improve") as use:
            refused = use.device("mac_address")

        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.CLOSED
        assert spies.reads == 1


class TestClock:
    """
    A clock that jumps revives nothing and closes no way back.
    """

    def test_yes_after_a_jump(self, tmp_path: Path) -> None:
        """
        A yes that ran out is on record when it is said again while the
        clock is behind, and counts from the next start on.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["valid_for"] = "P30D"

        clock = Clock()
        kit = open_kit(
            tmp_path, "improve", policy=small(change=change), clock=clock
        )
        clock.tick(days=40)
        assert not kit.consent.state().permits("improve")
        clock.tick(days=-39)
        assert not kit.consent.state().permits("improve")

        kit.consent.grant("improve")

        granted = [e for e in kit.consent.history() if e.act is Act.GRANTED]
        assert len(granted) == 2
        kit.close()
        clock.tick(days=35)
        kit = open_kit(tmp_path, policy=small(change=change), clock=clock)
        assert kit.consent.state().choices["improve"].status is Status.EXPIRED


class TestSDK:
    """
    A third-party SDK runs under its consent only.
    """

    def test_new_purpose_of_our_own_sdk(self, tmp_path: Path) -> None:
        """
        An SDK whose data comes to the controller waits for a yes to a
        purpose that is new.
        """

        def own(tree: dict[str, Any]) -> None:
            tree["functions"][4]["recipients"] = ["maker"]

        def more(tree: dict[str, Any]) -> None:
            own(tree)
            tree["functions"][4]["purposes"].append("usage_statistics")

        kit = open_kit(tmp_path, "umeng", policy=small(own=own))
        assert kit.registry.start("umeng", object)
        kit.close()

        kit = open_kit(tmp_path, policy=small(more=more))

        refused = kit.registry.start("umeng", object)
        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.TERMS_CHANGED

    def test_no_in_another_process(self, tmp_path: Path) -> None:
        """
        An SDK that runs is stopped as soon as the gate is asked about it.
        """
        stopped: list[str] = []
        kit = open_kit(tmp_path, "umeng", policy=small())
        kit.registry.start("umeng", object, stop=lambda: stopped.append("x"))
        open_kit(tmp_path, policy=small()).consent.withdraw("umeng")

        assert isinstance(kit.registry.start("umeng", object), Refusal)

        assert stopped == ["x"]
        assert kit.registry.running == ()

    def test_no_to_its_recipient(self, tmp_path: Path) -> None:
        """
        An SDK stops with the yes to the recipient that it gives to.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["recipients"][1]["separate"] = True

        policy = small(change=change)
        stopped: list[str] = []
        kit = open_kit(tmp_path, "umeng", "umeng@umeng", policy=policy)
        kit.registry.start("umeng", object, stop=lambda: stopped.append("x"))

        kit.consent.withdraw("umeng@umeng")

        assert stopped == ["x"]

    def test_no_to_a_type_stops_no_sdk(self, tmp_path: Path) -> None:
        """
        An SDK runs on where what is taken back is none of its needs.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][4]["collects"] = [
                {"type": "imei", "protect": "keyed", "separate": True}
            ]

        policy = small(change=change)
        kit = open_kit(tmp_path, "umeng", "umeng/imei", policy=policy)
        assert kit.registry.start("umeng", object)

        assert kit.consent.withdraw("umeng/imei").still_running == ()

        assert kit.registry.running == ("umeng",)


class TestHeld:
    """
    What waits for an answer waits under the promise of then.
    """

    def test_it_is_kept(self, tmp_path: Path) -> None:
        """
        Under the same promise a yes keeps what waited: the twin.
        """
        assert self._kept_under(tmp_path, "float", "float") == 1

    def test_under_another_promise(self, tmp_path: Path) -> None:
        """
        A fraction that was held goes nowhere under a policy that promises
        whole numbers.
        """
        assert self._kept_under(tmp_path, "float", "int") == 0

    @pytest.mark.parametrize("stop", ["signal", "pause"])
    def test_nothing_is_held_that_is_stopped(
        self, tmp_path: Path, stop: str
    ) -> None:
        """
        Where a yes would be stopped too, nothing waits for one.
        """
        said = Signals(do_not_track="1") if stop == "signal" else Signals()
        kit = open_kit(
            tmp_path, policy=self._policy("float"), signals=lambda: said
        )
        if stop == "pause":
            kit.consent.pause()

        with kit.use("improve") as use:
            refused = use.capture(SessionEnded(1.5))

        assert isinstance(refused, Refusal)
        assert not refused.held
        assert not (tmp_path / "held.sqlite3").exists()

    def test_withdrawn_in_the_middle(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A withdrawal while what waited is being kept breaks no grant.
        """
        from consentkit.use import Use

        kit = open_kit(tmp_path, policy=self._policy("float"))
        with kit.use("improve") as use:
            assert use.capture(SessionEnded(1.5)).held
        ask = Use.permit

        def permit(self: Use, *args: Any, **options: Any) -> Any:
            answer = ask(self, *args, **options)
            if isinstance(answer, Permit):
                kit.consent.withdraw("improve")
            return answer

        monkeypatch.setattr(Use, "permit", permit)
        kit.consent.grant("improve")

        assert kit.status().waiting == 0

    @staticmethod
    def _policy(kind: str) -> Policy:
        def change(tree: dict[str, Any]) -> None:
            tree["consent"] = {"pending": "quarantine"}
            (event,) = tree["functions"][1]["events"]
            event["fields"]["seconds"] = kind

        return small(change=change)

    def _kept_under(self, folder: Path, then: str, now: str) -> int:
        kit = open_kit(folder, policy=self._policy(then))
        with kit.use("improve") as use:
            assert use.capture(SessionEnded(1.5)).held
        kit.close()
        kit = open_kit(folder, policy=self._policy(now))
        kit.consent.grant("improve")
        return kit.status().waiting


class TestBounds:
    """
    What is kept at hand is bounded.
    """

    def test_open_lanes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        However many people are served, few of their keys are in memory.
        """
        monkeypatch.setattr("consentkit.outbox.lanes._MOST_LANES", 2)
        kit = open_kit(tmp_path, policy=small())
        for name in "abcd":
            one = kit.subject(name)
            one.consent.grant("improve")
            assert keep_mac(one)
            assert keep_mac(one)

        assert len(kit.store._lanes) <= 2

    def test_states_that_refuse(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        While a ledger cannot be read, or a no cannot be recorded, the same
        state serves every question.
        """
        kit = open_kit(tmp_path, "improve")
        full = StoreError(tmp_path, problem="full", cure="make room")
        with monkeypatch.context() as patch:
            patch.setattr(kit.ledger, "append_after", _raising(full))
            with pytest.raises(StoreError):
                kit.consent.withdraw("improve")
        stopped = kit.consent.state()
        assert not stopped.permits("improve")
        assert kit.consent.state() is stopped
        kit.close()
        (tmp_path / "ledger.sqlite3").write_bytes(b"no database" * 100)
        kit = open_kit(tmp_path)

        state = kit.consent.state()

        assert state.problem
        assert kit.consent.state() is state
        assert kit.gate() is kit.gate()

    def test_empty_notice(self, tmp_path: Path) -> None:
        """
        A notice without a word is none.
        """
        kit = open_kit(tmp_path)

        with pytest.raises(ValueError, match="nothing"):
            kit.consent.show("improve/mac_address", text=" ")


class TestTooOften:
    """
    That a value was read in time excuses nothing else.
    """

    def test_value_of_somebody_paused(self, tmp_path: Path) -> None:
        """
        What was read of a person who paused is not kept through another's
        use, even where that one may not read again yet.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["collects"][0]["frequency"] = "P1D"

        kit = open_kit(tmp_path, policy=small(change=change))
        ann, bob = kit.subject("ann"), kit.subject("bob")
        for one in (ann, bob):
            say_yes(one.consent, "improve")
        with ann.use("improve") as use:
            of_ann = use.device("mac_address")
        ann.consent.pause("improve")
        with bob.use("improve") as use:
            assert use.device("mac_address")
            refused = use.capture(of_ann)

        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.CONSENT_CHANGED


class TestProtectionThatGrows:
    """
    Under a policy that promises more, no less is done.
    """

    def test_keyed_in_place_of_md5(self, tmp_path: Path) -> None:
        """
        What is keyed now is keyed for those too who agreed to an MD5.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["collects"][0]["protect"] = "keyed"

        kit = open_kit(tmp_path, "improve", policy=small())
        kit.close()
        kit = open_kit(tmp_path, policy=small(change=change))

        with kit.use("improve") as use:
            permit = use.permit("mac_address")

        assert isinstance(permit, Permit)
        assert permit.clause.protection.name.value == "keyed"


class TestWhy:
    """
    The explanation agrees with the decision.
    """

    def test_new_type_under_old_terms(self, tmp_path: Path) -> None:
        """
        Where only the new part is missing, the condition says so.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["collects"].append(
                {"type": "network_status", "protect": "none"}
            )

        kit = open_kit(tmp_path, "improve", policy=small())
        kit.close()
        kit = open_kit(tmp_path, policy=small(change=change))

        why = kit.why("improve", "network_status")

        assert not why.permitted
        assert any(c.holds is False for c in why.conditions)


def _raising(error: Exception) -> Any:
    def call(*_: Any, **__: Any) -> Any:
        raise error

    return call


def with_first(**keys: Any) -> Policy:
    """
    Give the small policy with keys of ``improve``'s first row.
    """

    def change(tree: dict[str, Any]) -> None:
        tree["functions"][1]["collects"][0].update(keys)

    return small(change=change)


def with_minors() -> Policy:
    """
    Give the small policy with bounds of age.
    """

    def change(tree: dict[str, Any]) -> None:
        tree["minors"] = {"minor_below": 18, "child_below": 14}

    return small(change=change)


class TestOverStarts:
    """
    What holds over starts, kits and clocks that are wrong.
    """

    def test_clock_set_back_before_a_start(self, tmp_path: Path) -> None:
        """
        A consent that ran out does not come back with an earlier clock.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["valid_for"] = "P30D"

        clock = Clock()
        policy = small(change=change)
        kit = open_kit(tmp_path, "improve", policy=policy, clock=clock)
        clock.tick(days=40)
        assert not kit.consent.state().permits("improve")
        kit.close()
        clock.tick(days=-39)

        kit = open_kit(tmp_path, policy=policy, clock=clock)

        assert not kit.consent.state().permits("improve")

    def test_clock_ahead_for_one_start(self, tmp_path: Path) -> None:
        """
        A clock that is years ahead at one start destroys nothing for good.
        """
        clock = Clock()
        kit = open_kit(tmp_path, "improve", policy=small(), clock=clock)
        assert keep_mac(kit)
        kit.close()
        for years in (20, -20):
            clock.tick(days=365 * years)
            kit = open_kit(tmp_path, policy=small(), clock=clock)
            kit.close()

        assert open_kit(tmp_path, policy=small()).status().waiting == 1

    def test_clock_ahead_for_two_starts(self, tmp_path: Path) -> None:
        """
        What is seen twice is believed: what is over by then is destroyed.
        """
        clock = Clock()
        kit = open_kit(tmp_path, "improve", policy=small(), clock=clock)
        assert keep_mac(kit)
        kit.close()
        clock.tick(days=365 * 20)
        waiting = []
        for _ in range(3):
            kit = open_kit(tmp_path, policy=small(), clock=clock)
            waiting.append(kit.status().waiting)
            kit.close()

        assert waiting == [1, 0, 0]

    def test_what_is_over_is_not_sent(self, tmp_path: Path) -> None:
        """
        Nor is anything sent whose time is over, be the clock right or not.
        """
        clock = Clock()
        transport = Scripted()
        kit = open_kit(
            tmp_path,
            "improve",
            policy=small(),
            clock=clock,
            transport=transport,
        )
        assert keep_mac(kit)
        clock.tick(days=365 * 20)
        assert sent(kit, transport) == []
        clock.tick(days=-365 * 20)

        assert sent(kit, transport) == ["mac_address"]

    def test_expiry_seen_by_nobody(self, tmp_path: Path) -> None:
        """
        What ran out is on record as soon as it was seen, once for all.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["valid_for"] = "P30D"

        clock = Clock()
        policy = small(change=change)
        kit = open_kit(tmp_path, "improve", policy=policy, clock=clock)
        clock.tick(days=40)
        for _ in range(3):
            assert not kit.consent.state().permits("improve")
        *_, granted, noted = kit.consent.history()

        assert granted.act is Act.GRANTED
        assert noted.act is Act.EXPIRED
        assert noted.facts == {"of": granted.hash}

    def test_a_new_yes_after_a_clock_ahead(self, tmp_path: Path) -> None:
        """
        A yes that a wrong clock ended is given anew, for its full time.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["valid_for"] = "P30D"

        clock = Clock()
        policy = small(change=change)
        kit = open_kit(tmp_path, "improve", policy=policy, clock=clock)
        clock.tick(days=7000)
        assert not kit.consent.state().permits("improve")
        clock.tick(days=-7000)
        assert not kit.consent.state().permits("improve")

        kit.consent.grant("improve")

        assert kit.consent.state().permits("improve")
        clock.tick(days=29)
        assert kit.consent.state().permits("improve")
        clock.tick(days=2)
        assert not kit.consent.state().permits("improve")

    @given(st.integers(-20_000, 20_000))
    @settings(deadline=None, max_examples=20)
    def test_time_takes_nothing_back(self, days: int) -> None:
        """
        Whatever the clock says, the same grants stand: time closes, and
        destroys nothing.
        """
        policy = with_minors()
        entries = acts(policy, ("improve", Act.GRANTED), ("logs", Act.GRANTED))
        at = START + timedelta(days=days)

        assert (
            fold(entries, policy, at=at).standing
            == fold(entries, policy).standing
            == {e.hash for e in entries}
        )

    def test_a_read_noted_by_a_clock_ahead(self, tmp_path: Path) -> None:
        """
        A read that a wrong clock noted far ahead holds up none for long.
        """
        clock = Clock()
        policy = with_first(frequency="P1D")
        kit = open_kit(tmp_path, "improve", policy=policy, clock=clock)
        clock.tick(days=7000)
        assert keep_mac(kit)
        clock.tick(days=-7000)

        assert keep_mac(kit)
        assert not keep_mac(kit)

    def test_unrecorded_no_is_recorded_later(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        As soon as the ledger takes entries again it has the no, and nothing
        else is left of it.
        """
        kit = open_kit(tmp_path, "improve", policy=small())
        full = StoreError(tmp_path, problem="full", cure="make room")
        with monkeypatch.context() as patch:
            patch.setattr(kit.ledger, "append_after", _raising(full))
            with pytest.raises(StoreError):
                kit.consent.withdraw("improve")
            with pytest.raises(StoreError):
                kit.consent.grant("improve")
            assert not kit.consent.state().permits("improve")
        kit.close()

        kit = open_kit(tmp_path, policy=small())

        *_, granted, withdrawn = kit.consent.history("improve")
        assert granted.act is Act.GRANTED
        assert withdrawn.act is Act.WITHDRAWN
        assert list((kit.data_dir / "unrecorded").iterdir()) == []
        kit.consent.grant("improve")
        assert kit.consent.state().permits("improve")

    def test_unrecorded_no_of_another_process(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Another process of the app stops for it too.
        """
        kit = open_kit(tmp_path, "improve", policy=small())
        other = open_kit(tmp_path, policy=small())
        assert other.consent.state().permits("improve")
        full = StoreError(tmp_path, problem="full", cure="make room")
        monkeypatch.setattr(kit.ledger, "append_after", _raising(full))
        with pytest.raises(StoreError):
            kit.consent.withdraw("improve")

        time.sleep(0.05)
        assert not other.consent.state().permits("improve")
        names = [p.name for p in (kit.data_dir / "unrecorded").iterdir()]
        assert names
        assert not any("improve" in name for name in names)

    def test_guardian_and_a_clock_ahead(self, tmp_path: Path) -> None:
        """
        What a guardian allowed is usable when the clock is right again.
        """
        clock = Clock()
        policy = with_minors()
        kit = open_kit(tmp_path, policy=policy, clock=clock)
        kit.consent.declare_age(born=date(2016, 1, 1))
        kit.consent.guardian_verified(method="form", reference="File 1")
        kit.consent.grant("improve", by=Actor.GUARDIAN)
        assert keep_mac(kit)
        kit.close()
        for years in (20, -20):
            clock.tick(days=365 * years)
            kit.close()
            kit = open_kit(tmp_path, policy=policy, clock=clock)

        assert kit.consent.state().permits("improve")
        assert keep_mac(kit)

    def test_guardian_who_was_not_verified(self, tmp_path: Path) -> None:
        """
        A yes of somebody who only said to be the guardian does not begin to
        count when a guardian is verified later.
        """
        kit = open_kit(tmp_path, policy=with_minors())
        kit.consent.declare_age(born=date(2016, 1, 1))
        kit.consent.grant("improve", by=Actor.GUARDIAN)

        kit.consent.guardian_verified(method="form", reference="File 1")

        assert not kit.consent.state().permits("improve")

    def test_frequency_over_a_start(self, tmp_path: Path) -> None:
        """
        What is read once a day at most is not read again after a start.
        """
        policy = with_first(frequency="P1D")
        kit = open_kit(tmp_path, "improve", policy=policy)
        assert keep_mac(kit)
        kit.close()

        assert not keep_mac(open_kit(tmp_path, policy=policy))

    def test_frequency_of_one_person(self, tmp_path: Path) -> None:
        """
        Nor is it for a person whose kit was made anew.
        """
        kit = open_kit(tmp_path, policy=with_first(frequency="P1D"))
        kit.subject("ann").consent.grant("improve")
        assert keep_mac(kit.subject("ann"))

        assert not keep_mac(kit.subject("ann"))

    def test_frequency_of_somebody_forgotten(self, tmp_path: Path) -> None:
        """
        Who is forgotten between the decision and the read is not read, and
        nobody else is taken for having been.
        """

        def forget(_: str) -> OSPermission:
            kit.forget("ann")
            return OSPermission.GRANTED

        policy = with_first(frequency="P1D", permission="phone")
        kit = open_kit(tmp_path, policy=policy, os_permission=forget)
        kit.consent.grant("improve")
        kit.subject("ann").consent.grant("improve")

        assert not keep_mac(kit.subject("ann"))
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as rows:
            assert not rows.execute("SELECT subject FROM reads").fetchall()
        assert keep_mac(kit)

    def test_unrecorded_no_of_one_person(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A person's no that the ledger does not take stops all kits of them.
        """
        kit = open_kit(tmp_path, policy=small())
        ann = kit.subject("ann")
        ann.consent.grant("improve")
        full = StoreError(tmp_path, problem="full", cure="make room")
        monkeypatch.setattr(kit.ledger, "append_after", _raising(full))
        with pytest.raises(StoreError):
            ann.consent.withdraw("improve")

        assert not kit.subject("ann").consent.state().permits("improve")

    def test_unrecorded_no_over_a_start(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A no that a full disk did not take still stops after a start.
        """
        kit = open_kit(tmp_path, "improve", policy=small())
        full = StoreError(tmp_path, problem="full", cure="make room")
        with monkeypatch.context() as patch:
            patch.setattr(kit.ledger, "append_after", _raising(full))
            with pytest.raises(StoreError):
                kit.consent.withdraw("improve")
        kit.close()

        kit = open_kit(tmp_path, policy=small())

        assert not kit.consent.state().permits("improve")

    def test_pause_of_an_sdk(self, tmp_path: Path) -> None:
        """
        Who pauses a third party's function stops its SDK.
        """
        stopped: list[str] = []
        kit = open_kit(tmp_path, "umeng", policy=small())
        kit.registry.start("umeng", object, stop=lambda: stopped.append("x"))

        kit.consent.pause("umeng")

        assert stopped == ["x"]

    def test_end_of_an_sdk_by_time(self, tmp_path: Path) -> None:
        """
        A consent that runs out stops its SDK at the next question.
        """

        def change(tree: dict[str, Any]) -> None:
            function = next(f for f in tree["functions"] if f["id"] == "umeng")
            function["valid_for"] = "P30D"

        stopped: list[str] = []
        clock = Clock()
        kit = open_kit(
            tmp_path, "umeng", policy=small(change=change), clock=clock
        )
        kit.registry.start("umeng", object, stop=lambda: stopped.append("x"))
        clock.tick(days=29)
        kit.flush()
        assert stopped == []
        clock.tick(days=2)
        kit.gate()

        assert stopped == ["x"]

    def test_end_of_an_sdk_by_another_process(self, tmp_path: Path) -> None:
        """
        So does a no in another process.
        """
        stopped: list[str] = []
        kit = open_kit(tmp_path, "umeng", policy=small())
        kit.registry.start("umeng", object, stop=lambda: stopped.append("x"))
        open_kit(tmp_path, policy=small()).consent.withdraw("umeng")

        kit.gate()

        assert stopped == ["x"]


class TestAtSending:
    """
    What is asked again when something goes out.
    """

    @pytest.mark.parametrize("holds", [True, False])
    def test_condition(self, tmp_path: Path, *, holds: bool) -> None:
        """
        What a function requires has to hold when its data is sent, too.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["requires"] = ["wifi"]

        met, there = {"wifi"}, Scripted()
        kit = open_kit(
            tmp_path,
            "improve",
            policy=small(change=change),
            conditions=lambda name: name in met,
            transport=there,
        )
        assert keep_mac(kit)
        if not holds:
            met.clear()

        assert sent(kit, there) == ["mac_address"] * holds
        met.add("wifi")
        assert sent(kit, there) == ["mac_address"]

    def test_permission_taken_away(self, tmp_path: Path) -> None:
        """
        A permission that the system took away is noticed by the flush, and
        what was read by it is gone.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["collects"][0]["permission"] = "phone"

        answers = [OSPermission.GRANTED]
        there = Scripted()
        kit = open_kit(
            tmp_path,
            "improve",
            policy=small(change=change),
            os_permission=lambda _: answers[-1],
            transport=there,
        )
        assert keep_mac(kit)
        answers.append(OSPermission.DENIED)

        assert sent(kit, there) == []
        assert kit.status().counts["permission_lost"] == 1
