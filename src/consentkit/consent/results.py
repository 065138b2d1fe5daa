# SPDX-License-Identifier: MIT
"""
What asking and saying no give back.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from consentkit.ledger.entries import Entry


__all__ = ["CarryOut", "Destroyed", "Notice", "Withdrawal"]


@frozen(kw_only=True)
class Notice:
    """
    What a person was shown before deciding.

    Attributes:
        digest: SHA-256 of the text, in hex; the ledger holds it.
    """

    element: str
    text: str
    language: str
    digest: str


@frozen(kw_only=True)
class Destroyed:
    """
    What a withdrawal took out of the outbox.

    Attributes:
        records: How many waiting records were destroyed.

        in_flight: How many of these were on their way; they were perhaps
            delivered, are never tried again, and an erasure request
            follows them.

        erasures: How many erasure requests were queued, one for each
            recipient that may have got something.
    """

    records: int = 0
    in_flight: int = 0
    erasures: int = 0


@frozen(kw_only=True)
class Withdrawal:
    """
    What a withdrawal did.

    Attributes:
        entries: What was recorded; empty if it was withdrawn before.

        destroyed: What it took out of the outbox.

        still_running: Third-party SDKs that run and have no way to be
            stopped; they end with the process. Also those of which a program
            was seen to start that still runs.
    """

    entries: tuple[Entry, ...]
    destroyed: Destroyed = field(factory=Destroyed)
    still_running: tuple[str, ...] = ()


#: Takes the elements that ended and the hashes of their grants; gives what
#: was destroyed and which SDKs still run.
CarryOut = Callable[
    [frozenset[str], frozenset[str]], tuple[Destroyed, tuple[str, ...]]
]
