# SPDX-License-Identifier: MIT

"""
Tests for what all commands share: help, errors, streams and places.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sysconfig
import time

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consentkit import exceptions
from consentkit.cli import main, make_parser
from tests.cli.shell import COMMAND, Terminal, environment, run
from tests.support import SMALL, make_kit, small


def _parsers(
    parser: argparse.ArgumentParser,
) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _parsers(inner)


PARSERS = {parser.prog: parser for parser in _parsers(make_parser())}


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """
    Give the arguments that name the small policy and a new data folder.
    """
    return ["--policy", str(SMALL), "--data-dir", str(tmp_path / "data")]


def one_line(text: str) -> str:
    """
    See to it that *text* is one line of ours, and give what it says.
    """
    assert text.startswith("consentkit: "), text
    assert text.count("\n") == 1, text
    assert "Traceback" not in text
    return text.removeprefix("consentkit: ").strip()


class TestHelp:
    """
    Tests for ``--help``.
    """

    @pytest.mark.parametrize("prog", PARSERS)
    def test_fits_a_terminal(
        self, prog: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Help of each command fits 80 columns and says what the command does.
        """
        monkeypatch.setenv("COLUMNS", "80")
        shown = PARSERS[prog].format_help()

        assert max(map(len, shown.splitlines())) < 80
        assert PARSERS[prog].description

    @pytest.mark.parametrize("prog", PARSERS)
    def test_every_argument_is_explained(self, prog: str) -> None:
        """
        No argument of any command is without its line of help.
        """
        silent = [
            action.dest
            for action in PARSERS[prog]._actions
            if not action.help and action.nargs != argparse.PARSER
        ]

        assert not silent

    def test_of_the_console_script(self) -> None:
        """
        The installed script prints help that names commands and exit codes.
        """
        script = Path(sysconfig.get_path("scripts"), "consentkit")
        ran = run("--help", command=(str(script),))

        assert ran.returncode == 0
        assert all(f"    {name}" in ran.stdout for name in ("demo", "why"))
        assert "exit codes:" in ran.stdout

    @pytest.mark.parametrize(
        "arguments",
        [[], ["consent"], ["why"], ["nonsense"], ["policy", "check"]],
    )
    def test_bad_usage(self, arguments: list[str]) -> None:
        """
        Bad usage gives usage and cause on standard error, and code 2.
        """
        ran = run(*arguments)

        assert ran.returncode == 2
        assert ran.stdout == ""
        assert ran.stderr.startswith("usage: consentkit")
        assert ": error: " in ran.stderr.splitlines()[-1]


