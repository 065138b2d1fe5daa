# SPDX-License-Identifier: MIT

"""
Tests for folding entries to the state of a person's choices.

What every short life adds up to is in ``test_fold_model.py``.
"""

from __future__ import annotations

import itertools

from datetime import timedelta

import pytest

from attrs import evolve

from consentkit.consent.state import (
    CLOSED_TO_BASES,
    OPEN,
    Choice,
    Status,
    fold,
    unreadable,
)
from consentkit.ledger.entries import Act, Actor, Entry
from tests.support import START, acts, small


POLICY = small()

# What each single act of a person makes of an element, if anything.
STATUS_AFTER = {
    Act.NOTICE_SHOWN: Status.ASKED,
    Act.DEFERRED: Status.DEFERRED,
    Act.GRANTED: Status.GRANTED,
    Act.REFUSED: Status.REFUSED,
    Act.WITHDRAWN: Status.WITHDRAWN,
    Act.OBJECTED: Status.OBJECTED,
    Act.INVALIDATED: Status.INVALIDATED,
}
# An age needs its facts.
ACTS = [act for act in Act if act is not Act.AGE_DECLARED]


def _status(*sequence: Act) -> Status:
    """
    Fold *sequence* on one element.
    """
    entries = acts(POLICY, *(("improve", act) for act in sequence))
    return fold(entries, POLICY).choices["improve"].status


class TestFold:
    """
    Tests for `fold`.
    """

    @pytest.mark.obligation("WP-ADD-1")
    def test_nothing_chosen_is_unknown(self) -> None:
        """
        Without entries every element is unknown, and none is granted.
        """
        state = fold((), POLICY)

        assert set(state.choices) == set(POLICY.elements)
        for element, choice in state.choices.items():
            contract = element.startswith("connect")
            unknown = Status.OTHER_BASIS if contract else Status.UNKNOWN

            assert choice.status is unknown
            assert not state.permits(element)
        assert not state.problem

    @pytest.mark.parametrize("act", ACTS)
    def test_one_act_has_its_status(self, act: Act) -> None:
        """
        Each act has one status; what is no choice has none.
        """
        assert _status(act) is STATUS_AFTER.get(act, Status.UNKNOWN)

    @pytest.mark.parametrize(
        "answer", [Act.GRANTED, Act.REFUSED, Act.WITHDRAWN, Act.OBJECTED]
    )
    @pytest.mark.parametrize("later", [Act.NOTICE_SHOWN, Act.DEFERRED])
    def test_no_answer_replaces_no_answer_given(
        self, answer: Act, later: Act
    ) -> None:
        """
        A notice or a closed prompt leaves an earlier answer standing.
        """
        assert _status(answer, later) is STATUS_AFTER[answer]

    @pytest.mark.obligation("WP-ADD-4")
    def test_elements_do_not_touch_each_other(self) -> None:
        """
        Every pair of acts on two elements folds each by itself.
        """
        alone = [a for a in ACTS if a is not Act.ERASED]
        for one, two in itertools.product(alone, repeat=2):
            entries = acts(POLICY, ("improve", one), ("logs", two))
            choices = fold(entries, POLICY).choices

            assert choices["improve"].status is _status(one)
            assert choices["logs"].status is _status(two)
            assert choices["paste"].status is Status.UNKNOWN

    @pytest.mark.obligation("WP-SENS-2")
    def test_granting_a_function_grants_no_separate_type(self) -> None:
        """
        A yes to a function is none to its sensitive types.
        """
        entries = acts(POLICY, ("connect", Act.GRANTED))
        choices = fold(entries, POLICY).choices

        assert choices["connect"].status is Status.GRANTED
        assert choices["connect/location_precise"].status not in OPEN

    def test_grant_of_unknown_terms_covers_nothing(self) -> None:
        """
        A yes to a text that nobody has any more covers nothing of this one.
        """
        (entry,) = acts(POLICY, ("improve", Act.GRANTED), terms="0" * 64)
        strange = evolve(entry, text="1" * 64)
        choice = fold([strange], POLICY).choices["improve"]

        assert choice.status is Status.WIDENED
        assert choice.covered == frozenset()

    @pytest.mark.parametrize("act", [a for a in ACTS if a is not Act.GRANTED])
    def test_only_a_grant_can_be_widened(self, act: Act) -> None:
        """
        A no stays a no, whatever the terms became.
        """
        entries = acts(POLICY, ("improve", act), terms="0" * 64)

        assert fold(entries, POLICY).choices["improve"].status is _status(act)

    def test_passes_over_what_the_policy_does_not_have(self) -> None:
        """
        Entries of functions that are gone are kept, and mean nothing.
        """
        entries = acts(POLICY, ("logs", Act.GRANTED), ("improve", Act.GRANTED))
        after = small(
            change=lambda tree: tree["functions"].pop(3)  # the logs
        )
        state = fold(entries, after)

        assert "logs" not in state.choices
        assert state.choices["improve"].status is Status.GRANTED

    def test_names_the_entry_that_decided(self) -> None:
        """
        Each choice carries its entry, and the epoch of the grant.
        """
        entries = acts(
            POLICY,
            ("improve", Act.GRANTED),
            ("improve", Act.WITHDRAWN),
            ("improve", Act.GRANTED),
            ("improve", Act.NOTICE_SHOWN),
        )
        choice = fold(entries, POLICY).choices["improve"]

        assert choice.entry is entries[2]
        assert choice.epoch == 3

    def test_names_the_grants_since_the_last_no(self) -> None:
        """
        What was kept under an earlier yes counts until the next no.
        """
        entries = acts(
            POLICY,
            ("improve", Act.GRANTED),
            ("improve", Act.WITHDRAWN),
            ("improve", Act.GRANTED),
            ("logs", Act.GRANTED),
            ("improve", Act.DEFERRED),
            ("improve", Act.GRANTED),
            ("logs", Act.REFUSED),
        )
        choices = fold(entries, POLICY).choices

        assert choices["improve"].status is Status.RENEWED
        assert choices["improve"].grants == (
            entries[2].hash,
            entries[5].hash,
        )
        assert choices["logs"].grants == ()
        assert choices["paste"].grants == ()

    @pytest.mark.parametrize("act", [a for a in ACTS if a is not Act.GRANTED])
    def test_no_grant_no_epoch(self, act: Act) -> None:
        """
        Only a grant that holds has an epoch.
        """
        entries = acts(POLICY, ("improve", act))

        assert fold(entries, POLICY).choices["improve"].epoch == 0

    def test_knows_the_latest_time(self) -> None:
        """
        Without a time of its own, the state's is the latest of all entries,
        not the last one's.
        """
        first, second = acts(POLICY, *[("improve", Act.GRANTED)] * 2)

        assert fold((second, first), POLICY).at == second.at
        assert fold((second, first), POLICY, at=START).at == START

    def test_names_what_was_shown_and_acknowledged(self) -> None:
        """
        The state carries the last notice and the last acknowledgement.
        """
        entries = acts(
            POLICY,
            ("improve", Act.NOTICE_SHOWN),
            ("improve", Act.NOTICE_SHOWN),
            ("logs", Act.ACKNOWLEDGED),
        )
        state = fold(entries, POLICY)

        assert state.shown == {"improve": entries[1]}
        assert state.acknowledged == {"logs": entries[2]}

    def test_a_base_that_ends(self) -> None:
        """
        A use of another basis holds until its end, or until a no.
        """
        (used,) = acts(POLICY, ("improve", Act.BASIS_USED))
        end = START + timedelta(hours=1)
        used = evolve(used, facts={"until": end.isoformat()})
        state = fold([used], POLICY)

        assert state.bases == (used,)
        assert state.until == end
        assert fold([used], POLICY, at=end).bases == ()
        (no,) = acts(POLICY, ("improve", Act.OBJECTED))
        assert fold([used, no], POLICY).bases == ()

    @pytest.mark.parametrize("element", ["", "improve"])
    def test_pausing_all(self, element: str) -> None:
        """
        A pause of everything pauses each, as one of its own does.
        """
        yes, pause, resume = acts(
            POLICY,
            ("improve", Act.GRANTED),
            ("improve", Act.PAUSED),
            ("improve", Act.RESUMED),
        )
        pause = evolve(pause, element=element)
        resume = evolve(resume, element=element)

        def status(*entries: Entry) -> Status:
            return fold(entries, POLICY).choices["improve"].status

        assert status(yes, pause) is Status.PAUSED
        assert status(yes, pause, resume) is Status.GRANTED

    def test_no_account_inherits_unless_the_document_says_so(self) -> None:
        """
        An account's yes counts for nothing where the document is silent.
        """
        (entry,) = acts(POLICY, ("improve", Act.GRANTED))
        account = evolve(entry, by=Actor.ACCOUNT)

        assert (
            fold([account], POLICY).choices["improve"].status is Status.UNKNOWN
        )

    def test_is_pure(self) -> None:
        """
        The same entries give an equal state, and are not changed.
        """
        entries: list[Entry] = [*acts(POLICY, ("improve", Act.GRANTED))]
        before = list(entries)

        assert fold(entries, POLICY) == fold(iter(entries), POLICY)
        assert entries == before


