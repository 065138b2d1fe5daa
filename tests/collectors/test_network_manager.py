# SPDX-License-Identifier: MIT

"""
The network as NetworkManager tells it: a fake one on a private bus.
"""

from __future__ import annotations

import copy
import json
import re

from typing import Any

import pytest

from consentkit.anonymise.identifiers import canonical
from consentkit.collectors.network_manager import (
    NetworkManagerSource,
    WifiListSource,
)
from consentkit.collectors.source import Unavailable
from consentkit.testing import BadSourceConformance, SourceConformance
from consentkit.testing.permits import FUNCTION, kit_for
from tests.collectors.dbus.bus import calls, members, private_bus


pytestmark = [
    pytest.mark.need_tool("dbus-daemon"),
    pytest.mark.need_extra("dbus"),
]

NAME = "org.freedesktop.NetworkManager"
ROOT = "/org/freedesktop/NetworkManager"

#: Deadlines: one that nobody waits for, and one that is waited for.
PATIENT = 120.0
SHORT = 3.0


def point(name: bytes, address: str, strength: int) -> dict[str, Any]:
    """
    Make an access point.
    """
    return {
        f"{NAME}.AccessPoint": {
            "Ssid": ("ay", list(name)),
            "HwAddress": ("s", address),
            "Strength": ("y", strength),
            "Frequency": ("u", 2437),
            "LastSeen": ("i", 77),
        }
    }


def card(active: str, *heard: str, mode: int = 2) -> dict[str, Any]:
    """
    Make a Wi-Fi device.
    """
    return {
        f"{NAME}.Device": {"DeviceType": ("u", 2)},
        f"{NAME}.Device.Wireless": {
            "ActiveAccessPoint": ("o", active),
            "AccessPoints": ("ao", list(heard)),
            "Mode": ("u", mode),
        },
    }


POINTS = [f"{ROOT}/AccessPoint/{n}" for n in range(1, 5)]
CABLE, CARD, SECOND = (f"{ROOT}/Devices/{n}" for n in (1, 2, 10))

OBJECTS: dict[str, Any] = {
    ROOT: {
        NAME: {
            "Devices": ("ao", [SECOND, CARD, CABLE]),
            "PrimaryConnection": ("o", f"{ROOT}/ActiveConnection/7"),
            "PrimaryConnectionType": ("s", "802-11-wireless"),
            "State": ("u", 70),
            "WirelessEnabled": ("b", True),
        }
    },
    f"{ROOT}/ActiveConnection/7": {
        f"{NAME}.Connection.Active": {"Devices": ("ao", [CARD])}
    },
    CABLE: {f"{NAME}.Device": {"DeviceType": ("u", 1)}},
    CARD: card(POINTS[0], *POINTS[:3]),
    SECOND: card("/", POINTS[3]),
    POINTS[0]: point("Küche 厨房".encode(), "00:1B:21:33:44:55", 62),
    POINTS[1]: point(b"cafe", "02:aa:bb:cc:dd:ee", 91),
    POINTS[2]: point(b"", "00:1B:21:33:44:66", 40),
    # What the second card hears of the first network.
    POINTS[3]: point("Küche 厨房".encode(), "00:1B:21:33:44:55", 70),
}

#: What of it is told as a list.
OWN_LIST = [
    {"ssid": "cafe", "bssid": "02:AA:BB:CC:DD:EE", "signal_percent": 91},
    {"ssid": "Küche 厨房", "bssid": "00:1B:21:33:44:55", "signal_percent": 70},
    {"bssid": "00:1B:21:33:44:66", "signal_percent": 40},
]

TYPES = sorted(NetworkManagerSource.data_types)


def changed(*changes: tuple[str, str, str, Any]) -> dict[str, Any]:
    """
    Give the objects with other values: path, interface, property, value.
    """
    objects = copy.deepcopy(OBJECTS)
    for path, interface, name, pair in changes:
        objects[path][interface][name] = pair
    return objects


def of_root(name: str, kind: str, value: Any) -> tuple[str, str, str, Any]:
    """
    Change a property of NetworkManager itself.
    """
    return (ROOT, NAME, name, (kind, value))


