# SPDX-License-Identifier: MIT
"""
Names of the policy that an app gives to what captures on its own.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from consentkit.policy.model import Policy


__all__ = ["check_declared"]


def check_declared(
    policy: Policy, function: str, data_type: str | None = None
) -> None:
    """
    Check that *policy* has a function, and what it collects.

    A name that is mistyped would be refused for ever, and nobody would see
    that nothing is captured.

    Args:
        policy: What the app promises.

        function: Id of the function.

        data_type: What it has to collect; ``None`` for anything.

    Raises:
        ValueError: If there is no such function, or it does not collect
            that.
    """
    found = policy.functions.get(function)
    if found is None:
        near = get_close_matches(str(function), policy.functions, n=3)
        hint = "try " + " or ".join(near)
        if not near:
            hint = "'consentkit policy show' names them"
        msg = f"the policy has no function {function!r}; {hint}"
        raise ValueError(msg)
    if data_type is not None and data_type not in found.clauses:
        known = ", ".join(found.clauses) or "nothing"
        msg = f"{function} does not collect {data_type!r}; it collects {known}"
        raise ValueError(msg)
