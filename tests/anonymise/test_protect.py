# SPDX-License-Identifier: MIT

"""
Tests for protecting values: what is done, what it may be called, and that
nothing else is taken for it.
"""

from __future__ import annotations

import copy
import enum
import hashlib
import json
import pickle

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from consentkit.anonymise.budget import Budget
from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.coordinates import bd09_of, gcj02_of
from consentkit.anonymise.protect import (
    Protected,
    check_protected,
    protect,
    protect_event,
)
from consentkit.collectors.clipboard import Take
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import ForgedPermitError, UnprotectedError
from consentkit.gate import Permit
from consentkit.policy import (
    Clause,
    EventField,
    EventSpec,
    Period,
    Policy,
    Protection,
    ProtectionName,
    load_vocabulary,
)
from tests.anonymise.places import memory
from tests.support import (
    IMEI,
    MAC,
    MAC_MD5,
    PLACE,
    SHARE_CODE,
    permit_for,
    small,
)


SECRET = bytes(range(32))
UNKNOWN = SimpleNamespace(latitude=48.8, longitude=2.3, crs="beijing54")
WIFI = (
    {"ssid": "home", "bssid": MAC, "signal": -40},
    {"ssid": "cafe", "bssid": MAC.replace("45", "46"), "signal": -70},
    {"ssid": "none", "bssid": "00:00:00:00:00:00", "signal": -90},
)
P = ProtectionName


def secret(_: Permit) -> bytes:
    """
    Give the secret of a grant.
    """
    return SECRET


def ended(_: Permit) -> None:
    """
    Give the secret of a grant that has ended.
    """


def policy_with(data_type: str, protection: Protection) -> Policy:
    """
    Make a policy whose function ``improve`` protects *data_type* so.
    """
    policy = small()
    improve = policy.functions["improve"]
    clause = Clause(
        type=data_type,
        purposes=("usage_statistics",),
        recipients=("maker", "helper"),
        protection=protection,
        retention=Period(seconds=60),
    )
    changed = attrs.evolve(improve, clauses={data_type: clause})
    return attrs.evolve(
        policy, functions={**policy.functions, "improve": changed}
    )


def permit(data_type: str, name: ProtectionName, **parameters: Any) -> Permit:
    """
    Get the gate's yes for *data_type* under a protection.
    """
    protection = Protection(name=name, **parameters)
    return permit_for(
        "improve", data_type, policy=policy_with(data_type, protection)
    )


def protected(
    raw: object, data_type: str, name: ProtectionName, **parameters: Any
) -> Protected:
    """
    Protect *raw*, which must have a value.
    """
    got = protect(
        permit(data_type, name, **parameters),
        raw,
        secret=secret,
        places=memory(),
    )
    assert isinstance(got, Protected), got
    return got


