# SPDX-License-Identifier: MIT

"""
Tests for the two lists that an app publishes: they say what the gate does.
"""

from __future__ import annotations

import shutil
import tempfile

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

import consentkit

from consentkit.anonymise.classes import PrivacyClass
from consentkit.disclose import (
    CollectedType,
    SharedType,
    ThirdParty,
    collection_list,
    sharing_list,
)
from consentkit.gate import OSPermission, Permit, Reason, Refusal
from consentkit.policy import Policy, load_policy, parse_policy
from consentkit.policy.model import ProtectionName
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.registry import (
    SDKEntry,
    SDKField,
    SDKPermission,
    load_entries,
    load_registry,
)
from tests.support import (
    IMEI,
    MAC,
    PLACE,
    Clock,
    say_yes,
    small,
    to_toml,
)


CAMERA = Path(__file__).parents[2] / "examples/camera_app/policy.toml"
WORDS = load_vocabulary()

PLATFORMS = ("android", "ios", "web", "iot", "desktop")
STAYS = {ProtectionName.DROP, ProtectionName.LOCAL_ONLY}
PURPOSES = ("usage_statistics", "crash_analysis", "advertising_delivery")
RECIPIENTS = ("first", "second", "third")
SDKS = ("alpha", "beta", "gamma", "delta")
# Types and protections of all kinds: what stays, what is sensitive, what
# needs a permission.
TYPES = (
    "imei",
    "android_id",
    "mac_address",
    "location_precise",
    "installed_apps",
    "device_model",
    "ip_address",
)
VALUES: Mapping[str, object] = {
    "imei": IMEI,
    "android_id": "6f1d3c58b0a94e77",
    "mac_address": MAC,
    "location_precise": PLACE,
    "installed_apps": ["org.example.notes"],
    "device_model": "X 100",
    "ip_address": "203.0.113.7",
}


def acme(**changes: Any) -> SDKEntry:
    """
    Give the entry of an SDK that does not exist.
    """
    known: dict[str, Any] = {
        "id": "acme",
        "name": "Acme",
        "operator": "Acme Ltd.",
        "operator_is_legal_entity": True,
        "category": "analytics",
        "purposes": ("usage_statistics",),
        "method": "embedded_sdk",
        "transmits": True,
        "platforms": ("any",),
        **changes,
    }
    return SDKEntry(**known)


def saying(*types: str, **changes: Any) -> SDKField:
    """
    Give a field of an entry.
    """
    known: dict[str, Any] = {
        "term": "something",
        "types": types,
        "platforms": ("any",),
        "requirement": "listed",
        **changes,
    }
    return SDKField(**known)


def with_acme(*rows: dict[str, Any], **changes: Any) -> Policy:
    """
    Give the small policy with Acme in the place of its SDK.

    Args:
        rows: What its function collects.

        changes: To the table of the recipient.
    """

    def change(tree: dict[str, Any]) -> None:
        function = next(f for f in tree["functions"] if f["id"] == "umeng")
        function.update(sdk="acme", collects=list(rows), recipients=["acme"])
        party = next(r for r in tree["recipients"] if r["id"] == "umeng")
        party.update(id="acme", name="Acme", **changes)

    return small(change=change)


def row_of(
    policy: Policy, *entries: SDKEntry, sdk: str = "acme", platform: str = ""
) -> ThirdParty:
    """
    Give the row of an SDK.
    """
    known = {e.id: e for e in entries}
    made = sharing_list(policy, known, platform=platform)
    (row,) = (row for row in made.rows if row.id == sdk)
    return row


# Random policies and registries


