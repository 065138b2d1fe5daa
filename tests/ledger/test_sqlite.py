# SPDX-License-Identifier: MIT

"""
Tests for the ledger's file: append-only, chained, shared by processes, and
held against the anchor beside its keys.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from consentkit.exceptions import (
    DamagedError,
    NewerFormatError,
    StoreError,
    UnwritableError,
)
from consentkit.ledger.entries import Act
from consentkit.ledger.receipt import verify_receipt
from consentkit.ledger.signing import make_signing_key
from consentkit.ledger.sqlite import SQLiteLedger
from tests.ledger.conformance import LedgerConformance, verdict
from tests.ledger.support import draft, tamper, unwritable


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SQLiteLedger]:
    """
    Give a ledger in a folder of its own.
    """
    made = SQLiteLedger(tmp_path / "ledger.sqlite3")
    yield made
    made.close()


def broken_at(ledger: SQLiteLedger) -> str:
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
        self, ledger: SQLiteLedger
    ) -> None:
        """
        Reading an empty ledger leaves no trace.
        """
        assert ledger.entries() == ()
        assert list(ledger.path.parent.iterdir()) == []

    def test_file_is_for_this_user_only(self, tmp_path: Path) -> None:
        """
        Choices are nobody else's business.
        """
        made = SQLiteLedger(tmp_path / "new" / "ledger.sqlite3")
        made.append(draft())
        made.close()

        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700


class TestConformance(LedgerConformance):
    """
    What every ledger does.
    """

    def another(self, ledger: SQLiteLedger) -> SQLiteLedger:
        """
        Open the same file once more.
        """
        return SQLiteLedger(ledger.path)

    def tamper(self, ledger: SQLiteLedger, *statements: str) -> None:
        """
        Change the file.
        """
        tamper(ledger, *statements)

    def settle(self) -> None:
        """
        Everybody sees an append at once.
        """


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
        self, ledger: SQLiteLedger, statement: str
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
    def _five(self, ledger: SQLiteLedger) -> None:
        elements = ("connect", "improve", "paste", "logs", "umeng")
        ledger.append(*map(draft, elements))

    def test_untouched_is_sound(self, ledger: SQLiteLedger) -> None:
        """
        Opening the file with another tool harms nothing.
        """
        tamper(ledger)

        assert len(ledger.entries()) == 5

    @pytest.mark.parametrize("seq", [1, 3, 5])
    def test_changed_byte(self, ledger: SQLiteLedger, seq: int) -> None:
        """
        One changed byte of an entry is found there.
        """
        tamper(
            ledger,
            "UPDATE entries SET body = replace(body, 'granted', 'refused') "
            f"WHERE seq = {seq}",
        )

        assert broken_at(ledger) == f"the chain breaks at entry {seq}"

    def test_changed_hash(self, ledger: SQLiteLedger) -> None:
        """
        A changed hash is found where it stands.
        """
        tamper(ledger, f"UPDATE entries SET hash = '{'0' * 64}' WHERE seq = 5")

        assert broken_at(ledger) == "the chain breaks at entry 5"

    def test_changed_with_its_hash(self, ledger: SQLiteLedger) -> None:
        """
        Mending the hash of a changed entry moves the break to the next; of
        the last one the signature tells.
        """
        for seq, says in (
            (2, "the chain breaks at entry 3"),
            (5, "the ledger is forked, not what it was when it had 5 entries"),
        ):
            entry = ledger.entries()[seq - 1]
            forged = attrs.evolve(entry, act=Act.REFUSED)
            ledger.close()
            kept = ledger.path.read_bytes()
            tamper(
                ledger,
                f"UPDATE entries SET body = '{forged.body}', "
                f"hash = '{forged.hash}' WHERE seq = {seq}",
            )
            assert broken_at(ledger) == says
            ledger.close()
            ledger.path.write_bytes(kept)

    def test_changed_subject(self, ledger: SQLiteLedger) -> None:
        """
        An entry cannot be given to somebody else.
        """
        tamper(ledger, f"UPDATE entries SET subject = '{'a' * 64}'")

        assert broken_at(ledger) == "the chain breaks at entry 1"

    def test_changed_checkpoint(self, ledger: SQLiteLedger) -> None:
        """
        A checkpoint that is none, or is gone, is found.
        """
        tamper(
            ledger,
            "UPDATE head SET checkpoint = replace(checkpoint, '5', '4')",
        )
        assert broken_at(ledger)

        tamper(ledger, "UPDATE head SET checkpoint = ''")
        assert "checkpoint is damaged" in broken_at(ledger)

        tamper(ledger, "DELETE FROM head")
        assert broken_at(ledger) == "the chain breaks at entry 1"

    @pytest.mark.parametrize("seq", [1, 2, 4])
    def test_dropped(self, ledger: SQLiteLedger, seq: int) -> None:
        """
        A missing entry is found at its place.
        """
        tamper(ledger, f"DELETE FROM entries WHERE seq = {seq}")

        assert broken_at(ledger) == f"the chain breaks at entry {seq}"

    def test_dropped_and_closed_up(self, ledger: SQLiteLedger) -> None:
        """
        Renumbering the rest does not hide a missing entry.
        """
        tamper(
            ledger,
            "DELETE FROM entries WHERE seq = 2",
            "UPDATE entries SET seq = seq - 1 WHERE seq > 2",
        )

        assert broken_at(ledger) == "the chain breaks at entry 2"

    def test_reordered(self, ledger: SQLiteLedger) -> None:
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
    def test_not_an_entry(self, ledger: SQLiteLedger, value: str) -> None:
        """
        Whatever stands in an entry's place is found, and nothing escapes.
        """
        tamper(ledger, f"UPDATE entries SET body = {value} WHERE seq = 4")

        assert broken_at(ledger) == "the chain breaks at entry 4"

    def test_text_that_is_no_text(self, ledger: SQLiteLedger) -> None:
        """
        An entry whose bytes are no UTF-8 is found as any other.
        """
        tamper(
            ledger,
            "UPDATE entries SET body = CAST(x'ff' AS TEXT) WHERE seq = 4",
        )

        assert broken_at(ledger) == "the chain breaks at entry 4"

    def test_nothing_is_added_to_a_broken_chain(
        self, ledger: SQLiteLedger
    ) -> None:
        """
        A broken ledger takes no entry, so that the break stays visible.
        """
        tamper(ledger, "DELETE FROM entries WHERE seq = 2")
        with pytest.raises(DamagedError):
            ledger.append(draft())
        with closing(sqlite3.connect(ledger.path)) as raw:
            (count,) = raw.execute("SELECT COUNT(*) FROM entries").fetchone()

        assert count == 4

    @pytest.mark.parametrize("kept", ["seq < 5", "seq <> 3", "seq > 9"])
    def test_damaged_index(self, ledger: SQLiteLedger, kept: str) -> None:
        """
        An index that hides an entry, and with it perhaps a withdrawal, is
        found, though the entry itself is there.
        """
        tamper(
            ledger,
            "DROP INDEX entries_of",
            f"CREATE INDEX entries_of ON entries (subject, seq) WHERE {kept}",
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_master SET sql = 'CREATE INDEX entries_of "
            "ON entries (subject, seq)' WHERE name = 'entries_of'",
        )

        assert broken_at(ledger).startswith("the chain breaks at entry")

    def test_is_found_while_it_is_open(self, ledger: SQLiteLedger) -> None:
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

    def test_newer_format(self, ledger: SQLiteLedger) -> None:
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

    def test_no_database(self, ledger: SQLiteLedger) -> None:
        """
        A file of other content is damaged.
        """
        ledger.path.write_bytes(b"no database at all, but long enough" * 99)

        with pytest.raises(DamagedError, match="damaged"):
            ledger.entries()

    def test_cut_file(self, ledger: SQLiteLedger) -> None:
        """
        A database that lost its end is damaged.
        """
        ledger.append(*[draft()] * 50)
        ledger.close()
        os.truncate(ledger.path, 5_000)

        with pytest.raises(StoreError):
            ledger.entries()

    def test_folder_in_its_place(self, ledger: SQLiteLedger) -> None:
        """
        A folder where the file should be is said to be one.
        """
        ledger.path.mkdir()

        for act in (ledger.append, ledger.entries):
            with pytest.raises(StoreError, match="a folder") as caught:
                act()
            assert str(ledger.path) in str(caught.value)

    def test_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        """
        Where a file stands in place of the folder, the cure is named.
        """
        (tmp_path / "file").write_text("", encoding="utf-8")
        ledger = SQLiteLedger(tmp_path / "file" / "ledger.sqlite3")

        assert ledger.entries() == ()
        with pytest.raises(UnwritableError) as caught:
            ledger.append(draft())
        assert "choose a folder" in caught.value.cure


def copy_of(ledger: SQLiteLedger, folder: Path) -> SQLiteLedger:
    """
    Copy ledger and keys to another folder, as they are now.
    """
    ledger.close()
    shutil.copytree(ledger.path.parent, folder)
    return SQLiteLedger(folder / ledger.path.name)


class TestForReading:
    """
    Tests for a ledger that nothing can be written to.
    """

    @pytest.fixture
    def copy(self, ledger: SQLiteLedger, tmp_path: Path) -> Path:
        """
        Give the folder of a copy with three entries.
        """
        ledger.subject("ann", make=True)
        ledger.append(draft(), draft(), draft())
        ledger.close()
        folder = tmp_path / "copy"
        shutil.copytree(ledger.path.parent, folder, ignore=_not("copy"))
        return folder

    def test_all_is_there(self, copy: Path) -> None:
        """
        Whatever reads and proves does so, and leaves no trace.
        """
        before = sorted(copy.rglob("*"))
        with unwritable(copy), reading(copy) as ledger:
            assert len(ledger.entries()) == len(ledger.all_entries()) == 3
            assert verdict(ledger) == ("intact", 0, 0, 3)
            assert verify_receipt(ledger.receipt(2).text).entry.seq == 2
            assert ledger.checkpoint().checkpoint.size == 3
            assert ledger.subject("ann") is not None
            assert ledger.earlier() == {}
        assert sorted(copy.rglob("*")) == before

    def test_not_unless_asked_for(self, copy: Path) -> None:
        """
        The ledger that an app decides by is not read from there: it could
        record no withdrawal.
        """
        with unwritable(copy):
            app = SQLiteLedger(copy / "ledger.sqlite3")
            with closing(app), pytest.raises(UnwritableError):
                app.entries()

    def test_damage_is_found(self, copy: Path) -> None:
        """
        What was changed before is named there as well.
        """
        tamper(
            SQLiteLedger(copy / "ledger.sqlite3"),
            "DELETE FROM entries WHERE seq = 2",
        )
        with unwritable(copy), reading(copy) as ledger:
            assert verdict(ledger) == ("changed", 2, 0, 1)

    def test_emptied(self, copy: Path) -> None:
        """
        A file that was emptied is one that lost all its entries.
        """
        (copy / "ledger.sqlite3").write_bytes(b"")
        with unwritable(copy), reading(copy) as ledger:
            assert verdict(ledger) == ("truncated", 0, 3, 0)

    def test_entries_in_the_log(
        self, ledger: SQLiteLedger, tmp_path: Path
    ) -> None:
        """
        A copy whose newest entries are in a log that cannot be read there
        is no shorter ledger: it is refused, with the cure.
        """
        ledger.append(draft())  # not closed: it is in the log
        copy = tmp_path / "copy"
        shutil.copytree(
            ledger.path.parent, copy, ignore=_not("copy", "ledger.sqlite3-shm")
        )
        with unwritable(copy), reading(copy) as kept:
            for act in (kept.verify, kept.entries, kept.all_entries):
                with pytest.raises(StoreError, match="sqlite3-wal") as caught:
                    act()
                assert "copy the whole folder" in caught.value.cure

    def test_it_is_read_anew(self, copy: Path, ledger: SQLiteLedger) -> None:
        """
        Where somebody else writes there nevertheless, nothing that was
        read before is relied upon.
        """
        with reading(copy) as kept:
            with unwritable(copy):
                assert len(kept.entries()) == 3
            ledger.append(draft())
            ledger.close()
            for name in ("ledger.sqlite3", "keys/ledger.anchor"):
                # Into the same file, as a writer elsewhere does.
                (copy / name).write_bytes(
                    (ledger.path.parent / name).read_bytes()
                )
            with unwritable(copy):
                assert len(kept.entries()) == 4

    def test_nothing_is_recorded(self, copy: Path) -> None:
        """
        What would write is refused, also where it could.
        """
        with reading(copy) as ledger:
            for act in (
                lambda: ledger.append(draft()),
                lambda: ledger.subject("bob", make=True),
                lambda: ledger.erase_subject("ann"),
            ):
                with pytest.raises(UnwritableError, match="for reading"):
                    act()
            assert len(ledger.entries()) == 3


def reading(folder: Path) -> closing[SQLiteLedger]:
    """
    Open the ledger of a folder for reading.
    """
    return closing(SQLiteLedger(folder / "ledger.sqlite3", for_reading=True))


def _not(*names: str) -> Callable[[str, list[str]], set[str]]:
    return lambda _, found: set(names) & set(found)


class TestKeys:
    """
    Tests for the files that are made beside the ledger.
    """

    def test_are_made_with_the_first_entry(self, ledger: SQLiteLedger) -> None:
        """
        Key and anchor are there with the first entry, for this user only.
        """
        assert ledger.verify_key() is None
        ledger.append(draft())
        folder = ledger.path.parent / "keys"

        assert sorted(file.name for file in folder.iterdir()) == [
            "ledger.anchor",
            "ledger.signing",
        ]
        for file in folder.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_folder_can_be_chosen(self, tmp_path: Path) -> None:
        """
        Keys may be elsewhere than the ledger.
        """
        made = SQLiteLedger(tmp_path / "a" / "l.sqlite3", keys=tmp_path / "b")
        made.append(draft())
        made.close()

        assert len(list((tmp_path / "b").iterdir())) == 2
        assert not (tmp_path / "a" / "keys").exists()

    def test_missing_key(self, ledger: SQLiteLedger) -> None:
        """
        A ledger without its key is not this install's: it is refused.
        """
        ledger.append(draft())
        ledger.close()
        (ledger.path.parent / "keys" / "ledger.signing").unlink()

        for attempt in (
            ledger.entries,
            ledger.verify,
            lambda: ledger.append(draft()),
        ):
            with pytest.raises(DamagedError, match="key of the ledger"):
                attempt()

    def test_key_of_another_install(
        self, ledger: SQLiteLedger, tmp_path: Path
    ) -> None:
        """
        A ledger that was copied here without its keys is refused.
        """
        ledger.append(draft())
        ledger.close()
        other = SQLiteLedger(tmp_path / "other" / "ledger.sqlite3")
        other.append(draft())
        other.close()
        shutil.copy(ledger.path, other.path)

        with pytest.raises(DamagedError, match="no signature of"):
            other.entries()

    def test_anchor_that_cannot_be_stored(
        self,
        ledger: SQLiteLedger,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """
        Where only the anchor cannot be stored, the entry stands, and it is
        told; the next one stores it.
        """
        ledger.append(draft())
        in_the_way = ledger.path.parent / "keys" / "ledger.anchor.new"
        in_the_way.mkdir()
        ledger.append(draft())
        assert "ledger.anchor" in caplog.text
        assert verdict(ledger) == ("intact", 0, 0, 2)

        in_the_way.rmdir()
        ledger.append(draft())
        assert verdict(ledger, ledger.checkpoint()) == ("intact", 0, 0, 3)
        note = (in_the_way.parent / "ledger.anchor").read_text("utf-8")
        assert note == ledger.checkpoint().note


class TestAnchor:
    """
    Tests for what the anchor beside the keys shows.
    """

    @pytest.fixture(autouse=True)
    def _three(self, ledger: SQLiteLedger) -> None:
        ledger.append(draft(), draft("logs"), draft("paste"))

    def test_intact(self, ledger: SQLiteLedger) -> None:
        """
        An untouched ledger is intact, by the key that it gives.
        """
        assert verdict(ledger) == ("intact", 0, 0, 3)
        key = ledger.verify_key()
        assert key is not None
        assert ledger.checkpoint().verify(key).size == 3

    def test_restored_older_file(
        self, ledger: SQLiteLedger, tmp_path: Path
    ) -> None:
        """
        An older copy of the file is refused: what was withdrawn since would
        be granted again.
        """
        copy = copy_of(ledger, tmp_path / "copy")
        ledger.append(draft(act=Act.WITHDRAWN))
        ledger.close()
        shutil.copy(copy.path, ledger.path)

        assert verdict(ledger) == ("truncated", 0, 4, 3)
        with pytest.raises(DamagedError) as caught:
            ledger.entries()
        assert caught.value.problem == (
            "the ledger is truncated, had 4 entries and has 3 entries"
        )
        with pytest.raises(DamagedError):
            ledger.append(draft())

    def test_restored_under_an_open_ledger(
        self, ledger: SQLiteLedger, tmp_path: Path
    ) -> None:
        """
        It is noticed by whoever has the ledger open, too.
        """
        copy = copy_of(ledger, tmp_path / "copy")
        ledger.append(draft(act=Act.WITHDRAWN))
        assert len(ledger.entries()) == 4
        for file in ledger.path.parent.glob("ledger.sqlite3?*"):
            file.unlink()
        shutil.copy(copy.path, tmp_path / "new")
        (tmp_path / "new").replace(ledger.path)

        with pytest.raises(DamagedError, match="truncated"):
            ledger.entries()

    def test_cut_tail(self, ledger: SQLiteLedger) -> None:
        """
        A cut end is found, whether or not an older checkpoint was put in.
        """
        older = ledger.checkpoint().note
        ledger.append(draft("umeng"))
        tamper(ledger, "DELETE FROM entries WHERE seq = 4")
        assert verdict(ledger) == ("truncated", 0, 4, 3)

        tamper(ledger, f"UPDATE head SET checkpoint = '{older}'")
        assert verdict(ledger) == ("truncated", 0, 4, 3)
        with pytest.raises(DamagedError, match="truncated"):
            ledger.entries()

    def test_emptied(self, ledger: SQLiteLedger) -> None:
        """
        A ledger that was emptied is not a new one.
        """
        tamper(ledger, "DELETE FROM entries")

        assert verdict(ledger) == ("truncated", 0, 3, 0)
        with pytest.raises(DamagedError, match="truncated"):
            ledger.append(draft())

    def test_forked_copy(self, ledger: SQLiteLedger, tmp_path: Path) -> None:
        """
        A copy that went its own way is no substitute for this one.
        """
        copy = copy_of(ledger, tmp_path / "copy")
        ledger.append(draft("umeng", Act.REFUSED))
        copy.append(draft("umeng"), draft("connect"))
        copy.close()
        ledger.close()
        shutil.copy(copy.path, ledger.path)

        assert verdict(ledger) == ("forked", 0, 4, 5)
        with pytest.raises(DamagedError, match="forked"):
            ledger.entries()

    def test_no_anchor(self, ledger: SQLiteLedger) -> None:
        """
        Without its anchor a ledger is read, and said to be unanchored; the
        next entry makes a new one.
        """
        anchor = ledger.path.parent / "keys" / "ledger.anchor"
        anchor.unlink()
        ledger.close()

        assert verdict(ledger) == ("unanchored", 0, 0, 3)
        assert len(ledger.entries()) == 3
        ledger.append(draft())
        assert verdict(ledger) == ("intact", 0, 0, 4)

    def test_anchor_of_nobody(self, ledger: SQLiteLedger) -> None:
        """
        An anchor that the key has not signed, or that is none, is refused.
        """
        anchor = ledger.path.parent / "keys" / "ledger.anchor"
        forged = make_signing_key().sign(ledger.checkpoint().checkpoint)
        for content in (forged.note, "", "nothing"):
            anchor.write_text(content, encoding="utf-8")
            ledger.close()
            with pytest.raises(DamagedError) as caught:
                ledger.entries()
            assert caught.value.path == anchor
            with pytest.raises(DamagedError):
                ledger.verify()

    def test_older_anchor(self, ledger: SQLiteLedger) -> None:
        """
        An anchor that is older than the ledger is none the worse, as after
        a crash between the commit and the anchor.
        """
        anchor = ledger.path.parent / "keys" / "ledger.anchor"
        older = anchor.read_bytes()
        ledger.append(draft(), draft())
        anchor.write_bytes(older)
        ledger.close()

        assert verdict(ledger) == ("intact", 0, 0, 5)
        assert len(ledger.entries()) == 5
        ledger.append(draft())
        assert len(ledger.entries()) == 6
        assert anchor.read_text("utf-8") == ledger.checkpoint().note

    def test_older_never_replaces_newer(self, ledger: SQLiteLedger) -> None:
        """
        Whoever comes last stores the newest checkpoint, not their own.
        """
        anchor = ledger.path.parent / "keys" / "ledger.anchor"
        other = SQLiteLedger(ledger.path)
        late = ledger._raise_anchor

        def overtaken(origin: str) -> None:
            other.append(draft("umeng"))
            late(origin)

        ledger._raise_anchor = overtaken  # type: ignore[method-assign]
        ledger.append(draft("connect"))
        other.close()

        assert anchor.read_text("utf-8") == ledger.checkpoint().note
        assert ledger.checkpoint().checkpoint.size == 5

    def test_file_that_went(self, ledger: SQLiteLedger) -> None:
        """
        Where the file is deleted nothing is granted, and what comes is a
        new ledger; the old anchor is kept as evidence.
        """
        keys = ledger.path.parent / "keys"
        old = (keys / "ledger.anchor").read_text("utf-8")
        origin = ledger.checkpoint().checkpoint.origin
        ledger.close()
        ledger.path.unlink()

        assert ledger.entries() == ()
        assert verdict(ledger) == ("truncated", 0, 3, 0)
        assert (keys / "ledger.anchor").exists()
        ledger.append(draft("connect"))
        assert [e.element for e in ledger.entries()] == ["connect"]
        assert verdict(ledger) == ("intact", 0, 0, 1)
        assert (keys / "ledger.anchor.1").read_text("utf-8") == old
        ((path, lost),) = ledger.earlier().items()
        assert path == keys / "ledger.anchor.1"
        assert lost.note == old
        assert ledger.checkpoint().checkpoint.origin != origin

    def test_nothing_is_set_aside_for_nothing(
        self, ledger: SQLiteLedger
    ) -> None:
        """
        A plan that appends nothing begins no new ledger.
        """
        keys = ledger.path.parent / "keys"
        ledger.close()
        ledger.path.unlink()
        ledger.append()

        assert (keys / "ledger.anchor").exists()
        assert ledger.entries() == ()
        assert verdict(ledger) == ("truncated", 0, 3, 0)

    def test_old_ledger_comes_back(self, ledger: SQLiteLedger) -> None:
        """
        After a new beginning the old file is no more accepted.
        """
        ledger.close()
        kept = ledger.path.read_bytes()
        ledger.path.unlink()
        ledger.append(draft())
        ledger.close()
        ledger.path.write_bytes(kept)

        with pytest.raises(DamagedError, match="another ledger"):
            ledger.entries()

    def test_put_back_with_its_anchor(self, ledger: SQLiteLedger) -> None:
        """
        A ledger that is put back together with its anchor is lost no more;
        the new one in between is.
        """
        ledger.close()
        anchor = ledger.path.parent / "keys" / "ledger.anchor"
        kept, note = ledger.path.read_bytes(), anchor.read_bytes()
        ledger.path.unlink()
        ledger.append(draft())
        ledger.close()
        anchor.replace(anchor.with_name("ledger.anchor.2"))
        ledger.path.write_bytes(kept)
        anchor.write_bytes(note)

        assert verdict(ledger) == ("intact", 0, 0, 3)
        assert [*ledger.earlier()] == [anchor.with_name("ledger.anchor.2")]


def changed_meanwhile(ledger: SQLiteLedger, *statements: str) -> None:
    """
    Change the file under an open ledger, in a commit that looks like the
    arrival of another person.
    """
    with closing(sqlite3.connect(ledger.path)) as raw, raw:
        raw.execute("DROP TRIGGER IF EXISTS entries_stay")
        raw.execute("DROP TRIGGER IF EXISTS entries_keep")
        for statement in statements:
            raw.execute(statement)
        raw.execute("INSERT INTO subjects VALUES ('t', 'somebody', x'00')")


# Appends one entry for each line that it is sent, and says what it has read.
_ANSWERS = """\
import sys
from pathlib import Path
from consentkit.ledger.sqlite import SQLiteLedger
from tests.ledger.support import draft

