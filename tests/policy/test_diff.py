# SPDX-License-Identifier: MIT

"""
Tests for the difference between two versions of a policy.
"""

from __future__ import annotations

import copy
import json
import tomllib

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest

from hypothesis import given, reject
from hypothesis import strategies as st

from consentkit.exceptions import PolicyError
from consentkit.policy import Policy, parse_canonical
from consentkit.policy._judge import ADDED, KEYS, REMOVED
from consentkit.policy.diff import (
    ChangeKind,
    Difference,
    Fall,
    FallKind,
    compare,
)
from consentkit.policy.schema import table_of
from consentkit.policy.scope import Beyond, atoms_of, beyond
from consentkit.policy.tables import Document
from consentkit.policy.vocabulary import load_vocabulary
from tests.support import tables


ROOT = Path(__file__).parents[2]

Tree = dict[str, Any]
Change = Callable[[Tree], object]

SIX = [
    "service_model",
    "control",
    "recipients",
    "rights",
    "contact_or_department",
    "high_risk_assessment",
]
CONNECT, IMPROVE, PASTE, LOGS, UMENG = range(5)
PLACE, NETWORK = range(2)
MAC, SYSTEM, IMEI, USAGE = range(4)


def before() -> Tree:
    """
    Give the small policy with something of every table that matters.
    """
    tree = tables()
    functions = tree["functions"]
    functions[CONNECT]["collects"][PLACE]["protect"]["cell_km"] = 5.0
    functions[CONNECT]["collects"][NETWORK]["frequency"] = "PT1H"
    functions[CONNECT]["turn_off"] = "settings"
    functions[IMPROVE]["collects"][USAGE]["separate"] = True
    functions[LOGS]["recipients"] = ["maker", "partner"]
    functions[LOGS]["never_collects"] = ["imei"]
    del functions[LOGS]["retention"]
    tree["recipients"].append(
        {
            "id": "partner",
            "name": "Partner Inc.",
            "mode": "shared",
            "country": "CN",
            "agreement": {"reference": "A-1"},
            "assessment": {"reference": "I-1", "risk": "low"},
        }
    )
    return tree | {
        "storage": {"regions": ["CN", "DE"], "protection": ["sealed"]},
        "purposes": {"usage_statistics": {"needs": ["encrypted", "region"]}},
        "retention": [
            {
                "id": "logs",
                "types": ["service_log", "crash_log"],
                "period": "P30D",
            }
        ],
        "consent": {"act": "tick", "ask_again": "P6M"},
        "exceptions": [{"basis": "health_emergency", "acts": ["sharing"]}],
        "rights": [
            {
                "id": "access",
                "channel": "settings",
                "deadline": {"value": 15, "unit": "day"},
            },
            {"id": "delete", "channel": "settings"},
        ],
        "minors": {"child_below": 14, "minor_below": 18},
        "cookies": {"used": True, "refusable": True},
        "texts": [{"id": "risk", "text": "There is a risk."}],
        "changes": {
            "no_reduction": True,
            "major": SIX,
            "notice": ["pop-up"],
            "archive": True,
        },
    }


def policy_of(tree: Tree) -> Policy:
    """
    Read a policy from its tree.
    """
    text = json.dumps(tree, default=lambda day: day.isoformat())
    return parse_canonical(text)


@cache
def old() -> Policy:
    """
    Give the version that people agreed to.
    """
    return policy_of(before())


def after(*changes: Change) -> Difference:
    """
    Compare it with what it is after *changes*.
    """
    tree = before()
    for change in changes:
        change(tree)
    return compare(old(), policy_of(tree))


def put(value: object, *path: str | int) -> Change:
    """
    Make a change that puts *value* at *path*.
    """

    def change(tree: Any) -> None:
        *way, last = path
        for step in way:
            tree = tree[step]
        tree[last] = copy.deepcopy(value)

    return change


def add(value: object, *path: str | int) -> Change:
    """
    Make a change that adds *value* to the list at *path*.
    """

    def change(tree: Any) -> None:
        *way, last = path
        for step in way:
            tree = tree[step]
        tree.setdefault(last, []) if isinstance(tree, dict) else None
        tree[last].append(copy.deepcopy(value))

    return change


def cut(*path: str | int) -> Change:
    """
    Make a change that takes out what is at *path*.
    """

    def change(tree: Any) -> None:
        *way, last = path
        for step in way:
            tree = tree[step]
        del tree[last]

    return change


def both(*changes: Change) -> Change:
    """
    Make one change of several.
    """

    def change(tree: Tree) -> None:
        for one in changes:
            one(tree)

    return change


def new_owner(tree: Tree) -> None:
    """
    Let somebody else answer for it.
    """
    tree["controller"]["id"] = "heir"
    for function in tree["functions"]:
        listed = function.get("recipients", [])
        function["recipients"] = [
            "heir" if name == "maker" else name for name in listed
        ]


IN_IMPROVE = ("functions", IMPROVE, "collects")
NEW, PARTLY, WHOLLY, GONE = (
    FallKind.NEW,
    FallKind.PARTLY,
    FallKind.WHOLLY,
    FallKind.GONE,
)
EVERYTHING = {
    "connect": WHOLLY,
    "connect/location_precise": WHOLLY,
    "improve": WHOLLY,
    "improve/app_usage_time": WHOLLY,
    "paste": WHOLLY,
    "logs": WHOLLY,
    "logs@partner": WHOLLY,
    "umeng": WHOLLY,
}

