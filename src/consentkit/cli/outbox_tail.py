# SPDX-License-Identifier: MIT
"""
``consentkit outbox tail``: what waits, as it is captured.
"""

from __future__ import annotations

import argparse
import json
import select
import sys
import time

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from consentkit.cli._common import add_place, ended_by_signals
from consentkit.cli._outboxes import checked_place, value_text


if TYPE_CHECKING:
    from consentkit.outbox import Record


__all__ = ["add"]

#: Seconds between two looks.
_LOOK_SECONDS: Final = 0.5
_FEW: Final = 10


def add(actions: Any) -> None:
    """
    Add the action to those of ``consentkit outbox``.
    """
    tail = actions.add_parser(
        "tail",
        help="show what was captured last, and what comes",
        description="Open the records that were captured last and wait, and "
        "show them as they would leave, oldest first, on this screen only. "
        "Nothing is sent, claimed or changed. What the app holds in memory "
        "alone is not seen, nor what leaves between two looks.",
    )
    tail.add_argument(
        "-n",
        type=_number,
        default=_FEW,
        dest="most",
        metavar="NUMBER",
        help="how many to begin with (default: %(default)s)",
    )
    tail.add_argument(
        "-f",
        "--follow",
        action="store_true",
        help="go on with what is captured from now on, until interrupted",
    )
    add_place(tail)
    tail.add_argument(
        "--json", action="store_true", help="print one JSON object a line"
    )
    tail.set_defaults(run=_tail)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        msg = f"{text!r} is no number from 0"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _tail(arguments: argparse.Namespace) -> int:
    from consentkit.outbox.watch import Watch

    _, folder = checked_place(arguments)
    line = _json_line if arguments.json else _line
    with ended_by_signals(), closing(Watch(folder)) as watch:
        shown = _print(watch.fresh(most=arguments.most), line)
        if not (shown or arguments.json or arguments.follow):
            print("Nothing to show: nothing waits, or none was wanted.")
        while arguments.follow:
            _wait()
            _print(watch.fresh(), line)
    return 0


def _print(records: Iterable[Record], line: Callable[[Record], str]) -> int:
    shown = 0
    for record in records:
        print(line(record))
        shown += 1
    # Who follows wants each at once.
    sys.stdout.flush()
    return shown


def _wait() -> None:
    """
    Wait for the next look.

    Raises:
        BrokenPipeError: If nobody reads any more.
    """
    if hasattr(select, "poll"):
        look = select.poll()
        look.register(sys.stdout, 0)  # it tells of errors alone
        found = look.poll(int(_LOOK_SECONDS * 1000))
        if not found:
            return
        if found[0][1] & (select.POLLERR | select.POLLHUP):
            raise BrokenPipeError
    # Not every system can look at every kind of output.
    time.sleep(_LOOK_SECONDS)


def _json_line(record: Record) -> str:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return json.dumps(record.as_json(), ensure_ascii=encoding != "utf8")


def _line(record: Record) -> str:
    at = record.captured_at.isoformat(" ", "milliseconds")[:23]
    return (
        f"{at}  {record.function}/{record.data_type} "
        f"for {record.recipient}, {record.protection}: "
        f"{value_text(record.value)}"
    )
