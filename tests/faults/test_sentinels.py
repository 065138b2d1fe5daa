# SPDX-License-Identifier: MIT
"""
The sentinel scan: raw values are planted in every source, the real kit does
its work, and what is left of it everywhere is looked through, in clear,
encoded and compressed form; while each part on the way is made to fail with
a value in its hands. And the scan's own twin: leaks are planted, and found.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import logging
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import syslog
import tempfile
import threading
import warnings

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from attrs import frozen

from consentkit import Kit
from consentkit.anonymise._steps import STEPS as PROTECTIONS
from consentkit.collectors.location import Fix
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import UnprotectedError
from consentkit.outbox import rows
from consentkit.outbox.keys import Lane
from consentkit.outbox.records import Batch, Record
from consentkit.policy.model import ProtectionName
from consentkit.testing import Sentinels
from consentkit.transports.base import Answer
from consentkit.transports.file import FileTransport
from consentkit.transports.https import HTTPSTransport
from tests.faults import planted
from tests.faults.places import Places, Wire, at_home, watched
from tests.faults.planted import (
    CODE,
    MAC,
    MARKER,
    RAW_OR_TOLD,
    STEPS,
    Plant,
    Run,
    Step,
    open_planted,
    plant_far_side,
    use_app,
    withdraw,
)
from tests.faults.support import Backend
from tests.transports.servers import RawServer, make_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Give a folder with a CA and a certificate for this machine.
    """
    folder: Path = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture(scope="module")
def far_side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """
    Give a folder with what the app reads, and the program that reads it.
    """
    folder = tmp_path_factory.mktemp("far") / "side"
    plant_far_side(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)
        yield folder


@pytest.fixture(params=["file", "https", "receiver"])
def wire(
    request: pytest.FixtureRequest, tmp_path: Path, certificates: Path
) -> Iterator[Wire]:
    """
    Give a way out: a folder, TLS to this machine, the receiver's store.
    """
    folder = tmp_path / "wire"
    folder.mkdir(mode=0o700)

    def below() -> list[bytes]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        names = "\n".join(path.name for path in files).encode()
        return [names, *(path.read_bytes() for path in files)]

    if request.param == "file":
        yield Wire(FileTransport(folder.as_uri()), below, folder=folder)
    elif request.param == "receiver":
        backend = Backend(folder / "store.db")
        yield Wire(backend, below, folder=folder)
        backend.close()
    else:
        server = RawServer(tls=certificates)
        transport = HTTPSTransport(
            server.url, verify=certificates / "ca.pem", timeout_seconds=20.0
        )
        yield Wire(
            transport,
            lambda: [
                part
                for one in server.requests
                for part in (str(one.headers).encode(), one.body)
            ],
            address=("127.0.0.1", server.port),
        )
        transport.close()
        server.close()


only_file = pytest.mark.parametrize("wire", ["file"], indirect=True)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """
    Give a home in which everything of the app has its place.
    """
    folder = tmp_path / "home"
    with at_home(folder):
        yield folder


@pytest.fixture
def kit(home: Path, wire: Wire, far_side: Path) -> Iterator[Kit]:
    """
    Give a kit in which everything is planted and granted.
    """
    with open_planted(home / "data", far_side, wire.transport) as made:
        yield made


def scan(
    kit: Kit,
    home: Path,
    wire: Wire,
    terminal: pytest.CaptureFixture[str],
    *steps: Step,
) -> tuple[Run, Places]:
    """
    Run the app, and look everywhere: before a withdrawal, after it, and when
    all is closed.

    Args:
        kit: As of the fixture; it is closed.

        home: The app's home.

        wire: Its way out.

        terminal: What is printed.

        steps: What the app does; by default all.
    """
    run = Run()
    with watched(home, wire) as places:
        use_app(kit, run, *steps)
        places.look()
        withdraw(kit, run)
        places.look()
        kit.close()
        places.look()
    places.look_back(run, terminal.readouterr())
    return run, places


