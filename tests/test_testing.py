# SPDX-License-Identifier: MIT

"""
`consentkit.testing` itself: each of its checks finds what it is there for.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import logging
import lzma
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import zlib

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import md5, sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit import Permit, PolicyError, Source, Unavailable
from consentkit.collectors.location import Fix, LocationSource
from consentkit.exceptions import DeadPermitError
from consentkit.gate import check_permit
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.testing import (
    BadSourceConformance,
    Sentinels,
    SourceConformance,
    anatomy,
    logged,
    permit_for,
    touched,
)
from consentkit.testing import source as testing_source
from consentkit.testing.permits import tiny_policy
from tests.faults.support import run


SECRET = "wolfsbane-4711"
MAC = "3C:5A:B4:01:23:45"


class TestPermitFor:
    """
    Permits for tests.
    """

    def test_genuine(self):
        """
        It is one of the gate's, for the type that was asked for.
        """
        with permit_for("os_name") as permit:
            assert check_permit(permit, data_type="os_name") is permit

    def test_dies_with_the_block(self):
        """
        Afterwards it is dead, as every permit out of use.
        """
        with permit_for("os_name") as permit:
            pass

        with pytest.raises(DeadPermitError):
            check_permit(permit)

    def test_holds_in_its_thread_only(self):
        """
        Another thread is not in use of the function.
        """
        raised: list[type] = []

        def work() -> None:
            try:
                check_permit(permit)
            except DeadPermitError as error:
                raised.append(type(error))

        with permit_for("os_name") as permit:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

        assert raised == [DeadPermitError]

    def test_every_type(self):
        """
        There is a policy for each data type of the vocabulary.
        """
        for data_type in load_vocabulary().data_types:
            policy = tiny_policy(data_type)
            assert [*policy.functions["tested"].clauses] == [data_type]

    @pytest.mark.parametrize(
        "data_type", ["imei", "location_precise", "clipboard_share_code"]
    )
    def test_sensitive(self, data_type):
        """
        Types that need a decision of their own have it.
        """
        with permit_for(data_type) as permit:
            assert permit.clause.type == data_type

    def test_protection(self):
        """
        The clause promises what was asked for.
        """
        protect = {"name": "grid", "cell_km": 5.0}
        with permit_for("location_precise", protect=protect) as permit:
            assert permit.clause.protection.cell_km == 5.0

    @pytest.mark.parametrize(
        ("data_type", "protect"), [("nonsense", None), ("imei", "none")]
    )
    def test_what_no_policy_may_say(self, data_type, protect):
        """
        Nothing is promised that a real policy could not.
        """
        with (
            pytest.raises(PolicyError),
            permit_for(data_type, protect=protect),
        ):
            pass

    def test_leaves_nothing(self, tmp_path, monkeypatch):
        """
        Its files go with the block.
        """
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        with permit_for("os_name"):
            assert list(tmp_path.iterdir())

        assert list(tmp_path.iterdir()) == []

    def test_signals_do_not_matter(self, monkeypatch):
        """
        A machine on which telemetry is switched off runs tests as well.
        """
        monkeypatch.setenv("DO_NOT_TRACK", "1")
        monkeypatch.setenv("CI", "1")
        with permit_for("os_name") as permit:
            assert isinstance(permit, Permit)


class TestTouched:
    """
    What a piece of code touches.
    """

    def test_nothing(self):
        """
        Computing touches nothing.
        """
        with touched() as seen:
            sum(range(9))

        assert seen == []

    def test_file(self, tmp_path):
        """
        A file that is opened is named, and so is a folder that is listed.
        """
        with touched() as seen:
            (tmp_path / "file").write_text("")
            list(tmp_path.iterdir())

        first, second = seen
        assert first == f"open {tmp_path}/file"
        # Pythons list folders in different ways.
        assert second.endswith(f"dir {tmp_path}")

    def test_the_rest(self):
        """
        Sockets and processes are seen.
        """
        with touched() as seen:
            with socket.socket():
                pass
            subprocess.run([sys.executable, "-c", ""], check=True)

        kinds = {one.partition(" ")[0] for one in seen}
        assert {"socket.__new__", "subprocess.Popen"} <= kinds

    def test_not_before_and_after(self, tmp_path):
        """
        What is outside of the block is not noted.
        """
        with touched() as seen:
            pass
        (tmp_path / "file").write_text("")

        assert seen == []

    def test_other_threads(self, tmp_path):
        """
        What another thread does is its own.
        """
        go, done = threading.Event(), threading.Event()

        def work() -> None:
            go.wait(30)
            (tmp_path / "file").write_text("")
            done.set()

        thread = threading.Thread(target=work)
        thread.start()
        with touched() as seen:
            go.set()
            assert done.wait(30)
        thread.join()

        assert seen == []

    def test_nested(self, tmp_path):
        """
        An outer block sees what an inner one saw.
        """
        with touched() as outer, touched() as inner:
            (tmp_path / "file").write_text("")

        assert outer == inner == [f"open {tmp_path}/file"]

    def test_import(self, tmp_path):
        """
        Importing a module is no touch; what the module then does is.
        """
        other = tmp_path / "other"
        other.write_text("")
        (tmp_path / "made.py").write_text(f"open({str(other)!r}).close()")
        # In a process of its own: Qt's binding reads what others import.
        done = run(
            """
            import sys
            from consentkit.testing import touched

            sys.path.insert(0, sys.argv[1])
            with touched() as seen:
                import made
            print(*seen, sep="\\n")
            """,
            tmp_path,
        )

        assert done.stdout == f"open {other}\n"


def _later_in_base64(raw: bytes) -> bytes:
    return base64.b64encode(b"ab" + raw + b"c")


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda raw: b"<" + raw + b">",
    "upper case": bytes.upper,
    "backwards": lambda raw: raw[::-1],
    "no separators": lambda raw: raw.replace(b"-", b""),
    "utf-16": lambda raw: raw.decode().encode("utf-16"),
    "utf-16-be": lambda raw: raw.decode().encode("utf-16-be"),
    "utf-32": lambda raw: raw.decode().encode("utf-32"),
    "hex": lambda raw: raw.hex().encode(),
    "HEX": lambda raw: raw.hex().upper().encode(),
    "base64": base64.b64encode,
    "base64 later": _later_in_base64,
    "base64 url": base64.urlsafe_b64encode,
    "zlib": lambda raw: b"head" + zlib.compress(raw),
    "zlib, stored": lambda raw: b"head" + zlib.compress(raw, 0) + b"tail",
    "gzip": lambda raw: b"head" + gzip.compress(raw) + b"tail",
    "raw deflate": lambda raw: zlib.compress(raw, wbits=-15),
    "bzip2": lambda raw: b"head" + bz2.compress(raw),
    "xz": lambda raw: b"head" + lzma.compress(raw),
    "hex of gzip": lambda raw: gzip.compress(raw).hex().encode(),
    "base64 of zlib": lambda raw: base64.b64encode(zlib.compress(raw)),
    "gzip of base64 of utf-16": lambda raw: gzip.compress(
        base64.b64encode(raw.decode().encode("utf-16"))
    ),
}


class TestSentinels:
    """
    The search for planted values.
    """

    @pytest.mark.parametrize("form", FORMS)
    def test_form(self, form):
        """
        A value is found in each form.
        """
        planted = Sentinels([SECRET])

        assert planted.found_in(FORMS[form](SECRET.encode()))

    @pytest.mark.parametrize("form", FORMS)
    def test_form_of_something_else(self, form):
        """
        Where it is not, it is not found, in whatever form that is.
        """
        planted = Sentinels([SECRET, MAC, 48.8583701])

        assert planted.found_in(FORMS[form](b"nightshade-0815")) == []

    @given(
        st.binary(max_size=200),
        st.sampled_from(sorted(FORMS.keys() - {"raw deflate"})),
        st.binary(max_size=200),
    )
    def test_anywhere(self, before, form, after):
        """
        What stands around it hides nothing but the ends of an encoding.
        """
        packed = FORMS[form](SECRET.encode())
        data = before + b"\n" + packed + b"\n" + after

        assert Sentinels([SECRET]).found_in(data)

    @pytest.mark.parametrize(
        "spelling",
        [
            "3c:5a:b4:01:23:45",
            "3C-5A-B4-01-23-45",
            "3c5ab4012345",
            "3c5a.b401.2345",
            "45:23:01:B4:5A:3C",
        ],
    )
    def test_address(self, spelling):
        """
        The address of an interface is known by each of its spellings.
        """
        assert Sentinels([MAC]).found_in(f"mac={spelling}")

    @pytest.mark.parametrize(
        "data",
        [
            b"lat=48.8583701",
            b"lat=48.85837",
            struct.pack(">d", 48.8583701),
            struct.pack("<d", 48.8583701),
        ],
    )
    def test_number(self, data):
        """
        A number is found as text, less exactly, and in binary.
        """
        assert Sentinels([48.8583701]).found_in(data)

    @pytest.mark.parametrize(
        ("number", "data"),
        [
            (-2.2944879, "-2.29448"),
            (-2.2944879, "-2.29449"),
            (122.2944879, "122.294488"),
        ],
    )
    def test_fewer_decimals(self, number, data):
        """
        Five decimals are enough, cut or rounded; fewer are another place.
        """
        planted = Sentinels([number])

        assert planted.found_in(f"lon={data},")
        assert planted.found_in(f"lon={number:.3f},") == []

    @pytest.mark.parametrize(
        ("text", "data"),
        [
            (MAC, b"\x3c\x5a\xb4\x01\x23\x45"),
            (MAC, b"\x45\x23\x01\xb4\x5a\x3c"),
            (MAC, b"mac \x3c\x5a\xb4\x01\x23\x45".hex()),
            ("490154203237518", struct.pack(">q", 490154203237518)),
            ("490154203237518", struct.pack("<q", 490154203237518)),
            ("139 0555 0148", struct.pack(">q", 13905550148)),
        ],
    )
    def test_binary_number(self, text, data):
        """
        An identifier is found as the number that it is, too.
        """
        assert Sentinels([text]).found_in(data)

    def test_many_zeros(self):
        """
        A value between many zeros, as in a file of a database, is found.
        """
        zeros = b"\0" * 4096

        assert Sentinels([SECRET]).found_in(zeros + SECRET.encode() + zeros)
        assert Sentinels(["13905550148"]).found_in(
            zeros + struct.pack(">q", 13905550148) + zeros
        )

    @pytest.mark.parametrize("text", ["剪贴板里的秘密", 'a "quoted" secret'])
    def test_escapes(self, text):
        """
        Escapes of JSON, URLs and Python hide nothing.
        """
        planted = Sentinels([text])

        assert planted.found_in(json.dumps({"text": text}))
        assert planted.found_in(ascii([text]))
        assert planted.found_in(f"?q={quote(text)}")

    def test_digest(self):
        """
        A digest is another value.
        """
        planted = Sentinels([MAC])
        plain = MAC.replace(":", "").encode()

        assert planted.found_in(md5(plain).hexdigest()) == []
        assert planted.found_in(sha256(plain).digest()) == []

    def test_says_which_and_not_what(self):
        """
        What is said of a find is its number and form.
        """
        (said,) = Sentinels(["nightshade", SECRET]).found_in(SECRET)

        assert said == "value 2 as it is"
        assert SECRET not in repr(Sentinels([SECRET]))

    @pytest.mark.parametrize("value", ["", "abcd", 1234])
    def test_short(self, value):
        """
        What would be found in everything is refused.
        """
        with pytest.raises(ValueError, match="5 or more"):
            Sentinels([value])

    def test_files(self, tmp_path):
        """
        Files are looked through with their names, below all folders.
        """
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "one").write_bytes(gzip.compress(SECRET.encode()))
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / SECRET).mkdir()

        found = Sentinels([SECRET]).found_below(tmp_path / "a", tmp_path / "b")

        assert found == [
            "one: value 1 as it is, in gzip",
            f"{SECRET}: value 1 as it is",
        ]

    def test_errors(self):
        """
        Of an error, the locals of its frames and hidden contexts count.
        """

        def fail(planted: str) -> None:
            raise ValueError

        def hide(planted: str) -> None:
            with suppress(ValueError):
                fail(planted)
            try:
                raise KeyError(planted)
            except KeyError:
                raise OSError from None

        for work in (fail, hide):
            with pytest.raises((ValueError, OSError)) as caught:
                work(SECRET[::-1][::-1])
            assert Sentinels([SECRET]).found_in_error(caught.value)

    def test_error_with_what_has_no_text(self):
        """
        A local that is half made hides nothing of the others.
        """

        class Half:
            def __repr__(self) -> str:
                raise AttributeError

        def fail(planted: str, half: Half) -> None:
            raise ValueError

        with pytest.raises(ValueError) as caught:
            fail(SECRET[::-1][::-1], Half())

        assert Sentinels([SECRET]).found_in_error(caught.value)

    def test_clean_error(self):
        """
        An error that holds nothing is not blamed.
        """
        error = ValueError("nothing")

        assert Sentinels([SECRET]).found_in_error(error) == []
        assert "ValueError" in anatomy(error)

    def test_group_and_circle(self):
        """
        Groups are opened, and a circle of causes ends.
        """
        inner = ValueError(SECRET)
        inner.__context__ = KeyError()
        inner.__context__.__context__ = inner

        group = ExceptionGroup("several", [inner])

        assert Sentinels([SECRET]).found_in_error(group)


class TestLogged:
    """
    What every logger says.
    """

    def test_all_of_it(self):
        """
        Texts, arguments, extra fields and exceptions are taken down, below
        any level.
        """
        logger = logging.getLogger("consentkit-testing-probe")
        logger.setLevel(logging.ERROR)
        with logged() as lines:
            logger.debug("one %s", "argument-1", extra={"more": "extra-1"})
            logger.debug("two", exc_info=ValueError("raised-1"))
        logger.error("three")
        said = "\n".join(lines)

        for text in ("one argument-1", "extra-1", "raised-1"):
            assert text in said
        assert "three" not in said
        assert logger.level == logging.ERROR


# Conformance: a good source, and one that breaks each rule.


class Good(LocationSource):
    """
    A source that does as it should.
    """

    id = "good"
    name = "a good source"
    touches = "nothing"

    def _read(self, permit, **_):
        return Fix(latitude=48.8583701, longitude=12.2944813)


class Nameless(Good):
    """
    It does not say what it touches.
    """

    touches = ""


class Shouting(Good):
    """
    Its id is no short name.
    """

    id = "Not An Id"


class Invented(Good):
    """
    Its data type is none of the vocabulary.
    """

    data_types = frozenset({"location_precise", "mood"})


class Elsewhere(Good):
    """
    It works on a platform that there is not.
    """

    platforms = frozenset({"windows"})


class Hasty(Good):
    """
    It opens its file when it is made.
    """

    def __init__(self) -> None:
        Path(__file__).read_bytes()


class Open(Good):
    """
    It has a door of its own, without a check.
    """

    def read(self, permit, **_):  # type: ignore[override,misc]
        return self._read(permit)


class Uncounted(Good):
    """
    It hides how often it was read.
    """

    reads = 0  # type: ignore[assignment]


class Empty(Good):
    """
    It gives nothing, and calls it a value.
    """

    def _read(self, permit, **_):
        return None


class Wordless(Good):
    """
    It does not say why there is no value.
    """

    def _read(self, permit, **_):
        return Unavailable(permit.clause.type, "")


class Confused(Good):
    """
    It speaks of another type than it was asked for.
    """

    def _read(self, permit, **_):
        return Unavailable("imei", "there is none")


class Talkative(Good):
    """
    It logs what it read.
    """

    def _read(self, permit, **_):
        logging.getLogger("talkative").debug("at %s", 48.8583701)
        return Fix(latitude=48.8583701, longitude=12.2944813)


class Boastful(Good):
    """
    It shows in its repr what it read.
    """

    last = ""

    def _read(self, permit, **_):
        self.last = "48.8583701"
        return Fix(latitude=48.8583701, longitude=12.2944813)

    def __repr__(self) -> str:
        return f"<Boastful, last at {self.last}>"


class Slow(Good):
    """
    It takes its time.
    """

    def _read(self, permit, **_):
        time.sleep(1.5)
        return Fix(latitude=1, longitude=2)


class Endless(Good):
    """
    It says that it takes as long as it takes.
    """

    timeout_seconds = float("inf")


class Childless(Good):
    """
    It reads in the process only that made it.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()

    def _read(self, permit, **_):
        while os.getpid() != self._pid:
            time.sleep(0.1)
        return Fix(latitude=1, longitude=2)


