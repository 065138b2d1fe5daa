# SPDX-License-Identifier: MIT
"""
Which classes are in a built app for Android?

An APK or AAB is a ZIP file with compiled code in ``classes.dex`` and more.
Of these only the tables of classes, types and strings are read: the names of
the classes that the code defines. Nothing is run or decompiled, and every
offset is checked before it is used.

Source: Android Open Source Project, "Dalvik Executable format": header_item,
class_def_item, type_id_item, string_id_item, string_data_item.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from consentkit.registry.audit.catalogue import Catalogue
from consentkit.registry.audit.model import Evidence
from consentkit.registry.audit.trackers import Tracker
from consentkit.registry.audit.tree import Tree


__all__ = ["class_names", "classes_in"]

_MAGIC: Final = b"dex\n"
_UINT: Final = struct.Struct("<I")
_HEADER_BYTES: Final = 0x70
_CLASS_BYTES: Final = 32
# A type is named by 16 bits.
_MOST_CLASSES: Final = 65_536
_LITTLE: Final = 0x12345678
_DEX_BYTES: Final = 128 * 1024 * 1024
_MOST_DEX: Final = 200
_CODE: Final = re.compile(r"(?:.*/)?classes\d*\.dex")
_DESCRIPTOR: Final = re.compile(rb"L([\x21-\x3a\x3c-\x7e\x80-\xff]{1,1000});")


def classes_in(
    app: Path,
    tree: Tree,
    catalogue: Catalogue,
    trackers: Collection[Tracker],
) -> Iterator[tuple[str, Evidence]]:
    """
    Tell which SDKs and trackers are in a built app, by their ids.

    A tracker without an entry has no id: it goes by ``tracker`` and its
    name.

    Raises:
        OSError: If the file cannot be read.

        ValueError: If it is no APK or AAB.
    """
    names: set[str] = set()
    try:
        with zipfile.ZipFile(app) as archive:
            members = [
                m for m in archive.infolist() if _CODE.fullmatch(m.filename)
            ]
            for member in members[:_MOST_DEX]:
                names.update(_names_of(archive, member, app, tree))
    except zipfile.BadZipFile:
        members = None
    if members is None:
        msg = f"{app}: is no APK or AAB; both are ZIP files"
        raise ValueError(msg)
    if not members:
        tree.note(str(app), "holds no classes.dex: nothing to look at")
    ordered = sorted(names)
    tree.files += 1
    for prefix in catalogue.classes:
        if first := _first(ordered, prefix):
            shown = Evidence(kind="class", name=first, file=str(app))
            for sdk in catalogue.of_class(first):
                yield sdk, shown
    for tracker in trackers:
        firsts = (_first(ordered, prefix) for prefix in tracker.classes)
        if first := next(filter(None, firsts), ""):
            shown = Evidence(
                kind="tracker",
                name=tracker.name,
                file=str(app),
                note=f"class {first}",
            )
            known = catalogue.of_class(first)
            for sdk in known or (f"tracker {tracker.name}",):
                yield sdk, shown


def class_names(dex: bytes) -> Iterator[str]:
    """
    Give the full names of the classes that a DEX file defines.

    Args:
        dex: The whole file.

    Raises:
        ValueError: If it is no DEX file, or breaks off.
    """
    if len(dex) < _HEADER_BYTES or dex[:4] != _MAGIC:
        msg = "is no DEX file"
        raise ValueError(msg)
    if _number(dex, 0x28) != _LITTLE:
        msg = "is a DEX file of another byte order"
        raise ValueError(msg)
    strings, types = (_number(dex, 0x38), _number(dex, 0x40))
    count, classes = (_number(dex, 0x60), _number(dex, 0x64))
    if count > _MOST_CLASSES:
        msg = "has more classes than there can be"
        raise ValueError(msg)
    for i in range(count):
        type_ = _number(dex, classes + _CLASS_BYTES * i)
        if type_ >= types:
            msg = "names a type that is not there"
            raise ValueError(msg)
        string = _number(dex, _number(dex, 0x44) + 4 * type_)
        if string >= strings:
            msg = "names a string that is not there"
            raise ValueError(msg)
        if name := _class_at(
            dex, _number(dex, _number(dex, 0x3C) + 4 * string)
        ):
            yield name


def _number(dex: bytes, at: int) -> int:
    if at + 4 > len(dex):
        msg = "breaks off in a table"
        raise ValueError(msg)
    number: int = _UINT.unpack_from(dex, at)[0]
    return number


def _class_at(dex: bytes, offset: int) -> str:
    """
    Give the class that a string names; empty for an array or a basic type.
    """
    # Its length comes first, in seven bits a byte, at most five of them.
    for start in range(offset, min(offset + 5, len(dex))):
        if dex[start] < 0x80:
            match = _DESCRIPTOR.match(dex, start + 1)
            return _dotted(match[1]) if match else ""
    msg = "names a string out of the file"
    raise ValueError(msg)


def _dotted(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace").replace("/", ".")


def _names_of(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, app: Path, tree: Tree
) -> Iterator[str]:
    where = f"{app}!{member.filename}"
    try:
        with archive.open(member) as stream:
            raw = stream.read(_DEX_BYTES + 1)
        if len(raw) > _DEX_BYTES:
            tree.note(where, f"is larger than {_DEX_BYTES} bytes")
            return
        yield from list(class_names(raw))
    except (
        ValueError,
        EOFError,
        RuntimeError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        told = (
            str(error) if type(error) is ValueError else "cannot be unpacked"
        )
        tree.note(where, f"{told}: not read")


def _first(ordered: Sequence[str], prefix: str) -> str:
    """
    Give the first of *ordered* names that is *prefix* or goes on after it.
    """
    at = bisect_left(ordered, prefix)
    while at < len(ordered) and ordered[at].startswith(prefix):
        rest = ordered[at][len(prefix) :]
        # 'com.acme.ad' does not begin 'com.acme.adele'.
        if prefix.endswith((".", "$")) or not rest or rest[0] in ".$":
            return ordered[at]
        at += 1
    return ""
