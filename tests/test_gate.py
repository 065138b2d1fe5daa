# SPDX-License-Identifier: MIT

"""
Tests for the gate, and for the permits that only it makes.
"""

from __future__ import annotations

import copy
import pickle

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from consentkit.consent.state import (
    OPEN,
    Choice,
    State,
    Status,
    fold,
    unreadable,
)
from consentkit.exceptions import ForgedPermitError
from consentkit.gate import (
    ATTESTATION,
    FAVOURABLE,
    MOMENTARY,
    Gate,
    Moment,
    OSPermission,
    Permit,
    Reason,
    Refusal,
    check_permit,
)
from consentkit.ledger.entries import Act, Entry, text_digest
from consentkit.policy import (
    Policy,
    load_policy,
    load_vocabulary,
    parse_policy,
)
from consentkit.policy.model import Clause, Function, ProtectionName
from consentkit.policy.scope import Atom, atoms_of
from tests.support import (
    MAC,
    START,
    Spies,
    Spy,
    acts,
    permit_for,
    small,
    tables,
    to_toml,
)


POLICY = small()
CAMERA = load_policy(
    Path(__file__).parent.parent / "examples" / "camera_app" / "policy.toml"
)
PLACE = "connect/location_precise"


def gate_after(*steps: tuple[str, Act], policy: Policy = POLICY) -> Gate:
    """
    Compile the gate for a person who acted so.
    """
    entries = acts(policy, *steps)
    # What is not for the young to decide alone waits for an age.
    adult = [
        evolve(e, act=Act.AGE_DECLARED, element="", facts={"age": "declared"})
        for e in entries[:1]
    ]
    state = fold([*entries, *adult], policy, at=START)
    return Gate(policy=policy, state=state)


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


