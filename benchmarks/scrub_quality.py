# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, T201 - a script that prints
"""
Measure the scrubber on labelled log lines.

Usage: ``python benchmarks/scrub_quality.py DATA``, where each line of DATA
is a JSON object with ``text`` and ``spans`` (``start``, ``end``, ``type``).

- recall: labelled spans of which every character was replaced
- precision: replaced spans that touch a label
- over-redaction: replaced characters among those under no label
"""

from __future__ import annotations

import argparse
import json
import time

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import Factory, define

from consentkit.anonymise.scrub import scrub


@define
class Tally:
    """
    Counts over all lines.
    """

    labelled: Counter[str] = Factory(Counter)
    covered: Counter[str] = Factory(Counter)
    same_type: int = 0
    found: int = 0
    right: int = 0
    free: int = 0
    free_replaced: int = 0
    wrong_types: Counter[str] = Factory(Counter)

    def add(self, text: str, labels: list[dict[str, Any]]) -> list[str]:
        """
        Count one line; return descriptions of its faults.
        """
        spans = scrub(text).spans
        under = {at for it in labels for at in range(it["start"], it["end"])}
        replaced = {at for it in spans for at in range(it.start, it.end)}
        self.free += len(text) - len(under)
        self.free_replaced += len(replaced - under)
        faults = []
        for label in labels:
            start, end = label["start"], label["end"]
            kind = label["type"]
            self.labelled[kind] += 1
            if replaced.issuperset(range(start, end)):
                self.covered[kind] += 1
                self.same_type += any(
                    it.type == kind and it.start < end and start < it.end
                    for it in spans
                )
            else:
                faults.append(f"missed {kind}: {text[start:end]!r}")
        for it in spans:
            self.found += 1
            if under.intersection(range(it.start, it.end)):
                self.right += 1
            else:
                self.wrong_types[it.type] += 1
                faults.append(f"wrong {it.type}: {text[it.start : it.end]!r}")
        return faults


def lines_per_second(texts: list[str]) -> float:
    """
    Time three passes over all lines; the best has the least of other work.
    """
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        for text in texts:
            scrub(text)
        seconds.append(time.perf_counter() - began)
    return len(texts) / min(seconds)


def report(tally: Tally, rate: float) -> Iterable[str]:
    """
    Put the figures into lines.
    """
    for kind, count in sorted(tally.labelled.items()):
        recall = tally.covered[kind] / count
        yield f"recall {kind:<16} {recall:7.4f}  of {count:5}"
    total = tally.labelled.total()
    yield f"recall, all types       {tally.covered.total() / total:7.4f}"
    yield f"of these, same type     {tally.same_type / tally.covered.total():7.4f}"
    yield f"precision               {tally.right / tally.found:7.4f}"
    yield f"over-redaction          {tally.free_replaced / tally.free:7.4f}"
    yield f"wrong spans             {dict(tally.wrong_types)}"
    yield f"lines a second          {rate:7.0f}"


def main() -> None:
    """
    Read the file, measure, print.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--faults",
        action="store_true",
        help="print each fault, with the value of the (made-up) label",
    )
    arguments = parser.parse_args()
    text = arguments.data.read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    tally = Tally()
    for row in rows:
        for fault in tally.add(row["text"], row["spans"]):
            if arguments.faults:
                print(fault)
    rate = lines_per_second([row["text"] for row in rows])
    print("\n".join(report(tally, rate)))


if __name__ == "__main__":
    main()
