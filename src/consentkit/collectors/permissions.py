# SPDX-License-Identifier: MIT
"""
What the operating system lets the app do: asked, dated, never guessed.

A `PermissionBook` is what `consentkit.open` takes as *os_permission*. It asks
one adapter, that of the platform, each time it is asked; it keeps the last
answer to each question to look at, and never answers out of that memory.

An adapter gives one of the six values of `OSPermission`, or ``None`` where
the system has no question for it. In doubt the answer is *unknown*, which the
gate refuses.

A permission of the system is no consent: it opens nothing by itself.

Times are seconds, instants aware UTC ``datetime``.
"""

from __future__ import annotations

import os
import sys

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from attrs import frozen

from consentkit._fork import load
from consentkit.collectors._deadline import (
    Deadline,
    FailedCallError,
    check_seconds,
)
from consentkit.exceptions import MissingExtraError
from consentkit.gate import OSPermission
from consentkit.policy.vocabulary import load_vocabulary


__all__ = [
    "Answer",
    "LinuxPermissions",
    "PermissionAdapter",
    "PermissionBook",
    "QtPermissions",
    "WindowsPermissions",
    "system_permissions",
]

_GRANTED: Final = OSPermission.GRANTED
_DENIED: Final = OSPermission.DENIED
_PROMPT: Final = OSPermission.PROMPT_NEEDED
_RESTRICTED: Final = OSPermission.RESTRICTED
_NOT_APPLICABLE: Final = OSPermission.NOT_APPLICABLE
_UNKNOWN: Final = OSPermission.UNKNOWN

_YES: Final = frozenset({_GRANTED, _NOT_APPLICABLE})

#: An answer, and why it is unknown.
_Said: TypeAlias = tuple[OSPermission | None, str]
_LOCATION: Final = frozenset({"location", "location_coarse", "location_fine"})


@frozen(kw_only=True)
class Answer:
    """
    What was answered, by whom, and when.

    Attributes:
        value: The answer.

        source: Who gave it: a system's interface, or who told the app.

        at: When it was given.

        detail: Why it is unknown, where that is known.

    .. versionadded:: 26.1.0
    """

    value: OSPermission
    source: str
    at: datetime
    detail: str = ""

    def __str__(self) -> str:
        more = f" ({self.detail})" if self.detail else ""
        when = self.at.isoformat(timespec="seconds")
        return f"{self.value.value}{more}, says {self.source} at {when}"


