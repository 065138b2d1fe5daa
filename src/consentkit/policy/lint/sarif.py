# SPDX-License-Identifier: MIT
"""
Findings in SARIF 2.1.0, which tools for code review read.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
"""

from __future__ import annotations

import os

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from consentkit.policy.lint.check import SCHEMA, Checked
from consentkit.policy.lint.model import Finding, Rule
from consentkit.policy.lint.rules import RULES


__all__ = ["sarif"]

_SCHEMA_URI: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(
    checked: Iterable[tuple[Path, Checked]],
    *,
    version: str,
    tool: str = "consentkit policy check",
    rules: Iterable[Rule] = (SCHEMA, *RULES.values()),
) -> dict[str, Any]:
    """
    Write what was found in files as one SARIF log.

    Findings that were ignored are there too, as suppressed.

    Args:
        checked: Each file and what was found in it.

        version: Of consentkit.

        tool: What found it.

        rules: Those that *tool* knows.
    """
    rules = tuple(rules)
    index = {rule.id: i for i, rule in enumerate(rules)}
    results = [
        _result(path, finding, index[finding.rule], ignored=ignored)
        for path, found in checked
        for listed, ignored in (
            (found.findings, False),
            (found.ignored, True),
        )
        for finding in listed
    ]
    driver = {
        "name": tool,
        "version": version,
        "rules": [_descriptor(rule) for rule in rules],
    }
    return {
        "$schema": _SCHEMA_URI,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _descriptor(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": f"{_capital(rule.title)}."},
        "fullDescription": {"text": rule.reason},
        "help": {"text": f"{rule.reason}\n\nSource: {'; '.join(rule.source)}"},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {"source": list(rule.source)},
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _uri(path: Path) -> str:
    # A name need not be text.
    return quote(os.fsencode(path.as_posix()))


def _result(
    path: Path, finding: Finding, index: int, *, ignored: bool
) -> dict[str, Any]:
    stop = "" if finding.cure.endswith("?") else "."
    cure = f" Cure: {finding.cure}{stop}" if finding.cure else ""
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity.value,
        "message": {"text": f"{_capital(finding.message)}.{cure}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(path)},
                    # What is missing as a whole is missing from the start.
                    "region": {"startLine": finding.line or 1},
                },
                "logicalLocations": [{"fullyQualifiedName": finding.path}],
            }
        ],
    }
    if ignored:
        result["suppressions"] = [
            {"kind": "external", "justification": "--ignore"}
        ]
    return result
