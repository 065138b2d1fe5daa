# SPDX-License-Identifier: MIT
"""
Whose act it is: the code on the stack, from the innermost frame outward.

- Code of an SDK makes it that SDK's act. Where another SDK, which requires
  it, calls it, it is on behalf of that one.
- Python's own library, clients of the network, and what an SDK itself
  requires, act for the SDK that calls them; any other code acts for itself,
  the app's and this package's too.
- Code that was made at run time and is of no module acts for whoever runs it.
- Code of an SDK that the network's own code calls only wraps it, as tracing
  does: then the one further out acts.
- A thread acts for the SDK that started it, and work for the one that handed
  it on, where the stack names nobody.

Frames can be forged by whoever means to; this is no sandbox.
"""

from __future__ import annotations

import os
import sys
import threading

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, Final, Literal, NamedTuple, final
from weakref import WeakKeyDictionary

from attrs import frozen

from consentkit.registry.handed import carried


__all__ = ["NOBODY", "Attribution", "Code", "Owner"]

#: Code that calls these out of itself is the network's, not an SDK's.
_NETWORK: Final = frozenset(
    {
        "aiohttp",
        "anyio",
        "botocore",
        "ftplib",
        "h2",
        "http",
        "httpcore",
        "httpcore2",
        "httpx",
        "httpx2",
        "requests",
        "smtplib",
        "socket",
        "socks",
        "ssl",
        "urllib",
        "urllib3",
        "urllib3_future",
        "websocket",
        "websockets",
        "xmlrpc",
    }
)
_STDLIB: Final = sys.stdlib_module_names - {"__main__"}
# The look-ups of others pass through here.
_PASSED: Final = frozenset(
    {
        "consentkit.adapters._wire",
        "consentkit.registry.handed",
        "consentkit.registry.names",
        "consentkit.registry.reach",
    }
)
# A worker does the work of many.
_WORKERS: Final = frozenset({"concurrent.futures.thread", "multiprocessing"})
_MOST_FRAMES: Final = 200
_MOST_KINDS: Final = 20_000
_MOST_SPACES: Final = 10_000
# As `id` does, which raises an audit event of its own each time.
_place: Final = object.__hash__


class Owner(NamedTuple):
    """
    Whose act something is.

    Attributes:
        sdk: Id of the SDK, or empty.

        module: Its module, or that of whoever else it is; or empty.

        is_known: Whether the stack names anybody at all.

        behalf: Id of another SDK that does it by means of this one, or empty.
    """

    sdk: str
    module: str
    is_known: bool
    behalf: str = ""


#: The stack names nobody.
NOBODY: Final = Owner("", "", False)


class _Kind(NamedTuple):
    """
    What one piece of code is.

    Attributes:
        who: Code of an ``sdk``; ``neutral``, which acts for others; this
            package's ``own``; or any ``other``.

        name: Id of the SDK, or the top-level module.

        is_network: Whether it is code of the network.

        module: Whole name of its module, or empty.

        other: The *name* of code that acts for itself, or empty.
    """

    who: Literal["sdk", "neutral", "own", "other"]
    name: str
    is_network: bool = False
    module: str = ""
    other: str = ""


_NEUTRAL: Final = _Kind("neutral", "")


@frozen(kw_only=True)
class Code:
    """
    By what the code of an SDK is known.

    Attributes:
        imports: Its modules.

        neutral: Modules that only wrap the code of others.

        distributions: What it is installed by.
    """

    imports: tuple[str, ...]
    neutral: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()


