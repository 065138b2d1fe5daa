# SPDX-License-Identifier: MIT
"""
An SDK's own off switches, thrown from outside while it has no permit.

They are the second lock: a switch does what its SDK makes of it, and many
SDKs read theirs once, when they are imported. So they are set before that.

Of an entry's switches, those of the environment are set, in this process and
the programs that it starts. Options and callbacks belong to the call of the
app that starts the SDK, and files to whoever wrote them: those are left to
the app. A call is made only where nothing about it has to be guessed.
"""

from __future__ import annotations

import ast
import logging
import os
import re
import sys

from collections.abc import Callable, Mapping
from inspect import getattr_static
from types import FunctionType, ModuleType
from typing import Any, Final, final

from attrs import define

from consentkit._fork import Mutex
from consentkit.registry.model import SDKEntry


__all__ = ["Restore", "calls_off", "set_switches"]

logger: logging.Logger = logging.getLogger("consentkit")

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CALL: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_ON: Final = frozenset({"1", "true", "yes", "on", "y", "t"})
_OFF: Final = frozenset({"0", "0.0", "false", "no", "off", "n", "f"})


@define
class _Held:
    """
    A variable that is set for as long as somebody holds it.
    """

    before: str | None
    ours: str
    holders: int = 0


#: The environment is the process's, and so is this.
_held: Final[dict[str, _Held]] = {}
_guard: Final = Mutex()


@final
class Restore:
    """
    Puts the variables back when it is called, once.

    What the app has set meanwhile stays, and so does what others hold.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def __repr__(self) -> str:
        return f"<Restore: {len(self._names)} variables>"

    @property
    def names(self) -> tuple[str, ...]:
        """
        The variables that are held; none after the call.
        """
        return self._names

    def __call__(self) -> None:
        """
        Put them back.
        """
        with _guard:
            names, self._names = self._names, ()
            for name in names:
                _release(name)


def set_switches(entry: SDKEntry) -> Restore:
    """
    Set the off switches of the environment that *entry* names.

    A value of the user's that says the same, in these or other words (``1``,
    ``true``, ``yes``, ``on``), stays as it is.

    Args:
        entry: Without such switches, nothing is set.

    Returns:
        What puts them back, to be called with the permit.
    """
    switches = {
        switch.name: switch.value
        for switch in entry.switches
        if switch.kind == "environment" and _VARIABLE.fullmatch(switch.name)
    }
    with _guard:
        for name, value in switches.items():
            _hold(name, value)
    return Restore(tuple(switches))


def _hold(name: str, value: str) -> None:
    held = _held.get(name)
    present = os.environ.get(name)
    if held is None:
        held = _held[name] = _Held(before=present, ours=value)
    elif present != held.ours and not _says(present, held.ours):
        held.before = present  # the app has set it meanwhile
    held.holders += 1
    if not _says(present, held.ours):
        os.environ[name] = held.ours


def _release(name: str) -> None:
    held = _held[name]
    held.holders -= 1
    if held.holders:
        return
    del _held[name]
    if os.environ.get(name) != held.ours:
        return
    if held.before is None:
        del os.environ[name]
    else:
        os.environ[name] = held.before


def _says(present: str | None, ours: str) -> bool:
    """
    Tell whether *present* says what *ours* does.
    """
    if present is None or present == ours:
        return present == ours
    words = present.strip().casefold(), ours.casefold()
    return any(words[0] in kind and words[1] in kind for kind in (_ON, _OFF))


def calls_off(
    entry: SDKEntry, modules: Mapping[str, ModuleType] | None = None
) -> tuple[str, ...]:
    """
    Call the off switches of *entry* that are functions of loaded modules.

    Only those are called whose name begins with a module of the SDK that is
    loaded, and whose arguments the entry names as plain values: nothing is
    imported, and no object is looked for.

    Args:
        entry: Its switches of the kind ``call``.

        modules: Those that are loaded; `sys.modules` when not given.

    Returns:
        Names of those that were called; one that raised is logged, and not
        among them.
    """
    loaded = sys.modules if modules is None else modules
    called = []
    for switch in entry.switches:
        if switch.kind != "call" or not _is_below(entry, switch.name):
            continue
        function = _function(switch.name, loaded)
        given = _arguments(switch.value)
        if function is None or given is None:
            continue
        try:
            function(*given[0], **given[1])
        except Exception as error:  # noqa: BLE001 - a withdrawal goes on
            logger.debug(
                "an off switch of an SDK failed",
                extra={
                    "consentkit_sdk": entry.id,
                    "consentkit_error": type(error).__name__,
                },
            )
        else:
            called.append(switch.name)
    return tuple(called)


def _is_below(entry: SDKEntry, name: str) -> bool:
    imports = entry.package.imports if entry.package else ()
    return _CALL.fullmatch(name) is not None and any(
        name.startswith(f"{module}.") for module in imports
    )


def _function(
    name: str, loaded: Mapping[str, ModuleType]
) -> Callable[..., object] | None:
    """
    Find a function in what is loaded; a method only with its object.
    """
    module, rest = name, ""
    while module and module not in loaded:
        module, _, last = module.rpartition(".")
        rest = f"{last}.{rest}" if rest else last
    if not module or not rest:
        return None
    first, *others = rest.split(".")
    # Not by getattr(): a gated module gives stand-ins to us as to anybody.
    found: Any = vars(loaded[module]).get(first)
    owner: Any = None
    for other in others:
        owner, found = found, getattr(found, other, None)
    if isinstance(owner, type) and isinstance(found, FunctionType):
        kind = getattr_static(owner, others[-1])
        if not isinstance(kind, staticmethod):
            return None
    return found if callable(found) else None


def _arguments(text: str) -> tuple[list[Any], dict[str, Any]] | None:
    """
    Read arguments such as ``False`` or ``sync=False``; plain values only.
    """
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or call.func.end_col_offset != 1:
            return None
        if not all(keyword.arg for keyword in call.keywords):
            return None
        return (
            [ast.literal_eval(value) for value in call.args],
            {str(k.arg): ast.literal_eval(k.value) for k in call.keywords},
        )
    except (SyntaxError, ValueError):
        return None
