# SPDX-License-Identifier: MIT
"""
The suites for transports of `consentkit.testing`: each of their tests finds
what it is there for.
"""

from __future__ import annotations

import json
import threading
import unittest

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from consentkit.outbox.drops import DropReport
from consentkit.outbox.records import Batch, Erasure, new_id
from consentkit.testing import (
    Arrived,
    BadTransportConformance,
    StoreConformance,
    TransportConformance,
)
from consentkit.transports import Answer, Outcome, Parcel, Transport, pack
from consentkit.transports.memory import MemoryTransport


#: What the backend of the transports below has: a broker's queue.
QUEUE: list[Parcel] = []

#: Lets go what hangs.
GO = threading.Event()


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    QUEUE.clear()
    GO.clear()
    yield
    GO.set()


class Good(Transport):
    """
    It does as it should.
    """

    seals = True

    def __init__(self) -> None:
        self.name = "queue://here"
        self._is_closed = False

    def _send(self, batch: Batch) -> Answer:
        return self._put(pack(batch), [one.id for one in batch.records])

    def _erase(self, erasure: Erasure) -> Answer:
        return self._put(pack(erasure), [erasure.id])

    def _report(self, report: DropReport) -> Answer:
        return self._put(pack(report), [report.id])

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        if self._is_closed:
            return self._say(ids, Outcome.RETRY, "closed")
        QUEUE.append(parcel)
        return Answer(outcomes=dict.fromkeys(ids, Outcome.DELIVERED))

    def _say(self, ids: list[str], outcome: Outcome, problem: str) -> Answer:
        return Answer(
            outcomes=dict.fromkeys(ids, outcome),
            problem=f"{self.name}: {problem}",
        )

    def close(self) -> None:
        """
        Take nothing more.
        """
        self._is_closed = True


class Hasty(Good):
    """
    It looks its backend up when it is made.
    """

    def __init__(self) -> None:
        super().__init__()
        list(Path("/").iterdir())


