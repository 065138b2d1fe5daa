# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.memory`.
"""

from __future__ import annotations

import pytest

from consentkit.exceptions import TransportError
from consentkit.transports import transport_from_url
from consentkit.transports.memory import MemoryTransport
from tests.transports.conformance import (
    TransportConformance,
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)


class TestMemoryTransport(TransportConformance):
    """
    Tests for `MemoryTransport`.
    """

    @pytest.fixture
    def transport(self):
        """
        Give a transport with a memory of its own.
        """
        with MemoryTransport("memory://test") as transport:
            yield transport

    @pytest.fixture
    def held(self, transport):
        """
        Look into the memory.
        """

        def look():
            ids = [record.id for record in transport.records]
            assert len(ids) == len(set(ids))
            return set(ids)

        return look

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
