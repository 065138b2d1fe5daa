# SPDX-License-Identifier: MIT

"""
Tests for the handler that scrubs log records and captures them.
"""

from __future__ import annotations

import linecache
import logging
import logging.handlers
import queue
import threading

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.collectors.logs import LogCounts, LogHandler
from consentkit.gate import OSPermission, Reason, Refusal
from consentkit.policy import Policy
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
        Of a crash its kind, files, lines and functions are kept; message and
        local values are scrubbed or left.
        """

        def fail(password: str) -> None:
            path = f"/home/annlee/{password}/photo.jpg"
            msg = f"no such file: {path}, call 13800138000"
            raise FileNotFoundError(msg)

        app.addHandler(kit.log_handler("logs"))
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

    def test_undeclared_type(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        A handler for a log that the function does not declare drops all.
        """
        hostile = Hostile()
        handler = kit.log_handler("logs", data_type="operation_log")
        app.addHandler(handler)
        app.info("%s", hostile)

        assert hostile.tries == 0
        assert handler.counts == LogCounts(refused=1)

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

    def test_unknown_function(
        self, kit: consentkit.Kit, app: logging.Logger
    ) -> None:
        """
        A handler for a function that there is not drops everything.
        """
        handler = kit.log_handler("nothing")
        app.addHandler(handler)
        app.info("hello")

        assert handler.counts == LogCounts(refused=1)


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

        handler = kit.log_handler("logs")
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
