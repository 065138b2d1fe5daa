# SPDX-License-Identifier: MIT

"""
Sources that lie, are slow, hang or crash, and what a refusal reads.

`test_conformance.py` runs the public suite against bad daemons and files.
Here the whole kit is asked, as by an app.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import threading
import time

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from attrs import frozen

import consentkit

from consentkit import Refusal, Source, Unavailable
from consentkit.collectors.gpsd import GpsdSource
from consentkit.collectors.location import (
    CallableLocation,
    Fix,
    TrackSource,
)
from consentkit.collectors.nmea import NMEAParser, checksum
from consentkit.exceptions import MissingExtraError
from consentkit.gate import Permit
from consentkit.testing import Sentinels, anatomy, logged, permit_for
from consentkit.testing.permits import FUNCTION, Protect, kit_for
from tests.faults.support import run


SECRET = "wolfsbane-4711"
LATITUDE, LONGITUDE = 48.8583701, 12.2944813
PLANTED = Sentinels([SECRET, LATITUDE, LONGITUDE])


class Liar(Source[Any]):
    """
    A source that gives whatever it was told to, or raises it.
    """

    id = "liar"
    name = "a source that lies"
    touches = "nothing"

    def __init__(self, data_type: str, value: object) -> None:
        self.data_types = frozenset({data_type})
        self._value = value

    def _read(self, permit, **_):
        if isinstance(self._value, BaseException):
            raise self._value
        return self._value


@frozen
class Place:
    """
    What looks like a place and checks nothing.
    """

    latitude: Any
    longitude: Any
    crs: Any = "wgs84"


class Trap:
    """
    A value that fails with a secret whatever is asked of it.
    """

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(SECRET)

    def __str__(self) -> str:
        raise RuntimeError(SECRET)

    __repr__ = __float__ = __bool__ = __len__ = __str__  # type: ignore[assignment]


def _deep() -> object:
    value: object = SECRET
    for _ in range(5_000):
        value = [value]
    return value


TWO_FACTS = """
schema = 1

[policy]
id = "facts"
title = "A policy of two facts"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "maker"
name = "Maker Ltd."
contact = "privacy@maker.example"

[[functions]]
id = "facts"
name = "Facts"
category = "additional"
text = "We look at two facts."
basis = ["consent"]
on_refusal = "function_unavailable"
purposes = ["customer_support"]
retention = "P7D"

[[functions.collects]]
type = "memory_total"
protect = "bucket"

