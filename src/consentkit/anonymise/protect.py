# SPDX-License-Identifier: MIT
"""
From a raw value to what of it may be known to whom.

This is the only place that makes a `Protected`, and the outbox takes nothing
else.
"""

from __future__ import annotations

import math

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, final

from consentkit.anonymise.buckets import (
    bucket,
    generalise_version,
    truncate_ip,
)
from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.digests import (
    derive_pseudonym_key,
    keyed_hex,
    md5_hex,
)
from consentkit.anonymise.grid import cell_of
from consentkit.anonymise.identifiers import canonical
from consentkit.anonymise.naming import class_of
from consentkit.anonymise.scrub import scrub
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import ConsentKitError, UnprotectedError
from consentkit.gate import Permit, check_permit
from consentkit.policy.model import Clause, EventSpec, ProtectionName
from consentkit.typing import JSON


__all__ = ["Protected", "check_protected", "protect", "protect_event"]

_SEAL: Final = object()

_TAKES: Final[Mapping[str, str]] = {
    "bool": "a bool",
    "int": "an int below 2**31, zero or more where it is bucketed",
    "float": "a float below 2**31, zero or more where it is bucketed",
    "enum": "one of its declared values",
    "text": "text",
}

#: Gives the secret that pseudonyms of a permit's grant are made from, or
#: ``None`` if the grant has ended.
Secret = Callable[[Permit], bytes | None]


@final
class Protected:
    """
    A value in the form that its clause promises.

    Attributes:
        permit: What it was read under.

        value: The value, as JSON knows it; absent from the ``repr``.

        protection: What was done to it.

        privacy_class: What the result may honestly be called.
    """

    __slots__ = ("_seal", "permit", "privacy_class", "protection", "value")

    permit: Permit
    value: JSON
    protection: ProtectionName
    privacy_class: PrivacyClass

    def __init__(self, *, seal: object = None, **fields: Any) -> None:
        if seal is not _SEAL:
            msg = "only consentkit.anonymise protects values"
            raise UnprotectedError(msg)
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_seal", seal)

    def __init_subclass__(cls) -> NoReturn:
        msg = "a protected value cannot be subclassed"
        raise UnprotectedError(msg)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        msg = "a protected value cannot be changed"
        raise UnprotectedError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        msg = "a protected value cannot be changed"
        raise UnprotectedError(msg)

    def __reduce__(self) -> NoReturn:
        msg = "a protected value cannot be copied or stored"
        raise UnprotectedError(msg)

    def __repr__(self) -> str:
        return (
            f"<Protected {self.permit.clause.type}: "
            f"{self.protection.value}, {self.privacy_class.value}>"
        )


def check_protected(value: object) -> Protected:
    """
    Return *value* if this module protected it.

    Raises:
        UnprotectedError: If it is anything else.
    """
    genuine = type(value) is Protected and (
        getattr(value, "_seal", None) is _SEAL
    )
    if not genuine:
        msg = "the outbox takes only what was protected"
        raise UnprotectedError(msg)
    assert isinstance(value, Protected)  # noqa: S101 - for the type checker
    return value


def protect(
    permit: Permit, raw: object, *, secret: Secret
) -> Protected | Unavailable:
    """
    Protect *raw* as the clause of *permit* promises.

    Args:
        permit: What it was read under.

        raw: What the source read: a text, a number, or an object with
            ``latitude`` and ``longitude``, or with ``intent`` and
            ``value``.

        secret: Gives the secret for ``keyed``.

    Returns:
        The protected value, or why there is none: what is not in the form
        of its type is no value, and nothing is made up in its place.

    Raises:
        ForgedPermitError: If *permit* is not one of the gate's.
    """
    clause = check_permit(permit).clause
    value: JSON = None
    try:
        value = _clean(_STEPS[clause.protection.name](permit, raw, secret))
    except ConsentKitError:
        raise
    except Exception:  # noqa: BLE001, S110 - its text may hold the value
        pass
    if value is None:
        return Unavailable(
            clause.type, f"the value is no {clause.type} that can be used"
        )
    return _sealed(permit, value)


def protect_event(
    permit: Permit, spec: EventSpec, fields: Mapping[str, object]
) -> Protected | str:
    """
    Protect an app's own event.

    Text is always scrubbed; numbers are bucketed where the clause says so.

    Returns:
        The protected event, or what is wrong with it, without any value.
    """
    check_permit(permit)
    value = clean_event(permit.clause, spec, fields)
    if isinstance(value, str):
        return value
    return seal_event(permit, spec, value)


def seal_event(
    permit: Permit, spec: EventSpec, value: Mapping[str, JSON]
) -> Protected:
    """
    Seal what `clean_event` gave, under a permit.
    """
    check_permit(permit)
    free = any(field.kind == "text" for field in spec.fields.values())
    return _sealed(permit, dict(value), free_text=free)


