# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, T201 - a script that prints
"""
Measure how fast the scrubber is, and the worst text of each rule.

Usage: ``python benchmarks/scrub_speed.py FILE...``, where a FILE is a log, or
``.jsonl`` with a ``text`` in each line.

- lines a second on one core, of the time that the processor worked: the best
  of 25 passes over each slice of 200 lines, so that other work counts little
- milliseconds of each rule on 8 KiB of the worst text that is known for it
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import time

from collections.abc import Callable, Iterable
from pathlib import Path

from consentkit.anonymise import _re2
from consentkit.anonymise.scrub import (
    LIMIT_CHARACTERS,
    RULES,
    Engine,
    Rule,
    Scrubber,
)


_PASSES = 25
_SLICE = 200


def read(path: Path) -> list[str]:
    """
    Read the texts of a file.
    """
    lines = path.read_text("utf-8", errors="replace").splitlines()
    if path.suffix == ".jsonl":
        return [json.loads(line)["text"] for line in lines]
    return lines


def best_seconds(call: Callable[[], object]) -> float:
    """
    Give the least time of the processor that *call* took.
    """
    taken = []
    for _ in range(_PASSES):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return min(taken)


def lines_a_second(texts: list[str], scrubber: Scrubber) -> float:
    """
    Scrub all texts.
    """
    scrub = scrubber.scrub

    def pass_over(part: list[str]) -> None:
        for text in part:
            scrub(text)

    pass_over(texts)
    parts = [texts[at : at + _SLICE] for at in range(0, len(texts), _SLICE)]
    return len(texts) / sum(
        best_seconds(functools.partial(pass_over, part)) for part in parts
    )


def fragments() -> list[str]:
    """
    Make beginnings and middles of what the patterns look for.
    """
    single = list("aA01 -:.=@+'\"\\%/(京１_\u00e9")
    pairs = [
        "".join(pair) for pair in itertools.product("a1 -.:(@+=", repeat=2)
    ]
    words = {word for rule in RULES for word in rule.words}
    tails = ("", " ", "=", ": ", "1", "=a", "='", " is ", ": 1")
    named = [word + tail for word in sorted(words) for tail in tails]
    formed = [
        "1.1.1.1.",
        "1-1-1-1-",
        "a1-1-1-1-",
        "111-111-",
        "111.111.",
        "11:11:",
        "aa:aa:aa:",
        "00-00-",
        "1.1111,",
        "11.1111;",
        "1111.11,n,",
        "eyJaaaaaaaa.",
        "eyJaaaaaaaa.aa.",
        "a@a.",
        "a@",
        "GB82WEST",
        "GB821111",
        "1111111A",
        "11111111-",
        "RSSMRA85",
        "QQ111111",
        "111111-",
        "111111+",
        "://a:a@",
        "://a:",
        "\\users\\aaaa",
        "/home/aaa",
        "--aaaaaaaaaaaa",
        "fe80:",
        "f::",
        "+1(",
        "+1-",
    ]
    spaced = ["1111 ", "111 111 ", "11 11 ", "(111) ", "(111) 111-", "1 1-"]
    return [*single, *pairs, *named, *formed, *spaced]


def worst_milliseconds(rule: Rule, bodies: Iterable[str]) -> tuple[float, str]:
    """
    Find the text on which a rule takes longest; 8 KiB each.
    """
    worst = (0.0, "")
    for body in bodies:
        for end in ("", " x"):
            text = (body * LIMIT_CHARACTERS)[: LIMIT_CHARACTERS - len(end)]
            text += end
            lower = text.lower()
            taken = []
            for _ in range(2):
                began = time.process_time()
                rule.apply(text, lower, 0, [])
                taken.append(time.process_time() - began)
                if taken[-1] * 1000 <= worst[0]:
                    break
            worst = max(worst, (min(taken) * 1000, body))
    return worst


def main() -> None:
    """
    Measure and print.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument(
        "--no-worst", action="store_true", help="leave the worst texts out"
    )
    arguments = parser.parse_args()
    engines: list[Engine] = ["re"]
    if _re2.is_there():
        engines.append("re2")
    for path in arguments.files:
        texts = read(path)
        rates = ", ".join(
            f"{engine} {lines_a_second(texts, Scrubber(engine=engine)):8,.0f}"
            for engine in engines
        )
        print(f"{path.name:32} lines a second: {rates}")
    if arguments.no_worst:
        return
    bodies = fragments()
    results = [
        (*worst_milliseconds(rule, bodies), rule.name) for rule in RULES
    ]
    for taken, body, name in sorted(results, reverse=True)[:12]:
        print(f"{name:42} {taken:6.2f} ms on {body!r}")
    print(f"slowest of {len(RULES)} rules: {max(results)[0]:.2f} ms")


if __name__ == "__main__":
    main()
