# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit sdk audit``.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys

from pathlib import Path
from typing import Any

import pytest

from consentkit.cli import main, sdk_audit
from consentkit.registry.audit import RULES
from consentkit.registry.observed import Observed
from tests.cli.shell import run
from tests.registry.projects import declare, write
from tests.registry.test_audit_mobile import apk, dex_of


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """
    Give a project that uses one SDK, and declares another.
    """
    folder = write(
        tmp_path / "app",
        {
            "main.py": "import posthog\nimportlib.import_module(x)\n",
            "build/a.py": "",
            "old.py": "import posthog\nprint 'x'\n",
        },
    )
    declare(folder, "mixpanel")
    return folder


def _json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    code = main(["sdk", "audit", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert err == ""
    return {"code": code, **json.loads(out)}


class TestOutput:
    """
    What is printed, and the exit codes.
    """

    def test_text(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Findings come by rule, the gravest first, with place and cure; then
        what was not read.
        """
        assert main(["sdk", "audit", str(project)]) == 1

        out, err = capsys.readouterr()
        lines = out.splitlines()
        assert lines[0] == (
            f"{project}: 1 error, 1 warning; 1 SDK found in 2 files, "
            "A small policy 1 declares 1 SDK"
        )
        assert lines[2].startswith("error sdk-undeclared: ")
        assert lines[4].strip() == (
            "main.py:1: 'posthog': used, import posthog; also old.py:1"
        )
        assert lines[5].strip().startswith("right: a function with sdk = ")
        assert lines[7].startswith("warning sdk-unused: ")
        assert [line.strip() for line in lines[-3:]] == [
            "skipped: build; --include reads them",
            "1 import by a computed name, which the code alone does not tell",
            "old.py: cannot be parsed (line 2); only lines with imports count",
        ]
        assert err == ""

    def test_json(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The JSON has the findings, and all that they rest on.
        """
        made = _json(capsys, project, "--json")

        assert made["code"] == 1
        assert (made["policy"], made["files"]) == ("policy.toml", 2)
        assert (made["skipped"], made["unseen_imports"]) == (["build"], 1)
        assert [note["file"] for note in made["notes"]] == ["old.py"]
        first = made["findings"][0]
        assert (first["rule"], first["sdk"]) == ("sdk-undeclared", "posthog")
        assert (first["file"], first["line"]) == ("main.py", 1)
        assert first["source"] == list(RULES["sdk-undeclared"].source)
        (sdk,) = made["sdks"]
        assert (sdk["id"], sdk["function"]) == ("posthog", None)
        assert sdk["evidence"][0] == {
            "kind": "import",
            "name": "posthog",
            "file": "main.py",
            "line": 1,
            "scope": "run",
            "note": "",
            "chain": [],
        }

    def test_sarif(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The log names files as they are seen from here, and each rule.
        """
        call = ["sdk", "audit", str(project), "--sarif"]
        assert main([*call, "--ignore", "sdk-unused"]) == 1

        (made,) = json.loads(capsys.readouterr().out)["runs"]
        driver = made["tool"]["driver"]
        assert driver["name"] == "consentkit sdk audit"
        assert [rule["id"] for rule in driver["rules"]] == list(RULES)
        first, second = made["results"]
        place = first["locations"][0]["physicalLocation"]
        uri = place["artifactLocation"]["uri"]
        assert uri == (project / "main.py").as_posix()
        assert place["region"] == {"startLine": 1}
        assert driver["rules"][first["ruleIndex"]]["id"] == first["ruleId"]
        assert second["ruleId"] == "sdk-unused"
        assert second["suppressions"][0]["kind"] == "external"

    def test_odd_names(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A name of a file that no terminal should obey, or that is no text, is
        shown as what it is, in every form.
        """
        folder = os.fsencode(tmp_path)
        for name in (b"a\x1b[2J\n.py", b"b\xff.py"):
            with open(folder + b"/" + name, "w") as stream:  # noqa: PTH123
                stream.write("import posthog\n")

        main(["sdk", "audit", str(tmp_path)])
        text = capsys.readouterr().out
        assert "a\\x1b[2J\\n.py:1: 'posthog'" in text
        assert "also b\\udcff.py:1" in text
        assert "\x1b" not in text
        assert main(["sdk", "audit", str(tmp_path), "--json"]) == 1
        assert main(["sdk", "audit", str(tmp_path), "--sarif"]) == 1
        assert "/a%1B%5B2J%0A.py" in capsys.readouterr().out

    def test_fine(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A project without an SDK is fine, and without a policy that is said.
        """
        write(tmp_path, {"a.py": "import os\n"})

        assert main(["sdk", "audit", str(tmp_path), "--strict"]) == 0

        out = capsys.readouterr().out
        assert out.startswith(f"{tmp_path}: fine; 0 SDKs found in 1 file")
        assert "there is no policy.toml" in out

    def test_this_folder(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Without a path the folder is this one.
        """
        monkeypatch.chdir(project)

        assert main(["sdk", "audit"]) == 1

    def test_strict(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Warnings block only if they are asked to.
        """
        ignore = ("--ignore", "sdk-undeclared", "--json")

        mild = _json(capsys, project, *ignore)
        strict = _json(capsys, project, *ignore, "--strict")

        assert (mild["code"], strict["code"]) == (0, 1)
        assert mild["ignored"] == {"sdk-undeclared": 1}
        assert [f["severity"] for f in strict["findings"]] == ["error"]

    def test_no_bar(self, project: Path) -> None:
        """
        Where nobody looks there is no progress.
        """
        done = run("sdk", "audit", project)

        assert (done.returncode, done.stderr) == (1, "")

    def test_bar(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        At a terminal a bar shows how far it is, and goes away at the end.
        """

        class Screen(io.StringIO):
            """
            A terminal, as far as anybody asks.
            """

            def isatty(self) -> bool:
                """
                Say that it is one.
                """
                return True

        screen = Screen()
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setattr(sdk_audit, "_PATIENCE_SECONDS", 0)

        main(["sdk", "audit", str(project)])

        shown = screen.getvalue()
        assert re.search(r"\r\[\.{30}\] 0 of 2 files", shown)
        assert re.search(r"\r\[#{30}\] 2 of 2 files", shown)
        assert shown.endswith("\r\x1b[K")


class TestInput:
    """
    What else may be read, and what is wrong with it.
    """

    def test_everything(
        self,
        project: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        An environment, a wheelhouse, an app, trackers and a record may be
        read all at once.
        """
        info = tmp_path / "site" / "rollbar-1.0.dist-info"
        write(info, {"METADATA": "Name: rollbar\nVersion: 1.0\n"})
        write(tmp_path / "house", {"bugsnag-1.0.tar.gz": ""})
        apk(tmp_path / "a.apk", dex_of("com.acme.A", "com.mixpanel.B"))
        trackers = [{"name": "Acme", "code_signature": "com.acme."}]
        write(tmp_path, {"trackers.json": json.dumps(trackers)})
        Observed().write(tmp_path / "seen.json")

        made = _json(
            capsys,
            project,
            "--json",
            "--site-packages",
            tmp_path / "site",
            "--wheelhouse",
            tmp_path / "house",
            "--apk",
            tmp_path / "a.apk",
            "--trackers",
            tmp_path / "trackers.json",
            "--against",
            tmp_path / "seen.json",
            "--include",
            "build",
        )

        assert {s["id"]: s["evidence"][0]["kind"] for s in made["sdks"]} == {
            "bugsnag": "wheel",
            "mixpanel": "class",
            "posthog": "import",
            "rollbar": "installed",
            "tracker Acme": "tracker",
        }
        assert made["skipped"] == []

    def test_installed(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What this very Python has can be read, by either way.
        """
        installed = _json(capsys, project, "--json", "--installed")
        python = _json(capsys, project, "--json", "--python", sys.executable)

        sdks = [
            {s["id"] for s in made["sdks"]} for made in (installed, python)
        ]
        assert sdks[0] == sdks[1] >= {"posthog"}

    def test_policy_of_the_environment(
        self,
        project: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A policy that is named counts before that of the project.
        """
        other = project.parent / "other"
        other.mkdir()
        declare(other, "posthog")
        named = _json(
            capsys, project, "--json", "--policy", other / "policy.toml"
        )
        monkeypatch.setenv("CONSENTKIT_POLICY", str(other / "policy.toml"))
        by_environment = _json(capsys, project, "--json")

        for made in (named, by_environment):
            assert made["sdks"][0]["function"] == "uses_posthog"

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["{}/nothing"], "nothing: is no folder that can be read"),
            (["{}/main.py"], "main.py: is no folder that can be read"),
            (["{}", "--policy", "{}/no.toml"], "name a policy document with"),
            (["{}", "--sdks", "{}/none"], "none"),
            (["{}", "--ignore", "sdk-unusd"], "did you mean 'sdk-unused' or"),
            (["{}", "--site-packages", "{}/none"], "is no folder"),
            (["{}", "--wheelhouse", "{}/none"], "is no folder"),
            (["{}", "--python", "{}/none"], "name an environment's python"),
            (["{}", "--apk", "{}/none.apk"], "none.apk: it cannot be read"),
            (["{}", "--apk", "{}/main.py"], "is no APK or AAB"),
            (["{}", "--apk", "/dev/zero"], "is no file that ends"),
            (["{}", "--against", "/dev/zero"], "is no file that ends"),
            (["{}", "--trackers", "{}/main.py"], "name it with --apk"),
            (["{}", "--against", "{}/main.py"], "is no JSON object"),
            (["{}", "--against", "{}"], "it is a folder"),
            (["{}", "--policy", "/dev/zero"], "is no file that ends; name a"),
        ],
    )
    def test_bad_input(
        self,
        project: Path,
        capsys: pytest.CaptureFixture[str],
        arguments: list[str],
        told: str,
    ) -> None:
        """
        What cannot be used is one line that says so, with code 2.
        """
        call = [a.replace("{}", str(project)) for a in arguments]

        assert main(["sdk", "audit", *call]) == 2

        out, err = capsys.readouterr()
        assert out == ""
        assert told in err
        assert (err.count("\n"), err.startswith("consentkit: ")) == (1, True)

    def test_policy_that_is_a_pipe(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Nor is a project waited for whose policy is a pipe.
        """
        (project / "policy.toml").unlink(missing_ok=True)
        os.mkfifo(project / "policy.toml")

        assert main(["sdk", "audit", str(project)]) == 2

        assert "policy.toml: is no file that ends" in capsys.readouterr().err

    def test_broken_policy(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A policy with faults is refused, and the command named that shows
        them.
        """
        (project / "policy.toml").write_text("schema = 2\n")

        assert main(["sdk", "audit", str(project)]) == 2
        assert "policy.toml" in capsys.readouterr().err
