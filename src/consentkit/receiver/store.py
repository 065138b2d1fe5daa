# SPDX-License-Identifier: MIT
"""
What the reference backend keeps: records in one SQLite file.

Deleted rows are overwritten with zeros, in the file and in its log. The file
is for its owner alone (mode 0600) and not encrypted: put it on an encrypted
disk.
"""

from __future__ import annotations

import json
import sqlite3

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from attrs import evolve, field, frozen

from consentkit._sqlite import Database
from consentkit.anonymise.classes import PrivacyClass
from consentkit.exceptions import DamagedError
from consentkit.outbox.records import Batch, Record
from consentkit.receiver._read import FormatError, read_record
from consentkit.receiver.drops import Dropped, DropReport


__all__ = ["Counts", "Erased", "Store", "StoredRecord", "Verdict"]

_VERSION = 1

_SCHEMA = """\
CREATE TABLE records (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    function TEXT NOT NULL,
    batch TEXT NOT NULL,
    erase TEXT NOT NULL,
    expires INTEGER NOT NULL,
    received INTEGER NOT NULL,
    body TEXT NOT NULL
);

CREATE INDEX records_by_erase ON records (erase);

CREATE INDEX records_by_function ON records (function, n);

CREATE INDEX records_by_expiry ON records (expires);

CREATE TABLE erased (
    erase TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    records INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE tally (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE reports (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    received INTEGER NOT NULL
);

CREATE TABLE drops (
    report INTEGER NOT NULL,
    place INTEGER NOT NULL,
    function TEXT NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (report, place)
) WITHOUT ROWID;
"""

#: How long drop reports are kept.
REPORT_AGE: Final = timedelta(days=90)


@frozen(kw_only=True)
class Verdict:
    """
    What became of one record.

    Attributes:
        reason: Why it was rejected: ``erased`` or ``expired``; else empty.
    """

    outcome: Literal["stored", "duplicate", "rejected"]
    reason: str = ""


@frozen(kw_only=True)
class Erased:
    """
    What became of an erasure.

    Attributes:
        records: How many records this token has erased in all.
    """

    outcome: Literal["erased", "already"]
    records: int


@frozen(kw_only=True)
class StoredRecord:
    """
    A record, with what its batch said of it.

    Attributes:
        batch: Id of the batch that brought it.

        erase: SHA-256, in hex, of the token that entitles to erase it.

        received_at: When it came (UTC).

        together: What it may be called beside all else that the store holds,
            of other functions too; ``None`` where nobody has looked, as
            `consentkit.receiver.lookup.Lookup` does.
    """

    record: Record
    batch: str
    erase: str
    received_at: datetime
    together: PrivacyClass | None = None

    @property
    def linked(self) -> Record:
        """
        The record as this holder can link it: by its batch's grant as well.
        """
        consent = f"{self.record.consent} {self.erase}"
        return evolve(self.record, consent=consent)


@frozen(kw_only=True)
class Counts:
    """
    How much there is, and what became of the rest.

    Attributes:
        records, batches: What is stored now.

        functions: Records stored now, by function, in order of the names.

        duplicates, rejected: How often a record came again or was rejected.

        erased, expired: How many records were deleted by an erasure or by
            their expiry.

        erasures: How many grants were erased.

        dropped: How many records senders say they dropped, by reason, in the
            reports that are kept.
    """

    records: int
    batches: int
    functions: Mapping[str, int]
    duplicates: int
    rejected: int
    erased: int
    expired: int
    erasures: int
    dropped: Mapping[str, int] = field(factory=dict)


def counted(
    functions: Mapping[str, int],
    batches: int,
    erasures: int,
    tally: Mapping[str, int],
    dropped: Mapping[str, int],
) -> Counts:
    """
    Put together what a store has counted; *tally* is what became of the
    rest, as far as it is not 0.
    """
    names = ("duplicates", "rejected", "erased", "expired")
    return Counts(
        records=sum(functions.values()),
        batches=batches,
        functions=functions,
        erasures=erasures,
        dropped=dropped,
        **{name: tally.get(name, 0) for name in names},
    )


