# SPDX-License-Identifier: MIT
"""
Which distributions does a project ask for? Its files are read, never run.
"""

from __future__ import annotations

import ast
import configparser
import re
import tomllib

from collections.abc import Callable, Iterator, Mapping
from email.parser import HeaderParser
from pathlib import PurePosixPath
from typing import Any, Final

from attrs import define, field

from consentkit.policy._depth import check_depth
from consentkit.policy.lint.locate import line_of, locate
from consentkit.registry.audit.catalogue import normal
from consentkit.registry.audit.model import Evidence, Scope
from consentkit.registry.audit.tree import Tree, scope_of


__all__ = ["Declared", "of_extra", "requirement"]

_REQUIREMENT: Final = re.compile(
    r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*"
    r"(?:\[[^\]]*\])?\s*(?:$|[@(<>=!~;,])"
)
_EXTRA: Final = re.compile(r"\bextra\s*==\s*['\"]([^'\"]+)")
_MAKING: Final = re.compile(
    r"(?:^|[-_.\s])(?:all-?dev|bench\w*|build|ci|cov\w*|dev\w*|docs?"
    r"|examples?|lint\w*|mypy|pre-?commit|release|test\w*|tool\w*|typ(?:es?"
    r"|ing))(?:$|[-_.\s\d])",
    re.IGNORECASE,
)
# What a link to a repository is called.
_EGG: Final = re.compile(r"[#&]egg=([A-Za-z0-9._-]{1,200})")
_CONDA_ITEM: Final = re.compile(
    r"(?P<blank> *)- +['\"]?(?:[\w./-]+::)?(?P<name>[\w.-]+)"
)
_MOST_INCLUDES: Final = 1_000
_MOST_TEXT: Final = 1_000


def requirement(text: str) -> tuple[str, str] | None:
    """
    Give the name of what is required and its condition, maybe empty.

    Source: PEP 508.
    """
    # A longer one was not written for pip, and would cost time.
    text = text[:_MOST_TEXT]
    match = _REQUIREMENT.match(text)
    if match is None:
        return None
    _, _, marker = text.partition(";")
    return normal(match[1]), " ".join(marker.split("#")[0].split())


def of_extra(marker: str) -> tuple[Scope, str] | None:
    """
    Tell whom the extra of a condition is for, and give the words for that;
    ``None`` if the condition names no extra.
    """
    extra = _EXTRA.search(marker)
    return _of_group(extra[1], Scope.OPTIONAL) if extra else None


