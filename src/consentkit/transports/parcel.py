# SPDX-License-Identifier: MIT
"""
What a backend is handed: the bytes of a batch or of an erasure request.

Sealed for the recipient's key where the app has one for it; else readable
for whoever the transport shows it to.
"""

from __future__ import annotations

import json

from typing import TYPE_CHECKING

from attrs import field, frozen


if TYPE_CHECKING:
    from consentkit.outbox.records import Batch, Erasure


__all__ = ["Parcel", "pack"]


@frozen(kw_only=True)
class Parcel:
    """
    Bytes on their way, and what a carrier may know of them.

    Attributes:
        id: Idempotency key: of the batch or the request, over all tries.

        kind: ``batch`` or ``erasure``.

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


def pack(what: Batch | Erasure) -> Parcel:
    """
    Write a batch or an erasure request down as it goes over the wire.

    An envelope is another one each time; its id stays.

    .. versionadded:: 26.1.0
    """
    kind = "batch" if hasattr(what, "records") else "erasure"
    media_type = "application/json"
    body = json.dumps(
        what.as_json(), ensure_ascii=False, separators=(",", ":")
    ).encode(errors="backslashreplace")
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
