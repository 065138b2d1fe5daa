# SPDX-License-Identifier: MIT
"""
All bounds of the library in one record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen
from attrs.validators import in_


__all__ = ["Limits"]


def _bounds(purposes: Mapping[str, int]) -> Mapping[str, int]:
    given: Any = purposes
    if not isinstance(given, Mapping):
        msg = "purposes maps ids of purposes to numbers of records"
        raise TypeError(msg)
    for purpose, most in given.items():
        if type(most) is not int or most < 1:
            msg = f"purposes[{purpose!r}] is {most!r}, and should be a "
            msg += "number of records, 1 or more"
            raise ValueError(msg)
    return dict(given)


@frozen(kw_only=True)
class Limits:
    """
    Bounds of the outbox and of delivery.

    Attributes:
        records: Most records that wait, beside those of *purposes*.

        outbox_bytes: Most bytes of sealed records that wait.

        purposes: By id of a purpose, most records that wait for it. They
            are counted by themselves: none of them takes a place of the
            others, and no other one takes theirs. One that the policy does
            not name is refused by `consentkit.open`.

        when_full: What happens to a capture beyond any of these: it is
            refused (``refuse``), or the oldest records that are not on their
            way go for it, up to a batch at a time (``oldest``): of the same
            purpose where that has a bound of its own, else of the others;
            and where the bytes are too many, of whichever of these takes
            the most. Both are counted, and told to the recipients.

        record_bytes: Most bytes of one record in the clear.

        batch_records: Most records of one batch.

        outlives: What a record outlives once its capture returned: the end
            of the process, by ``kill -9`` too (``crash``), or the power as
            well (``power_cut``), for which each capture waits for the disk.
            With ``crash`` a power cut may take what the system had not
            written yet: on Linux as it is set up, that of 30 seconds.

        memory_bytes: Most bytes of what is captured while the disk takes
            nothing; a capture beyond is refused.

        held_records: Most events that wait for an answer, in memory or in
            quarantine; beyond, the oldest in memory goes, and quarantine
            takes no more.

        held_seconds: How long they wait at most.

        flush_seconds: How long a flush goes on before it stops between two
            batches.

        withdraw_wait_seconds: How long a withdrawal waits for a batch that
            another process has under way.
    """

    records: int = 100_000
    outbox_bytes: int = 64 * 1024 * 1024
    purposes: Mapping[str, int] = field(
        factory=dict, converter=_bounds, hash=False
    )
    when_full: Literal["refuse", "oldest"] = field(
        default="refuse", validator=in_(("refuse", "oldest"))
    )
    record_bytes: int = 64 * 1024
    batch_records: int = 200
    outlives: Literal["crash", "power_cut"] = field(
        default="crash", validator=in_(("crash", "power_cut"))
    )
    memory_bytes: int = 4 * 1024 * 1024
    held_records: int = 1_000
    held_seconds: int = 7 * 86_400
    flush_seconds: float = 30.0
    withdraw_wait_seconds: float = 2.0