@define
class Declared:
    """
    Reads the files in which a project asks for distributions.

    Attributes:
        tree: The project.

        found: Every requirement so far, of SDKs or not.

        own: Names of the project's own distributions, also of those in
            folders below.

        itself: Names of what the whole project is.

        gradle: Coordinates that are asked for in files of Python's tools.
    """

    tree: Tree
    found: list[Evidence] = field(factory=list)
    own: set[str] = field(factory=set)
    itself: set[str] = field(factory=set)
    gradle: list[Evidence] = field(factory=list)
    _read: set[tuple[str, Scope]] = field(init=False, factory=set)

    def reader(self, path: str) -> Callable[[str], None] | None:
        """
        Give what reads the file, or ``None`` if it is none of these.
        """
        pure = PurePosixPath(path)
        match pure.name.lower():
            case "pyproject.toml":
                return self._pyproject
            case "setup.cfg":
                return self._setup_cfg
            case "setup.py":
                return self._setup_py
            case "pipfile":
                return self._pipfile
            case "buildozer.spec":
                return self._buildozer
            case "environment.yml" | "environment.yaml":
                return self._conda
        if pure.suffix in {".txt", ".in"} and (
            "requirements" in pure.stem.lower()
            or pure.parent.name.lower() in {"requirements", "reqs"}
        ):
            return self._requirements
        return None

    def _add(
        self,
        text: object,
        path: str,
        *,
        line: int | None = None,
        scope: Scope = Scope.RUN,
        note: str = "",
        chain: tuple[str, ...] = (),
    ) -> None:
        parsed = requirement(text) if isinstance(text, str) else None
        if parsed is None:
            return
        name, marker = parsed
        if asked := of_extra(marker):
            scope, note = asked
        elif marker:
            note = ", ".join(filter(None, (note, f"only where {marker}")))
        if chain and scope is Scope.RUN:
            scope = Scope.BROUGHT
        near, words = scope_of(path)
        if near is Scope.DEVELOPMENT and not path.endswith("setup.py"):
            scope, note = near, ", ".join(filter(None, (words, note)))
        self.found.append(
            Evidence(
                kind="requirement",
                name=name,
                file=path,
                line=line,
                scope=scope,
                note=note,
                chain=chain,
            )
        )

    def read_unpacked(self) -> None:
        """
        Learn what the project is and asks for if it is an archive that was
        unpacked: then only the metadata of the build say so.
        """
        root = self.tree.root
        found = [*root.glob("*.dist-info/METADATA"), *root.glob("PKG-INFO")]
        # Of several, each is installed beside the others.
        if len(found) == 1:
            path = found[0].relative_to(root).as_posix()
            self.tree.guard(path, lambda text: self._metadata_text(path, text))

    def _metadata_text(self, path: str, text: str) -> None:
        told = HeaderParser().parsestr(text)
        if name := told.get("Name"):
            self._add_own("", name)
        lines = text.splitlines()
        for item in told.get_all("Requires-Dist", []):
            whole = f"Requires-Dist: {item}"
            line = lines.index(whole) + 1 if whole in lines else None
            self._add(str(item), path, line=line)

    def _add_own(self, path: str, name: str) -> None:
        self.own.add(normal(name))
        # Of a copy of an SDK in a folder below, the project is the user.
        if "/" not in path:
            self.itself.add(normal(name))

    def _pyproject(self, path: str) -> None:
        self.tree.guard(path, lambda text: self._pyproject_text(path, text))

    def _pyproject_text(self, path: str, text: str) -> None:
        check_depth(text)
        document = tomllib.loads(text)
        lines = locate(text)

        def add(
            place: str, items: object, scope: Scope = Scope.RUN, note: str = ""
        ) -> None:
            for key, item in _items(items):
                self._add(
                    item,
                    path,
                    line=line_of(f"{place}{key}", lines),
                    scope=scope,
                    note=note,
                )

        project = _table(document, "project")
        tools = _table(document, "tool")
        poetry = _table(tools, "poetry")
        for table in (project, poetry):
            if isinstance(table.get("name"), str):
                self._add_own(path, table["name"])
        add("$.project.dependencies", project.get("dependencies"))
        for group, items in _table(project, "optional-dependencies").items():
            place = f"$.project.optional-dependencies.{group}"
            add(place, items, *_of_group(group, Scope.OPTIONAL))
        making = Scope.DEVELOPMENT
        for group, items in _table(document, "dependency-groups").items():
            place = f"$.dependency-groups.{group}"
            add(place, items, making, f"group {group!r}")
        system = _table(document, "build-system")
        add("$.build-system.requires", system.get("requires"), making, "build")
        for tool in ("pdm", "uv"):
            groups = _table(tools, tool).get("dev-dependencies")
            if isinstance(groups, list):
                groups = {"": groups}
            for group, items in _table({"": groups}, "").items():
                step = f".{group}" if group else ""
                place = f"$.tool.{tool}.dev-dependencies{step}"
                add(place, items, making, "for development")
        for name, env in _table(_table(tools, "hatch"), "envs").items():
            for key in ("dependencies", "extra-dependencies"):
                place = f"$.tool.hatch.envs.{name}.{key}"
                items = _table({"": env}, "").get(key)
                add(place, items, making, f"environment {name!r}")
        self._poetry(path, poetry, add)
        self._briefcase(path, _table(tools, "briefcase"), lines)

    def _poetry(
        self,
        path: str,
        poetry: Mapping[str, Any],
        add: Callable[..., None],
    ) -> None:
        del path
        making = Scope.DEVELOPMENT
        extras = {
            normal(name): extra
            for extra, names in _table(poetry, "extras").items()
            if isinstance(names, list)
            for name in names
            if isinstance(name, str)
        }
        for name, spec in _table(poetry, "dependencies").items():
            if name == "python":
                continue
            scope, note = Scope.RUN, ""
            if isinstance(spec, dict) and spec.get("optional") is True:
                extra = extras.get(normal(name), "")
                scope, note = _of_group(extra, Scope.OPTIONAL)
            add("$.tool.poetry.dependencies", {name: spec}, scope, note)
        add(
            "$.tool.poetry.dev-dependencies",
            _table(poetry, "dev-dependencies"),
            making,
            "for development",
        )
        for group, table in _table(poetry, "group").items():
            place = f"$.tool.poetry.group.{group}.dependencies"
            is_main = group == "main"
            add(
                place,
                _table({"": table}, "").get("dependencies"),
                Scope.RUN if is_main else making,
                "" if is_main else f"group {group!r}",
            )

    def _briefcase(
        self, path: str, briefcase: Mapping[str, Any], lines: Any
    ) -> None:
        """
        Read what an app asks for, also on one platform only.
        """
        tables = [("$.tool.briefcase", briefcase, "")]
        for app, table in _table(briefcase, "app").items():
            place = f"$.tool.briefcase.app.{app}"
            tables.append((place, _table({"": table}, ""), ""))
            tables += [
                (f"{place}.{key}", inner, f"on {key}")
                for key, inner in _table({"": table}, "").items()
                if isinstance(inner, dict)
            ]
        for place, table, note in tables:
            for key, item in _items(table.get("requires")):
                line = line_of(f"{place}.requires{key}", lines)
                self._add(item, path, line=line, note=note)
            for key, item in _items(table.get("test_requires")):
                self._add(
                    item,
                    path,
                    line=line_of(f"{place}.test_requires{key}", lines),
                    scope=Scope.DEVELOPMENT,
                    note="for tests",
                )
            name = "build_gradle_dependencies"
            for key, item in _items(table.get(name)):
                self._add_gradle(
                    item, path, line_of(f"{place}.{name}{key}", lines)
                )

    def _add_gradle(self, text: object, path: str, line: int | None) -> None:
        if isinstance(text, str) and text.count(":") >= 1:
            name = ":".join(text.strip().split(":")[:2])
            self.gradle.append(
                Evidence(kind="gradle", name=name, file=path, line=line)
            )

    def _setup_cfg(self, path: str) -> None:
        self.tree.guard(path, lambda text: self._setup_cfg_text(path, text))

    def _setup_cfg_text(self, path: str, text: str) -> None:
        config = _ini(text)
        if config.has_option("metadata", "name"):
            self._add_own(path, config["metadata"]["name"])
        making = Scope.DEVELOPMENT
        found: list[tuple[str, Scope, str]] = []
        for key, scope, note in (
            ("install_requires", Scope.RUN, ""),
            ("tests_require", making, "for tests"),
            ("setup_requires", making, "build"),
        ):
            if config.has_option("options", key):
                found.append((config["options"][key], scope, note))
        if config.has_section("options.extras_require"):
            found += [
                (value, *_of_group(extra, Scope.OPTIONAL))
                for extra, value in config["options.extras_require"].items()
            ]
        lines = _lines_of(text)
        for value, scope, note in found:
            for item in value.splitlines():
                line = lines.get(item.strip())
                self._add(item, path, line=line, scope=scope, note=note)

    def _setup_py(self, path: str) -> None:
        self.tree.guard(path, lambda text: self._setup_py_text(path, text))

    def _setup_py_text(self, path: str, text: str) -> None:
        """
        Read the literals that ``setup()`` is given, also by a plain name.
        """
        tree = ast.parse(text)
        values = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call):
                continue
            if getattr(call.func, "id", getattr(call.func, "attr", "")) != (
                "setup"
            ):
                continue
            for keyword in call.keywords:
                value = keyword.value
                if isinstance(value, ast.Name):
                    value = values.get(value.id, value)
                self._setup_keyword(path, keyword.arg, value)

    def _setup_keyword(
        self, path: str, key: str | None, value: ast.expr
    ) -> None:
        match key, value:
            case "name", ast.Constant(value=str(name)):
                self._add_own(path, name)
            case "install_requires", _:
                self._setup_list(path, value, Scope.RUN, "")
            case "tests_require", _:
                self._setup_list(path, value, Scope.DEVELOPMENT, "for tests")
            case "extras_require", ast.Dict(keys=keys, values=lists):
                for extra, items in zip(keys, lists, strict=True):
                    word = getattr(extra, "value", "")
                    scope, note = _of_group(str(word), Scope.OPTIONAL)
                    self._setup_list(path, items, scope, note)
            case (("install_requires" | "extras_require"), _):
                self.tree.note(path, f"{key} is computed: not read")

    def _setup_list(
        self, path: str, value: ast.expr, scope: Scope, note: str
    ) -> None:
        if not isinstance(value, ast.List | ast.Tuple):
            self.tree.note(path, "requirements are computed: not read")
            return
        for item in value.elts:
            if isinstance(item, ast.Constant):
                self._add(
                    item.value, path, line=item.lineno, scope=scope, note=note
                )

    def _pipfile(self, path: str) -> None:
        self.tree.guard(path, lambda text: self._pipfile_text(path, text))

    def _pipfile_text(self, path: str, text: str) -> None:
        check_depth(text)
        document = tomllib.loads(text)
        lines = locate(text)
        for table, items in document.items():
            if table in {"source", "requires", "scripts", "pipenv"}:
                continue
            is_run = table == "packages"
            for name in _table({"": items}, ""):
                self._add(
                    name,
                    path,
                    line=line_of(f"$.{table}.{name}", lines),
                    scope=Scope.RUN if is_run else Scope.DEVELOPMENT,
                    note="" if is_run else f"group {table!r}",
                )

    def _requirements(self, path: str) -> None:
        name = PurePosixPath(path).as_posix()
        tail = "/".join(PurePosixPath(name).parts[-2:])
        scope, note = Scope.RUN, ""
        if _MAKING.search(tail.replace("/", " ")):
            scope, note = Scope.DEVELOPMENT, "for development"
        elif "option" in tail or "extra" in tail:
            scope, note = Scope.OPTIONAL, "optional"
        self._requirements_file(path, scope, note)

    def _requirements_file(self, path: str, scope: Scope, note: str) -> None:
        if (path, scope) in self._read or len(self._read) > _MOST_INCLUDES:
            return
        self._read.add((path, scope))
        text = self.tree.text(path)
        if text is None:
            return
        lines = text.splitlines()
        for number, line in _logical(lines):
            bare = re.split(r"(?:^|\s)#", line)[0].strip()
            if include := re.match(r"(?:-r|--requirement)[ =]*(\S+)", bare):
                inner = self._inside(path, include[1])
                if inner:
                    self._requirements_file(inner, scope, note)
            elif bare and (egg := _EGG.search(bare)):
                self._add(egg[1], path, line=number, scope=scope, note=note)
            elif bare and not bare.startswith("-"):
                bare = re.split(r"\s--?[a-z]", bare)[0]
                self._add(
                    bare,
                    path,
                    line=number,
                    scope=scope,
                    note=note,
                    chain=_via(lines, number),
                )

    def _inside(self, path: str, include: str) -> str | None:
        """
        Give the path of an included file, unless it lies outside.
        """
        root = self.tree.root.resolve()
        try:
            found = (self.tree.root / path).parent.joinpath(include).resolve()
            return found.relative_to(root).as_posix()
        except (OSError, ValueError, RuntimeError):
            self.tree.note(path, "includes a file out of the project")
            return None

    def _buildozer(self, path: str) -> None:
        self.tree.guard(path, lambda text: self._buildozer_text(path, text))

    def _buildozer_text(self, path: str, text: str) -> None:
        config = _ini(text)
        if not config.has_section("app"):
            return
        app = config["app"]
        lines = _lines_of(text)
        line = lines.get("requirements")
        for item in re.split(r"[,\n]", app.get("requirements", "")):
            self._add(item, path, line=line)
        key = "android.gradle_dependencies"
        for item in re.split(r"[,\n]", app.get(key, "")):
            self._add_gradle(item.strip(" '\""), path, lines.get(key))

    def _conda(self, path: str) -> None:
        self.tree.guard(path, lambda text: self._conda_text(path, text))

    def _conda_text(self, path: str, text: str) -> None:
        """
        Read the plain form that tools write; anything else is noted.
        """
        is_inside = is_partly = False
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(r"dependencies\s*:", line):
                is_inside, is_partly = True, not line.rstrip().endswith(":")
            elif re.match(r"\S", line) and not line.startswith(("-", "#")):
                is_inside = False
            elif is_inside and (item := _CONDA_ITEM.match(line)):
                if not line.rstrip().endswith(":"):
                    self._add(item["name"], path, line=number)
            elif is_inside and line.split("#")[0].strip():
                is_partly = True
        if is_partly:
            self.tree.note(path, "is not in the plain form: read in part")


