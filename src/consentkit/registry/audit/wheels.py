# SPDX-License-Identifier: MIT
"""
What is in a folder of wheels and source archives?

A wheel is a ZIP file with a list of what is in it: an SDK that was copied
into another's wheel is found as well.
"""

from __future__ import annotations

import re
import zipfile

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from consentkit.registry.audit.catalogue import Catalogue, normal
from consentkit.registry.audit.model import Evidence
from consentkit.registry.audit.tree import Tree


__all__ = ["wheelhouse"]

_SOURCE: Final = re.compile(r"(.+)-(?:v?\d[^-]*)\.(?:tar\.\w+|tgz|zip)")
_MOST_MEMBERS: Final = 200_000


def wheelhouse(
    folder: Path, tree: Tree, catalogue: Catalogue
) -> Iterator[tuple[str, Evidence]]:
    """
    Tell which SDKs the archives of *folder* are or hold, by their ids.

    Raises:
        OSError: If the folder cannot be read.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix == ".whl":
            name = path.name.partition("-")[0]
        elif match := _SOURCE.fullmatch(path.name):
            name = match[1]
        else:
            continue
        tree.files += 1
        own = catalogue.of_distribution(name)
        for sdk in own:
            yield (
                sdk,
                Evidence(kind="wheel", name=normal(name), file=str(path)),
            )
        if path.suffix != ".whl":
            continue
        for module in sorted(_modules(path, tree, catalogue)):
            for sdk in catalogue.of_module(module):
                if sdk not in own:
                    yield (
                        sdk,
                        Evidence(
                            kind="wheel",
                            name=module,
                            file=str(path),
                            note=f"inside of {normal(name)}",
                        ),
                    )


def _modules(path: Path, tree: Tree, catalogue: Catalogue) -> set[str]:
    if not path.is_file():
        tree.note(str(path), "is no plain file")
        return set()
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        tree.note(str(path), "is no archive that can be read")
        return set()
    if len(names) > _MOST_MEMBERS:
        tree.note(str(path), f"holds more than {_MOST_MEMBERS} files")
    wanted = {f"{m.replace('.', '/')}/": m for m in catalogue.imports}
    found = set()
    for name in names[:_MOST_MEMBERS]:
        if not name.endswith(".py"):
            continue
        parts = name.removesuffix(".py").split("/")
        # It may lie in a folder of its own, such as that of vendored code.
        for start in range(min(len(parts), 6)):
            rest = "/".join(parts[start:]) + "/"
            for end in range(1, min(len(parts) - start, 4) + 1):
                head = "/".join(parts[start : start + end]) + "/"
                if head in wanted and (
                    start == 0 or rest == f"{head}__init__/"
                ):
                    found.add(wanted[head])
    return found
