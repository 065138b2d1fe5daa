# SPDX-License-Identifier: MIT
"""
``consentkit receive``: the reference receiver.
"""

from __future__ import annotations

import argparse
import os

from pathlib import Path
from typing import TYPE_CHECKING, Any

from consentkit.cli._common import count, ended_by_signals, need_modules


if TYPE_CHECKING:
    from consentkit.receiver import Metrics, RecordStore


__all__ = ["add_parser", "add_place_of_records", "store_of"]


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    parser = commands.add_parser(
        "receive",
        help="run the reference receiver",
        description="Run the reference receiver until it is interrupted. "
        "It prints the URL that senders need, stores records in a SQLite "
        "file or in PostgreSQL and carries out erasures. Any number of them "
        "may keep in one PostgreSQL. Needs the extra 'receiver'.",
    )
    add_place_of_records(parser)
    parser.add_argument(
        "--from",
        dest="source",
        metavar="URL",
        help="take batches out of a stream, nats://HOST/SUBJECT, in place of "
        "requests; what listens then only tells how it goes (user, password "
        "or token in CONSENTKIT_NATS_USER, CONSENTKIT_NATS_PASSWORD, "
        "CONSENTKIT_NATS_TOKEN)",
    )
    parser.add_argument(
        "--group",
        default="consentkit",
        metavar="NAME",
        help="who shares the work of --from (default: %(default)s)",
    )
    parser.add_argument(
        "--again",
        type=_positive,
        default=30,
        metavar="SECONDS",
        help="when what one of the group did not finish comes to another "
        "(default: %(default)s; of the first one of a group)",
    )
    parser.add_argument(
        "--from-ca",
        type=Path,
        metavar="FILE",
        help="the CA of the server of --from, if it is one of your own",
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
        "--share-port",
        action="store_true",
        help="other receivers may listen at the same port",
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
        "--tenants",
        type=Path,
        metavar="FILE",
        help="tokens of several senders, each good for its recipients",
    )
    parser.add_argument(
        "--requests",
        type=_positive,
        default=32,
        metavar="NUMBER",
        help="most requests that are worked on at a time (default: "
        "%(default)s)",
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


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        msg = f"{text!r} is no number above 0"
        raise argparse.ArgumentTypeError(msg)
    return number


def add_place_of_records(parser: argparse.ArgumentParser) -> None:
    """
    Add ``--store``.
    """
    parser.add_argument(
        "--store",
        default="received.sqlite3",
        metavar="PLACE",
        help="where records are kept: a file, or "
        "postgresql://USER@HOST/DATABASE (default: %(default)s)",
    )


def store_of(arguments: argparse.Namespace) -> RecordStore:
    """
    Open the store that the arguments name, and see that it can be used.

    Raises:
        ConsentKitError: If it cannot.

        ValueError: If it is none.
    """
    from consentkit.receiver import store_from_url

    place = arguments.store
    if "://" not in place and Path(place).is_dir():
        msg = f"{place}: a folder; name a file with --store"
        raise ValueError(msg)
    store = store_from_url(place)
    try:
        store.check()
    except BaseException:
        store.close()
        raise
    return store


def _receive(arguments: argparse.Namespace) -> int:
    from consentkit.receiver import Metrics, RequestLimits, run

    need_modules("receiver", "starlette", "uvicorn")
    _check(arguments)
    limits, metrics = RequestLimits(requests=arguments.requests), Metrics()
    app_on = _app_maker(arguments, limits, metrics)
    listened = False
    store = store_of(arguments)

    def tell(url: str) -> None:
        nonlocal listened
        listened = True
        what = f"taking from {arguments.source}, telling of it"
        how = what if arguments.source else "receiving"
        print(f"{how} at {url}, keeping in {store.name}", flush=True)

    try:
        with ended_by_signals():
            run(
                app_on(store),
                arguments.host,
                arguments.port,
                certificate=arguments.certificate,
                key=arguments.key,
                behind_proxy=arguments.behind_proxy,
                share_port=arguments.share_port,
                limits=limits,
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
        print(f"stopped; {_kept(store, metrics)}")
    finally:
        store.close()
    return 0


def _kept(store: RecordStore, metrics: Metrics) -> str:
    """
    Say how much is there; of a store of many, what this process brought.
    """
    from consentkit.receiver import Store

    if isinstance(store, Store):
        kept = count(store.counts().records, "record")
        return f"{kept} in {store.name}"
    new = int(metrics.total("records_total", outcome="stored"))
    return f"{count(new, 'new record')} in {store.name}"


def _app_maker(
    arguments: argparse.Namespace, limits: Any, metrics: Metrics
) -> Any:
    """
    Read what the app needs, and give what makes it.
    """
    from consentkit.receiver import Tenants, make_app, make_consumer_app
    from consentkit.seal import KeyRing

    keys = KeyRing.load(arguments.keys) if arguments.keys else None
    said = os.environ.get
    shown: dict[str, Any] = {
        "metrics": metrics,
        "metrics_token": _token_of("CONSENTKIT_RECEIVER_METRICS_TOKEN"),
    }
    sealing: dict[str, Any] = {
        "keys": keys,
        "sealed_only": arguments.sealed_only,
    }
    if not arguments.source:
        token = _token_of("CONSENTKIT_RECEIVER_TOKEN", arguments.token)
        tenants = Tenants(arguments.tenants) if arguments.tenants else None
        return lambda store: make_app(
            store,
            token=token,
            tenants=tenants,
            limits=limits,
            **sealing,
            **shown,
        )

    from consentkit.receiver.consumer import Consumer

    def make(store: RecordStore) -> Any:
        consumer = Consumer(
            arguments.source,
            store,
            group=arguments.group,
            again_seconds=arguments.again,
            limits=limits,
            metrics=metrics,
            user=said("CONSENTKIT_NATS_USER") or None,
            password=said("CONSENTKIT_NATS_PASSWORD") or None,
            token=said("CONSENTKIT_NATS_TOKEN") or None,
            verify=arguments.from_ca,
            **sealing,
        )
        return make_consumer_app(store, consumer, **shown)

    return make


def _token_of(variable: str, argument: str | None = None) -> str | None:
    """
    Give the token of ``--token`` or of the environment, if there is one.

    One that is empty is not the same as none: it would let everybody in
    where a script meant to set it.

    Raises:
        ValueError: If nobody can show it.
    """
    from consentkit.transports._token import check_token

    origin = variable if argument is None else "--token"
    token = os.environ.get(variable) if argument is None else argument
    check_token(token, origin)
    return token


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
    if arguments.source and (arguments.token is not None or arguments.tenants):
        msg = (
            "--from takes nothing by request; leave out --token and --tenants"
        )
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
