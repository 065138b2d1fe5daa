# SPDX-License-Identifier: MIT

"""
Tests for a person's choices.
"""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from consentkit.consent import Consent, Destroyed, Status
from consentkit.consent.age import AgeBand
from consentkit.exceptions import (
    NoticeNeededError,
    StoreError,
    TooOftenError,
    TooYoungError,
)
from consentkit.gate import Gate, Permit, Reason, Refusal
from consentkit.ledger import Act, Actor, SQLiteLedger
from consentkit.policy import Policy
from tests.support import START, Clock, Spies, make_kit, say_yes, small


POLICY = small()
PLACE = "connect/location_precise"
TICK = {"act": "tick"}

OPENED: list[SQLiteLedger] = []


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
        self.ledger = SQLiteLedger(folder / "ledger.sqlite3")
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

    @pytest.mark.obligation("WP-ADD-1", "WP-CONS-1")
    def test_nothing_is_granted_by_default(self, person: Person) -> None:
        """
        No function is on before its own act.
        """
        statuses = person.statuses()
        # It rests on a contract; that opens nothing by itself either.
        assert statuses.pop("connect") is Status.OTHER_BASIS
        assert statuses.pop(PLACE) is Status.OTHER_BASIS
        assert set(statuses.values()) == {Status.UNKNOWN}
        state = person.consent.state()
        assert not any(state.permits(e) for e in POLICY.elements)
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

    @pytest.mark.obligation("WP-CONS-2")
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
        Silence, use and the like are no act; nothing comes of them.
        """
        act = getattr(person.consent, verb)
        with pytest.raises(ValueError, match="must name the person's act"):
            act("improve", method=method)

        assert person.consent.history() == ()
        assert person.carried_out == []

    @pytest.mark.obligation("WP-ADD-1", "WP-SENS-2")
    def test_of_a_function_grants_nothing_else(self, person: Person) -> None:
        """
        A yes to one function changes one status.
        """
        before = person.statuses()
        person.consent.grant("connect")

        assert person.statuses() == {**before, "connect": Status.GRANTED}

    @pytest.mark.obligation("WP-SENS-2")
    def test_of_everything_in_one_act_does_not_exist(
        self, person: Person
    ) -> None:
        """
        After a yes to every function the sensitive type is still closed,
        and its own yes opens only that.
        """
        for function in POLICY.functions:
            say_yes(person.consent, function)
        assert not person.consent.state().permits(PLACE)
        before = person.statuses()

        say_yes(person.consent, PLACE)

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
        assert later.status("improve") is Status.RENEWED
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
    def test_is_what_the_clock_said(
        self, tmp_path_factory: pytest.TempPathFactory, jumps: list[int]
    ) -> None:
        """
        An entry has the time of the clock, right or wrong, and its place
        says what came first: a clock that was ahead once spoils no later
        entry.
        """
        person = Person(tmp_path_factory.mktemp("time"))
        times = []
        for jump in jumps:
            person.clock.tick(minutes=jump)
            person.consent.grant("improve")
            person.consent.withdraw("improve")
            times += [person.clock()] * 2
            assert person.status("improve") is Status.WITHDRAWN

        history = person.consent.history()
        assert [entry.at for entry in history] == times
        assert [entry.seq for entry in history] == [*range(1, len(times) + 1)]
        person.ledger.close()

    def test_is_cut_to_milliseconds(self, person: Person) -> None:
        """
        What is recorded is what is read back, to the last digit.
        """
        person.clock.tick(microseconds=1_999)
        entry = person.consent.grant("improve")

        assert entry.at == START + timedelta(milliseconds=1)
        assert person.consent.history() == (entry,)


class TestRate:
    """
    Tests for a ledger that a loop cannot fill.
    """

    def test_toggles(
        self, person: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A switch that is turned on and off again and again stays off, and the
        ledger stays as long as it is; after an hour it can be turned on.
        """
        monkeypatch.setattr("consentkit.consent.choices._MOST_AN_HOUR", 5)
        refused = []
        for _ in range(20):
            try:
                person.consent.grant("improve")
            except TooOftenError as error:
                refused.append(error.element)
            person.consent.withdraw("improve")

        assert refused == ["improve"] * 15
        assert len(person.consent.history()) == 10
        assert person.consent.grant("logs")
        person.clock.tick(hours=1)
        assert person.consent.grant("improve")

    def test_questions(
        self, person: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        The same question is recorded once until it is answered, and other
        words and closed prompts so often and no more.
        """
        monkeypatch.setattr("consentkit.consent.choices._MOST_AN_HOUR", 5)
        for _ in range(20):
            person.consent.show("improve")
        assert len(person.consent.history()) == 1
        for number in range(20):
            person.consent.show("improve", text=f"Text {number}")
            person.consent.defer("improve")

        acts = [entry.act for entry in person.consent.history()]
        assert acts.count(Act.NOTICE_SHOWN) == 5
        assert acts.count(Act.DEFERRED) == 5

    def test_pauses(self, person: Person) -> None:
        """
        A pause within a pause is the first one.
        """
        person.consent.grant("improve")
        first = person.consent.pause("improve")

        assert person.consent.pause("improve") == first
        assert person.consent.pause().element == ""
        person.consent.resume("improve")
        assert person.consent.pause("improve") != first


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
        say_yes(person.consent, PLACE)
        person.consent.deny("connect")

        assert person.status(PLACE) is Status.REFUSED

    @pytest.mark.obligation("WP-ADD-4")
    @pytest.mark.parametrize("off", POLICY.elements)
    def test_touches_no_other_element(self, person: Person, off: str) -> None:
        """
        Silo-check: one switch off leaves every other as it was.
        """
        for element in POLICY.elements:
            say_yes(person.consent, element)
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

    @pytest.mark.obligation("WP-ADD-3")
    def test_is_recorded_and_carried_out(self, person: Person) -> None:
        """
        The ledger has it, and what rested on the grant is destroyed.
        """
        grant = person.consent.grant("improve")
        done = person.consent.withdraw("improve", method="settings")

        (entry,) = done.entries
        assert (entry.act, entry.method) == (Act.WITHDRAWN, "settings")
        assert person.status("improve") is Status.WITHDRAWN
        assert person.carried_out == [
            (frozenset({"improve"}), frozenset({grant.hash}))
        ]

    @pytest.mark.obligation("WP-PERM-9")
    def test_keeps_what_was_before(self, person: Person) -> None:
        """
        The earlier yes stays on record.
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
            say_yes(person.consent, element).hash
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
        say_yes(person.consent, PLACE)
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

        def fail(*_: object, **__: object) -> tuple:
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

        OPENED.append(SQLiteLedger(tmp_path / "ledger.sqlite3"))
        consent = Consent(
            policy=POLICY,
            ledger=OPENED[-1],
            clock=Clock(),
            carry_out=carry_out,
        )
        consent.grant("improve")
        consent.withdraw("improve")

        assert seen == [Status.WITHDRAWN]


def after(tmp_path: Path, **changes: Callable[[dict], object]) -> Person:
    """
    Give somebody under the small policy, changed.
    """
    return Person(tmp_path, policy=small(**changes))


class TestNotice:
    """
    Tests for what a person sees before a decision.
    """

    def test_is_recorded(self, person: Person) -> None:
        """
        The digest of exactly what was shown is on record, and no yes.
        """
        shown = person.consent.show("improve", method="dialog")

        (entry,) = person.consent.history()
        assert (entry.act, entry.method) == (Act.NOTICE_SHOWN, "dialog")
        assert entry.notice == shown.digest
        assert shown.digest == sha256(shown.text.encode()).hexdigest()
        assert (shown.element, shown.language) == ("improve", "en")
        assert "To count users, we use pseudonyms" in shown.text
        assert person.status("improve") is Status.ASKED

    def test_may_have_own_words(self, person: Person) -> None:
        """
        An app's own text, such as a translation, is recorded as its own.
        """
        shown = person.consent.show("improve", text="Oui?", language="fr")

        assert (shown.text, shown.language) == ("Oui?", "fr")
        (entry,) = person.consent.history()
        assert (entry.notice, entry.language) == (shown.digest, "fr")

    @pytest.mark.parametrize("element", [PLACE, "umeng"])
    def test_is_needed(self, person: Person, element: str) -> None:
        """
        A decision of its own and a third party's function take no yes
        before their notice was shown, and the yes names that notice.
        """
        with pytest.raises(NoticeNeededError, match="call show"):
            person.consent.grant(element)
        assert person.consent.history() == ()

        shown = person.consent.show(element)
        entry = person.consent.grant(element)
        assert entry.notice == shown.digest

    def test_of_another_element_does_not_do(self, person: Person) -> None:
        """
        What was shown of the function is not what its sensitive type needs.
        """
        person.consent.show("connect")

        with pytest.raises(NoticeNeededError):
            person.consent.grant(PLACE)

    def test_of_an_older_version_does_not_do(self, tmp_path: Path) -> None:
        """
        Whoever saw an older text has not seen this one.
        """
        Person(tmp_path).consent.show("umeng")
        later = after(
            tmp_path, change=lambda t: t["policy"].update(version="2")
        )

        with pytest.raises(NoticeNeededError):
            later.consent.grant("umeng")
        later.consent.show("umeng")
        assert later.consent.grant("umeng").version == "2"

    def test_is_not_needed_for_others(self, person: Person) -> None:
        """
        A plain function of the app itself takes a yes without a record of
        its notice, and the yes names none.
        """
        assert person.consent.grant("improve").notice == ""

    @pytest.mark.parametrize("verb", ["grant", "deny"])
    def test_changes_no_answer(self, person: Person, verb: str) -> None:
        """
        Neither a notice nor a prompt that is closed answers anything.
        """
        getattr(person.consent, verb)("improve")
        before = person.status("improve")

        person.consent.show("improve")
        person.consent.defer("improve", method="terminal")

        assert person.status("improve") is before

    def test_closed_prompt_is_on_record(self, person: Person) -> None:
        """
        A prompt that was closed is no answer, and rests for two days.
        """
        person.consent.defer("improve", method="terminal")

        assert person.status("improve") is Status.DEFERRED
        assert "improve" not in person.consent.may_ask()
        person.clock.tick(hours=48)
        assert "improve" in person.consent.may_ask()

    @pytest.mark.parametrize("verb", ["show", "defer"])
    def test_of_nothing_is_named(self, person: Person, verb: str) -> None:
        """
        An element that there is not cannot be shown or put off.
        """
        with pytest.raises(ValueError, match="'imporve'; try improve"):
            getattr(person.consent, verb)("imporve")
        assert person.consent.history() == ()


class TestAct:
    """
    Tests for the act that agrees.
    """

    @pytest.mark.parametrize("element", ["improve", PLACE])
    def test_preselected_is_no_yes(self, person: Person, element: str) -> None:
        """
        A box that was ticked before the person came is no act.
        """
        person.consent.show(element)

        with pytest.raises(ValueError, match="on before the person came"):
            person.consent.grant(element, preselected=True)
        assert not person.consent.state().permits(element)

    @pytest.mark.parametrize("verb", ["grant", "accept", "accept_all"])
    def test_only_the_one_that_the_policy_names(
        self, tmp_path: Path, verb: str
    ) -> None:
        """
        Where the policy names the act, another one is refused by name.
        """
        person = after(tmp_path, change=lambda t: t.update(consent=TICK))
        act = getattr(person.consent, verb)
        if verb == "grant":
            act = partial(act, "improve")

        with pytest.raises(ValueError, match="method='tick'"):
            act(method="app")
        assert person.consent.history() == ()
        assert act(method="tick")

    def test_typed_out_says_as_much(self, tmp_path: Path) -> None:
        """
        An answer typed in full is as explicit as any control.
        """
        person = after(tmp_path, change=lambda t: t.update(consent=TICK))

        assert person.consent.grant("improve", method="terminal")

    def test_no_takes_any_act(self, tmp_path: Path) -> None:
        """
        Saying no must not be harder than saying yes.
        """
        person = after(tmp_path, change=lambda t: t.update(consent=TICK))
        person.consent.grant("improve", method="tick")

        person.consent.withdraw("improve", method="app")
        assert person.status("improve") is Status.WITHDRAWN


class TestAccept:
    """
    Tests for one act that says yes to several things.
    """

    @pytest.mark.obligation("WP-SENS-2")
    def test_policy_opens_the_core_alone(self, person: Person) -> None:
        """
        Accepting the policy opens core functions: no additional one, no
        third party and nothing sensitive.
        """
        made = person.consent.accept()

        state = person.consent.state()
        opened = {e for e in POLICY.elements if state.permits(e)}
        assert opened == {"connect"}
        assert [e.act for e in made] == [Act.POLICY_ADOPTED, Act.GRANTED]

    @pytest.mark.obligation("WP-SENS-2")
    def test_all_is_never_what_is_apart(self, tmp_path: Path) -> None:
        """
        Accepting all opens neither what is sensitive, nor a recipient of
        its own, nor the way abroad, nor a third party's function.
        """

        def change(tree: dict) -> None:
            tree["storage"] = {"regions": ["CN"]}
            tree["recipients"][0]["separate"] = True

        person = after(tmp_path, change=change)
        apart = {PLACE, "improve@helper", "improve@helper+abroad", "umeng"}
        person.consent.accept_all()

        state = person.consent.state()
        assert set(state.choices) >= apart
        opened = {e for e in state.choices if state.permits(e)}
        assert opened == set(state.choices) - apart - {"umeng@umeng"}

    def test_all_leaves_a_no_alone(self, person: Person) -> None:
        """
        What was refused or withdrawn is not among all.
        """
        person.consent.deny("improve")
        person.consent.grant("logs")
        person.consent.withdraw("logs")
        person.consent.accept_all()

        assert person.status("improve") is Status.REFUSED
        assert person.status("logs") is Status.WITHDRAWN
        assert person.status("paste") is Status.GRANTED

    def test_twice_grants_once(self, person: Person) -> None:
        """
        A second time adds nothing to what is granted and accepted.
        """
        person.consent.accept_all()
        again = person.consent.accept_all()

        assert again == ()
        assert person.status("improve") is Status.GRANTED

    def test_refusing_all_closes_everything(self, person: Person) -> None:
        """
        One act refuses everything, what was granted included, and destroys
        what rested on it.
        """
        grants = {
            say_yes(person.consent, e).hash for e in ("improve", "umeng")
        }
        done = person.consent.refuse_all(method="settings")

        statuses = person.statuses()
        assert statuses.pop(PLACE) in (Status.OTHER_BASIS, Status.REFUSED)
        assert set(statuses.values()) == {Status.REFUSED}
        assert {e.method for e in done.entries} == {"settings"}
        ((elements, ended),) = person.carried_out
        assert elements == set(POLICY.elements)
        assert ended == grants
        assert not any(e in person.consent.may_ask() for e in POLICY.elements)


class TestNewVersion:
    """
    Tests for a person who agreed to an older version.
    """

    @staticmethod
    def _widen(tree: dict) -> None:
        tree["policy"]["version"] = "2"
        improve = tree["functions"][1]
        improve["retention"] = "P3Y"
        improve["collects"].append({"type": "os_name", "protect": "none"})

    def _decide(self, person: Person, data_type: str) -> Permit | Refusal:
        state = person.consent.state()
        gate = Gate(policy=self.policy, state=state)
        return gate.decide("improve", data_type)

    @pytest.fixture
    def later(self, tmp_path: Path) -> Person:
        """
        Give somebody who agreed to version 1 and meets version 2.
        """
        Person(tmp_path).consent.grant("improve")
        self.policy = small(change=self._widen)
        return Person(tmp_path, policy=self.policy)

    def _check_older_terms(self, person: Person) -> None:
        assert person.status("improve") is Status.WIDENED
        permit = self._decide(person, "mac_address")
        assert isinstance(permit, Permit)
        assert str(permit.clause.retention) == "P1M"
        refusal = self._decide(person, "os_name")
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.TERMS_CHANGED

    def test_who_has_not_answered_stays_under_the_old(
        self, later: Person
    ) -> None:
        """
        What was agreed to goes on, on the stricter terms of then; what was
        added waits, and may be asked about.
        """
        self._check_older_terms(later)
        assert "improve" in later.consent.may_ask()
        later.clock.tick(days=1000)
        self._check_older_terms(later)

    def test_declining_keeps_the_old(self, later: Person) -> None:
        """
        A no to what was added leaves the rest as it was, destroys nothing,
        and is not asked about again.
        """
        entry = later.consent.decline("improve")

        assert (entry.act, entry.facts["of"]) == (Act.REFUSED, "widening")
        self._check_older_terms(later)
        assert later.carried_out == []
        assert "improve" not in later.consent.may_ask()

    def test_denying_ends_it(self, later: Person) -> None:
        """
        A plain no ends what was agreed to as well.
        """
        later.consent.deny("improve")

        assert later.status("improve") is Status.REFUSED
        assert not self._decide(later, "mac_address")
        assert len(later.carried_out) == 1

    def test_agreeing_opens_the_new(self, later: Person) -> None:
        """
        A yes to the new version holds on its own terms.
        """
        later.consent.decline("improve")
        later.consent.grant("improve")

        permit = self._decide(later, "os_name")
        assert isinstance(permit, Permit)
        assert str(permit.clause.retention) == "P36M"

    def test_nothing_to_decline(self, person: Person) -> None:
        """
        Where nothing was added there is nothing to decline.
        """
        person.consent.grant("improve")

        with pytest.raises(ValueError, match="use deny"):
            person.consent.decline("improve")

    def test_other_words_ask_for_nothing(self, tmp_path: Path) -> None:
        """
        A text that is put better takes no new yes.
        """
        Person(tmp_path).consent.grant("improve")

        def change(tree: dict) -> None:
            tree["policy"]["version"] = "2"
            tree["functions"][1].update(text="We count.", name="Counting")

        later = after(tmp_path, change=change)
        assert later.status("improve") is Status.GRANTED
        assert "improve" not in later.consent.may_ask()

    def test_less_is_covered(self, tmp_path: Path) -> None:
        """
        A version that asks for less goes on, on its own terms.
        """
        Person(tmp_path).consent.grant("improve")

        def change(tree: dict) -> None:
            tree["functions"][1]["retention"] = "P1D"

        later = after(tmp_path, change=change)
        self.policy = small(change=change)
        assert later.status("improve") is Status.NARROWED
        permit = self._decide(later, "mac_address")
        assert isinstance(permit, Permit)
        assert str(permit.clause.retention) == "P1D"


class TestPause:
    """
    Tests for stopping for a while.
    """

    @pytest.mark.parametrize("what", ["connect", ""])
    def test_stops_and_goes_on(self, person: Person, what: str) -> None:
        """
        A pause closes a function and what is beside it, or everything, and
        destroys nothing; when it is over all is as before.
        """
        for element in ("connect", PLACE):
            say_yes(person.consent, element)
        before = person.statuses()

        person.consent.pause(what)
        assert person.status("connect") is Status.PAUSED
        assert person.status(PLACE) is Status.PAUSED
        person.consent.resume(what)

        assert person.statuses() == before
        assert person.carried_out == []

    def test_touches_no_other(self, person: Person) -> None:
        """
        A pause of one function stops no other.
        """
        person.consent.grant("improve")
        person.consent.grant("logs")
        person.consent.pause("logs")

        assert person.status("improve") is Status.GRANTED

    def test_resuming_grants_nothing(self, person: Person) -> None:
        """
        What was never granted, or was taken back, does not come with it.
        """
        person.consent.grant("improve")
        person.consent.pause("improve")
        person.consent.withdraw("improve")
        person.consent.resume("improve")
        person.consent.resume("logs")

        assert person.status("improve") is Status.WITHDRAWN
        assert person.status("logs") is Status.UNKNOWN

    @pytest.mark.parametrize("verb", ["pause", "resume"])
    def test_of_nothing_is_named(self, person: Person, verb: str) -> None:
        """
        Only what there is can be paused, by an act.
        """
        with pytest.raises(ValueError, match="has nothing named"):
            getattr(person.consent, verb)("imporve")
        with pytest.raises(ValueError, match="person's act"):
            getattr(person.consent, verb)(method="silence")
        assert person.consent.history() == ()


class TestObject:
    """
    Tests for an objection.
    """

    def test_closes_and_destroys(self, person: Person) -> None:
        """
        An objection ends what was granted, and is not asked about again.
        """
        grant = person.consent.grant("improve")
        person.consent.object_to("improve")

        assert person.status("improve") is Status.OBJECTED
        assert person.carried_out == [
            (frozenset({"improve"}), frozenset({grant.hash}))
        ]
        person.clock.tick(days=10_000)
        assert "improve" not in person.consent.may_ask()

    def test_without_a_yes(self, person: Person) -> None:
        """
        One can object to what was never granted.
        """
        person.consent.object_to("connect")

        assert person.status("connect") is Status.OBJECTED

    def test_person_may_change_their_mind(self, person: Person) -> None:
        """
        A later yes of the person's own opens it again.
        """
        person.consent.object_to("improve")
        person.consent.grant("improve")

        assert person.status("improve") is Status.GRANTED


class TestInvalidate:
    """
    Tests for a consent that was found void.
    """

    def test_ends_what_was_granted(self, person: Person) -> None:
        """
        It is on record with its reason and by whom, and destroys like a
        withdrawal; the app may ask again.
        """
        person.consent.grant("improve")
        done = person.consent.invalidate("improve", reason="court order 7")

        (entry,) = done.entries
        assert (entry.by, entry.facts["reason"]) == (
            Actor.CONTROLLER,
            "court order 7",
        )
        assert person.status("improve") is Status.INVALIDATED
        assert len(person.carried_out) == 1
        assert "improve" in person.consent.may_ask()


class TestTerm:
    """
    Tests for how long answers hold.
    """

    @staticmethod
    def _dated(tree: dict) -> None:
        tree["consent"] = {"valid_for": "P1Y", "ask_again": "P30D"}

    def test_yes_runs_out(self, tmp_path: Path) -> None:
        """
        On its last day a consent holds, and then no more; what was kept is
        not destroyed by that, and a new yes opens it again.
        """
        person = after(tmp_path, change=self._dated)
        person.consent.grant("improve")

        person.clock.now = START.replace(year=2027) - timedelta(seconds=1)
        assert person.status("improve") is Status.GRANTED
        person.clock.now = START.replace(year=2027)
        assert person.status("improve") is Status.EXPIRED
        assert "improve" in person.consent.may_ask()
        assert person.carried_out == []
        person.consent.grant("improve")
        assert person.status("improve") is Status.RENEWED

    def test_clock_that_is_set_back_revives_nothing(
        self, tmp_path: Path
    ) -> None:
        """
        What has run out stays so, whatever the clock says later.
        """
        person = after(tmp_path, change=self._dated)
        person.consent.grant("improve")
        person.clock.tick(days=400)
        assert person.status("improve") is Status.EXPIRED

        person.clock.tick(days=-399)
        assert person.status("improve") is Status.EXPIRED

    def test_renewal_counts_from_its_day(self, tmp_path: Path) -> None:
        """
        A yes that is renewed in time holds for another term.
        """
        person = after(tmp_path, change=self._dated)
        first = person.consent.grant("improve")
        person.clock.tick(days=300)
        second = person.consent.grant("improve", renew=True)
        assert second != first

        person.clock.tick(days=300)
        assert person.status("improve") is Status.RENEWED
        assert person.consent.state().choices["improve"].grants == (
            first.hash,
            second.hash,
        )

    def test_no_rests(self, tmp_path: Path) -> None:
        """
        What was refused is asked about again after the policy's time, and
        what was withdrawn is not.
        """
        person = after(tmp_path, change=self._dated)
        person.consent.deny("improve")
        person.consent.grant("logs")
        person.consent.withdraw("logs")

        person.clock.tick(days=29)
        assert "improve" not in person.consent.may_ask()
        person.clock.tick(days=1)
        assert "improve" in person.consent.may_ask()
        person.clock.tick(days=9999)
        assert "logs" not in person.consent.may_ask()

    def test_second_no_rests_too(self, tmp_path: Path) -> None:
        """
        Who says no again when asked again is left alone for as long as the
        first time; said while it rests, it is no other answer.
        """
        person = after(tmp_path, change=self._dated)
        for answers in (1, 2, 3):
            for _ in range(3):
                person.consent.deny("improve")
                assert "improve" not in person.consent.may_ask()
            refused = [
                e
                for e in person.consent.history("improve")
                if e.act is Act.REFUSED
            ]
            assert len(refused) == answers
            person.clock.tick(days=29)
            assert "improve" not in person.consent.may_ask()
            person.clock.tick(days=1)
            assert "improve" in person.consent.may_ask()

    def test_no_rests_for_ever_by_default(self, person: Person) -> None:
        """
        Where the policy names no time, a no is not questioned.
        """
        person.consent.deny("improve")
        person.clock.tick(days=9999)

        assert "improve" not in person.consent.may_ask()

    def test_beside_waits_for_its_function(self, person: Person) -> None:
        """
        A decision beside a function is asked about once that is granted.
        """
        assert PLACE not in person.consent.may_ask()
        person.consent.grant("connect")

        assert PLACE in person.consent.may_ask()


def _young(*, barred: bool = False) -> Callable[[dict], None]:
    minors = {"child_below": 14, "minor_below": 18, "child_barred": barred}

    def change(tree: dict) -> None:
        tree["minors"] = minors

    return change


def _years(years: int, *, days: int = 0) -> date:
    """
    Give the birthday of somebody so old at the start.
    """
    return START.date().replace(year=START.year - years) - timedelta(days=days)


class TestAge:
    """
    Tests for what a person says of their age.
    """

    @pytest.mark.parametrize(
        ("born", "band", "status"),
        [
            (_years(13), AgeBand.CHILD, Status.GUARDIAN_NEEDED),
            (_years(14, days=-1), AgeBand.CHILD, Status.GUARDIAN_NEEDED),
            (_years(14), AgeBand.MINOR, Status.GUARDIAN_NEEDED),
            (_years(18, days=-1), AgeBand.MINOR, Status.GUARDIAN_NEEDED),
            (_years(18), AgeBand.ADULT, Status.GRANTED),
        ],
    )
    def test_bands(
        self, tmp_path: Path, born: date, band: AgeBand, status: Status
    ) -> None:
        """
        The bands begin on birthdays, and the young need their guardian.
        """
        person = after(tmp_path, change=_young())

        assert person.consent.declare_age(born=born) is band
        person.consent.grant("improve")
        assert person.status("improve") is status

    def test_keeps_no_birthday(self, tmp_path: Path) -> None:
        """
        The ledger holds days on which something changes, of an adult none.
        """
        person = after(tmp_path, change=_young())
        person.consent.declare_age(born=date(1990, 5, 17))
        person.consent.declare_age(born=_years(15))

        grown, young = (dict(e.facts) for e in person.consent.history())
        assert grown == {"age": "declared"}
        assert young == {"age": "declared", "minor_until": "2029-11-20"}
        bodies = "".join(e.body for e in person.consent.history())
        assert "1990" not in bodies
        assert str(_years(15)) not in bodies

    def test_of_age_without_a_birthday(self, tmp_path: Path) -> None:
        """
        Saying to be of age is enough, and opens what is not for the young.
        """
        person = after(tmp_path, change=_young())
        person.consent.grant("connect")
        say_yes(person.consent, PLACE)
        assert person.status(PLACE) is Status.AGE_UNKNOWN

        assert person.consent.declare_age(adult=True) is AgeBand.ADULT
        assert person.status(PLACE) is Status.GRANTED

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({}, "birthday or adult"),
            ({"born": _years(20), "adult": True}, "birthday or adult"),
            ({"born": _years(0, days=-1)}, "in the future"),
        ],
    )
    def test_must_be_said(
        self, person: Person, given: dict, words: str
    ) -> None:
        """
        Nothing, both, and a day to come are no age.
        """
        with pytest.raises(ValueError, match=words):
            person.consent.declare_age(**given)
        assert person.consent.history() == ()

    def test_coming_of_age_takes_an_answer_of_ones_own(
        self, tmp_path: Path
    ) -> None:
        """
        On the day somebody is of age, what the guardian chose ends, and the
        person is asked.
        """
        person = after(tmp_path, change=_young())
        person.consent.declare_age(born=_years(17))
        person.consent.guardian_verified(method="call", reference="file 7")
        person.consent.grant("improve", by=Actor.GUARDIAN)
        assert person.status("improve") is Status.GRANTED

        person.clock.now = START.replace(year=START.year + 1, hour=0)
        assert person.status("improve") is Status.UNKNOWN
        assert "improve" in person.consent.may_ask()

    def test_born_on_a_leap_day(self, tmp_path: Path) -> None:
        """
        Who was born on 29 February is of age on the first of March, where
        the year has no such day.
        """
        person = after(tmp_path, change=_young())
        person.clock.now = START.replace(year=2026, month=2, day=28)
        person.consent.declare_age(born=date(2008, 2, 29))
        (entry,) = person.consent.history()

        assert entry.facts["minor_until"] == "2026-03-01"
        assert person.consent.state().age is AgeBand.MINOR
        person.clock.tick(days=1)
        assert person.consent.state().age is AgeBand.ADULT

    def test_minor_ends_what_was_granted(self, tmp_path: Path) -> None:
        """
        Who turns out to be too young loses what they granted, and what
        rested on it is destroyed.
        """
        person = after(tmp_path, change=_young())
        grant = person.consent.grant("improve")
        person.consent.declare_age(born=_years(15))

        assert person.status("improve") is Status.GUARDIAN_NEEDED
        assert person.carried_out == [
            (frozenset({"improve"}), frozenset({grant.hash}))
        ]


