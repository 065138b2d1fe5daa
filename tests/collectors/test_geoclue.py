# SPDX-License-Identifier: MIT

"""
Fixes from GeoClue2: a fake one on a private bus, and from Qt's own client.
"""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import threading
import time

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.collectors.geoclue import AccuracyLevel, GeoClueSource
from consentkit.collectors.location import Fix
from consentkit.collectors.permissions import PermissionBook
from consentkit.collectors.source import Unavailable
from consentkit.gate import OSPermission
from consentkit.policy.model import Protection, ProtectionName
from consentkit.testing import BadSourceConformance, SourceConformance
from tests.collectors.dbus.bus import calls, members, private_bus, until
from tests.support import say_yes, small


pytestmark = [
    pytest.mark.need_tool("dbus-daemon"),
    pytest.mark.need_extra("dbus"),
]

NAME = "org.freedesktop.GeoClue2"
APP = "com.example.Camera"

#: Deadlines: one that nobody waits for, and one that is waited for.
PATIENT = 120.0
SHORT = 3.0

#: 2026-03-04T05:06:07.5Z, and where; no reason may hold these digits.
PLACE: dict[str, Any] = {
    "Latitude": ("d", 48.1173),
    "Longitude": ("d", 11.516667),
    "Accuracy": ("d", 12.5),
    "Altitude": ("d", 500.0),
    "Speed": ("d", -1.0),
    "Heading": ("d", -1.0),
    "Description": ("s", "GPS"),
    "Timestamp": ("(tt)", [1772600767, 500_000]),
}
FAR = {**PLACE, "Latitude": ("d", 48.0), "Accuracy": ("d", 3000.0)}

#: A place for whoever asks for the exact one, and for a neighbourhood.
PLACES = {"8": PLACE, "5": FAR}


@pytest.fixture
def bus(monkeypatch):
    """
    Give a private bus, which is the system bus of this test.
    """
    with private_bus() as found:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", found.address)
        yield found


@pytest.fixture
def permit(make_permit):
    """
    Give a permit for the precise place.
    """
    return make_permit("location_precise")


def geoclue(bus, *, rules=None, **told):
    """
    Start a fake GeoClue; give its journal.
    """
    return bus.start(
        NAME,
        kind="geoclue",
        geoclue={"places": PLACES, **told},
        rules=rules or {},
        secret="48.1173",
    )


def make(desktop_id: str = "", seconds: float = PATIENT) -> GeoClueSource:
    """
    Make a source that takes a place of any time.
    """
    return GeoClueSource(
        desktop_id, timeout_seconds=seconds, max_age_seconds=math.inf
    )


def reason_of(answer) -> str:
    """
    Give the reason of an answer without a value.
    """
    assert isinstance(answer, Unavailable), "a value was given"
    assert "48.1" not in answer.reason
    return answer.reason


