# SPDX-License-Identifier: MIT

"""
Tests for lawful bases other than consent, and for what a function promises
of its use, as an app meets them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

import consentkit

from consentkit.gate import Permit, Reason, Refusal
from consentkit.ledger.entries import Act, Actor, Entry
from consentkit.policy import Policy
from consentkit.use import Basis
from tests.support import START, Clock, Spies, make_kit, small


PLACE = "connect/location_precise"

DUTY = Basis(id="statutory_duty")
WATCH = Basis(
    id="national_security",
    person="A. Officer",
    reason="order 12",
    reference="Act 3, Article 7",
    until=START + timedelta(days=1),
)
PUBLISHED = Basis(id="legally_disclosed", reference="Gazette 5, page 2")


def _cases(tree: dict[str, Any]) -> None:
    """
    List some cases without consent.
    """
    tree["exceptions"] = [
        {"basis": "statutory_duty", "functions": ["improve"]},
        {
            "basis": "national_security",
            "types": ["location_precise", "network_status"],
        },
        {"basis": "legally_disclosed", "functions": ["improve"]},
        {"basis": "controller_discretion", "functions": ["improve"]},
    ]


CASES = small(change=_cases)


@pytest.fixture
def clock() -> Clock:
    """
    Give time that passes when told to.
    """
    return Clock()


@pytest.fixture
def spies() -> Spies:
    """
    Give sources that count their reads.
    """
    return Spies()


@pytest.fixture
def kit(tmp_path: Path, clock: Clock, spies: Spies) -> Any:
    """
    Give a kit of somebody who was asked nothing.
    """
    with make_kit(tmp_path, policy=CASES, clock=clock, spies=spies) as made:
        yield made


def take(
    kit: consentkit.Kit,
    function: str = "improve",
    data_type: str = "mac_address",
    **use: Any,
) -> Permit | Refusal:
    """
    Ask for one data type in one use.
    """
    with kit.use(function, **use) as used:
        return used.permit(data_type)


def reason(answer: object) -> Reason:
    """
    Give the reason of what must be a refusal.
    """
    assert isinstance(answer, Refusal), answer
    return answer.reason


def used(kit: consentkit.Kit) -> list[Entry]:
    """
    List the uses of bases that are on record.
    """
    return [e for e in kit.consent.history() if e.act is Act.BASIS_USED]


class TestListed:
    """
    Tests for what the document lists.
    """

    def test_opens_what_it_is_listed_for(
        self, kit: consentkit.Kit, spies: Spies
    ) -> None:
        """
        A listed basis opens its function without a yes; it is read once,
        and the use is on record with the permit resting on it.
        """
        assert reason(take(kit)) is Reason.NOT_ASKED
        with kit.use("improve", basis=DUTY) as use:
            permit = use.permit("mac_address")
            device = use.device("mac_address")
            assert use.capture(device)

        assert isinstance(permit, Permit)
        (entry,) = used(kit)
        assert permit.entry == entry
        assert dict(entry.facts) == {"basis": "statutory_duty"}
        assert (entry.element, entry.by) == ("improve", Actor.CONTROLLER)
        assert spies.reads == 1
        (record,) = kit.store.inspect()
        assert record.consent == entry.hash

    @pytest.mark.parametrize(
        ("function", "data_type", "basis"),
        [
            ("logs", "service_log", DUTY),
            ("improve", "mac_address", Basis(id="vital_interest")),
            ("improve", "mac_address", Basis(id="controller_discretion")),
            ("improve", "mac_address", Basis(id="consent")),
            ("improve", "mac_address", Basis(id="nonsense")),
            ("improve", "mac_address", WATCH),
            ("connect", "location_precise", DUTY),
        ],
        ids=lambda value: getattr(value, "id", value),
    )
    def test_opens_nothing_else(
        self,
        kit: consentkit.Kit,
        spies: Spies,
        function: str,
        data_type: str,
        basis: Basis,
    ) -> None:
        """
        A basis that is not listed for it, or that is none, opens nothing,
        reads nothing, and is not on record as used.
        """
        with kit.use(function, basis=basis) as use:
            assert reason(use.permit(data_type)) is Reason.BASIS_NOT_LISTED
            assert not use.device(data_type)

        assert used(kit) == []
        assert spies.reads == 0

    @pytest.mark.parametrize(
        ("mode", "act"), [("public", "disclosure"), ("shared", "sharing")]
    )
    def test_opens_the_act_that_it_is_listed_for(
        self, mode: str, act: str, tmp_path: Path
    ) -> None:
        """
        Making something public takes a case for disclosure, giving it to
        somebody one for sharing; a case for another act opens neither.
        """

        def to_others(tree: dict[str, Any], *acts: str) -> None:
            tree["recipients"].append(
                {"id": "other", "name": "O", "mode": mode}
            )
            tree["functions"][1]["recipients"] = ["maker", "other"]
            case = {"basis": "statutory_duty", "functions": ["improve"]}
            tree["exceptions"] = [{**case, "acts": list(acts)}]

        def answer(*acts: str) -> Permit | Refusal:
            policy = small(change=lambda tree: to_others(tree, *acts))
            folder = tmp_path / "-".join(acts)
            with (
                make_kit(folder, policy=policy) as kit,
                kit.use("improve", basis=DUTY) as use,
            ):
                return use.permit("mac_address", recipient="other")

        assert isinstance(answer(act), Permit)
        acts = {"collection", "sharing", "transfer", "disclosure"}
        refused = answer(*sorted(acts - {act}))
        assert reason(refused) is Reason.BASIS_NOT_LISTED

    @pytest.mark.parametrize(
        ("function", "data_type", "expected"),
        [
            ("nothing", "mac_address", Reason.UNDECLARED_FUNCTION),
            ("improve", "nothing", Reason.UNDECLARED_DATA_TYPE),
        ],
    )
    def test_undeclared_stays_undeclared(
        self,
        kit: consentkit.Kit,
        function: str,
        data_type: str,
        expected: Reason,
    ) -> None:
        """
        No basis opens what the policy does not declare, and nothing is
        recorded.
        """
        answer = take(kit, function, data_type, basis=DUTY)

        assert reason(answer) is expected
        assert kit.consent.history() == ()

    def test_of_the_function_itself(self, kit: consentkit.Kit) -> None:
        """
        What a function names as its own basis is listed for it, but for
        what needs a decision of its own.
        """
        contract = Basis(id="contract")

        assert take(kit, "connect", "network_status", basis=contract)
        answer = take(kit, "connect", "location_precise", basis=contract)
        assert reason(answer) is Reason.BASIS_NOT_LISTED

    def test_all_of_the_device(self, kit: consentkit.Kit) -> None:
        """
        Without names, what the basis covers is read as under a consent.
        """
        with kit.use("improve", basis=DUTY) as use:
            device = use.device()

        assert isinstance(device, consentkit.Device)
        assert "mac_address" in {v.data_type for v in device.values}

    def test_purpose_still_counts(self, kit: consentkit.Kit) -> None:
        """
        A basis opens the declared purposes and no others.
        """
        answer = take(kit, basis=DUTY, purpose="payment")

        assert reason(answer) is Reason.UNDECLARED_PURPOSE


class TestAttested:
    """
    Tests for bases that need judgement.
    """

    TYPE = ("connect", "network_status")

    def test_with_somebody_who_answers_for_it(
        self, kit: consentkit.Kit
    ) -> None:
        """
        The named person, the reason, the reference and the end are on
        record.
        """
        assert take(kit, *self.TYPE, basis=WATCH)

        (entry,) = used(kit)
        assert dict(entry.facts) == {
            "basis": "national_security",
            "person": "A. Officer",
            "reason": "order 12",
            "reference": "Act 3, Article 7",
            "until": "2026-11-21T12:00:00+00:00",
        }

    @pytest.mark.parametrize("name", ["person", "reason", "reference"])
    def test_with_less_than_all(self, kit: consentkit.Kit, name: str) -> None:
        """
        Whatever is missing, it opens nothing and is not on record.
        """
        less: dict[str, Any] = {name: ""}
        basis = attrs.evolve(WATCH, **less)

        answer = take(kit, *self.TYPE, basis=basis)
        assert reason(answer) is Reason.BASIS_NOT_ATTESTED
        assert used(kit) == []

    @pytest.mark.parametrize("until", [None, START])
    def test_without_an_end_to_come(
        self, kit: consentkit.Kit, until: Any
    ) -> None:
        """
        It has an end, and that lies ahead.
        """
        answer = take(kit, *self.TYPE, basis=attrs.evolve(WATCH, until=until))

        assert reason(answer) is Reason.BASIS_NOT_ATTESTED

    def test_ends(self, kit: consentkit.Kit, clock: Clock) -> None:
        """
        When its time is over, a use that goes on gets nothing more, and
        what was kept under it is not sent.
        """
        with kit.use(*self.TYPE[:1], basis=WATCH) as use:
            permit = use.permit("network_status")
            assert isinstance(permit, Permit)
            waits = ("connect", "maker", permit.grant)
            assert kit.gate().lets_out(*waits)
            clock.tick(days=1)
            assert not use.permit("network_status")
            assert not kit.still_granted(permit)
            assert not kit.gate().lets_out(*waits)

    def test_bare_entry_opens_nothing(self, kit: consentkit.Kit) -> None:
        """
        An entry without the attestation, however it came about, does not
        do.
        """
        entry = kit.consent.record_basis(
            "connect", {"basis": "national_security"}
        )

        answer = kit.decide(*self.TYPE, in_use=True, basis=entry.hash)
        assert reason(answer) is Reason.BASIS_NOT_ATTESTED

    def test_what_was_published_was_somewhere(
        self, kit: consentkit.Kit
    ) -> None:
        """
        Data from public sources needs its source.
        """
        bare = attrs.evolve(PUBLISHED, reference="")

        assert reason(take(kit, basis=bare)) is Reason.BASIS_NOT_ATTESTED
        assert take(kit, basis=PUBLISHED)

    def test_separate_type_by_a_case_that_names_it(
        self, kit: consentkit.Kit
    ) -> None:
        """
        What needs a decision of its own is excused by name only.
        """
        assert take(kit, "connect", "location_precise", basis=WATCH)


class TestNo:
    """
    Tests for a person who said no.
    """

    @pytest.mark.parametrize(
        ("act", "expected"),
        [
            ("deny", Reason.REFUSED),
            ("withdraw", Reason.WITHDRAWN),
            ("object_to", Reason.OBJECTED),
            ("pause", Reason.PAUSED),
        ],
    )
    def test_is_a_no_to_every_basis(
        self, kit: consentkit.Kit, act: str, expected: Reason
    ) -> None:
        """
        No basis opens what was refused, and no use of one is recorded.
        """
        kit.consent.grant("improve")
        getattr(kit.consent, act)("improve")

        assert reason(take(kit, basis=DUTY)) is expected
        assert used(kit) == []

    def test_to_a_sensitive_type(self, kit: consentkit.Kit) -> None:
        """
        A no to a decision beside the function counts as much.
        """
        kit.consent.deny(PLACE)

        answer = take(kit, "connect", "location_precise", basis=WATCH)
        assert isinstance(answer, Refusal)
        assert Reason.REFUSED in (answer.reason, *answer.also)
        assert used(kit) == []
        assert take(kit, "connect", "network_status", basis=WATCH)

    def test_in_the_midst_of_a_use(self, kit: consentkit.Kit) -> None:
        """
        An objection ends what goes on under another basis, and destroys
        what was kept.
        """
        with kit.use("improve", basis=DUTY) as use:
            device = use.device("mac_address")
            assert use.capture(device)
            done = kit.consent.object_to("improve")
            assert reason(use.permit("mac_address")) is Reason.OBJECTED
            assert not use.capture(device)

        assert done.destroyed.records == 1
        assert kit.status().waiting == 0


def promising(**keys: Any) -> Policy:
    """
    Give the small policy with more promises of ``improve``.
    """
    return small(change=lambda tree: tree["functions"][1].update(keys))


class TestPromisedUse:
    """
    Tests for what a function promises of its use.
    """

    def test_act(self, tmp_path: Path, spies: Spies) -> None:
        """
        What takes a person's act is not read without one.
        """
        policy = promising(user_act=True)
        kit = make_kit(tmp_path, "improve", policy=policy, spies=spies)
        with kit, kit.use("improve") as use:
            assert reason(use.device("mac_address")) is Reason.NO_ACT
        assert spies.reads == 0

        kit = make_kit(tmp_path, policy=policy, spies=spies)
        with kit, kit.use("improve", act="pressed_save") as use:
            assert use.device("mac_address")
        assert spies.reads == 1

    @pytest.mark.parametrize(
        "answer", [False, None, "yes", 1, LookupError("no")]
    )
    def test_condition(
        self, tmp_path: Path, spies: Spies, answer: object
    ) -> None:
        """
        Only a plain yes of the app meets a condition; each read asks.
        """
        answers: list[object] = [True, answer]
        asked: list[str] = []

        def conditions(name: str) -> Any:
            asked.append(name)
            given = answers[0] if len(asked) == 1 else answers[1]
            if isinstance(given, Exception):
                raise given
            return given

        kit = make_kit(
            tmp_path,
            "improve",
            policy=promising(requires=["charging"]),
            spies=spies,
            conditions=conditions,
        )
        with kit, kit.use("improve") as use:
            assert use.device("mac_address")
            assert reason(use.device("mac_address")) is Reason.CONDITION

        assert set(asked) == {"charging"}
        assert spies.reads == 1

    def test_condition_of_an_sdk(self, tmp_path: Path) -> None:
        """
        An SDK whose function has a condition does not start without it.
        """
        answers = {"charging": False}
        policy = small(
            change=lambda t: t["functions"][4].update(requires=["charging"])
        )
        with make_kit(
            tmp_path, "umeng", policy=policy, conditions=answers.__getitem__
        ) as kit:
            refused = kit.registry.start("umeng", lambda: "started")
            assert reason(refused) is Reason.CONDITION
            answers["charging"] = True
            assert kit.registry.start("umeng", lambda: "started")

    def test_acknowledgement(self, tmp_path: Path) -> None:
        """
        What has to be acknowledged is, before anything is read.
        """
        policy = promising(acknowledge="Tell the others.")
        with make_kit(tmp_path, "improve", policy=policy) as kit:
            assert reason(take(kit)) is Reason.NOT_ACKNOWLEDGED
            kit.consent.acknowledge("improve")
            assert take(kit)

    def test_attestation(self, tmp_path: Path) -> None:
        """
        What the person has to vouch for is vouched for at each use.
        """
        policy = promising(attest="The other party agreed.")
        with make_kit(tmp_path, "improve", policy=policy) as kit:
            assert take(kit, attested="ticked the box")
            assert reason(take(kit)) is Reason.NOT_ATTESTED

    @pytest.mark.parametrize(
        ("platform", "expected"), [("ios", True), ("desktop", False)]
    )
    def test_platform(
        self, tmp_path: Path, platform: str, *, expected: bool
    ) -> None:
        """
        What is listed for one platform is not read on another.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["collects"][0]["platforms"] = ["ios"]

        with make_kit(
            tmp_path,
            "improve",
            policy=small(change=change),
            platform=platform,
        ) as kit:
            answer = take(kit)
            assert bool(answer) is expected
            assert expected or reason(answer) is Reason.PLATFORM


