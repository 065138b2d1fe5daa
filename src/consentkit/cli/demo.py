# SPDX-License-Identifier: MIT
"""
``consentkit demo``: the camera app obeys its policy on this machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile

from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs

from consentkit.cli._common import add_json, print_json
from consentkit.exceptions import ConsentKitError, MissingExtraError


__all__ = ["add_parser", "example_folder"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    parser = commands.add_parser(
        "demo",
        help="watch an app obey its policy on this machine",
        description="Run the camera app from its real policy, on this "
        "machine's own identifiers, a recorded track, a log and the "
        "clipboard, against an embedded receiver on this machine. Takes a "
        "few seconds, needs no network and no display, and leaves nothing "
        "behind. Exits with 1 if a figure is not as the policy promises. "
        "Needs the extra 'demo'.",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="keep the app's data and the backend's store there; the folder "
        "must be new or empty",
    )
    add_json(parser)
    parser.set_defaults(run=_demo)


def example_folder() -> Path:
    """
    Find the camera app: beside the package in a wheel, else in a checkout.

    Raises:
        ConsentKitError: If it is in neither.
    """
    package = Path(__file__).parents[1]
    for folder in (
        package / "_demo" / "camera_app",
        package.parents[1] / "examples" / "camera_app",
    ):
        if (folder / "story.py").is_file():
            return folder
    msg = "the camera app of the demo is missing; install consentkit anew"
    raise ConsentKitError(msg)


def _demo(arguments: argparse.Namespace) -> int:
    _need_extras()
    folder = example_folder()
    if arguments.keep is not None:
        _check_keep(arguments.keep)
        place: Any = nullcontext(arguments.keep)
    else:
        place = tempfile.TemporaryDirectory(prefix="consentkit-demo-")
    sys.path.insert(0, str(folder.parent))
    try:
        story = import_module("camera_app.story")
        with place as path:
            tell = _quiet if arguments.json else print
            figures = story.Story(Path(path), tell).run()
    finally:
        sys.path.remove(str(folder.parent))
    if arguments.json:
        print_json(
            {**attrs.asdict(figures), "kept_promise": figures.kept_promise}
        )
    else:
        print(_next(folder, arguments.keep))
    return 0 if figures.kept_promise else 1


def _quiet(_: str) -> None:
    """
    Tell nothing.
    """


def _need_extras() -> None:
    for module, package in (
        ("psutil", "psutil"),
        ("machineid", "py-machineid"),
        ("starlette", "starlette"),
        ("uvicorn", "uvicorn"),
    ):
        try:
            import_module(module)
        except ImportError:
            raise MissingExtraError(extra="demo", package=package) from None


def _check_keep(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        used = any(folder.iterdir())
    except OSError as error:
        msg = f"{folder}: cannot be used ({error.strerror}); name a folder"
        raise ValueError(msg) from None
    if used:
        msg = f"{folder}: not empty; name a new folder for --keep"
        raise ValueError(msg)


def _next(folder: Path, keep: Path | None) -> str:
    policy = folder / "policy.toml"
    if keep is None:
        return (
            "Where to look next\n"
            "   consentkit demo --keep DIR   keep the ledger, the outbox "
            "and the backend's store\n"
            f"   {policy}\n"
            f"   {folder / 'app.py'}"
        )
    place = f"--policy {policy} --data-dir {keep / 'data'}"
    return (
        "Where to look next\n"
        f"   consentkit consent history {place}\n"
        f"   consentkit why bind_device location_precise {place}\n"
        f"   consentkit outbox status {place}\n"
        f"   {keep / 'backend.sqlite3'}   what the backend holds"
    )
