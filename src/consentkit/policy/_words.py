# SPDX-License-Identifier: MIT
"""
Does every key of a document hold a word that it may hold?
"""

from __future__ import annotations

import re

from collections.abc import Collection
from contextlib import suppress
from datetime import date
from typing import Any, Final

import attrs

from consentkit.policy._report import Report
from consentkit.policy.model import ProtectionName
from consentkit.policy.period import Period
from consentkit.policy.tables import COUNTRY_KEYS, PERIOD_KEYS, UNSPECIFIED
from consentkit.policy.vocabulary import Vocabulary


__all__ = ["WordCheck"]

_COUNTRY = re.compile(r"[A-Z]{2}")
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
    "needs": "need of a purpose",
}
_FORMED: Final = PERIOD_KEYS | COUNTRY_KEYS


class WordCheck:
    """
    Holds every key against its list of words, its period or its country.
    """

    def __init__(self, report: Report, words: Vocabulary) -> None:
        self._report = report
        self._words = words
        self._plans: dict[
            type, tuple[tuple[str, frozenset[str] | None], ...]
        ] = {}
        self._forms: set[tuple[str, str]] = set()

    def check(self, path: str, table: Any) -> None:
        """
        Check every key that holds a word of a list, a period or a country.
        """
        # Most documents are fine; only where one is not, places are named.
        if not self._is_fine(table):
            self._blame(path, table)

    def _is_fine(self, table: Any) -> bool:
        """
        Tell whether every key of *table* holds what it may.
        """
        kind = type(table)
        plan = self._plans.get(kind)
        if plan is None:
            plan = self._plans[kind] = self._plan(kind)
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
                if not all(self._is_known_form(name, v) for v in items):
                    return False
            elif type(value) is tuple:
                if type(value[0]) is not str and not all(
                    map(self._is_fine, value)
                ):
                    return False
            elif type(value) not in _PLAIN and not self._is_fine(value):
                return False
        return True

    def _plan(
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
                allowed = frozenset(self._listed(a))
            elif a.type in _FREE and a.name not in _FORMED:
                continue
            if allowed is not None and _may_be_empty(a):
                allowed |= {a.default}
            made.append((a.name, allowed))
        return tuple(made)

    def _is_known_form(self, name: str, value: str) -> bool:
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

    def _blame(self, path: str, table: Any) -> None:
        """
        Name the place of every key of *table* that holds what it may not.
        """
        for a in attrs.fields(type(table)):
            value = getattr(table, a.name)
            at = f"{path}.{a.name}"
            if attrs.has(type(value)):
                self._blame(at, value)
            elif isinstance(value, tuple):
                for i, item in enumerate(value):
                    self._check_word(f"{at}[{i}]", item, a)
            elif value is not None:
                self._check_word(at, value, a)

    def _check_word(self, at: str, value: object, a: Any) -> None:
        if attrs.has(type(value)):
            self._blame(at, value)
        elif not isinstance(value, str) or (
            not value and (_may_be_empty(a) or not a.metadata)
        ):
            return
        elif a.name in PERIOD_KEYS:
            if value != UNSPECIFIED:
                self._period(at, value)
        elif a.name in COUNTRY_KEYS:
            self._country(at, value)
        elif "values" in a.metadata:
            what = _WHAT.get(a.name, a.name)
            self._report.known(at, value, a.metadata["values"], what)
        elif "words" in a.metadata:
            what = _WHAT[a.metadata["words"]]
            if value not in a.metadata["also"]:
                self._report.known(at, value, self._word_list(a), what)

    def _listed(self, a: Any) -> Collection[str]:
        return {*self._word_list(a), *a.metadata["also"]}

    def _word_list(self, a: Any) -> Collection[str]:
        match a.metadata["words"]:
            case "protections":
                return tuple(p.value for p in ProtectionName)
            case "intents":
                from consentkit.anonymise.intents import INTENTS

                return tuple(INTENTS)
            case words:
                return tuple(getattr(self._words, words))

    def _period(self, at: str, text: str) -> None:
        try:
            Period.parse(text)
        except ValueError as error:
            self._report.fault(at, f"{text!r}: {error}")

    def _country(self, at: str, value: str) -> None:
        if not _COUNTRY.fullmatch(value):
            self._report.fault(
                at,
                f"{value!r} is no country",
                "two capital letters of ISO 3166-1, such as CN",
            )


def _may_be_empty(a: Any) -> bool:
    """
    Tell whether a key may be left empty: one word, and not a required one.
    """
    return a.default is None or isinstance(a.default, str)
