# SPDX-License-Identifier: MIT
"""
One person on several devices and with several accounts, and one question at a
time on each of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import consentkit

from consentkit.consent.signals import Signals
from consentkit.exceptions import UnwritableError
from consentkit.ledger.entries import Act
from tests.faults.support import (
    Clock,
    Scripted,
    number,
    run,
    the_policy,
    tick,
)


def device(folder: Path, **options: object) -> consentkit.Kit:
    """
    Open the app on one more device.
    """
    options.setdefault("clock", Clock())
    options.setdefault("signals", Signals)
    return consentkit.open(
        the_policy(),
        data_dir=folder,
        **options,  # type: ignore[arg-type]
    )


class TestMerge:
    """
    What was chosen on one device holds on the other.
    """

    def test_a_yes_comes_over(self, tmp_path: Path) -> None:
        """
        A yes on the phone opens the same on the watch, once it has learnt
        of it; what was kept goes out.
        """
        there = Scripted()
        phone = device(tmp_path / "phone")
        watch = device(tmp_path / "watch", transport=there)
        phone.consent.grant("stats")

        linked, copied = watch.consent.merge(phone.consent.history())
        assert tick(watch, 1)
        watch.flush()

        assert (linked.act, copied.act) == (Act.LINKED, Act.GRANTED)
        assert [number(r) for b in there.batches for r in b.records] == [1]

    def test_twice_is_once(self, tmp_path: Path) -> None:
        """
        Learning the same again changes nothing.
        """
        phone, watch = device(tmp_path / "phone"), device(tmp_path / "watch")
        phone.consent.grant("stats")
        watch.consent.merge(phone.consent.history())
        before = watch.consent.history()

        assert watch.consent.merge(phone.consent.history()) == ()
        assert watch.consent.history() == before

    def test_a_no_destroys(self, tmp_path: Path) -> None:
        """
        A no on the phone ends what the watch has waiting, as a withdrawal
        there would.
        """
        there = Scripted()
        phone = device(tmp_path / "phone")
        watch = device(tmp_path / "watch", transport=there)
        phone.consent.grant("stats")
        watch.consent.merge(phone.consent.history())
        assert tick(watch, 1)
        assert watch.status().waiting == 1

        phone.consent.withdraw("stats")
        watch.consent.merge(phone.consent.history())
        watch.flush()

        assert watch.status().waiting == 0
        assert there.batches == []
        assert not watch.consent.state().permits("stats")

    def test_choices_that_knew_nothing_of_each_other(
        self, tmp_path: Path
    ) -> None:
        """
        Of a yes here and a no there, neither knowing of the other, the no
        holds on both, and a later yes opens both again.
        """
        clock = Clock()
        phone = device(tmp_path / "phone", clock=clock)
        watch = device(tmp_path / "watch", clock=clock)
        phone.consent.deny("stats")
        clock.tick(seconds=1)
        watch.consent.grant("stats")

        watch.consent.merge(phone.consent.history())
        phone.consent.merge(watch.consent.history())
        assert not watch.consent.state().permits("stats")
        assert not phone.consent.state().permits("stats")

        phone.consent.grant("stats")
        watch.consent.merge(phone.consent.history())
        assert watch.consent.state().permits("stats")

    def test_accounts_become_one(self, tmp_path: Path) -> None:
        """
        Only what both accounts agreed to stays; nothing is opened.
        """
        kept, ended = device(tmp_path / "kept"), device(tmp_path / "ended")
        for person in (kept, ended):
            person.consent.grant("stats")
        kept.consent.grant("logs")

        kept.consent.intersect(ended.consent.history())

        assert kept.consent.state().permits("stats")
        assert not kept.consent.state().permits("logs")


class TestAsking:
    """
    One question at a time, over all processes of the app.
    """

    def test_second_has_to_wait(self, tmp_path: Path) -> None:
        """
        Who comes second is told so, until the first is done.
        """
        first, second = device(tmp_path), device(tmp_path)

        with first.asking() as mine, second.asking() as other:
            assert (mine, other) == (True, False)
        with second.asking() as other:
            assert other

    def test_another_process(self, tmp_path: Path) -> None:
        """
        It goes for processes, and ends with the one that dies.
        """
        script = """
import sys
from pathlib import Path
from tests.test_devices import device
with device(Path(sys.argv[1])).asking() as mine:
    print(mine, flush=True)
    import os
    os._exit(0)
"""
        kit = device(tmp_path)
        with kit.asking():
            assert run(script, tmp_path).stdout.strip() == "False"
        assert run(script, tmp_path).stdout.strip() == "True"
        with kit.asking() as mine:
            assert mine

    def test_error_inside(self, tmp_path: Path) -> None:
        """
        A question that fails holds nobody up.
        """
        kit = device(tmp_path)
        with pytest.raises(ZeroDivisionError), kit.asking():
            raise ZeroDivisionError
        with device(tmp_path).asking() as mine:
            assert mine

    def test_nowhere_to_write(self, tmp_path: Path) -> None:
        """
        Where an answer could not be recorded, nobody is asked.
        """
        (tmp_path / "file").write_text("")
        kit = device(tmp_path / "file" / "data")

        with pytest.raises(UnwritableError, match="data"), kit.asking():
            pass
