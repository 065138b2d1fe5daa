# SPDX-License-Identifier: MIT

"""
Tests for explanations of decisions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.response import Spent
from consentkit.consent.state import fold, unreadable
from consentkit.gate import Gate, Moment, OSPermission, Permit, Refusal
from consentkit.ledger.entries import Act
from consentkit.why import Condition, Explanation, explain
from tests.support import START, acts, make_kit, small


POLICY = small()
PLACE = "connect/location_precise"

ALLOWED = Moment(os_permission=OSPermission.GRANTED)
HEADLINE = (
    "connect/location_precise: permitted for wifi_connection, to maker, "
    "by entry 2 of 2026-11-20 12:02 on policy version 1"
)
STRENGTH = (
    "de-identified; undone by who knows more of about 4 km2; joins a "
    "track, with its other places and their times"
)
TOGETHER = (
    "pseudonymised, with all else that the function gives this recipient, by "
    "location_precise"
)
CLAUSE = "for wifi_connection; protected by grid; kept P1D; to maker"
AT = "2026-11-20 12:00:00 UTC"
BY = "granted by app at 2026-11-20 12:0{0}:00 UTC, entry {0}, on version 1"


def why(
    gate: Gate,
    function: str,
    data_type: str | None = None,
    recipient: str | None = None,
    moment: Moment = ALLOWED,
) -> Explanation:
    """
    Explain what *gate* decides.
    """
    return explain(
        gate,
        function,
        data_type,
        recipient=recipient,
        moment=moment,
    )


def granted(*elements: str) -> Gate:
    """
    Compile the gate for a person who granted *elements*.
    """
    entries = acts(POLICY, *((e, Act.GRANTED) for e in elements))
    return Gate(policy=POLICY, state=fold(entries, POLICY, at=START))


class TestExplain:
    """
    Tests for `explain`.
    """

    def test_of_a_permit_names_clause_and_entry(self) -> None:
        """
        The text of a yes has every condition, the clause and the entry.
        """
        text = str(
            why(granted("connect", PLACE), "connect", "location_precise")
        )

        assert text.splitlines() == [
            HEADLINE,
            " yes  the ledger can be read",
            " yes  the policy declares the function: small 1",
            " yes  the policy is in force: from 2026-04-10",
            f" yes  the policy lists location_precise: {CLAUSE}",
            f" yes  the person granted connect: {BY.format(1)}",
            f" yes  the person granted {PLACE}: {BY.format(2)}",
            " yes  the operating system allows it: location, granted",
            "",
            f"What comes out: {STRENGTH}",
            "",
            f"Together: {TOGETHER}",
        ]

    @pytest.mark.parametrize(
        ("gate", "asked", "name"),
        [
            (
                granted(),
                {"function": "nothing", "data_type": "imei"},
                "the policy declares the function",
            ),
            (
                granted("improve"),
                {"function": "improve", "data_type": "bssid"},
                "the policy lists bssid",
            ),
            (
                granted("improve"),
                {
                    "function": "improve",
                    "data_type": "imei",
                    "recipient": "umeng",
                },
                "the policy lists umeng as its recipient",
            ),
            (
                granted(),
                {"function": "improve", "data_type": "imei"},
                "the person granted improve",
            ),
            (
                granted("connect"),
                {"function": "connect", "data_type": "location_precise"},
                f"the person granted {PLACE}",
            ),
            (
                granted("improve"),
                {
                    "function": "improve",
                    "data_type": "imei",
                    "moment": Moment(os_permission=OSPermission.DENIED),
                },
                "the operating system allows it",
            ),
            (
                Gate(policy=POLICY, state=unreadable(POLICY, "torn")),
                {"function": "improve", "data_type": "imei"},
                "the ledger can be read",
            ),
        ],
        ids=[
            "function",
            "type",
            "recipient",
            "grant",
            "separate",
            "permission",
            "ledger",
        ],
    )
    def test_of_a_refusal_names_what_failed(
        self, gate: Gate, asked: dict, name: str
    ) -> None:
        """
        The first condition that fails is the one that the gate named.
        """
        explained = why(gate, **asked)

        assert not explained.permitted
        failed = [c.name for c in explained.conditions if c.holds is False]
        assert failed[0] == name
        assert ": refused, " in explained.headline

    @pytest.mark.parametrize(
        ("data_type", "answer", "detail"),
        [
            ("mac_address", OSPermission.GRANTED, "no permission is needed"),
            ("imei", OSPermission.DENIED, "phone, denied"),
            (
                "imei",
                OSPermission.NOT_APPLICABLE,
                "phone, which nothing guards here",
            ),
        ],
        ids=["none", "denied", "not_applicable"],
    )
    def test_names_the_permission(
        self, data_type: str, answer: OSPermission, detail: str
    ) -> None:
        """
        It says which permission is meant, and what the system answered.
        """
        moment = Moment(os_permission=answer)
        text = str(why(granted("improve"), "improve", data_type, None, moment))

        assert f"the operating system allows it: {detail}\n" in f"{text}\n"

    @pytest.mark.parametrize(
        ("data_type", "end"),
        [
            ("network_status", "; kept P1D; to maker"),
            ("wifi_password", "; kept P1D; stays on the device"),
            ("device_name", "; kept P1D; not read"),
        ],
    )
    def test_says_who_gets_it(self, data_type: str, end: str) -> None:
        """
        It names the recipients, where anything leaves the device at all.
        """
        text = str(why(granted("connect"), "connect", data_type))

        (line,) = [x for x in text.splitlines() if "policy lists" in x]
        assert line.endswith(end)

    def test_what_a_use_asks_for(self) -> None:
        """
        What each use has to bring is listed, and neither met nor missed;
        what the app has to say or show first is missed, and named.
        """
        policy = small(
            change=lambda tree: tree["functions"][1].update(
                user_act=True,
                attest="they agreed",
                acknowledge="Others see it.",
                requires=["charging"],
            )
        )
        entries = acts(policy, ("improve", Act.GRANTED))
        gate = Gate(policy=policy, state=fold(entries, policy, at=START))
        explained = why(
            gate, "improve", "imei", moment=Moment(unmet=("charging",))
        )

        assert not explained.permitted
        assert list(map(str, explained.conditions[-4:])) == [
            (
                "  NO  the condition charging is met: the app does not say "
                "that it is"
            ),
            (
                "  NO  the person acknowledged what it says first: "
                "'Others see it.'"
            ),
            "   -  an act of the person: asked for at each use",
            (
                "   -  the person vouches for something: 'they agreed'; "
                "asked for at each use"
            ),
        ]

    def test_of_a_function_as_a_whole(self) -> None:
        """
        Without a data type the function's own decision is explained.
        """
        yes, no = (why(g, "umeng") for g in (granted("umeng"), granted()))

        assert yes.permitted
        assert yes.headline == "umeng: permitted"
        assert not no.permitted
        assert "has not been asked" in no.headline

    def test_shows_what_could_not_be_asked(self) -> None:
        """
        A condition behind a failed one is neither yes nor no.
        """
        explained = why(granted(), "nothing", "imei", "maker")

        assert [c.holds for c in explained.conditions] == [
            True,
            False,
            True,
            False,
            None,
            None,
        ]
        assert str(explained.conditions[-1]) == (
            "   -  the person granted the function"
        )

    def test_condition_reads_as_a_line(self) -> None:
        """
        A condition that fails stands out.
        """
        assert str(Condition(name="it is so", holds=False, detail="no")) == (
            "  NO  it is so: no"
        )

    @settings(deadline=None, max_examples=200)
    @given(st.data())
    def test_agrees_with_the_gate(self, data: st.DataObject) -> None:
        """
        Permitted is what the gate permits, and then every condition holds;
        refused is what has a condition that does not.
        """
        policy = data.draw(st.sampled_from(POLICIES))
        step = st.tuples(
            st.sampled_from(POLICY.elements),
            st.sampled_from([Act.GRANTED, Act.GRANTED, *Act]),
        )
        entries = acts(POLICY, *data.draw(st.lists(step, max_size=8)))
        archive = {POLICY.digest: POLICY}
        state = fold(entries, policy, at=START, archive=archive)
        gate = Gate(policy=policy, state=state)
        asked = data.draw(st.sampled_from(ASKED))
        moment = Moment(
            os_permission=data.draw(st.sampled_from(OSPermission)),
            platform=data.draw(st.sampled_from(["desktop", "ios"])),
            unmet=data.draw(st.sampled_from([(), ("charging",)])),
            too_soon=data.draw(st.booleans()),
        )

        function, data_type, recipient = asked
        explained = why(gate, function, data_type, recipient, moment)

        holds = all(c.holds is True for c in explained.conditions)
        assert explained.permitted is holds
        if data_type is None:
            whole = gate.function(function, moment=moment)
            assert explained.permitted is not isinstance(whole, Refusal)
        else:
            decision = gate.decide(
                function, data_type, recipient=recipient, moment=moment
            )
            assert explained.permitted is isinstance(decision, Permit)
            assert explained.headline == str(decision)


def _later(tree: dict) -> None:
    """
    Promise more, and less, than before.
    """
    connect, improve, *_, umeng = tree["functions"]
    connect["requires"] = ["charging"]
    connect["collects"][1]["platforms"] = ["ios"]
    improve["retention"] = "P1Y"
    improve["collects"].append({"type": "device_model", "protect": "none"})
    umeng["purposes"].append("usage_statistics")


def _elsewhere(tree: dict) -> None:
    """
    Give abroad, and to somebody who may get nothing.
    """
    tree["storage"] = {"regions": ["CN"]}
    tree["recipients"][1]["separate"] = True
    assessment = {"reference": "File 7", "risk": "high"}
    tree["recipients"][0]["assessment"] = assessment


POLICIES = [
    POLICY,
    small(change=_later),
    small(change=_elsewhere),
    small(
        change=lambda t: t["functions"][1].update(acknowledge="Tell others.")
    ),
]
ASKED = [
    (function, data_type, recipient)
    for function, data_types in (
        ("connect", ("location_precise", "network_status")),
        ("improve", ("imei", "device_model", "mac_address")),
        ("logs", ("service_log", "nothing")),
        ("umeng", ("imei",)),
        ("nothing", ("imei",)),
    )
    for data_type in (None, *data_types)
    for recipient in (None, "maker", "helper", "nobody")
    if data_type is not None or recipient is None
]


class TestKitWhy:
    """
    Tests for `Kit.why`.
    """

    def test_asks_the_operating_system(self, tmp_path: Path) -> None:
        """
        The explanation shows what the system says now.
        """
        answers = {"phone": OSPermission.DENIED}
        kit = make_kit(tmp_path, "improve", os_permission=answers.get)

        assert "NO  the operating system" in str(kit.why("improve", "imei"))
        answers["phone"] = OSPermission.GRANTED
        assert kit.why("improve", "imei").permitted
        kit.close()

    def test_what_stops_a_yes_stands_behind_it(self, tmp_path: Path) -> None:
        """
        The entry belongs to the yes, and not to what stops it since.
        """
        said: list[str] = []
        with make_kit(tmp_path, clock=lambda: START) as kit:

            def look() -> None:
                (*_, last) = kit.why("logs").conditions
                said.append(last.detail.replace(f" by app at {AT}, entry", ""))

            kit.consent.show("logs")
            look()
            kit.consent.defer("logs")
            look()
            kit.consent.pause()
            look()
            kit.consent.grant("logs")
            look()
            kit.consent.resume()
            look()

        assert said == [
            "asked 1, on version 1; not answered",
            "put off 2, on version 1",
            "put off 2, on version 1; paused",
            "granted 4, on version 1; paused",
            "granted 4, on version 1",
        ]

    def test_signals_and_age_stand_behind_it(self, tmp_path: Path) -> None:
        """
        A signal is named as one; an age that is not known, or too low, is
        told with the yes that does not count, and without one.
        """
        with make_kit(tmp_path / "a", "umeng", clock=lambda: START) as kit:
            masked = kit.subject("a", gpc=True).why("umeng").conditions[-1]
            assert masked.detail == "not asked yet; stopped by gpc"

        def careful(tree: dict) -> None:
            tree["minors"] = {"minor_below": 18}
            tree["functions"][1]["profiling"] = True

        with make_kit(
            tmp_path / "b", policy=small(change=careful), clock=lambda: START
        ) as kit:
            unknown = kit.why("improve").conditions[-1].detail
            kit.consent.show("improve")
            kit.consent.grant("improve")
            granted_ = kit.why("improve").conditions[-1].detail
            kit.consent.declare_age(born=START.date())
            young = kit.why("improve").conditions[-1].detail

        assert unknown == "the person's age was not declared"
        assert granted_.startswith(f"granted by app at {AT}, entry 2")
        assert granted_.endswith("; the person's age was not declared")
        assert young.endswith("a guardian has to decide")

    def test_does_not_depend_on_use(self, tmp_path: Path) -> None:
        """
        The question can be asked at any time.
        """
        kit = make_kit(tmp_path, "improve")

        assert kit.why("improve", "mac_address").permitted
        kit.close()


class TestStrength:
    """
    Tests for what undoing a protection takes, as it is told.
    """

    def test_is_of_the_clause(self) -> None:
        """
        It is told of a data type that the policy lists, and of nothing else.
        """
        gate = granted("improve")

        listed = why(gate, "improve", "mac_address")
        assert listed.strength is not None
        assert listed.strength.privacy_class is PrivacyClass.PSEUDONYMISED
        assert f"What comes out: {listed.strength}" in str(listed)
        assert why(gate, "improve").strength is None
        assert why(gate, "improve", "bssid").strength is None
        assert why(gate, "nothing", "imei").strength is None

    def test_together(self) -> None:
        """
        It is told what the values of a function are beside each other, of
        what leaves and to whom it goes, and what makes them so.
        """
        gate = granted("improve")

        told = why(gate, "improve", "mac_address")

        assert told.together is not None
        assert told.together.privacy_class is PrivacyClass.PERSONAL
        assert told.together.because == ("mac_address", "system_id")
        assert f"Together: {told.together}" in str(told)
        assert why(gate, "improve").together is None
        assert why(gate, "nothing", "imei").together is None

    def test_demands(self) -> None:
        """
        It is told what the way has to be, of what leaves for a purpose that
        needs something.
        """

        def need(tree: dict[str, Any]) -> None:
            tree["purposes"] = {
                "usage_statistics": {"needs": ["sealed", "encrypted"]}
            }
            tree["functions"][1]["collects"][2]["protect"] = "local_only"

        policy = small(change=need)
        gate = Gate(policy=policy, state=fold((), policy, at=START))
        both = ("encrypted", "sealed")

        told = why(gate, "improve", "mac_address")
        assert told.demands == both
        assert "Its way has to be: encrypted, sealed" in str(told)
        assert why(gate, "improve").demands == both
        for asked in (
            ("improve", "imei"),
            ("improve", "bssid"),
            ("logs", "service_log"),
            ("logs",),
            ("nothing",),
        ):
            assert why(gate, *asked).demands == ()
            assert "Its way" not in str(why(gate, *asked))

    def test_spent_budget(self) -> None:
        """
        What answers at random have told is shown to the person, for the
        function and type that were asked for.
        """
        gate = granted("improve")
        spent = [
            Spent(
                function=function,
                data_type=data_type,
                recipient="maker",
                epoch="",
                answers=2,
                epsilon=2.0,
            )
            for function, data_type in [
                ("improve", "imei"),
                ("improve", "mac_address"),
                ("logs", "imei"),
            ]
        ]

        told = explain(
            gate,
            "improve",
            "imei",
            recipient=None,
            moment=Moment(),
            spent=tuple(spent),
        )

        assert told.spent == (spent[0],)
        assert str(told).endswith(
            "Spent so far, and not to be had back:\n"
            "improve/imei to maker: 2 different answers at random, epsilon 2 "
            "spent"
        )
