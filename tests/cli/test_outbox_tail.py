# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit outbox tail``.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import consentkit

from consentkit.cli import main
from tests.cli.shell import COMMAND, Terminal, environment, run
from tests.faults.support import POLICY, open_kit, tick


@pytest.fixture
def kit(tmp_path: Path) -> consentkit.Kit:
    """
    Give a kit that is in use while somebody looks.
    """
    return open_kit(tmp_path / "data", "stats")


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """
    Give the arguments that name its folder.
    """
    return ["--policy", str(POLICY), "--data-dir", str(tmp_path / "data")]


def _content(folder: Path) -> dict[str, object]:
    """
    Give what is in all files; of databases the rows, as SQLite may fold its
    log into the file whenever somebody closes it.
    """
    found: dict[str, object] = {}
    for one in sorted(folder.rglob("*")):
        name = str(one.relative_to(folder))
        if one.suffix == ".sqlite3":
            with closing(sqlite3.connect(one)) as db:
                found[name] = list(db.iterdump())
        elif one.is_file() and not name.endswith(("-shm", "-wal")):
            found[name] = one.read_bytes()
    return found


@contextmanager
def _following(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """
    Run ``outbox tail --follow`` with its output in a pipe.
    """
    with subprocess.Popen(
        [*COMMAND, "outbox", "tail", "--follow", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _numbers(lines: list[str]) -> list[int]:
    return [json.loads(line[line.index("{") :])["n"] for line in lines]


class TestTail:
    """
    What waits, once.
    """

    def test_lines(
        self,
        kit: consentkit.Kit,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        There is a line for each of the last ten, the oldest first; -n asks
        for another number.
        """
        tick(kit, *range(12))

        assert main(["outbox", "tail", *place]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert _numbers(lines) == list(range(2, 12))
        assert "  stats/network_status for maker, none: {" in lines[0]
        main(["outbox", "tail", *place, "-n", "1"])
        assert _numbers(capsys.readouterr().out.splitlines()) == [11]
        main(["outbox", "tail", *place, "-n", "99"])
        assert len(capsys.readouterr().out.splitlines()) == 12
        main(["outbox", "tail", *place, "-n", "0"])
        assert capsys.readouterr().out.startswith("Nothing to show")

    def test_json(
        self,
        kit: consentkit.Kit,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        With --json each line is one record, as `inspect` and the wire have
        it.
        """
        ids = tick(kit, 1, 2)

        assert main(["outbox", "tail", *place, "--json"]) == 0
        records = [
            json.loads(line) for line in capsys.readouterr().out.splitlines()
        ]
        assert [one["id"] for one in records] == ids
        assert records == [one.as_json() for one in kit.store.inspect()]

    def test_changes_nothing(
        self, kit: consentkit.Kit, place: list[str]
    ) -> None:
        """
        Nothing in any file changes: what is in the journal stays there,
        and what is under way stays claimed.
        """
        tick(kit, 1)
        (lane,) = kit.store.lanes()
        batch = kit.store.claim(lane, most=1, now=kit.now())
        assert batch is not None
        tick(kit, 2)
        before = _content(kit.data_dir)
        assert any(name.startswith("captured") for name in before)

        done = run("outbox", "tail", *place)

        assert _numbers(done.stdout.splitlines()) == [1, 2]
        assert _content(kit.data_dir) == before
        assert kit.store.is_live(batch)

    def test_of_nothing(
        self,
        tmp_path: Path,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Where there is no data folder it says so, and makes none; with
        --json it says nothing.
        """
        assert main(["outbox", "tail", *place]) == 0
        assert capsys.readouterr().out.startswith("Nothing to show")
        assert main(["outbox", "tail", *place, "--json"]) == 0
        assert capsys.readouterr().out == ""
        assert not (tmp_path / "data").exists()

    def test_no_orders_for_a_terminal(
        self,
        kit: consentkit.Kit,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        What a terminal would obey, or turn around, is written out.
        """
        tick(kit, 1, note="a\x1b[2J\x9b2J\u202eb\n\x7f 不可见")

        main(["outbox", "tail", *place])
        out = capsys.readouterr().out
        assert "a\\u001b[2J\\u009b2J\\u202eb\\n\\u007f 不可见" in out
        main(["outbox", "inspect", *place])
        assert "\\u009b2J\\u202eb" in capsys.readouterr().out

    @pytest.mark.parametrize("number", ["-1", "x", "1.5", "²"])
    def test_no_number(self, place: list[str], number: str) -> None:
        """
        A number that is none is refused by the parser.
        """
        with pytest.raises(SystemExit) as ended:
            main(["outbox", "tail", *place, "-n", number])
        assert ended.value.code == 2

    def test_a_missing_key(
        self,
        kit: consentkit.Kit,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Without the folder's key nothing is shown, and one line says why.
        """
        tick(kit, 1)
        kit.close()
        for key in (kit.data_dir / "keys").glob("*.key"):
            key.unlink()

        assert main(["outbox", "tail", *place]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1


class TestFollow:
    """
    What comes, until somebody has seen enough.
    """

    def test_what_comes(self, kit: consentkit.Kit, place: list[str]) -> None:
        """
        Each record is shown once: from the journal, after it was moved into
        the table, and of a consent that was given anew.
        """
        tick(kit, 1)
        with _following(*place) as process:
            assert process.stdout is not None
            lines = process.stdout
            assert _numbers([lines.readline()]) == [1]
            tick(kit, 2)
            assert _numbers([lines.readline()]) == [2]
            assert len(list(kit.store.inspect())) == 2  # moves them
            tick(kit, 3)
            assert _numbers([lines.readline()]) == [3]
            kit.consent.withdraw("stats")
            kit.consent.show("stats")
            kit.consent.grant("stats")
            tick(kit, 4)
            assert _numbers([lines.readline()]) == [4]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 128 + signal.SIGTERM
            assert lines.read() == ""
            assert process.stderr is not None
            assert process.stderr.read() == ""

    def test_from_the_first(self, tmp_path: Path, place: list[str]) -> None:
        """
        It may be there before the app has kept anything.
        """
        with _following(*place, "--json") as process:
            kit = open_kit(tmp_path / "data", "stats")
            (id_,) = tick(kit, 1)
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["id"] == id_

    def test_an_interrupt(self, kit: consentkit.Kit, place: list[str]) -> None:
        """
        ^C ends it, with no traceback.
        """
        tick(kit, 1)
        with Terminal("outbox", "tail", "-f", *place) as terminal:
            terminal.expect('"n": 1')
            terminal.press("c")
            assert terminal.end() == 128 + signal.SIGINT
            shown = terminal.screen
        assert "Traceback" not in shown
        assert shown.removesuffix("^C").count("\n") == 1

    def test_a_closed_pipe(
        self, kit: consentkit.Kit, place: list[str]
    ) -> None:
        """
        It ends when nobody reads any more, though nothing more comes.
        """
        tick(kit, 1)
        with _following(*place) as process:
            assert process.stdout is not None
            assert _numbers([process.stdout.readline()]) == [1]
            process.stdout.close()
            assert process.wait(30) == 128 + signal.SIGPIPE
            assert process.stderr is not None
            assert process.stderr.read() == ""

    def test_a_closed_output(
        self, kit: consentkit.Kit, place: list[str]
    ) -> None:
        """
        Without a standard output it says so at once.
        """
        done = run(
            "outbox", "tail", "-f", *place, preexec_fn=lambda: os.close(1)
        )

        assert done.returncode == 2
        assert "the standard output is closed" in done.stderr
