# SPDX-License-Identifier: MIT
"""
Rows out of the pages of a SQLite file whose trees cannot be followed.

SQLite reads nothing behind a page that is damaged, though the rows lie whole
in other pages. Here each leaf is read by itself; what comes out is a guess,
and whoever takes it has to know its own rows.

Source: the database file format, https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import struct

from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias


__all__ = ["PAGE_BYTES", "FoundRow", "rows_in"]

#: What SQLite takes by itself, and so does every file of ours.
PAGE_BYTES: Final = 4096

_OF_TABLE: Final = 0x0D
_OF_INDEX: Final = 0x0A
#: Interior pages of both, and what is free or holds the rest of a long row.
_NO_LEAVES: Final = frozenset({0x05, 0x02, 0x00})

_HEAD: Final = struct.Struct(">BHHHB")
_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")
_REAL: Final = struct.Struct(">d")

#: Bytes of an integer, by its serial type.
_INTEGERS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

#: Before the first page stands the header of the file.
_FILE_HEAD: Final = 100

Value: TypeAlias = int | float | str | bytes | None


class FoundRow(NamedTuple):
    """
    A row, or what looks like one.

    Attributes:
        is_of_table: Whether it lies in the leaf of a table that has a row
            id; else of an index, or of a table without one.

        rowid: Its row id; 0 for one of an index.

        values: Its columns. That which stands for the row id is ``None``.
    """

    is_of_table: bool
    rowid: int
    values: tuple[Value, ...]


class _NoRowError(Exception):
    """
    What is there is no row.
    """


def rows_in(data: bytes) -> Iterator[FoundRow]:
    """
    Give what looks like rows, page by page.

    Of a leaf that is whole all rows are given. Of one that is not, whatever
    looks like a row is, from any place in it.

    A blob that ends in a page that is not there is given as far as it goes.

    Args:
        data: A whole database; what is in its log is folded into it.
    """
    for number in range(1, len(data) // PAGE_BYTES + 1):
        start = (number - 1) * PAGE_BYTES
        kind = data[start + (_FILE_HEAD if number == 1 else 0)]
        if kind in (_OF_TABLE, _OF_INDEX):
            is_of_table = kind == _OF_TABLE
            rows = _whole(data, start, is_of_table=is_of_table)
            if rows is not None:
                yield from rows
            elif number > 1:
                yield from _anywhere(data, start, is_of_table=is_of_table)
        elif kind not in _NO_LEAVES and number > 1:
            # Of a damaged first byte nobody can tell which kind it was.
            yield from _anywhere(data, start, is_of_table=True)
            yield from _anywhere(data, start, is_of_table=False)


def _whole(
    data: bytes, start: int, *, is_of_table: bool
) -> list[FoundRow] | None:
    """
    Read a leaf by its own list of rows; ``None`` if that is not right.
    """
    base = start + (0 if start else _FILE_HEAD)
    _, free, count, content, fragments = _HEAD.unpack_from(data, base)
    rows: list[FoundRow] = []
    used = fragments
    try:
        while free:
            following, size = struct.unpack_from(">HH", data, start + free)
            used += size
            if size < 4 or (following and following <= free):
                return None
            free = following
        for at in range(count):
            (pointer,) = _U16.unpack_from(data, base + _HEAD.size + 2 * at)
            row, size = _cell(data, start, pointer, is_of_table=is_of_table)
            rows.append(row)
            used += size
    except (_NoRowError, struct.error):
        return None
    return rows if used == PAGE_BYTES - content else None


def _anywhere(
    data: bytes, start: int, *, is_of_table: bool
) -> Iterator[FoundRow]:
    for pointer in range(_HEAD.size, PAGE_BYTES - 4):
        with suppress(_NoRowError):
            yield _cell(data, start, pointer, is_of_table=is_of_table)[0]


def _cell(
    data: bytes, start: int, pointer: int, *, is_of_table: bool
) -> tuple[FoundRow, int]:
    """
    Read the row at a place in a page; give how many bytes it takes there.
    """
    at, end = start + pointer, start + PAGE_BYTES
    if not _HEAD.size <= pointer < PAGE_BYTES:
        raise _NoRowError
    length, at = _varint(data, at, end)
    rowid = 0
    if is_of_table:
        rowid, at = _varint(data, at, end)
    if not 2 <= length <= len(data):
        raise _NoRowError
    here = _local(length, is_of_table=is_of_table)
    if at + here + (0 if here == length else _U32.size) > end:
        raise _NoRowError
    payload = data[at : at + here]
    at += here
    if here < length:
        payload += _overflow(data, at, length - here)
        at += _U32.size
    values = _record(payload, is_cut=is_of_table and len(payload) < length)
    row = FoundRow(is_of_table, rowid, values)
    # SQLite gives no row less than four bytes.
    return row, max(4, at - start - pointer)


def _local(length: int, *, is_of_table: bool) -> int:
    """
    Tell how much of a row stands in the leaf itself.
    """
    least = (PAGE_BYTES - 12) * 32 // 255 - 23
    most = PAGE_BYTES - 35
    if not is_of_table:
        most = (PAGE_BYTES - 12) * 64 // 255 - 23
    if length <= most:
        return length
    some = least + (length - least) % (PAGE_BYTES - 4)
    return some if some <= most else least


def _overflow(data: bytes, at: int, left: int) -> bytes:
    """
    Read the rest of a row, page after page, as far as these go.
    """
    found: list[bytes] = []
    while left > 0:
        (number,) = _U32.unpack_from(data, at)
        at = (number - 1) * PAGE_BYTES
        if number < 2 or at + PAGE_BYTES > len(data):
            break
        found.append(data[at + 4 : at + min(PAGE_BYTES, 4 + left)])
        left -= len(found[-1])
    return b"".join(found)


def _record(payload: bytes, *, is_cut: bool) -> tuple[Value, ...]:
    """
    Take a row apart; of one that is cut the last column may be too short.
    """
    head, at = _varint(payload, 0, len(payload))
    if not at <= head <= len(payload):
        raise _NoRowError
    values: list[Value] = []
    body = head
    while at < head:
        serial, at = _varint(payload, at, head)
        if is_cut and at == head and serial >= 12 and serial % 2 == 0:
            values.append(payload[body:])
            return tuple(values)
        value, size = _value(payload, body, serial)
        values.append(value)
        body += size
    if body != len(payload):
        raise _NoRowError
    return tuple(values)


def _value(payload: bytes, at: int, serial: int) -> tuple[Value, int]:
    if serial == 0:
        return None, 0
    if serial in (8, 9):
        return serial - 8, 0
    if serial in (10, 11):
        raise _NoRowError
    size = _INTEGERS.get(serial, 8 if serial == 7 else (serial - 12) // 2)
    raw = payload[at : at + size]
    if len(raw) != size:
        raise _NoRowError
    if serial == 7:
        return float(_REAL.unpack(raw)[0]), size
    if serial in _INTEGERS:
        return int.from_bytes(raw, "big", signed=True), size
    if serial % 2 == 0:
        return raw, size
    try:
        return raw.decode(), size
    except UnicodeDecodeError:
        raise _NoRowError from None


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(9):
        if at + place >= end:
            raise _NoRowError
        byte = data[at + place]
        if place == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + place + 1
    raise _NoRowError
