# SPDX-License-Identifier: MIT
"""
Sentry behind the gate: the app's calls of ``sentry_sdk`` stand.

``sentry.init(kit, dsn="...")`` stands where ``sentry_sdk.init(dsn="...")``
stood. Without a permit no client is active, and ``sentry_sdk`` does what it
does without one: nothing. With it a client of the SDK's own is made, whose
transport is the one place that decides: errors, transactions and log records
are taken apart there, each part by its data type, and are built anew of what
may be given. What it does not know, be it of a later version, does not pass.

What never passes: values of local variables, lines of source code, absolute
paths, packages, cookies, the command line, attachments, sessions, check-ins,
measurements, profiles and reports of what was dropped.

Source: sentry_sdk/client.py, sentry_sdk/scope.py, sentry_sdk/transport.py
and sentry_sdk/_log_batcher.py of sentry-sdk 2.75.0.
"""

from __future__ import annotations

import logging
import os
import posixpath
import threading

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from consentkit.adapters._base import (
    STOP_SECONDS,
    Adapter,
    Given,
    Lease,
    Parcel,
)
from consentkit.adapters._wire import gate_pools
from consentkit.collectors.logs import clear_text


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["Sentry", "init"]

logger: logging.Logger = logging.getLogger("consentkit")

#: Options that make the SDK send around the transport, or send more.
_OFF: Final[Mapping[str, object]] = {
    "auto_session_tracking": False,
    "include_local_variables": False,
    "include_source_context": False,
    "send_client_reports": False,
    "spotlight": False,
}

#: Experiments that put another transport in the place of ours.
_OTHER_TRANSPORTS: Final = ("transport_async", "transport_http2")

_LEVELS: Final = frozenset(
    {"trace", "debug", "info", "warning", "warn", "error", "fatal"}
)

#: What tells one event, trace or span from others: digits of base 16.
_IDS: Final[Mapping[str, int]] = {
    "event_id": 32,
    "trace_id": 32,
    "span_id": 16,
    "parent_span_id": 16,
}

#: Numbers of lines and places are below.
_MOST_NUMBER: Final = 10_000_000

#: The parts of a mechanism that are no text.
_MECHANISM: Final = (
    *("handled", "synthetic", "is_exception_group"),
    *("exception_id", "parent_id"),
)

#: What of an event has no sense without the texts of a part.
_RESTS_ON: Final[Mapping[str, tuple[str, ...]]] = {
    "exception": ("exception", "fingerprint", "threads"),
    "message": ("fingerprint",),
    "breadcrumbs": ("breadcrumbs",),
    "logs": ("items",),
    "spans": ("spans",),
}

#: More frames, crumbs or spans of one event are left out.
_MOST: Final = 1_000


