# SPDX-License-Identifier: MIT
"""
A call that is waited for so long and no longer.

Python cannot end a thread. A call that is late is left to itself: nobody
waits for its thread any more, not even the interpreter at its end, and what
it gives in the end is dropped. Until then the next call is not begun, so
that there is one such thread at most.

Times are seconds.
"""

from __future__ import annotations

import math
import threading
import time

from collections.abc import Callable
from typing import Generic, TypeVar

from consentkit._fork import Mutex


__all__ = ["Deadline", "FailedCallError", "check_seconds"]

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


class Deadline(Generic[T]):
    """
    Calls one thing, each time with a deadline.

    Args:
        work: What is called, in a thread of its own.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._mutex = Mutex()
        self._thread: threading.Thread | None = None

    def call(self, seconds: float) -> T:
        """
        Call it, and wait for *seconds* at most.

        Raises:
            TimeoutError: If it is late, or an earlier call still is.

            FailedCallError: If it raised anything.
        """
        end = time.monotonic() + seconds
        box: list[T] = []
        failed: list[str] = []

        def run() -> None:
            try:
                box.append(self._work())
            except BaseException as error:  # noqa: BLE001 - SystemExit too
                failed.append(type(error).__name__)

        thread = self._begin(run, end)
        thread.join(max(0.0, end - time.monotonic()))
        if failed:
            raise FailedCallError(failed[0])
        if not box:
            raise TimeoutError
        return box[0]

    def _begin(self, run: Callable[[], None], end: float) -> threading.Thread:
        """
        Start *run* as soon as no earlier call goes on.

        Raises:
            TimeoutError: If one still does at *end*.
        """
        while True:
            with self._mutex:
                earlier = self._thread
                if earlier is None or not earlier.is_alive():
                    self._thread = threading.Thread(
                        target=run, name="consentkit-read", daemon=True
                    )
                    self._thread.start()
                    return self._thread
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            earlier.join(left)
