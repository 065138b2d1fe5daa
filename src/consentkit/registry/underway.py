# SPDX-License-Identifier: MIT
"""
What an SDK was in the middle of when its consent ended.

A worker that has taken a batch out of its queue tries again and again to
send it, and may still do so when the person says yes anew: then data of the
consent that has ended would leave under the next one. So the calls of the
SDK's code that were under way are remembered, and reach nobody until they
have returned. The function that a thread or a task of its own runs is none
of them: that is a loop, which goes on with what is new.
"""

from __future__ import annotations

import inspect
import sys
import time

from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, Final, final

from attrs import frozen

from consentkit._fork import Mutex
from consentkit.registry.attribution import Attribution
from consentkit.registry.handed import tasks


__all__ = ["Underway"]

_MOST_FRAMES: Final = 200
# No SDK tries for longer to send one thing: what goes on is a loop.
_MOST_SECONDS: Final = 1_800
# What is suspended in the middle; only tasks are asked for theirs.
_SUSPENDED: Final = (
    inspect.CO_ASYNC_GENERATOR | inspect.CO_COROUTINE | inspect.CO_GENERATOR
)


@frozen(eq=False)
class _Call:
    """
    One call.

    Attributes:
        frame: Where it is.

        until: When it counts as a loop, on the monotonic clock.

        coroutine: What it is of, or ``None``.
    """

    frame: FrameType
    until: float
    coroutine: Any = None

    def is_over(self) -> bool:
        """
        Tell whether it has returned; then its variables are let go of.
        """
        if time.monotonic() > self.until:
            return True
        if self.coroutine is not None:
            return _frame_of(self.coroutine) is not self.frame
        try:
            self.frame.clear()
        except RuntimeError:
            return False  # it runs
        return True


@final
class Underway:
    """
    Remembers the calls that must not reach anybody any more.

    Args:
        attribution: Tells whose code a frame is of.
    """

    def __init__(self, attribution: Attribution) -> None:
        self._attribution = attribution
        self._guard = Mutex()
        self._calls: dict[str, list[_Call]] = {}

    def __repr__(self) -> str:
        return f"<Underway: {sum(map(len, self._calls.values()))} calls>"

    def note(self, sdk: str, done: Sequence[Any] = ()) -> bool:
        """
        Remember what *sdk* is in the middle of, in all threads and tasks.

        Args:
            sdk: Id of the SDK.

            done: Queues of which nothing is in anybody's hands: who waits
                for one of them is in the middle of nothing.

        Returns:
            Whether anything is remembered of it.
        """
        of = self._attribution.acts_of
        until = time.monotonic() + _MOST_SECONDS
        stacks = [
            [*_outward(innermost)]
            for innermost in sys._current_frames().values()  # noqa: SLF001 - there is no other way
        ]
        found = [
            _Call(frame, until)
            for stack in stacks
            if not _waits_for(done, stack)
            for frame in of(sdk, stack)
            if not frame.f_code.co_flags & _SUSPENDED
        ]
        for task in tasks():
            # Whoever waits stands outside, and comes first in the chain.
            chain = [*_chain(task.get_coro())][::-1]
            frames = [frame for frame, _ in chain]
            if not _waits_for(done, frames):
                acts = of(sdk, frames)
                found += [_Call(f, until, c) for f, c in chain if f in acts]
        with self._guard:
            known = {id(c.frame) for c in self._calls.get(sdk, ())}
            new = [c for c in found if id(c.frame) not in known]
            if new:
                self._calls.setdefault(sdk, []).extend(new)
            return sdk in self._calls

    def adopt(self, other: Underway) -> None:
        """
        Remember what *other* does.
        """
        with other._guard:
            found = {sdk: [*calls] for sdk, calls in other._calls.items()}
        with self._guard:
            for sdk, calls in found.items():
                self._calls.setdefault(sdk, []).extend(calls)

    def holds(self, sdk: str, frame: FrameType) -> bool:
        """
        Tell whether *frame* is inside of a call that is remembered.
        """
        with self._guard:
            held = {id(call.frame) for call in self._calls.get(sdk, ())}
        return bool(held) and any(id(f) in held for f in _outward(frame))

    def prune(self) -> bool:
        """
        Forget the calls that have returned, and tell whether any is left.

        What they held is let go of, which may run code of the SDK: so not in
        the middle of a judgement.
        """
        with self._guard:
            known = [c for calls in self._calls.values() for c in calls]
        over = {id(call) for call in known if call.is_over()}
        with self._guard:
            left = {
                sdk: [call for call in calls if id(call) not in over]
                for sdk, calls in self._calls.items()
            }
            self._calls = {sdk: calls for sdk, calls in left.items() if calls}
            return bool(self._calls)


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(_MOST_FRAMES):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _waits_for(queues: Sequence[Any], stack: list[FrameType]) -> bool:
    """
    Tell whether a stack is in the ``get()`` of one of *queues*.
    """
    waiting = [
        frame.f_locals.get("self")
        for frame in stack
        if frame.f_code.co_name == "get"
    ]
    return any(one is queue for one in waiting for queue in queues)


def _frame_of(coroutine: Any) -> FrameType | None:
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        if hasattr(coroutine, name):
            found: FrameType | None = getattr(coroutine, name)
            return found
    return None


def _chain(coroutine: Any) -> Iterator[tuple[FrameType, Any]]:
    """
    Give a coroutine and those that it waits for, with their frames.
    """
    for _ in range(_MOST_FRAMES):
        frame = _frame_of(coroutine)
        if frame is None:
            return
        yield frame, coroutine
        coroutine = next(
            (
                inner
                for name in ("cr_await", "gi_yieldfrom", "ag_await")
                if (inner := getattr(coroutine, name, None)) is not None
            ),
            None,
        )
