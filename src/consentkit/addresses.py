# SPDX-License-Identifier: MIT
"""
A guard for the addresses that an embedded web page opens.

A page inside an app may ask for any address; what lies on the device is
reached by ``file:`` or by a path that climbs out of its folder. The guard
knows what may be opened and refuses all else, after an address was decoded
and its path resolved: what is checked is what would be opened.

What it does not hold: scripts of a page that is allowed, and a server that
leads elsewhere. Ask again for each address that a page is led to.
"""

from __future__ import annotations

import re

from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from attrs import field, frozen


__all__ = ["AddressGuard", "Verdict"]

# As often as an address is decoded; what is still encoded then hides
# something.
_MOST_DECODINGS: Final = 3

_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")

# Browsers drop or turn these around; whoever writes them wants that.
_STRANGE: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\]")


@frozen(kw_only=True)
class Verdict:
    """
    What the guard says of an address; it is true where it may be opened.

    Attributes:
        allowed: Whether it may be opened.

        reason: Why not, without the address; empty if it may.
    """

    allowed: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.allowed


_YES: Final = Verdict(allowed=True)


def _no(reason: str) -> Verdict:
    return Verdict(allowed=False, reason=reason)


def _lower(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _resolved(roots: Iterable[str | Path]) -> tuple[Path, ...]:
    return tuple(Path(root).resolve() for root in roots)


@frozen(kw_only=True)
class AddressGuard:
    """
    What may be opened; all else may not.

    Attributes:
        schemes: Of addresses in the network, such as ``https``; ``file`` is
            none of them.

        hosts: Names of hosts, whole: a host below one of them is another.

        roots: Folders whose files may be opened by ``file:``, as the app's
            own pages.
    """

    schemes: frozenset[str] = field(
        default=frozenset({"https"}), converter=_lower
    )
    hosts: frozenset[str] = field(default=frozenset(), converter=_lower)
    roots: tuple[Path, ...] = field(default=(), converter=_resolved)

    def check(self, address: str) -> Verdict:
        """
        Say whether *address* may be opened now.

        A file is looked for on the disk, so that a link that leads out of
        its folder is seen.

        Args:
            address: As the page gives it, whole.
        """
        if _STRANGE.search(address):
            return _no("it holds blanks, backslashes or control characters")
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            return _no("it is no address")
        scheme = parts.scheme.lower()
        if scheme == "file":
            return self._check_file(parts.netloc, parts.path)
        if scheme not in self.schemes:
            return _no("its scheme is not on the list")
        host = (parts.hostname or "").lower()
        if "@" in parts.netloc or not _HOST.fullmatch(host):
            return _no("its host is not written plainly")
        if host not in self.hosts:
            return _no("its host is not on the list")
        if port not in (None, 80, 443):
            return _no("its port is not that of its scheme")
        return _YES

    def _check_file(self, host: str, path: str) -> Verdict:
        if host.lower() not in ("", "localhost"):
            return _no("a file of another machine")
        plain = path
        for _ in range(_MOST_DECODINGS):
            plain = unquote(plain)
        if plain != unquote(plain):
            return _no("its path is encoded again and again")
        if _STRANGE.search(plain) or not plain.startswith("/"):
            return _no("its path is not written plainly")
        try:
            # Both readings: one decoding is what a browser does.
            found = {Path(p).resolve() for p in (unquote(path), plain)}
        except (OSError, RuntimeError, ValueError):
            return _no("its path leads nowhere")
        inside = all(
            any(one.is_relative_to(root) for root in self.roots)
            for one in found
        )
        return _YES if inside else _no("it lies in no folder of the list")