def _of_group(group: str, scope: Scope) -> tuple[Scope, str]:
    """
    Tell whom a group of requirements is for, and give the words for that.
    """
    note = f"extra {group!r}" if group else "optional"
    is_making = bool(group and _MAKING.search(group))
    return (Scope.DEVELOPMENT if is_making else scope), note


def _table(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _items(value: object) -> Iterator[tuple[str, object]]:
    """
    Give the items of a list, or the keys of a table, with their places.
    """
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield f"[{i}]", item
    elif isinstance(value, dict):
        for key, spec in value.items():
            marker = spec.get("markers") if isinstance(spec, dict) else None
            text = f"{key}; {marker}" if isinstance(marker, str) else key
            yield f".{key}", text


def _ini(text: str) -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(text)
    except configparser.Error as error:
        problem = str(type(error).__name__)
    else:
        return config
    raise ValueError(problem)


def _lines_of(text: str) -> dict[str, int]:
    """
    Give the line of each whole line, and of each key with a value.
    """
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        found.setdefault(line.strip(), number)
        key, is_pair, _ = line.partition("=")
        if is_pair:
            found.setdefault(key.strip(), number)
    return found


def _logical(lines: list[str]) -> Iterator[tuple[int, str]]:
    """
    Join lines that go on after a backslash.
    """
    text, first = "", 0
    for number, line in enumerate(lines, 1):
        first = first or number
        if line.endswith("\\"):
            text += line[:-1] + " "
            continue
        yield first, text + line
        text, first = "", 0
    if text:
        yield first, text


def _via(lines: list[str], number: int) -> tuple[str, ...]:
    """
    Give who asks for what is at a line, as pip-tools and uv note it.
    """
    names: list[str] = []
    start = number - 1
    while start < len(lines) - 1 and lines[start].endswith("\\"):
        start += 1
    inline = lines[start].partition("# via ")[2]
    if inline:
        names = inline.split(",")
    else:
        for line in lines[start + 1 :]:
            comment = line.strip()
            if not line[:1].isspace() or not comment.startswith("#"):
                break
            names.append(comment.lstrip("# ").removeprefix("via").strip())
    names = [name.strip() for name in names if name.strip()]
    # A file that asks for it, or the project itself, is no other's doing.
    if not names or any("(" in name or name[0] == "-" for name in names):
        return ()
    parsed = requirement(names[0])
    return (parsed[0],) if parsed else ()
