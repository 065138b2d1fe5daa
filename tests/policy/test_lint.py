# SPDX-License-Identifier: MIT

"""
Tests for the linter as a whole: what runs, in which order, on what.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

from datetime import date
from pathlib import Path

import pytest

from consentkit.policy import load_policy
from consentkit.policy.lint import (
    RULES,
    SCHEMA,
    Finding,
    Findings,
    Severity,
    Spot,
    check_file,
    check_text,
    lint,
    rule,
    sarif,
)
from tests.docs.blocks import DOCS, Page, blocks_of
from tests.policy.lint_support import (
    CLEAN,
    GONE,
    TODAY,
    changed,
    found,
    text_of,
)


PAGE = DOCS / "policy-check.md"


class TestLint:
    """
    Tests for `lint`.
    """

    def test_clean(self) -> None:
        """
        A document that says all that it should has no finding at all.
        """
        assert lint(load_policy(CLEAN), today=TODAY) == ()

    def test_clean_in_chinese(self) -> None:
        """
        Nor has one whose questions are in Chinese.
        """
        names = ("天气", "账号", "崩溃报告", "统计", "分享到微信")
        texts = (
            "为显示您所在地的天气，我们使用您的位置，精确到两公里。",
            "登录后，您的城市会同步到其他手机。密码只在本机使用。",
            "应用出错时，我们会知道出错的位置。",
            "我们统计页面被打开的次数。",
            "分享前，其 SDK 会检查是否安装了微信。",
        )
        translated = {"policy.language": "zh-Hans"}
        for i, (name, text) in enumerate(zip(names, texts, strict=True)):
            translated[f"functions[{i}].name"] = name
            translated[f"functions[{i}].text"] = text

        assert found(translated) == ()

    def test_order_of_the_document(self) -> None:
        """
        Findings come in the order of their places, item 10 after item 9.
        """
        findings = found({"unspecified": [f"item {i}" for i in range(12)]})

        assert [f.message for f in findings] == [
            f"left open: item {i}" for i in range(12)
        ]

    def test_day_of_the_check(self) -> None:
        """
        The day is an argument; nothing else in the answer depends on time.
        """
        policy = load_policy(CLEAN)

        early = lint(policy, today=date(2026, 3, 10))
        late = lint(policy, today=date(2100, 1, 1))

        assert [f.rule for f in early] == ["not-yet-in-force"]
        assert [f.rule for f in late] == ["claim-expired"]

    def test_own_sdks(self) -> None:
        """
        What is known of SDKs is an argument.
        """
        findings = lint(load_policy(CLEAN), today=TODAY, entries={})

        assert "sdk-unknown" in [f.rule for f in findings]

    def test_pure(self) -> None:
        """
        The same policy gets the same findings, and is not changed.
        """
        policy = changed({"rights": GONE, "minors": GONE})
        digest = policy.digest

        assert lint(policy, today=TODAY) == lint(policy, today=TODAY)
        assert policy.digest == digest

    def test_own_rule(self) -> None:
        """
        A rule of one's own is a function with a decorator.
        """

        @rule(
            "no-vowels",
            Severity.NOTE,
            title="a title without vowels",
            reason="Nobody can read it out.",
            source="taste; custom",
        )
        def no_vowels(context):
            if not re.search("[aeiou]", context.document.policy.title):
                yield Spot(path="$.policy.title", message="no vowel")

        policy = changed({"policy.title": "Rhythm"})
        (finding,) = lint(policy, rules=[no_vowels])

        assert finding.source == ("taste", "custom")
        assert str(finding) == "note: $.policy.title: no vowel"

    def test_long_text(self) -> None:
        """
        Of a text that never ends, only its beginning is read.
        """
        words = "and other information"
        seen = {"texts[0].text": f"{' ' * 9_000}{words}"}
        unseen = {"texts[0].text": f"{' ' * 10_000}{words}"}

        assert [f.rule for f in found(seen)] == ["catch-all"]
        assert found(unseen) == ()

    def test_any_document_that_loads(self) -> None:
        """
        Whatever a document leaves out, it is checked and not stumbled over.
        """
        text = CLEAN.read_text("utf-8")
        blocks = re.split(r"\n(?=\[)", text)
        loaded = 0
        for i, block in enumerate(blocks):
            lines = block.splitlines()
            for j in range(len(lines)):
                left = "\n".join(lines[:j] + lines[j + 1 :])
                spoilt = "\n".join([*blocks[:i], left, *blocks[i + 1 :]])
                checked = check_text(spoilt, today=TODAY)
                loaded += checked.policy is not None
                assert checked.policy or checked.findings

        assert loaded > 100

    def test_no_io_until_it_is_used(self) -> None:
        """
        Importing the package, or the policies, loads no rule.
        """
        code = (
            "import consentkit, consentkit.policy, sys\n"
            "consentkit.load_policy\n"
            "print([m for m in sys.modules if 'lint' in m])"
        )

        ran = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

        assert ran.stdout == "[]\n"


class TestRegistry:
    """
    Tests for the list of rules.
    """

    @pytest.mark.parametrize("id_", sorted(RULES))
    def test_says_what_it_is(self, id_: str) -> None:
        """
        Each rule has an id that reads, a title, a reason and sources.
        """
        rule = RULES[id_]

        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", id_)
        assert rule.id == id_
        assert rule.title
        assert not rule.title.endswith(".")
        assert rule.reason.endswith(".")
        assert all(rule.source)

    def test_page_is_current(self) -> None:
        """
        The page lists the rules as they are; docs/rules.py writes it.
        """
        code = (
            "import rules\n"
            "text = rules.PAGE.read_text('utf-8')\n"
            "print(rules.current(text) == text)"
        )

        ran = subprocess.run(
            [sys.executable, "-c", code],
            cwd=DOCS,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

        assert ran.stdout == "True\n", "run: python docs/rules.py"

    @pytest.mark.need_tool("sh")
    def test_page_is_true(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        What the page shows of the command is what the command prints.
        """
        folder = tmp_path / "empty"
        folder.mkdir()
        monkeypatch.chdir(folder)
        (example,) = (b for b in blocks_of(PAGE) if b.language == "toml")
        Path("policy.toml").write_text(example.text, "utf-8")

        with Page(PAGE, folder) as page:
            assert page.run()


