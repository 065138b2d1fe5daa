# SPDX-License-Identifier: MIT
"""
OpenTelemetry behind the gate: processors and exporters of its SDK.

A tracer, meter or logger stays as it is. What changes is the line that says
where it all goes: ``span_processor(kit, lambda: BatchSpanProcessor(...))``
stands where ``BatchSpanProcessor(...)`` stood. The processor and its exporter
are made with the first permit, by the app's own code, and again after each
withdrawal; so it is code that is passed, and no exporter that is made already.

Each span and each record of a log is decided on where it ends, in the app's
thread, and is built anew of what may be given. So what waits in the SDK's
queue is protected already. Of what began before the yes nothing is given.

Names and texts are of one data type, attributes and those of the resource
each of its own, by name. Ids of traces and spans, kinds, codes and times stay:
they are what a trace is. What goes with a trace into other systems (state,
baggage) is left out, and so are samples of single measurements.

Source: opentelemetry/sdk/trace/__init__.py, opentelemetry/sdk/_logs/_internal
and opentelemetry/sdk/metrics/_internal of opentelemetry-sdk 1.45.2,
opentelemetry/exporter/otlp/common/http.py of opentelemetry-exporter-otlp-common
0.66b2.
"""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from consentkit.adapters._base import (
    Adapter,
    Given,
    Lease,
    Parcel,
)
from consentkit.adapters._wire import gate_pools, gate_session
from consentkit.collectors.logs import clear_text
from consentkit.exceptions import MissingExtraError
from consentkit.gate import Refusal


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["log_processor", "metric_exporter", "span_processor"]

#: Attributes that stand for the person.
_IDENTITIES: Final = frozenset({"enduser.id", "enduser.pseudo.id", "user.id"})

#: More events or links of one span are left out.
_MOST: Final = 1_000


class _Gate(Adapter):
    """
    What the three kinds share.

    Their arguments are those of the functions below.
    """

    _sdk = "opentelemetry"
    _package = "opentelemetry-sdk"
    _module = "opentelemetry.sdk"
    _context = MappingProxyType(
        {
            "exception.escaped": "crash_log",
            "exception.message": "failure_info",
            "exception.stacktrace": "crash_log",
            "exception.type": "crash_log",
            "host.arch": "hardware_info",
            "host.id": "system_id",
            "host.name": "device_name",
            "os.description": "os_version",
            "os.type": "os_name",
            "os.version": "os_version",
            "process": "app_process_info",
            "process.owner": "username",
            "service.instance.id": "app_process_info",
            "service.name": "app_name",
            "service.version": "app_version",
            "status.description": "failure_info",
            "telemetry.sdk.language": "app_name",
            "telemetry.sdk.name": "app_name",
            "telemetry.sdk.version": "app_version",
        }
    )

    def __init__(
        self,
        kit: Kit,
        make: Callable[[], Any],
        *,
        attributes: Mapping[str, str] | None = None,
        event: str = "service_log",
        identity: str = "user_id",
    ) -> None:
        super().__init__(
            kit, properties=attributes, event=event, identity=identity
        )
        if find_spec(self._module) is None:
            raise MissingExtraError(extra=self._sdk, package=self._package)
        self._maker = make
        self._deciding = threading.local()

    def shutdown(self, *_: object, **__: object) -> None:
        """
        Send what waits, for a moment, and take nothing more.
        """
        client = self._client_now()
        if client is None:
            self._is_closed = True
            return
        self._bounded(lambda: self._flush(client))
        self._shut_down_at_once()

    def force_flush(self, timeout_millis: float | None = None) -> bool:  # noqa: ARG002 - as the SDK has it
        """
        Send what waits, in ten seconds at most.
        """
        self._flush_now()
        return True

    # The real one

    def _shut_down_at_once(self) -> None:
        self._is_closed = True
        self._close_now()

    def _make(self, lease: Lease) -> Any:
        client = self._maker()
        _gate_exporter(_exporter_of(client), lease)
        return client

    def _flush(self, client: Any) -> None:
        client.force_flush()

    def _close(self, client: Any) -> None:
        # What waits for its next try holds up the SDK's own end.
        waits = getattr(_exporter_of(client), "_client", None)
        ends = getattr(waits, "_shutdown_event", None)
        if ends is not None:
            ends.set()
        client.shutdown()

    # What is given

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """
        Tell whether nothing is being decided on in this thread.

        What the kit logs meanwhile would go in circles.
        """
        if getattr(self._deciding, "is_on", False):
            yield False
            return
        self._deciding.is_on = True
        try:
            yield True
        finally:
            self._deciding.is_on = False

    def _since(self) -> int:
        """
        Say when the yes was said, in nanoseconds; 0 where there is none.
        """
        permit = self._kit.decide(
            self._function,
            self._event_type,
            recipient=self._recipient or None,
            in_use=True,
            again=True,
        )
        if isinstance(permit, Refusal):
            return 0
        return int(permit.entry.at.timestamp() * 1e3) * 10**6

    def _type(self, name: str) -> str:
        """
        Find the data type of an attribute, by its longest known beginning.
        """
        at = name
        while at:
            found = self._types.get(at)
            if found is not None:
                return found
            at = at.rpartition(".")[0]
        return ""

    def _add(self, parcel: Parcel, section: str, attributes: object) -> None:
        """
        Add attributes, to be found again under *section*.
        """
        if not isinstance(attributes, Mapping):
            return
        for name, value in attributes.items():
            if name in _IDENTITIES:
                self._add_identity(parcel, value, name=f"{section}\n{name}")
            elif isinstance(name, str):
                parcel.add_tree(
                    section, {name: value}, {name: self._type(name)}
                )

    def _add_resource(self, parcel: Parcel, resource: Any) -> None:
        """
        Add attributes of the resource, which the SDK adds to all.
        """
        known = {}
        for name, value in resource.attributes.items():
            data_type = self._type(name)
            if data_type and data_type not in self._undeclared:
                if self._protection(data_type) is None:
                    # It is counted once.
                    self._undeclared.add(data_type)
                known[name] = value
        self._add(parcel, "resource", known)


