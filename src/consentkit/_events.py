# SPDX-License-Identifier: MIT
"""
The short way of an app's own events: from the call to the journal.

Most calls of an app tell events of a few classes, one after the other, under
one consent. What was decided and made for the first of them holds for the
next, as long as the very same state of choices does: nothing in it depends
on the moment but the time. Whatever is in any way odd goes the long way,
which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from operator import attrgetter, itemgetter
from time import time_ns
from typing import TYPE_CHECKING, Any

from consentkit.anonymise.protect import Cleaner
from consentkit.outbox.rows import milliseconds, tagged, written
from consentkit.policy.model import ProtectionName


if TYPE_CHECKING:
    from consentkit.consent.state import State
    from consentkit.gate import Permit
    from consentkit.outbox.lanes import OpenLane
    from consentkit.outbox.store import OutboxStore
    from consentkit.policy.model import EventSpec


__all__ = ["EventPath", "is_usual"]

_DAY = 86_400_000


def is_usual(permit: Permit) -> bool:
    """
    Tell whether nothing about *permit* depends on the moment of a call.
    """
    function, clause = permit.function, permit.clause
    return not (
        function.user_act
        or function.attest
        or function.requires
        or clause.permission
        or clause.frequency
        or clause.protection.name is ProtectionName.KRR
    )


class EventPath:
    """
    How events of one class are kept under one state of choices.

    Args:
        state: The choices that the permit rests on.

        permit: What the events are told under.

        spec: What the policy declares of them.

        lane: Where they are kept.

        number: What stands in front of their values.

        store: The outbox.

        is_mapping: Whether they come as dictionaries, and not as instances
            of a class.
    """

    __slots__ = (
        "_clean",
        "_expires",
        "_get",
        "_is_one",
        "_lane",
        "_number",
        "_purpose",
        "_second",
        "_size",
        "_step",
        "_store",
        "day",
        "permit",
        "state",
    )

    def __init__(
        self,
        state: State,
        permit: Permit,
        spec: EventSpec,
        lane: OpenLane,
        number: bytes,
        store: OutboxStore,
        *,
        is_mapping: bool,
    ) -> None:
        self.state = state
        self._store = store
        self.permit = permit
        names = tuple(spec.fields)
        get = itemgetter if is_mapping else attrgetter
        self._get: Callable[[Any], Any] = get(*names)
        self._is_one = len(names) == 1
        #: Of a dictionary how many fields it has; of an instance that is
        #: known.
        self._size = len(names) if is_mapping else 0
        self._clean = Cleaner(permit.clause, spec).clean
        self._lane = lane
        self._number = number
        self._purpose = permit.purpose
        step = permit.clause.protection.time_step
        self._step = step.seconds * 1000 if step else 0
        self._second = self._expires = 0
        #: On which day since 1970 one was kept last.
        self.day = 0

    def is_of(self, state: State, lane: OpenLane, number: bytes) -> bool:
        """
        Tell whether it is still how events of the class are kept.
        """
        return (
            self.state is state
            and self._lane is lane
            and self._number == number
        )

    def keep(self, event: object, now: datetime | None) -> str | None:
        """
        Keep *event*.

        Args:
            event: An instance of the class, or the fields.

            now: When; the system's time if ``None``.

        Returns:
            Its id; or ``None`` if it has to go the long way.

        Raises:
            StoreError: If it cannot be written.
        """
        if self._size and (
            type(event) is not dict or len(event) != self._size
        ):
            return None
        try:
            values = self._get(event)
        except KeyError:
            return None
        made = self._clean((values,) if self._is_one else values)
        if made is None:
            return None
        text = written(made)
        if not text:
            return None
        time = time_ns() // 1_000_000 if now is None else milliseconds(now)
        self.day = time // _DAY
        if self._step:
            time = time // self._step * self._step
        second = time // 1000
        if second != self._second:
            # The end of the second's beginning: never later than promised.
            at = datetime.fromtimestamp(second, UTC)
            end = self.permit.clause.retention.after(at)
            purpose = self._lane.purposes[self._purpose]
            self._expires = tagged(milliseconds(end), purpose)
            self._second = second
        return self._store.append(
            self._lane,
            self._number + text.encode(),
            time=time,
            expires=self._expires,
            purpose=self._purpose,
        )
