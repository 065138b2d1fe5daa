# SPDX-License-Identifier: MIT
# ruff: noqa: INP001 - a module that another harness loads by its path
"""
consentkit for a harness that measures telemetry SDKs side by side.

Such a harness loads this file, makes a `DRIVER`, and calls `start`, then
`capture` many times, then `flush` and `close`; its sink opens with
`open_body` what it cannot read. An event comes as its name, a user's id and a
dictionary of properties.

Everything is as an app would have it: the gate, protection, encryption at
rest, sealed batches, durable when ``capture`` returns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol

import consentkit

from consentkit.policy import parse_policy
from consentkit.seal import (
    AEAD,
    KEM,
    OpenKey,
    SealKey,
    open_envelope,
)
from consentkit.transports.https import HTTPSTransport


__all__ = ["DRIVER", "POLICY", "Driver", "open_body"]

POLICY: Final = """\
schema = 1

[policy]
id = "side-by-side"
title = "What the shop that is measured with promises"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "shop"
name = "Shop Ltd."
contact = "privacy@shop.example"

[[functions]]
id = "usage"
name = "Usage statistics"
category = "additional"
text = "To improve the shop, we use how it is used."
basis = ["consent"]
on_refusal = "degraded"
purposes = ["usage_statistics"]
retention = "P30D"

[[functions.collects]]
type = "usage_record"
protect = "scrub"

[[functions.events]]
name = "checkout_completed"
type = "usage_record"

[functions.events.fields]
event_ref = "text"
session = "text"
plan = ["free", "team", "enterprise"]
region = ["eu-west-1", "us-east-1", "ap-south-1"]
path = "text"
campaign = "text"
app_version = ["4.17.0", "4.18.2"]
items = "int"
total_cents = "int"
duration_ms = "float"
is_trial = "bool"
"""

#: The sink's key, for everybody to see: what it opens is made up.
_KEY: Final = OpenKey(
    seal_key=SealKey(
        id=1,
        kem=KEM.X25519,
        aead=AEAD.AES_256_GCM,
        public=bytes.fromhex(
            "5f19c29a7c2f579b4879975b31250d7fa83e114c199e680408a19939ddaad928"
        ),
    ),
    private=bytes.fromhex(
        "412025e3bd8b6e2def4dc36f5b5cc1f8c048978397e941f0f3f30ae46fa69283"
    ),
)

#: How long a flush may take: as long as the harness waits.
_FLUSH_SECONDS: Final = 120.0


class Options(Protocol):
    """
    What the harness asks for.

    Attributes:
        url: Where the sink is.

        data_dir: The only place for files.

        enabled: Whether the person agrees; else they refuse.

        queue_size: How many events may wait; as the SDK has it if ``None``.

        batch_size: How many events go out at once; likewise.
    """

    @property
    def url(self) -> str: ...
    @property
    def data_dir(self) -> Path: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def queue_size(self) -> int | None: ...
    @property
    def batch_size(self) -> int | None: ...


class Driver:
    """
    An app with one function, which is in use from `start` to `close`.

    Attributes:
        kit: Its kit.

        deliver_every: How many seconds its delivery rests; ``None`` is that
            it delivers nothing by itself.
    """

    note = "gate, scrubbing, encryption at rest, sealed batches, durable"
    deliver_every: float | None = 1.0

    def start(self, options: Options) -> None:
        """
        Open the kit, and let the person answer.
        """
        self.kit = consentkit.open(
            parse_policy(POLICY),
            transport=HTTPSTransport(options.url, plain_answers=True),
            seal_for=_KEY.seal_key.text,
            deliver_every=self.deliver_every,
            data_dir=options.data_dir,
            limits=_limits(options),
        )
        if not self.kit.decide_function("usage"):
            self._answer(is_yes=options.enabled)
        self._use = self.kit.use("usage")
        self._use.__enter__()
        self._capture = self._use.capture_event

    def _answer(self, *, is_yes: bool) -> None:
        self.kit.consent.show("usage")
        if is_yes:
            self.kit.consent.grant("usage")
        else:
            self.kit.consent.deny("usage")

    def capture(self, event: tuple[str, str, dict[str, Any]]) -> None:
        """
        Hand over one event.
        """
        self._capture(event[0], event[2])

    def flush(self) -> None:
        """
        Send what waits.
        """
        self.kit.flush(timeout_seconds=_FLUSH_SECONDS)

    def close(self) -> None:
        """
        End as an app does.
        """
        self._use.__exit__(None, None, None)
        self.kit.close()

    def decide(self) -> object:
        """
        Ask the gate whether this function may have this now.
        """
        return self._use.permit("usage_record")


DRIVER = Driver


def open_body(body: bytes) -> bytes:
    """
    Open what the sink got, and give the JSON inside.
    """
    return open_envelope(body, {_KEY.seal_key.id: _KEY})[1]


def _limits(options: Options) -> consentkit.Limits:
    standard = consentkit.Limits()
    waiting = options.queue_size or 0
    return consentkit.Limits(
        records=max(waiting, standard.records),
        outbox_bytes=max(waiting * 1_024, standard.outbox_bytes),
        batch_records=options.batch_size or standard.batch_records,
    )
