# SPDX-License-Identifier: MIT
"""
Taking what `consentkit.transports.nats` published out of a stream.

Any number of processes share one durable consumer of NATS JetStream. A
message is acknowledged after its commit, so one whose process is killed comes
to another process; the store knows its records by their ids. What nobody
could ever read is ended, and counted, so that it does not come for ever.

Durations are float seconds.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import threading
import time

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from consentkit._fork import load
from consentkit.exceptions import (
    EnvelopeError,
    StoreError,
    TransportError,
    UnknownKeyError,
)
from consentkit.receiver._desk import Desk, TooManyError
from consentkit.receiver._open import Opener
from consentkit.receiver._read import FormatError
from consentkit.receiver.base import RecordStore
from consentkit.receiver.limits import RequestLimits
from consentkit.receiver.metrics import Metrics
from consentkit.receiver.tenants import Tenant
from consentkit.seal import MEDIA_TYPE, KeyRing
from consentkit.transports._broker import Trust
from consentkit.transports._nats import Login, Loop


__all__ = ["Consumer"]

logger: logging.Logger = logging.getLogger("consentkit")
_SUBJECT: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_*-]+)*(\.>)?")
_GROUP: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: When a message comes again that the store, or a key, was missing for.
_AGAIN_SECONDS: Final = 5.0
_KEY_SECONDS: Final = 30.0
#: How many messages are asked for, and worked on, at a time.
_FETCHED: Final = 16
_WORKERS: Final = 4
_FETCH_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.1

_ROUTES: Final = {
    "batch": "batches",
    "erasure": "erasures",
    "drops": "drops",
}
_ANYBODY: Final = Tenant(name="")


class Consumer:
    """
    One member of the group that takes a stream's messages into a store.

    It has a thread of its own from `start` to `close`, and connects again
    for as long as it takes.

    Args:
        url: ``nats://host[:port]/SUBJECT``: what the transport was given. No
            credentials, query or fragment.

        store: Where records go; it stays the caller's to close.

        group: Name of the durable consumer; those of one name share the
            work.

        keys: What opens envelopes.

        sealed_only: Whether to refuse what is not sealed.

        limits: Bounds of a message.

        metrics: What counts; its own by default.

        again_seconds: How long a message may be worked on before another
            process gets it; it counts for the group, which the first makes.

        user: Name of the user, with *password*.

        password: The user's.

        token: In place of both.

        tls: Whether to speak TLS. By default it is spoken, but with this
            machine alone, where *verify* and *certificate* ask for it.

        verify: Whom to trust in place of the usual authorities: a file or
            folder of CA certificates, or an ``ssl.SSLContext``.

        certificate: File with a certificate of ours, if the server asks for
            one.

        key: File with its key, if that is another one.

    Raises:
        TransportError: If one of them cannot be used.

        MissingExtraError: If nats-py is not installed.

    .. versionadded:: 26.1.0
    """

    def __init__(
        self,
        url: str,
        store: RecordStore,
        *,
        group: str = "consentkit",
        keys: KeyRing | None = None,
        sealed_only: bool = False,
        limits: RequestLimits | None = None,
        metrics: Metrics | None = None,
        again_seconds: float = 30.0,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        tls: bool | None = None,
        verify: ssl.SSLContext | str | Path | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
    ) -> None:
        login = Login.of(
            url,
            _SUBJECT,
            Trust(verify=verify, certificate=certificate, key=key),
            tls=tls,
            user=user,
            password=password,
            token=token,
        )
        msg = ""
        if not _GROUP.fullmatch(group):
            msg = "a group is named in at most 64 letters, digits, - and _"
        elif not 1 <= again_seconds <= 86_400:
            msg = "again_seconds must be from 1 to 86,400"
        if msg:
            raise TransportError(msg)
        limits = limits or RequestLimits()
        self.name: str = f"{login.place.origin}/{login.place.what}"
        self.metrics: Metrics = metrics or Metrics()
        self._login = login
        self._group = group
        self._again_seconds = again_seconds
        self._limits = limits
        self._opener = (
            None if keys is None else Opener(keys, limits.opened_bytes)
        )
        self._sealed_only = sealed_only
        self._desk = Desk(store, limits.records, self.metrics)
        self._client: Any = None
        self._subscription: Any = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        state = "reading" if self.is_connected else "waiting"
        return f"<Consumer of {self.name} as {self._group}, {state}>"

    @property
    def is_connected(self) -> bool:
        """
        Whether it reads the stream now.
        """
        client = self._client
        return (
            self._subscription is not None
            and client is not None
            and bool(client.is_connected)
        )

    def start(self) -> None:
        """
        Begin; may be called once.
        """
        self._thread = threading.Thread(
            target=self._run, name="consentkit-consumer", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """
        End what is under way, and begin nothing more; may be called twice.
        """
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    # In its thread

    def _run(self) -> None:
        for name in ("nats.aio.client", "nats.js.api", "nats.js.errors"):
            load(name)
        while not self._stopping.is_set():
            try:
                with asyncio.Runner(loop_factory=Loop) as runner:
                    runner.run(self._read())
            except Exception as error:  # noqa: BLE001 - its text may hold anything
                _log(error)
            self._client = None
            self._stopping.wait(_RETRY_SECONDS)

    async def _read(self) -> None:
        """
        Read until the end, or until something breaks.
        """
        loop = asyncio.get_running_loop()
        # The library would tell it with a traceback, which may hold anything.
        loop.set_exception_handler(lambda *_: None)
        client = load("nats.aio.client").Client()
        try:
            connecting = loop.create_task(self._connect(client))
            # The library goes on trying for minutes.
            while not connecting.done() and not self._stopping.is_set():
                await asyncio.wait({connecting}, timeout=_LOOK_SECONDS)
            if not connecting.done():
                connecting.cancel()
                return
            subscription = connecting.result()
            self._client, self._subscription = client, subscription
            with ThreadPoolExecutor(_WORKERS) as workers:
                while client.is_connected and not self._stopping.is_set():
                    await self._take_some(subscription, workers)
        finally:
            self._subscription = None
            with suppress(Exception):
                await asyncio.wait_for(client.close(), _CLOSE_SECONDS)

    async def _connect(self, client: Any) -> Any:
        """
        Connect, log in and join the group; the first makes it.
        """

        async def quiet(*_: object) -> None:
            pass

        login = self._login
        await client.connect(
            login.url,
            error_cb=quiet,
            # A new connection begins anew, with all checks.
            allow_reconnect=False,
            tls=login.trust.context() if login.trust is not None else None,
            **login.credentials(),
        )
        login.check_encrypted()
        config = load("nats.js.api").ConsumerConfig(
            ack_policy=load("nats.js.api").AckPolicy.EXPLICIT,
            ack_wait=self._again_seconds,
            max_ack_pending=1_000,
        )
        return await client.jetstream().pull_subscribe(
            login.place.what, durable=self._group, config=config
        )

    async def _take_some(
        self, subscription: Any, workers: ThreadPoolExecutor
    ) -> None:
        try:
            messages = await subscription.fetch(
                _FETCHED, timeout=_FETCH_SECONDS
            )
        except TimeoutError:
            return
        loop = asyncio.get_running_loop()
        jobs = [
            loop.run_in_executor(workers, self._judge, message)
            for message in messages
        ]
        verdicts = await asyncio.gather(*jobs)
        for message, wait in zip(messages, verdicts, strict=True):
            if wait is None:
                await message.ack()
            elif wait < 0:
                await message.term()
            else:
                await message.nak(delay=wait)

    def _judge(self, message: Any) -> float | None:
        """
        Store a message.

        Returns:
            ``None`` when it is stored, a number below 0 if it never can be,
            else in how many seconds it is to come again.
        """
        begun = time.perf_counter()
        headers = message.headers or {}
        kind = headers.get("kind", "")
        kind = kind if kind in _ROUTES else "other"
        outcome, wait = self._take(kind, headers, message.data)
        self.metrics.add("messages_total", kind=kind, outcome=outcome)
        self.metrics.observe("message_bytes", len(message.data), kind=kind)
        taken = time.perf_counter() - begun
        self.metrics.observe("message_seconds", taken, kind=kind)
        return wait

    def _take(
        self, kind: str, headers: Any, body: bytes
    ) -> tuple[str, float | None]:
        try:
            if kind == "other" or len(body) > self._limits.body_bytes:
                return "invalid", -1.0
            head = None
            if headers.get("media_type") == MEDIA_TYPE and self._opener:
                head, body = self._opener.open(body)
            elif self._sealed_only or (
                headers.get("media_type") != "application/json"
            ):
                return "refused", -1.0
            self._desk.take(
                _ROUTES[kind],
                head,
                body,
                tenant=_ANYBODY,
                key=headers.get("Nats-Msg-Id", ""),
            )
        except UnknownKeyError:
            return "unknown_key", _KEY_SECONDS
        except (FormatError, EnvelopeError, TooManyError):
            return "invalid", -1.0
        except StoreError as error:
            _log(error)
            self.metrics.add("store_failures_total")
            return "store_failed", _AGAIN_SECONDS
        except Exception as error:  # noqa: BLE001 - its text may hold values
            _log(error)
            return "failed", _KEY_SECONDS
        return "done", None


def _log(error: Exception) -> None:
    logger.debug(
        "consumer failed",
        extra={"consentkit_error": type(error).__name__},
    )
