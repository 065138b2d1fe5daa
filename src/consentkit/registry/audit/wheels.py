# SPDX-License-Identifier: MIT
"""
What is in a folder of wheels and source archives?

A wheel is a ZIP file with a list of what is in it and of what it requires: an
SDK that was copied into another's wheel is found as well. A folder that only
has the name of an SDK is none: so are parts called that integrate one.
"""

from __future__ import annotations

import re
import zipfile
import zlib

from collections.abc import Iterable, Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Final

from attrs import frozen

from consentkit.registry.audit.catalogue import Catalogue, normal
from consentkit.registry.audit.declared import of_extra, requirement
from consentkit.registry.audit.model import Evidence, Scope
from consentkit.registry.audit.tree import Tree


__all__ = ["wheelhouse"]

_SOURCE: Final = re.compile(r"(.+)-(?:v?\d[^-]*)\.(?:tar\.\w+|tgz|zip)")
_METADATA: Final = re.compile(r"[^/]+\.dist-info/METADATA")
# What is installed beside the rest, from a folder of its own in the wheel.
_DATA: Final = re.compile(r"[^/]+\.data/(?:purelib|platlib)/")
_MOST_MEMBERS: Final = 200_000
_MOST_BYTES: Final = 4 * 1024 * 1024
#: Folders for copies of what others have made.
_FOR_COPIES: Final = frozenset(
    {
        "_bundled",
        "_extern",
        "_third_party",
        "_vendor",
        "_vendored",
        "bundled",
        "extern",
        "external",
        "externals",
        "packages",
        "third_party",
        "thirdparty",
        "thirdparty_files",
        "vendor",
        "vendored",
    }
)


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
        held = _read(path, tree) if path.suffix == ".whl" else None
        if held is None:
            continue
        found = [*_copies(held, catalogue, path, normal(name))]
        found += _required(held, catalogue, path, normal(name))
        yield from ((sdk, shown) for sdk, shown in found if sdk not in own)


@frozen
class _Held:
    """
    What a wheel says of itself.

    Attributes:
        names: Of its files.

        requires: What it asks for.
    """

    names: list[str]
    requires: list[str]


def _read(path: Path, tree: Tree) -> _Held | None:
    if not path.is_file():
        tree.note(str(path), "is no plain file")
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            text = ""
            for name in filter(_METADATA.fullmatch, names):
                with archive.open(name) as file:
                    text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    except (
        *(OSError, ValueError, RuntimeError, EOFError),
        *(zipfile.BadZipFile, zlib.error),
    ):
        tree.note(str(path), "is no archive that can be read")
        return None
    if len(names) > _MOST_MEMBERS:
        tree.note(str(path), f"holds more than {_MOST_MEMBERS} files")
    requires = HeaderParser().parsestr(text).get_all("Requires-Dist", [])
    return _Held(names[:_MOST_MEMBERS], [str(line) for line in requires])


def _copies(
    held: _Held, catalogue: Catalogue, path: Path, outer: str
) -> Iterator[tuple[str, Evidence]]:
    for module in sorted(_modules(held.names, catalogue)):
        for sdk in catalogue.of_module(module):
            note = f"inside of {outer}"
            yield (
                sdk,
                Evidence(kind="wheel", name=module, file=str(path), note=note),
            )


def _required(
    held: _Held, catalogue: Catalogue, path: Path, outer: str
) -> Iterator[tuple[str, Evidence]]:
    for line in held.requires:
        parsed = requirement(line)
        if parsed is None:
            continue
        name, marker = parsed
        scope, note = of_extra(marker) or (
            Scope.BROUGHT,
            f"only where {marker}" * bool(marker),
        )
        for sdk in catalogue.of_distribution(name):
            yield (
                sdk,
                Evidence(
                    kind="requirement",
                    name=name,
                    file=str(path),
                    scope=scope,
                    note=note,
                    chain=(outer,),
                ),
            )


def _modules(names: Iterable[str], catalogue: Catalogue) -> set[str]:
    """
    Give the modules of SDKs that lie at the top, or in a folder for copies.
    """
    wanted = {f"{m.replace('.', '/')}/": m for m in catalogue.imports}
    found = set()
    for name in names:
        if not name.endswith(".py"):
            continue
        parts = _DATA.sub("", name).removesuffix(".py").split("/")
        for start in range(min(len(parts), 6)):
            if start and parts[start - 1].lower() not in _FOR_COPIES:
                continue
            rest = "/".join(parts[start:]) + "/"
            for end in range(1, min(len(parts) - start, 4) + 1):
                head = "/".join(parts[start : start + end]) + "/"
                if head in wanted and (
                    start == 0 or rest == f"{head}__init__/"
                ):
                    found.add(wanted[head])
    return found
