# SPDX-License-Identifier: MIT

"""
What operating systems say of their permissions, asked, dated and remembered.

Linux and Qt are asked for real; Windows by a stand-in with the names and
values of its API, as it was never there. Android and Apple: see their tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import partial
from itertools import product
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from attrs import frozen

import consentkit

from consentkit.collectors.android import AndroidPermissions
from consentkit.collectors.ios import ApplePermissions
from consentkit.collectors.location import Fix, TrackSource
from consentkit.collectors.permissions import (
    Answer,
    LinuxPermissions,
    PermissionAdapter,
    PermissionBook,
    QtPermissions,
    WindowsPermissions,
    system_permissions,
)
from consentkit.consent.signals import Signals
from consentkit.gate import OSPermission, Reason
from consentkit.policy.vocabulary import load_vocabulary
from tests.needs import need_extra
from tests.support import START, Clock, Spies, make_kit, say_yes, small


GRANTED = OSPermission.GRANTED
DENIED = OSPermission.DENIED
UNKNOWN = OSPermission.UNKNOWN
NOT_APPLICABLE = OSPermission.NOT_APPLICABLE

EXAMPLES = Path(__file__).parents[2] / "examples"


ON_LINUX = pytest.mark.skipif(
    not sys.platform.startswith("linux") or Path("/.flatpak-info").exists(),
    reason="for a Linux without sandbox",
)

#: A Snap that the package is a part of.
assert consentkit.__file__ is not None
SNAP = str(Path(consentkit.__file__).parents[1])

#: No answer is late because a machine is slow.
patient = partial(PermissionBook, timeout_seconds=60)


class Desk(PermissionAdapter):
    """
    A system of which a test says what it answers.

    Args:
        answer: Given, called, or raised.

        blocks: As the attribute.
    """

    name = "a test"

    def __init__(self, answer: Any = GRANTED, *, blocks: bool = True) -> None:
        self.answer = answer
        self.blocks = blocks
        self.asked: list[str] = []

    def ask(self, permission: str) -> OSPermission | None:
        self.asked.append(permission)
        if isinstance(self.answer, BaseException):
            raise self.answer
        if callable(self.answer):
            return self.answer()
        return self.answer


class TestPermissionBook:
    """
    The book that a kit asks.
    """

    @pytest.mark.parametrize("blocks", [True, False])
    @pytest.mark.parametrize("value", OSPermission)
    def test_answer(self, value, blocks):
        """
        Each of the six values goes through, with who gave it and when.
        """
        clock = Clock()
        book = patient(Desk(value, blocks=blocks), clock=clock)

        assert book("camera") is value
        assert book.answers == {
            "camera": Answer(value=value, source="a test", at=START)
        }

    def test_asks_each_time(self):
        """
        It never answers out of its memory: each question is asked anew.
        """
        desk, clock = Desk(), Clock()
        book = patient(desk, clock=clock)
        book("camera")
        desk.answer = DENIED
        clock.tick(minutes=5)

        assert book("camera") is DENIED
        assert desk.asked == ["camera", "camera"]
        assert book.answers["camera"].at == START + timedelta(minutes=5)

    def test_before_it_is_asked(self):
        """
        A new book has asked nothing, and its copy of answers is its own.
        """
        desk = Desk()
        book = patient(desk)
        before = book.answers
        book("camera")

        assert (before, desk.asked) == ({}, ["camera"])

    @pytest.mark.parametrize(
        ("answer", "blocks"),
        [
            *product(
                [True, 1, "granted", RuntimeError("planted-7")], [True, False]
            ),
            (SystemExit("planted-7"), True),
        ],
    )
    def test_doubt(self, answer, blocks):
        """
        What raises, or answers something else, is unknown; nothing of it is
        told but its kind.
        """
        book = patient(Desk(answer, blocks=blocks))
        found = book.ask("camera")

        assert found.value is UNKNOWN
        assert found.detail
        assert "planted" not in str(found) + repr(found)

    def test_deadline(self):
        """
        An answer that hangs is unknown after the deadline; other questions
        are not held up, and when it is back its answers count again.
        """
        gate = threading.Event()
        desk = Desk(lambda: gate.wait(60) and GRANTED)
        book = PermissionBook(
            desk, own={"other": lambda: GRANTED}, timeout_seconds=1
        )
        try:
            late = book.ask("camera")
            again = book("camera")
            assert (late.value, again) == (UNKNOWN, UNKNOWN)
            assert late.detail == "no answer within 1 s"
            # While one hangs, it is not asked a second time.
            assert desk.asked == ["camera"]
            assert book("other") is GRANTED
        finally:
            gate.set()
        end = time.monotonic() + 60
        while book("camera") is not GRANTED and time.monotonic() < end:
            time.sleep(0.01)
        assert book("camera") is GRANTED

    @pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
    def test_impossible_deadline(self, seconds):
        """
        A deadline that is none is refused at once.
        """
        with pytest.raises(ValueError, match="timeout_seconds"):
            PermissionBook(Desk(), timeout_seconds=seconds)

    def test_unknown_permission(self):
        """
        What the vocabulary does not know is asked of nobody, and unknown.
        """
        desk = Desk()
        answer = patient(desk).ask("telepathy")

        assert (answer.value, desk.asked) == (UNKNOWN, [])

    def test_own_question(self):
        """
        The app's own question goes before the system's, and may be about
        something that the vocabulary does not know.
        """
        desk = Desk(DENIED)
        own = {"camera": lambda: GRANTED, "telepathy": lambda: DENIED}
        book = patient(desk, own=own)

        assert book("camera") is GRANTED
        assert book("telepathy") is DENIED
        assert book.answers["camera"].source == "the app"
        assert desk.asked == []

    def test_told(self):
        """
        Where the system cannot be asked, what the app was told counts, with
        its own source and time; until then it is unknown.
        """
        clock = Clock()
        book = patient(Desk(None), clock=clock)
        assert book("location") is UNKNOWN
        book.tell("location", GRANTED, "the portal's answer to Start")
        clock.tick(hours=1)

        assert book.ask("location") == Answer(
            value=GRANTED, source="the portal's answer to Start", at=START
        )
        assert book("camera") is UNKNOWN

    @pytest.mark.parametrize(
        ("asked", "told", "answer"),
        [
            (UNKNOWN, DENIED, DENIED),
            (UNKNOWN, OSPermission.PROMPT_NEEDED, OSPermission.PROMPT_NEEDED),
            (UNKNOWN, GRANTED, UNKNOWN),
            (UNKNOWN, NOT_APPLICABLE, UNKNOWN),
            (DENIED, GRANTED, DENIED),
            (GRANTED, DENIED, GRANTED),
            (RuntimeError(), GRANTED, UNKNOWN),
            (RuntimeError(), DENIED, UNKNOWN),
        ],
    )
    def test_told_is_no_way_around(self, asked, told, answer):
        """
        A yes that was told never replaces what the system answers, nor a
        question that failed.
        """
        book = patient(Desk(asked))
        book.tell("camera", told, "a prompt")

        assert book("camera") is answer

    def test_permissions_of_the_examples(self):
        """
        Each permission that an example policy names is known to the book.
        """
        desk = Desk()
        book = patient(desk)
        named = {
            permission.id
            for file in EXAMPLES.glob("*/policy.toml")
            for permission in consentkit.load_policy(file).document.permissions
        }

        assert len(named) >= 8
        assert {book(permission) for permission in named} == {GRANTED}
        assert sorted(desk.asked) == sorted(named)


@frozen
class SessionEnded:
    """
    An event of the small policy.
    """

    seconds: float


def first(tree: dict[str, Any]) -> dict[str, Any]:
    """
    Give the row of the small policy that reads the place.
    """
    row: dict[str, Any] = tree["functions"][0]["collects"][0]
    return row


ALL = ("connect", "connect/location_precise")

#: By what else is in the way of a place: what is granted, how it is used,
#: what is changed of the function, and the refusal's reasons.
BEFORE_THE_SYSTEM: dict[str, tuple[Any, ...]] = {
    "nobody was asked": (
        (),
        {},
        {},
        (Reason.NOT_ASKED, Reason.SEPARATE_CONSENT_NEEDED),
    ),
    "no decision of its own": (
        ("connect",),
        {},
        {},
        (Reason.SEPARATE_CONSENT_NEEDED,),
    ),
    "another purpose": (
        ALL,
        {"purpose": "advertising"},
        {},
        (Reason.UNDECLARED_PURPOSE,),
    ),
    "out of use": (ALL, {}, {}, (Reason.NOT_IN_USE,)),
    "no act": (ALL, {}, {"user_act": True}, (Reason.NO_ACT,)),
    "a condition": (ALL, {}, {"requires": ["indoors"]}, (Reason.CONDITION,)),
    "nobody vouches": (
        ALL,
        {},
        {"attest": "I own it."},
        (Reason.NOT_ATTESTED,),
    ),
    "all of it": (
        (),
        {"purpose": "advertising"},
        {"user_act": True, "requires": ["indoors"], "attest": "I own it."},
        (
            Reason.UNDECLARED_PURPOSE,
            Reason.NOT_ASKED,
            Reason.SEPARATE_CONSENT_NEEDED,
            Reason.NO_ACT,
            Reason.CONDITION,
            Reason.NOT_ATTESTED,
        ),
    ),
}


class TestInTheKit:
    """
    The book as a kit's *os_permission*.
    """

    @pytest.mark.obligation("WP-PERM-8")
    def test_change_between_two_reads(self, tmp_path):
        """
        A permission that is turned off closes the next read, that turned on
        again opens the next, with no call to the library in between; the
        ledger has the cause.
        """
        desk, spies = Desk(), Spies()
        book = patient(desk)
        with make_kit(
            tmp_path, *small().elements, spies=spies, os_permission=book
        ) as kit:
            with kit.use("connect") as use:
                assert use.location()
            desk.answer = OSPermission.RESTRICTED
            with kit.use("connect") as use:
                assert use.location().reason is Reason.OS_PERMISSION
                assert spies.reads == 1
                desk.answer = GRANTED
                assert use.location()
            causes = [e.facts.get("cause") for e in kit.consent.history()]

        assert spies.reads == 2
        assert "os_permission location: restricted" in causes

    @pytest.mark.obligation("WP-PERM-8")
    def test_change_in_the_middle_of_a_stream(self, tmp_path):
        """
        Of a track that is read on and on, the place after the change is not
        read: the file is where it was, and goes on there when it may.
        """
        places = [(48.0 + n / 10, 2.0) for n in range(10)]
        track = tmp_path / "track.gpx"
        points = "".join(
            f'<trkpt lat="{lat}" lon="{lon}"/>' for lat, lon in places
        )
        track.write_text(
            '<gpx xmlns="http://www.topografix.com/GPX/1/1" version="1.1">'
            f"<trk><trkseg>{points}</trkseg></trk></gpx>"
        )
        desk, source = Desk(), TrackSource(track)
        kit = consentkit.open(
            small(),
            data_dir=tmp_path / "data",
            sources=[source],
            os_permission=patient(desk),
        )
        for element in small().elements:
            say_yes(kit.consent, element)
        answers = []
        with kit, kit.use("connect") as use:
            for number in range(9):
                desk.answer = UNKNOWN if 3 <= number < 6 else GRANTED
                answers.append(bool(use.location()))
            permit = use.permit("location_precise")
            assert isinstance(permit, consentkit.Permit)
            left = source.read(permit)

        assert answers == [True] * 3 + [False] * 3 + [True] * 3
        assert source.reads == 7
        assert isinstance(left, Fix)
        assert (left.latitude, left.longitude) == places[6]

    @pytest.mark.parametrize(
        ("answer", "opens"),
        [
            (GRANTED, True),
            (NOT_APPLICABLE, True),
            (DENIED, False),
            (OSPermission.RESTRICTED, False),
            (OSPermission.PROMPT_NEEDED, False),
            (UNKNOWN, False),
            (None, False),
            (OSError("planted"), False),
        ],
    )
    def test_what_opens(self, tmp_path, answer, opens):
        """
        Granted and not applicable open a read; nothing else does, and no
        prompt is caused by asking.
        """
        spies = Spies()
        with (
            make_kit(
                tmp_path,
                *small().elements,
                spies=spies,
                os_permission=patient(Desk(answer)),
            ) as kit,
            kit.use("connect") as use,
        ):
            assert bool(use.location()) is opens
        assert spies.reads == int(opens)

    @pytest.mark.parametrize("blocks", [True, False])
    @pytest.mark.parametrize("name", [*BEFORE_THE_SYSTEM, "nothing"])
    def test_system_is_asked_last(self, tmp_path, name, blocks):
        """
        Where anything else is in the way, the system is not asked and no
        thread waits for it; the refusal names all else that is.
        """
        grants, how, changes, reasons = BEFORE_THE_SYSTEM.get(
            name, (ALL, {}, {}, ())
        )
        desk = Desk(DENIED if reasons else GRANTED, blocks=blocks)
        with make_kit(
            tmp_path,
            *grants,
            policy=small(
                changed=lambda tree: tree["functions"][0].update(changes)
            ),
            os_permission=patient(desk),
        ) as kit:
            use = kit.use("connect", **how)
            with use if name != "out of use" else nullcontext():
                answer = use.location()
            if not reasons:
                assert (bool(answer), desk.asked) == (True, ["location"])
                return
            assert (answer.reason, *answer.also) == reasons
            assert desk.asked == []
            # Who wants to know all conditions is told of the system too.
            rows = kit.why("connect", "location_precise").conditions

        assert "location, denied" in {row.detail for row in rows}

    def test_gone_between_a_rare_read_and_its_record(self, tmp_path):
        """
        What may be read once a day is kept right after it was read; not if
        the permission is gone by then.
        """
        desk = Desk()
        rare = small(changed=lambda t: first(t).update(frequency="P1D"))
        clock = Clock()
        with (
            make_kit(
                tmp_path,
                *small().elements,
                policy=rare,
                os_permission=patient(desk),
                clock=clock,
            ) as kit,
            kit.use("connect") as use,
        ):
            place = use.location()
            assert use.location().reason is Reason.TOO_OFTEN
            assert use.capture(place)
            clock.tick(days=2)
            place = use.location()
            desk.answer = DENIED
            refused = use.capture(place)

        assert refused.reason is Reason.OS_PERMISSION

    def test_own_function_hangs(self, tmp_path):
        """
        An app's own function that hangs is waited for as long as a book
        waits, once, and then refuses; it says why.
        """
        over = threading.Event()
        asked = []

        def hang(permission):
            asked.append(permission)
            over.wait(60)
            return GRANTED

        spies = Spies()
        begun = time.monotonic()
        with (
            make_kit(
                tmp_path, *small().elements, spies=spies, os_permission=hang
            ) as kit,
            kit.use("connect") as use,
        ):
            answers = [use.location() for _ in range(20)]
            over.set()

        assert {one.reason for one in answers} == {Reason.OS_PERMISSION}
        assert "no answer within 1 s" in answers[0].detail
        assert asked == ["location"]
        assert spies.reads == 0
        assert time.monotonic() - begun < 30

    @pytest.mark.parametrize("pending", ["memory", "quarantine"])
    @pytest.mark.parametrize(("answer", "held"), [(GRANTED, 1), (DENIED, 0)])
    def test_while_the_person_has_not_answered(
        self, tmp_path, pending, answer, held
    ):
        """
        An event waits for the person's answer only if the system lets the
        app have it.
        """

        def guard(tree: dict[str, Any]) -> None:
            tree["consent"] = {"pending": pending}
            (row,) = [
                row
                for row in tree["functions"][1]["collects"]
                if row["type"] == "app_usage_time"
            ]
            row["permission"] = "phone"

        with make_kit(
            tmp_path,
            policy=small(guard=guard),
            os_permission=lambda _: answer,
            signals=Signals,
        ) as kit:
            with kit.use("improve") as use:
                refused = use.capture(SessionEnded(4.2))
            assert refused.held is bool(held)
            kit.consent.grant("improve")

            assert kit.status().waiting == held

    def test_flush_asks_for_what_waits(self, tmp_path):
        """
        Before what waits goes out, the system is asked whether it may still
        be had; of functions that nobody granted it is not asked.
        """
        desk = Desk()
        with make_kit(tmp_path, "improve", os_permission=patient(desk)) as kit:
            with kit.use("improve") as use:
                assert use.capture(use.device("mac_address"))
            kit.flush()
            assert desk.asked == ["phone"]
            for element in ALL:
                say_yes(kit.consent, element)
            with kit.use("connect") as use:
                assert use.capture(use.location())
            desk.asked.clear()
            desk.answer = DENIED
            kit.flush()

            assert {*desk.asked} == {"location", "phone"}
            assert kit.status().counts["permission_lost"] == 1
            assert kit.status().waiting == 1

    def test_permission_is_no_consent(self, tmp_path):
        """
        With everything granted by the system, nothing is read unasked.
        """
        spies = Spies()
        book = patient(Desk())
        with make_kit(tmp_path, spies=spies, os_permission=book) as kit:
            for function in kit.policy.functions:
                with kit.use(function) as use:
                    assert not use.device()
                    assert not use.location()

        assert spies.reads == 0


class TestByDefault:
    """
    A kit that is told nothing of permissions.
    """

    def place(self, folder: Path, **options: Any) -> Any:
        """
        Read a place that the policy guards, with every consent.
        """
        with (
            make_kit(folder, *small().elements, **options) as kit,
            kit.use("connect") as use,
        ):
            return use.location()

    @ON_LINUX
    def test_this_machine(self, tmp_path):
        """
        On a Linux desktop there is nothing to ask, and the place is read.
        """
        assert self.place(tmp_path)
        with make_kit(tmp_path, *small().elements) as kit:
            why = kit.why("connect", "location_precise")

        assert why.permitted
        assert "location, which nothing guards here" in {
            row.detail for row in why.conditions
        }

    @ON_LINUX
    def test_behind_a_portal(self, tmp_path, monkeypatch):
        """
        In a Snap a portal stands before the place, which is refused until
        the app tells what the portal said; the refusal says why.
        """
        monkeypatch.setenv("SNAP", SNAP)
        refused = self.place(tmp_path)
        book = PermissionBook()
        book.tell("location", GRANTED, "the portal's answer to Start")

        assert refused.reason is Reason.OS_PERMISSION
        assert refused.detail == (
            "location: unknown, the system cannot be asked"
        )
        assert self.place(tmp_path, os_permission=book)

    @pytest.mark.parametrize(
        ("platform", "extra"), [("android", "android"), ("ios", "ios")]
    )
    def test_phone_without_the_library(
        self, tmp_path, monkeypatch, platform, extra
    ):
        """
        On a phone whose library is missing, nothing that the system guards
        is read, and the refusal says what to install.
        """
        for module in ("jnius", "rubicon.objc"):
            monkeypatch.setitem(sys.modules, module, None)

        refused = self.place(tmp_path, platform=platform)

        assert refused.reason is Reason.OS_PERMISSION
        assert refused.detail.startswith("location: unknown, ")
        assert f"consentkit[{extra}]" in refused.detail

    def test_windows(self, tmp_path, windows, monkeypatch):
        """
        On Windows its own answer counts, and is asked for at each read.
        """
        spies = Spies()
        monkeypatch.setattr(sys, "platform", "win32")
        with (
            make_kit(tmp_path, *small().elements, spies=spies) as kit,
            kit.use("connect") as use,
        ):
            answers = [use.location()]
            windows.status = AppCapabilityAccessStatus.DENIED_BY_USER
            answers.append(use.location())

        allowed, refused = answers
        assert allowed
        assert refused.detail == "location: denied"
        assert (spies.reads, windows.asked) == (1, ["location", "location"])

    @pytest.mark.parametrize("answer", [GRANTED, DENIED])
    def test_told_otherwise(self, tmp_path, monkeypatch, answer):
        """
        What the app hands over goes before the platform's own.
        """
        monkeypatch.setitem(sys.modules, "jnius", None)
        place = self.place(
            tmp_path, platform="android", os_permission=lambda _: answer
        )

        assert bool(place) is (answer is GRANTED)

    def test_nothing_is_loaded_early(self, tmp_path):
        """
        The book is not even imported until a granted read needs it.
        """
        script = (
            "import sys\n"
            "from tests.support import make_kit, say_yes\n"
            "book = 'consentkit.collectors.permissions'\n"
            f"kit = make_kit(__import__('pathlib').Path({str(tmp_path)!r}))\n"
            "with kit.use('connect') as use:\n"
            "    assert not use.location()\n"
            "    assert book not in sys.modules\n"
            "    for element in kit.policy.elements:\n"
            "        say_yes(kit.consent, element)\n"
            "    use.location()\n"
            "    assert book in sys.modules\n"
        )
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            cwd=EXAMPLES.parent,
            timeout=300,
        )


class TestLinuxPermissions:
    """
    The Linux desktop.
    """

    def test_no_permissions(self, tmp_path):
        """
        Outside of a sandbox no permission applies.
        """
        adapter = LinuxPermissions(root=tmp_path, environ={})

        for permission in load_vocabulary().permissions:
            assert adapter.ask(permission) is NOT_APPLICABLE

    @pytest.mark.parametrize("sandbox", ["flatpak", "snap"])
    def test_portals(self, tmp_path, sandbox):
        """
        Behind a portal it cannot be asked, so that the answer is unknown;
        what no portal guards is not applicable.
        """
        environ = {"SNAP": SNAP} if sandbox == "snap" else {}
        if sandbox == "flatpak":
            (tmp_path / ".flatpak-info").write_text("[Application]\n")
        adapter = LinuxPermissions(root=tmp_path, environ=environ)

        assert adapter.ask("location") is None
        assert adapter.ask("camera") is None
        assert adapter.ask("phone_state") is NOT_APPLICABLE
        assert PermissionBook(adapter)("location") is UNKNOWN

    @pytest.mark.parametrize("snap", ["/snap/code/182", ""])
    def test_inherited_from_a_terminal(self, tmp_path, snap):
        """
        What is started in the terminal of an editor that is a Snap is not
        in that Snap.
        """
        adapter = LinuxPermissions(root=tmp_path, environ={"SNAP": snap})

        assert adapter.ask("location") is NOT_APPLICABLE

    @ON_LINUX
    def test_this_machine(self):
        """
        A book for this machine says not applicable, and who says so.
        """
        answer = PermissionBook().ask("location")

        assert answer.value is NOT_APPLICABLE
        assert answer.source == "the Linux desktop"
        assert abs(datetime.now(UTC) - answer.at) < timedelta(hours=1)


QT = """
import json
import sys