#: What is done to the policy, and which consents fall by it.
MUTATIONS: dict[str, tuple[Change, dict[str, FallKind]]] = {
    # Retention
    "kept longer": (
        put("P2M", "functions", IMPROVE, "retention"),
        {"improve": WHOLLY, "improve/app_usage_time": WHOLLY},
    ),
    "kept shorter": (put("P1W", "functions", IMPROVE, "retention"), {}),
    "one type kept longer": (
        put("P1Y", *IN_IMPROVE, IMEI, "retention"),
        {"improve": PARTLY},
    ),
    "said in another place": (
        both(
            cut("functions", IMPROVE, "retention"),
            *(put("P1M", *IN_IMPROVE, i, "retention") for i in range(4)),
        ),
        {},
    ),
    "rule made longer": (
        put("P60D", "retention", 0, "period"),
        {"logs": WHOLLY, "logs@partner": WHOLLY},
    ),
    "rule goes past own periods": (
        add(
            {"id": "all", "types": ["*"], "period": "P9Y"},
            "retention",
        ),
        {},
    ),
    # Purpose
    "purpose added": (
        add("advertising_delivery", "functions", IMPROVE, "purposes"),
        {"improve": PARTLY, "improve/app_usage_time": PARTLY},
    ),
    "purpose replaced": (
        both(
            put(["advertising_delivery"], "functions", IMPROVE, "purposes"),
            cut("purposes"),
        ),
        {"improve": WHOLLY, "improve/app_usage_time": WHOLLY},
    ),
    "purpose of one type": (
        put(["advertising_delivery"], *IN_IMPROVE, MAC, "purposes"),
        {"improve": PARTLY},
    ),
    "purpose dropped": (
        put(
            ["wifi_connection"],
            *("functions", CONNECT, "collects", NETWORK, "purposes"),
        ),
        {},
    ),
    "purpose of an SDK": (
        put(["advertising_delivery"], "functions", UMENG, "purposes"),
        {"umeng": WHOLLY},
    ),
    # Data type
    "type added": (
        add({"type": "app_usage_frequency", "protect": "bucket"}, *IN_IMPROVE),
        {"improve": PARTLY},
    ),
    "sensitive type added": (
        add({"type": "location_precise", "protect": "grid"}, *IN_IMPROVE),
        {"improve/location_precise": NEW},
    ),
    "type dropped": (cut(*IN_IMPROVE, IMEI), {}),
    # Treatment
    "told more exactly": (
        put("keyed", *IN_IMPROVE, IMEI, "protect"),
        {"improve": PARTLY},
    ),
    "told less exactly": (put("present", *IN_IMPROVE, MAC, "protect"), {}),
    "smaller cells": (
        put(
            {"name": "grid", "cell_km": 2.0},
            *("functions", CONNECT, "collects", PLACE, "protect"),
        ),
        {"connect/location_precise": WHOLLY},
    ),
    "larger cells": (
        put(
            {"name": "grid", "cell_km": 9.0},
            *("functions", CONNECT, "collects", PLACE, "protect"),
        ),
        {},
    ),
    "more is taken": (
        add(
            "passcode",
            *("functions", PASTE, "collects", 0, "protect", "intents"),
        ),
        {"paste": WHOLLY},
    ),
    # Recipient
    "recipient added": (
        add("umeng", "functions", IMPROVE, "recipients"),
        {"improve": PARTLY, "improve/app_usage_time": PARTLY},
    ),
    "sharing recipient added": (
        add("partner", "functions", IMPROVE, "recipients"),
        {
            "improve": PARTLY,
            "improve/app_usage_time": PARTLY,
            "improve@partner": NEW,
        },
    ),
    "recipient dropped": (
        put(["maker"], "functions", LOGS, "recipients"),
        {"logs@partner": GONE},
    ),
    "recipient renamed": (
        both(
            put("Helfer AG", "recipients", 0, "name"),
            put(["Helper GmbH"], "recipients", 0, "formerly"),
        ),
        {},
    ),
    "recipient replaced": (
        put("Stranger AG", "recipients", 0, "name"),
        {"improve": PARTLY, "improve/app_usage_time": PARTLY},
    ),
    "recipient shares now": (
        put("shared", "recipients", 0, "mode"),
        {
            "improve": PARTLY,
            "improve/app_usage_time": PARTLY,
            "improve@helper": NEW,
        },
    ),
    # Region
    "recipient goes abroad": (
        put("US", "recipients", 0, "country"),
        {
            "improve": PARTLY,
            "improve/app_usage_time": PARTLY,
            "improve@helper+abroad": NEW,
        },
    ),
    "recipient moves at home": (put("CN", "recipients", 0, "country"), {}),
    "home becomes smaller": (
        put(["CN"], "storage", "regions"),
        {"improve@helper+abroad": NEW},
    ),
    # Basis
    "basis replaced": (
        put(["contract"], "functions", IMPROVE, "basis"),
        {"improve": WHOLLY, "improve/app_usage_time": WHOLLY},
    ),
    # Frequency
    "read more often": (
        put("PT1M", *("functions", CONNECT, "collects", NETWORK, "frequency")),
        {"connect": PARTLY},
    ),
    "read at any time": (
        cut("functions", CONNECT, "collects", NETWORK, "frequency"),
        {"connect": PARTLY},
    ),
    "read less often": (
        put("P1D", *("functions", CONNECT, "collects", NETWORK, "frequency")),
        {},
    ),
    "scene added": (
        add("start", *("functions", PASTE, "collects", 0, "scenes")),
        {"paste": WHOLLY},
    ),
    # Events
    "field added": (
        put("int", *("functions", CONNECT, "events", 0, "fields", "bytes")),
        {"connect": PARTLY},
    ),
    "value added": (
        add("late", "functions", CONNECT, "events", 0, "fields", "outcome"),
        {"connect": PARTLY},
    ),
    "field dropped": (
        cut("functions", CONNECT, "events", 0, "fields", "note"),
        {},
    ),
    "event dropped": (cut("functions", CONNECT, "events", 0), {}),
    # SDK
    "another SDK": (
        put("getui", "functions", UMENG, "sdk"),
        {"umeng": WHOLLY},
    ),
    # Controller
    "another controller": (new_owner, EVERYTHING),
    "a successor": (
        both(new_owner, put(["maker"], "controller", "continues")),
        {},
    ),
    # Decisions
    "becomes sensitive": (
        put({"sensitive": ["imei"]}, "definitions"),
        {"improve/imei": NEW},
    ),
    "decided on with the rest": (
        cut(*IN_IMPROVE, USAGE, "separate"),
        {"improve": PARTLY, "improve/app_usage_time": GONE},
    ),
    # Functions
    "function added": (
        add(
            {
                "id": "ads",
                "name": "Advertising",
                "category": "additional",
                "text": "We show advertising.",
                "basis": ["consent"],
                "on_refusal": "degraded",
                "purposes": ["advertising_delivery"],
                "recipients": ["partner"],
                "retention": "P1D",
                "collects": [{"type": "imei", "protect": "keyed"}],
            },
            "functions",
        ),
        {"ads": NEW, "ads@partner": NEW},
    ),
    "function dropped": (
        cut("functions", PASTE),
        {"paste": GONE},
    ),
    # Ways
    "need dropped": (
        put(["encrypted"], "purposes", "usage_statistics", "needs"),
        {"improve": WHOLLY, "improve/app_usage_time": WHOLLY},
    ),
    "need replaced": (
        put(["encrypted", "sealed"], "purposes", "usage_statistics", "needs"),
        {"improve": WHOLLY, "improve/app_usage_time": WHOLLY},
    ),
    "no needs any more": (
        cut("purposes"),
        {"improve": WHOLLY, "improve/app_usage_time": WHOLLY},
    ),
    "need added": (
        add("sealed", "purposes", "usage_statistics", "needs"),
        {},
    ),
    "another purpose with needs": (
        put({"needs": ["sealed"]}, "purposes", "service_logging"),
        {},
    ),
    "ways may end in more regions": (
        put(["CN", "DE", "SG"], "storage", "regions"),
        {"improve": WHOLLY, "improve/app_usage_time": WHOLLY},
    ),
    # Words
    "another text": (
        put("We count users.", "functions", IMPROVE, "text"),
        {},
    ),
    "another language": (
        both(
            put("de", "policy", "language"),
            put("Kleine Richtlinie", "policy", "title"),
            put("Verbessern", "functions", IMPROVE, "name"),
            put("Wir zählen.", "functions", IMPROVE, "text"),
            put("Es gibt ein Risiko.", "texts", 0, "text"),
        ),
        {},
    ),
    "another version": (
        both(
            put("2", "policy", "version"),
            put("2027-01-01", "policy", "effective"),
        ),
        {},
    ),
    "another contact": (put("dpo@maker.example", "controller", "contact"), {}),
    "permission of the system": (
        put("location", *IN_IMPROVE, MAC, "permission"),
        {},
    ),
    "asked again sooner": (put("P1M", "consent", "ask_again"), {}),
}


