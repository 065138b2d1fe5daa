# SPDX-License-Identifier: MIT
"""
The way to a NATS server: its URL, who logs in there, and TLS.
"""

from __future__ import annotations

import asyncio
import re

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import field, frozen

from consentkit.exceptions import TransportError
from consentkit.transports._broker import (
    Place,
    Trust,
    check_text,
    need_library,
    read_url,
)


__all__ = ["InTheClearError", "Login", "Loop"]

_FORM: Final = "nats://host[:port]/SUBJECT"


class InTheClearError(Exception):
    """
    The connection is not encrypted, and has to be.
    """


@frozen(kw_only=True)
class Login:
    """
    Where a server is, and how to get in.

    Attributes:
        trust: For TLS, or ``None`` for none.

        secrets: User, password and token, by these names.
    """

    place: Place
    trust: Trust | None
    secrets: Mapping[str, str | None] = field(repr=False)

    @classmethod
    def of(
        cls,
        url: str,
        subjects: re.Pattern[str],
        trust: Trust,
        *,
        tls: bool | None,
        rule: str = "",
        **secrets: str | None,
    ) -> Login:
        """
        Check what an app gives, and put it together.

        Args:
            url: ``nats://host[:port]/SUBJECT``.

            subjects: Which subjects are taken.

            trust: Whom to trust, if TLS is spoken.

            tls: Whether it is; by default, but for this machine alone.

            rule: On subjects, for people.

            secrets: *user*, *password* and *token*.

        Raises:
            TransportError: If one of them cannot be used.

            MissingExtraError: If nats-py is not installed.
        """
        place = read_url(url, _FORM, {"nats": 4222})
        trust.check()
        for name, text in secrets.items():
            check_text(name, text)
        if tls is None:
            tls = trust.is_given or not place.is_loopback
        given = {name for name, text in secrets.items() if text is not None}
        msg = ""
        if not subjects.fullmatch(place.what):
            msg = f"the URL is not of the form {_FORM}{rule}"
        elif not tls and not place.is_loopback:
            msg = (
                f"nats://{place.host} is not encrypted; leave out tls=False "
                "(that is for 127.0.0.1, ::1 and localhost alone)"
            )
        elif not tls and trust.is_given:
            msg = "verify, certificate and key need TLS; leave out tls=False"
        elif ("user" in given) != ("password" in given):
            msg = "user and password go together; pass both or none"
        elif {"user", "token"} <= given:
            msg = "pass user and password, or a token, not both"
        if msg:
            raise TransportError(msg)
        need_library("nats", extra="nats", package="nats-py")
        return cls(place=place, trust=trust if tls else None, secrets=secrets)

    @property
    def url(self) -> str:
        """
        What the library connects to.
        """
        return f"nats://{self.place.origin.partition('://')[2]}"

    def credentials(self) -> dict[str, Callable[[], str]]:
        """
        Give what the library asks for when it is about to log in.
        """

        def when_encrypted(text: str) -> Callable[[], str]:
            def give() -> str:
                self.check_encrypted()
                return text

            return give

        return {
            name: when_encrypted(text)
            for name, text in self.secrets.items()
            if text is not None
        }

    def check_encrypted(self) -> None:
        """
        Stop in the clear: the library speaks TLS only if the server says so.

        Raises:
            InTheClearError: If the running `Loop` has begun no TLS.
        """
        loop = asyncio.get_running_loop()
        if self.trust is not None and not getattr(loop, "is_encrypted", None):
            raise InTheClearError


class Loop(asyncio.SelectorEventLoop):
    """
    An event loop that knows whether its connection is encrypted.

    Attributes:
        is_encrypted: Whether TLS is spoken, and the server is the right one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_encrypted = False

    async def start_tls(self, *args: Any, **options: Any) -> Any:
        """
        Begin TLS, and note that it is spoken.
        """
        made = await super().start_tls(*args, **options)
        self.is_encrypted = True
        return made
