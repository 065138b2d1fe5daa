# SPDX-License-Identifier: MIT

"""
Tests for the public surface: what there is, where it lives, what it pulls in.
"""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import consentkit

from consentkit.consent import Consent


assert consentkit.__file__ is not None
SOURCE = Path(consentkit.__file__).parent

# Modules that decide or compute: values in, values out.
PURE = (
    "_mac.py",
    "anonymise/_fitness.py",
    "anonymise/_gates.py",
    "anonymise/_hidden.py",
    "anonymise/_lazy.py",
    "anonymise/_looks.py",
    "anonymise/_national.py",
    "anonymise/_numbers.py",
    "anonymise/_rule.py",
    "anonymise/_shared.py",
    "anonymise/_validators.py",
    "anonymise/buckets.py",
    "anonymise/classes.py",
    "anonymise/coordinates.py",
    "anonymise/digests.py",
    "anonymise/grid.py",
    "anonymise/identifiers.py",
    "anonymise/intents.py",
    "anonymise/naming.py",
    "anonymise/nested.py",
    "anonymise/noise.py",
    "anonymise/packs/__init__.py",
    "anonymise/packs/_names.py",
    "anonymise/packs/china.py",
    "anonymise/packs/eu.py",
    "anonymise/packs/international.py",
    "anonymise/packs/secrets.py",
    "anonymise/packs/uk.py",
    "anonymise/packs/us.py",
    "anonymise/response.py",
    "anonymise/scrub.py",
    "anonymise/series.py",
    "anonymise/strength.py",
    "anonymise/together.py",
    "consent/_layout.py",
    "consent/_said.py",
    "consent/age.py",
    "consent/core.py",
    "consent/merge.py",
    "consent/notice.py",
    "consent/signals.py",
    "consent/state.py",
    "gate.py",
    "ledger/_nodes.py",
    "ledger/_tables.py",
    "ledger/canonical.py",
    "ledger/checkpoint.py",
    "ledger/dpv.py",
    "ledger/drafts.py",
    "ledger/entries.py",
    "ledger/receipt.py",
    "ledger/tree.py",
    "ledger/verify.py",
    "limits.py",
    "policy/_differences.py",
    "policy/_judge.py",
    "policy/diff.py",
    "policy/document.py",
    "policy/fault.py",
    "policy/lint/_asking.py",
    "policy/lint/_claims.py",
    "policy/lint/_consent.py",
    "policy/lint/_dates.py",
    "policy/lint/_functions.py",
    "policy/lint/_needs.py",
    "policy/lint/_permissions.py",
    "policy/lint/_prose.py",
    "policy/lint/_references.py",
    "policy/lint/_retention.py",
    "policy/lint/_rights.py",
    "policy/lint/_sdks.py",
    "policy/lint/_sharing.py",
    "policy/lint/_words.py",
    "policy/lint/locate.py",
    "policy/lint/model.py",
    "policy/lint/rules.py",
    "policy/model.py",
    "policy/period.py",
    "policy/scope.py",
    "policy/tables.py",
    "registry/model.py",
    "typing.py",
    "why.py",
)

# The package's own words, and the engine that its patterns may run on: read
# once, and always the same. And what tells of rules that raise.
SHIPPED = frozenset(
    {"anonymise._failures", "anonymise._re2", "policy.vocabulary"}
)

# Nothing of these is needed to decide.
IO = frozenset(
    {
        "asyncio",
        "builtins",
        "ctypes",
        "fcntl",
        "getpass",
        "glob",
        "http",
        "httpx",
        "httpx2",
        "importlib",
        "io",
        "locale",
        "logging",
        "mmap",
        "multiprocessing",
        "os",
        "pathlib",
        "platform",
        "platformdirs",
        "psutil",
        "pty",
        "random",
        "resource",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    }
)
CALLS = frozenset({"open", "print", "input", "exec", "eval", "__import__"})
CLOCKS = frozenset({"now", "utcnow", "today"})


def public_modules() -> Iterator[str]:
    """
    Name every module whose path has no private part.
    """
    for file in sorted(SOURCE.rglob("*.py")):
        parts = file.relative_to(SOURCE.parent).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if not any(part.startswith("_") for part in parts):
            yield ".".join(parts)


