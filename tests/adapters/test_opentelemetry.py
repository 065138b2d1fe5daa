# SPDX-License-Identifier: MIT

"""
Tests for the adapter of OpenTelemetry, with the real SDK and its exporters.
"""

from __future__ import annotations

import json

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.conformance import (
    EMAIL,
    IDENTITY,
    IMEI,
    SECRET,
    AdapterConformance,
    App,
    Backend,
    Sent,
)
from tests.needs import need_extra


#: For exceptions within a span, and for the name of the service.
MORE = """\
[[functions.collects]]
type = "failure_info"
protect = "scrub"

[[functions.collects]]
type = "crash_log"
protect = "scrub"

[[functions.collects]]
type = "app_name"
protect = "none"

"""

LOGS = """\
from consentkit.adapters import opentelemetry
def make():
    from opentelemetry.exporter.otlp.proto.http._log_exporter import (
        OTLPLogExporter)
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    return BatchLogRecordProcessor(OTLPLogExporter(endpoint=url))
client = opentelemetry.log_processor(
    kit, make, event="usage_record", attributes={"plan": "usage_record"})
from opentelemetry.sdk._logs import LoggerProvider
provider = LoggerProvider()
provider.add_log_record_processor(client)
from opentelemetry._logs import LogRecord, SeverityNumber
logger = provider.get_logger("app")
def log(body, **attributes):
    logger.emit(LogRecord(
        timestamp=1, body=body, attributes=attributes, severity_text="INFO",
        severity_number=SeverityNumber.INFO))
"""

METRICS = """\
from consentkit.adapters import opentelemetry
def make():
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
        OTLPMetricExporter)
    return OTLPMetricExporter(endpoint=url)
client = opentelemetry.metric_exporter(
    kit, make, event="usage_record", attributes={"plan": "usage_record"})
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
reader = PeriodicExportingMetricReader(
    client, export_interval_millis=float("inf"))
provider = MeterProvider([reader])
meter = provider.get_meter("app")
counter = meter.create_counter("opened", unit="1")
lasted = meter.create_histogram("lasted", unit="s")
"""


def _parsed(sent: Sent, kind: str) -> dict[str, Any]:
    """
    Read a request as a tree, as the protocol has it in JSON.
    """
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    kinds: dict[str, Any] = {
        "logs": logs_service_pb2.ExportLogsServiceRequest,
        "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
        "spans": trace_service_pb2.ExportTraceServiceRequest,
    }
    made: dict[str, Any] = MessageToDict(kinds[kind].FromString(sent.body))
    return made


def _attributes(tree: dict[str, Any]) -> dict[str, Any]:
    """
    Read attributes by name.
    """
    return {
        one["key"]: next(iter(one["value"].values()))
        for one in tree.get("attributes", ())
    }


def _parts(sent: Sent, kind: str) -> Iterator[dict[str, Any]]:
    """
    Read the spans, records or measurements of a request.
    """
    outer, inner, each = {
        "logs": ("resourceLogs", "scopeLogs", "logRecords"),
        "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
        "spans": ("resourceSpans", "scopeSpans", "spans"),
    }[kind]
    for resource in _parsed(sent, kind)[outer]:
        for scope in resource[inner]:
            yield from scope[each]


