# SPDX-License-Identifier: MIT
"""
``consentkit sdk list``: which SDKs are known, and which a policy names.
"""

from __future__ import annotations

import argparse
import os

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentkit._opening import default_data_dir
from consentkit.cli._common import (
    add_json,
    add_store,
    kit_of,
    near,
    print_json,
    print_table,
    terminal_width,
    unreadable,
    warn,
)
from consentkit.cli._sdks import add_entries, entries_of
from consentkit.policy.load import load_policy


if TYPE_CHECKING:
    from consentkit.policy.model import Policy
    from consentkit.registry.model import SDKEntry


__all__ = ["add"]

_WIDTH: Final = 80
_POLICY: Final = "policy.toml"
_PLATFORMS: Final = ("android", "ios", "web", "iot", "any")


def add(actions: Any) -> None:
    """
    Add the action to those of ``consentkit sdk``.
    """
    listing = actions.add_parser(
        "list",
        help="list the SDKs that are known, and say which are declared",
        description="List the SDKs that are known, one a line. Their status "
        "is 'declared' where a function of the policy names them, "
        "'undescribed' where one does and no entry says what they are, 'own' "
        "for an entry of the app's own that no function names, and 'known' "
        "for all others. Without a policy none is declared. Where the data "
        "folder has choices, what the person chose is listed too.",
    )
    listing.add_argument(
        "--policy",
        type=Path,
        default=os.environ.get("CONSENTKIT_POLICY") or None,
        metavar="FILE",
        help="policy document (default: policy.toml here, if there is one)",
    )
    add_store(listing)
    add_entries(listing)
    listing.add_argument(
        "--category",
        metavar="C",
        help="only SDKs of this kind, such as 'analytics'",
    )
    listing.add_argument(
        "--platform",
        choices=_PLATFORMS,
        help="only SDKs that run there; with 'any' those that run on all",
    )
    add_json(listing)
    listing.set_defaults(run=_list)


def _list(arguments: argparse.Namespace) -> int:
    _known_category(arguments.category)
    own, entries = entries_of(arguments.sdks)
    policy = _policy(arguments)
    declared = _declared(policy)
    choices, problem = _choices(arguments, policy)
    rows = [
        {**row, "choice": choices.get(row["function"] or "")}
        for row in _rows(own, entries, declared)
        if arguments.category in {None, row["category"]}
        and _runs_on(row["platforms"], arguments.platform)
    ]
    if arguments.json:
        print_json({"sdks": rows})
    else:
        _print(rows, has_choices=bool(choices))
    if problem:
        warn(problem)
    return 2 if problem else 0


def _print(rows: list[dict[str, Any]], *, has_choices: bool) -> None:
    """
    Print the rows in columns, names cut where a line would be too long.
    """
    keys = ["id", "status", *["choice"] * has_choices, "category"]
    first = [tuple(row[key] or "-" for key in keys) for row in rows]
    head = tuple(key.upper() for key in keys)
    widths = [max(map(len, cells)) for cells in zip(head, *first, strict=True)]
    room = max((terminal_width() or _WIDTH) - sum(widths) - 2 * len(head), 8)
    names = (row["name"] for row in rows)
    print_table(
        (*head, "NAME"),
        [
            (*cells, n if len(n) <= room else f"{n[: room - 3]}...")
            for cells, n in zip(first, names, strict=True)
        ],
    )


def _known_category(category: str | None) -> None:
    """
    See to it that there is such a category.

    Raises:
        ValueError: If not.
    """
    from consentkit.policy.vocabulary import load_vocabulary

    categories = load_vocabulary().partner_categories
    if category is not None and category not in categories:
        cure = near(category, categories, where="'consentkit sdk list'")
        msg = f"there is no category {category!r}; {cure}"
        raise ValueError(msg)


def _policy(arguments: argparse.Namespace) -> Policy | None:
    """
    Read the policy that is named, or that of this folder if it has one.

    Raises:
        ValueError: If it cannot be read.
    """
    if arguments.policy is None:
        arguments.policy = Path(_POLICY)
        if not arguments.policy.exists():
            return None
    if problem := unreadable(arguments.policy):
        msg = (
            f"{arguments.policy}: {problem}; name a policy document with "
            "--policy"
        )
        raise ValueError(msg)
    return load_policy(arguments.policy)


def _declared(policy: Policy | None) -> Mapping[str, str]:
    """
    Give the functions that name SDKs, by SDK.
    """
    functions = policy.functions.values() if policy else ()
    return {f.sdk: f.id for f in functions if f.sdk}


def _choices(
    arguments: argparse.Namespace, policy: Policy | None
) -> tuple[Mapping[str, str], str]:
    """
    Give what the person chose, by function, if that is known here.

    Returns:
        The status of each function, and what is wrong with the ledger.
    """
    if policy is None:
        return {}, ""
    if arguments.ledger is None:
        folder = arguments.data_dir or default_data_dir(policy)
        if not (folder / "ledger.sqlite3").exists():
            return {}, ""
    with kit_of(arguments) as kit:
        state = kit.consent.state()
    found = {e: choice.status.value for e, choice in state.choices.items()}
    return found, state.problem


def _rows(
    own: Mapping[str, SDKEntry],
    entries: Mapping[str, SDKEntry],
    declared: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    for id_ in sorted({*entries, *declared}):
        entry = entries.get(id_)
        yield {
            "id": id_,
            "name": entry.name if entry else "",
            "operator": entry.operator if entry else "",
            "category": entry.category if entry else "",
            "platforms": list(entry.platforms) if entry else [],
            "status": _status(id_, entry, own=own, declared=declared),
            "function": declared.get(id_),
            "own": id_ in own,
        }


def _status(
    id_: str,
    entry: SDKEntry | None,
    *,
    own: Mapping[str, SDKEntry],
    declared: Mapping[str, str],
) -> str:
    if entry is None:
        return "undescribed"
    if id_ in declared:
        return "declared"
    return "own" if id_ in own else "known"


def _runs_on(platforms: list[str], wanted: str | None) -> bool:
    return wanted is None or wanted in platforms or "any" in platforms