[[functions.collects]]
type = "os_version"
protect = "none"
"""

#: What is no place, whoever says so.
NO_PLACES = {
    "not a number": Place(math.nan, LONGITUDE),
    "endless": Place(LATITUDE, math.inf),
    "999 degrees": Place(999.0, LONGITUDE),
    "-999 degrees": Place(LATITUDE, -999.0),
    "texts": Place(str(LATITUDE), str(LONGITUDE)),
    "nothing in it": Place(None, None),
    "another system": Place(LATITUDE, LONGITUDE, crs="mars"),
    "a system that is none": Place(LATITUDE, LONGITUDE, crs=SECRET),
    "a text": f"{SECRET} {LATITUDE} {LONGITUDE}",
    "a pair": (LATITUDE, LONGITUDE),
    "a mapping": {"latitude": LATITUDE, "longitude": LONGITUDE},
    "a number": LATITUDE,
    "bytes": SECRET.encode(),
    "a class": Fix,
    "a trap": Trap(),
    "deep": _deep(),
}

NO_IDENTIFIERS = {
    "a flag": True,
    "bytes": b"490154203237518",
    "a list of bytes": [b"490154203237518", None],
    "a mapping": {"imei": "490154203237518"},
    "a fraction": 490154203237518.5,
    "endless digits": 10**400,
    "a trap": Trap(),
    "deep": _deep(),
    "1.5 MB": "490154203237518" * 100_000,
    "zeros": "00000000000000",
    "half pairs": "\ud83d" * 15,
}

CRASHES = {
    kind.__name__: kind(SECRET)
    for kind in (
        ValueError,
        KeyError,
        OSError,
        MemoryError,
        RecursionError,
        StopIteration,
        AssertionError,
        UnicodeError,
    )
}


def ask(
    data_type: str, value: object, protect: Protect | None = None
) -> tuple[Any, str]:
    """
    Ask a kit for a type that a liar gives; give the answer, and all that
    was said: texts, logs, errors.
    """
    source = Liar(data_type, value)
    with (
        kit_for(data_type, protect=protect, sources=[source]) as kit,
        kit.use(FUNCTION) as use,
        logged() as log,
    ):
        if data_type.startswith("location"):
            answer: Any = use.location(data_type)
        else:
            answer = use.device(data_type)
        said = [*log, repr(answer), str(answer), repr(source)]
        assert source.reads == 1
    return answer, "\n".join(said)


class TestLies:
    """
    Sources that give what is not so.
    """

    @pytest.mark.parametrize(
        "protect",
        [{"name": "grid", "cell_km": 2.0}, "local_only"],
        ids=["grid", "as it is"],
    )
    @pytest.mark.parametrize("value", NO_PLACES.values(), ids=NO_PLACES)
    def test_no_place(self, value, protect):
        """
        What is no place on the earth is unavailable, and not told.
        """
        answer, said = ask("location_precise", value, protect)

        assert isinstance(answer, Unavailable)
        assert PLANTED.found_in(said) == []

    @pytest.mark.parametrize(
        "value", NO_IDENTIFIERS.values(), ids=NO_IDENTIFIERS
    )
    def test_no_identifier(self, value):
        """
        What is no identifier is unavailable, and not told.
        """
        answer, said = ask("imei", value, "keyed")

        assert [one.data_type for one in answer.unavailable] == ["imei"]
        assert answer.values == ()
        planted = Sentinels([SECRET, "490154203237518"])
        assert planted.found_in(said) == []

    @pytest.mark.parametrize(
        "value",
        [math.nan, math.inf, "many", b"12", {"n": 1}, Trap()],
        ids=["nan", "inf", "text", "bytes", "mapping", "trap"],
    )
    def test_no_number(self, value):
        """
        What is no number gets into no range.
        """
        answer, said = ask("memory_total", value, "bucket")

        assert answer.values == ()
        assert PLANTED.found_in(said) == []

    @pytest.mark.parametrize("error", CRASHES.values(), ids=CRASHES)
    def test_crash(self, error):
        """
        A source that crashes is told of by the class of its error.
        """
        answer, said = ask("location_precise", error, "local_only")

        assert isinstance(answer, Unavailable)
        assert type(error).__name__ in answer.reason
        assert PLANTED.found_in(said) == []

    def test_crash_is_not_kept(self):
        """
        The error that the source raised hangs on nothing afterwards.
        """
        error = ValueError(SECRET)
        ask("location_precise", error, "local_only")
        frames = anatomy(error)

        assert "in _read" in frames, "it was raised there"
        assert error.__context__ is None

    @pytest.mark.parametrize(
        "error",
        [SystemExit(SECRET), KeyboardInterrupt(SECRET), GeneratorExit(SECRET)],
        ids=["exit", "interrupt", "generator"],
    )
    def test_leaves(self, error):
        """
        A source that would end the app does not.
        """
        answer, said = ask("location_precise", error, "local_only")

        assert isinstance(answer, Unavailable)
        assert type(error).__name__ in answer.reason
        assert PLANTED.found_in(said) == []

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
    def test_the_host_leaves(self, kind):
        """
        What the person or the system ends while a source is read ends: a
        signal's own exception goes through.
        """
        over = threading.Event()
        source = CallableLocation(
            lambda: (over.wait(60), None)[1],
            crs="wgs84",
            timeout_seconds=60,
        )

        def leave(*_: object) -> None:
            raise kind

        before = signal.signal(signal.SIGALRM, leave)
        try:
            with permit_for("location_precise") as permit:
                signal.setitimer(signal.ITIMER_REAL, 0.3)
                with pytest.raises(kind):
                    source.read(permit)
        finally:
            signal.signal(signal.SIGALRM, before)
            over.set()

    def test_missing_extra_of_one(self, tmp_path):
        """
        Asked by a kit, a missing library is the reason why one value is
        unavailable, and names the extra; the others are read.
        """
        error = MissingExtraError(extra="device", package="psutil")
        sources = [Liar("memory_total", error), Liar("os_version", "12")]
        policy = tmp_path / "policy.toml"
        policy.write_text(TWO_FACTS)
        with consentkit.open(
            policy, data_dir=tmp_path / "data", sources=sources
        ) as kit:
            kit.consent.grant("facts", method="test")
            with kit.use("facts") as use:
                device = use.device()

        assert device["os_version"] == "12"
        (missing,) = device.unavailable
        assert str(missing) == (
            "memory_total: unavailable, psutil is not installed; install it "
            "with: pip install 'consentkit[device]'"
        )

    @pytest.mark.parametrize("data_type", ["location_precise", "oaid"])
    def test_missing_extra_of_all(self, data_type):
        """
        So it is where nothing else was asked for.
        """
        error = MissingExtraError(extra="qt", package="PySide6")
        answer, _ = ask(data_type, error)
        if data_type == "oaid":
            (answer,) = answer.unavailable

        assert isinstance(answer, Unavailable)
        assert "consentkit[qt]" in answer.reason

    def test_missing_extra(self):
        """
        Read without a kit, only that a library is missing is raised, as the
        developer has to know.
        """
        error = MissingExtraError(extra="device", package="psutil")
        source = Liar("os_name", error)
        with permit_for("os_name") as permit, pytest.raises(MissingExtraError):
            source.read(permit)


class TestSlow:
    """
    Sources that take their time.
    """

    @pytest.fixture
    def over(self) -> Iterator[threading.Event]:
        """
        Give what ends everything that still hangs.
        """
        event = threading.Event()
        yield event
        event.set()

    def test_own_source(self, tmp_path):
        """
        A source of somebody who did not think of it does not hang either.
        """
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)

        class Logger(Source[str]):
            id = "logger"
            name = "a logger"
            data_types = frozenset({"smart_device_uid"})
            timeout_seconds = 0.2

            def _read(self, permit: Permit, **_: Any) -> str:
                return pipe.read_text()

        with permit_for("smart_device_uid") as permit:
            answer = Logger().read(permit)
        # Let its thread go.
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))

        assert answer == Unavailable(
            "smart_device_uid", "a logger did not answer within the deadline"
        )
        assert Source.timeout_seconds == 5.0

    def test_hanging_callable_is_called_once(self, over):
        """
        A callable that hangs is left alone: it is not called again before
        it has ended, and then it is.
        """
        calls = []

        def call() -> tuple[float, float]:
            calls.append(1)
            over.wait(60)
            return LATITUDE, LONGITUDE

        source = CallableLocation(call, crs="wgs84", timeout_seconds=0.1)
        with permit_for("location_precise") as permit:
            for _ in range(5):
                answer = source.read(permit)
                assert "deadline" in answer.reason
            assert len(calls) == 1
            over.set()
            end = time.monotonic() + 30
            while not isinstance(source.read(permit), Fix):
                assert time.monotonic() < end

        assert len(calls) == 2

    def test_late_place_is_dropped(self, over):
        """
        What a late callable gives in the end is given to nobody.
        """
        gone = [over.wait, lambda _: None]
        places = [(LATITUDE, LONGITUDE), (1.0, 2.0)]

        def call() -> tuple[float, float]:
            place, wait = places.pop(0), gone.pop(0)
            wait(60)
            return place

        source = CallableLocation(call, crs="wgs84", timeout_seconds=0.2)
        with permit_for("location_precise") as permit:
            assert isinstance(source.read(permit), Unavailable)
            over.set()
            end = time.monotonic() + 30
            answer = source.read(permit)
            while not isinstance(answer, Fix):
                assert time.monotonic() < end
                answer = source.read(permit)

        assert answer.latitude == 1.0

    def test_exit_waits_for_nobody(self):
        """
        A process ends while its callable hangs.
        """
        start = time.monotonic()
        done = run(
            """
            import threading
            from consentkit.collectors.location import CallableLocation
            from consentkit.testing import permit_for

            source = CallableLocation(
                threading.Event().wait, crs="wgs84", timeout_seconds=0.1
            )
            with permit_for("location_precise") as permit:
                print(source.read(permit))
            """
        )

        assert "did not answer" in done.stdout
        assert done.stderr == ""
        assert time.monotonic() - start < 45

    def test_no_thread(self):
        """
        Where the system gives no thread, as when it has given too many, the
        value is unavailable and a permission unknown; later they are there.
        """
        done = run(
            """
            import threading
            from consentkit import OSPermission
            from consentkit.collectors.device import DeviceSource
            from consentkit.collectors.permissions import PermissionBook
            from consentkit.testing import permit_for

            source = DeviceSource("a desk", {"os_name": lambda: "Plan 9"})
            book = PermissionBook(own={"desk": lambda: OSPermission.GRANTED})
            with permit_for("os_name") as permit:
                # No machine has an address space for such a stack.
                threading.stack_size(2**60)
                print(source.read(permit))
                print(book.ask("desk").value.value)
                threading.stack_size(0)
                print(source.read(permit))
                print(book.ask("desk").value.value)
            """
        )

        assert done.stdout.splitlines() == [
            "os_name: unavailable, the source failed (RuntimeError)",
            "unknown",
            "Plan 9",
            "granted",
        ]

    def test_two_threads(self):
        """
        Two threads that read at once are answered both, one by one.
        """
        inside, most = [], []

        def call() -> tuple[float, float]:
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()
            return 1.0, 2.0

        source = CallableLocation(call, crs="wgs84", timeout_seconds=30.0)
        answers: list[object] = []

        def read() -> None:
            with permit_for("location_precise") as permit:
                answers.append(source.read(permit))

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert all(isinstance(answer, Fix) for answer in answers)
        assert max(most) == 1

    def test_name_that_is_looked_up_for_ever(self, over, monkeypatch):
        """
        A resolver that hangs does not keep a read beyond its deadline.
        """
        real = socket.getaddrinfo

        def hang(host: str, *args: Any, **options: Any) -> Any:
            if host == "gpsd.invalid" and not options.get("flags"):
                over.wait(60)
            return real(host, *args, **options)

        monkeypatch.setattr(socket, "getaddrinfo", hang)
        source = GpsdSource("gpsd.invalid", timeout_seconds=0.2)
        start = time.monotonic()
        with permit_for("location_precise") as permit:
            answer = source.read(permit)

        assert "does not answer on gpsd.invalid" in answer.reason
        assert time.monotonic() - start < 20

    def test_endless_track(self, tmp_path):
        """
        A recording of nothing but noise is looked at for the deadline, and
        gone on with at the next read.
        """
        file = tmp_path / "track"
        with file.open("wb") as writer:
            writer.write(b"$GPGGA,noise\n")
            writer.truncate(2**40)  # zeros that take no room
        source = TrackSource(file, timeout_seconds=0.1)
        start = time.monotonic()
        with permit_for("location_precise") as permit:
            answers = [source.read(permit) for _ in range(2)]

        assert {one.reason for one in answers} == {
            "the recorded track track: no position was found in time"
        }
        assert time.monotonic() - start < 20


def sentence(body: str, *, right: bool = True) -> bytes:
    """
    Write a sentence, with the right checksum or with another.
    """
    value = checksum(body.encode()) ^ (0 if right else 0x2A)
    return f"${body}*{value:02X}\r\n".encode()


class TestCounts:
    """
    What is dropped is counted.
    """

    @pytest.mark.parametrize("bad", [0, 1, 250])
    def test_checksums(self, tmp_path, bad):
        """
        A sentence with a bad checksum gives no fix, spoils none, and is
        counted.
        """
        file = tmp_path / "track.nmea"
        file.write_bytes(
            b"".join(
                sentence(f"GPGGA,1200{n % 60:02d},0100,N,00200,E,1,08,0.9")
                + sentence("GPGGA,120000,4851,N,01217,E,1", right=False) * bad
                for n in range(3)
            )
        )
        source = TrackSource(file)
        with permit_for("location_precise") as permit:
            found = [source.read(permit) for _ in range(4)]

        assert [type(one) for one in found] == [Fix] * 3 + [Unavailable]
        assert {one.latitude for one in found[:3]} == {1.0}
        assert source.dropped == 3 * bad

    def test_first_fault_is_kept(self):
        """
        Of many faults, the first is told by its line, without its text.
        """
        parser = NMEAParser()
        parser.feed(sentence("GPGSV,1") + b"$GPGGA,wolfsbane-4711\n" * 3)

        assert parser.dropped == 3
        assert str(parser.passed_over).startswith("line 2: ")
        assert SECRET not in str(parser.passed_over)

    def test_lines_of_gpsd(self):
        """
        Lines that are no report are counted, also the longest.
        """
        report = {"class": "TPV", "mode": 2, "lat": 1.0, "lon": 2.0}
        noise = b"garbage\n\xff\xfe\n[]\n" + b"x" * 1_000_000 + b"\n"
        with socket.create_server(("127.0.0.1", 0)) as server:

            def serve() -> None:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.sendall(noise)
                    connection.sendall(json.dumps(report).encode() + b"\n")
                    connection.recv(1)
                    connection.recv(1000)

            thread = threading.Thread(target=serve)
            thread.start()
            port = server.getsockname()[1]
            source = GpsdSource(port=port, timeout_seconds=30.0)
            with permit_for("location_precise") as permit:
                answer = source.read(permit)
            thread.join(30)

        assert answer == Fix(latitude=1.0, longitude=2.0)
        assert source.dropped == 4


class TestCallableLocation:
    """
    What the app's own function may give, and may not.
    """

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ((1, 2), Fix(latitude=1, longitude=2, crs="gcj02")),
            ([1.5, -2.5], Fix(latitude=1.5, longitude=-2.5, crs="gcj02")),
            (
                Fix(latitude=1.0, longitude=2.0, accuracy_m=3.0),
                Fix(latitude=1.0, longitude=2.0, accuracy_m=3.0),
            ),
        ],
    )
    def test_places(self, given, expected):
        """
        A pair is in the declared system; a fix says its own.
        """
        source = CallableLocation(lambda: given, crs="gcj02")
        with permit_for("location_precise") as permit:
            assert source.read(permit) == expected

    def test_time_and_accuracy(self):
        """
        What a fix says of time and accuracy comes through.
        """
        fix = Fix(
            latitude=1.0,
            longitude=2.0,
            accuracy_m=12.0,
            time=datetime.now(UTC),
        )
        source = CallableLocation(lambda: fix, crs="wgs84")
        with permit_for("location_coarse") as permit:
            assert source.read(permit) is fix

    def test_no_place(self):
        """
        Nothing is made up where the function has none.
        """
        source = CallableLocation(lambda: None, crs="wgs84", name="the map")
        with permit_for("location_precise") as permit:
            assert source.read(permit) == Unavailable(
                "location_precise", "the map has no place now"
            )

    @pytest.mark.parametrize(
        "given", [(True, 2.0), (1.0, 2.0, 3.0), (1.0,), {1.0, 2.0}, "12", b""]
    )
    def test_something_else(self, given):
        """
        What is neither a fix nor a pair of numbers is no place.
        """
        source = CallableLocation(lambda: given, crs="wgs84")
        with permit_for("location_precise") as permit:
            assert "gave no place" in source.read(permit).reason

    def test_is_not_called_before_a_read(self):
        """
        Making it, naming it and a refusal call nothing.
        """
        calls: list[int] = []
        source = CallableLocation(lambda: calls.append(1), crs="wgs84")  # type: ignore[func-returns-value,arg-type]
        with (
            kit_for(
                "location_precise", granted=False, sources=[source]
            ) as kit,
            kit.use(FUNCTION) as use,
        ):
            assert isinstance(use.location(), Refusal)

        assert calls == []
        assert source.reads == 0

    def test_says_what_the_app_says(self):
        """
        Name, touches and visible are the app's words.
        """
        source = CallableLocation(
            lambda: None,
            crs="wgs84",
            name="the car",
            touches="the car's bus",
            visible="a lamp",
        )

        assert (source.name, source.touches, source.visible) == (
            "the car",
            "the car's bus",
            "a lamp",
        )

    @pytest.mark.parametrize("crs", ["", "WGS84", "osgb"])
    def test_system(self, crs):
        """
        The coordinate system is declared, and one that there is.
        """
        with pytest.raises(ValueError, match="crs must be one of"):
            CallableLocation(lambda: None, crs=crs)

    @pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan])
    def test_deadline(self, seconds):
        """
        A read without a deadline cannot be set up.
        """
        with pytest.raises(ValueError, match="timeout_seconds"):
            CallableLocation(
                lambda: None, crs="wgs84", timeout_seconds=seconds
            )

    def test_coroutine_function(self):
        """
        A coroutine function is refused at once.
        """

        async def call() -> None:
            pass

        with pytest.raises(TypeError, match="plain function"):
            CallableLocation(call, crs="wgs84")  # type: ignore[arg-type]


# What a refusal reads, counted by the interpreter of a fresh process.
WATCHED = r"""
import json, os, sys, threading

