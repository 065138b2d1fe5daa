# SPDX-License-Identifier: MIT
"""
The seam that every transport fills.

The base keeps the promise: `Transport.send` never raises and always answers
for every record, whatever the member does.
"""

from __future__ import annotations

import logging

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import Enum
from typing import Self, final

from attrs import frozen

from consentkit.outbox.records import Batch, Erasure


__all__ = ["Answer", "Outcome", "Transport"]

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


@frozen(kw_only=True)
class Answer:
    """
    What a transport says of a batch or of an erasure request.

    Attributes:
        outcomes: By record id, one for each record of the batch. For an
            erasure request, one by the request's id.

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
    """

    outcomes: Mapping[str, Outcome]
    problem: str = ""
    retry_after_seconds: float | None = None
    too_large: bool = False
    refused: bool = False
    unknown_key: bool = False


class Transport(ABC):
    """
    A way to one backend.

    Members implement `_send`, `_erase` and, where a transfer can be cut
    short, `cancel`. They raise nothing on purpose: whatever they raise
    becomes ``retry``.

    Attributes:
        name: Where it leads, for people, without secrets.

        seals: Whether it sends what `consentkit.transports.pack` gives, and
            nothing beside; else it is given nothing that is to be sealed.
    """

    name: str
    seals: bool = False

    @final
    def send(self, batch: Batch) -> Answer:
        """
        Deliver *batch* and answer for each of its records.
        """
        ids = [record.id for record in batch.records]
        if batch.seal_for is not None and not self.seals:
            return self._in_the_clear(ids)
        try:
            answer = self._send(batch)
        except Exception as error:  # noqa: BLE001 - nothing gets out
            return self._unknown(ids, type(error).__name__)
        # A record that the answer leaves out is not known to be there.
        outcomes = {i: answer.outcomes.get(i, Outcome.RETRY) for i in ids}
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
