# SPDX-License-Identifier: MIT

"""
What every adapter of an SDK has to show, with the real SDK.

The app runs in a process of its own, and the SDK's server is one of ours on
127.0.0.1 that counts. A class below `AdapterConformance` says how the app
sets the SDK up, and how its events are read from what the server got.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import threading
import zlib

from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

import consentkit

from tests.needs import need_extra


__all__ = ["AdapterConformance", "App", "Backend", "Sent"]

ROOT = Path(__file__).parents[2]

#: Planted: none of these may leave in any form that can be read.
EMAIL = "ann.planted@person.example"
IMEI = "490154203237518"
SECRET = "sk_live_51PlantedSecretNobodyMaySee42"
PHONE = "+44 7911 123456"
USER = "user-of-the-app-7731"
ADDRESS = "203.0.113.77"
SENTINELS = (EMAIL, IMEI, SECRET, PHONE, USER, ADDRESS, "Planted")

POLICY = """\
schema = 1

[policy]
id = "notes"
title = "Notes privacy policy"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "notes_ltd"
name = "Notes Ltd."
contact = "privacy@notes.example"

[[recipients]]
id = "vendor"
name = "Vendor Inc."
mode = "embedded"
country = "US"

[[functions]]
id = "stats"
name = "Statistics"
category = "third_party"
text = "An SDK counts what is used."
basis = ["consent"]
on_refusal = "degraded"
sdk = "{sdk}"
purposes = ["usage_statistics"]
recipients = ["vendor"]
retention = "P1D"

[[functions.collects]]
type = "usage_record"
protect = "scrub"

{more}

[[functions]]
id = "own"
name = "Own statistics"
category = "additional"
text = "We count what is used."
basis = ["consent"]
on_refusal = "degraded"
purposes = ["usage_statistics"]
retention = "P1D"

[[functions.collects]]
type = "usage_record"
protect = "scrub"

[[functions.events]]
name = "counted"
type = "usage_record"
fields = {{ n = "int" }}
"""

FREE = """\
[[functions.collects]]
type = "{free}"
protect = "scrub"

"""

IDENTITY = """\
[[functions.collects]]
type = "user_id"
protect = { name = "keyed", epoch = "P30D" }
"""

#: The app: it does what it is told on its input, and says how it went.
DRIVER = r"""
import json, sys, threading

