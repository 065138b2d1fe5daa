# SPDX-License-Identifier: MIT

"""
Fixes: from a real gpsd, from recorded tracks, and from broken ones.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.collectors.gpsd import GpsdSource
from consentkit.collectors.gpx import GPXParser
from consentkit.collectors.location import Fix, TrackError, TrackSource
from consentkit.collectors.nmea import NMEAParser, checksum
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import ForgedPermitError
from consentkit.policy.model import Protection, ProtectionName


VECTORS = Path(__file__).parent.parent / "vectors" / "nmea"

#: Where all the made-up points are; no text of ours may hold these digits.
PLACE = (48.1173, 11.516667)
DIGITS = ("48.1173", "4807", "11.516", "01131")


@pytest.fixture
def permit(make_permit):
    """
    Give a permit for the precise place.
    """
    return make_permit("location_precise")


def reason_of(answer: object) -> str:
    """
    Give the reason of an answer without a value.
    """
    assert isinstance(answer, Unavailable), "a value was given"
    return answer.reason


def fix_of(answer: object) -> Fix:
    """
    Give the fix that an answer is.
    """
    assert isinstance(answer, Fix), answer
    return answer


def sentence(body: str) -> bytes:
    """
    Write one sentence as a receiver does.
    """
    return f"${body}*{checksum(body.encode()):02X}\r\n".encode()


def places(source, permit):
    """
    Read *source* to its end; give the places and the last answer.
    """
    found = []
    while isinstance(answer := source.read(permit), Fix):
        found.append((answer.latitude, answer.longitude))
    return found, answer


class TestFix:
    """
    The value that all sources give.
    """

    def test_repr_hides_the_place(self):
        """
        Where and when are in neither the repr nor the text of a fix.
        """
        fix = Fix(
            latitude=PLACE[0],
            longitude=PLACE[1],
            accuracy_m=5.0,
            time=datetime(2026, 3, 4, tzinfo=UTC),
        )

        assert repr(fix) == str(fix) == "Fix(accuracy_m=5.0, crs='wgs84')"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("latitude", 90.0625),
            ("latitude", float("nan")),
            ("longitude", -180.0625),
            ("longitude", float("inf")),
            ("accuracy_m", -1.0625),
            ("accuracy_m", float("nan")),
            ("time", datetime(2026, 3, 4, 5, 6)),
            ("crs", "osgb0625"),
        ],
    )
    def test_out_of_range(self, field, value):
        """
        A value out of its range is refused by its name, and not shown.
        """
        with pytest.raises(ValueError, match=field) as caught:
            Fix(**{"latitude": 1.0, "longitude": 2.0, field: value})
        assert "0625" not in str(caught.value)


class TestNMEA:
    """
    Sentences, whole and broken.
    """

    def test_vector(self):
        """
        Every fix agrees with what gpsd makes of the same sentences.
        """
        parser = NMEAParser()
        data = (VECTORS / "quay.nmea").read_bytes()
        fixes = parser.feed(data) + parser.finish()
        expected = json.loads((VECTORS / "quay.json").read_text())

        for fix, (when, *place) in zip(fixes, expected, strict=True):
            assert fix.time == datetime.fromisoformat(when)
            found = [fix.latitude, fix.longitude]
            assert found == pytest.approx(place, abs=2e-9)

    @given(st.lists(st.integers(1, 200), max_size=30))
    def test_pieces(self, sizes):
        """
        How the stream is cut into pieces changes nothing.
        """
        data = (VECTORS / "quay.nmea").read_bytes()
        whole, cut = NMEAParser(), NMEAParser()
        expected = whole.feed(data) + whole.finish()
        found = []
        for size in sizes:
            found += cut.feed(data[:size])
            data = data[size:]
        found += cut.feed(data) + cut.finish()

        assert found == expected

    @given(st.binary(max_size=600))
    def test_noise(self, data):
        """
        Noise gives no fix, and is passed over without an error.
        """
        parser = NMEAParser()

        assert parser.feed(data) + parser.finish() == []

    @pytest.mark.parametrize(
        "body",
        [
            "GPRMC,120000,V,4807.0380,N,01131.0000,E,0,0,010624,,,A",
            "GPRMC,120000,A,4807.0380,N,01131.0000,E,0,0,010624,,,N",
            "GPGGA,120000,4807.0380,N,01131.0000,E,0,00,,,M,,M,,",
            "GPGLL,4807.0380,N,01131.0000,E,120000,V,A",
            "GPGLL,4807.0380,N,01131.0000,E",
        ],
    )
    def test_invalid(self, body):
        """
        A position that the receiver calls invalid is none.
        """
        parser = NMEAParser()

        assert parser.feed(sentence(body)) == []
        assert "no fix" in str(parser.passed_over)

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            ("GPGGA,120000,4807.0380,N,01131.0000,E,7,08,0.9", "by hand"),
            ("GPGGA,120000,4807.0380,N,01131.0000,E,8,08,0.9", "simulated"),
            (
                "GPRMC,120000,A,4807.0380,N,01131.0000,E,0,0,010624,,,M",
                "by hand",
            ),
            (
                "GPRMC,120000,A,4807.0380,N,01131.0000,E,0,0,010624,,,S",
                "simulated",
            ),
            ("GPGLL,4807.0380,N,01131.0000,E,120000,A,M", "by hand"),
            ("GPGLL,4807.0380,N,01131.0000,E,120000,A,S", "simulated"),
        ],
    )
    def test_nobody_was_there(self, body, problem):
        """
        A position that was put in by hand or simulated is none.
        """
        parser = NMEAParser()

        assert parser.feed(sentence(body)) == []
        assert problem in str(parser.passed_over)
        assert parser.dropped == 1

    @pytest.mark.parametrize("clock", ["000000", ""])
    def test_clock_that_stands_still(self, clock):
        """
        Where the clock tells no instants apart, each round of sentences is
        one, and no place is lost.
        """
        rounds = [
            sentence(f"GPGGA,{clock},4{n}00,N,01100,E,1,08,0.9")
            + (
                sentence(f"GPRMC,{clock},A,4{n}00,N,01100,E,0,0,,,,A")
                if clock
                else b""
            )
            for n in range(4)
        ]
        fixes = NMEAParser().feed(b"".join(rounds))

        assert [fix.latitude for fix in fixes] == [40.0, 41.0, 42.0, 43.0]

    @pytest.mark.parametrize(
        "fields",
        [
            "4860.0000,N,01131.0000,E",
            "9000.0001,N,01131.0000,E",
            "4807.0380,N,18000.0001,E",
            "4807.0380,,01131.0000,E",
            "04807.0380,N,1131.0000,E",
            "-4807.0380,N,01131.0000,E",
            "48.1173,N,11.5166,E",
            ",N,,E",
        ],
    )
    def test_no_position(self, fields):
        """
        A field that is no position is told without its digits.
        """
        parser = NMEAParser()

        assert parser.feed(sentence(f"GPGGA,120000,{fields},1,08")) == []
        assert "a position" in str(parser.passed_over)
        assert not any(d in str(parser.passed_over) for d in DIGITS)

    def test_long_line(self):
        """
        A line longer than any sentence is noise; the next one counts.
        """
        parser = NMEAParser()
        good = sentence("GPGGA,120000,4807.0380,N,01131.0000,E,1,08,0.9")
        for _ in range(100):
            assert parser.feed(b"$" + b"A" * 10_000) == []

        assert len(parser.feed(b"\n" + good)) == 1
        assert len(parser._rest) <= 513

    @pytest.mark.parametrize(
        ("clock", "day"), [("", "010624"), ("120000", ""), ("120060", "x")]
    )
    def test_no_time(self, clock, day):
        """
        Where date or time of day are missing, the fix has no time.
        """
        body = f"GPRMC,{clock},A,4807.0380,N,01131.0000,E,0,0,{day},,,A"
        (fix,) = NMEAParser().feed(sentence(body))

        assert fix.time is None
        assert (fix.latitude, fix.longitude) == pytest.approx(PLACE, abs=1e-6)


GPX = """<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="by hand" xmlns="http://www.topografix.com/GPX/1/1">
<metadata><time>2001-01-01T00:00:00Z</time></metadata>
<wpt lat="1" lon="2"><time>2001-01-01T00:00:00Z</time></wpt>
<trk><trkseg>
<trkpt lat="48.1173" lon="11.516667"><ele>500</ele>
<time>2026-03-04T05:06:07Z</time></trkpt>
<trkpt lat="-48.1174" lon="-11.516668"/>
<trkpt lat="48" lon="11."><time>2026-03-04T06:06:09+01:00</time></trkpt>
<trkpt lat="48.2" lon="11.5"><time>last Tuesday</time></trkpt>
</trkseg></trk>
</gpx>
"""


def gpx(points: str) -> str:
    """
    Put points into a small document.
    """
    return f"<gpx>\n<trk><trkseg>\n{points}\n</trkseg></trk></gpx>"


class TestGPX:
    """
    Documents, whole and broken.
    """

    def test_points(self):
        """
        Points of the track are fixes; marked places are not.
        """
        parser = GPXParser()
        fixes = parser.feed(GPX.encode()) + parser.finish()

        assert [(fix.latitude, fix.longitude) for fix in fixes] == [
            (48.1173, 11.516667),
            (-48.1174, -11.516668),
            (48, 11),
            (48.2, 11.5),
        ]
        assert [fix.time for fix in fixes] == [
            datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
            None,
            datetime(2026, 3, 4, 5, 6, 9, tzinfo=UTC),
            None,
        ]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_encodings(self, permit, tmp_path, encoding):
        """
        A document tells its encoding, or has a mark for it.
        """
        file = tmp_path / "track.gpx"
        text = GPX.replace("UTF-8", encoding.removesuffix("-sig"))
        file.write_text(text, encoding=encoding)
        found, _ = places(TrackSource(file), permit)

        assert found[0] == (48.1173, 11.516667)

    def test_prefix(self):
        """
        Names may have a namespace's prefix.
        """
        parser = GPXParser()
        text = gpx('<trkpt lat="1" lon="2"/>').replace("<", "<g:")

        assert len(parser.feed(text.replace("<g:/", "</g:").encode())) == 1

    @pytest.mark.parametrize(
        ("text", "line", "problem"),
        [
            (gpx('<trkpt lat="48.1173"/>'), 3, "lat and lon"),
            (gpx('<trkpt lat="48.1173" lon="4807e1"/>'), 3, "lat and lon"),
            (gpx('\n<trkpt lat="48,1173" lon="11"/>'), 4, "lat and lon"),
            (gpx('<trkpt lat="481.173" lon="11.516"/>'), 3, "on the earth"),
            (gpx('<trkpt lat="nan" lon="nan"/>'), 3, "lat and lon"),
            (gpx('<trkpt lat="48.1173" lon="11.516">'), 4, "mismatched tag"),
            (gpx("&place;"), 3, "undefined entity"),
            ("<html><body/></html>", 1, "not GPX"),
            ("<gpx><trk>\n", 2, "no element found"),
        ],
    )
    def test_broken(self, permit, tmp_path, text, line, problem):
        """
        A broken file is told by name, line and problem, without a place and
        without its folders.
        """
        file = tmp_path / "broken.gpx"
        file.write_text(text)
        _, answer = places(TrackSource(file), permit)

        assert isinstance(answer, Unavailable)
        assert answer.reason.startswith(
            f"the recorded track {file.name}, line {line}: "
        )
        assert problem in reason_of(answer)
        assert not any(d in reason_of(answer) for d in DIGITS)

    def test_entities(self, permit, tmp_path):
        """
        A document that declares entities is refused before they count.
        """
        bomb = "".join(
            f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12)
        )
        file = tmp_path / "bomb.gpx"
        file.write_text(
            f'<!DOCTYPE gpx [<!ENTITY l0 "ha">{bomb}]>\n'
            + gpx('<trkpt lat="1" lon="2"><time>&l11;</time></trkpt>')
        )
        start = time.monotonic()
        answer = TrackSource(file).read(permit)

        assert "document type" in reason_of(answer)
        assert time.monotonic() - start < 4

    @pytest.mark.parametrize("begin", ["<!--", '<trkpt lat="'])
    def test_markup_without_an_end(self, begin):
        """
        A tag or comment is kept to a mebibyte and no longer.
        """
        parser, fed = GPXParser(), 0
        parser.feed(b"<gpx>" + begin.encode())
        with pytest.raises(TrackError, match="without an end"):
            while fed < 4_194_304:
                fed += 16_384
                parser.feed(b"48.1173 " * 2_048)

        assert fed <= 1_048_576 + 2 * 16_384

    @pytest.mark.parametrize(
        ("piece", "problem"),
        [
            (lambda n: b"<a>" * 5_000, "tags in tags"),
            (
                lambda n: b"".join(
                    b"<n%x/>" % i for i in range(n * 3_000, (n + 1) * 3_000)
                ),
                "names that no GPX has",
            ),
            (
                lambda n: b"".join(
                    b'<a n%x=""/>' % i
                    for i in range(n * 1_500, (n + 1) * 1_500)
                ),
                "names that no GPX has",
            ),
            (lambda n: b"<%s/>" % (b"n" * 300), "names that no GPX has"),
        ],
        ids=["depth", "tags", "attributes", "long"],
    )
    def test_bomb(self, piece, problem):
        """
        What a parser of XML keeps to the end of a document is bounded: it
        takes less memory than the document has bytes.
        """
        parser, fed = GPXParser(), 0
        parser.feed(b"<gpx>")
        tracemalloc.start()
        try:
            with pytest.raises(TrackError, match=problem):
                while fed < 4_000_000:
                    fed += len(data := piece(fed // 16_000))
                    parser.feed(data)
            kept = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert fed < 64_000
        assert kept < 2_000_000

    def test_deep_enough(self):
        """
        Extensions of points may nest, and have names of their own.
        """
        inside = "".join(f"<x:n{n}>" for n in range(40))
        inside += "".join(f"</x:n{n}>" for n in reversed(range(40)))
        point = f'<trkpt lat="1" lon="2"><extensions>{inside}</extensions>'

        assert len(GPXParser().feed(gpx(f"{point}</trkpt>").encode())) == 1

    @pytest.mark.parametrize("encoding", ["foo", "gb18030", "rot13", "hex"])
    def test_unknown_encoding(self, permit, tmp_path, encoding):
        """
        An encoding that is not read is told, each time in the same words.
        """
        file = tmp_path / "track.gpx"
        head = f'<?xml version="1.0" encoding="{encoding}"?>'
        file.write_text(head + gpx('<trkpt lat="1" lon="2"/>'))
        source = TrackSource(file)
        reasons = {reason_of(source.read(permit)) for _ in range(3)}

        problem = "an encoding that is not read"
        assert reasons == {f"the recorded track track.gpx, line 1: {problem}"}

    def test_long_text(self):
        """
        Text of any length goes by, and is not kept.
        """
        parser = GPXParser()
        parser.feed(b"<gpx><![CDATA[")
        for _ in range(256):
            assert parser.feed(b"48.1173 " * 2_048) == []

        assert len(parser.feed(b']]><trkpt lat="1" lon="2"/>')) == 1

    def test_no_value_in_the_context(self):
        """
        The error of a broken point hangs on no other error.
        """
        with pytest.raises(TrackError) as caught:
            GPXParser().feed(gpx('<trkpt lat="48.1173" lon="x"/>').encode())
        assert caught.value.__context__ is None


class TestTrackSource:
    """
    Recorded tracks as a source.
    """

    def test_nothing_is_opened_before_a_read(self, tmp_path):
        """
        A track that does not exist can be named; nothing is looked at.
        """
        source = TrackSource(tmp_path / "later.gpx")

        assert source.reads == 0
        assert sorted(source.data_types) == [
            "location_coarse",
            "location_precise",
        ]

    def test_next_fix(self, permit, make_permit):
        """
        Each read gives the next fix, for either type, to the end.
        """
        source = TrackSource(VECTORS / "quay.nmea")
        first = fix_of(source.read(permit))
        second = fix_of(source.read(make_permit("location_coarse")))
        found, answer = places(source, permit)

        assert first.time is not None
        assert second.time == first.time + timedelta(seconds=2)
        assert len(found) == 3
        assert reason_of(answer) == "the track is at its end"
        assert reason_of(source.read(permit)) == "the track is at its end"
        assert source.reads == 7

    def test_other_permit(self, make_permit, tmp_path):
        """
        A permit for something else opens no file.
        """
        source = TrackSource(tmp_path / "none")

        with pytest.raises(ForgedPermitError):
            source.read(make_permit("os_name"))
        assert source.reads == 0

    def test_long_track(self, permit, tmp_path):
        """
        A track of many pieces is read whole, a piece at a time.
        """
        count = 2_000
        file = tmp_path / "long.gpx"
        points = "\n".join(
            f'<trkpt lat="{n / 100}" lon="11"/>' for n in range(count)
        )
        file.write_text(gpx(points))
        source = TrackSource(file)
        source.read(permit)

        assert len(source._waiting) < count / 2
        found, answer = places(source, permit)
        assert [lat for lat, _ in found] == [n / 100 for n in range(1, count)]
        assert reason_of(answer) == "the track is at its end"

    @pytest.mark.parametrize("length", [0, 20_000])
    def test_fixes_before_a_fault(self, permit, tmp_path, length):
        """
        What stands before a fault is given, however near; then the fault
        stays.
        """
        file = tmp_path / "half.gpx"
        filler = "x" * length
        file.write_text(
            gpx(f'<trkpt lat="1" lon="2"/><!--{filler}--><trkpt/>')
        )
        source = TrackSource(file)
        found, answer = places(source, permit)

        assert found == [(1, 2)]
        assert "line 3" in reason_of(answer)
        assert source.read(permit) == answer

    @pytest.mark.parametrize("kind", ["gpx", "nmea"])
    def test_threads(self, permit, tmp_path, kind):
        """
        Threads that read one track together get each fix once, all of them.
        """
        count, file = 4_000, tmp_path / "track"
        if kind == "gpx":
            points = (
                f'<trkpt lat="{n / 100}" lon="2"/>' for n in range(count)
            )
            file.write_text(gpx("\n".join(points)))
        else:
            file.write_bytes(
                b"".join(
                    sentence(f"GPGGA,,{n // 60:02d}{n % 60:02d},N,00200,E,1")
                    for n in range(count)
                )
            )
        source = TrackSource(file)
        answers: list[object] = []
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            threads = [
                threading.Thread(
                    target=lambda: answers.extend(places(source, permit)[0])
                )
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(before)

        assert len(answers) == len(set(answers)) == count

    def test_file_that_comes_later(self, permit, tmp_path):
        """
        A missing file is told; once it is there, it is read.
        """
        file = tmp_path / "later.gpx"
        source = TrackSource(file)

        assert source.read(permit) == Unavailable(
            "location_precise",
            f"the recorded track {file.name}: No such file or directory",
        )
        file.write_text(GPX)
        assert isinstance(source.read(permit), Fix)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "line 1: neither GPX nor NMEA 0183"),
            (b"latitude;longitude\n48.1173;11.516\n", "neither GPX nor NMEA"),
            (b"\x00\x01" * 99, "neither GPX nor NMEA"),
            (b"<gpx></gpx>", "holds no position"),
            (b"$GPGGA,broken\n", "holds no position, line 1: not a sent"),
            (
                b"$GPGGA,120000,4807.0380,N,01131.0000,E,1,08*00\n",
                "holds no position, line 1: the checksum is wrong",
            ),
        ],
    )
    def test_unusable(self, permit, tmp_path, content, reason):
        """
        A file without a position is told with the first thing amiss.
        """
        file = tmp_path / "track"
        file.write_bytes(content)
        answer = TrackSource(file).read(permit)

        assert "the recorded track track" in reason_of(answer)
        assert str(tmp_path) not in f"{answer} {TrackSource(file)!r}"
        assert reason in reason_of(answer)
        assert not any(d in reason_of(answer) for d in DIGITS)

    def test_pipe(self, permit, tmp_path):
        """
        A pipe that nobody writes to is not waited for.
        """
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        answer = TrackSource(pipe).read(permit)

        assert reason_of(answer) == (
            "the recorded track pipe: it is no regular file"
        )

    @pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
    def test_deadline(self, seconds, tmp_path):
        """
        A read without a deadline cannot be set up.
        """
        with pytest.raises(ValueError, match="timeout_seconds"):
            TrackSource(tmp_path, timeout_seconds=seconds)

    def test_counts_what_it_passed_over(self, permit, tmp_path):
        """
        Nothing is counted before the first read, nor of a sound track.
        """
        source = TrackSource(VECTORS / "quay.nmea")
        assert source.dropped == 0
        whole = TrackSource(tmp_path / "sound.gpx")
        (tmp_path / "sound.gpx").write_text(GPX)
        places(whole, permit)

        assert whole.dropped == 0

    def test_no_file_stays_open(self, permit):
        """
        Between reads, no file is open.
        """
        source = TrackSource(VECTORS / "quay.nmea")
        source.read(permit)

        opened = map(os.path.realpath, Path("/proc/self/fd").iterdir())
        assert str((VECTORS / "quay.nmea").resolve()) not in set(opened)


def free_port(kind=socket.SOCK_STREAM) -> int:
    """
    Find a port of this machine that nobody uses.
    """
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running_gpsd(*arguments: str):
    """
    Run a real gpsd; give its port.
    """
    port = free_port()
    command = ["gpsd", "-N", "-n", "-S", str(port), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            for _ in range(100):
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


@contextlib.contextmanager
def talking_receiver(port: int, body: str):
    """
    Send what a receiver would say, by UDP, until the end of the block.

    Args:
        port: Where to.

        body: The sentence, with the time as `datetime.strftime` has it.
    """
    quiet = threading.Event()

    def talk() -> None:
        while not quiet.wait(0.1):
            line = sentence(f"{datetime.now(UTC):{body}}")
            speaker.sendto(line, ("127.0.0.1", port))

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker:
        thread = threading.Thread(target=talk)
        thread.start()
        try:
            yield
        finally:
            quiet.set()
            thread.join()


@pytest.mark.need_tool("gpsd")
class TestRealGpsd:
    """
    The daemon of this machine, fed with sentences.
    """

    def test_fix(self, permit):
        """
        A receiver's position comes through the real daemon.
        """
        udp = free_port(socket.SOCK_DGRAM)
        body = "GPRMC,%H%M%S.00,A,4807.0380,N,01131.0000,E,0,0,%d%m%y,,,A"
        with (
            running_gpsd(f"udp://127.0.0.1:{udp}") as port,
            talking_receiver(udp, body),
        ):
            source = GpsdSource(port=port, timeout_seconds=10)
            fix = fix_of(source.read(permit))

        assert (fix.latitude, fix.longitude) == pytest.approx(PLACE, abs=1e-6)
        assert fix.time is not None

    def test_receiver_without_a_fix(self, permit):
        """
        A receiver that has no fix makes none, within the deadline.
        """
        udp = free_port(socket.SOCK_DGRAM)
        body = "GPRMC,%H%M%S.00,V,,,,,,,%d%m%y,,,N"
        with (
            running_gpsd(f"udp://127.0.0.1:{udp}") as port,
            talking_receiver(udp, body),
        ):
            start = time.monotonic()
            source = GpsdSource(port=port, timeout_seconds=0.8)
            answer = source.read(permit)
            taken = time.monotonic() - start

        assert reason_of(answer) == "gpsd has no fix yet"
        assert 0.7 < taken < 1.5

    def test_no_receiver(self, permit, tmp_path):
        """
        A daemon without a receiver says what to do.
        """
        with running_gpsd("-F", str(tmp_path / "control")) as port:
            answer = GpsdSource(port=port, timeout_seconds=0.5).read(permit)

        assert "no receiver" in reason_of(answer)


@contextlib.contextmanager
def playing_gpsd(log: Path):
    """
    Play a recording to a real gpsd by ``gpsfake``; give the daemon's port.
    """
    port = free_port()
    command = ["gpsfake", "-n", "-q", "-c", "0.02", "-P", str(port), str(log)]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            for _ in range(200):
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                time.sleep(0.05)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.need_tool("gpsd", "gpsfake")
class TestPlayedToGpsd:
    """
    The daemon of this machine, on a terminal that a recording is played to.
    """

    @pytest.fixture
    def port(self):
        """
        Give the port of a daemon that a recorded walk is played to.
        """
        with playing_gpsd(VECTORS / "quay.nmea") as found:
            yield found

    def test_fixes(self, permit, port):
        """
        The places of the walk come through the real daemon, each with its
        time, and with what the daemon believes of its accuracy.
        """
        walk = {
            datetime.fromisoformat(when): tuple(place)
            for when, *place in json.loads((VECTORS / "quay.json").read_text())
        }
        source = GpsdSource(
            port=port, timeout_seconds=30.0, max_age_seconds=math.inf
        )
        fixes = [fix_of(source.read(permit)) for _ in range(5)]

        for fix in fixes:
            assert fix.time is not None
            place = walk[fix.time]
            found = (fix.latitude, fix.longitude)
            assert found == pytest.approx(place, abs=1e-6)
            assert fix.accuracy_m is not None

    def test_of_the_past(self, permit, port):
        """
        A recording is no place of now, unless it is asked for as one.
        """
        answer = GpsdSource(port=port, timeout_seconds=30.0).read(permit)

        assert "gave a place of the past" in reason_of(answer)


@contextlib.contextmanager
def fake_gpsd(*pieces: bytes, stay: bool = True):
    """
    Answer one connection with *pieces*; then stay silent, or hang up.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                for piece in pieces:
                    connection.sendall(piece)
                if stay:
                    done.wait(20)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join(5)


