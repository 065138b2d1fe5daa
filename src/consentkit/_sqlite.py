# SPDX-License-Identifier: MIT
"""
One SQLite file of ours: opened late, safe over threads, forks and processes.

Every failure of SQLite comes out as one `consentkit.exceptions.StoreError`
that names the file and the cure.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Final, TypeVar

from consentkit._fork import watch_forks
from consentkit._wal import is_cut_short
from consentkit.exceptions import (
    DamagedError,
    NewerFormatError,
    StoreError,
    UnwritableError,
)


__all__ = [
    "CorruptError",
    "Database",
    "Pulse",
    "make_private_folder",
    "waiting_at_most",
]

T = TypeVar("T")

# How long to wait while another process holds the file.
_BUSY_SECONDS: Final = 5.0

# How often to look whether it still does.
_LOOK_SECONDS: Final = 0.001

# The same for one thing that is done, where somebody waits for that.
_patience: ContextVar[float | None] = ContextVar(
    "consentkit_patience", default=None
)

# What a statement of a schema makes, or fills.
_MADE: Final = re.compile(
    r"(?:CREATE (?:TABLE|INDEX|TRIGGER)|INSERT INTO) (\w+)"
)

# What SQLite says of a file or a folder that cannot be written.
_UNWRITABLE: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)

# A connection that came over a fork must be neither used nor closed: closing
# it would drop the locks of the parent. It is kept here, and leaks. Only a
# fork out of our own transaction, or past Python's hooks, brings one.
_inherited: list[sqlite3.Connection] = []


def make_private_folder(path: Path) -> None:
    """
    Make *path* and its parents, for this user only.

    Raises:
        UnwritableError: If it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableError(
            path,
            problem=f"the folder cannot be made ({error.strerror})",
            cure="choose a folder that this user may write to",
        ) from None


@contextmanager
def waiting_at_most(seconds: float) -> Generator[None]:
    """
    Let what is written in the block wait so long for another process.

    Args:
        seconds: For each transaction.
    """
    token = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(token)


class CorruptError(DamagedError):
    """
    What is in a file of ours is not what was written, whoever reads it.
    """


