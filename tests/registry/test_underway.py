# SPDX-License-Identifier: MIT

"""
Tests for what an SDK is in the middle of when its consent ends: it must not
leave under the next one either.

The SDK is one of the tests' own, as in `tests.registry.test_reach`; the real
PostHog, Segment and Sentry send to a server on the loopback.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import logging
import subprocess
import sys
import threading

from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from typing import Any
from weakref import ref

import pytest

from attrs import evolve

import consentkit

from consentkit import Kit
from tests.registry.test_reach import App
from tests.registry.test_reach import app as app_with_an_sdk


__all__ = ["app_with_an_sdk"]

WORKER = """
import queue

class Data(bytearray):
    pass

workers = []

class Worker:
    def __init__(self, port):
        self.port = port
        self.queue = queue.Queue()
        self.failed = threading.Event()
        self.again = threading.Event()
        self.waits = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        workers.append(self)

    def run(self):
        while self.upload():
            pass

    def upload(self):
        self.waits.set()
        data = self.queue.get()
        if data is None:
            return False
        self.work(data)
        self.queue.task_done()
        return True

    def work(self, data):
        for _ in range(3):
            try:
                return send(self.port, data)
            except OSError:
                self.failed.set()
                self.again.wait(20)

class Waiting:
    kept = []
    counts = {}

class Later:
    async def start(self, port):
        self.port = port
        self.queue = asyncio.Queue()
        self.failed = asyncio.Event()
        self.again = asyncio.Event()
        self.task = asyncio.create_task(self.run())

    async def run(self):
        while True:
            await self.work(await self.queue.get())
            self.queue.task_done()

    async def work(self, data):
        for _ in range(3):
            try:
                _, out = await asyncio.open_connection("127.0.0.1", self.port)
                out.write(data)
                await out.drain()
                return out.close()
            except OSError:
                self.failed.set()
                await self.again.wait()
