# SPDX-License-Identifier: MIT

"""
Tests for what an audit reads of builds for phones, wheels and built apps.
"""

from __future__ import annotations

import json
import struct
import zipfile

from contextlib import suppress
from pathlib import Path

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.exceptions import RegistryError
from consentkit.registry.audit import Extent, Scope, audit, load_trackers
from consentkit.registry.audit.dex import class_names
from tests.registry.projects import shown, write


RUN, BROUGHT, DEVELOPMENT = Scope.RUN, Scope.BROUGHT, Scope.DEVELOPMENT

GRADLE = """\
dependencies {
    // implementation 'com.amplitude:analytics-android:1.0'
    implementation "io.sentry:sentry-android:8.0.0"
    testImplementation("com.qiniu:qiniu-android-sdk:8.9.1")
    api group: 'com.umeng.umsdk', name: 'common', version: '9.4.7'
    implementation project(':other')
}
"""
VERSIONS = """\
[versions]
sentry = "8.0.0"

[libraries]
one = { module = "io.sentry:sentry-android", version.ref = "sentry" }
two = { group = "com.umeng.umsdk", name = "common", version = "9" }
three = "com.getui:gtsdk:3.3.12.0"
"""
LOCKFILE = """\
# a comment
com.umeng.umsdk:common:9.4.7=releaseRuntimeClasspath
io.sentry:sentry-android:8.0.0=debugUnitTestCompileClasspath
empty=
"""
PODFILE = """\
target 'App' do
  # pod 'Qiniu'
  pod 'Sentry/HybridSDK', '~> 8'
  pod "PostHog"
end
"""
PODFILE_LOCK = """\
PODS:
  - GTSDK (2.4.1.0)
  - Sentry (8.14.2):
    - SentryPrivate (= 8.14.2)

DEPENDENCIES:
  - Qiniu
"""
PODSPEC = """\
Pod::Spec.new do |s|
  s.dependency 'GTSDK', '~>2.4.1.0'
  s.ios.dependency 'Qiniu'
end
"""
RESOLVED = """\
{
  "pins" : [
    {
      "identity" : "sentry-cocoa",
      "location" : "https://github.com/getsentry/sentry-cocoa.git"
    },
    {
      "identity" : "posthog-ios",
      "location" : "git@github.com:PostHog/posthog-ios"
    }
  ],
  "version" : 2
}
"""


class TestBuildFiles:
    """
    Files of Gradle, CocoaPods and Swift packages.
    """

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            (
                "app/build.gradle",
                GRADLE,
                {
                    "sentry": (RUN, 3),
                    "qiniu": (DEVELOPMENT, 4),
                    "umeng": (RUN, 5),
                },
            ),
            (
                "build.gradle.kts",
                GRADLE.replace("'", '"'),
                {
                    "sentry": (RUN, 3),
                    "qiniu": (DEVELOPMENT, 4),
                    "umeng": (RUN, 5),
                },
            ),
            (
                "gradle/libs.versions.toml",
                VERSIONS,
                {"sentry": (RUN, 5), "umeng": (RUN, 6), "getui": (RUN, 7)},
            ),
            (
                "gradle.lockfile",
                LOCKFILE,
                {"umeng": (BROUGHT, 2), "sentry": (DEVELOPMENT, 3)},
            ),
            (
                "ios/Podfile",
                PODFILE,
                {"sentry": (RUN, 3), "posthog": (RUN, 4)},
            ),
            (
                "ios/Podfile.lock",
                PODFILE_LOCK,
                {"getui": (BROUGHT, 2), "sentry": (BROUGHT, 3)},
            ),
            (
                "ios/app.podspec",
                PODSPEC,
                {"getui": (RUN, 2), "qiniu": (RUN, 3)},
            ),
            (
                "Package.resolved",
                RESOLVED,
                {"sentry": (BROUGHT, 5), "posthog": (BROUGHT, 9)},
            ),
        ],
    )
    def test_forms(
        self,
        tmp_path: Path,
        name: str,
        text: str,
        expected: dict[str, tuple[Scope, int]],
    ) -> None:
        """
        Each form is read, with the line and who needs it.
        """
        found = shown(write(tmp_path, {name: text}))

        assert {
            sdk: (shows[0].scope, shows[0].line)
            for sdk, shows in found.items()
            if sdk != "zhuoxin_id"  # it is inside of Getui's
        } == expected

    def test_other_sdk(self, tmp_path: Path) -> None:
        """
        Where the entry is that of a library for Python, that is said.
        """
        found = shown(
            write(tmp_path, {"Podfile": "pod 'Sentry'\npod 'Qiniu'"})
        )

        notes = {sdk: shows[0].note for sdk, shows in found.items()}
        assert notes == {
            "sentry": "the entry describes its library for Python",
            "qiniu": "",
        }

    def test_long_line(self, tmp_path: Path) -> None:
        """
        A line that nobody wrote by hand costs no time.
        """
        line = "implementation '" + "a." * 500_000
        write(tmp_path, {"build.gradle": f"{line}\n{GRADLE}"})

        assert "sentry" in shown(tmp_path)