seen = []
watching = False

def watch(event, args):
    if watching and (
        event in ("open", "os.listdir", "os.scandir")
        or event.startswith(("socket.", "subprocess.", "os.posix_spawn",
                             "os.fork", "ctypes.dlopen", "_thread."))
    ):
        seen.append(f"{event} {args[0] if args else ''}")

sys.addaudithook(watch)

import consentkit
from consentkit.collectors.clipboard import FileClipboard
from consentkit.collectors.gpsd import GpsdSource
from consentkit.collectors.location import CallableLocation, TrackSource
from consentkit.testing.permits import FUNCTION, kit_for

kind, path, port, grant = sys.argv[1:]
called = []

def call():
    called.append(1)
    open(path).close()
    return 1.0, 2.0

SOURCES = {
    "track": ("location_precise", lambda: TrackSource(path)),
    "callable": (
        "location_precise", lambda: CallableLocation(call, crs="wgs84")
    ),
    "gpsd": (
        "location_precise",
        lambda: GpsdSource(port=int(port), timeout_seconds=1.0),
    ),
    "clipboard": ("clipboard_share_code", lambda: FileClipboard(path)),
}
data_type, make = SOURCES[kind]
source = make()
with kit_for(data_type, granted=grant == "yes", sources=[source]) as kit:
    with kit.use(FUNCTION) as use:
        use.permit(data_type)  # the ledger is looked at, modules are loaded
        watching = True
        if data_type.startswith("location"):
            answer = use.location()
        else:
            answer = use.clipboard("testing")
        watching = False
