# SPDX-License-Identifier: MIT
"""
``consentkit sdk schema``: the shape of an SDK entry, for editors.
"""

from __future__ import annotations

import argparse

from typing import Any

from consentkit.cli._common import add_json, print_json


__all__ = ["add"]


def add(actions: Any) -> None:
    """
    Add the action to those of ``consentkit sdk``.
    """
    schema = actions.add_parser(
        "schema",
        help="print the JSON Schema of SDK entries",
        description="Print the JSON Schema of SDK entries, with which an "
        "editor completes and checks them.",
    )
    # It is nothing else, and every command takes it.
    add_json(schema)
    schema.set_defaults(run=_schema)


def _schema(_: argparse.Namespace) -> int:
    from consentkit.registry.schema import json_schema

    print_json(json_schema())
    return 0
