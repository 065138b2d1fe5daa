# SPDX-License-Identifier: MIT
"""
What transports to a message broker share: address, trust and exchanges.

Durations are float seconds.
"""

from __future__ import annotations

import math
import os
import re

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from consentkit._fork import load
from consentkit.exceptions import MissingExtraError, TransportError
from consentkit.transports._certificate import explain_certificate
from consentkit.transports._exchange import Exchange, Exchanges, Verdict
from consentkit.transports._http import LATE
from consentkit.transports._loopback import is_loopback
from consentkit.transports.base import Answer, Transport
from consentkit.transports.parcel import Parcel, pack


if TYPE_CHECKING:
    import ssl

    from consentkit.outbox.drops import DropReport
    from consentkit.outbox.records import Batch, Erasure


__all__ = [
    "BrokerTransport",
    "Place",
    "Trust",
    "check_text",
    "explain",
    "need_library",
    "read_url",
]

_HOST: Final = re.compile(r"[\w.-]{1,253}|[0-9a-fA-F:.]{2,45}")
#: What is imported in the middle of a transfer otherwise, where a fork would
#: leave it half done in the child.
_NEEDED: Final = ("encodings.idna", "selectors", "socket", "ssl", "struct")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")


class BrokerTransport(Transport):
    """
    A transport of which each transfer is one message to a broker.

    Members implement `_publish`.

    Args:
        name: Where it leads, for people.

        timeout_seconds: The most that one transfer may take, all in all.

    Raises:
        TransportError: If *timeout_seconds* is no time.
    """

    seals = True

    def __init__(self, name: str, timeout_seconds: float) -> None:
        if not (math.isfinite(timeout_seconds) and timeout_seconds > 0):
            msg = "timeout_seconds must be a positive number"
            raise TransportError(msg)
        self.name: str = name
        self._timeout_seconds = timeout_seconds
        self._exchanges = Exchanges(timeout_seconds)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def _send(self, batch: Batch) -> Answer:
        ids = batch.ids
        return self._carry(ids, pack(batch), batch.first_end)

    def _erase(self, erasure: Erasure) -> Answer:
        return self._carry([erasure.id], pack(erasure), None)

    def _report(self, report: DropReport) -> Answer:
        return self._carry([report.id], pack(report), None)

    def cancel(self) -> None:
        """
        Cut the transfer under way short, from any thread.

        The connection is broken off, what still waits in the system's buffer
        is thrown away, and the records count as *try again*: the broker may
        have them, or not.
        """
        self._here().cut()

    def close(self) -> None:
        """
        Cut what is under way; the transport sends nothing afterwards.
        """
        self._here().close()

    @abstractmethod
    def _publish(
        self, parcel: Parcel, expires_at: datetime | None, exchange: Exchange
    ) -> Verdict:
        """
        Send *parcel* over a connection of its own, and wait for the broker.

        Args:
            parcel: What to send.

            expires_at: When nobody may read it any more, or ``None``.

            exchange: Is to hold each socket before anything leaves by it.
        """

    def _carry(
        self, ids: Sequence[str], parcel: Parcel, expires_at: datetime | None
    ) -> Answer:
        for name in _NEEDED:
            load(name)
        verdict = self._here().run(
            lambda exchange: self._publish(parcel, expires_at, exchange)
        )
        problem = f"{self.name}: {verdict.problem}" if verdict.problem else ""
        return Answer(
            outcomes=dict.fromkeys(ids, verdict.outcome),
            problem=problem,
            too_large=verdict.too_large,
            refused=verdict.refused,
        )

    def _here(self) -> Exchanges:
        """
        Give the exchanges of this process; a fork begins with none.
        """
        found = self._exchanges
        if found.pid != os.getpid():
            self._exchanges = Exchanges(
                self._timeout_seconds, is_closed=found.is_closed
            )
        return self._exchanges


@frozen(kw_only=True)
class Place:
    """
    Where a broker is, and what of it is meant.

    Attributes:
        origin: ``scheme://host:port``.

        host: As in the URL, without brackets.

        what: The path of the URL, without its first slash.

        is_loopback: Whether it is on this machine.
    """

    scheme: str
    origin: str
    host: str
    port: int
    what: str
    is_loopback: bool


