# SPDX-License-Identifier: MIT
"""
``consentkit policy``: look at policy documents.
"""

from __future__ import annotations

import argparse

from pathlib import Path
from typing import Any

from consentkit.cli._common import add_json, print_json
from consentkit.exceptions import PolicyError
from consentkit.policy.load import load_policy


__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    parser = commands.add_parser("policy", help="check policy documents")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="report every fault of policy documents",
        description="Report every fault of policy documents, each with its "
        "place, what is wrong and what would be right.",
    )
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    add_json(check)
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    findings: list[dict[str, str]] = []
    for path in arguments.files:
        if not path.is_file():
            msg = f"{path}: no such file; name a policy document"
            raise ValueError(msg)
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
    return 1 if findings else 0


def _finding(path: Path, fault: Any) -> dict[str, str]:
    return {
        "rule": "schema",
        "severity": "error",
        "file": str(path),
        "path": fault.path,
        "message": fault.problem,
        "cure": fault.cure,
    }


def _summary(path: Path, policy: Any) -> str:
    functions = policy.functions.values()
    clauses = sum(len(f.clauses) for f in functions)
    separate = len(policy.elements) - len(policy.functions)
    return (
        f"{path}: fine; {policy.title} {policy.version}, "
        f"{len(policy.functions)} functions, {clauses} clauses, "
        f"{separate} separate decisions, "
        f"{sum(bool(f.sdk) for f in functions)} third-party SDKs"
    )
