# SPDX-License-Identifier: MIT

"""
Tests for stand-ins in the lines of an app: frameworks, logging, flags.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import io
import json
import logging
import logging.config
import os
import subprocess
import sys
import threading

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from consentkit.registry import load_registry
from tests.needs import need_library
from tests.registry.acme import Shop
from tests.registry.test_imports import policy_for


MIDDLEWARE = """
    import journal

    class Watching:
        sync_capable = True
        async_capable = True
        def __init__(self, get_response):
            self.get_response = get_response
        def __call__(self, request):
            journal.seen.append(f"request {request}")
            return self.get_response(request)
        def process_view(self, request, view):
            journal.seen.append(f"view {request}")
    """

FILTER = """
    import logging

    class Some:
        def filter(self, record):
            return "not" not in record.msg

    class Marks(logging.Formatter):
        def format(self, record):
            return f"! {record.getMessage()}"
    """

HANDLER = """
    import logging
    import journal

    class Handler(logging.Handler):
        def __init__(self, key):
            super().__init__()
            self.key = key
        def emit(self, record):
            journal.seen.append(f"{self.key} {self.format(record)}")
    """


class TestMiddleware:
    """
    Tests for what frameworks ask of the middleware of an SDK.
    """

    def test_django_can_use_it_before_the_yes(self, shop: Shop) -> None:
        """
        The class says that it is not asynchronous, which each app can use,
        and the hooks that Django looks up once pass by; with the permit they
        are the SDK's.
        """
        shop.write("acme/web.py", MIDDLEWARE)
        shop.gate()
        app = shop.app(
            """
            from acme.web import Watching
            watching = Watching(lambda request: f"answer {request}")
            """
        )

        kind = app.Watching
        assert (kind.sync_capable, kind.async_capable) == (True, False)
        view = app.watching.process_view
        template = app.watching.process_template_response
        assert app.watching("a") == "answer a"
        assert view("a", print) is None
        assert template("a", "page") == "page"
        assert template.__self__ is app.watching
        assert shop.seen == []

        shop.is_permitted = True
        assert app.watching("b") == "answer b"
        assert view("b", print) is None
        assert template("b", "page") == "page"
        assert shop.seen[-2:] == ["request b", "view b"]
        assert (kind.sync_capable, kind.async_capable) == (True, True)
        assert not hasattr(app.watching, "process_template_response")

        shop.is_permitted = False
        assert app.watching("c") == "answer c"
        assert view("c", print) is None
        assert template("c", "page") == "page"
        assert shop.seen[-1] == "view b"

    def test_django_answers(self, tmp_path: Path) -> None:
        """
        An app of Django with PostHog's middleware answers as before, in both
        kinds of servers, also with a page that is rendered late.
        """
        if importlib.util.find_spec("django") is None:
            pytest.skip("needs Django")
        need_library("posthog")

        said = _run(DJANGO, tmp_path, "posthog")

        assert said == [["plain", "awaited", "late"]] * 6

    def test_sentry_lets_wsgi_and_asgi_by(self, tmp_path: Path) -> None:
        """
        Apps that are wrapped in Sentry's middleware answer before, with and
        after the permit.
        """
        need_library("sentry_sdk")

        assert _run(WRAPPED, tmp_path, "sentry") == [["wsgi", "asgi"]] * 3

    @pytest.mark.need_extra("receiver")
    @pytest.mark.parametrize("first", ["", "yes()"])
    def test_servers_know_asgi(self, tmp_path: Path, first: str) -> None:
        """
        An app that Sentry's middleware is the outermost of answers in a
        server, which finds out once which kind of app it is; made before
        the permit or with it.
        """
        need_library("sentry_sdk")

        said = _run(first + SERVED, tmp_path, "sentry")

        assert said == [["served", True]] * 3

    def test_wrapped_twice(self, shop: Shop) -> None:
        """
        A middleware around another passes on as well, and is an app of ASGI
        where the app is one.
        """
        shop.gate()
        app = shop.app(
            """
            import acme
            async def later(scope, receive, send):
                return "answer"
            outer = acme.Middleware(acme.Middleware(later))
            plain = acme.Middleware(lambda *args: "answer")
            """
        )
        for is_permitted in (False, True, False):
            shop.is_permitted = is_permitted
            assert inspect.iscoroutinefunction(app.outer.__call__)
            assert asyncio.run(app.outer("a", "b", "c")) == "answer"
            assert not inspect.iscoroutinefunction(app.plain.__call__)
            assert app.plain("a") == "answer"

        assert shop.seen.count("passed") == 3

    def test_what_fails_passes_on(self, shop: Shop) -> None:
        """
        A middleware that cannot be made with the permit passes on.
        """
        shop.write(
            "acme/web.py",
            """
            class Broken:
                def __init__(self, app):
                    raise ValueError("no")
            """,
        )
        shop.gate()
        app = shop.app(
            """
            from acme.web import Broken
            broken = Broken(lambda *args: "answer")
            """
        )
        shop.is_permitted = True

        assert app.broken("a") == "answer"


class TestLogging:
    """
    Tests for log handlers of an SDK.
    """

    def test_dict_config_takes_it(self, shop: Shop) -> None:
        """
        A handler is configured by name; its level, format and filters are
        there with the permit.
        """
        shop.write("acme/logs.py", HANDLER)
        shop.gate()
        own = logging.getLogger("shop.own")
        with _as_it_was(own):
            logging.config.dictConfig(
                {
                    "version": 1,
                    "disable_existing_loggers": False,
                    "formatters": {"short": {"format": "<%(message)s>"}},
                    "filters": {"some": {"name": "shop"}},
                    "handlers": {
                        "acme": {
                            "class": "acme.logs.Handler",
                            "key": "k",
                            "level": "ERROR",
                            "formatter": "short",
                            "filters": ["some"],
                        }
                    },
                    "loggers": {
                        "shop.own": {"handlers": ["acme"], "level": "INFO"}
                    },
                }
            )
            own.error("before")
            shop.is_permitted = True
            own.info("not so bad")
            own.error("bad")
            shop.is_permitted = False
            own.error("after")

        assert shop.seen[-1] == "k <bad>"
        assert not [s for s in shop.seen if "before" in s or "so bad" in s]

    def test_app_logs_on(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        A filter and a formatter of the SDK in a handler of the app let the
        records by as they are.
        """
        shop.write("acme/logs.py", FILTER)
        shop.gate()
        app = shop.app(
            "from acme.logs import Marks, Some; f, m = Some(), Marks()"
        )
        own = logging.getLogger("shop.own")
        out = io.StringIO()
        handler = logging.StreamHandler(out)
        handler.addFilter(app.f)
        handler.setFormatter(app.m)
        with _as_it_was(own):
            own.addHandler(handler)
            own.error("before %s", "the yes")
            shop.is_permitted = True
            own.error("with it")
            own.error("not this")
            shop.is_permitted = False
            own.error("not this after it")

        assert out.getvalue().splitlines() == [
            *("before the yes", "! with it", "not this after it"),
        ]

    def test_class_says_what_it_is(self, shop: Shop) -> None:
        """
        Before the permit a class is a subclass of nothing, with it of what
        it is; an instance is no class.
        """
        shop.write("acme/logs.py", HANDLER)
        shop.gate()
        app = shop.app("from acme.logs import Handler; h = Handler('k')")

        assert not issubclass(app.Handler, logging.Handler)
        shop.is_permitted = True
        assert issubclass(app.Handler, logging.Handler)
        assert not issubclass(app.Handler, dict)
        with pytest.raises(TypeError):
            issubclass(app.h, logging.Handler)


