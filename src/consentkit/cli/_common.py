# SPDX-License-Identifier: MIT
"""
What several commands share: their arguments, and how results are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import textwrap

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from consentkit.exceptions import MissingExtraError, PolicyError
from consentkit.kit import Kit, default_data_dir
from consentkit.kit import open as open_kit
from consentkit.policy.load import load_policy
from consentkit.policy.model import Policy
from consentkit.policy.tables import UNSPECIFIED


__all__ = [
    "Style",
    "Terminated",
    "add_group",
    "add_json",
    "add_place",
    "add_store",
    "count",
    "ended_by_signals",
    "explain",
    "kit_of",
    "near",
    "need_modules",
    "need_output",
    "place_of",
    "print_json",
    "print_table",
    "terminal_width",
    "titled",
    "unreadable",
    "version_of",
    "warn",
    "wrapped",
]


def add_group(commands: Any, name: str, help_: str) -> Any:
    """
    Add a command that only has actions, and give the place to add these.
    """
    parser = commands.add_parser(
        name, help=help_, description=f"{help_[0].upper()}{help_[1:]}."
    )
    return parser.add_subparsers(
        title="actions", metavar="ACTION", required=True
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """
    Add ``--json``.
    """
    parser.add_argument(
        "--json", action="store_true", help="print one JSON value"
    )


def add_place(parser: argparse.ArgumentParser) -> None:
    """
    Add ``--policy``, ``--data-dir`` and ``--ledger``.
    """
    parser.add_argument(
        "--policy",
        type=Path,
        default=os.environ.get("CONSENTKIT_POLICY") or "policy.toml",
        metavar="FILE",
        help="policy document (default: policy.toml here)",
    )
    add_store(parser)


def add_store(parser: argparse.ArgumentParser) -> None:
    """
    Add ``--data-dir`` and ``--ledger``.
    """
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=os.environ.get("CONSENTKIT_DATA_DIR") or None,
        metavar="DIR",
        help="data folder (default: the app's, by the policy's id)",
    )
    parser.add_argument(
        "--ledger",
        default=os.environ.get("CONSENTKIT_LEDGER") or None,
        metavar="URL",
        help="ledger in PostgreSQL (default: a file in the data folder)",
    )


def kit_of(arguments: argparse.Namespace, **options: Any) -> Kit:
    """
    Open the kit that the arguments name.

    Raises:
        ConsentKitError: As `consentkit.open`.

        ValueError: If there is no data folder to be used.
    """
    policy, folder = place_of(arguments)
    try:
        return open_kit(
            policy, data_dir=folder, ledger=arguments.ledger, **options
        )
    except PolicyError as error:
        # It was given what the file says, and not where it is.
        raise PolicyError(arguments.policy, error.faults) from None


def place_of(arguments: argparse.Namespace) -> tuple[Policy, Path]:
    """
    Read the policy that the arguments name, and find its data folder.

    Raises:
        PolicyError: If it cannot be used.

        ValueError: If there is none, or no data folder to be used.
    """
    problem = unreadable(arguments.policy)
    if problem:
        msg = (
            f"{arguments.policy}: {problem}; name a policy document with "
            "--policy or in CONSENTKIT_POLICY"
        )
        raise ValueError(msg)
    policy = load_policy(arguments.policy)
    folder: Path = arguments.data_dir or default_data_dir(policy)
    if folder.exists() and not folder.is_dir():
        msg = f"{folder}: not a folder; name one with --data-dir"
        raise ValueError(msg)
    return policy, folder


def unreadable(path: Path) -> str:
    """
    Say why *path* is no file to be read, or nothing.
    """
    try:
        path.stat()
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if path.is_dir():
        return "it is a folder"
    return "" if os.access(path, os.R_OK) else "this user may not read it"


def need_modules(extra: str, *modules: str) -> None:
    """
    See to it that *modules* of *extra* are installed.

    Raises:
        MissingExtraError: If one is not.
    """
    packages = {"machineid": "py-machineid"}
    for module in modules:
        if find_spec(module) is None:
            package = packages.get(module, module)
            raise MissingExtraError(extra=extra, package=package)


def need_output() -> None:
    """
    See to it that there is a standard output: for commands of which nothing
    is left but what they print.

    Raises:
        ValueError: If whoever started us closed it.
    """
    # `main` puts a sink in its place, so that printing breaks nothing.
    if (
        sys.__stdout__ is None
        and getattr(sys.stdout, "name", "") == os.devnull
    ):
        msg = "the standard output is closed; send it to a file or a pipe"
        raise ValueError(msg)


def near(word: str, known: Iterable[str], *, where: str) -> str:
    """
    Say which of *known* was probably meant by *word*.

    Args:
        word: What was typed.

        known: What there is.

        where: What shows all of it.
    """
    found = get_close_matches(word, list(known), n=3)
    if found:
        return f"did you mean {' or '.join(map(repr, found))}?"
    return f"{where} shows what there is"


def explain(error: Exception) -> str:
    """
    Give one line that names the place and the cure.
    """
    if isinstance(error, PolicyError):
        name, first = error.path or "policy", error.faults[0]
        if len(error.faults) == 1:
            at = "" if first.path == "$" else f"{first.path}: "
            cure = f"; {first.cure}" * bool(first.cure)
            return f"{name}: {at}{first.problem}{cure}"
        return (
            f"{name}: {len(error.faults)} faults, which 'consentkit policy "
            f"check' shows; the first is at {first}"
        )
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}"
    return " ".join(str(error).split())


def count(number: int, one: str, many: str = "") -> str:
    """
    Give a number with its word in the right form.
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def print_json(value: object, *, indent: int | None = 2) -> None:
    """
    Print *value* as JSON, in ASCII where the output cannot take more; in one
    line without *indent*.
    """
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    print(json.dumps(value, indent=indent, ensure_ascii=encoding != "utf8"))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """
    Print columns as wide as they need to be; a terminal's edge cuts lines.
    """
    table = [tuple(head), *(tuple(map(str, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    edge = terminal_width()
    gap = "  "
    if edge is not None and sum(widths) + 2 * (len(widths) - 1) > edge:
        gap = " "
    for row in table:
        cells = (c.ljust(w) for c, w in zip(row, widths, strict=True))
        line = gap.join(cells).rstrip()
        is_cut = edge is not None and len(line) > edge
        print(f"{line[: (edge or 0) - 3]}..." if is_cut else line)


def warn(message: str) -> None:
    """
    Print *message* as one line of ours on standard error, after the results.
    """
    with suppress(OSError):
        sys.stdout.flush()
    with suppress(OSError):
        print(f"consentkit: {message}", file=sys.stderr, flush=True)


def wrapped(text: str, indent: int, hanging: int = 0) -> list[str]:
    """
    Break *text* into lines as wide as the terminal, if it is one.

    Args:
        text: One paragraph.

        indent: Blanks before the first line.

        hanging: Blanks before the others; by default as many.
    """
    edge = terminal_width()
    first, rest = " " * indent, " " * (hanging or indent)
    if edge is None or edge < 40:
        return [f"{first}{text}"]
    return textwrap.wrap(
        text,
        edge,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        break_long_words=False,
    )


def titled(policy: Policy) -> str:
    """
    Give the title of *policy*, and its version if it says one.
    """
    said = version_of(policy)
    return f"{policy.title} {said}" if said else policy.title


def version_of(policy: Policy) -> str:
    """
    Give the version of *policy*; empty if it leaves that open.
    """
    return "" if policy.version == UNSPECIFIED else policy.version


def terminal_width() -> int | None:
    """
    Give the width of the terminal that is printed to, if it is one.
    """
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


class Terminated(KeyboardInterrupt):
    """
    The process was told to end, by something else than its keyboard.
    """


@contextmanager
def ended_by_signals() -> Generator[None]:
    """
    Let SIGTERM and SIGHUP end what runs as an interrupt does: tidily.
    """

    def end(*_: object) -> NoReturn:
        raise Terminated

    def hang_up(*_: object) -> None:
        # By way of SIGTERM, which a server inside may handle by itself.
        signal.raise_signal(signal.SIGTERM)

    wanted: dict[int, Callable[..., None]] = {signal.SIGTERM: end}
    if hasattr(signal, "SIGHUP"):
        wanted[signal.SIGHUP] = hang_up
    before = {number: signal.getsignal(number) for number in wanted}
    for number, handler in before.items():
        # Who started us with nohup wants it to go on.
        if handler is signal.SIG_DFL:
            signal.signal(number, wanted[number])
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Style:
    """
    Colours, where the output is a terminal that wants them.
    """

    def __init__(self, *, on: bool | None = None) -> None:
        wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        dumb = os.environ.get("TERM") == "dumb"
        self.on = (wanted and not dumb) if on is None else on

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text

    def bold(self, text: str) -> str:
        """
        Make *text* stand out.
        """
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        """
        Make *text* step back.
        """
        return self._paint("2", text)

    def good(self, text: str) -> str:
        """
        Mark *text* as fine.
        """
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        """
        Mark *text* as refused or wrong.
        """
        return self._paint("31", text)
