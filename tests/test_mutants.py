# SPDX-License-Identifier: MIT

"""
Tests of rules that the other tests show only in part.

``python -m tests.mutate`` found each: a change of the code that broke the
rule was noticed by no test.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from attrs import evolve

from consentkit.consent.state import State, Status, fold, unreadable
from consentkit.gate import Gate, Reason, Refusal
from consentkit.ledger.entries import Act, Actor, Entry
from consentkit.policy import Policy
from tests.support import START, acts, small


POLICY = small()
PLACE = "connect/location_precise"


def improve(entries: list[Entry], policy: Policy = POLICY) -> Status:
    """
    Say where a person stands on ``improve``.
    """
    return fold(entries, policy).choices["improve"].status


class TestAnotherBasis:
    """
    Tests for the use of a lawful basis other than consent.
    """

    @pytest.mark.parametrize(
        "no", [Act.OBJECTED, Act.INVALIDATED, Act.REFUSED, Act.WITHDRAWN]
    )
    def test_a_no_ends_it_for_good(self, no: Act) -> None:
        """
        A later yes does not bring back what was begun before a no.
        """
        used, *later = acts(
            POLICY,
            ("improve", Act.BASIS_USED),
            ("improve", no),
            ("improve", Act.GRANTED),
        )

        assert fold([used], POLICY).bases == (used,)
        state = fold([used, *later], POLICY)
        assert state.bases == state.stopped_bases == ()
        assert state.permits("improve")

    @pytest.mark.parametrize(
        "no", [Act.OBJECTED, Act.INVALIDATED, Act.REFUSED, Act.WITHDRAWN]
    )
    def test_begins_against_no_no(self, no: Act) -> None:
        """
        A use that was begun after a no neither holds nor waits.
        """
        entries = acts(POLICY, ("improve", no), ("improve", Act.BASIS_USED))

        state = fold(entries, POLICY)
        assert state.bases == state.stopped_bases == ()

    def test_opens_nothing_unreadable(self) -> None:
        """
        Where a choice cannot be read, no other basis stands in for it.
        """
        (used,) = acts(POLICY, ("improve", Act.BASIS_USED))
        state = evolve(unreadable(POLICY, ""), bases=(used,))

        decision = Gate(policy=POLICY, state=state).decide(
            "improve", "mac_address", basis=used.hash
        )
        assert isinstance(decision, Refusal)
        assert decision.reason is Reason.LEDGER_UNREADABLE

    @pytest.mark.parametrize(
        ("act", "changes"),
        [
            (Act.NOTICE_SHOWN, {}),
            (Act.DEFERRED, {}),
            (Act.GRANTED, {}),
            (Act.PAUSED, {}),
            (Act.RESUMED, {}),
            (Act.REFUSED, {"facts": {"of": "widening"}}),
            (Act.REFUSED, {"by": Actor.ACCOUNT}),
            (Act.WITHDRAWN, {"by": Actor.ORGANISATION}),
        ],
    )
    def test_only_a_no_ends_it(
        self, act: Act, changes: dict[str, Any]
    ) -> None:
        """
        What is no no of the person's to all of it ends no use of it, and
        stops it for a time at most.
        """
        used, said = acts(
            POLICY, ("improve", Act.BASIS_USED), ("improve", act)
        )
        state = fold([used, evolve(said, **changes)], POLICY)

        assert (*state.bases, *state.stopped_bases) == (used,)


class TestNo:
    """
    Tests for what comes after a no.
    """

    @pytest.mark.parametrize(
        ("no", "stands"),
        [
            (Act.REFUSED, Status.REFUSED),
            (Act.WITHDRAWN, Status.WITHDRAWN),
            (Act.IMPORTED, Status.REFUSED),
            (Act.OBJECTED, Status.OBJECTED),
        ],
    )
    @pytest.mark.parametrize("later", [Act.INVALIDATED, Act.IMPORTED])
    def test_stays_what_it_was(
        self, no: Act, stands: Status, later: Act
    ) -> None:
        """
        Neither annulling a consent nor an older no makes another no of it.
        """
        entries = [
            evolve(e, facts={"value": "no"})
            for e in acts(POLICY, ("improve", no), ("improve", later))
        ]

        assert improve(entries[:1]) is stands
        assert improve(entries) is stands

    @pytest.mark.parametrize(
        "no", [Act.REFUSED, Act.WITHDRAWN, Act.OBJECTED, Act.INVALIDATED]
    )
    def test_is_the_strongest(self, no: Act) -> None:
        """
        A no stays the reason, whatever else would stop a yes: an age that
        is not known, a signal, the organisation, a pause.
        """
        policy = with_others()
        (said,) = acts(policy, (PLACE, no))
        forbids, pause = acts(
            policy, (PLACE, Act.WITHDRAWN), (PLACE, Act.PAUSED)
        )
        by_others = evolve(forbids, by=Actor.ORGANISATION)
        masks = {PLACE: ("GPC",)}

        alone = fold([said], small()).choices[PLACE]
        choice = fold([said, by_others, pause], policy, masks=masks).choices[
            PLACE
        ]
        assert choice.status is alone.status
        assert choice.cause == ()

    def test_of_another_document_means_nothing(self) -> None:
        """
        What was said under one document is no answer to another.
        """
        (yes,) = acts(POLICY, ("improve", Act.GRANTED))

        assert improve([yes]) is Status.GRANTED
        assert improve([evolve(yes, policy="other")]) is Status.UNKNOWN


class TestAsked:
    """
    Tests for what is said of somebody who has not answered.
    """

    @pytest.mark.parametrize("later", [Act.DEFERRED, Act.GRANTED, Act.PAUSED])
    def test_only_a_notice_is_shown(self, later: Act) -> None:
        """
        What was shown last is the last notice, whatever was said to it.
        """
        notice, answer = acts(
            POLICY, ("improve", Act.NOTICE_SHOWN), ("improve", later)
        )

        state = fold([notice, answer], POLICY)
        assert state.shown == {"improve": notice}

    @pytest.mark.parametrize(
        ("basis", "status"),
        [
            (["consent"], Status.UNKNOWN),
            (["separate_consent"], Status.UNKNOWN),
            (["guardian_consent"], Status.UNKNOWN),
            (["contract"], Status.OTHER_BASIS),
            (["contract", "guardian_consent"], Status.UNKNOWN),
        ],
    )
    def test_any_kind_of_consent_is_a_consent(
        self, basis: list[str], status: Status
    ) -> None:
        """
        A function that rests on a consent of any kind waits for it.
        """
        policy = small(change=lambda t: t["functions"][1].update(basis=basis))

        assert improve([], policy) is status


def with_others(**minors: Any) -> Policy:
    """
    Give the small policy with bounds of age, and with recipients that are
    decisions of their own.
    """

    def change(tree: dict[str, Any]) -> None:
        tree["minors"] = {"minor_below": 18, **minors}
        tree["storage"] = {"regions": ["CN", "DE"]}
        partner = {"id": "partner", "name": "P", "mode": "shared"}
        board = {"id": "board", "name": "B", "mode": "public"}
        tree["recipients"] += [
            {**partner, "country": "US"},
            {**board, "country": "CN"},
        ]
        tree["functions"][1]["recipients"] += ["partner", "board"]

    return small(change=change)


def fifteen(policy: Policy, **until: str) -> State:
    """
    Let somebody of fifteen say yes to everything; with *until* they are of
    another age.
    """
    entries = aged(policy, *((e, Act.GRANTED) for e in policy.elements))
    if until:
        facts = {"age": "declared", **until}
        entries[0] = evolve(entries[0], facts=facts)
    return fold(entries, policy)


def aged(policy: Policy, *steps: tuple[str, Act]) -> list[Entry]:
    """
    Make the entries of somebody who said to be fifteen, and acted so.
    """
    born, *said = acts(policy, ("improve", Act.AGE_DECLARED), *steps)
    facts = {"age": "declared", "minor_until": "2029-05-17"}
    return [evolve(born, element="", facts=facts), *said]


class TestAskingAgain:
    """
    Tests for when the app may ask.
    """

    def test_a_notice_does_not_rest(self) -> None:
        """
        A prompt that was closed rests; one that is still open does not.
        """
        (shown,) = acts(POLICY, ("improve", Act.NOTICE_SHOWN))
        (closed,) = acts(POLICY, ("improve", Act.DEFERRED))

        state = fold([shown], POLICY)
        assert state.choices["improve"].ask_from == state.at
        rests = fold([closed], POLICY).choices["improve"].ask_from
        assert rests == closed.at + timedelta(hours=48)

    def test_nobody_asks_who_objected(self) -> None:
        """
        A refusal that rests for a time may be asked about after it; not so
        where the person has objected before.
        """
        policy = small(
            change=lambda t: t["functions"][1].update(ask_again="P30D")
        )
        objected, refused = acts(
            policy, ("improve", Act.OBJECTED), ("improve", Act.REFUSED)
        )

        rests = fold([refused], policy).choices["improve"].ask_from
        assert rests == refused.at + timedelta(days=30)
        choice = fold([objected, refused], policy).choices["improve"]
        assert choice.ask_from is None


class TestNewController:
    """
    Tests for a document that somebody else has taken over.
    """

    def test_counts_when_the_person_was_told(self) -> None:
        """
        A yes goes over to whoever continues the promise, once the person
        was told of it, and not before.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["controller"].update(id="heir", continues=["maker"])
            tree["functions"][1]["recipients"] = ["heir", "helper"]

        policy = small(change=change)
        yes, other = acts(
            POLICY, ("improve", Act.GRANTED), ("improve", Act.POLICY_ADOPTED)
        )
        told = evolve(other, element="", text=policy.digest)
        archive = {POLICY.digest: POLICY}

        for entries, permitted in (
            ([yes], False),
            ([yes, other], False),
            ([yes, told], True),
        ):
            gate = Gate(
                policy=policy, state=fold(entries, policy, archive=archive)
            )
            assert bool(gate.decide("improve", "mac_address")) is permitted


