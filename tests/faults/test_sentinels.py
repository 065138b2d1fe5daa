# SPDX-License-Identifier: MIT
"""
The sentinel scan: raw values are planted in every source, the real kit does
its work, and what is left of it everywhere is looked through, in clear,
encoded and compressed form; while each part on the way is made to fail with
the value in its hands.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import socket
import sys
import threading

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from attrs import field, frozen

from consentkit import Kit, Refusal
from consentkit.collectors.clipboard import FileClipboard
from consentkit.collectors.location import Fix
from consentkit.collectors.source import Source
from consentkit.outbox.records import Record
from consentkit.testing import Sentinels, anatomy, logged
from consentkit.transports.base import Transport
from consentkit.transports.file import FileTransport
from consentkit.transports.https import HTTPSTransport
from tests.faults.support import Backend, Ticked, open_kit
from tests.transports.servers import RawServer, make_certificates


MAC = "3C:5A:B4:01:23:45"
IMEI = "490154203237518"
SYSTEM_ID = "6f1d3c58b0a94e7786d2f0a1c3e5b7d9"
LATITUDE, LONGITUDE = 48.8583701, 12.2944813
CODE = "kankan-share:Q7mB2xTf9LkD"
CLIPBOARD = "my secret shopping list"
PHONE = "13905550148"
EMAIL = "ann.example@privat.example"

#: What may leave in the clear, for the twin that shows that the scan sees.
MARKER = "marker-5F2A-nightshade"

RAW = Sentinels(
    [MAC, IMEI, SYSTEM_ID, LATITUDE, LONGITUDE, CLIPBOARD, PHONE, EMAIL]
)
MARKED = Sentinels([MARKER])

GRANTS = ("stats", "finder", "finder/location_precise", "paste", "logs")


class Plant(Source[Any]):
    """
    A source that gives a planted value.
    """

    touches = "nothing"

    def __init__(self, data_type: str, value: object) -> None:
        self.name = f"plant of {data_type}"
        self.data_types = frozenset({data_type})
        self._value = value

    def _read(self, permit, **_):
        return self._value


PLANTS = {
    "mac_address": MAC,
    "imei": IMEI,
    "system_id": SYSTEM_ID,
    "network_status": MARKER,
    "location_precise": Fix(latitude=LATITUDE, longitude=LONGITUDE),
}


class Wire:
    """
    What a transport has written, and how to make the transport.
    """

    def __init__(
        self, transport: Transport, content: Callable[[], list[bytes]]
    ) -> None:
        self.transport = transport
        self._content = content

    def found(self, planted: Sentinels) -> list[str]:
        """
        Say what of *planted* has left.
        """
        return [
            hit for one in self._content() for hit in planted.found_in(one)
        ]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Give a folder with a CA and a certificate for this machine.
    """
    folder: Path = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


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
        yield Wire(FileTransport(folder.as_uri()), below)
    elif request.param == "receiver":
        backend = Backend(folder / "store.db")
        yield Wire(backend, below)
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
        )
        transport.close()
        server.close()


@frozen
class Run:
    """
    What came of a run of the app.

    Attributes:
        answers: What the app got back: texts only.

        escaped: Classes of the errors that the app met.

        said: All that could be sent of these, and of uncaught ones.
    """

    answers: list[object] = field(factory=list)
    escaped: list[str] = field(factory=list)
    said: list[str] = field(factory=list)

    def do(self, work: Callable[[], object]) -> Any:
        """
        Call *work* as an app with an error reporter does.
        """
        try:
            answer = work()
        except Exception as error:
            self.escaped.append(type(error).__name__)
            self.said.append(anatomy(error))
            return None
        self.answers.append(answer)
        self.said.extend([repr(answer), str(answer)])
        return answer


def _device(kit: Kit) -> object:
    with kit.use("stats") as use:
        device = use.device("mac_address", "imei", "system_id")
        return device if isinstance(device, Refusal) else use.capture(device)


