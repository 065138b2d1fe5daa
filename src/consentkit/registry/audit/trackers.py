# SPDX-License-Identifier: MIT
"""
Lists of trackers by the names of their classes, as Exodus publishes them.

Such a list is JSON: an array of trackers, or an object with them under
``trackers``, as an array or by number. Of each, ``name``, ``website`` and
``code_signature`` are read. The signature is a list of beginnings of class
names, parted by ``|``; a dot in it is a dot. It is never run as a regular
expression.

Source: Exodus Privacy, https://reports.exodus-privacy.eu.org/api/trackers.
"""

from __future__ import annotations

import json
import re

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from consentkit.exceptions import RegistryError


__all__ = ["Tracker", "load_trackers"]

_MOST_BYTES: Final = 16 * 1024 * 1024
_PREFIX: Final = re.compile(r"[\w$.-]{1,200}")


@frozen(kw_only=True)
class Tracker:
    """
    A tracker, by the names of its classes.

    Attributes:
        name: Its name.

        classes: Beginnings of the full names of its classes, with dots.
    """

    name: str
    classes: tuple[str, ...]


def load_trackers(path: Path) -> tuple[Tracker, ...]:
    """
    Read a list of trackers; those without a class are left out.

    Raises:
        RegistryError: With every fault of the file, each with its place.

        OSError: If it cannot be read.
    """
    if path.exists() and not path.is_file():
        msg = f"{path}: is no file that ends"  # a pipe, or a device
        raise RegistryError(msg)
    with path.open("rb") as stream:
        raw = stream.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        msg = f"{path}: is larger than {_MOST_BYTES} bytes"
        raise RegistryError(msg)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        document = document.get("trackers")
    if isinstance(document, dict):
        document = list(document.values())
    if not isinstance(document, list):
        msg = (
            f"{path}: is no list of trackers; expected a JSON array, or an "
            "object with 'trackers'"
        )
        raise RegistryError(msg)
    faults: list[str] = []
    trackers = [_tracker(item, i, faults) for i, item in enumerate(document)]
    if faults:
        count = f"{len(faults)} fault{'' if len(faults) == 1 else 's'}"
        lines = "\n".join([f"{path}: {count}", *(f"  {f}" for f in faults)])
        raise RegistryError(lines)
    return tuple(t for t in trackers if t is not None and t.classes)


def _tracker(item: Any, number: int, faults: list[str]) -> Tracker | None:
    place = f"$[{number}]"
    if not isinstance(item, dict):
        faults.append(f"{place}: expected an object")
        return None
    name, signature = item.get("name"), item.get("code_signature")
    if not isinstance(name, str) or not name:
        faults.append(f"{place}.name: expected text")
        return None
    if not isinstance(signature, str | None):
        faults.append(f"{place}.code_signature: expected text")
        return None
    return Tracker(name=name, classes=tuple(_prefixes(signature or "")))


def _prefixes(signature: str) -> Iterable[str]:
    for part in signature.split("|"):
        plain = part.strip().strip("^").replace("\\.", ".").replace("\\$", "$")
        plain = plain.removesuffix(".*").replace("/", ".")
        # What is left of a pattern is no name: it would match nothing.
        if _PREFIX.fullmatch(plain) and "." in plain:
            yield plain