class TestBarredChild:
    """
    Tests for a child under a policy that is not for children.
    """

    @pytest.fixture
    def child(self, tmp_path: Path) -> Person:
        """
        Give somebody under a policy that bars children.
        """
        return after(tmp_path, change=_young(barred=True))

    def test_is_turned_away_and_not_written_down(self, child: Person) -> None:
        """
        Of a child who comes new, nothing is kept, and nothing opens.
        """
        band = child.consent.declare_age(born=_years(10))

        assert band is AgeBand.CHILD
        assert child.consent.history() == ()
        assert set(child.statuses().values()) == {Status.GUARDIAN_NEEDED}
        assert child.consent.may_ask() == ()
        for act in (
            partial(child.consent.grant, "improve"),
            child.consent.accept,
            child.consent.accept_all,
        ):
            with pytest.raises(TooYoungError):
                act()
        assert child.consent.history() == ()

    def test_what_there_was_is_annulled(
        self, child: Person, tmp_path: Path
    ) -> None:
        """
        What was granted before ends and is destroyed, for every process;
        the age itself is not on record.
        """
        grant = child.consent.grant("improve")
        child.consent.declare_age(born=_years(10))

        assert child.carried_out[0][1] == {grant.hash}
        other = after(tmp_path, change=_young(barred=True))
        assert other.status("improve") is Status.INVALIDATED
        assert other.consent.state().age is AgeBand.UNKNOWN
        for entry in other.consent.history():
            assert "child_until" not in entry.facts

    def test_may_have_been_a_slip(self, child: Person) -> None:
        """
        Who corrects the age can decide.
        """
        child.consent.declare_age(born=_years(10))
        child.consent.declare_age(born=_years(30))
        child.consent.grant("improve")

        assert child.status("improve") is Status.GRANTED