"""


@pytest.fixture
def app(app_with_an_sdk: App) -> Iterator[App]:
    """
    An app with an SDK whose workers end with the test.
    """
    yield app_with_an_sdk
    for worker in vars(app_with_an_sdk.acme).get("workers", ()):
        worker.queue.put(None)
        worker.again.set()
        worker.thread.join(20)


def _until(true: Callable[[], bool]) -> bool:
    for _ in range(3_000):
        if true():
            return True
        threading.Event().wait(0.01)
    return False


def _enforce(app: App, *queues: str) -> None:
    """
    Hold the SDK, whose entry names these queues, as one that is loaded.
    """
    exec(WORKER, vars(app.acme))
    entry = app.kit.registry._known()["acme"]
    assert entry.package is not None
    package = evolve(entry.package, queues=queues)
    app.kit.registry._entries = {"acme": evolve(entry, package=package)}
    app.kit.registry.enforce(imports="load")


def _wait_for_idle(app: App) -> None:
    watch = app.kit.registry._watch
    assert watch is not None
    assert _until(lambda: not watch._guard.underway._calls)


class TestUnderway:
    """
    Tests for calls that were under way.
    """

    @pytest.mark.parametrize("queues", [(), ("acme.Worker.queue",)])
    def test_a_batch_that_is_tried_again(
        self, app: App, queues: tuple[str, ...]
    ) -> None:
        """
        What a worker had taken out to send it, and tries again under a new
        yes, is stopped. The worker goes on with what is new.
        """
        _enforce(app, *queues)
        app.yes()
        worker = app.acme.Worker(1)
        worker.queue.put(b"old")
        assert worker.failed.wait(20)

        app.no()
        app.yes()
        worker.port = app.port
        worker.again.set()
        worker.queue.join()
        worker.queue.put(b"new")
        worker.queue.join()
        app.wait(2)

        assert app.arrived == [b"", b"new"]

    def test_a_worker_with_nothing_in_its_hands(self, app: App) -> None:
        """
        A worker that waits, of whose queue nothing is left to be done, sends
        what is new at once.
        """
        _enforce(app, "acme.Worker.queue")
        app.yes()
        worker = app.acme.Worker(app.port)
        assert worker.waits.wait(20)
        assert _until(lambda: bool(worker.queue.not_empty._waiters))

        app.no()
        app.yes()
        worker.queue.put(b"new")
        worker.queue.join()
        app.wait(2)

        assert app.arrived == [b"", b"new"]

    @pytest.mark.parametrize("queues", [(), ("acme.Worker.queue",)])
    def test_a_call_of_the_app(
        self, app: App, queues: tuple[str, ...]
    ) -> None:
        """
        So is a call that the app itself is in, though a worker beside it has
        nothing to do; its next one is not.
        """
        _enforce(app, *queues)
        app.yes()
        worker = app.acme.Worker(1)
        calling = threading.Thread(target=lambda: worker.work(b"old"))
        calling.start()
        assert worker.failed.wait(20)

        app.no()
        app.yes()
        worker.port = app.port
        worker.again.set()
        calling.join(20)
        worker.work(b"new")
        app.wait(2)

        assert app.arrived == [b"", b"new"]

    def test_a_task_that_tries_again(self, app: App) -> None:
        """
        So is what a task of the SDK's own holds.
        """
        _enforce(app)
        app.yes()

        async def run() -> None:
            later = app.acme.Later()
            await later.start(1)
            later.queue.put_nowait(b"old")
            await asyncio.wait_for(later.failed.wait(), 20)
            app.no()
            app.yes()
            later.port = app.port
            later.again.set()
            await asyncio.wait_for(later.queue.join(), 20)
            later.queue.put_nowait(b"new")
            await asyncio.wait_for(later.queue.join(), 20)
            later.task.cancel()

        asyncio.run(run())
        app.wait(2)

        assert app.arrived == [b"", b"new"]

    def test_another_level_goes_on_with_it(self, app: App) -> None:
        """
        What is remembered outlives another `enforce()`.
        """
        _enforce(app)
        app.yes()
        worker = app.acme.Worker(1)
        worker.queue.put(b"old")
        assert worker.failed.wait(20)

        app.no()
        app.kit.registry.enforce(imports="load")
        app.yes()
        worker.port = app.port
        worker.again.set()
        worker.queue.join()
        app.acme.send(app.port)
        app.wait(2)

        assert app.arrived == [b"", b"x"]

    def test_nothing_of_it_is_kept(self, app: App) -> None:
        """
        When such a call returns, what it held is let go of.
        """
        _enforce(app)
        app.yes()
        worker = app.acme.Worker(1)
        data = app.acme.Data(b"old")
        alive = ref(data)
        worker.queue.put(data)
        del data
        assert worker.failed.wait(20)

        app.no()
        worker.again.set()
        worker.queue.join()
        _wait_for_idle(app)
        gc.collect()

        assert alive() is None


class TestQueues:
    """
    Tests for what waits in an SDK.
    """

    @pytest.mark.parametrize("name", ["kept", "counts"])
    def test_gathered_without_a_permit(self, app: App, name: str) -> None:
        """
        What an SDK gathers while it has no permit is gone with the next yes,
        be it a list or a table.
        """
        _enforce(app, f"acme.Waiting.{name}")
        waiting = app.acme.Waiting()
        for _ in range(2):
            gathered: Any = [1] if name == "kept" else {"a": 1}
            setattr(waiting, name, gathered)
            app.yes()
            assert not gathered
            app.no()

    def test_a_queue_of_a_loop(self, app: App) -> None:
        """
        A queue of `asyncio` is emptied in the thread of its loop, so that
        whoever waits for its end goes on.
        """
        _enforce(app, "acme.Later.queue")
        app.yes()

        async def run() -> None:
            later = app.acme.Later()
            await later.start(1)
            later.queue.put_nowait(b"taken")
            await asyncio.wait_for(later.failed.wait(), 20)
            later.queue.put_nowait(b"waits")
            await asyncio.to_thread(app.no)
            assert later.queue.empty()
            later.again.set()
            await asyncio.wait_for(later.queue.join(), 20)
            later.task.cancel()

        asyncio.run(run())

    def test_choices_of_another_process(self, app: App) -> None:
        """
        A withdrawal elsewhere empties them when the SDK next reaches out,
        and a new yes elsewhere counts when that was done once more.
        """
        _enforce(app, "acme.Waiting.kept")
        app.yes()
        waiting = app.acme.Waiting()
        waiting.kept = [1]

        _choose(app, "withdraw")
        with pytest.raises(OSError, match="withdrawn"):
            app.acme.send(app.port)
        assert _until(lambda: not waiting.kept)
        waiting.kept.append(2)
        _choose(app, "grant")

        def sends() -> bool:
            with suppress(OSError):
                app.acme.send(app.port)
                return True
            return False

        assert _until(sends)
        assert not waiting.kept


POLICY = """
schema = 1

[policy]
id = "notes"
title = "Notes privacy policy"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "notes_ltd"
name = "Notes Ltd."
contact = "privacy@notes.example"

