# SPDX-License-Identifier: MIT

"""
What third-party SDKs are given, by the camera app's document.

Nothing is mocked but the device: an SDK is code of the test that is handed
values, and what it was handed is compared with the text's list of it.
"""

from __future__ import annotations

import json

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from consentkit import Device, OSPermission, Reason, Refusal
from consentkit.cli import main
from consentkit.collectors.location import Fix
from consentkit.policy.lint import lint
from consentkit.policy.model import Policy, ProtectionName
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.registry import load_registry
from consentkit.starts import Starts
from tests.faults.support import forms
from tests.obligations.checks import (
    EXAMPLES,
    Watched,
    changed,
    document,
    table,
)
from tests.support import IMEI, MAC, Clock


WP = document("camera_app")
WORDS = load_vocabulary()
SHIPPED = load_registry()
#: What the text prints as a list of fields, for the SDKs that have one.
LISTED = tuple(
    f.sdk
    for f in WP.functions.values()
    if f.sdk and SHIPPED[f.sdk].fields and f.sdk != "wechat_plugin"
)
SDKS = tuple(f.sdk for f in WP.functions.values() if f.sdk)
PLACE = Fix(latitude=31.2304, longitude=121.4737)


class Shop(Watched):
    """
    The camera app on a phone, with everything granted.

    Attributes:
        handed: What SDKs were handed, in order.
    """

    def __init__(
        self,
        folder: Path,
        platform: str,
        *,
        policy: Policy = WP,
        **options: Any,
    ) -> None:
        self.os: dict[str, OSPermission] = {}
        self.handed: list[tuple[str, Mapping[str, Any]]] = []
        super().__init__(
            policy,
            folder,
            platform=platform,
            os_permission=lambda id_: self.os.get(id_, OSPermission.GRANTED),
            **{"conditions": lambda _: True, **options},
        )
        self.kit.consent.declare_age(adult=True)

    def agree_to(self, *sdks: str) -> None:
        """
        Grant the SDKs, with each part of them.
        """
        for sdk in sdks:
            self.agree(*(e for e in WP.elements if e.split("/")[0] == sdk))

    def agree(self, *elements: str, method: str = "confirm") -> None:
        """
        Grant as the document says that people do.
        """
        super().agree(*elements, method=method)

    def give(self, sdk: str, *types: str, **options: Any) -> Any:
        """
        Hand the SDK a value of each type, as far as it may have them.
        """
        return self.kit.registry.share(
            sdk,
            lambda values: self.handed.append((sdk, values)),
            values={type_: _value(type_) for type_ in types},
            **options,
        )

    def allowed(self, sdk: str, *types: str, **options: Any) -> set[str]:
        """
        Name what of *types* the SDK may have.
        """
        found = set()
        for type_ in types:
            got = self.give(sdk, type_, **options)
            if got or got.reason is Reason.NO_VALUE:
                found.add(type_)
        return found


def _value(type_: str) -> object:
    protections = WORDS.data_types[type_].protections
    if type_.startswith("location"):
        return PLACE
    if type_ == "mac_address":
        return MAC
    if type_ == "imei":
        return IMEI
    if ProtectionName.BUCKET in protections:
        return 12
    if ProtectionName.TRUNCATE in protections:
        return "203.0.113.9"
    return f"value of {type_}"


def _listed(sdk: str, platform: str) -> set[str]:
    """
    Name the types that the text lists for the SDK on *platform*.
    """
    return {
        type_
        for field in SHIPPED[sdk].fields
        if {platform, "any"} & set(field.platforms) and not field.local_only
        for type_ in field.types
    }


@pytest.fixture
def android(tmp_path: Path) -> Iterator[Shop]:
    """
    The app on an Android phone.
    """
    with Shop(tmp_path / "android", "android") as shop:
        yield shop


@pytest.fixture
def ios(tmp_path: Path) -> Iterator[Shop]:
    """
    The app on an iPhone.
    """
    with Shop(tmp_path / "ios", "ios") as shop:
        yield shop