def on_connecting(**changes: Any) -> Policy:
    """
    Give the small policy with other promises of its function ``connect``.
    """
    return small(change=lambda tree: tree["functions"][0].update(changes))


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
        assert dict(permit.entries) == {"improve": permit.entry}
        assert permit.grant == permit.entry.hash
        assert (permit.purpose, permit.recipient) == (
            "usage_statistics",
            "maker",
        )
        assert (permit.epoch, permit.controller) == (1, "maker")

    @pytest.mark.obligation("WP-CONS-1")
    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (None, Reason.NOT_ASKED),
            (Act.NOTICE_SHOWN, Reason.NOT_ANSWERED),
            (Act.DEFERRED, Reason.NOT_ANSWERED),
            (Act.REFUSED, Reason.REFUSED),
            (Act.WITHDRAWN, Reason.WITHDRAWN),
            (Act.OBJECTED, Reason.OBJECTED),
            (Act.INVALIDATED, Reason.INVALIDATED),
        ],
    )
    def test_without_a_grant(
        self, status: Act | None, expected: Reason
    ) -> None:
        """
        Everything but a grant is refused, and says which.
        """
        gate = gate_after(*[("improve", status)] if status else ())

        assert reason(gate.decide("improve", "mac_address")) is expected
        assert reason(gate.function("improve")) is expected

    def test_on_other_terms(self) -> None:
        """
        A grant of other terms, of a policy that nobody has any more, permits
        nothing until it is given again.
        """
        entries = acts(POLICY, ("improve", Act.GRANTED), terms="0" * 64)
        entries = tuple(evolve(e, text="0" * 64) for e in entries)
        gate = Gate(policy=POLICY, state=fold(entries, POLICY))

        decision = gate.decide("improve", "mac_address")
        assert reason(decision) is Reason.TERMS_CHANGED
        assert reason(gate.function("improve")) is Reason.TERMS_CHANGED

    def test_not_in_force(self) -> None:
        """
        Before its day a policy opens nothing; on that day it does.
        """
        entries = acts(POLICY, ("improve", Act.GRANTED))
        early = POLICY.in_force_from - timedelta(seconds=1)
        entries = tuple(evolve(e, at=early) for e in entries)
        before = Gate(policy=POLICY, state=fold(entries, POLICY))
        state = fold(entries, POLICY, at=POLICY.in_force_from)
        after = Gate(policy=POLICY, state=state)

        decision = before.decide("improve", "mac_address")
        assert reason(decision) is Reason.NOT_IN_FORCE
        assert "2026-04-10" in str(decision)
        assert reason(before.function("improve")) is Reason.NOT_IN_FORCE
        assert after.decide("improve", "mac_address")

    @pytest.mark.obligation("WP-CONS-3")
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
        is granted.
        """
        request: Any = {"function": "improve", "data_type": "mac_address"}
        gate = granted(*POLICY.elements)
        assert gate.decide(**request)

        decision = gate.decide(**{**request, **asked})

        assert reason(decision) is Reason[expected]
        assert name in repr(decision)

    @pytest.mark.obligation("WP-BIND-1")
    @pytest.mark.parametrize("data_type", ["imei", "installed_apps"])
    def test_binding_takes_a_closed_list(self, data_type: str) -> None:
        """
        What binding does not list is refused there.
        """
        gate = granted(*CAMERA.elements, policy=CAMERA)

        decision = gate.decide("bind_device", data_type)

        assert reason(decision) is Reason.UNDECLARED_DATA_TYPE

    def test_place_serves_the_wifi_list_alone(self) -> None:
        """
        Location granted for the Wi-Fi list is refused for every other
        purpose there is, and for every other function.
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
        permit rests on both.
        """
        place = ("connect", "location_precise")

        missing = granted("connect").decide(*place)
        assert reason(missing) is Reason.SEPARATE_CONSENT_NEEDED
        assert missing.detail == PLACE
        assert reason(granted(PLACE).decide(*place)) is Reason.NOT_ASKED
        permit = granted("connect", PLACE).decide(*place)
        assert isinstance(permit, Permit)
        assert permit.element == permit.entry.element == PLACE
        assert list(permit.entries) == ["connect", PLACE]
        assert permit.grant == " ".join(
            entry.hash for entry in permit.entries.values()
        )
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

    def test_recipient_and_way_abroad(self) -> None:
        """
        Giving to a party with aims of its own is one more decision, and so
        is giving abroad; the function goes on without either.
        """
        policy = small(change=_with_a_partner)
        place = ("improve", "mac_address")

        gate = granted("improve", policy=policy)
        assert gate.decide(*place)
        assert reason(gate.decide(*place, recipient="partner")) is (
            Reason.RECIPIENT_CONSENT_NEEDED
        )
        gate = granted("improve", "improve@partner", policy=policy)
        assert reason(gate.decide(*place, recipient="partner")) is (
            Reason.ABROAD_CONSENT_NEEDED
        )
        elements = ("improve", "improve@partner", "improve@partner+abroad")
        permit = granted(*elements, policy=policy).decide(
            *place, recipient="partner"
        )
        assert isinstance(permit, Permit)
        assert tuple(permit.entries) == elements

    def test_barred_recipient(self) -> None:
        """
        A recipient that was found too risky gets nothing, granted or not.
        """

        def risky(tree: dict[str, Any]) -> None:
            _with_a_partner(tree)
            found = {"reference": "File 7", "risk": "high"}
            tree["recipients"][-1]["assessment"] = found

        policy = small(change=risky)
        gate = granted(*policy.elements, policy=policy)

        decision = gate.decide("improve", "mac_address", recipient="partner")
        assert reason(decision) is Reason.RECIPIENT_BARRED
        assert gate.decide("improve", "mac_address")

    @pytest.mark.obligation("WP-PERM-2")
    @pytest.mark.parametrize("answer", OSPermission)
    def test_operating_system(self, answer: OSPermission) -> None:
        """
        Only a granted or needless permission lets a read through; all
        doubt is a no.
        """
        gate = granted("connect", PLACE)
        decision = gate.decide(
            "connect", "location_precise", moment=Moment(os_permission=answer)
        )

        lets = {OSPermission.GRANTED, OSPermission.NOT_APPLICABLE}
        assert bool(decision) is (answer in lets)
        if not decision:
            assert reason(decision) is Reason.OS_PERMISSION
            assert f"location: {answer.value}" in str(decision)

    @pytest.mark.parametrize(
        ("why", "said"),
        [
            ("", "location: unknown"),
            ("it did not answer", "location: unknown, it did not answer"),
        ],
    )
    def test_why_the_operating_system_says_nothing(
        self, why: str, said: str
    ) -> None:
        """
        A reason that is known stands in the refusal; one that is not leaves
        nothing behind.
        """
        answer = granted("connect", PLACE).decide(
            "connect",
            "location_precise",
            moment=Moment(os_permission=OSPermission.UNKNOWN, os_detail=why),
        )

        assert isinstance(answer, Refusal)
        assert answer.detail == said

    def test_permission_is_no_consent(self) -> None:
        """
        What the operating system allows is not granted by it.
        """
        decision = granted().decide(
            "connect",
            "location_precise",
            moment=Moment(os_permission=OSPermission.GRANTED),
        )

        assert reason(decision) is Reason.NOT_ASKED

    @pytest.mark.parametrize(
        ("promise", "moment", "expected"),
        [
            ({"user_act": True}, {"act": False}, Reason.NO_ACT),
            (
                {"requires": ["charging"]},
                {"unmet": ("charging",)},
                Reason.CONDITION,
            ),
            (
                {"attest": "The other party agreed."},
                {"attested": False},
                Reason.NOT_ATTESTED,
            ),
            ({}, {"in_use": False}, Reason.NOT_IN_USE),
            ({}, {"too_soon": True}, Reason.TOO_OFTEN),
        ],
    )
    def test_promised_use(
        self, promise: Any, moment: Any, expected: Reason
    ) -> None:
        """
        Granted is not enough: what is promised of its use must be met.
        """
        policy = on_connecting(**promise)
        gate = granted("connect", policy=policy)

        assert gate.decide("connect", "network_status")
        decision = gate.decide(
            "connect", "network_status", moment=Moment(**moment)
        )
        assert reason(decision) is expected

    def test_momentary(self) -> None:
        """
        What one moment gives and another takes is known as such: a reason
        is momentary if, and only if, time or the moment alone make it.
        """
        policy = on_connecting(
            user_act=True, requires=["charging"], attest="They agreed."
        )
        state = granted(*policy.elements, policy=policy).state
        early = policy.in_force_from - timedelta(seconds=1)
        moments = [
            Moment(
                os_permission=answer,
                in_use=in_use,
                act=act,
                attested=attested,
                unmet=unmet,
                too_soon=too_soon,
            )
            for answer in OSPermission
            for in_use, act, attested, too_soon in product(
                (True, False), repeat=4
            )
            for unmet in ((), ("charging",))
        ]
        gates = [
            Gate(policy=policy, state=evolve(state, at=at))
            for at in (early, START)
        ]

        answers = [
            gate.decide("connect", "location_precise", moment=moment)
            for gate, moment in product(gates, moments)
        ]
        made = {
            r
            for answer in answers
            if isinstance(answer, Refusal)
            for r in (answer.reason, *answer.also)
        }
        assert made == MOMENTARY
        assert any(answers)

    def test_conditions_of_others(self) -> None:
        """
        A condition that the function does not name stops nothing.
        """
        gate = granted("connect")

        assert gate.decide(
            "connect",
            "network_status",
            moment=Moment(act=False, attested=False, unmet=("charging",)),
        )

    def test_acknowledgement(self) -> None:
        """
        What has to be acknowledged first is, in its present words.
        """
        policy = on_connecting(acknowledge="Tell who is in view.")
        entry = acts(policy, ("connect", Act.GRANTED))[0]
        state = fold([entry], policy)

        def after(text: str) -> Permit | Refusal:
            read = evolve(
                entry, act=Act.ACKNOWLEDGED, notice=text_digest(text)
            )
            known = evolve(state, acknowledged={"connect": read})
            gate = Gate(policy=policy, state=known)
            return gate.decide("connect", "network_status")

        bare = Gate(policy=policy, state=state)
        decision = bare.decide("connect", "network_status")
        assert reason(decision) is Reason.NOT_ACKNOWLEDGED
        assert reason(after("Older words.")) is Reason.NOT_ACKNOWLEDGED
        assert after("Tell who is in view.")

    def test_platform(self) -> None:
        """
        A type that is listed for some platforms is refused on others.
        """

        def mobile(tree: dict[str, Any]) -> None:
            tree["functions"][0]["collects"][1]["platforms"] = ["android"]

        gate = granted("connect", policy=small(change=mobile))

        asked = ("connect", "network_status")
        assert gate.decide(*asked, moment=Moment(platform="android"))
        decision = gate.decide(*asked, moment=Moment(platform="ios"))
        assert reason(decision) is Reason.PLATFORM

    def test_unreadable_ledger_goes_before_all(self) -> None:
        """
        Where the ledger cannot be read, that is the reason for everything.
        """
        gate = Gate(policy=POLICY, state=unreadable(POLICY, "damaged"))

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

    @pytest.mark.obligation("WP-ADD-4")
    @pytest.mark.parametrize("off", POLICY.elements)
    def test_silo(self, off: str) -> None:
        """
        Silo-check: turning one element off changes no decision on any
        other.
        """
        full = [(e, Act.GRANTED) for e in POLICY.elements]
        before = gate_after(*full)
        after = gate_after(*full, (off, Act.WITHDRAWN))
        for function in POLICY.functions.values():
            for clause in function.clauses.values():
                hit = off in function.needs(clause.type, clause.recipients[0])
                assert before.decide(function.id, clause.type)
                answer = after.decide(function.id, clause.type)
                assert bool(answer) is not hit

    def test_starting_an_sdk_needs_its_recipients(self) -> None:
        """
        An SDK gives to its recipients at once, so that their decisions and
        bars count for the function as a whole.
        """

        def shared(tree: dict[str, Any]) -> None:
            tree["recipients"][1]["separate"] = True

        policy = small(change=shared)

        assert reason(granted("umeng", policy=policy).function("umeng")) is (
            Reason.RECIPIENT_CONSENT_NEEDED
        )
        assert granted("umeng", "umeng@umeng", policy=policy).function("umeng")
        assert granted("umeng").function("umeng")

    def test_starting_an_sdk_gives_to_nobody_barred(self) -> None:
        """
        An SDK that gives to somebody found too risky does not start, with
        every yes there is; a function that starts none goes on without.
        """

        def risky(tree: dict[str, Any]) -> None:
            found = {"reference": "File 7", "risk": "high"}
            tree["recipients"][1]["assessment"] = found
            tree["functions"][1]["recipients"].append("umeng")

        policy = small(change=risky)
        gate = granted(*policy.elements, policy=policy)

        assert reason(gate.function("umeng")) is Reason.RECIPIENT_BARRED
        assert gate.function("improve")

    @pytest.mark.parametrize("answer", OSPermission)
    def test_starting_an_sdk_needs_the_operating_system(
        self, answer: OSPermission
    ) -> None:
        """
        An SDK starts where the system lets it; as a whole, a function
        without one is asked nothing of the system.
        """

        def guarded(tree: dict[str, Any]) -> None:
            for function in tree["functions"]:
                function["permission"] = "notification"

        policy = small(change=guarded)
        gate = granted(*policy.elements, policy=policy)
        moment = Moment(os_permission=answer)

        started = gate.function("umeng", moment=moment)
        lets = {OSPermission.GRANTED, OSPermission.NOT_APPLICABLE}
        if answer in lets:
            assert started
        else:
            assert reason(started) is Reason.OS_PERMISSION
        assert gate.function("improve", moment=moment)


def _with_a_partner(tree: dict[str, Any]) -> None:
    """
    Let ``improve`` give to somebody abroad who has aims of their own.
    """
    tree["storage"] = {"regions": ["CN", "DE"]}
    partner = {"id": "partner", "name": "Partner", "mode": "shared"}
    tree["recipients"].append({**partner, "country": "US"})
    tree["functions"][1]["recipients"].append("partner")


class TestOlderPromise:
    """
    Tests for a yes to an older version, which the newer one goes beyond.
    """

    @staticmethod
    def _gate(change: Any) -> Gate:
        """
        Let a person agree to the small policy, and then change it.
        """
        entries = acts(POLICY, *((e, Act.GRANTED) for e in POLICY.elements))
        policy = small(change=change)
        archive = {POLICY.digest: POLICY}
        state = fold(entries, policy, archive=archive)
        return Gate(policy=policy, state=state)

    def test_longer_is_kept_shorter(self) -> None:
        """
        Where a newer version keeps longer, what was agreed to holds.
        """
        gate = self._gate(
            lambda tree: tree["functions"][1].update(retention="P1Y")
        )

        permit = gate.decide("improve", "mac_address")
        assert isinstance(permit, Permit)
        assert str(permit.clause.retention) == "P1M"
        assert (
            str(
                gate.policy.functions["improve"]
                .clauses["mac_address"]
                .retention
            )
            == "P12M"
        )

    def test_plainer_is_kept_protected(self) -> None:
        """
        Where a newer version tells more, it is told as was agreed to.
        """
        gate = self._gate(
            lambda tree: tree["functions"][1]["collects"][2].update(
                protect="md5"
            )
        )

        permit = gate.decide("improve", "imei")
        assert isinstance(permit, Permit)
        assert permit.clause.protection.name is ProtectionName.PRESENT

    def test_oftener_is_kept_rare(self) -> None:
        """
        Where a newer version reads in more scenes, it is read in those
        that were agreed to.
        """
        gate = self._gate(
            lambda tree: tree["functions"][2]["collects"][0].update(
                scenes=["launch", "receive_share"]
            )
        )

        permit = gate.decide("paste", "clipboard_share_code")
        assert isinstance(permit, Permit)
        assert permit.clause.scenes == ("receive_share",)

    def test_new_type_waits(self) -> None:
        """
        What a newer version adds is refused; the rest goes on.
        """
        more = {"type": "device_model", "protect": "none"}
        gate = self._gate(
            lambda tree: tree["functions"][1]["collects"].append(more)
        )

        decision = gate.decide("improve", "device_model")
        assert reason(decision) is Reason.TERMS_CHANGED
        assert gate.decide("improve", "mac_address")
        assert gate.decide("logs", "crash_log")


# The rules, said once more

UNDECIDED = {
    "unknown": "not_asked",
    "other_basis": "not_asked",
    "asked": "not_answered",
    "deferred": "not_answered",
}
YES = {"granted", "renewed", "widened", "narrowed", "inherited"}
NO_TO_ALL = {
    "refused",
    "withdrawn",
    "objected",
    "invalidated",
    "guardian_needed",
    "masked",
    "paused",
}


def reference(
    policy: Policy, state: State, asked: Any, moment: Moment, basis: str
) -> Iterator[str]:
    """
    Name all that stands against it, as the architecture and the gate's own
    docstring say it.
    """
    name, data_type, purpose, party = asked
    function = policy.functions.get(name)
    if state.problem:
        yield "ledger_unreadable"
    if function is None:
        yield "undeclared_function"
        return
    if state.at is not None and state.at.date() < policy.effective:
        yield "not_in_force"
    clause = function.clauses.get(data_type)
    if clause is None:
        yield "undeclared_data_type"
    else:
        purpose = clause.purposes[0] if purpose is None else purpose
        party = clause.recipients[0] if party is None else party
        if clause.platforms and moment.platform not in clause.platforms:
            yield "platform"
        if purpose not in clause.purposes:
            yield "undeclared_purpose"
        if party not in clause.recipients:
            yield "undeclared_recipient"
    if party in policy.recipients and policy.recipients[party].barred:
        yield "recipient_barred"
    if not state.problem:
        needed = elements_for(function, clause, party)
        atom = Atom(data_type, purpose or "", party or "")
        if basis:
            yield from by_basis(policy, state, function, needed, atom, basis)
        else:
            yield from by_consent(state, needed, atom if clause else None)
    guard = function.permission if clause is None else clause.permission
    answer = moment.os_permission.value
    if guard and answer not in ("granted", "not_applicable"):
        yield "os_permission"
    if function.user_act and not moment.act:
        yield "no_act"
    if set(function.requires) & set(moment.unmet):
        yield "condition"
    read = state.acknowledged.get(name)
    digest = text_digest(function.acknowledge)
    if function.acknowledge and (read is None or read.notice != digest):
        yield "not_acknowledged"
    if function.attest and not moment.attested:
        yield "not_attested"
    if not moment.in_use:
        yield "not_in_use"
    if moment.too_soon:
        yield "too_often"


def elements_for(
    function: Function, clause: Clause | None, party: str | None
) -> Iterator[tuple[str, str]]:
    """
    Name each decision that it needs, and what its lack is called.
    """
    yield function.id, ""
    if clause is not None and clause.separate:
        yield f"{function.id}/{clause.type}", "separate_consent_needed"
    to = function.recipients.get(party or "")
    if to is not None and to.separate:
        yield f"{function.id}@{party}", "recipient_consent_needed"
    if to is not None and to.abroad:
        yield f"{function.id}@{party}+abroad", "abroad_consent_needed"


def by_consent(
    state: State, needed: Iterator[tuple[str, str]], atom: Atom | None
) -> Iterator[str]:
    """
    Each of them is granted, on terms that cover what is asked for.
    """
    for element, lack in needed:
        choice = state.choices[element]
        status = choice.status.value
        if status in UNDECIDED:
            yield lack or UNDECIDED[status]
        elif status not in YES:
            yield status
        elif choice.covered is not None and (
            atom not in choice.covered if atom else not choice.covered
        ):
            yield "terms_changed"


def by_basis(
    policy: Policy,
    state: State,
    function: Function,
    needed: Iterator[tuple[str, str]],
    atom: Atom,
    used: str,
) -> Iterator[str]:
    """
    No no was said; the basis is on record for all of it, is listed for this,
    and somebody vouches for it where that takes judgement.
    """
    elements = [element for element, _ in needed]
    statuses = [state.choices[element].status.value for element in elements]
    yield from (status for status in statuses if status in NO_TO_ALL)
    facts = [
        entry.facts
        for entry in state.bases
        if entry.hash == used
        and {entry.element, *entry.facts.get("parts", "").split()}.issuperset(
            elements
        )
    ]
    named = facts[0]["basis"] if facts else ""
    clause = function.clauses.get(atom.data_type)
    party = policy.recipients.get(atom.recipient)
    act = "collection"
    if party is not None and (party.separate or party.abroad):
        act = "sharing"
    apart = clause is not None and clause.separate
    cases = [
        case
        for case in policy.document.exceptions
        if case.basis == named
        and act in case.acts
        and function.id in (case.functions or [function.id])
        and atom.data_type in (case.types or [atom.data_type])
        and atom.purpose in (case.purposes or [atom.purpose])
        and (not apart or case.types)
    ]
    own = not apart and named in function.basis and named != "consent"
    if not facts or not (cases or own):
        yield "basis_not_listed"
    elif not load_vocabulary().bases[named].automatic and not (
        set(ATTESTATION) <= set(facts[0])
    ):
        yield "basis_not_attested"


TYPES: dict[str, Any] = {
    "location_precise": {"protect": "grid", "permission": "location"},
    "imei": {"protect": "present", "permission": "phone"},
    "network_status": {"protect": "none"},
    "app_usage_time": {"protect": "bucket"},
}
PURPOSES = ("wifi_connection", "usage_statistics", "device_binding")
PARTIES: dict[str, Any] = {
    "maker": {},
    "helper": {"mode": "entrusted", "country": "DE"},
    "partner": {"mode": "shared", "country": "CN"},
    "far": {"mode": "entrusted", "country": "US"},
}
PLATFORMS = ("android", "desktop")
STATUSES = tuple(s for s in Status if s is not Status.UNREADABLE)
BASES = ("statutory_duty", "stable_operation", "national_security")


def some(chance: Random, names: Iterable[str], least: int = 1) -> list[str]:
    """
    Choose some of *names*.
    """
    listed = list(names)
    return chance.sample(listed, chance.randint(least, len(listed)))


def maybe(chance: Random, **keys: Any) -> dict[str, Any]:
    """
    Take each of *keys*, or leave it out.
    """
    return {key: v for key, v in keys.items() if chance.random() < 0.25}


def make_policy(chance: Random) -> Policy:
    """
    Make up a policy with two functions.
    """
    others = [
        {"id": name, "name": name, **more}
        for name, more in PARTIES.items()
        if more
    ]
    if chance.random() < 0.3:
        others[0]["assessment"] = {"reference": "File 7", "risk": "high"}
    tree = {
        **{k: tables()[k] for k in ("schema", "policy", "controller")},
        "storage": {"regions": ["CN", "DE"]},
        "recipients": others,
        "functions": [{"id": id_, **make_function(chance)} for id_ in "ab"],
        "exceptions": [make_exception(chance) for _ in range(3)],
    }
    return parse_policy(to_toml(tree))


def make_function(chance: Random) -> dict[str, Any]:
    """
    Make up what a function promises.
    """
    return {
        "name": "F",
        "text": "We do it.",
        "category": "additional",
        "on_refusal": "degraded",
        "retention": "P1D",
        "basis": chance.choice([["consent"], ["statutory_duty"]]),
        "collects": [
            {
                "type": data_type,
                **TYPES[data_type],
                "purposes": some(chance, PURPOSES),
                "recipients": some(chance, PARTIES),
                **maybe(chance, platforms=some(chance, PLATFORMS)),
            }
            for data_type in some(chance, TYPES, 0)
        ],
        **maybe(
            chance,
            user_act=True,
            requires=["charging"],
            acknowledge="Tell who is in view.",
            attest="The other party agreed.",
        ),
    }


def make_exception(chance: Random) -> dict[str, Any]:
    """
    Make up a case without consent.
    """
    return {
        "basis": chance.choice(BASES),
        "acts": some(chance, ["collection", "sharing"]),
        **maybe(
            chance,
            functions=some(chance, "ab"),
            types=some(chance, TYPES),
            purposes=some(chance, PURPOSES),
        ),
    }


def make_state(chance: Random, policy: Policy) -> State:
    """
    Make up where a person stands, at some time.
    """
    if chance.random() < 0.05:
        return unreadable(policy, "damaged")
    steps = [(e, Act.GRANTED) for e in policy.elements]
    entries = acts(policy, *steps, *steps[:2])
    choices = {}
    for element, entry in zip(policy.elements, entries, strict=False):
        atoms = list(atoms_of(policy.function_of(element), element))
        covered = None
        if chance.random() < 0.2:
            covered = frozenset(a for a in atoms if chance.random() < 0.8)
        status = chance.choice(STATUSES)
        if chance.random() < 0.8:
            status = chance.choice([s for s in STATUSES if s in OPEN])
        choices[element] = Choice(
            element=element, status=status, entry=entry, covered=covered
        )
    told = chance.choice(["Tell who is in view.", "Older words."])
    facts = {"basis": chance.choice(BASES)}
    if chance.random() < 0.5:
        facts |= dict.fromkeys(ATTESTATION, "said")
    if chance.random() < 0.7:
        facts["parts"] = " ".join(e for e in choices if e not in "ab")
    used = evolve(
        entries[-1],
        act=Act.BASIS_USED,
        element=chance.choice("ab"),
        facts=facts,
    )
    read = evolve(entries[-2], notice=text_digest(told))
    return State(
        choices=choices,
        at=START if chance.random() < 0.9 else START.replace(year=2025),
        acknowledged={chance.choice("ab"): read},
        bases=(used,) if chance.random() < 0.8 else (),
    )


def make_moment(chance: Random) -> Moment:
    """
    Make up what holds at the moment of a call.
    """
    if chance.random() < 0.3:
        return Moment()
    return Moment(
        os_permission=chance.choice(list(OSPermission)),
        platform=chance.choice(PLATFORMS),
        in_use=chance.random() < 0.8,
        act=chance.random() < 0.5,
        attested=chance.random() < 0.5,
        unmet=chance.choice([(), ("charging",), ("other",)]),
        too_soon=chance.random() < 0.2,
    )


#: Everything that can be asked of such a policy, and what it does not name.
WHOLE_PRODUCT = list(
    product(
        ("a", "b", "nothing"),
        (*TYPES, "nothing"),
        (None, *PURPOSES, "payment"),
        (None, *PARTIES, "nobody"),
    )
)


class TestAgainstTheRules:
    """
    Tests of the gate against the rules, said once more.
    """

    @settings(deadline=None, max_examples=100)
    @given(st.integers(0, 2**32))
    def test_decides_as_the_rules_say(self, seed: int) -> None:
        """
        Under any policy, in any state and at any moment, each decision is
        that of the rules: a refusal names all that fails, and a permit what
        it rests on.
        """
        chance = Random(seed)
        policy = make_policy(chance)
        state, moment = make_state(chance, policy), make_moment(chance)
        gate = Gate(policy=policy, state=state)
        used = [entry.hash for entry in state.bases] or ["f" * 64]
        for asked, basis in product(WHOLE_PRODUCT, ["", *used]):
            decision = gate.decide(*asked, moment=moment, basis=basis)

            expected = reference(policy, state, asked, moment, basis)
            against = list(dict.fromkeys(expected))
            if isinstance(decision, Refusal):
                named = (decision.reason, *decision.also)
                assert [r.value for r in named] == against, asked
                assert not decision
                assert asked[:2] == (decision.function, decision.data_type)
            else:
                assert not against, (asked, against)
                self._rests(decision, state, asked, basis)

    @staticmethod
    def _rests(permit: Permit, state: State, asked: Any, basis: str) -> None:
        """
        Check that *permit* names clause and entries.
        """
        function, data_type, purpose, recipient = asked
        clause = permit.function.clauses[data_type]
        assert permit.function.id == function
        assert permit.clause == clause
        assert permit.purpose == (purpose or clause.purposes[0])
        assert permit.recipient == (recipient or clause.recipients[0])
        rests: dict[str, Entry | None] = {
            element: state.choices[element].entry
            for element, _ in elements_for(
                permit.function, clause, permit.recipient
            )
        }
        if basis:
            rests = {function: state.bases[0]}
        assert dict(permit.entries) == rests
        assert permit.entry is list(rests.values())[-1]
        assert permit.grant.split() == [e.hash for e in rests.values() if e]

    @settings(deadline=None, max_examples=25)
    @given(st.integers(0, 2**32))
    def test_all_granted_opens_what_is_declared(self, seed: int) -> None:
        """
        Who says yes to everything opens what the policy declares and
        nothing bars, and nothing else.
        """
        policy = make_policy(Random(seed))
        text = text_digest("Tell who is in view.")
        state = granted(*policy.elements, policy=policy).state
        granted_by = state.choices["a"].entry
        assert granted_by is not None
        read = evolve(granted_by, notice=text)
        state = evolve(state, acknowledged={"a": read, "b": read})
        gate = Gate(policy=policy, state=state)
        declared = {
            (function.id, clause.type, purpose, recipient)
            for function in policy.functions.values()
            for clause in function.clauses.values()
            if "desktop" in (clause.platforms or ("desktop",))
            for purpose in clause.purposes
            for recipient in clause.recipients
            if not policy.recipients[recipient].barred
        }

        opened = {
            asked
            for asked in WHOLE_PRODUCT
            if None not in asked and gate.decide(*asked)
        }
        assert opened == declared

    def test_is_pure(self) -> None:
        """
        The same question to the same gate has the same answer, whatever
        moment was asked about in between.
        """
        gate = granted("improve")
        asked = ("improve", "mac_address")

        one = gate.decide(*asked)
        assert not gate.decide(*asked, moment=Moment(in_use=False))
        assert not gate.decide(*asked, basis="f" * 64)
        assert str(gate.decide(*asked)) == str(one)

    @pytest.mark.parametrize(
        "moment", [FAVOURABLE, Moment(platform="ios"), Moment(too_soon=True)]
    )
    def test_answers_once(self, moment: Moment) -> None:
        """
        A question is decided once: asked again, the very same answer comes.
        """
        gate = granted("improve")
        asked = ("improve", "mac_address", None, None, moment)

        assert gate.decide(*asked) is gate.decide(*asked)

    @pytest.mark.parametrize("function", ["improve", "umeng", "nonsense"])
    def test_answers_once_for_a_function(self, function: str) -> None:
        """
        So it is with a function as a whole.
        """
        gate = granted("improve")

        assert gate.function(function) is gate.function(function)
        at = Moment(act=False)
        assert gate.function(function, moment=at) == gate.function(function)

    @pytest.mark.parametrize("table", ["favourable", "answers", "wholes"])
    def test_takes_no_answers(self, table: str) -> None:
        """
        Nobody hands a gate what it is to answer.
        """
        known = granted("improve")
        with pytest.raises(TypeError):
            Gate(policy=POLICY, state=known.state, **{table: {}})

    def test_tells_nobody_what_was_asked(self) -> None:
        """
        What a gate remembers is not in its text.
        """
        gate = granted("improve")
        before = repr(gate)
        gate.decide("improve", "mac_address")
        gate.decide("improve", "mac_address", moment=Moment(too_soon=True))
        gate.function("improve")

        assert repr(gate) == before

    def test_remembers_no_more_than_fits(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Whoever asks for nonsense again and again does not fill the memory:
        past a bound answers are made anew, and are as right.
        """
        monkeypatch.setattr("consentkit.gate._MOST_ANSWERS", 8)
        gate = granted("improve")
        gate.decide("improve", "mac_address")
        for number in range(7):
            gate.decide("improve", f"nonsense {number}")

        late = ("improve", "mac_address", "payment")
        assert gate.decide(*late) == gate.decide(*late)
        assert gate.decide(*late) is not gate.decide(*late)
        known = ("improve", "nonsense 6")
        assert gate.decide(*known) is gate.decide(*known)
        for number in range(8):
            gate.function(f"nonsense {number}")
        assert gate.function("umeng") == gate.function("umeng")
        assert gate.function("umeng") is not gate.function("umeng")
        assert gate.function("nonsense 7") is gate.function("nonsense 7")


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
        head, _, words = str(refusal).partition(", ")
        assert head == "improve/imei: refused"
        assert len(words) > 10
        assert words != why.value
        assert "(" not in words

    def test_detail_stands_behind(self) -> None:
        """
        The detail follows the reason.
        """
        refusal = Refusal(
            reason=Reason.UNDECLARED_SCENE, function="paste", detail="launch"
        )

        assert str(refusal).endswith("does not list this scene (launch)")

    def test_all_that_failed_is_said(self) -> None:
        """
        The text names the other conditions that failed, in their order,
        and none where there are none.
        """
        one = Refusal(reason=Reason.NO_ACT, function="paste")
        more = evolve(one, also=(Reason.NOT_IN_USE, Reason.TOO_OFTEN))

        assert str(one) == "paste: refused, it needs an act of the person"
        assert str(more) == (
            f"{one}; also, the function is not in use here; the policy "
            "promises to read it less often"
        )

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
            for name in (*Permit.__slots__, *Permit.__annotations__)
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

        for name in (*Permit.__slots__, *Permit.__annotations__, "more"):
            with pytest.raises(ForgedPermitError, match="changed"):
                setattr(permit, name, None)
            with pytest.raises(ForgedPermitError, match="changed"):
                delattr(permit, name)
        with pytest.raises(AttributeError):
            object.__setattr__(permit, "purpose", "other")
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

    def test_says_what_stays(self) -> None:
        """
        Of what never leaves the device, the text names no recipient.
        """
        permit = permit_for("connect", "wifi_password")

        assert "permitted for wifi_connection, to stay on the device" in (
            str(permit)
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

    def test_repr_counts_reads(self) -> None:
        """
        A source's repr has its name and reads, and no value.
        """
        spy = Spy("mac_address", MAC)
        spy.read(permit_for("improve", "mac_address"))

        assert repr(spy) == "<Spy spy of mac_address: 1 reads>"
