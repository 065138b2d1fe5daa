# SPDX-License-Identifier: MIT

"""
Tests for verifying a ledger, wherever it is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.ledger.checkpoint import Checkpoint, SignedCheckpoint
from consentkit.ledger.drafts import Place, put_in_place, row_of
from consentkit.ledger.entries import Act
from consentkit.ledger.signing import make_signing_key
from consentkit.ledger.verify import (
    BreakError,
    Row,
    Trail,
    Verdict,
    VerdictKind,
    judge,
)
from tests.ledger.support import Book, draft


INTACT, CHANGED = VerdictKind.INTACT, VerdictKind.CHANGED
TRUNCATED, FORKED = VerdictKind.TRUNCATED, VerdictKind.FORKED
UNANCHORED = VerdictKind.UNANCHORED

BOOK = Book(8)


def anchor(size: int, book: Book = BOOK) -> Checkpoint:
    """
    Give the checkpoint that a book had when it had so many entries.
    """
    return book.heads[size - 1].checkpoint


def verdict(
    rows: Sequence[Row],
    *anchors: Checkpoint,
    book: Book = BOOK,
    head: SignedCheckpoint | None = BOOK.heads[-1],
) -> Verdict:
    """
    Judge rows by the key of a book.
    """
    return judge(
        rows,
        origin=book.origin,
        head=head,
        key=book.key.verify_key,
        anchors=anchors,
    )


class TestSound:
    """
    Tests for a ledger that is what was written.
    """

    def test_intact(self) -> None:
        """
        It is intact against each anchor of its past, and against many.
        """
        anchors = [anchor(size) for size in range(1, 9)]
        for one in anchors:
            found = verdict(BOOK.rows, one)
            assert (found.kind, found.has, found.anchors) == (INTACT, 8, 1)
        assert str(verdict(BOOK.rows, *anchors)) == "intact, 8 entries"

    def test_unanchored(self) -> None:
        """
        Without an anchor it is not called intact.
        """
        found = verdict(BOOK.rows)

        assert found.kind is UNANCHORED
        assert found.is_sound
        assert str(found) == "unanchored, 8 entries"

    def test_empty(self) -> None:
        """
        A ledger without entries and anchors is unanchored.
        """
        assert verdict([], head=None).kind is UNANCHORED


class TestChanged:
    """
    Tests that a change is found, and its place named.
    """

    @given(st.data())
    def test_any_bit(self, data: st.DataObject) -> None:
        """
        A flipped bit anywhere in a row is found in that row.
        """
        place = data.draw(st.integers(0, 7))
        rows = list(BOOK.rows)
        seq, body, digest, subject = rows[place]
        bit = data.draw(st.integers(0, 8 * len(body) - 1))
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        rows[place] = data.draw(
            st.sampled_from(
                [
                    (seq, bytes(flipped), digest, subject),
                    (seq, body, digest[::-1], subject),
                    (seq, body, digest, "f" * 64),
                    (seq + 1, body, digest, subject),
                ]
            )
        )
        found = verdict(rows, anchor(8))

        assert (found.kind, found.index) == (CHANGED, place + 1)
        assert not found.is_sound
        assert str(found) == f"changed at entry {place + 1}"

    @pytest.mark.parametrize(
        "body", [None, 7, "text", b"", b"\xff", b"{}", b"[" * 50_000]
    )
    def test_no_entry(self, body: object) -> None:
        """
        Whatever stands in an entry's place is a change, and nothing escapes.
        """
        rows = list(BOOK.rows)
        rows[3] = (4, body, "x", "local")  # type: ignore[assignment]

        assert verdict(rows).index == 4

    @given(st.integers(1, 7))
    def test_removed(self, place: int) -> None:
        """
        A missing entry is found at its place, unless it was the last.
        """
        rows = [row for row in BOOK.rows if row[0] != place]

        assert verdict(rows).index == place

    @given(st.permutations(range(8)))
    def test_reordered(self, order: list[int]) -> None:
        """
        Entries in another order are found at the first that has moved.
        """
        found = verdict([BOOK.rows[n] for n in order], anchor(8))
        moved = [n for n, place in enumerate(order) if n != place]

        assert found.index == (moved[0] + 1 if moved else 0)

    def test_unsigned_end(self) -> None:
        """
        Entries that go on in good order, but unsigned, are not believed.
        """
        found = verdict(BOOK.rows, head=BOOK.heads[5])

        assert (found.kind, found.index) == (CHANGED, 7)
        assert "nothing is signed" in str(found)
        assert verdict(BOOK.rows, head=None).index == 1

    def test_entries_of_two_subjects(self) -> None:
        """
        Each subject's own chain is followed too.
        """
        book = Book(0)
        trail = Trail()
        one, two = "1" * 64, "2" * 64
        for subject in (one, two, one):
            book.add(draft(), subject=subject)
        assert verdict(book.rows, book=book, head=book.heads[-1]).is_sound

        # Good in all but that the third says to be the first of its subject.
        made = put_in_place([draft()], trail, subject=one)
        made += put_in_place([draft()], trail, subject=two)
        trail.priors.clear()
        made += put_in_place([draft()], trail, subject=one)
        head = book.key.sign(trail.checkpoint(book.origin))
        rows = [row_of(entry) for entry in made]

        assert verdict(rows, book=book, head=head).index == 3


class TestAgainstAnchors:
    """
    Tests for what only an anchor shows.
    """

    def test_truncated(self) -> None:
        """
        A whole older ledger is sound by itself, and truncated against an
        anchor of later.
        """
        head = BOOK.heads[4]
        assert verdict(BOOK.rows[:5], head=head).kind is UNANCHORED
        assert verdict(BOOK.rows[:5], anchor(3), head=head).kind is INTACT

        found = verdict(BOOK.rows[:5], anchor(3), anchor(7), head=head)
        assert (found.kind, found.had, found.has) == (TRUNCATED, 7, 5)
        assert str(found) == "truncated, had 7 entries and has 5 entries"

    def test_cut_off(self) -> None:
        """
        Entries cut off under their own checkpoint are missed by it.
        """
        found = verdict(BOOK.rows[:5])

        assert (found.kind, found.had, found.has) == (TRUNCATED, 8, 5)

    def test_forked(self) -> None:
        """
        Another history by the same key, as long or longer, does not match.
        """
        other = Book(3, key=BOOK.key)
        other.add(*[draft("other", Act.REFUSED)] * 7)
        head = other.heads[-1]
        assert verdict(other.rows, anchor(3), head=head).kind is INTACT

        for size in range(4, 9):
            found = verdict(other.rows, anchor(size), head=head)
            assert (found.kind, found.had) == (FORKED, size)
        assert str(found).startswith("forked, not what it was when it had 8")

    def test_written_anew_without_the_key(self) -> None:
        """
        Who writes all anew but cannot sign is found by the signature, be it
        the old one or a key of their own.
        """
        other = Book(8, key=make_signing_key())
        assert verdict(other.rows, head=other.heads[-1]).kind is FORKED

        changed = Book(0, key=BOOK.key)
        changed.add(*[draft("other")] * 8)
        found = verdict(changed.rows, head=BOOK.heads[-1])
        assert (found.kind, found.had) == (FORKED, 8)

    def test_another_ledger_of_the_key(self) -> None:
        """
        An anchor of another ledger that the key has signed speaks against
        this one.
        """
        other = attrs.evolve(anchor(3), origin="another")
        found = verdict(BOOK.rows, other)

        assert found.kind is FORKED
        assert "another ledger" in str(found)

    def test_worst_is_said(self) -> None:
        """
        Of several findings the gravest is given.
        """
        forked = attrs.evolve(anchor(3), root=sha256(b"x").digest())
        found = verdict(BOOK.rows[:5], anchor(8), forked, head=BOOK.heads[4])

        assert (found.kind, found.anchors) == (FORKED, 2)

    def test_anchor_of_nothing(self) -> None:
        """
        An anchor of an empty ledger says nothing, and does no harm.
        """
        empty = Trail().checkpoint(BOOK.origin)

        assert verdict(BOOK.rows, empty).kind is INTACT


class TestTrail:
    """
    Tests for going on from where one has come to.
    """

    @given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
    def test_in_two_goes(self, first: int, mark: int, known: int) -> None:
        """
        It goes on to the same end, and has the roots that were wanted
        before they were passed.
        """
        trail = Trail([known])
        trail.follow(BOOK.rows[:first])
        is_known = mark == 0 or mark == known <= first
        assert trail.can_tell(mark) is (mark >= first or is_known)
        if not trail.can_tell(mark):
            with pytest.raises(ValueError):
                trail.mark([mark])
            return
        trail.mark([mark])
        trail.follow(BOOK.rows[first:])

        assert trail.checkpoint(BOOK.origin) == anchor(8)
        if mark:
            assert trail.roots[mark] == anchor(mark).root

    @given(st.integers(0, 8))
    def test_branch(self, first: int) -> None:
        """
        A branch comes to the same end, and leaves the first where it was.
        """
        trail = Trail()
        trail.follow(BOOK.rows[:first])
        branch = trail.branch("local")
        branch.follow(BOOK.rows[first:])

        assert branch.checkpoint(BOOK.origin) == anchor(8)
        assert branch.priors == {"local": BOOK.trail.last}
        assert trail.size == first
        assert not trail.branch("a" * 64).priors

    def test_ends_at_a_break(self) -> None:
        """
        What is whole before a break was followed.
        """
        trail = Trail()
        with pytest.raises(BreakError):
            trail.follow([*BOOK.rows[:3], BOOK.rows[4]])

        assert trail.size == 3


class TestPutInPlace:
    """
    Tests for making entries out of drafts.
    """

    def test_another_place(self) -> None:
        """
        An entry for another place than its draft was given is refused.
        """
        entry = draft()(Place(seq=2))
        with pytest.raises(ValueError, match="another place"):
            put_in_place([lambda _: entry], Trail(), subject="local")

    @pytest.mark.parametrize(
        "fields",
        [
            {"element": "\ud800"},
            {"facts": {"Not a name": "x"}},
            {"facts": {"cause": "x" * 1001}},
            {"mono": -1},
            {"mono": 2**53},
        ],
        ids=range(5),
    )
    def test_what_could_not_be_read(self, fields: dict) -> None:
        """
        What no reader would take is refused before it is written.
        """
        with pytest.raises(ValueError):
            put_in_place([draft(**fields)], Trail(), subject="local")
