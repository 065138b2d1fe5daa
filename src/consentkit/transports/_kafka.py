# SPDX-License-Identifier: MIT
"""
One producer of Kafka, and the message that each parcel becomes.

Durations are float seconds.
"""

from __future__ import annotations

import math
import ssl
import threading

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, cast
from zlib import crc32

from confluent_kafka import KafkaError, KafkaException, Producer

from consentkit.transports._courier import Transfer, Wire
from consentkit.transports._exchange import CutError, Verdict
from consentkit.transports._loopback import is_loopback
from consentkit.transports.base import Outcome


__all__ = ["KafkaWire"]

# A producer that came over a fork all the same has lost its threads, and may
# hang when it is destroyed. It is kept here, and leaks.
_inherited: list[object] = []

#: How long the library is waited for before somebody looks whether to end.
_SLICE_SECONDS: Final = 0.05
_MOST_SLICE_SECONDS: Final = 2.0
#: How long its threads may take to end.
_GRACE_SECONDS: Final = 1.0
#: The least that the library takes as a time to connect.
_LEAST_CONNECT_MS: Final = 1_000

_SETTINGS: Final[Mapping[str, Any]] = {
    "client.id": "consentkit",
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 0,
    # Nothing is done or said but what a transfer needs.
    "allow.auto.create.topics": False,
    "enable.metrics.push": False,
    "topic.metadata.refresh.interval.ms": -1,
    "reconnect.backoff.max.ms": 1_000,
    "log_level": 0,
    # Little waits in the system's buffer when a transfer is cut.
    "socket.send.buffer.bytes": 65_536,
    "enable.ssl.certificate.verification": True,
    "ssl.endpoint.identification.algorithm": "https",
}

#: What the library reports beside the reason, before it or after.
_ALL_DOWN: Final = "_ALL_BROKERS_DOWN"

#: By the library's name of an error: what will not mend itself within a transfer.
_FATAL: Final[Mapping[str, str]] = {
    "_RESOLVE": "its name is not known; check the URL and the network",
    "_SSL": "TLS failed; check that the port speaks TLS, that its "
    "certificate is for this host, and that verify names its CA",
    "_AUTHENTICATION": "it does not accept the user or password, "
    "or wants another mechanism",
    "SASL_AUTHENTICATION_FAILED": "it does not accept the user or password",
    "UNSUPPORTED_SASL_MECHANISM": "it wants another mechanism",
    "_FATAL": "the library cannot go on; it is tried again",
    _ALL_DOWN: "no broker can be reached; check the URL, "
    "the network and that they speak TLS as it is asked for",
}
_PROBLEMS: Final[Mapping[str, str]] = {
    **_FATAL,
    "_INVALID_ARG": "the library does not take its options; check the files "
    "that verify, certificate and key name",
    "UNKNOWN_TOPIC_OR_PART": "there is no such topic; make it, or "
    "let this user see it",
    "_UNKNOWN_TOPIC": "there is no such topic; make it, or let this "
    "user see it",
    "TOPIC_AUTHORIZATION_FAILED": "this user may not write to the "
    "topic; let it, with an ACL for Write and Describe",
    "CLUSTER_AUTHORIZATION_FAILED": "this user may not write "
    "idempotently; let it, with an ACL for IdempotentWrite on the cluster",
    "NOT_ENOUGH_REPLICAS": "too few replicas are in sync; see to the brokers",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": "too few replicas are in "
    "sync; see to the brokers",
    "_MSG_TIMED_OUT": "the brokers did not acknowledge it in time; "
    "see to them, or allow more timeout_seconds",
}