class TestFix:
    """
    GeoClue answers.
    """

    def test_exact(self, bus, permit):
        """
        The precise place comes whole: place, accuracy, time, system.
        """
        journal = geoclue(bus)

        fix = make(APP, PATIENT).read(permit)

        assert fix == Fix(
            latitude=48.1173,
            longitude=11.516667,
            accuracy_m=12.5,
            time=datetime(2026, 3, 4, 5, 6, 7, 500_000, tzinfo=UTC),
            crs="wgs84",
        )
        asked = {c[3]: str(c[4]) for c in calls(journal) if c[0] == "Set"}
        assert APP in asked["DesktopId"]
        assert (
            str(AccuracyLevel.EXACT.value) in asked["RequestedAccuracyLevel"]
        )

    def test_coarse_asks_for_less(self, bus, make_permit):
        """
        For the coarse place GeoClue is asked for a neighbourhood only.
        """
        geoclue(bus)

        fix = make(APP, PATIENT).read(make_permit("location_coarse"))

        assert isinstance(fix, Fix)
        assert (fix.latitude, fix.accuracy_m) == (48.0, 3000.0)

    def test_capped(self, bus, permit):
        """
        Where the person allows less, the fix says how coarse it is.
        """
        geoclue(bus, most=5)

        fix = make(APP, PATIENT).read(permit)

        assert isinstance(fix, Fix)
        assert fix.accuracy_m == 3000.0

    @pytest.mark.parametrize("gets", ["a place", "no place"])
    def test_lets_go(self, bus, permit, gets):
        """
        The client is stopped and deleted, whether there was a place or not.
        """
        if gets == "a place":
            journal = geoclue(bus)
        else:
            journal = geoclue(bus, places={})

        make(APP, SHORT).read(permit)

        until(lambda: members(journal)[-2:] == ["Stop", "DeleteClient"])

    def test_started_by_the_bus(self, bus, permit):
        """
        A GeoClue that does not run is started by the read, not before.
        """
        journal = bus.offer(NAME, kind="geoclue", geoclue={"places": PLACES})
        source = make(APP, PATIENT)
        assert not journal.read_text()

        assert isinstance(source.read(permit), Fix)
        assert "Start" in members(journal)

    def test_replaced(self, bus, permit):
        """
        A place that is gone when it is asked for is followed by the next.
        """
        geoclue(bus, replaced=True)

        assert isinstance(make(APP, PATIENT).read(permit), Fix)

    def test_impostor(self, bus, permit):
        """
        Places that another program tells of in GeoClue's name are not taken.
        """
        journal = geoclue(bus, places={})
        bus.start(
            "com.example.Impostor",
            kind="impostor",
            geoclue={"places": {"8": PLACE}},
        )

        answer = make(APP, SHORT).read(permit)

        assert "within the deadline" in reason_of(answer)
        assert "Start" in members(journal)
        assert "GetAll" not in members(journal)

    def test_no_time(self, bus, permit):
        """
        A time of zero is no time.
        """
        place = {**PLACE, "Timestamp": ("(tt)", [0, 0])}
        geoclue(bus, places={"8": place})

        fix = GeoClueSource(APP, timeout_seconds=PATIENT).read(permit)

        assert isinstance(fix, Fix)
        assert fix.time is None

    @pytest.mark.parametrize(
        ("since", "reason"),
        [
            (timedelta(seconds=20), ""),
            (timedelta(hours=1), "GeoClue2 gave a place of the past"),
            (timedelta(hours=-1), "GeoClue2 gave a place of the future"),
        ],
    )
    def test_time(self, bus, permit, since, reason):
        """
        A place of another time than now is none.
        """
        at = int((datetime.now(UTC) - since).timestamp())
        place = {**PLACE, "Timestamp": ("(tt)", [at, 0])}
        geoclue(bus, places={"8": place})

        answer = GeoClueSource(APP, timeout_seconds=PATIENT).read(permit)

        assert isinstance(answer, Fix) == (not reason)
        assert not reason or reason_of(answer) == reason

    @pytest.mark.parametrize(
        ("cell_km", "level", "accuracy_m"),
        [
            (2.0, AccuracyLevel.STREET, 900.0),
            (5.0, AccuracyLevel.NEIGHBORHOOD, 3000.0),
            (20.0, AccuracyLevel.CITY, 15_000.0),
        ],
    )
    def test_as_exact_as_the_cell(
        self, bus, make_permit, cell_km, level, accuracy_m
    ):
        """
        For a cell, GeoClue is asked for the least level that fits into it;
        a place that it knows less exactly than that is none.
        """
        grid = Protection(name=ProtectionName.GRID, cell_km=cell_km)
        permit = make_permit("location_coarse", grid)
        place = {**PLACE, "Accuracy": ("d", accuracy_m)}
        far = {**PLACE, "Accuracy": ("d", 1000 * cell_km + 1)}
        geoclue(bus, places={str(level.value): place, "8": far})

        assert isinstance(make(APP).read(permit), Fix)
        precise = make_permit("location_precise", grid)
        assert "less exactly" in reason_of(make(APP).read(precise))

    def test_too_soon(self, bus, permit):
        """
        Asked again at once, GeoClue is not asked.
        """
        journal = geoclue(bus)
        source = make(APP, PATIENT)
        source.min_interval_seconds = 3600.0
        source.read(permit)

        assert "just asked" in reason_of(source.read(permit))
        assert members(journal).count("Start") == 1


