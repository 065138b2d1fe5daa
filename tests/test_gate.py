# SPDX-License-Identifier: MIT

"""
Tests for the gate, and for the permits that only it makes.
"""

from __future__ import annotations

import copy
import pickle

from pathlib import Path
from typing import Any

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from consentkit.consent.entries import Act
from consentkit.consent.state import State, Status, fold
from consentkit.exceptions import ForgedPermitError
from consentkit.gate import (
    Gate,
    OSPermission,
    Permit,
    Reason,
    Refusal,
    check_permit,
)
from consentkit.policy import Policy, load_policy, load_vocabulary
from tests.support import MAC, Spies, Spy, acts, permit_for, small


POLICY = small()
CAMERA = load_policy(
    Path(__file__).parent.parent / "examples" / "camera_app" / "policy.toml"
)
PLACE = "connect/location_precise"


def gate_after(*steps: tuple[str, Act], policy: Policy = POLICY) -> Gate:
    """
    Compile the gate for a person who acted so.
    """
    return Gate(policy=policy, state=fold(acts(policy, *steps), policy))


def granted(*elements: str, policy: Policy = POLICY) -> Gate:
    """
    Compile the gate for a person who granted *elements*.
    """
    return gate_after(*((e, Act.GRANTED) for e in elements), policy=policy)


def reason(decision: object) -> Reason:
    """
    Give the reason of what must be a refusal.
    """
    assert isinstance(decision, Refusal)
    return decision.reason


