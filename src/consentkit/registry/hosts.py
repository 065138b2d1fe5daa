# SPDX-License-Identifier: MIT
"""
Whose host it is, and whether an SDK may go there.
"""

from __future__ import annotations

import ipaddress
import re

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Final, final

from consentkit.registry.model import SDKEntry


__all__ = ["Hosts", "check_hosts", "is_loopback", "wrong_host"]

_MOST_KNOWN: Final = 4_096
_NAME: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
# Under a country, such as "co" in "co.uk": what is below belongs to many.
# Only the usual ones; there are thousands.
_SHARED: Final = frozenset(
    (
        *("ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "gv"),
        *("ltd", "me", "mil", "ne", "net", "nom", "or", "org", "plc"),
    )
)
_NUMBER: Final = re.compile(r"\d+|0[xX][0-9a-fA-F]*")


def wrong_host(name: str) -> str:
    """
    Say why *name*, which is spelt as a host is, stands for none or for too
    many, and what would be right; or nothing.
    """
    rest = name.removeprefix("*.")
    *_, above, last = ("", *rest.rstrip(".").split("."))
    if _NUMBER.fullmatch(last):
        # Whoever looks it up takes it for an address, in any spelling.
        with suppress(ValueError):
            ipaddress.IPv4Address(name)
            return ""
        return f"{name} is no name; expected an address, such as '192.0.2.1'"
    is_shared = len(last) == 2 and rest.lower() == f"{above}.{last}".lower()
    if name != rest and is_shared and above.lower() in _SHARED:
        return (
            f"{name} stands for the names of everybody below {rest}; "
            f"expected those of one, such as '*.acme.{rest}'"
        )
    return ""


def check_hosts(
    hosts: Mapping[str, Iterable[str]], sdks: Collection[str]
) -> Mapping[str, tuple[str, ...]]:
    """
    Give hosts that an app names in the form that sockets know.

    Raises:
        ValueError: If one is no host, or is of none of *sdks*.
    """
    found: dict[str, tuple[str, ...]] = {}
    for sdk, names in hosts.items():
        if sdk not in sdks:
            msg = f"hosts: no function of the policy names the SDK {sdk!r}"
            raise ValueError(msg)
        if isinstance(names, str | bytes):
            msg = f"hosts[{sdk!r}]: expected a list of hosts, such as ['{sdk}.example']"
            raise ValueError(msg)  # noqa: TRY004 - as the others
        found[sdk] = tuple(_host(name, sdk) for name in names)
    return found


def _host(name: object, sdk: str) -> str:
    problem = (
        f"{name!r} is no host; expected a name, '*.' and the end of names, or "
        "an address, without scheme or port"
    )
    if isinstance(name, str):
        with suppress(ValueError):
            return str(ipaddress.ip_address(name.strip("[]")))
        wild = "*." * name.startswith("*.")
        rest = name.removeprefix("*.").rstrip(".")
        with suppress(UnicodeError):
            rest = rest.encode("idna").decode("ascii").lower()
            if _NAME.fullmatch(rest) and ("." in rest or not wild):
                found = wild + rest
                problem = wrong_host(found)
                if not problem:
                    return found
    msg = f"hosts[{sdk!r}]: {problem}"
    raise ValueError(msg)


@lru_cache(maxsize=4_096)
def is_loopback(host: str) -> bool:
    """
    Tell whether *host*, a name or an address, is this machine itself.
    """
    if not host or host == "localhost" or host.endswith(".localhost"):
        return True
    with suppress(ValueError):
        address = ipaddress.ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        return bool(mapped.is_loopback or mapped.is_unspecified)
    return False


@final
class Hosts:
    """
    The hosts of some SDKs.

    Args:
        entries: What is known of the SDKs, by id.

        countries: Where the policy says that each SDK's data goes, as codes
            of ISO 3166-1; hosts that are known to stand elsewhere are not
            declared.

        more: Hosts that the app itself names for an SDK, such as a server of
            its own; ``*.`` in front stands for every name below.
    """

    def __init__(
        self,
        entries: Mapping[str, SDKEntry],
        *,
        countries: Mapping[str, Collection[str]],
        more: Mapping[str, Iterable[str]],
    ) -> None:
        self._exact: dict[str, set[str]] = {}
        self._below: dict[str, set[str]] = {}
        self._known: dict[str, frozenset[str]] = {}
        for sdk, entry in entries.items():
            where = countries.get(sdk, ())
            for host in entry.hosts:
                if not where or host.may_stand_in(where):
                    self._add(sdk, host.name)
            for name in more.get(sdk, ()):
                self._add(sdk, name)

    def _add(self, sdk: str, name: str) -> None:
        name = name.rstrip(".").lower()
        table = self._below if name.startswith("*.") else self._exact
        table.setdefault(name.removeprefix("*."), set()).add(sdk)

    def whose(self, host: str) -> frozenset[str]:
        """
        Name the SDKs that *host*, in lower case, is a host of.
        """
        found = self._known.get(host)
        if found is None:
            found = self._find(host)
            if len(self._known) < _MOST_KNOWN:
                self._known[host] = found
        return found

    def _find(self, host: str) -> frozenset[str]:
        found = set(self._exact.get(host, ()))
        above = host.partition(".")[2]
        while above:
            found |= self._below.get(above, set())
            above = above.partition(".")[2]
        return frozenset(found)
