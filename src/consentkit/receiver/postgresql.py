# SPDX-License-Identifier: MIT
"""
What many receivers keep together: records in PostgreSQL.

Each process is without state: it may be killed at any moment, and started
anywhere. A batch is one transaction, and an id is in the table once. A grant
that is erased and a batch of it that comes at the same moment exclude each
other, in whatever processes they are.

Unlike a file of `consentkit.receiver.store`, what was deleted stays on the
server's disk until its vacuum has passed, and in its log until that is
recycled.

Durations are float seconds.
"""

from __future__ import annotations

import json
import threading

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from consentkit.exceptions import (
    DamagedError,
    NewerFormatError,
    StoreError,
)
from consentkit.ledger._tables import AbsentError
from consentkit.ledger.postgresql import server_at
from consentkit.outbox.records import Batch, Record
from consentkit.receiver._tables import FORMAT, Statements
from consentkit.receiver.drops import DropReport
from consentkit.receiver.store import (
    REPORT_AGE,
    Counts,
    Erased,
    StoredRecord,
    Verdict,
    counted,
    gathered,
)


if TYPE_CHECKING:
    from consentkit.ledger._server import Connection


__all__ = ["SCHEMA", "PostgreSQLStore"]

#: Name of the schema, where no other is given.
SCHEMA: Final = "consentkit_receiver"

#: How many expired records go in one transaction.
_PURGED: Final = 10_000

_write: Final = json.JSONEncoder(separators=(",", ":")).encode

_STORED: Final = Verdict(outcome="stored")
_DUPLICATE: Final = Verdict(outcome="duplicate")
_ERASED: Final = Verdict(outcome="rejected", reason="erased")
_EXPIRED: Final = Verdict(outcome="rejected", reason="expired")


