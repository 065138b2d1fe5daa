# SPDX-License-Identifier: MIT
"""
How far a no reaches: which elements it ends, which grants, and what of it is
recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from consentkit.consent._said import used_for
from consentkit.consent.state import OPEN, Choice, Status
from consentkit.ledger.entries import Act, Actor, Entry


__all__ = ["grants_of", "is_part", "to_record"]


def is_part(element: str, of: tuple[str, ...]) -> bool:
    """
    Tell whether *element* is one of these, or a decision beside one.
    """
    return element in of or any(
        element.startswith((f"{whole}/", f"{whole}@", f"{whole}+"))
        for whole in of
    )


def grants_of(
    elements: frozenset[str], entries: Iterable[Entry], by: Actor
) -> frozenset[str]:
    """
    Name all that opened *elements* so far and ends with a no of *by*.

    An account and an organisation take back their own yes only: the
    person's stands, if it may be stopped as long as the other says no.
    """
    own = by in (Actor.ACCOUNT, Actor.ORGANISATION)
    return frozenset(
        entry.hash
        for entry in entries
        if (
            entry.act is Act.GRANTED
            and entry.element in elements
            and (not own or entry.by is by)
        )
        or (
            entry.act is Act.BASIS_USED
            and not own
            and not elements.isdisjoint(used_for(entry))
        )
    )


_THERE: Final = {
    Act.REFUSED: Status.REFUSED,
    Act.WITHDRAWN: Status.WITHDRAWN,
    Act.OBJECTED: Status.OBJECTED,
    Act.INVALIDATED: Status.INVALIDATED,
}


def to_record(
    elements: tuple[str, ...],
    act: Act,
    ended: frozenset[str],
    before: Mapping[str, Choice],
    at: datetime,
) -> tuple[str, ...]:
    """
    Choose what a no is recorded for: the elements, and what they had open.

    What was refused already is recorded anew where the app might ask again:
    that is another answer, and rests for as long as the first did.
    """
    there = _THERE[act]
    return tuple(
        e
        for e, choice in before.items()
        if e in ended
        and (
            (e in elements and choice.status is not there)
            or (e in elements and act is Act.REFUSED and choice.may_ask(at))
            or choice.grants
            or choice.status in OPEN
            # Nor may a yes that counts for nothing now begin to.
            or (choice.entry is not None and choice.entry.act is Act.GRANTED)
        )
    )
