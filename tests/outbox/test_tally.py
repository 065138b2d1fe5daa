# SPDX-License-Identifier: MIT

"""
Tests for what was really obtained.
"""

from __future__ import annotations

import sqlite3

from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from attrs import frozen

from consentkit.exceptions import DamagedError
from consentkit.gate import OSPermission
from consentkit.ledger.entries import LOCAL, text_digest
from consentkit.outbox.tally import Tally
from consentkit.policy import Policy, parse_policy
from consentkit.rights.cancel import Cancellation
from tests.faults.support import files, run
from tests.support import Clock, make_kit, say_yes, tables, to_toml


MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
KEY = ("local", "connect", "network_status")


@frozen
class SessionEnded:
    """
    An event of the small policy.
    """

    seconds: float | str


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    """
    Give an empty one.
    """
    return Tally(tmp_path / "tally.sqlite3")


class TestTally:
    """
    Tests for the file.
    """

    def test_adds_up(self, tally: Tally) -> None:
        """
        Counts add up; the first day stays and the last one moves.
        """
        tally.add({KEY: (2, MONDAY, MONDAY)})
        tally.add({KEY: (3, TUESDAY, TUESDAY)})
        (found,) = tally.of()
        tally.close()

        assert (found.function, found.data_type) == KEY[1:]
        assert (found.times, found.first, found.last) == (5, MONDAY, TUESDAY)

    def test_people_are_apart(self, tally: Tally) -> None:
        """
        Each person has a tally of their own.
        """
        tally.add({("a" * 64, "connect", "imei"): (1, MONDAY, MONDAY)})
        found = tally.of("a" * 64), tally.of()
        tally.close()

        assert [len(one) for one in found] == [1, 0]

    def test_looking_makes_no_file(self, tally: Tally, tmp_path: Path) -> None:
        """
        Before anything was counted there is no file.
        """
        assert tally.of() == ()
        assert list(tmp_path.iterdir()) == []

    def test_once_closed(self, tally: Tally, tmp_path: Path) -> None:
        """
        A use that ends after its kit was closed opens nothing again.
        """
        tally.close()
        tally.add({KEY: (1, MONDAY, MONDAY)})

        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("change", ["n = 'many'", "last = 'tomorrow'"])
    def test_damaged(self, change: str, tally: Tally, tmp_path: Path) -> None:
        """
        What is not as it was written is named, with the cure.
        """
        tally.add({KEY: (1, MONDAY, MONDAY)})
        path = tmp_path / "tally.sqlite3"
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(f"UPDATE tally SET {change}")

        with pytest.raises(DamagedError, match="counting begins anew"):
            tally.of()
        tally.close()


class TestUse:
    """
    Tests for what a use counts.
    """

    def test_events_and_lines_of_logs(self, tmp_path: Path) -> None:
        """
        An event and a line of a log that were taken count as reads do; what
        the policy does not let be taken does not.
        """
        with make_kit(tmp_path, "improve", "logs") as kit:
            with kit.use("improve") as use:
                assert use.capture(SessionEnded(2.0))
                assert not use.capture(SessionEnded("long"))
            with kit.use("logs") as use:
                assert use.log_line_if_permitted("service_log", lambda: "x")
            found = kit.store.tally.of()

        assert [(o.data_type, o.times) for o in found] == [
            ("app_usage_time", 1),
            ("service_log", 1),
        ]

    def test_while_it_is_in_use(self, tmp_path: Path) -> None:
        """
        A use that goes on for long is written down from time to time.
        """
        with make_kit(tmp_path, "connect") as kit, kit.use("connect") as use:
            for _ in range(1_500):
                use.device("network_status")
            (found,) = kit.store.tally.of()

        assert found.times == 1_000

    def test_what_is_not_read(self, tmp_path: Path) -> None:
        """
        A value that was promised not to be read, one that the system does
        not let be read, and one that no source gives, count for nothing.
        """
        with make_kit(
            tmp_path,
            "connect",
            "improve",
            os_permission=lambda _: OSPermission.DENIED,
        ) as kit:
            with kit.use("connect") as use:
                assert not use.device("device_name")
            with kit.use("improve") as use:
                assert not use.device("imei")
            found = kit.store.tally.of()

        assert found == ()

    def test_in_what_day(self, tmp_path: Path) -> None:
        """
        The day is that of the kit's clock, in UTC.
        """
        clock = Clock()
        with make_kit(tmp_path, "connect", clock=clock) as kit:
            with kit.use("connect") as use:
                use.device("network_status")
            clock.tick(days=1)
            with kit.use("connect") as use:
                use.device("network_status")
            (found,) = kit.store.tally.of()

        assert found.last == clock.now.date()
        assert (found.last - found.first).days == 1

    def test_outlives_a_kill(self, tmp_path: Path) -> None:
        """
        What a use has obtained is there after a ``kill -9`` right behind it.
        """
        run(
            """
            import os, sys
            from tests.faults.support import in_child
            from tests.support import make_kit

            def work():
                kit = make_kit(sys.argv[1], "connect")
                with kit.use("connect") as use:
                    use.device("network_status")
                os.kill(os.getpid(), 9)

            assert in_child(work) == -9
            """,
            tmp_path,
        )
        tally = Tally(tmp_path / "tally.sqlite3")
        (found,) = tally.of()
        tally.close()

        assert found.times == 1

    def test_disk_that_takes_nothing(self, tmp_path: Path) -> None:
        """
        Where the tally cannot be written, the app goes on.
        """
        (tmp_path / "tally.sqlite3").mkdir()
        with make_kit(tmp_path, "connect") as kit:
            with kit.use("connect") as use:
                device = use.device("network_status")
                assert use.capture(device)
            assert kit.status().waiting == 1


