# SPDX-License-Identifier: MIT
"""
What every transport must do, as tests to inherit from.

A test class of a transport gives the fixture *transport*, with a backend
behind it that works, and *held*, which tells the ids that the backend holds.
"""

from __future__ import annotations

import threading

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from consentkit.outbox.records import Batch, Erasure, Record, new_id
from consentkit.transports import Outcome, Transport


PLANTED = "planted-4F1E-不可见"


def make_record(**changes) -> Record:
    """
    Make a good record.
    """
    now = datetime.now(UTC)
    fields = {
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


def make_batch(*records: Record, token: str = "11" * 32) -> Batch:
    """
    Make a batch, of two new records if none are given.
    """
    return Batch(
        id=new_id(),
        recipient="controller",
        erase=sha256(bytes.fromhex(token)).hexdigest(),
        records=records or (make_record(), make_record()),
    )


def make_erasure(token: str = "11" * 32) -> Erasure:
    """
    Make an erasure request.
    """
    return Erasure(
        id=new_id(),
        recipient="controller",
        token=token,
        requested_at=datetime.now(UTC),
    )


def outcomes(answer) -> list[Outcome]:
    """
    Give the outcomes of an answer in order.
    """
    return list(answer.outcomes.values())


class TransportConformance:
    """
    Tests for a transport whose backend works.
    """

    @pytest.fixture
    def transport(self) -> Transport:
        """
        Give the transport.
        """
        raise NotImplementedError

    @pytest.fixture
    def held(self) -> Callable[[], set[str]]:
        """
        Give what tells which records the backend holds.
        """
        raise NotImplementedError

    def test_delivers(self, transport, held):
        """
        Each record of a batch is delivered, and the backend holds it.
        """
        batch = make_batch()

        answer = transport.send(batch)

        ids = [record.id for record in batch.records]
        assert answer.outcomes == dict.fromkeys(ids, Outcome.DELIVERED)
        assert answer.problem == ""
        assert held() == set(ids)

    def test_same_batch_again_is_a_duplicate(self, transport, held):
        """
        A batch that comes again is stored once and called a duplicate.
        """
        batch = make_batch()
        transport.send(batch)

        answer = transport.send(batch)

        assert outcomes(answer) == [Outcome.DUPLICATE] * 2
        assert held() == {record.id for record in batch.records}

    def test_several_batches_are_all_held(self, transport, held):
        """
        Batches do not push each other out.
        """
        batches = [make_batch() for _ in range(5)]

        for batch in batches:
            transport.send(batch)

        ids = {one.id for batch in batches for one in batch.records}
        assert held() == ids

    def test_big_batch(self, transport, held):
        """
        A batch of a few hundred kilobytes goes through.
        """
        batch = make_batch(*(make_record(value="x" * 4000) for _ in range(99)))

        answer = transport.send(batch)

        assert set(outcomes(answer)) == {Outcome.DELIVERED}
        assert len(held()) == 99

    def test_odd_text_survives(self, transport, held):
        """
        Text of any kind, half a surrogate pair too, is delivered.
        """
        odd = {"a\nb": "\u2028 \x7f 猫 \U0001f600 \ud83d \\ud83d \x00"}

        answer = transport.send(make_batch(make_record(value=odd)))

        assert outcomes(answer) == [Outcome.DELIVERED]
        assert len(held()) == 1

    @pytest.mark.obligation("WP-BIND-4")
    def test_erases_what_was_delivered(self, transport, held):
        """
        An erasure removes all batches of its grant, and no others.
        """
        ours, late = make_batch(token="22" * 32), make_batch(token="22" * 32)
        other = make_batch(token="33" * 32)
        for batch in (ours, other, late):
            transport.send(batch)

        answer = transport.erase(make_erasure("22" * 32))

        assert outcomes(answer) == [Outcome.DELIVERED]
        assert held() == {record.id for record in other.records}

    @pytest.mark.obligation("WP-BIND-4")
    def test_erasure_bars_what_comes_late(self, transport, held):
        """
        Records of an erased grant are rejected for ever, old and new ones.

        A delayed event about it is rejected.
        """
        batch = make_batch()
        transport.send(batch)
        transport.erase(make_erasure())

        again, late = transport.send(batch), transport.send(make_batch())

        assert outcomes(again) == [Outcome.REJECTED] * 2
        assert outcomes(late) == [Outcome.REJECTED] * 2
        assert "erased" in late.problem
        assert held() == set()

    def test_same_erasure_again_is_a_duplicate(self, transport):
        """
        An erasure request that comes again is fine, and called a duplicate.
        """
        erasure = make_erasure()
        first = transport.erase(erasure)

        second = transport.erase(erasure)

        assert outcomes(first) == [Outcome.DELIVERED]
        assert outcomes(second) == [Outcome.DUPLICATE]

    def test_erasure_without_records_is_carried_out(self, transport, held):
        """
        A grant of which nothing was delivered can be erased ahead.
        """
        transport.erase(make_erasure("44" * 32))

        answer = transport.send(make_batch(token="44" * 32))

        assert outcomes(answer) == [Outcome.REJECTED] * 2
        assert held() == set()

    def test_works_again_after_cancel(self, transport, held):
        """
        A cancellation with nothing under way leaves no trace.
        """
        transport.send(make_batch())
        transport.cancel()

        answer = transport.send(make_batch())

        assert outcomes(answer) == [Outcome.DELIVERED] * 2
        assert len(held()) == 4

    def test_many_threads(self, transport, held):
        """
        Threads may send at once, the same batch too; each record is held
        once.
        """
        batches = [make_batch() for _ in range(4)] * 2
        answers = []

        def work(batch):
            answers.append(transport.send(batch))

        threads = [threading.Thread(target=work, args=(b,)) for b in batches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        said = [one for answer in answers for one in outcomes(answer)]
        assert set(said) <= {Outcome.DELIVERED, Outcome.DUPLICATE}
        assert len(said) == 16
        assert len(held()) == 8

    def test_close_twice(self, transport):
        """
        A transport may be closed twice.
        """
        transport.send(make_batch())

        transport.close()
        transport.close()

    def test_shows_no_value_and_no_secret(self, transport):
        """
        Neither its name nor its repr nor an answer shows what was sent.
        """
        answers = [
            transport.send(make_batch()),
            transport.erase(make_erasure("55" * 32)),
        ]

        shown = f"{transport!r} {transport.name} {answers}"
        assert PLANTED not in shown
        assert "55" * 32 not in shown
