# SPDX-License-Identifier: MIT

"""
The built-in sources keep what every source has to keep.

Each runs the suite that `consentkit.testing` has for everybody. A built-in
source of a desktop is found by itself: nobody has to remember to add it.
"""

from __future__ import annotations

import os
import socket
import threading

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from consentkit.collectors import BUILT_IN, Source, Sources
from consentkit.collectors.clipboard import FileClipboard
from consentkit.collectors.gpsd import GpsdSource
from consentkit.collectors.location import (
    CallableLocation,
    Fix,
    TrackSource,
)
from consentkit.collectors.received import Provenance, ReceivedSource
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import MissingExtraError
from consentkit.testing import (
    BadSourceConformance,
    SourceConformance,
    permit_for,
)
from consentkit.testing.permits import FUNCTION, kit_for
from tests.needs import need_extra
from tests.obligations.checks import changed


VECTORS = Path(__file__).parent.parent / "vectors" / "nmea"

LATITUDE, LONGITUDE = 48.8583701, 12.2944813
PLANTED = (LATITUDE, LONGITUDE, "wolfsbane-4711")


def make_built_in(name: str, folder: Path) -> Source[Any]:
    """
    Make the built-in source called *name* as a kit does.
    """
    made = Sources([name], platform="none", folder=folder)._made[name]
    assert made.id == name
    return made


def _of_desktops() -> list[str]:
    """
    Name those that can be read on this machine; phones have suites of their
    own.
    """
    made = [make_built_in(name, Path("nowhere")) for name in sorted(BUILT_IN)]
    return [
        one.id
        for one in made
        if not one.platforms or "desktop" in one.platforms
    ]


@cache
def _extra_of(name: str) -> str:
    """
    Name the extra that the source says it misses, if it does.
    """
    data_type = min(make_built_in(name, Path("nowhere")).data_types)
    try:
        with TemporaryDirectory() as folder, permit_for(data_type) as permit:
            make_built_in(name, Path(folder)).read(permit)
    except MissingExtraError as error:
        return error.extra
    return ""


