# SPDX-License-Identifier: MIT
"""
A bound for what waits for one purpose: `Limits.purposes`.

``stats`` and ``health`` may here be used for two purposes each; so records of
both wait under one grant, for one recipient.
"""

from __future__ import annotations

import random
import re
import sqlite3
import threading

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

import consentkit

from consentkit import Kept, Limits, Reason, Refusal
from consentkit.gate import Permit
from consentkit.outbox.drops import DropReport
from consentkit.outbox.purposes import Purposes
from consentkit.policy import Policy, parse_policy
from consentkit.transports import Answer, Outcome
from tests.faults.support import (
    POLICY,
    START,
    Clock,
    Scripted,
    Ticked,
    files,
    run,
)


USAGE = "usage_statistics"
LOGS = "service_logging"

#: Small enough to be met, and large enough for the journal to be used.
BOUND = 160
LIMITS = Limits(records=BOUND, batch_records=20, purposes={USAGE: BOUND})

_kits: list[consentkit.Kit] = []


@pytest.fixture(autouse=True)
def _close_all() -> Any:
    """
    Close what a test has left open.
    """
    yield
    while _kits:
        _kits.pop().close()


@cache
def the_policy() -> Policy:
    """
    Give the policy of the fault tests, with two purposes.
    """
    text = POLICY.read_text(encoding="utf-8")
    both = f'purposes = ["{USAGE}", "{LOGS}"]'
    return parse_policy(text.replace(f'purposes = ["{USAGE}"]', both))


def open_kit(
    data_dir: Path,
    *,
    limits: Limits | None = LIMITS,
    transport: Any = None,
    **options: Any,
) -> consentkit.Kit:
    """
    Open a kit whose person agrees to ``stats``.
    """
    kit = consentkit.open(
        the_policy(),
        data_dir=data_dir,
        limits=limits,
        transport=transport,
        **options,
    )
    _kits.append(kit)
    if not kit.consent.history():
        kit.consent.show("stats")
        kit.consent.grant("stats")
    return kit


def capture(
    kit: consentkit.Kit,
    purpose: str,
    numbers: Sequence[int],
    note: str = "",
) -> tuple[list[str], list[Refusal]]:
    """
    Capture events for a purpose; give the ids of those that were kept, and
    the refusals of the others.
    """
    kept: list[str] = []
    refused: list[Refusal] = []
    with kit.use("stats", purpose=purpose) as use:
        for n in numbers:
            made = use.capture(Ticked(n, note))
            if isinstance(made, Kept):
                kept += made.ids
            else:
                refused.append(made)
    return kept, refused


def waiting(kit: consentkit.Kit) -> Counter[str]:
    """
    Count what waits, by purpose.
    """
    return Counter(record.purpose for record in kit.store.inspect())


def ids_of(kit: consentkit.Kit, purpose: str) -> list[str]:
    """
    Name what waits for a purpose, oldest first.
    """
    return [r.id for r in kit.store.inspect() if r.purpose == purpose]


class TestRefuse:
    """
    What a full purpose does to what is captured.
    """

    def test_one_purpose_leaves_the_others_their_places(
        self, tmp_path: Path
    ) -> None:
        """
        A purpose that has met its bound is refused, by a refusal that names
        it; another one has all of its places still, and takes none of these.
        """
        kit = open_kit(tmp_path)
        kept, refused = capture(kit, USAGE, range(1000))
        assert len(kept) == BOUND
        assert {one.reason for one in refused} == {Reason.OUTBOX_FULL}
        assert f"Limits.purposes['{USAGE}'] is {BOUND}" in str(refused[0])
        others, refused = capture(kit, LOGS, range(BOUND + 1))
        assert len(others) == BOUND
        assert f"Limits.records is {BOUND}" in str(refused[0])
        assert ids_of(kit, USAGE) == kept
        assert ids_of(kit, LOGS) == others

    def test_the_others_take_none_of_its_places(self, tmp_path: Path) -> None:
        """
        Nor does what has no bound of its own crowd out what has.
        """
        kit = open_kit(tmp_path)
        assert len(capture(kit, LOGS, range(1000))[0]) == BOUND
        assert len(capture(kit, USAGE, range(1000))[0]) == BOUND

    def test_there_is_room_again(self, tmp_path: Path) -> None:
        """
        What was delivered has left its place; what waits at the backend has
        not.
        """
        backend = Scripted(Outcome.RETRY)
        kit = open_kit(tmp_path, transport=backend)
        capture(kit, USAGE, range(BOUND))
        kit.flush()
        assert capture(kit, USAGE, [1])[0] == []
        backend.answer = Outcome.DELIVERED
        assert kit.flush().delivered == BOUND
        assert len(capture(kit, USAGE, range(2 * BOUND))[0]) == BOUND

    def test_they_go_out_in_the_order_of_capture(self, tmp_path: Path) -> None:
        """
        A bound changes nothing in the order in which a recipient gets what
        was captured under one grant.
        """
        backend = Scripted()
        kit = open_kit(tmp_path, transport=backend)
        ids = []
        for n in range(100):
            ids += capture(kit, (USAGE, LOGS)[n % 3 == 0], [n])[0]
        kit.flush()
        sent = [r.id for batch in backend.batches for r in batch.records]
        assert sent == ids