class PermissionAdapter(ABC):
    """
    How one platform is asked.

    Attributes:
        name: The interface that is asked, for people.

        blocks: Whether an answer may be long in coming. It is then asked on
            a thread of its own, with a deadline.

    .. versionadded:: 26.1.0
    """

    name: str
    blocks: bool = True

    @abstractmethod
    def ask(self, permission: str) -> OSPermission | None:
        """
        Ask the system, now; never prompt the person.

        Args:
            permission: An id of the vocabulary.

        Returns:
            The answer; ``None`` where the system cannot be asked.
        """


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PermissionBook:
    """
    Answers for `consentkit.open`, with a memory of who gave them and when.

    An adapter that raises, is too late, or answers something else than was
    asked, gives *unknown*; so does a permission that the vocabulary does not
    know. A book is safe to share between threads.

    Args:
        adapter: Whom to ask; by default `system_permissions`.

        own: Questions of the app's own, by id of the permission, which
            answer as `PermissionAdapter.ask` does; they go before the
            adapter, and need not be in the vocabulary.

        timeout_seconds: How long one answer may take.

        clock: Gives the time, as an aware datetime.

    Raises:
        ValueError: If *timeout_seconds* is not a positive, finite number.

    .. versionadded:: 26.1.0
    """

    def __init__(
        self,
        adapter: PermissionAdapter | None = None,
        *,
        own: Mapping[str, Callable[[], OSPermission | None]] | None = None,
        timeout_seconds: float = 1.0,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._adapter = adapter or system_permissions()
        self._own = dict(own or {})
        self._seconds = check_seconds("timeout_seconds", timeout_seconds)
        # One for each: an answer that hangs holds up no other.
        self._deadlines: dict[str, Deadline[_Said]] = {}
        self._clock = clock
        self._last: dict[str, Answer] = {}
        self._told: dict[str, Answer] = {}

    def __call__(self, permission: str) -> OSPermission:
        """
        Give the answer alone, as `consentkit.open` wants it.
        """
        return self.ask(permission).value

    def ask(self, permission: str) -> Answer:
        """
        Ask the system about *permission*, now.
        """
        answer = self._ask(permission)
        self._last[permission] = answer
        return answer

    @property
    def answers(self) -> Mapping[str, Answer]:
        """
        The last answer to each permission that was asked for; a copy.
        """
        return MappingProxyType(dict(self._last))

    def tell(self, permission: str, value: OSPermission, source: str) -> None:
        """
        Note what the app was told by other ways than a question.

        Some systems have no question, and tell only when a thing is begun:
        the portals of Linux, the answer to a prompt. A *yes* counts only
        where the system cannot be asked; a *no* also where it does not know.

        Args:
            permission: Id of the permission.

            value: What the app was told.

            source: By whom, for people.
        """
        self._told[permission] = Answer(
            value=value, source=source, at=self._clock()
        )

    def _ask(self, permission: str) -> Answer:
        name = self._adapter.name
        if permission in self._own:
            name = "the app"
        elif permission not in load_vocabulary().permissions:
            return self._unknown("nobody", "not in the vocabulary")
        value, detail = self._within(permission)
        told = self._told.get(permission)
        if detail or value not in {None, _UNKNOWN}:
            told = None
        if told and (value is None or told.value not in _YES):
            return told
        if value is None:
            return self._unknown(name, "the system cannot be asked")
        return Answer(
            value=value, source=name, at=self._clock(), detail=detail
        )

    def _within(self, permission: str) -> _Said:
        """
        Give an answer, or *unknown* and why.
        """
        if permission not in self._own and not self._adapter.blocks:
            return self._say(permission)
        deadline = self._deadlines.get(permission)
        if deadline is None:
            made = Deadline(partial(self._say, permission))
            deadline = self._deadlines.setdefault(permission, made)
        try:
            return deadline.call(self._seconds)
        except TimeoutError:
            return _UNKNOWN, f"no answer within {self._seconds:g} s"
        except FailedCallError as error:
            return _UNKNOWN, f"asking failed ({error.kind})"

    def _say(self, permission: str) -> _Said:
        ask: Callable[[], object] = partial(self._adapter.ask, permission)
        if permission in self._own:
            ask = self._own[permission]
        try:
            value = ask()
        except MissingExtraError as error:
            return _UNKNOWN, str(error)
        except TimeoutError:
            return _UNKNOWN, "no answer in time"
        except Exception as error:  # noqa: BLE001 - a doubt, not a crash
            return _UNKNOWN, f"asking failed ({type(error).__name__})"
        # A boolean says too little.
        if value is None or isinstance(value, OSPermission):
            return value, ""
        return _UNKNOWN, "the answer is none of the six"

    def _unknown(self, source: str, detail: str) -> Answer:
        return Answer(
            value=_UNKNOWN, source=source, at=self._clock(), detail=detail
        )

    def __repr__(self) -> str:
        return f"<PermissionBook of {self._adapter.name}>"


#: What the portals of a sandbox stand before. They have no question: only
#: the answer to the start of a thing tells.
_PORTALS: Final = frozenset(
    {
        *_LOCATION,
        "background_run",
        "camera",
        "microphone",
        "notification",
        "self_start",
        "storage",
        "storage_read",
        "storage_write",
    }
)


class LinuxPermissions(PermissionAdapter):
    """
    The Linux desktop, which has no permissions of apps.

    Inside of Flatpak and Snap there are portals, which cannot be asked for
    the state of a permission: that is told by `PermissionBook.tell`.

    Args:
        root: Folder in which Flatpak puts its sign.

        environ: Where Snap names its folder; `os.environ` when not given.
            It counts where this package lies in there: a terminal that is
            a Snap hands the name on to all that is started in it.

    Source:
        XDG Desktop Portal, ``org.freedesktop.portal.Location``: it has
        *CreateSession* and *Start*, and nothing that tells a state.

    .. versionadded:: 26.1.0
    """

    name = "the Linux desktop"
    blocks = False

    def __init__(
        self,
        *,
        root: Path = Path("/"),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._sign = root / ".flatpak-info"
        self._environ = os.environ if environ is None else environ

    def ask(self, permission: str) -> OSPermission | None:
        """
        Give *not applicable*, or ``None`` behind a portal.
        """
        if permission in _PORTALS and self._is_sandboxed:
            return None
        return _NOT_APPLICABLE

    @property
    def _is_sandboxed(self) -> bool:
        snap = self._environ.get("SNAP", "")
        here = Path(__file__).resolve()
        return self._sign.exists() or (
            snap != "" and here.is_relative_to(Path(snap).resolve())
        )


#: Classes of Qt by id of the permission; Qt has none for the rest.
_QT_CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "camera": "QCameraPermission",
        "location": "QLocationPermission",
        "location_coarse": "QLocationPermission",
        "location_fine": "QLocationPermission",
        "microphone": "QMicrophonePermission",
    }
)


