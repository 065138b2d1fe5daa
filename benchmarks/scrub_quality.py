# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, T201 - a script that prints
"""
Measure the scrubber on labelled log lines.

Usage: ``python benchmarks/scrub_quality.py DATA``, where each line of DATA
is a JSON object with ``text`` and ``spans`` (``start``, ``end``, ``type``).

Peers that are installed are measured beside it: Presidio, scrubadub,
commonregex, datafog; ``--lines`` bounds how many lines each gets.

- recall: labelled spans of which every character was replaced
- precision: replaced spans that touch a label
- over-redaction: replaced characters among those under no label
"""

from __future__ import annotations

import argparse
import json
import time

from collections import Counter
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import Factory, define

from consentkit.anonymise.scrub import Span, scrub


#: Gives what was found in a text.
Finder = Callable[[str], Iterable[Span]]


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

    def add(
        self, text: str, labels: list[dict[str, Any]], spans: Iterable[Span]
    ) -> list[str]:
        """
        Count one line; return descriptions of its faults.
        """
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


def lines_per_second(texts: list[str], find: Finder) -> float:
    """
    Time three passes over all lines; the best has the least of other work.
    """
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        for text in texts:
            find(text)
        seconds.append(time.perf_counter() - began)
    return len(texts) / min(seconds)


def ours(text: str) -> Iterable[Span]:
    """
    Find with consentkit.
    """
    return scrub(text).spans


def presidio() -> Finder:
    """
    Make Presidio's analyzer with its pattern recognisers, without a model.
    """
    analyzer = import_module("presidio_analyzer")
    registry = analyzer.RecognizerRegistry()
    registry.load_predefined_recognizers()
    patterns = [
        it
        for it in registry.recognizers
        if isinstance(it, analyzer.PatternRecognizer)
    ]
    return lambda text: [
        Span(it.start, it.end, it.entity_type)
        for recogniser in patterns
        for it in recogniser.analyze(text, recogniser.supported_entities, None)
    ]


def scrubadub() -> Finder:
    """
    Make scrubadub with what it has by default.
    """
    scrubber = import_module("scrubadub").Scrubber()
    return lambda text: [
        Span(it.beg, it.end, it.name) for it in scrubber.iter_filth(text)
    ]


def commonregex() -> Finder:
    """
    Make commonregex with all its patterns.
    """
    module = import_module("commonregex")
    return lambda text: [
        Span(found.start(), found.end(), name)
        for name, pattern in module.regexes.items()
        for found in pattern.finditer(text)
    ]


def datafog() -> Finder:
    """
    Make datafog's engine of regular expressions.
    """
    module = import_module("datafog.processing.text_processing")
    annotator = module.regex_annotator.RegexAnnotator()
    return lambda text: [
        Span(it.start, it.end, it.label)
        for it in annotator.annotate_with_spans(text)[1].spans
    ]


PEERS = {
    "presidio_analyzer": presidio,
    "scrubadub": scrubadub,
    "commonregex": commonregex,
    "datafog": datafog,
}


def compare(rows: list[dict[str, Any]]) -> Iterable[str]:
    """
    Measure the peers that are installed, one line each.
    """
    for name, make in PEERS.items():
        if find_spec(name) is None:
            yield f"{name:20} not installed"
            continue
        find, tally = make(), Tally()
        began = time.process_time()
        for row in rows:
            tally.add(row["text"], row["spans"], find(row["text"]))
        rate = len(rows) / (time.process_time() - began)
        recall = tally.covered.total() / tally.labelled.total()
        precision = tally.right / max(tally.found, 1)
        over = tally.free_replaced / tally.free
        yield (
            f"{name:20} recall {recall:.4f} precision {precision:.4f} "
            f"over-redaction {over:.4f} lines a second {rate:.0f}"
        )


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
    parser.add_argument(
        "--lines", type=int, default=800, help="lines for each peer"
    )
    arguments = parser.parse_args()
    text = arguments.data.read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    tally = Tally()
    for row in rows:
        for fault in tally.add(row["text"], row["spans"], ours(row["text"])):
            if arguments.faults:
                print(fault)
    rate = lines_per_second([row["text"] for row in rows], ours)
    print("\n".join(report(tally, rate)))
    print("\n".join(compare(rows[: arguments.lines])))


if __name__ == "__main__":
    main()