def _found(given: Given, section: str) -> dict[str, Any]:
    """
    Give the attributes of a section, with what is left of them.
    """
    made = given.tree(section)
    for name in given:
        head, _, rest = name.partition("\n")
        if rest and head == section:
            made[rest] = given.get(name)
    return made


class _Texts:
    """
    Texts of one record, which go as one list.
    """

    def __init__(self, parcel: Parcel, data_type: str) -> None:
        self._texts: list[str] = []
        parcel.add("texts", self._texts, data_type)

    def add(self, text: object) -> int:
        """
        Add one, and say where it is.
        """
        self._texts.append(clear_text(text) if isinstance(text, str) else "")
        return len(self._texts) - 1

    def given(self, given: Given) -> Callable[[int], str]:
        """
        Give what finds each as it may be given.
        """
        texts = given.get("texts")
        if not isinstance(texts, list) or len(texts) != len(self._texts):
            return lambda _: "_"
        return lambda at: str(texts[at])


class SpanProcessor(_Gate):
    """
    Stands for a processor of spans, as ``BatchSpanProcessor``.
    """

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """
        Do nothing: a span is decided on when it ends.
        """

    def _on_ending(self, span: Any) -> None:
        """
        Do nothing, as above.
        """

    def on_end(self, span: Any) -> None:
        """
        Give what of a span may be given to the SDK's own processor.
        """
        context = span.context
        if context is None or not context.trace_flags.sampled:
            return
        with self._alone() as is_alone:
            if not is_alone:
                return
            if (span.start_time or 0) < self._since():
                # It may hold anything of before the yes.
                self._count("refused")
                return
            parcel = self._parcel("span")
            texts = _Texts(parcel, self._event_type)
            named = texts.add(span.name)
            scope = span.instrumentation_scope
            scoped = texts.add(scope.name if scope else None)
            events = [
                (texts.add(one.name), one.timestamp)
                for one in span.events[:_MOST]
            ]
            self._add(parcel, "span", span.attributes)
            for at, one in enumerate(span.events[:_MOST]):
                self._add(parcel, f"event {at}", one.attributes)
            for at, link in enumerate(span.links[:_MOST]):
                self._add(parcel, f"link {at}", link.attributes)
            described = {"status.description": span.status.description}
            self._add(parcel, "status", described)
            self._add_resource(parcel, span.resource)
            self._send(
                parcel,
                lambda client, given: client.on_end(
                    _span(
                        span, given, texts.given(given), named, scoped, events
                    )
                ),
            )


