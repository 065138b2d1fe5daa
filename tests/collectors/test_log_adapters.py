# SPDX-License-Identifier: MIT

"""
Tests for the adapters for structlog and loguru, with the real libraries.
"""

from __future__ import annotations

import io
import subprocess
import sys
import time

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.collectors.log_adapters import LoguruSink, StructlogProcessor
from consentkit.collectors.logs import LogCounts
from tests.collectors.test_logs import (
    LINES,
    PLANTED,
    SECRETS,
    Hostile,
    find_planted,
    kept,
    on_disk,
)
from tests.needs import need_library
from tests.support import make_kit


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[consentkit.Kit]:
    """
    Give a kit whose logs are granted.
    """
    with make_kit(tmp_path, "logs") as made:
        yield made


@pytest.fixture
def structlog() -> Any:
    """
    Give structlog.
    """
    need_library("structlog")
    import structlog

    return structlog


@pytest.fixture
def loguru() -> Iterator[Any]:
    """
    Give loguru's logger without any sink.
    """
    need_library("loguru")
    from loguru import logger

    logger.remove()
    yield logger
    logger.remove()


class Seen:
    """
    The last processor: keeps what it got, and prints nothing.
    """

    def __init__(self, structlog: Any) -> None:
        self.events: list[Any] = []
        self._drop = structlog.DropEvent

    def __call__(self, _: object, __: str, event_dict: Any) -> Any:
        self.events.append(event_dict)
        raise self._drop


def make_logger(structlog: Any, *processors: Any) -> Any:
    """
    Give a logger of structlog with these processors.
    """
    return structlog.wrap_logger(
        structlog.PrintLogger(io.StringIO()),
        processors=processors,
        wrapper_class=structlog.BoundLogger,
    )


