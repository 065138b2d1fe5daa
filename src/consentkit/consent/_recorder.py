# SPDX-License-Identifier: MIT
"""
How acts become entries of the ledger.
"""

from __future__ import annotations

import time

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from consentkit.consent._view import View
from consentkit.consent.state import State
from consentkit.exceptions import DeadPermitError
from consentkit.ledger.base import Ledger
from consentkit.ledger.drafts import Draft, Place
from consentkit.ledger.entries import LOCAL, Act, Actor, Entry
from consentkit.policy.model import Policy


__all__ = ["NO_FACTS", "NewAct", "Recorder"]

NO_FACTS: Final[Mapping[str, str]] = MappingProxyType({})

# As much as an entry takes.
_FACT_CHARACTERS: Final = 1000


@frozen
class NewAct:
    """
    An entry to be: what does not depend on its place.
    """

    act: Act
    element: str
    method: str
    language: str = field(default="", kw_only=True)
    by: Actor = field(default=Actor.PERSON, kw_only=True)
    notice: str = field(default="", kw_only=True)
    facts: Mapping[str, str] = field(default=NO_FACTS, kw_only=True)
    #: The entry of another ledger that it is a copy of.
    like: Entry | None = field(default=None, kw_only=True)


class Recorder:
    """
    Appends the acts of one person.

    Attributes:
        generation: Grows with each act of this process.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        ledger: Ledger,
        clock: Callable[[], datetime],
        subject: Callable[[bool], str | None],
        view: View,
    ) -> None:
        self._policy = policy
        self._ledger = ledger
        self._clock = clock
        self._subject = subject
        self._view = view
        self.generation = 0

    def append(
        self, plan: Callable[[State], Iterable[NewAct]]
    ) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
        """
        Record what *plan* decides on, from the state right before it.

        Returns:
            The entries that were there, and the new ones.

        Raises:
            StoreError: If it cannot be recorded; then nothing is.
        """
        now = self._now()
        return self.append_after(
            lambda before: plan(self._view.fold(before, now, {})), now=now
        )

    def append_to(self, known: Entry, act: NewAct) -> Entry:
        """
        Record what follows from an entry, for the same person and nobody
        else.

        Raises:
            DeadPermitError: If that person was forgotten since.

            StoreError: If it cannot be recorded.
        """

        def plan(before: tuple[Entry, ...]) -> list[NewAct]:
            if any(e.act is Act.ERASED and e.seq > known.seq for e in before):
                msg = "the person was forgotten since"
                raise DeadPermitError(msg)
            return [act]

        return self.append_after(plan, subject=known.subject)[1][0]

    def append_after(
        self,
        plan: Callable[[tuple[Entry, ...]], Iterable[NewAct]],
        *,
        now: datetime | None = None,
        subject: str = "",
    ) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
        """
        Record what *plan* decides on, from the entries before it; otherwise
        as `append`.

        Args:
            plan: Takes those entries.

            now: When it happens.

            subject: Whom it is about, by the tag of the ledger; by default
                the person, who is put on record if need be.
        """
        at = now or self._now()

        def drafts(before: tuple[Entry, ...]) -> list[Draft]:
            return [self._draft(act, at) for act in plan(before)]

        done = self._ledger.append_after(
            drafts,
            subject=subject or self._subject(True) or LOCAL,
            policies={self._policy.digest: self._policy.canonical},
        )
        self.generation += 1
        return done.before, done.made

    def _now(self) -> datetime:
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def _draft(self, act: NewAct, at: datetime) -> Draft:
        policy, like = self._policy, act.like
        terms = ""
        if like is not None:
            terms = like.terms
        elif act.element in policy.elements:
            terms = policy.function_of(act.element).terms

        def draft(place: Place) -> Entry:
            return Entry(
                seq=place.seq,
                at=at,
                mono=time.monotonic_ns() // 1_000_000,
                act=act.act,
                by=act.by,
                method=act.method,
                subject=place.subject,
                element=act.element,
                terms=terms,
                policy=like.policy if like else policy.id,
                version=like.version if like else policy.version,
                text=like.text if like else policy.digest,
                language=like.language
                if like
                else act.language or policy.language,
                notice=like.notice if like else act.notice,
                facts={n: _fact(text) for n, text in act.facts.items()},
                prior=place.prior,
                prev=place.prev,
            )

        return draft


def _fact(text: str) -> str:
    """
    Give *text* as the ledger takes it: short, and without half characters.
    """
    return text[:_FACT_CHARACTERS].encode(errors="replace").decode()
