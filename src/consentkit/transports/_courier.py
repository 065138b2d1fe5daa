# SPDX-License-Identifier: MIT
"""
Parcels to a backend that keeps a connection: one at a time, each with an end.

Each transfer runs in a short-lived thread of its own, so that whoever waits
for it can stop waiting whatever it is blocked in: name service, connection,
TLS or answer.

Durations are float seconds.
"""

from __future__ import annotations

import math
import os
import threading
import time

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from consentkit._fork import watch_forks
from consentkit.exceptions import TransportError
from consentkit.transports._exchange import (
    GRACE_SECONDS,
    HANGING,
    MOST_STUCK,
    CutError,
    Verdict,
)
from consentkit.transports._http import LATE
from consentkit.transports.base import Answer, Outcome, Transport
from consentkit.transports.parcel import Parcel, pack


if TYPE_CHECKING:
    from consentkit.outbox.drops import DropReport
    from consentkit.outbox.records import Batch, Erasure


__all__ = [
    "CourierTransport",
    "Transfer",
    "Wire",
    "check_options",
]


class Transfer:
    """
    One parcel under way, which any thread may cut.

    Args:
        parcel: What is to leave.

        grant: What is the same for all parcels of one grant.

        seconds: The most that it may take.

    Attributes:
        is_cut: Whether it is to end.

        said: What came of it; ``None`` until it is known.

        settled: Set when it ended or was cut.

        ended: Set when it ended.
    """

    def __init__(self, parcel: Parcel, grant: str, seconds: float) -> None:
        self.parcel = parcel
        self.grant = grant
        self.is_cut = False
        self.said: Verdict | None = None
        self.settled = threading.Event()
        self.ended = threading.Event()
        self._until = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._break_off: Callable[[], None] | None = None

    @property
    def left(self) -> float:
        """
        Seconds until it is late, never none.
        """
        return max(self._until - time.monotonic(), 0.001)

    def begin(self, break_off: Callable[[], None]) -> None:
        """
        Note that the parcel leaves from here on.

        Args:
            break_off: Stops it, from any thread, without waiting.

        Raises:
            CutError: If it may not leave any more.
        """
        with self._lock:
            if self.is_cut:
                raise CutError
            self._break_off = break_off

    def cut(self) -> bool:
        """
        Stop it, and tell whether it had begun to leave.
        """
        with self._lock:
            self.is_cut = True
            if self._break_off is not None:
                self._break_off()
        self.settled.set()
        return self._break_off is not None

    def end(self) -> None:
        """
        Note that it is over.
        """
        self.ended.set()
        self.settled.set()


class Wire(ABC):
    """
    The connection to a backend, opened when needed; one transfer at a time.

    Attributes:
        ends_before_fork: Whether it is closed before a fork, as its library
            cannot let go of it in the child.

        is_busy: Whether a transfer uses it.
    """

    ends_before_fork = False

    def __init__(self) -> None:
        self.is_busy = False
        self._is_dropped = False
        self._lock = threading.Lock()

    @abstractmethod
    def carry(self, transfer: Transfer) -> Verdict:
        """
        Deliver a parcel; whatever it raises is told by its kind alone.
        """

    @abstractmethod
    def close(self) -> None:
        """
        Let go of the connection; it may be opened again.
        """

    @abstractmethod
    def forget(self) -> None:
        """
        Let go of what came over a fork, and send not a byte.
        """

    def rest(self) -> None:
        """
        Note that no transfer uses it now.
        """
        with self._lock:
            self.is_busy = False
            if self._is_dropped:
                self.close()

    def drop(self) -> None:
        """
        Close it now, or as soon as no transfer uses it.
        """
        with self._lock:
            self._is_dropped = True
            if not self.is_busy:
                self.close()


