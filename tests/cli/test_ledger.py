# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit ledger`` and ``consentkit receipt``.
"""

from __future__ import annotations

import json
import shutil
import sys

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from consentkit.cli import main
from consentkit.ledger.base import ledger_from_url
from consentkit.ledger.entries import Act
from consentkit.ledger.receipt import verify_receipt
from consentkit.ledger.sqlite import SQLiteLedger
from tests.ledger.conformance import ProvingLedger
from tests.ledger.support import (
    draft,
    fresh_schema,
    run,
    tamper,
    unwritable,
)
from tests.needs import POSTGRESQL
from tests.support import SMALL, small


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """
    Give a data folder with the choices of two people.
    """
    folder = tmp_path / "data"
    fill(SQLiteLedger(folder / "ledger.sqlite3"))
    return folder


def fill(ledger: ProvingLedger) -> None:
    """
    Record the choices of two people, and close the ledger.
    """
    policy = small()
    said: dict[str, Any] = {
        "text": policy.digest,
        "policy": policy.id,
        "version": policy.version,
    }
    ledger.append_after(
        lambda _: [draft("improve", **said)],
        policies={policy.digest: policy.canonical},
    )
    ledger.append_after(
        lambda _: [draft("improve", Act.REFUSED, **said)],
        subject=ledger.subject("ann", make=True),
    )
    ledger.append(draft("improve", Act.WITHDRAWN, **said))
    ledger.close()


@pytest.fixture
def place(data: Path) -> list[str]:
    """
    Give the arguments that name it.
    """
    return ["--policy", str(SMALL), "--data-dir", str(data)]


@pytest.fixture
def empty(tmp_path: Path) -> list[str]:
    """
    Give the arguments of a data folder in which nothing is.
    """
    folder = tmp_path / "none"
    folder.mkdir()
    return ["--policy", str(SMALL), "--data-dir", str(folder)]


def ledger_in(data: Path) -> SQLiteLedger:
    """
    Open the ledger of a data folder.
    """
    return SQLiteLedger(data / "ledger.sqlite3")


class TestShow:
    """
    Tests for ``ledger show``.
    """

    def test_shows_everybody(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Every entry is shown, a person by the beginning of the tag.
        """
        assert main(["ledger", "show", *place]) == 0
        out = capsys.readouterr().out
        head, *rows = out.splitlines()

        assert head.split()[:2] == ["SEQ", "WHEN"]
        assert [row.split()[3] for row in rows] == [
            "granted",
            "refused",
            "withdrawn",
        ]
        assert "ann" not in out

    def test_one_person(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --subject only that person's are shown.
        """
        assert main(["ledger", "show", *place, "--subject", "ann"]) == 0
        _, row = capsys.readouterr().out.splitlines()

        assert row.split()[0] == "2"

    def test_nobody_of_that_name(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A person who is not there is said not to be.
        """
        assert main(["ledger", "show", *place, "--subject", "bob"]) == 2
        assert "knows nobody named 'bob'" in capsys.readouterr().err

    def test_json(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json each entry is whole, and its hash is beside it.
        """
        assert main(["ledger", "show", *place, "--json"]) == 0
        one, two, _ = json.loads(capsys.readouterr().out)["entries"]

        assert two["prev"] == one["hash"]

    def test_of_nothing(
        self, empty: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Of a data folder without a ledger it says so, and makes none.
        """
        assert main(["ledger", "show", *empty]) == 0
        assert capsys.readouterr().out == "The ledger is empty.\n"
        assert list(Path(empty[-1]).iterdir()) == []

    @pytest.mark.parametrize(
        "command",
        [
            ["ledger", "show"],
            ["ledger", "verify"],
            ["ledger", "export"],
            ["receipt", "make", "improve"],
        ],
        ids=" ".join,
    )
    def test_of_no_folder(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        command: list[str],
    ) -> None:
        """
        A data folder that is not there, such as one that was mistyped, is
        bad usage, and is not made.
        """
        folder = tmp_path / "mistyped"

        assert main([*command, "--data-dir", str(folder)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert f"{folder}: there is no ledger here" in said.err
        assert not folder.exists()

    def test_folder_in_its_place(
        self,
        data: Path,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Where a folder stands in the ledger's place, that is said.
        """
        (data / "ledger.sqlite3").unlink()
        (data / "ledger.sqlite3").mkdir()

        for command in ("show", "verify", "export"):
            assert main(["ledger", command, *place]) == 2
            assert "sqlite3: this is a folder" in capsys.readouterr().err

    def test_damaged(
        self,
        data: Path,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Of a damaged ledger nothing is shown but where it breaks.
        """
        tamper(ledger_in(data), "DELETE FROM entries WHERE seq = 2")

        assert main(["ledger", "show", *place]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert "the chain breaks at entry 2" in said.err


class TestVerify:
    """
    Tests for ``ledger verify``.
    """

    def test_intact(
        self, data: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        It says what was found, against what, by which key, and what it
        cannot show; it needs no policy for that.
        """
        assert main(["ledger", "verify", "--data-dir", str(data)]) == 0
        out = capsys.readouterr().out

        assert out.startswith("Intact, 3 entries.\nHeld against 0 anchors ")
        assert f"Key: {ledger_in(data).verify_key()}\n" in out
        assert "What this cannot show" in out

    @pytest.mark.parametrize(
        ("statement", "says"),
        [
            (
                "UPDATE entries SET body = replace(body, 'refused', 'granted')",
                "Changed at entry 2.",
            ),
            (
                "DELETE FROM entries WHERE seq = 3",
                "Truncated, had 3 entries and has 2 entries.",
            ),
            ("DELETE FROM head", "Changed at entry 1."),
        ],
        ids=["changed", "truncated", "unsigned"],
    )
    def test_not_intact(
        self,
        data: Path,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
        statement: str,
        says: str,
    ) -> None:
        """
        Each kind of damage is named, with exit code 1.
        """
        tamper(ledger_in(data), statement)

        assert main(["ledger", "verify", *place]) == 1
        assert capsys.readouterr().out.splitlines()[0] == says

    def test_unanchored(
        self,
        data: Path,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Where there is nothing to hold it against, that is a finding.
        """
        (data / "keys" / "ledger.anchor").unlink()

        assert main(["ledger", "verify", *place]) == 1
        assert capsys.readouterr().out.startswith("Unanchored, 3 entries.")

    def test_anchors_from_elsewhere(
        self,
        data: Path,
        place: list[str],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A receipt and a checkpoint show that all was put back together.
        """
        older = tmp_path / "older"
        shutil.copytree(data, older)
        with_more = ledger_in(data)
        with_more.append(draft())
        note, receipt = tmp_path / "note", tmp_path / "receipt"
        note.write_bytes(with_more.checkpoint().note.encode())
        receipt.write_bytes(with_more.receipt(4).text.encode())
        with_more.close()
        anchors = ["--anchor", str(note), "--anchor", str(receipt)]

        assert main(["ledger", "verify", *place, *anchors, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["verdict"], said["anchors"]) == ("intact", 3)
        place[-1] = str(older)
        assert main(["ledger", "verify", *place]) == 0
        for path in (note, receipt):
            code = main(["ledger", "verify", *place, "--anchor", str(path)])
            assert code == 1
        assert "Truncated, had 4 entries" in capsys.readouterr().out

    @pytest.mark.parametrize("content", [b"", b"{}\n", b"\xff", b"x\n\ny\n"])
    def test_no_anchor(
        self,
        place: list[str],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        content: bytes,
    ) -> None:
        """
        A file that is neither is bad input.
        """
        file = tmp_path / "file"
        file.write_bytes(content)

        code = main(["ledger", "verify", *place, "--anchor", str(file)])
        assert code == 2
        assert f"consentkit: {file}: " in capsys.readouterr().err

    def test_of_nothing(
        self, empty: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A ledger that was never begun is fine, and is not begun.
        """
        assert main(["ledger", "verify", *empty]) == 0
        assert capsys.readouterr().out.startswith("Unanchored, 0 entries.")
        assert list(Path(empty[-1]).iterdir()) == []

    @pytest.mark.parametrize("how", ["emptied", "removed"])
    def test_begun_anew(
        self,
        data: Path,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
        how: str,
    ) -> None:
        """
        A ledger that was lost and begun anew is intact, and the one before
        is named as lost until its anchor is moved away.
        """
        file, aside = data / "ledger.sqlite3", data / "keys/ledger.anchor.1"
        file.unlink()
        if how == "emptied":
            file.touch(mode=0o600)
        anew = ledger_in(data)
        anew.append(draft(act=Act.REFUSED))
        anew.close()

        assert main(["ledger", "verify", *place]) == 1
        out = capsys.readouterr().out
        assert out.startswith("Intact, 1 entry.")
        assert "An earlier ledger of this folder is lost; it had 3 " in out
        assert f"  Evidence: {aside}\n" in out

        assert main(["ledger", "verify", *place, "--json"]) == 1
        said = json.loads(capsys.readouterr().out)
        (earlier,) = said["earlier"]
        assert said["verdict"] == "intact"
        assert (earlier["file"], earlier["entries"]) == (str(aside), 3)
        assert datetime.fromisoformat(earlier["written"]).tzinfo == UTC

        aside.unlink()
        assert main(["ledger", "verify", *place]) == 0
        assert "lost" not in capsys.readouterr().out

    def test_begun_anew_and_not_ours(
        self,
        data: Path,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        What was put among the anchors that were set aside is no evidence of
        a size, and still a finding.
        """
        (data / "keys" / "ledger.anchor.1").write_text("x", encoding="utf-8")

        assert main(["ledger", "verify", *place]) == 1
        assert "no checkpoint of this key" in capsys.readouterr().out

    def test_folder_that_is_a_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A data folder that is a file is bad usage.
        """
        file = tmp_path / "file"
        file.touch()

        assert main(["ledger", "verify", "--data-dir", str(file)]) == 2
        assert "not a folder" in capsys.readouterr().err

    def test_no_policy(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Without a folder and a policy it says how to name one.
        """
        monkeypatch.chdir(tmp_path)

        assert main(["ledger", "verify"]) == 2
        assert "--data-dir" in capsys.readouterr().err


class TestUnwritable:
    """
    Tests for a copy that nothing can be written to.
    """

    @pytest.mark.parametrize(
        "command",
        [
            ["ledger", "show"],
            ["ledger", "verify"],
            ["ledger", "export"],
            ["receipt", "make", "improve"],
        ],
        ids=" ".join,
    )
    def test_is_shown_and_proven(
        self,
        data: Path,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
        command: list[str],
    ) -> None:
        """
        Evidence says on a disk for reading what it says elsewhere.
        """
        assert main([*command, *place]) == 0
        before = capsys.readouterr()
        files = sorted(data.rglob("*"))
        with unwritable(data):
            assert main([*command, *place]) == 0

        assert capsys.readouterr() == before
        assert sorted(data.rglob("*")) == files


class TestExport:
    """
    Tests for ``ledger export``.
    """

    def test_receipts(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Every entry has a receipt, one a line.
        """
        assert main(["ledger", "export", *place]) == 0
        lines = capsys.readouterr().out.splitlines(keepends=True)

        assert [verify_receipt(line).entry.seq for line in lines] == [1, 2, 3]

    def test_to_a_file(
        self,
        place: list[str],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A new file takes them; one that is there is left alone.
        """
        file = tmp_path / "receipts"
        command = ["ledger", "export", *place, "--output", str(file)]

        assert main(command) == 0
        kept = file.read_bytes()
        assert main(["receipt", "verify", str(file)]) == 0
        assert main(command) == 2
        assert "there already" in capsys.readouterr().err
        assert file.read_bytes() == kept

    def test_json(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json the receipts are one list.
        """
        command = ["ledger", "export", *place, "--subject", "ann", "--json"]

        assert main(command) == 0
        (receipt,) = json.loads(capsys.readouterr().out)
        assert receipt["entry"]["act"] == "refused"

    def test_27560(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        For other systems there is a receipt of each person's record, as
        it stands now.
        """
        assert main(["ledger", "export", *place, "--format", "27560"]) == 0
        mine, anns = json.loads(capsys.readouterr().out)
        for receipt in (mine, anns):
            assert receipt["@type"] == "dpv:ConsentReceipt"
            verify_receipt(receipt["schema:encoding"]["schema:text"])
        record = mine["dpv:hasRecordOfActivity"]

        assert record["dpv:hasDataController"]["dpv:hasName"] == "Maker Ltd."
        assert [e["@type"] for e in record["dpv:hasConsentStatus"]] == [
            ["dpv:ConsentGiven", "dpv:ExpressedConsent"],
            "dpv:ConsentWithdrawn",
        ]

    def test_of_nothing(
        self, empty: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        An empty ledger gives nothing, or an empty list.
        """
        assert main(["ledger", "export", *empty]) == 0
        assert capsys.readouterr().out == ""
        for more in (["--json"], ["--format", "27560"]):
            assert main(["ledger", "export", *empty, *more]) == 0
            assert json.loads(capsys.readouterr().out) == []


class TestReceipt:
    """
    Tests for ``receipt make`` and ``receipt verify``.
    """

    @pytest.fixture
    def file(self, place: list[str], tmp_path: Path) -> Path:
        """
        Make the receipt of the newest choice.
        """
        file = tmp_path / "receipt"
        command = ["receipt", "make", "improve", *place, "--output", str(file)]
        assert main(command) == 0
        return file

    def test_holds(
        self, data: Path, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        It is shown what the receipt proves, and what it does not; the
        ledger may be gone.
        """
        key = str(ledger_in(data).verify_key())
        shutil.rmtree(data)

        assert main(["receipt", "verify", str(file), "--key", key]) == 0
        out = capsys.readouterr().out
        assert out.startswith(
            "The receipt holds.\n  act     withdrawn improve"
        )
        assert "entry 3 of 3" in out
        assert "does not show" in out

    def test_json(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json the entry is whole.
        """
        assert main(["receipt", "verify", str(file), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)

        assert said["holds"] is True
        assert said["receipts"][0]["entry"]["act"] == "withdrawn"
        assert said["receipts"][0]["has_policy"] is True

    def test_changed(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A receipt that was changed does not hold, with exit code 1.
        """
        text = file.read_text("utf-8").replace("withdrawn", "granted")
        file.write_bytes(text.encode())

        assert main(["receipt", "verify", str(file)]) == 1
        assert f"{file}:1: does not hold: " in capsys.readouterr().out
        assert main(["receipt", "verify", str(file), "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["holds"] is False

    def test_one_of_several(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Of several receipts the line of the bad one is named.
        """
        file.write_bytes(file.read_bytes() + b"nonsense\n")

        assert main(["receipt", "verify", str(file)]) == 1
        out = capsys.readouterr().out
        assert out.startswith("The receipt holds.")
        assert f"{file}:2: does not hold: the receipt cannot be read" in out

    def test_another_key(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A receipt of another key than was asked for does not hold, and a
        key that is none is bad input.
        """
        other = (
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/"
            "LDE4izWy10TW"
        )

        assert main(["receipt", "verify", str(file), "--key", other]) == 1
        assert "is of the key" in capsys.readouterr().out
        assert main(["receipt", "verify", str(file), "--key", "x"]) == 2

    def test_no_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A file that is not there, is no text, or has no receipt is bad
        input, and that is said once.
        """
        file = tmp_path / "file"
        assert main(["receipt", "verify", str(file)]) == 2
        file.write_bytes(b"\xff")
        assert main(["receipt", "verify", str(file)]) == 2
        assert "it is no text" in capsys.readouterr().err
        for content in (b"", b"\n", b"A text\nof two lines.\n", b'{"a":1}\n'):
            file.write_bytes(content)
            assert main(["receipt", "verify", str(file)]) == 2
            said = capsys.readouterr()
            assert said.out == ""
            assert said.err.startswith(f"consentkit: {file}: no receipts; ")
            assert said.err.count("\n") == 1

    def test_steers_no_terminal(
        self,
        data: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A stranger's receipt cannot write to the screen what it likes.
        """
        ledger = ledger_in(data)
        ledger.append(draft("improve\x1b[2J\u202e"))
        file = tmp_path / "receipt"
        file.write_bytes(ledger.receipt(4).text.encode())
        ledger.close()

        assert main(["receipt", "verify", str(file)]) == 0
        out = capsys.readouterr().out
        assert "improve?[2J?" in out

    def test_of_a_person(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A named person gets the receipt of their own choice.
        """
        command = ["receipt", "make", "improve", *place, "--subject", "ann"]

        assert main(command) == 0
        made = verify_receipt(capsys.readouterr().out)
        assert made.entry.act is Act.REFUSED

    def test_of_nothing(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Where nothing was decided, it says so and what was perhaps meant.
        """
        assert main(["receipt", "make", "imporve", *place]) == 2
        assert "did you mean 'improve'?" in capsys.readouterr().err


@pytest.mark.need_postgresql
class TestServer:
    """
    Tests for both commands over a ledger in PostgreSQL.
    """

    @pytest.fixture
    def schema(self) -> Iterator[str]:
        """
        Give the name of a schema of its own.
        """
        with fresh_schema() as name:
            yield name

    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        """
        Give the data folder, which has the key.
        """
        return tmp_path / "data"

    @pytest.fixture
    def url(self, schema: str) -> str:
        """
        Give the URL of the schema.
        """
        return (
            f"{POSTGRESQL}{'&' if '?' in POSTGRESQL else '?'}schema={schema}"
        )

    @pytest.fixture
    def place(self, url: str, data: Path) -> list[str]:
        """
        Give the arguments of a ledger with the choices of two people.
        """
        fill(ledger_from_url(url, keys=data / "keys"))
        return [
            *("--policy", str(SMALL)),
            *("--data-dir", str(data)),
            *("--ledger", url),
        ]

    def test_show(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Its entries are shown as those of a file, of all or of one person.
        """
        assert main(["ledger", "show", *place]) == 0
        _, *rows = capsys.readouterr().out.splitlines()
        assert [row.split()[3] for row in rows] == [
            "granted",
            "refused",
            "withdrawn",
        ]

        assert main(["ledger", "show", *place, "--subject", "ann"]) == 0
        _, row = capsys.readouterr().out.splitlines()
        assert row.split() == rows[1].split()

    def test_verify(
        self,
        place: list[str],
        schema: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        It is verified, also against receipts; damage is named.
        """
        assert main(["ledger", "verify", *place]) == 0
        out = capsys.readouterr().out
        assert out.startswith("Intact, 3 entries.\nHeld against 0 anchors ")

        run(
            f"ALTER TABLE {schema}.entries DISABLE TRIGGER ALL",
            f"UPDATE {schema}.entries "
            "SET body = replace(body, 'refused', 'granted')",
        )
        assert main(["ledger", "verify", *place]) == 1
        assert capsys.readouterr().out.startswith("Changed at entry 2.")
        assert main(["ledger", "show", *place]) == 2
        assert "the chain breaks at entry 2" in capsys.readouterr().err

    def test_export(
        self,
        data: Path,
        place: list[str],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Receipts and records are those of a file.
        """
        file = tmp_path / "receipts"
        command = ["ledger", "export", *place, "--output", str(file)]
        assert main(command) == 0
        assert main(["receipt", "verify", str(file)]) == 0
        assert "entry 3 of 3" in capsys.readouterr().out

        assert main(["ledger", "export", *place, "--format", "27560"]) == 0
        mine, anns = json.loads(capsys.readouterr().out)
        for receipt in (mine, anns):
            verify_receipt(receipt["schema:encoding"]["schema:text"])

    def test_receipt(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A person gets the receipt of their choice.
        """
        assert main(["receipt", "make", "improve", *place]) == 0
        made = verify_receipt(capsys.readouterr().out)
        assert made.entry.act is Act.WITHDRAWN

        command = ["receipt", "make", "improve", *place, "--subject", "ann"]
        assert main(command) == 0
        made = verify_receipt(capsys.readouterr().out)
        assert made.entry.act is Act.REFUSED

    def test_from_the_environment(
        self,
        place: list[str],
        url: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        CONSENTKIT_LEDGER stands for --ledger, of whatever command asks for
        choices.
        """
        monkeypatch.setenv("CONSENTKIT_LEDGER", url)
        *others, _, _ = place

        assert main(["ledger", "verify", *others]) == 0
        assert capsys.readouterr().out.startswith("Intact, 3 entries.")
        assert main(["consent", "history", *others, "--json"]) == 0
        assert "withdrawn" in capsys.readouterr().out

    def test_no_such_schema(
        self,
        url: str,
        data: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Where there is no ledger, that is said with the cure, and none is
        made.
        """
        place = ["--policy", str(SMALL), "--data-dir", str(data)]
        for command in (
            ["ledger", "show"],
            ["ledger", "verify"],
            ["ledger", "export"],
            ["receipt", "make", "improve"],
        ):
            assert main([*command, *place, "--ledger", url]) == 2
            said = capsys.readouterr()
            assert said.out == ""
            assert "there is no ledger" in said.err
            assert "?schema=NAME" in said.err
        with closing(ledger_from_url(url, keys=data / "keys")) as ledger:
            assert not ledger.exists()

    def test_schema_that_went(
        self,
        place: list[str],
        schema: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Where there was a ledger, as the anchor tells, verifying finds that
        it has gone.
        """
        run(f"DROP SCHEMA {schema} CASCADE")

        assert main(["ledger", "verify", *place]) == 1
        out = capsys.readouterr().out
        assert out.startswith("Truncated, had 3 entries and has 0 entries.")

    def test_made_and_not_used(
        self,
        url: str,
        data: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Tables without an entry are an empty ledger.
        """
        with_tables = ledger_from_url(url, keys=data / "keys")
        with_tables.migrate()
        with_tables.close()
        place = ["--data-dir", str(data), "--ledger", url]

        assert main(["ledger", "show", *place]) == 0
        assert capsys.readouterr().out == "The ledger is empty.\n"
        assert main(["ledger", "verify", *place]) == 0


class TestBadURL:
    """
    Tests for URLs of ledgers that cannot be used.
    """

    COMMANDS = (
        ["ledger", "show"],
        ["ledger", "verify"],
        ["ledger", "export"],
        ["receipt", "make", "improve"],
    )

    @pytest.mark.need_extra("postgresql")
    @pytest.mark.parametrize(
        ("url", "says"),
        [
            (
                "postgresql://ann:s3cret@127.0.0.1:9/x",
                "postgresql://127.0.0.1:9/x: the server cannot be used: nothing",
            ),
            ("postgresql://ann:s3cret/x@127.0.0.1/x", "percent-encoded"),
            ("postgresql://ann:s3cret@h/x?schema=A%20b", "a schema is named"),
            ("mysql://ann:s3cret@127.0.0.1/x", "begins with postgresql://"),
        ],
        ids=["no server", "bad password", "bad schema", "other scheme"],
    )
    def test_is_explained(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        url: str,
        says: str,
    ) -> None:
        """
        It is said what is wrong and what to do, without the password.
        """
        place = ["--data-dir", str(tmp_path), "--ledger", url]
        for command in self.COMMANDS:
            assert main([*command, *place]) == 2
            said = capsys.readouterr()
            assert said.out == ""
            assert says in said.err
            assert "s3cret" not in said.err

    def test_help_shows_no_password(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Help does not tell what stands in the environment.
        """
        monkeypatch.setenv("CONSENTKIT_LEDGER", "postgresql://a:s3cret@h/x")
        with pytest.raises(SystemExit):
            main(["ledger", "show", "--help"])

        out = capsys.readouterr().out
        assert "--ledger URL" in out
        assert "s3cret" not in out

    def test_missing_extra(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Without the library that talks to the server, its extra is named.
        """
        monkeypatch.setitem(sys.modules, "psycopg", None)
        url = "postgresql://ann:s3cret@127.0.0.1/x"
        place = ["--data-dir", str(tmp_path), "--ledger", url]

        for command in self.COMMANDS:
            assert main([*command, *place]) == 2
            err = capsys.readouterr().err
            assert "pip install 'consentkit[postgresql]'" in err