# Modules and the kit's own files are no news.
ours = (kit.data_dir.as_posix(), os.path.dirname(consentkit.__file__),
        sys.prefix, sys.base_prefix, sys.exec_prefix)
beside = [one for one in seen if not one.partition(" ")[2].startswith(ours)
          or one.startswith("subprocess.")]
print(json.dumps({
    "beside": beside, "reads": source.reads, "called": len(called),
    "refused": isinstance(answer, consentkit.Refusal),
    "threads": threading.active_count(),
}))
"""

TOUCHES = {
    "callable": "open",
    "clipboard": "subprocess.Popen",
    "gpsd": "socket.connect",
    "track": "open",
}


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("kind", TOUCHES)
class TestRefusedRead:
    """
    A refusal is given before anything is touched.
    """

    @pytest.fixture
    def watched(self, kind: str, tmp_path: Path) -> Any:
        """
        Give what asks a kit for the type of *kind* in a fresh process.
        """
        path = tmp_path / "there"
        path.write_text("<gpx><trkpt lat='1' lon='2'/></gpx>")
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            yield lambda grant: json.loads(
                run(WATCHED, kind, path, port, grant).stdout
            )

    @pytest.mark.obligation("WP-CONS-1", "WP-ADD-2")
    def test_nothing_is_read(self, watched):
        """
        Without a yes no file is opened, nothing is connected to, called or
        started, and the source counts no read.
        """
        report = watched("no")

        assert report == {
            "beside": [],
            "called": 0,
            "reads": 0,
            "refused": True,
            "threads": 1,
        }

    def test_a_yes_reads(self, watched, kind):
        """
        The twin: with a yes, the very same call touches what it is to.
        """
        report = watched("yes")

        kinds = {one.partition(" ")[0] for one in report["beside"]}
        assert TOUCHES[kind] in kinds
        assert (report["refused"], report["reads"]) == (False, 1)
