# SPDX-License-Identifier: MIT

"""
What the camera app's document promises, shown on that document.
"""

from __future__ import annotations

import json
import tomllib

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from attrs import frozen, make_class

from consentkit.anonymise.observations import Location
from consentkit.cli import main
from consentkit.collectors.clipboard import Take
from consentkit.collectors.permissions import (
    PermissionAdapter,
    PermissionBook,
)
from consentkit.collectors.source import Source, Unavailable
from consentkit.consent.age import AgeBand
from consentkit.consent.core import core_unavailable
from consentkit.consent.notice import notice
from consentkit.consent.prompt import ask
from consentkit.consent.state import OPEN
from consentkit.exceptions import NoticeNeededError, PolicyError
from consentkit.gate import Moment, OSPermission, Permit, Reason, Refusal
from consentkit.ledger.entries import Act, Actor
from consentkit.ledger.receipt import verify_receipt
from consentkit.ledger.sqlite import SQLiteLedger
from consentkit.policy import Category, Policy, ProtectionName
from consentkit.policy.diff import compare
from consentkit.policy.lint import Finding, Severity, lint
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.registry import load_registry
from consentkit.transports.memory import MemoryTransport
from consentkit.use import Basis
from tests.faults.support import forms, hits
from tests.obligations.checks import (
    EXAMPLES,
    Question,
    Said,
    Watched,
    answers,
    changed,
    clause,
    document,
    gate_of,
    questions,
    silo,
    state_of,
    table,
    there,
    whole,
)
from tests.support import IMEI, MAC, MAC_MD5, SHARE_CODE, Clock


NAME = "camera_app"
FILE = EXAMPLES / NAME / "policy.toml"
WP = document(NAME)
ALL = whole(WP)
ADULT = ALL[0]

WORDS = load_vocabulary()
FOUND = lint(WP)
ERROR = Severity.ERROR

# What the published text lists for each function: the lists of the document
# are held against these. A function that starts an SDK has none.
LISTS = {
    "register_login": "registered_region phone_number email_address "
    "sms_verification_code account_password",
    "one_tap_login": "phone_number",
    "profile": "avatar nickname",
    "bind_device": "location_precise wifi_list wifi_password ssid bssid "
    "network_signal_strength network_status lan_ip_address bluetooth_mac "
    "account_id device_name device_model os_name os_version carrier "
    "power_state storage_available smart_device_mac smart_device_uid "
    "smart_device_name smart_device_model smart_device_status",
    "device_information": "smart_device_uid smart_device_mac "
    "smart_device_name smart_device_timezone lan_ip_address ssid "
    "smart_device_status smart_device_type smart_device_model "
    "smart_device_firmware smart_device_settings",
    "live_view": "live_video smart_device_status",
    "card_recording": "recorded_video recording_time alarm_event",
    "save_locally": "recorded_video screenshot photo",
    "share_video": "",
    "control_device": "smart_device_settings detection_settings",
    "message_centre": "recorded_video alarm_event detection_settings",
    "monitoring": "recorded_video alarm_event detection_settings",
    "clipboard": "clipboard_share_code",
    "screenshot": "screenshot photo",
    "human_detection": "facial_features person_list person_annotation "
    "alarm_video",
    "ai_events": "alarm_video ai_recognition_result",
    "ai_training": "alarm_video ai_recognition_result",
    "share_device": "device_share_info",
    "scan_code": "",
    "cloud_purchase": "service_package smart_device_uid payment_status",
    "cloud_storage": "recorded_video smart_device_uid",
    "orders": "order_info payment_record",
    "coupons": "coupon",
    "intercom": "voice_audio",
    "telephone_alarm": "telephone_number telephone_alarm_settings "
    "smart_device_name",
    "data_plan": "iot_sim_iccid order_info payment_record",
    "support": "device_model smart_device_model issue_description "
    "account_id smart_device_settings diagnostics_log",
    "screen_rotation": "screen_orientation",
    "self_start": "",
    "device_upgrade": "",
    "surveys": "survey_response activity_submission",
    "surveys_email": "email_address",
    "surveys_sms": "phone_number",
    "surveys_telephone": "phone_number",
    "logs": "service_log operation_log crash_log lag_data client_type "
    "app_version device_model os_name os_version device_language "
    "ip_address network_type carrier",
    "product_improvement": "imei mac_address system_id carrier "
    "device_model os_version os_build_number screen_resolution network_type "
    "app_name app_version app_package_name location_city app_usage_time "
    "app_usage_frequency crash_log",
    "security": "account_id smart_device_uid usage_record login_time "
    "ip_address login_count",
    "basic_operation": "client_type app_version device_model os_version "
    "device_language ip_address network_type carrier sim_status "
    "installed_apps running_processes",
}

# What the text, or the law, has decided on by itself.
SENSITIVE = {
    "register_login": "",
    "bind_device": "location_precise wifi_list",
    "live_view": "live_video",
    "card_recording": "recorded_video",
    "message_centre": "recorded_video",
    "monitoring": "recorded_video",
    "screenshot": "screenshot",
    "human_detection": "facial_features person_list person_annotation "
    "alarm_video",
    "ai_events": "alarm_video ai_recognition_result",
    "ai_training": "alarm_video ai_recognition_result",
    "cloud_purchase": "service_package",
    "cloud_storage": "recorded_video",
    "orders": "order_info payment_record",
    "coupons": "coupon",
    "intercom": "voice_audio",
    "data_plan": "order_info payment_record",
}

# What the table of permissions is good for, and where else the functions
# take one.
PERMITTED = {
    "phone": {
        *(("security", t) for t in LISTS["security"].split()),
        ("product_improvement", "imei"),
    },
    "location": {
        ("bind_device", "location_precise"),
        ("bind_device", "wifi_list"),
    },
    "storage": {
        *(("save_locally", t) for t in LISTS["save_locally"].split()),
        *(("screenshot", t) for t in LISTS["screenshot"].split()),
    },
    "camera": {("share_device", "device_share_info")},
    "microphone": {("intercom", "voice_audio")},
    "notification": {("message_centre", "alarm_event")},
    "motion_sensors": {("screen_rotation", "screen_orientation")},
    "clipboard": {("clipboard", "clipboard_share_code")},
    "installed_apps_query": {("basic_operation", "installed_apps")},
    "running_tasks": {("basic_operation", "running_processes")},
}

SDKS = tuple(f.sdk for f in WP.functions.values() if f.sdk)

# Values of a form that their protections take.
VALUES: dict[str, str | Take] = {
    "imei": IMEI,
    "mac_address": MAC,
    "smart_device_mac": "3C:5A:B4:01:23:46",
    "bluetooth_mac": "3C:5A:B4:01:23:47",
    "bssid": "3C:5A:B4:01:23:48",
    "clipboard_share_code": Take("share_code", SHARE_CODE),
    # No run of digits: SQLite counts in files beside its own.
    "os_build_number": "12.3.9062",
    "iot_sim_iccid": "8986001234567890128",
}


# How all that is planted begins, and what is looked for whole.
BEGINNINGS = ("planted-", "13905550", "203.0.113.", "70000000", "48.8580")
SECRETS = (
    "account_password",
    "sms_verification_code",
    "wifi_password",
    "facial_features",
    "live_video",
    "recorded_video",
    "voice_audio",
    *VALUES,
)


class Session(Watched):
    """
    A kit on the document, of an adult on whom nothing is in the way.

    Attributes:
        met: The app's conditions that hold; all of them, if ``None``.

        os: What the operating system says, by permission; granted else.
    """

    def __init__(
        self,
        folder: Path,
        *,
        policy: Policy = WP,
        **options: Any,
    ) -> None:
        self.met: set[str] | None = None
        self.os: dict[str, OSPermission] = {}
        super().__init__(
            policy,
            folder,
            conditions=self._holds,
            os_permission=lambda p: self.os.get(p, OSPermission.GRANTED),
            **options,
        )
        for type_, value in VALUES.items():
            self.spies[type_].value = value
            text = value.value if isinstance(value, Take) else value
            self.plants[type_] = str(text)

    def _holds(self, condition: str) -> bool:
        return self.met is None or condition in self.met

    @property
    def needles(self) -> set[bytes]:
        """
        What to search the disk for.
        """
        read = [self.plants[t] for t in SECRETS if self.spies[t].reads]
        return {form for text in (*BEGINNINGS, *read) for form in forms(text)}

    def agree(self, *elements: str, method: str = "confirm") -> None:
        """
        Say yes to each, after what has to come before.
        """
        super().agree(*elements, method=method)
        for element in elements:
            function = self.kit.policy.functions.get(element)
            if function is not None and function.acknowledge:
                self.kit.consent.acknowledge(element)

    def take(self, function: str, data_type: str, **how: Any) -> Any:
        """
        Read one value and capture it, by an act of the person.
        """
        how.setdefault("act", "pressed")
        scene = how.pop("scene", "share")
        with self.kit.use(function, **how) as use:
            if data_type == "location_precise":
                got: Any = use.location(data_type)
            elif data_type == "clipboard_share_code":
                got = use.clipboard(scene)
            else:
                got = use.device(data_type)
            return use.capture(got) if got else got

    def decided(self) -> dict[Question, Permit | Refusal]:
        """
        Ask the kit everything that is collected here, as one who uses it.
        """
        functions = self.kit.policy.functions
        return {
            q: self.kit.decide(
                q.function,
                q.data_type,
                purpose=q.purpose,
                recipient=q.recipient,
                in_use=True,
                act=True,
            )
            for q in questions(self.kit.policy)
            if not functions[q.function].clauses[q.data_type].platforms
        }


@frozen
class BindingFinished:
    """
    The event of a binding.
    """

    seconds: float
    outcome: str
    attempts: int


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """
    Give a session of an adult who has said nothing else.
    """
    with Session(tmp_path / "data") as made:
        made.kit.consent.declare_age(adult=True)
        yield made


@pytest.fixture(scope="module")
def everything(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Session]:
    """
    Give a session of an adult who has said yes to everything.

    What a test changes of it, it has to change back.
    """
    with Session(tmp_path_factory.mktemp("everything")) as made:
        made.kit.consent.declare_age(adult=True)
        made.agree(*WP.elements)
        yield made


def _of(function: str) -> list[Question]:
    return [q for q in questions(WP) if q.function == function]


def _places(asked: Mapping[Question, object]) -> set[tuple[str, str]]:
    """
    Name function and type of what was refused.
    """
    return {(q.function, q.data_type) for q, a in asked.items() if not a}


def _sent(session: Session) -> list[tuple[str, str, str]]:
    return [
        (r.function, r.data_type, r.privacy_class)
        for r in session.wire.records
    ]


