# SPDX-License-Identifier: MIT

"""
What every ledger does, wherever it is stored: inherited by the tests of each.
"""

from __future__ import annotations

import abc

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from consentkit.exceptions import DamagedError, ProofError
from consentkit.ledger import Ledger, PostgreSQLLedger, SQLiteLedger
from consentkit.ledger.drafts import Place
from consentkit.ledger.entries import GENESIS, LOCAL, Act, Entry
from consentkit.ledger.receipt import verify_receipt
from consentkit.ledger.signing import make_signing_key
from tests.ledger.support import START, draft


__all__ = ["LedgerConformance", "ProvingLedger", "verdict"]


#: Ours: they can do more than a kit asks for.
ProvingLedger = SQLiteLedger | PostgreSQLLedger


def verdict(ledger: ProvingLedger, *anchors) -> tuple[str, int, int, int]:
    """
    Verify and give kind, index, had and has.
    """
    found = ledger.verify(anchors)
    return found.kind.value, found.index, found.had, found.has


class LedgerConformance(abc.ABC):
    """
    Tests for a ledger that the fixture *ledger* gives, new and empty.
    """

    @abc.abstractmethod
    def another(self, ledger: Any) -> Any:
        """
        Open the same ledger once more, as another process would.
        """

    @abc.abstractmethod
    def tamper(self, ledger: Any, *statements: str) -> None:
        """
        Do what only somebody can do who has the whole store.
        """

    @abc.abstractmethod
    def settle(self) -> None:
        """
        Wait until everybody sees what was appended.
        """

    def test_is_a_ledger(self, ledger: ProvingLedger) -> None:
        """
        It is what a kit takes.
        """
        assert isinstance(ledger, Ledger)

    def test_nothing_of_an_empty_one(self, ledger: ProvingLedger) -> None:
        """
        Before the first entry there is nothing, and nothing is wrong.
        """
        assert ledger.entries() == ledger.all_entries() == ()
        assert ledger.checkpoint() is None
        assert ledger.earlier() == {}
        assert ledger.subject("ann") is None
        assert not ledger.erase_subject("ann")
        assert verdict(ledger) == ("unanchored", 0, 0, 0)

    def test_dropped_row(self, ledger: ProvingLedger) -> None:
        """
        A missing entry is named.
        """
        ledger.append(*[draft()] * 5)
        self.tamper(ledger, "DELETE FROM entries WHERE seq = 2")

        assert verdict(ledger) == ("changed", 2, 0, 1)

    def test_person_is_made_once(self, ledger: ProvingLedger) -> None:
        """
        A person gets a tag once, in whatever process, and keeps it.
        """
        tag = ledger.subject("ann", make=True)
        other = self.another(ledger)

        assert other.subject("ann", make=True) == other.subject("ann") == tag
        assert ledger.subject("ann") == tag
        assert ledger.subject("bob", make=True) != tag
        other.close()

    def test_erased_person(self, ledger: ProvingLedger) -> None:
        """
        Erasing cuts the link for every process, and leaves every proof; who
        comes next by that name is somebody else.
        """
        tag = ledger.subject("ann", make=True)
        other = self.another(ledger)
        assert other.subject("ann") == tag
        ledger.append_after(lambda _: [draft()], subject=tag)
        kept = ledger.receipt(1)

        assert ledger.erase_subject("ann")
        assert ledger.subject("ann") is other.subject("ann") is None
        assert not ledger.erase_subject("ann")
        assert verdict(ledger, kept.signed) == ("intact", 0, 0, 1)
        assert ledger.subject("ann", make=True) != tag
        other.close()

    def test_receipt_of_each_size(self, ledger: ProvingLedger) -> None:
        """
        Whatever the shape of the tree, the first, a middle and the last
        entry have receipts, and older checkpoints go on to hold.
        """
        kept = []
        for size in range(1, 12):
            ledger.append(draft(f"f{size}"))
            for seq in {1, size // 2 + 1, size}:
                verify_receipt(ledger.receipt(seq).text)
            kept.append(ledger.checkpoint())

        assert verdict(ledger, *kept) == ("intact", 0, 0, 11)

    # Append

    def test_chains_entries(self, ledger: ProvingLedger) -> None:
        """
        Each entry holds its place and the hash of the one before.
        """
        ledger.append(draft())
        ledger.append(draft("logs"), draft("paste", Act.REFUSED))
        one, two, three = ledger.entries()

        assert (one.seq, two.seq, three.seq) == (1, 2, 3)
        assert one.prev == GENESIS
        assert two.prev == one.hash
        assert three.prev == two.hash
        assert three.act is Act.REFUSED

    def test_gives_what_it_wrote(self, ledger: ProvingLedger) -> None:
        """
        What append returns is what is read.
        """
        made = ledger.append(draft(), draft("logs"))

        assert ledger.entries() == made

    def test_survives_reopening(self, ledger: ProvingLedger) -> None:
        """
        Entries are there for the next start of the app.
        """
        made = ledger.append(draft())
        ledger.close()

        assert ledger.entries() == made

    def test_all_or_nothing(self, ledger: ProvingLedger) -> None:
        """
        Where one of several drafts fails, none is recorded.
        """

        def fail(place: Place) -> Entry:
            raise KeyError(place.seq)

        ledger.append(draft())
        with pytest.raises(KeyError):
            ledger.append(draft("logs"), fail)

        assert [e.element for e in ledger.entries()] == ["improve"]
        ledger.append(draft("logs"))
        assert [e.seq for e in ledger.entries()] == [1, 2]

    def test_does_not_read_again_what_it_knows(
        self, ledger: ProvingLedger
    ) -> None:
        """
        Without a change the same tuple comes back.
        """
        ledger.append(draft())

        assert ledger.entries() is ledger.entries()

    def test_two_connections_see_each_other(
        self, ledger: ProvingLedger
    ) -> None:
        """
        What one process of the app records, the others read at once.
        """
        other = self.another(ledger)
        ledger.append(draft())
        self.settle()
        assert len(other.entries()) == 1

        other.append(draft("logs"))
        self.settle()
        assert len(ledger.entries()) == 2

        ledger.append(draft("paste"))
        self.settle()
        assert [e.seq for e in other.entries()] == [1, 2, 3]
        assert other.entries() == ledger.entries()
        other.close()

    def test_refuses_what_could_not_be_read(
        self, ledger: ProvingLedger
    ) -> None:
        """
        An entry that no reader would take is not written.
        """
        ledger.append(draft())
        with pytest.raises(ValueError):
            ledger.append(draft(facts={"No name": "x"}))

        assert len(ledger.entries()) == 1

    def test_plan_may_look(self, ledger: ProvingLedger) -> None:
        """
        A plan may read the ledger that it is about to append to.
        """
        ledger.append(draft())
        seen = ledger.append_after(lambda _: [draft()] * len(ledger.entries()))

        assert len(seen.before) == len(seen.made) == 1

    # Verify

    @pytest.mark.parametrize("seq", [1, 3, 5])
    def test_changed_entry(self, ledger: ProvingLedger, seq: int) -> None:
        """
        A changed entry is named.
        """
        ledger.append(*[draft()] * 5)
        self.tamper(
            ledger,
            "UPDATE entries SET body = replace(body, 'granted', 'refused') "
            f"WHERE seq = {seq}",
        )

        assert verdict(ledger) == ("changed", seq, 0, seq - 1)

    def test_anchor_of_another_key(self, ledger: ProvingLedger) -> None:
        """
        An anchor that this key has not signed is not held against anybody.
        """
        ledger.append(draft())
        stranger = make_signing_key().sign(ledger.checkpoint().checkpoint)

        with pytest.raises(ProofError, match="no signature"):
            ledger.verify([stranger])

    # Subjects

    def test_entries_of_each(self, ledger: ProvingLedger) -> None:
        """
        Each person's entries are given alone, chained to one another.
        """
        ann = ledger.subject("ann", make=True)
        bob = ledger.subject("bob", make=True)
        for tag in (ann, bob, ann):
            ledger.append_after(
                lambda before: [draft(f"f{len(before)}")], subject=tag
            )
        ledger.append(draft())

        one, two = ledger.entries(ann)
        (three,) = ledger.entries(bob)
        assert [e.element for e in (one, two, three)] == ["f0", "f1", "f0"]
        assert two.prior == one.hash
        assert two.prev == three.hash
        assert three.prior == GENESIS
        assert [e.seq for e in ledger.all_entries()] == [1, 2, 3, 4]
        assert [e.subject for e in ledger.entries()] == [LOCAL]
        assert verdict(ledger) == ("intact", 0, 0, 4)

    def test_others_do_not_disturb(self, ledger: ProvingLedger) -> None:
        """
        Entries of somebody else leave what was read as it is.
        """
        ann = ledger.subject("ann", make=True)
        ledger.append_after(lambda _: [draft()], subject=ann)
        before = ledger.entries(ann)
        ledger.append(draft())

        assert ledger.entries(ann) is before

    def test_entry_for_somebody_else(self, ledger: ProvingLedger) -> None:
        """
        A draft cannot write about another person than it was asked for.
        """
        entry = draft()(Place(seq=1))
        with pytest.raises(ValueError, match="another place"):
            ledger.append_after(lambda _: [lambda _: entry], subject="a" * 64)

    def test_name_is_in_no_entry(self, ledger: ProvingLedger) -> None:
        """
        Whoever gets the entries, the checkpoint and the receipts does not
        get the name.
        """
        tag = ledger.subject("ann@example.com", make=True)
        ledger.append_after(lambda _: [draft()], subject=tag)

        assert "ann" not in ledger.receipt(1).text

    @pytest.mark.parametrize("name", ["", "x" * 1001])
    def test_no_name(self, ledger: ProvingLedger, name: str) -> None:
        """
        A person needs a name, of a bounded length.
        """
        with pytest.raises(ValueError):
            ledger.subject(name, make=True)

    def test_names_changed_places(self, ledger: ProvingLedger) -> None:
        """
        Whoever swaps two people in the file is found.
        """
        ledger.subject("ann", make=True)
        ledger.subject("bob", make=True)
        self.tamper(
            ledger,
            "UPDATE subjects SET id = 'x' WHERE id = 'ann'",
            "UPDATE subjects SET id = 'ann' WHERE id = 'bob'",
        )

        with pytest.raises(DamagedError, match="link of a subject"):
            ledger.subject("ann")

    # Policies

    TEXT = '{"policy":{"id":"small"}}'

    DIGEST = sha256(TEXT.encode()).hexdigest()

    def test_policy_is_kept(self, ledger: ProvingLedger) -> None:
        """
        A document is kept with the entry that names it, and is in its
        receipt.
        """
        assert ledger.policy(self.DIGEST) is None
        for _ in range(2):
            ledger.append_after(
                lambda _: [draft(text=self.DIGEST)],
                policies={self.DIGEST: self.TEXT},
            )

        assert ledger.policy(self.DIGEST) == self.TEXT
        assert ledger.policy("0" * 64) is None
        assert verify_receipt(ledger.receipt(2).text).policy == self.TEXT

    def test_policy_is_not_kept_for_nothing(
        self, ledger: ProvingLedger
    ) -> None:
        """
        Without an entry no document is kept.
        """
        ledger.append_after(lambda _: [], policies={self.DIGEST: self.TEXT})

        assert ledger.policy(self.DIGEST) is None

    def test_policy_of_another_digest(self, ledger: ProvingLedger) -> None:
        """
        A document under another digest than its own is refused.
        """
        with pytest.raises(ValueError, match="another digest"):
            ledger.append_after(
                lambda _: [draft()], policies={"0" * 64: self.TEXT}
            )
        assert ledger.entries() == ()

    def test_changed_policy(self, ledger: ProvingLedger) -> None:
        """
        A document that was changed in the store is refused.
        """
        ledger.append_after(
            lambda _: [draft(text=self.DIGEST)],
            policies={self.DIGEST: self.TEXT},
        )
        self.tamper(ledger, "UPDATE policies SET body = '{}'")

        with pytest.raises(DamagedError, match="policy document"):
            ledger.policy(self.DIGEST)
        with pytest.raises(DamagedError, match="policy document"):
            ledger.receipt(1)

    # Receipts

    def test_all_receipts(self, ledger: ProvingLedger) -> None:
        """
        Every entry has a receipt that holds.
        """
        assert ledger.receipts() == ()
        made = ledger.append(*[draft()] * 5)
        receipts = ledger.receipts()

        assert [r.entry for r in receipts] == list(made)
        for receipt in receipts:
            verify_receipt(receipt.text, key=ledger.verify_key())

    def test_receipt_of_before_a_withdrawal(
        self, ledger: ProvingLedger
    ) -> None:
        """
        What was given before it was taken back stays proved, with its
        version and its time.
        """
        ledger.append(draft(version="3"))
        kept = ledger.receipt(1).text
        ledger.append(draft(act=Act.WITHDRAWN, version="4"))
        entry = verify_receipt(kept, key=ledger.verify_key()).entry

        assert (entry.act, entry.version) == (Act.GRANTED, "3")
        assert entry.at == START + timedelta(minutes=1)
        assert ledger.verify([verify_receipt(kept).signed]).is_sound

    def test_no_receipt_asked_for(self, ledger: ProvingLedger) -> None:
        """
        Of no entries there are no receipts.
        """
        ledger.append(draft())

        assert ledger.receipts([]) == ()

    def test_receipt_of_no_such_entry(self, ledger: ProvingLedger) -> None:
        """
        An entry that is not there has no receipt.
        """
        for seq in (1, 2, 3):
            for none in (0, -1, seq):
                with pytest.raises(ValueError):
                    ledger.receipt(none)
            ledger.append(draft())
            ledger.receipt(seq)

    def test_damaged_ledger_gives_no_receipt(
        self, ledger: ProvingLedger
    ) -> None:
        """
        What cannot be vouched for gets no receipt.
        """
        ledger.append(*[draft()] * 3)
        self.tamper(ledger, "DELETE FROM entries WHERE seq = 2")

        for attempt in (
            lambda: ledger.receipt(1),
            ledger.all_entries,
        ):
            with pytest.raises(DamagedError):
                attempt()