def of_point(name: str, kind: str, value: Any) -> tuple[str, str, str, Any]:
    """
    Change a property of the access point that this machine is with.
    """
    return (POINTS[0], f"{NAME}.AccessPoint", name, (kind, value))


@pytest.fixture
def bus(monkeypatch):
    """
    Give a private bus, which is the system bus of this test.
    """
    with private_bus() as found:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", found.address)
        yield found


@pytest.fixture
def read(make_permit):
    """
    Read one type from the source that has it.
    """

    def read_one(data_type: str, seconds: float = PATIENT) -> Any:
        source: Any = NetworkManagerSource(timeout_seconds=seconds)
        if data_type == "wifi_list":
            source = WifiListSource(timeout_seconds=seconds)
        return source.read(make_permit(data_type))

    return read_one


def reason_of(answer) -> str:
    """
    Give the reason of an answer without a value.
    """
    assert isinstance(answer, Unavailable), "a value was given"
    assert "00:11" not in answer.reason
    assert "cafe" not in answer.reason
    return answer.reason


class TestNetwork:
    """
    What there is, is told as it is.
    """

    def test_every_type(self, bus, read):
        """
        Each type gives what NetworkManager has, of the card in use.
        """
        bus.start(NAME, objects=OBJECTS)

        assert {t: read(t) for t in TYPES} == {
            "bssid": "00:1B:21:33:44:55",
            "network_signal_strength": 62,
            "network_status": "connected",
            "network_type": "wifi",
            "ssid": "Küche 厨房",
            "wifi_status": "connected",
        }

    @pytest.mark.parametrize(
        ("told", "expected"),
        [
            ("802-3-ethernet", "ethernet"),
            ("gsm", "cellular"),
            ("cdma", "cellular"),
            ("", "none"),
            ("a secret name", "other"),
        ],
    )
    def test_network_type(self, bus, read, told, expected):
        """
        The type is one of few words, and never NetworkManager's own text.
        """
        kind = of_root("PrimaryConnectionType", "s", told)
        bus.start(NAME, objects=changed(kind))

        assert read("network_type") == expected

    @pytest.mark.parametrize(
        ("state", "expected"),
        [(20, "disconnected"), (40, "connecting"), (50, "limited")],
    )
    def test_network_status(self, bus, read, state, expected):
        """
        The status is told in words.
        """
        bus.start(NAME, objects=changed(of_root("State", "u", state)))

        assert read("network_status") == expected

    @pytest.mark.parametrize(
        ("enabled", "active", "expected"),
        [(False, "/", "off"), (True, "/", "on"), (True, "x", "connected")],
    )
    def test_wifi_status(self, bus, read, enabled, active, expected):
        """
        Wi-Fi is off, on, or connected.
        """
        path = POINTS[0] if active == "x" else active
        wireless = f"{NAME}.Device.Wireless"
        objects = changed(
            of_root("WirelessEnabled", "b", enabled),
            (CARD, wireless, "ActiveAccessPoint", ("o", path)),
        )
        bus.start(NAME, objects=objects)

        assert read("wifi_status") == expected

    def test_card_in_use_first(self, bus, read):
        """
        Of two cards with a network, the one that carries the traffic counts.
        """
        wireless = f"{NAME}.Device.Wireless"
        objects = changed(
            (SECOND, wireless, "ActiveAccessPoint", ("o", POINTS[1])),
            (
                f"{ROOT}/ActiveConnection/7",
                f"{NAME}.Connection.Active",
                "Devices",
                ("ao", [SECOND]),
            ),
        )
        bus.start(NAME, objects=objects)

        assert read("bssid") == "02:AA:BB:CC:DD:EE"

    def test_card_of_least_number(self, bus, read):
        """
        Where neither carries the traffic, the order of the bus is nothing.
        """
        wireless = f"{NAME}.Device.Wireless"
        objects = changed(
            of_root("PrimaryConnection", "o", "/"),
            (SECOND, wireless, "ActiveAccessPoint", ("o", POINTS[1])),
        )
        bus.start(NAME, objects=objects)

        assert read("bssid") == "00:1B:21:33:44:55"

    @pytest.mark.parametrize(
        ("name", "spelled"),
        [
            (b"\x1b[31mred\n", r"\x1b[31mred\x0a"),
            ("a\u202eb".encode(), r"a\xe2\x80\xaeb"),
            ("Küche 厨房".encode(), "Küche 厨房"),
        ],
    )
    def test_not_printable(self, bus, read, name, spelled):
        """
        What would end a line, or command a terminal, is written as bytes.
        """
        bus.start(NAME, objects=changed(of_point("Ssid", "ay", list(name))))

        assert read("ssid") == spelled

    def test_other_encoding(self, bus, read):
        """
        A name that is not UTF-8 is always spelled in the same way.
        """
        name = "厨房".encode("gbk")
        bus.start(NAME, objects=changed(of_point("Ssid", "ay", list(name))))

        assert read("ssid") == r"\xb3\xf8\xb7\xbf"

    def test_address_fits_its_form(self, bus, read):
        """
        The address is one that the protection can digest.
        """
        bus.start(NAME, objects=OBJECTS)

        assert canonical("bssid", read("bssid")) == "001B21334455"


