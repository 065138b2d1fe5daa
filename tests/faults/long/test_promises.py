# SPDX-License-Identifier: MIT

"""
The judge of the long runs: it finds what it is there to find.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.long.promises import (
    Arrived,
    Notes,
    Verdict,
    judge,
    read,
)


class Story:
    """
    Notes as the processes of a run would write them.
    """

    def __init__(self) -> None:
        self.lines: list[dict[str, object]] = []
        self.recorded: list[tuple[int, str, str]] = []
        self.life = 0

    def note(self, **line: object) -> None:
        """
        Write one line.
        """
        line = {"life": self.life, "actor": "0", **line}
        self.lines.append({**line, "clock": float(len(self.lines))})

    def capture(self, number: int, *, is_cut: bool = False) -> str:
        """
        Capture an event; give its id.
        """
        facts = {"act": "capture", "function": "stats", "n": number}
        self.note(**facts, step="begin")
        if not is_cut:
            self.note(**facts, step="end", id=f"id{number}")
        return f"id{number}"

    def withdraw(
        self, *, is_cut: bool = False, is_recorded: bool = True
    ) -> None:
        """
        Withdraw the function.
        """
        facts = {"act": "withdraw", "function": "stats"}
        self.note(**facts, step="begin")
        if not is_cut:
            self.note(**facts, step="end")
        if is_recorded:
            self.recorded.append((self.life, "withdrawn", "stats"))

    def die(self) -> None:
        """
        End this life.
        """
        self.note(step="dead")
        self.life += 1

    def judge(self, *numbers: int) -> Verdict:
        """
        Judge, with these numbers at the receiver.
        """
        arrived = [
            Arrived(id=f"id{n}", function="stats", number=n) for n in numbers
        ]
        return judge(self.lines, arrived, self.recorded)


@pytest.fixture
def story() -> Story:
    """
    A story with nothing in it.
    """
    return Story()


def test_a_line_that_was_cut(tmp_path: Path) -> None:
    """
    A piece of a line, alone or with the next one after it, is left out.
    """
    path = tmp_path / "notes"
    for n in range(3):
        notes = Notes(path, life=n, actor="0")
        notes.write(note='{"quoted": 1}')
        with path.open("a") as file:
            file.write('{"life": 7, "ac')

    assert [line["life"] for line in read(path)] == [0, 1, 2]


class TestJudge:
    """
    Tests for `judge`.
    """

    def test_all_is_well(self, story: Story) -> None:
        """
        What was captured and arrived once is no fault.
        """
        story.capture(1)
        story.capture(2)

        verdict = story.judge(1, 2)

        assert verdict.is_kept
        assert verdict.due == {"id1", "id2"}

    def test_a_loss(self, story: Story) -> None:
        """
        What is due and not there is lost.
        """
        story.capture(1)
        story.capture(2)

        assert story.judge(2).lost == ("id1",)

    def test_a_double(self, story: Story) -> None:
        """
        What is there twice is found, by its id and by its number.
        """
        story.capture(1)

        assert story.judge(1, 1).doubled == ("id1", "number 1")

    @pytest.mark.parametrize(
        ("batch", "to", "end", "rebatched"),
        [
            ("b1", "maker", {}, ()),
            ("b1", "maker", None, ()),
            ("b2", "maker", {"dissolved": True}, ()),
            ("b2", "partner", {}, ()),
            ("b2", "maker", {"dissolved": False}, ("id1",)),
            ("b2", "maker", None, ("id1",)),
        ],
    )
    def test_a_second_batch(
        self,
        story: Story,
        batch: str,
        to: str,
        end: dict[str, object] | None,
        rebatched: tuple[str, ...],
    ) -> None:
        """
        A record that goes out in a second batch to the same recipient is
        found, though the receiver has it once; not so the same batch again,
        nor what was in one that was refused.
        """
        story.capture(1)
        first = {"act": "transfer", "batch": "b1", "to": "maker"}
        story.note(**first, ids=["id0", "id1"], step="begin")
        if end is None:
            story.die()
        else:
            story.note(**first, step="end", **end)
        second = {"act": "transfer", "batch": batch, "to": to}
        story.note(**second, ids=["id1"], step="begin")
        story.note(**second, step="end")

        verdict = story.judge(1)

        assert verdict.rebatched == rebatched
        assert verdict.is_kept is not bool(rebatched)

    def test_what_a_kill_cut(self, story: Story) -> None:
        """
        A capture that never returned may be there or not.
        """
        story.capture(1, is_cut=True)
        story.die()

        assert story.judge().is_kept
        assert story.judge(1).is_kept

    def test_withdrawn(self, story: Story) -> None:
        """
        What was captured before a withdrawal must not be there, and need
        not; what came after it must.
        """
        story.capture(1)
        story.withdraw()
        story.capture(2)

        assert story.judge(2).is_kept
        assert story.judge(1, 2).withdrawn == ("id1",)
        assert story.judge().lost == ("id2",)

    def test_a_withdrawal_that_was_cut(self, story: Story) -> None:
        """
        Where a kill cut a withdrawal, the ledger tells whether it counts.
        """
        story.capture(1)
        story.withdraw(is_cut=True, is_recorded=False)
        story.die()
        assert story.judge(1).is_kept
        assert story.judge().lost == ("id1",)

        story.recorded.append((0, "withdrawn", "stats"))
        assert story.judge().is_kept
        assert story.judge(1).withdrawn == ("id1",)

    def test_one_that_counts_after_one_that_does_not(
        self, story: Story
    ) -> None:
        """
        An entry of the ledger is of the withdrawal of its own life, and not
        of an earlier one that was cut before it was recorded.
        """
        story.capture(1)
        story.withdraw(is_cut=True, is_recorded=False)
        story.die()
        story.capture(2)
        story.withdraw(is_cut=True)
        story.die()
        story.capture(3)

        assert story.judge(3).is_kept
        assert story.judge().lost == ("id3",)
        assert set(story.judge(1, 2, 3).withdrawn) == {"id1", "id2"}

    def test_one_that_a_later_life_recorded(self, story: Story) -> None:
        """
        What the disk did not take may be recorded by a later life.
        """
        story.capture(1)
        story.withdraw(is_cut=True, is_recorded=False)
        story.die()
        story.recorded.append((1, "withdrawn", "stats"))

        assert story.judge().is_kept
        assert story.judge(1).withdrawn == ("id1",)

    def test_a_withdrawal_that_failed(self, story: Story) -> None:
        """
        One that the disk did not take may have destroyed what waited, or
        not; what is captured in a later life is due.
        """
        story.capture(1)
        story.note(act="withdraw", function="stats", step="begin")
        story.note(
            act="withdraw",
            function="stats",
            step="end",
            failed="the disk is full",
        )
        story.die()
        story.capture(2)

        assert story.judge(2).is_kept
        assert story.judge(1, 2).is_kept
        assert story.judge(1).lost == ("id2",)

    def test_a_capture_that_was_cut_before_a_withdrawal(
        self, story: Story
    ) -> None:
        """
        Nor may something arrive that a kill cut in an earlier life.
        """
        story.capture(1, is_cut=True)
        story.die()
        story.withdraw()

        assert story.judge().is_kept
        assert story.judge(1).withdrawn == ("id1",)

    def test_a_choice_that_is_not_recorded(self, story: Story) -> None:
        """
        A withdrawal that returned and is not in the ledger is found, and so
        is one that nobody made.
        """
        story.withdraw(is_recorded=False)
        assert not story.judge().is_kept
        story.recorded = [(0, "withdrawn", "stats")] * 2
        assert not story.judge().is_kept

    def test_what_nobody_captured(self, story: Story) -> None:
        """
        A record that nobody captured, of another function, or that was
        refused, is wrong.
        """
        story.note(act="capture", function="stats", n=1, step="begin")
        story.note(
            act="capture",
            function="stats",
            n=1,
            step="end",
            refused="withdrawn",
        )
        story.capture(2)

        assert story.judge(1, 2).wrong == ("id1",)
        assert story.judge(2, 3).wrong == ("id3",)
        other = Arrived(id="id2", function="health", number=2)
        assert judge(story.lines, [other], []).wrong == ("id2",)

    def test_an_error(self, story: Story) -> None:
        """
        What an app's call raised is in the verdict.
        """
        story.note(error="ValueError")

        assert story.judge().errors == ("ValueError",)
