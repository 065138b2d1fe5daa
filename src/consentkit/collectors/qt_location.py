# SPDX-License-Identifier: MIT
"""
A fix from Qt's position source: of an app that has Qt anyway.

Qt asks GeoClue on Linux, Core Location on macOS and iOS, the location
services of Android and Windows, or a receiver that speaks NMEA. A read asks
for one fix; nothing listens between reads.

Source: Qt 6, ``QGeoPositionInfoSource``.

Times are seconds.
"""

from __future__ import annotations

import math
import os
import socket
import stat
import sys

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

from consentkit.collectors._deadline import check_age
from consentkit.collectors._qt import has_thread, load_qt
from consentkit.collectors.location import CRS, Fix, LocationSource
from consentkit.collectors.source import Unavailable
from consentkit.gate import Permit


__all__ = ["QtLocationSource"]

#: Longer than this nobody waits; Qt counts milliseconds in 31 bits.
_LONGEST_SECONDS = 3_600

#: Why there is no fix, by the name of Qt's error.
_REASONS = {
    "AccessError": (
        "the system does not tell this app its place: it is not allowed, or "
        "there is no such service"
    ),
    "ClosedError": "the system's positioning was switched off",
    "UpdateTimeoutError": "no position within the deadline",
}

#: D-Bus' well-known address of the system bus (D-Bus specification).
_SYSTEM_BUS = "unix:path=/var/run/dbus/system_bus_socket"

#: How long a bus that works may take to say hello.
_BUS_SECONDS = 1.0


class QtLocationSource(LocationSource):
    """
    The fix that Qt gets within a deadline.

    It is read in the thread in which the position source lives, which is the
    GUI thread unless the app made the source elsewhere. That thread goes on
    with its events while it waits (painting, timers, network), except what
    the person types or clicks; so one read may meet a second one, which then
    is told to be *unavailable*.

    Args:
        source: The app's own ``QGeoPositionInfoSource``. By default one is
            made for each read and let go of afterwards; for a coarse place
            it is told to do without satellites where it can.

        plugin: Name of Qt's plugin to make it with, such as ``geoclue2`` or
            ``nmea``; Qt chooses if empty.

        parameters: Of the plugin: ``{"desktopId": ...}`` of ``geoclue2``,
            ``{"nmea.source": ...}`` of ``nmea``.

        timeout_seconds: How long one read may take, at most an hour.

        crs: The coordinate system that the app knows its own *source* to
            give, one of `consentkit.collectors.location.CRS`.

        max_age_seconds: How old a fix may be by its own time; endless
            (`math.inf`) for a recording that is replayed.

    Raises:
        ValueError: If an argument is out of its range, or *plugin* is given
            beside *source*.
    """

    id: str = "qt_location"
    timeout_seconds: float | None = None  # it keeps its own
    name: str = "Qt's position source"
    touches: str = (
        "QGeoPositionInfoSource: GeoClue over D-Bus on Linux, Core Location "
        "on Apple's systems, the location services of Android and Windows, "
        "or the receiver that the plugin is given"
    )
    visible: str = (
        "the system may ask the person first, and shows a sign while it "
        "looks for the place"
    )
    platforms: frozenset[str] = frozenset({"android", "desktop", "iot"})

    def __init__(
        self,
        source: Any = None,
        *,
        plugin: str = "",
        parameters: Mapping[str, Any] | None = None,
        timeout_seconds: float = 10.0,
        crs: str = "wgs84",
        max_age_seconds: float = 300.0,
    ) -> None:
        rules = {
            f"timeout_seconds must be from 0 to {_LONGEST_SECONDS}": (
                0 < timeout_seconds <= _LONGEST_SECONDS
            ),
            f"crs must be one of {', '.join(CRS)}": crs in CRS,
            "give a source or a plugin, not both": not (
                source is not None and (plugin or parameters)
            ),
            "parameters are those of a plugin; name it": (
                not parameters or bool(plugin)
            ),
        }
        for rule, holds in rules.items():
            if not holds:
                raise ValueError(rule)
        self.max_age_seconds: float = check_age(max_age_seconds)
        self._given = source
        self._plugin = plugin
        self._parameters = dict(parameters or {})
        self._milliseconds = max(1, round(timeout_seconds * 1000))
        self._crs = crs
        self._is_asking = False

    def _read(self, permit: Permit, **_options: Any) -> Fix | Unavailable:
        core = load_qt("QtCore")
        load_qt("QtPositioning")
        is_coarse = permit.clause.type == "location_coarse"
        answer = self._alone(core, is_coarse=is_coarse)
        if isinstance(answer, str):
            return Unavailable(permit.clause.type, answer)
        return answer

    def _alone(self, core: ModuleType, *, is_coarse: bool) -> Fix | str:
        """
        Ask, where and when Qt lets it be asked.
        """
        app = core.QCoreApplication.instance()
        if app is None:
            return "Qt does not run here: there is no QCoreApplication"
        if not has_thread(core, app if self._given is None else self._given):
            return (
                "Qt gives positions only in the thread of its source, which "
                "is the GUI thread by default; read it there"
            )
        # Only this thread comes here, by an event while it waits below.
        if self._is_asking:
            return "another read of it is under way"
        self._is_asking = True
        try:
            return self._ask(core, is_coarse=is_coarse)
        finally:
            self._is_asking = False

    def _ask(self, core: ModuleType, *, is_coarse: bool) -> Fix | str:
        if self._given is not None:
            return _wait(core, self._given, self._milliseconds, self._crs)
        source = self._made()
        if isinstance(source, str):
            return source
        try:
            # Where it has only others, Qt takes these.
            methods = type(source).PositioningMethod
            source.setPreferredPositioningMethods(
                methods.NonSatellitePositioningMethods
                if is_coarse
                else methods.AllPositioningMethods
            )
            return _wait(core, source, self._milliseconds, self._crs)
        finally:
            source.deleteLater()

    def _made(self) -> Any:
        """
        Make a position source, or say why there is none.
        """
        positioning = load_qt("QtPositioning")
        kind = positioning.QGeoPositionInfoSource
        names = kind.availableSources()
        wanted = self._plugin or "geoclue2"
        if (
            sys.platform == "linux"
            and wanted == "geoclue2"
            and wanted in names
            and not _system_bus_answers()
        ):
            # Qt would wait for it, and the GUI with it, without an end.
            return "GeoClue is asked over the system bus, which is not there"
        if wanted == "nmea" and _would_hang(self._parameters):
            return (
                "what the nmea plugin is to read is no regular file, which "
                "Qt would wait for; name a receiver as serial:/dev/..."
            )
        if not self._plugin:
            source = kind.createDefaultSource(None)
        elif self._plugin not in names:
            known = ", ".join(sorted(names)) or "none"
            return f"Qt has no such position plugin here; it has {known}"
        else:
            source = kind.createSource(self._plugin, self._parameters, None)
        return "Qt has no position source here" if source is None else source


