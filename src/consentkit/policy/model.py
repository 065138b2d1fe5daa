# SPDX-License-Identifier: MIT
"""
The promise as a value: what a policy document says, frozen.

Nothing here reads a file; `consentkit.policy.load` does.
"""

from __future__ import annotations

import hashlib
import json

from collections.abc import Mapping
from datetime import date
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Any

import attrs

from attrs import field, frozen

from consentkit.policy.period import Period


__all__ = [
    "Category",
    "Clause",
    "Controller",
    "EventField",
    "EventSpec",
    "Function",
    "Policy",
    "Protection",
    "ProtectionName",
    "Recipient",
    "split_element",
]


class Category(Enum):
    """
    What kind of function it is, and so what refusing it costs.
    """

    CORE = "core"
    ADDITIONAL = "additional"
    THIRD_PARTY = "third_party"


class ProtectionName(Enum):
    """
    How a value is changed on the device before anything else sees it.

    The class that each result may honestly claim is in
    `consentkit.anonymise.PrivacyClass`.
    """

    NONE = "none"
    DROP = "drop"
    LOCAL_ONLY = "local_only"
    PRESENT = "present"
    MD5 = "md5"
    KEYED = "keyed"
    GRID = "grid"
    BUCKET = "bucket"
    TRUNCATE = "truncate"
    GENERALISE = "generalise"
    SCRUB = "scrub"
    TAKE = "take"


@frozen(kw_only=True)
class Protection:
    """
    A protection with its parameters, as one clause declares it.

    Attributes:
        name: The technique.

        cell_km: Side of a grid cell in kilometres, for ``grid``.

        intents: What may be taken from the clipboard, for ``take``.
    """

    name: ProtectionName
    cell_km: float = 2.0
    intents: tuple[str, ...] = ()


@frozen(kw_only=True)
class Controller:
    """
    Who answers for the processing.
    """

    id: str
    name: str
    contact: str
    address: str = ""


@frozen(kw_only=True)
class Recipient:
    """
    Somebody who gets data.

    Attributes:
        mode: ``controller``, or an id of the recipient modes of the
            vocabulary (``entrusted``, ``shared``, ...).

        country: ISO 3166-1 alpha-2 code of where the data goes.
    """

    id: str
    name: str
    mode: str
    country: str = ""


@frozen(kw_only=True)
class Clause:
    """
    One promise: this type, for these purposes, protected so, kept so long.

    Attributes:
        type: Id of the data type in the vocabulary.

        purposes: Ids of purposes; never empty.

        recipients: Ids of recipients; never empty.

        retention: How long a record may wait or be kept.

        permission: Id of the operating system's permission, or empty.

        separate: Whether the person decides on this type by itself
            (Source: PIPL Article 29 for sensitive types).

        scenes: Situations in which it may be read, for the clipboard.
    """

    type: str
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    protection: Protection
    retention: Period
    permission: str = ""
    separate: bool = False
    scenes: tuple[str, ...] = ()


@frozen(kw_only=True)
class EventField:
    """
    One field of an app's own event.

    Attributes:
        kind: ``bool``, ``int``, ``float``, ``enum`` or ``text``; text is
            always scrubbed.

        values: The closed list of an ``enum``.
    """

    kind: str
    values: tuple[str, ...] = ()


@frozen(kw_only=True)
class EventSpec:
    """
    An app's own event, belonging to a declared data type.
    """

    name: str
    type: str
    fields: Mapping[str, EventField]


@frozen(kw_only=True)
class Function:
    """
    Something that a person can turn on or off.

    Attributes:
        text: What the person is asked, in the policy's language.

        basis: Lawful bases, ids of the vocabulary.

        on_refusal: What the person loses by refusing, in one word of
            ``service_unavailable``, ``function_unavailable``, ``degraded``.

        clauses: The closed list of what it collects, by data type.

        purposes: Why; of a function that only starts an SDK, that SDK's.

        recipients: Who gets its data, by id: who they are is a part of the
            promise.

        events: The app's own events, by name.

        sdk: Id of the third-party SDK that it may start, or empty. One each,
            so that every SDK is a decision of its own.
    """

    id: str
    name: str
    category: Category
    text: str
    basis: tuple[str, ...]
    on_refusal: str
    clauses: Mapping[str, Clause]
    purposes: tuple[str, ...] = ()
    recipients: Mapping[str, Recipient] = MappingProxyType({})
    events: Mapping[str, EventSpec] = MappingProxyType({})
    sdk: str = ""

    @property
    def elements(self) -> tuple[str, ...]:
        """
        What a person decides on: the function, then its separate types.
        """
        separate = (c.type for c in self.clauses.values() if c.separate)
        return (self.id, *(f"{self.id}/{type_}" for type_ in separate))

    @cached_property
    def terms(self) -> str:
        """
        SHA-256, in hex, of all that the function promises.

        A consent is given to these terms; other terms need it again.
        """
        return _digest(_plain(self))

    def element_of(self, data_type: str) -> str:
        """
        Name the element whose consent opens *data_type*.
        """
        clause = self.clauses[data_type]
        return f"{self.id}/{data_type}" if clause.separate else self.id


def split_element(element: str) -> tuple[str, str]:
    """
    Split an element into function and separate data type (maybe empty).
    """
    function, _, data_type = element.partition("/")
    return function, data_type


@frozen(kw_only=True)
class Policy:
    """
    A validated policy document.

    Attributes:
        id: Stable name of the document, used for the default data folder.

        version: The version as its authors write it.

        digest: SHA-256, in hex, of the whole promise.

        functions: By id, in the order of the document.

        recipients: By id; the controller is among them.
    """

    id: str
    title: str
    version: str
    effective: date
    language: str
    controller: Controller
    recipients: Mapping[str, Recipient]
    functions: Mapping[str, Function]
    url: str = ""
    digest: str = field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "digest", _digest(_plain(self)))

    def __repr__(self) -> str:
        return (
            f"<Policy {self.id} {self.version}: "
            f"{len(self.functions)} functions>"
        )

    @property
    def elements(self) -> tuple[str, ...]:
        """
        Everything that a person can decide on, in order.
        """
        return tuple(
            element
            for function in self.functions.values()
            for element in function.elements
        )


def _plain(value: object) -> object:
    """
    Reduce *value* to what JSON knows, for digests only.
    """
    match value:
        case Enum():
            return value.value
        case date() | Period():
            return str(value)
        case Mapping():
            return {str(k): _plain(v) for k, v in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case str() | int() | float() | None:
            return value
    kind: Any = type(value)
    return {
        a.name: _plain(getattr(value, a.name))
        for a in attrs.fields(kind)
        if a.init
    }


def _digest(value: object) -> str:
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()
