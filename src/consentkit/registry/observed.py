# SPDX-License-Identifier: MIT
"""
What third-party SDKs were seen to do, as a value and as a file.

A sighting says that code of an SDK looked a name up, connected, sent a
datagram or started a program. It is counted, not logged: the same thing seen
a thousand times is one line with a count, and its first and last time.

What is never held: what was sent, the path of a URL, the arguments of a
program, and anything on the loopback, which does not leave the machine.

The file is JSON::

    {"schema": 1, "python": "3.13.1", "first": "2026-05-04T09:00:00+00:00",
     "last": "2026-05-04T09:00:07+00:00", "overflow": 0, "sightings": [...]}

A sighting has the attributes of `Seen` as its keys. The times are those of
the first and last sighting, and ``null`` where nothing was seen.
"""

from __future__ import annotations

import json
import os
import platform
import re
import tempfile

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, final, get_args

import attrs

from attrs import frozen

from consentkit._fork import Mutex
from consentkit.exceptions import RegistryError
from consentkit.registry._keys import unknown_keys
from consentkit.registry.hosts import is_loopback


__all__ = [
    "MOST_SIGHTINGS",
    "Observation",
    "Observed",
    "Seen",
    "Sighting",
    "load_observed",
    "program_of",
]

#: Most distinct sightings that are held; what comes after is only counted.
MOST_SIGHTINGS: Final = 10_000

_SCHEMA: Final = 1
_MOST_BYTES: Final = 16 * 1024 * 1024
# What can stand in a name or an address, and nothing of a URL around them.
_HOST: Final = re.compile(r"[\w.:%*-]{1,253}")
_MODULE: Final = re.compile(r"[\w.]{1,200}")
_SDK: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PYTHON: Final = re.compile(r"[\w.+-]{1,64}")
_PORTS: Final = range(65_536)

How = Literal["stack", "host", ""]
Kind = Literal["lookup", "connect", "datagram", "process", "native"]


@frozen(kw_only=True)
class Sighting:
    """
    Something that an SDK was seen to do.

    Attributes:
        sdk: Id of the SDK; empty if it is not known whose act it was.

        module: The module that did it, such as ``sentry_sdk.transport``, or
            empty.

        how: How the SDK was found: by its code on the ``stack``, or by the
            ``host`` that it is known to send to; empty if it was not.

        kind: A ``lookup`` of a name, a ``connect``, a ``datagram`` that was
            sent without connecting, a ``process`` that was started, or a
            ``native`` library that was loaded by `ctypes`.

        host: Name or address of the other end; of a process or a library
            the base name of its file. Empty if it is not known.

        port: Of the other end; 0 if there is none.

        permitted: Whether the SDK had its permit at that moment.

        declared: Whether the SDK's entry names the host.

        stopped: Whether it was kept from happening.
    """

    sdk: str
    module: str
    how: How
    kind: Kind
    host: str
    port: int
    permitted: bool
    declared: bool
    stopped: bool


@frozen(kw_only=True)
class Seen(Sighting):
    """
    A sighting, with how often and when.

    Attributes:
        count: How often it was seen, at least once.

        first, last: When, in UTC.
    """

    count: int
    first: datetime
    last: datetime


@frozen(kw_only=True)
class Observation:
    """
    What was observed in one run of an app.

    Attributes:
        python: Version of Python that it ran on.

        first, last: Times of the first and last sighting, in UTC; ``None``
            where nothing was seen.

        sightings: Each distinct one once, in the order of their first times;
            maybe empty.

        overflow: How many more came when no more could be held.
    """

    python: str
    first: datetime | None
    last: datetime | None
    sightings: tuple[Seen, ...]
    overflow: int = 0


