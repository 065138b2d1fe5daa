# SPDX-License-Identifier: MIT
"""
The event that everybody sends: one name, one user, eleven plain properties.
"""

from __future__ import annotations

from typing import Any, Final


__all__ = ["NAME", "OTHER_RUN", "Event", "make_event"]

#: Name, user, properties.
Event = tuple[str, str, dict[str, Any]]

NAME: Final = "checkout_completed"

#: A run that no sink counts: for what only keeps an SDK going.
OTHER_RUN: Final = 999


def make_event(number: int, run: int) -> Event:
    """
    Make an event, of some 330 bytes as JSON.

    The sink knows it by its first property, in whatever form it comes.

    Args:
        number: Of the event in its run, below ten million.

        run: Below 1,000; keeps apart what comes late from a run before.
    """
    return (
        NAME,
        f"user-{number % 5_000:06d}",
        {
            "event_ref": f"bid{run:03d}{number:07d}",
            "session": f"{number * 2_654_435_761 & 0xFFFFFFFF:08x}",
            "plan": "team",
            "region": "eu-west-1",
            "path": "/cart/checkout?step=3",
            "campaign": "newsletter-2026-11",
            "app_version": "4.18.2",
            "items": number % 7,
            "total_cents": 12_999 + number % 1_000,
            "duration_ms": 183.25,
            "is_trial": False,
        },
    )