class TestReasons:
    """
    Tests for each condition in turn, with its positive twin.
    """

    def test_all_conditions_hold(self) -> None:
        """
        What is declared, granted, allowed and in use is permitted.
        """
        permit = granted("improve").decide("improve", "mac_address")

        assert isinstance(permit, Permit)
        assert permit.function is POLICY.functions["improve"]
        assert permit.clause.type == "mac_address"
        assert permit.entry.element == permit.element == "improve"
        assert (permit.purpose, permit.recipient) == (
            "usage_statistics",
            "maker",
        )
        assert (permit.epoch, permit.controller) == (1, "maker")

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (None, Reason.NOT_ASKED),
            (Act.NOTICE_SHOWN, Reason.NOT_ANSWERED),
            (Act.DEFERRED, Reason.NOT_ANSWERED),
            (Act.REFUSED, Reason.REFUSED),
            (Act.WITHDRAWN, Reason.WITHDRAWN),
        ],
    )
    def test_without_a_grant(
        self, status: Act | None, expected: Reason
    ) -> None:
        """
        Everything but a grant is refused, and says which (WP-CONS-1).
        """
        gate = gate_after(*[("improve", status)] if status else ())

        assert reason(gate.decide("improve", "mac_address")) is expected
        assert reason(gate.function("improve")) is expected

    def test_on_other_terms(self) -> None:
        """
        A grant of other terms permits nothing until it is given again.
        """
        entries = acts(POLICY, ("improve", Act.GRANTED), terms="0" * 64)
        gate = Gate(policy=POLICY, state=fold(entries, POLICY))

        decision = gate.decide("improve", "mac_address")
        assert reason(decision) is Reason.TERMS_CHANGED

    @pytest.mark.parametrize(
        ("asked", "expected", "name"),
        [
            ({"function": "improved"}, "UNDECLARED_FUNCTION", "improved"),
            ({"data_type": "bssid"}, "UNDECLARED_DATA_TYPE", "bssid"),
            ({"purpose": "payment"}, "UNDECLARED_PURPOSE", "payment"),
            ({"recipient": "umeng"}, "UNDECLARED_RECIPIENT", "umeng"),
            ({"purpose": ""}, "UNDECLARED_PURPOSE", ""),
            ({"recipient": ""}, "UNDECLARED_RECIPIENT", ""),
        ],
    )
    def test_undeclared(
        self, asked: dict[str, str], expected: str, name: str
    ) -> None:
        """
        Each undeclared part of a request is refused by name, although all
        is granted (WP-CONS-3).
        """
        request: Any = {"function": "improve", "data_type": "mac_address"}
        gate = granted(*POLICY.elements)
        assert gate.decide(**request)

        decision = gate.decide(**{**request, **asked})

        assert reason(decision) is Reason[expected]
        assert name in repr(decision)

    @pytest.mark.parametrize("data_type", ["imei", "installed_apps"])
    def test_binding_takes_a_closed_list(self, data_type: str) -> None:
        """
        What binding does not list is refused there (WP-BIND-1).
        """
        gate = granted(*CAMERA.elements, policy=CAMERA)

        decision = gate.decide("bind_device", data_type)

        assert reason(decision) is Reason.UNDECLARED_DATA_TYPE

    def test_place_serves_the_wifi_list_alone(self) -> None:
        """
        Location granted for the Wi-Fi list is refused for every other
        purpose there is, and for every other function (WP-BIND-2).
        """
        gate = granted(*CAMERA.elements, policy=CAMERA)
        for purpose in load_vocabulary().purposes:
            decision = gate.decide(
                "bind_device", "location_precise", purpose=purpose
            )
            assert bool(decision) is (purpose == "wifi_connection"), purpose
        for function in CAMERA.functions:
            if function != "bind_device":
                assert not gate.decide(function, "location_precise")

    def test_separate_type(self) -> None:
        """
        A sensitive type needs its own yes beside the function's, and the
        permit rests on that one (WP-SENS-2).
        """
        place = ("connect", "location_precise")

        assert reason(granted("connect").decide(*place)) is (
            Reason.SEPARATE_CONSENT_NEEDED
        )
        assert reason(granted(PLACE).decide(*place)) is Reason.NOT_ASKED
        permit = granted("connect", PLACE).decide(*place)
        assert isinstance(permit, Permit)
        assert permit.element == permit.entry.element == PLACE
        assert permit.epoch == 2

    @pytest.mark.parametrize(
        ("act", "expected"),
        [
            (Act.REFUSED, Reason.REFUSED),
            (Act.WITHDRAWN, Reason.WITHDRAWN),
            (Act.DEFERRED, Reason.SEPARATE_CONSENT_NEEDED),
        ],
    )
    def test_no_to_a_separate_type(self, act: Act, expected: Reason) -> None:
        """
        A no to the sensitive type is told from no answer.
        """
        gate = gate_after(("connect", Act.GRANTED), (PLACE, act))

        decision = gate.decide("connect", "location_precise")
        assert reason(decision) is expected
        assert gate.decide("connect", "network_status")

    @pytest.mark.parametrize("answer", OSPermission)
    def test_operating_system(self, answer: OSPermission) -> None:
        """
        Only a granted or needless permission lets a read through; all
        doubt is a no (WP-PERM-2).
        """
        gate = granted("connect", PLACE)
        decision = gate.decide(
            "connect", "location_precise", os_permission=answer
        )

        lets = {OSPermission.GRANTED, OSPermission.NOT_APPLICABLE}
        assert bool(decision) is (answer in lets)
        if not decision:
            assert reason(decision) is Reason.OS_PERMISSION
            assert f"location: {answer.value}" in str(decision)

    def test_permission_is_no_consent(self) -> None:
        """
        What the operating system allows is not granted by it (WP-PERM-7).
        """
        decision = granted().decide(
            "connect", "location_precise", os_permission=OSPermission.GRANTED
        )

        assert reason(decision) is Reason.NOT_ASKED

    def test_not_in_use(self) -> None:
        """
        Granted is not enough: the function must be in use.
        """
        decision = granted("improve").decide(
            "improve", "mac_address", in_use=False
        )

        assert reason(decision) is Reason.NOT_IN_USE

    def test_unreadable_ledger_goes_before_all(self) -> None:
        """
        Where the ledger cannot be read, that is the reason for everything.
        """
        gate = Gate(policy=POLICY, state=State.unreadable(POLICY, "damaged"))

        for decision in (
            gate.function("improve"),
            gate.function("nothing"),
            gate.decide("improve", "mac_address"),
            gate.decide("nothing", "nothing"),
        ):
            assert reason(decision) is Reason.LEDGER_UNREADABLE
            assert "damaged" in str(decision)

    def test_undeclared_goes_before_ungranted(self) -> None:
        """
        A fault of the program is told even to who has granted nothing.
        """
        gate = granted()

        assert reason(gate.decide("improve", "bssid")) is (
            Reason.UNDECLARED_DATA_TYPE
        )
        assert reason(gate.function("nothing")) is Reason.UNDECLARED_FUNCTION

    @pytest.mark.parametrize("off", POLICY.elements)
    def test_silo(self, off: str) -> None:
        """
        Silo-check: turning one element off changes no decision on any
        other (WP-ADD-4, WP-CORE-1).
        """
        full = [(e, Act.GRANTED) for e in POLICY.elements]
        before = gate_after(*full)
        after = gate_after(*full, (off, Act.WITHDRAWN))
        for function in POLICY.functions.values():
            for data_type in function.clauses:
                element = function.element_of(data_type)
                hit = off in (function.id, element)
                assert before.decide(function.id, data_type)
                assert bool(after.decide(function.id, data_type)) is not hit