class TestFalls:
    """
    Tests for which consents fall.
    """

    @pytest.mark.obligation("WP-VER-4", "PR-USE-4")
    @pytest.mark.parametrize("name", MUTATIONS)
    def test_exactly(self, name: str) -> None:
        """
        A change lets fall the consents that it goes beyond, and no others.
        """
        change, falls = MUTATIONS[name]

        found = after(change)

        assert {f.element: f.kind for f in found.falls} == falls
        assert found.changes

    @pytest.mark.parametrize("name", MUTATIONS)
    def test_each_is_asked_because_of_a_change(self, name: str) -> None:
        """
        Whatever is asked for again, a change says that it is the cause.
        """
        found = after(MUTATIONS[name][0])

        blamed = {element for c in found.changes for element in c.asks}
        assert blamed == set(found.asks)
        assert found.needs_something or not found.asks

    @given(
        st.sets(st.sampled_from(list(MUTATIONS)), max_size=4),
        st.sets(st.sampled_from(list(MUTATIONS)), max_size=4),
    )
    def test_losses_are_what_is_beyond(
        self, then: set[str], now: set[str]
    ) -> None:
        """
        What is compared once for many gives each what it has by itself.
        """
        versions = []
        try:
            for names in (then, now):
                tree = before()
                for name in sorted(names):
                    MUTATIONS[name][0](tree)
                versions.append(policy_of(tree))
        except (IndexError, KeyError, TypeError, PolicyError):
            reject()  # one took away what the other changes
        was, will_be = versions

        falls = {f.element: f for f in compare(was, will_be).falls}
        for element in set(was.elements).intersection(will_be.elements):
            function = will_be.function_of(element)
            atoms = list(atoms_of(function, element))
            told = [beyond(was, will_be, function.id, a) for a in atoms]
            lost = [
                (a.data_type, a.purpose, a.recipient, tuple(dict.fromkeys(r)))
                for a, r in zip(atoms, told, strict=True)
                if r
            ]
            fall = falls.get(element)
            assert lost == [
                (x.data_type, x.purpose, x.recipient, x.reasons)
                for x in (fall.losses if fall else ())
            ]
            if fall:
                whole = len(lost) == len(atoms)
                assert (fall.kind is FallKind.WHOLLY) is whole

    def test_many_with_the_same_terms(self) -> None:
        """
        Of a large document, in which every function is given to 50 parties
        instead of three, each loss is named, and each change has its cause.
        """
        types = [
            t.id
            for t in load_vocabulary().data_types.values()
            if not t.sensitive and t.category != "clipboard"
        ][:40]
        parties = [f"r{i}" for i in range(50)]
        tree = before()
        tree["recipients"] += [
            {"id": r, "name": r, "mode": "entrusted", "country": "CN"}
            for r in parties
        ]
        bare = {**tree["functions"][UMENG], "retention": "P1D"}
        bare = {k: v for k, v in bare.items() if k != "sdk"}
        rows = [{"types": types, "protect": "present"}]
        purposes = ["usage_statistics"]

        def version(some: list[str]) -> Policy:
            functions = [
                {
                    **bare,
                    "id": f"f{i}",
                    "purposes": purposes,
                    "recipients": some,
                    "collects": rows,
                }
                for i in range(50)
            ]
            return policy_of({**tree, "functions": functions, "sharing": []})

        found = compare(version(parties[:3]), version(parties))

        assert len(found.changes) == len(found.falls) == 50
        assert [c.asks for c in found.changes] == [
            (f.element,) for f in found.falls
        ]
        assert {len(f.losses) for f in found.falls} == {40 * 47}
        assert {f.kind for f in found.falls} == {FallKind.PARTLY}

    @given(st.sets(st.sampled_from(list(MUTATIONS)), min_size=2, max_size=4))
    def test_causes_of_several(self, names: set[str]) -> None:
        """
        However many changes come together, each consent that falls has its
        cause among them, and none is asked for that does not fall.
        """
        tree = before()
        try:
            for name in sorted(names):
                MUTATIONS[name][0](tree)
            policy = policy_of(tree)
        except (IndexError, KeyError, TypeError, PolicyError):
            reject()  # one took away what the other changes

        found = compare(old(), policy)

        blamed = {element for c in found.changes for element in c.asks}
        assert blamed == set(found.asks)

    def test_event_of_another_type(self) -> None:
        """
        An event that tells of another type is asked for under that one.
        """
        found = after(
            put("device_name", "functions", CONNECT, "events", 0, "type")
        )

        (change,) = found.changes
        assert change.asks == found.asks == ("connect",)
        assert change.path.endswith(".events[binding_finished].type")

    @pytest.mark.parametrize(
        ("name", "element", "reasons"),
        [
            ("kept longer", "improve", {Beyond.RETENTION}),
            ("purpose added", "improve", {Beyond.PURPOSE}),
            ("type added", "improve", {Beyond.DATA_TYPE}),
            ("told more exactly", "improve", {Beyond.TREATMENT}),
            ("recipient replaced", "improve", {Beyond.RECIPIENT}),
            ("recipient goes abroad", "improve", {Beyond.REGION}),
            ("basis replaced", "improve", {Beyond.BASIS}),
            ("read more often", "connect", {Beyond.FREQUENCY}),
            ("field added", "connect", {Beyond.EVENT}),
            ("another SDK", "umeng", {Beyond.SDK}),
            ("another controller", "paste", {Beyond.CONTROLLER}),
            ("decided on with the rest", "improve", {Beyond.DECISION}),
            ("need dropped", "improve", {Beyond.ROUTE}),
            ("no needs any more", "improve", {Beyond.ROUTE}),
            ("ways may end in more regions", "improve", {Beyond.REGION}),
        ],
    )
    def test_says_why(
        self, name: str, element: str, reasons: set[Beyond]
    ) -> None:
        """
        Each use that is not covered is named with what goes too far.
        """
        (fall,) = (
            f for f in after(MUTATIONS[name][0]).falls if f.element == element
        )

        assert {r for loss in fall.losses for r in loss.reasons} == reasons

    def test_names_the_use(self) -> None:
        """
        Of a type that tells more, each purpose and recipient is named.
        """
        (fall,) = after(MUTATIONS["told more exactly"][0]).falls

        assert {
            (x.data_type, x.purpose, x.recipient) for x in fall.losses
        } == {
            ("imei", "usage_statistics", "maker"),
            ("imei", "usage_statistics", "helper"),
        }

    def test_one_cause_each(self) -> None:
        """
        Of several changes, each is told its own.
        """
        found = after(
            put("P1Y", *IN_IMPROVE, IMEI, "retention"),
            put("P60D", "retention", 0, "period"),
            put("Other words.", "functions", CONNECT, "text"),
        )

        assert {c.path: c.asks for c in found.changes} == {
            "$.functions[connect].text": (),
            "$.functions[improve].collects[imei].retention": ("improve",),
            "$.retention[logs].period": ("logs", "logs@partner"),
        }

    def test_own_goes_before_the_functions(self) -> None:
        """
        What a clause says for itself is not blamed on its function.
        """
        bare = before()
        put("P1D", *IN_IMPROVE, USAGE, "retention")(bare)
        tree = copy.deepcopy(bare)
        put("P1W", *IN_IMPROVE, USAGE, "retention")(tree)
        put("P2M", "functions", IMPROVE, "retention")(tree)

        found = compare(policy_of(bare), policy_of(tree))

        row = "$.functions[improve].collects[app_usage_time].retention"
        assert {c.path: c.asks for c in found.changes} == {
            "$.functions[improve].retention": ("improve",),
            row: ("improve/app_usage_time",),
        }

    def test_list_that_lost_something_else(self) -> None:
        """
        A list of recipients is blamed for those that are new in it only.
        """
        bare = before()
        add("umeng", "functions", IMPROVE, "recipients")(bare)
        tree = before()
        put("Stranger AG", "recipients", 0, "name")(tree)

        found = compare(policy_of(bare), policy_of(tree))

        asks = ("improve", "improve/app_usage_time")
        assert {c.path: c.asks for c in found.changes} == {
            "$.functions[improve].recipients": (),
            "$.recipients[helper].name": asks,
        }

    @pytest.mark.parametrize(
        ("name", "path", "what", "kind"),
        [
            (
                "need dropped",
                "$.purposes.usage_statistics.needs",
                "needs of purpose usage_statistics",
                ChangeKind.CHANGED,
            ),
            (
                "no needs any more",
                "$.purposes.usage_statistics",
                "purpose usage_statistics",
                ChangeKind.REMOVED,
            ),
            (
                "another purpose with needs",
                "$.purposes.service_logging",
                "purpose service_logging",
                ChangeKind.ADDED,
            ),
            (
                "need added",
                "$.purposes.usage_statistics.needs",
                "needs of purpose usage_statistics",
                ChangeKind.CHANGED,
            ),
        ],
    )
    def test_names_the_purpose(
        self, name: str, path: str, what: str, kind: ChangeKind
    ) -> None:
        """
        What a purpose needs is told by the purpose; less is major and takes
        something from people, more does neither.
        """
        (change,) = after(MUTATIONS[name][0]).changes

        assert (change.path, change.what, change.kind) == (path, what, kind)
        is_less = bool(MUTATIONS[name][1])
        assert change.reduces_rights is is_less
        assert change.major is is_less

    def test_one_of_two_purposes(self) -> None:
        """
        Of two purposes, each change is blamed for its own uses.
        """
        both_need = before()
        put({"needs": ["sealed"]}, "purposes", "service_logging")(both_need)
        tree = copy.deepcopy(both_need)
        cut("purposes")(tree)

        found = compare(policy_of(both_need), policy_of(tree))

        assert {c.path: c.asks for c in found.changes} == {
            "$.purposes.usage_statistics": (
                "improve",
                "improve/app_usage_time",
            ),
            "$.purposes.service_logging": ("logs", "logs@partner"),
        }

    def test_same(self) -> None:
        """
        A version differs from itself in nothing.
        """
        found = after()

        assert found == Difference(changes=(), falls=(), accept_due=False)
        assert not found.needs_something
        assert isinstance(found.asks, tuple)

    def test_order_of_rows(self) -> None:
        """
        Rows in another order are the same rows.
        """
        found = after(
            lambda tree: tree["functions"].reverse(),
            lambda tree: tree["rights"].reverse(),
        )

        assert [c.path for c in found.changes] == []


