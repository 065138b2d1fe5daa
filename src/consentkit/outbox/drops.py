# SPDX-License-Identifier: MIT
"""
What was dropped, and is told to whom it would have gone.

A receiver that knows of it can tell a quiet day from a full disk. Told are
losses alone, as numbers by function and reason; of what a person took back
nothing is told, not even that it was there. The numbers lie in the outbox's
file by lane, go out only while a record of that lane could, and end with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from consentkit.outbox.records import new_id
from consentkit.policy.model import split_element
from consentkit.typing import JSON


if TYPE_CHECKING:
    from sqlite3 import Connection

    from consentkit._sqlite import Database
    from consentkit.seal import SealKey


__all__ = [
    "SCHEMA",
    "TOLD",
    "DropReport",
    "Dropped",
    "Drops",
    "Due",
    "Held",
    "forget",
    "note",
]

#: Reasons that are told: losses. Not told is what somebody ended on purpose.
TOLD: Final = frozenset(
    {
        "evicted",
        "expired",
        "outbox_full",
        "rejected",
        "undeliverable",
        "unreadable",
    }
)

_HOUR: Final = 3600

#: A recipient hears of it at most so often: who reads it looks at days, and
#: an outbox that stays full would add a request to each flush otherwise.
_PAUSE_SECONDS: Final = _HOUR

#: A receiver takes 1,000 rows; what is of more functions goes with the next.
_MOST_FUNCTIONS: Final = 1_000 // len(TOLD)

#: How often a report that the receiver refuses is tried.
_MOST_TRIES: Final = 24

SCHEMA: Final = """\
CREATE TABLE dropped (
    lane INTEGER NOT NULL,
    reason TEXT NOT NULL,
    report TEXT NOT NULL,
    n INTEGER NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (lane, reason, report)
) WITHOUT ROWID;

