# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit outbox flush``.
"""

from __future__ import annotations

import json
import os
import signal
import socket

from collections.abc import Iterator
from pathlib import Path

import pytest

from consentkit.cli import main
from consentkit.exceptions import StoreError
from consentkit.ledger.sqlite import SQLiteLedger
from consentkit.receiver.app import make_app
from consentkit.receiver.server import Server, serve
from consentkit.receiver.store import Store
from consentkit.seal import KeyRing, make_open_key
from consentkit.transports.delivery import FlushProgress
from tests.cli.shell import Terminal, run
from tests.faults.support import POLICY as FAULTS
from tests.faults.support import open_kit, tick, tock
from tests.needs import need_extra
from tests.support import SMALL, make_kit
from tests.transports.servers import RawServer, Request, linger


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """
    Give a data folder in which three records wait for the controller.
    """
    folder = tmp_path / "data"
    with make_kit(folder, "improve") as kit, kit.use("improve") as use:
        for _ in range(3):
            use.capture(use.device("mac_address"))
    return folder


@pytest.fixture
def place(data: Path) -> list[str]:
    """
    Give the arguments that name it.
    """
    return ["--policy", str(SMALL), "--data-dir", str(data)]


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


@pytest.fixture
def nobody() -> str:
    """
    Give a URL at which nobody listens.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


