# SPDX-License-Identifier: MIT
"""
Personal data taken out of mappings, lists, JSON bodies and exceptions.

What a key says counts twice: values under a telling name go whole, and the
other values are scrubbed with their name before them, as ``phone=...`` says
more than the figures alone.

In honest words: a name that is not in the list, with a value that has no
form, stays. Declared fields are better.
"""

from __future__ import annotations

import json
import math
import traceback

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final

from .scrub import (
    DROPPED,
    LIMIT_CHARACTERS,
    Scrubbed,
    Scrubber,
    default_scrubber,
)


if TYPE_CHECKING:
    from consentkit.typing import JSON


__all__ = [
    "DENIED_KEYS",
    "LIMIT_DEPTH",
    "LIMIT_ITEMS",
    "scrub_exception",
    "scrub_value",
]

#: Values under a key that holds one of these are replaced whole. Keys are
#: compared in lower case, without ``-``, ``_``, blanks and full stops.
DENIED_KEYS: Final[frozenset[str]] = frozenset(
    {
        "accesskey",
        "apikey",
        "authkey",
        "authorization",
        "cookie",
        "credential",
        "csrf",
        "passcode",
        "passphrase",
        "passwd",
        "password",
        "privatekey",
        "passwort",
        "pwd",
        "secret",
        "sessionid",
        "sessid",
        "setcookie",
        "token",
        "xsrf",
        "密码",
        "口令",
        "令牌",
    }
)

#: Keys that are compared whole: parts of other words.
_WHOLE_KEYS: Final[frozenset[str]] = frozenset(
    {
        *("auth", "cvc", "cvv", "otp", "pass", "pin", "pw", "session", "sid"),
        *("contraseña", "kennwort", "motdepasse", "sig", "signature"),
    }
)

#: The keys of a pair, in mappings that hold a name and a value.
_NAME_KEYS: Final = ("name", "key", "header", "field")

#: Below so many levels nothing is kept.
LIMIT_DEPTH = 16

#: Past so many keys and values, in all, nothing is kept.
LIMIT_ITEMS = 10_000

_SECRET = "<SECRET_VALUE>"  # noqa: S105 - it stands for one

_STRIPPED = str.maketrans("", "", "-_ .")


def scrub_value(value: object, *, scrubber: Scrubber | None = None) -> JSON:
    """
    Replace the personal data in a nested value.

    Mappings, sequences and sets are walked; a text that is a JSON object or
    array is walked too, and written again. Bytes are read as UTF-8. Of any
    other object nothing is kept but the name of its class: its own text may
    say anything.

    Args:
        value: Of any shape. It is not changed.

        scrubber: What scrubs the texts; by default one of all packs.

    Returns:
        Mappings with texts as keys, lists, texts, numbers, booleans and None:
        what JSON can hold. Not more than :data:`LIMIT_ITEMS` items and
        :data:`LIMIT_DEPTH` levels; what is over reads :data:`DROPPED`.

    .. versionadded:: 26.1.0
    """
    walk = _Walk(scrubber or default_scrubber())
    try:
        return walk.value(value, "", 0)
    except Exception:  # noqa: BLE001 - whatever it is, nothing may pass
        return DROPPED


def scrub_exception(
    error: BaseException, *, scrubber: Scrubber | None = None
) -> str:
    """
    Describe an exception and its causes without personal data.

    For each frame the file, line and function, scrubbed; never locals and
    never lines of source, nor the one that a `SyntaxError` has with it.
    Messages and notes are scrubbed.

    Returns:
        Several lines, as a traceback has them.

    .. versionadded:: 26.1.0
    """
    used = scrubber or default_scrubber()
    try:
        # Lines of source are looked up by default, and would be read.
        told = traceback.TracebackException.from_exception(
            error, lookup_lines=False, capture_locals=False, limit=100
        )
        lines: list[str] = []
        _tell(told, lines, 0)
        return "\n".join(used.scrub(line).text for line in lines)
    except Exception:  # noqa: BLE001 - as above
        return DROPPED


def _tell(
    told: traceback.TracebackException, lines: list[str], depth: int
) -> None:
    cause = told.__cause__
    if cause is None and not told.__suppress_context__:
        cause = told.__context__
    if cause is not None and depth < LIMIT_DEPTH:
        _tell(cause, lines, depth + 1)
        lines.append("which led to:")
    lines.extend(
        f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
        for frame in told.stack
    )
    # A message of several lines may hold one value over two of them.
    lines.append(_message(told))
    for inner in (told.exceptions or ())[:LIMIT_DEPTH]:
        if depth < LIMIT_DEPTH:
            lines.append("in a group:")
            _tell(inner, lines, depth + 1)


def _message(told: traceback.TracebackException) -> str:
    """
    Give the class, text and notes; of a `SyntaxError` its place, too.
    """
    if hasattr(told, "text"):
        # A line of source, or whatever was to be read as one.
        told.text = None  # type: ignore[assignment]
    return "".join(told.format_exception_only()).rstrip("\n")


