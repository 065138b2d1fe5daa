# SPDX-License-Identifier: MIT

"""
Tests for a person's choices.
"""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from consentkit.consent import Act, Consent, Destroyed, Ledger, Status
from consentkit.exceptions import StoreError
from consentkit.gate import Gate, Permit, Reason, Refusal
from consentkit.policy import Policy
from tests.support import START, Clock, Spies, make_kit, small


POLICY = small()
PLACE = "connect/location_precise"

OPENED: list[Ledger] = []


@pytest.fixture(autouse=True)
def _close_ledgers() -> Iterator[None]:
    """
    Leave no file open behind a test.
    """
    yield
    while OPENED:
        OPENED.pop().close()


class Person:
    """
    Choices on a real ledger, with a record of what was carried out.
    """

    def __init__(self, folder: Path, *, policy: Policy = POLICY) -> None:
        self.clock = Clock()
        self.ledger = Ledger(folder / "ledger.sqlite3")
        OPENED.append(self.ledger)
        self.carried_out: list[tuple[frozenset[str], frozenset[str]]] = []
        self.trouble: Exception | None = None
        self.consent = Consent(
            policy=policy,
            ledger=self.ledger,
            clock=self.clock,
            carry_out=self._carry_out,
        )

    def _carry_out(
        self, elements: frozenset[str], grants: frozenset[str]
    ) -> tuple[Destroyed, tuple[str, ...]]:
        self.carried_out.append((elements, grants))
        if self.trouble is not None:
            raise self.trouble
        return Destroyed(records=len(grants)), ("umeng",)

    def status(self, element: str) -> Status:
        """
        Say where the person stands on *element*.
        """
        return self.consent.state().choices[element].status

    def statuses(self) -> dict[str, Status]:
        """
        Say where the person stands on everything.
        """
        choices = self.consent.state().choices
        return {element: choice.status for element, choice in choices.items()}

    def damage(self) -> None:
        """
        Make the ledger unreadable.
        """
        self.ledger.close()
        for file in self.ledger.path.parent.glob("ledger.sqlite3?*"):
            file.unlink()
        self.ledger.path.write_bytes(b"damaged" * 999)


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """
    Give somebody who has not chosen yet.
    """
    return Person(tmp_path)


