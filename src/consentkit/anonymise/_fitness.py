# SPDX-License-Identifier: MIT
"""
Whether what stands where a code or a link should may be taken.

What the scrubber takes out of a log line is not taken out of a clipboard
either, also where a link spells it in its own way: percent-encoded, or with
other signs between the figures. Beside that, a link says by the names of its
parameters what a credential is, in words that say nothing in a log.

Obligation: WP-CLIP-2 (the declared pattern leaves, the rest is discarded).
"""

from __future__ import annotations

import re

from collections.abc import Iterator

from . import _validators as v
from .nested import DENIED_KEYS
from .scrub import scrub


__all__ = ["is_fit"]

#: How many times over something is decoded.
_MOST_LAYERS = 3

#: What names a link's server, and is no secret of a person there.
_SERVER = frozenset({"HOST_IP", "IPV4"})

_HOST = re.compile(r"https?://[^/?#]*")

_PARAMETER = re.compile(r"(?<![^?&#;/!\s])([^=?&#;/!\s]{1,64})=([^&#;\s]*)")

#: Words of a parameter's name that make its value a credential.
_TELLING_WORDS = frozenset(
    {
        "assertion",
        "auth",
        "bearer",
        "hmac",
        "jwt",
        "oauth",
        "otp",
        "pass",
        "passcode",
        "pin",
        "pw",
        "session",
        "sid",
        "sig",
        "signature",
        "verifier",
    }
)

#: As ends of a name that is written in one.
_TELLING_ENDS = ("auth", "otp", "session", "signature")

#: Whole names: an invitation's link has ``invite_code``, and no secret in it.
_TELLING_NAMES = frozenset({"code", "samlresponse"})

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

_STRIPPED = str.maketrans("", "", "-_ .")

#: What is read only in a link: users, and credentials in its path; and what
#: nothing but a key or a token begins with, be it as short as it may.
_CREDENTIAL = re.compile(
    r"://[^/?#]{0,300}@"
    r"|/bot[0-9]{5,12}:[0-9A-Za-z_-]{20}"
    r"|(?i:/(?:web-?)?hooks?(?:b2)?/)\S{0,200}?"
    r"(?=[A-Za-z_-]{0,40}[0-9])[0-9A-Za-z_-]{16}"
    r"|(?<![0-9A-Za-z])(?:eyJ(?:hbGci|0eXAi|raWQi|jdHki|lbmMi)"
    r"|(?:[prs]k_(?:live|test)_|sk-|gh[oprsu]_|github_pat_|glpat-|xox[a-z]-)"
    r"[0-9A-Za-z])"
)

_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")

_BETWEEN_FIGURES = re.compile(r"(?<=[0-9])[.+_~*,](?=[0-9])")

_LONG_FIGURE = re.compile(r"(?<![0-9])[0-9][0-9 -]{11,24}[0-9Xx](?![0-9])")


def is_fit(value: str) -> bool:
    """
    Tell whether a value may be taken: no secret, and nothing personal.

    Args:
        value: A code or a link of at most some thousand characters.
    """
    spellings = [*_spellings(value)]
    if any(map(_is_telling, spellings)):
        return False
    # The host may be four figures with signs between.
    rest = _HOST.sub("", spellings[-1], count=1)
    return not _is_found(_BETWEEN_FIGURES.sub(" ", rest))


def _spellings(value: str) -> Iterator[str]:
    """
    Give *value* as it is and as servers read it, layer by layer.
    """
    yield value
    for _ in range(_MOST_LAYERS):
        plain = _ESCAPES.sub(_unescaped, value.replace("+", " "))
        if plain == value:
            return
        value = plain
        yield value


def _unescaped(match: re.Match[str]) -> str:
    data = bytes.fromhex(match[0].replace("%", ""))
    return data.decode("utf-8", errors="replace")


def _is_telling(text: str) -> bool:
    return (
        _CREDENTIAL.search(text) is not None
        or _is_found(text)
        or any(map(_is_number, _LONG_FIGURE.findall(text)))
        or any(_is_credential(*pair) for pair in _PARAMETER.findall(text))
    )


def _is_found(text: str) -> bool:
    """
    Tell whether the scrubber finds something, beside the link's server.
    """
    host = _HOST.match(text)
    end = host.end() if host else 0
    scrubbed = scrub(text)
    return scrubbed.dropped or any(
        span.type not in _SERVER or span.end > end for span in scrubbed.spans
    )


def _is_number(figure: str) -> bool:
    """
    Tell whether a long figure is a card's or a person's by its check digit.

    In a log the issuer counts too; here a card of whatever issuer stays.
    """
    digits = re.sub(r"[ -]", "", figure)
    if digits.isdecimal() and 13 <= len(digits) <= 19 and v.is_luhn(digits):
        return True
    return len(digits) == 18 and v.is_resident_id(digits)


def _is_credential(name: str, value: str) -> bool:
    """
    Tell whether a parameter is one: by its name, or as it is called a key
    and looks like one.
    """
    words = {word.lower() for word in _WORD.findall(name)}
    plain = name.lower().translate(_STRIPPED)
    return (
        plain in _TELLING_NAMES
        or plain.endswith(_TELLING_ENDS)
        or not words.isdisjoint(_TELLING_WORDS)
        or any(key in plain for key in DENIED_KEYS)
        or ("key" in words and _is_random(value))
    )


def _is_random(value: str) -> bool:
    has_digit = re.search("[0-9]", value) is not None
    return len(value) >= 16 and has_digit and not value.isdecimal()
