# SPDX-License-Identifier: MIT
"""
Which distributions came along? Lock files, and what asks for what in them.
"""

from __future__ import annotations

import json
import re
import tomllib

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from attrs import define, field, frozen

from consentkit.policy._depth import check_depth
from consentkit.registry.audit.catalogue import normal
from consentkit.registry.audit.declared import requirement
from consentkit.registry.audit.model import Evidence, Scope
from consentkit.registry.audit.tree import Tree, scope_of


__all__ = ["Graph", "Locked", "brought"]

_NAME: Final = re.compile(
    r"\s*(?:name\s*=\s*\"([A-Za-z0-9._-]+)\"|\"([A-Za-z0-9._-]+)\"\s*:\s*\{)"
)
# Of a project with a thousand dependencies it has some 10 MB.
_MOST_BYTES: Final = 32 * 1024 * 1024
_ORDER: Final = tuple(Scope)


@frozen
class Graph:
    """
    What is installed together, and who asks for whom.

    Attributes:
        file: The lock file, or the folder of what is installed.

        lines: Line by distribution; 0 where there is none.

        asks: Names of what each distribution asks for.

        development: What is locked for development only.
    """

    file: str
    lines: Mapping[str, int]
    asks: Mapping[str, frozenset[str]]
    development: frozenset[str] = frozenset()


@define
class Locked:
    """
    Reads lock files.

    Attributes:
        tree: The project.

        graphs: One for each file so far.
    """

    tree: Tree
    graphs: list[Graph] = field(factory=list)

    def reader(self, path: str) -> Callable[[str], None] | None:
        """
        Give what reads the file, or ``None`` if it is none of these.
        """
        name = PurePosixPath(path).name
        if name in {"poetry.lock", "uv.lock", "pdm.lock"}:
            return self._toml
        if re.fullmatch(r"pylock\.(?:[\w-]+\.)?toml", name):
            return self._toml
        return self._pipfile if name == "Pipfile.lock" else None

    def _toml(self, path: str) -> None:
        self.tree.guard(
            path, lambda text: self._toml_text(path, text), _MOST_BYTES
        )

    def _toml_text(self, path: str, text: str) -> None:
        check_depth(text)
        document = tomllib.loads(text)
        packages = document.get("package", document.get("packages"))
        if not isinstance(packages, list):
            if packages is not None:
                self.tree.note(path, "is no lock file of a known form")
            return
        asks: dict[str, set[str]] = {}
        for package in packages:
            if isinstance(package, dict) and isinstance(
                package.get("name"), str
            ):
                found = asks.setdefault(normal(package["name"]), set())
                found.update(_asked(package))
        self._put(path, text, asks)

    def _pipfile(self, path: str) -> None:
        self.tree.guard(
            path, lambda text: self._pipfile_text(path, text), _MOST_BYTES
        )

    def _pipfile_text(self, path: str, text: str) -> None:
        document = json.loads(text)
        tables = {
            key: {normal(name) for name in document.get(key) or {}}
            for key in ("default", "develop")
        }
        self._put(
            path,
            text,
            {name: set() for names in tables.values() for name in names},
            tables["develop"] - tables["default"],
        )

    def _put(
        self,
        path: str,
        text: str,
        asks: Mapping[str, set[str]],
        development: Iterable[str] = (),
    ) -> None:
        lines = dict.fromkeys(asks, 0)
        for number, line in enumerate(text.splitlines(), 1):
            if match := _NAME.match(line):
                name = normal(match[1] or match[2])
                if not lines.get(name, 1):
                    lines[name] = number
        self.graphs.append(
            Graph(
                path,
                lines,
                {name: frozenset(found) for name, found in asks.items()},
                frozenset(development),
            )
        )


def _asked(package: Mapping[str, Any]) -> Iterator[str]:
    """
    Give the names of what a locked package asks for, in any of the forms.
    """
    groups = package.get("optional-dependencies")
    lists = [package.get("dependencies")]
    if isinstance(groups, dict):
        lists += groups.values()
    for found in lists:
        for item in found if isinstance(found, list | dict) else ():
            name = item.get("name") if isinstance(item, dict) else item
            parsed = requirement(name) if isinstance(name, str) else None
            if parsed is not None:
                yield parsed[0]


def brought(
    graph: Graph,
    kind: Any,
    wanted: Callable[[str], bool],
    requirements: Iterable[Evidence],
    own: Iterable[str],
) -> Iterator[Evidence]:
    """
    Tell by which chain each distribution of *graph* came in.

    Args:
        graph: What is locked or installed.

        kind: Of the evidence.

        wanted: Which distributions to tell of.

        requirements: What the project asks for.

        own: Names of the project's own distributions.
    """
    reached = _reach(graph, list(requirements), own)
    near, words = scope_of(graph.file)
    for name, line in graph.lines.items():
        if not wanted(name):
            continue
        scope, chain = reached.get(name, (Scope.BROUGHT, ()))
        note = "" if name in reached else "nothing that was read asks for it"
        if name in graph.development:
            scope, note = Scope.DEVELOPMENT, "for development"
        if near is Scope.DEVELOPMENT:
            scope, note = near, words
        yield Evidence(
            kind=kind,
            name=name,
            file=graph.file,
            line=line or None,
            scope=scope,
            note=note,
            chain=chain,
        )


def _reach(
    graph: Graph, requirements: list[Evidence], own: Iterable[str]
) -> dict[str, tuple[Scope, tuple[str, ...]]]:
    """
    Walk from the project's requirements, those of the app itself first.
    """
    reached: dict[str, tuple[Scope, tuple[str, ...]]] = {}
    folder = PurePosixPath(graph.file).parent
    beside = [
        r for r in requirements if PurePosixPath(r.file).parent == folder
    ] or requirements
    for scope in _ORDER:
        roots = {r.name for r in beside if r.scope is scope and not r.chain}
        if scope is Scope.RUN:
            for name in own:
                roots |= graph.asks.get(name, frozenset())
        waiting: deque[tuple[str, tuple[str, ...]]] = deque()
        waiting += ((name, ()) for name in sorted(roots))
        while waiting:
            name, chain = waiting.popleft()
            if name in reached or name not in graph.lines:
                continue
            is_near = not chain or scope is not Scope.RUN
            reached[name] = (scope if is_near else Scope.BROUGHT, chain)
            waiting += (
                (asked, (name, *chain)) for asked in sorted(graph.asks[name])
            )
    return reached