class Pulse:
    """
    Eight bytes in a file, which are others after each commit.

    To read them takes a tenth of a question to SQLite. Who wrote past us, or
    died between its commit and this, is not told of.

    Args:
        path: The file; made at the first beat.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1
        self._inode = 0

    def read(self) -> bytes | None:
        """
        Give the bytes; ``None`` if there are none.
        """
        try:
            return os.pread(self._handle, 8, 0) or None
        except (OSError, AttributeError):  # the second on Windows
            return None

    def look(self) -> None:
        """
        See whether the file is still the same; for who holds the database.
        """
        with suppress(OSError):
            if os.stat(self._path).st_ino == self._inode:  # noqa: PTH116
                return
        self.close()
        with suppress(OSError):
            flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
            self._handle = os.open(self._path, flags)
            self._inode = os.fstat(self._handle).st_ino

    def beat(self) -> None:
        """
        Change the bytes; for who holds the database.
        """
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        with suppress(OSError):
            handle = os.open(self._path, flags, 0o600)
            try:
                os.write(handle, os.urandom(8))
            finally:
                os.close(handle)

    def close(self) -> None:
        """
        Close the file; it opens again at the next look.
        """
        handle, self._handle, self._inode = self._handle, -1, 0
        if handle >= 0:
            with suppress(OSError):
                os.close(handle)


class Database:
    """
    A SQLite file with one schema, in WAL mode.

    Args:
        path: The file; made at the first write.

        schema: Statements that make the tables of *version*.

        version: Number of the file's format, in ``user_version``.

        for_reading: Whether nothing will be written; then a file that
            cannot be written can be read.

        outlives_power_cut: Whether a commit waits for the disk; it outlives
            a crash of the process either way.

        later: Names of tables, indexes and triggers that the first files of
            *version* lack; they are made, and filled, when such a file is
            opened. Another one that is not there is damage.

        pulse: What to change after each commit, for those who cannot ask the
            file each time.

        is_private: Whether to refuse a folder that others may write to: who
            can put a file in the place of another decides what is in it.
    """

    def __init__(
        self,
        path: Path,
        *,
        schema: str,
        version: int,
        for_reading: bool = False,
        outlives_power_cut: bool = True,
        later: Iterable[str] = (),
        pulse: Pulse | None = None,
        is_private: bool = False,
    ) -> None:
        self.path = path
        self._name = os.fspath(path)
        self._pulse = pulse
        self._schema = schema
        self._later = frozenset(later)
        self._version = version
        self._for_reading = for_reading
        self._is_private = is_private and not for_reading
        self._synchronous = "FULL" if outlives_power_cut else "NORMAL"
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._is_still = False
        self._is_hurried = False
        self._depth = 0
        #: How often the end of its log was found to be damaged, so that what
        #: was committed last before a crash is gone.
        self.cuts: int = 0
        #: Rises whenever the file is opened anew.
        self.generation: int = 0
        watch_forks(self)

    def exists(self) -> bool:
        """
        Tell whether there is a file, without opening it.

        Raises:
            StoreError: If nobody can tell, since the folder is closed.
        """
        return self.identity() is not None

    def is_same(self) -> bool:
        """
        Tell whether the file that was opened last is still in its place.
        """
        with suppress(StoreError):
            return self._file is not None and self.identity() == self._file
        return False

    def identity(self) -> tuple[int, int] | None:
        """
        Tell which file it is; ``None`` if there is none.

        Raises:
            StoreError: If nobody can tell.
        """
        try:
            # It is asked at each decision, and a path's own way is longer.
            found = os.stat(self._name)  # noqa: PTH116 - as above
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            problem = f"the file cannot be looked at ({error.strerror})"
        else:
            return found.st_dev, found.st_ino
        raise StoreError(
            self.path,
            problem=problem,
            cure="let this user read the folder, or choose another",
        )

    def is_damaged(self) -> bool:
        """
        Look through the whole file for damage.
        """
        try:
            with self.reading() as connection:
                (said,) = connection.execute(
                    "PRAGMA quick_check(1)"
                ).fetchone()
                is_all = not self._missing(connection, self._made())
        except CorruptError:
            return True
        except StoreError:
            return False
        return said != "ok" or not is_all

    def _made(self) -> frozenset[str]:
        """
        Name what the schema makes.
        """
        found = map(_MADE.match, self._schema.split(";\n\n"))
        return frozenset(made[1] for made in found if made)

    def before_fork(self) -> None:
        """
        Wait for the transaction of another thread, and close the file.

        SQLite would count the parent's locks as the child's own.
        """
        self._lock.acquire()
        if not self._depth:
            self._close()

    def after_fork(self, *, in_child: bool) -> None:  # noqa: ARG002
        """
        Let both processes open the file again.
        """
        self._lock.release()

    def _forget_over_fork(self) -> None:
        if self._pid != os.getpid():
            if self._connection is not None:
                _inherited.append(self._connection)
            self._connection = None
            self._lock = threading.RLock()
            self._depth = 0
            self._pid = os.getpid()

    def look(self, ask: Callable[[sqlite3.Connection], T]) -> T | None:
        """
        Give what *ask* finds; ``None`` where there is no file.

        It is `exists` and `reading` in one, for a short question that is
        asked often.

        Raises:
            StoreError: As these do.
        """
        self._forget_over_fork()
        with self._lock:
            identity = self.identity()
            if identity is None:
                return None
            opened = self._connection
            if opened and identity == self._file and not self._is_still:
                # What goes wrong is told by the usual way.
                with suppress(sqlite3.Error):
                    return ask(opened)
        with self.reading() as connection:
            return ask(connection)

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """
        Give the connection for reads; the file must exist.
        """
        self._forget_over_fork()
        with self._lock, self._inside(), self._errors():
            yield self._open(create=False)

    @contextmanager
    def writing(
        self, *, is_hurried: bool = False
    ) -> Generator[sqlite3.Connection]:
        """
        Give the connection inside one immediate transaction.

        It commits durably at the end, and rolls back on an exception.

        Args:
            is_hurried: Whether this commit need not wait for the disk: it
                outlives a crash of the process, and a power cut once another
                commit has waited.

        Raises:
            UnwritableError: If it was opened for reading.
        """
        if self._for_reading:
            raise UnwritableError(
                self.path,
                problem="it was opened for reading",
                cure="open it without for_reading",
            )
        self._forget_over_fork()
        with self._lock, self._inside(), self._errors():
            connection = self._open(create=True)
            self._hurry(connection, is_hurried)
            _begin(connection)
            try:
                yield connection
                connection.execute("COMMIT")
                if self._pulse is not None:
                    self._pulse.beat()
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def _hurry(self, connection: sqlite3.Connection, is_hurried: bool) -> None:  # noqa: FBT001 - of one place
        if is_hurried is not self._is_hurried:
            level = "NORMAL" if is_hurried else self._synchronous
            connection.execute(f"PRAGMA synchronous = {level}")
            self._is_hurried = is_hurried

    def checkpoint(self) -> bool:
        """
        Fold the write-ahead log into the file and empty it.

        Without it, deleted rows stay readable in the log.

        Returns:
            Whether that was done: not while another process reads what is
            in the log.
        """
        with self.reading() as connection:
            # No cursor outlives the block: a fork would not wait for it.
            (is_busy, _, _) = connection.execute(
                "PRAGMA wal_checkpoint(TRUNCATE)"
            ).fetchone()
        return not is_busy

    def fold(self) -> bool:
        """
        Fold the write-ahead log into the file, as far as nobody has to be
        waited for; tell whether that is all of it.
        """
        with self.reading() as connection:
            (is_busy, there, folded) = connection.execute(
                "PRAGMA wal_checkpoint(PASSIVE)"
            ).fetchone()
        return not is_busy and there == folded

    def close(self) -> None:
        """
        Close the file; it opens again at the next use.
        """
        self._forget_over_fork()
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None
        if self._pulse is not None:
            self._pulse.close()

    @contextmanager
    def _inside(self) -> Generator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def _open(self, *, create: bool) -> sqlite3.Connection:
        identity = self.identity()
        # Of a file that cannot be locked nothing is relied upon for long.
        is_old = self._is_still and self._depth == 1
        if self._connection and identity == self._file and not is_old:
            return self._connection
        self._close()  # the file was replaced or removed under us
        self._check_folder()
        if identity is None:
            if not create:
                raise DamagedError(
                    self.path,
                    problem="the file has gone",
                    cure="restore it, or go on with none",
                )
            self._make_file()
        self._connection = self._prepared()
        if not self._for_reading and is_cut_short(self._connection, self.path):
            self.cuts += 1
        self._file = self.identity()
        self.generation += 1
        return self._connection

    def _check_folder(self) -> None:
        folder = self.path.parent
        mode = 0
        if self._is_private and os.name == "posix":
            with suppress(OSError):
                mode = folder.stat().st_mode
        if mode & 0o022:
            # Another user's doing, which no wait and no space mends.
            raise StoreError(
                folder,
                problem="other users may write to this folder",
                cure=f"run: chmod go-w {folder}",
            )

    def _prepared(self) -> sqlite3.Connection:
        """
        Open the file as it is used, or else as it can be read.
        """
        self._is_still = False
        connection = self._connect()
        try:
            self._prepare(connection)
        except sqlite3.OperationalError as error:
            connection.close()
            if not self._for_reading or _code(error) not in _UNWRITABLE:
                raise
        except BaseException:
            connection.close()
            raise
        else:
            return connection
        connection = self._connect_still()
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._is_still = True
        return connection

    def _connect_still(self) -> sqlite3.Connection:
        """
        Open a file on a disk that takes no log and no locks.

        Raises:
            StoreError: If what was written last is in a log beside it.
        """
        real = self.path.resolve()
        log = real.with_name(f"{real.name}-wal")
        in_log = 0
        with suppress(FileNotFoundError):
            in_log = log.stat().st_size
        if in_log:
            raise StoreError(
                self.path,
                problem=f"what was written last is in {log.name} beside it, "
                "which cannot be read where nothing can be written",
                cure="copy the whole folder to where this user may write",
            )
        # An empty file is one that nothing was written to yet.
        is_empty = not real.stat().st_size
        return self._connect(
            ":memory:" if is_empty else f"{real.as_uri()}?mode=ro&immutable=1"
        )

    def _make_file(self) -> None:
        make_private_folder(self.path.parent)
        flags = os.O_CREAT | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
        try:
            os.close(os.open(self.path, flags, 0o600))
        except OSError as error:
            raise UnwritableError(
                self.path,
                problem=f"the file cannot be made ({error.strerror})",
                cure="choose a data folder that this user may write to",
            ) from None

    def _connect(self, uri: str = "") -> sqlite3.Connection:
        return sqlite3.connect(
            uri or self.path,
            uri=bool(uri),
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
        )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > self._version:
            raise NewerFormatError(
                self.path,
                problem=f"written in format {found} by a newer consentkit; "
                f"this one reads up to {self._version}",
                cure="upgrade consentkit",
            )
        if found == 0:
            self._check_that_it_is_ours(connection)
            _switch_to_wal(connection)
        self._is_hurried = False
        # FULL: a commit outlives a power cut, not only a crash.
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute("PRAGMA secure_delete = ON")
        if found == 0:
            connection.execute("BEGIN IMMEDIATE")
            current = connection.execute("PRAGMA user_version").fetchone()[0]
            if current == 0:
                for statement in self._schema.split(";\n\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {self._version}")
            connection.execute("COMMIT")
        elif self._later and not self._for_reading:
            self._complete(connection)

    def _complete(self, connection: sqlite3.Connection) -> None:
        """
        Make what the build which made the file did not have.
        """
        if not self._missing(connection, self._later):
            return
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if _code(error) not in _UNWRITABLE:
                raise
            return  # for what it is read for, it was complete
        # Another process may have made them in between.
        missing = self._missing(connection, self._later)
        for statement in self._schema.split(";\n\n"):
            made = _MADE.match(statement)
            if made is not None and made[1] in missing:
                connection.execute(statement)
        connection.execute("COMMIT")

    def _missing(
        self, connection: sqlite3.Connection, wanted: frozenset[str]
    ) -> frozenset[str]:
        rows = connection.execute("SELECT name FROM sqlite_master").fetchall()
        return wanted.difference(name for (name,) in rows)

    def _check_that_it_is_ours(self, connection: sqlite3.Connection) -> None:
        """
        See that a file without our number is an empty one.
        """
        (tables,) = connection.execute(
            "SELECT COUNT(*) FROM sqlite_master"
        ).fetchone()
        # Another process may have filled it in between.
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if tables and not found:
            raise DamagedError(
                self.path,
                problem="the file is another program's",
                cure="move it away, or choose another data folder",
            )

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            problem = self._store_error(error)
        except UnicodeDecodeError:
            # In place of an error whose own text holds damaged bytes.
            problem = self._store_error(sqlite3.DatabaseError())
        else:
            return
        try:
            raise problem
        finally:
            # The frames of what SQLite raised hold rows; being past the
            # except block is not enough, as the ``with`` is still in it.
            problem.__context__ = None

    def _store_error(self, error: sqlite3.Error) -> StoreError:
        code = _code(error)
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return CorruptError(
                self.path,
                problem=f"the file is damaged ({name})",
                cure="move it away or restore it from a backup",
            )
        if code == sqlite3.SQLITE_FULL:
            return UnwritableError(
                self.path,
                problem="the disk is full",
                cure="free some space",
            )
        if os.path.isdir(self.path):  # noqa: PTH112 - raises nothing
            return StoreError(
                self.path,
                problem="this is a folder, and should be a file",
                cure="move it away, or choose another data folder",
            )
        if code in (*_UNWRITABLE, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
            return UnwritableError(
                self.path,
                problem=f"the file cannot be written ({name})",
                cure="choose a data folder that this user may write to",
            )
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreError(
                self.path,
                problem="another process holds the file",
                cure="try again, or end that process",
            )
        return DamagedError(
            self.path,
            problem=f"the file is not as expected ({name})",
            cure="move it away or restore it from a backup",
        )


def _begin(connection: sqlite3.Connection) -> None:
    """
    Begin a transaction that writes, as soon as nobody else does.

    SQLite itself looks less and less often, up to ten times a second. Where
    the threads of another process hand the file to one another, they leave it
    free for so short a while that it would hardly ever be seen.
    """
    seconds = _patience.get()
    deadline = time.monotonic() + (
        _BUSY_SECONDS if seconds is None else seconds
    )
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                is_busy = _code(error) == sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() >= deadline:
                    raise
                time.sleep(_LOOK_SECONDS)
            else:
                return
    finally:
        usual = round(_BUSY_SECONDS * 1000)
        connection.execute(f"PRAGMA busy_timeout = {usual}")


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """
    Switch to WAL, which SQLite refuses at once while others open the file.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = _code(error) == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= deadline:
                raise
        else:
            return
        time.sleep(0.01)
