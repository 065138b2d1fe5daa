# SPDX-License-Identifier: MIT
"""
``consentkit receive``: the reference receiver.
"""

from __future__ import annotations

import argparse
import os

from pathlib import Path
from typing import Any


__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    parser = commands.add_parser(
        "receive",
        help="run the reference receiver",
        description="Run the reference receiver until it is interrupted. "
        "It stores records in a SQLite file and carries out erasures. "
        "Needs the extra 'receiver'.",
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=Path("received.sqlite3"),
        metavar="FILE",
        help="where records are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8443,
        help="port, 0 for any free one (default: %(default)s)",
    )
    parser.add_argument(
        "--certificate", type=Path, metavar="FILE", help="TLS certificate"
    )
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="key of the certificate"
    )
    parser.add_argument(
        "--behind-proxy",
        action="store_true",
        help="something in front of it speaks TLS",
    )
    parser.add_argument(
        "--token",
        default=os.environ.get("CONSENTKIT_RECEIVER_TOKEN"),
        help="what senders must show (better: in the environment variable "
        "CONSENTKIT_RECEIVER_TOKEN)",
    )
    parser.set_defaults(run=_receive)


def _receive(arguments: argparse.Namespace) -> int:
    from consentkit.receiver import Store, make_app, run

    store = Store(arguments.store)
    try:
        run(
            make_app(store, token=arguments.token),
            arguments.host,
            arguments.port,
            certificate=arguments.certificate,
            key=arguments.key,
            behind_proxy=arguments.behind_proxy,
            on_listening=lambda url: print(
                f"receiving at {url}, keeping in {arguments.store}",
                flush=True,
            ),
        )
    finally:
        store.close()
    return 0
