# SPDX-License-Identifier: MIT
"""
What is wrong, missing or doubtful in a policy document?
"""

from __future__ import annotations

from consentkit.policy.lint.check import (
    SCHEMA,
    Checked,
    check_file,
    check_text,
    lint,
)
from consentkit.policy.lint.locate import line_of, locate
from consentkit.policy.lint.model import (
    Context,
    Finding,
    Findings,
    Rule,
    Severity,
    Spot,
    rule,
)
from consentkit.policy.lint.rules import RULES, SUBJECTS
from consentkit.policy.lint.sarif import sarif


__all__ = [
    "RULES",
    "SCHEMA",
    "SUBJECTS",
    "Checked",
    "Context",
    "Finding",
    "Findings",
    "Rule",
    "Severity",
    "Spot",
    "check_file",
    "check_text",
    "line_of",
    "lint",
    "locate",
    "rule",
    "sarif",
]