class Sentry(Adapter):
    """
    Sets ``sentry_sdk`` up, as far as that is permitted.

    The app's own `init` makes one; each call of ``sentry_sdk`` asks again
    whether it may start.

    Args:
        kit: The app's kit; a function of its policy has ``sdk = "sentry"``.

        dsn: As for the SDK; without one ``SENTRY_DSN`` counts, as there.

        properties: Data types by name: of the app's own tags and extras by
            their names, of contexts as ``contexts.NAME``; of parts of an
            event as in `PARTS`, where it is another one than there.

        identity: Data type of the person's id.

        options: As for ``sentry_sdk.init``. Options that make it send
            around the gate are turned off, and so is *transport*; *release*
            is not guessed, and *trace_propagation_targets* are none unless
            they are named.

    Raises:
        MissingExtraError: If ``sentry-sdk`` is not installed.

        ValueError: If a data type is not in the vocabulary, or *options*
            name a transport.

    .. versionadded:: 26.1.0
    """

    #: Data types of the parts of an event.
    PARTS: Final[Mapping[str, str]] = MappingProxyType(
        {
            "exception": "crash_log",
            "message": "failure_info",
            "breadcrumbs": "operation_log",
            "logs": "service_log",
            "spans": "service_log",
            "contexts.trace": "service_log",
            "contexts.runtime": "hardware_info",
            "dist": "app_version",
            "environment": "app_version",
            "release": "app_version",
            "request.data": "activity_submission",
            "request.env.REMOTE_ADDR": "ip_address",
            "request.headers.User-Agent": "user_agent",
            "request.method": "browsing_history",
            "request.query_string": "browsing_history",
            "request.url": "browsing_history",
            "server_name": "device_name",
            "transaction": "service_log",
            "user.email": "email_address",
            "user.ip_address": "ip_address",
            "user.username": "username",
        }
    )

    _sdk = "sentry"
    _package = "sentry-sdk"
    _module = "sentry_sdk"
    _context = PARTS

    def __init__(
        self,
        kit: Kit,
        dsn: str | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        identity: str = "user_id",
        **options: Any,
    ) -> None:
        if options.get("transport") is not None:
            msg = "transport: the adapter has its own, which asks the gate"
            raise ValueError(msg)
        own = dict(properties or {})
        for name, data_type in (properties or {}).items():
            if name not in self.PARTS:
                own.setdefault(f"tags.{name}", data_type)
                own.setdefault(f"extra.{name}", data_type)
        super().__init__(
            kit,
            properties=own,
            event=own.get("exception", self.PARTS["exception"]),
            identity=identity,
        )
        self._options = {**options, "dsn": dsn}
        self._waiting: Any = None
        self._waking = threading.local()

    def start(self) -> bool:
        """
        Start the SDK if that is permitted now; else with its first call
        that is.

        Called after a yes it lets the SDK see exceptions that nothing
        catches before its next call.

        Returns:
            Whether it runs.
        """
        if self._awake() is not None:
            return True
        if not self._is_closed:
            self._wait_for_a_yes()
        return False

    def flush(self) -> None:
        """
        Send what waits, in ten seconds at most.
        """
        self._flush_now()

    def close(self) -> None:
        """
        Send what waits, and take nothing more.
        """
        self._shut_down()

    # The real client

    def _wait_for_a_yes(self) -> None:
        """
        Let each call of ``sentry_sdk`` ask whether the SDK may start.
        """
        if not _is_there():
            return
        import sentry_sdk

        if self._waiting is None:
            self._waiting = _waiting_client(self._awake)
        with self._not_waking():
            # The scope asks it at once, and this may be the thread that
            # ends the client.
            sentry_sdk.get_global_scope().set_client(self._waiting)

    def _awake(self) -> Any:
        """
        Give the real client, made now if need be, or ``None``.
        """
        if self._is_closed or getattr(self._waking, "up", False):
            return None
        # Its integrations ask for a client while it is made.
        with self._not_waking():
            try:
                lease = self._lease(Parcel(), ())
                return None if lease is None else lease.client_of(self)
            except Exception as error:  # noqa: BLE001 - no app breaks by it
                self._warn_of(error)
                return None

    @contextmanager
    def _not_waking(self) -> Iterator[None]:
        """
        Make no client in this thread meanwhile.
        """
        before = getattr(self._waking, "up", False)
        self._waking.up = True
        try:
            yield
        finally:
            self._waking.up = before

    def _warn_of(self, error: Exception) -> None:
        """
        Say once that the client cannot be made: of an option, no more than
        the kind of its error, as it may be a secret.
        """
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%s: its client cannot be made (%s); nothing is sent",
                self._sdk,
                type(error).__name__,
            )

    def _make(self, lease: Lease) -> Any:
        import sentry_sdk

        from sentry_sdk.integrations.atexit import AtexitIntegration
        from sentry_sdk.integrations.logging import ignore_logger

        # What the kit says while it decides would be decided on.
        ignore_logger("consentkit")
        options = {
            "release": os.environ.get("SENTRY_RELEASE", ""),
            "trace_propagation_targets": [],
            **self._options,
            **_OFF,
            "transport": _transport(self._pass_on, lease),
        }
        options["_experiments"] = {
            name: value
            for name, value in (options.get("_experiments") or {}).items()
            if name not in _OTHER_TRANSPORTS
        }
        # The end of the app is ours: it waits less, and prints nothing.
        options["disabled_integrations"] = [
            *(options.get("disabled_integrations") or ()),
            AtexitIntegration,
        ]
        client = sentry_sdk.Client(**options)
        sentry_sdk.get_global_scope().set_client(client)
        return client

    def _flush(self, client: Any) -> None:
        client.flush(timeout=STOP_SECONDS)

    def _close(self, client: Any) -> None:
        import sentry_sdk

        scope = sentry_sdk.get_global_scope()
        if scope.client is client:
            if self._is_closed:
                scope.set_client(None)
            else:
                self._wait_for_a_yes()
        client.close(timeout=0)

    # What passes

    def _pass_on(
        self,
        lease: Lease,
        since: datetime,
        items: list[tuple[str, Any]],
        send: Callable[[str, dict[str, Any]], None],
    ) -> None:
        """
        Decide on what the SDK is about to send.

        Args:
            lease: Of the client that sends.

            since: When the client was made; of what was before, nothing
                passes.

            items: Kinds and bodies.

            send: Gets the kind and what is left of the body.
        """
        for kind, body in items:
            made: _Body | None = None
            with suppress(Exception):
                made = self._taken_apart(kind, body, since)
            if made is None or not lease.is_live:
                self._count("refused" if lease.has_ended else "dropped")
                continue

            def hand_over(
                _: Any, given: Given, kind: str = kind, made: _Body = made
            ) -> None:
                send(kind, made.built(given))

            self._send(made.parcel, hand_over)

    def _taken_apart(
        self, kind: str, body: Any, since: datetime
    ) -> _Body | None:
        match kind, body:
            case "event", Mapping():
                return self._error(body, since)
            case "transaction", Mapping():
                return self._transaction(body, since)
            case "log", {"items": [*records]}:
                return self._log(records, since)
            case _:
                return None

    def _error(self, event: Mapping[str, Any], since: datetime) -> _Body:
        exceptions = _values(event.get("exception"))
        threads = _values(event.get("threads"))
        part = "exception" if exceptions or threads else "message"
        made = self._body(event, part)
        if exceptions:
            made.fixed["exception"] = {
                "values": [
                    self._exception(made, one, at)
                    for at, one in enumerate(exceptions)
                ]
            }
        if threads:
            made.fixed["threads"] = {
                "values": [_thread(made, one, part) for one in threads]
            }
        record = event.get("logentry")
        text = event.get("message")
        if isinstance(record, Mapping):
            text = record.get("formatted") or record.get("message") or text
        if isinstance(text, str):
            made.add("message", ("message",), text, self._types["message"])
        fingerprint = event.get("fingerprint")
        if isinstance(fingerprint, list):
            kept: list[Any] = made.fixed.setdefault("fingerprint", [])
            for at, mark in enumerate(filter(_is_text, fingerprint[:_MOST])):
                kept.append("")
                made.slot(part, kept, at, mark)
        if isinstance(event.get("logger"), str):
            made.slot(part, made.fixed, "logger", event["logger"])
        self._crumbs(made, event, since)
        self._around(made, event)
        return made

    def _transaction(
        self, event: Mapping[str, Any], since: datetime
    ) -> _Body | None:
        begun = _time_of(event.get("start_timestamp"))
        if begun is None or begun < since:
            # It holds spans of before the yes.
            return None
        made = self._body(event, "spans")
        made.fixed["type"] = "transaction"
        made.fixed["start_timestamp"] = event["start_timestamp"]
        made.fixed["spans"] = [
            _span(made, one)
            for one in (event.get("spans") or [])[:_MOST]
            if isinstance(one, Mapping)
        ]
        self._around(made, event)
        return made

    def _log(self, records: list[Any], since: datetime) -> _Body | None:
        parcel = Parcel()
        parcel.add("event", "log", self._types["logs"], required=True)
        made = _Body(parcel, {"version": 2, "items": []}, self._types)
        for at, one in enumerate(records[:_MOST]):
            when = one.get("timestamp")
            if not isinstance(when, float | int) or isinstance(when, bool):
                continue
            if when < since.timestamp() or not _is_text(one.get("body")):
                continue
            kept: dict[str, Any] = {"timestamp": when, "attributes": {}}
            _copy_ids(one, kept)
            if one.get("level") in _LEVELS:
                kept["level"] = one["level"]
            made.slot("logs", kept, "body", one["body"])
            for name, told in (one.get("attributes") or {}).items():
                data_type = self._types.get(name)
                if data_type and isinstance(told, Mapping):
                    made.add(
                        f"attribute {at} {name}",
                        (
                            "items",
                            len(made.fixed["items"]),
                            "attributes",
                            name,
                        ),
                        told.get("value"),
                        data_type,
                        as_attribute=True,
                    )
            made.fixed["items"].append(kept)
        return made if made.fixed["items"] else None

    def _body(self, event: Mapping[str, Any], part: str) -> _Body:
        """
        Begin with what says nothing of a person.
        """
        parcel = Parcel()
        parcel.add("event", part, self._types[part], required=True)
        from sentry_sdk.consts import VERSION

        fixed: dict[str, Any] = {
            "platform": "python",
            "sdk": {"name": "sentry.python", "version": VERSION},
        }
        if event.get("level") in _LEVELS:
            fixed["level"] = event["level"]
        if _time_of(event.get("timestamp")) is not None:
            fixed["timestamp"] = event["timestamp"]
        _copy_ids(event, fixed)
        return _Body(parcel, fixed, self._types)

    def _exception(
        self, made: _Body, told: Mapping[str, Any], at: int
    ) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name in ("type", "module"):
            if isinstance(told.get(name), str):
                made.slot("exception", kept, name, told[name])
        if isinstance(told.get("value"), str):
            path = ("exception", "values", at, "value")
            kind = self._types["message"]
            made.add(f"value {at}", path, told["value"], kind)
        mechanism = told.get("mechanism")
        if isinstance(mechanism, Mapping):
            kept["mechanism"] = {
                n: mechanism[n]
                for n in _MECHANISM
                if _is_small(mechanism.get(n))
            }
            # Sentry takes none without.
            kept["mechanism"]["type"] = "generic"
            if isinstance(mechanism.get("type"), str):
                made.slot(
                    "exception", kept["mechanism"], "type", mechanism["type"]
                )
        _stack(made, told, kept, "exception")
        return kept

    def _crumbs(
        self, made: _Body, event: Mapping[str, Any], since: datetime
    ) -> None:
        kept: list[dict[str, Any]] = []
        for told in _values(event.get("breadcrumbs"))[-_MOST:]:
            when = _time_of(told.get("timestamp"))
            if when is None or when < since:
                # A scope keeps those of before a withdrawal.
                continue
            crumb: dict[str, Any] = {"timestamp": told["timestamp"]}
            if told.get("level") in _LEVELS:
                crumb["level"] = told["level"]
            for name in ("type", "category", "message"):
                if isinstance(told.get(name), str):
                    made.slot("breadcrumbs", crumb, name, told[name])
            kept.append(crumb)
        if kept:
            made.fixed["breadcrumbs"] = {"values": kept}

    def _around(self, made: _Body, event: Mapping[str, Any]) -> None:
        """
        Add what the SDK and the app put around each event.
        """
        for name in (
            *("release", "dist", "environment", "server_name"),
            "transaction",
        ):
            self._add_own(made, (name,), event.get(name))
        request = _mapping(event, "request")
        for name in ("url", "method", "query_string", "data"):
            self._add_own(made, ("request", name), request.get(name))
        for path in (("headers", "User-Agent"), ("env", "REMOTE_ADDR")):
            told = _mapping(request, path[0]).get(path[1])
            self._add_own(made, ("request", *path), told)
        contexts = dict(_mapping(event, "contexts"))
        for name in ("runtime", "trace"):
            self._add_own(made, ("contexts", name), contexts.pop(name, None))
        extra = dict(_mapping(event, "extra"))
        # The command line, of which nothing but that there is one may leave.
        extra.pop("sys.argv", None)
        user = dict(_mapping(event, "user"))
        self._add_identity(made.parcel, user.pop("id", None))
        for section, tree in (
            ("contexts", contexts),
            ("extra", extra),
            ("tags", _mapping(event, "tags")),
            ("user", user),
        ):
            made.parcel.add_tree(section, tree, self._types, prefix=section)

    def _add_own(
        self, made: _Body, path: tuple[str, ...], value: object
    ) -> None:
        """
        Add what the SDK adds by itself to each event.
        """
        name = ".".join(path)
        if value in (None, "") or not self._is_asked(name):
            return
        if not isinstance(value, Mapping):
            made.add(name, path, value, self._types[name])
            return
        for key, told in value.items():
            if isinstance(key, str) and isinstance(told, str | int | float):
                made.add(
                    f"{name} {key}", (*path, key), told, self._types[name]
                )