class TestWifiList:
    """
    The networks in reach.
    """

    def test_list(self, bus, read):
        """
        Each access point is there once, the strongest first, without a
        name where it hides it.
        """
        bus.start(NAME, objects=OBJECTS)

        found = read("wifi_list")

        assert found == tuple(OWN_LIST)
        assert json.loads(json.dumps(found)) == list(found)

    def test_gone_meanwhile(self, bus, read):
        """
        A network that is gone when it is asked for is left out.
        """
        objects = changed()
        del objects[POINTS[1]]
        bus.start(NAME, objects=objects)

        assert [n["bssid"][-2:] for n in read("wifi_list")] == ["55", "66"]

    def test_no_address(self, bus, read):
        """
        A network without an address of its own is left out.
        """
        zero = "00:00:00:00:00:00"
        bus.start(
            NAME,
            objects=changed(
                (POINTS[1], f"{NAME}.AccessPoint", "HwAddress", ("s", zero))
            ),
        )

        assert len(read("wifi_list")) == 2

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (of_root("WirelessEnabled", "b", False), "Wi-Fi is off"),
            (of_root("Devices", "ao", [CABLE]), "no Wi-Fi that"),
            (of_root("Devices", "ao", []), "no Wi-Fi that"),
        ],
    )
    def test_no_wifi(self, bus, read, change, reason):
        """
        Without Wi-Fi there is no list.
        """
        bus.start(NAME, objects=changed(change))

        assert reason in reason_of(read("wifi_list"))

    def test_nothing_heard(self, bus, read):
        """
        An empty list is none.
        """
        none = ("ao", [])
        bus.start(
            NAME,
            objects=changed(
                *(
                    (path, f"{NAME}.Device.Wireless", "AccessPoints", none)
                    for path in (CARD, SECOND)
                )
            ),
        )

        reason = reason_of(read("wifi_list"))

        assert reason == "no Wi-Fi network is in reach"

    def test_too_many(self, bus, read):
        """
        A list longer than any place has is none, and is not read.
        """
        heard = ("ao", [f"{ROOT}/AccessPoint/{n}" for n in range(600)])
        journal = bus.start(
            NAME,
            objects=changed(
                (CARD, f"{NAME}.Device.Wireless", "AccessPoints", heard)
            ),
        )

        assert "never says" in reason_of(read("wifi_list"))
        assert "GetAll" not in members(journal)

    def test_too_soon(self, bus, make_permit):
        """
        Asked again at once, NetworkManager is not asked.
        """
        journal = bus.start(NAME, objects=OBJECTS)
        source = WifiListSource(timeout_seconds=PATIENT)
        source.min_interval_seconds = 3600.0
        permit = make_permit("wifi_list")
        assert isinstance(source.read(permit), tuple)
        before = len(calls(journal))

        assert "just asked" in reason_of(source.read(permit))
        assert len(calls(journal)) == before


