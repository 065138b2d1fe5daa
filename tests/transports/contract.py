# SPDX-License-Identifier: MIT
"""
What transports to a broker or a database show alike, as tests to inherit.

A module says once what its transport is, and mixes that in::

    class _MQTT(About):
        transport = MQTTTransport
        extra, library = "mqtt", "paho"
        near = "mqtt://127.0.0.1:{port}/kept/app"
        tls = "mqtts://127.0.0.1:{port}/kept/app"

    class TestNobody(_MQTT, Nobody): ...
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from consentkit.exceptions import MissingExtraError, TransportError
from consentkit.testing import BadTransportConformance, TransportConformance
from consentkit.testing.sentinels import logged
from consentkit.transports import Outcome, transport_from_url
from tests.needs import need_extra
from tests.transports.brokers import Proxy, free_port
from tests.transports.conformance import PLANTED, make_batch, outcomes
from tests.transports.servers import linger


__all__ = [
    "DELIVERED",
    "DUPLICATE",
    "RETRY",
    "SECRET",
    "About",
    "Babble",
    "Files",
    "Making",
    "Nobody",
    "Nonsense",
    "OwnPlace",
    "OwnPlaceByTLS",
    "Processes",
    "Raw",
    "Trouble",
    "fork_and_send",
    "refused",
    "run",
    "sending",
]

DELIVERED, DUPLICATE, RETRY = (
    Outcome.DELIVERED,
    Outcome.DUPLICATE,
    Outcome.RETRY,
)

#: Stands in every password and token, and may be shown nowhere.
SECRET = "planted-secret-7C2E"


def refused(transport) -> str:
    """
    Send a batch that is not taken, and give the problem; neither it nor a
    log shows a value or a secret.
    """
    with logged() as log, transport:
        answer = transport.send(make_batch())
    shown = f"{transport!r} {transport.name} {answer} {log}"
    assert outcomes(answer) == [RETRY] * 2, answer
    assert not answer.too_large, answer
    assert answer.problem.startswith(f"{transport.name}: "), answer
    assert SECRET not in shown
    assert PLANTED not in shown
    return answer.problem


def sending(transport, batch=None):
    """
    Send in a thread; give it and where its answer will be.
    """
    answers: list[Any] = []
    thread = threading.Thread(
        target=lambda: answers.append(transport.send(batch or make_batch()))
    )
    thread.start()
    return thread, answers


def fork_and_send(transport) -> set[str]:
    """
    Send by one transport before a fork, in the child and after it in the
    parent; give the ids of what was sent.
    """
    batches = [make_batch() for _ in range(3)]
    assert outcomes(transport.send(batches[0])) == [DELIVERED] * 2
    child = os.fork()
    if child == 0:
        answer = transport.send(batches[1])
        transport.close()
        os._exit(outcomes(answer) != [DELIVERED] * 2)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert outcomes(transport.send(batches[2])) == [DELIVERED] * 2
    return {batch.id for batch in batches}


def run(code: str, *arguments: str) -> list[str]:
    """
    Run *code* in a fresh interpreter, and give the words that it prints.
    """
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout.split()


class About:
    """
    What a module says of its transport.

    Attributes:
        transport: Its class.

        extra: What installs its library.

        library: The library's module.

        near: A URL on this machine in the clear, with ``{port}``.

        tls: The same, or another, over TLS.
    """

    transport: ClassVar[Any]
    extra: ClassVar[str]
    library: ClassVar[str]
    near: ClassVar[str]
    tls: ClassVar[str]

    def lead_to(self, port: int, **options: Any):
        """
        Make a transport to a port of this machine, in the clear.
        """
        need_extra(self.extra)
        return self.transport(self.near.format(port=port), **options)

    def program(self, code: str) -> str:
        """
        Give a program that makes a transport, *made*, by its arguments.
        """
        return (
            "import os, sys, threading, warnings\n"
            "from consentkit.testing.transport import make_batch\n"
            f"from {self.transport.__module__} import "
            f"{self.transport.__name__} as Transport\n"
            "options = dict(one.split('=') for one in sys.argv[2:])\n"
            f"made = Transport(sys.argv[1], **options)\n{code}"
        )


class Nobody(About, BadTransportConformance):
    """
    The suite for an address at which nothing listens.
    """

    def make_transport(self):
        """
        Make one that leads nowhere.
        """
        return self.lead_to(free_port())


class Raw(About, BadTransportConformance):
    """
    The suite for a server that accepts, and says nothing.

    Members replace what it does.
    """

    options: ClassVar[dict[str, Any]] = {"timeout_seconds": 0.5}

    def on_connect(self, conn):
        """
        Do nothing until the far side goes.
        """
        linger(conn)

    @pytest.fixture(autouse=True)
    def _backend(self, serve_raw):
        self.port = serve_raw(on_connect=self.on_connect).port

    def make_transport(self):
        """
        Make one with little patience.
        """
        return self.lead_to(self.port, **self.options)


class Nonsense(Raw):
    """
    The suite for a server that speaks something else.
    """

    def on_connect(self, conn):
        """
        Greet as a mail server does, many times over.
        """
        conn.sendall(b"220 mail.example ESMTP\r\n" * 100)
        linger(conn)


class Babble(Raw):
    """
    The suite for a server that answers *said*, and hangs up.
    """

    options: ClassVar[dict[str, Any]] = {"timeout_seconds": 5.0}

    @pytest.fixture(autouse=True)
    def _backend(self, serve_raw, said):
        self.said = said
        self.port = serve_raw(on_connect=self.on_connect).port

    def on_connect(self, conn):
        """
        Answer as soon as anything comes.
        """
        conn.recv(1)
        conn.sendall(self.said)


class Making(About):
    """
    Tests for what a transport is made of.

    Attributes:
        named: A URL, and the name that it gives.

        urls: URLs that are refused, and words that say why.

        choices: Options that are refused, and words that say why; *url*
            among them is in place of `About.tls`.

        heavy: What is not imported before a transfer, beside the library.
    """

    named: ClassVar[tuple[str, str]]
    urls: ClassVar[list[tuple[str, str]]]
    choices: ClassVar[list[tuple[dict[str, Any], str]]]
    heavy: ClassVar[frozenset[str]] = frozenset({"ssl"})

    def pytest_generate_tests(self, metafunc):
        """
        Run a test once for each case of the member.
        """
        if "url" in metafunc.fixturenames:
            metafunc.parametrize(("url", "words"), self.urls)
        if "options" in metafunc.fixturenames:
            metafunc.parametrize(("options", "words"), self.choices)

    def test_its_name(self):
        """
        The scheme leads to it, and it is known by its URL, with the port.
        """
        need_extra(self.extra)
        url, name = self.named
        made = transport_from_url(url)

        assert isinstance(made, self.transport)
        assert made.name == name
        assert repr(made) == f"<{self.transport.__name__} {name}>"

    def test_other_urls(self, url, words):
        """
        A URL of another form, or with what may be a secret, is refused, and
        no secret repeated.
        """
        with pytest.raises(TransportError, match=words) as caught:
            self.transport(url)
        assert SECRET not in str(caught.value)

    def test_other_options(self, options, words):
        """
        An option that cannot be used is named, and no secret repeated.
        """
        given = {"url": self.tls.format(port=1), **options}
        with pytest.raises(TransportError, match=words) as caught:
            self.transport(**given)
        assert SECRET not in str(caught.value)

    def test_without_the_library(self, monkeypatch):
        """
        What is missing is named, with what installs it.
        """
        name, _, _ = self.library.partition(".")
        monkeypatch.setitem(sys.modules, name, None)
        extra = rf"consentkit\[{self.extra}\]"
        with pytest.raises(MissingExtraError, match=extra):
            self.transport(self.tls.format(port=1))

    def test_nothing_heavy_before_the_first_transfer(self):
        """
        Neither the module nor a new transport imports the library or TLS, or
        starts a thread.
        """
        need_extra(self.extra)
        heavy = {self.library, *self.heavy}
        code = (
            "import os, sys\n"
            "from consentkit.transports import transport_from_url\n"
            "made = transport_from_url(sys.argv[1])\n"
            "made.cancel()\n"
            "made.close()\n"
            f"print({heavy} & set(sys.modules))\n"
            "print(len(os.listdir('/proc/self/task')))\n"
        )

        assert run(code, self.tls.format(port=1)) == ["set()", "1"]


class Files(About):
    """
    Tests for files that are not there.
    """

    def test_a_missing_file(self):
        """
        A CA file that is not there is a problem, named by its argument.
        """
        problem = refused(
            self.transport(
                self.tls.format(port=free_port()), verify="/nowhere/ca.pem"
            )
        )

        assert "verify, certificate or key names is missing" in problem


class Processes(About):
    """
    Tests with a process of their own.

    Attributes:
        sends: What the transport is made of there: its URL, and options.

        received: Gives what arrived.
    """

    sends: tuple[str, ...]
    received: Callable[[], list[Any]]

    def test_no_thread_stays(self):
        """
        After a transfer there is no thread and no connection left.
        """
        code = self.program(
            "files = len(os.listdir('/proc/self/fd'))\n"
            "print(made.send(make_batch()).problem or 'ok')\n"
            "print(threading.active_count())\n"
            "print(len(os.listdir('/proc/self/fd')) - files)\n"
        )

        assert run(code, *self.sends) == ["ok", "1", "0"]

    def test_a_forked_child_sends_by_itself(self):
        """
        Parent and child send by the same transport, each for itself.
        """
        code = self.program(
            "made.send(make_batch())\n"
            "child = os.fork()\n"
            "problem = made.send(make_batch()).problem\n"
            "made.close()\n"
            "if child == 0:\n"
            "    os._exit(1 if problem else 0)\n"
            "print(problem or 'ok', os.waitpid(child, 0)[1])\n"
        )

        assert run(code, *self.sends) == ["ok", "0"]
        assert len(self.received()) == 3


class OwnPlace(About, TransportConformance):
    """
    The suite, within this machine.

    Members have a fixture that sets *place*.
    """

    place: Any

    def make_transport(self):
        """
        Make it by its URL.
        """
        return transport_from_url(self.place.url)

    def received(self):
        """
        Give what came there.
        """
        return self.place.received()


class OwnPlaceByTLS(OwnPlace):
    """
    The suite, encrypted and with a password.
    """

    @pytest.fixture(autouse=True)
    def _backend(self, running_tls, certificates):
        running_tls.begin()
        self.place = running_tls
        self.ca = certificates / "ca.pem"

    def make_transport(self):
        """
        Make it with a CA of its own.
        """
        return self.transport(
            self.place.url, user="app", password=SECRET, verify=self.ca
        )

    def test_all_is_quiet(self, caplog):
        """
        Nobody warns of a transfer that went well.
        """
        with self.make_transport() as transport:
            transport.send(make_batch())
        assert [
            one for one in caplog.records if one.levelname != "DEBUG"
        ] == []


class Trouble(About):
    """
    Tests with a server of their own, which *start* gives.

    Attributes:
        again: What is said of a batch that is there already.
    """

    again: ClassVar[Outcome]

    def test_a_lost_acknowledgement(self, start):
        """
        When the connection breaks before the answer, it is sent again with
        the same id, and is there once.
        """
        place = start()
        place.begin()
        batch = make_batch()
        proxy = Proxy(
            place.server.port, lambda said: batch.id.encode() in said
        )
        try:
            with self.lead_to(proxy.port) as transport:
                lost = transport.send(batch)
        finally:
            proxy.close()
        with self.transport(place.url) as transport:
            again = transport.send(batch)

        assert outcomes(lost) == [RETRY] * 2
        assert "the connection broke" in lost.problem
        assert outcomes(again) == [self.again] * 2
        assert [one.id for one in place.received()] == [batch.id]

    def test_cancelled_in_the_middle(self, start):
        """
        What was cancelled does not come in afterwards.
        """
        place = start()
        place.begin()
        place.server.pause()
        with self.transport(place.url) as transport:
            thread, answers = sending(transport)
            while thread.is_alive():
                transport.cancel()
                thread.join(0.05)
            place.server.go_on()
            after = transport.send(make_batch())

        assert outcomes(answers[0]) == [RETRY] * 2
        assert answers[0].problem.endswith("the transfer was cancelled")
        assert outcomes(after) == [DELIVERED] * 2
        assert len(place.received()) == 1

    def test_a_fork_during_a_transfer(self, start):
        """
        A child that is forked during a transfer sends by itself, and neither
        its cancelling nor its closing is the parent's.
        """
        place = start()
        place.begin()
        place.server.pause()
        code = self.program(
            "warnings.simplefilter('ignore', DeprecationWarning)\n"
            "answers = []\n"
            "def work():\n"
            "    answers.append(made.send(make_batch()))\n"
            "thread = threading.Thread(target=work)\n"
            "thread.start()\n"
            "while threading.active_count() < 3:\n"
            "    pass\n"
            "child = os.fork()\n"
            "if not child:\n"
            "    made.cancel()\n"
            "    print('forked', flush=True)\n"
            "    answer = made.send(make_batch())\n"
            "    made.close()\n"
            "    print('child', answer.problem, flush=True)\n"
            "    os._exit(0)\n"
            "os.waitpid(child, 0)\n"
            "thread.join()\n"
            "print('parent', answers[0].problem, flush=True)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, place.url],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout.readline() == "forked\n"
            place.server.go_on()
            rest = process.stdout.read()

        assert rest == "child \nparent \n"
        assert len(place.received()) == 2
