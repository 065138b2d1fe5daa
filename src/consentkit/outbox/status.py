# SPDX-License-Identifier: MIT
"""
What waits in the outbox, told without opening a single record.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from sqlite3 import Connection

from attrs import frozen

from consentkit.ledger.entries import LOCAL
from consentkit.outbox.intake import Intake
from consentkit.outbox.keys import Protection
from consentkit.outbox.lanes import damaged


__all__ = ["LaneStatus", "OutboxStatus", "lanes_waiting"]


@frozen(kw_only=True)
class LaneStatus:
    """
    What waits under one grant for one recipient.

    Attributes:
        subject: Whose grant, as the ledger's entries name the person.
    """

    element: str
    grant: str
    recipient: str
    waiting: int
    attempted: bool
    subject: str = LOCAL


@frozen(kw_only=True)
class OutboxStatus:
    """
    What is in the outbox.

    Attributes:
        waiting: Records that wait.

        in_memory: How many of them this process has in memory, since the
            disk takes nothing now.

        sealed_bytes: Their size on disk.

        erasures: Erasure requests that wait.

        counts: By reason (``delivered``, ``duplicate``, ``rejected``,
            ``expired``, ``withdrawn``, ...), how many records so far.

        kek: Where the key is that wraps all others, and what that protects
            against; ``None`` before there is one.

        set_aside: Folders with what was found damaged, sealed as it was:
            what was intact of it is in the outbox. Each has in its name
            when it goes, in seconds since 1970.
    """

    waiting: int = 0
    in_memory: int = 0
    sealed_bytes: int = 0
    erasures: int = 0
    lanes: tuple[LaneStatus, ...] = ()
    counts: Mapping[str, int] = {}
    kek: Protection | None = None
    set_aside: tuple[Path, ...] = ()


def lanes_waiting(
    db: Connection, intake: Intake, path: Path
) -> tuple[LaneStatus, ...]:
    """
    List the lanes that have records waiting, oldest record first.

    Args:
        db: The file.

        intake: What is in the journals.

        path: Of the file.
    """
    rows = db.execute(
        "SELECT lanes.id, element, grant_hash, recipient, "
        "SUM(records), attempted, subject "
        "FROM chunks JOIN lanes ON lanes.id = chunks.lane "
        "GROUP BY lanes.id ORDER BY MIN(place)"
    ).fetchall()
    pending = intake.pending(db)
    seen = {row[0] for row in rows}
    for lane in pending.keys() - seen:
        rows += db.execute(
            "SELECT id, element, grant_hash, recipient, 0, "
            "attempted, subject FROM lanes WHERE id = ?",
            (lane,),
        ).fetchall()
    if not all(
        isinstance(text, str) for row in rows for text in (*row[1:4], row[6])
    ):
        raise damaged(path, "whose records wait cannot be read")
    return tuple(
        LaneStatus(
            element=element,
            grant=grant,
            recipient=recipient,
            waiting=waiting + len(pending.get(lane, ())),
            attempted=bool(attempted),
            subject=subject,
        )
        for lane, element, grant, recipient, waiting, attempted, subject in rows
    )
