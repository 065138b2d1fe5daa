# SPDX-License-Identifier: MIT
"""
``consentkit policy``: look at policy documents.
"""

from __future__ import annotations

from typing import Any

from consentkit.cli._common import add_group
from consentkit.cli.policy_check import add_actions as add_check
from consentkit.cli.policy_diff import add_action as add_diff
from consentkit.cli.policy_show import add_actions as add_show


__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    actions = add_group(commands, "policy", "look at policy documents")
    add_check(actions)
    add_diff(actions)
    add_show(actions)