def _span(
    span: Any,
    given: Given,
    text: Callable[[int], str],
    named: int,
    scoped: int,
    events: list[tuple[int, int]],
) -> Any:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, Status, StatusCode

    status = Status(span.status.status_code)
    told = _found(given, "status").get("status.description")
    if told and status.status_code is StatusCode.ERROR:
        status = Status(StatusCode.ERROR, str(told))
    return ReadableSpan(
        name=text(named),
        context=_bare(span.context),
        parent=_bare(span.parent),
        resource=Resource(_found(given, "resource")),
        attributes=_found(given, "span"),
        events=[
            Event(text(name), _found(given, f"event {at}"), when)
            for at, (name, when) in enumerate(events)
        ],
        links=[
            Link(_bare(link.context), _found(given, f"link {at}"))
            for at, link in enumerate(span.links[:_MOST])
        ],
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=InstrumentationScope(text(scoped)),
    )


def _bare(context: Any) -> Any:
    """
    Give a context without what other systems have put into it.
    """
    if context is None:
        return None
    from opentelemetry.trace import SpanContext

    return SpanContext(
        context.trace_id,
        context.span_id,
        is_remote=context.is_remote,
        trace_flags=context.trace_flags,
    )


class LogProcessor(_Gate):
    """
    Stands for a processor of log records, as ``BatchLogRecordProcessor``.
    """

    def on_emit(self, log_record: Any) -> None:
        """
        Give what of a record may be given to the SDK's own processor.
        """
        record = log_record.log_record
        with self._alone() as is_alone:
            if not is_alone:
                return
            parcel = self._parcel("record")
            texts = _Texts(parcel, self._event_type)
            scope = log_record.instrumentation_scope
            scoped = texts.add(scope.name if scope else None)
            named = texts.add(record.event_name)
            level = texts.add(record.severity_text)
            parcel.add("body", record.body, self._event_type)
            self._add(parcel, "record", record.attributes)
            if log_record.resource is not None:
                self._add_resource(parcel, log_record.resource)

            def hand_over(client: Any, given: Given) -> None:
                text = texts.given(given)
                client.on_emit(
                    _log_record(record, given, text, scoped, named, level)
                )

            self._send(parcel, hand_over)


def _log_record(
    record: Any,
    given: Given,
    text: Callable[[int], str],
    scoped: int,
    named: int,
    level: int,
) -> Any:
    from opentelemetry._logs import LogRecord
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    made = LogRecord(
        timestamp=record.timestamp,
        observed_timestamp=record.observed_timestamp,
        context=Context(),
        severity_text=text(level) if record.severity_text else None,
        severity_number=record.severity_number,
        body=given.get("body"),
        attributes=_found(given, "record"),
        event_name=text(named) if record.event_name else None,
    )
    made.trace_id = record.trace_id
    made.span_id = record.span_id
    made.trace_flags = record.trace_flags
    return ReadWriteLogRecord(
        made,
        resource=Resource(_found(given, "resource")),
        instrumentation_scope=InstrumentationScope(text(scoped)),
    )


