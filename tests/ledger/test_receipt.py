# SPDX-License-Identifier: MIT

"""
Tests for receipts: proofs that check with nothing but themselves.
"""

from __future__ import annotations

import json
import subprocess
import sys

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.exceptions import ProofError
from consentkit.ledger.canonical import canonical_json
from consentkit.ledger.entries import Act
from consentkit.ledger.receipt import (
    Receipt,
    check_places,
    verify_receipt,
)
from consentkit.ledger.signing import make_signing_key
from tests.ledger.support import Book, draft


POLICY = '{"policy":{"id":"small","title":"A small policy \u2028 \u00e9"}}'
DIGEST = sha256(POLICY.encode()).hexdigest()


def book_of(size: int) -> Book:
    """
    Give a ledger whose entries name a policy that is there.
    """
    book = Book(0)
    book.add(*(draft(f"f{n}", text=DIGEST) for n in range(size)))
    return book


BOOK = book_of(7)


def receipt(seq: int, *, book: Book = BOOK, policy: str = POLICY) -> Receipt:
    """
    Make the receipt of one entry.
    """
    return book.receipt(seq, {DIGEST: policy})


TEXT = receipt(3).text


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    """
    Give the receipt with something done to its parsed form.
    """
    raw = json.loads(TEXT)
    change(raw)
    return f"{canonical_json(raw)}\n"


class TestGood:
    """
    Tests for receipts as they were made.
    """

    @pytest.mark.parametrize("size", range(1, 8))
    def test_every_entry(self, size: int) -> None:
        """
        Each entry of a ledger of any size has a receipt that holds.
        """
        book = book_of(size)
        for seq in range(1, size + 1):
            made = receipt(seq, book=book)
            said = verify_receipt(made.text, key=book.key.verify_key)
            assert said == made
            assert said.entry.element == f"f{seq - 1}"
            assert said.policy == POLICY

    def test_is_one_line(self) -> None:
        """
        A receipt is a line of its own, so that a file may hold several.
        """
        assert TEXT.count("\n") == 1
        assert TEXT.endswith("}\n")

    def test_holds_the_entry_as_it_is(self) -> None:
        """
        The text that was hashed stands in the receipt, for all to see.
        """
        assert receipt(3).entry.body in TEXT

    def test_without_the_policy(self) -> None:
        """
        A ledger that does not have the document gives a receipt without.
        """
        made = receipt(3, policy="")

        assert verify_receipt(made.text).policy == ""

    def test_needs_nothing(self, tmp_path: Path) -> None:
        """
        It verifies in a process that opens no other file of ours and no
        socket.
        """
        file = tmp_path / "receipt.json"
        file.write_text(TEXT, encoding="utf-8")
        code = """\
import sys
from pathlib import Path
from consentkit.ledger.receipt import verify_receipt
text = Path(sys.argv[1]).read_text(encoding="utf-8")
verify_receipt(text)
seen = []
sys.addaudithook(lambda event, args: seen.append(event))
verify_receipt(text)
print([e for e in seen if e.startswith(("open", "socket", "sqlite3"))])
"""
        ran = subprocess.run(
            [sys.executable, "-c", code, file],
            capture_output=True,
            text=True,
            check=True,
        )

        assert ran.stdout == "[]\n"

    def test_repr_is_short(self) -> None:
        """
        `repr` does not print the whole document.
        """
        assert "small policy" not in repr(receipt(3))


