# SPDX-License-Identifier: MIT
"""
What consentkit is held to, line by line: against the best peer of the same
run, or against a number.
"""

from __future__ import annotations

import statistics

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import frozen

from benchmarks.scoreboard.peers import APART, FLOOR, NAMES, OURS


__all__ = ["TARGETS", "Found", "Line", "Target", "judge", "median_of"]

#: By figure, peer and value: what each run gave.
Found = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]

#: A slow backend reaches the caller of whoever once took so long.
_REACHED_MS: Final = 100.0


@frozen(kw_only=True)
class Target:
    """
    One line of the board.

    Attributes:
        figure, value: What it is about.

        label: For people.

        unit, digits: Of the number.

        of_best: At most, or at least, so many times the best peer's.

        bound: Else, at most this.

        is_more_better: Whether more is better.
    """

    figure: str
    value: str
    label: str
    unit: str
    digits: int = 0
    of_best: float | None = None
    bound: float = 0.0
    is_more_better: bool = False

    @property
    def text(self) -> str:
        """
        What it says, for people.
        """
        side = "≥" if self.is_more_better else "≤"
        if self.of_best is not None:
            return f"{side} {self.of_best:g} × best peer"
        if not self.bound:
            return "0"
        return f"{side} {self.bound:g} {self.unit}".rstrip()


TARGETS: Final = (
    Target(
        figure="burst",
        value="mean_us",
        label="capture in a burst, mean",
        unit="µs",
        digits=1,
        of_best=0.5,
    ),
    Target(
        figure="burst",
        value="p99_us",
        label="capture in a burst, p99",
        unit="µs",
        digits=1,
        of_best=1.0,
    ),
    Target(
        figure="paced",
        value="p50_us",
        label="capture at 1,000/s, p50",
        unit="µs",
        digits=1,
        of_best=1.0,
    ),
    Target(
        figure="slow",
        value="p50_us",
        label="the same, backend takes 0.2 s",
        unit="µs",
        digits=1,
        of_best=1.0,
    ),
    Target(
        figure="delivery",
        value="per_second",
        label="delivered, batches of 500",
        unit="events/s",
        of_best=2.0,
        is_more_better=True,
    ),
    Target(
        figure="delivery",
        value="processor_us",
        label="client CPU per delivered event",
        unit="µs",
        digits=1,
        of_best=0.5,
    ),
    Target(
        figure="delivery",
        value="wire_bytes",
        label="on the wire, batches of 500",
        unit="bytes/event",
        bound=25,
    ),
    Target(
        figure="kill",
        value="lost",
        label="kill -9: lost of 1,000",
        unit="events",
    ),
    Target(
        figure="kill",
        value="doubled",
        label="kill -9: doubled",
        unit="events",
    ),
    Target(
        figure="outage",
        value="lost",
        label="backend down: lost of 50,000",
        unit="events",
    ),
    Target(
        figure="outage",
        value="growth_mib",
        label="backend down: more memory",
        unit="MiB",
        digits=1,
        bound=10,
    ),
    Target(
        figure="outage",
        value="exit_s",
        label="backend down: exit",
        unit="s",
        digits=2,
        bound=0.2,
    ),
    Target(
        figure="million",
        value="growth_mib",
        label="a million waiting: more memory",
        unit="MiB",
        digits=1,
        bound=20,
    ),
    Target(
        figure="million",
        value="open_s",
        label="a million waiting: open",
        unit="s",
        digits=3,
        bound=0.1,
    ),
    Target(
        figure="million",
        value="first_s",
        label="a million waiting: first delivery",
        unit="s",
        digits=3,
        bound=0.2,
    ),
    Target(
        figure="million",
        value="withdraw_ms",
        label="a million waiting: withdrawal",
        unit="ms",
        digits=1,
        bound=10,
    ),
    Target(
        figure="million",
        value="late",
        label="a million waiting: came after withdrawal",
        unit="events",
    ),
    Target(
        figure="import",
        value="import_ms",
        label="import",
        unit="ms",
        digits=1,
        of_best=0.5,
    ),
    Target(
        figure="import",
        value="heavy",
        label="HTTP, SQL, cryptography imported by it",
        unit="modules",
    ),
    Target(
        figure="refused",
        value="ns",
        label="a refused capture",
        unit="ns",
        of_best=1.0,
    ),
)


@frozen(kw_only=True)
class Line:
    """
    One line of the board, with what was found.

    Attributes:
        ours: The median of consentkit's runs.

        best: That of the best peer.

        best_name: Who that is.

        floor: That of the floor.

        is_whole: Whether consentkit captured as much as any.

        is_met: Whether the target is met, if that can be told.
    """

    target: Target
    ours: float
    best: float | None
    best_name: str
    floor: float | None
    is_whole: bool
    is_met: bool | None

    @property
    def share(self) -> float | None:
        """
        How far from the target: 1 is just met, less is better.
        """
        goal = self.target.bound
        if self.target.of_best is not None:
            if not self.best:
                return None
            goal = self.best * self.target.of_best
        if not goal or not self.ours:
            return None
        more = self.target.is_more_better
        return goal / self.ours if more else self.ours / goal


def median_of(
    found: Found, figure: str, peer: str, value: str
) -> float | None:
    """
    Give the median over the runs, if there is one.
    """
    runs = found.get(figure, {}).get(peer, {}).get(value)
    return statistics.median(runs) if runs else None


def judge(found: Found) -> list[Line]:
    """
    Hold what was found against the targets that it has something on.
    """
    lines = []
    for target in TARGETS:
        ours = median_of(found, target.figure, OURS, target.value)
        if ours is None:
            continue
        name, best = _best(found, target)
        is_whole = _captured_all(found, target.figure, OURS)
        lines.append(
            Line(
                target=target,
                ours=ours,
                best=best,
                best_name=name,
                floor=median_of(found, target.figure, FLOOR, target.value),
                is_whole=is_whole,
                is_met=is_whole and _is_met(target, ours, best),
            )
        )
    return lines


def _is_met(target: Target, ours: float, best: float | None) -> bool | None:
    if target.of_best is None:
        return ours <= target.bound
    if best is None:
        return None
    goal = best * target.of_best
    return ours >= goal if target.is_more_better else ours <= goal


def _best(found: Found, target: Target) -> tuple[str, float | None]:
    of_peers = {}
    for name in NAMES:
        value = median_of(found, target.figure, name, target.value)
        if name in {OURS, APART, FLOOR} or value is None:
            continue
        if _counts(found, target.figure, name):
            of_peers[name] = value
    if not of_peers:
        return "", None
    choose = max if target.is_more_better else min
    best = choose(of_peers, key=lambda name: of_peers[name])
    return best, of_peers[best]


def _counts(found: Found, figure: str, name: str) -> bool:
    """
    Tell whether a peer did all of what was asked.
    """
    if figure == "delivery":
        return not median_of(found, figure, name, "lost")
    if figure in {"kill", "outage"}:
        # A caller that was held up captured less, and has less to lose.
        return _captured_all(found, figure, name)
    if figure == "slow":
        slowest = median_of(found, figure, name, "slowest_ms")
        return slowest is not None and slowest < _REACHED_MS
    return True


def _captured_all(found: Found, figure: str, name: str) -> bool:
    """
    Tell whether a peer captured as much as any, where that was limited.
    """
    all_of = {
        peer: median_of(found, figure, peer, "captured")
        for peer in found[figure]
    }
    most = max((count or 0 for count in all_of.values()), default=0)
    return (all_of[name] or 0) == most
