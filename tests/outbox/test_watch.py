# SPDX-License-Identifier: MIT

"""
Tests for `consentkit.outbox.watch`.
"""

from __future__ import annotations

import sqlite3

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consentkit.kit import Kit
from consentkit.outbox.watch import Watch
from consentkit.transports.base import Outcome
from tests.faults.support import Scripted, number, open_kit, tick, tock


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """
    Give a kit that is in use.
    """
    return open_kit(tmp_path, "stats", "health", transport=Scripted())


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """
    Give one who looks on.
    """
    with closing(Watch(tmp_path)) as made:
        yield made


def _fresh(watch: Watch, most: int | None = None) -> list[int]:
    return [number(record) for record in watch.fresh(most=most)]


class TestFresh:
    """
    What was not there before.
    """

    def test_each_once(self, kit: Kit, watch: Watch) -> None:
        """
        A record is given once, wherever it lies by then: in the journal, in
        the table, or in another part of it.
        """
        assert _fresh(watch) == []
        tick(kit, 1, 2, 3, 4)
        assert _fresh(watch) == [1, 2, 3, 4]
        (lane,) = kit.store.lanes()
        batch = kit.store.claim(lane, most=4, now=kit.now())
        assert batch is not None
        assert _fresh(watch) == []
        kit.store.split(batch)
        assert kit.store.claim(lane, most=2, now=kit.now()) is not None
        assert _fresh(watch) == []

    def test_in_the_order_of_capture(self, kit: Kit, watch: Watch) -> None:
        """
        Records of several grants come in the order in which they were
        captured, and not lane by lane.
        """
        for n in range(0, 8, 2):
            tick(kit, n)
            tock(kit, n + 1)
        list(kit.store.inspect())  # into the table
        found = watch.fresh()

        assert sorted(map(number, found)) == list(range(8))
        times = [one.captured_at for one in found]
        assert times == sorted(times)

    def test_in_a_place_that_was_used(self, kit: Kit, watch: Watch) -> None:
        """
        What comes into the place of something that left is seen.
        """
        for n in range(5):
            tick(kit, n)
            list(kit.store.inspect())
            assert _fresh(watch) == [n]
            assert kit.flush().delivered == 1
        assert _fresh(watch) == []

    def test_the_youngest(self, kit: Kit, watch: Watch) -> None:
        """
        Of many only the youngest are given, if that is wanted; the others
        do not come later.
        """
        tick(kit, *range(5))
        list(kit.store.inspect())
        tick(kit, 5)

        assert _fresh(watch, most=2) == [4, 5]
        tick(kit, 6)
        assert _fresh(watch) == [6]

    def test_after_a_withdrawal(self, kit: Kit, watch: Watch) -> None:
        """
        All keys are others after a withdrawal, and what is kept under them
        is seen.
        """
        tock(kit, 1)
        tick(kit, 2)
        assert sorted(_fresh(watch)) == [1, 2]
        kit.consent.withdraw("health")
        tick(kit, 3)
        assert _fresh(watch) == [3]

    def test_what_cannot_be_read(
        self, tmp_path: Path, kit: Kit, watch: Watch
    ) -> None:
        """
        A record that was damaged is passed over, and the others are not.
        """
        tick(kit, 1, 2, 3)
        list(kit.store.inspect())
        kit.close()
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as db:
            place, body = db.execute(
                "SELECT place, body FROM bodies ORDER BY place LIMIT 1"
            ).fetchone()
            db.execute(
                "UPDATE bodies SET body = ? WHERE place = ?",
                (body[:-1] + bytes([body[-1] ^ 1]), place),
            )
            db.commit()

        found = _fresh(watch)
        assert len(found) == 2
        assert set(found) < {1, 2, 3}

    def test_it_holds_up_nobody(self, kit: Kit, watch: Watch) -> None:
        """
        What was looked at is delivered as ever, with the ids that it had.
        """
        tick(kit, 1, 2)
        ids = [one.id for one in watch.fresh()]
        transport = kit._outlet._transports["maker"]
        assert isinstance(transport, Scripted)
        transport.answer = Outcome.DELIVERED

        assert kit.flush().delivered == 2
        assert transport.batches[0].ids == ids
