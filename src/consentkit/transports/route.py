# SPDX-License-Identifier: MIT
"""
What only the app knows of a way: where it ends, and what it is capable of.

A transport states itself what it can find out: that it speaks TLS, that it
seals. Nobody but the app knows in which country a host stands, or that a
relay before it keeps the sender's address to itself.
"""

from __future__ import annotations

import re

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

from consentkit.exceptions import TransportError
from consentkit.transports._passing import PassingTransport
from consentkit.transports.base import Transport


__all__ = ["route"]

_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_STATED: Final = ("encrypted", "no-address")
# What is said in another way.
_ELSEWHERE: Final = {
    "region": 'say where it ends: region="CN"',
    "sealed": "it is sealed where seal_for names a key of the recipient",
}


def route(
    transport: str | Transport,
    *,
    region: str = "",
    capabilities: Iterable[str] = (),
) -> Transport:
    """
    Say of *transport* what it cannot find out by itself.

    It is believed: whoever says what is not so breaks the policy's word, not
    the transport's.

    Args:
        transport: A URL or a transport, which is closed with the new one.

        region: The country in which the way ends, ISO 3166-1 alpha-2; empty
            leaves it as the transport says.

        capabilities: What the way is capable of beside what the transport
            states: ``encrypted``, ``no-address``.

    Returns:
        A transport that sends by *transport*.

    Raises:
        TransportError: If *transport* is named wrongly, *region* is no
            country, or one of *capabilities* is none to state.

        TypeError: If *transport* is neither a URL nor a transport.

    .. versionadded:: 26.1.0
    """
    words = (
        {capabilities} if isinstance(capabilities, str) else {*capabilities}
    )
    msg = ""
    if region and not _COUNTRY.fullmatch(region):
        msg = (
            f"region={region!r} is no country; give two capital letters of "
            "ISO 3166-1, such as CN"
        )
    for word in sorted(words.difference(_STATED)):
        msg = f"{word!r} is nothing to state of a way; "
        msg += _ELSEWHERE.get(word, f"known are {', '.join(_STATED)}")
    if msg:
        raise TransportError(msg)
    made: object = transport
    if isinstance(transport, str):
        from consentkit.transports import transport_from_url

        made = transport_from_url(transport)
    if not isinstance(made, Transport):
        msg = "route takes the URL of a transport, or a transport"
        raise TypeError(msg)
    return _Routed(made, region, frozenset(words))


class _Routed(PassingTransport):
    """
    A transport of which the app has said something.
    """

    def __init__(
        self, inner: Transport, region: str, capabilities: frozenset[str]
    ) -> None:
        super().__init__(inner)
        self.region: str = region or inner.region
        self._said = capabilities

    def __repr__(self) -> str:
        said = ", ".join(filter(None, (self.region, *sorted(self._said))))
        return f"<route of {self._inner!r}: {said or 'nothing'}>"

    @property
    def capabilities(self) -> AbstractSet[str]:  # type: ignore[override]
        """
        What the inner transport states now, and what the app said.
        """
        return self._said | self._inner.capabilities