@define
class _Body:
    """
    An event on its way: what of it is fixed, and what is decided on.

    Attributes:
        parcel: What is decided on.

        fixed: The event, with places for what is decided on.

        types: Data types by the part of an event.
    """

    parcel: Parcel
    fixed: dict[str, Any]
    types: Mapping[str, str]
    _paths: dict[str, tuple[tuple[str | int, ...], bool]] = field(factory=dict)
    #: Texts of a part go as one list: an exception has hundreds.
    _slots: dict[str, list[tuple[Any, str | int]]] = field(factory=dict)
    _texts: dict[str, list[str]] = field(factory=dict)

    def add(
        self,
        name: str,
        path: tuple[str | int, ...],
        value: object,
        data_type: str,
        *,
        as_attribute: bool = False,
    ) -> None:
        """
        Add a value of its own.
        """
        self.parcel.add(name, value, data_type)
        self._paths[name] = path, as_attribute

    def slot(self, part: str, inside: Any, key: str | int, text: str) -> None:
        """
        Add a text of a part, which goes into *inside* under *key*.
        """
        if part not in self._slots:
            self._slots[part], self._texts[part] = [], []
            self.parcel.add(
                f"texts of {part}", self._texts[part], self.types[part]
            )
        self._slots[part].append((inside, key))
        self._texts[part].append(clear_text(text))

    def built(self, given: Given) -> dict[str, Any]:
        """
        Build the event of what may be given.
        """
        for part, slots in self._slots.items():
            texts = given.get(f"texts of {part}")
            if isinstance(texts, list) and len(texts) == len(slots):
                for (inside, key), text in zip(slots, texts, strict=True):
                    inside[key] = str(text)
                continue
            for name in _RESTS_ON.get(part, ()):
                self.fixed.pop(name, None)
        for name, (path, as_attribute) in self._paths.items():
            if name in given:
                told = given.get(name)
                if _is_text(self.parcel.values[name]) > _is_text(told):
                    # That there is one is no text that Sentry could take.
                    continue
                _put(
                    self.fixed,
                    path,
                    _attribute(told) if as_attribute else told,
                )
        for section in ("contexts", "extra", "tags", "user"):
            tree = given.tree(section)
            if tree:
                self.fixed[section] = {**self.fixed.get(section, {}), **tree}
        if _is_text(given.get("identity")):
            self.fixed.setdefault("user", {})["id"] = given.text("identity")
        return self.fixed


