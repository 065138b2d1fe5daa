# SPDX-License-Identifier: MIT
"""
A fix from GeoClue2, the location service of Linux desktops.

GeoClue asks the desktop, and the desktop may ask the person, whether this app
may know the place. There is no way to learn the answer other than to start.
GeoClue makes a fix out of what it has: a GNSS receiver, a modem, or the Wi-Fi
networks in reach, which it sends to the location service of its own settings.

Each read is one connection with a client of its own, which is stopped and
deleted at its end: the desktop's sign is lit no longer than the read.

Source: the interfaces ``org.freedesktop.GeoClue2.Manager``, ``.Client`` and
``.Location`` of GeoClue 2.

Times are seconds.
"""

from __future__ import annotations

import os
import re
import time

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import PurePosixPath
from typing import Any, Final

from consentkit.collectors._dbus import (
    BusError,
    Fault,
    Properties,
    Service,
    value,
)
from consentkit.collectors._deadline import check_age, check_seconds
from consentkit.collectors.location import Fix, LocationSource
from consentkit.collectors.source import Unavailable
from consentkit.gate import OSPermission, Permit
from consentkit.policy.model import ProtectionName


__all__ = ["AccuracyLevel", "GeoClueSource"]

_NAME: Final = "org.freedesktop.GeoClue2"
_MANAGER_PATH: Final = "/org/freedesktop/GeoClue2/Manager"
_MANAGER: Final = f"{_NAME}.Manager"
_CLIENT: Final = f"{_NAME}.Client"
_LOCATION: Final = f"{_NAME}.Location"

#: Names of desktop files, without their ending.
_DESKTOP_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


class _NamelessError(Exception):
    """
    Neither the app nor the desktop has named the app's desktop file.
    """


def _is_desktop_id(text: str) -> bool:
    is_name = _DESKTOP_ID.fullmatch(text) is not None
    return is_name and not text.endswith(".desktop")


def _launched_by() -> str:
    """
    Name the desktop file of this process, as GIO does for what it launches.

    The variables are inherited; the process's number tells whose they are.
    """
    if os.environ.get("GIO_LAUNCHED_DESKTOP_FILE_PID") != str(os.getpid()):
        return ""
    path = PurePosixPath(os.environ.get("GIO_LAUNCHED_DESKTOP_FILE", ""))
    is_named = path.suffix == ".desktop" and _is_desktop_id(path.stem)
    return path.stem if is_named else ""


class AccuracyLevel(IntEnum):
    """
    How exact a fix GeoClue is asked for.

    .. versionadded:: 26.1.0
    """

    COUNTRY = 1
    CITY = 4
    NEIGHBORHOOD = 5
    STREET = 6
    EXACT = 8


#: What GeoClue takes each level for, in kilometres, the least exact first.
_RADII_KM: Final = {
    AccuracyLevel.CITY: 15.0,
    AccuracyLevel.NEIGHBORHOOD: 3.0,
    AccuracyLevel.STREET: 1.0,
}


def _level(permit: Permit) -> AccuracyLevel:
    """
    Choose the least exact level that the promise can be kept by.
    """
    if permit.clause.type == "location_precise":
        return AccuracyLevel.EXACT
    protection = permit.clause.protection
    if protection.name is not ProtectionName.GRID:
        return AccuracyLevel.NEIGHBORHOOD
    fitting = (
        level
        for level, radius_km in _RADII_KM.items()
        if radius_km <= protection.cell_km
    )
    return next(fitting, AccuracyLevel.EXACT)


