# SPDX-License-Identifier: MIT
"""
What follows from a choice, or from a permission of the system that is gone:
what waited is kept or destroyed, and what runs is stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from consentkit._captures import Crashes
from consentkit._outlet import Outlet
from consentkit._waiting import Waiting
from consentkit.consent._stops import OS_PERMISSION
from consentkit.consent.results import Destroyed
from consentkit.exceptions import StoreError
from consentkit.gate import OSPermission
from consentkit.policy.model import Pending, split_element


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = ["Consequences", "warn"]


def warn(error: StoreError) -> None:
    """
    Tell the app's log what could not be done; the next try may do it.
    """
    import logging

    logging.getLogger("consentkit").warning("%s", error)


class Consequences:
    """
    Carries out what one person's choices mean.

    Args:
        kit: The person's kit.

        waiting: The person's events that wait for an answer.

        outlet: Of the whole app.

        crashes: Of the whole app.

        let_go: Closes what was opened after the app closed its kit.
    """

    def __init__(
        self,
        kit: Kit,
        *,
        waiting: Waiting,
        outlet: Outlet,
        crashes: Crashes,
        let_go: Callable[[], object],
    ) -> None:
        self._kit = kit
        self._waiting = waiting
        self._outlet = outlet
        self._crashes = crashes
        self._let_go = let_go

    def granted(self, element: str) -> None:
        """
        Keep what was held for an answer, which is a yes.
        """
        function = self._kit.policy.function_of(element)
        if function.pending is Pending.DROP:
            return
        try:
            self._waiting.promote(function.id)
        except StoreError as error:
            warn(error)

    def changed(self) -> None:
        """
        Stop the SDKs that nothing permits any more.
        """
        self._kit.registry.settle()
        self._crashes.settle()
        self._let_go()

    def carry_out(
        self, elements: frozenset[str], grants: frozenset[str]
    ) -> tuple[Destroyed, tuple[str, ...]]:
        """
        Destroy what rested on *grants*, and stop the SDKs of *elements*.

        Returns:
            What was destroyed, and the SDKs that cannot be stopped.
        """
        destroyed = Destroyed()
        try:
            try:
                self._waiting.drop(elements)
            finally:
                # What is held elsewhere, and cannot be destroyed, must not
                # save the rest.
                if grants:
                    now = self._kit.now()
                    destroyed = self._outlet.store.destroy(grants, now=now)
                    self._outlet.cut_short(grants)
        finally:
            self._kit.event_paths = {}
            # Last, as it runs code of others; but whatever came before.
            running = tuple(
                sdk
                for function in _whole_or_party(elements)
                for sdk in self._kit.registry.withdrawn(function)
            )
            self._crashes.settle()
            self._let_go()
        return destroyed, running

    def reconcile(
        self, standing: Callable[[str], frozenset[str] | None]
    ) -> None:
        """
        Complete a withdrawal that a crash cut short, before all else.

        Args:
            standing: Names the grants of a subject that stand, by its tag.
        """
        for complete in (self._kit.consent.settle, self._waiting.settle):
            try:
                complete()
            except StoreError as error:
                warn(error)
        if not self._outlet.exists():
            return
        try:
            self._outlet.store.expire(self._kit.now())
            self._outlet.store.reconcile(standing, now=self._kit.now())
        except StoreError as error:
            warn(error)

    # Permissions of the system

    def permission_lost(self, permission: str, answer: OSPermission) -> None:
        """
        Record which consents a permission that was taken away stops.
        """
        for function in self._kit.policy.functions.values():
            guarded = function.permission == permission or any(
                c.permission == permission for c in function.clauses.values()
            )
            if not guarded or not self._kit.consent.state().permits(
                function.id
            ):
                continue
            cause = f"{OS_PERMISSION}{permission}: {answer.value}"
            # Nothing is read either way; the record is for the person.
            with suppress(StoreError):
                self._kit.consent.record_mask(function.id, cause)
        self.discard_guarded(permission)

    def guarding(self) -> tuple[str, ...]:
        """
        Name the permissions by which anything that waits may have been read.
        """
        if not self._outlet.exists():
            return ()
        waiting: set[str] = set()
        with suppress(StoreError):  # then nothing can be destroyed either
            lanes = self._outlet.store.lanes()
            waiting = {split_element(lane.element)[0] for lane in lanes}
        functions = self._kit.policy.functions
        named = (
            clause.permission
            for id_ in sorted(waiting & functions.keys())
            for clause in functions[id_].clauses.values()
        )
        return tuple(dict.fromkeys(filter(None, named)))

    def discard_guarded(self, permission: str) -> None:
        """
        Destroy what waits and was read by a permission that is gone.
        """
        guarded = {
            (function.id, clause.type)
            for function in self._kit.policy.functions.values()
            for clause in function.clauses.values()
            if clause.permission == permission
        }
        if not guarded or not self._outlet.exists():
            return
        try:
            self._outlet.store.discard(
                lambda record: (record.function, record.data_type) in guarded,
                reason="permission_lost",
            )
        except StoreError as error:
            warn(error)


def _whole_or_party(elements: frozenset[str]) -> tuple[str, ...]:
    """
    Name the functions of *elements* that an SDK cannot go on without: what
    it starts with gives to all its recipients at once.
    """
    split = ((e, *split_element(e)) for e in sorted(elements))
    found = (name for e, name, rest in split if e == name or rest[:1] == "@")
    return tuple(dict.fromkeys(found))