class TestGuardian:
    """
    Tests for a guardian who decides for somebody.
    """

    def test_must_be_verified(self, tmp_path: Path) -> None:
        """
        A guardian's yes counts once the app has verified the guardian.
        """
        person = after(tmp_path, change=_young())
        person.consent.declare_age(born=_years(10))
        person.consent.grant("improve", by=Actor.GUARDIAN)
        assert person.status("improve") is Status.GUARDIAN_NEEDED

        entry = person.consent.guardian_verified(
            method="video", reference="case 12"
        )
        assert entry.facts == {"reference": "case 12"}
        assert person.status("improve") is Status.GUARDIAN_NEEDED
        person.consent.grant("improve", by=Actor.GUARDIAN)
        assert person.consent.state().permits("improve")

    def test_childs_own_yes_does_not_do(self, tmp_path: Path) -> None:
        """
        With a guardian verified, it is still the guardian who decides.
        """
        person = after(tmp_path, change=_young())
        person.consent.declare_age(born=_years(10))
        person.consent.guardian_verified(method="video", reference="case 12")
        person.consent.grant("improve")

        assert person.status("improve") is Status.GUARDIAN_NEEDED

    @pytest.mark.parametrize(
        ("method", "reference"), [("video", " "), ("silence", "case 12")]
    )
    def test_needs_a_proof(
        self, person: Person, method: str, reference: str
    ) -> None:
        """
        Without a method and a reference nobody was verified.
        """
        with pytest.raises(ValueError, match="must"):
            person.consent.guardian_verified(
                method=method, reference=reference
            )
        assert person.consent.history() == ()