[[functions]]
id = "statistics"
name = "Statistics"
category = "third_party"
text = "We count how the app is used."
basis = ["consent"]
on_refusal = "degraded"
sdk = "{sdk}"
purposes = ["usage_statistics"]
retention = "P30D"
"""


class Backend:
    """
    A server of an SDK's operator, and the kit of an app that uses it.

    Attributes:
        bodies: What arrived, in order.

        is_held: Whether requests wait until they are given up.

        begun: Set when one waits.
    """

    def __init__(self, folder: Path, sdk: str) -> None:
        (folder / "policy.toml").write_text(POLICY.format(sdk=sdk), "utf-8")
        self.kit: Kit = consentkit.open(
            folder / "policy.toml", data_dir=folder / "data"
        )
        self.kit.registry.enforce(imports="load")
        self.bodies: list[str] = []
        self.is_held = False
        self.begun = threading.Event()
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                backend.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        ).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """
        Take a request in.
        """
        raw = request.rfile.read(int(request.headers["Content-Length"]))
        if self.is_held:
            self.begun.set()
            request.rfile.read(1)  # ends with the connection
            return
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        self.bodies.append(raw.decode())
        request.send_response(200)
        request.send_header("Content-Length", "2")
        request.end_headers()
        request.wfile.write(b"{}")

    def choose(self, act: str) -> None:
        """
        Grant or withdraw.
        """
        self.kit.consent.show("statistics", method="settings")
        getattr(self.kit.consent, act)("statistics", method="settings")

    def has(self, word: str) -> bool:
        """
        Tell whether something with *word* has arrived.
        """
        return any(word in body for body in self.bodies)

    def close(self) -> None:
        """
        End all of it.
        """
        self.kit.registry.release()
        self.kit.close()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def backend(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Backend]:
    """
    The backend of the SDK that is the parameter.
    """
    made = Backend(tmp_path, request.param)
    yield made
    made.close()


class TestReal:
    """
    Tests with the real SDKs, one client of each for all the time.
    """

    @pytest.mark.need_extra("posthog")
    @pytest.mark.parametrize("backend", ["posthog"], indirect=True)
    def test_posthog(self, backend: Backend) -> None:
        """
        The batch that PostHog was sending at the withdrawal, and tries again
        under the new yes, does not arrive; a later event does.
        """
        from posthog import Posthog

        backend.choose("grant")
        client = Posthog(
            "key",
            host=f"http://{backend.address}",
            flush_at=1,
            flush_interval=0.1,
            max_retries=2,
        )
        self._withdrawn_and_granted(
            backend, lambda word: client.capture(word, distinct_id="anna")
        )
        client.shutdown()

    @pytest.mark.need_extra("segment")
    @pytest.mark.parametrize("backend", ["segment"], indirect=True)
    def test_segment(self, backend: Backend) -> None:
        """
        So it is with Segment.
        """
        from segment.analytics import Client

        backend.choose("grant")
        client = Client(
            "key",
            host=f"http://{backend.address}",
            upload_size=1,
            upload_interval=0.1,
            max_retries=2,
        )
        self._withdrawn_and_granted(
            backend, lambda word: client.track("anna", word)
        )
        client.shutdown()

    def _withdrawn_and_granted(
        self, backend: Backend, capture: Callable[[str], object]
    ) -> None:
        backend.is_held = True
        capture("before")
        assert backend.begun.wait(20)

        backend.choose("withdraw")
        backend.is_held = False
        backend.choose("grant")
        watch = backend.kit.registry._watch
        assert watch is not None
        underway = watch._guard.underway
        assert _until(lambda: not underway._calls)
        capture("after")

        assert _until(lambda: backend.has("after"))
        assert not backend.has("before")

    @pytest.mark.need_extra("sentry")
    @pytest.mark.parametrize("backend", ["sentry"], indirect=True)
    def test_sentry(self, backend: Backend) -> None:
        """
        What Sentry notes of the app's log while it has no permit goes with
        no later event; what it notes under the new yes does.
        """
        import sentry_sdk

        from sentry_sdk.integrations.logging import LoggingIntegration

        backend.choose("grant")
        sentry_sdk.init(
            dsn=f"http://key@{backend.address}/1",
            default_integrations=False,  # others stay in Python's own library
            integrations=[LoggingIntegration()],
        )
        log = logging.getLogger("notes")
        log.error("first")
        assert _until(lambda: backend.has("first"))
        sentry_sdk.flush(20)  # its worker has the answer, and rests
        backend.choose("withdraw")
        log.warning("between")
        backend.choose("grant")
        log.warning("beside")
        log.error("second")

        assert _until(lambda: backend.has("second"))
        (event,) = [
            json.loads(line)
            for body in backend.bodies
            if "second" in body
            for line in body.splitlines()
            if '"breadcrumbs"' in line
        ]
        crumbs = [c["message"] for c in event["breadcrumbs"]["values"]]
        assert crumbs == ["beside"]
        sentry_sdk.get_client().close(0)
        sentry_sdk.get_global_scope().set_client(None)


def _choose(app: App, act: str) -> None:
    script = f"""
        import sys, consentkit
        folder = sys.argv[1]
        kit = consentkit.open(
            folder + "/policy.toml", data_dir=folder + "/data"
        )
        kit.consent.show("statistics", method="settings")
        kit.consent.{act}("statistics", method="settings")
    """
    subprocess.run(
        [sys.executable, "-c", dedent(script), str(app.folder)],
        check=True,
        timeout=60,
    )
