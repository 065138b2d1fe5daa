# SPDX-License-Identifier: MIT

"""
A permission of the system that is taken away while an app reads on and on.

Each source is read nine times through a real kit, and the permission is gone
for the middle three: their values are refused, the far side is not asked, and
the ledger has the cause.

Android, GPX and the journal have the same test beside their other ones.
"""

from __future__ import annotations

import socket
import threading

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.anonymise.observations import Location
from consentkit.collectors.clipboard import FileClipboard
from consentkit.collectors.geoclue import GeoClueSource
from consentkit.collectors.gpsd import GpsdSource
from consentkit.collectors.location import CallableLocation, TrackSource
from consentkit.collectors.nmea import checksum
from consentkit.collectors.permissions import (
    PermissionAdapter,
    PermissionBook,
)
from consentkit.gate import OSPermission, Reason
from consentkit.ledger.entries import Act
from tests.collectors.dbus.bus import members, private_bus
from tests.collectors.test_qt import PLACE as QT
from tests.collectors.test_qt import run_app
from tests.support import say_yes, small


#: What came of nine reads, of which the middle three were not allowed.
CUT = [True] * 3 + [False] * 3 + [True] * 3


class Desk(PermissionAdapter):
    """
    A system of which a test says what it answers.
    """

    name = "a test"
    blocks = False
    answer = OSPermission.GRANTED

    def ask(self, permission: str) -> OSPermission:
        return self.answer


def read_on(
    source: Any, folder: Path, asked: Callable[[], int]
) -> tuple[list[bool], list[int]]:
    """
    Read *source* nine times; tell which gave a place, and how often the far
    side was asked by then.
    """
    desk = Desk()
    places, counts = [], []
    with consentkit.open(
        small(),
        data_dir=folder,
        sources=[source],
        os_permission=PermissionBook(desk),
    ) as kit:
        for element in ("connect", "connect/location_precise"):
            say_yes(kit.consent, element)
        with kit.use("connect") as use:
            for is_allowed in CUT:
                desk.answer = (
                    OSPermission.GRANTED if is_allowed else OSPermission.DENIED
                )
                answer = use.location()
                if not is_allowed:
                    assert isinstance(answer, consentkit.Refusal)
                    assert answer.reason is Reason.OS_PERMISSION
                places.append(isinstance(answer, Location))
                counts.append(asked())
        assert causes_of(kit) == ["os_permission location: denied"]
    return places, counts


def causes_of(kit: consentkit.Kit) -> list[str]:
    """
    Give what the ledger has of why something was stopped.
    """
    causes = (entry.facts.get("cause") for entry in kit.consent.history())
    return [cause for cause in causes if cause]


def check(told: tuple[list[bool], list[int]]) -> None:
    """
    Check that places stop and go on, and the far side is left alone between.
    """
    assert told == (CUT, [1, 2, 3, 3, 3, 3, 4, 5, 6])


@pytest.mark.obligation("WP-PERM-8")
def test_callable(tmp_path):
    """
    The app's own function is not called.
    """
    calls: list[int] = []

    def place() -> tuple[float, float]:
        calls.append(1)
        return 48.1173, 11.516667

    source = CallableLocation(place, crs="wgs84", timeout_seconds=60)
    check(read_on(source, tmp_path, lambda: len(calls)))


@pytest.mark.obligation("WP-PERM-8")
def test_track(tmp_path):
    """
    The recording stays where it was.
    """
    track = tmp_path / "track.nmea"
    lines = (f"GPGLL,4807.038,N,0113{n}.000,E,12000{n},A,A" for n in range(9))
    track.write_text(
        "".join(f"${one}*{checksum(one.encode()):02X}\r\n" for one in lines)
    )
    source = TrackSource(track, timeout_seconds=60)
    check(read_on(source, tmp_path, lambda: source._given))