def _marked(kit: Kit) -> object:
    with kit.use("stats") as use:
        return use.capture(use.device("network_status"))


def _event(kit: Kit) -> object:
    with kit.use("stats") as use:
        return use.capture(Ticked(1, f"call {PHONE} or {EMAIL}"))


def _place(kit: Kit) -> object:
    with kit.use("finder") as use:
        place = use.location()
        return use.capture(place) if place else place


def _share(kit: Kit) -> object:
    with kit.use("paste") as use:
        share = use.clipboard("receive_share")
        return use.capture(share) if share else share


def _lines(kit: Kit) -> object:
    handler = kit.log_handler("logs")
    logger = logging.getLogger("tests.sentinels.app")
    logger.propagate = False  # the app's own log may say what it likes
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        logger.info("welcome back, %s at %s", EMAIL, PHONE)
        try:
            raise ValueError(PHONE)
        except ValueError:
            logger.exception("no answer from %s", MAC)
    finally:
        logger.removeHandler(handler)
    return handler


STEPS = (_device, _marked, _event, _place, _share, _lines)


def _app(kit: Kit) -> Run:
    """
    Read, capture, send, withdraw and ask, whatever fails.
    """
    run = Run()
    for step in STEPS:
        run.do(partial(step, kit))
    run.do(kit.flush)
    run.do(kit.status)
    run.do(lambda: kit.store.inspect())
    run.do(lambda: kit.consent.withdraw("finder"))
    run.do(kit.flush)
    run.do(lambda: str(kit.why("stats", "imei")))
    return run


@contextmanager
def uncaught(run: list[str]) -> Iterator[None]:
    """
    Note what would go to the hooks of threads and of finalisers.
    """
    hooks = threading.excepthook, sys.unraisablehook

    def note(args: Any) -> None:
        if args.exc_value is not None:
            run.append(anatomy(args.exc_value))

    threading.excepthook = sys.unraisablehook = note
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = hooks


@pytest.fixture
def kit(tmp_path: Path, wire: Wire) -> Kit:
    """
    Give a kit in which everything is planted and granted.
    """
    folder = tmp_path / "clipboard"
    folder.mkdir()
    (folder / "text").write_text(f"{CLIPBOARD}, {CODE}")
    clipboard = FileClipboard(folder / "text", deadline_seconds=20.0)
    plants = [Plant(data_type, value) for data_type, value in PLANTS.items()]
    return open_kit(
        tmp_path / "data",
        *GRANTS,
        sources=[*plants, clipboard],
        transport=wire.transport,
    )


def _scan(kit: Kit, wire: Wire, run: Run, log: list[str]) -> dict[str, Any]:
    """
    Look everywhere; give the places with what was found there.
    """
    found = {"disk, open": RAW.found_below(kit.data_dir)}
    kit.close()
    found["disk, closed"] = RAW.found_below(kit.data_dir)
    found["wire"] = wire.found(RAW)
    found["log"] = RAW.found_in("\n".join(log))
    found["errors"] = RAW.found_in("\n".join(run.said))
    return {place: hits for place, hits in found.items() if hits}


class TestScan:
    """
    Nothing fails.
    """

    @pytest.mark.obligation("WP-HASH-1", "WP-SENS-3", "WP-ENC-1")
    def test_nothing_raw_is_anywhere(self, kit, wire, capfd):
        """
        All is captured and delivered, and no raw value is on disk, on the
        wire, in a log, in an object's text or on the terminal.
        """
        hidden: list[str] = []
        with logged() as log, uncaught(hidden):
            run = _app(kit)

        assert run.escaped == []
        assert kit.status().waiting == 0
        assert wire.found(Sentinels([CODE]))
        assert _scan(kit, wire, run, log) == {}
        assert RAW.found_in("".join([*hidden, *capfd.readouterr()])) == []

    def test_the_scan_sees(self, kit, wire):
        """
        The twin: what leaves in the clear by the policy is found on this
        very wire, and where an app puts it.
        """
        with logged() as log:
            run = _app(kit)
            logging.getLogger("an-app").debug("state %s", MARKER)
            run.do(lambda: int(MARKER))

        assert wire.found(MARKED)
        assert MARKED.found_in("\n".join(log))
        assert MARKED.found_in("\n".join(run.said))
        (kit.data_dir / "leak").write_text(MARKER)
        assert MARKED.found_below(kit.data_dir)

    def test_what_waits_is_sealed(self, kit):
        """
        Before it is sent, not even the marker is on the disk.
        """
        for step in STEPS:
            step(kit)

        assert kit.status().waiting > 0
        assert MARKED.found_below(kit.data_dir) == []
        assert Sentinels([CODE]).found_below(kit.data_dir) == []


