# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.memory`.
"""

from __future__ import annotations

import pytest

from consentkit.exceptions import TransportError
from consentkit.outbox.drops import DropReport
from consentkit.outbox.records import Batch, Erasure
from consentkit.testing import Arrived, TransportConformance
from consentkit.transports import Outcome, pack, transport_from_url
from consentkit.transports.memory import MemoryTransport
from tests.transports.conformance import (
    ErasingConformance,
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)


class TestMemoryTransport(TransportConformance, ErasingConformance):
    """
    `MemoryTransport` keeps what every transport has to keep.
    """

    @pytest.fixture(autouse=True)
    def _one(self) -> None:
        self.made = MemoryTransport("memory://test")

    def make_transport(self) -> MemoryTransport:
        """
        Give the transport: its memory is its backend.
        """
        return self.made

    def received(self) -> list[Arrived]:
        """
        Write down what it was given.
        """
        kept: list[Batch | Erasure | DropReport] = [
            *self.made.batches,
            *self.made.erasures,
            *self.made.drops,
        ]
        return [Arrived(id=one.id, body=pack(one).body) for one in kept]

    def held(self) -> set[str]:
        """
        Look into the memory.
        """
        ids = [record.id for record in self.made.records]
        assert len(ids) == len(set(ids))
        return set(ids)

    def test_after_closing(self) -> None:
        """
        Nothing leaves the process, so a closed one goes on: what an app
        keeps of it outlives the kit.
        """
        transport = self.make_transport()
        transport.close()
        transport.close()
        answer = transport.send(make_batch())
        assert outcomes(answer) == [Outcome.DELIVERED] * 2


class TestMemory:
    """
    What is special about it.
    """

    def test_is_made_from_a_url(self):
        """
        A URL of its scheme makes one, with the URL as its name.
        """
        transport = transport_from_url("memory://somewhere")

        assert isinstance(transport, MemoryTransport)
        assert transport.name == "memory://somewhere"

    def test_other_schemes_are_refused(self):
        """
        A URL of another scheme is refused.
        """
        with pytest.raises(TransportError, match="memory://"):
            MemoryTransport("https://collect.example.com")

    def test_keeps_what_it_was_given(self):
        """
        Batches, records and erasures can be looked at as they were sent.
        """
        transport = MemoryTransport()
        batch, other = make_batch(), make_batch(token="22" * 32)
        erasure = make_erasure()

        transport.send(batch)
        transport.send(other)
        transport.send(batch)
        assert transport.batches == [batch, other]
        assert transport.records == [*batch.records, *other.records]

        transport.erase(erasure)
        transport.erase(erasure)
        assert transport.batches == [other]
        assert transport.records == list(other.records)
        assert transport.erasures == [erasure]

    def test_a_record_in_another_batch_is_a_duplicate(self):
        """
        A record is known by its id, whatever batch it comes in.
        """
        transport = MemoryTransport()
        record, new = make_record(), make_record()
        transport.send(make_batch(record))

        answer = transport.send(make_batch(record, new))

        assert [one.value for one in outcomes(answer)] == [
            "duplicate",
            "delivered",
        ]
        assert transport.records == [record, new]

    def test_memories_are_apart(self):
        """
        Two transports of the same name share nothing.
        """
        one, two = MemoryTransport("memory://x"), MemoryTransport("memory://x")

        one.send(make_batch())

        assert two.records == []

    def test_a_bad_token_is_tried_again(self):
        """
        A token that is no hex does no harm, and nothing raises.
        """
        answer = MemoryTransport().erase(make_erasure("zz"))

        assert [one.value for one in outcomes(answer)] == ["retry"]
