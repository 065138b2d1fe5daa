# SPDX-License-Identifier: MIT
"""
iOS and macOS: identifiers, facts, and what the system permits.

Through `rubicon-objc`, of the extra ``ios``. None of this ever ran on a
device of Apple's: the tests ask stand-ins with the names, kinds and values of
Apple's headers, and check the names that are used of rubicon against it.

The facts are properties of objects in the app's own process and answer at
once; Apple wants those of UIKit to be asked by the main thread.

Source: Apple's headers ``UIDevice.h``, ``ASIdentifierManager.h``,
``CLLocationManager.h``, ``AVCaptureDevice.h``, ``PHPhotoLibrary.h``,
``ATTrackingManager.h``, ``CMMotionActivityManager.h``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from consentkit._fork import load
from consentkit.anonymise.identifiers import canonical
from consentkit.collectors.permissions import PermissionAdapter
from consentkit.collectors.source import Source, Unavailable
from consentkit.exceptions import MissingExtraError
from consentkit.gate import OSPermission, Permit


__all__ = ["ApplePermissions", "IOSSource"]

#: Gives a module with what rubicon has: ``ObjCClass``, ``load_library``.
_GetBridge: TypeAlias = Callable[[], Any]


class _Rubicon:
    """
    The two things of rubicon that are used.
    """

    def __init__(self) -> None:
        try:
            self.ObjCClass = load("rubicon.objc").ObjCClass
        except ImportError:
            missing = True
        else:
            missing = False
        if missing:
            raise MissingExtraError(extra="ios", package="rubicon-objc")
        self.load_library = load("rubicon.objc.runtime").load_library


class _Apple:
    """
    Objects of Apple's frameworks, by the names of their classes.
    """

    def __init__(self, bridge: _GetBridge | None) -> None:
        self._bridge = bridge or _Rubicon

    def cls(self, framework: str, name: str) -> Any:
        """
        Give the class *name*, with its framework loaded.
        """
        bridge = self._bridge()
        bridge.load_library(framework)
        return bridge.ObjCClass(name)


def _get(thing: Any, *names: str) -> Any:
    """
    Follow properties; ``None`` where one of them is nil.

    What a header declares as a property is a value to rubicon, and what it
    declares as a method is to be called; some of these changed from one to
    the other between versions of the system.
    """
    for name in names:
        if thing is None:
            return None
        thing = getattr(thing, name)
        if callable(thing):
            thing = thing()
    return thing


def _device(*names: str) -> Callable[[_Apple], Any]:
    return lambda apple: _get(
        apple.cls("UIKit", "UIDevice"), "currentDevice", *names
    )


def _foundation(name: str, *names: str) -> Callable[[_Apple], Any]:
    return lambda apple: _get(apple.cls("Foundation", name), *names)


def _advertising_id(apple: _Apple) -> Any:
    manager = apple.cls("AdSupport", "ASIdentifierManager")
    return _get(
        manager, "sharedManager", "advertisingIdentifier", "UUIDString"
    )


def _app_version(apple: _Apple) -> Any:
    bundle = _get(apple.cls("Foundation", "NSBundle"), "mainBundle")
    key = "CFBundleShortVersionString"
    return bundle.objectForInfoDictionaryKey(key)


def _whole(ask: Callable[[_Apple], Any]) -> Callable[[_Apple], Any]:
    def whole(apple: _Apple) -> int | None:
        found = ask(apple)
        return None if found is None else int(found)

    return whole


_FACTS: Final[Mapping[str, Callable[[_Apple], Any]]] = MappingProxyType(
    {
        "app_identifier": _foundation(
            "NSBundle", "mainBundle", "bundleIdentifier"
        ),
        "app_version": _app_version,
        "cpu_count": _whole(
            _foundation("NSProcessInfo", "processInfo", "processorCount")
        ),
        "device_country": _foundation(
            "NSLocale", "currentLocale", "countryCode"
        ),
        "device_language": _foundation(
            "NSLocale", "currentLocale", "languageCode"
        ),
        "device_manufacturer": lambda _: "Apple",
        "device_model": _device("model"),
        "device_name": _device("name"),
        "idfa": _advertising_id,
        "idfv": _device("identifierForVendor", "UUIDString"),
        "locale": _foundation("NSLocale", "currentLocale", "localeIdentifier"),
        "memory_total": _whole(
            _foundation("NSProcessInfo", "processInfo", "physicalMemory")
        ),
        "os_name": _device("systemName"),
        "os_version": _device("systemVersion"),
        "timezone": _foundation("NSTimeZone", "localTimeZone", "name"),
    }
)

_IDENTIFIERS: Final = frozenset({"idfa", "idfv"})


class IOSSource(Source[str | int]):
    """
    Identifiers and facts of an iPhone or iPad.

    The advertising identifier is all zeros where the person refused
    tracking, which is unavailable. The vendor identifier is missing until
    the device was unlocked once. The device's name is a constant from
    iOS 16 on, unless Apple has given the app an entitlement.

    Args:
        bridge: Gives what `rubicon.objc` has: ``ObjCClass`` and
            ``load_library``; rubicon by default.

    .. versionadded:: 26.1.0
    """

    id: str = "ios"
    timeout_seconds: float | None = None  # UIKit: its own thread
    name: str = "iOS"
    data_types: frozenset[str] = frozenset(_FACTS)
    touches: str = (
        "UIDevice, ASIdentifierManager, NSLocale, NSBundle and NSProcessInfo, "
        "through Objective-C"
    )
    platforms: frozenset[str] = frozenset({"ios"})

    def __init__(self, *, bridge: _GetBridge | None = None) -> None:
        self._apple = _Apple(bridge)

    def _read(
        self, permit: Permit, **_options: Any
    ) -> str | int | Unavailable:
        data_type = permit.clause.type
        found = _FACTS[data_type](self._apple)
        value = found if isinstance(found, int) else _text(found)
        if value == "":
            return Unavailable(data_type, "iOS does not tell it")
        if data_type in _IDENTIFIERS and not canonical(data_type, str(value)):
            reason = "iOS gives what stands for no value"
            return Unavailable(data_type, reason)
        return value


def _text(found: object) -> str:
    """
    Read an ``NSString``, as text of our own.
    """
    return "" if found is None else str(found)


_GRANTED: Final = OSPermission.GRANTED
_DENIED: Final = OSPermission.DENIED
_UNKNOWN: Final = OSPermission.UNKNOWN

#: ``CLAuthorizationStatus``, ``AVAuthorizationStatus``,
#: ``PHAuthorizationStatus``, ``ATTrackingManagerAuthorizationStatus`` and
#: ``CMAuthorizationStatus``: they agree up to 3, and those that go on say
#: with 4 that it is granted for a part.
_STATUS: Final[Mapping[int, OSPermission]] = MappingProxyType(
    {
        0: OSPermission.PROMPT_NEEDED,
        1: OSPermission.RESTRICTED,
        2: _DENIED,
        3: _GRANTED,
        4: _GRANTED,
    }
)

#: Values of ``AVMediaTypeVideo`` and ``AVMediaTypeAudio``.
_MEDIA: Final = MappingProxyType({"camera": "vide", "microphone": "soun"})

#: ``PHAccessLevelAddOnly``
_ADD_ONLY: Final = 1

#: ``CLAccuracyAuthorizationReducedAccuracy``
_REDUCED: Final = 1

_ASKED_BY_CLASS: Final = MappingProxyType(
    {
        "app_tracking": (
            "AppTrackingTransparency",
            "ATTrackingManager",
            "trackingAuthorizationStatus",
        ),
        "motion_sensors": (
            "CoreMotion",
            "CMMotionActivityManager",
            "authorizationStatus",
        ),
    }
)

#: Guarded, and without a question that is answered at once.
_UNASKED: Final = frozenset(
    {
        "background_run",
        "clipboard",
        "installed_apps_query",
        "notification",
        "wireless_data",
        "wlan",
    }
)


class ApplePermissions(PermissionAdapter):
    """
    ``authorizationStatus`` of Apple's frameworks; it never prompts.

    The precise place is *denied* where the person has reduced the accuracy.
    Some prompts have no question that is answered at once: notifications,
    the local network, wireless data, pasting; what the app was told of them
    it tells `PermissionBook.tell`.

    On macOS a Python that is not in an app bundle cannot prompt for the
    place, so *prompt needed* may stay for ever.

    Args:
        bridge: As for `IOSSource`.

    .. versionadded:: 26.1.0
    """

    name: str = "authorizationStatus of Apple"

    def __init__(self, *, bridge: _GetBridge | None = None) -> None:
        self._apple = _Apple(bridge)

    def ask(self, permission: str) -> OSPermission | None:
        """
        Ask the framework that guards *permission*.
        """
        if permission in {"location", "location_coarse", "location_fine"}:
            return self._location(permission)
        if permission in _MEDIA:
            device = self._apple.cls("AVFoundation", "AVCaptureDevice")
            kind = _MEDIA[permission]
            return _status(device.authorizationStatusForMediaType(kind))
        if permission in {"storage", "storage_write"}:
            photos = self._apple.cls("Photos", "PHPhotoLibrary")
            return _status(photos.authorizationStatusForAccessLevel(_ADD_ONLY))
        if permission in _ASKED_BY_CLASS:
            framework, name, method = _ASKED_BY_CLASS[permission]
            return _status(_get(self._apple.cls(framework, name), method))
        return None if permission in _UNASKED else OSPermission.NOT_APPLICABLE

    def _location(self, permission: str) -> OSPermission:
        manager_class = self._apple.cls("CoreLocation", "CLLocationManager")
        manager = manager_class.alloc().init()
        try:
            code = _get(manager, "authorizationStatus")
        except AttributeError:  # before iOS 14 and macOS 11
            return _status(_get(manager_class, "authorizationStatus"))
        found = _status(code)
        if found is _GRANTED and permission == "location_fine":
            accuracy = None
            with suppress(AttributeError):
                accuracy = int(_get(manager, "accuracyAuthorization"))
            return _DENIED if accuracy == _REDUCED else found
        return found


def _status(code: Any) -> OSPermission:
    return _STATUS.get(int(code), _UNKNOWN)
