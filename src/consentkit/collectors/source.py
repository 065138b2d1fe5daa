# SPDX-License-Identifier: MIT
"""
Sources: the real places that values come from.

A source is read under a permit only, counts its reads, keeps its deadline,
and lets no exception and no value out by any other way than its result.

Times are seconds.
"""

from __future__ import annotations

import logging

from abc import ABC, abstractmethod
from collections.abc import Mapping
from inspect import iscoroutinefunction
from typing import Any, Generic, TypeVar, final

from attrs import frozen

from consentkit.collectors._deadline import Deadline, FailedCallError
from consentkit.collectors._interval import LastReads
from consentkit.collectors._record import is_on_record
from consentkit.exceptions import MissingExtraError
from consentkit.gate import Permit, check_permit
from consentkit.policy.model import ProtectionName


__all__ = ["Source", "Unavailable"]

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("consentkit")


@frozen
class Unavailable:
    """
    Permitted, but there is no value; nothing is made up in its place.

    It is false in a condition.

    Attributes:
        data_type: What was to be read.

        reason: Why there is no value; never a part of it.
    """

    data_type: str
    reason: str

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"{self.data_type}: unavailable, {self.reason}"


@frozen
class _Failed:
    """
    What a read raised, by the name of its class.

    Its text, arguments and frames may hold a value, and are not kept; but
    that a library is missing is the developer's to know.
    """

    kind: str
    missing: MissingExtraError | None = None


class Source(ABC, Generic[T]):
    """
    One real place that values of some data types come from.

    Members implement `_read`; callers use `read`. Whatever blocks in there
    has a deadline: `_read` runs in a thread of its own, one call at a time,
    and is left to itself when it is late.

    Attributes:
        id: Short name, by which an app or a policy chooses it: ``gpsd``.

        name: What the source is, for people: a file, a daemon, a tool.

        data_types: Ids of the data types that it gives.

        touches: What a read touches, for people: files, calls, services.

        visible: What remains visible of a read outside of the app: a prompt,
            a sign, a line in a log; empty where nothing does.

        platforms: Where it works: ``android``, ``ios``, ``web``, ``iot``,
            ``desktop``; everywhere if empty.

        min_interval_seconds: Asked for the same data type again sooner than
            this, it gives `Unavailable` and is not read.

        timeout_seconds: How long one read may take, all in all. ``None`` for
            a source that keeps a deadline of its own, or that has to be read
            in the thread of its caller: then nobody watches over it, and
            only an `Exception` is turned into `Unavailable`.

        reads: How many times it was really read.
    """

    id: str = ""
    name: str
    data_types: frozenset[str]
    touches: str = ""
    visible: str = ""
    platforms: frozenset[str] = frozenset()
    min_interval_seconds: float = 0.0
    timeout_seconds: float | None = 5.0

    #: Bound at first use, so that a subclass needs no constructor call.
    _reads = 0
    _last_reads: LastReads | None = None
    _deadline_of_reads: Deadline[Any] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if iscoroutinefunction(cls._read):
            # Its answer would be an object that nobody awaits.
            msg = (
                f"{cls.__name__}._read must be a plain function, not a "
                "coroutine function"
            )
            raise TypeError(msg)

    @property
    def reads(self) -> int:
        """
        How many times the source was read, failed reads included.
        """
        return self._reads

    @final
    def read(self, permit: Permit, **options: Any) -> T | Unavailable:
        """
        Read the value that *permit* is for.

        This is the inner door, which `consentkit.Use` goes through, sources
        that read other ones, and tests. What comes out of it is the raw
        value: it is not protected, not counted as collected, and not held to
        the policy's frequency. An app reads by its use, as with
        `consentkit.Use.device`.

        Args:
            permit: The gate's yes, for one of this source's types.

            options: What `_read` of this source takes; ``scene`` for a
                clipboard.

        Returns:
            The raw value, or why there is none.

        Raises:
            ForgedPermitError: If *permit* is not one of the gate's, or for
                a data type of another source.

            MissingExtraError: If the library that reads it is missing.

            RuntimeError: If each read has to be on record, as that of a
                clipboard, and this one is not.
        """
        data_type = check_permit(permit).clause.type
        if data_type not in self.data_types:
            check_permit(permit, data_type=min(self.data_types))
        if not is_on_record(permit):
            msg = (
                f"each read of {data_type} has to be on record first; read "
                "it by use.clipboard(scene)"
            )
            raise RuntimeError(msg)
        if self.min_interval_seconds > 0 and self._is_too_soon(data_type):
            return Unavailable(data_type, f"{self.name} was just asked")
        self._reads += 1
        made = self._in_time(permit, options)
        if not isinstance(made, _Failed):
            return made
        if made.missing is not None:
            raise made.missing
        logger.debug(
            "source failed",
            extra={
                "consentkit_source": type(self).__name__,
                "consentkit_error": made.kind,
            },
        )
        return Unavailable(data_type, f"the source failed ({made.kind})")

    def _in_time(
        self, permit: Permit, options: Mapping[str, Any]
    ) -> T | Unavailable | _Failed:
        if self.timeout_seconds is None:
            return self._attempt(permit, options)
        if self._deadline_of_reads is None:
            # Of two threads that come first, both get the same.
            vars(self).setdefault(
                "_deadline_of_reads", Deadline(self._attempt)
            )
        deadline: Any = self._deadline_of_reads
        try:
            made: T | Unavailable | _Failed = deadline.call(
                self.timeout_seconds, permit, options
            )
        except TimeoutError:
            return Unavailable(
                permit.clause.type,
                f"{self.name} did not answer within the deadline",
            )
        except FailedCallError as error:
            made = _Failed(error.kind)
        return made

    def _attempt(
        self, permit: Permit, options: Mapping[str, Any]
    ) -> T | Unavailable | _Failed:
        """
        Read; give what it raised by its name.
        """
        try:
            return self._fit(permit, self._read(permit, **options))
        except MissingExtraError as error:
            return _Failed(type(error).__name__, error)
        except Exception as error:  # noqa: BLE001 - a source breaks no host
            return _Failed(type(error).__name__)

    def _is_too_soon(self, data_type: str) -> bool:
        if self._last_reads is None:
            vars(self).setdefault("_last_reads", LastReads())
        last: Any = self._last_reads
        return not last.claim(data_type, self.min_interval_seconds)

    def _fit(self, permit: Permit, found: Any) -> T | Unavailable:
        """
        Give *found*, or why it is not what *permit* is for.
        """
        protection = permit.clause.protection
        is_take = protection.name is ProtectionName.TAKE
        if not is_take or isinstance(found, Unavailable):
            return found  # type: ignore[no-any-return]
        from consentkit.anonymise.intents import may_be_taken

        names = (getattr(found, "intent", None), getattr(found, "value", None))
        if may_be_taken(*names, protection.intents):
            return found  # type: ignore[no-any-return]
        return Unavailable(
            permit.clause.type,
            f"{self.name} gave nothing that may be taken",
        )

    @abstractmethod
    def _read(self, permit: Permit, **options: Any) -> T | Unavailable:
        """
        Read the value; an exception becomes `Unavailable`.
        """

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.reads} reads>"