class TestJSON:
    """
    Tests for ``--json``.
    """

    @pytest.mark.parametrize(
        "arguments",
        [
            ["consent", "list"],
            ["consent", "list", "--granted"],
            ["consent", "grant", "connect"],
            ["consent", "deny", "connect"],
            ["consent", "withdraw", "connect"],
            ["consent", "accept"],
            ["consent", "pause"],
            ["consent", "resume", "connect"],
            ["consent", "refuse-all"],
            ["consent", "age", "--adult"],
            ["consent", "history"],
            ["collected"],
            ["why", "connect"],
            ["why", "connect", "location_precise", "maker"],
            ["outbox", "status"],
            ["outbox", "inspect"],
        ],
        ids=" ".join,
    )
    def test_is_all_that_is_printed(
        self,
        arguments: list[str],
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        With --json, standard output is one JSON value and nothing else.
        """
        code = main([*arguments, *place, "--json"])
        out, err = capsys.readouterr()

        assert code == (1 if arguments[0] == "why" else 0)
        assert isinstance(json.loads(out), dict)
        # Whoever says yes sees on what, beside the one value.
        says_yes = {"grant", "accept"}.intersection(arguments)
        shown = "Connect the camera" if says_yes else ""
        assert err.partition("\n")[0] == shown

    def test_in_an_ascii_locale(self, tmp_path: Path) -> None:
        """
        JSON stays whole where the locale cannot show its characters.
        """
        broken = tmp_path / "规则.toml"
        broken.write_text('schema = 1\n"键🔑" = 1\n', "utf-8")
        ran = run(
            "policy",
            "check",
            "--json",
            broken,
            env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        )

        assert ran.returncode == 1
        assert ran.stdout.isascii()
        assert "键🔑" in json.dumps(json.loads(ran.stdout), ensure_ascii=False)


class TestErrors:
    """
    Bad input: one line that names the place and the cure, and code 2.
    """

    def test_missing_policy(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Without a policy here, the error names the file and the option.
        """
        monkeypatch.chdir(tmp_path)

        assert main(["consent", "list"]) == 2
        said = one_line(capsys.readouterr().err)
        assert said.startswith("policy.toml: ")
        assert "--policy" in said

    def test_folder_as_policy(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A folder in the place of a policy is called a folder.
        """
        assert main(["why", "connect", "--policy", str(tmp_path)]) == 2
        assert "folder" in one_line(capsys.readouterr().err)

    def test_no_toml(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A policy that is no TOML is reported with line and column.
        """
        file = tmp_path / "p.toml"
        file.write_text("schema = 1\na = = 2\n")

        assert main(["consent", "list", "--policy", str(file)]) == 2
        said = one_line(capsys.readouterr().err)
        assert said.startswith(f"{file}: not TOML")
        assert "line 2, column 5" in said

    def test_many_faults(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Of a policy with many faults, one line names the first, and how to
        see all.
        """
        file = tmp_path / "p.toml"
        text = SMALL.read_text("utf-8").replace("mac_address", "mac_adress")
        file.write_text(text.replace('"core"', '"cor"'), "utf-8")

        assert main(["outbox", "status", "--policy", str(file)]) == 2
        said = one_line(capsys.readouterr().err)
        assert "2 faults" in said
        assert "consentkit policy check" in said
        assert "did you mean 'core'?" in said

    @pytest.mark.parametrize("act", ["grant", "deny", "withdraw", "history"])
    def test_unknown_element(
        self, act: str, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        An element that the policy does not have is answered with near ones.
        """
        assert main(["consent", act, "conect", *place]) == 2
        said = one_line(capsys.readouterr().err)
        assert "'conect'" in said
        assert "did you mean 'connect'" in said

    def test_element_that_is_near_to_none(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Where nothing is near, the error names the command that lists all.
        """
        assert main(["consent", "grant", "zzz", *place]) == 2
        said = one_line(capsys.readouterr().err)
        assert "consentkit consent list" in said

    def test_data_folder_that_is_a_file(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A file in the place of the data folder is refused by its name.
        """
        code = main(
            [
                "consent",
                "list",
                "--policy",
                str(SMALL),
                "--data-dir",
                str(SMALL),
            ]
        )

        assert code == 2
        assert one_line(capsys.readouterr().err).startswith(f"{SMALL}: ")

    def test_data_folder_that_cannot_be_made(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        An unwritable folder is named, with the cure; nothing is granted.
        """
        (tmp_path / "file").write_text("")
        folder = tmp_path / "file" / "data"
        code = main(
            [
                "consent",
                "grant",
                "connect",
                "--policy",
                str(SMALL),
                "--data-dir",
                str(folder),
            ]
        )

        assert code == 2
        said = one_line(capsys.readouterr().err)
        assert str(folder) in said
        assert "choose" in said

    def test_ledger_of_newer_format(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A ledger of a newer format is left alone and says to upgrade.
        """
        main(["consent", "grant", "connect", *place])
        ledger = Path(place[-1], "ledger.sqlite3")
        _write(ledger, "PRAGMA user_version = 99")
        before = ledger.read_bytes()
        capsys.readouterr()

        assert main(["consent", "withdraw", "connect", *place]) == 2
        said = one_line(capsys.readouterr().err)
        assert "newer" in said
        assert "upgrade consentkit" in said
        assert ledger.read_bytes() == before

    @pytest.mark.parametrize("act", ["list", "grant", "history", "withdraw"])
    def test_damaged_ledger(
        self, act: str, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A damaged ledger is told once, by its path and with the cure.
        """
        Path(place[-1]).mkdir()
        Path(place[-1], "ledger.sqlite3").write_bytes(b"no database" * 99)
        element = [] if act == "list" else ["connect"]

        assert main(["consent", act, *element, *place]) == 2
        said = one_line(capsys.readouterr().err)
        assert "ledger.sqlite3: the file is damaged" in said
        assert "backup" in said

    @pytest.mark.parametrize(
        "arguments",
        [
            ["outbox", "status"],
            ["outbox", "inspect"],
            ["consent", "withdraw", "connect"],
        ],
        ids=" ".join,
    )
    def test_damaged_outbox(
        self,
        arguments: list[str],
        place: list[str],
        capsys: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """
        A damaged outbox is mended, which is told by its path; where the
        damaged one is now is in the status.
        """
        with make_kit(Path(place[-1]), "connect"):
            pass
        Path(place[-1], "outbox.sqlite3").write_bytes(b"no database" * 99)

        assert main([*arguments, *place]) == 0
        (said,) = [one for one in caplog.messages if "was damaged" in one]
        assert "outbox.sqlite3 was damaged: 0 records were saved" in said
        capsys.readouterr()
        assert main(["outbox", "status", *place]) == 0
        (aside,) = Path(place[-1]).glob("damaged-*")
        assert f"was set aside in {aside};" in capsys.readouterr().out

    @pytest.mark.parametrize("harm", ["gone", "short"])
    def test_damaged_key(
        self,
        harm: str,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Records whose key is gone or damaged are never shown, and no
        traceback is.
        """
        with make_kit(Path(place[-1]), "improve") as kit:
            with kit.use("improve") as use:
                use.capture(use.device("mac_address"))
            assert kit.status().waiting
        (key,) = Path(place[-1], "keys").glob("*.key")
        key.unlink() if harm == "gone" else key.write_text("abc")

        code = main(["outbox", "inspect", *place])
        out, err = capsys.readouterr()
        assert "b4dbaa117e2f646679a2d06b555b0e3a" not in out
        assert "Traceback" not in err
        assert code == 2
        assert one_line(err).startswith(place[-1])

    def test_every_error_is_one_line(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
    ) -> None:
        """
        Each error of consentkit, whichever command raises it, is one line.
        """
        path = Path("x")
        errors = [
            exceptions.StoreError(path, problem="a\nb", cure="c"),
            exceptions.MissingExtraError(extra="demo", package="psutil"),
            exceptions.TransportError("wrong"),
            PermissionError(13, "Permission denied", "some/file"),
            ValueError("no"),
        ]
        for error in errors:

            def fail(*_: object, error: Exception = error) -> None:
                raise error

            monkeypatch.setattr("consentkit.cli.outbox.kit_of", fail)
            assert main(["outbox", "status", "--policy", str(SMALL)]) == 2
            one_line(capsys.readouterr().err)

    @pytest.mark.parametrize(
        ("name", "extra"), [("demo", "demo"), ("receive", "receiver")]
    )
    def test_missing_extra(
        self, name: str, extra: str, tmp_path: Path
    ) -> None:
        """
        A command whose extra is missing says how to install it, and leaves
        no file.
        """
        code = (
            "import importlib.util as u\n"
            "find = u.find_spec\n"
            "u.find_spec = lambda n: None if n == 'uvicorn' else find(n)\n"
            "from consentkit.cli import main\n"
            f"raise SystemExit(main([{name!r}]))"
        )
        ran = run(command=(COMMAND[0], "-c", code), cwd=tmp_path)

        assert ran.returncode == 2
        said = one_line(ran.stderr)
        assert f"pip install 'consentkit[{extra}]'" in said
        assert not list(tmp_path.iterdir())


class TestStreams:
    """
    Streams that are closed, full, or of another alphabet.
    """

    def test_pipe_that_closes(self, place: list[str]) -> None:
        """
        A reader that has seen enough leads to no message and no traceback.
        """
        reader, writer = os.pipe()
        os.close(reader)
        ran = run("consent", "list", *place, stdout=writer, **_ONLY_ERRORS)
        os.close(writer)

        assert ran.stderr == ""
        assert ran.returncode == 0

    def test_pipe_that_closes_keeps_the_findings(self, tmp_path: Path) -> None:
        """
        What was found stays in the exit code, whoever has read it.
        """
        (tmp_path / "p.toml").write_text("a = 1")
        reader, writer = os.pipe()
        os.close(reader)
        ran = run(
            "policy",
            "check",
            tmp_path / "p.toml",
            stdout=writer,
            **_ONLY_ERRORS,
        )
        os.close(writer)

        assert ran.stderr == ""
        assert ran.returncode == 1

    @pytest.mark.skipif(
        not Path("/dev/full").exists(), reason="there is no /dev/full"
    )
    def test_full_disk(self, place: list[str]) -> None:
        """
        Output that nobody takes is an error of one line.
        """
        with Path("/dev/full").open("w") as full:
            ran = run("consent", "list", *place, stdout=full, **_ONLY_ERRORS)

        assert ran.returncode == 2
        assert "No space left" in one_line(ran.stderr)

    def test_closed_streams(self, place: list[str]) -> None:
        """
        A no is recorded with standard output and error closed from the
        start.
        """
        ran = subprocess.run(
            [
                "/bin/sh",
                "-c",
                '"$@" >&- 2>&-',
                "sh",
                *COMMAND,
                "consent",
                "deny",
                "connect",
                *place,
            ],
            env=environment(),
            timeout=30,
            check=False,
        )

        assert ran.returncode == 0
        with make_kit(Path(place[-1])) as kit:
            assert kit.consent.history("connect")

    @pytest.mark.parametrize(
        "command",
        [
            "consent list",
            "consent grant connect",
            "consent accept",
            "collected",
            "disclose sharing",
            "ledger verify",
            "outbox status",
            "policy show",
            "why connect",
        ],
    )
    def test_output_that_is_closed(
        self, place: list[str], command: str
    ) -> None:
        """
        Where nobody can see what is printed, that is an error, and what
        has to be read first is not taken for shown.
        """
        words = command.split()
        named = place[1:2] if words[0] in {"policy", "disclose"} else place
        ran = subprocess.run(
            ["/bin/sh", "-c", '"$@" >&-', "sh", *COMMAND, *words, *named],
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )

        assert ran.returncode == 2
        assert one_line(ran.stderr) == (
            "the standard output is closed; send it to a file or a pipe"
        )
        with make_kit(Path(place[-1])) as kit:
            assert not kit.consent.history()

    def test_other_locale(self, tmp_path: Path) -> None:
        """
        Characters that the locale does not have are spelled out.
        """
        file = tmp_path / "p.toml"
        text = SMALL.read_text("utf-8").replace("A small", "小")
        file.write_text(text, "utf-8")
        ran = run(
            "policy",
            "check",
            file,
            env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        )

        assert ran.returncode == 1  # it has findings
        assert ran.stderr == ""
        assert "\\u5c0f policy" in ran.stdout

    def test_interrupt_while_it_works(self) -> None:
        """
        A command that ^C meets at work ends with 130 and no traceback.
        """
        code = (
            "import time\n"
            "import consentkit.cli.outbox as o\n"
            "def slow(*_):\n"
            "    print('at work', flush=True)\n"
            "    time.sleep(30)\n"
            "o.kit_of = slow\n"
            "from consentkit.cli import main\n"
            "raise SystemExit(main(['outbox', 'status']))"
        )
        with subprocess.Popen(
            [COMMAND[0], "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "at work\n"
            time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)

        assert (process.returncode, err) == (130, "")

    def test_table_fits_the_terminal(self, place: list[str]) -> None:
        """
        On a terminal no line of a table is wider than the terminal.
        """
        main(["consent", "grant", "connect/location_precise", *place])
        with Terminal("consent", "history", *place) as terminal:
            assert terminal.end() == 0

        lines = terminal.screen.splitlines()
        assert max(map(len, lines)) <= 80
        assert "connect/location_precise" in terminal.screen


class TestPlaces:
    """
    Where policy and data are looked for.
    """

    def test_default_data_folder(self, tmp_path: Path) -> None:
        """
        Without a data folder, one by the platform's custom is used, named
        after the policy.
        """
        ran = run(
            "consent",
            "grant",
            "connect",
            "--policy",
            SMALL,
            env={
                "HOME": str(tmp_path),
                "XDG_DATA_HOME": None,
                "XDG_CONFIG_HOME": None,
            },
        )

        assert ran.returncode == 0
        (ledger,) = tmp_path.rglob("ledger.sqlite3")
        assert ledger.parent.name == small().id
        assert ledger.parent.stat().st_mode & 0o077 == 0

    def test_looking_makes_no_file(self, tmp_path: Path) -> None:
        """
        Commands that only look leave no file and no folder (R1).
        """
        env = {"HOME": str(tmp_path), "XDG_DATA_HOME": None}
        for arguments in (
            ("consent", "list"),
            ("consent", "history"),
            ("collected",),
            ("why", "connect", "location_precise"),
            ("outbox", "status"),
        ):
            assert run(*arguments, "--policy", SMALL, env=env).stderr == ""

        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("named", ["", "~/.local/share"])
    def test_no_home(
        self,
        named: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Where no home folder can be named, it asks for a data folder and
        makes none.
        """

        def no_home(*_: object, **__: object) -> Path:
            # As the versions of platformdirs do for a user without a home.
            if not named:
                msg = "no home"
                raise RuntimeError(msg)
            return Path(named)

        monkeypatch.setattr("platformdirs.user_data_path", no_home)
        monkeypatch.chdir(tmp_path)

        assert main(["consent", "grant", "logs", "--policy", str(SMALL)]) == 2
        assert "--data-dir" in one_line(capsys.readouterr().err)
        assert not list(tmp_path.iterdir())

    def test_environment(self, tmp_path: Path) -> None:
        """
        Policy and data folder may come from the environment.
        """
        env = {
            "CONSENTKIT_POLICY": str(SMALL),
            "CONSENTKIT_DATA_DIR": str(tmp_path / "there"),
        }

        assert run("consent", "grant", "logs", env=env).returncode == 0
        assert (tmp_path / "there" / "ledger.sqlite3").exists()

    def test_empty_environment(self, tmp_path: Path) -> None:
        """
        An empty variable counts as none.
        """
        (tmp_path / "policy.toml").write_bytes(SMALL.read_bytes())
        env = {
            "CONSENTKIT_POLICY": "",
            "CONSENTKIT_DATA_DIR": "",
            "HOME": str(tmp_path / "home"),
            "XDG_DATA_HOME": None,
        }
        ran = run("consent", "grant", "logs", env=env, cwd=tmp_path)

        assert ran.returncode == 0
        assert {p.name for p in tmp_path.iterdir()} == {"home", "policy.toml"}


_ONLY_ERRORS: Any = {"stderr": subprocess.PIPE, "capture_output": False}


def _write(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
