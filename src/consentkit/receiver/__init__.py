# SPDX-License-Identifier: MIT
"""
The reference backend: what the other end owes the person.

It stores each record once, forgets it when it expires, and erases on demand
what was delivered under a grant, for good. It is one process with a SQLite
file, or many without state before one PostgreSQL. Members:
`consentkit.receiver.store`, `consentkit.receiver.postgresql`,
`consentkit.receiver.app`, `consentkit.receiver.server` and
`consentkit.receiver.consumer`; the last three need the extra ``receiver``, at
the first call.
"""

from __future__ import annotations

from consentkit.receiver._read import read_body
from consentkit.receiver.app import make_app, make_consumer_app
from consentkit.receiver.base import RecordStore, store_from_url
from consentkit.receiver.limits import RequestLimits
from consentkit.receiver.metrics import Metrics
from consentkit.receiver.postgresql import PostgreSQLStore
from consentkit.receiver.server import Server, run, serve
from consentkit.receiver.store import Store
from consentkit.receiver.tenants import Tenant, Tenants


__all__ = [
    "Metrics",
    "PostgreSQLStore",
    "RecordStore",
    "RequestLimits",
    "Server",
    "Store",
    "Tenant",
    "Tenants",
    "make_app",
    "make_consumer_app",
    "read_body",
    "run",
    "serve",
    "store_from_url",
]
