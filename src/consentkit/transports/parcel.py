# SPDX-License-Identifier: MIT
"""
What a backend is handed: the bytes of a batch, of an erasure request or of a
drop report.

Sealed for the recipient's key where the app has one for it; else readable
for whoever the transport shows it to.
"""

from __future__ import annotations

import json

from typing import TYPE_CHECKING, Any

from attrs import field, frozen


if TYPE_CHECKING:
    from consentkit.outbox.drops import DropReport
    from consentkit.outbox.records import Batch, Erasure


__all__ = ["Parcel", "pack"]


@frozen(kw_only=True)
class Parcel:
    """
    Bytes on their way, and what a carrier may know of them.

    Attributes:
        id: Idempotency key: of the batch, the request or the report, over
            all tries.

        kind: ``batch``, ``erasure`` or ``drops``.

        recipient: Who it is for.

        media_type: ``application/json``, or what an envelope is called.

        body: The bytes.

    .. versionadded:: 26.1.0
    """

    id: str
    kind: str
    recipient: str
    media_type: str
    body: bytes = field(repr=False)

    @property
    def is_sealed(self) -> bool:
        """
        Whether nobody but the recipient can read it.
        """
        return self.media_type != "application/json"


def pack(what: Batch | Erasure | DropReport) -> Parcel:
    """
    Write a batch, an erasure request or a drop report down as it goes over
    the wire.

    An envelope is another one each time; its id stays.

    .. versionadded:: 26.1.0
    """
    kind = "erasure"
    if hasattr(what, "records"):
        kind = "batch"
    elif hasattr(what, "drops"):
        kind = "drops"
    media_type = "application/json"
    body = _body(what)
    if what.seal_for is not None:
        from consentkit.seal import MEDIA_TYPE, Head, seal

        head = Head(
            kind=kind,
            id=what.id,
            recipient=what.recipient,
            count=len(getattr(what, "records", ())),
            erase=getattr(what, "erase", ""),
        )
        media_type, body = MEDIA_TYPE, seal(body, head, what.seal_for)
    return Parcel(
        id=what.id,
        kind=kind,
        recipient=what.recipient,
        media_type=media_type,
        body=body,
    )


def _body(what: Batch | Erasure | DropReport) -> bytes:
    records: Any = getattr(what, "records", None)
    if hasattr(records, "write"):
        # As they lie in the outbox: nothing is read and written again.
        kinds, rows = records.write()
        front = _json(
            {
                "format": 2,
                "batch": what.id,
                "recipient": what.recipient,
                "erase": getattr(what, "erase", ""),
            }
        )
        return b'%b,"kinds":%b,"rows":%b}' % (front[:-1], kinds, rows)
    return _json(what.as_json())


def _json(document: object) -> bytes:
    return json.dumps(
        document, ensure_ascii=False, separators=(",", ":")
    ).encode(errors="backslashreplace")