class GeoClueSource(LocationSource):
    """
    The fix that GeoClue2 has, or gets within a deadline.

    For ``location_precise`` GeoClue is asked for the level *exact*, for
    ``location_coarse`` for the least that fits into the policy's cell; the
    person or the system may cap it, and the fix's accuracy tells.

    Args:
        desktop_id: Name of the app's desktop file, without ``.desktop``, by
            which GeoClue and the desktop know the app. Without it, the one
            that the desktop says it launched this process by.

        timeout_seconds: How long one read may take, all in all; a question
            of the desktop that waits for the person counts.

        max_age_seconds: How old a fix may be by its own time.

    Raises:
        ValueError: If *desktop_id* is not such a name, *timeout_seconds* not
            a positive, finite number, or *max_age_seconds* not a positive
            one.

    .. versionadded:: 26.1.0
    """

    id: str = "geoclue"
    timeout_seconds: float | None = None  # it keeps its own
    name: str = "GeoClue2"
    touches: str = (
        "the system bus; GeoClue2, which is started if it does not run, and "
        "may scan for Wi-Fi networks and send them to its location service"
    )
    visible: str = (
        "the desktop may ask the person, and shows a sign while it is read; "
        "any program can see on the bus that GeoClue is in use"
    )
    platforms: frozenset[str] = frozenset({"desktop", "iot"})
    min_interval_seconds: float = 1.0

    def __init__(
        self,
        desktop_id: str = "",
        *,
        timeout_seconds: float = 10.0,
        max_age_seconds: float = 300.0,
    ) -> None:
        if desktop_id and not _is_desktop_id(desktop_id):
            msg = (
                "desktop_id must be the name of the app's desktop file, "
                "without .desktop"
            )
            raise ValueError(msg)
        self._desktop_id = desktop_id
        self._timeout = check_seconds("timeout_seconds", timeout_seconds)
        self.max_age_seconds: float = check_age(max_age_seconds)
        self._answer: tuple[OSPermission, datetime | None] = (
            OSPermission.UNKNOWN,
            None,
        )

    @property
    def permission(self) -> OSPermission:
        """
        What GeoClue said when it was last started.

        ``UNKNOWN`` until then: there is no way to ask without starting.
        ``DENIED`` if it said no, ``RESTRICTED`` if the bus lets the app not
        even ask.
        """
        return self._answer[0]

    @property
    def permission_time(self) -> datetime | None:
        """
        When GeoClue said so (UTC), or ``None``.
        """
        return self._answer[1]

    def ask_permission(self) -> OSPermission:
        """
        Ask GeoClue whether the app may know the place; read no place.

        The desktop may show its question. So it is for the moment at which
        the app wants that, after the person's consent: a gate that waits
        for this permission lets no read through that would tell.

        Returns:
            `permission`, which stays as it was where GeoClue did not answer.

        Raises:
            MissingExtraError: If the library that asks is missing.
        """
        with (
            suppress(BusError, _NamelessError),
            self._started(AccuracyLevel.NEIGHBORHOOD),
        ):
            pass
        return self.permission

    def _read(self, permit: Permit, **_options: Any) -> Fix | Unavailable:
        data_type = permit.clause.type
        found: Fix | str
        try:
            with self._started(_level(permit)) as service:
                found = _first_fix(service)
        except BusError as error:
            found = self._reason(error)
        except _NamelessError:
            found = (
                "GeoClue2 wants to know the app: name its desktop file to "
                "GeoClueSource"
            )
        if isinstance(found, Fix):
            return found
        return Unavailable(data_type, found)

    @contextmanager
    def _started(self, level: AccuracyLevel) -> Iterator[Service]:
        """
        Make a client, start it, and let go of it at the end.
        """
        deadline = time.monotonic() + self._timeout
        desktop_id = self._desktop_id or _launched_by()
        if not desktop_id:
            raise _NamelessError
        with Service(_NAME, deadline=deadline, start=True) as service:
            client = self._made(service, desktop_id, level)
            try:
                self._start(service, client)
                yield service
            finally:
                service.tell(client, f"{_CLIENT}.Stop")
                service.tell(
                    _MANAGER_PATH,
                    f"{_MANAGER}.DeleteClient",
                    client,
                    takes="o",
                )

    def _made(
        self, service: Service, desktop_id: str, level: AccuracyLevel
    ) -> str:
        try:
            client = service.call(
                _MANAGER_PATH, f"{_MANAGER}.GetClient", gives="o"
            )
        except BusError as error:
            if error.fault is Fault.DENIED:
                self._note(OSPermission.RESTRICTED)
            raise
        service.set(client, f"{_CLIENT}.DesktopId", "s", desktop_id)
        service.set(
            client, f"{_CLIENT}.RequestedAccuracyLevel", "u", int(level)
        )
        # Before it is started: the first fix may come at once.
        service.listen(client, f"{_CLIENT}.LocationUpdated")
        return str(client)

    def _start(self, service: Service, client: str) -> None:
        try:
            service.call(client, f"{_CLIENT}.Start")
        except BusError as error:
            if error.fault is Fault.DENIED:
                self._note(OSPermission.DENIED)
            raise
        self._note(OSPermission.GRANTED)

    def _note(self, answer: OSPermission) -> None:
        self._answer = (answer, datetime.now(UTC))

    def _reason(self, error: BusError) -> str:
        if error.fault is Fault.DENIED:
            return (
                "the system does not let this app know the place; the "
                "person can allow it in the settings of the desktop"
            )
        if error.fault is Fault.LATE:
            return "GeoClue2 gave no place within the deadline"
        return error.reason(self.name)


def _first_fix(service: Service) -> Fix | str:
    """
    Wait for the first place; give it, or why it is none.
    """
    while True:
        _, path = _two_paths(service.wait())
        if path == "/":
            continue
        try:
            found = service.get_all(path, _LOCATION)
        except BusError as error:
            # Replaced by a newer one, of which a signal tells.
            if error.fault is Fault.UNKNOWN:
                continue
            raise
        return _fix(found) or "GeoClue2 gave a place that cannot be"


def _two_paths(body: tuple[Any, ...]) -> tuple[str, str]:
    match body:
        case (str(old), str(new)):
            return old, new
        case _:
            raise BusError(Fault.ODD)


def _fix(place: Properties) -> Fix | None:
    latitude = value(place, "Latitude", "d")
    longitude = value(place, "Longitude", "d")
    accuracy = value(place, "Accuracy", "d")
    try:
        return Fix(
            latitude=latitude,
            longitude=longitude,
            accuracy_m=accuracy,
            time=_instant(place),
            crs="wgs84",
        )
    except ValueError:
        return None


def _instant(place: Properties) -> datetime | None:
    """
    Read seconds and microseconds since 1970; 0 stands for "not known".

    Raises:
        ValueError: If there is no such instant.
    """
    try:
        seconds, micros = value(place, "Timestamp", "(tt)")
    except BusError:
        return None
    if seconds == 0:
        return None
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    with suppress(OverflowError):
        if micros < 1_000_000:
            return epoch + timedelta(seconds=seconds, microseconds=micros)
    raise ValueError
