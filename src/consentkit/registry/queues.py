# SPDX-License-Identifier: MIT
"""
What waits in an SDK's own queue, and must not leave after a withdrawal.

SDKs send what is queued even when they are turned off, and keep what they
cannot send for later. So the queues that an entry names are emptied, in every
object of the class that is alive, when the consent ends and before the next
one counts. Nothing is called of the SDK. `consentkit.registry.underway` holds
what has been taken out of a queue.
"""

from __future__ import annotations

import gc
import sys

from collections import deque
from contextlib import suppress
from typing import Any

from consentkit.registry.model import SDKEntry


__all__ = ["empty_queues"]


def empty_queues(entry: SDKEntry) -> list[Any]:
    """
    Empty the queues that *entry* names.

    Returns:
        Those of which nothing is in anybody's hands: they count what was
        taken out of them, and all of it is done.
    """
    queues = _queues_of(entry)
    for queue in queues:
        _empty(queue)
    return [queue for queue in queues if not _counts_taken(queue)]


def _counts_taken(queue: Any) -> int:
    for name in ("unfinished_tasks", "_unfinished_tasks"):
        count = getattr(queue, name, None)
        if isinstance(count, int):
            return count
    return 1  # nobody knows


def _queues_of(entry: SDKEntry) -> list[Any]:
    if entry.package is None:
        return []
    found: list[tuple[type, str]] = []
    for name in entry.package.queues:
        path, _, attribute = name.rpartition(".")
        module, _, cls = path.rpartition(".")
        loaded = sys.modules.get(module)
        # Not by getattr(): a gated module gives stand-ins.
        kind = vars(loaded).get(cls) if loaded is not None else None
        if isinstance(kind, type):
            found.append((kind, attribute))
    return [
        getattr(one, attribute, None)
        for kind, attribute in found
        for one in _alive(kind)
    ]


def _alive(kind: type) -> list[Any]:
    """
    Find the objects of *kind* and of what is derived from it.
    """
    kinds, waiting = {kind}, [kind]
    while waiting:
        derived: list[type] = type.__subclasses__(waiting.pop())
        waiting += [k for k in derived if k not in kinds]
        kinds.update(derived)
    # An object refers to its type. Of all that there are, half-made ones are
    # among, which nobody may hold.
    found = [o for k in kinds for o in gc.get_referrers(k) if type(o) is k]
    return list({id(one): one for one in found}.values())


def _empty(queue: Any) -> None:
    """
    Empty one queue, and what is in it if that is queues again.
    """
    inner = getattr(queue, "queue", None)
    mutex = getattr(queue, "mutex", None)
    if mutex is not None and isinstance(inner, deque | list):
        # As `queue.Queue`, whose join() counts what was taken out.
        with mutex:
            count = len(inner)
            inner.clear()
            # What a worker has taken out is for it to finish.
            queue.unfinished_tasks = max(queue.unfinished_tasks - count, 0)
            for name in ("all_tasks_done", "not_full"):
                waiting = getattr(queue, name, None)
                if waiting is not None:
                    waiting.notify_all()
    elif hasattr(queue, "get_nowait") and hasattr(queue, "task_done"):
        _empty_of_loop(queue)
    elif isinstance(queue, dict | list | deque):
        inner_lists: list[Any] = []
        if isinstance(queue, dict):
            inner_lists = [v for v in [*queue.values()] if isinstance(v, list)]
        for one in inner_lists or [queue]:
            one.clear()


def _empty_of_loop(queue: Any) -> None:
    """
    Empty an `asyncio.Queue`, in the thread of its loop if that runs.
    """
    count = int(queue.qsize())

    def take() -> None:
        # No more than that: what comes later may be there under a new yes.
        with suppress(Exception):  # its own, such as QueueEmpty
            for _ in range(count):
                queue.get_nowait()
                queue.task_done()

    loop = getattr(queue, "_loop", None)
    if loop is None or not loop.is_running() or _runs_here(loop):
        take()
    else:
        loop.call_soon_threadsafe(take)


def _runs_here(loop: Any) -> bool:
    running = sys.modules["asyncio"]._get_running_loop()  # noqa: SLF001 - raises nothing
    return running is loop
