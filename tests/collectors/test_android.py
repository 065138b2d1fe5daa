# SPDX-License-Identifier: MIT

"""
Android's identifiers, place and permissions, over a real Java bridge.

Each scene runs in a process of its own, as pyjnius starts one Java machine in
a process and no second: a desktop JVM with the classes of ``java/`` instead
of Android's. They are no Android; see the README there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from consentkit.collectors.android import (
    AndroidLocation,
    AndroidSource,
)
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import MissingExtraError
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.testing import BadSourceConformance, SourceConformance
from tests.needs import need_extra, need_tool


JAVA = Path(__file__).parent / "java"
ROOT = Path(__file__).parents[2]

PROLOGUE = """
import json
import logging
import sys
import time

import jnius_config

jnius_config.set_classpath(sys.argv[1])
jnius_config.add_options("-Xmx64m", "-XX:+UseSerialGC")

from consentkit import Refusal, Unavailable
from consentkit.collectors.android import *
from consentkit.collectors.permissions import PermissionBook
from tests.collectors.conftest import build_permit

logging.basicConfig(level="DEBUG", stream=sys.stderr)
logging.getLogger("kivy").setLevel("WARNING")  # how classes look, at length


def start():
    from jnius import autoclass

    global Phone, Location, LocationManager, VERSION, autoclass_
    autoclass_ = autoclass
    Phone = autoclass("stubs.Phone")
    Location = autoclass("android.location.Location")
    LocationManager = autoclass("android.location.LocationManager")
    VERSION = autoclass("android.os.Build$VERSION")
    activity = autoclass("org.kivy.android.PythonActivity")
    activity.mActivity = activity()


def read(source, *data_types):
    answers = {t: source.read(build_permit(t)) for t in data_types}
    return {
        t: {"no": a.reason} if isinstance(a, Unavailable) else a
        for t, a in answers.items()
    }


def place(source):
    fix = source.read(build_permit("location_precise"))
    if isinstance(fix, Unavailable):
        return {"no": fix.reason}
    return [fix.latitude, fix.longitude, fix.accuracy_m, str(fix.time)]
"""

NOT_LET = {"no": "Android does not let this app read it"}
NO_VALUE = {"no": "Android gives what stands for no value"}
GUARDED = ("imei", "meid", "imsi", "iccid", "serial_number")


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Compile the stand-ins for Android's classes.
    """
    need_tool("javac", "java")
    folder = tmp_path_factory.mktemp("classes")
    files = sorted(map(str, JAVA.rglob("*.java")))
    subprocess.run(
        ["javac", "-encoding", "UTF-8", "-d", str(folder), *files],
        check=True,
        timeout=300,
    )
    return folder