looked_up, connected = [], []
import socket
def watch(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        looked_up.append(str(args[0]))
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if isinstance(args[1], tuple):
            connected.append(list(args[1][:2]))
sys.addaudithook(watch)

import consentkit
policy, data_dir, url = sys.argv[1:]
world = {
    "kit": consentkit.open(policy, data_dir=data_dir),
    "url": url, "looked_up": looked_up, "connected": connected,
    "sys": sys, "threading": threading, "consentkit": consentkit,
}
for line in sys.stdin:
    code = json.loads(line)
    answer = {}
    try:
        try:
            made = eval(compile(code, "<told>", "eval"), world)
        except SyntaxError:
            made = exec(compile(code, "<told>", "exec"), world)
        answer["made"] = json.loads(json.dumps(made, default=repr))
    except BaseException as error:
        answer["error"] = f"{type(error).__name__}: {error}"
    sys.__stdout__.write(json.dumps(answer) + "\n")
    sys.__stdout__.flush()
"""


class Sent:
    """
    One request that the server got.
    """

    def __init__(
        self, path: str, headers: Mapping[str, str], raw: bytes
    ) -> None:
        self.path = path
        self.headers = {k.lower(): v for k, v in headers.items()}
        self.raw = raw
        match self.headers.get("content-encoding", ""):
            case "gzip":
                self.body = gzip.decompress(raw)
            case "deflate":
                self.body = zlib.decompress(raw)
            case _:
                self.body = raw

    def json(self) -> Any:
        """
        Read the body.
        """
        return json.loads(self.body)

    @property
    def planted(self) -> list[str]:
        """
        What is in it of what may not leave.
        """
        told = self.body.decode(errors="replace")
        told += repr(self.headers) + self.path
        return [one for one in SENTINELS if one in told]


class Backend:
    """
    Counts what it gets, and answers as it is told.

    Attributes:
        sent: The requests, in their order.

        n_bytes: Of all bodies that were read.

        answer: Status and body of the answers.

        go: While it is not set, nothing is answered.
    """

    def __init__(self, answer: tuple[int, object]) -> None:
        self.sent: list[Sent] = []
        self.n_bytes = 0
        self.answer = answer
        self.go = threading.Event()
        self.go.set()
        self._news = threading.Condition()
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                backend._got(self)

            do_GET = do_POST  # noqa: N815 - as the class has it

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _got(self, handler: BaseHTTPRequestHandler) -> None:
        size = int(handler.headers.get("Content-Length") or 0)
        raw = handler.rfile.read(size)
        with self._news:
            self.n_bytes += len(raw)
            self.sent.append(Sent(handler.path, dict(handler.headers), raw))
            self._news.notify_all()
        self.go.wait(60)
        status, body = self.answer
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(text)))
            handler.end_headers()
            handler.wfile.write(text)
        except OSError:
            handler.close_connection = True

    def wait_for(self, n: int) -> None:
        """
        Wait until there were *n* requests.
        """
        with self._news:
            assert self._news.wait_for(lambda: len(self.sent) >= n, 30)

    def close(self) -> None:
        """
        Stop.
        """
        self.go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class App:
    """
    An app in a process of its own, that does what it is told.
    """

    def __init__(self, policy: Path, data_dir: Path, url: str) -> None:
        self.data_dir = data_dir
        self.policy = policy
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.lower().endswith("_proxy")
        }
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-X", "dev", "-W", "ignore"),
                *("-c", DRIVER, str(policy), str(data_dir), url),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self.stderr = ""

    def do(self, code: str) -> Any:
        """
        Run a statement or an expression there, and give its value.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._process.communicate()[1]
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["made"]

    def end(self) -> None:
        """
        Let it come to its end, which it does; and read what it complained of.
        """
        _, self.stderr = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, self.stderr

    def kill(self) -> None:
        """
        End it if it lives.
        """
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


class AdapterConformance:
    """
    What holds for every adapter; `pytest` finds the tests below a subclass.

    Attributes:
        extra: The extra that brings the SDK.

        sdk: Its id.

        module: The module that must not be loaded before a permit.

        is_loaded_by_app: Whether the app itself needs the SDK's classes, so
            that it is loaded all the same.

        free: A data type of its entry for the app's own texts, which
            ``scrub`` protects.

        prepare: Code of the app before that.

        setup: Code that makes ``client``, of the type under test, from
            ``kit`` and ``url``; with properties ``plan``, of
            ``usage_record``, and ``note``, of the type *free*.

        again: Code that makes it again, with other *options*.

        named: What the constructor calls properties.

        counted: The data type of ``plan``.

        send: Code of ``send(name, user, properties)``, which gives the
            client one event.

        flush: Code that sends what waits.

        shut_down: Code that sends what waits, and ends the client.

        answer: What the SDK's server answers when all is well.

        fields: Names of all that a request may hold, at every level.

        odd: Code of properties that no SDK can send.
    """

    extra: ClassVar[str]
    sdk: ClassVar[str]
    module: ClassVar[str]
    is_loaded_by_app: ClassVar[bool] = False
    free: ClassVar[str] = "product_interaction"
    prepare: ClassVar[str] = ""
    setup: ClassVar[str]
    again: ClassVar[str] = "client = type(client)(kit, {arguments}, {options})"
    named: ClassVar[str] = "properties"
    counted: ClassVar[str] = "usage_record"
    send: ClassVar[str]
    flush: ClassVar[str] = "client.flush()"
    shut_down: ClassVar[str] = (
        "next(getattr(client, name) for name in ('shutdown', 'close')"
        " if hasattr(client, name))()"
    )
    answer: ClassVar[tuple[int, object]] = (200, {})
    fields: ClassVar[frozenset[str]]
    odd: ClassVar[tuple[str, ...]] = (
        "{'plan': Odd()}",
        "{'plan': {1: 2}, 2: 3}",
        "{'plan': float('nan')}",
        "{'plan': b'bytes'}",
        "[]",
        "None",
    )

    def events(self, sent: Sent) -> list[dict[str, Any]]:
        """
        Read a request: for each event its ``name``, its ``user`` and its
        ``properties``, which hold no more than the app's own.
        """
        raise NotImplementedError

    def is_nobody(self, user: Any) -> bool:
        """
        Tell whether an id is one that was made up for one event.
        """
        return str(user).startswith("anonymous-")

    def complaints(self, stderr: str) -> list[str]:
        """
        Read what an app has complained of on its standard error.
        """
        return stderr.splitlines()

    # What the tests stand on

    @pytest.fixture(autouse=True)
    def _needs(self) -> None:
        need_extra(self.extra)

    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        """
        The SDK's server.
        """
        made = Backend(self.answer)
        yield made
        made.close()

    @pytest.fixture
    def app(self, tmp_path: Path, backend: Backend) -> Iterator[App]:
        """
        An app under a policy that lets the SDK have the person's id.
        """
        made = self.start(tmp_path, backend, IDENTITY)
        yield made
        made.kill()

    def start(self, folder: Path, backend: Backend, more: str = "") -> App:
        """
        Start an app.
        """
        policy = folder / "policy.toml"
        if self.free != "usage_record":
            more = FREE.format(free=self.free) + more
        policy.write_text(
            POLICY.format(sdk=self.sdk, more=more), encoding="utf-8"
        )
        app = App(policy, folder / "data", backend.url)
        for code in (self.prepare, self.setup, self.send):
            app.do(code or "None")
        return app

    @staticmethod
    def grant(app: App) -> None:
        """
        Say yes.
        """
        app.do("kit.consent.show('stats', method='settings')")
        app.do("kit.consent.grant('stats', method='settings')")

    @staticmethod
    def withdraw(app: App) -> None:
        """
        Say no, after a yes.
        """
        told = app.do(
            "list(kit.consent.withdraw('stats', method='settings')"
            ".still_running)"
        )
        assert told == []

    def make_again(self, app: App, options: str) -> None:
        """
        Make the client again, with other options.
        """
        app.do(self.again.format(arguments=self.arguments, options=options))

    def only_request(self, app: App, backend: Backend) -> Sent:
        """
        Read the only request that was sent, in which nothing is planted.
        """
        app.do(self.flush)
        backend.wait_for(1)
        app.end()
        assert app.stderr == ""
        (sent,) = backend.sent
        assert not sent.planted
        return sent

    def all_events(self, backend: Backend, since: int = 0) -> list[Any]:
        """
        Read all requests since one of them.
        """
        return [e for s in backend.sent[since:] for e in self.events(s)]

    # The tests

    def test_is_silent_before_consent(
        self, app: App, backend: Backend
    ) -> None:
        """
        Before a yes the SDK is not loaded: no byte, no look-up, no thread.
        """
        before = app.do("threading.active_count()")
        app.do("for n in range(20): send('opened', 'u1', {'plan': 'pro'})")
        app.do(self.flush)

        loaded = app.do(f"{self.module!r} in sys.modules")
        assert loaded is self.is_loaded_by_app
        assert app.do("threading.active_count()") == before
        assert app.do("looked_up + connected") == []
        assert app.do("client.counts.refused") == 20
        app.end()
        assert backend.n_bytes == 0
        assert self.complaints(app.stderr) == []

    def test_only_what_is_declared_leaves(
        self, app: App, backend: Backend
    ) -> None:
        """
        After a yes each request holds the declared fields and no others,
        and what is declared leaves in the form that is promised.
        """
        self.grant(app)
        note = f"write to {EMAIL} or {PHONE}, key {SECRET}"
        properties = {
            "plan": "pro",
            "note": note,
            "email": EMAIL,
            "imei": IMEI,
            "address": {"secret": SECRET},
            "$current_url": f"https://app.example/?token={SECRET}&m={EMAIL}",
            "ip": ADDRESS,
        }
        app.do(f"send('opened', {USER!r}, {properties!r})")
        app.do(self.flush)
        backend.wait_for(1)

        (event,) = self.all_events(backend)
        assert event["name"] == "opened"
        assert event["properties"]["plan"] == "pro"
        assert re.fullmatch(
            "write to <EMAIL> or <[A-Z_]+>, key .*<[A-Z_]+>",
            event["properties"]["note"],
        )
        assert event["properties"].keys() == {"plan", "note"}
        assert re.fullmatch("[0-9a-f]{16,}", event["user"])
        for sent in backend.sent:
            found = _names(sent, self.body_of(sent))
            assert found <= self.fields, found - self.fields
            assert not sent.planted
        app.end()
        assert self.complaints(app.stderr) == []

    def body_of(self, sent: Sent) -> Any:
        """
        Read the body of a request as a tree.
        """
        return sent.json()

    @pytest.mark.obligation("WP-SDK-1")
    def test_excess_is_reported(self, app: App, backend: Backend) -> None:
        """
        What was to be given and is not declared is left out, and is told
        with SDK, type and how often; what is declared goes on.
        """
        self.grant(app)
        types = {"plan": self.counted, "email": "email_address"}
        self.make_again(app, f"{self.named}={types}")
        properties = "{'plan': 'pro', 'email': 'a@b.example', 'other': 1}"
        for name in ("opened", "closed"):
            app.do(f"send({name!r}, 'u1', {properties})")
        app.do(self.flush)

        over = app.do(
            "[(o.sdk, o.data_type, o.reason.value, o.count, "
            "str(o.first.tzinfo), o.first <= o.last) "
            "for o in kit.registry.oversteps "
            "if o.data_type in {'undeclared', 'email_address'}]"
        )
        why = "undeclared_data_type"
        assert over == [
            [self.sdk, "email_address", why, 2, "UTC", True],
            [self.sdk, "undeclared", why, 2, "UTC", True],
        ]
        backend.wait_for(1)
        app.end()
        assert [e["properties"] for e in self.all_events(backend)] == [
            {"plan": "pro"},
            {"plan": "pro"},
        ]

    def test_nothing_that_waits_leaves_after_a_withdrawal(
        self, app: App, backend: Backend
    ) -> None:
        """
        With 1,000 events under way, a withdrawal lets no further byte out,
        and a later yes brings none of them back.
        """
        backend.go.clear()
        self.grant(app)
        app.do(MANY)
        backend.wait_for(1)
        self.withdraw(app)
        bytes_then, sent_then = backend.n_bytes, len(backend.sent)
        assert len(self.all_events(backend)) < 1000
        backend.go.set()

        app.do("send('late', 'u1', {'plan': 'pro'})")
        app.do(self.flush)
        assert backend.n_bytes == bytes_then
        self.grant(app)
        app.do("send('after', 'u1', {'plan': 'pro'})")
        app.do(self.flush)
        backend.wait_for(sent_then + 1)

        app.end()
        events = self.all_events(backend, sent_then)
        assert [e["name"] for e in events] == ["after"]
        assert self.complaints(app.stderr) == []

    def test_a_batch_between_two_tries_stays(
        self, app: App, backend: Backend
    ) -> None:
        """
        What the server did not take, and waits for its next try, is not
        tried again after a withdrawal.
        """
        backend.answer = (503, {})
        self.grant(app)
        app.do("send('before', 'u1', {'plan': 'pro'})")
        app.do(START_FLUSH.format(flush=self.flush))
        backend.wait_for(1)
        self.withdraw(app)
        sent_then = len(backend.sent)
        backend.answer = self.answer
        self.grant(app)
        app.do("send('after', 'u1', {'plan': 'pro'})")
        app.do(self.flush)
        backend.wait_for(sent_then + 1)

        app.end()
        events = self.all_events(backend, sent_then)
        assert [e["name"] for e in events] == ["after"]

    @pytest.mark.obligation("WP-SDK-4")
    def test_an_adapter_of_before_is_dead(
        self, app: App, backend: Backend, tmp_path: Path
    ) -> None:
        """
        After a withdrawal each call of the adapter is refused, also after a
        restart of the app.
        """
        self.grant(app)
        app.do("kept = client")
        app.do("send('before', 'u1', {'plan': 'pro'})")
        app.do(self.flush)
        backend.wait_for(1)
        self.withdraw(app)
        bytes_then = backend.n_bytes
        refused = app.do("kept.counts.refused")
        app.do("for n in range(5): send('late', 'u1', {'plan': 'pro'})")
        app.do(self.flush)
        assert app.do("kept.counts.refused") == refused + 5
        assert app.do("list(kit.registry.running)") == []
        app.end()

        again = self.start(tmp_path, backend, IDENTITY)
        again.do("send('late', 'u1', {'plan': 'pro'})")
        again.do(self.flush)
        loaded = again.do(f"{self.module!r} in sys.modules")
        assert loaded is self.is_loaded_by_app
        again.end()
        assert backend.n_bytes == bytes_then

    def test_a_withdrawal_in_another_process_counts(
        self, app: App, backend: Backend
    ) -> None:
        """
        What another process of the app withdraws, this one does not send.
        """
        backend.go.clear()
        self.grant(app)
        app.do(MANY)
        backend.wait_for(1)
        with consentkit.open(app.policy, data_dir=app.data_dir) as other:
            other.consent.withdraw("stats", method="settings")
        sent_then = len(backend.sent)
        backend.go.set()
        app.do("send('late', 'u1', {'plan': 'pro'})")
        app.do(self.flush)

        app.end()
        assert self.all_events(backend, sent_then) == []

    def test_its_refusal_blocks_no_other(
        self, app: App, backend: Backend
    ) -> None:
        """
        Where the SDK's function is refused, another one goes on; where only
        the SDK's is granted, the other one is refused.
        """
        own = (
            "from attrs import frozen\n"
            "@frozen\n"
            "class Counted:\n    n: int\n"
            "with kit.use('own') as use: kept = bool(use.capture(Counted(1)))"
        )
        app.do("kit.consent.refuse_all(method='settings')")
        app.do("kit.consent.grant('own', method='settings')")
        app.do("send('opened', 'u1', {'plan': 'pro'})")
        app.do(own)
        assert app.do("kept") is True
        app.do("kit.consent.withdraw('own', method='settings')")
        self.grant(app)
        app.do("send('opened', 'u1', {'plan': 'pro'})")
        app.do(own)
        assert app.do("kept") is False
        app.do(self.flush)

        backend.wait_for(1)
        app.end()
        assert [e["name"] for e in self.all_events(backend)] == ["opened"]

    def test_without_the_id_an_event_stands_for_nobody(
        self, tmp_path: Path, backend: Backend
    ) -> None:
        """
        Where the person's id may not be given, each event has an id of its
        own that is made up, and never the person's.
        """
        app = self.start(tmp_path, backend)
        try:
            self.grant(app)
            for name in ("one", "two"):
                app.do(f"send({name!r}, {USER!r}, {{'plan': 'pro'}})")
            assert app.do("client.counts.anonymous") == 2
            app.do(self.flush)
            backend.wait_for(1)
            app.end()
        finally:
            app.kill()
        events = self.all_events(backend)
        assert [e["name"] for e in events] == ["one", "two"]
        assert all(self.is_nobody(e["user"]) for e in events)
        users = {e["user"] for e in events}
        assert users == {None} or len(users) == 2
        assert not [s for s in backend.sent if USER.encode() in s.body]

    def test_an_id_that_is_an_address_is_none(
        self, tmp_path: Path, backend: Backend
    ) -> None:
        """
        An e-mail address in the place of an id does not leave, even where
        the policy gives ids as they are.
        """
        app = self.start(tmp_path, backend)
        try:
            self.grant(app)
            self.make_again(app, f"identity={self.counted!r}")
            app.do(f"send('one', {EMAIL!r}, {{}})")
            app.do(f"send('two', {USER!r}, {{}})")
            app.do(self.flush)
            backend.wait_for(1)
            app.end()
        finally:
            app.kill()
        users = [e["user"] for e in self.all_events(backend)]
        assert users[1] == USER
        assert self.is_nobody(users[0])

    def test_the_app_ends_though_the_server_does_not_answer(
        self, app: App, backend: Backend
    ) -> None:
        """
        An app that ends while the server is silent comes to its end.
        """
        backend.go.clear()
        self.grant(app)
        app.do(MANY)
        backend.wait_for(1)

        app.end()
        assert self.complaints(app.stderr) == []

    def test_a_client_that_was_shut_down_takes_nothing(
        self, app: App, backend: Backend
    ) -> None:
        """
        Where the app shuts the client down itself, what waits is sent, and
        nothing after that.
        """
        self.grant(app)
        app.do("send('first', 'u1', {'plan': 'pro'})")
        app.do(self.shut_down)
        app.do("send('late', 'u1', {'plan': 'pro'})")
        app.do(self.flush)

        app.end()
        assert [e["name"] for e in self.all_events(backend)] == ["first"]

    def test_what_waits_when_the_app_ends_is_sent(
        self, app: App, backend: Backend
    ) -> None:
        """
        An app that ends with its consent standing loses no event by it.
        """
        self.grant(app)
        app.do("send('last', 'u1', {'plan': 'pro'})")

        app.end()
        assert [e["name"] for e in self.all_events(backend)] == ["last"]

    def test_an_app_can_send_in_its_last_moment(
        self, app: App, backend: Backend
    ) -> None:
        """
        A flush in an exit handler of the app sends what waits.

        From Python 3.12 on, no thread can be started at that time.
        """
        self.grant(app)
        app.do("import atexit")
        app.do(f"atexit.register(lambda: eval({self.flush!r}, globals()))")
        app.do("send('last', 'u1', {'plan': 'pro'})")

        app.end()
        assert [e["name"] for e in self.all_events(backend)] == ["last"]

    def test_nothing_raises_into_the_app(
        self, app: App, backend: Backend
    ) -> None:
        """
        Values that no SDK can send, and properties that fail, raise nothing.
        """
        self.grant(app)
        app.do(
            "class Odd:\n"
            "    def __str__(self): raise RuntimeError\n"
            "    __repr__ = __hash__ = __str__\n"
        )
        for properties in self.odd:
            app.do(f"send('opened', 'u1', {properties})")
        app.do("send(None, None, None)")
        app.do("send('opened', Odd(), {})")
        app.do("client.no_such_method_of_the_sdk if False else None")
        app.do(self.flush)
        app.end()
        # The SDK may say in its log what it does not take.
        assert "Traceback" not in app.stderr, app.stderr

    def test_without_the_sdk_the_extra_is_named(self, app: App) -> None:
        """
        Where the SDK is not installed, the error names the extra.
        """
        top = self.module.partition(".")[0]
        app.do(f"sys.modules[{top!r}] = None")
        told = app.do(
            "def attempt():\n"
            "    try:\n"
            + "".join(f"        {line}\n" for line in self.setup.splitlines())
            + "    except consentkit.ConsentKitError as error:\n"
            "        return str(error)\n"
        )
        told = app.do("attempt()")
        assert told.endswith(f"pip install 'consentkit[{self.extra}]'")

    def test_an_unknown_data_type_is_named(self, app: App) -> None:
        """
        A data type that is not in the vocabulary is an error at the set-up.
        """
        told = app.do(
            "def attempt():\n"
            "    try:\n"
            f"        type(client)(kit, {self.arguments}, "
            f"{self.named}={{'x': 'nonsense'}})\n"
            "    except ValueError as error:\n"
            "        return str(error)\n"
        )
        told = app.do("attempt()")
        assert told.startswith("no data type 'nonsense'")

    #: What the constructor takes after the kit.
    arguments: ClassVar[str] = "'key'"


#: What no adapter waits for a server with.
MANY = """\
for n in range(1000):
    send('before', 'u1', {'plan': 'pro'})
"""

START_FLUSH = """\
def flush():
    {flush}
threading.Thread(target=flush, daemon=True).start()
"""


def _names(sent: Sent, tree: Any) -> set[str]:
    """
    Give every name in a body, at each level; the values of names in `list`.
    """
    match tree:
        case dict():
            found = set(map(str, tree))
            return found.union(*(_names(sent, v) for v in tree.values()))
        case list():
            return set().union(*(_names(sent, v) for v in tree))
        case _:
            return set()
