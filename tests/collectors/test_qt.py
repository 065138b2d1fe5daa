# SPDX-License-Identifier: MIT

"""
Place and clipboard of an app that has Qt: real Qt, each app in a process of
its own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from consentkit.collectors.qt_clipboard import QtClipboard
from consentkit.collectors.qt_location import QtLocationSource
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import MissingExtraError
from consentkit.policy.model import Protection, ProtectionName
from consentkit.testing import SourceConformance
from tests.collectors.dbus.bus import members, private_bus
from tests.collectors.desktops import Desktop, headless_sway
from tests.needs import need_tool


HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TRACK = HERE.parent / "vectors" / "nmea" / "quay.nmea"

CODE = "#AF3R09FQ#"
CARD = "6222024740954611130"
TEXT = f"转账到卡号 {CARD}【好友分享】口令 {CODE} 领红包"

NOTHING = "nothing on the clipboard matches what may be taken"

#: What a fake GeoClue knows, as D-Bus has it.
SEEN: dict[str, Any] = {
    "Latitude": ("d", 48.1173),
    "Longitude": ("d", 11.516667),
    "Accuracy": ("d", 12.5),
    "Timestamp": ("(tt)", [1772600767, 500_000]),
}

#: Exactly for satellites, and for a street, as Qt asks without them.
PLACES = {
    "8": SEEN,
    "6": {**SEEN, "Latitude": ("d", 48.0), "Accuracy": ("d", 3000.0)},
}

#: What each app begins with; it tells by `say` what it found.
BEGIN = """
import json, runpy, sys, threading, time
from consentkit.policy.model import Protection, ProtectionName

build = runpy.run_path("tests/collectors/conftest.py")["build_permit"]
told = {}

def say(**facts):
    told.update(facts)

def why(answer):
    return getattr(answer, "reason", "a value")

def end():
    print(json.dumps(told))
"""

PLACE = """
import math
from PySide6.QtCore import (
    QCoreApplication, QDateTime, QFile, QIODevice, QObject, QThread, QTimer
)
from PySide6.QtPositioning import (
    QGeoCoordinate, QGeoPositionInfo, QGeoPositionInfoSource,
    QNmeaPositionInfoSource,
)
from consentkit.collectors.qt_location import QtLocationSource

permit = build("location_precise")
Error = QGeoPositionInfoSource.Error

class Own(QGeoPositionInfoSource):
    '''A position source that does as it is told.'''

    def __init__(self, act):
        super().__init__(None)
        self.act = act

    def requestUpdate(self, timeout=0):
        self.act(self)

    def error(self):
        return Error.NoError

    def minimumUpdateInterval(self):
        return 0

    def give(self, latitude, longitude, accuracy=None, when=None):
        place = QGeoCoordinate(latitude, longitude)
        info = QGeoPositionInfo(place, when or QDateTime())
        if accuracy is not None:
            info.setAttribute(
                QGeoPositionInfo.Attribute.HorizontalAccuracy, accuracy
            )
        self.positionUpdated.emit(info)

def numbers(fix):
    return [fix.latitude, fix.longitude, fix.accuracy_m,
            fix.time and fix.time.isoformat(), fix.crs]
"""

CLIPBOARD = """
from PySide6.QtCore import QByteArray, QCoreApplication, QMimeData
from PySide6.QtGui import QGuiApplication
from consentkit.collectors.qt_clipboard import QtClipboard

permit = build("clipboard_share_code", Protection(
    name=ProtectionName.TAKE, intents=("share_code", "link")))

class Told(QMimeData):
    '''Content that counts what is asked of it.'''

    def __init__(self, content):
        super().__init__()
        self.content, self.asked = content, []

    def formats(self):
        return list(self.content)

    def hasFormat(self, kind):
        return kind in self.content

    def retrieveData(self, kind, type_):
        self.asked.append(kind)
        content = self.content[kind]
        return QByteArray(content) if isinstance(content, bytes) else content

