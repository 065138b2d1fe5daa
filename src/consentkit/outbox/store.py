# SPDX-License-Identifier: MIT
"""
The outbox on disk: sealed records that wait, in one SQLite file, and in the
journals in front of it.

Records are kept and taken out lane by lane, oldest first. Everything that
must be true together is one transaction: what is in a journal comes into the
table only while its lane exists, and a withdrawal ends the lane and bars its
grant for ever, so that nothing that a process kept after it ever goes out.

Here is what an app's kit asks of it, and each transaction. What is done
inside of them is said elsewhere: `schema` has the file, `lanes` the keys,
`journal` and `intake` the way into it, `room` the bounds, `reserve` what
waits in memory, `leases` what is on its way, `expiry` and `ending` what is
destroyed, `status` what is told.
"""

from __future__ import annotations

import functools
import logging
import sqlite3

from collections import Counter
from collections.abc import (
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final, ParamSpec, TypeVar

from consentkit._filelock import FileLock
from consentkit._fork import watch_forks
from consentkit._sqlite import (
    CorruptError,
    waiting_at_most,
)
from consentkit.consent.results import Destroyed
from consentkit.exceptions import DamagedError, StoreError, UnwritableError
from consentkit.gate import Permit, Reason
from consentkit.limits import Limits
from consentkit.outbox import drops, ending, expiry, leases
from consentkit.outbox.chunks import Fresh
from consentkit.outbox.clock import Meta, SeenClock
from consentkit.outbox.counts import count, lose
from consentkit.outbox.draft import Draft
from consentkit.outbox.drops import Drops
from consentkit.outbox.ending import Endings
from consentkit.outbox.intake import Intake
from consentkit.outbox.journal import Journal
from consentkit.outbox.kekplaces import KEKPlaces
from consentkit.outbox.keys import Lane
from consentkit.outbox.lanes import Lanes, OpenLane, OpenLanes
from consentkit.outbox.places import Places
from consentkit.outbox.purposes import Purposes
from consentkit.outbox.reads import Reads
from consentkit.outbox.records import Batch, Erasure, Record
from consentkit.outbox.reserve import Lost, Reserve
from consentkit.outbox.room import OVERHEAD, Full, Room
from consentkit.outbox.rows import encode, milliseconds, tagged
from consentkit.outbox.salvage import (
    LOCK,
    drop_aside,
    salvage,
    set_aside_in,
)
from consentkit.outbox.schema import file_of
from consentkit.outbox.status import LaneStatus, OutboxStatus, lanes_waiting
from consentkit.outbox.tally import Tally


__all__ = ["OutboxStore"]

_P = ParamSpec("_P")
T = TypeVar("T")

logger: logging.Logger = logging.getLogger("consentkit")

# How often a capture, or a batch, waits for the disk at most.
_RARELY_SECONDS: Final = 1.0

#: Of how many lanes it is remembered that a batch went out.
_MOST_ATTEMPTED: Final = 4096

# How long an end waits for another process, to save what is in memory.
_CLOSE_SECONDS: Final = 0.1

# How long a salvage waits for another process that is at it, and how often
# one is tried.
_MEND_SECONDS: Final = 10.0
_MENDED_FOR_SECONDS: Final = 60.0

# How often captures look for what has expired; a delivery always does.
_TIDY_SECONDS: Final = 10.0

# How long a file is believed to be the one that it was.
_LOOK_SECONDS: Final = 0.05


def _mending(method: Callable[_P, T]) -> Callable[_P, T]:
    """
    Let a method of `OutboxStore` be done again once what is intact of a
    damaged outbox was saved.
    """

    @functools.wraps(method)
    def done(*args: _P.args, **kwargs: _P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except DamagedError as error:
            problem: Exception = error
        except (AttributeError, TypeError, ValueError) as error:
            # What stands in a damaged file may be of any type.
            problem = error
        store: Any = args[0]
        if store._is_mended(problem):  # noqa: SLF001 - of this class
            return method(*args, **kwargs)
        raise problem

    return done


class OutboxStore:
    """
    The records, lanes and erasure requests of one data folder.

    No file is made before the first record is kept, or something is read
    that needs a key or a memory.
    """

    def __init__(self, path: Path, *, keys: Path, limits: Limits) -> None:
        self.path = path
        self._db = file_of(path)
        self._journal = Journal(
            path.with_name("captured"), waits=limits.outlives == "power_cut"
        )
        self._intake = Intake(self._journal, record_bytes=limits.record_bytes)
        self._keys = KEKPlaces(keys)
        self._lanes = Lanes(path, self._keys)
        self._open = OpenLanes()
        self._limits = limits
        self._purposes = Purposes(kek=self._lanes.load_kek)
        self._room = Room(
            path,
            limits=limits,
            purposes=self._purposes,
            lost=_note_evicted,
        )
        #: How often the log was found cut short, as far as it is counted.
        self._cuts = 0
        #: How many records this process was given to keep so far.
        self.captured: int = 0
        self._looked = 0.0
        self._waited = -_RARELY_SECONDS
        #: Grant and recipient of lanes of which it is on the disk that a
        #: batch went out.
        self._attempted: set[tuple[str, str]] = set()
        self._tidied = -_TIDY_SECONDS
        self._folded = -_RARELY_SECONDS
        self._mended = -_MENDED_FOR_SECONDS
        #: Grants that have ended, which the disk did not take.
        self._due: frozenset[str] = frozenset()
        #: Whether what the outbox is opened with, its key and its lanes, is
        #: in the file itself, and not in its log alone.
        self._is_folded = True
        self._clock = SeenClock()
        self._reserve = Reserve(limits)
        #: When what has a frequency was read last.
        self.reads: Reads = Reads(self._db)
        #: What was dropped and is still to be told.
        self.drops: Drops = Drops(self._db)
        #: In which cell everybody was last.
        self.places: Places = Places(
            self._db, lane=self._lanes.of, kek=self._lanes.load_kek
        )
        self._endings = Endings(
            self._db,
            lanes=self._lanes,
            keys=self._keys,
            places=self.places,
            purposes=self._purposes,
            fold=lambda: self._fold(fully=True),
        )
        #: How often everything was obtained, in a file of its own.
        self.tally: Tally = Tally(path.with_name("tally.sqlite3"))
        watch_forks(self)

    def before_fork(self) -> None:
        """
        Do nothing: what is shared looks after itself.
        """

    def after_fork(self, *, in_child: bool) -> None:
        """
        Let a child have ids and a journal of its own.
        """
        if in_child:
            # Not by the journal's lock, which another thread may have held.
            self._room.leave()
            self._open.end_era()

    def _end_era(self) -> None:
        self._open.end_era()
        self._call_in()

    def _call_in(self) -> None:
        """
        Let nothing go into the journal before the outbox is measured.
        """
        self._room.records = self._room.bytes = 0
        self._journal.call_in(self._room.allowances.values())

    def exists(self) -> bool:
        """
        Tell whether anything was ever kept, without opening the file.
        """
        return self._db.exists()

    def close(self) -> None:
        """
        Close the file and forget the keys.
        """
        with suppress(StoreError), waiting_at_most(_CLOSE_SECONDS):
            self.recover()
        if self._room.has_reserved:
            with suppress(StoreError), waiting_at_most(_CLOSE_SECONDS):
                self._give_back()
        if self._db.generation and self._intake.is_spent:
            with suppress(StoreError), waiting_at_most(_CLOSE_SECONDS):
                self._fold()
        if self._reserve:
            logger.warning(
                "%s: %d records that the disk did not take are lost",
                self.path,
                len(self._reserve),
            )
        self._end_era()
        self._journal.close()
        self._db.close()
        self.tally.close()
        self._lanes.close()

    def _give_back(self) -> None:
        self._call_in()
        with self._db.writing(is_hurried=True) as db:
            self._room.release(db)

    # Keeping

    @_mending
    def lane(self, permit: Permit) -> Lane | None:
        """
        Give the lane of *permit*, made if need be.

        Returns:
            ``None`` if its grant has ended.
        """
        # A look is enough for one that is open and has not ended.
        if self._lanes and self.exists():
            with self._db.reading() as db:
                known = self._lanes.known(db, permit)
            if known is not None:
                return known
        with self._db.writing() as db:
            return self._lanes.of(db, permit)

    def append(
        self,
        lane: OpenLane,
        plain: bytes,
        *,
        time: int,
        expires: int,
        purpose: str,
    ) -> str | None:
        """
        Keep one row at the least cost: one system call.

        Args:
            lane: What `opened` gave.

            plain: Number of its kind, a comma, and the value as JSON.

            time: When it was captured, in milliseconds since 1970.

            expires: Its end, and the number that *lane* has for *purpose*,
                as `consentkit.outbox.rows.tagged` joins them.

            purpose: What it is kept for.

        Returns:
            The record's id; or ``None`` where only `keep` can tell.
        """
        room = self._room
        own = room.allowances.get(purpose) if room.allowances else None
        left = room.bytes - len(plain) - OVERHEAD
        if (
            (room.records if own is None else own.left) < 1
            or left < 0
            or len(plain) > self._limits.record_bytes
            or not self._is_of_now(lane)
        ):
            return None
        made, entry = lane.entry(plain, time, expires)
        if not entry:
            return None
        try:
            if own is None:
                self._journal.append(entry)
                room.records -= 1
            elif not self._journal.append(entry, own):
                return None
        except UnwritableError:
            self._call_in()
            return None
        room.bytes = left
        self.captured += 1
        return made

    def opened(self, permit: Permit) -> OpenLane | None:
        """
        Give the lane of *permit*, if this process keeps records in it now.
        """
        return self._open.of(permit)

    def _is_of_now(self, lane: OpenLane) -> bool:
        """
        Tell whether *lane* was opened in this file, by this process.
        """
        if lane.era is not self._open.era:
            return False
        now = monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return True
        self._looked = now
        # Somebody may have put another file in its place.
        if self._db.is_same() and not self._journal.is_lost():
            return True
        self._journal.begin_anew()
        self._end_era()
        return False

    @_mending
    def keep(
        self, drafts: Sequence[Draft], *, now: datetime
    ) -> tuple[str | Reason | Full, ...]:
        """
        Keep records, all or none.

        They outlive a crash of this process, and a power cut once the disk
        has them. Records whose retention is over go at the same occasion.

        Args:
            drafts: What is to be kept.

            now: When.

        Returns:
            For each, in order, the id that it has now, or why it was not
            kept.

        Raises:
            StoreError: If the outbox cannot be used; then none is kept.
        """
        if not drafts:
            return ()
        self.captured += len(drafts)
        can_wait = not any(draft.news for draft in drafts)
        if can_wait and self._reserve.is_waiting:
            return self._reserve.keep(drafts)
        problem = None
        try:
            return self._kept(drafts, now)
        except UnwritableError as error:
            problem = error
        if not can_wait:
            # Whether it is a new place only the disk knows.
            raise problem
        on_disk = None if self._reserve else self._on_disk()
        return self._reserve.keep(drafts, problem, on_disk=on_disk)

    def _on_disk(self) -> Mapping[str, int]:
        """
        Tell how many records wait there for each purpose with a bound, as
        far as that can be told.
        """
        if self._limits.purposes and self._db.is_same():
            with suppress(StoreError), self._db.reading() as db:
                pending = Counter(
                    entry.purpose
                    for entries in self._intake.pending(db).values()
                    for entry in entries
                )
                return self._room.waiting(db, pending)
        return {}

    def _kept(
        self, drafts: Sequence[Draft], now: datetime
    ) -> tuple[str | Reason | Full, ...]:
        quick = self._appended(drafts)
        if quick is not None:
            return quick
        if self._due:
            with suppress(StoreError):
                self.destroy(self._due, now=now)
        if monotonic() - self._tidied >= _TIDY_SECONDS:
            self._tidied = monotonic()
            self.expire(now)
        # What was appended since has not waited for the disk, either.
        begun = monotonic()
        is_hurried = (
            self._limits.outlives == "crash"
            and begun - self._waited < _RARELY_SECONDS
        )
        with self._moving(is_hurried=is_hurried, keeps=True) as (db, waiting):
            self._clock.begin(Meta(db), int(now.timestamp()))
            told = tuple(self._keep(db, draft, waiting) for draft in drafts)
            waiting.insert(db, self._limits.batch_records)
            self._room.measure(db, {d.permit.purpose for d in drafts})
        if not is_hurried:
            self._waited = begun
        return told

    def _appended(self, drafts: Sequence[Draft]) -> tuple[str, ...] | None:
        """
        Keep *drafts* in the journal, if nothing about them is open.
        """
        limits = self._limits
        rows = []
        for draft in drafts:
            lane = self.opened(draft.permit)
            number = lane and lane.numbers.get(encode(draft.kind))
            if lane is None or not number or draft.news or draft.id:
                return None
            plain = draft.plain(number)
            if not draft.text or len(plain) > limits.record_bytes:
                return None
            rows.append((lane, plain, draft))
        room = self._room
        size = sum(len(plain) + OVERHEAD for _, plain, _ in rows)
        own = [
            room.allowances[draft.permit.purpose]
            for draft in drafts
            if draft.permit.purpose in room.allowances
        ]
        others = len(rows) - len(own)
        if (
            room.records < others
            or room.bytes < size
            or not all(self._is_of_now(lane) for lane, _, _ in rows)
        ):
            return None
        made = [
            lane.entry(
                plain,
                draft.time,
                tagged(draft.expires, lane.purposes[draft.permit.purpose]),
            )
            for lane, plain, draft in rows
        ]
        if not all(entry for _, entry in made):
            return None
        joined = b"".join(entry for _, entry in made)
        if not self._journal.append(joined, *own):
            return None
        room.records -= others
        room.bytes -= size
        return tuple(name for name, _ in made)

    def _keep(
        self,
        db: sqlite3.Connection,
        draft: Draft,
        fresh: Fresh,
    ) -> str | Reason | Full:
        permit = draft.permit
        lane = self._lanes.of(db, permit)
        if lane is None:
            return Reason.CONSENT_CHANGED
        if self._open.of(permit) is None:
            self._is_folded = False  # it may have been made just now
        opened = self._open.open(permit, lane)
        # Before the kind, which others take for the sign that both are there.
        if permit.purpose not in opened.purposes:
            opened.purposes[permit.purpose] = self._purposes.number(
                db, permit.purpose
            )
        number = self._lanes.number(db, opened, draft.kind)
        plain = draft.plain(number)
        at = draft.time // 1000
        full: Full | None = Full("it cannot be written")
        if len(plain) > self._limits.record_bytes:
            full = Full(f"Limits.record_bytes is {self._limits.record_bytes}")
        elif draft.text and number:
            full = self._room.make(
                db, permit.purpose, len(plain), fresh, at=at
            )
        if full is not None:
            lose(db, "outbox_full", lane, 1, at=at)
            return full
        if draft.news and not self.places.is_news(
            db, permit, lane, draft.news
        ):
            return Reason.NO_VALUE
        expires = tagged(draft.expires, opened.purposes[permit.purpose])
        made, entry = opened.entry(plain, draft.time, expires, draft.id)
        if not entry:
            lose(db, "outbox_full", lane, 1, at=at)
            return Full("it cannot be written")
        if (
            draft.id
            and not db.execute(
                "INSERT OR IGNORE INTO promoted VALUES (?, ?)",
                (draft.id, draft.expires),
            ).rowcount
        ):
            return made  # it was kept before a crash
        fresh.add(lane.id, [entry])
        return made

    @contextmanager
    def _changing(
        self, *, is_hurried: bool = False
    ) -> Generator[sqlite3.Connection]:
        """
        Begin a transaction for which nothing is in a journal any more.

        Args:
            is_hurried: As of `consentkit._sqlite.Database.writing`.
        """
        with self._moving(is_hurried=is_hurried) as (db, waiting):
            waiting.insert(db, self._limits.batch_records)
            yield db

    @contextmanager
    def _moving(
        self, *, is_hurried: bool = False, keeps: bool = False
    ) -> Generator[tuple[sqlite3.Connection, Fresh]]:
        """
        Begin a transaction to which all that is in a journal, or in memory,
        is given; what of it is not inserted before its end is then.

        Args:
            is_hurried: As of `consentkit._sqlite.Database.writing`.

            keeps: Whether something is to be kept in it.
        """
        try:
            with self._db.writing(is_hurried=is_hurried) as db:
                if keeps or self._reserve:
                    # What was allowed is in the journal now, or never comes.
                    self._call_in()
                cuts = self._count_cuts(db)
                moved, waiting = self._intake.gather(db)
                back = self._take_back(db, waiting)
                yield db, waiting
                waiting.insert(db, self._limits.batch_records)
        except BaseException:
            # What was numbered, and reserved, may be in no table.
            self._end_era()
            raise
        if cuts != self._cuts:
            self._cuts = cuts
            logger.warning(
                "%s: the end of its log was damaged; records may be missing",
                self.path,
            )
        self._intake.leave(moved)
        self._reserve.let_go(*back)
        self._fold_now_and_then()

    def _fold_now_and_then(self) -> None:
        """
        See that damage to the log cannot take much, and that journals go.
        """
        now = monotonic()
        is_due = self._intake.is_spent or not self._is_folded
        if is_due and now - self._folded >= _RARELY_SECONDS:
            self._folded = now
            with suppress(StoreError):
                self._is_folded = self._fold()

    def _fold(self, *, fully: bool = False) -> bool:
        """
        Fold the log, and delete the journals that it makes up for no more.

        Args:
            fully: Whether to empty it too, so that nothing that was deleted
                stays in it.

        Returns:
            Whether all of it was folded.
        """
        with self._db.reading() as db:
            done = self._intake.done(db)
        is_done = self._db.checkpoint() if fully else self._db.fold()
        if is_done:
            self._intake.delete(done)
        return is_done

    def _count_cuts(self, db: sqlite3.Connection) -> int:
        """
        Count how often the log was found cut short since the last time; it
        is counted once this is committed.
        """
        cuts = self._db.cuts
        count(db, "unreadable", "", cuts - self._cuts)
        return cuts

    def _take_back(
        self, db: sqlite3.Connection, waiting: Fresh
    ) -> tuple[tuple[Draft, ...], Counter[Lost]]:
        """
        Take what waits in memory to the rest, since the disk takes it now.

        Returns:
            What `Reserve.let_go` is told after the commit.
        """
        drafts, counted = self._reserve.drafts(), self._reserve.counted()
        for draft in drafts:
            if self._keep(db, draft, waiting) is Reason.CONSENT_CHANGED:
                count(db, "withdrawn", draft.permit.element, 1)
        for lost, number in counted.items():
            count(db, lost.reason, lost.element, number)
            row = db.execute(
                "SELECT id FROM lanes WHERE grant_hash = ? AND recipient = ?",
                (lost.grant, lost.recipient),
            ).fetchone()
            if row is not None:
                drops.note(db, row[0], lost.reason, number, at=lost.hour)
        return drafts, counted

    @property
    def trouble(self) -> str:
        """
        Why the disk took nothing when it was tried last.
        """
        return self._reserve.problem

    def is_in_memory(self, ids: Iterable[str]) -> bool:
        """
        Tell whether any of *ids* is only there, since the disk takes nothing.
        """
        return bool(self._reserve) and any(i in self._reserve for i in ids)

    @_mending
    def recover(self) -> None:
        """
        Put what waits in memory on the disk, and end what was to end, if it
        takes that again.

        Raises:
            StoreError: If it does not.
        """
        if self._reserve:
            with self._changing():
                pass
        if self._due:
            self.destroy(self._due, now=datetime.now(UTC))

    # Delivering

    @_mending
    def has_work(self) -> bool:
        """
        Tell whether anything waits, at little cost.
        """
        if self._reserve or self._due:
            return True
        if not self.exists():
            return False
        with self._db.reading() as db:
            row = db.execute(
                "SELECT 1 FROM chunks UNION ALL SELECT 1 FROM erasures LIMIT 1"
            ).fetchone()
            return row is not None or self._intake.waiting_bytes(db) > 0

    @_mending
    def lanes(self) -> tuple[LaneStatus, ...]:
        """
        List the lanes that have records waiting, oldest record first.
        """
        if not self.exists():
            return ()
        with self._db.reading() as db:
            return lanes_waiting(db, self._intake, self.path)

    @_mending
    def claim(
        self, lane: LaneStatus, *, most: int, now: datetime
    ) -> Batch | None:
        """
        Take the oldest batch of *lane* for sending.

        A batch that was sent before and not settled comes again with the
        same id and the same records, but for those whose retention is over.

        Returns:
            ``None`` if the lane has ended or is empty.
        """
        named = lane.grant, lane.recipient
        begun = monotonic()
        # That a first batch goes out must be known after a power cut too:
        # then a withdrawal asks for its erasure.
        is_hurried = (
            named in self._attempted and begun - self._waited < _RARELY_SECONDS
        )
        with self._changing(is_hurried=is_hurried) as db:
            held = self._lanes.held(db, lane.grant, lane.recipient)
            if held is None:
                return None
            # What was captured is in the table now, so that captures need
            # not stop for that.
            self._room.refill(db)
            batch = leases.claim(
                db, self.path, self._lanes, held, most=most, now=now
            )
        if batch is not None and not is_hurried:
            self._waited = begun
            if len(self._attempted) >= _MOST_ATTEMPTED:
                self._attempted.clear()
            self._attempted.add(named)
        return batch

    @_mending
    def is_live(self, batch: Batch) -> bool:
        """
        Tell whether *batch* may still go out: its lane has not ended.
        """
        with self._db.reading() as db:
            return leases.is_live(db, batch)

    @_mending
    def settle(
        self,
        batch: Batch,
        *,
        element: str,
        done: Mapping[str, str] | str,
        now: datetime,
    ) -> None:
        """
        Note what became of *batch*.

        Args:
            batch: What `claim` gave.

            element: What it belongs to, for the counts.

            done: The reason under which all of it is counted and taken out;
                or that by record id, and a record that is not named waits
                on.

            now: When.
        """
        at = int(now.timestamp())
        # Where a power cut undoes it, the records go out again as they are.
        with self._db.writing(is_hurried=True) as db:
            leases.settle(db, batch, element=element, done=done, at=at)

    @_mending
    def split(self, batch: Batch) -> None:
        """
        Dissolve *batch*, so that its records go out in smaller ones.
        """
        with self._db.writing() as db:
            leases.split(db, batch)

    @_mending
    def park(
        self, batch: Batch, *, now: datetime, wait: Callable[[int], float]
    ) -> int:
        """
        Let *batch* wait by itself, so that it holds up nothing behind it.

        Args:
            batch: What `claim` gave.

            now: When.

            wait: Gives how many seconds to wait after so many tries.

        Returns:
            How often it was tried so far.
        """
        with self._db.writing() as db:
            return leases.park(db, batch, now=now, wait=wait)

    @_mending
    def forget_under_way(self) -> None:
        """
        Clear what a killed process left; only for who delivers alone.
        """
        with self._db.writing() as db:
            leases.forget(db)
        while self._endings.delete_orphans():
            pass

    @_mending
    def is_under_way(self, grants: frozenset[str]) -> bool:
        """
        Tell whether a batch of an ended grant is still on its way.
        """
        with self._db.reading() as db:
            return leases.is_under_way(db, grants)

    @_mending
    def erasures(self) -> tuple[Erasure, ...]:
        """
        List the erasure requests that wait, oldest first.
        """
        if not self.exists():
            return ()
        with self._db.reading() as db:
            return ending.erasures(db, self.path)

    def settle_erasure(self, erasure: Erasure) -> None:
        """
        Note that the recipient has carried out *erasure*.
        """
        with self._db.writing() as db:
            db.execute("DELETE FROM erasures WHERE id = ?", (erasure.id,))
            count(db, "erasure_confirmed", "", 1)

    # Ending

    @_mending
    def destroy(self, grants: Iterable[str], *, now: datetime) -> Destroyed:
        """
        End grants: destroy their keys and records, queue erasures.

        Grants that hold no lane are barred all the same.
        """
        named = frozenset(grants)
        if not named:
            return Destroyed()
        self._end_era()
        # Whatever the disk says to the rest.
        self._reserve.end(named)
        try:
            with self._moving() as (db, waiting):
                destroyed, is_left = self._endings.end(
                    db, named, waiting, now=now
                )
        except UnwritableError:
            self._due |= named
            if not self._endings.shred(named):
                raise
            logger.warning(
                "%s: the keys of what was withdrawn are destroyed; the disk "
                "does not take the rest yet",
                self.path,
            )
            return Destroyed()
        # Another thread may have opened a lane again before it was ended.
        self._end_era()
        self._due -= named
        if is_left:
            self._room.may_be_swept = True
            self._endings.sweep()
        return destroyed

    def forget(self, subject: str) -> None:
        """
        Forget how often and when data of a person was read.

        Args:
            subject: As the ledger's entries name the person, whose grants
                have ended.

        Raises:
            StoreError: If it cannot be done.
        """
        self.tally.forget(subject)
        self.reads.forget(subject)

    @_mending
    def reconcile(
        self,
        standing: Callable[[str], frozenset[str] | None],
        *,
        now: datetime,
    ) -> None:
        """
        Complete what a crash cut short: end every grant that stands no more.

        Args:
            standing: Gives the grants of a subject that stand, or ``None``
                if nobody can tell; then all of theirs stay. It is asked after
                the lanes were read: a grant is older than its lane, so that
                one which another process makes meanwhile is not missed.

            now: When.
        """
        stale = self._endings.stale(standing)
        if stale:
            self.destroy(stale, now=now)
        else:
            self._endings.complete()

    @_mending
    def expire(self, now: datetime) -> int:
        """
        Destroy records whose retention is over; give how many.

        They are not sent any more in any case. Where the clock has leapt
        ahead by more than a year, they are destroyed once a second look
        agrees: at another start, or ten minutes later.
        """
        moment, over = int(now.timestamp()), milliseconds(now)
        if self._reserve:
            self._reserve.expire(over)
        drop_aside(self.path.parent, now=moment)
        if not self.exists():
            return 0
        with self._db.reading() as db:
            is_due = expiry.is_due(db, self._intake, over)
            if not is_due and self._clock.is_settled(Meta(db), moment):
                return 0
        with self._changing() as db:
            if not self._clock.trusts(Meta(db), moment):
                return 0
            gone = expiry.expire(db, over)
        self._fold(fully=True)
        return gone

    @_mending
    def discard(self, doomed: Callable[[Record], bool], *, reason: str) -> int:
        """
        Destroy waiting records one by one; give how many.

        Args:
            doomed: Tells which.

            reason: Under what they are counted.
        """
        if not self.exists():
            return 0
        with self._changing() as db:
            gone = expiry.discard(db, self._lanes, doomed, reason=reason)
        if gone:
            self._fold(fully=True)
        return gone

    # Damage

    def _is_mended(self, problem: Exception) -> bool:
        """
        Save what is intact of a damaged file, and tell whether the outbox
        can be used again.

        Args:
            problem: What was raised on the way.
        """
        is_known = isinstance(problem, CorruptError) and (
            problem.path == self.path
        )
        begun = monotonic()
        if begun - self._mended < _MENDED_FOR_SECONDS:
            return False
        try:
            if not self.exists() or not (is_known or self._db.is_damaged()):
                return False
            self._mended, damaged = begun, self._db.identity()
            lock = FileLock(self.path.with_name(LOCK))
            if not lock.acquire(timeout_seconds=_MEND_SECONDS):
                return False
            try:
                # Another process may have been faster.
                if self._db.identity() == damaged:
                    self._mend()
            finally:
                lock.release()
        except (StoreError, OSError, sqlite3.Error) as error:
            logger.warning("%s: nothing could be saved: %s", self.path, error)
            return False
        return True

    def _mend(self) -> None:
        self._db.close()
        self._end_era()
        self._lanes.close()
        saved = salvage(
            self.path,
            keys=self._keys,
            journal=self._journal,
            most=self._limits.batch_records,
            now=datetime.now(UTC),
        )
        logger.warning(
            "%s was damaged: %d records were saved, and at least %d are "
            "lost; the file is set aside in %s",
            self.path,
            saved.records,
            saved.lost,
            saved.folder,
        )

    # Looking

    def status(self) -> OutboxStatus:
        """
        Tell what waits, without opening a single record.
        """
        if not self.exists():
            in_memory = len(self._reserve)
            return OutboxStatus(waiting=in_memory, in_memory=in_memory)
        lanes = self.lanes()
        with self._db.reading() as db:
            _, size = self._room.totals(db)
            (erasures,) = db.execute(
                "SELECT COUNT(*) FROM erasures"
            ).fetchone()
            counts = db.execute(
                "SELECT reason, SUM(n) FROM counts GROUP BY reason"
            ).fetchall()
            kek = db.execute(
                "SELECT value FROM meta WHERE name = 'kek'"
            ).fetchone()
            in_journals = self._intake.waiting_bytes(db)
        return OutboxStatus(
            waiting=sum(lane.waiting for lane in lanes) + len(self._reserve),
            in_memory=len(self._reserve),
            sealed_bytes=size + in_journals,
            erasures=erasures,
            lanes=lanes,
            counts=dict(counts),
            kek=None if kek is None else self._keys.protection(kek[0]),
            set_aside=set_aside_in(self.path.parent),
        )

    def inspect(self) -> Iterator[Record]:
        """
        Open every waiting record, oldest first.
        """
        if not self.exists():
            return
        with self._changing() as db:
            found = list(self._lanes.each(db))
        for lane, _, rows in found:
            yield from self._lanes.records(lane, rows)


def _note_evicted(
    db: sqlite3.Connection, lane: int, number: int, at: int
) -> None:
    row = db.execute(
        "SELECT element FROM lanes WHERE id = ?", (lane,)
    ).fetchone()
    if row is not None:
        count(db, "evicted", row[0], number)
        drops.note(db, lane, "evicted", number, at=at)