class TestOthers:
    """
    Tests for what an account or an organisation says.
    """

    @staticmethod
    def _inherits(tree: dict) -> None:
        tree["functions"][1]["inherits"] = True

    def test_account_counts_until_ones_own_answer(
        self, tmp_path: Path
    ) -> None:
        """
        Where the policy lets a function inherit, the account's yes counts
        until the person says something.
        """
        person = after(tmp_path, change=self._inherits)
        person.consent.grant("improve", by=Actor.ACCOUNT)
        person.consent.grant("logs", by=Actor.ACCOUNT)

        assert person.status("improve") is Status.INHERITED
        assert person.status("logs") is Status.UNKNOWN
        person.consent.deny("improve")
        person.consent.grant("improve", by=Actor.ACCOUNT)
        assert person.status("improve") is Status.REFUSED

    def test_organisation_can_forbid(self, person: Person) -> None:
        """
        What the organisation forbids no yes of the person opens.
        """
        person.consent.deny("improve", by=Actor.ORGANISATION)
        person.consent.grant("improve")

        choice = person.consent.state().choices["improve"]
        assert choice.status is Status.MASKED
        assert choice.cause == ("organisation",)


class TestImport:
    """
    Tests for taking over older answers.
    """

    OLD: ClassVar = {"improve": True, "logs": False}

    def test_old_no_is_a_no_and_old_yes_opens_nothing(
        self, person: Person
    ) -> None:
        """
        Both are on record with where they come from.
        """
        made = person.consent.import_legacy(self.OLD, origin="settings.ini")

        assert person.status("improve") is Status.UNKNOWN
        assert person.status("logs") is Status.REFUSED
        assert [(e.element, dict(e.facts)) for e in made] == [
            ("improve", {"value": "yes", "origin": "settings.ini"}),
            ("logs", {"value": "no", "origin": "settings.ini"}),
        ]

    def test_twice_is_once(self, person: Person) -> None:
        """
        Doing it at each start adds nothing.
        """
        person.consent.import_legacy(self.OLD, origin="settings.ini")
        before = person.consent.history()

        again = person.consent.import_legacy(self.OLD, origin="settings.ini")
        assert again == ()
        assert person.consent.history() == before

    def test_no_answer_of_today_is_overruled(self, person: Person) -> None:
        """
        What the person said here counts, whatever was said elsewhere.
        """
        person.consent.grant("logs")
        person.consent.deny("improve")
        person.consent.import_legacy(self.OLD, origin="settings.ini")

        assert person.status("logs") is Status.GRANTED
        assert person.status("improve") is Status.REFUSED

    def test_of_nothing_is_named(self, person: Person) -> None:
        """
        One unknown element stops the import of all.
        """
        with pytest.raises(ValueError, match="has nothing named"):
            person.consent.import_legacy(
                {"improve": False, "imporve": False}, origin="x"
            )
        assert person.consent.history() == ()