def copy(content):
    data = Told(content)
    QGuiApplication.clipboard().setMimeData(data)
    return data

def end():
    if isinstance(QCoreApplication.instance(), QGuiApplication):
        # Of a content made in Python, Qt would ask a Python that has ended.
        QGuiApplication.clipboard().clear()
    print(json.dumps(told))

def read(**options):
    taken = QtClipboard(**options).read(permit)
    return getattr(taken, "value", None) or why(taken)
"""


def run_app(*code: str, **environ: str) -> dict[str, Any]:
    """
    Run an app; give what it said.
    """
    program = BEGIN + "".join(code) + "\nend()\n"
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    told["stderr"] = done.stderr
    return told


@pytest.mark.need_extra("qt")
class TestLocation:
    """
    `QtLocationSource`
    """

    def test_own_receiver(self):
        """
        The app's own NMEA source on a real file gives its fixes in order.
        """
        told = run_app(
            PLACE,
            f"""
app = QCoreApplication([])
own = QNmeaPositionInfoSource(
    QNmeaPositionInfoSource.UpdateMode.SimulationMode)
file = QFile({str(TRACK)!r})
file.open(QIODevice.OpenModeFlag.ReadOnly)
own.setDevice(file)
source = QtLocationSource(own, timeout_seconds=60, max_age_seconds=math.inf)
say(first=numbers(source.read(permit)), then=numbers(source.read(permit)),
    reads=source.reads)
""",
        )

        place = json.loads(TRACK.with_suffix(".json").read_text())
        for got, (when, latitude, longitude) in zip(
            (told["first"], told["then"]), place[:2], strict=True
        ):
            assert got[0] == pytest.approx(latitude, abs=1e-6)
            assert got[1] == pytest.approx(longitude, abs=1e-6)
            assert got[3][:19] == when[:19]
            assert got[4] == "wgs84"
        assert told["reads"] == 2

    def test_plugin(self):
        """
        Made by Qt's plugin for NMEA, the source gives the file's first fix
        at each read, as it is made anew.
        """
        told = run_app(
            PLACE,
            f"""
app = QCoreApplication([])
source = QtLocationSource(
    plugin="nmea", parameters={{"nmea.source": {str(TRACK)!r}}},
    timeout_seconds=60, max_age_seconds=math.inf)
say(fixes=[numbers(source.read(permit)) for _ in range(2)])
""",
        )

        assert told["fixes"][0] == told["fixes"][1]
        assert told["fixes"][0][0] == pytest.approx(-33.856783333, abs=1e-6)

    @pytest.mark.parametrize("named", ["{}", "file://{}"])
    def test_pipe(self, tmp_path, named):
        """
        A pipe in the place of a recording, which Qt would open and wait for
        in the GUI thread, is not handed to Qt.
        """
        pipe = tmp_path / "a pipe"
        os.mkfifo(pipe)
        path = str(pipe) if named == "{}" else quote(str(pipe))
        told = run_app(
            PLACE,
            f"""
app = QCoreApplication([])
source = QtLocationSource(
    plugin="nmea", parameters={{"nmea.source": {named.format(path)!r}}},
    timeout_seconds=1)
say(reason=why(source.read(permit)))
""",
        )

        assert "is no regular file" in told["reason"]
        assert str(tmp_path) not in told["reason"]

    def test_other_time(self):
        """
        A place of another time than now is none.
        """
        told = run_app(
            PLACE,
            """
app = QCoreApplication([])
def read(seconds):
    when = QDateTime.currentDateTimeUtc().addSecs(seconds)
    own = Own(lambda it: it.give(31.2, 121.5, 12.5, when))
    return why(QtLocationSource(own).read(permit))
say(now=read(-20), past=read(-3600), future=read(3600))
""",
        )

        assert told["now"] == "a value"
        assert told["past"] == "Qt's position source gave a place of the past"
        assert told["future"].endswith("gave a place of the future")

    def test_what_qt_knows(self):
        """
        Accuracy, time and the declared coordinate system are the fix's; an
        accuracy that is no number is none.
        """
        told = run_app(
            PLACE,
            """