class Fault:
    """
    Something that raises what it was given, when a room of ours calls it.

    Args:
        error: What it raises.

        rooms: Beginnings of the names of modules that meet it.
    """

    def __init__(self, error: type[Exception], *rooms: str) -> None:
        self._error = error
        self._rooms = rooms
        self.met = 0

    def instead_of(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """
        Give *real*, but for those rooms.
        """

        def failing(*args: Any, **options: Any) -> Any:
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if not caller.startswith(self._rooms):
                return real(*args, **options)
            self.met += 1
            told = f"{args!r} {options!r} {caller}"
            raise self._error(told)

        return failing


#: What fails: where it is called from, and its names.
PARTS: dict[str, tuple[tuple[str, ...], tuple[tuple[Any, str], ...]]] = {
    "hash": (
        ("consentkit.anonymise",),
        ((hashlib, "md5"), (hmac, "digest")),
    ),
    "serialiser of the outbox": (
        ("consentkit.outbox",),
        ((json, "dumps"),),
    ),
    "serialiser of the wire": (
        ("consentkit.transports",),
        ((json, "dumps"),),
    ),
    "record": (
        ("consentkit.outbox", "consentkit.transports"),
        ((Record, "as_json"),),
    ),
    "file of the transport": (
        ("consentkit.transports",),
        ((os, "fsync"), (os, "open")),
    ),
    "line of the transport": (
        ("httpcore", "httpx", "httpx2", "consentkit.transports"),
        ((socket, "create_connection"),),
    ),
}

#: Parts that only one way out has.
ONLY_ON = {
    "file of the transport": "file",
    "line of the transport": "https",
    "serialiser of the wire": "file",
}

ERRORS = (ValueError, KeyError, RuntimeError, OSError, RecursionError)


def _break(
    monkeypatch: pytest.MonkeyPatch, part: str, error: type[Exception]
) -> Fault:
    rooms, names = PARTS[part]
    fault = Fault(error, *rooms)
    for owner, name in names:
        monkeypatch.setattr(
            owner, name, fault.instead_of(getattr(owner, name))
        )
    return fault


CASES = [
    pytest.param(way, part, error, id=f"{part}-{error.__name__}-{way}")
    for part in PARTS
    for error in ERRORS
    for way in [ONLY_ON.get(part, "file")]
]


@pytest.mark.parametrize(("wire", "part", "error"), CASES, indirect=["wire"])
class TestFaults:
    """
    Each part fails in turn, and tells in its error what it was given.
    """

    @pytest.mark.obligation("WP-HASH-1")
    def test_nothing_raw_is_anywhere(
        self, kit, wire, monkeypatch, capfd, part, error
    ):
        """
        No raw value is on disk, on the wire, in a log, an error or its
        frames; and the app meets no error of ours.
        """
        fault = _break(monkeypatch, part, error)
        hidden: list[str] = []
        with logged() as log, uncaught(hidden):
            run = _app(kit)
        monkeypatch.undo()

        assert fault.met > 0, "the part was never asked"
        assert _scan(kit, wire, run, log) == {}
        assert RAW.found_in("".join([*hidden, *capfd.readouterr()])) == []
        assert run.escaped == []
