# SPDX-License-Identifier: MIT

"""
Tests for the adapter of Sentry, with the real SDK.
"""

from __future__ import annotations

import json

from pathlib import Path
from typing import Any

import pytest

from tests.adapters.conformance import (
    EMAIL,
    IDENTITY,
    IMEI,
    POLICY,
    SECRET,
    USER,
    AdapterConformance,
    App,
    Backend,
    Sent,
)


#: Beside a crash's own: texts, and what went before.
MORE = """\
[[functions.collects]]
type = "operation_log"
protect = "scrub"

[[functions.collects]]
type = "failure_info"
protect = "scrub"
"""

#: For traces and records of a log.
RECORDS = """\
[[functions.collects]]
type = "service_log"
protect = "scrub"

"""

#: For what the SDK adds by itself.
AROUND = """\
[[functions.collects]]
type = "app_version"
protect = "none"

[[functions.collects]]
type = "device_name"
protect = "present"

"""

#: What an app has around it when something happens.
FAIL = f"""\
def fail(user):
    password = {SECRET!r}
    with sentry_sdk.new_scope() as scope:
        scope.set_user({{
            "id": user, "email": {EMAIL!r}, "ip_address": "203.0.113.77",
        }})
        scope.set_tag("plan", "pro")
        scope.set_tag("imei", {IMEI!r})
        scope.set_context("planted", {{"secret": {SECRET!r}}})
        scope.add_attachment(bytes={SECRET.encode()!r}, filename="a.txt")
        sentry_sdk.add_breadcrumb(
            category="http", message="GET to {EMAIL}",
            data={{"url": "https://a.example/?token={SECRET}&m={EMAIL}"}},
        )
        try:
            raise ValueError("no such person: {EMAIL}, {IMEI}")
        except ValueError:
            sentry_sdk.capture_exception()
"""


