# SPDX-License-Identifier: MIT
"""
How often each data type was really obtained: a policy only tells what may be.

It holds no value, and days in the place of times. It stays when records have
been delivered or were destroyed, as what happened did happen, until the
person is forgotten; and it lies in a file of its own, so that the outbox goes
on telling nothing of what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from consentkit._sqlite import Database
from consentkit.exceptions import DamagedError
from consentkit.ledger.entries import LOCAL


__all__ = ["Obtained", "Tally"]

_VERSION = 1

_SCHEMA = """\
CREATE TABLE tally (
    subject TEXT NOT NULL,
    function TEXT NOT NULL,
    data_type TEXT NOT NULL,
    n INTEGER NOT NULL,
    first TEXT NOT NULL,
    last TEXT NOT NULL,
    PRIMARY KEY (subject, function, data_type)
) WITHOUT ROWID;

CREATE TABLE forgotten (subject TEXT PRIMARY KEY) WITHOUT ROWID"""

#: How often, first and last; by subject, function and data type.
_Counted: TypeAlias = Mapping[tuple[str, str, str], tuple[int, date, date]]


@frozen(kw_only=True)
class Obtained:
    """
    What one function has obtained of one data type of one person.

    Attributes:
        function: Id of the function.

        data_type: Id of the data type.

        times: Reads of its source, those without a value included; events
            and lines of logs that were taken.

        first, last: On which days, in UTC.

    .. versionadded:: 26.1.0
    """

    function: str
    data_type: str
    times: int
    first: date
    last: date


class Tally:
    """
    What was obtained, by person.

    A count outlives a crash, and may be lost with the power.

    Args:
        path: Its file, made at the first count.
    """

    def __init__(self, path: Path) -> None:
        self._db = Database(
            path,
            schema=_SCHEMA,
            version=_VERSION,
            outlives_power_cut=False,
            later=("forgotten",),
        )
        self._is_closed = False

    def add(self, counted: _Counted) -> None:
        """
        Add to it; once it is closed, nothing, and of who was forgotten
        meanwhile nothing either.

        Raises:
            StoreError: If it cannot be written.
        """
        if self._is_closed:
            return
        rows = [
            # The person again, for the condition.
            (*key, n, first.isoformat(), last.isoformat(), key[0])
            for key, (n, first, last) in counted.items()
        ]
        with self._db.writing() as db:
            db.executemany(
                "INSERT INTO tally SELECT ?, ?, ?, ?, ?, ? WHERE ? "
                "NOT IN (SELECT subject FROM forgotten) ON CONFLICT "
                "DO UPDATE SET n = n + excluded.n, last = excluded.last",
                rows,
            )

    def forget(self, subject: str) -> None:
        """
        Forget a person.

        A use that is still open, of whatever process, has counts of theirs
        to write. So the name in the ledger's entries stays, which names
        nobody any more. Of an app with one user it goes on naming whoever
        comes next, and does not.

        Args:
            subject: As for `of`.

        Raises:
            StoreError: If it cannot be written.
        """
        if subject == LOCAL and not self._db.exists():
            return
        with self._db.writing() as db:
            db.execute("DELETE FROM tally WHERE subject = ?", (subject,))
            if subject != LOCAL:
                db.execute(
                    "INSERT OR IGNORE INTO forgotten VALUES (?)", (subject,)
                )
        # Until then what was deleted is in the log.
        self._db.checkpoint()

    def of(self, subject: str = LOCAL) -> tuple[Obtained, ...]:
        """
        Tell what was obtained of one person, by function and data type.

        Args:
            subject: As the ledger's entries name the person: what
                `consentkit.ledger.Ledger.subject` gives.

        Raises:
            StoreError: If it cannot be read.
        """
        if not self._db.exists():
            return ()
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT function, data_type, n, first, last FROM tally "
                "WHERE subject = ? ORDER BY function, data_type",
                (subject,),
            ).fetchall()
        try:
            return tuple(
                Obtained(
                    function=function,
                    data_type=data_type,
                    times=int(n),
                    first=date.fromisoformat(first),
                    last=date.fromisoformat(last),
                )
                for function, data_type, n, first, last in rows
            )
        except (TypeError, ValueError):
            pass
        raise DamagedError(
            self._db.path,
            problem="a count is not what was written",
            cure="move the file away; counting begins anew",
        )

    def close(self) -> None:
        """
        Close the file.
        """
        self._is_closed = True
        self._db.close()
