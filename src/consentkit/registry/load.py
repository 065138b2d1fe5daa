# SPDX-License-Identifier: MIT
"""
Reading SDK entries from data files, one TOML file per SDK.

All faults of a folder are reported at once, one a line, each with its file
and the path within it::

    sdks: 2 faults
      acme.toml: $.fields[0].types[0]: no data type 'imie'; did you ...?
      acme.toml: $: unknown key: purpose
"""

from __future__ import annotations

import re
import tomllib

from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import suppress
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path
from types import GenericAlias, MappingProxyType
from typing import Any, Final, TypeVar, final, get_args

from attrs import frozen
from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError

from consentkit.exceptions import RegistryError
from consentkit.policy._depth import check_depth
from consentkit.policy.fault import BYTE_ORDER_MARK
from consentkit.registry._folder import (
    FolderIndex,
    index_of,
    listing_of,
    made_of,
)
from consentkit.registry._forms import FORMS, SCHEMA, wrong_words
from consentkit.registry._keys import unknown_keys
from consentkit.registry.hosts import wrong_host
from consentkit.registry.model import SDKEntry, SDKPackage


__all__ = ["EntryFault", "load_entries", "load_registry", "read_entries"]

# The largest entry that is shipped has 10 KiB.
_MOST_BYTES: Final = 256 * 1024
# Of a circle that are told.
_MOST_STEPS: Final = 8

ScalarT = TypeVar("ScalarT", str, bool)

_ID: Final = re.compile(FORMS[SDKEntry, "id"].pattern)


def load_registry(
    own: Mapping[str, SDKEntry] | None = None,
) -> Mapping[str, SDKEntry]:
    """
    Return the shipped entries by id; each is read when it is asked for.

    Args:
        own: Entries of the app's own to go beside them, and in the place of
            those with the same id.

    Raises:
        RegistryError: Later, from a look-up, if an installed file is not
            the one that was shipped.

    .. versionadded:: 26.1.0 *own*
    """
    return _Shipped() if own is None else WithOwn(own)


def load_entries(
    folder: Path, *, index: Path | None = None
) -> Mapping[str, SDKEntry]:
    """
    Read the app's own entries: every ``*.toml`` file of *folder*.

    Args:
        folder: Its files are named after the SDKs: ``acme.toml`` holds the
            entry with the id ``acme``.

        index: File that says that *folder* was checked and is as it was
            then. While it fits, each entry is read only when it is asked
            for; otherwise all are read, and it is written anew. It is
            neither written while a file is younger than two seconds, nor
            where that fails. Who can write it can hide the modules of an
            SDK: keep it as you keep *folder*.

    Returns:
        The entries by id, in the order of their ids; maybe empty.

    Raises:
        RegistryError: With every fault of every file; with *index* also
            later, from a look-up, if a file was changed since.

    .. versionadded:: 26.1.0 *index*
    """
    listing = None
    if index is not None:
        with suppress(OSError):
            listing = listing_of(folder)
        if listing is not None:
            held = index_of(index, listing, _Shipped())
            if held is not None:
                return Indexed(folder, listing.ids, held)
    entries, faults = read_entries(folder)
    if faults:
        raise RegistryError(_report(str(folder), [*map(str, faults)]))
    if index is not None and listing is not None and listing.is_settled:
        made_of(entries).write(index, listing, _Shipped())
    return entries


@frozen
class EntryFault:
    """
    Something that is wrong in the file of an entry.

    Attributes:
        file: The file.

        path: Place in it, such as ``$.hosts[0].name``; empty where it is
            not read as far as that.

        problem: What is wrong there, and what would be right.
    """

    file: Path
    path: str
    problem: str

    def __str__(self) -> str:
        at = f"{self.path}: " * bool(self.path)
        return f"{self.file.name}: {at}{self.problem}"


def read_entries(
    folder: Path,
) -> tuple[Mapping[str, SDKEntry], tuple[EntryFault, ...]]:
    """
    Read the app's own entries as `load_entries` does, faults and all.

    Returns:
        The entries that could be read, by id, and every fault of every
        file, in the order of the files.

    Raises:
        RegistryError: If *folder* cannot be looked into.
    """
    entries: dict[str, SDKEntry] = {}
    files = {path.stem: path for path in _files(folder)}
    faults = []
    for id_, path in files.items():
        try:
            entries[id_] = _entry(_text(path), id_)
        except _FaultyError as error:
            faults += [_fault(path, said) for said in error.faults]
    faults += [_fault(files[id_], said) for id_, said in _between(entries)]
    faults.sort(key=lambda fault: fault.file)
    return MappingProxyType(entries), tuple(faults)


