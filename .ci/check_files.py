# SPDX-License-Identifier: MIT

"""
Check what no linter looks at: licence lines, line ends, TOML and JSON.

Run by ``tox -e lint`` and by the commit hook:
``python .ci/check_files.py [FILE ...]``, without names over all files.
"""

from __future__ import annotations

import json
import sys
import tomllib

from collections.abc import Iterable, Iterator
from pathlib import Path


ROOT = Path(__file__).parent.parent
FOLDERS = (
    ".ci",
    ".github",
    "benchmarks",
    "changelog.d",
    "docs",
    "examples",
    "src",
    "tests",
)
KINDS = {".cfg", ".ini", ".json", ".md", ".py", ".toml", ".yaml"}
SPDX = "# SPDX-License-Identifier: MIT\n"


def main(names: list[str]) -> int:
    """
    Print each fault of the files *names*, or of all files.

    Returns:
        0 if there is none, else 1.
    """
    paths = [Path(name) for name in names] or sorted(_all_files())
    faults = [
        f"{path}: {fault}"
        for path in paths
        if path.suffix in KINDS and "vectors" not in path.parts
        for fault in _faults(path)
    ]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


def _all_files() -> Iterator[Path]:
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "_build" not in path.parts:
                yield path


def _faults(path: Path) -> Iterable[str]:
    text = path.read_bytes().decode("utf-8")
    if not text:
        return
    if path.suffix == ".py" and not text.startswith(SPDX):
        yield f"must begin with {SPDX.strip()!r}"
    if "\r" in text:
        yield "has carriage returns"
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield "must end with exactly one line end"
    for number, line in enumerate(text.split("\n"), start=1):
        if line != line.rstrip():
            yield f"line {number} has blanks at its end"
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            yield f"line {number} is left from a merge"
    yield from _syntax_faults(path, text)


def _syntax_faults(path: Path, text: str) -> Iterable[str]:
    parsers = {".json": json.loads, ".toml": tomllib.loads}
    if path.suffix in parsers:
        try:
            parsers[path.suffix](text)
        except ValueError as error:
            yield str(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