class MetricExporter(_Gate):
    """
    Stands for an exporter of measurements, as ``OTLPMetricExporter``.

    Counters and histograms go as what has been added since the last time:
    else each number would hold what was counted before the yes. Points that
    are the same without their undeclared attributes become one.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        from opentelemetry.sdk.metrics import (
            Counter,
            Histogram,
            ObservableCounter,
        )
        from opentelemetry.sdk.metrics.export import AggregationTemporality

        # What a reader asks an exporter for.
        self._preferred_temporality = dict.fromkeys(
            (Counter, ObservableCounter, Histogram),
            AggregationTemporality.DELTA,
        )
        self._preferred_aggregation: dict[type, Any] | None = None

    def export(
        self, metrics_data: Any, timeout_millis: float = 10_000, **_: Any
    ) -> Any:
        """
        Give what of the measurements may be given to the SDK's exporter.
        """
        from opentelemetry.sdk.metrics.export import MetricExportResult

        with self._alone() as is_alone:
            if is_alone:
                for one in metrics_data.resource_metrics:
                    self._export(one, timeout_millis)
        # Nobody is to try again what may not be given.
        return MetricExportResult.SUCCESS

    def _export(self, measured: Any, timeout_millis: float) -> None:
        since = self._since()
        parcel = self._parcel("measurements")
        texts = _Texts(parcel, self._event_type)
        numbers: list[float] = []
        parcel.add("numbers", numbers, self._event_type)
        self._add_resource(parcel, measured.resource)
        scopes: list[tuple[int, list[tuple[Any, tuple[int, ...], list[Any]]]]]
        scopes = []
        for scoped in measured.scope_metrics:
            metrics = []
            for metric in scoped.metrics:
                points = []
                for point in _points(metric.data, since):
                    for name, value in (point.attributes or {}).items():
                        self._add(parcel, f"point {value!r}", {name: value})
                    points.append((point, len(numbers)))
                    numbers.append(_number(point))
                told = (metric.name, metric.description, metric.unit)
                if points:
                    places = tuple(texts.add(text) for text in told)
                    metrics.append((metric, places, points))
            if metrics:
                scopes.append((texts.add(scoped.scope.name), metrics))
        if not scopes:
            self._count("refused")
            return

        def hand_over(client: Any, given: Given) -> None:
            text = texts.given(given)
            kept = given.get("numbers")
            if not isinstance(kept, list) or len(kept) != len(numbers):
                return
            client.export(
                _measurements(given, text, kept, numbers, scopes),
                timeout_millis=timeout_millis,
            )

        self._send(parcel, hand_over)


def _points(data: Any, since: int) -> Sequence[Any]:
    """
    Give the points that count nothing of before *since*.
    """
    counts = _adds(data) and getattr(data, "is_monotonic", True)
    return [
        point
        for point in data.data_points
        if (point.start_time_unix_nano if counts else point.time_unix_nano)
        >= since
    ]


def _number(point: Any) -> float:
    found: float = point.value if hasattr(point, "value") else point.sum
    return found


def _measurements(
    given: Given,
    text: Callable[[int], str],
    kept: list[Any],
    numbers: list[float],
    scopes: list[Any],
) -> Any:
    from opentelemetry.sdk.metrics.export import (
        Metric,
        MetricsData,
        ResourceMetrics,
        ScopeMetrics,
    )
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    made = []
    for scoped, metrics in scopes:
        inside = []
        for metric, (name, description, unit), points in metrics:
            merged: dict[Any, Any] = {}
            for point, at in points:
                if kept[at] != numbers[at]:
                    # It looks like a number of somebody.
                    continue
                attributes = {}
                for key, value in (point.attributes or {}).items():
                    found = _found(given, f"point {value!r}")
                    if key in found:
                        attributes[key] = found[key]
                _merge(merged, point, attributes, adds=_adds(metric.data))
            if merged:
                data = replace(metric.data, data_points=[*merged.values()])
                inside.append(
                    Metric(text(name), text(description), text(unit), data)
                )
        if inside:
            scope = InstrumentationScope(text(scoped))
            made.append(ScopeMetrics(scope, inside, ""))
    resource = Resource(_found(given, "resource"))
    return MetricsData([ResourceMetrics(resource, made, "")])


def _adds(data: Any) -> bool:
    """
    Tell whether points of *data* have a sum; of a gauge the last one counts.
    """
    return hasattr(data, "aggregation_temporality")


def _merge(
    merged: dict[Any, Any],
    point: Any,
    attributes: dict[str, Any],
    *,
    adds: bool,
) -> None:
    """
    Add a point to those with the same attributes.
    """
    key = tuple(sorted((n, repr(v)) for n, v in attributes.items()))
    point = replace(point, attributes=attributes, exemplars=[])
    other = merged.get(key)
    if other is None or not adds:
        merged[key] = point
    elif hasattr(point, "value"):
        value = other.value + point.value
        merged[key] = replace(point, value=value)
    elif getattr(point, "explicit_bounds", None) == getattr(
        other, "explicit_bounds", ()
    ):
        merged[key] = replace(
            point,
            count=other.count + point.count,
            sum=other.sum + point.sum,
            bucket_counts=[
                mine + its
                for mine, its in zip(
                    point.bucket_counts, other.bucket_counts, strict=True
                )
            ],
            min=min(other.min, point.min),
            max=max(other.max, point.max),
        )


# The real exporter


def _exporter_of(client: Any) -> Any:
    """
    Find the exporter of a processor; an exporter is its own.
    """
    batch = getattr(client, "_batch_processor", None)
    for holder, name in (
        (batch, "_exporter"),
        (client, "span_exporter"),
        (client, "_exporter"),
    ):
        found = getattr(holder, name, None)
        if found is not None:
            return found
    return client


def _gate_exporter(exporter: Any, lease: Lease) -> None:
    """
    Let *exporter* send nothing without asking *lease*.
    """
    export = exporter.export
    # Now: an import while the interpreter ends can start no thread.
    done = _done(exporter)

    def gated_export(batch: Any, *args: Any, **options: Any) -> Any:
        # To the SDK it is done, else it would be tried again.
        return export(batch, *args, **options) if lease.is_live else done

    exporter.export = gated_export
    transport = getattr(getattr(exporter, "_client", None), "_transport", None)
    if transport is None:
        return
    session = getattr(transport, "_session", None)
    pool = getattr(transport, "_pool", None)
    if session is not None:
        gate_session(session, lease)
    if pool is not None:
        gate_pools(pool, lease)
    request = transport.request

    def gated_request(*args: Any, **options: Any) -> Any:
        if lease.is_live:
            result = request(*args, **options)
            if not lease.has_ended:
                return result
        return _Done()

    transport.request = gated_request


class _Done:
    """
    Stands for the answer to a request that was not to be made any more.
    """

    status_code = 200
    reason = ""
    error = None


def _done(exporter: Any) -> Any:
    import opentelemetry.sdk._logs.export as logs
    import opentelemetry.sdk.metrics.export as metrics
    import opentelemetry.sdk.trace.export as trace

    if isinstance(exporter, trace.SpanExporter):
        return trace.SpanExportResult.SUCCESS
    if isinstance(exporter, metrics.MetricExporter):
        return metrics.MetricExportResult.SUCCESS
    return logs.LogRecordExportResult.SUCCESS


def span_processor(
    kit: Kit,
    make: Callable[[], Any],
    *,
    attributes: Mapping[str, str] | None = None,
    event: str = "service_log",
    identity: str = "user_id",
) -> Any:
    """
    Make what stands for a processor of spans.

    Args:
        kit: The app's kit; a function of its policy has
            ``sdk = "opentelemetry"``.

        make: Makes the SDK's own, such as
            ``BatchSpanProcessor(OTLPSpanExporter())``; called with the first
            permit, and again after a withdrawal.

        attributes: Data types of attributes by name, of spans, events, links
            and of the resource; a name counts for all that begin with it and
            a full stop. What the SDK adds to the resource, and exceptions,
            have theirs already.

        event: Data type of names and texts. Nothing is sent without it.

        identity: Data type of the person's id.

    Raises:
        MissingExtraError: If ``opentelemetry-sdk`` is not installed.

        ValueError: If a data type is not in the vocabulary.

    .. versionadded:: 26.1.0
    """
    return SpanProcessor(
        kit, make, attributes=attributes, event=event, identity=identity
    )


def log_processor(
    kit: Kit,
    make: Callable[[], Any],
    *,
    attributes: Mapping[str, str] | None = None,
    event: str = "service_log",
    identity: str = "user_id",
) -> Any:
    """
    Make what stands for a processor of log records.

    *make* makes the SDK's own, such as
    ``BatchLogRecordProcessor(OTLPLogExporter())``, and *attributes* has those
    of records and of the resource; all else is as with `span_processor`.

    .. versionadded:: 26.1.0
    """
    return LogProcessor(
        kit, make, attributes=attributes, event=event, identity=identity
    )


def metric_exporter(
    kit: Kit,
    make: Callable[[], Any],
    *,
    attributes: Mapping[str, str] | None = None,
    event: str = "service_log",
    identity: str = "user_id",
) -> Any:
    """
    Make what stands for an exporter of measurements.

    *make* makes the SDK's own, such as ``OTLPMetricExporter()``, and
    *attributes* has those of points and of the resource; all else is as with
    `span_processor`.

    .. versionadded:: 26.1.0
    """
    return MetricExporter(
        kit, make, attributes=attributes, event=event, identity=identity
    )
