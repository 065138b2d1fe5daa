# SPDX-License-Identifier: MIT
"""
What is intact of an outbox whose file was damaged.

The file and its log are set aside as they are, and a new file takes their
place, with all that can still be read: SQLite's own way where it goes, else
leaf by leaf. Nothing that is taken over is a guess: lanes, rows and kinds
open under their keys, or they are not theirs.

What was set aside stays sealed. A withdrawal destroys the key that it would
be opened with, and a few days later it goes by itself, or when the first of
what was saved expires.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3

from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from consentkit._sqlite import make_private_folder
from consentkit.exceptions import DamagedError, StoreError
from consentkit.outbox import chunks
from consentkit.outbox.counts import count
from consentkit.outbox.journal import Journal, entries_in
from consentkit.outbox.kekplaces import KEKPlaces
from consentkit.outbox.keys import KEK, Lane
from consentkit.outbox.lanes import NOT_OURS
from consentkit.outbox.pages import PAGE_BYTES, rows_in
from consentkit.outbox.purposes import is_of
from consentkit.outbox.schema import file_of


__all__ = ["LOCK", "Salvaged", "drop_aside", "salvage", "set_aside_in"]

logger: logging.Logger = logging.getLogger("consentkit")

#: Who holds it mends the outbox.
LOCK: Final = "mend.lock"

_FRONT: Final = "damaged-"

#: How long what was set aside stays at most.
_KEPT_SECONDS: Final = 7 * 86_400

#: What else is copied as it is, if it is of the right types.
_COPIED: Final = (
    "meta",
    "ended",
    "erasures",
    "reads",
    "places",
    "promoted",
    "counts",
    "dropped",
    "reports",
    "told",
    "journals",
)

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "INTEGER": (int,),
    "TEXT": (str,),
    "BLOB": (bytes,),
    "REAL": (float, int),
}


@frozen
class Salvaged:
    """
    What became of a damaged outbox.

    Attributes:
        records: How many records were saved.

        lost: How many were not, at least.

        folder: Where the damaged file is now.
    """

    records: int
    lost: int
    folder: Path


def salvage(
    path: Path,
    *,
    keys: KEKPlaces,
    journal: Journal,
    most: int,
    now: datetime,
) -> Salvaged:
    """
    Put a new outbox in the place of a damaged one.

    Args:
        path: Its file, which nobody of this process has open.

        keys: Where its KEK is.

        journal: The journals in front of it.

        most: How many records one chunk holds at most.

        now: When.

    Raises:
        StoreError: If it cannot be done now; then all is as it was.
    """
    fresh = path.with_name("outbox.mended")
    aside = _made_aside(path, now)
    try:
        _remove(fresh)
        found = _read(path, aside / "reading")
        database = file_of(fresh)
        try:
            with database.writing() as db:
                filling = _Filling(db, found, path=path, keys=keys, most=most)
                filling.fill(journal)
        finally:
            database.close()
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        _remove(fresh)
        raise
    _swap(fresh, path)
    until = min(filling.first_end, int(now.timestamp()) + _KEPT_SECONDS)
    folder = aside.with_name(f"{_FRONT}{until}")
    with suppress(OSError):
        aside = aside.rename(folder)
    return Salvaged(len(filling.saved), filling.lost, aside)


def set_aside_in(folder: Path) -> tuple[Path, ...]:
    """
    List what was set aside, by when it goes.
    """
    # The folder is not looked through where nothing ever was.
    if not (folder / LOCK).exists():
        return ()
    return tuple(sorted(folder.glob(f"{_FRONT}*")))


def drop_aside(folder: Path, *, now: int) -> None:
    """
    Delete what was set aside long enough ago.

    Args:
        folder: Of the outbox.

        now: In seconds since 1970.
    """
    for one in set_aside_in(folder):
        # What a crash left of one has more behind a dot.
        until = one.name.removeprefix(_FRONT).partition(".")[0]
        if not until.isdigit() or int(until) <= now:
            shutil.rmtree(one, ignore_errors=True)


def _made_aside(path: Path, now: datetime) -> Path:
    until = int(now.timestamp()) + _KEPT_SECONDS
    aside = path.with_name(f"{_FRONT}{until}.{os.urandom(4).hex()}")
    problem = ""
    try:
        make_private_folder(aside)
        for name in (path.name, f"{path.name}-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(path.with_name(name), aside / name)
                (aside / name).chmod(0o600)
    except OSError as error:
        problem = f"the damaged file cannot be set aside ({error.strerror})"
    else:
        return aside
    shutil.rmtree(aside, ignore_errors=True)
    raise StoreError(path, problem=problem, cure="free some space")


def _remove(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        with suppress(FileNotFoundError):
            path.with_name(name).unlink()


def _swap(fresh: Path, path: Path) -> None:
    # The log first: that of the one file must never be read with the other.
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}{suffix}").unlink()
    fresh.replace(path)


# Reading what is damaged


@define
class _Found:
    """
    What was read of a damaged file, and is not known to be right.

    Attributes:
        lanes: By id, the other columns.

        bodies: By place.

        kinds: Lane, number and what is sealed.

        purposes: By number, what is sealed.

        tables: The rows of the others.

        total: How many records were in the table, if that can be read.

        last_lane: The highest number that a lane ever had, as far as that
            can be read.
    """

    lanes: dict[int, tuple[Any, ...]] = field(factory=dict)
    bodies: dict[int, bytes] = field(factory=dict)
    kinds: list[tuple[int, int, bytes]] = field(factory=list)
    purposes: dict[int, bytes] = field(factory=dict)
    tables: dict[str, list[tuple[Any, ...]]] = field(factory=dict)
    total: int | None = None
    last_lane: int = 0


def _read(path: Path, copy: Path) -> _Found:
    """
    Read whatever can be read.

    Args:
        path: The damaged file.

        copy: Where to put a copy of it while it is read.
    """
    found = _Found()
    try:
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
        _give_head(copy)
        with suppress(sqlite3.Error), closing(sqlite3.connect(copy)) as db:
            db.text_factory = lambda raw: raw.decode(errors="replace")
            with suppress(sqlite3.Error):
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for table in _COPIED:
                found.tables[table] = _rows(db, table)
            for (records,) in _rows(db, "totals", "records"):
                found.total = records if isinstance(records, int) else None
            for name, last in _rows(db, "sqlite_sequence"):
                if name == "lanes" and isinstance(last, int):
                    found.last_lane = last
        _take_rows(found, copy.read_bytes())
    finally:
        _remove(copy)
    return found


def _give_head(copy: Path) -> None:
    """
    Give a file a new first page, if SQLite does not know it for its own.

    All files of ours are made by the same statements, so that what is on the
    first page, where each table begins, is the same in all of them.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(copy)) as db:
        if db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            return
    model = copy.with_name("model")
    database = file_of(model)
    try:
        with database.writing():
            pass
        database.close()
        with copy.open("r+b") as file:
            file.write(model.read_bytes()[:PAGE_BYTES])
    finally:
        database.close()
        _remove(model)