def clean_event(
    clause: Clause, spec: EventSpec, fields: Mapping[str, object]
) -> dict[str, JSON] | str:
    """
    Check and scrub the fields of an app's own event.

    Returns:
        The fields, or what is wrong with them, without any value.
    """
    if fields.keys() != spec.fields.keys():
        return f"its fields are {', '.join(sorted(spec.fields)) or 'none'}"
    bucketed = clause.protection.name is ProtectionName.BUCKET
    value: dict[str, JSON] = {"event": spec.name}
    for name, field in spec.fields.items():
        try:
            made = _clean(_field(field.kind, field.values, fields[name]))
            if bucketed and field.kind in {"int", "float"}:
                made = _bucketed(made)
        except (ValueError, OverflowError):
            made = None
        if made is None:
            return f"its field {name} takes {_TAKES[field.kind]}"
        value[name] = made
    return value


def _field(kind: str, values: tuple[str, ...], given: object) -> JSON:
    """
    Check and protect one field of an event; ``None`` if it does not fit.
    """
    match kind, given:
        case "bool", bool():
            return given
        case "int", int() if _is_plain_number(given):
            return int(given)
        case "float", int() | float() if _is_plain_number(given):
            return float(given)
        case "enum", str() if given in values:
            # The declared one: an enumeration's own text is another.
            return values[values.index(given)]
        case "text", str():
            return scrub(given).text
        case _:
            return None


def _is_plain_number(given: float) -> bool:
    """
    Tell whether a number is small enough to be no number *of* somebody.

    Phone numbers, IMEIs and stamps in milliseconds are larger.
    """
    return not isinstance(given, bool) and abs(given) < 2**31


def _clean(value: JSON) -> JSON:
    """
    Give *value* as any reader of JSON takes it.

    Raises:
        ValueError: If it holds a number that JSON does not have.
    """
    match value:
        case str():
            # Half of a surrogate pair, as in names of files, has no UTF-8.
            return value.encode(errors="replace").decode()
        case float() if not math.isfinite(value):
            msg = "not a finite number"
            raise ValueError(msg)
        case int() if not -(2**63) <= value < 2**63:
            msg = "a number of more than 64 bits"
            raise ValueError(msg)
        case Mapping():
            return {str(_clean(k)): _clean(v) for k, v in value.items()}
        case _:
            return value


def _sealed(
    permit: Permit, value: JSON, *, free_text: bool = False
) -> Protected:
    clause = permit.clause
    privacy_class = class_of(clause.type, clause.protection.name)
    if free_text and privacy_class is PrivacyClass.DE_IDENTIFIED:
        privacy_class = PrivacyClass.LINKABLE
    return Protected(
        seal=_SEAL,
        permit=permit,
        value=value,
        protection=clause.protection.name,
        privacy_class=privacy_class,
    )


def _as_is(_: Permit, raw: Any, __: Secret) -> JSON:
    if isinstance(raw, str | int | float | bool):
        return raw
    if not hasattr(raw, "latitude") or _is_elsewhere(raw):
        return None
    return {"latitude": raw.latitude, "longitude": raw.longitude}


def _is_elsewhere(place: Any) -> bool:
    """
    Tell whether a place is in other coordinates than WGS-84.

    Those are some hundred metres off: no value beats a wrong one.
    """
    return getattr(place, "crs", "wgs84") != "wgs84"


def _md5(permit: Permit, raw: Any, _: Secret) -> JSON:
    spelled = canonical(permit.clause.type, raw)
    return None if spelled is None else md5_hex(spelled)


def _keyed(permit: Permit, raw: Any, secret: Secret) -> JSON:
    spelled = canonical(permit.clause.type, raw)
    root = None if spelled is None else secret(permit)
    if spelled is None or root is None:
        return None
    key = derive_pseudonym_key(
        root,
        controller=permit.controller,
        recipient=permit.recipient,
        data_type=permit.clause.type,
        epoch=permit.grant,
    )
    return keyed_hex(key, spelled)


def _grid(permit: Permit, raw: Any, _: Secret) -> JSON:
    if _is_elsewhere(raw):
        return None
    cell = cell_of(
        raw.latitude,
        raw.longitude,
        side_km=permit.clause.protection.cell_km,
    )
    return {
        "latitude": round(cell.latitude, 5),
        "longitude": round(cell.longitude, 5),
        "cell_km": cell.side_km,
    }


def _bucket(_: Permit, raw: Any, __: Secret) -> JSON:
    return _bucketed(raw)


def _bucketed(number: Any) -> JSON:
    return None if number is None else bucket(number)


def _truncate(_: Permit, raw: Any, __: Secret) -> JSON:
    return truncate_ip(raw)


def _generalise(_: Permit, raw: Any, __: Secret) -> JSON:
    return generalise_version(raw) or None


def _scrub(_: Permit, raw: Any, __: Secret) -> JSON:
    if isinstance(raw, Mapping):
        return {str(k): _scrubbed_item(v) for k, v in raw.items()}
    return scrub(raw).text


def _scrubbed_item(item: object) -> JSON:
    if isinstance(item, bool | int | float):
        return item
    return scrub(str(item)).text


def _take(permit: Permit, raw: Any, _: Secret) -> JSON:
    if raw.intent not in permit.clause.protection.intents:
        return None
    return {"intent": raw.intent, "value": raw.value}


def _present(_: Permit, __: Any, ___: Secret) -> JSON:
    return True


def _nothing(_: Permit, __: Any, ___: Secret) -> JSON:
    return None


_Step = Callable[[Permit, Any, Secret], JSON]

_STEPS: Final[Mapping[ProtectionName, _Step]] = {
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
}