class Nameless(Good):
    """
    It does not say where it leads.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = " "


class Open(Good):
    """
    It sends envelopes, and does not say so.
    """

    seals = False


class Sure(Good):
    """
    It states something that no policy asks for.
    """

    capabilities = frozenset({"encrypted", "safe"})


class Nowhere(Good):
    """
    It ends in a place that is no country.
    """

    region = "China"


class Own(Good):
    """
    It replaces the door.
    """

    def send(self, batch: Batch) -> Answer:  # type: ignore[misc]
        """
        Send, unguarded.
        """
        return self._send(batch)


class Forgetful(Good):
    """
    It answers for the first record only.
    """

    def _send(self, batch: Batch) -> Answer:
        super()._send(batch)
        first = batch.records[0].id
        return Answer(outcomes={first: Outcome.DELIVERED})


class Clear(Good):
    """
    It seals nothing.
    """

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        opened = Arrived(id=parcel.id, body=parcel.body).document
        return super()._put(_with(parcel, body=json.dumps(opened)), ids)


class Renaming(Good):
    """
    It gives each message an id of its own.
    """

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        return super()._put(_with(parcel, id=new_id()), ids)


class Backwards(Good):
    """
    What comes last is first.
    """

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        answer = super()._put(parcel, ids)
        QUEUE.insert(0, QUEUE.pop())
        return answer


class Narrow(Good):
    """
    It takes no more than some kilobytes.
    """

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        if len(parcel.body) > 100_000:
            return self._say(ids, Outcome.RETRY, "too large")
        return super()._put(parcel, ids)


class Plain(Good):
    """
    It leaves out what is not ASCII.
    """

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        if not parcel.is_sealed:
            text = parcel.body.decode("ascii", "ignore")
            parcel = _with(parcel, body=text)
        return super()._put(parcel, ids)


class Dead(Good):
    """
    It is good for nothing after a cancellation.
    """

    def cancel(self) -> None:
        """
        Close it.
        """
        self.close()


class Lone(Good):
    """
    It turns a thread away while another one sends.
    """

    def __init__(self) -> None:
        super().__init__()
        self._calls = count()
        self._second = threading.Event()

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        call = next(self._calls)
        if call == 0:
            self._second.wait(30)
        if call == 1:
            self._second.set()
            return self._say(ids, Outcome.REJECTED, "busy")
        return super()._put(parcel, ids)


class Undying(Good):
    """
    It cannot be closed.
    """

    def close(self) -> None:
        """
        Do nothing.
        """


class Jealous(Good):
    """
    Of two only the later one sends.
    """

    latest: Jealous | None = None

    def __init__(self) -> None:
        super().__init__()
        Jealous.latest = self

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        if Jealous.latest is not self:
            return self._say(ids, Outcome.RETRY, "another one")
        return super()._put(parcel, ids)


class Talkative(Good):
    """
    It shows what it sent last.
    """

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        self.name += parcel.body.decode()
        return super()._put(parcel, ids)


class Taciturn(Good):
    """
    It carries no drop reports.
    """

    def _report(self, report: DropReport) -> Answer:
        return Transport._report(self, report)


class Denying(Good):
    """
    It says that it carries none, and does.
    """

    def _report(self, report: DropReport) -> Answer:
        super()._report(report)
        return Transport._report(self, report)


class Losing(Good):
    """
    It says that it has told it, and has not.
    """

    def _report(self, report: DropReport) -> Answer:
        return Answer(outcomes={report.id: Outcome.DELIVERED})


class Hanging(Good):
    """
    It waits for ever.
    """

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        GO.wait()
        return self._say(ids, Outcome.RETRY, "late")


def _with(parcel: Parcel, **changes: Any) -> Parcel:
    fields: dict[str, Any] = {
        "id": parcel.id,
        "kind": parcel.kind,
        "recipient": parcel.recipient,
        "media_type": parcel.media_type,
        "body": parcel.body,
        **changes,
    }
    if isinstance(fields["body"], str):
        fields["body"] = fields["body"].encode()
    return Parcel(**fields)


BREAKS = [
    (Hasty, "test_making_it_touches_nothing"),
    (Nameless, "test_making_it_touches_nothing"),
    (Open, "test_keeps_the_promise_of_the_base"),
    (Own, "test_keeps_the_promise_of_the_base"),
    (Sure, "test_states_what_its_way_is"),
    (Nowhere, "test_states_what_its_way_is"),
    (Forgetful, "test_delivers"),
    (Hanging, "test_delivers"),
    (Clear, "test_delivers_envelopes"),
    (Renaming, "test_same_batch_again"),
    (Backwards, "test_in_order"),
    (Narrow, "test_big_batch"),
    (Plain, "test_odd_text"),
    (Clear, "test_tells_what_was_dropped"),
    (Renaming, "test_tells_what_was_dropped"),
    (Denying, "test_tells_what_was_dropped"),
    (Losing, "test_tells_what_was_dropped"),
    (Hanging, "test_tells_what_was_dropped"),
    (Dead, "test_works_again_after_cancel"),
    (Lone, "test_many_threads"),
    (Hanging, "test_many_threads"),
    (Undying, "test_after_closing"),
    (Jealous, "test_two_at_once"),
    (Talkative, "test_shows_no_value_and_no_secret"),
]


class Careless(MemoryTransport):
    """
    It forgets what it had.
    """

    def _send(self, batch: Batch) -> Answer:
        self.records.clear()
        return super()._send(batch)


class Keeping(MemoryTransport):
    """
    It erases nothing, and takes all.
    """

    def _erase(self, erasure: Erasure) -> Answer:
        return Answer(outcomes={erasure.id: Outcome.DELIVERED})


STORE_BREAKS = [
    (Careless, "test_each_record_is_held_once"),
    (Keeping, "test_erases_what_was_delivered"),
    (Keeping, "test_erasure_bars_what_comes_late"),
    (Keeping, "test_same_erasure_again_is_a_duplicate"),
    (Keeping, "test_erasure_without_records"),
]


class Gone(Good):
    """
    It does as it should where its backend is gone.
    """

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        return self._say(ids, Outcome.RETRY, "nothing answers")


class Trusting(Gone):
    """
    It takes silence for a yes.
    """

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        return self._say(ids, Outcome.DELIVERED, "")


class Wordless(Gone):
    """
    It says no word of the trouble.
    """

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        return Answer(outcomes={})


class Boastful(Gone):
    """
    It says what it could not send.
    """

    def _put(self, parcel: Parcel, ids: list[str]) -> Answer:
        return self._say(ids, Outcome.RETRY, parcel.body.decode())


BAD_BREAKS = [
    (Trusting, "test_nothing_is_lost"),
    (Wordless, "test_nothing_is_lost"),
    (Hanging, "test_nothing_is_lost"),
    (Trusting, "test_an_erasure_waits"),
    (Hanging, "test_an_erasure_waits"),
    (Trusting, "test_a_drop_report_waits"),
    (Hanging, "test_a_drop_report_waits"),
    (Hanging, "test_cancel_ends_it"),
    (Boastful, "test_shows_no_value_and_no_secret"),
]


def _names(suite: type) -> list[str]:
    return [name for name in dir(suite) if name.startswith("test_")]


def _received(_: object) -> list[Arrived]:
    found: dict[str, Arrived] = {}
    for one in QUEUE:
        found.setdefault(one.id, Arrived(id=one.id, body=one.body))
    return list(found.values())


def _suite(base: type, make: Callable[[], Transport], **more: Any) -> Any:
    made = type(
        "Suite",
        (base,),
        {
            "make_transport": lambda _: make(),
            "received": _received,
            **more,
        },
    )
    return made()


def _store_test(transport: MemoryTransport, name: str) -> Callable[[], None]:
    """
    Give a test of the suite for stores, for a transport and its memory.
    """
    suite = _suite(
        StoreConformance,
        lambda: transport,
        held=lambda _: {record.id for record in transport.records},
    )
    test: Callable[[], None] = getattr(suite, name)
    return test


class TestTransportConformance:
    """
    The suite for backends that work.
    """

    @pytest.mark.parametrize("name", _names(TransportConformance))
    def test_good(self, name):
        """
        A transport that does as it should passes each test.
        """
        getattr(_suite(TransportConformance, Good), name)()

    @pytest.mark.parametrize("name", _names(TransportConformance))
    def test_without_drop_reports(self, name):
        """
        One that carries no drop reports, and says so, passes too.
        """
        getattr(_suite(TransportConformance, Taciturn), name)()

    @pytest.mark.parametrize(("transport", "name"), BREAKS)
    def test_bad(self, transport, name):
        """
        One that breaks a rule fails the test of that rule; one that hangs
        does not hang the test.
        """
        suite = _suite(TransportConformance, transport, within_seconds=0.5)
        # What came too often cannot be unpacked: a ValueError.
        with pytest.raises((AssertionError, ValueError)):
            getattr(suite, name)()

    def test_each_test_has_a_transport_that_fails_it(self):
        """
        There is no test in the suite that nothing fails.
        """
        assert {*_names(TransportConformance)} == {name for _, name in BREAKS}

    def test_without_order(self):
        """
        A backend that keeps no order may say so.
        """
        suite = _suite(TransportConformance, Backwards, keeps_order=False)
        suite.test_in_order()
        QUEUE.clear()
        suite.test_delivers_envelopes()

    def test_without_a_transport(self):
        """
        A suite that makes no transport says so.
        """
        with pytest.raises(NotImplementedError):
            TransportConformance().test_delivers()

    def test_unittest(self):
        """
        With `unittest.TestCase` beside it, the suite runs there too.
        """

        class Case(TransportConformance, unittest.TestCase):
            received = _received

            def setUp(self):
                QUEUE.clear()

            def make_transport(self):
                return Good()

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
        assert result.wasSuccessful(), result.failures + result.errors
        assert result.testsRun == len(_names(TransportConformance))


class TestStoreConformance:
    """
    The suite for backends that keep records.
    """

    @pytest.mark.parametrize("name", _names(StoreConformance))
    def test_good(self, name):
        """
        A transport that does as it should passes each test.
        """
        _store_test(MemoryTransport(), name)()

    @pytest.mark.parametrize(("transport", "name"), STORE_BREAKS)
    def test_bad(self, transport, name):
        """
        One that breaks a rule fails the test of that rule.
        """
        test = _store_test(transport(), name)
        with pytest.raises(AssertionError):
            test()

    def test_each_test_has_a_transport_that_fails_it(self):
        """
        There is no test in the suite that nothing fails.
        """
        assert {*_names(StoreConformance)} == {
            name for _, name in STORE_BREAKS
        }


class TestBadTransportConformance:
    """
    The suite for backends that do not work.
    """

    @pytest.mark.parametrize("name", _names(BadTransportConformance))
    def test_good(self, name):
        """
        A transport that does as it should passes each test.
        """
        getattr(_suite(BadTransportConformance, Gone), name)()

    @pytest.mark.parametrize(("transport", "name"), BAD_BREAKS)
    def test_bad(self, transport, name):
        """
        One that breaks a rule fails the test of that rule; one that hangs
        does not hang the test.
        """
        suite = _suite(BadTransportConformance, transport, within_seconds=0.5)
        with pytest.raises(AssertionError):
            getattr(suite, name)()

    def test_each_test_has_a_transport_that_fails_it(self):
        """
        There is no test in the suite that nothing fails.
        """
        assert {*_names(BadTransportConformance)} == {
            name for _, name in BAD_BREAKS
        }