class TestSpanProcessor(AdapterConformance):
    """
    Tests for `consentkit.adapters.opentelemetry.span_processor`.
    """

    extra = "opentelemetry"
    sdk = "opentelemetry"
    module = "opentelemetry.exporter.otlp.proto.http"
    setup = """\
from consentkit.adapters import opentelemetry
def make():
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
        OTLPSpanExporter)
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    return BatchSpanProcessor(
        OTLPSpanExporter(endpoint=url + "/v1/traces", timeout=300),
        schedule_delay_millis=100, max_export_batch_size=10)
client = opentelemetry.span_processor(
    kit, make, event="usage_record",
    attributes={"plan": "usage_record", "note": "product_interaction"})
from opentelemetry.sdk.trace import TracerProvider
provider = TracerProvider()
provider.add_span_processor(client)
"""
    again = """\
client = type(client)(kit, make, event="usage_record", {options})
provider = TracerProvider()
provider.add_span_processor(client)
tracer = provider.get_tracer("app")
"""
    named = "attributes"
    send = """\
tracer = provider.get_tracer("app")
def send(name, user, properties):
    with tracer.start_as_current_span(name) as span:
        for key, value in {**dict(properties or {}), "user.id": user}.items():
            # The SDK itself takes no others, and says so on each.
            if isinstance(value, (str, bool, int, float)):
                span.set_attribute(key, value)
"""
    flush = "client.force_flush()"
    arguments = "make"
    answer = (200, b"")
    fields = frozenset(
        {
            *("resourceSpans", "resource", "scopeSpans", "scope", "spans"),
            *("name", "traceId", "spanId", "parentSpanId", "kind", "status"),
            *("flags", "startTimeUnixNano", "endTimeUnixNano"),
            *("attributes", "key", "value", "stringValue"),
        }
    )

    def body_of(self, sent: Sent) -> Any:
        """
        Read a request as a tree.
        """
        return _parsed(sent, "spans")

    def events(self, sent: Sent) -> list[dict[str, Any]]:
        """
        Read the spans of a request.
        """
        made = []
        for span in _parts(sent, "spans"):
            attributes = _attributes(span)
            made.append(
                {
                    "name": span["name"],
                    "user": attributes.pop("user.id", None),
                    "properties": attributes,
                }
            )
        return made

    def is_nobody(self, user: Any) -> bool:
        """
        A span needs no id.
        """
        return user is None

    def the_span(self, app: App, backend: Backend) -> dict[str, Any]:
        """
        Read the only span that was sent.
        """
        (span,) = _parts(self.only_request(app, backend), "spans")
        return span

    @pytest.mark.obligation("WP-SDK-1")
    def test_excess_is_reported(self, app: App, backend: Backend) -> None:
        """
        What was to be given and is not declared is left out, and is told
        with SDK, type and how often; what is declared goes on.
        """
        super().test_excess_is_reported(app, backend)

    def test_an_exception_leaves_scrubbed(
        self, tmp_path: Path, backend: Backend
    ) -> None:
        """
        Of an exception in a span, of events, links and the resource, what
        is declared leaves, scrubbed; state of other systems does not.
        """
        app = self.start(tmp_path, backend, MORE + IDENTITY)
        try:
            self.grant(app)
            app.do(
                "from opentelemetry import trace\n"
                "from opentelemetry.trace import SpanContext, TraceState\n"
                "from opentelemetry.sdk.resources import Resource\n"
                "provider = TracerProvider(resource=Resource({\n"
                "    'service.name': 'notes', 'host.name': 'Planted',\n"
                f"    'process.command_line': {SECRET!r}}}))\n"
                "provider.add_span_processor(client)\n"
                "tracer = provider.get_tracer('app', attributes={\n"
                f"    'planted': {SECRET!r}}})\n"
                "far = trace.Link(SpanContext(1, 2, True, trace_state=\n"
                f"    TraceState([('a', {IMEI!r})])),\n"
                f"    {{'secret': {SECRET!r}}})\n"
                "try:\n"
                f"    with tracer.start_as_current_span({EMAIL!r},\n"
                "            links=[far]) as span:\n"
                f"        span.add_event('mail to {EMAIL}', {{\n"
                f"            'imei': {IMEI!r}, 'plan': 'pro'}})\n"
                f"        raise ValueError('no such: {EMAIL}')\n"
                "except ValueError: pass"
            )
            span = self.the_span(app, backend)
        finally:
            app.kill()
        assert span["name"] == "<EMAIL>"
        mail, failed = span["events"]
        assert mail["name"] == "mail to <EMAIL>"
        assert _attributes(mail) == {"plan": "pro"}
        told = _attributes(failed)
        assert told["exception.message"] == "no such: <EMAIL>"
        assert told["exception.type"] == "ValueError"
        assert "in <module>" in told["exception.stacktrace"]
        assert span["status"]["message"] == "ValueError: no such: <EMAIL>"
        assert span["links"][0].keys() <= {"traceId", "spanId", "flags"}
        parsed = _parsed(backend.sent[0], "spans")["resourceSpans"][0]
        assert _attributes(parsed["resource"]) == {"service.name": "notes"}

    def test_a_withdrawal_ends_a_request_under_way(
        self, app: App, backend: Backend
    ) -> None:
        """
        A request that the server does not answer ends with the consent, and
        with it the SDK's thread, long before the SDK gives it up.
        """
        backend.go.clear()
        self.grant(app)
        app.do("send('one', 'u1', {'plan': 'pro'})")
        backend.wait_for(1)
        app.do(
            "(its,) = [t for t in threading.enumerate() if 'Otel' in t.name]"
        )
        self.withdraw(app)
        app.do("its.join(20)")
        assert app.do("its.is_alive()") is False
        app.end()
        assert app.stderr == ""

    def test_what_began_before_the_yes_stays(
        self, app: App, backend: Backend
    ) -> None:
        """
        A span that began before the yes is not sent, though it ends later.
        """
        app.do("before = tracer.start_span('before')")
        self.grant(app)
        app.do("before.end()")
        app.do("send('after', 'u1', {})")
        assert self.the_span(app, backend)["name"] == "after"