class TestFlush:
    """
    What is sent, and what is said of it.
    """

    def test_all(
        self,
        place: list[str],
        store: Store,
        receiver: Server,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        What waits gets to a real receiver; one line says so, and that it is
        no terminal is no reason for anything else.
        """
        call = ["outbox", "flush", *place, "--transport", receiver.url]

        assert main(call) == 0
        assert capsys.readouterr() == (
            "3 records delivered; none waits\n",
            "",
        )
        assert [one.record.function for one in store.records()] == [
            "improve"
        ] * 3
        assert main(call) == 0
        assert capsys.readouterr().out == "0 records delivered; none waits\n"

    def test_json(
        self,
        place: list[str],
        receiver: Server,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        With --json it is the report, and how many requests to erase wait.
        """
        url = receiver.url
        main(["outbox", "flush", *place, "--transport", url, "--json"])

        assert json.loads(capsys.readouterr().out) == {
            "delivered": 3,
            "duplicates": 0,
            "rejected": 0,
            "expired": 0,
            "erased": 0,
            "waiting": 0,
            "problems": [],
            "erasures": 0,
        }

    def test_an_erasure(
        self,
        place: list[str],
        store: Store,
        receiver: Server,
        nobody: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A request to erase counts as waiting until the receiver has it.
        """
        call = ["outbox", "flush", *place, "--transport"]
        main([*call, receiver.url])
        main(["consent", "withdraw", "improve", *place])
        capsys.readouterr()

        assert main([*call, nobody]) == 1
        out = capsys.readouterr().out
        assert (
            out == "0 records delivered; none waits, and 1 erasure request\n"
        )
        assert main([*call, receiver.url]) == 0
        out = capsys.readouterr().out
        assert out.startswith("0 records delivered, 1 erasure request carried")
        assert not list(store.records())

    def test_sealed(
        self,
        tmp_path: Path,
        place: list[str],
        store: Store,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        It seals for the first key of several that the receiver has.
        """
        need_extra("receiver")
        ring = KeyRing.new(tmp_path / "keys")
        keys = [
            *("--seal-for", make_open_key(2).seal_key.text),
            *("--seal-for", f"maker={ring.current.seal_key.text}"),
        ]
        with serve(make_app(store, keys=ring, sealed_only=True)) as server:
            call = ["outbox", "flush", *place, "--transport", server.url]
            assert main([*call, *keys]) == 0

        assert len(list(store.records())) == 3

    def test_several_recipients(
        self,
        tmp_path: Path,
        store: Store,
        receiver: Server,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Each recipient has a transport of its own, by name; what has none
        waits.
        """
        kit = open_kit(tmp_path / "data", "stats", "shared")
        tick(kit, 1)
        tock(kit, 2, function="shared")
        kit.close()
        place = ["--policy", str(FAULTS), "--data-dir", str(kit.data_dir)]
        out = tmp_path / "out"
        call = ["outbox", "flush", *place, "--transport"]

        assert main([*call, receiver.url]) == 1
        said, err = capsys.readouterr()
        assert said == "1 record delivered; 1 record waits\n"
        assert (
            err
            == "consentkit: no transport leads to 'partner'; name one in transport, by its recipient\n"
        )
        assert main([*call, f"partner=file://{out}"]) == 0
        assert [one.record.function for one in store.records()] == ["stats"]
        (file,) = (one for one in out.rglob("*") if one.is_file())
        assert '"shared"' in file.read_text("utf-8")

    def test_what_may_not_leave(
        self,
        place: list[str],
        store: Store,
        receiver: Server,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        The gate is asked: what the person has paused waits, and the exit
        code and one line say so.
        """
        main(["consent", "pause", "improve", *place])
        capsys.readouterr()
        call = ["outbox", "flush", *place, "--transport", receiver.url]

        assert main(call) == 1
        out, err = capsys.readouterr()
        assert out == "0 records delivered; 3 records wait\n"
        assert err.startswith("consentkit: what waits may not leave now")
        assert not list(store.records())

    def test_a_backend_out_of_reach(
        self,
        place: list[str],
        nobody: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A backend that cannot be reached is named in one line, with a cure.
        """
        call = ["outbox", "flush", *place, "--transport", nobody]

        assert main(call) == 1
        out, err = capsys.readouterr()
        assert out == "0 records delivered; 3 records wait\n"
        assert err.count("\n") == 1
        assert "it refuses the connection; check that" in err

    def test_out_of_time(
        self,
        place: list[str],
        receiver: Server,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Where the time is over before all is sent, it says what to do.
        """
        url = receiver.url
        call = ["outbox", "flush", *place, "--transport", url]

        assert main([*call, "--timeout", "1e-9"]) == 1
        out, err = capsys.readouterr()
        assert out == "0 records delivered; 3 records wait\n"
        assert err == (
            "consentkit: the 1e-09 seconds are over; allow more with "
            "--timeout\n"
        )


class TestBadInput:
    """
    What is refused before anything is sent.
    """

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--transport", "nobody=file:///x"], "no recipient nobody"),
            (["--transport", "carrier-pigeon:x"], "no transport for"),
            (["--transport", "x"], "as there is no scheme"),
            (
                ["--transport", "file:///a", "--transport", "maker=file:///b"],
                "two lead to 'maker'",
            ),
            (
                ["--transport", "file:///a", "--seal-for", "abc"],
                "seal_for of 'maker'",
            ),
            (
                ["--transport", "file:///a", "--policy", "/nowhere.toml"],
                "/nowhere.toml: it cannot be read",
            ),
            (
                ["--transport", "file:///a", "--data-dir", str(SMALL)],
                "not a folder",
            ),
        ],
    )
    def test_one_line(
        self,
        place: list[str],
        arguments: list[str],
        said: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        It is told in one line what is wrong; the exit code is 2.
        """
        assert main(["outbox", "flush", *place, *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert said in err

    @pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
    def test_no_time(self, seconds: str) -> None:
        """
        A time that is none is refused by the parser.
        """
        call = ["outbox", "flush", "--transport", "file:///a", "--timeout"]
        with pytest.raises(SystemExit) as ended:
            main([*call, seconds])
        assert ended.value.code == 2

    @pytest.mark.parametrize(
        "action",
        [
            ["status"],
            ["inspect"],
            ["tail"],
            ["flush", "--transport", "file:///never"],
        ],
        ids=lambda action: action[0],
    )
    def test_another_policy(
        self,
        data: Path,
        place: list[str],
        action: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Under the policy of another app nothing is opened, and what waits is
        not taken for what nobody agreed to.
        """
        other = ["--policy", str(FAULTS), "--data-dir", str(data)]

        assert main(["outbox", *action, *other]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert "is of the policy 'small', and this is 'faults'" in err
        main(["outbox", "status", *place])
        assert capsys.readouterr().out.startswith("3 records wait ")

    def test_another_version(
        self,
        tmp_path: Path,
        data: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Another version of the same policy is the app's own.
        """
        text = SMALL.read_text("utf-8").replace(
            'version = "1"', 'version = "2"'
        )
        file = tmp_path / "policy.toml"
        file.write_text(text, encoding="utf-8")

        place = ["--policy", str(file), "--data-dir", str(data)]
        assert main(["outbox", "status", *place]) == 0
        assert capsys.readouterr().out.startswith("3 records wait ")

    def test_a_damaged_ledger(
        self,
        data: Path,
        place: list[str],
        receiver: Server,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Under a ledger that cannot be read nothing leaves, and its problem
        is told in a line.
        """
        (data / "ledger.sqlite3").write_bytes(b"no database" * 500)
        with pytest.raises(StoreError):
            SQLiteLedger(data / "ledger.sqlite3").entries()

        call = ["outbox", "flush", *place, "--transport", receiver.url]
        assert main(call) == 1
        out, err = capsys.readouterr()
        assert out == "0 records delivered; 3 records wait\n"
        assert "ledger.sqlite3" in err
        assert "Traceback" not in err


class TestBar:
    """
    The bar, for whoever sits at a terminal.
    """

    def test_on_a_terminal(self, place: list[str], receiver: Server) -> None:
        """
        There is a bar, and it is taken away before the summary.
        """
        url = receiver.url
        call = ["outbox", "flush", *place, "--transport", url]
        with Terminal(*call) as terminal:
            assert terminal.end() == 0
            shown = terminal.screen
        bar = f"\r[{'#' * 24}] 3 delivered, 0 to go\x1b[K\r\x1b[K"
        assert shown == f"{bar}3 records delivered; none waits\n"

    def test_on_none(self, place: list[str], receiver: Server) -> None:
        """
        Without one there is nothing but the summary; a standard error that
        is closed stops nothing.
        """
        url = receiver.url
        call = ["outbox", "flush", *place, "--transport", url]
        done = run(*call, preexec_fn=lambda: os.close(2))

        assert done.returncode == 0
        assert done.stdout == "3 records delivered; none waits\n"
        assert done.stderr == ""

    def test_an_interrupt(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        ^C ends it while a backend does not answer: with no traceback, and
        what was under way waits.
        """

        def script(conn: socket.socket, request: Request) -> None:
            server.there.set()
            linger(conn)

        server = RawServer(script)
        try:
            call = ["outbox", "flush", *place, "--transport", server.url]
            with Terminal(*call) as terminal:
                assert server.there.wait(30)
                terminal.press("c")
                assert terminal.end() == 128 + signal.SIGINT
                assert "Traceback" not in terminal.screen
        finally:
            server.close()
        main(["outbox", "status", *place])
        assert capsys.readouterr().out.startswith("3 records wait ")

    def test_how_far(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        It goes by what waits; also where more waits than at the start.
        """
        from consentkit.cli.outbox_flush import _Bar

        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        monkeypatch.setenv("TERM", "xterm")
        for waiting, cells in ((4, 0), (2, 12), (0, 24), (9, 0)):
            _Bar().show(
                FlushProgress(delivered=1, waiting_at_start=4, waiting=waiting)
            )
            assert capsys.readouterr().err.count("#") == cells