#: What is done to the policy, which kind of major change it is, and whether
#: it reduces rights.
JUDGED: dict[str, tuple[Change, str, bool]] = {
    "right dropped": (cut("rights", 1), "rights", True),
    "right added": (
        add({"id": "copy", "channel": "settings"}, "rights"),
        "rights",
        False,
    ),
    "longer deadline": (
        put(30, "rights", 0, "deadline", "value"),
        "rights",
        True,
    ),
    "shorter deadline": (
        put(7, "rights", 0, "deadline", "value"),
        "rights",
        False,
    ),
    "working days": (
        put("working_day", "rights", 0, "deadline", "unit"),
        "rights",
        True,
    ),
    "no deadline": (cut("rights", 0, "deadline"), "rights", True),
    "first deadline": (
        put({"value": 9, "unit": "day"}, "rights", 1, "deadline"),
        "rights",
        False,
    ),
    "only on grounds": (
        put(["a breach"], "rights", 1, "grounds"),
        "rights",
        True,
    ),
    "longer retention": (
        put("P2M", "functions", IMPROVE, "retention"),
        "service_model",
        True,
    ),
    "shorter retention": (
        put("P1W", "functions", IMPROVE, "retention"),
        "service_model",
        False,
    ),
    "rule dropped": (
        both(
            put("P30D", "functions", LOGS, "retention"),
            cut("retention", 0),
        ),
        "service_model",
        True,
    ),
    "weaker protection": (
        put("keyed", *IN_IMPROVE, IMEI, "protect"),
        "service_model",
        True,
    ),
    "stronger protection": (
        put("present", *IN_IMPROVE, MAC, "protect"),
        "service_model",
        False,
    ),
    "recipient added": (
        add("umeng", "functions", IMPROVE, "recipients"),
        "recipients",
        True,
    ),
    "recipient dropped": (
        put(["maker"], "functions", LOGS, "recipients"),
        "recipients",
        False,
    ),
    "recipient replaced": (
        put("Stranger AG", "recipients", 0, "name"),
        "recipients",
        True,
    ),
    "agreement dropped": (
        cut("recipients", 2, "agreement"),
        "recipients",
        True,
    ),
    "no way to turn off": (
        cut("functions", CONNECT, "turn_off"),
        "rights",
        True,
    ),
    "cookies not refusable": (cut("cookies", "refusable"), "rights", True),
    "on before a choice": (
        put(True, "functions", IMPROVE, "default_on"),
        "rights",
        True,
    ),
    "ticked before": (put(True, "consent", "preselected"), "rights", True),
    "asked again sooner": (put("P1M", "consent", "ask_again"), "rights", True),
    "asked again never": (cut("consent", "ask_again"), "rights", False),
    "kept before an answer": (
        put("quarantine", "functions", IMPROVE, "pending"),
        "service_model",
        True,
    ),
    "pending as it was": (
        put("drop", "functions", IMPROVE, "pending"),
        "service_model",
        False,
    ),
    "minors' bound": (put(16, "minors", "minor_below"), "rights", True),
    "minors alone": (
        put("alone", "functions", IMPROVE, "minors"),
        "rights",
        True,
    ),
    "exception added": (
        add({"basis": "statutory_duty"}, "exceptions"),
        "rights",
        True,
    ),
    "exception widened": (
        put(["sharing", "collection"], "exceptions", 0, "acts"),
        "rights",
        True,
    ),
    "exception dropped": (cut("exceptions", 0), "rights", False),
    "promise dropped": (
        cut("functions", LOGS, "never_collects"),
        "service_model",
        True,
    ),
    "decision merged": (
        cut(*IN_IMPROVE, USAGE, "separate"),
        "rights",
        True,
    ),
    "refusal costs more": (
        put("service_unavailable", "functions", IMPROVE, "on_refusal"),
        "rights",
        True,
    ),
    "rights may be reduced": (
        cut("changes", "no_reduction"),
        "rights",
        True,
    ),
    "no archive": (cut("changes", "archive"), "rights", True),
    "measure dropped": (
        put([], "storage", "protection"),
        "service_model",
        True,
    ),
    "measure in other words": (
        put(["encrypted"], "storage", "protection"),
        "",
        False,
    ),
    "another controller": (
        put("Heir Ltd.", "controller", "name"),
        "control",
        False,
    ),
    "another officer": (
        put("Ann", "controller", "officer"),
        "contact_or_department",
        False,
    ),
    "high risk": (
        put("high", "recipients", 2, "assessment", "risk"),
        "high_risk_assessment",
        True,
    ),
    "spelling": (
        put("To count users, we use pseudonyms.", "functions", 1, "text"),
        "",
        False,
    ),
}