class PostgreSQLStore:
    """
    Records in one schema of a PostgreSQL database (14 or newer).

    Making it connects nowhere; the tables are made at the first use. It may
    be used from several threads, and by any number of processes.

    Args:
        url: The database, as ``postgresql://user@host/database``, with
            ``?schema=NAME`` for another schema than ``consentkit_receiver``.
            What PostgreSQL's own clients read from the environment counts
            here, too.

        schema: Name of the schema, where *url* names none.

        timeout_seconds: How long to wait for the server, each time.

        connections: How many connections this process may have.

    Raises:
        ValueError: If *url* or *schema* is none, or they name two schemas.

        MissingExtraError: If the extra ``postgresql`` is not installed.

    What leaks:
        The server, its administrators, its logs of statements and its
        backups see the records.

    .. versionadded:: 26.1.0
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str | None = None,
        timeout_seconds: float = 30.0,
        connections: int = 8,
    ) -> None:
        url, named = _schema_of(url)
        if schema and named and schema != named:
            msg = "the URL and schema name two schemas; name one"
            raise ValueError(msg)
        schema = named or (SCHEMA if schema is None else schema)
        self._sql = Statements(schema)
        self._server = server_at(url, timeout_seconds, connections)
        self._name = f"{self._server.name} {schema}"
        self._making = threading.Lock()
        self._is_there = False

    def __repr__(self) -> str:
        return f"<PostgreSQLStore {self._name}>"

    @property
    def name(self) -> str:
        """
        The database and the schema, for people.
        """
        return self._name

    def migrate(self) -> None:
        """
        Make the tables, if they are not there.

        Where the receiver's own user may not do that, let their owner call
        this once.

        Raises:
            StoreError: If they cannot be made, or are of a newer format.
        """
        with self._making, self._server.using() as connection:
            (is_there,) = _row(connection.execute(self._sql.exists))
            if not is_there:
                with connection.transaction():
                    connection.execute(self._sql.migrate)
            (found,) = _row(connection.execute(self._sql.format))
        if found != FORMAT:
            raise NewerFormatError(
                self._name,
                problem=f"the tables are of format {found}; this consentkit "
                f"reads {FORMAT}",
                cure="upgrade consentkit",
            )
        self._is_there = True

    @contextmanager
    def _using(self) -> Generator[Connection]:
        if not self._is_there:
            self.migrate()
        try:
            with self._server.using() as connection:
                yield connection
        except AbsentError:
            # Made anew at the next use.
            self._is_there = False
            raise

    @contextmanager
    def _holding(
        self, digest: str, kind: str
    ) -> Generator[tuple[Connection, int | None]]:
        """
        Begin a transaction that holds the lock of a grant, and commit it.

        Gives the connection, and how many records were erased of the grant,
        or ``None`` if it was not.
        """
        statement = (
            self._sql.begin.replace("{kind}", kind)
            .replace("{lock}", str(_lock_of(bytes.fromhex(digest))))
            .replace("{erase}", digest)
        )
        with self._using() as connection:
            # One answer to wait for; an error leaves the transaction open,
            # and a connection with an open one is closed.
            cursor = connection.execute(statement, prepare=False)
            while cursor.nextset():
                pass
            found = cursor.fetchone()
            yield connection, None if found is None else found[0]
            connection.execute("COMMIT")

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
        at = now or datetime.now(UTC)
        with self._holding(batch.erase, "_shared") as (connection, erased):
            if erased is None:
                verdicts = self._put(connection, batch, at)
            else:
                verdicts = {one.id: _ERASED for one in batch.records}
            said = [verdict.outcome for verdict in verdicts.values()]
            self._tally(connection, "duplicates", said.count("duplicate"))
            self._tally(
                connection, "rejected", said.count("rejected") + refused
            )
        return verdicts

    def _put(
        self, connection: Connection, batch: Batch, at: datetime
    ) -> Mapping[str, Verdict]:
        good = [one for one in batch.records if one.expires_at > at]
        late = [one.id for one in batch.records if one.expires_at <= at]
        new = set(self._add(connection, batch, good, at)) if good else ()
        known = set()
        if late:
            found = connection.execute(self._sql.known, (late,)).fetchall()
            known = {row[0] for row in found}
        barred = set(late).difference(known)
        return {
            one.id: _STORED
            if one.id in new
            else _EXPIRED
            if one.id in barred
            else _DUPLICATE
            for one in batch.records
        }

    def _add(
        self,
        connection: Connection,
        batch: Batch,
        records: Iterable[Record],
        at: datetime,
    ) -> list[str]:
        kinds: dict[tuple[str, ...], int] = {}
        ids, captured, expires, numbers, values = [], [], [], [], []
        for one in records:
            kind = (
                one.consent,
                one.function,
                one.data_type,
                one.purpose,
                one.protection,
                one.privacy_class,
                one.policy_version,
            )
            ids.append(one.id)
            captured.append(one.captured_at.isoformat())
            expires.append(one.expires_at.isoformat())
            numbers.append(str(kinds.setdefault(kind, len(kinds) + 1)))
            values.append(_quoted(_write(one.value)))
        consents, *names = zip(*kinds, strict=True)
        found = connection.execute(
            self._sql.add,
            (
                batch.id,
                at,
                bytes.fromhex(batch.erase),
                batch.recipient,
                *map(_array, (ids, captured, expires, numbers, values)),
                _array(f'"\\\\x{digest}"' for digest in consents),
                *(_array(map(_quoted, column)) for column in names),
            ),
        )
        return [row[0] for row in found.fetchall()]

    def _tally(self, connection: Connection, name: str, more: int) -> None:
        if more:
            connection.execute(self._sql.tally, (name, more))

    def erase(self, token: str, *, now: datetime | None = None) -> Erased:
        """
        Delete all records of the grant that *token* stands for, for good.

        Records of it that come later are rejected.

        Args:
            token: 32 bytes, in hex, whose digest the batches carry.

            now: When; by the clock if not given.
        """
        digest = sha256(bytes.fromhex(token))
        with self._holding(digest.hexdigest(), "") as (connection, erased):
            gone = connection.execute(
                self._sql.erase, (digest.digest(),)
            ).rowcount
            records = gone + (erased or 0)
            connection.execute(
                self._sql.note_erased,
                (digest.digest(), now or datetime.now(UTC), records),
            )
            self._tally(connection, "erased", gone)
        outcome: Any = "erased" if erased is None else "already"
        return Erased(outcome=outcome, records=records)

    def note_drops(
        self, report: DropReport, *, now: datetime | None = None
    ) -> bool:
        """
        Keep a report, once by its id, and tell whether it is new.
        """
        drops = report.drops
        with self._using() as connection, connection.transaction():
            done = connection.execute(
                self._sql.add_report,
                (
                    report.id,
                    report.recipient,
                    report.since,
                    report.until,
                    now or datetime.now(UTC),
                ),
            )
            if done.rowcount:
                connection.execute(
                    self._sql.add_drops,
                    (
                        report.id,
                        [one.function for one in drops],
                        [one.reason for one in drops],
                        [one.count for one in drops],
                    ),
                )
        return done.rowcount == 1

    def purge(self, now: datetime | None = None) -> int:
        """
        Delete the records that have expired, and tell how many.

        One process does it at a time; another one's call tells 0 at once.
        Drop reports go 90 days after they came.
        """
        at = now or datetime.now(UTC)
        total, gone = 0, _PURGED
        while gone == _PURGED:
            with self._using() as connection, connection.transaction():
                (is_ours,) = _row(
                    connection.execute(
                        "SELECT pg_try_advisory_xact_lock(%s)",
                        (_lock_of(f"purge {self._name}".encode()),),
                    )
                )
                if not is_ours:
                    return total
                gone = connection.execute(
                    self._sql.purge, (at, _PURGED)
                ).rowcount
                self._tally(connection, "expired", gone)
                connection.execute(self._sql.sum_up)
                connection.execute(
                    self._sql.forget_reports, (at - REPORT_AGE,)
                )
            total += gone
        return total

    def records(self, function: str | None = None) -> list[StoredRecord]:
        """
        Give the stored records in order of arrival, of one function or all.

        All of them are read into memory.
        """
        with self._using() as connection:
            found = connection.execute(
                self._sql.records, (function,)
            ).fetchall()
        return [self._stored(row) for row in found]

    def _stored(self, row: tuple[Any, ...]) -> StoredRecord:
        try:
            value = json.loads(row[14])
        except ValueError as error:
            kind = type(error).__name__
        else:
            return StoredRecord(
                record=Record(
                    id=row[3],
                    captured_at=_utc(row[4]),
                    expires_at=_utc(row[5]),
                    consent=row[6].hex(),
                    function=row[7],
                    data_type=row[8],
                    purpose=row[9],
                    recipient=row[10],
                    protection=row[11],
                    privacy_class=row[12],
                    policy_version=row[13],
                    value=value,
                ),
                batch=row[0],
                erase=row[1].hex(),
                received_at=_utc(row[2]),
            )
        raise DamagedError(
            self._name,
            problem=f"a record is not what was stored ({kind})",
            cure="restore the database from a backup",
        )

    def drops(self) -> list[DropReport]:
        """
        Give the drop reports of the last 90 days, in order of arrival.
        """
        with self._using() as connection:
            rows = connection.execute(self._sql.reports).fetchall()
        return gathered(
            (id_, recipient, _utc(since), _utc(until), *drop)
            for id_, recipient, since, until, *drop in rows
        )

    def counts(self) -> Counts:
        """
        Count; the server goes over all records.
        """
        with self._using() as connection, connection.transaction():
            connection.execute(
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
            )
            functions = _pairs(connection.execute(self._sql.functions))
            batches, erasures = _row(connection.execute(self._sql.others))
            tally = _pairs(connection.execute(self._sql.tallied))
            dropped = _pairs(connection.execute(self._sql.dropped))
        return counted(functions, batches, erasures, tally, dropped)

    def check(self) -> None:
        """
        Raise if the database cannot be used now.
        """
        with self._using() as connection:
            found = connection.execute(self._sql.format).fetchone()
        if found is None:
            raise StoreError(
                self._name,
                problem="the tables are not complete",
                cure="restore the database from a backup",
            )

    def close(self) -> None:
        """
        Close what is not in use; it opens again at the next use.
        """
        self._server.close()


def _schema_of(url: str) -> tuple[str, str]:
    """
    Take the schema out of a URL, as only we know that name.
    """
    place, _, query = url.partition("?")
    rest, schema = [], ""
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name == "schema":
            schema = unquote(value)
        elif part:
            rest.append(part)
    return "?".join([place, *["&".join(rest)] * bool(rest)]), schema


def _lock_of(name: bytes) -> int:
    """
    Give the number of an advisory lock; two grants seldom share one.
    """
    digest = sha256(b"consentkit receiver\0" + name).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC)


def _row(cursor: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = cursor.fetchone() or (None,)
    return found


def _pairs(cursor: Any) -> dict[str, int]:
    return dict(cursor.fetchall())


def _array(items: Iterable[str]) -> str:
    """
    Write an array as the server reads it.

    The library's own way takes half of all that a record costs here.
    """
    return f"{{{','.join(items)}}}"


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
