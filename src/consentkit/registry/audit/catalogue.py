# SPDX-License-Identifier: MIT
"""
Which SDK is it? Looking entries up by what a project calls them.
"""

from __future__ import annotations

import re

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import field, frozen

from consentkit.registry.model import SDKEntry


__all__ = ["Catalogue", "normal"]

_SEPARATORS: Final = re.compile(r"[-_.]+")


def normal(name: str) -> str:
    """
    Give the normal form of a distribution's name.

    Source: Python Packaging User Guide, "Names and normalization".
    """
    return _SEPARATORS.sub("-", name).lower()


@frozen
class Catalogue:
    """
    Entries, and the ways to find them.
    """

    entries: Mapping[str, SDKEntry]
    _distributions: dict[str, list[str]] = field(init=False, factory=dict)
    _imports: dict[str, list[str]] = field(init=False, factory=dict)
    #: By kind of evidence, and by name.
    _artefacts: dict[str, dict[str, list[str]]] = field(
        init=False, factory=lambda: {"gradle": {}, "pod": {}, "swift": {}}
    )
    _classes: dict[str, list[str]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        for entry in self.entries.values():
            if package := entry.package:
                distributions = map(normal, package.distributions)
                _put(self._distributions, distributions, entry.id)
                _put(self._imports, package.imports, entry.id)
            if mobile := entry.mobile:
                _put(self._artefacts["gradle"], mobile.gradle, entry.id)
                _put(self._artefacts["pod"], mobile.pods, entry.id)
                swift = map(str.lower, mobile.swift)
                _put(self._artefacts["swift"], swift, entry.id)
                _put(self._classes, mobile.classes, entry.id)

    @property
    def imports(self) -> Iterable[str]:
        """
        The modules that entries name.
        """
        return self._imports.keys()

    @property
    def classes(self) -> Iterable[str]:
        """
        The beginnings of names of classes that entries name.
        """
        return self._classes.keys()

    def of_distribution(self, name: str) -> tuple[str, ...]:
        """
        Give the ids of what the distribution *name* holds.
        """
        return tuple(self._distributions.get(normal(name), ()))

    def of_module(self, name: str) -> tuple[str, ...]:
        """
        Give the ids of what the module *name* is a part of.
        """
        while name:
            if found := self._imports.get(name):
                return tuple(found)
            name = name.rpartition(".")[0]
        return ()

    def module_of(self, name: str) -> str:
        """
        Give the module of an entry that *name* is a part of, or nothing.
        """
        while name and name not in self._imports:
            name = name.rpartition(".")[0]
        return name

    def of_artefact(self, kind: str, name: str) -> tuple[str, ...]:
        """
        Give the ids of what an artefact for phones is.

        Args:
            kind: ``gradle``, ``pod`` or ``swift``.

            name: Group and name with a colon, a pod with its subspecs, or
                owner and repository.
        """
        known = self._artefacts[kind]
        separator = ":" if kind == "gradle" else "/"
        whole = known.get(name) or known.get(name.partition(separator)[0])
        return tuple(whole or ())

    def of_class(self, name: str) -> tuple[str, ...]:
        """
        Give the ids of what the class *name* is a part of.
        """
        found = [
            sdk
            for prefix, ids in self._classes.items()
            if name.startswith(prefix)
            for sdk in ids
        ]
        return tuple(dict.fromkeys(found))


def _put(index: dict[str, list[str]], names: Iterable[str], sdk: str) -> None:
    for name in names:
        index.setdefault(name, []).append(sdk)
