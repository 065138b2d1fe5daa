# SPDX-License-Identifier: MIT
"""
How long a permit holds: while its function is in use, and no longer than
its consent.
"""

from __future__ import annotations

import threading

from pathlib import Path
from typing import Any

import pytest

from consentkit import Permit, Reason, Refusal
from consentkit.exceptions import DeadPermitError
from tests import support


class Withdrawing(support.Spy):
    """
    A source during whose read the person withdraws.
    """

    kit: Any = None

    def _read(self, permit: Permit, **_: Any) -> Any:
        self.kit.consent.withdraw("improve")
        return self.value


def permit_of(use: Any) -> Permit:
    """
    Ask for a permit that is granted.
    """
    permit = use.permit("mac_address")
    assert isinstance(permit, Permit)
    return permit


class TestPermitLife:
    """
    A permit that was handed out.
    """

    def test_opens_its_source_while_in_use(self, tmp_path: Path) -> None:
        """
        A live permit reads its source once: the positive twin.
        """
        spies = support.Spies()
        kit = support.make_kit(tmp_path, "improve", spies=spies)

        with kit.use("improve") as use:
            raw = spies["mac_address"].read(permit_of(use))

        assert raw == support.MAC
        assert spies.reads == 1

    def test_dies_with_its_use(self, tmp_path: Path) -> None:
        """
        After the block the permit opens nothing, even while granted.
        """
        spies = support.Spies()
        kit = support.make_kit(tmp_path, "improve", spies=spies)
        with kit.use("improve") as use:
            permit = permit_of(use)

        with pytest.raises(DeadPermitError):
            spies["mac_address"].read(permit)

        assert spies.reads == 0

    @pytest.mark.obligation("WP-ADD-3")
    def test_dies_with_its_consent(self, tmp_path: Path) -> None:
        """
        After a withdrawal it opens nothing, even while in use.
        """
        spies = support.Spies()
        kit = support.make_kit(tmp_path, "improve", spies=spies)
        other = support.make_kit(tmp_path)

        with kit.use("improve") as use:
            permit = permit_of(use)
            other.consent.withdraw("improve")
            with pytest.raises(DeadPermitError):
                spies["mac_address"].read(permit)

        assert spies.reads == 0

    def test_does_not_come_back_with_a_new_grant(self, tmp_path: Path) -> None:
        """
        A new grant is new: the permit of the old one stays dead.
        """
        spies = support.Spies()
        kit = support.make_kit(tmp_path, "improve", spies=spies)

        with kit.use("improve") as use:
            permit = permit_of(use)
            kit.consent.withdraw("improve")
            kit.consent.grant("improve")
            with pytest.raises(DeadPermitError):
                spies["mac_address"].read(permit)

        assert spies.reads == 0

    def test_is_not_lent_to_another_thread(self, tmp_path: Path) -> None:
        """
        In a thread that did not enter the use, the permit is dead.
        """
        spies = support.Spies()
        kit = support.make_kit(tmp_path, "improve", spies=spies)
        died: list[bool] = []

        def read(permit: Permit) -> None:
            try:
                spies["mac_address"].read(permit)
            except DeadPermitError:
                died.append(True)

        with kit.use("improve") as use:
            thread = threading.Thread(target=read, args=[permit_of(use)])
            thread.start()
            thread.join()

        assert died == [True]
        assert spies.reads == 0

    def test_a_withdrawal_during_the_read_gives_a_refusal(
        self, tmp_path: Path
    ) -> None:
        """
        What is read while the person withdraws reaches nobody.
        """
        source = Withdrawing("mac_address", support.MAC)
        kit = support.make_kit(
            tmp_path,
            "improve",
            spies=[source],  # type: ignore[arg-type]
        )
        source.kit = kit

        with kit.use("improve") as use:
            got = use.device("mac_address")

        assert isinstance(got, Refusal)
        assert got.reason is Reason.CONSENT_CHANGED
        assert source.reads == 1

    def test_a_pause_during_the_read_is_told_as_that(
        self, tmp_path: Path
    ) -> None:
        """
        A value that was read while the person paused is not given, and the
        reason is the pause.
        """

        class Pausing(support.Spy):
            def _read(self, permit: Permit, **_: Any) -> Any:
                kit.consent.pause("improve")
                return self.value

        spies = support.Spies()
        spies.by_type["mac_address"] = Pausing("mac_address", support.MAC)
        kit = support.make_kit(tmp_path, "improve", spies=spies)

        with kit.use("improve") as use:
            got = use.device("mac_address")

        assert isinstance(got, Refusal)
        assert got.reason is Reason.PAUSED
