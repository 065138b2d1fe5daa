# SPDX-License-Identifier: MIT

"""
What the camera app's document promises of starting by itself, and of the
addresses that its embedded pages open.
"""

from __future__ import annotations

import multiprocessing

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.addresses import AddressGuard
from consentkit.gate import OSPermission, Reason, Refusal
from consentkit.starts import Starts, Woken
from tests.obligations.checks import (
    EXAMPLES,
    Watched,
    changed,
    document,
    questions,
    table,
)
from tests.support import Clock


NAME = "camera_app"
WP = document(NAME)
SDKS = tuple(f.sdk for f in WP.functions.values() if f.sdk)


class Phone(Watched):
    """
    A phone on which the system says what it is told to.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        self.os = OSPermission.GRANTED
        policy = options.pop("policy", WP)
        super().__init__(
            policy,
            folder,
            conditions=lambda _: True,
            os_permission=lambda _: self.os,
            **options,
        )
        self.starts = Starts(self.kit)
        self.ran: list[str] = []

    def __exit__(self, *exc: object) -> None:
        self.starts.close()
        super().__exit__(*exc)

    def wake(self, function: str = "self_start") -> Any:
        """
        Be woken by a message.
        """
        return self.starts.wake(function, lambda: self.ran.append("push"))

    def launch(self, act: str) -> Any:
        """
        Start another app.
        """
        return self.starts.launch(
            "self_start", lambda: self.ran.append("other app"), act=act
        )


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Phone]:
    """
    Give the phone of an adult who has said nothing else.
    """
    with Phone(tmp_path) as made:
        made.kit.consent.declare_age(adult=True)
        yield made


class TestSelfStart:
    """
    Tests for starting without the person.
    """

    @pytest.mark.obligation("WP-AUTO-2")
    def test_off_until_granted(self, tmp_path: Path) -> None:
        """
        Before the choice, and with everything else granted, a wake-up is
        refused, runs nothing, starts no SDK and leaves no file; granted, it
        runs; withdrawn, it does not.
        """
        with Phone(tmp_path) as phone:
            with phone.nothing():
                assert phone.wake().reason is Reason.NOT_ASKED
                assert phone.launch("").reason is Reason.NOT_ASKED
            assert not any(p.is_file() for p in tmp_path.rglob("*"))
            phone.kit.consent.declare_age(adult=True)
            rest = [e for e in WP.functions if e != "self_start"]
            phone.agree(*rest, method="confirm")
            with phone.nothing():
                assert phone.wake().reason is Reason.NOT_ASKED
            assert phone.ran == []
            assert not phone.kit.registry.running

            phone.agree("self_start", method="confirm")
            assert phone.wake()
            assert phone.ran == ["push"]
            phone.kit.consent.withdraw("self_start")
            assert phone.wake().reason is Reason.WITHDRAWN
            assert phone.ran == ["push"]
        assert not (tmp_path / "held.sqlite3").exists()

    @pytest.mark.obligation("WP-AUTO-1")
    def test_opens_nothing_else(self, phone: Phone) -> None:
        """
        What runs at a wake-up can read nothing and start no SDK.
        """
        phone.agree("self_start", method="confirm")
        refused: list[object] = []

        def handler() -> str:
            refused.extend(
                phone.take(q.function, q.data_type, act="woken")
                for q in questions(WP)
            )
            refused.extend(
                phone.kit.registry.start(sdk, lambda: None) for sdk in SDKS
            )
            return "rang"

        with phone.nothing():
            woken = phone.starts.wake("self_start", handler)
        assert isinstance(woken, Woken)
        assert (woken.function, woken.value) == ("self_start", "rang")
        assert len(refused) > len(SDKS)
        assert all(isinstance(one, Refusal) for one in refused)

    @pytest.mark.obligation("WP-AUTO-1")
    def test_not_more_often_than_declared(self, tmp_path: Path) -> None:
        """
        In any 24 hours it runs 24 times, over restarts and midnight; the
        25th is refused and counted, and a day later it runs again.
        """
        clock = Clock()
        (declared,) = [
            f.self_start for f in WP.document.functions if f.self_start
        ]
        assert declared.per_day == 24
        ran = 0
        with Phone(tmp_path, clock=clock) as phone:
            phone.agree("self_start", method="confirm")
        for _ in range(30):
            with Phone(tmp_path, clock=clock) as phone:
                answer = phone.wake()
                ran += len(phone.ran)
                assert answer or answer.reason is Reason.TOO_OFTEN
            clock.tick(minutes=30)
        assert ran == 24
        with Phone(tmp_path, clock=clock) as phone:
            assert phone.starts.refused() == {"self_start: too_often": 6}
            clock.tick(hours=-20)
            assert phone.wake().reason is Reason.TOO_OFTEN
            clock.tick(hours=20 + 24)
            assert phone.wake()

    @pytest.mark.obligation("WP-AUTO-1")
    def test_processes_count_together(self, tmp_path: Path) -> None:
        """
        Four processes that wake at once run as often as one may.
        """
        with Phone(tmp_path) as phone:
            phone.agree("self_start", method="confirm")
        context = multiprocessing.get_context("spawn")
        with context.Pool(4) as pool:
            ran = pool.map(_wake_often, [str(tmp_path)] * 4)
        assert sum(ran) == 24

    def test_what_the_system_forbids(self, phone: Phone) -> None:
        """
        Where the system does not let the app start by itself, nothing runs;
        a function that does not declare it never does.
        """
        phone.agree("self_start", "profile", method="confirm")
        phone.os = OSPermission.DENIED
        assert phone.wake().reason is Reason.OS_PERMISSION
        phone.os = OSPermission.GRANTED
        assert phone.wake()
        refused = phone.wake("profile")
        assert refused.reason is Reason.UNDECLARED_PURPOSE
        nobody = phone.wake("no_such_function")
        assert nobody.reason is Reason.UNDECLARED_FUNCTION
        assert phone.ran == ["push"]

    def test_what_cannot_be_counted(
        self, phone: Phone, tmp_path: Path
    ) -> None:
        """
        Where starts cannot be counted, none is permitted, and the refusal
        says why.
        """
        phone.agree("self_start", method="confirm")
        (tmp_path / "starts.sqlite3").mkdir()

        refused = phone.wake()
        assert refused.reason is Reason.TOO_OFTEN
        assert "starts.sqlite3" in refused.detail
        refused = phone.launch("")
        assert refused.reason is Reason.NO_ACT
        assert "starts.sqlite3" in refused.detail
        assert phone.ran == []

    def test_handler_that_fails(self, phone: Phone) -> None:
        """
        What the app's own code raises is the app's, and the start counts.
        """
        fewer = changed(
            NAME,
            lambda t: table(t, "self_start")["self_start"].update(per_day=1),
        )
        phone.agree("self_start", method="confirm")

        def fail() -> None:
            msg = "no ringtone"
            raise RuntimeError(msg)

        with pytest.raises(RuntimeError, match="no ringtone"):
            phone.starts.wake("self_start", fail)
        with Phone(phone.folder, policy=fewer) as other:
            assert other.wake().reason is Reason.TOO_OFTEN

    @pytest.mark.obligation("WP-AUTO-3")
    def test_another_app_takes_an_act(self, phone: Phone) -> None:
        """
        Another app is started at the person's act, as often as they act;
        a call of the program's own is refused and counted.
        """
        phone.agree("self_start", method="confirm")
        with phone.nothing():
            refused = phone.launch("")
            assert refused.reason is Reason.NO_ACT
        assert phone.ran == []
        assert phone.starts.refused() == {"self_start: no_act": 1}

        for _ in range(30):
            assert phone.launch("opened_message")
        assert phone.ran == ["other app"] * 30
        assert phone.starts.refused() == {"self_start: no_act": 1}


def _wake_often(folder: str) -> int:
    """
    Wake ten times, in a process of its own; tell how often it ran.
    """
    ran: list[int] = []
    with consentkit.open(
        EXAMPLES / NAME / "policy.toml",
        data_dir=folder,
        clock=Clock(),
        os_permission=lambda _: OSPermission.GRANTED,
    ) as kit:
        starts = Starts(kit)
        for _ in range(10):
            starts.wake("self_start", lambda: ran.append(1))
        starts.close()
    return len(ran)


class TestAddresses:
    """
    Tests for what embedded pages may open.
    """

    @pytest.fixture
    def site(self, tmp_path: Path) -> Path:
        """
        Give the app's folder of pages, beside its private data.
        """
        pages = tmp_path / "pages"
        pages.mkdir()
        (pages / "help.html").write_text("help")
        (pages / "100%.html").write_text("sure")
        (tmp_path / "private").mkdir()
        (tmp_path / "private" / "card.dat").write_text("card")
        (pages / "link.html").symlink_to(tmp_path / "private" / "card.dat")
        (pages / "folder").symlink_to(tmp_path / "private")
        return pages

    @pytest.fixture
    def guard(self, site: Path) -> AddressGuard:
        """
        Give the guard of an app with pages of its own and one host.
        """
        return AddressGuard(hosts={"help.example.com"}, roots=[site])  # type: ignore[arg-type]

    @pytest.mark.obligation("WP-WV-1")
    def test_listed_ones_open(self, guard: AddressGuard, site: Path) -> None:
        """
        A page of the app and an address of its host may be opened, however
        their letters and signs are written.
        """
        for address in (
            f"file://{site}/help.html",
            f"FILE://{site}/help.html#top",
            f"file://localhost{site}/help.html?from=menu",
            f"file://{site}/%68elp.html",
            f"file://{site}/x/../help.html",
            f"file://{site}/100%25.html",
            "https://help.example.com/cards?lang=en",
            "HTTPS://HELP.example.com:443/",
        ):
            verdict = guard.check(address)
            assert verdict, (address, verdict.reason)

    @pytest.mark.obligation("WP-WV-1")
    @pytest.mark.parametrize(
        "address",
        [
            "file://{out}/private/card.dat",
            "FiLe://{out}/private/card.dat",
            "file://{in}/../private/card.dat",
            "file://{in}/%2e%2e/private/card.dat",
            "file://{in}/%2E%2E%2Fprivate%2Fcard.dat",
            "file://{in}/%252e%252e/private/card.dat",
            "file://{in}/%25252e%25252e/private/card.dat",
            "file://{in}/%2525252e%2525252e/private/card.dat",
            "file://{in}/link.html",
            "file://{in}/folder/card.dat",
            "file://{in}-else/page.html",
            "file:///etc/passwd",
            "file:////etc/passwd",
            "file://server/share/card.dat",
            "file:{in}/..\\private\\card.dat",
            "file:help.html",
            "file://{in}/help.html%00.png",
            " file://{out}/private/card.dat",
            "file\t://{out}/private/card.dat",
            "content://com.app.files/card",
            "CONTENT://com.app.files/card",
            "javascript:alert(1)",
            "data:text/html,x",
            "intent://scan/#Intent;scheme=x;end",
            "http://help.example.com/",
            "https://help.example.com.evil.example/",
            "https://evil.example/help.example.com",
            "https://help.example.com@evil.example/",
            "https://evil.example\\@help.example.com/",
            "https://sub.help.example.com/",
            "https://help.example.com:8443/",
            "https://help.example.com:99999/",
            "https://[::1]/",
            "https:///nowhere",
            "https://xn--hlp-bma.example.com/",
            "//help.example.com/",
            "help.html",
            "",
        ],
    )
    def test_nothing_else_opens(
        self, address: str, guard: AddressGuard, site: Path
    ) -> None:
        """
        Files outside, encoded or linked ways out, other schemes and other
        hosts are refused, with a reason that does not repeat the address.
        """
        spelled = address.replace("{in}", str(site))
        spelled = spelled.replace("{out}", str(site.parent))

        verdict = guard.check(spelled)

        assert not verdict, spelled
        assert verdict.reason
        assert "card" not in verdict.reason

    @pytest.mark.obligation("WP-WV-1")
    def test_nothing_is_listed_by_itself(self, site: Path) -> None:
        """
        A guard that was told nothing lets nothing be opened.
        """
        guard = AddressGuard()

        assert not guard.check("https://help.example.com/")
        assert not guard.check(f"file://{site}/help.html")
