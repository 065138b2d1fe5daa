# SPDX-License-Identifier: MIT
"""
The door by which an app starts without the person opening it.

A policy that lets a function start by itself says what for and how often a
day. `Starts` runs the app's own code for it where the person has turned that
function on, and not more often; it opens nothing else: what that code wants
to read, it has to ask for as ever.

What it does not hold: the operating system starts the process before any
code here runs, and an app that has other ways in needs to lead them here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from attrs import field, frozen

from consentkit._sqlite import Database
from consentkit.exceptions import StoreError
from consentkit.gate import OSPermission, Reason, Refusal


if TYPE_CHECKING:
    from consentkit.kit import Kit
    from consentkit.policy.tables import SelfStartTable


__all__ = ["Starts", "Woken"]

T = TypeVar("T")

_VERSION: Final = 1

_SCHEMA: Final = """\
CREATE TABLE starts (function TEXT NOT NULL, at INTEGER NOT NULL);

CREATE TABLE tally (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
"""

# In any 24 hours, so that midnight does not double it.
_DAY: Final = timedelta(days=1)

_LETS: Final = frozenset({OSPermission.GRANTED, OSPermission.NOT_APPLICABLE})


@frozen(kw_only=True)
class Woken(Generic[T]):
    """
    A start that was permitted.

    Attributes:
        function: The function that it was for.

        value: What the app's code returned.
    """

    function: str
    value: T = field(repr=False, eq=False)


class Starts:
    """
    Counts and permits starts by themselves, over all processes of the app.

    Before a function is granted it opens no file. Of a start it keeps the
    function and the time, for a day; of refusals their number, by reason.

    Args:
        kit: The app's; ``starts.sqlite3`` lies in its data folder.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._database = Database(
            kit.data_dir / "starts.sqlite3",
            schema=_SCHEMA,
            version=_VERSION,
        )

    def __repr__(self) -> str:
        return f"<Starts of {self._kit.policy.id}>"

    def wake(self, function: str, run: Callable[[], T]) -> Woken[T] | Refusal:
        """
        Start by itself, as for a message that was pushed, and call *run*.

        Args:
            function: Id of the function that it is for.

            run: The app's own code; its exceptions are not caught.

        Returns:
            What *run* gave; or why it was not called.
        """
        declared = self._declared(function)
        if isinstance(declared, Refusal):
            return declared
        refused = self._count(function, most=declared.per_day)
        if refused is not None:
            return refused
        return Woken(function=function, value=run())

    def launch(
        self, function: str, run: Callable[[], T], *, act: str
    ) -> Woken[T] | Refusal:
        """
        Start another app, or let another start this one, and call *run*.

        That takes an act of the person each time, so it is not counted.

        Args:
            function: Id of the function that it is for.

            run: The app's own code; its exceptions are not caught.

            act: What the person just did, such as ``opened_message``; empty
                where it was nobody's act.

        Returns:
            What *run* gave; or why it was not called. A refusal for want of
            an act is counted.
        """
        declared = self._declared(function)
        if isinstance(declared, Refusal):
            return declared
        if not act:
            return self._refuse(function, Reason.NO_ACT)
        return Woken(function=function, value=run())

    def refused(self) -> Mapping[str, int]:
        """
        Count the refusals, by function and reason, such as
        ``self_start: no_act``.

        Raises:
            StoreError: If the file cannot be read.
        """
        if not self._database.exists():
            return {}
        with self._database.reading() as rows:
            found = rows.execute("SELECT name, n FROM tally ORDER BY name")
            return dict(found.fetchall())

    def close(self) -> None:
        """
        Close the file; it opens again at the next use.
        """
        self._database.close()

    def _declared(self, function: str) -> SelfStartTable | Refusal:
        """
        Decide, before anything is written.
        """
        kit = self._kit
        answer = kit.decide_function(function)
        if isinstance(answer, Refusal):
            return answer
        (declared,) = (
            table.self_start
            for table in kit.policy.document.functions
            if table.id == function
        )
        if declared is None:
            return Refusal(
                reason=Reason.UNDECLARED_PURPOSE,
                function=function,
                detail="to start by itself",
            )
        if answer.permission:
            said = kit.moment(function, in_use=True).os_permission
            if said not in _LETS:
                return Refusal(
                    reason=Reason.OS_PERMISSION,
                    function=function,
                    detail=f"{answer.permission}: {said.value}",
                )
        return declared

    def _count(self, function: str, *, most: int) -> Refusal | None:
        """
        Count one start more, or refuse it.
        """
        now = self._kit.now()
        since = round((now - _DAY).timestamp() * 1000)
        try:
            with self._database.writing() as rows:
                rows.execute("DELETE FROM starts WHERE at <= ?", (since,))
                # What a clock that was set back makes future counts too.
                (known,) = rows.execute(
                    "SELECT count(*) FROM starts WHERE function = ?",
                    (function,),
                ).fetchone()
                if known < most:
                    rows.execute(
                        "INSERT INTO starts VALUES (?, ?)",
                        (function, round(now.timestamp() * 1000)),
                    )
                    return None
        except StoreError as error:
            # What cannot be counted may be one too many.
            return Refusal(
                reason=Reason.TOO_OFTEN, function=function, detail=str(error)
            )
        return self._refuse(function, Reason.TOO_OFTEN)

    def _refuse(self, function: str, reason: Reason) -> Refusal:
        detail = ""
        try:
            with self._database.writing() as rows:
                rows.execute(
                    "INSERT INTO tally VALUES (?, 1) "
                    "ON CONFLICT (name) DO UPDATE SET n = n + 1",
                    (f"{function}: {reason.value}",),
                )
        except StoreError as error:
            detail = str(error)
        return Refusal(reason=reason, function=function, detail=detail)