from PySide6.QtCore import QCoreApplication, QLocationPermission, Qt

from consentkit.collectors.permissions import PermissionBook, QtPermissions

app = QCoreApplication([])
status = app.checkPermission(QLocationPermission())
print(json.dumps({
    "Qt": status == Qt.PermissionStatus.Granted,
    "on Linux": PermissionBook(QtPermissions())("location").value,
    "elsewhere": {
        permission: str(QtPermissions(platform="darwin").ask(permission))
        for permission in (
            "location", "location_coarse", "location_fine", "camera",
            "microphone", "phone",
        )
    },
}))
"""


class TestQtPermissions:
    """
    Qt, in a process of its own, as it has one application in a process.
    """

    @pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="for Linux"
    )
    def test_granted_says_nothing_on_linux(self, tmp_path):
        """
        Qt says on Linux that everything is granted, which is passed on as
        not applicable; asked as elsewhere, its own answer comes.
        """
        need_extra("qt")
        done = subprocess.run(
            [sys.executable, "-c", QT],
            cwd=tmp_path,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)

        assert seen["Qt"]
        assert seen["on Linux"] == "not_applicable"
        elsewhere = dict.fromkeys(seen["elsewhere"], "OSPermission.GRANTED")
        assert seen["elsewhere"] == {**elsewhere, "phone": "None"}

    @pytest.mark.parametrize(
        ("status", "answer"),
        [
            ("Granted", GRANTED),
            ("Denied", DENIED),
            ("Undetermined", OSPermission.PROMPT_NEEDED),
        ],
    )
    def test_where_qt_asks(self, monkeypatch, status, answer):
        """
        Where Qt has a backend, each of its answers has its word, and the
        precise place is asked for as such.
        """
        core = fake_qt(status)
        monkeypatch.setitem(sys.modules, "PySide6.QtCore", core)
        adapter = QtPermissions(platform="darwin")

        assert adapter.ask("location_fine") is answer
        assert core.asked == [("QLocationPermission", "Precise")]
        assert adapter.ask("camera") is answer
        assert core.asked[1:] == [("QCameraPermission", "")]

    def test_no_application(self, monkeypatch):
        """
        Before the app has made its application, the answer is unknown.
        """
        core = fake_qt("Granted")
        core.QCoreApplication.instance = lambda: None
        monkeypatch.setitem(sys.modules, "PySide6.QtCore", core)

        assert QtPermissions(platform="darwin").ask("camera") is UNKNOWN

    def test_windows(self):
        """
        On Windows Qt has no backend, and is not asked.
        """
        adapter = QtPermissions(platform="win32")

        assert adapter.ask("location") is None
        assert PermissionBook(adapter)("location") is UNKNOWN

    def test_missing_extra(self, monkeypatch):
        """
        Without PySide6 the answer is unknown, and says what to install.
        """
        monkeypatch.setitem(sys.modules, "PySide6.QtCore", None)
        book = PermissionBook(QtPermissions(platform="darwin"))

        assert book("camera") is UNKNOWN
        assert "consentkit[qt]" in book.answers["camera"].detail


def fake_qt(status: str) -> Any:
    """
    Make what is used of ``QtCore``, with one answer to everything.
    """
    core: Any = ModuleType("PySide6.QtCore")
    core.asked = []

    def make(name: str) -> Callable[[], Any]:
        def permission() -> Any:
            made = SimpleNamespace(name=name, accuracy="")
            made.setAccuracy = lambda a: setattr(made, "accuracy", a)
            return made

        permission.Accuracy = SimpleNamespace(Precise="Precise")  # type: ignore[attr-defined]
        return permission

    def check(permission: Any) -> str:
        core.asked.append((permission.name, permission.accuracy))
        return status

    for name in ("Location", "Camera", "Microphone"):
        setattr(core, f"Q{name}Permission", make(f"Q{name}Permission"))
    core.Qt = SimpleNamespace(
        PermissionStatus=SimpleNamespace(
            Granted="Granted", Denied="Denied", Undetermined="Undetermined"
        )
    )
    app = SimpleNamespace(checkPermission=check)
    core.QCoreApplication = SimpleNamespace(instance=lambda: app)
    return core


class AppCapabilityAccessStatus(IntEnum):
    """
    As Windows numbers them.
    """

    DENIED_BY_SYSTEM = 0
    NOT_DECLARED_BY_APP = 1
    DENIED_BY_USER = 2
    USER_PROMPT_REQUIRED = 3
    ALLOWED = 4


ACCESS = "winrt.windows.security.authorization.appcapabilityaccess"


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Any:
    """
    Put a stand-in where the library of Windows would be.
    """
    access: Any = ModuleType(ACCESS)
    access.status = AppCapabilityAccessStatus.ALLOWED
    access.asked = []

    def create(name: str) -> Any:
        access.asked.append(name)
        return SimpleNamespace(check_access=lambda: access.status)

    access.AppCapability = SimpleNamespace(create=create)
    parts = ACCESS.split(".")
    for end in range(1, len(parts)):
        name = ".".join(parts[:end])
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, ACCESS, access)
    return access


class TestWindowsPermissions:
    """
    Windows, by a stand-in: it was never asked for real.
    """

    @pytest.mark.parametrize(
        ("status", "answer"),
        [
            ("DENIED_BY_SYSTEM", OSPermission.RESTRICTED),
            ("NOT_DECLARED_BY_APP", DENIED),
            ("DENIED_BY_USER", DENIED),
            ("USER_PROMPT_REQUIRED", OSPermission.PROMPT_NEEDED),
            ("ALLOWED", GRANTED),
        ],
    )
    def test_status(self, windows, status, answer):
        """
        Each answer of Windows has its word.
        """
        windows.status = AppCapabilityAccessStatus[status]

        assert WindowsPermissions().ask("location_fine") is answer
        assert WindowsPermissions().ask("camera") is answer
        assert windows.asked == ["location", "webcam"]

    def test_new_status(self, windows):
        """
        An answer that is new is unknown.
        """
        windows.status = 5

        assert WindowsPermissions().ask("microphone") is UNKNOWN

    def test_not_asked(self, windows):
        """
        What Windows guards in other ways is unknown, what it does not guard
        is not applicable; neither asks it anything.
        """
        book = patient(WindowsPermissions())

        assert book("notification") is UNKNOWN
        assert book("phone") is NOT_APPLICABLE
        assert windows.asked == []

    def test_not_packaged(self, windows):
        """
        A Python that is not packaged as an app may not ask: unknown.
        """

        def create(_name):
            raise PermissionError(-2147024891, "planted")

        windows.AppCapability.create = create
        answer = patient(WindowsPermissions()).ask("location")

        assert answer.value is UNKNOWN
        assert answer.detail == "asking failed (PermissionError)"

    def test_missing_extra(self, monkeypatch):
        """
        Without the library the answer is unknown, and says what to install.
        """
        monkeypatch.setitem(sys.modules, ACCESS, None)
        answer = patient(WindowsPermissions()).ask("location")

        assert answer.value is UNKNOWN
        assert "consentkit[windows]" in answer.detail


@pytest.mark.parametrize(
    ("platform", "kind"),
    [
        ("linux", LinuxPermissions),
        ("win32", WindowsPermissions),
        ("darwin", ApplePermissions),
        ("ios", ApplePermissions),
        ("android", AndroidPermissions),
    ],
)
def test_system_permissions(platform, kind):
    """
    Each platform has its adapter.
    """
    assert type(system_permissions(platform)) is kind


def test_system_without_adapter():
    """
    On a platform that nobody knows everything is unknown.
    """
    book = PermissionBook(system_permissions("sunos5"))

    assert {book(p) for p in load_vocabulary().permissions} == {UNKNOWN}


def test_nothing_is_imported_early():
    """
    Making adapters and a book imports no library of any platform.
    """
    script = (
        "import sys\n"
        "from consentkit.collectors.permissions import *\n"
        "for name in 'linux', 'win32', 'darwin', 'android':\n"
        "    PermissionBook(system_permissions(name))\n"
        "QtPermissions()\n"
        "for name in 'jnius', 'rubicon', 'winrt', 'PySide6':\n"
        "    assert name not in sys.modules, name\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300)
