# SPDX-License-Identifier: MIT
"""
What is asked of the app and of the operating system at each call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from consentkit.gate import FAVOURABLE, Moment, OSPermission
from consentkit.policy.model import Clause, Function


__all__ = ["Surroundings"]

_DENIED: Final = frozenset({OSPermission.DENIED, OSPermission.RESTRICTED})


class Surroundings:
    """
    The platform, the permissions of the system and the app's conditions.

    A callback that raises, or answers something else than was asked, counts
    as a no.

    Args:
        platform: Where the app runs.

        os_permission: Tells what the operating system allows.

        conditions: Tells whether a condition of the app holds.

        lost: Called when a permission that was there is there no more, with
            the answer that is given instead.
    """

    def __init__(
        self,
        *,
        platform: str,
        os_permission: Callable[[str], OSPermission],
        conditions: Callable[[str], bool],
        lost: Callable[[str, OSPermission], None],
    ) -> None:
        usual = Moment(platform=platform)
        self._usual = FAVOURABLE if usual == FAVOURABLE else usual
        self._platform = platform
        self._os_permission = os_permission
        self._conditions = conditions
        self._lost = lost
        self._seen: dict[str, OSPermission] = {}
        self._denied: set[str] = set()

    def moment(
        self,
        function: Function | None,
        clause: Clause | None,
        *,
        in_use: bool,
        act: bool,
        attested: bool,
        too_soon: bool,
    ) -> Moment:
        """
        Gather what holds now, beside policy and choices.
        """
        if function is None:
            return Moment(in_use=in_use, platform=self._platform)
        guarded = function if clause is None else clause
        act = act or not function.user_act
        attested = attested or not function.attest
        is_asked = guarded.permission or function.requires or too_soon
        if in_use and act and attested and not is_asked:
            # Most are like this one, and the gate knows its answers.
            return self._usual
        return Moment(
            os_permission=self._answer(guarded.permission),
            platform=self._platform,
            in_use=in_use,
            act=act,
            attested=attested,
            unmet=self.unmet(function),
            too_soon=too_soon,
        )

    def unmet(self, function: Function) -> tuple[str, ...]:
        """
        Name the conditions of *function* that do not hold now.
        """
        return tuple(c for c in function.requires if not self._is_met(c))

    def look_again(self, guarding: Iterable[str]) -> tuple[str, ...]:
        """
        Notice permissions that were taken away.

        Args:
            guarding: Permissions that what waits was read by.

        Returns:
            Those of them that the system plainly denies, each once for as
            long as it does.
        """
        for permission in tuple(self._seen):
            self._answer(permission)
        denied = {p for p in guarding if self._answer(p) in _DENIED}
        found = tuple(sorted(denied - self._denied))
        self._denied = denied
        return found

    def _is_met(self, condition: str) -> bool:
        answer: object = None
        with suppress(Exception):
            answer = self._conditions(condition)
        return answer is True

    def _answer(self, permission: str) -> OSPermission:
        if not permission:
            return OSPermission.NOT_APPLICABLE
        answer: object = None
        with suppress(Exception):
            answer = self._os_permission(permission)
        # A boolean, which says too little, is a doubt.
        if not isinstance(answer, OSPermission):
            answer = OSPermission.UNKNOWN
        before = self._seen.get(permission)
        if answer is not before:
            self._seen[permission] = answer
            if before is OSPermission.GRANTED:
                self._lost(permission, answer)
        return answer
