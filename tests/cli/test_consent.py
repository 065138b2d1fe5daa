# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit consent``, asking in a real terminal among them.
"""

from __future__ import annotations

import json
import signal
import subprocess

from pathlib import Path

import pytest

from consentkit.cli import main
from consentkit.consent.entries import Act
from tests.cli.shell import Terminal, run
from tests.support import SMALL, make_kit


QUESTION = "Allow this? [yes/no/later]"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """
    Give a data folder that is not there yet.
    """
    return tmp_path / "data"


@pytest.fixture
def place(data: Path) -> list[str]:
    """
    Give the arguments that name the small policy and the data folder.
    """
    return ["--policy", str(SMALL), "--data-dir", str(data)]


def entries(data: Path) -> list[tuple[str, str, str]]:
    """
    Give what the ledger holds: act, element and method.
    """
    with make_kit(data) as kit:
        return [
            (e.act.value, e.element, e.method) for e in kit.consent.history()
        ]


def statuses(data: Path) -> dict[str, str]:
    """
    Give where the person stands, by element.
    """
    with make_kit(data) as kit:
        choices = kit.consent.state().choices
        return {e: c.status.value for e, c in choices.items()}


class TestList:
    """
    Tests for ``consent list``.
    """

    def test_shows_everything(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Everything that can be decided on is there, undecided at first
        (WP-ADD-1).
        """
        assert main(["consent", "list", *place]) == 0
        rows = capsys.readouterr().out.splitlines()[1:]
        assert [row.split()[0] for row in rows] == [
            "connect",
            "connect/location_precise",
            "improve",
            "paste",
            "logs",
            "umeng",
        ]
        assert all(row.split()[2] == "unknown" for row in rows)

    def test_granted_alone(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --granted only what permits something is shown.
        """
        main(["consent", "list", "--granted", *place])
        assert capsys.readouterr().out == "Nothing is granted.\n"

        main(["consent", "grant", "logs", *place])
        main(["consent", "deny", "paste", *place])
        capsys.readouterr()
        main(["consent", "list", "--granted", *place])
        rows = capsys.readouterr().out.splitlines()[1:]
        assert [row.split()[0] for row in rows] == ["logs"]

    def test_unreadable_ledger(
        self, data: Path, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json too, a damaged ledger is told on standard error, and
        nothing counts as granted.
        """
        data.mkdir()
        (data / "ledger.sqlite3").write_bytes(b"damaged" * 99)

        assert main(["consent", "list", *place, "--json"]) == 2
        out, err = capsys.readouterr()
        said = json.loads(out)
        assert {c["status"] for c in said["choices"]} == {"unreadable"}
        assert said["problem"] in err


class TestActs:
    """
    Tests for ``grant``, ``deny``, ``withdraw`` and ``history``.
    """

    def test_grant_names_its_method(
        self, data: Path, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A grant is an entry that says how it was made (WP-CONS-2).
        """
        assert main(["consent", "grant", "logs", *place]) == 0
        assert capsys.readouterr().out == "logs: granted, entry 1\n"
        assert entries(data) == [("granted", "logs", "command_line")]

    def test_grant_opens_nothing_else(
        self, data: Path, place: list[str]
    ) -> None:
        """
        A grant leaves every other element undecided, the function's own
        separate type among them (WP-SENS-2).
        """
        main(["consent", "grant", "connect", *place])

        others = {e: s for e, s in statuses(data).items() if e != "connect"}
        assert set(others.values()) == {"unknown"}
        assert "connect/location_precise" in others

    def test_grant_of_a_separate_type_alone(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        It says that a separate type waits for its function.
        """
        main(["consent", "grant", "connect/location_precise", *place])
        assert "no effect until connect is granted" in capsys.readouterr().out

        main(["why", "connect", "location_precise", *place])
        assert "refused" in capsys.readouterr().out

    def test_deny(self, data: Path, place: list[str]) -> None:
        """
        A no is an entry of its own.
        """
        assert main(["consent", "deny", "paste", *place]) == 0
        assert entries(data) == [("refused", "paste", "command_line")]

    def test_withdraw_takes_the_separate_types_too(
        self, data: Path, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Withdrawing a function withdraws what hangs on it (WP-ADD-3).
        """
        main(["consent", "grant", "connect", *place])
        main(["consent", "grant", "connect/location_precise", *place])
        capsys.readouterr()

        assert main(["consent", "withdraw", "connect", *place, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert [e["element"] for e in said["entries"]] == [
            "connect",
            "connect/location_precise",
        ]
        assert set(said) == {"entries", "destroyed", "in_flight", "erasures"}

    def test_withdraw_twice(
        self, data: Path, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A second withdrawal does nothing, and says so.
        """
        main(["consent", "grant", "logs", *place])
        main(["consent", "withdraw", "logs", *place])
        capsys.readouterr()

        assert main(["consent", "withdraw", "logs", *place]) == 0
        assert capsys.readouterr().out.startswith("logs: withdrawn before;")
        assert len(entries(data)) == 2

    def test_history(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The history shows the entries of the ledger, chained by hashes.
        """
        assert main(["consent", "history", *place]) == 0
        assert capsys.readouterr().out == "No entry yet.\n"

        main(["consent", "grant", "logs", *place])
        main(["consent", "deny", "paste", *place])
        capsys.readouterr()
        main(["consent", "history", *place, "--json"])
        first, second = json.loads(capsys.readouterr().out)["entries"]
        assert second["prev"] == first["hash"]

        main(["consent", "history", "paste", *place])
        rows = capsys.readouterr().out.splitlines()[1:]
        assert [row.split()[3:5] for row in rows] == [["refused", "paste"]]


class TestAsk:
    """
    Tests for ``consent ask`` in a terminal.
    """

    def test_yes_no_later(self, data: Path, place: list[str]) -> None:
        """
        Each question takes yes, no or later, and each is recorded as what
        it is.
        """
        with Terminal(
            "consent", "ask", "improve", "paste", "logs", *place
        ) as terminal:
            for number, answer in enumerate(("yes", "No", "later"), start=1):
                terminal.expect(QUESTION, times=number)
                terminal.type(answer)
            assert terminal.end() == 0

        assert entries(data) == [
            ("notice_shown", "improve", "terminal"),
            ("granted", "improve", "terminal"),
            ("notice_shown", "paste", "terminal"),
            ("refused", "paste", "terminal"),
            ("notice_shown", "logs", "terminal"),
            ("deferred", "logs", "terminal"),
        ]
        assert "improve: yes\npaste: no\nlogs: later" in terminal.screen

    def test_empty_line_is_no_answer(
        self, data: Path, place: list[str]
    ) -> None:
        """
        An empty line neither grants nor refuses (R2).
        """
        with Terminal("consent", "ask", "logs", *place) as terminal:
            terminal.expect(QUESTION)
            terminal.type("")
            assert terminal.end() == 0

        assert statuses(data)["logs"] == "deferred"

    def test_unknown_answer_asks_again(
        self, data: Path, place: list[str]
    ) -> None:
        """
        What is neither yes, no nor later is asked again, bytes that are no
        text among it (R2).
        """
        with Terminal("consent", "ask", "logs", *place) as terminal:
            for number, answer in enumerate(
                (b"sure", b"1", b"\xff\xfe", b"yes please", b"y"), start=1
            ):
                terminal.expect(QUESTION, times=number)
                terminal.type(answer)
            assert terminal.end() == 0

        assert terminal.screen.count("Please answer yes, no or later.") == 4
        assert statuses(data)["logs"] == "granted"

    @pytest.mark.parametrize("key", ["c", "d"])
    def test_interrupt_and_end_of_input(
        self, key: str, data: Path, place: list[str]
    ) -> None:
        """
        ^C and ^D are no answer, and leave the rest unasked (R2).
        """
        with Terminal("consent", "ask", *place) as terminal:
            terminal.expect(QUESTION)
            terminal.press(key)
            assert terminal.end() == 0

        assert "Traceback" not in terminal.screen
        assert entries(data) == [
            ("notice_shown", "connect", "terminal"),
            ("deferred", "connect", "terminal"),
        ]

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
    def test_killed_prompt_is_no_answer(
        self, number: signal.Signals, data: Path, place: list[str]
    ) -> None:
        """
        A prompt that dies leaves the notice on record, and no answer (R2).
        """
        with Terminal("consent", "ask", "logs", *place) as terminal:
            terminal.expect(QUESTION)
            terminal.process.send_signal(number)
            terminal.end()

        assert statuses(data)["logs"] == "asked"

    def test_killed_prompt_takes_no_grant_away(
        self, data: Path, place: list[str]
    ) -> None:
        """
        A prompt that dies leaves an earlier yes as it was (R2).
        """
        main(["consent", "grant", "logs", *place])
        with Terminal("consent", "ask", "logs", *place) as terminal:
            terminal.expect(QUESTION)
            terminal.process.kill()
            terminal.end()

        assert statuses(data)["logs"] == "granted"

    def test_separate_type_after_its_function(
        self, data: Path, place: list[str]
    ) -> None:
        """
        A sensitive type is asked about by itself, once its function is
        granted (WP-SENS-2).
        """
        elements = ("connect", "connect/location_precise")
        with Terminal("consent", "ask", *elements, *place) as terminal:
            terminal.expect(QUESTION)
            assert "Connect the camera: " not in terminal.screen
            terminal.type("yes")
            terminal.expect(QUESTION, times=2)
            assert "Connect the camera: Precise" in terminal.screen
            terminal.type("no")
            assert terminal.end() == 0

        assert statuses(data)["connect"] == "granted"
        assert statuses(data)["connect/location_precise"] == "refused"

    def test_separate_type_without_its_function(
        self, data: Path, place: list[str]
    ) -> None:
        """
        After a no to the function its separate type is not asked about,
        and it says why.
        """
        elements = ("connect", "connect/location_precise")
        with Terminal("consent", "ask", *elements, *place) as terminal:
            terminal.expect(QUESTION)
            terminal.type("no")
            assert terminal.end() == 1

        assert terminal.screen.count(QUESTION) == 1
        assert "not asked, as connect is not granted" in terminal.screen
        assert statuses(data)["connect/location_precise"] == "unknown"

    def test_only_what_is_undecided(
        self, data: Path, place: list[str]
    ) -> None:
        """
        Without names it asks about what is undecided, and never again about
        a no.
        """
        for element in ("connect", "improve", "paste", "umeng"):
            main(["consent", "deny", element, *place])
        with Terminal("consent", "ask", *place) as terminal:
            terminal.expect("Service logs")
            terminal.expect(QUESTION)
            terminal.type("yes")
            assert terminal.end() == 0
        with Terminal("consent", "ask", *place) as terminal:
            assert terminal.end() == 0

        assert "Nothing to ask" in terminal.screen

    def test_notice_stands_before_the_question(
        self, data: Path, place: list[str]
    ) -> None:
        """
        The notice fits the terminal and is shown, and recorded, before the
        question is put (WP-SENS-4, WP-PERM-6).
        """
        main(["consent", "grant", "connect", *place])
        with Terminal(
            "consent", "ask", "connect/location_precise", *place
        ) as terminal:
            terminal.expect(QUESTION)
            assert entries(data)[-1][0] == Act.NOTICE_SHOWN.value
            shown = terminal.screen.partition(QUESTION)[0]
            terminal.type("")
            terminal.end()

        assert max(map(len, shown.splitlines())) <= 80
        for words in ("sensitive", "2 km", "Wi-Fi", "Maker Ltd.", "1 day"):
            assert words in shown

    def test_third_party_is_introduced(
        self, data: Path, place: list[str]
    ) -> None:
        """
        Before the yes to an SDK stands what it is said to read, and where
        its own policy is (WP-TP-5).
        """
        with Terminal("consent", "ask", "umeng", *place) as terminal:
            terminal.expect(QUESTION)
            terminal.type("no")
            terminal.end()

        shown = " ".join(terminal.screen.split())
        assert "the third-party SDK umeng" in shown
        assert "IMEI" in shown
        assert "https://www.umeng.com/page/policy" in shown

    def test_json(self, data: Path, place: list[str]) -> None:
        """
        With --json the dialogue goes to standard error, and standard output
        is one JSON value.
        """
        with Terminal(
            "consent", "ask", "logs", *place, "--json", stdout=subprocess.PIPE
        ) as terminal:
            terminal.expect(QUESTION)
            terminal.type("yes")
            terminal.end()
            assert terminal.process.stdout is not None
            said = json.load(terminal.process.stdout)

        assert said == {"logs": "yes"}

    def test_nobody_there(self, data: Path, place: list[str]) -> None:
        """
        Where nobody is at a terminal there is no question, no entry and no
        file, only an error with its cure (R13).
        """
        for stdin in (subprocess.DEVNULL, subprocess.PIPE):
            ran = run("consent", "ask", "logs", *place, stdin=stdin)

            assert ran.returncode == 2
            assert ran.stdout == ""
            assert "no terminal" in ran.stderr
            assert "consentkit consent grant" in ran.stderr
            assert ran.stderr.count("\n") == 1
        assert not data.exists()

    def test_nobody_sees_it(self, data: Path, place: list[str]) -> None:
        """
        A notice that nobody can see is not shown: there is no question
        either, and no entry (R13).
        """
        with Terminal(
            "consent", "ask", "logs", *place, stdout=subprocess.PIPE
        ) as terminal:
            assert terminal.end() == 2

        assert not data.exists()

    def test_unknown_element(self, data: Path, place: list[str]) -> None:
        """
        An unknown name is answered with near ones before anything is asked.
        """
        with Terminal("consent", "ask", "logs", "umneg", *place) as terminal:
            assert terminal.end() == 2

        assert "did you mean 'umeng'?" in terminal.screen
        assert not data.exists()

    def test_damaged_ledger(self, data: Path, place: list[str]) -> None:
        """
        Over a damaged ledger nothing is asked.
        """
        data.mkdir()
        (data / "ledger.sqlite3").write_bytes(b"damaged" * 99)
        with Terminal("consent", "ask", *place) as terminal:
            assert terminal.end() == 2

        assert "the file is damaged" in terminal.screen
        assert QUESTION not in terminal.screen