ledger = SQLiteLedger(Path(sys.argv[1]))
for line in sys.stdin:
    tag = ledger.subject(line.strip(), make=True)
    before = len(ledger.entries(tag))
    ledger.append_after(lambda _: [draft()], subject=tag)
    print(before, flush=True)
"""


class TestGoingOn:
    """
    Tests for a process that goes on from what it has verified.
    """

    SIZE = 1_000

    @pytest.fixture
    def ann(self, ledger: SQLiteLedger) -> str:
        """
        Give the tag of a person with two of a thousand entries.
        """
        tag = ledger.subject("ann", make=True)
        ledger.append_after(lambda _: [draft(), draft("logs")], subject=tag)
        ledger.append(*[draft()] * (self.SIZE - 2))
        ledger.close()
        return tag

    @pytest.fixture
    def other(self, ledger: SQLiteLedger, ann: str) -> Iterator[SQLiteLedger]:
        """
        Give the same ledger, open elsewhere and verified.
        """
        made = SQLiteLedger(ledger.path)
        assert len(made.entries()) == self.SIZE - 2
        yield made
        made.close()

    def test_processes_take_turns(
        self, ledger: SQLiteLedger, ann: str
    ) -> None:
        """
        Two processes on a long ledger see each of the other's entries, also
        of people who came since.
        """
        ledger.append(*[draft()] * 4_000)
        with subprocess.Popen(
            [sys.executable, "-c", _ANSWERS, str(ledger.path)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for count in range(5):
                for name, had in (("ann", 2), ("bob", 0)):
                    tag = ledger.subject(name, make=True)
                    ledger.append_after(lambda _: [draft()], subject=tag)
                    print(name, file=process.stdin, flush=True)
                    seen = int(process.stdout.readline())
                    assert seen == had + 2 * count + 1
                    assert len(ledger.entries(tag)) == seen + 1
            process.stdin.close()

        assert verdict(ledger) == ("intact", 0, 0, self.SIZE + 4_020)

    def test_edit_of_what_was_read(
        self, ledger: SQLiteLedger, other: SQLiteLedger
    ) -> None:
        """
        An old entry that is changed while others write changes no decision
        of a process that has read it; verifying names it, and so does the
        next start.
        """
        before = other.entries()
        changed_meanwhile(
            ledger,
            "UPDATE entries SET body = replace(body, 'granted', 'refused') "
            "WHERE seq = 7",
        )

        assert other.entries() == before
        assert verdict(other) == ("changed", 7, 0, 6)
        assert broken_at(ledger) == "the chain breaks at entry 7"

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE entries SET body = replace(body, 'logs', 'x') WHERE seq = 2",
            "UPDATE entries SET body = CAST(x'ff' AS TEXT) WHERE seq = 2",
            "UPDATE entries SET body = 12 WHERE seq = 2",
            f"UPDATE entries SET hash = '{'0' * 64}' WHERE seq = 2",
            f"UPDATE entries SET subject = '{'a' * 64}' WHERE seq = 2",
            "DELETE FROM entries WHERE seq = 2",
        ],
        ids=["body", "bytes", "number", "hash", "subject", "deleted"],
    )
    def test_edit_of_what_was_not_read(
        self,
        ledger: SQLiteLedger,
        other: SQLiteLedger,
        ann: str,
        statement: str,
    ) -> None:
        """
        An old entry of a person of whom nothing was read yet, changed while
        others write, is found when it is read, also to append to it; from
        then on all is refused.
        """
        changed_meanwhile(ledger, statement)
        assert len(other.entries()) == self.SIZE - 2

        for attempt in (
            lambda: other.entries(ann),
            lambda: other.append_after(lambda _: [draft()], subject=ann),
            other.entries,
        ):
            with pytest.raises(DamagedError, match="chain breaks at entry"):
                attempt()
        assert other.verify().index == 2

    def test_entries_of_nobody(
        self, ledger: SQLiteLedger, other: SQLiteLedger
    ) -> None:
        """
        Entries that are put in for a person who had none are found.
        """
        changed_meanwhile(
            ledger,
            f"UPDATE entries SET subject = '{'b' * 64}' WHERE seq = 1",
        )

        with pytest.raises(DamagedError, match="breaks at entry 1"):
            other.entries("b" * 64)

    def test_proofs_are_of_what_was_written(
        self, ledger: SQLiteLedger, other: SQLiteLedger
    ) -> None:
        """
        Whoever asks for receipts, or for all entries, gets none that was
        changed since it was verified.
        """
        changed_meanwhile(
            ledger,
            "UPDATE entries SET body = replace(body, 'granted', 'refused') "
            "WHERE seq = 7",
        )

        for attempt in (lambda: other.receipt(8), other.all_entries):
            with pytest.raises(DamagedError, match="breaks at entry 7"):
                attempt()

    def test_edit_alone(
        self, ledger: SQLiteLedger, other: SQLiteLedger
    ) -> None:
        """
        A change that comes without an entry or a person is found at once.
        """
        with closing(sqlite3.connect(ledger.path)) as raw, raw:
            raw.execute("DROP TRIGGER entries_stay")
            raw.execute("UPDATE entries SET hash = 'x' WHERE seq = 7")

        assert broken_at(other) == "the chain breaks at entry 7"
        with pytest.raises(DamagedError):
            other.append(draft())

    def test_changed_copy_in_its_place(
        self, ledger: SQLiteLedger, other: SQLiteLedger, tmp_path: Path
    ) -> None:
        """
        A file that was put in the place of the one that was read is read
        anew from its first entry.
        """
        copy = copy_of(ledger, tmp_path / "copy")
        assert len(other.entries()) == self.SIZE - 2
        tamper(copy, "UPDATE entries SET hash = 'x' WHERE seq = 7")
        for file in ledger.path.parent.glob("ledger.sqlite3?*"):
            file.unlink()
        copy.path.replace(ledger.path)

        assert broken_at(other) == "the chain breaks at entry 7"

    def test_new_ledger_in_its_place(
        self, ledger: SQLiteLedger, other: SQLiteLedger
    ) -> None:
        """
        Where the file was deleted and another process has begun a new one,
        that is what counts.
        """
        ledger.close()
        for file in ledger.path.parent.glob("ledger.sqlite3*"):
            file.unlink()
        ledger.append(draft("connect"))

        assert [e.element for e in other.entries()] == ["connect"]

    @pytest.mark.parametrize("more", [0, 1, 2])
    def test_put_back_with_its_keys(
        self,
        ledger: SQLiteLedger,
        other: SQLiteLedger,
        tmp_path: Path,
        more: int,
    ) -> None:
        """
        An older copy, put back together with its keys and perhaps gone on
        from, is refused by who has seen more; nobody else could tell.
        """
        copy = copy_of(ledger, tmp_path / "copy")
        ledger.append(draft(act=Act.WITHDRAWN))
        ledger.close()
        assert len(other.entries()) == self.SIZE - 1
        copy.append(*[draft("umeng")] * more)
        copy.close()
        keys = ledger.path.parent / "keys"
        for file in ledger.path.parent.glob("ledger.sqlite3?*"):
            file.unlink()
        shutil.copy(copy.path, tmp_path / "new")
        (tmp_path / "new").replace(ledger.path)
        shutil.copytree(copy.path.parent / "keys", keys, dirs_exist_ok=True)

        says = "forked" if more else "truncated"
        for _ in range(2):
            with pytest.raises(DamagedError, match=says):
                other.entries()
        assert len(ledger.entries()) == self.SIZE - 2 + more

    def test_another_history_in_the_same_file(
        self, ledger: SQLiteLedger, other: SQLiteLedger, tmp_path: Path
    ) -> None:
        """
        Rows that were written anew with the key, in place of those that a
        process has read, are refused by it.
        """
        copy = copy_of(ledger, tmp_path / "copy")
        ledger.append(draft(act=Act.WITHDRAWN))
        assert len(other.entries()) == self.SIZE - 1
        copy.append(draft("umeng"), draft("connect"))
        copy.close()
        with closing(sqlite3.connect(ledger.path)) as raw:
            raw.execute("ATTACH ? AS copy", (str(copy.path),))
            with raw:
                raw.execute("DROP TRIGGER entries_keep")
                for table in ("entries", "head"):
                    raw.execute(f"DELETE FROM {table}")
                    raw.execute(
                        f"INSERT INTO {table} SELECT * FROM copy.{table}"
                    )
        shutil.copytree(
            copy.path.parent / "keys",
            ledger.path.parent / "keys",
            dirs_exist_ok=True,
        )

        with pytest.raises(DamagedError, match="forked"):
            other.entries()

    @pytest.mark.parametrize("behind", [1, 5, 100])
    def test_anchor_that_is_behind(
        self, ledger: SQLiteLedger, other: SQLiteLedger, behind: int
    ) -> None:
        """
        An anchor may be behind what was read, as while others append.
        """
        anchor = ledger.path.parent / "keys" / "ledger.anchor"
        older = anchor.read_bytes()
        for _ in range(behind):
            ledger.append(draft())
        count = len(other.entries())
        ledger.append(draft())
        anchor.write_bytes(older)

        assert len(other.entries()) == count + 1

    def test_anchor_of_another_history(
        self, ledger: SQLiteLedger, other: SQLiteLedger, tmp_path: Path
    ) -> None:
        """
        An anchor of a copy that went its own way is found, also where it is
        behind what was read.
        """
        copy = copy_of(ledger, tmp_path / "copy")
        copy.append(draft("umeng"))
        ledger.append(draft(), draft())
        assert len(other.entries()) == self.SIZE
        ledger.append(draft())
        note = copy.checkpoint().note
        (ledger.path.parent / "keys" / "ledger.anchor").write_text(note)
        copy.close()

        with pytest.raises(DamagedError, match="forked"):
            other.entries()

    def test_many_people(
        self, ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        What is kept at hand is bounded, and what was let go is read again.
        """
        monkeypatch.setattr("consentkit.ledger._file_view._MOST_KNOWN", 3)
        tags = [ledger.subject(f"p{n}", make=True) for n in range(5)]
        for tag in tags:
            ledger.append_after(lambda _: [draft()], subject=tag)

        assert [len(ledger.entries(tag)) for tag in tags] == [1] * 5
        assert len(ledger._view.seen.known) == 3


