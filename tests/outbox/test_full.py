# SPDX-License-Identifier: MIT
"""
A full outbox: what is captured beyond its bounds, and what goes for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from attrs import evolve

from consentkit import Limits, Reason
from tests.faults.support import (
    Backend,
    Scripted,
    Ticked,
    open_kit,
    tick,
    tock,
)


SMALL = Limits(records=100, batch_records=10)


class TestFull:
    """
    `Limits.when_full`.
    """

    def test_the_newest_are_refused(self, tmp_path: Path) -> None:
        """
        Unless told otherwise what came first stays, and what comes is refused
        and counted.
        """
        backend = Backend(tmp_path / "backend")
        kit = open_kit(
            tmp_path / "data", "stats", transport=backend, limits=SMALL
        )
        ids = tick(kit, *range(100))
        with kit.use("stats") as use:
            refused = use.capture(Ticked(100))
        assert len(ids) == 100
        assert not refused
        assert refused.reason is Reason.OUTBOX_FULL
        kit.flush()
        assert backend.ids() == ids
        assert kit.status().counts["outbox_full"] == 1

    def test_the_oldest_go(self, tmp_path: Path) -> None:
        """
        With ``oldest`` everything is kept, and the oldest records go for it:
        what arrives is the end of what was captured, without a gap.
        """
        backend = Backend(tmp_path / "backend")
        kit = open_kit(
            tmp_path / "data",
            "stats",
            transport=backend,
            limits=evolve(SMALL, when_full="oldest"),
        )
        ids = tick(kit, *range(333))
        assert len(ids) == 333
        waiting = kit.status().waiting
        assert 80 < waiting <= 100
        assert kit.flush().delivered == waiting
        assert backend.ids() == ids[-waiting:]
        assert kit.status().counts["evicted"] == 333 - waiting

    def test_by_bytes(self, tmp_path: Path) -> None:
        """
        So it is where the bytes are too many; one large record takes the
        place of several.
        """
        backend = Backend(tmp_path / "backend")
        kit = open_kit(
            tmp_path / "data",
            "stats",
            transport=backend,
            limits=Limits(
                outbox_bytes=20_000, batch_records=5, when_full="oldest"
            ),
        )
        ids = tick(kit, *range(200))
        large = tick(kit, 200, note="x" * 10_000)
        assert large
        assert kit.status().sealed_bytes <= 20_000
        kit.flush()
        assert backend.ids() == [*ids, *large][-len(backend.ids()) :]

    def test_one_that_has_no_room_at_all(self, tmp_path: Path) -> None:
        """
        A record that is larger than the outbox costs the others nothing but
        their places, and is refused.
        """
        kit = open_kit(
            tmp_path / "data",
            "stats",
            limits=Limits(outbox_bytes=64, when_full="oldest"),
        )
        with kit.use("stats") as use:
            refused = use.capture(Ticked(1, "x" * 10_000))
        assert not refused
        assert refused.reason is Reason.OUTBOX_FULL

    def test_what_is_on_its_way_stays(self, tmp_path: Path) -> None:
        """
        A batch that a backend has at this moment is not taken out.
        """

        class Capturing(Scripted):
            """
            Captures while it sends, until nothing has room beside.
            """

            def _send(self, batch: Any) -> Any:
                if not more:
                    more.extend(tick(kit, *range(1000, 1300)))
                return super()._send(batch)

        more: list[str] = []
        backend = Capturing()
        kit = open_kit(
            tmp_path / "data",
            "stats",
            transport=backend,
            limits=evolve(SMALL, when_full="oldest"),
        )
        ids = tick(kit, *range(50))
        report = kit.flush()
        came = [r.id for batch in backend.batches for r in batch.records]
        first = len(backend.batches[0].records)
        assert came[:first] == ids[:first]
        assert report.waiting == 0
        assert len(came) == len(set(came))
        assert set(came[first:]) <= {*ids, *more}
        assert kit.status().counts["delivered"] == len(came)

    def test_of_whatever_function(self, tmp_path: Path) -> None:
        """
        The oldest go, whosesoever they are.
        """
        backend = Backend(tmp_path / "backend")
        kit = open_kit(
            tmp_path / "data",
            "stats",
            "health",
            transport=backend,
            limits=evolve(SMALL, when_full="oldest"),
        )
        tock(kit, *range(60))
        late = tick(kit, *range(100))
        kit.flush()
        assert {r.function for r in backend.records()} == {"stats"}
        assert set(backend.ids()) <= set(late)

    def test_another_word(self) -> None:
        """
        What is no rule is refused at once.
        """
        with pytest.raises(ValueError, match="when_full"):
            Limits(when_full="newest")  # type: ignore[arg-type]
