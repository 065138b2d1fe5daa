# SPDX-License-Identifier: MIT
"""
All rules, by id.

A rule is a function with the decorator `consentkit.policy.lint.rule`, in the
module of its subject. To add one, write it there; it is found by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from consentkit.policy.lint import (
    _asking,
    _claims,
    _consent,
    _dates,
    _functions,
    _permissions,
    _references,
    _retention,
    _rights,
    _sdks,
    _sharing,
    _words,
)
from consentkit.policy.lint.model import Rule


__all__ = ["RULES", "SUBJECTS"]

#: The rules of each subject, in the order of their modules.
SUBJECTS: Final[Mapping[str, tuple[Rule, ...]]] = MappingProxyType(
    {
        subject: tuple(x for x in vars(module).values() if isinstance(x, Rule))
        for subject, module in (
            ("Dates and claims with a date", _dates),
            ("Sections and references", _references),
            ("Who answers, rights, minors, changes", _rights),
            ("How people are asked", _consent),
            ("The words of the question", _asking),
            ("Functions and what they collect", _functions),
            ("What is said of the data", _claims),
            ("Permissions of the operating system", _permissions),
            ("Retention and place", _retention),
            ("Recipients, sharing, exceptions", _sharing),
            ("Third-party SDKs", _sdks),
            ("Words", _words),
        )
    }
)

#: All rules, by id.
RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {rule.id: rule for rules in SUBJECTS.values() for rule in rules}
)