class TestScan:
    """
    Nothing fails.
    """

    @pytest.mark.obligation("WP-HASH-1", "WP-SENS-3", "WP-ENC-1")
    def test_nothing_raw_is_anywhere(self, kit, home, wire, capfd):
        """
        All is captured and delivered, and no raw value is in any place.
        """
        run, places = scan(kit, home, wire, capfd)

        assert run.escaped == []
        assert kit.status().waiting == 0
        for told in (MARKER, CODE):
            assert wire.found(Sentinels([told]))
        assert places.found == {}

    @only_file
    def test_what_waits_is_sealed(self, kit, home, wire):
        """
        Before it is sent, not even what may be told is on the disk.
        """
        for step in STEPS:
            step(kit)

        assert kit.status().waiting > len(STEPS)
        assert RAW_OR_TOLD.found_below(home) == []


# Faults

_HTTP = ("httpcore", "httpx", "consentkit.transports")
_OURS = ("consentkit", *_HTTP)


#: What handlers name, and what none does.
ERRORS = (KeyError, ValueError, OSError)


@frozen
class Part:
    """
    What fails.

    Attributes:
        rooms: Beginnings of the names of modules that call it.

        names: What they call.

        ways: Out of the ways, those that come to it.

        errors: What it raises.

        passes: How many calls go well before one fails.

        holds: Whether those who call have a value in their hands.

        tells: Whether the error's text holds that too, beside the frames.

        meets: Classes of the errors of ours that the app may meet.
    """

    rooms: tuple[str, ...]
    names: tuple[tuple[Any, str], ...]
    ways: tuple[str, ...] = ("file",)
    errors: tuple[type[Exception], ...] = ERRORS
    passes: int = 0
    holds: bool = True
    tells: bool = True
    meets: frozenset[str] = frozenset()


class Fault:
    """
    Makes a part raise all that is within its reach.

    Attributes:
        met: How often each name was called.

        held: What was raised.

    Args:
        part: What fails.

        error: What it raises.
    """

    def __init__(self, part: Part, error: type[Exception]) -> None:
        self._part = part
        self._error = error
        self.met: Counter[str] = Counter()
        self.held: list[str] = []

    def instead_of(
        self, name: str, real: Callable[..., Any]
    ) -> Callable[..., Any]:
        """
        Give *real*, but for the rooms of the part.
        """

        def failing(*args: Any, **options: Any) -> Any:
            caller = sys._getframe(1)
            room = caller.f_globals.get("__name__", "")
            if not room.startswith(self._part.rooms):
                return real(*args, **options)
            self.met[name] += 1
            if self.met[name] <= self._part.passes:
                return real(*args, **options)
            told = "\n".join(_in_reach(caller, *args, *options.values()))
            self.held.append(told)
            raise self._error(told if self._part.tells else "")

        return failing


def _in_reach(frame: FrameType | None, *given: object) -> Iterator[str]:
    """
    Give the texts of what was *given*, and of the locals from *frame* on.
    """
    yield from map(_text, given)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_OURS):
            yield from map(_text, frame.f_locals.values())
        frame = frame.f_back


#: As it is before anything fails.
_REAL = Record.as_json


def _body(batch: Batch) -> object:
    written = getattr(batch.records, "write", None)
    return written() if written else [_REAL(one) for one in batch.records]


def _text(one: object) -> str:
    """
    Give the text of *one*, and what its ``repr`` leaves out.
    """
    with suppress(Exception):  # it may be half made
        if isinstance(one, Batch):
            return f"{one!r} {_body(one)!r}"
        if isinstance(one, Record):
            return f"{one!r} {_REAL(one)}"
        if isinstance(one, memoryview):
            return f"{bytes(one)!r}"
        if type(one).__name__ == "Request":  # of whichever client there is
            return f"{one!r} {getattr(one, 'content', b'')!r}"
        return repr(one)
    return ""


