# SPDX-License-Identifier: MIT
"""
The reference backend as an ASGI app.

Routes, with the formats of ``docs/wire-format.md``::

    POST /v1/batches    an outcome for each record
    POST /v1/erasures   erased, or already
    GET  /v1/health     whether it can store

Every refusal is JSON: ``{"error": {"path": ..., "problem": ...}}``. Nothing
of a request is repeated in an answer or a log, but ids.
"""

from __future__ import annotations

import asyncio
import hmac
import logging

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from consentkit.exceptions import (
    EnvelopeError,
    MissingExtraError,
    StoreError,
    UnknownKeyError,
)
from consentkit.receiver._open import Opener, check_head
from consentkit.receiver._read import (
    FormatError,
    parse,
    read_batch,
    read_erasure,
)
from consentkit.receiver.store import Store
from consentkit.seal import MEDIA_TYPE, Head, KeyRing


if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response


__all__ = ["make_app"]

logger: logging.Logger = logging.getLogger("consentkit")

#: How long a sender may take for the body of one request.
_BODY_SECONDS: Final = 30.0
#: How much of a body that is too large is read and thrown away: a sender that
#: is cut off while it writes would never see why.
_DRAINED_BYTES: Final = 64 * 1024 * 1024
#: What a sender is asked to wait while the store is unusable.
_PAUSE_SECONDS: Final = 30

_Document = Mapping[str, Any]


def make_app(
    store: Store,
    *,
    token: str | None = None,
    keys: KeyRing | None = None,
    sealed_only: bool = False,
    max_body_bytes: int = 16 * 1024 * 1024,
    purge_seconds: float = 60.0,
) -> Starlette:
    """
    Make the app.

    Args:
        store: Where records go; it stays the caller's to close.

        token: What senders must show as a bearer token; with ``None``
            everybody may send.

        keys: What opens envelopes; the file is read again when a key comes
            that is not known.

        sealed_only: Whether to refuse what is not sealed.

        max_body_bytes: The largest request that is read, and the most that
            an envelope may open to.

        purge_seconds: How often expired records are deleted.

    Raises:
        MissingExtraError: If Starlette is not installed.

    What leaks:
        The app keeps no address, name or time of a sender but the instant
        at which a record came.
    """
    try:
        from starlette.applications import Starlette
        from starlette.routing import Route
    except ImportError:
        Starlette = None  # type: ignore[assignment, misc]  # noqa: N806
    if Starlette is None:
        raise MissingExtraError(extra="receiver", package="starlette")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        task = asyncio.create_task(_purge_for_ever(store, purge_seconds))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    opener = None if keys is None else Opener(keys, max_body_bytes)
    desk = _Desk(store, token, opener, sealed_only, max_body_bytes)
    return Starlette(
        routes=[
            Route("/v1/batches", desk.batches, methods=["POST"]),
            Route("/v1/erasures", desk.erasures, methods=["POST"]),
            Route("/v1/health", desk.health, methods=["GET"]),
        ],
        exception_handlers={404: _not_here, 405: _not_here},
        lifespan=lifespan,
    )


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


