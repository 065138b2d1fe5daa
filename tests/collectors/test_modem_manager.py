# SPDX-License-Identifier: MIT

"""
Modem and SIM as ModemManager tells them: a fake one on a private bus.

The numbers are made up: test ranges, with right check digits.
"""

from __future__ import annotations

import copy

from typing import Any

import pytest

from consentkit.anonymise.identifiers import canonical
from consentkit.collectors.modem_manager import ModemManagerSource
from consentkit.collectors.source import Unavailable
from consentkit.testing import BadSourceConformance, SourceConformance
from tests.collectors.dbus.bus import calls, members, private_bus


pytestmark = [
    pytest.mark.need_tool("dbus-daemon"),
    pytest.mark.need_extra("dbus"),
]

NAME = "org.freedesktop.ModemManager1"
ROOT = "/org/freedesktop/ModemManager1"
MODEM, SIM, GSM = f"{NAME}.Modem", f"{NAME}.Sim", f"{NAME}.Modem.Modem3gpp"

#: Deadlines: one that nobody waits for, and one that is waited for.
PATIENT = 120.0
SHORT = 3.0

FIRST, OTHER = f"{ROOT}/Modem/2", f"{ROOT}/Modem/10"
CHIP, SECOND_CHIP = f"{ROOT}/SIM/0", f"{ROOT}/SIM/1"

MODEMS: dict[str, Any] = {
    OTHER: {
        MODEM: {
            "EquipmentIdentifier": ("s", "356938035643809"),
            "Sim": ("o", SECOND_CHIP),
            "UnlockRequired": ("u", 2),
        },
    },
    FIRST: {
        MODEM: {
            "EquipmentIdentifier": ("s", "490154203237518"),
            "OwnNumbers": ("as", ["+15550100"]),
            "Sim": ("o", CHIP),
            "UnlockRequired": ("u", 1),
        },
        GSM: {
            "Imei": ("s", "49 015420 323751 8"),
            "OperatorName": ("s", "Guest Net"),
            "RegistrationState": ("u", 1),
        },
    },
}
SIMS: dict[str, Any] = {
    CHIP: {
        SIM: {
            "Imsi": ("s", "001010123456789"),
            "SimIdentifier": ("s", "8988211000000000017F"),
            "OperatorIdentifier": ("s", "00101"),
            "OperatorName": ("s", "Home Net"),
        }
    },
    SECOND_CHIP: {
        SIM: {
            "Imsi": ("s", "999700000000012"),
            "SimIdentifier": ("s", "8944200000000000023"),
            "OperatorIdentifier": ("s", "99970"),
            "OperatorName": ("s", "Second Net"),
        }
    },
}

EVERYTHING = {
    "carrier": "Home Net",
    "iccid": "8988211000000000017",
    "imei": "490154203237518",
    "imsi": "001010123456789",
    "mcc_mnc": "00101",
    "sim_status": "ready",
}

TYPES = sorted(ModemManagerSource.data_types)
DIGITS = ("49015", "0123456789", "898821", "356938", "99970")


def start(bus, *changes, **told):
    """
    Start a fake ModemManager with changes: path, interface, name, value.

    A value of ``None`` takes the property away.
    """
    objects = copy.deepcopy({**MODEMS, **SIMS})
    for path, interface, name, pair in changes:
        if pair is None:
            del objects[path][interface][name]
        else:
            objects[path][interface][name] = pair
    return bus.start(NAME, objects=objects, secret="490154203237518", **told)


