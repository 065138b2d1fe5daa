# SPDX-License-Identifier: MIT
"""
Ways to a backend, named by URL.

Members: `consentkit.transports.https`, `consentkit.transports.file` and
`consentkit.transports.memory`. Others register under the entry-point group
``consentkit.transports``, by the scheme of their URLs; one is loaded only
when a URL names it.
"""

from __future__ import annotations

from importlib import import_module
from urllib.parse import urlsplit

from consentkit.exceptions import TransportError
from consentkit.transports.base import Answer, Outcome, Transport
from consentkit.transports.parcel import Parcel, pack
from consentkit.transports.route import route


__all__ = [
    "Answer",
    "Outcome",
    "Parcel",
    "Transport",
    "pack",
    "route",
    "transport_from_url",
]

_BUILT_IN = {
    "https": ("consentkit.transports.https", "HTTPSTransport"),
    "http": ("consentkit.transports.https", "HTTPSTransport"),
    "otlp+https": ("consentkit.transports.otlp", "OTLPTransport"),
    "otlp+http": ("consentkit.transports.otlp", "OTLPTransport"),
    "nats": ("consentkit.transports.nats", "NATSTransport"),
    "mqtts": ("consentkit.transports.mqtt", "MQTTTransport"),
    "mqtt": ("consentkit.transports.mqtt", "MQTTTransport"),
    "amqps": ("consentkit.transports.amqp", "AMQPTransport"),
    "amqp": ("consentkit.transports.amqp", "AMQPTransport"),
    "rediss": ("consentkit.transports.redis", "RedisTransport"),
    "redis": ("consentkit.transports.redis", "RedisTransport"),
    "postgresql": ("consentkit.transports.postgresql", "PostgreSQLTransport"),
    "kafka": ("consentkit.transports.kafka", "KafkaTransport"),
    "file": ("consentkit.transports.file", "FileTransport"),
    "memory": ("consentkit.transports.memory", "MemoryTransport"),
}


def transport_from_url(url: str) -> Transport:
    """
    Make the transport that *url* names.

    Nothing is connected or opened yet.

    Raises:
        TransportError: If no transport has the scheme of *url*, or the
            transport does not take it.
    """
    scheme = urlsplit(url).scheme
    if scheme in _BUILT_IN:
        module, name = _BUILT_IN[scheme]
        made = getattr(import_module(module), name)(url)
    else:
        made = _from_entry_point(scheme, url)
    if not isinstance(made, Transport):
        msg = f"the transport for {scheme}: is not a Transport"
        raise TransportError(msg)
    return made


def _from_entry_point(scheme: str, url: str) -> object:
    from importlib.metadata import entry_points

    found = {e.name: e for e in entry_points(group="consentkit.transports")}
    if scheme not in found:
        known = ", ".join(sorted({*_BUILT_IN, *found}))
        what = f"for {scheme}:" if scheme else "named, as there is no scheme"
        msg = f"no transport {what}; known are {known}"
        if url.startswith("/"):
            msg += f"; a folder is file://{url}"
        raise TransportError(msg)
    return found[scheme].load()(url)
