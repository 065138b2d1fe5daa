# SPDX-License-Identifier: MIT
"""
Is a ledger still what was written? The answer, wherever it is stored.

Rows go through a `Trail`, which finds the first that was changed, removed or
moved. What the trail came to is held against checkpoints: the ledger's own,
and anchors that were kept elsewhere. Only an anchor shows that the end is
missing or that all was written anew.

Source: RFC 6962 section 2.1.2 for what it means that one tree begins with
another; here the older root is computed again from the entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from hashlib import sha256
from typing import Final, Self

from attrs import evolve, frozen

from consentkit.exceptions import ProofError
from consentkit.ledger.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    VerifyKey,
)
from consentkit.ledger.entries import (
    GENESIS,
    Entry,
    entry_from_body,
    links_of,
)
from consentkit.ledger.tree import Frontier


__all__ = [
    "BreakError",
    "Row",
    "Trail",
    "Verdict",
    "VerdictKind",
    "entries_of",
    "judge",
    "judge_trail",
]

#: One line as it is stored: place, body, hash of it, whom it is about.
Row = tuple[int, bytes, str, str]


class VerdictKind(Enum):
    """
    What became of a ledger; of several, the first of these is said.
    """

    CHANGED = "changed"
    FORKED = "forked"
    TRUNCATED = "truncated"
    INTACT = "intact"
    UNANCHORED = "unanchored"


@frozen(kw_only=True)
class Verdict:
    """
    What verifying a ledger came to.

    Attributes:
        kind: What became of it.

        has: How many entries it has, as far as they are whole.

        index: Of a changed one: the first entry that is not what was
            written; else 0.

        had: Of a truncated or forked one: how many entries the checkpoint
            has that it does not match; else 0.

        anchors: How many anchors it was held against.

        detail: What more there is to say, or empty.
    """

    kind: VerdictKind
    has: int
    index: int = 0
    had: int = 0
    anchors: int = 0
    detail: str = ""

    def __str__(self) -> str:
        text = _SENTENCES[self.kind].format(
            has=_entries(self.has), index=self.index, had=_entries(self.had)
        )
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def is_sound(self) -> bool:
        """
        Whether nothing speaks against the ledger.
        """
        return self.kind in (VerdictKind.INTACT, VerdictKind.UNANCHORED)


def _entries(number: int) -> str:
    return f"{number} {'entry' if number == 1 else 'entries'}"


_SENTENCES: Final = {
    VerdictKind.INTACT: "intact, {has}",
    VerdictKind.CHANGED: "changed at entry {index}",
    VerdictKind.TRUNCATED: "truncated, had {had} and has {has}",
    VerdictKind.FORKED: "forked, not what it was when it had {had}",
    VerdictKind.UNANCHORED: "unanchored, {has}",
}


class BreakError(Exception):
    """
    A row is not the one that was written there; stays inside the ledger.
    """

    def __init__(self, seq: int) -> None:
        super().__init__(seq)
        self.seq = seq


class Trail:
    """
    How far a ledger was followed, and what it came to there.

    Args:
        marks: Sizes at which the root is wanted.

    Attributes:
        marks: The sizes.

        frontier: The tree over the entries.

        last: Hash of the last entry.

        priors: Hash of the last entry of each subject.

        roots: Roots at those of the sizes that were passed.
    """

    __slots__ = ("frontier", "last", "marks", "priors", "roots")

    def __init__(self, marks: Iterable[int] = ()) -> None:
        self.last: str = GENESIS
        self.priors: dict[str, str] = {}
        self.frontier: Frontier = Frontier()
        self.roots: dict[int, bytes] = {0: self.frontier.root()}
        self.marks: frozenset[int] = frozenset(marks)

    @property
    def size(self) -> int:
        """
        How many entries were followed.
        """
        return self.frontier.size

    def branch(self, subject: str) -> Self:
        """
        Give one that goes on from here by itself, with one subject only.
        """
        trail = type(self)()
        trail.last = self.last
        trail.frontier = self.frontier.copy()
        if subject in self.priors:
            trail.priors[subject] = self.priors[subject]
        return trail

    def can_tell(self, size: int) -> bool:
        """
        Tell whether the root at *size* is known, or can be from here on.
        """
        return size >= self.size or size in self.roots

    def mark(self, sizes: Iterable[int]) -> None:
        """
        Want the roots at these sizes.

        Raises:
            ValueError: If one lies behind, and its root is not known.
        """
        self.marks = frozenset(sizes)
        if not all(map(self.can_tell, self.marks)):
            msg = "a root is wanted of a size that was passed"
            raise ValueError(msg)
        self.roots[self.size] = self.frontier.root()

    def follow(
        self, rows: Iterable[Row], nodes: list[bytes] | None = None
    ) -> None:
        """
        Go on over *rows*, in order.

        Args:
            rows: What comes next.

            nodes: Takes for each row what `Frontier.add` gives.

        Raises:
            BreakError: At the first that is not what was written.
        """
        marks, add = self.marks, self.frontier.add
        keep = None if nodes is None else nodes.append
        last, priors = self.last, self.priors
        # One of each a row, without a call between: this is the whole cost.
        for number, (seq, body, digest, subject) in enumerate(
            rows, start=self.size + 1
        ):
            try:
                own, prev, prior, about = links_of(body.decode())
            except (AttributeError, ValueError):
                raise BreakError(number) from None
            if (
                seq != number
                or own != number
                or prev != last
                or prior != priors.get(subject, GENESIS)
                or about != subject
                or sha256(body).hexdigest() != digest
            ):
                raise BreakError(number)
            self.last = priors[subject] = last = digest
            made = add(sha256(b"\x00" + body).digest())
            if keep is not None:
                keep(made)
            if number in marks:
                self.roots[number] = self.frontier.root()

    def checkpoint(self, origin: str) -> Checkpoint:
        """
        Make the checkpoint of what was followed.
        """
        return Checkpoint(
            origin=origin, size=self.size, root=self.frontier.root()
        )


def entries_of(
    subject: str, rows: Iterable[tuple[int, bytes, str]], *, last: str
) -> tuple[Entry, ...]:
    """
    Read all entries of one subject, and see that they are what was written.

    Args:
        subject: Whose.

        rows: As stored: place, body, hash of it; in order.

        last: Hash of the last of them, or `GENESIS`; it is known.

    Raises:
        BreakError: At the first that is not what was written, or the last
            where more are missing; 0 is that there is none.
    """
    found: list[Entry] = []
    prior = GENESIS
    for seq, body, digest in rows:
        try:
            entry = entry_from_body(body.decode())
        except (AttributeError, ValueError):
            raise BreakError(seq) from None
        if (
            entry.seq != seq
            or entry.subject != subject
            or entry.prior != prior
            or entry.hash != digest
        ):
            raise BreakError(seq)
        found.append(entry)
        prior = digest
    # A damaged index would hide some, such as a withdrawal.
    if prior != last:
        raise BreakError(found[-1].seq if found else 0)
    return tuple(found)


def judge(
    rows: Iterable[Row],
    *,
    origin: str,
    head: SignedCheckpoint | None,
    key: VerifyKey,
    anchors: Sequence[Checkpoint] = (),
) -> Verdict:
    """
    Verify a whole ledger.

    Args:
        rows: All of it, in order.

        origin: Its name.

        head: Its own newest checkpoint, if it has one.

        key: The key that must have signed *head*.

        anchors: Checkpoints from elsewhere whose signatures were verified.

    Returns:
        The first that is found of: changed, forked, truncated; then
        unanchored, where there was no anchor to hold it against.
    """
    marks = [anchor.size for anchor in anchors]
    trail = Trail([*marks, head.checkpoint.size] if head else marks)
    try:
        trail.follow(rows)
    except BreakError as error:
        return Verdict(
            kind=VerdictKind.CHANGED,
            has=error.seq - 1,
            index=error.seq,
            anchors=len(anchors),
        )
    return judge_trail(
        trail, origin=origin, head=head, key=key, anchors=anchors
    )


def judge_trail(
    trail: Trail,
    *,
    origin: str,
    head: SignedCheckpoint | None,
    key: VerifyKey,
    anchors: Sequence[Checkpoint] = (),
) -> Verdict:
    """
    Hold a ledger whose chain is whole against its checkpoints.

    Args:
        trail: Came to the end of it, with all their sizes among its marks.

        origin: Its name.

        head: Its own newest checkpoint, if it has one.

        key: The key that must have signed *head*.

        anchors: Checkpoints from elsewhere whose signatures were verified.
    """
    found = [_against_head(trail, head, origin=origin, key=key)]
    found += [_against(trail, anchor, origin=origin) for anchor in anchors]
    against = [verdict for verdict in found if verdict is not None]
    for kind in VerdictKind:
        for verdict in against:
            if verdict.kind is kind:
                return evolve(verdict, anchors=len(anchors))
    return Verdict(
        kind=VerdictKind.INTACT if anchors else VerdictKind.UNANCHORED,
        has=trail.size,
        anchors=len(anchors),
    )


def _against_head(
    trail: Trail, head: SignedCheckpoint | None, *, origin: str, key: VerifyKey
) -> Verdict | None:
    signed = 0
    if head is not None:
        try:
            head.verify(key)
        except ProofError as error:
            return Verdict(
                kind=VerdictKind.FORKED,
                has=trail.size,
                had=head.checkpoint.size,
                detail=str(error),
            )
        found = _against(trail, head.checkpoint, origin=origin)
        if found is not None:
            return found
        signed = head.checkpoint.size
    if signed < trail.size:
        return Verdict(
            kind=VerdictKind.CHANGED,
            has=signed,
            index=signed + 1,
            detail="from there on nothing is signed",
        )
    return None


def _against(
    trail: Trail, anchor: Checkpoint, *, origin: str
) -> Verdict | None:
    has, had = trail.size, anchor.size
    if anchor.origin != origin:
        detail = "a checkpoint of this key is of another ledger"
        return Verdict(
            kind=VerdictKind.FORKED, has=has, had=had, detail=detail
        )
    if had > has:
        return Verdict(kind=VerdictKind.TRUNCATED, has=has, had=had)
    if trail.roots[had] != anchor.root:
        return Verdict(kind=VerdictKind.FORKED, has=has, had=had)
    return None
