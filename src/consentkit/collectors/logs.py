# SPDX-License-Identifier: MIT
"""
The app's logs: a handler that scrubs each record and captures it.

Nothing of a record is kept unscrubbed: the message is formatted in memory
and scrubbed, a traceback keeps file names, line numbers and functions but no
locals, and both go through the same rules. The text of an exception is left
out, unless the app asks for it: ``int(text)`` puts the whole text into it.

`LogKeeper` is what the handler shares with the adapters for other logging
libraries, with crash capture and with the journal.

Obligations: WP-LOG-1 (free text is redacted before it is stored), WP-LOG-2
(messages, paths and arguments of crashes are, too).
"""

from __future__ import annotations

import logging

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from consentkit._fork import Mutex
from consentkit.collectors._declared import check_declared
from consentkit.collectors._log_errors import exception_fields
from consentkit.collectors._log_text import clear_text
from consentkit.gate import Refusal


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = [
    "LogCounts",
    "LogHandler",
    "LogKeeper",
    "clear_text",
    "exception_fields",
]

# Our own logger, and those of the libraries that deliver: what they say would
# be delivered, and make them say more.
_OURS: Final = frozenset(
    {"consentkit", "httpcore", "httpcore2", "httpx", "httpx2"}
)

# What is logged while a record is handled is our own doing, in whatever kit,
# and would go in circles; also where something is asked in another thread,
# which gets a copy of the context.
_at_work: Final = ContextVar("consentkit_log_at_work", default=False)


@frozen(kw_only=True)
class LogCounts:
    """
    What became of the records that a handler got.

    Attributes:
        captured: Kept, scrubbed.

        refused: Dropped unread, because the gate said no.

        failed: Dropped, because they could not be formatted or kept.
    """

    captured: int = 0
    refused: int = 0
    failed: int = 0


class LogKeeper:
    """
    Captures what is logged, while the function is permitted.

    It never raises into the code that logs, and leaves out what is logged
    while it works.

    Args:
        kit: The app's kit.

        function: The function of the policy that it collects for.

        purpose: Why; by default the first purpose of the data type.

        data_type: Which type of the policy it is; by default the first log
            type that the function declares. What has an exception is
            ``crash_log`` where the function declares that.

        while_open: Tells whether to go on.

    Raises:
        ValueError: As for `check_declared`.
    """

    def __init__(
        self,
        kit: Kit,
        function: str,
        *,
        purpose: str | None = None,
        data_type: str | None = None,
        while_open: Callable[[], bool] = lambda: True,
    ) -> None:
        check_declared(kit.policy, function, data_type)
        self.function: str = function
        self._kit = kit
        self._purpose = purpose
        self._data_type = data_type
        self._while_open = while_open
        self._lock = Mutex()
        self._counts = {"captured": 0, "refused": 0, "failed": 0}

    @property
    def counts(self) -> LogCounts:
        """
        What became of the records so far.
        """
        with self._lock:
            return LogCounts(**self._counts)

    def keep(
        self,
        fields: Callable[[], dict[str, Any]],
        *,
        name: object = "",
        has_exception: bool = False,
    ) -> str:
        """
        Scrub and capture one record.

        Args:
            fields: Gives the record; not called without a permit.

            name: Of its logger; consentkit's own are left out.

            has_exception: Whether there is an exception in it.

        Returns:
            The count that it went into, or an empty text if it was left
            out.
        """
        if _at_work.get():
            return ""
        # A record that was made elsewhere may have anything for a name.
        if isinstance(name, str) and name.partition(".")[0] in _OURS:
            return ""
        before = _at_work.set(True)
        outcome = "failed"
        try:
            outcome = self._capture(fields, has_exception=has_exception)
        except Exception:  # noqa: BLE001, S110 - logging breaks no app
            pass
        finally:
            _at_work.reset(before)
        self.count(outcome)
        return outcome

    def count(self, outcome: str) -> None:
        """
        Count one record: ``captured``, ``refused`` or ``failed``.
        """
        with self._lock:
            self._counts[outcome] += 1

    def _capture(
        self, fields: Callable[[], dict[str, Any]], *, has_exception: bool
    ) -> str:
        if not self._while_open():
            return "refused"
        with self._kit.use(self.function, purpose=self._purpose) as use:
            # Asked before the record is even formatted.
            line = use.log_line_if_permitted(
                self._type(has_exception=has_exception),
                lambda: _cleared(fields()),
            )
            if isinstance(line, Refusal):
                return "refused"
            return "captured" if use.capture(line) else "failed"

    def _type(self, *, has_exception: bool) -> str | None:
        found = self._kit.policy.functions.get(self.function)
        crash = found is not None and "crash_log" in found.clauses
        return "crash_log" if has_exception and crash else self._data_type


class LogHandler(logging.Handler):
    """
    Scrubs log records and captures them, while the function is permitted.

    It never raises into the code that logs, never logs itself, and leaves
    out records of consentkit's own logger and of the HTTP client's
    (``httpx``, ``httpcore`` and their continuations).

    Args:
        kit: The app's kit.

        function: The function of the policy that it collects for.

        level: As for any handler.

        reasons: Whether the texts of exceptions are kept, scrubbed. They
            may hold all that the app worked on.

        purpose: Why; by default the first purpose of the data type.

        data_type: Which type of the policy the records are; by default the
            first log type that the function declares. Records with an
            exception are ``crash_log`` where the function declares that.

        while_open: Tells whether to go on.

    Raises:
        ValueError: If the policy has no such function, or it does not
            collect *data_type*.
    """

    def __init__(
        self,
        kit: Kit,
        function: str,
        *,
        level: int | str = logging.NOTSET,
        reasons: bool = False,
        purpose: str | None = None,
        data_type: str | None = None,
        while_open: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(level)
        self._reasons = reasons
        self._keeper = LogKeeper(
            kit,
            function,
            purpose=purpose,
            data_type=data_type,
            while_open=while_open,
        )

    def __repr__(self) -> str:
        return f"<LogHandler for {self._keeper.function}: {self.counts}>"

    @property
    def counts(self) -> LogCounts:
        """
        What became of the records so far.
        """
        return self._keeper.counts

    def handle(self, record: logging.LogRecord) -> bool:
        """
        Capture one record, if no filter is against it.

        The handler's lock is not taken: where the app is asked something in
        another thread, and logs there, that would wait for this one.
        """
        found: object = self.filter(record)
        # From Python 3.12 on, a filter may give another record.
        if isinstance(found, logging.LogRecord):
            record = found
        if found:
            self.emit(record)
        return bool(found)

    def emit(self, record: logging.LogRecord) -> None:
        """
        Scrub and capture one record.
        """
        self._keeper.keep(
            lambda: _fields(record, reasons=self._reasons),
            name=record.name,
            has_exception=bool(record.exc_info),
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """
        Stay quiet: printing the record would show what is in it.
        """


def _cleared(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: clear_text(value) if isinstance(value, str) else value
        for name, value in fields.items()
    }


def _fields(record: logging.LogRecord, *, reasons: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "message": record.getMessage(),
        "level": record.levelname,
        "logger": record.name,
    }
    if record.exc_info and record.exc_info[0] is not None:
        fields |= exception_fields(*record.exc_info, reasons=reasons)
    return fields
