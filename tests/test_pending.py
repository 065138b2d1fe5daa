# SPDX-License-Identifier: MIT
"""
Tests for what becomes of events that are told before the person answers.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import tomllib
import weakref

from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit import Limits, Reason, Refusal
from consentkit.consent.signals import Signals
from consentkit.exceptions import StoreError
from consentkit.policy import Policy, parse_policy
from tests.faults.support import (
    POLICY,
    START,
    Clock,
    Scripted,
    Ticked,
    Tocked,
    forms,
    hits,
    run,
)
from tests.support import to_toml


# Found by no rule of the scrubber, and easy to search for.
PLANTED = "brindled wombat quince"
MODES = ["drop", "memory", "quarantine"]
HELD = ["memory", "quarantine"]


def policy_of(pending: str, **tables: Any) -> Policy:
    """
    Give the policy of the fault tests, under which all events are *pending*.
    """
    tree = tomllib.loads(POLICY.read_text("utf-8"))
    tree["consent"] = {"pending": pending}
    return parse_policy(to_toml({**tree, **tables}))


def open_kit(folder: Path, pending: str, **options: Any) -> consentkit.Kit:
    """
    Open a kit whose clock stands still, unless the test brings one.
    """
    options.setdefault("clock", Clock())
    options.setdefault("signals", Signals)
    policy = options.pop("policy", None) or policy_of(pending)
    return consentkit.open(policy, data_dir=folder, **options)


def tell(kit: consentkit.Kit, n: int = 1, note: str = "") -> Any:
    """
    Capture an event of ``stats``, whatever the answer.
    """
    with kit.use("stats") as use:
        return use.capture(Ticked(n, note))


def sent(kit: consentkit.Kit, transport: Scripted) -> list[Any]:
    """
    Flush, and give the records that went out.
    """
    report = kit.flush()
    assert report.problems == ()
    return [r for batch in transport.batches for r in batch.records]


def numbers(records: list[Any]) -> list[int]:
    """
    Give what the events counted.
    """
    return [r.value["n"] for r in records]


def rows(folder: Path) -> int:
    """
    Count the rows of the quarantine.
    """
    db = sqlite3.connect(folder / "held.sqlite3")
    try:
        return db.execute("SELECT COUNT(*) FROM held").fetchone()[0]
    finally:
        db.close()


def secrets(folder: Path) -> list[str]:
    """
    List the keys of the quarantine.
    """
    return sorted(p.name for p in (folder / "keys").glob("held-*.secret"))


class TestModes:
    """
    Tests for what the policy can say.
    """

    @pytest.mark.parametrize("pending", MODES)
    def test_the_answer_is_no(self, tmp_path, pending):
        """
        In each mode a capture before the answer is refused, and says
        whether the event waits.
        """
        kit = open_kit(tmp_path, pending)

        refused = tell(kit)

        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.NOT_ASKED
        assert refused.held is (pending in HELD)
        assert ("it waits for the answer" in str(refused)) is refused.held

    def test_drop(self, tmp_path):
        """
        By default nothing waits: a yes brings nothing back.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "drop", transport=transport)
        tell(kit)

        kit.consent.grant("stats")

        assert sent(kit, transport) == []
        assert not (tmp_path / "held.sqlite3").exists()

    @pytest.mark.parametrize("pending", HELD)
    def test_yes(self, tmp_path, pending):
        """
        A yes keeps what waited, in its order and with the time at which it
        was told.
        """
        transport, clock = Scripted(), Clock()
        kit = open_kit(tmp_path, pending, transport=transport, clock=clock)
        for n in (1, 2, 3):
            tell(kit, n)
            clock.tick(minutes=1)

        kit.consent.grant("stats")
        assert kit.status().waiting == 3
        records = sent(kit, transport)

        assert numbers(records) == [1, 2, 3]
        minute = timedelta(minutes=1)
        assert [r.captured_at for r in records] == [
            START,
            START + minute,
            START + 2 * minute,
        ]
        assert records[0].expires_at == START + timedelta(days=30)
        assert len({r.consent for r in records}) == 1

    @pytest.mark.parametrize("pending", HELD)
    def test_yes_once(self, tmp_path, pending):
        """
        What was kept does not wait any more: a second yes brings nothing.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, pending, transport=transport)
        tell(kit, 1)
        kit.consent.grant("stats")
        kit.consent.withdraw("stats")
        kit.consent.grant("stats")

        assert sent(kit, transport) == []

    def test_quarantine_keeps_the_id(self, tmp_path):
        """
        The id that an event gets when it is told is that of its record.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "quarantine", transport=transport)
        tell(kit)
        ids = [held.id for held in kit.quarantine.of("stats")]

        kit.consent.grant("stats")

        assert [r.id for r in sent(kit, transport)] == ids

    @pytest.mark.parametrize("pending", HELD)
    def test_each_function_alone(self, tmp_path, pending):
        """
        An answer about one function settles nothing of another.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, pending, transport=transport)
        tell(kit, 1)
        with kit.use("health") as use:
            assert use.capture(Tocked(2)).held

        kit.consent.deny("stats")
        kit.consent.grant("health")

        assert numbers(sent(kit, transport)) == [2]

    @pytest.mark.parametrize("pending", HELD)
    def test_a_function_may_say_otherwise(self, tmp_path, pending):
        """
        What a function says of its own events goes before the general word.
        """
        tree = tomllib.loads(POLICY.read_text("utf-8"))
        tree["functions"][0]["pending"] = pending
        kit = open_kit(tmp_path, "drop", policy=parse_policy(to_toml(tree)))

        assert tell(kit).held
        with kit.use("health") as use:
            assert not use.capture(Tocked(1)).held

    @pytest.mark.parametrize("pending", MODES)
    def test_no_source_is_read(self, tmp_path, pending):
        """
        Only the app's own events wait: no source is read for later.
        """
        from tests.support import Spies

        spies = Spies()
        kit = open_kit(tmp_path, pending, sources=spies)

        with kit.use("stats") as use:
            assert not use.device().held

        assert spies.reads == 0

    @pytest.mark.parametrize("pending", HELD)
    def test_an_event_that_does_not_fit(self, tmp_path, pending):
        """
        What the policy would not take later is not held now.
        """
        kit = open_kit(tmp_path, pending)
        many: Any = "many"

        with kit.use("stats") as use:
            refused = use.capture(Ticked(many))

        assert (refused.reason, refused.held) == (
            Reason.UNDECLARED_EVENT,
            False,
        )

    @pytest.mark.parametrize("pending", HELD)
    def test_out_of_use(self, tmp_path, pending):
        """
        An event that is refused for another reason too is not held.
        """
        kit = open_kit(tmp_path, pending)
        with kit.use("stats") as use:
            pass

        assert not use.capture(Ticked(1)).held

    @pytest.mark.parametrize("pending", HELD)
    @pytest.mark.parametrize("no", ["deny", "withdraw", "object_to"])
    def test_after_a_no(self, tmp_path, pending, no):
        """
        After a no, nothing is held for a change of mind.
        """
        kit = open_kit(tmp_path, pending)
        getattr(kit.consent, no)("stats")

        assert not tell(kit).held

    @pytest.mark.parametrize("pending", HELD)
    def test_a_deferral_is_no_answer(self, tmp_path, pending):
        """
        Who says "later" has not answered: what waits, waits on.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, pending, transport=transport)
        tell(kit, 1)
        kit.consent.show("stats")
        kit.consent.defer("stats")
        kit.flush()

        assert tell(kit, 2).held
        kit.consent.grant("stats")
        assert numbers(sent(kit, transport)) == [1, 2]

    def test_a_signal_is_no_answer(self, tmp_path):
        """
        A signal from outside has not answered for the person either: while
        it lasts nothing is held anew, and what waits, waits on.
        """
        said = [Signals()]
        transport = Scripted()
        kit = open_kit(
            tmp_path,
            "quarantine",
            signals=lambda: said[0],
            transport=transport,
        )
        tell(kit, 1)
        said[0] = Signals(do_not_track="1")
        kit.flush()
        assert rows(tmp_path) == 1

        said[0] = Signals()
        kit.consent.grant("stats")
        assert numbers(sent(kit, transport)) == [1]

    @pytest.mark.parametrize("pending", HELD)
    def test_accept_all(self, tmp_path, pending):
        """
        A yes to everything keeps what waited too.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, pending, transport=transport)
        tell(kit, 1)
        kit.consent.show("umeng")
        kit.consent.accept_all()

        assert numbers(sent(kit, transport)) == [1]


class TestNeverSent:
    """
    Tests for what waits for an answer and may not go out.
    """

    @pytest.mark.parametrize("pending", MODES)
    def test_no_transport_is_called(self, tmp_path, pending):
        """
        However often the app flushes, an unanswered event goes nowhere.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, pending, transport=transport)
        tell(kit)

        for _ in range(3):
            kit.flush()
        kit.close()
        again = open_kit(tmp_path, pending, transport=transport)
        again.flush()

        assert transport.order == []
        assert kit.status().waiting == 0

    @pytest.mark.parametrize("pending", HELD)
    @pytest.mark.parametrize(
        "no",
        [
            lambda c: c.deny("stats"),
            lambda c: c.withdraw("stats"),
            lambda c: c.object_to("stats"),
            lambda c: c.refuse_all(),
            lambda c: c.erase(),
            lambda c: c.invalidate("stats", reason="void"),
        ],
        ids=["deny", "withdraw", "object", "refuse", "erase", "invalidate"],
    )
    def test_a_no_destroys(self, tmp_path, pending, no):
        """
        When a no returns, what waited is gone, its key first; a later yes
        brings nothing back, and nobody is asked to erase anything.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, pending, transport=transport)
        assert tell(kit, note=PLANTED).held

        no(kit.consent)

        if pending == "quarantine":
            assert secrets(tmp_path) == []
            assert rows(tmp_path) == 0
        kit.consent.grant("stats")
        assert sent(kit, transport) == []
        assert transport.order == []

    @pytest.mark.parametrize("pending", HELD)
    @pytest.mark.parametrize("known", [False, True])
    def test_a_barred_child(self, tmp_path, pending, known):
        """
        A child who is turned away leaves nothing that waited, whether or
        not anything stood in the ledger before.
        """
        minors = {"child_below": 14, "child_barred": True}
        policy = policy_of(pending, minors=minors)
        transport = Scripted()
        kit = open_kit(tmp_path, pending, policy=policy, transport=transport)
        if known:
            kit.consent.grant("health")
        held = tell(kit).held

        kit.consent.declare_age(born=date(2020, 1, 1))

        assert held
        if pending == "quarantine":
            assert (secrets(tmp_path), rows(tmp_path)) == ([], 0)
        kit.consent.declare_age(adult=True)
        kit.consent.grant("stats")
        assert sent(kit, transport) == []


class TestBounds:
    """
    Tests for how much waits, and how long.
    """

    def test_memory(self, tmp_path):
        """
        In memory, the oldest goes when there is no room.
        """
        transport = Scripted()
        kit = open_kit(
            tmp_path,
            "memory",
            transport=transport,
            limits=Limits(held_records=3),
        )

        assert all(tell(kit, n).held for n in range(5))

        kit.consent.grant("stats")
        assert numbers(sent(kit, transport)) == [2, 3, 4]

    def test_quarantine(self, tmp_path):
        """
        In quarantine, no more is taken when there is no room, and the
        refusal says so.
        """
        transport = Scripted()
        kit = open_kit(
            tmp_path,
            "quarantine",
            transport=transport,
            limits=Limits(held_records=3),
        )

        held = [tell(kit, n).held for n in range(5)]

        assert held == [True, True, True, False, False]
        kit.consent.grant("stats")
        assert numbers(sent(kit, transport)) == [0, 1, 2]

    @pytest.mark.parametrize("pending", HELD)
    def test_longest(self, tmp_path, pending):
        """
        Whoever answers after `held_seconds` finds nothing that waited.
        """
        transport, clock = Scripted(), Clock()
        kit = open_kit(
            tmp_path,
            pending,
            transport=transport,
            clock=clock,
            limits=Limits(held_seconds=60),
        )
        tell(kit, 1)
        clock.tick(seconds=30)
        tell(kit, 2)
        clock.tick(seconds=30)

        kit.consent.grant("stats")

        assert numbers(sent(kit, transport)) == [2]

    @pytest.mark.parametrize("pending", HELD)
    def test_retention(self, tmp_path, pending):
        """
        Nothing waits for longer than it might be kept: ``health`` keeps
        for a day, which is less than `held_seconds`.
        """
        transport, clock = Scripted(), Clock()
        kit = open_kit(tmp_path, pending, transport=transport, clock=clock)
        with kit.use("health") as use:
            assert use.capture(Tocked(1)).held
            clock.tick(hours=23)
            assert use.capture(Tocked(2)).held
        clock.tick(hours=1)

        kit.consent.grant("health")

        assert numbers(sent(kit, transport)) == [2]

    @pytest.mark.parametrize("when", ["start", "flush"])
    def test_expired_is_deleted(self, tmp_path, when):
        """
        What nobody answered in time is deleted at the next start or flush.
        """
        clock = Clock()
        kit = open_kit(tmp_path, "quarantine", clock=clock)
        tell(kit)
        assert rows(tmp_path) == 1
        clock.tick(days=8)

        if when == "flush":
            kit.flush()
        else:
            kit.close()
            open_kit(tmp_path, "quarantine", clock=clock)

        assert rows(tmp_path) == 0

    def test_room_after_an_answer(self, tmp_path):
        """
        What an answer settled takes no room any more.
        """
        limits = Limits(held_records=1)
        kit = open_kit(tmp_path, "quarantine", limits=limits)
        tell(kit)
        kit.consent.deny("stats")

        with kit.use("health") as use:
            assert use.capture(Tocked(1)).held


class TestOnDisk:
    """
    Tests for what can be found in the data folder.
    """

    def test_memory_writes_nothing(self, tmp_path):
        """
        In memory mode no file is made and no byte of an event is written,
        before or after a no.
        """
        kit = open_kit(tmp_path, "memory")
        assert tell(kit, note=PLANTED).held
        assert list(tmp_path.rglob("*")) == []

        kit.consent.deny("stats")
        kit.close()

        assert not (tmp_path / "held.sqlite3").exists()
        assert hits(forms(PLANTED), tmp_path) == []

    def test_memory_dies_with_the_kit(self, tmp_path):
        """
        What waits in memory does not outlive its process.
        """
        transport = Scripted()
        open_kit(tmp_path, "memory").close()
        kit = open_kit(tmp_path, "memory", transport=transport)
        kit.consent.grant("stats")

        assert sent(kit, transport) == []

    def test_the_search_finds(self, tmp_path):
        """
        The search of these tests finds what lies there in the clear.
        """
        (tmp_path / "file").write_text(f"- {PLANTED} -")

        assert hits(forms(PLANTED), tmp_path) != []

    def test_quarantine_is_sealed(self, tmp_path):
        """
        In quarantine the event is in no file in the clear, and neither is
        its name; the key is for this user alone.
        """
        kit = open_kit(tmp_path, "quarantine")
        assert tell(kit, note=PLANTED).held
        kit.close()

        assert rows(tmp_path) == 1
        assert hits(forms(PLANTED) | {b"ticked"}, tmp_path) == []
        key = tmp_path / "keys" / "held-stats.secret"
        assert key.stat().st_mode & 0o777 == 0o600
        assert key.parent.stat().st_mode & 0o777 == 0o700
        mode = (tmp_path / "held.sqlite3").stat().st_mode
        assert mode & 0o777 == 0o600

    def test_quarantine_is_scrubbed(self, tmp_path):
        """
        Texts are scrubbed before they wait, not when they are kept.
        """
        kit = open_kit(tmp_path, "quarantine")
        tell(kit, note="write to ann@example.org")

        (held,) = kit.quarantine.of("stats")

        assert "ann@example.org" not in held.as_json()
        assert PLANTED not in repr(held)

    def test_without_its_key(self, tmp_path):
        """
        Without its key an event cannot be read any more, nor kept.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "quarantine", transport=transport)
        tell(kit, 1)
        assert len(kit.quarantine.of("stats")) == 1
        (tmp_path / "keys" / "held-stats.secret").unlink()

        assert kit.quarantine.of("stats") == ()
        tell(kit, 2)
        kit.consent.grant("stats")
        assert numbers(sent(kit, transport)) == [2]

    def test_another_key(self, tmp_path):
        """
        With the key of another function it cannot be read either.
        """
        kit = open_kit(tmp_path, "quarantine")
        tell(kit)
        with kit.use("health") as use:
            use.capture(Tocked(1))
        keys = tmp_path / "keys"
        (keys / "held-health.secret").replace(keys / "held-stats.secret")

        assert kit.quarantine.of("stats") == ()

    def test_moved_to_another_function(self, tmp_path):
        """
        A row that is given to another function does not open there, even
        with the key, and goes.
        """
        kit = open_kit(tmp_path, "quarantine")
        tell(kit)
        kit.close()
        db = sqlite3.connect(tmp_path / "held.sqlite3")
        with db:
            db.execute("UPDATE held SET function = 'health'")
        db.close()
        keys = tmp_path / "keys"
        (keys / "held-stats.secret").replace(keys / "held-health.secret")

        again = open_kit(tmp_path, "quarantine")

        assert again.quarantine.of("health") == ()
        assert again.quarantine.functions() == ()

    def test_the_key_goes_with_a_yes(self, tmp_path):
        """
        After a yes nothing is left in quarantine, and no key.
        """
        kit = open_kit(tmp_path, "quarantine")
        tell(kit)
        kit.consent.grant("stats")

        assert (secrets(tmp_path), rows(tmp_path)) == ([], 0)

    def test_a_read_only_folder(self, tmp_path):
        """
        Where it cannot be stored it is refused as if it were dropped, and
        the app goes on.
        """
        folder = tmp_path / "file"
        folder.write_text("no folder")
        kit = open_kit(folder, "quarantine")

        refused = tell(kit)

        assert (refused.reason, refused.held) == (Reason.NOT_ASKED, False)