PARTS = {
    "md5": Part(("consentkit.anonymise",), ((hashlib, "md5"),)),
    "hmac": Part(("consentkit._mac",), ((hmac, "new"),)),
    "serialiser of values": Part(
        ("consentkit.anonymise.protect",), ((json, "dumps"),)
    ),
    "parser of values": Part(
        ("consentkit.anonymise.protect",), ((json, "loads"),)
    ),
    "look at a seal": Part(
        ("consentkit.anonymise.protect",), ((hmac, "compare_digest"),)
    ),
    "serialiser of the outbox": Part(
        ("consentkit.outbox",), ((json, "dumps"),)
    ),
    "serialiser of rows": Part(
        ("consentkit.outbox.rows",), ((rows, "encode"),)
    ),
    "parser of the outbox": Part(
        ("consentkit.outbox",),
        ((json, "loads"),),
        passes=2,
        meets=frozenset({"StoreError"}),
    ),
    "journal": Part(
        ("consentkit.outbox",),
        ((os, "write"),),
        errors=(OSError,),
        # Of the key that a withdrawal cannot store.
        meets=frozenset({"UnwritableError"}),
    ),
    "sealing of a record": Part(("consentkit.outbox",), ((Lane, "seal"),)),
    "serialiser of the wire": Part(
        ("consentkit.transports",), ((json, "dumps"),), ("file", "https")
    ),
    "record": Part(
        ("consentkit.outbox", "consentkit.transports"),
        ((Record, "as_json"),),
    ),
    "transport to a folder": Part(
        ("consentkit.transports",),
        ((FileTransport, "_send"),),
    ),
    "transport by HTTPS": Part(
        ("consentkit.transports",),
        ((HTTPSTransport, "_send"),),
        ("https",),
    ),
    "transport to the receiver": Part(
        ("consentkit.transports",),
        ((Backend, "_send"),),
        ("receiver",),
    ),
    "opening of a file": Part(("consentkit.transports",), ((os, "open"),)),
    "writing of a file": Part(("consentkit.transports",), ((os, "fsync"),)),
    # Nothing of a batch is in the frames of the thread that connects.
    "connecting": Part(
        _HTTP, ((socket, "create_connection"),), ("https",), holds=False
    ),
    # The head goes well, the body does not. The client's library logs the
    # texts of errors, and takes an OSError there for an early answer.
    "sending": Part(
        _HTTP,
        ((ssl.SSLSocket, "send"),),
        ("https",),
        errors=(KeyError, ValueError),
        passes=1,
        tells=False,
    ),
}

CASES = [
    pytest.param(way, part, error, id=f"{name}-{error.__name__}-{way}")
    for name, part in PARTS.items()
    for error in part.errors
    for way in part.ways
]


@pytest.mark.parametrize(("wire", "part", "error"), CASES, indirect=["wire"])
class TestFaults:
    """
    Each part fails in turn, and tells in its error what it was given.
    """

    @pytest.mark.obligation("WP-HASH-1")
    def test_nothing_raw_is_anywhere(
        self, kit, home, wire, monkeypatch, capfd, part, error
    ):
        """
        No raw value is in any place, and none that may be told is in
        another than the wire; and the app meets no error of ours.
        """
        fault = Fault(part, error)
        for owner, name in part.names:
            real = getattr(owner, name)
            monkeypatch.setattr(owner, name, fault.instead_of(name, real))
        run, places = scan(kit, home, wire, capfd)
        monkeypatch.undo()

        assert fault.met.keys() >= {name for _, name in part.names}
        held = RAW_OR_TOLD.found_in("\n".join(fault.held))
        assert bool(held) is part.holds
        assert places.found == {}
        assert part.meets.issuperset(run.escaped)


@only_file
@pytest.mark.parametrize(
    "step", [planted.device, planted.event], ids=lambda step: step.__name__
)
class TestLater:
    """
    A part goes well at first, and fails when the value is on its way.
    """

    def test_a_value_that_is_lost(
        self, kit, home, wire, monkeypatch, capfd, step
    ):
        """
        A value that could be read when it was sealed, and cannot be now, is
        an error without it, and without the event that it was made of.
        """
        part = Part(
            ("consentkit.anonymise.protect",), ((json, "loads"),), passes=1
        )
        fault = Fault(part, OSError)
        failing = fault.instead_of("loads", json.loads)
        monkeypatch.setattr(json, "loads", failing)
        run, places = scan(kit, home, wire, capfd, step)
        monkeypatch.undo()

        assert places.found == {}
        assert run.escaped == ["UnprotectedError"]


# The twin: leaks

#: Of the clipboard, what is not declared is not even read into this process.
PROTECTED = [
    one for one in STEPS if one not in {planted.marked, planted.share}
]