def tpv(**fields: object) -> bytes:
    """
    Write a report of a position.
    """
    report = {"class": "TPV", "mode": 3, "lat": 48.1173, "lon": 11.516667}
    return json.dumps({**report, **fields}).encode() + b"\r\n"


class TestGpsdSource:
    """
    What else may be on the other end.
    """

    def test_nothing_listens(self, permit):
        """
        A daemon that is not there is named, with the cure.
        """
        port = free_port()
        answer = GpsdSource(port=port).read(permit)

        assert f"gpsd does not answer on 127.0.0.1:{port}" in reason_of(answer)
        assert "start it" in reason_of(answer)

    def test_unknown_host(self, permit):
        """
        A host that cannot be found is the same to the person.
        """
        answer = GpsdSource("gpsd.invalid").read(permit)

        assert "does not answer on gpsd.invalid:2947" in reason_of(answer)

    def test_noise_before_the_fix(self, permit):
        """
        What is no report, or too long for one, is passed over.
        """
        pieces = [
            b"hello\n\xff\xfe\n[]\n{}\n" + b"[" * 60_000 + b"\n",
            b'{"class":' + b"9" * 5_000 + b"}\n",
            b" " * 300_000 + tpv(lat=1),
            tpv(mode=1),
            tpv(status=8),
            tpv(lat="48.1173"),
            tpv(lat=True),
            tpv(lat=float("nan")),
            tpv(lon=1e400),
            tpv(lon=10**400),
            tpv(eph=7.5, time="2026-03-04T05:06:07.500Z"),
        ]
        with fake_gpsd(*pieces) as port:
            source = GpsdSource(port=port, max_age_seconds=math.inf)
            fix = fix_of(source.read(permit))

        assert fix == Fix(
            latitude=48.1173,
            longitude=11.516667,
            accuracy_m=7.5,
            time=datetime(2026, 3, 4, 5, 6, 7, 500_000, tzinfo=UTC),
        )
        assert source.dropped == 12

    def test_report_in_pieces(self, permit):
        """
        A report may come in any pieces.
        """
        pieces = [bytes([byte]) for byte in tpv(epx=3.0, epy=4.0, time=None)]
        with fake_gpsd(*pieces) as port:
            fix = fix_of(GpsdSource(port=port).read(permit))

        assert (fix.accuracy_m, fix.time) == (5.0, None)

    @pytest.mark.parametrize(
        "false",
        [
            {"lat": 999},
            {"lon": float("nan")},
            {"lon": 10**400},
            {"lat": "48.1173"},
            {"lat": True},
            {"lat": None},
            {"mode": None},
            {"mode": "3"},
            {"mode": 9, "lat": "?"},
            {"time": "?"},
            {"time": "2026-03-04T05:06:07"},
            {"time": 0},
            {"status": [8]},
            {"status": "8"},
        ],
    )
    def test_false_fix(self, permit, false):
        """
        A report of a fix that cannot be is counted and told as that.
        """
        with fake_gpsd(tpv(mode=1), tpv(**false)) as port:
            source = GpsdSource(port=port, timeout_seconds=0.3)
            answer = source.read(permit)

        expected = "gpsd tells of a fix, but of none that can be"
        assert reason_of(answer) == expected
        assert source.dropped == 1

    @pytest.mark.parametrize("mode", [0, 1])
    def test_no_fix_yet(self, permit, mode):
        """
        A receiver without a fix is honest: nothing is counted.
        """
        with fake_gpsd(tpv(mode=mode, lat=None, lon=None)) as port:
            source = GpsdSource(port=port, timeout_seconds=0.3)
            answer = source.read(permit)

        assert reason_of(answer) == "gpsd has no fix yet"
        assert source.dropped == 0

    def test_simulated(self, permit):
        """
        A place that the receiver simulates is none, and is told as that.
        """
        with fake_gpsd(tpv(status=8)) as port:
            answer = GpsdSource(port=port, timeout_seconds=0.3).read(permit)

        assert reason_of(answer) == "the receiver of gpsd simulates a place"

    def test_less_exact_than_the_cell(self, make_permit):
        """
        A fix that is less exact than the cell that the policy promises has
        no cell; without such a promise it is a fix.
        """
        far = tpv(eph=2001.0)
        grid = Protection(name=ProtectionName.GRID, cell_km=2.0)
        answers = []
        for protection in (grid, ProtectionName.NONE):
            permit = make_permit("location_coarse", protection)
            with fake_gpsd(far) as port:
                answers.append(GpsdSource(port=port).read(permit))

        assert "less exactly" in reason_of(answers[0])
        assert fix_of(answers[1]).accuracy_m == 2001.0

    def test_time(self, permit):
        """
        A fix of another time than now is none.
        """
        reasons = []
        for hours in (-1, 1):
            at = datetime.now(UTC) + timedelta(hours=hours)
            with fake_gpsd(tpv(time=at.isoformat())) as port:
                answer = GpsdSource(port=port).read(permit)
            reasons.append(reason_of(answer).rpartition(" a ")[2])

        assert reasons == ["place of the past", "place of the future"]

    @pytest.mark.parametrize("seconds", [0, -1, float("nan")])
    def test_age(self, seconds):
        """
        An age is a positive number.
        """
        with pytest.raises(ValueError, match="max_age_seconds"):
            GpsdSource(max_age_seconds=seconds)

    def test_silent_end(self, permit):
        """
        A connection on which nothing comes ends at the deadline.
        """
        start = time.monotonic()
        with fake_gpsd() as port:
            answer = GpsdSource(port=port, timeout_seconds=0.3).read(permit)

        assert "sent nothing" in reason_of(answer)
        assert time.monotonic() - start < 6

    def test_endless_noise(self, permit):
        """
        Noise without an end does not keep a read beyond its deadline.
        """
        noise = [b"x" * 65_536] * 100_000
        start = time.monotonic()
        with fake_gpsd(*noise, stay=False) as port:
            answer = GpsdSource(port=port, timeout_seconds=0.3).read(permit)

        assert isinstance(answer, Unavailable)
        assert time.monotonic() - start < 6

    def test_hanging_up(self, permit):
        """
        A daemon that hangs up is told as that.
        """
        with fake_gpsd(b'{"class":"VERSION"}\n', stay=False) as port:
            answer = GpsdSource(port=port).read(permit)

        assert "closed the connection" in reason_of(answer)

    @pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
    def test_deadline(self, seconds):
        """
        A read without a deadline cannot be set up.
        """
        with pytest.raises(ValueError, match="timeout_seconds"):
            GpsdSource(timeout_seconds=seconds)
