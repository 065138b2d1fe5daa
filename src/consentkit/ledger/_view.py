# SPDX-License-Identifier: MIT
"""
What a process has verified of a ledger in PostgreSQL, and relies upon.
"""

from __future__ import annotations

import threading
import time

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, frozen

from consentkit.exceptions import NewerFormatError, ProofError
from consentkit.ledger._keeper import Keeper, put
from consentkit.ledger._nodes import (
    consistency_spans,
    inclusion_spans,
    places_of,
    proof_of,
)
from consentkit.ledger._tables import FORMAT, Statements
from consentkit.ledger.checkpoint import Checkpoint, SignedCheckpoint
from consentkit.ledger.entries import GENESIS, Entry
from consentkit.ledger.tree import (
    Frontier,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from consentkit.ledger.verify import (
    BreakError,
    Trail,
    entries_of,
    judge_trail,
)


if TYPE_CHECKING:
    from consentkit.ledger._server import Connection


__all__ = ["WINDOW_SECONDS", "Head", "Seen", "View", "frontier_of", "trail_of"]

#: For how long what was read is relied upon, without asking again.
WINDOW_SECONDS: Final = 0.02

# What a process keeps at hand, and from how much news on it begins anew.
_MOST_KNOWN: Final = 20_000
_MOST_TAGS: Final = 200_000
_MOST_NEWS: Final = 10_000
_MOST_CAME: Final = 64

_HASH_BYTES: Final = 32

_Row = tuple[Any, ...]


@frozen(kw_only=True)
class Head:
    """
    What the database says of the whole.

    Attributes:
        origin: Name of the ledger, empty before the first entry.

        size: How many entries there are.

        last: Hash of the last.

        frontier: Roots of the whole subtrees, one after the other.

        note: The newest checkpoint.

        erased: How many links to people were destroyed so far.
    """

    origin: str = ""
    size: int = 0
    last: str = GENESIS
    frontier: bytes = b""
    note: str = ""
    erased: int = 0

    @classmethod
    def after(
        cls, head: Head, *, trail: Trail, signed: SignedCheckpoint
    ) -> Head:
        """
        Give what is said after *trail* went on from *head*.
        """
        return cls(
            origin=signed.checkpoint.origin,
            size=trail.size,
            last=trail.last,
            frontier=b"".join(trail.frontier.hashes),
            note=signed.note,
            erased=head.erased,
        )

    def is_of(self, trail: Trail) -> bool:
        """
        Tell whether this is what *trail* came to.
        """
        hashes = b"".join(trail.frontier.hashes)
        said = self.size, self.last, self.frontier
        return said == (trail.size, trail.last, hashes)


@frozen(kw_only=True)
class Seen:
    """
    What was verified last.

    Attributes:
        head: What the database said.

        signed: Its checkpoint, verified.

        anchor: What it was held against, besides what was seen before.
    """

    head: Head = Head()
    signed: SignedCheckpoint | None = None
    anchor: SignedCheckpoint | None = None


class View:
    """
    What was verified last, and what is at hand of it.

    The methods that take a connection ask the database on it. Whoever calls
    `advance` or `settle` holds *lock*.

    Attributes:
        lock: For all of these.

        seen: What was verified last.

        known: Entries by subject, of those that were asked for.

        tags: Tags of people.

        nobody: Names of people who had no tag when it was asked last.

        fresh_until: When the database has to be asked again, on the
            monotonic clock.
    """

    def __init__(self, keeper: Keeper, sql: Statements) -> None:
        self._keeper = keeper
        self._sql = sql
        self.seen = Seen()
        self._checked = Head()
        self.begin()

    def begin(self) -> None:
        """
        Begin with nothing at hand, and a lock that is free.
        """
        self.lock = threading.RLock()
        self.known: dict[str, tuple[Entry, ...]] = {}
        self.tags: dict[str, str] = {}
        self.nobody: set[str] = set()
        self.fresh_until = 0.0
        # Rows that came with a tag, and under which head.
        self._came: dict[str, tuple[Head, list[_Row]]] = {}

    def refresh(self, connection: Connection) -> None:
        """
        Ask what is new, unless another thread just did.
        """
        asked = time.monotonic()
        with self.lock:
            if self.fresh_until - WINDOW_SECONDS >= asked:
                return
            now = time.monotonic()
            # Before the head: an anchor that is there now is not newer
            # than what is read after it.
            anchor = self._keeper.anchor.read()
            self.advance(connection, self.head(connection), anchor)
            self.nobody.clear()
            self.fresh_until = now + WINDOW_SECONDS

    def head(self, connection: Connection, *, hold: bool = False) -> Head:
        """
        Read what the database says of the whole, and maybe *hold* it, so
        that nobody can append until the transaction ends.
        """
        lock = " FOR UPDATE" if hold else ""
        row = connection.execute(self._sql.head + lock).fetchone()
        if row is None:
            raise self._keeper.broken(1)
        number, origin, size, last, frontier, note, erased = row
        if number > FORMAT:
            raise NewerFormatError(
                self._keeper.where,
                problem=f"written in format {number} by a newer consentkit; "
                f"this one reads up to {FORMAT}",
                cure="upgrade consentkit",
            )
        if not note:
            return Head(erased=erased)
        return Head(
            origin=origin,
            size=size,
            last=last,
            frontier=frontier,
            note=note,
            erased=erased,
        )

    def advance(
        self,
        connection: Connection,
        head: Head,
        anchor: SignedCheckpoint | None,
    ) -> None:
        """
        Verify what is new, and forget what it makes out of date.
        """
        seen = self.seen
        if head == seen.head and anchor == seen.anchor:
            return
        if not head.note:
            if connection.execute(self._sql.any_entry).fetchone() is not None:
                raise self._keeper.broken(1)
            self.settle(Seen(head=head))
            return
        signed = seen.signed
        if signed is None or head.note != seen.head.note:
            signed = self._keeper.parsed(head.note)
        self._judge(connection, head, signed, anchor)
        news = Seen(head=head, signed=signed, anchor=anchor)
        if head.origin != seen.head.origin:
            self.settle(news)
            return
        if head.size > seen.head.size:
            self._forget_since(connection, seen.head.size)
        if head.erased != seen.head.erased:
            self.tags.clear()
        self.seen = news

    def check_last(self, connection: Connection, head: Head) -> None:
        """
        See that what comes next would be chained to what was signed.
        """
        signed = self.seen.signed
        if signed is None or head == self._checked:
            return
        rows = connection.execute(self._sql.bodies, ([head.size],))
        bodies: dict[int, str] = dict(rows.fetchall())
        self.proofs(connection, [head.size], signed.checkpoint, bodies)
        if sha256(bodies[head.size].encode()).hexdigest() != head.last:
            raise self._keeper.broken(head.size)
        self._checked = head

    def note_own(
        self,
        old: Head,
        head: Head,
        signed: SignedCheckpoint,
        subject: str,
        entries: tuple[Entry, ...],
    ) -> None:
        """
        See what was appended here, unless more was seen in between.
        """
        seen = self.seen.head
        if (seen.origin, seen.size) == (old.origin, old.size):
            self.seen = evolve(self.seen, head=head, signed=signed)
            self._checked = head
        if self.seen.head.last == head.last:
            self._remember(subject, entries)
        else:
            self.known.pop(subject, None)

    def of(self, connection: Connection, subject: str) -> tuple[Entry, ...]:
        """
        Give the entries of one subject, verified.
        """
        known = self.known.get(subject)
        if known is not None:
            return known
        seen = self.seen
        found = self._entries_of(connection, subject, size=seen.head.size)
        if found:
            if found[-1].seq > seen.head.size:
                # Appended since: what it has to stand in is newer, too.
                self.refresh(connection)
                self._prove(connection, found[-1], self.seen)
                # By now there may be even more, so it is not remembered.
                return found
            self._prove(connection, found[-1], seen)
        with self.lock:
            if self.seen.head.last == seen.head.last:
                self._remember(subject, found)
        return found

    def tag(self, connection: Connection, id: str) -> str | None:  # noqa: A002
        """
        Read the tag of a person, if there is one.
        """
        seen = self.seen
        rows = connection.execute(self._sql.person, (id,)).fetchall()
        tag = self._keeper.checked_tag(id, *rows[0][:2]) if rows else None
        with self.lock:
            if tag is None:
                self.nobody.add(id)
            elif self.seen.head.erased == seen.head.erased:
                self.nobody.discard(id)
                put(self.tags, id, tag, most=_MOST_TAGS)
                if tag not in self.known:
                    came = seen.head, [row[2:] for row in rows]
                    put(self._came, tag, came, most=_MOST_CAME)
        return tag

    def policy(self, connection: Connection, digest: str) -> str | None:
        """
        Read a policy document, if it was archived.
        """
        row = connection.execute(self._sql.policy, (digest,)).fetchone()
        if row is None:
            return None
        return self._keeper.checked_policy(digest, row[0])

    def proofs(
        self,
        connection: Connection,
        places: list[int],
        checkpoint: Checkpoint,
        bodies: Mapping[int, str],
    ) -> dict[int, list[bytes]]:
        """
        Make and verify the proofs that entries stand under a checkpoint.
        """
        size = checkpoint.size
        spans = {seq: inclusion_spans(seq - 1, size) for seq in places}
        wanted = {place for one in spans.values() for place in places_of(one)}
        stored = self._nodes(connection, wanted)
        proofs: dict[int, list[bytes]] = {}
        for seq in places:
            proofs[seq] = proof_of(spans[seq], stored)
            try:
                verify_inclusion(
                    leaf_hash(bodies.get(seq, "").encode()),
                    index=seq - 1,
                    size=size,
                    proof=proofs[seq],
                    root=checkpoint.root,
                )
            except ProofError:
                raise self._keeper.broken(seq) from None
        return proofs

    def settle(self, seen: Seen) -> None:
        """
        Go on from *seen*, with nothing at hand.
        """
        self.known.clear()
        self.tags.clear()
        self.seen = seen
        self.fresh_until = 0.0

    def _forget_since(self, connection: Connection, size: int) -> None:
        rows = connection.execute(
            self._sql.touched, (size, _MOST_NEWS)
        ).fetchall()
        if len(rows) == _MOST_NEWS:
            self.known.clear()
        for (subject,) in rows:
            self.known.pop(subject, None)

    def _judge(
        self,
        connection: Connection,
        head: Head,
        signed: SignedCheckpoint,
        anchor: SignedCheckpoint | None,
    ) -> None:
        """
        Hold the head against its signature, the anchor, and what was seen.
        """
        key = self._keeper.signing_key().verify_key
        held: list[Checkpoint] = []
        if anchor is not None:
            held.append(self._keeper.held(anchor, key))
        before = self.seen.signed
        if before is not None and before.checkpoint.origin == head.origin:
            held.append(before.checkpoint)
        try:
            trail = trail_of(head)
        except ValueError:
            raise self._keeper.broken(head.size) from None
        if trail.size != signed.checkpoint.size:
            raise self._keeper.broken(head.size)
        trail.roots = {head.size: trail.frontier.root()}
        for old in held:
            if old.size < head.size and old.origin == head.origin:
                is_prefix = self._is_prefix(connection, old, trail)
                trail.roots[old.size] = old.root if is_prefix else b""
        verdict = judge_trail(
            trail, origin=head.origin, head=signed, key=key, anchors=held
        )
        if not verdict.is_sound:
            raise self._keeper.damaged(verdict)

    def _is_prefix(
        self, connection: Connection, old: Checkpoint, trail: Trail
    ) -> bool:
        spans = consistency_spans(old.size, trail.size)
        stored = self._nodes(connection, places_of(spans))
        try:
            verify_consistency(
                size=old.size,
                root=old.root,
                new_size=trail.size,
                new_root=trail.frontier.root(),
                proof=proof_of(spans, stored),
            )
        except ProofError:
            return False
        return True

    def _remember(self, subject: str, entries: tuple[Entry, ...]) -> None:
        put(self.known, subject, entries, most=_MOST_KNOWN)

    def _entries_of(
        self, connection: Connection, subject: str, *, size: int
    ) -> tuple[Entry, ...]:
        """
        Read the entries of a subject, and see that none is missing.
        """
        rows = self._rows_that_came(subject)
        if rows is None:
            said = connection.execute(self._sql.entries_of, (subject,))
            rows = said.fetchall()
        own = [(seq, body, digest) for _, seq, body, digest in rows if seq]
        try:
            return entries_of(
                subject,
                ((seq, body.encode(), digest) for seq, body, digest in own),
                last=rows[0][0] or GENESIS,
            )
        except BreakError as error:
            raise self._keeper.broken(error.seq or size) from None

    def _rows_that_came(self, subject: str) -> list[_Row] | None:
        """
        Give the rows that were read with the tag, unless there is news.
        """
        head, rows = self._came.pop(subject, (None, []))
        last = (rows[-1][1] if rows else None) or 0
        is_old = head is None or head != self.seen.head or last > head.size
        return None if is_old else rows

    def _prove(self, connection: Connection, entry: Entry, seen: Seen) -> None:
        """
        See that an entry, and with it its chain, is what was signed.
        """
        if seen.signed is None or entry.seq > seen.head.size:
            raise self._keeper.broken(entry.seq)
        self.proofs(
            connection,
            [entry.seq],
            seen.signed.checkpoint,
            {entry.seq: entry.body},
        )

    def _nodes(
        self, connection: Connection, places: set[int]
    ) -> dict[int, bytes]:
        rows = connection.execute(self._sql.nodes, ([*places],))
        return dict(rows.fetchall())


def frontier_of(head: Head) -> Frontier:
    hashes = [
        head.frontier[start : start + _HASH_BYTES]
        for start in range(0, len(head.frontier), _HASH_BYTES)
    ]
    return Frontier(head.size, hashes)


def trail_of(head: Head) -> Trail:
    """
    Give a trail that came to *head*, and knows no subject.
    """
    trail = Trail()
    trail.last, trail.frontier = head.last, frontier_of(head)
    return trail
