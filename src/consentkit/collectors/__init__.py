# SPDX-License-Identifier: MIT
"""
What is the value?

Each collector is a typed reader of one family of data, on top of sources.
A source is one module; which of them a value is read from is said by the
policy (``read_from``), by the app (``consentkit.open(sources=...)``), or else
by `USUAL`, in this order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from consentkit._fork import load
from consentkit.collectors._interval import share_interval
from consentkit.collectors._own import check_source
from consentkit.collectors.source import Source, Unavailable


__all__ = ["BUILT_IN", "USUAL", "Source", "Sources", "Unavailable"]

#: Where the built-in sources are, by id: a module of this room, and what in
#: it makes the source.
BUILT_IN: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "android": ("android", "AndroidSource"),
        "android_location": ("android", "AndroidLocation"),
        "battery": ("power", "make_battery_source"),
        "clipboard": ("clipboard", "ClipboardSource"),
        "disk_serial": ("serials", "make_disk_serial_source"),
        "firmware": ("device", "make_firmware_source"),
        "geoclue": ("geoclue", "GeoClueSource"),
        "gpsd": ("gpsd", "GpsdSource"),
        "installation": ("installation", "InstallationSource"),
        "ios": ("ios", "IOSSource"),
        "interfaces": ("network", "make_interfaces_source"),
        "journal": ("journal", "JournalSource"),
        "locale": ("device", "make_locale_source"),
        "machine_id": ("device", "make_machine_id_source"),
        "modem_manager": ("modem_manager", "ModemManagerSource"),
        "network_manager": ("network_manager", "NetworkManagerSource"),
        "network_manager_wifi_list": ("network_manager", "WifiListSource"),
        "packages": ("installed", "PackagesSource"),
        "processes": ("installed", "ProcessesSource"),
        "psutil": ("device", "make_psutil_source"),
        "qt_clipboard": ("qt_clipboard", "QtClipboard"),
        "qt_location": ("qt_location", "QtLocationSource"),
        "screen": ("screen", "ScreenSource"),
        "serial": ("serials", "make_serial_source"),
        "system": ("device", "make_system_source"),
    }
)

# These keep something, each in a folder of its own.
_KEEPING: Final = frozenset({"installation"})

_COMPUTER: Final = (
    "installation",
    "machine_id",
    "interfaces",
    "psutil",
    "system",
    "firmware",
    "serial",
    "battery",
    "screen",
    "locale",
    "gpsd",
    "clipboard",
)

#: Which of them are used without being named, by platform: the first that
#: gives a data type.
USUAL: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "android": ("installation", "android", "android_location"),
        "desktop": _COMPUTER,
        "ios": ("installation", "ios"),
        "iot": _COMPUTER,
    }
)


class Sources:
    """
    The sources of one app. Nothing is read, connected or started by this.

    Args:
        own: The app's own ones, or ids of built-in ones; they go before the
            usual ones, and of several the first one counts.

        platform: Where the app runs, in the words of a policy.

        folder: Where sources that keep something do so.

    Raises:
        KeyError: If a text among *own* is no id of a built-in source.

        TypeError, ValueError: If one of them is no source, or does not say
            what has to be known of it.
    """

    def __init__(
        self,
        own: Iterable[Source[Any] | str] = (),
        platform: str = "desktop",
        *,
        folder: Path = Path("consentkit"),
    ) -> None:
        self._folder = folder
        self._made: dict[str, Source[Any]] = {}
        self._usual: dict[str, Source[Any]] = {}
        given: list[Source[Any]] = []
        for one in own:
            source = self._built_in(one) if isinstance(one, str) else one
            check_source(source)
            given.append(source)
            if source.id:
                self._made.setdefault(source.id, source)
        for source in (*given, *map(self._built_in, USUAL.get(platform, ()))):
            for data_type in source.data_types:
                self._usual.setdefault(data_type, source)

    def _built_in(self, id_: str) -> Source[Any]:
        if id_ not in self._made:
            module, name = BUILT_IN[id_]
            make = getattr(load(f"{__name__}.{module}"), name)
            keeping = id_ in _KEEPING
            made = make(self._folder / id_) if keeping else make()
            if made.min_interval_seconds:
                share_interval(made)
            self._made[id_] = made
        return self._made[id_]

    def of(self, data_type: str, read_from: str = "") -> Source[Any] | None:
        """
        Give the source of *data_type*, if there is one.

        Args:
            data_type: Of the vocabulary.

            read_from: Id of the source, where the policy names one. Another
                one is not taken in its place.
        """
        if not read_from:
            return self._usual.get(data_type)
        if read_from not in self._made and read_from not in BUILT_IN:
            return None
        source = self.of_id(read_from)
        return source if data_type in source.data_types else None

    def of_id(self, id_: str) -> Source[Any]:
        """
        Give one of the app's own, or a built-in one, by its id.

        Raises:
            KeyError: If there is none.
        """
        return self._made.get(id_) or self._built_in(id_)
