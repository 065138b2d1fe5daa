# SPDX-License-Identifier: MIT
"""
Delivery: from the outbox to the transports, gated once more.

One process of the app delivers at a time. Before each batch the gate is
asked again, and the batch must still be live in the outbox at the moment it
goes out; a withdrawal ends it there, cuts the transfer short, and waits for
one that another process has under way.
"""

from __future__ import annotations

import logging
import random
import time

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import define, evolve, field, frozen

from consentkit._filelock import FileLock
from consentkit._fork import Mutex
from consentkit.exceptions import StoreError
from consentkit.limits import Limits
from consentkit.outbox.drops import DropReport, Due, Held
from consentkit.outbox.lanes import rests_on
from consentkit.outbox.records import Batch, Erasure
from consentkit.outbox.status import LaneStatus
from consentkit.outbox.store import OutboxStore
from consentkit.transports.base import Answer, Outcome, Transport
from consentkit.transports.retry import RetryRules, Standing, Tried


if TYPE_CHECKING:
    from consentkit.seal import SealKey


__all__ = ["Delivery", "FlushProgress", "FlushReport"]

_T = TypeVar("_T", Batch, Erasure, DropReport)

#: How often a record that a backend refuses, and nothing beside it, is tried:
#: for about four hours.
_MOST_TRIES: Final = 24

logger: logging.Logger = logging.getLogger("consentkit")


@frozen(kw_only=True)
class FlushReport:
    """
    What a flush did.

    Attributes:
        delivered: Records that a backend has now.

        duplicates: Records that it said it had already.

        rejected: Records that it will never take; they are dropped.

        expired: Records whose retention was over; they are dropped.

        erased: Erasure requests that were carried out.

        waiting: Records that still wait.

        problems: What went wrong, one line each, for people.
    """

    delivered: int = 0
    duplicates: int = 0
    rejected: int = 0
    expired: int = 0
    erased: int = 0
    waiting: int = 0
    problems: tuple[str, ...] = ()


@frozen(kw_only=True)
class FlushProgress:
    """
    How far a flush is, after one of its batches.

    Attributes:
        delivered: Records that a backend has now, as in the report.

        waiting_at_start: Records that waited when it began.

        waiting: Records that wait now: also those that were captured since,
            and without those that expired, were withdrawn or rejected.

    .. versionadded:: 26.1.0
    """

    delivered: int
    waiting_at_start: int
    waiting: int


@define
class _Listener:
    """
    Whom a flush tells how far it is, for as long as they take it.

    Attributes:
        listen: What the app gave.

        waiting: Gives how many records wait now.
    """

    listen: Callable[[FlushProgress], object] | None
    waiting: Callable[[], int]
    at_start: int

    def tell(self, delivered: int) -> str:
        """
        Tell them, and say what went wrong.

        Who raised before is left alone: it would only come again.
        """
        if self.listen is None:
            return ""
        made = FlushProgress(
            delivered=delivered,
            waiting_at_start=self.at_start,
            waiting=self.waiting(),
        )
        try:
            self.listen(made)
        except Exception as error:  # noqa: BLE001 - the flush goes on
            self.listen = None
            kind = type(error).__name__
            logger.debug("progress failed", extra={"consentkit_error": kind})
            return (
                f"progress raised {kind} and was not called again; see to it "
                "that it raises nothing"
            )
        return ""


@define
class _Tally:
    counts: dict[str, int] = field(factory=dict)
    problems: list[str] = field(factory=list)
    listener: _Listener | None = None

    def add(self, reason: str, number: int = 1) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + number

    def problem(self, text: str) -> None:
        if text and text not in self.problems:
            self.problems.append(text)

    def tell(self) -> None:
        if self.listener is not None:
            delivered = self.counts.get("delivered", 0)
            self.problem(self.listener.tell(delivered))

    def report(self, waiting: int) -> FlushReport:
        get = self.counts.get
        return FlushReport(
            delivered=get("delivered", 0),
            duplicates=get("duplicate", 0),
            rejected=get("rejected", 0),
            expired=get("expired", 0),
            erased=get("erased", 0),
            waiting=waiting,
            problems=tuple(self.problems),
        )


