# SPDX-License-Identifier: MIT
"""
What a build for phones asks for: Gradle, CocoaPods, Swift packages.

Build files are programs of other languages. Only literals are read, by their
form; what is computed is not seen.
"""

from __future__ import annotations

import json
import re
import tomllib

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Final

from attrs import define, field

from consentkit.policy._depth import check_depth
from consentkit.policy.lint.locate import line_of, locate
from consentkit.registry.audit.model import Evidence, Scope
from consentkit.registry.audit.tree import Tree, scope_of


__all__ = ["Mobile"]

_PART: Final = r"[A-Za-z0-9_][\w.-]{0,200}"
_COORDINATES: Final = re.compile(
    rf"[\"'](?P<group>{_PART}):(?P<name>{_PART})(?::[^\"'\s]*)?[\"']"
)
_NAMED: Final = re.compile(
    rf"group\s*[:=]\s*[\"'](?P<group>{_PART})"
    rf"[\"']\s*,\s*name\s*[:=]\s*[\"'](?P<name>{_PART})[\"']"
)
_WORD: Final = re.compile(r"\s*(\w*)")
_MOST_PINS: Final = 2_000
_MOST_LINE: Final = 2_000
_LOCKED: Final = re.compile(rf"({_PART}):({_PART}):[^=\s]+=(.*)")
_POD: Final = re.compile(r"\bpod\s*\(?\s*[\"']([\w+./-]{1,200})[\"']")
_POD_LOCKED: Final = re.compile(r"  - \"?([\w+./-]{1,200})(?: \(|\"?:?$)")
_POD_ASKED: Final = re.compile(
    r"\.(?:\w+\.)?dependency\s*\(?\s*[\"']([\w+./-]{1,200})[\"']"
)
_REPOSITORY: Final = re.compile(
    r"[/:]([\w.-]{1,100})/([\w.-]{1,100}?)(?:\.git)?/?$"
)
_COMMENT: Final = re.compile(r"^\s*(?://|\*|/\*|#)")


@define
class Mobile:
    """
    Reads the build files of apps for phones.

    Attributes:
        tree: The project.

        found: What they ask for, of SDKs or not.
    """

    tree: Tree
    found: list[Evidence] = field(factory=list)

    def reader(self, path: str) -> Callable[[str], None] | None:
        """
        Give what reads the file, or ``None`` if it is none of these.
        """
        name = PurePosixPath(path).name
        read: Callable[[str, str], None]
        if name.endswith((".gradle", ".gradle.kts")):
            read = self._gradle
        elif name.endswith(".versions.toml"):
            read = self._versions
        elif name.endswith("gradle.lockfile"):
            read = self._lockfile
        elif name == "Podfile":
            read = self._podfile
        elif name == "Podfile.lock":
            read = self._podfile_lock
        elif name.endswith(".podspec"):
            read = self._podspec
        elif name == "Package.resolved":
            read = self._resolved
        else:
            return None

        def read_path(path: str) -> None:
            self.tree.guard(path, lambda text: read(path, text))

        return read_path

    def _add(
        self,
        kind: str,
        name: str,
        path: str,
        line: int | None,
        *,
        is_test: bool = False,
        is_brought: bool = False,
    ) -> None:
        scope, note = scope_of(path)
        if scope is Scope.RUN and is_test:
            scope, note = Scope.DEVELOPMENT, "for tests"
        elif scope is Scope.RUN and is_brought:
            scope = Scope.BROUGHT
        self.found.append(
            Evidence(
                kind=kind,  # type: ignore[arg-type]
                name=name,
                file=path,
                line=line,
                scope=scope,
                note=note,
            )
        )

    def _gradle(self, path: str, text: str) -> None:
        for number, line in _code(text):
            first = _WORD.match(line)
            how = first[1].lower() if first else ""
            for form in (_COORDINATES, _NAMED):
                for match in form.finditer(line):
                    self._add(
                        "gradle",
                        f"{match['group']}:{match['name']}",
                        path,
                        number,
                        is_test="test" in how,
                    )

    def _versions(self, path: str, text: str) -> None:
        check_depth(text)
        document = tomllib.loads(text)
        lines = locate(text)
        for alias, spec in (document.get("libraries") or {}).items():
            if isinstance(spec, str):
                name = ":".join(spec.split(":")[:2])
            elif "module" in spec:
                name = str(spec["module"])
            else:
                name = f"{spec.get('group')}:{spec.get('name')}"
            line = line_of(f"$.libraries.{alias}", lines)
            self._add("gradle", name, path, line)

    def _lockfile(self, path: str, text: str) -> None:
        for number, line in enumerate(text.splitlines(), 1):
            if match := _LOCKED.fullmatch(line.strip()):
                configurations = match[3].split(",")
                self._add(
                    "gradle",
                    f"{match[1]}:{match[2]}",
                    path,
                    number,
                    is_test=all("test" in c.lower() for c in configurations),
                    is_brought=True,
                )

    def _podfile(self, path: str, text: str) -> None:
        for number, line in _code(text):
            for match in _POD.finditer(line):
                self._add("pod", match[1], path, number)

    def _podspec(self, path: str, text: str) -> None:
        for number, line in _code(text):
            for match in _POD_ASKED.finditer(line):
                is_test = ".test" in match[0]
                self._add("pod", match[1], path, number, is_test=is_test)

    def _podfile_lock(self, path: str, text: str) -> None:
        is_inside = False
        for number, line in enumerate(text.splitlines(), 1):
            if not line[:1].isspace() and line:
                is_inside = line.startswith("PODS:")
            elif is_inside and (match := _POD_LOCKED.match(line)):
                self._add("pod", match[1], path, number, is_brought=True)

    def _resolved(self, path: str, text: str) -> None:
        document = json.loads(text)
        pins = document.get("pins") or document.get("object", {}).get("pins")
        for pin in list(pins or ())[:_MOST_PINS]:
            url = str(pin.get("location") or pin.get("repositoryURL") or "")
            if match := _REPOSITORY.search(url):
                at = text.find(url)
                self._add(
                    "swift",
                    f"{match[1]}/{match[2]}".lower(),
                    path,
                    text.count("\n", 0, at) + 1 if at >= 0 else None,
                    is_brought=True,
                )


def _code(text: str) -> Iterator[tuple[int, str]]:
    """
    Give the lines, with their numbers, that are not comments as a whole;
    a run of blanks is one blank.
    """
    for number, line in enumerate(text.splitlines(), 1):
        # What is longer was not written by hand.
        if not _COMMENT.match(line) and len(line) < _MOST_LINE:
            yield number, " ".join(line.split())
