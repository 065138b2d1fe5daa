# SPDX-License-Identifier: MIT
"""
From a raw value to what of it may be known to whom.

This is the only place that makes a `Protected`, and the outbox takes nothing
else.
"""

from __future__ import annotations

import hmac
import json
import math
import os

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NoReturn, final

from consentkit._mac import hmac_sha256
from consentkit.anonymise._steps import (
    STEPS,
    Given,
    Secret,
    answered,
    bucketed,
    no_secret,
)
from consentkit.anonymise.budget import Budget
from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.naming import class_of, is_honest
from consentkit.anonymise.scrub import default_scrubber, scrub
from consentkit.anonymise.series import News, Places
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import ConsentKitError, UnprotectedError
from consentkit.gate import Permit, check_permit
from consentkit.policy.model import (
    Clause,
    EventField,
    EventSpec,
    ProtectionName,
)
from consentkit.typing import JSON


__all__ = [
    "Cleaner",
    "Protected",
    "check_protected",
    "protect",
    "protect_event",
]

# Of this process: what another one has sealed, or nobody, is not genuine.
_KEY: Final = os.urandom(32)

#: Below, a number is no number *of* somebody: see `_is_plain_number`.
_PLAIN: Final = 2**31

# Texts of events that come again and again, such as versions, are scrubbed
# once: so many, of so many characters.
_MOST_KNOWN: Final = 512
_SHORT: Final = 64

_TYPES: Final[Mapping[str, type]] = {
    "bool": bool,
    "int": int,
    "float": float,
    "enum": str,
    "text": str,
}

_TAKES: Final[Mapping[str, str]] = {
    "bool": "a bool",
    "int": "an int below 2**31, zero or more where it is bucketed",
    "float": "a float below 2**31, zero or more where it is bucketed",
    "enum": "one of its declared values",
    "text": "text",
}


@final
class Protected:
    """
    A value in the form that its clause promises.

    The value is one text under a seal, and is read anew each time: another
    one that is written over it is found by `check_protected`.

    Attributes:
        permit: What it was read under.

        protection: What was done to it.

        privacy_class: What the result may honestly be called.

        news: Stands for the value, where it is kept only if it is another
            one than the last; else empty.
    """

    __slots__ = (
        "_seal",
        "_text",
        "news",
        "permit",
        "privacy_class",
        "protection",
    )

    _seal: bytes
    _text: str
    news: str
    permit: Permit
    protection: ProtectionName
    privacy_class: PrivacyClass

    def __init__(self, *_: object, **__: object) -> None:
        msg = "only consentkit.anonymise protects values"
        raise UnprotectedError(msg)

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

    @property
    def value(self) -> JSON:
        """
        The value, as JSON knows it.

        Raises:
            UnprotectedError: If it cannot be read.
        """
        try:
            made: JSON = json.loads(self._text)
        except Exception:  # noqa: BLE001, S110 - its frames hold the value
            pass
        else:
            return made
        raise UnprotectedError(_UNREADABLE)

    def __repr__(self) -> str:
        return (
            f"<Protected {self.permit.clause.type}: "
            f"{self.protection.value}, {self.privacy_class.value}>"
        )


def check_protected(value: object) -> Protected:
    """
    Return *value* if this module protected it.

    Raises:
        UnprotectedError: If it is anything else, or is called more than what
            was done to it.
    """
    if type(value) is not Protected or not hasattr(value, "_seal"):
        # The second is one that nobody made: `object.__new__` gives it.
        raise UnprotectedError(_NOT_OURS)
    # Its fields can be written over, as anything of Python's can.
    clause = value.permit.clause
    if value.protection is not clause.protection.name or not is_honest(
        value.privacy_class, clause.type, clause.protection.name
    ):
        msg = f"{clause.type} may not be called what it is called"
        raise UnprotectedError(msg)
    if not _is_genuine(value):
        raise UnprotectedError(_NOT_OURS)
    return value


_NOT_OURS: Final = "the outbox takes only what was protected"
_UNREADABLE: Final = "a protected value cannot be read"


def _is_genuine(value: Protected) -> bool:
    """
    Tell whether *value* is as it was made; not if nobody can tell.
    """
    with suppress(Exception):  # its frames hold the value
        return _is_sealed(value)
    return False


