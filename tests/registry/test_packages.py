# SPDX-License-Identifier: MIT

"""
Tests that what the catalogue says of Python packages is what they hold.

They install the real packages into a folder, without running any of their
code, and look each fact up in the file that the entry names as its source.
`tox -e catalogue` runs them; ``CONSENTKIT_TESTS_CATALOGUE`` may name some
entries instead of all (``sentry,posthog``).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from attrs import frozen

from consentkit.registry import SDKEntry, load_registry


CHOSEN = os.environ.get("CONSENTKIT_TESTS_CATALOGUE", "")

pytestmark = pytest.mark.skipif(
    not CHOSEN, reason="installs many packages: `tox -e catalogue`"
)

#: Packages of more than 50 MB, which are looked up when they are named.
LARGE = frozenset({"ray", "semgrep"})

ENTRIES = {
    id_: entry
    for id_, entry in load_registry().items()
    if entry.package
    and (id_ in CHOSEN.split(",") or (CHOSEN == "all" and id_ not in LARGE))
}


@frozen
class Installed:
    """
    The files of one distribution, in a folder of its own.
    """

    folder: Path
    problem: str = ""

    def holds(self, text: str, source: str) -> bool:
        """
        Tell whether a file of it holds *text*.
        """
        path = self.folder / source
        return path.is_file() and text.encode() in path.read_bytes()


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Installed]]:
    """
    Every package of the catalogue, in the version that was read.
    """
    root = tmp_path_factory.mktemp("packages")

    def install(item: tuple[str, SDKEntry]) -> tuple[str, Installed]:
        id_, entry = item
        assert entry.package
        folder = root / id_
        name = f"{entry.package.distributions[0]}=={entry.package.version}"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        # A build would run code of the package.
        only = ["--only-binary", ":all:", "--no-compile"]
        done = subprocess.run(
            [*pip, *only, "--target", str(folder), name],
            check=False,
            capture_output=True,
            text=True,
        )
        return id_, Installed(folder, done.stderr if done.returncode else "")

    with ThreadPoolExecutor(4) as pool:
        yield dict(pool.map(install, ENTRIES.items()))


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
    assert len(ENTRIES) >= 15 or CHOSEN != "all"


def test_imports(entry: SDKEntry, files: Installed) -> None:
    """
    Every module that it is said to bring is there.
    """
    assert entry.package
    for module in entry.package.imports:
        path = files.folder / module.replace(".", "/")
        found = [*path.parent.glob(f"{path.name}.*")]
        assert path.is_dir() or found, module


def test_hosts(entry: SDKEntry, files: Installed) -> None:
    """
    Every host is named in the file that is its source.
    """
    for host in entry.hosts:
        # Of a family of names, the common end is what code holds.
        name = host.name.removeprefix("*.")
        if host.source:
            assert files.holds(name, host.source), (host.name, host.source)


def test_switches(entry: SDKEntry, files: Installed) -> None:
    """
    Every switch of its own is named in the file that is its source.
    """
    for switch in entry.switches:
        # The last word of ``acme.init(send=...)`` is what is looked up.
        name = re.findall(r"[A-Za-z_][A-Za-z0-9_]*", switch.name)[-1]
        assert files.holds(name, switch.source), (switch.name, switch.source)


def test_fields(entry: SDKEntry, files: Installed) -> None:
    """
    Every file that is to show a field is there.
    """
    for field in entry.fields:
        if field.source:
            assert (files.folder / field.source).is_file(), field.source


def test_facts_have_sources(entry: SDKEntry) -> None:
    """
    Every switch and field of a package says where it was read, and so does
    every host, unless it is of the operator's documentation.
    """
    assert all(switch.source for switch in entry.switches)
    assert all(field.source for field in entry.fields)
    for host in entry.hosts:
        assert host.source or host.note, host
