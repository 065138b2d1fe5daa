# SPDX-License-Identifier: MIT
"""
The steps: what each protection makes of a raw value.

A step gives a JSON value, None where the raw value is not in form, or says
why there is none. It may raise anything; `consentkit.anonymise.protect` lets
nothing of it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from attrs import frozen

from consentkit._mac import hmac_sha256
from consentkit.anonymise.buckets import (
    bucket,
    generalise_version,
    truncate_ip,
)
from consentkit.anonymise.budget import Budget
from consentkit.anonymise.coordinates import to_wgs84
from consentkit.anonymise.digests import (
    PseudonymKeys,
    derive_pseudonym_key,
    keyed_hex,
    md5_hex,
)
from consentkit.anonymise.identifiers import canonical
from consentkit.anonymise.intents import may_be_taken
from consentkit.anonymise.nested import scrub_value
from consentkit.anonymise.noise import noisy_cell
from consentkit.anonymise.response import answer
from consentkit.anonymise.series import (
    News,
    Places,
    epoch_name,
    held_cell,
)
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import StoreError
from consentkit.gate import Permit
from consentkit.policy.model import EventSpec, Protection, ProtectionName
from consentkit.typing import JSON


__all__ = ["STEPS", "Given", "Secret", "answered", "bucketed", "no_secret"]

_PLACES: Final = frozenset({"location_coarse", "location_precise"})

#: Gives the secret that pseudonyms of a permit's grant are made from, with
#: its keys if they are at hand; ``None`` if the grant has ended.
Secret = Callable[[Permit], bytes | PseudonymKeys | None]


@frozen
class Given:
    """
    What a step knows beside the value.
    """

    permit: Permit
    _secret: Secret
    _at: datetime | None
    places: Places | None
    budget: Budget | None

    @property
    def data_type(self) -> str:
        return self.permit.clause.type

    @property
    def protection(self) -> Protection:
        return self.permit.clause.protection

    @property
    def epoch(self) -> str:
        """
        Name the epoch; empty where the policy names none.
        """
        return epoch_name(self.protection.epoch, self._at or datetime.now(UTC))

    def key(self, use: str = "") -> bytes | None:
        """
        Derive the key for one use, recipient, type and epoch.

        Returns:
            The key, or None if the grant has ended.
        """
        root = self._secret(self.permit)
        if root is None:
            return None
        parts = (use, self.permit.grant, self.epoch)
        keys = PseudonymKeys(root) if isinstance(root, bytes) else root
        return keys.key(
            controller=self.permit.controller,
            recipient=self.permit.recipient,
            data_type=self.data_type,
            epoch=" ".join(filter(None, parts)),
        )

    def unavailable(self, reason: str) -> Unavailable:
        return Unavailable(self.data_type, reason)


def no_secret(_: Permit) -> None:
    """
    Give no secret.
    """


def _as_is(given: Given, raw: Any) -> JSON:
    if isinstance(raw, str | int | float | bool):
        return raw
    if isinstance(raw, list | tuple):
        return [_flat(item) for item in raw]
    # The name of a city is a text: coordinates are more than it promises.
    if not hasattr(raw, "latitude") or given.data_type not in _PLACES:
        return None
    place = _place(raw)
    return place and {"latitude": place[0], "longitude": place[1]}


def _flat(item: object) -> JSON:
    """
    Give an item of a list: a text, a number, or a mapping of these.

    Raises:
        ValueError: If it is anything else.
    """
    if item is None or isinstance(item, str | int | float | bool):
        return item
    if isinstance(item, Mapping) and all(
        v is None or isinstance(v, str | int | float | bool)
        for v in item.values()
    ):
        return {str(k): v for k, v in item.items()}
    msg = "not flat"
    raise ValueError(msg)


def _place(raw: Any) -> tuple[float, float] | None:
    """
    Give a place in WGS-84; None if its source declares no known system.
    """
    crs = getattr(raw, "crs", "wgs84")
    return to_wgs84(raw.latitude, raw.longitude, crs)


def _md5(given: Given, raw: Any) -> JSON:
    spelled = canonical(given.data_type, raw)
    return None if spelled is None else md5_hex(spelled)


def _keyed(given: Given, raw: Any) -> JSON:
    if isinstance(raw, list | tuple):
        found = [_identifier(given.data_type, item) for item in raw]
        spelled = [one for one in found if one is not None]
    else:
        one = canonical(given.data_type, raw)
        spelled = [] if one is None else [one]
    key = given.key() if spelled else None
    if key is None:
        return None
    made = [keyed_hex(key, one) for one in spelled]
    # Sorted: the order of a list may tell what stands for what.
    return sorted(set(made)) if isinstance(raw, list | tuple) else made[0]


#: What names an item of a list, the strongest first, and its spelling.
_NAMES: Final[Mapping[str, str]] = {
    "bssid": "bssid",
    "mac_address": "mac_address",
    "imei": "imei",
    "id": "",
    "package": "",
    "name": "",
    "ssid": "",
}


def _identifier(data_type: str, item: object) -> str | None:
    if isinstance(item, str):
        return canonical(data_type, item)
    if isinstance(item, Mapping):
        for name, type_ in _NAMES.items():
            if name in item:
                return canonical(type_ or data_type, item[name])
    return None


def _grid(given: Given, raw: Any) -> JSON | Unavailable | News:
    protection = given.protection
    place = _place(raw)
    if place is None:
        return None
    if given.places is None:
        return given.unavailable("nothing here remembers the last place")
    side_km = protection.cell_km
    held = given.places(
        given.permit,
        side_km,
        lambda last: held_cell(
            *place,
            side_km=side_km,
            last=last,
            accuracy_m=getattr(raw, "accuracy_m", None),
        ),
    )
    if held is None:
        return None
    shown = held.cell
    if protection.noise_km:
        key = _noise_key(given, held.secret)
        shown = noisy_cell(shown, key, mean_km=protection.noise_km)
    made: dict[str, JSON] = {
        "latitude": round(shown.latitude, 5),
        "longitude": round(shown.longitude, 5),
        "cell_km": shown.side_km,
    }
    if protection.noise_km:
        made["noise_km"] = protection.noise_km
    if not protection.on_change:
        return made
    # The true cell has to change; a new draw for the old one is no news.
    mark = hmac_sha256(held.secret, held.cell.index.encode())
    return News(made, mark[:16].hex())


def _noise_key(given: Given, secret: bytes) -> bytes:
    """
    Derive the key of an epoch's noise.

    It is the same for every function, recipient and data type: what is drawn
    anew for each of them tells, together, more of the one place. Two sizes
    of noise have two keys: one draw, stretched by two known factors, would
    be undone by a division.
    """
    return derive_pseudonym_key(
        secret,
        controller="",
        recipient="",
        data_type="",
        epoch=f"noise {given.protection.noise_km} {given.epoch}",
    )


def _krr(given: Given, raw: Any) -> JSON:
    spelled = str(raw).lower() if isinstance(raw, bool) else str(raw)
    values = given.protection.values
    return _at_random(given, spelled, values, given.protection.epsilon)


def _at_random(
    given: Given,
    value: str,
    values: Sequence[str],
    epsilon: float,
    field: str = "",
) -> str | None:
    """
    Answer *value* at random, and count it; None without a key or a count.

    Raises:
        OSError: If it cannot be counted.
    """
    key = given.key(f"krr {field}") if value in values else None
    if key is None or given.budget is None:
        return None
    given.budget.spend(
        value,
        key=key,
        epsilon=epsilon,
        function=given.permit.function.id,
        data_type=given.data_type,
        recipient=given.permit.recipient,
        epoch=given.epoch,
    )
    return answer(value, values, key=key, epsilon=epsilon)


def answered(
    given: Given, spec: EventSpec, value: Mapping[str, JSON]
) -> dict[str, JSON]:
    """
    Answer each field of an event at random; they share epsilon.

    Raises:
        StoreError: If an answer cannot be drawn or counted.
    """
    made: dict[str, JSON] = {"event": spec.name}
    epsilon = given.protection.epsilon / max(len(spec.fields), 1)
    for name, field in spec.fields.items():
        is_bool = field.kind == "bool"
        choices = ("false", "true") if is_bool else field.values
        said = str(value[name]).lower() if is_bool else str(value[name])
        try:
            told = _at_random(
                given, said, choices, epsilon, f"{spec.name}.{name}"
            )
        except OSError:
            told = None
        if told is None:
            where = "answers at random"
            raise StoreError(
                where,
                problem="the grant's secret or the budget is missing",
                cure="see that the outbox and the budget can be written",
            )
        made[name] = told == "true" if is_bool else told
    return made


def _bucket(_: Given, raw: Any) -> JSON:
    return bucketed(len(raw) if isinstance(raw, list | tuple) else raw)


def bucketed(number: Any) -> JSON:
    return None if number is None else bucket(number)


def _truncate(_: Given, raw: Any) -> JSON:
    return truncate_ip(raw)


def _generalise(_: Given, raw: Any) -> JSON:
    return generalise_version(raw) or None


def _scrub(_: Given, raw: Any) -> JSON:
    if not isinstance(raw, Mapping | list | tuple | str | int | float):
        return None
    # A key may tell what its value is, and be personal itself.
    return scrub_value(raw)


def _take(given: Given, raw: Any) -> JSON:
    intent, value = raw.intent, raw.value
    if not may_be_taken(intent, value, given.protection.intents):
        return None
    return {"intent": intent, "value": value}


def _present(_: Given, raw: Any) -> JSON:
    return None if raw is None else True


def _nothing(_: Given, __: Any) -> JSON:
    return None


_Step = Callable[[Given, Any], JSON | Unavailable | News]

STEPS: Final[Mapping[ProtectionName, _Step]] = {
    ProtectionName.NONE: _as_is,
    ProtectionName.LOCAL_ONLY: _as_is,
    ProtectionName.DROP: _nothing,
    ProtectionName.PRESENT: _present,
    ProtectionName.MD5: _md5,
    ProtectionName.KEYED: _keyed,
    ProtectionName.GRID: _grid,
    ProtectionName.BUCKET: _bucket,
    ProtectionName.TRUNCATE: _truncate,
    ProtectionName.GENERALISE: _generalise,
    ProtectionName.SCRUB: _scrub,
    ProtectionName.TAKE: _take,
    ProtectionName.KRR: _krr,
}
