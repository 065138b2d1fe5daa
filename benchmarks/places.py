# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, T201 - a script that prints
"""
Attack places that a kit tells again and again.

Usage: ``python benchmarks/places.py [PLACES]``

Takes some ten minutes for 1,500 places, which is the default: it reads each
of them 500 times, twice. Prints, each beside its target:

- how near an attacker comes who has 1 or 500 reports from one place, of a
  receiver that wavers: as a kit gives them; of a grid without memory, for
  comparison; with noise of ours; and with noise that is drawn anew;
- in how many cells a home at a border is told to be, over starts of the app
  and over consents that are withdrawn and given again.

It ends with 1 if a target is missed. The figures are the same on every
machine, as places and fixes are drawn with a fixed seed; the noise of a kit
is not, as its key is random.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import statistics
import sys
import tempfile

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import consentkit

from consentkit.anonymise.grid import bounds_of, cell_of
from consentkit.anonymise.noise import moved, uniform
from consentkit.collectors.location import Fix, LocationSource
from consentkit.gate import Permit
from consentkit.policy import parse_policy


SIDE_KM = 2.0
MEAN_KM = 2.0
REPORTS = 500
PLACES = 1_500
PEOPLE = 200
STARTS = 200
GRANTS = 60
KM_PER_DEGREE = math.pi * 6371.0088 / 180

#: Two functions, with a cell only and with noise.
POLICY = """
schema = 1
[policy]
id = "weather"
title = "Weather"
version = "1"
effective = 2026-01-01
language = "en"
[controller]
id = "maker"
name = "Maker"
contact = "privacy@maker.example"
""" + "".join(
    f"""