class TestRestart:
    """
    The bound, over starts.
    """

    def test_what_waits_is_counted(self, tmp_path: Path) -> None:
        """
        After a start what waits is counted as before, and so it is under
        another bound.
        """
        kit = open_kit(tmp_path)
        capture(kit, USAGE, range(100))
        kit.close()
        kit = open_kit(tmp_path)
        assert len(capture(kit, USAGE, range(100))[0]) == BOUND - 100
        kit.close()
        limits = evolve(LIMITS, purposes={USAGE: BOUND + 5})
        kit = open_kit(tmp_path, limits=limits)
        assert len(capture(kit, USAGE, range(100))[0]) == 5

    def test_what_was_captured_without_a_bound(self, tmp_path: Path) -> None:
        """
        What was captured before the app gave the purpose a bound counts too.
        """
        kit = open_kit(tmp_path, limits=None)
        capture(kit, USAGE, range(100))
        capture(kit, LOGS, range(100))
        kit.close()
        kit = open_kit(tmp_path)
        assert len(capture(kit, USAGE, range(100))[0]) == BOUND - 100
        assert len(capture(kit, LOGS, range(100))[0]) == BOUND - 100

    def test_a_withdrawal_of_something_else(self, tmp_path: Path) -> None:
        """
        A withdrawal, which changes the key of the outbox, changes nothing in
        what is counted, in this process and in another.
        """
        kit = open_kit(tmp_path)
        kit.consent.show("health")
        kit.consent.grant("health")
        other = open_kit(tmp_path)
        capture(kit, USAGE, range(100))
        capture(other, USAGE, range(10))
        with kit.use("health", purpose=USAGE) as use:
            permit = use.permit("power_state")
        assert isinstance(permit, Permit)
        assert kit.store.lane(permit)
        kit.consent.withdraw("health")
        kept = capture(kit, USAGE, range(20))[0]
        kept += capture(other, USAGE, range(100))[0]
        kept += capture(kit, USAGE, range(100))[0]
        assert len(kept) == BOUND - 110
        # A third one sees what it was sealed anew as.
        assert capture(open_kit(tmp_path), USAGE, range(9))[0] == []
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as db:
            (numbers,) = db.execute("SELECT COUNT(*) FROM purposes").fetchone()
        assert numbers == 1

    def test_what_was_withdrawn_leaves_its_place(self, tmp_path: Path) -> None:
        """
        Whoever takes a consent back and gives it again has all of the room,
        at once.
        """
        kit = open_kit(tmp_path)
        capture(kit, USAGE, range(BOUND))
        kit.consent.withdraw("stats")
        kit.consent.grant("stats")
        assert len(capture(kit, USAGE, range(1000))[0]) == BOUND

    def test_an_older_outbox(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        An outbox from before there were such bounds is opened and delivered;
        what it held is counted with what has no bound.
        """
        with monkeypatch.context() as patched:
            patched.setattr(Purposes, "number", lambda *_: 0)
            kit = open_kit(tmp_path, limits=None)
            old = capture(kit, USAGE, range(100))[0]
            list(kit.store.inspect())  # into the table
            old += capture(kit, USAGE, range(5))[0]  # and in the journal
            kit.store._db.close()
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as db, db:
            db.executescript(
                "DROP TRIGGER portions_of_chunks; DROP TABLE portions;"
                "DROP TABLE purposes; DROP TABLE reserved"
            )
        backend = Scripted()
        kit = open_kit(tmp_path, transport=backend)
        fresh = capture(kit, USAGE, range(1000))[0]
        assert len(fresh) == BOUND
        others = capture(kit, LOGS, range(1000))[0]
        assert len(others) == BOUND - len(old)
        kit.flush()
        sent = [r.id for batch in backend.batches for r in batch.records]
        assert sent == [*old, *fresh, *others]


class TestOldest:
    """
    The bound, where the oldest go.
    """

    def test_the_oldest_of_the_purpose_go(self, tmp_path: Path) -> None:
        """
        Each capture is kept; the oldest of its purpose go for it, few at a
        time, and nothing else. That is counted, and told to the recipient.
        """
        backend = Told()
        clock = Clock()
        kit = open_kit(
            tmp_path,
            limits=evolve(LIMITS, when_full="oldest"),
            transport=backend,
            clock=clock,
        )
        others = capture(kit, LOGS, range(100))[0]
        kept, refused = capture(kit, USAGE, range(1000))
        assert (len(kept), refused) == (1000, [])
        left = ids_of(kit, USAGE)
        assert BOUND - BOUND // 16 <= len(left) <= BOUND
        assert left == kept[-len(left) :]
        assert ids_of(kit, LOGS) == others
        assert kit.status().counts == {"evicted": 1000 - len(left)}
        kit.flush()
        ((drop,),) = (report.drops for report in backend.reports)
        assert (drop.function, drop.reason, drop.count) == (
            "stats",
            "evicted",
            1000 - len(left),
        )

    def test_the_others_take_none_of_it(self, tmp_path: Path) -> None:
        """
        Nor does what has no bound of its own evict what has.
        """
        kit = open_kit(tmp_path, limits=evolve(LIMITS, when_full="oldest"))
        kept = capture(kit, USAGE, range(BOUND))[0]
        others = capture(kit, LOGS, range(1000))[0]
        assert ids_of(kit, USAGE) == kept
        left = ids_of(kit, LOGS)
        assert BOUND - 20 <= len(left) <= BOUND
        assert left == others[-len(left) :]

    def test_by_bytes_the_one_that_takes_the_most(
        self, tmp_path: Path
    ) -> None:
        """
        Where the bytes are too many, the oldest go of whichever purpose takes
        the most: what is rare stays.
        """
        limits = Limits(
            outbox_bytes=100_000,
            batch_records=10,
            purposes={USAGE: 10_000},
            when_full="oldest",
        )
        kit = open_kit(tmp_path, limits=limits)
        rare = capture(kit, LOGS, range(10))[0]
        many = capture(kit, USAGE, range(500), note="x" * 1_000)[0]
        rare += capture(kit, LOGS, range(10))[0]
        assert kit.status().sealed_bytes <= 100_000
        assert ids_of(kit, LOGS) == rare
        left = ids_of(kit, USAGE)
        assert left == many[-len(left) :]
        kit.store.discard(lambda record: record.purpose == USAGE, reason="")
        large = capture(kit, LOGS, range(500), note="x" * 1_000)[0]
        few = capture(kit, USAGE, range(10))[0]
        large += capture(kit, LOGS, range(100), note="x" * 1_000)[0]
        assert ids_of(kit, USAGE) == few
        left = ids_of(kit, LOGS)
        assert left == [*rare, *large][-len(left) :]

    def test_what_is_on_its_way_stays(self, tmp_path: Path) -> None:
        """
        A batch that a backend has at this moment is not taken out: where
        nothing else is there to go, the capture is refused.
        """
        answers: list[Kept | Refusal] = []

        class Capturing(Scripted):
            """
            Captures while it sends.
            """

            def _send(self, batch: Any) -> Answer:
                if not answers:
                    with kit.use("stats", purpose=USAGE) as use:
                        answers.extend(
                            use.capture(Ticked(n)) for n in range(30)
                        )
                return super()._send(batch)

        backend = Capturing()
        kit = open_kit(
            tmp_path,
            limits=Limits(
                purposes={USAGE: 20}, batch_records=15, when_full="oldest"
            ),
            transport=backend,
        )
        ids = capture(kit, USAGE, range(20))[0]
        kit.flush()
        sent = [r.id for batch in backend.batches for r in batch.records]
        assert sent[:15] == ids[:15]
        assert all(answers)
        assert len(sent) == len(set(sent)) == 20


class Told(Scripted):
    """
    A backend that takes drop reports.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[DropReport] = []

    def _report(self, report: DropReport) -> Answer:
        self.reports.append(report)
        return Answer(outcomes={report.id: Outcome.DELIVERED})


class TestTogether:
    """
    The bound, over threads and processes.
    """

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("when_full", ["refuse", "oldest"])
    def test_several_kits(
        self, tmp_path: Path, seed: int, when_full: Any
    ) -> None:
        """
        However several kits on one folder take turns, no more wait than the
        bound says, also of what one of them had room for before.
        """
        rng = random.Random(seed)
        limits = evolve(LIMITS, when_full=when_full)
        kits = [open_kit(tmp_path, limits=limits) for _ in range(3)]
        seen = open_kit(tmp_path, limits=limits)
        others: list[str] = []
        while len(others) < BOUND // 2:
            kit = rng.choice(kits)
            capture(kit, USAGE, range(rng.choice((1, 3, 40))))
            others += capture(rng.choice(kits), LOGS, [1])[0]
            assert waiting(seen)[USAGE] <= BOUND
        assert waiting(seen)[USAGE] > BOUND * 3 // 4
        assert ids_of(seen, LOGS) == others

    def test_threads(self, tmp_path: Path) -> None:
        """
        Threads that capture at once keep no more between them.
        """
        kits = [open_kit(tmp_path) for _ in range(2)]
        begin = threading.Barrier(8)
        kept: list[str] = []

        def work(kit: consentkit.Kit) -> None:
            begin.wait()
            for _ in range(5):
                kept.extend(capture(kit, USAGE, range(30))[0])

        threads = [
            threading.Thread(target=work, args=(kits[n % 2],))
            for n in range(8)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        # What was reserved and not used may be left over.
        assert BOUND * 3 // 4 < len(kept) <= BOUND
        assert sorted(ids_of(kits[0], USAGE)) == sorted(kept)

    def test_processes(self, tmp_path: Path) -> None:
        """
        So do processes, of which one is killed.
        """
        run(
            r"""
import os, sys
from pathlib import Path
from tests.faults.support import in_child, start_child
from tests.outbox.test_purposes import *

folder = Path(sys.argv[1])
kit = open_kit(folder)

def work(is_killed):
    for _ in range(20):
        capture(kit, USAGE, range(10))
    if is_killed:
        os.kill(os.getpid(), 9)

capture(kit, USAGE, range(20))
children = [start_child(lambda n=n: work(n == 2)) for n in range(4)]
ended = [os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children]
assert ended == [0, 0, -9, 0], ended
capture(kit, USAGE, range(1000))
assert BOUND * 3 // 4 < waiting(kit)[USAGE] <= BOUND, waiting(kit)
kit.close()
""",
            tmp_path,
        )


class TestMemory:
    """
    The bound, while the disk takes nothing.
    """

    @pytest.mark.parametrize("when_full", ["refuse", "oldest"])
    def test_it_holds_in_memory(self, tmp_path: Path, when_full: str) -> None:
        """
        What waits on the disk counts in memory too. What was kept in memory
        reaches the disk; where the oldest go, those on the disk are older.
        """
        run(
            r"""
import resource, sys
from pathlib import Path
from tests.outbox.test_purposes import *

def let(most):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))

when_full = sys.argv[2]
kit = open_kit(
    Path(sys.argv[1]), limits=evolve(LIMITS, when_full=when_full)
)
kept = capture(kit, USAGE, range(100))[0]
others = capture(kit, LOGS, range(10))[0]
let(1)
more, refused = capture(kit, USAGE, range(500))
others += capture(kit, LOGS, range(50))[0]
in_memory = kit.status().in_memory
let(resource.RLIM_INFINITY)
kit.store.recover()
found = ids_of(kit, USAGE)
assert ids_of(kit, LOGS) == others and len(others) == 60
if when_full == "refuse":
    assert len(more) == BOUND - 100, len(more)
    assert {one.reason.value for one in refused} == {"outbox_full"}
    assert f"'{USAGE}'] is {BOUND}" in str(refused[0]), refused[0]
    assert found == kept + more
    assert kit.status().counts == {"outbox_full": len(refused)}
else:
    assert not refused
    assert in_memory == BOUND + 50, in_memory
    assert BOUND - BOUND // 16 <= len(found) <= BOUND
    assert found == more[-len(found):]
    counts = kit.status().counts
    assert counts == {"evicted": 600 - len(found)}, counts
kit.close()
""",
            tmp_path,
            when_full,
        )

    def test_a_first_record_of_its_kind(self, tmp_path: Path) -> None:
        """
        What was numbered in a transaction that the disk did not take is
        numbered anew: all that is captured under it can be read.
        """
        run(
            r"""
import resource, sys
from pathlib import Path
from tests.outbox.test_purposes import *

def let(most):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))

kit = open_kit(Path(sys.argv[1]))
assert capture(kit, USAGE, range(3))[0]
let(1)
kept = capture(kit, LOGS, range(3))[0]
let(resource.RLIM_INFINITY)
kept += capture(kit, LOGS, range(3))[0]
kept += capture(kit, LOGS, range(3))[0]
assert len(kept) == 9 and ids_of(kit, LOGS) == kept
kit.close()
kit = open_kit(Path(sys.argv[1]))
assert ids_of(kit, LOGS) == kept
kit.close()
""",
            tmp_path,
        )


#: What a person and an app may do, in any order.
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("capture"),
            st.integers(0, 1),
            st.sampled_from([USAGE, LOGS]),
            st.integers(1, 25),
        ),
        st.tuples(st.sampled_from(["flush", "restart"]), st.integers(0, 1)),
        st.tuples(st.just("answer"), st.sampled_from(Outcome)),
        st.tuples(st.just("withdraw")),
    ),
    max_size=25,
)


