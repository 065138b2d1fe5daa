# SPDX-License-Identifier: MIT
"""
What every transport must do, as tests to inherit from.

A class of tests says how its transport is made, and what came at its
backend::

    class TestSpool(TransportConformance):
        def make_transport(self):
            return SpoolTransport(f"spool://{self.folder}")

        def received(self):
            return [Arrived.of(p.read_bytes()) for p in ...]

For a backend that keeps records by itself, and erases them, there is
`StoreConformance`; for one that is gone, hangs or lies `BadTransportConformance`.

Each test makes transports of its own. Their backend is set up before: with
pytest in a fixture of the class that is used by itself (``autouse=True``),
with `unittest` in ``setUp``; it is empty at the start of each test.
"""

from __future__ import annotations

import json
import re
import threading
import time

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Self

from attrs import evolve, field, frozen

from consentkit.outbox.drops import Dropped, DropReport
from consentkit.outbox.records import Batch, Erasure, Record, new_id
from consentkit.receiver._read import read_batch
from consentkit.seal import OpenKey, make_open_key, open_envelope
from consentkit.testing.sentinels import logged
from consentkit.testing.touches import touched
from consentkit.transports import Answer, Outcome, Transport
from consentkit.transports.base import CAPABILITIES


__all__ = [
    "Arrived",
    "BadTransportConformance",
    "StoreConformance",
    "TransportConformance",
    "make_batch",
    "make_drop_report",
    "make_erasure",
    "make_record",
]

#: Stands in every value that these tests send, and may be in no message.
PLANTED: Final = "planted-4F1E-不可见"

_TOKEN: Final = "11" * 32
#: Of a grant of which nothing was sent: a backend that erases keeps the rest.
_OTHER_TOKEN: Final = "66" * 32
_ODD: Final = "\u2028 \x7f 猫 \U0001f600 \ud83d \\ud83d \x00"

_KEY: Final[list[OpenKey]] = []


def _key() -> OpenKey:
    if not _KEY:
        _KEY.append(make_open_key(1))
    return _KEY[0]


def make_record(**changes: Any) -> Record:
    """
    Make a good record, with a planted value.

    Args:
        changes: Its fields that are to be others.
    """
    now = datetime.now(UTC)
    fields: dict[str, Any] = {
        "id": new_id(),
        "function": "wifi_binding",
        "data_type": "mac_address",
        "purpose": "binding",
        "recipient": "controller",
        "protection": "md5",
        "privacy_class": "pseudonymised",
        "value": {"digest": PLANTED, "seconds": 4.25, "parts": [1, None]},
        "captured_at": now,
        "expires_at": now + timedelta(days=30),
        "consent": "ab" * 32,
        "policy_version": "2020-08-12",
    }
    return Record(**{**fields, **changes})


def make_batch(*records: Record, token: str = _TOKEN) -> Batch:
    """
    Make a batch, of two new records if none are given.

    Args:
        records: What is in it.

        token: Entitles to erase it later; 64 hexadecimal digits.
    """
    return Batch(
        id=new_id(),
        recipient="controller",
        erase=sha256(bytes.fromhex(token)).hexdigest(),
        records=records or (make_record(), make_record()),
    )


def make_erasure(token: str = _TOKEN) -> Erasure:
    """
    Make an erasure request.

    Args:
        token: As of the batches that it is about.
    """
    return Erasure(
        id=new_id(),
        recipient="controller",
        token=token,
        requested_at=datetime.now(UTC),
    )


def make_drop_report() -> DropReport:
    """
    Make a drop report.
    """
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return DropReport(
        id=new_id(),
        recipient="controller",
        since=now - timedelta(hours=2),
        until=now + timedelta(hours=1),
        drops=(
            Dropped(function="wifi_binding", reason="expired", count=2),
            Dropped(function="wifi_binding", reason="outbox_full", count=3),
        ),
    )


