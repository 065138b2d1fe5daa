# SPDX-License-Identifier: MIT
"""
The promise as a value: what a policy document says, frozen.

Nothing here reads a file; `consentkit.policy.load` does.
"""

from __future__ import annotations

import hashlib
import json

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import attrs

from attrs import field, frozen

from consentkit.policy.document import canonical
from consentkit.policy.period import Period
from consentkit.policy.tables import CollectsTable, Document


__all__ = [
    "ABROAD",
    "Category",
    "Clause",
    "Clauses",
    "Controller",
    "EventField",
    "EventSpec",
    "Exemption",
    "Function",
    "Minors",
    "Pending",
    "Policy",
    "Protection",
    "ProtectionName",
    "Recipient",
    "split_element",
]


#: Ends the name of a decision on giving data to a recipient abroad.
ABROAD: Final = "+abroad"


class Category(Enum):
    """
    What kind of function it is, and so what refusing it costs.
    """

    CORE = "core"
    ADDITIONAL = "additional"
    THIRD_PARTY = "third_party"
    CROSS_CUTTING = "cross_cutting"


class Pending(Enum):
    """
    What happens to data between the question and the answer.
    """

    DROP = "drop"
    MEMORY = "memory"
    QUARANTINE = "quarantine"


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
    KRR = "krr"


@frozen(kw_only=True)
class Protection:
    """
    A protection with its parameters, as one clause declares it.

    Attributes:
        name: The technique.

        cell_km: Side of a grid cell in kilometres, for ``grid``.

        intents: What may be taken from the clipboard, for ``take``.

        noise_km: By how many kilometres, in the mean, a place is moved, for
            ``grid``; 0 leaves it at the centre of its cell.

        on_change: Whether a place is kept only when it is another one than
            the last, for ``grid``, where it is the default.

        time_step: What the time of a record is cut to; ``None`` leaves it
            as it is. For ``grid`` it is an hour by default.

        epoch: How long a pseudonym, a noise or an answer stays the same, for
            ``keyed``, ``grid`` with noise and ``krr``; as long as the grant
            lasts, if ``None``, and noise as long as any place may be known.

        epsilon: What all answers about one value may tell, in nats, for
            ``krr``.

        values: What a value may be, for ``krr``; the fields of an event say
            it themselves.
    """

    name: ProtectionName
    cell_km: float = 2.0
    intents: tuple[str, ...] = ()
    noise_km: float = 0.0
    on_change: bool = field()
    time_step: Period | None = field()
    epoch: Period | None = None
    epsilon: float = 1.0
    values: tuple[str, ...] = ()

    @on_change.default
    def _is_place(self) -> bool:
        return self.name is ProtectionName.GRID

    @time_step.default
    def _hour_of_place(self) -> Period | None:
        return Period(seconds=3600) if self._is_place() else None


@frozen(kw_only=True)
class Controller:
    """
    Who answers for the processing.

    Attributes:
        continues: Ids of controllers whose promises it has taken over.
    """

    id: str
    name: str
    contact: str
    address: str = ""
    continues: tuple[str, ...] = ()


@frozen(kw_only=True)
class Recipient:
    """
    Somebody who gets data.

    Attributes:
        mode: ``controller``, or an id of the recipient modes of the
            vocabulary (``entrusted``, ``shared``, ...).

        country: ISO 3166-1 alpha-2 code of where the data goes.

        formerly: Earlier names of the same party.

        separate: Whether giving to it is a decision of its own.

        abroad: Whether it is outside the regions of storage.

        barred: Why nothing may be given to it, or empty: an assessment that
            found a high risk, a condition that it has not accepted, what is
            not on file, a country that it may not be in.

        url: Its own privacy policy.
    """

    id: str
    name: str
    mode: str
    country: str = ""
    formerly: tuple[str, ...] = ()
    separate: bool = False
    abroad: bool = False
    barred: str = ""
    url: str = ""


