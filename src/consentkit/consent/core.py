# SPDX-License-Identifier: MIT
"""
Whether a person's choices leave the product usable at all.

Refusing costs the product only where the policy says so of a core function.
Whatever else somebody refuses, it is never a reason to turn them away.

Source: PIPL Article 16.
"""

from __future__ import annotations

from attrs import frozen

from consentkit.consent.state import State
from consentkit.policy.model import Category, Policy


__all__ = ["CoreUnavailable", "core_unavailable"]


@frozen(kw_only=True)
class CoreUnavailable:
    """
    The product cannot be used, and why.

    Attributes:
        missing: Elements that are not granted and without which it cannot:
            core functions, and what these need that is decided on by
            itself. Never empty.
    """

    missing: tuple[str, ...]

    @property
    def functions(self) -> tuple[str, ...]:
        """
        The functions that cannot work, each once.
        """
        return tuple(dict.fromkeys(e.partition("/")[0] for e in self.missing))


def core_unavailable(policy: Policy, state: State) -> CoreUnavailable | None:
    """
    Say what the product cannot be used without and lacks, or ``None``.

    Args:
        policy: What the app promises.

        state: The choices as they are, as `Consent.state` gives them.
    """
    missing = tuple(
        element
        for function in policy.functions.values()
        if function.category is Category.CORE
        and function.on_refusal == "service_unavailable"
        for element in (
            function.id,
            *(
                f"{function.id}/{clause.type}"
                for clause in function.clauses.values()
                if clause.separate and clause.required
            ),
        )
        if not state.permits(element)
    )
    return CoreUnavailable(missing=missing) if missing else None