BREAKS = [
    (Nameless, "test_says_what_it_is"),
    (Shouting, "test_says_what_it_is"),
    (Invented, "test_says_what_it_is"),
    (Elsewhere, "test_says_what_it_is"),
    (Endless, "test_says_what_it_is"),
    (Hasty, "test_making_it_touches_nothing"),
    (Open, "test_keeps_the_promise_of_the_base"),
    (Uncounted, "test_keeps_the_promise_of_the_base"),
    (Open, "test_no_permit_no_read"),
    (Open, "test_dead_permit_no_read"),
    (Open, "test_withdrawn_permit_no_read"),
    (Open, "test_permit_for_something_else_no_read"),
    (Open, "test_is_not_asked_too_often"),
    (Open, "test_reads_again"),
    (Empty, "test_gives_a_value_or_says_why_not"),
    (Wordless, "test_gives_a_value_or_says_why_not"),
    (Confused, "test_gives_a_value_or_says_why_not"),
    (Slow, "test_gives_a_value_or_says_why_not"),
    (Slow, "test_reads_again"),
    (Talkative, "test_shows_no_part_of_the_value"),
    (Boastful, "test_shows_no_part_of_the_value"),
    (Childless, "test_reads_after_a_fork"),
]


def _in_thread(work: Callable[[], None]) -> None:
    """
    Do *work* in a thread, and raise what it raises.
    """
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def _names(suite: type) -> list[str]:
    return [name for name in dir(suite) if name.startswith("test_")]


