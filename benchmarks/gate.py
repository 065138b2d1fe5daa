# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, T201 - a script that prints
"""
Measure what it costs to ask, and how soon a choice is seen.

Usage: ``python benchmarks/gate.py [--repeats N] [--choices N] [--only PART]``

The parts:

``decide``
    A decision of a compiled gate, beside a bare dictionary that is asked by
    a function with the same key; in processor time.

``refuse``
    A read that is refused, through the kit: asked again within a moment, and
    asked anew; beside it a permit, which is never remembered.

``open``
    Opening a kit under a policy of 1,000 functions, 100 data types and 50
    recipients, each function with 3, 20 or all 100 of the types: written as
    one row for each type, as rows of ten and as rows of fifty; each in a
    fresh process, whose greatest memory is shown. The first decision is in
    it.

``seen``
    How long after a choice in one process another acts on it: two real
    processes and one SQLite file, with ledgers of several lengths, as a
    process reads the whole of what another has changed.

What is worst over the repeats depends on what else the machine does, so the
best and the median are shown, and for ``seen`` the worst too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import timeit

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import consentkit

from consentkit.collectors.location import Fix
from consentkit.collectors.source import Source
from consentkit.consent.signals import Signals
from consentkit.gate import Permit
from consentkit.policy.vocabulary import load_vocabulary


FUNCTIONS, TYPES, RECIPIENTS = 1_000, 100, 50

#: Types for each function, recipients that a row names, and types in a row.
SHAPES = ((3, 3, 1), (20, 3, 1), (100, 3, 1), (100, 5, 10), (100, 50, 50))

#: Entries that a ledger has before the first choice.
LEDGERS = (0, 200, 1_000)

_HEAD = """\
schema = 1

