# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, T201 - a script that prints
"""
Measure what holding SDKs costs: the guard on whom they reach, and imports.

Usage: ``python benchmarks/reach.py [--repeats N]``

The lines:

``unwatched``
    An audit event that the guard does not care about, with one guard on;
    beside it the same without any guard.

``own``
    A look-up of the app's own, found to be so: at a stack of that many
    frames, each of another function, in twenty modules.

``sdk``
    A look-up of an SDK, judged and stopped, and judged and let through, in a
    kit with SQLite.

``enforce``
    ``kit.registry.enforce()`` under a policy with one SDK, in this process.

``stand-in``
    A call on a stand-in without a permit.

Medians over the repeats; the best is beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import platform
import statistics
import sys
import tempfile
import time

from collections.abc import Callable
from pathlib import Path

import consentkit

from consentkit.registry import load_entries


_POLICY = """\
schema = 1

[policy]
id = "small"
title = "A policy to measure with"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "maker"
name = "Maker Ltd."
contact = "privacy@maker.example"

[[recipients]]
id = "acme"
name = "Acme Inc."
mode = "embedded"

[[functions]]
id = "statistics"
name = "Statistics"
category = "third_party"
text = "Acme counts what is used."
basis = ["consent"]
on_refusal = "degraded"
sdk = "acme"
purposes = ["usage_statistics"]
recipients = ["acme"]
retention = "P30D"
"""

_ENTRY = """\
schema = 1
id = "acme"
name = "Acme"
operator = "Acme Inc."
category = "analytics"
purposes = ["usage_statistics"]
method = "embedded_sdk"
transmits = true
platforms = ["any"]
privacy_policy = "https://acme.example/privacy"

[package]
distributions = ["acme"]
imports = ["acme"]
version = "1.0"
setup = ["acme.init"]

[[hosts]]
name = "in.acme.example"
"""

_ACME = """\
import sys, time

def look_up(times):
    # The event alone: no name is resolved.
    begun = time.perf_counter()
    for _ in range(times):
        try:
            sys.audit("socket.getaddrinfo", "in.acme.example", 443)
        except OSError:
            pass
    return (time.perf_counter() - begun) / times

def capture(event):
    pass
"""


def _each(act: Callable[[], object], times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - begun) / times


def _tell(what: str, seconds: list[float]) -> None:
    found = sorted(s * 1e6 for s in seconds)
    print(
        f"  {what:<40} {statistics.median(found):9.2f} us"
        f"   (best {found[0]:.2f})"
    )


def _write_app(folder: Path) -> None:
    text = "\n".join(
        f"def call_{i}(rest, act):\n"
        "    return rest[0](rest[1:], act) if rest else act()\n"
        for i in range(10)
    )
    for i in range(20):
        (folder / f"app_{i}.py").write_text(text)


def _deep(frames: int, act: Callable[[], float]) -> float:
    # As in an app, no function calls itself.
    first, *rest = (
        getattr(importlib.import_module(f"app_{i % 20}"), f"call_{i // 20}")
        for i in range(frames)
    )
    found: float = first(rest, act)
    return found


def _look_up() -> None:
    with contextlib.suppress(OSError):
        sys.audit("socket.getaddrinfo", "notes.example", 443)


def main() -> None:
    """
    Measure all of it, and print it.
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = range(parser.parse_args().repeats)
    print(
        f"Python {platform.python_version()}, {platform.machine()}, "
        f"{os.cpu_count()} processors"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sdks").mkdir()
        (folder / "sdks" / "acme.toml").write_text(_ENTRY)
        (folder / "site" / "acme").mkdir(parents=True)
        (folder / "site" / "acme" / "__init__.py").write_text(_ACME)
        _write_app(folder / "site")
        (folder / "policy.toml").write_text(_POLICY)
        sys.path.insert(0, str(folder / "site"))

        def event() -> None:
            sys.audit("os.listdir", "x")

        _tell(
            "unwatched, without a guard",
            [_each(event, 50_000) for _ in repeats],
        )
        kit = consentkit.open(
            folder / "policy.toml",
            data_dir=folder / "data",
            sdk_entries=load_entries(folder / "sdks"),
        )
        begun = time.perf_counter()
        kit.registry.enforce()
        enforce = time.perf_counter() - begun
        _tell("unwatched, with one", [_each(event, 50_000) for _ in repeats])
        for frames in (10, 50, 100, 150):
            _tell(
                f"own, {frames} frames",
                [
                    _deep(frames, lambda: _each(_look_up, 2_000))
                    for _ in repeats
                ],
            )
        acme = importlib.import_module("acme")
        _tell(
            "stand-in, without a permit",
            [_each(lambda: acme.capture("x"), 2_000) for _ in repeats],
        )
        kit.consent.show("statistics", method="settings")
        kit.consent.grant("statistics", method="settings")
        look_up = acme.look_up
        _tell("sdk, let through", [look_up(2_000) for _ in repeats])
        real = sys.modules["acme"].__dict__["look_up"]
        kit.consent.withdraw("statistics", method="settings")
        _tell("sdk, stopped", [real(2_000) for _ in repeats])
        _tell("enforce", [enforce])
        kit.registry.release()
        kit.close()


if __name__ == "__main__":
    main()
