# SPDX-License-Identifier: MIT

"""
What the tests of the linter build on: a clean policy, and ways to spoil it.

``vectors/policies/clean.toml`` is a document without any finding. A test
changes a few places of it and looks for the one rule that it is about.
"""

from __future__ import annotations

import copy
import re
import tomllib

from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from consentkit.policy import Policy, parse_policy
from consentkit.policy.lint import Findings, lint
from tests.support import to_toml


__all__ = ["CLEAN", "GONE", "TODAY", "changed", "found", "text_of"]

CLEAN = Path(__file__).parents[1] / "vectors" / "policies" / "clean.toml"

#: The day of the checks.
TODAY = date(2026, 11, 22)

#: In place of a value: the key goes.
GONE = object()


@cache
def _clean() -> dict[str, Any]:
    return tomllib.loads(CLEAN.read_text("utf-8"))


def text_of(changes: Mapping[str, object]) -> str:
    """
    Give the clean document with some places changed, as TOML.

    Args:
        changes: New values by place, such as ``functions[0].text``; a place
            that ends in ``[+]`` adds an item.
    """
    tree = copy.deepcopy(_clean())
    for place, value in changes.items():
        _put(tree, place, value)
    return to_toml(tree)


def _put(tree: Any, place: str, value: object) -> None:
    *way, last = re.findall(r"[^.\[\]]+", place)
    for step in way:
        if isinstance(tree, list):
            tree = tree[int(step)]
        else:
            tree = tree.setdefault(step, [] if last == "+" else {})
    if last == "+":
        tree.append(value)
    elif value is GONE:
        del tree[int(last) if isinstance(tree, list) else last]
    elif isinstance(tree, list):
        tree[int(last)] = value
    else:
        tree[last] = value


def changed(changes: Mapping[str, object]) -> Policy:
    """
    Give the clean policy with some places changed.
    """
    return parse_policy(text_of(changes))


def found(changes: Mapping[str, object], **options: Any) -> Findings:
    """
    Check the clean policy with some places changed.
    """
    return lint(changed(changes), **{"today": TODAY, **options})