class TestGrant:
    """
    Tests for saying yes.
    """

    def test_nothing_is_granted_by_default(self, person: Person) -> None:
        """
        No function is on before its own act (WP-ADD-1, WP-CONS-1).
        """
        assert set(person.statuses().values()) == {Status.UNKNOWN}
        assert person.consent.history() == ()

    def test_records_the_act(self, person: Person) -> None:
        """
        The entry holds who said what, how, when and on which text.
        """
        entry = person.consent.grant(
            "improve", method="settings", language="de"
        )

        assert person.consent.history() == (entry,)
        assert (entry.act, entry.element) == (Act.GRANTED, "improve")
        assert (entry.method, entry.language) == ("settings", "de")
        assert entry.at == START
        assert entry.terms == POLICY.functions["improve"].terms
        assert (entry.policy, entry.version) == (POLICY.id, POLICY.version)
        assert entry.text == POLICY.digest

    def test_language_is_the_policys_unless_named(
        self, person: Person
    ) -> None:
        """
        Without a language the text was the policy's own.
        """
        assert person.consent.grant("improve").language == "en"

    @pytest.mark.parametrize(
        "method",
        [
            "default",
            "implied",
            "install",
            "launch",
            "scroll",
            "silence",
            "use",
            "",
            "App",
            "two words",
            "a" * 65,
            "app\n",
            "ａｐｐ",
        ],
    )
    @pytest.mark.parametrize("verb", ["grant", "deny", "withdraw"])
    def test_needs_an_act(
        self, person: Person, verb: str, method: str
    ) -> None:
        """
        Silence, use and the like are no act; nothing comes of them
        (WP-CONS-2).
        """
        act = getattr(person.consent, verb)
        with pytest.raises(ValueError, match="must name the person's act"):
            act("improve", method=method)

        assert person.consent.history() == ()
        assert person.carried_out == []

    def test_of_a_function_grants_nothing_else(self, person: Person) -> None:
        """
        A yes to one function changes one status (WP-ADD-1, WP-SENS-2).
        """
        before = person.statuses()
        person.consent.grant("connect")

        assert person.statuses() == {**before, "connect": Status.GRANTED}

    def test_of_everything_in_one_act_does_not_exist(
        self, person: Person
    ) -> None:
        """
        After a yes to every function the sensitive type is still closed,
        and its own yes opens only that (WP-SENS-2).
        """
        for function in POLICY.functions:
            person.consent.grant(function)
        assert person.status(PLACE) is Status.UNKNOWN
        before = person.statuses()

        person.consent.grant(PLACE)

        assert person.statuses() == {**before, PLACE: Status.GRANTED}

    def test_twice_is_once(self, person: Person) -> None:
        """
        A second yes to the same is the first one.
        """
        first = person.consent.grant("improve")
        person.clock.tick(days=1)

        assert person.consent.grant("improve") == first
        assert len(person.consent.history()) == 1

    def test_again_after_new_terms(self, tmp_path: Path) -> None:
        """
        Where the terms have changed, a yes is needed and recorded anew.
        """
        Person(tmp_path).consent.grant("improve")

        def change(tree: dict) -> None:
            tree["functions"][1]["retention"] = "P3Y"

        later = Person(tmp_path, policy=small(change=change))
        assert later.status("improve") is Status.WIDENED

        later.consent.grant("improve")
        assert later.status("improve") is Status.GRANTED
        assert len(later.consent.history()) == 2

    @pytest.mark.parametrize("verb", ["grant", "deny", "withdraw"])
    @pytest.mark.parametrize(
        ("element", "near"),
        [
            ("imporve", "improve"),
            ("connect/location_precis", "connect/location_precise"),
            ("log", "logs"),
            ("zzz", "consentkit consent list"),
            ("", "consentkit consent list"),
        ],
    )
    def test_unknown_element_names_the_near_ones(
        self, person: Person, verb: str, element: str, near: str
    ) -> None:
        """
        A slip of the pen is answered with what was perhaps meant.
        """
        with pytest.raises(ValueError, match=f"{element!r}; .*{near}"):
            getattr(person.consent, verb)(element)

        assert person.consent.history() == ()

    @pytest.mark.parametrize(
        "element", ["connect/network_status", "logs/service_log", "connect/"]
    )
    def test_ordinary_type_is_no_decision_of_its_own(
        self, person: Person, element: str
    ) -> None:
        """
        Only what the policy sets apart can be decided on by itself.
        """
        with pytest.raises(ValueError, match="has nothing named"):
            person.consent.grant(element)


class TestTime:
    """
    Tests for the time of entries.
    """

    @given(st.lists(st.integers(-10_000, 10_000), max_size=5))
    @settings(deadline=None)
    def test_never_goes_back(
        self, tmp_path_factory: pytest.TempPathFactory, jumps: list[int]
    ) -> None:
        """
        No entry is earlier than the one before it, whatever the clock does.
        """
        person = Person(tmp_path_factory.mktemp("time"))
        for jump in jumps:
            person.clock.tick(minutes=jump)
            person.consent.grant("improve")
            person.consent.withdraw("improve")
        times = [entry.at for entry in person.consent.history()]

        assert times == sorted(times)
        assert len(times) == 2 * len(jumps)
        person.ledger.close()

    def test_is_cut_to_milliseconds(self, person: Person) -> None:
        """
        What is recorded is what is read back, to the last digit.
        """
        person.clock.tick(microseconds=1_999)
        entry = person.consent.grant("improve")

        assert entry.at == START + timedelta(milliseconds=1)
        assert person.consent.history() == (entry,)


