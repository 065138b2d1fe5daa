# SPDX-License-Identifier: MIT

"""
Tests for the ledger's file: append-only, chained, shared by processes.
"""

from __future__ import annotations

import os
import sqlite3
import stat

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from consentkit.consent.entries import GENESIS, Act, Entry
from consentkit.consent.ledger import Ledger
from consentkit.exceptions import (
    DamagedError,
    NewerFormatError,
    StoreError,
    UnwritableError,
)
from tests.support import acts, small


Draft = Callable[[int, str], Entry]
POLICY = small()


def draft(element: str = "improve", act: Act = Act.GRANTED) -> Draft:
    """
    Draft an entry, to be put in its place by the ledger.
    """
    (entry,) = acts(POLICY, (element, act))
    return lambda seq, prev: attrs.evolve(entry, seq=seq, prev=prev)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """
    Give a ledger in a folder of its own.
    """
    made = Ledger(tmp_path / "ledger.sqlite3")
    yield made
    made.close()


def tamper(ledger: Ledger, *statements: str) -> None:
    """
    Do to the file what only somebody with the file can do.
    """
    ledger.close()
    with closing(sqlite3.connect(ledger.path)) as raw, raw:
        raw.execute("DROP TRIGGER entries_stay")
        raw.execute("DROP TRIGGER entries_keep")
        for statement in statements:
            raw.execute(statement)


def broken_at(ledger: Ledger) -> str:
    """
    Read the ledger and give what is said of the damage.
    """
    with pytest.raises(DamagedError) as caught:
        ledger.entries()
    assert caught.value.path == ledger.path
    assert "backup" in caught.value.cure
    return caught.value.problem


class TestAppend:
    """
    Tests for appending and reading.
    """

    def test_makes_no_file_before_the_first_entry(
        self, ledger: Ledger
    ) -> None:
        """
        Reading an empty ledger leaves no trace.
        """
        assert ledger.entries() == ()
        assert list(ledger.path.parent.iterdir()) == []

    def test_chains_entries(self, ledger: Ledger) -> None:
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

    def test_gives_what_it_wrote(self, ledger: Ledger) -> None:
        """
        What append returns is what is read.
        """
        made = ledger.append(draft(), draft("logs"))

        assert ledger.entries() == made

    def test_survives_reopening(self, ledger: Ledger) -> None:
        """
        Entries are there for the next start of the app.
        """
        made = ledger.append(draft())
        ledger.close()

        assert ledger.entries() == made

    def test_all_or_nothing(self, ledger: Ledger) -> None:
        """
        Where one of several drafts fails, none is recorded.
        """

        def fail(seq: int, prev: str) -> Entry:
            raise KeyError(seq)

        ledger.append(draft())
        with pytest.raises(KeyError):
            ledger.append(draft("logs"), fail)

        assert [e.element for e in ledger.entries()] == ["improve"]
        ledger.append(draft("logs"))
        assert [e.seq for e in ledger.entries()] == [1, 2]

    def test_does_not_read_again_what_it_knows(self, ledger: Ledger) -> None:
        """
        Without a change the same tuple comes back.
        """
        ledger.append(draft())

        assert ledger.entries() is ledger.entries()

    def test_file_is_for_this_user_only(self, tmp_path: Path) -> None:
        """
        Choices are nobody else's business.
        """
        made = Ledger(tmp_path / "new" / "ledger.sqlite3")
        made.append(draft())
        made.close()

        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700

    def test_two_connections_see_each_other(self, ledger: Ledger) -> None:
        """
        What one process of the app records, the others read at once.
        """
        other = Ledger(ledger.path)
        ledger.append(draft())
        assert len(other.entries()) == 1

        other.append(draft("logs"))
        assert len(ledger.entries()) == 2

        ledger.append(draft("paste"))
        assert [e.seq for e in other.entries()] == [1, 2, 3]
        assert other.entries() == ledger.entries()
        other.close()

    def test_file_that_went_is_an_empty_ledger(self, ledger: Ledger) -> None:
        """
        Where the file is deleted, nothing is granted any more.
        """
        ledger.append(draft())
        assert ledger.entries()
        for file in ledger.path.parent.iterdir():
            file.unlink()

        assert ledger.entries() == ()

    def test_replaced_file_is_read(
        self, ledger: Ledger, tmp_path: Path
    ) -> None:
        """
        Another file in the same place is read, not what was remembered.
        """
        ledger.append(draft())
        assert len(ledger.entries()) == 1
        other = Ledger(tmp_path / "other" / "ledger.sqlite3")
        other.append(draft("logs"), draft("paste"))
        other.close()
        for file in ledger.path.parent.glob("ledger.sqlite3?*"):
            file.unlink()
        other.path.replace(ledger.path)

        assert [e.element for e in ledger.entries()] == ["logs", "paste"]