class TestFindings:
    """
    Tests for `Findings`.
    """

    def _of(self, *severities: Severity) -> Findings:
        return Findings(
            Finding(rule="r", severity=s, path="$", message="m")
            for s in severities
        )

    def test_blocking(self) -> None:
        """
        Errors block; for production warnings do too; notes never do.
        """
        all_kinds = self._of(*Severity)

        assert all_kinds.blocking() == self._of(Severity.ERROR)
        assert all_kinds.blocking(strict=True) == self._of(
            Severity.ERROR, Severity.WARNING
        )

    def test_as_strict(self) -> None:
        """
        Strictly seen every warning is an error, and a note is a note.
        """
        assert self._of(*Severity).as_strict() == self._of(
            Severity.ERROR, Severity.ERROR, Severity.NOTE
        )

    def test_readable(self) -> None:
        """
        A finding prints as one line: how bad, where, what, and the cure.
        """
        finding = Finding(
            rule="r",
            severity=Severity.ERROR,
            path="$.a",
            message="it is wrong",
            cure="make it right",
            line=7,
        )

        assert str(finding) == (
            "error: line 7, $.a: it is wrong; make it right"
        )


class TestCheckFile:
    """
    Tests for `check_file` and `check_text`.
    """

    def test_lines(self) -> None:
        """
        Findings of a file have the line of their place.
        """
        text = CLEAN.read_text("utf-8").replace(
            'product = "Meadowlark Weather"', 'product = "unspecified"'
        )

        (finding,) = check_text(text, today=TODAY).findings

        assert finding.path == "$.policy.product"
        assert finding.line is not None
        assert text.splitlines()[finding.line - 1] == 'product = "unspecified"'

    def test_missing_table_has_no_line(self) -> None:
        """
        What is missing as a whole is nowhere in the file.
        """
        (finding,) = check_text(text_of({"changes": GONE})).findings

        assert (finding.rule, finding.line) == ("changes-missing", None)

    @pytest.mark.obligation("XM-PROT-3", "PR-NEC-1", "GP-PRIN-1")
    def test_type_without_purpose(self) -> None:
        """
        A type without a purpose keeps a document from loading, and is an
        error with its line.
        """
        text = CLEAN.read_text("utf-8")
        checked = check_text(text.replace('purposes = ["crash_analysis"]', ""))

        assert checked.policy is None
        (finding,) = checked.findings
        assert (finding.rule, finding.severity) == (SCHEMA.id, Severity.ERROR)
        assert finding.path == "$.functions[2].collects[0].purposes"
        assert finding.message == "no purpose"
        assert finding.line == text[: text.index("crash_log")].count("\n")

    @pytest.mark.parametrize(
        ("raw", "line"),
        [
            (b"schema = 1\n[policy\n", 2),
            (b"\xff", None),
            (b"a = 1" + b"0" * 5000, None),
        ],
    )
    def test_no_toml(
        self, tmp_path: Path, raw: bytes, line: int | None
    ) -> None:
        """
        What is no TOML is one finding; where the parser knew it, with its
        line.
        """
        file = tmp_path / "p.toml"
        file.write_bytes(raw)

        (finding,) = check_file(file).findings

        assert (finding.rule, finding.line) == (SCHEMA.id, line)

    def test_too_large(self, tmp_path: Path) -> None:
        """
        A file of any size is refused without being read whole.
        """
        file = tmp_path / "p.toml"
        with file.open("wb") as stream:
            stream.truncate(1 << 33)

        (finding,) = check_file(file).findings

        assert finding.message == "larger than 8 MiB"

    def test_unreadable(self, tmp_path: Path) -> None:
        """
        A file that cannot be read is the caller's to tell.
        """
        with pytest.raises(FileNotFoundError):
            check_file(tmp_path / "none.toml")

    def test_ignored(self) -> None:
        """
        What is ignored is set aside, and not lost.
        """
        text = text_of({"changes": GONE, "incident": GONE})

        checked = check_text(text, today=TODAY, ignore=["changes-missing"])

        assert [f.rule for f in checked.findings] == ["incident-missing"]
        assert [f.rule for f in checked.ignored] == ["changes-missing"]

    def test_only(self) -> None:
        """
        A single rule can be run.
        """
        text = text_of({"changes": GONE, "incident": GONE})

        checked = check_text(text, today=TODAY, only=["changes-missing"])

        assert [f.rule for f in checked.findings] == ["changes-missing"]