CREATE TABLE reports (
    id TEXT PRIMARY KEY,
    recipient TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE told (
    recipient TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) WITHOUT ROWID"""


@frozen(kw_only=True)
class Dropped:
    """
    How many records of one function were dropped for one reason.

    Attributes:
        function: Id of the function.

        reason: A short code, such as ``expired``.

        count: How many.

    .. versionadded:: 26.1.0
    """

    function: str
    reason: str
    count: int


@frozen(kw_only=True)
class DropReport:
    """
    What was dropped of the records for one recipient.

    Attributes:
        id: Idempotency key; the same numbers keep it over all tries.

        since, until: When it was; full hours, in UTC.

        drops: Each function and reason once.

        seal_for: The recipient's key, if it is sealed on its way.

    .. versionadded:: 26.1.0
    """

    id: str
    recipient: str
    since: datetime
    until: datetime
    drops: tuple[Dropped, ...]
    seal_for: SealKey | None = None

    def as_json(self) -> dict[str, JSON]:
        """
        Give the body of a drop report, format 1.
        """
        return {
            "format": 1,
            "report": self.id,
            "recipient": self.recipient,
            "from": self.since.isoformat(timespec="milliseconds"),
            "to": self.until.isoformat(timespec="milliseconds"),
            "drops": [
                {
                    "function": one.function,
                    "reason": one.reason,
                    "count": one.count,
                }
                for one in self.drops
            ],
        }


@frozen(kw_only=True)
class Held:
    """
    A lane of which something was dropped that was not told yet.

    Attributes:
        lane: Its number.

        element, grant, subject: As of `consentkit.outbox.LaneStatus`.
    """

    lane: int
    element: str
    grant: str
    subject: str


@frozen(kw_only=True)
class Due:
    """
    A report that is to go out.

    Attributes:
        report: What it says.

        grants: What the dropped records were kept under, blanks between.

        lanes: Numbers of the lanes that they were in.
    """

    report: DropReport
    grants: str = field(repr=False)
    lanes: frozenset[int]


def note(
    db: Connection, lane: int, reason: str, number: int, *, at: int
) -> None:
    """
    Count records that were dropped, if that is told and their lane lives.

    Args:
        db: The file, in a transaction.

        lane: Number of their lane.

        reason: Why.

        number: How many.

        at: When, in seconds since 1970; kept is no more than the hour.
    """
    if number and reason in TOLD:
        db.execute(
            "INSERT INTO dropped SELECT id, ?, '', ?, ? FROM lanes "
            "WHERE id = ? ON CONFLICT DO UPDATE SET n = n + excluded.n, "
            "since = MIN(since, excluded.since)",
            (reason, number, _hour(at), lane),
        )


def forget(db: Connection, lane: int) -> None:
    """
    Destroy the numbers of a lane that ends, the ones in reports too.
    """
    db.execute("DELETE FROM dropped WHERE lane = ?", (lane,))


class Drops:
    """
    What of one outbox is still to be told.

    A report's id, and what is in it, is fixed before it is first sent. What
    is destroyed since goes out no more; nothing is added.

    Args:
        db: Its file.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def waiting(self, now: datetime) -> Mapping[str, tuple[Held, ...]]:
        """
        Name the recipients that are to be told something now, and the lanes
        that it is about.

        Raises:
            StoreError: If the outbox cannot be read.
        """
        if not self._db.exists():
            return {}
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT DISTINCT lanes.id, recipient, element, grant_hash, "
                "subject, report FROM dropped JOIN lanes "
                "ON lanes.id = dropped.lane ORDER BY recipient, lanes.id"
            ).fetchall()
            resting = {
                recipient
                for recipient, at in db.execute("SELECT * FROM told")
                if _is_within_pause(at, now)
            }
        found: dict[str, dict[int, Held]] = {}
        for lane, recipient, element, grant, subject, report in rows:
            # In a damaged file they may be of any type.
            is_text = all(
                isinstance(one, str)
                for one in (recipient, element, grant, subject)
            )
            if is_text and (report or recipient not in resting):
                found.setdefault(recipient, {})[lane] = Held(
                    lane=lane, element=element, grant=grant, subject=subject
                )
        return {name: tuple(held.values()) for name, held in found.items()}

    def due(
        self, recipient: str, lanes: Collection[int], *, now: datetime
    ) -> Due | None:
        """
        Give the report for *recipient* that goes out next, and note that it
        is under way.

        One that was fixed before comes again with its id.

        Args:
            recipient: Whom to tell.

            lanes: What of may be told now; the rest is kept back.

            now: When.

        Raises:
            StoreError: If the outbox cannot be used.
        """
        with self._db.writing() as db:
            # A withdrawal may have taken all that was in one.
            db.execute(
                "DELETE FROM reports "
                "WHERE id NOT IN (SELECT report FROM dropped)"
            )
            fixed = db.execute(
                "SELECT id FROM reports WHERE recipient = ? ORDER BY id",
                (recipient,),
            ).fetchall()
            for (report,) in fixed:
                due = _read(db, report, lanes)
                if due is not None:
                    break
            else:
                made = _fix(db, recipient, lanes, now)
                due = _read(db, made, lanes) if made else None
            if due is not None:
                # A withdrawal in another process waits for it.
                db.execute(
                    "INSERT OR REPLACE INTO under_way VALUES (?, 0, ?, 0)",
                    (due.report.id, due.grants),
                )
            return due

    def is_live(self, due: Due) -> bool:
        """
        Tell whether all of a report may still go out: none of its lanes has
        ended.
        """
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT lane FROM dropped WHERE report = ?", (due.report.id,)
            ).fetchall()
        return due.lanes <= {lane for (lane,) in rows}

    def settle(
        self, due: Due, *, is_new: bool = False, is_known: bool = False
    ) -> None:
        """
        Note that a report is not under way any more, and what became of it.

        Args:
            due: What `due` gave.

            is_new: Whether the recipient has it since now. Then what was
                kept back of it was in no earlier try that arrived, and is
                told with another one.

            is_known: Whether there is nothing more to tell of it: the
                recipient had it before, and perhaps with what is kept back
                now; or will never take it.
        """
        report = due.report.id
        with self._db.writing() as db:
            db.execute("DELETE FROM under_way WHERE batch = ?", (report,))
            if is_new:
                db.executemany(
                    "DELETE FROM dropped WHERE report = ? AND lane = ?",
                    [(report, lane) for lane in due.lanes],
                )
                db.execute(
                    "INSERT INTO dropped SELECT lane, reason, '', n, since "
                    "FROM dropped WHERE report = ? ON CONFLICT DO UPDATE "
                    "SET n = n + excluded.n, "
                    "since = MIN(since, excluded.since)",
                    (report,),
                )
            if is_new or is_known:
                _let_go(db, report)

    def refuse(self, due: Due) -> None:
        """
        Note that the recipient refused just this report; after some tries it
        is let go.
        """
        report = due.report.id
        with self._db.writing() as db:
            db.execute("DELETE FROM under_way WHERE batch = ?", (report,))
            db.execute(
                "UPDATE reports SET tries = tries + 1 WHERE id = ?", (report,)
            )
            row = db.execute(
                "SELECT tries FROM reports WHERE id = ?", (report,)
            ).fetchone()
            if row is not None and row[0] not in range(_MOST_TRIES):
                _let_go(db, report)


