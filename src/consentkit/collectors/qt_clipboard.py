# SPDX-License-Identifier: MIT
"""
The clipboard of an app that has Qt: what the policy lets be taken of it.

Under X11 and Wayland the helper process of `consentkit.collectors.clipboard`
reads it, if the tool is installed. Elsewhere, and where this very app has
copied, it is read through ``QClipboard`` inside the app: a lesser mode, in
which the text may stay in the app's memory until the app ends.

Source: Qt 6, ``QClipboard``, ``QMimeData``.
"""

from __future__ import annotations

import shutil

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from consentkit.anonymise import intents
from consentkit.anonymise.intents import Take
from consentkit.collectors import _clipboard_helper as helper
from consentkit.collectors._qt import has_thread, load_qt
from consentkit.collectors.clipboard import (
    ClipboardSource,
    TakingSource,
    is_isolated,
)


__all__ = ["QtClipboard"]

#: The tool of the window system that a platform plugin of Qt speaks with.
_TOOLS = {"xcb": "xclip", "wayland": "wl-paste", "wayland-egl": "wl-paste"}


class QtClipboard(TakingSource):
    """
    The clipboard that a Qt app has; read it in the GUI thread.

    Args:
        deadline_seconds: How long the helper may take. Qt itself knows no
            deadline: under X11 it gives up after 5 s, and the other systems
            answer at once unless the app that copied hangs.

        by_helper: Whether the helper process is used where there is one.

    Raises:
        ValueError: If *deadline_seconds* is out of its range.
    """

    id: str = "qt_clipboard"
    touches: str = (
        "wl-paste or xclip, started by a helper process, or QClipboard in "
        "the app: the kinds of what is copied, then its text if none of "
        "them marks a secret"
    )
    visible: str = (
        "the app that owns the clipboard is asked; Android, iOS and macOS "
        "show a notice or ask the person"
    )
    platforms: frozenset[str] = frozenset({"android", "desktop", "iot"})

    def __init__(
        self, *, deadline_seconds: float = 2.0, by_helper: bool = True
    ) -> None:
        super().__init__("Qt's clipboard", deadline_seconds)
        self._by_helper = by_helper

    def _take(
        self, wanted: Sequence[str], seen: str | None
    ) -> tuple[Take | str, str]:
        core, gui = load_qt("QtCore"), load_qt("QtGui")
        app = core.QCoreApplication.instance()
        if not isinstance(app, gui.QGuiApplication):
            return "Qt has no clipboard: there is no QGuiApplication", ""
        if not has_thread(core, app):
            return (
                "Qt has a clipboard in the GUI thread only; read it there",
                "",
            )
        clipboard = gui.QGuiApplication.clipboard()
        # Who copied it here would have to answer the helper, and waits.
        if not clipboard.ownsClipboard():
            tool = self._tool(gui)
            if tool is not None:
                # One of the same room: it is this read, done elsewhere.
                return tool._take(wanted, seen)  # noqa: SLF001
        return _of_qt(clipboard.mimeData(), wanted), ""

    def _tool(self, gui: ModuleType) -> ClipboardSource | None:
        tool = _TOOLS.get(gui.QGuiApplication.platformName())
        usable = tool and self._by_helper and is_isolated()
        if not usable or not shutil.which(str(tool)):
            return None
        return ClipboardSource(tool=tool, deadline_seconds=self._seconds)


def _of_qt(content: Any, wanted: Sequence[str]) -> Take | str:
    """
    Take one of the *wanted* intents out of a ``QMimeData``.
    """
    if content is None:
        return helper.REASONS["nothing"]
    kinds = [str(kind) for kind in content.formats()]
    if helper.is_secret(kinds):
        return helper.REASONS["secret"]
    kind = helper.text_kind(kinds)
    if kind is None:
        return helper.REASONS["nothing"]
    # Only the beginning becomes Python's; Qt gives its own copy back.
    head = bytes(content.data(kind).left(helper.LONGEST_BYTES))
    taken = intents.take(helper.decoded(head, kind), wanted)
    return helper.REASONS["nothing"] if taken is None else taken