@frozen(kw_only=True)
class Arrived:
    """
    One batch, erasure request or drop report, as its backend got it.

    Attributes:
        id: By what the backend told it from others, such as the message id.

        body: The bytes, as `consentkit.transports.pack` gave them.

    .. versionadded:: 26.1.0
    """

    id: str
    body: bytes = field(repr=False)

    @classmethod
    def of(cls, body: bytes) -> Self:
        """
        Make it of a body in JSON, where the backend has nothing but that.
        """
        found = json.loads(body)
        ids = (found.get(key) for key in ("batch", "erasure", "report"))
        return cls(id=next(filter(None, ids)), body=body)

    @property
    def records(self) -> tuple[str, ...]:
        """
        Ids of the records in it.
        """
        return tuple(record["id"] for record in self.documents)

    @property
    def documents(self) -> tuple[Any, ...]:
        """
        The records in it, each as a document of the wire format.
        """
        found = self.document
        if "batch" not in found:
            return ()
        batch, _ = read_batch(found)
        return tuple(record.as_json() for record in batch.records)

    @property
    def document(self) -> Any:
        """
        What it says; of an envelope what is in it.
        """
        body = self.body
        if not body.startswith(b"{"):
            body = open_envelope(body, {1: _key()})[1]
        return json.loads(body)


def _outcomes(answer: Answer) -> list[Outcome]:
    return list(answer.outcomes.values())


class _Conformance:
    """
    What the suites share.

    Attributes:
        within_seconds: How long one transfer may take, all in all.
    """

    within_seconds: float = 60.0

    def make_transport(self) -> Transport:
        """
        Make the transport; nothing else is done here.
        """
        raise NotImplementedError

    def _within(self, work: Callable[[], Answer]) -> Answer:
        """
        Do *work* in a thread, and leave it there when it takes too long.
        """
        done: list[Answer] = []
        thread = threading.Thread(
            target=lambda: done.append(work()), daemon=True
        )
        thread.start()
        thread.join(self.within_seconds)
        assert not thread.is_alive(), (
            f"it takes more than {self.within_seconds:g} s"
        )
        assert done, "it raises"
        return done[0]

    def _send(self, transport: Transport, batch: Batch) -> Answer:
        return self._within(lambda: transport.send(batch))

    def _erase(self, transport: Transport, erasure: Erasure) -> Answer:
        return self._within(lambda: transport.erase(erasure))

    def _report(self, transport: Transport, report: DropReport) -> Answer:
        return self._within(lambda: transport.report(report))

    def _sent(
        self, transport: Transport, batches: Iterable[Batch]
    ) -> list[Answer]:
        return [self._send(transport, batch) for batch in batches]

    def _check_quiet(
        self, transport: Transport, answers: Sequence[object], lines: str
    ) -> None:
        shown = f"{transport!r} {transport.name} {answers} {lines}"
        assert PLANTED not in shown, "a value is shown"
        assert json.dumps(PLANTED)[1:-1] not in shown, "a value is shown"
        assert _TOKEN not in shown, "the token of an erasure is shown"


