# SPDX-License-Identifier: MIT

"""
Tests for the handler that scrubs log records and captures them.
"""

from __future__ import annotations

import hashlib
import json
import linecache
import logging
import logging.handlers
import queue
import re
import sys
import threading
import time
import zlib

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

import consentkit

from consentkit.anonymise.scrub import scrub
from consentkit.collectors.logs import LogCounts, LogHandler, clear_text
from consentkit.gate import OSPermission, Reason, Refusal
from consentkit.policy import Policy
from tests.faults.support import files, forms
from tests.support import make_kit, small


#: Made-up personal data in the forms that logs have it in.
SECRETS = {
    "mobile": "13800138000",
    "mail": "ann.lee@example.com",
    "imei": "490154203237518",
    "mac": "3C:5A:B4:01:23:45",
    "identity": "11010519491231002X",
    "token": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
}
LINES = {
    **{
        f"{name}, English": f"user said {name} {value} today"
        for name, value in SECRETS.items()
    },
    **{
        f"{name}, Chinese": f"用户信息：{value}，请核对"
        for name, value in SECRETS.items()
    },
}


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[consentkit.Kit]:
    """
    Give a kit whose logs are granted.
    """
    with make_kit(tmp_path, "logs") as made:
        yield made


@pytest.fixture
def app() -> Iterator[logging.Logger]:
    """
    Give the app's logger, which no handler of the test runner listens to.
    """
    logger = logging.Logger("tests.app", logging.DEBUG)  # noqa: LOG001
    yield logger
    for handler in logger.handlers:
        handler.close()


def kept(kit: consentkit.Kit) -> list[Any]:
    """
    Give the values of the records that wait.
    """
    return [record.value for record in kit.store.inspect()]


def on_disk(folder: Path) -> bytes:
    """
    Give all bytes of all files in *folder*.
    """
    return b"".join(f.read_bytes() for f in folder.rglob("*") if f.is_file())


#: Planted into messages, arguments, fields, exceptions and locals.
PLANTED = ("356938035643809", "olga.wolfsbane@privat.example")


def find_planted(folder: Path) -> list[str]:
    """
    Name the files below *folder* that hold a planted value in any form:
    as text, in hex, base64 or UTF-16, also inside what zlib compressed.
    """
    wanted = set().union(*map(forms, PLANTED))
    found = []
    for path, content in files(folder):
        texts = [content, *_inflated(content)]
        if any(form in text for form in wanted for text in texts):
            found.append(path.name)
    return found


def _inflated(content: bytes) -> Iterator[bytes]:
    start = content.find(b"x")
    while start >= 0:
        with suppress(zlib.error):
            yield zlib.decompressobj().decompress(content[start:], 1_000_000)
        start = content.find(b"x", start + 1)


class Hostile:
    """
    An object that cannot be written, and counts who tries.
    """

    def __init__(self) -> None:
        self.tries = 0

    def __str__(self) -> str:
        self.tries += 1
        msg = "13800138000"
        raise RuntimeError(msg)

    __repr__ = __str__