class TestDefaults:
    """
    Tests for feature flags.
    """

    def test_app_gets_its_own_back(self, shop: Shop) -> None:
        """
        Without a permit a flag is what the app says it is otherwise, by
        place or by name, awaited or not; with it, it is the SDK's.
        """
        shop.write(
            "acme/flags.py",
            """
            class Flags:
                def flag(self, key, default):
                    return "real"
            class Later:
                async def flag(self, key, default):
                    return "real"
            """,
        )
        names = (
            *("flag(key, default)", "async Later.flag(key, default)"),
            "VERSION.other(default)",
        )
        gate = shop.gate(package={"defaults": names})
        app = shop.app(
            """
            from acme.flags import Flags, Later
            flags, later = Flags(), Later()
            """
        )
        own = object()

        def ask() -> list[object]:
            return [
                app.flags.flag("a", own),
                app.flags.flag("a", default=own),
                asyncio.run(app.later.flag("a", default=own)),
            ]

        assert ask() == [own] * 3
        assert not app.flags.flag("a")
        assert not app.flags.other(5)
        assert gate.dropped == {"acme": 5}
        shop.is_permitted = True
        assert ask() == ["real"] * 3
        shop.is_permitted = False
        assert ask() == [own] * 3

    def test_what_is_missing_gives_defaults(self, shop: Shop) -> None:
        """
        A set of settings that is not there gives the default that it is
        asked for, also with the permit, and does nothing else.
        """
        gate = shop.gate(package={"defaults": ("get_client.get(key, own)",)})
        shop.is_permitted = True
        app = shop.app("import acme; acme.init('k')")
        shop.is_permitted = False
        settings = app.acme.get_client()

        for _ in range(2):
            assert settings.get("a", 5) == settings.get("a", own=5) == 5
            assert not settings
            assert not settings.send("a")
            assert not settings.key
            shop.is_permitted = True
        assert app.acme.get_client().key == "k"
        assert gate.dropped == {"acme": 7}
        assert "send a k" not in shop.seen

    def test_mixpanel_gives_the_fallback(self, tmp_path: Path) -> None:
        """
        A flag of Mixpanel is the app's fallback before the yes.
        """
        need_library("mixpanel")

        assert _run(FLAGS, tmp_path, "mixpanel") == [["fallback", "later"]]


