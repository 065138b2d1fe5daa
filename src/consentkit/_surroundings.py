# SPDX-License-Identifier: MIT
"""
What is asked of the app and of the operating system at each call.

The system is asked last, and only where all else says yes: for a function
that nobody granted, no question is put to it and no thread waits for one.
"""

from __future__ import annotations

import sys

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import evolve

from consentkit._fork import load
from consentkit.gate import FAVOURABLE, OS_LETS, Moment, OSPermission
from consentkit.policy.model import Function


if TYPE_CHECKING:
    from consentkit.collectors.permissions import Answer, PermissionBook


__all__ = ["Surroundings", "SystemPermissions", "bounded"]

# What the platform of a kit is called by Python, where that says more than
# Python itself does: older ones call a phone a Linux.
_PHONES: Final = frozenset({"android", "ios"})

_DENIED: Final = frozenset({OSPermission.DENIED, OSPermission.RESTRICTED})


def bounded(
    asked: Callable[[str], OSPermission] | None, platform: str
) -> Callable[[str], OSPermission]:
    """
    Give what answers within a deadline, whatever the app has given.

    Args:
        asked: The app's own function, or a book, which keeps a deadline of
            its own; if ``None``, the platform is asked.

        platform: Where the app runs, in the words of a policy.
    """
    if asked is not None and hasattr(asked, "answers"):
        return asked
    return SystemPermissions(platform, asked)


class _App:
    """
    The app's own function, as a book wants it.
    """

    name = "the app"
    blocks = True

    def __init__(self, ask: Callable[[str], OSPermission]) -> None:
        self.ask = ask


class SystemPermissions:
    """
    The book of the platform's permissions, made at the first question.

    Args:
        platform: Where the app runs, in the words of a policy.

        own: The app's own function that is asked instead, within the book's
            deadline.
    """

    def __init__(
        self, platform: str, own: Callable[[str], OSPermission] | None = None
    ) -> None:
        self._platform = platform
        self._own = own
        self._book: PermissionBook | None = None

    def __call__(self, permission: str) -> OSPermission:
        book = self._book
        if book is None:
            # Of two threads that come first, either's book will do.
            self._book = book = self._made()
        return book(permission)

    def _made(self) -> PermissionBook:
        room = load("consentkit.collectors.permissions")
        if self._own is not None:
            adapter = _App(self._own)
        else:
            phone = self._platform in _PHONES
            name = self._platform if phone else sys.platform
            adapter = room.system_permissions(name)
        made: PermissionBook = room.PermissionBook(adapter)
        return made

    @property
    def answers(self) -> Mapping[str, Answer]:
        """
        The last answer to each permission that was asked for.
        """
        return {} if self._book is None else self._book.answers


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
        *,
        in_use: bool,
        act: bool,
        attested: bool,
        too_soon: bool,
    ) -> Moment:
        """
        Gather what holds now, beside policy, choices and the system.
        """
        if function is None:
            return Moment(in_use=in_use, platform=self._platform)
        act = act or not function.user_act
        attested = attested or not function.attest
        is_asked = function.requires or too_soon
        if in_use and act and attested and not is_asked:
            # Most are like this one, and the gate knows its answers.
            return self._usual
        return Moment(
            platform=self._platform,
            in_use=in_use,
            act=act,
            attested=attested,
            unmet=self.unmet(function),
            too_soon=too_soon,
        )

    def ask(self, permission: str, moment: Moment) -> Moment:
        """
        Add to *moment* what the system answers; itself, if nothing.
        """
        answer = self._answer(permission)
        if answer is moment.os_permission:
            return moment
        return evolve(
            moment, os_permission=answer, os_detail=self._detail(permission)
        )

    def lets(self, permission: str) -> bool:
        """
        Ask the system, and tell whether what it guards may be read.
        """
        return self._answer(permission) in OS_LETS

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

    def _detail(self, permission: str) -> str:
        """
        Say why an answer is unknown, where a book was asked that knows.
        """
        with suppress(Exception):
            answers = getattr(self._os_permission, "answers", {})
            return str(answers[permission].detail)
        return ""

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
