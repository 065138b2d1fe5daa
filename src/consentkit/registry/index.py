# SPDX-License-Identifier: MIT
"""
The shipped entries in short: by what the code of each SDK is known.

Reading all entries takes a third of a second, and whoever only wants to know
whose module ``posthog.client`` is needs little of them. The file is made of
the entries by ``python -m consentkit.registry.index``.
"""

from __future__ import annotations

import json

from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

from consentkit.registry.attribution import Code
from consentkit.registry.load import (
    Indexed,
    WithOwn,
    is_shipped,
    load_registry,
)
from consentkit.registry.model import SDKEntry


__all__ = ["code_of", "codes_of", "inside_of", "shipped_codes"]


def code_of(entry: SDKEntry) -> Code | None:
    """
    Tell by what the code of an SDK is known; ``None`` if it has none in
    Python.
    """
    package = entry.package
    if package is None:
        return None
    return Code(
        imports=package.imports,
        neutral=package.neutral,
        distributions=package.distributions,
    )


def codes_of(entries: Mapping[str, SDKEntry]) -> Mapping[str, Code]:
    """
    Give the codes of *entries*, by id; no entry is read that is in an index.
    """
    if is_shipped(entries):
        return shipped_codes()
    if isinstance(entries, Indexed):
        return MappingProxyType(
            {
                sdk: Code(
                    imports=tuple(imports),
                    neutral=tuple(neutral),
                    distributions=tuple(distributions),
                )
                for sdk, (
                    imports,
                    neutral,
                    distributions,
                ) in entries.index.names.items()
            }
        )
    if isinstance(entries, WithOwn):
        others = shipped_codes().items()
        kept = {sdk: code for sdk, code in others if sdk not in entries.own}
        return MappingProxyType({**kept, **codes_of(entries.own)})
    made = ((sdk, code_of(entry)) for sdk, entry in entries.items())
    return MappingProxyType({sdk: code for sdk, code in made if code})


@cache
def shipped_codes() -> Mapping[str, Code]:
    """
    Give the codes of the shipped entries, by id; no entry is read.
    """
    return MappingProxyType(
        {
            sdk: Code(**{key: tuple(names) for key, names in code.items()})
            for sdk, code in _read()["codes"].items()
        }
    )


def inside_of(entries: Mapping[str, SDKEntry], sdk: str) -> tuple[str, ...]:
    """
    Name the SDKs that come inside of *sdk*.
    """
    if is_shipped(entries):
        return tuple(_read()["inside"].get(sdk, ()))
    if isinstance(entries, Indexed):
        return tuple(entries.index.inside.get(sdk, ()))
    if isinstance(entries, WithOwn):
        found = inside_of(entries.shipped, sdk)
        kept = tuple(inner for inner in found if inner not in entries.own)
        return (*kept, *inside_of(entries.own, sdk))
    return tuple(
        inner
        for inner, entry in entries.items()
        if sdk in {entry.parent, entry.host}
    )


@cache
def _read() -> Any:
    return json.loads(_file().read_text(encoding="utf-8"))


def _file() -> Traversable:
    return resources.files("consentkit.registry") / "index.json"


def _build() -> str:
    entries = dict(load_registry())
    codes = {
        sdk: {
            "imports": code.imports,
            "neutral": code.neutral,
            "distributions": code.distributions,
        }
        for sdk, code in codes_of(entries).items()
    }
    inside = {sdk: inside_of(entries, sdk) for sdk in entries}
    found = {
        "codes": codes,
        "inside": {sdk: inner for sdk, inner in inside.items() if inner},
    }
    return json.dumps(found, indent=1) + "\n"


if __name__ == "__main__":
    from pathlib import Path

    Path(str(_file())).write_text(_build(), encoding="utf-8")