class TestCapture:
    """
    Tests for what is kept of a record.
    """

    def test_keeps_the_record_scrubbed(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        Message, level and logger are kept; what is personal is not.
        """
        handler = kit.log_handler("logs")
        app.addHandler(handler)
        app.warning("code sent to %s", SECRETS["mobile"])

        assert kept(kit) == [
            {
                "message": "code sent to <MOBILE_CN>",
                "level": "WARNING",
                "logger": "tests.app",
            }
        ]
        (record,) = kit.store.inspect()
        assert record.data_type == "service_log"
        assert record.privacy_class == "linkable"
        assert handler.counts == LogCounts(captured=1)

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize("name", LINES)
    def test_nothing_personal_is_kept(
        self,
        kit: consentkit.Kit,
        app: logging.Logger,
        tmp_path: Path,
        name: str,
    ) -> None:
        """
        Phone, mail, IMEI, MAC, identity number and token, in English and
        Chinese lines, are in no record and not on disk.
        """
        secret = SECRETS[name.partition(",")[0]]
        app.addHandler(kit.log_handler("logs"))
        app.info(LINES[name])
        app.info("%s", LINES[name])
        app.info("in a mapping: %(it)s", {"it": LINES[name]})

        values = str(kept(kit))
        assert len(kept(kit)) == 3
        assert secret not in values
        assert secret.removeprefix("Bearer ") not in values
        assert secret.encode() not in on_disk(tmp_path)

    @pytest.mark.obligation("WP-LOG-2")
    def test_crash_keeps_no_message_path_or_local(
        self, kit: consentkit.Kit, app: logging.Logger, tmp_path: Path
    ) -> None:
        """
        Of a crash its kind, files, lines and functions are kept; messages
        are scrubbed, local values left.
        """

        def fail(password: str) -> None:
            path = f"/home/annlee/{password}/photo.jpg"
            msg = f"no such file: {path}, call 13800138000"
            raise FileNotFoundError(msg)

        app.addHandler(kit.log_handler("logs", reasons=True))
        try:
            fail("hunter2sentinel")
        except FileNotFoundError:
            app.exception("saving for ann.lee@example.com failed")
        (value,) = kept(kit)
        (record,) = kit.store.inspect()

        assert record.data_type == "crash_log"
        assert value["exception"] == "FileNotFoundError"
        assert value["message"] == "saving for <EMAIL> failed"
        assert "13800138000" not in value["reason"]
        assert "annlee" not in value["reason"]
        inner, outer = value["trace"].split(" < ")
        assert inner.startswith("test_logs.py:")
        assert inner.endswith(" fail")
        assert outer.startswith("test_logs.py:")
        assert "/" not in value["trace"]
        assert "hunter2sentinel" not in value["trace"]
        for secret in (b"13800138000", b"annlee", b"ann.lee@"):
            assert secret not in on_disk(tmp_path)

    @pytest.mark.obligation("WP-LOG-2")
    def test_text_of_an_exception_has_to_be_asked_for(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        What the app worked on is in the texts of exceptions, and is not kept
        with them.
        """
        app.addHandler(kit.log_handler("logs"))
        try:
            int("Dear diary")
        except ValueError:
            app.exception("cannot count")

        (value,) = kept(kit)
        assert value["exception"] == "ValueError"
        assert "reason" not in value
        assert "diary" not in str(value)

    def test_trace_reads_no_source_file(
        self, kit: consentkit.Kit, app: logging.Logger, tmp_path: Path
    ) -> None:
        """
        A traceback is kept without opening the files that it names.
        """
        file = tmp_path / "secret_folder" / "module.py"
        file.parent.mkdir()
        file.write_text("1 / 0\n", encoding="utf-8")
        app.addHandler(kit.log_handler("logs"))
        try:
            exec(compile("1 / 0", file, "exec"), {})
        except ZeroDivisionError:
            app.exception("boom")

        (value,) = kept(kit)
        assert value["trace"].startswith("module.py:1 <module> < test_logs")
        assert str(file) not in linecache.cache

    def test_crash_is_an_ordinary_line_where_no_crashes_are_declared(
        self, tmp_path: Path, app: logging.Logger
    ) -> None:
        """
        Without a crash log in the policy, a crash is a line of the log.
        """

        def change(tree: dict) -> None:
            del tree["functions"][3]["collects"][1]

        policy: Policy = small(change=change)
        with make_kit(tmp_path, "logs", policy=policy) as kit:
            app.addHandler(kit.log_handler("logs"))
            try:
                1 / 0  # noqa: B018
            except ZeroDivisionError:
                app.exception("boom")
            (record,) = kit.store.inspect()

        assert record.data_type == "service_log"

    def test_named_type(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        A handler can be for another of the function's log types.
        """
        app.addHandler(kit.log_handler("logs", data_type="crash_log"))
        app.error("it crashed")

        (record,) = kit.store.inspect()
        assert record.data_type == "crash_log"

    def test_level_and_filter_hold(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        It is a handler like others: level and filters are obeyed.
        """
        handler = kit.log_handler("logs", level="ERROR")
        handler.addFilter(lambda record: "skip" not in record.getMessage())
        app.addHandler(handler)
        app.warning("below")
        app.error("skip this")
        app.error("keep this")

        assert [value["message"] for value in kept(kit)] == ["keep this"]

    @pytest.mark.skipif(
        sys.version_info < (3, 12), reason="filters only say yes or no"
    )
    def test_filter_that_gives_another_record(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        What a filter puts in the place of a record is captured instead.
        """

        def swap(_: object) -> Any:
            return logging.makeLogRecord({"name": "other", "msg": "hidden"})

        handler = kit.log_handler("logs")
        handler.addFilter(swap)
        app.addHandler(handler)
        app.info("Dear diary")

        assert [value["message"] for value in kept(kit)] == ["hidden"]

    def test_behind_a_queue(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        It works in the listener's thread of a queue.
        """
        waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        handler = kit.log_handler("logs")
        listener = logging.handlers.QueueListener(waiting, handler)
        app.addHandler(logging.handlers.QueueHandler(waiting))  # type: ignore[arg-type]
        listener.start()
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            app.exception("call %s", "13800138000")
        listener.stop()

        (value,) = kept(kit)
        assert "call <MOBILE_CN>" in value["message"]


class TestRefused:
    """
    Tests for records that the gate does not let through.
    """

    @pytest.mark.obligation("WP-ADD-2", "WP-LOG-1")
    @pytest.mark.parametrize(
        ("before", "options"),
        [
            (lambda kit: None, {}),
            (lambda kit: kit.consent.deny("logs"), {}),
            (
                lambda kit: (
                    kit.consent.grant("logs"),
                    kit.consent.withdraw("logs"),
                ),
                {},
            ),
            (
                lambda kit: kit.consent.grant("logs"),
                {"purpose": "usage_statistics"},
            ),
            (
                lambda kit: kit.consent.grant("logs"),
                {"while_open": lambda: False},
            ),
            (lambda kit: (kit.consent.grant("logs"), kit.close()), {}),
        ],
        ids=[
            "not asked",
            "denied",
            "withdrawn",
            "purpose",
            "closed",
            "kit closed",
        ],
    )
    def test_is_not_even_formatted(
        self,
        tmp_path: Path,
        app: logging.Logger,
        before: Callable[[consentkit.Kit], object],
        options: dict,
    ) -> None:
        """
        A refused record is dropped unread: its arguments are not written out,
        and nothing is kept.
        """
        hostile = Hostile()
        with make_kit(tmp_path) as kit:
            before(kit)
            handler = kit.log_handler("logs", **options)
            app.addHandler(handler)
            app.info("%s", hostile)
            try:
                raise ValueError(hostile)
            except ValueError:
                app.exception("%s", hostile)

        assert hostile.tries == 0
        assert handler.counts == LogCounts(refused=2)
        assert kept(kit) == []
        kit.close()  # looking opens the outbox anew

    @pytest.mark.parametrize(
        "make", ["log_handler", "structlog_processor", "loguru_sink"]
    )
    @pytest.mark.parametrize(
        ("function", "options", "problem"),
        [
            ("log", {}, "no function 'log'; try logs"),
            ("nothing", {}, "no function 'nothing'; 'consentkit policy show'"),
            (
                "logs",
                {"data_type": "operation_log"},
                "logs does not collect 'operation_log'; it collects service_",
            ),
        ],
    )
    def test_names_that_the_policy_does_not_have(
        self,
        kit: consentkit.Kit,
        make: str,
        function: str,
        options: dict[str, Any],
        problem: str,
    ) -> None:
        """
        A name that would capture nothing for ever is an error, at once.
        """
        with pytest.raises(ValueError, match=problem):
            getattr(kit, make)(function, **options)

    @pytest.mark.obligation("WP-ADD-3")
    def test_withdrawal_stops_a_running_handler(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        What is logged after a withdrawal is dropped, with no call to the
        handler; a new yes lets it go on.
        """
        handler = kit.log_handler("logs")
        app.addHandler(handler)
        app.info("one")
        kit.consent.withdraw("logs")
        app.info("two")
        assert kept(kit) == []
        kit.consent.grant("logs")
        app.info("three")

        assert [value["message"] for value in kept(kit)] == ["three"]
        assert handler.counts == LogCounts(captured=2, refused=1)


class TestNeverRaises:
    """
    Tests that logging never breaks the app.
    """

    @pytest.mark.parametrize(
        ("message", "arguments"),
        [
            ("%d", ("not a number",)),
            ("%s %s", ("one",)),
            ("%(name)s", ({},)),
            ("%z", ("one",)),
            ("no place", ("one",)),
            (Hostile(), ()),
            ("%s", (Hostile(),)),
            ("%r", (Hostile(),)),
        ],
        ids=[
            "number",
            "few",
            "key",
            "sign",
            "many",
            "message",
            "argument",
            "repr",
        ],
    )
    def test_whatever_is_logged(
        self,
        kit: consentkit.Kit,
        app: logging.Logger,
        capsys: pytest.CaptureFixture[str],
        message: object,
        arguments: tuple[object, ...],
    ) -> None:
        """
        A record that cannot be formatted is counted, and nothing is
        printed of it.
        """
        handler = kit.log_handler("logs")
        app.addHandler(handler)
        app.info(message, *arguments)
        app.info("still here")

        assert handler.counts == LogCounts(captured=1, failed=1)
        assert capsys.readouterr() == ("", "")

    def test_odd_error(self, kit: consentkit.Kit, app: logging.Logger) -> None:
        """
        An exception whose text cannot be made is counted.
        """

        class OddError(Exception):
            __str__ = Hostile.__str__
            tries = 0

        handler = kit.log_handler("logs", reasons=True)
        app.addHandler(handler)
        try:
            raise OddError
        except OddError:
            app.exception("boom")

        assert handler.counts == LogCounts(failed=1)

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"name": None, "msg": "hello"},
            {"name": 7, "msg": "hello", "levelname": None},
            {"name": "a", "msg": "hello", "exc_info": True},
            {"name": "a", "msg": "hello", "exc_info": (None, None, None)},
            {"name": "a", "msg": "\udcff"},
            {"name": "a", "msg": "x" * 1_000_000},
        ],
        ids=[
            "empty",
            "no name",
            "number",
            "flag",
            "no error",
            "surrogate",
            "long",
        ],
    )
    def test_made_up_records(
        self, kit: consentkit.Kit, fields: dict[str, object]
    ) -> None:
        """
        Records that come from elsewhere, in any form, are kept or counted.
        """
        handler = kit.log_handler("logs")
        handler.handle(logging.makeLogRecord(fields))

        counts = handler.counts
        assert counts.captured + counts.failed == 1
        assert len(kept(kit)) == counts.captured

    def test_question_that_raises(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        The app's own callable may fail too.
        """

        def fail() -> bool:
            raise OSError

        handler = kit.log_handler("logs", while_open=fail)
        app.addHandler(handler)
        app.info("hello")

        assert handler.counts == LogCounts(failed=1)

    def test_unusable_outbox(
        self, tmp_path: Path, app: logging.Logger
    ) -> None:
        """
        Where nothing can be kept, the app logs on.
        """
        (tmp_path / "outbox.sqlite3").mkdir()
        with make_kit(tmp_path, "logs") as kit:
            handler = kit.log_handler("logs")
            app.addHandler(handler)
            app.info("hello")

        assert handler.counts == LogCounts(failed=1)

    def test_handles_no_error_aloud(
        self, kit: consentkit.Kit, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The standard way of telling about an error would print the record.
        """
        handler = kit.log_handler("logs")
        handler.handleError(logging.makeLogRecord({"msg": "13800138000"}))

        assert capsys.readouterr() == ("", "")


class TestReentrancy:
    """
    Tests for records that arise while one is handled.
    """

    def test_own_records_are_left_out(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        What consentkit and its HTTP client log is neither kept nor counted;
        a logger whose name merely begins so is the app's.
        """
        handler = kit.log_handler("logs")
        ours = ("consentkit", "consentkit.outbox", "httpx", "httpcore.http11")
        for name in (*ours, "consentkitten"):
            handler.handle(logging.makeLogRecord({"name": name, "msg": "x"}))

        assert [value["logger"] for value in kept(kit)] == ["consentkitten"]
        assert handler.counts == LogCounts(captured=1)

    def test_logging_while_formatting_does_not_go_in_circles(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        An argument that logs when it is written out logs once.
        """

        class Chatty:
            def __str__(self) -> str:
                app.info("written: %s", self)
                return "chatty"

        handler = kit.log_handler("logs")
        app.addHandler(handler)
        app.info("%s", Chatty())

        assert [value["message"] for value in kept(kit)] == ["chatty"]
        assert handler.counts == LogCounts(captured=1)

    def test_threads_log_side_by_side(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        Records of several threads are all kept.
        """
        handler = kit.log_handler("logs")
        app.addHandler(handler)
        threads = [
            threading.Thread(target=app.info, args=("thread %d", n))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert handler.counts == LogCounts(captured=8)
        assert len(kept(kit)) == 8


class TestUseLogs:
    """
    Tests for a handler that belongs to a use.
    """

    def test_lives_as_long_as_the_use(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        It captures while the use is open, from any thread, and not after.
        """
        with kit.use("logs") as use:
            handler = use.logs()
            assert isinstance(handler, LogHandler)
            app.addHandler(handler)
            thread = threading.Thread(target=app.info, args=("inside",))
            thread.start()
            thread.join()
        app.info("after")

        assert [value["message"] for value in kept(kit)] == ["inside"]
        assert handler.counts == LogCounts(captured=1, refused=1)

    def test_is_refused_without_consent(self, tmp_path: Path) -> None:
        """
        Without a grant there is no handler.
        """
        with make_kit(tmp_path) as kit, kit.use("logs") as use:
            refused = use.logs()

        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.NOT_ASKED

    @pytest.mark.obligation("WP-PERM-8")
    def test_asks_the_permission_for_each_record(
        self, tmp_path: Path, app: logging.Logger
    ) -> None:
        """
        A permission taken away stops the very next record.
        """

        def change(tree: dict) -> None:
            tree["functions"][3]["permission"] = "storage"

        answers = {"storage": OSPermission.GRANTED}
        with make_kit(
            tmp_path,
            "logs",
            policy=small(change=change),
            os_permission=answers.__getitem__,
        ) as kit:
            handler = kit.log_handler("logs")
            app.addHandler(handler)
            app.info("one")
            answers["storage"] = OSPermission.DENIED
            app.info("two")

        assert handler.counts == LogCounts(captured=1, refused=1)

    def test_repr_counts(self, kit: consentkit.Kit) -> None:
        """
        The repr names the function and the counts.
        """
        assert repr(kit.log_handler("logs")) == (
            "<LogHandler for logs: LogCounts(captured=0, refused=0, failed=0)>"
        )


class TestHidden:
    """
    Tests for signs that nobody sees, by which a number passes the rules.
    """

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize(
        "text",
        [
            "\0".join("call 13800138000 now"),
            "call 138\u200b0013\u200b8000 now",
            "call 138\u00ad0013\u00ad8000 now",
            "call \x1b[1m138\x1b[0m00138000 now",
            "call \u202d13800138000\u202c now",
        ],
        ids=["UTF-16", "zero width", "soft hyphen", "colour", "direction"],
    )
    def test_are_taken_out_before_the_rules(
        self, kit: consentkit.Kit, app: logging.Logger, text: str
    ) -> None:
        """
        A number with invisible signs inside is found all the same.
        """
        app.addHandler(kit.log_handler("logs"))
        app.info("%s", text)

        assert [value["message"] for value in kept(kit)] == [
            "call <MOBILE_CN> now"
        ]

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize(
        "text",
        [
            "call 13800138000".encode("utf-16"),
            "call 13800138000".encode("utf-16-be"),
            "call 13800138000".encode("utf-32"),
            "电话13800138000".encode(),
            "电话13800138000".encode("gbk"),
            json.dumps("call:\n13800138000"),
            json.dumps("电话13800138000"),
            repr("call 138\u200b0013\u200b8000 now"),
            repr("call \x1b[1m138\x1b[0m00138000 now"),
        ],
        ids=[
            "UTF-16",
            "big-endian",
            "UTF-32",
            "UTF-8",
            "GBK",
            "line",
            "JSON",
            "zero width",
            "colour",
        ],
    )
    def test_are_looked_through_where_they_are_escaped(
        self, kit: consentkit.Kit, app: logging.Logger, text: str | bytes
    ) -> None:
        """
        A number is found among the escapes by which bytes and texts are
        written, and what is around it stays.
        """
        app.addHandler(kit.log_handler("logs"))
        app.info("%s", text)

        (value,) = kept(kit)
        assert "<MOBILE_CN>" in value["message"]
        assert not re.search(r"(8\D*){2,}", value["message"][-30:])
        assert value["message"][:2] == str(text)[:2]

    @pytest.mark.parametrize(
        "text",
        [
            r"C:\temp\notes\x86\release.txt",
            r"\d+\s* does not match \u4e2d\u6587\n",
            repr(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ],
        ids=["path", "pattern", "picture"],
    )
    def test_other_backslashes_stay(self, text: str) -> None:
        """
        Text with nothing behind its escapes is kept as it is.
        """
        assert clear_text(text) == text

    def test_escapes_in_long_texts(self) -> None:
        """
        What is taken out at the front brings nothing in at the end.
        """
        text = r"b'1\x003800138000' " * 600
        told = scrub(clear_text(text))
        assert "3800138" not in told.text
        assert told.text.endswith("<CUT>")

    def test_numbers_side_by_side_stay_apart(self) -> None:
        """
        Where a NUL ends a field, two numbers do not become one.
        """
        assert clear_text("id=7\x0013800138000\x009") == "id=7<MOBILE_CN>9"

    def test_text_that_reads_in_two_ways(self) -> None:
        """
        Where rules find different things with and without the signs, all of
        it goes.
        """
        both = "138\u200b00138000 and 7\x0013900139000"
        assert clear_text(both) == "<MOBILE_CN> and 7<MOBILE_CN>"

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize("sign", ["\u200b", "\0", "\x1b[1m", "\x9b0m"])
    def test_one_way_of_dealing_with_them(self, sign: str) -> None:
        """
        A handler and the scrubber find the same behind the same signs; the
        handler leaves the signs out.
        """
        text = f"a{sign}b 138{sign}0013{sign}8000 {sign}c pin={sign}4711"

        left = clear_text(text)

        assert left == scrub(text).text.replace(sign, "")
        assert left == "ab <MOBILE_CN> c pin=<SECRET_VALUE>"


#: As of a key.
WORD = "OLTmUuRNp/I3DZ4mDicTZVCko6bQf1wMMy+LEiQIP9IrkC+JEegYGPjJnV1dmDGV"


class TestKeys:
    """
    Tests for private keys that are logged line by line.
    """

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize("message", ["%s", "  '%s\\n' +", "tls: %s"])
    def test_full_lines_go(
        self, kit: consentkit.Kit, app: logging.Logger, message: str
    ) -> None:
        """
        A handler sees one record at a time: each full line of a key has a
        form by itself. The last one is short, and only found with nothing
        before it, if it has 40 letters.
        """
        number = int.from_bytes(hashlib.sha384(b"a key").digest()) >> 1
        pem = ec.derive_private_key(number, ec.SECP384R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        first, *body, last = pem.decode().splitlines()
        app.addHandler(kit.log_handler("logs"))
        for line in (first, *body, last):
            app.info(message, line)

        told = [value["message"] for value in kept(kit)]
        assert len(body) == 4
        full = [line for line in body if len(line) == 64]
        assert not any(line in "".join(told) for line in full)
        assert sum("<SECRET_VALUE>" in it for it in told[1:-1]) >= 3

    @pytest.mark.parametrize(
        ("text", "clean"),
        [
            (f"{WORD}", "<SECRET_VALUE>"),
            (f"{WORD[:42]}==", "<SECRET_VALUE>"),
            (f"one\n  | {WORD}\ntwo", "one\n  | <SECRET_VALUE>\ntwo"),
            (f'key "{WORD}"\r\n', 'key "<SECRET_VALUE>"\r\n'),
            (f"sum {WORD[:43]}=", None),
            (f"sha384-{WORD}", None),
            (f"{WORD}{WORD}", None),
            (f"{WORD} is it", None),
            (
                "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f0",
                None,
            ),
            (
                "/usr/local/lib/python3/site/packages/consentkit/anonymise",
                None,
            ),
            (
                "getTheLongestNameThatAnybodyEverGaveToAMethod2OfAFactory3",
                None,
            ),
        ],
    )
    def test_what_is_such_a_line(self, text: str, clean: str | None) -> None:
        """
        Letters of base64 at the end of a line, as many as keys have, and
        drawn at random; not names, paths, and digests with their names.
        """
        assert clear_text(text) == (text if clean is None else clean)

    def test_lines_and_tabs_stay(self) -> None:
        """
        What a person sees as layout is no hidden sign.
        """
        assert clear_text("one\n\ttwo") == "one\n\ttwo"


class TestBounds:
    """
    Tests for records of any size.
    """

    @pytest.mark.parametrize(
        "text",
        [
            "x" * 1_000_000,
            "\0" * 1_000_000,
            "13800138000 " * 80_000,
            "\x1b[" * 400_000,
            "\udcff" * 1_000_000,
            "a@" * 500_000,
            "中文" * 500_000,
        ],
        ids=["x", "nul", "phones", "colours", "half", "at", "Chinese"],
    )
    def test_long_lines_take_no_long_time(
        self, kit: consentkit.Kit, app: logging.Logger, text: str
    ) -> None:
        """
        A line of a megabyte is cut, scrubbed and kept, or counted, soon.
        """
        handler = kit.log_handler("logs")
        app.addHandler(handler)
        start = time.process_time()
        app.info("%s", text)

        assert time.process_time() - start < 10
        counts = handler.counts
        assert counts.captured + counts.failed == 1
        for value in kept(kit):
            assert len(value["message"]) < 10_000
            assert "13800138000" not in value["message"]

    def test_frames_of_a_recursion_are_bounded(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        Of a recursion without end the innermost frames are kept.
        """

        def again(depth: int) -> None:
            again(depth + 1)

        app.addHandler(kit.log_handler("logs"))
        try:
            again(0)
        except RecursionError:
            app.exception("too deep")

        (value,) = kept(kit)
        assert value["exception"] == "RecursionError"
        frames = value["trace"].split(" < ")
        assert len(frames) == 100
        assert all(" again" in frame for frame in frames)
        assert len(frames) < sys.getrecursionlimit()

    def test_names_what_came_before(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        Of the exceptions before one their classes are kept, and a circle of
        them has an end.
        """
        app.addHandler(kit.log_handler("logs"))
        first, second = KeyError("13800138000"), ValueError("13900139000")
        second.__cause__ = first
        try:
            raise LookupError from second
        except LookupError:
            app.exception("boom")
        first.__cause__ = second
        app.error("again", exc_info=first)

        one, two = kept(kit)
        assert one["causes"] == "ValueError < KeyError"
        assert two["causes"].startswith("ValueError < KeyError < ValueError")


class TestSentinel:
    """
    Tests that a planted value is nowhere.
    """

    def test_search_finds(self, tmp_path: Path) -> None:
        """
        The search itself finds each form that it is to find.
        """
        number = PLANTED[0].encode()
        (tmp_path / "raw").write_bytes(b"x" + number)
        (tmp_path / "zlib").write_bytes(b"xx" + zlib.compress(number) + b"x")
        (tmp_path / "wide").write_bytes(PLANTED[1].encode("utf-16"))
        (tmp_path / "clean").write_bytes(b"hello")

        assert find_planted(tmp_path) == ["raw", "wide", "zlib"]

    @pytest.mark.obligation("WP-LOG-1", "WP-LOG-2")
    def test_planted_values_are_nowhere_on_disk(
        self, kit: consentkit.Kit, app: logging.Logger, tmp_path: Path
    ) -> None:
        """
        An IMEI and an address in message, arguments, extra, exception and
        locals are in no file, and in no record that was kept.
        """
        imei, mail = PLANTED
        handler = kit.log_handler("logs")
        app.addHandler(handler)

        def fail(secret: str) -> None:
            local = {"secret": secret, "mail": mail}
            msg = f"no {imei} at {local['mail']}"
            raise LookupError(msg, local)

        app.info(f"imei {imei} of {mail}")
        app.info("device %s", imei)
        app.info("device %(imei)s", {"imei": imei})
        app.info("with extra", extra={"imei": imei, "mail": mail})
        app.info({"imei": imei, "mail": mail})
        try:
            fail(imei)
        except LookupError:
            app.exception("for %s", mail, stack_info=True)

        assert handler.counts == LogCounts(captured=6)
        told = str(kept(kit))
        assert not any(value in told for value in PLANTED)
        assert find_planted(tmp_path) == []
        kit.close()
        assert find_planted(tmp_path) == []


class TestLoops:
    """
    Tests that a record never leads to another one of ours.
    """

    def test_logging_of_a_condition_is_not_captured(
        self, tmp_path: Path, app: logging.Logger
    ) -> None:
        """
        What the app logs while the gate asks it is left out by every
        handler, and by those of another kit.
        """

        def change(tree: dict) -> None:
            tree["functions"][3]["permission"] = "storage"

        def answer(_: str) -> OSPermission:
            app.info("asked for the permission")
            return OSPermission.GRANTED

        policy = small(change=change)
        with (
            make_kit(
                tmp_path / "one", "logs", policy=policy, os_permission=answer
            ) as one,
            make_kit(tmp_path / "two", "logs") as two,
        ):
            handlers = [one.log_handler("logs"), two.log_handler("logs")]
            for handler in handlers:
                app.addHandler(handler)
            app.info("hello")

            assert [h.counts for h in handlers] == [LogCounts(captured=1)] * 2
            for kit in (one, two):
                assert [v["message"] for v in kept(kit)] == ["hello"]

    def test_record_in_the_middle_of_a_write_breaks_nothing(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        A record that arises while the outbox writes on the same thread, as
        from a destructor, is counted, and the write succeeds.
        """
        handler = kit.log_handler("logs")
        app.addHandler(handler)
        app.info("first")

        class Last:
            def __del__(self) -> None:
                app.info("from a destructor")

        def doomed(_: object) -> bool:
            Last()
            return True

        assert kit.store.discard(doomed, reason="test") == 1
        app.info("after")

        counts = handler.counts
        assert counts.captured + counts.failed == 3
        assert "after" in [value["message"] for value in kept(kit)]

    def test_own_logger_at_its_loudest_does_not_feed_itself(
        self, tmp_path: Path
    ) -> None:
        """
        With a handler on the root logger, a source that fails makes
        consentkit log, and nothing of that is captured.
        """
        root = logging.getLogger()
        ours = logging.getLogger("consentkit")
        level = ours.level
        with make_kit(tmp_path, "logs") as kit:
            handler = kit.log_handler("logs")
            root.addHandler(handler)
            ours.setLevel(1)
            try:
                ours.debug("source failed")
                logging.getLogger("consentkit.outbox").error("disk full")
            finally:
                root.removeHandler(handler)
                ours.setLevel(level)

            assert handler.counts == LogCounts()