#: What of SARIF 2.1.0 is written, by the names and kinds of the standard.
_SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "message": {
            "type": "object",
            "required": ["text"],
            "additionalProperties": False,
            "properties": {"text": {"type": "string", "minLength": 1}},
        },
        "level": {"enum": ["none", "note", "warning", "error"]},
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "additionalProperties": False,
            "properties": {
                "tool": {
                    "type": "object",
                    "required": ["driver"],
                    "additionalProperties": False,
                    "properties": {"driver": {"$ref": "#/$defs/driver"}},
                },
                "results": {
                    "type": "array",
                    "items": {"$ref": "#/$defs/result"},
                },
            },
        },
        "driver": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string"},
                "version": {"type": "string"},
                "rules": {
                    "type": "array",
                    "uniqueItems": True,
                    "items": {"$ref": "#/$defs/rule"},
                },
            },
        },
        "rule": {
            "type": "object",
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "shortDescription": {"$ref": "#/$defs/message"},
                "fullDescription": {"$ref": "#/$defs/message"},
                "help": {"$ref": "#/$defs/message"},
                "defaultConfiguration": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"level": {"$ref": "#/$defs/level"}},
                },
                "properties": {"type": "object"},
            },
        },
        "result": {
            "type": "object",
            "required": ["message"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"$ref": "#/$defs/level"},
                "message": {"$ref": "#/$defs/message"},
                "locations": {
                    "type": "array",
                    "items": {"$ref": "#/$defs/location"},
                },
                "suppressions": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["kind"],
                        "additionalProperties": False,
                        "properties": {
                            "kind": {"enum": ["inSource", "external"]},
                            "justification": {"type": "string"},
                        },
                    },
                },
            },
        },
        "location": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "physicalLocation": {
                    "type": "object",
                    "required": ["artifactLocation"],
                    "additionalProperties": False,
                    "properties": {
                        "artifactLocation": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "uri": {
                                    "type": "string",
                                    "pattern": r"^[!-~]+$",
                                }
                            },
                        },
                        "region": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "startLine": {"type": "integer", "minimum": 1}
                            },
                        },
                    },
                },
                "logicalLocations": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "fullyQualifiedName": {"type": "string"}
                        },
                    },
                },
            },
        },
    },
}


class TestSARIF:
    """
    Tests for `sarif`.
    """

    def test_shape(self) -> None:
        """
        The log has the shape that the standard asks for.
        """
        jsonschema = pytest.importorskip("jsonschema")
        checked = check_text(
            text_of({"changes": GONE, "rights": GONE, "policy.id": "p"}),
            ignore=["changes-missing"],
        )
        faulty = check_text("schema = 1\n")

        log = sarif(
            [(Path("a b/政策.toml"), checked), (Path("c.toml"), faulty)],
            version="26.1.0",
        )

        jsonschema.validate(json.loads(json.dumps(log)), _SARIF)

    def test_result(self) -> None:
        """
        A result has its rule, level, line and place.
        """
        text = CLEAN.read_text("utf-8").replace(
            "bundled = false", "bundled = true"
        )
        checked = check_text(text, today=TODAY)

        (run,) = sarif([(Path("p.toml"), checked)], version="1")["runs"]
        (result,) = run["results"]
        rules = run["tool"]["driver"]["rules"]
        (location,) = result["locations"]

        assert result["ruleId"] == "bundled-consent"
        assert rules[result["ruleIndex"]]["id"] == "bundled-consent"
        assert result["level"] == "error"
        line = location["physicalLocation"]["region"]["startLine"]
        assert text.splitlines()[line - 1] == "bundled = true"
        (place,) = location["logicalLocations"]
        assert place["fullyQualifiedName"] == "$.consent.bundled"

    def test_ignored_is_suppressed(self) -> None:
        """
        What is ignored is in the log, and marked.
        """
        checked = check_text(
            text_of({"changes": GONE}),
            today=TODAY,
            ignore=["changes-missing"],
        )

        (run,) = sarif([(Path("p.toml"), checked)], version="1")["runs"]
        (result,) = run["results"]

        assert result["suppressions"][0]["kind"] == "external"

    def test_all_rules_are_described(self) -> None:
        """
        The log describes every rule, those without a result too.
        """
        (run,) = sarif([], version="1")["runs"]
        described = [r["id"] for r in run["tool"]["driver"]["rules"]]

        assert described == [SCHEMA.id, *RULES]