#: What stands in a part of both versions' documents, and what stands there
#: in the new one: the worse first.
WORSE: dict[str, tuple[str, Tree, Tree]] = {
    "cookies are used": ("cookies", {"used": False}, {"used": True}),
    "cookies are on": (
        "cookies",
        {"used": True, "default": "off"},
        {"used": True, "default": "on"},
    ),
    "another cookie": (
        "cookies",
        {"used": True, "technologies": ["cookie_id"]},
        {"used": True, "technologies": ["cookie_id", "web_beacon"]},
    ),
    "data from others": ("indirect", {"allowed": False}, {"allowed": True}),
    "signal stops less": (
        "signals",
        {"gpc": ["umeng", "logs"]},
        {"gpc": ["umeng"]},
    ),
    "choice over signal": ("signals", {}, {"choice_over_gpc": True}),
    "more places": (
        "storage",
        {"regions": ["CN", "DE"]},
        {"regions": ["CN", "DE", "FR"]},
    ),
    "no authority is told": (
        "incident",
        {"report_to_authorities": True},
        {"report_to_authorities": False},
    ),
    "fewer are told": (
        "incident",
        {"channels": ["mail", "push"]},
        {"channels": ["mail"]},
    ),
    "collection goes on": (
        "cessation",
        {"stop_collecting": True},
        {"stop_collecting": False},
    ),
    "presumed adult": ("minors", {}, {"presumed_adult": True}),
    "guardian for less": (
        "minors",
        {"guardian_for": ["account", "sharing"]},
        {"guardian_for": ["account"]},
    ),
    "refused on more": (
        "requests",
        {"refused_on": ["abuse"]},
        {"refused_on": ["abuse", "cost"]},
    ),
    "act is left out": ("consent", {"act": "tick"}, {}),
    "use is taken for agreement": (
        "consent",
        {},
        {"also_claimed": ["beginning to use the app"]},
    ),
    "lasts longer": (
        "consent",
        {"valid_for": "P1Y"},
        {"valid_for": "P2Y"},
    ),
    "less is outside": (
        "scope",
        {"covers": "the app"},
        {"covers": "the app", "excludes": ["partners"]},
    ),
    "types not called personal": (
        "definitions",
        {"personal": ["imei", "mac_address"]},
        {"personal": ["imei"]},
    ),
}
#: The same for lists of rows.
WORSE_ROWS: dict[str, tuple[str, Tree, Tree]] = {
    "exception for more": (
        "exceptions",
        {"basis": "statutory_duty", "functions": ["logs"]},
        {"basis": "statutory_duty"},
    ),
    "permission cannot be turned off": (
        "permissions",
        {"id": "phone", "can_disable": True},
        {"id": "phone", "can_disable": False},
    ),
    "permission for more": (
        "permissions",
        {"id": "phone", "functions": ["logs"]},
        {"id": "phone", "functions": ["logs", "improve"]},
    ),
    "shared with more": (
        "sharing",
        {"mode": "shared", "recipients": ["partner"]},
        {"mode": "shared", "recipients": ["partner", "helper"]},
    ),
    "more is shared": (
        "sharing",
        {"mode": "shared", "recipients": ["partner"], "types": ["imei"]},
        {"mode": "shared", "recipients": ["partner"]},
    ),
    "on fewer grounds": (
        "rights",
        {"id": "delete", "channel": "app"},
        {"id": "delete", "channel": "app", "grounds": ["a breach"]},
    ),
    "counted from later": (
        "rights",
        {
            "id": "delete",
            "channel": "app",
            "deadline": {"value": 15, "unit": "day"},
        },
        {
            "id": "delete",
            "channel": "app",
            "deadline": {
                "value": 15,
                "unit": "day",
                "starts_at": "identity verified",
            },
        },
    ),
    "more working days": (
        "retention",
        {"id": "account", "types": ["imei"], "working_days": 10},
        {"id": "account", "types": ["imei"], "working_days": 15},
    ),
}
#: The same for one function.
WORSE_FUNCTION: dict[str, tuple[Tree, Tree]] = {
    "starts by itself": (
        {},
        {"self_start": {"purpose": "push_notification", "per_day": 1}},
    ),
    "starts more often": (
        {"self_start": {"purpose": "push_notification", "per_day": 1}},
        {"self_start": {"purpose": "push_notification", "per_day": 9}},
    ),
    "becomes core": ({"category": "additional"}, {"category": "core"}),
    "without an act": ({"user_act": True}, {}),
    "on fewer conditions": (
        {"requires": ["bound", "on_wifi"]},
        {"requires": ["bound"]},
    ),
    "not acknowledged": ({"acknowledge": "risk"}, {}),
    "goes to others": ({"never_shares": ["imei"]}, {}),
    "joined with others": ({"never_with": ["logs"]}, {}),
    "needs an account": ({"account": False}, {"account": True}),
    "inherited": ({}, {"inherits": True}),
    "profiling": ({}, {"profiling": True}),
}


