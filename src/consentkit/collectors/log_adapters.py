# SPDX-License-Identifier: MIT
"""
Adapters for structlog and loguru, with the counts and guards of `LogHandler`.

Neither library is imported here: a processor and a sink are callables.

Of structured fields a scrubbed copy is kept, within bounds; an object of the
app's own is kept as the name of its class, and never asked for its text.
"""

from __future__ import annotations

import math
import sys

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from consentkit.anonymise.scrub import LIMIT_CHARACTERS, Scrubbed, scrub
from consentkit.collectors.logs import (
    LogCounts,
    LogKeeper,
    clear_text,
    exception_fields,
)


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["LoguruSink", "StructlogProcessor"]

# Bounds of the structured fields of one record.
_MOST_FIELDS: Final = 64
_MOST_DEPTH: Final = 5
_MOST_LOOKED_AT: Final = 512
_LONGEST_NAME: Final = 64
_LONGEST_FIELD: Final = 1024
_LONGEST_INT_BITS: Final = 63

#: What structlog's own processors put there that is not to be kept: rendered
#: tracebacks, which have source lines and may have locals, and arguments.
_LEFT_OUT: Final = frozenset(
    {
        "exc_info",
        "exception",
        "positional_args",
        "stack",
        "stack_info",
    }
)


class _Adapter:
    """
    What the two share.
    """

    def __init__(
        self,
        kit: Kit,
        function: str,
        *,
        fields: Collection[str] | None = None,
        purpose: str | None = None,
        data_type: str | None = None,
        while_open: Callable[[], bool] = lambda: True,
    ) -> None:
        if isinstance(fields, str):
            msg = "fields must be a collection of names, not one text"
            raise TypeError(msg)
        self._wanted = None if fields is None else frozenset(fields)
        self._keeper = LogKeeper(
            kit,
            function,
            purpose=purpose,
            data_type=data_type,
            while_open=while_open,
        )

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"<{name} for {self._keeper.function}: {self.counts}>"

    @property
    def counts(self) -> LogCounts:
        """
        What became of the records so far.
        """
        return self._keeper.counts

    def _with_fields(
        self, known: dict[str, Any], given: Mapping[Any, Any]
    ) -> dict[str, Any]:
        """
        Add the structured fields that are wanted, flat and scrubbed.
        """
        chosen = {
            name: value
            for name, value in islice(given.items(), _MOST_LOOKED_AT)
            if self._wanted is None or name in self._wanted
        }
        leaves, is_cut = _flat(chosen)
        left = LIMIT_CHARACTERS
        for path, value in leaves:
            name, told = _free(".".join(path), known), _scrubbed(path, value)
            left -= len(name) + len(str(told))
            if left < 0:
                is_cut = True
                break
            known[name] = told
        if is_cut:
            known[_free("fields_cut", known)] = True
        return known


class StructlogProcessor(_Adapter):
    """
    A processor of structlog that captures a scrubbed copy of each event.

    It gives the event dict on as it got it. Put it before what renders
    exceptions (``format_exc_info``, ``dict_tracebacks``) and the event, and
    after what formats positional arguments.

    Args:
        kit: The app's kit.

        function: The function of the policy that it collects for.

        fields: Names of the fields beside ``event``, ``level`` and
            ``logger`` that are kept; by default all, scrubbed.

        purpose: Why; by default the first purpose of the data type.

        data_type: As for `consentkit.collectors.logs.LogHandler`.

        while_open: Tells whether to go on.

    Raises:
        TypeError: If *fields* is one text.
    """

    def __call__(self, logger: Any, method_name: str, event_dict: Any) -> Any:
        """
        Capture what may be, and return *event_dict*, the very same.
        """
        # Whatever wraps or builds these is the app's: nothing may raise.
        try:
            name = event_dict.get("logger") or getattr(logger, "name", "")
            error = event_dict.get("exc_info")
            has_exception = bool(error) or "exception" in event_dict
        except Exception:  # noqa: BLE001 - logging must not break the app
            self._keeper.count("failed")
            return event_dict
        self._keeper.keep(
            lambda: self._fields(name, method_name, event_dict),
            name=name,
            has_exception=has_exception,
        )
        return event_dict

    def _fields(
        self, name: object, method: str, event_dict: Mapping[Any, Any]
    ) -> dict[str, Any]:
        known = {
            "message": _plain(event_dict.get("event", "")),
            "level": _plain(event_dict.get("level", method)),
            "logger": _plain(name),
            **_exception(event_dict.get("exc_info")),
        }
        rest = {
            key: value
            for key, value in islice(event_dict.items(), _MOST_LOOKED_AT)
            if key not in {"event", "level", "logger", *_LEFT_OUT}
            and not (isinstance(key, str) and key.startswith("_"))
        }
        return self._with_fields(known, rest)


