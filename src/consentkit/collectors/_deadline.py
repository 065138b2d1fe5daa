# SPDX-License-Identifier: MIT
"""
A call that is waited for so long and no longer.

Python cannot end a thread. A call that is late is left to itself: nobody
waits for its thread any more, not even the interpreter at its end, and what
it gives in the end is dropped. Until then the next call is not begun, and not
waited for either, so that there is one such thread at most, and one wait.

Times are seconds.
"""

from __future__ import annotations

import math
import threading
import time

from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from consentkit._fork import Mutex


__all__ = ["Deadline", "FailedCallError", "check_age", "check_seconds"]

T = TypeVar("T")


class FailedCallError(Exception):
    """
    The call raised.

    Attributes:
        kind: Name of the class of what it raised. Its text, arguments and
            frames may hold a value, and are not kept.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def check_seconds(name: str, seconds: float) -> float:
    """
    Give *seconds* back if they can be a deadline.

    Raises:
        ValueError: If they are not a positive, finite number.
    """
    if not 0 < seconds < math.inf:
        msg = f"{name} must be a positive number of seconds"
        raise ValueError(msg)
    return seconds


def check_age(seconds: float) -> float:
    """
    Give *seconds* back if they can be an age, which may be endless.

    Raises:
        ValueError: If they are not a positive number.
    """
    if not seconds > 0:
        msg = "max_age_seconds must be a positive number of seconds"
        raise ValueError(msg)
    return seconds


class Deadline(Generic[T]):
    """
    Calls one thing, each time with a deadline.

    Args:
        work: What is called, in a thread of its own, and in a copy of the
            caller's context.
    """

    def __init__(self, work: Callable[..., T]) -> None:
        self._work = work
        self._mutex = Mutex()
        self._thread: threading.Thread | None = None
        self._late: threading.Thread | None = None

    def call(self, seconds: float, *arguments: Any) -> T:
        """
        Call it with *arguments*, and wait for *seconds* at most.

        Raises:
            TimeoutError: If it is late, or an earlier call still is.

            FailedCallError: If it raised anything, or no thread can be
                started for it: there are too many, or the interpreter ends.
        """
        end = time.monotonic() + seconds
        box: list[T] = []
        failed: list[str] = []

        def run() -> None:
            try:
                box.append(self._work(*arguments))
            except BaseException as error:  # noqa: BLE001 - SystemExit too
                failed.append(type(error).__name__)

        context = copy_context()
        thread = self._begin(lambda: context.run(run), end)
        try:
            thread.join(max(0.0, end - time.monotonic()))
        finally:
            # Also where a signal of the host's ended the wait.
            if thread.is_alive():
                self._late = thread
        if failed:
            raise FailedCallError(failed[0])
        if not box:
            raise TimeoutError
        return box[0]

    def _begin(self, run: Callable[[], None], end: float) -> threading.Thread:
        """
        Start *run* as soon as no earlier call goes on.

        Raises:
            TimeoutError: If one still does at *end*, or was late already.

            FailedCallError: If the system gives no thread.
        """
        while True:
            with self._mutex:
                earlier = self._thread
                if earlier is None or not earlier.is_alive():
                    self._thread = _started(run)
                    return self._thread
            left = end - time.monotonic()
            if left <= 0 or earlier is self._late:
                raise TimeoutError
            earlier.join(left)


def _started(run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, name="consentkit-read", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        failed = type(error).__name__
    else:
        return thread
    raise FailedCallError(failed)
