# SPDX-License-Identifier: MIT

"""
Tests for the guard on whom SDKs reach: real sockets, programs and threads.

The SDK is a package that is written to disk, with a function for each way of
getting out; what arrives is counted by a server on the loopback.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import socket
import subprocess
import sys
import threading

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from textwrap import dedent
from time import monotonic
from types import FunctionType, ModuleType
from typing import Any
from urllib.error import URLError

import pytest

from attrs import evolve

import consentkit

from consentkit import Kit
from consentkit.exceptions import SDKStoppedError
from consentkit.registry import load_entries
from consentkit.registry.observed import load_observed


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

[[recipients]]
id = "acme"
name = "Acme Inc."
mode = "embedded"
country = "DE"

[[functions]]
id = "statistics"
name = "Statistics by Acme"
category = "third_party"
text = "Acme counts how the app is used."
basis = ["consent"]
on_refusal = "degraded"
sdk = "acme"
purposes = ["usage_statistics"]
recipients = ["acme"]
retention = "P30D"
"""

ENTRY = """
schema = 1
id = "{name}"
name = "{name}"
operator = "Acme Inc."
category = "analytics"
purposes = ["usage_statistics"]
method = "embedded_sdk"
transmits = true
platforms = ["any"]
privacy_policy = "https://acme.example/privacy"

[package]
distributions = ["{name}"]
imports = ["{name}"]
version = "1.0"
gated = false
neutral = ["{name}.tracing"]

[[hosts]]
name = "in.{name}.example"

[[hosts]]
name = "*.eu.{name}.example"
region = "EU"

[[hosts]]
name = "us.{name}.example"
region = "US"
"""

ACME = """
import asyncio, ctypes, os, socket, subprocess, sys, threading, time
import urllib.request

def send(port, data=b"x"):
    with socket.create_connection(("127.0.0.1", port), 5) as one:
        one.sendall(data)

def in_a_thread(act):
    errors = []
    def run():
        try:
            act()
        except OSError as error:
            errors.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    if errors:
        raise errors[0]

def fetch(port):
    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()

def threaded(port):
    in_a_thread(lambda: send(port))

def only_stdlib_in_the_thread(port):
    done = []
    def hook(args):
        done.append(args.exc_value)
    before, threading.excepthook = threading.excepthook, hook
    thread = threading.Thread(
        target=urllib.request.urlopen, args=(f"http://127.0.0.1:{port}/",),
        kwargs={"timeout": 5},
    )
    thread.start()
    thread.join(20)
    threading.excepthook = before
    for error in done:
        raise error.reason

def datagram(port):
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.sendto(b"x", ("127.0.0.1", port))

def message(port):
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.sendmsg([b"x"], [], 0, ("127.0.0.1", port))

def nonblocking(port):
    with socket.socket() as one:
        one.setblocking(False)
        if one.connect_ex(("127.0.0.1", port)) not in (0, 115, 36):
            raise OSError

def in_a_loop(port):
    async def run():
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        writer.close()
    asyncio.run(run())

def racing(port):
    async def run():
        _, writer = await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", port), 5
        )
        writer.close()
    asyncio.run(run())

def in_a_pool(port):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor() as pool:
        pool.submit(socket.create_connection, ("127.0.0.1", port)).result(
            20
        ).close()

def in_a_loops_thread(port):
    async def run():
        one = await asyncio.to_thread(
            socket.create_connection, ("127.0.0.1", port)
        )
        one.close()
    asyncio.run(run())

def client_of_the_network(port):
    client = __import__("http.client").client.HTTPConnection
    errors = []
    def hook(args):
        errors.append(args.exc_value)
    before, threading.excepthook = threading.excepthook, hook
    one = client("127.0.0.1", port, timeout=5)
    thread = threading.Thread(target=one.connect)
    thread.start()
    thread.join(20)
    threading.excepthook = before
    one.close()
    for error in errors:
        raise error

def look_up(_, name="in.acme.example"):
    socket.getaddrinfo(name, 443)

def look_up_by_name(_):
    socket.gethostbyname("in.acme.example")

def look_up_in_a_loop(_):
    async def run():
        await asyncio.get_running_loop().getaddrinfo("in.acme.example", 443)
    asyncio.run(run())

def look_up_backwards(_):
    socket.gethostbyaddr("192.0.2.1")

def program(_):
    subprocess.run([sys.executable, "-c", ""], check=True)

def begin(*args):
    return subprocess.Popen([sys.executable, *args], stdin=subprocess.PIPE)

def calls(line):
    subprocess.Popen(line.split())

def shell(_):
    os.system("true")

def spawned(_):
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)

def exec_in_a_child(_):
    if os.fork() == 0:
        try:
            os.execv("/bin/true", ["true"])
        except OSError:
            os._exit(7)
    if os.waitstatus_to_exitcode(os.wait()[1]) == 7:
        raise PermissionError

def connect_in_a_child(port):
    if os.fork() == 0:
        try:
            send(port)
        except OSError:
            os._exit(7)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.wait()[1]) == 7:
        raise PermissionError

def native(_):
    ctypes.CDLL(None)

def patched(port):
    # What an SDK that wants to hide from monkey-patches would do.
    raw = __import__("_socket").socket
    one = raw(socket.AF_INET, socket.SOCK_STREAM)
    try:
        one.connect(("127.0.0.1", port))
    finally:
        one.close()

def made_at_run_time(port):
    space = {"socket": socket, "__name__": __name__}
    exec("def go(p): socket.create_connection(('127.0.0.1', p)).close()", space)
    space["go"](port)

def made_without_a_name(port):
    exec(
        "import socket\\n"
        f"socket.create_connection(('127.0.0.1', {port})).close()", {}
    )

def called_without_a_name(port):
    space = {"call": send}
    exec("go = lambda port: call(port)", space)
    space["go"](port)

def calls_back(function, *args):
    return function(*args)

class Kept:
    def __init__(self, port):
        self.one = socket.create_connection(("127.0.0.1", port), 5)
    def send(self):
        self.one.sendall(b"x")
"""

