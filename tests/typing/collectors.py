# SPDX-License-Identifier: MIT

"""
Every public name of the collectors as an app uses it, for type checkers;
never run.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, assert_type

import consentkit

from consentkit.collectors import BUILT_IN, USUAL, Sources
from consentkit.collectors.android import (
    AndroidLocation,
    AndroidPermissions,
    AndroidSource,
)
from consentkit.collectors.clipboard import (
    ClipboardSource,
    FileClipboard,
    Take,
    TakingSource,
    best_clipboard_source,
    is_isolated,
)
from consentkit.collectors.containers import Container, find_container
from consentkit.collectors.crash import CrashCapture, CrashCounts, read_fault
from consentkit.collectors.device import (
    DeviceSource,
    Fact,
    load_device_library,
    make_firmware_source,
    make_locale_source,
    make_machine_id_source,
    make_psutil_source,
    make_system_source,
)
from consentkit.collectors.geoclue import AccuracyLevel, GeoClueSource
from consentkit.collectors.gpsd import GpsdSource
from consentkit.collectors.gpx import GPXParser
from consentkit.collectors.installation import InstallationSource, Scope
from consentkit.collectors.installed import PackagesSource, ProcessesSource
from consentkit.collectors.ios import ApplePermissions, IOSSource
from consentkit.collectors.journal import (
    JournalCapture,
    JournalCounts,
    JournalLine,
    JournalLines,
    JournalSource,
)
from consentkit.collectors.location import (
    CRS,
    CallableLocation,
    Fix,
    LocationSource,
    TrackError,
    TrackParser,
    TrackSource,
)
from consentkit.collectors.log_adapters import LoguruSink, StructlogProcessor
from consentkit.collectors.logs import (
    LogCounts,
    LogHandler,
    LogKeeper,
    clear_text,
    exception_fields,
)
from consentkit.collectors.machine_id import SHARED_UUIDS, read_machine_id
from consentkit.collectors.modem_manager import ModemManagerSource
from consentkit.collectors.network import make_interfaces_source
from consentkit.collectors.network_manager import (
    NetworkManagerSource,
    WifiListSource,
    WifiNetwork,
)
from consentkit.collectors.nmea import NMEAParser, checksum
from consentkit.collectors.permissions import (
    Answer,
    LinuxPermissions,
    PermissionAdapter,
    PermissionBook,
    QtPermissions,
    WindowsPermissions,
    system_permissions,
)
from consentkit.collectors.power import make_battery_source
from consentkit.collectors.qt_clipboard import QtClipboard
from consentkit.collectors.qt_location import QtLocationSource
from consentkit.collectors.received import Provenance, ReceivedSource
from consentkit.collectors.screen import ScreenSource
from consentkit.collectors.serials import (
    make_disk_serial_source,
    make_serial_source,
)


# Which source


def choose_sources(folder: Path, permit: consentkit.Permit) -> None:
    """
    Name sources by id, and see which is read.
    """
    sources = Sources(["geoclue", GpsdSource()], "desktop", folder=folder)
    assert_type(sources.of("mac_address"), consentkit.Source[Any] | None)
    sources.of("mac_address", "interfaces")
    assert_type(sources.of_id("gpsd"), consentkit.Source[Any])
    assert_type(BUILT_IN, Mapping[str, tuple[str, str]])
    assert_type(USUAL["desktop"], tuple[str, ...])
    source = sources.of_id("gpsd")
    assert_type(source.reads, int)
    assert_type(source.min_interval_seconds, float)
    assert_type(source.platforms, frozenset[str])


# The device


def battery() -> Fact | consentkit.Unavailable | None:
    """
    Give a fact that the app knows.
    """
    return 61


def read_the_device(folder: Path, permit: consentkit.Permit) -> None:
    """
    Make each source of facts, and read one as the kit does.
    """
    own = DeviceSource(
        "the vehicle",
        {"battery_state": battery},
        id="vehicle",
        touches="the vehicle's bus",
        visible="",
        platforms=frozenset({"iot"}),
        timeout_seconds=None,
    )
    assert_type(own.timeout_seconds, float | None)
    assert_type(own.read(permit), Fact | consentkit.Unavailable)
    made: list[DeviceSource] = [
        make_battery_source(supplies=folder),
        make_disk_serial_source(block=folder),
        make_firmware_source(dmi=folder, tree=folder),
        make_interfaces_source(net=folder, routes=folder),
        make_locale_source(environ={"LANG": "de_DE.UTF-8"}, etc=folder),
        make_machine_id_source(root=folder, in_container=True),
        make_psutil_source(),
        make_serial_source(dmi=folder, tree=folder),
        make_system_source(cpuinfo=folder / "cpuinfo", root=folder),
    ]
    others: list[consentkit.Source[Any]] = [
        PackagesSource(root=folder, timeout_seconds=5.0),
        ProcessesSource(proc=folder),
        ScreenSource(environ={}, drm=folder, timeout_seconds=1.0),
        NetworkManagerSource(timeout_seconds=5.0),
        WifiListSource(),
        ModemManagerSource(),
        AndroidSource(context=object, timeout_seconds=5.0),
        IOSSource(),
    ]
    consentkit.open("policy.toml", sources=[own, *made, *others])
    installation = InstallationSource(folder, scope=Scope.CONSENT)
    installation.reset()
    network: WifiNetwork = {"bssid": "00:00:5E:00:53:01", "signal_percent": 40}
    assert_type(network["bssid"], str | int)
    assert_type(read_machine_id(folder), str | consentkit.Unavailable)
    assert_type(SHARED_UUIDS, frozenset[str])
    assert_type(find_container(folder), Container | None)
    assert_type(load_device_library("psutil"), Any)


# Places


class Compass:
    """
    A parser of the app's own, for tracks in a form of its own.
    """

    dropped = 0
    passed_over: TrackError | None = None

    def feed(self, data: bytes) -> list[Fix]:
        """
        Read a piece.
        """
        return [Fix(latitude=48.1, longitude=11.5)] if data else []

    def finish(self) -> list[Fix]:
        """
        Read what is left.
        """
        return []


def read_the_place(path: Path, permit: consentkit.Permit) -> None:
    """
    Make each source of places, and read one.
    """
    places: list[LocationSource] = [
        AndroidLocation(max_age_seconds=60.0, timeout_seconds=5.0),
        CallableLocation(lambda: (39.9, 116.4), crs=CRS[1], name="the map"),
        CallableLocation(
            lambda: Fix(
                latitude=39.9,
                longitude=116.4,
                accuracy_m=20.0,
                time=datetime.now(UTC),
            ),
            crs="wgs84",
        ),
        GpsdSource(
            "127.0.0.1", 2947, timeout_seconds=2.0, max_age_seconds=math.inf
        ),
        QtLocationSource(plugin="geoclue2", parameters={"desktopId": "app"}),
        TrackSource(path, timeout_seconds=2.0),
    ]
    assert_type(places[0].read(permit), Fix | consentkit.Unavailable)
    assert_type(places[0].max_age_seconds, float)
    geoclue = GeoClueSource("com.example.Camera", timeout_seconds=10.0)
    assert_type(geoclue.ask_permission(), consentkit.OSPermission)
    assert_type(geoclue.permission_time, datetime | None)
    assert_type(AccuracyLevel.EXACT > AccuracyLevel.CITY, bool)
    parsers: list[TrackParser] = [GPXParser(), NMEAParser(), Compass()]
    for parser in parsers:
        assert_type([*parser.feed(b""), *parser.finish()], list[Fix])
        if parser.passed_over is not None:
            assert_type(parser.passed_over.line, int)
    assert_type(checksum(b"GPGGA"), int)


# The clipboard


def read_the_clipboard(path: Path, permit: consentkit.Permit) -> None:
    """
    Make each source of the clipboard, and read one.
    """
    best = best_clipboard_source()
    assert_type(best, ClipboardSource | None)
    each: list[TakingSource] = [
        ClipboardSource(tool="xclip", deadline_seconds=2.0),
        FileClipboard(path, reads_once=False),
        QtClipboard(by_helper=False),
    ]
    taken = each[0].read(permit, scene="receive_share")
    assert_type(taken, Take | consentkit.Unavailable)
    if isinstance(taken, Take):
        assert_type((taken.intent, taken.value), tuple[str, str])
    assert_type(is_isolated(), bool)


# Logs, crashes, the journal


def capture_logs(kit: consentkit.Kit) -> None:
    """
    Make what captures logs, as the kit does.
    """
    handler = LogHandler(
        kit, "logs", level=logging.INFO, while_open=lambda: True
    )
    logging.getLogger("app").addHandler(handler)
    processor = StructlogProcessor(kit, "logs", fields={"screen"})
    event = {"event": "saved"}
    assert_type(processor(None, "info", event), Any)
    sink = LoguruSink(kit, "logs", purpose="service_logging")
    assert_type(sink.add_to(object(), level="INFO"), int)
    assert_type(sink.take({}), bool)
    keeper = LogKeeper(kit, "logs", data_type="service_log")
    try:
        assert_type(keeper.keep(lambda: {"message": "saved"}), str)
    except OSError as error:
        fields = exception_fields(type(error), error, error.__traceback__)
        assert_type(fields, dict[str, Any])
    assert_type(keeper.counts, LogCounts)
    assert_type(clear_text("\x1b[1mbold\x1b[0m"), str)


def capture_crashes(kit: consentkit.Kit, folder: Path) -> None:
    """
    Make what captures crashes and the journal, as the kit does.
    """
    with CrashCapture(kit, "crash_reports", reasons=False) as crashes:
        crashes.watch_loop(asyncio.new_event_loop())
        assert_type(crashes.is_armed, bool)
        counts = crashes.counts
        assert_type(counts, CrashCounts)
        assert_type(counts.captured + counts.discarded, int)
    assert_type(read_fault("Fatal Python error"), dict[str, Any] | None)
    source = JournalSource(unit="camera.service", files=[folder], most_lines=9)
    journal = JournalCapture(kit, "logs", source=source)
    told = journal.capture()
    assert_type(told, JournalCounts)
    assert_type((told.reason, told.is_cut), tuple[str, bool])


def read_the_journal(source: JournalSource, permit: consentkit.Permit) -> None:
    """
    Read lines of the journal.
    """
    lines = source.read(permit)
    assert_type(lines, JournalLines | consentkit.Unavailable)
    if isinstance(lines, JournalLines):
        for line in lines.lines:
            assert_type(line, JournalLine)
            assert_type(line.at_seconds, float)


# Permissions


class Desk(PermissionAdapter):
    """
    A system of the app's own.
    """

    name = "the front desk"
    blocks = False

    def ask(self, permission: str) -> consentkit.OSPermission | None:
        """
        Answer for the system.
        """
        if permission == "camera":
            return consentkit.OSPermission.GRANTED
        return None


def ask_permissions() -> None:
    """
    Ask each system.
    """
    book = PermissionBook(
        own={"camera": lambda: consentkit.OSPermission.DENIED},
        timeout_seconds=1.0,
        clock=lambda: datetime.now(UTC),
    )
    consentkit.open("policy.toml", os_permission=book)
    answer = book.ask("location")
    assert_type(answer, Answer)
    assert_type(answer.value, consentkit.OSPermission)
    assert_type(answer.at, datetime)
    assert_type(book("location"), consentkit.OSPermission)
    assert_type(book.answers, Mapping[str, Answer])
    book.tell("location", consentkit.OSPermission.GRANTED, "the portal")
    adapters: list[PermissionAdapter] = [
        AndroidPermissions(timeout_seconds=1.0),
        ApplePermissions(),
        Desk(),
        LinuxPermissions(environ={}),
        QtPermissions(platform=sys.platform, linux=LinuxPermissions()),
        WindowsPermissions(),
        system_permissions("android"),
    ]
    for adapter in adapters:
        consentkit.open("policy.toml", os_permission=PermissionBook(adapter))


# Received from others


def take_over(policy: consentkit.Policy) -> None:
    """
    Take over what another party has of a person.
    """
    received = ReceivedSource(policy, "reseller", ["email_address"])
    taken = received.put(
        {"email_address": "ann@example.com"},
        Provenance(
            party="reseller",
            purposes=("customer_support",),
            obtained=date(2026, 5, 31),
            reference="order 12",
        ),
    )
    assert_type(taken, tuple[str, ...])
    received.clear()
