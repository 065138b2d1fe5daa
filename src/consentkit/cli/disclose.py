# SPDX-License-Identifier: MIT
"""
``consentkit disclose``: the two lists that an app publishes.
"""

from __future__ import annotations

import argparse
import os
import sys

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consentkit.cli._common import (
    add_group,
    add_json,
    count,
    print_json,
    unreadable,
)
from consentkit.policy.load import load_policy


if TYPE_CHECKING:
    from consentkit.disclose import CollectionList, SharingList


__all__ = ["add_parser"]

_MORE = (
    " What is listed is what the gate lets pass once everything is granted; "
    "the policy need not be in force. Names of data types, purposes and "
    "permissions are Chinese or English; what the policy and the SDKs' "
    "entries say stays in its language."
)


def add_parser(commands: Any) -> None:
    """
    Add the command and its actions.
    """
    actions = add_group(
        commands, "disclose", "write the lists that an app publishes"
    )
    sharing = actions.add_parser(
        "sharing",
        help="what is shared with third parties",
        description="Write the list of what is shared with third parties: "
        "each SDK and each other recipient, who runs it, why, how and in "
        "which function it gets data, which types by platform, required or "
        "optional, and in which form. What an SDK says that it collects, and "
        "the policy does not allow, stands apart." + _MORE,
    )
    _add_arguments(sharing)
    sharing.set_defaults(run=_sharing)
    collection = actions.add_parser(
        "collection",
        help="what is collected",
        description="Write the list of what is collected: for each function "
        "the data types, why, for whom, in which form, under which "
        "permission and for how long." + _MORE,
    )
    _add_arguments(collection)
    collection.set_defaults(run=_collection)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "policy",
        nargs="?",
        type=Path,
        default=os.environ.get("CONSENTKIT_POLICY") or "policy.toml",
        metavar="POLICY",
        help="policy document (default: policy.toml here)",
    )
    parser.add_argument(
        "--sdks",
        type=Path,
        metavar="DIR",
        help="folder with entries of SDKs, beside those that are shipped",
    )
    parser.add_argument(
        "--language",
        choices=("zh", "en"),
        default="zh",
        help="language of the list (default: zh)",
    )
    parser.add_argument(
        "--format",
        choices=("html", "markdown", "csv", "json"),
        default="markdown",
        metavar="FORMAT",
        help="format of the list: %(choices)s (default: markdown)",
    )
    parser.add_argument(
        "--platform",
        choices=("android", "ios", "web", "iot", "desktop"),
        default="",
        metavar="PLATFORM",
        help="tell of one platform only: %(choices)s (default: all)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write to FILE (default: the standard output)",
    )
    add_json(parser)


def _sharing(arguments: argparse.Namespace) -> int:
    from consentkit.disclose import sharing_list

    made = _made(arguments, sharing_list)
    return _written(
        arguments, made, count(len(made.rows), "third party", "third parties")
    )


def _collection(arguments: argparse.Namespace) -> int:
    from consentkit.disclose import collection_list

    made = _made(arguments, collection_list)
    scenes = sum(bool(scene.types) for scene in made.scenes)
    return _written(arguments, made, count(scenes, "scene"))


def _made(arguments: argparse.Namespace, make: Callable[..., Any]) -> Any:
    """
    Make a list of what the arguments name.

    Raises:
        ConsentKitError: If the policy or an entry has faults.

        ValueError: If the policy cannot be read.
    """
    from consentkit.registry import load_entries, load_registry

    problem = unreadable(arguments.policy)
    if problem:
        msg = f"{arguments.policy}: {problem}; name a policy document"
        raise ValueError(msg)
    policy = load_policy(arguments.policy)
    entries = load_registry()
    if arguments.sdks is not None:
        entries = {**entries, **load_entries(arguments.sdks)}
    return make(policy, entries, platform=arguments.platform)


def _written(
    arguments: argparse.Namespace,
    made: SharingList | CollectionList,
    what: str,
) -> int:
    from consentkit.disclose import as_data, publish

    form: Any = "json" if arguments.json else arguments.format
    path = arguments.output
    if form == "json" and path is None:
        print_json(as_data(made, language=arguments.language))
        return 0
    text = publish(made, format=form, language=arguments.language)
    if path is not None:
        # Lines of CSV end as they were made, on every system.
        path.write_text(text, encoding="utf-8", newline="")
        print(f"{path}: {what}")
        return 0
    _print_raw(text)
    return 0


def _print_raw(text: str) -> None:
    """
    Print *text* as the file that it would be: UTF-8, with its line ends.
    """
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None or sys.stdout.isatty():
        sys.stdout.write(text)
        return
    buffer.write(text.encode())
    buffer.flush()
