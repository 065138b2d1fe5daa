# SPDX-License-Identifier: MIT
"""
What a function collects: rows of the document into clauses.

All checks are made when a document is loaded; a clause itself is made when
it is first asked for. A large document has a hundred thousand of them.
"""

from __future__ import annotations

import math

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, Final

from consentkit.policy._report import Report
from consentkit.policy.model import (
    Clause,
    Clauses,
    Protection,
    ProtectionName,
    Recipient,
)
from consentkit.policy.period import Period
from consentkit.policy.tables import (
    UNSPECIFIED,
    CollectsTable,
    Document,
    FunctionTable,
    ProtectSpec,
)
from consentkit.policy.vocabulary import Vocabulary


__all__ = ["STAYS", "CollectsCheck", "period_of"]

#: What never leaves the device needs no decision of its own.
STAYS: Final = frozenset({"drop", "local_only"})

# How long data waits where the document does not say: the library's own
# choice, the shortest that lets a night pass.
_UNSPECIFIED_PERIOD: Final = Period(seconds=86_400)
_PROTECTIONS: Final = {p.value: p for p in ProtectionName}
_DROPPED: Final = Protection(name=ProtectionName.DROP)

_DAY_SECONDS: Final = 86_400

#: More make an answer at random tell next to nothing.
_MOST_VALUES: Final = 64

# A document has few periods, and names each of them often.
_parsed = lru_cache(maxsize=256)(Period.parse)


def period_of(text: str) -> Period | None:
    """
    Read a period; a faulty one is reported where it stands.
    """
    try:
        return _parsed(text)
    except ValueError:
        return None