def _every(period: str) -> Callable[[dict[str, Any]], None]:
    def change(tree: dict[str, Any]) -> None:
        tree["functions"][1]["collects"][0]["frequency"] = period

    return change


class TestFrequency:
    """
    Tests for how often something is read.
    """

    def test_is_kept(self, tmp_path: Path, clock: Clock, spies: Spies) -> None:
        """
        Between two reads the promised time passes; what was read may be
        kept all the same, and other types are read.
        """
        policy = small(change=_every("PT1H"))
        kit = make_kit(
            tmp_path, "improve", policy=policy, clock=clock, spies=spies
        )
        with kit, kit.use("improve") as use:
            device = use.device("mac_address")
            assert use.capture(device)
            clock.tick(minutes=59)
            assert reason(use.device("mac_address")) is Reason.TOO_OFTEN
            assert use.device("app_usage_time")
            clock.tick(minutes=1)
            assert use.device("mac_address")
        assert spies["mac_address"].reads == 2

    def test_of_an_older_promise(
        self, tmp_path: Path, clock: Clock, spies: Spies
    ) -> None:
        """
        Who agreed to once a day is read once a day, whatever a newer
        version allows.
        """
        with make_kit(tmp_path, "improve", policy=small(change=_every("P1D"))):
            pass
        kit = make_kit(
            tmp_path,
            policy=small(change=_every("PT1H")),
            clock=clock,
            spies=spies,
        )
        with kit, kit.use("improve") as use:
            assert use.device("mac_address")
            clock.tick(hours=2)
            assert reason(use.device("mac_address")) is Reason.TOO_OFTEN
            clock.tick(hours=22)
            assert use.device("mac_address")
        assert spies.reads == 2