def often() -> Policy:
    """
    Give the small policy, where the network is read once an hour.
    """
    tree = tables()
    (connect,) = (f for f in tree["functions"] if f["id"] == "connect")
    (clause,) = (
        c for c in connect["collects"] if c.get("type") == "network_status"
    )
    clause["frequency"] = "PT1H"
    return parse_policy(to_toml(tree))


class TestForgetting:
    """
    Tests for a person who is forgotten.
    """

    def rows(self, folder: Path, tag: str) -> list[object]:
        """
        Give what the two files say of a person.
        """
        found: list[object] = []
        for name, table in (("tally", "tally"), ("outbox", "reads")):
            with closing(sqlite3.connect(folder / f"{name}.sqlite3")) as db:
                found += db.execute(
                    f"SELECT * FROM {table} WHERE subject = ?",
                    (tag,),
                ).fetchall()
        return found

    def test_nothing_is_left(self, tmp_path: Path) -> None:
        """
        How often and when data of the person was read goes with them, out
        of the logs of the databases too; what others' was stays.
        """
        with make_kit(tmp_path, policy=often()) as kit:
            tags = []
            for name in ("ann", "bob"):
                person = kit.subject(name)
                say_yes(person.consent, "connect")
                with person.use("connect") as use:
                    assert use.device("network_status")
                tags.append(str(kit.ledger.subject(name)))
            ann, bob = tags
            assert len(self.rows(tmp_path, ann)) == 2

            kit.forget("ann")

            assert kit.store.tally.of(ann) == ()
            assert len(kit.store.tally.of(bob)) == 1
            assert self.rows(tmp_path, ann) == []
            assert len(self.rows(tmp_path, bob)) == 2
            # Of the name in the entries that the person had, one copy is
            # left, and it has nothing beside it.
            held = b"".join(
                content
                for path, content in files(tmp_path)
                if path.name.startswith(("tally.", "outbox."))
            )
            assert held.count(ann.encode()) == 1
            assert held.count(ann.encode() + b"connect") == 0

    def test_use_that_is_still_open(self, tmp_path: Path) -> None:
        """
        A use that began before, in whatever process, brings nothing back.
        """
        with make_kit(tmp_path) as kit, make_kit(tmp_path) as other:
            person = kit.subject("ann")
            say_yes(person.consent, "connect")
            tag = str(kit.ledger.subject("ann"))
            with person.use("connect") as use:
                assert use.device("network_status")
                other.forget("ann")
            assert kit.store.tally.of(tag) == ()

            again = kit.subject("ann")
            say_yes(again.consent, "connect")
            with again.use("connect") as use:
                assert use.device("network_status")
            tag = str(kit.ledger.subject("ann"))
            assert len(kit.store.tally.of(tag)) == 1

    def test_account_that_is_cancelled(self, tmp_path: Path) -> None:
        """
        Of an app with one user it begins anew with the next account.
        """
        policy = often()
        cancelling = Cancellation(policy, tmp_path)
        with make_kit(tmp_path, "connect", policy=policy) as kit:
            with kit.use("connect") as use:
                assert use.device("network_status")
            assert len(self.rows(tmp_path, LOCAL)) == 2
            warned = text_digest(cancelling.text)
            assert cancelling.request(kit, acknowledged=warned)

            assert cancelling.complete(kit)

            assert self.rows(tmp_path, LOCAL) == []
            say_yes(kit.consent, "connect")
            with kit.use("connect") as use:
                assert use.device("network_status")
            (found,) = kit.store.tally.of()
            assert found.times == 1

    def test_of_nobody(self, tmp_path: Path) -> None:
        """
        Who never chose anything leaves no file.
        """
        with make_kit(tmp_path) as kit:
            kit.forget("nobody")

        assert not (tmp_path / "tally.sqlite3").exists()

    def test_file_of_an_earlier_build(self, tmp_path: Path) -> None:
        """
        A file in which nobody could be forgotten counts on, and forgets.
        """
        path = tmp_path / "tally.sqlite3"
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(
                "CREATE TABLE tally (subject TEXT NOT NULL, function TEXT NOT "
                "NULL, data_type TEXT NOT NULL, n INTEGER NOT NULL, first "
                "TEXT NOT NULL, last TEXT NOT NULL, PRIMARY KEY (subject, "
                "function, data_type)) WITHOUT ROWID"
            )
            db.execute("PRAGMA user_version = 1")
            day = MONDAY.isoformat()
            for subject in ("a" * 64, "b" * 64):
                row = (subject, *KEY[1:], 1, day, day)
                db.execute("INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?)", row)
        tally = Tally(path)

        tally.add({("a" * 64, *KEY[1:]): (2, MONDAY, TUESDAY)})
        (found,) = tally.of("a" * 64)
        assert found.times == 3
        tally.forget("a" * 64)
        assert tally.of("a" * 64) == ()
        assert len(tally.of("b" * 64)) == 1
        tally.close()
