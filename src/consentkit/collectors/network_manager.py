# SPDX-License-Identifier: MIT
"""
The network, and the Wi-Fi networks in reach, as NetworkManager knows them.

Only properties are read, over the system bus. No scan is started, no
connection's settings (where the passwords are) are asked for, and a
NetworkManager that does not run is not started.

An address of an access point, and a list of the networks around, are a place
by another name: public databases tell the street. No permission of the system
guards them here, so the person's consent is all that does.

Source: the D-Bus interfaces of NetworkManager 1.

Times are seconds.
"""

from __future__ import annotations

import re
import time

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, TypeVar

from consentkit.collectors._dbus import (
    BusError,
    Fault,
    Properties,
    Service,
    by_number,
    value,
)
from consentkit.collectors._deadline import check_seconds
from consentkit.collectors.source import Source, Unavailable
from consentkit.gate import Permit


__all__ = ["NetworkManagerSource", "WifiListSource", "WifiNetwork"]

T = TypeVar("T")

#: One network in reach: ``bssid``, ``signal_percent`` and, unless the network
#: hides its name, ``ssid``.
WifiNetwork = Mapping[str, str | int]

_NAME: Final = "org.freedesktop.NetworkManager"
_ROOT: Final = "/org/freedesktop/NetworkManager"
_ACTIVE: Final = f"{_NAME}.Connection.Active"
_DEVICE: Final = f"{_NAME}.Device"
_WIRELESS: Final = f"{_NAME}.Device.Wireless"
_POINT: Final = f"{_NAME}.AccessPoint"

#: "There is none", as an object path.
_NONE: Final = "/"

#: NMDeviceType, and NM80211Mode: a member of somebody's network, and not
#: itself the access point of one.
_IS_WIFI: Final = 2
_IS_MEMBER: Final = 2

#: As connections are called, and what that is; all else is "other".
_TYPES: Final = {
    "": "none",
    "802-11-wireless": "wifi",
    "802-3-ethernet": "ethernet",
    "bluetooth": "bluetooth",
    "cdma": "cellular",
    "gsm": "cellular",
}

#: NMState; 0 is "unknown".
_STATES: Final = {
    10: "disconnected",
    20: "disconnected",
    30: "disconnected",
    40: "connecting",
    50: "limited",
    60: "limited",
    70: "connected",
}

#: Longest name of a network, in bytes (IEEE 802.11-2020, 9.4.2.2).
_LONGEST_SSID: Final = 32

#: More access points than any place has.
_MOST_POINTS: Final = 512

_MAC = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){5}")


class _Nothing(Exception):  # noqa: N818 - an outcome, not an error
    """
    There is no value; the text says why.
    """


class _Asking(Source[T]):
    """
    What both sources share.

    Args:
        timeout_seconds: How long one read may take, all in all.

    Raises:
        ValueError: If *timeout_seconds* is not a positive, finite number.
    """

    name: str = "NetworkManager"
    timeout_seconds: float | None = None  # it keeps its own
    touches: str = (
        "the system bus; properties of NetworkManager. Nothing is scanned "
        "and nothing is started"
    )
    visible: str = ""
    platforms: frozenset[str] = frozenset({"desktop", "iot"})

    def __init__(self, *, timeout_seconds: float = 5.0) -> None:
        self._timeout = check_seconds("timeout_seconds", timeout_seconds)

    def _ask(
        self, data_type: str, question: Callable[[Service], T]
    ) -> T | Unavailable:
        deadline = time.monotonic() + self._timeout
        try:
            with Service(_NAME, deadline=deadline) as service:
                return question(service)
        except BusError as error:
            reason = error.reason(self.name)
        except _Nothing as nothing:
            reason = str(nothing)
        return Unavailable(data_type, reason)


