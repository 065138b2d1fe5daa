# SPDX-License-Identifier: MIT
"""
Android: identifiers, facts, the place, and what the system permits.

Everything goes through one Java bridge: `pyjnius` of the extra ``android``,
or another that finds a class by its name, such as ``jclass`` of Chaquopy.
Android itself guards most of this, and answers an app that may not ask with
a ``SecurityException``, a constant or nothing: then the value is unavailable.

Calls into Android have no deadline of their own; here they have one, and are
made on a thread of their own while a read waits.

None of this ever ran on a device: the tests run it on a desktop JVM, against
classes with the names and signatures of Android's.

Times are seconds, sizes bytes.

Source: Android API reference, levels 21 to 36; the levels at which a thing
changed stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar

from attrs import frozen

from consentkit._fork import load
from consentkit.anonymise.identifiers import canonical
from consentkit.collectors._deadline import (
    Deadline,
    FailedCallError,
    check_seconds,
)
from consentkit.collectors.location import Fix, LocationSource
from consentkit.collectors.permissions import PermissionAdapter
from consentkit.collectors.source import Source, Unavailable
from consentkit.exceptions import MissingExtraError
from consentkit.gate import OSPermission, Permit
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["AndroidLocation", "AndroidPermissions", "AndroidSource"]

#: Finds a Java class by its name: ``android.os.Build$VERSION``.
_FindClass: TypeAlias = Callable[[str], Any]

T = TypeVar("T")

_NO_CONTEXT: Final = "there is no Android context; give the source one"
_NOT_LET: Final = "Android does not let this app read it"


class _NoContextError(RuntimeError):
    """
    Nothing gives a ``Context``.
    """


class _NoServiceError(RuntimeError):
    """
    The device has not got what a service stands for.
    """


@frozen
class _No:
    """
    Why Android gives nothing.
    """

    reason: str


class _Android:
    """
    The way to Android: its classes, its context, and calls in time.
    """

    def __init__(
        self,
        context: Callable[[], Any] | None,
        find_class: _FindClass | None,
        timeout_seconds: float,
    ) -> None:
        self._context = context
        self._find_class = find_class
        self._found: Any = None
        self.seconds = check_seconds("timeout_seconds", timeout_seconds)
        # One for each question: one that hangs holds up no other.
        self._deadlines: dict[str, Deadline[Any]] = {}

    def ask(self, name: str, question: Callable[[_Phone], T]) -> T | _No:
        """
        Ask *question*, in time; *name* says which one it is.

        Raises:
            MissingExtraError: If there is no Java bridge.

            TimeoutError, FailedCallError: As `Deadline.call`.
        """
        if self._find_class is None:
            _jnius()
        try:
            # Here, as only the app's main thread finds the app's classes;
            # what was found once is found by all.
            self._found = self.context()
        except _NoContextError:
            return _No(_NO_CONTEXT)
        deadline = self._deadlines.get(name)
        if deadline is None:
            made = Deadline[T | _No](partial(self._call, question))
            deadline = self._deadlines.setdefault(name, made)
        found: T | _No = deadline.call(self.seconds)
        return found

    def _call(self, question: Callable[[_Phone], T]) -> T | _No:
        try:
            return question(_Phone(self, self._found))
        except _NoServiceError:
            return _No("this device has no such service")
        except Exception as error:
            if _is_security(error):
                return _No(_NOT_LET)
            raise
        finally:
            # A thread that ends attached to the machine brings the app down.
            if self._find_class is None:
                _jnius().detach()

    def cls(self, name: str) -> Any:
        """
        Find the Java class *name*.
        """
        if self._find_class is not None:
            return self._find_class(name)
        return _jnius().autoclass(name)

    def context(self) -> Any:
        """
        Give the ``Context``: the app's, or that of python-for-android, or
        the one that every process of Android has.

        Raises:
            _NoContextError: If there is none.
        """
        if self._context is not None:
            found = self._context()
            if found is not None:
                return found
            raise _NoContextError(_NO_CONTEXT)
        for name, ask in _CONTEXTS:
            found = None
            with suppress(Exception):  # no such class in this app
                found = ask(self.cls(name))
            if found is not None:
                return found
        raise _NoContextError(_NO_CONTEXT)

    @property
    def level(self) -> int:
        """
        The API level of the system.
        """
        return int(self.cls("android.os.Build$VERSION").SDK_INT)


_CONTEXTS: Final[tuple[tuple[str, Callable[[Any], Any]], ...]] = (
    ("org.kivy.android.PythonActivity", lambda c: c.mActivity),
    ("org.kivy.android.PythonService", lambda c: c.mService),
    ("android.app.ActivityThread", lambda c: c.currentApplication()),
)


def _jnius() -> Any:
    with suppress(ImportError):
        return load("jnius")
    raise MissingExtraError(extra="android", package="pyjnius")


def _is_security(error: BaseException) -> bool:
    """
    Tell whether Android refused: pyjnius names the class in a field, other
    bridges by the class itself.
    """
    name = str(getattr(error, "classname", "") or type(error).__name__)
    return name.rpartition(".")[2] == "SecurityException"


class _Phone:
    """
    One read: the questions that Android is asked.
    """

    def __init__(self, android: _Android, context: Any) -> None:
        self.cls = android.cls
        self.context = context
        self.level = android.level

    def service(self, name: str) -> Any:
        """
        Give the system service *name*.

        Raises:
            _NoServiceError: If this device has none.
        """
        found = self.context.getSystemService(name)
        if found is None:
            raise _NoServiceError(name)
        return found

    def setting(self, table: str, name: str) -> Any:
        settings = self.cls(f"android.provider.Settings${table}")
        return settings.getString(self.context.getContentResolver(), name)

    def build(self, name: str) -> Any:
        return getattr(self.cls("android.os.Build"), name)

    def telephony(self, method: str) -> Any:
        return getattr(self.service("phone"), method)()

    def wifi(self, method: str) -> Any:
        # Deprecated at 31, and still what works at all levels.
        info = self.service("wifi").getConnectionInfo()
        return None if info is None else getattr(info, method)()

    def imei(self) -> Any:
        # From level 29 on for system apps, carriers and device owners only.
        method = "getImei" if self.level >= 26 else "getDeviceId"
        return self.telephony(method)

    def meid(self) -> Any:
        return self.telephony("getMeid") if self.level >= 26 else None

    def serial(self) -> Any:
        if self.level >= 26:  # as for the IMEI
            return self.cls("android.os.Build").getSerial()
        return self.build("SERIAL")

    def ssid(self) -> Any:
        name = self.wifi("getSSID")
        if name is None or name == "<unknown ssid>":
            return None
        # Texts are quoted; what is no UTF-8 is hexadecimal, unquoted.
        return name[1:-1] if name.startswith('"') else name

    def network_type(self) -> str:
        manager = self.service("connectivity")
        found = manager.getNetworkCapabilities(manager.getActiveNetwork())
        if found is None:
            return "none"
        words = (w for n, w in _TRANSPORTS.items() if found.hasTransport(n))
        return next(words, "other")

    def network_status(self) -> str:
        network = self.service("connectivity").getActiveNetwork()
        return "disconnected" if network is None else "connected"

    def sim_status(self) -> str | None:
        return _SIM_STATES.get(self.telephony("getSimState"))

    def locale(self, method: str) -> Any:
        return getattr(self.cls("java.util.Locale").getDefault(), method)()

    def timezone(self) -> Any:
        return self.cls("java.util.TimeZone").getDefault().getID()

    def display(self) -> Any:
        return self.context.getResources().getDisplayMetrics()

    def resolution(self) -> str:
        display = self.display()
        return f"{display.widthPixels}x{display.heightPixels}"

    def orientation(self) -> str | None:
        found = self.context.getResources().getConfiguration().orientation
        return {1: "portrait", 2: "landscape"}.get(found)

    def memory_total(self) -> int:
        info = self.cls("android.app.ActivityManager$MemoryInfo")()
        self.service("activity").getMemoryInfo(info)
        return int(info.totalMem)

    def battery(self) -> int | None:
        # BATTERY_PROPERTY_CAPACITY, a percentage.
        found = int(self.service("batterymanager").getIntProperty(4))
        return found if 0 <= found <= 100 else None

    def usb_debugging(self) -> int | None:
        found = self.setting("Global", "adb_enabled")
        return None if found is None else int(found)

    def app_version(self) -> Any:
        packages = self.context.getPackageManager()
        name = self.context.getPackageName()
        return packages.getPackageInfo(name, 0).versionName


#: ``NetworkCapabilities.TRANSPORT_*``; a VPN stands before what carries it.
_TRANSPORTS: Final[Mapping[int, str]] = MappingProxyType(
    {4: "vpn", 1: "wifi", 0: "cellular", 3: "ethernet", 2: "bluetooth"}
)

#: ``TelephonyManager.SIM_STATE_*``; 0 is "unknown".
_SIM_STATES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "absent",
        2: "pin_required",
        3: "puk_required",
        4: "network_locked",
        5: "ready",
        6: "not_ready",
        7: "permanently_disabled",
        8: "card_error",
        9: "card_restricted",
    }
)

_Fact: TypeAlias = Callable[[_Phone], Any]

_FACTS: Final[Mapping[str, _Fact]] = MappingProxyType(
    {
        "android_id": lambda p: p.setting("Secure", "android_id"),
        "app_package_name": lambda p: p.context.getPackageName(),
        "app_version": _Phone.app_version,
        "battery_state": _Phone.battery,
        "bssid": lambda p: p.wifi("getBSSID"),
        "carrier": lambda p: p.telephony("getNetworkOperatorName"),
        "device_brand": lambda p: p.build("BRAND"),
        "device_country": lambda p: p.locale("getCountry"),
        "device_language": lambda p: p.locale("getLanguage"),
        "device_manufacturer": lambda p: p.build("MANUFACTURER"),
        "device_model": lambda p: p.build("MODEL"),
        "device_name": lambda p: p.setting("Global", "device_name"),
        "device_platform": lambda _: "android",
        "iccid": lambda p: p.telephony("getSimSerialNumber"),
        "imei": _Phone.imei,
        "imsi": lambda p: p.telephony("getSubscriberId"),
        "locale": lambda p: p.locale("toLanguageTag"),
        "mac_address": lambda p: p.wifi("getMacAddress"),
        "mcc_mnc": lambda p: p.telephony("getNetworkOperator"),
        "meid": _Phone.meid,
        "memory_total": _Phone.memory_total,
        "network_status": _Phone.network_status,
        "network_type": _Phone.network_type,
        "os_build_number": lambda p: p.build("DISPLAY"),
        "os_name": lambda _: "Android",
        "os_version": lambda p: p.cls("android.os.Build$VERSION").RELEASE,
        "screen_density": lambda p: int(p.display().densityDpi),
        "screen_orientation": _Phone.orientation,
        "screen_resolution": _Phone.resolution,
        "serial_number": _Phone.serial,
        "sim_phone_number": lambda p: p.telephony("getLine1Number"),
        "sim_status": _Phone.sim_status,
        "ssid": _Phone.ssid,
        "timezone": _Phone.timezone,
        "usb_debugging": _Phone.usb_debugging,
    }
)

#: Of these a constant that many devices share is no value.
_IDENTIFIERS: Final = frozenset(
    {
        "android_id",
        "bssid",
        "iccid",
        "imei",
        "imsi",
        "mac_address",
        "meid",
        "serial_number",
        "sim_phone_number",
    }
)


class AndroidSource(Source[str | int]):
    """
    Identifiers and facts of an Android device.

    What Android does not let an app read is unavailable, and so are its
    constants: the MAC address ``02:00:00:00:00:00``, the serial number
    ``unknown``. From Android 10 on the IMEI, IMSI, ICCID and serial number
    are for system apps alone.

    Args:
        context: Gives the ``android.content.Context``; by default the
            activity or service of python-for-android, or the process's
            application.

        find_class: Finds a Java class by its name; by default
            ``jnius.autoclass``.

        timeout_seconds: How long one read may take.

    Raises:
        ValueError: If *timeout_seconds* is not a positive, finite number.

    .. versionadded:: 26.1.0
    """

    id: str = "android"
    timeout_seconds: float | None = None  # it keeps its own
    name: str = "Android"
    data_types: frozenset[str] = frozenset(_FACTS)
    touches: str = (
        "Settings, Build, TelephonyManager, WifiManager and other services "
        "of Android, through Java"
    )
    visible: str = (
        "nothing for the facts; what Android refuses it notes in its system "
        "log"
    )
    platforms: frozenset[str] = frozenset({"android"})

    def __init__(
        self,
        *,
        context: Callable[[], Any] | None = None,
        find_class: _FindClass | None = None,
        timeout_seconds: float = 5.0,
    ) -> None:
        self._android = _Android(context, find_class, timeout_seconds)

    def _read(
        self, permit: Permit, **_options: Any
    ) -> str | int | Unavailable:
        data_type = permit.clause.type
        value = _in_time(self._android, data_type, _FACTS[data_type])
        if value is None or value == "":
            value = _No("Android does not tell it")
        elif _is_constant(data_type, value):
            value = _No("Android gives what stands for no value")
        if isinstance(value, _No):
            return Unavailable(data_type, value.reason)
        return value if isinstance(value, int) else str(value)


def _is_constant(data_type: str, value: object) -> bool:
    return (
        data_type in _IDENTIFIERS
        and isinstance(value, str)
        and canonical(data_type, value) is None
    )


def _in_time(
    android: _Android, name: str, question: Callable[[_Phone], T]
) -> T | _No:
    """
    Ask Android, and say why it gives nothing; never in its own words.
    """
    try:
        return android.ask(name, question)
    except TimeoutError:
        return _No(f"no answer within {android.seconds:g} s")
    except FailedCallError as error:
        return _No(f"Android failed ({error.kind})")


#: Better ones first. "fused" came with level 31.
_PROVIDERS: Final = ("fused", "gps", "network")


class AndroidLocation(LocationSource):
    """
    The place, of Android's ``LocationManager``.

    The last known place is taken where it is young enough; else one new one
    is asked for, and listening ends with the read. Android gives an app with
    the coarse permission a coarse place, whatever is asked for, and shows a
    sign while it listens (Android 12). It draws no line between real and
    mock places here.

    Args:
        context: As for `AndroidSource`.

        find_class: As there. A bridge other than pyjnius has the last known
            place only.

        max_age_seconds: How old the last known place may be.

        timeout_seconds: How long one read may take.

    Raises:
        ValueError: If one of the times is not a positive, finite number.

    .. versionadded:: 26.1.0
    """

    id: str = "android_location"
    timeout_seconds: float | None = None  # it keeps its own
    # It asks a clock that does not jump, and passes over what is too old.
    max_age_seconds: float = float("inf")
    name: str = "the LocationManager of Android"
    touches: str = "android.location.LocationManager, through Java"
    visible: str = (
        "the location sign of the status bar, and the privacy dashboard "
        "(Android 12)"
    )
    platforms: frozenset[str] = frozenset({"android"})

    def __init__(
        self,
        *,
        context: Callable[[], Any] | None = None,
        find_class: _FindClass | None = None,
        max_age_seconds: float = 60.0,
        timeout_seconds: float = 10.0,
    ) -> None:
        self._max_age = check_seconds("max_age_seconds", max_age_seconds)
        self._listens = find_class is None
        self._android = _Android(context, find_class, timeout_seconds)

    def _read(self, permit: Permit, **_options: Any) -> Fix | Unavailable:
        found = _in_time(self._android, "location", self._find)
        if isinstance(found, _No):
            return Unavailable(permit.clause.type, found.reason)
        return found

    def _find(self, phone: _Phone) -> Fix | _No:
        manager = phone.service("location")
        on = set(_texts(manager.getProviders(True)))
        usable = [name for name in _PROVIDERS if name in on]
        if not usable:
            return _No("every location provider of Android is off")
        clock = phone.cls("android.os.SystemClock")
        known = [
            (age, place)
            for age, place in self._last_known(manager, clock, usable)
            if age <= self._max_age
        ]
        if known:
            return _fix(min(known, key=lambda pair: pair[0])[1])
        if not self._listens:
            return _No("Android knows no place that is young enough")
        return self._listen(phone, manager, usable)

    def _last_known(
        self, manager: Any, clock: Any, providers: Iterable[str]
    ) -> Iterator[tuple[float, Any]]:
        """
        Give what each provider knows, with its age in seconds.
        """
        for name in providers:
            place = manager.getLastKnownLocation(name)
            if place is not None:
                # Not by the clock of the wall, which jumps.
                nanos = (
                    clock.elapsedRealtimeNanos()
                    - place.getElapsedRealtimeNanos()
                )
                yield nanos / 1e9, place

    def _listen(
        self, phone: _Phone, manager: Any, providers: Iterable[str]
    ) -> Fix | _No:
        """
        Wait for one new place; stop to listen in any case.
        """
        listener = _make_listener()
        looper = phone.cls("android.os.Looper").getMainLooper()
        try:
            for name in providers:
                manager.requestLocationUpdates(name, 0, 0.0, listener, looper)
            # A little less than the deadline around it, so as to clean up.
            if not listener.has_come.wait(0.9 * self._android.seconds):
                return _No("Android found no place in time")
        finally:
            manager.removeUpdates(listener)
        return _fix(listener.place)


def _texts(found: Any) -> list[str]:
    return [str(found.get(i)) for i in range(found.size())]


def _fix(place: Any) -> Fix:
    """
    Read an ``android.location.Location``.
    """
    since = timedelta(milliseconds=int(place.getTime()))
    return Fix(
        latitude=float(place.getLatitude()),
        longitude=float(place.getLongitude()),
        accuracy_m=float(place.getAccuracy()) if place.hasAccuracy() else None,
        time=datetime(1970, 1, 1, tzinfo=UTC) + since,
    )


def _make_listener() -> Any:
    """
    Make a ``LocationListener``; its class needs a running Java machine.
    """
    jnius = _jnius()

    class Listener(jnius.PythonJavaClass):  # type: ignore[name-defined,misc]
        __javainterfaces__ = ["android/location/LocationListener"]  # noqa: RUF012

        def __init__(self) -> None:
            super().__init__()
            self.has_come = Event()
            self.place: Any = None

        @jnius.java_method("(Landroid/location/Location;)V")  # type: ignore[untyped-decorator]
        def onLocationChanged(self, place: Any) -> None:  # noqa: N802
            if not self.has_come.is_set():
                self.place = place
                self.has_come.set()

        # Android 12 gives several at once, by a second method of that name.
        @jnius.java_method("(Ljava/util/List;)V", name="onLocationChanged")  # type: ignore[untyped-decorator]
        def on_locations_changed(self, places: Any) -> None:
            if places.size():
                self.onLocationChanged(places.get(places.size() - 1))

        @jnius.java_method("(I)V")  # type: ignore[untyped-decorator]
        def onFlushComplete(self, _code: int) -> None:  # noqa: N802
            pass

        @jnius.java_method("(Ljava/lang/String;)V")  # type: ignore[untyped-decorator]
        def onProviderEnabled(self, _name: str) -> None:  # noqa: N802
            pass

        @jnius.java_method("(Ljava/lang/String;)V")  # type: ignore[untyped-decorator]
        def onProviderDisabled(self, _name: str) -> None:  # noqa: N802
            pass

        @jnius.java_method("(Ljava/lang/String;ILandroid/os/Bundle;)V")  # type: ignore[untyped-decorator]
        def onStatusChanged(self, _name: str, _code: int, _more: Any) -> None:  # noqa: N802
            pass

    return Listener()


#: Permissions that are none at some levels: the first level of the system at
#: which there is something to ask, and the last that an app may be made for.
_IN_FORCE: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "AD_ID": (33, 10_000),
        "GET_TASKS": (1, 20),
        "QUERY_ALL_PACKAGES": (30, 10_000),
        "READ_EXTERNAL_STORAGE": (19, 32),
        "REQUEST_IGNORE_BATTERY_OPTIMIZATIONS": (23, 10_000),
        "WRITE_EXTERNAL_STORAGE": (1, 29),
    }
)

#: One of its names is enough for these; others need all.
_ANY: Final = frozenset({"location"})

_GRANTED: Final = OSPermission.GRANTED
_DENIED: Final = OSPermission.DENIED
_UNKNOWN: Final = OSPermission.UNKNOWN


class AndroidPermissions(PermissionAdapter):
    """
    ``Context.checkSelfPermission``; it never prompts.

    A permission that is not granted is *denied* where that is plain: the
    app's manifest does not ask for it, it was granted before in this
    process, or the person was asked and may be asked again. Else Android
    does not tell whether the person was never asked or said no for good, and
    the answer is *unknown*; so it is never *prompt needed*.

    Notifications before Android 13 have no permission but a switch, which is
    asked instead. The place in the background is a permission of its own,
    for which a policy has no word; its answer is not part of this.

    Args:
        context: As for `AndroidSource`; the activity, where there is one.

        find_class: As there.

        timeout_seconds: How long one answer may take.

    Raises:
        ValueError: If *timeout_seconds* is not a positive, finite number.

    .. versionadded:: 26.1.0
    """

    name: str = "checkSelfPermission of Android"
    blocks: bool = False  # it has a deadline of its own

    def __init__(
        self,
        *,
        context: Callable[[], Any] | None = None,
        find_class: _FindClass | None = None,
        timeout_seconds: float = 1.0,
    ) -> None:
        self._android = _Android(context, find_class, timeout_seconds)
        self._was_granted: set[str] = set()

    def ask(self, permission: str) -> OSPermission | None:
        """
        Ask Android about each of its names for *permission*.

        Raises:
            MissingExtraError: If there is no Java bridge.

            TimeoutError, FailedCallError: If Android does not answer.
        """
        found = self._android.ask(permission, partial(self._ask, permission))
        return _UNKNOWN if isinstance(found, _No) else found

    def _ask(self, permission: str, phone: _Phone) -> OSPermission:
        context, level = phone.context, phone.level
        if permission == "notification" and level < 33:
            service = phone.service("notification")
            return _GRANTED if service.areNotificationsEnabled() else _DENIED
        target = int(context.getApplicationInfo().targetSdkVersion)
        answers = [
            self._of_name(f"android.permission.{name}", context, level)
            for name in load_vocabulary().permissions[permission].android
            if _is_in_force(name, level, target)
        ]
        if not answers:
            return OSPermission.NOT_APPLICABLE
        if permission in _ANY and _GRANTED in answers:
            return _GRANTED
        for answer in (_DENIED, _UNKNOWN):
            if answer in answers:
                return answer
        return _GRANTED

    def _of_name(self, name: str, context: Any, level: int) -> OSPermission:
        if level < 23:  # granted with the installation
            packages = context.getPackageManager()
            code = packages.checkPermission(name, context.getPackageName())
            return _DENIED if code else _GRANTED
        if context.checkSelfPermission(name) == 0:
            self._was_granted.add(name)
            return _GRANTED
        if name in self._was_granted or not _is_declared(name, context):
            return _DENIED
        # Only an activity can be asked; a service has no such method.
        ask = getattr(context, "shouldShowRequestPermissionRationale", None)
        return _DENIED if ask is not None and ask(name) else _UNKNOWN


def _is_in_force(name: str, level: int, target: int) -> bool:
    first, last = _IN_FORCE.get(name, (1, 10_000))
    return level >= first and min(level, target) <= last


def _is_declared(name: str, context: Any) -> bool:
    """
    Tell whether the manifest asks for it: what it does not, nobody grants.
    """
    packages = context.getPackageManager()
    flag = 4096  # PackageManager.GET_PERMISSIONS
    info = packages.getPackageInfo(context.getPackageName(), flag)
    return name in (info.requestedPermissions or ())