class TestAppendOnly:
    """
    Tests that the file itself refuses changes.
    """

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE entries SET body = 'x'",
            "UPDATE entries SET seq = 9 WHERE seq = 1",
            "DELETE FROM entries",
            "DELETE FROM entries WHERE seq = 2",
        ],
    )
    def test_sql_cannot_change_entries(
        self, ledger: Ledger, statement: str
    ) -> None:
        """
        UPDATE and DELETE are refused by the database.
        """
        made = ledger.append(draft(), draft("logs"))
        with (
            closing(sqlite3.connect(ledger.path)) as raw,
            pytest.raises(sqlite3.IntegrityError, match="append-only"),
        ):
            raw.execute(statement)

        assert ledger.entries() == made


class TestTampering:
    """
    Tests that a changed ledger is found, and the place named.
    """

    @pytest.fixture(autouse=True)
    def _five(self, ledger: Ledger) -> None:
        elements = ("connect", "improve", "paste", "logs", "umeng")
        ledger.append(*map(draft, elements))

    def test_untouched_is_sound(self, ledger: Ledger) -> None:
        """
        Opening the file with another tool harms nothing.
        """
        tamper(ledger)

        assert len(ledger.entries()) == 5

    @pytest.mark.parametrize("seq", [1, 3, 5])
    def test_changed_byte(self, ledger: Ledger, seq: int) -> None:
        """
        One changed byte of an entry is found there.
        """
        tamper(
            ledger,
            "UPDATE entries SET body = replace(body, 'granted', 'refused') "
            f"WHERE seq = {seq}",
        )

        assert broken_at(ledger) == f"the chain breaks at entry {seq}"

    def test_changed_hash(self, ledger: Ledger) -> None:
        """
        A changed hash is found where it stands.
        """
        tamper(ledger, f"UPDATE entries SET hash = '{'0' * 64}' WHERE seq = 5")

        assert broken_at(ledger) == "the chain breaks at entry 5"

    def test_changed_with_its_hash(self, ledger: Ledger) -> None:
        """
        Mending the hash of a changed entry moves the break to the next.
        """
        entry = ledger.entries()[1]
        forged = attrs.evolve(entry, act=Act.REFUSED)
        tamper(
            ledger,
            f"UPDATE entries SET body = '{forged.body}', "
            f"hash = '{forged.hash}' WHERE seq = 2",
        )

        assert broken_at(ledger) == "the chain breaks at entry 3"

    @pytest.mark.parametrize("seq", [1, 2, 4])
    def test_dropped(self, ledger: Ledger, seq: int) -> None:
        """
        A missing entry is found at its place.
        """
        tamper(ledger, f"DELETE FROM entries WHERE seq = {seq}")

        assert broken_at(ledger) == f"the chain breaks at entry {seq}"

    def test_dropped_and_closed_up(self, ledger: Ledger) -> None:
        """
        Renumbering the rest does not hide a missing entry.
        """
        tamper(
            ledger,
            "DELETE FROM entries WHERE seq = 2",
            "UPDATE entries SET seq = seq - 1 WHERE seq > 2",
        )

        assert broken_at(ledger) == "the chain breaks at entry 2"

    def test_reordered(self, ledger: Ledger) -> None:
        """
        Two entries that changed places are found at the first.
        """
        tamper(
            ledger,
            "UPDATE entries SET seq = 100 WHERE seq = 2",
            "UPDATE entries SET seq = 2 WHERE seq = 3",
            "UPDATE entries SET seq = 3 WHERE seq = 100",
        )

        assert broken_at(ledger) == "the chain breaks at entry 2"

    @pytest.mark.parametrize(
        "value",
        [
            "x''",
            "x'ff'",
            "''",
            "'[]'",
            "12",
            f"'{'[' * 50_000}'",
            f"'{'9' * 5_000}'",
        ],
        ids=["blob", "byte", "empty", "list", "number", "deep", "digits"],
    )
    def test_not_an_entry(self, ledger: Ledger, value: str) -> None:
        """
        Whatever stands in an entry's place is found, and nothing escapes.
        """
        tamper(ledger, f"UPDATE entries SET body = {value} WHERE seq = 4")

        assert broken_at(ledger) == "the chain breaks at entry 4"

    def test_text_that_is_no_text(self, ledger: Ledger) -> None:
        """
        Bytes that are no UTF-8 make the file damaged.
        """
        tamper(
            ledger,
            "UPDATE entries SET body = CAST(x'ff' AS TEXT) WHERE seq = 4",
        )

        assert "not as expected" in broken_at(ledger)

    def test_nothing_is_added_to_a_broken_chain(self, ledger: Ledger) -> None:
        """
        A broken ledger takes no entry, so that the break stays visible.
        """
        tamper(ledger, "DELETE FROM entries WHERE seq = 2")
        with pytest.raises(DamagedError):
            ledger.append(draft())
        with closing(sqlite3.connect(ledger.path)) as raw:
            (count,) = raw.execute("SELECT COUNT(*) FROM entries").fetchone()

        assert count == 4

    def test_is_found_while_it_is_open(self, ledger: Ledger) -> None:
        """
        A change under an open ledger is found at the next read.
        """
        assert len(ledger.entries()) == 5
        with closing(sqlite3.connect(ledger.path)) as raw, raw:
            raw.execute("DROP TRIGGER entries_keep")
            raw.execute("DELETE FROM entries WHERE seq = 3")

        assert broken_at(ledger) == "the chain breaks at entry 3"