class _Started(AdapterConformance):
    """
    What the tests below stand on; no class of `pytest`'s.
    """

    extra = "opentelemetry"
    sdk = "opentelemetry"
    answer = (200, b"")
    send = "None"


@pytest.fixture
def backend() -> Iterator[Backend]:
    """
    A server that takes all.
    """
    made = Backend((200, b""))
    yield made
    made.close()


class TestLogProcessor:
    """
    Tests for `consentkit.adapters.opentelemetry.log_processor`.
    """

    @pytest.fixture
    def app(self, tmp_path: Path, backend: Backend) -> Iterator[App]:
        """
        An app that logs.
        """
        need_extra("opentelemetry")

        class Logs(_Started):
            setup = LOGS

        made = Logs().start(tmp_path, backend)
        yield made
        made.kill()

    def test_records_leave_scrubbed(self, app: App, backend: Backend) -> None:
        """
        Nothing leaves before the yes; after it the text of a record leaves
        scrubbed, with the attributes that are declared.
        """
        app.do("log('before')")
        app.do("client.force_flush()")
        assert app.do("looked_up + connected") == []
        _Started.grant(app)
        app.do(f"log('mail to {EMAIL}', plan='pro', imei={IMEI!r})")
        app.do(f"log({{'secret': {SECRET!r}, 'n': 4}})")
        app.do("client.force_flush()")
        backend.wait_for(1)
        app.end()

        (sent,) = backend.sent
        assert not sent.planted
        first, second = _parts(sent, "logs")
        assert first["body"] == {"stringValue": "mail to <EMAIL>"}
        assert first["severityText"] == "INFO"
        assert _attributes(first) == {"plan": "pro"}
        assert "<SECRET_VALUE>" in json.dumps(second["body"])

    def test_nothing_leaves_after_a_withdrawal(
        self, app: App, backend: Backend
    ) -> None:
        """
        With 1,000 records under way, a withdrawal lets no further byte out.
        """
        backend.go.clear()
        _Started.grant(app)
        app.do("for n in range(1000): log('before')")
        backend.wait_for(1)
        _Started.withdraw(app)
        bytes_then = backend.n_bytes
        backend.go.set()
        app.do("log('late')")
        app.do("client.force_flush()")
        app.end()
        assert backend.n_bytes == bytes_then
        assert app.stderr == ""


class TestMetricExporter:
    """
    Tests for `consentkit.adapters.opentelemetry.metric_exporter`.
    """

    @pytest.fixture
    def app(self, tmp_path: Path, backend: Backend) -> Iterator[App]:
        """
        An app that measures.
        """
        need_extra("opentelemetry")

        class Metrics(_Started):
            setup = METRICS

        made = Metrics().start(tmp_path, backend)
        yield made
        made.kill()

    def test_only_what_was_measured_after_the_yes_leaves(
        self, app: App, backend: Backend
    ) -> None:
        """
        What was counted before the yes is in no number; points that differ
        only by what is not declared become one.
        """
        app.do("counter.add(100); lasted.record(9.0)")
        app.do("provider.force_flush()")
        assert app.do("looked_up + connected") == []
        _Started.grant(app)
        # What spans the yes cannot be parted, and stays.
        app.do("counter.add(10)")
        app.do("provider.force_flush()")
        app.do(f"counter.add(1, {{'plan': 'pro', 'imei': {IMEI!r}}})")
        app.do(f"counter.add(2, {{'plan': 'pro', 'mail': {EMAIL!r}}})")
        app.do("lasted.record(0.5, {'mail': 'a'})")
        app.do("lasted.record(1.5, {'mail': 'b'})")
        app.do("provider.force_flush()")
        backend.wait_for(1)
        (sent,) = backend.sent
        _Started.withdraw(app)
        bytes_then = backend.n_bytes
        app.do("counter.add(7)")
        app.do("provider.force_flush()")
        app.end()

        assert backend.n_bytes == bytes_then
        assert not sent.planted
        found = {one["name"]: one for one in _parts(sent, "metrics")}
        (point,) = found["opened"]["sum"]["dataPoints"]
        assert point["asInt"] == "3"
        assert _attributes(point) == {"plan": "pro"}
        (point,) = found["lasted"]["histogram"]["dataPoints"]
        assert (point["count"], point["sum"]) == ("2", 2.0)
        assert (point["min"], point["max"]) == (0.5, 1.5)