class TestNothing:
    """
    There is no value, or NetworkManager fails or lies.
    """

    @pytest.mark.parametrize("data_type", [*TYPES, "wifi_list"])
    def test_not_running(self, bus, read, data_type):
        """
        A NetworkManager that does not run is not started.
        """
        journal = bus.offer(NAME, objects=OBJECTS)

        reason = reason_of(read(data_type))

        assert reason == "NetworkManager is not running"
        assert not journal.read_text()

    @pytest.mark.parametrize("name", [b"", b"\0" * 8])
    def test_hidden(self, bus, read, name):
        """
        A network that hides its name has an address and no name.
        """
        bus.start(NAME, objects=changed(of_point("Ssid", "ay", list(name))))

        assert reason_of(read("ssid")) == "the network hides its name"
        assert read("bssid") == "00:1B:21:33:44:55"

    @pytest.mark.parametrize("data_type", ["ssid", "bssid"])
    def test_own_hotspot(self, bus, read, data_type):
        """
        The machine's own hotspot is no network that it is with.
        """
        bus.start(
            NAME,
            objects=changed(
                (CARD, f"{NAME}.Device.Wireless", "Mode", ("u", 3))
            ),
        )

        reason = reason_of(read(data_type))

        assert reason == "this machine is with no Wi-Fi network"

    @pytest.mark.obligation("WP-HASH-3")
    @pytest.mark.parametrize(
        "address",
        [
            "00:00:00:00:00:00",
            "FF:FF:FF:FF:FF:FF",
            "01:00:5E:00:00:01",
            "",
            "unknown",
        ],
    )
    def test_constants(self, bus, read, address):
        """
        What many share, or is none, is not given as an address.
        """
        bus.start(NAME, objects=changed(of_point("HwAddress", "s", address)))

        assert "no address" in reason_of(read("bssid"))

    @pytest.mark.parametrize(
        ("data_type", "change"),
        [
            ("network_status", of_root("State", "u", 71)),
            ("network_status", of_root("State", "s", "70")),
            ("network_type", of_root("PrimaryConnectionType", "u", 5)),
            ("ssid", of_point("Ssid", "ay", list(b"x" * 33))),
            ("ssid", of_point("Ssid", "s", "cafe")),
            ("network_signal_strength", of_point("Strength", "y", 101)),
            ("network_signal_strength", of_point("Strength", "i", -40)),
            ("wifi_list", of_root("Devices", "as", [CARD])),
        ],
    )
    def test_lies(self, bus, read, data_type, change):
        """
        A value that cannot be, or of another type, is none.
        """
        bus.start(NAME, objects=changed(change))

        assert "never says" in reason_of(read(data_type))

    @pytest.mark.parametrize(
        ("name", "pair"),
        [
            ("Strength", ("y", 200)),
            ("Strength", ("i", -40)),
            ("Ssid", ("ay", list(b"x" * 33))),
            ("Ssid", ("s", "cafe")),
            ("Ssid", None),
            ("HwAddress", None),
        ],
    )
    def test_one_odd_point(self, bus, read, name, pair):
        """
        An access point of which something is said that cannot be, or too
        little, is left out of the list; the others are in it.
        """
        objects = changed((POINTS[1], f"{NAME}.AccessPoint", name, pair))
        if pair is None:
            del objects[POINTS[1]][f"{NAME}.AccessPoint"][name]
        bus.start(NAME, objects=objects)

        assert [dict(one) for one in read("wifi_list")] == OWN_LIST[1:]

    def test_only_odd_points(self, bus, read):
        """
        Where all of them are odd, the reason is not that there is none.
        """
        bus.start(
            NAME,
            objects=changed(
                *(
                    (path, f"{NAME}.AccessPoint", "Strength", ("y", 200))
                    for path in POINTS
                )
            ),
        )

        assert "never says" in reason_of(read("wifi_list"))

    def test_state_unknown(self, bus, read):
        """
        A state that NetworkManager itself does not know is none.
        """
        bus.start(NAME, objects=changed(of_root("State", "u", 0)))

        assert "does not know it" in reason_of(read("network_status"))

    @pytest.mark.parametrize(
        ("rules", "reason"),
        [
            ({"Get": "silent"}, "within the deadline"),
            ({"GetAll": "silent"}, "within the deadline"),
            ({"Get Devices": "die"}, "went away"),
            ({"GetAll": "die"}, "went away"),
            ({"Get DeviceType": "odd"}, "never says"),
            ({"GetAll": "huge"}, "never says"),
            ({"Get": "error AccessDenied"}, "does not let"),
            ({"GetAll": "error com.example.00:11"}, "with an error"),
        ],
    )
    @pytest.mark.parametrize("data_type", ["ssid", "wifi_list"])
    def test_fails(self, bus, read, data_type, rules, reason):
        """
        Whichever step fails, and however, the reason says how.
        """
        bus.start(NAME, objects=OBJECTS, rules=rules, secret="00:11")
        seconds = SHORT if "deadline" in reason else PATIENT

        assert reason in reason_of(read(data_type, seconds))


