# SPDX-License-Identifier: MIT

"""
What the camera app's document promises for the end of operation.
"""

from __future__ import annotations

import logging

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from consentkit.cessation import Cessation, EndOfOperation, parse_end, sign_end
from consentkit.consent.signals import Signals
from consentkit.exceptions import ProofError
from consentkit.gate import OSPermission, Reason, Refusal
from consentkit.ledger.entries import Act
from consentkit.ledger.signing import make_signing_key
from tests.obligations.checks import Watched, document, questions


WP = document("camera_app")
MAKER = make_signing_key()
END = EndOfOperation(policy="camera_app", since=date(2026, 11, 20))
NOTE = sign_end(END, MAKER)
SHUT = {Reason.MASKED, Reason.INVALIDATED}
SDK = next(f.sdk for f in WP.functions.values() if f.sdk)


class App(Watched):
    """
    The app on a phone where nothing is in its way, but for its end.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        self.ending = Cessation(
            WP.id, folder, key=MAKER.verify_key, around=Signals
        )
        super().__init__(
            WP,
            folder,
            signals=self.ending.read,
            conditions=lambda _: True,
            os_permission=lambda _: OSPermission.GRANTED,
            **options,
        )

    def agree_to_all(self) -> None:
        """
        Be an adult who agrees to everything.
        """
        self.kit.consent.declare_age(adult=True)
        for function in WP.functions.values():
            if function.acknowledge:
                self.kit.consent.acknowledge(function.id)
        self.agree(*WP.elements, method="confirm")

    def nothing_works(self) -> None:
        """
        Check that nothing is read, kept, sent or started.
        """
        with self.nothing():
            for q in questions(WP):
                answer = self.take(q.function, q.data_type, act="pressed")
                assert SHUT & {answer.reason, *answer.also}, q
            for function in WP.functions.values():
                if function.sdk:
                    started = self.kit.registry.start(function.sdk, list)
                    assert not started, function.sdk


class TestCessation:
    """
    Tests for the maker's word.
    """

    @pytest.mark.obligation("WP-CEASE-1")
    def test_everything_stops(self, tmp_path: Path) -> None:
        """
        Before it everything goes on; once it is delivered nothing is read,
        kept or sent, what waited is gone, what was sent is asked back, a
        listener hears no more and an SDK is stopped. A yes opens nothing.
        """
        stopped: list[str] = []
        with App(tmp_path) as app:
            app.agree_to_all()
            assert "not yet" in repr(app.ending)
            place = ("product_improvement", "device_model")
            with app.once():
                app.take(*place)
            assert app.take(*place)
            handler = app.kit.log_handler("logs")
            log = logging.Logger("app")  # noqa: LOG001 - this test's alone
            log.addHandler(handler)
            log.warning("before the end")
            assert app.kit.status().waiting == 2
            started = app.kit.registry.start(
                SDK, list, stop=lambda: stopped.append(SDK)
            )
            assert started

            assert app.ending.deliver(app.kit, NOTE) == END

            assert app.ending.ended == END
            assert app.kit.status().waiting == 0
            assert stopped == [SDK]
            assert app.kit.registry.running == ()
            log.warning("after the end")
            app.nothing_works()
            assert app.wire.records == []
            noted = app.kit.consent.history(place[0])[-1]
            assert noted.act is Act.INVALIDATED
            assert noted.facts["reason"] == "operation ended"
            app.agree("profile", "logs", method="confirm")
            app.nothing_works()
            answer = app.take("logs", "app_version")
            assert answer.reason is Reason.MASKED
            assert app.kit.status().waiting == 0

    @pytest.mark.obligation("WP-CEASE-1")
    def test_holds_over_restarts_without_a_network(
        self, tmp_path: Path
    ) -> None:
        """
        Delivered once, it holds at each start, with nobody to ask; delivered
        again, nothing more happens.
        """
        with App(tmp_path) as app:
            app.agree_to_all()
            app.ending.deliver(app.kit, NOTE)
        for _ in range(2):
            with App(tmp_path) as app:
                before = app.kit.consent.history()
                app.ending.carry_out(app.kit)
                app.ending.deliver(app.kit, NOTE)
                app.nothing_works()
                assert app.kit.consent.history() == before

    @pytest.mark.obligation("WP-CEASE-1")
    def test_is_completed_after_a_crash(self, tmp_path: Path) -> None:
        """
        Where a crash came after the word was kept, nothing is permitted at
        the next start, and what waits goes when that is completed.
        """
        with App(tmp_path) as app:
            app.agree_to_all()
            assert app.take("product_improvement", "device_model")
        (tmp_path / "ceased.note").write_text(NOTE)
        with App(tmp_path) as app:
            app.nothing_works()
            app.ending.carry_out(app.kit)
            assert app.kit.status().waiting == 0
            app.nothing_works()

    @pytest.mark.obligation("WP-CEASE-1")
    def test_of_everybody_who_is_served(self, tmp_path: Path) -> None:
        """
        Where an app serves several people, it stops for each, and what
        waits of each is gone.
        """
        with App(tmp_path) as app:
            people = [app.kit.subject(name) for name in ("ann", "bob")]
            for kit in people:
                kit.consent.grant("logs", method="confirm")
                with kit.use("logs") as use:
                    assert use.capture(use.device("app_version"))
            assert app.kit.status().waiting == 2

            app.ending.deliver(app.kit, NOTE)

            assert app.kit.status().waiting == 0
            for kit in people:
                with kit.use("logs") as use:
                    refused = use.device("app_version")
                assert not refused
                assert isinstance(refused, Refusal)
                assert refused.reason is Reason.MASKED

    @pytest.mark.parametrize(
        ("note", "problem"),
        [
            (sign_end(END, make_signing_key()), "sign"),
            (NOTE.replace("2026-11-20", "2026-11-21"), "sign"),
            (
                sign_end(
                    EndOfOperation(policy="other_app", since=END.since), MAKER
                ),
                "another app",
            ),
            ("", "no note"),
            ("consentkit: end of operation, format 1", "no note"),
            (NOTE.replace("format 1", "format 2"), "no note"),
            (NOTE.replace("\n\n", "\nmore\n\n"), "no note"),
            (NOTE.rstrip()[:-8], "base64|sign"),
            (END.text + "\n!\n", "base64"),
        ],
    )
    def test_nobody_elses_word(
        self, note: str, problem: str, tmp_path: Path
    ) -> None:
        """
        What another key signed, what was changed, what is about another app
        and what is no note stop nothing.
        """
        with App(tmp_path) as app:
            app.agree("logs", method="confirm")
            with pytest.raises(ProofError, match=problem):
                app.ending.deliver(app.kit, note)
            assert app.ending.ended is None
            with app.once():
                app.take("logs", "app_version")
            app.ending.carry_out(app.kit)
            with app.once():
                app.take("logs", "app_version")

    def test_note_is_read_back(self) -> None:
        """
        A note says what was signed.
        """
        assert parse_end(NOTE, MAKER.verify_key) == END

    def test_kept_word_that_is_damaged(self, tmp_path: Path) -> None:
        """
        In doubt it counts: a word that was kept and is damaged stops
        everything, and whoever asks is told.
        """
        with App(tmp_path) as app:
            app.agree("logs", method="confirm")
            assert repr(app.ending) == "<Cessation of camera_app: not yet>"
            (tmp_path / "ceased.note").write_text("damaged")
            with app.nothing():
                assert not app.take("logs", "app_version")
            with pytest.raises(ProofError):
                app.ending.ended  # noqa: B018
