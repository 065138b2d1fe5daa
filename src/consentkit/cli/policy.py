# SPDX-License-Identifier: MIT
"""
``consentkit policy``: look at policy documents.
"""

from __future__ import annotations

import argparse

from pathlib import Path
from typing import Any

from consentkit.cli._common import (
    add_group,
    add_json,
    count,
    print_json,
    unreadable,
    warn,
)
from consentkit.exceptions import PolicyError
from consentkit.policy.fault import Fault
from consentkit.policy.load import load_policy
from consentkit.policy.model import Policy


__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    actions = add_group(commands, "policy", "check policy documents")
    check = actions.add_parser(
        "check",
        help="report every fault of policy documents",
        description="Report every fault of policy documents, each with its "
        "place, what is wrong and what would be right. Exits with 0 if there "
        "is none, with 1 if there are some, with 2 if a file cannot be read.",
    )
    check.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="policy document, in TOML",
    )
    add_json(check)
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    findings: list[dict[str, str]] = []
    problems = []
    for path in arguments.files:
        problem = unreadable(path)
        if problem:
            problems.append(f"{path}: {problem}; name a policy document")
            continue
        try:
            policy = load_policy(path)
        except PolicyError as error:
            findings += [_finding(path, fault) for fault in error.faults]
            if not arguments.json:
                print(error)
        else:
            if not arguments.json:
                print(_summary(path, policy))
    if arguments.json:
        print_json({"findings": findings})
    for problem in problems:
        warn(problem)
    return 2 if problems else int(bool(findings))


def _finding(path: Path, fault: Fault) -> dict[str, str]:
    return {
        "rule": "schema",
        "severity": "error",
        "file": str(path),
        "path": fault.path,
        "message": fault.problem,
        "cure": fault.cure,
    }


def _summary(path: Path, policy: Policy) -> str:
    functions = policy.functions.values()
    clauses = sum(len(f.clauses) for f in functions)
    separate = len(policy.elements) - len(policy.functions)
    sdks = sum(bool(f.sdk) for f in functions)
    return (
        f"{path}: fine; {policy.title} {policy.version}, "
        f"{count(len(policy.functions), 'function')}, "
        f"{count(clauses, 'clause')}, "
        f"{count(separate, 'separate decision')}, "
        f"{count(sdks, 'third-party SDK')}"
    )