class TestStructlog:
    """
    Tests for the processor.
    """

    def test_keeps_a_scrubbed_copy(
        self, kit: consentkit.Kit, structlog: Any
    ) -> None:
        """
        Event, level and fields are kept; what is personal in them is not.
        """
        processor = kit.structlog_processor("logs")
        log = make_logger(
            structlog,
            structlog.processors.add_log_level,
            processor,
            Seen(structlog),
        )
        log.bind(user="ann.lee@example.com").warning(
            "code sent to 13800138000", tries=3, took=1.5, done=True
        )

        assert kept(kit) == [
            {
                "message": "code sent to <MOBILE_CN>",
                "level": "warning",
                "logger": "",
                "user": "<EMAIL>",
                "tries": 3,
                "took": 1.5,
                "done": True,
            }
        ]
        (record,) = kit.store.inspect()
        assert record.data_type == "service_log"
        assert processor.counts == LogCounts(captured=1)

    def test_gives_the_event_on_unchanged(
        self, kit: consentkit.Kit, structlog: Any
    ) -> None:
        """
        The next processor gets the very same dict with the same values.
        """
        event = {"event": "to 13800138000", "nested": {"mail": ["a@b.cn"]}}
        before = repr(event)
        given = kit.structlog_processor("logs")(None, "info", event)

        assert given is event
        assert repr(event) == before
        assert len(kept(kit)) == 1

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize("name", LINES)
    def test_nothing_personal_is_kept(
        self, kit: consentkit.Kit, tmp_path: Path, structlog: Any, name: str
    ) -> None:
        """
        Phone, mail, IMEI, MAC, identity number and token are in no record
        and not on disk, as event, value, nested value or key.
        """
        secret = SECRETS[name.partition(",")[0]]
        log = make_logger(
            structlog, kit.structlog_processor("logs"), Seen(structlog)
        )
        log.info(LINES[name])
        log.info("event", value=LINES[name])
        log.info("event", value={"deep": [{"deeper": (LINES[name],)}]})
        log.info("event", value={LINES[name][:60]: 1, secret[:60]: 2})

        assert len(kept(kit)) == 4
        assert secret not in str(kept(kit))
        assert secret.encode() not in on_disk(tmp_path)

    @pytest.mark.parametrize(
        "fields",
        [
            {"password": "correct horse"},
            {"user": {"password": "hunter2hunter2"}},
            {"password": ["hunter2hunter2"]},
            {"phone": 13800138000},
            {"latitude": 48.8583701, "longitude": 12.2944813},
            {"imei": 490154203237518},
        ],
        ids=["text", "nested", "list", "number", "place", "imei"],
    )
    def test_a_name_tells_what_a_value_is(
        self, kit: consentkit.Kit, structlog: Any, fields: dict
    ) -> None:
        """
        A value that only its name makes a secret is found, as are numbers
        that are no text.
        """
        log = make_logger(
            structlog, kit.structlog_processor("logs"), Seen(structlog)
        )
        log.info("event", **fields)

        told = str(kept(kit))
        for secret in ("horse", "hunter2", "13800138000", "48.858", "4901542"):
            assert secret not in told
        assert len(kept(kit)) == 1

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize(
        "name",
        [
            *("pw", "auth", "session", "otp", "pin", "passcode", "cookie"),
            *("set_cookie", "csrf", "signature", "key", "cvv", "secret"),
            *("Authorization", "x-api-key", "userPIN", "PINCode", "cvv2"),
            *("csrfToken", "sid", "jwt", "db_pw_old", "ssn", "验证码"),
            *("l" * 70 + "password", b"password"),
        ],
    )
    def test_names_of_secrets(
        self, kit: consentkit.Kit, structlog: Any, name: str | bytes
    ) -> None:
        """
        What stands under the name of a secret goes whole, whatever it is.
        """
        log = make_logger(
            structlog, kit.structlog_processor("logs"), Seen(structlog)
        )
        values: list[object] = [
            "open sesame now",
            "Tr0ub4dor&3",
            "8f14e45fceea167a5a36dedd4bea2543",
            78051120,
            ["8f14e45f", "ceea167a"],
            {"id": "8f14e45fceea167a"},
        ]
        log.info("event", body=[{name: value} for value in values])

        (told,) = kept(kit)
        del told["message"], told["level"], told["logger"]
        assert [*told.values()] == ["<SECRET_VALUE>"] * len(values)

    @pytest.mark.parametrize(
        "fields",
        [
            {"author": "Ann", "monkey": 1, "keyboard": "us", "keys": 3},
            {"passengers": 3, "pinned": 2, "design": "x", "sort": "key"},
            {"auth": True, "session": False},
            {"rgb": [255, 128, 0], "size": [1920, 1080], "v": [3, 11, 9]},
            {"took": [0.25, 0.5], "hist": [1, 2, 3, 4, 5, 6, 7, 8]},
            {"names": ["name", "value"], "pair": ["name", "Ann"]},
            {"user": {"name": "session_manager", "tries": 4}},
        ],
        ids=["words", "parts", "flags", "lists", "times", "pairs", "name"],
    )
    def test_names_of_no_secrets(
        self, kit: consentkit.Kit, structlog: Any, fields: dict
    ) -> None:
        """
        Names and lists that are only like those of secrets stay.
        """
        log = make_logger(
            structlog, kit.structlog_processor("logs"), Seen(structlog)
        )
        log.info("event", **fields)

        assert "<" not in str(kept(kit))

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize(
        "value",
        [
            {"name": "password", "value": "wolfsbane"},
            {"Key": "Cookie", "Value": ["wolfsbane"]},
            [("Set-Cookie", "wolfsbane"), ("Accept", "any")],
            {"headers": [[b"authorization", "wolfsbane"]]},
            ("token", {"it": "wolfsbane"}),
        ],
        ids=["mapping", "capitals", "pairs", "bytes", "nested"],
    )
    def test_names_beside_their_values(
        self, kit: consentkit.Kit, structlog: Any, value: object
    ) -> None:
        """
        A name that stands beside its value tells what that is, too.
        """
        log = make_logger(
            structlog, kit.structlog_processor("logs"), Seen(structlog)
        )
        log.info("event", it=value)

        (told,) = kept(kit)
        assert "wolfsbane" not in str(told)
        assert "<SECRET_VALUE>" in told.values()

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize(
        ("name", "parts", "told"),
        [
            ("card", [4111, 1111, 1111, 1111], "<BANK_CARD>"),
            ("to", ["4111", "1111", "1111", "1111"], "<BANK_CARD>"),
            ("phone", ["139", "0555", "0148"], "<MOBILE_CN>"),
            ("to", ("139", "05550148"), "<MOBILE_CN>"),
            ("digits", [*map(int, "13905550148")], "<MOBILE_CN>"),
            ("iban", ["DE89", "3704", "0044", "0532", "0130", "00"], "<IBAN>"),
            ("peer", [203, 0, 113, 7], "<IPV4>"),
            ("place", [48.117312, 11.516667], "<GEO_POINT>"),
        ],
    )
    def test_numbers_in_parts(
        self,
        kit: consentkit.Kit,
        structlog: Any,
        name: str,
        parts: object,
        told: str,
    ) -> None:
        """
        A number that is told as a list of its groups is found.
        """
        log = make_logger(
            structlog, kit.structlog_processor("logs"), Seen(structlog)
        )
        log.info("event", body={name: parts})

        (value,) = kept(kit)
        assert value[f"body.{name}"] == told

    @pytest.mark.obligation("WP-LOG-2")
    @pytest.mark.parametrize("reasons", [False, True])
    def test_text_of_an_exception_has_to_be_asked_for(
        self,
        kit: consentkit.Kit,
        loguru: Any,
        reasons: bool,  # noqa: FBT001
    ) -> None:
        """
        The text of an exception is kept, scrubbed, if the app asks for it.
        """
        processor = kit.structlog_processor("logs", reasons=reasons)
        kit.loguru_sink("logs", reasons=reasons).add_to(loguru)
        error = ValueError("Dear diary, 13905550148")
        processor(None, "error", {"event": "boom", "exc_info": error})
        loguru.opt(exception=error).error("boom")

        wanted = "Dear diary, <MOBILE_CN>" if reasons else None
        assert [v.get("reason") for v in kept(kit)] == [wanted, wanted]
        assert [v["exception"] for v in kept(kit)] == ["ValueError"] * 2

    @pytest.mark.obligation("WP-LOG-2")
    @pytest.mark.parametrize("form", ["flag", "error", "tuple"])
    def test_exceptions(
        self, kit: consentkit.Kit, structlog: Any, form: str
    ) -> None:
        """
        In each form that structlog hands exceptions on, the class and the
        frames are kept, as a crash, and no local.
        """
        log = make_logger(
            structlog, kit.structlog_processor("logs"), Seen(structlog)
        )

        def fail(password: str) -> None:
            msg = "call 13800138000"
            raise LookupError(msg, password[:0])

        try:
            fail("hunter2sentinel")
        except LookupError as error:
            given: Any = {
                "flag": True,
                "error": error,
                "tuple": sys.exc_info(),
            }[form]
            log.error("boom", exc_info=given)  # noqa: TRY400 - three forms

        (value,) = kept(kit)
        (record,) = kit.store.inspect()
        assert record.data_type == "crash_log"
        assert value["exception"] == "LookupError"
        assert value["trace"].startswith("test_log_adapters.py:")
        assert value["trace"].split(" < ")[0].endswith(" fail")
        assert "hunter2" not in str(value)
        assert "13800138000" not in str(value)

    def test_rendered_tracebacks_are_left_out(
        self, kit: consentkit.Kit, structlog: Any
    ) -> None:
        """
        What structlog has rendered already, with locals, is not kept.
        """
        log = make_logger(
            structlog,
            structlog.processors.dict_tracebacks,
            structlog.processors.StackInfoRenderer(),
            kit.structlog_processor("logs"),
            Seen(structlog),
        )

        def fail(word: str) -> None:
            raise LookupError(len(word))

        try:
            fail("wolfsbane")
        except LookupError:
            log.exception("boom", stack_info=True)

        (value,) = kept(kit)
        assert value == {"message": "boom", "level": "exception", "logger": ""}

    def test_only_named_fields(
        self, kit: consentkit.Kit, structlog: Any
    ) -> None:
        """
        An app can close the list of fields.
        """
        processor = kit.structlog_processor("logs", fields=["tries"])
        log = make_logger(structlog, processor, Seen(structlog))
        log.info("event", tries=1, name="Ann Lee")

        assert kept(kit) == [
            {"message": "event", "level": "info", "logger": "", "tries": 1}
        ]

    def test_one_text_is_no_list_of_fields(self, kit: consentkit.Kit) -> None:
        """
        A text in the place of names would be taken letter by letter.
        """
        with pytest.raises(TypeError, match="collection of names"):
            kit.structlog_processor("logs", fields="tries")

    def test_objects_are_not_asked(
        self, kit: consentkit.Kit, structlog: Any
    ) -> None:
        """
        An object is kept as its class; its text may cost, fail or tell.
        """
        hostile = Hostile()
        log = make_logger(
            structlog, kit.structlog_processor("logs"), Seen(structlog)
        )
        log.info("event", order=hostile, raw=b"\0\1", by={hostile: 1})

        (value,) = kept(kit)
        assert value["order"] == "(Hostile)"
        assert value["raw"] == "(bytes)"
        assert value["by.field"] == 1
        assert hostile.tries == 0

    def test_texts_with_ideas_of_their_own(
        self, kit: consentkit.Kit, structlog: Any
    ) -> None:
        """
        Of a text or number with its own way of being written the plain
        value is taken.
        """

        class Loud(str):
            __slots__ = ()

            def __str__(self) -> str:
                raise RuntimeError

            __repr__ = __format__ = __str__  # type: ignore[assignment]

        class Odd(int):
            def __str__(self) -> str:
                raise RuntimeError

            __repr__ = __int__ = __str__  # type: ignore[assignment]

        log = make_logger(
            structlog, kit.structlog_processor("logs"), Seen(structlog)
        )
        log.info("event", a=Loud("to 13800138000"), b=Odd(3))

        (value,) = kept(kit)
        assert (value["a"], value["b"]) == ("to <MOBILE_CN>", 3)

    @pytest.mark.parametrize(
        "make",
        [
            lambda: {"text": "x " * 500_000},
            lambda: {"text": "13800138000" * 90_000},
            lambda: dict.fromkeys(map(str, range(100_000)), 1),
            lambda: {"list": list(range(1_000_000))},
            lambda: {"deep": _deep(100_000)},
            lambda: {"wide": _wide(5)},
            lambda: {"self": _circle()},
            lambda: {"number": 10**5000},
            lambda: {"float": float("inf")},
            lambda: {"half": "\udcff" * 10},
            lambda: {"k" * 100_000: 1},
        ],
        ids=[
            "long",
            "digits",
            "many",
            "list",
            "deep",
            "wide",
            "circle",
            "number",
            "infinite",
            "half",
            "key",
        ],
    )
    def test_any_structure_takes_bounded_time(
        self,
        kit: consentkit.Kit,
        make: Callable[[], dict[str, Any]],
    ) -> None:
        """
        Long, wide, deep and circular structures are cut, and kept or
        counted, soon.
        """
        event = {"event": "hello", **make()}
        processor = kit.structlog_processor("logs")
        start = time.process_time()
        processor(None, "info", event)

        assert time.process_time() - start < 10
        counts = processor.counts
        assert counts.captured + counts.failed == 1
        for value in kept(kit):
            assert len(str(value)) < 40_000
            assert len(value) < 100

    def test_says_that_fields_were_cut(self, kit: consentkit.Kit) -> None:
        """
        A record from which fields were left out says so.
        """
        processor = kit.structlog_processor("logs")
        processor(None, "info", {"event": "x", "many": list(range(500))})

        (value,) = kept(kit)
        assert value["fields_cut"] is True

    @pytest.mark.parametrize(
        "event", [None, 7, {}, {"event": None}, {1: 2}, [("event", "x")]]
    )
    def test_odd_events(self, kit: consentkit.Kit, event: Any) -> None:
        """
        Whatever comes is given on, and kept or counted.
        """
        processor = kit.structlog_processor("logs")
        assert processor(None, "info", event) is event

        counts = processor.counts
        assert counts.captured + counts.failed == 1

    def test_is_not_even_looked_at_when_refused(self, tmp_path: Path) -> None:
        """
        Without a permit nothing of the event is written out or kept.
        """
        hostile = Hostile()
        with make_kit(tmp_path) as kit:
            processor = kit.structlog_processor("logs")
            error = ValueError(hostile)
            processor(None, "info", {"event": hostile, "exc_info": error})

            assert processor.counts == LogCounts(refused=1)
            assert hostile.tries == 0
            assert kept(kit) == []

    def test_withdrawal_stops_it(
        self, kit: consentkit.Kit, structlog: Any
    ) -> None:
        """
        What is logged after a withdrawal is dropped.
        """
        processor = kit.structlog_processor("logs")
        log = make_logger(structlog, processor, Seen(structlog))
        log.info("one")
        kit.consent.withdraw("logs")
        log.info("two")

        assert kept(kit) == []
        assert processor.counts == LogCounts(captured=1, refused=1)

    def test_own_records_are_left_out(
        self, kit: consentkit.Kit, structlog: Any
    ) -> None:
        """
        What consentkit's own logger says through structlog is left out.
        """
        processor = kit.structlog_processor("logs")
        log = make_logger(structlog, processor, Seen(structlog))
        log.info("ours", logger="consentkit.outbox")
        log.info("theirs", logger="consentkitten")

        assert [v["message"] for v in kept(kit)] == ["theirs"]
        assert processor.counts == LogCounts(captured=1)

    def test_repr_counts(self, kit: consentkit.Kit) -> None:
        """
        The repr names the function and the counts.
        """
        processor = kit.structlog_processor("logs")
        assert isinstance(processor, StructlogProcessor)
        assert repr(processor) == (
            "<StructlogProcessor for logs: "
            "LogCounts(captured=0, refused=0, failed=0)>"
        )