def reference(
    policy: Policy, statuses: dict[str, Status], asked: dict[str, Any]
) -> str:
    """
    Say the rules once more, as plainly as possible.
    """
    function = policy.functions.get(asked["function"])
    if function is None:
        return "undeclared_function"
    clause = function.clauses.get(asked["data_type"])
    if clause is None:
        return "undeclared_data_type"
    if asked["purpose"] not in (None, *clause.purposes):
        return "undeclared_purpose"
    if asked["recipient"] not in (None, *clause.recipients):
        return "undeclared_recipient"
    reasons = {
        Status.UNKNOWN: "not_asked",
        Status.ASKED: "not_answered",
        Status.DEFERRED: "not_answered",
        Status.REFUSED: "refused",
        Status.WITHDRAWN: "withdrawn",
        Status.WIDENED: "terms_changed",
    }
    status = statuses[function.id]
    if status is not Status.GRANTED:
        return reasons[status]
    if clause.separate:
        status = statuses[f"{function.id}/{clause.type}"]
        if status in (Status.UNKNOWN, Status.ASKED, Status.DEFERRED):
            return "separate_consent_needed"
        if status is not Status.GRANTED:
            return reasons[status]
    if asked["os_permission"].value not in ("granted", "not_applicable"):
        return "os_permission"
    return "permitted" if asked["in_use"] else "not_in_use"


LIVES = st.lists(
    st.tuples(st.sampled_from(POLICY.elements), st.sampled_from(Act)),
    max_size=12,
)
TYPES = sorted({t for f in POLICY.functions.values() for t in f.clauses})
PURPOSES = sorted(
    {
        purpose
        for function in POLICY.functions.values()
        for clause in function.clauses.values()
        for purpose in clause.purposes
    }
)
QUESTIONS = st.fixed_dictionaries(
    {
        "function": st.sampled_from([*POLICY.functions, "nothing"]),
        "data_type": st.sampled_from([*TYPES, "nothing"]),
        "purpose": st.sampled_from([None, *PURPOSES, "nothing"]),
        "recipient": st.sampled_from([None, *POLICY.recipients, "nothing"]),
        "os_permission": st.sampled_from(OSPermission),
        "in_use": st.booleans(),
    }
)
# Most random questions fail early; these ask for what is declared.
DECLARED = st.sampled_from(
    [
        (function.id, clause.type, purpose, recipient)
        for function in POLICY.functions.values()
        for clause in function.clauses.values()
        for purpose in (None, *clause.purposes)
        for recipient in (None, *clause.recipients)
    ]
).flatmap(
    lambda row: st.fixed_dictionaries(
        {
            "function": st.just(row[0]),
            "data_type": st.just(row[1]),
            "purpose": st.just(row[2]),
            "recipient": st.just(row[3]),
            "os_permission": st.sampled_from(OSPermission),
            "in_use": st.booleans(),
        }
    )
)