[policy]
id = "{name}"
title = "A policy to measure with"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "maker"
name = "Maker Ltd."
contact = "privacy@maker.example"
"""

_FUNCTION = """
[[functions]]
id = "{id}"
name = "Function {id}"
category = "additional"
text = "We do it."
basis = ["consent"]
on_refusal = "degraded"
purposes = ["usage_statistics"]
retention = "P1D"
recipients = {recipients}
"""

_CLAUSE = """
[[functions.collects]]
type = "{type}"
protect = {protect}
"""

_ROW = """
[[functions.collects]]
types = {types}
protect = "present"
purposes = ["usage_statistics", "crash_analysis"]
recipients = {recipients}
retention = "P{days}D"
"""

_SMALL = (
    _HEAD.format(name="small")
    + _FUNCTION.format(id="map", recipients='["maker"]')
    + _CLAUSE.format(
        type="location_precise", protect='{ name = "grid", cell_km = 2.0 }'
    )
    + "separate = true\n"
)
_ELEMENTS = ("map", "map/location_precise")


class Here(Source[Fix]):
    """
    A source that is always at the same place.
    """

    name = "here"
    data_types = frozenset({"location_precise"})

    def _read(self, permit: Permit, **_: Any) -> Fix:  # noqa: ARG002
        return Fix(latitude=48.85837, longitude=2.29448)


def large(types: int, recipients: int, together: int) -> str:
    """
    Write a policy of 1,000 functions that use 100 types and 50 recipients.

    Args:
        types: How many each function collects.

        recipients: How many a row names, or a function for its rows.

        together: How many types a row has; one that has several says its
            own purposes, recipients and period.
    """
    known = [
        t
        for t in load_vocabulary().data_types.values()
        if not t.sensitive and t.category != "clipboard"
    ][:TYPES]
    parts = [_HEAD.format(name="large")]
    parts += [
        f'\n[[recipients]]\nid = "r{r}"\nname = "R{r}"\nmode = "entrusted"\n'
        'country = "CN"\n'
        for r in range(RECIPIENTS)
    ]
    for f in range(FUNCTIONS):
        some = [f"r{(f + i) % RECIPIENTS}" for i in range(recipients)]
        named = json.dumps(some)
        parts.append(_FUNCTION.format(id=f"f{f}", recipients=named))
        chosen = [known[(f + i) % len(known)] for i in range(types)]
        for i in range(0, types, together):
            row = chosen[i : i + together]
            if together == 1:
                protect = json.dumps(min(p.value for p in row[0].protections))
                parts.append(_CLAUSE.format(type=row[0].id, protect=protect))
            else:
                listed = json.dumps([t.id for t in row])
                parts.append(
                    _ROW.format(types=listed, recipients=named, days=1 + i)
                )
    return "".join(parts)


def small_kit(folder: Path, *, granted: bool) -> consentkit.Kit:
    """
    Open a kit under the small policy.
    """
    policy = folder / "small.toml"
    if not policy.exists():
        policy.write_text(_SMALL, "utf-8")
    kit = consentkit.open(
        policy, data_dir=folder / "data", sources=[Here()], signals=Signals
    )
    if granted:
        say_yes(kit)
    return kit


def say_yes(kit: consentkit.Kit) -> None:
    """
    Grant the function, and its type, which is a decision of its own.
    """
    for element in _ELEMENTS:
        kit.consent.show(element)
        kit.consent.grant(element)


def nanoseconds(call: str, *, calls: int, **names: object) -> float:
    """
    Measure one expression in processor time, in a loop of nothing else.
    """
    timer = timeit.Timer(call, globals=names, timer=time.process_time)
    return timer.timeit(calls) / calls * 1e9


def row(what: str, found: list[float], unit: str, *, worst: bool) -> None:
    """
    Print one line of a table.
    """
    shown = [min(found), statistics.median(found)]
    shown += [max(found)] * worst
    print(f"  {what:<46}" + "".join(f"{x:>10.4g}" for x in shown), unit)


def decide(repeats: int) -> None:
    """
    Compare a compiled gate with a dictionary.
    """
    with tempfile.TemporaryDirectory() as folder:
        kit = small_kit(Path(folder), granted=True)
        gate = kit.gate()
        kit.close()
    answer = gate.decide("map", "location_precise")
    if not isinstance(answer, Permit):
        raise SystemExit(str(answer))
    table: dict[object, Permit] = {
        ("map", "location_precise", None, None): answer
    }

    def look_up(
        function: str,
        data_type: str,
        purpose: str | None = None,
        recipient: str | None = None,
    ) -> Permit | None:
        return table.get((function, data_type, purpose, recipient))

    calls = 200_000
    bare, gated = [], []
    for _ in range(repeats):
        # In turns, so that a busy moment meets both.
        call = 'ask("map", "location_precise")'
        bare.append(nanoseconds(call, calls=calls, ask=look_up))
        gated.append(nanoseconds(call, calls=calls, ask=gate.decide))
    print(f"decide: best and median of {repeats} x {calls:,} calls")
    row("a function that asks a dictionary", bare, "ns", worst=False)
    row("a decision of a compiled gate", gated, "ns", worst=False)
    ratios = [g / b for g, b in zip(gated, bare, strict=True)]
    print(f"  ratio, median: {statistics.median(ratios):.2f}")


def refuse(repeats: int) -> None:
    """
    Measure a read that is refused.
    """
    with tempfile.TemporaryDirectory() as folder:
        kit = small_kit(Path(folder), granted=False)
        with kit.use("map") as use:
            if not isinstance(use.location(), consentkit.Refusal):
                msg = "it is not refused"
                raise SystemExit(msg)
            again = [
                nanoseconds("use.location()", calls=50_000, use=use)
                for _ in range(repeats)
            ]
            call = 'use.permit("location_precise")'
            anew = [
                nanoseconds(call, calls=2_000, use=use) for _ in range(repeats)
            ]
            say_yes(kit)
            if not use.permit("location_precise"):
                msg = "it is not permitted"
                raise SystemExit(msg)
            permitted = [
                nanoseconds(call, calls=2_000, use=use) for _ in range(repeats)
            ]
        kit.close()
    print(f"refuse: best and median of {repeats} repeats")
    row("use.location(), refused, asked in a loop", again, "ns", worst=False)
    row("use.permit(), refused, decided each time", anew, "ns", worst=False)
    row("use.permit(), permitted", permitted, "ns", worst=False)


def open_large(repeats: int) -> None:
    """
    Open a kit under large policies, each in a process of its own.
    """
    print(f"open: best and median of {repeats} processes")
    for types, recipients, together in SHAPES:
        text = large(types, recipients, together)
        with tempfile.TemporaryDirectory() as folder:
            policy = Path(folder) / "policy.toml"
            policy.write_text(text, "utf-8")
            said = [_child("--open", str(policy)) for _ in range(repeats)]
        print(
            f"  {types} types for each function, {together} in a row, to "
            f"{recipients} recipients: {len(text) / 2**20:.1f} MiB of TOML"
        )
        if "refused" in said[0]:
            print("    refused:", said[0]["refused"])
            continue
        for name, label, unit in (
            ("seconds", "time", "s"),
            ("cpu_seconds", "of the processor", "s"),
            ("peak_mb", "memory of the process", "MB"),
            ("added_mb", "more than before", "MB"),
        ):
            row(f"  {label}", [s[name] for s in said], unit, worst=False)


def _child(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - this file
        [sys.executable, __file__, *arguments],
        capture_output=True,
        check=True,
        text=True,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def report_open(policy: str) -> None:
    """
    Open a kit under *policy*, decide once, and say what it took.
    """
    load_vocabulary()
    before = peak_mb()
    start, cpu = time.perf_counter(), time.process_time()
    try:
        with tempfile.TemporaryDirectory() as folder:
            kit = consentkit.open(policy, data_dir=folder, signals=Signals)
            kit.decide("f1", "os_name")
    except consentkit.PolicyError as error:
        print(json.dumps({"refused": error.faults[0].problem}))
        return
    took = time.perf_counter() - start, time.process_time() - cpu
    said = {
        "seconds": took[0],
        "cpu_seconds": took[1],
        "peak_mb": peak_mb(),
        "added_mb": peak_mb() - before,
    }
    print(json.dumps(said))


def peak_mb() -> float:
    """
    Give the most memory that this process ever had.
    """
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage() tells includes the process before the exec.
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text("ascii"))
        if found:
            return int(found[1]) * 1024 / 1e6
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def seen(choices: int, before: int) -> None:
    """
    Measure how soon another process acts on a choice.

    Args:
        choices: How many are made.

        before: Entries that the ledger has already.
    """
    own: list[float] = []
    first: list[float] = []
    after: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        kit = small_kit(Path(folder), granted=False)
        kit.consent.show("map")  # so that there is a ledger
        while len(kit.consent.history()) < before:
            kit.consent.pause("map")
            kit.consent.resume("map")
        with (
            subprocess.Popen(  # noqa: S603 - this file
                [sys.executable, __file__, "--watch", folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as other,
            kit.use("map") as use,
        ):
            lines = iter(other.stdout or ())
            expect(next(lines).split()[0], is_open=False)
            # The first yes and no stand apart: a process that runs has read
            # before, and loaded what that takes.
            for turn in range(-2, choices):
                is_yes = turn % 2 == 0
                time.sleep(0.03)  # the other has asked, and knows the answer
                if is_yes:
                    say_yes(kit)
                else:
                    kit.consent.withdraw("map")
                returned = time.monotonic_ns()
                answer = use.permit("location_precise")
                took = (time.monotonic_ns() - returned) / 1e6
                expect(bool(answer), is_open=is_yes)
                said, at = next(lines).split()
                expect(said, is_open=is_yes)
                # Between the commit and the return, it may be seen before.
                delay = max(0, int(at) - returned) / 1e6
                if turn >= 0:
                    own.append(took)
                    after[is_yes].append(delay)
                elif is_yes:
                    first.append(delay)
            other.terminate()
        there = len(kit.consent.history())
        kit.close()
    print(
        f"seen: best, median and worst of {choices} choices, in a ledger of "
        f"{before or 1:,} to {there:,} entries"
    )
    row("by its own process, with the decision", own, "ms", worst=True)
    row("a yes, by another process", after[True], "ms", worst=True)
    row("a no, by another process", after[False], "ms", worst=True)
    row("a yes, and its first read of all", first, "ms", worst=False)


def expect(said: object, *, is_open: bool) -> None:
    """
    See that a process has understood a choice.
    """
    if str(said) != str(is_open):
        msg = f"it says {said}, and it is {is_open}"
        raise SystemExit(msg)


def watch(folder: str) -> None:
    """
    Read a place again and again, and tell when the answer changes.
    """
    kit = small_kit(Path(folder), granted=False)
    for is_open, at in _changes(kit):
        print(is_open, at, flush=True)


def _changes(kit: consentkit.Kit) -> Iterator[tuple[bool, int]]:
    known = False
    with kit.use("map") as use:
        use.location()
        yield known, 0
        while True:
            got = use.location()
            now = time.monotonic_ns()
            is_open = not isinstance(got, consentkit.Refusal)
            if is_open is not known:
                known = is_open
                yield known, now
            # So that the other process gets the processor, too.
            time.sleep(0.0005)


def main() -> None:
    """
    Run what the command line asks for.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parts = ("decide", "refuse", "open", "seen")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--choices", type=int, default=40)
    parser.add_argument("--only", choices=parts, action="append")
    parser.add_argument("--open", help=argparse.SUPPRESS)
    parser.add_argument("--watch", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.open:
        return report_open(args.open)
    if args.watch:
        return watch(args.watch)
    machine = platform.processor() or platform.machine()
    print(
        f"Python {platform.python_version()}, {platform.system()} {machine}, "
        f"{os.cpu_count()} processors, consentkit {consentkit.__version__}"
    )
    chosen = args.only or parts
    if "decide" in chosen:
        decide(args.repeats)
    if "refuse" in chosen:
        refuse(args.repeats)
    if "open" in chosen:
        open_large(args.repeats)
    if "seen" in chosen:
        for before in LEDGERS:
            seen(args.choices, before)
    return None


if __name__ == "__main__":
    main()