class TestVerify:
    """
    Tests for `Ledger.verify`.
    """

    def test_empty(self, ledger: SQLiteLedger) -> None:
        """
        Verifying what is not there makes no file.
        """
        assert verdict(ledger) == ("unanchored", 0, 0, 0)
        assert list(ledger.path.parent.iterdir()) == []

    def test_entries_without_a_checkpoint(self, ledger: SQLiteLedger) -> None:
        """
        Entries that nobody ever signed are changed from the first.
        """
        ledger.append(*[draft()] * 3)
        tamper(ledger, "DELETE FROM head")

        assert ledger.verify().index == 1

    def test_receipt_as_an_anchor(
        self, ledger: SQLiteLedger, tmp_path: Path
    ) -> None:
        """
        A person's receipt shows that all of ledger and keys was put back.
        """
        ledger.append(draft())
        copy = copy_of(ledger, tmp_path / "copy")
        ledger.append(draft(act=Act.WITHDRAWN))
        kept = verify_receipt(ledger.receipt(2).text).signed
        assert verdict(ledger, kept) == ("intact", 0, 0, 2)

        assert verdict(copy) == ("intact", 0, 0, 1)
        assert verdict(copy, kept) == ("truncated", 0, 2, 1)
        copy.append(draft("logs"))
        assert verdict(copy, kept) == ("forked", 0, 2, 2)
        copy.close()

    def test_ledger_that_went(self, ledger: SQLiteLedger) -> None:
        """
        A receipt tells of a ledger that is not there any more.
        """
        ledger.append(draft())
        kept = ledger.checkpoint()
        ledger.close()
        ledger.path.unlink()

        assert verdict(ledger, kept) == ("truncated", 0, 1, 0)


