# SPDX-License-Identifier: MIT
"""
Whose host it is, and whether an SDK may go there.
"""

from __future__ import annotations

import ipaddress
import re

from collections.abc import Collection, Iterable, Iterator, Mapping
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
            its own; ``*.`` in front stands for every name below. One that
            is known to stand elsewhere is not declared by that.
    """

    def __init__(
        self,
        entries: Mapping[str, SDKEntry],
        *,
        countries: Mapping[str, Collection[str]],
        more: Mapping[str, Iterable[str]],
    ) -> None:
        self._countries = countries
        # Of each host, or "*." and the end of names: the SDKs.
        self._declared: dict[str, set[str]] = {}
        self._more: dict[str, set[str]] = {}
        #: With the region where it stands, which the policy does not say.
        self._elsewhere: dict[str, dict[str, str]] = {}
        self._known: dict[str, frozenset[str]] = {}
        for sdk, entry in entries.items():
            where = countries.get(sdk, ())
            for host in entry.hosts:
                name = _plain(host.name)
                if not where or host.may_stand_in(where):
                    self._declared.setdefault(name, set()).add(sdk)
                else:
                    self._elsewhere.setdefault(name, {})[sdk] = host.region
            for named in more.get(sdk, ()):
                self._more.setdefault(_plain(named), set()).add(sdk)

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

    def elsewhere(self, sdk: str, host: str) -> tuple[str, str]:
        """
        Say where *host* of *sdk* stands, if that is not where the policy says
        that its data goes, and where that is; two empty texts if not.
        """
        if sdk not in self.whose(host):
            for name in _names_of(host):
                region = self._elsewhere.get(name, {}).get(sdk)
                if region:
                    return region, " or ".join(sorted(self._countries[sdk]))
        return "", ""

    def _find(self, host: str) -> frozenset[str]:
        declared: set[str] = set()
        more: set[str] = set()
        elsewhere: set[str] = set()
        for name in _names_of(host):
            declared |= self._declared.get(name, set())
            more |= self._more.get(name, set())
            elsewhere |= self._elsewhere.get(name, {}).keys()
        # The app names servers of its own; it moves none to another country.
        return frozenset(declared | (more - elsewhere))


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _names_of(host: str) -> Iterator[str]:
    """
    Give the names by which *host* may be declared.
    """
    yield host
    above = host.partition(".")[2]
    while above:
        yield f"*.{above}"
        above = above.partition(".")[2]
