# SPDX-License-Identifier: MIT

"""
Every call form of the receiver, for type checkers; never run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

from consentkit.outbox.records import Batch
from consentkit.policy.model import Policy
from consentkit.receiver import (
    Metrics,
    PostgreSQLStore,
    RecordStore,
    RequestLimits,
    Server,
    Store,
    Tenant,
    Tenants,
    make_app,
    make_consumer_app,
    run,
    serve,
    store_from_url,
)
from consentkit.receiver.consumer import Consumer
from consentkit.receiver.drops import Dropped, DropReport
from consentkit.receiver.lookup import Lookup
from consentkit.receiver.openapi import describe
from consentkit.receiver.store import Counts, Erased, StoredRecord, Verdict
from consentkit.seal import KeyRing


def serve_one(keys: KeyRing) -> None:
    """
    One process with a file.
    """
    store = Store("received.sqlite3")
    metrics = Metrics()
    app = make_app(
        store,
        token="secret",
        tenants=Tenants(Path("tenants.toml")),
        keys=keys,
        sealed_only=True,
        limits=RequestLimits(
            body_bytes=1,
            opened_bytes=1,
            records=1,
            head_seconds=1.0,
            body_seconds=1.0,
            requests=1,
            connections=1,
            pause_seconds=1,
        ),
        metrics=metrics,
        metrics_token="other",
        purge_seconds=1.0,
    )
    with serve(app, share_port=True, limits=RequestLimits()) as server:
        assert_type(server, Server)
    run(make_app(store), share_port=True, limits=RequestLimits())
    assert_type(metrics.text(), str)
    assert_type(metrics.total("records_total", outcome="stored"), float)
    assert_type(describe(), dict[str, Any])


def serve_many(
    batch: Batch, report: DropReport, policy: Policy
) -> Sequence[DropReport]:
    """
    Many processes with a database.
    """
    store: RecordStore = PostgreSQLStore(
        "postgresql://host/database",
        schema="received",
        timeout_seconds=5.0,
        connections=4,
    )
    store = store_from_url("postgresql://host/database?schema=received")
    store = store_from_url(Path("received.sqlite3"))
    assert_type(store.name, str)
    assert_type(store.put(batch, refused=1), Mapping[str, Verdict])
    assert_type(store.erase("00"), Erased)
    assert_type(store.note_drops(report), bool)
    assert_type(store.purge(), int)
    assert_type(store.records("function"), list[StoredRecord])
    assert_type(store.counts(), Counts)
    assert_type(report.drops, tuple[Dropped, ...])
    Lookup(store, policy)
    consumer = Consumer(
        "nats://host/subject",
        store,
        group="receivers",
        sealed_only=True,
        again_seconds=10.0,
        user="user",
        password="secret",
        tls=True,
        verify="ca.pem",
    )
    run(make_consumer_app(store, consumer, metrics=consumer.metrics))
    return store.drops()


def who(tenants: Tenants) -> Tenant | None:
    """
    Whose token it is.
    """
    tenant = tenants.of("token")
    if tenant is not None:
        assert_type(tenant.may_bring("recipient"), bool)
        assert_type(tenant.recipients, frozenset[str])
    return tenant
