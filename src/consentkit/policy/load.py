# SPDX-License-Identifier: MIT
"""
From a TOML file to a `Policy`, or to all that is wrong with it at once.
"""

from __future__ import annotations

import json
import math
import re
import tomllib

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import attrs

from consentkit.exceptions import PolicyError
from consentkit.policy.document import structure
from consentkit.policy.fault import Fault, suggest
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
    Protection,
    ProtectionName,
    Recipient,
)
from consentkit.policy.period import Period
from consentkit.policy.tables import (
    COUNTRY_KEYS,
    PERIOD_KEYS,
    UNSPECIFIED,
    CollectsTable,
    ControllerTable,
    Document,
    EventTable,
    FieldSpec,
    FunctionTable,
    RecipientTable,
    RetentionTable,
)
from consentkit.policy.vocabulary import (
    DataType,
    Vocabulary,
    load_vocabulary,
)


__all__ = ["load_policy", "parse_canonical", "parse_policy"]

T = TypeVar("T")

SCHEMA: Final = 1

_ID = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_COUNTRY = re.compile(r"[A-Z]{2}")
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
# How long data waits where the document does not say: the library's own
# choice, the shortest that lets a night pass.
_UNSPECIFIED_PERIOD: Final = Period(seconds=86_400)
# What never leaves the device needs no decision of its own.
_STAYS: Final = frozenset({"drop", "local_only"})
_CONSENTS: Final = frozenset(
    {"consent", "separate_consent", "guardian_consent"}
)
# Words of a text that are no lawful basis whatever they say.
_NO_BASIS: Final = frozenset({"controller_discretion"})
# Types of values that hold no words of a list.
_PLAIN: Final = frozenset({bool, date, dict, float, int, str})
_FREE: Final = frozenset(
    {"bool", "str", "date | None", "bool | None", "int", "int | None"}
)
# What to call the words of a list in a fault.
_WHAT: Final = {
    "data_types": "data type",
    "purposes": "purpose",
    "permissions": "permission",
    "bases": "lawful basis",
    "modes": "mode of a recipient",
    "protections": "protection",
    "intents": "intent",
    "on_refusal": "effect",
}
_FORMED: Final = PERIOD_KEYS | COUNTRY_KEYS
_KINDS: Final = frozenset({"bool", "int", "float", "text"})
_CATEGORIES: Final = {c.value: c for c in Category}
_PROTECTIONS: Final = {p.value: p for p in ProtectionName}
# An event's fields are free; a digest or a grid would be claimed, not made.
_FOR_EVENTS: Final = frozenset(
    {ProtectionName.NONE, ProtectionName.BUCKET, ProtectionName.SCRUB}
)
_MOST_BYTES: Final = 4 * 1024 * 1024

# A document has few periods, and names each of them often.
_period = lru_cache(maxsize=256)(Period.parse)