@final
class Observed:
    """
    Counts sightings, from any thread; a forked child goes on from a copy.

    Adding one that was seen before is a look-up and an addition. At most
    `MOST_SIGHTINGS` distinct ones are held.
    """

    def __init__(self) -> None:
        # A hook may be called again by what happens inside of it.
        self._guard = Mutex()
        self._tallies: dict[Sighting, _Tally] = {}
        self._overflow = 0

    def __len__(self) -> int:
        return len(self._tallies)

    def __repr__(self) -> str:
        return f"<Observed: {len(self)} sightings, {self._overflow} more>"

    @property
    def overflow(self) -> int:
        """
        How many sightings came when no more could be held.
        """
        return self._overflow

    def add(self, sighting: Sighting, *, at: datetime) -> None:
        """
        Count *sighting*.

        What is no name or address is not held as a host, and what stays on
        the loopback is not held at all.

        Args:
            sighting: What was seen.

            at: When; with its time zone.
        """
        with self._guard:
            tally = self._tallies.get(sighting)
            if tally is not None:
                tally.add(at)
                return
            cleaned = _cleaned(sighting)
            if cleaned is None:
                return
            tally = self._tallies.get(cleaned)
            if tally is not None:
                tally.add(at)
            elif len(self._tallies) < MOST_SIGHTINGS:
                self._tallies[cleaned] = _Tally(at)
            else:
                self._overflow += 1

    def observation(self) -> Observation:
        """
        Give what was seen so far.
        """
        with self._guard:
            found = [
                Seen(
                    **attrs.asdict(sighting),
                    count=tally.count,
                    first=tally.first.astimezone(UTC),
                    last=tally.last.astimezone(UTC),
                )
                for sighting, tally in self._tallies.items()
            ]
            overflow = self._overflow
        found.sort(key=lambda seen: seen.first)
        return Observation(
            python=platform.python_version(),
            first=min((seen.first for seen in found), default=None),
            last=max((seen.last for seen in found), default=None),
            sightings=tuple(found),
            overflow=overflow,
        )

    def as_json(self) -> dict[str, Any]:
        """
        Give what was seen so far as what the file holds.
        """
        seen = self.observation()
        return {
            "schema": _SCHEMA,
            **attrs.asdict(
                seen,
                filter=lambda attribute, _: attribute.name != "sightings",
                value_serializer=_plain,
            ),
            "sightings": [
                attrs.asdict(s, value_serializer=_plain)
                for s in seen.sightings
            ],
        }

    def write(self, path: Path) -> None:
        """
        Write what was seen so far to *path*, as a whole or not at all.

        What the file held before is gone: several processes need a file
        each. Only this user may read it.

        Raises:
            OSError: If it cannot be written.
        """
        text = json.dumps(self.as_json(), indent=1) + "\n"
        number, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
        )
        temporary = Path(name)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as stream:
                stream.write(text)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


class _Tally:
    """
    How often something was seen, and when.
    """

    __slots__ = ("count", "first", "last")

    def __init__(self, at: datetime) -> None:
        self.count = 1
        self.first = self.last = at

    def add(self, at: datetime) -> None:
        # Clocks jump, and threads come in any order.
        self.count += 1
        self.first = min(self.first, at)
        self.last = max(self.last, at)


