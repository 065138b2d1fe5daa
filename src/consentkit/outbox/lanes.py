# SPDX-License-Identifier: MIT
"""
The lanes of an outbox: opened with the key that wraps them, and with what
opens in turn, the kinds and the rows.
"""

from __future__ import annotations

import itertools
import json
import os

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Final

from attrs import define, field, frozen
from cryptography.exceptions import InvalidTag

from consentkit._sqlite import CorruptError
from consentkit.exceptions import StoreError
from consentkit.gate import Permit
from consentkit.outbox import chunks
from consentkit.outbox.chunks import Chunk
from consentkit.outbox.kekplaces import KEKPlaces
from consentkit.outbox.keys import KEK, SEAL_BYTES, Lane, make_lane
from consentkit.outbox.records import Record
from consentkit.outbox.rows import HEADER, Row, Rows, encode, id_text
from consentkit.typing import JSON


__all__ = [
    "ALL_LANES",
    "NOT_OURS",
    "Lanes",
    "OpenLane",
    "OpenLanes",
    "ReadLane",
    "damaged",
    "readable",
    "rests_on",
]

#: How many lanes are kept open; an app that serves many has one a person.
_MOST_LANES: Final = 4096

#: And how many kinds of records of each.
_MOST_KINDS: Final = 1024

#: What a sealed value that was damaged on disk raises, whatever SQLite made
#: of its type.
NOT_OURS: Final = (InvalidTag, TypeError, ValueError)

#: What `Lanes.unwrap` opens.
ALL_LANES: Final = (
    "SELECT id, element, grant_hash, recipient, wrapped FROM lanes"
)


@frozen
class ReadLane:
    """
    A lane whose records are read.

    Attributes:
        lane: Its keys.

        kinds: What records of one kind share, by its number.
    """

    lane: Lane
    kinds: Mapping[int, Mapping[str, JSON]]


def rests_on(held: str, grants: frozenset[str]) -> bool:
    """
    Tell whether what is held under some grants rests on one of *grants*.

    Args:
        held: The grants of a lane, as a permit names them.

        grants: Hashes of grants.
    """
    return not grants.isdisjoint(held.split())


@define(eq=False)
class OpenLane:
    """
    A lane that this process keeps records in.

    Its ids follow one another, which makes them short on the wire; where they
    begin is random, and another one in each lane, so that nobody can join
    what went to two recipients.

    Attributes:
        lane: Its keys.

        numbers: What stands in front of a value, by its kind as JSON.

        purposes: Numbers of the purposes that it keeps records for.

        era: When it was opened.
    """

    lane: Lane
    numbers: dict[str, bytes] = field(factory=dict)
    purposes: dict[str, int] = field(factory=dict)
    era: object = None
    _mark: int = field(init=False)
    _lows: Iterator[int] = field(init=False)

    @_mark.default
    def _version_and_random(self) -> int:
        return 0x7000 | int.from_bytes(os.urandom(2), "big") & 0xFFF

    @_lows.default
    def _from_a_random_start(self) -> Iterator[int]:
        start = int.from_bytes(os.urandom(8), "big") & ((1 << 61) - 1)
        return itertools.count(0b10 << 62 | start)

    def entry(
        self, plain: bytes, time: int, expires: int, given: str = ""
    ) -> tuple[str, bytes]:
        """
        Seal a row; give its id and the entry, or nothing if that cannot be
        done.

        Args:
            plain: The row.

            time: When it was captured, in milliseconds since 1970.

            expires: Its end, and its purpose, as `tagged` joins them.

            given: An id that it has already.
        """
        if given:
            number = int(given.replace("-", ""), 16)
            high, low = number >> 64, number & ((1 << 64) - 1)
        else:
            high, low = time << 16 | self._mark, next(self._lows)
        lane = self.lane
        size = len(plain) + SEAL_BYTES
        header = HEADER.pack(size, lane.id, high, low, expires)
        try:
            entry = header + lane.seal(plain, header)
        except Exception:  # noqa: BLE001 - its frames hold the value
            return "", b""
        return id_text(high, low), entry


class OpenLanes:
    """
    The lanes that this process keeps records in, by grant and recipient.

    An era ends when any of them may have ended.
    """

    def __init__(self) -> None:
        self.era: object = object()
        self._open: dict[tuple[str, str], OpenLane] = {}

    def of(self, permit: Permit) -> OpenLane | None:
        """
        Give the lane of *permit*, if it is open.
        """
        return self._open.get((permit.grant, permit.recipient))

    def open(self, permit: Permit, lane: Lane) -> OpenLane:
        """
        Give the lane of *permit*, opened if need be.
        """
        key = permit.grant, permit.recipient
        known = self._open.get(key)
        if known is None or known.lane is not lane:
            if len(self._open) >= _MOST_LANES:
                self._open = {}
            known = OpenLane(lane, era=self.era)
            self._open[key] = known
        return known

    def end_era(self) -> None:
        """
        Close all of them.
        """
        self.era, self._open = object(), {}