class TestLoguru:
    """
    Tests for the sink.
    """

    def add(self, kit: consentkit.Kit, loguru: Any, how: str) -> LoguruSink:
        """
        Add a sink in one of the two ways.
        """
        sink = kit.loguru_sink("logs")
        if how == "added":
            sink.add_to(loguru)
        else:
            loguru.add(sink)
        return sink

    @pytest.mark.parametrize("how", ["added", "plain"])
    def test_keeps_the_record_scrubbed(
        self, kit: consentkit.Kit, loguru: Any, how: str
    ) -> None:
        """
        Message, level, logger and bound fields are kept, scrubbed.
        """
        sink = self.add(kit, loguru, how)
        loguru.bind(user="ann.lee@example.com", tries=2).warning(
            "code sent to {}", "13800138000"
        )

        assert kept(kit) == [
            {
                "message": "code sent to <MOBILE_CN>",
                "level": "WARNING",
                "logger": __name__,
                "user": "<EMAIL>",
                "tries": 2,
            }
        ]
        assert sink.counts == LogCounts(captured=1)

    @pytest.mark.obligation("WP-LOG-2")
    @pytest.mark.parametrize("how", ["added", "plain"])
    def test_exceptions_keep_no_local(
        self, kit: consentkit.Kit, tmp_path: Path, loguru: Any, how: str
    ) -> None:
        """
        By itself loguru writes values of variables beside a traceback;
        they are not kept.
        """
        self.add(kit, loguru, how)

        def fail(word: str) -> None:
            raise LookupError(len(word))

        try:
            fail("wolfsbane")
        except LookupError:
            loguru.exception("boom")

        (value,) = kept(kit)
        (record,) = kit.store.inspect()
        assert record.data_type == "crash_log"
        assert value["exception"] == "LookupError"
        assert value["trace"].split(" < ")[0].endswith(" fail")
        assert "wolfsbane" not in str(value)
        assert b"wolfsbane" not in on_disk(tmp_path)

    def test_added_it_formats_nothing(
        self, kit: consentkit.Kit, loguru: Any
    ) -> None:
        """
        Added by `add_to`, loguru does not write out the traceback, which
        would ask the app's objects for their texts.
        """

        def fail(hostile: Hostile) -> None:
            raise LookupError(bool(hostile))

        asked = []
        for how in ("added", "plain"):
            hostile = Hostile()
            sink = self.add(kit, loguru, how)
            try:
                fail(hostile)
            except LookupError:
                loguru.exception("boom")
            loguru.remove()
            assert sink.counts == LogCounts(captured=1)
            asked.append(hostile.tries > 0)

        assert asked == [False, True]

    @pytest.mark.parametrize("how", ["added", "plain"])
    def test_refused_and_withdrawn(
        self, tmp_path: Path, loguru: Any, how: str
    ) -> None:
        """
        Without a permit nothing is kept; the choice counts at each record.
        """
        with make_kit(tmp_path) as kit:
            sink = self.add(kit, loguru, how)
            hostile = Hostile()
            loguru.bind(it=hostile).info("one")
            assert hostile.tries == 0
            kit.consent.grant("logs")
            loguru.info("two")
            kit.consent.withdraw("logs")
            loguru.info("three")

            assert sink.counts == LogCounts(captured=1, refused=2)

    def test_level_and_fields(self, kit: consentkit.Kit, loguru: Any) -> None:
        """
        A level and a closed list of fields are obeyed.
        """
        sink = kit.loguru_sink("logs", fields=["tries"])
        added = sink.add_to(loguru, level="ERROR")
        loguru.warning("below")
        loguru.bind(tries=1, name="Ann Lee").error("above")
        loguru.remove(added)
        loguru.error("after")

        (value,) = kept(kit)
        assert (value["message"], value["tries"]) == ("above", 1)
        assert "name" not in value

    @pytest.mark.parametrize("how", ["added", "plain"])
    def test_a_failing_capture_prints_nothing(
        self,
        tmp_path: Path,
        loguru: Any,
        capfd: pytest.CaptureFixture[str],
        how: str,
    ) -> None:
        """
        Where nothing can be kept, loguru would print the record; it gets no
        exception.
        """
        (tmp_path / "outbox.sqlite3").mkdir()
        with make_kit(tmp_path, "logs") as kit:
            sink = self.add(kit, loguru, how)
            loguru.info("to 13800138000")

        assert sink.counts == LogCounts(failed=1)
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("record", [None, {}, {"name": "x"}, 7])
    def test_odd_records(self, kit: consentkit.Kit, record: Any) -> None:
        """
        What is no record of loguru is counted.
        """
        sink = kit.loguru_sink("logs")
        assert sink.take(record) is False
        sink(record)

        assert sink.counts == LogCounts(failed=2)

    def test_in_a_queue(self, kit: consentkit.Kit, loguru: Any) -> None:
        """
        It works in loguru's own thread.
        """
        sink = kit.loguru_sink("logs")
        loguru.add(sink, enqueue=True, format="{message}")
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            loguru.exception("call 13800138000")
        loguru.complete()
        loguru.remove()

        (value,) = kept(kit)
        assert value["message"] == "call <MOBILE_CN>"
        assert value["exception"] == "ZeroDivisionError"


