# SPDX-License-Identifier: MIT
"""
Tests for what is said where TLS alone protects what is sent.
"""

from __future__ import annotations

import logging

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from attrs import evolve

from consentkit.seal import make_open_key
from consentkit.transports import Transport, route
from consentkit.transports.https import HTTPSTransport
from consentkit.transports.otlp import OTLPTransport
from tests.support import make_kit
from tests.transports.conformance import make_batch


FAR = "https://collect.maker.example:8443/v1"
NEAR = "http://127.0.0.1:1/v1"
LOCAL = "https://localhost:1/v1"


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """
    Give a client whose backend takes nothing, without a connection.
    """
    away = httpx.MockTransport(lambda _: httpx.Response(503))
    with httpx.Client(transport=away) as client:
        yield client


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """
    Give the warnings that were logged.
    """
    return [
        one.getMessage()
        for one in caplog.records
        if one.levelno >= logging.WARNING
    ]


def https(url: str, client: Any) -> Transport:
    """
    Make a transport for HTTPS.
    """
    return HTTPSTransport(url, client=client, token="s3cret")


def otlp(url: str, client: Any) -> Transport:
    """
    Make a transport for OTLP.
    """
    return OTLPTransport(f"otlp+{url}", client=client, token="s3cret")


@pytest.mark.parametrize("make", [https, otlp])
class TestUnsealed:
    """
    Tests for both transports by HTTP.
    """

    def test_is_said_once_for_each_recipient(
        self, make: Any, client: httpx.Client, caplog: Any
    ) -> None:
        """
        The host, the recipient and the cure are named, before anything is
        sent; tries that follow say nothing, and no token is in it.
        """
        transport = make(FAR, client)
        assert warned(caplog) == []
        ours = make_batch()
        for _ in range(3):
            transport.send(ours)
        (first,) = warned(caplog)
        transport.send(evolve(make_batch(), recipient="partner"))
        _, second = warned(caplog)

        assert first.startswith(f"{transport.name}: what goes to ")
        assert f" {ours.recipient} is not sealed" in first
        assert "seal_for" in first
        assert "to partner is not sealed" in second
        assert "s3cret" not in caplog.text

    @pytest.mark.parametrize("url", [NEAR, LOCAL])
    def test_not_of_this_machine(
        self, make: Any, url: str, client: httpx.Client, caplog: Any
    ) -> None:
        """
        Nothing is said of what passes no network.
        """
        make(url, client).send(make_batch())

        assert warned(caplog) == []

    def test_not_of_an_envelope(
        self, make: Any, client: httpx.Client, caplog: Any
    ) -> None:
        """
        Nor of what is sealed, or waits since it would have to be.
        """
        key = make_open_key(1).seal_key
        make(FAR, client).send(evolve(make_batch(), seal_for=key))

        assert warned(caplog) == []


@pytest.mark.parametrize("is_sealed", [False, True])
def test_in_a_kit(
    tmp_path: Any, client: httpx.Client, caplog: Any, *, is_sealed: bool
) -> None:
    """
    A kit says it at its first delivery, through what stands around the
    transport, unless it has a key of the recipient.
    """
    key = make_open_key(1).seal_key.text if is_sealed else None
    far = route(https(FAR, client), region="CN")
    with make_kit(
        tmp_path,
        "improve",
        transport=far,
        seal_for=key,
    ) as kit:
        assert warned(caplog) == []
        for _ in range(2):
            with kit.use("improve") as use:
                use.capture(use.device("mac_address"))
            kit.flush()

    assert len(warned(caplog)) == (not is_sealed)
