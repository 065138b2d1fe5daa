# SPDX-License-Identifier: MIT
# ruff: noqa: T201 - the tables go to the terminal
"""
Measure consentkit beside other telemetry SDKs, and a floor, in one run.

Load goes to this machine alone. Everybody takes turns, each run in a process
of its own, so what else the machine does meets all of them; read the ratios.
All figures take up to half an hour on two processors.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from pathlib import Path
from typing import Any

from benchmarks.scoreboard.figures import FIGURES
from benchmarks.scoreboard.machine import OtherWork, describe, wait_quiet
from benchmarks.scoreboard.peers import NAMES, Peer, load_peer
from benchmarks.scoreboard.processes import Board, ClientError
from benchmarks.scoreboard.table import (
    board_table,
    conditions,
    figure_table,
)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """
    Read the command line.
    """
    summary = (__doc__ or "").strip().partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scoreboard",
        description=summary[0],
        epilog=summary[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--figures",
        type=_names("figure", tuple(FIGURES)),
        default=[name for name, f in FIGURES.items() if f.by_default],
        help=f"with commas between them, of: {', '.join(FIGURES)}",
    )
    parser.add_argument(
        "--peers",
        type=_names("peer", NAMES),
        default=list(NAMES),
        help=f"with commas between them, of: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--million",
        action="store_true",
        help="measure a million waiting events too",
    )
    parser.add_argument(
        "--runs", type=int, help="of each figure and peer; each has its own"
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="multiplies the numbers of events, for a quick look",
    )
    parser.add_argument(
        "--quiet-wait",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long to wait, before each run, for other work to end",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="for the value of each run"
    )
    chosen = parser.parse_args(arguments)
    if chosen.million and "million" not in chosen.figures:
        chosen.figures.append("million")
    return chosen


def _names(kind: str, known: tuple[str, ...]) -> Any:
    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                msg = f"{name!r} is no {kind}"
                raise argparse.ArgumentTypeError(msg)
        return names

    return read


def installed(
    names: list[str],
) -> tuple[dict[str, type[Peer]], dict[str, str]]:
    """
    Give who can be measured, and everybody's versions.
    """
    peers = {name: load_peer(name) for name in names}
    versions = {name: peer.versions() for name, peer in peers.items()}
    for name, version in versions.items():
        if not version:
            needed = " ".join(peers.pop(name).distributions)
            say(f"{name}: left out; install {needed}")
    return peers, versions


def say(text: str) -> None:
    """
    Tell how far it is, beside the tables.
    """
    print(text, file=sys.stderr, flush=True)


def measure(
    board: Board,
    name: str,
    peers: dict[str, type[Peer]],
    chosen: argparse.Namespace,
) -> tuple[dict[str, dict[str, list[float]]], list[float]]:
    """
    Measure one figure, everybody in turn; give values, and other work.
    """
    figure = FIGURES[name]
    taking = {n: p for n, p in peers.items() if figure.takes(n, p)}
    events = max(50, round(figure.events * chosen.scale))
    found: dict[str, dict[str, list[float]]] = {n: {} for n in taking}
    work = []
    runs = chosen.runs or figure.runs
    for run in range(1, runs + 1):
        for peer, kind in taking.items():
            wait_quiet(chosen.quiet_wait)
            meter, begun = OtherWork(board.sink.id), time.monotonic()
            said = ""
            try:
                values = figure.measure(board, peer, kind, events)
            except ClientError as error:
                values, said = {}, f": {error}"
            work.append(meter.processors())
            for key in figure.columns:
                if key in values:
                    found[peer].setdefault(key, []).append(values[key])
            took = time.monotonic() - begun
            say(f"{name} {run}/{runs} {peer}: {took:.1f} s{said}")
    return found, work


def main(arguments: list[str] | None = None) -> None:
    """
    Measure, and print the tables.
    """
    chosen = parse(arguments)
    peers, versions = installed(chosen.peers)
    results: dict[str, Any] = {
        "machine": describe(),
        "versions": versions,
        "scale": chosen.scale,
        "other_work": {},
        "found": {},
    }
    with Board() as board:
        for name in chosen.figures:
            found, work = measure(board, name, peers, chosen)
            results["found"][name] = found
            results["other_work"][name] = work
            print(f"\n## {FIGURES[name].title}\n")
            print(figure_table(name, results["found"]), flush=True)
            if chosen.json is not None:  # a long run may be cut short
                text = json.dumps(results, indent=1, ensure_ascii=False)
                chosen.json.write_text(text + "\n", "utf-8")
    print(f"\n## The board\n\n{board_table(results['found'])}\n")
    print(conditions(results))


if __name__ == "__main__":
    main()