@pytest.fixture
def play(classes: Path, tmp_path: Path) -> Callable[[str], Any]:
    """
    Run a scene in a process with a Java machine; give what it assigned to
    ``seen``.
    """
    need_extra("android")

    def run(scene: str) -> Any:
        script = tmp_path / "scene.py"
        script.write_text(
            f"{PROLOGUE}\n{textwrap.dedent(scene)}\nprint(json.dumps(seen))\n"
        )
        done = subprocess.run(
            [sys.executable, str(script), str(classes)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        # What a Java exception says is shown to nobody.
        assert "planted" not in done.stdout + done.stderr
        return json.loads(done.stdout)

    return run


class TestAndroidSource:
    """
    Identifiers and facts.
    """

    def test_facts(self, play):
        """
        Each fact comes as Android tells it, without any permission.
        """
        seen = play("""
            start()
            Phone.set("secure.android_id", "3f2a9b1c7d5e8f60")
            Phone.set("global.device_name", "Ann's phone")
            Phone.set("global.adb_enabled", "0")
            Phone.set("operator", "Example Mobile")
            Locale = autoclass_("java.util.Locale")
            Locale.setDefault(Locale.forLanguageTag("zh-CN"))
            source = AndroidSource(timeout_seconds=60)
            seen = read(
                source,
                *source.data_types
                - {"timezone", "ssid", "bssid", "mac_address"}
                - {"imei", "meid", "imsi", "iccid", "serial_number"}
                - {"sim_phone_number"},
            )
        """)

        assert seen == {
            "android_id": "3f2a9b1c7d5e8f60",
            "app_package_name": "com.example.camera",
            "app_version": "4.2.1",
            "battery_state": 61,
            "carrier": "Example Mobile",
            "device_brand": "acme",
            "device_country": "CN",
            "device_language": "zh",
            "device_manufacturer": "Acme",
            "device_model": "Acme One",
            "device_name": "Ann's phone",
            "device_platform": "android",
            "locale": "zh-CN",
            "mcc_mnc": "46000",
            "memory_total": 7_816_040_448,
            "network_status": "connected",
            "network_type": "wifi",
            "os_build_number": "AP1A.240505.004",
            "os_name": "Android",
            "os_version": "14",
            "screen_density": 420,
            "screen_orientation": "portrait",
            "screen_resolution": "1080x2400",
            "sim_status": "ready",
            "usb_debugging": 0,
        }

    def test_permission_for_each_field(self, play):
        """
        Without its permission an identifier is unavailable, with nothing of
        it told; with it the identifier comes, and the rest comes either way.
        """
        seen = play("""
            start()
            for name, value in {
                "imei": "490154203237518", "meid": "A0000028E0D7C4",
                "imsi": "460001357924680", "iccid": "89860012345678901230",
                "serial": "R58M123ABCD", "number": "+8613800138000",
                "ssid": '"home"', "bssid": "3c:5a:b4:01:23:45",
            }.items():
                Phone.set(name, value)
            source = AndroidSource(timeout_seconds=60)
            guarded = (
                "imei", "meid", "imsi", "iccid", "serial_number",
                "sim_phone_number", "ssid", "bssid",
            )
            denied = read(source, *guarded, "os_version")
            for name in (
                "READ_PRIVILEGED_PHONE_STATE", "READ_PHONE_STATE",
                "ACCESS_FINE_LOCATION",
            ):
                Phone.grant(name)
            seen = [denied, read(source, *guarded), source.reads]
        """)

        denied, granted, reads = seen
        assert denied == {
            **dict.fromkeys((*GUARDED, "sim_phone_number"), NOT_LET),
            "ssid": {"no": "Android does not tell it"},
            "bssid": NO_VALUE,
            "os_version": "14",
        }
        assert granted == {
            "imei": "490154203237518",
            "meid": "A0000028E0D7C4",
            "imsi": "460001357924680",
            "iccid": "89860012345678901230",
            "serial_number": "R58M123ABCD",
            "sim_phone_number": "+8613800138000",
            "ssid": "home",
            "bssid": "3c:5a:b4:01:23:45",
        }
        assert reads == 17

    @pytest.mark.obligation("WP-HASH-3")
    def test_constants_are_no_identifiers(self, play):
        """
        What Android gives in place of an identifier is unavailable.
        """
        seen = play("""
            start()
            Phone.grant("READ_PRIVILEGED_PHONE_STATE")
            Phone.set("imei", "000000000000000")
            Phone.set("serial", "unknown")
            Phone.set("secure.android_id", "9774d56d682e549c")
            source = AndroidSource(timeout_seconds=60)
            seen = [
                read(source, "mac_address", "serial_number", "android_id"),
                read(source, "imei"),
            ]
            Phone.set("imei", "490154203237519")
            seen.append(read(source, "imei"))
            Phone.set("mac", "3C:5A:B4:01:23:45")
            seen.append(read(source, "mac_address"))
        """)

        first, zeros, bad_digit, real = seen
        assert set(map(str, first.values())) == {str(NO_VALUE)}
        assert zeros == bad_digit == {"imei": NO_VALUE}
        assert real == {"mac_address": "3C:5A:B4:01:23:45"}

    def test_older_android(self, play):
        """
        Before Android 8 the older methods are asked, with their permission.
        """
        seen = play("""
            start()
            VERSION.SDK_INT = 25
            Phone.set("imei", "490154203237518")
            source = AndroidSource(timeout_seconds=60)
            seen = [read(source, "imei", "meid", "serial_number")]
            Phone.grant("READ_PHONE_STATE")
            seen.append(read(source, "imei"))
        """)

        denied, granted = seen
        assert denied == {
            "imei": NOT_LET,
            "meid": {"no": "Android does not tell it"},
            "serial_number": "ABC123OLD",
        }
        assert granted == {"imei": "490154203237518"}

    def test_what_a_device_has_not_got(self, play):
        """
        A tablet without a telephone, a device without network and unset
        settings give no values, and no errors.
        """
        seen = play("""
            start()
            Phone.lose("phone")
            Phone.connected = False
            seen = read(
                AndroidSource(timeout_seconds=60), "imei", "carrier", "network_type",
                "network_status", "android_id", "usb_debugging",
            )
        """)

        untold = {"no": "Android does not tell it"}
        missing = {"no": "this device has no such service"}
        assert seen == {
            "imei": missing,
            "carrier": missing,
            "network_type": "none",
            "network_status": "disconnected",
            "android_id": untold,
            "usb_debugging": untold,
        }

    def test_android_hangs(self, play):
        """
        A call that hangs is given up at the deadline, and holds up no read
        of something else; when it is done, it is read again.
        """
        seen = play("""
            start()
            Phone.grant("READ_PRIVILEGED_PHONE_STATE")
            Phone.set("imei", "490154203237518")
            source = AndroidSource(timeout_seconds=2)
            read(source, "imei", "os_version")  # all classes are found
            Phone.hanging = True
            begun = time.monotonic()
            seen = [read(source, "imei"), read(source, "imei")]
            calls = Phone.calls
            Phone.hanging = False
            seen += [read(source, "os_version"), calls]
            while isinstance(read(source, "imei")["imei"], dict):
                assert time.monotonic() - begun < 120
            seen.append(read(source, "imei"))
        """)

        late = {"imei": {"no": "no answer within 2 s"}}
        assert seen[:2] == [late, late]
        assert seen[2:4] == [{"os_version": "14"}, 2]
        assert seen[4] == {"imei": "490154203237518"}

    def test_where_the_context_comes_from(self, play):
        """
        The app's own context is asked first, then the activity of
        python-for-android, then the application of the process; without any
        of them nothing is read.
        """
        seen = play("""
            start()
            activity = autoclass_("org.kivy.android.PythonActivity")
            mine = activity.mActivity
            asked = []
            own = AndroidSource(context=lambda: asked.append(1) or mine)
            seen = [read(own, "app_package_name"), len(asked)]
            activity.mActivity = None
            seen.append(read(AndroidSource(timeout_seconds=60), "app_package_name"))
            seen.append(read(AndroidSource(context=lambda: None), "imei"))
            thread = autoclass_("android.app.ActivityThread")
            thread.application = autoclass_("android.app.Application")()
            seen.append(read(AndroidSource(timeout_seconds=60), "app_package_name"))
        """)

        name = {"app_package_name": "com.example.camera"}
        none = {"no": "there is no Android context; give the source one"}
        assert seen == [
            name,
            1,
            {"app_package_name": none},
            {"imei": none},
            name,
        ]

    def test_nothing_before_a_permitted_read(self, play):
        """
        Through the real kit: no Java machine is started, and no guarded
        method called, before the person has said yes; after it, one is.
        """
        seen = play("""
            import consentkit
            import tempfile
            from tests.support import small

            source = AndroidSource(timeout_seconds=60)
            kit = consentkit.open(
                small(), data_dir=tempfile.mkdtemp(), sources=[source],
                platform="android",
                os_permission=lambda _: consentkit.OSPermission.GRANTED,
            )
            with kit.use("improve") as use:
                refused = use.device("imei")
            seen = [str(refused.reason), "jnius" in sys.modules, source.reads]
            start()
            Phone.grant("READ_PRIVILEGED_PHONE_STATE")
            Phone.set("imei", "490154203237518")
            seen.append(Phone.calls)
            kit.consent.grant("improve")
            with kit.use("improve") as use:
                device = use.device("imei")
            seen += [device["imei"], Phone.calls, source.reads]
            kit.consent.withdraw("improve")
            with kit.use("improve") as use:
                seen.append(isinstance(use.device("imei"), Refusal))
            seen += [Phone.calls, source.reads]
            kit.close()
        """)

        assert seen[:4] == ["Reason.NOT_ASKED", False, 0, 0]
        # The policy keeps no more than whether there is one.
        assert seen[4:7] == [True, 1, 1]
        assert seen[7:] == [True, 1, 1]

    def test_types_are_those_of_android(self):
        """
        All that it gives is in the vocabulary, and exists on Android.
        """
        known = load_vocabulary().data_types

        for data_type in AndroidSource.data_types:
            assert {"android", "any"} & set(known[data_type].platforms)

    def test_all_are_documented(self):
        """
        The page on phones lists each data type that it gives.
        """
        page = (ROOT / "docs/collectors/mobile.md").read_text(encoding="utf-8")
        given = AndroidSource.data_types | AndroidLocation.data_types

        assert {t for t in given if f"`{t}`" not in page} == set()

    def test_missing_extra(self, make_permit, monkeypatch):
        """
        Without pyjnius the extra is named that brings it.
        """
        monkeypatch.setitem(sys.modules, "jnius", None)

        with pytest.raises(MissingExtraError) as caught:
            AndroidSource().read(make_permit("imei"))
        assert (caught.value.extra, caught.value.package) == (
            "android",
            "pyjnius",
        )

    def test_another_bridge(self, make_permit, monkeypatch):
        """
        Another Java bridge does as well, and knows a refusal by its class.
        """
        monkeypatch.setitem(sys.modules, "jnius", None)
        source = AndroidSource(context=FakeContext, find_class=find_class)

        assert source.read(make_permit("device_model")) == "Acme One"
        assert source.read(make_permit("imei")) == Unavailable(
            "imei", NOT_LET["no"]
        )

    @pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
    def test_impossible_deadline(self, seconds):
        """
        A deadline that is none is refused at once.
        """
        with pytest.raises(ValueError, match="timeout_seconds"):
            AndroidSource(timeout_seconds=seconds)
        with pytest.raises(ValueError, match="max_age_seconds"):
            AndroidLocation(max_age_seconds=seconds)


class TestAndroidLocation:
    """
    The place.
    """

    def test_last_known_place(self, play):
        """
        Of the known places that are young enough the youngest is taken, and
        nothing is listened to.
        """
        seen = play("""
            start()
            Phone.grant("ACCESS_FINE_LOCATION")
            for name in ("network", "gps", "passive"):
                LocationManager.turnOn(name)
            know = LocationManager.know
            know("gps", Location(48.85837, 2.29448, 12.5, 40.0))
            know("network", Location(48.85, 2.29, 900.0, 5.0))
            know("passive", Location(1.0, 1.0, 1.0, 0.0))
            LocationManager.next = Location(2.0, 2.0, 1.0, 0.0)
            source = AndroidLocation(timeout_seconds=60)
            seen = [place(source)]
            know("network", Location(48.85, 2.29, -1.0, 61.0))
            seen.append(place(source))
            know("gps", Location(48.85837, 2.29448, 12.5, 61.0))
            seen += [place(AndroidLocation(max_age_seconds=120, timeout_seconds=60)), place(source)]
        """)

        young, older, patient, new = seen
        at = "2026-11-20 12:00:00.250000+00:00"
        assert young == [48.85, 2.29, 900.0, at]
        assert older == [48.85837, 2.29448, 12.5, at]
        assert patient == older
        assert new[:3] == [2.0, 2.0, 1.0]

    @pytest.mark.parametrize("as_list", [False, True])
    def test_new_place(self, play, as_list):
        """
        Where no place is known it listens for one, in both ways in which
        Android tells it, and then stops.
        """
        seen = play(f"""
            start()
            Phone.grant("ACCESS_COARSE_LOCATION")
            LocationManager.turnOn("gps")
            LocationManager.turnOn("network")
            LocationManager.asList = {as_list}
            LocationManager.next = Location(48.8, 2.3, 2000.0, 0.0)
            seen = [place(AndroidLocation(timeout_seconds=60))]
            seen.append(Phone.listening)
        """)

        assert seen[0][:3] == [48.8, 2.3, 2000.0]
        assert seen[1] == 0

    def test_no_place(self, play):
        """
        Without a permission, a provider or an answer in time there is no
        place, and nobody listens on.
        """
        seen = play("""
            start()
            source = AndroidLocation(timeout_seconds=3)
            seen = [place(source)]
            LocationManager.turnOn("gps")
            seen.append(place(source))
            Phone.grant("ACCESS_FINE_LOCATION")
            seen += [place(source), Phone.listening]
            LocationManager.know("gps", Location(91.0, 2.0, 1.0, 0.0))
            seen.append(place(source))
        """)

        assert seen == [
            {"no": "every location provider of Android is off"},
            NOT_LET,
            {"no": "Android found no place in time"},
            0,
            {"no": "Android failed (ValueError)"},
        ]

    def test_another_bridge_does_not_listen(self, make_permit):
        """
        Where no listener can be made, only the last known place is given.
        """
        source = AndroidLocation(context=FakeContext, find_class=find_class)

        assert source.read(make_permit("location_precise")) == Unavailable(
            "location_precise", "Android knows no place that is young enough"
        )


class TestAndroidPermissions:
    """
    What Android says of its permissions.
    """

    def test_answers(self, play):
        """
        A yes is a yes; a no is plain where Android is, and unknown where
        Android does not tell a question never asked from a no for good.
        """
        seen = play("""
            start()
            for name in (
                "CAMERA", "RECORD_AUDIO", "ACCESS_COARSE_LOCATION",
                "ACCESS_FINE_LOCATION",
            ):
                Phone.declare(name)
            Phone.grant("ACCESS_COARSE_LOCATION")
            Phone.mayAskAgain("RECORD_AUDIO")
            adapter = AndroidPermissions(timeout_seconds=60)
            ask = lambda name: adapter.ask(name).value
            seen = {
                "never_asked": ask("camera"),
                "asked_once": ask("microphone"),
                "undeclared": ask("phone"),
                "any_place": ask("location"),
                "coarse": ask("location_coarse"),
                "fine": ask("location_fine"),
                "no_such": ask("clipboard"),
                "gone": ask("running_tasks"),
            }
            Phone.revoke("ACCESS_COARSE_LOCATION")
            seen["taken_away"] = ask("location_coarse")
            activity = autoclass_("org.kivy.android.PythonActivity")
            activity.mActivity = None
            thread = autoclass_("android.app.ActivityThread")
            thread.application = autoclass_("android.app.Application")()
            seen["from_a_service"] = ask("microphone")
        """)

        assert seen == {
            "never_asked": "unknown",
            "asked_once": "denied",
            "undeclared": "denied",
            "any_place": "granted",
            "coarse": "granted",
            "fine": "unknown",
            "no_such": "not_applicable",
            "gone": "not_applicable",
            "taken_away": "denied",
            "from_a_service": "unknown",
        }

    def test_levels(self, play):
        """
        What has no effect at a level is not applicable there; what was
        something else then is asked in that way.
        """
        seen = play("""
            start()
            for name in (
                "READ_EXTERNAL_STORAGE", "WRITE_EXTERNAL_STORAGE", "CAMERA",
            ):
                Phone.declare(name)
            adapter = AndroidPermissions(timeout_seconds=60)

            def ask(name, level, target):
                VERSION.SDK_INT = level
                Phone.targetSdk = target
                return adapter.ask(name).value

            seen = [
                ask("storage", 34, 34), ask("storage_read", 34, 32),
                ask("storage_write", 29, 34), ask("storage_write", 34, 30),
                ask("installed_apps_query", 29, 34),
                ask("notification", 32, 34), ask("notification", 34, 34),
            ]
            Phone.notifications = False
            seen.append(ask("notification", 32, 34))
            Phone.grant("READ_EXTERNAL_STORAGE")
            seen.append(ask("storage", 29, 29))
            Phone.grant("WRITE_EXTERNAL_STORAGE")
            seen.append(ask("storage", 29, 29))
            Phone.grant("CAMERA")
            seen += [ask("camera", 22, 34), ask("microphone", 22, 34)]
        """)

        assert seen == [
            "not_applicable",
            "unknown",
            "unknown",
            "not_applicable",
            "not_applicable",
            "granted",
            "denied",
            "denied",
            "unknown",
            "granted",
            "granted",
            "denied",
        ]

    def test_android_hangs(self, play):
        """
        An answer that does not come in time is unknown.
        """
        seen = play("""
            start()
            Phone.grant("CAMERA")
            book = PermissionBook(AndroidPermissions(timeout_seconds=2))
            seen = [book("camera").value]
            Phone.hanging = True
            answer = book.ask("camera")
            seen += [answer.value.value, answer.source, answer.detail]
            Phone.hanging = False
        """)

        assert seen == [
            "granted",
            "unknown",
            "checkSelfPermission of Android",
            "no answer in time",
        ]

    @pytest.mark.obligation("WP-PERM-8")
    def test_change_in_the_middle_of_a_stream(self, play):
        """
        Through the real kit: the value after the one at which the permission
        was taken away is refused, with no read; given back, it goes on.
        """
        seen = play("""
            import consentkit
            import tempfile
            from tests.support import say_yes, small

            start()
            Phone.declare("ACCESS_COARSE_LOCATION")
            Phone.declare("ACCESS_FINE_LOCATION")
            Phone.grant("ACCESS_FINE_LOCATION")
            LocationManager.turnOn("gps")
            LocationManager.know("gps", Location(48.85837, 2.29448, 5.0, 1.0))
            book = PermissionBook(AndroidPermissions(timeout_seconds=60))
            source = AndroidLocation(timeout_seconds=60)
            kit = consentkit.open(
                small(), data_dir=tempfile.mkdtemp(), sources=[source],
                platform="android", os_permission=book,
            )
            for element in ("connect", "connect/location_precise"):
                say_yes(kit.consent, element)
            seen = []
            with kit.use("connect") as use:
                for number in range(9):
                    if number == 3:
                        Phone.revoke("ACCESS_FINE_LOCATION")
                    if number == 6:
                        Phone.grant("ACCESS_FINE_LOCATION")
                    calls = Phone.calls
                    answer = use.location()
                    seen.append([
                        type(answer).__name__, source.reads,
                        Phone.calls - calls,
                        book.answers["location"].value.value,
                    ])
            causes = [e.facts.get("cause") for e in kit.consent.history()]
            seen.append([c for c in causes if c])
            kit.close()
        """)

        *stream, causes = seen
        assert stream == [
            ["Location", 1, 1, "granted"],
            ["Location", 2, 1, "granted"],
            ["Location", 3, 1, "granted"],
            ["Refusal", 3, 0, "denied"],
            ["Refusal", 3, 0, "denied"],
            ["Refusal", 3, 0, "denied"],
            ["Location", 4, 1, "granted"],
            ["Location", 5, 1, "granted"],
            ["Location", 6, 1, "granted"],
        ]
        assert causes == ["os_permission location: denied"]

    def test_asked_by_default(self, play):
        """
        A kit that is told nothing of permissions asks Android, and only for
        what the person has granted.
        """
        seen = play("""
            import consentkit
            import tempfile
            from tests.support import say_yes, small

            start()
            Phone.declare("ACCESS_COARSE_LOCATION")
            Phone.declare("ACCESS_FINE_LOCATION")
            Phone.grant("ACCESS_FINE_LOCATION")
            LocationManager.turnOn("gps")
            LocationManager.know("gps", Location(48.85837, 2.29448, 5.0, 1.0))
            kit = consentkit.open(
                small(), data_dir=tempfile.mkdtemp(), platform="android",
                sources=[AndroidLocation(timeout_seconds=60)],
            )
            book = "consentkit.collectors.permissions"
            del sys.modules[book]
            seen = []
            with kit.use("connect") as use:
                seen.append(use.location().reason.value)
                seen.append(book in sys.modules)
                for element in ("connect", "connect/location_precise"):
                    say_yes(kit.consent, element)
                seen.append(type(use.location()).__name__)
                Phone.revoke("ACCESS_FINE_LOCATION")
                seen.append(use.location().detail)
            kit.close()
        """)

        assert seen == ["not_asked", False, "Location", "location: denied"]


class SecurityException(Exception):  # noqa: N818 - as Java names it
    """
    What another bridge raises: a class of its own for each of Java's.
    """


class FakeTelephony:
    """
    A telephone that is guarded.
    """

    def getImei(self):  # noqa: N802
        msg = "planted-490154203237518"
        raise SecurityException(msg)


class FakeLocationManager:
    """
    One provider, which knows nothing yet.
    """

    def getProviders(self, enabled_only):  # noqa: N802
        return SimpleNamespace(size=lambda: 1, get=lambda _: "gps")

    def getLastKnownLocation(self, provider):  # noqa: N802
        return None


class FakeContext:
    """
    A context of another bridge.
    """

    def getSystemService(self, name):  # noqa: N802
        found = {"phone": FakeTelephony, "location": FakeLocationManager}
        return found[name]() if name in found else None

    def __getattr__(self, name):
        raise AttributeError(name)


def find_class(name: str) -> Any:
    """
    Find the few classes that these tests need, without any Java.
    """
    return {
        "android.os.Build": SimpleNamespace(MODEL="Acme One"),
        "android.os.Build$VERSION": SimpleNamespace(SDK_INT=34, RELEASE="14"),
        "android.os.SystemClock": SimpleNamespace(),
    }[name]


class TestConformance(SourceConformance):
    """
    The duties of a source, over a bridge that fork and audit hooks bear.
    """

    def _types(self):
        # "Android" is a part of the source's own name.
        return sorted(AndroidSource.data_types - {"os_name"})

    def make_source(self):
        return AndroidSource(context=FakeContext, find_class=find_class)


class TestBadConformance(BadSourceConformance):
    """
    A device that refuses everything.
    """

    planted = ("490154203237518",)

    def make_source(self):
        def refuse(_name):
            msg = "planted-490154203237518"
            raise SecurityException(msg)

        return AndroidSource(context=FakeContext, find_class=refuse)


class TestLocationConformance(SourceConformance):
    """
    The same for the place.
    """

    def make_source(self):
        return AndroidLocation(context=FakeContext, find_class=find_class)
