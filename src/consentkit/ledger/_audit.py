# SPDX-License-Identifier: MIT
"""
Going over the whole of a ledger in PostgreSQL, some rows at a time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, frozen

from consentkit.ledger._keeper import Keeper
from consentkit.ledger._nodes import completed
from consentkit.ledger._tables import Statements
from consentkit.ledger._view import Head
from consentkit.ledger.checkpoint import SignedCheckpoint
from consentkit.ledger.tree import Frontier, leaf_hash
from consentkit.ledger.verify import (
    BreakError,
    Trail,
    Verdict,
    VerdictKind,
    judge_trail,
)


if TYPE_CHECKING:
    from consentkit.ledger._server import Connection, Server


__all__ = ["ROWS", "Audit", "snapshot"]

#: How many rows at a time.
ROWS: Final = 5_000


@contextmanager
def snapshot(connection: Connection) -> Generator[None]:
    """
    Let all reads inside see one state of the database.
    """
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    yield
    connection.execute("ROLLBACK")


@frozen(kw_only=True)
class Audit:
    """
    One going over all rows, inside a `snapshot`.

    Attributes:
        server, connection, sql: What to ask.

        keeper: The key and the anchor.
    """

    server: Server
    connection: Connection
    sql: Statements
    keeper: Keeper

    def verdict(
        self,
        head: Head,
        given: tuple[SignedCheckpoint, ...],
        kept: SignedCheckpoint | None,
    ) -> Verdict:
        """
        Judge the ledger.

        Args:
            head: What it says of itself.

            given: Anchors from elsewhere.

            kept: The anchor beside the keys.
        """
        keeper = self.keeper
        if not head.note:
            row = self.connection.execute(self.sql.any_entry).fetchone()
            return keeper.verdict_of_none(given, kept, row)
        key = keeper.signing_key().verify_key
        held = [anchor.verify(key) for anchor in given]
        if kept is not None:
            held.append(keeper.held(kept, key))
        signed = keeper.parsed(head.note)
        trail = Trail([one.size for one in (*held, signed.checkpoint)])
        try:
            for _ in self.bodies(trail):
                pass
        except BreakError as error:
            return Verdict(
                kind=VerdictKind.CHANGED,
                has=error.seq - 1,
                index=error.seq,
                anchors=len(held),
            )
        verdict = judge_trail(
            trail, origin=head.origin, head=signed, key=key, anchors=held
        )
        return self._also_beside(verdict, head, trail)

    def _also_beside(
        self, verdict: Verdict, head: Head, trail: Trail
    ) -> Verdict:
        """
        See that what is kept beside the entries is what they come to.
        """
        if not verdict.is_sound:
            return verdict
        place = self._other_tail(trail)
        if not place and head.is_of(trail):
            return verdict
        return evolve(
            verdict,
            kind=VerdictKind.CHANGED,
            index=place or trail.size,
            detail="what is kept beside the entries is not what they come to",
        )

    def _other_tail(self, trail: Trail) -> int:
        """
        Find a last entry of somebody that is not theirs; 0 is none.
        """
        count = 0
        for subject, seq, digest in self._walk(self.sql.tails):
            if trail.priors.get(subject) != digest:
                return int(seq)
            count += 1
        return 0 if count == len(trail.priors) else trail.size

    def bodies(self, trail: Trail) -> Iterator[bytes]:
        """
        Follow all entries with *trail*, and give their texts.

        Raises:
            BreakError: At the first that is not what was written.
        """
        frontier = Frontier()
        for seq, text, digest, subject, nodes in self._walk(self.sql.walk):
            body: bytes = text.encode()
            trail.follow([(seq, body, digest, subject)])
            if completed(frontier, leaf_hash(body)) != nodes:
                raise BreakError(seq)
            yield body

    def _walk(self, declare: str) -> Iterator[tuple[Any, ...]]:
        self.connection.execute(declare)
        while True:
            self.server.extend(self.connection)
            rows = self.connection.execute(
                f"FETCH {ROWS} FROM walk"
            ).fetchall()
            yield from rows
            if len(rows) < ROWS:
                break
        self.connection.execute("CLOSE walk")
