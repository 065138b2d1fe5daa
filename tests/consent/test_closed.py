# SPDX-License-Identifier: MIT

"""
Tests for choices after the kit was closed.
"""

from __future__ import annotations

import os
import threading

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

import consentkit

from consentkit.consent.state import Status
from consentkit.exceptions import ClosedError, StoreError
from consentkit.kit import Kit
from consentkit.ledger.entries import Act
from tests.faults.support import Scripted
from tests.support import make_kit, say_yes


OPENING: dict[str, Callable[[Kit], object]] = {
    "grant": lambda kit: kit.consent.grant("improve"),
    "grant what stands": lambda kit: kit.consent.grant("connect"),
    "show": lambda kit: kit.consent.show("improve"),
    "defer": lambda kit: kit.consent.defer("improve"),
    "accept": lambda kit: kit.consent.accept(),
    "accept_all": lambda kit: kit.consent.accept_all(),
    "adopt": lambda kit: kit.consent.adopt(),
    "acknowledge": lambda kit: kit.consent.acknowledge("improve"),
    "resume": lambda kit: kit.consent.resume(),
    "merge": lambda kit: kit.consent.merge(),
    "intersect": lambda kit: kit.consent.intersect(),
    "declare_age": lambda kit: kit.consent.declare_age(adult=True),
    "a birthday": lambda kit: kit.consent.declare_age(born=date(2020, 1, 1)),
    "guardian_verified": lambda kit: kit.consent.guardian_verified(
        method="letter", reference="7"
    ),
    "import_legacy": lambda kit: kit.consent.import_legacy(
        {"improve": True}, origin="settings"
    ),
}

#: By what it makes of a function that was granted.
CLOSING: dict[str, tuple[Callable[[Kit], object], Status]] = {
    "deny": (lambda kit: kit.consent.deny("improve"), Status.REFUSED),
    "withdraw": (
        lambda kit: kit.consent.withdraw("improve"),
        Status.WITHDRAWN,
    ),
    "object_to": (
        lambda kit: kit.consent.object_to("improve"),
        Status.OBJECTED,
    ),
    "refuse_all": (lambda kit: kit.consent.refuse_all(), Status.REFUSED),
    "invalidate": (
        lambda kit: kit.consent.invalidate("improve", reason="void"),
        Status.INVALIDATED,
    ),
    "erase": (lambda kit: kit.consent.erase(), Status.UNKNOWN),
}


def _keep(kit: Kit) -> None:
    with kit.use("improve") as use:
        assert use.capture(use.device("mac_address"))


def _open_files(folder: Path) -> list[str]:
    """
    Name the files below *folder* that this process has open.
    """
    found: list[str] = []
    for one in Path("/proc/self/fd").iterdir():
        try:
            path = str(one.readlink())
        except OSError:  # that of the listing itself
            continue
        if path.startswith(f"{folder}{os.sep}"):
            found.append(path)
    return found


class TestOpening:
    """
    What opens something, or leads to it.
    """

    @pytest.mark.parametrize("name", OPENING)
    @pytest.mark.parametrize("whose", ["the app's", "a person's"])
    def test_is_refused(self, tmp_path: Path, name: str, whose: str) -> None:
        """
        It raises one clear error and is not recorded; nothing is started,
        and no file is opened for it.
        """
        root = make_kit(tmp_path, "connect", deliver_every=60.0)
        kit = root if whose == "the app's" else root.subject("ann")
        root.close()
        before = {p: p.read_bytes() for p in tmp_path.glob("ledger*")}
        threads = threading.active_count()

        with pytest.raises(ClosedError, match=r"the kit is closed.*open"):
            OPENING[name](kit)

        assert {p: p.read_bytes() for p in tmp_path.glob("ledger*")} == before
        assert threading.active_count() <= threads
        assert _open_files(tmp_path) == []

    def test_of_one_person(self, tmp_path: Path) -> None:
        """
        The kit of one person that was closed takes no yes; another one of
        the same person does.
        """
        kit = make_kit(tmp_path)
        ann = kit.subject("ann")
        ann.close()

        with pytest.raises(ClosedError):
            ann.consent.grant("improve")
        say_yes(kit.subject("ann").consent, "improve")
        assert ann.consent.state().permits("improve")
        kit.close()

    def test_is_a_value_error(self, tmp_path: Path) -> None:
        """
        Whoever catches `ValueError`, as for a closed file, catches it; it
        is no fault of a store.
        """
        kit = make_kit(tmp_path)
        kit.close()

        with pytest.raises(ValueError) as caught:
            kit.consent.grant("improve")
        error: object = caught.value
        assert isinstance(error, consentkit.ConsentKitError)
        assert not isinstance(error, StoreError)


class TestClosing:
    """
    What says no.
    """

    @pytest.mark.parametrize("name", CLOSING)
    def test_is_carried_out(self, tmp_path: Path, name: str) -> None:
        """
        A no is recorded, what waits is destroyed, what was delivered is to
        be erased; nothing is sent, nothing is started, and no file stays
        open. The next start knows of it.
        """
        act, status = CLOSING[name]
        there = Scripted()
        kit = make_kit(
            tmp_path, "improve", transport=there, deliver_every=60.0
        )
        _keep(kit)
        kit.flush()
        _keep(kit)
        kit.close()
        threads = threading.active_count()
        sent = list(there.order)

        act(kit)

        assert threading.active_count() <= threads
        assert there.order == sent
        assert _open_files(tmp_path) == []
        assert kit.flush().problems == ("the kit is closed",)
        kit = make_kit(tmp_path, transport=there)
        assert kit.consent.state().choices["improve"].status is status
        assert kit.status().waiting == 0
        assert kit.flush().erased == 1
        kit.close()

    def test_a_pause(self, tmp_path: Path) -> None:
        """
        A pause is recorded, and what waits, waits.
        """
        kit = make_kit(tmp_path, "improve")
        _keep(kit)
        kit.close()

        kit.consent.pause("improve")

        assert _open_files(tmp_path) == []
        kit = make_kit(tmp_path)
        assert kit.consent.history()[-1].act is Act.PAUSED
        assert kit.status().waiting == 1
        kit.close()

    def test_of_one_person(self, tmp_path: Path) -> None:
        """
        A no by the closed kit of one person leaves the app's own as it is:
        it goes on delivering.
        """
        there = Scripted()
        kit = make_kit(tmp_path, "improve", transport=there)
        ann = kit.subject("ann")
        say_yes(ann.consent, "improve")
        _keep(ann)
        ann.close()
        _keep(kit)

        ann.consent.withdraw("improve")

        assert kit.flush().delivered == 1
        kit.close()

    def test_that_cannot_be_recorded(self, tmp_path: Path) -> None:
        """
        Where the ledger does not take it, it says so, as ever; it holds for
        the next start.
        """
        kit = make_kit(tmp_path, "improve")
        _keep(kit)
        kit.close()
        ledger = tmp_path / "ledger.sqlite3"
        kept = ledger.read_bytes()
        ledger.write_bytes(b"damaged" * 999)

        with pytest.raises(StoreError):
            kit.consent.withdraw("improve")

        ledger.write_bytes(kept)
        kit = make_kit(tmp_path)
        assert not kit.consent.state().permits("improve")
        assert kit.status().waiting == 0
        kit.close()

    def test_what_is_said_stays_readable(self, tmp_path: Path) -> None:
        """
        Choices and their history can be read after the end.
        """
        kit = make_kit(tmp_path, "improve")
        kit.close()

        assert kit.consent.state().permits("improve")
        assert kit.consent.history()[-1].act is Act.GRANTED
        kit.close()