# Data type, protection with parameters, raw value; value and class expected.
CASES: dict[str, tuple[str, ProtectionName, dict, object, object, str]] = {
    "none, ordinary": (
        "os_version",
        P.NONE,
        {},
        "14.2.1",
        "14.2.1",
        "linkable",
    ),
    "none, number": ("os_version", P.NONE, {}, 14, 14, "linkable"),
    "none, device": (*("ip_address", P.NONE, {}, "::1", "::1", "personal"),),
    "none, sensitive": (
        "location_precise",
        P.NONE,
        {},
        PLACE,
        {"latitude": 48.85837, "longitude": 2.29448},
        "personal",
    ),
    "local only": (
        "wifi_password",
        P.LOCAL_ONLY,
        {},
        "secret",
        "secret",
        "personal",
    ),
    "present": ("imei", P.PRESENT, {}, IMEI, True, "linkable"),
    "md5": ("mac_address", P.MD5, {}, MAC, MAC_MD5, "pseudonymised"),
    "grid": (
        "location_precise",
        P.GRID,
        {"cell_km": 50.0},
        PLACE,
        {"cell_km": 50.0},
        "de_identified",
    ),
    "bucket": (
        "app_usage_time",
        P.BUCKET,
        {},
        700,
        "512-1024",
        "de_identified",
    ),
    "truncate": (
        "ip_address",
        P.TRUNCATE,
        {},
        "203.0.113.7",
        "203.0.113.0/24",
        "de_identified",
    ),
    "generalise": (
        "os_version",
        P.GENERALISE,
        {},
        "14.2.1",
        "14",
        "de_identified",
    ),
    "scrub, text": (
        "service_log",
        P.SCRUB,
        {},
        "mobile=13800138000",
        "mobile=<MOBILE_CN>",
        "linkable",
    ),
    "scrub, mapping": (
        "service_log",
        P.SCRUB,
        {},
        {"message": "mobile=13800138000", "line": 3},
        {"message": "mobile=<MOBILE_CN>", "line": 3},
        "linkable",
    ),
    "scrub, a name": (
        "real_name",
        P.SCRUB,
        {},
        "Ann Smith",
        "Ann Smith",
        "personal",
    ),
    "scrub, a letter": (
        "support_conversation",
        P.SCRUB,
        {},
        "I am Ann Smith, call 13800138000",
        "I am Ann Smith, call <MOBILE_CN>",
        "personal",
    ),
    "scrub, the name of a device": (
        "device_name",
        P.SCRUB,
        {},
        "Ann Smith's laptop",
        "Ann Smith's laptop",
        "personal",
    ),
    "scrub, what was looked for": (
        "search_history",
        P.SCRUB,
        {},
        "Ann Smith Long Lane",
        "Ann Smith Long Lane",
        "personal",
    ),
    "local only, a place": ("bssid", P.LOCAL_ONLY, {}, MAC, MAC, "personal"),
    "local only, a list": (
        "running_processes",
        P.LOCAL_ONLY,
        {},
        ("firefox", "ssh-ann"),
        ["firefox", "ssh-ann"],
        "personal",
    ),
    "present, the name of a device": (
        "device_name",
        P.PRESENT,
        {},
        "Ann Smith's laptop",
        True,
        "linkable",
    ),
    "scrub, what one did": (
        "operation_log",
        P.SCRUB,
        {},
        "opened settings",
        "opened settings",
        "linkable",
    ),
    "take, anything": (
        "clipboard_content",
        P.TAKE,
        {"intents": ("share_code",)},
        Take("share_code", SHARE_CODE),
        {"intent": "share_code", "value": SHARE_CODE},
        "personal",
    ),
    "take": (
        "clipboard_share_code",
        P.TAKE,
        {"intents": ("share_code",)},
        Take("share_code", SHARE_CODE),
        {"intent": "share_code", "value": SHARE_CODE},
        "linkable",
    ),
}


#: What a source of an app's own may give in the place of a code or a link.
NOT_TAKEN: dict[str, object] = {
    "nothing": None,
    "a text": "https://a.b/",
    "without a value": Take("link", None),  # type: ignore[arg-type]
    "bytes": Take("link", b"https://a.b/"),  # type: ignore[arg-type]
    "no form": Take("link", "my secret shopping list"),
    "more": Take("passcode", "the code is 491096"),
    "a secret": Take("link", "https://a.b/?token=AKIAIOSFODNN7EXAMPLE"),
    "1 MB": Take("link", "https://a.b/" + "a" * 1_000_000),
}


