# SPDX-License-Identifier: MIT
"""
What is installed beside a project, by what installers left behind.

No Python is started and nothing is imported: an environment is a folder.
"""

from __future__ import annotations

import sysconfig

from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from consentkit.registry.audit.catalogue import normal
from consentkit.registry.audit.declared import requirement
from consentkit.registry.audit.locked import Graph
from consentkit.registry.audit.tree import Tree


__all__ = ["graph_of", "site_packages_of", "these_site_packages"]


#: Files of a distribution that are read.
_TELLING: Final = ("METADATA", "PKG-INFO", "requires.txt")


def these_site_packages() -> list[Path]:
    """
    Give the folders of the Python that runs.
    """
    paths = sysconfig.get_paths()
    found = dict.fromkeys((paths["purelib"], paths["platlib"]))
    return [Path(path) for path in found]


def site_packages_of(python: Path) -> list[Path]:
    """
    Give the folders that belong to an interpreter or an environment.

    Args:
        python: The program, or the folder of an environment.

    Raises:
        ValueError: If there is none.
    """
    # The program of an environment is a link: the environment is around it.
    prefixes = [python] if python.is_dir() else [python.absolute().parents[1]]
    if not (prefixes[0] / "pyvenv.cfg").exists() and not python.is_dir():
        prefixes += python.resolve().parents[1:2]
    found = [
        path
        for prefix in prefixes
        for pattern in (
            "lib/python3*/site-packages",
            "lib64/python3*/site-packages",
            "lib/python3*/dist-packages",
            "lib/python3/dist-packages",
            "local/lib/python3*/dist-packages",
            "Lib/site-packages",
        )
        for path in sorted(prefix.glob(pattern))
        if path.is_dir()
    ]
    if not found:
        msg = f"{python}: no installed packages; name an environment's python"
        raise ValueError(msg)
    # One of them may be a link to another.
    return list({path.resolve(): path for path in reversed(found)}.values())[
        ::-1
    ]


def graph_of(folders: list[Path], tree: Tree) -> Graph:
    """
    Tell what is installed in *folders*, and who asks for whom.

    What asks only under an extra counts last, as one that may be meant.
    """
    asks: dict[str, set[str]] = {}
    usable = [str(path) for path in folders if not _notes_odd(path, tree)]
    for distribution in distributions(path=usable):
        name, asked = _read(distribution)
        if name:
            asks.setdefault(name, set()).update(asked)
        else:
            tree.note(str(folders[0]), "holds a distribution without a name")
    return Graph(
        str(folders[0]),
        dict.fromkeys(sorted(asks), 0),
        {name: frozenset(found) for name, found in asks.items()},
    )


def _notes_odd(folder: Path, tree: Tree) -> bool:
    """
    Tell whether *folder* holds what never ends in the place of a file that
    says what is installed; and say so.
    """
    for found in folder.glob("*.*-info"):
        for path in (found, *(found / name for name in _TELLING)):
            if path.exists() and not (path.is_file() or path.is_dir()):
                tree.note(
                    str(path), "is no plain file: its folder is not read"
                )
                return True
    return False


def _read(distribution: Distribution) -> tuple[str, set[str]]:
    try:
        names = distribution.metadata.get_all("Name") or [""]
        required = distribution.requires or []
    except (OSError, ValueError, TypeError, KeyError):
        return "", set()
    parsed = [requirement(text) for text in required]
    return normal(names[0]), {found[0] for found in parsed if found}
