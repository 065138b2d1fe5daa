# SPDX-License-Identifier: MIT

"""
Check that wheel and sdist hold what they must, and nothing else.

Run by the tox env ``package``: ``python tests/check_dist.py FOLDER``.
"""

from __future__ import annotations

import sys
import tarfile
import zipfile

from pathlib import Path


ROOT = Path(__file__).parent.parent
IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache"}


def main(folder: Path) -> int:
    """
    Compare the files of *folder* with the checkout.

    Returns:
        0 if all is well, 1 with the differences printed.
    """
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    faults = [*_wheel_faults(wheel), *_sdist_faults(sdist)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def _wheel_faults(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as wheel:
        held = {n for n in wheel.namelist() if ".dist-info/" not in n}
    wanted = _files("src/consentkit", "consentkit") | _files(
        "examples/camera_app", "consentkit/_demo/camera_app"
    )
    return [
        *(f"{path.name}: lacks {name}" for name in sorted(wanted - held)),
        *(f"{path.name}: has also {name}" for name in sorted(held - wanted)),
    ]


def _sdist_faults(path: Path) -> list[str]:
    with tarfile.open(path) as sdist:
        held = {
            member.name.partition("/")[2]
            for member in sdist
            if member.isfile()
        }
    wanted = {"CHANGELOG.md", "LICENSE", "README.md", "tox.ini"}
    for folder in ("docs", "examples", "src", "tests"):
        wanted |= _files(folder, folder)
    wanted = {n for n in wanted if not n.startswith("docs/_build/")}
    return [f"{path.name}: lacks {n}" for n in sorted(wanted - held)]


def _files(folder: str, name: str) -> set[str]:
    """
    Return the files of *folder* in the checkout, as below *name*.
    """
    base = ROOT / folder
    return {
        f"{name}/{path.relative_to(base).as_posix()}"
        for path in base.rglob("*")
        if path.is_file() and not IGNORED.intersection(path.parts)
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
