# SPDX-License-Identifier: MIT
"""
What a bearer token may be: the same for those who show and who ask for one.
"""

from __future__ import annotations

import re

from typing import Final


__all__ = ["SHOWABLE", "check_token", "is_token"]

#: The rule, for people.
SHOWABLE: Final = "visible ASCII characters without spaces"

_TOKEN: Final = re.compile(r"[!-~]{1,4096}")


def is_token(text: str) -> bool:
    """
    Tell whether *text* can be shown as a bearer token.
    """
    return _TOKEN.fullmatch(text) is not None


def check_token(token: str | None, origin: str) -> None:
    """
    Refuse to ask for a token that no sender can show.

    Args:
        token: The token, or ``None`` where there is none.

        origin: Where it came from, for people.

    Raises:
        ValueError: If so; the token is not in it.
    """
    if token is not None and not is_token(token):
        msg = (
            f"{origin}: a token must be 1 to 4096 {SHOWABLE}, or no sender "
            "could show it; make one with: python3 -c 'import secrets; "
            "print(secrets.token_urlsafe(32))'"
        )
        raise ValueError(msg)
