# SPDX-License-Identifier: MIT
"""
One connection to PostgreSQL, and the row that each parcel becomes.

What the server or the library says is never passed on: it may hold the row.

Durations are float seconds.
"""

from __future__ import annotations

import math
import socket
import ssl

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ, DefaultSelector
from typing import Any, Final, cast

import psycopg

from psycopg import errors, pq, sql

from consentkit.transports._courier import Transfer, Wire
from consentkit.transports._exchange import Verdict
from consentkit.transports._sockets import break_off
from consentkit.transports.base import Outcome


__all__ = ["PostgreSQLWire"]

# What came over a fork must be neither used nor closed: that would end the
# parent's session. It is kept here, and leaks.
_inherited: list[object] = []

_INSERT: Final = sql.SQL(
    "INSERT INTO {} (id, kind, recipient, media_type, body) "
    "VALUES (%s, %s, %s, %s, %b) ON CONFLICT DO NOTHING"
)
_CREATE: Final = (
    "CREATE TABLE IF NOT EXISTS {} ("
    "id text PRIMARY KEY, kind text NOT NULL, recipient text NOT NULL, "
    "media_type text NOT NULL, body bytea NOT NULL, "
    "received_at timestamptz NOT NULL DEFAULT now())"
)
# Acknowledged has to mean durable, whatever this user's default is.
_PREPARE: Final = """
SELECT set_config('statement_timeout', %s, false),
       CASE WHEN current_setting('synchronous_commit') = 'off'
            THEN set_config('synchronous_commit', 'on', false) END
"""

# What the library raises, by what it says, as a failed connection has no
# code. Other languages of the server come to the last.
_REFUSALS: Final[Mapping[str, str]] = {
    "root certificate file": "the file that verify names cannot be read",
    "private key file": "the file that key names cannot be used; nobody else "
    "may read it",
    "certificate file": "the file that certificate names cannot be used",
    "verify failed": "its certificate is not trusted; if its CA is one of "
    "your own, pass that as verify",
    "does not match host name": "its certificate is for another name; check "
    "the host in the URL",
    "does not support ssl": "it does not speak TLS; let it, with ssl = on",
    "ssl error": "TLS failed; check that the port is PostgreSQL's",
    "authentication failed": "it does not accept the user or password",
    "no password supplied": "it asks for a password; pass password=...",
    "pg_hba.conf": "it does not let this user in from here; see to its "
    "pg_hba.conf",
    'role "': "it knows no such user; pass user=...",
    'database "': "it knows no such database, or does not let this user in",
    "too many": "it has no connection left",
    "refused": "nothing answers at its address; check that the server runs, "
    "and the port",
    "no such file": "nothing answers at its socket; check that the server "
    "runs, and the folder",
    "timeout": "it does not answer in time",
    "starting up": "it is starting up; try again",
    "shutting down": "it is shutting down; try again",
}