def _would_hang(parameters: Mapping[str, Any]) -> bool:
    """
    Tell whether Qt would open a pipe or a device as if it were a file.
    """
    named = str(parameters.get("nmea.source", ""))
    if named.startswith("file:"):
        named = unquote(urlsplit(named).path)
    with suppress(OSError, ValueError):
        return not stat.S_ISREG(Path(named).stat().st_mode)
    return False  # a socket, a serial port, or nothing


def _wait(
    core: ModuleType, source: Any, milliseconds: int, crs: str
) -> Fix | str:
    """
    Ask *source* for one fix, and let events pass until it is there.
    """
    loop, timer = core.QEventLoop(), core.QTimer()
    got: list[Any] = []
    errors: list[str] = []

    # Exceptions of a slot would be printed, so that these raise none.
    def on_position(info: Any) -> None:
        if info.coordinate().isValid():
            # PyQt6 lends it for the time of the slot only.
            got.append(type(info)(info))
            loop.quit()

    def on_error(error: Any) -> None:
        errors.append(getattr(error, "name", ""))
        loop.quit()

    timer.setSingleShot(True)
    timer.timeout.connect(loop.quit)
    source.positionUpdated.connect(on_position)
    source.errorOccurred.connect(on_error)
    try:
        timer.start(milliseconds)
        source.requestUpdate(milliseconds)
        if not got and not errors:
            loop.exec(core.QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
    finally:
        timer.stop()
        # It may have been deleted meanwhile.
        with suppress(RuntimeError, TypeError):
            source.positionUpdated.disconnect(on_position)
            source.errorOccurred.disconnect(on_error)
    if got:
        return _fix(got[0], crs)
    error = errors[0] if errors else "UpdateTimeoutError"
    return _REASONS.get(error, "Qt's position source failed")


def _fix(info: Any, crs: str) -> Fix:
    """
    Read a ``QGeoPositionInfo``.

    Raises:
        ValueError: If it is out of range; it is not shown.
    """
    place = info.coordinate()
    attribute = type(info).Attribute.HorizontalAccuracy
    accuracy: float | None = None
    if info.hasAttribute(attribute):
        told = float(info.attribute(attribute))
        accuracy = told if 0 <= told < math.inf else None
    return Fix(
        latitude=place.latitude(),
        longitude=place.longitude(),
        accuracy_m=accuracy,
        time=_instant(info.timestamp()),
        crs=crs,
    )


def _instant(stamp: Any) -> datetime | None:
    if not stamp.isValid():
        return None
    with suppress(OverflowError, OSError, ValueError):
        return datetime.fromtimestamp(stamp.toMSecsSinceEpoch() / 1000, UTC)
    return None


def _system_bus_answers() -> bool:
    """
    Tell whether the system bus accepts a connection and answers at all.

    Source: D-Bus specification, "Authentication protocol".
    """
    named = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or _SYSTEM_BUS
    kind, _, rest = named.partition(";")[0].partition(":")
    pairs = dict(pair.partition("=")[::2] for pair in rest.split(","))
    address = pairs.get("path") or "\0" + pairs.get("abstract", "")
    if kind != "unix" or address == "\0":
        return True  # of another kind, which Qt may know
    with (
        suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bus,
    ):
        bus.settimeout(_BUS_SECONDS)
        bus.connect(address)
        bus.sendall(b"\0AUTH\r\n")
        return bool(bus.recv(64))
    return False
