# SPDX-License-Identifier: MIT
"""
One audit of a project, from its files to the findings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from attrs import evolve, field, frozen

from consentkit.policy.lint.check import Checked
from consentkit.policy.lint.model import Findings, Severity
from consentkit.registry.audit.against import judge_observed
from consentkit.registry.audit.catalogue import Catalogue
from consentkit.registry.audit.code import Code
from consentkit.registry.audit.declared import Declared
from consentkit.registry.audit.dex import classes_in
from consentkit.registry.audit.installed import graph_of
from consentkit.registry.audit.judge import Declaration, judge
from consentkit.registry.audit.locked import Graph, Locked, brought
from consentkit.registry.audit.mobile import Mobile
from consentkit.registry.audit.model import (
    Audit,
    AuditFinding,
    Evidence,
    Scope,
)
from consentkit.registry.audit.trackers import Tracker
from consentkit.registry.audit.tree import Tree
from consentkit.registry.audit.wheels import wheelhouse
from consentkit.registry.load import load_registry
from consentkit.registry.model import SDKEntry
from consentkit.registry.observed import load_observed


__all__ = ["Extent", "audit"]

_SEVERITIES: Final = tuple(Severity)
_SCOPES: Final = tuple(Scope)
_KINDS: Final = (
    "import",
    "requirement",
    "gradle",
    "pod",
    "swift",
    "class",
    "tracker",
    "wheel",
    "lock",
    "installed",
)
# The progress is told so often.
_STEP: Final = 50


@frozen(kw_only=True)
class Extent:
    """
    What is read beside the project's own files.

    Attributes:
        include: Folders of the project to read though they are skipped by
            default: names, or paths within it.

        site_packages: Folders of an environment, with what is installed.

        wheelhouses: Folders of wheels and source archives.

        apps: Built apps for Android, APK or AAB files.

        trackers: What to look for in them, beside the entries.

        observed: Files with what was observed.
    """

    include: Collection[str] = ()
    site_packages: Collection[Path] = ()
    wheelhouses: Collection[Path] = ()
    apps: Collection[Path] = ()
    trackers: Collection[Tracker] = ()
    observed: Collection[Path] = ()


def audit(
    project: Path,
    *,
    declaration: Declaration | None = None,
    entries: Mapping[str, SDKEntry] | None = None,
    extent: Extent | None = None,
    ignore: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """
    Compare the SDKs that *project* uses with those that it declares.

    No code of the project is run or imported.

    Args:
        project: Its folder.

        declaration: Its policy; without one nothing is declared.

        entries: What is known of SDKs, by id; the shipped entries by
            default.

        extent: What else is read; by default only the project's own files.

        ignore: Ids of rules whose findings are set aside.

        progress: Called with how many of how many files were looked at.

    Raises:
        RegistryError: If a record of what was observed is none.

        ValueError: If an app is no APK or AAB.

        OSError: If a folder or file that was named cannot be read.
    """
    extent = extent or Extent()
    declaration = declaration or Declaration()
    # What was named and cannot be used is told before anything is read.
    observed = {path: load_observed(path) for path in extent.observed}
    shipped = load_registry()
    known = shipped if entries is None else entries
    gathered = _Gathered.of(project, Catalogue(known), extent)
    gathered.read(progress or (lambda _, __: None))
    found = _by_sdk(gathered)
    at_work = {s.sdk for seen in observed.values() for s in seen.sightings}
    findings = list(judge(found, declaration, known, shipped, at_work))
    for path, seen in observed.items():
        findings += judge_observed(seen, str(path), declaration, known)
    return Audit(
        checked=_checked(findings, declaration, ignore),
        found=MappingProxyType(found),
        declared=MappingProxyType(
            {sdk: f.id for sdk, (_, f) in declaration.functions.items()}
        ),
        notes=tuple(gathered.tree.notes),
        skipped=tuple(sorted(gathered.tree.skipped)),
        unseen=gathered.code.unseen,
        files=gathered.tree.files,
    )


@frozen
class _Gathered:
    """
    All that is read of a project.
    """

    tree: Tree
    catalogue: Catalogue
    extent: Extent
    code: Code
    declared: Declared
    locked: Locked
    mobile: Mobile
    more: list[tuple[str, Evidence]] = field(factory=list)
    installed: list[Graph] = field(factory=list)

    @classmethod
    def of(
        cls, project: Path, catalogue: Catalogue, extent: Extent
    ) -> _Gathered:
        tree = Tree(project, extent.include)
        return cls(
            tree,
            catalogue,
            extent,
            Code(tree, catalogue),
            Declared(tree),
            Locked(tree),
            Mobile(tree),
        )

    def read(self, progress: Callable[[int, int], None]) -> None:
        self.declared.read_unpacked()
        wanted = [
            (path, read)
            for path in self.tree.walk()
            if (read := self._reader(path)) is not None
        ]
        for i, (path, read) in enumerate(wanted):
            if i % _STEP == 0:
                progress(i, len(wanted))
            read(path)
        progress(len(wanted), len(wanted))
        for folder in self.extent.wheelhouses:
            self.more.extend(wheelhouse(folder, self.tree, self.catalogue))
        for app in self.extent.apps:
            self.more.extend(
                classes_in(
                    app, self.tree, self.catalogue, self.extent.trackers
                )
            )
        if self.extent.site_packages:
            folders = list(self.extent.site_packages)
            self.installed.append(graph_of(folders, self.tree))

    def _reader(self, path: str) -> Callable[[str], None] | None:
        if path.endswith((".py", ".pyw", ".ipynb")):
            setup = self.declared.reader(path)
            return self._both(setup) if setup else self.code.read
        for room in (self.declared, self.locked, self.mobile):
            if read := room.reader(path):
                return read
        return None

    def _both(self, first: Callable[[str], None]) -> Callable[[str], None]:
        def read(path: str) -> None:
            first(path)
            self.code.read(path)

        return read

    def evidence(self) -> Iterator[tuple[str, Evidence]]:
        """
        Give what shows an SDK, with the id of it.
        """
        catalogue = self.catalogue
        for found in self.declared.found:
            for sdk in catalogue.of_distribution(found.name):
                yield sdk, found
        for kind, graphs in (
            ("lock", self.locked.graphs),
            ("installed", self.installed),
        ):
            for graph in graphs:
                for found in brought(
                    graph,
                    kind,
                    lambda name: bool(catalogue.of_distribution(name)),
                    self.declared.found,
                    self.declared.own,
                ):
                    for sdk in catalogue.of_distribution(found.name):
                        yield sdk, found
        for found in self.code.found:
            for sdk in catalogue.of_module(found.name):
                yield sdk, found
        for found in (*self.declared.gradle, *self.mobile.found):
            for sdk in catalogue.of_artefact(found.kind, found.name):
                yield sdk, found
        yield from self.more

    def told(self) -> Iterator[tuple[str, Evidence]]:
        """
        Give the same, and say where an entry is that of another SDK.
        """
        for sdk, found in self.evidence():
            entry = self.catalogue.entries.get(sdk)
            is_phone = found.kind in {"gradle", "pod", "swift", "class"}
            if is_phone and entry is not None and entry.package is not None:
                note = "the entry describes its library for Python"
                both = ", ".join(filter(None, (found.note, note)))
                yield sdk, evolve(found, note=both)
            else:
                yield sdk, found


def _by_sdk(gathered: _Gathered) -> dict[str, tuple[Evidence, ...]]:
    """
    Gather the evidence by SDK, the strongest first.

    The project itself may be an SDK, which then is no third party's.
    """
    found: dict[str, list[Evidence]] = defaultdict(list)
    itself = {
        sdk
        for name in gathered.declared.itself
        for sdk in gathered.catalogue.of_distribution(name)
    }
    for sdk in sorted(itself):
        gathered.tree.note(".", f"is itself {sdk!r}, which is not judged")
    for sdk, evidence in gathered.told():
        if sdk not in itself:
            found[sdk].append(evidence)
    for inner, evidence in list(_nested(found, gathered.catalogue.entries)):
        found[inner].append(evidence)
    return {
        sdk: tuple(dict.fromkeys(sorted(_narrowed(found[sdk]), key=_order)))
        for sdk in sorted(found)
    }


def _nested(
    found: Mapping[str, list[Evidence]], entries: Mapping[str, SDKEntry]
) -> Iterator[tuple[str, Evidence]]:
    """
    Give what comes along inside of another SDK, and shows nowhere else.
    """
    for entry in entries.values():
        for outer in {entry.parent, entry.host} & found.keys():
            if entry.id not in found:
                shown = min(found[outer], key=_order)
                yield (
                    entry.id,
                    evolve(shown, note=f"{entry.id!r} is inside of it"),
                )


def _narrowed(found: list[Evidence]) -> Iterator[Evidence]:
    """
    Let code count as optional where what it needs is required only so.
    """
    required = [e for e in found if e.kind in {"requirement", "lock"}]
    notes = [
        e.note
        for e in required
        # An extra of somebody else's wheel says nothing of the project.
        if e.scope is Scope.OPTIONAL and not e.file.endswith(".whl")
    ]
    is_near = any(e.scope in {Scope.RUN, Scope.BROUGHT} for e in required)
    for evidence in found:
        if (
            notes
            and not is_near
            and evidence.kind == "import"
            and evidence.scope in {Scope.RUN, Scope.REACHABLE}
        ):
            yield evolve(
                evidence, scope=Scope.OPTIONAL, note=f"required: {notes[0]}"
            )
        else:
            yield evidence


def _order(evidence: Evidence) -> tuple[int, int, str, int]:
    return (
        _SCOPES.index(evidence.scope),
        _KINDS.index(evidence.kind),
        evidence.file,
        evidence.line or 0,
    )


def _checked(
    findings: Iterable[AuditFinding],
    declaration: Declaration,
    ignore: Collection[str],
) -> Checked:
    ordered = sorted(
        findings,
        key=lambda f: (
            _SEVERITIES.index(f.severity),
            f.rule,
            f.file,
            f.line or 0,
        ),
    )
    return Checked(
        policy=declaration.policy,
        findings=Findings(f for f in ordered if f.rule not in ignore),
        ignored=Findings(f for f in ordered if f.rule in ignore),
    )
