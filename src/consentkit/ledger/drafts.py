# SPDX-License-Identifier: MIT
"""
How entries come into being: planned, put in their place, then signed.

The same for every store: what a store adds is that nobody can append in
between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from attrs import frozen

from consentkit.ledger.entries import GENESIS, LOCAL, Entry, Links, links_of
from consentkit.ledger.verify import Row, Trail


__all__ = ["Appended", "Draft", "Place", "Plan", "put_in_place", "row_of"]


@frozen(kw_only=True)
class Place:
    """
    Where an entry is to stand.

    Attributes:
        seq, prev, prior, subject: As of `consentkit.ledger.Entry`; to be
            taken over by the entry.
    """

    seq: int
    prev: str = GENESIS
    prior: str = GENESIS
    subject: str = LOCAL


#: Makes an entry for the place that it is given.
Draft = Callable[[Place], Entry]

#: Decides, from the entries of a subject so far, what is appended to them.
Plan = Callable[[tuple[Entry, ...]], Sequence[Draft]]


@frozen(kw_only=True)
class Appended:
    """
    What one commit appended.

    Attributes:
        before: The entries of the subject that were there, oldest first.

        made: The new ones.
    """

    before: tuple[Entry, ...]
    made: tuple[Entry, ...]


def put_in_place(
    drafts: Iterable[Draft], trail: Trail, *, subject: str
) -> tuple[Entry, ...]:
    """
    Make the entries that come next.

    Args:
        drafts: Made into entries in this order.

        trail: Came to the end of the ledger; it follows the new ones too.

        subject: Whom they are about.

    Raises:
        ValueError: If an entry could not be read back, or is not for the
            place that its draft was given.
    """
    made: list[Entry] = []
    for draft in drafts:
        place = Place(
            seq=trail.size + 1,
            prev=trail.last,
            prior=trail.priors.get(subject, GENESIS),
            subject=subject,
        )
        entry = draft(place)
        # Once it is written, what cannot be read would stop everything.
        if links_of(entry.body) != Links(
            place.seq, place.prev, place.prior, place.subject
        ):
            msg = "a draft made an entry for another place than its own"
            raise ValueError(msg)
        trail.follow([row_of(entry)])
        made.append(entry)
    return tuple(made)


def row_of(entry: Entry) -> Row:
    """
    Give an entry as it is stored.
    """
    return entry.seq, entry.body.encode(), entry.hash, entry.subject