class CollectsCheck:
    """
    Checks what functions collect, and makes their clauses.
    """

    def __init__(
        self, report: Report, document: Document, words: Vocabulary, owner: str
    ) -> None:
        self._report = report
        self._document = document
        self._words = words
        self._owner = owner
        types = words.data_types.values()
        called = document.definitions.sensitive
        self._sensitive = frozenset(
            t.id for t in types if t.sensitive or t.id in called
        )
        self._clipboard = frozenset(
            t.id for t in types if t.category == "clipboard"
        )
        #: By protection, what it does not protect.
        self._unprotected: dict[str, frozenset[str]] = {}
        #: By data type, as far as asked for.
        self._ruled: dict[str, Period | None] = {}
        #: Recipients that may not get just anything.
        self._restricted = tuple(
            party
            for party in document.recipients
            if party.types or party.purposes or party.mode == "aggregate_only"
        )

    def clauses(
        self,
        path: str,
        table: FunctionTable,
        recipients: Mapping[str, Recipient],
    ) -> Clauses:
        """
        Check what the function at *path* collects.
        """
        rows: dict[str, CollectsTable] = {}
        separate: list[str] = []
        count = 0
        for i, row in enumerate(table.collects):
            self._row(f"{path}.collects[{i}]", row, table, recipients)
            types = row.each
            rows.update(dict.fromkeys(types, row))
            count += len(types)
            if row.separate:
                separate += types
            elif row.separate is None and not self._sensitive.isdisjoint(
                types
            ):
                separate += (t for t in types if t in self._sensitive)
        if len(rows) < count:
            self._twice(f"{path}.collects", table.collects)
        return Clauses(rows, partial(self._clause, table), tuple(separate))

    def _twice(self, path: str, rows: Iterable[CollectsTable]) -> None:
        seen: set[str] = set()
        for i, row in enumerate(rows):
            for j, type_ in enumerate(row.each):
                if type_ in seen:
                    at = f"{path}[{i}]" + f".types[{j}]" * bool(row.types)
                    self._report.fault(at, f"{type_!r} stands twice")
                seen.add(type_)

    def _clause(
        self, table: FunctionTable, type_: str, row: CollectsTable
    ) -> Clause:
        permission = row.permission
        separate = row.separate
        return Clause(
            type=type_,
            purposes=row.purposes or table.purposes,
            recipients=self._chosen(row, table),
            protection=_protection(row.protect),
            retention=self._kept(type_, row, table) or _UNSPECIFIED_PERIOD,
            permission=table.permission if permission is None else permission,
            separate=type_ in self._sensitive
            if separate is None
            else separate,
            scenes=row.scenes,
            platforms=row.platforms,
            required=row.required,
            frequency=period_of(row.frequency) if row.frequency else None,
            read_from=row.read_from,
        )

    def _chosen(
        self, row: CollectsTable, table: FunctionTable
    ) -> tuple[str, ...]:
        return row.recipients or table.recipients or (self._owner,)

    def _kept(
        self, type_: str, row: CollectsTable, table: FunctionTable
    ) -> Period | None:
        text = row.retention or table.retention
        if text:
            unspecified = text == UNSPECIFIED
            return _UNSPECIFIED_PERIOD if unspecified else period_of(text)
        if type_ not in self._ruled:
            self._ruled[type_] = self._rule(type_)
        return self._ruled[type_]

    def _rule(self, type_: str) -> Period | None:
        """
        Find the shortest period that a rule of retention gives *type_*.
        """
        named, general = [], []
        for rule in self._document.retention:
            period = period_of(rule.period)
            if period is None:
                continue
            if type_ in rule.types:
                named.append(period)
            elif "*" in rule.types:
                general.append(period)
        start = datetime(2001, 1, 1, tzinfo=UTC)
        return min(
            named or general, key=lambda p: p.after(start), default=None
        )

    # The checks of a row

    def _row(
        self,
        path: str,
        row: CollectsTable,
        table: FunctionTable,
        recipients: Mapping[str, Recipient],
    ) -> None:
        types = row.each
        if not types:
            self._report.fault(path, "names no data type", "name one or more")
        purposes = row.purposes or table.purposes
        if not purposes:
            self._report.fault(
                f"{path}.purposes", "no purpose", "name one here or above"
            )
        if row.recipients:
            self._report.each_known(
                f"{path}.recipients",
                row.recipients,
                recipients,
                "declared recipient",
            )
        if self._restricted:
            self._may_get(path, types, purposes, self._chosen(row, table))
        self._protected(f"{path}.protect", types, row.protect)
        if not (row.retention or table.retention) and not all(
            self._kept(type_, row, table) for type_ in types
        ):
            self._report.fault(
                f"{path}.retention",
                "no period",
                "say how long it is kept, here, above or in a rule of "
                "retention, such as P30D",
            )
        if row.separate is False:
            self._together(f"{path}.separate", types, row.protect)
        self._scenes(f"{path}.scenes", types, row.scenes)

    def _may_get(
        self,
        path: str,
        types: tuple[str, ...],
        purposes: tuple[str, ...],
        recipients: tuple[str, ...],
    ) -> None:
        """
        Hold a row against what its recipients may get at all.
        """
        at = f"{path}.recipients"
        for party in self._restricted:
            if party.id not in recipients:
                continue
            for type_ in types if party.types else ():
                if type_ not in party.types:
                    self._report.fault(
                        at,
                        f"{party.id!r} may not get {type_!r}",
                        "one of its types, or another recipient",
                    )
            strange = set(purposes) - set(party.purposes)
            if party.purposes and strange:
                self._report.fault(
                    at,
                    f"{party.id!r} may not get it for "
                    + ", ".join(sorted(strange)),
                    "its purposes only, or another recipient",
                )
            if party.mode == "aggregate_only":
                self._report.fault(
                    at,
                    f"{party.id!r} may get statistics over many people only",
                    "no collected value is one",
                )

    def _protected(
        self, at: str, types: tuple[str, ...], spec: ProtectSpec | None
    ) -> None:
        if spec is None:
            for type_ in types:
                if type_ in self._words.data_types:
                    self._report.fault(at, "missing", self._allowed(type_))
            return
        if spec.name not in _PROTECTIONS:
            return  # named already
        unprotected = self._unprotected_by(spec.name)
        if not unprotected.isdisjoint(types):
            for type_ in types:
                if type_ in unprotected:
                    self._report.fault(
                        at,
                        f"{spec.name!r} does not protect {type_!r}",
                        self._allowed(type_),
                    )
        self._parameters(at, spec)

    def _unprotected_by(self, name: str) -> frozenset[str]:
        if name not in self._unprotected:
            self._unprotected[name] = frozenset(
                t.id
                for t in self._words.data_types.values()
                if _PROTECTIONS[name] not in t.protections
            )
        return self._unprotected[name]

    def _allowed(self, type_: str) -> str:
        names = self._words.data_types[type_].protections
        return "one of " + ", ".join(sorted(n.value for n in names))

    def _parameters(self, at: str, spec: ProtectSpec) -> None:
        if spec.name == "take" and not spec.intents:
            from consentkit.anonymise.intents import INTENTS

            self._report.fault(
                f"{at}.intents",
                "missing",
                "name what may be taken: " + ", ".join(sorted(INTENTS)),
            )
        if spec.intents and spec.name != "take":
            self._report.fault(f"{at}.intents", "only 'take' has intents")
        if spec.cell_km is not None and spec.name != "grid":
            self._report.fault(f"{at}.cell_km", "only 'grid' has cells")
        elif not _is_between(spec.cell_km or 2, 2, 500):
            self._report.fault(
                f"{at}.cell_km",
                "out of range",
                "2 to 500 kilometres; below 2 a place counts as precise",
            )
        self._place(at, spec)
        self._time(at, spec)
        self._answer(at, spec)
        self._epoch(at, spec)

    def _place(self, at: str, spec: ProtectSpec) -> None:
        """
        Check what only a place has.
        """
        for key in ("noise_km", "on_change"):
            if getattr(spec, key) and spec.name != "grid":
                self._report.fault(f"{at}.{key}", "only 'grid' has it")
        least = (spec.cell_km or 2) / 2
        if spec.noise_km is not None and not _is_between(
            spec.noise_km, least, 500
        ):
            self._report.fault(
                f"{at}.noise_km",
                "out of range",
                "half a cell to 500 kilometres; less seldom leaves the cell",
            )

    def _time(self, at: str, spec: ProtectSpec) -> None:
        if spec.time_step and spec.name in STAYS:
            self._report.fault(f"{at}.time_step", "nothing leaves, nor a time")
        step = _step(spec.time_step)
        if spec.time_step == UNSPECIFIED or (
            step and (step.months or step.seconds > _DAY_SECONDS)
        ):
            self._report.fault(
                f"{at}.time_step", "out of range", "such as PT1H; at most P1D"
            )

    def _answer(self, at: str, spec: ProtectSpec) -> None:
        """
        Check what only an answer at random has.
        """
        if spec.name != "krr":
            for key in ("epsilon", "values"):
                if getattr(spec, key):
                    self._report.fault(f"{at}.{key}", "only 'krr' has it")
            return
        if spec.epsilon is not None and not (
            _is_between(spec.epsilon, 0, 4) and spec.epsilon
        ):
            self._report.fault(
                f"{at}.epsilon",
                "out of range",
                "above 0 and at most 4; beyond, the answer is the value",
            )
        if spec.values and not (
            2 <= len(spec.values) == len(set(spec.values)) <= _MOST_VALUES
        ):
            self._report.fault(
                f"{at}.values",
                "not a choice",
                f"2 to {_MOST_VALUES} different values",
            )

    def _epoch(self, at: str, spec: ProtectSpec) -> None:
        if not spec.epoch:
            return
        if not (spec.name in ("keyed", "krr") or spec.noise_km):
            self._report.fault(
                f"{at}.epoch",
                "nothing here changes with time",
                "for 'keyed', 'krr' and 'grid' with noise_km",
            )
        epoch = _step(spec.epoch)
        # Months and days together would begin anew at no certain date.
        if spec.epoch == UNSPECIFIED or (
            epoch
            and (
                epoch.seconds % _DAY_SECONDS
                or (epoch.months and epoch.seconds)
            )
        ):
            self._report.fault(
                f"{at}.epoch",
                "no epoch",
                "whole months or whole days, such as P30D",
            )

    def _together(
        self, at: str, types: tuple[str, ...], spec: ProtectSpec | None
    ) -> None:
        """
        Check what is said to need no decision of its own.
        """
        if spec is not None and spec.name in STAYS:
            return
        for type_ in types:
            if type_ in self._sensitive:
                self._report.fault(
                    at,
                    f"{type_!r} is sensitive and needs a decision of its own "
                    "(PIPL Article 29)",
                    "leave the key out",
                )

    def _scenes(
        self, at: str, types: tuple[str, ...], scenes: tuple[str, ...]
    ) -> None:
        if not scenes:
            if not self._clipboard.isdisjoint(types):
                self._report.fault(
                    at,
                    "missing",
                    "name the situations in which the clipboard is read",
                )
        elif not self._clipboard.issuperset(types):
            self._report.fault(at, "only the clipboard has scenes")


def _protection(spec: ProtectSpec | None) -> Protection:
    name = None if spec is None else _PROTECTIONS.get(spec.name)
    if spec is None or name is None:
        return _DROPPED  # the document has a fault, and is not used
    cell_km = 2.0 if spec.cell_km is None else spec.cell_km
    chosen: dict[str, Any] = {}
    if spec.on_change is not None:
        chosen["on_change"] = spec.on_change
    if spec.time_step:
        chosen["time_step"] = _step(spec.time_step)
    return Protection(
        name=name,
        cell_km=cell_km,
        intents=spec.intents,
        noise_km=spec.noise_km or 0.0,
        epoch=_step(spec.epoch),
        epsilon=1.0 if spec.epsilon is None else spec.epsilon,
        values=spec.values,
        **chosen,
    )


def _step(text: str) -> Period | None:
    return period_of(text) if text else None


def _is_between(value: float, least: float, most: float) -> bool:
    return math.isfinite(value) and least <= value <= most
