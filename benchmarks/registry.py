# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, T201 - a script that prints
"""
Measure what entries of third-party SDKs cost.

Usage: ``python benchmarks/registry.py [--repeats N] [--entries N]``

The lines:

``shipped``
    Reading every entry of the package once, in a fresh process.

``folder``
    `load_entries()` of a folder with that many files.

``index``
    The same with an index that fits.

``open``
    `consentkit.open()` under a small policy, with the shipped entries, and
    with a mapping of the app's own, in fresh processes; the import is not in
    it, the folder was read before.

``mapping``
    The same with a policy that names an SDK of that mapping.

``start``
    What an app does when it starts, after the import: the folder by its
    index, a kit whose policy names one of its entries, and the registry's
    answer for that.

``enforce``
    The same with `enforce()`.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

from collections.abc import Callable
from pathlib import Path

import consentkit


_POLICY = """\
schema = 1

[policy]
id = "small"
title = "A policy to measure with"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "maker"
name = "Maker Ltd."
contact = "privacy@maker.example"

[[functions]]
id = "statistics"
name = "Statistics"
category = "third_party"
text = "We count."
basis = ["consent"]
on_refusal = "degraded"
purposes = ["usage_statistics"]
retention = "P1D"
"""

_ENTRY = """\
schema = 1
id = "acme_{i}"
name = "Acme {i}"
operator = "Acme Ltd."
category = "analytics"
purposes = ["usage_statistics"]
method = "embedded_sdk"
transmits = true
platforms = ["any"]
privacy_policy = "https://acme-{i}.example/privacy"

[package]
distributions = ["acme-{i}"]
imports = ["acme_{i}"]
version = "1.0"

[[fields]]
term = "identifier"
types = ["system_id"]
platforms = ["any"]
requirement = "listed"

[[hosts]]
name = "events.acme-{i}.example"
"""


def shipped(_: Path) -> float:
    """
    Read all entries of the package; return seconds.
    """
    from consentkit.registry import load_registry

    begin = time.perf_counter()
    for _entry in load_registry().values():
        pass
    return time.perf_counter() - begin


def folder(place: Path) -> float:
    """
    Read the folder with the app's own entries; return seconds.
    """
    from consentkit.registry import load_entries

    begin = time.perf_counter()
    load_entries(place / "sdks")
    return time.perf_counter() - begin


def indexed(place: Path) -> float:
    """
    Look at the folder with its index; return seconds.
    """
    from consentkit.registry import load_entries

    begin = time.perf_counter()
    load_entries(place / "sdks", index=place / "sdks.index")
    return time.perf_counter() - begin


def start(place: Path, *, enforce: bool = False) -> float:
    """
    Do what an app with own entries does at its start; return seconds.
    """
    from consentkit.registry import load_entries, load_registry

    with tempfile.TemporaryDirectory() as data:
        begin = time.perf_counter()
        own = load_entries(place / "sdks", index=place / "sdks.index")
        kit = consentkit.open(
            place / "named.toml", data_dir=data, sdk_entries=load_registry(own)
        )
        if enforce:
            kit.registry.enforce()
        (sdk,) = (f.sdk for f in kit.policy.functions.values())
        kit.registry.start(sdk, lambda: None)
        seconds = time.perf_counter() - begin
        kit.registry.release()
        kit.close()
    return seconds


def start_enforced(place: Path) -> float:
    """
    Do that, and hold SDKs to the policy; return seconds.
    """
    return start(place, enforce=True)


def open_plain(place: Path) -> float:
    """
    Open a kit with the shipped entries; return seconds.
    """
    return _open(place, "plain", own=False)


def open_mapping(place: Path) -> float:
    """
    Open a kit with the app's own entries; return seconds.
    """
    return _open(place, "plain", own=True)


def open_named(place: Path) -> float:
    """
    Open a kit whose policy names one of the app's own; return seconds.
    """
    return _open(place, "named", own=True)


def _open(place: Path, name: str, *, own: bool) -> float:
    from consentkit.registry import load_entries

    entries = load_entries(place / "sdks") if own else None
    with tempfile.TemporaryDirectory() as data:
        begin = time.perf_counter()
        kit = consentkit.open(
            place / f"{name}.toml", data_dir=data, sdk_entries=entries
        )
        seconds = time.perf_counter() - begin
        kit.close()
    return seconds


PARTS: dict[str, tuple[str, Callable[[Path], float]]] = {
    "shipped": ("shipped: all entries of the package", shipped),
    "folder": ("folder: load_entries()", folder),
    "index": ("folder: load_entries() with an index", indexed),
    "open": ("open: with the shipped entries", open_plain),
    "own": ("open: with the own ones", open_mapping),
    "mapping": ("mapping: and a policy that names one", open_named),
    "start": ("start: index, open, and an answer", start),
    "enforce": ("start: the same with enforce()", start_enforced),
}


def _write(place: Path, entries: int) -> None:
    (place / "plain.toml").write_text(_POLICY, encoding="utf-8")
    named = f'{_POLICY}sdk = "acme_{entries // 2}"\n'
    (place / "named.toml").write_text(named, encoding="utf-8")
    sdks = place / "sdks"
    sdks.mkdir()
    for i in range(entries):
        text = _ENTRY.format(i=i)
        file = sdks / f"acme_{i}.toml"
        file.write_text(text, encoding="utf-8")
        # No index is made of files that may still change.
        os.utime(file, (0, 0))


def _index(place: Path) -> None:
    from consentkit.registry import load_entries

    load_entries(place / "sdks", index=place / "sdks.index")


def _measured(part: str, place: Path) -> float:
    """
    Run one part in a fresh process; return its seconds.
    """
    call = [sys.executable, __file__, "--part", part, "--place", str(place)]
    ran = subprocess.run(  # noqa: S603 - this script itself
        call, check=True, capture_output=True, text=True
    )
    return float(ran.stdout)


def main() -> None:
    """
    Run what the command line asks for.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(PARTS[args.part][1](args.place))
        return
    machine = platform.processor() or platform.machine()
    print(
        f"Python {platform.python_version()}, {platform.system()} {machine}, "
        f"{os.cpu_count()} processors, consentkit {consentkit.__version__}; "
        f"{args.entries} entries of the app's own"
    )
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        _write(place, args.entries)
        _index(place)
        for part, (title, _) in PARTS.items():
            took = [_measured(part, place) for _ in range(args.repeats)]
            print(
                f"{title:<40} best {min(took) * 1e3:7.1f} ms, "
                f"median {statistics.median(took) * 1e3:7.1f} ms"
            )


if __name__ == "__main__":
    main()
