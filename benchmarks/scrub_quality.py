# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, T201 - a script that prints
"""
Measure the scrubber on labelled log lines.

Usage: ``python benchmarks/scrub_quality.py DATA``, where each line of DATA
is a JSON object with ``text`` and ``spans`` (``start``, ``end``, ``type``).
``python -m tests.vectors.scrub.lines`` writes such lines.

- recall: labelled spans of which every character was replaced
- precision: replaced spans that touch a label
- over-redaction: replaced characters among those under no label

`scrub_peers.py` does the same for other scrubbers.
"""

from __future__ import annotations

import argparse
import json
import time

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from attrs import Factory, define


#: What other sets call our types.
_ALIASES = {
    "CREDIT_CARD": "BANK_CARD",
    "EMAIL_ADDRESS": "EMAIL",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IPV4",
    "PHONE_NUMBER": "PHONE",
    "US_DRIVER_LICENSE": "DRIVER_LICENSE",
}


class Span(NamedTuple):
    """
    Where something was found, and what its finder calls it.
    """

    start: int
    end: int
    type: str


def read(path: Path) -> list[dict[str, Any]]:
    """
    Read labelled lines, with the types in our names.
    """
    rows = [json.loads(it) for it in path.open(encoding="utf-8")]
    for row in rows:
        for it in row["spans"]:
            it["type"] = _ALIASES.get(it["type"], it["type"])
    return rows


@define
class Tally:
    """
    Counts over all lines; spans are counted by what their finder calls them.
    """

    labelled: Counter[str] = Factory(Counter)
    covered: Counter[str] = Factory(Counter)
    found: Counter[str] = Factory(Counter)
    right: Counter[str] = Factory(Counter)
    free: int = 0
    free_replaced: int = 0

    def add(
        self, text: str, labels: list[dict[str, Any]], spans: Iterable[Span]
    ) -> list[str]:
        """
        Count one line; return descriptions of its faults.
        """
        under = {at for it in labels for at in range(it["start"], it["end"])}
        replaced: set[int] = set()
        faults = []
        for it in spans:
            places = range(it.start, it.end)
            replaced.update(places)
            self.found[it.type] += 1
            if under.isdisjoint(places):
                faults.append(f"wrong {it.type}: {text[it.start : it.end]!r}")
            else:
                self.right[it.type] += 1
        for label in labels:
            start, end, kind = label["start"], label["end"], label["type"]
            self.labelled[kind] += 1
            if replaced.issuperset(range(start, end)):
                self.covered[kind] += 1
            else:
                faults.append(f"missed {kind}: {text[start:end]!r}")
        self.free += len(text) - len(under)
        self.free_replaced += len(replaced - under)
        return faults

    def recall(self, types: Iterable[str]) -> float | None:
        """
        Give the share of labelled spans of *types* that were covered.
        """
        return share(self.covered, self.labelled, types)

    def precision(self, names: Iterable[str]) -> float | None:
        """
        Give the share of spans called one of *names* that touch a label.
        """
        return share(self.right, self.found, names)

    def over_redaction(self) -> float:
        """
        Give the share of characters under no label that were replaced.
        """
        return self.free_replaced / max(self.free, 1)


def share(
    part: Counter[str], whole: Counter[str], keys: Iterable[str]
) -> float | None:
    """
    Divide the sums over *keys*; nothing of nothing is None.
    """
    keys = list(keys)
    total = sum(whole[it] for it in keys)
    return sum(part[it] for it in keys) / total if total else None


def lines_per_second(
    texts: list[str], find: Callable[[str], object], most_seconds: float = 10
) -> float:
    """
    Time up to three passes over all lines, in time of the processor; the best
    has the least of other work.
    """
    best, spent = float("inf"), 0.0
    for _ in range(3):
        began = time.process_time()
        for text in texts:
            find(text)
        taken = time.process_time() - began
        best, spent = min(best, taken), spent + taken
        if spent > most_seconds:
            break
    return len(texts) / best


def shown(value: float | None) -> str:
    """
    Write a share.
    """
    return "-" if value is None else f"{value:.4f}"


def report(tally: Tally, rate: float) -> Iterator[str]:
    """
    Put the figures into lines.
    """
    yield f"{'type':18}{'recall':>8}{'of':>6}{'precision':>11}{'of':>6}"
    for kind in sorted(tally.labelled | tally.found):
        yield (
            f"{kind:18}{shown(tally.recall([kind])):>8}"
            f"{tally.labelled[kind]:6}"
            f"{shown(tally.precision([kind])):>11}{tally.found[kind]:6}"
        )
    yield (
        f"{'all':18}{shown(tally.recall(tally.labelled)):>8}"
        f"{tally.labelled.total():6}"
        f"{shown(tally.precision(tally.found)):>11}{tally.found.total():6}"
    )
    yield f"over-redaction    {tally.over_redaction():8.4f}"
    yield f"lines a second    {rate:8.0f}"


def main() -> None:
    """
    Read the file, measure, print.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--faults",
        action="store_true",
        help="print each fault, with the value of the (made-up) label",
    )
    arguments = parser.parse_args()

    # Not at the top: the memory of other scrubbers is measured with this file.
    from consentkit.anonymise.scrub import scrub

    rows = read(arguments.data)
    tally = Tally()
    for row in rows:
        text = row["text"]
        spans = [Span(*it) for it in scrub(text).spans]
        for fault in tally.add(text, row["spans"], spans):
            if arguments.faults:
                print(fault)
    rate = lines_per_second([row["text"] for row in rows], scrub)
    print("\n".join(report(tally, rate)))


if __name__ == "__main__":
    main()