def read_url(url: str, form: str, ports: Mapping[str, int]) -> Place:
    """
    Check *url* and take it apart; no message repeats what may be secret.

    Args:
        url: As the app gave it.

        form: How it has to look, for people.

        ports: The usual port, by each scheme that is taken.

    Raises:
        TransportError: If it is of another form.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if "@" in parts.netloc:
        msg = "the URL holds credentials; pass them as arguments instead"
    elif "?" in url or "#" in url:
        msg = "the URL has a query or a fragment; leave it out"
    elif (
        parts.scheme not in ports
        or port == 0
        or _UNPRINTABLE.search(url)
        or not _HOST.fullmatch(host)
    ):
        msg = f"the URL is not of the form {form}"
    else:
        port = port or ports[parts.scheme]
        shown = f"[{host}]" if ":" in host else host
        return Place(
            scheme=parts.scheme,
            origin=f"{parts.scheme}://{shown}:{port}",
            host=host,
            port=port,
            what=unquote(parts.path[1:]),
            is_loopback=is_loopback(host),
        )
    raise TransportError(msg)


def need_library(module: str, *, extra: str, package: str) -> None:
    """
    Look whether *module* is installed, without importing it.

    Raises:
        MissingExtraError: If it is not.
    """
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise MissingExtraError(extra=extra, package=package)


def check_text(name: str, text: object) -> None:
    """
    Check that *text* can be a user, a password or a token, or is ``None``.

    Raises:
        TransportError: If it cannot; the text is not repeated.
    """
    if text is None:
        return
    if (
        not isinstance(text, str)
        or not text.isprintable()
        or not 0 < len(text) <= 4096
    ):
        msg = f"{name} must be a text of 1 to 4,096 printable characters"
        raise TransportError(msg)


@frozen(kw_only=True)
class Trust:
    """
    Whom to trust, and who we are, for TLS.

    Attributes:
        verify: A file or folder of CA certificates, or an SSLContext, in
            place of the usual authorities.

        certificate: File with our own certificate, and the key if there is
            no *key*.

        key: File with the key of *certificate*.
    """

    verify: ssl.SSLContext | str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = field(default=None, repr=False)

    @property
    def is_given(self) -> bool:
        """
        Whether the app said anything of it.
        """
        return self.verify is not None or self.certificate is not None

    def check(self) -> None:
        """
        Check what can be seen without opening a file.

        Raises:
            TransportError: If trust would be switched off, or one of them
                cannot be used.
        """
        msg = ""
        verify: object = self.verify
        is_file = verify is None or isinstance(verify, str | Path)
        if isinstance(verify, bool):
            msg = "verify takes a file of CA certificates or an SSLContext"
        elif not (
            getattr(verify, "verify_mode", 2) == 2
            and getattr(verify, "check_hostname", True)
        ):
            msg = "the SSLContext must check certificates and host names"
        elif self.certificate is not None and not is_file:
            msg = "load the certificate into the SSLContext instead"
        elif self.key is not None and self.certificate is None:
            msg = "key goes with a certificate; pass that, too"
        if msg:
            raise TransportError(msg)

    def context(self) -> ssl.SSLContext:
        """
        Read the files and make the context.

        Raises:
            OSError: If a file cannot be used.
        """
        import ssl

        if isinstance(self.verify, ssl.SSLContext):
            return self.verify
        if self.verify is None:
            context = ssl.create_default_context()
        elif Path(self.verify).is_dir():
            context = ssl.create_default_context(capath=self.verify)
        else:
            context = ssl.create_default_context(cafile=self.verify)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


# By the name of an exception's class; the first that fits.
_PHRASES: Final[Mapping[str, str]] = {
    "SSLError": "TLS failed; check that the URL's port speaks TLS, and the "
    "certificates that verify, certificate and key name",
    "gaierror": "its name is not known; check the URL and the network",
    "ConnectionRefusedError": "it refuses the connection; check that the "
    "broker runs and that the port is right",
    "FileNotFoundError": "a file that verify, certificate or key names is "
    "missing; check its path",
    "PermissionError": "a file that verify, certificate or key names cannot "
    "be read; check its rights",
    "TimeoutError": LATE,
    "ConnectionError": "the connection broke; check what the log of the other "
    "side says of it, and the network",
    "OSError": "it cannot be reached; check that it runs, the URL and the "
    "network",
}


def explain(error: BaseException, *, timeout_seconds: float) -> str:
    """
    Say what went wrong, by the kind of *error* and never by its text.

    Args:
        error: What the library or the system raised.

        timeout_seconds: What the whole transfer was allowed to take.
    """
    if isinstance(error, MissingExtraError):
        return str(error)
    names = {kind.__name__ for kind in type(error).__mro__}
    if "SSLCertVerificationError" in names:
        return explain_certificate(error)
    for name, phrase in _PHRASES.items():
        if name in names:
            return phrase.format(timeout_seconds)
    return f"the transfer failed ({type(error).__name__})"
