# SPDX-License-Identifier: MIT
"""
The seam that every transport fills.

The base keeps the promise: `Transport.send` never raises and always answers
for every record, whatever the member does.
"""

from __future__ import annotations

import logging

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self, final

from attrs import evolve, frozen

from consentkit.outbox.records import Batch, Erasure


if TYPE_CHECKING:
    from consentkit.outbox.drops import DropReport


__all__ = ["CAPABILITIES", "Answer", "Outcome", "Transport"]

#: What a transport may state of its way. That it is ``sealed`` is not its
#: own to say: it is where there is a key.
CAPABILITIES: Final = frozenset({"encrypted", "no-address", "region"})

logger: logging.Logger = logging.getLogger("consentkit")


class Outcome(Enum):
    """
    What became of a record or of a request: a closed set.
    """

    #: The backend has it now.
    DELIVERED = "delivered"
    #: The backend had it already.
    DUPLICATE = "duplicate"
    #: Not known, or not now: try again with the same id.
    RETRY = "retry"
    #: The backend will never take it; it is dropped and counted.
    REJECTED = "rejected"


_NONE: Final[Mapping[str, Outcome]] = MappingProxyType({})


@frozen(kw_only=True)
class Answer:
    """
    What a transport says of a batch, an erasure request or a drop report.

    Attributes:
        outcomes: By record id, one for each record of the batch. For an
            erasure request or a drop report, one by its id.

        problem: What went wrong, for people, naming the place and the
            cure; empty if nothing did.

        retry_after_seconds: How long the backend asks to wait, or ``None``.

        too_large: Whether a smaller batch may fare better.

        refused: Whether the backend answered and does not take just this,
            so that it may be of one record; that one is then found, and the
            rest goes on. Not where it takes nothing at all: it is down, or
            wants another token.

        unknown_key: Whether the recipient does not have the key that it was
            sealed for; another one may do.

        every: One outcome for all records, in the place of *outcomes*.

        unable: Whether nobody there takes drop reports, now or later; they
            wait, and are not tried again in this process.
    """

    outcomes: Mapping[str, Outcome] = _NONE
    problem: str = ""
    retry_after_seconds: float | None = None
    too_large: bool = False
    refused: bool = False
    unknown_key: bool = False
    every: Outcome | None = None
    unable: bool = False


class _Alike(Mapping[str, Outcome]):
    """
    The same outcome for each record, whose ids are not read before somebody
    asks for one.
    """

    def __init__(self, batch: Batch, outcome: Outcome) -> None:
        self._batch = batch
        self._outcome = outcome

    @cached_property
    def _by_id(self) -> dict[str, Outcome]:
        return dict.fromkeys(self._batch.ids, self._outcome)

    def __len__(self) -> int:
        return len(self._batch.records)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __getitem__(self, record: str) -> Outcome:
        return self._by_id[record]


class Transport(ABC):
    """
    A way to one backend.

    Members implement `_send`, `_erase` and, where there is a way, `_report`;
    where a transfer can be cut short, `cancel`. They raise nothing on
    purpose: whatever they raise becomes ``retry``.

    Attributes:
        name: Where it leads, for people, without secrets.

        seals: Whether it sends what `consentkit.transports.pack` gives, and
            nothing beside; else it is given nothing that is to be sealed.

        capabilities: What of the demands of purposes its way meets:
            ``encrypted``, by TLS or over no network; ``no-address``, so that
            the backend does not learn the sender's; ``region``, where
            nothing leaves this machine by it. What it does not state it does
            not have.

        region: The country, ISO 3166-1 alpha-2, in which the way ends; empty
            where nobody has said so. `consentkit.transports.route` says so
            for any transport.
    """

    name: str
    seals: bool = False
    capabilities: AbstractSet[str] = frozenset()
    region: str = ""

    @final
    def send(self, batch: Batch) -> Answer:
        """
        Deliver *batch* and answer for each of its records.
        """
        if batch.seal_for is not None and not self.seals:
            return self._in_the_clear(batch.ids)
        try:
            answer = self._send(batch)
        except Exception as error:  # noqa: BLE001 - nothing gets out
            return self._unknown(batch.ids, type(error).__name__)
        if answer.every is not None:
            return evolve(answer, outcomes=_Alike(batch, answer.every))
        # A record that the answer leaves out is not known to be there.
        outcomes = {
            i: answer.outcomes.get(i, Outcome.RETRY) for i in batch.ids
        }
        return Answer(
            outcomes=outcomes,
            problem=answer.problem,
            retry_after_seconds=answer.retry_after_seconds,
            too_large=answer.too_large,
            refused=answer.refused,
            unknown_key=answer.unknown_key,
        )

    @final
    def erase(self, erasure: Erasure) -> Answer:
        """
        Ask the recipient to erase what was delivered under one grant.
        """
        if erasure.seal_for is not None and not self.seals:
            return self._in_the_clear([erasure.id])
        try:
            answer = self._erase(erasure)
        except Exception as error:  # noqa: BLE001 - nothing gets out
            return self._unknown([erasure.id], type(error).__name__)
        outcome = answer.outcomes.get(erasure.id, Outcome.RETRY)
        return Answer(
            outcomes={erasure.id: outcome},
            problem=answer.problem,
            retry_after_seconds=answer.retry_after_seconds,
            unknown_key=answer.unknown_key,
        )

    @final
    def report(self, report: DropReport) -> Answer:
        """
        Tell the recipient what was dropped of its records.

        .. versionadded:: 26.1.0
        """
        if report.seal_for is not None and not self.seals:
            return evolve(self._in_the_clear([report.id]), unable=True)
        try:
            answer = self._report(report)
        except Exception as error:  # noqa: BLE001 - nothing gets out
            return self._unknown([report.id], type(error).__name__)
        outcome = answer.outcomes.get(report.id, Outcome.RETRY)
        return Answer(
            outcomes={report.id: outcome},
            problem=answer.problem,
            retry_after_seconds=answer.retry_after_seconds,
            refused=answer.refused,
            unknown_key=answer.unknown_key,
            unable=answer.unable,
        )

    def _in_the_clear(self, ids: list[str]) -> Answer:
        return Answer(
            outcomes=dict.fromkeys(ids, Outcome.RETRY),
            problem=f"{self.name}: this transport cannot send envelopes; "
            "choose one that can, or leave out seal_for",
        )

    def _unknown(self, ids: list[str], error: str) -> Answer:
        logger.debug(
            "transport failed",
            extra={
                "consentkit_transport": type(self).__name__,
                "consentkit_error": error,
            },
        )
        return Answer(
            outcomes=dict.fromkeys(ids, Outcome.RETRY),
            problem=f"{self.name}: the transport failed ({error})",
        )

    @abstractmethod
    def _send(self, batch: Batch) -> Answer:
        """
        Deliver *batch*.
        """

    @abstractmethod
    def _erase(self, erasure: Erasure) -> Answer:
        """
        Deliver an erasure request.
        """

    def _report(self, report: DropReport) -> Answer:
        """
        Deliver a drop report; by default there is no way for it.
        """
        return Answer(
            outcomes={report.id: Outcome.RETRY},
            problem=f"{self.name}: this transport carries no drop reports",
            unable=True,
        )

    def cancel(self) -> None:
        """
        Cut the transfer under way short, from any thread.

        After it returns, nothing more of that transfer leaves.
        """

    def close(self) -> None:
        """
        Let go of what the transport holds; it may be called twice.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
