# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit outbox flush --every``: a process that delivers.
"""

from __future__ import annotations

import json
import signal
import subprocess

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.cli import main
from consentkit.receiver.app import make_app
from consentkit.receiver.server import Server, serve
from consentkit.receiver.store import Store
from tests.cli.shell import COMMAND, Terminal, environment
from tests.faults.support import POLICY, open_kit, tick
from tests.needs import need_extra


@pytest.fixture
def kit(tmp_path: Path) -> consentkit.Kit:
    """
    Give the kit of an app that delivers nothing by itself.
    """
    return open_kit(tmp_path / "data", "stats")


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """
    Give the arguments that name its folder.
    """
    return ["--policy", str(POLICY), "--data-dir", str(tmp_path / "data")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """
    Give what a receiver keeps.
    """
    made = Store(tmp_path / "received.sqlite3")
    yield made
    made.close()


@pytest.fixture
def receiver(store: Store) -> Iterator[Server]:
    """
    Give a receiver on this machine.
    """
    need_extra("receiver")
    with serve(make_app(store)) as server:
        yield server


@contextmanager
def delivering(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """
    Run it with its output in pipes.
    """
    with subprocess.Popen(
        [*COMMAND, "outbox", "flush", "--every", "0.1", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    """
    Wait for its next line.
    """
    assert process.stdout is not None
    return process.stdout.readline()


class TestEvery:
    """
    What leaves while an app captures.
    """

    def test_beside_an_app(
        self,
        kit: consentkit.Kit,
        place: list[str],
        store: Store,
        receiver: Server,
    ) -> None:
        """
        What an app captures leaves soon after, once; a line tells of it, and
        nothing does where nothing left. SIGTERM ends it.
        """
        tick(kit, 1)
        with delivering(*place, "--transport", receiver.url) as process:
            assert line_of(process) == "1 record delivered; none waits\n"
            tick(kit, 2, 3)
            got = 0
            while got < 2:
                got += int(line_of(process).split()[0])
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 128 + signal.SIGTERM
            assert line_of(process) == ""
            assert process.stderr is not None
            assert process.stderr.read() == ""

        values: list[Any] = [one.record.value for one in store.records()]
        assert sorted(one["n"] for one in values) == [1, 2, 3]

    def test_a_withdrawal(
        self,
        kit: consentkit.Kit,
        place: list[str],
        store: Store,
        receiver: Server,
    ) -> None:
        """
        What the app's withdrawal asks for leaves too, and what comes under a
        new yes.
        """
        tick(kit, 1)
        call = [*place, "--transport", receiver.url, "--json"]
        with delivering(*call) as process:
            assert json.loads(line_of(process))["delivered"] == 1
            kit.consent.withdraw("stats")
            told = json.loads(line_of(process))
            assert (told["erased"], told["delivered"]) == (1, 0)
            kit.consent.show("stats")
            kit.consent.grant("stats")
            tick(kit, 2)
            assert json.loads(line_of(process))["delivered"] == 1

        (left,) = store.records()
        assert left.record.value == {"event": "ticked", "n": 2, "note": ""}

    def test_nobody_answers(
        self, kit: consentkit.Kit, place: list[str], tmp_path: Path
    ) -> None:
        """
        A problem is told once, and what waits leaves when somebody answers:
        here when the folder is there.
        """
        tick(kit, 1)
        blocked = tmp_path / "out"
        blocked.write_text("in its place")
        call = [*place, "--transport", blocked.as_uri()]
        with delivering(*call) as process:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("consentkit: ")
            blocked.unlink()
            assert line_of(process) == "1 record delivered; none waits\n"
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            assert process.stderr.read() == ""

    def test_an_interrupt(
        self, kit: consentkit.Kit, place: list[str], tmp_path: Path
    ) -> None:
        """
        ^C ends it, with no traceback.
        """
        tick(kit, 1)
        url = (tmp_path / "out").as_uri()
        call = [*place, "--every", "60", "--transport", url]
        with Terminal("outbox", "flush", *call) as terminal:
            terminal.expect("1 record delivered")
            terminal.press("c")
            assert terminal.end() == 128 + signal.SIGINT
            assert "Traceback" not in terminal.screen

    @pytest.mark.parametrize("text", ["0", "-1", "soon", "nan"])
    def test_no_time(
        self,
        text: str,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        What is no time is said to be none.
        """
        call = ["outbox", "flush", *place, "--transport", "memory:"]
        with pytest.raises(SystemExit) as caught:
            main([*call, f"--every={text}"])

        assert caught.value.code == 2
        assert "no number of seconds above 0" in capsys.readouterr().err