class TestSource:
    """
    What the sources say of themselves, and what they do not do.
    """

    def test_only_reads_properties(self, bus, read):
        """
        No scan is started, and no settings are asked for.
        """
        journal = bus.start(NAME, objects=OBJECTS)
        for data_type in [*TYPES, "wifi_list"]:
            read(data_type)

        assert set(members(journal)) == {"Get", "GetAll"}
        assert not any("Settings" in str(call) for call in calls(journal))

    def test_asks_for_no_more(self, bus, read):
        """
        For the type of the network, nothing else is asked.
        """
        journal = bus.start(NAME, objects=OBJECTS)
        read("network_type")

        assert calls(journal) == [["Get", ROOT, NAME, "PrimaryConnectionType"]]

    @pytest.mark.parametrize("kind", [NetworkManagerSource, WifiListSource])
    @pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), 1e999])
    def test_deadline(self, kind, seconds):
        """
        A deadline is a positive, finite number.
        """
        with pytest.raises(ValueError, match="positive number of seconds"):
            kind(timeout_seconds=seconds)


class TestConformance(SourceConformance):
    """
    NetworkManager keeps what every source keeps.
    """

    within_seconds = PATIENT

    @pytest.fixture(
        autouse=True, params=[NetworkManagerSource, WifiListSource]
    )
    def _manager(self, bus, request) -> None:
        bus.start(NAME, objects=OBJECTS)
        self.kind = request.param

    def make_source(self):
        """
        Make one that asks the fake.
        """
        return self.kind(timeout_seconds=PATIENT)


class TestBad(BadSourceConformance):
    """
    A NetworkManager that is bad shows nothing of what it has.
    """

    within_seconds = PATIENT
    planted = ("00:1B:21:33:44:55", "Küche 厨房")

    @pytest.fixture(
        autouse=True,
        params=[
            {"Get": "error com.example.E"},
            {"Get": "die"},
            {"Get": "odd"},
        ],
    )
    def _manager(self, bus, request) -> None:
        bus.start(
            NAME,
            objects=OBJECTS,
            rules=request.param,
            secret="00:1B:21:33:44:55",
        )

    def make_source(self):
        """
        Make one that asks the fake.
        """
        return NetworkManagerSource(timeout_seconds=PATIENT)


class TestKit:
    """
    What leaves the collector.
    """

    @pytest.mark.parametrize(
        ("data_type", "protect", "expected"),
        [
            ("wifi_list", "local_only", OWN_LIST),
            ("wifi_list", "present", True),
            ("ssid", "present", True),
            ("network_type", "none", "wifi"),
        ],
    )
    def test_protected(self, bus, data_type, protect, expected):
        """
        The policy's protection takes each value as the source gives it.
        """
        bus.start(NAME, objects=OBJECTS)
        assert self.device(data_type, protect)[data_type] == expected

    @pytest.mark.parametrize("data_type", ["ssid", "bssid"])
    def test_pseudonym(self, bus, data_type):
        """
        A name and an address leave as a keyed pseudonym.
        """
        bus.start(NAME, objects=OBJECTS)

        value = str(self.device(data_type, "keyed")[data_type])

        assert re.fullmatch("[0-9a-f]{32,}", value)

    def device(self, data_type, protect):
        """
        Read through a kit whose policy promises *protect*.
        """
        sources = [
            NetworkManagerSource(timeout_seconds=PATIENT),
            WifiListSource(timeout_seconds=PATIENT),
        ]
        with (
            kit_for(data_type, protect=protect, sources=sources) as kit,
            kit.use(FUNCTION) as use,
        ):
            return use.device(data_type)
