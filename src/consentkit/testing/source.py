# SPDX-License-Identifier: MIT
"""
What every source must do, as tests to inherit from.

A class of tests says how its source is made, and inherits the rest::

    class TestLogger(SourceConformance):
        def make_source(self):
            return LoggerSource("logger.txt")

For the same source with a bad far side (damaged, lying, hanging, gone) there
is `BadSourceConformance`.

Each test makes sources of its own. What they read (a file, a daemon) is set
up before: with pytest in a fixture of the class that is used by itself
(``autouse=True``), with `unittest` in ``setUp``.

A read that hangs is broken off, and fails its test: in the main thread by the
signal ``SIGALRM``, elsewhere by leaving it to a thread of its own. What hangs
in native code is broken off by neither.
"""

from __future__ import annotations

import math
import os
import re
import signal
import threading
import time
import warnings

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from types import FrameType
from typing import Any, Final, TypeVar

import attrs

from attrs import frozen

from consentkit.collectors._interval import LastReads, share_interval
from consentkit.collectors.location import LocationSource
from consentkit.collectors.source import Source, Unavailable
from consentkit.exceptions import DeadPermitError, ForgedPermitError
from consentkit.gate import Permit, Refusal
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.testing.permits import FUNCTION, Protect, kit_for, permit_for
from consentkit.testing.sentinels import Sentinels, anatomy, logged
from consentkit.testing.touches import touched


__all__ = ["PLATFORMS", "BadSourceConformance", "SourceConformance"]

#: The words of a policy for where an app runs.
PLATFORMS: Final = frozenset({"android", "ios", "web", "iot", "desktop"})

T = TypeVar("T")

_ID: Final = re.compile("[a-z][a-z0-9_]*")

#: What is done around a read, on a machine that is busy.
_AROUND_SECONDS: Final = 30.0


@frozen(kw_only=True)
class _Told:
    """
    What a read gave, and what was said meanwhile.
    """

    answer: Any = attrs.field(repr=False)
    seconds: float
    said: str = attrs.field(repr=False)


class _Conformance:
    """
    What both suites build on.

    Attributes:
        within_seconds: How long one read may take, all in all.

        protect: By data type what the policy does to it, as a policy
            document has it. By default the clipboard's texts are taken by
            all intents, and everything else stays on the device: a source
            gives the raw value either way.
    """

    within_seconds: float = 30.0
    protect: Mapping[str, Protect] = {}

    def make_source(self) -> Source[Any]:
        """
        Make the source; nothing else is done here.
        """
        raise NotImplementedError

    def _eager(self) -> Source[Any]:
        """
        Make one that may be asked at once, whatever was asked before.
        """
        source = self.make_source()
        source.min_interval_seconds = 0.0
        return source

    def _types(self) -> Sequence[str]:
        return sorted(self.make_source().data_types)

    def _read(self, source: Source[Any], data_type: str) -> _Told:
        """
        Read once, under a permit that dies with the read.
        """
        if _has_alarm():
            return self._told(source, data_type, _interrupted)
        seconds = self.within_seconds + _AROUND_SECONDS
        return _left_alone(
            lambda: self._told(source, data_type, lambda work, _: work()),
            seconds,
        )

    def _told(
        self,
        source: Source[Any],
        data_type: str,
        bounded: Callable[[Callable[[], Any], float], Any],
    ) -> _Told:
        protect = self.protect.get(data_type)
        with permit_for(data_type, protect=protect) as permit, logged() as log:
            # As a use reads it: in one of the scenes, where there are some.
            scenes = permit.clause.scenes
            how = {"scene": scenes[0]} if scenes else {}
            start = time.monotonic()
            answer = bounded(
                lambda: source.read(permit, **how), self.within_seconds
            )
            seconds = time.monotonic() - start
        said = [*log, repr(source), str(source), source.name]
        if isinstance(answer, Unavailable):
            said += [repr(answer), str(answer)]
        return _Told(answer=answer, seconds=seconds, said="\n".join(said))

    def _check_in_time(self, told: _Told) -> None:
        assert told.seconds < self.within_seconds, (
            f"a read took {told.seconds:.1f} s of {self.within_seconds:g} s"
        )