class TestNoFix:
    """
    GeoClue refuses, is absent, goes away, is silent, or lies.
    """

    def test_no_bus(self, monkeypatch, permit, tmp_path):
        """
        Without a system bus there is no place, and no error.
        """
        monkeypatch.setenv(
            "DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none"
        )

        answer = make(APP, PATIENT).read(permit)

        assert reason_of(answer) == "the system bus does not answer"

    def test_not_installed(self, bus, permit):
        """
        Where GeoClue is not installed, the reason says so.
        """
        answer = make(APP, PATIENT).read(permit)

        assert reason_of(answer) == "GeoClue2 is not running"

    def test_denied(self, bus, permit):
        """
        A no of the system is told as one, and the client is let go.
        """
        journal = geoclue(bus, rules={"Start": "error AccessDenied"})

        answer = make(APP, PATIENT).read(permit)

        assert "does not let this app know the place" in reason_of(answer)
        assert "GetAll" not in members(journal)
        until(lambda: members(journal)[-1] == "DeleteClient")

    @pytest.mark.parametrize(
        ("rules", "reason"),
        [
            ({"GetClient": "die"}, "went away"),
            ({"Start": "die"}, "went away"),
            ({"GetAll": "die"}, "went away"),
            ({"GetClient": "silent"}, "within the deadline"),
            ({"Start": "silent"}, "within the deadline"),
            ({"GetAll": "silent"}, "within the deadline"),
            ({"GetClient": "odd"}, "never says"),
            ({"Start": "odd"}, "never says"),
            ({"GetAll": "odd"}, "never says"),
            ({"GetAll": "huge"}, "never says"),
            ({"GetClient": "error Failed"}, "answered with an error"),
            ({"Start": "error com.example.48"}, "answered with an error"),
            ({"Set": "error UnknownProperty"}, "does not know it"),
        ],
    )
    def test_fails(self, bus, permit, rules, reason):
        """
        Whichever step fails, and however, the reason says how.
        """
        geoclue(bus, rules=rules)
        seconds = SHORT if "deadline" in reason else PATIENT

        answer = make(APP, seconds).read(permit)

        assert reason in reason_of(answer)

    def test_vanishes(self, bus, permit):
        """
        A GeoClue that goes away before it has a place is not waited for.
        """
        geoclue(bus, places={}, after=0.2)
        begin = time.monotonic()

        answer = make(APP, 600.0).read(permit)

        assert "went away" in reason_of(answer)
        assert time.monotonic() - begin < 300

    @pytest.mark.parametrize(
        ("name", "lie"),
        [
            ("Latitude", ("d", 90.0625)),
            ("Latitude", ("d", float("nan"))),
            ("Longitude", ("d", float("inf"))),
            ("Longitude", ("d", -180.0625)),
            ("Accuracy", ("d", -1.0)),
            ("Accuracy", ("d", float("nan"))),
            ("Timestamp", ("(tt)", [2**39, 0])),
            ("Timestamp", ("(tt)", [2**63, 0])),
            ("Timestamp", ("(tt)", [1772600767, 2_000_000])),
            ("Latitude", ("s", "48.1173")),
            ("Longitude", ("v", ("d", 11.5))),
        ],
    )
    def test_lies(self, bus, permit, name, lie):
        """
        A place that cannot be, or is no number, is no place.
        """
        geoclue(bus, places={"8": {**PLACE, name: lie}})

        reason = reason_of(make(APP, PATIENT).read(permit))

        assert "that cannot be" in reason or "never says" in reason

    def test_place_without_latitude(self, bus, permit):
        """
        A place of which a part is missing is no place.
        """
        half = {k: v for k, v in PLACE.items() if k != "Latitude"}
        geoclue(bus, places={"8": half})

        reason = reason_of(make(APP, PATIENT).read(permit))

        assert reason == "GeoClue2 does not know it"


class Listener:
    """
    Something that listens where the system bus should.
    """

    def __init__(self, path, says):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        self.says = says
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        """
        Say the same to everybody, and then nothing.
        """
        try:
            connection, _ = self.socket.accept()
            with connection:
                for said in self.says:
                    connection.recv(4096)
                    connection.sendall(said)
                while connection.recv(4096):
                    pass
        except OSError:
            pass

    def close(self):
        """
        Stop listening.
        """
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(60)


OK = b"OK 0123456789abcdef0123456789abcdef\r\n"