class TransportConformance(_Conformance):
    """
    Tests for a transport whose backend works.

    Attributes:
        keeps_order: Whether the backend tells in which order batches came; a
            folder does not.

    .. versionadded:: 26.1.0
    """

    keeps_order: bool = True

    def received(self) -> Sequence[Arrived]:
        """
        Give what the backend has now, in the order in which it came, if
        it keeps that.

        What came twice under one id stands there once: every backend knows
        batches by their ids, or whoever reads from it does.
        """
        raise NotImplementedError

    def test_making_it_touches_nothing(self) -> None:
        """
        A transport that is made, named and printed has opened, started and
        connected to nothing; the address is looked up at the first transfer.
        """
        self.make_transport()  # what is imported for it is imported now
        with touched() as seen:
            transport = self.make_transport()
            str((transport.name, transport))
            transport.close()
        assert seen == [], "it is done before a transfer"
        assert isinstance(transport, Transport), "it derives from Transport"
        assert transport.name.strip(), "name: where it leads, for people"

    def test_keeps_the_promise_of_the_base(self) -> None:
        """
        The doors of all transfers are the base's own.
        """
        kind = type(self.make_transport())
        for name in ("send", "erase", "report"):
            assert getattr(kind, name) is getattr(Transport, name), (
                f"{name} is not for a transport to replace; write _{name}"
            )
        assert kind.seals, "seals: that it sends what pack() gives"

    def test_states_what_its_way_is(self) -> None:
        """
        What it states of its way is said in the words that policies have.
        """
        transport = self.make_transport()
        stated = transport.capabilities
        known = ", ".join(sorted(CAPABILITIES))
        assert isinstance(stated, AbstractSet), "capabilities: a set of words"
        assert stated <= CAPABILITIES, f"capabilities: known are {known}"
        region = transport.region
        assert not region or re.fullmatch("[A-Z]{2}", region), (
            "region: two capital letters of ISO 3166-1, such as CN"
        )

    def test_delivers(self) -> None:
        """
        Each record of a batch is delivered, as `pack` wrote it down.
        """
        batch = make_batch()
        with self.make_transport() as transport:
            (answer,) = self._sent(transport, [batch])
        ids = [record.id for record in batch.records]
        assert answer == Answer(outcomes=dict.fromkeys(ids, Outcome.DELIVERED))
        (arrived,) = self.received()
        assert arrived.id == batch.id
        assert arrived.document == batch.as_json()

    def test_delivers_envelopes(self) -> None:
        """
        What is sealed arrives sealed, and nothing of it is readable; an
        erasure request too.
        """
        key = _key().seal_key
        batch = evolve(make_batch(), seal_for=key)
        erasure = evolve(make_erasure(_OTHER_TOKEN), seal_for=key)
        with self.make_transport() as transport:
            self._send(transport, batch)
            self._erase(transport, erasure)
        first, second = self.received()
        for arrived in (first, second):
            assert PLANTED.encode() not in arrived.body
            assert _OTHER_TOKEN.encode() not in arrived.body
        if first.id == erasure.id and not self.keeps_order:
            first, second = second, first
        assert first.document == batch.as_json()
        assert second.document == erasure.as_json()

    def test_same_batch_again(self) -> None:
        """
        A batch that comes again has the same id at the backend.
        """
        batch = make_batch()
        with self.make_transport() as transport:
            answers = self._sent(transport, [batch, batch])
        for answer in answers:
            assert set(_outcomes(answer)) <= {
                Outcome.DELIVERED,
                Outcome.DUPLICATE,
            }
        (arrived,) = self.received()
        assert arrived.id == batch.id

    def test_in_order(self) -> None:
        """
        Batches arrive as they were sent, and an erasure after them.
        """
        batches = [make_batch() for _ in range(5)]
        erasure = make_erasure(_OTHER_TOKEN)
        with self.make_transport() as transport:
            self._sent(transport, batches)
            answer = self._erase(transport, erasure)
        assert _outcomes(answer) == [Outcome.DELIVERED]
        arrived = self.received()
        ids = [one.id for one in arrived]
        sent = [*(batch.id for batch in batches), erasure.id]
        assert sorted(ids) == sorted(sent)
        assert ids == sent or not self.keeps_order
        request = arrived[ids.index(erasure.id)]
        assert request.document == erasure.as_json()

    def test_big_batch(self) -> None:
        """
        A batch of a few hundred kilobytes goes through.
        """
        batch = make_batch(*(make_record(value="x" * 4000) for _ in range(99)))
        with self.make_transport() as transport:
            (answer,) = self._sent(transport, [batch])
        assert set(_outcomes(answer)) == {Outcome.DELIVERED}
        (arrived,) = self.received()
        assert len(arrived.records) == 99

    def test_odd_text(self) -> None:
        """
        Text of any kind, half a surrogate pair too, is delivered.
        """
        batch = make_batch(make_record(value={"a\nb": _ODD}))
        with self.make_transport() as transport:
            (answer,) = self._sent(transport, [batch])
        assert _outcomes(answer) == [Outcome.DELIVERED]
        (arrived,) = self.received()
        assert arrived.document["records"][0]["value"] == {"a\nb": _ODD}

    def test_tells_what_was_dropped(self) -> None:
        """
        A drop report arrives as `pack` wrote it down, sealed too, and under
        one id when it comes again; a transport that carries none says so,
        and keeps it for later.
        """
        plain = make_drop_report()
        sealed = evolve(make_drop_report(), seal_for=_key().seal_key)
        batch = make_batch()
        with self.make_transport() as transport:
            self._send(transport, batch)
            answers = [
                self._report(transport, one) for one in (plain, plain, sealed)
            ]
        said = [_outcomes(answer)[0] for answer in answers]
        held = self.received()
        arrived = {one.id: one for one in held}
        assert len(arrived) == len(held), "it comes twice"
        if answers[0].unable:
            assert all(one.unable for one in answers), answers
            assert said == [Outcome.RETRY] * 3, "nothing is lost"
            assert arrived.keys() == {batch.id}, "unable, and yet it came"
            return
        taken = {Outcome.DELIVERED, Outcome.DUPLICATE}
        assert [a.outcomes.keys() for a in answers] == [
            {one.id} for one in (plain, plain, sealed)
        ]
        assert set(said) <= taken, answers
        assert not any(a.unable or a.problem for a in answers), answers
        assert arrived.keys() == {batch.id, plain.id, sealed.id}
        assert arrived[plain.id].document == plain.as_json()
        assert b"wifi_binding" not in arrived[sealed.id].body
        assert arrived[sealed.id].document == sealed.as_json()

    def test_works_again_after_cancel(self) -> None:
        """
        A cancellation with nothing under way leaves no trace.
        """
        with self.make_transport() as transport:
            self._send(transport, make_batch())
            transport.cancel()
            answer = self._send(transport, make_batch())
        assert _outcomes(answer) == [Outcome.DELIVERED] * 2
        assert len(self.received()) == 2

    def test_many_threads(self) -> None:
        """
        Threads may send at once, the same batch too; none is lost.
        """
        batches = [make_batch() for _ in range(4)] * 2
        answers: list[Answer] = []
        with self.make_transport() as transport:
            _side_by_side(
                lambda batch: answers.append(transport.send(batch)),
                batches,
                self.within_seconds,
            )
        said = {one for answer in answers for one in _outcomes(answer)}
        assert len(answers) == 8
        assert said <= {Outcome.DELIVERED, Outcome.DUPLICATE}
        assert {one.id for one in self.received()} == {b.id for b in batches}

    def test_after_closing(self) -> None:
        """
        It may be closed twice, and sends nothing afterwards.
        """
        transport = self.make_transport()
        self._send(transport, make_batch())
        transport.close()
        transport.close()
        answer = self._send(transport, make_batch())
        assert _outcomes(answer) == [Outcome.RETRY] * 2
        assert len(self.received()) == 1

    def test_two_at_once(self) -> None:
        """
        Two transports to one backend do not disturb each other.
        """
        with self.make_transport() as one, self.make_transport() as other:
            for transport in (one, other, one, other):
                assert self._send(transport, make_batch()).problem == ""
        assert len(self.received()) == 4

    def test_shows_no_value_and_no_secret(self) -> None:
        """
        Neither its name nor its repr nor an answer nor a log shows what was
        sent.
        """
        with logged() as log, self.make_transport() as transport:
            answers = [
                self._send(transport, make_batch()),
                self._erase(transport, make_erasure()),
            ]
        self._check_quiet(transport, answers, "\n".join(log))