def _is_sealed(value: Protected) -> bool:
    permit: Any = value.permit
    news: Any = value.news
    text, seal = getattr(value, "_text", 0), getattr(value, "_seal", 0)
    # Of a type of somebody's own, the text that is read may be another one.
    return (
        type(text) is str
        and type(news) is str
        and type(seal) is bytes
        and type(permit) is Permit
        and hmac.compare_digest(seal, _seal_of(permit, text, news))
    )


def _seal_of(permit: Permit, text: str, news: str) -> bytes:
    bound = (
        permit.function.id,
        permit.clause.type,
        permit.purpose,
        permit.recipient,
        permit.grant,
        news,
        text,
    )
    return hmac_sha256(_KEY, "\0".join(bound).encode())


def protect(
    permit: Permit,
    raw: object,
    *,
    secret: Secret,
    at: datetime | None = None,
    places: Places | None = None,
    budget: Budget | None = None,
) -> Protected | Unavailable:
    """
    Protect *raw* as the clause of *permit* promises.

    Args:
        permit: What it was read under.

        raw: What the source read: a text, a number, or an object with
            ``latitude`` and ``longitude``, or with ``intent`` and
            ``value``; or a list of texts, or of mappings of texts and
            numbers.

        secret: Gives the secret for ``keyed``, noise and ``krr``.

        at: When it was read, an aware instant; by default now. It tells the
            epoch.

        places: Knows the last cells, for ``grid``, which has no value
            without.

        budget: Counts the answers of ``krr``, which has no value without.

    Returns:
        The protected value, or why there is none: what is not in the form
        of its type is no value, and nothing is made up in its place.

    Raises:
        ForgedPermitError: If *permit* is not one of the gate's.
    """
    clause = check_permit(permit).clause
    given = Given(permit, secret, at, places, budget)
    news = ""
    try:
        made = STEPS[clause.protection.name](given, raw)
        if isinstance(made, Unavailable):
            return made
        if isinstance(made, News):
            news, made = made.mark, made.value
        value = _clean(made)
        if value is not None:
            return _sealed(permit, value, news=news)
    except ConsentKitError:
        raise
    except Exception:  # noqa: BLE001, S110 - its text may hold the value
        pass
    return Unavailable(
        clause.type, f"the value is no {clause.type} that can be used"
    )


def protect_event(
    permit: Permit,
    spec: EventSpec,
    fields: Mapping[str, object],
    *,
    secret: Secret | None = None,
    at: datetime | None = None,
    budget: Budget | None = None,
) -> Protected | str:
    """
    Protect an app's own event.

    Text is always scrubbed; numbers are bucketed, and closed lists answered
    at random, where the clause says so.

    Args:
        permit: What the app may tell it under.

        spec: What the policy declares.

        fields: The values by field.

        secret: Gives the secret, for ``krr``.

        at: When it happened; by default now.

        budget: Counts the answers of ``krr``, which has none without.

    Returns:
        The protected event, or what is wrong with it, without any value.

    Raises:
        StoreError: If an answer at random cannot be drawn or counted.
    """
    check_permit(permit)
    value = clean_event(permit.clause, spec, fields)
    if isinstance(value, str):
        return value
    return seal_event(permit, spec, value, secret=secret, at=at, budget=budget)


def seal_event(
    permit: Permit,
    spec: EventSpec,
    value: Mapping[str, JSON],
    *,
    secret: Secret | None = None,
    at: datetime | None = None,
    budget: Budget | None = None,
) -> Protected | str:
    """
    Seal what `clean_event` gave, under a permit.

    Returns:
        The protected event, or what is wrong, without any value.

    Raises:
        StoreError: If an answer at random cannot be drawn or counted.
    """
    check_permit(permit)
    free = any(field.kind == "text" for field in spec.fields.values())
    try:
        if permit.clause.protection.name is ProtectionName.KRR:
            given = Given(permit, secret or no_secret, at, None, budget)
            value = answered(given, spec, value)
        return _sealed(permit, dict(value), free_text=free)
    except ConsentKitError:
        raise
    except Exception:  # noqa: BLE001 - its frames hold the value
        return "it cannot be protected"


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
    in_ranges = clause.protection.name is ProtectionName.BUCKET
    value: dict[str, JSON] = {"event": spec.name}
    for name, field in spec.fields.items():
        try:
            made = _clean(_field(field.kind, field.values, fields[name]))
            if in_ranges and field.kind in {"int", "float"}:
                made = bucketed(made)
        except Exception:  # noqa: BLE001 - its text may hold the value
            made = None
        if made is None:
            return f"its field {name} takes {_TAKES[field.kind]}"
        value[name] = made
    return value


