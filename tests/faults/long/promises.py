# SPDX-License-Identifier: MIT

"""
What an app was promised, written down as it was promised, and the verdict on
what became of it.

Every process of a run appends to one file: a line when an act begins and one
when it has returned. A line that was written outlives ``kill -9``, so an act
without its second line was cut. The judge holds these lines against what the
receiver has and what the ledger says.
"""

from __future__ import annotations

import json
import math
import os
import time

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import Factory, define, frozen

from consentkit.exceptions import StoreError


__all__ = ["Act", "Arrived", "Notes", "Verdict", "acts_of", "judge", "read"]


#: What each line begins with, and nothing else does.
_BEGIN: Final = '{"life": '


class Notes:
    """
    The file that the processes of a run append to.

    Args:
        path: The file.

        life: Which start of the app it is, from 0.

        actor: Which of its processes and threads.
    """

    def __init__(self, path: Path, *, life: int, actor: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._who = {"life": life, "actor": actor}

    def write(self, **line: object) -> None:
        """
        Append one line.
        """
        line = {**self._who, **line, "at": time.time()}
        line["clock"] = time.monotonic()
        os.write(self._file, (json.dumps(line) + "\n").encode())

    @contextmanager
    def act(self, name: str, **facts: object) -> Iterator[dict[str, object]]:
        """
        Note the begin of an act, and its end with what the block found out.
        """
        self.write(act=name, step="begin", **facts)
        found: dict[str, object] = {}
        try:
            yield found
        except StoreError as error:
            # It is told to the app, which may try again.
            self.write(act=name, step="end", **facts, failed=str(error))
            raise
        self.write(act=name, step="end", **facts, **found)


@define
class Act:
    """
    One act of the app.

    Attributes:
        ended: When it returned, or infinity for one that was cut.

        facts: What the notes say about it, of both lines.
    """

    name: str
    life: int
    actor: str
    begun: float
    ended: float = math.inf
    facts: dict[str, Any] = Factory(dict)

    @property
    def is_cut(self) -> bool:
        """
        Whether it never returned.
        """
        return math.isinf(self.ended)

    @property
    def is_done(self) -> bool:
        """
        Whether it returned, and not with an error.
        """
        return not self.is_cut and "failed" not in self.facts


@frozen(kw_only=True)
class Arrived:
    """
    One record at the receiver: its id, its function and its number.
    """

    id: str
    function: str
    number: int


@frozen(kw_only=True)
class Verdict:
    """
    What became of the promises; all is well if nothing is in the lists.

    Attributes:
        captured: How many records a capture said were kept.

        due: Ids of those of them that no withdrawal has touched.

        arrived: How many records the receiver has.

        lost: Ids that are due and are not there.

        doubled: Ids or numbers that are there twice.

        rebatched: Ids that went out in a second batch, though the first was
            not refused: any backend that does not know records by their ids
            has them twice, and the receiver does.

        withdrawn: Ids that are there though a withdrawal came after them.

        wrong: Ids that are there with another content, or that nobody
            captured.

        unrecorded: Choices that returned and are not in the ledger.

        errors: What no call of an app should have raised.
    """

    captured: int
    due: frozenset[str]
    arrived: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    rebatched: tuple[str, ...]
    withdrawn: tuple[str, ...]
    wrong: tuple[str, ...]
    unrecorded: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def is_kept(self) -> bool:
        """
        Whether every promise was kept.
        """
        return not (
            self.lost
            or self.doubled
            or self.rebatched
            or self.withdrawn
            or self.wrong
            or self.unrecorded
            or self.errors
        )


def read(path: Path) -> list[dict[str, Any]]:
    """
    Read the notes.

    A kill may cut a line that is being written; then the next one follows it
    in the same line, and the piece is left out.
    """
    found = []
    for line in path.read_text().split("\n"):
        whole = line[max(line.rfind(_BEGIN), 0) :]
        if whole.endswith("}"):
            found.append(json.loads(whole))
    return found


def acts_of(lines: Iterable[Mapping[str, Any]]) -> list[Act]:
    """
    Put the two lines of each act together, in the order of their begins.
    """
    acts: list[Act] = []
    open_acts: dict[tuple[int, str, str], Act] = {}
    for line in lines:
        step = line.get("step")
        key = (line["life"], line["actor"], line.get("act", ""))
        if step == "begin":
            act = Act(line["act"], key[0], key[1], line["clock"])
            act.facts.update(line)
            acts.append(act)
            open_acts[key] = act
        elif step == "end":
            act = open_acts.pop(key)
            act.ended = line["clock"]
            act.facts.update(line)
    return acts


def judge(
    lines: list[dict[str, Any]],
    arrived: list[Arrived],
    recorded: list[tuple[int, str, str]],
) -> Verdict:
    """
    Hold the promises against what the receiver has and the ledger says.

    Args:
        lines: The notes.

        arrived: What the receiver has.

        recorded: The acts in the ledger: in which life, which act
            (``granted`` or ``withdrawn``), on which function.
    """
    acts = acts_of(lines)
    ends = _ends(acts, lines)
    captures = [act for act in acts if act.name == "capture"]
    withdrawals, unrecorded = _withdrawals(acts, recorded, ends)
    unrecorded += _missing(acts, recorded, "grant", "granted")
    by_number = {one.facts["n"]: one for one in captures}
    due: set[str] = set()
    withdrawn: list[str] = []
    wrong: list[str] = []
    for capture in captures:
        if not capture.facts.get("id") or capture.facts.get("memory"):
            # What was said to be in memory alone may go with the process.
            continue
        ending = withdrawals[capture.facts["function"]]
        is_untouched = all(end <= capture.begun for _, end in ending)
        # One that failed may have destroyed what it could all the same.
        failed = (
            act.name == "withdraw"
            and "failed" in act.facts
            and act.facts["function"] == capture.facts["function"]
            and ends[act.life] > capture.begun
            for act in acts
        )
        if is_untouched and not any(failed):
            due.add(capture.facts["id"])
    for one in arrived:
        found = by_number.get(one.number)
        if found is None or found.facts["function"] != one.function:
            wrong.append(one.id)
            continue
        if not found.is_cut and found.facts.get("id") != one.id:
            wrong.append(one.id)
        ended = ends[found.life] if found.is_cut else found.ended
        if any(begun >= ended for begun, _ in withdrawals[one.function]):
            withdrawn.append(one.id)
    times = Counter(one.id for one in arrived)
    times.update(f"number {one.number}" for one in arrived)
    return Verdict(
        captured=sum(bool(one.facts.get("id")) for one in captures),
        due=frozenset(due),
        arrived=len(arrived),
        lost=tuple(sorted(due - {one.id for one in arrived})),
        doubled=tuple(what for what, n in times.items() if n > 1),
        rebatched=tuple(_rebatched(acts)),
        withdrawn=tuple(withdrawn),
        wrong=tuple(wrong),
        unrecorded=tuple(unrecorded),
        errors=tuple(one["error"] for one in lines if one.get("error")),
    )


def _rebatched(acts: list[Act]) -> list[str]:
    """
    Give the records that went out in more than one batch.

    A batch keeps its id over all tries and starts of the app; its records
    get another one where the backend would not have it as a whole, and only
    there.
    """
    found: dict[str, None] = {}
    last: dict[tuple[str, str], Act] = {}
    for act in acts:
        for one in act.facts.get("ids", ()):
            key = (act.facts["to"], one)
            before = last.get(key, act)
            is_same = before.facts["batch"] == act.facts["batch"]
            if not (is_same or before.facts.get("dissolved")):
                found[one] = None
            last[key] = act
    return list(found)


def _ends(acts: list[Act], lines: list[dict[str, Any]]) -> dict[int, float]:
    """
    Give the end of each life: when its processes were seen dead.
    """
    ends: dict[int, float] = defaultdict(lambda: math.inf)
    for line in lines:
        if line.get("step") == "dead":
            ends[line["life"]] = line["clock"]
    return ends


def _withdrawals(
    acts: list[Act],
    recorded: list[tuple[int, str, str]],
    ends: Mapping[int, float],
) -> tuple[dict[str, list[tuple[float, float]]], list[str]]:
    """
    Give the begin and the end of each withdrawal that counts, by function.

    One that was cut, or failed, counts if the ledger has it; then it is
    carried out before anything else in the next life.
    """
    spare = Counter(recorded)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    unrecorded = _missing(acts, recorded, "withdraw", "withdrawn")
    asked = [act for act in acts if act.name == "withdraw"]
    for act in asked:
        if act.is_done:
            function = act.facts["function"]
            spare[act.life, "withdrawn", function] -= 1
            found[function].append((act.begun, act.ended))
    undone = [act for act in asked if not act.is_done]
    for act in undone.copy():
        key = (act.life, "withdrawn", act.facts["function"])
        if spare[key] > 0:
            spare[key] -= 1
            undone.remove(act)
            found[key[2]].append((act.begun, ends[act.life]))
    # What the disk did not take is recorded by a later life.
    for life, word, function in sorted(spare.elements()):
        before = [
            act
            for act in undone
            if word == "withdrawn"
            and act.life < life
            and act.facts["function"] == function
        ]
        if before:
            undone.remove(before[-1])
            found[function].append((before[-1].begun, ends[before[-1].life]))
    return found, unrecorded


def _missing(
    acts: list[Act],
    recorded: list[tuple[int, str, str]],
    name: str,
    word: str,
) -> list[str]:
    """
    Name the choices that returned and are not in the ledger, and those that
    are there and were never begun.
    """
    had = Counter(one[2] for one in recorded if one[1] == word)
    ended: Counter[str] = Counter()
    begun: Counter[str] = Counter()
    for act in acts:
        if act.name == name:
            function = act.facts["function"]
            begun[function] += 1
            ended[function] += act.is_done
    return [
        f"{word} {function}: {had[function]} recorded, "
        f"{ended[function]} returned, {begun[function]} begun"
        for function in {*had, *begun}
        if not ended[function] <= had[function] <= begun[function]
    ]