def gathered(rows: Iterable[tuple[Any, ...]]) -> list[DropReport]:
    """
    Put drop reports together, in order.

    Args:
        rows: Id, recipient, beginning and end of a report, with function,
            reason and count of one of its drops.
    """
    found: dict[tuple[Any, ...], list[Dropped]] = {}
    for *head, function, reason, count in rows:
        drops = found.setdefault(tuple(head), [])
        if function is not None:
            drops.append(
                Dropped(function=function, reason=reason, count=count)
            )
    return [
        DropReport(
            id=id_,
            recipient=recipient,
            since=since,
            until=until,
            drops=tuple(drops),
        )
        for (id_, recipient, since, until), drops in found.items()
    ]


class Store:
    """
    Records, each once, until they expire or are erased.

    It may be used from several threads and by several processes.

    Args:
        path: The file; it is made at once, and its folder too.

    Raises:
        StoreError: If the file cannot be used. So do all methods.
    """

    def __init__(self, path: Path | str) -> None:
        self._database = Database(
            Path(path),
            schema=_SCHEMA,
            version=_VERSION,
            later=("reports", "drops"),
        )
        with self._database.writing():
            pass

    def __repr__(self) -> str:
        return f"<Store {self._database.path}>"

    @property
    def name(self) -> str:
        """
        The file, for people.
        """
        return str(self._database.path)

    @property
    def path(self) -> Path:
        """
        The file.
        """
        return self._database.path

    def put(
        self, batch: Batch, *, refused: int = 0, now: datetime | None = None
    ) -> Mapping[str, Verdict]:
        """
        Store the records of *batch*, in one durable transaction.

        Args:
            batch: Records that were read as of format 1.

            refused: How many records of it were not, for the counts.

            now: The instant that expiry is judged by; the clock's if not
                given.

        Returns:
            A verdict for each record, by id, in order.
        """
        at = _millis(now)
        with self._database.writing() as rows:
            is_erased = rows.execute(
                "SELECT 1 FROM erased WHERE erase = ?", (batch.erase,)
            ).fetchone()
            verdicts = {
                record.id: Verdict(outcome="rejected", reason="erased")
                if is_erased
                else _put_one(rows, batch, record, at)
                for record in batch.records
            }
            said = [verdict.outcome for verdict in verdicts.values()]
            _tally(rows, "duplicates", said.count("duplicate"))
            _tally(rows, "rejected", said.count("rejected") + refused)
        return verdicts

    def erase(self, token: str, *, now: datetime | None = None) -> Erased:
        """
        Delete all records of the grant that *token* stands for, for good.

        Records of it that come later are rejected.

        Args:
            token: 32 bytes, in hex, whose digest the batches carry.

            now: When; by the clock if not given.
        """
        digest = sha256(bytes.fromhex(token)).hexdigest()
        with self._database.writing() as rows:
            gone = rows.execute(
                "DELETE FROM records WHERE erase = ?", (digest,)
            ).rowcount
            before = rows.execute(
                "SELECT records FROM erased WHERE erase = ?", (digest,)
            ).fetchone()
            rows.execute(
                "INSERT INTO erased VALUES (?, ?, ?) ON CONFLICT (erase) "
                "DO UPDATE SET records = records + excluded.records",
                (digest, _millis(now), gone),
            )
            _tally(rows, "erased", gone)
        # Deleted rows would stay readable in the log.
        self._database.checkpoint()
        return Erased(
            outcome="already" if before else "erased",
            records=gone + (before[0] if before else 0),
        )

    def note_drops(
        self, report: DropReport, *, now: datetime | None = None
    ) -> bool:
        """
        Keep a report, once by its id, and tell whether it is new.

        .. versionadded:: 26.1.0
        """
        with self._database.writing() as rows:
            done = rows.execute(
                "INSERT INTO reports (id, recipient, since, until, received) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                (
                    report.id,
                    report.recipient,
                    _millis(report.since),
                    _millis(report.until),
                    _millis(now),
                ),
            )
            if not done.rowcount:
                return False
            rows.executemany(
                "INSERT INTO drops VALUES (?, ?, ?, ?, ?)",
                [
                    (
                        done.lastrowid,
                        place,
                        one.function,
                        one.reason,
                        one.count,
                    )
                    for place, one in enumerate(report.drops)
                ],
            )
        return True

    def purge(self, now: datetime | None = None) -> int:
        """
        Delete the records that have expired, and tell how many.

        Drop reports go 90 days after they came.
        """
        oldest = _millis((now or datetime.now(UTC)) - REPORT_AGE)
        with self._database.writing() as rows:
            rows.execute(
                "DELETE FROM drops WHERE report IN "
                "(SELECT n FROM reports WHERE received <= ?)",
                (oldest,),
            )
            rows.execute("DELETE FROM reports WHERE received <= ?", (oldest,))
            gone = rows.execute(
                "DELETE FROM records WHERE expires <= ?", (_millis(now),)
            ).rowcount
            _tally(rows, "expired", gone)
        if gone:
            self._database.checkpoint()
        return gone

    def records(self, function: str | None = None) -> list[StoredRecord]:
        """
        Give the stored records in order of arrival, of one function or all.
        """
        query = "SELECT batch, erase, received, body FROM records"
        with self._database.reading() as rows:
            if function is None:
                found = rows.execute(f"{query} ORDER BY n").fetchall()
            else:
                found = rows.execute(
                    f"{query} WHERE function = ? ORDER BY n", (function,)
                ).fetchall()
        return [
            StoredRecord(
                record=self._read(body),
                batch=batch,
                erase=erase,
                received_at=_instant(received),
            )
            for batch, erase, received, body in found
        ]

    def _read(self, body: str) -> Record:
        try:
            return read_record(json.loads(body))
        except (ValueError, FormatError) as error:
            kind = type(error).__name__
        raise DamagedError(
            self.path,
            problem=f"a record is not what was stored ({kind})",
            cure="restore the file from a backup",
        )

    def drops(self) -> list[DropReport]:
        """
        Give the drop reports of the last 90 days, in order of arrival.

        .. versionadded:: 26.1.0
        """
        with self._database.reading() as rows:
            found = rows.execute(
                "SELECT r.id, r.recipient, r.since, r.until, d.function, "
                "d.reason, d.count FROM reports r "
                "LEFT JOIN drops d ON d.report = r.n ORDER BY r.n, d.place"
            ).fetchall()
        return gathered(
            (id_, recipient, _instant(since), _instant(until), *drop)
            for id_, recipient, since, until, *drop in found
        )

    def counts(self) -> Counts:
        """
        Count.
        """
        with self._database.reading() as rows:
            dropped = dict(
                rows.execute(
                    "SELECT reason, sum(count) FROM drops "
                    "GROUP BY reason ORDER BY reason"
                )
            )
            tally = dict(rows.execute("SELECT name, n FROM tally"))
            functions = dict(
                rows.execute(
                    "SELECT function, count(*) FROM records "
                    "GROUP BY function ORDER BY function"
                )
            )
            batches = rows.execute(
                "SELECT count(DISTINCT batch) FROM records"
            ).fetchone()[0]
            erasures = rows.execute("SELECT count(*) FROM erased").fetchone()[
                0
            ]
        return counted(functions, batches, erasures, tally, dropped)

    def check(self) -> None:
        """
        Raise if the file cannot be read now.
        """
        with self._database.reading() as rows:
            rows.execute("SELECT count(*) FROM erased").fetchone()

    def close(self) -> None:
        """
        Close the file; it opens again at the next use.
        """
        self._database.close()


def _put_one(
    rows: sqlite3.Connection, batch: Batch, record: Record, at: int
) -> Verdict:
    expires = _millis(record.expires_at)
    is_known = rows.execute(
        "SELECT 1 FROM records WHERE id = ?", (record.id,)
    ).fetchone()
    if is_known:
        return Verdict(outcome="duplicate")
    if expires <= at:
        return Verdict(outcome="rejected", reason="expired")
    rows.execute(
        "INSERT INTO records (id, function, batch, erase, expires, "
        "received, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            record.id,
            record.function,
            batch.id,
            batch.erase,
            expires,
            at,
            json.dumps(record.as_json(), separators=(",", ":")),
        ),
    )
    return Verdict(outcome="stored")


def _tally(rows: sqlite3.Connection, name: str, more: int) -> None:
    if more:
        rows.execute(
            "INSERT INTO tally VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET n = n + excluded.n",
            (name, more),
        )


def _millis(instant: datetime | None) -> int:
    return round((instant or datetime.now(UTC)).timestamp() * 1000)


def _instant(millis: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=millis)
