# SPDX-License-Identifier: MIT
"""
Adapters for structlog and loguru, with the counts and guards of `LogHandler`.

Neither library is imported here: a processor and a sink are callables.

Of structured fields a scrubbed copy is kept: see `_log_fields`.
"""

from __future__ import annotations

import sys

from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from consentkit.collectors._log_errors import exception_fields
from consentkit.collectors._log_fields import (
    MOST_LOOKED_AT,
    add_fields,
    plain_value,
)
from consentkit.collectors.logs import LogCounts, LogKeeper


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["LoguruSink", "StructlogProcessor"]

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
        reasons: bool = False,
        purpose: str | None = None,
        data_type: str | None = None,
        while_open: Callable[[], bool] = lambda: True,
    ) -> None:
        if isinstance(fields, str):
            msg = "fields must be a collection of names, not one text"
            raise TypeError(msg)
        self._wanted = None if fields is None else frozenset(fields)
        self._reasons = reasons
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

    def _exception(self, given: Any) -> dict[str, Any]:
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
                return exception_fields(
                    kind, error, trace, reasons=self._reasons
                )
            case _:
                return {}

    def _with_fields(
        self, known: dict[str, Any], given: Mapping[Any, Any]
    ) -> dict[str, Any]:
        """
        Add the structured fields that are wanted, flat and scrubbed.
        """
        chosen = {
            name: value
            for name, value in islice(given.items(), MOST_LOOKED_AT)
            if self._wanted is None or name in self._wanted
        }
        return add_fields(known, chosen)


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

        reasons: As for `consentkit.collectors.logs.LogHandler`.

        purpose: Why; by default the first purpose of the data type.

        data_type: As for `consentkit.collectors.logs.LogHandler`.

        while_open: Tells whether to go on.

    Raises:
        TypeError: If *fields* is one text.

        ValueError: As for `consentkit.collectors.logs.LogHandler`.
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
            "message": plain_value(event_dict.get("event", "")),
            "level": plain_value(event_dict.get("level", method)),
            "logger": plain_value(name),
            **self._exception(event_dict.get("exc_info")),
        }
        rest = {
            key: value
            for key, value in islice(event_dict.items(), MOST_LOOKED_AT)
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

        reasons: As for `consentkit.collectors.logs.LogHandler`.

        purpose: Why; by default the first purpose of the data type.

        data_type: As for `consentkit.collectors.logs.LogHandler`.

        while_open: Tells whether to go on.

    Raises:
        TypeError: If *fields* is one text.

        ValueError: As for `consentkit.collectors.logs.LogHandler`.
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
            "message": plain_value(record["message"]),
            "level": plain_value(record["level"].name),
            "logger": plain_value(record["name"]),
            **self._exception(record["exception"]),
        }
        return self._with_fields(known, record["extra"])


def _ignore(_: object) -> None:
    """
    Take what was filtered out.
    """
