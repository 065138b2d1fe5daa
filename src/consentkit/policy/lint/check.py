# SPDX-License-Identifier: MIT
"""
Running the rules over a policy, or over a file.
"""

from __future__ import annotations

import re

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from attrs import frozen

from consentkit.exceptions import PolicyError
from consentkit.policy.lint.locate import line_of, locate
from consentkit.policy.lint.model import (
    Context,
    Finding,
    Findings,
    Rule,
    Severity,
)
from consentkit.policy.lint.rules import RULES
from consentkit.policy.load import MOST_BYTES, parse_policy
from consentkit.policy.model import Policy
from consentkit.policy.vocabulary import load_vocabulary


if TYPE_CHECKING:
    from consentkit.registry.model import SDKEntry


__all__ = ["SCHEMA", "Checked", "check_file", "check_text", "lint"]

#: What a document has to obey before any other rule can look at it.
SCHEMA = Rule(
    id="schema",
    title="a key, word or value that the format does not know",
    severity=Severity.ERROR,
    reason="A document with a fault is not loaded, so that a spelling "
    "mistake never loosens a promise. The other rules need a document that "
    "loads.",
    source=("the format of policy documents",),
    check=lambda _: (),
)


@frozen(kw_only=True)
class Checked:
    """
    What was found in one file.

    Attributes:
        findings: In the order of the document.

        policy: The policy, or ``None`` where the document has faults.

        ignored: What the caller did not want to hear of; never empty in
            silence: outputs show it.
    """

    findings: Findings
    policy: Policy | None = None
    ignored: Findings = Findings()  # noqa: RUF009 - it is a tuple


def lint(
    policy: Policy,
    *,
    today: date | None = None,
    entries: Mapping[str, SDKEntry] | None = None,
    rules: Iterable[Rule] | None = None,
) -> Findings:
    """
    Find what is wrong, missing or doubtful in *policy*.

    Args:
        policy: A policy that loads.

        today: Day of the check; the present one (UTC) by default.

        entries: What is known of third-party SDKs, by id; the shipped
            entries by default.

        rules: All by default.
    """
    if entries is None:
        # The registry's door knows the gate, which no rule needs.
        from consentkit.registry.load import load_registry

        entries = load_registry()
    context = Context(
        policy=policy,
        words=load_vocabulary(),
        entries=entries,
        today=today or datetime.now(UTC).date(),
    )
    chosen = RULES.values() if rules is None else rules
    found = [f for rule in chosen for f in rule.findings(context)]
    return Findings(sorted(found, key=_order))


def check_file(
    path: Path,
    *,
    only: Collection[str] = (),
    ignore: Collection[str] = (),
    today: date | None = None,
    entries: Mapping[str, SDKEntry] | None = None,
) -> Checked:
    """
    Check the document at *path*, with the lines of what is found.

    Faults that keep it from loading are findings of the rule ``schema``, and
    no other rule runs then.

    Args:
        path: A file that can be read.

        only: Ids of the rules to run; all by default.

        ignore: Ids of rules whose findings are set aside.

        today: As in `lint`.

        entries: As in `lint`.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as stream:
        # More than a document may have, which the parser then says.
        raw = stream.read(MOST_BYTES + 1)
    # What is no UTF-8 is found as what it is when the text is parsed.
    text = raw.decode(errors="surrogateescape")
    return check_text(
        text, only=only, ignore=ignore, today=today, entries=entries
    )


def check_text(
    text: str,
    *,
    only: Collection[str] = (),
    ignore: Collection[str] = (),
    today: date | None = None,
    entries: Mapping[str, SDKEntry] | None = None,
) -> Checked:
    """
    Check a document that is already in memory; otherwise as `check_file`.
    """
    rules = [r for r in RULES.values() if not only or r.id in only]
    policy = None
    try:
        policy = parse_policy(text)
    except PolicyError as error:
        found = Findings(
            Finding(
                rule=SCHEMA.id,
                severity=SCHEMA.severity,
                path=fault.path,
                message=fault.problem,
                cure=fault.cure,
                reason=SCHEMA.reason,
                source=SCHEMA.source,
            )
            for fault in error.faults
        )
    else:
        found = lint(policy, today=today, entries=entries, rules=rules)
    placed = _with_lines(found, text)
    return Checked(
        policy=policy,
        findings=Findings(f for f in placed if f.rule not in ignore),
        ignored=Findings(f for f in placed if f.rule in ignore),
    )


def _with_lines(findings: Findings, text: str) -> Findings:
    if not findings:
        return findings
    # What is no TOML has no places; its parser has told the line.
    lines = {} if _is_no_toml(findings) else locate(text)
    placed = (
        attrs.evolve(f, line=line_of(f.path, lines) or _told(f.message))
        for f in findings
    )
    return Findings(sorted(placed, key=lambda f: f.line or 0))


def _is_no_toml(findings: Findings) -> bool:
    return findings[0].message.startswith("not TOML")


def _told(message: str) -> int | None:
    match = re.search(r"\(at line ([0-9]+), column [0-9]+\)", message)
    return int(match[1]) if match else None


def _order(finding: Finding) -> tuple[object, ...]:
    """
    Sort by place, an array's items by number.
    """
    parts = re.split(r"\[([0-9]+)\]", finding.path)
    return tuple(
        (int(part), "") if i % 2 else (-1, part)
        for i, part in enumerate(parts)
    )