class _Courier:
    """
    The way to one backend, in one process.

    Args:
        make: Makes a wire; it is called at the first transfer.

        timeout_seconds: The most that a whole transfer may take.
    """

    def __init__(
        self, make: Callable[[], Wire], *, timeout_seconds: float
    ) -> None:
        self._make = make
        self._timeout = timeout_seconds
        self._is_closed = False
        self._begin()
        watch_forks(self)

    def _begin(self) -> None:
        self.pid = os.getpid()
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._under_way: list[Transfer] = []
        self._stuck: list[Wire] = []
        self._wire: Wire | None = None
        self._is_held = False

    def before_fork(self) -> None:
        """
        Close what must not come over the fork, and keep it closed.

        A transfer that is under way is cut for it, and comes again.
        """
        wire = self._wire
        if wire is None or not wire.ends_before_fork:
            return
        if self.pid != os.getpid():
            return
        self.cut()
        self._is_held = self._turn.acquire(timeout=GRACE_SECONDS)
        if self._is_held:
            wire.close()

    def after_fork(self, *, in_child: bool) -> None:
        """
        Begin anew in the child.
        """
        if in_child:
            self._begin_anew()
        elif self._is_held:
            self._is_held = False
            self._turn.release()

    def _begin_anew(self) -> None:
        for wire in (self._wire, *self._stuck):
            if wire is not None:
                wire.forget()
        self._begin()

    def carry(self, parcel: Parcel, grant: str) -> Verdict:
        """
        Deliver *parcel*, or say what went wrong.
        """
        if self.pid != os.getpid():  # the fork was not told of
            self._begin_anew()
        transfer = Transfer(parcel, grant, self._timeout)
        with self._lock:
            if self._is_closed:
                return Verdict(problem="the transport is closed")
            self._under_way.append(transfer)
        try:
            if not self._turn.acquire(timeout=self._timeout):
                return Verdict(
                    problem="an earlier transfer is still under way"
                )
            try:
                return self._run(transfer)
            finally:
                self._turn.release()
        finally:
            with self._lock:
                self._under_way.remove(transfer)

    def cut(self) -> None:
        """
        Cut all transfers under way; nothing of them leaves afterwards.
        """
        if self.pid != os.getpid():
            return
        with self._lock:
            transfers = list(self._under_way)
        begun = [one for one in transfers if one.cut()]
        for one in begun:
            one.ended.wait(GRACE_SECONDS)

    def close(self) -> None:
        """
        Cut what is under way and close the connection, for good.
        """
        if self.pid != os.getpid():
            self._begin_anew()
        with self._lock:
            self._is_closed = True
        self.cut()
        if self._wire is not None:
            self._wire.drop()

    def _run(self, transfer: Transfer) -> Verdict:
        self._stuck = [wire for wire in self._stuck if wire.is_busy]
        if len(self._stuck) >= MOST_STUCK:
            return Verdict(problem=HANGING)
        wire = self._wire = self._wire or self._make()
        if not transfer.is_cut:
            wire.is_busy = True
            try:
                threading.Thread(
                    target=_exchange,
                    args=(wire, transfer),
                    name="consentkit-transfer",
                    daemon=True,
                ).start()
            except RuntimeError:
                wire.rest()
                return Verdict(problem="no thread can be started; try later")
            transfer.settled.wait(transfer.left)
        is_late = not transfer.settled.is_set()
        if (is_late or transfer.is_cut) and wire.is_busy:
            if transfer.cut():
                transfer.ended.wait(GRACE_SECONDS)
            if not transfer.ended.is_set():
                self._give_up(wire)
        said = transfer.said
        # What it says of a connection that was broken off here is no news.
        if said is not None and (
            said.outcome is not Outcome.RETRY or not transfer.is_cut
        ):
            return said
        if is_late:
            return Verdict(problem=LATE.format(self._timeout))
        return Verdict(problem="the transfer was cancelled")

    def _give_up(self, wire: Wire) -> None:
        # It hangs in what nobody can interrupt; its parcel has not left, and
        # will not.
        self._stuck.append(wire)
        self._wire = None
        wire.drop()


def _exchange(wire: Wire, transfer: Transfer) -> None:
    """
    Carry the parcel and read the answer, in a thread of its own.
    """
    try:
        transfer.said = wire.carry(transfer)
    except BaseException as error:  # noqa: BLE001 - the thread ends here
        if not transfer.is_cut:
            kind = type(error).__name__
            transfer.said = Verdict(problem=f"the transfer failed ({kind})")
    finally:
        wire.rest()
        transfer.end()


class CourierTransport(Transport):
    """
    A transport whose backend takes parcels over a connection.

    Args:
        name: Where it leads, for people, without secrets.

        make: Makes a wire; it is called at the first transfer.

        timeout_seconds: The most that one transfer may take, all in all.
    """

    seals = True

    def __init__(
        self, name: str, make: Callable[[], Wire], *, timeout_seconds: float
    ) -> None:
        self.name = name
        self._courier = _Courier(make, timeout_seconds=timeout_seconds)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def _send(self, batch: Batch) -> Answer:
        ids = batch.ids
        return self._carry(pack(batch), batch.erase, ids)

    def _erase(self, erasure: Erasure) -> Answer:
        return self._carry(pack(erasure), _grant_of(erasure), [erasure.id])

    def _report(self, report: DropReport) -> Answer:
        return self._carry(pack(report), "", [report.id])

    def _carry(self, parcel: Parcel, grant: str, ids: list[str]) -> Answer:
        said = self._courier.carry(parcel, grant)
        problem = f"{self.name}: {said.problem}" if said.problem else ""
        return Answer(
            outcomes=dict.fromkeys(ids, said.outcome),
            problem=problem,
            too_large=said.too_large,
            refused=said.refused,
        )

    def cancel(self) -> None:
        """
        Cut the transfer under way short, from any thread.

        Its records count as *try again*: the backend may have them, or not.
        """
        self._courier.cut()

    def close(self) -> None:
        """
        Cut what is under way and close the connection; the transport sends
        nothing afterwards.
        """
        self._courier.close()


def _grant_of(erasure: Erasure) -> str:
    """
    Give what its batches have as *erase*.
    """
    with suppress(ValueError):
        return sha256(bytes.fromhex(erasure.token)).hexdigest()
    return ""


def check_options(
    *,
    timeout_seconds: float,
    verify: object,
    certificate: object,
    key: object,
    user: object,
    password: object,
) -> None:
    """
    Check what such a transport is made with, beside its URL.

    Raises:
        TransportError: If one of them cannot be used.
    """
    files = {"verify": verify, "certificate": certificate, "key": key}
    words = {"user": user, "password": password}
    for name, value in files.items():
        if not isinstance(value, str | Path | None):
            msg = f"{name} takes the path of a file in PEM"
            raise TransportError(msg)
    for name, value in words.items():
        if value is not None and (
            not isinstance(value, str) or not value or "\0" in value
        ):
            msg = f"{name} must be text, not empty and without NUL"
            raise TransportError(msg)
    if not (math.isfinite(timeout_seconds) and timeout_seconds > 0):
        msg = "timeout_seconds must be a positive number"
    elif (certificate is None) != (key is None):
        msg = "give certificate and key together"
    elif password is not None and user is None:
        msg = "give user with the password"
    else:
        return
    raise TransportError(msg)