class TestLists:
    """
    Tests for what each function takes.
    """

    def test_are_all(self) -> None:
        """
        The document has the text's functions, the 27 SDKs, and no others.
        """
        own = [f.id for f in WP.functions.values() if not f.sdk]

        assert sorted(own) == sorted(LISTS)
        assert set(SDKS) <= set(load_registry())
        assert len(SDKS) == 27

    @pytest.mark.parametrize(
        "function",
        [
            pytest.param(
                "register_login",
                marks=pytest.mark.obligation("WP-LIST-REG"),
            ),
            "one_tap_login",
            pytest.param(
                "profile", marks=pytest.mark.obligation("WP-LIST-PROF")
            ),
            pytest.param(
                "bind_device",
                marks=pytest.mark.obligation("WP-BIND-1", "WP-LIST-BIND"),
            ),
            pytest.param(
                "device_information",
                marks=pytest.mark.obligation("WP-LIST-INFO"),
            ),
            pytest.param(
                "live_view", marks=pytest.mark.obligation("WP-LIST-LIVE")
            ),
            pytest.param(
                "card_recording", marks=pytest.mark.obligation("WP-LIST-REC")
            ),
            "save_locally",
            "share_video",
            pytest.param(
                "control_device", marks=pytest.mark.obligation("WP-LIST-SET")
            ),
            "message_centre",
            pytest.param(
                "monitoring", marks=pytest.mark.obligation("WP-LIST-MON")
            ),
            "clipboard",
            "screenshot",
            "human_detection",
            pytest.param(
                "ai_events", marks=pytest.mark.obligation("WP-LIST-AI")
            ),
            pytest.param(
                "ai_training", marks=pytest.mark.obligation("WP-LIST-AI")
            ),
            pytest.param(
                "share_device", marks=pytest.mark.obligation("WP-LIST-SHARE")
            ),
            "scan_code",
            "cloud_purchase",
            "cloud_storage",
            pytest.param(
                "orders", marks=pytest.mark.obligation("WP-LIST-ORD")
            ),
            pytest.param(
                "coupons", marks=pytest.mark.obligation("WP-LIST-COUP")
            ),
            pytest.param(
                "intercom", marks=pytest.mark.obligation("WP-LIST-INTERCOM")
            ),
            pytest.param(
                "telephone_alarm",
                marks=pytest.mark.obligation("WP-LIST-CALL"),
            ),
            pytest.param(
                "data_plan", marks=pytest.mark.obligation("WP-LIST-4G")
            ),
            "support",
            "screen_rotation",
            "self_start",
            "device_upgrade",
            "surveys",
            "surveys_email",
            "surveys_sms",
            "surveys_telephone",
            "logs",
            pytest.param(
                "product_improvement",
                marks=pytest.mark.obligation("WP-IMPR-1"),
            ),
            "security",
            "basic_operation",
        ],
    )
    def test_closed_list(self, function: str) -> None:
        """
        With everything granted, it may take what its list names, and no
        other type that there is.
        """
        gate = gate_of(WP, *ALL)
        made = {t: gate.decide(function, t) for t in WORDS.data_types}

        assert {t for t, a in made.items() if a} == set(
            LISTS[function].split()
        )
        assert {a.reason for a in made.values() if not a} == {
            Reason.UNDECLARED_DATA_TYPE
        }

    @pytest.mark.obligation(
        "WP-LIST-REG",
        "WP-LIST-PROF",
        "WP-LIST-BIND",
        "WP-LIST-INFO",
        "WP-LIST-SET",
        "WP-LIST-LIVE",
        "WP-LIST-ORD",
        "WP-LIST-COUP",
        "WP-LIST-INTERCOM",
        "WP-LIST-REC",
        "WP-LIST-SHARE",
        "WP-LIST-MON",
        "WP-LIST-CALL",
        "WP-LIST-4G",
        "WP-BIND-1",
    )
    def test_each_is_read_once(
        self, session: Session, everything: Session
    ) -> None:
        """
        Each type of each function is refused unread before the choice; with
        everything granted it is read once, and arrives once if it may leave
        the device at all. No raw value of what is protected, no footage, no
        voice, no code and no password is on disk.
        """
        stays = (ProtectionName.DROP, ProtectionName.LOCAL_ONLY)
        places = {
            (q.function, q.data_type): WP.functions[q.function]
            .clauses[q.data_type]
            .protection.name
            for q in questions(WP)
            if not WP.functions[q.function].clauses[q.data_type].platforms
        }
        with session.nothing():
            for place in places:
                assert isinstance(session.take(*place), Refusal), place
        everything.kit.flush()
        known = everything.seen.ids
        for place, protection in places.items():
            spy = everything.spies[place[1]]
            before = spy.reads
            answer = everything.take(*place)
            assert spy.reads - before == (
                protection is not ProtectionName.DROP
            ), place
            assert bool(answer) is (protection not in stays), answer
        everything.kit.flush()
        arrived = [
            (r.function, r.data_type)
            for r in everything.wire.records
            if r.id not in known
        ]
        assert sorted(arrived) == sorted(
            place for place, how in places.items() if how not in stays
        )
        assert everything.seen.waiting == 0
        with everything.nothing():
            pass  # no raw value is on disk

    @pytest.mark.obligation("WP-LIST-0", "WP-LIST3P-1")
    def test_printed_list(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        What the printed list names as collected, for which purpose, the
        gate permits, and nothing else; it has a row for each of the SDKs,
        the one inside another too.
        """
        assert main(["policy", "show", "--json", str(FILE)]) == 0
        told = json.loads(capsys.readouterr().out)["functions"]
        listed = {
            (f["id"], c["type"], purpose)
            for f in told
            for c in f["collects"]
            for purpose in c["purposes"]
        }
        gate = gate_of(WP, *ALL)
        permitted = {
            (f.id, type_, purpose)
            for f in WP.functions.values()
            for type_ in WORDS.data_types
            for purpose in (
                WORDS.purposes if type_ in f.clauses else f.purposes
            )
            if gate.decide(f.id, type_, purpose, moment=there(WP, f.id, type_))
        }

        assert permitted == listed
        assert {f["sdk"] for f in told} - {""} == set(SDKS)
        assert load_registry()["zhuoxin_id"].parent == "getui"

    @pytest.mark.obligation("WP-CONS-3")
    def test_function_type_and_purpose_all_count(self) -> None:
        """
        With everything granted, each of the three changed to what is not
        declared beside the two others is refused, and the refusal says
        which.
        """
        gate = gate_of(WP, *ALL)
        for q in questions(WP):
            declared = WP.functions[q.function].clauses[q.data_type].purposes
            moment = there(WP, q.function, q.data_type)
            assert gate.decide(
                q.function, q.data_type, q.purpose, moment=moment
            )
            for purpose in WORDS.purposes:
                if purpose in declared:
                    continue
                other = gate.decide(
                    q.function, q.data_type, purpose, moment=moment
                )
                assert other.reason is Reason.UNDECLARED_PURPOSE
                assert other.detail == purpose
            strange = gate.decide(q.function, "blood_type_of_the_cat")
            assert strange.reason is Reason.UNDECLARED_DATA_TYPE
            nobody = gate.decide("no_such_function", q.data_type)
            assert nobody.reason is Reason.UNDECLARED_FUNCTION

    @pytest.mark.obligation("WP-CONS-3")
    def test_another_purpose_reads_nothing(self, session: Session) -> None:
        """
        What improvement may read to count users, it may not read for
        advertising, and another function not at all.
        """
        session.agree("product_improvement", "profile")
        place = ("product_improvement", "mac_address")

        with session.nothing():
            for function, purpose in (
                (place[0], "advertising_delivery"),
                ("profile", "usage_statistics"),
                ("no_such_function", "usage_statistics"),
            ):
                assert not session.take(function, place[1], purpose=purpose)
        with session.once():
            session.take(*place, purpose="usage_statistics")

    @pytest.mark.parametrize(
        ("function", "types", "purposes"),
        [
            pytest.param(
                "screenshot",
                "screenshot photo",
                "screenshot_sync",
                marks=pytest.mark.obligation("WP-SHOT-1", "WP-VID-6"),
            ),
            pytest.param(
                "human_detection",
                "person_annotation facial_features",
                "person_alert",
                marks=pytest.mark.obligation("WP-FACE-3"),
            ),
            pytest.param(
                "telephone_alarm",
                "telephone_number",
                "telephone_alarm",
                marks=pytest.mark.obligation("WP-LIST-CALL"),
            ),
            pytest.param(
                "security",
                LISTS["security"],
                "security_risk_control account_security",
                marks=pytest.mark.obligation("WP-SEC-1"),
            ),
            pytest.param(
                "clipboard",
                "clipboard_share_code",
                "clipboard_redirect share_content activity_participation",
                marks=pytest.mark.obligation("WP-CLIP-3"),
            ),
            pytest.param(
                "bind_device",
                "location_precise",
                "wifi_connection",
                marks=pytest.mark.obligation("WP-BIND-2"),
            ),
            pytest.param(
                "product_improvement",
                "device_model carrier",
                "usage_statistics crash_analysis product_improvement "
                "performance_optimisation",
                marks=pytest.mark.obligation("WP-IMPR-1"),
            ),
            pytest.param(
                "ai_events",
                "alarm_video",
                "ai_event_description",
                marks=pytest.mark.obligation("WP-LIST-AI"),
            ),
        ],
    )
    def test_purpose_lock(
        self,
        function: str,
        types: str,
        purposes: str,
        everything: Session,
    ) -> None:
        """
        With everything granted, these types are given for these purposes,
        and for no other that there is; what is refused is not read.
        """
        gate = gate_of(WP, *ALL)
        for type_ in types.split():
            permitted = {
                p for p in WORDS.purposes if gate.decide(function, type_, p)
            }
            assert permitted == set(purposes.split())
        reads = everything.seen.reads

        for purpose in ("advertising_targeting", "marketing_messages"):
            answer = everything.take(
                function, types.split(maxsplit=1)[0], purpose=purpose
            )
            assert answer.reason is Reason.UNDECLARED_PURPOSE

        assert everything.seen.reads == reads

    @pytest.mark.obligation("WP-BIND-2")
    def test_place_can_stay_here(self, tmp_path: Path) -> None:
        """
        Where the document keeps the place on the phone, as it keeps the
        list of networks, both serve the binding there; the event of it
        holds no place, and nothing of one leaves.
        """
        policy = changed(
            NAME,
            lambda tree: clause(
                tree, "bind_device", "location_precise"
            ).update(protect="local_only"),
        )
        types = ("location_precise", "wifi_list")
        with Session(tmp_path, policy=policy) as session:
            session.kit.consent.declare_age(adult=True)
            session.agree("bind_device", *(f"bind_device/{t}" for t in types))
            with session.kit.use("bind_device", act="bind") as use:
                place = use.location("location_precise")
                assert isinstance(place, Location)
                assert str(place.latitude) == session.plants[types[0]]
                networks = use.device("wifi_list")
                assert networks["wifi_list"]
                for got in (place, networks):
                    kept = use.capture(got)
                    assert kept.reason is Reason.STAYS_ON_DEVICE
                refused = use.capture(
                    make_class("BindingFinished", ["latitude"])(48.85)
                )
                assert refused.reason is Reason.UNDECLARED_EVENT
                assert use.capture(BindingFinished(4.2, "ok", 1))
            session.kit.flush()
            (record,) = session.wire.records
            assert record.value == {
                "event": "binding_finished",
                "seconds": 4.2,
                "outcome": "ok",
                "attempts": 1,
            }
            for type_ in types:
                assert session.spies[type_].reads == 1
                for form in forms(session.plants[type_]):
                    assert not hits([form], tmp_path)

    @pytest.mark.obligation("WP-VID-6")
    def test_recordings_go_to_nobody(self) -> None:
        """
        Recordings, footage and screenshots have the operator for their
        only recipient, and each function that takes them promises so, or
        keeps them on the device.
        """
        gate = gate_of(WP, *ALL)
        types = ("recorded_video", "live_video", "screenshot", "photo")
        for q in questions(WP):
            if q.data_type not in types:
                continue
            assert q.recipient == "weipai"
            for other in WP.recipients:
                answer = gate.decide(q.function, q.data_type, recipient=other)
                assert bool(answer) is (other == "weipai")
        promised = {t.id for t in WP.document.functions if t.never_shares}
        assert promised >= {
            "live_view",
            "card_recording",
            "message_centre",
            "monitoring",
            "screenshot",
            "cloud_storage",
        }

    @pytest.mark.obligation("WP-LIST-AI")
    def test_describing_trains_nothing(self, session: Session) -> None:
        """
        With events described, footage trains nothing; training has a
        decision of its own, on later footage.
        """
        place = ("ai_training", "alarm_video")
        session.agree("ai_events", "ai_events/alarm_video")
        with session.nothing():
            assert session.take(*place).reason is Reason.NOT_ASKED
            described = session.take(
                "ai_events", "alarm_video", purpose="ai_model_training"
            )
            assert described.reason is Reason.UNDECLARED_PURPOSE

        session.agree("ai_training", "ai_training/alarm_video")

        with session.once():
            session.take(*place)
        assert _sent(session)[-1][:2] == place

    @pytest.mark.obligation("WP-VID-5")
    def test_card_recordings_stay(self, session: Session) -> None:
        """
        A hundred recordings on the card are read, and none leaves.
        """
        session.agree("card_recording", "card_recording/recorded_video")
        for _ in range(100):
            answer = session.take("card_recording", "recorded_video")
            assert answer.reason is Reason.STAYS_ON_DEVICE
        session.kit.flush()

        assert session.spies["recorded_video"].reads == 100
        assert (session.seen.waiting, session.seen.sent) == (0, 0)
        with session.nothing():
            pass

    @pytest.mark.obligation("WP-IND-1")
    def test_nothing_from_others(self) -> None:
        """
        No function takes what partners supply, from nobody, and a carrier
        is given nothing.
        """
        gate = gate_of(WP, *ALL)

        assert WP.document.indirect.allowed is False
        for function in WP.functions:
            answer = gate.decide(function, "partner_supplied_info")
            assert answer.reason is Reason.UNDECLARED_DATA_TYPE
        given = gate.decide(
            "one_tap_login", "phone_number", recipient="mobile_carriers"
        )
        assert given.reason is Reason.UNDECLARED_RECIPIENT

    @pytest.mark.obligation("WP-IMPR-4", "WP-HASH-4")
    def test_digests_are_pseudonyms(self, session: Session) -> None:
        """
        The identifiers of improvement arrive as pseudonymised personal
        information, and are erased on a withdrawal; the document is told to
        use keyed ones.
        """
        unkeyed = [f.message for f in FOUND if f.rule == "digest-unkeyed"]
        assert ["imei" in m or "mac_address" in m for m in unkeyed] == [
            True,
            True,
        ]
        session.agree("product_improvement")
        for type_ in ("imei", "mac_address", "system_id"):
            assert session.take("product_improvement", type_)
        session.kit.flush()
        assert {c for _, _, c in _sent(session)} == {"pseudonymised"}
        assert MAC_MD5 in {r.value for r in session.wire.records}

        session.kit.consent.withdraw("product_improvement")
        session.kit.flush()

        assert session.wire.records == []

    @pytest.mark.obligation("WP-HASH-4")
    def test_digests_are_told_as_pseudonyms(
        self, session: Session, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What waits is shown, to whoever asks on this phone, as pseudonymised.
        Where the document takes the keyed form, as a strict reading asks,
        the pseudonyms of before and after a new consent do not match.
        """
        session.agree("product_improvement")
        for type_ in ("imei", "mac_address", "system_id"):
            assert session.take("product_improvement", type_)
        places = ["--policy", str(FILE), "--data-dir", str(session.folder)]
        assert main(["outbox", "inspect", "--json", *places]) == 0
        shown = json.loads(capsys.readouterr().out)["records"]
        assert [r["data_type"] for r in shown] == [
            "imei",
            "mac_address",
            "system_id",
        ]
        assert {r["class"] for r in shown} == {"pseudonymised"}
        strict = {f.path for f in FOUND.as_strict() if f.severity is ERROR}
        unkeyed = {f.path for f in FOUND if f.rule == "digest-unkeyed"}
        assert unkeyed <= strict

    @pytest.mark.obligation("WP-HASH-4")
    def test_keyed_digests_are_rotated(self, tmp_path: Path) -> None:
        """
        Under one consent a keyed pseudonym stays what it is; under the next
        it is another.
        """

        def keyed(tree: dict[str, Any]) -> None:
            for type_ in ("imei", "mac_address"):
                clause(tree, "product_improvement", type_)["protect"] = "keyed"

        policy = changed(NAME, keyed)
        assert not [f for f in lint(policy) if f.rule == "digest-unkeyed"]
        values: dict[str, list[object]] = {"imei": [], "mac_address": []}
        with Session(tmp_path, policy=policy) as session:
            session.kit.consent.declare_age(adult=True)
            for again in (False, True):
                session.agree("product_improvement")
                for type_, seen in values.items():
                    for _ in range(2):
                        assert session.take("product_improvement", type_)
                    *_, first, second = session.kit.store.inspect()
                    assert first.value == second.value
                    seen.append(first.value)
                if not again:
                    session.kit.consent.withdraw("product_improvement")
        for seen in values.values():
            assert len(set(seen)) == 2
            assert MAC_MD5 not in seen


class TestSilos:
    """
    Tests for switches that do not touch each other.
    """

    @pytest.mark.obligation("WP-ADD-4", "WP-REG-3", "WP-MSG-2", "WP-MKT-1")
    @pytest.mark.parametrize("element", WP.elements)
    def test_each_switch(self, element: str) -> None:
        """
        Each switch, turned off, ends what rests on it and nothing else:
        neither data nor an SDK nor another function.
        """
        refused, resting = silo(WP, element)
        off = gate_of(WP, *ALL, Said(element, Act.WITHDRAWN))
        closed = {f for f in WP.functions if not off.function(f)}

        assert refused == resting
        assert closed == ({element} & set(WP.functions))
        assert refused or WP.function_of(element).id in closed

    @pytest.mark.obligation("WP-SDK-2")
    @pytest.mark.parametrize("sdk", SDKS)
    def test_each_sdk(self, sdk: str) -> None:
        """
        A yes to one SDK opens that one, and a no shuts that one.
        """
        alone = gate_of(WP, ADULT, sdk)
        without = gate_of(WP, *ALL, Said(sdk, Act.REFUSED))

        assert [s for s in SDKS if alone.function(s)] == [sdk]
        assert [s for s in SDKS if not without.function(s)] == [sdk]

    @pytest.mark.obligation("WP-CORE-1")
    @pytest.mark.parametrize("function", WP.functions)
    def test_only_registering_costs_the_product(self, function: str) -> None:
        """
        Of all that can be refused, registering alone costs the product,
        and what it needs is named.
        """
        found = WP.functions[function]
        costs = found.on_refusal == "service_unavailable"

        assert costs is (function == "register_login")
        assert not costs or found.category is Category.CORE
        text = " ".join(notice(WP, function).split())
        assert ("if refused the product cannot be used" in text) is costs
        if costs:
            assert [t for t, c in found.clauses.items() if c.required] == [
                "registered_region",
                "phone_number",
                "sms_verification_code",
                "account_password",
            ]

    @pytest.mark.obligation("WP-CORE-1")
    @pytest.mark.parametrize("element", WP.elements)
    def test_only_core_makes_it_unavailable(self, element: str) -> None:
        """
        With everything granted the product can be used; each thing refused
        by itself leaves it so, but for what registering needs, which is
        named.
        """
        granted = state_of(WP, *ALL)
        off = state_of(WP, *ALL, Said(element, Act.REFUSED))

        assert core_unavailable(WP, granted) is None
        found = core_unavailable(WP, off)

        if element != "register_login":
            assert found is None
            return
        assert found is not None
        assert found.missing == ("register_login",)
        assert found.functions == ("register_login",)

    @pytest.mark.obligation("WP-CORE-1")
    def test_a_separate_part_of_core_counts(self) -> None:
        """
        What a core function needs and is decided on by itself makes the
        product unavailable too, and what it does not need does not.
        """

        def faces(tree: dict[str, Any], *, required: bool) -> None:
            table(tree, "register_login")["collects"].append(
                {
                    "type": "facial_features",
                    "protect": "none",
                    "required": required,
                }
            )

        element = "register_login/facial_features"
        off = Said(element, Act.REFUSED)
        for required in (True, False):
            policy = changed(NAME, lambda t, r=required: faces(t, required=r))  # type: ignore[misc]
            state = state_of(policy, *whole(policy), off)
            found = core_unavailable(policy, state)
            assert (found is not None) is required
            if found:
                assert found.missing == (element,)
                assert found.functions == ("register_login",)

    @pytest.mark.obligation("WP-MKT-1")
    def test_channels_are_decided_one_by_one(self, session: Session) -> None:
        """
        With text messages refused, mail is unaffected.
        """
        session.agree("surveys_email", "surveys_sms")
        session.kit.consent.withdraw("surveys_sms")

        with session.nothing():
            assert not session.take("surveys_sms", "phone_number")
        with session.once():
            session.take("surveys_email", "email_address")


class TestConsent:
    """
    Tests for how people agree.
    """

    @pytest.mark.obligation("WP-CONS-1", "WP-TP-1", "WP-ADD-2")
    def test_nothing_before(self, tmp_path: Path) -> None:
        """
        On a fresh install everything is asked for and every SDK is to
        start: nothing happens. Once the policy is accepted, registering
        works, and no SDK starts.
        """
        started: list[str] = []

        def start_all(session: Session) -> None:
            for sdk in SDKS:
                answer = session.kit.registry.start(
                    sdk,
                    lambda name=sdk: started.append(name),  # type: ignore[misc]
                )
                assert isinstance(answer, Refusal)

        with Session(tmp_path) as session:
            with session.nothing():
                for q in questions(WP):
                    assert not session.take(q.function, q.data_type)
                start_all(session)
            session.kit.consent.accept(method="confirm")
            with session.once():
                session.take("register_login", "registered_region")
            start_all(session)
        assert not started

    @pytest.mark.obligation("WP-CONS-2")
    def test_using_is_no_consent(self, session: Session) -> None:
        """
        Running every function grants nothing; nor does launching, using,
        scrolling, keeping silent or a control that was on before.
        """
        consent = session.kit.consent
        asked = len(consent.history())
        for q in questions(WP):
            session.take(q.function, q.data_type)
        assert WP.document.consent.also_claimed
        for method in ("", "app", "use", "launch", "scroll", "silence"):
            with pytest.raises(ValueError, match="method"):
                consent.grant("profile", method=method)
        with pytest.raises(ValueError, match="before"):
            consent.grant("profile", method="confirm", preselected=True)
        assert len(consent.history()) == asked

        entry = consent.grant("profile", method="confirm")

        assert (entry.act, entry.method) == (Act.GRANTED, "confirm")
        assert entry.at == session.clock.now
        assert entry.text == WP.digest

    @pytest.mark.obligation("WP-ADD-1")
    def test_additional_functions_are_off(self, session: Session) -> None:
        """
        No additional function is on, before the policy is accepted or
        after; each is turned on by itself.
        """
        consent = session.kit.consent
        additional = [
            f.id
            for f in WP.functions.values()
            if f.category is Category.ADDITIONAL
        ]
        assert len(additional) == 22
        assert not any(map(consent.state().permits, additional))

        consent.accept(method="confirm")

        assert consent.state().permits("register_login")
        assert not any(map(consent.state().permits, additional))
        for number, function in enumerate(additional, 1):
            session.agree(function)
            on = [f for f in additional if consent.state().permits(f)]
            assert on == additional[:number]

    @pytest.mark.obligation("WP-ADD-2")
    @pytest.mark.parametrize(
        "function",
        [
            f.id
            for f in WP.functions.values()
            if f.category is Category.ADDITIONAL and f.clauses
        ],
    )
    def test_what_is_off_collects_nothing(self, function: str) -> None:
        """
        With everything else granted, all of it is refused as not asked.
        """
        rest = [
            s
            for s in ALL
            if s.element.partition("/")[0] != function
            or s.act is not Act.GRANTED
        ]
        made = answers(gate_of(WP, *rest), _of(function))

        assert {a.reason for a in made.values()} <= {Reason.NOT_ASKED}
        assert made

    @pytest.mark.obligation("WP-ADD-3", "WP-WDR-2")
    def test_turned_off_at_once(self, session: Session) -> None:
        """
        What waits of a function that is turned off is destroyed and never
        sent, and the ledger shows when; the others' goes on.
        """
        session.agree("product_improvement", "logs")
        for _ in range(3):
            assert session.take("product_improvement", "device_model")
        assert session.take("logs", "app_version")

        done = session.kit.consent.withdraw("product_improvement")
        session.kit.flush()

        assert done.destroyed.records == 3
        assert [r.function for r in session.wire.records] == ["logs"]
        last = session.kit.consent.history("product_improvement")[-1]
        assert (last.act, last.at) == (Act.WITHDRAWN, session.clock.now)
        with session.nothing():
            answer = session.take("product_improvement", "device_model")
            assert answer.reason is Reason.WITHDRAWN

    @pytest.mark.obligation("WP-WDR-2")
    def test_unbinding_is_a_withdrawal(self, session: Session) -> None:
        """
        Unbinding the camera takes back what rests on it: what waits of it
        is destroyed, nothing is read any more, and the ledger names the act.
        """
        resting = ("bind_device", "device_information")
        consent = session.kit.consent
        session.agree(*resting, "profile")
        assert session.take("bind_device", "os_name")
        assert session.take("device_information", "smart_device_model")
        assert session.kit.status().waiting == 2

        session.met = set()
        for function in resting:
            consent.withdraw(function, method="unbound_camera")

        assert session.kit.status().waiting == 0
        for function in resting:
            last = consent.history(function)[-1]
            assert (last.act, last.method) == (
                Act.WITHDRAWN,
                "unbound_camera",
            )
            with session.nothing():
                for type_ in LISTS[function].split():
                    answer = session.take(function, type_)
                    assert answer.reason is Reason.WITHDRAWN
        assert consent.state().permits("profile")

    @pytest.mark.obligation("WP-SCOPE-1")
    def test_bound_to_the_product(self, tmp_path: Path) -> None:
        """
        On the same device, another product of the company knows of no
        grant; in the same ledger neither.
        """
        other = changed(NAME, lambda t: t["policy"].update(id="other_app"))
        there = state_of(other, *ALL, under=WP)
        assert not [c for c in there.choices.values() if c.status in OPEN]
        assert not any(answers(gate_of(other, *ALL, under=WP)).values())
        assert all(answers(gate_of(WP, *ALL)).values())

        with Session(tmp_path) as session:
            session.agree("profile")
        with Session(tmp_path, policy=other) as session:
            assert not session.kit.consent.state().permits("profile")


class TestSensitive:
    """
    Tests for what is decided on by itself.
    """

    PLACES = tuple(
        (function, type_)
        for function, types in SENSITIVE.items()
        for type_ in types.split()
    )
    # Of the registry: what is sensitive, optional, or left to the person.
    OF_SDKS = tuple(
        (sdk, type_)
        for sdk in SDKS
        for type_ in WP.functions[sdk].clauses
        if sdk != "wechat_plugin"
        and (
            WORDS.data_types[type_].sensitive
            or "listed"
            not in {
                f.requirement
                for f in load_registry()[sdk].fields
                if type_ in f.types
            }
        )
    )

    @pytest.mark.obligation("WP-SENS-1")
    @pytest.mark.parametrize(("function", "type_"), PLACES)
    def test_none_can_be_made_ordinary(
        self, function: str, type_: str
    ) -> None:
        """
        A document that lets it leave without a decision of its own is
        refused, and told which type and why.
        """
        with pytest.raises(PolicyError) as caught:
            changed(
                NAME,
                lambda t: clause(t, function, type_).update(
                    separate=False, protect=_leaving(type_)
                ),
            )

        (fault,) = caught.value.faults
        assert fault.path.endswith(".separate")
        assert repr(type_) in fault.problem
        assert "PIPL Article 29" in fault.problem

    @pytest.mark.obligation("WP-SENS-2", "WP-FACE-1")
    def test_each_is_a_decision(self) -> None:
        """
        With every function granted, and nothing more, exactly the sensitive
        types are refused; granting one opens that one.
        """
        functions = [
            s for s in ALL if s.element in WP.functions or not s.element
        ]
        shut = answers(gate_of(WP, *functions))

        closed = _places(shut)
        assert closed == {*self.PLACES, *self.OF_SDKS}
        assert {a.reason for a in shut.values() if not a} == {
            Reason.SEPARATE_CONSENT_NEEDED
        }
        for function, type_ in sorted(closed):
            one = gate_of(WP, *functions, f"{function}/{type_}")
            assert closed - _places(answers(one)) == {(function, type_)}

    @pytest.mark.obligation("WP-SENS-2")
    def test_no_act_grants_them_all(self, session: Session) -> None:
        """
        Accepting everything in one act leaves them shut, and third parties
        too; a yes to one opens that one.
        """
        session.kit.consent.accept_all(method="confirm")
        with session.nothing():
            for place in self.PLACES:
                assert not session.take(*place)
        assert not any(map(session.kit.decide_function, SDKS))

        session.agree("orders/order_info")

        with session.once():
            session.take("orders", "order_info")
        with session.nothing():
            assert not session.take("orders", "payment_record")

    @pytest.mark.obligation("WP-FACE-1")
    def test_faces_need_both(self, session: Session) -> None:
        """
        The function and the decision on faces are both needed: with either
        missing, no face is read.
        """
        place = ("human_detection", "facial_features")
        both = ("human_detection", "human_detection/facial_features")
        for one in both:
            session.agree(one)
            with session.nothing():
                assert not session.take(*place)
            session.kit.consent.withdraw(one)

        session.agree(*both)
        session.take(*place)

        assert session.spies["facial_features"].reads == 1
        assert session.seen.waiting == 0

    @pytest.mark.obligation("WP-SENS-4", "WP-TP-5")
    def test_only_after_the_notice(self, tmp_path: Path) -> None:
        """
        A yes to a sensitive type or a third party counts only where the
        notice of this very version was shown before.
        """
        older = changed(
            NAME, lambda t: t["policy"].update(version="2026-01-01")
        )
        weighty = [e for e in WP.elements if "/" in e or e in SDKS]
        assert len(weighty) == len(self.PLACES) + len(self.OF_SDKS) + 27
        with Session(tmp_path, policy=older) as session:
            session.kit.consent.declare_age(adult=True)
            for element in weighty:
                session.kit.consent.show(element)
        with Session(tmp_path) as session:
            consent = session.kit.consent
            for element in weighty:
                with pytest.raises(NoticeNeededError):
                    consent.grant(element, method="confirm")
                shown = consent.show(element)
                entry = consent.grant(element, method="confirm")
                assert entry.notice == shown.digest
            consent.grant("profile", method="confirm")

    @pytest.mark.obligation("WP-SENS-4")
    @pytest.mark.parametrize(("function", "type_"), PLACES)
    def test_notice_tells_why(self, function: str, type_: str) -> None:
        """
        Its notice names the type, what it is for, what a leak may do and
        what a no costs.
        """
        text = " ".join(notice(WP, f"{function}/{type_}").split())
        found = WP.functions[function].clauses[type_]

        assert WORDS.data_types[type_].name in text
        assert "because this is sensitive" in text
        assert "if it leaks others may" in text
        assert "if refused" in text
        for purpose in found.purposes:
            stays = found.protection.name is ProtectionName.LOCAL_ONLY
            assert stays or WORDS.purposes[purpose].name in text

    @pytest.mark.obligation("WP-TP-5")
    @pytest.mark.parametrize("sdk", SDKS)
    def test_notice_introduces_the_third_party(self, sdk: str) -> None:
        """
        Its notice names the partner, the SDK and the address of its own
        policy, as far as the text has one.
        """
        text = " ".join(notice(WP, sdk).split())
        partner = WP.recipients[sdk]

        assert f"the third-party SDK {sdk}" in text
        assert WP.functions[sdk].text in text
        assert partner.name in text
        # A long address is broken at the end of a line.
        linked = partner.url and partner.url in text.replace(" ", "")
        assert linked or sdk in {"alibaba_number_auth", "meishu"}


def _leaving(type_: str) -> str:
    """
    Name a protection under which *type_* leaves the device.
    """
    # An answer at random needs a list of values beside its name.
    stays = {"drop", "local_only", "present", "krr"}
    names = sorted(p.value for p in WORDS.data_types[type_].protections)
    return next((n for n in names if n not in stays), "present")


class Sensor(Source[str]):
    """
    Hardware that gives samples to whoever listens.

    Attributes:
        listeners: Who listens now.

        opened: How often somebody began to.

        events: How many samples were given.
    """

    name = "a sensor that calls back"

    def __init__(self, type_: str) -> None:
        self.data_types = frozenset({type_})
        self.listeners = self.opened = self.events = 0

    def _read(self, permit: Permit, **_: Any) -> str:
        self.listeners += 1
        self.opened += 1
        try:
            self.events += 1
            return f"sample {self.events}"
        finally:
            self.listeners -= 1


class TestConditions:
    """
    Tests for what has to hold beside consent.
    """

    @pytest.mark.parametrize(
        ("function", "type_", "condition"),
        [
            pytest.param(
                "device_information",
                "smart_device_model",
                "bound",
                marks=pytest.mark.obligation("WP-HW-1"),
            ),
            pytest.param(
                "cloud_storage",
                "recorded_video",
                "package_bought",
                marks=pytest.mark.obligation("WP-VID-2"),
            ),
            pytest.param(
                "cloud_storage",
                "recorded_video",
                "device_on",
                marks=pytest.mark.obligation("WP-VID-2"),
            ),
            pytest.param(
                "cloud_storage",
                "recorded_video",
                "on_wifi",
                marks=pytest.mark.obligation("WP-VID-2"),
            ),
            pytest.param(
                "message_centre",
                "alarm_event",
                "camera_on",
                marks=pytest.mark.obligation("WP-MSG-2"),
            ),
            pytest.param(
                "message_centre",
                "alarm_event",
                "background_run",
                marks=pytest.mark.obligation("WP-MSG-2"),
            ),
            pytest.param(
                "intercom",
                "voice_audio",
                "in_call",
                marks=pytest.mark.obligation("WP-INT-1", "WP-PERM-5"),
            ),
            pytest.param(
                "screen_rotation",
                "screen_orientation",
                "watching",
                marks=pytest.mark.obligation("WP-GRAV-1"),
            ),
        ],
    )
    def test_only_while_it_holds(
        self, function: str, type_: str, condition: str, session: Session
    ) -> None:
        """
        Before the condition holds nothing is read; while it holds, one read
        for each call; when it ends, nothing again. The refusal names it.
        """
        found = WP.functions[function]
        session.agree(
            *(e for e in (function, f"{function}/{type_}") if e in WP.elements)
        )
        spy = session.spies[type_]
        for held in (False, True, False):
            session.met = set(found.requires)
            if not held:
                session.met.remove(condition)
            before = spy.reads
            if held:
                session.take(function, type_)
                session.kit.flush()
                assert spy.reads == before + 1
                continue
            with session.nothing():
                answer = session.take(function, type_)
                assert answer.reason is Reason.CONDITION
                assert answer.detail == condition

    @pytest.mark.parametrize(
        ("function", "type_", "condition"),
        [
            pytest.param(
                "intercom",
                "voice_audio",
                "in_call",
                marks=pytest.mark.obligation("WP-INT-1", "WP-PERM-5"),
            ),
            pytest.param(
                "screen_rotation",
                "screen_orientation",
                "watching",
                marks=pytest.mark.obligation("WP-GRAV-1"),
            ),
        ],
    )
    def test_sensor_is_let_go_of(
        self, function: str, type_: str, condition: str, tmp_path: Path
    ) -> None:
        """
        A microphone, and a sensor that calls back, are opened for one sample
        each and only while the scene lasts: outside it is never opened, and
        when it ends in the middle of a loop not one more sample is taken and
        nothing is open, in the same use or the next.
        """
        sensor = Sensor(type_)
        holds = [False]
        with Watched(
            WP,
            tmp_path,
            sources=[sensor],
            conditions=lambda _: holds[0],
            os_permission=lambda _: OSPermission.GRANTED,
        ) as seen:
            seen.kit.consent.declare_age(adult=True)
            seen.agree(*WP.functions[function].elements, method="confirm")

            def sample(use: Any) -> Any:
                got = use.device(type_)
                assert sensor.listeners == 0
                return got

            with seen.kit.use(function, act="pressed") as use:
                assert not sample(use)
                assert sensor.opened == 0
                holds[0] = True
                for number in range(1, 51):
                    assert sample(use)[type_] == f"sample {number}"
                assert sensor.opened == sensor.events == 50
                holds[0] = False
                for _ in range(50):
                    assert sample(use).reason is Reason.CONDITION
            with seen.kit.use(function, act="pressed") as use:
                assert not sample(use)
            assert sensor.opened == sensor.events == 50
            assert seen.kit.status().waiting == 0

    @pytest.mark.obligation("WP-VID-2")
    @pytest.mark.parametrize(
        "condition", ["package_bought", "device_on", "on_wifi"]
    )
    def test_asked_again_when_it_is_sent(
        self, condition: str, session: Session
    ) -> None:
        """
        A recording that was kept while all held is not uploaded once the
        phone has left its Wi-Fi, the camera is off or the package is over;
        the rest goes on, and when it holds again the recording arrives.
        """
        required = set(WP.functions["cloud_storage"].requires)
        assert condition in required
        session.agree("cloud_storage", "cloud_storage/recorded_video", "logs")
        session.met = required
        assert session.take("cloud_storage", "recorded_video")
        assert session.take("logs", "app_version")

        session.met = required - {condition}
        session.kit.flush()
        assert [r.function for r in session.wire.records] == ["logs"]
        assert session.kit.status().waiting == 1

        session.met = required
        session.kit.flush()
        assert session.wire.records[-1].data_type == "recorded_video"
        assert session.kit.status().waiting == 0

    @pytest.mark.obligation("WP-VID-7")
    @pytest.mark.parametrize(
        ("function", "type_"),
        [
            ("live_view", "smart_device_status"),
            ("card_recording", "recording_time"),
            ("cloud_storage", "smart_device_uid"),
        ],
    )
    def test_disclaimer_comes_first(
        self, function: str, type_: str, session: Session
    ) -> None:
        """
        Who has not acknowledged the disclaimer, or only an older one, can
        neither watch nor record.
        """
        consent = session.kit.consent
        newer = changed(
            NAME,
            lambda t: table(t, function).update(acknowledge="Another text."),
        )
        consent.show(function)
        consent.grant(function, method="confirm")
        with session.nothing():
            answer = session.take(function, type_)
            assert answer.reason is Reason.NOT_ACKNOWLEDGED

        consent.acknowledge(function)
        session.take(function, type_)

        assert session.spies[type_].reads == 1
        gate = gate_of(newer, *ALL, under=WP)
        later = gate.decide(function, type_)
        assert later.reason is Reason.NOT_ACKNOWLEDGED
        others = _places(answers(gate))
        assert {f for f, _ in others} == {function}

    def test_acts(self) -> None:
        """
        What the person has to do each time is not done by itself.
        """
        passive = answers(gate_of(WP, *ALL), moment=Moment(act=False))

        assert {a.reason for a in passive.values() if not a} == {Reason.NO_ACT}
        assert {f for f, _ in _places(passive)} == {
            "one_tap_login",
            "save_locally",
            "screenshot",
            "cloud_purchase",
            "coupons",
            "intercom",
            "support",
            "clipboard",
            "surveys",
        }

    @pytest.mark.obligation("WP-CLIP-1")
    def test_clipboard_in_its_scenes(self, session: Session) -> None:
        """
        With consent given, the clipboard is read in three scenes at the
        person's act: not without a scene, at the start, on coming back, in
        the background, nor by itself.
        """
        place = ("clipboard", "clipboard_share_code")
        session.agree("clipboard")
        with session.nothing():
            for scene in ("", "start", "resume", "background"):
                answer = session.take(*place, scene=scene)
                assert answer.reason is Reason.UNDECLARED_SCENE
            for scene in ("share", "receive_share", "activity"):
                answer = session.take(*place, scene=scene, act="")
                assert answer.reason is Reason.NO_ACT
        for scene in ("share", "receive_share", "activity"):
            with session.once():
                session.take(*place, scene=scene)

    @pytest.mark.obligation("WP-CLIP-4")
    def test_clipboard_on_record(self, session: Session) -> None:
        """
        The ledger has each read of the clipboard, with its time, its scene
        and, in a second entry, whether there was something, also when
        nothing matched and when the read failed; what was refused is none,
        and no text is in it.
        """
        place = ("clipboard", "clipboard_share_code")
        spy = session.spies["clipboard_share_code"]
        found = spy.value
        nothing = Unavailable("clipboard_share_code", "nothing matches")
        session.agree("clipboard")
        expected = []
        for scene, value, said in (
            ("share", found, "yes"),
            ("receive_share", nothing, "no"),
            ("activity", RuntimeError(SHARE_CODE), "no"),
            ("share", found, "yes"),
        ):
            session.clock.tick(minutes=5)
            spy.value = value
            session.take(*place, scene=scene)
            expected.append((session.clock.now, scene, said))
        for how in ({"scene": ""}, {"scene": "start"}, {"act": ""}):
            assert not session.take(*place, **how)
        session.kit.consent.withdraw("clipboard")
        assert not session.take(*place)

        history = session.kit.consent.history("clipboard")
        reads = [e for e in history if e.act is Act.READ]
        ended = {
            e.facts["of"]: e.facts["found"]
            for e in history
            if e.act is Act.READ_ENDED
        }
        assert spy.reads == len(expected) == len(reads) == len(ended)
        assert [
            (e.at, e.facts["scene"], ended[e.hash]) for e in reads
        ] == expected
        assert {e.facts["type"] for e in reads} == {"clipboard_share_code"}
        assert {e.by for e in reads} == {Actor.SYSTEM}
        assert not any(SHARE_CODE in e.body for e in history)

    @pytest.mark.obligation("WP-CLIP-4")
    def test_without_a_scene_nothing_more(self, session: Session) -> None:
        """
        What the policy limits to no scene leaves no line for each read.
        """
        session.agree("logs")
        with session.once():
            session.take("logs", "app_version")

        acts = [e.act for e in session.kit.consent.history("logs")]
        assert Act.READ not in acts

    @pytest.mark.obligation("WP-AUTO-1", "WP-AUTO-2")
    def test_starting_by_itself(self, session: Session) -> None:
        """
        It is off until granted, and opens no type and no SDK when it is.
        """
        assert not session.kit.decide_function("self_start")
        session.agree("self_start")

        assert session.kit.decide_function("self_start")
        gate = session.kit.gate()
        assert not any(answers(gate).values())
        assert not any(map(gate.function, SDKS))
        for type_ in WORDS.data_types:
            assert not gate.decide("self_start", type_)
        assert WP.document.functions[0].self_start is None
        (declared,) = [
            f.self_start for f in WP.document.functions if f.self_start
        ]
        assert (declared.purpose, declared.per_day) == ("self_start_push", 24)

    @pytest.mark.obligation("WP-UPG-1")
    def test_upgrades_are_told(self) -> None:
        """
        The notice says that upgrades are on from the start for some
        cameras, and where they are turned off: in the function's words, and
        by the document's keys; the default grants nothing.
        """
        (declared,) = [f for f in WP.document.functions if f.default_on]
        text = " ".join(notice(WP, declared.id).split())

        assert declared.id == "device_upgrade"
        assert "on from the start" in text
        assert declared.turn_off == "the camera's system settings"
        assert "turn it off in the camera's settings" in text
        assert "default on from the start" in text
        assert "turned off the camera's system settings" in text
        assert not gate_of(WP, ADULT).function("device_upgrade")


class System(PermissionAdapter):
    """
    An operating system that can be asked, and that prompts when told to.

    Attributes:
        said: Its answer.

        asked: The permissions that it was asked about.
    """

    name = "a system of the test"
    blocks = False

    def __init__(self, said: OSPermission = OSPermission.DENIED) -> None:
        self.said = said
        self.asked: set[str] = set()

    def ask(self, permission: str) -> OSPermission:
        """
        Answer, as it does without a prompt.
        """
        self.asked.add(permission)
        return self.said

    def __getattr__(self, name: str) -> object:
        msg = f"nobody asks a system for {name}"
        raise AssertionError(msg)


class TestPermissions:
    """
    Tests for what the operating system allows.
    """

    def test_table(self) -> None:
        """
        The document's table has the text's five permissions; whether
        location can be turned off is left blank, and the others can.
        """
        rows = {p.id: p for p in WP.document.permissions}

        assert list(rows) == [
            "phone",
            "location",
            "storage",
            "camera",
            "microphone",
        ]
        assert [p for p, row in rows.items() if row.can_disable is None] == [
            "location"
        ]
        assert all(row.asked for row in rows.values())

    @pytest.mark.parametrize(
        "permission",
        [
            pytest.param("phone", marks=pytest.mark.obligation("WP-PERM-1")),
            pytest.param(
                "location", marks=pytest.mark.obligation("WP-PERM-2")
            ),
            pytest.param("storage", marks=pytest.mark.obligation("WP-PERM-3")),
            pytest.param(
                "camera",
                marks=pytest.mark.obligation("WP-PERM-SCAN", "WP-PERM-4"),
            ),
            pytest.param(
                "microphone",
                marks=pytest.mark.obligation("WP-INT-1", "WP-PERM-5"),
            ),
            pytest.param(
                "notification", marks=pytest.mark.obligation("WP-MSG-2")
            ),
            "motion_sensors",
            "clipboard",
            "installed_apps_query",
            "running_tasks",
        ],
    )
    @pytest.mark.parametrize("said", OSPermission)
    def test_denied_ends_that_alone(
        self, said: OSPermission, permission: str, everything: Session
    ) -> None:
        """
        Where the system does not grant it, exactly what takes it is
        refused, and the rest goes on.
        """
        lets = {OSPermission.GRANTED, OSPermission.NOT_APPLICABLE}
        everything.os = {permission: said}
        try:
            made = everything.decided()
        finally:
            everything.os = {}

        expected = set() if said in lets else PERMITTED[permission]
        assert _places(made) == expected
        for answer in made.values():
            assert answer or answer.reason is Reason.OS_PERMISSION

    @pytest.mark.obligation("WP-PERM-2")
    def test_binding_goes_on_without_a_place(self, session: Session) -> None:
        """
        With location denied, its source is not read, and binding goes on
        with the rest.
        """
        session.agree("bind_device", "bind_device/location_precise")
        session.os = {"location": OSPermission.DENIED}
        with session.nothing():
            answer = session.take("bind_device", "location_precise")
            assert answer.reason is Reason.OS_PERMISSION
        with session.once():
            session.take("bind_device", "os_name")

    @pytest.mark.obligation("WP-PERM-7", "WP-PERM-SCAN")
    @pytest.mark.parametrize(
        ("permission", "functions"),
        [
            ("microphone", ["intercom"]),
            ("camera", ["share_device"]),
            ("storage", ["save_locally", "screenshot"]),
        ],
    )
    def test_a_permission_is_no_consent(
        self, permission: str, functions: list[str], session: Session
    ) -> None:
        """
        Turned on, it opens nothing by itself; with its functions granted
        it opens these, and no other function takes what it guards.
        """
        session.os = dict.fromkeys(WORDS.permissions, OSPermission.DENIED)
        session.os[permission] = OSPermission.GRANTED
        assert not any(session.decided().values())

        for function in functions:
            session.agree(*WP.functions[function].elements)

        opened = {q.function for q, a in session.decided().items() if a}
        assert opened == set(functions)
        guarded = {
            c.type
            for f in WP.functions.values()
            for c in f.clauses.values()
            if c.permission == permission
        }
        for other in ("profile", "monitoring", "live_view", "telephone_alarm"):
            for type_ in guarded - set(LISTS[other].split()):
                assert not session.take(other, type_)

    @pytest.mark.obligation("WP-PERM-8", "WP-WDR-1")
    def test_turned_off_in_the_settings(self, session: Session) -> None:
        """
        Turned off in the system's settings, with no call to the library,
        the next read is refused; turned on again, it goes on. Withdrawn in
        the app, it is refused as well.
        """
        place = ("product_improvement", "imei")
        session.agree("product_improvement")
        with session.once():
            session.take(*place)
        session.os = {"phone": OSPermission.DENIED}
        with session.nothing():
            assert session.take(*place).reason is Reason.OS_PERMISSION
        noted = session.kit.consent.history("product_improvement")[-1]
        assert noted.act is Act.SIGNAL_CONFLICT
        assert noted.facts["cause"] == "os_permission phone: denied"
        session.os = {}
        with session.once():
            session.take(*place)
        session.kit.consent.withdraw("product_improvement")
        with session.nothing():
            assert session.take(*place).reason is Reason.WITHDRAWN

    @pytest.mark.obligation("WP-PERM-9", "WP-PERM-8")
    def test_turned_off_what_waits_goes(self, session: Session) -> None:
        """
        What was read by a permission and waits is destroyed once the
        library learns that it is gone; what was delivered, what was read by
        none, the consent and its receipt stay.
        """
        session.agree("product_improvement")
        assert session.take("product_improvement", "imei")
        session.kit.flush()
        delivered = session.seen.ids
        assert len(delivered) == 1
        granted = session.kit.consent.history("product_improvement")[-1]
        receipt = _receipt(session, granted.seq)
        assert session.take("product_improvement", "imei")
        assert session.take("product_improvement", "device_model")
        assert session.kit.status().waiting == 2

        session.os = {"phone": OSPermission.DENIED}
        assert not session.take("product_improvement", "imei")

        assert session.kit.status().waiting == 1
        assert session.kit.status().counts["permission_lost"] == 1
        session.kit.flush()
        (later,) = session.seen.ids - delivered
        (record,) = [r for r in session.wire.records if r.id == later]
        assert record.data_type == "device_model"
        choice = session.kit.consent.state().choices["product_improvement"]
        assert choice.status in OPEN
        assert verify_receipt(receipt).entry == granted
        with session.once():
            session.os = {}
            session.take("product_improvement", "imei")

    @pytest.mark.obligation("WP-PERM-9")
    def test_turned_off_before_a_flush(self, session: Session) -> None:
        """
        A flush asks the system too: what was read by a permission that is
        gone since is destroyed and not sent, and the receipt stays.
        """
        session.agree("product_improvement")
        granted = session.kit.consent.history("product_improvement")[-1]
        receipt = _receipt(session, granted.seq)
        assert session.take("product_improvement", "imei")
        assert session.take("product_improvement", "device_model")

        session.os = {"phone": OSPermission.DENIED}
        session.kit.flush()

        sent = [r.data_type for r in session.wire.records]
        assert sent == ["device_model"]
        assert session.kit.status().waiting == 0
        assert session.kit.status().counts["permission_lost"] == 1
        assert verify_receipt(receipt).entry == granted

    @pytest.mark.obligation("WP-PERM-9")
    def test_turned_off_while_not_running(self, tmp_path: Path) -> None:
        """
        What was read by a permission that was turned off while the app did
        not run is destroyed at the first flush, and not sent; what was
        delivered, what was read by none, and the receipt stay.
        """
        wire = MemoryTransport()
        clock = Clock()
        with Session(tmp_path, wire=wire, clock=clock) as session:
            session.kit.consent.declare_age(adult=True)
            session.agree("product_improvement")
            granted = session.kit.consent.history("product_improvement")[-1]
            receipt = _receipt(session, granted.seq)
            assert session.take("product_improvement", "imei")
            session.kit.flush()
            assert session.take("product_improvement", "imei")
            assert session.take("product_improvement", "device_model")
            assert session.kit.status().waiting == 2
        with Session(tmp_path, wire=wire, clock=clock) as session:
            session.os = {"phone": OSPermission.DENIED}
            session.kit.flush()

            sent = [r.data_type for r in wire.records]
            assert sent == ["imei", "device_model"]
            assert session.kit.status().waiting == 0
            assert session.kit.status().counts["permission_lost"] == 1
            assert verify_receipt(receipt).entry == granted
            session.os = {}
            session.kit.flush()
            assert len(wire.records) == len(sent)

    @pytest.mark.obligation("WP-PERM-9")
    def test_turned_off_and_read_first(self, tmp_path: Path) -> None:
        """
        So it is where the app tries to read by it before that flush.
        """
        wire = MemoryTransport()
        with Session(tmp_path, wire=wire) as session:
            session.kit.consent.declare_age(adult=True)
            session.agree("product_improvement")
            assert session.take("product_improvement", "imei")
        with Session(tmp_path, wire=wire) as session:
            session.os = {"phone": OSPermission.DENIED}
            assert not session.take("product_improvement", "imei")
            session.kit.flush()

            assert not wire.records
            assert session.kit.status().waiting == 0
            assert session.kit.status().counts["permission_lost"] == 1

    @pytest.mark.obligation("WP-PERM-9")
    @pytest.mark.parametrize(
        "said",
        [OSPermission.UNKNOWN, OSPermission.PROMPT_NEEDED],
    )
    def test_a_doubt_destroys_nothing(
        self, said: OSPermission, tmp_path: Path
    ) -> None:
        """
        Where the system does not plainly deny it after a start, what waits
        goes on waiting.
        """
        wire = MemoryTransport()
        with Session(tmp_path, wire=wire) as session:
            session.kit.consent.declare_age(adult=True)
            session.agree("product_improvement")
            assert session.take("product_improvement", "imei")
        with Session(tmp_path, wire=wire) as session:
            session.os = {"phone": said}
            session.kit.flush()
            assert "permission_lost" not in session.kit.status().counts
            session.os = {}
            session.kit.flush()

            assert [r.data_type for r in wire.records] == ["imei"]

    @pytest.mark.obligation("WP-PERM-10")
    def test_all_denied(self, everything: Session) -> None:
        """
        With every permission denied, each of a hundred calls gives a
        refusal and reads nothing, and what takes none goes on.
        """
        denied = dict.fromkeys(WORDS.permissions, OSPermission.DENIED)
        everything.os = denied
        guarded = sorted(set().union(*PERMITTED.values()))
        reads = everything.seen.reads
        try:
            for call in range(100):
                place = guarded[call % len(guarded)]
                answer = everything.take(*place)
                assert answer.reason is Reason.OS_PERMISSION, place
            assert everything.seen.reads == reads
            made = everything.decided()
        finally:
            everything.os = {}

        assert _places(made) == set(guarded)

    @pytest.mark.obligation("WP-PERM-10")
    def test_no_loop_of_prompts(self, tmp_path: Path) -> None:
        """
        An app that reads a hundred times what the system denies, and asks
        the person whenever it may, asks once: a no rests for as long as the
        document says, over restarts too, and is asked about again then. The
        system is asked for its answer and never to prompt.
        """

        def rests(tree: dict[str, Any]) -> None:
            table(tree, "intercom")["ask_again"] = "P30D"

        policy = changed(NAME, rests)
        element = "intercom"
        system, clock, asked = System(), Clock(), []

        def said(_: str) -> str:
            asked.append(clock.now)
            return "no"

        def calls(number: int) -> None:
            options = {"clock": clock, "os_permission": PermissionBook(system)}
            with Watched(
                policy, tmp_path, conditions=lambda _: True, **options
            ) as seen:
                consent = seen.kit.consent
                consent.declare_age(adult=True)
                for _ in range(number):
                    refused = seen.take(element, "voice_audio", act="press")
                    assert isinstance(refused, Refusal)
                    may = [e for e in consent.may_ask() if e == element]
                    ask(consent, policy, may, read=said, write=str)
                assert seen.spies["voice_audio"].reads == 0

        calls(100)
        assert len(asked) == 1
        clock.tick(days=29)
        calls(100)
        assert len(asked) == 1
        clock.tick(days=2)
        calls(100)
        assert len(asked) == 2
        assert system.asked == set()

    @pytest.mark.obligation("WP-PERM-10")
    @pytest.mark.parametrize(
        "said", [OSPermission.DENIED, OSPermission.PROMPT_NEEDED]
    )
    def test_a_yes_brings_up_no_prompt(
        self, said: OSPermission, tmp_path: Path
    ) -> None:
        """
        Where the person has said yes and the system has not, each of a
        hundred calls is refused with what the system said, and none prompts
        or asks the person again.
        """
        system = System(said)
        with Watched(
            WP,
            tmp_path,
            conditions=lambda _: True,
            os_permission=PermissionBook(system),
        ) as seen:
            seen.kit.consent.declare_age(adult=True)
            seen.agree(*WP.functions["intercom"].elements, method="confirm")
            for _ in range(100):
                refused = seen.take("intercom", "voice_audio", act="press")
                assert refused.reason is Reason.OS_PERMISSION
                assert said.value in refused.detail
            assert not {"intercom", "intercom/voice_audio"}.intersection(
                seen.kit.consent.may_ask()
            )
            assert seen.spies["voice_audio"].reads == 0
            assert system.asked == {"microphone"}
            system.said = OSPermission.GRANTED
            with seen.kit.use("intercom", act="press") as use:
                assert use.device("voice_audio")


class TestExceptions:
    """
    Tests for cases without consent.
    """

    PLACE = ("product_improvement", "device_model")
    LISTED = (
        "national_security",
        "public_interest",
        "criminal_justice",
        "vital_interest",
        "self_disclosed",
        "legally_disclosed",
        "contract",
        "stable_operation",
        "news_supervision",
        "academic_research",
        "other_law",
    )
    JUDGED = (
        "national_security",
        "public_interest",
        "criminal_justice",
        "vital_interest",
        "academic_research",
        "other_law",
    )

    @staticmethod
    def _basis(name: str, session: Session, **changes: Any) -> Basis:
        told: dict[str, Any] = {
            "person": "Li Na, data protection",
            "reason": "request of 3 March",
            "reference": "Cybersecurity Law of the PRC, Article 28",
            "until": session.clock.now + timedelta(days=1),
        }
        return Basis(id=name, **{**told, **changes})

    @pytest.mark.obligation("WP-EXC-1")
    def test_are_eleven(self, session: Session) -> None:
        """
        The document lists the text's eleven; every other basis is refused,
        whoever attests it.
        """
        listed = [
            case.basis
            for case in WP.document.exceptions
            if "collection" in case.acts
        ]
        assert tuple(listed) == self.LISTED
        consents = {"consent", "separate_consent", "guardian_consent"}
        with session.nothing():
            for name in set(WORDS.bases) - set(listed) - consents:
                answer = session.take(
                    *self.PLACE, basis=self._basis(name, session)
                )
                assert answer.reason is Reason.BASIS_NOT_LISTED, name
        assert len(session.kit.consent.history()) == 1

    @pytest.mark.obligation("WP-EXC-1", "WP-EXC-5")
    @pytest.mark.parametrize("name", JUDGED)
    def test_judgement_needs_a_name(self, name: str, session: Session) -> None:
        """
        Without somebody who answers for it, a reason, a reference or an
        end, it is refused; complete, it is allowed for this one use, and
        the ledger says all of it.
        """
        with session.nothing():
            for missing in ("person", "reason", "reference", "until"):
                empty = None if missing == "until" else ""
                basis = self._basis(name, session, **{missing: empty})
                answer = session.take(*self.PLACE, basis=basis)
                assert answer.reason is Reason.BASIS_NOT_ATTESTED, missing
            assert session.take(*self.PLACE).reason is Reason.NOT_ASKED

        with session.once():
            session.take(*self.PLACE, basis=self._basis(name, session))

        with session.nothing():
            assert session.take(*self.PLACE).reason is Reason.NOT_ASKED
        last = session.kit.consent.history()[-1]
        assert (last.act, last.element) == (Act.BASIS_USED, self.PLACE[0])
        assert last.facts["basis"] == name
        assert last.facts["person"] == "Li Na, data protection"
        assert "Article 28" in last.facts["reference"]

    @pytest.mark.obligation("WP-EXC-1")
    def test_a_no_is_a_no(self, session: Session) -> None:
        """
        What the person has refused, no basis opens.
        """
        session.kit.consent.deny(self.PLACE[0])
        with session.nothing():
            answer = session.take(
                *self.PLACE, basis=self._basis("public_interest", session)
            )
            assert answer.reason is Reason.REFUSED

    @pytest.mark.obligation("WP-EXC-2")
    def test_stable_operation(self, session: Session) -> None:
        """
        Keeping the service stable lets logs and crashes pass, and neither
        other types nor other purposes nor other functions.
        """
        basis = Basis(id="stable_operation")
        with session.once():
            session.take("logs", "crash_log", basis=basis)
        with session.nothing():
            for function, type_, purpose in (
                ("logs", "device_model", None),
                ("logs", "crash_log", "advertising_delivery"),
                ("basic_operation", "installed_apps", None),
                ("product_improvement", "crash_log", None),
                ("product_improvement", "crash_log", "usage_statistics"),
            ):
                answer = session.take(
                    function, type_, purpose=purpose, basis=basis
                )
                assert answer.reason is Reason.BASIS_NOT_LISTED

    @pytest.mark.obligation("WP-EXC-4")
    @pytest.mark.parametrize(
        ("name", "type_"),
        [
            ("self_disclosed", "public_information"),
            ("legally_disclosed", "legally_public_information"),
        ],
    )
    def test_what_is_public(
        self, name: str, type_: str, tmp_path: Path
    ) -> None:
        """
        It opens public information alone, where and when of its
        publication told; as the document stands, no function takes any.
        """
        taking = changed(
            NAME,
            lambda t: table(t, "profile")["collects"].append(
                {"type": type_, "protect": _leaving(type_)}
            ),
        )
        published = Basis(id=name, reference="blog, 3 March 2026")
        with Session(tmp_path, policy=taking) as session:
            session.kit.consent.declare_age(adult=True)
            with session.nothing():
                bare = session.take("profile", type_, basis=Basis(id=name))
                assert bare.reason is Reason.BASIS_NOT_ATTESTED
                other = session.take(*self.PLACE, basis=published)
                assert other.reason is Reason.BASIS_NOT_LISTED
            with session.once():
                session.take("profile", type_, basis=published)
        assert not any(type_ in f.clauses for f in WP.functions.values())

    @pytest.mark.obligation("WP-EXC-5")
    def test_other_law_names_it(self, session: Session) -> None:
        """
        A law that is not named is none.
        """
        with session.nothing():
            answer = session.take(
                *self.PLACE,
                basis=self._basis("other_law", session, reference=""),
            )
            assert answer.reason is Reason.BASIS_NOT_ATTESTED


class TestSDKs:
    """
    Tests for the 27 third-party SDKs.
    """

    @pytest.mark.obligation("WP-TP-1", "WP-SDK-2", "WP-SDK-4")
    def test_each_starts_on_its_own_yes(self, tmp_path: Path) -> None:
        """
        Each starts once on the yes to it, and no other does; withdrawn, it
        is stopped, and neither starts again nor after a restart.
        """
        seen: list[str] = []

        def start(session: Session, sdk: str) -> object:
            return session.kit.registry.start(
                sdk,
                lambda: seen.append(f"{sdk} starts"),
                stop=lambda: seen.append(f"{sdk} stops"),
                without=("zhuoxin_id", "cmi_one_tap"),
            )

        with Session(tmp_path) as session:
            session.kit.consent.declare_age(adult=True)
            for sdk in SDKS:
                assert isinstance(start(session, sdk), Refusal)
                session.agree(sdk)
                for other in SDKS:
                    assert bool(start(session, other)) is (other == sdk)
                start(session, sdk)
                done = session.kit.consent.withdraw(sdk)
                assert done.still_running == ()
                assert not start(session, sdk)
        assert seen == [
            f"{sdk} {what}" for sdk in SDKS for what in ("starts", "stops")
        ]
        with Session(tmp_path) as session:
            assert not any(start(session, sdk) for sdk in SDKS)
        assert len(seen) == 2 * 27

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
            ("alipay", "payment_chosen"),
            ("wechat_open_platform", "wechat_chosen"),
            ("wechat_plugin", "mini_program_opened"),
        ],
    )
    def test_starts_where_it_belongs(
        self, sdk: str, condition: str, session: Session
    ) -> None:
        """
        On another phone, with another carrier or in another scene it is
        not started, although it is granted.
        """
        started: list[str] = []
        required = set(WP.functions[sdk].requires)
        session.agree(sdk)
        session.met = required - {condition}
        answer = session.kit.registry.start(sdk, lambda: started.append(sdk))
        assert isinstance(answer, Refusal)
        assert answer.reason is Reason.CONDITION
        assert answer.detail == condition
        assert not started

        session.met = required
        session.kit.registry.start(sdk, lambda: started.append(sdk))

        assert started == [sdk]

    @pytest.mark.obligation("WP-SDK-0", "WP-LIST3P-1")
    def test_unlisted_ones(self, tmp_path: Path) -> None:
        """
        What the registry does not know, or the document does not list,
        does not start, whatever is granted.
        """

        def without_umeng(tree: dict[str, Any]) -> None:
            tree["functions"] = [
                f for f in tree["functions"] if f["id"] != "umeng"
            ]
            tree["sdks"]["disclosures"] = [
                d
                for d in tree["sdks"]["disclosures"]
                if d["functions"] != ["umeng"]
            ]

        shorter = changed(NAME, without_umeng)
        with Session(tmp_path, policy=shorter) as session:
            session.kit.consent.declare_age(adult=True)
            session.kit.consent.accept_all(method="confirm")
            session.agree("getui")
            for sdk in ("umeng", "acme"):
                answer = session.kit.registry.start(sdk, lambda: None)
                assert answer.reason is Reason.UNDECLARED_SDK
            inside = session.kit.registry.start("getui", lambda: None)
            assert "zhuoxin_id comes inside of getui" in str(inside)
            assert session.kit.registry.start(
                "getui", lambda: None, without=["zhuoxin_id"]
            )

    @pytest.mark.obligation("WP-SDK-3", "WP-TP-5")
    def test_gaps_are_found(self) -> None:
        """
        Each row has name, purpose and function; what the text leaves out or
        gets wrong of a row is found, and what it gets right is not.
        """
        links = {
            "link-broken": {"meishu"},
            "link-http": {"beizi", "youtui"},
            "link-shared": {"pangle"},
        }
        named = [r.id for r in WP.document.recipients]
        for name, sdks in links.items():
            found = {
                named[int(f.path.partition("[")[2].partition("]")[0])]
                for f in FOUND
                if f.rule == name and f.path.startswith("$.recipients[")
            }
            assert found == sdks, name
        assert {
            WP.document.functions[_index(f.path)].sdk
            for f in FOUND
            if f.rule == "sdk-link-missing"
        } == {"alibaba_number_auth"}
        for sdk in SDKS:
            entry = load_registry()[sdk]
            function = WP.functions[sdk]
            assert function.purposes == entry.purposes
            assert WP.recipients[sdk].name
            assert function.text
        nameless = {
            named[_index(f.path)] for f in FOUND if f.rule == "entity-missing"
        }
        for sdk in SDKS:
            legal = load_registry()[sdk].operator_is_legal_entity
            assert (sdk in nameless) is not legal, sdk

    @pytest.mark.obligation("WP-TP-3", "WP-SHR-8")
    def test_agreements_are_missed(self) -> None:
        """
        Each partner without the reference of an agreement is found, and a
        strict reading does not let it pass; with one, it is found no more.
        """

        def agreed(tree: dict[str, Any]) -> None:
            for row in tree["recipients"]:
                row["agreement"] = {"reference": "2026/17"}

        missed = _without_agreement(WP)
        named = [r.id for r in WP.document.recipients]

        assert {named[_index(f.path)] for f in missed} >= set(SDKS)
        assert {f.severity for f in missed} == {Severity.WARNING}
        strict = {f.path for f in FOUND.as_strict() if f.severity is ERROR}
        assert {f.path for f in missed} <= strict
        assert _without_agreement(changed(NAME, agreed)) == []