def _rows(
    db: sqlite3.Connection, table: str, columns: str = "*"
) -> list[tuple[Any, ...]]:
    """
    Read a table from both ends, up to what is damaged.
    """
    rows: dict[tuple[Any, ...], None] = {}
    for order in ("ASC", "DESC"):
        try:
            query = f"SELECT {columns} FROM {table} ORDER BY 1 {order}"  # noqa: S608 - names of ours
            for row in db.execute(query):
                rows[row] = None
        except sqlite3.Error:
            continue
        break
    return list(rows)


def _take_rows(found: _Found, data: bytes) -> None:
    for row in rows_in(data):
        match row.is_of_table, row.values:
            case True, (None, bytes(body)):
                found.bodies[row.rowid] = body
            case True, (
                None,
                str(),
                str(),
                str(),
                str(),
                bytes(),
                int(),
            ):
                found.lanes[row.rowid] = row.values[1:]
                found.last_lane = max(found.last_lane, row.rowid)
            case True, (None, bytes(sealed), int(), int()):
                found.purposes[row.rowid] = sealed
            case False, (int(lane), int(number), bytes(sealed)):
                found.kinds.append((lane, number, sealed))
            case False, (str("kek" | "origin"), str()):
                found.tables.setdefault("meta", []).append(row.values)
            case False, (str(), str(), str(token), str()) if len(token) == 64:
                found.tables.setdefault("erasures", []).append(row.values)


# Filling what takes its place


