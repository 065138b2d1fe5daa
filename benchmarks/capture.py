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

from attrs import asdict, frozen

import consentkit

from consentkit.outbox.rows import written
from consentkit.policy import parse_policy


CALLS = 1_500
ROUNDS = 9


@frozen
class CheckoutCompleted:
    """
    The event that everybody sends.
    """

    event_ref: str
    session: str
    plan: str
    region: str
    path: str
    campaign: str
    app_version: str
    items: int
    total_cents: int
    duration_ms: float
    is_trial: bool


def make_event(number: int) -> CheckoutCompleted:
    """
    Make the event that everybody sends.
    """
    return CheckoutCompleted(
        event_ref=f"bid001{number:07d}",
        session=f"{number * 2654435761 & 0xFFFFFFFF:08x}",
        plan="team",
        region="eu-west-1",
        path="/cart/checkout?step=3",
        campaign="newsletter-2026-11",
        app_version="4.18.2",
        items=number % 7,
        total_cents=12999 + number % 1000,
        duration_ms=183.25,
        is_trial=False,
    )


def microseconds(work: Callable[[], object], calls: int = CALLS) -> float:
    """
    Time one call of *work*.
    """
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(calls):
            work()
        best = min(best, time.perf_counter() - begun)
    return best / calls * 1e6


def main() -> None:
    """
    Measure and print.
    """
    for outlives, work in (("crash", measure), ("power_cut", measure_waits)):
        limits = consentkit.Limits(
            records=10**7, outbox_bytes=10**10, outlives=outlives
        )
        # Not where temporary files are: that may be memory.
        with (
            tempfile.TemporaryDirectory(dir=".") as folder,
            consentkit.open(
                parse_policy(peer_driver.POLICY),
                data_dir=folder,
                limits=limits,
            ) as kit,
        ):
            kit.consent.show("usage")
            kit.consent.grant("usage")
            work(kit)


def measure_waits(kit: consentkit.Kit) -> None:
    """
    Measure a capture that waits for the disk.
    """
    fields = asdict(make_event(1))
    with kit.use("usage") as use:
        use.capture_event("checkout_completed", fields)
        took = microseconds(
            lambda: use.capture_event("checkout_completed", fields), calls=100
        )
    print(f"{took:8.2f}  capture_event, outliving a power cut")


def measure(kit: consentkit.Kit) -> None:
    """
    Measure the parts of one kit.
    """
    events = itertools.cycle(map(make_event, range(CALLS * ROUNDS * 4)))
    with kit.use("usage") as use:
        use.capture(next(events))
        use.capture(next(events))
        (path,) = kit.event_paths.values()
        one = next(events)
        clean = path._clean(path._get(one))
        assert clean is not None
        row = written(clean).encode()
        fields = asdict(one)
        use.capture_event("checkout_completed", fields)
        use.capture_event("checkout_completed", fields)
        lane = path._lane
        journal, entry = kit.store._journal, lane.entry(row, 1, 2)[1]
        parts: dict[str, Callable[[], object]] = {
            "capture, each with two texts of its own": lambda: use.capture(
                next(events)
            ),
            "capture, the same event": lambda: use.capture(one),
            "capture_event, a dictionary": lambda: use.capture_event(
                "checkout_completed", fields
            ),
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