@final
class Attribution:
    """
    Names who acts, for a closed list of SDKs.

    Args:
        sdks: By what the code of each is known, by id.
    """

    def __init__(self, sdks: Mapping[str, Code]) -> None:
        self._sdks = sdks
        self._modules: dict[str, _Kind] = {}
        for sdk, code in sdks.items():
            for module in code.imports:
                self._modules[module] = _Kind("sdk", sdk)
        for code in sdks.values():
            for module in code.neutral:
                self._modules[module] = _NEUTRAL
        self._kinds: dict[tuple[str, str], _Kind] = {}
        #: What modules are, by the place of their variables in memory, which
        #: nothing else has while those are here.
        self._spaces: dict[int, tuple[dict[str, Any], _Kind]] = {}
        self._needs: dict[str, frozenset[str]] = {}
        self._threads: WeakKeyDictionary[threading.Thread, Owner] = (
            WeakKeyDictionary()
        )

    def owner(self, frame: FrameType | None) -> Owner:
        """
        Name who acts in *frame*, or outside of it.
        """
        found = self._on_stack(frame)
        if found.is_known:
            return found
        handed_on: Owner | None = carried(self)
        if handed_on is not None:
            return handed_on
        if not self._threads:
            return found
        # Not current_thread(): it makes one up where there is none.
        active = getattr(threading, "_active", {})
        thread = active.get(threading.get_ident())
        if thread is None:
            return found
        return self._threads.get(thread, found)

    def thread_starts(
        self, function: object, frame: FrameType | None
    ) -> Owner:
        """
        Remember for whom the thread acts that *function* is the first of.

        Returns:
            Who starts it.
        """
        starts = self.owner(frame)
        thread = getattr(function, "__self__", None)
        if (
            starts.sdk
            and isinstance(thread, threading.Thread)
            and not _is_worker(thread)
        ):
            self._threads[thread] = starts
        return starts

    def acts_of(
        self, sdk: str, frames: Iterable[FrameType]
    ) -> list[FrameType]:
        """
        Pick the frames in which *sdk* acts, out of those of one stack.

        Args:
            sdk: Id of the SDK.

            frames: The innermost first; those outside of other code, which
                called the SDK, are not looked at.

        Returns:
            Those, but for one that everything else is inside of: it is what
            a thread or a task of the SDK's own runs, and mostly a loop.
        """
        found: list[FrameType] = []
        needed = self._needed(sdk)
        for frame in frames:
            kind = self._look(frame)
            if kind.who == "sdk" and kind.name == sdk:
                found.append(frame)
            elif kind.who in {"sdk", "other"} and kind.name not in needed:
                return found
        return found[:-1]

    def _on_stack(self, frame: FrameType | None) -> Owner:
        # Each event of the app's own comes by with its whole stack. Reading
        # `f_code` raises an audit event each time, and `f_globals` none.
        spaces = self._spaces
        others: dict[str, str] = {}
        found: Owner | None = None
        for _ in range(_MOST_FRAMES):
            if frame is None:
                break
            space = frame.f_globals
            known = spaces.get(_place(space))
            if known is not None and known[0] is space:
                kind = known[1]
            else:
                kind = self._look(frame)
            frame = frame.f_back
            other = kind.other
            if other:
                if found is not None:
                    return found
                if other not in others:
                    others[other] = kind.module
                continue
            who = kind.who
            if found is not None:
                # What is called by the network's code only wraps it.
                if kind.is_network:
                    found = None
                elif who == "own":
                    continue  # a stand-in, which passes the call on
                elif who != "sdk":
                    return found
                elif kind.name != found.sdk:
                    needs = self._needs_code_of(kind.name, found.sdk)
                    return found._replace(behalf=kind.name if needs else "")
            if who == "sdk":
                if others and not others.keys() <= self._needed(kind.name):
                    break
                found = found or Owner(kind.name, kind.module, True)
            elif who == "own":
                return Owner("", kind.module, True)
        if found is None and others:
            return Owner("", next(iter(others.values())), True)
        return found or NOBODY

    def _look(self, frame: FrameType) -> _Kind:
        """
        Find out what the code of *frame* is.
        """
        file, space = frame.f_code.co_filename, frame.f_globals
        module = space.get("__name__")
        if type(module) is not str:
            module = ""
        kind = self._kinds.get((file, module))
        if kind is None:
            kind = (
                self._of_module(module)
                or self._of_folder(file)
                or self._of_others(file, module)
            )
            acts = kind.who == "other" and not kind.is_network
            kind = kind._replace(module=module, other=kind.name * acts)
            if len(self._kinds) < _MOST_KINDS:
                self._kinds[file, module] = kind
        if _is_module(module, space, file):
            if len(self._spaces) >= _MOST_SPACES:
                self._spaces.clear()
            self._spaces[_place(space)] = space, kind
        return kind

    def _of_module(self, name: str) -> _Kind | None:
        # The longest name that is known says it.
        while name:
            kind = self._modules.get(name)
            if kind is not None:
                return kind
            name = name.rpartition(".")[0]
        return None

    def _of_folder(self, file: str) -> _Kind | None:
        """
        Find the SDK whose folder it is in: a module may call itself as it
        likes.
        """
        for sdk, code in self._sdks.items():
            for module in code.imports:
                folders = getattr(sys.modules.get(module), "__path__", ())
                if any(file.startswith(f"{f}{os.sep}") for f in folders):
                    return _Kind("sdk", sdk)
        return None

    def _of_others(self, file: str, name: str) -> _Kind:
        if not name:
            return _NEUTRAL  # made and run by whoever stands outside of it
        top = name.partition(".")[0]
        if file.startswith("<frozen ") or top in _STDLIB or name in _PASSED:
            return _Kind("neutral", top, top in _NETWORK)
        if top == "consentkit":
            return _Kind("own", top)
        return _Kind("other", top, top in _NETWORK)

    def _needs_code_of(self, sdk: str, other: str) -> bool:
        imports = self._sdks[other].imports
        tops = {name.partition(".")[0] for name in imports}
        return tops <= self._needed(sdk)

    def _needed(self, sdk: str) -> frozenset[str]:
        """
        Name the modules of what *sdk* itself requires, and theirs.
        """
        needed = self._needs.get(sdk)
        if needed is None:
            needed = _NETWORK
            # Metadata of others may be broken in any way.
            with suppress(Exception):
                needed |= _requirements(self._sdks[sdk].distributions)
            self._needs[sdk] = needed
        return needed


def _is_module(name: str, space: dict[str, Any], file: str) -> bool:
    """
    Tell whether *space* holds the variables of the module *name*, and that is
    made of *file*: not what was only executed, which is not kept alive here.
    """
    if file != space.get("__file__") and not file.startswith("<frozen "):
        return False
    return getattr(sys.modules.get(name), "__dict__", None) is space


def _is_worker(thread: threading.Thread) -> bool:
    target = getattr(thread, "_target", None)
    module = getattr(target, "__module__", None) or ""
    return module in _WORKERS or module.partition(".")[0] in _WORKERS


def _requirements(distributions: Collection[str]) -> frozenset[str]:
    """
    Follow what *distributions* require, as far as it is installed.
    """
    import re

    from importlib.metadata import PackageNotFoundError, distribution

    names: set[str] = set()
    seen: set[str] = set()
    waiting = list(distributions)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except (PackageNotFoundError, ValueError):
            continue
        names.update(_modules_of(found))
        for line in found.requires or ():
            required = re.match(r"[A-Za-z0-9._-]+", line)
            # What comes with an extra acts for it too, if it is there.
            if required:
                waiting.append(required[0])
    return frozenset(names)


def _modules_of(found: Any) -> frozenset[str]:
    told = found.read_text("top_level.txt")
    if told:
        return frozenset(told.split())
    return frozenset(
        str(file).replace("\\", "/").partition("/")[0].removesuffix(".py")
        for file in found.files or ()
        if str(file).endswith(".py")
    )
