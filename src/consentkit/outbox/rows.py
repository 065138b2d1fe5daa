# SPDX-License-Identifier: MIT
"""
Rows: records in the form in which they wait and travel.

What many records share is said once, in their kind. A row is sealed by
itself, so that it can be appended and taken out by itself, and is joined with
others as it is: between capture and backend no value is read again.

An entry is a row as it lies on disk::

    length u32 | lane u32 | id u128 | purpose u16 | expires u48 | sealed
    sealed = nonce | ciphertext and tag

All numbers are big-endian, and `expires` is in milliseconds since 1970.
`purpose` is a number that stands for one in this outbox alone; 0 for none.
"""

from __future__ import annotations

import json
import struct

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from json import encoder
from typing import Any, Final, NamedTuple, overload

from consentkit.outbox.records import Record
from consentkit.typing import JSON


__all__ = [
    "HEADER",
    "Row",
    "Rows",
    "encode",
    "end_and_purpose",
    "id_text",
    "instant",
    "kind_of",
    "milliseconds",
    "tagged",
    "written",
]

#: Length of what follows, lane, the two halves of the id, and what `tagged`
#: gives.
HEADER: Final = struct.Struct(">IIQQQ")

# Until the end of the calendar an expiry needs no more.
_END_BITS: Final = 48
_END_MASK: Final = (1 << _END_BITS) - 1

_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def _make_encode() -> Callable[[object], str]:
    # Not there in every Python.
    make_encoder: Any = getattr(encoder, "c_make_encoder", None)
    if make_encoder is None:
        plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
        return plain.encode
    # What `json.dumps` makes anew at each call.
    make = make_encoder(
        None,
        _refuse,
        encoder.encode_basestring,
        None,
        ":",
        ",",
        False,
        False,
        False,
    )

    def encode(value: object) -> str:
        """
        Write a value as JSON without blanks.
        """
        return "".join(make(value, 0))

    return encode


def _refuse(value: object) -> Any:
    msg = f"{type(value).__name__} is not of JSON"
    raise TypeError(msg)


#: Writes a value as JSON without blanks.
encode: Callable[[object], str] = _make_encode()


def written(value: object) -> str:
    """
    Write a value as JSON; empty if that cannot be done.
    """
    try:
        return encode(value)
    except Exception:  # noqa: BLE001 - its frames hold the value
        return ""


def id_text(high: int, low: int) -> str:
    """
    Give the two halves of an id as a UUID is written.
    """
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def kind_of(
    *,
    function: str,
    data_type: str,
    purpose: str,
    protection: str,
    privacy_class: str,
    policy_version: str,
    event: str = "",
    fields: Sequence[str] = (),
) -> dict[str, JSON]:
    """
    Say what records of one kind share.

    Args:
        function: As of `Record`, and so are the next five.

        data_type: As there.

        purpose: As there.

        protection: As there.

        privacy_class: As there.

        policy_version: As there.

        event: Of an event its name; the values of its rows are in a list.

        fields: Of an event its fields, in the order of the values.
    """
    kind: dict[str, JSON] = {
        "function": function,
        "data_type": data_type,
        "purpose": purpose,
        "protection": protection,
        "class": privacy_class,
        "policy_version": policy_version,
    }
    if event:
        kind |= {"event": event, "fields": list(fields)}
    return kind


class Row(NamedTuple):
    """
    One row, opened.

    Attributes:
        high, low: The halves of its id.

        expires: In milliseconds since 1970.

        plain: Number of its kind, a comma, and the value as JSON.
    """

    high: int
    low: int
    expires: int
    plain: bytes

    @property
    def id(self) -> str:
        """
        Its id, as a UUID is written.
        """
        return id_text(self.high, self.low)


class Rows(Sequence[Record]):
    """
    The records of one lane, of which none is read before somebody asks.

    Args:
        rows: In the order in which they were captured.

        kinds: By number.

        recipient: Whose lane it is.
    """

    __slots__ = ("_kinds", "_recipient", "_records", "_rows")

    def __init__(
        self,
        rows: Sequence[Row],
        kinds: Mapping[int, Mapping[str, JSON]],
        recipient: str,
    ) -> None:
        self._rows = tuple(rows)
        self._kinds = kinds
        self._recipient = recipient
        self._records: tuple[Record, ...] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<Rows: {len(self._rows)}>"

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        return self._all()[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Rows, tuple)):
            return self._all() == tuple(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.ids))

    @property
    def ids(self) -> list[str]:
        """
        Their ids, without a look at the values.
        """
        return [id_text(row.high, row.low) for row in self._rows]

    @property
    def first_end(self) -> datetime:
        """
        When the first of them expires.
        """
        return instant(min(row.expires for row in self._rows))

    def _all(self) -> tuple[Record, ...]:
        if self._records is None:
            with suppress(Exception):  # its frames hold values
                self._records = tuple(map(self._record, self._rows))
        if self._records is None:
            msg = "a record cannot be read now"
            raise ValueError(msg)
        return self._records

    def _record(self, row: Row) -> Record:
        number, _, text = row.plain.partition(b",")
        kind: Mapping[str, Any] = self._kinds[int(number)]
        value = json.loads(text)
        if "event" in kind:
            fields = zip(kind["fields"], value, strict=True)
            value = {"event": kind["event"], **dict(fields)}
        return Record(
            id=row.id,
            function=kind["function"],
            data_type=kind["data_type"],
            purpose=kind["purpose"],
            recipient=self._recipient,
            protection=kind["protection"],
            privacy_class=kind["class"],
            value=value,
            captured_at=instant(row.high >> 16),
            expires_at=instant(row.expires),
            consent=kind["consent"],
            policy_version=kind["policy_version"],
        )

    def write(self) -> tuple[bytes, bytes]:
        """
        Give the kinds and the rows, as they stand in a body of format 2.

        A row whose id follows that of the row before has, in its place, how
        many milliseconds lie between the two.
        """
        used: set[bytes] = set()
        written: list[bytes] = []
        time = follows = mark = -1
        front = b"\0"
        for high, low, expires, plain in self._rows:
            if not plain.startswith(front):
                front = plain[: plain.index(b",") + 1]
                used.add(front[:-1])
            was, time = time, high >> 16
            keep = expires - time
            if low == follows and high & 0xFFFF == mark:
                written.append(b"[%d,%d,%b]" % (time - was, keep, plain))
            else:
                name = id_text(high, low).encode()
                written.append(b'["%b",%d,%b]' % (name, keep, plain))
                mark = high & 0xFFFF
            follows = low + 1
        kinds = {n.decode(): self._kinds[int(n)] for n in sorted(used)}
        return encode(kinds).encode(), b"[%b]" % b",".join(written)


def milliseconds(at: datetime) -> int:
    """
    Give an instant as entries and rows name it: milliseconds since 1970.
    """
    return int(at.timestamp() * 1000)


def instant(at: int) -> datetime:
    """
    Give the instant that `milliseconds` was given.
    """
    return _START + at * _MILLISECOND


def tagged(expires: int, purpose: int) -> int:
    """
    Join an expiry and the number of a purpose, as a header has them.

    Args:
        expires: In milliseconds since 1970.

        purpose: Its number in the outbox.
    """
    return purpose << _END_BITS | expires


def end_and_purpose(joined: int) -> tuple[int, int]:
    """
    Take apart what `tagged` joined.
    """
    return joined & _END_MASK, joined >> _END_BITS