class TestBuiltIn(SourceConformance):
    """
    Each source that an app can name.
    """

    @pytest.fixture(autouse=True, params=_of_desktops())
    def _named(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self.id, self.folder = request.param, tmp_path
        if extra := _extra_of(self.id):
            need_extra(extra)

    def make_source(self):
        """
        Make it.
        """
        return make_built_in(self.id, self.folder)


class TestTrack(SourceConformance):
    """
    A recorded track.
    """

    def make_source(self):
        """
        Make one of a real recording.
        """
        return TrackSource(VECTORS / "quay.nmea")


class TestCallable(SourceConformance):
    """
    The app's own function.
    """

    def make_source(self):
        """
        Make one that knows a place.
        """
        return CallableLocation(lambda: (LATITUDE, LONGITUDE), crs="wgs84")


class TestFileClipboard(SourceConformance):
    """
    A file in the place of a clipboard.
    """

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "clipboard"
        self.path.write_text("see kankan-share:Q7mB2xTf9LkD there")

    def make_source(self):
        """
        Make one of a file that holds a share code.
        """
        return FileClipboard(self.path)


def _answer(server: socket.socket, pieces: tuple[bytes, ...]) -> None:
    """
    Say the same to everybody who connects, and hold the line.
    """
    held = []
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            held.append(connection)
            with suppress(OSError):
                for piece in pieces:
                    connection.sendall(piece)
    for connection in held:
        connection.close()


@pytest.fixture
def gpsd(request: pytest.FixtureRequest) -> Iterator[int]:
    """
    Give the port of what calls itself gpsd and says what is asked for.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer, args=(server, request.param))
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(30)


FIX = (
    b'{"class":"VERSION","release":"3.25"}\r\n'
    b'{"class":"TPV","mode":3,"lat":%r,"lon":%r,"eph":4.5,'
    b'"time":"2026-03-04T05:06:07.000Z"}\r\n' % (LATITUDE, LONGITUDE)
)


@pytest.mark.parametrize("gpsd", [(FIX,)], indirect=True)
class TestGpsd(SourceConformance):
    """
    A daemon that has a fix.
    """

    @pytest.fixture(autouse=True)
    def _gpsd(self, gpsd: int) -> None:
        self.port = gpsd

    def make_source(self):
        """
        Make one that asks the daemon of the test.
        """
        return GpsdSource(port=self.port)


class TestBadCallable(BadSourceConformance):
    """
    An app's function that fails, hangs or lies.
    """

    within_seconds = 20.0
    planted = PLANTED

    @pytest.fixture(
        autouse=True,
        params=["raises", "exits", "hangs", "text", "far", "nan", "endless"],
    )
    def _kind(self, request: pytest.FixtureRequest) -> Iterator[None]:
        self.kind = request.param
        self.over = threading.Event()
        yield
        self.over.set()

    def _call(self):
        match self.kind:
            case "raises":
                raise ValueError(PLANTED)
            case "exits":
                raise SystemExit(PLANTED)
            case "hangs":
                self.over.wait(60)
                return LATITUDE, LONGITUDE
            case "text":
                return f"wolfsbane-4711 at {LATITUDE}, {LONGITUDE}"
            case "far":
                return LATITUDE * 1e6, LONGITUDE
            case "nan":
                return float("nan"), LONGITUDE
            case _:
                return 10**400, LONGITUDE

    def make_source(self):
        """
        Make one of the bad function.
        """
        return CallableLocation(self._call, crs="wgs84", timeout_seconds=0.2)


PLACE_LINE = f'{{"class":"TPV","mode":3,"lat":{LATITUDE},"lon":'.encode()

BAD_DAEMONS = {
    "silent": (),
    "half a line": (PLACE_LINE,),
    "a line of 1 MB": (b"wolfsbane-4711" * 75_000, b"\n"),
    "never a line": (b"wolfsbane-4711" * 75_000,),
    "garbage": (bytes(range(256)) * 4096 + b"\n",),
    "far away": (PLACE_LINE + b"999}\n",),
    "not a number": (PLACE_LINE + b"NaN}\n",),
    "endless": (PLACE_LINE + b"1e999}\n",),
    "a text": (PLACE_LINE + b'"wolfsbane-4711"}\n',),
    "nested": (b"[" * 50_000 + b"\n",),
    "another class": (b'{"class":["wolfsbane-4711"],"lat":48.8583701}\n',),
    "no class": (b'{"lat":48.8583701,"lon":12.2944813,"mode":3}\n',),
}


@pytest.mark.parametrize(
    "gpsd", BAD_DAEMONS.values(), ids=BAD_DAEMONS, indirect=True
)
class TestBadGpsd(BadSourceConformance):
    """
    A daemon that is no gpsd, or no honest one.
    """

    within_seconds = 20.0
    planted = PLANTED

    @pytest.fixture(autouse=True)
    def _gpsd(self, gpsd: int) -> None:
        self.port = gpsd

    def make_source(self):
        """
        Make one that asks the daemon of the test.
        """
        return GpsdSource(port=self.port, timeout_seconds=0.3)


BAD_TRACKS = {
    "checksum": b"$GPGGA,120000,4851.5022,N,01217.6689,E,1,08*00\r\n" * 99,
    "no checksum": b"$GPGGA,120000,4851.5022,N,01217.6689,E,1,08\r\n" * 99,
    "void": b"$wolfsbane-4711\r\n",
    "broken XML": b'<gpx><trkpt lat="48.8583701" lon="12.2944813">',
    "comment": b"<gpx><!--" + b"wolfsbane-4711" * 200_000,
    "attribute": b'<gpx><trkpt lat="' + b"48.8583701" * 300_000,
    "entity": b"<!DOCTYPE gpx [<!ENTITY e 'wolfsbane-4711'>]><gpx>&e;</gpx>",
    "text": b"48.8583701;12.2944813;wolfsbane-4711\n",
}


class TestBadTrack(BadSourceConformance):
    """
    A recording that is damaged.
    """

    within_seconds = 20.0
    planted = PLANTED

    @pytest.fixture(
        autouse=True, params=[*BAD_TRACKS, "gone", "folder", "pipe"]
    )
    def _file(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self.path = tmp_path / "track"
        match request.param:
            case "gone":
                pass
            case "folder":
                self.path.mkdir()
            case "pipe":
                os.mkfifo(self.path)
            case name:
                self.path.write_bytes(BAD_TRACKS[name])

    def make_source(self):
        """
        Make one of the damaged file.
        """
        return TrackSource(self.path)


class TestBadFileClipboard(BadSourceConformance):
    """
    A clipboard with something else on it.
    """

    within_seconds = 30.0
    planted = ("my shopping list", "wolfsbane-4711")

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "clipboard"
        self.path.write_text("my shopping list, wolfsbane-4711")

    def make_source(self):
        """
        Make one of a file without a match.
        """
        return FileClipboard(self.path, deadline_seconds=10)


class TestReceived(SourceConformance):
    """
    What another party has handed over.
    """

    @pytest.fixture(autouse=True)
    def _policy(self) -> None:
        def open_it(tree: dict[str, Any]) -> None:
            tree["indirect"]["allowed"] = True

        self.policy = changed("camera_app", open_it)

    def make_source(self):
        """
        Make one whose party has handed something over.
        """
        source = ReceivedSource(
            self.policy, "mobile_carriers", ["partner_supplied_info"]
        )
        source.put(
            {"partner_supplied_info": "wolfsbane-4711"},
            Provenance(
                party="mobile_carriers",
                purposes=("usage_statistics",),
                obtained=date(2026, 3, 1),
                reference="contract 2026/17, annex 2",
            ),
        )
        return source


class Marker(Source[Any]):
    """
    A place, by somebody who did not think of how exact it is.
    """

    id, name, touches = "marker", "a marker on a map", "nothing"
    data_types = frozenset({"location_coarse"})

    def _read(self, permit, **_):
        return Fix(latitude=LATITUDE, longitude=LONGITUDE, accuracy_m=90_000)


def test_places_are_of_one_kind():
    """
    A source of places that lets through what is less exact than promised is
    found by the suite.
    """

    class Suite(SourceConformance):
        def make_source(self):
            return Marker()

    with pytest.raises(AssertionError, match="derive from LocationSource"):
        Suite().test_says_what_it_is()


class Board(Source[Any]):
    """
    A clipboard of an app, by somebody who forgot that it is read in a scene.
    """

    id, name, touches = "board", "the app's board", "nothing"
    data_types = frozenset({"clipboard_share_code"})
    asked = None

    def _read(self, permit, **options):
        self.asked = options
        return Unavailable(permit.clause.type, "nothing is copied")


class TestOwnClipboard(SourceConformance):
    """
    A clipboard of an app's own.
    """

    def make_source(self):
        """
        Make one.
        """
        return Board()

    def test_is_read_as_an_app_reads(self):
        """
        The suite asks it in a scene, as a use does: a source that cannot
        take one is found by the suite, and not by the app.
        """
        suite, app = self.make_source(), self.make_source()
        self._read(suite, "clipboard_share_code")
        with (
            kit_for("clipboard_share_code", sources=[app]) as kit,
            kit.use(FUNCTION) as use,
        ):
            assert isinstance(use.clipboard("testing"), Unavailable)

        assert suite.asked == app.asked == {"scene": "testing"}