class TestGuardianFor:
    """
    Tests for the acts that a document leaves to the guardian.
    """

    @pytest.mark.parametrize(
        ("reserved", "expected"),
        [
            ("use", {"improve", PLACE}),
            ("account", {"improve", PLACE}),
            ("sharing", {"improve@partner"}),
            ("transfer", {"improve@partner+abroad"}),
            ("disclosure", {"improve@board"}),
        ],
    )
    def test_only_these_need_the_guardian(
        self, reserved: str, expected: set[str]
    ) -> None:
        """
        What the document names takes the guardian; the rest the young
        decide alone. Where it names nothing, all takes the guardian.
        """
        looked_at = {
            "improve",
            PLACE,
            "improve@partner",
            "improve@partner+abroad",
            "improve@board",
        }
        some = fifteen(with_others(guardian_for=[reserved]))
        every = fifteen(with_others(guardian_for=[]))
        needed = {
            element
            for element in looked_at
            if some.choices[element].status is Status.GUARDIAN_NEEDED
        }

        assert needed == expected
        assert all(some.permits(e) for e in looked_at - expected)
        assert not any(every.permits(e) for e in every.choices)

    def test_guardian_may_be_asked_for(self) -> None:
        """
        Where a guardian may decide, the app may ask for one; where the
        document bars the young, nobody is asked.
        """

        def barred(tree: dict[str, Any]) -> None:
            tree["minors"] = {"minor_below": 18}
            tree["functions"][1]["minors"] = "barred"

        for policy, until, cause in (
            (with_others(), {}, ()),
            (small(change=barred), {}, ("barred",)),
            (with_others(child_below=14, child_barred=True), {}, ()),
            (
                with_others(child_below=14, child_barred=True),
                {"child_until": "2027-05-17", "minor_until": "2031-05-17"},
                ("barred",),
            ),
        ):
            state = fifteen(policy, **until)
            choice = state.choices["improve"]

            assert choice.status is Status.GUARDIAN_NEEDED
            assert choice.cause == cause
            assert choice.ask_from == (None if cause else state.at)


