# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, S101, SLF001, T201 - a script that prints
"""
Where the time of one capture goes: each part by itself, in microseconds.

    python benchmarks/capture.py

It keeps events of the scoreboard's kind in a new data folder, delivers
nothing, and tells the best of several rounds, since others only add to it.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import time

from collections.abc import Callable
from pathlib import Path


sys.path.insert(0, str(Path(__file__).parent))

import peer_driver

import consentkit

from consentkit.outbox.rows import written
from consentkit.policy import parse_policy


CALLS = 1_500
ROUNDS = 9


def microseconds(work: Callable[[], object]) -> float:
    """
    Time one call of *work*.
    """
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(CALLS):
            work()
        best = min(best, time.perf_counter() - begun)
    return best / CALLS * 1e6


def main() -> None:
    """
    Measure and print.
    """
    with tempfile.TemporaryDirectory() as folder:
        limits = consentkit.Limits(records=10**7, outbox_bytes=10**10)
        with consentkit.open(
            parse_policy(peer_driver.POLICY), data_dir=folder, limits=limits
        ) as kit:
            kit.consent.show("usage")
            kit.consent.grant("usage")
            measure(kit)


def measure(kit: consentkit.Kit) -> None:
    """
    Measure the parts of one kit.
    """
    events = itertools.cycle(
        peer_driver.CheckoutCompleted(
            event_ref=f"bid001{n:07d}",
            session=f"{n * 2654435761 & 0xFFFFFFFF:08x}",
            plan="team",
            region="eu-west-1",
            path="/cart/checkout?step=3",
            campaign="newsletter-2026-11",
            app_version="4.18.2",
            items=n % 7,
            total_cents=12999 + n % 1000,
            duration_ms=183.25,
            is_trial=False,
        )
        for n in range(CALLS * ROUNDS * 4)
    )
    with kit.use("usage") as use:
        use.capture(next(events))
        use.capture(next(events))
        (path,) = kit.event_paths.values()
        one = next(events)
        clean = path._clean(path._get(one))
        assert clean is not None
        row = written(clean).encode()
        lane = path._lane
        journal, entry = kit.store._journal, lane.entry(row, 1, 2)[1]
        parts: dict[str, Callable[[], object]] = {
            "capture, each with two texts of its own": lambda: use.capture(
                next(events)
            ),
            "capture, the same event": lambda: use.capture(one),
            "- the choices, as they are now": kit.consent.state,
            "- fields checked and scrubbed": lambda: path._clean(
                path._get(next(events))
            ),
            "- the same, of texts that are known": lambda: path._clean(
                path._get(one)
            ),
            "- written as JSON": lambda: written(clean),
            "- id and seal": lambda: lane.entry(row, 1, 2),
            "- appended to the journal": lambda: journal.append(entry),
        }
        for name, work in parts.items():
            print(f"{microseconds(work):8.2f}  {name}")
    kit.consent.withdraw("usage")
    with kit.use("usage") as use:
        print(f"{microseconds(lambda: use.capture(one)):8.2f}  refused")
    read, write = os.pipe()
    begun = time.perf_counter()
    for _ in range(CALLS):
        os.write(write, b"x")
        os.read(read, 1)
    took = (time.perf_counter() - begun) / CALLS / 2 * 1e6
    print(f"{took:8.2f}  a system call, for comparison")


if __name__ == "__main__":
    main()