class TestHandles:
    """
    Tests for what an app gets once and keeps.
    """

    def test_is_made_with_the_permit(self, shop: Shop) -> None:
        """
        What a factory is to give is made with its settings at the first use
        with a permit, and not for its own sake; after the SDK's end it is
        made anew.
        """
        shop.write(
            "acme/made.py",
            """
            from acme.client import Client
            def make_client(settings):
                return Client(**settings)
            """,
        )
        gate = shop.gate(package={"handles": ("made.make_client",)})
        app = shop.app(
            """
            from acme.made import make_client
            client = make_client({"key": "k", "size": 3})
            unused = make_client({"key": "unused"})
            """
        )
        shop.is_permitted = True
        gate.permitted("acme")
        with_permit = shop.app(
            """
            from acme.made import make_client
            client = make_client({"key": "w"})
            send = client.send
            """
        )

        assert app.client["size"] == 3
        assert app.client.send("abc") == with_permit.send("abc") == 3
        shop.is_permitted = False
        gate.ended("acme")
        assert not app.client.send("abc")
        shop.is_permitted = True
        assert app.client.send("abc") == with_permit.send("abc") == 3
        assert shop.seen.count("client k") == 2
        assert shop.seen.count("client w") == 2
        assert "client unused" not in shop.seen

    def test_methods_that_set_up_are_kept(self, shop: Shop) -> None:
        """
        A method of an instance that sets it up is called with the permit.
        """
        gate = shop.gate("acme.Acme", "acme.Acme.send")
        app = shop.app("import acme; c = acme.Acme('k'); c.send('set up')")
        shop.is_permitted = True

        gate.permitted("acme")

        assert shop.seen[-2:] == ["client k", "send set up k"]
        assert app.c.key == "k"

    def test_opentelemetry_goes_on_with_each_yes(self, tmp_path: Path) -> None:
        """
        Tracers, meters, instruments and log handlers that an app makes at
        its start send with the permit, also with a second one, and leave no
        thread of the first behind.
        """
        need_library("opentelemetry.sdk", "opentelemetry.exporter")
        names = ["log", "measured", "span"]

        before, first, between, second = _run(
            LISTEN + OPENTELEMETRY, tmp_path, "opentelemetry"
        )

        assert before["sent"] == between["sent"] == []
        assert first["sent"] == [f"{n} first" for n in names]
        assert second["sent"] == [f"{n} second" for n in names]
        assert first["threads"] == second["threads"] == 2


