# SPDX-License-Identifier: MIT
"""
The app's logs: a handler that scrubs each record and captures it.

Nothing of a record is kept unscrubbed: the message is formatted in memory
and scrubbed, a traceback keeps file names, line numbers and functions but no
locals, and both go through the same rules.
"""

from __future__ import annotations

import logging
import threading
import traceback

from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from consentkit.gate import Refusal


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["LogCounts", "LogHandler"]

# Our own logger, and those of the libraries that deliver: what they say would
# be delivered, and make them say more.
_OURS: Final = frozenset(
    {"consentkit", "httpcore", "httpcore2", "httpx", "httpx2"}
)


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


class LogHandler(logging.Handler):
    """
    Scrubs log records and captures them, while the function is permitted.

    It never raises into the code that logs, never logs itself, and leaves
    out records of consentkit's own logger and of the HTTP client's
    (``httpx``, ``httpcore`` and their continuations).

    Args:
        function: The function of the policy that it collects for.

        level: As for any handler.

        purpose: Why; by default the first purpose of the data type.

        data_type: Which type of the policy the records are; by default the
            first log type that the function declares. Records with an
            exception are ``crash_log`` where the function declares that.

        while_open: Tells whether to go on.
    """

    def __init__(
        self,
        kit: Kit,
        function: str,
        *,
        level: int | str = logging.NOTSET,
        purpose: str | None = None,
        data_type: str | None = None,
        while_open: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(level)
        self._kit = kit
        self._function = function
        self._purpose = purpose
        self._data_type = data_type
        self._while_open = while_open
        self._inside = threading.local()
        self._counts = {"captured": 0, "refused": 0, "failed": 0}

    def __repr__(self) -> str:
        return f"<LogHandler for {self._function}: {self.counts}>"

    @property
    def counts(self) -> LogCounts:
        """
        What became of the records so far.
        """
        return LogCounts(**self._counts)

    def emit(self, record: logging.LogRecord) -> None:
        """
        Scrub and capture one record.
        """
        # A record that was made elsewhere may have anything for a name.
        own = str(record.name).partition(".")[0] in _OURS
        if own or getattr(self._inside, "now", False):
            return
        self._inside.now = True
        try:
            self._counts[self._capture(record)] += 1
        except Exception:  # noqa: BLE001 - logging must not break the app
            self._counts["failed"] += 1
        finally:
            self._inside.now = False

    def _capture(self, record: logging.LogRecord) -> str:
        if not self._while_open():
            return "refused"
        with self._kit.use(self._function, purpose=self._purpose) as use:
            type_ = self._type_of(record)
            # Asked before the record is even formatted.
            line = use.log_line_if_permitted(type_, lambda: _fields(record))
            if isinstance(line, Refusal):
                return "refused"
            return "captured" if use.capture(line) else "failed"

    def _type_of(self, record: logging.LogRecord) -> str | None:
        found = self._kit.policy.functions.get(self._function)
        crash = found is not None and "crash_log" in found.clauses
        return "crash_log" if record.exc_info and crash else self._data_type

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """
        Stay quiet: printing the record would show what is in it.
        """


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "message": record.getMessage(),
        "level": record.levelname,
        "logger": record.name,
    }
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, trace = record.exc_info
        fields["exception"] = kind.__name__
        fields["reason"] = str(error)
        # Walked, not extracted: that would read the source files.
        frames = [(f.f_code, line) for f, line in traceback.walk_tb(trace)]
        fields["trace"] = " < ".join(
            f"{PurePath(code.co_filename).name}:{line} {code.co_name}"
            for code, line in reversed(frames)
        )
    return fields
