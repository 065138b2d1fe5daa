# SPDX-License-Identifier: MIT
"""
What an app's own source has to say of itself, before it is used.

A mistake is told at once and by its name, and not by values that never come.
"""

from __future__ import annotations

import math

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

from consentkit.collectors.source import Source
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["check_source"]


def check_source(source: object) -> None:
    """
    Check that an app's own source says what has to be known of it.

    Args:
        source: What the app gives as one.

    Raises:
        TypeError: If it is no source, but its class, for example.

        ValueError: If it has no name, no data types or one that there is
            not, or a deadline that is none.
    """
    if not isinstance(source, Source):
        made = isinstance(source, type) and issubclass(source, Source)
        kind = source.__name__ if isinstance(source, type) else ""
        cure = f"; give an object of it: {kind}(...)" if made else ""
        msg = (
            "a source must be an object of a class that derives from "
            f"consentkit.Source, not {kind or type(source).__name__}{cure}"
        )
        raise TypeError(msg)
    if problem := _problem(source):
        msg = f"{type(source).__name__}.{problem}"
        raise ValueError(msg)


def _problem(source: Source[Any]) -> str:
    """
    Say what a source leaves out, or says wrongly; nothing if it does not.
    """
    name: object = getattr(source, "name", None)
    if not isinstance(name, str) or not name.strip():
        return "name is missing: what it is, for people"
    types: object = getattr(source, "data_types", None)
    if isinstance(types, str) or not (isinstance(types, Collection) and types):
        return (
            "data_types is missing: a set of ids of data types, such as "
            'frozenset({"system_id"})'
        )
    known = load_vocabulary().data_types
    for data_type in types:
        if data_type not in known:
            near = get_close_matches(str(data_type), known, n=3)
            hint = f"; try {' or '.join(near)}" if near else ""
            return f"data_types: {data_type!r} is no data type{hint}"
    seconds: object = source.timeout_seconds
    if seconds is not None and not (
        isinstance(seconds, int | float) and 0 < seconds < math.inf
    ):
        return "timeout_seconds must be a positive number of seconds, or None"
    return ""
