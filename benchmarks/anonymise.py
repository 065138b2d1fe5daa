# SPDX-License-Identifier: MIT
# ruff: noqa: INP001 - a script
"""
Measure the anonymisers: their cost, their cells, and attacks on them.

Usage: ``python benchmarks/anonymise.py [PLACES]``

Takes some ten minutes for the attacks on 1,500 places, the default.
Prints, each beside its target:

- a keyed pseudonym and a coarse cell, in microseconds;
- the smallest cell of the whole grid, and by how much places are moved in
  the mean, beside cutting and rounding decimals;
- how near an attacker comes who has many reports from one place: all that
  ``benchmarks/places.py`` prints;
- how many of 20,000 devices two recipients, or two epochs, have in common.

It ends with 1 if a target is missed. The figures of attacks and cells are
the same on every machine, as the places are drawn with a fixed seed; but
that of the noise of a kit, whose key is random.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import math
import random
import statistics
import sys
import tempfile
import time

from collections.abc import Callable, Iterator

from places import (
    KM_PER_DEGREE,
    SIDE_KM,
    Result,
    add_places,
    attacks,
    centre,
    metres,
    shown,
)

import consentkit

from consentkit.anonymise.digests import (
    derive_pseudonym_key,
    keyed_hex,
    md5_hex,
)
from consentkit.anonymise.grid import bounds_of, cell_of
from consentkit.anonymise.noise import noisy_cell
from consentkit.anonymise.protect import protect
from consentkit.policy import parse_policy


MAC = "3C5AB4012345"
DEVICES = 20_000

#: Draws a place for a place; the number says which report it is.
Report = Callable[[float, float, int], tuple[float, float]]


def main() -> int:
    """
    Print all figures; give 1 if a target is missed.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_places(parser)
    tried = attacks(parser.parse_args().places)
    return shown(itertools.chain(costs(), cells(), tried, joins()))


def seconds_each(call: Callable[[], object], times: int = 2_000) -> float:
    """
    Give the seconds that a call takes: the best of sixty short rounds, as
    what else the machine does only makes them longer.
    """
    best = math.inf
    for _ in range(60):
        began = time.perf_counter()
        for _ in range(times):
            call()
        best = min(best, time.perf_counter() - began)
    return best / times


def costs() -> Iterator[Result]:
    """
    Time what is done for each value.
    """
    key = bytes(range(32))
    keyed = seconds_each(lambda: keyed_hex(key, MAC)) * 1e6
    cell = seconds_each(lambda: cell_of(48.85, 2.29, side_km=SIDE_KM)) * 1e6
    here = cell_of(48.85, 2.29, side_km=SIDE_KM)
    noise = seconds_each(lambda: noisy_cell(here, key, mean_km=2), 500)
    derived = seconds_each(lambda: pseudonym_key("a", "1"), 500)
    yield Result(
        "keyed pseudonym, key at hand",
        f"{keyed:.2f} us",
        "below 3",
        keyed < 3,
    )
    yield Result("coarse cell", f"{cell:.2f} us", "below 3", cell < 3)
    yield Result("noise for a cell", f"{noise * 1e6:.1f} us", "", True)
    yield Result("key of an epoch", f"{derived * 1e6:.1f} us", "", True)
    yield Result(
        "keyed value of a kit", f"{in_a_kit() * 1e6:.0f} us", "", True
    )


POLICY = """\
schema = 1
policy = {id = "b", title = "B", version = "1", effective = 2026-01-01, language = "en"}
controller = {id = "maker", name = "Maker", contact = "privacy@maker.example"}

[[functions]]
id = "improve"
name = "Improve"
category = "additional"
text = "To make the app better, we count devices."
basis = ["consent"]
on_refusal = "degraded"
purposes = ["usage_statistics"]
retention = "P1D"
collects = [{type = "mac_address", protect = "keyed"}]
"""


