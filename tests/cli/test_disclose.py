# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit disclose``.
"""

from __future__ import annotations

import json
import subprocess

from pathlib import Path

import pytest

from consentkit.cli import main
from consentkit.disclose import collection_list, publish, sharing_list
from consentkit.policy import load_policy
from tests.cli.shell import COMMAND, environment, run
from tests.support import SMALL


CAMERA = Path(__file__).parents[2] / "examples/camera_app/policy.toml"

ENTRY = """\
schema = 1
id = "umeng"
replaces = true
name = "Our Umeng"
operator = "Umeng"
category = "analytics"
purposes = ["usage_statistics"]
method = "embedded_sdk"
transmits = true
platforms = ["any"]

[[fields]]
term = "IMEI"
types = ["imei"]
platforms = ["android"]
requirement = "optional"
"""


class TestDisclose:
    """
    Tests for ``disclose sharing`` and ``disclose collection``.
    """

    def test_camera_app(self) -> None:
        """
        The camera app's list comes out in Chinese, with its 27 SDKs.
        """
        done = run("disclose", "sharing", CAMERA, "--language", "zh")

        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("# 与第三方共享个人信息清单\n")
        heads = [
            line for line in done.stdout.splitlines() if line[:3] == "## "
        ]
        assert heads[0] == "## 第三方一览"
        assert heads[27].startswith("## 27. WeChat SDK as launcher")

    @pytest.mark.parametrize("format_", ["html", "markdown", "csv", "json"])
    def test_output(
        self,
        format_: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        What it writes to a file is what the library gives, byte by byte.
        """
        file = tmp_path / "list"
        policy = load_policy(SMALL)
        chosen = ["--format", format_, "--language", "en"]
        for action, made, said in (
            ("sharing", sharing_list(policy), "2 third parties"),
            ("collection", collection_list(policy), "4 scenes"),
        ):
            told = ["disclose", action, str(SMALL), "--output", str(file)]
            assert main([*told, *chosen]) == 0
            wanted = publish(made, format=format_, language="en")  # type: ignore[arg-type]
            assert file.read_bytes() == wanted.encode()
            assert capsys.readouterr().out == f"{file}: {said}\n"

    def test_standard_output_is_the_file(self) -> None:
        """
        What it prints has the bytes of the file: UTF-8 and the line ends of
        CSV, whatever the locale.
        """
        wanted = publish(sharing_list(load_policy(SMALL)), format="csv")

        done = subprocess.run(
            [*COMMAND, "disclose", "sharing", SMALL, "--format", "csv"],
            capture_output=True,
            check=True,
            env=environment(LC_ALL="C", PYTHONUTF8="0"),
        )

        assert done.stdout == wanted.encode()

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        --json is the format of that name.
        """
        told = ["disclose", "collection", str(SMALL)]
        assert main([*told, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert main([*told, "--format", "json"]) == 0

        assert json.loads(capsys.readouterr().out) == said
        assert said["list"] == "collection"
        assert said["scenes"][0]["function"] == "connect"

    def test_own_entries(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The app's own entries stand beside the shipped ones, and before
        them.
        """
        (tmp_path / "umeng.toml").write_text(ENTRY, "utf-8")
        told = ["disclose", "sharing", str(SMALL), "--json", "--sdks"]

        assert main([*told, str(tmp_path)]) == 0
        umeng = json.loads(capsys.readouterr().out)["third_parties"][0]

        assert umeng["name"] == "Our Umeng"
        assert [
            (one["id"], one["platforms"], one["requirement"]["id"])
            for one in umeng["not_allowed"]
        ] == [("imei", ["android"], "optional")]

    def test_platform(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        With --platform it tells of one platform.
        """
        told = ["disclose", "sharing", str(CAMERA), "--json", "--platform"]
        found = {}
        for platform in ("android", "ios"):
            assert main([*told, platform]) == 0
            made = json.loads(capsys.readouterr().out)
            assert made["platform"] == platform
            found[platform] = {
                (party["sdk"], one["id"])
                for party in made["third_parties"]
                for one in (*party["given"], *party["not_allowed"])
            }

        assert ("umeng", "imei") in found["android"] - found["ios"]
        assert ("umeng", "idfa") in found["ios"] - found["android"]
        assert ("umeng", "openudid") in found["ios"] & found["android"]

    def test_policy_by_default(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Without a name it is policy.toml here, or what the environment
        names.
        """
        monkeypatch.chdir(tmp_path)
        assert main(["disclose", "sharing"]) == 2
        assert capsys.readouterr().err == (
            "consentkit: policy.toml: it cannot be read (No such file or "
            "directory); name a policy document\n"
        )
        (tmp_path / "policy.toml").write_bytes(SMALL.read_bytes())
        assert main(["disclose", "sharing", "--json"]) == 0
        here = json.loads(capsys.readouterr().out)
        monkeypatch.setenv("CONSENTKIT_POLICY", str(CAMERA))
        assert main(["disclose", "sharing", "--json"]) == 0
        named = json.loads(capsys.readouterr().out)

        assert here["policy"]["id"] == "small"
        assert named["policy"]["id"] == "camera_app"

    def test_bad_input(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A faulty policy, faulty entries and a place that cannot be written
        are told in one line each.
        """
        broken = tmp_path / "broken.toml"
        broken.write_text("schema = 1\n", "utf-8")
        (tmp_path / "acme.toml").write_text("schema = 1\n", "utf-8")
        away = tmp_path / "no" / "list.html"
        sharing = ["disclose", "sharing"]
        for arguments, problem in (
            ([*sharing, str(broken)], str(broken)),
            ([*sharing, str(tmp_path)], "it is a folder"),
            ([*sharing, str(SMALL), "--sdks", str(tmp_path)], "acme.toml"),
            (
                [*sharing, str(SMALL), "--output", str(away)],
                f"{away}: No such file or directory",
            ),
        ):
            assert main(arguments) == 2
            out, err = capsys.readouterr()
            assert out == ""
            assert problem in err
            assert err.count("\n") == 1

    @pytest.mark.parametrize(
        "option", ["--language=fr", "--format=pdf", "--platform=windows"]
    )
    def test_bad_usage(
        self, option: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What there is not is refused, and what there is is named.
        """
        with pytest.raises(SystemExit) as exit_:
            main(["disclose", "sharing", str(SMALL), option])

        assert exit_.value.code == 2
        assert "invalid choice" in capsys.readouterr().err
