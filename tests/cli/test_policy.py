# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit policy check`` and ``policy rules``.
"""

from __future__ import annotations

import json
import os
import subprocess

from pathlib import Path

import pytest

from consentkit.cli import main
from consentkit.cli.demo import example_folder
from consentkit.policy.lint import RULES
from tests.cli.shell import COMMAND, Terminal, environment
from tests.support import SMALL, tables, to_toml


CLEAN = SMALL.with_name("clean.toml")


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """
    Give a policy with three faults in three places.
    """
    text = SMALL.read_text("utf-8")
    for right, wrong in (
        ('category = "core"', 'category = "cor"'),
        ('type = "mac_address"', 'type = "mac_adress"'),
        ('retention = "P1M"', 'retention = "a month"'),
    ):
        assert right in text
        text = text.replace(right, wrong, 1)
    file = tmp_path / "broken.toml"
    file.write_text(text, "utf-8")
    return file


class TestCheck:
    """
    Tests for ``policy check``.
    """

    def test_fine(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        A policy without findings is summed up in one line, with code 0,
        also for production.
        """
        assert main(["policy", "check", "--strict", str(CLEAN)]) == 0
        out, err = capsys.readouterr()
        assert out.startswith(f"{CLEAN}: fine; ")
        assert "1 separate decision," in out
        assert (out.count("\n"), err) == (1, "")

    def test_policy_of_the_demo(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The camera app's policy, with the contradictions of the text that it
        restates, loads and has errors.
        """
        file = example_folder() / "policy.toml"

        assert main(["policy", "check", str(file)]) == 1
        out = capsys.readouterr().out
        assert "27 third-party SDKs" in out.splitlines()[0]
        assert out.splitlines()[0].endswith(", 2 purposes with needs")
        assert "error effective-before-updated: " in out

    def test_nested_too_deeply(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A document that is nested too deeply is said to be so.
        """
        file = tmp_path / "deep.toml"
        file.write_text(f"a={'[' * 5000}{']' * 5000}", "utf-8")

        assert main(["policy", "check", str(file)]) == 1
        out = capsys.readouterr().out
        assert out == f"{file}: 1 fault\n  $: nested too deeply\n"

    def test_sdk_nested_too_deeply(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        So is an entry of an SDK, with its file.
        """
        file = tmp_path / "acme.toml"
        file.write_text(f"a={'[' * 5000}{']' * 5000}", "utf-8")

        call = ["policy", "check", "--sdks", str(tmp_path), str(CLEAN)]
        assert main(call) == 2
        err = capsys.readouterr().err
        assert "acme.toml: is nested too deeply" in err

    def test_byte_order_mark(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A byte order mark, which TOML forbids, is named with what to do.
        """
        said = "begins with a byte order mark; save it as UTF-8 without one"
        file = tmp_path / "policy.toml"
        file.write_text(CLEAN.read_text("utf-8"), "utf-8-sig")
        folder = tmp_path / "sdks"
        folder.mkdir()
        (folder / "acme.toml").write_text("schema = 1", "utf-8-sig")

        assert main(["policy", "check", str(file)]) == 1
        assert f"$: {said}" in capsys.readouterr().out
        call = ["policy", "check", "--sdks", str(folder), str(CLEAN)]
        assert main(call) == 2
        assert f"acme.toml: {said}" in capsys.readouterr().err

    @pytest.mark.parametrize("version", ["unspecified", ""])
    def test_version_that_is_left_open(
        self,
        version: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A version that the document leaves open is not printed.
        """
        tree = tables()
        tree["policy"] |= {"version": version, "template": True}
        file = tmp_path / "open.toml"
        file.write_text(to_toml(tree), "utf-8")

        main(["policy", "check", str(file)])
        first = capsys.readouterr().out.splitlines()[0]
        assert "; A small policy, 5 functions, " in first

    def test_child_above_minor(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A child's age above a minor's is an error that says both.
        """
        tree = tables()
        tree["minors"] = {"child_below": 20, "minor_below": 18}
        file = tmp_path / "crossed.toml"
        file.write_text(to_toml(tree), "utf-8")

        assert main(["policy", "check", str(file)]) == 1
        out = capsys.readouterr().out
        assert "error minors-ages-crossed: " in out
        assert "the child's bound lies above the minor's" in out
        assert "those below 20, and minors only those below 18" in out

    def test_help_says_what_a_trap_is(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The help says what a source such as T-04 is.
        """
        with pytest.raises(SystemExit):
            main(["policy", "check", "--help"])
        out = " ".join(capsys.readouterr().out.split())
        assert "a source such as T-04 is the number of a trap" in out

    def test_other_commands_name_the_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A command that cannot use a template names its file.
        """
        tree = tables()
        tree["policy"]["template"] = True
        file = tmp_path / "template.toml"
        file.write_text(to_toml(tree), "utf-8")

        call = ["consent", "list", "--policy", str(file)]
        assert main([*call, "--data-dir", str(tmp_path / "data")]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"consentkit: {file}: $.policy.template: ")

    def test_all_faults_at_once(
        self, broken: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Every fault is told in one run: its path, what is wrong and what
        would be right.
        """
        assert main(["policy", "check", str(broken)]) == 1
        out = capsys.readouterr().out
        assert out.startswith(f"{broken}: ")
        for path, wrong, right in (
            ("$.functions[0].category", "'cor'", "'core'"),
            ("$.functions[1].collects[0].type", "'mac_adress'", "mac_address"),
            ("$.functions[1].retention", "'a month'", "P1M"),
        ):
            (line,) = [x for x in out.splitlines() if f"  {path}: " in x]
            assert wrong in line
            assert right in line

    def test_json(
        self, broken: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json each fault is an object with file, path, message, cure.
        """
        code = main(["policy", "check", "--json", str(broken), str(CLEAN)])
        findings = json.loads(capsys.readouterr().out)["findings"]

        assert code == 1
        assert {f["file"] for f in findings} == {str(broken)}
        assert set(findings[0]) == {
            "rule",
            "severity",
            "file",
            "line",
            "path",
            "message",
            "cure",
            "reason",
            "source",
        }
        first = findings[0]
        lines = broken.read_text("utf-8").splitlines()
        assert lines[first["line"] - 1] == 'category = "cor"'
        assert first["path"] == "$.functions[0].category"
        assert first["cure"] == "did you mean 'core'?"

    def test_json_of_a_fine_policy(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Without a fault, the list of findings is there and empty.
        """
        assert main(["policy", "check", "--json", str(CLEAN)]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "findings": [],
            "ignored": {},
        }

    def test_no_toml(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What is no TOML is a finding with its line and column.
        """
        file = tmp_path / "p.toml"
        file.write_text("schema = 1\n[policy\n")

        assert main(["policy", "check", str(file)]) == 1
        assert "(at line 2, column 8)" in capsys.readouterr().out

    def test_other_schema(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A document of a newer format says to upgrade, and nothing else.
        """
        file = tmp_path / "p.toml"
        file.write_text("schema = 2\nnew = true\n")

        assert main(["policy", "check", str(file)]) == 1
        out = capsys.readouterr().out
        assert "$.schema: format 2 is newer" in out
        assert "upgrade consentkit" in out

    def test_unreadable_files(
        self,
        broken: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Files that cannot be read are named on standard error; the others
        are checked all the same.
        """
        gone = tmp_path / "gone.toml"
        code = main(["policy", "check", *map(str, (gone, broken, tmp_path))])
        out, err = capsys.readouterr()

        assert code == 2
        assert out.startswith(f"{broken}: ")
        first, second = err.splitlines()
        assert first.startswith(f"consentkit: {gone}: it cannot be read")
        assert second.startswith(f"consentkit: {tmp_path}: it is a folder")

    @pytest.mark.skipif(os.name != "posix", reason="named pipes are POSIX")
    def test_pipe(self, tmp_path: Path) -> None:
        """
        A policy may come out of a pipe.
        """
        ran = subprocess.run(
            [*COMMAND, "policy", "check", "/dev/stdin"],
            input=CLEAN.read_bytes(),
            capture_output=True,
            env=environment(),
            timeout=30,
            check=False,
        )

        assert ran.returncode == 0
        assert ran.stdout.startswith(b"/dev/stdin: fine; ")


@pytest.fixture
def doubtful(tmp_path: Path) -> Path:
    """
    Give a policy with one warning and one error.
    """
    text = CLEAN.read_text("utf-8")
    for old, new in (
        ("can_disable = true\n", ""),
        ("bundled = false", "bundled = true"),
    ):
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "doubtful.toml"
    file.write_text(text, "utf-8")
    return file


class TestFindings:
    """
    Tests for what ``policy check`` finds in a policy that loads.
    """

    def test_text(
        self, doubtful: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Findings are told by rule, the gravest first, with reason and
        source, line and place, and what would be right.
        """
        assert main(["policy", "check", str(doubtful)]) == 1
        head, blank, error, reason, place, right, *rest = (
            capsys.readouterr().out.splitlines()
        )

        assert head.startswith(f"{doubtful}: 1 error, 1 warning; ")
        assert blank == ""
        assert error.startswith("error bundled-consent: ")
        assert "(T-20; PIPL Articles 14," in reason
        number, path = place.split(": ")[0].split()
        assert path == "$.consent.bundled"
        lines = doubtful.read_text("utf-8").splitlines()
        assert lines[int(number) - 1] == "bundled = true"
        assert right == "  right: one decision for each function"
        assert rest[1].startswith("warning can-disable-blank: ")

    def test_warnings_do_not_block(
        self, doubtful: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A warning alone gives code 0; for production it is an error.
        """
        call = ["policy", "check", str(doubtful), "--rule=can-disable-blank"]

        assert main(call) == 0
        assert ": fine, with 1 warning; " in capsys.readouterr().out
        assert main([*call, "--strict"]) == 1
        out = capsys.readouterr().out
        assert "\nerror can-disable-blank: " in out
        assert f"  only can-disable-blank; {len(RULES) - 1} other rules" in out

    def test_ignored_is_said(
        self, doubtful: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What is ignored does not block, and is said in every output.
        """
        call = ["policy", "check", str(doubtful), "--ignore=bundled-consent"]

        assert main(call) == 0
        out = capsys.readouterr().out
        assert out.endswith("\n  ignored: bundled-consent (1)\n")
        assert main([*call, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["ignored"] == {"bundled-consent": 1}
        assert [f["rule"] for f in told["findings"]] == ["can-disable-blank"]
        assert main([*call, "--sarif"]) == 0
        (run,) = json.loads(capsys.readouterr().out)["runs"]
        suppressed = [
            r["ruleId"] for r in run["results"] if "suppressions" in r
        ]
        assert suppressed == ["bundled-consent"]

    def test_json(
        self, doubtful: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        In JSON a finding has its rule, severity, line, reason and source.
        """
        assert main(["policy", "check", "--json", str(doubtful)]) == 1
        error, warning = json.loads(capsys.readouterr().out)["findings"]

        assert error["rule"] == "bundled-consent"
        assert error["severity"] == "error"
        assert error["reason"] == RULES["bundled-consent"].reason
        assert "T-20" in error["source"]
        assert error["line"] < warning["line"]

    def test_sarif(
        self,
        broken: Path,
        doubtful: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        SARIF holds the findings of all files, faults too.
        """
        call = ["policy", "check", "--sarif", str(broken), str(doubtful)]

        assert main(call) == 1
        log = json.loads(capsys.readouterr().out)
        (run,) = log["runs"]
        assert log["version"] == "2.1.0"
        assert [r["ruleId"] for r in run["results"]] == [
            "schema",
            "schema",
            "schema",
            "bundled-consent",
            "can-disable-blank",
        ]

    def test_one_form(self, doubtful: Path) -> None:
        """
        JSON and SARIF at once is bad usage.
        """
        with pytest.raises(SystemExit) as caught:
            main(["policy", "check", "--json", "--sarif", str(doubtful)])

        assert caught.value.code == 2

    @pytest.mark.parametrize("option", ["--rule", "--ignore"])
    @pytest.mark.parametrize(
        ("name", "cure"),
        [
            ("preselectd", "did you mean 'preselected'?"),
            ("xyz", "'consentkit policy rules' shows what there is"),
            ("schema", "a document has to load"),
        ],
    )
    def test_unknown_rule(
        self,
        option: str,
        name: str,
        cure: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A rule that there is not, or that cannot be chosen, is bad usage.
        """
        assert main(["policy", "check", option, name, str(CLEAN)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert cure in err

    def test_own_sdks(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Entries of the app's own are known beside the shipped ones.
        """
        file = tmp_path / "p.toml"
        text = CLEAN.read_text("utf-8")
        file.write_text(text.replace('"wechat_plugin"', '"acme"'), "utf-8")
        folder = tmp_path / "sdks"
        folder.mkdir()
        (folder / "acme.toml").write_text(
            'schema = 1\nid = "acme"\nname = "Acme"\noperator = "Acme Ltd."\n'
            'operator_is_legal_entity = true\ncategory = "plugin"\n'
            'purposes = ["detect_installed_app"]\nmethod = "embedded_sdk"\n'
            'transmits = false\nplatforms = ["any"]\n'
            'privacy_policy = "https://acme.example/privacy"\n',
            "utf-8",
        )

        assert main(["policy", "check", "--strict", str(file)]) == 1
        assert "error sdk-unknown: " in capsys.readouterr().out
        call = ["policy", "check", "--strict", "--sdks", str(folder)]
        assert main([*call, str(file)]) == 0
        assert main([*call, str(CLEAN)]) == 0

    def test_no_folder_of_sdks(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A folder that is not there is bad input.
        """
        call = ["policy", "check", "--sdks", str(tmp_path / "x"), str(CLEAN)]

        assert main(call) == 2
        assert "No such file" in capsys.readouterr().err

    @pytest.mark.skipif(os.name != "posix", reason="needs a terminal")
    def test_terminal(self) -> None:
        """
        On a terminal every line fits, and errors are red.
        """
        file = example_folder() / "policy.toml"
        call = ("policy", "check", file, "--rule=dates-conflict")
        with Terminal(*call) as terminal:
            assert terminal.end() == 1

        assert "\x1b[31merror\x1b[0m" in terminal.screen
        body = terminal.plain.splitlines()[1:]
        assert max(map(len, body)) <= 80


class TestRules:
    """
    Tests for ``policy rules``.
    """

    def test_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        Every rule has a line with its severity and what it finds.
        """
        assert main(["policy", "rules"]) == 0
        lines = capsys.readouterr().out.splitlines()

        assert len(lines) == len(RULES) + 2
        assert lines[1].split()[:2] == ["schema", "error"]

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        In JSON a rule has its reason and its sources too.
        """
        assert main(["policy", "rules", "--json"]) == 0
        rules = json.loads(capsys.readouterr().out)["rules"]

        assert [r["id"] for r in rules] == ["schema", *RULES]
        assert all(r["reason"] and r["source"] for r in rules)
