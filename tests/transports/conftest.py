# SPDX-License-Identifier: MIT
"""
Fixtures for tests of transports.
"""

from __future__ import annotations

import sys

import pytest

from consentkit._fork import load
from consentkit.transports.https import HTTPSTransport
from tests.needs import has_extra, need_extra
from tests.transports.conformance import make_batch
from tests.transports.servers import RawServer, make_certificates


@pytest.fixture(params=["httpx2", "httpx"])
def library(request, monkeypatch) -> str:
    """
    Let consentkit find this HTTP library, and give its name.
    """
    if request.param == "httpx2":
        need_extra("httpx2")
    else:
        if has_extra("httpx2"):
            # A thread of an earlier test may be in the middle of it: it would
            # end half made, and come back half made after this test.
            load("httpx2")
        monkeypatch.setitem(sys.modules, "httpx2", None)
    return request.param


@pytest.fixture
def serve_raw():
    """
    Give what starts a `RawServer`; all are closed in the end.
    """
    servers = []

    def start(*args, **options) -> RawServer:
        servers.append(RawServer(*args, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """
    Give a folder with a CA and a certificate for 127.0.0.1.
    """
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture(scope="session")
def other_certificates(tmp_path_factory):
    """
    Give a folder with another CA and a certificate for another host.
    """
    folder = tmp_path_factory.mktemp("other-certificates")
    make_certificates(folder, "backend.example")
    return folder


@pytest.fixture
def connect():
    """
    Give what makes a transport; all are closed in the end.
    """
    made = []

    def make(url, **options):
        made.append(HTTPSTransport(url, **{"timeout_seconds": 5.0, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def talk(serve_raw, connect):
    """
    Give what sends one batch to a server with a script.
    """

    def send(script, batch=None, **options):
        server = serve_raw(script)
        return connect(server.url, **options).send(batch or make_batch())

    return send
