# SPDX-License-Identifier: MIT
"""
What the sources of a Qt app share: its binding, and the right thread.

The binding that the app has imported is used; two of them cannot live in one
process.
"""

from __future__ import annotations

import sys

from types import ModuleType
from typing import Any

from consentkit._fork import load
from consentkit.exceptions import MissingExtraError


__all__ = ["has_thread", "load_qt"]

_BINDINGS = ("PySide6", "PyQt6")

#: What the extra brings for a module; the rest is in Essentials.
_ADDONS = frozenset({"QtPositioning"})


def load_qt(module: str) -> ModuleType:
    """
    Import a *module* of Qt, such as ``QtCore``.

    Raises:
        MissingExtraError: If it is not installed.

        ImportError: If it is, and cannot be loaded.
    """
    found = (name for name in _BINDINGS if name in sys.modules)
    binding = next(found, _BINDINGS[0])
    try:
        return load(f"{binding}.{module}")
    except ModuleNotFoundError:
        pass
    part = "Addons" if module in _ADDONS else "Essentials"
    package = f"PySide6-{part}" if binding == "PySide6" else binding
    raise MissingExtraError(extra="qt", package=package)


def has_thread(core: ModuleType, thing: Any) -> bool:
    """
    Tell whether a ``QObject`` lives in the thread that asks.
    """
    is_same: bool = thing.thread() == core.QThread.currentThread()
    return is_same
