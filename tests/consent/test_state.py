# SPDX-License-Identifier: MIT

"""
Tests for folding entries to the state of a person's choices.
"""

from __future__ import annotations

import itertools

from datetime import timedelta

import pytest

from consentkit.consent.entries import Act, Entry
from consentkit.consent.state import State, Status, fold
from tests.support import START, acts, small


POLICY = small()

# What each single act makes of an element.
STATUS_AFTER = {
    Act.NOTICE_SHOWN: Status.ASKED,
    Act.DEFERRED: Status.DEFERRED,
    Act.GRANTED: Status.GRANTED,
    Act.REFUSED: Status.REFUSED,
    Act.WITHDRAWN: Status.WITHDRAWN,
}
ANSWERS = {Act.GRANTED, Act.REFUSED, Act.WITHDRAWN}


def status_of(*sequence: Act) -> Status:
    """
    Fold *sequence* on one element.
    """
    entries = acts(POLICY, *(("improve", act) for act in sequence))
    return fold(entries, POLICY).choices["improve"].status


def reference(sequence: tuple[Act, ...]) -> Status:
    """
    Say the rule once more: the last answer; without one, the last act.
    """
    answers = [act for act in sequence if act in ANSWERS]
    if answers:
        return STATUS_AFTER[answers[-1]]
    return STATUS_AFTER[sequence[-1]] if sequence else Status.UNKNOWN


class TestFold:
    """
    Tests for `fold`.
    """

    def test_nothing_chosen_is_unknown(self) -> None:
        """
        Without entries every element is unknown, none granted (WP-ADD-1).
        """
        state = fold((), POLICY)

        assert set(state.choices) == set(POLICY.elements)
        assert {c.status for c in state.choices.values()} == {Status.UNKNOWN}
        assert state.at is None
        assert not state.problem

    @pytest.mark.parametrize("act", Act)
    def test_one_act_has_its_status(self, act: Act) -> None:
        """
        Each act has one status.
        """
        assert status_of(act) is STATUS_AFTER[act]

    @pytest.mark.parametrize("answer", sorted(ANSWERS, key=str))
    @pytest.mark.parametrize("later", [Act.NOTICE_SHOWN, Act.DEFERRED])
    def test_no_answer_replaces_no_answer_given(
        self, answer: Act, later: Act
    ) -> None:
        """
        A notice or a closed prompt leaves an earlier answer standing.
        """
        assert status_of(answer, later) is STATUS_AFTER[answer]

    def test_every_short_life_follows_the_rule(self) -> None:
        """
        All sequences of up to four acts fold as the rule says.
        """
        for length in range(5):
            for sequence in itertools.product(Act, repeat=length):
                assert status_of(*sequence) is reference(sequence), sequence

    def test_elements_do_not_touch_each_other(self) -> None:
        """
        Every pair of acts on two elements folds each by itself (WP-ADD-4).
        """
        for one, two in itertools.product(Act, repeat=2):
            entries = acts(POLICY, ("improve", one), ("logs", two))
            choices = fold(entries, POLICY).choices

            assert choices["improve"].status is STATUS_AFTER[one]
            assert choices["logs"].status is STATUS_AFTER[two]
            assert choices["paste"].status is Status.UNKNOWN

    def test_granting_a_function_grants_no_separate_type(self) -> None:
        """
        A yes to a function is none to its sensitive types (WP-SENS-2).
        """
        entries = acts(POLICY, ("connect", Act.GRANTED))
        choices = fold(entries, POLICY).choices

        assert choices["connect"].status is Status.GRANTED
        assert choices["connect/location_precise"].status is Status.UNKNOWN

    def test_grant_of_other_terms_is_widened(self) -> None:
        """
        A yes to other terms than the present ones is not a yes to these.
        """
        entries = acts(POLICY, ("improve", Act.GRANTED), terms="0" * 64)
        choice = fold(entries, POLICY).choices["improve"]

        assert choice.status is Status.WIDENED
        assert choice.epoch == 0

    @pytest.mark.parametrize("act", [a for a in Act if a is not Act.GRANTED])
    def test_only_a_grant_can_be_widened(self, act: Act) -> None:
        """
        A no stays a no, whatever the terms became.
        """
        entries = acts(POLICY, ("improve", act), terms="0" * 64)

        assert (
            fold(entries, POLICY).choices["improve"].status
            is (STATUS_AFTER[act])
        )

    def test_separate_type_is_widened_with_its_function(self) -> None:
        """
        New terms of a function open its separate types anew as well.
        """
        element = "connect/location_precise"
        entries = acts(POLICY, (element, Act.GRANTED), terms="0" * 64)

        assert fold(entries, POLICY).choices[element].status is Status.WIDENED

    def test_passes_over_what_the_policy_does_not_have(self) -> None:
        """
        Entries of functions that are gone are kept, and mean nothing.
        """
        before = acts(POLICY, ("logs", Act.GRANTED), ("improve", Act.GRANTED))
        after = small(
            change=lambda tree: tree["functions"].pop(3)  # the logs
        )
        state = fold(before, after)

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

        assert choices["improve"].grants == (
            entries[2].hash,
            entries[5].hash,
        )
        assert choices["logs"].grants == ()
        assert choices["paste"].grants == ()

    @pytest.mark.parametrize("act", [a for a in Act if a is not Act.GRANTED])
    def test_no_grant_no_epoch(self, act: Act) -> None:
        """
        Only a grant that holds has an epoch.
        """
        entries = acts(POLICY, ("improve", act))

        assert fold(entries, POLICY).choices["improve"].epoch == 0

    def test_knows_the_latest_time(self) -> None:
        """
        The state's time is the latest of all entries, not the last one's.
        """
        first, second = acts(POLICY, *[("improve", Act.GRANTED)] * 2)
        state = fold((second, first), POLICY)

        assert state.at == START + timedelta(minutes=2)

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
    Tests for `State`.
    """

    def test_repr_counts(self) -> None:
        """
        The repr tells how much is granted, and nothing of the entries.
        """
        state = fold(acts(POLICY, ("improve", Act.GRANTED)), POLICY)

        assert repr(state) == "<State: 1 of 6 granted>"

    def test_unreadable_permits_nothing(self) -> None:
        """
        A ledger that cannot be read leaves every element unreadable.
        """
        state = State.unreadable(POLICY, "the file is damaged")

        assert {c.status for c in state.choices.values()} == {
            Status.UNREADABLE
        }
        assert state.problem == "the file is damaged"
