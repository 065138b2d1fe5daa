# SPDX-License-Identifier: MIT
"""
Amplitude behind the gate: the client of ``amplitude-analytics``.

``amplitude.Amplitude(kit, "key", ...)`` stands where ``Amplitude("key",
...)`` stood; events are the SDK's own objects, which the app makes. Of what
the SDK adds by itself, the name of its library is taken out; the time and
the random id of each event stay. Plugins of the app are not added: they
would see and send events on ways of their own.

Source: amplitude/client.py, amplitude/event.py, amplitude/plugin.py,
amplitude/worker.py and amplitude/http_client.py of amplitude-analytics 1.3.0.
"""

from __future__ import annotations

import copy
import threading
import time

from collections.abc import Mapping
from concurrent.futures import Future, wait
from types import MappingProxyType, MethodType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

from consentkit.adapters._base import (
    FLUSH_SECONDS,
    STOP_SECONDS,
    Adapter,
    Given,
    Lease,
    Parcel,
    anonymous_id,
    scrubbed,
)
from consentkit.adapters._wire import make_opener, members, rebound


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["Amplitude"]

#: Fields of an event that stand for nobody.
_PLAIN: Final = ("time", "insert_id")

_IDENTITIES: Final = frozenset({"user_id", "device_id"})

#: Mappings in an event.
_TREES: Final = ("event_properties", "user_properties", "group_properties")

#: What the SDK writes for a value that is to be removed.
_UNSET: Final = "-"