def _suite(base: type, source: type[Source[Any]], **more: Any) -> Any:
    made = type("Suite", (base,), {"make_source": lambda _: source(), **more})
    return made()


class TestSourceConformance:
    """
    The suite for sources.
    """

    @pytest.mark.parametrize("name", _names(SourceConformance))
    def test_good(self, name):
        """
        A source that does as it should passes each test.
        """
        getattr(_suite(SourceConformance, Good), name)()

    @pytest.mark.parametrize(("source", "name"), BREAKS)
    def test_bad(self, source, name):
        """
        A source that breaks a rule fails the test of that rule.
        """
        suite = _suite(SourceConformance, source, within_seconds=1.0)
        with pytest.raises(AssertionError):
            getattr(suite, name)()

    @pytest.mark.parametrize("where", ["main thread", "another thread"])
    @pytest.mark.parametrize(
        "name",
        ["test_gives_a_value_or_says_why_not", "test_reads_after_a_fork"],
    )
    def test_hangs(self, tmp_path, monkeypatch, name, where):
        """
        A source that hangs is broken off, and fails; the test ends.
        """
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        monkeypatch.setattr(testing_source, "_AROUND_SECONDS", 5.0)

        class Hanging(Good):
            timeout_seconds = None

            def _read(self, permit, **_):
                pipe.read_text()  # as nobody thought of

        suite = _suite(SourceConformance, Hanging, within_seconds=0.5)
        test = getattr(suite, name)
        begun = time.monotonic()
        with pytest.raises(AssertionError, match=r"did not end in"):
            test() if where == "main thread" else _in_thread(test)
        with suppress(OSError):  # whoever still waits may go
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))

        assert time.monotonic() - begun < 60

    def test_other_alarms(self):
        """
        Somebody else's timer goes on behind a read.
        """
        heard = []
        before = signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            _suite(SourceConformance, Good).test_reads_again()
            end = time.monotonic() + 30
            while not heard:
                assert time.monotonic() < end
                time.sleep(0.01)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def test_each_test_has_a_source_that_fails_it(self):
        """
        There is no test in the suite that nothing fails, but for the kit's
        own refusal, which no source can break.
        """
        shown = {name for _, name in BREAKS}

        assert {*_names(SourceConformance)} - shown == {
            "test_refused_function_no_read"
        }

    def test_without_a_source(self):
        """
        A suite that makes no source says so.
        """
        with pytest.raises(NotImplementedError):
            SourceConformance().test_says_what_it_is()

    def test_unittest(self):
        """
        With `unittest.TestCase` beside it, the suite runs there too.
        """

        class Case(SourceConformance, unittest.TestCase):
            def make_source(self) -> Source[Any]:
                return Good()

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)

        assert result.testsRun == len(_names(SourceConformance))
        assert result.wasSuccessful(), result.failures + result.errors

    def test_child_tells_what_failed(self):
        """
        What fails in a forked child is told by the parent.
        """

        class Broken(Good):
            def _read(self, permit, **_):
                self._reads += 5
                return Fix(latitude=1, longitude=2)

        suite = _suite(SourceConformance, Broken)
        with pytest.raises(AssertionError, match="in a forked child"):
            suite.test_reads_after_a_fork()