def _index(path: str) -> int:
    return int(path.partition("[")[2].partition("]")[0])


def _without_agreement(policy: Policy) -> list[Finding]:
    return [
        f
        for f in lint(policy)
        if f.rule == "recipient-incomplete" and "no agreement" in f.message
    ]


class TestMinors:
    """
    Tests for the young; the clock stands at 20 November 2026.
    """

    @pytest.mark.obligation("WP-DEF-3")
    @pytest.mark.parametrize(
        ("born", "band"),
        [
            (date(2012, 11, 21), AgeBand.CHILD),
            (date(2012, 11, 20), AgeBand.MINOR),
            (date(2008, 11, 21), AgeBand.MINOR),
            (date(2008, 11, 20), AgeBand.ADULT),
        ],
    )
    def test_birthdays(
        self, born: date, band: AgeBand, session: Session
    ) -> None:
        """
        On the day before the 14th birthday somebody is a child, and on the
        day not; so for the 18th.
        """
        assert session.kit.consent.declare_age(born=born) is band
        assert session.kit.consent.state().age is band

    @pytest.mark.obligation("WP-DEF-3")
    def test_leap_day(self, tmp_path: Path) -> None:
        """
        Who was born on 29 February is a child through 28 February.
        """
        with Session(tmp_path) as session:
            session.clock.now = datetime(2026, 2, 28, 12, tzinfo=UTC)
            session.kit.consent.declare_age(born=date(2012, 2, 29))
            assert session.kit.consent.state().age is AgeBand.CHILD
            session.clock.tick(days=1)
            assert session.kit.consent.state().age is AgeBand.MINOR

    @pytest.mark.obligation("WP-MIN-1")
    def test_not_alone(self) -> None:
        """
        All that a minor grants alone opens nothing, nor any SDK.
        """
        facts = {"age": "declared", "minor_until": "2029-05-01"}
        minor = Said("", Act.AGE_DECLARED, facts=facts)
        gate = gate_of(WP, minor, *ALL[1:])

        made = answers(gate)

        assert {a.reason for a in made.values()} == {Reason.GUARDIAN_NEEDED}
        assert not any(map(gate.function, WP.functions))

    @pytest.mark.obligation("WP-MIN-1")
    def test_with_a_guardian(self, tmp_path: Path) -> None:
        """
        What a verified guardian grants opens, is recorded as theirs, and
        ends when they withdraw it; what they said before anybody had
        verified them does not count.
        """
        place = ("register_login", "registered_region")
        with Session(tmp_path) as session:
            consent = session.kit.consent
            consent.declare_age(born=date(2011, 5, 1))
            session.agree("register_login", "one_tap_login")
            with session.nothing():
                assert not session.take(*place)
                consent.grant(
                    "register_login", method="confirm", by=Actor.GUARDIAN
                )
                assert not session.take(*place)
                consent.guardian_verified(method="letter", reference="file 17")
                assert not session.take(*place)

            consent.grant(
                "register_login", method="confirm", by=Actor.GUARDIAN
            )
            with session.once():
                session.take(*place)
            entry = consent.history("register_login")[-1]
            assert entry.by is Actor.GUARDIAN
            with session.nothing():
                assert not session.take("one_tap_login", "phone_number")
                consent.withdraw("register_login", by=Actor.GUARDIAN)
                assert not session.take(*place)

    @pytest.mark.obligation("WP-MIN-1")
    def test_unknown_age_is_no_adult(self) -> None:
        """
        With everything granted and no age known, every sensitive type and
        every function that profiles stays shut.
        """
        made = gate_of(WP, *ALL[1:])

        shut = _places(answers(made))
        profiling = [f for f in WP.functions.values() if f.profiling]
        assert shut == {
            *TestSensitive.PLACES,
            *TestSensitive.OF_SDKS,
            *((f.id, type_) for f in profiling for type_ in f.clauses),
        }
        assert len(profiling) == 7
        for function in profiling:
            answer = made.function(function.id)
            assert answer.reason is Reason.AGE_UNKNOWN


