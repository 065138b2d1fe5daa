# SPDX-License-Identifier: MIT
"""
Snowplow behind the gate: the emitter of ``snowplow-tracker``.

All that a tracker of Snowplow tracks goes through its emitter, as names and
values. So ``snowplow.Emitter(kit, "collector.example", ...)`` stands where
``Emitter("collector.example", ...)`` or ``AsyncEmitter(...)`` stood, and the
app's tracker, subject and events stay as they are; `create_tracker` stands
for ``Snowplow.create_tracker``. It sends from a thread of the SDK's.

The kind of event, its random id and times, the platform ``pc``, and the name
and version of the tracker stay: the collector takes no event without them.

Source: snowplow_tracker/emitters.py, snowplow_tracker/tracker.py,
snowplow_tracker/subject.py and snowplow_tracker/payload.py of
snowplow-tracker 1.1.0; the Snowplow tracker protocol.
"""

from __future__ import annotations

import base64
import json

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from consentkit.adapters._base import (
    FLUSH_SECONDS,
    Adapter,
    Given,
    Lease,
    Parcel,
    wait_for_queue,
)
from consentkit.adapters._wire import gate_session, members


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["AsyncEmitter", "Emitter", "create_tracker"]

#: What says how an event came about, and nothing of the person.
_PLAIN: Final = ("eid", "dtm", "ttm", "tv", "tna")

#: What stands for a person or a browser.
_IDENTITIES: Final = ("uid", "duid", "tnuid", "sid")

#: What is told of the platform, where nothing else may be.
_PLATFORM: Final = "pc"

#: Events and contexts of the app's own schemas, plain and encoded.
_EVENTS: Final = ("ue_pr", "ue_px")
_CONTEXTS: Final = ("co", "cx")
_ENCODED: Final = frozenset({"ue_px", "cx"})

#: An answer after which the SDK does not try again.
_GONE: Final = 410


class Emitter(Adapter):
    """
    Stands for ``snowplow_tracker.Emitter`` and ``AsyncEmitter``.

    Args:
        kit: The app's kit; a function of its policy has ``sdk =
            "snowplow"``.

        endpoint: As for the SDK.

        properties: Data types of what the app's own events and contexts
            hold, by name, and of the fields of the protocol, such as
            ``se_la``; those of a subject, ``url``, ``page`` and ``refr``
            have theirs already.

        event: Data type of the event itself: its kind, and the category and
            action of a structured one.

        identity: Data type of the person's id.

        options: As for the SDK's ``AsyncEmitter``, but *session*.

    Raises:
        MissingExtraError: If ``snowplow-tracker`` is not installed.

        ValueError: If a data type is not in the vocabulary.

    .. versionadded:: 26.1.0
    """

    _sdk = "snowplow"
    _package = "snowplow-tracker"
    _module = "snowplow_tracker"
    _context = MappingProxyType(
        {
            "aid": "app_name",
            "cd": "screen_resolution",
            "duid": "cookie_id",
            "ip": "ip_address",
            "lang": "device_language",
            "p": "device_platform",
            "page": "browsing_history",
            "refr": "source_path",
            "res": "screen_resolution",
            "sid": "cookie_id",
            "tnuid": "cookie_id",
            "tz": "timezone",
            "ua": "user_agent",
            "url": "browsing_history",
            "vid": "usage_record",
            "vp": "screen_resolution",
        }
    )

    def __init__(
        self,
        kit: Kit,
        endpoint: str,
        *,
        properties: Mapping[str, str] | None = None,
        event: str = "usage_record",
        identity: str = "user_id",
        **options: Any,
    ) -> None:
        super().__init__(
            kit, properties=properties, event=event, identity=identity
        )
        self._endpoint = endpoint
        self._options = {k: v for k, v in options.items() if k != "session"}

    # What a tracker calls

    def input(self, payload: Mapping[str, Any]) -> None:
        """
        Take an event, as far as that is permitted.
        """
        parcel = self._parcel(payload.get("e"))
        told: dict[str, Any] = {}
        for name, value in payload.items():
            if name in {*_EVENTS, *_CONTEXTS}:
                told[name] = self._add_schemas(parcel, name, value)
            elif name == "uid":
                self._add_identity(parcel, value)
            elif name in {"se_ca", "se_ac"}:
                parcel.add(name, value, self._event_type)
            elif name != "e" and name not in _PLAIN:
                parcel.add(
                    name,
                    value,
                    self._types.get(name, ""),
                    identity=name in _IDENTITIES,
                )
        self._send(
            parcel,
            lambda client, given: client.input(_made(payload, given, told)),
        )

    def _add_schemas(self, parcel: Parcel, name: str, value: object) -> Any:
        """
        Add what an event or a context of the app's own schema holds.

        Returns:
            How it was, with what was in it taken out.
        """
        try:
            text = str(value)
            if name in _ENCODED:
                text = base64.urlsafe_b64decode(text).decode()
            outer = json.loads(text)
            inner = outer["data"]
            listed = inner if isinstance(inner, list) else [inner]
            for at, one in enumerate(listed):
                parcel.add(
                    f"{name} {at} schema", one["schema"], self._event_type
                )
                parcel.add_tree(f"{name} {at}", one["data"], self._types)
            return outer["schema"], len(listed), isinstance(inner, list)
        except (KeyError, TypeError, ValueError):
            # It is not in the form of the protocol, and goes nowhere.
            return None

    def flush(self) -> None:
        """
        Let the SDK's thread send what waits.
        """
        client = self._client_now()
        if client is not None:
            client.flush()

    def async_flush(self) -> None:
        """
        Let the SDK's thread send what waits.
        """
        self.flush()

    def sync_flush(self) -> None:
        """
        Send what waits, in ten seconds at most.
        """
        self._flush_now()

    def shutdown(self) -> None:
        """
        Send what waits, and take nothing more; the SDK has no such call.
        """
        self._shut_down()

    # The real emitter

    def _make(self, lease: Lease) -> Any:
        import requests

        (kind,) = members("snowplow_tracker", "AsyncEmitter")

        class Gated(kind):  # type: ignore[misc, valid-type]
            def send_events(self, evts: Any) -> None:
                if evts is None:
                    # The end of a thread, which has no other.
                    raise SystemExit
                # What was taken off the queue before the end goes nowhere.
                if lease.is_live:
                    super().send_events(evts)

            def http_post(self, data: str) -> int:
                return self._unless_ended(
                    lambda: super(Gated, self).http_post(data)
                )

            def http_get(self, payload: Any) -> int:
                return self._unless_ended(
                    lambda: super(Gated, self).http_get(payload)
                )

            def _unless_ended(self, send: Callable[[], int]) -> int:
                status = send() if lease.is_live else _GONE
                return _GONE if lease.has_ended else status

        session = gate_session(requests.Session(), lease)
        return Gated(self._endpoint, session=session, **self._options)

    def _empty(self, client: Any) -> None:
        client.event_store.get_events_batch()
        super()._empty(client)

    def _flush(self, client: Any) -> None:
        self._drain(client, FLUSH_SECONDS)

    def _drain(self, client: Any, seconds: float) -> None:
        client.flush()
        wait_for_queue(client.queue, seconds)

    def _close(self, client: Any) -> None:
        client.cancel_flush_timer()
        client._cancel_retry_timer()  # noqa: SLF001 - it has no other
        for _ in range(self._options.get("thread_count", 1)):
            client.queue.put(None)


