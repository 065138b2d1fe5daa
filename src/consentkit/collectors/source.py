# SPDX-License-Identifier: MIT
"""
Sources: the real places that values come from.

A source is read under a permit only, counts its reads, and lets no
exception and no value out by any other way than its result.
"""

from __future__ import annotations

import logging

from abc import ABC, abstractmethod
from time import monotonic
from typing import Any, Generic, TypeVar, final

from attrs import frozen

from consentkit.exceptions import ConsentKitError, MissingExtraError
from consentkit.gate import Permit, check_permit


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


class Source(ABC, Generic[T]):
    """
    One real place that values of some data types come from.

    Members implement `_read`; callers use `read`. Whatever blocks in there
    has a deadline.

    Attributes:
        id: Short name, by which an app or a policy chooses it: ``gpsd``.

        name: What the source is, for people: a file, a daemon, a tool.

        data_types: Ids of the data types that it gives.

        touches: What a read touches, for people: files, calls, services.

        visible: What remains visible of a read outside of the app: a prompt,
            a sign, a line in a log; empty where nothing does.

        platforms: Where it works: ``android``, ``ios``, ``web``, ``iot``,
            ``desktop``; everywhere if empty.

        min_interval_seconds: Asked again sooner than this, it gives
            `Unavailable` and is not read.

        reads: How many times it was really read.
    """

    id: str = ""
    name: str
    data_types: frozenset[str]
    touches: str = ""
    visible: str = ""
    platforms: frozenset[str] = frozenset()
    min_interval_seconds: float = 0.0

    #: Bound at first use, so that a subclass needs no constructor call.
    _reads = 0
    _last_read: float | None = None

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

        Args:
            permit: The gate's yes, for one of this source's types.

            options: What `_read` of this source takes.

        Returns:
            The raw value, or why there is none.

        Raises:
            ForgedPermitError: If *permit* is not one of the gate's, or for
                a data type of another source.

            MissingExtraError: If the library that reads it is missing.
        """
        data_type = check_permit(permit).clause.type
        if data_type not in self.data_types:
            check_permit(permit, data_type=min(self.data_types))
        now, last = monotonic(), self._last_read
        if last is not None and now - last < self.min_interval_seconds:
            return Unavailable(data_type, f"{self.name} was just asked")
        self._last_read = now
        self._reads += 1
        try:
            return self._read(permit, **options)
        except MissingExtraError:
            raise
        except ConsentKitError as error:
            reason = type(error).__name__
        except Exception as error:  # noqa: BLE001 - a source breaks no host
            reason = type(error).__name__
        # Past the except block: the value in flight is in no __context__.
        logger.debug(
            "source failed",
            extra={
                "consentkit_source": type(self).__name__,
                "consentkit_error": reason,
            },
        )
        return Unavailable(data_type, f"the source failed ({reason})")

    @abstractmethod
    def _read(self, permit: Permit, **options: Any) -> T | Unavailable:
        """
        Read the value; an exception becomes `Unavailable`.
        """

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.reads} reads>"
