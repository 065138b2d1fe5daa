# SPDX-License-Identifier: MIT
"""
The reference backend as an ASGI app.

Routes, with the formats of ``docs/wire-format.md``; ``/openapi.json``
describes them all::

    POST /v1/batches    an outcome for each record
    POST /v1/erasures   erased, or already
    POST /v1/drops      stored, or duplicate
    GET  /v1/health     whether it can store
    GET  /healthz       whether it runs
    GET  /readyz        whether it can store
    GET  /metrics       numbers, as Prometheus reads them
    GET  /openapi.json  this, for machines

Every refusal is JSON: ``{"error": {"path": ..., "problem": ...}}``. Nothing
of a request is repeated in an answer or a log, but ids.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from consentkit.exceptions import (
    EnvelopeError,
    MissingExtraError,
    StoreError,
    UnknownKeyError,
)
from consentkit.receiver._desk import Desk, ForeignError, TooManyError
from consentkit.receiver._open import Opener
from consentkit.receiver._read import FormatError
from consentkit.receiver.limits import RequestLimits
from consentkit.receiver.metrics import MEDIA_TYPE as METRICS_TYPE
from consentkit.receiver.metrics import Metrics
from consentkit.receiver.tenants import Tenant, Tenants
from consentkit.seal import MEDIA_TYPE, KeyRing
from consentkit.transports._token import check_token


if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from consentkit.receiver.base import RecordStore
    from consentkit.receiver.consumer import Consumer


__all__ = ["make_app", "make_consumer_app"]

logger: logging.Logger = logging.getLogger("consentkit")

#: How much of a body that is too large is read and thrown away: a sender that
#: is cut off while it writes would never see why.
_DRAINED_BYTES: Final = 64 * 1024 * 1024
#: What a sender is asked to wait while the store is unusable.
_PAUSE_SECONDS: Final = 30

_ANYBODY: Final = Tenant(name="")

_Document = Mapping[str, Any]


def make_app(
    store: RecordStore,
    *,
    token: str | None = None,
    tenants: Tenants | None = None,
    keys: KeyRing | None = None,
    sealed_only: bool = False,
    limits: RequestLimits | None = None,
    metrics: Metrics | None = None,
    metrics_token: str | None = None,
    purge_seconds: float = 60.0,
) -> Starlette:
    """
    Make the app.

    Args:
        store: Where records go; it stays the caller's to close.

        token: What senders must show as a bearer token. With neither it nor
            *tenants*, everybody may send.

        tenants: Who else may send, and for whom.

        keys: What opens envelopes; the file is read again when a key comes
            that is not known.

        sealed_only: Whether to refuse what is not sealed.

        limits: Bounds of a request.

        metrics: What counts; the app's own by default.

        metrics_token: What must be shown to read the numbers, as a bearer
            token; with ``None`` everybody may who reaches the app.

        purge_seconds: How often expired records are deleted.

    Raises:
        MissingExtraError: If Starlette is not installed.

        ValueError: If *token* or *metrics_token* is one that nobody can show.

    What leaks:
        The app keeps no address, name or time of a sender but the instant
        at which a record came.
    """
    _need_starlette()
    from starlette.routing import Route

    limits, metrics = limits or RequestLimits(), metrics or Metrics()
    opener = None if keys is None else Opener(keys, limits.opened_bytes)
    desk = Desk(store, limits.records, metrics)
    front = _Front(
        desk, _Door(token, tenants), opener, sealed_only, limits, metrics
    )
    hall = _Hall(store, metrics, metrics_token)
    routes = [
        Route(f"/v1/{name}", partial(front.take, name), methods=["POST"])
        for name in ("batches", "erasures", "drops")
    ]
    routes += [
        Route("/v1/health", hall.ready, methods=["GET"]),
        *_hall_routes(hall),
        Route("/openapi.json", _describe, methods=["GET"]),
    ]
    return _make(routes, store, metrics, purge_seconds)


def _need_starlette() -> None:
    try:
        import starlette.applications as found
    except ImportError:
        found = None  # type: ignore[assignment]
    if found is None:
        raise MissingExtraError(extra="receiver", package="starlette")


def _hall_routes(hall: _Hall) -> list[Any]:
    """
    Give the routes for those who watch.
    """
    from starlette.routing import Route

    return [
        Route("/healthz", hall.live, methods=["GET"]),
        Route("/readyz", hall.ready, methods=["GET"]),
        Route("/metrics", hall.metrics, methods=["GET"]),
    ]


class _RefusalError(Exception):
    """
    A request that is not taken.
    """

    def __init__(
        self,
        status: int,
        problem: str,
        *,
        path: str = "",
        code: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, problem)
        self.status = status
        error = {"path": path, "problem": problem}
        if code:
            error["code"] = code
        self.document = {"error": error}
        self.headers = headers or {}


_UNKNOWN: Final[Mapping[str, str]] = {
    "WWW-Authenticate": "Bearer",
    "Connection": "close",
}


class _Door:
    """
    Who comes in.
    """

    def __init__(
        self, token: str | None, tenants: Tenants | None, name: str = "token"
    ) -> None:
        check_token(token, name)
        self._token = None if token is None else token.encode()
        self._tenants = tenants

    def tenant_of(self, shown: str) -> Tenant:
        """
        Give the tenant that a header stands for.
        """
        if self._token is None and self._tenants is None:
            return _ANYBODY
        kind, _, token = shown.partition(" ")
        if kind == "Bearer":
            if self._token is not None and hmac.compare_digest(
                token.encode(), self._token
            ):
                return _ANYBODY
            found = self._tenants and self._tenants.of(token)
            if found:
                return found
        problem = "a bearer token is needed, and this is not it"
        raise _RefusalError(401, problem, headers=_UNKNOWN)


class _Front:
    """
    What senders come to: read, open, hand on, answer.
    """

    def __init__(
        self,
        desk: Desk,
        door: _Door,
        opener: Opener | None,
        sealed_only: bool,  # noqa: FBT001 - of one place
        limits: RequestLimits,
        metrics: Metrics,
    ) -> None:
        self._desk = desk
        self._door = door
        self._opener = opener
        self._sealed_only = sealed_only
        self._limits = limits
        self._metrics = metrics
        self._under_way = 0

    async def take(self, route: str, request: Request) -> Response:
        """
        Take a batch, an erasure request or a drop report.
        """
        begun = time.perf_counter()
        self._under_way += 1
        self._metrics.add("requests_in_flight")
        try:
            answer = await _guarded(
                lambda: self._work(route, request), self._metrics
            )
        finally:
            self._under_way -= 1
            self._metrics.add("requests_in_flight", -1)
        self._metrics.add(
            "requests_total", route=route, status=str(answer.status_code)
        )
        taken = time.perf_counter() - begun
        self._metrics.observe("request_seconds", taken, route=route)
        return answer

    async def _work(self, route: str, request: Request) -> _Document:
        shown = request.headers.get("authorization", "")
        tenant = self._door.tenant_of(shown)
        is_sealed = self._is_sealed(request.headers)
        if self._under_way > self._limits.requests:
            await self._turn_away(request)
        body = await self._body(request)
        self._metrics.observe("request_bytes", len(body), route=route)
        key = request.headers.get("idempotency-key", "")

        def take() -> _Document:
            opened = self._open(body) if is_sealed else (None, body)
            return self._desk.take(route, *opened, tenant=tenant, key=key)

        return await _in_thread(take)

    async def _turn_away(self, request: Request) -> None:
        # Read, so that the sender gets to see the answer, and not kept.
        with suppress(_RefusalError):
            await self._body(request, keep=False)
        raise _RefusalError(
            503,
            "too many requests at a time; try again",
            headers={
                "Retry-After": str(self._limits.pause_seconds),
                "Connection": "close",
            },
        )

    def _is_sealed(self, headers: Mapping[str, str]) -> bool:
        kind = headers.get("content-type", "").partition(";")[0]
        kind = kind.strip().lower()
        coding = headers.get("content-encoding", "identity").strip().lower()
        known = ["application/json"] * (not self._sealed_only)
        known += [MEDIA_TYPE] * (self._opener is not None)
        if kind in known and coding == "identity":
            return kind == MEDIA_TYPE
        problem = f"send {' or '.join(known)}, not compressed"
        raise _RefusalError(415, problem, headers={"Connection": "close"})

    def _open(self, body: bytes) -> Any:
        assert self._opener is not None  # noqa: S101 - as _is_sealed said
        return self._opener.open(body)

    async def _body(self, request: Request, *, keep: bool = True) -> bytes:
        from starlette.requests import ClientDisconnect

        body = bytearray()
        most = self._limits.body_bytes
        size, status = 0, 408
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > most + _DRAINED_BYTES:
                        break
                    if keep and size <= most:
                        body += chunk
        except TimeoutError:
            problem = "the body did not come in time"
        except ClientDisconnect:
            problem, status = "the body did not come to its end", 400
        else:
            if size <= most:
                return bytes(body)
            problem = f"more than {most} bytes; send fewer records at a time"
            status = 413
        raise _RefusalError(
            status, problem, path="$", headers={"Connection": "close"}
        )


class _Hall:
    """
    What those come to who watch.
    """

    def __init__(
        self,
        store: RecordStore,
        metrics: Metrics,
        token: str | None,
        is_connected: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._door = _Door(token, None, "metrics_token")
        self._is_connected = is_connected

    async def live(self, _: Request) -> Response:
        """
        Tell that it runs.
        """
        from starlette.responses import JSONResponse

        return JSONResponse({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """
        Tell whether the store can be used.
        """
        return await _guarded(lambda: _in_thread(self._check), self._metrics)

    def _check(self) -> _Document:
        if not self._is_connected():
            raise _RefusalError(
                503,
                "the stream cannot be read now",
                headers={"Retry-After": str(_PAUSE_SECONDS)},
            )
        self._store.check()
        return {"status": "ok", "format": 1}

    async def metrics(self, request: Request) -> Response:
        """
        Tell the numbers.
        """
        from starlette.responses import PlainTextResponse

        async def check() -> _Document:
            self._door.tenant_of(request.headers.get("authorization", ""))
            return {}

        answer = await _guarded(check, self._metrics)
        if answer.status_code != 200:
            return answer
        text = self._metrics.text()
        return PlainTextResponse(text, headers={"Content-Type": METRICS_TYPE})


def make_consumer_app(
    store: RecordStore,
    consumer: Consumer,
    *,
    metrics: Metrics,
    metrics_token: str | None = None,
    purge_seconds: float = 60.0,
) -> Starlette:
    """
    Make the app beside a consumer: it takes nothing, and tells how it goes.

    The consumer runs for as long as the app does.

    Args:
        store: The store that the consumer fills; it stays the caller's.

        consumer: What takes messages from a stream.

        metrics: The consumer's.

        metrics_token: As for `make_app`.

        purge_seconds: As for `make_app`.

    Raises:
        MissingExtraError: If Starlette is not installed.

        ValueError: If *metrics_token* is one that nobody can show.

    .. versionadded:: 26.1.0
    """
    _need_starlette()
    hall = _Hall(store, metrics, metrics_token, lambda: consumer.is_connected)

    @asynccontextmanager
    async def beside() -> AsyncGenerator[None]:
        await asyncio.to_thread(consumer.start)
        try:
            yield
        finally:
            await asyncio.to_thread(consumer.close)

    return _make(_hall_routes(hall), store, metrics, purge_seconds, beside)


def _make(
    routes: list[Any],
    store: RecordStore,
    metrics: Metrics,
    purge_seconds: float,
    beside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> Starlette:
    from starlette.applications import Starlette

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        task = asyncio.create_task(
            _purge_for_ever(store, purge_seconds, metrics)
        )
        try:
            async with beside():
                yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return Starlette(
        routes=routes,
        exception_handlers={
            404: partial(_not_here, metrics),
            405: partial(_not_here, metrics),
        },
        lifespan=lifespan,
    )


async def _describe(_: Request) -> Response:
    from starlette.responses import JSONResponse

    from consentkit.receiver.openapi import describe

    return JSONResponse(describe())


async def _guarded(
    work: Callable[[], Awaitable[_Document]], metrics: Metrics
) -> Response:
    """
    Turn whatever *work* raises into a clear answer without its text.
    """
    from starlette.responses import JSONResponse

    try:
        return JSONResponse(await work())
    except _RefusalError as error:
        refusal = error
    except FormatError as error:
        refusal = _RefusalError(400, error.problem, path=error.path)
    except UnknownKeyError as error:
        refusal = _RefusalError(422, str(error), code="unknown_key")
    except EnvelopeError as error:
        refusal = _RefusalError(400, str(error), path="$")
    except ForeignError:
        problem = "this token is not good for that recipient"
        refusal = _RefusalError(403, problem, path="$.recipient")
    except TooManyError as error:
        problem = f"more than {error.most} records; send fewer at a time"
        refusal = _RefusalError(413, problem, path="$")
    except StoreError as error:
        _log(error)
        metrics.add("store_failures_total")
        refusal = _RefusalError(
            503,
            "the store cannot be used now",
            headers={"Retry-After": str(_PAUSE_SECONDS)},
        )
    except Exception as error:  # noqa: BLE001 - its text may hold values
        _log(error)
        refusal = _RefusalError(500, "the receiver failed")
    return JSONResponse(
        refusal.document, status_code=refusal.status, headers=refusal.headers
    )


async def _in_thread(work: Callable[[], _Document]) -> _Document:
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(work)


async def _not_here(
    metrics: Metrics, _: Request, error: Exception
) -> Response:
    from starlette.responses import JSONResponse

    status = getattr(error, "status_code", 404)
    metrics.add("requests_total", route="other", status=str(status))
    problem = "there is nothing here; routes are /v1/batches (POST), "
    problem += "/v1/erasures (POST), /v1/drops (POST), /v1/health, /healthz, "
    problem += "/readyz, /metrics and /openapi.json (GET)"
    return JSONResponse(
        {"error": {"path": "", "problem": problem}},
        status_code=status,
        headers=getattr(error, "headers", None),
    )


async def _purge_for_ever(
    store: RecordStore, seconds: float, metrics: Metrics
) -> None:
    from starlette.concurrency import run_in_threadpool

    while True:
        try:
            gone = await run_in_threadpool(store.purge)
            metrics.add("expired_records_total", gone)
        except StoreError as error:
            metrics.add("store_failures_total")
            _log(error)
        await asyncio.sleep(seconds)


def _log(error: Exception) -> None:
    logger.debug(
        "receiver failed",
        extra={"consentkit_error": type(error).__name__},
    )
