# SPDX-License-Identifier: MIT
"""
``consentkit policy check`` and ``policy rules``: the linter.
"""

from __future__ import annotations

import argparse

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consentkit.cli._common import (
    add_json,
    near,
    print_json,
    print_table,
    unreadable,
    warn,
)


if TYPE_CHECKING:
    from consentkit.policy.lint import Checked
    from consentkit.registry.model import SDKEntry


__all__ = ["add_actions"]


def add_actions(actions: Any) -> None:
    """
    Add the actions to the group *actions* of ``policy``.
    """
    check = actions.add_parser(
        "check",
        help="report what is wrong, missing or doubtful in policy documents",
        description="Report what is wrong, missing or doubtful in policy "
        "documents, each with its place, the reason and what would be right. "
        "'consentkit policy rules' lists the rules; a source such as T-04 is "
        "the number of a trap, a contradiction or gap that published "
        "policies were seen to have. Exits with 0 if there is "
        "no error, with 1 if there are some, with 2 if a file cannot be read.",
    )
    check.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="policy document, in TOML",
    )
    check.add_argument(
        "--strict",
        action="store_true",
        help="for production: every warning is an error",
    )
    check.add_argument(
        "--rule",
        action="append",
        default=[],
        metavar="ID",
        help="run this rule only (may be repeated)",
    )
    check.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="ID",
        help="set the findings of this rule aside; the output says so (may "
        "be repeated)",
    )
    check.add_argument(
        "--sdks",
        type=Path,
        metavar="DIR",
        help="folder with the app's own SDK entries, beside the shipped ones",
    )
    form = check.add_mutually_exclusive_group()
    add_json(form)
    form.add_argument(
        "--sarif",
        action="store_true",
        help="print a SARIF 2.1.0 log, for tools for code review",
    )
    check.set_defaults(run=_check)
    rules = actions.add_parser(
        "rules",
        help="list the rules of 'policy check'",
        description="List the rules of 'policy check': id, severity and what "
        "a document must not have; with --json also the reason and what each "
        "rests on.",
    )
    add_json(rules)
    rules.set_defaults(run=_rules)


def _check(arguments: argparse.Namespace) -> int:
    # The rules are many patterns, which no other command pays for.
    from attrs import evolve

    from consentkit.cli._findings import as_json, print_findings
    from consentkit.policy.lint import check_file, sarif

    _known(arguments.rule, "run")
    _known(arguments.ignore, "ignore")
    entries = _entries(arguments.sdks)
    checked: list[tuple[Path, Checked]] = []
    problems = []
    for path in arguments.files:
        problem = unreadable(path)
        if problem:
            problems.append(f"{path}: {problem}; name a policy document")
            continue
        found = check_file(
            path,
            only=arguments.rule,
            ignore=arguments.ignore,
            entries=entries,
        )
        if arguments.strict:
            found = evolve(found, findings=found.findings.as_strict())
        checked.append((path, found))
    if arguments.json:
        print_json(as_json(checked))
    elif arguments.sarif:
        print_json(sarif(checked, version=version("consentkit")))
    else:
        print_findings(checked, only=arguments.rule)
    for problem in problems:
        warn(problem)
    blocked = any(found.findings.blocking() for _, found in checked)
    return 2 if problems else int(blocked)


def _known(ids: Iterable[str], what: str) -> None:
    """
    See to it that there are rules with these *ids*.

    Raises:
        ValueError: If not.
    """
    from consentkit.policy.lint import RULES, SCHEMA

    for id_ in ids:
        if id_ == SCHEMA.id:
            msg = f"'schema' is no rule to {what}: a document has to load"
            raise ValueError(msg)
        if id_ not in RULES:
            cure = near(id_, RULES, where="'consentkit policy rules'")
            msg = f"there is no rule {id_!r}; {cure}"
            raise ValueError(msg)


def _entries(folder: Path | None) -> Mapping[str, SDKEntry] | None:
    from consentkit.registry.load import load_entries, load_registry

    if folder is None:
        return None
    return {**load_registry(), **load_entries(folder)}


def _rules(arguments: argparse.Namespace) -> int:
    from consentkit.policy.lint import RULES, SCHEMA

    rules = (SCHEMA, *RULES.values())
    if arguments.json:
        print_json(
            {
                "rules": [
                    {
                        "id": rule.id,
                        "severity": rule.severity.value,
                        "title": rule.title,
                        "reason": rule.reason,
                        "source": list(rule.source),
                    }
                    for rule in rules
                ]
            }
        )
        return 0
    print_table(
        ("RULE", "SEVERITY", "WHAT A DOCUMENT MUST NOT HAVE"),
        [(rule.id, rule.severity.value, rule.title) for rule in rules],
    )
    return 0
