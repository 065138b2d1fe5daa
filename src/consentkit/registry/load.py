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

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import GenericAlias, MappingProxyType
from typing import Any, Final, TypeVar, final, get_args

from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError

from consentkit.exceptions import RegistryError
from consentkit.policy.fault import BYTE_ORDER_MARK, suggest
from consentkit.policy.vocabulary import Vocabulary, load_vocabulary
from consentkit.registry.model import SDKEntry


__all__ = ["load_entries", "load_registry"]

ScalarT = TypeVar("ScalarT", str, bool)

_ID: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(\*\.)?({_LABEL}\.)+{_LABEL}")
_REGION: Final = re.compile(r"[A-Z]{2}")
_DISTRIBUTION: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MODULE: Final = re.compile(
    r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
)


def load_registry() -> Mapping[str, SDKEntry]:
    """
    Return the shipped entries by id; each is read when it is asked for.

    Raises:
        RegistryError: Later, from a look-up, if an installed file is not
            the one that was shipped.
    """
    return _Shipped()


def load_entries(folder: Path) -> Mapping[str, SDKEntry]:
    """
    Read the app's own entries: every ``*.toml`` file of *folder*.

    Args:
        folder: Its files are named after the SDKs: ``acme.toml`` holds the
            entry with the id ``acme``.

    Returns:
        The entries by id, in the order of their ids; maybe empty.

    Raises:
        RegistryError: With every fault of every file.
    """
    entries: dict[str, SDKEntry] = {}
    faults: list[str] = []
    for path in _files(folder):
        try:
            entries[path.stem] = _entry(_text(path), path.stem)
        except _FaultyError as error:
            faults += [f"{path.name}: {fault}" for fault in error.faults]
    for entry in entries.values():
        faults += [
            f"{entry.id}.toml: $.{key}: no SDK {other!r}"
            for key, other in (("parent", entry.parent), ("host", entry.host))
            if other and other not in entries and other not in _Shipped()
        ]
    if faults:
        raise RegistryError(_report(str(folder), faults))
    return MappingProxyType(entries)


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


def _data() -> Traversable:
    return resources.files("consentkit.registry") / "data"


@cache
def _shipped(sdk: str) -> SDKEntry:
    name = f"{sdk}.toml"
    try:
        return _entry((_data() / name).read_text(encoding="utf-8"), sdk)
    except _FaultyError as error:
        faults = error.faults
    except (OSError, UnicodeDecodeError) as error:
        faults = (f"cannot be read ({type(error).__name__})",)
    raise RegistryError(_report(f"shipped entry {name}", faults))


class _FaultyError(Exception):
    """
    The faults of one file, each as its path and what is wrong.
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
        return path.read_text(encoding="utf-8")
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
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"is not TOML: {error}"
        if text.startswith("\ufeff"):
            msg = BYTE_ORDER_MARK
        raise _FaultyError(msg) from None
    except RecursionError:
        msg = "is nested too deeply"
        raise _FaultyError(msg) from None
    schema = raw.pop("schema", None)
    if schema != 1:
        msg = "$.schema: expected 1, the schema that is known"
        raise _FaultyError(msg)
    try:
        entry = _converter().structure(raw, SDKEntry)
    except BaseValidationError as error:
        faults = transform_error(error, format_exception=_explain)
    else:
        faults = [*_faults(entry, stem, load_vocabulary())]
        if not faults:
            return entry
    raise _FaultyError(*(_path_first(fault) for fault in faults))


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
            keys = ", ".join(sorted(error.extra_fields))
            return f"unknown key: {keys}"
        case KeyError():
            return "is missing"
        case _WrongTypeError():
            return f"expected {error}"
        case _ if choices and all(isinstance(c, str) for c in choices):
            return f"expected one of {', '.join(choices)}"
        case _:
            return "expected a table"


def _path_first(fault: str) -> str:
    what, at, path = fault.rpartition(" @ ")
    return f"{path}: {what}" if at else fault


def _faults(entry: SDKEntry, stem: str, words: Vocabulary) -> Iterator[str]:
    """
    Compare what *entry* says with the vocabulary and its file's name.
    """
    if entry.id != stem or not _ID.fullmatch(stem):
        yield f"expected {stem!r}, the file's name, in snake_case @ $.id"
    if not entry.platforms:
        yield "name at least one platform @ $.platforms"
    categories = words.partner_categories
    if problem := _unknown("category", entry.category, categories):
        yield f"{problem} @ $.category"
    for i, purpose in enumerate(entry.purposes):
        if problem := _unknown("purpose", purpose, words.purposes):
            yield f"{problem} @ $.purposes[{i}]"
    for i, field in enumerate(entry.fields):
        for j, type_ in enumerate(field.types):
            if problem := _unknown("data type", type_, words.data_types):
                yield f"{problem} @ $.fields[{i}].types[{j}]"
    for i, used in enumerate(entry.permissions):
        if problem := _unknown(
            "permission", used.permission, words.permissions
        ):
            yield f"{problem} @ $.permissions[{i}].permission"
    yield from _malformed(entry)


def _malformed(entry: SDKEntry) -> Iterator[str]:
    """
    Find names that are none.
    """
    hosts = [host.name for host in entry.hosts]
    for i, host in enumerate(entry.hosts):
        place = f"$.hosts[{i}]"
        if not _HOST.fullmatch(host.name):
            yield (
                "expected a host, such as 'acme.example' or "
                f"'*.acme.example' @ {place}.name"
            )
        elif host.name in hosts[:i]:
            yield f"{host.name} is named twice @ {place}.name"
        if host.region and not _REGION.fullmatch(host.region):
            yield f"expected a country, such as 'DE', or 'EU' @ {place}.region"
    for i, switch in enumerate(entry.switches):
        if not switch.name:
            yield f"expected a name @ $.switches[{i}].name"
    if entry.package is None:
        return
    for key, form, names, expected in (
        (
            "distributions",
            _DISTRIBUTION,
            entry.package.distributions,
            "a name to install by in its normal form, such as 'acme-sdk'",
        ),
        (
            "imports",
            _MODULE,
            entry.package.imports,
            "a module, such as 'acme.sdk'",
        ),
    ):
        if not names:
            yield f"name at least one @ $.package.{key}"
        for i, name in enumerate(names):
            if not form.fullmatch(name):
                yield f"expected {expected} @ $.package.{key}[{i}]"


def _unknown(kind: str, word: str, words: Collection[str]) -> str:
    """
    Say that *word* is none of *words*, or return an empty text.
    """
    if word in words:
        return ""
    cure = suggest(word, words)
    return f"no {kind} {word!r}" + (f"; {cure}" if cure else "")