class TestBrokenBus:
    """
    What answers is no bus.
    """

    @pytest.mark.parametrize(
        ("says", "reason"),
        [
            ([], "within the deadline"),
            ([OK], "within the deadline"),
            ([b"REJECTED\r\n"], "bus does not answer"),
            ([b"\xff" * 9000], "bus does not answer"),
            ([OK, b"HTTP/1.1 400 Bad Request\r\n\r\n"], "never says"),
            ([OK, b"l\x02\x01\x01" + b"\xff" * 200], "within the deadline"),
            ([OK, b"l\x09\x01\x01" + b"\x00" * 200], "never says"),
            ([OK, b"l\x02\x01\x01" + b"\xff" * 2_000_000], "never says"),
        ],
    )
    def test_noise(self, monkeypatch, permit, says, reason):
        """
        Silence and noise give no place, within the deadline.
        """
        with private_bus() as own:
            path = str(own.folder / "noise")
            listener = Listener(path, says)
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
            seconds = SHORT if "deadline" in reason else PATIENT
            source = make(APP, seconds)
            try:
                answer = source.read(permit)
            finally:
                listener.close()

        assert reason in reason_of(answer)

    @pytest.mark.parametrize(
        "address", ["", "nonsense", "tcp:host=127.0.0.1,port=1", "unix:x=y"]
    )
    def test_address(self, monkeypatch, permit, address):
        """
        An address that is none, or of another kind, is no bus.
        """
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address or "unix:")

        answer = make(APP, PATIENT).read(permit)

        assert reason_of(answer) == "the system bus does not answer"


class TestPermission:
    """
    What the system lets the app do, as far as GeoClue tells.
    """

    def test_unknown_before(self):
        """
        Before GeoClue was started nothing is known of its answer.
        """
        source = make(APP, PATIENT)

        assert source.permission is OSPermission.UNKNOWN
        assert source.permission_time is None

    @pytest.mark.parametrize(
        ("rules", "expected"),
        [
            ({}, OSPermission.GRANTED),
            ({"Start": "error AccessDenied"}, OSPermission.DENIED),
            ({"Start": "silent"}, OSPermission.UNKNOWN),
            ({"Start": "error Failed"}, OSPermission.UNKNOWN),
            ({"GetClient": "error AccessDenied"}, OSPermission.RESTRICTED),
        ],
    )
    def test_after_a_read(self, bus, permit, rules, expected):
        """
        A read learns what GeoClue answers to it, and when.
        """
        geoclue(bus, rules=rules)
        seconds = SHORT if "silent" in rules.values() else PATIENT
        source = make(APP, seconds)
        before = datetime.now(UTC)

        source.read(permit)

        assert source.permission is expected
        if expected is OSPermission.UNKNOWN:
            assert source.permission_time is None
        else:
            assert source.permission_time is not None
            assert source.permission_time >= before

    def test_asking_reads_no_place(self, bus):
        """
        Asking for the permission learns the answer and no place.
        """
        journal = geoclue(bus)
        source = make(APP, PATIENT)

        assert source.ask_permission() is OSPermission.GRANTED
        until(lambda: members(journal)[-1] == "DeleteClient")
        assert "GetAll" not in members(journal)
        assert "Get" not in members(journal)
        assert source.reads == 0

    def test_change_takes_effect(self, bus, permit, monkeypatch):
        """
        A permission that is taken away is noticed by the next read.
        """
        geoclue(bus)
        source = make(APP, PATIENT)
        source.min_interval_seconds = 0.0
        source.read(permit)
        answers = [source.permission]
        with private_bus() as other:
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", other.address)
            geoclue(other, rules={"Start": "error AccessDenied"})

            answer = source.read(permit)

        assert "does not let" in reason_of(answer)
        answers.append(source.permission)
        assert answers == [OSPermission.GRANTED, OSPermission.DENIED]

    def test_kept_while_silent(self, bus, monkeypatch):
        """
        A GeoClue that does not answer changes nothing of what it said.
        """
        geoclue(bus, rules={"Start": "once error AccessDenied"})
        source = make(APP, PATIENT)
        source.ask_permission()
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")

        assert source.ask_permission() is OSPermission.DENIED

    def test_policy_of_the_bus(self, monkeypatch, permit):
        """
        A bus that lets the app not even ask restricts it.
        """
        rule = f'<deny send_destination="{NAME}"/>'
        with private_bus(rule) as own:
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", own.address)
            geoclue(own)
            source = make(APP, PATIENT)
            answer = source.read(permit)

        assert "does not let" in reason_of(answer)
        assert source.permission is OSPermission.RESTRICTED