def _plain(_: object, __: object, value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _cleaned(sighting: Sighting) -> Sighting | None:
    """
    Take out what must not be held; ``None`` if nothing is left to tell.
    """
    if sighting.kind in {"native", "process"}:
        host = program_of(sighting.host)
    else:
        host = sighting.host.rstrip(".").lower()
        if host and is_loopback(host):
            return None
    return attrs.evolve(
        sighting,
        host=host if _HOST.fullmatch(host) else "",
        module=sighting.module if _MODULE.fullmatch(sighting.module) else "",
    )


def program_of(command: str) -> str:
    """
    Give the base name of the program that *command* starts.
    """
    # A line for a shell begins with the program too.
    words = command.split(maxsplit=1)
    return re.split(r"[/\\]", words[0])[-1] if words else ""


def load_observed(path: Path) -> Observation:
    """
    Read a file that `Observed.write` wrote.

    Raises:
        RegistryError: With every fault of the file, each with its place.

        OSError: If it cannot be read.
    """
    if path.exists() and not path.is_file():
        msg = f"{path}: is no file that ends"  # a pipe, or a device
        raise RegistryError(msg)
    with path.open("rb") as stream:
        raw = stream.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        msg = f"{path}: is larger than {_MOST_BYTES} bytes"
        raise RegistryError(msg)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        msg = f"{path}: is no JSON object, as a record of sightings is"
        raise RegistryError(msg)
    faults: list[str] = []
    schema = value.pop("schema", None)
    # True and 1.0 are equal to it, and are not meant.
    if type(schema) is not int or schema != _SCHEMA:
        faults.append(f"$.schema: expected {_SCHEMA}, the one that is known")
    else:
        observation = _structured(value, faults)
        if observation is not None:
            return observation
    count = f"{len(faults)} fault{'' if len(faults) == 1 else 's'}"
    lines = "\n".join([f"{path}: {count}", *(f"  {f}" for f in faults)])
    raise RegistryError(lines)


def _structured(
    value: Mapping[str, Any], faults: list[str]
) -> Observation | None:
    """
    Make the observation of *value*, or put all its faults to *faults*.
    """
    # Whoever only writes the file has no need of this.
    from cattrs import transform_error
    from cattrs.errors import BaseValidationError

    try:
        found: Observation = _converter().structure(value, Observation)
    except BaseValidationError as error:
        for fault in transform_error(error, format_exception=_explain):
            what, at, place = fault.rpartition(" @ ")
            faults.append(f"{place}: {what}" if at else fault)
        return None
    for i, seen in enumerate(found.sightings):
        place = f"$.sightings[{i}]"
        if seen.port not in _PORTS:
            faults.append(f"{place}.port: expected 0 to {_PORTS[-1]}")
        if seen.count < 1:
            faults.append(f"{place}.count: expected 1 or more")
        if seen.last < seen.first:
            faults.append(f"{place}.last: is before first")
        faults += [
            f"{place}.{key}: expected {what}"
            for key, form, what in (
                ("sdk", _SDK, "the id of an SDK, such as 'acme'"),
                ("host", _HOST, "a name or an address"),
                ("module", _MODULE, "a module, such as 'acme.sdk'"),
            )
            if getattr(seen, key) and not form.fullmatch(getattr(seen, key))
        ]
    if not _PYTHON.fullmatch(found.python):
        faults.append("$.python: expected a version, such as '3.13.1'")
    if found.overflow < 0:
        faults.append("$.overflow: expected 0 or more")
    return None if faults else found


def _converter() -> Any:
    """
    Build a converter that takes only the very type, and no unknown key.
    """
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True)
    for kind, expected in (
        (str, "text"),
        (int, "a whole number"),
        (bool, "true or false"),
    ):
        converter.register_structure_hook(kind, _only(kind, expected))
    converter.register_structure_hook(datetime, _time)
    converter.register_structure_hook(datetime | None, _time_or_none)
    # A text is a sequence too, of its letters; only an array is meant.
    of_list = converter.get_structure_hook(list[Seen])

    def sightings(value: Any, _: Any) -> tuple[Seen, ...]:
        if not isinstance(value, list):
            msg = "an array"
            raise _WrongTypeError(msg)
        return tuple(of_list(value, list[Seen]))

    converter.register_structure_hook_func(
        lambda type_: bool(type_ == tuple[Seen, ...]), sightings
    )
    return converter


class _WrongTypeError(Exception):
    """
    A value of another type than the one expected, which the text names.
    """


def _only(kind: type, expected: str) -> Any:
    def hook(value: Any, _: Any) -> Any:
        # True is a number too, and is not meant.
        if type(value) is not kind:
            raise _WrongTypeError(expected)
        return value

    return hook


def _time(value: Any, _: Any) -> datetime:
    with suppress(ValueError, TypeError, OverflowError):
        found = datetime.fromisoformat(value)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    msg = "a time with its zone, such as 2026-05-04T09:00:00+00:00"
    raise _WrongTypeError(msg)


def _time_or_none(value: Any, type_: Any) -> datetime | None:
    return None if value is None else _time(value, type_)


def _explain(error: BaseException, type_: object) -> str:
    from cattrs.errors import ForbiddenExtraKeysError

    choices = get_args(type_)
    match error:
        case ForbiddenExtraKeysError():
            return unknown_keys(error.extra_fields)
        case KeyError():
            return "is missing"
        case _WrongTypeError():
            return f"expected {error}"
        case _ if choices and all(isinstance(c, str) for c in choices):
            return (
                f"expected one of {', '.join(c or repr(c) for c in choices)}"
            )
        case _:
            return "expected an object"