class TestAgainstTheRules:
    """
    Tests of the gate against the rules, said once more.
    """

    @settings(deadline=None, max_examples=400)
    @given(
        LIVES,
        st.one_of(QUESTIONS, DECLARED),
        st.sampled_from([None, "0" * 64]),
    )
    def test_decides_as_the_rules_say(
        self,
        life: list[tuple[str, Act]],
        asked: dict[str, Any],
        terms: str | None,
    ) -> None:
        """
        Whatever a person did and whatever is asked, the decision and its
        reason are those of the rules, and a permit says what was asked.
        """
        entries = acts(POLICY, *life, terms=terms)
        state = fold(entries, POLICY)
        statuses = {e: c.status for e, c in state.choices.items()}

        decision = Gate(policy=POLICY, state=state).decide(**asked)

        expected = reference(POLICY, statuses, asked)
        if isinstance(decision, Refusal):
            assert decision.reason.value == expected
            assert not decision
            assert decision.function == asked["function"]
            assert decision.data_type == asked["data_type"]
            return
        assert expected == "permitted"
        clause = decision.clause
        assert decision.function.id == asked["function"]
        assert clause.type == asked["data_type"]
        assert decision.purpose == asked["purpose"] or clause.purposes[0]
        assert decision.recipient in clause.recipients
        assert asked["recipient"] in (None, decision.recipient)
        assert asked["purpose"] in (None, decision.purpose)
        assert decision.entry in entries
        assert decision.entry.act is Act.GRANTED

    @given(LIVES)
    def test_is_pure(self, life: list[tuple[str, Act]]) -> None:
        """
        The same question to the same gate has the same answer.
        """
        gate = gate_after(*life)
        one, two = (gate.decide("improve", "mac_address") for _ in "12")

        assert str(one) == str(two)


class TestRefusal:
    """
    Tests for the gate's no.
    """

    @pytest.mark.parametrize("why", Reason)
    def test_every_reason_has_words(self, why: Reason) -> None:
        """
        Each reason can be said to a person; a refusal is false.
        """
        refusal = Refusal(reason=why, function="improve", data_type="imei")

        assert not refusal
        assert str(refusal).startswith("improve/imei: refused, th")
        assert "(" not in str(refusal)

    def test_detail_stands_behind(self) -> None:
        """
        The detail follows the reason.
        """
        refusal = Refusal(
            reason=Reason.UNDECLARED_SCENE, function="paste", detail="launch"
        )

        assert str(refusal).endswith("does not list this scene (launch)")

    def test_is_a_value(self) -> None:
        """
        Equal refusals are equal; one can be kept in a set.
        """
        one, two = (granted().decide("improve", "imei") for _ in "12")

        assert one == two
        assert len({one, two}) == 1