class KafkaWire(Wire):
    """
    A producer for one topic, made when needed.

    Args:
        topic: Where to.

        options: What the library is told of the brokers.

        timeout_seconds: The most that anything may take.

        is_tls: Whether it is encrypted; else brokers are on this machine.
    """

    ends_before_fork = True

    def __init__(
        self,
        topic: str,
        options: Mapping[str, str],
        *,
        timeout_seconds: float,
        is_tls: bool,
    ) -> None:
        super().__init__()
        self._topic = topic
        self._options = options
        self._timeout = timeout_seconds
        self._is_tls = is_tls
        self._producer: Producer | None = None
        #: Whether the brokers were reached, so that they may be again.
        self._is_patient = False
        #: Names of what the library reported, in this transfer.
        self._errors: list[str] = []

    def carry(self, transfer: Transfer) -> Verdict:
        """
        Produce a message, and wait for its acknowledgement.
        """
        said = Verdict()
        try:
            said = self._put(transfer)
        except KafkaException as error:
            said = _explain(error.args[0].name())
        finally:
            if said.outcome is not Outcome.DELIVERED:
                # What it still holds must not leave by itself later.
                self.close()
        return said

    def _put(self, transfer: Transfer) -> Verdict:
        producer = self._producer
        if producer is not None:
            producer.poll(0)
        self._errors.clear()
        self._is_patient = False
        producer = self._producer = producer or self._made()
        found = self._partitions(producer, transfer)
        if isinstance(found, Verdict):
            return found
        self._is_patient = True
        reports: list[KafkaError | None] = []
        parcel = transfer.parcel
        headers = {
            "id": parcel.id,
            "kind": parcel.kind,
            "recipient": parcel.recipient,
            "media_type": parcel.media_type,
        }
        transfer.begin(lambda: None)  # it is looked at below
        producer.produce(
            self._topic,
            parcel.body,
            key=parcel.id,
            partition=crc32(transfer.grant.encode()) % found,
            headers=cast("Any", headers),
            on_delivery=lambda error, _: reports.append(error),
        )
        while not reports:
            producer.poll(_SLICE_SECONDS)
            if reports:
                break
            if transfer.is_cut:
                raise CutError
            if fatal := self._fatal(producer):
                return fatal
        if reports[0] is None:
            return Verdict(outcome=Outcome.DELIVERED)
        return _explain(reports[0].name())

    def _made(self) -> Producer:
        most = math.ceil(self._timeout * 1000)
        return Producer(
            {
                **_SETTINGS,
                **(
                    {"ssl.ca.location": _authorities()} if self._is_tls else {}
                ),
                **self._options,
                "message.timeout.ms": most,
                "socket.timeout.ms": max(most, _LEAST_CONNECT_MS),
                "socket.connection.setup.timeout.ms": max(
                    most, _LEAST_CONNECT_MS
                ),
                "error_cb": lambda error: self._errors.append(error.name()),
            }
        )

    def _partitions(
        self, producer: Producer, transfer: Transfer
    ) -> int | Verdict:
        """
        Ask how many partitions the topic has, or say why it cannot be used.
        """
        seconds = _SLICE_SECONDS
        while True:
            # Longer each time, since each begins anew on a slow network.
            seconds = min(seconds * 2, _MOST_SLICE_SECONDS)
            try:
                found = producer.list_topics(
                    self._topic, timeout=min(seconds, transfer.left)
                )
            except KafkaException as error:
                waited = error.args[0].name() != "_TRANSPORT"
            else:
                return self._checked(found)
            producer.poll(0 if waited else _SLICE_SECONDS)
            if transfer.is_cut:
                raise CutError
            if fatal := self._fatal(producer):
                return fatal

    def _checked(self, found: Any) -> int | Verdict:
        topic = found.topics.get(self._topic)
        if topic is None:
            return _explain("_UNKNOWN_TOPIC")
        if topic.error is not None:
            return _explain(topic.error.name())
        if not self._is_tls and not all(
            is_loopback(broker.host) for broker in found.brokers.values()
        ):
            return Verdict(
                problem="it leads on to brokers that are not on this "
                "machine, without encryption; name a listener with TLS"
            )
        if not topic.partitions:
            return Verdict(
                problem="the topic has no partitions yet; try again"
            )
        return len(topic.partitions)

    def _fatal(self, producer: Producer) -> Verdict | None:
        """
        Tell what was reported that will not mend itself.
        """
        if _ALL_DOWN in self._errors:
            if self._is_patient:
                self._is_patient = False
                self._errors.clear()
                return None
            producer.poll(_SLICE_SECONDS)  # the reason may come after it
        found = [name for name in self._errors if name in _FATAL]
        self._errors.clear()
        reasons = [name for name in found if name != _ALL_DOWN] or found
        return _explain(reasons[0]) if reasons else None

    def close(self) -> None:
        """
        End the producer and its threads; the next transfer makes another.
        """
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # Its threads may hang in the name service.
        thread = threading.Thread(
            target=_end, args=(producer,), name="consentkit-end", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            _end(producer)
        else:
            thread.join(_GRACE_SECONDS)

    def forget(self) -> None:
        """
        Leave what is the parent's as it is.
        """
        _inherited.append(self._producer)
        self._producer = None


def _authorities() -> str:
    """
    Name the usual authorities.

    The library's own OpenSSL may look for them where there are none.
    """
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or "probe"


def _end(producer: Producer) -> None:
    """
    Throw away what it holds, and close it.
    """
    with suppress(KafkaException):
        producer.purge()
    producer.poll(0)
    producer.close()


def _explain(name: str) -> Verdict:
    if name == "MSG_SIZE_TOO_LARGE":
        return Verdict(problem="the batch is too large for it", too_large=True)
    other = f"it was not acknowledged ({name}); see to the brokers"
    return Verdict(problem=_PROBLEMS.get(name, other))