class LoguruSink(_Adapter):
    """
    A sink of loguru that captures scrubbed records.

    Prefer `add_to`: added as a plain sink, loguru has written each record
    and its traceback, by default with the values of variables, before the
    sink is called. None of that is looked at, but it takes time and stays in
    memory for a moment.

    Args:
        kit: The app's kit.

        function: The function of the policy that it collects for.

        fields: Names of the fields of ``extra`` that are kept; by default
            all, scrubbed.

        purpose: Why; by default the first purpose of the data type.

        data_type: As for `consentkit.collectors.logs.LogHandler`.

        while_open: Tells whether to go on.

    Raises:
        TypeError: If *fields* is one text.
    """

    def __call__(self, message: Any) -> None:
        """
        Capture the record of *message*, as loguru hands it to a sink.
        """
        self.take(getattr(message, "record", None))

    def take(self, record: Any) -> bool:
        """
        Capture *record*, as loguru hands it to a filter.

        Returns:
            Always false, so that loguru formats nothing.
        """
        try:
            name, error = record["name"], record["exception"]
        except Exception:  # noqa: BLE001 - logging must not break the app
            self._keeper.count("failed")
            return False
        self._keeper.keep(
            lambda: self._fields(record),
            name=name,
            has_exception=error is not None,
        )
        return False

    def add_to(self, logger: Any, *, level: int | str = 0) -> int:
        """
        Add this to loguru's *logger* in a way that formats no record.

        Args:
            logger: ``loguru.logger``.

            level: As for any sink; by default all.

        Returns:
            What ``logger.remove`` takes.
        """
        # A filter is asked before anything is written out.
        added: int = logger.add(
            _ignore,
            level=level,
            filter=self.take,
            format="",
            colorize=False,
            backtrace=False,
            diagnose=False,
        )
        return added

    def _fields(self, record: Mapping[str, Any]) -> dict[str, Any]:
        known = {
            "message": _plain(record["message"]),
            "level": _plain(record["level"].name),
            "logger": _plain(record["name"]),
            **_exception(record["exception"]),
        }
        return self._with_fields(known, record["extra"])


def _ignore(_: object) -> None:
    """
    Take what was filtered out.
    """


def _exception(given: Any) -> dict[str, Any]:
    """
    Read an exception in the forms that loggers hand it on.
    """
    if given is True:
        given = sys.exc_info()
    if isinstance(given, BaseException):
        given = (type(given), given, given.__traceback__)
    match given:
        case (type() as kind, BaseException() | None as error, trace) if (
            issubclass(kind, BaseException)
        ):
            return exception_fields(kind, error, trace)
        case _:
            return {}


def _plain(value: object) -> Any:
    """
    Give *value* if it is a text or a number, and else only its class.

    Nothing of the app's own is called for it.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__index__(value)
    if isinstance(value, float):
        plain = float.__float__(value)
        # JSON has no such numbers.
        return plain if math.isfinite(plain) else str(plain)
    if type(value) in {date, datetime}:
        return str(value)
    return f"({type(value).__name__})"


def _flat(
    given: Mapping[Any, Any],
) -> tuple[list[tuple[tuple[str, ...], object]], bool]:
    """
    Give the values of a structure with the names on the way to each.

    It takes a bounded number of steps, also where the structure holds
    itself, and tells whether that left something out.
    """
    found: list[tuple[tuple[str, ...], object]] = []
    level: list[tuple[tuple[str, ...], object]] = [((), given)]
    looked_at = 0
    for _ in range(_MOST_DEPTH):
        deeper: list[tuple[tuple[str, ...], object]] = []
        for path, value in level:
            for key, item in _items(value):
                looked_at += 1
                if looked_at > _MOST_LOOKED_AT or len(found) >= _MOST_FIELDS:
                    return found, True
                inside = isinstance(
                    item, dict | list | tuple | set | frozenset
                )
                (deeper if inside else found).append(((*path, key), item))
        level = deeper
    return found, bool(level)


def _items(value: object) -> Iterator[tuple[str, object]]:
    """
    Give the items of a container; those of a list are numbered.
    """
    if isinstance(value, dict):
        pairs = islice(dict.items(value), _MOST_LOOKED_AT + 1)
        return ((_name(key), item) for key, item in pairs)
    assert isinstance(value, list | tuple | set | frozenset)  # noqa: S101
    items = islice(iter(value), _MOST_LOOKED_AT + 1)
    return ((str(n), item) for n, item in enumerate(items))


def _name(key: object) -> str:
    """
    Give a key as a name, unless it holds something personal itself.
    """
    if isinstance(key, str) and 0 < len(key) <= _LONGEST_NAME:
        name = str.__str__(key)
        if name.isprintable() and not scrub(name).spans:
            return name
    return "field"


def _free(name: str, known: Mapping[str, object]) -> str:
    """
    Give *name* in a form that is not taken.
    """
    name = name[-_LONGEST_NAME:]
    told, number = name, 1
    while told in known:
        number += 1
        told = f"{name}_{number}"
    return told


def _scrubbed(path: tuple[str, ...], value: object) -> Any:
    """
    Scrub *value* beside each of its names, as these tell what it is.
    """
    plain = _plain(value)
    if plain is None or isinstance(plain, bool):
        return plain
    if isinstance(plain, int) and plain.bit_length() > _LONGEST_INT_BITS:
        return "(int)"
    text = _cut(clear_text(str(plain)))
    alone = scrub(text)
    # In a list, the name is that of the list.
    names = [name for name in reversed(path) if not name.isdigit()]
    for name in names:
        found = scrub(f"{name}={text}")
        if found.dropped:
            return found.text
        for span in found.spans:
            start = len(name) + 1
            if span.start <= start < span.end and not _begins(alone):
                # Only by its name: then all of it is what the name says.
                return f"<{span.type}>"
        if len(found.spans) > len(alone.spans):
            return found.text.removeprefix(f"{name}=")
    if alone.spans or alone.dropped:
        return alone.text
    return plain if text == str(plain) else text


def _begins(found: Scrubbed) -> bool:
    return any(span.start == 0 for span in found.spans)


def _cut(text: str) -> str:
    """
    Cut a long *text* at a blank, with the figures before it, so that no half
    of a value is left.
    """
    if len(text) <= _LONGEST_FIELD:
        return text
    words = text[:_LONGEST_FIELD].rsplit(None, 1)
    head = words[0].rstrip("0123456789 +-().,;:") if len(words) > 1 else ""
    return f"{head} <CUT>"