def _fault(file: Path, said: str) -> EntryFault:
    problem, _, path = said.rpartition(" @ ")
    return EntryFault(file, path if problem else "", problem or said)


def _between(entries: Mapping[str, SDKEntry]) -> Iterator[tuple[str, str]]:
    """
    Compare the app's own *entries* with one another and with the shipped.
    """
    # Each question to the package costs as much as reading a small file.
    shipped = frozenset(_Shipped())
    for id_, entry in entries.items():
        if id_ in shipped and not entry.replaces:
            yield id_, f"{_taken(id_)} @ $.id"
        for key, other in (("parent", entry.parent), ("host", entry.host)):
            if other and other not in entries and other not in shipped:
                yield id_, f"no SDK {other!r} @ $.{key}"
    yield from _circles(entries)
    yield from _two_regions(entries)
    yield from _one_module(entries)


def _taken(id_: str) -> str:
    return (
        f"the registry has an entry {id_!r} already; choose another id, or "
        "say replaces = true"
    )


def _around(entry: SDKEntry) -> Iterator[str]:
    """
    Name the SDKs that *entry* comes in.
    """
    return filter(None, (entry.parent, entry.host))


def _circles(
    entries: Mapping[str, SDKEntry],
) -> Iterator[tuple[str, str]]:
    """
    Find SDKs that come inside of themselves, each circle once.
    """
    done: set[str] = set()
    shipped = _Shipped()
    for start in entries:
        # The way from the start to where the search is, and what is left
        # to look at from each step of it.
        way: dict[str, None] = {start: None}
        left = [_around(entries[start])]
        while left and start not in done:
            other = next(left[-1], "")
            if other in way:
                ids = [*way]
                yield _circle([*ids[ids.index(other) :], other], entries)
            elif other:
                inside = entries.get(other) or shipped.get(other)
                if inside is not None and other not in done:
                    way[other] = None
                    left.append(_around(inside))
            else:
                left.pop()
                done.add(way.popitem()[0])


def _circle(
    ids: Sequence[str], entries: Mapping[str, SDKEntry]
) -> tuple[str, str]:
    """
    Tell of the circle at its last step that is the app's own.
    """
    sdk, other = [pair for pair in pairwise(ids) if pair[0] in entries][-1]
    key = "parent" if entries[sdk].parent == other else "host"
    told = ids if len(ids) <= _MOST_STEPS else [*ids[:3], "...", ids[-1]]
    return sdk, f"a circle: {' in '.join(told)} @ $.{key}"


def _two_regions(
    entries: Mapping[str, SDKEntry],
) -> Iterator[tuple[str, str]]:
    """
    Find a host that two entries put in two places: one of them is wrong.
    """
    first: dict[str, tuple[str, str]] = {}
    for id_, entry in entries.items():
        for i, host in enumerate(entry.hosts):
            if not host.region:
                continue
            other, region = first.setdefault(host.name, (id_, host.region))
            if region != host.region:
                problem = (
                    f"{host.name} is in {host.region} here, and in {region} "
                    f"in {other}.toml"
                )
                yield id_, f"{problem} @ $.hosts[{i}].region"


def _one_module(
    entries: Mapping[str, SDKEntry],
) -> Iterator[tuple[str, str]]:
    """
    Find a module that two entries claim: whose act its code is, nobody knows.
    """
    first: dict[str, str] = {}
    for id_, entry in entries.items():
        imports = () if entry.package is None else entry.package.imports
        for i, module in enumerate(imports):
            other = first.setdefault(module, id_)
            if other != id_:
                problem = f"{module} is a module of {other}.toml already"
                yield id_, f"{problem} @ $.package.imports[{i}]"


def is_shipped(entries: object) -> bool:
    """
    Tell whether *entries* are the shipped ones, of which there is an index.
    """
    return isinstance(entries, _Shipped)


