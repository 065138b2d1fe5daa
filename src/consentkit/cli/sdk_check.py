# SPDX-License-Identifier: MIT
"""
``consentkit sdk check``: what is wrong with the SDKs of a policy.
"""

from __future__ import annotations

import argparse
import os
import re

from collections.abc import Mapping
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentkit.cli._common import (
    add_json,
    count,
    print_json,
    unreadable,
    warn,
)
from consentkit.cli._sdks import add_entries


if TYPE_CHECKING:
    from consentkit.policy.lint import Checked
    from consentkit.registry.load import EntryFault
    from consentkit.registry.model import SDKEntry


__all__ = ["add"]

_SUBJECT: Final = "Third-party SDKs"
#: Rules of other subjects that SDKs are a matter of.
_MORE: Final = (
    "abroad-without-words",
    "entity-missing",
    "permission-undeclared-sdk",
    "permission-unneeded-sdk",
    "recipient-incomplete",
)
_ELSEWHERE: Final = re.compile(
    r"\$\.(?:recipients\[(\d+)\]|controller|policy)"
)


def add(actions: Any) -> None:
    """
    Add the action to those of ``consentkit sdk``.
    """
    check = actions.add_parser(
        "check",
        help="report what is wrong with the SDKs of a policy",
        description="Report what is wrong, missing or doubtful with the SDKs "
        "that a policy names and with the app's own entries: advertising that "
        "is not told, links that are missing, shared or placeholders, an SDK "
        "that is described twice or takes what the policy promises to "
        "protect, hosts in another country, companies that are not named, "
        "SDKs without a test. These are rules of 'consentkit policy check', "
        "which runs the others too. Exits with 0 if there is no error, with 1 "
        "if there are some, with 2 if a file cannot be read.",
    )
    check.add_argument(
        "policy",
        nargs="?",
        type=Path,
        default=os.environ.get("CONSENTKIT_POLICY") or None,
        metavar="POLICY",
        help="policy document (default: policy.toml here; with --sdks there "
        "may be none)",
    )
    add_entries(check)
    check.add_argument(
        "--strict",
        action="store_true",
        help="for production: every warning is an error",
    )
    form = check.add_mutually_exclusive_group()
    add_json(form)
    form.add_argument(
        "--sarif",
        action="store_true",
        help="print a SARIF 2.1.0 log, for tools for code review",
    )
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    # The rules are many patterns, which no other command pays for.
    from consentkit.cli._findings import as_json, print_findings
    from consentkit.policy.lint import sarif

    own, faults = _own(arguments.sdks)
    checked = _entries_checked(faults)
    path = _policy_of(arguments)
    if path is not None and not faults:
        checked.append(
            (path, _policy_checked(path, own, strict=arguments.strict))
        )
    if arguments.json:
        print_json(as_json(checked))
    elif arguments.sarif:
        print_json(sarif(checked, version=version("consentkit")))
    else:
        if arguments.sdks and not faults:
            print(f"{arguments.sdks}: fine; {count(len(own), 'own SDK')}")
        print_findings(checked, only=())
        if path is not None and not faults:
            print(
                "  only what concerns SDKs; 'consentkit policy check' runs "
                "every rule"
            )
    if faults and path is not None:
        warn(f"{path} was not checked: mend the entries first")
    return int(any(found.findings.blocking() for _, found in checked))


def _own(
    folder: Path | None,
) -> tuple[Mapping[str, SDKEntry], tuple[EntryFault, ...]]:
    from consentkit.registry.load import read_entries

    return read_entries(folder) if folder else ({}, ())


def _policy_of(arguments: argparse.Namespace) -> Path | None:
    """
    Give the document to check, or ``None`` where only entries are.

    Raises:
        ValueError: If it cannot be read.
    """
    path: Path = arguments.policy or Path("policy.toml")
    if not (arguments.policy or path.exists()) and arguments.sdks:
        return None
    if problem := unreadable(path):
        msg = f"{path}: {problem}; name a policy document"
        raise ValueError(msg)
    return path


def _policy_checked(
    path: Path, own: Mapping[str, SDKEntry], *, strict: bool
) -> Checked:
    from attrs import evolve

    from consentkit.policy.lint import SUBJECTS, Findings, check_file
    from consentkit.registry.load import load_registry

    rules = {*(rule.id for rule in SUBJECTS[_SUBJECT]), *_MORE}
    found = check_file(path, only=rules, entries={**load_registry(), **own})
    if found.policy is not None:
        tables = found.policy.document.recipients
        parties = {
            party
            for function in found.policy.document.functions
            if function.sdk
            for party in function.recipients
        }
        indexes = {
            str(i) for i, table in enumerate(tables) if table.id in parties
        }
        kept = Findings(
            finding
            for finding in found.findings
            if not (place := _ELSEWHERE.match(finding.path))
            or place[1] in indexes
        )
        found = evolve(found, findings=kept)
    if strict:
        found = evolve(found, findings=found.findings.as_strict())
    return found


def _entries_checked(
    faults: tuple[EntryFault, ...],
) -> list[tuple[Path, Checked]]:
    """
    Give the faults of entries the way that those of policies are given.
    """
    from consentkit.policy.lint import SCHEMA, Checked, Finding, Findings

    checked = []
    for file, of_file in groupby(faults, key=lambda fault: fault.file):
        told = [*of_file]
        lines = _lines_of(file) if any(fault.path for fault in told) else {}
        findings = Findings(
            Finding(
                rule=SCHEMA.id,
                severity=SCHEMA.severity,
                path=fault.path or "$",
                message=fault.problem,
                reason=_REASON,
                source=("the format of SDK entries",),
                line=_line_of(fault.path, lines),
            )
            for fault in told
        )
        checked.append((file, Checked(findings=findings)))
    return checked


_REASON: Final = (
    "An entry with a fault is not loaded, so that a spelling mistake never "
    "hides what an SDK takes."
)


def _lines_of(file: Path) -> Mapping[str, int]:
    from consentkit.policy.lint.locate import locate

    # A fault that has a place is one of a text that was parsed.
    return locate(file.read_text(encoding="utf-8"))


def _line_of(path: str, lines: Mapping[str, int]) -> int | None:
    from consentkit.policy.lint.locate import line_of

    return line_of(path, lines) if path else None