class TestSeveralProcesses:
    """
    Tests for an answer that another process of the app was given.
    """

    @pytest.mark.parametrize("when", ["start", "flush"])
    def test_yes_elsewhere(self, tmp_path, when):
        """
        A yes in another process keeps what waits in quarantine here, at
        the next flush or the next start, once.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "quarantine", transport=transport)
        tell(kit, 1)
        program = """
            import sys
            from tests.test_pending import *
            folder = Path(sys.argv[1])
            kit = consentkit.open(policy_of("drop"), data_dir=folder)
            kit.consent.grant("stats")
        """
        # It knows nothing of the quarantine, as an older version would not.
        run(program, tmp_path)
        assert rows(tmp_path) == 1

        if when == "start":
            kit.close()
            kit = open_kit(tmp_path, "quarantine", transport=transport)
            assert rows(tmp_path) == 0

        assert numbers(sent(kit, transport)) == [1]
        assert numbers(sent(kit, transport)) == [1]
        assert secrets(tmp_path) == []

    @pytest.mark.parametrize("no", ["deny", "withdraw"])
    def test_no_elsewhere(self, tmp_path, no):
        """
        A no in another process destroys what waits in quarantine before it
        returns there.
        """
        kit = open_kit(tmp_path, "quarantine")
        tell(kit)
        program = """
            import sys
            from tests.test_pending import *
            folder = Path(sys.argv[1])
            kit = open_kit(folder, "quarantine")
            getattr(kit.consent, sys.argv[2])("stats")
            assert (secrets(folder), rows(folder)) == ([], 0)
        """
        run(program, tmp_path, no)

        assert kit.quarantine.of("stats") == ()

    @pytest.mark.skipif(
        not hasattr(os, "fork"), reason="this platform does not fork"
    )
    @pytest.mark.parametrize("pending", HELD)
    def test_fork(self, tmp_path, pending):
        """
        After a fork both go on: what waits in quarantine is kept once, and
        what waits in memory carries the same id on both sides, so that it
        is one at a backend.
        """
        program = r"""
            import sys
            from tests.test_pending import *
            from tests.faults.support import Backend, in_child, start_child
            folder, pending = Path(sys.argv[1]), sys.argv[2]
            backend = Backend(folder / "backend.sqlite3")
            kit = open_kit(folder / "data", pending, transport=backend)
            assert tell(kit, 1).held
            def child():
                assert tell(kit, 2).held
                kit.consent.grant("stats")
                assert not kit.flush().problems
            assert in_child(child) == 0
            assert not kit.flush().problems
            kept = tell(kit, 3)
            assert kept, kept
            assert not kit.flush().problems
            found = [r.value["n"] for r in backend.records()]
            assert sorted(found) == [1, 2, 3], found
            kit.close()
        """
        run(program, tmp_path, pending)


CRASH = r"""
import os, sys
from tests.test_pending import *
from consentkit.outbox.held import Quarantine
from consentkit.outbox.store import OutboxStore
from consentkit.use import Use

