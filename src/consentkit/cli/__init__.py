# SPDX-License-Identifier: MIT
"""
The command line: one module for each command, on the public API.

Exit codes: 0 fine, 1 findings or refused, 2 bad usage or input.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import signal
import sys

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.metadata import version

from consentkit.cli._common import Terminated, explain, need_output, warn
from consentkit.exceptions import ConsentKitError


__all__ = ["main", "make_parser"]

_COMMANDS = (
    "demo",
    "policy",
    "consent",
    "collected",
    "disclose",
    "sdk",
    "why",
    "ledger",
    "receipt",
    "outbox",
    "scrub",
    "receive",
    "received",
    "keys",
)

_EPILOG = """\
environment:
  CONSENTKIT_POLICY          policy document, where --policy is not given
  CONSENTKIT_DATA_DIR        data folder, where --data-dir is not given
  CONSENTKIT_LEDGER          ledger in PostgreSQL, where --ledger is not given
  DO_NOT_TRACK               stops all but core functions, unless it is a no
  CONSENTKIT_CONSENT         the same, unless it is a yes, which grants nothing
  CONSENTKIT_CI              POLICY@VERSION, to record a yes on build machines
  CONSENTKIT_DEVICE_POLICY   one more file of what an administrator forbids
  CONSENTKIT_KEYSTORE        'file' keeps the outbox's key out of the system's
                             key store
  CONSENTKIT_RECEIVER_TOKEN  what senders must show to 'receive'
  CONSENTKIT_RECEIVER_METRICS_TOKEN
                             what must be shown to read its numbers
  CONSENTKIT_NATS_USER, CONSENTKIT_NATS_PASSWORD, CONSENTKIT_NATS_TOKEN
                             what 'receive --from' shows
  NO_COLOR                   no colours, if it is set to anything

exit codes:
  0  fine
  1  findings, or refused
  2  bad usage or input

'consentkit COMMAND --help' tells more of each command.
"""


def make_parser() -> argparse.ArgumentParser:
    """
    Build the parser of all commands.
    """
    parser = argparse.ArgumentParser(
        prog="consentkit",
        description="The one door through which data leaves an app.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"consentkit {version('consentkit')}",
    )
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True
    )
    for name in _COMMANDS:
        import_module(f"consentkit.cli.{name}").add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command and give its exit code.

    Args:
        argv: Arguments without the program's name; those of the process by
            default.
    """
    _prepare_streams()
    arguments = make_parser().parse_args(argv)
    with _warnings_told() as told:
        try:
            if _only_prints(arguments):
                need_output()
            code: int = arguments.run(arguments)
        except (ConsentKitError, ValueError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                return _hang_up(128 + getattr(signal, "SIGPIPE", 13))
            told.tell(explain(error))
            code = 2
        except Terminated:
            return 128 + signal.SIGTERM
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader has seen enough; what was found is still true.
            return _hang_up(code)
        except OSError as error:
            told.tell(f"the output cannot be written ({error.strerror})")
            return _hang_up(2)
    return code


def _only_prints(arguments: argparse.Namespace) -> bool:
    """
    Tell whether nothing is left of a command but what it prints.

    One that does more says so by ``acts``; others may write to a file.
    """
    acts = getattr(arguments, "acts", False)
    return not (acts or getattr(arguments, "output", None))


def _prepare_streams() -> None:
    """
    Make the streams take any text, and be there at all.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            sink = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
            setattr(sys, name, sink)
        elif isinstance(stream, io.TextIOWrapper):
            # A path or a title may hold what the locale cannot show.
            stream.reconfigure(errors="backslashreplace")


def _hang_up(code: int) -> int:
    """
    Keep the interpreter from flushing to nobody at exit.
    """
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    return code


class _Teller(logging.Handler):
    """
    Tells each warning and error once, on a line of its own.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.tell(record.getMessage())

    def tell(self, message: str) -> None:
        """
        Print *message* to standard error, unless it was.
        """
        if message in self._told:
            return
        self._told.add(message)
        warn(message)


@contextmanager
def _warnings_told() -> Generator[_Teller]:
    """
    Show what the library warns of the way that errors are shown.
    """
    teller = _Teller()
    logger = logging.getLogger("consentkit")
    logger.addHandler(teller)
    try:
        yield teller
    finally:
        logger.removeHandler(teller)
