# SPDX-License-Identifier: MIT
"""
A planted raw value is nowhere: not on disk, on the wire, in logs, in reprs,
in the text of an exception, nor in the locals of a traceback.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import struct
import threading
import traceback

from collections.abc import Iterator
from contextlib import closing
from hashlib import md5
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from consentkit import Refusal
from consentkit.collectors.clipboard import FileClipboard
from consentkit.collectors.location import Fix
from consentkit.collectors.source import Source, Unavailable
from consentkit.exceptions import StoreError
from consentkit.receiver import read_body
from consentkit.transports.base import Transport
from consentkit.transports.https import HTTPSTransport
from tests.faults.support import (
    Scripted,
    Ticked,
    files,
    forms,
    open_kit,
    tick,
)


MAC = "3C:5A:B4:01:23:45"
IMEI = "490154203237518"
SYSTEM_ID = "6f1d3c58b0a94e7786d2f0a1c3e5b7d9"
LATITUDE, LONGITUDE = 48.8583701, 12.2944813
CODE = "kankan-share:Q7mB2xTf9LkD"
CLIPBOARD = f"my secret shopping list, {CODE} and wolfsbane-4711"
PHONE = "13905550148"
EMAIL = "ann.example@privat.example"

GRANTS = (
    "stats",
    "finder",
    "finder/location_precise",
    "paste",
    "logs",
)


def _planted() -> set[bytes]:
    """
    Every raw value, in every form.
    """
    texts = (
        *(MAC, IMEI, SYSTEM_ID, str(LATITUDE), str(LONGITUDE)),
        *("secret shopping list", "wolfsbane-4711", PHONE, EMAIL),
    )
    found = set().union(*map(forms, texts))
    for number in (LATITUDE, LONGITUDE):
        found |= {struct.pack("<d", number), struct.pack(">d", number)}
        found |= forms(str(number)[:8])
    return found


PLANTED = _planted()


def told(what: object) -> list[str]:
    """
    Say which planted values are in *what*.
    """
    text = what if isinstance(what, bytes) else str(what).encode()
    return [repr(form) for form in PLANTED if form in text]


class Plant(Source):
    """
    A source that gives a planted value, or fails with it.
    """

    def __init__(self, data_type: str, value: object) -> None:
        self.name = f"plant of {data_type}"
        self.data_types = frozenset({data_type})
        self._value = value

    def _read(self, permit, **_):
        if isinstance(self._value, BaseException):
            raise self._value
        return self._value


def plants(**values: object) -> list[Source]:
    """
    Give a source for each identifying type.
    """
    planted = {
        "mac_address": MAC,
        "imei": IMEI,
        "system_id": SYSTEM_ID,
        "location_precise": Fix(latitude=LATITUDE, longitude=LONGITUDE),
        **values,
    }
    return [Plant(data_type, value) for data_type, value in planted.items()]


class Everything(logging.Handler):
    """
    Take all that anybody logs, whatever the formatter would leave out.
    """

    def __init__(self) -> None:
        super().__init__(0)
        self.text: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        for part in (record.__dict__, record.getMessage()):
            self.text.append(f"{part} {part!r}")
        if record.exc_info and record.exc_info[1]:
            self.text.append(anatomy(record.exc_info[1]))


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """
    Log everything at level DEBUG and below, of all libraries.
    """
    handler, root = Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(1)
    names = ("consentkit", "httpx", "httpx2", "httpcore")
    for name in names:
        logging.getLogger(name).setLevel(1)
    yield handler.text
    for name in names:
        logging.getLogger(name).setLevel(logging.NOTSET)
    root.setLevel(level)
    root.removeHandler(handler)


def anatomy(error: BaseException) -> str:
    """
    Write down all that an error reporter could send of *error*.
    """
    parts: list[str] = []
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        # Hidden contexts too: reporters send them all the same.
        todo += [one.__context__, one.__cause__]
        parts += [repr(one), str(one), repr(one.args), repr(vars(one))]
        told = traceback.TracebackException.from_exception(
            one, capture_locals=True
        )
        parts += told.format()
    return "\n".join(parts)


class Wire:
    """
    A backend on this machine that keeps every byte that it is sent.
    """

    def __init__(self) -> None:
        self.text: list[bytes] = []
        wire = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                wire.text += [str(self.headers).encode(), body]
                found = json.loads(body)
                if "batch" in found:
                    said = {
                        "batch": found["batch"],
                        "outcomes": [
                            {"id": r.id, "outcome": "stored"}
                            for r in read_body(body).records
                        ],
                    }
                else:
                    said = {"erasure": found["erasure"], "outcome": "erased"}
                answer = json.dumps(said).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


def _collect(kit) -> list[object]:
    """
    Read and capture all that is planted; give every object on the way.
    """
    there: list[object] = [kit, kit.consent, kit.registry, kit.gate()]
    with kit.use("stats") as use:
        device = use.device("mac_address", "imei", "system_id")
        there += [use, device, *device, *device.protected_values()]
        there += [use.permit("mac_address"), use.capture(device)]
        note = f"call {PHONE} or {EMAIL}"
        there.append(use.capture(Ticked(1, note)))
    with kit.use("finder") as use:
        place = use.location()
        there += [place, *place.protected_values(), use.capture(place)]
    with kit.use("paste") as use:
        share = use.clipboard("receive_share")
        assert share.value == CODE
        there += [share, *share.protected_values(), use.capture(share)]
    handler = kit.log_handler("logs")
    logger = logging.getLogger("the-app")
    logger.propagate = False  # the app's own log may say what it likes
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.info("welcome back, %s at %s", EMAIL, PHONE)
    try:
        raise ValueError(PHONE)
    except ValueError:
        logger.exception("no answer from %s", MAC)
    logger.removeHandler(handler)
    assert handler.counts.captured == 2
    return [*there, handler]


@pytest.fixture
def clipboard(tmp_path: Path) -> FileClipboard:
    """
    Put the planted text on a clipboard.
    """
    folder = tmp_path / "clipboard"
    folder.mkdir()
    (folder / "text").write_text(CLIPBOARD)
    return FileClipboard(folder / "text")


class TestRaw:
    """
    The whole way of planted values, from the source to the backend.
    """

    def test_they_can_be_found(self, tmp_path):
        """
        The search itself works: it finds each form that it is to find.
        """
        (tmp_path / "file").write_bytes(b"x" + MAC.lower().encode("utf-16"))

        ((_, content),) = files(tmp_path)
        assert told(content)
        assert told(f"<Thing at {LATITUDE}>")
        assert told(json.dumps({"mac": "3c5ab4012345"}))
        assert told(MAC.replace(":", "-").encode().hex())
        assert not told(md5(b"3c5ab4012345").hexdigest())

    @pytest.mark.obligation("WP-HASH-1", "WP-SENS-3", "WP-ENC-1")
    def test_not_on_disk(self, tmp_path, clipboard):
        """
        No file of the data folder holds a raw value in any form, open or
        closed, before and after delivery.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, *GRANTS, sources=[*plants(), clipboard])
        _collect(kit)
        assert kit.status().waiting == 8
        for _ in range(2):
            found = [
                (path.name, told(content))
                for path, content in files(data_dir)
                if told(content)
            ]
            assert found == []
            kit.close()

    @pytest.mark.obligation("WP-SENS-3", "WP-ENC-1")
    def test_nothing_protected_is_in_the_clear_on_disk(
        self, tmp_path, clipboard
    ):
        """
        What may be sent is sealed on disk too: digests, codes, places.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, *GRANTS, sources=[*plants(), clipboard])
        objects = _collect(kit)
        values = [
            str(getattr(one, name)).encode()
            for one in objects
            for name in ("value", "latitude", "text")
            if getattr(one, name, None) is not None
        ]
        assert CODE.encode() in values
        for path, content in files(data_dir):
            assert [v for v in values if v in content] == [], path

    @pytest.mark.obligation("WP-HASH-1")
    def test_not_on_the_wire(self, tmp_path, clipboard):
        """
        No request holds a raw value, and the digests are the known ones.
        """
        with Wire() as wire:
            kit = open_kit(
                tmp_path / "data",
                *GRANTS,
                sources=[*plants(), clipboard],
                transport=HTTPSTransport(wire.url),
            )
            _collect(kit)
            assert kit.flush().delivered == 8
            kit.consent.withdraw("finder")
            assert kit.flush().erased == 1
            kit.close()

        body = b"".join(wire.text)
        assert told(body) == []
        assert CODE.encode() in body
        assert md5(b"3C5AB4012345").hexdigest().encode() in body
        assert md5(IMEI.encode()).hexdigest().encode() in body

    @pytest.mark.obligation("WP-HASH-1")
    def test_not_in_logs(self, tmp_path, clipboard, logged):
        """
        With every logger at its loudest, nobody logs a raw value, nor one that
        is protected.
        """
        with Wire() as wire:
            kit = open_kit(
                tmp_path / "data",
                *GRANTS,
                sources=[*plants(), clipboard],
                transport=HTTPSTransport(wire.url),
            )
            _collect(kit)
            kit.flush()
            kit.consent.withdraw("stats")
            kit.flush()
            kit.close()

        text = "\n".join(logged)
        assert text, "the transport's library has logged something"
        assert told(text) == []
        assert CODE not in text
        assert md5(IMEI.encode()).hexdigest() not in text

    @pytest.mark.obligation("WP-HASH-1")
    def test_not_in_reprs(self, tmp_path, clipboard):
        """
        No object shows a raw value in `repr` or `str`.
        """
        backend = Scripted()
        kit = open_kit(
            tmp_path / "data",
            *GRANTS,
            sources=[*plants(), clipboard],
            transport=backend,
        )
        objects = _collect(kit)
        objects += [*kit.store.inspect(), kit.status(), kit.store]
        objects += [kit.store.lanes(), kit.why("stats", "imei")]
        objects += [kit.flush(), backend.batches]
        objects += [kit.consent.withdraw("stats"), kit.store.erasures()]
        objects += [kit.flush(), backend.asked]
        for one in objects:
            for text in (repr(one), str(one)):
                assert told(text) == []
                assert CODE not in text
                assert md5(IMEI.encode()).hexdigest() not in text


class Failing(Transport):
    """
    A transport that fails with what it was to send.
    """

    name = "failing"

    def _send(self, batch):
        raise RuntimeError(str(batch.as_json()))

    def _erase(self, erasure):
        raise RuntimeError(erasure.token)

    def cancel(self):
        raise RuntimeError(MAC)

    def close(self):
        raise RuntimeError(MAC)


class Odd:
    """
    A value that fails with itself whatever is asked of it.
    """

    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    def __getattr__(self, name: str) -> object:
        raise self._error(MAC, LATITUDE)

    def __str__(self) -> str:
        raise self._error(MAC)

    __repr__ = __float__ = __bool__ = __str__  # type: ignore[assignment]


def _tell(work) -> str:
    """
    Call *work*, and give all there is to know of what it gives or raises.
    """
    try:
        given = work()
    except Exception as error:
        return anatomy(error)
    return f"{given!r} {given}"


class TestFailures:
    """
    The same where something fails with the value in its hands.
    """

    @pytest.mark.parametrize(
        "error", [ValueError, KeyError, RuntimeError, OSError, StoreError]
    )
    def test_in_a_source(self, tmp_path, logged, error):
        """
        A source that raises the value is told of by its error's class.
        """
        if error is StoreError:
            raised = StoreError(Path(MAC), problem=MAC, cure=IMEI)
        else:
            raised = error(MAC)
        kit = open_kit(
            tmp_path / "data",
            "stats",
            sources=[Plant("mac_address", raised)],
        )
        del raised

        def read():
            with kit.use("stats") as use:
                device = use.device("mac_address")
                assert isinstance(device.unavailable[0], Unavailable)
                return [device, use.capture(device)]

        text = _tell(read)
        assert error.__name__ in text
        assert told(text) == []
        assert told("".join(logged)) == []

    @pytest.mark.parametrize(
        "error",
        [
            ValueError,
            TypeError,
            AttributeError,
            KeyError,
            OverflowError,
            RuntimeError,
        ],
    )
    @pytest.mark.parametrize(
        "data_type", ["mac_address", "system_id", "location_precise"]
    )
    def test_in_a_protection(self, tmp_path, logged, data_type, error):
        """
        A value that no protection can handle does not get out, neither as
        a result nor in an exception.
        """
        kit = open_kit(
            tmp_path / "data",
            *GRANTS,
            sources=[Plant(data_type, Odd(error))],
        )

        def read():
            if data_type == "location_precise":
                with kit.use("finder") as use:
                    return use.location()
            with kit.use("stats") as use:
                return use.device(data_type)

        assert told(_tell(read)) == []
        assert told("".join(logged)) == []

    @pytest.mark.parametrize("kind", ["outbox", "keys", "ledger"])
    def test_in_a_store(self, tmp_path, clipboard, logged, kind):
        """
        A store that cannot take the value refuses it, without it.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, *GRANTS, sources=[*plants(), clipboard])
        tick(kit, 1)
        kit.close()
        for path, _ in files(data_dir):
            if kind in str(path.relative_to(data_dir)):
                path.write_bytes(b"nonsense" * 999)
        kit = open_kit(data_dir, sources=[*plants(), clipboard])

        def work():
            answers: list[object] = []
            with kit.use("stats") as use:
                device = use.device("mac_address", "system_id", "imei")
                answers += [device, use.capture(device)]
                answers.append(use.capture(Ticked(1, f"{PHONE} {EMAIL}")))
            with kit.use("paste") as use:
                answers.append(use.clipboard("receive_share"))
            assert all(isinstance(one, Refusal) for one in answers[1:3]), (
                answers
            )
            return [*answers, kit.flush()]

        for text in (_tell(work), _tell(kit.status), "".join(logged)):
            assert told(text) == []
            assert CODE not in text

    def test_in_sqlite(self, tmp_path, logged):
        """
        What SQLite raises with a record in its hands comes out without its
        frames, even as a hidden context.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, *GRANTS, sources=plants())
        tick(kit, 1)
        with closing(sqlite3.connect(data_dir / "outbox.sqlite3")) as db:
            db.execute(
                "CREATE TRIGGER no BEFORE INSERT ON chunks "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        with kit.use("stats") as use:
            drafts: Any = [
                use._draft(value)
                for value in use.device("imei").protected_values()
            ]

        def keep():
            with pytest.raises(StoreError) as caught:
                kit.store.keep(drafts, now=kit.now())
            return caught.value

        error = keep()
        text = anatomy(error)

        assert error.__context__ is None
        assert "outbox.sqlite3" in str(error)
        assert md5(IMEI.encode()).hexdigest() not in text
        assert told(text) == []
        assert told("".join(logged)) == []

    def test_in_a_transport(self, tmp_path, clipboard, logged):
        """
        A transport that raises what it was to send is told of by its
        error's class, and the records wait on.
        """
        kit = open_kit(
            tmp_path / "data",
            *GRANTS,
            sources=[*plants(), clipboard],
            transport=Failing(),
        )
        _collect(kit)

        report = kit.flush()
        withdrawal = kit.consent.withdraw("finder")
        again = kit.flush()
        kit.close()

        assert report.waiting == 8
        assert report.problems == (
            "failing: the transport failed (RuntimeError)",
        )
        text = f"{report!r} {withdrawal!r} {again!r} {logged}"
        assert told(text) == []
        assert CODE not in text

    def test_in_a_log_handler(self, tmp_path, logged, capfd):
        """
        A record that cannot be formatted is dropped and counted; nothing
        is printed.
        """
        kit = open_kit(tmp_path / "data", "logs")
        handler = kit.log_handler("logs")
        logger = logging.getLogger("another-app")
        logger.propagate = False
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        logger.info("%s %s", PHONE)  # noqa: PLE1206 - that is the point
        logger.info("%s", Odd(RuntimeError))
        logger.removeHandler(handler)

        assert handler.counts.failed == 2
        out, err = capfd.readouterr()
        assert told(out + err + "".join(logged)) == []

    def test_texts_that_cannot_be_encoded(self, tmp_path):
        """
        Half a surrogate pair, an integer without end and the like are kept
        or refused; no exception carries the text.
        """
        backend = Scripted()
        kit = open_kit(tmp_path / "data", "stats", transport=backend)

        def work():
            with kit.use("stats") as use:
                return [
                    use.capture(Ticked(1, "caf\udce9 wolfsbane")),
                    use.capture(Ticked(10**5000, "wolfsbane-4711")),
                    use.capture(Ticked(3, "\0")),
                ]

        text = _tell(work)
        assert "Traceback" not in text
        assert "wolfsbane" not in text
        report = kit.flush()
        assert report.problems == ()
        assert report.waiting == 0


def test_errors_are_ours_and_name_no_value(tmp_path):
    """
    Misuse is told without repeating what was misused.
    """
    kit = open_kit(tmp_path, "stats")

    def misuse():
        with kit.use("stats") as use:
            return use.capture({"mac": MAC})

    with pytest.raises(TypeError) as caught:
        misuse()
    assert told(str(caught.value)) == []