app = QCoreApplication([])
when = QDateTime.fromSecsSinceEpoch(1_790_000_000)
def read(*place):
    own = Own(lambda it: it.give(*place))
    return numbers(QtLocationSource(
        own, crs="gcj02", max_age_seconds=math.inf).read(permit))
say(full=read(31.2, 121.5, 12.5, when), bare=read(-1.5, 2.5),
    nan=read(1.0, 2.0, float("nan")), below=read(1.0, 2.0, -4.0))
""",
        )

        assert told["full"] == [
            31.2,
            121.5,
            12.5,
            "2026-09-21T14:13:20+00:00",
            "gcj02",
        ]
        assert told["bare"] == [-1.5, 2.5, None, None, "gcj02"]
        assert told["nan"][2] is None
        assert told["below"][2] is None

    def test_deadline(self):
        """
        A source that stays silent, or gives what is no place, ends at the
        deadline; the app's timers go on meanwhile, and a second read out of
        one of them is told to wait.
        """
        told = run_app(
            PLACE,
            """
app = QCoreApplication([])
def read(act):
    ticks, answers = [], []
    source = QtLocationSource(Own(act), timeout_seconds=0.6)
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(1))
    timer.start(20)
    QTimer.singleShot(50, lambda: answers.append(why(source.read(permit))))
    start = time.monotonic()
    reason = why(source.read(permit))
    return [reason, time.monotonic() - start, len(ticks), answers]
say(silent=read(lambda it: None),
    nowhere=read(lambda it: it.give(float("nan"), 500.0)))
""",
        )

        for case in ("silent", "nowhere"):
            reason, seconds, ticks, answers = told[case]
            assert reason == "no position within the deadline"
            assert 0.5 < seconds < 30
            assert ticks > 1
            assert answers == ["another read of it is under way"]

    def test_read_again_after_the_deadline(self):
        """
        A read that was late does not keep the next one away.
        """
        told = run_app(
            PLACE,
            """
app = QCoreApplication([])
acts = [lambda it: None, lambda it: it.give(1.0, 2.0)]
own = Own(lambda it: acts.pop(0)(it))
source = QtLocationSource(own, timeout_seconds=0.2)
say(late=why(source.read(permit)), then=numbers(source.read(permit)))
""",
        )

        assert told["late"] == "no position within the deadline"
        assert told["then"][:2] == [1.0, 2.0]

    def test_errors(self):
        """
        What Qt says is told in words of ours, at once.
        """
        told = run_app(
            PLACE,
            """
app = QCoreApplication([])
def read(error):
    own = Own(lambda it: it.errorOccurred.emit(error))
    return why(QtLocationSource(own, timeout_seconds=60).read(permit))
say(**{e.name: read(e) for e in Error})
def raises(it):
    raise RuntimeError("48.8583, 2.2944")
own = Own(raises)
say(raised=why(QtLocationSource(own, timeout_seconds=0.2).read(permit)))
""",
        )

        assert "not allowed" in told["AccessError"]
        assert "switched off" in told["ClosedError"]
        assert "deadline" in told["UpdateTimeoutError"]
        assert told["UnknownSourceError"] == "Qt's position source failed"
        assert "48.8583" not in told["raised"]

    def test_other_threads(self):
        """
        From another thread nothing is asked; a source that lives in a thread
        of the app's own is read there.
        """
        told = run_app(
            PLACE,
            """
app = QCoreApplication([])
asked = []
def give(it):
    asked.append(1)
    it.give(1.0, 2.0)
source, default = QtLocationSource(Own(give)), QtLocationSource()
thread = threading.Thread(target=lambda: say(
    own=why(source.read(permit)), default=why(default.read(permit)),
    asked=len(asked)))
thread.start()
thread.join()

class Worker(QThread):
    def run(self):
        say(there=numbers(QtLocationSource(Own(give)).read(permit)))