class SourceConformance(_Conformance):
    """
    Tests for a source whose far side works.

    Whether there is a value does not matter: a machine without a battery
    gives `Unavailable`, and that is right.

    .. versionadded:: 26.1.0
    """

    def test_says_what_it_is(self) -> None:
        """
        It has an id, a name, data types of the vocabulary, what a read
        touches, and platforms that there are.
        """
        source = self.make_source()
        assert isinstance(source, Source), "it derives from consentkit.Source"
        assert _ID.fullmatch(source.id), "id: a short name, such as gpsd"
        assert source.name.strip(), "name: what it is, for people"
        assert source.touches.strip(), "touches: what a read touches"
        assert isinstance(source.visible, str), "visible: a text, or empty"
        assert source.platforms <= PLATFORMS, f"of {sorted(PLATFORMS)}"
        assert source.data_types, "data_types: what it gives"
        unknown = source.data_types - load_vocabulary().data_types.keys()
        assert not unknown, f"not in the vocabulary: {sorted(unknown)}"
        if not source.data_types.isdisjoint(LocationSource.data_types):
            assert isinstance(source, LocationSource), (
                "a place: derive from LocationSource, which refuses fixes "
                "that are too old, or less exact than what is promised"
            )
        assert 0 <= source.min_interval_seconds < math.inf, (
            "min_interval_seconds: zero or more"
        )
        seconds = source.timeout_seconds
        assert seconds is None or 0 < seconds < math.inf, (
            "timeout_seconds: more than zero, or None"
        )

    def test_keeps_the_promise_of_the_base(self) -> None:
        """
        The door of all reads is the base's own.
        """
        kind = type(self.make_source())
        for name in ("read", "reads"):
            assert getattr(kind, name) is getattr(Source, name), (
                f"{name} is not for a source to replace; write _read"
            )

    def test_making_it_touches_nothing(self) -> None:
        """
        A source that is made, named and printed has opened, started and
        connected to nothing.
        """
        self.make_source()  # what is imported for it is imported now
        with touched() as seen:
            source = self.make_source()
            str((source.data_types, source.name, source))
        assert seen == [], "it is done before a read"
        assert source.reads == 0

    def test_no_permit_no_read(self) -> None:
        """
        What is no permit of the gate is refused before anything is touched.
        """
        blank = object.__new__(Permit)
        for forged in (None, True, "permit", object(), blank):
            self._check_refused(forged, ForgedPermitError)

    def test_dead_permit_no_read(self) -> None:
        """
        A permit whose function is no longer in use is refused likewise.
        """
        for data_type in self._types():
            with permit_for(data_type) as permit:
                pass
            self._check_refused(permit, DeadPermitError)

    def test_withdrawn_permit_no_read(self) -> None:
        """
        A permit whose consent was withdrawn is refused, in the same use.
        """
        source = self.make_source()
        data_type = min(source.data_types)
        with kit_for(data_type) as kit, kit.use(FUNCTION) as use:
            permit = use.permit(data_type)
            assert isinstance(permit, Permit), str(permit)
            kit.consent.withdraw(FUNCTION, method="testing")
            _raises(DeadPermitError, lambda: source.read(permit))
        assert source.reads == 0

    def test_permit_for_something_else_no_read(self) -> None:
        """
        A genuine permit for a data type that it does not give is refused.
        """
        known = load_vocabulary().data_types
        other = min(known.keys() - self.make_source().data_types)
        with permit_for(other) as permit:
            self._check_refused(permit, ForgedPermitError)

    def test_refused_function_no_read(self) -> None:
        """
        Before the person has chosen, the kit refuses and does not read it.
        """
        source = self.make_source()
        data_type = min(source.data_types)
        with (
            kit_for(data_type, granted=False, sources=[source]) as kit,
            kit.use(FUNCTION) as use,
        ):
            answer = use.permit(data_type)
            assert isinstance(answer, Refusal), "nobody has said yes"
        assert source.reads == 0

    def test_gives_a_value_or_says_why_not(self) -> None:
        """
        Each read of each data type ends in time, with a value or with an
        `Unavailable` of that type that has a reason; and is counted.
        """
        for data_type in self._types():
            source = self._eager()
            told = self._read(source, data_type)
            assert told.answer is not None, "None is no value: Unavailable"
            if isinstance(told.answer, Unavailable):
                assert told.answer.data_type == data_type
                assert told.answer.reason.strip(), "it says why"
            self._check_in_time(told)
            assert source.reads == 1

    def test_shows_no_part_of_the_value(self) -> None:
        """
        Neither its texts nor any log hold what was read.
        """
        for data_type in self._types():
            told = self._read(self._eager(), data_type)
            if not isinstance(told.answer, Unavailable):
                planted = Sentinels(_texts(told.answer))
                assert planted.found_in(told.said) == []

    def test_is_not_asked_too_often(self) -> None:
        """
        Asked again within its interval, it is not read again.
        """
        source = self.make_source()
        data_type = min(source.data_types)
        # Another test may have asked the same place.
        share_interval(source, LastReads())
        # No machine is so slow that it has passed meanwhile.
        source.min_interval_seconds = 86_400.0
        self._read(source, data_type)
        again = self._read(source, data_type)
        assert isinstance(again.answer, Unavailable)
        assert source.reads == 1

    def test_reads_again(self) -> None:
        """
        A second read is as good as the first, and counted.
        """
        source = self._eager()
        for _ in range(2):
            self._check_in_time(self._read(source, min(source.data_types)))
        assert source.reads == 2

    def test_reads_after_a_fork(self) -> None:
        """
        In a forked child it reads as in its parent, in time.
        """
        source = self._eager()
        data_type = min(source.data_types)
        self._read(source, data_type)
        if not hasattr(os, "fork"):
            return  # there is nothing to survive

        def work() -> None:
            self._check_in_time(self._read(source, data_type))
            assert source.reads == 2

        _in_child(work, self.within_seconds + 30)

    def _check_refused(self, permit: object, error: type[Exception]) -> None:
        source = self.make_source()
        read: Callable[[Any], object] = source.read
        with touched() as seen:
            _raises(error, lambda: read(permit))
        assert seen == [], "it was touched before the permit was checked"
        assert source.reads == 0