class TestProtect:
    """
    Tests for `protect`.
    """

    @pytest.mark.parametrize("name", CASES)
    def test_does_what_the_clause_promises(self, name: str) -> None:
        """
        Each protection gives its form and its honest class, and says so.
        """
        data_type, technique, parameters, raw, value, class_ = CASES[name]

        got = protected(raw, data_type, technique, **parameters)

        if isinstance(value, dict) and technique is P.GRID:
            assert isinstance(got.value, dict)
            assert value.items() <= got.value.items()
            assert got.value["latitude"] != PLACE.latitude
            assert got.value["latitude"] == pytest.approx(48.9, abs=0.5)
        else:
            assert got.value == value
        assert got.protection is technique
        assert got.privacy_class.value == class_
        assert got.permit.clause.type == data_type

    def test_every_protection_has_a_case(self) -> None:
        """
        No technique goes without being shown.
        """
        shown = {case[1] for case in CASES.values()}

        # Of the last one, see `test_response.py`.
        assert {*ProtectionName} - shown == {P.DROP, P.KEYED, P.KRR}

    def test_drop_has_no_value(self) -> None:
        """
        What is dropped has no form at all.
        """
        got = protect(permit("device_name", P.DROP), "x", secret=secret)

        assert isinstance(got, Unavailable)

    @pytest.mark.obligation("WP-HASH-4")
    @pytest.mark.parametrize("technique", ProtectionName)
    def test_nothing_is_called_anonymous(
        self, technique: ProtectionName
    ) -> None:
        """
        Whatever the type and technique, a record is never called anonymous,
        a digest never more than pseudonymised, and what is done beside the
        vocabulary nothing that the value is not as it stands.
        """
        raws = (
            MAC,
            "15.1",
            "::1",
            7,
            PLACE,
            Take("link", "https://a.b/"),
            (MAC,),
        )
        more: Any = {"values": (MAC, "15.1")}
        classes, beside = set(), set()
        for data_type, term in load_vocabulary().data_types.items():
            asked = permit(data_type, technique, intents=("link",), **more)
            for raw in raws:
                got = protect(
                    asked,
                    raw,
                    secret=secret,
                    places=memory(),
                    budget=Budget(),
                )
                if not isinstance(got, Protected):
                    continue
                if technique in term.protections:
                    classes.add(got.privacy_class)
                else:
                    beside.add(got.privacy_class)

        assert PrivacyClass.ANONYMOUS not in classes
        assert beside <= {PrivacyClass.PERSONAL, PrivacyClass.LINKABLE}
        if technique in (P.MD5, P.KEYED):
            assert classes == {PrivacyClass.PSEUDONYMISED}
        assert bool(classes) is (technique is not P.DROP)

    @pytest.mark.parametrize(
        ("data_type", "technique", "parameters", "raw"),
        [
            ("mac_address", P.MD5, {}, "not a mac"),
            ("mac_address", P.MD5, {}, 12),
            ("mac_address", P.MD5, {}, None),
            ("location_precise", P.GRID, {}, "48.8 N"),
            ("location_precise", P.NONE, {}, object()),
            ("location_precise", P.GRID, {}, UNKNOWN),
            ("location_precise", P.NONE, {}, UNKNOWN),
            ("network_type", P.KRR, {"values": ("a", "b")}, "a"),
            ("device_configuration", P.NONE, {}, [["nested"]]),
            ("device_configuration", P.NONE, {}, [{"a": ["nested"]}]),
            ("mac_address", P.KEYED, {}, [{"signal": 3}]),
            ("mac_address", P.KEYED, {}, ["no mac"]),
            ("mac_address", P.MD5, {}, [MAC]),
            ("os_version", P.NONE, {}, float("nan")),
            ("os_version", P.NONE, {}, float("inf")),
            ("os_version", P.NONE, {}, 2**64),
            pytest.param("os_version", P.NONE, {}, 10**5000, id="huge"),
            ("os_version", P.GENERALISE, {}, "no number"),
            ("app_usage_time", P.BUCKET, {}, -1),
            ("app_usage_time", P.BUCKET, {}, "long"),
            ("app_usage_time", P.BUCKET, {}, True),
            ("device_name", P.PRESENT, {}, None),
            ("app_usage_time", P.BUCKET, {}, float("nan")),
            pytest.param("app_usage_time", P.BUCKET, {}, 10**5000, id="high"),
            ("ip_address", P.TRUNCATE, {}, "example.com"),
            ("service_log", P.SCRUB, {}, b"bytes"),
            ("service_log", P.SCRUB, {}, object()),
            (
                "clipboard_share_code",
                P.TAKE,
                {"intents": ("link",)},
                Take("share_code", SHARE_CODE),
            ),
            *(
                pytest.param(
                    "clipboard_share_code",
                    P.TAKE,
                    {"intents": ("link", "passcode")},
                    raw,
                    id=f"taken, {name}",
                )
                for name, raw in NOT_TAKEN.items()
            ),
        ],
    )
    def test_what_is_not_in_form_is_no_value(
        self,
        data_type: str,
        technique: ProtectionName,
        parameters: dict,
        raw: object,
    ) -> None:
        """
        A value out of form is unavailable, and is not shown.
        """
        got = protect(
            permit(data_type, technique, **parameters), raw, secret=secret
        )

        assert got == Unavailable(
            data_type, f"the value is no {data_type} that can be used"
        )

    @pytest.mark.parametrize("technique", [P.NONE, P.GRID])
    @pytest.mark.parametrize(
        ("crs", "convert"), [("gcj02", gcj02_of), ("bd09", bd09_of)]
    )
    def test_other_coordinates_are_converted(
        self,
        technique: ProtectionName,
        crs: str,
        convert: Callable[[float, float], tuple[float, float]],
    ) -> None:
        """
        A place in coordinates of China, as its source declares, gives what
        the same place gives in WGS-84.
        """
        there = attrs.evolve(PLACE, latitude=31.2304, longitude=121.4737)
        north, east = convert(there.latitude, there.longitude)
        moved = attrs.evolve(there, latitude=north, longitude=east, crs=crs)

        one, two = (
            protected(place, "location_precise", technique).value
            for place in (there, moved)
        )

        assert isinstance(one, dict)
        assert isinstance(two, dict)
        assert one == pytest.approx(two, abs=1e-6)

    def test_what_is_not_declared_is_not_converted(self) -> None:
        """
        A place in China stays where it is, unless its source says that it
        is shifted.
        """
        there = attrs.evolve(PLACE, latitude=22.3193, longitude=114.1694)

        assert protected(there, "location_precise", P.NONE).value == {
            "latitude": 22.3193,
            "longitude": 114.1694,
        }

    def test_lists(self) -> None:
        """
        A list is passed as it is, counted, or told to be there, as the
        policy promises.
        """
        names = ["b", "a"]
        mixed = ({"name": "x", "n": 1}, {"name": "y", "n": None})

        got = {
            technique: protected(raw, "device_configuration", technique).value
            for technique, raw in [
                (P.NONE, mixed),
                (P.BUCKET, names),
                (P.PRESENT, names),
            ]
        }

        assert got == {P.NONE: list(mixed), P.BUCKET: "2-4", P.PRESENT: True}
        assert json.dumps(got[P.NONE])

    def test_half_a_character_can_be_written(self) -> None:
        """
        A text that no UTF-8 has, such as a file's name, becomes one.
        """
        got = protected(
            {"message": "\udcff", "\udcff": 1}, "service_log", P.SCRUB
        )

        assert json.dumps(got.value, ensure_ascii=False).encode()
        assert got.value == {"message": "?", "?": 1}

    def test_needs_a_permit(self) -> None:
        """
        Without the gate's permit nothing is protected.
        """
        for forged in (None, object.__new__(Permit)):
            with pytest.raises(ForgedPermitError):
                protect(forged, MAC, secret=secret)  # type: ignore[arg-type]

    def test_repr_has_no_value(self) -> None:
        """
        A protected value shows what was done, and nothing of it.
        """
        got = protected("secret", "wifi_password", P.LOCAL_ONLY)

        assert repr(got) == "<Protected wifi_password: local_only, personal>"


