# SPDX-License-Identifier: MIT
"""
Do the tables of a document mean something together?
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from types import MappingProxyType
from typing import Final

from consentkit.policy._collects import STAYS, CollectsCheck, period_of
from consentkit.policy._report import Report
from consentkit.policy._words import WordCheck
from consentkit.policy.fault import Fault
from consentkit.policy.model import (
    Category,
    Clause,
    Controller,
    EventField,
    EventSpec,
    Exemption,
    Function,
    Minors,
    Pending,
    Policy,
    ProtectionName,
    Recipient,
)
from consentkit.policy.period import Period
from consentkit.policy.tables import (
    NEEDS,
    UNSPECIFIED,
    ControllerTable,
    Document,
    EventTable,
    FieldSpec,
    FunctionTable,
    RecipientTable,
)
from consentkit.policy.vocabulary import Vocabulary


__all__ = ["check"]

# Modes in which a recipient uses data for purposes of its own, so that
# giving to it is a decision of its own.
# Source: PIPL Articles 23 and 25.
_SEPARATE_MODES: Final = frozenset(
    {"affiliate", "public", "shared", "transferred"}
)
# What a template may leave open.
_NOBODY: Final = ControllerTable(
    id="unspecified", name=UNSPECIFIED, contact=UNSPECIFIED
)
_CONSENTS: Final = frozenset(
    {"consent", "separate_consent", "guardian_consent"}
)
# Words of a text that are no lawful basis whatever they say.
_NO_BASIS: Final = frozenset({"controller_discretion"})
_KINDS: Final = frozenset({"bool", "int", "float", "text"})
_CATEGORIES: Final = {c.value: c for c in Category}
# An event's fields are free; a digest or a grid would be claimed, not made.
_FOR_EVENTS: Final = frozenset(
    {
        ProtectionName.NONE,
        ProtectionName.BUCKET,
        ProtectionName.SCRUB,
        ProtectionName.KRR,
    }
)


def check(document: Document, words: Vocabulary) -> Policy | tuple[Fault, ...]:
    """
    Make a policy of *document*, or list all that is wrong with it.
    """
    return _Checker(document, words).policy()


class _Checker:
    """
    Turns a document into a policy, gathering faults on the way.
    """

    def __init__(self, document: Document, words: Vocabulary) -> None:
        self._document = document
        self._words = words
        self._report = Report()
        self._owner = document.controller or _NOBODY
        self._collects = CollectsCheck(
            self._report, document, words, self._owner.id
        )
        self._demands: Mapping[str, tuple[str, ...]] = {}

    def policy(self) -> Policy | tuple[Fault, ...]:
        document = self._document
        about = document.policy
        owner = self.controller()
        self._report.check_id("$.policy.id", about.id)
        self._report.filled("$.policy", about, "title", "language")
        self.dated()
        WordCheck(self._report, self._words).check("$", document)
        self.known_recipients()
        self._demands = self.demands()
        recipients = self.recipients(owner)
        functions = self.functions(recipients)
        self.known_functions()
        minors = self.minors()
        if self._report.faults:
            return tuple(self._report.faults)
        return Policy(
            id=about.id,
            title=about.title,
            version=about.version,
            effective=about.effective or date.max,
            language=about.language,
            url=about.url,
            template=about.template,
            controller=Controller(
                id=owner.id,
                name=owner.name,
                contact=owner.contact
                or ", ".join(c.value for c in owner.contacts),
                address=owner.address,
                continues=owner.continues,
            ),
            recipients=recipients,
            functions=functions,
            demands=self._demands,
            exemptions=self.exemptions(),
            minors=minors,
            document=document,
        )

    # The document as a whole

    def controller(self) -> ControllerTable:
        owner = self._document.controller
        if owner is None:
            if not self._document.policy.template:
                self._report.fault(
                    "$.controller", "missing", "say who answers for it"
                )
            return _NOBODY
        self._report.check_id("$.controller.id", owner.id)
        self._report.filled("$.controller", owner, "name")
        if not owner.contact.strip() and not owner.contacts:
            self._report.fault(
                "$.controller.contact",
                "nobody can reach the controller",
                "give contact, or one or more controller.contacts",
            )
        for i, contact in enumerate(owner.contacts):
            self._report.filled(
                f"$.controller.contacts[{i}]", contact, "value"
            )
        return owner

    def dated(self) -> None:
        about = self._document.policy
        if about.template:
            return
        self._report.filled("$.policy", about, "version")
        if about.effective is None:
            self._report.fault(
                "$.policy.effective", "missing", "such as 2026-04-10"
            )

    def known_recipients(self) -> None:
        document = self._document
        names = {r.id for r in document.recipients}
        if document.controller:
            names.add(document.controller.id)
        lists = []
        if document.indirect:
            lists.append(
                ("$.indirect.recipients", document.indirect.recipients)
            )
        if document.cookies:
            lists.append(
                ("$.cookies.third_parties", document.cookies.third_parties)
            )
        for path, listed in lists:
            self._report.each_known(path, listed, names, "declared recipient")

    def known_functions(self) -> None:
        """
        Check that what names a function names one that there is.
        """
        document = self._document
        names = {f.id for f in document.functions}
        lists = [
            (f"$.functions[{i}].never_with", f.never_with)
            for i, f in enumerate(document.functions)
        ]
        lists += [
            (f"$.permissions[{i}].functions", table.functions)
            for i, table in enumerate(document.permissions)
        ]
        lists += [
            (f"$.exceptions[{i}].functions", case.functions)
            for i, case in enumerate(document.exceptions)
        ]
        if document.cookies:
            lists.append(("$.cookies.functions", document.cookies.functions))
        if document.sdks:
            lists += [
                (f"$.sdks.disclosures[{i}].functions", place.functions)
                for i, place in enumerate(document.sdks.disclosures)
            ]
        for name in ("do_not_track", "gpc"):
            listed = getattr(document.signals, name) or ()
            lists.append((f"$.signals.{name}", listed))
        for path, listed in lists:
            self._report.each_known(path, listed, names, "declared function")

    def exemptions(self) -> tuple[Exemption, ...]:
        made = [
            Exemption(
                basis=basis,
                attested=False,
                acts=("collection", "sharing"),
                functions=(function.id,),
            )
            for function in self._document.functions
            for basis in function.basis
            if basis not in _CONSENTS
        ]
        for table in self._document.exceptions:
            if table.basis in _CONSENTS or table.basis in _NO_BASIS:
                continue
            made.append(
                Exemption(
                    basis=table.basis,
                    attested=not self._words.bases[table.basis].automatic,
                    acts=table.acts,
                    functions=table.functions,
                    types=table.types,
                    purposes=table.purposes,
                )
            )
        return tuple(made)

    def minors(self) -> Minors | None:
        table = self._document.minors
        if table is None:
            return None
        for name in ("child_below", "minor_below"):
            age = getattr(table, name)
            if age is not None and not 0 < age <= 30:
                self._report.fault(
                    f"$.minors.{name}", f"{age} is no such age", "1 to 30"
                )
        child = table.child_below or 0
        if child and table.child_inclusive:
            child += 1
        return Minors(
            child_until=child,
            minor_until=table.minor_below or 0,
            child_barred=table.child_barred,
            guardian_for=table.guardian_for,
        )

    # What purposes demand

    def demands(self) -> Mapping[str, tuple[str, ...]]:
        """
        Check what purposes need, and gather it.
        """
        document = self._document
        # None in most documents.
        used = {
            purpose
            for function in document.functions
            for purpose in _purposes_of(function)
            if document.purposes
        }
        made = {}
        for purpose, table in document.purposes.items():
            path = f"$.purposes.{purpose}"
            known = self._words.purposes
            if not self._report.known(path, purpose, known, "purpose"):
                continue
            WordCheck(self._report, self._words).check(path, table)
            if purpose not in used:
                self._report.fault(
                    path,
                    "no function has this purpose",
                    "one that a function or a clause names, or leave it out",
                )
            if "region" in table.needs and not document.storage.regions:
                self._report.fault(
                    f"{path}.needs",
                    "'region', and nothing says which",
                    'name them in storage.regions, such as ["CN"]',
                )
            if table.needs:
                made[purpose] = tuple(n for n in NEEDS if n in table.needs)
        return MappingProxyType(made)

    def regions(
        self, demands: Mapping[str, tuple[str, ...]]
    ) -> tuple[str, ...]:
        if any("region" in needs for needs in demands.values()):
            return self._document.storage.regions
        return ()

    # Recipients

    def recipients(self, owner: ControllerTable) -> Mapping[str, Recipient]:
        made = {
            owner.id: Recipient(
                id=owner.id, name=owner.name, mode="controller"
            )
        }
        home = self._document.storage.regions
        for i, table in enumerate(self._document.recipients):
            path = f"$.recipients[{i}]"
            self._report.check_id(f"{path}.id", table.id)
            if table.id in made:
                self._report.fault(f"{path}.id", f"{table.id!r} stands twice")
            separate = table.separate
            if separate is None:
                separate = table.mode in _SEPARATE_MODES
            made[table.id] = Recipient(
                id=table.id,
                name=table.name,
                mode=table.mode,
                country=table.country,
                formerly=table.formerly,
                separate=separate,
                abroad=bool(home and table.country)
                and table.country not in home,
                barred=_barred(table),
                url=table.url,
            )
        return MappingProxyType(made)

    # Functions

    def functions(
        self, recipients: Mapping[str, Recipient]
    ) -> Mapping[str, Function]:
        tables = self._document.functions
        if not tables:
            self._report.fault(
                "$.functions", "no function", "declare one or more"
            )
        self._report.unique("$.functions", tables, lambda table: table.id)
        made = {}
        for i, table in enumerate(tables):
            path = f"$.functions[{i}]"
            made[table.id] = self.function(path, table, recipients)
        self.unique_sdks()
        return MappingProxyType(made)

    def unique_sdks(self) -> None:
        seen: dict[str, str] = {}
        for i, table in enumerate(self._document.functions):
            if table.sdk and table.sdk in seen:
                self._report.fault(
                    f"$.functions[{i}].sdk",
                    f"{table.sdk!r} is started by {seen[table.sdk]!r} too",
                    "let one function start it, so that it is one decision",
                )
            seen.setdefault(table.sdk, table.id)

    def function(
        self,
        path: str,
        table: FunctionTable,
        recipients: Mapping[str, Recipient],
    ) -> Function:
        self._report.check_id(f"{path}.id", table.id)
        self._report.filled(path, table, "name", "text")
        self.basis(f"{path}.basis", table.basis)
        self._report.each_known(
            f"{path}.recipients",
            table.recipients,
            recipients,
            "declared recipient",
        )
        self._report.unique(f"{path}.events", table.events, lambda e: e.name)
        clauses = self._collects.clauses(path, table, recipients)
        named = _purposes_of(table) if self._demands else ()
        demands = {p: d for p, d in self._demands.items() if p in named}
        return Function(
            id=table.id,
            name=table.name,
            category=_CATEGORIES.get(table.category, Category.CORE),
            text=table.text,
            basis=table.basis,
            on_refusal=table.on_refusal,
            purposes=table.purposes,
            clauses=clauses,
            recipients=self.parties(table, recipients),
            events=self.events(path, table, clauses),
            demands=MappingProxyType(demands),
            regions=self.regions(demands),
            sdk=table.sdk,
            permission=table.permission,
            user_act=table.user_act,
            requires=table.requires,
            acknowledge=table.acknowledge,
            attest=table.attest,
            pending=self.pending(table),
            ask_again=self.own_or_general(path, table, "ask_again"),
            valid_for=self.own_or_general(path, table, "valid_for"),
            inherits=table.inherits,
            minors=table.minors,
            profiling=table.profiling,
            method=self._document.consent.act,
        )

    def pending(self, table: FunctionTable) -> Pending:
        with suppress(ValueError):
            return Pending(table.pending or self._document.consent.pending)
        return Pending.DROP

    def own_or_general(
        self, path: str, table: FunctionTable, name: str
    ) -> Period | None:
        text = getattr(table, name) or getattr(self._document.consent, name)
        if text == UNSPECIFIED:
            self._report.fault(
                f"{path}.{name}", "unspecified", "a period, or leave it out"
            )
        return period_of(text) if text else None

    def parties(
        self,
        table: FunctionTable,
        recipients: Mapping[str, Recipient],
    ) -> Mapping[str, Recipient]:
        """
        Gather who gets anything of a function, the controller always.
        """
        named = {self._owner.id, *table.recipients}
        for row in table.collects:
            named.update(row.recipients)
        return MappingProxyType(
            {name: r for name, r in recipients.items() if name in named}
        )

    def basis(self, path: str, bases: tuple[str, ...]) -> None:
        if not bases:
            self._report.fault(path, "no lawful basis", 'such as ["consent"]')
        for i, basis in enumerate(bases):
            at = f"{path}[{i}]"
            known = self._words.bases.get(basis)
            if known is not None and not known.automatic:
                self._report.fault(
                    at,
                    f"{basis!r} needs the word of a named person each time; "
                    "software may not apply it",
                    "such as 'consent'",
                )

    def events(
        self,
        path: str,
        function: FunctionTable,
        clauses: Mapping[str, Clause],
    ) -> Mapping[str, EventSpec]:
        made = {}
        self.choices(f"{path}.collects", function)
        for i, table in enumerate(function.events):
            at = f"{path}.events[{i}]"
            self._report.check_id(f"{at}.name", table.name)
            self.event_type(f"{at}.type", table.type, clauses)
            made[table.name] = EventSpec(
                name=table.name,
                type=table.type,
                fields=MappingProxyType(
                    {
                        name: self.event_field(
                            f"{at}.fields.{name}", name, spec
                        )
                        for name, spec in table.fields.items()
                    }
                ),
            )
            if table.type in clauses:
                self.answers(at, table, clauses[table.type])
        return MappingProxyType(made)

    def choices(self, path: str, function: FunctionTable) -> None:
        """
        Check that what is answered at random has something to choose from.
        """
        told = {event.type for event in function.events}
        for i, row in enumerate(function.collects):
            spec = row.protect
            if spec is None or spec.name != "krr" or spec.values:
                continue
            if not told.issuperset(row.each):
                self._report.fault(
                    f"{path}[{i}].protect.values",
                    "missing",
                    "name what the value may be, or declare an event of it",
                )

    def answers(self, at: str, table: EventTable, clause: Clause) -> None:
        """
        Check that each field of an event can be answered at random.
        """
        if clause.protection.name is not ProtectionName.KRR:
            return
        for name, spec in table.fields.items():
            if spec.kind not in ("bool", "enum"):
                self._report.fault(
                    f"{at}.fields.{name}",
                    "'krr' takes a closed list",
                    "bool, or an array of the values",
                )

    def event_type(
        self, path: str, type_: str, clauses: Mapping[str, Clause]
    ) -> None:
        if type_ not in self._words.data_types:
            return  # named already
        if not self._report.known(
            path, type_, clauses, "type that is collected"
        ):
            return
        protection = clauses[type_].protection.name
        if protection not in _FOR_EVENTS and protection.value not in STAYS:
            self._report.fault(
                path,
                f"{protection.value!r}, which protects {type_!r}, cannot "
                "protect the fields of an event",
                "a type with 'krr', 'none', 'bucket' or 'scrub'",
            )

    def event_field(self, path: str, name: str, spec: FieldSpec) -> EventField:
        if name == "event" or not name.isidentifier():
            self._report.fault(
                path,
                "no name for a field",
                "a name of Python's, other than 'event'",
            )
        if spec.kind == "enum":
            if not spec.values:
                self._report.fault(path, "an enumeration without values")
        else:
            self._report.known(path, spec.kind, _KINDS, "kind of a field")
        return EventField(kind=spec.kind, values=spec.values)


def _purposes_of(function: FunctionTable) -> set[str]:
    """
    Name all that *function* and its clauses are for.
    """
    named = set(function.purposes)
    return named.union(*(row.purposes for row in function.collects))


def _barred(party: RecipientTable) -> str:
    """
    Say why nothing may be given to *party*, or nothing.
    """
    if party.assessment is not None and party.assessment.risk == "high":
        return "its impact assessment found a high risk"
    missing = set(party.requires) - set(party.accepted)
    if missing:
        return "it has not accepted " + ", ".join(sorted(missing))
    unfiled = [what for what in party.on_file if not _is_filed(party, what)]
    if unfiled:
        return "there is no " + ", no ".join(unfiled) + " on file"
    if party.only_in and party.country not in party.only_in:
        where = party.country or "no country that is named"
        return f"it is in {where}, and may be in {', '.join(party.only_in)}"
    return ""


def _is_filed(party: RecipientTable, what: str) -> bool:
    """
    Tell whether the agreement or the impact assessment is there, and may be
    looked up.
    """
    if what == "agreement":
        return bool(party.agreement and party.agreement.reference)
    found = party.assessment
    return bool(found and found.reference and found.made)
