# SPDX-License-Identifier: MIT
"""
Work that is handed on: to a pool's thread, or to a task of its own.

There the stack of whoever handed it on is gone. So it is noted when it is
handed on whose it is, and carried along.
"""

from __future__ import annotations

import sys
import threading

from collections.abc import Callable, Mapping
from functools import wraps
from types import FrameType
from typing import Any, Final
from weakref import WeakKeyDictionary

from consentkit._fork import Mutex


__all__ = ["carried", "carry", "tasks"]

#: Whose it is, for each who asks; by its `id`.
_Owners = Mapping[int, Any]


class _Here(threading.local):
    """
    Whose work this thread does.
    """

    owners: _Owners = {}  # noqa: RUF012 - never changed


_here: Final = _Here()
_tasks: Final[WeakKeyDictionary[Any, _Owners]] = WeakKeyDictionary()
_guard: Final = Mutex()
_is_carrying = False


def carried(asker: object) -> Any:
    """
    Give whose work is done here, if it was handed on; else ``None``.
    """
    found = _here.owners.get(id(asker))
    if found is not None or not _tasks:
        return found
    asyncio = sys.modules["asyncio"]
    loop = asyncio.events._get_running_loop()  # noqa: SLF001 - raises nothing
    task = None if loop is None else asyncio.current_task(loop)
    return None if task is None else _tasks.get(task, {}).get(id(asker))


def tasks() -> list[Any]:
    """
    Give the tasks that SDKs have begun, and that have not ended.
    """
    found = [reference() for reference in _tasks.keyrefs()]
    return [task for task in found if task is not None and not task.done()]


def carry(owners: Callable[[FrameType], _Owners]) -> None:
    """
    Carry along whose work it is, from now on.

    `ThreadPoolExecutor.submit` and the event loops' `create_task` are
    wrapped, once for the process.

    Args:
        owners: Tells whose work a frame does, of SDKs.
    """
    global _is_carrying  # noqa: PLW0603 - as those are
    with _guard:
        if _is_carrying:
            return
        _is_carrying = True
    from asyncio.base_events import BaseEventLoop
    from concurrent.futures import ThreadPoolExecutor

    submit: Any = ThreadPoolExecutor.submit
    create_task: Any = BaseEventLoop.create_task

    @wraps(submit)
    def handing(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        found = owners(sys._getframe(1))  # noqa: SLF001 - whoever hands it on
        if found:
            fn = _Carried(fn, found)
        return submit(self, fn, *args, **kwargs)

    @wraps(create_task)
    def beginning(self: Any, coro: Any, **kwargs: Any) -> Any:
        task = create_task(self, coro, **kwargs)
        found = owners(sys._getframe(1))  # noqa: SLF001 - as above
        if found:
            _tasks[task] = found
        return task

    ThreadPoolExecutor.submit = handing  # type: ignore[method-assign]
    BaseEventLoop.create_task = beginning  # type: ignore[method-assign]


class _Carried:
    """
    A function that is called for somebody.
    """

    def __init__(self, function: Any, owners: _Owners) -> None:
        self._function = function
        self._owners = owners

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        before, _here.owners = _here.owners, self._owners
        try:
            return self._function(*args, **kwargs)
        finally:
            _here.owners = before