class TestSource:
    """
    What the source says of itself, and what it does not do.
    """

    def test_nothing_before_a_read(self, bus):
        """
        Made and looked at, the source has asked nothing of the bus.
        """
        journal = geoclue(bus)

        assert "GeoClue2" in repr(make(APP, PATIENT))
        assert members(journal) == []

    def test_no_import_before_a_read(self):
        """
        Neither the library nor a socket is there before a read.
        """
        code = (
            "import sys\n"
            "from consentkit.collectors.geoclue import GeoClueSource\n"
            "GeoClueSource('com.example.Camera')\n"
            "print('jeepney' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
        )

        assert done.stdout.strip() == "False"

    def test_missing_library(self):
        """
        Where the library is missing, the read says which extra to install.
        """
        code = (
            "import sys\n"
            "sys.modules['jeepney'] = None\n"
            "from consentkit.collectors.geoclue import GeoClueSource\n"
            "from consentkit.exceptions import MissingExtraError\n"
            "from consentkit.testing import permit_for\n"
            "source = GeoClueSource('com.example.Camera')\n"
            "try:\n"
            "    with permit_for('location_precise') as permit:\n"
            "        source.read(permit)\n"
            "except MissingExtraError as error:\n"
            "    print(error)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
        )

        assert "consentkit[dbus]" in done.stdout

    @pytest.mark.parametrize(
        "desktop_id",
        ["camera.desktop", "/usr/share/x", "a b", "a" * 300, "é"],
    )
    def test_desktop_id(self, desktop_id):
        """
        What is no name of a desktop file is refused with the cure.
        """
        with pytest.raises(ValueError, match=r"without \.desktop"):
            GeoClueSource(desktop_id)

    def test_launched_by_the_desktop(self, bus, permit, monkeypatch):
        """
        An app that names nothing is known by the file it was launched by.
        """
        journal = geoclue(bus)
        file = "/usr/share/applications/com.example.Doorbell.desktop"
        monkeypatch.setenv("GIO_LAUNCHED_DESKTOP_FILE", file)
        monkeypatch.setenv("GIO_LAUNCHED_DESKTOP_FILE_PID", str(os.getpid()))

        fix = make().read(permit)

        assert isinstance(fix, Fix)
        asked = [str(c) for c in calls(journal) if c[0] == "Set"]
        assert any(
            "com.example.Doorbell'" in c.replace(")", "'") for c in asked
        )

    @pytest.mark.parametrize("of", ["nobody", "the parent", "no desktop file"])
    def test_nameless(self, bus, permit, monkeypatch, of):
        """
        An app that nobody names asks GeoClue nothing, and hears the cure.
        """
        journal = geoclue(bus)
        monkeypatch.delenv("GIO_LAUNCHED_DESKTOP_FILE", raising=False)
        monkeypatch.delenv("GIO_LAUNCHED_DESKTOP_FILE_PID", raising=False)
        if of != "nobody":
            pid = os.getppid() if of == "the parent" else os.getpid()
            file = "/tmp/x.desktop" if of == "the parent" else "/tmp/x y"
            monkeypatch.setenv("GIO_LAUNCHED_DESKTOP_FILE", file)
            monkeypatch.setenv("GIO_LAUNCHED_DESKTOP_FILE_PID", str(pid))
        source = make()

        assert "desktop file" in reason_of(source.read(permit))
        assert source.ask_permission() is OSPermission.UNKNOWN
        assert members(journal) == []

    @pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), 1e999])
    def test_deadline(self, seconds):
        """
        A deadline is a positive, finite number.
        """
        with pytest.raises(ValueError, match="positive number of seconds"):
            GeoClueSource(APP, timeout_seconds=seconds)

    def test_keeps_no_handle(self, bus, permit):
        """
        A read leaves no connection behind, whether it succeeds or fails.
        """
        geoclue(bus, rules={"GetAll": "once error AccessDenied"})
        source = make(APP, PATIENT)
        source.min_interval_seconds = 0.0
        source.read(permit)
        handles = Path("/proc/self/fd")
        before = len(list(handles.iterdir()))
        for _ in range(5):
            source.read(permit)

        assert len(list(handles.iterdir())) == before


