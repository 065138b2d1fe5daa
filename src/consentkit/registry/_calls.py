# SPDX-License-Identifier: MIT
"""
What the calls of an SDK are for, as its entry says, while it has no permit.

A call that sets it up is kept, one that gives a handle is made when the
handle is used, and one that is given a default gives that back. All others
are dropped.
"""

from __future__ import annotations

import re

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import frozen

from consentkit.registry._quiet import QUIET
from consentkit.registry.model import SDKPackage


__all__ = ["Calls", "Default", "calls_of", "join"]

_DEFAULT: Final = re.compile(r"(async )?([\w.]+)\((.*)\)")


@frozen
class Default:
    """
    Where a call holds the value that the app wants if there is no answer.

    Attributes:
        position: Its place among the arguments.

        name: Its name.

        is_awaited: Whether the answer is waited for.
    """

    position: int
    name: str
    is_awaited: bool

    def of(self, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """
        Give what the app wants, or nothing where it does not say.
        """
        value = options.get(self.name, QUIET)
        if len(args) > self.position:
            value = args[self.position]
        return _answer(value) if self.is_awaited else value


async def _answer(value: Any) -> Any:
    return value


@frozen
class Calls:
    """
    Calls of an SDK, by what they are for.

    Attributes:
        setup: Full names of those that set it up.

        handles: Names of those that give something to use later.

        defaults: Those that are given a default, by name.

        ends: Methods that end what a set-up call gave.
    """

    setup: frozenset[str] = frozenset()
    handles: frozenset[str] = frozenset()
    defaults: Mapping[str, Default] = MappingProxyType({})
    ends: frozenset[str] = frozenset()

    def gives_handle(self, path: str) -> bool:
        """
        Tell whether a call of *path* gives something to use later.
        """
        known = self.handles  # mostly empty, and asked at each call
        return bool(known) and any(end in known for end in _ends(path))

    def leads_to_default(self, path: str) -> bool:
        """
        Tell whether what a call of *path* gives is asked with a default.
        """
        above = {name.rpartition(".")[0] for name in self.defaults}
        return any(end in above for end in _ends(path))

    def default(self, path: str) -> Default | None:
        """
        Give where a call of *path* holds its default, if it has one.
        """
        for end in _ends(path):
            if end in self.defaults:
                return self.defaults[end]
        return None


def _ends(path: str) -> Iterable[str]:
    """
    Give a name with less and less of what is before it.
    """
    while path:
        yield path
        path = path.partition(".")[2]


def calls_of(package: SDKPackage) -> Calls:
    """
    Read what an entry says.
    """
    return Calls(
        setup=frozenset(package.setup),
        handles=frozenset(package.handles),
        defaults=dict(map(_default, package.defaults)),
        ends=frozenset(package.ends),
    )


def _default(text: str) -> tuple[str, Default]:
    # The loader has seen that it is of this form.
    is_awaited, name, said = _DEFAULT.fullmatch(text).groups()  # type: ignore[union-attr]
    names = said.split(", ")
    default = Default(len(names) - 1, names[-1], is_awaited is not None)
    return name, default


def join(several: Iterable[Calls]) -> Calls:
    """
    Give the calls of all of them.
    """
    joined = Calls()
    for one in several:
        joined = Calls(
            joined.setup | one.setup,
            joined.handles | one.handles,
            {**joined.defaults, **one.defaults},
            joined.ends | one.ends,
        )
    return joined
