# SPDX-License-Identifier: MIT

"""
iOS's identifiers and permissions, against stand-ins for Apple's classes.

Nothing of Apple's runs here. The stand-ins mirror the headers: what is a
property there is a value here, what is a method is to be called, by the same
selectors; and they have the two names that are used of rubicon-objc, which
one test compares with rubicon's own source.
"""

from __future__ import annotations

import ast
import importlib.util
import sys

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import consentkit

from consentkit.collectors.ios import ApplePermissions, IOSSource
from consentkit.collectors.permissions import PermissionBook
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import MissingExtraError
from consentkit.gate import OSPermission
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.testing import BadSourceConformance, SourceConformance
from tests.needs import need_extra
from tests.support import IMEI, Spy, make_kit, say_yes, small


IDFV = "5D3A9C7E-1B2F-4E6A-8C0D-9F7E5B3A1C2D"
IDFA = "E2C4A6B8-7D5F-4931-A0B2-C3D4E5F60718"
ZEROS = "00000000-0000-0000-0000-000000000000"

#: The framework that each class lives in, by Apple's headers.
FRAMEWORKS = {
    "ASIdentifierManager": "AdSupport",
    "ATTrackingManager": "AppTrackingTransparency",
    "AVCaptureDevice": "AVFoundation",
    "CLLocationManager": "CoreLocation",
    "CMMotionActivityManager": "CoreMotion",
    "NSBundle": "Foundation",
    "NSLocale": "Foundation",
    "NSProcessInfo": "Foundation",
    "NSTimeZone": "Foundation",
    "PHPhotoLibrary": "Photos",
    "UIDevice": "UIKit",
}