def second_modem_gone(objects: dict[str, Any]) -> dict[str, Any]:
    """
    Leave the first modem alone.
    """
    return {k: v for k, v in objects.items() if k not in {OTHER, SECOND_CHIP}}


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
    Read one type.
    """

    def read_one(data_type: str, seconds: float = PATIENT) -> Any:
        source = ModemManagerSource(timeout_seconds=seconds)
        return source.read(make_permit(data_type))

    return read_one


def reason_of(answer) -> str:
    """
    Give the reason of an answer without a value.
    """
    assert isinstance(answer, Unavailable), "a value was given"
    assert not any(digits in answer.reason for digits in DIGITS)
    return answer.reason


class TestModem:
    """
    What there is, is told.
    """

    def test_every_type(self, bus, read):
        """
        Each type gives what the first modem and its SIM have.
        """
        start(bus)

        assert {t: read(t) for t in TYPES} == EVERYTHING

    @pytest.mark.parametrize("data_type", ["imei", "imsi", "iccid"])
    def test_one_spelling(self, bus, read, data_type):
        """
        What is given is what the protection would digest.
        """
        start(bus)

        found = read(data_type)

        assert canonical(data_type, found) == found

    def test_equipment_identifier(self, bus, read):
        """
        Where the modem has no 3GPP part, its own identifier is the IMEI.
        """
        start(bus, (FIRST, GSM, "Imei", None))

        assert read("imei") == "490154203237518"

    def test_first_that_tells(self, bus, read):
        """
        A modem without a usable IMEI is passed over for the next.
        """
        start(
            bus,
            (FIRST, GSM, "Imei", ("s", "000000000000000")),
            (FIRST, MODEM, "EquipmentIdentifier", ("s", "")),
        )

        assert read("imei") == "356938035643809"

    @pytest.mark.parametrize(
        ("state", "expected"), [(1, "Guest Net"), (5, "Second Net")]
    )
    def test_carrier_at_home(self, bus, read, state, expected):
        """
        The network's name stands for the SIM's at home, not while roaming.
        """
        start(
            bus,
            (CHIP, SIM, "OperatorName", ("s", " ")),
            (FIRST, GSM, "RegistrationState", ("u", state)),
        )

        assert read("carrier") == expected

    @pytest.mark.parametrize(
        ("name", "pair", "expected"),
        [
            ("Sim", ("o", "/"), "absent"),
            ("UnlockRequired", ("u", 2), "locked"),
            ("UnlockRequired", ("u", 17), "locked"),
        ],
    )
    def test_sim_status(self, bus, read, name, pair, expected):
        """
        A SIM is ready, locked or absent.
        """
        start(bus, (FIRST, MODEM, name, pair))

        assert read("sim_status") == expected

    def test_letters_in_iccid(self, bus, read):
        """
        Letters that some carriers use stay; what fills up goes.
        """
        number = "89860000AB123456789"
        start(bus, (CHIP, SIM, "SimIdentifier", ("s", f"{number}f".lower())))

        assert read("iccid") == number


class TestNothing:
    """
    There is no value, or ModemManager fails or lies.
    """

    @pytest.mark.obligation("WP-HASH-3")
    @pytest.mark.parametrize(
        ("data_type", "interface", "name", "constant"),
        [
            ("imei", MODEM, "EquipmentIdentifier", "000000000000000"),
            ("imei", MODEM, "EquipmentIdentifier", "490154203237519"),
            ("imei", MODEM, "EquipmentIdentifier", "358240051111110"),
            ("imei", MODEM, "EquipmentIdentifier", "unknown"),
            ("imei", MODEM, "EquipmentIdentifier", "x" * 5000),
            ("imsi", SIM, "Imsi", "000000000000000"),
            ("imsi", SIM, "Imsi", "12345"),
            ("imsi", SIM, "Imsi", "٠٠١٠١٠١٢٣٤٥٦٧٨٩"),
            ("imsi", SIM, "Imsi", ""),
            ("iccid", SIM, "SimIdentifier", "0" * 19),
            ("iccid", SIM, "SimIdentifier", "89" + "0" * 17),
            ("iccid", SIM, "SimIdentifier", "8" * 40),
            ("mcc_mnc", SIM, "OperatorIdentifier", "0000"),
            ("mcc_mnc", SIM, "OperatorIdentifier", "00000"),
            ("carrier", SIM, "OperatorName", "a\x07b"),
            ("carrier", SIM, "OperatorName", "x" * 500),
        ],
    )
    def test_constants(self, bus, read, data_type, interface, name, constant):
        """
        A constant, or what is none of its kind, is unavailable.
        """
        path = FIRST if interface == MODEM else CHIP
        objects = copy.deepcopy(second_modem_gone({**MODEMS, **SIMS}))
        objects[path][interface][name] = ("s", constant)
        del objects[FIRST][GSM]
        bus.start(NAME, objects=objects)

        reason = reason_of(read(data_type))

        assert reason == "no modem tells one that can be used"

    @pytest.mark.parametrize("data_type", TYPES)
    def test_no_modem(self, bus, read, data_type):
        """
        Without a modem there is nothing.
        """
        bus.start(NAME, objects={})

        assert reason_of(read(data_type)) == "ModemManager knows no modem"

    @pytest.mark.parametrize("data_type", TYPES)
    def test_not_running(self, bus, read, data_type):
        """
        A ModemManager that does not run is not started.
        """
        journal = bus.offer(NAME, objects=MODEMS)

        reason = reason_of(read(data_type))

        assert reason == "ModemManager is not running"
        assert not journal.read_text()

    @pytest.mark.parametrize("data_type", ["imsi", "iccid", "mcc_mnc"])
    def test_sim_pulled_out(self, bus, read, data_type):
        """
        Without a SIM, or with one that is gone meanwhile, there is nothing.
        """
        objects = copy.deepcopy(second_modem_gone({**MODEMS, **SIMS}))
        del objects[CHIP]
        bus.start(NAME, objects=objects)

        assert "can be used" in reason_of(read(data_type))

    @pytest.mark.parametrize(
        ("data_type", "path", "interface", "name", "pair"),
        [
            ("imei", FIRST, GSM, "Imei", ("t", 490154203237518)),
            ("imsi", CHIP, SIM, "Imsi", ("as", ["001010123456789"])),
            ("imsi", FIRST, MODEM, "Sim", ("s", "no path")),
            ("sim_status", FIRST, MODEM, "UnlockRequired", ("s", "1")),
        ],
    )
    def test_lies(self, bus, read, data_type, path, interface, name, pair):
        """
        A value of another type is none.
        """
        objects = copy.deepcopy(second_modem_gone({**MODEMS, **SIMS}))
        objects[path][interface][name] = pair
        bus.start(NAME, objects=objects)

        assert "never says" in reason_of(read(data_type))

    @pytest.mark.parametrize(
        ("path", "name", "pair"),
        [
            (FIRST, "Sim", ("s", "no path")),
            (CHIP, "Imsi", ("as", ["001010123456789"])),
            (CHIP, "Imsi", ("v", ("s", "001010123456789"))),
        ],
    )
    def test_odd_modem_before_a_sound_one(self, bus, read, path, name, pair):
        """
        A modem of which something is said that cannot be hides no other.
        """
        interface = MODEM if path == FIRST else SIM
        start(bus, (path, interface, name, pair))

        assert read("imsi") == "999700000000012"

    @pytest.mark.parametrize(
        ("rules", "reason"),
        [
            ({"GetManagedObjects": "silent"}, "within the deadline"),
            ({"Get Imsi": "silent"}, "within the deadline"),
            ({"GetManagedObjects": "die"}, "went away"),
            ({"Get Imsi": "die"}, "went away"),
            ({"GetManagedObjects": "odd"}, "never says"),
            ({"GetManagedObjects": "huge"}, "never says"),
            ({"Get Imsi": "odd"}, "never says"),
            ({"Get Imsi": "error AccessDenied"}, "does not let"),
            ({"Get Imsi": "error com.example.E"}, "with an error"),
        ],
    )
    def test_fails(self, bus, read, rules, reason):
        """
        Whichever step fails, and however, the reason says how.
        """
        start(bus, rules=rules)
        seconds = SHORT if "deadline" in reason else PATIENT

        assert reason in reason_of(read("imsi", seconds))


class TestSource:
    """
    What the source says of itself, and what it does not do.
    """

    def test_only_reads(self, bus, read):
        """
        Nothing is called but the list, and the properties of the SIM that
        are needed.
        """
        journal = start(bus)
        read("imei")
        assert members(journal) == ["GetManagedObjects"]
        read("imsi")

        assert calls(journal)[-1] == ["Get", CHIP, SIM, "Imsi"]
        assert set(members(journal)) == {"GetManagedObjects", "Get"}

    def test_value_in_no_text(self, bus, make_permit):
        """
        What was read is in neither the source's repr nor its attributes.
        """
        start(bus)
        source = ModemManagerSource(timeout_seconds=PATIENT)
        source.read(make_permit("imei"))

        assert "49015" not in repr(source)
        assert "49015" not in repr(vars(source))

    @pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), 1e999])
    def test_deadline(self, seconds):
        """
        A deadline is a positive, finite number.
        """
        with pytest.raises(ValueError, match="positive number of seconds"):
            ModemManagerSource(timeout_seconds=seconds)


class TestConformance(SourceConformance):
    """
    ModemManager keeps what every source keeps.
    """

    within_seconds = PATIENT

    @pytest.fixture(autouse=True)
    def _manager(self, bus) -> None:
        start(bus)

    def make_source(self):
        """
        Make one that asks the fake.
        """
        return ModemManagerSource(timeout_seconds=PATIENT)


class TestBad(BadSourceConformance):
    """
    A ModemManager that is bad shows nothing of what it has.
    """

    within_seconds = PATIENT
    planted = ("490154203237518", "001010123456789", "8988211000000000017")

    @pytest.fixture(
        autouse=True,
        params=[
            {"GetManagedObjects": "error com.example.E"},
            {"GetManagedObjects": "die"},
            {"GetManagedObjects": "odd"},
        ],
    )
    def _manager(self, bus, request) -> None:
        start(bus, rules=request.param)

    def make_source(self):
        """
        Make one that asks the fake.
        """
        return ModemManagerSource(timeout_seconds=PATIENT)
