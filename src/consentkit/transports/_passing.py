# SPDX-License-Identifier: MIT
"""
A transport around another one.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from consentkit.transports.base import Answer, Transport


if TYPE_CHECKING:
    from consentkit.outbox.drops import DropReport
    from consentkit.outbox.records import Batch, Erasure


__all__ = ["PassingTransport"]


class PassingTransport(Transport):
    """
    Pass all on to *inner*; members do something before.

    Args:
        inner: The transport that knows the way; closed with this one.
    """

    def __init__(self, inner: Transport) -> None:
        self.name: str = inner.name
        self.seals: bool = inner.seals
        self.region: str = inner.region
        self._inner = inner

    # Asked each time, as one may lose them while it is used.
    @property
    def capabilities(self) -> AbstractSet[str]:  # type: ignore[override]
        """
        What the inner transport states now.
        """
        return self._inner.capabilities

    def _send(self, batch: Batch) -> Answer:
        return self._inner.send(batch)

    def _erase(self, erasure: Erasure) -> Answer:
        return self._inner.erase(erasure)

    def _report(self, report: DropReport) -> Answer:
        return self._inner.report(report)

    def cancel(self) -> None:
        """
        Cut the transfer under way short.
        """
        self._inner.cancel()

    def close(self) -> None:
        """
        Close the inner transport.
        """
        self._inner.close()