class NSString:
    """
    A text of Apple's: no `str`, but turned into one.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class Thing(SimpleNamespace):
    """
    An object with properties and methods.
    """


class FakeRubicon:
    """
    ``ObjCClass`` and ``load_library``, over a phone that does not exist.

    Args:
        status: What each class says of authorisation.

        accuracy: ``accuracyAuthorization``; not there if ``None``.

        is_old: Whether the status is a method of the class, as before
            iOS 14.

        idfa, idfv: The identifiers; *idfv* may be nil.
    """

    def __init__(
        self,
        *,
        status: int = 0,
        accuracy: int | None = 0,
        is_old: bool = False,
        idfa: str = IDFA,
        idfv: str | None = IDFV,
    ) -> None:
        self.loaded: list[str] = []
        self.asked: list[str] = []
        self.status = status
        self.accuracy = accuracy
        self.is_old = is_old
        self.idfa = idfa
        self.idfv = idfv

    def load_library(self, name: str) -> object:
        assert name in FRAMEWORKS.values()
        self.loaded.append(name)
        return object()

    def ObjCClass(self, name: str) -> Any:  # noqa: N802
        # As in the runtime, a class is there once its framework is.
        if FRAMEWORKS[name] not in self.loaded:
            msg = f"Objective-C class {name} not found"
            raise NameError(msg)
        self.asked.append(name)
        return getattr(self, f"_{name}")()

    def _UIDevice(self) -> Any:  # noqa: N802
        # Class properties are methods to rubicon unless they are declared.
        vendor = self.idfv and Thing(UUIDString=NSString(self.idfv))
        device = Thing(
            identifierForVendor=vendor,
            model=NSString("iPhone"),
            name=NSString("Ann's iPhone"),
            systemName=NSString("iOS"),
            systemVersion=NSString("26.1"),
        )
        return Thing(currentDevice=lambda: device)

    def _ASIdentifierManager(self) -> Any:  # noqa: N802
        found = Thing(UUIDString=NSString(self.idfa))
        shared = Thing(advertisingIdentifier=found)
        return Thing(sharedManager=lambda: shared)

    def _NSLocale(self) -> Any:  # noqa: N802
        return Thing(
            currentLocale=Thing(
                localeIdentifier=NSString("zh_CN"),
                languageCode=NSString("zh"),
                countryCode=NSString("CN"),
            )
        )

    def _NSTimeZone(self) -> Any:  # noqa: N802
        return Thing(localTimeZone=Thing(name=NSString("Asia/Shanghai")))

    def _NSProcessInfo(self) -> Any:  # noqa: N802
        info = Thing(processorCount=6, physicalMemory=5_918_212_096)
        return Thing(processInfo=info)

    def _NSBundle(self) -> Any:  # noqa: N802
        texts = {"CFBundleShortVersionString": NSString("4.2.1")}
        return Thing(
            mainBundle=Thing(
                bundleIdentifier=NSString("com.example.camera"),
                objectForInfoDictionaryKey=texts.get,
            )
        )

    def _CLLocationManager(self) -> Any:  # noqa: N802
        made = Thing()
        if not self.is_old:
            made.authorizationStatus = self.status
        if self.accuracy is not None:
            made.accuracyAuthorization = self.accuracy
        return Thing(
            alloc=lambda: Thing(init=lambda: made),
            authorizationStatus=lambda: self.status,
        )

    def _AVCaptureDevice(self) -> Any:  # noqa: N802
        def of(media: str) -> int:
            # AVMediaTypeVideo and AVMediaTypeAudio; else Apple raises.
            assert media in {"vide", "soun"}
            return self.status

        return Thing(authorizationStatusForMediaType=of)

    def _PHPhotoLibrary(self) -> Any:  # noqa: N802
        def of(level: int) -> int:
            assert level == 1  # PHAccessLevelAddOnly
            return self.status

        return Thing(authorizationStatusForAccessLevel=of)

    def _ATTrackingManager(self) -> Any:  # noqa: N802
        return Thing(trackingAuthorizationStatus=self.status)

    def _CMMotionActivityManager(self) -> Any:  # noqa: N802
        return Thing(authorizationStatus=lambda: self.status)


def source(**phone: Any) -> IOSSource:
    """
    Make the source of a phone.
    """
    bridge = FakeRubicon(**phone)
    return IOSSource(bridge=lambda: bridge)


def ask(permission: str, **phone: Any) -> OSPermission | None:
    """
    Ask a phone about *permission*.
    """
    bridge = FakeRubicon(**phone)
    return ApplePermissions(bridge=lambda: bridge).ask(permission)


SPIED = {"imei": IMEI, "oaid": "1fe9a970-efbb-29e0-0bdd", "idfv": IDFV}


def _both_systems(tree: dict[str, Any]) -> None:
    """
    Let the small policy list identifiers of two systems.
    """
    (improve,) = [f for f in tree["functions"] if f["id"] == "improve"]
    for clause in improve["collects"]:
        if clause["type"] == "imei":
            clause["platforms"] = ["android"]
    improve["collects"] += [
        {"type": "oaid", "protect": "keyed", "platforms": ["android"]},
        {"type": "idfv", "protect": "keyed", "platforms": ["ios"]},
    ]


class TestIOSSource:
    """
    Identifiers and facts.
    """

    def test_facts(self, make_permit):
        """
        Each comes as iOS tells it, as a text or a number of Python's.
        """
        made = source()
        seen = {t: made.read(make_permit(t)) for t in sorted(made.data_types)}

        assert seen == {
            "app_identifier": "com.example.camera",
            "app_version": "4.2.1",
            "cpu_count": 6,
            "device_country": "CN",
            "device_language": "zh",
            "device_manufacturer": "Apple",
            "device_model": "iPhone",
            "device_name": "Ann's iPhone",
            "idfa": IDFA,
            "idfv": IDFV,
            "locale": "zh_CN",
            "memory_total": 5_918_212_096,
            "os_name": "iOS",
            "os_version": "26.1",
            "timezone": "Asia/Shanghai",
        }
        assert {type(value) for value in seen.values()} == {str, int}

    def test_refused_tracking(self, make_permit):
        """
        The zeros that stand for a refusal are no identifier.
        """
        assert source(idfa=ZEROS).read(make_permit("idfa")) == Unavailable(
            "idfa", "iOS gives what stands for no value"
        )

    def test_locked_since_start(self, make_permit):
        """
        Until the first unlocking there is no vendor identifier.
        """
        assert source(idfv=None).read(make_permit("idfv")) == Unavailable(
            "idfv", "iOS does not tell it"
        )

    def test_no_identifier_of_another_system(self):
        """
        It gives nothing that the vocabulary does not have on iOS: no IMEI,
        no OAID.
        """
        known = load_vocabulary().data_types

        for data_type in IOSSource.data_types:
            assert {"ios", "any"} & set(known[data_type].platforms)
        assert not {"imei", "oaid", "android_id"} & IOSSource.data_types

    @pytest.mark.parametrize("platform", ["ios", "android"])
    def test_profile(self, tmp_path, platform):
        """
        Through the real kit: what the policy lists for the other system is
        asked of no source, not even of one that could tell it.
        """
        # Without it, what no spy gives would ask for it.
        need_extra("android")
        spies = {t: Spy(t, v) for t, v in SPIED.items()}
        kit = consentkit.open(
            small(both=_both_systems),
            data_dir=tmp_path,
            sources=spies.values(),
            platform=platform,
            os_permission=lambda _: OSPermission.GRANTED,
        )
        say_yes(kit.consent, "improve")
        with kit, kit.use("improve") as use:
            device = use.device()
            also = use.device(*SPIED)
        assert isinstance(device, consentkit.Device)
        assert isinstance(also, consentkit.Device)

        read = {t for t, spy in spies.items() if spy.reads}
        assert read == ({"idfv"} if platform == "ios" else {"imei", "oaid"})
        for seen in (device, also):
            told = {v.data_type for v in seen.values}
            assert told & SPIED.keys() == read
        assert {r.data_type for r in also.refused} == SPIED.keys() - read

    def test_all_are_documented(self):
        """
        The page on phones lists each data type that it gives.
        """
        docs = Path(__file__).parents[2] / "docs"
        page = (docs / "collectors" / "mobile.md").read_text(encoding="utf-8")
        _, _, page = page.partition("### iOS")

        assert {t for t in IOSSource.data_types if f"`{t}`" not in page} == (
            set()
        )

    def test_reads_one_thing(self, make_permit):
        """
        A read of one fact loads its framework, and asks no other class.
        """
        bridge = FakeRubicon()
        made = IOSSource(bridge=lambda: bridge)
        assert bridge.loaded == []
        made.read(make_permit("timezone"))

        assert (bridge.loaded, bridge.asked) == (
            ["Foundation"],
            ["NSTimeZone"],
        )

    def test_missing_extra(self, make_permit, monkeypatch):
        """
        Without rubicon the extra is named that brings it.
        """
        monkeypatch.setitem(sys.modules, "rubicon.objc", None)

        with pytest.raises(MissingExtraError) as caught:
            IOSSource().read(make_permit("idfv"))
        assert (caught.value.extra, caught.value.package) == (
            "ios",
            "rubicon-objc",
        )
        assert caught.value.__context__ is None

    @pytest.mark.skipif(
        sys.platform in {"darwin", "ios"}, reason="Apple's runtime is here"
    )
    def test_elsewhere(self, make_permit):
        """
        On a system without Apple's runtime there is no value and no error,
        though rubicon is installed.
        """
        need_extra("ios")

        assert isinstance(IOSSource().read(make_permit("idfv")), Unavailable)

    def test_names_of_rubicon(self):
        """
        Rubicon has the two names that are used of it, where they are
        expected, with one argument that has to be given.
        """
        need_extra("ios")
        spec = importlib.util.find_spec("rubicon")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        folder = Path(spec.submodule_search_locations[0]) / "objc"
        exported = (folder / "__init__.py").read_text(encoding="utf-8")
        library = _definition(folder / "runtime.py", "load_library")
        made = _definition(folder / "api.py", "ObjCClass")

        assert '"ObjCClass"' in exported
        assert isinstance(library, ast.FunctionDef)
        assert len(library.args.args) - len(library.args.defaults) == 1
        assert isinstance(made, ast.ClassDef)


def _definition(file: Path, name: str) -> ast.stmt:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    (found,) = [n for n in tree.body if getattr(n, "name", "") == name]
    return found


ASKED = (
    "app_tracking",
    "camera",
    "location",
    "location_coarse",
    "location_fine",
    "microphone",
    "motion_sensors",
    "storage",
    "storage_write",
)


class TestApplePermissions:
    """
    What Apple says of its permissions.
    """

    @pytest.mark.parametrize("permission", ASKED)
    @pytest.mark.parametrize(
        ("status", "answer"),
        [
            (0, OSPermission.PROMPT_NEEDED),
            (1, OSPermission.RESTRICTED),
            (2, OSPermission.DENIED),
            (3, OSPermission.GRANTED),
            (99, OSPermission.UNKNOWN),
        ],
    )
    def test_status(self, permission, status, answer):
        """
        Each number of Apple's has its word; one that is new is unknown.
        """
        assert ask(permission, status=status) is answer

    @pytest.mark.parametrize("permission", ["location", "storage"])
    def test_part_of_it(self, permission):
        """
        While in use, and limited to some photos: that is granted.
        """
        assert ask(permission, status=4) is OSPermission.GRANTED

    def test_reduced_accuracy(self):
        """
        With reduced accuracy the precise place is denied, the coarse is not.
        """
        phone = {"status": 4, "accuracy": 1}

        assert ask("location_fine", **phone) is OSPermission.DENIED
        assert ask("location_coarse", **phone) is OSPermission.GRANTED

    @pytest.mark.parametrize("permission", ["location", "location_fine"])
    def test_before_ios_14(self, permission):
        """
        Where only the class has the status, it is asked; all places were
        precise then.
        """
        phone = {"status": 3, "accuracy": None}

        assert ask(permission, is_old=True, **phone) is OSPermission.GRANTED
        assert ask(permission, **phone) is OSPermission.GRANTED

    def test_every_permission_of_the_vocabulary(self):
        """
        Each is asked, or cannot be, or does not exist on iOS; what has a
        usage key there is never called not applicable.
        """
        for permission, term in load_vocabulary().permissions.items():
            answer = ask(permission, status=2)
            assert answer in {
                None,
                OSPermission.DENIED,
                OSPermission.NOT_APPLICABLE,
            }
            if term.ios:
                assert answer is not OSPermission.NOT_APPLICABLE, permission

    @pytest.mark.parametrize(
        "permission", ["notification", "clipboard", "wlan", "wireless_data"]
    )
    def test_no_question(self, permission):
        """
        Where Apple has no question, the answer is unknown until the app
        tells what it was told.
        """
        bridge = FakeRubicon()
        book = PermissionBook(ApplePermissions(bridge=lambda: bridge))

        assert book(permission) is OSPermission.UNKNOWN
        book.tell(permission, OSPermission.GRANTED, "the prompt")
        assert book.ask(permission).source == "the prompt"
        assert book(permission) is OSPermission.GRANTED
        assert bridge.asked == []

    def test_class_that_is_missing(self):
        """
        A class that this version of the system has not got is a doubt.
        """

        def without() -> Any:
            return Thing(
                load_library=lambda _: None,
                ObjCClass=FakeRubicon().ObjCClass,
            )

        answer = PermissionBook(ApplePermissions(bridge=without)).ask("camera")

        assert answer.value is OSPermission.UNKNOWN
        assert answer.detail == "asking failed (NameError)"


@pytest.mark.parametrize("platform", ["ios", "darwin"])
class TestByDefault:
    """
    A kit that is told nothing of permissions asks Apple.
    """

    @pytest.mark.parametrize(
        ("status", "no"), [(2, "location: denied"), (3, "")]
    )
    def test_asks_apple(self, tmp_path, monkeypatch, platform, status, no):
        """
        Apple's answer counts, and its framework is not loaded before a read
        that nothing else is in the way of.
        """
        bridge = FakeRubicon(status=status)
        for name in ("rubicon", "rubicon.objc", "rubicon.objc.runtime"):
            monkeypatch.setitem(sys.modules, name, bridge)
        options: dict[str, Any] = {}
        if platform == "ios":
            options["platform"] = "ios"
        with make_kit(tmp_path, **options) as kit, kit.use("connect") as use:
            monkeypatch.setattr(sys, "platform", platform)
            unasked = use.location()
            assert unasked.reason is consentkit.Reason.NOT_ASKED
            assert bridge.loaded == []
            for element in small().elements:
                say_yes(kit.consent, element)
            place = use.location()

        assert bridge.loaded == ["CoreLocation"]
        assert ("" if place else place.detail) == no


class TestConformance(SourceConformance):
    """
    The duties of a source.
    """

    def make_source(self):
        return source()

    def _types(self):
        # "iOS" is short, "Apple" is no secret, and both are in its texts.
        return sorted(IOSSource.data_types - {"device_manufacturer"})


class TestBadConformance(BadSourceConformance):
    """
    A runtime that raises with a value in its text.
    """

    planted = (IDFV,)

    def make_source(self):
        def raising() -> Any:
            raise OSError(IDFV)

        return IOSSource(bridge=raising)

    def _types(self):
        # That Apple makes it needs no runtime to tell.
        return sorted(IOSSource.data_types - {"device_manufacturer"})