WAYS = [
    "send",
    "threaded",
    "only_stdlib_in_the_thread",
    "datagram",
    "message",
    "nonblocking",
    "in_a_loop",
    "racing",
    "in_a_pool",
    "in_a_loops_thread",
    "client_of_the_network",
    "look_up",
    "look_up_by_name",
    "look_up_in_a_loop",
    "look_up_backwards",
    "program",
    "shell",
    "spawned",
    "exec_in_a_child",
    "connect_in_a_child",
    "native",
    "patched",
    "made_at_run_time",
    "made_without_a_name",
    "called_without_a_name",
]


class App:
    """
    An app with one SDK in it, and a server that counts what arrives.

    Attributes:
        kit: The app's kit.

        acme: The SDK.

        port: Where the server listens.

        arrived: The connections and datagrams that it got, in order.
    """

    def __init__(self, folder: Path, acme: ModuleType) -> None:
        self.folder = folder
        self.acme = acme
        entries = load_entries(folder / "sdks")
        self.kit: Kit = consentkit.open(
            folder / "policy.toml",
            data_dir=folder / "data",
            sdk_entries=entries,
        )
        self.arrived: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._datagrams = socket.socket(type=socket.SOCK_DGRAM)
        self._datagrams.bind(("127.0.0.1", self.port))
        for serve in (self._serve, self._serve_datagrams):
            threading.Thread(target=serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = self._server.accept()
                threading.Thread(
                    target=self._answer, args=(one,), daemon=True
                ).start()

    def _answer(self, one: socket.socket) -> None:
        self.arrived.append(b"")
        with one, contextlib.suppress(OSError):
            while data := one.recv(4096):
                self.arrived.append(data)
                if data.startswith(b"GET"):
                    one.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                    return

    def _serve_datagrams(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.arrived.append(self._datagrams.recv(4096))

    def yes(self) -> None:
        """
        Grant the SDK's function.
        """
        self.kit.consent.show("statistics", method="settings")
        self.kit.consent.grant("statistics", method="settings")

    def no(self) -> None:
        """
        Take the yes back.
        """
        self.kit.consent.withdraw("statistics", method="settings")

    def wait(self, count: int) -> None:
        """
        Wait until so much has arrived.
        """
        for _ in range(500):
            if len(self.arrived) >= count:
                return
            threading.Event().wait(0.01)

    def close(self) -> None:
        """
        End all of it.
        """
        self.kit.registry.release()
        self.kit.close()
        for one in (self._server, self._datagrams):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _write(folder: Path, *names: str) -> None:
    (folder / "sdks").mkdir()
    for name in names:
        entry = folder / "sdks" / f"{name}.toml"
        entry.write_text(ENTRY.format(name=name), encoding="utf-8")
        package = folder / "site" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(dedent(ACME), encoding="utf-8")
        (package / "tracing.py").write_text(
            "def traced(function, *args):\n    return function(*args)\n",
            encoding="utf-8",
        )
    (folder / "policy.toml").write_text(POLICY, encoding="utf-8")


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """
    An app with the SDK ``acme``, and ``other``, which no function names.
    """
    _write(tmp_path, "acme", "other")
    monkeypatch.syspath_prepend(tmp_path / "site")
    acme = importlib.import_module("acme")
    made = App(tmp_path, acme)
    yield made
    made.close()
    for name in [
        m for m in sys.modules if m.split(".")[0] in {"acme", "other"}
    ]:
        del sys.modules[name]


def _is_stopped(act: Callable[..., object], *args: Any) -> bool:
    try:
        act(*args)
    except SDKStoppedError:
        return True
    except PermissionError:
        return True  # what a child of the SDK told
    except OSError as error:
        # A name that does not exist, or an address that nobody has.
        if not isinstance(error, socket.gaierror | socket.herror):
            raise
    return False


class TestWays:
    """
    Tests for each way out.
    """

    @pytest.mark.parametrize("way", WAYS)
    def test_stopped_without_a_permit(self, app: App, way: str) -> None:
        """
        Without a permit each way ends in an error inside of the SDK, and
        nothing arrives; with it, it goes through; after a withdrawal it
        ends again.
        """
        app.kit.registry.enforce(hosts={"acme": ["192.0.2.1"]})
        act = getattr(app.acme, way)

        assert _is_stopped(act, app.port)
        assert app.arrived == []
        app.yes()
        assert not _is_stopped(act, app.port)
        app.no()
        before = len(app.arrived)
        assert _is_stopped(act, app.port)
        assert len(app.arrived) == before

    def test_the_app_goes_on(self, app: App) -> None:
        """
        What the app does itself is not judged: sockets, look-ups, programs,
        threads; nor what it does when an SDK calls it, or wraps it.
        """
        app.kit.registry.enforce()

        def all_of_it() -> None:
            socket.create_connection(("127.0.0.1", app.port), 5).close()
            with contextlib.suppress(socket.gaierror):
                socket.getaddrinfo("notes.example", 443)
            subprocess.run([sys.executable, "-c", ""], check=True)

        all_of_it()
        app.acme.calls_back(all_of_it)
        tracing = importlib.import_module("acme.tracing")
        tracing.traced(
            socket.create_connection, ("127.0.0.1", app.port)
        ).close()
        app.wait(3)
        assert app.arrived == [b""] * 3
        assert app.kit.registry.observed is not None
        assert len(app.kit.registry.observed) == 0

    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_in_the_processes_of_a_pool(self, app: App) -> None:
        """
        In a worker process too it ends in an error inside of the SDK, which
        comes back as such, bare or within another; the pool goes on.
        """
        app.kit.registry.enforce()
        context = multiprocessing.get_context("fork")

        with (
            ProcessPoolExecutor(1, mp_context=context) as executor,
            context.Pool(1) as pool,
        ):
            runs: list[Callable[..., Any]] = [
                lambda act, *args: executor.submit(act, *args).result(20),
                lambda act, *args: pool.apply_async(act, args).get(20),
            ]
            for run in runs:
                for way in ("send", "look_up", "native"):
                    with pytest.raises(SDKStoppedError, match="acme was"):
                        run(getattr(app.acme, way), app.port)
                with pytest.raises(URLError, match="acme was stopped"):
                    run(app.acme.fetch, app.port)
                assert run(len, "abc") == 3
        assert app.arrived == []

    def test_code_of_an_sdk_that_hides_its_name(self, app: App) -> None:
        """
        A module that calls itself another is known by its file.
        """
        app.kit.registry.enforce()
        path = app.folder / "site" / "acme" / "hidden.py"
        path.write_text(
            "def go(port):\n"
            "    socket.create_connection(('127.0.0.1', port)).close()\n",
            encoding="utf-8",
        )
        for name in ("__main__", "socket", [], None):
            space: dict[str, Any] = {"__name__": name, "socket": socket}
            exec(compile(path.read_text("utf-8"), str(path), "exec"), space)

            assert _is_stopped(space["go"], app.port)

    def test_code_without_a_name_of_the_apps(self, app: App) -> None:
        """
        What the app makes at run time and runs is the app's, also where an
        SDK calls that back.
        """
        app.kit.registry.enforce()
        go = "socket.create_connection(('127.0.0.1', port)).close()"
        space: dict[str, Any] = {"socket": socket, "port": app.port}
        nameless = eval(f"lambda: {go}", space)

        def run() -> None:
            exec(go, space)

        nameless()
        app.acme.calls_back(run)
        app.wait(2)
        assert app.arrived == [b""] * 2

    def test_code_of_many_modules(self, app: App) -> None:
        """
        An SDK is found behind any code of the app's, in each module that
        runs it, and again when the module was loaded anew.
        """
        app.kit.registry.enforce()
        path = app.folder / "site" / "notes_app.py"
        path.write_text("def call(act, *args):\n    return act(*args)\n")
        for _ in range(2):
            notes = importlib.import_module("notes_app")
            assert _is_stopped(notes.call, app.acme.send, app.port)
            address = ("127.0.0.1", app.port)
            notes.call(socket.create_connection, address).close()
            # The same code, as the SDK's.
            space = {"__name__": "acme.notes"}
            as_sdk = FunctionType(notes.call.__code__, space)
            assert _is_stopped(as_sdk, socket.create_connection, address)
            del sys.modules["notes_app"]

    def test_errors_that_callers_are_ready_for(self, app: App) -> None:
        """
        A stopped look-up is a failed one, a stopped connection a refused
        one, and a stopped program a denied one; the text says why, and
        holds nothing else.
        """
        app.kit.registry.enforce()

        with pytest.raises(socket.gaierror):
            app.acme.look_up(0)
        with pytest.raises(ConnectionRefusedError) as caught:
            app.acme.send(app.port)
        with pytest.raises(PermissionError):
            app.acme.program(0)
        assert isinstance(caught.value, SDKStoppedError)
        assert caught.value.sdk == "acme"
        assert "acme was stopped: statistics: refused" in str(caught.value)

    def test_import_of_ctypes(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Python's own library loads the program itself when `ctypes` is
        imported; an SDK that only imports it does not fail for that.
        """
        monkeypatch.delitem(sys.modules, "ctypes")
        app.kit.registry.enforce()

        importing = (app.acme.calls_back, importlib.import_module, "ctypes")
        assert not _is_stopped(*importing)
        assert _is_stopped(app.acme.native, 0)

    def test_told_once(
        self, app: App, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        The app's log has one line of it, however often it is tried.
        """
        app.kit.registry.enforce()

        for _ in range(20):
            assert _is_stopped(app.acme.send, app.port)

        lines = [r.getMessage() for r in caplog.records]
        (line,) = [line for line in lines if "acme was stopped" in line]
        assert line == (
            "acme was stopped from reaching 127.0.0.1: statistics: refused, "
            "the person has not been asked yet"
        )


class TestHosts:
    """
    Tests for where an SDK may go with its permit.
    """

    @pytest.mark.parametrize(
        "hosts",
        [
            {"acme": "notes.example"},
            {"acme": ["https://notes.example"]},
            {"acme": ["notes.example:443"]},
            {"acme": ["*"]},
            {"acme": ["*.com"]},
            {"acme": ["*.co.uk"]},
            {"acme": ["0x7f.1"]},
            {"acme": [""]},
            {"acme": [b"x"]},
            {"other": ["notes.example"]},
        ],
    )
    def test_hosts_that_are_none(self, app: App, hosts: Any) -> None:
        """
        What is no host, or of no SDK of the policy, is an error, and the
        level stays what it was.
        """
        app.kit.registry.enforce()

        with pytest.raises(ValueError, match="hosts"):
            app.kit.registry.observe(hosts=hosts)

        assert app.kit.registry.level == "enforce"
        assert _is_stopped(app.acme.send, app.port)

    def test_what_to_do_about_it(self, app: App) -> None:
        """
        The error says how a host is named, but not where there is none to
        name: for this machine's own name, and for its cloud's service.
        """
        app.kit.registry.enforce()
        app.yes()

        for host, said, names in (
            ("notes.example", "no host of its entry; one that", True),
            (socket.gethostname().lower(), "machine's own name", False),
            ("169.254.169.254", "a cloud tells about it", False),
        ):
            with pytest.raises(SDKStoppedError, match=said) as caught:
                app.acme.look_up(0, host)
            assert ("enforce(hosts=" in str(caught.value)) is names

    @pytest.mark.parametrize(
        ("named", "met"),
        [
            ("2001:DB8:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("b\u00fccher.example", "xn--bcher-kva.example"),
            ("Notes.Example.", "notes.example"),
        ],
    )
    def test_hosts_in_other_words(
        self, app: App, named: str, met: str
    ) -> None:
        """
        A host may be written as people do.
        """
        app.kit.registry.enforce(hosts={"acme": [named]})
        app.yes()

        with contextlib.suppress(socket.gaierror):
            assert not _is_stopped(app.acme.look_up, 0, met)

    def test_words_for_imports(self, app: App) -> None:
        """
        A word for *imports* that is none does not open everything.
        """
        with pytest.raises(ValueError, match="stand-in"):
            app.kit.registry.enforce(imports="errors")  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("host", "may"),
        [
            ("in.acme.example", True),
            ("IN.ACME.example.", True),
            ("a.b.eu.acme.example", True),
            ("eu.acme.example", False),
            ("us.acme.example", False),
            ("in.acme.example.evil.example", False),
            ("xin.acme.example", False),
            ("notes.example", False),
            ("192.0.2.1", False),
        ],
    )
    def test_only_declared_ones(
        self, app: App, host: str, *, may: bool
    ) -> None:
        """
        A host that the entry names, in a region where the policy says that
        the data goes; no other, and no bare address.
        """
        app.kit.registry.enforce()
        app.yes()

        assert _is_stopped(app.acme.look_up, 0, host) is not may

    @pytest.mark.parametrize(
        "hosts", [None, "us.acme.example", "*.acme.example"]
    )
    def test_one_in_another_country(self, app: App, hosts: str | None) -> None:
        """
        The error names the region and the policy's country, and no way to
        lift the check; that the app names the host does not lift it either.
        """
        app.kit.registry.enforce(hosts={"acme": [hosts]} if hosts else None)
        app.yes()

        with pytest.raises(
            SDKStoppedError, match=r"us\.acme\.example stands in US.* to DE;"
        ) as caught:
            app.acme.look_up(0, "us.acme.example")
        assert "hosts=" not in str(caught.value)

    def test_those_that_the_app_names(self, app: App) -> None:
        """
        A server of the app's own is declared by the app.
        """
        app.kit.registry.enforce(hosts={"acme": ["*.notes.example"]})
        app.yes()

        assert not _is_stopped(app.acme.look_up, 0, "a.notes.example")
        assert _is_stopped(app.acme.look_up, 0, "notes.example")

    def test_an_address_by_its_name(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A connection goes to an address: what name it was found by decides.
        """
        answer = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 9))
        ]
        app.kit.registry.enforce()
        app.yes()
        from consentkit.registry.names import _remember, names_of

        _remember("in.acme.example", [answer[0][4][0]])
        assert names_of("192.0.2.7") == ("in.acme.example",)

        def connect(address: str) -> None:
            with socket.socket() as one:
                one.setblocking(False)
                one.connect_ex((address, 9))

        monkeypatch.setattr(app.acme, "connect", connect, raising=False)
        space = vars(app.acme)
        exec(
            "def to(address):\n"
            "    with socket.socket() as one:\n"
            "        one.setblocking(False)\n"
            "        one.connect_ex((address, 9))\n",
            space,
        )
        assert not _is_stopped(space["to"], "192.0.2.7")
        assert _is_stopped(space["to"], "192.0.2.8")

    def test_by_its_host_alone(self, app: App) -> None:
        """
        A look-up of an SDK's host, from whatever code, is taken for its; an
        address that others share is the app's to go to.
        """
        app.kit.registry.enforce(hosts={"acme": ["127.0.0.1"]})

        with pytest.raises(SDKStoppedError, match="acme was stopped"):
            socket.getaddrinfo("in.acme.example", 443)
        socket.create_connection(("127.0.0.1", app.port), 5).close()


class TestUnseen:
    """
    Tests for what is let through with a permit, and is not seen into.
    """

    def test_it_is_said(
        self, app: App, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        Programs and libraries are named among the gaps, and the first of
        each once in the log; what was stopped is none.
        """
        caplog.set_level("INFO", "consentkit")
        app.kit.registry.enforce()
        assert _is_stopped(app.acme.program, 0)
        assert app.kit.registry.gaps == {}

        app.yes()
        for _ in range(2):
            app.acme.program(0)
            app.acme.shell(0)
            app.acme.native(0)

        python = Path(sys.executable).name
        gaps = {
            "acme": "it loaded the library C, which is not seen into; "
            f"it started the program {python}, true, which is not seen into"
        }
        assert app.kit.registry.gaps == gaps
        told = [r.getMessage() for r in caplog.records if "seen" in r.msg]
        end = "what that sends is neither seen nor stopped"
        assert told == [
            f"acme started the program {python}: {end}",
            f"acme loaded the library C: {end}",
        ]
        app.kit.registry.observe()
        assert app.kit.registry.gaps == gaps

    def test_many_programs(self, app: App) -> None:
        """
        However many there are, few are named.
        """
        app.kit.registry.enforce()
        app.yes()

        for number in range(80):
            with contextlib.suppress(FileNotFoundError):
                app.acme.calls(f"no-{number} --secret")

        gap = app.kit.registry.gaps["acme"]
        assert "no-0, no-1, no-2, no-3, no-4 and others, which" in gap
        assert "secret" not in gap

    @pytest.mark.parametrize("has_waitid", [True, False])
    def test_one_that_still_runs(
        self,
        app: App,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
        *,
        has_waitid: bool,
    ) -> None:
        """
        A withdrawal names the SDK whose program still runs, and no longer
        once it has ended; how it ended is left to who started it.
        """
        if not has_waitid:
            monkeypatch.delattr(os, "waitid", raising=False)
        app.kit.registry.enforce()
        app.yes()
        with app.acme.begin("-c", "input()") as one:
            done = app.kit.consent.withdraw("statistics", method="settings")
            assert done.still_running == ("acme",)
            assert f"still run (process {one.pid})" in caplog.text
            one.communicate(b"\n")
        assert one.returncode == 0

        app.yes()
        done = app.kit.consent.withdraw("statistics", method="settings")
        assert done.still_running == ()

    @pytest.mark.skipif(not hasattr(os, "waitid"), reason="needs os.waitid()")
    def test_one_that_ends_unnoticed(self, app: App) -> None:
        """
        A program that has ended and that nobody has waited for does not run;
        it can be waited for as before.
        """
        app.kit.registry.enforce()
        app.yes()
        with app.acme.begin("-c", "raise SystemExit(3)") as one:
            os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)
            done = app.kit.consent.withdraw("statistics", method="settings")
            assert done.still_running == ()
            assert one.wait(20) == 3


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """
    An app with the SDKs ``acme`` and ``third``, each with its function; the
    first one requires the other.
    """
    _write(tmp_path, "acme", "third")
    policy = POLICY + POLICY[POLICY.index("[[functions]]") :].replace(
        '"statistics"', '"advice"'
    ).replace('sdk = "acme"', 'sdk = "third"')
    (tmp_path / "policy.toml").write_text(policy, encoding="utf-8")
    for name, needs in (("acme", "Requires-Dist: third\n"), ("third", "")):
        info = tmp_path / "site" / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1\n{needs}")
        (info / "top_level.txt").write_text(name)
    monkeypatch.syspath_prepend(tmp_path / "site")
    made = App(tmp_path, importlib.import_module("acme"))
    for function in ("statistics", "advice"):
        made.kit.consent.show(function, method="settings")
        made.kit.consent.grant(function, method="settings")
    yield made
    made.close()
    for name in ("acme", "third"):
        sys.modules.pop(name, None)


class TestOnBehalf:
    """
    Tests for an SDK that another one sends by.
    """

    def test_needs_the_permit_of_both(self, two: App) -> None:
        """
        What an SDK does by means of one that it requires ends with the
        consent to either of them; that one's own acts go on.
        """
        third = importlib.import_module("third")
        two.kit.registry.enforce()
        by_means = two.acme.calls_back(third.Kept, two.port)
        own = third.Kept(two.port)
        assert not _is_stopped(two.acme.calls_back, third.send, two.port)

        two.kit.consent.withdraw("statistics", method="settings")

        with pytest.raises(SDKStoppedError, match="statistics: refused"):
            two.acme.calls_back(third.send, two.port)
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            for _ in range(100):
                by_means.send()
        assert not _is_stopped(third.send, two.port)
        own.send()
        by_means.one.close()
        own.one.close()

    def test_whoever_only_calls_it_back(self, two: App) -> None:
        """
        An SDK that does not require the other one only wraps it, as tracing
        does: its own no changes nothing for that one.
        """
        third = importlib.import_module("third")
        two.kit.registry.enforce()

        two.kit.consent.withdraw("advice", method="settings")

        assert not _is_stopped(third.calls_back, two.acme.send, two.port)


class TestClosedKit:
    """
    Tests for a guard whose kit is closed: two SDKs were permitted then, and
    the process goes on.
    """

    def test_a_withdrawal_stops_that_sdk(self, two: App) -> None:
        """
        A no that the closed kit records is carried out: the SDK connects no
        more and what it had open is shut. The other one goes on.
        """
        third = importlib.import_module("third")
        stopped: list[str] = []
        for sdk in ("acme", "third"):
            stop = partial(stopped.append, sdk)
            two.kit.registry.start(sdk, lambda: None, stop=stop)
        two.kit.registry.enforce()
        kept, others = two.acme.Kept(two.port), third.Kept(two.port)
        two.kit.close()
        assert not _is_stopped(two.acme.send, two.port)

        done = two.kit.consent.withdraw("statistics", method="settings")

        assert _is_stopped(two.acme.send, two.port)
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            for _ in range(100):
                kept.send()
        assert not _is_stopped(third.send, two.port)
        others.send()
        assert stopped == ["acme"]
        assert done.still_running == ()
        kept.one.close()
        others.one.close()

    @pytest.mark.parametrize("act", ["deny", "object_to", "pause"])
    def test_so_does_another_no(self, two: App, act: str) -> None:
        """
        So does each other way to say no to the function.
        """
        two.kit.registry.enforce()
        two.kit.close()

        getattr(two.kit.consent, act)("statistics")

        assert _is_stopped(two.acme.send, two.port)

    @pytest.mark.parametrize("act", ["refuse_all", "erase"])
    def test_so_does_a_no_to_everything(self, two: App, act: str) -> None:
        """
        A no to everything stops all of them.
        """
        third = importlib.import_module("third")
        two.kit.registry.enforce()
        two.kit.close()

        getattr(two.kit.consent, act)()

        assert _is_stopped(two.acme.send, two.port)
        assert _is_stopped(third.send, two.port)

    def test_stand_ins_go_on_as_the_guard_does(self, two: App) -> None:
        """
        What stands in for an SDK is the SDK until the no, so that an app can
        send the rest at exit; then it is quiet.
        """
        for entry in (two.folder / "sdks").iterdir():
            text = entry.read_text("utf-8")
            entry.write_text(
                text.replace("gated = false", "gated = true"), "utf-8"
            )
        two.kit.close()
        with consentkit.open(
            two.folder / "policy.toml",
            data_dir=two.folder / "data",
            sdk_entries=load_entries(two.folder / "sdks"),
        ) as kit:
            kit.registry.enforce()
            third = importlib.import_module("third")
        assert not _is_stopped(third.send, two.port)
        two.wait(2)  # the connection, and what was sent on it
        assert len(two.arrived) == 2

        kit.consent.withdraw("advice", method="settings")

        assert not _is_stopped(third.send, two.port)
        assert kit.registry.dropped == {"third": 1}
        assert len(two.arrived) == 2
        kit.registry.release()

    def test_a_later_yes_opens_nothing_here(self, two: App) -> None:
        """
        After a no the closed kit's guard stays shut, whoever says yes.
        """
        two.kit.registry.enforce()
        two.kit.close()
        two.kit.consent.withdraw("statistics", method="settings")

        with contextlib.closing(
            consentkit.open(
                two.folder / "policy.toml",
                data_dir=two.folder / "data",
                sdk_entries=load_entries(two.folder / "sdks"),
            )
        ) as kit:
            kit.consent.show("statistics", method="settings")
            kit.consent.grant("statistics", method="settings")
            assert _is_stopped(two.acme.send, two.port)
            # Whoever enforces anew asks anew.
            kit.registry.enforce()
            assert not _is_stopped(two.acme.send, two.port)
            kit.registry.release()


class TestLevels:
    """
    Tests for observing and enforcing, and for both ending.
    """

    def test_undeclared_ones(self, app: App) -> None:
        """
        An SDK that is known, and that no function names, is stopped.
        """
        other = importlib.import_module("other")
        app.kit.registry.enforce()
        app.yes()

        with pytest.raises(SDKStoppedError, match="no function of the policy"):
            other.send(app.port)

    def test_observing_stops_nothing(self, app: App, tmp_path: Path) -> None:
        """
        Observed, everything goes through, and a record tells what was done,
        with and without a permit.
        """
        record = tmp_path / "seen.json"
        app.kit.registry.observe(record=record)
        assert app.kit.registry.level == "observe"

        with contextlib.suppress(socket.gaierror):
            app.acme.look_up(0)
        with contextlib.suppress(socket.gaierror):
            app.acme.look_up(0, "elsewhere.example")
        app.yes()
        with contextlib.suppress(socket.gaierror):
            app.acme.look_up(0)
        app.kit.close()

        seen = {
            (s.host, s.permitted, s.declared, s.stopped)
            for s in load_observed(record).sightings
        }
        assert seen == {
            ("in.acme.example", False, True, False),
            ("elsewhere.example", False, False, False),
            ("in.acme.example", True, True, False),
        }

    def test_record_without_an_end(self, app: App) -> None:
        """
        Where the app never closes its kit, the record is written when the
        process ends: to the file that was meant, wherever the app is then.
        """
        script = """
            import os, sys
            sys.path.insert(0, "site")
            import consentkit
            from pathlib import Path
            from consentkit.registry import load_entries
            kit = consentkit.open(
                "policy.toml", data_dir="data",
                sdk_entries=load_entries(Path("sdks")),
            )
            kit.registry.observe(record="seen.json")
            import acme
            try:
                acme.look_up(0)
            except OSError:
                pass
            os.chdir("/")
        """
        subprocess.run(
            [sys.executable, "-c", dedent(script)],
            cwd=app.folder,
            check=True,
            timeout=60,
        )

        (seen,) = load_observed(app.folder / "seen.json").sightings
        assert (seen.sdk, seen.host) == ("acme", "in.acme.example")

    def test_released(self, app: App) -> None:
        """
        Released, the SDK is its own affair again.
        """
        app.kit.registry.enforce()
        assert _is_stopped(app.acme.send, app.port)

        app.kit.registry.release()

        assert app.kit.registry.level == "declare"
        assert not _is_stopped(app.acme.send, app.port)

    def test_goes_on_after_the_kit_is_closed(self, app: App) -> None:
        """
        SDKs send at exit, when kits are closed: what was refused then stays
        so, and what was permitted too.
        """
        app.kit.registry.enforce()
        app.kit.close()
        assert _is_stopped(app.acme.send, app.port)

        with contextlib.closing(
            consentkit.open(
                app.folder / "policy.toml",
                data_dir=app.folder / "data",
                sdk_entries=load_entries(app.folder / "sdks"),
            )
        ) as kit:
            kit.registry.enforce()
            kit.consent.show("statistics", method="settings")
            kit.consent.grant("statistics", method="settings")
            assert not _is_stopped(app.acme.send, app.port)
        assert not _is_stopped(app.acme.send, app.port)
        kit.registry.release()

    def test_open_connections_die_with_the_permit(self, app: App) -> None:
        """
        A connection that is kept open sends without any event: it is shut
        when its permit dies. The app's own stays.
        """
        app.kit.registry.enforce()
        app.yes()
        kept = app.acme.Kept(app.port)
        mine = socket.create_connection(("127.0.0.1", app.port), 5)
        kept.send()
        app.wait(3)

        app.no()

        assert len(app.arrived) == 3
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            for _ in range(100):
                kept.send()
        mine.sendall(b"mine")
        app.wait(4)
        assert app.arrived[3:] == [b"mine"]
        mine.close()
        kept.one.close()

    def test_copies_of_a_connection_die_too(self, app: App) -> None:
        """
        So does one whose socket was given another number.
        """
        app.kit.registry.enforce()
        app.yes()
        kept = app.acme.Kept(app.port)
        copy = kept.one.dup()
        kept.one.close()
        copy.sendall(b"x")
        app.wait(2)

        app.no()

        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            for _ in range(100):
                copy.sendall(b"x")
        copy.close()

    def test_another_level_keeps_what_is_open(self, app: App) -> None:
        """
        What was opened while it was only observed is shut all the same.
        """
        app.kit.registry.observe()
        app.yes()
        kept = app.acme.Kept(app.port)
        app.kit.registry.enforce()

        app.no()

        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            for _ in range(100):
                kept.send()
        kept.one.close()

    def test_others_go_on_at_a_withdrawal(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        While queues are emptied, other threads make tuples, as all do.
        """
        entry = app.kit.registry._known()["acme"]
        assert entry.package is not None
        package = evolve(entry.package, queues=("acme.Queue.waiting",))
        entries = {"acme": evolve(entry, package=package)}
        monkeypatch.setattr(app.kit.registry, "_entries", entries)
        exec(
            "class Queue:\n    def __init__(self): self.waiting = [1, 2]\n",
            vars(app.acme),
        )
        queue = app.acme.Queue()
        app.kit.registry.enforce(imports="load")
        errors: list[BaseException] = []
        going = threading.Event()
        going.set()

        def work() -> None:
            try:
                while going.is_set():
                    tuple(i for i in range(5_000))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            queue.waiting.append(3)
            app.yes()
            app.no()
        going.clear()
        for thread in threads:
            thread.join(20)

        assert errors == []
        assert queue.waiting == []

    def test_datagrams_are_remembered_once(self, app: App) -> None:
        """
        Many datagrams of one socket take no memory.
        """
        app.kit.registry.enforce()
        app.yes()
        exec(
            "def many(port):\n"
            "    with socket.socket(type=socket.SOCK_DGRAM) as one:\n"
            "        for _ in range(500):\n"
            "            one.sendto(b'x', ('127.0.0.1', port))\n",
            vars(app.acme),
        )
        app.acme.many(app.port)

        watch = app.kit.registry._watch
        assert watch is not None
        assert len(watch._guard._open["acme"]) == 1

    def test_another_thread_in_the_middle_of_it(self, app: App) -> None:
        """
        While threads of the SDK send without end, a withdrawal ends it:
        nothing is sent that began after it has returned.
        """
        app.kit.registry.enforce()
        app.yes()
        going = threading.Event()
        going.set()
        begun: list[float] = []

        def run() -> None:
            while going.is_set():
                at = monotonic()
                with contextlib.suppress(OSError):
                    app.acme.send(app.port)
                    begun.append(at)

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        app.wait(20)
        app.no()
        withdrawn = monotonic()
        threading.Event().wait(0.3)
        going.clear()
        for thread in threads:
            thread.join(20)

        assert len(begun) >= 5
        assert max(begun) < withdrawn

    def test_a_choice_of_another_process(self, app: App) -> None:
        """
        A withdrawal elsewhere stops the next event here, and within a
        moment shuts what is open, though nothing here asks.
        """
        app.kit.registry.enforce()
        app.yes()
        assert not _is_stopped(app.acme.send, app.port)
        kept = app.acme.Kept(app.port)
        kept.send()
        script = """
            import sys, consentkit
            from consentkit.registry import load_entries
            folder = sys.argv[1]
            kit = consentkit.open(folder + "/policy.toml",
                data_dir=folder + "/data")
            kit.consent.withdraw("statistics", method="settings")
        """
        subprocess.run(
            [sys.executable, "-c", dedent(script), str(app.folder)],
            check=True,
            timeout=60,
        )

        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            for _ in range(100):
                kept.send()
                threading.Event().wait(0.1)
        kept.one.close()
        assert _is_stopped(app.acme.send, app.port)

    def test_gaps_are_named(self, app: App) -> None:
        """
        What cannot be held is said.
        """
        assert app.kit.registry.gaps == {}
        app.kit.registry.enforce()
        assert dict(app.kit.registry.gaps) == {}


class TestHarm:
    """
    Tests for what an SDK might try, and what must never happen to the app.
    """

    def test_swallowed_and_tried_again(self, app: App) -> None:
        """
        An SDK that catches every error and tries on gets nowhere.
        """
        app.kit.registry.enforce()
        exec(
            "def stubborn(port):\n"
            "    for _ in range(50):\n"
            "        try:\n"
            "            send(port)\n"
            "        except BaseException:\n"
            "            pass\n",
            vars(app.acme),
        )

        app.acme.stubborn(app.port)

        assert app.arrived == []

    def test_a_thread_at_import(self, app: App) -> None:
        """
        A module that sends from a thread as soon as it is imported gets
        nowhere, and its import does not fail.
        """
        path = app.folder / "site" / "acme" / "eager.py"
        path.write_text(
            "import threading, acme\n"
            "errors = []\n"
            "def run(port):\n"
            "    try:\n"
            "        acme.send(port)\n"
            "    except OSError as error:\n"
            "        errors.append(error)\n"
            f"thread = threading.Thread(target=run, args=({app.port},))\n"
            "thread.start()\n",
            encoding="utf-8",
        )
        app.kit.registry.enforce()

        eager = importlib.import_module("acme.eager")
        eager.thread.join(20)

        assert [type(e).__mro__[1] for e in eager.errors] == [SDKStoppedError]
        assert app.arrived == []

    def test_sockets_of_its_own_making(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        An SDK that puts its own classes and functions in the place of
        Python's is judged as before, and so are others that use them not.
        """
        app.kit.registry.enforce()
        exec(
            "class Mine(socket.socket):\n"
            "    def connect(self, address):\n"
            "        return socket.socket.__base__.connect(self, address)\n"
            "def patch(put):\n"
            "    put(socket, 'socket', Mine)\n"
            "    put(socket, 'getaddrinfo', _looked_up)\n"
            "def _looked_up(host, port, *rest, **more):\n"
            "    import _socket\n"
            "    return _socket.getaddrinfo(host, port, *rest)\n",
            vars(app.acme),
        )
        app.acme.patch(monkeypatch.setattr)

        assert _is_stopped(app.acme.send, app.port)
        assert _is_stopped(app.acme.look_up, 0)
        assert app.arrived == []

    def test_a_ledger_that_cannot_be_read(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        In doubt it is a no, and no error but that one.
        """
        app.kit.registry.enforce()
        app.yes()

        def fails(*_: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(app.kit.registry, "_ask", fails)

        assert _is_stopped(app.acme.send, app.port)

    def test_deep_stacks_and_odd_frames(self, app: App) -> None:
        """
        The deepest stack is walked no further than is sane, and a module
        without a name is nobody's.
        """
        app.kit.registry.enforce()

        def deep(left: int) -> None:
            if left:
                deep(left - 1)
            else:
                socket.create_connection(("127.0.0.1", app.port), 5).close()

        deep(500)
        space: dict[str, Any] = {"socket": socket, "__name__": 7}
        exec(
            "def go(p): socket.create_connection(('127.0.0.1', p)).close()",
            space,
        )
        space["go"](app.port)
        app.wait(2)
        assert len(app.arrived) == 2

    def test_nothing_of_it_before(self) -> None:
        """
        Opening a kit imports no guard and installs no hook.
        """
        script = """
            import sys
            events = []
            import consentkit
            kit = consentkit.open(sys.argv[1], data_dir=sys.argv[2])
            loaded = [m for m in sys.modules if m.startswith(
                "consentkit.registry.") and m.rpartition(".")[2] in
                {"reach", "watch", "imports", "names", "attribution"}]
            assert not loaded, loaded
            assert "socket" not in sys.modules
        """
        folder = Path(__file__).parent.parent / "vectors" / "policies"
        subprocess.run(
            [
                sys.executable,
                "-c",
                dedent(script),
                str(folder / "small.toml"),
                os.devnull + "/nowhere",
            ],
            check=True,
            timeout=60,
        )