MODULES = tuple(public_modules())
OURS = tuple(
    "consentkit." + f.as_posix().removesuffix(".py").replace("/", ".")
    for f in (file.relative_to(SOURCE) for file in SOURCE.rglob("*.py"))
)


def tree_of(file: str) -> ast.Module:
    """
    Parse a file of the package.
    """
    return ast.parse((SOURCE / file).read_text(encoding="utf-8"))


def checked_only() -> dict[str, str]:
    """
    Give the names that type checkers see in `consentkit`, and their homes.
    """
    found: dict[str, str] = {}
    for node in tree_of("__init__.py").body:
        if isinstance(node, ast.If):
            for line in ast.walk(node):
                if isinstance(line, ast.ImportFrom) and line.module:
                    found |= {a.name: line.module for a in line.names}
    return found


class TestFront:
    """
    Tests for the names of `consentkit` itself.
    """

    def test_all_is_what_there_is(self) -> None:
        """
        `__all__`, `dir` and what type checkers see are the same names.
        """
        assert dir(consentkit) == sorted(consentkit.__all__)
        assert {*checked_only(), "__version__"} == {*consentkit.__all__}
        assert len(consentkit.__all__) == len({*consentkit.__all__})

    def test_front_is_small(self) -> None:
        """
        A newcomer sees forty names at most.
        """
        assert len(consentkit.__all__) <= 40

    @pytest.mark.parametrize("name", consentkit.__all__)
    def test_name_is_there_and_at_home(self, name: str) -> None:
        """
        Each name can be imported, and is the one that checkers see.
        """
        value = getattr(consentkit, name)
        if name == "__version__":
            assert isinstance(value, str)
            return
        home = checked_only()[name]
        assert value is getattr(import_module(home), name)
        assert value.__module__ == home
        assert name in import_module(home).__all__

    def test_star_import_gives_the_front(self) -> None:
        """
        Even a star import finds every name.
        """
        space: dict[str, object] = {}
        exec("from consentkit import *", space)

        assert space.keys() >= {*consentkit.__all__}

    def test_unknown_name_is_an_attribute_error(self) -> None:
        """
        A name that there is not is named in the error.
        """
        with pytest.raises(AttributeError, match="no attribute 'Permitt'"):
            consentkit.Permitt  # type: ignore[attr-defined] # noqa: B018


class TestModules:
    """
    Tests for every public module.
    """

    @pytest.mark.parametrize("name", MODULES)
    def test_says_what_is_public(self, name: str) -> None:
        """
        Each public module has an `__all__` of names that are there, none
        of them private and none twice.
        """
        module = import_module(name)
        names = module.__all__

        assert len(names) == len({*names})
        for one in names:
            assert hasattr(module, one)
            assert not one.startswith("_") or one == "__version__"

    @pytest.mark.parametrize("name", MODULES)
    def test_says_what_it_is_for(self, name: str) -> None:
        """
        Each public module, and each public class and function of it, has a
        docstring.
        """
        module = import_module(name)
        assert module.__doc__
        for one in module.__all__:
            value = getattr(module, one)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert value.__doc__, one

    @pytest.mark.parametrize(
        "name",
        [
            name
            for name in MODULES
            if (SOURCE.parent / Path(*name.split("."))).is_dir()
            and name not in {"consentkit", "consentkit.cli"}
        ],
    )
    def test_package_says_all_that_it_gathers(self, name: str) -> None:
        """
        What a room imports to be found there is in its `__all__`.
        """
        file = Path(*name.split(".")[1:]) / "__init__.py"
        gathered = {
            alias.asname or alias.name
            for node in tree_of(str(file)).body
            if isinstance(node, ast.ImportFrom)
            and f"{node.module}.".startswith(f"{name}.")
            and "._" not in (node.module or "")
            for alias in node.names
        }

        assert gathered <= {*import_module(name).__all__}

    def test_acts_have_one_signature(self) -> None:
        """
        Saying yes, saying no and taking back are called alike; only a yes
        says more: that it is anew, and that it was no preselection.
        """
        grant, deny, withdraw = (
            [*inspect.signature(act).parameters.values()]
            for act in (Consent.grant, Consent.deny, Consent.withdraw)
        )

        assert deny == withdraw
        assert [p for p in grant if p in deny] == deny
        more = [p.name for p in grant if p not in deny]
        assert more == ["preselected", "renew"]


