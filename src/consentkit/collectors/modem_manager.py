# SPDX-License-Identifier: MIT
"""
Identifiers of the modem and its SIM, as ModemManager knows them.

Only properties are read, over the system bus; no PIN is tried, no modem is
switched on, and a ModemManager that does not run is not started.

No permission of the system guards any of this: every program of the machine
can read it. The person's consent is all that stands before it.

Source: the D-Bus interfaces of ModemManager 1; 3GPP TS 23.003 (IMEI, IMSI);
ITU-T E.118 (ICCID).

Times are seconds.
"""

from __future__ import annotations

import re
import time

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from consentkit.anonymise.identifiers import canonical_imei
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


__all__ = ["ModemManagerSource"]

_NAME: Final = "org.freedesktop.ModemManager1"
_ROOT: Final = "/org/freedesktop/ModemManager1"
_OBJECTS: Final = "org.freedesktop.DBus.ObjectManager.GetManagedObjects"
_MODEM: Final = f"{_NAME}.Modem"
_3GPP: Final = f"{_NAME}.Modem.Modem3gpp"
_SIM: Final = f"{_NAME}.Sim"

_NONE: Final = "/"

#: MMModem3gppRegistrationState: in the network of its own carrier.
_AT_HOME: Final = 1

#: MMModemLock: 0 is "unknown", 1 "none"; the others lack some PIN.
_UNLOCKED: Final = 1

_DIGITS = re.compile(r"[0-9]{14,15}")
_MCC_MNC = re.compile(r"[0-9]{5,6}")

#: 89 stands for telecommunication. Some carriers use letters, and some modems
#: give the half byte that fills the last one up.
_ICCID = re.compile(r"(89[0-9A-E]{16,18})F{0,2}")

_LONGEST_NAME: Final = 128


@frozen
class _Modem:
    """
    One modem: how to ask it, and what ModemManager's list says of it.
    """

    service: Service
    interfaces: Mapping[str, Properties]

    def read(self, interface: str, name: str, kind: str) -> Any:
        """
        Give a property of the modem, or ``None``.
        """
        return _optional(self.interfaces.get(interface, {}), name, kind)

    def sim(self, name: str, kind: str = "s") -> Any:
        """
        Give a property of the SIM in use, or ``None``.
        """
        path = self.read(_MODEM, "Sim", "o")
        if path in {None, _NONE}:
            return None
        try:
            return self.service.get(path, f"{_SIM}.{name}", kind)
        except BusError as error:
            # Pulled out meanwhile, or a property that is younger.
            if error.fault is Fault.UNKNOWN:
                return None
            raise


class ModemManagerSource(Source[str]):
    """
    What ModemManager knows of the modem, of the first one that tells it.

    - ``imei``: 15 digits, check digit right.
    - ``imsi``: 14 or 15 digits. ``iccid``: 18 to 20 digits, a filling ``F``
      left out.
    - ``carrier``: the name of the SIM's carrier; of the network only where
      that is the SIM's own, not while roaming.
    - ``mcc_mnc``: the SIM's codes of country and network, 5 or 6 digits.
    - ``sim_status``: ``ready``, ``locked`` or ``absent``.

    Args:
        timeout_seconds: How long one read may take, all in all.

    Raises:
        ValueError: If *timeout_seconds* is not a positive, finite number.

    .. versionadded:: 26.1.0
    """

    id: str = "modem_manager"
    timeout_seconds: float | None = None  # it keeps its own
    name: str = "ModemManager"
    data_types: frozenset[str] = frozenset(
        {"carrier", "iccid", "imei", "imsi", "mcc_mnc", "sim_status"}
    )
    touches: str = (
        "the system bus; ModemManager's list of modems, which comes with all "
        "their properties, and for most types properties of the SIM"
    )
    visible: str = ""
    platforms: frozenset[str] = frozenset({"desktop", "iot"})

    def __init__(self, *, timeout_seconds: float = 5.0) -> None:
        self._timeout = check_seconds("timeout_seconds", timeout_seconds)

    def _read(self, permit: Permit, **_options: Any) -> str | Unavailable:
        data_type = permit.clause.type
        question = _QUESTIONS[data_type]
        deadline = time.monotonic() + self._timeout
        reason, odd = "ModemManager knows no modem", ""
        try:
            with Service(_NAME, deadline=deadline) as service:
                for modem in _modems(service):
                    try:
                        found = question(modem)
                    except BusError as error:
                        if not error.is_of_one:
                            raise
                        # The next one may be sound.
                        odd = odd or error.reason(self.name)
                        continue
                    if found:
                        return found
                    reason = "no modem tells one that can be used"
        except BusError as error:
            return Unavailable(data_type, error.reason(self.name))
        return Unavailable(data_type, odd or reason)


def _modems(service: Service) -> Iterator[_Modem]:
    """
    Give the modems in the order in which they were plugged in.
    """
    found: Mapping[str, Mapping[str, Properties]] = service.call(
        _ROOT, _OBJECTS, gives="a{oa{sa{sv}}}"
    )
    for path in sorted(found, key=by_number):
        if _MODEM in found[path]:
            yield _Modem(service, found[path])


def _imei(modem: _Modem) -> str | None:
    for interface, name in ((_3GPP, "Imei"), (_MODEM, "EquipmentIdentifier")):
        text = modem.read(interface, name, "s")
        if text and (spelled := canonical_imei(text)):
            return spelled
    return None


def _imsi(modem: _Modem) -> str | None:
    return _number(_DIGITS, modem.sim("Imsi"))


def _iccid(modem: _Modem) -> str | None:
    match = _ICCID.fullmatch((modem.sim("SimIdentifier") or "").upper())
    # After the prefix, one digit again and again is no number.
    if match is None or len(set(match[1][2:])) == 1:
        return None
    return match[1]


def _mcc_mnc(modem: _Modem) -> str | None:
    return _number(_MCC_MNC, modem.sim("OperatorIdentifier"))


def _number(pattern: re.Pattern[str], text: str | None) -> str | None:
    if text is None or not pattern.fullmatch(text):
        return None
    return None if len(set(text)) == 1 else text


def _carrier(modem: _Modem) -> str | None:
    name = _name(modem.sim("OperatorName"))
    state = modem.read(_3GPP, "RegistrationState", "u")
    if name is None and state == _AT_HOME:
        name = _name(modem.read(_3GPP, "OperatorName", "s"))
    return name


def _name(text: str | None) -> str | None:
    if text is None or len(text) > _LONGEST_NAME or not text.isprintable():
        return None
    return text.strip() or None


def _sim_status(modem: _Modem) -> str | None:
    if modem.read(_MODEM, "Sim", "o") == _NONE:
        return "absent"
    lock = modem.read(_MODEM, "UnlockRequired", "u")
    if not lock:
        return None
    return "ready" if lock == _UNLOCKED else "locked"


_QUESTIONS: Final[Mapping[str, Callable[[_Modem], str | None]]] = {
    "carrier": _carrier,
    "iccid": _iccid,
    "imei": _imei,
    "imsi": _imsi,
    "mcc_mnc": _mcc_mnc,
    "sim_status": _sim_status,
}


def _optional(properties: Properties, name: str, kind: str) -> Any:
    return value(properties, name, kind) if name in properties else None