class TestVersions:
    """
    Tests for a document that changes.
    """

    @pytest.mark.obligation("WP-VER-1")
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(
                lambda t: t["rights"][2].update(
                    deadline={"value": 30, "unit": "working_day"}
                ),
                id="a longer reply time",
            ),
            pytest.param(
                lambda t: t["rights"].pop(4), id="a right that is gone"
            ),
            pytest.param(
                lambda t: table(t, "profile").update(retention="P60D"),
                id="a longer retention",
            ),
            pytest.param(
                lambda t: table(t, "bind_device").pop("turn_off"),
                id="a switch that is gone",
            ),
        ],
    )
    def test_reductions_are_found(
        self, change: Callable[[dict[str, Any]], object]
    ) -> None:
        """
        What people lose by a new version is found, and waits for them to
        accept; the way back takes nothing.
        """
        less = changed(NAME, change)

        there, back = compare(WP, less), compare(less, WP)

        assert [c.reduces_rights for c in there.changes] == [True]
        assert there.accept_due
        assert not back.accept_due
        assert not any(c.reduces_rights for c in back.changes)

    @pytest.mark.obligation("WP-VER-1")
    def test_old_terms_rule(self) -> None:
        """
        Until the new version is accepted, the old promise is kept, on what
        it promised as on how long.
        """
        longer = changed(
            NAME,
            lambda t: table(t, "register_login").update(retention="P60D"),
        )
        place = ("register_login", "registered_region")
        before = gate_of(longer, *ALL, under=WP).decide(*place)
        after = gate_of(longer, *ALL).decide(*place)

        assert str(before.clause.retention) == "P30D"
        assert str(after.clause.retention) == "P60D"

    @pytest.mark.parametrize(
        ("change", "kind"),
        [
            pytest.param(
                lambda t: clause(
                    t, "product_improvement", "device_model"
                ).update(purposes=["user_research"]),
                "service_model",
                id="purpose",
            ),
            pytest.param(
                lambda t: table(t, "control_device")["collects"].append(
                    {"type": "ip_address", "protect": "truncate"}
                ),
                "service_model",
                id="type",
            ),
            pytest.param(
                lambda t: clause(
                    t, "product_improvement", "mac_address"
                ).update(protect="keyed"),
                "service_model",
                id="manner",
            ),
            pytest.param(
                lambda t: t["controller"].update(name="Other Ltd."),
                "control",
                id="control",
            ),
            pytest.param(
                lambda t: t["sharing"][1]["recipients"].append("others"),
                "recipients",
                id="recipients",
            ),
            pytest.param(lambda t: t["rights"].pop(4), "rights", id="rights"),
            pytest.param(
                lambda t: t["controller"]["contacts"].pop(0),
                "contact_or_department",
                id="contact",
            ),
            pytest.param(
                lambda t: t["recipients"][5].update(
                    assessment={"reference": "2026/3", "risk": "high"}
                ),
                "high_risk_assessment",
                id="risk",
            ),
            pytest.param(
                lambda t: table(t, "profile").update(name="Profil"),
                "",
                id="spelling",
            ),
        ],
    )
    @pytest.mark.obligation("WP-VER-3", "WP-VER-2")
    def test_six_kinds_are_major(
        self, change: Callable[[dict[str, Any]], object], kind: str
    ) -> None:
        """
        A change of one of the text's six kinds is major, named, and makes a
        notice due; a word that is spelt otherwise does neither.
        """
        found = compare(WP, changed(NAME, change))

        assert found.major_kinds == ((kind,) if kind else ())
        assert found.notice_due is bool(kind)
        assert len(found.changes) == 1

    @pytest.mark.obligation("WP-VER-3")
    def test_kinds_are_the_documents_own(self) -> None:
        """
        A kind that neither version calls major is minor.
        """

        def fewer(tree: dict[str, Any]) -> None:
            tree["changes"]["major"] = ["rights"]

        def named(tree: dict[str, Any]) -> None:
            tree["controller"].update(name="Other Ltd.")

        old = changed(NAME, fewer)
        found = compare(old, changed(NAME, fewer, named))

        assert len(WP.document.changes.major) == 6
        assert found.changes
        assert not found.notice_due

    @pytest.mark.obligation("WP-VER-4", "WP-VER-5")
    def test_only_what_changed_is_asked_anew(self) -> None:
        """
        One more purpose of one type, under the same label of version: it
        alone is refused, until it is granted.
        """
        wider = changed(
            NAME,
            lambda t: clause(t, "product_improvement", "device_model").update(
                purposes=["usage_statistics", "user_research"]
            ),
        )
        assert wider.version == WP.version
        made = answers(gate_of(wider, *ALL, under=WP))

        lost = [q for q, answer in made.items() if not answer]

        assert [(q.data_type, q.purpose) for q in lost] == [
            ("device_model", "user_research")
        ]
        assert made[lost[0]].reason is Reason.TERMS_CHANGED
        assert compare(WP, wider).asks == ("product_improvement",)
        assert all(answers(gate_of(wider, *ALL)).values())

    @pytest.mark.obligation("WP-VER-5")
    def test_dates_are_found(self) -> None:
        """
        Dates that conflict, and one that lies before the text was changed,
        are errors; with one right date there are none.
        """
        rules = {"dates-conflict", "effective-before-updated"}
        dated = {f.rule: f.severity for f in FOUND if f.rule in rules}
        right = changed(NAME, lambda t: t["policy"].pop("dates"))

        assert dated == dict.fromkeys(rules, ERROR)
        assert not [f for f in lint(right) if f.rule in rules]

    @pytest.mark.obligation("WP-TRF-1")
    @pytest.mark.parametrize("continues", [[], ["weipai"]])
    def test_another_controller(
        self, continues: list[str], tmp_path: Path
    ) -> None:
        """
        A successor has no consent, until it has taken over all promises
        and people were told; then it has what was given.
        """

        def taken_over(tree: dict[str, Any]) -> None:
            tree["controller"].update(id="successor", continues=continues)
            launch = clause(tree, "wechat_plugin", "installed_app_check")
            launch["recipients"] = ["successor"]

        successor = changed(NAME, taken_over)
        place = ("product_improvement", "device_model")
        with Session(tmp_path) as session:
            session.kit.consent.declare_age(adult=True)
            session.agree("product_improvement")
            with session.once():
                session.take(*place)
        with Session(tmp_path, policy=successor) as session:
            with session.nothing():
                answer = session.take(*place)
                assert answer.reason is Reason.TERMS_CHANGED
            session.kit.consent.adopt(method="notice_at_login")
            if continues:
                with session.once():
                    session.take(*place)
                return
            with session.nothing():
                assert not session.take(*place)
            session.agree("product_improvement")
            with session.once():
                session.take(*place)