[[functions]]
id = "{name}"
name = "{name}"
category = "additional"
text = "To show the weather around you, we use your place."
basis = ["consent"]
on_refusal = "degraded"
purposes = ["usage_statistics"]
retention = "P1D"
collects = [{{ type = "location_coarse", protect = {protect} }}]
"""
    for name, protect in (
        ("cell", '"grid"'),
        ("noise", f'{{ name = "grid", noise_km = {MEAN_KM} }}'),
    )
)

#: A place: degrees north and east.
Place = tuple[float, float]


class Result(NamedTuple):
    """
    One figure and its target.
    """

    name: str
    figure: str
    target: str
    fine: bool


def shown(results: Iterable[Result]) -> int:
    """
    Print all figures; give 1 if a target is missed.
    """
    missed = 0
    for result in results:
        mark = "    " if result.fine else "MISS"
        target = f"  (target: {result.target})" if result.target else ""
        print(f"{mark} {result.name}: {result.figure}{target}", flush=True)
        missed += not result.fine
    return 1 if missed else 0


def attacks(count: int = PLACES) -> Iterator[Result]:
    """
    Make all attacks, the first of them on so many places.
    """
    return itertools.chain(reports(count), noise(), again())


def metres(one: Place, other: Place) -> tuple[float, float]:
    """
    Give the metres from one place to another, north and east.
    """
    shrink = math.cos(math.radians(one[0]))
    east = (other[1] - one[1] + 180) % 360 - 180
    return (
        (other[0] - one[0]) * KM_PER_DEGREE * 1000,
        east * shrink * KM_PER_DEGREE * 1000,
    )


def centre(latitude: float, longitude: float) -> Place:
    """
    Give the centre of a place's cell.
    """
    cell = cell_of(latitude, longitude, side_km=SIDE_KM)
    return cell.latitude, cell.longitude


def places(count: int, seed: int) -> Iterator[Place]:
    """
    Draw places evenly over the earth.
    """
    draw = random.Random(seed)  # noqa: S311 - a fixed set of places
    for _ in range(count):
        north = math.degrees(math.asin(draw.uniform(-1, 1)))
        yield north, draw.uniform(-180, 180)


class Receiver(LocationSource):
    """
    A receiver that wavers about a place.

    Attributes:
        at: Where it is.

        metres: Its error on each axis: a standard deviation.
    """

    id: str = "wavering"
    name: str = "a receiver that wavers"
    touches: str = "nothing"
    at: Place = (0.0, 0.0)
    metres: float = 10.0
    _draw = random.Random(4)  # noqa: S311 - a fixed set of fixes

    def _read(self, permit: Permit, **_: Any) -> Fix:  # noqa: ARG002
        north, east = (self._draw.gauss(0, self.metres) for _ in range(2))
        wide = 1000 * KM_PER_DEGREE
        shrink = math.cos(math.radians(self.at[0]))
        return Fix(
            latitude=self.at[0] + north / wide,
            longitude=self.at[1] + east / wide / shrink,
        )


class App:
    """
    An app on somebody's device, that may read places.
    """

    def __init__(self, folder: Path) -> None:
        self.receiver = Receiver()
        self.folder = folder
        self.kit = self.open()
        for function in ("cell", "noise"):
            self.agree(function)

    def open(self) -> consentkit.Kit:
        """
        Start the app.
        """
        return consentkit.open(
            parse_policy(POLICY), data_dir=self.folder, sources=[self.receiver]
        )

    def agree(self, function: str) -> None:
        """
        Say yes to a function and to its places.
        """
        for element in (function, f"{function}/location_coarse"):
            self.kit.consent.show(element)
            self.kit.consent.grant(element)

    def told(self, function: str, at: Place, count: int) -> list[Place]:
        """
        Give what *count* reads at one place tell.
        """
        self.receiver.at = at
        found = []
        with self.kit.use(function) as use:
            for _ in range(count):
                place = use.location()
                if not isinstance(place, consentkit.Location):
                    raise SystemExit(str(place))
                found.append((place.latitude, place.longitude))
        return found


def guess(told: list[Place], error: float) -> tuple[Place, str]:
    """
    Guess a place from cells that were told of it: the middle of the
    commonest; and where it has neighbours, from how often they were told.

    Args:
        told: Centres of cells.

        error: Of the receiver, in metres on each axis.

    Returns:
        The guess; and along which axis it is a good one, or neither.
    """
    counts = Counter(cell_of(*one, side_km=SIDE_KM) for one in told)
    (main, _), *others = counts.most_common()
    edges = bounds_of(main)
    north, east, axis = main.latitude, main.longitude, ""
    normal = statistics.NormalDist(sigma=error / KM_PER_DEGREE / 1000)
    for cell, times in others[:1]:
        # So far inside the edge is who is beyond it that often.
        inside = -normal.inv_cdf(times / len(told))
        if cell.latitude != main.latitude:
            axis = "north"
            up = cell.latitude > main.latitude
            north = edges.north - inside if up else edges.south + inside
        else:
            axis = "east"
            inside /= math.cos(math.radians(north))
            up = (cell.longitude - main.longitude) % 360 < 180
            east = edges.east - inside if up else edges.west + inside
    return (north, east), axis


def attack(
    told: list[Place], at: Place, error: float
) -> tuple[float, float | None]:
    """
    Attack a place with what was told of it.

    Returns:
        By how many metres the guess is off; and along the axis on which it
        is good, if there is one.
    """
    guessed, axis = guess(told, error)
    off = metres(at, guessed)
    along = {"north": abs(off[0]), "east": abs(off[1])}.get(axis)
    return math.hypot(*off), along


def reports(count: int) -> Iterator[Result]:
    """
    Attack places with 1 and with 500 reports of a cell, through a kit, and
    of a grid without memory.
    """
    draw = random.Random(4)  # noqa: S311 - a fixed set of places
    spots = [
        (draw.uniform(-60, 60), draw.uniform(-179, 179)) for _ in range(count)
    ]
    with tempfile.TemporaryDirectory() as folder:
        app = App(Path(folder))
        permit = None

        def plain(at: Place) -> list[Place]:
            app.receiver.at = at
            return [
                centre(fix.latitude, fix.longitude)
                for fix in (
                    app.receiver._read(permit)  # noqa: SLF001
                    for _ in range(REPORTS)
                )
            ]

        for error in (10.0, 30.0):
            app.receiver.metres = error
            for name, report, holds in (
                ("a cell", lambda at: app.told("cell", at, REPORTS), True),
                ("a grid without memory, for comparison", plain, False),
            ):
                yield attacked(name, report, spots, error, holds=holds)
        app.kit.close()


def attacked(
    name: str,
    report: Callable[[Place], list[Place]],
    spots: list[Place],
    error: float,
    *,
    holds: bool,
) -> Result:
    """
    Compare what 500 reports of each place give away with what one does.
    """
    once, often, found = [], [], []
    for at in spots:
        told = report(at)
        once.append(attack(told[:1], at, error)[0])
        off, along = attack(told, at, error)
        often.append(off)
        found += [] if along is None else [along]
    figure = (
        f"median error of 1 report {statistics.median(once):.0f} m, of "
        f"{REPORTS} {statistics.median(often):.0f} m; {len(found)} of "
        f"{len(spots):,} places are told by more than one cell"
    )
    if found:
        figure += (
            f", and found along one axis to {statistics.median(found):.1f} m"
        )
    return Result(
        f"attack on {name}, receiver off by {error:g} m",
        figure,
        "no place nearer by 500 than by 1" if holds else "",
        once == often if holds else True,
    )


def noise() -> Iterator[Result]:
    """
    Attack places with 1 and with 500 reports that have noise: take their
    middle.
    """

    def anew(latitude: float, longitude: float, number: int) -> Place:
        key = bytes(range(32))
        name = f"{latitude} {longitude} {number}"
        one, two, turn = (uniform(key, f"{name} {i}") for i in range(3))
        far_km = -MEAN_KM / 2 * math.log(one * two)
        return moved(latitude, longitude, far_km, turn * math.tau)

    with tempfile.TemporaryDirectory() as folder:
        app = App(Path(folder))
        app.receiver.metres = 30.0
        for name, report, holds in (
            (
                "noise once for each cell and epoch",
                lambda at: app.told("noise", at, REPORTS),
                True,
            ),
            (
                "noise drawn for each report, for comparison",
                lambda at: [anew(*at, i) for i in range(REPORTS)],
                False,
            ),
        ):
            seen = [(at, report(at)) for at in places(PEOPLE, seed=11)]
            once, often = (
                statistics.median(
                    middle_metres(at, told[:many]) for at, told in seen
                )
                for many in (1, REPORTS)
            )
            yield Result(
                f"attack on {name}, median error",
                f"1 report {once:.0f} m, {REPORTS} reports {often:.0f} m",
                "500 no nearer than 1" if holds else "",
                often >= once if holds else True,
            )
        app.kit.close()


def middle_metres(at: Place, told: list[Place]) -> float:
    """
    Give how far the middle of what was told is from a place.
    """
    off = [metres(at, one) for one in told]
    return math.hypot(
        *(statistics.fmean(axis) for axis in zip(*off, strict=True))
    )


def again() -> Iterator[Result]:
    """
    Start the app again and again at a home 15 m from a border, and withdraw
    one of two consents again and again.
    """
    cell = cell_of(48.2, 16.37, side_km=SIDE_KM)
    south = bounds_of(cell).south + 0.015 / KM_PER_DEGREE
    home = south, cell.longitude
    with tempfile.TemporaryDirectory() as folder:
        app = App(Path(folder))
        for function in ("cell", "noise"):
            seen = set()
            for _ in range(STARTS):
                app.kit.close()
                app.kit = app.open()
                seen.update(app.told(function, home, 1))
            yield one_cell(f"{STARTS} starts, {function}", len(seen))
        seen = set()
        for _ in range(GRANTS):
            app.kit.consent.withdraw("noise")
            app.agree("noise")
            seen.update(app.told("noise", home, 1))
        yield one_cell(f"{GRANTS} consents in one epoch, noise", len(seen))
        app.kit.close()


def one_cell(name: str, count: int) -> Result:
    """
    Tell in how many cells a home at a border was told to be.
    """
    return Result(
        f"home 15 m from a border, {name}", f"{count} cell", "1", count == 1
    )


def main() -> int:
    """
    Print all figures; give 1 if a target is missed.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_places(parser)
    return shown(attacks(parser.parse_args().places))


def add_places(parser: argparse.ArgumentParser) -> None:
    """
    Let somebody choose how many places are attacked.
    """
    parser.add_argument(
        "places",
        metavar="PLACES",
        nargs="?",
        type=_count,
        default=PLACES,
        help=f"how many places are attacked; {PLACES:,} by default",
    )


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        msg = f"PLACES must be a whole number from 1 on, not {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