class TestBadFiles:
    """
    Tests for files that are no ledger of this version.
    """

    def test_newer_format(self, ledger: Ledger) -> None:
        """
        A file of a newer version is left alone, and the cure named.
        """
        ledger.append(draft())
        ledger.close()
        with closing(sqlite3.connect(ledger.path)) as raw, raw:
            raw.execute("PRAGMA user_version = 2")
        before = ledger.path.read_bytes()

        for attempt in (ledger.entries, lambda: ledger.append(draft())):
            with pytest.raises(NewerFormatError) as caught:
                attempt()
            assert "format 2" in caught.value.problem
            assert caught.value.cure == "upgrade consentkit"
        assert ledger.path.read_bytes() == before

    def test_no_database(self, ledger: Ledger) -> None:
        """
        A file of other content is damaged.
        """
        ledger.path.write_bytes(b"no database at all, but long enough" * 99)

        with pytest.raises(DamagedError, match="damaged"):
            ledger.entries()

    def test_cut_file(self, ledger: Ledger) -> None:
        """
        A database that lost its end is damaged.
        """
        ledger.append(*[draft()] * 50)
        ledger.close()
        os.truncate(ledger.path, 5_000)

        with pytest.raises(StoreError):
            ledger.entries()

    def test_folder_in_its_place(self, ledger: Ledger) -> None:
        """
        A folder where the file should be is said to be unwritable.
        """
        ledger.path.mkdir()

        with pytest.raises(StoreError) as caught:
            ledger.append(draft())
        assert str(ledger.path) in str(caught.value)

    def test_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        """
        Where a file stands in place of the folder, the cure is named.
        """
        (tmp_path / "file").write_text("", encoding="utf-8")
        ledger = Ledger(tmp_path / "file" / "ledger.sqlite3")

        assert ledger.entries() == ()
        with pytest.raises(UnwritableError) as caught:
            ledger.append(draft())
        assert "choose a folder" in caught.value.cure
