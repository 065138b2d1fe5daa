# SPDX-License-Identifier: MIT
"""
Run pytest, and what failed once more by itself: ``python -m tests.again``.

Hundreds of these tests wait for daemons, kill processes and fork beside as
many others as a machine has cores twice over. A few that fail there are run
again with nothing beside them, as CPython runs its own; what passes then is
named as unsteady, and what fails again fails the run. More than a few are no
accident, and are not run again.
"""

from __future__ import annotations

import json
import subprocess
import sys

from pathlib import Path


#: So many at most are run again.
FEW = 3

#: Where in its cache pytest notes what failed.
LAST_FAILED = Path("v/cache/lastfailed")

#: pytest's exit code where tests failed, and nothing worse.
FAILED = 1


def main(arguments: list[str], cache: Path) -> int:
    """
    Run pytest with *arguments*, keeping in *cache* what failed.
    """
    (cache / LAST_FAILED).unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={cache}"]
    code = subprocess.run([*command, *arguments], check=False).returncode
    failed = _failed(cache)
    if code != FAILED or not 0 < len(failed) <= FEW:
        return code
    print(f"once more, by themselves: {len(failed)} failed", flush=True)
    code = subprocess.run(
        [
            *command,
            *map(_second, arguments),
            "--numprocesses=0",
            "--last-failed",
            "--last-failed-no-failures=none",
        ],
        check=False,
    ).returncode
    if code == 0:
        for name in failed:
            print(f"UNSTEADY {name}: failed among others, passed by itself")
    return code


def _second(argument: str) -> str:
    """
    Give an argument as the second run has it: its report is another one.
    """
    if argument.startswith("--junit-xml=") and argument.endswith(".xml"):
        return f"{argument.removesuffix('.xml')}-again.xml"
    return argument


def _failed(cache: Path) -> list[str]:
    """
    Give the names of the tests that failed in the run before.
    """
    try:
        text = (cache / LAST_FAILED).read_text("utf-8")
    except FileNotFoundError:
        return []
    return sorted(json.loads(text))


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], Path(sys.argv[1])))
