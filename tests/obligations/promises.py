# SPDX-License-Identifier: MIT

"""
The obligations, and which of them no test shows yet.

``obligations.toml`` holds them all. ``not_yet.toml`` says why some are not
shown, or not wholly; the others are shown by tests with the marker
*obligation*, which `tests.obligations.marks` finds.
"""

from __future__ import annotations

import tomllib

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from attrs import frozen


__all__ = ["SHOWABLE", "Promise", "not_yet", "partly", "policies", "promises"]

HERE = Path(__file__).parent

#: The kinds that decide, check and print: what the client itself can show.
SHOWABLE = frozenset(
    {
        "classify",
        "document",
        "export",
        "gate",
        "lint",
        "minors",
        "notice",
        "receipt",
        "version",
    }
)


@frozen(kw_only=True)
class Promise:
    """
    One obligation.

    Attributes:
        id: The policy's code, a theme and a number.

        lines: Where the policy's text says it; empty where it is silent.

        promise: What the policy says, restated.

        must: What the library does for it.

        check: What a test has to see.

        side: ``C`` for the client, ``B`` for the backend, ``C+B`` for both,
            ``P`` for what is declared and printed.

        kind: Which part of the library it falls to.
    """

    id: str
    lines: str
    promise: str
    must: str
    check: str
    side: str
    kind: str

    @property
    def policy(self) -> str:
        """
        The code of the policy that promises it.
        """
        return self.id.partition("-")[0]

    @property
    def showable(self) -> bool:
        """
        Whether the client itself can show it, or its half of it.
        """
        return self.kind in SHOWABLE and self.side != "B"


@cache
def policies() -> Mapping[str, str]:
    """
    Return the policies by code, each with what it is the policy of.
    """
    return MappingProxyType(_tables("obligations.toml")["policies"])


@cache
def promises() -> Mapping[str, Promise]:
    """
    Return all obligations by id, in the order of the file.
    """
    rows = _tables("obligations.toml")["rows"]
    return MappingProxyType({i: Promise(id=i, **r) for i, r in rows.items()})


@cache
def not_yet() -> Mapping[str, str]:
    """
    Return the ids that no test shows, each with the reason.
    """
    return _reasons("not_yet")


@cache
def partly() -> Mapping[str, str]:
    """
    Return the ids that tests show in part, each with what is missing.
    """
    return _reasons("partly")


def _reasons(name: str) -> Mapping[str, str]:
    reasons: dict[str, str] = {}
    for group in _tables("not_yet.toml")[name]:
        for promise in group["ids"]:
            if promise in reasons:
                msg = f"not_yet.toml: {promise} stands twice in [[{name}]]"
                raise ValueError(msg)
            reasons[promise] = group["reason"]
    return MappingProxyType(reasons)


@cache
def _tables(name: str) -> dict:
    return tomllib.loads((HERE / name).read_text("utf-8"))
