# SPDX-License-Identifier: MIT
"""
``consentkit sdk``: what is known of third-party SDKs, and what is declared.
"""

from __future__ import annotations

from typing import Any

from consentkit.cli._common import add_group
from consentkit.cli.sdk_audit import add as add_audit
from consentkit.cli.sdk_check import add as add_check
from consentkit.cli.sdk_clauses import add as add_clauses
from consentkit.cli.sdk_list import add as add_list
from consentkit.cli.sdk_schema import add as add_schema
from consentkit.cli.sdk_show import add as add_show


__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    actions = add_group(commands, "sdk", "look at third-party SDKs")
    add_list(actions)
    add_show(actions)
    add_check(actions)
    add_clauses(actions)
    add_audit(actions)
    add_schema(actions)
