# SPDX-License-Identifier: MIT
"""
Going over the whole of a ledger in PostgreSQL, some rows at a time.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import evolve, frozen

from consentkit.ledger._keeper import Keeper
from consentkit.ledger._tables import Statements
from consentkit.ledger._view import Head
from consentkit.ledger.checkpoint import SignedCheckpoint
from consentkit.ledger.verify import (
    BreakError,
    Row,
    Trail,
    Verdict,
    VerdictKind,
    judge_trail,
)


if TYPE_CHECKING:
    from consentkit.ledger._server import Connection, Server


__all__ = ["ROWS", "Audit", "snapshot"]

#: How many rows at a time.
ROWS: Final = 1_000

_FETCH: Final = f"FETCH {ROWS} FROM walk"


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
            with closing(self.followed(trail)) as parts:
                for _ in parts:
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
        with closing(self._walk(self.sql.tails)) as parts:
            for rows in parts:
                for subject, seq, digest in rows:
                    if trail.priors.get(subject) != digest:
                        return int(seq)
                count += len(rows)
        return 0 if count == len(trail.priors) else trail.size

    def followed(self, trail: Trail) -> Generator[list[Row]]:
        """
        Follow all entries with *trail*, and give them, some at a time; to be
        closed.

        Raises:
            BreakError: At the first that is not what was written.
        """
        with closing(self._walk(self.sql.walk)) as parts:
            for found in parts:
                rows = [cast("Row", row[:4]) for row in found]
                nodes: list[bytes] = []
                try:
                    trail.follow(rows, nodes)
                finally:
                    # An earlier row whose nodes are wrong is the first one.
                    for row, made in zip(found, nodes, strict=False):
                        if made != row[-1]:
                            raise BreakError(row[0])
                yield rows

    def _walk(self, declare: str) -> Generator[list[tuple[Any, ...]]]:
        """
        Give what a cursor finds, some rows at a time; to be closed.
        """
        self.connection.execute(declare)
        # Binary, as bytes and numbers need not be read out of text then.
        with (
            self.connection.pipeline(),
            self.connection.cursor(binary=True) as one,
            self.connection.cursor(binary=True) as other,
        ):
            one.execute(_FETCH)
            for asked, ahead in cycle(((one, other), (other, one))):
                # The next are asked for before these are gone over, so that
                # the server need not wait.
                ahead.execute(_FETCH)
                self.server.extend(self.connection)
                rows = asked.fetchall()
                yield rows
                if len(rows) < ROWS:
                    break
        self.connection.execute("CLOSE walk")