class TestSentinel:
    """
    Tests that a planted value is nowhere.
    """

    @pytest.mark.obligation("WP-LOG-1", "WP-LOG-2")
    def test_planted_values_are_nowhere_on_disk(
        self,
        kit: consentkit.Kit,
        tmp_path: Path,
        structlog: Any,
        loguru: Any,
    ) -> None:
        """
        An IMEI and an address in event, fields, keys, exception and locals
        are in no file, and in no record that was kept.
        """
        imei, mail = PLANTED
        log = make_logger(
            structlog, kit.structlog_processor("logs"), Seen(structlog)
        )
        kit.loguru_sink("logs").add_to(loguru)
        loguru.add(kit.loguru_sink("logs"))

        def fail(secret: str) -> None:
            local = {"secret": secret, "mail": mail}
            raise LookupError(local)

        for logger in (log, loguru):
            bound = logger.bind(imei=imei, n=int(imei), m={mail: [mail, imei]})
            bound.info(f"imei {imei} of {mail}")
            bound.info("plain", args=[imei])
            try:
                fail(imei)
            except LookupError:
                bound.exception(mail)

        told = str(kept(kit))
        assert len(kept(kit)) == 9
        assert not any(value in told for value in PLANTED)
        assert find_planted(tmp_path) == []
        kit.close()
        assert find_planted(tmp_path) == []


class TestImport:
    """
    Tests for what importing the adapters does.
    """

    def test_imports_neither_library(self, unmeasured: None) -> None:
        """
        Neither library is imported, installed or not.
        """
        program = (
            "import consentkit.collectors.log_adapters, sys;"
            "print({'structlog', 'loguru'} & sys.modules.keys())"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout == "set()\n"


def _deep(depth: int) -> Any:
    value: Any = "13800138000"
    for _ in range(depth):
        value = [value]
    return value


def _wide(depth: int) -> Any:
    value: Any = "13800138000"
    for _ in range(depth):
        value = [value] * 100
    return value


def _circle() -> Any:
    value: dict[str, Any] = {"phone": "13800138000"}
    value["again"] = [value]
    return value
