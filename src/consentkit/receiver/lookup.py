# SPDX-License-Identifier: MIT
"""
The way to stored records: each for what it was collected for, and no more.

A backend that reads its store directly can join everything with everything.
One that reads it through `Lookup` says what for, and gets what the person
was told of and nothing else. What it does with the records afterwards no
code here can see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from attrs import evolve

from consentkit.anonymise.together import check_class, together
from consentkit.exceptions import UnprotectedError
from consentkit.gate import Reason, Refusal


if TYPE_CHECKING:
    from pathlib import Path

    from consentkit.anonymise.classes import PrivacyClass
    from consentkit.outbox.records import Record
    from consentkit.policy.model import Policy
    from consentkit.receiver.base import RecordStore
    from consentkit.receiver.store import StoredRecord


__all__ = ["Lookup"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Lookup:
    """
    Stored records, asked for by function and purpose.

    A record is given where three agree: it was collected by that function,
    for that purpose, and the policy still says so of its data type. A new
    purpose therefore begins with nothing, whatever is stored; what is
    withdrawn is erased, and so is in no answer; what has expired is in none
    even before it is purged, and what is called better than it is in none.

    Each record is given with its class beside all that the store holds: what
    tells of nobody by itself is personal where something links it.

    What was given to another controller is in no answer: a successor begins
    with nothing, unless its document takes over all promises and people were
    told.

    Args:
        store: Where the records are; it stays the caller's to close.

        policy: The document in force.

        told: Whether people were told that the controller of this document
            has taken over from those that it ``continues``.

        clock: Gives the time, as an aware datetime.
    """

    def __init__(
        self,
        store: RecordStore,
        policy: Policy,
        *,
        told: bool = False,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._store = store
        self._policy = policy
        self._before = policy.controller.continues if told else ()
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Lookup in {self._store.name} under {self._policy.id}>"

    @property
    def path(self) -> Path:
        """
        The file of the store.

        Raises:
            ValueError: If the store is no file.
        """
        path: Path | None = getattr(self._store, "path", None)
        if path is None:
            msg = (
                f"{self._store.name} is no file; only a store in a file has "
                "a path"
            )
            raise ValueError(msg)
        return path

    def records(
        self, function: str, purpose: str, data_type: str = ""
    ) -> tuple[StoredRecord, ...] | Refusal:
        """
        Give what *function* may use for *purpose*, in order of arrival.

        Args:
            function: Id of the function.

            purpose: Id of the purpose.

            data_type: Only records of this type; all by default.

        Returns:
            The records, maybe none; or why nothing may be used so.

        Raises:
            StoreError: If the store cannot be read.
        """
        found = self._policy.functions.get(function)
        clauses = found.clauses if found else {}
        promised = {
            clause.type: frozenset(clause.recipients)
            for clause in clauses.values()
            if purpose in clause.purposes and data_type in ("", clause.type)
        }
        if promised:
            return self._of(function, purpose, promised)
        reason = Reason.UNDECLARED_PURPOSE
        if found is None:
            reason = Reason.UNDECLARED_FUNCTION
        elif data_type and data_type not in clauses:
            reason = Reason.UNDECLARED_DATA_TYPE
        return Refusal(
            reason=reason,
            function=function,
            data_type=data_type,
            purpose=purpose,
        )

    def recipient(self, function: str, types: Iterable[str]) -> str:
        """
        Name the first recipient to whom *function* gives all of *types*.

        Returns:
            Its id, or empty if there is none.
        """
        found = self._policy.functions.get(function)
        clauses = found.clauses if found else {}
        lists = [
            clauses[type_].recipients if type_ in clauses else ()
            for type_ in types
        ]
        first, *others = lists or [()]
        common = (r for r in first if all(r in other for other in others))
        return next(common, "")

    def _of(
        self,
        function: str,
        purpose: str,
        promised: Mapping[str, frozenset[str]],
    ) -> tuple[StoredRecord, ...]:
        now = self._clock()
        nobody: frozenset[str] = frozenset()
        found = []
        for stored in self._store.records(function):
            record = stored.record
            given_to = promised.get(record.data_type, nobody)
            if (
                record.purpose == purpose
                and given_to
                and record.recipient in given_to.union(self._before)
                and record.expires_at > now
                and _is_honest(record)
            ):
                found.append(stored)
        return self._classed(found)

    def _classed(
        self, found: Sequence[StoredRecord]
    ) -> tuple[StoredRecord, ...]:
        """
        Give each with its class beside all that is stored.
        """
        if not found:
            return ()
        held = (s.linked for s in self._store.records())
        classes: dict[str, PrivacyClass] = {}
        for group in together(r for r in held if _is_honest(r)):
            classes.update(group.classes)
        # What came since is in no answer yet, and what is gone is nobody's.
        return tuple(
            evolve(one, together=classes[one.record.id])
            for one in found
            if one.record.id in classes
        )


def _is_honest(record: Record) -> bool:
    """
    Tell whether the sender calls *record* what it is.
    """
    try:
        check_class(record)
    except UnprotectedError:
        return False
    return True
