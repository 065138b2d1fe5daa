# SPDX-License-Identifier: MIT
"""
Mixpanel behind the gate: the client of ``mixpanel`` with its own methods.

``mixpanel.Mixpanel(kit, "token", ...)`` stands where ``Mixpanel("token",
...)`` stood. The SDK sends in the caller's thread; here what it makes waits
in memory, and a thread sends it by the SDK's own consumer.

The name and version of the library are taken out; the time and the random id
of each event stay. Flags are not asked: they answer with their fallbacks.

Source: mixpanel/__init__.py of mixpanel 5.4.1.
"""

from __future__ import annotations

import json
import logging
import queue
import threading

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from consentkit.adapters._base import (
    Adapter,
    Given,
    Lease,
    Parcel,
    anonymous_id,
    wait_for_queue,
)
from consentkit.adapters._wire import gate_session, members


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["Mixpanel"]

logger: logging.Logger = logging.getLogger("consentkit")

#: What waits at most; what is more is let fall.
_MOST_WAITING: Final = 10_000

_LIBRARY: Final = ("mp_lib", "$lib_version")


class Mixpanel(Adapter):
    """
    Stands for ``mixpanel.Mixpanel``.

    Args:
        kit: The app's kit; a function of its policy has ``sdk =
            "mixpanel"``.

        token: As for the SDK.

        properties: Data types of properties, of events, persons and groups,
            by name.

        event: Data type of the event itself.

        identity: Data type of ids of persons and groups.

        serializer: As for the SDK.

        options: Of the SDK's ``Consumer``, such as *api_host*; its
            *credentials* among them.

    Raises:
        MissingExtraError: If ``mixpanel`` is not installed.

        ValueError: If a data type is not in the vocabulary.

    .. versionadded:: 26.1.0
    """

    _sdk = "mixpanel"
    _package = "mixpanel"
    _module = "mixpanel"

    def __init__(
        self,
        kit: Kit,
        token: str,
        *,
        properties: Mapping[str, str] | None = None,
        event: str = "usage_record",
        identity: str = "user_id",
        serializer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            kit, properties=properties, event=event, identity=identity
        )
        self._token = token
        self._serializer = serializer
        self._options = options

    # Events

    def track(
        self,
        distinct_id: object,
        event_name: str,
        properties: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,  # noqa: ARG002 - as the SDK has it
    ) -> None:
        """
        Track an event, as far as that is permitted; *meta* is left out.
        """
        self._send(
            self._event(distinct_id, event_name, properties),
            lambda client, given: client.track(
                given.text("identity") or anonymous_id(),
                given.text("event"),
                given.tree("properties"),
            ),
        )

    def import_data(
        self,
        api_key: str | None,
        distinct_id: object,
        event_name: str,
        timestamp: float,
        properties: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,  # noqa: ARG002 - as above
        api_secret: str | None = None,
    ) -> None:
        """
        Track an older event, as far as that is permitted; *meta* is left
        out.
        """
        self._send(
            self._event(distinct_id, event_name, properties),
            lambda client, given: client.import_data(
                api_key,
                given.text("identity") or anonymous_id(),
                given.text("event"),
                timestamp,
                given.tree("properties"),
                api_secret=api_secret,
            ),
        )

    def _event(
        self, distinct_id: object, event: object, properties: object
    ) -> Parcel:
        parcel = self._parcel(event)
        self._add_identity(parcel, distinct_id)
        parcel.add_tree("properties", properties, self._types)
        return parcel

    # Ids

    def alias(
        self,
        alias_id: object,
        original: object,
        meta: Mapping[str, Any] | None = None,  # noqa: ARG002 - as above
    ) -> None:
        """
        Say that two ids are one person's; not without both of them.
        """

        def call(client: Any, given: Given) -> None:
            # The SDK would send it by a consumer of its own, in this thread.
            message = {
                "event": "$create_alias",
                "properties": {
                    "distinct_id": given.text("first"),
                    "alias": given.text("second"),
                    "token": self._token,
                },
            }
            client._consumer.send("events", json.dumps(message))  # noqa: SLF001 - ours

        self._send(self._two_ids("alias", original, alias_id), call)

    def merge(
        self,
        api_key: str | None,
        distinct_id1: object,
        distinct_id2: object,
        meta: Mapping[str, Any] | None = None,  # noqa: ARG002 - as above
        api_secret: str | None = None,
    ) -> None:
        """
        Say that two ids are one person's; not without both of them.
        """
        self._send(
            self._two_ids("merge", distinct_id1, distinct_id2),
            lambda client, given: client.merge(
                api_key,
                given.text("first"),
                given.text("second"),
                api_secret=api_secret,
            ),
        )

    def _two_ids(self, event: str, first: object, second: object) -> Parcel:
        parcel = self._parcel(event)
        self._add_identity(parcel, first, name="first", required=True)
        self._add_identity(parcel, second, name="second", required=True)
        return parcel

    # Persons

    def people_set(
        self,
        distinct_id: object,
        properties: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Set properties of a person; not without the person's id.
        """
        self._person(distinct_id, "$set", properties, meta)

    def people_set_once(
        self,
        distinct_id: object,
        properties: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Set properties of a person once; not without the person's id.
        """
        self._person(distinct_id, "$set_once", properties, meta)

    def people_increment(
        self,
        distinct_id: object,
        properties: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Add to numbers of a person; not without the person's id.
        """
        self._person(distinct_id, "$add", properties, meta)

    def people_append(
        self,
        distinct_id: object,
        properties: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Append to lists of a person; not without the person's id.
        """
        self._person(distinct_id, "$append", properties, meta)

    def people_union(
        self,
        distinct_id: object,
        properties: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Merge into lists of a person; not without the person's id.
        """
        self._person(distinct_id, "$union", properties, meta)

    def people_unset(
        self,
        distinct_id: object,
        properties: Any,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Remove properties of a person; not without the person's id.
        """
        self._person(distinct_id, "$unset", properties, meta)

    def people_remove(
        self,
        distinct_id: object,
        properties: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Remove from lists of a person; not without the person's id.
        """
        self._person(distinct_id, "$remove", properties, meta)

    def people_delete(
        self, distinct_id: object, meta: Mapping[str, Any] | None = None
    ) -> None:
        """
        Delete a person's profile; not without the person's id.
        """
        self._person(distinct_id, "$delete", "", meta)

    def people_track_charge(
        self,
        distinct_id: object,
        amount: float,
        properties: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Track a charge: properties ``$transactions.$amount`` and others below
        ``$transactions``; not without the person's id.
        """
        charge = {**(properties or {}), "$amount": amount}
        self._person(distinct_id, "$append", {"$transactions": charge}, meta)

    def people_clear_charges(
        self, distinct_id: object, meta: Mapping[str, Any] | None = None
    ) -> None:
        """
        Clear the charges of a person; not without the person's id.
        """
        self.people_unset(distinct_id, ["$transactions"], meta)

    def people_update(
        self,
        message: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Update a person's profile; not without the person's id.
        """
        for name, value in dict(message).items():
            if name not in {"$distinct_id", "$token"}:
                self._person(message.get("$distinct_id"), name, value, meta)

    def _person(
        self, distinct_id: object, act: str, given: object, meta: object
    ) -> None:
        self._profile(
            "people_update", {"$distinct_id": distinct_id}, act, given, meta
        )

    # Groups

    def group_set(
        self,
        group_key: str,
        group_id: object,
        properties: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Set properties of a group; not without its id.
        """
        self._group((group_key, group_id), "$set", properties, meta)

    def group_set_once(
        self,
        group_key: str,
        group_id: object,
        properties: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Set properties of a group once; not without its id.
        """
        self._group((group_key, group_id), "$set_once", properties, meta)

    def group_union(
        self,
        group_key: str,
        group_id: object,
        properties: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Merge into lists of a group; not without its id.
        """
        self._group((group_key, group_id), "$union", properties, meta)

    def group_unset(
        self,
        group_key: str,
        group_id: object,
        properties: Any,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Remove properties of a group; not without its id.
        """
        self._group((group_key, group_id), "$unset", properties, meta)

    def group_remove(
        self,
        group_key: str,
        group_id: object,
        properties: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Remove from lists of a group; not without its id.
        """
        self._group((group_key, group_id), "$remove", properties, meta)

    def group_delete(
        self,
        group_key: str,
        group_id: object,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Delete a group's profile; not without its id.
        """
        self._group((group_key, group_id), "$delete", "", meta)

    def group_update(
        self,
        message: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Update a group's profile; not without its id.
        """
        group = message.get("$group_key"), message.get("$group_id")
        for name, value in dict(message).items():
            if name not in {"$group_key", "$group_id", "$token"}:
                self._group((str(group[0]), group[1]), name, value, meta)

    def _group(
        self, group: tuple[str, object], act: str, given: object, meta: object
    ) -> None:
        ids = {"$group_key": group[0], "$group_id": group[1]}
        self._profile("group_update", ids, act, given, meta)

    def _profile(
        self,
        method: str,
        ids: Mapping[str, object],
        act: str,
        told: object,
        meta: object,
    ) -> None:
        """
        Update the profile of a person or a group.
        """
        parcel = self._parcel(method)
        *fixed, key = ids
        self._add_identity(parcel, ids[key], required=True)
        parcel.add_tree("properties", told, self._types)
        # Only how it is to be treated; the rest may be anything.
        flags = {
            name: value
            for name, value in (
                meta.items() if isinstance(meta, Mapping) else ()
            )
            if isinstance(value, bool)
        }
        what: Callable[[Given], object]
        if isinstance(told, Mapping):
            what = lambda given: given.tree("properties")  # noqa: E731 - one of three
        elif isinstance(told, list | tuple):
            named = [n for n in told if isinstance(n, str) and self._has(n)]
            what = lambda _: named  # noqa: E731 - as above
        else:
            what = lambda _: ""  # noqa: E731 - as above
        self._send(
            parcel,
            lambda client, given: getattr(client, method)(
                {
                    **{name: ids[name] for name in fixed},
                    key: given.text("identity"),
                    act: what(given),
                },
                meta=flags,
            ),
        )

    def _has(self, name: str) -> bool:
        return any(n.partition(".")[0] == name for n in self._types)

    # The rest

    @property
    def local_flags(self) -> _NoFlags:
        """
        What answers each flag with its fallback; the SDK is not asked.
        """
        return _NoFlags(self._let_fall)

    @property
    def remote_flags(self) -> _NoFlags:
        """
        What answers each flag with its fallback; the SDK is not asked.
        """
        return _NoFlags(self._let_fall)

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

    # The real client

    def _make(self, lease: Lease) -> Any:
        kind, consumer_kind = members("mixpanel", "Mixpanel", "Consumer")
        consumer = consumer_kind(**self._options)
        gate_session(consumer._session, lease)  # noqa: SLF001 - no other way
        options = {}
        if self._serializer is not None:
            options["serializer"] = self._serializer
        return kind(self._token, consumer=_Waiting(lease, consumer), **options)

    def _empty(self, client: Any) -> None:
        client._consumer.drop()  # noqa: SLF001 - ours
        super()._empty(client)

    def _flush(self, client: Any) -> None:
        client._consumer.waiting.join()  # noqa: SLF001 - ours

    def _drain(self, client: Any, seconds: float) -> None:
        wait_for_queue(client._consumer.waiting, seconds)  # noqa: SLF001 - ours

    def _close(self, client: Any) -> None:
        client._consumer.close()  # noqa: SLF001 - ours


class _NoFlags:
    """
    Answers for flags, with what the app falls back to.
    """

    def __init__(self, let_fall: Callable[[], None]) -> None:
        self._let_fall = let_fall

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def answer(*args: Any, **options: Any) -> Any:
            self._let_fall()
            for key in ("fallback", "fallback_value"):
                if key in options:
                    return options[key]
            return args[1] if len(args) > 1 else None

        return answer


class _Waiting:
    """
    Stands where the SDK's consumer stood, and sends from a thread.
    """

    def __init__(self, lease: Lease, consumer: Any) -> None:
        self.waiting: queue.Queue[tuple[Any, ...] | None] = queue.Queue(
            _MOST_WAITING
        )
        self._lease = lease
        self._consumer = consumer
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    def send(
        self,
        endpoint: str,
        json_message: str,
        api_key: Any = None,
        api_secret: Any = None,
    ) -> None:
        """
        Let a message wait.
        """
        message = json.loads(json_message)
        for name in _LIBRARY:
            message.get("properties", {}).pop(name, None)
        text = json.dumps(message, separators=(",", ":"))
        try:
            self.waiting.put_nowait((endpoint, text, api_key, api_secret))
        except queue.Full:
            logger.debug("mixpanel: too much waits, a message is let fall")
            return
        with self._guard:
            # A forked child has no thread of its parent's.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._work, name="consentkit-mixpanel", daemon=True
                )
                self._thread.start()

    def _work(self) -> None:
        while True:
            item = self.waiting.get()
            try:
                if item is None:
                    return
                if self._lease.is_live:
                    self._consumer.send(*item)
            except Exception as error:  # noqa: BLE001 - the next one may pass
                logger.debug(
                    "mixpanel: a message was not taken",
                    extra={"consentkit_error": type(error).__name__},
                )
            finally:
                self.waiting.task_done()

    def drop(self) -> None:
        """
        Let all that waits fall.
        """
        while True:
            try:
                self.waiting.get_nowait()
            except queue.Empty:
                return
            self.waiting.task_done()

    def close(self) -> None:
        """
        End the thread, once it has come to the end.
        """
        self.waiting.put(None)
        if self._thread is not None:
            self._thread.join()
        self._consumer._session.close()  # noqa: SLF001 - ours alone