worker = Worker()
worker.start()
worker.wait()
""",
        )

        for case in ("own", "default"):
            assert "only in the thread of its source" in told[case]
        assert told["asked"] == 0
        assert told["there"][:2] == [1.0, 2.0]

    def test_without_an_app(self):
        """
        Without a running Qt there is no position, and no reading imports
        nothing of Qt.
        """
        told = run_app(
            """
from consentkit.collectors.qt_location import QtLocationSource
from consentkit.collectors.qt_clipboard import QtClipboard
source, other = QtLocationSource(), QtClipboard()
say(before=[name for name in sys.modules if "PySide6" in name])
say(place=why(source.read(build("location_precise"))),
    clipboard=why(other.read(build("clipboard_share_code", Protection(
        name=ProtectionName.TAKE, intents=("link",))))))
"""
        )

        assert told["before"] == []
        assert "there is no QCoreApplication" in told["place"]
        assert "there is no QGuiApplication" in told["clipboard"]

    def test_unknown_plugin(self):
        """
        A plugin that Qt does not have is told, with those that it has.
        """
        told = run_app(
            PLACE,
            """
app = QCoreApplication([])
say(reason=why(QtLocationSource(plugin="stars").read(permit)))
""",
        )

        assert "no such position plugin" in told["reason"]
        assert "nmea" in told["reason"]

    @pytest.mark.skipif(sys.platform != "linux", reason="GeoClue is Linux'")
    @pytest.mark.parametrize("bus", ["silent", "absent"])
    def test_system_bus(self, tmp_path, bus):
        """
        A system bus that hangs, or is not there, does not hang the app.
        """
        place = tmp_path / "bus"
        with socket.socket(socket.AF_UNIX) as server:
            if bus == "silent":
                server.bind(str(place))
                server.listen()
            told = run_app(
                PLACE,
                """
app = QCoreApplication([])
source = QtLocationSource(plugin="geoclue2", timeout_seconds=30)
say(reason=why(source.read(permit)))
""",
                DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={place}",
            )

        assert "the system bus" in told["reason"]

    @pytest.mark.skipif(sys.platform != "linux", reason="GeoClue is Linux'")
    @pytest.mark.need_tool("dbus-daemon")
    @pytest.mark.need_extra("dbus")
    @pytest.mark.parametrize("case", ["a place", "denied", "not there"])
    def test_geoclue(self, case):
        """
        Of a GeoClue on a private bus: its place, a coarser one where a
        coarse one is read, its no, and that there is none; its client is
        stopped or gone after the read.
        """
        with private_bus() as bus:
            journal = None
            if case != "not there":
                denied = {"Start": "error AccessDenied"}
                journal = bus.start(
                    "org.freedesktop.GeoClue2",
                    kind="geoclue",
                    geoclue={"places": PLACES},
                    rules=denied if case == "denied" else {},
                )
            told = run_app(
                PLACE,
                """
app = QCoreApplication([])
source = QtLocationSource(
    plugin="geoclue2", parameters={"desktopId": "com.example.Camera"},
    timeout_seconds=60, max_age_seconds=math.inf)
answer = source.read(permit)
say(reason=why(answer), place=numbers(answer)[:3] if answer else None)
if answer:
    say(coarse=numbers(source.read(build("location_coarse")))[:3])