class TestMD5:
    """
    Tests for MD5 as policies promise it.
    """

    @pytest.mark.obligation("WP-HASH-1", "WP-HASH-2")
    @pytest.mark.parametrize(
        "spelt",
        [
            "3C:5A:B4:01:23:45",
            "3c:5a:b4:01:23:45",
            "3c-5a-b4-01-23-45",
            "3c5a.b401.2345",
            "3C5AB4012345",
            "3c:5a:b4:1:23:45",
            "  3C:5A:B4:01:23:45\n",
        ],
    )
    def test_same_device_same_digest(self, spelt: str) -> None:
        """
        All spellings of an address have the known digest of its one form.
        """
        got = protected(spelt, "mac_address", P.MD5)

        assert got.value == MAC_MD5
        assert got.value == hashlib.md5(b"3C5AB4012345").hexdigest()

    @pytest.mark.obligation("WP-HASH-3")
    @pytest.mark.parametrize(
        ("data_type", "raw"),
        [
            ("mac_address", "00:00:00:00:00:00"),
            ("mac_address", "FF:FF:FF:FF:FF:FF"),
            ("mac_address", "02:00:00:00:00:00"),
            ("mac_address", ""),
            ("imei", "000000000000000"),
            ("imei", "490154203237517"),
            ("imei", "unknown"),
        ],
    )
    @pytest.mark.parametrize("technique", [P.MD5, P.KEYED])
    def test_constants_are_no_devices(
        self, data_type: str, raw: str, technique: ProtectionName
    ) -> None:
        """
        What many devices share, and what fails its check digit, has no digest;
        the answer says why.
        """
        got = protect(permit(data_type, technique), raw, secret=secret)

        assert isinstance(got, Unavailable)
        assert data_type in got.reason