@pytest.mark.parametrize("when_full", ["refuse", "oldest"])
@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[Any, ...]],
    when_full: Any,
) -> None:
    """
    Whatever is captured, delivered, refused and withdrawn by two kits, no
    purpose exceeds its bound, and the other loses nothing: all of it that was
    kept waits, was settled, or was withdrawn.
    """
    folder = tmp_path_factory.mktemp("any")
    limits = Limits(
        records=10_000,
        batch_records=7,
        purposes={USAGE: 20},
        when_full=when_full,
    )
    backend = Scripted()
    settled: set[str] = set()

    def answer(batch: Any) -> Any:
        if outcome is not Outcome.RETRY:
            settled.update(r.id for r in batch.records)
        return outcome

    backend.answer = answer
    outcome = Outcome.RETRY
    kits = [
        open_kit(folder, limits=limits, transport=backend) for _ in range(2)
    ]
    kept: dict[str, list[str]] = {USAGE: [], LOGS: []}
    try:
        for step, *told in steps:
            if step == "capture":
                n, purpose, count = told
                ids, refused = capture(kits[n], purpose, range(count))
                kept[purpose] += ids
                assert not refused or (
                    (purpose, when_full) == (USAGE, "refuse")
                )
            elif step == "flush":
                kits[told[0]].flush()
            elif step == "restart":
                kits[told[0]].close()
                kits[told[0]] = open_kit(
                    folder, limits=limits, transport=backend
                )
            elif step == "answer":
                (outcome,) = told
            else:
                kits[0].consent.withdraw("stats")
                kits[0].consent.grant("stats")
                kept = {USAGE: [], LOGS: []}
            found = ids_of(kits[0], USAGE)
            assert len(found) <= 20
            expected = [i for i in kept[USAGE] if i not in settled]
            if when_full == "refuse":
                assert found == expected
            else:
                assert found == expected[len(expected) - len(found) :]
            assert ids_of(kits[0], LOGS) == [
                i for i in kept[LOGS] if i not in settled
            ]
    finally:
        for kit in kits:
            kit.close()


