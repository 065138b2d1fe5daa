# SPDX-License-Identifier: MIT

"""
Sum up the test reports of a run, and demand one of each required Python.

Run by ``.ci/run``: ``python3 .ci/summary.py FOLDER``, where *FOLDER* holds
one JUnit file per tox env. The exit code is 1 if in a required env no test passed.
"""

from __future__ import annotations

import sys

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET


REQUIRED = ("3.11-tests", "3.12-tests", "3.13-tests")


def main(folder: Path) -> int:
    """
    Print what each required env ran, and the sum on the last line.
    """
    total: Counter[str] = Counter()
    idle = []
    for env in REQUIRED:
        counts = _counts(folder / f"{env}.xml")
        again = _counts(folder / f"{env}-again.xml")
        if again:  # tests/again.py: what failed, by itself
            counts["unsteady"] = counts["failed"] - again["failed"]
            counts["failed"] = again["failed"]
        total += counts
        print(f"{env}: {_line(counts)}")
        if not counts["passed"]:
            idle.append(env)
    if idle:
        print(f"required, but no test passed: {', '.join(idle)}")
    print(_line(total))
    return 1 if idle else 0


def _counts(report: Path) -> Counter[str]:
    """
    Return how many tests of *report* passed, failed, and were skipped.
    """
    counts: Counter[str] = Counter()
    if not report.is_file():
        return counts
    for suite in ET.parse(report).getroot().iter("testsuite"):
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        counts["failed"] += failed
        counts["skipped"] += skipped
        counts["passed"] += int(suite.get("tests", 0)) - failed - skipped
    return counts


def _line(counts: Counter[str]) -> str:
    kinds = ["passed", "failed", "skipped"]
    if counts["unsteady"]:
        kinds.append("unsteady")
    return ", ".join(f"{counts[kind]} {kind}" for kind in kinds)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