class TestState:
    """
    Tests for `State` and `Choice`.
    """

    def test_repr_counts(self) -> None:
        """
        The repr tells how much is granted, and nothing of the entries.
        """
        state = fold(acts(POLICY, ("improve", Act.GRANTED)), POLICY)
        count = len(POLICY.elements)

        assert repr(state) == f"<State: 1 of {count} granted>"

    def test_unreadable_permits_nothing(self) -> None:
        """
        A ledger that cannot be read leaves every element unreadable.
        """
        state = unreadable(POLICY, "the file is damaged")

        assert set(state.choices) == set(POLICY.elements)
        for element, choice in state.choices.items():
            assert choice.status is Status.UNREADABLE
            assert not state.permits(element)
            assert not choice.may_ask(START)
        assert state.problem == "the file is damaged"

    def test_permits_nothing_that_is_not_there(self) -> None:
        """
        An element that the policy does not have is not permitted.
        """
        assert not fold((), POLICY).permits("nothing")

    @pytest.mark.parametrize("status", Status)
    def test_what_is_open_is_open_to_bases(self, status: Status) -> None:
        """
        No status is open, and closed to a use of another basis.
        """
        assert status not in OPEN & CLOSED_TO_BASES

    def test_may_ask(self) -> None:
        """
        The app may ask from an instant on, or never.
        """
        choice = Choice(
            element="improve", status=Status.REFUSED, ask_from=START
        )
        never = evolve(choice, ask_from=None)

        assert choice.may_ask(START)
        assert not choice.may_ask(START - timedelta(milliseconds=1))
        assert not never.may_ask(START)