class TestKeyed:
    """
    Tests for keyed pseudonyms.
    """

    def pseudonym(
        self,
        raw: str = MAC,
        *,
        data_type: str = "mac_address",
        key: bytes = SECRET,
        **options: Any,
    ) -> object:
        """
        Make a pseudonym under a fresh permit.
        """
        policy = policy_with(data_type, Protection(name=P.KEYED))
        asked = permit_for("improve", data_type, policy=policy, **options)
        got = protect(asked, raw, secret=lambda _: key)
        assert isinstance(got, Protected)
        return got.value

    def test_is_stable_and_not_the_value(self) -> None:
        """
        The same device has the same pseudonym under one grant, in any
        spelling, and it is neither the value nor its plain digest.
        """
        value = self.pseudonym()

        assert value == self.pseudonym(MAC.lower().replace(":", "-"))
        assert isinstance(value, str)
        assert len(value) == 32
        assert value not in (
            MAC_MD5,
            hashlib.sha256(b"3C5AB4012345").hexdigest()[:32],
        )

    def test_differs_by_recipient(self) -> None:
        """
        Two recipients cannot join their records.
        """
        assert self.pseudonym() != self.pseudonym(recipient="helper")

    def test_differs_by_data_type(self) -> None:
        """
        The same text as another type is another pseudonym.
        """
        assert self.pseudonym() != self.pseudonym(data_type="bssid")

    @pytest.mark.obligation("WP-HASH-4")
    def test_differs_by_grant(self) -> None:
        """
        A new grant has new pseudonyms, so old and new records do not match.
        """
        assert self.pseudonym() != self.pseudonym(again=True)

    def test_differs_by_function(self) -> None:
        """
        Two functions have two pseudonyms of one device.
        """

        def change(tree: dict) -> None:
            tree["functions"][3]["collects"].append(
                {"type": "system_id", "protect": "keyed"}
            )

        policy = small(change=change)
        one, two = (
            protect(
                permit_for(function, "system_id", policy=policy),
                "6f1d3c58b0a94e77",
                secret=secret,
            )
            for function in ("improve", "logs")
        )

        assert isinstance(one, Protected)
        assert isinstance(two, Protected)
        assert one.value != two.value

    def test_differs_by_secret(self) -> None:
        """
        Another installation has other pseudonyms.
        """
        assert self.pseudonym() != self.pseudonym(key=bytes(32))

    def test_list_of_identifiers(self) -> None:
        """
        Each item of a list is named by its own pseudonym, in an order that
        tells nothing, and nothing else of it is told.
        """
        one, two = (
            protected(raw, "bssid", P.KEYED).value
            for raw in (WIFI, [*reversed(WIFI), WIFI[0]])
        )

        assert isinstance(one, list)
        assert one == two == sorted(one)
        assert len(one) == 2
        assert self.pseudonym(data_type="bssid") in one

    def test_differs_by_epoch(self) -> None:
        """
        Within an epoch a device keeps its pseudonym, and the next one has
        another; without an epoch it lasts as long as the grant.
        """
        month = {"epoch": Period(seconds=30 * 86_400)}
        at = datetime(2026, 11, 20, tzinfo=UTC)

        def made(days: int, **more: Any) -> object:
            asked = permit("mac_address", P.KEYED, **more)
            when = at + timedelta(days=days)
            got = protect(asked, MAC, secret=secret, at=when)
            assert isinstance(got, Protected)
            return got.value

        assert made(0, **month) == made(1, **month)
        assert made(0, **month) != made(30, **month)
        assert made(0) == made(3000)
        assert made(0) != made(0, **month)

    @pytest.mark.parametrize("other", ["recipient", "epoch"])
    def test_join_attack(self, other: str) -> None:
        """
        Two recipients, and two epochs, have none of 20,000 identifiers in
        common; the same attack joins all of MD5.
        """
        macs = [f"3C5AB4{i:06X}" for i in range(20_000)]
        epoch = Period(seconds=86_400)
        when = datetime(2026, 11, 20, tzinfo=UTC)
        later = when + timedelta(days=other == "epoch")
        who = "helper" if other == "recipient" else "maker"

        def told(name: ProtectionName, recipient: str, at: datetime) -> set:
            protection = Protection(
                name=name, epoch=epoch if name is P.KEYED else None
            )
            policy = policy_with("mac_address", protection)
            asked = permit_for(
                "improve", "mac_address", policy=policy, recipient=recipient
            )
            made = (protect(asked, m, secret=secret, at=at) for m in macs)
            return {one.value for one in made if isinstance(one, Protected)}

        keyed = told(P.KEYED, "maker", when)
        assert len(keyed) == 20_000
        assert not keyed & told(P.KEYED, who, later)
        assert told(P.MD5, "maker", when) == told(P.MD5, who, later)

    def test_has_no_value_once_the_grant_ended(self) -> None:
        """
        Without the grant's secret there is no pseudonym.
        """
        got = protect(permit("mac_address", P.KEYED), MAC, secret=ended)

        assert isinstance(got, Unavailable)

    def test_asks_for_no_secret_without_a_value(self) -> None:
        """
        Nothing is made for a value that is none.
        """
        asked: list[Permit] = []

        def spy(permit: Permit) -> bytes:
            asked.append(permit)
            return SECRET

        protect(permit("mac_address", P.KEYED), "none", secret=spy)

        assert asked == []