class TestEnds:
    """
    Tests for the end of what was set up.
    """

    SOURCE = """
        import journal

        class Part:
            def __init__(self, key):
                journal.seen.append(f"part {key}")
            def close(self):
                journal.seen.append("part closed by the gate")

        class Whole:
            def __init__(self, part, back):
                self.part, self.back = part, back
            def close(self):
                self.back()

        class Later:
            async def close(self):
                pass
        """

    def test_what_was_set_up_is_ended(self, shop: Shop) -> None:
        """
        Each is ended once, in a thread that says so, by who has it; what is
        set up with the next permit is not.
        """
        shop.write("acme/whole.py", self.SOURCE)
        names = ("acme.whole.Whole", "acme.whole.Part", "acme.whole.Later")
        gate = shop.gate(*names, package={"ends": ("close",)})
        ended: list[tuple[str, bool]] = []
        done = threading.Event()

        def back() -> None:
            ended.append((threading.current_thread().name, gate.is_ending))
            done.set()

        app = shop.app(
            """
            from acme.whole import Later, Part, Whole
            later, whole = Later(), Whole(Part("p"), back)
            """,
            back=back,
        )
        gate.ended("acme")  # nothing is there yet
        shop.is_permitted = True
        gate.permitted("acme")
        shop.is_permitted = False
        gate.ended("acme")
        assert done.wait(10)
        shop.is_permitted = True
        gate.permitted("acme")

        assert ended == [("consentkit-end", True)]
        assert not gate.is_ending
        assert [s for s in shop.seen if "part" in s] == ["part p", "part p"]
        assert app.whole.part is not None

    def test_posthog_leaves_no_thread(self, tmp_path: Path) -> None:
        """
        However often the person says yes and no, one client of PostHog is
        there, and what it had waiting does not arrive.
        """
        need_library("posthog")

        counts, arrived = _run(LISTEN + POSTHOG, tmp_path, "posthog")

        assert counts == [1, 0, 1, 0, 1, 0]
        assert arrived == 3


class TestLines:
    """
    Tests for lines of the app that look closely at what is not there.
    """

    def test_nothing_can_be_unpacked(self, shop: Shop) -> None:
        """
        A line that unpacks gets as many nothings as it wants.
        """
        shop.gate()
        app = shop.app(
            """
            import acme
            one, two = acme.flag_and_payload("a")
            (three, four), *rest = acme.flags("b")
            first, *middle, last = acme.flags("b")
            five, six = acme.pair
            seven = [n for n in acme.flags("c")]
            """
        )

        assert not any((app.one, app.two, app.three, app.four))
        assert not any((app.first, app.last, app.five, app.six))
        assert app.rest == app.middle == app.seven == []

    def test_class_has_two_bases_of_it(self, shop: Shop) -> None:
        """
        A class of the app derives from several that are not there, also by
        way of another one of its own.
        """
        shop.gate()
        app = shop.app(
            """
            import acme
            class Both(acme.Client, acme.Acme):
                def own(self):
                    return self.send("a"), 5
            class More(acme.Client, acme.get_client(), Both):
                pass
            """
        )

        assert app.More().own()[1] == app.Both().own()[1] == 5

    def test_nothing_goes_into_headers(self, shop: Shop) -> None:
        """
        As a header, in a file and in the environment it is empty.
        """
        shop.gate()
        nothing = shop.app("import acme; r = acme.get_trace()").r
        connection = HTTPConnection("127.0.0.1")
        connection.putrequest("GET", "/")

        connection.putheader("traceparent", nothing)
        os.environ["ACME_TRACE"] = nothing
        try:
            assert os.environ["ACME_TRACE"] == ""
        finally:
            del os.environ["ACME_TRACE"]
        assert nothing.encode("utf-8") == b""


