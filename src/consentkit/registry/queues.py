# SPDX-License-Identifier: MIT
"""
What waits in an SDK's own queue, and must not leave after a withdrawal.

SDKs send what is queued even when they are turned off, and keep what they
cannot send for later. So the queues that an entry names are emptied, in every
object of the class that is alive. Nothing is called of the SDK.
"""

from __future__ import annotations

import gc
import sys

from collections import deque
from typing import Any

from consentkit.registry.model import SDKEntry


__all__ = ["empty_queues"]


def empty_queues(entry: SDKEntry) -> int:
    """
    Empty the queues that *entry* names.

    Returns:
        How many things were in them.
    """
    if entry.package is None:
        return 0
    found: list[tuple[type, str]] = []
    for name in entry.package.queues:
        path, _, attribute = name.rpartition(".")
        module, _, cls = path.rpartition(".")
        loaded = sys.modules.get(module)
        # Not by getattr(): a gated module gives stand-ins.
        kind = vars(loaded).get(cls) if loaded is not None else None
        if isinstance(kind, type):
            found.append((kind, attribute))
    if not found:
        return 0
    emptied = 0
    for kind, attribute in found:
        for one in _alive(kind):
            emptied += _empty(getattr(one, attribute, None))
    return emptied


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


def _empty(queue: Any) -> int:
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
        return count
    if isinstance(queue, dict):
        inner_lists = [v for v in queue.values() if isinstance(v, list)]
        return sum(map(_empty, inner_lists))
    if isinstance(queue, list | deque):
        count = len(queue)
        queue.clear()
        return count
    return 0