@final
class _Shipped(Mapping[str, SDKEntry]):
    """
    The entries in the package; asking whether there is one opens no file.
    """

    def __getitem__(self, sdk: str) -> SDKEntry:
        if sdk not in self:
            raise KeyError(sdk)
        return _shipped(sdk)

    def __contains__(self, sdk: object) -> bool:
        # The form is checked first: an id never leads out of the folder.
        return (
            isinstance(sdk, str)
            and _ID.fullmatch(sdk) is not None
            and (_data() / f"{sdk}.toml").is_file()
        )

    def __iter__(self) -> Iterator[str]:
        names = (file.name for file in _data().iterdir())
        return iter(
            sorted(n.removesuffix(".toml") for n in names if n[-5:] == ".toml")
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<shipped registry: {len(self)} SDKs>"


@final
class Indexed(Mapping[str, SDKEntry]):
    """
    The entries of a folder whose *index* fits; each is read when it is
    asked for, and checked by itself.
    """

    def __init__(
        self, folder: Path, ids: Iterable[str], index: FolderIndex
    ) -> None:
        # The app may change its folder meanwhile.
        self._folder = folder.absolute()
        self._ids = dict.fromkeys(ids)
        self._read: dict[str, SDKEntry] = {}
        self.index = index

    def __getitem__(self, sdk: str) -> SDKEntry:
        if sdk not in self._ids:
            raise KeyError(sdk)
        entry = self._read.get(sdk)
        if entry is None:
            entry = self._read[sdk] = self._found(sdk)
        return entry

    def _found(self, sdk: str) -> SDKEntry:
        path = self._folder / f"{sdk}.toml"
        try:
            entry = _entry(_text(path), sdk)
        except _FaultyError as error:
            faults = tuple(str(_fault(path, said)) for said in error.faults)
        else:
            if entry.replaces or sdk not in _Shipped():
                return entry
            faults = (f"{path.name}: $.id: {_taken(sdk)}",)
        raise RegistryError(_report(str(self._folder), faults))

    def __contains__(self, sdk: object) -> bool:
        return sdk in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        return f"<own registry: {len(self)} SDKs>"


@final
class WithOwn(Mapping[str, SDKEntry]):
    """
    The shipped entries with the app's *own*, which go first.
    """

    def __init__(self, own: Mapping[str, SDKEntry]) -> None:
        self.own = own
        self.shipped: Mapping[str, SDKEntry] = _Shipped()

    def __getitem__(self, sdk: str) -> SDKEntry:
        return (self.own if sdk in self.own else self.shipped)[sdk]

    def __contains__(self, sdk: object) -> bool:
        return sdk in self.own or sdk in self.shipped

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self.shipped, *self.own)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<shipped registry: {len(self)} SDKs with the app's own>"


def _data() -> Traversable:
    return resources.files("consentkit.registry") / "data"


@cache
def _shipped(sdk: str) -> SDKEntry:
    name = f"{sdk}.toml"
    try:
        return _entry((_data() / name).read_text(encoding="utf-8"), sdk)
    except _FaultyError as error:
        faults = tuple(str(_fault(Path(name), f)) for f in error.faults)
    except (OSError, UnicodeDecodeError) as error:
        faults = (f"{name}: cannot be read ({type(error).__name__})",)
    raise RegistryError(_report("shipped entries", faults))


class _FaultyError(Exception):
    """
    The faults of one file, each as what is wrong, ``@`` and its path.
    """

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        self.faults = faults


def _report(where: str, faults: Collection[str]) -> str:
    count = f"{len(faults)} fault{'' if len(faults) == 1 else 's'}"
    return "\n".join([f"{where}: {count}", *(f"  {f}" for f in faults)])


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.suffix == ".toml")
    except OSError as error:
        problem = error.strerror or type(error).__name__
    msg = f"{folder}: {problem}; name a folder with a file for each SDK"
    raise RegistryError(msg)


def _text(path: Path) -> str:
    try:
        # What is no plain file may never end.
        if not path.is_file():
            msg = "cannot be read (it is no file)"
            raise _FaultyError(msg)
        with path.open("rb") as stream:
            raw = stream.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            msg = f"is larger than {_MOST_BYTES // 1024} KiB"
            raise _FaultyError(msg)
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    raise _FaultyError(problem)