def make_ready() -> None:
    """
    Do once what the first text would wait for.
    """
    default_scrubber().is_plain("")


class Cleaner:
    """
    What `clean_event` does, for many events of one class.

    It takes what is exactly of the declared types, and leaves everything else
    to `clean_event`, which says what is wrong.

    Args:
        clause: What the event's data type is collected by.

        spec: What the policy declares.
    """

    def __init__(self, clause: Clause, spec: EventSpec) -> None:
        in_ranges = clause.protection.name is ProtectionName.BUCKET
        #: Texts in which nothing was found, and no others.
        self._known: set[JSON] = set()
        self._texts = tuple(
            at
            for at, field in enumerate(spec.fields.values())
            if field.kind == "text"
        )
        self._each = tuple(
            self._one(field, in_ranges=in_ranges)
            for field in spec.fields.values()
        )
        #: Of each field the type that most of its values are exactly of.
        self._types = tuple(
            _TYPES[field.kind] for field in spec.fields.values()
        )
        #: The places of those that such a value is not enough for.
        self._others = tuple(
            (at, self._each[at])
            for at, field in enumerate(spec.fields.values())
            if field.kind in {"enum", "int", "float"}
        )

    def clean(self, given: Iterable[object]) -> list[JSON] | None:
        """
        Check and scrub the values of one event.

        Args:
            given: In the order of the fields.

        Returns:
            The same in the form that is kept, or ``None`` if one of them is
            to be looked at by `clean_event`.
        """
        made: list[Any] = list(given)
        try:
            if tuple(map(type, made)) == self._types:
                for at, one in self._others:
                    made[at] = one(made[at])
            else:
                made = [
                    one(value)
                    for one, value in zip(self._each, made, strict=True)
                ]
        except Exception:  # noqa: BLE001 - its frames hold the values
            return None
        if None in made:
            return None
        known = self._known
        fresh = [at for at in self._texts if made[at] not in known]
        if fresh:
            self._scrub(made, fresh)
        return made

    def _scrub(self, made: list[JSON], fresh: Sequence[int]) -> None:
        """
        Scrub the texts at the places *fresh*.
        """
        texts = [str(made[at]) for at in fresh]
        # One look at all of them; in most there is nothing.
        if not default_scrubber().is_plain("\n".join(texts)):
            for at, text in zip(fresh, texts, strict=True):
                scrubbed = scrub(text).text
                if not scrubbed.isascii():
                    scrubbed = scrubbed.encode(errors="replace").decode()
                made[at] = scrubbed
        for at, text in zip(fresh, texts, strict=True):
            if made[at] == text and len(text) <= _SHORT:
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known.add(text)

    def _one(
        self, field: EventField, *, in_ranges: bool
    ) -> Callable[[object], JSON]:
        if field.kind == "text":
            return lambda given: given if type(given) is str else None
        if field.kind == "enum":
            declared = {value: value for value in field.values}
            return lambda given: (
                declared.get(given) if type(given) is str else None
            )
        if field.kind == "bool":
            return lambda given: given if type(given) is bool else None
        is_float = field.kind == "float"

        def number(given: object) -> JSON:
            made: float
            if type(given) is int:
                made = float(given) if is_float else given
            elif type(given) is float and is_float:
                made = given
            else:
                return None
            if not -_PLAIN < made < _PLAIN:
                return None
            return bucketed(made) if in_ranges else made

        return number


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
    return not isinstance(given, bool) and abs(given) < _PLAIN


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
        case list() | tuple():
            return [_clean(item) for item in value]
        case _:
            return value


def _sealed(
    permit: Permit, value: JSON, *, free_text: bool = False, news: str = ""
) -> Protected:
    clause = permit.clause
    privacy_class = class_of(clause.type, clause.protection.name)
    if free_text and privacy_class is PrivacyClass.DE_IDENTIFIED:
        privacy_class = PrivacyClass.LINKABLE
    text = json.dumps(value)
    made = object.__new__(Protected)
    for name, part in (
        ("permit", permit),
        ("protection", clause.protection.name),
        ("privacy_class", privacy_class),
        ("news", news),
        ("_text", text),
        ("_seal", _seal_of(permit, text, news)),
    ):
        object.__setattr__(made, name, part)
    # Tried here, where all that fails is caught: what comes later is called
    # by frames that hold more.
    if not _is_sealed(made) or json.loads(text) is None:
        raise ValueError(_UNREADABLE)
    return made