def _let_go(db: Connection, report: str) -> None:
    db.execute("DELETE FROM dropped WHERE report = ?", (report,))
    db.execute("DELETE FROM reports WHERE id = ?", (report,))


def _fix(
    db: Connection, recipient: str, lanes: Collection[int], now: datetime
) -> str:
    """
    Fix what a new report says; give its id, or nothing if none is due.
    """
    row = db.execute(
        "SELECT at FROM told WHERE recipient = ?", (recipient,)
    ).fetchone()
    if row is not None and _is_within_pause(row[0], now):
        return ""
    rows = db.execute(
        "SELECT lane, element, MIN(since) FROM dropped JOIN lanes "
        "ON lanes.id = dropped.lane WHERE report = '' AND recipient = ? "
        "GROUP BY lane ORDER BY lane",
        (recipient,),
    ).fetchall()
    functions: set[str] = set()
    taken: list[int] = []
    hour = _hour(int(now.timestamp()))
    since = hour
    for lane, element, first in rows:
        if lane not in lanes:
            continue
        functions.add(split_element(element)[0])
        if len(functions) > _MOST_FUNCTIONS:
            break
        taken.append(lane)
        # Not where a clock was ahead then, or the file is damaged.
        if isinstance(first, int) and 0 <= first < since:
            since = first
    if not taken:
        return ""
    # An id tells when it was made: no more of that than the report.
    made = new_id(_instant(hour))
    db.executemany(
        "UPDATE dropped SET report = ? WHERE report = '' AND lane = ?",
        [(made, lane) for lane in taken],
    )
    db.execute(
        "INSERT INTO reports (id, recipient, since, until) "
        "VALUES (?, ?, ?, ?)",
        (made, recipient, since, hour + _HOUR),
    )
    db.execute(
        "INSERT OR REPLACE INTO told VALUES (?, ?)",
        (recipient, int(now.timestamp())),
    )
    return made


def _read(db: Connection, report: str, lanes: Collection[int]) -> Due | None:
    """
    Read what of a report may go out now, if there is anything.
    """
    recipient, *span = db.execute(
        "SELECT recipient, since, until FROM reports WHERE id = ?", (report,)
    ).fetchone()
    try:
        since, until = map(_instant, span)
    except (TypeError, ValueError, OverflowError, OSError):
        _let_go(db, report)  # it is damaged
        return None
    counted: Counter[tuple[str, str]] = Counter()
    told: dict[int, str] = {}
    for lane, element, grant, reason, n in db.execute(
        "SELECT lane, element, grant_hash, reason, n FROM dropped "
        "JOIN lanes ON lanes.id = dropped.lane WHERE report = ?",
        (report,),
    ).fetchall():
        if lane in lanes and reason in TOLD and isinstance(n, int) and n > 0:
            counted[split_element(element)[0], reason] += n
            told[lane] = grant
    if not counted:
        return None
    return Due(
        report=DropReport(
            id=report,
            recipient=recipient,
            since=since,
            until=until,
            drops=tuple(
                Dropped(function=function, reason=reason, count=n)
                for (function, reason), n in sorted(counted.items())
            ),
        ),
        grants=" ".join(dict.fromkeys(" ".join(told.values()).split())),
        lanes=frozenset(told),
    )


def _hour(at: int) -> int:
    return at // _HOUR * _HOUR


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _is_within_pause(at: object, now: datetime) -> bool:
    # What lies ahead was noted by a clock that was wrong.
    return isinstance(at, int) and 0 <= now.timestamp() - at < _PAUSE_SECONDS