class NetworkManagerSource(_Asking[str | int]):
    """
    What NetworkManager knows of the network that this machine is in.

    - ``network_type``: ``wifi``, ``ethernet``, ``cellular``, ``bluetooth``,
      ``other`` or ``none``, of the connection that carries the traffic; of a
      VPN, the one below it.
    - ``network_status``: ``disconnected``, ``connecting``, ``limited`` (no
      way to the internet) or ``connected``.
    - ``wifi_status``: ``off``, ``on`` or ``connected``.
    - ``ssid``, ``bssid``: name and address of the access point that this
      machine is with; of its own hotspot neither is given.
    - ``network_signal_strength``: of that access point, in percent.

    Args:
        timeout_seconds: How long one read may take, all in all.

    Raises:
        ValueError: If *timeout_seconds* is not a positive, finite number.

    .. versionadded:: 26.1.0
    """

    id: str = "network_manager"
    data_types: frozenset[str] = frozenset(
        {
            "bssid",
            "network_signal_strength",
            "network_status",
            "network_type",
            "ssid",
            "wifi_status",
        }
    )

    _QUESTIONS: ClassVar[Mapping[str, Callable[[Service], str | int]]] = {
        "bssid": lambda service: _own_address(service),
        "network_signal_strength": lambda service: _signal(
            _own_point(service)
        ),
        "network_status": lambda service: _status(service),
        "network_type": lambda service: _type(service),
        "ssid": lambda service: _own_name(service),
        "wifi_status": lambda service: _wifi_status(service),
    }

    def _read(
        self, permit: Permit, **_options: Any
    ) -> str | int | Unavailable:
        data_type = permit.clause.type
        return self._ask(data_type, self._QUESTIONS[data_type])


class WifiListSource(_Asking[tuple[WifiNetwork, ...]]):
    """
    The Wi-Fi networks in reach, as NetworkManager last heard them.

    Gives a tuple of `WifiNetwork`, each access point once, the strongest
    first. An access point of which NetworkManager says what cannot be is left
    out. It is a place by another name.

    Args:
        timeout_seconds: How long one read may take, all in all.

    Raises:
        ValueError: If *timeout_seconds* is not a positive, finite number.

    .. versionadded:: 26.1.0
    """

    id: str = "network_manager_wifi_list"
    data_types: frozenset[str] = frozenset({"wifi_list"})
    #: NetworkManager itself scans no more often.
    min_interval_seconds: float = 10.0

    def _read(
        self, permit: Permit, **_options: Any
    ) -> tuple[WifiNetwork, ...] | Unavailable:
        return self._ask(permit.clause.type, _networks)


def _type(service: Service) -> str:
    kind = service.get(_ROOT, f"{_NAME}.PrimaryConnectionType", "s")
    return _TYPES.get(kind, "other")


def _status(service: Service) -> str:
    state = service.get(_ROOT, f"{_NAME}.State", "u")
    if state == 0:
        msg = "NetworkManager does not know it"
        raise _Nothing(msg)
    if state not in _STATES:
        raise BusError(Fault.ODD)
    return _STATES[state]


def _wifi_status(service: Service) -> str:
    cards = _cards(service)
    if not service.get(_ROOT, f"{_NAME}.WirelessEnabled", "b"):
        return "off"
    points = (_point_of(service, card) for card in cards)
    return "connected" if any(p != _NONE for p in points) else "on"


def _cards(service: Service) -> list[str]:
    """
    List the Wi-Fi devices, the one that carries the traffic first.
    """
    devices = service.get(_ROOT, f"{_NAME}.Devices", "ao")
    found = [
        device
        for device in devices[:_MOST_POINTS]
        if service.get(device, f"{_DEVICE}.DeviceType", "u") == _IS_WIFI
    ]
    if not found:
        msg = "this machine has no Wi-Fi that NetworkManager knows"
        raise _Nothing(msg)
    first = _carriers(service)
    return sorted(found, key=lambda d: (d not in first, by_number(d)))


def _carriers(service: Service) -> list[str]:
    primary = service.get(_ROOT, f"{_NAME}.PrimaryConnection", "o")
    if primary == _NONE:
        return []
    found: list[str] = service.get(primary, f"{_ACTIVE}.Devices", "ao")
    return found