def _attribute(value: object) -> dict[str, Any]:
    match value:
        case bool():
            return {"value": value, "type": "boolean"}
        case int():
            return {"value": value, "type": "integer"}
        case float():
            return {"value": value, "type": "double"}
        case _:
            return {"value": str(value), "type": "string"}


def _put(tree: Any, path: tuple[str | int, ...], value: object) -> None:
    for key in path[:-1]:
        if isinstance(tree, dict) and key not in tree:
            tree[key] = {}
        tree = tree[key]
    tree[path[-1]] = value


def _thread(made: _Body, told: Mapping[str, Any], part: str) -> dict[str, Any]:
    kept: dict[str, Any] = {
        n: told[n]
        for n in ("crashed", "current")
        if isinstance(told.get(n), bool)
    }
    _stack(made, told, kept, part)
    return kept


def _stack(
    made: _Body, told: Mapping[str, Any], kept: dict[str, Any], part: str
) -> None:
    frames: list[dict[str, Any]] = []
    for frame in (_mapping(told, "stacktrace").get("frames") or [])[-_MOST:]:
        if not isinstance(frame, Mapping):
            continue
        one: dict[str, Any] = {
            n: frame[n]
            for n in ("lineno", "in_app")
            if _is_small(frame.get(n))
        }
        for name in ("filename", "function", "module"):
            text = frame.get(name)
            if isinstance(text, str):
                if name == "filename" and (text[:1] in "/\\" or ":" in text):
                    text = posixpath.basename(text.replace("\\", "/"))
                made.slot(part, one, name, text)
        frames.append(one)
    if frames:
        kept["stacktrace"] = {"frames": frames}