class TestNamed:
    """
    What a bound may be given for.
    """

    def test_a_purpose_that_the_policy_does_not_have(
        self, tmp_path: Path
    ) -> None:
        """
        A purpose that nothing is collected for is refused at once, by name,
        with those that there are; no file is made.
        """
        limits = Limits(purposes={"usage": 10, USAGE: 10})
        with pytest.raises(ValueError, match=r"Limits\.purposes") as caught:
            consentkit.open(
                the_policy(), data_dir=tmp_path / "data", limits=limits
            )
        said = str(caught.value)
        assert "'usage';" in said
        assert USAGE in said.split(";")[1]
        assert "crash_analysis" not in said  # of an SDK; nothing is collected
        assert not (tmp_path / "data").exists()

    @pytest.mark.parametrize("most", [0, -1, True, 1.5, "10", None])
    def test_what_is_no_number(self, most: Any) -> None:
        """
        What is no number of records is refused at once.
        """
        with pytest.raises(ValueError, match=re.escape(f"['{USAGE}']")):
            Limits(purposes={USAGE: most})

    @pytest.mark.parametrize("purposes", [[USAGE], USAGE, 5, None])
    def test_what_is_no_mapping(self, purposes: Any) -> None:
        """
        Neither is it a list.
        """
        with pytest.raises(TypeError, match="purposes"):
            Limits(purposes=purposes)


class TestSeen:
    """
    What lies beside the sealed records.
    """

    def test_a_purpose_is_not_told(self, tmp_path: Path) -> None:
        """
        Which purpose a record waits for stands nowhere in the clear; the
        ledger has the policy, and the tally what was obtained.
        """
        kit = open_kit(tmp_path, clock=Clock(START))
        capture(kit, USAGE, range(10))
        list(kit.store.inspect())
        capture(kit, USAGE, range(10))
        for path, content in files(tmp_path):
            telling = path.name.startswith(("ledger", "tally"))
            assert telling or USAGE.encode() not in content