class TestSubjects:
    """
    Tests for the ledger of several people.
    """

    def test_tag(self, ledger: SQLiteLedger) -> None:
        """
        A person gets a tag once, and keeps it.
        """
        assert ledger.subject("ann") is None
        assert not ledger.path.exists()
        tag = ledger.subject("ann", make=True)

        assert len(bytes.fromhex(tag)) == 32
        assert ledger.subject("ann") == ledger.subject("ann", make=True) == tag
        assert ledger.subject("bob", make=True) != tag

    def test_tags_are_random(
        self, ledger: SQLiteLedger, tmp_path: Path
    ) -> None:
        """
        Nobody can guess the tag from the name.
        """
        other = SQLiteLedger(tmp_path / "other" / "ledger.sqlite3")

        assert ledger.subject("ann", make=True) != other.subject(
            "ann", make=True
        )
        other.close()

    def test_erase(self, ledger: SQLiteLedger) -> None:
        """
        Erasing cuts the link to the person, on disk too, and leaves every
        proof whole; a receipt of before verifies and names nobody.
        """
        tag = ledger.subject("ann@example.com", make=True)
        ledger.append_after(lambda _: [draft()], subject=tag)
        kept = ledger.receipt(1)
        assert ledger.erase_subject("ann@example.com")

        assert ledger.subject("ann@example.com") is None
        assert not ledger.erase_subject("ann@example.com")
        for file in ledger.path.parent.rglob("*"):
            if file.is_file():
                assert b"ann@example" not in file.read_bytes(), file
        assert verdict(ledger, kept.signed) == ("intact", 0, 0, 1)
        said = verify_receipt(kept.text, key=ledger.verify_key())
        assert said.entry.subject == tag
        assert "ann" not in kept.text
        assert ledger.subject("ann@example.com", make=True) != tag

    def test_erase_nobody(self, ledger: SQLiteLedger) -> None:
        """
        Erasing where there is no ledger makes none.
        """
        assert not ledger.erase_subject("ann")
        assert not ledger.path.exists()

    def test_erase_while_others_read(
        self, ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        While another process keeps the link readable in the log, erasing
        fails, says why, and is done by calling it again.
        """
        monkeypatch.setattr("consentkit._sqlite._BUSY_SECONDS", 0.1)
        ledger.subject("ann@example.com", make=True)
        ledger.close()
        with closing(
            sqlite3.connect(ledger.path, isolation_level=None)
        ) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM subjects").fetchall()
            with pytest.raises(StoreError, match="another process reads"):
                ledger.erase_subject("ann@example.com")
            assert ledger.subject("ann@example.com") is None

        ledger.erase_subject("ann@example.com")
        for file in ledger.path.parent.glob("ledger.sqlite3*"):
            assert b"ann@example" not in file.read_bytes(), file


# Dies between the commit and the anchor, over and over.
_DIES = """\
import os, sys
from pathlib import Path
from consentkit.ledger.sqlite import SQLiteLedger
from tests.ledger.support import draft

ledger = SQLiteLedger(Path(sys.argv[1]))
ledger._raise_anchor = lambda origin: os._exit(9)
ledger.append(draft(), draft("logs"))
"""

# Appends as fast as it can, together with others.
_APPENDS = """\
import sys
from pathlib import Path
from consentkit.ledger.sqlite import SQLiteLedger
from tests.ledger.support import draft

ledger = SQLiteLedger(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    ledger.append(draft())
"""


class TestProcesses:
    """
    Tests with processes that die, and that write at once.
    """

    ROOT = Path(__file__).parents[2]

    def _start(self, code: str, *arguments: object) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)], cwd=self.ROOT
        )

    def test_killed_before_the_anchor(self, ledger: SQLiteLedger) -> None:
        """
        A crash between the commit and the anchor loses no entry and damages
        nothing, be it the first entry or a later one.
        """
        anchor = ledger.path.parent / "keys" / "ledger.anchor"
        assert self._start(_DIES, ledger.path).wait() == 9
        assert not anchor.exists()
        assert verdict(ledger) == ("unanchored", 0, 0, 2)

        ledger.append(draft())
        ledger.close()
        assert self._start(_DIES, ledger.path).wait() == 9
        assert verdict(ledger) == ("intact", 0, 0, 5)
        assert len(ledger.entries()) == 5
        assert ledger.append(draft())
        assert anchor.read_text("utf-8") == ledger.checkpoint().note

    def test_at_once(self, ledger: SQLiteLedger) -> None:
        """
        Several processes that begin and go on at once make one ledger, and
        no reader in between finds it damaged.
        """
        running = [self._start(_APPENDS, ledger.path, 15) for _ in range(3)]
        while any(process.poll() is None for process in running):
            assert len(ledger.entries()) <= 45

        assert [process.returncode for process in running] == [0, 0, 0]
        assert verdict(ledger) == ("intact", 0, 0, 45)
        assert len(ledger.entries()) == 45
        keys = (ledger.path.parent / "keys").iterdir()
        assert sorted(file.name for file in keys) == [
            "ledger.anchor",
            "ledger.signing",
        ]