class _Walk:
    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._left = LIMIT_ITEMS

    def value(self, value: object, name: str, depth: int) -> JSON:
        """
        Scrub one value that stands under *name*.
        """
        self._left -= 1
        if self._left < 0 or depth > LIMIT_DEPTH:
            return DROPPED
        if value is None or isinstance(value, bool):
            return value
        if name and _is_denied(name):
            return _SECRET
        match value:
            case int() | float():
                return self._number(value, name)
            case str():
                return self._text(value, name, depth)
            case bytes() | bytearray() | memoryview():
                head = bytes(value[: 4 * LIMIT_CHARACTERS + 4])
                return self._text(_decoded(head), name, depth)
            case Mapping():
                return self._mapping(value, depth)
            case Sequence() | AbstractSet():
                return self._list(value, name, depth)
        return f"<{type(value).__name__}>"

    def _mapping(self, value: Mapping[object, object], depth: int) -> JSON:
        made: dict[str, JSON] = {}
        told = next((value[it] for it in _NAME_KEYS if it in value), None)
        pair = _as_name(told) if "value" in value else ""
        for key, item in value.items():
            if self._left < 0:
                break
            name = key if isinstance(key, str) else _as_name(key) or str(key)
            if name == "value" and pair:
                name = pair
                made["value"] = self.value(item, name, depth + 1)
                continue
            made[self._scrubber.scrub(name).text] = self.value(
                item, "" if item is told and pair else name, depth + 1
            )
        return made

    def _list(
        self,
        value: Sequence[object] | AbstractSet[object],
        name: str,
        depth: int,
    ) -> JSON:
        made: list[JSON] = []
        if isinstance(value, Sequence) and 2 <= len(value) <= 16:
            if len(value) == 2 and _is_denied(_as_name(value[0])):
                # Headers are lists of pairs.
                return [self.value(value[0], "", depth + 1), _SECRET]
            mark = self._parted(value, name)
            if mark:
                return [mark]
        for item in value:
            if self._left < 0:
                break
            made.append(self.value(item, name, depth + 1))
        return made

    def _parted(self, value: Sequence[object], name: str) -> str:
        """
        Give what stands for a number whose groups *value* holds, or nothing.
        """
        parts = [
            str(it)
            for it in value
            if isinstance(it, str) or (type(it) is int and 0 <= it < 10**8)
        ]
        if len(parts) < len(value) or not all(
            it.isdecimal() and len(it) <= 8 for it in parts
        ):
            return ""
        for sign in ("-", ""):
            whole = sign.join(parts)
            made = self._named(whole, name)
            if any(it.end - it.start == len(whole) for it in made.spans) or (
                made.spans and not any(map(str.isdecimal, made.text))
            ):
                return made.text
        return ""

    def _number(self, value: int | float, name: str) -> JSON:
        # A subclass may write itself in any way.
        plain = int(value) if isinstance(value, int) else float(value)
        if isinstance(plain, float) and not math.isfinite(plain):
            return None
        text = repr(plain) if abs(plain) < 10**25 else ""
        scrubbed = self._named(text, name)
        return plain if text and not scrubbed.spans else scrubbed.text

    def _text(self, text: str, name: str, depth: int) -> JSON:
        if len(text) <= LIMIT_CHARACTERS and text.lstrip()[:1] in {"{", "["}:
            try:
                body = json.loads(text)
            except (ValueError, RecursionError):
                body = None
            if isinstance(body, dict | list):
                walked = self.value(body, name, depth + 1)
                return json.dumps(walked, ensure_ascii=False)
        return self._named(text, name).text

    def _named(self, text: str, name: str) -> Scrubbed:
        """
        Scrub *text* as it would be with its name before it.
        """
        plain = self._scrubber.scrub(text)
        label = name[:64].replace("\n", " ")
        if plain.spans or plain.dropped or plain.cut or not label:
            return plain
        head = f"{label}="
        named = self._scrubber.scrub(head + text)
        if named.dropped or named.cut:
            return named
        mine = [span for span in named.spans if span.end > len(head)]
        if not mine:
            return plain
        parts: list[str] = []
        at = 0
        for span in mine:
            start = max(span.start - len(head), 0)
            parts += (text[at:start], f"<{span.type}>")
            at = span.end - len(head)
        return Scrubbed("".join((*parts, text[at:])), tuple(mine))


def _is_denied(name: str) -> bool:
    plain = name.lower().translate(_STRIPPED)
    return plain in _WHOLE_KEYS or any(key in plain for key in DENIED_KEYS)


def _as_name(value: object) -> str:
    """
    Read a text or bytes as a name; of all else, none.
    """
    if isinstance(value, bytes):
        value = value[:128].decode("utf-8", "replace")
    return value if isinstance(value, str) and len(value) <= 128 else ""


def _decoded(head: bytes) -> str:
    """
    Read bytes as UTF-8, or as UTF-16 where every other one is a zero.
    """
    half = len(head) // 2
    for at, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if half >= 4 and head[at::2].count(0) * 10 >= half * 9:
            return head.decode(encoding, "replace")
    return head.decode("utf-8", "replace")