def _abroad(tree: dict[str, Any]) -> None:
    tree["recipients"].append(
        {
            "id": "lab",
            "name": "Lab Inc.",
            "mode": "entrusted",
            "country": "US",
        }
    )
    for row in table(tree, "control_device")["collects"]:
        row["recipients"] = ["weipai", "lab"]


class TestAbroad:
    """
    Tests for a recipient in another country; the text has none.
    """

    @pytest.mark.obligation("WP-LOC-2")
    def test_is_asked_for_again(self) -> None:
        """
        With everything else granted, giving to it is refused; its own
        decision, after a notice that names place and purpose, opens it.
        """
        policy = changed(NAME, _abroad)
        element = "control_device@lab+abroad"
        place = ("control_device", "detection_settings")
        general = gate_of(
            policy, *(s for s in whole(policy) if s.element != element)
        )

        refusal = general.decide(*place, recipient="lab")
        assert refusal.reason is Reason.ABROAD_CONSENT_NEEDED
        assert general.decide(*place, recipient="weipai")
        permit = gate_of(policy, *whole(policy)).decide(
            *place, recipient="lab"
        )
        assert isinstance(permit, Permit)
        assert permit.entry.element == element
        text = " ".join(notice(policy, element).split())
        assert "Lab Inc. (US)" in text
        assert WORDS.purposes["device_control"].name in text

    @pytest.mark.obligation("WP-LOC-2")
    def test_needs_its_notice(self, tmp_path: Path) -> None:
        """
        The decision counts only after its notice.
        """
        policy = changed(NAME, _abroad)
        with Session(tmp_path, policy=policy) as session:
            session.kit.consent.declare_age(adult=True)
            session.agree("control_device")
            with pytest.raises(NoticeNeededError):
                session.kit.consent.grant(
                    "control_device@lab+abroad", method="confirm"
                )
            session.agree("control_device@lab+abroad")
            assert session.kit.consent.state().permits(
                "control_device@lab+abroad"
            )

    @pytest.mark.obligation("WP-LOC-3")
    def test_must_be_told(self) -> None:
        """
        A document that sends abroad while it says that nothing goes there,
        or says nothing, is found, and told who and where.
        """

        def silent(tree: dict[str, Any]) -> None:
            tree["storage"].pop("cross_border")

        for changes in ((_abroad,), (_abroad, silent)):
            (found,) = [
                f
                for f in lint(changed(NAME, *changes))
                if f.rule == "abroad-without-words"
            ]
            assert "lab" in found.message.lower()
            assert found.severity is not Severity.NOTE
        assert not [f for f in FOUND if f.rule == "abroad-without-words"]


