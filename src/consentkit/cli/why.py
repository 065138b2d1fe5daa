# SPDX-License-Identifier: MIT
"""
``consentkit why``: the decision and each condition behind it.
"""

from __future__ import annotations

import argparse
import textwrap

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attrs import asdict

from consentkit.cli._common import (
    add_json,
    add_place,
    kit_of,
    near,
    print_json,
    terminal_width,
    warn,
)
from consentkit.policy.model import Policy


if TYPE_CHECKING:
    from consentkit.anonymise.strength import Strength
    from consentkit.why import Together


__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    parser = commands.add_parser(
        "why",
        help="explain a decision",
        description="Explain the decision on a function, or on one of its "
        "data types: each condition, and whether it holds; '-' is what cannot "
        "be told here. What only the running app knows, such as its own "
        "conditions, counts as not met. Exits with 0 if it is permitted, with "
        "1 if it is refused.",
    )
    parser.add_argument(
        "function", metavar="FUNCTION", help="id of a function of the policy"
    )
    parser.add_argument(
        "data_type",
        nargs="?",
        metavar="DATA_TYPE",
        help="one of the data types that it collects",
    )
    parser.add_argument(
        "recipient",
        nargs="?",
        metavar="RECIPIENT",
        help="id of who would get it (default: the first that the policy "
        "names)",
    )
    add_place(parser)
    add_json(parser)
    parser.set_defaults(run=_why)


def _why(arguments: argparse.Namespace) -> int:
    function, data_type = _asked(arguments)
    with kit_of(arguments) as kit:
        explained = kit.why(function, data_type, arguments.recipient)
        hints = list(
            _hints(kit.policy, function, data_type, arguments.recipient)
        )
    if arguments.json:
        print_json(
            {
                "permitted": explained.permitted,
                "headline": explained.headline,
                "conditions": [
                    {"name": c.name, "holds": c.holds, "detail": c.detail}
                    for c in explained.conditions
                ],
                "signals": [asdict(row) for row in explained.signals],
                "strength": _strength(explained.strength),
                "spent": [asdict(one) for one in explained.spent],
                "together": _together(explained.together),
                "demands": list(explained.demands),
            }
        )
    else:
        _print(explained.headline, indent=2)
        for condition in explained.conditions:
            _print(str(condition), indent=6)
        if explained.signals:
            print("\nSignals from outside, the strongest first:")
        for row in explained.signals:
            _print(str(row), indent=6)
        if explained.strength is not None:
            print()
            _print(f"What comes out: {explained.strength}", indent=6)
        if explained.together is not None:
            print()
            _print(f"Together: {explained.together}", indent=6)
        if explained.demands:
            print(f"\nIts way has to be: {', '.join(explained.demands)}")
        if explained.spent:
            print("\nSpent so far, and not to be had back:")
        for one in explained.spent:
            _print(str(one), indent=6)
    for hint in hints:
        warn(hint)
    return 0 if explained.permitted else 1


def _strength(strength: Strength | None) -> dict[str, Any] | None:
    if strength is None:
        return None
    class_, domain = strength.privacy_class, strength.domain
    return {
        "privacy_class": None if class_ is None else class_.value,
        "undone_by": strength.undone_by,
        "values": None if domain is None else domain.size,
        "cost": strength.cost,
        "joins": strength.joins,
    }


def _together(together: Together | None) -> dict[str, Any] | None:
    if together is None:
        return None
    return {
        "privacy_class": together.privacy_class.value,
        "because": together.because,
    }


def _asked(arguments: argparse.Namespace) -> tuple[str, str | None]:
    """
    Take ``FUNCTION/DATA_TYPE`` apart, as the other commands write it.
    """
    function, slash, data_type = arguments.function.partition("/")
    if slash and arguments.data_type is None:
        return function, data_type
    return arguments.function, arguments.data_type


def _print(text: str, *, indent: int) -> None:
    width = terminal_width()
    if width is not None and width > 2 * indent:
        text = textwrap.fill(
            text,
            width,
            subsequent_indent=" " * indent,
            drop_whitespace=True,
            break_on_hyphens=False,
        )
    print(text)


def _hints(
    policy: Policy, function: str, data_type: str | None, recipient: str | None
) -> Iterator[str]:
    """
    Say what was probably meant by names that the policy does not have.
    """
    listed = "'consentkit consent list'"
    named, at, party = function.partition("@")
    if at and named in policy.functions:
        yield (
            f"name the data type and the recipient apart: 'consentkit why "
            f"{named} DATA_TYPE {party.partition('+')[0]}'"
        )
        return
    if function not in policy.functions:
        cure = near(function, policy.functions, where=listed)
        yield f"the policy has no function {function!r}; {cure}"
        return
    clauses = policy.functions[function].clauses
    if data_type is not None and data_type not in clauses:
        cure = near(data_type, clauses, where="the policy document")
        yield f"{function} collects no {data_type!r}; {cure}"
    elif recipient is not None and recipient not in policy.recipients:
        cure = near(recipient, policy.recipients, where="the policy document")
        yield f"the policy has no recipient {recipient!r}; {cure}"