class TestConformance(SourceConformance):
    """
    GeoClue2 keeps what every source keeps.
    """

    within_seconds = PATIENT

    @pytest.fixture(autouse=True)
    def _geoclue(self, bus) -> None:
        geoclue(bus)

    def make_source(self):
        """
        Make one that asks the fake.
        """
        return make(APP, PATIENT)


class TestBad(BadSourceConformance):
    """
    A GeoClue2 that is bad shows nothing of the place that it has.
    """

    within_seconds = PATIENT
    planted = ("48.1173", "11.516667")

    @pytest.fixture(
        autouse=True,
        params=[
            {"GetAll": "error com.example.48"},
            {"GetAll": "odd"},
            {"Start": "error AccessDenied"},
        ],
    )
    def _geoclue(self, bus, request) -> None:
        geoclue(bus, rules=request.param)

    def make_source(self):
        """
        Make one that asks the fake.
        """
        return make(APP, PATIENT)


class TestKit:
    """
    Consent and the system's permission, both of them.
    """

    @pytest.mark.obligation("WP-PERM-2")
    def test_both_are_needed(self, bus, tmp_path):
        """
        Consent opens nothing until GeoClue lets the app; then a cell comes,
        until GeoClue says no: from then on it is not asked.
        """
        journal = geoclue(
            bus,
            rules={"Start": "then then error AccessDenied"},
            places={"5": PLACE, "8": PLACE},
        )
        source = make(APP, PATIENT)
        source.min_interval_seconds = 0.0
        book = PermissionBook(own={"location": lambda: source.permission})
        answers = []
        with consentkit.open(
            small(),
            data_dir=tmp_path,
            sources=[source],
            os_permission=book,
        ) as kit:
            for element in small().elements:
                say_yes(kit.consent, element)
            with kit.use("connect") as use:
                answers.append(use.location("location_precise"))
                assert members(journal) == []
                source.ask_permission()
                answers += [use.location("location_precise") for _ in range(3)]

        unasked, place, denied, refused = answers
        assert unasked.reason is consentkit.Reason.OS_PERMISSION
        assert place.cell_km == 2.0
        assert place.latitude != 48.1173
        assert "does not let" in reason_of(denied)
        assert refused.reason is consentkit.Reason.OS_PERMISSION
        assert source.reads == 2
        assert members(journal).count("Start") == 3


QT = """
import json, sys
from PySide6.QtCore import QCoreApplication, QTimer
from PySide6.QtPositioning import QGeoPositionInfoSource

app = QCoreApplication([])
app.setApplicationName("com.example.Camera")
source = QGeoPositionInfoSource.createSource(
    "geoclue2", {"desktopId": "com.example.Camera"}, app
)
def found(info):
    place = info.coordinate()
    print(json.dumps([place.latitude(), place.longitude()]), flush=True)
    app.quit()
def failed(error):
    print(json.dumps(str(error)), flush=True)
    app.quit()
source.positionUpdated.connect(found)
source.errorOccurred.connect(failed)
source.setPreferredPositioningMethods(
    QGeoPositionInfoSource.PositioningMethod.AllPositioningMethods
)
QTimer.singleShot(60_000, app.quit)
source.startUpdates()
app.exec()
"""


@pytest.mark.need_extra("qt")
class TestQt:
    """
    Qt's own client of GeoClue speaks with the same fake.
    """

    @pytest.mark.parametrize("answer", ["granted", "denied"])
    def test_same_answer(self, bus, permit, answer):
        """
        Qt gets the same place, or no, from the fake as our client gets.
        """
        rules = {} if answer == "granted" else {"Start": "error AccessDenied"}
        every = dict.fromkeys(["1", "4", "5", "6", "8"], PLACE)
        geoclue(bus, places=every, rules=rules)

        done = subprocess.run(
            [sys.executable, "-c", QT],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        )
        ours = make(APP, PATIENT).read(permit)

        theirs = json.loads(done.stdout)
        if answer == "granted":
            assert isinstance(ours, Fix)
            assert theirs == [ours.latitude, ours.longitude]
        else:
            assert "AccessError" in theirs
            assert "does not let" in reason_of(ours)