class Lanes:
    """
    The lanes of one outbox.

    Args:
        path: Its file.

        keys: Where the keys are that wrap them.
    """

    def __init__(self, path: Path, keys: KEKPlaces) -> None:
        self._path = path
        self._keys = keys
        self._kek: KEK | None = None
        #: Those that were opened, by what they were opened from: another
        #: file may have another lane under the same id.
        self._opened: dict[bytes, Lane] = {}

    def __len__(self) -> int:
        return len(self._opened)

    def close(self) -> None:
        """
        Forget the keys.
        """
        self._kek = None
        self._opened.clear()

    def known(self, db: Connection, permit: Permit) -> Lane | None:
        """
        Give the lane of *permit*, if it was opened and has not ended.
        """
        row = _row(db, permit.grant, permit.recipient)
        return None if row is None else self._opened.get(row[4])

    def of(self, db: Connection, permit: Permit) -> Lane | None:
        """
        Give the lane of *permit*, made if need be.

        Args:
            db: The file, in a transaction for writing.

            permit: What records are kept under.

        Returns:
            ``None`` if its grant has ended.
        """
        row = _row(db, permit.grant, permit.recipient)
        if row is not None:
            known = self._opened.get(row[4])
            if known is None:
                known = self.unwrap(self.load_kek(db), row)
                if len(self._opened) >= _MOST_LANES:
                    self._opened.clear()
                self._opened[row[4]] = known
            return known
        barred = any(
            db.execute(
                "SELECT 1 FROM ended WHERE grant_hash = ?", (grant,)
            ).fetchone()
            for grant in permit.grant.split()
        )
        return None if barred else self._make(db, permit)

    def _make(self, db: Connection, permit: Permit) -> Lane:
        fresh = make_lane(
            element=permit.element,
            grant=permit.grant,
            recipient=permit.recipient,
        )
        kek = self.load_kek(db)
        db.execute(
            "INSERT INTO lanes "
            "(element, grant_hash, recipient, subject, wrapped) "
            "VALUES (?, ?, ?, ?, ?)",
            (
                fresh.element,
                fresh.grant,
                fresh.recipient,
                permit.entry.subject,
                kek.wrap(fresh),
            ),
        )
        row = db.execute(
            f"{ALL_LANES} WHERE id = last_insert_rowid()"
        ).fetchone()
        return self.unwrap(kek, row)

    def held(self, db: Connection, grant: str, recipient: str) -> Lane | None:
        """
        Open the lane of a grant and a recipient, if it has not ended.
        """
        row = _row(db, grant, recipient)
        return None if row is None else self.unwrap(self.load_kek(db), row)

    def readable(self, db: Connection, number: int) -> ReadLane | None:
        """
        Open a lane to read its records, if it has not ended.

        Args:
            db: The file.

            number: Its id.
        """
        row = db.execute(f"{ALL_LANES} WHERE id = ?", (number,)).fetchone()
        if row is None:
            return None
        lane = self.unwrap(self.load_kek(db), row)
        return ReadLane(lane, self.kinds(db, lane, consent=lane.grant))

    def forget(self, wrapped: bytes) -> None:
        """
        Forget the keys of a lane that ends.

        Args:
            wrapped: What it was opened from.
        """
        self._opened.pop(wrapped, None)

    # The key that wraps them

    def load_kek(self, db: Connection) -> KEK:
        """
        Give the key that wraps lanes, made if there is none.
        """
        row = _kek_row(db)
        if row is None:
            self._kek = self._keys.make()
            db.execute("INSERT INTO meta VALUES ('kek', ?)", (self._kek.id,))
        elif self._kek is None or self._kek.id != row[0]:
            self._opened.clear()
            self._kek = self._keys.load(row[0])
        return self._kek

    def kek_to_go(self, db: Connection) -> KEK | None:
        """
        Give the KEK that is to go, or ``None`` if there is none to be had.

        Without it the lanes are unreadable already; ending them must not
        fail for that.
        """
        row = _kek_row(db)
        if row is None:
            return None
        if self._kek is not None and self._kek.id == row[0]:
            return self._kek
        with suppress(StoreError):
            return self._keys.load(row[0], is_to_go=True)
        return None

    def unwrap(self, kek: KEK, row: Any) -> Lane:
        """
        Open a lane.

        Args:
            kek: What wraps it.

            row: Its id, element, grant, recipient and wrapped keys.

        Raises:
            DamagedError: If that cannot be done.
        """
        lane, element, grant, recipient, wrapped = row
        try:
            return kek.unwrap(
                wrapped,
                id=lane,
                element=element,
                grant=grant,
                recipient=recipient,
            )
        except NOT_OURS:
            pass
        problem = "the keys of a grant cannot be opened"
        raise damaged(self._path, problem)

    # What is in them

    def number(
        self, db: Connection, opened: OpenLane, kind: Mapping[str, JSON]
    ) -> bytes:
        """
        Give what stands in front of values of *kind*; nothing if it cannot
        be written.

        Args:
            db: The file, in a transaction for writing.

            opened: The lane.

            kind: What they share.
        """
        text = encode(kind)
        known = opened.numbers.get(text)
        if known is not None:
            return known
        lane = opened.lane
        there = self.kinds(db, lane, consent="")
        number = next(
            (n for n, it in there.items() if it == {**kind, "consent": ""}), 0
        )
        if not number:
            (last,) = db.execute(
                "SELECT COALESCE(MAX(number), 0) FROM kinds WHERE lane = ?",
                (lane.id,),
            ).fetchone()
            number = last + 1
            try:
                sealed = lane.seal(text.encode(), _beside(number))
            except Exception:  # noqa: BLE001 - of a value that is on its way
                return b""
            db.execute(
                "INSERT INTO kinds VALUES (?, ?, ?)",
                (lane.id, number, sealed),
            )
        made = b"%d," % number
        if len(opened.numbers) < _MOST_KINDS:
            opened.numbers[text] = made
        return made

    def kinds(
        self, db: Connection, lane: Lane, *, consent: str
    ) -> dict[int, dict[str, JSON]]:
        """
        Open the kinds of a lane.

        Args:
            db: The file.

            lane: Whose.

            consent: What stands for the ledger's entry in its records.
        """
        found = {}
        for number, sealed in db.execute(
            "SELECT number, sealed FROM kinds WHERE lane = ?", (lane.id,)
        ).fetchall():
            try:
                text = lane.open(sealed, _beside(number))
                found[number] = {**json.loads(text), "consent": consent}
            except NOT_OURS:
                continue  # it is damaged, and what is of it too
            except Exception:  # noqa: BLE001 - nobody can tell now
                break
        else:
            return found
        raise self._not_now()

    def opened(self, lane: Lane, body: bytes, after: int = 0) -> list[Row]:
        """
        Open the entries of a body: see `Lane.open_all`.

        Raises:
            StoreError: If nobody can tell now; then they wait on.
        """
        with suppress(Exception):  # its frames hold values
            return lane.open_all(body, after)
        raise self._not_now()

    def records(self, lane: ReadLane, rows: list[Row]) -> tuple[Record, ...]:
        """
        Read records.

        Raises:
            StoreError: If they cannot be read now.
        """
        with suppress(ValueError):
            return tuple(Rows(rows, lane.kinds, lane.lane.recipient))
        raise self._not_now()

    def _not_now(self) -> StoreError:
        return StoreError(
            self._path,
            problem="a record cannot be opened now",
            cure="try again, with more memory",
        )

    def each(
        self, db: Connection
    ) -> Iterator[tuple[ReadLane, Chunk, list[Row]]]:
        """
        Open all chunks, oldest first.
        """
        held: dict[int, ReadLane | None] = {}
        for (number,) in db.execute("SELECT id FROM lanes").fetchall():
            held[number] = self.readable(db, number)
        for chunk in chunks.each(db):
            lane = held.get(chunk.lane)
            if lane is not None:
                yield lane, chunk, self.rows(lane, chunk.body)

    def rows(self, lane: ReadLane, body: bytes) -> list[Row]:
        """
        Open the entries of a lane; one that is damaged is left out.
        """
        return readable(self.opened(lane.lane, body), lane.kinds)


def readable(rows: Iterable[Row], kinds: Iterable[int]) -> list[Row]:
    """
    Give the rows that are of some kind, which one that is damaged is not.

    Args:
        rows: As `Lanes.opened` gives them.

        kinds: Their numbers.
    """
    fronts = tuple(b"%d," % number for number in kinds)
    return [row for row in rows if row.plain.startswith(fronts)]


def damaged(path: Path, problem: str) -> CorruptError:
    """
    Say that an outbox is damaged.
    """
    return CorruptError(
        path,
        problem=problem,
        cure="restore the file and its key folder together, or move "
        "both away to start anew",
    )


def _row(db: Connection, grant: str, recipient: str) -> Any:
    return db.execute(
        f"{ALL_LANES} WHERE grant_hash = ? AND recipient = ?",
        (grant, recipient),
    ).fetchone()


def _kek_row(db: Connection) -> Any:
    return db.execute("SELECT value FROM meta WHERE name = 'kek'").fetchone()


def _beside(number: int) -> bytes:
    return b"kind %d" % number
