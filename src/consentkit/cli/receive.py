# SPDX-License-Identifier: MIT
"""
``consentkit receive``: the reference receiver.
"""

from __future__ import annotations

import argparse
import os

from pathlib import Path
from typing import Any

from consentkit.cli._common import count, ended_by_signals, need_modules


__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    parser = commands.add_parser(
        "receive",
        help="run the reference receiver",
        description="Run the reference receiver until it is interrupted. "
        "It prints the URL that senders need, stores records in a SQLite "
        "file and carries out erasures. Needs the extra 'receiver'.",
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
        type=_port,
        default=8443,
        help="port, 0 for any free one (default: %(default)s)",
    )
    parser.add_argument(
        "--certificate", type=Path, metavar="FILE", help="TLS certificate"
    )
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="key of the certificate, if that is not in the same file",
    )
    parser.add_argument(
        "--behind-proxy",
        action="store_true",
        help="something in front of it speaks TLS",
    )
    parser.add_argument(
        "--token",
        help="what senders must show (better: in the environment variable "
        "CONSENTKIT_RECEIVER_TOKEN)",
    )
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        help="keys that open envelopes, as 'consentkit keys new' makes them",
    )
    parser.add_argument(
        "--sealed-only",
        action="store_true",
        help="refuse what is not sealed for one of --keys",
    )
    parser.set_defaults(run=_receive, acts=True)


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number <= 65_535:
        msg = f"{text!r} is no port; name one from 0 to 65535"
        raise argparse.ArgumentTypeError(msg)
    return number


def _receive(arguments: argparse.Namespace) -> int:
    from consentkit.receiver import Store, make_app, run
    from consentkit.seal import KeyRing

    need_modules("receiver", "starlette", "uvicorn")
    _check(arguments)
    keys = KeyRing.load(arguments.keys) if arguments.keys else None
    token = arguments.token or os.environ.get("CONSENTKIT_RECEIVER_TOKEN")
    listened = False

    def tell(url: str) -> None:
        nonlocal listened
        listened = True
        print(f"receiving at {url}, keeping in {arguments.store}", flush=True)

    store = Store(arguments.store)
    try:
        with ended_by_signals():
            run(
                make_app(
                    store,
                    token=token or None,
                    keys=keys,
                    sealed_only=arguments.sealed_only,
                ),
                arguments.host,
                arguments.port,
                certificate=arguments.certificate,
                key=arguments.key,
                behind_proxy=arguments.behind_proxy,
                on_listening=tell,
            )
    except KeyboardInterrupt:
        pass  # told to end before it could listen to that
    except OSError as error:
        if listened:
            raise
        msg = (
            f"{arguments.host}:{arguments.port}: cannot listen there "
            f"({_reason(error)}); name another --host or --port, or --port 0 "
            "for any free one"
        )
        raise ValueError(msg) from None
    else:
        kept = count(store.counts().records, "record")
        print(f"stopped; {kept} in {arguments.store}")
    finally:
        store.close()
    return 0


def _reason(error: OSError) -> str:
    # Python says the address once more in `strerror`; a name that cannot be
    # resolved has a number of its own.
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror)


def _check(arguments: argparse.Namespace) -> None:
    """
    Refuse what cannot work before a file is made.

    Raises:
        ValueError: If so.
    """
    host, certificate = arguments.host, arguments.certificate
    if not (_is_loopback(host) or certificate or arguments.behind_proxy):
        msg = (
            f"{host}: other machines can reach it, so it needs TLS; name "
            "--certificate and --key, or say --behind-proxy if something in "
            "front of it speaks TLS"
        )
        raise ValueError(msg)
    if arguments.key and not certificate:
        msg = f"{arguments.key}: a key without a certificate; name both"
        raise ValueError(msg)
    if certificate:
        _check_certificate(certificate, arguments.key)
    if arguments.sealed_only and not arguments.keys:
        msg = "--sealed-only needs --keys FILE: nothing could be opened"
        raise ValueError(msg)
    if arguments.store.is_dir():
        msg = f"{arguments.store}: a folder; name a file with --store"
        raise ValueError(msg)


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_certificate(certificate: Path, key: Path | None) -> None:
    import ssl

    for file in filter(None, (certificate, key)):
        if not file.is_file():
            msg = f"{file}: no such file; name one in PEM form"
            raise ValueError(msg)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        msg = (
            f"{certificate}: no certificate with its key in PEM form "
            f"({reason}); name both with --certificate and --key"
        )
        raise ValueError(msg) from None
