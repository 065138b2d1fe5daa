# SPDX-License-Identifier: MIT
"""
Segment behind the gate: the client of ``segment-analytics-python``.

``segment.Client(kit, "key", ...)`` stands where ``segment.analytics.Client(
"key", ...)`` stood. Of what the SDK adds by itself, the name and version of
its library are taken out; the random id and the time of each message stay.

Source: segment/analytics/client.py, segment/analytics/consumer.py and
segment/analytics/request.py of segment-analytics-python 2.4.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any

from consentkit.adapters._base import (
    Adapter,
    Given,
    Lease,
    Parcel,
    anonymous_id,
    scrubbed,
    wait_for_queue,
)
from consentkit.adapters._wire import gate_session, members, rebound


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["Client"]

_Answer = tuple[bool, dict[str, Any]]


class Client(Adapter):
    """
    Stands for ``segment.analytics.Client``.

    A method answers as the SDK's does: whether the message is queued, and
    the message as it is queued; without a permit ``(False, {})``.

    Args:
        kit: The app's kit; a function of its policy has ``sdk = "segment"``.

        write_key: As for the SDK.

        properties: Data types of properties, traits and, with ``context.``
            before them, of what stands in the context, by name.

        event: Data type of the event itself, of its name, and of the name
            and category of a page.

        identity: Data type of ids of persons and groups.

        options: As for the SDK, but for OAuth, which asks a second server.

    Raises:
        MissingExtraError: If ``segment-analytics-python`` is not installed.

        ValueError: If a data type is not in the vocabulary.

    .. versionadded:: 26.1.0
    """

    _sdk = "segment"
    _package = "segment-analytics-python"
    _module = "segment.analytics"
    _passed = frozenset({"write_key", "queue", "consumers", "host"})

    def __init__(
        self,
        kit: Kit,
        write_key: str,
        *,
        properties: Mapping[str, str] | None = None,
        event: str = "usage_record",
        identity: str = "user_id",
        **options: Any,
    ) -> None:
        super().__init__(
            kit, properties=properties, event=event, identity=identity
        )
        self._key = write_key
        self._options = {
            name: value
            for name, value in options.items()
            if not name.startswith("oauth_")
        }

    # The SDK's own methods

    def identify(
        self,
        user_id: object = None,
        traits: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Any = None,
        anonymous_id: object = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: object = None,
    ) -> _Answer:
        """
        Set traits of a person; not without an id of the person.
        """
        parcel = self._message("identify", user_id, anonymous_id, context)
        parcel.add_tree("traits", traits, self._types)
        return self._call(
            "identify",
            parcel,
            (timestamp, integrations, message_id),
            lambda given: {"traits": given.tree("traits")},
            needs_id=True,
        )

    def track(
        self,
        user_id: object = None,
        event: object = None,
        properties: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Any = None,
        anonymous_id: object = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: object = None,
    ) -> _Answer:
        """
        Track an event, as far as that is permitted.
        """
        parcel = self._message(event, user_id, anonymous_id, context)
        parcel.add_tree("properties", properties, self._types)
        return self._call(
            "track",
            parcel,
            (timestamp, integrations, message_id),
            lambda given: {
                "event": given.text("event"),
                "properties": given.tree("properties"),
            },
        )

    def alias(
        self,
        previous_id: object = None,
        user_id: object = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Any = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: object = None,
    ) -> _Answer:
        """
        Say that two ids are one person's; not without both of them.
        """
        parcel = self._message("alias", user_id, None, context)
        self._add_identity(parcel, previous_id, name="previous", required=True)
        parcel.required.add("identity")
        return self._call(
            "alias",
            parcel,
            (timestamp, integrations, message_id),
            lambda given: {"previous_id": given.text("previous")},
        )

    def group(
        self,
        user_id: object = None,
        group_id: object = None,
        traits: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Any = None,
        anonymous_id: object = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: object = None,
    ) -> _Answer:
        """
        Set traits of a group; not without its id and the person's.
        """
        parcel = self._message("group", user_id, anonymous_id, context)
        self._add_identity(parcel, group_id, name="group", required=True)
        parcel.add_tree("traits", traits, self._types)
        return self._call(
            "group",
            parcel,
            (timestamp, integrations, message_id),
            lambda given: {
                "group_id": given.text("group"),
                "traits": given.tree("traits"),
            },
            needs_id=True,
        )

    def page(
        self,
        user_id: object = None,
        category: object = None,
        name: object = None,
        properties: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Any = None,
        anonymous_id: object = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: object = None,
    ) -> _Answer:
        """
        Track the view of a page, as far as that is permitted.
        """
        return self._view(
            "page",
            (user_id, category, name, properties, context),
            (anonymous_id, timestamp, integrations, message_id),
        )

    def screen(
        self,
        user_id: object = None,
        category: object = None,
        name: object = None,
        properties: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Any = None,
        anonymous_id: object = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: object = None,
    ) -> _Answer:
        """
        Track the view of a screen, as far as that is permitted.
        """
        return self._view(
            "screen",
            (user_id, category, name, properties, context),
            (anonymous_id, timestamp, integrations, message_id),
        )

    def flush(self) -> None:
        """
        Send what waits, in ten seconds at most.
        """
        self._flush_now()

    def shutdown(self) -> None:
        """
        Send what waits, and take nothing more.
        """
        self._shut_down()

    def join(self) -> None:
        """
        Send what waits, and take nothing more.
        """
        self._shut_down()

    # How they are carried

    def _view(
        self, method: str, first: tuple[Any, ...], last: tuple[Any, ...]
    ) -> _Answer:
        user_id, category, name, properties, context = first
        unknown_id, *rest = last
        parcel = self._message(method, user_id, unknown_id, context)
        parcel.add("category", category, self._event_type)
        parcel.add("name", name, self._event_type)
        parcel.add_tree("properties", properties, self._types)
        return self._call(
            method,
            parcel,
            tuple(rest),
            lambda given: {
                "category": given.text("category"),
                "name": given.text("name"),
                "properties": given.tree("properties"),
            },
        )

    def _message(
        self,
        event: object,
        user_id: object,
        unknown_id: object,
        context: Mapping[str, Any] | None,
    ) -> Parcel:
        parcel = self._parcel(event)
        self._add_identity(parcel, user_id)
        self._add_identity(parcel, unknown_id, name="anonymous")
        parcel.add_tree("context", context, self._types, prefix="context")
        return parcel

    def _call(
        self,
        method: str,
        parcel: Parcel,
        plain: tuple[Any, ...],
        arguments: Any,
        *,
        needs_id: bool = False,
    ) -> _Answer:
        timestamp, integrations, message_id = plain

        def call(client: Any, given: Given) -> _Answer | None:
            options = {"user_id": given.text("identity")}
            if method != "alias":
                unknown = given.text("anonymous")
                if needs_id and not (options["user_id"] or unknown):
                    return None
                if not (options["user_id"] or unknown):
                    unknown = anonymous_id()
                options["anonymous_id"] = unknown
            made: _Answer = getattr(client, method)(
                **options,
                **arguments(given),
                context=given.tree("context"),
                timestamp=timestamp,
                integrations={
                    name: value
                    for name, value in dict(integrations or {}).items()
                    if isinstance(value, bool)
                },
                message_id=None
                if message_id is None
                else scrubbed("message_id", str(message_id)),
            )
            return made

        return self._send(parcel, call) or (False, {})

    # The real client

    def _make(self, lease: Lease) -> Any:
        (kind,) = members("segment.analytics.client", "Client")
        # Not started: its threads get their connections first.
        client = kind(self._key, **{**self._options, "send": False})
        _gate_client(client, lease)
        if self._options.get("send", True):
            client.send = True
            for consumer in client.consumers or ():
                consumer.start()
        return client

    def _flush(self, client: Any) -> None:
        client.flush()

    def _drain(self, client: Any, seconds: float) -> None:
        wait_for_queue(client.queue, seconds)

    def _close(self, client: Any) -> None:
        if client.consumers:
            client.shutdown()


def _gate_client(client: Any, lease: Lease) -> None:
    """
    Let *client* send by connections that ask *lease*.
    """
    import requests

    (clients,) = members("segment.analytics.client", "Client")
    (consumers,) = members("segment.analytics.consumer", "Consumer")
    (wire_post,) = members("segment.analytics.request", "post")
    session = gate_session(requests.Session(), lease)
    plain_post = rebound(wire_post, _session=session)

    def post(*args: Any, **options: Any) -> Any:
        try:
            return plain_post(*args, **options)
        except Exception:
            if not lease.has_ended:
                raise
        raise _EndedError

    plain_request = rebound(consumers.request, post=post)

    def request(self: Any, batch: Any) -> Any:
        # What was taken off the queue before the end goes nowhere.
        if not lease.is_live:
            return None
        try:
            return plain_request(self, batch)
        except _EndedError:
            return None

    for consumer in client.consumers or ():
        consumer.request = MethodType(request, consumer)
        consumer._requeue = MethodType(_requeue(lease), consumer)  # noqa: SLF001 - puts back what failed
    # The last thing before the queue, which adds name and version.
    plain = clients._enqueue  # noqa: SLF001 - all messages pass it
    enqueue = rebound(plain, post=plain_post, clean=_without_library)
    client._enqueue = MethodType(enqueue, client)  # noqa: SLF001 - as above


class _EndedError(BaseException):
    """
    Passes the SDK's own handlers, which would log it and try again.
    """


def _without_library(message: Any) -> Any:
    (clean,) = members("segment.analytics.utils", "clean")
    message["context"].pop("library", None)
    return clean(message)


def _requeue(lease: Lease) -> Any:
    (consumers,) = members("segment.analytics.consumer", "Consumer")
    plain = consumers._requeue  # noqa: SLF001 - as above

    def requeue(self: Any, batch: Any) -> None:
        if not lease.has_ended:
            plain(self, batch)

    return requeue