def _receipt(session: Session, seq: int) -> str:
    ledger = session.kit.ledger
    assert isinstance(ledger, SQLiteLedger)
    return ledger.receipt(seq).text


def _shown(capsys: pytest.CaptureFixture[str]) -> str:
    """
    Print the document for people, with its lines put together.
    """
    assert main(["policy", "show", str(FILE)]) == 0
    return " ".join(capsys.readouterr().out.split())


def _without_defaults(row: dict[str, Any]) -> dict[str, Any]:
    """
    Leave out of a declared row what stands at its default.
    """
    defaults = {"asked": True, "ask_at": "first_use"}
    return {k: v for k, v in row.items() if defaults.get(k) != v}


class TestDocument:
    """
    Tests for what the document says beside its clauses.
    """

    @pytest.mark.obligation("WP-CMP-1")
    def test_contact(self) -> None:
        """
        It names how to reach the operator, with hours; without any contact
        it does not load.
        """
        contacts = WP.document.controller.contacts
        assert [c.kind for c in contacts] == [
            "telephone",
            "telephone",
            "email",
        ]
        assert [c.hours for c in contacts] == [
            "08:00-23:00",
            "20:00-11:00 Beijing time",
            "",
        ]
        assert "0731-88672100" in WP.controller.contact

        with pytest.raises(PolicyError) as caught:
            changed(NAME, lambda t: t["controller"].pop("contacts"))
        (fault,) = caught.value.faults
        assert fault.path == "$.controller.contact"

    @pytest.mark.obligation("WP-CMP-1")
    def test_contact_is_printed(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Ways to reach the operator are printed, each with whom it is for and
        when it is answered; so is where to complain.
        """
        told = _shown(capsys)
        for contact in WP.document.controller.contacts:
            said = f"{contact.kind}: {contact.value}; for: {contact.audience}"
            if contact.hours:
                said += f"; answered: {contact.hours}"
            assert said in told
        (right,) = [r for r in WP.document.rights if r.id == "complain"]
        assert f"complain: {right.channel}" in told

    @pytest.mark.obligation("WP-LEGAL-1")
    def test_warning_is_printed(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The warning not to film in private places is printed as a warning.
        """
        (text,) = [t for t in WP.document.texts if t.id == "private_places"]
        assert "bathrooms" in text.text
        assert f"Warning: {text.text}" in _shown(capsys)

    @pytest.mark.obligation("WP-PROT-1", "WP-PROT-2")
    def test_measures_and_claims_are_printed(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Measures are printed, and certificates as claims that nobody here
        has checked; one that has lapsed is warned of, and one that holds is
        not.
        """
        security = WP.document.security
        told = _shown(capsys)
        for measure in security.measures:
            assert f"- {measure} -" in told
        for words in ("hardened and monitored servers", "training of staff"):
            assert words in security.measures
        for claim in security.claims:
            assert (
                f"claimed, and not checked: {claim.name}; evidence: none is "
                "named"
            ) in told

        def until(day: date) -> list[Finding]:
            policy = changed(
                NAME,
                lambda t: t["security"]["claims"][1].update(
                    evidence="certificate 1", expires=day
                ),
            )
            found = lint(policy, today=date(2026, 11, 1))
            return [f for f in found if f.rule == "claim-expired"]

        (lapsed,) = until(date(2026, 10, 31))
        assert "ISO 27001" in lapsed.message
        assert not until(date(2026, 11, 30))

    @pytest.mark.obligation("WP-SDK-PG2")
    def test_claim_of_an_sdk_is_printed(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What Pangle says of its research is printed as its claim.
        """
        (claim,) = load_registry()["pangle"].claims
        assert "research" in claim.lower()
        assert "de-identified" in claim
        told = _shown(capsys)
        row = told.partition("Pangle SDK (pangle)")[2].partition(" - ")[0]
        assert f"claimed, and not checked: {claim}" in row

    @pytest.mark.obligation("WP-SDK-3")
    def test_list_of_sdks_is_printed(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The list of SDKs, which the text announces and lacks, is printed;
        each row has purpose, way, fields and link as the registry has them,
        and says what is missing.
        """
        assert main(["policy", "show", "--json", str(FILE)]) == 0
        rows = json.loads(capsys.readouterr().out)["sdks"]
        registry = load_registry()

        assert {row["id"] for row in rows} == set(SDKS)
        for row in rows:
            entry = registry[row["id"]]
            assert row["name"] == entry.name
            assert row["operator"] == entry.operator
            assert row["purposes"] == list(entry.purposes)
            assert row["method"] == entry.method
            assert row["privacy_policy"] == entry.privacy_policy
            assert row["fields"] == [
                {"term": f.term, "types": list(f.types)} for f in entry.fields
            ]
            assert row["gaps"] == list(entry.gaps)
        told = _shown(capsys)
        for entry in map(registry.__getitem__, SDKS):
            head = f"{entry.name} ({entry.id}) of {entry.operator};"
            row = told.partition(head)[2].partition(" - ")[0]
            names = [WORDS.purposes[p].name for p in entry.purposes]
            assert f"for: {', '.join(names)}" in row
            for part in (*entry.gaps, entry.privacy_policy):
                assert part in row
            for field in entry.fields:
                assert field.term in row

    @pytest.mark.obligation("WP-PERM-6")
    def test_table_of_permissions(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The table of permissions that is made is the declared one: purpose,
        functions, whether and when one is asked, and what is lost.
        """
        with FILE.open("rb") as stream:
            declared = tomllib.load(stream)["permissions"]
        assert main(["policy", "show", "--json", str(FILE)]) == 0
        made = json.loads(capsys.readouterr().out)["permissions"]
        assert made == [_without_defaults(row) for row in declared]

        told = _shown(capsys)
        for row in WP.document.permissions:
            name = WORDS.permissions[row.id].name
            purposes = ", ".join(WORDS.purposes[p].name for p in row.purposes)
            line = told.partition(f"- {name} ({row.id}); ")[2]
            line = line.partition(" - ")[0]
            assert line.startswith(f"for: {purposes}; used by: ")
            assert ", ".join(row.functions) in line
            assert "; asked at first use; " in line
            assert ("; you can turn it off" in line) is bool(row.can_disable)
            assert f"what you lose: {row.on_refusal}" in line

    @pytest.mark.obligation("WP-PERM-11")
    def test_undeclared_permissions_are_found(self) -> None:
        """
        Each permission that a function takes, or an SDK of it, and that the
        table does not name is found; once it is named, it is not.
        """
        rules = ("permission-undeclared", "permission-undeclared-sdk")
        missing = {
            permission
            for f in WP.functions.values()
            for c in f.clauses.values()
            if (permission := c.permission)
        } - {p.id for p in WP.document.permissions}
        found = [f for f in FOUND if f.rule == rules[0]]
        by_sdks = [f for f in FOUND if f.rule == rules[1]]

        assert missing == set(PERMITTED) - {
            p.id for p in WP.document.permissions
        }
        for permission in missing:
            assert [f for f in found if f"'{permission}'" in f.message]
        assert by_sdks
        named = changed(
            NAME,
            lambda t: t["permissions"].append(
                {"id": "motion_sensors", "functions": ["screen_rotation"]}
            ),
        )
        again = [f.message for f in lint(named) if f.rule == rules[0]]
        assert len(again) == len(found) - 1
        assert not [m for m in again if "motion_sensors" in m]

    @pytest.mark.obligation("WP-WDR-4", "WP-PERM-9")
    def test_receipts_stand(self, tmp_path: Path) -> None:
        """
        The receipt of a yes verifies after its withdrawal and after a
        permission was turned off, with its version and its time.
        """
        with Session(tmp_path) as session:
            session.kit.consent.declare_age(adult=True)
            session.agree("product_improvement")
            entry = session.kit.consent.history("product_improvement")[-1]
            receipt = _receipt(session, entry.seq)
            at = session.clock.now
            assert session.take("product_improvement", "imei")
            session.clock.tick(days=30)
            session.os = {"phone": OSPermission.DENIED}
            assert not session.take("product_improvement", "imei")
            session.kit.consent.withdraw("product_improvement")
        with Session(tmp_path) as session:
            later = _receipt(session, entry.seq)

        for text in (receipt, later):
            shown = verify_receipt(text)
            assert shown.entry == entry
            assert (shown.entry.version, shown.entry.at) == (WP.version, at)
            assert shown.entry.text == WP.digest