#: The same for one recipient.
WORSE_RECIPIENT: dict[str, tuple[Tree, Tree]] = {
    "less on file": (
        {"on_file": ["agreement", "assessment"]},
        {"on_file": ["agreement"]},
    ),
    "in more countries": ({"only_in": ["CN"]}, {"only_in": ["CN", "SG"]}),
    "in any country": ({"only_in": ["CN"]}, {}),
}


class TestWorse:
    """
    Tests for which way something is taken from people.
    """

    @pytest.mark.parametrize("name", WORSE)
    def test_table(self, name: str) -> None:
        """
        One way it reduces rights, the other way it does not.
        """
        key, good, bad = WORSE[name]

        self.compare_both(put(good, key), put(bad, key))

    @pytest.mark.parametrize("name", WORSE_ROWS)
    def test_row(self, name: str) -> None:
        """
        So it is with a row.
        """
        key, good, bad = WORSE_ROWS[name]
        if key == "rights" and "deadline" in good:
            # Two events cannot be held against each other.
            self.compare_both(put([good], key), put([bad], key), back=True)
        else:
            self.compare_both(put([good], key), put([bad], key))

    @pytest.mark.parametrize("name", WORSE_FUNCTION)
    def test_function(self, name: str) -> None:
        """
        And with a function.
        """
        good, bad = WORSE_FUNCTION[name]

        def given(keys: Tree) -> Change:
            return lambda tree: tree["functions"][PASTE].update(keys)

        self.compare_both(given(good), given(bad))

    @pytest.mark.parametrize("name", WORSE_RECIPIENT)
    def test_recipient(self, name: str) -> None:
        """
        And with a recipient.
        """
        good, bad = WORSE_RECIPIENT[name]

        def given(keys: Tree) -> Change:
            return lambda tree: tree["recipients"][-1].update(keys)

        self.compare_both(given(good), given(bad))

    def compare_both(
        self, good: Change, bad: Change, *, back: bool = False
    ) -> None:
        trees = before(), before()
        for tree, change in zip(trees, (good, bad), strict=True):
            tree.pop("retention")
            tree["functions"][LOGS]["retention"] = "P30D"
            change(tree)
        better, worse = map(policy_of, trees)

        there, again = compare(better, worse), compare(worse, better)

        assert [c.reduces_rights for c in there.changes] == [True]
        assert [c.reduces_rights for c in again.changes] == [back]


