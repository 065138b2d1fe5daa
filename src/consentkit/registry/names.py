# SPDX-License-Identifier: MIT
"""
Which names an address was found by.

A connection goes to an address, and a declaration names hosts. So the answers
of `socket` to look-ups are remembered, for as long as somebody wants to know.
"""

from __future__ import annotations

import socket

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from consentkit._fork import Mutex


__all__ = ["names_of", "remember_names"]

_MOST: Final = 8_192
_MOST_NAMES: Final = 16

_names: OrderedDict[str, tuple[str, ...]] = OrderedDict()
_guard = Mutex()
_is_remembering = False


def names_of(address: str) -> tuple[str, ...]:
    """
    Give the names that *address* was the answer to, the last one last.
    """
    return _names.get(address, ())


def remember_names() -> None:
    """
    Remember the answers to look-ups from now on.

    The three functions of `socket` are wrapped, once for the process, and
    stay so: somebody may have taken them meanwhile.
    """
    global _is_remembering  # noqa: PLW0603 - as `socket` is
    with _guard:
        if _is_remembering:
            return
        _is_remembering = True
    for name, addresses in (
        ("getaddrinfo", _of_getaddrinfo),
        ("gethostbyname", _of_gethostbyname),
        ("gethostbyname_ex", _of_gethostbyname_ex),
    ):
        setattr(socket, name, _remembering(getattr(socket, name), addresses))


def _remembering(
    look_up: Callable[..., Any], addresses: Callable[[Any], list[str]]
) -> Callable[..., Any]:
    @wraps(look_up)
    def remembering(*args: Any, **kwargs: Any) -> Any:
        answer = look_up(*args, **kwargs)
        host = args[0] if args else kwargs.get("host", "")
        _remember(host, addresses(answer))
        return answer

    return remembering


def _remember(host: object, addresses: list[str]) -> None:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str) or not host:
        return
    name = host.rstrip(".").lower()
    with _guard:
        for address in addresses:
            names = _names.pop(address, ())
            others = tuple(n for n in names if n != name)
            _names[address] = (*others[1 - _MOST_NAMES :], name)
        while len(_names) > _MOST:
            _names.popitem(last=False)


def _of_getaddrinfo(answer: Any) -> list[str]:
    return [str(found[4][0]) for found in answer]


def _of_gethostbyname(answer: Any) -> list[str]:
    return [str(answer)]


def _of_gethostbyname_ex(answer: Any) -> list[str]:
    return [str(address) for address in answer[2]]