def _span(made: _Body, told: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {
        n: told[n]
        for n in ("start_timestamp", "timestamp")
        if _time_of(told.get(n)) is not None
    }
    _copy_ids(told, kept)
    for name in ("op", "description", "status"):
        if isinstance(told.get(name), str):
            made.slot("spans", kept, name, told[name])
    return kept


def _copy_ids(told: Mapping[str, Any], kept: dict[str, Any]) -> None:
    for name, length in _IDS.items():
        value = told.get(name)
        with suppress(ValueError):
            # The app may put its own text in their place.
            if isinstance(value, str) and len(value) == length:
                int(value, 16)
                kept[name] = value


def _time_of(told: object) -> datetime | None:
    """
    Read a time as the SDK writes it.
    """
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(told, str):
            return datetime.fromisoformat(told).astimezone(UTC)
        if isinstance(told, float | int) and not isinstance(told, bool):
            return datetime.fromtimestamp(told, UTC)
    return None


def _values(told: object) -> list[Mapping[str, Any]]:
    """
    Give the mappings of a list, or of a mapping that holds one.
    """
    if isinstance(told, Mapping):
        told = told.get("values")
    if not isinstance(told, list):
        return []
    return [one for one in told if isinstance(one, Mapping)]


def _mapping(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = told.get(name)
    return found if isinstance(found, Mapping) else {}


def _is_small(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < _MOST_NUMBER


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_there() -> bool:
    """
    Tell whether the SDK is loaded, and not something that stands for it.
    """
    with suppress(Exception):  # the app chooses what an import gives
        loaded = vars(import_module("sentry_sdk.client"))
        return isinstance(loaded.get("BaseClient"), type)
    return False


def _waiting_client(awake: Callable[[], Any]) -> Any:
    """
    Make a client that is not active, and asks each time whether to start.
    """
    from sentry_sdk.client import BaseClient

    class WaitingClient(BaseClient):
        def is_active(self) -> bool:
            client = awake()
            if client is None:
                return False
            # This one is asked to the end of the call.
            self.options = client.options
            self.integrations = client.integrations
            return True

        def capture_event(self, *args: Any, **options: Any) -> str | None:
            client = awake()
            if client is None:
                return None
            made: str | None = client.capture_event(*args, **options)
            return made

        def _capture_log(self, *args: Any) -> None:
            client = awake()
            if client is not None:
                client._capture_log(*args)  # noqa: SLF001 - no other way

    return WaitingClient()


def _transport(pass_on: Callable[..., None], lease: Lease) -> type:
    """
    Make a transport whose items are decided on, and whose connections ask.
    """
    from sentry_sdk._log_batcher import LogBatcher
    from sentry_sdk.envelope import Envelope, Item, PayloadRef
    from sentry_sdk.transport import HttpTransport

    since = datetime.now(UTC)

    class Transport(HttpTransport):
        def capture_envelope(self, envelope: Envelope) -> None:
            headers = envelope.headers
            queue = super().capture_envelope

            def send(kind: str, body: dict[str, Any]) -> None:
                kept = {n: headers[n] for n in ("sent_at",) if n in headers}
                if "event_id" in body:
                    kept["event_id"] = body["event_id"]
                item = Item(PayloadRef(json=body), type=kind)
                if kind == LogBatcher.TYPE:
                    item.headers["item_count"] = len(body["items"])
                    item.headers["content_type"] = LogBatcher.CONTENT_TYPE
                queue(Envelope(headers=kept, items=[item]))

            pass_on(
                lease,
                since,
                [(str(i.type), _body_of(i)) for i in envelope.items],
                send,
            )

        def record_lost_event(self, *_: Any, **__: Any) -> None:
            """
            Count nothing: what is dropped is the kit's to say.
            """

        def _make_pool(self) -> Any:
            pool = super()._make_pool()
            gate_pools(pool, lease)
            return pool

    return Transport


def _body_of(item: Any) -> Any:
    return item.payload.json


def init(
    kit: Kit,
    dsn: str | None = None,
    *,
    properties: Mapping[str, str] | None = None,
    identity: str = "user_id",
    **options: Any,
) -> Sentry:
    """
    Set ``sentry_sdk`` up: in the place of ``sentry_sdk.init()``.

    With a permit the SDK starts at once. Without one it starts with its
    first call after a yes, or with `Sentry.start`.

    Args:
        kit: As for `Sentry`.

        dsn: As for `Sentry`.

        properties: As for `Sentry`.

        identity: As for `Sentry`.

        options: As for `Sentry`.

    Raises:
        MissingExtraError: As for `Sentry`.

        ValueError: As for `Sentry`.

    .. versionadded:: 26.1.0
    """
    made = Sentry(
        kit, dsn, properties=properties, identity=identity, **options
    )
    made.start()
    return made
