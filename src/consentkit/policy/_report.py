# SPDX-License-Identifier: MIT
"""
The faults of a document, as they are gathered.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from consentkit.policy.fault import Fault, suggest


__all__ = ["Report"]

T = TypeVar("T")

_ID = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


class Report:
    """
    Gathers faults, and makes the checks that many places share.

    Attributes:
        faults: In the order in which they were found.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fault(self, path: str, problem: str, cure: str = "") -> None:
        self.faults.append(Fault(path=path, problem=problem, cure=cure))

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
        self, path: str, word: str, words: Collection[str], what: str
    ) -> bool:
        if word in words:
            return True
        self.fault(
            path,
            f"{word!r} is no {what}",
            suggest(word, words, where="the vocabulary in the docs"),
        )
        return False

    def each_known(
        self,
        path: str,
        listed: Iterable[str],
        names: Collection[str],
        what: str,
    ) -> None:
        for i, name in enumerate(listed):
            self.known(f"{path}[{i}]", name, names, what)

    def unique(
        self, path: str, items: Iterable[T], name: Callable[[T], str]
    ) -> None:
        seen: set[str] = set()
        for i, item in enumerate(items):
            if name(item) in seen:
                self.fault(f"{path}[{i}]", f"{name(item)!r} stands twice")
            seen.add(name(item))