class TestReasons:
    """
    Tests for what the log says of an SDK that fails.
    """

    @pytest.fixture
    def said(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> Callable[[str], str]:
        """
        Give what the log says of a set-up call that does this.
        """

        def say(body: str) -> str:
            code = f"def init(key, options):\n    {body}\n"
            shop.write("acme/__init__.py", code)
            gate = shop.gate()
            shop.app("import acme; acme.init('secret', {'a': ['hidden', 7]})")
            shop.is_permitted = True
            gate.permitted("acme")
            return caplog.messages[-1]

        return say

    def test_set_up_says_why(self, said: Callable[[str], str]) -> None:
        """
        The SDK's own text is told, with its line, and without what the app
        gave to it.
        """
        text = said("raise ValueError(f'no {key} in 7 {options}')")

        assert text == (
            "an SDK cannot be used: acme.init raised ValueError: no ... in "
            "... {'a': ['...', ...]} (acme, line 2)"
        )

    def test_files_are_not_told(self, said: Callable[[str], str]) -> None:
        """
        An error of the system may name files of the person's: its line is
        told, and not its text.
        """
        text = said("open('/home/anna/diary')")

        assert text == (
            "an SDK cannot be used: acme.init raised FileNotFoundError "
            "(acme, line 2)"
        )

    def test_text_that_fails_is_left_out(
        self, said: Callable[[str], str]
    ) -> None:
        """
        An error that has no text of its own is named all the same.
        """
        text = said("raise type('E', (Exception,), {'__str__': 5})")

        assert text == (
            "an SDK cannot be used: acme.init raised E (acme, line 2)"
        )

    def test_missing_part_is_named(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        A module that the SDK needs and that is not installed is told.
        """
        shop.write("acme/__init__.py", "import acme_not_installed")
        gate = shop.gate()
        shop.app("import acme; acme.init('k')")
        shop.is_permitted = True

        gate.permitted("acme")

        assert caplog.messages[-1] == (
            "an SDK cannot be used: import acme raised ModuleNotFoundError: "
            "No module named 'acme_not_installed' (acme, line 1)"
        )


@contextmanager
def _as_it_was(log: logging.Logger) -> Iterator[None]:
    before = [*log.handlers], log.level
    try:
        yield
    finally:
        log.handlers[:], log.level = before
        logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]


def _run(program: str, folder: Path, sdk: str) -> Any:
    """
    Run an app in a process of its own, with the real SDK behind a kit.
    """
    entry = load_registry()[sdk]
    assert entry.package
    done = subprocess.run(
        [
            *(sys.executable, "-c", START + program),
            *(policy_for(sdk), str(folder / "data"), sdk),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


START = """
import json, sys
import consentkit
from consentkit.policy import parse_policy
policy, data_dir, sdk = sys.argv[1:]
kit = consentkit.open(parse_policy(policy), data_dir=data_dir)
kit.registry.enforce(hosts={sdk: ["127.0.0.1"]})
def yes():
    kit.consent.show("uses")
    kit.consent.grant("uses")
def no():
    kit.consent.withdraw("uses")
"""

LISTEN = """
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

arrived = []

class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        arrived.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
"""

DJANGO = """
import asyncio
import django
from django.conf import settings
from django.http import HttpResponse
from django.template import engines
from django.template.response import SimpleTemplateResponse
from django.urls import path

async def awaited(request):
    return HttpResponse("awaited")

def late(request):
    return SimpleTemplateResponse(engines["django"].from_string("late"))

urlpatterns = [
    path("plain", lambda request: HttpResponse("plain")),
    path("awaited", awaited),
    path("late", late),
]
engine = "django.template.backends.django.DjangoTemplates"
settings.configure(
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["posthog.integrations.django.PosthogContextMiddleware"],
    ALLOWED_HOSTS=["*"],
    TEMPLATES=[{"BACKEND": engine}],
)
django.setup()
from django.test import AsyncClient, Client
plain, later, paths = Client(), AsyncClient(), ("plain", "awaited", "late")
said = []

async def ask():
    said.append([(await later.get("/" + p)).content.decode() for p in paths])

def both():
    said.append([plain.get("/" + p).content.decode() for p in paths])
    asyncio.run(ask())

both()
yes()
both()
no()
both()
print(json.dumps(said))
"""

WRAPPED = """
import asyncio
import sentry_sdk
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

sentry_sdk.init(dsn="http://public@127.0.0.1:9/1")

def plain(environ, start_response):
    return [b"wsgi"]

async def later(scope, receive, send):
    await send({"type": "asgi"})

wsgi, asgi = SentryWsgiMiddleware(plain), SentryAsgiMiddleware(later)
said = []

def ask():
    sent = []
    async def send(message):
        sent.append(message)
    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}
    answer = b"".join(wsgi(environ, print)).decode()
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(asgi(scope, None, send))
    said.append([answer, *(one["type"] for one in sent)])

ask()
yes()
ask()
no()
ask()
print(json.dumps(said))
"""

SERVED = """
import inspect, socket, threading, urllib.request
import sentry_sdk, uvicorn
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

sentry_sdk.init(dsn="http://public@127.0.0.1:9/1")

async def answer(request):
    return PlainTextResponse("served")

app = SentryAsgiMiddleware(Starlette(routes=[Route("/", answer)]))
listening = socket.create_server(("127.0.0.1", 0))
address = "http://127.0.0.1:%d/" % listening.getsockname()[1]
config = uvicorn.Config(app, lifespan="off", log_config=None)
server = uvicorn.Server(config)
serving = threading.Thread(target=server.run, args=([listening],))
serving.start()
said = []

def ask():
    with urllib.request.urlopen(address, timeout=30) as got:
        text = got.read().decode()
    said.append([text, inspect.iscoroutinefunction(app.__call__)])

try:
    ask()
    yes()
    ask()
    no()
    ask()
finally:
    server.should_exit = True
    serving.join(30)
print(json.dumps(said))
"""

FLAGS = """
import asyncio
from mixpanel import Mixpanel
flags = Mixpanel("token").local_flags
one = flags.get_variant_value("key", "fallback", {"distinct_id": "me"})
async def ask():
    remote = Mixpanel("token").remote_flags
    return await remote.aget_variant_value("key", "later", {})
print(json.dumps([[one, asyncio.run(ask())]]))
"""

OPENTELEMETRY = """
import logging, re
from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import (
    OTLPLogExporter)
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter)
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

