# SPDX-License-Identifier: MIT

"""
A backend with the records of many people, to count them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from consentkit.anonymise.aggregate import Aggregate, Question, Releases
from consentkit.anonymise.naming import class_of
from consentkit.gate import Refusal
from consentkit.outbox.records import Batch, Record, new_id
from consentkit.policy import Policy
from consentkit.receiver.lookup import Lookup
from consentkit.receiver.store import Store
from consentkit.typing import JSON
from tests.support import Clock


__all__ = ["MANY", "Crowd", "near"]

#: So many people are told of, whatever the noise.
MANY = range(70)

_WIDE = 30


def digest_of(token: str) -> str:
    """
    Give what stands for a token of erasure.
    """
    return sha256(bytes.fromhex(token)).hexdigest()


def token_of(person: object) -> str:
    """
    Give the erasure token of somebody's grant.
    """
    return sha256(str(person).encode()).hexdigest()


def near(number: int) -> range:
    """
    Give what *number* may be with noise of epsilon 1.

    Once in 10 ** 13 draws it is further off.
    """
    return range(number - _WIDE, number + _WIDE + 1)


class Crowd:
    """
    The store of a backend, and the records of one function's people.

    Attributes:
        clock: The backend's; windows of seven days begin at its start.
    """

    def __init__(
        self, folder: Path, policy: Policy, function: str, purpose: str
    ) -> None:
        # A Thursday, as was the first day of 1970.
        self.clock = Clock(datetime.fromisoformat("2026-11-19T00:00:00Z"))
        self.store = Store(folder / "backend.sqlite3")
        self.policy = policy
        self.function = policy.functions[function]
        self.purpose = purpose

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.store.close()

    def give(
        self, people: Iterable[object], *values: tuple[str, JSON], **more: str
    ) -> None:
        """
        Have each of *people* deliver *values*, by data type, in order.
        """
        for person in people:
            self.store.put(
                Batch(
                    id=new_id(),
                    recipient="r",
                    erase=digest_of(token_of(person)),
                    records=tuple(
                        self._record(person, type_, value, **more)
                        for type_, value in values
                    ),
                ),
                now=self.clock(),
            )

    def _record(
        self, person: object, type_: str, value: JSON, **more: str
    ) -> Record:
        clause = self.function.clauses[type_]
        protection = clause.protection.name
        fields = {
            "function": self.function.id,
            "purpose": self.purpose,
            "consent": digest_of(token_of(f"consent of {person}")),
            "recipient": clause.recipients[0],
            **more,
        }
        return Record(
            id=new_id(),
            data_type=type_,
            protection=protection.value,
            privacy_class=class_of(type_, protection).value,
            value=value,
            captured_at=self.clock(),
            expires_at=self.clock() + timedelta(days=30),
            policy_version="1",
            **fields,
        )

    def erase(self, person: object) -> None:
        """
        Erase all that somebody gave.
        """
        self.store.erase(token_of(person), now=self.clock())

    def ask(self, *types: str, **more: str) -> Question:
        """
        Make a question about the function.
        """
        fields = {"function": self.function.id, "purpose": self.purpose}
        return Question(types=types, **{**fields, **more})

    def releases(
        self, *questions: Question, days: int = 7, **more: float
    ) -> Releases:
        """
        Open the releases of the store, as a process of its own would.
        """
        lookup = Lookup(self.store, self.policy, clock=self.clock)
        return Releases(
            lookup,
            *questions,
            days=days,
            clock=self.clock,
            **more,  # type: ignore[arg-type]
        )

    def count(self, *types: str) -> Aggregate:
        """
        Let the week pass, and count its people by *types*.
        """
        self.clock.tick(days=7)
        made = self.releases(self.ask(*types), least=10).release()
        assert not isinstance(made, Refusal)
        (one,) = made
        return one