folder, at = Path(sys.argv[1]), sys.argv[2]
kit = open_kit(folder, "quarantine")
for n in (1, 2):
    assert tell(kit, n).held

def die(*args, **options):
    os._exit(9)

def die_after(real):
    def wrapped(*args, **options):
        real(*args, **options)
        os._exit(9)
    return wrapped

if at == "before":
    Use.promote = die
elif at == "between":
    Use.promote = die_after(Use.promote)
elif at == "after":
    Quarantine.destroy = die
elif at == "key gone":
    Quarantine._shred = die_after(Quarantine._shred)
kit.consent.grant("stats")
"""


class TestCrash:
    """
    Tests for a process that ends between an answer and what it means.
    """

    @pytest.mark.parametrize("at", ["before", "between", "after"])
    def test_after_a_yes(self, tmp_path, at):
        """
        The next start completes what a yes began: each event is kept
        exactly once, by its id.
        """
        with pytest.raises(AssertionError):
            run(CRASH, tmp_path, at)
        assert rows(tmp_path) == 2

        transport = Scripted()
        kit = open_kit(tmp_path, "quarantine", transport=transport)

        assert (secrets(tmp_path), rows(tmp_path)) == ([], 0)
        assert numbers(sent(kit, transport)) == [1, 2]
        assert kit.status().counts["delivered"] == 2

    def test_after_its_key(self, tmp_path):
        """
        A crash right after the key was destroyed loses and doubles nothing.
        """
        with pytest.raises(AssertionError):
            run(CRASH, tmp_path, "key gone")
        assert secrets(tmp_path) == []

        transport = Scripted()
        kit = open_kit(tmp_path, "quarantine", transport=transport)

        assert numbers(sent(kit, transport)) == [1, 2]

    def test_delivered_before_it_is_settled(self, tmp_path):
        """
        An event that went out before the crash does not go out again.
        """
        program = (
            CRASH.replace("kit = open_kit(folder, ", "kit = open_kit(F, ")
            .replace(
                "folder, at = ",
                "from tests.faults.support import Backend\n"
                "backend = Backend(Path(sys.argv[1]) / 'backend.sqlite3')\n"
                "F = Path(sys.argv[1]) / 'data'\n"
                "folder, at = ",
            )
            .replace(
                '(F, "quarantine")', '(F, "quarantine", transport=backend)'
            )
            + "\nkit.flush()\n"
        )
        flushing = program.replace(
            "    Quarantine.destroy = die\n",
            "    def late(*_):\n"
            "        kit._outlet.delivery.flush()\n"
            "        os._exit(9)\n"
            "    Quarantine.destroy = late\n",
        )
        with pytest.raises(AssertionError):
            run(flushing, tmp_path, "after")
        check = r"""
            import sys
            from tests.test_pending import *
            from tests.faults.support import Backend
            folder = Path(sys.argv[1])
            backend = Backend(folder / "backend.sqlite3")
            before = backend.ids()
            assert len(before) == 2
            kit = open_kit(folder / "data", "quarantine", transport=backend)
            report = kit.flush()
            assert (report.problems, report.waiting) == ((), 0), report
            assert backend.ids() == before
            assert kit.status().counts == {"delivered": 2}
        """
        run(check, tmp_path)

    def test_after_a_no(self, tmp_path):
        """
        A no that was cut right after the ledger had it is completed at the
        next start.
        """
        program = CRASH.replace(
            'kit.consent.grant("stats")', 'kit.consent.deny("stats")'
        )
        with pytest.raises(AssertionError):
            run(program, tmp_path, "after")
        assert rows(tmp_path) == 2

        open_kit(tmp_path, "quarantine")

        assert (secrets(tmp_path), rows(tmp_path)) == ([], 0)

    def test_a_damaged_quarantine(self, tmp_path):
        """
        A damaged quarantine does not keep a withdrawal from destroying what
        waits in the outbox.
        """
        kit = open_kit(tmp_path, "quarantine")
        tell(kit, 1)
        kit.consent.grant("health")
        with kit.use("health") as use:
            assert use.capture(Tocked(1))
        kit.close()
        (tmp_path / "held.sqlite3").write_bytes(b"no database" * 100)
        kit = open_kit(tmp_path, "quarantine")

        with suppress(StoreError):
            kit.consent.withdraw("health")

        assert kit.status().waiting == 0

    def test_without_an_answer(self, tmp_path):
        """
        A crash before the answer costs nothing that waits on disk.
        """
        program = CRASH.replace('kit.consent.grant("stats")', "os._exit(0)")
        run(program, tmp_path, "never")

        transport = Scripted()
        kit = open_kit(tmp_path, "quarantine", transport=transport)
        assert sent(kit, transport) == []
        kit.consent.grant("stats")

        assert numbers(sent(kit, transport)) == [1, 2]


class TestThreads:
    """
    Tests for several threads that tell at once.
    """

    @pytest.mark.parametrize("pending", HELD)
    def test_all_arrive(self, tmp_path, pending):
        """
        What several threads tell before the answer is all kept by it.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, pending, transport=transport)

        def work(start: int) -> None:
            for n in range(start, start + 10):
                tell(kit, n)

        threads = [
            threading.Thread(target=work, args=(t * 10,)) for t in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kit.consent.grant("stats")

        assert sorted(numbers(sent(kit, transport))) == list(range(40))


def with_separate(pending: str) -> Policy:
    """
    Give a policy in which the events of ``stats`` need two answers.
    """
    tree = tomllib.loads(POLICY.read_text("utf-8"))
    tree["consent"] = {"pending": pending}
    tree["functions"][0]["collects"][0]["separate"] = True
    return parse_policy(to_toml(tree))


class TestSubjects:
    """
    Tests for an app that serves many.
    """

    @pytest.mark.parametrize("pending", HELD)
    def test_yes(self, tmp_path, pending):
        """
        What a person's kit holds is kept by that person's yes, and by
        nobody else's; on a server nothing of it is on disk before.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, pending, transport=transport)
        ann, bob = kit.subject("ann"), kit.subject("bob")
        assert tell(ann, 1).held
        assert tell(bob, 2).held
        assert list(tmp_path.rglob("*")) == []

        bob.consent.grant("stats")

        assert numbers(sent(kit, transport)) == [2]
        ann.consent.grant("stats")
        assert numbers(sent(kit, transport)) == [2, 1]

    @pytest.mark.parametrize("pending", HELD)
    def test_no(self, tmp_path, pending):
        """
        A person's no destroys what their kit held.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, pending, transport=transport)
        ann, bob = kit.subject("ann"), kit.subject("bob")
        tell(ann, 1)
        tell(bob, 2)

        ann.consent.deny("stats")
        ann.consent.grant("stats")
        bob.consent.grant("stats")

        assert numbers(sent(kit, transport)) == [2]


class TestElsewhere:
    """
    Answers that were given elsewhere, or to a part, or cannot be read.
    """

    def test_rows_without_a_key(self, tmp_path):
        """
        What cannot be opened any more goes with the answer.
        """
        with pytest.raises(AssertionError):
            run(CRASH, tmp_path, "key gone")
        open_kit(tmp_path, "quarantine")

        assert rows(tmp_path) == 0

    @pytest.mark.parametrize(
        "pending",
        [
            "memory",
            "quarantine",
        ],
    )
    def test_no_elsewhere_and_yes_here(self, tmp_path, pending):
        """
        An event from before a no in another process is not brought back by
        a later yes here.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, pending, transport=transport)
        tell(kit, 1)
        open_kit(tmp_path, pending).consent.deny("stats")

        kit.consent.grant("stats")

        assert sent(kit, transport) == []

    def test_no_of_a_person_at_another_kit(self, tmp_path):
        """
        Nor does a later yes bring back what another kit of the same person
        held before their no.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "memory", transport=transport)
        ann = kit.subject("ann")
        tell(ann, 1)
        kit.subject("ann").consent.deny("stats")

        ann.consent.grant("stats")

        assert sent(kit, transport) == []

    def test_yes_elsewhere_in_memory(self, tmp_path):
        """
        A yes in another process keeps what waits in memory here.
        """
        transport = Scripted()
        kit = open_kit(tmp_path, "memory", transport=transport)
        tell(kit, 1)
        open_kit(tmp_path, "memory").consent.grant("stats")

        assert numbers(sent(kit, transport)) == [1]

    @pytest.mark.parametrize("pending", HELD)
    def test_two_answers(self, tmp_path, pending):
        """
        Where two answers are needed, an event waits for the second too.
        """
        policy = with_separate(pending)
        transport = Scripted()
        kit = open_kit(tmp_path, pending, policy=policy, transport=transport)
        assert tell(kit, 1).held
        kit.consent.grant("stats")
        kit.consent.show("stats/network_status")
        kit.consent.grant("stats/network_status")

        assert numbers(sent(kit, transport)) == [1]

    def test_a_no_to_the_type(self, tmp_path):
        """
        A no to the separate type of an event destroys it.
        """
        policy = with_separate("quarantine")
        kit = open_kit(tmp_path, "quarantine", policy=policy)
        assert tell(kit, 1).held

        kit.consent.deny("stats/network_status")

        assert rows(tmp_path) == 0

    def test_an_unreadable_ledger(self, tmp_path):
        """
        A ledger that cannot be read for a while is no answer.
        """
        kit = open_kit(tmp_path, "quarantine")
        kit.consent.grant("health")
        tell(kit, 1)
        kit.close()
        ledger = tmp_path / "ledger.sqlite3"
        whole = ledger.read_bytes()
        ledger.write_bytes(b"no database" * 100)

        open_kit(tmp_path, "quarantine").close()

        ledger.write_bytes(whole)
        assert rows(tmp_path) == 1

    def test_memory_expires(self, tmp_path):
        """
        What waits in memory goes at a flush after its time.
        """
        clock = Clock()
        kit = open_kit(tmp_path, "memory", clock=clock)
        tell(kit, 1, note=PLANTED)
        (held,) = kit._waiting._held["stats"]
        gone = weakref.ref(held)
        del held
        clock.tick(days=8)
        kit.flush()

        assert gone() is None