def _entry(text: str, stem: str) -> SDKEntry:
    """
    Read one entry from the *text* of the file named after *stem*.
    """
    try:
        check_depth(text)
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"is not TOML: {error}"
        if text.startswith("\ufeff"):
            msg = BYTE_ORDER_MARK
        raise _FaultyError(msg) from None
    except RecursionError:
        msg = "is nested too deeply"
        raise _FaultyError(msg) from None
    faults = []
    if "schema" not in raw:
        faults.append(f"is missing; expected {SCHEMA} @ $.schema")
    elif type(raw["schema"]) is not int or raw["schema"] != SCHEMA:
        # What follows is of a format that nothing is known of.
        msg = f"expected {SCHEMA}, the schema that is known @ $.schema"
        raise _FaultyError(msg)
    raw.pop("schema", None)
    try:
        entry = _converter().structure(raw, SDKEntry)
    except BaseValidationError as error:
        faults += transform_error(error, format_exception=_explain)
    else:
        faults += _faults(entry, stem)
        faults += wrong_words(SDKEntry, raw)
        if not faults:
            return entry
        raise _FaultyError(*faults)
    raise _FaultyError(*faults, *wrong_words(SDKEntry, raw))


@cache
def _converter() -> Converter:
    """
    Build a converter that takes only the very type, and no unknown key.
    """
    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook(str, _only(str, "text"))
    converter.register_structure_hook(bool, _only(bool, "true or false"))
    converter.register_structure_hook_factory(
        lambda type_: getattr(type_, "__origin__", None) is tuple,
        _sequence_hook,
    )
    return converter


@final
class _WrongTypeError(Exception):
    """
    A value of another type than *expected*, named without the value.
    """


def _only(kind: type[ScalarT], expected: str) -> Callable[[Any, Any], ScalarT]:
    def hook(value: Any, _: Any) -> ScalarT:
        if not isinstance(value, kind):
            raise _WrongTypeError(expected)
        return value

    return hook


def _sequence_hook(
    type_: Any, converter: Converter
) -> Callable[[Any, Any], tuple[Any, ...]]:
    # A text is a sequence too, of its letters; only an array is meant.
    plain: Any = GenericAlias(list, type_.__args__[:1])
    of_list = converter.get_structure_hook(plain)

    def hook(value: Any, _: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            msg = "an array"
            raise _WrongTypeError(msg)
        return tuple(of_list(value, plain))

    return hook


def _explain(error: BaseException, type_: object) -> str:
    choices = get_args(type_)
    match error:
        case ForbiddenExtraKeysError():
            return unknown_keys(error.extra_fields)
        case KeyError():
            return "is missing"
        case _WrongTypeError():
            return f"expected {error}"
        case _ if choices and all(isinstance(c, str) for c in choices):
            return f"expected one of {', '.join(choices)}"
        case _:
            return "expected a table"


def _faults(entry: SDKEntry, stem: str) -> Iterator[str]:
    """
    Find what does not go together in *entry*, and with its file's name.
    """
    if entry.id != stem:
        yield f"expected {stem!r}, the file's name @ $.id"
    if not entry.platforms:
        yield "name at least one platform @ $.platforms"
    hosts: set[str] = set()
    for i, host in enumerate(entry.hosts):
        if host.name in hosts:
            yield f"{host.name} is named twice @ $.hosts[{i}].name"
        if problem := wrong_host(host.name):
            yield f"{problem} @ $.hosts[{i}].name"
        hosts.add(host.name)
    if entry.package is not None:
        yield from _faults_of_package(entry.package)
    if mobile := entry.mobile:
        if not (
            mobile.gradle or mobile.pods or mobile.swift or mobile.classes
        ):
            yield "name at least one artefact or class @ $.mobile"
        if not mobile.sources:
            yield "name at least one @ $.mobile.sources"


def _faults_of_package(package: SDKPackage) -> Iterator[str]:
    for key, names in (
        ("distributions", package.distributions),
        ("imports", package.imports),
    ):
        if not names:
            yield f"name at least one @ $.package.{key}"
    below = tuple(f"{name}." for name in package.imports)
    for i, queue in enumerate(package.queues):
        if not queue.startswith(below):
            yield f"expected an attribute below its imports @ $.package.queues[{i}]"
    for i, call in enumerate(package.setup):
        if not call.startswith(below):
            yield f"expected a call of one of its imports @ $.package.setup[{i}]"
    for i, read in enumerate(package.also_read):
        name = read.partition("==")[0]
        if name not in package.distributions[1:]:
            yield (
                "expected one of its distributions after the first @ "
                f"$.package.also_read[{i}]"
            )
