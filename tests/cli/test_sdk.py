# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit sdk``, but for its audit.
"""

from __future__ import annotations

import json
import tomllib

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest

import consentkit

from consentkit.cli import main
from consentkit.cli.demo import example_folder
from consentkit.cli.sdk_list import _PLATFORMS
from consentkit.registry import load_registry
from consentkit.registry.model import Platform
from consentkit.registry.schema import json_schema
from tests.cli.shell import Terminal
from tests.support import SMALL


CLEAN = SMALL.with_name("clean.toml")
SHIPPED = load_registry()

ACME = """\
schema = 1
id = "acme"
name = "Acme Ads"
operator = "Acme Advertising Ltd."
operator_is_legal_entity = true
category = "advertising"
purposes = ["advertising_delivery"]
method = "embedded_sdk"
transmits = true
platforms = ["android"]
privacy_policy = "https://acme.example/privacy"

[[fields]]
term = "device identifier"
types = ["android_id"]
platforms = ["android"]
requirement = "listed"

[[hosts]]
name = "ads.acme.example"
region = "US"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """
    A folder with one entry of the app's own.
    """
    made = tmp_path / "sdks"
    made.mkdir()
    (made / "acme.toml").write_text(ACME, "utf-8")
    return made


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """
    A clean policy whose SDK is the app's own, for another purpose.
    """
    text = CLEAN.read_text("utf-8")
    assert 'sdk = "wechat_plugin"' in text
    file = tmp_path / "policy.toml"
    file.write_text(text.replace('"wechat_plugin"', '"acme"'), "utf-8")
    return file


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Run in a folder that has no policy, with none in the environment.
    """
    made = tmp_path / "empty"
    made.mkdir()
    monkeypatch.chdir(made)
    monkeypatch.delenv("CONSENTKIT_POLICY", raising=False)


def _json(capsys: pytest.CaptureFixture[str]) -> Any:
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def _statuses(found: Any) -> dict[str, str]:
    return {sdk["id"]: sdk["status"] for sdk in found["sdks"]}


def _texts(value: Any) -> Iterator[str]:
    """
    Give every text in *value*, but for words that are printed as others.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in {"method", "requirement"}:
                yield from _texts(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


class TestList:
    """
    Tests for ``sdk list``.
    """

    def test_without_a_policy_all_are_known(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Each shipped entry is listed, and none of them is declared.
        """
        assert main(["sdk", "list", "--json"]) == 0
        found = _json(capsys)
        assert _statuses(found) == dict.fromkeys(SHIPPED, "known")
        assert found["sdks"][0].keys() == {
            *("id", "name", "operator", "category", "platforms"),
            *("status", "function", "own", "choice"),
        }
        assert {sdk["choice"] for sdk in found["sdks"]} == {None}

    def test_what_the_person_chose(
        self,
        policy: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Where the data folder has choices, they stand beside the SDKs that
        they are about; looking makes no folder.
        """
        data = tmp_path / "data"
        call = [
            "sdk",
            "list",
            "--policy",
            str(policy),
            "--data-dir",
            f"{data}",
        ]

        def told() -> tuple[str | None, str | None]:
            assert main([*call, "--json"]) == 0
            by_id = {sdk["id"]: sdk for sdk in _json(capsys)["sdks"]}
            return by_id["acme"]["choice"], by_id["umeng"]["choice"]

        assert told() == (None, None)
        assert not data.exists()
        with consentkit.open(policy, data_dir=data) as kit:
            kit.consent.show("share_to_wechat", method="settings")
            kit.consent.grant("share_to_wechat", method="tick")
        assert told() == ("granted", None)
        assert main(call) == 0
        head, *lines = capsys.readouterr().out.splitlines()
        assert head.split() == ["ID", "STATUS", "CHOICE", "CATEGORY", "NAME"]
        assert max(map(len, lines)) <= 80
        (line,) = (line for line in lines if line.startswith("acme "))
        assert line.split()[:3] == ["acme", "undescribed", "granted"]

    def test_a_policy_declares(
        self,
        folder: Path,
        policy: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        What a function names is declared; an own entry that no function
        names is not.
        """
        (folder / "other.toml").write_text(
            ACME.replace('id = "acme"', 'id = "other"'), "utf-8"
        )
        call = ["sdk", "list", "--policy", str(policy), "--json"]
        assert main([*call, "--sdks", str(folder)]) == 0
        found = _json(capsys)
        told = _statuses(found)
        assert (told["acme"], told["other"]) == ("declared", "own")
        assert told["umeng"] == "known"
        by_id = {sdk["id"]: sdk for sdk in found["sdks"]}
        assert by_id["acme"]["function"] == "share_to_wechat"
        assert by_id["acme"]["own"]

    def test_what_no_entry_describes(
        self, policy: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        An SDK that a function names and no entry describes is listed too.
        """
        assert main(["sdk", "list", "--policy", str(policy), "--json"]) == 0
        assert _statuses(_json(capsys))["acme"] == "undescribed"

    def test_the_policy_here(
        self,
        policy: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        The policy.toml of the current folder is looked at, if there is one.
        """
        monkeypatch.chdir(policy.parent)
        assert main(["sdk", "list", "--json"]) == 0
        assert _statuses(_json(capsys))["acme"] == "undescribed"

    def test_columns(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        A line is an SDK, its id comes first, and no line is too long for 80
        columns.
        """
        assert main(["sdk", "list"]) == 0
        head, *lines = capsys.readouterr().out.splitlines()
        assert head.split() == ["ID", "STATUS", "CATEGORY", "NAME"]
        assert [line.split()[0] for line in lines] == sorted(SHIPPED)
        assert max(map(len, lines)) <= 80
        at = head.index("NAME")
        for line in lines:
            sdk = SHIPPED[line.split()[0]]
            assert sdk.name.startswith(line[at:].removesuffix("..."))

    def test_only_some(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        A category and a platform leave the others out; what runs on any
        platform runs on that one.
        """
        call = ["sdk", "list", "--category", "analytics", "--platform", "ios"]
        assert main([*call, "--json"]) == 0
        expected = {
            entry.id
            for entry in SHIPPED.values()
            if entry.category == "analytics"
            and {"ios", "any"}.intersection(entry.platforms)
        }
        assert {"umeng", "posthog"} <= expected
        assert _statuses(_json(capsys)).keys() == expected

    def test_platforms_are_those_of_entries(self) -> None:
        """
        Every platform that an entry may have can be asked for.
        """
        assert get_args(Platform) == _PLATFORMS

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--category", "analytic"], "did you mean 'analytics'?"),
            (["--policy", "nowhere.toml"], "nowhere.toml: it cannot be read"),
            (["--sdks", "nowhere"], "nowhere: No such file"),
        ],
    )
    def test_bad_usage(
        self,
        arguments: list[str],
        told: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        What is not there is named in one line, with the way out.
        """
        assert main(["sdk", "list", *arguments]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert told in err


class TestShow:
    """
    Tests for ``sdk show``.
    """

    @pytest.mark.parametrize("sdk", list(SHIPPED))
    def test_says_all(
        self, sdk: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Every text of the entry is in what is printed.
        """
        assert main(["sdk", "show", sdk]) == 0
        out = capsys.readouterr().out
        for text in _texts(attrs.asdict(SHIPPED[sdk])):
            assert text.rstrip(".").replace("==", " ") in out

    def test_by_platform(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        Fields stand under their platforms, apart by whether they are
        optional.
        """
        assert main(["sdk", "show", "pangle"]) == 0
        lines = capsys.readouterr().out.splitlines()
        android = lines.index("  on android")
        optional = lines.index("    optional", android)
        imei = next(i for i, x in enumerate(lines) if x.startswith("      IM"))
        ios = lines.index("  on ios")
        assert android < optional < imei < ios

    def test_json(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The same as one value, with what follows from it.
        """
        call = ["sdk", "show", "acme", "--sdks", str(folder), "--json"]
        assert main(call) == 0
        found = _json(capsys)
        assert (found["id"], found["own"]) == ("acme", True)
        assert found["hosts"][0]["region"] == "US"
        assert (found["types"], found["gaps"]) == (["android_id"], [])

    def test_wraps_at_the_terminal(self) -> None:
        """
        At a terminal no line is wider than that, but for long links.
        """
        env = {"NO_COLOR": "1"}
        with Terminal("sdk", "show", "posthog", env=env) as terminal:
            assert terminal.end() == 0
            lines = terminal.screen.splitlines()
        long = [line for line in lines if len(line) > 80]
        assert all(len(line.split()[-1]) > 66 for line in long)
        assert len(lines) > 100
        assert "  us.i.posthog.com in US" in lines

    def test_unknown(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        An id that is none is an error that says which was meant.
        """
        assert main(["sdk", "show", "sentri"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert "there is no SDK 'sentri'; did you mean 'sentry'" in err

    def test_faulty_entries(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        One fault of an entry is told whole; of many the first, and where the
        others are shown.
        """
        file = folder / "acme.toml"
        file.write_text(ACME.replace('"android_id"', '"andriod_id"'), "utf-8")
        call = ["sdk", "show", "acme", "--sdks", str(folder)]
        assert main(call) == 2
        assert "acme.toml: $.fields[0].types[0]: no data" in (
            capsys.readouterr().err
        )
        (folder / "other.toml").write_text("=", "utf-8")
        assert main(call) == 2
        err = capsys.readouterr().err
        assert "2 faults, which 'consentkit sdk check --sdks" in err
        assert err.count("\n") == 1


class TestClauses:
    """
    Tests for ``consentkit sdk clauses``.
    """

    def test_rows_to_paste(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        An SDK's fields as rows of a policy, as text and as JSON.
        """
        assert main(["sdk", "clauses", "getui"]) == 0
        text = capsys.readouterr().out
        assert main(["sdk", "clauses", "--json", "getui"]) == 0
        rows = json.loads(capsys.readouterr().out)

        assert tomllib.loads(text)["functions"]["collects"] == rows
        types = [type_ for row in rows for type_ in row["types"]]
        assert sorted(types) == sorted(SHIPPED["getui"].types)

    def test_of_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        An SDK that is said to collect nothing has no rows.
        """
        assert main(["sdk", "clauses", "alipay"]) == 0
        assert capsys.readouterr().out.startswith("# ")
        assert main(["sdk", "clauses", "--json", "alipay"]) == 0
        assert json.loads(capsys.readouterr().out) == []

    def test_unknown(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        An SDK that is not there is told with one that may be meant.
        """
        assert main(["sdk", "clauses", "getuy"]) == 2
        assert "did you mean 'getui'" in capsys.readouterr().err


class TestCheck:
    """
    Tests for ``sdk check``.
    """

    def test_fine(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        A policy whose SDKs are in order has no findings, with code 0.
        """
        assert main(["sdk", "check", "--strict", str(CLEAN)]) == 0
        out, err = capsys.readouterr()
        assert out.startswith(f"{CLEAN}: fine; ")
        assert "only what concerns SDKs" in out
        assert err == ""

    def test_finds_the_traps(
        self,
        folder: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        Advertising that is not told, a host in another country, and an SDK
        that nobody tested are each found at their places.
        """
        text = CLEAN.read_text("utf-8").replace('"wechat_plugin"', '"acme"')
        tested = "audited = 2025-02-10\n"
        head, found, rest = text.rpartition("audited = ")
        assert found
        assert tested not in text
        text = head + rest.partition("\n")[2]
        policy = tmp_path / "spoilt.toml"
        policy.write_text(text, "utf-8")
        call = ["sdk", "check", str(policy), "--sdks", str(folder), "--json"]
        assert main(call) == 1
        findings = _json(capsys)["findings"]
        rules = {f["rule"]: f for f in findings}
        assert rules["sdk-advertising-unsaid"]["severity"] == "error"
        assert "in US" in rules["sdk-host-elsewhere"]["message"]
        assert "test of its SDK" in rules["recipient-incomplete"]["message"]
        assert all(f["line"] for f in findings)

    def test_strict(
        self, folder: Path, policy: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        For production every warning is an error.
        """
        text = policy.read_text("utf-8")
        told = 'purposes = ["advertising_delivery", "detect_installed_app"]'
        policy.write_text(
            text.replace('purposes = ["detect_installed_app"]', told), "utf-8"
        )
        call = ["sdk", "check", str(policy), "--sdks", str(folder)]
        assert main(call) == 0
        assert "warning sdk-host-elsewhere" in capsys.readouterr().out
        assert main([*call, "--strict"]) == 1
        assert "error sdk-host-elsewhere" in capsys.readouterr().out
        # Where it only goes if it is told to is no finding.
        file = folder / "acme.toml"
        file.write_text(f"{ACME}default = false\n", "utf-8")
        assert main([*call, "--strict"]) == 0

    def test_leaves_out_what_is_of_no_sdk(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Gaps of other recipients are for ``policy check``.
        """
        text = CLEAN.read_text("utf-8")
        country = 'id = "map_house"'
        assert country in text
        text = text.replace("Nanjing Map House Information Co., Ltd.", "Maps")
        policy = tmp_path / "spoilt.toml"
        policy.write_text(text, "utf-8")
        assert main(["policy", "check", "--strict", str(policy)]) == 1
        assert "entity-missing" in capsys.readouterr().out
        assert main(["sdk", "check", "--strict", str(policy)]) == 0

    def test_an_example(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        The traps of a published list of 27 SDKs are found.
        """
        policy = example_folder() / "policy.toml"
        assert main(["sdk", "check", str(policy), "--json"]) == 1
        found = {f["rule"] for f in _json(capsys)["findings"]}
        assert {
            *("cookies-denied", "link-broken", "link-shared"),
            *("partner-breaks-protection", "sdk-anomaly", "entity-missing"),
            *("sdk-link-missing", "sdk-list-missing", "sdk-fields-copied"),
        } <= found

    def test_entries_alone(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Where there is no policy, the app's own entries are checked.
        """
        assert main(["sdk", "check", "--sdks", str(folder)]) == 0
        assert capsys.readouterr().out == f"{folder}: fine; 1 own SDK\n"

    def test_faulty_entries(
        self, folder: Path, policy: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Every fault of every entry is a finding with file, line and place.
        """
        file = folder / "acme.toml"
        text = ACME.replace('"android_id"', '"andriod_id"')
        file.write_text(text + "colour = 1\n", "utf-8")
        (folder / "other.toml").write_text("=", "utf-8")
        call = ["sdk", "check", str(policy), "--sdks", str(folder)]
        assert main([*call, "--json"]) == 1
        out, err = capsys.readouterr()
        found = [
            (Path(f["file"]).name, f["line"], f["path"])
            for f in json.loads(out)["findings"]
        ]
        lines = text.splitlines()
        host = lines.index("[[hosts]]") + 1
        type_ = lines.index('types = ["andriod_id"]') + 1
        assert found == [
            ("acme.toml", host, "$.hosts[0]"),
            ("acme.toml", type_, "$.fields[0].types[0]"),
            ("other.toml", None, "$"),
        ]
        assert "was not checked: mend the entries first" in err

    def test_sarif(
        self, folder: Path, policy: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The same as a SARIF log.
        """
        call = ["sdk", "check", str(policy), "--sdks", str(folder)]
        assert main([*call, "--sarif"]) == 1
        (run,) = _json(capsys)["runs"]
        found = {result["ruleId"] for result in run["results"]}
        assert "sdk-advertising-unsaid" in found

    def test_no_policy(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        With nothing to check it says what is missing, with code 2.
        """
        assert main(["sdk", "check"]) == 2
        assert "policy.toml: it cannot be read" in capsys.readouterr().err


class TestSchema:
    """
    Tests for ``sdk schema``.
    """

    def test_is_the_schema(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        It prints the JSON Schema that entries are checked by.
        """
        assert main(["sdk", "schema"]) == 0
        assert _json(capsys) == json_schema()
