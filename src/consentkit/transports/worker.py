# SPDX-License-Identifier: MIT
"""
Delivery in the background: a thread that flushes now and then, patiently.

What is captured is durable without it, so it may end at any moment: it holds
up no exit, and nothing is lost by its death. It starts with the first use of
a function, not when the app opens its kit, and anew in the child of a fork.
"""

from __future__ import annotations

import logging
import os
import threading
import time

from collections.abc import Callable
from typing import Final


__all__ = ["Worker"]

logger: logging.Logger = logging.getLogger("consentkit")

# Whoever captures more than so many records in such a while is left alone: two
# threads of Python that have much to do are each slower than one after the
# other. But not for ever.
_MANY: Final = 40
_WHILE_SECONDS: Final = 0.02
_MOST_SECONDS: Final = 2.0

#: How long the end of a kit waits for what is under way, once it is cut.
_END_SECONDS: Final = 0.1


class Worker:
    """
    Flushes for as long as its kit is open.

    Args:
        flush: Delivers what waits, patiently; it raises nothing.

        every_seconds: How long it rests between two of them.

        captured: Tells how many records this process has captured so far.
    """

    def __init__(
        self,
        flush: Callable[[], object],
        *,
        every_seconds: float,
        captured: Callable[[], int] = lambda: 0,
    ) -> None:
        self._flush = flush
        self._captured = captured
        self._every = every_seconds
        self._ended = threading.Event()
        self._is_over = False
        self._thread: threading.Thread | None = None
        self._pid = 0

    def ensure(self) -> None:
        """
        Start the thread, if there is none in this process.
        """
        if self._pid == os.getpid() or self._is_over:
            return
        self._pid = os.getpid()
        # Its lock may have come over a fork, held for ever.
        self._ended = threading.Event()
        thread = threading.Thread(
            target=self._run, name="consentkit-delivery", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            # The app ends, or may have no more threads; `flush` still works.
            return
        self._thread = thread

    def end(self) -> None:
        """
        Let the thread end; what it has under way is to be cut before.
        """
        self._is_over = True
        thread = self._thread
        if thread is None or self._pid != os.getpid():
            return
        self._ended.set()
        if thread is not threading.current_thread():
            thread.join(_END_SECONDS)

    def _run(self) -> None:
        ended = self._ended
        while not ended.is_set():
            self._let_others_go_first(ended)
            try:
                self._flush()
            except Exception as error:  # noqa: BLE001 - it must go on
                logger.debug(
                    "delivery failed",
                    extra={"consentkit_error": type(error).__name__},
                )
            ended.wait(self._every)

    def _let_others_go_first(self, ended: threading.Event) -> None:
        """
        Wait for the end of a burst of captures.
        """
        deadline = time.monotonic() + _MOST_SECONDS
        before = self._captured()
        while not ended.wait(_WHILE_SECONDS) and time.monotonic() < deadline:
            now = self._captured()
            if now - before < _MANY:
                return
            before = now