class QtPermissions(PermissionAdapter):
    """
    ``QCoreApplication.checkPermission``; it never prompts.

    On Linux Qt says *granted* to everything, which says nothing, so the
    answers there are those of `LinuxPermissions`. On Windows it says so too,
    though Windows has permissions: ask `WindowsPermissions` there.

    Args:
        platform: As `sys.platform`.

        linux: Answers for Linux.

    Source:
        Qt 6, "Application Permissions": backends exist for Android, Apple's
        systems and WebAssembly.

    .. versionadded:: 26.1.0
    """

    name = "Qt"
    blocks = False  # Qt wants to be asked by the thread of its application

    def __init__(
        self,
        *,
        platform: str = sys.platform,
        linux: PermissionAdapter | None = None,
    ) -> None:
        self._platform = platform
        self._linux = linux or LinuxPermissions()

    def ask(self, permission: str) -> OSPermission | None:
        """
        Ask Qt; ``None`` where it has no such permission or no backend.
        """
        if self._platform.startswith("linux"):
            return self._linux.ask(permission)
        if self._platform == "win32" or permission not in _QT_CLASSES:
            return None
        core = _load("PySide6.QtCore", extra="qt", package="PySide6")
        app = core.QCoreApplication.instance()
        if app is None:
            return _UNKNOWN
        asked = getattr(core, _QT_CLASSES[permission])()
        if permission == "location_fine":
            asked.setAccuracy(core.QLocationPermission.Accuracy.Precise)
        status = core.Qt.PermissionStatus
        return {
            status.Granted: _GRANTED,
            status.Denied: _DENIED,
            status.Undetermined: _PROMPT,
        }.get(app.checkPermission(asked), _UNKNOWN)


#: Capabilities of Windows by id of the permission. What else Windows guards
#: cannot be asked for this way.
_CAPABILITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "camera": "webcam",
        "location": "location",
        "location_coarse": "location",
        "location_fine": "location",
        "microphone": "microphone",
    }
)

_UNASKED_WINDOWS: Final = frozenset({"notification", "wlan", "wifi_state"})

#: Values of ``AppCapabilityAccessStatus``.
_WINDOWS: Final[Mapping[int, OSPermission]] = MappingProxyType(
    {
        0: _RESTRICTED,  # DeniedBySystem
        1: _DENIED,  # NotDeclaredByApp
        2: _DENIED,  # DeniedByUser
        3: _PROMPT,  # UserPromptRequired
        4: _GRANTED,  # Allowed
    }
)


class WindowsPermissions(PermissionAdapter):
    """
    ``AppCapability.CheckAccess``; it never prompts.

    It was never run on Windows: the tests ask a stand-in with the same names
    and values. A Python that is not packaged as an app is refused the
    question itself (``PermissionError``), which gives *unknown*.

    Source:
        Windows.Security.Authorization.AppCapabilityAccess (Windows 10,
        version 1903).

    .. versionadded:: 26.1.0
    """

    name = "AppCapability of Windows"

    def ask(self, permission: str) -> OSPermission | None:
        """
        Ask Windows; ``None`` where it guards a thing and cannot be asked.
        """
        if permission in _UNASKED_WINDOWS:
            return None
        if permission not in _CAPABILITIES:
            return _NOT_APPLICABLE
        access = _load(
            "winrt.windows.security.authorization.appcapabilityaccess",
            extra="windows",
            package="winrt-Windows.Security.Authorization.AppCapabilityAccess",
        )
        found = access.AppCapability.create(_CAPABILITIES[permission])
        return _WINDOWS.get(int(found.check_access()), _UNKNOWN)


class _NoPermissions(PermissionAdapter):
    name = "no system that is known"
    blocks = False

    def ask(self, permission: str) -> OSPermission | None:  # noqa: ARG002
        return None


def system_permissions(platform: str = sys.platform) -> PermissionAdapter:
    """
    Choose the adapter of a platform; nothing is asked or imported by it.

    Args:
        platform: As `sys.platform`, which is ``android`` and ``ios`` on
            phones from Python 3.13 on; name it there under older ones.

    .. versionadded:: 26.1.0
    """
    if platform == "android" or "ANDROID_ARGUMENT" in os.environ:
        found = load("consentkit.collectors.android").AndroidPermissions()
    elif platform in {"ios", "darwin"}:
        found = load("consentkit.collectors.ios").ApplePermissions()
    elif platform == "win32":
        found = WindowsPermissions()
    elif platform.startswith("linux"):
        found = LinuxPermissions()
    else:
        found = _NoPermissions()
    adapter: PermissionAdapter = found
    return adapter


def _load(module: str, *, extra: str, package: str) -> Any:
    with suppress(ImportError):
        return load(module)
    raise MissingExtraError(extra=extra, package=package)