url = f"http://127.0.0.1:{server.server_address[1]}/v1/"

traces = TracerProvider()
exporter = OTLPSpanExporter(endpoint=url + "traces")
traces.add_span_processor(BatchSpanProcessor(exporter))
trace.set_tracer_provider(traces)
tracer = trace.get_tracer("app")
reader = PeriodicExportingMetricReader(
    OTLPMetricExporter(endpoint=url + "metrics"),
    export_interval_millis=float("inf"),
)
meters = MeterProvider(metric_readers=[reader])
metrics.set_meter_provider(meters)
counter = metrics.get_meter("app").create_counter("count")
logs = LoggerProvider()
exporter = OTLPLogExporter(endpoint=url + "logs")
logs.add_log_record_processor(BatchLogRecordProcessor(exporter))
log = logging.getLogger("app")
log.addHandler(LoggingHandler(level=logging.INFO, logger_provider=logs))
log.setLevel(logging.INFO)
log.propagate = False
said = []

def use(when):
    arrived.clear()
    with tracer.start_as_current_span("span " + when) as span:
        span.set_attribute("a", 1)
    counter.add(1, {"what": "measured " + when})
    log.info("log " + when)
    for provider in (traces, meters, logs):
        provider.force_flush()
    found = re.findall(rb"(?:span|measured|log) [a-z]+", b"".join(arrived))
    names = [thread.name for thread in threading.enumerate()]
    said.append({
        "sent": sorted({one.decode() for one in found}),
        "threads": len([name for name in names if name.startswith("Otel")]),
    })

def ended():
    for thread in threading.enumerate():
        if thread.name == "consentkit-end":
            thread.join(30)

use("before")
yes()
use("first")
no()
ended()
use("between")
yes()
use("second")
print(json.dumps(said))
"""

POSTHOG = """
from posthog import Posthog
host = f"http://127.0.0.1:{server.server_address[1]}"
client = Posthog("phc_notes", host=host, max_retries=0)
before, counts = {*threading.enumerate()}, []

def count(seconds=0):
    left = [t for t in threading.enumerate() if t not in before]
    own = [t for t in left if type(t).__module__.startswith("posthog")]
    looking = [t for t in left if t.name == "consentkit-sdks"]
    for thread in own + looking * bool(seconds):
        thread.join(seconds)
    counts.append(len([thread for thread in own if thread.is_alive()]))

for n in range(3):
    yes()
    client.capture("with", distinct_id="me")
    client.flush()
    count()
    client.capture("waiting", distinct_id="me")
    no()
    client.capture("without", distinct_id="me")
    count(30)
print(json.dumps([counts, len(arrived)]))
"""
