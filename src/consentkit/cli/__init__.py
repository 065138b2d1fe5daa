# SPDX-License-Identifier: MIT
"""
The command line: one module for each command, on the public API.

Exit codes: 0 fine, 1 findings or refused, 2 bad usage or input.
"""

from __future__ import annotations

import argparse
import os
import sys

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from consentkit.exceptions import ConsentKitError


__all__ = ["main", "make_parser"]

_COMMANDS = (
    "demo",
    "policy",
    "consent",
    "why",
    "outbox",
    "receive",
)

_EPILOG = """\
environment:
  CONSENTKIT_POLICY    policy document, where --policy is not given
  CONSENTKIT_DATA_DIR  data folder, where --data-dir is not given
  NO_COLOR             no colours, whatever its value

exit codes:
  0  fine
  1  findings, or refused
  2  bad usage or input
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
    arguments = make_parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except ConsentKitError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # The reader has seen enough; keep the interpreter from trying to
        # flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError) as error:
        return _fail(str(error))
    return code


def _fail(message: str) -> int:
    sys.stdout.flush()
    print(f"consentkit: {message}", file=sys.stderr)
    return 2
