# SPDX-License-Identifier: MIT
"""
One PostgreSQL database: few connections, each wait with an end.

Every failure comes out as one `consentkit.exceptions.StoreError` that names
the database and the cure. What the server or the library says is never
passed on: it may hold rows, or parts of a URL that was written wrongly.
"""

from __future__ import annotations

import math
import os
import re
import threading
import time

from collections.abc import Generator
from contextlib import contextmanager, suppress
from selectors import EVENT_READ, DefaultSelector
from typing import Any, Final

import psycopg

from psycopg import conninfo, errors, pq
from psycopg.rows import TupleRow
from psycopg.waiting import Ready

from consentkit._fork import watch_forks
from consentkit.exceptions import DamagedError, StoreError, UnwritableError
from consentkit.ledger._tables import AbsentError, UnsureError


__all__ = ["Connection", "Server"]

# Connections that came over a fork must be neither used nor closed: that
# would end the parent's sessions. They are kept here, and leak.
_inherited: list[Connection] = []

# What the library raises, by what it says, as a failed connection has no
# code. Other languages of the server come to the last.
_REFUSALS: Final = (
    ("authentication failed", "it does not accept the user or password"),
    ("no password supplied", "it asks for a password"),
    ("pg_hba.conf", "it does not let this user in from here"),
    ("does not exist", "it knows no such user or database"),
    ("too many", "it has no connection left"),
    ("refused", "nothing answers at its address"),
    ("timeout", "it does not answer in time"),
    ("translate host", "its host has no address"),
    ("starting up", "it is starting up"),
    ("shutting down", "it is shutting down"),
)


_PORTS: Final = re.compile(r"[0-9,]*")


class _LateError(psycopg.OperationalError):
    """
    The server did not answer in time.
    """


class Connection(psycopg.Connection[TupleRow]):
    """
    A connection that waits for no answer longer than until *until*.
    """

    pid: int = 0
    until: float = 0.0

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """
        Wait for what is under way, and wake up in between to look.
        """
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, gen: Any) -> Generator[Any, Any, Any]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready == Ready.NONE and time.monotonic() > self.until:
                    gen.close()
                    # Not to be used any more, whoever has it.
                    self.pgconn.finish()
                    msg = "no answer in time"
                    raise _LateError(msg)
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value