class TestChanges:
    """
    Tests for what a change is.
    """

    @pytest.mark.parametrize("name", JUDGED)
    def test_judged(self, name: str) -> None:
        """
        Each is major or not, and reduces rights or not.
        """
        change, kind, reduces = JUDGED[name]

        found = after(change)

        assert kind in {c.major_kind for c in found.changes}
        assert any(c.reduces_rights for c in found.changes) is reduces
        assert found.accept_due is reduces
        assert found.notice_due is bool(kind)
        assert found.major_kinds == ((kind,) if kind else ())

    def test_says_what(self) -> None:
        """
        A change names its place as a path and in words, with both values.
        """
        (change,) = after(put("P1Y", *IN_IMPROVE, IMEI, "retention")).changes

        assert (change.path, change.what) == (
            "$.functions[improve].collects[imei].retention",
            "retention of data type imei of function improve",
        )
        assert (change.kind, change.before, change.after) == (
            ChangeKind.CHANGED,
            "",
            "P1Y",
        )
        assert change.major

    def test_rows(self) -> None:
        """
        A row that came or went is one change, with the whole of it.
        """
        came = after(add({"id": "copy", "channel": "app"}, "rights"))
        went = after(cut("exceptions", 0))

        (change,) = came.changes
        assert (change.path, change.kind, change.before) == (
            "$.rights[copy]",
            ChangeKind.ADDED,
            None,
        )
        (change,) = went.changes
        assert (change.kind, change.after) == (ChangeKind.REMOVED, None)

    def test_row_without_an_id(self) -> None:
        """
        Rows that have no id are told apart by what they say.
        """
        more = {"basis": "health_emergency", "acts": ["collection"]}
        with_two = before()
        with_two["exceptions"].append(more)
        without_the_first = copy.deepcopy(with_two)
        del without_the_first["exceptions"][0]

        found = compare(policy_of(with_two), policy_of(without_the_first))

        (change,) = found.changes
        assert change.kind is ChangeKind.REMOVED
        assert not change.reduces_rights

    def test_renamed_recipient(self) -> None:
        """
        The same party under another name is told, as a minor change.
        """
        found = after(MUTATIONS["recipient renamed"][0])

        kinds = {c.path: (c.kind, c.major) for c in found.changes}
        assert kinds["$.recipients[helper].name"] == (
            ChangeKind.RENAMED,
            False,
        )
        assert not found.needs_something

    def test_field_of_an_event(self) -> None:
        """
        A field of an event is named by its own name.
        """
        (change,) = after(MUTATIONS["field added"][0]).changes

        assert change.path == (
            "$.functions[connect].events[binding_finished].fields[bytes]"
        )
        assert change.what.startswith("bytes of fields of event ")

    def test_kind_that_is_not_listed(self) -> None:
        """
        What neither version calls major is minor.
        """
        bare = before()
        bare["changes"]["major"] = ["recipients"]
        more = copy.deepcopy(bare)
        del more["rights"][1]

        found = compare(policy_of(bare), policy_of(more))

        assert not found.notice_due
        assert found.accept_due

    def test_kind_that_the_new_version_drops(self) -> None:
        """
        What the old version calls major is told even if the new one does
        not call it so any more, and what only the new one calls so as well.
        """
        fewer = put(["rights"], "changes", "major")
        replaced = put("Stranger AG", "recipients", 0, "name")

        assert "recipients" in after(fewer, replaced).major_kinds
        now_fewer, now_more = before(), before()
        now_fewer["changes"]["major"] = ["rights"]
        replaced(now_more)
        found = compare(policy_of(now_fewer), policy_of(now_more))
        assert "recipients" in found.major_kinds

    def test_purpose_alone(self) -> None:
        """
        A document may call nothing but another purpose major.
        """
        bare = before()
        bare["changes"]["major"] = ["purpose"]
        tree = copy.deepcopy(bare)
        add("advertising_delivery", "functions", IMPROVE, "purposes")(tree)
        put("P2M", "functions", IMPROVE, "retention")(tree)

        found = compare(policy_of(bare), policy_of(tree))

        assert found.major_kinds == ("purpose",)
        assert [c.major for c in found.changes] == [True, False]

    @pytest.mark.parametrize(
        ("promised", "due"), [(True, True), (None, True), (False, False)]
    )
    def test_reduction_that_was_announced(
        self, *, promised: bool | None, due: bool
    ) -> None:
        """
        Acceptance is due unless the old version says that rights may be
        reduced without.
        """
        bare = before()
        bare["changes"].pop("no_reduction")
        if promised is not None:
            bare["changes"]["no_reduction"] = promised
        tree = copy.deepcopy(bare)
        del tree["rights"][1]

        found = compare(policy_of(bare), policy_of(tree))

        assert found.accept_due is due
        assert any(c.reduces_rights for c in found.changes)


