# SPDX-License-Identifier: MIT
"""
The index of a folder with entries: that it was checked, and what it holds.

An index saves time and says nothing by itself. It is used only while the
folder holds the very files that it was made of, by their names, sizes and
times of change; every entry is still read, and checked, from its own file.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from attrs import frozen

from consentkit.registry.model import SDKEntry


__all__ = ["FolderIndex", "Listing", "index_of", "listing_of", "made_of"]

_SCHEMA: Final = 1
_MOST_BYTES: Final = 64 * 1024 * 1024
#: A file may change again within one tick of a clock of its file system.
_YOUNG_NANOSECONDS: Final = 2_000_000_000

logger: logging.Logger = logging.getLogger("consentkit")


@frozen
class Listing:
    """
    The files of a folder with entries, as they are now.

    Attributes:
        ids: Names of the files without ``.toml``, in their order.

        digest: Of all names, sizes and times of change.

        youngest: When the last of them was changed, in nanoseconds since
            1970.
    """

    ids: tuple[str, ...]
    digest: str
    youngest: int

    @property
    def is_settled(self) -> bool:
        """
        Whether another change of a file would show in its time.
        """
        return self.youngest < time.time_ns() - _YOUNG_NANOSECONDS


def listing_of(folder: Path) -> Listing:
    """
    List the entries' files of *folder*.

    Raises:
        OSError: If it cannot be looked into.
    """
    found = []
    with os.scandir(folder) as listed:
        for file in listed:
            # A link counts as what it leads to.
            if file.name[-5:] == ".toml" and file.name != ".toml":
                stat = file.stat()
                found.append((file.name, stat.st_size, stat.st_mtime_ns))
    found.sort()
    told = json.dumps(found, separators=(",", ":")).encode()
    return Listing(
        tuple(name[:-5] for name, _, _ in found),
        hashlib.sha256(told).hexdigest(),
        max((changed for _, _, changed in found), default=0),
    )


@frozen
class FolderIndex:
    """
    What a folder holds that was found free of faults.

    Attributes:
        names: By what the code of each SDK is known, by id: its modules,
            those that only wrap others, and its distributions. Without SDKs
            that have no code in Python.

        inside: The SDKs that come inside of another one, by the id of that.
    """

    names: Mapping[str, Sequence[Sequence[str]]]
    inside: Mapping[str, Sequence[str]]

    def write(
        self, path: Path, listing: Listing, shipped: Iterable[str]
    ) -> None:
        """
        Write it to *path*, as a whole or not at all.

        Where that fails, the folder is checked again the next time.

        Args:
            path: The file, whatever it held before.

            listing: Of the folder, from before its files were read.

            shipped: Ids of the shipped entries.
        """
        import tempfile

        told = {"names": self.names, "inside": self.inside}
        body = json.dumps(told, separators=(",", ":")).encode()
        head = _head(listing, shipped, body)
        try:
            number, name = tempfile.mkstemp(
                dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
            )
            temporary = Path(name)
            try:
                with os.fdopen(number, "wb") as stream:
                    stream.write(head + b"\n" + body)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        except OSError as error:
            logger.debug(
                "the index of a folder with SDK entries was not written",
                extra={"consentkit_error": type(error).__name__},
            )


def index_of(
    path: Path, listing: Listing, shipped: Iterable[str]
) -> FolderIndex | None:
    """
    Read the index at *path*, if it is one of these very files.

    Args:
        path: The file, which need not be there.

        listing: Of the folder, as it is now.

        shipped: Ids of the shipped entries.

    Returns:
        The index; ``None`` where there is none that fits.
    """
    raw = b""
    with suppress(OSError):
        # What is no plain file may never end.
        if path.is_file():
            with path.open("rb") as stream:
                raw = stream.read(_MOST_BYTES)
    head, _, body = raw.partition(b"\n")
    if not _rules() or head != _head(listing, shipped, body):
        return None
    # The head names the very bytes that were written here.
    return FolderIndex(**json.loads(body))


def made_of(entries: Mapping[str, SDKEntry]) -> FolderIndex:
    """
    Make the index of *entries*.
    """
    names: dict[str, Sequence[Sequence[str]]] = {}
    inside: dict[str, list[str]] = {}
    for sdk, entry in entries.items():
        if package := entry.package:
            names[sdk] = (
                package.imports,
                package.neutral,
                package.distributions,
            )
        for outer in dict.fromkeys((entry.parent, entry.host)):
            if outer:
                inside.setdefault(outer, []).append(sdk)
    return FolderIndex(names, inside)


def _head(listing: Listing, shipped: Iterable[str], body: bytes) -> bytes:
    """
    Say what an index rests on: other rules may know other faults.
    """
    ids = ",".join(sorted(shipped)).encode()
    head = {
        "schema": _SCHEMA,
        "rules": _rules(),
        "shipped": hashlib.sha256(ids).hexdigest(),
        "files": listing.digest,
        "body": hashlib.sha256(body).hexdigest(),
    }
    return json.dumps(head).encode()


@cache
def _rules() -> str:
    """
    Give the digest of what checks an entry: this package, as it is here.

    The version of the package would say less, and asking for it takes longer
    than all the rest.
    """
    here = Path(__file__).parent
    words = here.parent / "policy" / "data"
    files = sorted((*here.glob("*.py"), *words.glob("*.toml")))
    if not files:
        return ""  # a frozen app has no files of it: no index fits
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