@only_file
@pytest.mark.parametrize("step", PROTECTED, ids=lambda step: step.__name__)
class TestPlants:
    """
    Each value is really on its way, and only what we do stops it.
    """

    def test_found_on_the_wire(
        self, kit, home, wire, monkeypatch, capfd, step
    ):
        """
        Were nothing protected, it would be found where it arrives, though a
        withdrawal erases it there.
        """
        for name in PROTECTIONS:
            monkeypatch.setitem(PROTECTIONS, name, _unprotected)
        monkeypatch.setattr(
            "consentkit.anonymise.protect.scrub",
            lambda text: SimpleNamespace(text=text),
        )

        _, places = scan(kit, home, wire, capfd, step)

        assert places.found["wire"]


def _unprotected(_: object, raw: Any) -> Any:
    if isinstance(raw, Fix):
        return {
            "latitude": round(raw.latitude, 5),
            "longitude": round(raw.longitude, 5),
            "cell_km": 2.0,
        }
    return raw


Leak = Callable[[str, Path], object]
LEAKS: dict[str, tuple[str, Leak]] = {}


def into(place: str) -> Callable[[Leak], Leak]:
    """
    Note a leak that is to be found in *place*.

    It is given the value, and a folder outside of the app's home.
    """

    def note(leak: Leak) -> Leak:
        LEAKS[leak.__name__] = place, leak
        return leak

    return note


@into("files")
def a_temporary_file(raw: str, _: Path) -> None:
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(raw)


@into("files")
def a_packed_file(raw: str, _: Path) -> None:
    packed = base64.b64encode(gzip.compress(raw.encode("utf-16")))
    Path("~/.packed").expanduser().write_bytes(packed)


@into("files")
def a_file_of_a_child(raw: str, _: Path) -> None:
    command = ["sh", "-c", 'cat > "$TMPDIR/leak"']
    subprocess.run(command, input=raw.encode(), check=True)


@into("files elsewhere")
def a_file_elsewhere(raw: str, elsewhere: Path) -> None:
    (elsewhere / "leak").write_text(raw)


@into("files elsewhere")
def a_file_by_its_number(raw: str, elsewhere: Path) -> None:
    handle = os.open(elsewhere / "leak", os.O_CREAT | os.O_WRONLY)
    os.write(handle, raw.encode())
    os.close(handle)


@into("files elsewhere")
def a_database_elsewhere(raw: str, elsewhere: Path) -> None:
    with closing(sqlite3.connect(elsewhere / "leak.db")) as database:
        database.execute("CREATE TABLE leak (raw)")
        number = int(raw.replace(":", ""), 16)
        database.execute("INSERT INTO leak VALUES (?)", (number,))
        database.commit()


@into("files that are gone")
def a_file_that_is_removed(raw: str, elsewhere: Path) -> None:
    file = elsewhere / "leak"
    file.write_text(raw)
    file.unlink()


@into("files that are gone")
def a_folder_that_is_removed(raw: str, elsewhere: Path) -> None:
    (elsewhere / "leak").mkdir()
    (elsewhere / "leak" / "file").write_text(raw)
    shutil.rmtree(elsewhere / "leak")


@into("files that are gone")
def a_file_that_is_written_over(raw: str, elsewhere: Path) -> None:
    (elsewhere / "leak").write_text(raw)
    (elsewhere / "leak").write_text("")


@into("files that are gone")
def a_file_that_is_replaced(raw: str, elsewhere: Path) -> None:
    (elsewhere / "leak").write_text(raw)
    (elsewhere / "other").touch()
    (elsewhere / "other").replace(elsewhere / "leak")


@into("events")
def a_name_of_a_file(raw: str, elsewhere: Path) -> None:
    (elsewhere / raw).touch()
    (elsewhere / raw).unlink()


@into("events")
def a_name_of_a_folder(raw: str, elsewhere: Path) -> None:
    (elsewhere / raw).mkdir()
    (elsewhere / raw).rmdir()


@into("events")
def an_argument_of_a_child(raw: str, _: Path) -> None:
    subprocess.run(["true", raw], check=True)


@into("events")
def the_environment_of_a_child(raw: str, _: Path) -> None:
    subprocess.run(["true"], env={"PATH": os.defpath, "X": raw}, check=True)