class TestDeny:
    """
    Tests for saying no.
    """

    def test_is_recorded(self, person: Person) -> None:
        """
        A no is an answer, and kept like a yes.
        """
        done = person.consent.deny("improve")

        assert person.status("improve") is Status.REFUSED
        assert done.entries == person.consent.history()

    def test_twice_is_once(self, person: Person) -> None:
        """
        A second no adds nothing.
        """
        person.consent.deny("improve")

        assert person.consent.deny("improve").entries == ()
        assert len(person.consent.history()) == 1

    def test_of_what_was_granted_ends_it(self, person: Person) -> None:
        """
        A no to what was granted destroys like a withdrawal.
        """
        grant = person.consent.grant("improve")
        done = person.consent.deny("improve")

        assert person.status("improve") is Status.REFUSED
        assert person.carried_out == [
            (frozenset({"improve"}), frozenset({grant.hash}))
        ]
        assert done.destroyed == Destroyed(records=1)
        assert done.still_running == ("umeng",)

    def test_of_a_function_ends_its_separate_types(
        self, person: Person
    ) -> None:
        """
        A no to a function is one to what was open under it.
        """
        person.consent.grant("connect")
        person.consent.grant(PLACE)
        person.consent.deny("connect")

        assert person.status(PLACE) is Status.REFUSED

    @pytest.mark.parametrize("off", POLICY.elements)
    def test_touches_no_other_element(self, person: Person, off: str) -> None:
        """
        Silo-check: one switch off leaves every other as it was (WP-ADD-4,
        WP-CORE-1).
        """
        for element in POLICY.elements:
            person.consent.grant(element)
        person.consent.deny(off)

        changed = {
            element
            for element, status in person.statuses().items()
            if status is not Status.GRANTED
        }
        assert changed == {
            e for e in POLICY.elements if e == off or e.startswith(f"{off}/")
        }


class TestWithdraw:
    """
    Tests for taking a yes back.
    """

    def test_is_recorded_and_carried_out(self, person: Person) -> None:
        """
        The ledger has it, and what rested on the grant is destroyed
        (WP-ADD-3).
        """
        grant = person.consent.grant("improve")
        done = person.consent.withdraw("improve", method="settings")

        (entry,) = done.entries
        assert (entry.act, entry.method) == (Act.WITHDRAWN, "settings")
        assert person.status("improve") is Status.WITHDRAWN
        assert person.carried_out == [
            (frozenset({"improve"}), frozenset({grant.hash}))
        ]

    def test_keeps_what_was_before(self, person: Person) -> None:
        """
        The earlier yes stays on record (WP-PERM-9).
        """
        grant = person.consent.grant("improve")
        person.consent.withdraw("improve")

        assert person.consent.history("improve")[0] == grant

    def test_again_changes_nothing(self, person: Person) -> None:
        """
        A second withdrawal records nothing, and carries out once more.
        """
        person.consent.grant("improve")
        person.consent.withdraw("improve")
        again = person.consent.withdraw("improve")

        assert again.entries == ()
        assert len(person.consent.history()) == 2
        assert len(person.carried_out) == 2

    def test_of_a_function_takes_its_separate_types(
        self, person: Person
    ) -> None:
        """
        Withdrawing a function withdraws what was open under it, and a new
        yes to the function does not bring that back.
        """
        grants = {
            person.consent.grant(element).hash
            for element in ("connect", PLACE)
        }
        done = person.consent.withdraw("connect")

        assert {e.element for e in done.entries} == {"connect", PLACE}
        assert person.carried_out == [
            (frozenset({"connect", PLACE}), frozenset(grants))
        ]
        person.consent.grant("connect")
        assert person.status(PLACE) is Status.WITHDRAWN

    def test_of_a_separate_type_leaves_its_function(
        self, person: Person
    ) -> None:
        """
        The function goes on without the sensitive type.
        """
        person.consent.grant("connect")
        person.consent.grant(PLACE)
        done = person.consent.withdraw(PLACE)

        assert [e.element for e in done.entries] == [PLACE]
        assert person.status("connect") is Status.GRANTED

    def test_does_not_reach_functions_of_like_names(
        self, tmp_path: Path
    ) -> None:
        """
        Only the function itself ends, not one whose name begins so.
        """

        def change(tree: dict) -> None:
            tree["functions"][3]["id"] = "improve_more"

        person = Person(tmp_path, policy=small(change=change))
        person.consent.grant("improve")
        person.consent.grant("improve_more")
        person.consent.withdraw("improve")

        assert person.status("improve_more") is Status.GRANTED

    def test_ends_every_grant_there_was(self, person: Person) -> None:
        """
        Grants of before an earlier withdrawal are named again.
        """
        first = person.consent.grant("improve")
        person.consent.withdraw("improve")
        second = person.consent.grant("improve")
        person.consent.withdraw("improve")

        assert person.carried_out[-1][1] == {first.hash, second.hash}

    def test_that_cannot_be_recorded_holds_all_the_same(
        self, person: Person
    ) -> None:
        """
        Where the ledger takes no entry, the error names the cure, what
        waited is destroyed, and nothing is permitted in this process.
        """
        grant = person.consent.grant("improve")
        assert person.status("improve") is Status.GRANTED
        kept = person.ledger.append_after

        def fail(*_: object) -> tuple:
            raise StoreError(
                person.ledger.path, problem="full", cure="free some space"
            )

        person.ledger.append_after = fail  # type: ignore[assignment,method-assign]
        with pytest.raises(StoreError, match="free some space"):
            person.consent.withdraw("improve")

        assert person.status("improve") is Status.WITHDRAWN
        assert person.carried_out[0][1] == {grant.hash}

        person.ledger.append_after = kept  # type: ignore[method-assign]
        assert len(person.consent.withdraw("improve").entries) == 1
        assert person.status("improve") is Status.WITHDRAWN

    def test_that_cannot_be_carried_out_is_recorded(
        self, person: Person
    ) -> None:
        """
        Trouble with the outbox is raised, and the withdrawal stands.
        """
        person.consent.grant("improve")
        person.trouble = StoreError(
            person.ledger.path, problem="full", cure="free some space"
        )
        with pytest.raises(StoreError):
            person.consent.withdraw("improve")

        assert person.status("improve") is Status.WITHDRAWN
        assert person.consent.history()[-1].act is Act.WITHDRAWN

        person.trouble = None
        person.consent.grant("improve")
        assert person.status("improve") is Status.GRANTED

    def test_is_off_before_anything_is_destroyed(self, tmp_path: Path) -> None:
        """
        While a withdrawal is carried out nothing is permitted any more.
        """
        seen: list[Status] = []

        def carry_out(
            elements: frozenset[str], grants: frozenset[str]
        ) -> tuple[Destroyed, tuple[str, ...]]:
            seen.append(consent.state().choices["improve"].status)
            return Destroyed(), ()

        OPENED.append(Ledger(tmp_path / "ledger.sqlite3"))
        consent = Consent(
            policy=POLICY,
            ledger=OPENED[-1],
            clock=Clock(),
            carry_out=carry_out,
        )
        consent.grant("improve")
        consent.withdraw("improve")

        assert seen == [Status.WITHDRAWN]


