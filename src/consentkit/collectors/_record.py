# SPDX-License-Identifier: MIT
"""
Which read is on record: the policy may name the scenes of each.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from consentkit.gate import Permit


__all__ = ["is_on_record", "on_record"]

_recorded: ContextVar[Permit | None] = ContextVar(
    "consentkit_recorded", default=None
)


@contextmanager
def on_record(permit: Permit) -> Generator[None]:
    """
    Let a source be read under *permit*, whose read was put on record.
    """
    token = _recorded.set(permit)
    try:
        yield
    finally:
        _recorded.reset(token)


def is_on_record(permit: Permit) -> bool:
    """
    Tell whether a read under *permit* is on record, or need not be.
    """
    return not permit.clause.scenes or _recorded.get() is permit
