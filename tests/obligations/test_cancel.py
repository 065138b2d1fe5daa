# SPDX-License-Identifier: MIT

"""
What the documents promise of the end of an account.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from consentkit.consent.signals import Signals
from consentkit.consent.state import OPEN, Status
from consentkit.exceptions import DamagedError
from consentkit.gate import OSPermission, Reason, Refusal
from consentkit.ledger.entries import text_digest
from consentkit.policy import Policy
from consentkit.rights import Cancellation
from tests.obligations.checks import Watched, document, questions


WP = document("camera_app")
KS = document("design_platform")
LOGS = ("logs", "app_version")


class App(Watched):
    """
    The app on a phone where nothing is in its way.
    """

    def __init__(
        self, folder: Path, policy: Policy = WP, **options: Any
    ) -> None:
        self.cancelling = Cancellation(policy, folder, around=Signals)
        super().__init__(
            policy,
            folder,
            signals=self.cancelling.read,
            conditions=lambda _: True,
            os_permission=lambda _: OSPermission.GRANTED,
            **options,
        )

    def cancel(self) -> datetime | Refusal:
        """
        Show the warning, and begin.
        """
        digest = text_digest(self.cancelling.text)
        return self.cancelling.request(self.kit, acknowledged=digest)

    def stopped(self) -> None:
        """
        Check that nothing is read, kept, sent or started.
        """
        policy = self.kit.policy
        with self.nothing():
            for q in questions(policy):
                assert not self.take(q.function, q.data_type, act="pressed")
            for function in policy.functions.values():
                if function.sdk:
                    assert not self.kit.registry.start(function.sdk, list)


class TestCancellation:
    """
    Tests for ending an account.
    """

    @pytest.mark.obligation("WP-CANC-5")
    def test_the_warning_comes_first(self, tmp_path: Path) -> None:
        """
        Who has not acknowledged that it cannot be undone, or another text,
        cancels nothing; who has, does.
        """
        with App(tmp_path) as app:
            app.agree("logs", method="confirm")
            text = app.cancelling.text
            assert "this cannot be undone" in text
            assert "what the law keeps" in text
            for other in ("", text_digest("Cancel?"), text):
                answer = app.cancelling.request(app.kit, acknowledged=other)
                assert isinstance(answer, Refusal)
                assert answer.reason is Reason.NOT_ACKNOWLEDGED
            assert app.cancelling.since is None
            assert "not asked for" in repr(app.cancelling)
            with app.once():
                app.take(*LOGS)

            assert app.cancel() == app.clock.now
            assert "pending" in repr(app.cancelling)

    @pytest.mark.obligation("WP-CANC-1")
    def test_one_call_at_any_time(self, tmp_path: Path) -> None:
        """
        The way to it is in the text, and it works with all consents off,
        with none given, and a second time.
        """
        with App(tmp_path) as app:
            assert "Where: Me, Account and Security, Cancel Account." in (
                app.cancelling.text
            )
            assert "Within 10 working days." in app.cancelling.text
            app.kit.consent.refuse_all(method="confirm")
            began = app.cancel()
            app.clock.tick(days=1)
            assert app.cancel() == began == app.cancelling.since
        with App(tmp_path / "fresh") as app:
            assert app.cancel()
            assert app.cancelling.complete(app.kit)

    @pytest.mark.obligation("WP-CANC-6")
    def test_pending_the_service_stops(self, tmp_path: Path) -> None:
        """
        While it is pending nothing is read, kept, sent or started, over
        restarts, whatever is granted; before it, it was.
        """
        with App(tmp_path) as app:
            app.kit.consent.declare_age(adult=True)
            app.agree(*WP.elements, method="confirm")
            with app.once():
                app.take(*LOGS)
            assert app.take(*LOGS)
            app.cancel()
            app.stopped()
            assert app.kit.status().waiting == 1
        with App(tmp_path) as app:
            app.agree("logs", method="confirm")
            app.stopped()

    @pytest.mark.obligation("WP-CANC-3")
    def test_stopped_midway_by_a_choice(self, tmp_path: Path) -> None:
        """
        Logging in leaves it pending; choosing to go on stops it, with all
        as it was; once it is completed there is nothing to stop.
        """
        with App(tmp_path) as app:
            app.agree("logs", method="confirm")
            assert app.take(*LOGS)
            app.cancel()
        with App(tmp_path) as app:
            assert app.cancelling.since is not None
            app.stopped()
            assert app.cancelling.go_on()
            assert app.kit.status().waiting == 1
            assert app.kit.flush().delivered == 1
            with app.once():
                app.take(*LOGS)
            assert not app.cancelling.go_on()

            app.cancel()
            assert app.cancelling.complete(app.kit)
            assert not app.cancelling.go_on()
            assert app.cancelling.complete(app.kit) is None
            assert not app.take(*LOGS)

    @pytest.mark.obligation("WP-CANC-4")
    def test_registering_anew_begins_with_nothing(
        self, tmp_path: Path
    ) -> None:
        """
        After it is completed nothing waits, what was sent is asked back,
        and no choice is known; a new yes is taken.
        """
        with App(tmp_path) as app:
            app.kit.consent.declare_age(adult=True)
            app.agree(*WP.elements, method="confirm")
            with app.once():
                app.take(*LOGS)
            assert app.take(*LOGS)
            app.cancel()

            done = app.cancelling.complete(app.kit)

            assert done is not None
            assert done.destroyed.records == 1
            assert app.kit.status().waiting == 0
            app.kit.flush()
            assert app.wire.records == []
            app.stopped()
        with App(tmp_path) as app:
            state = app.kit.consent.state()
            assert {c.status for c in state.choices.values()} <= {
                Status.UNKNOWN,
                Status.OTHER_BASIS,
                Status.AGE_UNKNOWN,
            }
            app.agree("logs", method="confirm")
            with app.once():
                app.take(*LOGS)

    @pytest.mark.obligation("KS-DUR-1")
    def test_ends_every_grant(self, tmp_path: Path) -> None:
        """
        A grant outlasts a cancellation that was stopped, and ends with one
        that is completed, restarts included.
        """
        place = ("search", "search_history")
        with App(tmp_path, KS) as app:
            app.agree("search", "design_tools")
            app.cancel()
            app.cancelling.go_on()
        with App(tmp_path, KS) as app:
            with app.once():
                app.take(*place)
            app.cancel()
            app.cancelling.complete(app.kit)
        with App(tmp_path, KS) as app:
            state = app.kit.consent.state()
            assert not [c for c in state.choices.values() if c.status in OPEN]
            with app.nothing():
                assert app.take(*place).reason is Reason.NOT_ASKED

    def test_damaged_request(self, tmp_path: Path) -> None:
        """
        A request that cannot be read is still pending, and says so.
        """
        with App(tmp_path) as app:
            app.agree("logs", method="confirm")
            for text in ("", "[]", '{"since": 7}'):
                (tmp_path / "cancelling.json").write_text(text)
                with app.nothing():
                    assert not app.take(*LOGS)
                with pytest.raises(DamagedError, match="since when"):
                    app.cancelling.since  # noqa: B018
            assert app.cancelling.go_on()
            with app.once():
                app.take(*LOGS)
