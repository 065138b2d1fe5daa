# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit consent``, asking in a real terminal among them.
"""

from __future__ import annotations

import json
import signal
import subprocess

from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from consentkit.cli import main
from consentkit.ledger.entries import Act
from tests.cli.shell import Terminal, run
from tests.support import SMALL, make_kit, tables, to_toml


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

    @pytest.mark.obligation("WP-ADD-1")
    def test_shows_everything(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Everything that can be decided on is there, undecided at first.
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
        # What rests on a contract was not asked either.
        undecided = {"unknown", "other_basis"}
        assert {row.split()[2] for row in rows} == undecided

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

    @pytest.mark.obligation("WP-CONS-2")
    def test_grant_names_its_method(
        self, data: Path, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A grant is an entry that says how it was made.
        """
        assert main(["consent", "grant", "logs", *place]) == 0
        *shown, said = capsys.readouterr().out.splitlines()
        assert said == "logs: granted, entry 2"
        # Whoever decides sees on what, and the ledger knows that too.
        assert shown[0] == "Service logs"
        assert entries(data) == [
            ("notice_shown", "logs", "command_line"),
            ("granted", "logs", "command_line"),
        ]

    @pytest.mark.obligation("WP-SENS-2")
    def test_grant_opens_nothing_else(
        self, data: Path, place: list[str]
    ) -> None:
        """
        A grant leaves every other element undecided, the function's own
        separate type among them.
        """
        main(["consent", "grant", "connect", *place])

        others = {e: s for e, s in statuses(data).items() if e != "connect"}
        assert others.pop("connect/location_precise") == "other_basis"
        assert set(others.values()) == {"unknown"}

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

    def test_grant_that_a_signal_stops(
        self,
        place: list[str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A yes that opens nothing says what stops it.
        """
        monkeypatch.setenv("DO_NOT_TRACK", "1")
        assert main(["consent", "grant", "logs", *place]) == 0
        *_, said = capsys.readouterr().out.splitlines()
        assert said == (
            "logs: granted, entry 2; of no effect while do_not_track stops it"
        )

    def test_grant_under_a_policy_of_later(
        self,
        data: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A yes to a policy that is not in force yet says from when it counts.
        """
        tree = tables()
        tree["policy"]["effective"] = date(9998, 1, 1)
        file = tmp_path / "later.toml"
        file.write_text(to_toml(tree), encoding="utf-8")

        place = ["--policy", str(file), "--data-dir", str(data)]
        main(["consent", "grant", "logs", *place])
        *_, said = capsys.readouterr().out.splitlines()
        assert said.endswith("until the policy holds, on 9998-01-01")

    def test_grant_while_paused(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A yes during a pause says how the pause ends.
        """
        main(["consent", "pause", *place])
        main(["consent", "grant", "logs", *place])
        *_, said = capsys.readouterr().out.splitlines()
        assert said.endswith("it is paused ('consentkit consent resume')")

    def test_grant_before_what_comes_first(
        self,
        data: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A yes without the person's age, or without an acknowledgement, says
        what is missing; of one of the young, that a guardian decides.
        """
        tree = tables()
        tree["minors"] = {"minor_below": 18}
        tree["functions"][0]["basis"] = ["consent"]
        tree["functions"][3]["acknowledge"] = "Others see it."
        file = tmp_path / "careful.toml"
        file.write_text(to_toml(tree), encoding="utf-8")
        place = ["--policy", str(file), "--data-dir", str(data)]

        main(["consent", "grant", "connect", *place])
        main(["consent", "grant", "connect/location_precise", *place])
        *_, said = capsys.readouterr().out.splitlines()
        assert said.endswith(
            "of no effect until the person's age is known ('consentkit "
            "consent age')"
        )
        main(["consent", "grant", "logs", *place])
        *_, said = capsys.readouterr().out.splitlines()
        assert said.endswith("has the person acknowledge 'Others see it.'")

        born = ["--born", str(date.today())]
        assert main(["consent", "age", *born, *place]) == 0
        main(["consent", "grant", "improve", *place])
        *_, said = capsys.readouterr().out.splitlines()
        assert said.endswith("of no effect until a guardian decides")

    def test_deny(self, data: Path, place: list[str]) -> None:
        """
        A no is an entry of its own.
        """
        assert main(["consent", "deny", "paste", *place]) == 0
        assert entries(data) == [("refused", "paste", "command_line")]

    @pytest.mark.obligation("WP-ADD-3")
    def test_withdraw_takes_the_separate_types_too(
        self, data: Path, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Withdrawing a function withdraws what hangs on it.
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
        assert [act for act, *_ in entries(data)] == [
            "notice_shown",
            "granted",
            "withdrawn",
        ]

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
        chain = json.loads(capsys.readouterr().out)["entries"]
        assert [e["act"] for e in chain] == [
            "notice_shown",
            "granted",
            "refused",
        ]
        for one, next_ in pairwise(chain):
            assert next_["prev"] == one["hash"]

        main(["consent", "history", "paste", *place])
        rows = capsys.readouterr().out.splitlines()[1:]
        assert [row.split()[3:5] for row in rows] == [["refused", "paste"]]


class TestMoreActs:
    """
    Tests for ``accept``, ``decline``, ``pause``, ``resume``,
    ``refuse-all`` and ``age``.
    """

    @pytest.fixture
    def young(self, data: Path, tmp_path: Path) -> list[str]:
        """
        Give the arguments that name a policy that is not for children.
        """
        tree = tables()
        tree["minors"] = {"child_below": 14, "child_barred": True}
        file = tmp_path / "young.toml"
        file.write_text(to_toml(tree), encoding="utf-8")
        return ["--policy", str(file), "--data-dir", str(data)]

    def test_accept(
        self, data: Path, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Accepting shows and opens the core functions, and nothing else.
        """
        assert main(["consent", "accept", *place]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith("Connect the camera\n")
        assert shown.endswith("accepted; granted: connect\n")
        granted = {e for e, s in statuses(data).items() if s == "granted"}
        assert granted == {"connect"}

        main(["consent", "accept", *place, "--json"])
        said = json.loads(capsys.readouterr().out)
        assert said["entries"] == []

    def test_acknowledge(
        self,
        data: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        The text that is to be read first is shown and recorded; a function
        that has none says so.
        """
        tree = tables()
        tree["functions"][1]["acknowledge"] = "You have read the rules."
        file = tmp_path / "rules.toml"
        file.write_text(to_toml(tree), encoding="utf-8")
        place = ["--policy", str(file), "--data-dir", str(data)]

        assert main(["consent", "acknowledge", "improve", *place]) == 0
        assert capsys.readouterr().out == (
            "You have read the rules.\nimprove: acknowledged, entry 1\n"
        )
        assert statuses(data)["improve"] == "unknown"
        assert main(["consent", "acknowledge", "logs", *place]) == 2
        assert "has no text to acknowledge" in capsys.readouterr().err

    def test_decline(
        self,
        data: Path,
        tmp_path: Path,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        What a new version adds is declined, and the old goes on; where
        nothing was added, it says what to do instead.
        """
        main(["consent", "grant", "logs", *place])
        assert main(["consent", "decline", "logs", *place]) == 2
        assert "'consentkit consent deny' records" in capsys.readouterr().err

        tree = tables()
        tree["functions"][3]["retention"] = "P1Y"
        file = tmp_path / "newer.toml"
        file.write_text(to_toml(tree), encoding="utf-8")
        newer = ["--policy", str(file), *place[2:]]
        assert main(["consent", "decline", "logs", *newer]) == 0
        assert "what was agreed to stays" in capsys.readouterr().out
        assert main(["why", "logs", "service_log", *newer]) == 0

    @pytest.mark.parametrize("what", [[], ["logs"]])
    def test_pause_and_resume(
        self,
        data: Path,
        place: list[str],
        what: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A pause stops one function or everything, until it is taken back.
        """
        main(["consent", "grant", "logs", *place])
        capsys.readouterr()

        assert main(["consent", "pause", *what, *place]) == 0
        name = what[0] if what else "everything"
        assert capsys.readouterr().out == f"{name}: paused, entry 3\n"
        assert statuses(data)["logs"] == "paused"
        assert main(["consent", "resume", *what, *place, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["act"] == "resumed"
        assert statuses(data)["logs"] == "granted"

    @pytest.mark.parametrize("action", ["decline", "pause", "resume"])
    def test_of_nothing(
        self,
        place: list[str],
        action: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        An unknown name is answered with near ones.
        """
        assert main(["consent", action, "lgos", *place]) == 2
        assert "did you mean 'logs'" in capsys.readouterr().err

    def test_refuse_all(
        self, data: Path, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        One act refuses everything.
        """
        main(["consent", "grant", "logs", *place])
        capsys.readouterr()

        assert main(["consent", "refuse-all", *place]) == 0
        assert capsys.readouterr().out.startswith("everything: denied; ")
        functions = {s for e, s in statuses(data).items() if "/" not in e}
        assert functions == {"refused"}

    def test_age(
        self,
        data: Path,
        young: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        The age is told in words; of a barred child nothing is kept.
        """
        barred = ["consent", "age", "--born", str(date.today()), *young]
        assert main(barred) == 1
        assert "everything is refused" in capsys.readouterr().out
        assert not data.exists()
        assert main([*barred, "--json"]) == 1
        said = json.loads(capsys.readouterr().out)
        assert said == {"age": "child", "barred": True}

        assert main(["consent", "age", "--adult", *young]) == 0
        assert capsys.readouterr().out == "age: adult\n"
        assert [act for act, *_ in entries(data)] == ["age_declared"]

    def test_age_that_matters_to_nobody(
        self, place: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Where the policy has no bounds, it does not claim to know a band.
        """
        assert main(["consent", "age", "--born", "2020-02-02", *place]) == 0
        assert "no difference between ages" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("given", "hint"),
        [
            ([], "--born --adult is required"),
            (["--born", "soon"], "'soon' is no date such as 2009-05-31"),
            (["--born", "0209-05-31"], "is nobody's birthday any more"),
            (["--born", "2009-05-31", "--adult"], "not allowed with"),
        ],
    )
    def test_age_must_be_said(
        self,
        data: Path,
        place: list[str],
        given: list[str],
        hint: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Nothing, both, and what is no date are bad usage.
        """
        with pytest.raises(SystemExit) as caught:
            main(["consent", "age", *given, *place])

        assert caught.value.code == 2
        assert hint in capsys.readouterr().err
        assert not data.exists()


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

    @pytest.mark.obligation("WP-SENS-2")
    def test_separate_type_after_its_function(
        self, data: Path, place: list[str]
    ) -> None:
        """
        A sensitive type is asked about by itself, once its function is
        granted.
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
        assert statuses(data)["connect/location_precise"] == "other_basis"

    def test_separate_type_that_waits_for_the_age(
        self, data: Path, tmp_path: Path
    ) -> None:
        """
        Where the age is not known it says what could not be asked, and how
        to go on.
        """
        tree = tables()
        tree["minors"] = {"minor_below": 18}
        tree["functions"] = tree["functions"][:1]
        tree["functions"][0]["basis"] = ["consent"]
        file = tmp_path / "careful.toml"
        file.write_text(to_toml(tree), encoding="utf-8")
        place = ["--policy", str(file), "--data-dir", str(data)]

        with Terminal("consent", "ask", *place) as terminal:
            terminal.expect(QUESTION)
            terminal.type("yes")
            assert terminal.end() == 0

        screen = " ".join(terminal.screen.split())
        assert "age is not known: connect/location_precise; " in screen
        assert "'consentkit consent age' records it" in screen

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

    @pytest.mark.obligation("WP-SENS-4", "WP-PERM-6")
    def test_notice_stands_before_the_question(
        self, data: Path, place: list[str]
    ) -> None:
        """
        The notice fits the terminal and is shown, and recorded, before the
        question is put.
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

    @pytest.mark.obligation("WP-TP-5")
    def test_third_party_is_introduced(
        self, data: Path, place: list[str]
    ) -> None:
        """
        Before the yes to an SDK stands what it is said to read, and where its
        own policy is.
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


class TestOnABuildMachine:
    """
    Tests for machines that build software, where nobody sits.
    """

    @pytest.fixture(autouse=True)
    def _ci(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CI", "true")

    @pytest.mark.parametrize(
        "words",
        [
            ["grant", "connect"],
            ["accept"],
            ["resume", "connect"],
            ["age", "--adult"],
        ],
        ids=lambda words: words[0],
    )
    def test_nothing_is_opened(
        self,
        words: list[str],
        data: Path,
        place: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        What opens something is not recorded, with code 1 and the way out in
        one line; a variable for another version does not help.
        """
        for named in ("", "small@2", "other@1"):
            with pytest.MonkeyPatch.context() as patched:
                patched.setenv("CONSENTKIT_CI", named)
                assert main(["consent", *words, *place]) == 1
            out, err = capsys.readouterr()
            assert out == ""
            assert err.startswith("consentkit: not recorded: ")
            assert "set CONSENTKIT_CI=small@1 " in err
            assert err.count("\n") == 1
        assert entries(data) == []

    def test_named(
        self, data: Path, place: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Where a variable names the policy and its version, it is recorded.
        """
        monkeypatch.setenv("CONSENTKIT_CI", "small@1")

        assert main(["consent", "grant", "improve", *place]) == 0
        assert entries(data)[-1] == ("granted", "improve", "command_line")

    def test_a_no_is_recorded(self, data: Path, place: list[str]) -> None:
        """
        A no opens nothing, so it is recorded everywhere.
        """
        assert main(["consent", "deny", "improve", *place]) == 0
        assert entries(data) == [("refused", "improve", "command_line")]

    def test_nobody_is_asked(self, data: Path, place: list[str]) -> None:
        """
        In a terminal nobody is asked either, and nothing is written.
        """
        with Terminal("consent", "ask", "improve", *place) as terminal:
            assert terminal.end() == 2

        assert "nobody to ask: this machine builds" in terminal.screen
        assert not data.exists()
