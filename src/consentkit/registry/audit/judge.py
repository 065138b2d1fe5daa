# SPDX-License-Identifier: MIT
"""
What is used against what is declared and what is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Final

from attrs import field, frozen

from consentkit.policy.lint.locate import line_of, locate
from consentkit.policy.lint.model import Severity
from consentkit.policy.model import Policy
from consentkit.policy.tables import FunctionTable
from consentkit.registry.audit.model import AuditFinding, Evidence, Scope
from consentkit.registry.audit.rules import RULES
from consentkit.registry.model import SDKEntry


__all__ = ["Declaration", "finding", "judge"]

_WEIGHT: Final = {
    Scope.RUN: Severity.ERROR,
    Scope.BROUGHT: Severity.WARNING,
    Scope.REACHABLE: Severity.WARNING,
    Scope.OPTIONAL: Severity.WARNING,
    Scope.DEVELOPMENT: Severity.NOTE,
}
_MOST_TOLD: Final = 3
_NOT_PYTHON: Final = "no package, artefact or class of it is known"


@frozen(kw_only=True)
class Declaration:
    """
    What the policy says of SDKs.

    Attributes:
        policy: The policy, or ``None`` if the project has none.

        file: Its file, as findings name it.

        text: Of the file.
    """

    policy: Policy | None = None
    file: str = ""
    text: str = field(default="", repr=False)

    @property
    def functions(self) -> Mapping[str, tuple[str, FunctionTable]]:
        """
        The functions that name an SDK, with their places, by the SDK's id.
        """
        if self.policy is None:
            return {}
        tables = self.policy.document.functions
        return {
            table.sdk: (f"$.functions[{i}]", table)
            for i, table in reversed(list(enumerate(tables)))
            if table.sdk
        }

    def line(self, path: str) -> int | None:
        """
        Give the line of a place in the policy.
        """
        return line_of(path, self._lines) if self.text else None

    @cached_property
    def _lines(self) -> Mapping[str, int]:
        return locate(self.text)


def judge(
    found: Mapping[str, tuple[Evidence, ...]],
    declaration: Declaration,
    entries: Mapping[str, SDKEntry],
    shipped: Mapping[str, SDKEntry],
    seen: Collection[str] = (),
) -> Iterator[AuditFinding]:
    """
    Compare *found* with the declaration, and that with what is known.

    Args:
        found: What shows each SDK, the strongest first.

        declaration: What the policy says.

        entries: What is known of each SDK, the app's own entries included.

        shipped: The entries of the package alone.

        seen: Ids of SDKs that were seen at work, found or not.
    """
    functions = declaration.functions
    for sdk, shown in found.items():
        if sdk not in functions:
            yield _undeclared(sdk, shown, entries.get(sdk), declaration)
    for sdk, (path, table) in functions.items():
        entry = entries.get(sdk)
        if sdk not in found and sdk not in seen:
            yield _unused(sdk, f"{path}.sdk", table, entry, declaration)
        elif entry is not None:
            for place, less, cure in _less(path, table, entry, shipped):
                yield finding(
                    "sdk-less",
                    sdk=sdk,
                    file=declaration.file,
                    line=declaration.line(place),
                    path=place,
                    message=less,
                    cure=cure,
                )


def finding(
    rule: str,
    *,
    severity: Severity | None = None,
    sdk: str,
    file: str,
    path: str,
    message: str,
    cure: str,
    line: int | None = None,
) -> AuditFinding:
    """
    Make a finding of *rule*, with its reason and sources.
    """
    return AuditFinding(
        rule=rule,
        severity=severity or RULES[rule].severity,
        sdk=sdk,
        file=file,
        line=line,
        path=path,
        message=message,
        cure=cure,
        reason=RULES[rule].reason,
        source=RULES[rule].source,
    )


def _undeclared(
    sdk: str,
    shown: tuple[Evidence, ...],
    entry: SDKEntry | None,
    declaration: Declaration,
) -> AuditFinding:
    first = shown[0]
    # One place a file; --json has them all.
    places = {e.file: e.place for e in reversed(shown)}
    places.pop(first.file, None)
    ordered = dict.fromkeys(e.file for e in shown if e.file in places)
    told = [places[file] for file in ordered][:_MOST_TOLD]
    more = len(places) - len(told)
    also = f"; also {', '.join(told)}" if told else ""
    also += f" and {more} more {'file' if more == 1 else 'files'}" * (more > 0)
    severity = _WEIGHT[first.scope]
    if entry is not None and not entry.transmits:
        severity = Severity.NOTE
    where = declaration.file or "a policy"
    return finding(
        "sdk-undeclared",
        severity=severity,
        sdk=sdk,
        file=first.file,
        line=first.line,
        path=first.name,
        message=f"{sdk!r}: {_WORDS[first.scope]}, {first}{also}",
        cure=f"a function with sdk = {sdk!r} in {where}, or do without it",
    )


_WORDS: Final = {
    Scope.RUN: "used",
    Scope.BROUGHT: "brought along",
    Scope.REACHABLE: "reachable, not certain",
    Scope.OPTIONAL: "optional",
    Scope.DEVELOPMENT: "for development only",
}


def _unused(
    sdk: str,
    path: str,
    table: FunctionTable,
    entry: SDKEntry | None,
    declaration: Declaration,
) -> AuditFinding:
    can_be_found = entry is not None and (entry.package or entry.mobile)
    why = "nothing of it was found"
    if not can_be_found:
        why = f"{_NOT_PYTHON}, so nothing could be found"
    return finding(
        "sdk-unused",
        severity=None if can_be_found else Severity.NOTE,
        sdk=sdk,
        file=declaration.file,
        line=declaration.line(path),
        path=path,
        message=f"{table.id!r} names {sdk!r}; {why}",
        cure="take the function out, or name what is to be read as well"
        if can_be_found
        else "",
    )


def _less(
    path: str,
    table: FunctionTable,
    entry: SDKEntry,
    shipped: Mapping[str, SDKEntry],
) -> Iterator[tuple[str, str, str]]:
    known = shipped.get(entry.id)
    known = entry if known is None else known
    union = list(dict.fromkeys((*entry.purposes, *known.purposes)))
    unsaid = [p for p in union if p not in table.purposes]
    if unsaid:
        yield (
            f"{path}.purposes",
            f"{entry.id!r} serves {', '.join(unsaid)} too",
            f"the purposes of {table.id!r}, or its own switch in the SDK",
        )
    listed = {type_ for row in table.collects for type_ in row.each}
    types = dict.fromkeys((*entry.types, *known.types))
    unlisted = [type_ for type_ in types if type_ not in listed]
    if listed and unlisted:
        yield (
            f"{path}.collects",
            f"{entry.id!r} takes {', '.join(unlisted)} too",
            f"what {table.id!r} collects, or its own switch in the SDK",
        )
    if known is entry:
        return
    for what, own, others in (
        ("types", entry.types, known.types),
        (
            "hosts",
            tuple(host.name for host in entry.hosts),
            tuple(host.name for host in known.hosts if host.default),
        ),
        ("purposes", entry.purposes, known.purposes),
    ):
        missing = [x for x in others if x not in own]
        if missing:
            yield (
                f"{path}.sdk",
                f"its own entry lacks known {what}: {', '.join(missing)}",
                "add them to the entry, or use the shipped one",
            )