@frozen(kw_only=True)
class Exemption:
    """
    A case in which the policy does without consent.

    Attributes:
        basis: The lawful basis.

        attested: Whether each use needs the word of a named person.

        acts: What it excuses: ``collection``, ``sharing``, ...

        functions, types, purposes: What it is limited to; empty for all.
    """

    basis: str
    attested: bool
    acts: tuple[str, ...]
    functions: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()

    def covers(self, function: str, data_type: str, purpose: str) -> bool:
        """
        Tell whether it excuses this.
        """
        return (
            (not self.functions or function in self.functions)
            and (not self.types or data_type in self.types)
            and (not self.purposes or purpose in self.purposes)
        )


@frozen(kw_only=True)
class Minors:
    """
    Who is a child or a minor, in full years.

    Attributes:
        child_until: Age from which somebody is no child any more, or 0.

        minor_until: Age from which somebody is of age, or 0.

        child_barred: Whether children may not use the product.

        guardian_for: Acts that each need the guardian.
    """

    child_until: int = 0
    minor_until: int = 0
    child_barred: bool = False
    guardian_for: tuple[str, ...] = ()


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

        platforms: Where it is collected; everywhere if empty.

        required: Whether the function cannot work without it.

        frequency: Shortest time between two reads, or ``None``.

        read_from: Id of the source that it is read from; the usual one of
            the platform if empty.
    """

    type: str
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    protection: Protection
    retention: Period
    permission: str = ""
    separate: bool = False
    scenes: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    required: bool = True
    frequency: Period | None = None
    read_from: str = ""


class Clauses(Mapping[str, Clause]):
    """
    The clauses of a function by data type, each made when first asked for.

    Attributes:
        separate: The data types that are decided on by themselves, in order.
    """

    __slots__ = ("_made", "_make", "_rows", "separate")

    def __init__(
        self,
        rows: Mapping[str, CollectsTable],
        make: Callable[[str, CollectsTable], Clause],
        separate: tuple[str, ...],
    ) -> None:
        self._rows = rows
        self._make = make
        self._made: dict[str, Clause] = {}
        self.separate: tuple[str, ...] = separate

    def __getitem__(self, data_type: str) -> Clause:
        made = self._made.get(data_type)
        if made is None:
            made = self._make(data_type, self._rows[data_type])
            # Of two threads, both go on with the same one.
            made = self._made.setdefault(data_type, made)
        return made

    def __contains__(self, data_type: object) -> bool:
        return data_type in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<Clauses of {len(self)} data types>"


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
            ``service_unavailable``, ``function_unavailable``, ``degraded``,
            ``unspecified``.

        clauses: The closed list of what it collects, by data type.

        purposes: Why; of a function that only starts an SDK, that SDK's.

        recipients: Who gets its data, by id: who they are is a part of the
            promise.

        events: The app's own events, by name.

        demands: By purpose, what the way of its records has to be, in words
            of ``purposes.X.needs``; of those alone that have some.

        regions: Where ways may end, by the countries of storage; empty
            where no purpose of it needs a region.

        sdk: Id of the third-party SDK that it may start, or empty. One each,
            so that every SDK is a decision of its own.

        permission: Permission of the operating system that it takes as a
            whole, or empty.

        user_act: Whether each use needs a named act of the person.

        requires: Conditions of the app that must hold.

        acknowledge: Text that the person must have acknowledged, or empty.

        attest: What the person vouches for at each use, or empty.

        pending: What happens to data before an answer.

        ask_again: How long a refusal rests, or ``None`` for ever.

        valid_for: How long a consent lasts, or ``None`` until withdrawn.

        inherits: Whether an account's choice counts until the person's own.

        minors: ``guardian``, ``barred`` or ``alone``.

        profiling: Whether it builds a picture of the person.

        method: The only method that grants, or empty for any.
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
    demands: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    regions: tuple[str, ...] = ()
    sdk: str = ""
    permission: str = ""
    user_act: bool = False
    requires: tuple[str, ...] = ()
    acknowledge: str = ""
    attest: str = ""
    pending: Pending = Pending.DROP
    ask_again: Period | None = None
    valid_for: Period | None = None
    inherits: bool = False
    minors: str = "guardian"
    profiling: bool = False
    method: str = ""

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """
        What a person decides on, each by itself.

        First the function; then ``function/type`` for each separate data
        type, ``function@recipient`` for each recipient that is a decision
        of its own, and ``function@recipient+abroad`` for each that is
        abroad.
        """
        clauses = self.clauses
        if isinstance(clauses, Clauses):
            separate = clauses.separate
        else:
            separate = tuple(c.type for c in clauses.values() if c.separate)
        others = self.recipients.values()
        return (
            self.id,
            *(f"{self.id}/{type_}" for type_ in separate),
            *(f"{self.id}@{r.id}" for r in others if r.separate),
            *(f"{self.id}@{r.id}{ABROAD}" for r in others if r.abroad),
        )

    @cached_property
    def terms(self) -> str:
        """
        SHA-256, in hex, of what a consent to this function is given to.

        Words that people read may change without changing it: a text that
        is put better, or in another language, asks for nothing more.
        """
        terms: dict[str, object] = {
            "basis": sorted(self.basis),
            "events": {n: _plain(e) for n, e in self.events.items()},
            "clauses": {t: _plain(c) for t, c in self.clauses.items()},
            "purposes": sorted(self.purposes),
            "recipients": {
                r.id: [r.name, r.mode, r.country, r.separate, r.abroad]
                for r in self.recipients.values()
            },
            "sdk": self.sdk,
        }
        # Only where there are some, so that older consents stay the same.
        if self.demands:
            terms["demands"] = _plain(self.demands)
            terms["regions"] = sorted(self.regions)
        return _digest(terms)

    def needs(self, data_type: str, recipient: str) -> tuple[str, ...]:
        """
        Name the elements that must all be granted.

        Args:
            data_type: Of one of its clauses, or empty for the function as
                a whole.

            recipient: Id of one of its recipients.
        """
        needed = [self.id]
        clause = self.clauses.get(data_type)
        if clause is not None and clause.separate:
            needed.append(f"{self.id}/{data_type}")
        found = self.recipients.get(recipient)
        if found is not None and found.separate:
            needed.append(f"{self.id}@{recipient}")
        if found is not None and found.abroad:
            needed.append(f"{self.id}@{recipient}{ABROAD}")
        return tuple(needed)

    def is_separate(self, element: str) -> bool:
        """
        Tell whether *element* is a decision beside the function itself.
        """
        return element != self.id


def split_element(element: str) -> tuple[str, str]:
    """
    Split an element into its function and what else it names, maybe
    nothing.
    """
    function, at, recipient = element.partition("@")
    if at:
        return function, at + recipient
    function, _, data_type = element.partition("/")
    return function, data_type


@frozen(kw_only=True, repr=False)
class Policy:
    """
    A validated policy document.

    Attributes:
        id: Stable name of the document, used for the default data folder.

        version: The version as its authors write it.

        effective: Day from which it holds.

        template: Whether it is a pattern only, which no app can open.

        functions: By id, in the order of the document.

        recipients: By id; the controller is among them.

        demands: By purpose, what the way of its records has to be; of those
            alone that have some.

        exemptions: Cases without consent.

        minors: Who is a minor, or ``None`` where the document is silent.

        document: All that it says, as its authors wrote it.
    """

    id: str
    title: str
    version: str
    effective: date
    language: str
    controller: Controller
    recipients: Mapping[str, Recipient]
    functions: Mapping[str, Function]
    document: Document = field(eq=False)
    url: str = ""
    template: bool = False
    demands: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    exemptions: tuple[Exemption, ...] = ()
    minors: Minors | None = None

    def __repr__(self) -> str:
        return (
            f"<Policy {self.id} {self.version}: "
            f"{len(self.functions)} functions>"
        )

    @cached_property
    def canonical(self) -> str:
        """
        The whole document as JSON of one form, without its comments.

        `consentkit.policy.parse_canonical` reads it back.
        """
        return canonical(self.document)

    @cached_property
    def digest(self) -> str:
        """
        SHA-256, in hex, of the canonical form.
        """
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """
        Everything that a person can decide on, in order.
        """
        return tuple(
            element
            for function in self.functions.values()
            for element in function.elements
        )

    def function_of(self, element: str) -> Function:
        """
        Give the function that *element* belongs to.

        Raises:
            KeyError: If there is none.
        """
        return self.functions[split_element(element)[0]]

    @property
    def in_force_from(self) -> datetime:
        """
        The instant from which it holds.
        """
        return datetime.combine(self.effective, time(), UTC)


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
