# SPDX-License-Identifier: MIT
"""
What the actions of ``consentkit outbox`` share.
"""

from __future__ import annotations

import argparse
import json

from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from consentkit.cli import _common
from consentkit.exceptions import StoreError
from consentkit.kit import Kit
from consentkit.ledger.base import ledger_from_url
from consentkit.ledger.sqlite import SQLiteLedger
from consentkit.policy.model import Policy
from consentkit.typing import JSON


__all__ = ["checked_place", "kit_of", "value_text"]


def kit_of(arguments: argparse.Namespace, **options: Any) -> Kit:
    """
    Open the kit that the arguments name, if its data is of its policy.

    A kit destroys at once what waits under no consent that it knows; under
    another app's policy that would be everything.

    Raises:
        ConsentKitError: As `consentkit.open`.

        ValueError: As `checked_place`.
    """
    checked_place(arguments)
    return _common.kit_of(arguments, **options)


def checked_place(arguments: argparse.Namespace) -> tuple[Policy, Path]:
    """
    Read the policy that the arguments name, and find its data folder.

    Raises:
        PolicyError: If it cannot be used.

        ValueError: If there is no such policy, no data folder to be used, or
            the data is of another policy.
    """
    policy, folder = _common.place_of(arguments)
    others = _policies(policy, folder, arguments.ledger)
    if others and policy.id not in others:
        msg = (
            f"{arguments.policy}: the data in {folder} is of the policy "
            f"{' and '.join(map(repr, sorted(others)))}, and this is "
            f"{policy.id!r}; name the one with --policy, or another folder "
            "with --data-dir"
        )
        raise ValueError(msg)
    return policy, folder


def _policies(policy: Policy, folder: Path, url: str | None) -> set[str]:
    """
    Name the policies that choices were recorded under; none in doubt.
    """
    path = folder / "ledger.sqlite3"
    # What is wrong with the ledger, the kit says.
    with suppress(StoreError):
        if url is not None:
            with closing(ledger_from_url(url, keys=folder / "keys")) as server:
                if server.policy(policy.digest) is not None:
                    return {policy.id}
                return {entry.policy for entry in server.entries()}
        if path.exists():
            with closing(SQLiteLedger(path, for_reading=True)) as file:
                if file.policy(policy.digest) is not None:
                    return {policy.id}
                return {entry.policy for entry in file.all_entries()}
    return set()


def value_text(value: JSON) -> str:
    """
    Write *value* as JSON in one line that no terminal takes for orders.
    """
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(letter: str) -> str:
    return json.dumps(letter)[1:-1]