class PostgreSQLWire(Wire):
    """
    A connection to one server, for rows of one table.

    Args:
        host: Its name or address, or a folder with a Unix socket.

        port: Its port.

        options: What else libpq is told.

        table: Name of the table, perhaps with its schema before it.

        timeout_seconds: The most that connecting, or a statement, may take.

        create: Whether to make the table where it is missing.
    """

    def __init__(
        self,
        host: str,
        port: int,
        options: Mapping[str, str],
        table: tuple[str, ...],
        *,
        timeout_seconds: float,
        create: bool,
    ) -> None:
        super().__init__()
        self._host = host
        self._port = port
        self._options = options
        self._timeout = timeout_seconds
        self._create = create
        self._connection: psycopg.Connection[Any] | None = None
        name = sql.Identifier(*table)
        self._table = name.as_string()
        self._insert = _INSERT.format(name)
        self._make = sql.SQL(_CREATE).format(name)
        self._statements = self._make.as_string()
        self._usage = ""
        if len(table) > 1:
            schema = sql.Identifier(table[0]).as_string()
            self._statements = (
                f"CREATE SCHEMA IF NOT EXISTS {schema}; {self._statements}"
            )
            self._usage = f"GRANT USAGE ON SCHEMA {schema} TO ...; "

    def carry(self, transfer: Transfer) -> Verdict:
        """
        Insert the row of a parcel, and commit it.
        """
        try:
            connection = self._take()
        except OSError:
            return Verdict(
                problem="its name is not known; check the URL and the network"
            )
        except psycopg.Error as error:
            return Verdict(problem=_unreachable(str(error).lower()))
        # A second handle stays valid when the library closes its own; what
        # family it is of makes no difference here.
        with socket.fromfd(
            connection.fileno(), socket.AF_INET, socket.SOCK_STREAM
        ) as twin:
            transfer.begin(partial(break_off, twin))
            try:
                return self._put(connection, transfer)
            except psycopg.Error as error:
                return self._explain(error)
            finally:
                status = connection.pgconn.transaction_status
                if status != pq.TransactionStatus.IDLE:
                    self.close()

    def _put(
        self, connection: psycopg.Connection[Any], transfer: Transfer
    ) -> Verdict:
        parcel = transfer.parcel
        row = (
            parcel.id,
            parcel.kind,
            parcel.recipient,
            parcel.media_type,
            parcel.body,
        )
        try:
            cursor = connection.execute(self._insert, row)
        except errors.UndefinedTable:
            if not self._create:
                raise
            # Another process may make it at the same moment.
            with suppress(
                errors.UniqueViolation,
                errors.DuplicateTable,
                errors.DuplicateObject,
            ):
                connection.execute(self._make)
            cursor = connection.execute(self._insert, row)
        if cursor.rowcount == 1:
            return Verdict(outcome=Outcome.DELIVERED)
        return Verdict(outcome=Outcome.DUPLICATE)

    def _take(self) -> psycopg.Connection[Any]:
        if self._connection is not None:
            if _is_fit(self._connection):
                return self._connection
            self.close()
        connection = psycopg.Connection.connect(
            autocommit=True,
            prepare_threshold=None,  # a pooler may stand before the server
            client_encoding="UTF8",
            application_name="consentkit",
            gssencmode="disable",  # it would go before TLS
            # The library takes whole seconds.
            connect_timeout=math.ceil(self._timeout),
            **self._place(),
            **cast("dict[str, Any]", self._trust()),
        )
        self._connection = connection
        try:
            most = str(math.ceil(self._timeout * 1000))
            connection.execute(_PREPARE, (most,))
        except BaseException:
            self.close()
            raise
        return connection

    def _place(self) -> dict[str, Any]:
        if self._host.startswith("/"):
            return {"host": self._host, "hostaddr": "", "port": self._port}
        # The library would hold up every thread while it looks the name up.
        found = socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM
        )
        addresses = [str(one[4][0]) for one in found]
        return {
            "host": ",".join([self._host] * len(addresses)),
            "hostaddr": ",".join(addresses),
            "port": self._port,
        }

    def _trust(self) -> dict[str, str]:
        """
        Give the options, with the usual authorities where no other counts.
        """
        if self._options["sslmode"] != "verify-full":
            return dict(self._options)
        # The library's own OpenSSL may look for them where there are none.
        usual = ssl.get_default_verify_paths().cafile or "system"
        return {"sslrootcert": usual, **self._options}

    def close(self) -> None:
        """
        Close the connection; the next transfer opens another.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def forget(self) -> None:
        """
        Leave the parent's connection as it is.
        """
        _inherited.append(self._connection)
        self._connection = None

    def _explain(self, error: psycopg.Error) -> Verdict:
        code = error.sqlstate or ""
        match error:
            case errors.UndefinedTable():
                problem = (
                    f"the table {self._table} is not there; make it once "
                    f"with: {self._statements};"
                )
            case errors.InvalidSchemaName():
                problem = (
                    f"there is no schema for {self._table}; make it once "
                    f"with: {self._statements};"
                )
            case errors.InsufficientPrivilege():
                problem = (
                    "this user may not do that; let it: "
                    f"{self._usage}GRANT INSERT ON {self._table} TO ...;"
                )
            case errors.ReadOnlySqlTransaction():
                problem = "it only takes reads; name the primary in the URL"
            case errors.DiskFull():
                problem = "its disk is full; free some space there"
            case errors.QueryCanceled() | errors.LockNotAvailable():
                problem = "it is too busy; see to it, or try again"
            case errors.ProgramLimitExceeded():
                return Verdict(
                    problem="the batch is too large for it", too_large=True
                )
            case _ if not code or code[:2] in {"08", "57"}:
                problem = "the connection broke; it is tried again"
            case errors.CheckViolation() | errors.RaiseException():
                # A constraint or a trigger of the table's owner.
                return Verdict(
                    problem=f"the table does not take this row ({code}); see "
                    "to its constraints and triggers",
                    refused=True,
                )
            case _:
                problem = (
                    f"the table is not as expected ({code}); it is made "
                    f"with: {self._make.as_string()};"
                )
        return Verdict(problem=problem)


def _is_fit(connection: psycopg.Connection[Any]) -> bool:
    """
    Tell whether an idle connection is open and silent.

    What a server sends without being asked is that it ends.
    """
    if connection.closed:
        return False
    with DefaultSelector() as selector:
        selector.register(connection, EVENT_READ)
        return not selector.select(0)


def _unreachable(said: str) -> str:
    for words, meaning in _REFUSALS.items():
        if words in said:
            return f"it cannot be used: {meaning}"
    return "it cannot be reached; check the URL and the network"