def _subset(items: tuple[str, ...], least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(st.sampled_from(items), min_size=least, unique=True)


@st.composite
def _rows(draw: st.DrawFn, parties: list[str]) -> list[dict[str, Any]]:
    rows = []
    for type_ in draw(_subset(TYPES)):
        allowed = WORDS.data_types[type_].protections
        row: dict[str, Any] = {
            "type": type_,
            "protect": draw(
                st.sampled_from(
                    sorted(p.value for p in allowed - {ProtectionName.KRR})
                )
            ),
            "required": draw(st.booleans()),
            "platforms": draw(_subset(PLATFORMS)),
            "permission": draw(st.sampled_from(("", "location", "phone"))),
        }
        if draw(st.booleans()):
            row["purposes"] = draw(_subset(PURPOSES, 1))
        if draw(st.booleans()):
            row["recipients"] = draw(_subset(("maker", *parties), 1))
        rows.append(row)
    return rows


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """
    Make a policy with up to four functions, some of which start an SDK.
    """
    functions = []
    for i, sdk in enumerate(
        draw(st.permutations((*SDKS, "", "")))[: draw(st.integers(1, 4))]
    ):
        parties = draw(_subset(RECIPIENTS, 1))
        functions.append(
            {
                "id": f"f{i}",
                "name": f"Function {i}",
                "category": "third_party" if sdk else "additional",
                "text": "What it does.",
                "basis": ["consent"],
                "on_refusal": "degraded",
                "purposes": draw(_subset(PURPOSES, 1)),
                "recipients": parties,
                "retention": "P1D",
                "acknowledge": draw(st.sampled_from(("", "It is loud."))),
                "user_act": draw(st.booleans()),
                "requires": draw(st.sampled_from(([], ["on_wifi"]))),
                "collects": draw(_rows(parties)),
                **({"sdk": sdk} if sdk else {}),
            }
        )
    tree = {
        "schema": 1,
        "policy": {
            "id": "random",
            "title": "A random policy",
            "version": "1",
            "effective": small().effective,
            "language": "en",
        },
        "controller": {
            "id": "maker",
            "name": "Maker Ltd.",
            "contact": "privacy@maker.example",
        },
        "storage": {"regions": ["CN"]},
        "recipients": [
            {
                "id": name,
                "name": name.title(),
                "mode": draw(
                    st.sampled_from(
                        ("entrusted", "shared", "embedded", "affiliate")
                    )
                ),
                "country": draw(st.sampled_from(("", "CN", "US"))),
                "requires": draw(st.sampled_from(([], [], ["the rules"]))),
            }
            for name in RECIPIENTS
        ],
        "functions": functions,
    }
    return parse_policy(to_toml(tree))


@st.composite
def registries(draw: st.DrawFn) -> Mapping[str, SDKEntry]:
    """
    Write entries of SDKs into a folder, and load them from there.
    """
    folder = Path(tempfile.mkdtemp())
    try:
        for i, sdk in enumerate(SDKS):
            fields = [
                {
                    "term": "something",
                    "types": draw(_subset(TYPES, 1)),
                    "platforms": draw(
                        _subset(("android", "ios", "web", "iot", "any"), 1)
                    ),
                    "requirement": draw(
                        st.sampled_from(
                            ("listed", "optional", "user_authorised")
                        )
                    ),
                    "local_only": draw(st.booleans()),
                }
                for _ in range(draw(st.integers(0, 3)))
            ]
            tree = {
                "schema": 1,
                "id": sdk,
                "name": sdk.title(),
                "operator": f"{sdk.title()} Ltd.",
                "category": "analytics",
                "purposes": ["usage_statistics"],
                "method": "embedded_sdk",
                "transmits": True,
                "platforms": ["any"],
                "privacy_policy": f"https://{sdk}.example/privacy",
                "parent": draw(st.sampled_from(("", *SDKS[:i]))),
                "fields": fields,
            }
            (folder / f"{sdk}.toml").write_text(to_toml(tree), "utf-8")
        return load_entries(folder)
    finally:
        shutil.rmtree(folder)


@contextmanager
def everything_granted(
    policy: Policy, entries: Mapping[str, SDKEntry], platform: str
) -> Iterator[consentkit.Kit]:
    """
    Open a kit whose person, system and app say yes to everything.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        consentkit.open(
            policy,
            data_dir=Path(folder) / "data",
            platform=platform,
            os_permission=lambda _: OSPermission.GRANTED,
            conditions=lambda _: True,
            sdk_entries=entries,
            clock=Clock(),
        ) as kit,
    ):
        for function in policy.functions.values():
            if function.acknowledge:
                kit.consent.acknowledge(function.id)
        for element in policy.elements:
            say_yes(kit.consent, element)
        yield kit


def asking(
    kit: consentkit.Kit, function: str, data_type: str, **options: str
) -> Permit | Refusal:
    """
    Ask a kit while the function is in use, by an act of the person.
    """
    return kit.decide(
        function,
        data_type,
        purpose=options.get("purpose"),
        recipient=options.get("recipient"),
        in_use=True,
        act=True,
        attested=True,
    )


def permitted(
    kit: consentkit.Kit, *, leaving: bool
) -> set[tuple[str, str, str, str]]:
    """
    Ask a kit everything that these tests have words for.

    Args:
        kit: The kit.

        leaving: Whether only what leaves the device to others counts.

    Returns:
        What it permits: function, data type, purpose and recipient.
    """
    found = set()
    for function in kit.policy.functions:
        for type_ in TYPES:
            for purpose in PURPOSES:
                for recipient in kit.policy.recipients:
                    answer = asking(
                        kit,
                        function,
                        type_,
                        purpose=purpose,
                        recipient=recipient,
                    )
                    if not isinstance(answer, Permit):
                        continue
                    stays = answer.clause.protection.name in STAYS
                    if not leaving or (recipient != "maker" and not stays):
                        found.add((function, type_, purpose, recipient))
    return found


def _there(
    row: SharedType | CollectedType, platform: str, *, only: bool
) -> bool:
    return only or platform in (row.platforms or PLATFORMS)


class TestEqualTheGate:
    """
    Both lists against a kit, over random policies and registries.
    """

    @pytest.mark.obligation("WP-LIST3P-1")
    @given(policies(), registries(), st.sampled_from(PLATFORMS))
    @settings(deadline=None, max_examples=25)
    def test_sharing(
        self, policy: Policy, entries: Mapping[str, SDKEntry], platform: str
    ) -> None:
        """
        A data type stands in the row of a third party if and only if the
        kit permits that it is given to it, with everything granted; in the
        list of one platform as in that of all. The SDKs that start are
        those that the list says start, and no other starts.
        """
        one = sharing_list(policy, entries, platform=platform)
        every = sharing_list(policy, entries)
        with everything_granted(policy, entries, platform) as kit:
            allowed = permitted(kit, leaving=True)
            started = {
                sdk
                for sdk in (*SDKS, "epsilon")
                if not isinstance(
                    kit.registry.start(
                        sdk, lambda: None, stop=lambda: None, act="tap"
                    ),
                    Refusal,
                )
            }

        for made in (one, every):
            assert {
                (given_.function, given_.type, purpose, row.recipient)
                for row in made.rows
                for given_ in row.given
                for purpose in given_.purposes
                if _there(given_, platform, only=made is one)
            } == allowed
            assert {r.sdk for r in made.rows if r.starts} == started
        named = {f.sdk for f in policy.functions.values() if f.sdk}
        assert [r.sdk for r in every.rows if r.sdk and not r.inside] == [
            f.sdk for f in policy.functions.values() if f.sdk
        ]
        assert not started - named

    @given(policies(), registries(), st.sampled_from(PLATFORMS))
    @settings(deadline=None, max_examples=15)
    def test_handed(
        self, policy: Policy, entries: Mapping[str, SDKEntry], platform: str
    ) -> None:
        """
        What the registry hands to an SDK is what the list says it hands,
        on the platform, with everything granted.
        """
        rows = sharing_list(policy, entries, platform=platform).rows
        handed = {}
        with everything_granted(policy, entries, platform) as kit:
            for row in rows:
                # Functions with two recipients may mean either.
                if not row.sdk or row.inside or row.recipient != RECIPIENTS[0]:
                    continue
                answer = kit.registry.share(
                    row.sdk, dict, values=VALUES, act="tap"
                )
                handed[row.sdk] = set(
                    () if isinstance(answer, Refusal) else answer.given
                )

        assert handed == {
            row.sdk: {one.type for one in row.given if one.handed}
            for row in rows
            if row.sdk in handed
        }

    @given(policies(), registries(), st.sampled_from(("", *PLATFORMS)))
    @settings(deadline=None, max_examples=100)
    def test_what_only_the_sdk_says(
        self, policy: Policy, entries: Mapping[str, SDKEntry], platform: str
    ) -> None:
        """
        Each field that an entry names is either given or listed apart, on
        each platform, and never both.
        """
        for row in sharing_list(policy, entries, platform=platform).rows:
            if not row.sdk:
                assert not row.not_allowed
                continue
            where = (platform,) if platform else PLATFORMS
            given_ = {
                (one.type, name)
                for one in row.given
                for name in one.platforms or PLATFORMS
            }
            apart = {
                (one.type, name)
                for one in row.not_allowed
                for name in one.platforms or PLATFORMS
            }
            said = {
                (type_, name)
                for field in entries[row.sdk].fields
                for type_ in field.types
                for name in where
                if {name, "any"} & set(field.platforms)
            }
            assert not given_ & apart
            assert apart == said - given_

    @pytest.mark.obligation("WP-LIST-0")
    @given(policies(), registries(), st.sampled_from(PLATFORMS))
    @settings(deadline=None, max_examples=25)
    def test_collection(
        self, policy: Policy, entries: Mapping[str, SDKEntry], platform: str
    ) -> None:
        """
        A data type stands in a scene with a purpose if and only if the kit
        permits it for that, with everything granted; in the list of one
        platform as in that of all.
        """
        one = collection_list(policy, entries, platform=platform)
        every = collection_list(policy, entries)
        with everything_granted(policy, entries, platform) as kit:
            allowed = {told[:3] for told in permitted(kit, leaving=False)}

        for made in (one, every):
            assert {
                (scene.function.id, type_.type, purpose)
                for scene in made.scenes
                for type_ in scene.types
                for purpose in type_.purposes
                if _there(type_, platform, only=made is one)
            } == allowed


class TestSharing:
    """
    Tests for `sharing_list`.
    """

    def test_types(self) -> None:
        """
        What is given is told with what is done to it, by whom it is needed
        and under which permission; what stays on the device is not given.
        """
        entry = acme(
            fields=(
                saying("imei", platforms=("android",)),
                saying("location_precise", requirement="user_authorised"),
            ),
        )
        policy = with_acme(
            {"type": "imei", "protect": "md5", "platforms": ["android"]},
            {
                "type": "location_precise",
                "protect": "grid",
                "permission": "location",
            },
            {"type": "installed_apps", "protect": "local_only"},
            {"type": "device_name", "protect": "drop"},
            {"type": "device_model", "protect": "none", "required": False},
        )

        imei, place, model = row_of(policy, entry).given

        assert (imei.type, imei.platforms) == ("imei", ("android",))
        assert imei.requirement == "required"
        assert imei.protection.name is ProtectionName.MD5
        assert imei.privacy_class is PrivacyClass.PSEUDONYMISED
        assert (place.platforms, place.permission) == ((), "location")
        assert place.requirement == "user_authorised"
        assert place.sensitive
        assert place.separate
        assert place.privacy_class is PrivacyClass.DE_IDENTIFIED
        assert (model.requirement, model.handed) == ("optional", False)
        assert imei.handed
        assert place.handed

    def test_needed_on_one_platform(self) -> None:
        """
        What the SDK asks for on one platform and does without on another is
        told for each.
        """
        entry = acme(
            fields=(
                saying("mac_address", platforms=("android",)),
                saying(
                    "mac_address", platforms=("ios",), requirement="optional"
                ),
            )
        )
        row = {"type": "mac_address", "protect": "md5"}
        policy = with_acme(row | {"platforms": ["android", "ios"]})

        first, second = row_of(policy, entry).given

        assert (first.platforms, first.requirement) == (
            ("android",),
            "required",
        )
        assert (second.platforms, second.requirement) == (
            ("ios",),
            "optional",
        )

    def test_said_twice(self) -> None:
        """
        Where an SDK says of one type that it is optional and that it is
        not, the stricter word holds.
        """
        entry = acme(
            fields=(
                saying("mac_address", requirement="optional"),
                saying("mac_address"),
            )
        )
        policy = with_acme({"type": "mac_address", "protect": "md5"})

        (one,) = row_of(policy, entry).given

        assert one.requirement == "required"

    def test_only_said(self) -> None:
        """
        What the SDK says and the policy does not allow stands apart, with
        the SDK's words and its promises.
        """
        entry = acme(
            fields=(
                saying("imei", term="phone number of sorts", ambiguous=True),
                saying("device_model", platforms=("ios",), local_only=True),
            )
        )

        row = row_of(with_acme(), entry)
        imei, model = row.not_allowed

        assert row.given == ()
        assert (imei.type, imei.platforms) == ("imei", ())
        assert (imei.ambiguous, imei.local_only) == (True, False)
        assert imei.terms == ("phone number of sorts",)
        assert (model.platforms, model.local_only) == (("ios",), True)

    def test_who_it_is(self) -> None:
        """
        A row has who runs the SDK, why, where and how, and its links: those
        of the policy before those of the entry.
        """
        entry = acme(
            official_site="https://acme.example/",
            privacy_policy="https://acme.example/privacy",
            start_condition="on Acme phones",
            claims=("Never sleeps.",),
        )
        policy = with_acme(
            country="US",
            contact="dpo@acme.example",
            url="https://acme.example/cn",
            claims=["Never sleeps.", "Never eats."],
        )

        row = row_of(policy, entry)

        assert (row.sdk, row.recipient, row.name) == ("acme", "acme", "Acme")
        assert row.operator == "Acme Ltd."
        assert row.operator_is_legal_entity
        assert (row.mode, row.category) == ("embedded", "analytics")
        assert (row.country, row.contact) == ("US", "dpo@acme.example")
        assert row.functions == ("umeng",)
        assert row.purposes == ("crash_analysis",)
        assert row.start_condition == "on Acme phones"
        assert row.site == "https://acme.example/"
        assert row.privacy_policy == "https://acme.example/cn"
        assert row.claims == ("Never sleeps.", "Never eats.")
        assert row.starts
        assert row.known

    def test_brand_only(self) -> None:
        """
        Where the entry has no full name of a company, the policy's name of
        the recipient counts.
        """
        entry = acme(operator="ACME", operator_is_legal_entity=False)

        row = row_of(with_acme(), entry)

        assert row.operator == "Acme"
        assert not row.operator_is_legal_entity

    def test_permissions(self) -> None:
        """
        The SDK's permissions and those of what is given are told, and which
        of them the system asks the person for.
        """
        entry = acme(
            permissions=(
                SDKPermission(
                    permission="internet",
                    platform="android",
                    requirement="listed",
                ),
                *(
                    SDKPermission(
                        permission="camera",
                        platform=platform,
                        requirement="optional",
                    )
                    for platform in ("ios", "android")
                ),
            )
        )
        policy = with_acme(
            {"type": "imei", "protect": "md5", "permission": "phone"}
        )

        told = row_of(policy, entry).permissions

        assert [attrs.astuple(p) for p in told] == [
            ("internet", ("android",), "required", False),
            ("camera", ("android", "ios"), "optional", True),
            ("phone", (), "required", True),
        ]
        assert "camera" not in {
            p.permission
            for p in row_of(policy, entry, platform="web").permissions
        }

    def test_comes_along(self) -> None:
        """
        An SDK that is inside another one, or around it, or beside it in a
        third one, has a row behind it, is not started, and is given
        nothing; the one that brings it along does not start without it, and
        descriptions that go round in a circle do no harm.
        """
        outer = acme(id="outer", host="acme")
        around = acme(id="around", parent="outer")
        beside = acme(id="beside", parent="around", host="outer")
        away = acme(id="away")
        entry = acme(host="beside")
        entries = {e.id: e for e in (away, outer, around, beside, entry)}

        rows = sharing_list(with_acme(), entries).rows

        assert [(r.id, r.inside, r.starts) for r in rows] == [
            ("acme", (), False),
            ("around", ("acme",), False),
            ("beside", ("acme",), False),
            ("outer", ("acme",), False),
            ("helper", (), False),
        ]

    def test_comes_along_and_harms_nothing(self) -> None:
        """
        What an SDK comes inside of has a row too, and does not keep it from
        starting; but nothing is handed to it before that is allowed.
        """
        outer = acme(id="outer")
        entry = acme(parent="outer", fields=(saying("imei"),))
        policy = with_acme({"type": "imei", "protect": "md5"})

        row = row_of(policy, outer, entry)

        assert row_of(policy, outer, entry, sdk="outer").inside == ("acme",)
        assert row.starts
        assert [one.handed for one in row.given] == [False]

    def test_nobody_knows_it(self) -> None:
        """
        An SDK without an entry has a row all the same, which says that
        nothing describes it and that it does not start.
        """
        policy = with_acme({"type": "imei", "protect": "md5"})

        row = row_of(policy)

        assert (row.known, row.starts) == (False, False)
        assert (row.name, row.operator) == ("Acme", "Acme")
        assert [one.type for one in row.given] == ["imei"]

    def test_barred(self) -> None:
        """
        To whom nothing may be given nothing is promised, and the row says
        why.
        """
        policy = with_acme(
            {"type": "imei", "protect": "md5"}, requires=["the rules"]
        )

        row = row_of(policy, acme(fields=(saying("imei"),)))

        assert (row.given, row.starts) == ((), False)
        assert "the rules" in row.barred
        assert [one.type for one in row.not_allowed] == ["imei"]

    def test_other_recipients(self) -> None:
        """
        Recipients that are no SDK have rows too; what only comes in has one
        if it is given something.
        """

        def from_carrier(tree: dict[str, Any]) -> None:
            tree["recipients"] += [
                {"id": "carrier", "name": "Carrier", "mode": "inbound"}
            ]

        def to_carrier(tree: dict[str, Any]) -> None:
            tree["functions"][1]["recipients"].append("carrier")

        only_in = small(add=from_carrier)
        both = small(add=from_carrier, give=to_carrier)

        assert [r.id for r in sharing_list(only_in).rows] == [
            "umeng",
            "helper",
        ]
        helper, carrier = sharing_list(both).rows[1:]
        assert (helper.id, helper.mode) == ("helper", "entrusted")
        assert helper.functions == ("improve",)
        assert {one.type for one in carrier.given} == {
            "mac_address",
            "system_id",
            "imei",
            "app_usage_time",
        }

    def test_sdk_with_a_helper(self) -> None:
        """
        A second recipient of an SDK's function has a row of its own: what
        goes to it does not go to the SDK.
        """

        def add(tree: dict[str, Any]) -> None:
            tree["functions"][-1].update(
                recipients=["helper", "umeng"],
                collects=[
                    {
                        "type": "imei",
                        "protect": "md5",
                        "recipients": ["helper"],
                    },
                    {
                        "type": "device_model",
                        "protect": "none",
                        "recipients": ["umeng"],
                    },
                ],
            )

        umeng, helper = sharing_list(small(add=add)).rows

        assert [one.type for one in umeng.given] == ["device_model"]
        assert ("umeng", "imei") in {
            (one.function, one.type) for one in helper.given
        }

    def test_platform(self) -> None:
        """
        The list of one platform leaves out what is for others, SDKs too.
        """
        entry = acme(
            platforms=("android",),
            fields=(saying("imei", platforms=("android",)),),
        )
        entries = {"acme": entry}

        android = sharing_list(with_acme(), entries, platform="android")
        ios = sharing_list(with_acme(), entries, platform="ios")

        assert [r.id for r in android.rows] == ["acme", "helper"]
        assert android.rows[0].not_allowed[0].platforms == ("android",)
        assert [r.id for r in ios.rows] == ["helper"]
        with pytest.raises(ValueError, match="no platform 'windows'"):
            sharing_list(with_acme(), entries, platform="windows")

    @pytest.mark.obligation("WP-LIST3P-1", "WP-SDK-3")
    def test_camera_app(self) -> None:
        """
        The camera app's list has a row for each of its 27 SDKs, the one
        inside another too; purpose, way, fields, permissions and links are
        those of the registry and of the policy.
        """
        policy = load_policy(CAMERA)
        registry = load_registry()
        starters = {f.sdk: f for f in policy.functions.values() if f.sdk}

        rows = {r.sdk: r for r in sharing_list(policy).rows if r.sdk}

        assert rows.keys() == starters.keys()
        assert len(rows) == 27
        assert registry["zhuoxin_id"].parent == "getui"
        for sdk, row in rows.items():
            entry = registry[sdk]
            assert row.name == entry.name
            assert row.mode == "embedded"
            assert set(row.purposes) >= set(starters[sdk].purposes)
            told = {one.type for one in row.given}
            told |= {one.type for one in row.not_allowed}
            assert told >= set(entry.types)
            assert {p.permission for p in row.permissions} >= {
                p.permission for p in entry.permissions
            }
            assert row.privacy_policy == (
                policy.recipients[row.recipient].url or entry.privacy_policy
            )
            assert row.starts


class TestCollection:
    """
    Tests for `collection_list`.
    """

    def test_types(self) -> None:
        """
        A scene tells of each type whom it goes to, in which form and for how
        long; what stays goes to nobody, and what is dropped is not read.
        """
        connect, improve, paste = collection_list(small()).scenes[:3]
        place, status, password, name = connect.types

        assert place.recipients == ("maker",)
        assert (place.permission, place.sensitive) == ("location", True)
        assert place.privacy_class is PrivacyClass.DE_IDENTIFIED
        assert str(place.retention) == "P1D"
        assert status.purposes == ("wifi_connection", "device_binding")
        assert (password.recipients, password.leaves) == ((), False)
        assert password.is_read
        assert (name.is_read, name.privacy_class) == (False, None)
        assert {t.recipients for t in improve.types} == {("maker", "helper")}
        assert paste.types[0].situations == ("receive_share",)

    def test_frequency(self) -> None:
        """
        It tells how often something is read at most.
        """

        def seldom(tree: dict[str, Any]) -> None:
            tree["functions"][1]["collects"][0]["frequency"] = "PT1H"

        improve = collection_list(small(change=seldom)).scenes[1]

        assert [str(t.frequency) for t in improve.types] == [
            "PT3600S",
            "None",
            "None",
            "None",
        ]

    def test_who_collects(self) -> None:
        """
        A scene of an SDK says that the SDK collects, by its name.
        """
        scenes = collection_list(small()).scenes
        unknown = collection_list(with_acme(), {}).scenes

        assert (scenes[-1].sdk, scenes[-1].sdk_name) == ("umeng", "Umeng SDK")
        assert not any(scene.sdk for scene in scenes[:-1])
        assert unknown[-1].sdk_name == "acme"

    @pytest.mark.obligation("WP-LIST-ADS")
    def test_advertising(self, tmp_path: Path) -> None:
        """
        With everything of its own granted, nothing that the camera app
        collects has an advertising purpose, and no advertising SDK starts;
        the list says of each that the SDK collects by itself.
        """
        policy = load_policy(CAMERA)
        purposes = {
            p for p in WORDS.purposes if p.startswith(("ad_", "advertising_"))
        }
        registry = load_registry()
        scenes = collection_list(policy, platform="android").scenes
        own = [scene for scene in scenes if not scene.sdk]
        advertising = {
            scene.sdk: scene
            for scene in scenes
            if scene.sdk and registry[scene.sdk].category.startswith("adv")
        }

        assert len(purposes) == 5
        assert len(advertising) == 14
        assert not purposes & {
            p for scene in own for one in scene.types for p in one.purposes
        }
        with consentkit.open(
            policy,
            data_dir=tmp_path / "data",
            platform="android",
            os_permission=lambda _: OSPermission.GRANTED,
            conditions=lambda _: True,
        ) as kit:
            kit.consent.declare_age(adult=True)
            for scene in own:
                if scene.function.acknowledge:
                    kit.consent.acknowledge(scene.function.id)
                for element in scene.function.elements:
                    say_yes(kit.consent, element, method="confirm")
            for scene in own:
                for one in scene.types:
                    asked = (scene.function.id, one.type)
                    assert asking(kit, *asked)
                    for purpose in purposes:
                        no = asking(kit, *asked, purpose=purpose)
                        assert isinstance(no, Refusal)
                        assert no.reason is Reason.UNDECLARED_PURPOSE
            for sdk, scene in advertising.items():
                answer = kit.registry.start(sdk, lambda: None)
                assert isinstance(answer, Refusal)
                assert scene.sdk_name == registry[sdk].name
                assert purposes & set(scene.function.purposes)
                assert "weipai" not in {
                    r for one in scene.types for r in one.recipients
                }