@into("events")
def a_name_that_is_looked_up(raw: str, _: Path) -> None:
    name = raw.encode().hex()
    with suppress(OSError):
        socket.getaddrinfo(name, 80, flags=socket.AI_NUMERICHOST)


@into("events")
def the_log_of_the_system(raw: str, _: Path) -> None:
    syslog.syslog(raw)


@into("events")
def a_variable_for_a_while(raw: str, _: Path) -> None:
    os.environ["LEAK"] = raw
    del os.environ["LEAK"]


@into("environment")
def a_variable(raw: str, _: Path) -> None:
    os.environ["LEAK"] = raw


@into("strangers")
def a_packet_to_a_stranger(raw: str, _: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as line:
        line.sendto(raw.encode(), ("127.0.0.1", 9))


@into("log")
def an_argument_of_a_log(raw: str, _: Path) -> None:
    logging.getLogger("consentkit").debug("read %s", raw)


@into("log")
def a_field_of_a_log(raw: str, _: Path) -> None:
    logging.getLogger("consentkit").debug("read", extra={"read": raw})


@into("log")
def locals_of_a_log(raw: str, _: Path) -> None:
    try:
        raise KeyError
    except KeyError:
        logging.getLogger("consentkit").exception("not read")


@into("hidden errors")
def an_error_in_a_thread(raw: str, _: Path) -> None:
    thread = threading.Thread(target=partial(int, raw))
    thread.start()
    thread.join()


@into("hidden errors")
def an_error_of_a_finaliser(raw: str, _: Path) -> None:
    class Ending:
        def __del__(self) -> None:
            int(raw)

    Ending()


@into("warnings")
def a_warning(raw: str, _: Path) -> None:
    warnings.warn(raw, stacklevel=1)


@into("terminal")
def a_print(raw: str, _: Path) -> None:
    print(raw)


@into("terminal")
def a_print_of_native_code(raw: str, _: Path) -> None:
    os.write(2, raw.encode("utf-16"))


@into("answers")
def a_reason(raw: str, _: Path) -> Unavailable:
    return Unavailable("mac_address", f"{raw} is no address")


@only_file
class TestLeaks:
    """
    The scan is no test that cannot fail.
    """

    @pytest.mark.parametrize("name", LEAKS)
    def test_found(
        self, home, wire, far_side, tmp_path, monkeypatch, capfd, name
    ):
        """
        What a source leaks on purpose is found where it went.
        """
        monkeypatch.setenv("LEAK", "")
        place, leak = LEAKS[name]
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        plant = Plant("mac_address", MAC, lambda raw: leak(raw, elsewhere))
        kit = open_planted(
            home / "data", far_side, wire.transport, plant, grants=["stats"]
        )

        _, places = scan(kit, home, wire, capfd, planted.device)

        assert places.found[place]

    def test_what_a_transport_tells(self, kit, home, wire, monkeypatch, capfd):
        """
        What may leave is found where a transport tells it to others.
        """
        send = FileTransport._send

        def telling(self: FileTransport, batch: Batch) -> Any:
            logging.getLogger("consentkit").debug("sent %s", batch.as_json())
            return send(self, batch)

        monkeypatch.setattr(FileTransport, "_send", telling)

        _, places = scan(kit, home, wire, capfd, planted.marked)

        assert places.found.keys() == {"log"}

    def test_what_a_report_tells(self, kit, home, wire, monkeypatch, capfd):
        """
        So is what a transport says of its trouble.
        """

        def telling(_: FileTransport, batch: Batch) -> Answer:
            return Answer(outcomes={}, problem=f"refused: {batch.as_json()}")

        monkeypatch.setattr(FileTransport, "_send", telling)

        _, places = scan(kit, home, wire, capfd, planted.marked)

        assert places.found.keys() == {"reports"}

    def test_what_an_error_tells(self, kit, home, wire, monkeypatch, capfd):
        """
        An error that the app meets has nothing in its text, but in its
        frames: that is found.
        """

        def fail(_: object, raw: object) -> None:
            raise UnprotectedError

        monkeypatch.setitem(PROTECTIONS, ProtectionName.MD5, fail)

        run, places = scan(kit, home, wire, capfd, planted.device)

        assert run.escaped == ["UnprotectedError"]
        assert places.found.keys() == {"errors"}
