# SPDX-License-Identifier: MIT
"""
Delivery into a topic of Kafka: one message for each batch or request.

Durations are float seconds.
"""

from __future__ import annotations

import re

from collections.abc import Set as AbstractSet
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from consentkit._fork import load
from consentkit.exceptions import MissingExtraError, TransportError
from consentkit.transports._courier import (
    CourierTransport,
    Wire,
    check_options,
)
from consentkit.transports._loopback import encrypted, is_loopback


__all__ = ["KafkaTransport"]

_FORM: Final = (
    "the URL is not of the form kafka://HOST[:PORT][,HOST[:PORT]...]/TOPIC"
)
_HOST: Final = re.compile(r"[\w.-]{1,253}|[0-9a-fA-F:.]{2,45}")
# Source: org.apache.kafka.common.internals.Topic.
_TOPIC: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class KafkaTransport(CourierTransport):
    """
    Produce each batch and each erasure request as a message.

    A record counts as delivered when all replicas in sync have its message.
    The message's key is the id of the batch or the request. All messages of
    one grant go to one partition, so that they keep their order.

    Args:
        url: ``kafka://HOST[:PORT]/TOPIC``; some more brokers may follow the
            first with commas. The topic has to be there.

        user: Who signs in, with SASL.

        password: As it is; not in the URL, since URLs are printed.

        mechanism: Of SASL: ``PLAIN``, ``SCRAM-SHA-256`` or
            ``SCRAM-SHA-512``.

        most_bytes: The largest message that the brokers take. What is larger
            comes again as smaller batches.

        timeout_seconds: The most that one transfer may take, all in all.

        verify: Whom to trust in place of the usual authorities: a file or
            folder of CA certificates. Trust cannot be switched off.

        certificate: File with a client certificate.

        key: File with its key.

    Raises:
        TransportError: If one of them cannot be used.

        MissingExtraError: If the extra ``kafka`` is not installed.

    What leaks:
        The brokers, their administrators and whoever may read the topic see
        the message: what is not sealed is readable there, for as long as the
        topic keeps it. Whoever carries the bytes sees the two addresses, the
        host name, the time and the size.

    .. versionadded:: 26.1.0
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        mechanism: str = "SCRAM-SHA-512",
        most_bytes: int = 1_000_000,
        timeout_seconds: float = 30.0,
        verify: str | Path | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
    ) -> None:
        place = _read_url(url)
        check_options(
            timeout_seconds=timeout_seconds,
            verify=verify,
            certificate=certificate,
            key=key,
            user=user,
            password=password,
        )
        _check_more(user, password, mechanism, most_bytes)
        if find_spec("confluent_kafka") is None:
            raise MissingExtraError(extra="kafka", package="confluent-kafka")
        # Brokers here may lead on to others, where a password would follow.
        is_plain = place.is_near and {verify, certificate, user} == {None}
        given = {
            "bootstrap.servers": place.brokers,
            "security.protocol": _protocol(user, is_plain=is_plain),
            "message.max.bytes": most_bytes,
            "ssl.ca.location": verify,
            "ssl.certificate.location": certificate,
            "ssl.key.location": key,
        }
        if user is not None:
            given["sasl.mechanisms"] = mechanism
            given["sasl.username"] = user
            given["sasl.password"] = password
        options = {n: str(v) for n, v in given.items() if v is not None}

        def make() -> Wire:
            module = load("consentkit.transports._kafka")
            wire: Wire = module.KafkaWire(
                place.topic,
                options,
                timeout_seconds=timeout_seconds,
                is_tls=not is_plain,
            )
            return wire

        super().__init__(place.name, make, timeout_seconds=timeout_seconds)
        self.capabilities: AbstractSet[str] = encrypted(
            is_tls=not is_plain, is_near=place.is_near
        )


@frozen(kw_only=True)
class _Place:
    name: str
    brokers: str
    topic: str
    is_near: bool


def _read_url(url: str) -> _Place:
    """
    Check *url* and take it apart; no message repeats what may be secret.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    brokers = [_read_broker(one) for one in parts.netloc.split(",")]
    found = [one for one in brokers if one is not None]
    topic = parts.path.removeprefix("/")
    if "@" in parts.netloc:
        msg = "the URL holds credentials; pass user=... and password=..."
    elif "?" in url or "#" in url:
        msg = "the URL has a query or a fragment; leave it out"
    elif (
        parts.scheme != "kafka"
        or len(found) < len(brokers)
        or not _TOPIC.fullmatch(topic)
    ):
        msg = _FORM
    else:
        shown = ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            for host, port in found
        )
        return _Place(
            name=f"kafka://{shown}/{topic}",
            brokers=shown,
            topic=topic,
            is_near=all(is_loopback(host) for host, _ in found),
        )
    raise TransportError(msg)


def _read_broker(text: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.netloc != text or port == 0 or not _HOST.fullmatch(host):
        return None
    return host, port or 9092


def _protocol(user: str | None, *, is_plain: bool) -> str:
    if is_plain:
        return "plaintext"
    return "ssl" if user is None else "sasl_ssl"


def _check_more(
    user: str | None, password: str | None, mechanism: str, most_bytes: int
) -> None:
    if (user is None) != (password is None):
        msg = "give user and password together"
    elif mechanism not in _MECHANISMS:
        msg = f"mechanism must be one of {', '.join(_MECHANISMS)}"
    elif not 1_000 <= most_bytes <= 1_000_000_000:  # those of the library
        msg = "most_bytes must be between 1,000 and 1,000,000,000"
    else:
        return
    raise TransportError(msg)
