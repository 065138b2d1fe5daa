# SPDX-License-Identifier: MIT
"""
From a TOML file to a `Policy`, or to all that is wrong with it at once.
"""

from __future__ import annotations

import math
import re
import tomllib

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from consentkit.exceptions import PolicyError
from consentkit.policy.document import (
    CollectsTable,
    Document,
    EventTable,
    FieldSpec,
    FunctionTable,
    structure,
)
from consentkit.policy.fault import Fault, suggest
from consentkit.policy.model import (
    Category,
    Clause,
    Controller,
    EventField,
    EventSpec,
    Function,
    Policy,
    Protection,
    ProtectionName,
    Recipient,
)
from consentkit.policy.period import Period
from consentkit.policy.vocabulary import Vocabulary, load_vocabulary


__all__ = ["load_policy", "parse_policy"]

T = TypeVar("T")

SCHEMA: Final = 1

_ID = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_ON_REFUSAL: Final = frozenset(
    {"service_unavailable", "function_unavailable", "degraded"}
)
# What never leaves the device needs no decision of its own.
_STAYS: Final = frozenset({"drop", "local_only"})
_KINDS: Final = frozenset({"bool", "int", "float", "text"})
# An event's fields are free; a digest or a grid would be claimed, not made.
_FOR_EVENTS: Final = frozenset(
    {ProtectionName.NONE, ProtectionName.BUCKET, ProtectionName.SCRUB}
)
_MOST_BYTES: Final = 4 * 1024 * 1024


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
        found = _of_schema(tables)
        if isinstance(found, Document):
            made = _Checker(found, load_vocabulary()).policy()
            if isinstance(made, Policy):
                return made
            found = made
        faults = found
    raise PolicyError(path, faults)


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

    def fault(self, path: str, problem: str, cure: str = "") -> None:
        self._faults.append(Fault(path=path, problem=problem, cure=cure))

    def policy(self) -> Policy | tuple[Fault, ...]:
        document = self._document
        about, owner = document.policy, document.controller
        self.check_id("$.policy.id", about.id)
        self.check_id("$.controller.id", owner.id)
        self.filled("$.policy", about, "title", "version", "language")
        self.filled("$.controller", owner, "name", "contact")
        recipients = self.recipients()
        functions = self.functions(recipients)
        if self._faults:
            return tuple(self._faults)
        return Policy(
            id=about.id,
            title=about.title,
            version=about.version,
            effective=about.effective,
            language=about.language,
            url=about.url,
            controller=Controller(
                id=owner.id,
                name=owner.name,
                contact=owner.contact,
                address=owner.address,
            ),
            recipients=recipients,
            functions=functions,
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

    def recipients(self) -> Mapping[str, Recipient]:
        owner = self._document.controller
        made = {
            owner.id: Recipient(
                id=owner.id, name=owner.name, mode="controller"
            )
        }
        for i, table in enumerate(self._document.recipients):
            path = f"$.recipients[{i}]"
            self.check_id(f"{path}.id", table.id)
            self.known(
                f"{path}.mode",
                table.mode,
                self._words.modes,
                "mode of a recipient",
            )
            if table.country and not _COUNTRY.fullmatch(table.country):
                self.fault(
                    f"{path}.country",
                    f"{table.country!r} is no country",
                    "two capital letters of ISO 3166-1, such as CN",
                )
            if table.id in made:
                self.fault(f"{path}.id", f"{table.id!r} stands twice")
            made[table.id] = Recipient(
                id=table.id,
                name=table.name,
                mode=table.mode,
                country=table.country,
            )
        return MappingProxyType(made)

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
        categories = {c.value: c for c in Category}
        self.known(f"{path}.category", table.category, categories, "category")
        self.known(
            f"{path}.on_refusal", table.on_refusal, _ON_REFUSAL, "effect"
        )
        self.basis(f"{path}.basis", table.basis)
        self.purposes(path, table.purposes)
        if table.retention:
            self.period(path, table.retention)
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
            category=categories.get(table.category, Category.CORE),
            text=table.text,
            basis=table.basis,
            on_refusal=table.on_refusal,
            purposes=table.purposes,
            clauses=MappingProxyType(clauses),
            recipients=self.parties(table, clauses, recipients),
            events=self.events(f"{path}.events", table.events, clauses),
            sdk=table.sdk,
        )

    def purposes(self, path: str, purposes: tuple[str, ...]) -> None:
        for i, purpose in enumerate(purposes):
            at = f"{path}.purposes[{i}]"
            self.known(at, purpose, self._words.purposes, "purpose")

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
        named = {self._document.controller.id, *table.recipients}
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
            if not self.known(at, basis, self._words.bases, "lawful basis"):
                continue
            if not self._words.bases[basis].automatic:
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
        words = self._words
        self.known(f"{path}.type", row.type, words.data_types, "data type")
        purposes = row.purposes or table.purposes
        if not purposes:
            self.fault(
                f"{path}.purposes", "no purpose", "name one here or above"
            )
        self.purposes(path, row.purposes)
        self.listed_recipients(path, row.recipients, recipients)
        chosen = row.recipients or table.recipients
        chosen = chosen or (self._document.controller.id,)
        permission = table.permission
        if row.permission is not None:
            permission = row.permission
        if permission:
            at = f"{path}.permission"
            self.known(at, permission, words.permissions, "permission")
        return Clause(
            type=row.type,
            purposes=purposes,
            recipients=chosen,
            protection=self.protection(path, row),
            retention=self.kept(path, row, table),
            permission=permission,
            separate=self.separate(path, row),
            scenes=self.scenes(path, row),
        )

    def separate(self, path: str, row: CollectsTable) -> bool:
        type_ = self._words.data_types.get(row.type)
        sensitive = type_ is not None and type_.sensitive
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
        if row.retention:
            return self.period(path, row.retention)
        if not table.retention:
            self.fault(
                f"{path}.retention",
                "no period",
                "say how long it is kept, here or above, such as P30D",
            )
        # The function's own is reported once, where it stands.
        with suppress(ValueError):
            return Period.parse(table.retention)
        return Period(seconds=1)

    def period(self, path: str, text: str) -> Period:
        try:
            return Period.parse(text)
        except ValueError as error:
            self.fault(f"{path}.retention", f"{text!r}: {error}")
        return Period(seconds=1)

    def protection(self, path: str, row: CollectsTable) -> Protection:
        at = f"{path}.protect"
        type_ = self._words.data_types.get(row.type)
        if row.protect is None:
            if type_ is not None:
                self.fault(at, "missing", self.allowed(row.type))
            return Protection(name=ProtectionName.DROP)
        spec = row.protect
        names = {p.value: p for p in ProtectionName}
        if not self.known(at, spec.name, names, "protection"):
            return Protection(name=ProtectionName.DROP)
        name = names[spec.name]
        if type_ is not None and name not in type_.protections:
            self.fault(
                at,
                f"{spec.name!r} does not protect {row.type!r}",
                self.allowed(row.type),
            )
        self.parameters(at, row)
        cell_km = 2.0 if spec.cell_km is None else spec.cell_km
        return Protection(name=name, cell_km=cell_km, intents=spec.intents)

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
        for i, intent in enumerate(spec.intents):
            self.known(f"{at}.intents[{i}]", intent, INTENTS, "intent")
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