class TestAccount:
    """
    Tests for what an account says where the document lets it count.
    """

    def test_opens_until_the_person_answers(self) -> None:
        """
        An account's yes opens what it is for, with an epoch of its own; a
        no of the person's goes before it.
        """
        policy = small(
            change=lambda t: t["functions"][1].update(inherits=True)
        )
        yes, no = acts(
            policy, ("improve", Act.GRANTED), ("improve", Act.WITHDRAWN)
        )
        yes = evolve(yes, by=Actor.ACCOUNT)

        state = fold([yes], policy)
        choice = state.choices["improve"]
        assert choice.status is Status.INHERITED
        assert state.permits("improve")
        assert choice.epoch == yes.seq
        assert state.sendable == {yes.hash}
        assert improve([yes, no], policy) is Status.WITHDRAWN


class TestCopy:
    """
    Tests for an answer that was copied from another device.
    """

    @pytest.mark.parametrize("days", [0, 10, -10])
    def test_is_as_old_as_what_it_copies(self, days: int) -> None:
        """
        A copied yes runs out with the one that it was copied from, but
        never later than one of its own would.
        """
        policy = small(
            change=lambda t: t["functions"][1].update(valid_for="P30D")
        )
        (yes,) = acts(policy, ("improve", Act.GRANTED))
        given = yes.at - timedelta(days=days)
        copied = evolve(yes, facts={"given": given.isoformat()})

        ends = min(given, yes.at) + timedelta(days=30)
        before = fold([copied], policy, at=ends - timedelta(seconds=1))
        assert before.permits("improve")
        assert before.until == ends
        assert not fold([copied], policy, at=ends).permits("improve")