class TestNote:
    """
    Tests for what is no answer.
    """

    @pytest.mark.parametrize(
        ("act", "status"),
        [
            (Act.NOTICE_SHOWN, Status.ASKED),
            (Act.DEFERRED, Status.DEFERRED),
        ],
    )
    def test_is_recorded(
        self, person: Person, act: Act, status: Status
    ) -> None:
        """
        A shown notice and a closed prompt are on record, and no yes.
        """
        person.consent.note("improve", act, method="terminal")

        assert person.status("improve") is status

    @pytest.mark.parametrize("act", [Act.GRANTED, Act.REFUSED, Act.WITHDRAWN])
    def test_cannot_choose(self, person: Person, act: Act) -> None:
        """
        A choice goes through its own verb.
        """
        with pytest.raises(ValueError, match="use grant, deny or withdraw"):
            person.consent.note("improve", act, method="terminal")

        assert person.consent.history() == ()


class TestShared:
    """
    Tests for choices that several processes and threads share.
    """

    def test_other_process_sees_a_withdrawal_at_once(
        self, tmp_path: Path
    ) -> None:
        """
        Two openings of one folder have one state.
        """
        one, two = Person(tmp_path), Person(tmp_path)
        one.consent.grant("improve")
        assert two.status("improve") is Status.GRANTED

        two.consent.withdraw("improve")
        assert one.status("improve") is Status.WITHDRAWN

    def test_state_is_not_folded_twice(self, person: Person) -> None:
        """
        Without a new entry the same state comes back.
        """
        person.consent.grant("improve")

        assert person.consent.state() is person.consent.state()

    def test_threads_keep_the_chain_whole(self, person: Person) -> None:
        """
        Acts from several threads are one sound chain.
        """
        verbs: list[Callable[..., object]] = [
            person.consent.grant,
            person.consent.withdraw,
        ]

        def act(element: str) -> None:
            for _ in range(3):
                for verb in verbs:
                    verb(element)

        threads = [
            threading.Thread(target=act, args=(element,))
            for element in ("improve", "logs", "paste")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [e.seq for e in person.consent.history()] == [*range(1, 19)]

    def test_history_of_one_element(self, person: Person) -> None:
        """
        The history can be asked for one element.
        """
        person.consent.grant("improve")
        person.consent.deny("logs")

        assert [e.act for e in person.consent.history("logs")] == [Act.REFUSED]
        assert person.consent.history("nothing") == ()

    def test_repr_names_the_policy_alone(self, person: Person) -> None:
        """
        What was chosen is not in the repr.
        """
        person.consent.grant("improve")

        assert repr(person.consent) == "<Consent under small 1>"


class TestUnreadable:
    """
    Tests for a ledger that cannot be read.
    """

    def test_state_refuses_everything(self, person: Person) -> None:
        """
        The state says what is wrong, permits nothing and raises nothing.
        """
        person.consent.grant("improve")
        person.damage()

        state = person.consent.state()

        assert str(person.ledger.path) in state.problem
        gate = Gate(policy=POLICY, state=state)
        for function in POLICY.functions.values():
            decision = gate.function(function.id)
            assert isinstance(decision, Refusal)
            assert decision.reason is Reason.LEDGER_UNREADABLE
            for data_type in function.clauses:
                refusal = gate.decide(function.id, data_type)
                assert isinstance(refusal, Refusal)
                assert refusal.reason is Reason.LEDGER_UNREADABLE
                assert refusal.detail == state.problem

    @pytest.mark.parametrize("verb", ["grant", "deny", "withdraw"])
    def test_acts_say_so(self, person: Person, verb: str) -> None:
        """
        An act that cannot be recorded is an error with its cure.
        """
        person.consent.grant("improve")
        person.damage()

        with pytest.raises(StoreError, match="backup"):
            getattr(person.consent, verb)("improve")

    def test_failed_withdrawal_still_says_what_is_wrong(
        self, person: Person
    ) -> None:
        """
        After a withdrawal that failed, the refusal names the ledger.
        """
        person.consent.grant("improve")
        person.damage()
        with pytest.raises(StoreError):
            person.consent.withdraw("improve")

        state = person.consent.state()
        assert str(person.ledger.path) in state.problem
        assert state.choices["improve"].status is Status.WITHDRAWN

    def test_use_raises_nothing(self, tmp_path: Path) -> None:
        """
        An app whose ledger breaks goes on, refused, with no source read.
        """
        spies = Spies()
        kit = make_kit(tmp_path, "improve", "connect", PLACE, spies=spies)
        with kit.use("improve") as use:
            assert isinstance(use.permit("mac_address"), Permit)
        kit.close()
        (tmp_path / "ledger.sqlite3").write_bytes(b"damaged" * 999)

        kit = make_kit(tmp_path, spies=spies)
        for name in POLICY.functions:
            with kit.use(name) as use:
                for got in (
                    use.device(),
                    use.device("mac_address"),
                    use.location(),
                    use.clipboard("receive_share"),
                    use.logs(),
                ):
                    assert isinstance(got, Refusal)
                    assert got.reason is Reason.LEDGER_UNREADABLE
        assert spies.reads == 0
        kit.close()

    def test_that_is_mended_is_read_again(self, person: Person) -> None:
        """
        Once the file is restored, the choices are there again.
        """
        person.consent.grant("improve")
        person.ledger.close()
        backup = person.ledger.path.read_bytes()
        person.damage()
        assert person.status("improve") is Status.UNREADABLE

        person.ledger.path.write_bytes(backup)
        assert person.status("improve") is Status.GRANTED