class TestLists:
    """
    Tests for the list of each SDK.
    """

    @pytest.mark.obligation("WP-TP-2", "PR-TP-1")
    @pytest.mark.parametrize(
        "sdk",
        [
            pytest.param(
                "xiaomi_push", marks=pytest.mark.obligation("WP-SDK-MI")
            ),
            pytest.param(
                "huawei_push", marks=pytest.mark.obligation("WP-SDK-HW")
            ),
            pytest.param(
                "oppo_push", marks=pytest.mark.obligation("WP-SDK-OP")
            ),
            pytest.param(
                "vivo_push", marks=pytest.mark.obligation("WP-SDK-VI")
            ),
            "getui",
            "zhuoxin_id",
            pytest.param("qiniu", marks=pytest.mark.obligation("WP-SDK-QN")),
            "beizi",
            pytest.param(
                "tencent_youlianghui",
                marks=pytest.mark.obligation("WP-SDK-YLH"),
            ),
            "pangle",
            pytest.param(
                "baiqingteng", marks=pytest.mark.obligation("WP-SDK-BQT")
            ),
            pytest.param("mango", marks=pytest.mark.obligation("WP-SDK-MG")),
            pytest.param("jd", marks=pytest.mark.obligation("WP-SDK-JD")),
            pytest.param(
                "kuaishou", marks=pytest.mark.obligation("WP-SDK-KU")
            ),
            pytest.param("ubix", marks=pytest.mark.obligation("WP-SDK-UB")),
            pytest.param("meishu", marks=pytest.mark.obligation("WP-SDK-MS")),
            pytest.param("octopus", marks=pytest.mark.obligation("WP-SDK-OC")),
            pytest.param("youtui", marks=pytest.mark.obligation("WP-SDK-YT")),
            pytest.param(
                "fangge_adbiding", marks=pytest.mark.obligation("WP-SDK-FG")
            ),
            pytest.param("taku", marks=pytest.mark.obligation("WP-SDK-TK")),
            "jutui",
            pytest.param(
                "cmi_one_tap", marks=pytest.mark.obligation("WP-SDK-CMI")
            ),
        ],
    )
    def test_gets_its_list_by_platform(
        self, sdk: str, android: Shop, ios: Shop
    ) -> None:
        """
        With everything granted, an SDK may have what the text lists for it
        on the platform, and of the whole vocabulary nothing else; without
        its yes it gets nothing.
        """
        for platform, shop in (("android", android), ("ios", ios)):
            assert shop.allowed(sdk, *WORDS.data_types) == set()
            assert shop.handed == []
            shop.agree_to(sdk)
            around = SHIPPED[sdk].parent or SHIPPED[sdk].host
            if around:
                assert shop.allowed(sdk, *WORDS.data_types) == set()
                shop.agree_to(around)
            allowed = shop.allowed(sdk, *WORDS.data_types)

            assert allowed == _listed(sdk, platform)
            assert {t for _, v in shop.handed for t in v} <= allowed

    @pytest.mark.obligation("WP-TP-1")
    def test_each_by_its_own_yes(self, android: Shop) -> None:
        """
        With those before it granted, an SDK is given nothing, and nothing
        is read for it; with its own yes it gets something of its list.
        """

        def ask(sdk: str) -> Any:
            return android.kit.registry.share(
                sdk,
                lambda _: asked.append(sdk),
                read=sorted(_listed(sdk, "android")),
            )

        asked: list[str] = []
        with android.nothing():
            assert not any(ask(sdk) for sdk in SDKS)
        for sdk in SDKS:
            before = android.seen
            assert not ask(sdk)
            assert android.seen == before
            assert sdk not in asked
            android.agree(sdk)
            ask(sdk)
        assert asked == [s for s in SDKS if _listed(s, "android")]
        with android.nothing():
            pass  # no raw value is on disk

    @pytest.mark.parametrize(
        ("sdk", "condition"),
        [
            pytest.param(
                "xiaomi_push",
                "on_xiaomi",
                marks=pytest.mark.obligation("WP-SDK-MI"),
            ),
            pytest.param(
                "huawei_push",
                "on_huawei",
                marks=pytest.mark.obligation("WP-SDK-HW"),
            ),
            pytest.param(
                "oppo_push",
                "on_oppo",
                marks=pytest.mark.obligation("WP-SDK-OP"),
            ),
            pytest.param(
                "vivo_push",
                "on_vivo",
                marks=pytest.mark.obligation("WP-SDK-VI"),
            ),
            pytest.param(
                "cmi_one_tap",
                "china_mobile_number",
                marks=pytest.mark.obligation("WP-SDK-CMI"),
            ),
            pytest.param(
                "cmi_one_tap",
                "one_tap_chosen",
                marks=pytest.mark.obligation("WP-SDK-CMI"),
            ),
        ],
    )
    def test_gets_nothing_elsewhere(
        self, sdk: str, condition: str, tmp_path: Path
    ) -> None:
        """
        On another phone, with another carrier or in another scene it gets
        nothing of its list, although it is granted.
        """
        missing = {condition}
        types = _listed(sdk, "android")
        with Shop(
            tmp_path, "android", conditions=lambda c: c not in missing
        ) as shop:
            shop.agree_to(sdk, *filter(None, [SHIPPED[sdk].host]))

            assert shop.give(sdk, *types).reason is Reason.CONDITION
            assert shop.allowed(sdk, *types) == set()
            assert shop.handed == []
            missing.clear()
            assert shop.allowed(sdk, *types) == types

    @pytest.mark.obligation("WP-SDK-CMI")
    def test_one_tap_login_takes_no_permission(self, android: Shop) -> None:
        """
        With every permission of the system denied one-tap login starts and
        gets its list; what lies behind a permission is refused to it.
        """
        android.os = dict.fromkeys(WORDS.permissions, OSPermission.DENIED)
        android.agree_to("cmi_one_tap", "alibaba_number_auth")
        types = _listed("cmi_one_tap", "android")

        assert android.kit.registry.start("cmi_one_tap", lambda: None)
        assert android.allowed("cmi_one_tap", *types) == types
        for data_type in ("imei", "location_coarse", "address_book"):
            got = android.give("cmi_one_tap", data_type)
            assert got.reason is Reason.UNDECLARED_DATA_TYPE

    @pytest.mark.obligation("WP-SDK-ALI")
    def test_nothing_for_whom_no_field_is_listed(self, android: Shop) -> None:
        """
        Alipay lists no field: it starts where payment was chosen, and gets
        nothing that it may be asked for.
        """
        android.agree_to("alipay")

        assert android.kit.registry.start("alipay", lambda: None)
        assert android.allowed("alipay", *WORDS.data_types) == set()
        assert android.handed == []

    @pytest.mark.obligation("WP-TP-2", "WP-SDK-1", "PR-TP-1")
    def test_overstep_is_refused_and_reported(self, android: Shop) -> None:
        """
        What is not listed is refused to the SDK, and the report names SDK,
        field and time; what is listed passes beside it.
        """
        android.agree_to("qiniu")
        before = datetime.now(UTC)

        got = android.give("qiniu", "mac_address", "installed_apps")

        assert got.given == ("mac_address",)
        assert isinstance(got.left_out["installed_apps"], Refusal)
        (overstep,) = android.kit.registry.oversteps
        assert (overstep.sdk, overstep.data_type, overstep.count) == (
            "qiniu",
            "installed_apps",
            1,
        )
        assert overstep.reason is Reason.UNDECLARED_DATA_TYPE
        assert before <= overstep.first <= datetime.now(UTC)

    @pytest.mark.obligation("WP-SDK-MS")
    def test_a_link_that_is_missing_is_found(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A strict check fails on the link that is none.
        """
        file = EXAMPLES / "camera_app" / "policy.toml"

        assert main(["sdk", "check", "--strict", "--json", str(file)]) == 1

        named = [r.id for r in WP.document.recipients]
        (link,) = [
            f
            for f in json.loads(capsys.readouterr().out)["findings"]
            if f["rule"] == "link-broken"
        ]
        assert link["severity"] == "error"
        path = f"$.recipients[{named.index('meishu')}].url"
        assert link["path"] == path

    @pytest.mark.obligation("WP-SDK-UM", "WP-UM-1")
    def test_two_lists_are_read_as_what_both_say(self, android: Shop) -> None:
        """
        The text describes Umeng twice: what only one of the two names is
        refused, and what both name is given.
        """
        android.agree_to("umeng")

        allowed = android.allowed("umeng", *WORDS.data_types)

        both = set.intersection(
            *(
                set(d.types)
                for d in WP.document.sdks.disclosures
                if d.functions == ("umeng",)
            )
        )
        assert allowed == both & _listed("umeng", "android")
        assert "android_id" in allowed
        assert not {"imei", "installed_apps"} & allowed

    @pytest.mark.obligation("WP-SDK-YLH", "WP-SDK-JD", "WP-SDK-JT2")
    @pytest.mark.parametrize(
        ("sdk", "data_type", "where"),
        [
            ("tencent_youlianghui", "android_id", "android"),
            ("jd", "serial_number", "ios"),
            ("jutui", "magnetometer", "android"),
            ("jutui", "idfa", "ios"),
            ("jutui", "location_precise", "ios"),
        ],
    )
    def test_crosswise_is_refused(
        self, sdk: str, data_type: str, where: str, android: Shop, ios: Shop
    ) -> None:
        """
        What is listed for one platform alone is refused on the other.
        """
        shops = {"android": android, "ios": ios}
        for platform, shop in shops.items():
            shop.agree_to(sdk)
            got = shop.give(sdk, data_type)
            assert bool(got) is (platform == where)
        other = shops["ios" if where == "android" else "android"]
        assert other.give(sdk, data_type).reason is Reason.PLATFORM

    @pytest.mark.obligation("WP-SDK-JT1")
    def test_what_is_used_on_the_device_stays_there(
        self, android: Shop
    ) -> None:
        """
        Jutui's process information is handed over only for use on the
        device, and nothing of it waits to be sent.
        """
        android.agree_to("jutui")

        sent = android.give("jutui", "app_process_info")
        used = android.give("jutui", "app_process_info", local=True)

        assert sent.reason is Reason.STAYS_ON_DEVICE
        assert used.given == ("app_process_info",)
        assert len(android.handed) == 1
        assert android.seen.waiting == android.seen.sent == 0


class TestDecisions:
    """
    Tests for what is decided on by itself within an SDK.
    """

    @pytest.mark.obligation("WP-SDK-GT2")
    def test_the_application_list_is_a_switch(self, android: Shop) -> None:
        """
        Off by default: not read. On: read. Off again: not read any more.
        """
        spy = android.spies["installed_apps"]
        android.agree("getui")

        def read() -> Any:
            return android.kit.registry.share(
                "getui",
                lambda values: android.handed.append(("getui", values)),
                read=["installed_apps"],
            )

        assert read().reason is Reason.SEPARATE_CONSENT_NEEDED
        assert (spy.reads, android.handed) == (0, [])
        android.agree("getui/installed_apps")
        assert read().given == ("installed_apps",)
        assert (spy.reads, len(android.handed)) == (1, 1)
        android.kit.consent.withdraw("getui/installed_apps")
        assert read().reason is Reason.WITHDRAWN
        assert (spy.reads, len(android.handed)) == (1, 1)
        assert android.give("getui", "device_model")

    @pytest.mark.obligation("WP-SDK-GT1")
    def test_a_permission_that_is_denied(self, android: Shop) -> None:
        """
        With the phone permission denied Getui starts, and what lies behind
        that is unread and refused; the rest passes. Granted, it passes too.
        """
        android.agree_to("getui")
        android.os = {"phone": OSPermission.DENIED}
        registry = android.kit.registry

        assert registry.start("getui", lambda: None, without=["zhuoxin_id"])
        got = registry.share(
            "getui",
            lambda values: android.handed.append(("getui", values)),
            read=["imei", "imsi", "iccid", "android_id"],
        )
        assert got.given == ("android_id",)
        for data_type in ("imei", "imsi", "iccid"):
            no = got.left_out[data_type]
            assert no.reason is Reason.OS_PERMISSION
            assert android.spies[data_type].reads == 0
        android.os = {}
        assert android.give("getui", "imsi")

    @pytest.mark.obligation("WP-SDK-GT3")
    def test_a_place_needs_the_choice_and_the_system(
        self, android: Shop
    ) -> None:
        """
        Contextual push gets a place where both the person and the system
        say yes; either off, it gets none.
        """
        android.agree("getui")
        assert not android.give("getui", "location_precise")
        android.agree("getui/location_precise")
        android.os = {"location": OSPermission.DENIED}
        denied = android.give("getui", "location_precise")
        assert denied.reason is Reason.OS_PERMISSION
        assert android.handed == []
        android.os = {}
        assert android.give("getui", "location_precise")
        android.kit.consent.withdraw("getui/location_precise")
        assert not android.give("getui", "location_precise")
        assert len(android.handed) == 1

    @pytest.mark.obligation("WP-SDK-BZ")
    @pytest.mark.parametrize(
        ("platform", "data_type"), [("android", "imei"), ("ios", "idfa")]
    )
    def test_an_identifier_that_is_left_to_the_person(
        self, platform: str, data_type: str, request: pytest.FixtureRequest
    ) -> None:
        """
        BeiZi granted, and its IMEI or IDFA not: that is refused, and the
        rest passes.
        """
        shop: Shop = request.getfixturevalue(platform)
        shop.agree("beizi")

        got = shop.give("beizi", data_type, "device_model")

        assert got.given == ("device_model",)
        left = got.left_out[data_type]
        assert left.reason is Reason.SEPARATE_CONSENT_NEEDED
        shop.agree(f"beizi/{data_type}")
        assert shop.give("beizi", data_type)

    @pytest.mark.obligation("WP-SDK-PG1")
    def test_with_all_that_is_optional_off(self, android: Shop) -> None:
        """
        With only Pangle itself granted it starts, and gets its basic list;
        each optional field is a switch of its own.
        """
        android.agree("pangle")
        basic = {
            t
            for f in SHIPPED["pangle"].fields
            if f.requirement == "listed" and {"android"} & set(f.platforms)
            for t in f.types
            if not WORDS.data_types[t].sensitive
        }

        assert android.kit.registry.start("pangle", lambda: None)
        assert android.allowed("pangle", *WORDS.data_types) == basic
        more = _listed("pangle", "android") - basic
        assert {"installed_apps", "location_precise"} <= more
        for data_type in sorted(more):
            assert not android.give("pangle", data_type)
            android.agree(f"pangle/{data_type}")
            assert android.allowed("pangle", data_type)

    @pytest.mark.obligation("WP-SDK-BQT", "WP-SDK-MG")
    @pytest.mark.parametrize("sdk", ["baiqingteng", "mango"])
    def test_runs_with_every_permission_denied(
        self, sdk: str, android: Shop
    ) -> None:
        """
        With every permission of the system denied it starts, and gets what
        takes none.
        """
        android.os = dict.fromkeys(WORDS.permissions, OSPermission.DENIED)
        android.agree_to(sdk)

        assert android.kit.registry.start(sdk, lambda: None)
        assert android.give(sdk, "device_model")
        assert not android.give(sdk, "location_precise")

    @pytest.mark.obligation("WP-SDK-ZX")
    def test_what_comes_inside_of_another(self, android: Shop) -> None:
        """
        Getui does not start while the SDK inside of it is refused, unless
        its option for that is off; and that one gets no unique identifier.
        """
        registry = android.kit.registry
        android.agree_to("getui")

        refused = registry.start("getui", lambda: None)
        assert refused.reason is Reason.NOT_ASKED
        assert registry.start("getui", lambda: None, without=["zhuoxin_id"])
        assert not android.give("zhuoxin_id", "device_model")
        android.agree_to("zhuoxin_id")
        assert android.give("zhuoxin_id", "device_model")
        for data_type in ("imei", "android_id", "oaid", "mac_address"):
            got = android.give("zhuoxin_id", data_type)
            assert got.reason is Reason.UNDECLARED_DATA_TYPE
        android.kit.consent.withdraw("getui")
        # Without the one around it there is no way to it.
        assert not android.give("zhuoxin_id", "device_model")


class TestStarts:
    """
    Tests for what starts, with what, and what is known of it before.
    """

    @pytest.mark.obligation("WP-REG-2")
    def test_one_tap_login(self, tmp_path: Path) -> None:
        """
        The carrier's SDK starts with its grant alone, while one-tap login
        is what the person chose, and once; a yes that is taken back after
        the login has to be given again for the next one.
        """
        chosen: set[str] = set()
        started: list[str] = []

        def start() -> Any:
            return shop.kit.registry.start(
                "cmi_one_tap",
                lambda: started.append("cmi"),
                stop=lambda: None,
            )

        with Shop(tmp_path, "android", conditions=chosen.__contains__) as shop:
            chosen |= {"one_tap_chosen", "china_mobile_number"}
            assert start().reason is Reason.NOT_ASKED
            shop.agree_to("cmi_one_tap")
            chosen.clear()
            assert start().reason is Reason.CONDITION
            assert started == []

            chosen |= {"one_tap_chosen", "china_mobile_number"}
            assert start()
            assert start()
            assert started == ["cmi"]
            shop.kit.consent.withdraw("cmi_one_tap")
            assert start().reason is Reason.WITHDRAWN
            assert started == ["cmi"]
            shop.agree_to("cmi_one_tap")
            assert start()
            assert started == ["cmi", "cmi"]

    @pytest.mark.obligation("WP-SDK-WX")
    def test_wechat_is_given_nothing(self, android: Shop) -> None:
        """
        WeChat starts when it is chosen, and nothing of any type is handed
        to it; each attempt is reported.
        """
        android.agree_to("wechat_open_platform")

        assert android.kit.registry.start("wechat_open_platform", lambda: None)
        for data_type in WORDS.data_types:
            got = android.give("wechat_open_platform", data_type)
            assert got.reason is Reason.UNDECLARED_DATA_TYPE
        assert android.handed == []
        oversteps = android.kit.registry.oversteps
        assert {o.data_type for o in oversteps} == set(WORDS.data_types)

    @pytest.mark.obligation("WP-SDK-GT4")
    def test_waking_others_is_off(self, tmp_path: Path) -> None:
        """
        Where waking other processes is a decision of its own, Getui is
        started with that option off until it is granted, whatever else is;
        the way in is refused and runs nothing.
        """

        def wakes(tree: dict[str, Any]) -> None:
            wake = {
                **table(tree, "self_start"),
                "id": "getui_wake",
                "name": "Wake push processes of other apps",
                "text": "Getui wakes the push processes of other apps, and "
                "they this one. If you refuse, it does not.",
            }
            tree["functions"].append(wake)

        options: list[bool] = []
        ran: list[str] = []
        policy = changed("camera_app", wakes)
        with Shop(tmp_path, "android", policy=policy) as shop:
            kit = shop.kit
            starts = Starts(kit)

            def start() -> bool:
                shop.agree("getui")
                kit.registry.start(
                    "getui",
                    lambda: options.append(
                        bool(kit.decide_function("getui_wake"))
                    ),
                    stop=lambda: None,
                    without=["zhuoxin_id"],
                )
                kit.consent.withdraw("getui")
                return options[-1]

            def wake() -> Any:
                return starts.launch(
                    "getui_wake", lambda: ran.append("other"), act="opened"
                )

            shop.agree("self_start", "zhuoxin_id")
            assert not start()
            assert wake().reason is Reason.NOT_ASKED
            assert ran == []
            shop.agree("getui_wake")
            assert start()
            assert wake()
            assert ran == ["other"]
            kit.consent.withdraw("getui_wake")
            assert not start()
            assert wake().reason is Reason.WITHDRAWN
            assert len(options) == 3

    @pytest.mark.obligation("GP-SDK-1")
    def test_a_partners_sdk_is_tested(self, tmp_path: Path) -> None:
        """
        A document that embeds an SDK without a record of its test is found
        to lack it; and as the SDK runs, what it is not declared for is
        refused and reported.
        """

        def embeds(tree: dict[str, Any]) -> None:
            tree["functions"].append(
                {
                    "id": "umeng",
                    "name": "Statistics by Umeng",
                    "category": "additional",
                    "text": "Umeng counts the use of the app.",
                    "basis": ["consent"],
                    "on_refusal": "degraded",
                    "sdk": "umeng",
                    "purposes": ["usage_statistics"],
                    "recipients": ["gp_sdks"],
                    "retention": "P1D",
                    "collects": [{"type": "oaid", "protect": "keyed"}],
                }
            )

        def is_tested(tree: dict[str, Any]) -> None:
            party = next(p for p in tree["recipients"] if p["id"] == "gp_sdks")
            party["agreement"] = {
                "reference": "contract 2026/3",
                "audited": date(2026, 2, 1),
            }

        def lacks(policy: Policy) -> bool:
            return any(
                "test of its SDK" in finding.message
                for finding in lint(policy)
                if finding.rule == "recipient-incomplete"
                and "'gp_sdks'" in finding.message
            )

        policy = changed("general_platform", embeds)
        assert lacks(policy)
        assert not lacks(changed("general_platform", embeds, is_tested))
        with Shop(tmp_path, "android", policy=policy) as shop:
            shop.agree("umeng", method="agree")
            shop.give("umeng", "oaid", "phone_number")
        ((_, given),) = shop.handed
        assert set(given) == {"oaid"}
        (overstep,) = shop.kit.registry.oversteps
        assert (overstep.sdk, overstep.data_type) == ("umeng", "phone_number")
        assert overstep.reason is Reason.UNDECLARED_DATA_TYPE


class TestValues:
    """
    Tests for what of a value reaches an SDK, and what is left of it here.
    """

    @pytest.mark.obligation("WP-HASH-5", "WP-SDK-QN")
    def test_an_sdk_gets_what_is_protected(self, android: Shop) -> None:
        """
        With a grant for an identifier an SDK gets a digest of it, be it
        read or given by the app; never the raw value, nor two SDKs the same.
        """
        android.agree_to("getui", "qiniu")

        android.give("getui", "imei", "mac_address")
        android.give("qiniu", "mac_address")
        android.kit.registry.share(
            "getui",
            lambda values: android.handed.append(("getui", values)),
            read=["imei"],
        )

        (_, first), (_, other), (_, read) = android.handed
        raw = {IMEI, MAC, android.plants["imei"]}
        given = [*first.values(), *other.values(), *read.values()]
        assert all(len(v) == 32 and int(v, 16) for v in given)
        assert not raw & set(given)
        assert first["mac_address"] != other["mac_address"]

    @pytest.mark.obligation("WP-TP-4", "GP-TP-1", "WP-SDK-NS")
    def test_nothing_of_it_is_kept(self, tmp_path: Path) -> None:
        """
        What an SDK is given by the person goes straight there: it is in no
        file and in no record of ours, in no encoding.
        """
        needles = forms("Planted-Model-8841")
        with Shop(tmp_path / "app", "android") as shop:
            shop.agree_to("qiniu", "jd")
            got = shop.kit.registry.share(
                "jd",
                lambda values: shop.handed.append(("jd", values)),
                values={"device_model": "Planted-Model-8841"},
            )
            assert got.given == ("device_model",)
            shop.kit.flush()
            assert shop.seen.waiting == shop.seen.sent == 0
        assert shop.handed == [("jd", {"device_model": "Planted-Model-8841"})]
        files = [p for p in (tmp_path / "app").rglob("*") if p.is_file()]
        assert files
        for path in files:
            content = path.read_bytes()
            assert not [n for n in needles if n in content], path

    @pytest.mark.obligation("WP-SDK-WXP")
    def test_a_look_that_leaves_nothing(self, android: Shop) -> None:
        """
        Whether WeChat is there is known in memory alone: it may be looked
        at, not kept, and is handed to nobody.
        """
        android.agree_to("wechat_plugin")

        with android.kit.use("wechat_plugin") as use:
            seen = use.device("installed_app_check")
            assert isinstance(seen, Device)
            assert len(seen.values) == 1
            no = use.capture(seen)
        assert isinstance(no, Refusal)
        assert no.reason is Reason.STAYS_ON_DEVICE
        given = android.give("wechat_plugin", "installed_app_check")
        assert isinstance(given, Refusal)
        assert android.handed == []
        android.kit.flush()
        assert android.seen.waiting == android.seen.sent == 0
        with android.nothing():
            pass  # no raw value is on disk

    @pytest.mark.obligation("WP-SDK-4", "WP-SDK-1")
    def test_dead_after_a_withdrawal(self, tmp_path: Path) -> None:
        """
        After a withdrawal an SDK is given nothing any more, in the same
        process and after a restart.
        """
        clock = Clock()
        with Shop(tmp_path, "android", clock=clock) as shop:
            shop.agree_to("jd")
            assert shop.give("jd", "device_model")
            shop.kit.consent.withdraw("jd")
            assert shop.give("jd", "device_model").reason is Reason.WITHDRAWN
        with Shop(tmp_path, "android", clock=clock) as shop:
            assert not shop.give("jd", "device_model")
            assert not shop.kit.registry.start("jd", lambda: None)
            assert shop.handed == []
