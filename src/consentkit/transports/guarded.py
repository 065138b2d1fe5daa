# SPDX-License-Identifier: MIT
"""
A transport that asks the operating system before it opens the network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from consentkit.gate import OSPermission
from consentkit.outbox.records import Batch, Erasure
from consentkit.transports._passing import PassingTransport
from consentkit.transports.base import Answer, Outcome, Transport


if TYPE_CHECKING:
    from consentkit.outbox.drops import DropReport


__all__ = ["GuardedTransport"]

_LETS = frozenset({OSPermission.GRANTED, OSPermission.NOT_APPLICABLE})


class GuardedTransport(PassingTransport):
    """
    Let *inner* send while the system allows it; what it may not send waits.

    Nothing is lost by it and nothing refused for good: the report of the
    flush says which permission is missing, and the records stay in the
    outbox until they may go or expire. Requests to erase wait likewise.

    Args:
        inner: The transport that knows the way; closed with this one.

        permissions: Permissions that open the way, such as
            ``wireless_data`` and ``wlan``; one that is granted will do.

        os_permission: Tells what the operating system allows, as of
            `consentkit.open`. It is asked each time.

    Raises:
        ValueError: If *permissions* is empty.

    What leaks:
        As of *inner*.
    """

    def __init__(
        self,
        inner: Transport,
        permissions: tuple[str, ...],
        os_permission: Callable[[str], OSPermission],
    ) -> None:
        if not permissions:
            msg = "name at least one permission that opens the way"
            raise ValueError(msg)
        super().__init__(inner)
        self._permissions = permissions
        self._os_permission = os_permission

    def __repr__(self) -> str:
        return f"<GuardedTransport around {self._inner!r}>"

    def _send(self, batch: Batch) -> Answer:
        problem = self._forbidden()
        if problem:
            return self._later(batch.ids, problem)
        return self._inner.send(batch)

    def _erase(self, erasure: Erasure) -> Answer:
        problem = self._forbidden()
        if problem:
            return self._later([erasure.id], problem)
        return self._inner.erase(erasure)

    def _report(self, report: DropReport) -> Answer:
        problem = self._forbidden()
        if problem:
            return self._later([report.id], problem)
        return self._inner.report(report)

    def _later(self, ids: list[str], problem: str) -> Answer:
        return Answer(
            outcomes=dict.fromkeys(ids, Outcome.RETRY),
            problem=f"{self.name}: {problem}",
        )

    def _forbidden(self) -> str:
        """
        Say that no way is open, or nothing.
        """
        told = []
        for permission in self._permissions:
            said = self._os_permission(permission)
            if said in _LETS:
                return ""
            told.append(f"{permission} is {OSPermission(said).value}")
        return f"the system does not let it out: {', '.join(told)}"