def _classes() -> list[type]:
    found: dict[type, None] = {}
    waiting: list[type] = [Document]
    while waiting:
        kind = waiting.pop()
        found[kind] = None
        waiting += [k.kind for k in table_of(kind).keys if attrs.has(k.kind)]
    return [k for k in found if k.__name__.endswith(("Table", "Document"))]


class TestEveryKey:
    """
    Tests that nothing a document can say is left unjudged.
    """

    @pytest.mark.parametrize(
        "kind", _classes(), ids=lambda kind: kind.__name__
    )
    def test_is_judged(self, kind: type) -> None:
        """
        Each key is judged by itself, or is of tables that are.
        """
        if kind.__name__ == "DeadlineTable":
            return
        values = {
            key.name
            for key in table_of(kind).keys
            if key.name != "source"
            and (
                not attrs.has(key.kind)
                or key.kind.__name__ in {"ProtectSpec", "DeadlineTable"}
            )
        }

        assert set(KEYS[kind]) == values

    def test_rows_are_tables(self) -> None:
        """
        What is judged as a whole is a table of the document.
        """
        assert {*ADDED, *REMOVED, *KEYS} <= set(_classes())


PUBLISHED = {
    "camera_app": SIX,
    "design_platform": SIX,
    "general_platform": SIX,
}


@cache
def published(name: str) -> Tree:
    """
    Give the tree of one of the example policies.
    """
    path = ROOT / "examples" / name / "policy.toml"
    return tomllib.loads(path.read_text("utf-8"))


def _clause_of(tree: Tree) -> dict[str, Any]:
    rows = (row for f in tree["functions"] for row in f.get("collects", ()))
    return next(rows)


def _with_risk(tree: Tree) -> None:
    tree["recipients"].append(
        {
            "id": "risky",
            "name": "Risky Ltd.",
            "mode": "shared",
            "assessment": {"reference": "I-9", "risk": "low"},
        }
    )


#: One change for each kind that the published texts call major.
BY_KIND: dict[str, Change] = {
    "service_model": lambda tree: _clause_of(tree).update(retention="P9Y"),
    "control": lambda tree: tree["controller"].update(name="Heir Ltd."),
    "recipients": lambda tree: tree["recipients"].append(
        {"id": "stranger", "name": "Stranger AG", "mode": "shared"}
    ),
    "rights": lambda tree: tree["rights"].pop(),
    "contact_or_department": lambda tree: tree["controller"].update(
        officer="Somebody else"
    ),
    "high_risk_assessment": lambda tree: tree["recipients"][-1][
        "assessment"
    ].update(risk="high"),
}


class TestPublished:
    """
    Tests on the documents of published policies.
    """

    @pytest.mark.obligation("WP-VER-3", "KS-VER-3", "GP-VER-2")
    @pytest.mark.parametrize("kind", SIX)
    @pytest.mark.parametrize("name", PUBLISHED)
    def test_six_kinds(self, name: str, kind: str) -> None:
        """
        A change of each of the six kinds is major, and its kind is named.
        """
        tree = copy.deepcopy(published(name))
        tree.setdefault("recipients", [])
        _with_risk(tree)
        then = policy_of(tree)
        BY_KIND[kind](tree)

        found = compare(then, policy_of(tree))

        assert found.major_kinds == (kind,)
        assert found.notice_due

    @pytest.mark.obligation("WP-VER-3", "KS-VER-3", "GP-VER-2")
    @pytest.mark.parametrize("name", PUBLISHED)
    def test_spelling(self, name: str) -> None:
        """
        Other words for the same are a minor change that asks nobody.
        """
        tree = copy.deepcopy(published(name))
        then = policy_of(tree)
        tree["functions"][0]["text"] += " Thank you."
        tree["policy"]["title"] += " (new)"

        found = compare(then, policy_of(tree))

        assert len(found.changes) == 2
        assert not found.needs_something

    @pytest.mark.obligation(
        "WP-VER-1", "KS-VER-2", "XM-VER-1", "GP-VER-1", "PR-TRF-1"
    )
    @pytest.mark.parametrize(
        "name", [*PUBLISHED, "business_mail", "principles_app"]
    )
    @pytest.mark.parametrize(
        "reduce",
        [
            lambda tree: tree["rights"].pop(0),
            lambda tree: tree["rights"][0]["deadline"].update(value=99),
            lambda tree: _clause_of(tree).update(retention="P9Y"),
            lambda tree: tree["functions"][0].pop("turn_off"),
        ],
        ids=["right", "deadline", "retention", "opt-out"],
    )
    def test_reduction(self, name: str, reduce: Change) -> None:
        """
        A lost right, a longer reply time, a longer retention and a dropped
        way out are each found, and wait for acceptance.
        """
        tree = copy.deepcopy(published(name))
        deadline = {"value": 15, "unit": "day"}
        right = {"id": "own", "channel": "app", "deadline": deadline}
        tree["rights"] = [right, *tree.get("rights", [])]
        tree["functions"][0]["turn_off"] = "settings"
        then = policy_of(tree)
        reduce(tree)

        found = compare(then, policy_of(tree))

        assert found.accept_due
        assert [c.reduces_rights for c in found.changes] == [True]


def test_values_are_small() -> None:
    """
    A fall says its element and kind, and no person's data.
    """
    fall = Fall(element="f", kind=FallKind.NEW)

    assert attrs.asdict(fall) == {
        "element": "f",
        "kind": FallKind.NEW,
        "losses": (),
    }