class Colour(str, enum.Enum):  # noqa: UP042 - as apps have them
    """
    An enumeration whose own text is not its value.
    """

    RED = "red"


def event(
    fields: dict[str, object],
    kinds: dict[str, str | tuple[str, ...]],
    *,
    technique: ProtectionName = P.NONE,
    data_type: str = "os_version",
) -> Protected | str:
    """
    Protect an event with *fields*, declared with *kinds*.
    """
    spec = EventSpec(
        name="happened",
        type=data_type,
        fields={
            name: EventField(kind=kind)
            if isinstance(kind, str)
            else EventField(kind="enum", values=kind)
            for name, kind in kinds.items()
        },
    )
    return protect_event(permit(data_type, technique), spec, fields)


class TestEvent:
    """
    Tests for an app's own events.
    """

    @pytest.mark.parametrize(
        ("kind", "given", "kept"),
        [
            ("bool", True, True),
            ("int", 3, 3),
            ("int", -3, -3),
            ("int", 2**31 - 1, 2**31 - 1),
            ("float", 1.5, 1.5),
            ("float", 2, 2.0),
            (("red", "blue"), "red", "red"),
            (("red", "blue"), Colour.RED, "red"),
            ("text", "all fine", "all fine"),
            ("text", "call 13800138000", "call <MOBILE_CN>"),
            ("text", "\udcff", "?"),
        ],
        ids=repr,
    )
    def test_keeps_what_is_declared(
        self, kind: Any, given: object, kept: object
    ) -> None:
        """
        A field of its declared kind is kept; text is scrubbed.
        """
        got = event({"a": given}, {"a": kind})

        assert isinstance(got, Protected)
        assert got.value == {"event": "happened", "a": kept}
        assert isinstance(got.value, dict)
        assert type(got.value["a"]) is type(kept)

    @pytest.mark.parametrize(
        ("kind", "given"),
        [
            ("bool", 1),
            ("int", True),
            ("int", 1.0),
            ("int", "13800138000"),
            ("int", 2**31),
            ("int", -(2**31)),
            ("int", 13800138000),
            ("float", 13800138000.0),
            pytest.param("int", 10**5000, id="huge"),
            ("float", True),
            ("float", "1.0"),
            ("float", float("nan")),
            ("float", float("inf")),
            ("float", 10**400),
            (("red", "blue"), "13800138000"),
            (("red", "blue"), 3),
            ("text", 13800138000),
            ("text", b"13800138000"),
            ("text", None),
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_refuses_another_kind(self, kind: Any, given: object) -> None:
        """
        A field of another kind is refused by name, without its value.
        """
        got = event({"amount": given}, {"amount": kind})

        assert isinstance(got, str)
        assert "its field amount takes" in got
        assert "13800138000" not in got

    @pytest.mark.parametrize(
        "fields",
        [{}, {"a": 1}, {"a": 1, "b": 2, "secret": 3}, {"a": 1, "c": 2}],
        ids=["none", "missing", "extra", "other"],
    )
    def test_refuses_other_fields(self, fields: dict) -> None:
        """
        The fields must be exactly those declared.
        """
        got = event(fields, {"a": "int", "b": "int"})

        assert got == "its fields are a, b"

    def test_bucket_takes_the_numbers(self) -> None:
        """
        Under a bucket every number becomes a range, and nothing else.
        """
        got = event(
            {"n": 700, "x": 0.5, "ok": True, "c": "red"},
            {"n": "int", "x": "float", "ok": "bool", "c": ("red",)},
            technique=P.BUCKET,
            data_type="app_usage_time",
        )

        assert isinstance(got, Protected)
        assert got.value == {
            "event": "happened",
            "n": "512-1024",
            "x": "0-1",
            "ok": True,
            "c": "red",
        }
        assert got.privacy_class is PrivacyClass.DE_IDENTIFIED

    @pytest.mark.parametrize(
        ("kind", "given"), [("int", -700), ("float", -0.5)]
    )
    def test_bucket_lets_no_negative_number_by(
        self, kind: str, given: float
    ) -> None:
        """
        What has no range is refused, not passed on as it is.
        """
        got = event(
            {"n": given},
            {"n": kind},
            technique=P.BUCKET,
            data_type="app_usage_time",
        )

        assert isinstance(got, str)
        assert "zero or more" in got

    def test_free_text_is_not_called_de_identified(self) -> None:
        """
        A scrubbed text may still name somebody, whatever is beside it.
        """
        got = event(
            {"n": 1, "note": "hello"},
            {"n": "int", "note": "text"},
            technique=P.BUCKET,
            data_type="app_usage_time",
        )

        assert isinstance(got, Protected)
        assert got.privacy_class is PrivacyClass.LINKABLE

    @settings(deadline=None)
    @given(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(st.characters()),
            st.binary(),
            st.lists(st.integers()),
        ),
        st.sampled_from(["bool", "int", "float", "text", ("a", "b")]),
        st.sampled_from([P.NONE, P.BUCKET]),
    )
    def test_gives_json_or_words(
        self, given_: object, kind: Any, technique: ProtectionName
    ) -> None:
        """
        Whatever a field holds, the answer is strict JSON or plain words.
        """
        got = event({"a": given_}, {"a": kind}, technique=technique)

        if isinstance(got, Protected):
            json.dumps(got.value, allow_nan=False, ensure_ascii=False).encode()
        else:
            assert isinstance(got, str)
            assert got


class TestForgery:
    """
    Tests that nobody but this room makes a protected value.
    """

    def genuine(self) -> Protected:
        """
        Give a protected value.
        """
        return protected(MAC, "mac_address", P.MD5)

    def test_genuine_one_passes(self) -> None:
        """
        What was protected is taken.
        """
        value = self.genuine()

        assert check_protected(value) is value

    def test_cannot_be_built(self) -> None:
        """
        Calling the class is refused.
        """
        for arguments in ({}, {"value": MAC}, {"seal": object()}):
            with pytest.raises(UnprotectedError):
                Protected(**arguments)

    @pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
    def test_cannot_be_copied(self, way: Callable[[object], object]) -> None:
        """
        No copy, no pickle.
        """
        with pytest.raises(UnprotectedError):
            way(self.genuine())

    def test_cannot_be_subclassed(self) -> None:
        """
        There is no other kind.
        """
        with pytest.raises(UnprotectedError):
            type("Loose", (Protected,), {})

    def test_cannot_be_changed(self) -> None:
        """
        The value that was protected is the value that is kept.
        """
        value: Any = self.genuine()

        for name in (*Protected.__slots__, "more"):
            with pytest.raises(UnprotectedError):
                setattr(value, name, MAC)
            with pytest.raises(UnprotectedError):
                delattr(value, name)
        assert value.value == MAC_MD5

    def test_look_alikes_are_found(self) -> None:
        """
        Neither an empty object nor one with all the fields passes.
        """
        genuine = self.genuine()
        filled = object.__new__(Protected)
        for name in Protected.__slots__:
            value = object() if name == "_seal" else getattr(genuine, name)
            object.__setattr__(filled, name, value)

        for forged in (None, MAC, object.__new__(Protected), filled):
            with pytest.raises(UnprotectedError, match="only what was"):
                check_protected(forged)


@pytest.mark.obligation("WP-LOG-1")
@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (
            {"password": "open sesame", "phone": "010-65529988"},
            {"password": "<SECRET_VALUE>", "phone": "<PHONE>"},
        ),
        ({"token": 123456, "n": 7}, {"token": "<SECRET_VALUE>", "n": 7}),
        ({"13800138000": "caller"}, {"<MOBILE_CN>": "caller"}),
        ({"a": {"pin": 1234}}, {"a": {"pin": "<SECRET_VALUE>"}}),
        ([{"password": "sesame"}], [{"password": "<SECRET_VALUE>"}]),
        ({"n": float("nan")}, {"n": None}),
    ],
    ids=["texts", "numbers", "keys", "nested", "list", "no number"],
)
def test_scrub_looks_at_keys(raw: object, told: object) -> None:
    """
    Under a telling key everything goes, and a key may be personal itself.
    """
    got = protect(permit("service_log", P.SCRUB), raw, secret=secret)

    assert isinstance(got, Protected)
    assert got.value == told
