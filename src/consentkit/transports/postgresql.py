# SPDX-License-Identifier: MIT
"""
Delivery into a table of PostgreSQL: one row for each batch or request.

Durations are float seconds.
"""

from __future__ import annotations

import re

from collections.abc import Set as AbstractSet
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from attrs import frozen

from consentkit._fork import load
from consentkit.exceptions import MissingExtraError, TransportError
from consentkit.transports._courier import (
    CourierTransport,
    Wire,
    check_options,
)
from consentkit.transports._loopback import encrypted, is_loopback


__all__ = ["PostgreSQLTransport"]

_HOST: Final = re.compile(r"[\w.-]{1,253}|[0-9a-fA-F:.]{2,45}")
_FORM: Final = (
    "the URL is not of the form postgresql://HOST[:PORT]/DATABASE/TABLE"
)
#: Longer names are cut by the server without a word.
_MOST_NAME_BYTES: Final = 63


class PostgreSQLTransport(CourierTransport):
    """
    Insert each batch and each erasure request as a row.

    The row is committed before its records count as delivered; one that is
    there already is a duplicate. The user needs the right to insert, and no
    other.

    Args:
        url: ``postgresql://HOST[:PORT]/DATABASE/TABLE``. The table may have
            its schema in front: ``SCHEMA.TABLE``. A folder in place of the
            host, with its slashes as ``%2F``, is that of a Unix socket.

        user: Who signs in.

        password: As it is; not in the URL, since URLs are printed.

        create: Whether to make the table where it is missing.

        timeout_seconds: The most that one transfer may take, all in all.

        verify: Whom to trust in place of the usual authorities: a file of
            CA certificates. Trust cannot be switched off.

        certificate: File with a client certificate.

        key: File with its key, which nobody else may read.

    Raises:
        TransportError: If one of them cannot be used.

        MissingExtraError: If the extra ``postgresql`` is not installed.

    What leaks:
        The server, its administrators, its logs of statements and its
        backups see the row: what is not sealed is readable there. Whoever
        carries the bytes sees the two addresses, the host name, the time and
        the size.

    .. versionadded:: 26.1.0
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        create: bool = False,
        timeout_seconds: float = 30.0,
        verify: str | Path | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
    ) -> None:
        place = _read_url(url)
        check_options(
            timeout_seconds=timeout_seconds,
            verify=verify,
            certificate=certificate,
            key=key,
            user=user,
            password=password,
        )
        if find_spec("psycopg") is None:
            raise MissingExtraError(extra="postgresql", package="psycopg")
        is_near = place.is_near and verify is None and certificate is None
        given = {
            "user": user,
            "password": password,
            "sslmode": "prefer" if is_near else "verify-full",
            "sslrootcert": verify,
            "sslcert": certificate,
            "sslkey": key,
        }
        options = {n: str(v) for n, v in given.items() if v is not None}

        def make() -> Wire:
            module = load("consentkit.transports._postgresql")
            wire: Wire = module.PostgreSQLWire(
                place.host,
                place.port,
                {"dbname": place.database, **options},
                place.table,
                timeout_seconds=timeout_seconds,
                create=create,
            )
            return wire

        super().__init__(place.name, make, timeout_seconds=timeout_seconds)
        self.capabilities: AbstractSet[str] = encrypted(
            is_tls=options["sslmode"] == "verify-full", is_near=place.is_near
        )


@frozen(kw_only=True)
class _Place:
    name: str
    host: str
    port: int
    database: str
    table: tuple[str, ...]
    is_near: bool


def _read_url(url: str) -> _Place:
    """
    Check *url* and take it apart; no message repeats what may be secret.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", 0
    folder = ""
    if "%" in host:
        # Its letters as they were written; a host's do not matter.
        host, folder = "", unquote(parts.netloc.partition(":")[0])
    path = [unquote(part) for part in parts.path.split("/")[1:]]
    table = tuple(path[-1].split(".")) if path else ()
    if "@" in parts.netloc:
        msg = "the URL holds credentials; pass user=... and password=..."
    elif "?" in url or "#" in url:
        msg = "the URL has a query or a fragment; leave it out"
    elif (
        parts.scheme != "postgresql"
        or port == 0
        or re.search(r"[\x00-\x20\x7f\\]", url)
        or not (_HOST.fullmatch(host) or _is_folder(folder))
        or len(path) != 2
        or len(table) > 2
        or not all(map(_is_name, (path[0], *table)))
    ):
        msg = _FORM
    else:
        shown = f"[{host}]" if ":" in host else host
        shown = shown or folder.replace("/", "%2F")
        return _Place(
            name=f"postgresql://{shown}:{port or 5432}{parts.path}",
            host=host or folder,
            port=port or 5432,
            database=path[0],
            table=table,
            is_near=bool(folder) or is_loopback(host),
        )
    raise TransportError(msg)


def _is_folder(text: str) -> bool:
    # A comma would begin another host.
    return text.startswith("/") and not set("\0,") & set(text)


def _is_name(text: str) -> bool:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= _MOST_NAME_BYTES and "\0" not in text