class TestBad:
    """
    Tests that nothing else holds.
    """

    @given(st.data())
    def test_any_bit(self, data: st.DataObject) -> None:
        """
        A receipt with any bit flipped does not hold.
        """
        raw = bytearray(TEXT.encode())
        bit = data.draw(st.integers(0, 8 * len(raw) - 1))
        raw[bit // 8] ^= 1 << bit % 8
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return  # no reader gets so far

        with pytest.raises(ProofError):
            verify_receipt(text)

    def test_each_byte(self) -> None:
        """
        There is no byte that does not matter.
        """
        raw = TEXT.encode()
        for place, byte in enumerate(raw):
            other = raw[:place] + bytes([byte ^ 1]) + raw[place + 1 :]
            with pytest.raises(ProofError):
                verify_receipt(other.decode(errors="replace"))

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda r: r["entry"].update(act="refused"), "not in the tree"),
            (lambda r: r["entry"].update(seq=4), "not in the tree"),
            (lambda r: r["entry"].update(seq=0), "no leaf"),
            (lambda r: r["entry"].update(seq=99), "no leaf"),
            (lambda r: r["entry"].update(more="x"), "none of a ledger"),
            (lambda r: r["entry"].pop("v"), "none of a ledger"),
            (lambda r: r["proof"].reverse(), "not in the tree"),
            (lambda r: r["proof"].pop(), "not in the tree"),
            (lambda r: r["proof"].append(r["proof"][0]), "not in the tree"),
            (lambda r: r.update(proof=[1]), "not base64"),
            (lambda r: r.update(proof=["AAAA"]), "32 bytes"),
            (lambda r: r.update(proof={}), "a receipt has"),
            (lambda r: r.update(policy="{}"), "not the one"),
            (lambda r: r.update(policy=None), "a receipt has"),
            (lambda r: r.update(key=""), "not base64|Ed25519"),
            (lambda r: r.update(checkpoint=""), "a checkpoint is"),
            (lambda r: r.update(v=2), "format 1"),
            (lambda r: r.update(v=True), "a receipt has"),
            (lambda r: r.update(type="receipt"), "not a receipt"),
            (lambda r: r.update(more=1), "and no more"),
            (lambda r: r.pop("proof"), "a receipt has"),
        ],
        ids=range(21),
    )
    def test_changed(
        self, change: Callable[[dict[str, Any]], object], says: str
    ) -> None:
        """
        Each change is refused, and the error says which rule it broke.
        """
        with pytest.raises(ProofError, match=says):
            verify_receipt(changed(change))

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "\n",
            "null\n",
            "[]\n",
            "{}\n",
            TEXT[:-1],
            TEXT + "\n",
            " " + TEXT,
            TEXT.replace(":", ": ", 1),
            "[" * 100_000 + "\n",
            "9" * 5_000 + "\n",
            "x" * 4_000_001,
        ],
        ids=range(12),
    )
    def test_other_text(self, text: str) -> None:
        """
        What is no receipt is refused, and nothing else escapes.
        """
        with pytest.raises(ProofError):
            verify_receipt(text)

    @given(st.text(max_size=300))
    def test_anything(self, text: str) -> None:
        """
        No text makes the reader fail in any other way.
        """
        with pytest.raises(ProofError):
            verify_receipt(f"{text}\n")

    def test_another_key(self) -> None:
        """
        A receipt of a forger's own key only passes where no key is asked.
        """
        forged = Book(0, key=make_signing_key())
        forged.add(draft("f0", Act.GRANTED, text=DIGEST))
        text = receipt(1, book=forged).text

        assert verify_receipt(text).entry.element == "f0"
        with pytest.raises(ProofError, match="is of the key"):
            verify_receipt(text, key=BOOK.key.verify_key)

    def test_entry_under_a_stranger_checkpoint(self) -> None:
        """
        An entry cannot be moved under a checkpoint that it is not in.
        """
        other = book_of(7)
        other.add(draft("more"))
        note = other.heads[-1].note
        key = str(other.key.verify_key)

        with pytest.raises(ProofError, match="not in the tree"):
            verify_receipt(
                changed(lambda r: r.update(checkpoint=note, key=key))
            )


class TestMake:
    """
    Tests for making receipts.
    """

    @pytest.mark.parametrize("seq", [0, -1, 8])
    def test_no_such_entry(self, seq: int) -> None:
        """
        An entry that is not there has no receipt.
        """
        with pytest.raises(ValueError, match="ends at 7"):
            check_places([seq], 7)
