# SPDX-License-Identifier: MIT
"""
Planted values, and the search for them in whatever came out.

A test plants values that are easy to tell from all others, lets the app do
its work, and looks through the disk, the wire, the logs and the errors. The
search knows a value as it is, in other cases, without its separators and
backwards; as UTF-8, UTF-16 and UTF-32; escaped as in JSON, URLs and Python;
in hexadecimal and base64; a number cut or rounded to five or more decimals;
what is written in figures alone, or in hexadecimal ones, as the bytes that it
stands for; and unpacks what was compressed (zlib, gzip, raw deflate, bzip2,
xz) or encoded, layer by layer.

What it does not find: a value that is encrypted or hashed, which is the
point; one that lies in two pieces; and one in a packing of another kind.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import json
import logging
import lzma
import re
import struct
import traceback
import zlib

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import quote


__all__ = ["Sentinels", "anatomy", "logged"]

#: Shorter texts are in everything.
_SHORTEST: Final = 5

#: Of what was encoded, less is too little to be sure of.
_SHORTEST_FORM_BYTES: Final = 8

#: So many bytes of a number are hardly anywhere by chance.
_SHORTEST_NUMBER_BYTES: Final = 6

#: One more or less is a metre on the ground.
_FEWEST_DECIMALS: Final = 5

_DEEPEST: Final = 3
_MOST_BYTES: Final = 64 * 1024 * 1024

#: What databases are full of; no form has so many in a row.
_EMPTY: Final = re.compile(rb"(?<=\0{16})\0+")

_HEX_RUN: Final = re.compile(rb"(?:[0-9A-Fa-f]{2}){8,}")
_BASE64_RUN: Final = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
_URL_RUN: Final = re.compile(rb"[A-Za-z0-9_-]{16,}")
#: A head of zlib: its two bytes make a multiple of 31.
_ZLIB: Final = re.compile(
    b"|".join(
        re.escape(bytes([first]))
        + b"(?=[%b])" % re.escape(bytes(range(-first * 256 % 31, 256, 31)))
        for first in range(0x08, 0x88, 0x10)
    )
)
_MAGICS: Final = re.compile(rb"(?=\x1f\x8b\x08|BZh[1-9]|\xfd7zXZ\x00)")


class Sentinels:
    """
    Values that must be nowhere.

    Args:
        values: Texts of five or more characters, or numbers.

    Raises:
        ValueError: If a text is so short that it is found in everything.

    .. versionadded:: 26.1.0
    """

    def __init__(self, values: Iterable[str | float]) -> None:
        self._forms: dict[bytes, str] = {}
        for number, value in enumerate(values, start=1):
            for form, how in _forms(value):
                self._forms.setdefault(form, f"value {number} {how}")

    def __repr__(self) -> str:
        return f"<Sentinels: {len(self._forms)} forms>"

    def found_in(self, data: bytes | str) -> list[str]:
        """
        Say which values are in *data*, and in which form; not the values.
        """
        if isinstance(data, str):
            data = data.encode(errors="surrogatepass")
        layers = list(_layers(data))
        # There are more forms than layers, and hardly ever a find: the whole
        # is searched first, which is quicker than each small layer.
        whole = b"\n".join(layer for layer, _ in layers)
        whole = _EMPTY.sub(b"", whole)
        forms = [one for one in self._forms.items() if one[0] in whole]
        return list(
            dict.fromkeys(
                f"{how}{way}"
                for layer, way in layers
                for form, how in forms
                if form in layer
            )
        )

    def found_below(self, *folders: Path) -> list[str]:
        """
        Say in which files below *folders* they are, names of files too.
        """
        return [
            f"{path.name}: {hit}"
            for folder in folders
            for path in sorted(folder.rglob("*"))
            for data in (
                path.name,
                path.read_bytes() if path.is_file() else b"",
            )
            for hit in self.found_in(data)
        ]

    def found_in_error(self, error: BaseException) -> list[str]:
        """
        Say what is in all that an error reporter could send of *error*.
        """
        return self.found_in(anatomy(error))


def _forms(value: str | float) -> Iterator[tuple[bytes, str]]:
    if isinstance(value, float):
        for order in "<>":
            yield struct.pack(f"{order}d", value), "as a binary float"
    text = str(value)
    if len(text) < _SHORTEST:
        msg = f"a planted text has {_SHORTEST} or more characters"
        raise ValueError(msg)
    for spelled in _spellings(text):
        yield from _encoded(spelled)
    for number in _numbers(text):
        size = max((number.bit_length() + 7) // 8, _SHORTEST_NUMBER_BYTES)
        made = number.to_bytes(size, "big")
        yield made, "as a binary number"
        yield made[::-1], "as a binary number"


def _numbers(text: str) -> Iterator[int]:
    """
    Give the numbers that *text* stands for, if it is an identifier.
    """
    plain = "".join(c for c in text if c.isalnum())
    if re.fullmatch("[0-9]{10,}", plain):
        yield int(plain)
    if re.fullmatch("(?:[0-9A-Fa-f]{2}){6,}", plain):
        yield int(plain, 16)


def _spellings(text: str) -> set[str]:
    plain = "".join(c for c in text if c.isalnum())
    found = {text, plain, text[::-1], plain[::-1]}
    if re.fullmatch("[0-9A-Fa-f]{12}", plain):  # an address of an interface
        pairs = re.findall("..", plain)
        found |= {s.join(p) for s in ":-." for p in (pairs, pairs[::-1])}
        found.add(".".join(re.findall("....", plain)))
    if re.fullmatch(r"[+-]?\d+\.\d+", text):  # a number, less exactly
        whole, _, figures = text.partition(".")
        for decimals in range(_FEWEST_DECIMALS, len(figures)):
            found.add(f"{Decimal(text):.{decimals}f}")
            found.add(f"{whole}.{figures[:decimals]}")
    cases = (str, str.lower, str.upper, str.swapcase)
    return {c(t) for t in found for c in cases if len(t) >= _SHORTEST}


def _encoded(text: str) -> Iterator[tuple[bytes, str]]:
    raw = text.encode()
    yield raw, "as it is"
    for name in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        yield text.encode(name), f"in {name}"
    yield json.dumps(text)[1:-1].encode(), "as in JSON"
    yield quote(text).encode(), "as in a URL"
    yield ascii(text)[1:-1].encode(), "as in Python"
    yield raw.hex().encode(), "in hex"
    yield raw.hex().upper().encode(), "in hex"
    for coded in _base64(raw):
        if len(coded) >= _SHORTEST_FORM_BYTES:
            yield coded, "in base64"


def _base64(raw: bytes) -> Iterator[bytes]:
    """
    Encode *raw* as it stands inside a longer text: at each of the three
    positions, without the ends, which depend on the neighbours.
    """
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw)
        core = whole[4 if shift else 0 : -4]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))


# Unpacking


def _layers(data: bytes) -> Iterator[tuple[bytes, str]]:
    """
    Give *data* and all that is packed in it, with the way there.
    """
    waiting = [(data, "", 0)]
    seen = {hash(data)}
    while waiting:
        layer, way, depth = waiting.pop()
        yield layer, way
        if depth == _DEEPEST:
            continue
        for inner, how in _unpacked(layer):
            if hash(inner) not in seen:
                seen.add(hash(inner))
                waiting.append((inner, f", {how}{way}", depth + 1))


def _unpacked(data: bytes) -> Iterator[tuple[bytes, str]]:
    for run in _HEX_RUN.finditer(data):
        yield bytes.fromhex(run[0].decode()), "in hex"
    for pattern, altered in ((_BASE64_RUN, None), (_URL_RUN, b"-_")):
        for run in pattern.finditer(data):
            yield from _from_base64(run[0], altered)
    view = memoryview(data)
    yield from _from_deflate(view, -15, "in raw deflate")
    for match in _ZLIB.finditer(data):
        yield from _from_deflate(view[match.start() :], 15, "in zlib")
    for match in _MAGICS.finditer(data):
        yield from _from_magic(view[match.start() :])


def _from_base64(
    run: bytes, altered: bytes | None
) -> Iterator[tuple[bytes, str]]:
    run = run.rstrip(b"=")
    # A run of five characters ends in the middle of a byte.
    whole = run[: len(run) - (len(run) % 4 == 1)]
    try:
        padded = whole + b"=" * (-len(whole) % 4)
        yield base64.b64decode(padded, altered), "in base64"
    except binascii.Error:
        return


def _from_deflate(
    data: memoryview, window: int, how: str
) -> Iterator[tuple[bytes, str]]:
    yield from _tried(
        lambda: zlib.decompressobj(window).decompress(data, _MOST_BYTES), how
    )


def _from_magic(data: memoryview) -> Iterator[tuple[bytes, str]]:
    magic = bytes(data[:3])
    if magic == b"\x1f\x8b\x08":
        yield from _from_deflate(data, 31, "in gzip")
    elif magic == b"BZh":
        yield from _tried(
            lambda: bz2.BZ2Decompressor().decompress(data, _MOST_BYTES),
            how="in bzip2",
        )
    else:
        yield from _tried(
            lambda: lzma.LZMADecompressor().decompress(data, _MOST_BYTES),
            how="in xz",
        )


def _tried(
    unpack: Callable[[], bytes], how: str
) -> Iterator[tuple[bytes, str]]:
    try:
        found = unpack()
    except (zlib.error, OSError, EOFError, lzma.LZMAError):
        return
    if found:
        yield found, how


# What could be sent of errors and logs


def anatomy(error: BaseException) -> str:
    """
    Write down all that an error reporter could send of *error*: texts,
    arguments, attributes, frames with their local variables, and the same of
    causes and contexts, hidden ones too.

    .. versionadded:: 26.1.0
    """
    parts: list[str] = []
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or any(one is known for known in seen):
            continue
        seen.append(one)
        waiting += [one.__context__, one.__cause__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        parts += map(_said, (one, one.args, vars(one)))
        parts += traceback.format_exception(one, chain=False)
        for frame, _ in traceback.walk_tb(one.__traceback__):
            parts += map(_said, frame.f_locals.values())
    return "\n".join(parts)


def _said(value: object) -> str:
    """
    Give the ``repr`` of *value*, which may be half made.
    """
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - an app's own may raise anything
        return f"<no repr: {type(error).__name__}>"


#: What every record has, and no value is in: paths, lines, names of threads.
_OF_EVERY_RECORD: Final = frozenset(
    logging.LogRecord("", 0, "", 0, "", (), None).__dict__
) - {"args", "msg"}


class _Everything(logging.Handler):
    def __init__(self) -> None:
        super().__init__(0)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        given = {
            key: value
            for key, value in record.__dict__.items()
            if key not in _OF_EVERY_RECORD
        }
        self.lines += [record.name, repr(given), record.getMessage()]
        if record.exc_info and record.exc_info[1]:
            self.lines.append(anatomy(record.exc_info[1]))


@contextmanager
def logged() -> Iterator[list[str]]:
    """
    Take down what every logger says within the block, at its loudest.

    Returns:
        A list that grows: the texts of each record, its arguments and extra
        fields, and the `anatomy` of its exception.

    .. versionadded:: 26.1.0
    """
    root, handler = logging.getLogger(), _Everything()
    # Loggers with a level of their own would hold back what is below it.
    found = [
        one
        for one in list(logging.Logger.manager.loggerDict.values())
        if isinstance(one, logging.Logger)
    ]
    levels = [(one, one.level) for one in (root, *found)]
    for one, _ in levels:
        one.setLevel(1)
    root.addHandler(handler)
    try:
        yield handler.lines
    finally:
        root.removeHandler(handler)
        for one, level in levels:
            one.setLevel(level)
