# SPDX-License-Identifier: MIT
"""
What a fork must not carry into the child: held locks and open files.

A lock that another thread holds at that moment would never be given up in
the child, and SQLite cannot go on in two processes. So whoever has such a
thing puts it in order before the fork, and takes it up again after it.
"""

from __future__ import annotations

import os
import sys
import threading

from importlib import import_module
from types import ModuleType
from typing import Protocol
from weakref import WeakSet


__all__ = ["ForkMember", "Mutex", "load", "watch_forks"]


class ForkMember(Protocol):
    """
    Something that wants to know of forks.
    """

    def before_fork(self) -> None:
        """
        Take every lock, and close what must not be shared.
        """

    def after_fork(self, *, in_child: bool) -> None:
        """
        Give the locks up again.
        """


_members: WeakSet[ForkMember] = WeakSet()
_guard = threading.RLock()
_is_installed = False

# One fork at a time, so that two cannot wait for each other's locks.
_turn = threading.RLock()
_asked: list[ForkMember] = []
_is_forking = False
# Whether the guard is held over it.
_is_guarded = False


def watch_forks(member: ForkMember) -> None:
    """
    Tell *member* of forks for as long as it lives.
    """
    global _is_installed  # noqa: PLW0603 - hooks are for the whole process
    with _guard:
        _members.add(member)
        if not _is_installed and hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=_before,
                after_in_parent=lambda: _after(in_child=False),
                after_in_child=lambda: _after(in_child=True),
            )
        _is_installed = True


def _before() -> None:
    global _is_forking, _is_guarded  # noqa: PLW0603 - as above
    _turn.acquire()
    _is_forking = True
    known: set[int] = set()
    while True:
        # It stays taken over the fork: what another thread makes while the
        # rest is asked is asked as well, and nothing comes after that.
        _guard.acquire()
        found = [one for one in _members if id(one) not in known]
        if not found:
            _is_guarded = True
            return
        _guard.release()
        for member in found:
            known.add(id(member))
            member.before_fork()
            _asked.append(member)


def _after(*, in_child: bool) -> None:
    global _guard, _is_forking, _is_guarded  # noqa: PLW0603 - as above
    if in_child:
        _guard = threading.RLock()  # another thread may have held it
    if not _is_forking:
        return  # some servers fork without running what goes before
    if _is_guarded and not in_child:
        _guard.release()
    _is_guarded = False
    while _asked:
        _asked.pop().after_fork(in_child=in_child)
    _is_forking = False
    _turn.release()


class Mutex:
    """
    A lock that a forked child finds free; for a ``with`` block.

    No other lock may be taken inside it.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        watch_forks(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def before_fork(self) -> None:
        """
        Wait until nobody is inside.
        """
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:  # noqa: ARG002
        """
        Let others in again, in both processes.
        """
        self._lock.release()


_loading: Mutex | None = None
# What is there as a whole: another thread may be half way through others.
_loaded: dict[str, ModuleType] = {}


def load(name: str) -> ModuleType:
    """
    Import the module *name*, in such a way that a fork waits for the end.

    A child that is forked in the middle of another thread's import would
    itself wait for that end for ever. No other lock may be held.
    """
    global _loading  # noqa: PLW0603 - one for the whole process
    known = _loaded.get(name)
    if known is not None and sys.modules.get(name) is known:
        return known
    with _guard:
        if _loading is None:
            _loading = Mutex()
        loading = _loading
    with loading:
        module = _loaded[name] = import_module(name)
        return module
