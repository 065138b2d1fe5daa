# SPDX-License-Identifier: MIT
"""
``consentkit sdk audit``: which SDKs a project uses, and which it declares.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentkit.cli._common import (
    Style,
    add_json,
    count,
    near,
    print_json,
    titled,
    unreadable,
    wrapped,
)
from consentkit.cli._sdks import add_entries, entries_of


if TYPE_CHECKING:
    from consentkit.registry.audit import Audit, AuditFinding, Declaration


__all__ = ["add"]

_MOST_NOTES: Final = 10
_BAR: Final = 30
# A tree that is read sooner needs no progress.
_PATIENCE_SECONDS: Final = 0.5


def add(actions: Any) -> None:
    """
    Add the action to the group *actions* of ``sdk``.
    """
    audit = actions.add_parser(
        "audit",
        help="compare the SDKs that a project uses with those it declares",
        description="Read a project, and report which SDKs it uses and does "
        "not declare, declares and does not use, or declares with less than "
        "is known of them. Dependencies, lock files and the imports of its "
        "code are read, and build files for phones; nothing is run. Exits "
        "with 0 if there is no error, with 1 if there are some, with 2 if "
        "something that was named cannot be read.",
    )
    audit.add_argument(
        "project",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="folder of the project (default: this one)",
    )
    audit.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        default=os.environ.get("CONSENTKIT_POLICY") or None,
        help="policy document (default: policy.toml of the project)",
    )
    add_entries(audit)
    audit.add_argument(
        "--include",
        action="append",
        default=[],
        metavar="DIR",
        help="read this folder too though it is skipped by default, such as "
        "'build' (may be repeated)",
    )
    _add_environment(audit)
    _add_outside(audit)
    audit.add_argument(
        "--strict",
        action="store_true",
        help="for production: every warning is an error",
    )
    audit.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="ID",
        help="set the findings of this rule aside; the output says so (may "
        "be repeated)",
    )
    form = audit.add_mutually_exclusive_group()
    add_json(form)
    form.add_argument(
        "--sarif",
        action="store_true",
        help="print a SARIF 2.1.0 log, for tools for code review",
    )
    audit.set_defaults(run=_audit)


def _add_environment(parser: argparse.ArgumentParser) -> None:
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--installed",
        action="store_true",
        help="read what is installed beside this very consentkit too",
    )
    place.add_argument(
        "--python",
        type=Path,
        metavar="PATH",
        help="read what is installed for this Python too: its program, or "
        "the folder of an environment; it is not run",
    )
    place.add_argument(
        "--site-packages",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="read what is installed in this folder too (may be repeated)",
    )


def _add_outside(parser: argparse.ArgumentParser) -> None:
    for name, metavar, help_ in (
        ("--wheelhouse", "DIR", "read a folder of wheels and archives too"),
        ("--apk", "FILE", "read a built app for Android too, APK or AAB"),
        (
            "--trackers",
            "FILE",
            "look for these trackers in it too: JSON in the form of Exodus",
        ),
        (
            "--against",
            "FILE",
            "compare a record of what SDKs were seen to do too",
        ),
    ):
        parser.add_argument(
            name,
            action="append",
            default=[],
            type=Path,
            metavar=metavar,
            help=f"{help_} (may be repeated)",
        )


def _audit(arguments: argparse.Namespace) -> int:
    # Most of this is for no other command.
    from attrs import evolve

    from consentkit.policy.lint import sarif
    from consentkit.registry.audit import RULES, Extent, audit, load_trackers

    for id_ in arguments.ignore:
        if id_ not in RULES:
            cure = near(id_, RULES, where="docs, page 'Audit a project',")
            msg = f"there is no rule {id_!r}; {cure}"
            raise ValueError(msg)
    _see_to(arguments)
    declaration = _declaration(arguments)
    with _Progress() as progress:
        found = audit(
            arguments.project,
            declaration=declaration,
            entries=entries_of(arguments.sdks)[1],
            extent=Extent(
                include=arguments.include,
                site_packages=_site_packages(arguments),
                wheelhouses=arguments.wheelhouse,
                apps=arguments.apk,
                trackers=[
                    tracker
                    for path in arguments.trackers
                    for tracker in load_trackers(path)
                ],
                observed=arguments.against,
            ),
            ignore=arguments.ignore,
            progress=progress,
        )
    if arguments.strict:
        strict = found.checked.findings.as_strict()
        found = evolve(found, checked=evolve(found.checked, findings=strict))
    if arguments.json:
        print_json(_as_json(found, declaration))
    elif arguments.sarif:
        log = sarif(
            _by_file(arguments.project, found),
            version=version("consentkit"),
            tool="consentkit sdk audit",
            rules=RULES.values(),
        )
        print_json(log)
    else:
        _print(arguments.project, found, declaration)
    return int(bool(found.checked.findings.blocking()))


def _see_to(arguments: argparse.Namespace) -> None:
    """
    See to it that what was named is there.

    Raises:
        ValueError: If not.
    """
    folders = [arguments.project, *arguments.site_packages]
    for folder in (*folders, *arguments.wheelhouse):
        if not folder.is_dir():
            msg = f"{folder}: is no folder that can be read"
            raise ValueError(msg)
    for path in (*arguments.apk, *arguments.trackers, *arguments.against):
        if problem := _unusable(path):
            msg = f"{path}: {problem}"
            raise ValueError(msg)
    if arguments.trackers and not arguments.apk:
        msg = "--trackers needs a built app to look into: name it with --apk"
        raise ValueError(msg)


def _unusable(path: Path) -> str:
    """
    Say why *path* is no file to be read to its end, or nothing.
    """
    problem = unreadable(path)
    if problem or path.is_file():
        return problem
    return "is no file that ends"  # a pipe, or a device


def _declaration(arguments: argparse.Namespace) -> Declaration:
    """
    Read the policy that is named, or that of the project if it has one.
    """
    from consentkit.policy.load import load_policy
    from consentkit.registry.audit import Declaration

    path = arguments.policy or arguments.project / "policy.toml"
    if arguments.policy is None and not path.exists():
        return Declaration()
    if problem := _unusable(path):
        msg = f"{path}: {problem}; name a policy document with --policy"
        raise ValueError(msg)
    policy = load_policy(path)
    shown = path
    with suppress(ValueError):
        shown = path.relative_to(arguments.project)
    return Declaration(
        policy=policy,
        file=shown.as_posix(),
        text=path.read_text("utf-8"),
    )


def _site_packages(arguments: argparse.Namespace) -> list[Path]:
    from consentkit.registry.audit.installed import (
        site_packages_of,
        these_site_packages,
    )

    if arguments.installed:
        return these_site_packages()
    if arguments.python is not None:
        return site_packages_of(arguments.python)
    return list(arguments.site_packages)


class _Progress:
    """
    A bar on standard error, where somebody waits at a terminal.
    """

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._begun = time.monotonic()
        self._shown = False

    def __enter__(self) -> Callable[[int, int], None]:
        return self._tell

    def __exit__(self, *exc: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _tell(self, done: int, total: int) -> None:
        waited = time.monotonic() - self._begun
        if not self._on or not total or waited < _PATIENCE_SECONDS:
            return
        full = _BAR * done // total
        bar = "#" * full + "." * (_BAR - full)
        sys.stderr.write(f"\r[{bar}] {done} of {total} files\x1b[K")
        sys.stderr.flush()
        self._shown = True


def _finding_json(finding: AuditFinding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "sdk": finding.sdk,
        "file": finding.file,
        "line": finding.line,
        "path": finding.path,
        "message": finding.message,
        "cure": finding.cure,
        "reason": finding.reason,
        "source": list(finding.source),
    }


def _as_json(found: Audit, declaration: Declaration) -> dict[str, Any]:
    findings: Any = found.checked.findings
    ignored = sorted(f.rule for f in found.checked.ignored)
    return {
        "policy": declaration.file or None,
        "findings": [_finding_json(finding) for finding in findings],
        "ignored": {rule: ignored.count(rule) for rule in ignored},
        "sdks": [
            {
                "id": sdk,
                "function": found.declared.get(sdk),
                "evidence": [
                    {
                        "kind": e.kind,
                        "name": e.name,
                        "file": e.file,
                        "line": e.line,
                        "scope": e.scope.value,
                        "note": e.note,
                        "chain": list(e.chain),
                    }
                    for e in shown
                ],
            }
            for sdk, shown in found.found.items()
        ],
        "notes": [
            {"file": note.file, "text": note.text} for note in found.notes
        ],
        "skipped": list(found.skipped),
        "unseen_imports": found.unseen,
        "files": found.files,
    }


def _by_file(project: Path, found: Audit) -> list[tuple[Path, Any]]:
    """
    Part the findings by file, as the log has them.
    """
    from consentkit.policy.lint import Checked, Findings

    everything: Any = (*found.checked.findings, *found.checked.ignored)
    files = dict.fromkeys(f.file for f in everything)
    return [
        (
            # Reviewers look from here, and not from the project.
            project / file if (project / file).exists() else Path(file),
            Checked(
                findings=_of_file(file, found.checked.findings, Findings),
                ignored=_of_file(file, found.checked.ignored, Findings),
            ),
        )
        for file in files
    ]


def _of_file(file: str, findings: Any, kind: Any) -> Any:
    return kind(f for f in findings if f.file == file)


def _print(project: Path, found: Audit, declaration: Declaration) -> None:
    style = Style()
    print(_summary(project, found, declaration))
    findings: Any = found.checked.findings
    for (_, _), group in groupby(findings, key=lambda f: (f.severity, f.rule)):
        print()
        _print_rule(list(group), style)
    lines = [*_left_out(found, declaration)]
    if lines:
        print()
    for line in lines:
        print("\n".join(wrapped(_printable(line), 2, 4)))


def _print_rule(findings: list[AuditFinding], style: Style) -> None:
    from consentkit.policy.lint import Severity
    from consentkit.registry.audit import RULES

    rule, severity = RULES[findings[0].rule], findings[0].severity
    paint = {Severity.ERROR: style.bad, Severity.WARNING: style.bold}.get(
        severity, style.dim
    )
    print(f"{paint(severity.value)} {style.bold(rule.id)}: {rule.title}")
    for line in wrapped(f"{rule.reason} ({'; '.join(rule.source)})", 2):
        print(style.dim(line))
    for finding in findings:
        place = finding.file
        if finding.line:
            place += f":{finding.line}"
        said = _printable(f"{place}: {finding.message}")
        print("\n".join(wrapped(said, 4, 6)))
        if finding.cure:
            cure = _printable(f"right: {finding.cure}")
            print("\n".join(wrapped(cure, 6, 8)))


def _printable(text: str) -> str:
    """
    Show what a terminal would obey, or cannot show, as what it is.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _summary(project: Path, found: Audit, declaration: Declaration) -> str:
    from consentkit.policy.lint import Severity

    findings = found.checked.findings
    told = [
        count(number, severity.value)
        for severity in Severity
        if (number := sum(f.severity is severity for f in findings))
    ]
    declared = "no policy"
    if declaration.policy is not None:
        named = count(len(found.declared), "SDK")
        declared = f"{titled(declaration.policy)} declares {named}"
    return (
        f"{project}: {', '.join(told) or 'fine'}; "
        f"{count(len(found.found), 'SDK')} found in "
        f"{count(found.files, 'file')}, {declared}"
    )


def _left_out(found: Audit, declaration: Declaration) -> Iterable[str]:
    """
    Say what was not read, or not told.
    """
    if declaration.policy is None:
        yield (
            "there is no policy.toml: every SDK counts as undeclared; name a "
            "policy document with --policy"
        )
    ignored = [f.rule for f in found.checked.ignored]
    if ignored:
        rules = sorted(set(ignored))
        told = (f"{rule} ({ignored.count(rule)})" for rule in rules)
        yield f"ignored: {', '.join(told)}"
    if found.skipped:
        yield f"skipped: {', '.join(found.skipped)}; --include reads them"
    if found.unseen:
        yield (
            f"{count(found.unseen, 'import')} by a computed name, which the "
            "code alone does not tell"
        )
    for note in found.notes[:_MOST_NOTES]:
        yield f"{note.file}: {note.text}"
    if len(found.notes) > _MOST_NOTES:
        more = len(found.notes) - _MOST_NOTES
        yield f"{count(more, 'more note')}, which --json shows"
