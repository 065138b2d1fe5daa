# SPDX-License-Identifier: MIT
"""
The tables of a policy document, as their authors write them.

These classes are the schema: the loader, the JSON Schema for editors and the
reference page are all made from them. A field's description is its line in
the class's docstring; ``_ids`` names the words that a field may hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from attrs import evolve, field, frozen


__all__ = [
    "COUNTRY_KEYS",
    "NEEDS",
    "PERIOD_KEYS",
    "UNSPECIFIED",
    "AgreementTable",
    "ArchiveTable",
    "AssessmentTable",
    "CessationTable",
    "ChangesTable",
    "ClaimTable",
    "CollectsTable",
    "ConsentTable",
    "ContactTable",
    "ControllerTable",
    "CookiesTable",
    "DatesTable",
    "DeadlineTable",
    "DefinitionsTable",
    "DisclosureTable",
    "Document",
    "EventTable",
    "ExceptionTable",
    "FieldSpec",
    "FunctionTable",
    "IncidentTable",
    "IndirectTable",
    "MinorsTable",
    "PermissionTable",
    "PolicyTable",
    "ProtectSpec",
    "PurposeTable",
    "RecipientTable",
    "ReferenceTable",
    "RequestsTable",
    "RetentionTable",
    "RightTable",
    "SDKListTable",
    "ScopeTable",
    "SectionTable",
    "SecurityTable",
    "SelfStartTable",
    "SharingTable",
    "SignalsTable",
    "StorageTable",
    "TextTable",
]

#: What a document says where its author has not decided yet. It is a value:
#: it is printed, it is a finding, and it opens nothing.
UNSPECIFIED: Final = "unspecified"

#: Keys that hold an ISO 8601 duration, in whatever table they stand.
PERIOD_KEYS: Final = frozenset(
    {
        "ask_again",
        "epoch",
        "frequency",
        "period",
        "retention",
        "time_step",
        "valid_for",
    }
)

#: Keys that hold a country, ISO 3166-1 alpha-2, or several.
COUNTRY_KEYS: Final = frozenset(
    {"country", "jurisdiction", "only_in", "regions"}
)

#: What a purpose may demand of the way that its records take.
NEEDS: Final = ("encrypted", "sealed", "no-address", "region")


def _ids(words: str, *also: str) -> Mapping[str, Any]:
    """
    Say which words a field holds: a list of the vocabulary, and these.
    """
    return {"words": words, "also": also}


def _of(*values: str) -> Mapping[str, Any]:
    """
    Say that a field holds one of *values*.
    """
    return {"values": values}


def _by(words: str) -> Mapping[str, Any]:
    """
    Say whose ids name the tables of a field: a list of the vocabulary.
    """
    return {"names": words}


@frozen(kw_only=True)
class ProtectSpec:
    """
    How a value is changed on the device: a name, or a table.

    Attributes:
        name: The technique.

        cell_km: Side of a grid cell in kilometres, for ``grid``; 2 to 500.

        intents: What may be taken from the clipboard, for ``take``.

        noise_km: By how many kilometres a place is moved in the mean, once
            for each cell and epoch, for ``grid``; half a cell to 500.

        on_change: Whether a place is kept only on a change of cell, for
            ``grid``; it is by default.

        time_step: What the time of a record is cut to; at most a day. For
            ``grid`` it is ``PT1H`` by default.

        epoch: How long a pseudonym, a noise or an answer stays the same, for
            ``keyed``, ``grid`` with noise and ``krr``, such as ``P30D``; as
            long as the grant by default, and noise as long as any grant of
            places.

        epsilon: How much one answer may tell, for ``krr``: above 0 and at
            most 4, in nats; 1 by default.

        values: What the value may be, for ``krr``; an event's fields have
            lists of their own.
    """

    name: str = field(metadata=_ids("protections"))
    cell_km: float | None = None
    intents: tuple[str, ...] = field(default=(), metadata=_ids("intents"))
    noise_km: float | None = None
    on_change: bool | None = None
    time_step: str = ""
    epoch: str = ""
    epsilon: float | None = None
    values: tuple[str, ...] = ()


@frozen(kw_only=True)
class FieldSpec:
    """
    A field of an event: its kind, or the closed list of its values.

    Attributes:
        kind: ``bool``, ``int``, ``float`` or ``text``; text is scrubbed.

        values: What it may be, where it is a list.
    """

    kind: str
    values: tuple[str, ...] = ()


@frozen(kw_only=True)
class DatesTable:
    """
    Dates as the published text prints them, where it prints several.

    Attributes:
        updated: When it says it was changed.

        effective: When it says it takes effect.

        source: Where it says so.
    """

    updated: date | None = None
    effective: date | None = None
    source: str = ""


@frozen(kw_only=True)
class PolicyTable:
    """
    What document this is.

    Attributes:
        id: Stable name of the document; names the default data folder.

        title: Its title, for people.

        version: Its version, as its authors write it.

        updated: Day of the last change.

        effective: Day from which it holds; nothing is permitted before.

        language: Language of its texts, an IETF tag such as ``en``.

        url: Where people read it in full.

        product: What it covers, by name.

        jurisdiction: Law it is written under, ISO 3166-1 alpha-2.

        template: Whether it is a pattern for policies and none itself. A
            template loads, and an app cannot open it.

        dates: All dates that the published text prints.

        source: Where the published text is.
    """

    id: str
    title: str
    language: str
    version: str = ""
    updated: date | None = None
    effective: date | None = None
    url: str = ""
    product: str = ""
    jurisdiction: str = ""
    template: bool = False
    dates: tuple[DatesTable, ...] = ()
    source: str = ""


@frozen(kw_only=True)
class ContactTable:
    """
    A way to reach the controller.

    Attributes:
        kind: ``email``, ``telephone``, ``letter``, ``form`` or ``app``.

        value: The address, number or path.

        audience: For whom, where not for all.

        hours: When it is answered.
    """

    kind: str = field(
        metadata=_of("email", "telephone", "letter", "form", "app")
    )
    value: str
    audience: str = ""
    hours: str = ""


@frozen(kw_only=True)
class ControllerTable:
    """
    Who answers for the processing.

    Attributes:
        id: Name of the controller in this document.

        name: Full name of the legal entity.

        contact: How to reach it, in one line; or use ``contacts``.

        address: Postal address.

        postal_code: Postal code.

        officer: Who is responsible for personal information.

        continues: Ids of controllers whose promises it has taken over whole
            (PIPL Article 22). Their consents hold on once people were told.

        contacts: Ways to reach it.
    """

    id: str
    name: str
    contact: str = ""
    address: str = ""
    postal_code: str = ""
    officer: str = ""
    continues: tuple[str, ...] = ()
    contacts: tuple[ContactTable, ...] = ()


@frozen(kw_only=True)
class ScopeTable:
    """
    What the document covers.

    Attributes:
        covers: What is inside, in a sentence.

        excludes: What is outside.

        source: Line of the published text.
    """

    covers: str
    excludes: tuple[str, ...] = ()
    source: str = ""


@frozen(kw_only=True)
class ConsentTable:
    """
    How people are asked.

    Attributes:
        act: The act that agrees, a method such as ``tick`` or ``confirm``;
            where it is given, no other method grants.

        also_claimed: Other things that the published text takes for
            agreement (beginning to use, scrolling on). They grant nothing.

        covers: What the act covers, in a sentence.

        bundled: Whether one act is said to agree to several things.

        preselected: Whether a box is ticked before the person comes.

        accept: Words on the control that agrees.

        refuse: Words on the control that refuses.

        ask_again: How long a refusal rests before the app may ask again; by
            default the person alone can come back to it.

        valid_for: How long a consent lasts; by default until withdrawn.

        pending: What happens to data between question and answer: ``drop``,
            ``memory`` or ``quarantine``.

        lasts_until: What ends a consent, as the published text says it.

        source: Line of the published text.
    """

    act: str = ""
    also_claimed: tuple[str, ...] = ()
    covers: str = ""
    bundled: bool | None = None
    preselected: bool = False
    accept: str = ""
    refuse: str = ""
    ask_again: str = ""
    valid_for: str = ""
    pending: str = field(
        default="drop", metadata=_of("drop", "memory", "quarantine")
    )
    lasts_until: str = ""
    source: str = ""


@frozen(kw_only=True)
class DefinitionsTable:
    """
    Words that the document defines.

    Attributes:
        sensitive: Data types that it calls sensitive; each then asks for a
            decision of its own.

        personal: Data types that it calls personal.

        deidentified: What it means by de-identified.

        anonymised: What it means by anonymised.

        deleted: What it means by deleted.

        terms: Other words that it defines.
    """

    sensitive: tuple[str, ...] = field(default=(), metadata=_ids("data_types"))
    personal: tuple[str, ...] = field(default=(), metadata=_ids("data_types"))
    deidentified: str = ""
    anonymised: str = ""
    deleted: str = ""
    terms: tuple[str, ...] = ()


@frozen(kw_only=True)
class AgreementTable:
    """
    What binds a recipient.

    Attributes:
        reference: Where the agreement is filed.

        signed: When it was signed.

        audited: When it was last audited.
    """

    reference: str
    signed: date | None = None
    audited: date | None = None


@frozen(kw_only=True)
class AssessmentTable:
    """
    The impact assessment of giving data to a recipient (PIPL Article 55).

    Attributes:
        reference: Where it is filed.

        made: When it was made.

        risk: Its result; ``high`` shuts the way to the recipient.
    """

    reference: str
    made: date | None = None
    risk: str = field(metadata=_of("low", "medium", "high"))


@frozen(kw_only=True)
class RecipientTable:
    """
    Somebody who gets data.

    Attributes:
        id: Name in this document.

        name: Full name of the legal entity.

        mode: How it comes to the data.

        country: Where the data goes, ISO 3166-1 alpha-2.

        formerly: Earlier names of the same legal entity. A changed name
            that is not listed here is another party, and is asked for anew.

        contact: How people reach it.

        url: Its own privacy policy.

        purposes: The only purposes that it may get data for; any by default.

        types: The only data types that it may get; any by default.

        separate: Whether giving to it is a decision of its own; by default
            as its mode asks (PIPL Articles 23, 25).

        agreement: What binds it.

        assessment: What was found before data is given to it.

        accepted: Conditions that it has accepted, such as guidelines.

        requires: Conditions that it has to have accepted.

        on_file: What has to be on file before it gets anything: an
            ``agreement`` with its reference, an ``assessment`` with its
            reference and date; without it nothing is given to it.

        only_in: Countries, ISO 3166-1 alpha-2, that it has to be in; in
            another one, or in none that is named, it gets nothing. Any by
            default.

        claims: What it says of itself; printed as a claim.
    """

    id: str
    name: str
    mode: str = field(metadata=_ids("modes"))
    country: str = ""
    formerly: tuple[str, ...] = ()
    contact: str = ""
    url: str = ""
    purposes: tuple[str, ...] = field(default=(), metadata=_ids("purposes"))
    types: tuple[str, ...] = field(default=(), metadata=_ids("data_types"))
    separate: bool | None = None
    agreement: AgreementTable | None = None
    assessment: AssessmentTable | None = None
    accepted: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    on_file: tuple[str, ...] = field(
        default=(), metadata=_of("agreement", "assessment")
    )
    only_in: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()


@frozen(kw_only=True)
class PurposeTable:
    """
    What a purpose demands, by its id in the vocabulary.

    Attributes:
        needs: What the way has to be that records for it take:
            ``encrypted``, by TLS or over no network; ``sealed``, for the
            recipient's key alone; ``no-address``, so that the backend does
            not learn the sender's; ``region``, one that ends in
            ``storage.regions``, or in the country of a recipient abroad.

        source: Line of the published text.
    """

    needs: tuple[str, ...] = field(metadata=_of(*NEEDS))
    source: str = ""


@frozen(kw_only=True)
class CollectsTable:
    """
    One promise: this type, for these purposes, protected so, kept so long.

    A row may speak of several types that have the same terms; it says the
    same as one row for each.

    Attributes:
        type: The data type; or ``types``.

        types: Several data types with the same terms.

        protect: What is done to it on the device.

        purposes: Why; the function's purposes by default.

        recipients: Who gets it; the function's by default, and the
            controller where that names none.

        retention: How long it is kept, an ISO 8601 duration; by default the
            function's, or the shortest rule of ``retention`` for the type.

        permission: Permission of the operating system that it takes; the
            function's by default, ``""`` for none.

        separate: Whether the person decides on it by itself; by default
            where the type is sensitive.

        scenes: Situations in which the clipboard may be read.

        platforms: Where it is collected: ``android``, ``ios``, ``web``,
            ``iot``, ``desktop``; everywhere by default.

        required: Whether the function cannot work without it.

        frequency: Shortest time between two reads, an ISO 8601 duration.

        read_from: Id of the source that it is read from, such as ``gpsd``;
            the usual one of the platform by default.

        source: Line of the published text.
    """

    type: str = field(default="", metadata=_ids("data_types"))
    types: tuple[str, ...] = field(default=(), metadata=_ids("data_types"))
    protect: ProtectSpec | None = None
    purposes: tuple[str, ...] = field(default=(), metadata=_ids("purposes"))
    recipients: tuple[str, ...] = ()
    retention: str = ""
    permission: str | None = field(default=None, metadata=_ids("permissions"))
    separate: bool | None = None
    scenes: tuple[str, ...] = ()
    platforms: tuple[str, ...] = field(
        default=(), metadata=_of("android", "ios", "web", "iot", "desktop")
    )
    required: bool = True
    frequency: str = ""
    read_from: str = ""
    source: str = ""

    @property
    def each(self) -> tuple[str, ...]:
        """
        The data types that it speaks of.
        """
        if self.type and not self.types:
            return (self.type,)
        return self.types

    def place_of(self, data_type: str) -> str:
        """
        Give the key, with its index, that names one of its data types.
        """
        if self.types:
            return f"types[{self.types.index(data_type)}]"
        return "type"


@frozen(kw_only=True)
class EventTable:
    """
    An event of the app's own.

    Attributes:
        name: The event class's name in ``snake_case``.

        type: The collected data type that it belongs to.

        fields: By name, a kind or the list of values.
    """

    name: str
    type: str = field(metadata=_ids("data_types"))
    fields: Mapping[str, FieldSpec] = field(factory=dict)


@frozen(kw_only=True)
class SelfStartTable:
    """
    The app or an SDK may start without the person opening it.

    Attributes:
        purpose: Why.

        per_day: How often at most.
    """

    purpose: str = field(metadata=_ids("purposes"))
    per_day: int


@frozen(kw_only=True)
class FunctionTable:
    """
    Something that a person can turn on or off.

    Attributes:
        id: Name in code and files.

        name: Name for people.

        category: What refusing it costs. ``cross_cutting`` serves all
            others (logs, security) and is refused by itself all the same.

        text: What the person is asked, in the document's language.

        basis: What makes it lawful.

        on_refusal: What the person loses by refusing.

        purposes: Why.

        recipients: Who gets what it collects; the controller by default.

        retention: How long what it collects is kept, an ISO 8601 duration.

        permission: Permission of the operating system that it takes.

        sdk: Third-party SDK of the registry that it may start.

        user_act: Whether each use needs an act of the person, named by the
            app.

        requires: Conditions that must hold, by the app's own names, such as
            ``bound`` or ``on_wifi``.

        acknowledge: Text that the person must have acknowledged before.

        attest: What the person vouches for at each use, such as having
            another person's agreement.

        pending: As in ``consent``, for this function.

        ask_at: When it is asked: ``first_use`` or ``first_open``.

        ask_again: As in ``consent``, for this function.

        valid_for: As in ``consent``, for this function.

        default_on: Whether the published text has it on before a choice.
            That grants nothing.

        turn_off: Where the person turns it off.

        never_with: Functions whose data its own is never joined with.

        never_collects: Data types that it promises not to collect.

        never_shares: Data types that go to no third party.

        self_start: How the app may start for it by itself.

        account: Whether it needs an account.

        inherits: Whether a choice of the account or the organisation counts
            until the person's own. It never does for a separate decision or
            a third-party function.

        minors: Whether a minor may have it with a guardian's consent
            (``guardian``), not at all (``barred``), or alone (``alone``).

        profiling: Whether it builds a picture of the person.

        collects: The closed list of what it collects.

        events: The app's own events.

        source: Line of the published text.
    """

    id: str
    name: str
    category: str = field(
        metadata=_of("core", "additional", "third_party", "cross_cutting")
    )
    text: str
    basis: tuple[str, ...] = field(metadata=_ids("bases"))
    on_refusal: str = field(
        metadata=_of(
            "service_unavailable",
            "function_unavailable",
            "degraded",
            UNSPECIFIED,
        )
    )
    purposes: tuple[str, ...] = field(default=(), metadata=_ids("purposes"))
    recipients: tuple[str, ...] = ()
    retention: str = ""
    permission: str = field(default="", metadata=_ids("permissions"))
    sdk: str = ""
    user_act: bool = False
    requires: tuple[str, ...] = ()
    acknowledge: str = ""
    attest: str = ""
    pending: str = field(
        default="", metadata=_of("drop", "memory", "quarantine")
    )
    ask_at: str = field(
        default="first_use", metadata=_of("first_use", "first_open")
    )
    ask_again: str = ""
    valid_for: str = ""
    default_on: bool = False
    turn_off: str = ""
    never_with: tuple[str, ...] = ()
    never_collects: tuple[str, ...] = field(
        default=(), metadata=_ids("data_types")
    )
    never_shares: tuple[str, ...] = field(
        default=(), metadata=_ids("data_types")
    )
    self_start: SelfStartTable | None = None
    account: bool = True
    inherits: bool = False
    minors: str = field(
        default="guardian", metadata=_of("guardian", "barred", "alone")
    )
    profiling: bool = False
    collects: tuple[CollectsTable, ...] = ()
    events: tuple[EventTable, ...] = ()
    source: str = ""


@frozen(kw_only=True)
class PermissionTable:
    """
    A permission of the operating system, as the document's table has it.

    Attributes:
        id: The permission.

        functions: Which functions use it; no other may.

        purposes: Why.

        asked: Whether the person is asked for it.

        ask_at: When: ``first_use`` or ``first_open``.

        can_disable: Whether the person can turn it off. A blank is a yes,
            and a finding.

        on_refusal: What does not work without it.

        source: Line of the published text.
    """

    id: str = field(metadata=_ids("permissions"))
    functions: tuple[str, ...] = ()
    purposes: tuple[str, ...] = field(default=(), metadata=_ids("purposes"))
    asked: bool = True
    ask_at: str = field(
        default="first_use", metadata=_of("first_use", "first_open")
    )
    can_disable: bool | None = None
    on_refusal: str = ""
    source: str = ""


@frozen(kw_only=True)
class ExceptionTable:
    """
    A case in which the document does without consent.

    Attributes:
        basis: The lawful basis. Where software cannot know whether it
            applies, each use needs the word of a named person.

        acts: What it excuses: ``collection``, ``sharing``, ``transfer``,
            ``disclosure``.

        functions: For which functions only; all by default.

        types: For which data types only; all by default.

        purposes: For which purposes only; all by default.

        text: How the published text says it.

        source: Line of the published text.
    """

    basis: str = field(metadata=_ids("bases"))
    acts: tuple[str, ...] = field(
        default=("collection",),
        metadata=_of("collection", "sharing", "transfer", "disclosure"),
    )
    functions: tuple[str, ...] = ()
    types: tuple[str, ...] = field(default=(), metadata=_ids("data_types"))
    purposes: tuple[str, ...] = field(default=(), metadata=_ids("purposes"))
    text: str = ""
    source: str = ""


@frozen(kw_only=True)
class RetentionTable:
    """
    A rule on how long data is kept.

    Attributes:
        id: Name of the rule.

        types: Data types it is for; ``*`` for all that no rule names.

        period: ISO 8601 duration; empty where the text gives none.

        working_days: A number of working days, instead of a period.

        until: An event that ends it, instead of a period.

        starts_at: Event from which it counts.

        at_start: What is done when it starts.

        at_expiry: What is done when it is over.

        exception: What may prolong it.

        source: Line of the published text.
    """

    id: str
    types: tuple[str, ...] = field(metadata=_ids("data_types", "*"))
    period: str = ""
    working_days: int | None = None
    until: str = ""
    starts_at: str = "collected"
    at_start: str = ""
    at_expiry: str = ""
    exception: str = ""
    source: str = ""


@frozen(kw_only=True)
class StorageTable:
    """
    Where data is kept.

    Attributes:
        regions: Countries, ISO 3166-1 alpha-2. A recipient elsewhere needs
            a decision of its own (PIPL Article 39).

        cross_border: What the text says of other places.

        protection: How data is protected there.

        source: Line of the published text.
    """

    regions: tuple[str, ...] = ()
    cross_border: str = ""
    protection: tuple[str, ...] = ()
    source: str = ""


@frozen(kw_only=True)
class DeadlineTable:
    """
    By when a request is answered.

    Attributes:
        value: How many.

        unit: ``day`` or ``working_day``.

        starts_at: Event from which it counts.
    """

    value: int
    unit: str = field(metadata=_of("day", "working_day"))
    starts_at: str = "request received"


@frozen(kw_only=True)
class RightTable:
    """
    A right that the document describes.

    Attributes:
        id: ``access``, ``copy``, ``correct``, ``delete``, ``withdraw``,
            ``cancel_account``, ``portability``, ``explain``, ``restrict``,
            ``next_of_kin``, ``complain``, or a name of the text's own.

        channel: Where it is exercised.

        deadline: By when it is answered.

        grounds: On what grounds, where only on some.

        effect: What follows.

        section: Label of the section that it refers to.

        source: Line of the published text.
    """

    id: str
    channel: str
    deadline: DeadlineTable | None = None
    grounds: tuple[str, ...] = ()
    effect: str = ""
    section: str = ""
    source: str = ""


@frozen(kw_only=True)
class RequestsTable:
    """
    How requests of people are handled.

    Attributes:
        verification: Whether it is found out first who asks.

        fee: What it costs, in a sentence.

        refused_on: The only grounds on which a request may be refused.

        source: Line of the published text.
    """

    verification: bool | None = None
    fee: str = ""
    refused_on: tuple[str, ...] = ()
    source: str = ""


@frozen(kw_only=True)
class MinorsTable:
    """
    Who counts as a child or a minor, and what holds for them.

    Attributes:
        child_below: Age below which somebody is a child.

        child_inclusive: Whether that age itself still counts.

        minor_below: Age below which somebody is a minor.

        child_barred: Whether children may not use the product.

        guardian_for: Acts that each need the guardian's consent:
            ``account``, ``use``, ``sharing``, ``transfer``, ``disclosure``.

        presumed_adult: Whether the text presumes everyone to be an adult.
            An unknown age stays unknown all the same.

        types: Data types that finding out about age and guardian takes.

        rule: What holds, in a sentence.

        found_out: What is done with a minor's data got without consent.

        source: Line of the published text.
    """

    child_below: int | None = None
    child_inclusive: bool = False
    minor_below: int | None = None
    child_barred: bool = False
    guardian_for: tuple[str, ...] = field(
        default=(),
        metadata=_of("account", "use", "sharing", "transfer", "disclosure"),
    )
    presumed_adult: bool = False
    types: tuple[str, ...] = field(default=(), metadata=_ids("data_types"))
    rule: str = ""
    found_out: str = ""
    source: str = ""


@frozen(kw_only=True)
class SignalsTable:
    """
    What signals from outside stop. They only ever narrow.

    Attributes:
        do_not_track: Functions that ``DO_NOT_TRACK`` and the kit's own
            variable stop; by default all but core ones.

        gpc: Functions that Global Privacy Control stops; by default
            third-party ones, and every separate decision on a recipient.

        choice_over_gpc: Whether a later explicit yes goes before the signal,
            where the law lets it (CCPA Regulations, section 7025(c)(3)).
    """

    do_not_track: tuple[str, ...] | None = None
    gpc: tuple[str, ...] | None = None
    choice_over_gpc: bool = False


@frozen(kw_only=True)
class SharingTable:
    """
    A way in which data reaches others.

    Attributes:
        mode: How.

        recipients: To whom, by id of a recipient, or in the text's words.

        types: Which data types only; all by default.

        basis: On what basis.

        conditions: Under what conditions.

        source: Line of the published text.
    """

    mode: str = field(metadata=_ids("modes"))
    recipients: tuple[str, ...]
    types: tuple[str, ...] = field(default=(), metadata=_ids("data_types"))
    basis: tuple[str, ...] = field(default=(), metadata=_ids("bases"))
    conditions: tuple[str, ...] = ()
    source: str = ""


@frozen(kw_only=True)
class ChangesTable:
    """
    How the document may change.

    Attributes:
        no_reduction: Whether rights are not reduced without consent.

        major: Kinds of change that are major: ``service_model``,
            ``control``, ``recipients``, ``rights``,
            ``contact_or_department``, ``high_risk_assessment``,
            ``purpose``.

        notice: How a major change is told.

        archive: Whether old versions can be read.

        source: Line of the published text.
    """

    no_reduction: bool | None = None
    major: tuple[str, ...] = field(
        default=(),
        metadata=_of(
            "service_model",
            "control",
            "recipients",
            "rights",
            "contact_or_department",
            "high_risk_assessment",
            "purpose",
        ),
    )
    notice: tuple[str, ...] = ()
    archive: bool | None = None
    source: str = ""


@frozen(kw_only=True)
class CookiesTable:
    """
    Cookies and similar technologies.

    Attributes:
        used: Whether any are used.

        technologies: Which, as data types.

        default: ``off`` or ``on`` until chosen, as the text has it; they
            are off until chosen all the same.

        refusable: Whether the person can refuse.

        purposes: Why.

        functions: Functions that depend on them.

        third_parties: Others that set them, by id of a recipient.

        kept_as: Data type whose rules hold for what they yield.

        source: Line of the published text.
    """

    used: bool
    technologies: tuple[str, ...] = field(
        default=(), metadata=_ids("data_types")
    )
    default: str = field(default="off", metadata=_of("off", "on"))
    refusable: bool | None = None
    purposes: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    third_parties: tuple[str, ...] = ()
    kept_as: str = field(default="", metadata=_ids("data_types"))
    source: str = ""


@frozen(kw_only=True)
class IndirectTable:
    """
    Data about a person that comes from somebody else.

    Attributes:
        allowed: Whether any is taken.

        recipients: Inbound parties, by id of a recipient.

        rule: What holds for it, in a sentence.

        source: Line of the published text.
    """

    allowed: bool
    recipients: tuple[str, ...] = ()
    rule: str = ""
    source: str = ""


@frozen(kw_only=True)
class DisclosureTable:
    """
    A place of the text that says what SDKs collect, apart from the registry.

    It is compared with the registry's entries and opens nothing.

    Attributes:
        name: What the place is called.

        functions: Functions that start these SDKs.

        types: Data types that it lists.

        permissions: Permissions that it lists.

        source: Line of the published text.
    """

    name: str
    functions: tuple[str, ...]
    types: tuple[str, ...] = field(default=(), metadata=_ids("data_types"))
    permissions: tuple[str, ...] = field(
        default=(), metadata=_ids("permissions")
    )
    source: str = ""


@frozen(kw_only=True)
class SDKListTable:
    """
    What the text says of its list of third-party SDKs.

    Attributes:
        announced: Whether it announces a list.

        printed: Whether the list is there.

        disclosures: Other places that say what SDKs collect.

        source: Line of the published text.
    """

    announced: bool
    printed: bool
    disclosures: tuple[DisclosureTable, ...] = ()
    source: str = ""


@frozen(kw_only=True)
class ClaimTable:
    """
    Something that code cannot check.

    Attributes:
        name: What is claimed.

        evidence: Where the evidence is.

        expires: When the evidence lapses.
    """

    name: str
    evidence: str = ""
    expires: date | None = None


@frozen(kw_only=True)
class SecurityTable:
    """
    How data is protected.

    Attributes:
        measures: What is done.

        claims: Certificates and the like.

        source: Line of the published text.
    """

    measures: tuple[str, ...] = ()
    claims: tuple[ClaimTable, ...] = ()
    source: str = ""


@frozen(kw_only=True)
class IncidentTable:
    """
    What people are told after an incident.

    Attributes:
        contents: What the notice holds.

        channels: How it reaches people.

        report_to_authorities: Whether authorities are told.

        source: Line of the published text.
    """

    contents: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    report_to_authorities: bool | None = None
    source: str = ""


@frozen(kw_only=True)
class CessationTable:
    """
    What happens when operation ends.

    Attributes:
        stop_collecting: Whether collection stops at once.

        notify: How people are told.

        at_end: What is done with the data.

        source: Line of the published text.
    """

    stop_collecting: bool
    notify: tuple[str, ...] = ()
    at_end: str = ""
    source: str = ""


@frozen(kw_only=True)
class SectionTable:
    """
    A section of the published text.

    Attributes:
        label: How the text numbers it.

        id: Its own name, which references use.
    """

    label: str
    id: str


@frozen(kw_only=True)
class ReferenceTable:
    """
    A reference of the published text to one of its sections.

    Attributes:
        says: The label that it gives.

        means: The id of the section that it means.

        source: Line of the published text.
    """

    says: str
    means: str
    source: str = ""


@frozen(kw_only=True)
class TextTable:
    """
    A sentence that is printed as it is: a warning, a claim, a disclaimer.

    Attributes:
        id: Its name.

        text: Its words.

        kind: ``warning``, ``claim``, ``notice`` or ``quotation``.

        source: Line of the published text.
    """

    id: str
    text: str
    kind: str = field(
        default="notice",
        metadata=_of("warning", "claim", "notice", "quotation"),
    )
    source: str = ""


@frozen(kw_only=True)
class ArchiveTable:
    """
    An older version of this document.

    Attributes:
        version: Its version.

        digest: SHA-256 of it, in hex, as ``policy show`` prints.

        effective: From when it held.
    """

    version: str
    digest: str
    effective: date | None = None


@frozen(kw_only=True)
class Document:
    """
    A whole document, format 1.

    Attributes:
        schema: The format's number: 1.

        policy: What document this is.

        controller: Who answers for it. Only a template may leave it out.

        scope: What it covers.

        consent: How people are asked.

        definitions: Words that it defines.

        recipients: Who else gets data.

        purposes: What purposes demand of the way that data takes.

        functions: What people turn on and off.

        permissions: The operating system's permissions.

        exceptions: Cases without consent.

        retention: Rules on how long data is kept.

        storage: Where data is kept.

        rights: What people can ask for.

        requests: How what they ask for is handled.

        minors: Who is a minor, and what holds for them.

        signals: What signals from outside stop.

        sharing: Ways in which data reaches others.

        changes: How the document may change.

        cookies: Cookies and similar technologies.

        indirect: Data from somebody else.

        sdks: What is said of the list of SDKs.

        security: How data is protected.

        incident: What people are told after an incident.

        cessation: What happens when operation ends.

        sections: Sections of the published text.

        references: References between them.

        texts: Sentences that are printed as they are.

        archive: Older versions.

        unspecified: What the published text leaves open, in words.
    """

    schema: int
    policy: PolicyTable
    functions: tuple[FunctionTable, ...]
    controller: ControllerTable | None = None
    scope: ScopeTable | None = None
    consent: ConsentTable = field(factory=ConsentTable)
    definitions: DefinitionsTable = field(factory=DefinitionsTable)
    recipients: tuple[RecipientTable, ...] = ()
    purposes: Mapping[str, PurposeTable] = field(
        factory=dict, metadata=_by("purposes")
    )
    permissions: tuple[PermissionTable, ...] = ()
    exceptions: tuple[ExceptionTable, ...] = ()
    retention: tuple[RetentionTable, ...] = ()
    storage: StorageTable = field(factory=StorageTable)
    rights: tuple[RightTable, ...] = ()
    requests: RequestsTable | None = None
    minors: MinorsTable | None = None
    signals: SignalsTable = field(factory=SignalsTable)
    sharing: tuple[SharingTable, ...] = ()
    changes: ChangesTable | None = None
    cookies: CookiesTable | None = None
    indirect: IndirectTable | None = None
    sdks: SDKListTable | None = None
    security: SecurityTable | None = None
    incident: IncidentTable | None = None
    cessation: CessationTable | None = None
    sections: tuple[SectionTable, ...] = ()
    references: tuple[ReferenceTable, ...] = ()
    texts: tuple[TextTable, ...] = ()
    archive: tuple[ArchiveTable, ...] = ()
    unspecified: tuple[str, ...] = ()

    def one_by_one(self) -> Document:
        """
        Give the same document with one row for each collected data type.
        """
        functions = tuple(
            evolve(
                function,
                collects=tuple(
                    evolve(row, type=type_, types=()) if row.types else row
                    for row in function.collects
                    for type_ in row.each
                ),
            )
            for function in self.functions
        )
        return evolve(self, functions=functions)