class BadSourceConformance(_Conformance):
    """
    Tests for a source whose far side is bad: damaged, lying, hanging, gone.

    Attributes:
        planted: Texts of five or more characters that lie at the far side,
            and must not get out.

    .. versionadded:: 26.1.0
    """

    planted: Sequence[str | float] = ()

    def test_says_why_there_is_no_value(self) -> None:
        """
        Each read ends in time with an `Unavailable` of its type that has a
        reason; nothing is raised and nothing is made up.
        """
        for data_type in self._types():
            told = self._read(self._eager(), data_type)
            assert isinstance(told.answer, Unavailable), "a value was made up"
            assert told.answer.data_type == data_type
            assert told.answer.reason.strip(), "it says why"
            self._check_in_time(told)

    def test_shows_nothing_of_what_is_there(self) -> None:
        """
        Neither the reason nor any log holds what lies at the far side.
        """
        planted = Sentinels(self.planted)
        for data_type in self._types():
            told = self._read(self._eager(), data_type)
            assert planted.found_in(told.said) == []

    def test_is_as_bad_the_next_time(self) -> None:
        """
        A second read is no worse than the first.
        """
        source = self._eager()
        for _ in range(2):
            told = self._read(source, min(source.data_types))
            assert isinstance(told.answer, Unavailable)
            self._check_in_time(told)
        assert source.reads == 2


def _raises(error: type[Exception], work: Callable[[], object]) -> None:
    try:
        work()
    except error:
        return
    msg = f"it does not raise {error.__name__}"
    raise AssertionError(msg)


def _texts(value: object) -> Iterator[str | float]:
    """
    Give the parts of a value that are long enough to be looked for.
    """
    match value:
        case bool() | None:
            return
        case str() | int() | float():
            parts: Sequence[object] = ()
            if len(str(value).strip()) >= 5:
                yield value
        case bytes():
            parts = [value.decode(errors="replace")]
        case date():
            parts = [value.isoformat()]
        case Mapping():
            parts = [*value.keys(), *value.values()]
        case Sequence() | set() | frozenset():
            parts = [*value]
        case _ if attrs.has(type(value)):
            kind: Any = type(value)
            parts = [getattr(value, f.name) for f in attrs.fields(kind)]
        case _:
            parts = [*getattr(value, "__dict__", {}).values()]
    for part in parts:
        yield from _texts(part)


class _LateError(BaseException):
    """
    The read did not end; no source may take it for a fault of its own.
    """


def _has_alarm() -> bool:
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and hasattr(signal, "setitimer")


def _interrupted(work: Callable[[], T], seconds: float) -> T:
    """
    Do *work* in this thread, and break it off when it is late.
    """

    def break_off(_signal: int, _frame: FrameType | None) -> None:
        raise _LateError

    start = time.monotonic()
    before = signal.signal(signal.SIGALRM, break_off)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        try:
            return work()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _LateError:
        pass
    finally:
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)
        if left:  # somebody else's, as of a test runner
            left = max(0.001, left - (time.monotonic() - start))
            signal.setitimer(signal.ITIMER_REAL, left, interval)
    msg = f"a read did not end in {seconds:g} s"
    raise AssertionError(msg)


def _left_alone(work: Callable[[], T], seconds: float) -> T:
    """
    Do *work* in a thread, which is left to itself when it is late.
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    assert done, f"a read did not end in {seconds:g} s"
    return done[0]


def _in_child(work: Callable[[], None], seconds: float) -> None:
    """
    Do *work* in a forked child; fail if it fails, or is not done in time.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns where there are threads: that is what is tried.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(reader)
        status = 1
        try:
            work()
            status = 0
        except BaseException as error:  # noqa: BLE001 - told by the parent
            os.write(writer, anatomy(error).encode()[-60_000:])
        finally:
            os._exit(status)
    os.close(writer)
    done = _wait(pid, time.monotonic() + seconds)
    with os.fdopen(reader, errors="replace") as told:
        said = told.read()
    assert done is not None, f"a forked child did not end in {seconds:g} s"
    assert done == 0, f"in a forked child:\n{said}"


def _wait(pid: int, deadline: float) -> int | None:
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None
