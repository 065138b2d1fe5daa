# SPDX-License-Identifier: MIT
"""
``consentkit demo``: the camera app obeys its policy on this machine.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import Any

import attrs

from consentkit.cli._common import (
    add_json,
    ended_by_signals,
    need_modules,
    print_json,
)
from consentkit.exceptions import ConsentKitError


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
    need_modules("demo", "psutil", "machineid", "starlette", "uvicorn")
    folder = example_folder()
    with (
        ended_by_signals(),
        _without_proxies(),
        _with_a_key_file(),
        _place(arguments.keep) as place,
    ):
        tell = _quiet if arguments.json else print
        figures = _import_story(folder).Story(place, tell).run()
    if arguments.json:
        print_json(
            {
                **attrs.asdict(figures),
                "broken": list(figures.broken),
                "kept_promise": figures.kept_promise,
            }
        )
    else:
        print(_next(folder, arguments.keep))
    return 0 if figures.kept_promise else 1


def _quiet(_: str) -> None:
    """
    Tell nothing.
    """


def _import_story(folder: Path) -> Any:
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder.parent))
    try:
        return import_module("camera_app.story")
    finally:
        sys.path.remove(str(folder.parent))
        sys.dont_write_bytecode = writes


@contextmanager
def _without_proxies() -> Generator[None]:
    """
    Hide the proxies of the environment: nothing leaves this machine.
    """
    names = [n for n in os.environ if n.lower().endswith("_proxy")]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def _with_a_key_file() -> Generator[None]:
    """
    Put nothing into the person's key store: the demo's folder goes again.
    """
    before = os.environ.get("CONSENTKIT_KEYSTORE")
    os.environ["CONSENTKIT_KEYSTORE"] = "file"
    try:
        yield
    finally:
        if before is None:
            del os.environ["CONSENTKIT_KEYSTORE"]
        else:
            os.environ["CONSENTKIT_KEYSTORE"] = before


@contextmanager
def _place(keep: Path | None) -> Generator[Path]:
    """
    Give the folder to run in, and remove it unless it is to be kept.
    """
    if keep is not None:
        _check_keep(keep)
        yield keep
        return
    try:
        temporary = tempfile.TemporaryDirectory(prefix="consentkit-demo-")
    except OSError:
        msg = (
            "no folder for temporary files takes any; name one in TMPDIR, or "
            "a new folder with --keep"
        )
        raise ValueError(msg) from None
    with temporary as name:
        yield Path(name)


def _check_keep(folder: Path) -> None:
    problem = ""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_used = any(folder.iterdir())
        # Whether it takes files is known only by trying.
        tempfile.TemporaryFile(dir=folder).close()
    except FileExistsError:
        problem = "it is a file"
    except OSError as error:
        problem = f"it cannot be used ({error.strerror})"
    else:
        problem = "it is not empty" if is_used else ""
    if problem:
        msg = f"{folder}: {problem}; name a new folder for --keep"
        raise ValueError(msg)


def _next(folder: Path, keep: Path | None) -> str:
    policy = folder / "policy.toml"
    if keep is None:
        return (
            "Where to look next\n"
            "   consentkit demo --keep DIR   keep the app's data and the "
            "backend's store\n"
            f"   {policy}\n"
            f"   {folder / 'app.py'}"
        )
    return (
        "Where to look next\n"
        f"   export CONSENTKIT_POLICY={quote(str(policy))}\n"
        "   export CONSENTKIT_DATA_DIR="
        f"{quote(str((keep / 'data').resolve()))}\n"
        "   consentkit consent history\n"
        "   consentkit why bind_device location_precise\n"
        "   consentkit outbox status\n"
        f"   {keep / 'backend.sqlite3'}   what the backend holds"
    )