""",
                DBUS_SYSTEM_BUS_ADDRESS=bus.address,
            )
            asked = [] if journal is None else members(journal)

        if case == "a place":
            assert told["place"] == [48.1173, 11.516667, 12.5]
            assert told["coarse"] == [48.0, 11.516667, 3000.0]
            assert "Stop" in asked or "DeleteClient" in asked
        else:
            assert "does not tell this app its place" in told["reason"]
        assert ("Start" in asked) == (case != "not there")


@pytest.mark.need_extra("qt")
class TestLocationConformance(SourceConformance):
    """
    What every source keeps, of the position source.
    """

    def make_source(self):
        """
        Make one, in a process in which Qt does not run.
        """
        return QtLocationSource()


@pytest.mark.need_extra("qt")
class TestClipboardConformance(SourceConformance):
    """
    What every source keeps, of the clipboard.
    """

    def make_source(self):
        """
        Make one, in a process in which Qt does not run.
        """
        return QtClipboard()


class TestSettings:
    """
    What can be wrong before Qt is asked.
    """

    @pytest.mark.parametrize(
        ("options", "fault"),
        [
            ({"timeout_seconds": 0}, "timeout_seconds"),
            ({"timeout_seconds": float("nan")}, "timeout_seconds"),
            ({"timeout_seconds": 3601}, "timeout_seconds"),
            ({"crs": "utm"}, "crs must be one of"),
            ({"max_age_seconds": 0}, "max_age_seconds"),
            ({"source": object(), "plugin": "nmea"}, "not both"),
            ({"parameters": {"a": 1}}, "name it"),
        ],
    )
    def test_arguments(self, options, fault):
        """
        A setting out of its range is refused when the source is made.
        """
        with pytest.raises(ValueError, match=fault):
            QtLocationSource(**options)

    def test_clipboard_deadline(self):
        """
        A read of the clipboard without a deadline cannot be set up.
        """
        with pytest.raises(ValueError, match="deadline_seconds"):
            QtClipboard(deadline_seconds=float("inf"))

    def test_no_qt(self, make_permit, monkeypatch):
        """
        Without Qt the extra is named that brings it.
        """
        for name in ("", ".QtCore", ".QtGui", ".QtPositioning"):
            monkeypatch.setitem(sys.modules, f"PySide6{name}", None)
        take = Protection(name=ProtectionName.TAKE, intents=("link",))

        with pytest.raises(MissingExtraError, match=r"consentkit\[qt\]"):
            QtLocationSource().read(make_permit("location_precise"))
        with pytest.raises(MissingExtraError, match="PySide6-Essentials"):
            QtClipboard().read(make_permit("clipboard_share_code", take))

    def test_nothing_declared(self, make_permit):
        """
        With no intent declared, Qt is not looked for.
        """
        none = Protection(name=ProtectionName.TAKE)
        answer = QtClipboard().read(make_permit("clipboard_share_code", none))

        assert isinstance(answer, Unavailable)
        assert answer.reason == "the policy lets nothing be taken"


@pytest.mark.need_extra("qt")
class TestClipboard:
    """
    `QtClipboard`
    """

    @pytest.mark.obligation("WP-CLIP-2")
    def test_only_the_code(self):
        """
        Of a text with a bank card and a code, the code is taken; without a
        match the answer is always the same.
        """
        told = run_app(
            CLIPBOARD,
            f"""
app = QGuiApplication([])
say(empty=read())
for name, text in {{
    "code": {TEXT!r}, "card": {CARD!r}, "none": "see you at six"}}.items():
    app.clipboard().setText(text)
    say(**{{name: read()}})
""",
        )

        assert told["code"] == CODE
        assert told["empty"] == told["card"] == told["none"] == NOTHING

    @pytest.mark.obligation("WP-CLIP-2")
    @pytest.mark.parametrize(
        "hint",
        [
            "x-kde-passwordManagerHint",
            "application/x-nspasteboard-concealed-type",
            "x/y;value=ExcludeClipboardContentFromMonitorProcessing",
        ],
    )
    def test_secret_is_not_asked_for(self, hint):
        """
        What a password manager has marked is not asked for its content.
        """
        told = run_app(
            CLIPBOARD,
            f"""
app = QGuiApplication([])
data = copy({{"text/plain": {TEXT!r}, {hint!r}: b"secret"}})
say(reason=read(), asked=data.asked)
""",
        )

        assert (
            told["reason"] == "what is on the clipboard is marked as a secret"
        )
        assert told["asked"] == []

    def test_only_text_is_asked_for(self):
        """
        Beside a picture only the text is asked for, and a picture alone not
        at all.
        """
        told = run_app(
            CLIPBOARD,
            f"""