class Mask(str):
    """
    Something that says it equals whatever it is compared with.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


class TestPermit:
    """
    Tests that nobody but the gate makes a permit.
    """

    def test_cannot_be_built(self) -> None:
        """
        Calling the class is refused, with fields and without.
        """
        genuine = permit_for("improve", "mac_address")
        fields = {
            name: getattr(genuine, name)
            for name in Permit.__slots__
            if name != "_seal"
        }

        for arguments in ({}, fields, {**fields, "seal": object()}):
            with pytest.raises(ForgedPermitError, match="only the gate"):
                Permit(**arguments)

    @pytest.mark.parametrize(
        "way",
        [
            copy.copy,
            copy.deepcopy,
            pickle.dumps,
            lambda p: pickle.dumps(p, protocol=0),
            lambda p: p.__reduce_ex__(4),
        ],
        ids=["copy", "deepcopy", "pickle", "pickle 0", "reduce"],
    )
    def test_cannot_be_copied(self, way: Any) -> None:
        """
        A permit is for here and now: no copy, no pickle.
        """
        with pytest.raises(ForgedPermitError, match="copied or stored"):
            way(permit_for("improve", "mac_address"))

    def test_cannot_be_subclassed(self) -> None:
        """
        There is no other kind of permit.
        """
        with pytest.raises(ForgedPermitError, match="subclassed"):
            type("Loose", (Permit,), {})

    def test_cannot_be_changed(self) -> None:
        """
        No field of a permit is set or taken away, and none is added.
        """
        permit: Any = permit_for("improve", "mac_address")

        for name in (*Permit.__slots__, "more"):
            with pytest.raises(ForgedPermitError, match="changed"):
                setattr(permit, name, None)
            with pytest.raises(ForgedPermitError, match="changed"):
                delattr(permit, name)
        assert not hasattr(permit, "__dict__")

    def test_empty_one_opens_no_source(self) -> None:
        """
        An object made past the constructor is found when it is used.
        """
        forged = object.__new__(Permit)
        spy = Spy("mac_address", MAC)

        with pytest.raises(ForgedPermitError, match="not a permit"):
            spy.read(forged)
        assert spy.reads == 0

    def test_filled_one_opens_no_source(self) -> None:
        """
        All the right fields without the gate's seal are no permit.
        """
        genuine = permit_for("improve", "mac_address")
        forged = object.__new__(Permit)
        for name in Permit.__slots__:
            value = Mask() if name == "_seal" else getattr(genuine, name)
            object.__setattr__(forged, name, value)
        spy = Spy("mac_address", MAC)

        with pytest.raises(ForgedPermitError):
            spy.read(forged)
        assert spy.reads == 0
        assert spy.read(genuine) == MAC
        assert spy.reads == 1

    @pytest.mark.parametrize(
        "thing", [None, True, "permit", object(), Permit, Mask()]
    )
    def test_other_things_open_no_source(self, thing: Any) -> None:
        """
        Nothing else is taken for a permit.
        """
        spy = Spy("mac_address", MAC)

        with pytest.raises(ForgedPermitError):
            spy.read(thing)
        assert spy.reads == 0

    def test_look_alike_opens_no_source(self) -> None:
        """
        An object that says it is a permit is not one.
        """

        class LookAlike:
            __class__ = Permit  # type: ignore[assignment]

            def __getattr__(self, name: str) -> Any:
                return getattr(permit_for("improve", "mac_address"), name)

        spy = Spy("mac_address", MAC)

        with pytest.raises(ForgedPermitError):
            spy.read(LookAlike())  # type: ignore[arg-type]
        assert spy.reads == 0

    def test_opens_only_its_own_type(self) -> None:
        """
        A permit for one data type does not open the source of another.
        """
        spies = Spies()

        with pytest.raises(
            ForgedPermitError, match="for mac_address, not for imei"
        ):
            spies["imei"].read(permit_for("improve", "mac_address"))
        assert spies.reads == 0

    def test_refusal_opens_no_source(self) -> None:
        """
        The gate's no is not a permit.
        """
        spy = Spy("mac_address", MAC)

        with pytest.raises(ForgedPermitError):
            spy.read(
                granted().decide("improve", "mac_address")  # type: ignore[arg-type]
            )
        assert spy.reads == 0

    def test_is_checked_for_a_type(self) -> None:
        """
        `check_permit` gives back what the gate made.
        """
        permit = permit_for("improve", "mac_address")

        assert check_permit(permit) is permit
        assert check_permit(permit, data_type="mac_address") is permit

    def test_explains_itself(self) -> None:
        """
        The text names clause, purpose, recipient and entry.
        """
        permit = permit_for("improve", "mac_address", recipient="helper")

        assert str(permit) == (
            "improve/mac_address: permitted for usage_statistics, to "
            "helper, by entry 3 of 2026-11-20 12:03 on policy version 1"
        )
        assert repr(permit) == (
            "<Permit improve/mac_address for usage_statistics, entry 3>"
        )


class TestSource:
    """
    Tests for what a source does with a permit.
    """

    @pytest.mark.parametrize("kind", [ValueError, KeyError, RecursionError])
    def test_failure_is_unavailable(
        self, kind: type[Exception], caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        A source that raises gives no value, and nothing of its error.
        """
        spy = Spy("mac_address", kind(MAC))
        caplog.set_level("DEBUG", "consentkit")
        got = spy.read(permit_for("improve", "mac_address"))

        assert not got
        assert str(got) == (
            f"mac_address: unavailable, the source failed ({kind.__name__})"
        )
        assert spy.reads == 1
        assert MAC not in repr(got) + caplog.text
        assert MAC not in str([vars(r) for r in caplog.records])

    def test_interrupt_is_not_swallowed(self) -> None:
        """
        The person at the keyboard still ends the program.
        """
        spy = Spy("mac_address", KeyboardInterrupt())

        with pytest.raises(KeyboardInterrupt):
            spy.read(permit_for("improve", "mac_address"))

    def test_repr_counts_reads(self) -> None:
        """
        A source's repr has its name and reads, and no value.
        """
        spy = Spy("mac_address", MAC)
        spy.read(permit_for("improve", "mac_address"))

        assert repr(spy) == "<Spy spy of mac_address: 1 reads>"