class TestBarred:
    """
    Tests for what is not for the young at all.
    """

    @pytest.mark.parametrize(
        ("minors", "function", "permitted"),
        [
            ({}, {}, True),
            ({"child_barred": True}, {}, False),
            ({}, {"minors": "barred"}, False),
        ],
    )
    def test_no_guardian_opens_it(
        self, minors: Any, function: Any, *, permitted: bool
    ) -> None:
        """
        A guardian opens what the document leaves to guardians, and nothing
        from which it bars the child.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["minors"] = {"minor_below": 18, "child_below": 14, **minors}
            tree["functions"][1].update(function)

        policy = small(change=change)
        born, verified, yes = aged(
            policy,
            ("improve", Act.GUARDIAN_VERIFIED),
            ("improve", Act.GRANTED),
        )
        facts = {
            "age": "declared",
            "child_until": "2030-05-17",
            "minor_until": "2034-05-17",
        }
        entries = [
            evolve(born, facts=facts),
            evolve(verified, element=""),
            evolve(yes, by=Actor.GUARDIAN),
        ]

        assert fold(entries, policy).permits("improve") is permitted


class TestAgeUnknown:
    """
    Tests for somebody of whom no age is known.
    """

    def test_only_what_weighs_waits(self) -> None:
        """
        Where the document knows minors, what needs a decision of its own,
        or builds a picture of the person, waits for the age or for a
        guardian who was verified before; the rest does not.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["minors"] = {"minor_below": 18}
            tree["functions"][3]["profiling"] = True

        policy = small(change=change)
        weighty = {PLACE, "logs"}
        elements = (*weighty, "improve")
        first, *yeses, last = acts(
            policy,
            ("improve", Act.GUARDIAN_VERIFIED),
            *((e, Act.GRANTED) for e in elements),
            ("improve", Act.GUARDIAN_VERIFIED),
        )
        verified, late = (evolve(e, element="") for e in (first, last))
        by_guardian = [evolve(e, by=Actor.GUARDIAN) for e in yeses]

        def waiting(*entries: Entry) -> set[str]:
            choices = fold(entries, policy).choices
            return {
                e for e in elements if choices[e].status is Status.AGE_UNKNOWN
            }

        assert waiting(*yeses) == weighty
        assert waiting(verified, *yeses) == weighty
        assert waiting(*by_guardian) == weighty
        assert waiting(*by_guardian, late) == weighty
        assert waiting(verified, *by_guardian) == set()


class TestTooYoung:
    """
    Tests for what somebody said who could not decide.
    """

    @pytest.mark.parametrize(
        "until",
        [
            {"child_until": "2027-05-17", "minor_until": "2031-05-17"},
            {"minor_until": "2029-05-17"},
        ],
        ids=["child", "minor"],
    )
    def test_does_not_begin_to_count(self, until: dict[str, str]) -> None:
        """
        On no birthday a yes of the young begins to count: grown up, they
        are asked.
        """
        policy = with_others(child_below=14)
        entries = aged(policy, ("improve", Act.GRANTED))
        facts = {"age": "declared", **until}
        entries[0] = evolve(entries[0], facts=facts)

        for year in (2026, 2028, 2030, 2040):
            at = START.replace(year=year, hour=13)
            state = fold(entries, policy, at=at)
            assert not state.permits("improve"), year
            assert not state.standing
        assert state.choices["improve"].status is Status.UNKNOWN

    def test_does_not_come_back_with_another_age(self) -> None:
        """
        A yes that did not count for a while is over, although the age is
        put right.
        """
        policy = with_others()
        yes, young, old = acts(
            policy,
            ("improve", Act.GRANTED),
            ("improve", Act.AGE_DECLARED),
            ("improve", Act.AGE_DECLARED),
        )
        facts = {"age": "declared", "minor_until": "2029-05-17"}
        young = evolve(young, element="", facts=facts)
        old = evolve(old, element="", facts={"age": "declared"})

        assert fold([yes, old], policy).permits("improve")
        state = fold([yes, young, old], policy)
        assert not state.permits("improve")
        assert not state.standing

    def test_ends_a_basis_that_a_clock_only_stops(self) -> None:
        """
        A use of another basis ends for good where somebody was too young
        for it; where only the clock says so, it waits.
        """
        policy = with_others()
        born, used = aged(policy, ("improve", Act.BASIS_USED))
        grown = {"age": "declared", "minor_until": f"{START:%Y-%m-%d}"}
        of_age = evolve(born, facts=grown)
        early = START - timedelta(days=2)

        young = fold([born, used], policy)
        assert young.bases == young.stopped_bases == ()
        adult = fold([of_age, used], policy)
        assert (adult.bases, adult.stopped_bases) == ((used,), ())
        waits = fold([of_age, used], policy, at=early)
        assert (waits.bases, waits.stopped_bases) == ((), (used,))