app = QGuiApplication([])
alone = copy({{"image/png": b"PNG"}})
say(alone=read(), asked_alone=alone.asked)
both = copy({{"image/png": b"PNG", "text/plain": {TEXT!r}}})
say(both=read(), asked=both.asked)
""",
        )

        assert (told["alone"], told["asked_alone"]) == (NOTHING, [])
        assert told["both"] == CODE
        assert set(told["asked"]) == {"text/plain"}

    def test_hostile_content(self):
        """
        Huge, binary and odd contents are read at their beginning only, and
        UTF-16 by its mark, as by the helper.
        """
        told = run_app(
            CLIPBOARD,
            f"""
app = QGuiApplication([])
start = time.monotonic()
text = {TEXT!r}
for name, content in {{
    "huge": text + "x" * 10_000_000,
    "behind": "x" * 10_000_000 + text,
    "binary": bytes(range(256)) * 4_000,
    "nul": "a\\0b " + text,
    "odd": b"\\xff\\x80\\xfe " + text.encode(),
    "utf16": text.encode("utf-16"),
    "utf16be": ("\\ufeff" + text).encode("utf-16-be"),
}}.items():
    copy({{"text/plain": content}})
    say(**{{name: read()}})
say(seconds=time.monotonic() - start)
""",
        )

        assert told["huge"] == told["nul"] == told["odd"] == CODE
        assert told["utf16"] == told["utf16be"] == CODE
        assert told["behind"] == told["binary"] == NOTHING
        assert told["seconds"] < 30

    def test_other_threads(self):
        """
        From another thread the clipboard is not looked at.
        """
        told = run_app(
            CLIPBOARD,
            f"""
app = QGuiApplication([])
data = copy({{"text/plain": {TEXT!r}}})
thread = threading.Thread(target=lambda: say(reason=read()))
thread.start()
thread.join()
say(asked=data.asked)
""",
        )

        assert "in the GUI thread only" in told["reason"]
        assert told["asked"] == []

    def test_without_windows(self):
        """
        A Qt app without windows has no clipboard.
        """
        told = run_app(
            CLIPBOARD, "app = QCoreApplication([])\nsay(reason=read())\n"
        )

        assert "there is no QGuiApplication" in told["reason"]

    def test_ends_in_order(self, tmp_path):
        """
        An app that has read its clipboard, and at its end lets go of nothing
        by itself, ends without a fault.
        """
        told = run_app(
            f"""
import consentkit
from PySide6.QtGui import QGuiApplication
from consentkit.collectors.qt_clipboard import QtClipboard
from tests.support import say_yes, small
app = QGuiApplication([])
QGuiApplication.clipboard().setText({TEXT!r})
kit = consentkit.open(
    small(), data_dir={str(tmp_path)!r}, sources=[QtClipboard()])
say_yes(kit.consent, "paste")
with kit.use("paste") as use:
    found = use.clipboard("receive_share")
say(found=found.value)
""",
        )

        assert told["found"] == CODE
        assert told["stderr"] == ""

    @pytest.mark.obligation("WP-CLIP-2")
    def test_by_helper(self, monkeypatch):
        """
        Under a real Wayland the helper reads what another app copied, and
        Qt inside the app is not asked: it sees nothing without the focus.
        """
        need_tool("sway", "setpriv", "wl-copy", "wl-paste")
        with headless_sway() as environ:
            for name, value in environ.items():
                monkeypatch.setenv(name, value)
            desktop = Desktop("wayland", ["wl-copy", "--foreground"], "--type")
            try:
                desktop.copy(TEXT)
                told = run_app(
                    CLIPBOARD,
                    """
app = QGuiApplication([])
say(platform=app.platformName(), by_helper=read(deadline_seconds=60),
    in_app=read(by_helper=False))
""",
                    QT_QPA_PLATFORM="wayland",
                )
            finally:
                desktop.stop()

        assert told["platform"] == "wayland"
        assert told["by_helper"] == CODE
        assert told["in_app"] == NOTHING
