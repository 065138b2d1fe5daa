# SPDX-License-Identifier: MIT

"""
What a test needs of the machine: programs, extras and libraries.

Where one is missing, the test is skipped and says so. With
``CONSENTKIT_TESTS_STRICT=1`` (CI sets it) it fails instead: a test that never
runs shows nothing. A library is one of the group ``tests`` that is no extra.
An extra that is left out on purpose is named by
``CONSENTKIT_TESTS_NOEXTRAS``: ``1`` for all of them, or names with commas.
"""

from __future__ import annotations

import importlib.util
import os
import shutil

from functools import cache

import pytest


__all__ = [
    "POSTGRESQL",
    "has_extra",
    "has_tool",
    "need_extra",
    "need_library",
    "need_postgresql",
    "need_tool",
]

#: The modules by which an installed extra is known.
_MODULES = {
    "amplitude": ("amplitude",),
    "amqp": ("pika",),
    "android": ("jnius",),
    "dbus": ("jeepney", "dbus_fast"),
    "demo": ("psutil", "machineid", "starlette", "uvicorn"),
    "device": ("psutil", "machineid"),
    "httpx2": ("httpx2",),
    "ios": ("rubicon",),
    "kafka": ("confluent_kafka",),
    "keyring": ("keyring",),
    "mixpanel": ("mixpanel",),
    "mqtt": ("paho", "paho.mqtt"),
    "nats": ("nats",),
    "opentelemetry": (
        "opentelemetry",
        "opentelemetry.sdk",
        "opentelemetry.exporter",
    ),
    "parquet": ("pyarrow",),
    "postgresql": ("psycopg",),
    "posthog": ("posthog",),
    "qt": ("PySide6", "PySide6.QtPositioning"),
    "re2": ("re2",),
    "redis": ("redis",),
    "receiver": ("starlette", "uvicorn"),
    "segment": ("segment", "segment.analytics"),
    "sentry": ("sentry_sdk",),
    "snowplow": ("snowplow_tracker",),
}

#: The server of these tests; ``CONSENTKIT_TESTS_POSTGRESQL`` names another.
POSTGRESQL = os.environ.get(
    "CONSENTKIT_TESTS_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/test"
)

# Read once: fixtures clean the environment around each test.
_STRICT = os.environ.get("CONSENTKIT_TESTS_STRICT", "0") not in {"", "0"}
_LEFT_OUT = frozenset(
    name.strip()
    for name in os.environ.get("CONSENTKIT_TESTS_NOEXTRAS", "").split(",")
    if name.strip() not in {"", "0"}
)


def has_tool(*names: str) -> bool:
    """
    Tell whether all programs *names* are on the path.
    """
    return all(shutil.which(name) for name in names)


def need_tool(*names: str) -> None:
    """
    Skip the running test, or module, unless programs *names* are there.
    """
    missing = [name for name in names if not has_tool(name)]
    if missing:
        _absent(f"needs {', '.join(missing)} on PATH", strict=_STRICT)


def has_extra(*names: str) -> bool:
    """
    Tell whether all extras *names* of consentkit are installed.
    """
    return all(
        importlib.util.find_spec(module) is not None
        for name in names
        for module in _MODULES[name]
    )


def need_extra(*names: str) -> None:
    """
    Skip the running test, or module, unless extras *names* are installed.
    """
    missing = [name for name in names if not has_extra(name)]
    if missing:
        meant = "1" in _LEFT_OUT or _LEFT_OUT.issuperset(missing)
        reason = f"needs consentkit[{','.join(missing)}]"
        _absent(reason, strict=_STRICT and not meant)


def need_library(*names: str) -> None:
    """
    Skip the running test, or module, unless libraries *names* are installed.
    """
    missing = [n for n in names if importlib.util.find_spec(n) is None]
    if missing:
        _absent(f"needs the library {', '.join(missing)}", strict=_STRICT)


@cache
def _server_answers() -> bool:
    import psycopg

    try:
        psycopg.connect(POSTGRESQL, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def need_postgresql() -> None:
    """
    Skip the running test unless the extra and a server are there.
    """
    need_extra("postgresql")
    if not _server_answers():
        _absent(
            "needs a PostgreSQL server (CONSENTKIT_TESTS_POSTGRESQL)",
            strict=_STRICT,
        )


def _absent(reason: str, *, strict: bool) -> None:
    if strict:
        pytest.fail(f"{reason}, and CONSENTKIT_TESTS_STRICT is set")
    pytest.skip(reason, allow_module_level=True)
