# SPDX-License-Identifier: MIT
"""
What a process has verified of a ledger in a file, and relies upon.

The first time all of it is read. From then on what was verified is known by
its tree and by the last hash of each person, so that of what others append
only that is read, however long the ledger is. Where it does not go on from
there, all is read again, so that the break is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from sqlite3 import Connection
from typing import Final

from attrs import field, frozen

from consentkit._sqlite import Database
from consentkit.exceptions import DamagedError
from consentkit.ledger._keeper import Keeper, put
from consentkit.ledger.checkpoint import Checkpoint, SignedCheckpoint
from consentkit.ledger.entries import GENESIS, Entry, entry_from_body
from consentkit.ledger.verify import (
    BreakError,
    Row,
    Trail,
    entries_of,
    judge_trail,
)


__all__ = ["ROWS", "FileView", "Seen", "head_of"]

#: All rows after one; as bytes, so that a text that is none is an entry that
#: was changed.
ROWS: Final = (
    "SELECT seq, CAST(body AS BLOB), hash, subject FROM entries "
    "WHERE seq > ? ORDER BY seq"
)

_ROWS_OF: Final = (
    "SELECT seq, CAST(body AS BLOB), hash FROM entries "
    "WHERE subject = ? ORDER BY seq"
)

# Of so many people the entries are kept at hand.
_MOST_KNOWN: Final = 20_000

# While others append, the anchor that was read may be older than what was
# read after it. So many roots are kept to hold it against.
_LAG: Final = 16


@frozen(kw_only=True)
class Seen:
    """
    What was verified, and how far it can be relied upon.

    Attributes:
        generation: Tells whether the file was replaced since.

        version: Tells whether another connection has written since.

        changes: Tells whether this one has.

        people: Tells whether somebody was added.

        trail: Came to the last entry that was verified.

        signed: The checkpoint of that, or ``None`` of an empty ledger.

        anchor: What it was held against.

        known: Entries by subject, of those that were asked for.
    """

    generation: int = 0
    version: int = 0
    changes: int = 0
    people: int | None = None
    trail: Trail = field(factory=Trail)
    signed: SignedCheckpoint | None = None
    anchor: SignedCheckpoint | None = None
    known: dict[str, tuple[Entry, ...]] = field(factory=dict)


class FileView:
    """
    What was verified last, and what is at hand of it.

    Each method that takes the connection of *db* sees one state of the file
    on it. Whoever calls one holds *db*.

    Args:
        db: The file.

        keeper: Its key and anchor.

    Attributes:
        seen: What was verified last.
    """

    def __init__(self, db: Database, keeper: Keeper) -> None:
        self._db = db
        self._keeper = keeper
        self.forget()

    def forget(self) -> None:
        """
        Begin with nothing.
        """
        self.seen = Seen()
        # What comes has to have grown out of it, also if all is read again.
        self._newest: SignedCheckpoint | None = None

    def mark(self, connection: Connection) -> Seen | None:
        """
        Give what was verified last, if nothing was written since.
        """
        seen = self.seen
        # data_version tells of commits by others, the generation of a file
        # that was replaced; neither tells of our own.
        if (
            seen.signed is not None
            and connection.total_changes == seen.changes
            and self._db.generation == seen.generation
            and _version(connection) == seen.version
        ):
            return seen
        return None

    def at_hand(
        self, connection: Connection, subject: str
    ) -> tuple[Entry, ...] | None:
        """
        Give the entries of one subject, if nothing was written since.
        """
        seen = self.mark(connection)
        return None if seen is None else seen.known.get(subject)

    def is_odd(self, connection: Connection) -> bool:
        """
        Tell whether somebody wrote, and neither an entry nor a person came.

        That was none of us, unless a commit is under way: as it begins the
        log of SQLite anew, that can be seen for a moment.
        """
        head = head_of(connection)
        return head is not None and self._is_odd(
            connection, self.seen, head[1]
        )

    def _is_odd(self, connection: Connection, seen: Seen, note: str) -> bool:
        return (
            seen.signed is not None
            and seen.generation == self._db.generation
            and seen.version != _version(connection)
            and seen.people == _people(connection)
            and seen.signed.note == note
        )

    def advance(
        self,
        connection: Connection,
        anchor: SignedCheckpoint | None,
        *,
        anew: bool = False,
    ) -> None:
        """
        Verify what is not known to be verified.

        Args:
            connection: Of the file.

            anchor: The one beside the keys; not newer than the file.

            anew: Whether to read all of it in any case.

        Raises:
            DamagedError: If it is not what was written.
        """
        # Should this fail, nothing is relied upon that was read before.
        seen, self.seen = self.seen, Seen()
        head = head_of(connection)
        if head is None:
            if connection.execute(ROWS, (0,)).fetchone() is not None:
                raise self._keeper.broken(1)
            return
        origin, signed = head[0], self._keeper.parsed(head[1])
        if not anew and self._goes_on(connection, seen, signed, anchor):
            with suppress(DamagedError):
                self.seen = self._grown(
                    connection, seen, origin, signed, anchor
                )
        if self.seen.signed is None:
            self.seen = self._grown(connection, Seen(), origin, signed, anchor)
        self._newest = signed

    def _goes_on(
        self,
        connection: Connection,
        seen: Seen,
        signed: SignedCheckpoint,
        anchor: SignedCheckpoint | None,
    ) -> bool:
        """
        Tell whether what was verified can be gone on from.
        """
        if seen.signed is None or seen.generation != self._db.generation:
            return False
        if self._is_odd(connection, seen, signed.note):
            return False
        marks = [signed]
        if anchor is not None and anchor != seen.anchor:
            marks.append(anchor)
        return all(seen.trail.can_tell(one.checkpoint.size) for one in marks)

    def _grown(
        self,
        connection: Connection,
        seen: Seen,
        origin: str,
        signed: SignedCheckpoint,
        anchor: SignedCheckpoint | None,
    ) -> Seen:
        """
        Go on from *seen* to the end, and see that this is what was signed.
        """
        key = self._keeper.signing_key().verify_key
        held: list[Checkpoint] = []
        if anchor is not None and anchor != seen.anchor:
            held.append(self._keeper.held(anchor, key))
        before = self._newest
        if before is not None and before.checkpoint.origin == origin:
            held.append(before.checkpoint)
        size = signed.checkpoint.size
        last = range(max(seen.trail.size, size - _LAG), size + 1)
        # No copy of it: where this fails, it is not used any more.
        trail = seen.trail
        trail.mark([*last, *(one.size for one in held)])
        known = self._followed(connection, trail, seen.known)
        verdict = judge_trail(
            trail, origin=origin, head=signed, key=key, anchors=held
        )
        if not verdict.is_sound:
            raise self._keeper.damaged(verdict)
        trail.roots = dict([*trail.roots.items()][-_LAG:])
        return Seen(
            generation=self._db.generation,
            version=_version(connection),
            changes=connection.total_changes,
            people=_people(connection),
            trail=trail,
            signed=signed,
            anchor=anchor,
            known=known,
        )

    def _followed(
        self,
        connection: Connection,
        trail: Trail,
        known: Mapping[str, tuple[Entry, ...]],
    ) -> dict[str, tuple[Entry, ...]]:
        """
        Take *trail* on to the end, and what is *known* with it.
        """
        rows = connection.execute(ROWS, (trail.size,))
        try:
            if not known:
                trail.follow(rows)
                return {}
            news = rows.fetchall()
            trail.follow(news)
        except BreakError as error:
            raise self._keeper.broken(error.seq) from None
        return _with_news(known, news)

    def of(self, connection: Connection, subject: str) -> tuple[Entry, ...]:
        """
        Give the entries of one subject out of what was verified.

        Raises:
            DamagedError: If they were changed since.
        """
        seen = self.seen
        if subject in seen.known:
            return seen.known[subject]
        try:
            found = entries_of(
                subject,
                connection.execute(_ROWS_OF, (subject,)),
                last=seen.trail.priors.get(subject, GENESIS),
            )
        except BreakError as error:
            # So that nobody else's are relied upon, either.
            self.seen = Seen()
            place = error.seq or seen.trail.size
        else:
            put(seen.known, subject, found, most=_MOST_KNOWN)
            return found
        raise self._keeper.broken(place)


def head_of(connection: Connection) -> tuple[str, str] | None:
    """
    Give the name of the ledger and its newest checkpoint, if there is one.
    """
    row = connection.execute("SELECT origin, checkpoint FROM head").fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


def _version(connection: Connection) -> int:
    (found,) = connection.execute("PRAGMA data_version").fetchone()
    return int(found)


def _people(connection: Connection) -> int | None:
    row = connection.execute("SELECT MAX(rowid) FROM subjects").fetchone()
    return None if row[0] is None else int(row[0])


def _with_news(
    known: Mapping[str, tuple[Entry, ...]], rows: Iterable[Row]
) -> dict[str, tuple[Entry, ...]]:
    news: dict[str, list[Entry]] = {}
    for _, body, _, subject in rows:
        if subject in known:
            entry = entry_from_body(body.decode())
            news.setdefault(subject, []).append(entry)
    more = {s: (*known[s], *entries) for s, entries in news.items()}
    return {**known, **more}