@contextmanager
def gpsd(asked: list[int]) -> Iterator[int]:
    """
    Give the port of what answers as gpsd does, and counts who asks.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                asked.append(1)
                with connection:
                    connection.recv(4096)
                    connection.sendall(
                        b'{"class":"VERSION","release":"3.25"}\r\n'
                        b'{"class":"TPV","mode":3,"lat":48.1173,'
                        b'"lon":11.516667,"eph":4.5}\r\n'
                    )
                    connection.recv(4096)  # until it is hung up

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(60)


@pytest.mark.obligation("WP-PERM-8")
def test_gpsd(tmp_path):
    """
    Nobody connects to gpsd.
    """
    asked: list[int] = []
    with gpsd(asked) as port:
        source = GpsdSource(port=port, timeout_seconds=60)
        check(read_on(source, tmp_path, lambda: len(asked)))


@pytest.mark.obligation("WP-PERM-8")
@pytest.mark.need_tool("dbus-daemon")
@pytest.mark.need_extra("dbus")
def test_geoclue(tmp_path, monkeypatch):
    """
    GeoClue is not started.
    """
    place = {
        "Latitude": ("d", 48.1173),
        "Longitude": ("d", 11.516667),
        "Accuracy": ("d", 12.5),
        "Timestamp": ("(tt)", [0, 0]),
    }
    with private_bus() as bus:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        journal = bus.start(
            "org.freedesktop.GeoClue2",
            kind="geoclue",
            geoclue={"places": {"8": place}},
            rules={},
            secret="48.1173",
        )
        source = GeoClueSource("com.example.Camera", timeout_seconds=60)
        source.min_interval_seconds = 0.0
        told = read_on(
            source, tmp_path, lambda: members(journal).count("Start")
        )
    check(told)


@pytest.mark.obligation("WP-PERM-8")
@pytest.mark.need_extra("qt")
def test_qt(tmp_path):
    """
    Qt's position source is not asked.
    """
    told = run_app(
        QT,
        f"""
from tests.collectors.test_streams import read_on
app = QCoreApplication([])
asked = []

def act(own):
    asked.append(1)
    own.give(48.1173, 11.516667, 12.5)

source = QtLocationSource(Own(act), timeout_seconds=60)
say(told=read_on(source, {str(tmp_path)!r}, lambda: len(asked)))
""",
    )
    check(tuple(told["told"]))


@pytest.mark.obligation("WP-PERM-8")
def test_clipboard(tmp_path):
    """
    The clipboard is not read, and no read of it is on record.
    """
    file = tmp_path / "clipboard.txt"
    file.write_text("口令 #AF3R09FQ# 领红包")
    source = FileClipboard(file, deadline_seconds=60, reads_once=False)
    desk = Desk()
    taken, counts = [], []

    def need(tree: dict[str, Any]) -> None:
        (paste,) = [f for f in tree["functions"] if f["id"] == "paste"]
        paste["collects"][0]["permission"] = "clipboard"

    with consentkit.open(
        small(need=need),
        data_dir=tmp_path / "data",
        sources=[source],
        os_permission=PermissionBook(desk),
    ) as kit:
        say_yes(kit.consent, "paste")
        with kit.use("paste") as use:
            for is_allowed in CUT:
                desk.answer = (
                    OSPermission.GRANTED if is_allowed else OSPermission.DENIED
                )
                taken.append(bool(use.clipboard("receive_share")))
                counts.append(source.reads)
        acts = [entry.act for entry in kit.consent.history()]
        assert causes_of(kit) == ["os_permission clipboard: denied"]
    check((taken, counts))
    assert acts.count(Act.READ) == acts.count(Act.READ_ENDED) == 6


@pytest.mark.obligation("WP-PERM-8")
class TestUnderWay:
    """
    A permission that goes while a read is under way.
    """

    def test_is_not_kept(self, tmp_path):
        """
        The value that was being read is refused when it is to be kept, and
        the next one is not read.
        """
        desk = Desk()

        def place() -> tuple[float, float]:
            desk.answer = OSPermission.DENIED
            return 48.1173, 11.516667

        source = CallableLocation(place, crs="wgs84", timeout_seconds=60)
        with consentkit.open(
            small(),
            data_dir=tmp_path,
            sources=[source],
            os_permission=PermissionBook(desk),
        ) as kit:
            for element in ("connect", "connect/location_precise"):
                say_yes(kit.consent, element)
            with kit.use("connect") as use:
                found = use.location()
                kept = use.capture(found)
                again = use.location()

            assert isinstance(kept, consentkit.Refusal)
            assert kept.reason is Reason.OS_PERMISSION
            assert again == kept or not again
            assert source.reads == 1
            assert kit.status().waiting == 0
            assert causes_of(kit) == ["os_permission location: denied"]