class _Filling:
    """
    A new file, and what goes into it.

    Args:
        db: The file, in a transaction.

        found: What was read of the other one.

        path: Where that is.

        keys: Where the KEK is.

        most: How many records one chunk holds at most.

    Attributes:
        saved: Ids of the records that were saved.

        lost: How many were not, at least.

        first_end: When the first of those that were saved expires, in
            seconds since 1970.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        found: _Found,
        *,
        path: Path,
        keys: KEKPlaces,
        most: int,
    ) -> None:
        self._db = db
        self._path = path
        self._found = found
        self._keys = keys
        self._most = most
        self._lanes: dict[int, Lane] = {}
        self.saved: set[tuple[int, int]] = set()
        self.lost: int = 0
        self.first_end: int = 1 << 62

    def fill(self, journal: Journal) -> None:
        """
        Put in all that is right.
        """
        found = self._found
        for table in _COPIED:
            self._copy(table, found.tables.get(table, ()))
        self._take_lanes()
        for place in sorted(found.bodies):
            self._take(found.bodies[place])
        in_table = len(self.saved)
        self._take_journals(journal)
        if found.total is not None:
            self.lost = max(self.lost, found.total - in_table)
        count(self._db, "unreadable", "", max(1, self.lost))

    def _copy(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        columns = self._db.execute(f"PRAGMA table_info({table})").fetchall()
        types = [_TYPES[column[2]] for column in columns]
        marks = ", ".join("?" * len(columns))
        for row in rows:
            if len(row) != len(types) or not all(map(isinstance, row, types)):
                continue
            if table == "erasures" and not _is_erasure(row):
                continue
            self._db.execute(
                f"INSERT OR IGNORE INTO {table} VALUES ({marks})",  # noqa: S608 - names of ours
                row,
            )

    def _take_lanes(self) -> None:
        found = self._found
        kek = self._kek()
        for number, row in found.lanes.items():
            element, grant, recipient, _, wrapped, _ = row
            if kek is None:
                break
            with suppress(*NOT_OURS):
                self._lanes[number] = kek.unwrap(
                    wrapped,
                    id=number,
                    element=element,
                    grant=grant,
                    recipient=recipient,
                )
                self._db.execute(
                    "INSERT OR IGNORE INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (number, *row),
                )
        # Numbers of lanes that ended are not given again.
        self._db.execute("DELETE FROM sqlite_sequence WHERE name = 'lanes'")
        self._db.execute(
            "INSERT INTO sqlite_sequence VALUES ('lanes', ?)",
            (found.last_lane,),
        )
        for lane, number, sealed in found.kinds:
            if lane in self._lanes:
                self._db.execute(
                    "INSERT OR IGNORE INTO kinds VALUES (?, ?, ?)",
                    (lane, number, sealed),
                )
        for number, sealed in found.purposes.items():
            self._db.execute(
                "INSERT OR IGNORE INTO purposes (number, sealed) "
                "VALUES (?, ?)",
                (number, sealed),
            )

    def _kek(self) -> KEK | None:
        """
        Give the KEK that was in use; of several, the one that opens a lane.

        Raises:
            StoreError: If it cannot be read now, and may be later.
        """
        row = self._db.execute(
            "SELECT value FROM meta WHERE name = 'kek'"
        ).fetchone()
        named = [] if row is None else [str(row[0])]
        others = sorted(self._keys.ids() - set(named))
        for kek_id in (*named, *others):
            try:
                kek = self._keys.load(kek_id)
            except DamagedError:
                continue
            if self._is_opened_by(kek):
                self._db.execute(
                    "INSERT OR REPLACE INTO meta VALUES ('kek', ?)", (kek_id,)
                )
                return kek
        if not self._found.lanes and not self._found.purposes:
            return None
        # All is lost only as long as the key is not put back.
        raise StoreError(
            self._path,
            problem="the key of the outbox is missing, or another one",
            cure="restore the file and its key folder together, or move both "
            "away to start anew",
        )

    def _is_opened_by(self, kek: KEK) -> bool:
        """
        Tell whether anything that was found is sealed with a KEK.
        """
        found = self._found
        return any(map(kek.opens, found.lanes.values())) or any(
            is_of(kek, number, sealed)
            for number, sealed in found.purposes.items()
        )

    def _take(self, body: bytes) -> int:
        """
        Take over what is right in a body; give up to where it was read.
        """
        kept: list[bytes] = []
        of = end = 0
        for start, stop, number in entries_in(
            body, last_lane=self._found.last_lane, most_bytes=len(body)
        ):
            end = stop
            lane = self._lanes.get(number)
            raw = body[start:stop]
            opened = lane.open_all(raw) if lane is not None else []
            if not opened:
                continue  # its lane has ended
            row = opened[0]
            if not row.plain:
                self.lost += 1
                continue
            if (row.high, row.low) in self.saved:
                continue
            if number != of:
                self._put(of, kept)
                kept, of = [], number
            self.saved.add((row.high, row.low))
            self.first_end = min(self.first_end, row.expires // 1000)
            kept.append(raw)
        self._put(of, kept)
        return end

    def _put(self, lane: int, raw: list[bytes]) -> None:
        if raw:
            chunks.insert(self._db, lane, raw, self._most)

    def _take_journals(self, journal: Journal) -> None:
        row = self._db.execute(
            "SELECT value FROM meta WHERE name = 'origin'"
        ).fetchone()
        origin = journal.newest_origin() if row is None else str(row[0])
        if not origin:
            return
        self._db.execute(
            "INSERT OR REPLACE INTO meta VALUES ('origin', ?)", (origin,)
        )
        journal.belong(origin)
        done = dict(self._db.execute("SELECT name, done FROM journals"))
        for part in journal.parts(done):
            end = self._take(part.body)
            end = part.done + (end if part.is_live else len(part.body))
            self._db.execute(
                "INSERT OR REPLACE INTO journals VALUES (?, ?)",
                (part.name, end),
            )


def _is_erasure(row: tuple[Any, ...]) -> bool:
    with suppress(ValueError):
        bytes.fromhex(row[2])
        datetime.fromisoformat(row[3])
        return True
    return False