class StoreConformance(_Conformance):
    """
    Tests for a transport whose backend keeps records, and erases them.

    .. versionadded:: 26.1.0
    """

    def held(self) -> set[str]:
        """
        Give the ids of the records that the backend has now.
        """
        raise NotImplementedError

    def test_each_record_is_held_once(self) -> None:
        """
        A batch that comes again is stored once and called a duplicate.
        """
        batch = make_batch()
        with self.make_transport() as transport:
            first, second = self._sent(transport, [batch, batch])
        assert _outcomes(first) == [Outcome.DELIVERED] * 2
        assert _outcomes(second) == [Outcome.DUPLICATE] * 2
        assert self.held() == {record.id for record in batch.records}

    def test_erases_what_was_delivered(self) -> None:
        """
        An erasure removes all batches of its grant, and no others.
        """
        ours, late = (make_batch(token="22" * 32) for _ in range(2))
        other = make_batch(token="33" * 32)
        with self.make_transport() as transport:
            self._sent(transport, [ours, other, late])
            answer = self._erase(transport, make_erasure("22" * 32))
        assert _outcomes(answer) == [Outcome.DELIVERED]
        assert self.held() == {record.id for record in other.records}

    def test_erasure_bars_what_comes_late(self) -> None:
        """
        Records of an erased grant are rejected for ever, old and new ones.
        """
        batch = make_batch()
        with self.make_transport() as transport:
            self._send(transport, batch)
            self._erase(transport, make_erasure())
            again, late = self._sent(transport, [batch, make_batch()])
        assert _outcomes(again) == [Outcome.REJECTED] * 2
        assert _outcomes(late) == [Outcome.REJECTED] * 2
        assert "erased" in late.problem
        assert self.held() == set()

    def test_same_erasure_again_is_a_duplicate(self) -> None:
        """
        An erasure request that comes again is fine, and called a duplicate.
        """
        erasure = make_erasure()
        with self.make_transport() as transport:
            first, second = (self._erase(transport, erasure) for _ in range(2))
        assert _outcomes(first) == [Outcome.DELIVERED]
        assert _outcomes(second) == [Outcome.DUPLICATE]

    def test_erasure_without_records(self) -> None:
        """
        A grant of which nothing was delivered can be erased ahead.
        """
        with self.make_transport() as transport:
            self._erase(transport, make_erasure("44" * 32))
            answer = self._send(transport, make_batch(token="44" * 32))
        assert _outcomes(answer) == [Outcome.REJECTED] * 2
        assert self.held() == set()