def load_policy(path: Path | str) -> Policy:
    """
    Read and check the policy document at *path*.

    Raises:
        PolicyError: If the file cannot be read, is no TOML, or has faults;
            it lists all of them.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        problem = f"the file cannot be read ({error.strerror})"
    except ValueError:
        problem = "no path of a file can hold a NUL"
    else:
        return _parse(raw, file)
    raise PolicyError(
        file,
        [Fault(path="$", problem=problem, cure="name a policy document")],
    )


def parse_policy(text: str) -> Policy:
    """
    Check a policy document that is already in memory.

    Raises:
        PolicyError: As `load_policy`.
    """
    # What no UTF-8 file can hold is found as what it is in one.
    return _parse(text.encode(errors="surrogatepass"), None)


def parse_canonical(text: str) -> Policy:
    """
    Read a policy back from its canonical form, as `Policy.canonical` is.

    Raises:
        PolicyError: If *text* is not JSON, or as `load_policy`.
    """
    try:
        tables = json.loads(text)
    except (ValueError, RecursionError):
        tables = None
    if not isinstance(tables, dict):
        fault = Fault(path="$", problem="not the JSON of a policy")
        raise PolicyError(None, [fault])
    return _checked(tables, None)


def _parse(raw: bytes, path: Path | None) -> Policy:
    faults: tuple[Fault, ...]
    if len(raw) > _MOST_BYTES:
        faults = (Fault(path="$", problem="larger than 4 MiB"),)
        raise PolicyError(path, faults)
    try:
        tables = tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        faults = (_not_toml(error),)
    else:
        return _checked(tables, path)
    raise PolicyError(path, faults)


def _checked(tables: Mapping[str, Any], path: Path | None) -> Policy:
    found = _of_schema(tables)
    if isinstance(found, Document):
        made = _Checker(found, load_vocabulary()).policy()
        if isinstance(made, Policy):
            return made
        found = made
    raise PolicyError(path, found)


def _not_toml(error: ValueError | RecursionError) -> Fault:
    match error:
        case UnicodeDecodeError():
            problem = f"not UTF-8 from byte {error.start} on"
        case tomllib.TOMLDecodeError():
            problem = f"not TOML: {error}"
        case RecursionError():
            problem = "nested too deeply"
        case _:
            problem = "not TOML: a number with too many digits"
    return Fault(path="$", problem=problem)


def _of_schema(tables: Mapping[str, Any]) -> Document | tuple[Fault, ...]:
    schema = tables.get("schema")
    if type(schema) is int and schema > SCHEMA:
        return (
            Fault(
                path="$.schema",
                problem=f"format {schema} is newer than this consentkit",
                cure=f"upgrade consentkit, or write format {SCHEMA}",
            ),
        )
    if type(schema) is int and schema < SCHEMA:
        return (
            Fault(
                path="$.schema",
                problem=f"there is no format {schema}",
                cure=f"write schema = {SCHEMA}",
            ),
        )
    return structure(tables)


class _Checker:
    """
    Turns a document into a policy, gathering faults on the way.
    """

    def __init__(self, document: Document, words: Vocabulary) -> None:
        self._document = document
        self._words = words
        self._faults: list[Fault] = []
        self._plans: dict[
            type, tuple[tuple[str, frozenset[str] | None], ...]
        ] = {}
        self._forms: set[tuple[str, str]] = set()
        #: By data type; working them out takes its time.
        self._protections: dict[str, frozenset[ProtectionName]] = {}
        #: Recipients that may not get just anything.
        self._restricted = tuple(
            party
            for party in document.recipients
            if party.types or party.purposes or party.mode == "aggregate_only"
        )

    def fault(self, path: str, problem: str, cure: str = "") -> None:
        self._faults.append(Fault(path=path, problem=problem, cure=cure))

    def policy(self) -> Policy | tuple[Fault, ...]:
        document = self._document
        about = document.policy
        owner = self.controller()
        self.check_id("$.policy.id", about.id)
        self.filled("$.policy", about, "title", "language")
        self.dated()
        self.check_words("$", document)
        self.known_recipients()
        recipients = self.recipients(owner)
        functions = self.functions(recipients)
        self.known_functions()
        minors = self.minors()
        if self._faults:
            return tuple(self._faults)
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
            exemptions=self.exemptions(),
            minors=minors,
            document=document,
        )

    # The document as a whole

    def controller(self) -> ControllerTable:
        owner = self._document.controller
        if owner is None:
            if not self._document.policy.template:
                self.fault("$.controller", "missing", "say who answers for it")
            return _NOBODY
        self.check_id("$.controller.id", owner.id)
        self.filled("$.controller", owner, "name")
        if not owner.contact.strip() and not owner.contacts:
            self.fault(
                "$.controller.contact",
                "nobody can reach the controller",
                "give contact, or one or more controller.contacts",
            )
        for i, contact in enumerate(owner.contacts):
            self.filled(f"$.controller.contacts[{i}]", contact, "value")
        return owner

    def dated(self) -> None:
        about = self._document.policy
        if about.template:
            return
        self.filled("$.policy", about, "version")
        if about.effective is None:
            self.fault("$.policy.effective", "missing", "such as 2026-04-10")

    def check_words(self, path: str, table: Any) -> None:
        """
        Check every key that holds a word of a list, a period or a country.
        """
        # Most documents are fine; only where one is not, places are named.
        if not self.fine(table):
            self.blame(path, table)

    def fine(self, table: Any) -> bool:
        """
        Tell whether every key of *table* holds what it may.
        """
        kind = type(table)
        plan = self._plans.get(kind)
        if plan is None:
            plan = self._plans[kind] = self.plan(kind)
        for name, allowed in plan:
            value = getattr(table, name)
            if allowed is not None:
                items = value if type(value) is tuple else (value,)
                if not allowed.issuperset(items):
                    return False
            elif not value:
                continue
            elif name in _FORMED and type(value[0]) is str:
                items = value if type(value) is tuple else (value,)
                if not all(self.is_known_form(name, v) for v in items):
                    return False
            elif type(value) is tuple:
                if type(value[0]) is not str and not all(
                    map(self.fine, value)
                ):
                    return False
            elif type(value) not in _PLAIN and not self.fine(value):
                return False
        return True

    def plan(
        self, kind: type
    ) -> tuple[tuple[str, frozenset[str] | None], ...]:
        """
        List the keys of a table that need a look, and the words of each.
        """
        made: list[tuple[str, frozenset[str] | None]] = []
        for a in attrs.fields(kind):
            allowed: frozenset[str] | None = None
            if "values" in a.metadata:
                allowed = frozenset(a.metadata["values"])
            elif "words" in a.metadata:
                allowed = frozenset(self.word_list(a.metadata["words"]))
                if kind is RetentionTable:
                    allowed |= {"*"}
            elif a.type in _FREE and a.name not in _FORMED:
                continue
            if allowed is not None and _may_be_empty(a):
                allowed |= {a.default}
            made.append((a.name, allowed))
        return tuple(made)

    def is_known_form(self, name: str, value: str) -> bool:
        """
        Tell whether a period or a country is one.
        """
        if (name, value) in self._forms:
            return True
        fine = value == UNSPECIFIED
        if name in COUNTRY_KEYS:
            fine = _COUNTRY.fullmatch(value) is not None
        elif not fine:
            with suppress(ValueError):
                Period.parse(value)
                fine = True
        if fine:
            self._forms.add((name, value))
        return fine

    def blame(self, path: str, table: Any) -> None:
        """
        Name the place of every key of *table* that holds what it may not.
        """
        for a in attrs.fields(type(table)):
            value = getattr(table, a.name)
            at = f"{path}.{a.name}"
            if attrs.has(type(value)):
                self.blame(at, value)
            elif isinstance(value, tuple):
                for i, item in enumerate(value):
                    self.check_word(f"{at}[{i}]", item, a)
            elif value is not None:
                self.check_word(at, value, a)

    def check_word(self, at: str, value: object, a: Any) -> None:
        if attrs.has(type(value)):
            self.blame(at, value)
        elif not isinstance(value, str) or (
            not value and (_may_be_empty(a) or not a.metadata)
        ):
            return
        elif a.name in PERIOD_KEYS:
            if value != UNSPECIFIED:
                self.period(at, value)
        elif a.name in COUNTRY_KEYS:
            self.country(at, value)
        elif "values" in a.metadata:
            self.known(
                at, value, a.metadata["values"], _WHAT.get(a.name, a.name)
            )
        elif "words" in a.metadata:
            words = a.metadata["words"]
            if value == "*" and at.startswith("$.retention["):
                return
            self.known(at, value, self.word_list(words), _WHAT[words])

    def word_list(self, words: str) -> Iterable[str]:
        match words:
            case "protections":
                return _PROTECTIONS
            case "intents":
                from consentkit.anonymise.intents import INTENTS

                return INTENTS
        listed: Iterable[str] = getattr(self._words, words)
        return listed

    def country(self, at: str, value: str) -> None:
        if not _COUNTRY.fullmatch(value):
            self.fault(
                at,
                f"{value!r} is no country",
                "two capital letters of ISO 3166-1, such as CN",
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
            self.each_known(path, listed, names, "declared recipient")

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
            self.each_known(path, listed, names, "declared function")

    def each_known(
        self,
        path: str,
        listed: Iterable[str],
        names: Iterable[str],
        what: str,
    ) -> None:
        for i, name in enumerate(listed):
            self.known(f"{path}[{i}]", name, names, what)

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
                self.fault(
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

    def check_id(self, path: str, value: str) -> None:
        if not _ID.fullmatch(value):
            self.fault(
                path,
                f"{value!r} is no id",
                "small letters, digits, '_', '-' and '.', a letter first",
            )

    def filled(self, path: str, table: object, *names: str) -> None:
        for name in names:
            if not getattr(table, name).strip():
                self.fault(f"{path}.{name}", "an empty string")

    def known(
        self, path: str, word: str, words: Iterable[str], what: str
    ) -> bool:
        options = frozenset(words)
        if word in options:
            return True
        self.fault(
            path,
            f"{word!r} is no {what}",
            suggest(word, options, where="the vocabulary in the docs"),
        )
        return False

    def unique(
        self, path: str, items: Iterable[T], name: Callable[[T], str]
    ) -> None:
        seen: set[str] = set()
        for i, item in enumerate(items):
            if name(item) in seen:
                self.fault(f"{path}[{i}]", f"{name(item)!r} stands twice")
            seen.add(name(item))

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
            self.check_id(f"{path}.id", table.id)
            if table.id in made:
                self.fault(f"{path}.id", f"{table.id!r} stands twice")
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
            self.fault("$.functions", "no function", "declare one or more")
        self.unique("$.functions", tables, lambda table: table.id)
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
                self.fault(
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
        self.check_id(f"{path}.id", table.id)
        self.filled(path, table, "name", "text")
        self.basis(f"{path}.basis", table.basis)
        self.listed_recipients(path, table.recipients, recipients)
        self.unique(f"{path}.collects", table.collects, lambda c: c.type)
        self.unique(f"{path}.events", table.events, lambda e: e.name)
        clauses = {
            row.type: self.clause(
                f"{path}.collects[{i}]", row, table, recipients
            )
            for i, row in enumerate(table.collects)
        }
        return Function(
            id=table.id,
            name=table.name,
            category=_CATEGORIES.get(table.category, Category.CORE),
            text=table.text,
            basis=table.basis,
            on_refusal=table.on_refusal,
            purposes=table.purposes,
            clauses=MappingProxyType(clauses),
            recipients=self.parties(table, clauses, recipients),
            events=self.events(f"{path}.events", table.events, clauses),
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
            self.fault(
                f"{path}.{name}", "unspecified", "a period, or leave it out"
            )
        if text:
            with suppress(ValueError):
                return _period(text)
        return None

    def listed_recipients(
        self,
        path: str,
        listed: tuple[str, ...],
        recipients: Mapping[str, Recipient],
    ) -> None:
        for i, recipient in enumerate(listed):
            at = f"{path}.recipients[{i}]"
            self.known(at, recipient, recipients, "declared recipient")

    def parties(
        self,
        table: FunctionTable,
        clauses: Mapping[str, Clause],
        recipients: Mapping[str, Recipient],
    ) -> Mapping[str, Recipient]:
        """
        Gather who gets anything of a function, the controller always.
        """
        owner = self._document.controller or _NOBODY
        named = {owner.id, *table.recipients}
        for clause in clauses.values():
            named.update(clause.recipients)
        return MappingProxyType(
            {name: r for name, r in recipients.items() if name in named}
        )

    def basis(self, path: str, bases: tuple[str, ...]) -> None:
        if not bases:
            self.fault(path, "no lawful basis", 'such as ["consent"]')
        for i, basis in enumerate(bases):
            at = f"{path}[{i}]"
            known = self._words.bases.get(basis)
            if known is not None and not known.automatic:
                self.fault(
                    at,
                    f"{basis!r} needs the word of a named person each time; "
                    "software may not apply it",
                    "such as 'consent'",
                )

    def clause(
        self,
        path: str,
        row: CollectsTable,
        table: FunctionTable,
        recipients: Mapping[str, Recipient],
    ) -> Clause:
        purposes = row.purposes or table.purposes
        if not purposes:
            self.fault(
                f"{path}.purposes", "no purpose", "name one here or above"
            )
        self.listed_recipients(path, row.recipients, recipients)
        chosen = row.recipients or table.recipients
        chosen = chosen or ((self._document.controller or _NOBODY).id,)
        permission = table.permission
        if row.permission is not None:
            permission = row.permission
        self.may_get(path, row, purposes, chosen)
        return Clause(
            type=row.type,
            purposes=purposes,
            recipients=chosen,
            protection=self.protection(path, row),
            retention=self.kept(path, row, table),
            permission=permission,
            separate=self.separate(path, row),
            scenes=self.scenes(path, row),
            platforms=row.platforms,
            required=row.required,
            frequency=self.frequency(row),
        )

    def frequency(self, row: CollectsTable) -> Period | None:
        if row.frequency:
            with suppress(ValueError):
                return _period(row.frequency)
        return None

    def may_get(
        self,
        path: str,
        row: CollectsTable,
        purposes: tuple[str, ...],
        recipients: tuple[str, ...],
    ) -> None:
        """
        Hold a clause against what its recipients may get at all.
        """
        for party in self._restricted:
            if party.id not in recipients:
                continue
            if party.types and row.type not in party.types:
                self.fault(
                    f"{path}.recipients",
                    f"{party.id!r} may not get {row.type!r}",
                    "one of its types, or another recipient",
                )
            strange = set(purposes) - set(party.purposes)
            if party.purposes and strange:
                self.fault(
                    f"{path}.recipients",
                    f"{party.id!r} may not get it for "
                    + ", ".join(sorted(strange)),
                    "its purposes only, or another recipient",
                )
            if party.mode == "aggregate_only":
                self.fault(
                    f"{path}.recipients",
                    f"{party.id!r} may get statistics over many people only",
                    "no collected value is one",
                )

    def separate(self, path: str, row: CollectsTable) -> bool:
        type_ = self._words.data_types.get(row.type)
        sensitive = type_ is not None and (
            type_.sensitive or row.type in self._document.definitions.sensitive
        )
        stays = row.protect is not None and row.protect.name in _STAYS
        if sensitive and row.separate is False and not stays:
            self.fault(
                f"{path}.separate",
                f"{row.type!r} is sensitive and needs a decision of its own "
                "(PIPL Article 29)",
                "leave the key out",
            )
        return sensitive if row.separate is None else row.separate

    def scenes(self, path: str, row: CollectsTable) -> tuple[str, ...]:
        type_ = self._words.data_types.get(row.type)
        if type_ is not None and type_.category == "clipboard":
            if not row.scenes:
                self.fault(
                    f"{path}.scenes",
                    "missing",
                    "name the situations in which the clipboard is read",
                )
        elif row.scenes:
            self.fault(f"{path}.scenes", "only the clipboard has scenes")
        return row.scenes

    def kept(
        self, path: str, row: CollectsTable, table: FunctionTable
    ) -> Period:
        text = row.retention or table.retention
        if text == UNSPECIFIED:
            return _UNSPECIFIED_PERIOD
        if text:
            # A faulty one is reported where it stands.
            with suppress(ValueError):
                return _period(text)
            return _UNSPECIFIED_PERIOD
        ruled = self.ruled(row.type)
        if ruled is None:
            self.fault(
                f"{path}.retention",
                "no period",
                "say how long it is kept, here, above or in a rule of "
                "retention, such as P30D",
            )
        return ruled or _UNSPECIFIED_PERIOD

    def ruled(self, type_: str) -> Period | None:
        """
        Find the shortest period that a rule of retention gives *type_*.
        """
        named, general = [], []
        for rule in self._document.retention:
            with suppress(ValueError):
                period = Period.parse(rule.period)
                if type_ in rule.types:
                    named.append(period)
                elif "*" in rule.types:
                    general.append(period)
        start = datetime(2001, 1, 1, tzinfo=UTC)
        return min(
            named or general, key=lambda p: p.after(start), default=None
        )

    def period(self, at: str, text: str) -> Period:
        try:
            return Period.parse(text)
        except ValueError as error:
            self.fault(at, f"{text!r}: {error}")
        return _UNSPECIFIED_PERIOD

    def protection(self, path: str, row: CollectsTable) -> Protection:
        at = f"{path}.protect"
        type_ = self._words.data_types.get(row.type)
        if row.protect is None:
            if type_ is not None:
                self.fault(at, "missing", self.allowed(row.type))
            return Protection(name=ProtectionName.DROP)
        spec = row.protect
        name = _PROTECTIONS.get(spec.name)
        if name is None:
            return Protection(name=ProtectionName.DROP)
        if type_ is not None and name not in self.protections(type_):
            self.fault(
                at,
                f"{spec.name!r} does not protect {row.type!r}",
                self.allowed(row.type),
            )
        self.parameters(at, row)
        cell_km = 2.0 if spec.cell_km is None else spec.cell_km
        return Protection(name=name, cell_km=cell_km, intents=spec.intents)

    def protections(self, type_: DataType) -> frozenset[ProtectionName]:
        known = self._protections.get(type_.id)
        if known is None:
            known = self._protections[type_.id] = type_.protections
        return known

    def allowed(self, type_: str) -> str:
        names = self._words.data_types[type_].protections
        return "one of " + ", ".join(sorted(n.value for n in names))

    def parameters(self, at: str, row: CollectsTable) -> None:
        from consentkit.anonymise.intents import INTENTS

        spec = row.protect
        if spec is None:
            return
        if spec.name == "take" and not spec.intents:
            self.fault(
                f"{at}.intents",
                "missing",
                "name what may be taken: " + ", ".join(sorted(INTENTS)),
            )
        if spec.intents and spec.name != "take":
            self.fault(f"{at}.intents", "only 'take' has intents")
        if spec.cell_km is None:
            return
        if spec.name != "grid":
            self.fault(f"{at}.cell_km", "only 'grid' has cells")
        elif not (math.isfinite(spec.cell_km) and 2 <= spec.cell_km <= 500):
            self.fault(
                f"{at}.cell_km",
                "out of range",
                "2 to 500 kilometres; below 2 a place counts as precise",
            )

    def events(
        self,
        path: str,
        tables: tuple[EventTable, ...],
        clauses: Mapping[str, Clause],
    ) -> Mapping[str, EventSpec]:
        made = {}
        for i, table in enumerate(tables):
            at = f"{path}[{i}]"
            self.check_id(f"{at}.name", table.name)
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
        return MappingProxyType(made)

    def event_type(
        self, path: str, type_: str, clauses: Mapping[str, Clause]
    ) -> None:
        if type_ not in self._words.data_types:
            return  # named already
        if not self.known(path, type_, clauses, "type that is collected"):
            return
        protection = clauses[type_].protection.name
        if protection not in _FOR_EVENTS and protection.value not in _STAYS:
            self.fault(
                path,
                f"{protection.value!r}, which protects {type_!r}, cannot "
                "protect the fields of an event",
                "a type with 'none', 'bucket' or 'scrub'",
            )

    def event_field(self, path: str, name: str, spec: FieldSpec) -> EventField:
        if name == "event" or not name.isidentifier():
            self.fault(
                path,
                "no name for a field",
                "a name of Python's, other than 'event'",
            )
        if spec.kind == "enum":
            if not spec.values:
                self.fault(path, "an enumeration without values")
        else:
            self.known(path, spec.kind, _KINDS, "kind of a field")
        return EventField(kind=spec.kind, values=spec.values)


def _may_be_empty(a: Any) -> bool:
    """
    Tell whether a key may be left empty: one word, and not a required one.
    """
    return a.default is None or isinstance(a.default, str)


def _barred(party: RecipientTable) -> str:
    """
    Say why nothing may be given to *party*, or nothing.
    """
    if party.assessment is not None and party.assessment.risk == "high":
        return "its impact assessment found a high risk"
    missing = set(party.requires) - set(party.accepted)
    if missing:
        return "it has not accepted " + ", ".join(sorted(missing))
    return ""