def _point_of(service: Service, card: str) -> str:
    """
    Give the path of the access point that *card* is with.
    """
    if service.get(card, f"{_WIRELESS}.Mode", "u") != _IS_MEMBER:
        return _NONE
    return str(service.get(card, f"{_WIRELESS}.ActiveAccessPoint", "o"))


def _own_point(service: Service) -> Properties:
    for card in _cards(service):
        point = _point_of(service, card)
        if point != _NONE:
            return service.get_all(point, _POINT)
    msg = "this machine is with no Wi-Fi network"
    raise _Nothing(msg)


def _own_name(service: Service) -> str:
    name = _ssid(_own_point(service))
    if not name:
        msg = "the network hides its name"
        raise _Nothing(msg)
    return name


def _own_address(service: Service) -> str:
    address = _bssid(_own_point(service))
    if not address:
        msg = "the access point has no address that can be used"
        raise _Nothing(msg)
    return address


def _networks(service: Service) -> tuple[WifiNetwork, ...]:
    cards = _cards(service)
    if not service.get(_ROOT, f"{_NAME}.WirelessEnabled", "b"):
        msg = "Wi-Fi is off"
        raise _Nothing(msg)
    found: dict[str, WifiNetwork] = {}
    odd: BusError | None = None
    for path in _paths(service, cards):
        try:
            network = _network(service.get_all(path, _POINT))
        except BusError as error:
            if not error.is_of_one:
                raise
            # Gone meanwhile, or odd; the others are not.
            odd = odd if error.fault is Fault.UNKNOWN else error
            continue
        address = str(network["bssid"])
        # Two cards may hear the same one.
        known = found.get(address, network)
        if address and _strength(network) >= _strength(known):
            found[address] = network
    if not found and odd is not None:
        raise odd
    if not found:
        msg = "no Wi-Fi network is in reach"
        raise _Nothing(msg)
    in_order = sorted(found, key=lambda a: (-_strength(found[a]), a))
    return tuple(found[a] for a in in_order)


def _strength(network: WifiNetwork) -> int:
    return int(network["signal_percent"])


def _paths(service: Service, cards: list[str]) -> list[str]:
    """
    Name the access points that are heard.
    """
    paths = [
        path
        for card in cards
        for path in service.get(card, f"{_WIRELESS}.AccessPoints", "ao")
    ]
    if len(paths) > _MOST_POINTS:
        raise BusError(Fault.ODD)
    return paths


def _network(point: Properties) -> WifiNetwork:
    """
    Read an access point; one that says too little of itself is odd.
    """
    if not point.keys() >= {"HwAddress", "Ssid", "Strength"}:
        raise BusError(Fault.ODD if point else Fault.UNKNOWN)
    name = _ssid(point)
    return {
        **({"ssid": name} if name else {}),
        "bssid": _bssid(point),
        "signal_percent": _signal(point),
    }


def _ssid(point: Properties) -> str:
    r"""
    Spell a network's name, which is bytes, always in the same way.

    What is not UTF-8 is written as ``\xNN``: a name in another encoding
    stays one name, and is not guessed at. So is what cannot be printed, such
    as the end of a line or the beginning of a terminal's command.
    """
    name = bytes(value(point, "Ssid", "ay"))
    if len(name) > _LONGEST_SSID:
        raise BusError(Fault.ODD)
    # A hidden network sends none, or zeros in place of each letter.
    text = name.strip(b"\0").decode(errors="backslashreplace")
    return "".join(
        c
        if c.isprintable()
        else "".join(f"\\x{byte:02x}" for byte in c.encode())
        for c in text
    )


def _bssid(point: Properties) -> str:
    """
    Give the address in capitals with colons; empty if it is of no device.
    """
    address = str(value(point, "HwAddress", "s")).upper()
    if not _MAC.fullmatch(address) or address == "00:00:00:00:00:00":
        return ""
    is_of_group = int(address[:2], 16) & 1
    return "" if is_of_group else address


def _signal(point: Properties) -> int:
    percent = int(value(point, "Strength", "y"))
    if percent > 100:
        raise BusError(Fault.ODD)
    return percent