class Gone(Good):
    """
    A source that says rightly that there is nothing.
    """

    def _read(self, permit, **_):
        return Unavailable(permit.clause.type, "it is gone")


class Telling(Good):
    """
    A source that quotes what it could not read.
    """

    def _read(self, permit, **_):
        return Unavailable(permit.clause.type, f"cannot read {SECRET}")


class SlowlyGone(Gone):
    """
    A source that says too late that there is nothing.
    """

    def _read(self, permit, **_):
        time.sleep(1.5)
        return Unavailable(permit.clause.type, "it is gone")


class TestBadSourceConformance:
    """
    The suite for sources with a bad far side.
    """

    @pytest.mark.parametrize("name", _names(BadSourceConformance))
    def test_good(self, name):
        """
        A source that says why there is nothing passes each test.
        """
        getattr(_suite(BadSourceConformance, Gone, planted=[SECRET]), name)()

    @pytest.mark.parametrize(
        ("source", "name"),
        [
            (Good, "test_says_why_there_is_no_value"),
            (Confused, "test_says_why_there_is_no_value"),
            (Wordless, "test_says_why_there_is_no_value"),
            (SlowlyGone, "test_says_why_there_is_no_value"),
            (Telling, "test_shows_nothing_of_what_is_there"),
            (Good, "test_is_as_bad_the_next_time"),
            (SlowlyGone, "test_is_as_bad_the_next_time"),
        ],
    )
    def test_bad(self, source, name):
        """
        A source that makes something up, or tells it, fails.
        """
        suite = _suite(
            BadSourceConformance, source, planted=[SECRET], within_seconds=1.0
        )
        with pytest.raises(AssertionError):
            getattr(suite, name)()


def test_needs_no_test_runner():
    """
    Importing it loads no pytest, and puts in no audit hook.
    """
    program = (
        "import sys, threading\n"
        "hooks = []\n"
        "sys.addaudithook(lambda e, _: hooks.append(e) "
        "if e == 'sys.addaudithook' else None)\n"
        "import consentkit.testing\n"
        "print('pytest' in sys.modules, hooks, threading.active_count())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == "False [] 1\n"