class TestAcknowledge:
    """
    Tests for what a person has to acknowledge first.
    """

    def test_counts_for_its_words(self, tmp_path: Path) -> None:
        """
        It opens the function, and other words have to be acknowledged anew.
        """

        def decide(words: str, *, acknowledge: bool) -> Permit | Refusal:
            policy = small(
                change=lambda t: t["functions"][1].update(acknowledge=words)
            )
            person = Person(tmp_path, policy=policy)
            person.consent.grant("improve")
            if acknowledge:
                person.consent.acknowledge("improve")
            gate = Gate(policy=policy, state=person.consent.state())
            return gate.decide("improve", "mac_address")

        before = decide("Tell the others.", acknowledge=False)
        assert isinstance(before, Refusal)
        assert before.reason is Reason.NOT_ACKNOWLEDGED
        assert decide("Tell the others.", acknowledge=True)
        assert not decide("Ask the others.", acknowledge=False)

    @pytest.mark.parametrize("element", ["improve", "imporve"])
    def test_where_there_is_something(
        self, person: Person, element: str
    ) -> None:
        """
        A function without such words has nothing to acknowledge.
        """
        with pytest.raises(ValueError, match=r"nothing named|no text"):
            person.consent.acknowledge(element)
        assert person.consent.history() == ()


class TestErase:
    """
    Tests for forgetting a person.
    """

    def test_next_one_is_somebody_else(self, person: Person) -> None:
        """
        Everything ends, the chain stays whole, and nothing of before counts
        for whoever comes next.
        """
        grant = person.consent.grant("improve")
        person.consent.deny("logs")
        person.consent.erase()

        assert person.carried_out[-1][1] == {grant.hash}
        assert person.consent.history()[-1].act is Act.ERASED
        assert person.status("logs") is Status.UNKNOWN
        assert "logs" in person.consent.may_ask()

    def test_of_nobody_writes_nothing(self, person: Person) -> None:
        """
        Where nobody has chosen, there is nothing to erase or to record.
        """
        person.consent.erase()

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