class _Desk:
    """
    The endpoints: read, check, ask the store, answer.
    """

    def __init__(
        self,
        store: Store,
        token: str | None,
        opener: Opener | None,
        sealed_only: bool,  # noqa: FBT001 - of one place
        max_body_bytes: int,
    ) -> None:
        self._store = store
        self._opener = opener
        self._sealed_only = sealed_only
        self._token = None if token is None else f"Bearer {token}".encode()
        self._max_body_bytes = max_body_bytes

    async def batches(self, request: Request) -> Response:
        """
        Take a batch.
        """
        return await self._serve(request, self._take_batch)

    async def erasures(self, request: Request) -> Response:
        """
        Take an erasure request.
        """
        return await self._serve(request, self._take_erasure)

    async def health(self, _: Request) -> Response:
        """
        Tell whether the store can be used.
        """
        return await _guarded(lambda: _in_thread(self._check))

    def _check(self) -> _Document:
        self._store.check()
        return {"status": "ok", "format": 1}

    async def _serve(
        self,
        request: Request,
        take: Callable[[bytes, Head | None, str], _Document],
    ) -> Response:
        async def work() -> _Document:
            self._check_token(request.headers.get("authorization", ""))
            is_sealed = self._is_sealed(request.headers)
            body = await self._body(request)
            key = request.headers.get("idempotency-key", "")
            return await _in_thread(
                lambda: take(*self._opened(body, is_sealed), key)
            )

        return await _guarded(work)

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

    def _opened(
        self,
        body: bytes,
        is_sealed: bool,  # noqa: FBT001 - as above
    ) -> tuple[bytes, Head | None]:
        if not is_sealed or self._opener is None:
            return body, None
        try:
            head, opened = self._opener.open(body)
        except UnknownKeyError as error:
            refusal = _RefusalError(422, str(error), code="unknown_key")
        except EnvelopeError as error:
            refusal = _RefusalError(400, str(error), path="$")
        else:
            return opened, head
        raise refusal

    def _take_batch(
        self, body: bytes, head: Head | None, key: str
    ) -> _Document:
        batch, refused = read_batch(parse(body))
        _check_key(key, batch.id)
        if head is not None:
            check_head(head, batch, len(batch.records) + len(refused))
        verdicts = self._store.put(batch, refused=len(refused))
        outcomes: list[_Document] = [
            {"id": i, "outcome": one.outcome}
            | ({"reason": one.reason} if one.reason else {})
            for i, one in verdicts.items()
        ]
        outcomes += [
            {
                "id": one.id,
                "outcome": "rejected",
                "reason": "invalid",
                "path": one.path,
                "problem": one.problem,
            }
            for one in refused
        ]
        return {"batch": batch.id, "outcomes": outcomes}

    def _take_erasure(
        self, body: bytes, head: Head | None, key: str
    ) -> _Document:
        erasure = read_erasure(parse(body))
        _check_key(key, erasure.id)
        if head is not None:
            check_head(head, erasure, 0)
        done = self._store.erase(erasure.token)
        return {
            "erasure": erasure.id,
            "outcome": done.outcome,
            "records": done.records,
        }

    def _check_token(self, shown: str) -> None:
        if self._token is None:
            return
        if not hmac.compare_digest(shown.encode(), self._token):
            raise _RefusalError(
                401,
                "a bearer token is needed, and this is not it",
                headers={"WWW-Authenticate": "Bearer", "Connection": "close"},
            )

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        size, status = 0, 408
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size <= self._max_body_bytes:
                        body += chunk
                    elif size > self._max_body_bytes + _DRAINED_BYTES:
                        break
        except TimeoutError:
            problem = "the body did not come in time"
        else:
            if size <= self._max_body_bytes:
                return bytes(body)
            problem = f"more than {self._max_body_bytes} bytes; "
            problem += "send fewer records at a time"
            status = 413
        raise _RefusalError(
            status, problem, path="$", headers={"Connection": "close"}
        )


async def _guarded(work: Callable[[], Awaitable[_Document]]) -> Response:
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
    except StoreError as error:
        _log(error)
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


async def _not_here(_: Request, error: Exception) -> Response:
    from starlette.responses import JSONResponse

    status = getattr(error, "status_code", 404)
    problem = "there is nothing here; routes are /v1/batches (POST), "
    problem += "/v1/erasures (POST) and /v1/health (GET)"
    return JSONResponse(
        {"error": {"path": "", "problem": problem}},
        status_code=status,
        headers=getattr(error, "headers", None),
    )


async def _purge_for_ever(store: Store, seconds: float) -> None:
    from starlette.concurrency import run_in_threadpool

    while True:
        try:
            await run_in_threadpool(store.purge)
        except StoreError as error:
            _log(error)
        await asyncio.sleep(seconds)


def _check_key(key: str, expected: str) -> None:
    if key not in ("", expected):
        problem = "the header Idempotency-Key is not the id in the body"
        raise _RefusalError(400, problem)


def _log(error: Exception) -> None:
    logger.debug(
        "receiver failed",
        extra={"consentkit_error": type(error).__name__},
    )
