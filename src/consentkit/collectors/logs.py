# SPDX-License-Identifier: MIT
"""
The app's logs: a handler that scrubs each record and captures it.

Nothing of a record is kept unscrubbed: the message is formatted in memory
and scrubbed, a traceback keeps file names, line numbers and functions but no
locals, and both go through the same rules.

`LogKeeper` is what the handler shares with the adapters for other logging
libraries, with crash capture and with the journal.

Obligations: WP-LOG-1 (free text is redacted before it is stored), WP-LOG-2
(messages, paths and arguments of crashes are, too).
"""

from __future__ import annotations

import logging
import re
import threading
import traceback

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import PurePath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from consentkit._fork import Mutex
from consentkit.anonymise.scrub import DROPPED, LIMIT_CHARACTERS, scrub
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

# The innermost frames are kept: a recursion has as many as it likes.
_MOST_FRAMES: Final = 100
# Longest chain of causes that is named.
_MOST_CAUSES: Final = 8

# Colours of a terminal, control characters, and signs that nobody sees: a
# number with these inside has no form that a rule could know.
_HIDDEN: Final = re.compile(
    r"\x1b\[[0-?]{0,32}[ -/]{0,8}[@-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)

# Per thread: what is logged while a record is handled is our own doing, in
# whatever kit, and would go in circles.
_at_work: Final = threading.local()


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
        if getattr(_at_work, "now", False):
            return ""
        # A record that was made elsewhere may have anything for a name.
        if isinstance(name, str) and name.partition(".")[0] in _OURS:
            return ""
        _at_work.now = True
        outcome = "failed"
        try:
            outcome = self._capture(fields, has_exception=has_exception)
        except Exception:  # noqa: BLE001, S110 - logging breaks no app
            pass
        finally:
            _at_work.now = False
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

    def emit(self, record: logging.LogRecord) -> None:
        """
        Scrub and capture one record.
        """
        self._keeper.keep(
            lambda: _fields(record),
            name=record.name,
            has_exception=bool(record.exc_info),
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """
        Stay quiet: printing the record would show what is in it.
        """


def clear_text(text: str) -> str:
    """
    Take out of *text* what nobody sees in it.

    Text in UTF-16 that was read as another encoding has a NUL beside each
    digit; a number with an invisible sign inside passes every rule. But two
    numbers that only such a sign keeps apart would become one. So both ways
    are tried, and where they find different things the text is dropped.

    Args:
        text: As the app gave it. What the scrubber would cut off is not
            looked at.
    """
    if not _HIDDEN.search(text, 0, LIMIT_CHARACTERS):
        return text
    joined, apart = _HIDDEN.sub("", text), _HIDDEN.sub(" ", text)
    one, two = scrub(joined), scrub(apart)
    if not two.spans:
        return joined
    if not one.spans:
        return apart
    same = "".join(one.text.split()) == "".join(two.text.split())
    return joined if same else DROPPED


def exception_fields(
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
) -> dict[str, Any]:
    """
    Give what may be kept of an exception, its text still to be scrubbed.

    For each frame, innermost first, that is the file's name, the line and
    the function: never a local, an argument, a source line or a folder.

    Returns:
        The fields ``exception`` (its class), ``reason`` (its text),
        ``trace``, and ``causes`` (classes of the exceptions before it) if
        there are any.
    """
    # Walked, not extracted: that would read the source files.
    frames = deque(traceback.walk_tb(trace), maxlen=_MOST_FRAMES)
    causes = list(islice(_causes(error), _MOST_CAUSES))
    fields = {
        "exception": kind.__name__,
        "reason": "" if error is None else str(error),
        "trace": " < ".join(
            f"{PurePath(frame.f_code.co_filename).name}:{line} "
            f"{frame.f_code.co_name}"
            for frame, line in reversed(frames)
        ),
    }
    return fields | ({"causes": " < ".join(causes)} if causes else {})


def _causes(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        error = error.__cause__ or (
            None if error.__suppress_context__ else error.__context__
        )
        if error is not None:
            yield type(error).__name__


def _cleared(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: clear_text(value) if isinstance(value, str) else value
        for name, value in fields.items()
    }


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "message": record.getMessage(),
        "level": record.levelname,
        "logger": record.name,
    }
    if record.exc_info and record.exc_info[0] is not None:
        fields |= exception_fields(*record.exc_info)
    return fields
