# SPDX-License-Identifier: MIT
"""
What the commands on SDKs share: the entries that they look at.
"""

from __future__ import annotations

import argparse

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from consentkit.registry.model import SDKEntry


__all__ = ["add_entries", "entries_of"]


def add_entries(parser: argparse.ArgumentParser) -> None:
    """
    Add ``--sdks``.
    """
    parser.add_argument(
        "--sdks",
        type=Path,
        metavar="DIR",
        help="folder with the app's own SDK entries, beside the shipped ones",
    )


def entries_of(
    folder: Path | None,
) -> tuple[Mapping[str, SDKEntry], Mapping[str, SDKEntry]]:
    """
    Give the app's own entries, and all that there are.

    Raises:
        RegistryError: If an entry of *folder* has a fault.
    """
    from consentkit.exceptions import RegistryError
    from consentkit.registry.load import load_registry, read_entries

    own, faults = read_entries(folder) if folder else ({}, ())
    if len(faults) == 1:
        msg = f"{folder}: {faults[0]}"
        raise RegistryError(msg)
    if faults:
        msg = (
            f"{folder}: {len(faults)} faults, which 'consentkit sdk check "
            f"--sdks {folder}' shows; the first is {faults[0]}"
        )
        raise RegistryError(msg)
    # Shipped ones are read when they are looked at.
    return own, load_registry(own) if own else load_registry()