@define(kw_only=True)
class _Transfer:
    """
    A batch that is going out.

    Attributes:
        is_sending: Whether the transport has it.

        is_cut: Whether a withdrawal came first.
    """

    grant: str
    transport: Transport
    is_sending: bool = False
    is_cut: bool = False


class Delivery:
    """
    Sends what waits in one outbox.

    Args:
        transports: By recipient.

        seal_for: By recipient, its keys: the first that it has is used.

        may_send: Tells whether what waits in a lane may go out now.

        problem: Says why the choices cannot be read, or nothing.

        lock: File that says which process delivers.
    """

    def __init__(
        self,
        *,
        store: OutboxStore,
        transports: Mapping[str, Transport],
        seal_for: Mapping[str, Sequence[SealKey]],
        may_send: Callable[[LaneStatus], bool],
        problem: Callable[[], str],
        clock: Callable[[], datetime],
        limits: Limits,
        lock: Path,
    ) -> None:
        self._store = store
        self._transports = transports
        self._seal_for = dict(seal_for)
        self._may_send = may_send
        self._problem = problem
        self._clock = clock
        self._limits = limits
        self._lock = lock
        self._rules = RetryRules()
        self._standing: dict[str, Standing] = {}
        #: The same of drop reports, which hold up nothing else.
        self._telling: dict[str, Standing] = {}
        #: Recipients to whom no drop report goes.
        self._unable: set[str] = set()
        self._mutex = Mutex()
        self._moving: _Transfer | None = None
        self._is_closed = False
        self._is_patient = False

    def flush(
        self,
        *,
        timeout_seconds: float | None = None,
        is_patient: bool = False,
        progress: Callable[[FlushProgress], object] | None = None,
    ) -> FlushReport:
        """
        Send what waits, oldest first, and report; never raises.

        A backend that cannot be reached is tried once per flush, and one
        that asked for a pause not before it is over.

        Args:
            timeout_seconds: How long to go on; it is looked at between two
                batches.

            is_patient: Whether to leave a backend alone after failures, for
                as long as `consentkit.transports.retry` says.

            progress: Told after each batch how far it is, in this thread.
        """
        tally = _Tally()
        seconds = timeout_seconds
        if seconds is None:
            seconds = self._limits.flush_seconds
        try:
            is_there = self._store.exists() or self._store.has_work()
            if is_there and (not is_patient or self._store.has_work()):
                end = time.monotonic() + seconds
                self._flush_alone(
                    tally, end, is_patient=is_patient, progress=progress
                )
        except StoreError as error:
            tally.problem(str(error))
        except Exception as error:  # noqa: BLE001 - nothing gets out
            # Its text may hold a value.
            kind = type(error).__name__
            logger.debug("delivery failed", extra={"consentkit_error": kind})
            tally.problem(f"delivery failed ({kind})")
        return tally.report(self._waiting())

    def _waiting(self) -> int:
        with suppress(StoreError):
            return self._store.status().waiting
        return 0

    def _flush_alone(
        self,
        tally: _Tally,
        deadline: float,
        *,
        is_patient: bool,
        progress: Callable[[FlushProgress], object] | None,
    ) -> None:
        lock = FileLock(self._lock)
        left = max(0.0, deadline - time.monotonic())
        if not lock.acquire(timeout_seconds=left):
            tally.problem("another process is delivering")
            return
        try:
            self._is_patient = is_patient
            tally.add("expired", self._store.expire(self._clock()))
            self._store.recover()
            self._store.forget_under_way()
            tally.problem(self._problem())
            if progress is not None:
                tally.listener = _Listener(
                    progress, self._waiting, self._waiting()
                )
            down = self._send_erasures(tally, deadline)
            for lane in self._store.lanes():
                if lane.recipient not in down and not self._send_lane(
                    lane, tally, deadline
                ):
                    down.add(lane.recipient)
            self._tell_drops(tally, deadline, down)
        finally:
            lock.release()

    def _send_erasures(self, tally: _Tally, deadline: float) -> set[str]:
        """
        Send erasure requests, which go before everything else.
        """
        down: set[str] = set()
        for erasure in self._store.erasures():
            if self._is_over(deadline):
                break
            transport = self._transport(erasure.recipient, tally)
            if transport is None or erasure.recipient in down:
                continue
            answer = self._erase(erasure, transport)
            self._note(erasure.recipient, answer, tally)
            if answer.outcomes[erasure.id] is Outcome.RETRY:
                down.add(erasure.recipient)
            elif answer.outcomes[erasure.id] is not Outcome.REJECTED:
                self._store.settle_erasure(erasure)
                tally.add("erased")
        return down

    def _erase(self, erasure: Erasure, transport: Transport) -> Answer:
        answer = transport.erase(self._sealed(erasure))
        while answer.unknown_key and self._other_key(erasure.recipient):
            answer = transport.erase(self._sealed(erasure))
        return answer

    def _sealed(self, what: _T) -> _T:
        """
        Name the key that *what* is to be sealed for, if there is one.
        """
        keys = self._seal_for.get(what.recipient, ())
        return evolve(what, seal_for=keys[0]) if keys else what

    def _other_key(self, recipient: str) -> bool:
        """
        Go on to the next key of a recipient that does not have this one.

        The last is kept: nothing is ever sent in the clear for that.
        """
        keys = self._seal_for.get(recipient, ())
        if len(keys) > 1:
            self._seal_for[recipient] = keys[1:]
        return len(keys) > 1

    def _is_over(self, deadline: float) -> bool:
        return self._is_closed or time.monotonic() >= deadline

    def _transport(self, recipient: str, tally: _Tally) -> Transport | None:
        transport = self._transports.get(recipient)
        if transport is None:
            tally.problem(
                f"no transport leads to {recipient!r}; name one in transport, "
                "by its recipient"
            )
            return None
        stands, now = self._stands(recipient), time.monotonic()
        if left := stands.pause(now):
            tally.problem(
                f"{transport.name}: asked for a pause, {left:.0f} s are left"
            )
            return None
        if self._is_patient and not stands.is_due(now):
            return None
        return transport

    def _stands(self, recipient: str) -> Standing:
        return self._standing.get(recipient, Standing())

    def _note(self, recipient: str, answer: Answer, tally: _Tally) -> None:
        """
        Note what a backend asks for.
        """
        tally.problem(answer.problem)
        if answer.every is None:
            fails = bool(answer.outcomes) and all(
                one is Outcome.RETRY for one in answer.outcomes.values()
            )
        else:
            fails = answer.every is Outcome.RETRY
        self._standing[recipient] = self._tried(
            self._stands(recipient), answer, fails=fails
        )

    def _tried(
        self, before: Standing, answer: Answer, *, fails: bool
    ) -> Standing:
        return before.after(
            Tried.FAILED if fails else Tried.TAKEN,
            now=time.monotonic(),
            rules=self._rules,
            random=random.random,
            asked_seconds=answer.retry_after_seconds,
        )

    def _send_lane(
        self, lane: LaneStatus, tally: _Tally, deadline: float
    ) -> bool:
        """
        Send *lane* to its end; tell whether its backend may be tried more.
        """
        transport = self._transport(lane.recipient, tally)
        if transport is None:
            return False
        most = self._limits.batch_records
        if self._stands(lane.recipient).is_down(self._rules):
            most = 1  # one goes first, to see
        sent: set[str] = set()
        refused = 0
        while not self._is_over(deadline) and self._may_send(lane):
            if self._stands(lane.recipient).pause(time.monotonic()):
                return False  # it took something, and no more for now
            batch = self._store.claim(lane, most=most, now=self._clock())
            if batch is None:
                break
            if batch.id in sent:
                # In a damaged outbox, what was settled may still be there.
                tally.problem("the outbox does not let go of a batch")
                return False
            sent.add(batch.id)
            answer = self._send(lane, self._sealed(batch), transport)
            if answer is None:
                # A withdrawal came first and may be waiting for this.
                self._put_down(lane, batch, {})
                break
            if answer.unknown_key and self._other_key(lane.recipient):
                sent.discard(batch.id)
                continue
            self._note(lane.recipient, answer, tally)
            if (answer.too_large or answer.refused) and len(batch.records) > 1:
                self._store.split(batch)
                most = max(1, len(batch.records) // 2)
                continue
            if answer.refused:
                self._set_aside(lane, batch, tally)
                refused += 1
                goes_on = refused == 1  # else it is not of one record
            else:
                goes_on = self._settle(lane, batch, answer, tally)
                refused, most = 0, self._limits.batch_records
            tally.tell()
            if not goes_on:
                return False
        return True

    def _set_aside(
        self, lane: LaneStatus, batch: Batch, tally: _Tally
    ) -> None:
        """
        Let a record that is refused wait by itself, a while longer each time.
        """
        tries = self._store.park(
            batch,
            now=self._clock(),
            wait=lambda n: self._rules.wait(n, random.random),
        )
        if tries < _MOST_TRIES:
            return
        done = {record.id: "undeliverable" for record in batch.records}
        self._put_down(lane, batch, done)
        tally.add("rejected", len(done))

    def _send(
        self, lane: LaneStatus, batch: Batch, transport: Transport
    ) -> Answer | None:
        """
        Let *batch* out, unless it has ended since it was claimed.
        """
        return self._let_out(
            _Transfer(grant=lane.grant, transport=transport),
            is_live=lambda: self._store.is_live(batch),
            send=lambda: transport.send(batch),
        )

    def _let_out(
        self,
        transfer: _Transfer,
        *,
        is_live: Callable[[], bool],
        send: Callable[[], Answer],
    ) -> Answer | None:
        with self._mutex:
            self._moving = transfer
        # From here on a withdrawal either sees it as moving, or has ended it
        # already, and then it is not live.
        try:
            if not is_live():
                return None
            with self._mutex:
                if transfer.is_cut:
                    return None
                transfer.is_sending = True
            return send()
        finally:
            with self._mutex:
                self._moving = None

    def _settle(
        self, lane: LaneStatus, batch: Batch, answer: Answer, tally: _Tally
    ) -> bool:
        every = answer.every
        if every is not None and every is not Outcome.RETRY:
            self._put_down(lane, batch, every.value)
            tally.add(every.value, len(batch.records))
            return True
        outcomes = dict(answer.outcomes)
        if answer.too_large:
            # One record that is too large by itself will never fit.
            outcomes = dict.fromkeys(outcomes, Outcome.REJECTED)
        done = {
            record: outcome.value
            for record, outcome in outcomes.items()
            if outcome is not Outcome.RETRY
        }
        self._put_down(lane, batch, done)
        for reason in done.values():
            tally.add(reason)
        return len(done) == len(outcomes)

    def _put_down(
        self, lane: LaneStatus, batch: Batch, done: Mapping[str, str] | str
    ) -> None:
        self._store.settle(
            batch, element=lane.element, done=done, now=self._clock()
        )

    def _tell_drops(
        self, tally: _Tally, deadline: float, down: Collection[str]
    ) -> None:
        """
        Tell each recipient what was dropped, where that is due.
        """
        drops = self._store.drops
        for recipient, held in drops.waiting(self._clock()).items():
            transport = self._transports.get(recipient)
            if (
                transport is None
                or recipient in down
                or recipient in self._unable
                or not self._may_tell(recipient)
            ):
                continue
            if self._is_over(deadline):
                return
            lanes = [
                one.lane
                for one in held
                if self._may_send(_lane(recipient, one))
            ]
            due = drops.due(recipient, lanes, now=self._clock())
            if due is not None:
                self._tell(due, transport, tally)

    def _may_tell(self, recipient: str) -> bool:
        stands, now = self._stands(recipient), time.monotonic()
        if stands.pause(now):
            return False
        telling = self._telling.get(recipient, Standing())
        is_due = stands.is_due(now) and telling.is_due(now)
        return is_due or not self._is_patient

    def _tell(self, due: Due, transport: Transport, tally: _Tally) -> None:
        recipient = due.report.recipient
        answer = self._report(due, transport)
        if answer is None:
            # A withdrawal came first and may be waiting for this.
            self._store.drops.settle(due)
            return
        outcome = answer.outcomes[due.report.id]
        if answer.refused:
            self._store.drops.refuse(due)
        else:
            self._store.drops.settle(
                due,
                is_new=outcome is Outcome.DELIVERED,
                is_known=outcome in (Outcome.DUPLICATE, Outcome.REJECTED),
            )
        if answer.unable:
            self._unable.add(recipient)
            return
        tally.problem(answer.problem)
        if answer.retry_after_seconds is not None:
            # It means all that goes there; else records wait for no report.
            self._standing[recipient] = self._tried(
                self._stands(recipient), answer, fails=False
            )
        self._telling[recipient] = self._tried(
            self._telling.get(recipient, Standing()),
            answer,
            fails=outcome is Outcome.RETRY,
        )

    def _report(self, due: Due, transport: Transport) -> Answer | None:
        while True:
            report = self._sealed(due.report)
            answer = self._let_out(
                _Transfer(grant=due.grants, transport=transport),
                is_live=lambda: self._store.drops.is_live(due),
                send=lambda: transport.report(report),  # noqa: B023 - at once
            )
            if (
                answer is None
                or not answer.unknown_key
                or not self._other_key(due.report.recipient)
            ):
                return answer

    def cut_short(self, grants: frozenset[str]) -> None:
        """
        End the transfer of ended *grants*, and wait for others'.

        In this process the transfer is cut; one of another process is
        waited for, up to the limit.
        """
        deadline = time.monotonic() + self._limits.withdraw_wait_seconds
        self._cancel(grants)
        while self._store.is_under_way(grants) and time.monotonic() < deadline:
            # Again, since the transfer may not have begun the first time.
            self._cancel(grants)
            self._forget_the_dead()

    def _cancel(self, grants: frozenset[str]) -> None:
        # Inside, so that the flush cannot go on to another batch meanwhile,
        # which would be cut in its place.
        with self._mutex:
            transfer = self._moving
            if transfer is None or not rests_on(transfer.grant, grants):
                return
            transfer.is_cut = True
            if not transfer.is_sending:
                return
            try:
                transfer.transport.cancel()
            except Exception as error:  # noqa: BLE001 - a withdrawal goes on
                _log_transport(transfer.transport, error)

    def _forget_the_dead(self) -> None:
        """
        Clear what a killed process left, if nobody delivers.
        """
        lock = FileLock(self._lock)
        with suppress(StoreError):
            if lock.acquire(timeout_seconds=0.02):
                try:
                    self._store.forget_under_way()
                finally:
                    lock.release()

    def close(self) -> None:
        """
        Close the transports; nothing is sent from now on.
        """
        self._is_closed = True
        for transport in self._transports.values():
            try:
                transport.close()
            except Exception as error:  # noqa: BLE001 - so do the others
                _log_transport(transport, error)


def _lane(recipient: str, held: Held) -> LaneStatus:
    """
    Give the lane that something was dropped of, for the gate.
    """
    return LaneStatus(
        element=held.element,
        grant=held.grant,
        recipient=recipient,
        waiting=0,
        attempted=False,
        subject=held.subject,
    )


def _log_transport(transport: Transport, error: Exception) -> None:
    logger.debug(
        "transport failed",
        extra={
            "consentkit_transport": type(transport).__name__,
            "consentkit_error": type(error).__name__,
        },
    )