#: As the SDK names it, too.
AsyncEmitter = Emitter


def create_tracker(
    kit: Kit,
    namespace: str,
    endpoint: str,
    method: str = "post",
    app_id: str | None = None,
    subject: Any = None,
    *,
    encode_base64: bool = True,
    properties: Mapping[str, str] | None = None,
    event: str = "usage_record",
    identity: str = "user_id",
    **options: Any,
) -> Any:
    """
    Make a tracker of the SDK's, on an `Emitter`.

    Nothing is sent by that. The SDK is imported, which sets up the log of
    the whole process (``logging.basicConfig``).

    Args:
        kit: As for `Emitter`.

        namespace: As for ``Snowplow.create_tracker``.

        endpoint: As for `Emitter`.

        method: As for ``Snowplow.create_tracker``.

        app_id: As for ``Snowplow.create_tracker``.

        subject: As for ``Snowplow.create_tracker``.

        encode_base64: As in a ``TrackerConfiguration``.

        properties: As for `Emitter`.

        event: As for `Emitter`.

        identity: As for `Emitter`.

        options: As for `Emitter`.

    Returns:
        A ``snowplow_tracker.Tracker``.

    Raises:
        MissingExtraError: If ``snowplow-tracker`` is not installed.

        ValueError: If a data type is not in the vocabulary.

    .. versionadded:: 26.1.0
    """
    emitter = Emitter(
        kit,
        endpoint,
        properties=properties,
        event=event,
        identity=identity,
        method=method,
        **options,
    )
    import snowplow_tracker

    return snowplow_tracker.Tracker(
        namespace=namespace,
        emitters=emitter,
        subject=subject,
        app_id=app_id,
        encode_base64=encode_base64,
    )


def _made(
    payload: Mapping[str, Any], given: Given, told: Mapping[str, Any]
) -> dict[str, Any]:
    """
    Write an event anew, with what of it may be given.
    """
    made = {name: payload[name] for name in _PLAIN if name in payload}
    made |= {"e": given.text("event"), "p": _PLATFORM}
    if "identity" in given:
        made["uid"] = given.text("identity")
    for name in payload:
        if told.get(name) is not None:
            text = _schemas(name, given, *told[name])
            if text:
                made[name] = text
        elif name not in _PLAIN and name in given:
            made[name] = given.get(name)
    return made


def _schemas(
    name: str,
    given: Given,
    schema: str,
    n: int,
    is_list: bool,  # noqa: FBT001 - as it was
) -> str:
    found = [
        {
            "schema": given.text(f"{name} {at} schema"),
            "data": given.tree(f"{name} {at}"),
        }
        for at in range(n)
        if f"{name} {at} schema" in given
    ]
    if is_list:
        found = [one for one in found if one["data"]]
    if not found:
        return ""
    outer = {"schema": schema, "data": found if is_list else found[0]}
    text = json.dumps(outer, ensure_ascii=False)
    if name not in _ENCODED:
        return text
    return base64.urlsafe_b64encode(text.encode()).decode()
