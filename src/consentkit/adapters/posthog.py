# SPDX-License-Identifier: MIT
"""
PostHog behind the gate: the client of ``posthog`` with its own methods.

``posthog.Posthog(kit, "phc_...", ...)`` stands where ``Posthog("phc_...",
...)`` stood. Events, groups, aliases and properties of persons pass; what
the SDK sends besides does not: flags, surveys, exceptions, measurements,
traces and e-mails. A method of these answers ``None``, and is counted.

Source: posthog/client.py, posthog/consumer.py and posthog/request.py of
posthog 7.91.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, MethodType
from typing import TYPE_CHECKING, Any, Final

from consentkit.adapters._base import (
    Adapter,
    Given,
    Lease,
    anonymous_id,
)
from consentkit.adapters._wire import gate_session, members, rebound


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["Client", "Posthog"]

#: What says how an event is to be treated, and nothing of the person.
_TREATMENT: Final = frozenset({"$geoip_disable", "$process_person_profile"})

#: What the names of groups begin with in a parcel.
_GROUP: Final = "group "

#: Options that make the SDK read or send by itself.
_OFF: Final[Mapping[str, object]] = {
    "enable_exception_autocapture": False,
    "enable_local_evaluation": False,
    "flag_definition_cache_provider": None,
    "flag_fallback_cache_url": None,
    "metrics": None,
    "personal_api_key": None,
    "secret_key": None,
    "traces": None,
}


class Posthog(Adapter):
    """
    Stands for ``posthog.Posthog``.

    Args:
        kit: The app's kit; a function of its policy has ``sdk = "posthog"``.

        project_api_key: As for the SDK.

        host: As for the SDK.

        properties: Data types of properties, of events, persons and groups,
            by name. ``$os``, ``$os_version``, ``$os_distro``,
            ``$python_runtime`` and ``$python_version``, which the SDK adds,
            have theirs already.

        event: Data type of the event itself.

        identity: Data type of ``distinct_id``, aliases and groups.

        options: As for the SDK. Options that make it read or send by itself
            are turned off; *before_send* is called after the adapter's own.

    Raises:
        MissingExtraError: If ``posthog`` is not installed.

        ValueError: If a data type is not in the vocabulary.

    .. versionadded:: 26.1.0
    """

    _sdk = "posthog"
    _package = "posthog"
    _module = "posthog"
    _context = MappingProxyType(
        {
            "$os": "os_name",
            "$os_version": "os_version",
            "$os_distro": "os_version",
            "$python_runtime": "hardware_info",
            "$python_version": "hardware_info",
        }
    )
    _passed = frozenset({"api_key", "host", "queue", "consumers"})

    def __init__(
        self,
        kit: Kit,
        project_api_key: str,
        host: str | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        event: str = "usage_record",
        identity: str = "user_id",
        **options: Any,
    ) -> None:
        super().__init__(
            kit, properties=properties, event=event, identity=identity
        )
        self._key = project_api_key
        self._host = host
        self._options = {**options, **_OFF}

    # The SDK's own methods

    def capture(
        self,
        event: str,
        *,
        distinct_id: object = None,
        properties: Mapping[str, Any] | None = None,
        groups: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> str | None:
        """
        Capture an event, as far as that is permitted.

        Of the other options of the SDK, *timestamp*, *uuid* and
        *disable_geoip* are passed on.
        """
        parcel = self._parcel(event)
        self._add_identity(parcel, self._context_id(distinct_id))
        parcel.add_tree("properties", properties, self._types)
        for kind, key in (groups or {}).items():
            self._add_identity(parcel, key, name=f"{_GROUP}{kind}")
        return self._send(
            parcel,
            lambda client, given: _text(
                client.capture(
                    given.text("event"),
                    distinct_id=given.text("identity") or anonymous_id(),
                    properties=given.tree("properties"),
                    groups=_groups(given),
                    **_passed_on(options),
                )
            ),
        )

    def capture_ai(self, event: str, **options: Any) -> str | None:
        """
        Capture an event, as far as that is permitted; not on a way of its
        own.
        """
        return self.capture(event, **options)

    def set(self, **options: Any) -> str | None:
        """
        Set properties of a person; not without the person's id.
        """
        return self._set("set", options)

    def set_once(self, **options: Any) -> str | None:
        """
        Set properties of a person once; not without the person's id.
        """
        return self._set("set_once", options)

    def _set(self, method: str, options: dict[str, Any]) -> str | None:
        parcel = self._parcel(f"${method}")
        self._add_identity(
            parcel, self._context_id(options.get("distinct_id")), required=True
        )
        parcel.add_tree("properties", options.get("properties"), self._types)
        return self._send(
            parcel,
            lambda client, given: _text(
                getattr(client, method)(
                    distinct_id=given.text("identity"),
                    properties=given.tree("properties"),
                    **_passed_on(options),
                )
            ),
        )

    def group_identify(
        self,
        group_type: str,
        group_key: str,
        properties: Mapping[str, Any] | None = None,
        timestamp: Any = None,
        uuid: Any = None,
        disable_geoip: bool | None = None,  # noqa: FBT001 - as the SDK has it
        distinct_id: object = None,
    ) -> str | None:
        """
        Set properties of a group; not without its key.
        """
        parcel = self._parcel("$groupidentify")
        self._add_identity(parcel, group_key, name="group", required=True)
        self._add_identity(parcel, self._context_id(distinct_id))
        parcel.add_tree("properties", properties, self._types)
        return self._send(
            parcel,
            lambda client, given: _text(
                client.group_identify(
                    group_type,
                    given.text("group"),
                    properties=given.tree("properties"),
                    timestamp=timestamp,
                    uuid=uuid,
                    disable_geoip=disable_geoip,
                    distinct_id=given.text("identity") or anonymous_id(),
                )
            ),
        )

    def alias(
        self,
        previous_id: object,
        distinct_id: object,
        timestamp: Any = None,
        uuid: Any = None,
        disable_geoip: bool | None = None,  # noqa: FBT001 - as above
    ) -> str | None:
        """
        Say that two ids are one person's; not without both of them.
        """
        parcel = self._parcel("$create_alias")
        self._add_identity(parcel, previous_id, name="previous", required=True)
        self._add_identity(
            parcel, self._context_id(distinct_id), required=True
        )
        return self._send(
            parcel,
            lambda client, given: _text(
                client.alias(
                    given.text("previous"),
                    given.text("identity"),
                    timestamp=timestamp,
                    uuid=uuid,
                    disable_geoip=disable_geoip,
                )
            ),
        )

    def flush(self, timeout_seconds: float | None = 10) -> None:  # noqa: ARG002 - as the SDK has it
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

    # The real client

    def _context_id(self, distinct_id: object) -> object:
        """
        Give the id, or that of the SDK's context where there is none.
        """
        import sys

        contexts = sys.modules.get("posthog.contexts")
        if distinct_id or contexts is None:
            return distinct_id
        found: object = vars(contexts)["get_context_distinct_id"]()
        return found

    def _make(self, lease: Lease) -> Any:
        (kind,) = members("posthog.client", "Client")
        own = self._options.get("before_send")

        def before_send(message: dict[str, Any]) -> Any:
            # The app's own comes first: what it adds is decided on as well.
            changed = own(dict(message)) if callable(own) else message
            return changed and self._vet(message, changed)

        # Not started: its threads get their connections first.
        client = kind(
            self._key,
            host=self._host,
            **{
                **self._options,
                "before_send": before_send,
                "send": False,
            },
        )
        _gate_client(client, lease)
        if self._options.get("send", True):
            client.send = True
            for lane in client._lanes:  # noqa: SLF001 - no other way
                lane.send = True
                if lane._eager_start:  # noqa: SLF001 - as above
                    lane.start()
        return client

    def _vet(
        self, message: Mapping[str, Any], changed: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """
        Take out of a message what was added and may not be given.

        Args:
            message: As the SDK has made it.

            changed: As the app's own callback has left it.
        """
        given = self._given_now()
        if given is None:
            # Captured by the SDK itself.
            return None
        kept = ("event", "timestamp", "uuid", "distinct_id")
        vetted = {name: message[name] for name in kept if name in message}
        tree, fixed = given.tree("properties"), _TREATMENT
        mine = tree
        match message.get("event"):
            case "$set" | "$set_once" as section:
                vetted[section], mine = tree, {}
            case "$groupidentify":
                mine = {"$group_set": tree}
                fixed |= {"$group_type", "$group_key"}
            case "$create_alias":
                fixed |= {"distinct_id", "alias"}
        if groups := _groups(given):
            mine = {**mine, "$groups": groups}
        had = changed.get("properties") or {}
        vetted["properties"] = {
            **self._vetted(
                {
                    name: value
                    for name, value in had.items()
                    if name not in fixed and mine.get(name) != value
                }
            ),
            **{n: v for n, v in mine.items() if had.get(n) == v},
            **{n: v for n, v in message["properties"].items() if n in fixed},
        }
        if "identity" not in given:
            vetted["properties"]["$process_person_profile"] = False
        return vetted

    def _flush(self, client: Any) -> None:
        client.flush()

    def _drain(self, client: Any, seconds: float) -> None:
        client.flush(timeout_seconds=seconds)

    def _close(self, client: Any) -> None:
        client.shutdown()


#: As the SDK names it, too.
Client = Posthog


def _gate_client(client: Any, lease: Lease) -> None:
    """
    Let *client* send by connections that ask *lease*.
    """
    build_session, plain, plain_batch, api_error = members(
        "posthog.request", "_build_session", "post", "batch_post", "APIError"
    )
    (consumer,) = members("posthog.consumer", "Consumer")
    lane_kind, kind = members("posthog.client", "_Lane", "Client")
    session = gate_session(build_session(), lease)
    post = rebound(plain, _get_session=lambda: session)
    plain_post = rebound(plain_batch, post=post)
    send_v1 = _gated_v1(session)

    def batch_post(*args: Any, **options: Any) -> Any:
        try:
            return plain_post(*args, **options)
        except Exception:
            if not lease.has_ended:
                raise
        # Of this kind, so that it is not tried again.
        raise api_error(400, "the permit has ended")

    class Consumer(consumer):  # type: ignore[misc, valid-type]
        _send = rebound(consumer._send, batch_post=batch_post)  # noqa: SLF001 - what tries again
        _request = rebound(consumer.request, _send_v1_batch=send_v1)

        def request(self, batch: Any) -> None:
            # What was taken off the queue before the end goes nowhere.
            if not lease.is_live:
                return
            try:
                self._request(batch)
            except Exception:
                if not lease.has_ended:
                    raise

    start = rebound(lane_kind._start_locked, Consumer=Consumer)  # noqa: SLF001 - as above
    for lane in client._lanes:  # noqa: SLF001 - as above
        lane.consumers.clear()
        lane._started = False  # noqa: SLF001 - it has none now
        lane._start_locked = MethodType(start, lane)  # noqa: SLF001 - as above
    client._send_sync = MethodType(  # noqa: SLF001 - as above
        rebound(
            kind._send_sync,  # noqa: SLF001 - as above
            batch_post=batch_post,
            _send_v1_batch=send_v1,
        ),
        client,
    )


def _gated_v1(session: Any) -> Any:
    """
    Give the sender of the newer protocol, with another session.
    """
    plain, send = members("posthog.capture_v1", "_post_v1", "_send_v1_batch")
    post = rebound(plain, _get_session=lambda: session)
    return rebound(send, _post_v1=post)


def _groups(given: Given) -> dict[str, Any] | None:
    made = {
        name.removeprefix(_GROUP): given.text(name)
        for name in given
        if name.startswith(_GROUP)
    }
    return made or None


def _passed_on(options: Mapping[str, Any]) -> dict[str, Any]:
    names = ("timestamp", "uuid", "disable_geoip")
    return {name: options[name] for name in names if name in options}


def _text(made: object) -> str | None:
    return None if made is None else str(made)