def in_a_kit() -> float:
    """
    Time the protection of a value under a permit of a kit, which asks the
    ledger and the outbox each time whether the grant stands.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        consentkit.open(parse_policy(POLICY), data_dir=folder) as kit,
    ):
        kit.consent.grant("improve", method="settings")
        with kit.use("improve") as use:
            permit = use.permit("mac_address")
            if not permit:
                raise SystemExit(str(permit))
            keys = kit.store.lane(permit).keys

            def protected() -> object:
                kit.store.lane(permit)
                return protect(permit, MAC, secret=lambda _: keys)

            return seconds_each(protected, 200)


def cells() -> Iterator[Result]:
    """
    Look at every band of cells, and at how far places are moved.
    """
    bands = math.floor(180 * KM_PER_DEGREE / SIDE_KM)
    smallest = min(
        bounds_of(
            cell_of((i + 0.5) * 180 / bands - 90, 0.0, side_km=SIDE_KM)
        ).area_km2
        for i in range(bands)
    )
    yield Result(
        f"smallest cell of all {bands:,} bands",
        f"{smallest:.4f} km2",
        "at least 3",
        smallest >= 3,
    )
    north, east = bias(lambda a, b, _: centre(a, b))
    yield Result(
        "bias of the grid, north and east",
        f"{north:+.1f} m, {east:+.1f} m",
        "below 20",
        max(abs(north), abs(east)) < 20,
    )
    north, east = bias(lambda a, b, _: (cut(a), cut(b)))
    yield Result(
        "the same of cutting to two decimals",
        f"{north:+.0f} m, {east:+.0f} m",
        "",
        True,
    )
    degree = 0.01 * KM_PER_DEGREE
    yield Result(
        "cell of two decimals, at 0 and 60 degrees",
        f"{degree**2:.2f} and {degree**2 / 2:.2f} km2",
        "",
        True,
    )


def cut(degrees: float) -> float:
    """
    Cut to two decimals, as is often done.
    """
    return math.floor(degrees * 100) / 100


def bias(report: Report) -> tuple[float, float]:
    """
    Give the mean metres by which places are moved north and east.

    Places are drawn in 50 pairs of degrees of inhabited latitude.
    """
    draw = random.Random(7)  # noqa: S311 - a fixed set of places
    moves = []
    for _ in range(400_000):
        here = draw.uniform(-60, 70), draw.uniform(-179, 179)
        moves.append(metres(here, report(*here, 0)))
    north, east = zip(*moves, strict=True)
    return statistics.fmean(north), statistics.fmean(east)


def pseudonym_key(recipient: str, epoch: str) -> bytes:
    """
    Derive a key as a read does.
    """
    return derive_pseudonym_key(
        hashlib.sha256(recipient.encode()).digest(),
        controller="maker",
        recipient=recipient,
        data_type="mac_address",
        epoch=epoch,
    )


def joins() -> Iterator[Result]:
    """
    Join what two recipients have, and what one has of two epochs.
    """
    devices = [f"3C5AB4{i:06X}" for i in range(DEVICES)]

    def common(one: Callable[[str], str], two: Callable[[str], str]) -> int:
        return len(set(map(one, devices)) & set(map(two, devices)))

    def keyed(recipient: str, epoch: str) -> Callable[[str], str]:
        key = pseudonym_key(recipient, epoch)
        return lambda device: keyed_hex(key, device)

    for name, found, wanted in (
        ("MD5, two recipients", common(md5_hex, md5_hex), DEVICES),
        ("keyed, two recipients", common(keyed("a", "1"), keyed("b", "1")), 0),
        ("keyed, two epochs", common(keyed("a", "1"), keyed("a", "2")), 0),
        ("keyed, the same one twice", common(*[keyed("a", "1")] * 2), DEVICES),
    ):
        yield Result(
            f"join of {DEVICES:,} devices, {name}",
            f"{found:,}",
            f"{wanted:,}",
            found == wanted,
        )


if __name__ == "__main__":
    sys.exit(main())
