# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, T201 - a script that prints
"""
Measure what an app takes from clipboards, and what of them stays in it.

Usage: ``python benchmarks/clipboard.py [--data FILE] [--texts N]
[--rounds N]``

Each line of FILE is a JSON object with ``text``, ``intent`` and ``value``,
the part that may be taken; the labelled texts of the tests by default.

The parts:

``takes``
    Each text stands on a clipboard (a file, read by the helper process) and
    is read through a kit whose policy declares all intents. Counted: what is
    taken from texts without an intent, and texts with one of which exactly
    the labelled part is taken. The ledger must have one line for each read,
    and no text of a clipboard.

``memory``
    An app in a process of its own reads a text with a planted random marker
    in each of its 40 lines and no intent; then another process searches all of the app's memory for
    the marker, in the encodings in which Python keeps text. Once with the
    helper process, and once, to show that the search would find it, in the
    lesser mode inside the app. Linux only: it reads ``/proc/PID/mem``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import define

import consentkit

from consentkit.anonymise.intents import INTENTS
from consentkit.collectors.clipboard import FileClipboard
from consentkit.ledger.entries import Act


DATA = (
    Path(__file__).parent.parent
    / "tests"
    / "vectors"
    / "clipboard"
    / "clipboard_labelled.jsonl"
)

POLICY = f"""
schema = 1

[policy]
id = "clipboards"
title = "A policy to measure with"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "maker"
name = "Maker Ltd."
contact = "privacy@maker.example"

[[functions]]
id = "paste"
name = "Open shares from the clipboard"
category = "additional"
text = "We look for the code of a share."
basis = ["consent"]
on_refusal = "function_unavailable"
purposes = ["clipboard_redirect"]
retention = "P1D"

[[functions.collects]]
type = "clipboard_share_code"
protect = {{ name = "take", intents = {json.dumps(list(INTENTS))} }}
scenes = ["measure"]
"""


@contextmanager
def app(folder: Path, file: Path) -> Iterator[consentkit.Kit]:
    """
    Open a kit that may read *file* as its clipboard.
    """
    policy = folder / "policy.toml"
    policy.write_text(POLICY, encoding="utf-8")
    source = FileClipboard(file, deadline_seconds=60, reads_once=False)
    with consentkit.open(
        policy, data_dir=folder / "data", sources=[source]
    ) as kit:
        kit.consent.grant("paste")
        yield kit


def read(kit: consentkit.Kit) -> tuple[str, str | None]:
    """
    Read the clipboard once: the intent and the value.
    """
    with kit.use("paste", act="pressed") as use:
        taken = use.clipboard("measure")
    if isinstance(taken, consentkit.ClipboardText):
        return taken.intent, taken.value
    if isinstance(taken, consentkit.Refusal):
        msg = f"nothing was measured: {taken}"
        raise RuntimeError(msg)  # noqa: TRY004 - a fault of this script
    return "none", None


@define
class Takes:
    """
    What was taken from the texts of a file.

    Attributes:
        plain, plain_taken: Texts without an intent; of these taken from.

        marked, exact: Texts with one; of these taken as labelled.

        ledger_reads: Lines of reads in the ledger.

        leaked: Texts that stand in the data folder, whole or their first
            twelve characters.

        milliseconds: What a read took, in the middle.
    """

    plain: int = 0
    plain_taken: int = 0
    marked: int = 0
    exact: int = 0
    ledger_reads: int = 0
    leaked: int = 0
    milliseconds: float = 0.0


def count_takes(rows: Sequence[dict[str, Any]]) -> Takes:
    """
    Read each text once through a kit.
    """
    found, seconds = Takes(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "clipboard.txt"
        with app(folder, file) as kit:
            for row in rows:
                file.write_text(row["text"], encoding="utf-8")
                start = time.perf_counter()
                taken = read(kit)
                seconds.append(time.perf_counter() - start)
                if row["intent"] == "none":
                    found.plain += 1
                    found.plain_taken += taken != ("none", None)
                else:
                    found.marked += 1
                    found.exact += taken == (row["intent"], row["value"])
            history = kit.consent.history("paste")
            found.ledger_reads = sum(e.act is Act.READ for e in history)
        kept = b"".join(
            path.read_bytes()
            for path in (folder / "data").rglob("*")
            if path.is_file()
        )
        # Short ones stand everywhere by chance.
        found.leaked = sum(
            len(row["text"]) >= 12 and row["text"][:12].encode() in kept
            for row in rows
        )
    found.milliseconds = statistics.median(seconds) * 1000
    return found


#: An app that reads once and waits to be searched.
CHILD = """
import runpy, sys
from pathlib import Path
script, folder, file, where = sys.argv[1:]
if where == "in_app":
    sys.frozen = True
bench = runpy.run_path(script)
with bench["app"](Path(folder), Path(file)) as kit:
    print(bench["read"](kit)[0], flush=True)
    sys.stdin.read()
"""


def count_in_memory(pid: int, text: str) -> int:
    """
    Count the copies of *text* in all that a process can read of itself.

    Raises:
        PermissionError: If this system does not let it be looked at.
    """
    codecs = ("utf-8", "utf-16-le", "utf-32-le")
    needles = [text.encode(codec) for codec in codecs]
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    count = 0
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for low, high in re.findall(r"(?m)^(\w+)-(\w+) r", maps):
            start, end = int(low, 16), int(high, 16)
            # What the kernel maps for itself cannot be read.
            with suppress(OSError, ValueError, OverflowError):
                memory.seek(start)
                content = memory.read(end - start)
                count += sum(map(content.count, needles))
    return count


def is_found_after_read(*, in_app: bool) -> bool:
    """
    Let an app read a text without an intent, and search its memory.
    """
    marker = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "clipboard.txt"
        # Several lines: what is freed is soon written over, the more so the
        # shorter it is.
        file.write_text(f"note to self: {marker}, and more\n" * 400, "utf-8")
        where = "in_app" if in_app else "helper"
        command = [sys.executable, "-c", CHILD, __file__, name, str(file)]
        with subprocess.Popen(  # noqa: S603 - this very script
            [*command, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            try:
                assert child.stdout is not None  # noqa: S101
                if child.stdout.readline() != b"none\n":
                    msg = "the app did not read, or took what it may not"
                    raise RuntimeError(msg)
                return count_in_memory(child.pid, marker) > 0
            finally:
                child.kill()


def rows_of(data: Path) -> list[dict[str, Any]]:
    """
    Read the labelled texts.
    """
    lines = data.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def main() -> None:
    """
    Measure and print.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--texts", type=int, help="only the first N texts")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()

    rows = rows_of(arguments.data)[: arguments.texts]
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    print(f"Python {platform.python_version()}, {machine}")
    takes = count_takes(rows)
    print(f"takes without an intent   {takes.plain_taken} of {takes.plain}")
    print(f"exact takes with one      {takes.exact} of {takes.marked}")
    print(f"reads in the ledger       {takes.ledger_reads} of {len(rows)}")
    print(f"texts in ledger or outbox {takes.leaked} of {len(rows)}")
    print(f"a read, median            {takes.milliseconds:.0f} ms")
    for name, in_app in (("helper process", False), ("in the app", True)):
        found = sum(
            is_found_after_read(in_app=in_app) for _ in range(arguments.rounds)
        )
        print(f"marker in memory, {name:<15} {found} of {arguments.rounds}")


if __name__ == "__main__":
    main()