class TestSentry(AdapterConformance):
    """
    Tests for `consentkit.adapters.sentry`.
    """

    extra = "sentry"
    sdk = "sentry"
    module = "sentry_sdk"
    setup = """\
from consentkit.adapters import sentry
client = sentry.init(
    kit, url.replace("//", "//key@") + "/1", transport_queue_size=2000,
    properties={"plan": "crash_log", "note": "operation_log"},
)
"""
    send = """\
import sentry_sdk
def send(name, user, properties):
    with sentry_sdk.new_scope() as scope:
        scope.set_user({"id": user})
        for key, value in (properties or {}).items():
            scope.set_extra(key, value)
        return sentry_sdk.capture_message(name)
"""
    arguments = "'http://key@127.0.0.1:9/1'"
    again = """\
client = sentry.init(kit, url.replace("//", "//key@") + "/1", {options})
"""
    counted = "crash_log"
    answer = (200, {})
    fields = frozenset(
        {
            *("event_id", "sent_at", "type", "content_type", "length"),
            *("platform", "sdk", "name", "version", "level", "timestamp"),
            *("message", "extra", "plan", "note", "user", "id"),
        }
    )

    def start(self, folder: Path, backend: Backend, more: str = "") -> App:
        """
        Start an app whose policy has the types of crashes.
        """
        policy = folder / "policy.toml"
        text = POLICY.format(sdk=self.sdk, more=more + MORE)
        policy.write_text(
            text.replace('"usage_record"', '"crash_log"', 1), encoding="utf-8"
        )
        app = App(policy, folder / "data", backend.url)
        app.do(self.setup)
        app.do(self.send)
        return app

    def body_of(self, sent: Sent) -> Any:
        """
        Read an envelope: a line of JSON, and two for each item.
        """
        return [json.loads(line) for line in sent.body.splitlines()]

    def events(self, sent: Sent) -> list[dict[str, Any]]:
        """
        Read an envelope with one event.
        """
        _, item, body = self.body_of(sent)
        assert item["type"] == "event"
        return [
            {
                "name": body["message"],
                "user": body.get("user", {}).get("id"),
                "properties": body.get("extra", {}),
            }
        ]

    def is_nobody(self, user: Any) -> bool:
        """
        An event of Sentry needs no id.
        """
        return user is None

    def the_event(self, app: App, backend: Backend) -> dict[str, Any]:
        """
        Read the only event that was sent.
        """
        sent = self.only_request(app, backend)
        _, item, body = self.body_of(sent)
        assert item["type"] == "event"
        assert isinstance(body, dict)
        return body

    def test_is_silent_before_consent(
        self, app: App, backend: Backend
    ) -> None:
        """
        Before a yes no client is active: no byte, no look-up, no thread,
        and nothing is kept for later.
        """
        before = app.do("threading.active_count()")
        hooks = app.do("repr([sys.excepthook, threading.Thread.start])")
        app.do("for n in range(20): send('opened', 'u1', {'plan': 'pro'})")
        app.do("sentry_sdk.add_breadcrumb(message='before')")
        app.do("sentry_sdk.capture_exception(ValueError('before'))")
        app.do(self.flush)

        assert app.do("sentry_sdk.is_initialized()") is False
        assert app.do("threading.active_count()") == before
        assert app.do("looked_up + connected") == []
        assert app.do("repr([sys.excepthook, threading.Thread.start])") == (
            hooks
        )
        self.grant(app)
        assert backend.n_bytes == 0
        app.do("send('after', 'u1', {'plan': 'pro'})")
        event = self.the_event(app, backend)
        assert event["message"] == "after"
        assert "breadcrumbs" not in event

    @pytest.mark.obligation("WP-SDK-4")
    def test_an_adapter_of_before_is_dead(
        self, app: App, backend: Backend, tmp_path: Path
    ) -> None:
        """
        After a withdrawal neither the SDK's own calls nor a client that the
        app has kept sends anything, also after a restart of the app.
        """
        self.grant(app)
        app.do("send('before', 'u1', {'plan': 'pro'})")
        app.do("kept = sentry_sdk.get_client()")
        app.do(self.flush)
        backend.wait_for(1)
        assert app.do("kept.is_active()") is True
        self.withdraw(app)
        bytes_then = backend.n_bytes
        app.do("for n in range(5): send('late', 'u1', {'plan': 'pro'})")
        app.do("kept.capture_event({'message': 'late'})")
        app.do("kept.flush()")
        app.do(self.flush)
        assert app.do("sentry_sdk.is_initialized()") is False
        assert app.do("list(kit.registry.running)") == []
        app.end()

        again = self.start(tmp_path, backend, IDENTITY)
        again.do("send('late', 'u1', {'plan': 'pro'})")
        again.do(self.flush)
        assert again.do("sentry_sdk.is_initialized()") is False
        again.end()
        assert backend.n_bytes == bytes_then

    @pytest.mark.obligation("WP-SDK-1")
    def test_excess_is_reported(self, app: App, backend: Backend) -> None:
        """
        What was to be given and is not declared is left out, and is told
        with SDK, type and how often; what is declared goes on.
        """
        super().test_excess_is_reported(app, backend)

    def test_an_exception_leaves_with_its_frames_only(
        self, app: App, backend: Backend
    ) -> None:
        """
        Of an exception its type, text and frames leave, scrubbed; no values
        of variables, no lines of source and no folders, and of what is
        around it only what is declared.
        """
        app.do(FAIL)
        self.grant(app)
        app.do(f"fail({USER!r})")
        event = self.the_event(app, backend)

        (told,) = event["exception"]["values"]
        assert told.keys() == {"type", "value", "mechanism", "stacktrace"}
        assert told["type"] == "ValueError"
        assert told["value"].startswith("no such person: <EMAIL>, <")
        (frame,) = told["stacktrace"]["frames"]
        assert frame.keys() <= {
            *("filename", "function", "module", "lineno", "in_app")
        }
        assert frame["function"] == "fail"
        assert event["tags"] == {"plan": "pro"}
        assert event["user"].keys() == {"id"}
        (crumb,) = event["breadcrumbs"]["values"]
        assert crumb.keys() <= {
            *("timestamp", "type", "category", "message", "level")
        }
        assert crumb["message"] == "GET to <EMAIL>"
        assert event.keys() == {
            *("event_id", "platform", "sdk", "level", "timestamp"),
            *("exception", "tags", "user", "breadcrumbs"),
        }

    def test_what_the_sdk_adds_leaves_with_its_clause(
        self, tmp_path: Path, backend: Backend
    ) -> None:
        """
        Release and the request's address leave with a clause for the type
        that the app gives them, scrubbed; packages, command line and body
        do not, nor does a name of which only may be known that there is one.
        """
        app = self.start(tmp_path, backend, AROUND)
        try:
            self.grant(app)
            self.make_again(
                app,
                "release='notes@1', server_name='Planted', properties={"
                "'request.url': 'operation_log',"
                " 'request.query_string': 'operation_log'}",
            )
            address = f"https://a.example/notes?token={SECRET}&m={EMAIL}"
            app.do(
                "sentry_sdk.capture_event({'message': 'told', 'request': {\n"
                f"    'url': {address!r}, 'data': {{'a': {IMEI!r}}},\n"
                f"    'query_string': 'm={EMAIL}', 'cookies': {SECRET!r}}}}})"
            )
            event = self.the_event(app, backend)
        finally:
            app.kill()
        assert event["release"] == "notes@1"
        assert event["request"].keys() == {"url", "query_string"}
        assert event["request"]["url"].startswith("https://a.example/notes?")
        assert not event.keys() & {
            *("server_name", "modules", "extra", "contexts")
        }

    def test_what_nothing_catches_leaves_after_a_start(
        self, app: App, backend: Backend
    ) -> None:
        """
        After a yes and a start, an exception that ends a thread is sent.
        """
        assert app.do("client.start()") is False
        self.grant(app)
        assert app.do("client.start()") is True
        app.do("threading.excepthook = lambda told: None")
        app.do(
            "def ends():\n    raise KeyError('gone')\n"
            "t = threading.Thread(target=ends); t.start(); t.join()"
        )
        event = self.the_event(app, backend)
        assert event["exception"]["values"][0]["type"] == "KeyError"

    def test_crumbs_of_before_a_withdrawal_are_gone(
        self, app: App, backend: Backend
    ) -> None:
        """
        What the SDK has noted before a withdrawal is in no event after it.
        """
        self.grant(app)
        app.do("client.start()")
        app.do("sentry_sdk.add_breadcrumb(message='before')")
        self.withdraw(app)
        self.grant(app)
        app.do("client.start()")
        app.do("sentry_sdk.add_breadcrumb(message='after')")
        app.do("send('told', 'u1', {})")
        event = self.the_event(app, backend)
        crumbs = [one["message"] for one in event["breadcrumbs"]["values"]]
        assert crumbs == ["after"]

    def test_what_began_before_a_withdrawal_stays(
        self, tmp_path: Path, backend: Backend
    ) -> None:
        """
        A transaction that began before a withdrawal, and the transport of
        that time, send nothing after a later yes.
        """
        app = self.start(tmp_path, backend, RECORDS)
        try:
            self.grant(app)
            self.make_again(app, "traces_sample_rate=1.0")
            app.do("begun = sentry_sdk.start_transaction(name='before')")
            app.do("kept = sentry_sdk.get_client().transport")
            self.withdraw(app)
            self.grant(app)
            app.do("client.start()")
            app.do("begun.finish()")
            app.do(
                "from sentry_sdk.envelope import Envelope\n"
                "late = Envelope(); late.add_event({'message': 'late'})\n"
                "kept.capture_envelope(late)"
            )
            assert app.do("client.counts.handed_over") == 0
            app.do("send('after', 'u1', {})")
            event = self.the_event(app, backend)
        finally:
            app.kill()
        assert event["message"] == "after"

    def test_what_a_callback_adds_is_decided_on(
        self, app: App, backend: Backend
    ) -> None:
        """
        What the app's own callback puts into an event passes no other way.
        """
        self.grant(app)
        app.do(
            "def before_send(event, hint):\n"
            f"    event['extra'] = {{'plan': 'pro', 'more': {SECRET!r}}}\n"
            f"    event['of_later'] = {EMAIL!r}\n"
            "    return event\n"
        )
        self.make_again(
            app, "before_send=before_send, properties={'plan': 'crash_log'}"
        )
        app.do("send('told', 'u1', {})")
        event = self.the_event(app, backend)
        assert event["extra"] == {"plan": "pro"}
        assert "of_later" not in event

    def test_nothing_but_what_is_known_passes(
        self, app: App, backend: Backend
    ) -> None:
        """
        Sessions, check-ins, measurements, traces without a clause, and
        kinds of a later version do not pass.
        """
        self.grant(app)
        self.make_again(
            app,
            "traces_sample_rate=1.0, release='1', auto_session_tracking=True",
        )
        app.do(
            "from sentry_sdk.crons import capture_checkin\n"
            "from sentry_sdk.envelope import Envelope, Item\n"
            "capture_checkin(monitor_slug='m', status='ok')\n"
            "sentry_sdk.start_session(); sentry_sdk.end_session()\n"
            "sentry_sdk.metrics.count('planted', 1)\n"
            "with sentry_sdk.start_transaction(name='Planted'): pass\n"
            "later = Envelope(items=[Item(b'Planted', type='of_later')])\n"
            "sentry_sdk.get_client().transport.capture_envelope(later)\n"
        )
        app.do("sentry_sdk.flush()")
        app.do(self.flush)
        assert app.do("client.counts.dropped") >= 3
        assert app.do("client.counts.handed_over") == 0
        app.end()
        assert backend.n_bytes == 0

    def test_traces_leave_with_their_clause(
        self, tmp_path: Path, backend: Backend
    ) -> None:
        """
        With a clause a transaction and its spans leave, scrubbed, without
        data of the spans.
        """
        app = self.start(tmp_path, backend, RECORDS)
        try:
            self.grant(app)
            self.make_again(app, "traces_sample_rate=1.0")
            app.do(
                "with sentry_sdk.start_transaction(name='load', op='task'):\n"
                f"    with sentry_sdk.start_span(op='db', name='{EMAIL}') as"
                f" span:\n        span.set_data('sql', {SECRET!r})\n"
            )
            app.do(self.flush)
            backend.wait_for(1)
            app.end()
        finally:
            app.kill()
        (sent,) = backend.sent
        head, item, body = self.body_of(sent)
        assert head.keys() == {"event_id", "sent_at"}
        assert item["type"] == "transaction"
        assert body["transaction"] == "load"
        (span,) = body["spans"]
        assert span["description"] == "<EMAIL>"
        assert span.keys() <= {
            *("trace_id", "span_id", "parent_span_id", "op", "description"),
            *("start_timestamp", "timestamp", "status"),
        }
        trace = body["contexts"]["trace"]
        assert span["trace_id"] == trace["trace_id"]
        assert not sent.planted

    def test_log_records_leave_scrubbed(
        self, tmp_path: Path, backend: Backend
    ) -> None:
        """
        Records of a log leave with their text scrubbed and the attributes
        that are declared.
        """
        app = self.start(tmp_path, backend, RECORDS)
        try:
            self.grant(app)
            self.make_again(
                app, "enable_logs=True, properties={'plan': 'service_log'}"
            )
            app.do(
                f"sentry_sdk.logger.info('mail to {EMAIL}',"
                f" attributes={{'plan': 'pro', 'imei': {IMEI!r}}})"
            )
            app.do(self.flush)
            backend.wait_for(1)
            app.end()
        finally:
            app.kill()
        (sent,) = backend.sent
        _, item, body = self.body_of(sent)
        assert item["type"] == "log"
        (record,) = body["items"]
        assert record["body"] == "mail to <EMAIL>"
        assert record["attributes"] == {
            "plan": {"value": "pro", "type": "string"}
        }
        assert not sent.planted

    def test_no_ids_go_with_other_requests(
        self, app: App, backend: Backend
    ) -> None:
        """
        Requests that the app makes itself carry nothing of the SDK.
        """
        self.grant(app)
        app.do("client.start()")
        app.do("import urllib.request")
        app.do("urllib.request.urlopen(url + '/own').read()")
        backend.wait_for(1)
        assert backend.sent[0].path == "/own"
        assert not {"sentry-trace", "baggage"} & backend.sent[0].headers.keys()

    def test_a_set_up_that_fails_is_told_once(
        self, app: App, backend: Backend
    ) -> None:
        """
        Where the SDK takes no such options, the app goes on and is told.
        """
        self.grant(app)
        app.do("client = sentry.init(kit, 'no address')")
        app.do("for n in range(3): send('told', 'u1', {})")
        assert app.do("client.start()") is False
        app.end()
        assert app.stderr == (
            "sentry: its client cannot be made (BadDsn); nothing is sent\n"
        )
        assert backend.n_bytes == 0

    def test_another_transport_is_refused(self, app: App) -> None:
        """
        A transport of the app's own, which nothing would hold, is an error.
        """
        app.do(
            "def attempt():\n"
            "    try:\n"
            "        sentry.init(kit, transport=print)\n"
            "    except ValueError as error:\n"
            "        return str(error)\n"
        )
        assert app.do("attempt()").startswith("transport:")