class Server:
    """
    Connections to one database, opened when needed.

    Args:
        url: Where it is.

        timeout_seconds: How long to wait for anything.

        connections: How many at most.

    Attributes:
        name: The database, for errors: without user and password.
    """

    def __init__(
        self, url: str, *, timeout_seconds: float, connections: int
    ) -> None:
        self._parameters = _parameters(url, timeout_seconds)
        self.name: str = _name_of(self._parameters)
        self.timeout_seconds = timeout_seconds
        self._most = connections
        self._begin()
        watch_forks(self)

    def _begin(self) -> None:
        self._idle: list[Connection] = []
        self._free = threading.BoundedSemaphore(self._most)
        self._down: tuple[StoreError, float] | None = None

    def before_fork(self) -> None:
        """
        Nothing: the connections stay with this process.
        """

    def after_fork(self, *, in_child: bool) -> None:
        """
        Begin anew in the child.
        """
        if in_child:
            _inherited.extend(self._idle)
            self._begin()

    @contextmanager
    def using(self) -> Generator[Connection]:
        """
        Give a connection; what was begun on it and not ended is undone.

        Raises:
            StoreError: If the server fails or is late.
        """
        free = self._free
        if not free.acquire(timeout=self.timeout_seconds):
            problem = "all connections are in use"
            raise self._error(problem, _AGAIN)
        try:
            with self._errors():
                connection = self._take()
                try:
                    yield connection
                finally:
                    self._give_back(connection)
        finally:
            free.release()

    def _take(self) -> Connection:
        while self._idle:
            with suppress(IndexError):  # another thread was quicker
                connection = self._idle.pop()
                if _is_fit(connection):
                    self.extend(connection)
                    return connection
                connection.close()
        return self._connect()

    def extend(self, connection: Connection) -> None:
        """
        Let the wait begin anew, as after a part of much.
        """
        connection.until = time.monotonic() + self.timeout_seconds

    def _give_back(self, connection: Connection) -> None:
        if connection.pid != os.getpid():
            _inherited.append(connection)
        elif (
            connection.closed
            or connection.pgconn.transaction_status
            != pq.TransactionStatus.IDLE
        ):
            connection.close()
        else:
            self._idle.append(connection)

    def _connect(self) -> Connection:
        down = self._down
        if down is not None and time.monotonic() < down[1]:
            # So that a server that is gone does not slow the app down.
            raise self._error(down[0].problem, down[0].cure)
        try:
            connection = Connection.connect(
                autocommit=True, **self._parameters
            )
        except psycopg.Error as error:
            problem = self._unreachable(str(error).lower())
            self._down = problem, time.monotonic() + 1.0
        else:
            self._down = None
            connection.pid = os.getpid()
            self.extend(connection)
            self._prepare(connection)
            return connection
        raise problem

    def _prepare(self, connection: Connection) -> None:
        most = int(self.timeout_seconds * 1000)
        try:
            connection.execute(
                f"SET statement_timeout = {most};"
                f"SET lock_timeout = {most};"
                f"SET idle_in_transaction_session_timeout = {most * 2}"
            )
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """
        Close what is not in use; it opens again at the next use.
        """
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()
        self._down = None

    # Errors

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except psycopg.Error as error:
            problem = self._store_error(error)
        else:
            return
        try:
            raise problem
        finally:
            # The frames of what psycopg raised hold rows; being past the
            # except block is not enough, as the ``with`` is still in it.
            problem.__context__ = None

    def _error(self, problem: str, cure: str) -> StoreError:
        return StoreError(self.name, problem=problem, cure=cure)

    def _unreachable(self, said: str) -> StoreError:
        for words, meaning in _REFUSALS:
            if words in said:
                return self._error(
                    f"the server cannot be used: {meaning}",
                    "mend the server or the URL",
                )
        return self._error(
            "the server cannot be reached", "mend the server or the URL"
        )

    def _store_error(self, error: psycopg.Error) -> StoreError:
        code = error.sqlstate or ""
        match error:
            case errors.UndefinedTable() | errors.InvalidSchemaName():
                return AbsentError(
                    self.name, problem="the tables have gone", cure=_AGAIN
                )
            case _LateError():
                return self._unsure("the server does not answer in time")
            case errors.QueryCanceled() | errors.LockNotAvailable():
                return self._error("the server is too busy", _AGAIN)
            case errors.DeadlockDetected() | errors.SerializationFailure():
                return self._error("another process was quicker", _AGAIN)
            case errors.InsufficientPrivilege():
                return self._unwritable(
                    "this user may not do that",
                    "grant it what the documentation lists",
                )
            case errors.ReadOnlySqlTransaction():
                return self._unwritable(
                    "the server only takes reads",
                    "name the primary in the URL",
                )
            case errors.DiskFull():
                return self._unwritable(
                    "the server's disk is full", "free some space"
                )
        if not code or code[:2] in ("08", "57") or code == "25P03":
            return self._unsure("the connection to the server broke")
        return DamagedError(
            self.name,
            problem=f"the tables are not as expected ({code})",
            cure="restore them from a backup, or name another schema",
        )

    def _unsure(self, problem: str) -> UnsureError:
        return UnsureError(self.name, problem=problem, cure=_AGAIN)

    def _unwritable(self, problem: str, cure: str) -> UnwritableError:
        return UnwritableError(self.name, problem=problem, cure=cure)


_AGAIN: Final = "see to the server, and try again"


def _is_fit(connection: Connection) -> bool:
    """
    Tell whether an idle connection is open and silent.

    What a server sends without being asked is that it ends.
    """
    if connection.closed:
        return False
    with DefaultSelector() as selector:
        selector.register(connection, EVENT_READ)
        return not selector.select(0)


def _parameters(url: str, timeout_seconds: float) -> dict[str, Any]:
    try:
        found = conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        found = None
    if found is None or _is_misread(found):
        msg = (
            "a PostgreSQL URL is postgresql://USER@HOST:PORT/DATABASE, with "
            "what is special in a password percent-encoded"
        )
        raise ValueError(msg)
    return {
        # The library takes whole seconds, and two at least.
        "connect_timeout": max(2, math.ceil(timeout_seconds)),
        "application_name": "consentkit",
        "client_encoding": "UTF8",
        **found,
    }


def _is_misread(found: dict[str, Any]) -> bool:
    """
    Tell whether a part of a password was taken for something to be shown.

    An ``@`` or ``/`` in it ends it, and the rest is called a host, a port or
    a database.
    """
    port = str(found.get("port", ""))
    return (
        "@" in f"{found.get('host', '')}{found.get('dbname', '')}"
        or _PORTS.fullmatch(port) is None
    )


def _name_of(parameters: dict[str, Any]) -> str:
    host = parameters.get("host") or parameters.get("hostaddr") or ""
    port = parameters.get("port", "")
    place = f"{host}:{port}" if port else host
    return f"postgresql://{place}/{parameters.get('dbname', '')}"
