# SPDX-License-Identifier: MIT
"""
A jar of cookies that asks the gate, for whatever HTTP client takes a jar.

Each cookie belongs to a function of the policy, which declares its kind of
identifier. It is set, kept and sent while the person has that function on;
one that belongs to no function is never set. The jar keeps them in memory:
with the choices in the ledger, what is refused stays refused over a restart.

    jar = ConsentJar(kit, {"session": "register", "_ga*": "statistics"})
    client = httpx.Client(cookies=jar)

What it does not hold: a web view and a browser have jars of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.request import Request

from consentkit.gate import Permit, Reason, Refusal


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["ConsentJar"]


class ConsentJar(CookieJar):
    """
    Cookies, each under the consent to its function.

    It lists them when it is iterated over, and `clear` deletes them, as of
    any jar.

    Args:
        kit: The app's, or that of one person.

        functions: By name of a cookie, or a pattern with ``*``, the id of
            the function that it belongs to; the first that fits counts.

        data_type: The type that these functions declare for it.

        policy: The client's own rules on domains and paths, which hold
            besides.

    Raises:
        ValueError: If a function is not one of the policy, or does not
            declare the type.
    """

    def __init__(
        self,
        kit: Kit,
        functions: Mapping[str, str],
        *,
        data_type: str = "cookie_id",
        policy: DefaultCookiePolicy | None = None,
    ) -> None:
        super().__init__(policy)
        for function in functions.values():
            found = kit.policy.functions.get(function)
            if found is None or data_type not in found.clauses:
                msg = f"the policy has no {data_type} for {function!r}"
                raise ValueError(msg)
        self._kit = kit
        self._functions = dict(functions)
        self._data_type = data_type

    def __repr__(self) -> str:
        return f"<ConsentJar: {len(self)} cookies>"

    def decide(self, name: str) -> Permit | Refusal:
        """
        Ask the gate about the cookie *name*, now.
        """
        for pattern, function in self._functions.items():
            if fnmatchcase(name, pattern):
                return self._kit.decide(
                    function, self._data_type, in_use=True, act=True
                )
        return Refusal(
            reason=Reason.UNDECLARED_FUNCTION,
            function="",
            data_type=self._data_type,
            detail="no function is named for this cookie",
        )

    def set_cookie(self, cookie: Cookie) -> None:
        """
        Keep *cookie* if its function is permitted; else nothing happens.
        """
        if self.decide(cookie.name):
            super().set_cookie(cookie)

    def add_cookie_header(self, request: Request) -> None:
        """
        Put into *request* what may be sent, after a `sweep`.
        """
        self.sweep()
        super().add_cookie_header(request)

    def __iter__(self) -> Iterator[Cookie]:
        """
        List what may be kept, after a `sweep`.
        """
        self.sweep()
        return super().__iter__()

    def sweep(self) -> int:
        """
        Delete what may not be kept any more, and tell how many.

        It is done whenever the jar is looked into; call it after a
        withdrawal, and it is done at once.
        """
        held = list(super().__iter__())
        doomed = [cookie for cookie in held if not self.decide(cookie.name)]
        for cookie in doomed:
            self.clear(cookie.domain, cookie.path, cookie.name)
        return len(doomed)