class BadTransportConformance(_Conformance):
    """
    Tests for the same transport with a backend that is gone, refuses, hangs
    or answers nonsense.

    .. versionadded:: 26.1.0
    """

    def test_nothing_is_lost(self) -> None:
        """
        Every record is to be tried again, in time, and why is told.
        """
        batch = make_batch()
        with self.make_transport() as transport:
            (answer,) = self._sent(transport, [batch])
        ids = [record.id for record in batch.records]
        assert answer.outcomes == dict.fromkeys(ids, Outcome.RETRY)
        assert answer.problem.startswith(transport.name), (
            "problem: where, and what is wrong there"
        )

    def test_an_erasure_waits(self) -> None:
        """
        So is a request to erase.
        """
        erasure = make_erasure()
        with self.make_transport() as transport:
            answer = self._erase(transport, erasure)
        assert answer.outcomes == {erasure.id: Outcome.RETRY}

    def test_a_drop_report_waits(self) -> None:
        """
        So is a drop report.
        """
        report = make_drop_report()
        with self.make_transport() as transport:
            answer = self._report(transport, report)
        assert answer.outcomes == {report.id: Outcome.RETRY}

    def test_cancel_ends_it(self) -> None:
        """
        A transfer that is under way ends when it is cancelled.
        """
        with self.make_transport() as transport:
            answers: list[Answer] = []
            thread = threading.Thread(
                target=lambda: answers.append(transport.send(make_batch())),
                daemon=True,
            )
            thread.start()
            deadline = time.monotonic() + self.within_seconds
            while thread.is_alive():
                assert time.monotonic() < deadline, "cancel() does not end it"
                transport.cancel()
                thread.join(0.05)
        assert _outcomes(answers[0]) == [Outcome.RETRY] * 2

    def test_shows_no_value_and_no_secret(self) -> None:
        """
        Nothing that it says of the trouble shows what was to be sent.
        """
        with logged() as log, self.make_transport() as transport:
            answers = [
                self._send(transport, make_batch()),
                self._erase(transport, make_erasure()),
            ]
        self._check_quiet(transport, answers, "\n".join(log))


def _side_by_side(
    work: Callable[[Batch], object],
    batches: Iterable[Batch],
    seconds: float,
) -> None:
    threads = [
        threading.Thread(target=work, args=(batch,), daemon=True)
        for batch in batches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
        assert not thread.is_alive(), "a transfer hangs"