class TestExamples:
    """
    Tests for what type checkers look at: ``tests/typing``.
    """

    @pytest.mark.parametrize(
        "name",
        [
            name
            for name in MODULES
            if name == "consentkit"
            or name.startswith(("consentkit.collectors", "consentkit.testing"))
        ],
    )
    def test_use_each_name(self, name: str) -> None:
        """
        Each public name of the front, of the collectors and of what tests
        them is used there, not merely imported.
        """
        used = {
            node.id if isinstance(node, ast.Name) else node.attr
            for file in (Path(__file__).parent / "typing").glob("*.py")
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Name | ast.Attribute)
        }

        assert {*import_module(name).__all__} - used == set()


class TestPure:
    """
    Tests that what decides does no input or output.
    """

    @pytest.mark.parametrize("file", PURE)
    def test_imports_no_io(self, file: str) -> None:
        """
        No module of I/O is imported, not even inside a function; and none
        of our own that is not pure itself.
        """
        ours = {
            f.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for f in PURE
        }
        for name in _imports(file):
            top, _, rest = name.partition(".")
            assert top not in IO, name
            if top == "consentkit":
                allowed = {"exceptions", *SHIPPED, *ours}
                assert rest in allowed, name

    @pytest.mark.parametrize("file", PURE)
    def test_asks_nothing_from_outside(self, file: str) -> None:
        """
        No file is opened, nothing is printed, and no clock is read.
        """
        for node in ast.walk(tree_of(file)):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name):
                assert node.func.id not in CALLS
            if isinstance(node.func, ast.Attribute):
                assert node.func.attr not in CLOCKS


def _imports(file: str) -> Iterator[str]:
    """
    Name what a module imports, but for what only type checkers read.
    """
    room = ".".join(["consentkit", *Path(file).parts[:-1]])
    waiting: list[ast.AST] = [tree_of(file)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            if node.level and node.module is None:
                yield from (f"{room}.{alias.name}" for alias in node.names)
            else:
                home = f"{room}." * bool(node.level) + str(node.module)
                names = [f"{home}.{alias.name}" for alias in node.names]
                modules = {*names} & {*OURS}
                yield from modules or [home]
        waiting += ast.iter_child_nodes(node)


class TestImport:
    """
    Tests for what importing costs the host.
    """

    def _run(self, code: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert ran.stderr == ""
        return ran.stdout

    def _loaded(self, code: str) -> set[str]:
        before = "import sys; before = set(sys.modules)"
        after = "print(*(set(sys.modules) - before))"
        return set(self._run(f"{before}; {code}; {after}").split())

    def test_is_light(self) -> None:
        """
        `import consentkit` loads no library and none of its own rooms.
        """
        loaded = self._loaded("import consentkit")

        for name in (
            "asyncio",
            "attrs",
            "cattrs",
            "cryptography",
            "httpx",
            "httpx2",
            "logging",
            "platformdirs",
            "socket",
            "sqlite3",
            "ssl",
            "subprocess",
            "threading",
        ):
            assert name not in loaded
        assert {n for n in loaded if n.startswith("consentkit")} == {
            "consentkit"
        }

    def test_front_needs_no_network(self) -> None:
        """
        Deciding and choosing load no HTTP client and no event loop.
        """
        loaded = self._loaded(
            "import consentkit; consentkit.Kit; consentkit.Status"
        )

        assert "consentkit.kit" in loaded
        for name in ("httpx", "httpx2", "asyncio", "ssl", "cryptography"):
            assert name not in loaded

    def test_starts_no_thread(self) -> None:
        """
        No module of the package starts anything when it is imported.
        """
        skipped = ("consentkit.cli", "consentkit.receiver")
        names = [n for n in MODULES if not n.startswith(skipped)]
        count = "print(threading.active_count())"
        assert self._run(f"import {', '.join(names)}, threading; {count}") == (
            "1\n"
        )