def _wheel(path: Path, *names: str, metadata: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = "-".join(path.name.split("-")[:2])
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
        archive.writestr(f"{folder}.dist-info/METADATA", metadata)


class TestWheelhouse:
    """
    Folders of wheels and source archives.
    """

    def test_names(self, tmp_path: Path) -> None:
        """
        Archives are known by their names, and wheels by what is in them.
        """
        house = tmp_path / "house"
        _wheel(house / "sentry_sdk-2.0-py3-none-any.whl", "sentry_sdk/a.py")
        _wheel(house / "app-1.0-py3-none-any.whl", "posthog/__init__.py")
        _wheel(
            house / "other-1.0-py3-none-any.whl",
            "other/_vendor/mixpanel/__init__.py",
            "other/rollbar/report.py",
        )
        write(house, {"bugsnag-4.7.tar.gz": "", "notes.txt": "", "x.whl": ""})

        made = audit(tmp_path / "house", extent=Extent(wheelhouses=[house]))

        assert {s: e[0].note for s, e in made.found.items()} == {
            "bugsnag": "",
            "mixpanel": "inside of other",
            "posthog": "inside of app",
            "sentry": "",
        }
        assert [note.text for note in made.notes] == [
            "is no archive that can be read"
        ]

    def test_parts_that_integrate_one_are_no_copies(
        self, tmp_path: Path
    ) -> None:
        """
        A folder that only has the name of an SDK is none: a copy lies in a
        folder for copies, or where the wheel puts it at the top.
        """
        house = tmp_path / "house"
        _wheel(
            house / "gateway-1.0-py3-none-any.whl",
            "gateway/integrations/posthog/__init__.py",
            "gateway/mixpanel/__init__.py",
            "gateway/lib/third_party/rollbar/__init__.py",
            "gateway-1.0.data/purelib/bugsnag/__init__.py",
        )

        made = audit(house, extent=Extent(wheelhouses=[house]))

        assert [*made.found] == ["bugsnag", "rollbar"]

    def test_requirements(self, tmp_path: Path) -> None:
        """
        What a wheel requires comes along; what only an extra of it asks for
        may, and says nothing of what the project imports itself.
        """
        house = tmp_path / "house"
        _wheel(
            house / "gateway-1.0-py3-none-any.whl",
            metadata="Name: gateway\nRequires-Dist: mixpanel (>=4)\n"
            "Requires-Dist: rollbar; os_name == 'nt'\n"
            "Requires-Dist: posthog>3; extra == 'proxy'\n"
            "Requires-Dist: sentry-sdk; extra == 'proxy'\n"
            "Requires-Dist: ???\n\nRequires-Dist: bugsnag",
        )
        write(tmp_path, {"project/app.py": "import sentry_sdk"})

        made = audit(tmp_path / "project", extent=Extent(wheelhouses=[house]))

        assert {
            sdk: (shown[0].scope, str(shown[0]))
            for sdk, shown in made.found.items()
        } == {
            "mixpanel": (Scope.BROUGHT, "requires mixpanel <- gateway"),
            "posthog": (
                Scope.OPTIONAL,
                "requires posthog <- gateway (extra 'proxy')",
            ),
            "rollbar": (
                Scope.BROUGHT,
                "requires rollbar <- gateway (only where os_name == 'nt')",
            ),
            "sentry": (Scope.RUN, "import sentry_sdk"),
        }


def dex_of(*classes: str, used: tuple[str, ...] = ()) -> bytes:
    """
    Make a DEX file that defines *classes*, without code, and names *used*.
    """
    names = (*classes, *used)
    texts = ["I", *(f"L{name.replace('.', '/')};" for name in names)]
    types_at = 0x70 + 4 * len(texts)
    classes_at = types_at + 4 * len(texts)
    data, offsets = b"", []
    for text in texts:
        offsets.append(classes_at + 32 * len(classes) + len(data))
        raw = text.encode()
        size = bytes([len(raw)]) if len(raw) < 0x80 else b"\xff\x01"
        data += size + raw + b"\0"
    header = bytearray(0x70)
    header[:8] = b"dex\n035\0"
    struct.pack_into("<I", header, 0x28, 0x12345678)
    for at, count, place in (
        (0x38, len(texts), 0x70),
        (0x40, len(texts), types_at),
        (0x60, len(classes), classes_at),
    ):
        struct.pack_into("<II", header, at, count, place)
    tables = struct.pack(f"<{2 * len(texts)}I", *offsets, *range(len(texts)))
    defined = b"".join(
        struct.pack("<8I", i, *[0] * 7) for i in range(1, len(classes) + 1)
    )
    return bytes(header) + tables + defined + data


def apk(path: Path, *dexes: bytes, prefix: str = "") -> Path:
    """
    Write an app with these files of code.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("AndroidManifest.xml", b"\x03\x00")
        for i, dex in enumerate(dexes, 1):
            name = f"{prefix}classes{i if i > 1 else ''}.dex"
            archive.writestr(name, dex)
    return path


class TestDex:
    """
    Tests for reading names of classes.
    """

    def test_names(self) -> None:
        """
        Names of defined classes come with dots, and others not at all.
        """
        names = ["com.acme.Ad", "com.acme.Ad$Inner", "a.b." + "c" * 140]

        assert list(class_names(dex_of(*names, used=("x.Used",)))) == names

    @pytest.mark.parametrize(
        ("at", "value", "told"),
        [
            (0x00, 0, "is no DEX file"),
            (0x28, 0x78563412, "of another byte order"),
            (0x38, 1, "names a string that is not there"),
            (0x3C, 1 << 20, "breaks off in a table"),
            (0x40, 1, "names a type that is not there"),
            (0x60, 1 << 20, "more classes than there can be"),
            (0x64, 1 << 20, "breaks off in a table"),
        ],
    )
    def test_inconsistent(self, at: int, value: int, told: str) -> None:
        """
        A header that speaks of what is not there is refused, with the reason.
        """
        raw = bytearray(dex_of("com.acme.Ad"))
        struct.pack_into("<I", raw, at, value)

        with pytest.raises(ValueError, match=told):
            list(class_names(bytes(raw)))

    @given(cut=st.integers(0, 400))
    def test_cut(self, cut: int) -> None:
        """
        A file that breaks off is said to, or gives what it has.
        """
        whole = dex_of("com.acme.Ad", "com.acme.Other")
        try:
            found = list(class_names(whole[:cut]))
        except ValueError:
            assert cut < len(whole)
        else:
            assert set(found) <= {"com.acme.Ad", "com.acme.Other"}

    @given(at=st.integers(0, 250), value=st.integers(0, 255))
    def test_changed(self, at: int, value: int) -> None:
        """
        A file with any byte changed gives names or a plain error.
        """
        raw = bytearray(dex_of("com.acme.Ad", "com.acme.Other"))
        raw[at % len(raw)] = value
        try:
            found = list(class_names(bytes(raw)))
        except ValueError:
            return

        assert all(isinstance(name, str) for name in found)

    @given(raw=st.binary(max_size=300))
    def test_any(self, raw: bytes) -> None:
        """
        Whatever follows the first letters, there is no other error.
        """
        with suppress(ValueError):
            list(class_names(b"dex\n" + raw))


TRACKERS = {
    "trackers": {
        "1": {
            "name": "Acme",
            "code_signature": "com.acme.ads|com.acme-x.| net.acme.",
            "website": "https://acme.example",
        },
        "2": {"name": "Umeng", "code_signature": "com.umeng.analytics"},
        "3": {"name": "Hostly", "code_signature": ""},
        "4": {"name": "Hang", "code_signature": "(a+)+$|x|.*"},
    }
}


class TestApps:
    """
    Built apps for Android.
    """

    def _found(
        self, tmp_path: Path, *classes: str, prefix: str = ""
    ) -> dict[str, str]:
        app = apk(tmp_path / "a.apk", dex_of(*classes), prefix=prefix)
        (tmp_path / "trackers.json").write_text(json.dumps(TRACKERS))
        trackers = load_trackers(tmp_path / "trackers.json")
        extent = Extent(apps=[app], trackers=trackers)
        found = shown(write(tmp_path / "app", {"a.txt": ""}), extent=extent)
        return {
            sdk: " ".join(f"{e.kind} {e.name}" for e in shows)
            for sdk, shows in found.items()
        }

    @pytest.mark.parametrize("prefix", ["", "base/dex/"])
    def test_found(self, tmp_path: Path, prefix: str) -> None:
        """
        Classes of entries and of trackers are found, in an APK and an AAB.
        """
        classes = ("com.umeng.analytics.A", "com.acme.ads.B", "org.other.C")

        assert self._found(tmp_path, *classes, prefix=prefix) == {
            "tracker Acme": "tracker Acme",
            "umeng": "class com.umeng.analytics.A tracker Umeng",
        }

    def test_whole_parts(self, tmp_path: Path) -> None:
        """
        A name that only begins alike is another's.
        """
        assert self._found(tmp_path, "com.acme.adservice.A", "aaaa") == {}

    def test_several(self, tmp_path: Path) -> None:
        """
        All files of code are read; a broken one is noted.
        """
        dexes = (dex_of("x.Y"), b"dex\nbroken", dex_of("com.mixpanel.A"))
        app = apk(tmp_path / "a.apk", *dexes)

        made = audit(
            write(tmp_path / "app", {"x": ""}), extent=Extent(apps=[app])
        )

        assert list(made.found) == ["mixpanel"]
        assert [note.file for note in made.notes] == [f"{app}!classes2.dex"]

    def test_cut_archive(self, tmp_path: Path) -> None:
        """
        A member that cannot be unpacked is noted.
        """
        raw = bytearray(apk(tmp_path / "a.apk", dex_of("a.B")).read_bytes())
        at = raw.index(b"classes.dex") + len("classes.dex")
        raw[at : at + 4] = b"\xff\xff\xff\xff"
        (tmp_path / "a.apk").write_bytes(raw)

        made = audit(
            write(tmp_path / "app", {"x": ""}),
            extent=Extent(apps=[tmp_path / "a.apk"]),
        )

        assert [n.text for n in made.notes] == ["cannot be unpacked: not read"]

    def test_no_app(self, tmp_path: Path) -> None:
        """
        What is no archive is refused, and one without code is noted.
        """
        (tmp_path / "a.apk").write_bytes(b"no archive")
        with pytest.raises(ValueError, match="is no APK or AAB"):
            audit(tmp_path, extent=Extent(apps=[tmp_path / "a.apk"]))

        empty = apk(tmp_path / "b.apk")
        made = audit(tmp_path, extent=Extent(apps=[empty]))

        assert [n.text for n in made.notes] == [
            "holds no classes.dex: nothing to look at"
        ]


class TestTrackers:
    """
    Tests for `load_trackers`.
    """

    def test_forms(self, tmp_path: Path) -> None:
        """
        An array, and an object by number, are read alike; patterns that are
        no names are left out.
        """
        inner = TRACKERS["trackers"]
        for name, value in (
            ("a.json", list(inner.values())),
            ("b.json", TRACKERS),
            ("c.json", {"trackers": list(inner.values())}),
        ):
            (tmp_path / name).write_text(json.dumps(value))

        made = [load_trackers(tmp_path / f"{n}.json") for n in "abc"]

        assert made[0] == made[1] == made[2]
        assert {t.name: t.classes for t in made[0]} == {
            "Acme": ("com.acme.ads", "com.acme-x.", "net.acme."),
            "Umeng": ("com.umeng.analytics",),
        }

    def test_escaped(self, tmp_path: Path) -> None:
        """
        An escaped dot is a dot, and an anchor says nothing new.
        """
        path = tmp_path / "t.json"
        signature = "^com\\.acme\\.|com/b/.*"
        path.write_text(
            json.dumps([{"name": "A", "code_signature": signature}])
        )

        (tracker,) = load_trackers(path)

        assert tracker.classes == ("com.acme.", "com.b.")

    @pytest.mark.parametrize(
        ("raw", "fault"),
        [
            ("{", "is no list of trackers"),
            ("{}", "is no list of trackers"),
            ("3", "is no list of trackers"),
            ("[3]", "$[0]: expected an object"),
            ("[{}]", "$[0].name: expected text"),
            ('[{"name": "a", "code_signature": 3}]', "$[0].code_signature"),
        ],
    )
    def test_faults(self, tmp_path: Path, raw: str, fault: str) -> None:
        """
        What is no such list is refused, with the place of each fault.
        """
        path = tmp_path / "t.json"
        path.write_text(raw)

        with pytest.raises(RegistryError) as caught:
            load_trackers(path)

        assert str(path) in str(caught.value)
        assert fault in str(caught.value)

    def test_too_large(self, tmp_path: Path) -> None:
        """
        A huge file is refused before it is parsed.
        """
        path = tmp_path / "t.json"
        with path.open("wb") as stream:
            stream.truncate(17 * 1024 * 1024)

        with pytest.raises(RegistryError, match="is larger than"):
            load_trackers(path)
