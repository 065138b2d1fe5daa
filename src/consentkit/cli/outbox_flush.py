# SPDX-License-Identifier: MIT
"""
``consentkit outbox flush``: what waits is sent.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
import time

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

from attrs import asdict

from consentkit.cli._common import (
    add_json,
    add_place,
    count,
    ended_by_signals,
    print_json,
    warn,
)
from consentkit.cli._outboxes import checked_place, kit_of
from consentkit.limits import Limits
from consentkit.transports import Transport, route


if TYPE_CHECKING:
    from consentkit import FlushProgress, FlushReport
    from consentkit.kit import Kit


__all__ = ["add"]

_EPILOG = """\
The gate is asked for each batch, as by the app itself: what may not leave
waits on. What a function demands of the app's own conditions is not known
here, and holds for none; what waits for such a function is the app's to send.
While the app delivers, this waits for its turn, as long as --timeout.

With --every it is a process that delivers beside the app, until it is
interrupted: it prints a line where something left, and a problem once. A
backend that fails is left alone for a while, longer each time.

exit codes:
  0  nothing waits any more
  1  something waits, or did not go well
  2  bad usage or input
"""

#: Before a URL or a key: whose it is. A URL has a colon first.
_NAMED: Final = re.compile(r"([A-Za-z0-9_.-]+)=(.*)", re.DOTALL)

#: Seconds between two looks of the bar.
_BAR_SECONDS: Final = 0.1
_BAR_CELLS: Final = 24


def add(actions: Any) -> None:
    """
    Add the action to those of ``consentkit outbox``.
    """
    flush = actions.add_parser(
        "flush",
        help="send what waits",
        description="Send what waits, requests to erase first, and tell what "
        "became of it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    flush.add_argument(
        "--transport",
        action="append",
        required=True,
        metavar="URL",
        help="where to: of the controller, or RECIPIENT=URL of another "
        "recipient of the policy; may be repeated",
    )
    flush.add_argument(
        "--seal-for",
        action="append",
        default=[],
        metavar="KEY",
        help="key to seal for, as 'consentkit keys new' prints it: of the "
        "controller, or RECIPIENT=KEY; may be repeated, and of several keys "
        "the first is used that the recipient still has",
    )
    flush.add_argument(
        "--region",
        action="append",
        default=[],
        metavar="REGION",
        help="country in which that ends, where the policy demands one: of "
        "the controller, or RECIPIENT=REGION; may be repeated",
    )
    flush.add_argument(
        "--capability",
        action="append",
        default=[],
        metavar="WORD",
        help="what the way to it can do beyond what its URL says, such as "
        "no-address: of the controller, or RECIPIENT=WORD; may be repeated",
    )
    flush.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="when to stop between two batches (default: "
        f"{Limits().flush_seconds:g})",
    )
    flush.add_argument(
        "--every",
        type=_seconds,
        metavar="SECONDS",
        help="go on, and rest so long between two times, until interrupted; "
        "with --json, one JSON object a line",
    )
    add_place(flush)
    add_json(flush)
    flush.set_defaults(run=_flush, acts=True)


def _seconds(text: str) -> float:
    number = math.nan
    with suppress(ValueError):
        number = float(text)
    if not 0 < number < math.inf:
        msg = f"{text!r} is no number of seconds above 0"
        raise argparse.ArgumentTypeError(msg)
    return number


def _flush(arguments: argparse.Namespace) -> int:
    policy, _ = checked_place(arguments)
    controller = policy.controller.id
    regions = dict(_by_recipient(arguments.region, controller))
    able: dict[str, set[str]] = {}
    for recipient, word in _by_recipient(arguments.capability, controller):
        able.setdefault(recipient, set()).add(word)
    transports: dict[str, str | Transport] = {}
    for recipient, url in _by_recipient(
        arguments.transport, policy.controller.id
    ):
        if recipient in transports:
            msg = f"--transport: two lead to {recipient!r}; name one"
            raise ValueError(msg)
        transports[recipient] = url
        if recipient in regions or recipient in able:
            transports[recipient] = route(
                url,
                region=regions.get(recipient, ""),
                capabilities=able.get(recipient, ()),
            )
    keys: dict[str, list[str]] = {}
    for recipient, key in _by_recipient(
        arguments.seal_for, policy.controller.id
    ):
        keys.setdefault(recipient, []).append(key)
    begun = time.monotonic()
    with kit_of(arguments, transport=transports, seal_for=keys) as kit:
        if arguments.every is not None:
            _go_on(kit, arguments)
        report = _flushed(kit, arguments)
        erasures = kit.status().erasures
    _tell(report, erasures, as_json=arguments.json)
    for problem in report.problems:
        warn(problem)
    allowed = arguments.timeout or Limits().flush_seconds
    if not (report.waiting or erasures or report.problems):
        return 0
    if report.problems:
        return 1
    if time.monotonic() - begun >= allowed:
        warn(f"the {allowed:g} seconds are over; allow more with --timeout")
    else:
        warn(
            "what waits may not leave now, or waits for another try; "
            "'consentkit why' tells what stands in the way of a function"
        )
    return 1


def _flushed(
    kit: Kit, arguments: argparse.Namespace, *, patient: bool = False
) -> FlushReport:
    """
    Flush, with a bar for who looks.
    """
    bar = _Bar()
    try:
        return kit.flush(
            timeout_seconds=arguments.timeout,
            progress=bar.show,
            patient=patient,
        )
    finally:
        bar.end()


def _go_on(kit: Kit, arguments: argparse.Namespace) -> NoReturn:
    """
    Flush until interrupted.
    """
    known: tuple[str, ...] = ()
    with ended_by_signals():
        while True:
            report = _flushed(kit, arguments, patient=True)
            if (
                report.delivered
                or report.duplicates
                or report.rejected
                or report.expired
                or report.erased
            ):
                erasures = kit.status().erasures
                _tell(report, erasures, as_json=arguments.json, indent=None)
                sys.stdout.flush()
            if report.problems != known:
                known = report.problems
                for problem in known:
                    warn(problem)
            time.sleep(arguments.every)


def _by_recipient(
    given: Iterable[str], controller: str
) -> Iterable[tuple[str, str]]:
    """
    Give what each was given for: without a name it is the controller's.
    """
    for text in given:
        found = _NAMED.fullmatch(text)
        yield (found[1], found[2]) if found else (controller, text)


def _tell(
    report: FlushReport,
    erasures: int,
    *,
    as_json: bool,
    indent: int | None = 2,
) -> None:
    if as_json:
        print_json(
            asdict(report)
            | {"problems": list(report.problems), "erasures": erasures},
            indent=indent,
        )
        return
    done = (
        (report.duplicates, "the backend had already"),
        (report.rejected, "rejected"),
        (report.expired, "expired"),
    )
    parts = [
        f"{count(report.delivered, 'record')} delivered",
        *(f"{number:,} {what}" for number, what in done if number),
    ]
    if report.erased:
        parts.append(f"{count(report.erased, 'erasure request')} carried out")
    waiting = count(report.waiting, "record waits", "records wait")
    if not report.waiting:
        waiting = "none waits"
    if erasures:
        waiting += f", and {count(erasures, 'erasure request')}"
    print(f"{', '.join(parts)}; {waiting}")


class _Bar:
    """
    A bar on a terminal, as long as there is one to look at.
    """

    def __init__(self) -> None:
        self._on = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._next = 0.0
        self._is_shown = False

    def show(self, told: FlushProgress) -> None:
        """
        Show how far the flush is, if it is time to.
        """
        now = time.monotonic()
        if not self._on or now < self._next:
            return
        self._next = now + _BAR_SECONDS
        # More may wait than at the start.
        total = max(told.waiting_at_start, told.waiting, 1)
        cells = _BAR_CELLS * (total - told.waiting) // total
        self._write(
            f"\r[{'#' * cells}{'.' * (_BAR_CELLS - cells)}] "
            f"{told.delivered:,} delivered, {told.waiting:,} to go\x1b[K"
        )

    def end(self) -> None:
        """
        Take it away.
        """
        if self._is_shown:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        # Whoever closed it sees no bar, and the rest goes out.
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()
            self._is_shown = True
