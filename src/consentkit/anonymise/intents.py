# SPDX-License-Identifier: MIT
"""
What an app may take out of a clipboard: the declared part and nothing else.

An *intent* is declared by name, and is a marker with a code: a link, a share
code, a passcode, an invite code. From a text without its marker nothing is
taken, not even its length. A part in which the scrubber finds something, such
as a key, a card or an identity number, is refused although it stands where a
code should.

This module runs inside a helper process, so that the rest of the clipboard
never exists in the app's own memory (a Python string cannot be erased). It
must therefore stay importable by itself, from its file, under
``python -I -S``: only ``re`` and ``typing``, no attrs, no relative imports.
The scrubber is imported only when something was found.

Obligation: WP-CLIP-2 (the declared pattern leaves, the rest is discarded).
"""

from __future__ import annotations

import re

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple


__all__ = [
    "INTENTS",
    "LIMIT_CHARACTERS",
    "Intent",
    "Take",
    "may_be_taken",
    "take",
]

#: Only so much of a text is looked at; cut before any matching.
LIMIT_CHARACTERS = 8192


class Intent(NamedTuple):
    """
    One kind of thing that may be taken.

    Attributes:
        name: What policies call it.

        pattern: A regular expression with bounded repeats only, possessive
            over single characters at most: over groups they are wrong on
            CPython 3.11.0 to 3.11.4. The last named group that it closes is
            what may be taken.

        form: What it looks like by itself, without its marker, in the same
            manner.
    """

    name: str
    pattern: str
    form: str


class Take(NamedTuple):
    """
    What was taken.

    Attributes:
        intent: The name of the intent that it fits.

        value: The part of the text, absent from the ``repr``.
    """

    intent: str
    value: str

    def __repr__(self) -> str:
        return f"Take(intent={self.intent!r})"


_LINK = (
    r"https?://(?=[A-Za-z0-9])[A-Za-z0-9.-]{1,253}+(?::[0-9]{1,5}+)?"
    r"(?:[/?#][A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]{0,1800}+)?"
)
_BETWEEN = r"(?P<mark>[￥¥])[A-Za-z0-9]{8,16}+(?P=mark)"
_HASHED = r"#[A-Za-z0-9]{6,16}+#"
_SHARED = r"[a-z][a-z0-9]{0,11}+-share:[A-Za-z0-9]{8,24}+"
_FIGURES = r"[0-9]{4,8}+"
_INVITE = r"[A-Z0-9]{4,12}+(?:-[A-Z0-9]{3,8}+){0,3}"

_INTENTS = (
    Intent(
        "link",
        rf"(?<![A-Za-z0-9])(?P<link>{_LINK})"
        # Half a link is another link.
        r"(?![A-Za-z0-9\-_~/?#@$&*+=%]|:\S)",
        _LINK,
    ),
    Intent(
        "share_code",
        r"(?<![A-Za-z0-9])(?P<code>"
        rf"{_BETWEEN}"
        rf"|(?<=口令){_HASHED}"
        rf"|(?<=口令[ ：:]){_HASHED}"
        rf"|{_SHARED}"
        r")(?![A-Za-z0-9])",
        f"{_BETWEEN}|{_HASHED}|{_SHARED}",
    ),
    Intent(
        "passcode",
        r"(?:(?:验证|校验|动态|确认|登录|激活)(?:密码|码)"
        r"|(?i:(?<![a-z])(?:verification|security|confirmation|login|sign-in"
        r"|one-time|access|authentication) (?:code|passcode|pin|password)"
        r"|(?<![a-z])(?:passcode|otp))(?![A-Za-z]))"
        r"(?i: is)?[ ：:,，是为【\[(（]{0,4}+"
        # Not part of a longer figure, an amount, a date or a time.
        rf"(?P<behind>{_FIGURES})(?![0-9A-Za-z]|[.:/-][0-9])"
        rf"|(?<![A-Za-z0-9.,:/-])(?:[A-Z]{{1,2}}-)?(?P<before>{_FIGURES})"
        r"(?i: is your (?:[a-z]{1,20}+ ){0,3}(?:code|passcode|pin)(?![a-z]))",
        _FIGURES,
    ),
    Intent(
        "invite",
        r"(?:(?:邀请|邀請)[码碼]"
        r"|(?i:(?<![a-z])(?:invite|invitation|referral) code(?: is)?))"
        r"[ ：:是为#]{1,4}+"
        rf"(?P<code>{_INVITE})"
        r"(?![A-Za-z0-9_-])",
        _INVITE,
    ),
)

#: The intents that a policy may declare, by name.
INTENTS: Mapping[str, Intent] = MappingProxyType(
    {intent.name: intent for intent in _INTENTS}
)


def take(text: str, intents: Sequence[str]) -> Take | None:
    """
    Take the first declared thing out of a text.

    Args:
        text: The clipboard's content. Only its first
            :data:`LIMIT_CHARACTERS` are looked at.

        intents: Names out of :data:`INTENTS`, tried in this order.

    Returns:
        What was found, or None: nothing declared is there, or what is there
        looks like a secret, a card or an identity number.

    Raises:
        ValueError: If a name is not in :data:`INTENTS`.
    """
    unknown = [name for name in intents if name not in INTENTS]
    if unknown:
        msg = f"`intents` must be names out of {sorted(INTENTS)}"
        raise ValueError(msg)
    head = text[:LIMIT_CHARACTERS]
    for name in intents:
        # `re` keeps what it compiled, and compiles nothing at import.
        match = re.search(INTENTS[name].pattern, head)
        if match:
            value = _trimmed(match[match.lastgroup or 0])
            # Where a match meets the limit, it may be half of a code.
            is_whole = len(text) == len(head) or match.end() < len(head)
            return Take(name, value) if is_whole and _is_fit(value) else None
    return None


def may_be_taken(
    intent: object, value: object, intents: Sequence[str]
) -> bool:
    """
    Tell whether what was taken somewhere else may be given on.

    A source of an app's own gives what it likes; it is held to what ours
    give.

    Args:
        intent: The name that it was given.

        value: What was taken.

        intents: The names that are declared.

    .. versionadded:: 26.1.0
    """
    if not (isinstance(intent, str) and isinstance(value, str)):
        return False
    if intent not in intents or len(value) > LIMIT_CHARACTERS:
        return False
    form = INTENTS[intent].form
    return re.fullmatch(form, value) is not None and _is_fit(value)


def _trimmed(value: str) -> str:
    """
    Cut off the marks of the sentence that a link stands in.
    """
    while value[-1] in ".,;:!'" or (
        value[-1] in ")]" and not {"(", "["}.intersection(value)
    ):
        value = value[:-1]
    return value


def _is_fit(value: str) -> bool:
    """
    Tell whether a value may be taken: no secret, card or identity number.
    """
    # Only for what was found: it loads the rules of the scrubber.
    from consentkit.anonymise._fitness import is_fit

    return is_fit(value)
