# SPDX-License-Identifier: MIT

"""
Tests that what the catalogue says of Python packages is what they hold.

They install the real packages into a folder, without running any of their
code, and look each fact up in the file that the entry names as its source.
``CONSENTKIT_TESTS_CATALOGUE`` says which: ``light`` for some small ones
(`tox -e catalogue-light`), ``all`` (`tox -e catalogue`), or ids of entries
(``sentry,posthog``).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from attrs import frozen

from consentkit.registry import SDKEntry, load_registry


CHOSEN = os.environ.get("CONSENTKIT_TESTS_CATALOGUE", "")
# Read once: fixtures clean the environment around each test.
STRICT = os.environ.get("CONSENTKIT_TESTS_STRICT", "0") not in {"", "0"}

pytestmark = pytest.mark.skipif(
    not CHOSEN, reason="installs packages: `tox -e catalogue-light`"
)

#: Packages of more than 50 MB, which are looked up when they are named.
LARGE = frozenset({"ray", "semgrep"})

#: Small packages, of all kinds: each change is held against these.
LIGHT = frozenset(
    {
        *("airbrake", "amplitude", "axiom", "better_stack", "braze"),
        *("bugsnag", "configcat", "customerio", "devcycle", "elastic_apm"),
        *("flagsmith", "growthbook", "honeybadger", "honeycomb"),
        *("launchdarkly", "mixpanel", "opentelemetry", "optimizely"),
        *("raygun", "rollbar", "rudderstack", "scarf", "segment", "sentry"),
        *("snowplow", "statsig", "unleash"),
    }
)

_NO_NETWORK = re.compile(
    r"ConnectionError|NewConnectionError|Temporary failure in name|timed out"
    r"|Name or service not known|Network is unreachable"
)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _chosen(id_: str) -> bool:
    if CHOSEN == "all":
        return id_ not in LARGE
    return id_ in (LIGHT if CHOSEN == "light" else CHOSEN.split(","))


ENTRIES = {
    id_: entry
    for id_, entry in load_registry().items()
    if entry.package and _chosen(id_)
}


@frozen
class Installed:
    """
    The files of the distributions of one entry, each in its own folder.

    Attributes:
        folders: By distribution, the first one first.

        problem: Why they are not there, or empty.
    """

    folders: Mapping[str, Path]
    problem: str = ""

    def file(self, source: str) -> Path:
        """
        Give the file that is meant by *source*.
        """
        name, _, path = source.rpartition(":")
        first = next(iter(self.folders))
        return self.folders[name or first] / path

    def holds(self, text: str, source: str) -> bool:
        """
        Tell whether a file of it holds *text*.
        """
        path = self.file(source)
        return path.is_file() and text.encode() in path.read_bytes()

    def module(self, name: str) -> Path | None:
        """
        Give the file, or the folder without one, of a module.
        """
        for folder in self.folders.values():
            path = folder / name.replace(".", "/")
            found = [path / "__init__.py", *path.parent.glob(f"{path.name}.*")]
            for one in found:
                if one.is_file():
                    return one
        for folder in self.folders.values():
            path = folder / name.replace(".", "/")
            if path.is_dir():
                return path
        return None


def _install(entry: SDKEntry, root: Path) -> Installed:
    assert entry.package
    first = f"{entry.package.distributions[0]}=={entry.package.version}"
    folders: dict[str, Path] = {}
    for name in (first, *entry.package.also_read):
        folder = root / entry.id / name.partition("==")[0]
        folders[folder.name] = folder
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        # A build would run code of the package.
        only = ["--only-binary", ":all:", "--no-compile", "--retries", "2"]
        done = subprocess.run(
            [*pip, *only, "--target", str(folder), name],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            return Installed(folders, done.stderr)
    return Installed(folders)


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Installed]:
    """
    Every package that was chosen, in the version that was read.
    """
    root = tmp_path_factory.mktemp("packages")
    entries = ENTRIES.values()
    with ThreadPoolExecutor(4) as pool:
        made = pool.map(lambda entry: _install(entry, root), entries)
        found = dict(zip(ENTRIES, made, strict=True))
    if all(_NO_NETWORK.search(one.problem) for one in found.values()):
        reason = "needs an index of packages, and the network does not answer"
        if STRICT:
            pytest.fail(f"{reason}, and CONSENTKIT_TESTS_STRICT is set")
        pytest.skip(reason)
    return found


@pytest.fixture(params=sorted(ENTRIES))
def entry(request: pytest.FixtureRequest) -> SDKEntry:
    """
    One entry after the other.
    """
    found: SDKEntry = ENTRIES[request.param]
    return found


@pytest.fixture
def files(entry: SDKEntry, installed: dict[str, Installed]) -> Installed:
    """
    The files of its package.
    """
    found = installed[entry.id]
    assert not found.problem, found.problem
    return found


def test_there_are_enough() -> None:
    """
    The catalogue is held against at least fifteen real packages.
    """
    assert len(ENTRIES) >= 15 or CHOSEN not in {"all", "light"}


def test_imports(entry: SDKEntry, files: Installed) -> None:
    """
    Every module that it is said to bring, or to wrap others with, is there.
    """
    assert entry.package
    top = {name.partition(".")[0] for name in entry.package.imports}
    # Others bring modules that only wrap, too.
    below = [
        name
        for name in entry.package.neutral
        if not name.startswith("opentelemetry.instrumentation")
    ]
    assert {name.partition(".")[0] for name in below} <= top
    for module in (*entry.package.imports, *below):
        assert files.module(module), module


def test_setup(entry: SDKEntry, files: Installed) -> None:
    """
    Every call that sets it up is named where the app finds it.
    """
    assert entry.package
    for call in entry.package.setup:
        module, names = call, list[str]()
        found = None
        while found is None or not found.is_file():
            module, _, name = module.rpartition(".")
            assert module, call
            names.insert(0, name)
            found = files.module(module)
        for name in names:
            # It may come by a star, or be inherited.
            made = re.compile(rf"(class|def) {name}\b|^{name} =", re.MULTILINE)
            assert re.search(rf"\b{name}\b", found.read_text("utf-8")) or any(
                made.search(file.read_text("utf-8", errors="replace"))
                for folder in files.folders.values()
                for file in folder.rglob("*.py*")
                if file.suffix in {".py", ".pyi"}
            ), call


def test_other_calls(entry: SDKEntry, files: Installed) -> None:
    """
    Every call that gives a handle, is given a default or ends it is defined
    in the package, and takes its arguments in the order that is named.
    """
    assert entry.package
    text = "\n".join(
        file.read_text("utf-8", errors="replace")
        for folder in files.folders.values()
        for file in folder.rglob("*.py*")
        if file.suffix in {".py", ".pyi"}
    )
    for name in (*entry.package.handles, *entry.package.ends):
        assert re.search(rf"def {name.rpartition('.')[2]}\(", text), name
    for default in entry.package.defaults:
        call, _, named = default.removesuffix(")").partition("(")
        name = re.split(r"[. ]", call)[-1]
        start = "async def" if call.startswith("async ") else "def"
        args = r"[^,()]*,\s*".join(named.split(", "))
        found = rf"{start} {name}\(\s*(self,\s*)?{args}\b"
        assert re.search(found, text), default


def test_queues(entry: SDKEntry, files: Installed) -> None:
    """
    Every queue is an attribute that a file of its package names.
    """
    assert entry.package
    for queue in entry.package.queues:
        module, _, name = queue.rpartition(".")
        class_ = ""
        while (found := files.module(module)) is None or found.is_dir():
            module, _, class_ = module.rpartition(".")
            assert module, queue
        text = found.read_text("utf-8")
        assert re.search(rf"class {class_}\b", text), queue
        assert re.search(rf"\b{name}\b", text), queue


def test_hosts(entry: SDKEntry, files: Installed) -> None:
    """
    Every host is named in the file that is its source.
    """
    for host in entry.hosts:
        # Of a family of names, the common end is what code holds.
        name = host.name.removeprefix("*.")
        if host.source and not host.source.startswith("https://"):
            assert files.holds(name, host.source), (host.name, host.source)


def test_switches(entry: SDKEntry, files: Installed) -> None:
    """
    Every switch of its own is named in the file that is its source.
    """
    for switch in entry.switches:
        # The last word of ``acme.init(send=...)`` is what is looked up.
        name = _WORD.findall(switch.name)[-1]
        assert files.holds(name, switch.source), (switch.name, switch.source)


def test_fields(entry: SDKEntry, files: Installed) -> None:
    """
    Every file that is to show a field is there.
    """
    for field in entry.fields:
        if field.source:
            assert files.file(field.source).is_file(), field.source


def test_facts_have_sources(entry: SDKEntry) -> None:
    """
    Every switch, field and host of a package says where it was read.
    """
    assert all(switch.source for switch in entry.switches)
    assert all(field.source for field in entry.fields)
    assert all(host.source for host in entry.hosts)
