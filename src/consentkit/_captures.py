# SPDX-License-Identifier: MIT
"""
The doors to what captures by itself: logs, crashes, the journal.

Each is imported when an app first opens it. What it captures goes through
`Kit.use` as everything does.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet


if TYPE_CHECKING:
    from consentkit.collectors.crash import CrashCapture
    from consentkit.collectors.journal import JournalCapture
    from consentkit.collectors.log_adapters import (
        LoguruSink,
        StructlogProcessor,
    )
    from consentkit.collectors.logs import LogHandler
    from consentkit.kit import Kit


__all__ = [
    "Crashes",
    "make_journal_capture",
    "make_log_handler",
    "make_loguru_sink",
    "make_structlog_processor",
]


def make_log_handler(kit: Kit, function: str, **options: Any) -> LogHandler:
    """
    Make what captures the records of `logging`.
    """
    from consentkit.collectors.logs import LogHandler

    return LogHandler(kit, function, **options)


def make_structlog_processor(
    kit: Kit, function: str, **options: Any
) -> StructlogProcessor:
    """
    Make what captures the events of structlog.
    """
    from consentkit.collectors.log_adapters import StructlogProcessor

    return StructlogProcessor(kit, function, **options)


def make_loguru_sink(kit: Kit, function: str, **options: Any) -> LoguruSink:
    """
    Make what captures the records of loguru.
    """
    from consentkit.collectors.log_adapters import LoguruSink

    return LoguruSink(kit, function, **options)


def make_journal_capture(
    kit: Kit, function: str, **options: Any
) -> JournalCapture:
    """
    Make what captures lines of the system's journal.
    """
    from consentkit.collectors.journal import JournalCapture

    return JournalCapture(kit, function, **options)


class Crashes:
    """
    What captures crashes, for as long as the app keeps hold of it.
    """

    def __init__(self) -> None:
        self._made: WeakSet[CrashCapture] = WeakSet()

    def make(self, kit: Kit, function: str, **options: Any) -> CrashCapture:
        """
        Make what captures crashes of the whole process.
        """
        from consentkit.collectors.crash import CrashCapture

        made = CrashCapture(kit, function, **options)
        self._made.add(made)
        return made

    def leave(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """
        Capture what leaves the block of the kit, and give the hooks back.
        """
        for capture in tuple(self._made):
            capture.__exit__(exc_type, exc, traceback)

    def settle(self) -> None:
        """
        Arm or disarm what writes down how the process dies.
        """
        for capture in tuple(self._made):
            capture.settle()