class Amplitude(Adapter):
    """
    Stands for ``amplitude.Amplitude``.

    Args:
        kit: The app's kit; a function of its policy has ``sdk =
            "amplitude"``.

        api_key: As for the SDK.

        configuration: As for the SDK.

        properties: Data types of properties, of events, persons and groups,
            by name. The fields of an event, such as ``os_name`` and ``ip``,
            have theirs already.

        event: Data type of the event itself.

        identity: Data type of ids of persons and groups; a ``device_id`` is
            of ``device_unique_id``.

    Raises:
        MissingExtraError: If ``amplitude-analytics`` is not installed.

        ValueError: If a data type is not in the vocabulary.

    .. versionadded:: 26.1.0
    """

    _sdk = "amplitude"
    _package = "amplitude-analytics"
    _module = "amplitude"
    _context = MappingProxyType(
        {
            "adid": "gaid",
            "android_id": "android_id",
            "app_version": "app_version",
            "carrier": "carrier",
            "city": "location_city",
            "country": "device_country",
            "currency": "transaction_info",
            "device_brand": "device_brand",
            "device_id": "device_unique_id",
            "device_manufacturer": "device_manufacturer",
            "device_model": "device_model",
            "dma": "location_coarse",
            "event_id": "usage_record",
            "idfa": "idfa",
            "idfv": "idfv",
            "ip": "ip_address",
            "language": "device_language",
            "os_name": "os_name",
            "os_version": "os_version",
            "platform": "device_platform",
            "price": "transaction_info",
            "product_id": "transaction_info",
            "quantity": "transaction_info",
            "region": "location_coarse",
            "revenue": "transaction_info",
            "revenue_type": "transaction_info",
            "session_id": "session_time",
            "user_agent": "user_agent",
            "version_name": "app_version",
        }
    )

    def __init__(
        self,
        kit: Kit,
        api_key: str,
        configuration: Any = None,
        *,
        properties: Mapping[str, str] | None = None,
        event: str = "usage_record",
        identity: str = "user_id",
    ) -> None:
        super().__init__(
            kit, properties=properties, event=event, identity=identity
        )
        self._key = api_key
        self.configuration: Any = configuration

    # The SDK's own methods

    def track(self, event: Any) -> None:
        """
        Track an event, as far as that is permitted.

        Properties of a person are not set without the person's id.
        """
        parcel = self._parcel(getattr(event, "event_type", None))
        try:
            self._add_fields(parcel, event)
        except Exception as error:  # noqa: BLE001 - an object of the app's
            self._warn(error)
            self._count("failed")
            return
        self._send(
            parcel,
            lambda client, given: client.track(self._made(event, given)),
        )

    def _add_fields(self, parcel: Parcel, event: Any) -> None:
        for name in _names(event):
            value = event[name]
            if name == "user_id":
                self._add_identity(parcel, value)
            elif name in _TREES:
                self._add_tree(parcel, name, value)
            elif name == "groups":
                self._add_groups(parcel, value)
            elif name not in _PLAIN and name != "event_type":
                parcel.add(
                    name,
                    value,
                    self._types.get(name, ""),
                    identity=name in _IDENTITIES,
                )

    def _add_tree(self, parcel: Parcel, section: str, tree: Any) -> None:
        """
        Add properties; what is done to them stands above their names.
        """
        plain: dict[str, Any] = {}
        for name, value in (tree or {}).items():
            if isinstance(value, Mapping) and name.startswith("$"):
                parcel.add_tree(f"{section} {name}", value, self._types)
            else:
                plain[name] = value
        parcel.add_tree(section, plain, self._types)

    def _add_groups(self, parcel: Parcel, groups: Any) -> None:
        for kind, names in (groups or {}).items():
            several = names if isinstance(names, list | tuple) else [names]
            for at, name in enumerate(several):
                self._add_identity(parcel, name, name=f"groups {kind} {at}")

    def _made(self, event: Any, given: Given) -> Any:
        """
        Make the event anew, with what of it may be given.
        """
        base, group = members(
            "amplitude.event", "BaseEvent", "GroupIdentifyEvent"
        )
        made = (
            group()
            if isinstance(event, group)
            else base(event_type=given.text("event"))
        )
        made["time"] = event["time"] or int(time.time() * 1000)
        made["insert_id"] = str(
            scrubbed("insert_id", event["insert_id"] or str(uuid4()))
        )
        names = set(_names(event))
        if "identity" in given:
            made["user_id"] = given.text("identity")
        elif "device_id" not in given:
            made["device_id"] = anonymous_id()
            # Nobody's profile is to be written.
            names.discard("user_properties")
        for name in names - {*_TREES, "user_id"}:
            if name in given:
                made[name] = given.get(name)
        for name in names & {*_TREES}:
            tree = self._tree(event, given, name)
            if tree:
                made[name] = tree
        groups = _groups(given)
        if groups:
            made["groups"] = groups
        return made

    def _tree(self, event: Any, given: Given, section: str) -> dict[str, Any]:
        made = given.tree(section)
        for name, value in event[section].items():
            if isinstance(value, Mapping) and name.startswith("$"):
                below = given.tree(f"{section} {name}")
                # Nothing but a mark, of which no protection makes another.
                made |= {
                    name: {
                        key: _UNSET if value.get(key) == _UNSET else one
                        for key, one in below.items()
                    }
                }
            elif name == "$clearAll":
                made[name] = _UNSET
        return {
            name: value
            for name, value in made.items()
            if value or not name.startswith("$")
        }

    def identify(
        self,
        identify_obj: Any,
        event_options: Any,
        event_properties: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Set properties of a person; not without an id of the person.
        """
        if not self._is_valid(identify_obj):
            return
        from amplitude.event import IdentifyEvent

        self._track_with(
            IdentifyEvent(
                event_properties=event_properties,
                user_properties=identify_obj.user_properties,
            ),
            event_options,
        )

    def group_identify(
        self,
        group_type: str,
        group_name: str,
        identify_obj: Any,
        event_options: Any = None,
        event_properties: Mapping[str, Any] | None = None,
        user_properties: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Set properties of a group; not without its name.
        """
        if not self._is_valid(identify_obj):
            return
        from amplitude.event import GroupIdentifyEvent

        self._track_with(
            GroupIdentifyEvent(
                event_properties=event_properties,
                user_properties=user_properties,
                groups={group_type: group_name},
                group_properties=identify_obj.user_properties,
            ),
            event_options,
        )

    def revenue(self, revenue_obj: Any, event_options: Any) -> None:
        """
        Track a revenue: properties ``$price``, ``$quantity`` and others, as
        far as that is permitted.
        """
        if self._is_valid(revenue_obj):
            self._track_with(revenue_obj.to_revenue_event(), event_options)

    def set_group(
        self, group_type: str, group_name: Any, event_options: Any
    ) -> None:
        """
        Put a person into groups; not without an id of the person.
        """
        try:
            from amplitude.event import Identify, IdentifyEvent
        except ImportError as error:
            self._warn(error)
            return
        act = Identify().set(group_type, group_name)
        self._track_with(
            IdentifyEvent(
                groups={group_type: group_name},
                user_properties=act.user_properties,
            ),
            event_options,
        )

    def flush(self) -> list[Any]:
        """
        Send what waits, in ten seconds at most.
        """
        self._flush_now()
        return []

    def add(self, plugin: object) -> Self:  # noqa: ARG002 - as the SDK has it
        """
        Let a plugin of the app fall, and count it.
        """
        self._let_fall()
        return self

    def remove(self, plugin: object) -> Self:  # noqa: ARG002 - as above
        """
        Do nothing: there are no plugins of the app.
        """
        return self

    def shutdown(self) -> None:
        """
        Send what waits, and take nothing more.
        """
        self._shut_down()

    def _is_valid(self, made: Any) -> bool:
        try:
            return bool(made.is_valid())
        except Exception as error:  # noqa: BLE001 - an object of the app's
            self._warn(error)
            return False

    def _track_with(self, event: Any, options: Any) -> None:
        if options is not None:
            event.load_event_options(options)
        if event.event_type == "$identify" and not (
            event.user_id or event.device_id
        ):
            self._count("refused")
            return
        self.track(event)

    # The real client

    def _make(self, lease: Lease) -> Any:
        kind, config = members("amplitude", "Amplitude", "Config")

        class Client(kind):  # type: ignore[misc, valid-type]
            def _register_on_exit(self) -> None:
                """
                Wait at exit for no longer than for others.
                """
                threading._register_atexit(  # type: ignore[attr-defined]  # noqa: SLF001 - as the SDK does
                    lambda: _finish(lease)
                )

        # The SDK turns it off for good when a client is shut down.
        configuration = copy.copy(self.configuration or config())
        client = Client(self._key, configuration)
        _gate_client(client, lease)
        return client

    def _empty(self, client: Any) -> None:
        # By its own call, which keeps its count: its thread ends by that.
        for workers in _workers(client):
            workers.storage.pull_all()

    def _flush(self, client: Any) -> None:
        self._drain(client, FLUSH_SECONDS)

    def _drain(self, client: Any, seconds: float) -> None:
        client.flush()
        wait(client.consentkit_sends.under_way(), seconds)

    def _close(self, client: Any) -> None:
        for workers in _workers(client):
            with workers.storage.lock:
                workers.storage.lock.notify_all()
        client.shutdown()


def _finish(lease: Lease) -> None:
    """
    Send what waits, for a moment, before the SDK's pool of threads ends.
    """
    if not lease.has_ended:
        lease.finish_soon().wait(STOP_SECONDS)
        lease.end(wait=False)


def _names(event: Any) -> list[str]:
    """
    Name the fields of *event* that are set.
    """
    (mapping,) = members("amplitude.event", "EVENT_KEY_MAPPING")
    left_out = {"library", "plan", "ingestion_metadata"}
    return [
        name
        for name in mapping
        if name not in left_out and name in event and event[name] is not None
    ]


def _groups(given: Given) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in given:
        if name.startswith("groups "):
            kind = name.removeprefix("groups ").rpartition(" ")[0]
            made.setdefault(kind, []).append(given.text(name))
    return {k: v[0] if len(v) == 1 else v for k, v in made.items()}


def _workers(client: Any) -> list[Any]:
    (plugin_type,) = members("amplitude.constants", "PluginType")
    timeline = client._Amplitude__timeline  # noqa: SLF001 - no other way
    return [p.workers for p in timeline.plugins[plugin_type.DESTINATION]]


class _Sends:
    """
    The requests that are under way, also those that the SDK began by itself.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._found: set[Future[Any]] = set()

    def under_way(self) -> list[Future[Any]]:
        """
        Give what is not done yet.
        """
        with self._guard:
            return [*self._found]

    def noting(self, submit: Any) -> Any:
        """
        Give *submit* of an executor, so that what it begins is noted.
        """

        def noted(*args: Any, **options: Any) -> Any:
            try:
                future = submit(*args, **options)
            except RuntimeError:
                # The app ends, and no thread can be started for it.
                return _done_here(*args, **options)
            with self._guard:
                self._found.add(future)
            future.add_done_callback(self._done)
            return future

        return noted

    def _done(self, future: Future[Any]) -> None:
        with self._guard:
            self._found.discard(future)


def _done_here(act: Any, *args: Any, **options: Any) -> Future[Any]:
    future: Future[Any] = Future()
    try:
        future.set_result(act(*args, **options))
    except BaseException as error:  # noqa: BLE001 - as in a pool
        future.set_exception(error)
    return future


class _EndedError(BaseException):
    """
    Passes the SDK's own handlers, which would try again.
    """


def _gate_client(client: Any, lease: Lease) -> None:
    """
    Let *client* send by connections that ask *lease*, and add nothing.
    """
    http_client, urllib_request = members(
        "amplitude.http_client", "HttpClient", "request"
    )
    (workers_kind,) = members("amplitude.worker", "Workers")
    (plugin_type,) = members("amplitude.constants", "PluginType")
    opener = make_opener(lease)
    request = SimpleNamespace(
        Request=urllib_request.Request, urlopen=opener.open
    )
    plain_post = rebound(http_client.post, request=request)

    def post(*args: Any, **options: Any) -> Any:
        result = plain_post(*args, **options)
        if lease.has_ended:
            raise _EndedError
        return result

    plain_send = rebound(
        workers_kind.send, HttpClient=SimpleNamespace(post=post)
    )

    def send(self: Any, events: Any) -> None:
        # What was taken off the queue before the end goes nowhere.
        if lease.is_live:
            try:
                plain_send(self, events)
            except _EndedError:
                return

    client.consentkit_sends = sends = _Sends()
    for workers in _workers(client):
        workers.send = MethodType(send, workers)
        pool = workers.threads_pool
        pool.submit = sends.noting(pool.submit)
    timeline = client._Amplitude__timeline  # noqa: SLF001 - as above
    for plugin in [*timeline.plugins[plugin_type.BEFORE]]:
        client.remove(plugin)
