# SPDX-License-Identifier: MIT
"""
How findings are printed: for people, and as JSON.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from consentkit.cli._common import Style, count, titled, wrapped
from consentkit.policy.lint import (
    RULES,
    Checked,
    Finding,
    Findings,
    Severity,
)
from consentkit.policy.model import Policy


__all__ = ["as_json", "print_findings"]

_ORDER: Final = tuple(Severity)


def as_json(checked: Iterable[tuple[Path, Checked]]) -> dict[str, Any]:
    """
    Give what was found in files as one JSON value.
    """
    findings = []
    ignored: Counter[str] = Counter()
    for path, found in checked:
        findings += [
            {
                "rule": f.rule,
                "severity": f.severity.value,
                "file": str(path),
                "line": f.line,
                "path": f.path,
                "message": f.message,
                "cure": f.cure,
                "reason": f.reason,
                "source": list(f.source),
            }
            for f in found.findings
        ]
        ignored.update(f.rule for f in found.ignored)
    return {"findings": findings, "ignored": dict(sorted(ignored.items()))}


def print_findings(
    checked: Iterable[tuple[Path, Checked]], *, only: Iterable[str]
) -> None:
    """
    Print what was found in files, by rule, the gravest first.

    Args:
        checked: Each file and what was found in it.

        only: Ids of the rules that were run; empty for all.
    """
    style = Style()
    for path, found in checked:
        if found.policy is None:
            _print_faults(path, found.findings)
            continue
        print(_summary(path, found.policy, found.findings))
        for rule, findings in _by_rule(found.findings):
            print()
            _print_rule(rule, findings, style)
        if found.findings:
            print()
        for line in _left_out(found, only):
            print(f"  {line}")


def _print_faults(path: Path, faults: Findings) -> None:
    print(f"{path}: {count(len(faults), 'fault')}")
    for fault in faults:
        cure = f"; {fault.cure}" * bool(fault.cure)
        print(f"  {fault.path}: {fault.message}{cure}")


def _by_rule(findings: Findings) -> Iterator[tuple[str, list[Finding]]]:
    """
    Gather findings by rule, the gravest first, in the order of the document.
    """
    first = {f.rule: i for i, f in reversed(list(enumerate(findings)))}
    ordered = sorted(
        findings, key=lambda f: (_ORDER.index(f.severity), first[f.rule])
    )
    for rule, group in groupby(ordered, key=lambda f: f.rule):
        yield rule, list(group)


def _print_rule(id_: str, findings: list[Finding], style: Style) -> None:
    rule = RULES[id_]
    severity = findings[0].severity
    paint = {Severity.ERROR: style.bad, Severity.WARNING: style.bold}.get(
        severity, style.dim
    )
    print(f"{paint(severity.value)} {style.bold(id_)}: {rule.title}")
    for line in wrapped(f"{rule.reason} ({'; '.join(rule.source)})", 2):
        print(style.dim(line))
    cures = {f.cure for f in findings}
    width = max(len(str(f.line or "-")) for f in findings)
    for finding in findings:
        cure = f"; {finding.cure}" * bool(len(cures) > 1 and finding.cure)
        place = f"{finding.line or '-':>{width}}  {finding.path}"
        lines = wrapped(f"{place}: {finding.message}{cure}", 4, 6 + width)
        print("\n".join(lines))
    if len(cures) == 1 and findings[0].cure:
        print("\n".join(wrapped(f"right: {findings[0].cure}", 2)))


def _summary(path: Path, policy: Policy, findings: Findings) -> str:
    functions = policy.functions.values()
    clauses = sum(len(f.clauses) for f in functions)
    separate = len(policy.elements) - len(policy.functions)
    sdks = sum(bool(f.sdk) for f in functions)
    ways = ""
    if policy.demands:
        number = len(policy.demands)
        ways = count(number, "purpose with needs", "purposes with needs")
        ways = f", {ways}"
    told = Counter(f.severity for f in findings)
    counted = ", ".join(count(told[s], s.value) for s in _ORDER if told[s])
    fine = "" if told[Severity.ERROR] else "fine"
    return (
        f"{path}: {', with '.join(filter(None, (fine, counted)))}; "
        f"{titled(policy)}, "
        f"{count(len(policy.functions), 'function')}, "
        f"{count(clauses, 'clause')}, "
        f"{count(separate, 'separate decision')}, "
        f"{count(sdks, 'third-party SDK')}{ways}"
    )


def _left_out(found: Checked, only: Iterable[str]) -> Iterator[str]:
    """
    Say what the answer leaves out because the caller asked for that.
    """
    ignored = Counter(f.rule for f in found.ignored)
    if ignored:
        told = (f"{rule} ({number})" for rule, number in ignored.items())
        yield f"ignored: {', '.join(told)}"
    chosen = tuple(dict.fromkeys(only))
    if chosen:
        others = count(len(RULES) - len(chosen), "other rule")
        yield f"only {', '.join(chosen)}; {others} not run"
